/* SPDX-License-Identifier: MIT */
/* What the scenarios of the synchronisation objects share: survivors that
 * stay alive when they have done all, because the death of one who was watched
 * would wake others, and hide that nobody else did; and waits that are not cut
 * into slices, which would hide it as well. */
#pragma once

#include "sweep.h"

#define SYNC_WAITERS 6

/* Who has been brought to wait, in the order of coming. */
extern struct sweep_actor *sync_waiter[SYNC_WAITERS];
extern unsigned sync_waiters;

/* First in setup. Nobody waits yet, and whoever is going to sleeps for as long
 * as it takes. */
void sync_begin(void);

/* For prepare: registers the victim. */
void sync_enter(void);

/* The same; and from now on the victim has time to fall asleep, but not much
 * more: until sync_impatience. sync_wait_too_long() returns after that. */
void sync_enter_impatiently(void);
void sync_wait_too_long(void);
extern mp_time sync_impatience;

/* In an actor: it has done one more thing, and all; stays until it is killed
 * after the check. */
_Noreturn void sync_linger(struct sweep_actor *actor);

/* Starts another waiter. It is waited for until it sleeps, or as long as it
 * may come; or not at all. */
void sync_bring(void (*run)(struct sweep_actor *));
void sync_bring_asleep(void (*run)(struct sweep_actor *));
void sync_bring_any(void (*run)(struct sweep_actor *));

/* Every single waiter has done one thing. 1, or 0 with a failure. */
int sync_check_waiters(void);

/* The same, for look: if the victim is at its end, its death must not be what
 * wakes others. */
void sync_look_at_waiters(void);
