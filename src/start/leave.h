/* SPDX-License-Identifier: MIT */
/* Leaving: what happens to the children of a process that ends. */
#pragma once

/* Ends the daemonic children and waits for the others. */
void mp__leave(void);

/* Has exit() do that. */
void mp__leave_at_exit(void);
