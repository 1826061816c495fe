/* SPDX-License-Identifier: MIT */
#include "scalars.c"
