/* SPDX-License-Identifier: MIT */
/* What the tests of maps and of iterators share. */
#include "pool/maps.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- Maps ---- */

int
square(const void *item, void *result, void *ctx)
{
    int64_t number = *(const int *)item;

    (void)ctx;
    *(int64_t *)result = number * number;
    return 0;
}

void *
array(int shared, size_t n, size_t size)
{
    return shared ? mp_alloc_array(n, size) : calloc(n, size);
}

void
free_array(int shared, void *p)
{
    if (shared)
        must(mp_free(p));
    else
        free(p);
}

void
expect_squares(const int64_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++) /* a check writes to a file: not each */
        if (out[i] != (int64_t)i * (int64_t)i)
            ck_abort_msg("item %zu: %lld", i, (long long)out[i]);
}

int *
numbers(int shared, size_t n)
{
    int *in = array(shared, n + 1, sizeof(int));

    for (size_t i = 0; i < n; i++)
        in[i] = (int)i;
    return in;
}

void
map_squares(mp_pool *pool, size_t n, int shared_in, int shared_out)
{
    int *in = numbers(shared_in, n);
    int64_t *out = array(shared_out, n + 1, sizeof(int64_t));
    mp_result *result;

    out[n] = 99;
    must(mp_pool_map_async(pool, square, in, sizeof(int), out, sizeof(int64_t),
                           n, NULL, &result));
    if (!shared_in && n) /* was read when the call returned */
        memset(in, 0xff, n * sizeof(int));
    must(mp_result_wait(result, MP_FOREVER));
    ck_assert_int_eq(mp_result_ready(result), 1);
    ck_assert_int_eq(mp_result_successful(result), 1);
    ck_assert_ptr_null(mp_result_error(result));
    expect_squares(out, n);
    ck_assert_int_eq(out[n], 99);
    must(mp_result_free(result));
    free_array(shared_in, in);
    free_array(shared_out, out);
}

int
end_as_told(const void *item, void *result, void *ctx)
{
    (void)result;
    (void)ctx;
    return *(const int *)item;
}

int
tell_pid(const void *item, void *result, void *ctx)
{
    (void)item;
    (void)ctx;
    *(pid_t *)result = getpid();
    return 0;
}

/* ---- Gates ---- */

int
stop_at_gate(const void *item, void *result, void *ctx)
{
    struct stop *stop = ctx;
    pid_t pid = getpid();
    char c;

    (void)item;
    (void)result;
    if (mp_queue_put(stop->gate.begun, &pid, sizeof(pid), MP_FOREVER) < 0 ||
        mp_queue_get(stop->gate.pass, &c, 1, MP_FOREVER) < 0)
        return -EIO;
    mp__add(stop->done, 1);
    return 0;
}

struct stop
make_stop(void)
{
    return (struct stop){gate_open(), mp_new(mp__a32)};
}

void
end_stop(struct stop stop)
{
    gate_close(stop.gate);
    must(mp_free((void *)stop.done));
}

void
map_to_gate(mp_pool *pool, struct stop *stop, size_t n, mp_result **result)
{
    must(mp_pool_map_async(
        pool, stop_at_gate, NULL, 0, NULL, 0, n,
        MP_MAP_ATTR(.ctx = stop, .ctx_size = sizeof(*stop), .chunk = 1),
        result));
}

/* ---- Iterators ---- */

int
read_number(void *item, void *arg)
{
    struct source *source = arg;

    if (source->next == source->end)
        return source->failure;
    *(long *)item = source->next++;
    source->read++;
    return 1;
}

int
square_long(const void *item, void *result, void *ctx)
{
    long number = *(const long *)item;

    (void)ctx;
    *(long *)result += number * number; /* was zero */
    return 0;
}

imap_fn *const imap_kinds[2] = {mp_pool_imap, mp_pool_imap_unordered};

mp_imap *
imap_of(int kind, mp_pool *pool, mp_map_fn f, struct source *source,
        size_t out_size, const mp_map_attr *attr)
{
    mp_imap *imap;

    must(imap_kinds[kind](pool, f, read_number, source, sizeof(long), out_size,
                          attr, &imap));
    return imap;
}

void
expect_all_squares(mp_imap *imap, long n, int ordered)
{
    char *seen = calloc((size_t)n + 1, 1);
    size_t index;
    long result;

    for (long i = 0; i < n; i++) {
        long r = must(mp_imap_next(imap, &result, &index, MP_FOREVER));

        if (r != 1 || index >= (size_t)n || seen[index]++ ||
            result != (long)index * (long)index ||
            (ordered && index != (size_t)i))
            ck_abort_msg("result %ld: %ld, index %zu, %ld", i, r, index,
                         result);
    }
    ck_assert_int_eq(mp_imap_next(imap, &result, NULL, MP_FOREVER), 0);
    ck_assert_int_eq(mp_imap_next(imap, &result, NULL, MP_NOW), 0);
    free(seen);
}

void
iterate_squares(mp_pool *pool, int kind, long n, uint64_t window)
{
    struct source source = {.end = n};
    mp_imap *imap = imap_of(kind, pool, square_long, &source, sizeof(long),
                            MP_MAP_ATTR(.window = window));

    expect_all_squares(imap, n, kind == 0);
    must(mp_imap_free(imap));
}
