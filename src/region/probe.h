/* SPDX-License-Identifier: MIT */
#pragma once

#include "region/region.h"

/* Finds out what this kernel does for us (a thread of a moment's life dies for
 * it). */
uint32_t mp__probe_tier(void);
