/* SPDX-License-Identifier: MIT */
/* Processes that use a pipe are killed: asleep, at work, at any moment. The
 * others go on; messages are there whole, once, or not at all.
 *
 * (Every single instruction is the kill sweep's business: tests/sweep.) */
#include "pipe/pipe.h"
#include "region/kin.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SENDERS 3

struct stage {
    mp_conn *in, *out;
    uint32_t size;         /* of a message, at least 12 */
    mp__a64 sent[SENDERS]; /* messages of each whose send has returned */
    mp__a64 taken;         /* number + 1 of the last message that the receiver
                              holds */
};

struct message {
    uint64_t number;
    uint32_t sender;
    unsigned char rest[]; /* each (unsigned char)number */
};

static struct stage *
stage_with(uint32_t size)
{
    struct stage *stage = mp_new(struct stage);

    ck_assert_ptr_nonnull(stage);
    stage->size = size;
    must(mp_pipe(&stage->in, &stage->out, 0));
    /* So that this process holds both ends, whoever else comes and goes. */
    must(mp_conn_send(stage->out, NULL, 0, MP_NOW));
    must(mp_conn_recv(stage->in, NULL, 0, MP_NOW));
    return stage;
}

static void
end_stage(struct stage *stage)
{
    must(mp_conn_close(stage->in));
    must(mp_conn_close(stage->out));
    must(mp_free(stage));
}

/* What pipes take of the heap; what is known of processes is kept. */
static uint64_t
pipe_use(void)
{
    struct mp__heap_report report;

    mp__reap();
    mp__pipes_collect(1); /* those whose last holder was found dead late */
    report = heap_now();
    return report.blocks + report.large + report.objects[MP__SLAB_CONN];
}

/* What the first pipe of all makes and keeps is no leak. */
static uint64_t
pipe_use_before(void)
{
    end_stage(stage_with(0));
    return pipe_use();
}

static int
recv_one(void *arg, int unused)
{
    struct stage *stage = arg;
    char data[8192];

    (void)unused;
    must(mp_conn_recv(stage->in, data, sizeof(data), MP_FOREVER));
    return 0;
}

static int
send_one(void *arg, int unused)
{
    struct stage *stage = arg;
    char data[8192] = {0};

    (void)unused;
    must(mp_conn_send(stage->out, data, sizeof(data), MP_FOREVER));
    return 0;
}

static int
fill(struct stage *stage)
{
    char data[8192] = {0};
    int n = 0;

    while (mp_conn_send(stage->out, data, sizeof(data), MP_NOW) == 0)
        n++;
    return n;
}

/* ---- Killed asleep ---- */

START_TEST(G01_pipe_receiver_killed_asleep)
{
    struct stage *stage = stage_with(0);
    struct kin *kin = kin_start(PROCESSES, 4, recv_one, stage);

    kin_await_sleep(kin);
    kin_kill(kin, _i);
    for (int i = 0; i < 3; i++)
        must(mp_conn_send(stage->out, "x", 1, MP_FOREVER));
    kin_end(kin);
    ck_assert_int_eq(mp_conn_poll(stage->in, MP_NOW), 0); /* took none along */
    must(mp_conn_send(stage->out, "x", 1, MP_FOREVER));
    recv_one(stage, 0);
    end_stage(stage);
}
END_TEST

START_TEST(G01_pipe_sender_killed_asleep)
{
    struct stage *stage = stage_with(0);
    int n = fill(stage);
    struct kin *kin = kin_start(PROCESSES, 4, send_one, stage);

    kin_await_sleep(kin);
    kin_kill(kin, _i);
    for (int i = 0; i < n + 3; i++)
        recv_one(stage, 0);
    kin_end(kin);
    ck_assert_int_eq(mp_conn_poll(stage->in, MP_NOW), 0);
    send_one(stage, 0);
    recv_one(stage, 0);
    end_stage(stage);
}
END_TEST

START_TEST(G01_pipe_all_killed_asleep)
{
    struct stage *stage = stage_with(0);
    struct kin *kin = kin_start(PROCESSES, 3, recv_one, stage);
    int n;

    kin_await_sleep(kin);
    for (int i = 0; i < 3; i++)
        kin_kill(kin, i);
    kin_end(kin);
    n = fill(stage);
    kin = kin_start(PROCESSES, 3, send_one, stage);
    kin_await_sleep(kin);
    for (int i = 0; i < 3; i++)
        kin_kill(kin, i);
    kin_end(kin);
    for (; n > 0; n--)
        recv_one(stage, 0);
    ck_assert_int_eq(mp_conn_poll(stage->in, MP_NOW), 0);
    send_one(stage, 0);
    recv_one(stage, 0);
    end_stage(stage);
}
END_TEST

/* ---- Killed at any moment ---- */

