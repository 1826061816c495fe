/* SPDX-License-Identifier: MIT */
/* Packets that are on their way lie in a ring for each direction, with the time
 * at which they arrive. All take equally long: so they arrive in order. */
#include "net/cable.h"
#include "support/support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PACKET = 1600, ROOM = 2048, VERSION_4 = 4, TCP = 6, RST = 4 };

struct packet {
    int64_t arrives;
    size_t size;
    unsigned char data[PACKET];
};

struct line {
    int from, to;
    atomic_int resets; /* packets that are to become one */
    size_t head, tail; /* counts: of what arrived, of what was sent */
    struct packet ring[ROOM];
};

struct cable {
    enum cable_kind kind;
    int hosts[2], tuns[2];
    pid_t carrier;
    atomic_int delay_ms, loss, cut;
    struct line lines[2];
};

/* ---- Whether and how ---- */

static int
works(const char *command)
{
    char line[300];

    snprintf(line, sizeof(line), "{ %s; } >/dev/null 2>&1", command);
    return system(line) == 0;
}

const char *
cable_missing(enum cable_kind kind)
{
    if (kind == CABLE_TUN)
        return access("/dev/net/tun", R_OK | W_OK) < 0 ? "no /dev/net/tun"
               : geteuid() != 0 && !works("unshare -rn true")
                   ? "no network namespaces for this user"
                   : NULL;
    if (geteuid() != 0)
        return "not root";
    if (!works("command -v ip && command -v tc && command -v unshare"))
        return "no iproute2";
    if (!works("unshare -n true"))
        return "no network namespaces";
    if (!works("unshare -n sh -c 'ip link set lo up && "
               "tc qdisc add dev lo root netem delay 1ms'"))
        return "the kernel has no netem";
    return NULL;
}

static void
must(long r, const char *what)
{
    if (r < 0)
        ck_abort_msg("%s: %s", what, strerror(errno));
}

static void
write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    must(fd, path);
    must(write(fd, text, strlen(text)), path);
    close(fd);
}

/* Who is not root is, in a namespace of users. */
static void
become_root(void)
{
    char map[60];
    uid_t uid = geteuid();
    gid_t gid = getegid();

    if (uid == 0)
        return;
    must(unshare(CLONE_NEWUSER), "unshare");
    write_text("/proc/self/setgroups", "deny");
    snprintf(map, sizeof(map), "0 %u 1", (unsigned)uid);
    write_text("/proc/self/uid_map", map);
    snprintf(map, sizeof(map), "0 %u 1", (unsigned)gid);
    write_text("/proc/self/gid_map", map);
}

static int
enter_new_host(void)
{
    int fd;

    must(unshare(CLONE_NEWNET), "unshare");
    fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    must(fd, "/proc/self/ns/net");
    return fd;
}

/* ---- A device of this host ---- */

static void
set_address(struct ifreq *request, int fd, unsigned long what,
            const char *address)
{
    struct sockaddr_in *in = (struct sockaddr_in *)&request->ifr_addr;

    memset(in, 0, sizeof(*in));
    in->sin_family = AF_INET;
    inet_pton(AF_INET, address, &in->sin_addr);
    must(ioctl(fd, what, request), address);
}

static void
bring_up(const char *device, const char *address)
{
    struct ifreq request = {0};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    must(fd, "socket");
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", device);
    if (address) {
        set_address(&request, fd, SIOCSIFADDR, address);
        set_address(&request, fd, SIOCSIFNETMASK, "255.255.255.0");
    }
    must(ioctl(fd, SIOCGIFFLAGS, &request), device);
    request.ifr_flags |= IFF_UP | IFF_RUNNING;
    must(ioctl(fd, SIOCSIFFLAGS, &request), device);
    close(fd);
}

static int
open_tun(const char *address)
{
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

    must(fd, "/dev/net/tun");
    strcpy(request.ifr_name, "cable");
    must(ioctl(fd, TUNSETIFF, &request), "TUNSETIFF");
    bring_up("lo", NULL);
    bring_up("cable", address);
    return fd;
}

/* ---- Our own cable ---- */

static int64_t
now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int
is_lost(struct cable *cable)
{
    static unsigned seed = 1;

    return cable->cut || rand_r(&seed) % 1000 < cable->loss;
}

/* A packet of TCP with data becomes a reset at its place in the stream. */
static void
make_reset(struct line *line, struct packet *packet)
{
    size_t header = (packet->data[0] & 15u) * 4;
    unsigned char *tcp = packet->data + header;
    uint32_t sum;

    if (!line->resets || packet->data[9] != TCP ||
        packet->size <= header + (tcp[12] >> 4) * 4u || (tcp[13] & RST))
        return;
    line->resets--;
    tcp[13] |= RST;
    /* The checksum is of the complement: what was added is taken off. */
    sum = (uint32_t)(tcp[16] << 8 | tcp[17]) + 0xffffu - RST;
    sum = (sum & 0xffff) + (sum >> 16);
    tcp[16] = (unsigned char)(sum >> 8);
    tcp[17] = (unsigned char)sum;
}

/* What the sender has sent; more than there is room for is lost. */
static void
take_in(struct cable *cable, struct line *line)
{
    struct packet lost, *packet;
    ssize_t n;

    for (;;) {
        int full = line->tail - line->head == ROOM;

        packet = full ? &lost : &line->ring[line->tail % ROOM];
        n = read(line->from, packet->data, PACKET);
        if (n <= 0)
            return;
        if (full || packet->data[0] >> 4 != VERSION_4 || is_lost(cable))
            continue;
        packet->size = (size_t)n;
        make_reset(line, packet);
        packet->arrives = now() + cable->delay_ms * (int64_t)1000000;
        line->tail++;
    }
}

