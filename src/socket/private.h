/* SPDX-License-Identifier: MIT */
/* Objects of one process: their handles are cells of the region, as others'
 * are, but what is behind them its owner alone has. See private.c. */
#pragma once

#include "base/atomic.h"
#include "region/object.h"

#include <poll.h>
#include <sys/types.h>

struct mp__private;

struct mp__private_ops {
    /* Ends the waits for turns. Called under the lock: no calls back. */
    void (*wake)(struct mp__private *half);
    /* Closes the descriptors; in fork's child, whose copy this is. */
    void (*orphan)(struct mp__private *half);
    void (*free)(struct mp__private *half);
};

/* In the cell. */
struct mp__private_cell {
    mp__a64 owner; /* names the process; 0: somebody collects the cell */
    mp__a32 pid;
    uint32_t reserved;
    struct mp__private *half; /* the owner's alone */
};

/* First field of what the owner has. */
struct mp__private {
    const struct mp__private_ops *ops;
    struct mp__private_cell *cell;
    struct mp__private *next, **at; /* in the list of this process */
    mp__a32 uses;                   /* by whom it is not freed meanwhile */
    mp__a32 closed;
};

/* Which objects are meant; and how an object's cell is found, NULL: it is of
 * another kind. */
struct mp__private_class {
    enum mp__slab slab;
    const char *what; /* "a connection" */
    struct mp__private_cell *(*cell)(void *object);
};

/* Makes the object known as the caller's. */
void mp__private_publish(struct mp__private *half,
                         const struct mp__private_ops *ops, void *object,
                         const struct mp__private_class *class);

/* For the beginning of an operation: 0, and it stays until
 * mp__private_unpin(). -EBADF; -ENOTSUP: it is another process's. */
int mp__private_pin(struct mp__private **ret_half, void *object,
                    const struct mp__private_class *class,
                    const char *function);
void mp__private_unpin(struct mp__private *half);

/* Ends the object. Operations under way return -EBADF; the last of them frees
 * what is behind it. */
int mp__private_close(void *object, const struct mp__private_class *class,
                      const char *function);

/* Visits the halves of this process, under the lock, until a result is not 0:
 * that, or 0. */
int mp__private_each(int (*visit)(struct mp__private *half, void *arg),
                     void *arg);

/* Waits until something is to be said of `p`. 0; -EBADF: closed; -EAGAIN,
 * -ETIMEDOUT, -EINTR. */
int mp__private_wait(struct mp__private *half, struct pollfd *p,
                     mp_time deadline);

/* Frees the cells of those whose process has died; now and then, by itself, or
 * at once. */
void mp__private_collect(const struct mp__private_class *class, int now);
