/* SPDX-License-Identifier: MIT */
/* Names, for programs: of a manager that is here each process looks for itself;
 * another one's server is asked. */
#include "registry/names.h"

#include "link/ask.h"

#include <errno.h>

int
mp_manager_publish(mp_manager *manager, const char *name, void *handle)
{
    int r = mp__manager_enter(manager, __func__);

    if (r == 0 && manager->remote) {
        r = mp__name_check(name, __func__);
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
        r = mp__name_check(name, __func__);
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
