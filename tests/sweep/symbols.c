/* SPDX-License-Identifier: MIT */
/* Names for addresses, out of the symbol table of this program's own file.
 * dladdr() knows exported functions only, and those that a kill sweep halts
 * in are hidden or static. */
#define _GNU_SOURCE
#include "symbols.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct table {
    const ElfW(Sym) * symbols;
    size_t count;
    const char *names;
    uintptr_t bias; /* of the program in memory against its file */
};

static const unsigned char *
map_self(size_t *ret_size)
{
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    struct stat st;
    void *image = MAP_FAILED;

    if (fd < 0)
        return NULL;
    if (fstat(fd, &st) == 0) {
        *ret_size = (size_t)st.st_size;
        image = mmap(NULL, *ret_size, PROT_READ, MAP_PRIVATE, fd, 0);
    }
    close(fd);
    return image == MAP_FAILED ? NULL : image;
}

static struct table
read_table(void)
{
    struct table table = {0};
    size_t size;
    const unsigned char *image = map_self(&size);
    const ElfW(Ehdr) *header = (const void *)image;
    const ElfW(Shdr) * section;
    int i;

    if (!image || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
        return table;
    section = (const void *)(image + header->e_shoff);
    for (i = 0; i < header->e_shnum; i++) {
        if (section[i].sh_type != SHT_SYMTAB)
            continue;
        table.symbols = (const void *)(image + section[i].sh_offset);
        table.count = section[i].sh_size / sizeof(ElfW(Sym));
        table.names =
            (const void *)(image + section[section[i].sh_link].sh_offset);
    }
    table.bias = getauxval(AT_ENTRY) - header->e_entry;
    return table;
}

void
symbols_name(uintptr_t address, char *text, size_t size)
{
    static struct table table;
    size_t i;

    if (!table.symbols)
        table = read_table();
    for (i = 0; i < table.count; i++) {
        const ElfW(Sym) *s = &table.symbols[i];
        uintptr_t start = s->st_value + table.bias;

        if ((s->st_info & 15) == STT_FUNC && address >= start &&
            address - start < s->st_size) {
            snprintf(text, size, "%s+0x%zx", table.names + s->st_name,
                     (size_t)(address - start));
            return;
        }
    }
    snprintf(text, size, "0x%zx", (size_t)address);
}
