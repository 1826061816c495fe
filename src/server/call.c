/* SPDX-License-Identifier: MIT */
/* The operations that can be called from outside, by name, and what they have
 * to do with the call that they are to execute.
 *
 * The table is filled before the server begins, and does not change
 * afterwards. A name may stand there for several classes of objects. */
#include "server/call.h"

#include "codec/format.h"
#include "server/dispatch.h"
#include "registry/record.h"
#include "os/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SLOTS  2048u /* a power of 2: more than twice as many as there are */
#define FORMAT 256u  /* bytes */
#define SECOND 1000000000

static const struct mp__op *table[SLOTS];

/* ---- The table ---- */

static uint32_t
hash(const char *name, size_t size)
{
    uint32_t h = 2166136261u;

    for (size_t i = 0; i < size; i++)
        h = (h ^ (unsigned char)name[i]) * 16777619u;
    return h;
}

static void
enter(const struct mp__op *op)
{
    uint32_t at = hash(op->name, strlen(op->name));

    while (table[at % SLOTS] && table[at % SLOTS] != op)
        at++;
    table[at % SLOTS] = op;
}

void
mp__ops_register(const struct mp__op *ops, size_t n)
{
    for (size_t i = 0; i < n; i++)
        enter(&ops[i]);
}

static const struct mp__op *
search(const char *name, size_t size, int slab)
{
    const struct mp__op *other = NULL;

    for (uint32_t at = hash(name, size); table[at % SLOTS]; at++) {
        const struct mp__op *op = table[at % SLOTS];

        if (strlen(op->name) != size || memcmp(op->name, name, size) != 0)
            continue;
        if (op->slab == slab || op->slab < 0)
            return op;
        other = op;
    }
    return other;
}

/* Calls of one kind come in a row. */
const struct mp__op *
mp__op_find(const char *name, size_t size, int slab)
{
    static const struct mp__op *last;
    static size_t last_size;

    if (last && last_size == size && last->slab == slab &&
        memcmp(last->name, name, size) == 0)
        return last;
    last = search(name, size, slab);
    last_size = size;
    return last;
}

/* ---- For those who serve ---- */

ssize_t
mp__call_wait(const struct mp__call *call, ssize_t r)
{
    return r == -EAGAIN && call->deadline != MP_NOW ? MP__CALL_PARK : r;
}

/* The public function, for the texts of errors. */
static const char *
function_of(const struct mp__call *call)
{
    static const struct mp__op *last;
    static char name[64];

    if (last != call->op)
        snprintf(name, sizeof(name), "mp_%s", call->op->name);
    last = call->op;
    return name;
}

static int
bracket(char list[FORMAT], const char *format)
{
    size_t size = strlen(format);

    if (size > FORMAT - 3)
        return mp__fail(-EINVAL, "mp_manager: too long a format");
    list[0] = '[';
    memcpy(list + 1, format, size);
    memcpy(list + 1 + size, "]", 2);
    return 0;
}

int
mp__call_args(struct mp__call *call, const char *format, ...)
{
    char list[FORMAT];
    va_list args;
    int r = bracket(list, format);

    if (r < 0)
        return r;
    va_start(args, format);
    r = mp__format_parse(function_of(call), call->args, 0, list, args);
    va_end(args);
    return r;
}

int
mp__call_give(struct mp__call *call, const char *format, ...)
{
    char list[FORMAT];
    va_list args;
    int r = bracket(list, format);

    if (r < 0)
        return r;
    va_start(args, format);
    r = mp__format_build(call->outs, function_of(call), list, args);
    va_end(args);
    return r;
}

mp_manager *
mp__call_manager(const struct mp__call *call)
{
    (void)call;
    return mp__served_here.manager;
}

/* What a session has made may have become others' since, in ways that are not
 * followed: so it is counted anew, but not too often. */
static int
may_make(struct mp__session *session)
{
    mp_manager *manager = mp__served_here.manager;
    uint32_t most = manager->terms->max_objects;

    if (session->n_objects < most)
        return 1;
    if (mp__now() - session->counted < SECOND)
        return 0;
    session->counted = mp__now();
    session->n_objects =
        (uint32_t)mp__manager_count_of(manager, session->number);
    return session->n_objects < most;
}

int
mp__call_made(struct mp__call *call, void *object)
{
    struct mp__session *session = call->session;
    int r;

    if (!may_make(session))
        return mp__fail(-EDQUOT,
                        "%s: the client has %u objects that nobody else "
                        "knows: no more can be made for it",
                        function_of(call), session->n_objects);
    r = mp__manager_record(mp__served_here.manager, object, session->number);
    if (r == 0)
        session->n_objects++;
    return r;
}
