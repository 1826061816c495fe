/* SPDX-License-Identifier: MIT */
/* Four processes smooth a row of numbers: in each round every one computes
 * the mean of its neighbours, which must all be of the round before. */
#include <mproc.h>
#include <stdio.h>

enum { CELLS = 4, ROUNDS = 3 };

struct row {
    mp_barrier *round;
    int cell[CELLS];
};

/* What a process is given: a copy of its own. */
struct part {
    struct row *row;
    int number;
};

static int
smooth(void *arg)
{
    const struct part *part = arg;
    struct row *row = part->row;
    int left = (part->number + CELLS - 1) % CELLS;
    int right = (part->number + 1) % CELLS;

    for (int i = 0; i < ROUNDS; i++) {
        int mean = (row->cell[left] + row->cell[right]) / 2;

        /* All have read... */
        if (mp_barrier_wait(row->round, mp_timeout(10)) < 0)
            return 1;
        row->cell[part->number] = mean;
        /* ... and all have written. */
        if (mp_barrier_wait(row->round, mp_timeout(10)) < 0)
            return 1;
    }
    return 0;
}

int
main(void)
{
    struct row *row = mp_new(struct row);
    mp_process *processes[CELLS];

    if (!row || mp_barrier_create(&row->round, CELLS, NULL) < 0)
        return 1;
    row->cell[0] = 800;
    for (int i = 0; i < CELLS; i++) {
        struct part part = {row, i};

        if (mp_process_start(&processes[i], smooth, &part, sizeof(part),
                             NULL) < 0)
            return 1;
    }
    for (int i = 0; i < CELLS; i++) {
        mp_process_join(processes[i], MP_FOREVER);
        mp_process_close(processes[i]);
        printf("%d%c", row->cell[i], i < CELLS - 1 ? ' ' : '\n');
    }
    mp_barrier_destroy(row->round);
    mp_free(row);
    return 0;
}
