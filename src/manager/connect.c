/* SPDX-License-Identifier: MIT */
/* Managers of other families: connecting and closing.
 *
 * The manager's cell has the address and the terms, so that every process of
 * the family may connect. The connection is each process's own: link/link.c. */
#include "base/error.h"
#include "link/link.h"
#include "link/proxy.h"
#include "os/mapping.h"
#include "region/heap.h"

#include <errno.h>
#include <string.h>

static int
fill(mp_manager *manager, const char *address, const mp_manager_attr *attr)
{
    int r = mp__manager_terms_new(&manager->terms, address, attr,
                                  "mp_manager_connect");

    if (r < 0)
        return r;
    mp__block_keep(manager->terms);
    manager->remote = 1;
    mp__random(&manager->number, sizeof(manager->number));
    r = mp_dict_create(&manager->proxies);
    if (r == 0)
        mp__object_hide(manager->proxies);
    return r;
}

static void
release(mp_manager *manager)
{
    if (manager->proxies)
        mp_dict_destroy(manager->proxies);
    if (manager->terms)
        mp__block_free(manager->terms);
    mp__object_free(manager, MP__SLAB_MANAGER);
}

/* The first connection, of this process: whose family is it? */
static int
meet(mp_manager *manager)
{
    struct mp__manager_link *link;
    int r;

    link = mp__link_get(manager, "mp_manager_connect", &r);
    if (!link)
        return r;
    pthread_mutex_lock(&link->lock);
    r = mp__link_meet(link, MP_FOREVER);
    if (r == 0)
        memcpy(manager->family, link->welcome.family, sizeof(manager->family));
    pthread_mutex_unlock(&link->lock);
    mp__link_put(link);
    if (r == 0 && memcmp(manager->family, mp__region_uuid(), 16) == 0)
        r = mp__fail(-EINVAL, "mp_manager_connect: it is a manager of this "
                              "family: its objects are here");
    if (r < 0)
        mp__link_close(manager);
    return r;
}

int
mp_manager_connect(mp_manager **ret_manager, const char *address,
                   const mp_manager_attr *attr)
{
    mp_manager *manager;
    int r = mp__enter();

    if (r < 0)
        return r;
    if (!ret_manager || !address)
        return mp__fail(-EINVAL, "mp_manager_connect: %s is NULL",
                        address ? "ret_manager" : "address");
    manager = mp__object_alloc(MP__SLAB_MANAGER, sizeof(*manager));
    if (!manager)
        return mp__fail(-ENOMEM, "mp_manager_connect: no memory");
    r = fill(manager, address, attr);
    if (r < 0) {
        release(manager);
        return r;
    }
    mp__object_publish(manager, MP__SLAB_MANAGER);
    r = meet(manager);
    if (r < 0) {
        mp__object_retire(manager, MP__SLAB_MANAGER);
        release(manager);
        return r;
    }
    *ret_manager = manager;
    return 0;
}

int
mp_manager_close(mp_manager *manager)
{
    int r = manager ? mp__manager_enter(manager, "mp_manager_close") : 0;

    if (r < 0 || !manager)
        return r;
    if (!manager->remote)
        return mp__fail(-EINVAL, "mp_manager_close: the manager is of this "
                                 "family: mp_manager_shutdown() ends it");
    r = mp__object_retire(manager, MP__SLAB_MANAGER);
    if (r < 0)
        return mp__fail_handle("mp_manager_close", manager, "a manager");
    mp__link_close(manager);
    mp__proxies_end(manager);
    release(manager);
    return 0;
}
