/* SPDX-License-Identifier: MIT */
/* Calls that wait: see park.c. */
#pragma once

#include "server/session.h"

/* The call waits from here on; it has its deadline. 0; -ENOMEM. */
int mp__park(struct mp__held *held);
/* It waits no more. */
void mp__unpark(struct mp__held *held);

/* A call on the object was executed: those who wait there may go on. Done when
 * mp__park_settle() is called. */
void mp__park_stir(const void *object);
/* Somebody has ended: all may. */
void mp__park_stir_all(void);
void mp__park_settle(void);

uint32_t mp__parked(void);
void mp__park_close(void);
/* In a copy of the process: closes the descriptors. */
void mp__park_orphan(void);

/* dispatch.c: once more; it waits no more if it has ended. 1: it has; 0. */
int mp__held_try(struct mp__held *held);
