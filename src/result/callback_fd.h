/* SPDX-License-Identifier: MIT */
/* The descriptor of mp_pool_fd(). */
#pragma once

#include "result/ledger.h"

/* Looks after the pool, of whose workers its descriptor may have told, and lets
 * it tell of those who are there now. */
MP__COLD void mp__callback_fd_rearm(struct mp__ledger *l);
