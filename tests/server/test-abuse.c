/* SPDX-License-Identifier: MIT */
/* Clients that do what they should not: silent, slow, greedy, or talking
 * nonsense. Each is shed, which is logged, and others notice nothing. */
#include "server/raw.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static mp_manager *manager;
static struct raw witness;
static char log_path[64];

/* A decent client is there all the time. */
static void
set_up(enum raw_by by, const mp_manager_attr *attr)
{
    snprintf(log_path, sizeof(log_path), "/tmp/mproc-abuse-%d", (int)getpid());
    must(mp_log_to_file(log_path, MP_LOG_WARNING));
    manager = raw_start(by, attr);
    raw_open(&witness, manager);
    raw_ping(&witness);
}

static void
tear_down(void)
{
    raw_ping(&witness);
    raw_close(&witness);
    raw_end(manager);
    must(mp_log_to_file(log_path, MP_LOG_OFF));
    unlink(log_path);
}

static int
is_logged(const char *word)
{
    static char text[65536];
    FILE *file = fopen(log_path, "r");
    size_t n = file ? fread(text, 1, sizeof(text) - 1, file) : 0;

    if (file)
        fclose(file);
    text[n] = '\0';
    return strstr(text, word) != NULL;
}

static void
write_bytes(struct raw *raw, const void *data, size_t size)
{
    ck_assert_int_eq(send(raw->fd, data, size, MSG_NOSIGNAL), (ssize_t)size);
}

/* What the server says ends with the connection. */
static void
expect_drop(struct raw *raw, const char *word)
{
    raw_expect_end(raw);
    wait_until(is_logged(word), 20);
    raw_close(raw);
    raw_ping(&witness);
}

/* ---- Silent and slow ones ---- */

START_TEST(who_says_nothing_is_dropped)
{
    struct raw raws[10];

    set_up((enum raw_by)_i, MP_MANAGER_ATTR(.handshake_timeout = 0.3));
    for (int i = 0; i < 10; i++)
        raw_connect(&raws[i], manager);
    write_bytes(&raws[0], "\0\0\0\5", 4); /* half a hello */
    for (int i = 0; i < 10; i++)
        raw_ping(&witness);
    for (int i = 0; i < 10; i++)
        expect_drop(&raws[i], "it has said nothing in time");
    tear_down();
}
END_TEST

static size_t
frame(unsigned char *to, mp_any message)
{
    uint32_t size = htonl((uint32_t)message.size);

    memcpy(to, &size, 4);
    memcpy(to + 4, message.data, message.size);
    return 4 + message.size;
}

/* Byte by byte, while others go on. */
START_TEST(slow_clients_are_served)
{
    struct mp__hello hello = {.version = MP__WIRE_VERSION};
    struct mp__request request = {
        .serial = 1, .op = "manager_ping", .op_size = 12};
    mp_any_writer w = MP_ANY_WRITER;
    unsigned char bytes[256];
    struct raw raw;
    mp_any message;
    size_t n;

    set_up((enum raw_by)_i, MP_MANAGER_ATTR(.handshake_timeout = 600));
    must(mp__hello_write(&w, &hello));
    must(mp_any_end(&w, &message));
    n = frame(bytes, message);
    must(mp__request_begin(&w, &request));
    must(mp_any_write_list(&w, 0));
    must(mp_any_end(&w, &message));
    n += frame(bytes + n, message);
    raw_connect(&raw, manager);
    for (size_t i = 0; i < n; i++) {
        write_bytes(&raw, bytes + i, 1);
        raw_ping(&witness);
    }
    must(mp_conn_recv_any(raw.conn, &message, LATER));
    must(mp__welcome_read(message, &raw.welcome));
    mp_any_free(message);
    ck_assert_int_eq(raw_hear(&raw), 0);
    raw_close(&raw);
    mp_any_discard(&w);
    tear_down();
}
END_TEST

/* ---- Strangers ---- */

static int
connect_by(struct raw *raw, const char *key)
{
    memset(raw, 0, sizeof(*raw));
    raw->fd = -1;
    raw->thread = 1;
    return mp_connect(&raw->conn, mp_manager_address(manager),
                      MP_CONN_ATTR(.authkey = key, .authkey_size = SIZE_MAX),
                      LATER);
}

