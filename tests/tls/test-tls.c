/* SPDX-License-Identifier: MIT */
/* Who is let in by TLS and who is not: both ends against each other, and an end
 * against OpenSSL itself, told to be a peer of another kind. */
#include "tls/certificates.h"
#include "tls/tls-kit.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OTHER "another, of more than 16 bytes"

static void
expect_refusal(int server_code, const char *server_part, int client_code,
               const char *client_part)
{
    ck_assert_int_eq(server.result, server_code);
    ck_assert_int_eq(client.result, client_code);
    ck_assert_msg(strstr(server.text, server_part) != NULL,
                  "'%s' does not say '%s'", server.text, server_part);
    ck_assert_msg(strstr(client.text, client_part) != NULL,
                  "'%s' does not say '%s'", client.text, client_part);
    ck_assert_int_eq(mp__tls_handshake(server.tls), server_code);
    ck_assert_int_eq(mp__tls_handshake(client.tls), client_code);
    ck_assert_int_lt(mp__tls_write(server.tls, "x", 1), 0);
    ck_assert_int_lt(mp__tls_write(client.tls, "x", 1), 0);
    free_ends();
}

/* ---- By key ---- */

START_TEST(tls_key_lets_in)
{
    connect_by_key();
    say(&client, &server);
    say(&server, &client);
    free_ends();
}
END_TEST

START_TEST(G13_tls_other_key_is_rejected)
{
    mp_conn_attr ours = key_attr(KEY), theirs = key_attr(OTHER);

    connect_ends(&ours, &theirs, NULL);
    expect_refusal(-EKEYREJECTED, "mp_listener_accept: the other end has anot",
                   -EKEYREJECTED, "mp_connect: the other end has another key");
}
END_TEST

START_TEST(tls_short_key_is_refused)
{
    mp_conn_attr attr = key_attr("15 bytes of key");
    struct mp__tls_context *context = NULL;

    for (int is_server = 0; is_server < 2; is_server++) {
        expect(mp__tls_context_new(&context, &attr, is_server, "f"), -EINVAL,
               "f: TLS takes an .authkey of at least 16 bytes");
        expect(mp__tls_context_new(&context, NULL, is_server, "f"), -EINVAL,
               ".authkey");
    }
    ck_assert_ptr_null(context);
    mp__tls_context_free(NULL);
    mp__tls_free(NULL);
}
END_TEST

/* ---- By certificates ---- */

static const char *const hosts[] = {"localhost", "mproc.test", "127.0.0.1",
                                    "::1", "::1%lo"};

START_TEST(tls_certificates_let_in)
{
    mp_conn_attr ours = certificates_attr(SERVER, OUR_CA);
    mp_conn_attr theirs = certificates_attr(CLIENT, OUR_CA);

    connect_ends(&ours, &theirs, hosts[_i]);
    ck_assert_msg(server.result == 0, "%s", server.text);
    ck_assert_msg(client.result == 0, "%s", client.text);
    say(&client, &server);
    say(&server, &client);
    free_ends();
}
END_TEST

static const char *const other_hosts[] = {
    "example.org", "mproc.test.example.org", "test", "127.0.0.2", "::2",
    "server"};

START_TEST(tls_certificate_of_another_host_is_rejected)
{
    mp_conn_attr ours = certificates_attr(SERVER, OUR_CA);
    mp_conn_attr theirs = certificates_attr(CLIENT, OUR_CA);

    connect_ends(&ours, &theirs, other_hosts[_i]);
    expect_refusal(-EKEYREJECTED, "rejects the certificate", -EKEYREJECTED,
                   "mismatch");
}
END_TEST

START_TEST(tls_client_without_a_host_is_refused)
{
    mp_conn_attr attr = certificates_attr(CLIENT, OUR_CA);
    struct mp__tls_context *context;
    struct mp__tls *tls = NULL;

    ck_assert_int_eq(mp__tls_context_new(&context, &attr, 0, "f"), 0);
    expect(mp__tls_new(&tls, context, -1, NULL), -EINVAL, "no host");
    expect(mp__tls_new(&tls, context, -1, ""), -EINVAL, "no host");
    ck_assert_ptr_null(tls);
    mp__tls_context_free(context);
}
END_TEST

