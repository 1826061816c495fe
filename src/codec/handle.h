/* SPDX-License-Identifier: MIT */
/* Handles as values: MessagePack's ext of type 1, and 25 bytes in it: the
 * class (enum mp__slab), the uuid of the family whose object it is, and the
 * address there, the highest byte first. Handles of the same object are the
 * same bytes, wherever they were written. */
#pragma once

#include "codec/token.h"
#include "region/object.h"

#define MP__HANDLE_TYPE 1   /* of ext */
#define MP__HANDLE_SIZE 28u /* bytes, with the ext's head */

struct mp__handle {
    int slab;
    unsigned char uuid[16];
    uint64_t id; /* the address at home */
};

/* "list", ...: of a class whose objects can be values; NULL: of others. */
const char *mp__handle_class_name(int slab);
/* The other way; -1: there is no such class. */
int mp__handle_class_of(const char *name);

/* Whether the value is a handle, and what it says: 1; 0. */
int mp__handle_look(mp_any any, struct mp__handle *ret_handle);
int mp__handle_look_token(const struct mp__token *token,
                          struct mp__handle *ret_handle);

/* Whether the object is one of this family. */
int mp__handle_is_here(const struct mp__handle *handle);

/* Finds all handles that a value, which was checked, has inside; those that
 * cannot be found are passed over. To be called without a mutex: what is found
 * once can be found again with one held. */
void mp__handles_find(mp_any any);

/* In one: into a writer, NULL as nil (0; -EBADF; the writer's error); out of a
 * value (-EINVAL: it is no handle, too). `ret_slab` may be NULL. */
int mp__handle_write(mp_any_writer *writer, const void *handle);
int mp__handle_read(mp_any any, void **ret_handle, int *ret_slab);