/* By TLS, and by frames. */
START_TEST(who_does_not_know_the_key_is_not_let_in)
{
    static const char key[] = "0123456789abcdef";
    char path[64];
    struct raw raw;
    int silent, r;

    snprintf(path, sizeof(path), "unix:/tmp/mproc-raw-%d", (int)getpid());
    snprintf(log_path, sizeof(log_path), "/tmp/mproc-abuse-%d", (int)getpid());
    must(mp_log_to_file(log_path, MP_LOG_WARNING));
    r = mp_manager_start(
        &manager,
        MP_MANAGER_ATTR(.address = _i == BY_UNIX ? path : "tcp:127.0.0.1:0",
                        .authkey = key, .authkey_size = SIZE_MAX));
    if (r == -ENOTSUP) /* without OpenSSL nobody is let in at all */
        return;
    must(r);
    must(connect_by(&witness, key));
    raw_hello(&witness, NULL);
    silent = raw_socket(manager);
    ck_assert_int_eq(connect_by(&raw, "fedcba9876543210"), -EKEYREJECTED);
    wait_until(is_logged("dropped"), 20);
    raw_ping(&witness);
    close(silent);
    raw_ping(&witness);
    tear_down();
}
END_TEST

/* ---- Nonsense ---- */

static const struct {
    const char *bytes;
    size_t size;
} nonsense[] = {
    {"GET / HTTP/1.1\r\nHost: here\r\n\r\n", 29},
    {"\0\0\0\1\xc0", 5},
    {"\0\0\0\0", 4},
    {"\xff\xff\xff\xfe", 4},
    {"\xff\xff\xff\xff\x7f\xff\xff\xff\xff\xff\xff\xff", 12},
    {"\0\0\0\6\x92\xa5mproc", 11},
    {"\0\0\0\11\x93\xa5mproc\1\xc4", 13},
};

START_TEST(G12_nonsense_before_hello_is_dropped)
{
    struct raw raw;

    set_up(BY_UNIX, MP_MANAGER_ATTR(.handshake_timeout = 0.3));
    raw_connect(&raw, manager);
    write_bytes(&raw, nonsense[_i].bytes, nonsense[_i].size);
    expect_drop(&raw, "dropped");
    tear_down();
}
END_TEST

START_TEST(G12_nonsense_after_hello_is_dropped)
{
    struct raw raw;

    set_up(BY_UNIX, MP_MANAGER_ATTR(.max_message = 4096));
    raw_open(&raw, manager);
    write_bytes(&raw, nonsense[_i].bytes, nonsense[_i].size);
    shutdown(raw.fd, SHUT_WR);
    raw_expect_end(&raw);
    raw_close(&raw);
    tear_down();
}
END_TEST

/* Values, but not the ones that make a call. */
START_TEST(breaches_of_the_protocol_are_dropped)
{
    struct raw raw;

    set_up(BY_UNIX, NULL);
    raw_open(&raw, manager);
    must(mp_conn_sendf(raw.conn, "[i,i]", 1, 2));
    expect_drop(&raw, "what came is no call");
    /* The same call once more, where nothing can have been lost. */
    raw_open(&raw, manager);
    raw_ping(&raw);
    raw_send_again(&raw, raw.serial, "manager_ping", -1, NULL, MP_NOW, "[]");
    expect_drop(&raw, "has come before");
    raw_open(&raw, manager);
    raw_send_again(&raw, 0, "manager_ping", -1, NULL, MP_NOW, "[]");
    expect_drop(&raw, "without a serial");
    tear_down();
}
END_TEST

static int64_t
refusal(struct raw *raw, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    must(mp_conn_vsendf(raw->conn, LATER, format, args));
    va_end(args);
    return raw_hear(raw);
}

START_TEST(another_version_is_told_so)
{
    struct raw raw;

    set_up(BY_UNIX, NULL);
    raw_connect(&raw, manager);
    ck_assert_int_eq(refusal(&raw, "[s,i,n]", "mproc", 99), -EPROTO);
    ck_assert_uint_eq(raw.answer.serial, 0);
    ck_assert_ptr_nonnull(raw.answer.error);
    expect_drop(&raw, "speaks version");
    tear_down();
}
END_TEST

/* ---- Greedy ones ---- */

