/* SPDX-License-Identifier: MIT */
/* Lists of things that are in them by a link of their own. */
#pragma once

#include "base/macros.h"

struct mp__chain {
    struct mp__chain *next, *prev;
};

/* An empty list, or a link that is in none. */
static inline void
mp__chain_init(struct mp__chain *chain)
{
    chain->next = chain->prev = chain;
}

static inline int
mp__chain_is_empty(const struct mp__chain *chain)
{
    return chain->next == chain;
}

static inline void
mp__chain_append(struct mp__chain *chain, struct mp__chain *link)
{
    link->prev = chain->prev;
    link->next = chain;
    chain->prev->next = link;
    chain->prev = link;
}

/* Out of the list that it is in, if any. */
static inline void
mp__chain_remove(struct mp__chain *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    mp__chain_init(link);
}

/* All that are in `from` go to the end of `to`. */
static inline void
mp__chain_move(struct mp__chain *to, struct mp__chain *from)
{
    if (mp__chain_is_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    mp__chain_init(from);
}

/* The first, taken out; NULL: it is empty. */
static inline struct mp__chain *
mp__chain_pop(struct mp__chain *chain)
{
    struct mp__chain *first = chain->next;

    if (first == chain)
        return NULL;
    mp__chain_remove(first);
    return first;
}
