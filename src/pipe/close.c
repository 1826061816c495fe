/* SPDX-License-Identifier: MIT */
/* The end of a pipe: closing an end, and giving back what nobody holds.
 *
 * To close is to leave the holders (holders.c): one store. All else follows from
 * it: those who wait look again, and a thread of this process that has an end's
 * side by bias loses it, as it would go in without looking who may.
 *
 * A pipe whose ends are both gone, and closed by its maker, is collected: by who
 * closed last, or by a thread that comes out of an end that was closed
 * meanwhile; where the last holder was killed, by a later mp_pipe(), which looks
 * through all pipes when their number has doubled. The collector puts its name
 * on the pipe (in `storage`), and gives way to visitors (visit.c).
 *
 * Each step of collecting is one store, and may be done again by the next
 * collector if this one is killed: `storage.block` is cleared when the ring's
 * memory passes into the collector's hand, and the cells are freed when both
 * have lost their stamp. A death in those last moments costs two cells. */
#include "pipe/take.h"

#include "os/clock.h"
#include "region/heap.h"
#include "region/region.h"

#include <errno.h>
#include <unistd.h>

#define PATIENCE 1000000 /* ns: before we look again whose a lock is */
#define PIPES    64      /* fewer are not worth looking through */

/* ---- Collecting ---- */

static int
is_done(struct mp__pipe_end *end)
{
    return mp__holders_done(&end->holders) &&
           mp__holders_done(&end->peer->holders);
}

/* The end whose `storage` says who collects the pipe. */
static struct mp__pipe_end *
first_of(struct mp__pipe_end *end)
{
    return end < end->peer ? end : end->peer;
}

/* One who was killed at it is succeeded when he is buried: what was in his hand
 * is known then. */
static int
claim(struct mp__pipe_end *first)
{
    uint64_t before = mp__load(&first->storage.owner);

    if (before &&
        (mp__participant_find(before) || !mp__participant_buried(before)))
        return 0;
    if (!mp__cas(&first->storage.owner, &before, mp__me.id))
        return 0;
    mp__store(&first->peer->storage.owner, mp__me.id);
    return 1;
}

static void
unclaim(struct mp__pipe_end *first)
{
    mp__store(&first->peer->storage.owner, 0);
    mp__store(&first->storage.owner, 0);
}

static void
free_ring(struct mp__pipe_end *end)
{
    void *block = (void *)(uintptr_t)mp__load(&end->storage.block);

    if (block == NULL)
        return;
    /* A sender that died may have in its hand what is in the ring. */
    mp__mutex_lock(&end->in.sender.bias.mutex);
    mp__mutex_unlock(&end->in.sender.bias.mutex);
    mp__pipe_discard(end);
    mp__hand_hold(&end->storage);
    mp__hand_set(mp__block_hand(block), block, NULL);
    mp__store(&end->storage.block, 0); /* COMMIT: it is in our hand only */
    mp__block_free(block);
    mp__hand_hold(NULL);
}

static void
free_pipe(struct mp__pipe_end *end)
{
    struct mp__pipe_end *peer = end->peer;

    free_ring(end);
    free_ring(peer);
    mp__object_retire(end, MP__SLAB_CONN);
    mp__object_retire(peer, MP__SLAB_CONN);
    mp__object_free(end, MP__SLAB_CONN);
    mp__object_free(peer, MP__SLAB_CONN);
}

/* Whether it is a live end. One that was freed since `end` was found may be in
 * the midst of becoming another. */
static int
is_whole(struct mp__pipe_end *end)
{
    struct mp__pipe_end *peer = mp__pipe_is_end(end) ? end->peer : NULL;

    atomic_thread_fence(memory_order_acquire);
    return peer && mp__pipe_is_end(end);
}

/* Whether the end is there still. */
static int
collect(struct mp__pipe_end *end)
{
    struct mp__pipe_end *first;
    int here;

    mp__pipe_say_visiting(end);
    here = is_whole(end);
    if (here && is_done(end) && claim(first = first_of(end))) {
        mp__reap(); /* what their hands have to do with the rings */
        here = mp__pipe_stays_visited(end) || !is_done(end);
        if (here)
            unclaim(first);
        else
            free_pipe(end);
    }
    mp__pipe_say_visiting(NULL);
    return here;
}

/* Frees the pipe if nobody holds it. Visits it, and no mutex may be held. */
static void
collect_one(struct mp__pipe_end *end)
{
    mp__reap(); /* a collector that died: see claim() */
    collect(end);
}

static void
collect_and_count(void *conn, void *count)
{
    struct mp__pipe_end *end = conn;

    if (end->conn.kind == MP__CONN_PIPE)
        *(uint64_t *)count += (uint64_t)collect(end);
}

void
mp__pipes_collect(int now)
{
    struct mp__pipe_family *family = mp__pipe_family();
    uint64_t made = family ? mp__load(&family->ends) : 0;
    uint64_t at = family ? mp__load(&family->collect_at) : 0;
    uint64_t left = 0;

    if (family == NULL || (!now && made < at) ||
        !mp__cas(&family->collect_at, &at, made + 2 * PIPES))
        return;
    mp__reap();
    mp__object_each(MP__SLAB_CONN, collect_and_count, &left);
    if (left > 2 * PIPES)
        mp__store(&family->collect_at, made + left);
}

/* ---- Closing ---- */

static int
is_of_this_process(struct mp__bias *bias)
{
    uint64_t owner = mp__load(&bias->owner) & ~MP__BIAS_REVOKING;
    struct mp__participant *part = mp__participant_find(owner);

    return part && mp__load_relaxed(&part->pid) == (uint32_t)getpid();
}

/* The owner would go on without looking whether its process has left. Somebody
 * of another process may be about to take the bias away, and then sleep
 * inside: so this does not wait for long. */
static void
take_bias(struct mp__bias *bias)
{
    while (is_of_this_process(bias)) {
        if (mp__bias_lock(bias, mp__now() + PATIENCE) == 0) {
            mp__bias_give_up(bias);
            mp__mutex_unlock(&bias->mutex);
        }
    }
}

int
mp__pipe_close(mp_conn *conn)
{
    struct mp__pipe_end *end = (struct mp__pipe_end *)(void *)conn;
    int r;

    if (!mp__pipe_visit(end))
        return mp__fail_handle("mp_conn_close", conn, "a connection");
    r = mp__holders_leave(&end->holders);
    if (r == 0) {
        mp__pipe_news(end);
        take_bias(&end->in.receiver.bias);
        take_bias(&end->peer->in.sender.bias);
        mp__pipe_fd_forget(end);
    }
    mp__pipe_end_visit();
    if (r == 0)
        collect_one(end);
    else if (r == -EBADF)
        mp__fail(r, "mp_conn_close: this process has closed it already");
    return r;
}

void
mp__pipe_leave(void)
{
    struct mp__pipe_end *end = mp__pipe_end_visit();

    /* The last to leave an end that was closed meanwhile has it freed. */
    if (end && MP__UNLIKELY(mp__holders_left(&end->holders)))
        collect_one(end);
}
