/* SPDX-License-Identifier: MIT */
/* Waiting in a pipe, by threads and by processes: who sleeps is woken, in
 * whatever way the wait is to end. On kernels that do less, too. */
#include "os/clock.h"
#include "pipe/pipe.h"
#include "region/kin.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST 8 /* sleepers at once */

struct stage {
    mp_conn *in, *out; /* what is sent into `out` is received from `in` */
    size_t size;       /* of what is sent */
    mp_time deadline;
    long expected; /* result of everybody's call */
    mp__a32 woken;
    long got[MOST];
};

static struct stage *
stage_new(void)
{
    struct stage *stage = mp_new(struct stage);

    ck_assert_ptr_nonnull(stage);
    must(mp_pipe(&stage->in, &stage->out, 0));
    /* So that this process holds both ends, whoever else comes and goes. */
    must(mp_conn_send(stage->out, NULL, 0, MP_NOW));
    must(mp_conn_recv(stage->in, NULL, 0, MP_NOW));
    stage->size = 8;
    stage->deadline = MP_FOREVER;
    return stage;
}

static void
end_stage(struct stage *stage)
{
    must(mp_conn_close(stage->in));
    must(mp_conn_close(stage->out));
    must(mp_free(stage));
}

/* Sends until there is no room. How many. */
static long
fill(struct stage *stage)
{
    char *data = calloc(1, stage->size);
    long n = 0;

    while (mp_conn_send(stage->out, data, stage->size, MP_NOW) == 0)
        n++;
    free(data);
    return n;
}

static int
recv_number(void *arg, int i)
{
    struct stage *stage = arg;
    long number = -1, r;

    r = mp_conn_recv(stage->in, &number, sizeof(number), stage->deadline);
    stage->got[i] = number;
    mp__add(&stage->woken, 1);
    ck_assert_int_eq(r, stage->expected);
    return 0;
}

static int
send_number(void *arg, int i)
{
    struct stage *stage = arg;
    long *data = calloc(1, stage->size);
    int r;

    data[0] = i;
    r = mp_conn_send(stage->out, data, stage->size, stage->deadline);
    mp__add(&stage->woken, 1);
    ck_assert_int_eq(r, stage->expected);
    free(data);
    return 0;
}

/* ---- Woken by the other side ---- */

START_TEST(pipe_recv_waits_for_a_send)
{
    struct stage *stage = stage_new();
    unsigned seen = 0;
    struct kin *kin;

    stage->expected = sizeof(long);
    kin = kin_start((enum kin_how)_i, MOST, recv_number, stage);
    kin_await_sleep(kin);
    for (long number = 0; number < MOST; number++) {
        must(mp_conn_send(stage->out, &number, sizeof(number), MP_NOW));
        wait_until(mp__load(&stage->woken) == (uint32_t)number + 1, 20);
    }
    kin_end(kin);
    for (int i = 0; i < MOST; i++)
        seen |= 1u << stage->got[i];
    ck_assert_uint_eq(seen, (1u << MOST) - 1); /* each once */
    end_stage(stage);
}
END_TEST

/* In the ring, and for bytes by reference. */
static const size_t sizes[] = {8, 8192, 8 << 20};

START_TEST(pipe_send_waits_for_room)
{
    struct stage *stage = stage_new();
    struct kin *kin;
    char *data;
    long n;

    stage->size = sizes[_i / 2];
    data = malloc(stage->size);
    n = fill(stage);
    kin = kin_start((enum kin_how)(_i % 2), 2, send_number, stage);
    kin_await_sleep(kin);
    for (int i = 0; i < 2; i++) {
        must(mp_conn_recv(stage->in, data, stage->size, MP_NOW));
        wait_until(mp__load(&stage->woken) == (uint32_t)i + 1, 20);
    }
    kin_end(kin);
    for (; n > 0; n--)
        must(mp_conn_recv(stage->in, data, stage->size, MP_NOW));
    ck_assert_int_eq(mp_conn_poll(stage->in, MP_NOW), 0);
    free(data);
    end_stage(stage);
}
END_TEST

static int
ask(void *arg, int i)
{
    struct stage *stage = arg;

    if (i % 2)
        ck_assert_int_eq(mp_conn_poll(stage->in, MP_FOREVER), 1);
    else
        ck_assert_int_eq(mp_conn_next_size(stage->in, MP_FOREVER), 5);
    return 0;
}

START_TEST(pipe_one_message_wakes_all_who_ask_for_it)
{
    struct stage *stage = stage_new();
    struct kin *kin = kin_start((enum kin_how)_i, 4, ask, stage);

    kin_await_sleep(kin);
    must(mp_conn_send(stage->out, "12345", 5, MP_NOW));
    kin_end(kin);
    end_stage(stage);
}
END_TEST

struct rally {
    mp_conn *end[2];
    long rounds;
};

