/* SPDX-License-Identifier: MIT */
/* How often the system has killed for lack of memory, told by files that are
 * made up, below a root of our own. */
#include "os/oom.h"
#include "support/support.h"
#include "support/tree.h"

#define V2_MOUNT "30 20 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n"
#define V1_MOUNT \
    "31 20 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"

START_TEST(nothing_tells_nothing_happened)
{
    ck_assert_uint_eq(mp__oom_kills(tree_root), 0);
    tree_put("/proc/vmstat", "nr_free_pages 7\n");
    ck_assert_uint_eq(mp__oom_kills(tree_root), 0);
}
END_TEST

START_TEST(machine_counts_where_no_group_does)
{
    tree_put("/proc/vmstat", "nr_free_pages 7\noom_kill 5\nother 6\n");
    tree_put("/proc/self/cgroup", "0::/\n");
    tree_put("/proc/self/mountinfo", V2_MOUNT);
    ck_assert_uint_eq(mp__oom_kills(tree_root), 5);
}
END_TEST

START_TEST(own_group_counts_first)
{
    tree_put("/proc/vmstat", "oom_kill 5\n");
    tree_put("/proc/self/cgroup", "0::/a/b\n");
    tree_put("/proc/self/mountinfo", V2_MOUNT);
    tree_put("/sys/fs/cgroup/a/memory.events", "oom 9\noom_kill 9\n");
    ck_assert_uint_eq(mp__oom_kills(tree_root), 9);
    tree_put("/sys/fs/cgroup/a/b/memory.events",
             "low 0\nhigh 0\nmax 4\noom 4\noom_kill 3\noom_group_kill 8\n");
    ck_assert_uint_eq(mp__oom_kills(tree_root), 3);
}
END_TEST

START_TEST(groups_of_version_1_count)
{
    tree_put("/proc/vmstat", "oom_kill 5\n");
    tree_put("/proc/self/cgroup", "4:memory:/a\n0::/\n");
    tree_put("/proc/self/mountinfo", V1_MOUNT);
    tree_put("/sys/fs/cgroup/memory/a/memory.oom_control",
             "oom_kill_disable 8\nunder_oom 0\noom_kill 2\n");
    ck_assert_uint_eq(mp__oom_kills(tree_root), 2);
}
END_TEST

START_TEST(count_never_falls)
{
    uint64_t before = mp__oom_kills("");

    ck_assert_uint_ge(mp__oom_kills(""), before);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("oom");
    TCase *tcase = mp_test_case(suite, "oom", 10);

    tcase_add_checked_fixture(tcase, tree_make, tree_remove);
    tcase_add_test(tcase, nothing_tells_nothing_happened);
    tcase_add_test(tcase, machine_counts_where_no_group_does);
    tcase_add_test(tcase, own_group_counts_first);
    tcase_add_test(tcase, groups_of_version_1_count);
    tcase_add_test(tcase, count_never_falls);
    return mp_test_main(suite);
}
