/* SPDX-License-Identifier: MIT */
#pragma once

#include "region/bell.h"
#include "sync/sync.h"

#include <mproc/event.h>

struct mp_event {
    struct mp__object object;
    mp__a32 changes; /* odd: set. The commit word */
    mp__a32 spins;
    struct mp__bell bell;
    char name[MP__SYNC_NAME];
} MP__ALIGNED(MP__LINE);
