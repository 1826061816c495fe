/* SPDX-License-Identifier: MIT */
/* What the family logs, for its tests. */
#pragma once

#include "process/family.h"

/* Standard error goes into a file, or into a pipe, from here on. */
void capture_file(void);
/* ... whose reading end this returns. */
int capture_pipe(void);

/* Standard error is what it was. What went into the file: to be freed. */
char *captured(void);

/* All that a file has, or that comes until a pipe's end: to be freed. */
char *read_all(int fd);
char *read_file(const char *path);

/* A file's name in a directory of its own; and the end of both. */
const char *temporary(void);
void remove_temporary(void);

/* How many lines the text has; and whether this is one of them. */
unsigned count_lines(const char *text);
int has_line(const char *text, const char *line);

/* ---- Lines that tell whether they are whole ---- */

/* Logs line number `i` of the calling process, of about `size` bytes. */
int log_marked(int i, int size);

/* The line at `text` is one of these, whole: its length with the newline, 0 if
 * it is not. */
size_t marked_line(const char *text, int *ret_pid, int *ret_i);
