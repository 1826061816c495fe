/* SPDX-License-Identifier: MIT */
/* The books of queues with a shelf: see shelf_stage.h. */
#include "shelf_stage.h"

#include "region/bin.h"
#include "region/heap.h"
#include "region/layout.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define IDS 4096u

static struct {
    int redelivers, joinable;
    unsigned char put[IDS], done[IDS];
} books;

static unsigned char taken[SIZE_MOST];
static void *filled[3 * MP__SHARDS];

/* ---- Making. */

void
shelf_make(size_t size, const mp_queue_attr *attr)
{
    int r = mp_queue_create(&stage.queue, attr);

    stage.size = size;
    stage.one = stage.two = NULL;
    sweep_fast_seconds = 0.4; /* there are many of these scenarios */
    memset(&books, 0, sizeof(books));
    books.redelivers = attr && attr->redeliver;
    books.joinable = attr && (attr->joinable || attr->redeliver);
    sweep_check(r == 0, "cannot create a queue: %s", mp_strerror(r));
}

void
shelf_was_put(unsigned id)
{
    books.put[id] = 1;
}

void
shelf_put(unsigned id)
{
    stage_put_bound(id);
    shelf_was_put(id);
}

void
shelf_put_first(unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        shelf_put(FIRST + i);
}

void
shelf_take_and_die(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        stage_get(mp_timeout(SWEEP_BOUND));
        raise(SIGKILL);
    }
    sweep_check(pid > 0 && waitpid(pid, NULL, 0) == pid, "cannot fork");
}

/* ---- What victims do. */

void
shelf_get_and_note(unsigned note)
{
    unsigned id;

    if (mp_queue_get(stage.queue, taken, SIZE_MOST, MP_FOREVER) < 0)
        return;
    memcpy(&id, taken, sizeof(id));
    mp__store(&sweep.note[note + GOT], id);
}

void
shelf_done_and_note(unsigned note)
{
    mp__store(&sweep.note[note + ENDING], 1);
    if (mp_queue_task_done(stage.queue) == 0)
        mp__store(&sweep.note[note + ENDED], 1);
}

void
shelf_work(unsigned note)
{
    shelf_get_and_note(note);
    shelf_done_and_note(note);
}

void
shelf_take_and_work(unsigned note)
{
    mp_message message;
    unsigned id;

    if (mp_queue_take(stage.queue, &message, MP_FOREVER) < 0)
        return;
    memcpy(&id, message.data, sizeof(id));
    mp__store(&sweep.note[note + GOT], id);
    mp__store(&sweep.note[note + ENDING], 1);
    if (mp_message_done(stage.queue, &message) == 0)
        mp__store(&sweep.note[note + ENDED], 1);
}

/* ---- The books. */

void
shelf_saw(unsigned id)
{
    if (!sweep_check(id > 0 && id < IDS && books.put[id],
                     "message %u comes from nowhere", id))
        return;
    sweep_check(books.done[id]++ == 0, "message %u came twice", id);
}

static size_t
count_unfinished(void)
{
    return books.joinable ? mp_queue_unfinished(stage.queue)
                          : mp_queue_size(stage.queue);
}

/* The harness buries the dead, and takes and fills memory in their place: a
 * block that was given back, and is that of a message yet, is broken then. */
static void
fill_memory(void)
{
    uint32_t class = 0, i;

    if (stage.size <= IN_SLOT || !sweep.killed)
        return;
    mp__reap();
    while (mp__region()->bins[0][class].cell < stage.size)
        class ++;
    for (i = 0; i < MP__LENGTH(filled); i++) {
        filled[i] =
            mp__bin_take(&mp__region()->bins[i % MP__SHARDS][class], 1);
        if (!filled[i])
            return;
        mp__block_keep(filled[i]);
        memset(filled[i], 0xee, stage.size);
    }
}

