/* SPDX-License-Identifier: MIT */
/* What waiting costs: consumers that wait for a message for a second, in
 * which none comes, and then get one each. The figure is the processor time
 * of all of them together, from before the wait until after it. */
#pragma once

#include "stream.h"

#include <time.h>
#include <unistd.h>

static inline uint64_t
idle_cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static ALWAYS_INLINE void
idle_member(struct stream *s, struct crew *crew, int seat, put_fn *put,
            get_fn *get)
{
    uint64_t message = 1, start;

    if (seat == 0) {
        crew_begin(crew, seat);
        sleep(1);
        for (int i = 0; i < s->load->consumers; i++)
            put(s->channel, &message, sizeof(message));
        crew_end(crew, seat, 0);
        return;
    }
    crew_begin(crew, seat);
    start = idle_cpu_ns();
    get(s->channel, &message, sizeof(message));
    crew_end(crew, seat, idle_cpu_ns() - start);
    if (message != 1)
        fail("a message came out wrong");
}

/* Defines NAME_idle_crew. */
#define IDLE_CREW(name, put, get)                                        \
    static void name##_idle_crew(struct crew *crew, int seat, void *arg) \
    {                                                                    \
        idle_member((struct stream *)arg, crew, seat, put, get);         \
    }

#ifdef __cplusplus
extern "C" {
#endif

/* Runs the crew; nanoseconds of processor time. load->ops is 1. */
double idle_run(struct stream *s, crew_fn *crew);

#ifdef __cplusplus
}
#endif
