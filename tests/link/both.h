/* SPDX-License-Identifier: MIT */
/* The fake server, and a manager that is connected to it: both of one test. */
#pragma once

#include "link/ask.h"
#include "link/fake.h"

extern struct fake fake;
extern mp_manager *manager;

void open_both(void);
void close_both(void);

#define ask(...) mp__manager_ask(manager, __VA_ARGS__)

double seconds_since(mp_time begin);

/* The call fails with -ETIMEDOUT when `seconds` are over, and not much later. */
#define must_time_out(call, seconds)                              \
    do {                                                          \
        mp_time begin = mp__now();                                \
        ck_assert_int_eq((call), -ETIMEDOUT);                     \
        ck_assert_double_ge(seconds_since(begin), (seconds)*0.9); \
        ck_assert_double_lt(seconds_since(begin), (seconds) + 5); \
    } while (0)
