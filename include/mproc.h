/* SPDX-License-Identifier: MIT */
/* mproc: work in many processes. Each concept has a header of its own. */
#ifndef MPROC_H
#define MPROC_H

#include <mproc/any.h>
#include <mproc/array.h>
#include <mproc/barrier.h>
#include <mproc/base.h>
#include <mproc/condition.h>
#include <mproc/connection.h>
#include <mproc/describe.h>
#include <mproc/dict.h>
#include <mproc/event.h>
#include <mproc/item.h>
#include <mproc/list.h>
#include <mproc/lock.h>
#include <mproc/log.h>
#include <mproc/manager.h>
#include <mproc/memory.h>
#include <mproc/namespace.h>
#include <mproc/pool.h>
#include <mproc/process.h>
#include <mproc/queue.h>
#include <mproc/scalar.h>
#include <mproc/semaphore.h>
#include <mproc/set.h>
#include <mproc/shm.h>
#include <mproc/value.h>
#include <mproc/wait.h>

#endif