START_TEST(tls_server_of_an_unknown_authority_is_rejected)
{
    mp_conn_attr ours = certificates_attr(STRANGER, OUR_CA);
    mp_conn_attr theirs = certificates_attr(CLIENT, OUR_CA);

    connect_ends(&ours, &theirs, "localhost");
    expect_refusal(-EKEYREJECTED, "does not know who signed", -EKEYREJECTED,
                   "local issuer");
}
END_TEST

START_TEST(tls_client_of_an_unknown_authority_is_rejected)
{
    mp_conn_attr ours = certificates_attr(SERVER, OUR_CA);
    mp_conn_attr theirs = certificates_attr(STRANGER, OUR_CA);

    connect_ends(&ours, &theirs, "localhost");
    expect_refusal(-EKEYREJECTED, "local issuer", -EKEYREJECTED,
                   "does not know who signed");
}
END_TEST

START_TEST(tls_expired_certificate_is_rejected)
{
    mp_conn_attr ours = certificates_attr(_i ? EXPIRED : SERVER, OUR_CA);
    mp_conn_attr theirs = certificates_attr(_i ? CLIENT : EXPIRED, OUR_CA);

    connect_ends(&ours, &theirs, "localhost");
    expect_refusal(-EKEYREJECTED, "expired", -EKEYREJECTED, "expired");
}
END_TEST

START_TEST(tls_key_and_certificates_do_not_meet)
{
    mp_conn_attr by_key = key_attr(KEY);
    mp_conn_attr ours = certificates_attr(SERVER, OUR_CA);
    mp_conn_attr theirs = certificates_attr(CLIENT, OUR_CA);

    connect_ends(&by_key, &theirs, "localhost");
    expect_refusal(-EKEYREJECTED, "does not go by the key", -EKEYREJECTED,
                   "goes by the key or by certificates");
    connect_ends(&ours, &by_key, NULL);
    ck_assert_int_eq(server.result, -EKEYREJECTED);
    ck_assert_int_eq(client.result, -EKEYREJECTED);
    free_ends();
}
END_TEST

/* With both, the certificates are what counts. */
START_TEST(tls_certificates_come_before_the_key)
{
    mp_conn_attr ours = certificates_attr(SERVER, OUR_CA);
    mp_conn_attr theirs = certificates_attr(CLIENT, OUR_CA);

    ours.authkey = "k";
    ours.authkey_size = 1;
    connect_ends(&ours, &theirs, "localhost");
    ck_assert_int_eq(server.result, 0);
    ck_assert_int_eq(client.result, 0);
    free_ends();
}
END_TEST

START_TEST(tls_files_of_no_use_are_told)
{
    mp_conn_attr attr = certificates_attr(SERVER, OUR_CA);
    struct mp__tls_context *context = NULL;
    mp_conn_attr a;

    a = attr, a.certificate = "/nowhere/x";
    expect(mp__tls_context_new(&context, &a, 1, "f"), -EKEYREJECTED,
           "f: certificate '/nowhere/x': No such file");
    a = attr, a.private_key = "/nowhere/x";
    expect(mp__tls_context_new(&context, &a, 1, "f"), -EKEYREJECTED,
           "f: private key '/nowhere/x': No such file");
    a = attr, a.ca = "/nowhere/x";
    expect(mp__tls_context_new(&context, &a, 1, "f"), -EKEYREJECTED,
           "f: ca '/nowhere/x'");
    a = attr, a.certificate = "/dev/null";
    expect(mp__tls_context_new(&context, &a, 1, "f"), -EKEYREJECTED,
           "f: certificate '/dev/null': no start line");
    a = attr, a.private_key = certificates_attr(CLIENT, OUR_CA).private_key;
    expect(mp__tls_context_new(&context, &a, 1, "f"), -EKEYREJECTED,
           "mismatch");
    a = attr, a.ca = NULL;
    expect(mp__tls_context_new(&context, &a, 1, "f"), -EINVAL, "go together");
    ck_assert_ptr_null(context);
}
END_TEST

