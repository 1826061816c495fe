/* SPDX-License-Identifier: MIT */
/* POSIX message queues: as many messages as the system grants, of those that
 * the room has. Ordinary users get 10, of 8 KiB at the most. */
#include "kernel.h"
#include "stream.h"

#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

static void
mq_put(void *channel, const void *data, size_t size)
{
    must(mq_send(*(mqd_t *)channel, data, size, 0), "mq_send");
}

static void
mq_get(void *channel, void *buf, size_t size)
{
    ssize_t r = mq_receive(*(mqd_t *)channel, buf, size, NULL);

    must(r, "mq_receive");
}

static void
mq_put_priority(void *channel, const void *data, size_t size)
{
    unsigned priority = (unsigned)(stream_number(data) % 8);

    must(mq_send(*(mqd_t *)channel, data, size, priority), "mq_send");
}

STREAM_CREW(mq, mq_put, mq_get)
STREAM_CREW(mq_priority, mq_put_priority, mq_get)
BOUNCE_CREW(mq, mq_put, mq_get)

static mqd_t
mq_new(size_t size)
{
    struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
    long room = (long)(stream_room(size) / size);
    long slots[] = {room < 65536 ? room : 65536, 100, 10};
    char name[64];
    mqd_t q = (mqd_t)-1;

    setrlimit(RLIMIT_MSGQUEUE, &all);
    snprintf(name, sizeof(name), "/mproc-bench-%d", (int)getpid());
    for (int i = 0; i < 3 && q == (mqd_t)-1; i++) {
        struct mq_attr attr = {.mq_maxmsg = slots[i] < room ? slots[i] : room,
                               .mq_msgsize = (long)size};

        q = mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0600, &attr);
    }
    mq_unlink(name);
    return q;
}

static double
mq_one_way(const struct load *load, crew_fn *crew)
{
    mqd_t there = mq_new(load->size);
    struct stream s = {.load = load, .channel = &there};

    s.any_order = crew == mq_priority_stream_crew;
    return there == (mqd_t)-1 ? LEFT_OUT : stream_run(&s, crew);
}

double
mq_stream(const struct load *load)
{
    return mq_one_way(load, mq_stream_crew);
}

double
mq_priority(const struct load *load)
{
    return mq_one_way(load, mq_priority_stream_crew);
}

double
mq_bounce(const struct load *load)
{
    mqd_t there = mq_new(load->size), back = mq_new(load->size);
    struct stream s = {load, &there, &back};

    if (there == (mqd_t)-1 || back == (mqd_t)-1)
        return LEFT_OUT;
    return stream_run_bounce(&s, mq_bounce_crew);
}
