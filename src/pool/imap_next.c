/* SPDX-License-Identifier: MIT */
/* The window of an iterator: items that were read and whose results were not
 * given yet, the oldest first.
 *
 * Before a result is waited for, the window is filled. In the order of the
 * items, the next result is that of the oldest. In no order, an inbox tells
 * which has ended. News may come twice, and a little too early (task/inbox.h):
 * so what was told is remembered until it is true, and what is not known is
 * dropped. A handle that has left the middle of the window leaves a hole;
 * numbers of tasks only grow, so they are found by halving.
 *
 * Who waits looks after the pool, as with every other call: the death of a
 * worker is found here, and the end of the pool, which tells nobody. */
#include "pool/imap.h"

#include "base/error.h"
#include "keeper/attend.h"
#include "os/clock.h"
#include "result/hear.h"
#include "result/result.h"

#include <errno.h>
#include <stdio.h>

#define EARLY 1000000 /* ns between looks, after news that came too early */

/* ---- Slots ---- */

static void
close_holes(mp_imap *imap)
{
    size_t n = 0;

    for (size_t i = imap->first; i < imap->last; i++)
        if (imap->slots[i].task)
            imap->slots[n++] = imap->slots[i];
    imap->first = 0;
    imap->last = n;
}

static void
add(mp_imap *imap, mp_task *task)
{
    if (imap->last == 2 * imap->window)
        close_holes(imap);
    imap->slots[imap->last++] = (struct mp__imap_slot){
        .task = task,
        .number = task->number,
        .index = imap->items,
    };
    imap->live++;
}

/* Takes the handle out of its slot. */
static mp_task *
take(mp_imap *imap, struct mp__imap_slot *slot)
{
    mp_task *task = slot->task;

    imap->live--;
    imap->told -= (size_t)slot->told;
    slot->told = 0;
    slot->task = NULL;
    while (imap->first < imap->last && !imap->slots[imap->first].task)
        imap->first++;
    if (imap->first == imap->last)
        imap->first = imap->last = 0;
    return task;
}

