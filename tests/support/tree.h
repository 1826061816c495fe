/* SPDX-License-Identifier: MIT */
/* Files of the system (/proc, /sys) that a test makes up, below a root of its
 * own: what reads them takes the root as an argument. */
#pragma once

/* Where the tree is; valid from tree_make() on. */
extern char tree_root[];

/* Fixtures of a test case. */
void tree_make(void);
void tree_remove(void);

/* Writes a file below the root, making its directories. */
void tree_put(const char *name, const char *text);
