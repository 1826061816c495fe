/* SPDX-License-Identifier: MIT */
/* The initializer of a worker, the finalizer, and what is between: the copy of
 * the initializer's argument, which is the worker's own for life. */
#include "worker/state.h"

#include "base/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct {
    void *argument; /* of the initializer; for life */
    mp__code *finalizer;
} self;

/* What a forked worker has of another one it was forked from is not its own. */
void
mp__worker_forget(void)
{
    memset(&self, 0, sizeof(self));
}

void *
mp_worker_state(void)
{
    return self.argument;
}

static int
copy_argument(mp_pool *pool)
{
    if (pool->initializer_size == 0)
        return 0;
    self.argument = malloc(pool->initializer_size);
    if (!self.argument)
        return mp__fail(-ENOMEM, "no memory for the initializer's argument");
    memcpy(self.argument, pool->initializer_arg, pool->initializer_size);
    return 0;
}

int
mp__worker_initialize(mp_pool *pool)
{
    mp__code *code = NULL;
    int r = copy_argument(pool);

    if (r == 0 && pool->finalizer.module)
        r = mp__function_import(&pool->finalizer, &self.finalizer,
                                "mp_pool_create");
    if (r == 0 && pool->initializer.module)
        r = mp__function_import(&pool->initializer, &code, "mp_pool_create");
    return r == 0 && code ? ((int (*)(void *))code)(self.argument) : r;
}

void
mp__worker_finalize(void)
{
    if (self.finalizer)
        ((void (*)(void *))self.finalizer)(self.argument);
}
