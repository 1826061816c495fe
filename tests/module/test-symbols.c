/* SPDX-License-Identifier: MIT */
/* Backtraces taken in a signal handler, and names for their frames: out of
 * sound files, and of files that are cut short or have wrong bytes anywhere.
 */
#include "module/backtrace.h"
#include "module/symbols.h"
#include "support/support.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- A backtrace ---- */

static struct mp__backtrace trace;
static volatile int
    calls; /* so that no call is the last thing a caller does */

static int outer_function(int depth);

static void
take(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    (void)info;
    mp__backtrace_take(&trace, context, MP__BACKTRACE_NOTHING,
                       (uint64_t)(uintptr_t)outer_function);
}

__attribute__((noinline)) static int
inner_function(int depth)
{
    if (depth > 0)
        inner_function(depth - 1);
    else
        raise(SIGUSR1);
    return ++calls;
}

__attribute__((noinline)) static int
outer_function(int depth)
{
    inner_function(depth);
    return ++calls;
}

static void
take_backtrace(int depth)
{
    struct sigaction action = {.sa_sigaction = take, .sa_flags = SA_SIGINFO};

    mp__backtrace_prepare();
    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
    outer_function(depth);
    signal(SIGUSR1, SIG_DFL);
}

static const struct mp__code_file *
file_of(uint64_t address)
{
    for (int i = 0; i < MP__BACKTRACE_FILES; i++)
        if (address >= trace.file[i].start && address < trace.file[i].end)
            return &trace.file[i];
    ck_abort_msg("no file has 0x%llx", (unsigned long long)address);
}

static struct mp__symbol
symbol_of_frame(uint32_t i)
{
    const struct mp__code_file *file = file_of(trace.frame[i]);
    struct mp__symbol symbol = {
        .offset = trace.frame[i] - file->start + file->offset,
    };

    mp__symbols_find(file->path, &symbol, 1);
    return symbol;
}

/* The compiler may have made a variant: "inner_function.isra.0". */
static int
is_inner(const char *name)
{
    size_t n = strlen("inner_function");

    return strncmp(name, "inner_function", n) == 0 &&
           (name[n] == '\0' || name[n] == '.');
}

/* The frame of the innermost call of inner_function(). */
static uint32_t
inner_frame(void)
{
    for (uint32_t i = 0; i < trace.frames; i++) {
        struct mp__symbol symbol = symbol_of_frame(i);

        if (is_inner(symbol.name))
            return i;
    }
    ck_abort_msg("inner_function is in none of %u frames",
                 (unsigned)trace.frames);
}

START_TEST(backtrace_names_static_functions_up_to_the_bottom)
{
    uint32_t first;

    take_backtrace(3);
    first = inner_frame();
    ck_assert_uint_ge(first, 1); /* raise() and its like */
    ck_assert_uint_eq(trace.frames, first + 4);
    for (uint32_t i = first; i < trace.frames; i++)
        ck_assert(is_inner(symbol_of_frame(i).name));
}
END_TEST

START_TEST(backtrace_of_a_deep_stack_has_the_innermost)
{
    take_backtrace(1000);
    ck_assert_uint_eq(trace.frames, MP__BACKTRACE_FRAMES);
    ck_assert(is_inner(symbol_of_frame(MP__BACKTRACE_FRAMES - 1).name));
}
END_TEST

START_TEST(address_is_within_the_function)
{
    struct mp__symbol symbol;

    take_backtrace(0);
    symbol = symbol_of_frame(inner_frame());
    ck_assert_uint_ne(symbol.address, 0);
    ck_assert_uint_gt(symbol.size, 0);
}
END_TEST

/* ---- Files ---- */

