/* SPDX-License-Identifier: MIT */
/* The pool's face: what its files know of each other. */
#pragma once

#include "task/pool.h"

/* ---- pool.c ---- */

/* Gives the cell, and all that goes with it, back. */
void mp__pool_free(mp_pool *pool);

/* ---- describe.c ---- */

/* Registers how pools and results are described. */
void mp__pool_describe(void);
