/* SPDX-License-Identifier: MIT */
#include "os/stream_name.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

void
mp__stream_local_name(struct mp__stream_name *name, const char *path)
{
    size_t length = strnlen(path, MP__STREAM_PATH);

    memset(name, 0, sizeof(*name));
    name->as.local.sun_family = AF_UNIX;
    memcpy(name->as.local.sun_path, path, length);
    name->size =
        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + 1);
}

int
mp__stream_look_up(struct mp__stream_name *names, unsigned most,
                   const char *host, unsigned port, const char **ret_why)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICSERV};
    struct addrinfo *list, *info;
    unsigned n = 0;
    char service[16];
    int r;

    snprintf(service, sizeof(service), "%u", port);
    r = getaddrinfo(host, service, &hints, &list);
    if (r != 0) {
        *ret_why = gai_strerror(r);
        return r == EAI_SYSTEM   ? -errno
               : r == EAI_MEMORY ? -ENOMEM
                                 : -EHOSTUNREACH;
    }
    for (info = list; info && n < most; info = info->ai_next) {
        if (info->ai_addrlen > sizeof(names[n].as))
            continue;
        memcpy(&names[n].as, info->ai_addr, info->ai_addrlen);
        names[n++].size = info->ai_addrlen;
    }
    freeaddrinfo(list);
    *ret_why = "no address";
    return n == 0 ? -EHOSTUNREACH : (int)n;
}

int
mp__stream_is_loopback(const struct mp__stream_name *name)
{
    const struct in6_addr *in6 = &name->as.in6.sin6_addr;

    if (name->as.any.sa_family == AF_INET)
        return ntohl(name->as.in.sin_addr.s_addr) >> 24 == 127;
    return name->as.any.sa_family == AF_INET6 &&
           (IN6_IS_ADDR_LOOPBACK(in6) ||
            (IN6_IS_ADDR_V4MAPPED(in6) && in6->s6_addr[12] == 127));
}

static int
text_of(const struct mp__stream_name *name, char text[MP__STREAM_TEXT])
{
    char host[INET6_ADDRSTRLEN + IF_NAMESIZE + 1], port[8];

    if (getnameinfo(&name->as.any, name->size, host, sizeof(host), port,
                    sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return -EINVAL;
    snprintf(text, MP__STREAM_TEXT,
             name->as.any.sa_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host,
             port);
    return 0;
}

int
mp__stream_bound_text(int fd, char text[MP__STREAM_TEXT])
{
    struct mp__stream_name name = {.size = sizeof(name.as)};

    if (getsockname(fd, &name.as.any, &name.size) < 0)
        return -errno;
    return text_of(&name, text);
}

void
mp__stream_peer_text(int fd, char text[MP__STREAM_TEXT])
{
    struct mp__stream_name name = {.size = sizeof(name.as)};

    if (getpeername(fd, &name.as.any, &name.size) < 0 ||
        text_of(&name, text) < 0)
        snprintf(text, MP__STREAM_TEXT, "?");
}
