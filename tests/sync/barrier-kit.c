/* SPDX-License-Identifier: MIT */
#include "sync/barrier-kit.h"

struct stage *
stage_for(uint32_t parties)
{
    struct stage *stage = mp_new(struct stage);

    ck_assert_ptr_nonnull(stage);
    must(mp_barrier_create(&stage->barrier, parties, NULL));
    if (mp__view.tier == MP__TIER_FULL)
        mp__view.slice = mp__gate_slice = (mp_time)3600 * 1000000000;
    return stage;
}

void
end_stage(struct stage *stage)
{
    must(mp_barrier_destroy(stage->barrier));
    must(mp_free(stage));
}

int
wait_once(void *arg, int i)
{
    struct stage *stage = arg;

    mp__store(&stage->results[i],
              (uint32_t)mp_barrier_wait(stage->barrier, MP_FOREVER));
    return mp__me.head->pending != NULL;
}

int
wait_and_linger(void *arg, int i)
{
    struct stage *stage = arg;
    int r = wait_once(arg, i);

    mp__add(&stage->through, 1);
    wait_until(mp__load(&stage->go), 60);
    return r;
}

struct kin *
sleepers_with(struct stage *stage, enum kin_how how, int n, kin_fn *fn)
{
    struct kin *kin = kin_start(how, n, fn, stage);

    wait_until(mp_barrier_n_waiting(stage->barrier) == n, 20);
    kin_await_sleep(kin);
    return kin;
}

struct kin *
sleepers(struct stage *stage, enum kin_how how, int n)
{
    return sleepers_with(stage, how, n, wait_once);
}

void
ended_with(struct kin *kin, struct stage *stage, int result, int except)
{
    int n = kin->n;

    kin_end(kin);
    for (int i = 0; i < n; i++)
        if (i != except)
            ck_assert_int_eq((int)stage->results[i], result);
}

void
goes_round(struct stage *stage, enum kin_how how)
{
    int n = mp_barrier_parties(stage->barrier) - 1;
    struct kin *kin = sleepers(stage, how, n);

    ck_assert_int_ge(mp_barrier_wait(stage->barrier, MP_NOW), 0);
    kin_end(kin);
    for (int i = 0; i < n; i++)
        ck_assert_int_ge((int)stage->results[i], 0);
}
