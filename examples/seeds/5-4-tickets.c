/* SPDX-License-Identifier: MIT */
/* Ten buyers and the last three tickets, of which none is sold twice.
 *
 * Python: a JSON file says how many tickets are left. All buyers may look at
 * the same time. To buy is to read, to think and to write: only under the
 * Lock, one buyer at a time, or two would sell the same ticket.
 *
 * Here: mp_lock_acquire(), mp_lock_release(). The file is written aside and
 * then renamed: who looks without the lock must not find half a file. What if
 * a buyer is killed with the lock in hand: ../tour/heirs.c. */
#include "must.h"

enum { BUYERS = 10, TICKETS = 3 };

struct show {
    mp_lock *lock;
    char db[32], draft[40]; /* names of files */
    int buyer;
};

static int
read_count(const struct show *show)
{
    FILE *file = fopen(show->db, "r");
    int count = 0;

    MUST(file && fscanf(file, "{\"count\": %d}", &count) == 1 ? 0 : -EIO);
    fclose(file);
    return count;
}

static void
write_count(const struct show *show, int count)
{
    FILE *file = fopen(show->draft, "w");

    MUST(file ? fprintf(file, "{\"count\": %d}\n", count) : -errno);
    MUST(fclose(file) == 0 && rename(show->draft, show->db) == 0 ? 0 : -EIO);
}

static int
buy(void *arg)
{
    struct show *show = arg;
    int count;

    say("buyer %d: I see %d tickets\n", show->buyer, read_count(show));
    MUST(mp_lock_acquire(show->lock, MP_FOREVER));
    count = read_count(show);
    usleep(20 * 1000);
    if (count > 0)
        write_count(show, count - 1);
    MUST(mp_lock_release(show->lock));
    say("buyer %d: %s\n", show->buyer, count > 0 ? "I buy one" : "sold out");
    return 0;
}

int
main(void)
{
    struct show show = {.db = "/tmp/tickets-XXXXXX"};
    mp_process *buyers[BUYERS];

    MUST(close(mkstemp(show.db)) == 0 ? 0 : -errno);
    snprintf(show.draft, sizeof(show.draft), "%s.draft", show.db);
    write_count(&show, TICKETS);
    MUST(mp_lock_create(&show.lock, NULL));
    for (int i = 0; i < BUYERS; i++) {
        show.buyer = i + 1;
        MUST(mp_process_start(&buyers[i], buy, &show, sizeof(show), NULL));
    }
    for (int i = 0; i < BUYERS; i++) {
        MUST(mp_process_join(buyers[i], MP_FOREVER));
        MUST(mp_process_close(buyers[i]));
    }
    say("tickets left: %d\n", read_count(&show));
    unlink(show.db);
    MUST(mp_lock_destroy(show.lock));
    return 0;
}
