/* SPDX-License-Identifier: MIT */
/* Events: see event.c. */
#pragma once

#include "bell/bell.h"
#include "bell/notice.h"
#include "sync/sync.h"

#include <mproc/event.h>

#define MP__EVENT_SET    1u
#define MP__EVENT_POLLED 2u /* there is a notice; never taken back */
#define MP__EVENT_CHANGE 4u

struct mp_event {
    struct mp__object object;
    mp__a32 changes; /* {how often it was cleared: 30 | POLLED | SET}. The
                        commit word */
    mp__a32 spins;
    struct mp__bell bell;
    char name[MP__SYNC_NAME];
    mp__notice_at notice; /* who polls; NULL: nobody does */
} MP__ALIGNED(MP__LINE);

/* To wait for it without sleeping: begin, then look until that is 1. It sees as
 * well that the event was set meanwhile, and cleared again. */
uint32_t mp__event_begin(mp_event *event);
int mp__event_look(mp_event *event, uint32_t begun);
