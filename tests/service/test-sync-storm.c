/* SPDX-License-Identifier: MIT */
/* Programs of other families and the family's own processes share a lock, and a
 * condition, and are killed at random. Who is left goes on, and has seen nothing
 * half done that it was not told of. */
#include "service/puppet.h"

#include "os/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define PUPPETS 4
#define LOCALS  2
#define KILLS   60
#define MS      ((mp_time)1000000)

/* What both sides know, each by its own handles. */
static struct {
    mp_lock *lock;
    mp_array *pair; /* two numbers, the same unless somebody is at work */
    mp_condition *condition;
    mp_value *tokens;
} my;

/* 0: it was at work once, and all was in order; else below 0, or the line. */
typedef long work_fn(void);

static long
mend(void)
{
    long n;
    int r = mp_array_get(my.pair, 0, &n);

    return r < 0 ? r : mp_array_set(my.pair, 1, n);
}

/* Raises both. */
static long
raise_pair(void)
{
    int r = mp_lock_acquire(my.lock, MP_FOREVER);
    long a, b;

    if (r == -EOWNERDEAD)
        r = (int)mend();
    if (r < 0 || (r = mp_array_get(my.pair, 0, &a)) < 0 ||
        (r = mp_array_get(my.pair, 1, &b)) < 0)
        return r;
    if (a != b)
        return __LINE__; /* it was not told */
    if ((r = mp_array_set(my.pair, 0, a + 1)) < 0 ||
        (r = mp_array_set(my.pair, 1, a + 1)) < 0)
        return r;
    return mp_lock_release(my.lock);
}

/* Who is told of a death: the dead may have been notified. */
static int
tell_all(int r)
{
    return r == -EOWNERDEAD ? mp_condition_notify_all(my.condition) : r;
}

/* Takes a token; waits until there is one. */
static long
take_token(void)
{
    int r = tell_all(mp_condition_acquire(my.condition, MP_FOREVER));
    long n = 0;

    while (r == 0 && (r = mp_value_get(my.tokens, &n)) == 0 && n == 0)
        r = tell_all(mp_condition_wait(my.condition, MP_FOREVER));
    if (r < 0 || (r = mp_value_set(my.tokens, n - 1)) < 0)
        return r;
    return mp_condition_release(my.condition);
}

static void
put_token(void)
{
    int r = tell_all(mp_condition_acquire(my.condition, MP_FOREVER));
    long n;

    must(r);
    must(mp_value_get(my.tokens, &n));
    must(mp_value_set(my.tokens, n + 1));
    must(mp_condition_notify(my.condition, 1));
    must(mp_condition_release(my.condition));
}

/* ---- Puppets ---- */

static long
work(work_fn *fn)
{
    long r;

    do
        r = fn();
    while (r == 0);
    if (r < 0)
        fprintf(stderr, "puppet: %ld: %s\n", r, mp_last_error());
    return r;
}

static long
raise_pairs(long unused)
{
    (void)unused;
    return work(raise_pair);
}

static long
take_tokens(long unused)
{
    (void)unused;
    return work(take_token);
}

static const struct trick tricks[] = {
    {"raise_pairs", raise_pairs},
    {"take_tokens", take_tokens},
};

static int
puppet(const char *address, int number)
{
    mp_manager *manager = kit_connect(address);

    (void)number;
    my.lock = kit_lookup(manager, "lock", "lock");
    my.pair = kit_lookup(manager, "pair", "array");
    my.condition = kit_lookup(manager, "condition", "condition");
    my.tokens = kit_lookup(manager, "tokens", "value");
    return puppet_play(tricks, LENGTH(tricks));
}

const struct role roles[] = {{"puppet", puppet}, {NULL, NULL}};

/* ---- The family ---- */

struct stage {
    mp_manager *manager;
    const char *trick;
    struct remote *puppets[PUPPETS];
    mp__a32 over;
};

static void
start_puppet(struct stage *stage, int i)
{
    struct remote *made =
        remote_start("puppet", mp_manager_address(stage->manager), 0);

    must(puppet_hear(made));
    puppet_say(made, stage->trick, 0);
    stage->puppets[i] = made;
}

/* It must be at work still. */
static void
kill_puppet(struct stage *stage, int i)
{
    if (!puppet_is_busy(stage->puppets[i]))
        ck_assert_int_eq(puppet_hear(stage->puppets[i]), 0);
    remote_kill(stage->puppets[i]);
}