static int
send_for_ever(void *arg, int i)
{
    struct stage *stage = arg;
    struct message *message = malloc(stage->size);

    message->sender = (uint32_t)i;
    for (;;) {
        message->number = mp__load(&stage->sent[i]);
        memset(message->rest, (int)message->number,
               stage->size - sizeof(*message));
        if (mp_conn_send(stage->out, message, stage->size, MP_FOREVER) < 0)
            break;
        mp__store(&stage->sent[i], message->number + 1);
    }
    free(message);
    return 1;
}

static void
pause_at_random(void)
{
    struct timespec t = {.tv_nsec = rand() % 1500000};

    nanosleep(&t, NULL);
}

/* A message of sender `i` that may come next: the next number, or a last one
 * whose send the sender did not live to see return. */
static void
expect_message(const struct message *message, ssize_t size,
               const struct stage *stage, uint64_t *next)
{
    ck_assert_int_eq(size, stage->size);
    if (message->sender >= SENDERS || message->number != next[message->sender])
        ck_abort_msg("message %llu of %u, not %llu",
                     (unsigned long long)message->number, message->sender,
                     (unsigned long long)next[message->sender]);
    for (size_t i = 0; i < stage->size - sizeof(*message); i++)
        if (message->rest[i] != (unsigned char)message->number)
            ck_abort_msg("message %llu of %u is torn",
                         (unsigned long long)message->number, message->sender);
    next[message->sender]++;
}

static const uint32_t kinds[] = {24, 8000, 9000};

static int
rounds(int n)
{
    return mp_test_scale() > 1 ? n / 10 + 1 : n;
}

/* All senders are killed at a random moment, one after the other; then the
 * pipe is read. A single one has the side to itself. */
START_TEST(G01_pipe_senders_killed_at_any_moment)
{
    int senders = _i / 3 ? SENDERS : 1;
    uint64_t before = pipe_use_before();

    srand(1 + (unsigned)_i);
    for (int round = 0; round < rounds(60); round++) {
        struct stage *stage = stage_with(kinds[_i % 3]);
        struct message *message = malloc(stage->size);
        uint64_t next[SENDERS] = {0};
        struct kin *kin;

        if (senders == 1) /* nobody else has been here */
            mp__bias_init(
                &((struct mp__pipe_end *)(void *)stage->in)->in.sender.bias,
                MP__MUTEX_PIPE_SENDER);
        kin = kin_start(PROCESSES, senders, send_for_ever, stage);
        for (int i = 0; i < senders; i++) {
            for (int k = rand() % 40; k > 0; k--)
                expect_message(
                    message,
                    mp_conn_recv(stage->in, message, stage->size, MP_FOREVER),
                    stage, next);
            if (round % 2)
                pause_at_random();
            kin_kill(kin, i);
        }
        for (;;) {
            ssize_t size =
                mp_conn_recv(stage->in, message, stage->size, MP_NOW);

            if (size == -EAGAIN)
                break;
            expect_message(message, size, stage, next);
        }
        for (int i = 0; i < senders; i++) {
            uint64_t told = mp__load(&stage->sent[i]);

            ck_assert_uint_ge(next[i], told);     /* none is lost, */
            ck_assert_uint_le(next[i], told + 1); /* or invented */
        }
        kin_end(kin);
        send_one(stage, 0);
        recv_one(stage, 0);
        free(message);
        end_stage(stage);
    }
    ck_assert_uint_eq(pipe_use(), before); /* and no block leaks */
}
END_TEST

static int
recv_for_ever(void *arg, int unused)
{
    struct stage *stage = arg;
    struct message *message = malloc(stage->size);

    (void)unused;
    while (mp_conn_recv(stage->in, message, stage->size, MP_FOREVER) >= 0)
        mp__store(&stage->taken, message->number + 1);
    free(message);
    return 1;
}

static void
send_next(struct stage *stage, struct message *message, mp_time deadline)
{
    int r;

    message->number = mp__load(&stage->sent[0]);
    memset(message->rest, (int)message->number,
           stage->size - sizeof(*message));
    r = mp_conn_send(stage->out, message, stage->size, deadline);
    if (deadline == MP_NOW && r == -EAGAIN)
        return;
    ck_assert_int_eq(r, 0);
    mp__store(&stage->sent[0], message->number + 1);
}

/* A receiver is killed while messages come in: what it did not take comes to
 * the next, from the first to the last. */
