/* SPDX-License-Identifier: MIT */
/* The first moments of a spawned child, and how its `main` is kept from
 * running.
 *
 * A program that finds MPROC_CHILD in its environment was executed by
 * mp_process_start(). A constructor of the library, which runs before the
 * program's own code, maps the region at its address before anything else can
 * take that, and closes what was leaked. Then all static initialisers run as
 * in any program, and after the last one, instead of `main`, the target: the
 * last entry of the program's own list of initialisers is replaced by a
 * function that calls the old one and does not return. The list is a table of
 * the ELF format that every C library walks in order just before main, in
 * static and in dynamic programs alike; when the library itself is linked
 * statically, its constructor is in that table and may be the last entry.
 *
 * A variable that came to the wrong program, one that did not get the region
 * with it, is removed and means nothing. In any other case main does not run,
 * whatever else goes wrong. Programs that run with more rights than their
 * caller never look at the variable. */
#include "start/bootstrap.h"

#include "base/error.h"
#include "base/macros.h"
#include "module/module.h"
#include "os/descriptors.h"
#include "process/record.h"
#include "region/region.h"
#include "start/child.h"
#include "start/forkserver.h"

#include <errno.h>
#include <inttypes.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef void initialiser(int, char **, char **);

/* The program's own list, where we are a part of the program. */
extern initialiser *__init_array_start[]
    __attribute__((weak, visibility("hidden")));
extern initialiser *__init_array_end[]
    __attribute__((weak, visibility("hidden")));

static struct {
    int looked;
    int pending;
    mp_process *process;
    uint32_t serial;
    initialiser *last; /* the program's last initialiser; NULL: it is ours */
} child;

static const char format[] = "%d:%" SCNxPTR ":%" SCNxPTR ":%" SCNx32 ":%32s";

static void
write_uuid(char out[33])
{
    const unsigned char *uuid = mp__region_uuid();

    for (int i = 0; i < 16; i++)
        snprintf(out + 2 * i, 3, "%02x", uuid[i]);
}

void
mp__bootstrap_variable(char *out, const mp_process *process, uint32_t serial)
{
    char uuid[33];

    write_uuid(uuid);
    snprintf(out, MP__CHILD_VARIABLE_SIZE,
             MP__CHILD_VARIABLE "=%d:%" PRIxPTR ":%" PRIxPTR ":%" PRIx32 ":%s",
             mp__view.fd, (uintptr_t)mp__view.base, (uintptr_t)process, serial,
             uuid);
}

static struct mp__child
child_of_parcel(void)
{
    struct mp__parcel *parcel = mp__load_acquire(&child.process->parcel);

    return (struct mp__child){
        .process = child.process,
        .serial = child.serial,
        .watch = parcel->watch,
        .pdeathsig = parcel->pdeathsig,
        .setup = &parcel->setup,
        .parcel = parcel,
        .arg = parcel->arg,
        .signal = parcel->signal,
        .keep_input = 1, /* seen to by the parent */
    };
}

/* In the place of main. */
static _Noreturn void
child_main(void)
{
    struct mp__child c = child_of_parcel();

    child.pending = 0;
    mp_set_start_method(child.process->default_method);
    mp__child_run(&c);
}

static _Noreturn void
fail(int r)
{
    struct mp__child c = child_of_parcel();

    mp__child_fail(&c, r);
}

static void
last_initialiser(int argc, char **argv, char **env)
{
    child.last(argc, argv, env);
    child_main();
}

/* The table of initialisers of the program (the first module). */
struct table {
    initialiser **first;
    size_t count;
};

static int
find_table(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct table *table = arg;
    const ElfW(Dyn) *d = NULL;

    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_DYNAMIC)
            d = (const void *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
    for (; d && d->d_tag != DT_NULL; d++) {
        if (d->d_tag == DT_INIT_ARRAY)
            table->first = (void *)(info->dlpi_addr + d->d_un.d_ptr);
        if (d->d_tag == DT_INIT_ARRAYSZ)
            table->count = d->d_un.d_val / sizeof(initialiser *);
    }
    return 1;
}

static int
is_part_of_program(void)
{
    struct mp__module module;
    uint64_t offset;

    return __init_array_start &&
           (mp__module_of((const void *)(uintptr_t)last_initialiser, &module,
                          &offset) < 0 ||
            module.is_program);
}

/* Has `slot` call us. Its page is read-only by now in most programs. */
static int
replace(initialiser **slot)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t start = (uintptr_t)slot / page * page;

    if (mprotect((void *)start, page, PROT_READ | PROT_WRITE) < 0)
        return -errno;
    child.last = *slot;
    *slot = last_initialiser;
    return 0;
}

