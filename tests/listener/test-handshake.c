/* SPDX-License-Identifier: MIT */
/* The proof of the key, both roles against each other and against peers that
 * lie. That CPython says the same is seen by test-python. */
#include "listener/handshake.h"
#include "region/participant.h"
#include "support/support.h"
#include "tls/hmac.h"

#include <errno.h>
#include <mproc.h>
#include <string.h>

#define KEY        "a key that both know"
#define CHALLENGE  "#CHALLENGE#"
#define WELCOME    "#WELCOME#"
#define FAILURE    "#FAILURE#"
#define ASKED_SIZE 48u /* bytes of a challenge: {sha256} and 40 */
#define MESSAGES   6   /* in a proof */

struct message {
    size_t size;
    unsigned char bytes[300];
};

struct party {
    struct mp__handshake handshake;
    int result; /* of the last message it took */
};

static void
enter(void)
{
    ck_assert_int_eq(mp__enter(), 0);
}

static struct party
party(const char *key, int server, int md5)
{
    struct party party = {.result = 0};

    ck_assert_int_eq(
        mp__handshake_begin(&party.handshake, key, strlen(key), server, md5),
        0);
    return party;
}

static int
take(struct party *party, struct message message)
{
    return party->result = mp__handshake_take(&party->handshake, message.bytes,
                                              message.size);
}

/* The one message that it wants to send. */
static struct message
sent(struct party *party)
{
    struct mp__handshake *handshake = &party->handshake;
    struct message message;

    ck_assert_uint_gt(handshake->out_size, 4);
    ck_assert_int_eq(handshake->out[0] | handshake->out[1], 0);
    message.size = (size_t)handshake->out[2] << 8 | handshake->out[3];
    ck_assert_uint_eq(handshake->out_size, 4 + message.size);
    ck_assert_uint_le(message.size, MP__HANDSHAKE_MOST);
    memcpy(message.bytes, handshake->out + 4, message.size);
    handshake->out_size = 0;
    return message;
}

/* A message made of two parts. */
static struct message
join(const char *text, const void *data, size_t size)
{
    struct message message = {.size = strlen(text) + size};

    memcpy(message.bytes, text, strlen(text));
    memcpy(message.bytes + strlen(text), data, size);
    return message;
}

static struct message
only(const char *text)
{
    return join(text, "", 0);
}

static int
is(struct message message, const char *text)
{
    return message.size == strlen(text) &&
           memcmp(message.bytes, text, message.size) == 0;
}

static void
expect(int result, int code, const char *part)
{
    ck_assert_int_eq(result, code);
    ck_assert_msg(strstr(mp_last_error(), part) != NULL,
                  "'%s' does not say '%s'", mp_last_error(), part);
}

/* Runs a proof, in which `change` may change the i-th message. */
static void
run(struct party *server, struct party *client,
    struct message (*change)(int i, struct message, void *), void *arg)
{
    struct party *from = server, *to = client, *swap;

    for (int i = 0; i < MESSAGES + 2; i++) {
        if (from->handshake.out_size > 0 && to->result == 0)
            take(to, change(i, sent(from), arg));
        swap = from;
        from = to;
        to = swap;
    }
}

static struct message
as_it_is(int i, struct message message, void *arg)
{
    (void)i, (void)arg;
    return message;
}

/* ---- Two honest ends ---- */

static const char *const keys[] = {
    "", "k", KEY,
    "a key that is longer than a block of any of the digests, which has to be "
    "digested itself before it can be used: block sizes are 64, 128, 136 and "
    "104 bytes"};

START_TEST(handshake_same_key_proves_both)
{
    struct party server = party(keys[_i], 1, 0);
    struct party client = party(keys[_i], 0, 0);

    run(&server, &client, as_it_is, NULL);
    ck_assert_int_eq(server.result, 1);
    ck_assert_int_eq(client.result, 1);
    ck_assert_int_eq(take(&server, only(WELCOME)), -EPROTO);
    ck_assert_int_eq(take(&client, only(WELCOME)), -EPROTO);
    mp__handshake_end(&server.handshake);
    ck_assert_ptr_null(server.handshake.key);
    ck_assert_int_eq(server.handshake.challenge[10], 0);
}
END_TEST

