/* SPDX-License-Identifier: MIT */
/* What a manager keeps: the objects that its functions have made, and whose they
 * are. */
#pragma once

#include "registry/manager.h"

/* Notes that the manager keeps a live object, for a client's session, or (0) for
 * all. 0; -ENOMEM. */
int mp__manager_record(mp_manager *manager, void *object, uint64_t session);

/* Whether it keeps it: 1, and for whom; 0. */
int mp__manager_recorded(mp_manager *manager, const void *object,
                         uint64_t *ret_session);

/* It has been destroyed. */
void mp__manager_forget_object(mp_manager *manager, const void *object);

/* Destroys the objects of a session that has ended; all. Those that are in use
 * live on: they are kept for all. */
void mp__manager_destroy_of(mp_manager *manager, uint64_t session);
void mp__manager_destroy_all(mp_manager *manager);
/* Those of all sessions: a new server knows none of them. */
void mp__manager_destroy_strays(mp_manager *manager);

/* How many objects of a session there are. */
size_t mp__manager_count_of(mp_manager *manager, uint64_t session);

/* Destroys a live object, of whatever class. As that class's function. */
int mp__object_destroy(void *object);
