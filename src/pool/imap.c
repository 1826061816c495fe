/* SPDX-License-Identifier: MIT */
/* Maps over what is read as it goes: making and ending an iterator.
 *
 * The iterator is the calling process's own: it holds the handles of the items
 * that were read and whose results were not given yet. A list of those that
 * there are tells a handle from what is none; in fork's child there are none.
 *
 * With the process that made it an iterator is gone. Its items are tasks like
 * others: they are run, and their results stay, as memory of the family does.
 * To abandon an iterator is no more than that: what has not begun is cancelled,
 * and every handle is given back. Its inbox may still be told of an end, which
 * means nothing to the next reader. */
#include "pool/imap.h"

#include "base/attr.h"
#include "base/error.h"
#include "os/fork.h"
#include "task/inbox.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define WINDOW_EACH 32u      /* items for each worker */
#define WINDOW_MOST 1000000u /* items */

/* ---- The iterators of this process ---- */

static struct {
    pthread_mutex_t lock; /* held across fork */
    mp_imap *first;
} iterators = {.lock = PTHREAD_MUTEX_INITIALIZER};

MP__HELD_ACROSS_FORK(iterators.lock, (void)0);

static void
enlist(mp_imap *imap)
{
    pthread_mutex_lock(&iterators.lock);
    imap->next = iterators.first;
    iterators.first = imap;
    pthread_mutex_unlock(&iterators.lock);
}

/* The link to it; that of the end if it is none of this process's. The lock is
 * held. */
static mp_imap **
link_to(const mp_imap *imap)
{
    mp_imap **link = &iterators.first;

    while (*link && (*link != imap || imap->owner != getpid()))
        link = &(*link)->next;
    return link;
}

/* Whether the handle is one, which `leaves` the list then. */
static int
is_listed(const mp_imap *imap, int leaves)
{
    mp_imap **link;
    int found;

    pthread_mutex_lock(&iterators.lock);
    link = link_to(imap);
    found = *link != NULL;
    if (found && leaves)
        *link = imap->next;
    pthread_mutex_unlock(&iterators.lock);
    return found;
}

/* ---- Making ---- */

static int
check_attr(const mp_map_attr *a, const char *function)
{
    if (a->codes || a->chunk)
        return mp__fail(-EINVAL, "%s: %s is for mp_pool_map()", function,
                        a->codes ? ".codes" : ".chunk");
    if (a->callback || a->error_callback)
        return mp__fail(-EINVAL, "%s: .callback is for mp_pool_map_async()",
                        function);
    if (a->ctx_size && !a->ctx)
        return mp__fail(-EINVAL, "%s: .ctx is NULL, .ctx_size is not 0",
                        function);
    if (a->timeout != a->timeout)
        return mp__fail(-EINVAL, "%s: .timeout is not a number", function);
    if (a->window > WINDOW_MOST)
        return mp__fail(-EINVAL, "%s: .window is %llu (may be up to %u)",
                        function, (unsigned long long)a->window, WINDOW_MOST);
    return 0;
}

static int
check(mp_pool *pool, mp_map_fn f, mp_item_fn next, const mp_map_attr *a,
      const char *function)
{
    int r = mp__object_enter(pool, MP__SLAB_POOL, function, "a pool");

    if (r < 0)
        return r;
    if (!f || !next)
        return mp__fail(-EINVAL, "%s: %s is NULL", function,
                        f ? "next" : "the function");
    r = check_attr(a, function);
    return r < 0 ? r : mp__pool_refusal(pool, function);
}

/* Twice the window, so that holes are closed only now and then. */
static mp_imap *
new_imap(mp_pool *pool, const mp_map_attr *a)
{
    size_t window =
        a->window ? (size_t)a->window : WINDOW_EACH * mp__load(&pool->wanted);
    mp_imap *imap =
        calloc(1, sizeof(*imap) + 2 * window * sizeof(imap->slots[0]));

    if (!imap)
        return NULL;
    imap->owner = getpid();
    imap->pool = pool;
    imap->pool_id = pool->id;
    imap->window = window;
    return imap;
}