START_TEST(G13_handshake_other_key_is_rejected_by_both)
{
    struct party server = party(KEY, 1, 0), client = party("another", 0, 0);
    struct message message = sent(&server);

    ck_assert_int_eq(take(&client, message), 0);
    expect(take(&server, sent(&client)), -EKEYREJECTED,
           "mp_listener_accept: the other end has another key");
    message = sent(&server);
    ck_assert(is(message, FAILURE));
    expect(take(&client, message), -EKEYREJECTED, "mp_connect: the other end");
    ck_assert_uint_eq(client.handshake.out_size, 0);
}
END_TEST

START_TEST(G13_handshake_challenges_are_pythons_and_never_the_same)
{
    struct message messages[100];

    for (size_t i = 0; i < 100; i++) {
        struct party server = party(KEY, 1, 0);

        messages[i] = sent(&server);
        ck_assert_uint_eq(messages[i].size, strlen(CHALLENGE) + ASKED_SIZE);
        ck_assert_mem_eq(messages[i].bytes, CHALLENGE "{sha256}", 19);
        for (size_t k = 0; k < i; k++) {
            ck_assert_mem_ne(messages[i].bytes + 19, messages[k].bytes + 19,
                             24);
            ck_assert_mem_ne(messages[i].bytes + 43, messages[k].bytes + 43,
                             16);
        }
    }
}
END_TEST

/* ---- A server that lies ---- */

START_TEST(handshake_false_server_that_welcomes_anybody_is_rejected)
{
    struct party client = party(KEY, 0, 0);
    unsigned char mac[32] = {0};

    ck_assert_int_eq(take(&client, join(CHALLENGE "{sha256}", mac, 32)), 0);
    sent(&client);
    ck_assert_int_eq(take(&client, only(WELCOME)), 0);
    ck_assert_uint_eq(sent(&client).size, strlen(CHALLENGE) + ASKED_SIZE);
    expect(take(&client, join("{sha256}", mac, 32)), -EKEYREJECTED,
           "mp_connect: the other end has another key");
    ck_assert(is(sent(&client), FAILURE));
}
END_TEST

/* It has one client answer what another asks. */
START_TEST(G13_handshake_reflected_challenge_is_not_answered)
{
    struct party server = party(KEY, 1, 0);
    struct party first = party(KEY, 0, 0), second = party(KEY, 0, 0);

    ck_assert_int_eq(take(&first, sent(&server)), 0);
    sent(&first);
    ck_assert_int_eq(take(&first, only(WELCOME)), 0);
    expect(take(&second, sent(&first)), -EPROTO, "sends our own challenge");
    ck_assert_uint_eq(second.handshake.out_size, 0);
}
END_TEST

struct shared {
    struct message asked;
};

static int
client_in_child(void *arg)
{
    struct shared *shared = arg;
    struct party client = party(KEY, 0, 0);

    take(&client, shared->asked);
    sent(&client);
    take(&client, only(WELCOME));
    shared->asked = sent(&client);
    return 0;
}

START_TEST(handshake_reflected_between_processes_is_not_answered)
{
    struct shared *shared = mp_new(struct shared);
    struct party server = party(KEY, 1, 0), client = party(KEY, 0, 0);

    shared->asked = sent(&server);
    expect_exit(child(client_in_child, shared), 0);
    expect(take(&client, shared->asked), -EPROTO, "sends our own challenge");
    mp_free(shared);
}
END_TEST

/* A client that was let in and sends back what the server asked. */
START_TEST(handshake_server_answers_no_challenge_of_servers)
{
    struct party server = party(KEY, 1, 0), client = party(KEY, 0, 0);
    struct message asked = sent(&server);

    ck_assert_int_eq(take(&client, asked), 0);
    ck_assert_int_eq(take(&server, sent(&client)), 0);
    sent(&server);
    expect(take(&server, asked), -EPROTO, "sends our own challenge");
    ck_assert_uint_eq(server.handshake.out_size, 0);
}
END_TEST

/* ---- Messages that were changed on the way ---- */

struct damage {
    int number; /* of the message */
    size_t at;
    unsigned char flip; /* 0: cut there */
    size_t size;        /* that the message had */
};

static struct message
damaged(int i, struct message message, void *arg)
{
    struct damage *damage = arg;

    if (i != damage->number)
        return message;
    damage->size = message.size;
    if (damage->flip == 0)
        message.size = damage->at;
    else
        message.bytes[damage->at] ^= damage->flip;
    return message;
}

