/* SPDX-License-Identifier: MIT */
/* To be preloaded into a spawned child: takes the address of its family's
 * region, or the room for it, or the life of its parent, before the program
 * has begun. */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

static void
take_address(void)
{
    const char *variable = getenv("MPROC_CHILD");
    unsigned long base;

    if (variable && sscanf(variable, "%*d:%lx:", &base) == 1)
        mmap((void *)(uintptr_t)base, 4096, PROT_NONE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

static void
take_room(void)
{
    const struct rlimit limit = {1 << 30, 1 << 30};

    setrlimit(RLIMIT_AS, &limit);
}

static void
kill_parent(void)
{
    pid_t parent = getppid();

    kill(parent, SIGKILL);
    while (getppid() == parent)
        usleep(1000);
}

__attribute__((constructor)) static void
occupy(void)
{
    const char *what = getenv("OCCUPANT");

    if (what && strcmp(what, "address") == 0)
        take_address();
    else if (what && strcmp(what, "room") == 0)
        take_room();
    else if (what && strcmp(what, "parent") == 0)
        kill_parent();
}
