/* SPDX-License-Identifier: MIT */
/* The pipe: two ends, and a ring of records in each direction.
 *
 * A ring has 64 KiB, in a block of its own. Senders and receivers each have a
 * biased lock (bias.h) and a position; storing the position is the commit of a
 * send (send.c) or a receive (take.c, receive.c). Larger messages go by
 * reference. Waiting is in wait.c, who holds an end in holders.c, the end of
 * both in close.c.
 *
 * An end is a cell that its peer knows, and finds its own ring to send into by.
 * What is written often by the one side, by the other, or hardly ever, is on
 * lines apart.
 *
 * A ring's block is in its maker's hand until `storage` keeps it, which is one
 * store; if the maker dies before, its burial frees the block, and if it dies
 * after, the pipe is one that nobody holds. */
#include "pipe/pipe.h"

#include "region/heap.h"

#include <errno.h>

/* ---- What a connection of this kind does ---- */

static int
descriptor(mp_conn *conn)
{
    struct mp__pipe_end *end = (struct mp__pipe_end *)(void *)conn;
    struct mp__pipe_use use;
    int r = mp__pipe_begin(&use, end, 0);

    return r < 0 ? r : (int)mp__pipe_exit(&use, mp__pipe_fd(end));
}

static int
close_end(mp_conn *conn)
{
    int r = mp__pipe_close(conn);

    mp__pipe_release_kept();
    return r;
}

const struct mp__conn_ops mp__pipe_ops = {
    .send = mp__pipe_send,
    .recv = mp__pipe_recv,
    .next_size = mp__pipe_next_size,
    .poll = mp__pipe_poll,
    .recv_look = mp__pipe_recv_look,
    .fd = descriptor,
    .send_fd = mp__pipe_send_fd,
    .recv_fd = mp__pipe_recv_fd,
    .close = close_end,
    .look = mp__pipe_look,
    .pollers = mp__pipe_pollers,
    .describe = mp__pipe_describe,
};

__attribute__((constructor)) static void
register_kind(void)
{
    mp__conn_register();
}

/* ---- Making one ---- */

static void
init_side(struct mp__pipe_side *side, enum mp__mutex_kind kind)
{
    mp__bias_init(&side->bias, kind);
    side->life = &side->never;
    mp__patience_init(&side->patience);
}

/* The cell is zero. */
static void
init_end(struct mp__pipe_end *end, struct mp__pipe_end *peer, uint32_t can)
{
    end->conn.kind = MP__CONN_PIPE;
    end->conn.can = can;
    end->peer = peer;
    init_side(&end->in.sender, MP__MUTEX_PIPE_SENDER);
    init_side(&end->in.receiver, MP__MUTEX_PIPE_RECEIVER);
    end->in.changes = 1; /* nobody has looked yet */
    mp__holders_init(&end->holders);
}

/* Gives the ring its block; the end is published. */
static int
add_storage(struct mp__pipe_end *end)
{
    void *block = mp__block_alloc(MP__PIPE_GRANULES * MP__PIPE_GRANULE, 0);

    if (block == NULL)
        return -ENOMEM;
    mp__store(&end->storage.owner, mp__me.id);
    mp__hand_hold(&end->storage);
    mp__store_release(&end->storage.block, (uintptr_t)block);
    mp__block_keep(block);
    mp__hand_hold(NULL);
    mp__store(&end->storage.owner, 0);
    end->in.data = block;
    return 0;
}

static int
make(struct mp__pipe_end **ret_a, struct mp__pipe_end **ret_b, int duplex)
{
    struct mp__pipe_end *a = mp__object_alloc(MP__SLAB_CONN, MP__CONN_CELL);
    struct mp__pipe_end *b = mp__object_alloc(MP__SLAB_CONN, MP__CONN_CELL);
    uint32_t both = MP__CONN_RECEIVE | MP__CONN_SEND;

    if (a == NULL || b == NULL) {
        if (a)
            mp__object_free(a, MP__SLAB_CONN);
        if (b)
            mp__object_free(b, MP__SLAB_CONN);
        return -ENOMEM;
    }
    init_end(a, b, duplex ? both : MP__CONN_RECEIVE);
    init_end(b, a, duplex ? both : MP__CONN_SEND);
    mp__object_publish(a, MP__SLAB_CONN);
    mp__object_publish(b, MP__SLAB_CONN);
    if (add_storage(a) < 0 || (duplex && add_storage(b) < 0)) {
        mp__pipe_close(&a->conn);
        mp__pipe_close(&b->conn);
        return -ENOMEM;
    }
    *ret_a = a;
    *ret_b = b;
    return 0;
}

int
mp_pipe(mp_conn **ret_a, mp_conn **ret_b, int duplex)
{
    struct mp__pipe_end *a, *b;
    int r;

    if (ret_a == NULL || ret_b == NULL)
        return mp__fail(-EINVAL, "mp_pipe: ret_%c is NULL",
                        ret_a == NULL ? 'a' : 'b');
    r = mp__enter();
    if (r < 0 || (r = mp__holders_prepare()) < 0)
        return r;
    mp__pipes_collect(0);
    r = make(&a, &b, duplex);
    if (r == -ENOMEM) {
        mp__pipes_collect(1);
        r = make(&a, &b, duplex);
    }
    if (r < 0)
        return r;
    *ret_a = &a->conn;
    *ret_b = &b->conn;
    return 0;
}
