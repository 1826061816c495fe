/* SPDX-License-Identifier: MIT */
/* Visitors of a pipe.
 *
 * An end may be closed by one thread while another is inside, or is about to go
 * in. So who goes in says so first, in its own slot of the participants' table,
 * and then looks whether the end is still there and nobody collects it; the
 * collector (close.c) first puts its name on the pipe, and then looks whether
 * anybody visits it. So one of the two sees the other and gives way. A thread
 * visits one end at a time; the visits of the dead do not count. */
#include "pipe/pipe.h"

#include <sched.h>

#define TURNS 20 /* given to visitors on their way out */

int
mp__pipe_is_end(const struct mp__pipe_end *end)
{
    return mp__object_ok(end, MP__SLAB_CONN) &&
           end->conn.kind == MP__CONN_PIPE;
}

/* seq_cst: see above. */
void
mp__pipe_say_visiting(struct mp__pipe_end *end)
{
    mp__store(&mp__me.part->visiting, (uintptr_t)end);
}

int
mp__pipe_visit(struct mp__pipe_end *end)
{
    mp__pipe_say_visiting(end);
    if (MP__LIKELY(mp__pipe_is_end(end) && mp__load(&end->storage.owner) == 0))
        return 1;
    mp__pipe_say_visiting(NULL);
    return 0;
}

struct mp__pipe_end *
mp__pipe_end_visit(void)
{
    uintptr_t end = mp__load_relaxed(&mp__me.part->visiting);

    if (end)
        mp__pipe_say_visiting(NULL);
    return (struct mp__pipe_end *)end;
}

/* Whether another thread is visiting the pipe. */
static int
is_visited(const struct mp__pipe_end *end)
{
    uint32_t high = mp__participants_high();

    for (uint32_t i = 0; i < high; i++) {
        struct mp__participant *part = mp__participant_at(i);
        uintptr_t visiting = mp__load(&part->visiting);

        if ((visiting == (uintptr_t)end || visiting == (uintptr_t)end->peer) &&
            part != mp__me.part &&
            mp__participant_find(mp__participant_id(part)))
            return 1;
    }
    return 0;
}

int
mp__pipe_stays_visited(const struct mp__pipe_end *end)
{
    for (int turn = 0; turn < TURNS; turn++) {
        if (!is_visited(end))
            return 0;
        sched_yield();
    }
    return 1;
}
