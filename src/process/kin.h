/* SPDX-License-Identifier: MIT */
/* Processes as the rooms below know them. See kin.c. */
#pragma once

#include <mproc/process.h>

#include <stdint.h>

/* The key of the process that has the record; never 0. */
uint64_t mp__kin_key(const mp_process *process);
