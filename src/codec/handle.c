/* SPDX-License-Identifier: MIT */
/* Handles as values.
 *
 * What comes in may be forged: an address is believed only if it is the
 * beginning of a cell of its class with a live stamp. Handles of another
 * family are looked for by the room that talks to it (region/far.h). */
#include "codec/handle.h"

#include "base/error.h"
#include "region/region.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

static const struct {
    int slab;
    const char *name;
} classes[] = {
    {MP__SLAB_LIST, "list"},
    {MP__SLAB_DICT, "dict"},
    {MP__SLAB_SET, "set"},
    {MP__SLAB_NAMESPACE, "namespace"},
    {MP__SLAB_VALUE, "value"},
    {MP__SLAB_ARRAY, "array"},
    {MP__SLAB_LOCK, "lock"},
    {MP__SLAB_RLOCK, "rlock"},
    {MP__SLAB_SEMAPHORE, "semaphore"},
    {MP__SLAB_EVENT, "event"},
    {MP__SLAB_CONDITION, "condition"},
    {MP__SLAB_BARRIER, "barrier"},
    {MP__SLAB_QUEUE, "queue"},
    {MP__SLAB_POOL, "pool"},
    {MP__SLAB_OBJECT, "object"},
    {MP__SLAB_TASK, "result"},
    {MP__SLAB_JOB, "result"}, /* of a map */
};

const char *
mp__handle_class_name(int slab)
{
    for (size_t i = 0; i < MP__LENGTH(classes); i++)
        if (classes[i].slab == slab)
            return classes[i].name;
    return NULL;
}

int
mp__handle_class_of(const char *name)
{
    for (size_t i = 0; i < MP__LENGTH(classes); i++)
        if (strcmp(classes[i].name, name) == 0)
            return classes[i].slab;
    return -1;
}

/* ---- Objects ---- */

/* What the handle is of: 0; -EBADF: no live object that can be a value. */
static int
describe(const void *handle, struct mp__handle *ret_handle)
{
    struct mp__handle h = {.slab = mp__far_slab(handle)};

    if (h.slab >= 0 && mp__far) {
        mp__far->name(handle, h.uuid, &h.id);
    } else {
        h.slab = mp__object_slab(handle);
        h.id = (uintptr_t)handle;
        if (h.slab < 0 || mp__object_is_hidden(handle))
            return -EBADF;
        memcpy(h.uuid, mp__region_uuid(), sizeof(h.uuid));
    }
    if (mp__handle_class_name(h.slab) == NULL)
        return -EBADF;
    *ret_handle = h;
    return 0;
}

int
mp__handle_is_here(const struct mp__handle *handle)
{
    return mp__view.base &&
           memcmp(handle->uuid, mp__region_uuid(), sizeof(handle->uuid)) == 0;
}

/* The object itself, or what stands for it here: 0; -EBADF: it has been
 * destroyed; -ENOTCONN, ...: there is no way to it. */
static int
find(const struct mp__handle *handle, void **ret_handle)
{
    void *p = (void *)(uintptr_t)handle->id;
    int r = -ENOTCONN;

    if (mp__handle_is_here(handle)) {
        if (mp__object_slab(p) != handle->slab || mp__object_around(p) != p ||
            mp__object_is_hidden(p))
            return mp__fail(-EBADF, "the %s has been destroyed",
                            mp__handle_class_name(handle->slab));
    } else {
        p = mp__far ? mp__far->find(handle->uuid, handle->slab, handle->id, &r)
                    : NULL;
        if (p == NULL)
            return mp__far ? r
                           : mp__fail(r, "the %s is one of another family",
                                      mp__handle_class_name(handle->slab));
    }
    *ret_handle = p;
    return 0;
}

/* ---- Values ---- */

int
mp__handle_look_token(const struct mp__token *token,
                      struct mp__handle *ret_handle)
{
    struct mp__handle h;

    if (token->type != MP_ANY_EXT || token->extra != MP__HANDLE_TYPE ||
        token->size != 1 + sizeof(h.uuid) + sizeof(h.id))
        return 0;
    h.slab = token->body[0];
    memcpy(h.uuid, token->body + 1, sizeof(h.uuid));
    memcpy(&h.id, token->body + 1 + sizeof(h.uuid), sizeof(h.id));
    h.id = be64toh(h.id);
    if (mp__handle_class_name(h.slab) == NULL)
        return 0;
    *ret_handle = h;
    return 1;
}

int
mp__handle_look(mp_any any, struct mp__handle *ret_handle)
{
    struct mp__token token;

    return mp__token_read(any, &token) == 0 &&
           mp__handle_look_token(&token, ret_handle);
}

void
mp__handles_find(mp_any any)
{
    const unsigned char *p = any.data, *end = p + any.size;
    struct mp__handle h;
    struct mp__token token;
    void *handle;

    for (; p < end; p += token.length) {
        if (mp__token_read((mp_any){p, (size_t)(end - p)}, &token) < 0)
            return;
        if (mp__handle_look_token(&token, &h))
            find(&h, &handle);
    }
}

int
mp__handle_write(mp_any_writer *writer, const void *handle)
{
    unsigned char bytes[MP__HANDLE_SIZE] = {0xc7, sizeof(bytes) - 3,
                                            MP__HANDLE_TYPE};
    struct mp__handle h;
    uint64_t id;

    if (handle == NULL)
        return mp_any_write_nil(writer);
    if (describe(handle, &h) < 0)
        return mp__fail(-EBADF, "%p is no live object that can be in a value",
                        handle);
    id = htobe64(h.id);
    bytes[3] = (unsigned char)h.slab;
    memcpy(bytes + 4, h.uuid, sizeof(h.uuid));
    memcpy(bytes + 4 + sizeof(h.uuid), &id, sizeof(id));
    return mp_any_write_value(writer, (mp_any){bytes, sizeof(bytes)});
}

int
mp__handle_read(mp_any any, void **ret_handle, int *ret_slab)
{
    struct mp__handle h;
    int r;

    if (!mp__handle_look(any, &h))
        return -EINVAL;
    r = find(&h, ret_handle);
    if (r == 0 && ret_slab)
        *ret_slab = h.slab;
    return r;
}
