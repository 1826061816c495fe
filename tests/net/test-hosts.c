/* SPDX-License-Identifier: MIT */
/* A manager at one host, its clients at another, and a cable between them that
 * delays, loses, and is cut: deadlines hold, nothing is executed twice, what was
 * under way goes on, and who is gone for good gives back what it held.
 *
 *     test-hosts [netem]
 *
 * Each append carries a number of its own, whose fate the client notes: one that
 * succeeded must be in the list once, one that failed once at the most. */
#include "net/cable.h"
#include "support/support.h"

#include <mproc.h>

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KEY "a key of more than sixteen bytes"

enum { RESETS = 20 };
enum { NOTHING, TAKE_LOCK, PUT };
enum { CLIENTS = 4, EACH = 20000, UNKNOWN = 1, SUCCEEDED = 2, FAILED = 3 };

/* What the processes tell each other. */
static struct stage {
    double patience, call_timeout;
    char address[64];
    atomic_int serves, quit, order; /* of the server */
    atomic_int step;                /* of a client: how far it is */
    atomic_int go;                  /* of the test: what may be done */
    atomic_int lock_result;
    atomic_int lock_after_ms;
    atomic_int adds_succeeded, adds_failed;
    atomic_int wrong;   /* what the server found */
    atomic_int resumed; /* sessions that went on */
    _Atomic unsigned char fate[CLIENTS * EACH];
} * stage;
static int stage_fd = -1; /* a memfd: programs executed afresh have it, too */

static enum cable_kind kind;
static struct cable *cable;
static pid_t server;

/* ---- What hosts do, in programs executed afresh: no assertions of Check ---- */

