/* SPDX-License-Identifier: MIT */
/* Reading an address. What is not exactly of one of the forms is refused, with
 * a word about what is missing: an address is the first thing that people get
 * wrong. */
#include "listener/address.h"

#include "base/error.h"

#include <errno.h>
#include <string.h>

static int
read_path(struct mp__address *address, const char *path, const char *function)
{
    size_t length = strlen(path);

    if (path[0] != '/')
        return mp__fail(-EINVAL,
                        "%s: \"unix:%s\": the path has to begin with a slash",
                        function, path);
    if (length >= MP__ADDRESS_PATH)
        return mp__fail(-EINVAL,
                        "%s: the path has %zu bytes, and the system takes %d "
                        "at most: %s",
                        function, length, MP__ADDRESS_PATH - 1, path);
    address->local = 1;
    memcpy(address->path, path, length + 1);
    return 0;
}

/* Digits alone; 65536 and above: it is none. */
static unsigned
read_port(const char *text)
{
    unsigned port = 0;

    if (*text == 0)
        return 65536;
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || port > 65535)
            return 65536;
        port = port * 10 + (unsigned)(*text - '0');
    }
    return port;
}

/* The host is all before the last colon, or what is in brackets. */
static int
read_host(struct mp__address *address, const char *text, const char *function)
{
    const char *host = text, *colon = strrchr(text, ':'), *end = colon;

    if (colon && text[0] == '[') {
        host = text + 1;
        end = colon - 1;
        if (*end != ']')
            colon = NULL;
    }
    if (!colon || read_port(colon + 1) > 65535)
        return mp__fail(-EINVAL, "%s: \"tcp:%s\": not of the form %s",
                        function, text,
                        "tcp:host:port, with a port of 0 to 65535");
    if (text[0] != '[' && memchr(text, ':', (size_t)(end - text)))
        return mp__fail(-EINVAL,
                        "%s: \"tcp:%s\": brackets belong round the address, "
                        "as in tcp:[::1]:port",
                        function, text);
    if (end == host)
        return mp__fail(-EINVAL,
                        "%s: \"tcp:%s\": the host is missing (to listen "
                        "everywhere: 0.0.0.0 or [::])",
                        function, text);
    if (end - host >= MP__ADDRESS_HOST)
        return mp__fail(-EINVAL, "%s: the host's name is too long", function);
    memcpy(address->host, host, (size_t)(end - host));
    address->port = read_port(colon + 1);
    return 0;
}

int
mp__address_read(struct mp__address *address, const char *text,
                 const char *function)
{
    memset(address, 0, sizeof(*address));
    if (!text)
        return mp__fail(-EINVAL, "%s: the address is NULL", function);
    if (strncmp(text, "unix:", 5) == 0)
        return read_path(address, text + 5, function);
    if (strncmp(text, "tcp:", 4) == 0)
        return read_host(address, text + 4, function);
    return mp__fail(-EINVAL,
                    "%s: \"%s\": an address is unix:/path or tcp:host:port",
                    function, text);
}
