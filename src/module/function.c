/* SPDX-License-Identifier: MIT */
/* References to functions: the family's table of modules.
 *
 * An address means nothing in a program that was executed afresh, where
 * everything lies elsewhere; {module, offset} does. The table is in the
 * region: any process may add a module, under the table's mutex; an entry is
 * valid when the count has gone past it, and never changes. So a process
 * killed while it adds one leaves nothing, and readers need no lock. */
#include "module/function.h"

#include "base/error.h"
#include "module/module.h"
#include "region/heap.h"
#include "region/mutex.h"
#include "region/region.h"

#include <errno.h>
#include <string.h>

#define MODULES_MAX 128

struct modules {
    struct mp__mutex lock;
    mp__a32 count;
    struct mp__module module[MODULES_MAX];
};

/* Each thread's latest answers; a module asked for is never unloaded. */
#define CACHE_SIZE 16
struct cached {
    mp__code *code;
    struct mp__function reference;
};
static __thread struct cached exported[CACHE_SIZE];
static __thread struct cached imported[CACHE_SIZE];

static struct cached *
cached_export(mp__code *code)
{
    return &exported[(uintptr_t)code / 16 % CACHE_SIZE];
}

static struct cached *
cached_import(const struct mp__function *f)
{
    return &imported[(f->offset / 16 + f->module) % CACHE_SIZE];
}

_Static_assert(MP__MUTEX_PLAIN == 0, "zeroes are a plain mutex");

static struct modules *
shared_modules(void)
{
    return mp__block_at_root(MP__ROOT_MODULES, sizeof(struct modules));
}

static int
is_same(const struct mp__module *a, const struct mp__module *b)
{
    return a->id_kind == b->id_kind && a->is_program == b->is_program &&
           memcmp(a->id, b->id, sizeof(a->id)) == 0 &&
           strcmp(a->path, b->path) == 0;
}

/* The module's index plus 1; 0: not there. */
static uint32_t
find_module(struct modules *table, const struct mp__module *module)
{
    uint32_t count = mp__load_acquire(&table->count);

    for (uint32_t i = 0; i < count; i++)
        if (is_same(&table->module[i], module))
            return i + 1;
    return 0;
}

static uint32_t
add_module(struct modules *table, const struct mp__module *module)
{
    uint32_t index, count;

    mp__mutex_lock(&table->lock);
    index = find_module(table, module);
    count = mp__load_relaxed(&table->count);
    if (index == 0 && count < MODULES_MAX) {
        table->module[count] = *module;
        /* release: pairs with the acquire in find_module() and import */
        mp__store_release(&table->count, count + 1);
        index = count + 1;
    }
    mp__mutex_unlock(&table->lock);
    return index;
}

/* So that a reference out of thin air, or of another family, is seen. */
static uint32_t
check_of(const struct mp__module *module)
{
    uint32_t hash = 2166136261u + module->is_program;

    for (size_t i = 0; i < sizeof(module->id); i++)
        hash = (hash ^ module->id[i]) * 16777619u;
    return hash;
}

static int
look_up(mp__code *code, struct mp__function *out, const char *function)
{
    struct mp__module module;
    struct modules *table;
    int r =
        mp__module_of((const void *)(uintptr_t)code, &module, &out->offset);

    if (r == -ENAMETOOLONG)
        return mp__fail(-EINVAL,
                        "%s: the path of the library of function %p "
                        "is longer than %d bytes",
                        function, (void *)(uintptr_t)code,
                        MP__MODULE_PATH - 1);
    if (r < 0)
        return mp__fail(-EINVAL,
                        "%s: %p is no function of the program or of "
                        "a library that is loaded",
                        function, (void *)(uintptr_t)code);
    table = shared_modules();
    if (!table)
        return -ENOMEM;
    out->module = find_module(table, &module);
    if (out->module == 0)
        out->module = add_module(table, &module);
    if (out->module == 0)
        return mp__fail(-ENOMEM, "%s: functions of more than %d libraries",
                        function, MODULES_MAX);
    out->check = check_of(&module);
    mp__module_pin(&module);
    return 0;
}

int
mp__function_export(mp__code *code, struct mp__function *ret_reference,
                    const char *function)
{
    struct cached *cached = cached_export(code);
    struct mp__function reference;
    int r;

    if (cached->code != code || !code) {
        r = look_up(code, &reference, function);
        if (r < 0)
            return r;
        *cached = (struct cached){code, reference};
    }
    *ret_reference = cached->reference;
    return 0;
}

static int
resolve(const struct mp__function *f, mp__code **ret_code,
        const char *function)
{
    struct modules *table =
        mp__load_acquire(mp__region_root(MP__ROOT_MODULES));
    const struct mp__module *module;
    const char *reason;
    uintptr_t base;
    int r;

    if (!table || f->module == 0 ||
        f->module > mp__load_acquire(&table->count))
        return mp__fail(-EINVAL, "%s: no reference to a function", function);
    module = &table->module[f->module - 1];
    if (f->check != check_of(module))
        return mp__fail(-EINVAL, "%s: no reference to a function", function);
    r = mp__module_load(module, &base, &reason);
    if (r < 0)
        return mp__fail(r, "%s: cannot use the functions of %s: %s", function,
                        module->is_program ? "the program" : module->path,
                        reason);
    if (!mp__module_has_code((const void *)(base + f->offset)))
        return mp__fail(-EINVAL, "%s: no reference to a function", function);
    *ret_code = (mp__code *)(base + f->offset);
    return 0;
}

int
mp__function_import(const struct mp__function *f, mp__code **ret_code,
                    const char *function)
{
    struct cached *cached = cached_import(f);
    mp__code *code = NULL;
    int r;

    if (!cached->code || memcmp(&cached->reference, f, sizeof(*f)) != 0) {
        r = resolve(f, &code, function);
        if (r < 0)
            return r;
        *cached = (struct cached){code, *f};
    }
    *ret_code = cached->code;
    return 0;
}
