/* SPDX-License-Identifier: MIT */
/* Attribute structs grow at their end from one version to the next. A caller
 * says by the first field how much of it he knows. */
#include "base/attr.h"

#include "base/error.h"

#include <errno.h>
#include <string.h>

static int
tail_is_zero(const unsigned char *bytes, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        if (bytes[i] != 0)
            return 0;
    return 1;
}

int
mp__attr_read(void *out, size_t size, const void *attr, uint32_t known_flags,
              const char *function)
{
    uint32_t head[2]; /* size, flags */

    memset(out, 0, size);
    if (attr == NULL)
        return 0;
    memcpy(head, attr, sizeof(head));
    if (head[0] < sizeof(head) || head[0] > 65536)
        return mp__fail(-EINVAL,
                        "%s: attr->size is %u; use the MP_..._ATTR macro",
                        function, head[0]);
    if (head[0] > size && !tail_is_zero(attr, size, head[0]))
        return mp__fail(-E2BIG,
                        "%s: attr sets a field that this version of the "
                        "library does not know",
                        function);
    if (head[1] & ~known_flags)
        return mp__fail(-EINVAL, "%s: attr->flags has unknown bits: 0x%x",
                        function, head[1] & ~known_flags);
    memcpy(out, attr, head[0] < size ? head[0] : size);
    return 0;
}