static int
prepare(mp_imap *imap, mp_map_fn f, size_t in_size, const mp_map_attr *a)
{
    int r = mp__item_prepare(&imap->order, f, in_size, imap->out_size, a);

    if (r < 0 || imap->ordered)
        return r;
    imap->order.inbox = mp__inbox_take(imap->pool);
    if (imap->order.inbox)
        return 0;
    mp__item_forget(&imap->order);
    return mp__fail(-ENOMEM, "%s: no memory for an inbox",
                    imap->order.function);
}

/* The iterator is to have what is filled in of `like`. */
static int
make(const mp_imap *like, mp_map_fn f, size_t in_size, const mp_map_attr *attr,
     mp_imap **ret_imap)
{
    const char *function = like->order.function;
    mp_map_attr a;
    mp_imap *imap;
    int r = mp__attr_read(&a, sizeof(a), attr, 0, function);

    if (r == 0 && !ret_imap)
        return mp__fail(-EINVAL, "%s: ret_imap is NULL", function);
    if (r == 0)
        r = check(like->pool, f, like->read, &a, function);
    if (r < 0)
        return r;
    imap = new_imap(like->pool, &a);
    if (!imap)
        return mp__fail(-ENOMEM, "%s: no memory", function);
    imap->read = like->read;
    imap->arg = like->arg;
    imap->out_size = like->out_size;
    imap->ordered = like->ordered;
    imap->order.function = function;
    r = prepare(imap, f, in_size, &a);
    if (r < 0) {
        free(imap);
        return r;
    }
    imap->draws = a.progress != NULL;
    if (imap->draws)
        mp__bar_begin(&imap->bar, a.progress, 0);
    enlist(imap);
    *ret_imap = imap;
    return 0;
}

int
mp_pool_imap(mp_pool *pool, mp_map_fn f, mp_item_fn next, void *arg,
             size_t in_size, size_t out_size, const mp_map_attr *attr,
             mp_imap **ret_imap)
{
    const mp_imap like = {
        .pool = pool,
        .read = next,
        .arg = arg,
        .out_size = out_size,
        .ordered = 1,
        .order = {.function = "mp_pool_imap"},
    };

    return make(&like, f, in_size, attr, ret_imap);
}

int
mp_pool_imap_unordered(mp_pool *pool, mp_map_fn f, mp_item_fn next, void *arg,
                       size_t in_size, size_t out_size,
                       const mp_map_attr *attr, mp_imap **ret_imap)
{
    const mp_imap like = {
        .pool = pool,
        .read = next,
        .arg = arg,
        .out_size = out_size,
        .order = {.function = "mp_pool_imap_unordered"},
    };

    return make(&like, f, in_size, attr, ret_imap);
}

/* ---- Using and ending ---- */

int
mp_imap_next(mp_imap *imap, void *result, size_t *ret_index, mp_time deadline)
{
    int r = mp__enter();

    if (r < 0)
        return r;
    if (!is_listed(imap, 0))
        return mp__fail_handle("mp_imap_next", imap, "an iterator");
    if (!result && imap->out_size)
        return mp__fail(-EINVAL,
                        "mp_imap_next: result is NULL, results have %zu bytes",
                        imap->out_size);
    return mp__imap_next(imap, result, ret_index, deadline);
}

/* The item does not begin, if it has not. */
static void
abandon(mp_task *task)
{
    uint32_t seen;

    do
        seen = mp__load(&task->state);
    while (mp__task_phase(seen) == MP__TASK_QUEUED &&
           !mp__task_step(task, seen, MP__TASK_CANCELLED));
    if (mp__task_phase(seen) == MP__TASK_QUEUED &&
        mp__pool_is(task->pool, task->pool_id))
        mp__add(&task->pool->cancelled, 1);
    mp_result_free((mp_result *)task);
}

int
mp_imap_free(mp_imap *imap)
{
    int r = imap ? mp__enter() : 0;

    if (!imap || r < 0)
        return r;
    if (!is_listed(imap, 1))
        return mp__fail_handle("mp_imap_free", imap, "an iterator");
    for (size_t i = imap->first; i < imap->last; i++)
        if (imap->slots[i].task)
            abandon(imap->slots[i].task);
    if (imap->order.inbox && mp__imap_has_pool(imap))
        mp__inbox_give(imap->pool, imap->order.inbox);
    if (imap->draws)
        mp__bar_end(&imap->bar);
    mp__item_forget(&imap->order);
    free(imap);
    return 0;
}
