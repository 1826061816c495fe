/* SPDX-License-Identifier: MIT */
/* How much memory there is to be had: of the system, and of control groups.
 * The files that tell are made up, below a root of our own. */
#include "os/meminfo.h"
#include "support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KIB ((uint64_t)1024)

#define V2_MOUNT "30 20 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n"
#define V1_MOUNT \
    "31 20 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"

static char root[] = P_tmpdir "/mproc-test-XXXXXX";

static void
make_root(void)
{
    ck_assert_ptr_nonnull(mkdtemp(root));
}

static void
remove_root(void)
{
    char command[200];

    snprintf(command, sizeof(command), "rm -rf %s", root);
    ck_assert_int_eq(system(command), 0);
    strcpy(root + strlen(root) - 6, "XXXXXX");
}

/* Writes a file below the root, making its directories. */
static void
put(const char *name, const char *text)
{
    char path[300];
    FILE *file;

    snprintf(path, sizeof(path), "%s%s", root, name);
    for (char *slash = path + strlen(root) + 1; (slash = strchr(slash, '/'));
         slash++) {
        *slash = 0;
        mkdir(path, 0700);
        *slash = '/';
    }
    file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
}

START_TEST(meminfo_unknown_is_no_limit)
{
    ck_assert_uint_eq(mp__memory_available(root), UINT64_MAX);
    put("/proc/meminfo", "");
    ck_assert_uint_eq(mp__memory_available(root), UINT64_MAX);
    put("/proc/meminfo", "MemTotal: 10 kB\nSwapFree: 5 kB\n");
    ck_assert_uint_eq(mp__memory_available(root), UINT64_MAX);
}
END_TEST

START_TEST(meminfo_adds_swap)
{
    put("/proc/meminfo", "MemTotal:       4000 kB\n"
                         "MemFree:        1000 kB\n"
                         "MemAvailable:   2000 kB\n");
    ck_assert_uint_eq(mp__memory_available(root), 2000 * KIB);
    put("/proc/meminfo", "MemTotal:       4000 kB\n"
                         "MemAvailable:   2000 kB\n"
                         "SwapTotal:      9000 kB\n"
                         "SwapFree:        300 kB\n");
    ck_assert_uint_eq(mp__memory_available(root), 2300 * KIB);
}
END_TEST

START_TEST(meminfo_obeys_groups_v2)
{
    put("/proc/meminfo", "MemAvailable: 2000 kB\n");
    put("/proc/self/cgroup", "0::/a/b\n");
    put("/proc/self/mountinfo", V2_MOUNT);
    put("/sys/fs/cgroup/a/b/memory.max", "max\n");
    put("/sys/fs/cgroup/a/b/memory.current", "5000\n");
    ck_assert_uint_eq(mp__memory_available(root), 2000 * KIB);
    put("/sys/fs/cgroup/a/b/memory.max", "105000\n");
    ck_assert_uint_eq(mp__memory_available(root), 100000);
    /* ... and those above */
    put("/sys/fs/cgroup/a/memory.max", "60000\n");
    put("/sys/fs/cgroup/a/memory.current", "50000\n");
    ck_assert_uint_eq(mp__memory_available(root), 10000);
    put("/sys/fs/cgroup/a/memory.current", "70000\n");
    ck_assert_uint_eq(mp__memory_available(root), 0);
}
END_TEST

START_TEST(meminfo_obeys_groups_v1)
{
    put("/proc/meminfo", "MemAvailable: 2000 kB\n");
    put("/proc/self/cgroup", "4:memory:/m\n2:cpu:/c\n0::/\n");
    put("/proc/self/mountinfo", V1_MOUNT);
    put("/sys/fs/cgroup/memory/m/memory.limit_in_bytes",
        "9223372036854771712\n");
    put("/sys/fs/cgroup/memory/m/memory.usage_in_bytes", "5000\n");
    ck_assert_uint_eq(mp__memory_available(root), 2000 * KIB);
    put("/sys/fs/cgroup/memory/m/memory.limit_in_bytes", "25000\n");
    ck_assert_uint_eq(mp__memory_available(root), 20000);
}
END_TEST

START_TEST(meminfo_spares_a_reserve)
{
    uint64_t mib = KIB * KIB;

    ck_assert_uint_eq(mp__memory_spare(0), 0);
    ck_assert_uint_eq(mp__memory_spare(16 * mib), 0);
    ck_assert_uint_eq(mp__memory_spare(17 * mib), mib);
    ck_assert_uint_eq(mp__memory_spare(3200 * mib), 3100 * mib);
    ck_assert_uint_gt(mp__memory_spare(UINT64_MAX), UINT64_MAX / 2);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("meminfo");
    TCase *tcase = mp_test_case(suite, "meminfo", 20);

    tcase_add_checked_fixture(tcase, make_root, remove_root);
    tcase_add_test(tcase, meminfo_unknown_is_no_limit);
    tcase_add_test(tcase, meminfo_adds_swap);
    tcase_add_test(tcase, meminfo_obeys_groups_v2);
    tcase_add_test(tcase, meminfo_obeys_groups_v1);
    tcase_add_test(tcase, meminfo_spares_a_reserve);
    return mp_test_main(suite);
}
