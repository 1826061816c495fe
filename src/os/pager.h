/* SPDX-License-Identifier: MIT */
/* Pagers: a descriptor for poll() that any process can make readable that
 * knows its number and the family's secret. */
#pragma once

#include <stdint.h>

#define MP__SECRET_SIZE 16

/* A close-on-exec, non-blocking descriptor with a number of its own, never 0
 * and never used again. It is not readable yet. Or -errno. */
int mp__pager_open(const unsigned char *secret, uint64_t *ret_number);

/* Makes the pager of that number readable. 0; -ECONNREFUSED: there is none any
 * more; other errors: it cannot be told, for the moment (-EMFILE, -ENOMEM...)
 * or from here (-EHOSTUNREACH). */
int mp__pager_page(const unsigned char *secret, uint64_t number);

/* Makes it unreadable. */
void mp__pager_drain(int fd);