/* When the next one arrives; INT64_MAX: none is on its way. */
static int64_t
hand_out(struct cable *cable, struct line *line)
{
    for (; line->head < line->tail; line->head++) {
        struct packet *packet = &line->ring[line->head % ROOM];

        if (packet->arrives > now())
            return packet->arrives;
        if (!cable->cut && write(line->to, packet->data, packet->size) < 0 &&
            errno != EIO && errno != EAGAIN)
            _exit(1);
    }
    return INT64_MAX;
}

static void
sleep_until(struct cable *cable, int64_t then)
{
    struct pollfd fds[2];
    int64_t left = then - now();
    struct timespec t = {left / 1000000000, left % 1000000000};

    for (int i = 0; i < 2; i++)
        fds[i] = (struct pollfd){.fd = cable->lines[i].from, .events = POLLIN};
    if (left > 0)
        ppoll(fds, 2, then == INT64_MAX ? NULL : &t, NULL);
}

static int
carry(void *arg)
{
    struct cable *cable = arg;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        int64_t next = INT64_MAX;

        for (int i = 0; i < 2; i++)
            take_in(cable, &cable->lines[i]);
        for (int i = 0; i < 2; i++) {
            int64_t arrives = hand_out(cable, &cable->lines[i]);

            next = arrives < next ? arrives : next;
        }
        sleep_until(cable, next);
    }
    return 0;
}

static void
lay_tun(struct cable *cable)
{
    become_root();
    cable->hosts[0] = enter_new_host();
    cable->tuns[0] = open_tun(CABLE_HERE);
    cable->hosts[1] = enter_new_host();
    cable->tuns[1] = open_tun(CABLE_THERE);
    for (int i = 0; i < 2; i++) {
        cable->lines[i].from = cable->tuns[i];
        cable->lines[i].to = cable->tuns[1 - i];
    }
    cable->carrier = child(carry, cable);
}

/* ---- The kernel's ---- */

/* At a host; `format` has what to run. */
struct command {
    const char *text;
};

static int
run_command(void *arg)
{
    return !works(((struct command *)arg)->text);
}

static void
at(struct cable *cable, int host, const char *text)
{
    struct command command = {text};
    pid_t pid = cable_child(cable, host, run_command, &command);

    ck_assert_msg(reap(pid) == 0, "failed: %s", text);
}

static void
lay_netem(struct cable *cable)
{
    char text[200];

    cable->hosts[0] = enter_new_host();
    cable->hosts[1] = enter_new_host();
    snprintf(text, sizeof(text),
             "ip link add cable type veth peer name other && "
             "ip link set other netns /proc/%d/fd/%d",
             (int)getpid(), cable->hosts[0]);
    at(cable, 1, text);
    at(cable, 0,
       "ip link set other name cable && ip link set lo up && "
       "ip addr add " CABLE_HERE "/24 dev cable && ip link set cable up");
    at(cable, 1,
       "ip link set lo up && ip addr add " CABLE_THERE "/24 dev cable && "
       "ip link set cable up");
}

/* ---- Both ---- */

struct cable *
cable_lay(enum cable_kind kind)
{
    struct cable *cable = mmap(NULL, sizeof(*cable), PROT_READ | PROT_WRITE,
                               MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    ck_assert_ptr_ne(cable, MAP_FAILED);
    cable->kind = kind;
    (kind == CABLE_TUN ? lay_tun : lay_netem)(cable);
    return cable;
}

void
cable_remove(struct cable *cable)
{
    if (cable->kind == CABLE_TUN) {
        kill_and_reap(cable->carrier);
        close(cable->tuns[0]);
        close(cable->tuns[1]);
    }
    close(cable->hosts[0]);
    close(cable->hosts[1]);
    munmap(cable, sizeof(*cable));
}

void
cable_set(struct cable *cable, int delay_ms, int loss)
{
    char text[120];

    cable->delay_ms = delay_ms;
    cable->loss = loss;
    snprintf(text, sizeof(text),
             "tc qdisc replace dev cable root netem delay %dms loss %d.%d%%",
             delay_ms, loss / 10, loss % 10);
    if (cable->kind == CABLE_NETEM)
        for (int i = 0; i < 2; i++)
            at(cable, i, text);
}

void
cable_cut(struct cable *cable)
{
    cable->cut = 1;
    if (cable->kind == CABLE_NETEM)
        for (int i = 0; i < 2; i++)
            at(cable, i, "tc qdisc replace dev cable root netem loss 100%");
}

void
cable_mend(struct cable *cable)
{
    cable->cut = 0;
    if (cable->kind == CABLE_NETEM)
        cable_set(cable, cable->delay_ms, cable->loss);
}

void
cable_reset(struct cable *cable)
{
    for (int i = 0; i < 2; i++)
        cable->lines[i].resets = 1;
}

struct visit {
    int host;
    int (*fn)(void *);
    void *arg;
};

static int
visit(void *arg)
{
    struct visit *v = arg;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (setns(v->host, CLONE_NEWNET) < 0)
        return 100;
    return v->fn(v->arg);
}

pid_t
cable_child(struct cable *cable, int host, int (*fn)(void *), void *arg)
{
    struct visit v = {cable->hosts[host], fn, arg};

    return child(visit, &v);
}
