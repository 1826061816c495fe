/* SPDX-License-Identifier: MIT */
/* The conformance suite: every clause, for each start method, for threads of
 * one process, and for all of these at once.
 *
 * A test's name is that of the clause and of the way, as in
 * "lock_released_by_another [spawn]". */
#include "sync/conformance.h"

#include <stdio.h>
#include <stdlib.h>

static const struct {
    const char *name;
    const struct clause *clauses;
} objects[] = {
    {"lock", lock_clauses},
    {"rlock", rlock_clauses},
    {"semaphore", semaphore_clauses},
    {"event", event_clauses},
    {"condition", condition_clauses},
    {"condition-wait", condition_wait_clauses},
    {"barrier", barrier_clauses},
};

#define CLAUSES_MOST 32 /* of an object */

static struct {
    TTest test;
    char name[80];
} tests[LENGTH(objects) * CLAUSES_MOST * WAYS];

/* `place`: of the object, the clause and the way. */
static void
run_clause(int place)
{
    const struct clause *clause = &objects[place / WAYS / CLAUSES_MOST]
                                       .clauses[place / WAYS % CLAUSES_MOST];
    enum way way = (enum way)(place % WAYS);

    crew_warm_up(way);
    clause->fn(way);
}

static void
add_clause(TCase *tcase, const struct clause *clause, int place)
{
    char *name = tests[place].name;
    TTest *test = &tests[place].test;

    snprintf(name, sizeof(tests[place].name), "%s [%s]", clause->name,
             way_name((enum way)(place % WAYS)));
    *test = (TTest){name, run_clause, __FILE__, __LINE__};
    tcase_add_loop_test(tcase, test, place, place + 1);
}

int
main(void)
{
    Suite *suite = suite_create("conformance");
    int ways = mp_test_may_fork_with_threads() ? WAYS : WAY_MIXED;

    for (int i = 0; i < (int)LENGTH(objects); i++) {
        TCase *tcase = mp_test_case(suite, objects[i].name, 60);

        for (int n = 0; n < CLAUSES_MOST && objects[i].clauses[n].name; n++)
            for (int way = 0; way < ways; way++)
                add_clause(tcase, &objects[i].clauses[n],
                           (i * CLAUSES_MOST + n) * WAYS + way);
    }
    return mp_test_main(suite);
}
