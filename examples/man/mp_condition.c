/* SPDX-License-Identifier: MIT */
/* A letter box with room for two: who writes waits while it is full, who
 * reads while it is empty. */
#include <mproc.h>
#include <stdio.h>

enum { ROOM = 2, LETTERS = 5 };

struct box {
    mp_condition *changed;
    int count, letters[ROOM]; /* guarded by the condition's lock */
};

static int
has_room(void *arg)
{
    return ((struct box *)arg)->count < ROOM;
}

static int
has_letters(void *arg)
{
    return ((struct box *)arg)->count > 0;
}

static int
write_letters(void *arg)
{
    struct box *box = *(struct box **)arg;

    for (int i = 1; i <= LETTERS; i++) {
        mp_condition_acquire(box->changed, MP_FOREVER);
        if (mp_condition_wait_for(box->changed, has_room, box,
                                  mp_timeout(10)) < 0)
            return 1;
        box->letters[box->count++] = i;
        mp_condition_notify(box->changed, 1);
        mp_condition_release(box->changed);
    }
    return 0;
}

int
main(void)
{
    struct box *box = mp_new(struct box);
    int read = 0, sum = 0;
    mp_process *writer;

    if (!box || mp_condition_create(&box->changed, NULL) < 0 ||
        mp_process_start(&writer, write_letters, &box, sizeof(box), NULL) < 0)
        return 1;
    while (read < LETTERS) {
        mp_condition_acquire(box->changed, MP_FOREVER);
        if (mp_condition_wait_for(box->changed, has_letters, box,
                                  mp_timeout(10)) < 0)
            return 1;
        sum += box->letters[--box->count];
        read++;
        mp_condition_notify(box->changed, 1);
        mp_condition_release(box->changed);
    }
    printf("%d letters, together %d\n", read, sum);

    mp_process_join(writer, MP_FOREVER);
    mp_process_close(writer);
    mp_condition_destroy(box->changed);
    mp_free(box);
    return 0;
}