static void
free_memory(void)
{
    for (size_t i = 0; i < MP__LENGTH(filled); i++) {
        if (filled[i])
            sweep_check(mp_free(filled[i]) == 0,
                        "the memory of a message was given back twice");
        filled[i] = NULL;
    }
}

/* Taken in place, or copied: both see the same. What was taken must stay when
 * the dead are buried. */
static int
settle_one(void)
{
    mp_time deadline = mp_timeout(SWEEP_BOUND);
    mp_message m;
    int id, r;

    if (sweep.point % 2 == 0) {
        id = stage_get(deadline);
        r = id > 0 && books.joinable ? mp_queue_task_done(stage.queue) : 0;
    } else {
        r = mp_queue_take(stage.queue, &m, deadline);
        if (filled[0] == NULL)
            fill_memory();
        id = r < 0 ? r : stage_read(m.data, m.size);
        if (r == 0)
            r = mp_message_done(stage.queue, &m);
    }
    if (!sweep_check(id > 0, "a message cannot be got: %d (%s)", id,
                     mp_last_error()))
        return 0;
    shelf_saw((unsigned)id);
    return sweep_check(r == 0, "it cannot be done: %s", mp_last_error());
}

/* In a queue that does not redeliver what the dead had taken is unfinished
 * until somebody has buried them; in others whoever gets it does. */
void
shelf_settle(void)
{
    if (!books.redelivers)
        mp__reap();
    if (sweep.point % 4 == 0)
        fill_memory();
    while (count_unfinished() > 0 && settle_one())
        ;
    free_memory();
}

/* ... in the notes of victim `i`. */
static uint64_t
noted(unsigned i, unsigned what)
{
    return mp__load(&sweep.note[i * BY_OTHER + what]);
}

/* Whether message `id` may, or must, be done by a victim. */
static int
was_done_by(unsigned victims, unsigned id, int *may)
{
    int did = 0;

    for (unsigned i = 0; i < victims; i++) {
        if (noted(i, GOT) != id)
            continue;
        did += noted(i, ENDED) == 1;
        *may += noted(i, ENDING) == 1;
    }
    return did;
}

static void
check_join(unsigned missing, unsigned maybe)
{
    int r;

    if (!books.joinable)
        return;
    r = mp_queue_join(stage.queue, mp_timeout(SWEEP_BOUND));
    if (missing == 0 || (r != -ESRCH && missing <= maybe))
        sweep_check(r == 0, "join: %s", mp_strerror(r));
    else
        sweep_check(r == -ESRCH, "%u are lost, and join says %s", missing,
                    mp_strerror(r));
    r = mp_queue_join(stage.queue, MP_NOW);
    sweep_check(r == 0, "the second join: %s", mp_strerror(r));
}

void
shelf_balance(unsigned victims)
{
    unsigned missing = 0, maybe = 0, id;

    for (id = 0; id < IDS; id++) {
        int may = 0, did = was_done_by(victims, id, &may);

        if (!books.put[id])
            continue;
        sweep_check(did + books.done[id] <= 1, "message %u was done twice",
                    id);
        if (did + books.done[id])
            continue;
        if (books.redelivers)
            sweep_check(may, "message %u is lost", id);
        missing++;
        maybe += may > 0;
    }
    sweep_check(missing <= victims, "%u messages are lost", missing);
    check_join(books.redelivers ? 0 : missing, maybe);
}

void
shelf_check_goes_on(void)
{
    shelf_put(LATER);
    shelf_put(LATER + 1);
    shelf_settle();
    sweep_check(mp_queue_empty(stage.queue) == 1 &&
                    mp_queue_unfinished(stage.queue) == 0,
                "it is not empty at the end");
}

void
shelf_check_one(void)
{
    shelf_settle();
    shelf_balance(1);
    shelf_check_goes_on();
}

void
shelf_check_two(void)
{
    shelf_settle();
    shelf_balance(2);
    shelf_check_goes_on();
}
