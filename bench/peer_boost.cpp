/* SPDX-License-Identifier: MIT */
/* Boost.Interprocess: message_queue, with the room of mproc's queue but at
 * most 16,384 messages, and the allocator of its managed memory. The queue
 * lies in /dev/shm, so large ones are left out where that is small. */
#include "peer_main.h"
#include "stream.h"

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

STREAM_CREW(boost, boost_put, boost_get)
BOUNCE_CREW(boost, boost_put, boost_get)

static size_t
slots(size_t size)
{
    size_t room =
        size < ((size_t)1 << 20) ? (size_t)1 << 20 : (size_t)64 << 20;
    size_t n = room / size;

    return n < 16384 ? n : 16384;
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
measure_stream(const struct load *load)
{
    if (!fits(load->size))
        return LEFT_OUT;
    auto queue = make_queue(load->size);
    struct stream s = {load, queue.get(), nullptr};
    return stream_run(&s, boost_stream_crew);
}

static double
measure_bounce(const struct load *load)
{
    if (!fits(load->size))
        return LEFT_OUT;
    auto there = make_queue(load->size), back = make_queue(load->size);
    struct stream s = {load, there.get(), back.get()};
    return stream_run_bounce(&s, boost_bounce_crew);
}

/* As alloc.c: one block is given back and another one taken, 64 live. */
static double
measure_alloc(const struct load *load)
{
    const size_t live = 64, size = 2 * live * (load->size + 4096);
    ipc::mapped_region region(ipc::anonymous_shared_memory(size));
    ipc::managed_external_buffer heap(ipc::create_only, region.get_address(),
                                      size);
    char *blocks[live] = {};
    int64_t start = 0;

    for (long i = -4 * (long)live; i < load->ops; i++) {
        char *&block = blocks[(size_t)(i + 4 * (long)live) % live];
        uint64_t value = (uint64_t)i | 1;

        if (i == 0)
            start = now_ns();
        if (block && stream_value(block, load->size) == 0)
            fail("a block was overwritten");
        if (block)
            heap.deallocate(block);
        block = (char *)heap.allocate(load->size);
        stream_stamp(block, load->size, value);
    }
    return (double)(now_ns() - start) / (double)load->ops;
}

const struct peer_kind peer_kinds[] = {
    {"stream", measure_stream},
    {"bounce", measure_bounce},
    {"alloc", measure_alloc},
    {},
};
