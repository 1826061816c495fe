/* SPDX-License-Identifier: MIT */
/* Handles of objects of other families.
 *
 * Such a handle is a cell that names the object: its class, its family, its
 * address there, and the manager by which it is reached. A family has one for
 * each object, whoever asks: `proxies` of the manager has them, a dict in the
 * family's own memory. What a process that is killed leaves here is a cell that
 * nobody knows, at the most.
 *
 * A value may be taken apart where it lies, with the mutex of a list or queue
 * held, under which nothing can be made nor a dict be asked: then the handles
 * are looked through, and one that does not exist cannot be had (-EAGAIN). */
#include "link/proxy.h"

#include "base/error.h"
#include "codec/handle.h"
#include "link/link.h"
#include "os/robust.h"
#include "report/describe.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define KEY 25u /* bytes: class, family, address */

static void
write_key(unsigned char key[KEY], const unsigned char family[16], int slab,
          uint64_t address)
{
    key[0] = (unsigned char)slab;
    memcpy(key + 1, family, 16);
    memcpy(key + 17, &address, sizeof(address));
}

static int
is_alive(const struct mp__far_handle *far)
{
    return mp__object_ok(far->manager, MP__SLAB_MANAGER) &&
           far->manager->number == far->number;
}

/* ---- One handle for each object ---- */

static struct mp__far_handle *
make(mp_manager *manager, const unsigned char family[16], int slab,
     uint64_t address)
{
    struct mp__far_handle *far =
        mp__object_alloc(MP__SLAB_FAR, sizeof(struct mp__far_handle));

    if (!far)
        return NULL;
    mp__store_relaxed(&far->cell.slab, (uint32_t)slab);
    far->manager = manager;
    far->number = manager->number;
    far->address = address;
    memcpy(far->family, family, sizeof(far->family));
    mp__object_publish(far, MP__SLAB_FAR);
    return far;
}

static void
end(struct mp__far_handle *far)
{
    if (mp__object_retire(far, MP__SLAB_FAR) == 0)
        mp__object_free(far, MP__SLAB_FAR);
}

static struct mp__far_handle *
known(mp_manager *manager, const unsigned char key[KEY])
{
    uint64_t handle;
    int r = mp_dict_get(manager->proxies, "y", key, (size_t)KEY, "Q", &handle);

    if (r < 0 || !mp__object_ok((void *)(uintptr_t)handle, MP__SLAB_FAR))
        return NULL;
    return (void *)(uintptr_t)handle;
}

struct mp__far_handle *
mp__proxy_get(mp_manager *manager, const unsigned char family[16], int slab,
              uint64_t address, int *ret_error)
{
    struct mp__far_handle *far, *first;
    unsigned char key[KEY];
    int r;

    write_key(key, family, slab, address);
    far = known(manager, key);
    if (far)
        return far;
    far = make(manager, family, slab, address);
    if (!far) {
        *ret_error = -ENOMEM;
        return NULL;
    }
    r = mp_dict_setdefault(manager->proxies, "y", key, (size_t)KEY, "Q",
                           (uint64_t)(uintptr_t)far);
    if (r == 1)
        return far;
    first = r == 0 ? known(manager, key) : NULL;
    if (first || r < 0) {
        end(far);
        *ret_error = r;
        return first;
    }
    /* What is in there has ended, or its maker has not got that far. */
    r = mp_dict_set(manager->proxies, "y", key, (size_t)KEY, "Q",
                    (uint64_t)(uintptr_t)far);
    if (r < 0) {
        end(far);
        far = NULL;
        *ret_error = r;
    }
    return far;
}

static void
forget(struct mp__far_handle *far)
{
    unsigned char key[KEY];

    write_key(key, far->family, (int)mp__load_relaxed(&far->cell.slab),
              far->address);
    if (is_alive(far))
        mp_dict_delete(far->manager->proxies, "y", key, (size_t)KEY);
    end(far);
}

static void
end_of(void *object, void *arg)
{
    struct mp__far_handle *far = object;
    const mp_manager *manager = arg;

    if (far->manager == manager && far->number == manager->number)
        end(far);
}

void
mp__proxies_end(mp_manager *manager)
{
    mp__object_each(MP__SLAB_FAR, end_of, manager);
}

