/* SPDX-License-Identifier: MIT */
/* Memory in the hands of those who die: the reaper gives it back, and only
 * that. */
#include "region/extents.h"
#include "region/heap.h"
#include "region/kin.h"
#include "region/mutex.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

struct scene {
    size_t size;
    int keep;
    void *block;
};

static int
die_with_block(void *arg)
{
    struct scene *scene = arg;

    must(mp__enter());
    scene->block = mp__block_alloc(scene->size, 0);
    memset(scene->block, 1, scene->size);
    if (scene->keep)
        mp__block_keep(scene->block);
    return raise(SIGKILL);
}

static const size_t sizes[] = {1, 100, 5000, 60000, 65536, 65537, 3000000};

START_TEST(hands_block_of_the_dead_comes_back)
{
    struct scene *scene = mp_new(struct scene);
    uint64_t before = heap_use();

    scene->size = sizes[_i];
    expect_killed(child(die_with_block, scene), SIGKILL);
    ck_assert_uint_eq(heap_use(), before); /* reaps */
    ck_assert_uint_eq(mp__block_size(scene->block), 0);
    must(mp_free(scene));
}
END_TEST

START_TEST(hands_block_that_was_kept_stays)
{
    struct scene *scene = mp_new(struct scene);
    uint64_t before = heap_use();

    scene->size = sizes[_i];
    scene->keep = 1;
    expect_killed(child(die_with_block, scene), SIGKILL);
    ck_assert_uint_eq(heap_use(), before + 1);
    for (size_t i = 0; i < scene->size; i++)
        if (((char *)scene->block)[i] != 1)
            ck_abort_msg("byte %zu has changed", i);
    must(mp_free(scene->block));
    ck_assert_uint_eq(heap_use(), before);
    must(mp_free(scene));
}
END_TEST

static int
die_with_three(void *unused)
{
    int zero;

    (void)unused;
    must(mp__enter());
    ck_assert_ptr_nonnull(mp__block_alloc(100, 1));
    ck_assert_ptr_nonnull(mp__block_alloc(100000, 1));
    ck_assert_ptr_nonnull(mp__extent_alloc(200000, MP__HAND_SEGMENT, &zero));
    return raise(SIGKILL);
}

START_TEST(hands_all_three_are_emptied)
{
    uint64_t before = heap_use();

    for (int i = 0; i < 20; i++)
        expect_killed(child(die_with_three, NULL), SIGKILL);
    ck_assert_uint_eq(heap_use(), before);
}
END_TEST

static int
end_with_three(void *unused, int i)
{
    int zero;

    (void)unused;
    (void)i;
    ck_assert_ptr_nonnull(mp__block_alloc(100, 1));
    ck_assert_ptr_nonnull(mp__block_alloc(100000, 1));
    ck_assert_ptr_nonnull(mp__extent_alloc(200000, MP__HAND_SEGMENT, &zero));
    return 0;
}

START_TEST(hands_of_threads_that_ended)
{
    uint64_t before = heap_use();

    kin_run(THREADS, 10, end_with_three, NULL);
    ck_assert_uint_eq(heap_use(), before);
}
END_TEST

/* A block was passed on under a mutex, whose repair tells the hand so. */
struct shelf {
    struct mp__mutex mutex;
    void *block;
    uint32_t intent_part;
    void *intent;
    mp__a32 die_after; /* the commit, or before it */
};

static void
repair_shelf(struct mp__mutex *mutex)
{
    struct shelf *shelf = MP__CONTAINER(mutex, struct shelf, mutex);

    if (shelf->intent && shelf->block == shelf->intent)
        mp__hand_clear_of(shelf->intent_part, mp__block_hand(shelf->intent),
                          shelf->intent);
    shelf->intent = NULL;
}

static int
put_on_shelf_and_die(void *arg)
{
    struct shelf *shelf = arg;
    void *block;

    must(mp__enter());
    block = mp__block_alloc(1000, 1);
    mp__hand_set(MP__HAND_BLOCK, block, &shelf->mutex);
    mp__mutex_lock(&shelf->mutex);
    shelf->intent_part = mp__me.index;
    shelf->intent = block;
    if (shelf->die_after)
        shelf->block = block;
    return raise(SIGKILL);
}

START_TEST(hands_reaper_asks_the_mutex_first)
{
    struct shelf *shelf = mp_new(struct shelf);
    uint64_t before = heap_use();

    mp__mutex_repair_with(MP__MUTEX_POOL, repair_shelf);
    mp__mutex_init(&shelf->mutex, MP__MUTEX_POOL);
    shelf->die_after = (uint32_t)_i;
    expect_killed(child(put_on_shelf_and_die, shelf), SIGKILL);
    ck_assert_uint_eq(heap_use(), before + (unsigned)_i);
    ck_assert_int_eq(shelf->block != NULL, _i);
    must(mp_free(shelf->block));
    must(mp_free(shelf));
}
END_TEST

