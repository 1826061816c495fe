/* SPDX-License-Identifier: MIT */
/* mp_queue_fd(): who sleeps in poll() is told, in queues of all modes, and
 * whoever dies meanwhile.
 *
 * (Every single instruction is the kill sweep's business: tests/sweep.) */
#include "fd-kit.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

/* ---- Queues that do more than their ring ---- */

static const mp_queue_attr modes[] = {
    {.size = sizeof(mp_queue_attr), .order = MP_QUEUE_LIFO},
    {.size = sizeof(mp_queue_attr), .order = MP_QUEUE_PRIORITY},
    {.size = sizeof(mp_queue_attr), .joinable = 1},
    {.size = sizeof(mp_queue_attr), .joinable = 1, .redeliver = 1},
    {.size = sizeof(mp_queue_attr), .maxsize = 2},
};

START_TEST(queue_fd_in_every_mode)
{
    struct stage *stage = stage_with(&modes[_i]);
    int fd = armed_fd(stage->queue);
    mp_message message;
    char bytes[64];

    for (int round = 0; round < 3; round++) {
        put_now(stage->queue);
        put_now(stage->queue);
        ck_assert_int_eq(is_readable(fd), 1);
        must(mp_queue_take(stage->queue, &message, MP_NOW));
        ck_assert_int_eq(is_readable(fd), 1);
        ck_assert_int_gt(get_now(stage->queue), 0);
        if (round == 0)
            ck_assert_int_eq(mp_queue_take(stage->queue, &message, MP_NOW),
                             -EAGAIN);
        else if (round == 1)
            ck_assert_int_eq(
                mp_queue_get_many(stage->queue, bytes, 32, 2, NULL, MP_NOW),
                -EAGAIN);
        else
            ck_assert_int_eq(mp_queue_next_size(stage->queue, MP_NOW),
                             -EAGAIN);
        ck_assert_int_eq(is_readable(fd), 0);
    }
    must(mp_queue_put_many(stage->queue, "ab", 1, 2, MP_NOW));
    ck_assert_int_eq(is_readable(fd), 1);
    end_stage(stage);
}
END_TEST

START_TEST(queue_fd_tells_of_a_reservation_when_it_is_put)
{
    struct stage *stage = stage_with(NULL);
    int fd = armed_fd(stage->queue);
    void *data;

    must(mp_queue_reserve(stage->queue, 100, &data, MP_NOW));
    ck_assert_int_eq(is_readable(fd), 0);
    must(mp_queue_commit(stage->queue, data));
    ck_assert_int_eq(is_readable(fd), 1);
    end_stage(stage);
}
END_TEST

/* Has as many messages as `go` says, and is done with the first at last. */
static int
hold(void *arg, int unused)
{
    struct stage *stage = arg;
    struct message message;

    (void)unused;
    for (uint32_t i = mp__load(&stage->go); i > 0; i--)
        must(
            mp_queue_get(stage->queue, &message, sizeof(message), MP_FOREVER));
    mp__store(&stage->armed, 1);
    while (!mp__load(&stage->stop))
        usleep(1000);
    return mp_queue_task_done(stage->queue);
}

static struct kin *
start_holder(struct stage *stage, uint32_t n)
{
    struct kin *kin;

    for (uint32_t i = 0; i < n; i++)
        put_now(stage->queue);
    mp__store(&stage->go, n);
    kin = kin_start(PROCESSES, 1, hold, stage);
    wait_until(mp__load(&stage->armed), 20);
    return kin;
}

START_TEST(queue_fd_poller_gets_what_the_dead_had)
{
    struct stage *stage = stage_with(MP_QUEUE_ATTR(.redeliver = 1));
    struct kin *kin = start_holder(stage, 2);
    int fd = armed_fd(stage->queue);

    kin_kill(kin, 0);
    ck_assert_int_eq(is_readable(fd), 0);
    mp__reap(); /* as the parent's mp_process_join() does */
    ck_assert_int_eq(is_readable(fd), 1);
    ck_assert_int_gt(get_now(stage->queue), 0);
    ck_assert_int_gt(get_now(stage->queue), 0);
    ck_assert_int_eq(get_now(stage->queue), -EAGAIN);
    ck_assert_int_eq(is_readable(fd), 0);
    kin_end(kin);
    end_stage(stage);
}
END_TEST

