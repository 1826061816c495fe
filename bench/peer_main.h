/* SPDX-License-Identifier: MIT */
/* A peer program: what it can measure. peer_main.c has its main(). */
#pragma once

#include "harness.h"

#ifdef __cplusplus
extern "C" {
#endif

struct peer_kind {
    const char *kind; /* as requests name it */
    measure_fn *measure;
};

/* Ends with a kind NULL. Defined by each peer program. */
extern const struct peer_kind peer_kinds[];

#ifdef __cplusplus
}
#endif
