/* SPDX-License-Identifier: MIT */
/* How collections are described: by how much they have, which is read without
 * their mutex. The object may go meanwhile, but its memory remains that of
 * such an object. */
#include "collection/dict.h"
#include "collection/list.h"

static int
describe(struct mp__report *report, struct mp__collection *c, const char *kind,
         uint64_t n, const char *one, const char *many)
{
    mp__report_object(report, kind, c, NULL, 0);
    mp__report(report, ": %llu %s", (unsigned long long)n,
               n == 1 ? one : many);
    mp__own_lock_report(report, &c->own);
    return 0;
}

static int
describe_list(struct mp__report *report, void *object)
{
    mp_list *list = object;

    return describe(report, &list->c, "list", mp__list_len(list), "item",
                    "items");
}

/* Of the struct that all of these begin with. */
static int
describe_entries(struct mp__report *report, void *object, const char *kind,
                 const char *one, const char *many)
{
    mp_dict *dict = object;

    return describe(report, &dict->c, kind, mp__load_relaxed(&dict->live), one,
                    many);
}

static int
describe_dict(struct mp__report *report, void *object)
{
    return describe_entries(report, object, "dict", "entry", "entries");
}

static int
describe_set(struct mp__report *report, void *object)
{
    return describe_entries(report, object, "set", "item", "items");
}

static int
describe_namespace(struct mp__report *report, void *object)
{
    return describe_entries(report, object, "namespace", "name", "names");
}

void
mp__collection_describe(void)
{
    mp__describe_with(MP__SLAB_LIST, "list", describe_list);
    mp__describe_with(MP__SLAB_DICT, "dict", describe_dict);
    mp__describe_with(MP__SLAB_SET, "set", describe_set);
    mp__describe_with(MP__SLAB_NAMESPACE, "namespace", describe_namespace);
}
