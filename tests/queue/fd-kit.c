/* SPDX-License-Identifier: MIT */
#include "fd-kit.h"

#include <errno.h>
#include <poll.h>

static int
nothing(void *unused)
{
    (void)unused;
    return 0;
}

void
run(mp_target target, const void *arg, size_t size, int method)
{
    mp_process *p;
    int code;

    must(mp_process_start(&p, target, arg, size,
                          MP_PROCESS_ATTR(.method = method)));
    must(mp_process_join(p, MP_FOREVER));
    must(mp_process_exitcode(p, &code));
    ck_assert_int_eq(code, 0);
    must(mp_process_close(p));
}

static void
warm_up(void)
{
    mp_queue *queue;

    for (int i = 0; i < METHODS; i++)
        run(nothing, NULL, 0, methods[i]);
    must(mp_queue_create(&queue, NULL));
    must(mp_queue_fd(queue));
    must(mp_queue_destroy(queue));
    mp_test_leaks_mark();
}

TCase *
fd_case(Suite *suite, const char *name, double seconds)
{
    TCase *tcase = mp_test_case(suite, name, seconds);

    tcase_add_checked_fixture(tcase, warm_up, NULL);
    return tcase;
}

struct stage *
stage_with(const mp_queue_attr *attr)
{
    struct stage *stage = mp_new(struct stage);

    ck_assert_ptr_nonnull(stage);
    must(mp_queue_create(&stage->queue, attr));
    return stage;
}

void
end_stage(struct stage *stage)
{
    must(mp_queue_destroy(stage->queue));
    must(mp_free(stage));
}

int
is_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int n = poll(&p, 1, 0);

    ck_assert_int_ge(n, 0);
    return n;
}

int
await(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int n;

    do
        n = poll(&p, 1, (int)(20000 * mp_test_scale()));
    while (n < 0 && errno == EINTR);
    return n == 1;
}

int
get_now(mp_queue *queue)
{
    struct message message;

    return (int)mp_queue_get(queue, &message, sizeof(message), MP_NOW);
}

void
put_now(mp_queue *queue)
{
    struct message message = {0};

    must(mp_queue_put(queue, &message, sizeof(message), MP_NOW));
}

int
armed_fd(mp_queue *queue)
{
    int fd = mp_queue_fd(queue);

    ck_assert_int_gt(fd, 2);
    ck_assert_int_eq(get_now(queue), -EAGAIN);
    ck_assert_int_eq(is_readable(fd), 0);
    return fd;
}

int
get_one(void *arg, int unused)
{
    struct stage *stage = arg;
    struct message message;

    (void)unused;
    must(mp_queue_get(stage->queue, &message, sizeof(message), MP_FOREVER));
    return 0;
}
