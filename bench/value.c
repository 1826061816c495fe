/* SPDX-License-Identifier: MIT */
/* value.{encode,decode}.{small,list1000,mixed1000}: values to bytes and back,
 * see value.h; one operation is one value. mproc writes into a writer that it
 * keeps, and takes apart where the bytes lie; `mproc` does it by format string
 * where a format can say it, for a mixed list by the writer and the walker. */
#include "value.h"

#include <mproc.h>
#include <string.h>

/* ---- What is done ---- */

struct coding {
    mp_any_writer writer;
    mp_any any; /* what is decoded */
    int numbers[ITEMS];
    char copy[16 * ITEMS];
};

static ALWAYS_INLINE double
ended(struct coding *c)
{
    mp_any any;

    must(mp_any_end(&c->writer, &any), "mp_any_end");
    return (double)any.size;
}

static double
encode_small(void *arg)
{
    struct coding *c = arg;

    mp_any_build(&c->writer, "[i,n,s]", ANSWER, GREETING);
    return ended(c);
}

static double
encode_small_item(void *arg)
{
    struct coding *c = arg;

    mp_any_write_item(&c->writer, MP_LIST(ANSWER, MP_NIL, GREETING));
    return ended(c);
}

static double
encode_small_writer(void *arg)
{
    struct coding *c = arg;

    mp_any_write_list(&c->writer, 3);
    mp_any_write_int(&c->writer, ANSWER);
    mp_any_write_nil(&c->writer);
    mp_any_write_string(&c->writer, GREETING, GREETING_SIZE);
    return ended(c);
}

static double
encode_ints(void *arg)
{
    struct coding *c = arg;

    mp_any_build(&c->writer, "*i", c->numbers, (size_t)ITEMS);
    return ended(c);
}

static double
encode_ints_writer(void *arg)
{
    struct coding *c = arg;

    mp_any_write_list(&c->writer, ITEMS);
    for (int i = 0; i < ITEMS; i++)
        mp_any_write_int(&c->writer, c->numbers[i]);
    return ended(c);
}

static double
encode_mixed(void *arg)
{
    struct coding *c = arg;

    mp_any_write_list(&c->writer, ITEMS);
    for (int i = 0; i < ITEMS; i += 4) {
        mp_any_write_int(&c->writer, c->numbers[i]);
        mp_any_write_nil(&c->writer);
        mp_any_write_string(&c->writer, GREETING, GREETING_SIZE);
        mp_any_write_double(&c->writer, value_float(i + 3));
    }
    return ended(c);
}

static double
decode_small(void *arg)
{
    struct coding *c = arg;
    const char *text;
    size_t size;
    int n;

    must(mp_any_parse(c->any, "[i,n,S]", &n, &text, &size), "mp_any_parse");
    return n + (double)size;
}

/* The number in it, or the bytes of the string. */
static ALWAYS_INLINE double
worth_of(mp_any item)
{
    const char *text;
    int64_t i = 0;
    double d = 0;
    size_t size = 0;

    switch (mp_any_type(item)) {
    case MP_ANY_INT:
        mp_any_get_int(item, &i);
        return (double)i;
    case MP_ANY_FLOAT:
        mp_any_get_double(item, &d);
        return d;
    case MP_ANY_STRING:
        mp_any_get_string(item, &text, &size);
        return (double)size;
    default:
        return 0;
    }
}

static double
decode_walked(void *arg)
{
    struct coding *c = arg;
    mp_any_walker walker;
    mp_any item;
    double sum = 0;

    must(mp_any_check(c->any.data, c->any.size, NULL), "mp_any_check");
    mp_any_walk(c->any, &walker);
    while (mp_any_next(&walker, NULL, &item) > 0)
        sum += worth_of(item);
    return sum;
}

static double
decode_ints(void *arg)
{
    struct coding *c = arg;
    size_t n = ITEMS;
    double sum = 0;

    must(mp_any_parse(c->any, "*i", c->numbers, &n), "mp_any_parse");
    for (size_t i = 0; i < n; i++)
        sum += c->numbers[i];
    return sum;
}

static double
copy_bytes(void *arg)
{
    struct coding *c = arg;

    memcpy(c->copy, c->any.data, c->any.size);
    return (double)c->any.size;
}

/* ---- How it is measured ---- */