/* And nobody is asked for it at the terminal. */
START_TEST(tls_key_behind_a_password_is_refused)
{
    mp_conn_attr attr = certificates_attr(LOCKED, OUR_CA);
    struct mp__tls_context *context = NULL;

    expect(mp__tls_context_new(&context, &attr, 1, "f"), -EKEYREJECTED,
           "f: private key");
    ck_assert_ptr_null(context);
}
END_TEST

/* ---- Other peers ---- */

struct stranger {
    SSL_CTX *ctx;
    SSL *ssl;
    int socket;
};

static int sessions; /* that a stranger could use again */

static int
note_session(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl, (void)session;
    sessions++;
    return 0;
}

/* OpenSSL as a user of it has it: trusts everybody, speaks what it can. */
static struct stranger
make_stranger(int is_server, int socket, int most, const char *name)
{
    struct stranger stranger = {.socket = socket};
    mp_conn_attr attr = certificates_attr(name ? name : SERVER, OUR_CA);

    stranger.ctx =
        SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method());
    SSL_CTX_set_max_proto_version(stranger.ctx, most);
    SSL_CTX_set_session_cache_mode(stranger.ctx, SSL_SESS_CACHE_CLIENT);
    SSL_CTX_sess_set_new_cb(stranger.ctx, note_session);
    if (name != NULL) {
        SSL_CTX_use_certificate_file(stranger.ctx, attr.certificate,
                                     SSL_FILETYPE_PEM);
        SSL_CTX_use_PrivateKey_file(stranger.ctx, attr.private_key,
                                    SSL_FILETYPE_PEM);
    }
    stranger.ssl = SSL_new(stranger.ctx);
    SSL_set_fd(stranger.ssl, socket);
    if (is_server)
        SSL_set_accept_state(stranger.ssl);
    else
        SSL_set_connect_state(stranger.ssl);
    return stranger;
}

static void
free_stranger(struct stranger *stranger)
{
    SSL_free(stranger->ssl);
    SSL_CTX_free(stranger->ctx);
    close(stranger->socket);
}

/* What the handshake of `end` with a stranger comes to. */
static int
meet(struct end *end, struct stranger *stranger)
{
    end->result = MP__TLS_READ;
    for (int i = 0; i < TURNS && goes_on(end->result); i++) {
        SSL_do_handshake(stranger->ssl);
        end->result = mp__tls_handshake(end->tls);
    }
    return end->result;
}

START_TEST(G13_tls_old_client_is_refused)
{
    mp_conn_attr attrs[] = {key_attr(KEY), certificates_attr(SERVER, OUR_CA)};

    for (int i = 0; i < 2; i++) {
        struct stranger stranger;
        struct end end;
        int sockets[2];

        make_sockets(sockets);
        end = make_end(&attrs[i], 1, sockets[0], NULL);
        stranger = make_stranger(0, sockets[1], TLS1_2_VERSION, CLIENT);
        expect(meet(&end, &stranger), -EPROTO, "does not speak TLS 1.3");
        free_end(&end);
        free_stranger(&stranger);
    }
}
END_TEST

START_TEST(G13_tls_old_server_is_refused)
{
    mp_conn_attr attrs[] = {key_attr(KEY), certificates_attr(CLIENT, OUR_CA)};

    for (int i = 0; i < 2; i++) {
        struct stranger stranger;
        struct end end;
        int sockets[2];

        make_sockets(sockets);
        end = make_end(&attrs[i], 0, sockets[0], "localhost");
        stranger = make_stranger(1, sockets[1], TLS1_2_VERSION, SERVER);
        expect(meet(&end, &stranger), -EPROTO, "does not speak TLS 1.3");
        free_end(&end);
        free_stranger(&stranger);
    }
}
END_TEST

