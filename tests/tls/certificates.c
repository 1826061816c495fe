/* SPDX-License-Identifier: MIT */
#include "tls/certificates.h"

#include "support/support.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define NAMES "DNS:localhost,DNS:mproc.test,IP:127.0.0.1,IP:::1"
#define DAY   86400L

static char folder[64];

static const char *const files[] = {OUR_CA,  THEIR_CA, SERVER, CLIENT,
                                    EXPIRED, STRANGER, LOCKED};

const char *
certificates_path(const char *name)
{
    static char paths[32][128];
    static unsigned turn;
    char *path = paths[turn++ % 32];

    snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

static const char *
key_path(const char *name)
{
    char file[64];

    snprintf(file, sizeof(file), "%s.key", name);
    return certificates_path(file);
}

mp_conn_attr
certificates_attr(const char *name, const char *ca)
{
    return (mp_conn_attr){
        .size = sizeof(mp_conn_attr),
        .certificate = certificates_path(name),
        .private_key = key_path(name),
        .ca = certificates_path(ca),
    };
}

static void
extend(X509 *certificate, int nid, const char *text)
{
    X509_EXTENSION *extension =
        X509V3_EXT_conf_nid(NULL, NULL, nid, (char *)text);

    ck_assert_ptr_nonnull(extension);
    ck_assert_int_eq(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

struct authority {
    X509 *certificate;
    EVP_PKEY *key;
};

static X509 *
sign(const char *name, EVP_PKEY *key, const char *names, long days,
     const struct authority *by)
{
    X509 *certificate = X509_new();
    X509_NAME *subject = X509_get_subject_name(certificate);
    static long serial;

    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -10 * DAY);
    X509_gmtime_adj(X509_getm_notAfter(certificate), days * DAY);
    X509_set_pubkey(certificate, key);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                               (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(
        certificate, by ? X509_get_subject_name(by->certificate) : subject);
    extend(certificate, NID_basic_constraints, by ? "CA:FALSE" : "CA:TRUE");
    if (names)
        extend(certificate, NID_subject_alt_name, names);
    ck_assert_int_ne(X509_sign(certificate, by ? by->key : key, EVP_sha256()),
                     0);
    return certificate;
}

static void
write_files(const char *name, X509 *certificate, EVP_PKEY *key,
            const char *password)
{
    FILE *f = fopen(certificates_path(name), "we");

    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(PEM_write_X509(f, certificate), 1);
    fclose(f);
    f = fopen(key_path(name), "we");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(PEM_write_PrivateKey(f, key,
                                          password ? EVP_aes_128_cbc() : NULL,
                                          NULL, 0, NULL, (void *)password),
                     1);
    fclose(f);
}

static struct authority
make_authority(const char *name)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    struct authority authority = {sign(name, key, NULL, 10, NULL), key};

    write_files(name, authority.certificate, key, NULL);
    return authority;
}

static void
make(const char *name, const char *names, long days,
     const struct authority *by, const char *password)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = sign(name, key, names, days, by);

    write_files(name, certificate, key, password);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

void
certificates_make(void)
{
    struct authority ours, theirs;

    snprintf(folder, sizeof(folder), "/tmp/mproc-certificates-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ours = make_authority(OUR_CA);
    theirs = make_authority(THEIR_CA);
    make(SERVER, NAMES, 10, &ours, NULL);
    make(CLIENT, NULL, 10, &ours, NULL);
    make(EXPIRED, NAMES, -1, &ours, NULL);
    make(STRANGER, NAMES, 10, &theirs, NULL);
    make(LOCKED, NAMES, 10, &ours, "password");
    X509_free(ours.certificate);
    X509_free(theirs.certificate);
    EVP_PKEY_free(ours.key);
    EVP_PKEY_free(theirs.key);
}

void
certificates_remove(void)
{
    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
        unlink(certificates_path(files[i]));
        unlink(key_path(files[i]));
    }
    rmdir(folder);
}
