/* SPDX-License-Identifier: MIT */
/* The bar of a pool with MP_POOL_PROGRESS. */
#pragma once

#include "task/pool.h"

/* While somebody waits, with a pool that has one: draws if it is time to. When
 * to look again: no later than `until`. */
mp_time mp__pool_bar_show(mp_pool *pool, mp_time until);
/* The wait is over: if the tasks are too, so is the bar. */
void mp__pool_bar_rest(mp_pool *pool);
/* The pool is at its end. */
void mp__pool_bar_end(mp_pool *pool);
