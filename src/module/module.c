/* SPDX-License-Identifier: MIT */
/* Modules: the program and the libraries it has loaded.
 *
 * Where a module lies differs from process to process; its build id, which
 * the linker puts into a note, does not. A module without one is told by its
 * file. Nothing here is shared; the dynamic linker keeps the list, and its
 * lock keeps it still during a walk. */
#include "module/module.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const void *
segment_start(const struct dl_phdr_info *info, const ElfW(Phdr) * segment)
{
    return (const void *)(info->dlpi_addr + segment->p_vaddr);
}

static int
has_code(const struct dl_phdr_info *info, uintptr_t address)
{
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *s = &info->dlpi_phdr[i];

        if (s->p_type == PT_LOAD && (s->p_flags & PF_X) &&
            address - (uintptr_t)segment_start(info, s) < s->p_memsz)
            return 1;
    }
    return 0;
}

static const ElfW(Nhdr) * find_note(const char *at, size_t size, size_t align)
{
    const char *end = at + size;

    while (at + sizeof(ElfW(Nhdr)) < end) {
        const ElfW(Nhdr) *note = (const void *)at;
        size_t name = (note->n_namesz + align - 1) & ~(align - 1);
        size_t body = (note->n_descsz + align - 1) & ~(align - 1);

        if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 &&
            memcmp(note + 1, "GNU", 4) == 0)
            return note;
        at += sizeof(*note) + name + body;
    }
    return NULL;
}

static int
read_build_id(const struct dl_phdr_info *info, struct mp__module *module)
{
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *s = &info->dlpi_phdr[i];
        const ElfW(Nhdr) * note;
        size_t size;

        if (s->p_type != PT_NOTE)
            continue;
        note = find_note(segment_start(info, s), s->p_memsz,
                         s->p_align == 8 ? 8 : 4);
        if (!note)
            continue;
        size = note->n_descsz < sizeof(module->id) ? note->n_descsz
                                                   : sizeof(module->id);
        memcpy(module->id, (const char *)(note + 1) + 4, size);
        module->id_kind = MP__MODULE_BUILD_ID;
        return 1;
    }
    return 0;
}

static void
read_file_id(struct mp__module *module)
{
    const char *path = module->is_program ? "/proc/self/exe" : module->path;
    uint64_t id[3] = {0};
    struct stat st;

    if (stat(path, &st) == 0) {
        id[0] = st.st_dev;
        id[1] = st.st_ino;
        id[2] = (uint64_t)st.st_size;
    }
    memcpy(module->id, id, sizeof(id));
    module->id_kind = MP__MODULE_FILE;
}

static int
describe(const struct dl_phdr_info *info, int is_program,
         struct mp__module *module)
{
    *module = (struct mp__module){.is_program = (uint32_t)is_program};
    if (!is_program && snprintf(module->path, sizeof(module->path), "%s",
                                info->dlpi_name) >= (int)sizeof(module->path))
        return -ENAMETOOLONG;
    if (!read_build_id(info, module))
        read_file_id(module);
    return 0;
}

/* A walk over the loaded modules; the first is the program. */
struct walk {
    int position;
    uintptr_t address; /* looked for: the module that has it ... */
    const struct mp__module *wanted; /* ... or this one */
    struct mp__module *module;
    uintptr_t base;
    int result; /* -ENOENT: not found yet */
};

static int
visit_by_address(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct walk *walk = arg;
    int is_program = walk->position++ == 0;

    (void)size;
    if (!has_code(info, walk->address))
        return 0;
    walk->base = info->dlpi_addr;
    walk->result = walk->module ? describe(info, is_program, walk->module) : 0;
    return 1;
}

static int
visit_by_identity(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct walk *walk = arg;
    int is_program = walk->position++ == 0;
    struct mp__module module;

    (void)size;
    if (is_program != (int)walk->wanted->is_program ||
        describe(info, is_program, &module) < 0 ||
        module.id_kind != walk->wanted->id_kind ||
        memcmp(module.id, walk->wanted->id, sizeof(module.id)) != 0)
        return 0;
    /* Copies of one build under several names: the same name is best. */
    if (walk->result < 0 || strcmp(module.path, walk->wanted->path) == 0) {
        walk->base = info->dlpi_addr;
        walk->result = 0;
    }
    return 0;
}

/* A library loaded by a relative path: the child may be elsewhere. */
static int
make_absolute(struct mp__module *module)
{
    char *path;
    size_t n;

    if (module->path[0] == '/' || !strchr(module->path, '/'))
        return 0;
    path = realpath(module->path, NULL);
    if (!path)
        return 0; /* not found from here: left as it is */
    n = strlen(path);
    if (n < sizeof(module->path))
        memcpy(module->path, path, n + 1);
    free(path);
    return n < sizeof(module->path) ? 0 : -ENAMETOOLONG;
}

int
mp__module_of(const void *address, struct mp__module *ret_module,
              uint64_t *ret_offset)
{
    struct walk walk = {.address = (uintptr_t)address,
                        .module = ret_module,
                        .result = -EINVAL};

    dl_iterate_phdr(visit_by_address, &walk);
    if (walk.result < 0)
        return walk.result;
    *ret_offset = walk.address - walk.base;
    return make_absolute(ret_module);
}

int
mp__module_has_code(const void *address)
{
    struct walk walk = {.address = (uintptr_t)address, .result = -EINVAL};

    dl_iterate_phdr(visit_by_address, &walk);
    return walk.result == 0;
}

void
mp__module_pin(const struct mp__module *module)
{
    if (!module->is_program && module->path[0])
        dlopen(module->path, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
}

int
mp__module_load(const struct mp__module *module, uintptr_t *ret_base,
                const char **ret_reason)
{
    struct walk walk = {.wanted = module, .result = -ENOENT};

    dl_iterate_phdr(visit_by_identity, &walk);
    if (walk.result < 0 && module->is_program) {
        *ret_reason = "the program is another build in this process";
        return -ENOENT;
    }
    if (walk.result < 0) {
        if (!dlopen(module->path, RTLD_NOW | RTLD_NODELETE)) {
            *ret_reason = dlerror();
            return -ENOENT;
        }
        walk.position = 0;
        dl_iterate_phdr(visit_by_identity, &walk);
    }
    if (walk.result < 0) {
        *ret_reason = "the library's file is another build now";
        return -ENOENT;
    }
    *ret_base = walk.base;
    return 0;
}