/* ---- Freeing on behalf of another ---- */

struct loan {
    mp__a64 block;
    mp__a32 index;
};

static int
hold_block(void *arg, int unused)
{
    struct loan *loan = arg;

    (void)unused;
    mp__store(&loan->index, mp__me.index);
    mp__store(&loan->block, (uintptr_t)mp__block_alloc(500, 1));
    for (;;)
        pause();
    return 0;
}

START_TEST(hands_block_freed_for_its_holder)
{
    struct loan *loan = mp_new(struct loan);
    struct kin *kin = kin_start(PROCESSES, 1, hold_block, loan);
    uint64_t use;

    wait_until(mp__load(&loan->block) != 0, 20);
    use = heap_use();
    must(mp__block_free_for((void *)mp__load(&loan->block),
                            mp__load(&loan->index)));
    ck_assert_uint_eq(heap_use(), use - 1);
    ck_assert_int_eq(mp__block_free_for((void *)mp__load(&loan->block),
                                        mp__load(&loan->index)),
                     -EBADF);
    kin_kill(kin, 0);
    ck_assert_uint_eq(heap_use(), use - 1);
    kin_end(kin);
    must(mp_free(loan));
}
END_TEST

/* ---- Objects ---- */

START_TEST(hands_object_lives_from_publish_to_retire)
{
    uint64_t before = heap_now().objects[MP__SLAB_JOB];
    struct mp__object *a = mp__object_alloc(MP__SLAB_JOB, 192), *b;

    ck_assert_ptr_nonnull(a);
    ck_assert_uint_eq((uintptr_t)a % 64, 0);
    for (int i = 0; i < 192; i++)
        ck_assert_int_eq(((char *)a)[i], 0);
    ck_assert_int_eq(mp__object_ok(a, MP__SLAB_JOB), 0);
    mp__object_publish(a, MP__SLAB_JOB);
    ck_assert_int_eq(mp__object_ok(a, MP__SLAB_JOB), 1);
    for (int slab = 0; slab < MP__SLABS; slab++)
        ck_assert_int_eq(mp__object_ok(a, (enum mp__slab)slab),
                         slab == MP__SLAB_JOB);
    ck_assert_uint_eq(heap_now().objects[MP__SLAB_JOB], before + 1);
    ck_assert_int_eq(mp__object_retire(a, MP__SLAB_TASK), -EBADF);
    must(mp__object_retire(a, MP__SLAB_JOB));
    ck_assert_int_eq(mp__object_retire(a, MP__SLAB_JOB), -EBADF);
    ck_assert_int_eq(mp__object_ok(a, MP__SLAB_JOB), 0);
    mp__object_free(a, MP__SLAB_JOB);
    ck_assert_uint_eq(heap_now().objects[MP__SLAB_JOB], before);
    b = mp__object_alloc(MP__SLAB_JOB, 192); /* not the same one again */
    ck_assert_ptr_ne(a, b);
    mp__object_free(b, MP__SLAB_JOB);
}
END_TEST

struct duel {
    struct mp__object *object;
    mp__a32 won;
};

static int
retire(void *arg, int unused)
{
    struct duel *duel = arg;

    (void)unused;
    if (mp__object_retire(duel->object, MP__SLAB_JOB) == 0)
        mp__add(&duel->won, 1);
    return 0;
}

START_TEST(hands_object_is_retired_once)
{
    struct duel *duel = mp_new(struct duel);

    duel->object = mp__object_alloc(MP__SLAB_JOB, 192);
    mp__object_publish(duel->object, MP__SLAB_JOB);
    kin_run((enum kin_how)_i, 4, retire, duel);
    ck_assert_uint_eq(mp__load(&duel->won), 1);
    mp__object_free(duel->object, MP__SLAB_JOB);
    must(mp_free(duel));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("hands");
    TCase *tcase = mp_test_case(suite, "hands", 30);

    tcase_add_loop_test(tcase, hands_block_of_the_dead_comes_back, 0,
                        LENGTH(sizes));
    tcase_add_loop_test(tcase, hands_block_that_was_kept_stays, 0,
                        LENGTH(sizes));
    tcase_add_test(tcase, hands_all_three_are_emptied);
    tcase_add_test(tcase, hands_of_threads_that_ended);
    tcase_add_loop_test(tcase, hands_reaper_asks_the_mutex_first, 0, 2);
    tcase_add_test(tcase, hands_block_freed_for_its_holder);
    tcase = mp_test_case(suite, "objects", 30);
    tcase_add_test(tcase, hands_object_lives_from_publish_to_retire);
    tcase_add_loop_test(tcase, hands_object_is_retired_once, 0, 2);
    return mp_test_main(suite);
}
