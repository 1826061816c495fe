/* SPDX-License-Identifier: MIT */
/* OpenSSL 3, which is loaded when it is first needed. */
#pragma once

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

/* The functions that are used, none of them a macro of OpenSSL's. */
#define MP__OPENSSL_FUNCTIONS(X)             \
    X(BIO_clear_flags)                       \
    X(BIO_get_data)                          \
    X(BIO_get_new_index)                     \
    X(BIO_meth_free)                         \
    X(BIO_meth_new)                          \
    X(BIO_meth_set_ctrl)                     \
    X(BIO_meth_set_read)                     \
    X(BIO_meth_set_write)                    \
    X(BIO_new)                               \
    X(BIO_set_data)                          \
    X(BIO_set_flags)                         \
    X(BIO_set_init)                          \
    X(CRYPTO_memcmp)                         \
    X(ERR_clear_error)                       \
    X(ERR_peek_error)                        \
    X(ERR_reason_error_string)               \
    X(EVP_Q_mac)                             \
    X(OPENSSL_cleanse)                       \
    X(OPENSSL_init_ssl)                      \
    X(SSL_CIPHER_find)                       \
    X(SSL_CTX_check_private_key)             \
    X(SSL_CTX_ctrl)                          \
    X(SSL_CTX_free)                          \
    X(SSL_CTX_load_verify_file)              \
    X(SSL_CTX_new)                           \
    X(SSL_CTX_set_ciphersuites)              \
    X(SSL_CTX_set_default_passwd_cb)         \
    X(SSL_CTX_set_num_tickets)               \
    X(SSL_CTX_set_options)                   \
    X(SSL_CTX_set_psk_find_session_callback) \
    X(SSL_CTX_set_psk_use_session_callback)  \
    X(SSL_CTX_set_verify)                    \
    X(SSL_CTX_use_PrivateKey_file)           \
    X(SSL_CTX_use_certificate_chain_file)    \
    X(SSL_SESSION_free)                      \
    X(SSL_SESSION_new)                       \
    X(SSL_SESSION_set1_master_key)           \
    X(SSL_SESSION_set_cipher)                \
    X(SSL_SESSION_set_protocol_version)      \
    X(SSL_ctrl)                              \
    X(SSL_do_handshake)                      \
    X(SSL_free)                              \
    X(SSL_get0_param)                        \
    X(SSL_get_error)                         \
    X(SSL_get_ex_data)                       \
    X(SSL_get_verify_result)                 \
    X(SSL_new)                               \
    X(SSL_pending)                           \
    X(SSL_read_ex)                           \
    X(SSL_session_reused)                    \
    X(SSL_set1_host)                         \
    X(SSL_set_accept_state)                  \
    X(SSL_set_bio)                           \
    X(SSL_set_connect_state)                 \
    X(SSL_set_ex_data)                       \
    X(SSL_set_hostflags)                     \
    X(SSL_shutdown)                          \
    X(SSL_write_ex)                          \
    X(TLS_client_method)                     \
    X(TLS_server_method)                     \
    X(X509_VERIFY_PARAM_set1_ip_asc)         \
    X(X509_verify_cert_error_string)

struct mp__openssl {
#define MP__OPENSSL_FIELD(name) __typeof__(name) *name;
    MP__OPENSSL_FUNCTIONS(MP__OPENSSL_FIELD)
#undef MP__OPENSSL_FIELD
};

/* The same at each call. NULL: it cannot be had, and mp_last_error() tells why
 * `function`, a public one, fails with -ENOTSUP (-ENOMEM is not told apart). */
const struct mp__openssl *mp__openssl(const char *function);