/* With the value in `any` that `encode` writes. */
static struct coding *
coding_new(value_fn *encode)
{
    struct coding *c = private_memory(sizeof(*c));

    *c = (struct coding){.writer = MP_ANY_WRITER};
    for (int i = 0; i < ITEMS; i++)
        c->numbers[i] = value_int(i);
    encode(c);
    must(mp_any_end(&c->writer, &c->any), "mp_any_end");
    return c;
}

/* Defines NAME_measure: `job` on the value that `encode` writes. */
#define MEASURE(name, encode, job, expected)              \
    static double name##_measure(const struct load *load) \
    {                                                     \
        struct coding *c = coding_new(encode);            \
                                                          \
        return value_time(load, job, c, expected);        \
    }

MEASURE(encode_small, encode_small, encode_small, (double)c->any.size)
MEASURE(encode_item, encode_small, encode_small_item, (double)c->any.size)
MEASURE(encode_writer, encode_small, encode_small_writer, (double)c->any.size)
MEASURE(encode_ints, encode_ints, encode_ints, (double)c->any.size)
MEASURE(encode_ints_writer, encode_ints, encode_ints_writer,
        (double)c->any.size)
MEASURE(encode_mixed, encode_mixed, encode_mixed, (double)c->any.size)
MEASURE(decode_small, encode_small, decode_small, value_sum_of_small())
MEASURE(decode_small_walked, encode_small, decode_walked, value_sum_of_small())
MEASURE(decode_ints, encode_ints, decode_ints, value_sum_of_ints())
MEASURE(decode_ints_walked, encode_ints, decode_walked, value_sum_of_ints())
MEASURE(decode_mixed, encode_mixed, decode_walked, value_sum_of_mixed())
MEASURE(copy_small, encode_small, copy_bytes, (double)c->any.size)
MEASURE(copy_ints, encode_ints, copy_bytes, (double)c->any.size)
MEASURE(copy_mixed, encode_mixed, copy_bytes, (double)c->any.size)

#define LIMIT_OF(copy)                                            \
    {                                                             \
        "limit", LIMIT, copy, NULL, "memcpy of the encoded bytes" \
    }
#define PEERS                                     \
    {"msgpack_c", PEER, NULL, "msgpack_c", NULL}, \
        {"jansson", PEER, NULL, "jansson", NULL}, \
    {                                             \
        "cpython", PEER, NULL, "cpython", NULL    \
    }

static const struct contender to_small[] = {
    {"mproc", OURS, encode_small_measure, NULL, NULL},
    LIMIT_OF(copy_small_measure),
    {"items", BESIDE, encode_item_measure, NULL, NULL},
    {"writer", BESIDE, encode_writer_measure, NULL, NULL},
    PEERS,
    {0},
};

static const struct contender to_ints[] = {
    {"mproc", OURS, encode_ints_measure, NULL, NULL},
    LIMIT_OF(copy_ints_measure),
    {"writer", BESIDE, encode_ints_writer_measure, NULL, NULL},
    PEERS,
    {0},
};

static const struct contender to_mixed[] = {
    {"mproc", OURS, encode_mixed_measure, NULL, NULL},
    LIMIT_OF(copy_mixed_measure),
    PEERS,
    {0},
};

static const struct contender from_small[] = {
    {"mproc", OURS, decode_small_measure, NULL, NULL},
    LIMIT_OF(copy_small_measure),
    {"walked", BESIDE, decode_small_walked_measure, NULL, NULL},
    PEERS,
    {0},
};

static const struct contender from_ints[] = {
    {"mproc", OURS, decode_ints_measure, NULL, NULL},
    LIMIT_OF(copy_ints_measure),
    {"walked", BESIDE, decode_ints_walked_measure, NULL, NULL},
    PEERS,
    {0},
};

static const struct contender from_mixed[] = {
    {"mproc", OURS, decode_mixed_measure, NULL, NULL},
    LIMIT_OF(copy_mixed_measure),
    PEERS,
    {0},
};

const struct bench value_benches[] = {
    {"value.encode.small", "encode_small", {.ops = 1000}, to_small},
    {"value.encode.list1000", "encode_ints", {.ops = 16}, to_ints},
    {"value.encode.mixed1000", "encode_mixed", {.ops = 16}, to_mixed},
    {"value.decode.small", "decode_small", {.ops = 1000}, from_small},
    {"value.decode.list1000", "decode_ints", {.ops = 16}, from_ints},
    {"value.decode.mixed1000", "decode_mixed", {.ops = 16}, from_mixed},
    {0},
};
