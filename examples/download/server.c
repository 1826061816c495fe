/* SPDX-License-Identifier: MIT */
/* A small web server that stands in for the sites, on this machine and at a
 * port that the system chooses. Several processes accept connections at the
 * same socket; each thinks for a while before it answers, as sites do. */
#include "download.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SERVERS = 6, THINKS = 200000 /* us */ };

/* Reads a request; the host that is asked for, or NULL. */
static const char *
read_request(int fd, char *text, size_t room)
{
    size_t size = 0;
    char *host;
    ssize_t n;

    do {
        n = read(fd, text + size, room - size - 1);
        if (n <= 0)
            return NULL;
        size += (size_t)n;
        text[size] = '\0';
    } while (!strstr(text, "\r\n\r\n") && size < room - 1);
    host = strcasestr(text, "\r\nHost:");
    if (!host)
        return NULL;
    host += strlen("\r\nHost:");
    host += strspn(host, " ");
    host[strcspn(host, ":\r")] = '\0';
    return host;
}

/* Sites differ in what they have to say. */
static int
write_page(FILE *out, const char *host)
{
    fprintf(out, "<html><title>Welcome to %s</title><body>\n", host);
    for (size_t i = 0; i < 100 * strlen(host); i++)
        fprintf(out, "<p>%zu: %s</p>\n", i, host);
    fprintf(out, "</body></html>\n");
    return fclose(out);
}

static void
answer(int fd)
{
    char request[8192];
    const char *host = read_request(fd, request, sizeof(request));
    FILE *out = host ? fdopen(fd, "w") : NULL;

    if (!out) {
        close(fd);
        return;
    }
    usleep(THINKS);
    fprintf(out, "HTTP/1.1 200 OK\r\n"
                 "Content-Type: text/html\r\n"
                 "Connection: close\r\n\r\n");
    write_page(out, host);
}

static int
accept_for_ever(void *arg)
{
    int listener = *(int *)arg;

    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

        if (fd >= 0)
            answer(fd);
        else if (errno != EINTR && errno != ECONNABORTED)
            return 1;
    }
}

int
serve(void)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t size = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&at, size) < 0 ||
        listen(fd, 64) < 0 ||
        getsockname(fd, (struct sockaddr *)&at, &size) < 0)
        return -errno;
    for (int i = 0; i < SERVERS; i++) {
        mp_process *server;
        int r = mp_process_start(&server, accept_for_ever, &fd, sizeof(fd),
                                 MP_PROCESS_ATTR(.name = "server", .daemon = 1,
                                                 .pass_fds = &fd,
                                                 .pass_fds_count = 1));

        if (r < 0)
            return r;
    }
    close(fd);
    return ntohs(at.sin_port);
}
