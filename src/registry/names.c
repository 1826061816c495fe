/* SPDX-License-Identifier: MIT */
/* Names: a dict {name: [handle, serial, type]}, which any process of the family
 * reads and writes by itself.
 *
 * A name does not keep its object: who destroys that does not come by here. So
 * the object's serial is kept as well, and what has come into its cell since is
 * not taken for it. */
#include "registry/names.h"

#include "codec/handle.h"
#include "registry/instance.h"
#include "registry/record.h"

#include <errno.h>
#include <string.h>

int
mp__name_check(const char *name, const char *function)
{
    if (name == NULL || *name == 0)
        return mp__fail(-EINVAL, "%s: the name is %s", function,
                        name ? "empty" : "NULL");
    return 0;
}

static const char *
type_of(int slab, void *handle)
{
    return slab == MP__SLAB_OBJECT ? mp__object_type(handle)
                                   : mp__handle_class_name(slab);
}

int
mp__name_publish(mp_manager *manager, const char *name, void *handle)
{
    static const char function[] = "mp_manager_publish";
    uint64_t session;
    int slab, r = mp__name_check(name, function);

    if (r < 0)
        return r;
    if (mp__far_slab(handle) >= 0)
        return mp__fail(-EREMOTE,
                        "%s: %p is of another family: it can be "
                        "published by its own manager",
                        function, handle);
    slab = mp__object_slab(handle);
    if (slab < 0 || mp__handle_class_name(slab) == NULL ||
        slab == MP__SLAB_TASK || slab == MP__SLAB_JOB)
        return mp__fail_handle(function, handle,
                               "an object that can have a name");
    if (mp__manager_recorded(manager, handle, &session) && session != 0 &&
        (r = mp__manager_record(manager, handle, 0)) < 0)
        return r;
    return mp_dict_set(manager->names, "s", name, "[h,Q,s]", handle,
                       mp__object_serial(handle), type_of(slab, handle));
}

int
mp__name_unpublish(mp_manager *manager, const char *name)
{
    static const char function[] = "mp_manager_unpublish";
    int r = mp__name_check(name, function);

    if (r == 0)
        r = mp_dict_delete(manager->names, "s", name);
    return r == -ENOENT
               ? mp__fail(r, "%s: nothing has the name '%s'", function, name)
               : r;
}

/* What is written down of a name. */
static int
read_entry(mp_any entry, const char *name, const char *wanted,
           void **ret_handle)
{
    static const char function[] = "mp_manager_lookup";
    const char *type;
    uint64_t serial;
    size_t size;
    mp_any handle;
    int r = mp_any_parse(entry, "[v,Q,S]", &handle, &serial, &type, &size);

    if (r < 0)
        return r;
    if (strlen(wanted) != size || memcmp(wanted, type, size) != 0)
        return mp__fail(-EINVAL, "%s: '%s' is the name of a %.*s, not of a %s",
                        function, name, (int)size, type, wanted);
    r = mp__handle_read(handle, ret_handle, NULL);
    if (r == 0 &&
        mp__load(&((struct mp__object *)*ret_handle)->serial) != serial)
        r = -EBADF;
    return r < 0 ? mp__fail(r, "%s: the %s '%s' has been destroyed", function,
                            wanted, name)
                 : 0;
}

int
mp__name_lookup(mp_manager *manager, const char *name, const char *type,
                void **ret_handle)
{
    static const char function[] = "mp_manager_lookup";
    int r = mp__name_check(name, function);
    mp_any entry;

    if (r == 0 && type == NULL)
        r = mp__fail(-EINVAL, "%s: type is NULL", function);
    if (r == 0)
        r = mp_dict_get(manager->names, "s", name, "v", &entry);
    if (r == -ENOENT)
        mp__fail(r, "%s: nothing has the name '%s'", function, name);
    if (r < 0)
        return r;
    r = read_entry(entry, name, type, ret_handle);
    mp_any_free(entry);
    return r;
}

int
mp__names(mp_manager *manager, mp_any_writer *writer)
{
    mp_any all, name, entry, type;
    mp_any_walker walker;
    int r = mp_dict_items(manager->names, &all);

    if (r < 0)
        return r;
    mp_any_write_dict(writer, (size_t)mp_any_size(all));
    mp_any_walk(all, &walker);
    while (mp_any_next(&walker, &name, &entry) > 0 &&
           mp_any_item(entry, 2, &type) == 0) {
        mp_any_write_value(writer, name);
        r = mp_any_write_value(writer, type);
    }
    mp_any_free(all);
    return r;
}