START_TEST(G01_pipe_receiver_killed_at_any_moment)
{
    uint64_t before = pipe_use_before();

    srand(1 + (unsigned)_i);
    for (int round = 0; round < rounds(100); round++) {
        struct stage *stage = stage_with(kinds[_i % 3]);
        struct message *message = calloc(1, stage->size);
        uint64_t next[SENDERS] = {0}, taken;
        struct kin *kin;

        if (_i / 3) /* nobody else has been here */
            mp__bias_init(
                &((struct mp__pipe_end *)(void *)stage->in)->in.receiver.bias,
                MP__MUTEX_PIPE_RECEIVER);
        kin = kin_start(PROCESSES, 1, recv_for_ever, stage);
        wait_until(mp__load(&kin->begun[0]), 20);
        for (int k = rand() % 60; k >= 0; k--)
            send_next(stage, message, MP_FOREVER);
        if (round % 2)
            pause_at_random();
        kin_kill(kin, 0);
        send_next(stage, message, MP_NOW);
        must(mp_conn_recv(stage->in, message, stage->size, MP_NOW));
        /* at the most one was taken that nobody told of */
        taken = mp__load(&stage->taken);
        ck_assert_uint_ge(message->number, taken);
        ck_assert_uint_le(message->number, taken + 1);
        next[0] = message->number + 1;
        while (next[0] < mp__load(&stage->sent[0]))
            expect_message(
                message, mp_conn_recv(stage->in, message, stage->size, MP_NOW),
                stage, next);
        ck_assert_int_eq(mp_conn_poll(stage->in, MP_NOW), 0);
        kin_end(kin);
        free(message);
        end_stage(stage);
    }
    ck_assert_uint_eq(pipe_use(), before);
}
END_TEST

/* Several receivers sleep; the one that a send wakes, or any other, is killed
 * just then. The message comes to somebody. */
START_TEST(G01_pipe_wake_up_of_the_killed_goes_to_another)
{
    for (int round = 0; round < rounds(100); round++) {
        struct stage *stage = stage_with(0);
        struct kin *kin = kin_start(PROCESSES, 3, recv_one, stage);
        int left = 0;
        char c;

        kin_await_sleep(kin);
        must(mp_conn_send(stage->out, "x", 1, MP_NOW));
        ck_assert_int_eq(kill(kin->pids[round % 3], SIGKILL), 0);
        reap(kin->pids[round % 3]); /* it may have been quicker than we */
        kin->pids[round % 3] = 0;
        must(mp_conn_send(stage->out, "x", 1, MP_NOW));
        must(mp_conn_send(stage->out, "x", 1, MP_NOW));
        kin_end(kin);
        while (mp_conn_recv(stage->in, &c, 1, MP_NOW) == 1)
            left++;
        ck_assert_int_le(left, 1);
        end_stage(stage);
    }
}
END_TEST

/* ---- The other end is killed ---- */

static int
hold_and_wait(void *arg, int i)
{
    struct stage *stage = arg;
    char c;

    must(mp_conn_close(stage->out));
    must(mp_conn_recv(stage->in, &c, 1, MP_FOREVER));
    mp__store(&stage->taken, 1);
    (void)i;
    for (;;)
        if (mp_conn_recv(stage->in, &c, 1, MP_FOREVER) < 0)
            return 1;
}

/* Who sends to a dead one is told so at once, not when there is no room. */
START_TEST(G01_pipe_send_to_the_killed_fails_at_once)
{
    struct stage *stage = mp_new(struct stage);
    struct kin *kin;

    must(mp_pipe(&stage->in, &stage->out, 0));
    kin = kin_start(PROCESSES, 1, hold_and_wait, stage);
    must(mp_conn_send(stage->out, "x", 1, MP_FOREVER));
    wait_until(mp__load(&stage->taken) == 1, 20);
    must(mp_conn_send(stage->out, "x", 1, MP_FOREVER));
    kin_kill(kin, 0);
    must_fail(mp_conn_send(stage->out, "x", 1, MP_FOREVER), -EPIPE, "gone");
    must_fail(mp_conn_send(stage->out, "x", 1, MP_NOW), -EPIPE, "gone");
    kin_end(kin);
    must(mp_conn_close(stage->out));
    must(mp_free(stage));
}
END_TEST

static void
add_sleepers(TCase *tcase)
{
    tcase_add_loop_test(tcase, G01_pipe_receiver_killed_asleep, 0, 4);
    tcase_add_loop_test(tcase, G01_pipe_sender_killed_asleep, 0, 4);
}

int
main(void)
{
    Suite *suite = suite_create("pipe-death");
    TCase *tcase = mp_test_case(suite, "asleep", 30);

    add_sleepers(tcase);
    tcase_add_test(tcase, G01_pipe_all_killed_asleep);
    tcase_add_test(tcase, G01_pipe_send_to_the_killed_fails_at_once);
    tcase = mp_test_case(suite, "any-moment", 60);
    tcase_add_loop_test(tcase, G01_pipe_senders_killed_at_any_moment, 0, 6);
    tcase_add_loop_test(tcase, G01_pipe_receiver_killed_at_any_moment, 0, 6);
    tcase_add_test(tcase, G01_pipe_wake_up_of_the_killed_goes_to_another);
    tcase = mp_test_case(suite, "sliced", 30);
    tcase_add_checked_fixture(tcase, believe_in_sliced, NULL);
    add_sleepers(tcase);
    tcase = mp_test_case(suite, "no-waitv", 30);
    tcase_add_checked_fixture(tcase, believe_in_no_waitv, NULL);
    add_sleepers(tcase);
    return mp_test_main(suite);
}
