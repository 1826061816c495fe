/* SPDX-License-Identifier: MIT */
/* Ends of pipes in the argument of a child.
 *
 * Who starts a process with the handle of an end in its argument means it to
 * have that end. So the argument is looked through, word by word, and the child
 * is entered as a holder of each end that is found, before it exists: were it
 * to enter itself, the end could be gone before it got as far. A word that
 * looks like a handle by chance keeps an end open for as long as the child
 * lives, which a stamp makes unlikely. */
#include "pipe/pipe.h"
#include "region/region.h"

#define ARGUMENT_MOST 65536u /* bytes of an argument that are looked through */

size_t
mp__ends_reach(size_t size)
{
    return size < ARGUMENT_MOST ? size : ARGUMENT_MOST;
}

/* The n-th word, if it is the handle of an end that lives: visited. */
static struct mp__pipe_end *
visit_word(const void *arg, size_t n)
{
    struct mp__pipe_end *end;

    memcpy(&end, (const char *)arg + n * sizeof(end), sizeof(end));
    /* Is it in memory that may be looked at? */
    if (((uintptr_t)end & 63) || !mp__region_contains(end, sizeof(*end)) ||
        mp__object_around(end) != end || !mp__object_ok(end, MP__SLAB_CONN) ||
        end->conn.kind != MP__CONN_PIPE || !mp__pipe_visit(end))
        return NULL;
    return end;
}

/* Does something about each end in the argument; its sum, or an error. */
static int
each_end(const void *arg, size_t size, uint64_t process,
         int (*act)(struct mp__holders *, uint64_t process))
{
    size_t words = mp__ends_reach(size) / sizeof(void *);
    int sum = 0;

    for (size_t n = 0; n < words; n++) {
        struct mp__pipe_end *end = visit_word(arg, n);
        int r = end ? act(&end->holders, process) : 0;

        if (r > 0)
            mp__pipe_news(end);
        if (end)
            mp__pipe_end_visit();
        if (r < 0)
            return r;
        sum += r;
    }
    return sum;
}

static int
remove_one(struct mp__holders *holders, uint64_t process)
{
    mp__holders_remove(holders, process);
    return 0;
}

int
mp__ends_give(const void *arg, size_t size, uint64_t process)
{
    int r = each_end(arg, size, process, mp__holders_add);

    if (r < 0)
        mp__ends_take_back(arg, size, process);
    return r;
}

void
mp__ends_take_back(const void *arg, size_t size, uint64_t process)
{
    each_end(arg, size, process, remove_one);
}

void
mp__ends_arrive(const void *arg, size_t size)
{
    each_end(arg, size, mp__kin.self(), mp__holders_arrived);
}
