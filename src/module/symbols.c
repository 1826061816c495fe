/* SPDX-License-Identifier: MIT */
/* A reader of ELF files of this machine's kind: segments, to get from a place
 * in the file to the address that symbols are given in, then symbol tables.
 * The full one (.symtab) has static functions too, and hidden ones; of a
 * stripped file only the dynamic one is left.
 *
 * The file may be any file, and may change meanwhile: it is read by pread()
 * rather than mapped, since a mapping that is cut short kills who reads it.
 * Every number in it is taken for what it may be: wrong. Loops are bounded by
 * what can be read, and by limits of our own. */
#include "module/symbols.h"

#include <elf.h>
#include <endian.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEGMENTS_MOST 256
#define SYMBOLS_MOST  4000000
#define BATCH         512 /* symbols read at once */

#if __BYTE_ORDER == __LITTLE_ENDIAN
#define OWN_ORDER ELFDATA2LSB
#else
#define OWN_ORDER ELFDATA2MSB
#endif

/* As many bytes of the file as there are: how many. */
static size_t
read_at(int fd, uint64_t offset, void *out, size_t size)
{
    size_t done = 0;

    while (done < size && offset <= INT64_MAX - size) {
        ssize_t n =
            pread(fd, (char *)out + done, size - done, (off_t)(offset + done));

        if (n <= 0)
            break;
        done += (size_t)n;
    }
    return done;
}

static int
read_all(int fd, uint64_t offset, void *out, size_t size)
{
    return read_at(fd, offset, out, size) == size;
}

static int
read_header(int fd, Elf64_Ehdr *header)
{
    return read_all(fd, 0, header, sizeof(*header)) &&
           memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
           header->e_ident[EI_CLASS] == ELFCLASS64 &&
           header->e_ident[EI_DATA] == OWN_ORDER &&
           header->e_phentsize == sizeof(Elf64_Phdr) &&
           header->e_shentsize == sizeof(Elf64_Shdr);
}

/* ---- Addresses ---- */

static void
find_addresses(int fd, const Elf64_Ehdr *header, struct mp__symbol *list,
               size_t n)
{
    Elf64_Phdr segment;

    for (unsigned i = 0; i < header->e_phnum && i < SEGMENTS_MOST; i++) {
        if (!read_all(fd, header->e_phoff + i * sizeof(segment), &segment,
                      sizeof(segment)))
            return;
        if (segment.p_type != PT_LOAD)
            continue;
        for (size_t j = 0; j < n; j++)
            if (list[j].offset - segment.p_offset < segment.p_filesz)
                list[j].address =
                    list[j].offset - segment.p_offset + segment.p_vaddr;
    }
}

/* ---- Names ---- */

/* What is not to be printed is not printed: the text goes to users. */
static void
read_name(int fd, const Elf64_Shdr *strings, uint64_t offset,
          char name[MP__SYMBOL_NAME])
{
    uint64_t left = offset < strings->sh_size ? strings->sh_size - offset : 0;
    size_t most =
        left < MP__SYMBOL_NAME - 1 ? (size_t)left : MP__SYMBOL_NAME - 1;
    size_t n = read_at(fd, strings->sh_offset + offset, name, most);

    name[n] = '\0';
    for (char *c = name; *c; c++)
        if (*c <= ' ' || *c > '~')
            *c = '?';
}

/* Whether the symbol is a function around that place, and the smallest so far:
 * names of parts are better than names of the whole. */
static int
is_better(const Elf64_Sym *symbol, const struct mp__symbol *wanted)
{
    unsigned type = ELF64_ST_TYPE(symbol->st_info);

    return (type == STT_FUNC || type == STT_GNU_IFUNC) &&
           symbol->st_shndx != SHN_UNDEF && wanted->address != 0 &&
           wanted->address - symbol->st_value < symbol->st_size &&
           (wanted->size == 0 || symbol->st_size < wanted->size);
}

static void
compare(int fd, const Elf64_Shdr *strings, const Elf64_Sym *symbol,
        struct mp__symbol *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (is_better(symbol, &list[i])) {
            list[i].size = symbol->st_size;
            read_name(fd, strings, symbol->st_name, list[i].name);
        }
}

static void
search_table(int fd, const Elf64_Shdr *table, const Elf64_Shdr *strings,
             struct mp__symbol *list, size_t n)
{
    uint64_t count = table->sh_size / sizeof(Elf64_Sym);
    Elf64_Sym batch[BATCH];

    if (count > SYMBOLS_MOST)
        count = SYMBOLS_MOST;
    for (uint64_t done = 0; done < count;) {
        size_t wanted = count - done < BATCH ? (size_t)(count - done) : BATCH;
        size_t got = read_at(fd, table->sh_offset + done * sizeof(Elf64_Sym),
                             batch, wanted * sizeof(Elf64_Sym)) /
                     sizeof(Elf64_Sym);

        for (size_t i = 0; i < got; i++)
            compare(fd, strings, &batch[i], list, n);
        if (got < wanted)
            return;
        done += got;
    }
}

static int
read_section(int fd, const Elf64_Ehdr *header, uint64_t i, Elf64_Shdr *section)
{
    return read_all(fd, header->e_shoff + i * sizeof(*section), section,
                    sizeof(*section));
}

/* The first table of that type, and the names that belong to it. */
static int
find_table(int fd, const Elf64_Ehdr *header, uint32_t type, Elf64_Shdr *table,
           Elf64_Shdr *strings)
{
    for (unsigned i = 0; i < header->e_shnum; i++) {
        if (!read_section(fd, header, i, table))
            return 0;
        if (table->sh_type == type)
            return table->sh_link < header->e_shnum &&
                   read_section(fd, header, table->sh_link, strings) &&
                   strings->sh_type == SHT_STRTAB;
    }
    return 0;
}

/* ---- All of it ---- */

/* Only plain files: to open others may block, or do things. */
static int
open_file(const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
        return -1;
    return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

void
mp__symbols_find(const char *path, struct mp__symbol *list, size_t n)
{
    int fd = open_file(path);
    Elf64_Shdr table, strings;
    Elf64_Ehdr header;

    for (size_t i = 0; i < n; i++)
        list[i] = (struct mp__symbol){.offset = list[i].offset};
    if (fd >= 0 && read_header(fd, &header)) {
        find_addresses(fd, &header, list, n);
        if (find_table(fd, &header, SHT_SYMTAB, &table, &strings) ||
            find_table(fd, &header, SHT_DYNSYM, &table, &strings))
            search_table(fd, &table, &strings, list, n);
    }
    if (fd >= 0)
        close(fd);
}
