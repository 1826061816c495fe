/* SPDX-License-Identifier: MIT */
/* What the kernel does with the pending slot of a thread that dies. */
#include "os/futex.h"
#include "os/robust.h"
#include "support/support.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

struct shared {
    mp__a32 word;
    mp__a32 ready;
};

static struct shared *shared;

static void
setup(void)
{
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(shared, MAP_FAILED);
}

static uint32_t
own_id(void)
{
    return (uint32_t)syscall(SYS_gettid);
}

static int
die_with_word(void *armed)
{
    struct mp__robust_head *head = mp__robust_head();

    mp__robust_arm(head, &shared->word);
    mp__store(&shared->word, own_id() | FUTEX_WAITERS);
    if (!*(int *)armed)
        mp__robust_disarm(head);
    return raise(SIGKILL);
}

START_TEST(robust_pending_word_of_the_dead_is_marked)
{
    int armed = 1;

    expect_killed(child(die_with_word, &armed), SIGKILL);
    ck_assert_uint_eq(mp__load(&shared->word),
                      FUTEX_OWNER_DIED | FUTEX_WAITERS);
}
END_TEST

START_TEST(robust_disarmed_word_stays)
{
    int armed = 0;
    pid_t pid = child(die_with_word, &armed);

    expect_killed(pid, SIGKILL);
    ck_assert_uint_eq(mp__load(&shared->word), (uint32_t)pid | FUTEX_WAITERS);
}
END_TEST

static int
sleep_on_word(void *unused)
{
    uint32_t seen = mp__load(&shared->word);

    (void)unused;
    mp__store(&shared->ready, 1);
    while (mp__load(&shared->word) == seen)
        mp__futex_wait(&shared->word, seen, MP_FOREVER);
    return 0;
}

static int
wait_to_be_killed(void *unused)
{
    (void)unused;
    mp__robust_arm(mp__robust_head(), &shared->word);
    mp__store(&shared->word, own_id() | FUTEX_WAITERS);
    for (;;)
        pause();
    return 0;
}

START_TEST(robust_death_wakes_a_sleeper)
{
    pid_t owner = child(wait_to_be_killed, NULL), sleeper;

    wait_until(mp__load(&shared->word) != 0, 10);
    sleeper = child(sleep_on_word, NULL);
    wait_until(mp__load(&shared->ready) && process_state(sleeper) == 'S', 10);
    kill_and_reap(owner);
    expect_exit(sleeper, 0);
}
END_TEST

static void *
end_with_word(void *unused)
{
    (void)unused;
    mp__robust_arm(mp__robust_head(), &shared->word);
    mp__store(&shared->word, own_id() | FUTEX_WAITERS);
    return NULL;
}

START_TEST(robust_end_of_a_thread_counts_as_death)
{
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, end_with_word, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_uint_eq(mp__load(&shared->word),
                      FUTEX_OWNER_DIED | FUTEX_WAITERS);
}
END_TEST

static int
execute_with_word(void *unused)
{
    static char name[] = "/bin/true";
    char *arguments[] = {name, NULL};

    (void)unused;
    mp__robust_arm(mp__robust_head(), &shared->word);
    mp__store(&shared->word, own_id() | FUTEX_WAITERS);
    execv(arguments[0], arguments);
    return 1;
}

START_TEST(robust_exec_counts_as_death)
{
    expect_exit(child(execute_with_word, NULL), 0);
    ck_assert_uint_eq(mp__load(&shared->word),
                      FUTEX_OWNER_DIED | FUTEX_WAITERS);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("robust");
    TCase *tcase = mp_test_case(suite, "robust", 20);

    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, robust_pending_word_of_the_dead_is_marked);
    tcase_add_test(tcase, robust_disarmed_word_stays);
    tcase_add_test(tcase, robust_death_wakes_a_sleeper);
    tcase_add_test(tcase, robust_end_of_a_thread_counts_as_death);
    tcase_add_test(tcase, robust_exec_counts_as_death);
    return mp_test_main(suite);
}
