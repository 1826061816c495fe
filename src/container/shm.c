/* SPDX-License-Identifier: MIT */
/* Named segments.
 *
 * A segment is a file in /dev/shm (os/shared_file.c), as shm_open() makes them,
 * so that whoever speaks POSIX opens it. There is nothing in it but the user's
 * bytes, and nothing of it in the family's region.
 *
 * A handle is process-local: it stands for a mapping. Handles are kept in
 * tables of this process, which are never given back, so that a handle that was
 * closed, or is none, can be told: its stamp is not that of its address. The
 * stamp is also what two threads agree by which of them closes it. There is no
 * lock, and so nothing that fork could copy in a wrong moment. */
#include "base/atomic.h"
#include "base/attr.h"
#include "base/error.h"
#include "base/macros.h"
#include "os/mapping.h"
#include "os/shared_file.h"

#include <errno.h>
#include <mproc/shm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME_MOST  253 /* what every C library's shm_open() takes */
#define TABLE_SIZE 64

/* Stamps of handles that are not open. */
enum {
    UNUSED = 0,
    BUSY = 1, /* being opened or closed */
};

struct mp_shm {
    mp__a64 stamp;
    void *data;
    size_t size;
    char name[NAME_MOST + 1];
};

struct table {
    struct table *next;
    mp_shm handles[TABLE_SIZE];
};

static _Atomic(struct table *) tables;
static mp__a32 turn; /* where to look first: a handle is reused late */

/* ---- Handles ---- */

static uint64_t
stamp_of(const mp_shm *shm)
{
    return (uintptr_t)shm ^ 0x6d705f73686d0000u;
}

static mp_shm *
find_unused(struct table *table)
{
    uint32_t from = mp__load_relaxed(&turn);

    for (uint32_t i = 0; i < TABLE_SIZE; i++) {
        mp_shm *shm = &table->handles[(from + i) % TABLE_SIZE];
        uint64_t stamp = UNUSED;

        if (mp__cas(&shm->stamp, &stamp, BUSY)) {
            mp__store_relaxed(&turn, from + i + 1);
            return shm;
        }
    }
    return NULL;
}

static mp_shm *
take_handle(void)
{
    struct table *table;
    mp_shm *shm;

    for (table = mp__load_acquire(&tables); table; table = table->next) {
        shm = find_unused(table);
        if (shm)
            return shm;
    }
    table = calloc(1, sizeof(*table));
    if (table == NULL)
        return NULL;
    shm = find_unused(table);
    table->next = mp__load(&tables);
    while (!mp__cas(&tables, &table->next, table))
        ;
    return shm;
}

static int
is_open(const mp_shm *shm)
{
    struct table *table = mp__load_acquire(&tables);

    for (; table; table = table->next) {
        size_t at = (size_t)((const char *)shm - (char *)table->handles);

        if (at < sizeof(table->handles))
            return at % sizeof(*shm) == 0 &&
                   mp__load_acquire(&shm->stamp) == stamp_of(shm);
    }
    return 0;
}

static int
check(const mp_shm *shm, const char *function)
{
    if (MP__LIKELY(is_open(shm)))
        return 0;
    if (shm == NULL)
        return mp__fail_handle(function, shm, "a segment");
    return mp__fail(-EBADF,
                    "%s: %p is not a segment that is open in this "
                    "process",
                    function, (const void *)shm);
}

/* ---- Names ---- */

/* Skips the slash that POSIX wants in front. */
static int
read_name(const char **name, const char *function)
{
    const char *given = *name;

    if (given == NULL)
        return mp__fail(-EINVAL, "%s: name is NULL", function);
    if (**name == '/')
        ++*name;
    if (strchr(*name, '/'))
        return mp__fail(-EINVAL,
                        "%s: \"%.64s\" has a slash; the name of a segment may "
                        "have one in front only",
                        function, given);
    if (strlen(*name) > NAME_MOST)
        return mp__fail(-EINVAL, "%s: a name of %zu bytes is too long, by %zu",
                        function, strlen(*name), strlen(*name) - NAME_MOST);
    if (**name == 0 || strcmp(*name, ".") == 0 || strcmp(*name, "..") == 0)
        return mp__fail(-EINVAL, "%s: \"%s\" is no name for a segment",
                        function, given);
    return 0;
}

static int
explain(int r, const char *function, const char *name, size_t size)
{
    switch (r) {
    case -EEXIST:
        return mp__fail(r, "%s: there is a segment \"%s\" already", function,
                        name);
    case -ENOENT:
        return mp__fail(r, "%s: there is no segment \"%s\"", function, name);
    case -EINVAL:
        return mp__fail(r, "%s: \"%s\" in /dev/shm is no segment", function,
                        name);
    case -ENOMEM:
        return mp__fail(r,
                        "%s: out of memory: the system, or /dev/shm, or a "
                        "limit of this process has no room for %zu bytes",
                        function, size);
    case -EPERM: /* of a folder like /dev/shm, for names of other users */
    case -EACCES:
        return mp__fail(-EACCES,
                        "%s: no right to \"%s\": it is another user's, or "
                        "its mode says no",
                        function, name);
    default:
        return mp__fail(r, "%s: /dev/shm/%s: %s", function, name,
                        mp_strerror(r));
    }
}

/* ---- Making and opening ---- */

