/* SPDX-License-Identifier: MIT */
/* Processes that sleep in futexes: what a wake-up costs on this machine. */
#include "idle.h"
#include "kernel.h"

#include <linux/futex.h>
#include <sys/syscall.h>

/* Two processes that sleep until the other one has written. */

struct mailbox {
    uint32_t full __attribute__((aligned(LINE)));
    char data[] __attribute__((aligned(LINE)));
};

static void
mailbox_put(void *channel, const void *data, size_t size)
{
    struct mailbox *box = channel;

    memcpy(box->data, data, size);
    __atomic_store_n(&box->full, 1, __ATOMIC_SEQ_CST);
    syscall(SYS_futex, &box->full, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void
mailbox_get(void *channel, void *buf, size_t size)
{
    struct mailbox *box = channel;

    while (!__atomic_load_n(&box->full, __ATOMIC_SEQ_CST))
        syscall(SYS_futex, &box->full, FUTEX_WAIT, 0, NULL, NULL, 0);
    memcpy(buf, box->data, size);
    box->full = 0;
}

BOUNCE_CREW(mailbox, mailbox_put, mailbox_get)

double
futex_bounce(const struct load *load)
{
    struct stream s = {.load = load};

    s.channel = shared_memory(sizeof(struct mailbox) + load->size);
    s.back = shared_memory(sizeof(struct mailbox) + load->size);
    return stream_run_bounce(&s, mailbox_bounce_crew);
}

/* Sleepers that wait for one word. */

static void
door_open(void *channel, const void *data, size_t size)
{
    uint32_t *door = channel;

    (void)data;
    (void)size;
    __atomic_store_n(door, 1, __ATOMIC_SEQ_CST);
    syscall(SYS_futex, door, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void
door_pass(void *channel, void *buf, size_t size)
{
    uint32_t *door = channel;

    (void)buf;
    (void)size;
    while (!__atomic_load_n(door, __ATOMIC_SEQ_CST))
        syscall(SYS_futex, door, FUTEX_WAIT, 0, NULL, NULL, 0);
}

IDLE_CREW(door, door_open, door_pass)

double
futex_idle(const struct load *load)
{
    struct stream s = {.load = load, .channel = shared_memory(LINE)};

    return idle_run(&s, door_idle_crew);
}