START_TEST(too_large_a_message_is_dropped)
{
    static char large[70000];
    struct raw raw;

    set_up(BY_UNIX, MP_MANAGER_ATTR(.max_message = 65536));
    raw_open(&raw, manager);
    raw_send(&raw, "manager_ping", -1, NULL, MP_NOW, "[y]", large,
             (size_t)30000);
    ck_assert_int_eq(raw_hear(&raw), 0);
    raw_send(&raw, "manager_ping", -1, NULL, MP_NOW, "[y]", large,
             sizeof(large));
    expect_drop(&raw, "larger than .max_message");
    /* Before it has said hello it may say even less. */
    raw_connect(&raw, manager);
    must(mp_conn_send(raw.conn, large, 200, LATER));
    expect_drop(&raw, "no manager's client");
    tear_down();
}
END_TEST

/* An answer that is too large is none. */
START_TEST(too_large_an_answer_is_an_error)
{
    static char large[65500];
    struct raw raw;

    set_up(BY_UNIX, MP_MANAGER_ATTR(.max_message = 65536));
    raw_open(&raw, manager);
    raw_send(&raw, "manager_ping", -1, NULL, MP_NOW, "[y]", large,
             sizeof(large));
    ck_assert_int_eq(raw_hear(&raw), 0);
    raw_close(&raw);
    tear_down();
}
END_TEST

/* It asks, and does not fetch the answers. */
START_TEST(who_does_not_fetch_his_answers_is_dropped)
{
    static char large[60000];
    struct mp__request request = {
        .op = "manager_ping", .op_size = 12, .wait = MP_NOW};
    mp_any_writer w = MP_ANY_WRITER;
    struct raw raw;
    int r = 0;

    set_up((enum raw_by)_i,
           MP_MANAGER_ATTR(.max_backlog = 1 << 20, .patience = 0.3));
    raw_open(&raw, manager);
    for (int i = 0; i < 1000 && r == 0; i++) {
        mp_any message;

        request.serial = ++raw.serial;
        must(mp__request_begin(&w, &request));
        must(mp_any_build(&w, "[y]", large, sizeof(large)));
        must(mp_any_end(&w, &message));
        r = mp_conn_send_any(raw.conn, message, LATER);
        if (i % 50 == 0)
            raw_ping(&witness);
    }
    ck_assert_int_eq(r, -EPIPE);
    wait_until(is_logged("it does not fetch its answers"), 20);
    raw_close(&raw);
    mp_any_discard(&w);
    tear_down();
}
END_TEST

/* It never says that answers have arrived. */
START_TEST(who_lets_answers_be_kept_is_dropped)
{
    struct raw raw;
    int n = 0;

    set_up(BY_TCP, NULL);
    raw_open(&raw, manager);
    while (n < 10000 && mp_conn_poll(raw.conn, MP_NOW) == 0) {
        uint64_t serial =
            raw_send(&raw, "manager_ping", -1, NULL, MP_NOW, "[]");

        if (serial == 1025)
            break;
        ck_assert_int_eq(raw_hear(&raw), 0);
        n++;
    }
    ck_assert_int_eq(n, 1024);
    expect_drop(&raw, "does not say which answers it has");
    tear_down();
}
END_TEST

START_TEST(there_is_a_limit_of_clients)
{
    struct raw raws[3], one_more;

    set_up((enum raw_by)_i, MP_MANAGER_ATTR(.max_clients = 4));
    for (int i = 0; i < 3; i++)
        raw_open(&raws[i], manager);
    raw_connect(&one_more, manager);
    ck_assert_int_eq(refusal(&one_more, "[s,i,n]", "mproc", 1), -EUSERS);
    expect_drop(&one_more, "the server has 4 clients");
    raw_close(&raws[0]);
    /* There is room as soon as the server has heard that. */
    for (int64_t r = -EUSERS; r == -EUSERS;) {
        mp_any message;

        raw_connect(&raws[0], manager);
        must(mp_conn_sendf(raws[0].conn, "[s,i,n]", "mproc", 1));
        must(mp_conn_recv_any(raws[0].conn, &message, LATER));
        r = mp__welcome_read(message, &raws[0].welcome) == 0 ? 0 : -EUSERS;
        mp_any_free(message);
        if (r < 0)
            raw_close(&raws[0]);
    }
    for (int i = 0; i < 3; i++) {
        raw_ping(&raws[i]);
        raw_close(&raws[i]);
    }
    tear_down();
}
END_TEST

/* One that sends without end, and does fetch, takes no more than its turn. */
static int
flood(void *arg, int number)
{
    mp__a32 *over = arg;
    struct raw raw;

    (void)number;
    raw_open(&raw, manager);
    while (!mp__load(over)) {
        for (int i = 0; i < 100; i++)
            raw_send(&raw, "manager_ping", -1, NULL, MP_NOW, "[]");
        for (int i = 0; i < 100; i++)
            raw_hear(&raw);
        raw.done = raw.serial + 1;
    }
    raw_close(&raw);
    return 0;
}

