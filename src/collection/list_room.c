/* SPDX-License-Identifier: MIT */
/* Room in a list.
 *
 * The vector grows by half, and goes back for a smaller one when the list has
 * shrunk to a quarter of it: when it does so, not while it is small, lest it
 * take away the room that somebody has made for what he is about to bring.
 * Room and new values are made with the mutex released, so both are looked at
 * again when it is held. */
#include "collection/list.h"

#include <errno.h>

#define FIRST 16u /* words */

int
mp__list_spare(mp_list *list, size_t len)
{
    return mp__collection_spare(&list->c, len * sizeof(uint64_t));
}

int
mp__list_has_spare(const mp_list *list, size_t len)
{
    return list->c.spare && list->c.spare_size >= len * sizeof(uint64_t);
}

/* The spare becomes the vector. */
static void
move(mp_list *list)
{
    size_t len = mp__list_len(list);

    mp__list_replace(list, len, len, NULL);
}

static int
has_room(const mp_list *list, size_t more)
{
    return mp__list_len(list) + more <= mp__list_capacity(list);
}

/* Makes room for `more` words. */
static int
prepare(mp_list *list, size_t more)
{
    int r = 0;

    mp__collection_lock(&list->c);
    while (r == 0 && !has_room(list, more)) {
        size_t size = mp__list_len(list) + more;

        size = size > FIRST ? size + size / 2 : FIRST;
        r = mp__list_spare(list, size);
        if (r == 0 && !has_room(list, more) &&
            mp__list_has_spare(list, mp__list_len(list) + more))
            move(list);
    }
    mp__collection_leave(&list->c);
    return r;
}

int
mp__list_enter_with(mp_list *list, struct mp__incoming *in, size_t more)
{
    int r = has_room(list, more) ? 0 : prepare(list, more);

    while (r == 0) {
        r = mp__incoming_make(in, &list->c.mutex);
        if (r < 0)
            break;
        if (mp__collection_lock_in_hand(&list->c)) {
            if (MP__LIKELY(has_room(list, more)))
                return 0;
            mp__mutex_unlock(&list->c.mutex);
        }
        /* Somebody has been faster, or has died. */
        mp__incoming_drop(in);
        r = prepare(list, more);
    }
    return r;
}

void
mp__list_leave_with(mp_list *list, struct mp__incoming *in, int done)
{
    mp__collection_unlock(&list->c);
    if (!done)
        mp__incoming_drop(in);
}

static int
is_sparse(const mp_list *list)
{
    return mp__list_capacity(list) > FIRST &&
           mp__list_len(list) <= mp__list_capacity(list) / 4;
}

void
mp__list_leave_smaller(mp_list *list, size_t before)
{
    size_t size = 2 * mp__list_len(list);

    if (MP__LIKELY(!is_sparse(list) ||
                   before <= mp__list_capacity(list) / 4)) {
        mp__collection_unlock(&list->c);
        return;
    }
    /* No memory: it stays as it is. */
    if (mp__list_spare(list, size > FIRST ? size : FIRST) == 0 &&
        is_sparse(list) && mp__list_has_spare(list, mp__list_len(list)))
        move(list);
    mp__collection_leave(&list->c);
}