static int
publish(struct mp__shared_file *file, const char *name, char made_up[])
{
    uint64_t random;
    int r;

    if (name)
        return mp__shared_file_publish(file, name);
    do {
        mp__random(&random, sizeof(random));
        snprintf(made_up, NAME_MOST, "mp_%016llx", (unsigned long long)random);
        r = mp__shared_file_publish(file, made_up);
    } while (r == -EEXIST);
    return r;
}

static int
make(mp_shm *shm, const char *name, uint32_t mode)
{
    struct mp__shared_file file;
    int r = mp__shared_file_make(&file, mode ? mode : 0600);

    if (r < 0)
        return r;
    r = mp__shared_file_commit(file.fd, shm->size);
    if (r == 0)
        r = mp__shared_file_map(file.fd, shm->size, 0, &shm->data);
    if (r == 0) {
        r = publish(&file, name, shm->name);
        if (r < 0)
            mp__shared_file_unmap(shm->data, shm->size);
    }
    mp__shared_file_close(&file);
    return r;
}

static int
open_made(mp_shm *shm, const char *name, int readonly)
{
    int r = 0, fd = mp__shared_file_open(name, readonly, &shm->size);

    if (fd < 0)
        return fd;
    if (shm->size == 0) /* half made, by who does it in two steps */
        r = -ENOENT;
    else if (!readonly)
        r = mp__shared_file_commit(fd, shm->size);
    if (r == 0)
        r = mp__shared_file_map(fd, shm->size, readonly, &shm->data);
    close(fd);
    return r;
}

/* A handle that `made` tells the outcome of. */
static int
settle(mp_shm *shm, int made, const char *function, mp_shm **ret_shm)
{
    if (made < 0) {
        made = explain(made, function, shm->name, shm->size);
        mp__store_release(&shm->stamp, UNUSED);
        return made;
    }
    /* release: who finds the stamp finds the rest */
    mp__store_release(&shm->stamp, stamp_of(shm));
    *ret_shm = shm;
    return 0;
}

static int
begin(mp_shm **shm, const char *name, size_t size, const char *function)
{
    *shm = take_handle();
    if (*shm == NULL)
        return mp__fail(-ENOMEM, "%s: out of memory", function);
    snprintf((*shm)->name, sizeof((*shm)->name), "%s", name ? name : "");
    (*shm)->size = size;
    return 0;
}

int
mp_shm_create(mp_shm **ret_shm, const char *name, size_t size,
              const mp_shm_attr *attr)
{
    mp_shm_attr a;
    mp_shm *shm;
    int r;

    r = mp__attr_read(&a, sizeof(a), attr, 0, "mp_shm_create");
    if (r < 0)
        return r;
    if (ret_shm == NULL || size == 0)
        return mp__fail(-EINVAL, "mp_shm_create: %s",
                        size ? "ret_shm is NULL" : "size is 0");
    if (a.readonly || (a.mode & ~0777u))
        return mp__fail(-EINVAL, "mp_shm_create: %s",
                        a.readonly ? "readonly is for mp_shm_open()"
                                   : "mode has more than permissions");
    r = name ? read_name(&name, "mp_shm_create") : 0;
    if (r == 0)
        r = begin(&shm, name, size, "mp_shm_create");
    if (r < 0)
        return r;
    return settle(shm, make(shm, name, a.mode), "mp_shm_create", ret_shm);
}

int
mp_shm_open(mp_shm **ret_shm, const char *name, const mp_shm_attr *attr)
{
    mp_shm_attr a;
    mp_shm *shm;
    int r;

    r = mp__attr_read(&a, sizeof(a), attr, 0, "mp_shm_open");
    if (r < 0)
        return r;
    if (ret_shm == NULL)
        return mp__fail(-EINVAL, "mp_shm_open: ret_shm is NULL");
    if (a.mode)
        return mp__fail(-EINVAL, "mp_shm_open: mode is for mp_shm_create()");
    r = read_name(&name, "mp_shm_open");
    if (r == 0)
        r = begin(&shm, name, 0, "mp_shm_open");
    if (r < 0)
        return r;
    r = open_made(shm, name, a.readonly != 0);
    return settle(shm, r, "mp_shm_open", ret_shm);
}

/* ---- Whatever else ---- */

void *
mp_shm_data(mp_shm *shm)
{
    return check(shm, "mp_shm_data") < 0 ? NULL : shm->data;
}

size_t
mp_shm_size(mp_shm *shm)
{
    return check(shm, "mp_shm_size") < 0 ? 0 : shm->size;
}

const char *
mp_shm_name(mp_shm *shm)
{
    return check(shm, "mp_shm_name") < 0 ? NULL : shm->name;
}

int
mp_shm_close(mp_shm *shm)
{
    uint64_t stamp = stamp_of(shm);
    int r = shm ? check(shm, "mp_shm_close") : 0;

    if (shm == NULL || r < 0)
        return r;
    /* Of two that close it at once, one has. */
    if (!mp__cas(&shm->stamp, &stamp, BUSY))
        return check(shm, "mp_shm_close");
    mp__shared_file_unmap(shm->data, shm->size);
    mp__store_release(&shm->stamp, UNUSED);
    return 0;
}

int
mp_shm_unlink(const char *name)
{
    int r = read_name(&name, "mp_shm_unlink");

    if (r < 0)
        return r;
    r = mp__shared_file_unlink(name);
    return r < 0 ? explain(r, "mp_shm_unlink", name, 0) : 0;
}