static struct stage *
stage_new(int tcp, const char *trick)
{
    mp_manager *manager = kit_start(tcp ? "tcp:127.0.0.1:0" : "unix:");
    struct stage *stage = mp_alloc(sizeof(*stage));

    stage->manager = manager;
    stage->trick = trick;
    must(mp_lock_create(&my.lock, NULL));
    must(mp_array_create(&my.pair, 'l', 2, NULL));
    must(mp_condition_create(&my.condition, NULL));
    must(mp_value_create(&my.tokens, 'l', 0));
    must(mp_manager_publish(manager, "lock", my.lock));
    must(mp_manager_publish(manager, "pair", my.pair));
    must(mp_manager_publish(manager, "condition", my.condition));
    must(mp_manager_publish(manager, "tokens", my.tokens));
    for (int i = 0; i < PUPPETS; i++)
        start_puppet(stage, i);
    return stage;
}

static void
stage_end(struct stage *stage)
{
    kit_shutdown(stage->manager);
    must(mp_lock_destroy(my.lock));
    must(mp_array_destroy(my.pair));
    must(mp_condition_destroy(my.condition));
    must(mp_value_destroy(my.tokens));
    must(mp_free(stage));
}

static unsigned
seed(void)
{
    unsigned x = (unsigned)mp__now();

    fprintf(stderr, "seed %u\n", x);
    return x;
}

static int
raises_pairs(void *arg, int i)
{
    struct stage *stage = arg;
    long r = 0;

    (void)i;
    while (r == 0 && !mp__load(&stage->over))
        r = raise_pair();
    return r != 0;
}

START_TEST(G02_lock_in_a_storm_of_killed_programs)
{
    struct stage *stage = stage_new(_i, "raise_pairs");
    struct kin *kin = kin_start(PROCESSES, LOCALS, raises_pairs, stage);
    unsigned x = seed();
    long before, after;

    for (int i = 0; i < KILLS; i++) {
        int victim = rand_r(&x) % PUPPETS;

        usleep(rand_r(&x) % 10000);
        kill_puppet(stage, victim);
        start_puppet(stage, victim);
    }
    must(raise_pair());
    must(mp_array_get(my.pair, 0, &before));
    for (int i = 0; i < PUPPETS; i++)
        kill_puppet(stage, i);
    mp__store(&stage->over, 1);
    kin_end(kin);
    must(raise_pair());
    must(mp_array_get(my.pair, 1, &after));
    ck_assert_int_gt(before, KILLS);
    ck_assert_int_gt(after, before);
    stage_end(stage);
}
END_TEST

static int
takes_tokens(void *arg, int i)
{
    struct stage *stage = arg;
    long r = 0;

    (void)i;
    while (r == 0 && !mp__load(&stage->over))
        r = take_token();
    return r != 0;
}

/* Who is left gets all tokens: no notification is lost with the dead. */
START_TEST(G04_condition_in_a_storm_of_killed_programs)
{
    struct stage *stage = stage_new(_i, "take_tokens");
    struct kin *kin = kin_start(PROCESSES, 1, takes_tokens, stage);
    unsigned x = seed();
    mp_time late;
    long left;

    for (int i = 0; i < KILLS; i++) {
        int victim = rand_r(&x) % PUPPETS;

        for (int n = rand_r(&x) % 8; n > 0; n--)
            put_token();
        usleep(rand_r(&x) % 10000);
        kill_puppet(stage, victim);
        start_puppet(stage, victim);
    }
    late = mp__now() + 60000 * MS;
    do {
        usleep(1000);
        must(mp_value_get(my.tokens, &left));
        ck_assert_msg(mp__now() < late, "%ld tokens are left", left);
    } while (left > 0);
    for (int i = 0; i < PUPPETS; i++)
        kill_puppet(stage, i);
    mp__store(&stage->over, 1);
    put_token();
    kin_end(kin);
    stage_end(stage);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite = suite_create("sync-storm");
    TCase *tcase = mp_test_case(suite, "storm", 120);

    tcase_add_loop_test(tcase, G02_lock_in_a_storm_of_killed_programs, 0, 2);
    tcase_add_loop_test(tcase, G04_condition_in_a_storm_of_killed_programs, 0,
                        2);
    return kit_main(argc, argv, suite);
}