START_TEST(tls_client_without_the_key_is_rejected)
{
    mp_conn_attr attr = key_attr(KEY);
    struct stranger stranger;
    struct end end;
    int sockets[2];

    make_sockets(sockets);
    end = make_end(&attr, 1, sockets[0], NULL);
    stranger =
        make_stranger(0, sockets[1], TLS1_3_VERSION, _i ? CLIENT : NULL);
    expect(meet(&end, &stranger), -EKEYREJECTED, "does not go by the key");
    free_end(&end);
    free_stranger(&stranger);
}
END_TEST

/* A certificate that anybody would trust is no proof of the key. */
START_TEST(tls_server_without_the_key_is_rejected)
{
    mp_conn_attr attr = key_attr(KEY);
    struct stranger stranger;
    struct end end;
    int sockets[2];

    setenv("SSL_CERT_FILE", certificates_path(OUR_CA), 1);
    make_sockets(sockets);
    end = make_end(&attr, 0, sockets[0], "localhost");
    stranger = make_stranger(1, sockets[1], TLS1_3_VERSION, SERVER);
    ck_assert_int_eq(meet(&end, &stranger), -EKEYREJECTED);
    free_end(&end);
    free_stranger(&stranger);
}
END_TEST

START_TEST(tls_client_without_a_certificate_is_rejected)
{
    mp_conn_attr attr = certificates_attr(SERVER, OUR_CA);
    struct stranger stranger;
    struct end end;
    int sockets[2];

    make_sockets(sockets);
    end = make_end(&attr, 1, sockets[0], NULL);
    stranger = make_stranger(0, sockets[1], TLS1_3_VERSION, NULL);
    expect(meet(&end, &stranger), -EKEYREJECTED, "has no certificate");
    free_end(&end);
    free_stranger(&stranger);
}
END_TEST

START_TEST(tls_server_gives_nothing_to_resume)
{
    mp_conn_attr attr = certificates_attr(SERVER, OUR_CA);
    struct stranger stranger;
    struct end end;
    int sockets[2];
    char byte;

    make_sockets(sockets);
    end = make_end(&attr, 1, sockets[0], NULL);
    stranger = make_stranger(0, sockets[1], TLS1_3_VERSION, CLIENT);
    ck_assert_int_eq(meet(&end, &stranger), 0);
    ck_assert_int_eq(mp__tls_write(end.tls, "x", 1), 1);
    ck_assert_int_eq(SSL_read(stranger.ssl, &byte, 1), 1);
    ck_assert_int_eq(SSL_read(stranger.ssl, &byte, 1), 1);
    ck_assert_int_eq(byte, 'x');
    ck_assert_int_eq(sessions, 0);
    free_end(&end);
    free_stranger(&stranger);
}
END_TEST

