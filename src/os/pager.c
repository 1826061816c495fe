/* SPDX-License-Identifier: MIT */
/* A pager is a datagram socket with an abstract name, which is made of its
 * number. To page is to send it a datagram.
 *
 * That takes no permission, no common ancestor, no /proc and no look at who has
 * which descriptor number now. (A pipe of another process, opened through
 * /proc/PID/fd, takes the right to trace it: no other user may, and nobody if
 * it has changed its user since.) When the last process that has the socket is
 * gone, so is the name, and the sender learns it. Everybody can see the name;
 * a filter drops what does not carry the secret.
 *
 * Names belong to a network namespace. The number says which, so that one that
 * cannot be reached is not taken for dead.
 *
 * A process pages with one socket, which it keeps: it must not fail to because
 * it has too many files open by then. The program may have closed it behind
 * our back, and then the number is something else's: hence the inode. */
#include "os/pager.h"

#include "base/atomic.h"
#include "base/macros.h"
#include "os/descriptors.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71 /* Linux 5.14 */
#endif

#define WORDS (MP__SECRET_SIZE / 4)
#define TRIES 100
#define PAGES 12

static mp__a64 voice; /* {descriptor:32, inode:32}; 0: none yet */

static int
open_socket(void)
{
    return mp__fd_high(
        socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

/* 0 where the system does not tell. */
static uint32_t
namespace_of(int fd)
{
    uint64_t cookie = 0;
    socklen_t size = sizeof(cookie);

    getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size);
    return (uint32_t)cookie;
}

static socklen_t
name_of(uint64_t number, struct sockaddr_un *address)
{
    static const char prefix[] = "\0mproc.", digits[] = "0123456789abcdef";
    char *at = address->sun_path + sizeof(prefix) - 1;

    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, prefix, sizeof(prefix) - 1);
    for (int shift = 60; shift >= 0; shift -= 4)
        *at++ = digits[number >> shift & 15];
    return (socklen_t)(at - (char *)address);
}

/* ---- Being paged ---- */

/* Where the system cannot filter, strangers can make the pager readable: that
 * costs time, no more. */
static void
filter(int fd, const unsigned char *secret)
{
    struct sock_filter code[2 * WORDS + 2];
    struct sock_fprog program = {.len = MP__LENGTH(code), .filter = code};
    struct sock_filter *at = code;

    for (unsigned i = 0; i < WORDS; i++) {
        uint32_t word;

        memcpy(&word, secret + 4 * i, sizeof(word));
        *at++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 4 * i);
        /* Another word: over all that follows, to the end. */
        *at++ = (struct sock_filter)BPF_JUMP(
            BPF_JMP | BPF_JEQ | BPF_K, ntohl(word), 0,
            (unsigned char)(2 * (WORDS - 1 - i) + 1));
    }
    *at++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, UINT32_MAX);
    *at = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
    setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

/* A number that nobody has. */
static int
bind_number(int fd, uint64_t *ret_number)
{
    uint64_t number = (uint64_t)namespace_of(fd) << 32;

    for (int i = 0; i < TRIES; i++) {
        struct sockaddr_un address;
        socklen_t size;
        uint32_t draw;

        if (getrandom(&draw, sizeof(draw), 0) != sizeof(draw) || draw == 0)
            continue;
        size = name_of(number | draw, &address);
        if (bind(fd, (struct sockaddr *)&address, size) == 0) {
            *ret_number = number | draw;
            return 0;
        }
        if (errno != EADDRINUSE)
            break;
    }
    return -errno;
}

int
mp__pager_open(const unsigned char *secret, uint64_t *ret_number)
{
    int fd = open_socket(), r;

    if (fd < 0)
        return fd;
    filter(fd, secret);
    r = bind_number(fd, ret_number);
    if (r == 0)
        return fd;
    close(fd);
    return r;
}

/* One call as a rule: more than ten are hardly ever there. */
void
mp__pager_drain(int fd)
{
    struct mmsghdr messages[PAGES] = {0};
    int n;

    do
        n = recvmmsg(fd, messages, PAGES, MSG_DONTWAIT, NULL);
    while (n == PAGES || (n < 0 && errno == EINTR));
}

/* ---- Paging ---- */

static uint32_t
inode_of_socket(int fd)
{
    struct stat s;

    return fstat(fd, &s) == 0 && S_ISSOCK(s.st_mode) ? (uint32_t)s.st_ino : 0;
}

static int
get_voice(void)
{
    uint64_t have = mp__load(&voice);
    int fd;

    if (have && inode_of_socket((int)(have >> 32)) == (uint32_t)have)
        return (int)(have >> 32);
    fd = open_socket();
    if (fd < 0 ||
        mp__cas(&voice, &have, (uint64_t)fd << 32 | inode_of_socket(fd)))
        return fd;
    close(fd); /* another thread was faster */
    return (int)(have >> 32);
}

static int
send_by(int fd, const unsigned char *secret, uint64_t number)
{
    struct sockaddr_un address;
    socklen_t size = name_of(number, &address);

    if (sendto(fd, secret, MP__SECRET_SIZE, MSG_DONTWAIT | MSG_NOSIGNAL,
               (struct sockaddr *)&address, size) >= 0)
        return 0;
    if (errno == ECONNREFUSED && namespace_of(fd) != number >> 32)
        return -EHOSTUNREACH;
    return -errno;
}

int
mp__pager_page(const unsigned char *secret, uint64_t number)
{
    int fd = get_voice(), r;

    if (fd < 0)
        return fd;
    r = send_by(fd, secret, number);
    if (r != -EAGAIN && r != -EHOSTUNREACH)
        return r;
    /* -EAGAIN: the pager is full, and so readable; or too much that we have
     * sent to others is unread yet, which is held against the sender. */
    fd = open_socket();
    if (fd < 0)
        return fd;
    r = send_by(fd, secret, number);
    close(fd);
    return r == -EAGAIN ? 0 : r;
}