static int
play(void *arg, int i)
{
    struct rally *rally = arg;
    mp_conn *conn = rally->end[i];
    long ball = 0;

    for (long n = 0; n < rally->rounds; n++) {
        if (i == 0)
            must(mp_conn_send(conn, &n, sizeof(n), MP_FOREVER));
        must(mp_conn_recv(conn, &ball, sizeof(ball), MP_FOREVER));
        if (ball != n)
            ck_abort_msg("%ld, not %ld", ball, n);
        if (i == 1)
            must(mp_conn_send(conn, &n, sizeof(n), MP_FOREVER));
    }
    return 0;
}

static void
play_all(enum kin_how how, long rounds)
{
    struct rally *rally = mp_new(struct rally);

    rally->rounds = mp_test_scale() > 1 ? rounds / 10 : rounds;
    must(mp_pipe(&rally->end[0], &rally->end[1], 1));
    mp__view.slice = (mp_time)3600 * 1000000000; /* nobody wakes by himself */
    kin_run(how, 2, play, rally);
    must(mp_conn_close(rally->end[0]));
    must(mp_conn_close(rally->end[1]));
    must(mp_free(rally));
}

START_TEST(pipe_rally_loses_no_wake_up)
{
    play_all((enum kin_how)_i, 20000);
}
END_TEST

/* With nobody spinning, every wait is a sleep. */
START_TEST(pipe_rally_on_one_processor)
{
    mp__enter();
    mp__view.cpus = 1;
    play_all((enum kin_how)_i, 3000);
}
END_TEST

struct stream {
    mp_conn *in, *out;
    long n;
};

static int
flow(void *arg, int i)
{
    struct stream *stream = arg;
    char data[600];
    unsigned seed = 1;

    memset(data, 0, sizeof(data));
    for (long n = 0; n < stream->n; n++) {
        size_t size = 8 + (size_t)rand_r(&seed) % (sizeof(data) - 8);

        memcpy(data, &n, 8);
        if (i == 0)
            must(mp_conn_send(stream->out, data, size, MP_FOREVER));
        else
            ck_assert_int_eq(
                mp_conn_recv(stream->in, data, sizeof(data), MP_FOREVER),
                (long)size);
        if (memcmp(data, &n, 8) != 0)
            ck_abort_msg("message %ld", n);
    }
    return 0;
}

/* The ring runs full and empty again and again; both sides sleep. */
START_TEST(pipe_stream_loses_no_wake_up)
{
    struct stream *stream = mp_new(struct stream);

    mp__enter();
    if (_i >= 2)
        mp__view.cpus = 1;
    mp__view.slice = (mp_time)3600 * 1000000000;
    stream->n = mp_test_scale() > 1 ? 20000 : 200000;
    must(mp_pipe(&stream->in, &stream->out, 0));
    kin_run((enum kin_how)(_i % 2), 2, flow, stream);
    must(mp_conn_close(stream->in));
    must(mp_conn_close(stream->out));
    must(mp_free(stream));
}
END_TEST

/* ---- The deadline ---- */

START_TEST(G35_pipe_sleepers_leave_at_their_deadline)
{
    struct stage *stage = stage_new();
    struct kin *kin;

    stage->deadline = mp_timeout(0.3);
    stage->expected = -ETIMEDOUT;
    kin = kin_start((enum kin_how)_i, 4, recv_number, stage);
    kin_end(kin);
    ck_assert_int_ge(mp__now(), stage->deadline);
    fill(stage);
    stage->deadline = mp_timeout(0.3);
    kin = kin_start((enum kin_how)_i, 4, send_number, stage);
    kin_end(kin);
    ck_assert_int_ge(mp__now(), stage->deadline);
    end_stage(stage);
}
END_TEST

/* One who may not wait is told the truth, whoever sleeps in the pipe. */
START_TEST(pipe_with_sleepers_answers_at_once)
{
    struct stage *stage = stage_new();
    struct kin *kin;
    long number = 1, n;

    stage->expected = sizeof(long);
    kin = kin_start((enum kin_how)_i, 2, recv_number, stage);
    kin_await_sleep(kin);
    ck_assert_int_eq(mp_conn_recv(stage->in, &number, 8, MP_NOW), -EAGAIN);
    ck_assert_int_eq(mp_conn_recv(stage->in, &number, 8, 1), -ETIMEDOUT);
    ck_assert_int_eq(mp_conn_next_size(stage->in, MP_NOW), -EAGAIN);
    ck_assert_int_eq(mp_conn_poll(stage->in, MP_NOW), 0);
    for (int i = 0; i < 2; i++)
        must(mp_conn_send(stage->out, &number, 8, MP_FOREVER));
    kin_end(kin);
    stage->expected = 0;
    n = fill(stage);
    kin = kin_start((enum kin_how)_i, 2, send_number, stage);
    kin_await_sleep(kin);
    ck_assert_int_eq(mp_conn_send(stage->out, &number, 8, MP_NOW), -EAGAIN);
    ck_assert_int_eq(mp_conn_send(stage->out, &number, 8, 1), -ETIMEDOUT);
    for (long i = 0; i < n + 2; i++)
        must(mp_conn_recv(stage->in, &number, 8, MP_FOREVER));
    kin_end(kin);
    end_stage(stage);
}
END_TEST

