/* SPDX-License-Identifier: MIT */
/* The last tickets of a show. How many there are stands in a file, which all
 * buyers read; who buys reads it, thinks, and writes it back. Without the lock
 * two would read the same number, and sell the same ticket.
 *
 * The lock survives its holder: a buyer is killed half way through writing,
 * and the next is told so, and clears up. */
#include "tour.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUYERS = 10, TICKETS = 3 };
enum { BOUGHT = 0, SOLD_OUT = 1 };

/* Lies in the family's memory; its folder has room for two files. */
struct counter {
    mp_lock *lock;
    int repairs; /* guarded by the lock */
    char tickets[128];
    char draft[128];
};

/* ---- The database: a file that says {"count": N} ---- */

static int
read_count(struct counter *counter)
{
    FILE *file = fopen(counter->tickets, "r");
    int count, end = 0;

    CLAIM(file != NULL);
    CLAIM(fscanf(file, " { \"count\" : %d }%n", &count, &end) == 1 && end > 0);
    fclose(file);
    return count;
}

/* Who looks without the lock must not see half a file either: so what is
 * written is a draft, and rename() puts it in place at one blow. */
static void
write_count(struct counter *counter, int count, int killed_meanwhile)
{
    FILE *file = fopen(counter->draft, "w");

    CLAIM(file != NULL);
    fputs("{\"cou", file);
    if (killed_meanwhile) {
        fflush(file);
        pause();
    }
    fprintf(file, "nt\": %d}\n", count);
    CLAIM(fclose(file) == 0);
    CLAIM(rename(counter->draft, counter->tickets) == 0);
}

/* The tickets are as they were before the dead one's last step, or after it:
 * what may lie about is its draft. */
static void
repair(struct counter *counter)
{
    int left_behind = unlink(counter->draft) == 0;

    say("the last owner of the lock is dead; %s",
        left_behind ? "I throw its half-written draft away"
                    : "it has left no draft");
    counter->repairs++;
}

/* ---- Buying ---- */

static void
lock_counter(struct counter *counter)
{
    int r = mp_lock_acquire(counter->lock, MP_FOREVER);

    if (r == -EOWNERDEAD)
        repair(counter); /* and the lock is ours */
    else
        must(r, "mp_lock_acquire");
}

static int
buy(void *arg)
{
    struct counter *counter = *(struct counter **)arg;
    int count;

    say("tickets left, as far as I see: %d", read_count(counter));
    lock_counter(counter);
    count = read_count(counter);
    work_for(0.02);
    if (count > 0)
        write_count(counter, count - 1, 0);
    MUST(mp_lock_release(counter->lock));
    say(count > 0 ? "I have bought a ticket" : "sold out");
    return count > 0 ? BOUGHT : SOLD_OUT;
}

static int
die_buying(void *arg)
{
    struct counter *counter = *(struct counter **)arg;

    lock_counter(counter);
    say("I have the lock, and am writing...");
    write_count(counter, read_count(counter) - 1, 1);
    return 0;
}

/* ---- The scene ---- */

static void
sell(struct counter *counter, int tickets, int buyers)
{
    mp_process *crowd[BUYERS];
    int sold, left;

    write_count(counter, tickets, 0);
    start_crowd(crowd, buyers, "buyer", buy, &counter, sizeof(counter));
    sold = join_crowd(crowd, buyers);
    left = read_count(counter);
    say("%d tickets, %d buyers: %d sold, %d left", tickets, buyers, sold,
        left);
    CLAIM(sold == tickets && left == 0);
}

static void
kill_a_buyer(struct counter *counter)
{
    mp_process *unlucky, *next;

    write_count(counter, 1, 0);
    MUST(mp_process_start(&unlucky, die_buying, &counter, sizeof(counter),
                          MP_PROCESS_ATTR(.name = "unlucky")));
    while (access(counter->draft, F_OK) < 0)
        work_for(0.01);
    MUST(mp_process_start(&next, buy, &counter, sizeof(counter),
                          MP_PROCESS_ATTR(.name = "next")));
    while (MUST(mp_lock_waiters(counter->lock, NULL, 0)) == 0)
        work_for(0.01);
    say("next waits for the lock; unlucky is killed");
    MUST(mp_process_kill(unlucky));
    CLAIM(join_crowd(&unlucky, 1) == 0);
    CLAIM(join_crowd(&next, 1) == 1);
    CLAIM(counter->repairs == 1 && read_count(counter) == 0);
    say("one ticket, sold once; the lock is robust: %d",
        mp_lock_is_robust(counter->lock));
}

void
scene_tickets(void)
{
    struct counter *counter = mp_new(struct counter);
    char folder[64] = P_tmpdir "/tickets-XXXXXX";

    must(counter ? 0 : -ENOMEM, "mp_new(struct counter)");
    CLAIM(mkdtemp(folder) != NULL);
    snprintf(counter->tickets, sizeof(counter->tickets), "%s/db", folder);
    snprintf(counter->draft, sizeof(counter->draft), "%s/draft", folder);
    MUST(mp_lock_create(&counter->lock, MP_LOCK_ATTR(.name = "tickets")));

    sell(counter, TICKETS, BUYERS);
    kill_a_buyer(counter);

    MUST(mp_lock_destroy(counter->lock));
    unlink(counter->tickets);
    rmdir(folder);
    MUST(mp_free(counter));
}
