/* SPDX-License-Identifier: MIT */
/* What becomes of the things that somebody held who was killed.
 *
 * A buyer is killed with a lock in hand, half way through writing how many
 * tickets are left. Who gets the lock next is told so, and clears up.
 *
 * A guest is killed in a booth with four places. The semaphore is a tracked
 * one: a place belongs to who took it, and comes free with his death. */
#include "tour.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PLACES = 4 };

/* Lies in the family's memory; its folder has room for two files. */
struct counter {
    mp_lock *lock;
    int repairs; /* guarded by the lock */
    char tickets[64];
    char draft[64];
};

/* ---- The buyers, and a file that says {"count": N} ---- */

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

/* What is written is a draft, and rename() puts it in place at one blow: what
 * is in place is whole, whoever dies. */
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

static void
lock_counter(struct counter *counter)
{
    int r = mp_lock_acquire(counter->lock, MP_FOREVER);

    if (r == -EOWNERDEAD) { /* and the lock is ours */
        CLAIM(unlink(counter->draft) == 0);
        say("the last owner of the lock is dead; I throw its half-written "
            "draft away");
        counter->repairs++;
    } else {
        must(r, "mp_lock_acquire");
    }
}

static int
buy(void *arg)
{
    struct counter *counter = *(struct counter **)arg;

    lock_counter(counter);
    write_count(counter, read_count(counter) - 1, 0);
    MUST(mp_lock_release(counter->lock));
    say("I have bought a ticket");
    return 0;
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

static void
kill_a_buyer(struct counter *counter)
{
    mp_process *unlucky, *next;

    write_count(counter, 1, 0);
    start_crowd(&unlucky, 1, "unlucky", die_buying, &counter, sizeof(counter));
    while (access(counter->draft, F_OK) < 0)
        work_for(0.01);
    start_crowd(&next, 1, "next", buy, &counter, sizeof(counter));
    while (MUST(mp_lock_waiters(counter->lock, NULL, 0)) == 0)
        work_for(0.01);
    say("next-1 waits for the lock; unlucky-1 is killed");
    MUST(mp_process_kill(unlucky));
    CLAIM(join_crowd(&unlucky, 1) == 0);
    CLAIM(join_crowd(&next, 1) == 1);
    CLAIM(counter->repairs == 1 && read_count(counter) == 0);
    say("one ticket, sold once; the lock is robust: %d",
        mp_lock_is_robust(counter->lock));
}

/* ---- The guest ---- */

static int
sing_for_ever(void *arg)
{
    mp_semaphore *places = *(mp_semaphore **)arg;

    MUST(mp_semaphore_acquire(places, MP_FOREVER));
    say("I come in, and shall never go");
    for (;;)
        pause();
    return 0;
}

static void
kill_a_guest(void)
{
    mp_semaphore *places;
    mp_process *guest;

    MUST(
        mp_semaphore_create(&places, PLACES, MP_SEMAPHORE_ATTR(.tracked = 1)));
    start_crowd(&guest, 1, "guest", sing_for_ever, &places, sizeof(places));
    while (MUST(mp_semaphore_value(places)) == PLACES)
        work_for(0.01);
    say("free places: %d; guest-1 is killed", mp_semaphore_value(places));
    MUST(mp_process_kill(guest));
    CLAIM(join_crowd(&guest, 1) == 0);
    say("free places: %d", mp_semaphore_value(places));
    CLAIM(mp_semaphore_value(places) == PLACES);
    MUST(mp_semaphore_destroy(places));
}

void
scene_heirs(void)
{
    struct counter *counter = mp_new(struct counter);
    char folder[] = P_tmpdir "/heirs-XXXXXX";

    must(counter ? 0 : -ENOMEM, "mp_new(struct counter)");
    CLAIM(mkdtemp(folder) != NULL);
    snprintf(counter->tickets, sizeof(counter->tickets), "%s/db", folder);
    snprintf(counter->draft, sizeof(counter->draft), "%s/draft", folder);
    MUST(mp_lock_create(&counter->lock, MP_LOCK_ATTR(.name = "tickets")));
    kill_a_buyer(counter);
    MUST(mp_lock_destroy(counter->lock));
    unlink(counter->tickets);
    rmdir(folder);
    MUST(mp_free(counter));

    kill_a_guest();
}