/* The one that sleeps in a get notices the death and takes one of two: there is
 * another one. */
START_TEST(queue_fd_sleeping_consumer_returns_what_the_dead_had)
{
    struct stage *stage = stage_with(MP_QUEUE_ATTR(.redeliver = 1));
    struct kin *kin = start_holder(stage, 2);
    struct kin *other = kin_start(PROCESSES, 1, get_one, stage);
    int fd;

    kin_await_sleep(other);
    fd = armed_fd(stage->queue);
    kin_kill(kin, 0);
    ck_assert(await(fd));
    kin_end(other);
    ck_assert_int_gt(get_now(stage->queue), 0);
    kin_end(kin);
    end_stage(stage);
}
END_TEST

/* Until the last message is done it may come back: the descriptor does not stay
 * readable meanwhile. */
START_TEST(queue_fd_closed_while_another_has_a_message)
{
    struct stage *stage = stage_with(MP_QUEUE_ATTR(.redeliver = 1));
    struct kin *kin = start_holder(stage, 1);
    int fd = armed_fd(stage->queue);

    must(mp_queue_close(stage->queue));
    ck_assert_int_eq(is_readable(fd), 1);
    ck_assert_int_eq(get_now(stage->queue), -EAGAIN);
    ck_assert_int_eq(is_readable(fd), 0);
    if (_i == 0) {
        mp__store(&stage->stop, 1);
        ck_assert(await(fd));
    } else {
        kin_kill(kin, 0);
        mp__reap();
        ck_assert_int_eq(is_readable(fd), 1);
        ck_assert_int_gt(get_now(stage->queue), 0);
        must(mp_queue_task_done(stage->queue));
    }
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(is_readable(fd), 1);
        ck_assert_int_eq(get_now(stage->queue), -ESHUTDOWN);
    }
    kin_end(kin);
    end_stage(stage);
}
END_TEST

/* ---- Killed ---- */

static int
produce(void *arg)
{
    struct {
        struct stage *stage;
        uint32_t producer;
    } *with = arg;
    struct stage *stage = with->stage;
    struct message message = {.producer = with->producer};
    mp__a64 *put = &stage->put[with->producer];

    while (!mp__load(&stage->stop)) {
        message.number = mp__load(put);
        if (mp_queue_put(stage->queue, &message, sizeof(message), MP_FOREVER) <
            0)
            return 1;
        mp__store(put, message.number + 1);
        if (message.number % 4 == 0) /* let the poller fall asleep */
            usleep(200);
    }
    return 0;
}

static mp_process *
start_producer(struct stage *stage, uint32_t producer, int method)
{
    struct {
        struct stage *stage;
        uint32_t producer;
    } with = {stage, producer};
    mp_process *p;

    must(mp_process_start(&p, produce, &with, sizeof(with),
                          MP_PROCESS_ATTR(.method = method)));
    return p;
}

/* Takes what there is. A producer that was killed after its commit, and before
 * it could tell, begins with the same number again. */
static void
take_all(struct stage *stage, uint64_t *next)
{
    struct message message;

    while (mp_queue_get(stage->queue, &message, sizeof(message), MP_NOW) > 0) {
        uint64_t *n = &next[message.producer];

        ck_assert_uint_le(message.number, *n);
        ck_assert_uint_ge(message.number + 1, *n);
        *n = message.number + 1;
    }
}

/* An event loop; producers are killed again and again, and others come in their
 * place. */
