/* SPDX-License-Identifier: MIT */
/* Boost.Interprocess: message_queue, with the room of mproc's queue, and the
 * allocator of its managed memory. The queue lies in /dev/shm, so large ones
 * are left out where that is small. */
#include "filled.h"
#include "idle.h"
#include "peer_main.h"
#include "remote.h"

#include <boost/interprocess/anonymous_shared_memory.hpp>
#include <boost/interprocess/ipc/message_queue.hpp>
#include <boost/interprocess/managed_external_buffer.hpp>
#include <memory>
#include <string>
#include <sys/statvfs.h>
#include <unistd.h>

namespace ipc = boost::interprocess;

static void
boost_put(void *channel, const void *data, size_t size)
{
    ((ipc::message_queue *)channel)->send(data, size, 0);
}

static void
boost_get(void *channel, void *buf, size_t size)
{
    ipc::message_queue::size_type got;
    unsigned priority;

    ((ipc::message_queue *)channel)->receive(buf, size, got, priority);
    if (got != size)
        fail("a message was cut");
}

/* Its numbers of priority: the highest comes out first. */
static void
boost_put_priority(void *channel, const void *data, size_t size)
{
    unsigned priority = 7 - (unsigned)(stream_number(data) % 8);

    ((ipc::message_queue *)channel)->send(data, size, priority);
}

STREAM_CREW(boost, boost_put, boost_get)
STREAM_CREW(boost_priority, boost_put_priority, boost_get)
BOUNCE_CREW(boost, boost_put, boost_get)
IDLE_CREW(boost, boost_put, boost_get)

static size_t
slots(size_t size)
{
    return stream_room(size) / size;
}

static bool
fits(size_t size)
{
    struct statvfs fs;

    return statvfs("/dev/shm", &fs) == 0 &&
           fs.f_bavail * fs.f_frsize > 4 * slots(size) * size;
}

/* The queue; its name is gone at once, as the children inherit the memory. */
static std::unique_ptr<ipc::message_queue>
make_queue(size_t size)
{
    static int count;
    std::string name = "mproc-bench-" + std::to_string(getpid()) + "-" +
                       std::to_string(count++);
    auto queue = std::make_unique<ipc::message_queue>(
        ipc::create_only, name.c_str(), slots(size), size);

    ipc::message_queue::remove(name.c_str());
    return queue;
}

static double
run_stream(const struct load *load, crew_fn *crew, int any_order)
{
    if (!fits(load->size))
        return LEFT_OUT;
    auto queue = make_queue(load->size);
    struct stream s = {load, queue.get(), nullptr, any_order, 0};
    return stream_run(&s, crew);
}

static double
measure_stream(const struct load *load)
{
    return run_stream(load, boost_stream_crew, 0);
}

static double
measure_priority(const struct load *load)
{
    return run_stream(load, boost_priority_stream_crew, 1);
}

static double
measure_bounce(const struct load *load)
{
    if (!fits(load->size))
        return LEFT_OUT;
    auto there = make_queue(load->size), back = make_queue(load->size);
    struct stream s = {load, there.get(), back.get(), 0, 0};
    return stream_run_bounce(&s, boost_bounce_crew);
}

static double
measure_idle(const struct load *load)
{
    auto queue = make_queue(load->size);
    struct stream s = {load, queue.get(), nullptr, 0, 0};
    return idle_run(&s, boost_idle_crew);
}

/* Boost's own name for such a heap stands for one without a lock. */
using shared_heap = ipc::basic_managed_external_buffer<
    char, ipc::rbtree_best_fit<ipc::mutex_family>, ipc::iset_index>;

/* A heap that the processes of a crew share, and what blocks go through. */
struct store {
    ipc::mapped_region region;
    shared_heap heap;
    void *channel = nullptr;
    const struct load *load;

    store(const struct load *for_load, size_t blocks)
        : region(
              ipc::anonymous_shared_memory(blocks * (for_load->size + 4096))),
          heap(ipc::create_only, region.get_address(), region.get_size()),
          load(for_load)
    {
    }
};

/* Made and read in place: the message is a block of the heap, and its address
 * goes through the queue. */
static void
filled_put(void *channel, const void *data, size_t size)
{
    auto *store = (struct store *)channel;
    void *block = store->heap.allocate(size);

    filled_write(block, size, stream_number(data));
    ((ipc::message_queue *)store->channel)->send(&block, sizeof(block), 0);
}

static void
filled_get(void *channel, void *buf, size_t size)
{
    auto *store = (struct store *)channel;
    void *block;

    boost_get(store->channel, &block, sizeof(block));
    stream_stamp((char *)buf, size, filled_read(block, size));
    store->heap.deallocate(block);
}

STREAM_CREW(filled, filled_put, filled_get)

static double
measure_filled(const struct load *load)
{
    size_t n = slots(load->size);
    ipc::message_queue::remove("mproc-bench-filled");
    ipc::message_queue queue(ipc::create_only, "mproc-bench-filled", n,
                             sizeof(void *));
    ipc::message_queue::remove("mproc-bench-filled");
    store store(load, n + 4);
    struct stream s = {load, &store, nullptr, 0, 0};

    store.channel = &queue;
    return stream_run(&s, filled_stream_crew);
}

/* Blocks: see alloc.c. */

enum { LIVE = 64 };

static void
renew(store *store, char **block, uint64_t value)
{
    size_t size = store->load->size;

    if (*block && stream_value(*block, size) == 0)
        fail("a block was overwritten");
    if (*block)
        store->heap.deallocate(*block);
    *block = (char *)store->heap.allocate(size);
    stream_stamp(*block, size, value);
}

static void
churn_crew(struct crew *crew, int seat, void *arg)
{
    auto *store = (struct store *)arg;
    long n = store->load->ops / store->load->producers;
    char *blocks[LIVE] = {};

    for (int i = 0; i < 4 * LIVE; i++)
        renew(store, &blocks[i % LIVE], 1);
    crew_begin(crew, seat);
    for (long i = 0; i < n; i++)
        renew(store, &blocks[i % LIVE], (uint64_t)i + 1);
    crew_end(crew, seat, 0);
}

static double
measure_alloc(const struct load *load)
{
    store store(load, (size_t)load->producers * 2 * LIVE);

    return crew_run(load->producers, load->pinned, churn_crew, &store,
                    nullptr) /
           (double)load->ops;
}

static void
remote_put(void *channel, const void *data, size_t size)
{
    auto *store = (struct store *)channel;

    remote_send(store->channel, (char *)store->heap.allocate(size), data,
                size);
}

static void
remote_get(void *channel, void *buf, size_t size)
{
    auto *store = (struct store *)channel;

    store->heap.deallocate(remote_receive(store->channel, buf, size));
}

STREAM_CREW(remote, remote_put, remote_get)

static double
measure_remote(const struct load *load)
{
    store store(load, REMOTE_ROOM);
    struct stream s = {load, &store, nullptr, 0, 0};

    store.channel = ring_new(REMOTE_ROOM);
    return stream_run(&s, remote_stream_crew);
}

const struct peer_kind peer_kinds[] = {
    {"stream", measure_stream},
    {"stream_filled", measure_filled},
    {"stream_priority", measure_priority},
    {"bounce", measure_bounce},
    {"idle", measure_idle},
    {"alloc", measure_alloc},
    {"alloc_remote", measure_remote},
    {},
};
