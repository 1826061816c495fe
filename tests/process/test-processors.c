/* SPDX-License-Identifier: MIT */
/* The number of processors: affinity, and quotas of control groups in made-up
 * file systems. */
#include "family.h"

#include "os/cpu.h"
#include "support/tree.h"

#include <sched.h>

#define V2_MOUNT \
    "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n"
#define V1_MOUNT                                                        \
    "31 23 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n" \
    "32 23 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup "       \
    "rw,cpu,cpuacct\n"                                                  \
    "33 23 0:29 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"

START_TEST(G38_quota_where_there_is_none)
{
    ck_assert_int_eq(mp__cpu_quota(tree_root), 0); /* no /proc at all */
    tree_put("/proc/self/cgroup", "0::/a/b\n");
    tree_put("/proc/self/mountinfo", V2_MOUNT);
    ck_assert_int_eq(mp__cpu_quota(tree_root), 0);
    tree_put("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
    ck_assert_int_eq(mp__cpu_quota(tree_root), 0);
}
END_TEST

START_TEST(G38_quota_v2_is_rounded_up)
{
    const struct {
        const char *text;
        int cpus;
    } cases[] = {{"100000 100000\n", 1},
                 {"50000 100000\n", 1},
                 {"150000 100000\n", 2},
                 {"400000 100000\n", 4},
                 {"1000 100000\n", 1},
                 {"nonsense\n", 0},
                 {"", 0},
                 {"100000\n", 0},
                 {"100000 0\n", 0}};

    tree_put("/proc/self/cgroup", "0::/a\n");
    tree_put("/proc/self/mountinfo", V2_MOUNT);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        tree_put("/sys/fs/cgroup/a/cpu.max", cases[i].text);
        ck_assert_int_eq(mp__cpu_quota(tree_root), cases[i].cpus);
    }
}
END_TEST

START_TEST(G38_quota_v2_of_ancestors_counts)
{
    tree_put("/proc/self/cgroup", "0::/a/b/c\n");
    tree_put("/proc/self/mountinfo", V2_MOUNT);
    tree_put("/sys/fs/cgroup/a/b/c/cpu.max", "800000 100000\n");
    ck_assert_int_eq(mp__cpu_quota(tree_root), 8);
    tree_put("/sys/fs/cgroup/a/cpu.max", "300000 100000\n");
    ck_assert_int_eq(mp__cpu_quota(tree_root), 3);
    tree_put("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
    ck_assert_int_eq(mp__cpu_quota(tree_root), 3);
    /* A container's own group is its mount's tree_root, with a limit in it. */
    tree_put("/sys/fs/cgroup/cpu.max", "200000 100000\n");
    ck_assert_int_eq(mp__cpu_quota(tree_root), 2);
}
END_TEST

START_TEST(G38_quota_v1_of_ancestors_counts)
{
    tree_put("/proc/self/cgroup",
             "4:memory:/m\n3:cpuset:/s\n"
             "2:cpu,cpuacct:/a/b\n1:name=systemd:/x\n0::/\n");
    tree_put("/proc/self/mountinfo", V1_MOUNT);
    tree_put("/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us", "-1\n");
    tree_put("/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_period_us", "100000\n");
    ck_assert_int_eq(mp__cpu_quota(tree_root), 0);
    tree_put("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "250000\n");
    tree_put("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n");
    ck_assert_int_eq(mp__cpu_quota(tree_root), 3);
    /* Other controllers' groups do not count. */
    tree_put("/sys/fs/cgroup/cpuset/s/cpu.cfs_quota_us", "1\n");
    tree_put("/sys/fs/cgroup/cpuset/s/cpu.cfs_period_us", "1\n");
    ck_assert_int_eq(mp__cpu_quota(tree_root), 3);
}
END_TEST

START_TEST(G38_quota_of_a_container_with_a_partial_mount)
{
    tree_put("/proc/self/cgroup", "2:cpu,cpuacct:/docker/abc\n");
    tree_put("/proc/self/mountinfo",
             "32 23 0:28 /docker/abc /sys/fs/cgroup/cpu rw - cgroup cgroup "
             "rw,cpu,cpuacct\n");
    tree_put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "120000\n");
    tree_put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    ck_assert_int_eq(mp__cpu_quota(tree_root), 2);
    tree_put("/proc/self/cgroup", "2:cpu,cpuacct:/docker/abc/inner\n");
    tree_put("/sys/fs/cgroup/cpu/inner/cpu.cfs_quota_us", "50000\n");
    tree_put("/sys/fs/cgroup/cpu/inner/cpu.cfs_period_us", "100000\n");
    ck_assert_int_eq(mp__cpu_quota(tree_root), 1);
    tree_put("/proc/self/cgroup", "2:cpu,cpuacct:/elsewhere\n");
    ck_assert_int_eq(mp__cpu_quota(tree_root), 2);
}
END_TEST

START_TEST(G38_count_obeys_affinity)
{
    cpu_set_t all, one;
    int count = mp_cpu_count();

    ck_assert_int_eq(sched_getaffinity(0, sizeof(all), &all), 0);
    ck_assert_int_ge(count, 1);
    ck_assert_int_le(count, CPU_COUNT(&all));
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
        if (CPU_ISSET(i, &all))
            CPU_SET(i, &one);
    ck_assert_int_eq(sched_setaffinity(0, sizeof(one), &one), 0);
    ck_assert_int_eq(mp_cpu_count(), 1);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("processors");
    TCase *tcase = mp_test_case(suite, "quota", 5);

    tcase_add_checked_fixture(tcase, tree_make, tree_remove);
    tcase_add_test(tcase, G38_quota_where_there_is_none);
    tcase_add_test(tcase, G38_quota_v2_is_rounded_up);
    tcase_add_test(tcase, G38_quota_v2_of_ancestors_counts);
    tcase_add_test(tcase, G38_quota_v1_of_ancestors_counts);
    tcase_add_test(tcase, G38_quota_of_a_container_with_a_partial_mount);
    tcase_add_test(tcase, G38_count_obeys_affinity);
    return mp_test_main(suite);
}
