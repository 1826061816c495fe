/* SPDX-License-Identifier: MIT */
/* Participants: the threads that use the library, and how their death is
 * known.
 *
 * Each thread takes a slot of the region's table at its first call, and locks
 * the slot's robust mutex for life. The kernel marks that mutex's word when
 * the thread ends, in whatever way: so "is it alive" is one load, and "wake
 * me when it dies" is a futex wait on that word. */
#pragma once

#include "base/atomic.h"
#include "base/macros.h"
#include "os/robust.h"
#include "region/region.h"

#include <pthread.h>

#define MP__PARTICIPANTS     4096u
#define MP__PARTICIPANTS_ALL (MP__PARTICIPANTS + 1) /* see participant.c */

/* See bell/bell.h. */
struct mp__bell {
    mp__a32 word;    /* always 0: a futex to sleep on */
    mp__a32 waiters; /* how many may sleep: may only over-report */
};

/* What a thread may have in hand: see hand.h. */
enum mp__hand {
    MP__HAND_BLOCK,   /* a small block: see heap.h */
    MP__HAND_EXTENT,  /* a large block; a chunk on its way into or out of a
                         bin */
    MP__HAND_SEGMENT, /* a queue's segment, beside either of the others */
    MP__HANDS,
};

struct mp__participant {
    pthread_mutex_t life;    /* held by its thread as long as it lives */
    mp__a64 state;           /* {generation:32 | what:32}, see participant.c */
    mp__a64 waiting;         /* the mutex that the thread may sleep on, or the
                             object that it waits for; writer: the thread,
                             its reaper; readers: any */
    mp__a64 waiting_since;   /* mp_time, of the latter: bell/waiters.h */
    mp__a64 hand[MP__HANDS]; /* addresses; writer: the thread, and who
                                     repairs a mutex that it died with */
    mp__a64 hand_mutex[MP__HANDS]; /* the mutex under which the hand is
                                      passed on; 0: none */
    mp__a64 holding; /* address of the holding that a hand's block comes from,
                        or goes to; 0: none. As long as the dead owns it with
                        that block in it, the block is the holding's */
    mp__a64 visiting; /* address of an object that may not be freed meanwhile,
                         though nobody holds it; 0: none */
    mp__a32 pid, tid;
    uint32_t initialised; /* the life mutex is */

    /* Its place in the line of a condition: see sync/condition.c. */
    mp__a64 condition; /* address; 0: in none */
    mp__a64 ticket;
    struct mp__bell doorbell;
} MP__ALIGNED(MP__LINE);

/* What a thread knows about itself. */
struct mp__self {
    struct mp__participant *part; /* NULL: not registered */
    struct mp__robust_head *head;
    uint64_t id;    /* mp__participant_id(part) */
    uint32_t word;  /* thread id | FUTEX_WAITERS: a held mutex's value */
    uint32_t index; /* of part in the table */
};
extern __thread struct mp__self mp__me
    __attribute__((tls_model("initial-exec")));

MP__COLD int mp__participant_register(void);

/* Finds out what the C library's mutexes look like; once per program. */
void mp__participant_prepare(void);

/* First thing in every public function that touches the region: makes it if
 * need be, and registers the thread. 0, or -ENOMEM, -EAGAIN (the table of
 * participants is full), ... */
static inline int
mp__enter(void)
{
    if (MP__LIKELY(mp__me.part != NULL && *mp__view.fork_guard != 0))
        return 0;
    return mp__participant_register();
}

/* The word to watch for a participant's death, and its value while alive. */
mp__a32 *mp__participant_word(struct mp__participant *part);
static inline uint32_t
mp__participant_word_alive(const struct mp__participant *part)
{
    return mp__load_relaxed(&part->tid) | 0x80000000u;
}

/* Participants by index; up to mp__participants_high() have ever been used. */
struct mp__participant *mp__participant_at(uint32_t index);
uint32_t mp__participants_high(void);

/* An id that names this life of the slot: never 0, never reused soon. */
uint64_t mp__participant_id(const struct mp__participant *part);
/* The participant of an id; NULL if that thread is dead (reaped or not). */
struct mp__participant *mp__participant_find(uint64_t id);

/* Whether the participant is dead, and the reaper has done all it had to do:
 * nothing in a hand of it can be given back any more. */
int mp__participant_buried(uint64_t id);
/* Changes before each burial ends. */
uint64_t mp__participant_burials(void);

/* What else the reaper does for a dead participant, before its slot is free;
 * it may be done twice. Each room registers by a constructor function. */
typedef void mp__burial_fn(struct mp__participant *dead);
void mp__participant_bury_with(mp__burial_fn *burial);

/* Clears what the dead left behind, for all that died: gives memory in their
 * hands back, and their slots. Cheap when nobody died. Must not be called
 * with a mutex held. */
void mp__reap(void);

/* For guest.c: another life that the calling thread holds beside its own, and
 * the end of it. 0; -EAGAIN, -ENOMEM. */
int mp__participant_host(struct mp__self *ret_self);
void mp__participant_end(struct mp__self *self);

/* For fork's child: forgets the parent's registration. (An atfork handler and
 * the fork guard call it; nobody else needs to.) */
void mp__participant_forget(void);
