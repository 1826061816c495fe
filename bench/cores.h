/* SPDX-License-Identifier: MIT */
/* Whether the machine gives this program the two cores that it is meant to
 * have. */
#pragma once

/* Finds out how long a spin takes when nothing disturbs it. */
void cores_calibrate(void);

/* 1 if two processes that spin at the same time both take no longer. Always 1
 * on a machine with one processor. */
int cores_quiet(void);

/* Waits until cores_quiet(), but not longer than `seconds`. */
int cores_wait_quiet(double seconds);