/* Of a stripped library the dynamic table is left. */
START_TEST(exported_function_of_a_library_has_a_name)
{
    uint64_t address = (uint64_t)(uintptr_t)dlsym(RTLD_DEFAULT, "lfind");
    struct mp__symbol symbol;
    Dl_info info;
    char line[600];
    FILE *maps = fopen("/proc/self/maps", "re");
    unsigned long long start, end, offset;

    ck_assert_int_ne(dladdr((void *)(uintptr_t)address, &info), 0);
    ck_assert_ptr_nonnull(maps);
    do {
        ck_assert_ptr_nonnull(fgets(line, sizeof(line), maps));
        ck_assert_int_eq(
            sscanf(line, "%llx-%llx %*s %llx", &start, &end, &offset), 3);
    } while (address < start || address >= end);
    fclose(maps);
    symbol.offset = address - start + offset;
    mp__symbols_find(info.dli_fname, &symbol, 1);
    ck_assert_str_eq(symbol.name, "lfind");
}
END_TEST

static void
expect_nothing(const char *path)
{
    struct mp__symbol symbol = {.offset = 4096, .size = 7, .name = "x"};

    mp__symbols_find(path, &symbol, 1);
    ck_assert_uint_eq(symbol.offset, 4096);
    ck_assert_uint_eq(symbol.address, 0);
    ck_assert_uint_eq(symbol.size, 0);
    ck_assert_str_eq(symbol.name, "");
}

START_TEST(what_is_no_program_has_no_names)
{
    char folder[] = P_tmpdir "/mproc-test-XXXXXX", path[100];

    expect_nothing("");
    expect_nothing("/");
    expect_nothing("/no/such/file");
    expect_nothing("/dev/zero");
    expect_nothing("/etc/passwd");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/fifo", folder);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    expect_nothing(path); /* does not wait for a writer */
    unlink(path);
    rmdir(folder);
}
END_TEST

START_TEST(no_descriptor_left_no_names)
{
    int fds[1024], n = 0;
    struct mp__symbol symbol;
    uint32_t inner;

    take_backtrace(0);
    inner = inner_frame();
    while (n < 1024 && (fds[n] = open("/dev/null", O_RDONLY)) >= 0)
        n++;
    symbol = symbol_of_frame(inner);
    take_backtrace(0); /* frames without files */
    while (n > 0)
        close(fds[--n]);
    if (symbol.name[0] == '\0')
        ck_assert_uint_eq(trace.file[0].end, 0);
    ck_assert_uint_gt(trace.frames, inner);
}
END_TEST

/* ---- Broken files ---- */

/* A copy of this program in memory, with a path. */
struct copy {
    int fd;
    size_t size;
    unsigned char *bytes;
    char path[40];
    uint64_t offset; /* of a place in inner_function() */
};

static struct copy
copy_program(void)
{
    struct copy copy = {.fd = memfd_create("copy", MFD_CLOEXEC)};
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    struct stat st;

    ck_assert_int_ge(copy.fd, 0);
    ck_assert_int_eq(fstat(fd, &st), 0);
    copy.size = (size_t)st.st_size;
    copy.bytes = malloc(copy.size);
    ck_assert_int_eq(read(fd, copy.bytes, copy.size), st.st_size);
    ck_assert_int_eq(pwrite(copy.fd, copy.bytes, copy.size, 0), st.st_size);
    close(fd);
    snprintf(copy.path, sizeof(copy.path), "/proc/self/fd/%d", copy.fd);
    take_backtrace(0);
    copy.offset = symbol_of_frame(inner_frame()).offset;
    return copy;
}

static void
free_copy(struct copy *copy)
{
    close(copy->fd);
    free(copy->bytes);
}

/* Whatever comes is within bounds, and printable. The right name: 1. */
static int
look_into(const struct copy *copy)
{
    struct mp__symbol list[4];

    memset(list, 0xff, sizeof(list));
    for (unsigned i = 0; i < 4; i++)
        list[i].offset = copy->offset * i;
    mp__symbols_find(copy->path, list, 4);
    for (unsigned i = 0; i < 4; i++) {
        size_t n = strnlen(list[i].name, sizeof(list[i].name));

        ck_assert_uint_lt(n, sizeof(list[i].name));
        for (size_t j = 0; j < n; j++)
            if (list[i].name[j] <= ' ' || list[i].name[j] > '~')
                ck_abort_msg("byte %d in a name", list[i].name[j]);
        ck_assert_uint_eq(list[i].offset, copy->offset * i);
    }
    return is_inner(list[1].name);
}

