/* SPDX-License-Identifier: MIT */
/* A pool whose workers are killed: `soak pool`. */
#pragma once

/* Runs it; 1 if anything was violated. */
int stress_pool_soak(double seconds, unsigned seed);
