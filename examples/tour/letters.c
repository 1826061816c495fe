/* SPDX-License-Identifier: MIT */
/* A queue of values: tasks are lists that begin with what is to be done, and
 * each kind has another rest. None is the pill that ends a worker's day. */
#include "tour.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { WORKERS = 3 };

struct desk {
    mp_queue *tasks, *results;
};

static void
add_up(mp_queue *results, const char *what, mp_any task)
{
    double numbers[16], sum = 0;
    size_t n = 16;

    MUST(mp_any_parse(task, "[_,*d]", numbers, &n));
    for (size_t i = 0; i < n; i++)
        sum += numbers[i];
    MUST(mp_queue_putf(results, "{s:d}", what, sum));
}

static void
shout(mp_queue *results, const char *what, mp_any task)
{
    char *text;

    MUST(mp_any_parse(task, "[_,s]", &text));
    for (char *c = text; *c; c++)
        *c = (char)toupper((unsigned char)*c);
    MUST(mp_queue_putf(results, "{s:s}", what, text));
    free(text);
}

static int
work(void *arg)
{
    const struct desk *desk = arg;
    mp_any task;
    char *what;

    for (;;) {
        MUST(mp_queue_get_any(desk->tasks, &task, MP_FOREVER));
        if (mp_any_type(task) == MP_ANY_NIL)
            break;
        MUST(mp_any_parse(task, "[s,*]", &what));
        if (strcmp(what, "sum") == 0)
            add_up(desk->results, what, task);
        else
            shout(desk->results, what, task);
        free(what);
        mp_any_free(task);
    }
    mp_any_free(task);
    return 0;
}

void
scene_letters(void)
{
    static const double primes[] = {2, 3, 5, 7};
    mp_process *workers[WORKERS];
    struct desk desk;
    mp_any result;

    MUST(mp_queue_create(&desk.tasks, NULL));
    MUST(mp_queue_create(&desk.results, NULL));
    start_crowd(workers, WORKERS, "worker", work, &desk, sizeof(desk));
    MUST(mp_queue_putf(desk.tasks, "[s,*d]", "sum", primes, (size_t)4));
    MUST(mp_queue_putf(desk.tasks, "[s,s]", "shout", "hello"));
    MUST(mp_queue_put_item(desk.tasks, MP_LIST("sum", MP_LIST(1, 2.5)),
                           MP_FOREVER));
    for (int i = 0; i < WORKERS; i++)
        MUST(mp_queue_putf(desk.tasks, "n"));
    CLAIM(join_crowd(workers, WORKERS) == WORKERS);
    while (mp_queue_get_any(desk.results, &result, MP_NOW) == 0) {
        say_value(result);
        mp_any_free(result);
    }
    MUST(mp_queue_destroy(desk.tasks));
    MUST(mp_queue_destroy(desk.results));
}