/* ---- Signals ---- */

static void
on_signal(int sig)
{
    (void)sig;
}

/* Without SA_RESTART: else the kernel goes on with some waits by itself. */
static void
catch_signal(void)
{
    struct sigaction action = {.sa_handler = on_signal};

    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
}

static void
interrupt_all(struct stage *stage, struct kin *kin)
{
    kin_await_sleep(kin);
    for (int i = kin->n; i-- > 0;) {
        kin_interrupt(kin, i, SIGUSR1);
        ck_assert_uint_eq(mp__load(&stage->woken), (uint32_t)(kin->n - i));
    }
    kin_end(kin);
    mp__store(&stage->woken, 0);
}

START_TEST(pipe_sleepers_are_interrupted)
{
    struct stage *stage = stage_new();
    enum kin_how how = (enum kin_how)_i;
    long number = 1, n;

    catch_signal();
    stage->expected = -EINTR;
    interrupt_all(stage, kin_start(how, 3, recv_number, stage));
    n = fill(stage);
    interrupt_all(stage, kin_start(how, 3, send_number, stage));
    for (; n > 0; n--)
        must(mp_conn_recv(stage->in, &number, sizeof(number), MP_NOW));
    ck_assert_int_eq(mp_conn_poll(stage->in, MP_NOW), 0);
    end_stage(stage);
}
END_TEST

/* ---- The other side does not run ---- */

static int
flood(void *arg, int i)
{
    struct stage *stage = arg;

    for (long n = 0; n < 1000000000; n++) {
        if (mp_conn_send(stage->out, &n, 8, MP_FOREVER) < 0)
            return 0;
        mp__store((mp__a64 *)&stage->got[i], n + 1);
    }
    return 1;
}

/* A sender is stopped at any moment, perhaps inside. What it has sent is there,
 * and no call waits for it beyond its deadline. */
START_TEST(pipe_stopped_sender_holds_up_no_deadline)
{
    struct stage *stage = stage_new();
    struct kin *kin = kin_start(PROCESSES, 1, flood, stage);
    long number, next = 0;
    mp_time end;
    ssize_t r;

    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 100 * round; i++) {
            ck_assert_int_eq(mp_conn_recv(stage->in, &number, 8, MP_FOREVER),
                             8);
            ck_assert_int_eq(number, next++);
        }
        ck_assert_int_eq(kill(kin->pids[0], SIGSTOP), 0);
        wait_until(process_state(kin->pids[0]) == 'T', 20);
        do {
            end = mp_timeout(0.02);
            r = mp_conn_recv(stage->in, &number, 8, end);
            ck_assert_int_eq(r < 0 || number == next++, 1);
        } while (r >= 0);
        ck_assert_int_eq(r, -ETIMEDOUT);
        ck_assert_int_ge(mp__now(), end);
        ck_assert_int_ge(next, stage->got[0]);
        ck_assert_int_eq(mp_conn_recv(stage->in, &number, 8, MP_NOW), -EAGAIN);
        ck_assert_int_eq(kill(kin->pids[0], SIGCONT), 0);
    }
    kin_kill(kin, 0);
    kin_end(kin);
    end_stage(stage);
}
END_TEST

static void
add_all(Suite *suite, const char *name, void (*setup)(void))
{
    TCase *tcase = mp_test_case(suite, name, 40);

    if (setup)
        tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_loop_test(tcase, pipe_recv_waits_for_a_send, 0, 2);
    tcase_add_loop_test(tcase, pipe_send_waits_for_room, 0,
                        2 * (int)LENGTH(sizes));
    tcase_add_loop_test(tcase, pipe_one_message_wakes_all_who_ask_for_it, 0,
                        2);
    tcase_add_loop_test(tcase, G35_pipe_sleepers_leave_at_their_deadline, 0,
                        2);
    tcase_add_loop_test(tcase, pipe_with_sleepers_answers_at_once, 0, 2);
    tcase_add_loop_test(tcase, pipe_sleepers_are_interrupted, 0, 2);
}

int
main(void)
{
    Suite *suite = suite_create("pipe-wait");
    TCase *tcase;

    add_all(suite, "sleep", NULL);
    add_all(suite, "sliced", believe_in_sliced);
    add_all(suite, "no-waitv", believe_in_no_waitv);
    tcase = mp_test_case(suite, "wake-ups", 60);
    tcase_add_loop_test(tcase, pipe_rally_loses_no_wake_up, 0, 2);
    tcase_add_loop_test(tcase, pipe_rally_on_one_processor, 0, 2);
    tcase_add_loop_test(tcase, pipe_stream_loses_no_wake_up, 0, 4);
    tcase = mp_test_case(suite, "stopped", 60);
    tcase_add_test(tcase, pipe_stopped_sender_holds_up_no_deadline);
    return mp_test_main(suite);
}
