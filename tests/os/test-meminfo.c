/* SPDX-License-Identifier: MIT */
/* How much memory there is to be had: of the system, and of control groups.
 * The files that tell are made up, below a root of our own. */
#include "os/meminfo.h"
#include "support/support.h"
#include "support/tree.h"

#define KIB ((uint64_t)1024)

#define V2_MOUNT "30 20 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n"
#define V1_MOUNT \
    "31 20 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"

START_TEST(meminfo_unknown_is_no_limit)
{
    ck_assert_uint_eq(mp__memory_available(tree_root), UINT64_MAX);
    tree_put("/proc/meminfo", "");
    ck_assert_uint_eq(mp__memory_available(tree_root), UINT64_MAX);
    tree_put("/proc/meminfo", "MemTotal: 10 kB\nSwapFree: 5 kB\n");
    ck_assert_uint_eq(mp__memory_available(tree_root), UINT64_MAX);
}
END_TEST

START_TEST(meminfo_adds_swap)
{
    tree_put("/proc/meminfo", "MemTotal:       4000 kB\n"
                              "MemFree:        1000 kB\n"
                              "MemAvailable:   2000 kB\n");
    ck_assert_uint_eq(mp__memory_available(tree_root), 2000 * KIB);
    tree_put("/proc/meminfo", "MemTotal:       4000 kB\n"
                              "MemAvailable:   2000 kB\n"
                              "SwapTotal:      9000 kB\n"
                              "SwapFree:        300 kB\n");
    ck_assert_uint_eq(mp__memory_available(tree_root), 2300 * KIB);
}
END_TEST

START_TEST(meminfo_obeys_groups_v2)
{
    tree_put("/proc/meminfo", "MemAvailable: 2000 kB\n");
    tree_put("/proc/self/cgroup", "0::/a/b\n");
    tree_put("/proc/self/mountinfo", V2_MOUNT);
    tree_put("/sys/fs/cgroup/a/b/memory.max", "max\n");
    tree_put("/sys/fs/cgroup/a/b/memory.current", "5000\n");
    ck_assert_uint_eq(mp__memory_available(tree_root), 2000 * KIB);
    tree_put("/sys/fs/cgroup/a/b/memory.max", "105000\n");
    ck_assert_uint_eq(mp__memory_available(tree_root), 100000);
    /* ... and those above */
    tree_put("/sys/fs/cgroup/a/memory.max", "60000\n");
    tree_put("/sys/fs/cgroup/a/memory.current", "50000\n");
    ck_assert_uint_eq(mp__memory_available(tree_root), 10000);
    tree_put("/sys/fs/cgroup/a/memory.current", "70000\n");
    ck_assert_uint_eq(mp__memory_available(tree_root), 0);
}
END_TEST

START_TEST(meminfo_obeys_groups_v1)
{
    tree_put("/proc/meminfo", "MemAvailable: 2000 kB\n");
    tree_put("/proc/self/cgroup", "4:memory:/m\n2:cpu:/c\n0::/\n");
    tree_put("/proc/self/mountinfo", V1_MOUNT);
    tree_put("/sys/fs/cgroup/memory/m/memory.limit_in_bytes",
             "9223372036854771712\n");
    tree_put("/sys/fs/cgroup/memory/m/memory.usage_in_bytes", "5000\n");
    ck_assert_uint_eq(mp__memory_available(tree_root), 2000 * KIB);
    tree_put("/sys/fs/cgroup/memory/m/memory.limit_in_bytes", "25000\n");
    ck_assert_uint_eq(mp__memory_available(tree_root), 20000);
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

    tcase_add_checked_fixture(tcase, tree_make, tree_remove);
    tcase_add_test(tcase, meminfo_unknown_is_no_limit);
    tcase_add_test(tcase, meminfo_adds_swap);
    tcase_add_test(tcase, meminfo_obeys_groups_v2);
    tcase_add_test(tcase, meminfo_obeys_groups_v1);
    tcase_add_test(tcase, meminfo_spares_a_reserve);
    return mp_test_main(suite);
}
