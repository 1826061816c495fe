/* SPDX-License-Identifier: MIT */
/* Four tellers count votes into one dict.
 *
 * To read a number and to write it back one larger are two steps, and between
 * them others would do the same: so one of the two counts is guarded by a lock.
 * The other is increased in one step, and needs none. */
#include "tour.h"

#include <stdio.h>

enum { TELLERS = 4, VOTES = 250 };

struct count {
    mp_dict *dict;
    mp_lock *lock;
};

static void
count_under_lock(struct count *count)
{
    int n;

    MUST(mp_lock_acquire(count->lock, MP_FOREVER));
    MUST(mp_dict_get(count->dict, "s", "under the lock", "i", &n));
    MUST(mp_dict_set(count->dict, "s", "under the lock", "i", n + 1));
    MUST(mp_lock_release(count->lock));
}

static int
tell(void *arg)
{
    struct count *count = arg;

    for (int i = 0; i < VOTES; i++) {
        count_under_lock(count);
        MUST(mp_dict_add_int(count->dict, 1, NULL, "s", "in one step"));
    }
    return 0;
}

void
scene_votes(void)
{
    char text[100] = "";
    FILE *out = fmemopen(text, sizeof(text), "w");
    mp_process *tellers[TELLERS];
    mp_manager *manager;
    struct count count;

    MUST(mp_manager_start(&manager, NULL));
    MUST(mp_manager_dict(manager, &count.dict));
    MUST(mp_manager_lock(manager, &count.lock));
    MUST(mp_dict_set(count.dict, "s", "under the lock", "i", 0));

    start_crowd(tellers, TELLERS, "teller", tell, &count, sizeof(count));
    CLAIM(join_crowd(tellers, TELLERS) == TELLERS);
    CLAIM(out != NULL);
    MUST(mp_dict_print(count.dict, out));
    fclose(out);
    say("%d votes: %s", TELLERS * VOTES, text);
    MUST(mp_manager_shutdown(manager));
}