/* The slot of that news; NULL: it is none of ours. */
static struct mp__imap_slot *
find(mp_imap *imap, const struct mp__news *news)
{
    size_t low = imap->first, high = imap->last;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (imap->slots[middle].number < news->number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < imap->last && imap->slots[low].task == news->cell &&
                   imap->slots[low].number == news->number
               ? &imap->slots[low]
               : NULL;
}

/* ---- Reading ---- */

static void
stop_reading(mp_imap *imap, int error, const char *text)
{
    imap->over = 1;
    imap->error = error;
    snprintf(imap->text, sizeof(imap->text), "%s", text);
}

static void
read_item(mp_imap *imap)
{
    mp_task *task;
    int r = imap->read(mp__item_place(&imap->order), imap->arg);

    if (r <= 0) {
        stop_reading(imap, r, "mp_imap_next: reading an item failed");
        return;
    }
    if (!mp__imap_has_pool(imap))
        r = mp__fail(-ECANCELED, "mp_imap_next: the pool was destroyed");
    else
        r = mp__task_submit(imap->pool, &imap->order, &task);
    if (r < 0) {
        stop_reading(imap, r, mp_last_error());
        return;
    }
    add(imap, task);
    imap->items++;
}

/* ---- Waiting ---- */

static int
has_ended(const struct mp__imap_slot *slot)
{
    return slot->task &&
           mp__task_has_ended(mp__load_acquire(&slot->task->state));
}

/* One that has ended, of those that were told or of all; NULL: there is
 * none. */
static struct mp__imap_slot *
search(mp_imap *imap, int told)
{
    for (size_t i = imap->first; i < imap->last; i++) {
        struct mp__imap_slot *slot = &imap->slots[i];

        if ((slot->told || !told) && has_ended(slot))
            return slot;
    }
    return NULL;
}

/* Looks at the workers, and at each item once the pool is at its end: then
 * 1. */
static int
look_around(mp_imap *imap)
{
    if (mp__imap_has_pool(imap)) {
        mp__pool_attend(imap->pool);
        if (mp__pool_state(imap->pool) < MP__POOL_TERMINATED)
            return 0;
    }
    for (size_t i = imap->first; i < imap->last; i++)
        if (imap->slots[i].task)
            mp__task_look(imap->slots[i].task);
    return 1;
}

static mp_time
earliest(mp_imap *imap, mp_time deadline)
{
    mp_time until = deadline, next;

    if (imap->told && mp__now() + EARLY < until)
        until = mp__now() + EARLY;
    if (imap->draws) {
        next = mp__bar_show(&imap->bar, 0, imap->given, imap->failed);
        until = next < until ? next : until;
    }
    return until;
}

/* Waits for news. 1: there may be some; else as mp__inbox_get(). */
static int
hear(mp_imap *imap, mp_time deadline)
{
    mp_time until = earliest(imap, deadline);
    struct mp__news news;
    struct mp__imap_slot *slot;
    int r = mp__imap_has_pool(imap)
                ? mp__inbox_get(imap->pool, imap->order.inbox, &news, until)
                : 0;

    if (r == -ETIMEDOUT && until < deadline)
        return 1;
    if (r <= 0)
        return r;
    slot = find(imap, &news);
    if (slot && !slot->told) {
        slot->told = 1;
        imap->told++;
    }
    return 1;
}

/* Whichever ends first. */
static int
await_any(mp_imap *imap, mp_time deadline, struct mp__imap_slot **ret_slot)
{
    int r = hear(imap, MP_NOW);

    while (!(*ret_slot = imap->told ? search(imap, 1) : NULL)) {
        if (r <= 0 && (look_around(imap) || r == 0)) {
            *ret_slot = search(imap, 0); /* some may never be told */
            if (*ret_slot)
                return 0;
        }
        if (r < 0 && (r != -EAGAIN || deadline == MP_NOW))
            return r;
        r = hear(imap, deadline);
    }
    return 0;
}

/* The oldest. */
static int
await_first(mp_imap *imap, mp_time deadline, struct mp__imap_slot **ret_slot)
{
    struct mp__imap_slot *slot = &imap->slots[imap->first];
    int r;

    for (;;) {
        mp_time until = earliest(imap, deadline);

        r = mp_result_wait((mp_result *)slot->task, until);
        if (r != -ETIMEDOUT || until >= deadline)
            break;
    }
    *ret_slot = slot;
    return r;
}

/* ---- Giving ---- */

static int
give(mp_imap *imap, struct mp__imap_slot *slot, void *result,
     size_t *ret_index)
{
    size_t index = slot->index;
    mp_result *handle = (mp_result *)take(imap, slot);
    ssize_t r = mp_result_get(handle, result, imap->out_size, MP_NOW);

    if (ret_index)
        *ret_index = index;
    imap->given++;
    if (r < 0) {
        const char *text = mp_result_error(handle);

        imap->failed++;
        mp__fail((int)r, "mp_imap_next: item %zu failed: %s", index,
                 text ? text : mp_strerror((int)r));
    }
    mp_result_free(handle);
    return r < 0 ? (int)r : 1;
}

/* There is nothing to give any more: 0, or the error, once. */
static int
end(mp_imap *imap)
{
    int error = imap->error;

    if (imap->draws) {
        mp__bar_show(&imap->bar, 0, imap->given, imap->failed);
        mp__bar_end(&imap->bar);
        imap->draws = 0;
    }
    imap->error = 0;
    return error ? mp__fail(error, "%s", imap->text) : 0;
}

int
mp__imap_next(mp_imap *imap, void *result, size_t *ret_index, mp_time deadline)
{
    struct mp__imap_slot *slot;
    int r;

    if (ret_index)
        *ret_index = SIZE_MAX;
    while (!imap->over && imap->live < imap->window)
        read_item(imap);
    if (imap->live == 0)
        return end(imap);
    r = imap->ordered ? await_first(imap, deadline, &slot)
                      : await_any(imap, deadline, &slot);
    return r < 0 ? r : give(imap, slot, result, ret_index);
}
