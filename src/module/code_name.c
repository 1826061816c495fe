/* SPDX-License-Identifier: MIT */
/* The name of a function.
 *
 * The loader knows which file an address lies in, and where in it; the symbols
 * of that file know the rest, those of static functions too. */
#include "module/code_name.h"

#include "module/symbols.h"

#include <link.h>
#include <stdint.h>
#include <stdio.h>

struct search {
    uintptr_t address;
    uint64_t offset; /* in the file */
    char path[512];  /* "": not found */
};

static int
look_into(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct search *s = arg;
    uintptr_t at = s->address - info->dlpi_addr;

    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *h = &info->dlpi_phdr[i];

        if (h->p_type != PT_LOAD || at - h->p_vaddr >= h->p_filesz)
            continue;
        s->offset = at - h->p_vaddr + h->p_offset;
        snprintf(s->path, sizeof(s->path), "%s",
                 info->dlpi_name && *info->dlpi_name ? info->dlpi_name
                                                     : "/proc/self/exe");
        return 1;
    }
    return 0;
}

void
mp__code_name(const void *code, char *buf, size_t size)
{
    struct search search = {.address = (uintptr_t)code};
    struct mp__symbol symbol = {0};

    dl_iterate_phdr(look_into, &search);
    symbol.offset = search.offset;
    if (search.path[0])
        mp__symbols_find(search.path, &symbol, 1);
    snprintf(buf, size, "%s", symbol.name);
}
