# SPDX-License-Identifier: MIT
"""CPython's multiprocessing, measured as mproc is.

Without arguments: reads requests on standard input, one per line,
    KIND SIZE PRODUCERS CONSUMERS PINNED OPS
and answers each with the nanoseconds of one operation, or "-". With a folder
as argument: writes the SHA-256 sums of its files, by a pool of two.
"""

import hashlib
import multiprocessing as mp
import os
import sys
import time
from multiprocessing.sharedctypes import RawArray, RawValue

now = time.monotonic_ns
kept = []  # what the process has touched, to be large


def check(condition, what):
    if not condition:
        sys.exit("peer_cpython: " + what)


# Crews: processes that start their work at the same moment.

def member(run, seat, gate, times, pinned, args):
    if pinned:
        processors = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {processors[seat % len(processors)]})
    warm, work = run(seat, *args)
    warm()
    gate.wait()
    times[2 * seat] = now()
    work()
    times[2 * seat + 1] = now()


def crew(members, pinned, run, *args):
    """The time from the first start to the last end."""
    gate = mp.Barrier(members)
    times = RawArray("q", 2 * members)
    processes = [
        mp.Process(target=member,
                   args=(run, seat, gate, times, pinned, args))
        for seat in range(members)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        check(process.exitcode == 0, "a process of the crew failed")
    return max(times[1::2]) - min(times[0::2])


# Queues

def put_many(queue, n, message):
    for _ in range(n):
        queue.put(message)


def get_many(queue, n, size):
    for _ in range(n):
        check(len(queue.get()) == size, "a message came out wrong")


def stream_member(seat, queue, size, producers, consumers, ops):
    message = b"m" * size
    if seat < producers:
        n = ops // producers
        return (lambda: put_many(queue, n // 4, message),
                lambda: put_many(queue, n, message))
    warm = ops // producers // 4 * producers // consumers
    return (lambda: get_many(queue, warm, size),
            lambda: get_many(queue, ops // consumers, size))


def stream(size, producers, consumers, pinned, ops):
    return crew(producers + consumers, pinned, stream_member, mp.Queue(),
                size, producers, consumers, ops) / ops


def ask(there, back, n, size):
    message = b"m" * size
    for _ in range(n):
        there.put(message)
        check(len(back.get()) == size, "the wrong answer came back")


def answer(there, back, n):
    for _ in range(n):
        back.put(there.get())


def bounce_member(seat, there, back, size, ops):
    if seat == 0:
        return (lambda: ask(there, back, ops // 4, size),
                lambda: ask(there, back, ops, size))
    return (lambda: answer(there, back, ops // 4),
            lambda: answer(there, back, ops))


def bounce(size, producers, consumers, pinned, ops):
    return crew(2, pinned, bounce_member, mp.Queue(), mp.Queue(), size,
                ops) / ops


# Locks

def count(lock, counter, n):
    acquire, release = lock.acquire, lock.release
    for _ in range(n):
        acquire()
        counter.value += 1
        release()


def lock_member(seat, lock, counter, n):
    return lambda: None, lambda: count(lock, counter, n)


def contend(size, producers, consumers, pinned, ops):
    counter = RawValue("q", 0)
    ns = crew(producers, pinned, lock_member, mp.Lock(), counter,
              ops // producers)
    check(counter.value == ops, "the lock let two processes in")
    return ns / ops


# Memory: what Value and Array are made of

def alloc(size, producers, consumers, pinned, ops):
    blocks = [RawArray("c", size) for _ in range(64)]
    start = now()
    for i in range(ops):
        blocks[i % 64] = None
        blocks[i % 64] = RawArray("c", size)
    return (now() - start) / ops


# Processes

def target():
    pass


def start_and_join(context):
    process = context.Process(target=target)
    process.start()
    process.join()
    check(process.exitcode == 0, "a child failed")
    process.close()


def start_by(method):
    def measure(size, producers, consumers, pinned, ops):
        context = mp.get_context(method)
        if size and not kept:
            kept.append(bytearray(b"m") * size)
        start_and_join(context)
        start = now()
        for _ in range(ops):
            start_and_join(context)
        return (now() - start) / ops
    return measure


# Pools

def square(x):
    return x * x


def spin(ns):
    end = now() + ns
    while now() < end:
        pass
    return ns


def ends(data):
    return data[0] + data[-1]


def apply(size, producers, consumers, pinned, ops):
    with mp.Pool(producers) as pool:
        pool.apply(square, (1,))
        start = now()
        for i in range(ops):
            check(pool.apply(square, (i,)) == i * i, "a task went wrong")
        return (now() - start) / ops


def submit_batch(pool, function, arguments, expected):
    results = [pool.apply_async(function, (x,)) for x in arguments]
    check([result.get() for result in results] == expected,
          "a task went wrong")


def async_batches(pool, function, arguments, expected, ops):
    submit_batch(pool, function, arguments, expected)
    start = now()
    for _ in range(ops // len(arguments)):
        submit_batch(pool, function, arguments, expected)
    return (now() - start) / ops


def apply_async(size, producers, consumers, pinned, ops):
    numbers = list(range(size))
    with mp.Pool(producers) as pool:
        return async_batches(pool, square, numbers,
                             [x * x for x in numbers], ops)


def apply_async_large(size, producers, consumers, pinned, ops):
    data = [bytes([i]) * size for i in range(16)]
    with mp.Pool(producers) as pool:
        return async_batches(pool, ends, data, [2 * i for i in range(16)],
                             ops)


def map_of(function, items, result):
    def measure(size, producers, consumers, pinned, ops):
        with mp.Pool(producers) as pool:
            pool.map(function, items(producers * 4))
            start = now()
            for _ in range(ops // size):
                out = pool.map(function, items(size))
            ns = (now() - start) / ops
        check(len(out) == size and out[-1] == result(size - 1),
              "a map went wrong")
        return ns
    return measure


def map_spin(ns):
    return map_of(spin, lambda n: [ns] * n, lambda i: ns)


map_squares = map_of(square, range, square)

KINDS = {
    "stream": stream,
    "bounce": bounce,
    "lock": contend,
    "alloc": alloc,
    "fork": start_by("fork"),
    "spawn": start_by("spawn"),
    "forkserver": start_by("forkserver"),
    "apply": apply,
    "apply_async": apply_async,
    "apply_async_large": apply_async_large,
    "map_1ns": map_squares,
    "map_1us": map_spin(1000),
    "map_100us": map_spin(100000),
    "map_10M": map_squares,
}


# The checksum command

def checksum(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest() + "  " + path


def files_below(folder):
    for where, _, names in os.walk(folder):
        for name in names:
            yield os.path.join(where, name)


def checksum_all(folder):
    with mp.Pool(2) as pool:
        for line in pool.imap_unordered(checksum, files_below(folder), 64):
            print(line)


def serve():
    for line in iter(sys.stdin.readline, ""):
        kind, *numbers = line.split()
        ns = KINDS[kind](*map(int, numbers)) if kind in KINDS else None
        print("-" if ns is None else "%f" % ns, flush=True)


if __name__ == "__main__":
    if len(sys.argv) == 2:
        checksum_all(sys.argv[1])
    else:
        serve()
