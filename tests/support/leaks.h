/* SPDX-License-Identifier: MIT */
/* The fixture behind mp_test_case(); see leaks.c. */
#pragma once

/* Whether tests run in process groups of their own. */
void mp__leaks_own_group(int yes);

/* How long the teardown waits for what is on its way out, in seconds. */
void mp__leaks_patience(double seconds);

void mp__leaks_setup(void);
void mp__leaks_teardown(void);
