/* SPDX-License-Identifier: MIT */
/* Many calls at once.
 *
 * Between begin and end a thread's calls that give nothing back but 0 are
 * collected, and sent a load at a time, by one write. There are two loads: one
 * is filled while the answers to the other come. So what a thread has under way
 * is bounded, and the server works while the client writes.
 *
 * Which those calls are is a list of names. Others send what there is first; the
 * server executes the requests of one thread in their order.
 *
 * A batch is its thread's own. */
#include "link/batch.h"

#include "base/error.h"
#include "codec/format.h"
#include "os/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CALLS (MP__WIRE_CALLS / 8) /* in a load: the server begins early */
#define BYTES 65536u

struct entry {
    struct mp__pending pending;
    struct mp__target target;
    unsigned char family[16];
    const char *function;
    mp_time deadline;
    size_t at, args_size; /* of the args in the load's bytes */
};

struct load {
    struct mp__waiter waiter;
    unsigned n;
    unsigned char *bytes; /* room for a head, and args, of each */
    size_t size, room;
    mp_time limit; /* for the answers */
    struct entry entries[CALLS];
};

struct batch {
    struct mp__manager_link *link;
    unsigned filling; /* of the loads */
    int error;        /* the first; 0: none */
    char text[MP__LINK_TEXT];
    struct load loads[2];
};

static __thread struct batch *own;

/* ---- Which calls ---- */

/* In order. */
static const char *const names[] = {
    "mp_array_add",         "mp_array_set",
    "mp_barrier_abort",     "mp_barrier_register",
    "mp_barrier_reset",     "mp_barrier_unregister",
    "mp_condition_notify",  "mp_condition_notify_all",
    "mp_condition_release", "mp_dict_clear",
    "mp_dict_delete",       "mp_dict_set",
    "mp_dict_set_any",      "mp_dict_update",
    "mp_event_clear",       "mp_event_set",
    "mp_list_append",       "mp_list_clear",
    "mp_list_extend",       "mp_list_insert",
    "mp_list_remove",       "mp_list_replace",
    "mp_list_reverse",      "mp_list_set",
    "mp_list_sort",         "mp_lock_release",
    "mp_namespace_delete",  "mp_namespace_set",
    "mp_queue_put",         "mp_queue_put_any",
    "mp_queue_put_item",    "mp_queue_put_priority",
    "mp_queue_putf",        "mp_queue_task_done",
    "mp_queue_vputf",       "mp_rlock_release",
    "mp_semaphore_release", "mp_set_clear",
    "mp_set_intersect",     "mp_set_remove",
    "mp_set_subtract",      "mp_set_toggle",
    "mp_set_update",        "mp_value_add",
    "mp_value_set",
};

static int
compare_names(const void *name, const void *entry)
{
    return strcmp(name, *(const char *const *)entry);
}

static int
can_be_put_off(const char *function, const char *format)
{
    return !mp__call_is_wanted(format) &&
           bsearch(function, names, MP__LENGTH(names), sizeof(*names),
                   compare_names) != NULL;
}

/* ---- Loads ---- */

/* A slower one counts. */
static void
extend_limit(struct load *load, mp_time deadline, mp_time plain)
{
    mp_time limit =
        deadline == MP__FAR_PLAIN || deadline == MP_NOW ? plain : deadline;

    if (limit > load->limit)
        load->limit = limit;
}

static void
send_entry(struct mp__manager_link *link, struct load *load,
           struct entry *entry)
{
    struct mp__message message = {
        .args = load->bytes + entry->at,
        .args_size = entry->args_size,
    };
    struct mp__request request;

    mp__request_fill(&request, &entry->target, entry->function,
                     entry->deadline);
    request.serial = ++link->serial;
    mp__message_seal(link, &message, &request, &entry->pending);
    mp__pending_enter(link, &entry->pending);
    if (link->conn && !link->broken) {
        entry->pending.sent = 1;
        if (mp__link_append(link, entry->pending.data, entry->pending.size) <
            0)
            link->broken = 1;
    }
}

static void
send_load(struct batch *batch)
{
    struct load *load = &batch->loads[batch->filling];
    struct mp__manager_link *link = batch->link;
    mp_time plain = mp__now() + mp__call_timeout(link->manager);

    if (load->n == 0)
        return;
    load->limit = 0;
    pthread_mutex_lock(&link->lock);
    for (unsigned i = 0; i < load->n; i++) {
        struct entry *entry = &load->entries[i];

        extend_limit(load, entry->deadline, plain);
        load->waiter.left++;
        if (mp__link_check(link, &entry->target, entry->function) < 0)
            mp__waiter_fail(&load->waiter, -EBADF, mp_last_error(),
                            strlen(mp_last_error()));
        else
            send_entry(link, load, entry);
    }
    mp__link_flush(link);
    pthread_mutex_unlock(&link->lock);
    batch->filling ^= 1;
}

static void
note_error(struct batch *batch, int error, const char *text)
{
    if (batch->error < 0 || error >= 0)
        return;
    batch->error = error;
    snprintf(batch->text, sizeof(batch->text), "%s", text);
}