START_TEST(G01_queue_fd_producers_killed_at_any_moment)
{
    struct stage *stage = stage_with(NULL);
    struct epoll_event event = {.events = EPOLLIN | (_i % 2 ? EPOLLET : 0u)};
    uint64_t next[PRODUCERS] = {0};
    mp_process *producers[PRODUCERS];
    int method = methods[_i / 2];
    int loop = epoll_create1(EPOLL_CLOEXEC), code;

    ck_assert_int_eq(
        epoll_ctl(loop, EPOLL_CTL_ADD, mp_queue_fd(stage->queue), &event), 0);
    for (uint32_t i = 0; i < PRODUCERS; i++)
        producers[i] = start_producer(stage, i, method);
    srand((unsigned)_i + 1);
    for (uint32_t kills = 0; kills < 30; kills++) {
        mp_process **victim = &producers[kills % PRODUCERS];

        for (int k = rand() % 60; k >= 0; k--) {
            ck_assert_int_eq(
                epoll_wait(loop, &event, 1, (int)(20000 * mp_test_scale())),
                1);
            take_all(stage, next);
        }
        must(mp_process_kill(*victim));
        must(mp_process_join(*victim, MP_FOREVER));
        must(mp_process_close(*victim));
        *victim = start_producer(stage, kills % PRODUCERS, method);
    }
    mp__store(&stage->stop, 1);
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        must(mp_process_join(producers[i], MP_FOREVER));
        must(mp_process_exitcode(producers[i], &code));
        ck_assert_int_eq(code, 0);
        must(mp_process_close(producers[i]));
    }
    while (mp_queue_size(stage->queue) > 0) {
        ck_assert_int_eq(epoll_wait(loop, &event, 1, 20000), 1);
        take_all(stage, next);
    }
    for (uint32_t i = 0; i < PRODUCERS; i++)
        ck_assert_uint_eq(next[i], mp__load(&stage->put[i]));
    close(loop);
    end_stage(stage);
}
END_TEST

static int
poll_for_ever(void *arg, int unused)
{
    struct stage *stage = arg;
    int fd = mp_queue_fd(stage->queue);

    (void)unused;
    for (;;) {
        if (!await(fd))
            return 1;
        while (get_now(stage->queue) > 0)
            mp__add(&stage->taken, 1);
    }
}

/* A poller is killed wherever it is; another process, which polls too, learns
 * of each message that the dead has not taken. */
START_TEST(G01_queue_fd_poller_killed_at_any_moment)
{
    srand(1);
    for (int round = 0; round < 50; round++) {
        struct stage *stage = stage_with(NULL);
        int fd = armed_fd(stage->queue);
        struct kin *kin = kin_start(PROCESSES, 1, poll_for_ever, stage);

        for (int k = rand() % 20; k >= 0; k--)
            put_now(stage->queue);
        kin_kill(kin, 0);
        ck_assert_int_eq(is_readable(fd), 1);
        while (get_now(stage->queue) > 0)
            ;
        wait_until(is_readable(fd) == 0 || get_now(stage->queue) == 0, 20);
        put_now(stage->queue);
        ck_assert_int_eq(is_readable(fd), 1);
        ck_assert_int_gt(get_now(stage->queue), 0);
        kin_end(kin);
        end_stage(stage);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("queue-fd-death");
    TCase *tcase = fd_case(suite, "modes", 20);

    tcase_add_loop_test(tcase, queue_fd_in_every_mode, 0, (int)LENGTH(modes));
    tcase_add_test(tcase, queue_fd_tells_of_a_reservation_when_it_is_put);
    tcase_add_test(tcase, queue_fd_poller_gets_what_the_dead_had);
    tcase_add_test(tcase,
                   queue_fd_sleeping_consumer_returns_what_the_dead_had);
    tcase_add_loop_test(tcase, queue_fd_closed_while_another_has_a_message, 0,
                        2);
    tcase = fd_case(suite, "killed", 60);
    tcase_add_loop_test(tcase, G01_queue_fd_producers_killed_at_any_moment, 0,
                        2 * METHODS);
    tcase_add_test(tcase, G01_queue_fd_poller_killed_at_any_moment);
    return mp_test_main(suite);
}