static void
expect_no_proof(struct damage *damage)
{
    struct party server = party(KEY, 1, 1), client = party(KEY, 0, 1);

    run(&server, &client, damaged, damage);
    ck_assert_msg(server.result < 0 || client.result < 0,
                  "message %d, byte %zu, flip %d: both are content",
                  damage->number, damage->at, damage->flip);
}

START_TEST(handshake_message_cut_at_any_byte_is_no_proof)
{
    struct damage damage = {.number = _i, .size = 1};

    for (damage.at = 0; damage.at < damage.size; damage.at++)
        expect_no_proof(&damage);
    ck_assert_uint_ge(damage.size, strlen(WELCOME));
}
END_TEST

START_TEST(handshake_message_with_any_bit_changed_is_no_proof)
{
    struct damage damage = {.number = _i, .size = 1};

    for (damage.at = 0; damage.at < damage.size; damage.at++)
        for (int bit = 0; bit < 8; bit++) {
            damage.flip = (unsigned char)(1 << bit);
            expect_no_proof(&damage);
        }
    ck_assert_uint_ge(damage.size, strlen(WELCOME));
}
END_TEST

/* What may come in place of any message. */
static struct message
nonsense(int i)
{
    struct message message = {.size = 257};

    memcpy(message.bytes, CHALLENGE "{sha256}", 19);
    switch (i) {
    case 0:
        return message; /* larger than any */
    case 1:
        return only("");
    case 2:
        return only("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    case 3:
        return only(CHALLENGE);
    case 4:
        return join(CHALLENGE, message.bytes, 19); /* too short */
    case 5:
        return only(CHALLENGE
                    "{sha512}0123456789012345678901234567890123456789");
    case 6:
        return only(CHALLENGE "0123456789012345678901234567890123456789");
    case 7:
        return only(CHALLENGE
                    "{sha256 0123456789012345678901234567890123456789");
    case 8:
        return only("{sha256}");
    case 9:
        return only("{}");
    case 10:
        return only("#WELCOME#\n");
    case 11:
        return join("", message.bytes, 256);
    default:
        memset(message.bytes, 0xff, 16);
        return join("", message.bytes, 16);
    }
}
#define NONSENSES 13

static struct message
replaced(int i, struct message message, void *arg)
{
    const int *number = arg;

    return i == number[0] ? nonsense(number[1]) : message;
}

START_TEST(handshake_nonsense_at_any_step_is_an_error)
{
    for (int i = 0; i < MESSAGES; i++) {
        struct party server = party(KEY, 1, 0), client = party(KEY, 0, 0);
        struct party *victim = i % 2 == 0 ? &client : &server;
        int number[2] = {i, _i};

        /* The longest challenge that there may be is one. */
        if (_i == 11 && (i == 0 || i == 3))
            continue;
        run(&server, &client, replaced, number);
        ck_assert_msg(victim->result < 0, "message %d", i);
        ck_assert_int_eq(take(victim, only(WELCOME)), -EPROTO);
    }
}
END_TEST

/* ---- Other digests, other Pythons ---- */

static int
mac_of(enum mp__digest digest, struct message asked, unsigned char mac[48])
{
    return mp__hmac(digest, KEY, strlen(KEY), asked.bytes + strlen(CHALLENGE),
                    asked.size - strlen(CHALLENGE), mac, "test");
}

static const struct {
    enum mp__digest digest;
    const char *prefix;
    int size;
} digests[] = {
    {MP__DIGEST_SHA256, "{sha256}", 32},
    {MP__DIGEST_SHA384, "{sha384}", 48},
    {MP__DIGEST_SHA3_256, "{sha3_256}", 32},
    {MP__DIGEST_SHA3_384, "{sha3_384}", 48},
};

START_TEST(handshake_answers_by_the_digest_that_is_asked)
{
    struct party client = party(KEY, 0, 0);
    struct message asked = only(digests[_i].prefix), answer;
    unsigned char mac[48];
    int n;

    memset(asked.bytes + asked.size, 'r', 40);
    asked = join(CHALLENGE, asked.bytes, asked.size + 40);
    ck_assert_int_eq(take(&client, asked), 0);
    answer = sent(&client);
    n = mac_of(digests[_i].digest, asked, mac);
    ck_assert_int_eq(n, digests[_i].size);
    ck_assert_uint_eq(answer.size, strlen(digests[_i].prefix) + (size_t)n);
    ck_assert_mem_eq(answer.bytes, digests[_i].prefix,
                     strlen(digests[_i].prefix));
    ck_assert_mem_eq(answer.bytes + strlen(digests[_i].prefix), mac, n);
}
END_TEST

START_TEST(handshake_takes_answers_by_any_safe_digest)
{
    struct party server = party(KEY, 1, 0);
    unsigned char mac[48];
    int n = mac_of(digests[_i].digest, sent(&server), mac);

    ck_assert_int_eq(n, digests[_i].size);
    ck_assert_int_eq(take(&server, join(digests[_i].prefix, mac, (size_t)n)),
                     0);
    ck_assert(is(sent(&server), WELCOME));
}
END_TEST

/* A MAC of the right bytes, but of less of them than the digest has. */
START_TEST(handshake_short_mac_is_rejected)
{
    struct party server = party(KEY, 1, 0);
    unsigned char mac[48];
    int n = mac_of(digests[_i].digest, sent(&server), mac);

    expect(take(&server, join(digests[_i].prefix, mac, (size_t)n - 1)),
           -EKEYREJECTED, "another key");
    ck_assert(is(sent(&server), FAILURE));
}
END_TEST

/* What Python up to 3.11 asks and answers; and 3.12 when told {md5}. */
START_TEST(handshake_md5_is_answered_only_if_allowed)
{
    struct message asked[] = {
        only(CHALLENGE "01234567890123456789"),
        only(CHALLENGE "{md5}0123456789012345678901234567890123456789")};
    const char *prefix[] = {"", "{md5}"};
    unsigned char mac[48];

    for (int i = 0; i < 2; i++) {
        struct party strict = party(KEY, 0, 0), lax = party(KEY, 0, 1);
        struct message answer;

        expect(take(&strict, asked[i]), -EKEYREJECTED, "MP_CONN_LEGACY_MD5");
        ck_assert_uint_eq(strict.handshake.out_size, 0);
        ck_assert_int_eq(take(&lax, asked[i]), 0);
        ck_assert_int_eq(mac_of(MP__DIGEST_MD5, asked[i], mac), 16);
        answer = sent(&lax);
        ck_assert_uint_eq(answer.size, strlen(prefix[i]) + 16);
        ck_assert_mem_eq(answer.bytes, prefix[i], strlen(prefix[i]));
        ck_assert_mem_eq(answer.bytes + strlen(prefix[i]), mac, 16);
    }
}
END_TEST

START_TEST(handshake_md5_answer_is_taken_only_if_allowed)
{
    const char *prefix[] = {"", "{md5}"};
    unsigned char mac[48];

    for (int i = 0; i < 2; i++) {
        struct party strict = party(KEY, 1, 0), lax = party(KEY, 1, 1);

        mac_of(MP__DIGEST_MD5, sent(&strict), mac);
        expect(take(&strict, join(prefix[i], mac, 16)), -EKEYREJECTED,
               "MP_CONN_LEGACY_MD5");
        ck_assert(is(sent(&strict), FAILURE));
        mac_of(MP__DIGEST_MD5, sent(&lax), mac);
        ck_assert_int_eq(take(&lax, join(prefix[i], mac, 16)), 0);
        ck_assert(is(sent(&lax), WELCOME));
    }
}
END_TEST

START_TEST(handshake_wrong_md5_answer_is_rejected)
{
    struct party server = party(KEY, 1, 1);
    unsigned char mac[48];

    mac_of(MP__DIGEST_MD5, sent(&server), mac);
    mac[15] ^= 1;
    expect(take(&server, join("", mac, 16)), -EKEYREJECTED, "another key");
}
END_TEST

/* ---- The digests themselves, by the vectors of RFC 2202, 4231 and 5869, and
 * of NIST for SHA-3 ---- */

static void
expect_hex(const unsigned char *bytes, size_t size, const char *hex)
{
    char found[2 * 48 + 1];

    for (size_t i = 0; i < size; i++)
        snprintf(found + 2 * i, 3, "%02x", bytes[i]);
    ck_assert_str_eq(found, hex);
}

static const struct {
    enum mp__digest digest;
    const char *hex; /* MAC of "what do ya want for nothing?", by "Jefe" */
} vectors[] = {
    {MP__DIGEST_MD5, "750c783e6ab0b503eaa86e310a5db738"},
    {MP__DIGEST_SHA256, "5bdcc146bf60754e6a042426089575c7"
                        "5a003f089d2739839dec58b964ec3843"},
    {MP__DIGEST_SHA384, "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47"
                        "e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649"},
    {MP__DIGEST_SHA3_256, "c7d4072e788877ae3596bbb0da73b887"
                          "c9171f93095b294ae857fbe2645e1ba5"},
    {MP__DIGEST_SHA3_384, "f1101f8cbf9766fd6764d2ed61903f21ca9b18f57cf3e1a2"
                          "3ca13508a93243ce48c045dc007f26a21b3f5e0e9df4c20a"},
};

START_TEST(hmac_known_vectors)
{
    static const char data[] = "what do ya want for nothing?";
    unsigned char mac[MP__HMAC_MOST];
    int n = mp__hmac(vectors[_i].digest, "Jefe", 4, data, strlen(data), mac,
                     "test");

    ck_assert_int_eq(2 * n, (int)strlen(vectors[_i].hex));
    expect_hex(mac, (size_t)n, vectors[_i].hex);
}
END_TEST

START_TEST(hmac_derived_key_known_vector)
{
    unsigned char key[22], salt[13], info[10], derived[MP__DERIVED_SIZE];

    memset(key, 0x0b, sizeof(key));
    for (size_t i = 0; i < sizeof(salt); i++)
        salt[i] = (unsigned char)i;
    for (size_t i = 0; i < sizeof(info); i++)
        info[i] = (unsigned char)(0xf0 + i);
    ck_assert_int_eq(mp__hmac_derive(key, sizeof(key), salt, sizeof(salt),
                                     info, sizeof(info), derived, "test"),
                     0);
    expect_hex(derived, sizeof(derived),
               "3cb25f25faacd57a90434f64d0362f2a"
               "2d2d0a90cf1a5a4c5db02d56ecc4c5bf");
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("handshake");
    TCase *honest = mp_test_case(suite, "honest", 5);
    TCase *liars = mp_test_case(suite, "liars", 5);
    TCase *damage = mp_test_case(suite, "damage", 20);
    TCase *others = mp_test_case(suite, "digests", 5);
    TCase *cases[] = {honest, liars, damage, others};

    for (size_t i = 0; i < 4; i++)
        tcase_add_checked_fixture(cases[i], enter, NULL);
    tcase_add_loop_test(honest, handshake_same_key_proves_both, 0, 4);
    tcase_add_test(honest, G13_handshake_other_key_is_rejected_by_both);
    tcase_add_test(honest,
                   G13_handshake_challenges_are_pythons_and_never_the_same);
    tcase_add_test(liars,
                   handshake_false_server_that_welcomes_anybody_is_rejected);
    tcase_add_test(liars, G13_handshake_reflected_challenge_is_not_answered);
    tcase_add_test(liars,
                   handshake_reflected_between_processes_is_not_answered);
    tcase_add_test(liars, handshake_server_answers_no_challenge_of_servers);
    tcase_add_loop_test(damage, handshake_message_cut_at_any_byte_is_no_proof,
                        0, MESSAGES);
    tcase_add_loop_test(damage,
                        handshake_message_with_any_bit_changed_is_no_proof, 0,
                        MESSAGES);
    tcase_add_loop_test(damage, handshake_nonsense_at_any_step_is_an_error, 0,
                        NONSENSES);
    tcase_add_loop_test(others, handshake_answers_by_the_digest_that_is_asked,
                        0, 4);
    tcase_add_loop_test(others, handshake_takes_answers_by_any_safe_digest, 0,
                        4);
    tcase_add_loop_test(others, handshake_short_mac_is_rejected, 0, 4);
    tcase_add_test(others, handshake_md5_is_answered_only_if_allowed);
    tcase_add_test(others, handshake_md5_answer_is_taken_only_if_allowed);
    tcase_add_test(others, handshake_wrong_md5_answer_is_rejected);
    tcase_add_loop_test(others, hmac_known_vectors, 0, 5);
    tcase_add_test(others, hmac_derived_key_known_vector);
    return mp_test_main(suite);
}
