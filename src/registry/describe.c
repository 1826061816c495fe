/* SPDX-License-Identifier: MIT */
/* How managers, and objects of users' types, are described.
 *
 * What a manager points to is freed with it. It counts only if the manager is
 * still the same afterwards: until then its memory was there. */
#include "collection/dict.h"
#include "process/record.h"
#include "registry/instance.h"
#include "report/describe.h"

#include <errno.h>
#include <string.h>

/* What is read of a manager: a copy. */
struct look {
    uint64_t number;
    int remote;
    char name[MP__MANAGER_NAME], address[MP__MANAGER_ADDRESS];
    uint64_t names, handles; /* how many there are */
    uint32_t server;         /* pid; 0: there is none */
};

static uint64_t
length_of(mp_dict *dict)
{
    return mp__object_ok(dict, MP__SLAB_DICT) ? mp__load_relaxed(&dict->live)
                                              : 0;
}

static uint32_t
server_of(const mp_manager *manager)
{
    mp_process *server = atomic_load(&manager->serving);

    return mp__object_ok(server, MP__SLAB_PROCESS)
               ? mp__load_relaxed(&server->pid)
               : 0;
}

static int
look_at(const mp_manager *manager, struct look *look)
{
    const struct mp__manager_terms *terms = manager->terms;
    const char *address = manager->bound;

    if (!mp__region_contains(terms, sizeof(*terms)))
        return -EBADF;
    if (manager->remote)
        address = terms->address;
    look->number = manager->number;
    look->remote = manager->remote;
    memcpy(look->name, terms->name, sizeof(look->name));
    memcpy(look->address, address, sizeof(look->address));
    look->names = length_of(manager->names);
    look->handles = length_of(manager->proxies);
    look->server = server_of(manager);
    return mp__object_ok(manager, MP__SLAB_MANAGER) &&
                   manager->number == look->number
               ? 0
               : -EBADF;
}

static void
report_number(struct mp__report *report, uint64_t n, const char *one,
              const char *many)
{
    mp__report(report, "; %llu %s", (unsigned long long)n,
               n == 1 ? one : many);
}

static void
report_server(struct mp__report *report, uint32_t pid)
{
    mp__report(report, "; ");
    if (pid && mp__report_holder(report, pid))
        mp__report(report, " serves\n");
    else
        mp__report(report, "nobody serves\n");
}

static int
describe_manager(struct mp__report *report, void *object)
{
    struct look look;
    int r = look_at(object, &look);

    if (r < 0)
        return r;
    mp__report_object(report, "manager", object, look.name,
                      look.remote ? 0 : sizeof(look.name));
    mp__report(report, look.remote ? ": of another family, at " : ": ");
    if (look.address[0])
        mp__report_name(report, look.address, sizeof(look.address));
    else
        mp__report(report, "of this family alone");
    if (look.remote) {
        report_number(report, look.handles, "remote handle", "remote handles");
        mp__report(report, "\n");
    } else {
        report_number(report, look.names, "name", "names");
        report_server(report, look.server);
    }
    return 0;
}

static int
describe_object(struct mp__report *report, void *object)
{
    const mp_object *of = object;

    mp__report_object(report, "object", of, of->type, sizeof(of->type));
    mp__report(report, ": of manager %p\n", (void *)of->manager);
    return 0;
}

void
mp__registry_describe(void)
{
    mp__describe_with(MP__SLAB_MANAGER, "manager", describe_manager);
    mp__describe_with(MP__SLAB_OBJECT, "object", describe_object);
}