START_TEST(file_cut_short_anywhere)
{
    struct copy copy = copy_program();
    size_t step = copy.size / 400 + 1;
    int cut = 0;

    ck_assert_int_eq(look_into(&copy), 1);
    for (size_t size = copy.size; size > step; size -= step) {
        ck_assert_int_eq(ftruncate(copy.fd, (off_t)size), 0);
        cut += !look_into(&copy);
    }
    for (int size = 200; size >= 0; size--) {
        ck_assert_int_eq(ftruncate(copy.fd, size), 0);
        ck_assert_int_eq(look_into(&copy), 0);
    }
    ck_assert_int_gt(cut, 0);
    free_copy(&copy);
}
END_TEST

/* Where the numbers are that everything hangs on. */
static size_t
choose_place(const struct copy *copy, int round)
{
    const Elf64_Ehdr *header = (const void *)copy->bytes;
    size_t tables =
        header->e_shoff + (size_t)header->e_shnum * header->e_shentsize;

    switch (round % 4) {
    case 0:
        return (size_t)rand() % sizeof(*header);
    case 1:
        return header->e_phoff +
               (size_t)rand() % ((size_t)header->e_phnum * sizeof(Elf64_Phdr));
    case 2:
        return header->e_shoff + (size_t)rand() % (tables - header->e_shoff);
    default:
        return (size_t)rand() % copy->size;
    }
}

static void
put_bytes(const struct copy *copy, size_t at, const void *bytes, size_t n)
{
    if (at + n <= copy->size)
        ck_assert_int_eq(pwrite(copy->fd, bytes, n, (off_t)at), (ssize_t)n);
}

START_TEST(wrong_bytes_anywhere)
{
    enum { ROUNDS = 6000, WRONG = 8 };
    static const unsigned char extremes[] = {0, 1, 0x7f, 0x80, 0xff};
    struct copy copy = copy_program();
    int found = 0;

    srand(1);
    for (int round = 0; round < ROUNDS; round++) {
        size_t at[WRONG], n = 1 + (size_t)rand() % WRONG;

        for (size_t i = 0; i < n; i++) {
            unsigned char wrong[8];

            memset(wrong, rand() % 2 ? extremes[rand() % 5] : rand(), 8);
            at[i] = choose_place(&copy, round);
            put_bytes(&copy, at[i], wrong, 1 + (size_t)rand() % 8);
        }
        found += look_into(&copy);
        for (size_t i = 0; i < n; i++)
            if (at[i] + 8 <= copy.size)
                put_bytes(&copy, at[i], copy.bytes + at[i], 8);
            else
                put_bytes(&copy, at[i], copy.bytes + at[i], copy.size - at[i]);
    }
    ck_assert_int_gt(found, 0);
    ck_assert_int_lt(found, ROUNDS);
    ck_assert_int_eq(look_into(&copy), 1); /* all is as it was */
    free_copy(&copy);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("symbols");
    TCase *sound = mp_test_case(suite, "sound", 20);
    TCase *broken = mp_test_case(suite, "broken", 60);

    tcase_add_test(sound, backtrace_names_static_functions_up_to_the_bottom);
    tcase_add_test(sound, backtrace_of_a_deep_stack_has_the_innermost);
    tcase_add_test(sound, address_is_within_the_function);
    tcase_add_test(sound, exported_function_of_a_library_has_a_name);
    tcase_add_test(broken, what_is_no_program_has_no_names);
    tcase_add_test(broken, no_descriptor_left_no_names);
    tcase_add_test(broken, file_cut_short_anywhere);
    tcase_add_test(broken, wrong_bytes_anywhere);
    return mp_test_main(suite);
}
