/* SPDX-License-Identifier: MIT */
/* The first moments of a program that mproc has executed. See bootstrap.c. */
#pragma once

#include <mproc/process.h>

#include <stddef.h>

#define MP__CHILD_VARIABLE      "MPROC_CHILD"
#define MP__CHILD_VARIABLE_SIZE 192

/* Writes "MPROC_CHILD=...", by which the child finds its record. */
void mp__bootstrap_variable(char *out, const mp_process *process,
                            uint32_t serial);

/* Whether this is a spawned child whose target has not begun. */
int mp__bootstrap_pending(void);
