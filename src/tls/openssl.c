/* SPDX-License-Identifier: MIT */
/* OpenSSL by dlopen().
 *
 * Linked in the usual way it would be loaded, relocated and initialised in each
 * process that is started, and few of them ever make a connection. So it is
 * loaded by the first call that needs it. Its headers give the types, hence a
 * table of pointers is as safe as calls would be.
 *
 * It stays loaded: others in the process may use the same library. It is asked
 * not to tidy up at exit, when threads may still be inside of a connection.
 *
 * No lock: threads that come at the same time make a table each, and the first
 * to publish its own wins. A child that fork makes has it too. */
#include "tls/openssl.h"

#include "base/atomic.h"
#include "base/error.h"
#include "base/macros.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LIBRARY "libssl.so.3" /* what is in libcrypto.so.3 is found by it */

static const struct {
    const char *name;
    size_t at;
} functions[] = {
#define ENTRY(name) {#name, offsetof(struct mp__openssl, name)},
    MP__OPENSSL_FUNCTIONS(ENTRY)
#undef ENTRY
};

static _Atomic(struct mp__openssl *) loaded;

/* 0, or what is wrong is in dlerror(). */
static int
fill(struct mp__openssl *openssl)
{
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);

    if (library == NULL)
        return -1;
    for (size_t i = 0; i < MP__LENGTH(functions); i++) {
        void *symbol = dlsym(library, functions[i].name);

        if (symbol == NULL)
            return -1;
        memcpy((char *)openssl + functions[i].at, &symbol, sizeof(symbol));
    }
    return 0;
}

static struct mp__openssl *
load(const char *function)
{
    struct mp__openssl *openssl = malloc(sizeof(*openssl)), *first = NULL;
    const char *why = "out of memory";

    if (openssl == NULL || fill(openssl) < 0) {
        if (openssl != NULL)
            why = dlerror();
    } else if (openssl->OPENSSL_init_ssl(OPENSSL_INIT_NO_ATEXIT, NULL) != 1) {
        why = "it does not start";
    } else {
        if (mp__cas(&loaded, &first, openssl))
            return openssl;
        free(openssl);
        return first;
    }
    free(openssl);
    mp__fail(-ENOTSUP, "%s: this takes OpenSSL 3, which cannot be loaded: %s",
             function, why ? why : LIBRARY);
    return NULL;
}

const struct mp__openssl *
mp__openssl(const char *function)
{
    struct mp__openssl *openssl = mp__load_acquire(&loaded);

    return openssl ? openssl : load(function);
}