int
mp_manager_forget(mp_manager *manager, void *handle)
{
    struct mp__far_handle *far = handle;
    int r = mp__manager_enter(manager, "mp_manager_forget");

    if (r < 0)
        return r;
    if (!mp__object_ok(far, MP__SLAB_FAR) || far->manager != manager)
        return mp__fail(-EBADF,
                        "mp_manager_forget: %p is no remote handle of that "
                        "manager",
                        handle);
    forget(far);
    return 0;
}

/* ---- What region/far.h wants ---- */

/* Functions after which the object is no more. */
static int
ends_object(const char *function)
{
    static const char suffix[] = "_destroy";
    size_t n = strlen(function), size = sizeof(suffix) - 1;

    return (n > size && strcmp(function + n - size, suffix) == 0) ||
           strcmp(function, "mp_result_free") == 0;
}

static ssize_t
call(struct mp__far_handle *far, const char *function, mp_time deadline,
     const char *format, va_list args)
{
    struct mp__far_handle copy = *far;
    struct mp__target target = {
        .slab = (enum mp__slab)mp__load_relaxed(&copy.cell.slab),
        .object = copy.address,
        .family = copy.family,
    };
    ssize_t r;

    if (!mp__object_ok(far, MP__SLAB_FAR) || !is_alive(&copy))
        return mp__fail(-EBADF,
                        "%s: %p is a remote handle whose manager was closed",
                        function, (void *)far);
    r = mp__link_call(copy.manager, &target, function, deadline, format, args);
    if (r == 0 && ends_object(function))
        forget(far);
    return r;
}

static void
name(const struct mp__far_handle *far, unsigned char uuid[16],
     uint64_t *ret_id)
{
    memcpy(uuid, far->family, 16);
    *ret_id = far->address;
}

struct search {
    const unsigned char *family;
    int slab;
    uint64_t address;
    void *found;
};

static void
look_at_manager(void *object, void *arg)
{
    mp_manager *manager = object;
    struct search *search = arg;

    if (manager->remote && memcmp(manager->family, search->family, 16) == 0)
        search->found = manager;
}

static void
look_at_handle(void *object, void *arg)
{
    struct mp__far_handle *far = object;
    struct search *search = arg;

    if (far->address == search->address &&
        (int)mp__load_relaxed(&far->cell.slab) == search->slab &&
        memcmp(far->family, search->family, 16) == 0 && is_alive(far))
        search->found = far;
}

static void *
find(const unsigned char uuid[16], int slab, uint64_t id, int *ret_error)
{
    struct search search = {.family = uuid, .slab = slab, .address = id};
    void *far;

    if (mp__me.head && mp__me.head->pending) { /* a mutex is held */
        mp__object_each(MP__SLAB_FAR, look_at_handle, &search);
        if (!search.found)
            *ret_error = mp__fail(-EAGAIN, "this family has no handle of that "
                                           "remote object any more");
        return search.found;
    }
    mp__object_each(MP__SLAB_MANAGER, look_at_manager, &search);
    if (!search.found) {
        *ret_error = mp__fail(-ENOTCONN, "it is of a family that this one has "
                                         "no connection to");
        return NULL;
    }
    far = mp__proxy_get(search.found, uuid, slab, id, ret_error);
    if (!far)
        mp__fail(*ret_error, "no memory for a remote handle");
    return far;
}

/* ---- What report/describe.h wants ---- */

static int
describe(struct mp__report *report, void *object)
{
    struct mp__far_handle far = *(struct mp__far_handle *)object;
    const char *kind =
        mp__handle_class_name((int)mp__load_relaxed(&far.cell.slab));

    if (!kind || !mp__object_ok(object, MP__SLAB_FAR) || !is_alive(&far))
        return -EBADF;
    mp__report_object(report, kind, object, NULL, 0);
    mp__report(report, ": remote, by manager %p; 0x%llx at home\n",
               (void *)far.manager, (unsigned long long)far.address);
    return 0;
}

static const struct mp__far_ops ops = {
    .call = call,
    .name = name,
    .find = find,
};

__attribute__((constructor)) static void
prepare(void)
{
    mp__far_with(&ops);
    mp__describe_with(MP__SLAB_FAR, "remote object", describe);
}
