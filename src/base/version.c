/* SPDX-License-Identifier: MIT */
/* Which version of the library this is. */
#include <mproc/base.h>

int
mp_version(void)
{
    return MP_VERSION_MAJOR * 10000 + MP_VERSION_MINOR * 100 +
           MP_VERSION_PATCH;
}