/* Those of the load that have no answer are given up. */
static void
abandon_load(struct mp__manager_link *link, struct load *load)
{
    for (unsigned i = 0; i < load->n; i++)
        if (load->entries[i].pending.entered)
            mp__pending_abandon(link, &load->entries[i].pending);
    load->waiter.left = 0;
}

/* Until all of it is done: then it may be filled. */
static void
await_load(struct batch *batch, struct load *load)
{
    struct mp__manager_link *link = batch->link;
    int r;

    pthread_mutex_lock(&link->lock);
    r = mp__link_wait(link, &load->waiter, 0, load->limit);
    if (r < 0)
        abandon_load(link, load);
    pthread_mutex_unlock(&link->lock);
    note_error(batch, load->waiter.error, load->waiter.text);
    note_error(batch, r, "mp_manager_batch_end: no answer from the server");
    load->waiter.error = 0;
    load->n = 0;
    load->size = 0;
}

static int
make_room(struct load *load, size_t size)
{
    size_t room = load->room ? load->room : BYTES;
    unsigned char *bytes;

    while (room < load->size + size)
        room *= 2;
    if (room == load->room)
        return 0;
    bytes = realloc(load->bytes, room);
    if (!bytes)
        return -ENOMEM;
    load->bytes = bytes;
    load->room = room;
    return 0;
}

static int
put_off(struct batch *batch, const struct mp__target *target,
        const char *function, mp_time deadline,
        const struct mp__message *message)
{
    struct load *load = &batch->loads[batch->filling];
    size_t size = MP__LINK_HEAD + message->args_size;
    struct entry *entry = &load->entries[load->n];

    if (make_room(load, size) < 0)
        return mp__fail(-ENOMEM, "%s: no memory for the batch", function);
    *entry = (struct entry){
        .pending = {.waiter = &load->waiter},
        .target = *target,
        .function = function,
        .deadline = deadline,
        .at = load->size + MP__LINK_HEAD,
        .args_size = message->args_size,
    };
    if (target->family) {
        memcpy(entry->family, target->family, sizeof(entry->family));
        entry->target.family = entry->pending.family = entry->family;
    }
    memcpy(load->bytes + entry->at, message->args, message->args_size);
    load->size += size;
    load->n++;
    if (load->n < CALLS && load->size < BYTES)
        return 0;
    send_load(batch);
    await_load(batch, &batch->loads[batch->filling]);
    return 0;
}

ssize_t
mp__batch_take(struct mp__manager_link *link, const struct mp__target *target,
               const char *function, mp_time deadline, const char *format,
               struct mp__arguments *args)
{
    struct mp__message message;
    struct batch *batch = own;
    int r;

    if (MP__LIKELY(!batch) || batch->link != link)
        return MP__BATCH_NOT;
    if (!can_be_put_off(function, format)) {
        send_load(batch);
        await_load(batch, &batch->loads[batch->filling]);
        return MP__BATCH_NOT;
    }
    r = mp__message_write(&message, function, format, args);
    if (r == 0)
        r = mp__message_check(link, &message, function);
    if (r == 0)
        r = put_off(batch, target, function, deadline, &message);
    mp__message_end(&message);
    return r;
}

/* ---- Begin and end ---- */

static void
free_batch(struct batch *batch)
{
    mp__link_put(batch->link);
    for (unsigned i = 0; i < 2; i++)
        free(batch->loads[i].bytes);
    free(batch);
}

/* What was put off and not sent was never asked for. */
void
mp__batch_drop(void)
{
    struct batch *batch = own;

    own = NULL;
    if (!batch)
        return;
    for (unsigned i = 0; i < 2; i++) {
        pthread_mutex_lock(&batch->link->lock);
        abandon_load(batch->link, &batch->loads[i]);
        pthread_mutex_unlock(&batch->link->lock);
    }
    free_batch(batch);
}

void
mp__batch_forget(void)
{
    own = NULL;
}

int
mp_manager_batch_begin(mp_manager *manager)
{
    struct batch *batch;
    int r = mp__manager_enter(manager, "mp_manager_batch_begin");

    if (r < 0)
        return r;
    if (own)
        return mp__fail(-EBUSY,
                        "mp_manager_batch_begin: this thread has begun "
                        "a batch already");
    mp__link_thread();
    batch = calloc(1, sizeof(*batch));
    if (!batch)
        return mp__fail(-ENOMEM, "mp_manager_batch_begin: no memory");
    batch->link = mp__link_get(manager, "mp_manager_batch_begin", &r);
    if (!batch->link) {
        free(batch);
        return r;
    }
    own = batch;
    return 0;
}

int
mp_manager_batch_end(mp_manager *manager)
{
    struct batch *batch = own;
    int r = mp__manager_enter(manager, "mp_manager_batch_end");

    if (r < 0)
        return r;
    if (!batch || batch->link->manager != manager)
        return mp__fail(-EINVAL, "mp_manager_batch_end: this thread has begun "
                                 "no batch with that manager");
    send_load(batch);
    await_load(batch, &batch->loads[batch->filling]);
    await_load(batch, &batch->loads[batch->filling ^ 1]);
    own = NULL;
    r = batch->error;
    if (r < 0)
        mp__fail(r, "%s", batch->text);
    free_batch(batch);
    return r;
}
