/* SPDX-License-Identifier: MIT */
/* An item of an iterator, as the pool sees it: a task.
 *
 * Its argument is the function, the item and the context, if that is to be
 * copied: a task may outlive the iterator, so there is nothing that the items
 * of one could share. The iterator keeps one such argument and writes each item
 * into it in its turn; submitting copies it. */
#include "pool/imap.h"

#include "base/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ALIGN      16u   /* of the item, and of the context */
#define SMALL_SIZE 1024u /* bytes of a result that the stack has room for */

/* The head of the argument; the item follows, and then the context. */
struct call {
    struct mp__function function;
    void *ctx;
    uint64_t ctx_at; /* offset of the context; 0: it is not copied */
    uint64_t out_size;
} MP__ALIGNED(ALIGN);

/* ---- In the worker ---- */

static int
run(mp_task *task, const struct call *call, mp_map_fn f, void *result)
{
    const char *base = (const char *)call;
    void *ctx =
        call->ctx_at ? (void *)(uintptr_t)(base + call->ctx_at) : call->ctx;
    int r = f(call + 1, call->out_size ? result : NULL, ctx);

    if (r < 0)
        return r;
    return call->out_size ? mp_task_return(task, result, call->out_size) : 0;
}

static int
run_item(mp_task *task)
{
    char small[SMALL_SIZE] MP__ALIGNED(ALIGN);
    const struct call *call = mp_task_arg(task, NULL);
    void *result = small;
    mp__code *code;
    int r = mp__function_import(&call->function, &code, "mp_pool_imap");

    if (r == 0 && call->out_size > sizeof(small)) {
        result = calloc(1, call->out_size);
        if (!result)
            return mp_task_fail(task, "no memory for the result"), -ENOMEM;
    } else if (r == 0) {
        memset(small, 0, call->out_size);
    }
    if (r < 0) {
        mp_task_fail(task, "%s", mp_last_error());
        return r;
    }
    r = run(task, call, (mp_map_fn)code, result);
    if (result != small)
        free(result);
    return r;
}

/* ---- In the process of the iterator ---- */

static size_t
round_up(size_t size)
{
    return (size + ALIGN - 1) / ALIGN * ALIGN;
}

static int
check_sizes(const struct mp__order *order, size_t in_size, size_t out_size,
            size_t ctx_size)
{
    const size_t most = SIZE_MAX / 8;

    if (in_size > most || out_size > most || ctx_size > most)
        return mp__fail(-EINVAL, "%s: items of %zu bytes, results of %zu",
                        order->function, in_size, out_size);
    return 0;
}

static void
set_attr(struct mp__order *order, const mp_map_attr *a)
{
    order->attr = (mp_task_attr){
        .size = sizeof(order->attr),
        .priority = a->priority,
        .retries = a->retries,
        .timeout = a->timeout,
    };
}

int
mp__item_prepare(struct mp__order *order, mp_map_fn f, size_t in_size,
                 size_t out_size, const mp_map_attr *a)
{
    size_t ctx_size = (size_t)a->ctx_size;
    size_t ctx_at = sizeof(struct call) + round_up(in_size);
    struct call *call;
    int r = check_sizes(order, in_size, out_size, ctx_size);

    if (r < 0)
        return r;
    call = calloc(1, ctx_at + ctx_size);
    if (!call)
        return mp__fail(-ENOMEM, "%s: no memory for an item", order->function);
    r = mp__function_export((mp__code *)f, &call->function, order->function);
    if (r < 0) {
        free(call);
        return r;
    }
    call->out_size = out_size;
    call->ctx = (void *)(uintptr_t)a->ctx;
    if (ctx_size) {
        call->ctx_at = ctx_at;
        memcpy((char *)call + ctx_at, a->ctx, ctx_size);
    }
    order->f = run_item;
    order->arg = call;
    order->size = ctx_size ? ctx_at + ctx_size : sizeof(*call) + in_size;
    order->wanted = 1;
    set_attr(order, a);
    return 0;
}

void *
mp__item_place(struct mp__order *order)
{
    return (struct call *)(uintptr_t)order->arg + 1;
}

void
mp__item_forget(struct mp__order *order)
{
    free((void *)(uintptr_t)order->arg);
}