START_TEST(a_flood_leaves_room_for_others)
{
    mp__a32 *over = mp_alloc(sizeof(*over));
    struct kin *kin;

    mp__store(over, 0);
    set_up(BY_UNIX, NULL);
    kin = kin_start(PROCESSES, 2, flood, over);
    for (int i = 0; i < 200; i++)
        raw_ping(&witness);
    mp__store(over, 1);
    kin_end(kin);
    tear_down();
    must(mp_free(over));
}
END_TEST

/* ---- Many ---- */

static int
threads_of(pid_t pid)
{
    char path[64], line[256];
    int n = -1;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    file = fopen(path, "r");
    while (file && fgets(line, sizeof(line), file))
        if (sscanf(line, "Threads: %d", &n) == 1)
            break;
    if (file)
        fclose(file);
    return n;
}

START_TEST(G25_one_thread_serves_all)
{
    static struct raw raws[100];

    set_up(BY_UNIX, NULL);
    for (int i = 0; i < 100; i++)
        raw_open(&raws[i], manager);
    for (int i = 0; i < 100; i++)
        raw_send(&raws[i], "manager_ping", -1, NULL, MP_NOW, "[]");
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(raw_hear(&raws[i]), 0);
    ck_assert_int_eq(threads_of(mp_process_pid(mp_manager_process(manager))),
                     1);
    for (int i = 0; i < 100; i++)
        raw_close(&raws[i]);
    tear_down();
}
END_TEST

/* More call than the server has descriptors for. */
START_TEST(a_shortage_of_descriptors_passes)
{
    static struct raw raws[60];
    struct rlimit limit, few;
    struct raw late;

    must(getrlimit(RLIMIT_NOFILE, &limit));
    few = (struct rlimit){48, limit.rlim_max};
    must(setrlimit(RLIMIT_NOFILE, &few));
    set_up(BY_UNIX, NULL);
    must(setrlimit(RLIMIT_NOFILE, &limit));
    for (int i = 0; i < 60; i++)
        raw_connect(&raws[i], manager);
    raw_ping(&witness);
    for (int i = 0; i < 60; i++)
        raw_close(&raws[i]);
    for (int welcome = 0; !welcome;) {
        mp_any message;

        raw_connect(&late, manager);
        if (mp_conn_sendf(late.conn, "[s,i,n]", "mproc", 1) == 0 &&
            mp_conn_recv_any(late.conn, &message, LATER) == 0) {
            welcome = 1;
            mp_any_free(message);
        } else {
            raw_close(&late);
        }
    }
    raw_ping(&late);
    raw_close(&late);
    tear_down();
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("abuse");
    TCase *tcase = raw_case(suite, "slow", 60);

    tcase_add_loop_test(tcase, who_says_nothing_is_dropped, 0, 2);
    tcase_add_loop_test(tcase, slow_clients_are_served, 0, 2);
    tcase = raw_case(suite, "strangers", 60);
    tcase_add_loop_test(tcase, who_does_not_know_the_key_is_not_let_in, 0, 2);
    tcase = raw_case(suite, "nonsense", 60);
    tcase_add_loop_test(tcase, G12_nonsense_before_hello_is_dropped, 0,
                        LENGTH(nonsense));
    tcase_add_loop_test(tcase, G12_nonsense_after_hello_is_dropped, 0,
                        LENGTH(nonsense));
    tcase_add_test(tcase, breaches_of_the_protocol_are_dropped);
    tcase_add_test(tcase, another_version_is_told_so);
    tcase = raw_case(suite, "greedy", 60);
    tcase_add_test(tcase, too_large_a_message_is_dropped);
    tcase_add_test(tcase, too_large_an_answer_is_an_error);
    tcase_add_loop_test(tcase, who_does_not_fetch_his_answers_is_dropped, 0,
                        2);
    tcase_add_test(tcase, who_lets_answers_be_kept_is_dropped);
    tcase_add_loop_test(tcase, there_is_a_limit_of_clients, 0, 2);
    tcase_add_test(tcase, a_flood_leaves_room_for_others);
    tcase = raw_case(suite, "many", 60);
    tcase_add_test(tcase, G25_one_thread_serves_all);
    tcase_add_test(tcase, a_shortage_of_descriptors_passes);
    return mp_test_main(suite);
}
