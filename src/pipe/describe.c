/* SPDX-License-Identifier: MIT */
/* How an end of a pipe is described: what lies in its rings, who holds it and
 * the other end, who waits.
 *
 * Of those who wait on a side the first sleeps on the flag, the others for the
 * mutex: wait.c. */
#include "pipe/pipe.h"
#include "region/region.h"
#include "report/describe.h"

#include <stdio.h>

#define LOOKS 100 /* for a ring that stands still meanwhile */

/* NULL: there is none that can be relied on. */
static struct mp__pipe_end *
peer_of(const struct mp__pipe_end *end)
{
    struct mp__pipe_end *peer = end->peer;

    return mp__object_around(peer) == peer && mp__pipe_is_end(peer) ? peer
                                                                    : NULL;
}

/* ---- What is in a ring ---- */

static unsigned
count_between(const unsigned char *data, uint64_t head, uint64_t tail)
{
    unsigned n = 0;

    for (uint64_t at = head;
         at - head < tail - head && n < MP__PIPE_GRANULES;) {
        const void *record = data + at % MP__PIPE_GRANULES * MP__PIPE_GRANULE;
        uint64_t word = *(const volatile uint64_t *)record;
        size_t size = word >> 8;

        if ((word & 0xff) == MP__PIPE_PAD) {
            at += mp__pipe_rest(at);
            continue;
        }
        if ((word & 0xff) == MP__PIPE_REFERENCE)
            size = sizeof(struct mp__pipe_reference);
        at += mp__pipe_granules(size);
        n++;
    }
    return n;
}

static unsigned
count_messages(struct mp__pipe_ring *ring)
{
    const unsigned char *data = ring->data;
    unsigned n;
    uint64_t head;
    int looks = LOOKS;

    if (!mp__region_contains(data, MP__PIPE_GRANULES * MP__PIPE_GRANULE))
        return 0;
    do {
        head = mp__load(&ring->head);
        n = count_between(data, head, mp__load(&ring->tail));
    } while (head != mp__load(&ring->head) && --looks > 0);
    return n;
}

/* "; in: 3 messages, 1 waits to receive" */
static void
report_ring(struct mp__report *report, struct mp__pipe_ring *ring,
            const char *way, const char *verb,
            const struct mp__waiting *waiting)
{
    unsigned n = count_messages(ring);

    if (n == 0)
        mp__report(report, "; %s: empty, ", way);
    else
        mp__report(report, "; %s: %u message%s, ", way, n, n == 1 ? "" : "s");
    mp__report_count(report, waiting->n);
    mp__report(report, " to %s", verb);
}

/* ---- Who holds, who waits ---- */

struct holding {
    struct mp__report *report;
    const char *what;
};

static void
report_holder(uint64_t process, void *arg)
{
    struct holding *holding = arg;
    pid_t pid = mp__kin.pid(process);

    if (pid == 0) /* it is on its way */
        return;
    mp__report(holding->report, "  ");
    mp__report_thread(holding->report, pid, pid);
    mp__report(holding->report, " %s\n", holding->what);
}

static void
report_holders(struct mp__report *report, struct mp__pipe_end *end,
               const char *what)
{
    struct holding holding = {report, what};

    mp__holders_each(&end->holders, report_holder, &holding);
}

static void
look_at_side(struct mp__waiting *waiting, struct mp__pipe_side *side,
             mp__a32 *flag)
{
    mp__waiting_in(waiting, flag, sizeof(*flag));
    mp__waiting_also_in(waiting, &side->bias.mutex, sizeof(side->bias.mutex));
}

/* ---- All of it ---- */

void
mp__pipe_describe(struct mp__report *report, mp_conn *conn)
{
    struct mp__pipe_end *end = (struct mp__pipe_end *)(void *)conn;
    struct mp__pipe_end *peer = peer_of(end);
    int sends = conn->can & MP__CONN_SEND && peer;
    struct mp__waiting in, out = {0};

    look_at_side(&in, &end->in.receiver, &end->in.receiver_sleeps);
    if (sends)
        look_at_side(&out, &peer->in.sender, &peer->in.sender_sleeps);
    if (!peer || mp__holders_gone(&peer->holders))
        mp__report(report, ", an end of a pipe, the other is gone");
    else
        mp__report(report, ", an end of a pipe, the other is %p",
                   (void *)peer);
    if (conn->can & MP__CONN_RECEIVE)
        report_ring(report, &end->in, "in", "receive", &in);
    if (sends)
        report_ring(report, &peer->in, "out", "send", &out);
    mp__report(report, "\n");
    report_holders(report, end, "holds it");
    if (peer)
        report_holders(report, peer, "holds the other");
    mp__report_waiting(report, &in, ", to receive");
    mp__report_waiting(report, &out, ", to send");
}