/* A peer may ask for fresh keys at any time, and be answered. */
START_TEST(tls_keys_are_renewed)
{
    mp_conn_attr attr = certificates_attr(SERVER, OUR_CA);
    struct stranger stranger;
    struct end end;
    int sockets[2];
    char buf[4];

    make_sockets(sockets);
    end = make_end(&attr, 1, sockets[0], NULL);
    stranger = make_stranger(0, sockets[1], TLS1_3_VERSION, CLIENT);
    ck_assert_int_eq(meet(&end, &stranger), 0);
    ck_assert_int_eq(SSL_read(stranger.ssl, buf, 1), 1);
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(
            SSL_key_update(stranger.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        ck_assert_int_eq(SSL_write(stranger.ssl, "ask", 3), 3);
        ck_assert_int_eq(mp__tls_read(end.tls, buf, 4), 3);
        ck_assert_int_eq(mp__tls_write(end.tls, "tell", 4), 4);
        ck_assert_int_eq(SSL_read(stranger.ssl, buf, 4), 4);
    }
    free_end(&end);
    free_stranger(&stranger);
}
END_TEST

static const struct {
    const char *bytes;
    size_t size;
} nonsense[] = {
    {"\0\0\0\x3b#CHALLENGE#{sha256}0123456789012345678901234567890123456789",
     63},
    {"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 35},
    {"\x16\x03\x01\xff\xff", 5},
    {"\x15\x03\x03\0\x02\x02\x50", 7},
    {"\x17\x03\x03\0\x01x", 6},
    {"\x16\x03\x01\0\x04\x01\xff\xff\xff", 9},
};

START_TEST(tls_nonsense_is_an_error)
{
    mp_conn_attr attr = key_attr(KEY);

    for (int is_server = 0; is_server < 2; is_server++) {
        struct end end;
        int sockets[2];

        make_sockets(sockets);
        end = make_end(&attr, is_server, sockets[0], NULL);
        ck_assert_int_eq(mp__tls_handshake(end.tls), MP__TLS_READ);
        ck_assert_int_eq(
            write(sockets[1], nonsense[_i].bytes, nonsense[_i].size),
            nonsense[_i].size);
        ck_assert_int_eq(mp__tls_handshake(end.tls), -EPROTO);
        free_end(&end);
        close(sockets[1]);
    }
}
END_TEST

START_TEST(G13_tls_silent_peer_holds_up_nobody)
{
    mp_conn_attr attr = key_attr(KEY);

    for (int is_server = 0; is_server < 2; is_server++) {
        struct end end;
        int sockets[2];

        make_sockets(sockets);
        end = make_end(&attr, is_server, sockets[0], NULL);
        for (int i = 0; i < 3; i++)
            ck_assert_int_eq(mp__tls_handshake(end.tls), MP__TLS_READ);
        close(sockets[1]);
        ck_assert_int_eq(mp__tls_handshake(end.tls), -EPIPE);
        free_end(&end);
    }
}
END_TEST

static void
add_peers(Suite *suite)
{
    TCase *tcase = mp_test_case(suite, "peers", 10);

    tcase_add_test(tcase, G13_tls_old_client_is_refused);
    tcase_add_test(tcase, G13_tls_old_server_is_refused);
    tcase_add_loop_test(tcase, tls_client_without_the_key_is_rejected, 0, 2);
    tcase_add_test(tcase, tls_server_without_the_key_is_rejected);
    tcase_add_test(tcase, tls_client_without_a_certificate_is_rejected);
    tcase_add_test(tcase, tls_server_gives_nothing_to_resume);
    tcase_add_test(tcase, tls_keys_are_renewed);
    tcase_add_loop_test(tcase, tls_nonsense_is_an_error, 0, 6);
    tcase_add_test(tcase, G13_tls_silent_peer_holds_up_nobody);
}

static void
add_proofs(Suite *suite)
{
    TCase *key = mp_test_case(suite, "key", 10);
    TCase *certificates = mp_test_case(suite, "certificates", 10);

    tcase_add_test(key, tls_key_lets_in);
    tcase_add_test(key, G13_tls_other_key_is_rejected);
    tcase_add_test(key, tls_short_key_is_refused);
    tcase_add_loop_test(certificates, tls_certificates_let_in, 0, 5);
    tcase_add_loop_test(certificates,
                        tls_certificate_of_another_host_is_rejected, 0, 6);
    tcase_add_test(certificates, tls_client_without_a_host_is_refused);
    tcase_add_test(certificates,
                   tls_server_of_an_unknown_authority_is_rejected);
    tcase_add_test(certificates,
                   tls_client_of_an_unknown_authority_is_rejected);
    tcase_add_loop_test(certificates, tls_expired_certificate_is_rejected, 0,
                        2);
    tcase_add_test(certificates, tls_key_and_certificates_do_not_meet);
    tcase_add_test(certificates, tls_certificates_come_before_the_key);
    tcase_add_test(certificates, tls_files_of_no_use_are_told);
    tcase_add_test(certificates, tls_key_behind_a_password_is_refused);
}

int
main(void)
{
    Suite *suite = suite_create("tls");
    int failed;

    certificates_make();
    add_proofs(suite);
    add_peers(suite);
    failed = mp_test_main(suite);
    certificates_remove();
    return failed;
}