/* Returns if there are initialisers to come; child_main() follows them. */
static void
run_after_initialisers(initialiser *myself)
{
    struct table table = {NULL, 0};
    int r;

    if (is_part_of_program()) {
        table.first = __init_array_start;
        table.count = (size_t)(__init_array_end - __init_array_start);
    } else {
        dl_iterate_phdr(find_table, &table);
    }
    if (!table.first || table.count == 0)
        fail(mp__fail(-ENOTSUP, "mp_process_start: this program has no "
                                "table of initialisers"));
    if (table.first[table.count - 1] == myself)
        child_main();
    r = replace(&table.first[table.count - 1]);
    if (r < 0)
        fail(mp__fail(r,
                      "mp_process_start: the program's table of "
                      "initialisers is sealed: %s",
                      mp_strerror(r)));
}

/* Without the region, the record can only be written to as a file. */
static _Noreturn void
report_region(int fd, uintptr_t base, uintptr_t record, uint32_t serial, int r)
{
    char text[MP__ERROR_SIZE] = {0};
    uint64_t state = mp__state(serial, MP__FAILED, -r);
    off_t at = (off_t)(record - base);

    /* A region of another build of the library has its records elsewhere. */
    if (r == -EPROTO)
        _exit(1);
    snprintf(text, sizeof(text),
             "mp_process_start: the family's memory cannot be mapped at its "
             "address in the child: %s",
             mp_strerror(r));
    if (pwrite(fd, text, sizeof(text),
               at + (off_t)offsetof(mp_process, error)) > 0)
        (void)!pwrite(fd, &state, sizeof(state),
                      at + (off_t)offsetof(mp_process, state));
    _exit(1);
}

/* Closes all that the parent did not list. */
static void
close_leaks(const struct mp__parcel *parcel)
{
    int keep[MP__PASS_MAX + 8];
    int own[] = {mp__view.fd, parcel->signal, parcel->server,
                 parcel->watch.fd[MP__LIFE_ROOT],
                 parcel->watch.fd[MP__LIFE_PARENT]};
    size_t n = 0;

    for (size_t i = 0; i < MP__LENGTH(own); i++)
        if (own[i] >= 0) {
            mp__fd_set_cloexec(own[i], 1);
            keep[n++] = own[i];
        }
    for (uint64_t i = 0; i < parcel->pass_fds_count; i++)
        keep[n++] = parcel->pass_fds[i];
    mp__fds_close_others(keep, n);
}

static int
is_own_family(const char *uuid)
{
    char own[33];

    write_uuid(own);
    return strcmp(own, uuid) == 0;
}

/* Whether the record awaits this very process: not if the parent has died. */
static int
is_awaited(mp_process *p, uint32_t serial)
{
    return mp__process_ok(p) &&
           mp__load_acquire(&p->state) == mp__state(serial, MP__STARTING, 0) &&
           mp__load_acquire(&p->parcel) && getppid() == p->parent_pid;
}

/* Finds out, once, whether this is a spawned child; if so, joins the family.
 */
static void
look_for_parent(void)
{
    const char *variable;
    uintptr_t base, record;
    uint32_t serial;
    char uuid[33];
    int fd, n, r;

    if (child.looked)
        return;
    child.looked = 1;
    variable = secure_getenv(MP__CHILD_VARIABLE);
    if (!variable)
        return;
    n = sscanf(variable, format, &fd, &base, &record, &serial, uuid);
    unsetenv(MP__CHILD_VARIABLE);
    if (n != 5 || !mp__fd_is_memory(fd))
        return;
    r = mp__region_attach(fd);
    if (r < 0)
        report_region(fd, base, record, serial, r);
    if (!is_own_family(uuid))
        return;
    if (!is_awaited((mp_process *)record, serial))
        _exit(1);
    child.pending = 1;
    child.process = (mp_process *)record;
    child.serial = serial;
    close_leaks(mp__load_acquire(&child.process->parcel));
    mp__forkserver_inherit(mp__load_acquire(&child.process->parcel)->server);
}

int
mp__bootstrap_pending(void)
{
    look_for_parent();
    return child.pending;
}

/* Before all that have no priority: another initialiser that uses the library
 * must find itself in the family. */
__attribute__((constructor(101))) static void
bootstrap(int argc, char **argv, char **env)
{
    (void)argc;
    (void)argv;
    (void)env;
    if (mp__bootstrap_pending())
        run_after_initialisers(bootstrap);
}
