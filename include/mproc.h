/* SPDX-License-Identifier: MIT */
/* mproc: work in many processes. Each concept has a header of its own. */
#ifndef MPROC_H
#define MPROC_H

#include <mproc/base.h>
#include <mproc/memory.h>
#include <mproc/pool.h>
#include <mproc/process.h>
#include <mproc/queue.h>

#endif
