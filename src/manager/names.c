/* SPDX-License-Identifier: MIT */
/* Names: a dict {name: [handle, serial, type]}, which any process of the family
 * reads and writes by itself.
 *
 * A name does not keep its object: who destroys that does not come by here. So
 * the object's serial is kept as well, and what has come into its cell since is
 * not taken for it. */
#include "manager/names.h"

#include "codec/handle.h"
#include "manager/object.h"
#include "manager/record.h"

#include <errno.h>
#include <string.h>

static int
check_name(const char *name, const char *function)
{
    if (name == NULL || *name == 0)
        return mp__fail(-EINVAL, "%s: the name is %s", function,
                        name ? "empty" : "NULL");
    return 0;
}

/* ---- At home ---- */

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
    int slab, r = check_name(name, function);

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
    int r = check_name(name, function);

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
    int r = check_name(name, function);
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

/* ---- The public face ---- */

int
mp_manager_publish(mp_manager *manager, const char *name, void *handle)
{
    int r = mp__manager_enter(manager, __func__);

    if (r == 0 && manager->remote) {
        r = check_name(name, __func__);
        return r < 0 ? r
                     : (int)mp__manager_ask(manager, __func__, MP__FAR_PLAIN,
                                            "sh", name, handle);
    }
    return r < 0 ? r : mp__name_publish(manager, name, handle);
}

int
mp_manager_unpublish(mp_manager *manager, const char *name)
{
    int r = mp__manager_enter(manager, __func__);

    if (r == 0 && manager->remote) {
        r = check_name(name, __func__);
        return r < 0 ? r
                     : (int)mp__manager_ask(manager, __func__, MP__FAR_PLAIN,
                                            "s", name);
    }
    return r < 0 ? r : mp__name_unpublish(manager, name);
}

int
mp_manager_lookup(mp_manager *manager, const char *name, const char *type,
                  void *ret_handle)
{
    int r = mp__manager_enter(manager, __func__);

    if (r == 0 && (name == NULL || type == NULL || ret_handle == NULL))
        r = mp__fail(-EINVAL, "mp_manager_lookup: %s is NULL",
                     name == NULL   ? "name"
                     : type == NULL ? "type"
                                    : "ret_handle");
    if (r == 0 && manager->remote)
        return (int)mp__manager_ask(manager, __func__, MP__FAR_PLAIN, "ss > h",
                                    name, type, ret_handle);
    return r < 0 ? r : mp__name_lookup(manager, name, type, ret_handle);
}

int
mp_manager_names(mp_manager *manager, mp_any *ret_names)
{
    mp_any_writer writer = MP_ANY_WRITER;
    int r = mp__manager_enter(manager, __func__);
    mp_any names;

    if (r == 0 && ret_names == NULL)
        r = mp__fail(-EINVAL, "mp_manager_names: ret_names is NULL");
    if (r == 0 && manager->remote)
        return (int)mp__manager_ask(manager, __func__, MP__FAR_PLAIN, " > v",
                                    ret_names);
    if (r == 0)
        r = mp__names(manager, &writer);
    if (r == 0)
        r = mp_any_end(&writer, &names);
    if (r == 0)
        *ret_names = names; /* the writer's memory is the caller's */
    else
        mp_any_discard(&writer);
    return r;
}

int
mp_manager_statistics(mp_manager *manager, mp_any *ret_statistics)
{
    int r = mp__manager_enter(manager, __func__);

    if (r == 0 && ret_statistics == NULL)
        r = mp__fail(-EINVAL, "mp_manager_statistics: ret_statistics is NULL");
    return r < 0 ? r
                 : (int)mp__manager_ask(manager, __func__, MP__FAR_PLAIN,
                                        " > v", ret_statistics);
}