#define EXPECT(claim)                                                         \
    do {                                                                      \
        if (!(claim)) {                                                       \
            fprintf(stderr, "# %s:%d: not so: %s (%s)\n", __FILE__, __LINE__, \
                    #claim, mp_last_error());                                 \
            _exit(1);                                                         \
        }                                                                     \
    } while (0)

static double
now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Until the other process is there: not forever, if it has died. */
static void
await(atomic_int *word, int value)
{
    for (int i = 0; atomic_load(word) < value && i < 24000; i++)
        usleep(5000);
    EXPECT(atomic_load(word) >= value);
}

struct objects {
    mp_manager *manager;
    mp_list *list;
    mp_dict *dict;
    mp_lock *lock;
    mp_queue *queue;
};

static void
publish(struct objects *o)
{
    EXPECT(mp_manager_list(o->manager, &o->list) == 0);
    EXPECT(mp_manager_dict(o->manager, &o->dict) == 0);
    EXPECT(mp_manager_lock(o->manager, &o->lock) == 0);
    EXPECT(mp_manager_queue(o->manager, &o->queue, 0) == 0);
    EXPECT(mp_manager_publish(o->manager, "list", o->list) == 0);
    EXPECT(mp_manager_publish(o->manager, "dict", o->dict) == 0);
    EXPECT(mp_manager_publish(o->manager, "lock", o->lock) == 0);
    EXPECT(mp_manager_publish(o->manager, "queue", o->queue) == 0);
}

/* Each number in the list, by how often it is there. */
static void
look_for_numbers(mp_list *list)
{
    static unsigned char seen[CLIENTS * EACH];
    mp_any all, item;
    mp_any_walker walker;
    int64_t x;

    EXPECT(mp_list_slice(list, 0, MP_LIST_END, 1, &all) == 0);
    for (mp_any_walk(all, &walker); mp_any_next(&walker, NULL, &item) > 0;) {
        EXPECT(mp_any_get_int(item, &x) == 0);
        EXPECT(x >= 0 && x < CLIENTS * EACH);
        if (seen[x]++ > 0 || stage->fate[x] == 0)
            stage->wrong++;
    }
    for (int i = 0; i < CLIENTS * EACH; i++)
        if (stage->fate[i] == SUCCEEDED && seen[i] != 1)
            stage->wrong++;
    mp_any_free(all);
}

/* No sum lost, none added twice. */
static void
look_for_sums(mp_dict *dict)
{
    int sum = 0, r = mp_dict_get(dict, "s", "sum", "i", &sum);

    EXPECT(r == 0 || r == -ENOENT);
    if (sum < stage->adds_succeeded ||
        sum > stage->adds_succeeded + stage->adds_failed)
        stage->wrong++;
}

/* What the test asks of the server's family. */
static void
follow(struct objects *o, int order)
{
    double start = now();
    int r;

    if (order == PUT)
        EXPECT(mp_queue_putf(o->queue, "i", 42) == 0);
    if (order != TAKE_LOCK)
        return;
    r = mp_lock_acquire(o->lock, mp_timeout(100));
    stage->lock_after_ms = (int)(1000 * (now() - start));
    stage->lock_result = r;
    if (r == 0 || r == -EOWNERDEAD)
        EXPECT(mp_lock_release(o->lock) == 0);
}

static void
count_resumes(mp_manager *manager)
{
    mp_any statistics, resumed;
    int64_t n;

    EXPECT(mp_manager_statistics(manager, &statistics) == 0);
    EXPECT(mp_any_entry(statistics, "resumed", &resumed) == 0);
    EXPECT(mp_any_get_int(resumed, &n) == 0);
    stage->resumed = (int)n;
    mp_any_free(statistics);
}

static int
serve(void *arg)
{
    struct objects o;

    (void)arg;
    EXPECT(
        mp_manager_start(
            &o.manager,
            MP_MANAGER_ATTR(.address = "tcp:" CABLE_HERE ":0", .authkey = KEY,
                            .authkey_size = SIZE_MAX, .handshake_timeout = 20,
                            .patience = stage->patience)) == 0);
    publish(&o);
    strcpy(stage->address, mp_manager_address(o.manager));
    stage->serves = 1;
    for (; !stage->quit; usleep(5000)) {
        follow(&o, stage->order);
        stage->order = NOTHING;
    }
    look_for_numbers(o.list);
    look_for_sums(o.dict);
    count_resumes(o.manager);
    return mp_manager_shutdown(o.manager) < 0;
}

static void
connect_to_it(struct objects *o)
{
    EXPECT(mp_manager_connect(
               &o->manager, stage->address,
               MP_MANAGER_ATTR(.authkey = KEY, .authkey_size = SIZE_MAX,
                               .handshake_timeout = 20,
                               .call_timeout = stage->call_timeout)) == 0);
    EXPECT(mp_manager_lookup(o->manager, "list", "list", &o->list) == 0);
    EXPECT(mp_manager_lookup(o->manager, "dict", "dict", &o->dict) == 0);
    EXPECT(mp_manager_lookup(o->manager, "lock", "lock", &o->lock) == 0);
    EXPECT(mp_manager_lookup(o->manager, "queue", "queue", &o->queue) == 0);
}

static int
append(struct objects *o, int x)
{
    int r;

    stage->fate[x] = UNKNOWN;
    r = mp_list_append(o->list, "i", x);
    stage->fate[x] = r == 0 ? SUCCEEDED : FAILED;
    return r;
}

static int
add(struct objects *o)
{
    int r = mp_dict_add_int(o->dict, 1, NULL, "s", "sum");

    (*(r == 0 ? &stage->adds_succeeded : &stage->adds_failed))++;
    return r;
}

/* Of the client: it is that far; goes on when it may. */
static void
say_and_wait(int step)
{
    stage->step = step;
    await(&stage->go, step);
}

static int
leave(struct objects *o)
{
    EXPECT(mp_manager_close(o->manager) == 0);
    return 0;
}

/* ---- The test's own part ---- */

static void
expect_step(int step)
{
    wait_until(stage->step >= step, 60);
}

static void
open_stage(void)
{
    stage = mmap(NULL, sizeof(*stage), PROT_READ | PROT_WRITE, MAP_SHARED,
                 stage_fd, 0);
}

static void
make_stage(void)
{
    stage_fd = memfd_create("stage", 0);
    ck_assert_int_ge(stage_fd, 0);
    ck_assert_int_eq(ftruncate(stage_fd, sizeof(*stage)), 0);
    open_stage();
    ck_assert_ptr_ne(stage, MAP_FAILED);
}

static void
remove_stage(void)
{
    munmap(stage, sizeof(*stage));
    close(stage_fd);
}

struct part {
    const char *role;
    int number;
};

static int
execute(void *arg)
{
    struct part *part = arg;
    char number[12], fd[12];

    snprintf(number, sizeof(number), "%d", part->number);
    snprintf(fd, sizeof(fd), "%d", stage_fd);
    execl("/proc/self/exe", "host", "--role", part->role, fd, number,
          (char *)NULL);
    return 127;
}

/* A program of a family of its own, at a host. */
static pid_t
start(int host, const char *role, int number)
{
    struct part part = {role, number};

    return cable_child(cable, host, execute, &part);
}

static void
begin(double patience, double call_timeout)
{
    make_stage();
    stage->patience = patience;
    stage->call_timeout = call_timeout;
    cable = cable_lay(kind);
    server = start(0, "serve", 0);
    wait_until(stage->serves, 60);
}

/* The server looks at what its objects hold, and who has connected. */
static void
end(int resumes)
{
    cable_mend(cable);
    stage->quit = 1;
    expect_exit(server, 0);
    cable_remove(cable);
    ck_assert_int_eq(stage->wrong, 0);
    ck_assert_int_ge(stage->resumed, resumes);
    remove_stage();
}

/* ---- The cable itself ---- */

static int
echo_datagrams(void *arg)
{
    struct sockaddr_in from,
        here = {.sin_family = AF_INET, .sin_port = htons(7777)};
    socklen_t size = sizeof(from);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    char text[100];
    ssize_t n;

    (void)arg;
    EXPECT(bind(fd, (struct sockaddr *)&here, sizeof(here)) == 0);
    stage->serves = 1;
    while ((n = recvfrom(fd, text, sizeof(text), 0, (struct sockaddr *)&from,
                         &size)) >= 0)
        sendto(fd, text, (size_t)n, 0, (struct sockaddr *)&from, size);
    return 1;
}

/* How many of so many come back, and how long the last took. */
static int
ask_for_echoes(int n, double *ret_seconds)
{
    struct sockaddr_in there = {.sin_family = AF_INET,
                                .sin_port = htons(7777)};
    struct timeval limit = {.tv_usec = 300000};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    int came = 0;

    inet_pton(AF_INET, CABLE_HERE, &there.sin_addr);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    for (int i = 0; i < n; i++) {
        double start = now();
        int question = rand(), back = ~question;

        sendto(fd, &question, sizeof(question), 0, (struct sockaddr *)&there,
               sizeof(there));
        while (back != question && recv(fd, &back, sizeof(back), 0) > 0)
            ;
        came += back == question;
        if (back == question)
            *ret_seconds = now() - start;
    }
    close(fd);
    return came;
}

static int
try_the_cable(void *arg)
{
    double took = 0;

    (void)arg;
    EXPECT(ask_for_echoes(5, &took) == 5);
    say_and_wait(1); /* 50 ms, half is lost */
    EXPECT(ask_for_echoes(1, &took) <= 1);
    for (int came = 0, lost = 0; !came || !lost;) {
        int r = ask_for_echoes(1, &took);

        came += r;
        lost += !r;
    }
    EXPECT(took >= 0.1);
    say_and_wait(2); /* it is cut */
    EXPECT(ask_for_echoes(3, &took) == 0);
    say_and_wait(3); /* mended */
    while (ask_for_echoes(1, &took) == 0)
        ;
    return 0;
}

START_TEST(net_cable_delays_loses_and_is_cut)
{
    pid_t client;

    make_stage();
    cable = cable_lay(kind);
    server = start(0, "echo_datagrams", 0);
    wait_until(stage->serves, 60);
    client = start(1, "try_the_cable", 0);
    expect_step(1);
    cable_set(cable, 50, 500);
    stage->go = 1;
    expect_step(2);
    cable_cut(cable);
    stage->go = 2;
    expect_step(3);
    cable_mend(cable);
    stage->go = 3;
    expect_exit(client, 0);
    kill_and_reap(server);
    cable_remove(cable);
    remove_stage();
}
END_TEST

/* ---- Delay and loss ---- */

static int
work_slowly(void *arg)
{
    struct objects o;

    (void)arg;
    connect_to_it(&o);
    for (int i = 0; i < 20; i++) {
        EXPECT(append(&o, i) == 0);
        EXPECT(add(&o) == 0);
        EXPECT(mp_list_len(o.list) == i + 1);
    }
    EXPECT(mp_lock_acquire(o.lock, mp_timeout(30)) == 0);
    EXPECT(mp_lock_release(o.lock) == 0);
    EXPECT(mp_manager_batch_begin(o.manager) == 0);
    for (int i = 20; i < 1020; i++)
        EXPECT(append(&o, i) == 0);
    EXPECT(mp_manager_batch_end(o.manager) == 0);
    EXPECT(mp_list_len(o.list) == 1020);
    return leave(&o);
}

START_TEST(net_calls_come_through_delay_and_loss)
{
    begin(60, 30);
    cable_set(cable, 50, 50);
    expect_exit(start(1, "work_slowly", 0), 0);
    end(0);
}
END_TEST

/* ---- Deadlines ---- */

static int
keep_deadlines(void *arg)
{
    struct objects o;
    double start;
    mp_any any;
    int x = 0, r;

    (void)arg;
    connect_to_it(&o);
    EXPECT(append(&o, x++) == 0);
    say_and_wait(1); /* it is cut */
    start = now();
    EXPECT(mp_lock_acquire(o.lock, mp_timeout(0.5)) == -ETIMEDOUT);
    EXPECT(now() - start >= 0.5 && now() - start < 5);
    start = now();
    EXPECT(mp_queue_get_any(o.queue, &any, mp_timeout(0.5)) == -ETIMEDOUT);
    EXPECT(now() - start >= 0.5 && now() - start < 5);
    start = now();
    EXPECT(append(&o, x++) == -ETIMEDOUT); /* by .call_timeout */
    EXPECT(now() - start >= 2 && now() - start < 10);
    say_and_wait(2); /* mended */
    start = now();
    while ((r = append(&o, x++)) != 0)
        EXPECT(r == -ETIMEDOUT && now() - start < 60);
    /* What timed out has taken nothing. */
    EXPECT(mp_lock_acquire(o.lock, mp_timeout(30)) == 0);
    EXPECT(mp_lock_release(o.lock) == 0);
    EXPECT(mp_queue_size(o.queue) == 0);
    return leave(&o);
}

START_TEST(net_deadlines_hold_while_the_cable_is_cut)
{
    pid_t client;

    begin(60, 2);
    cable_set(cable, 20, 0);
    client = start(1, "keep_deadlines", 0);
    expect_step(1);
    cable_cut(cable);
    stage->go = 1;
    expect_step(2);
    cable_mend(cable);
    stage->go = 2;
    expect_exit(client, 0);
    end(0);
}
END_TEST

/* ---- Once ---- */

static int
work_on(void *arg)
{
    int seat = *(int *)arg, succeeded = 0;
    struct objects o;

    connect_to_it(&o);
    stage->step++;
    for (int i = 0; i < EACH && !stage->go; i++) {
        succeeded += append(&o, seat * EACH + i) == 0;
        add(&o);
    }
    EXPECT(succeeded > 0);
    return leave(&o);
}

START_TEST(net_no_call_is_executed_twice)
{
    pid_t clients[CLIENTS];

    begin(60, 1.5);
    cable_set(cable, 5, 20);
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = start(1, "work_on", i);
    expect_step(CLIENTS);
    for (int i = 0; i < 4; i++) {
        int before = stage->adds_succeeded, failed = stage->adds_failed;

        cable_cut(cable);
        /* The last time longer than calls wait. */
        if (i == 3)
            wait_until(stage->adds_failed > failed, 60);
        else
            usleep(200000);
        cable_mend(cable);
        wait_until(stage->adds_succeeded > before + 20, 60);
    }
    stage->go = 1;
    for (int i = 0; i < CLIENTS; i++)
        expect_exit(clients[i], 0);
    end(0);
}
END_TEST

/* ---- Connections that break ---- */

START_TEST(net_what_a_reset_connection_had_under_way_goes_on)
{
    pid_t clients[CLIENTS];

    begin(60, 60);
    cable_set(cable, 5, 0);
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = start(1, "work_on", i);
    expect_step(CLIENTS);
    for (int i = 0; i < RESETS; i++) {
        int before = stage->adds_succeeded;

        cable_reset(cable);
        wait_until(stage->adds_succeeded > before + 20, 60);
    }
    stage->go = 1;
    for (int i = 0; i < CLIENTS; i++)
        expect_exit(clients[i], 0);
    ck_assert_int_eq(stage->adds_failed, 0);
    for (int i = 0; i < CLIENTS * EACH; i++)
        ck_assert_int_ne(stage->fate[i], FAILED);
    end(RESETS / 2); /* some meet no data */
}
END_TEST

/* ---- What is under way ---- */

static int
wait_for_something(void *arg)
{
    struct objects o;
    int x = 0;

    (void)arg;
    connect_to_it(&o);
    stage->step = 1;
    EXPECT(mp_queue_getf(o.queue, "i", &x) == 0);
    EXPECT(x == 42);
    return leave(&o);
}

START_TEST(net_what_is_under_way_goes_on_when_the_cable_is_mended)
{
    pid_t client;

    begin(60, 60);
    cable_set(cable, 20, 0);
    client = start(1, "wait_for_something", 0);
    expect_step(1);
    usleep(200000); /* most often it waits by then; it need not */
    cable_cut(cable);
    stage->order = PUT;
    wait_until(stage->order == NOTHING, 60);
    usleep(1000000); /* a cut that both sides have felt */
    cable_mend(cable);
    expect_exit(client, 0);
    end(0);
}
END_TEST

/* ---- Gone for good ---- */

static int
hold_the_lock(void *arg)
{
    struct objects o;

    (void)arg;
    connect_to_it(&o);
    EXPECT(mp_lock_acquire(o.lock, mp_timeout(30)) == 0);
    say_and_wait(1);
    return 1;
}

START_TEST(net_gone_clients_lock_is_free_after_patience)
{
    pid_t client;

    begin(3, 30);
    client = start(1, "hold_the_lock", 0);
    expect_step(1);
    cable_cut(cable);
    kill_and_reap(client);
    stage->order = TAKE_LOCK;
    wait_until(stage->order == NOTHING, 100);
    ck_assert_int_eq(stage->lock_result, -EOWNERDEAD);
    ck_assert_int_ge(stage->lock_after_ms, 500);
    ck_assert_int_lt(stage->lock_after_ms, 60000);
    end(0);
}
END_TEST

/* ---- Away for too long ---- */

static int
be_forgotten(void *arg)
{
    struct objects o;
    mp_any any;
    int r;

    (void)arg;
    connect_to_it(&o);
    EXPECT(mp_lock_acquire(o.lock, mp_timeout(30)) == 0);
    stage->step = 1;
    /* It waits for what never comes; then it is told. */
    r = mp_queue_get_any(o.queue, &any, mp_timeout(100));
    EXPECT(r == -EPIPE);
    EXPECT(*mp_last_error());
    EXPECT(append(&o, 0) == 0);
    EXPECT(mp_lock_release(o.lock) < 0); /* it is lost */
    return leave(&o);
}

START_TEST(net_who_was_away_for_too_long_is_told)
{
    pid_t client;

    begin(2, 30);
    client = start(1, "be_forgotten", 0);
    expect_step(1);
    cable_cut(cable);
    stage->order = TAKE_LOCK; /* the server has given the client up then */
    wait_until(stage->order == NOTHING, 100);
    ck_assert_int_eq(stage->lock_result, -EOWNERDEAD);
    cable_mend(cable);
    expect_exit(client, 0);
    end(0);
}
END_TEST

static const struct {
    const char *name;
    int (*play)(void *arg);
} roles[] = {
    {"serve", serve},
    {"echo_datagrams", echo_datagrams},
    {"try_the_cable", try_the_cable},
    {"work_slowly", work_slowly},
    {"keep_deadlines", keep_deadlines},
    {"work_on", work_on},
    {"wait_for_something", wait_for_something},
    {"hold_the_lock", hold_the_lock},
    {"be_forgotten", be_forgotten},
};

static int
play(char **argv)
{
    int number = atoi(argv[4]);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    stage_fd = atoi(argv[3]);
    open_stage();
    EXPECT(stage != MAP_FAILED);
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
        if (strcmp(roles[i].name, argv[2]) == 0)
            return roles[i].play(&number);
    return 2;
}

int
main(int argc, char **argv)
{
    const char *missing;
    Suite *suite = suite_create("hosts");
    TCase *tcase = mp_test_case(suite, "hosts", 240);

    if (argc == 5 && strcmp(argv[1], "--role") == 0)
        return play(argv);
    kind = argc > 1 && strcmp(argv[1], "netem") == 0 ? CABLE_NETEM : CABLE_TUN;
    missing = cable_missing(kind);
    if (missing) {
        printf("1..0 # SKIP %s\n", missing);
        return 0;
    }
    tcase_add_test(tcase, net_cable_delays_loses_and_is_cut);
    tcase_add_test(tcase, net_calls_come_through_delay_and_loss);
    tcase_add_test(tcase, net_deadlines_hold_while_the_cable_is_cut);
    tcase_add_test(tcase, net_no_call_is_executed_twice);
    if (kind == CABLE_TUN)
        tcase_add_test(tcase,
                       net_what_a_reset_connection_had_under_way_goes_on);
    tcase_add_test(tcase,
                   net_what_is_under_way_goes_on_when_the_cable_is_mended);
    tcase_add_test(tcase, net_gone_clients_lock_is_free_after_patience);
    tcase_add_test(tcase, net_who_was_away_for_too_long_is_told);
    return mp_test_main(suite);
}
