/* SPDX-License-Identifier: MIT */
/* msgpack-c: a packer into a buffer that is kept; unpacked into objects, whose
 * zone is kept for the next. */
#include "peer_main.h"
#include "value.h"

#include <msgpack.h>

struct coding {
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    msgpack_zone zone;
};

static void
pack_text(msgpack_packer *packer)
{
    msgpack_pack_str(packer, GREETING_SIZE);
    msgpack_pack_str_body(packer, GREETING, GREETING_SIZE);
}

static double
encode_small(void *arg)
{
    struct coding *c = arg;

    msgpack_sbuffer_clear(&c->buffer);
    msgpack_pack_array(&c->packer, 3);
    msgpack_pack_int(&c->packer, ANSWER);
    msgpack_pack_nil(&c->packer);
    pack_text(&c->packer);
    return (double)c->buffer.size;
}

static double
encode_ints(void *arg)
{
    struct coding *c = arg;

    msgpack_sbuffer_clear(&c->buffer);
    msgpack_pack_array(&c->packer, ITEMS);
    for (int i = 0; i < ITEMS; i++)
        msgpack_pack_int(&c->packer, value_int(i));
    return (double)c->buffer.size;
}

static double
encode_mixed(void *arg)
{
    struct coding *c = arg;

    msgpack_sbuffer_clear(&c->buffer);
    msgpack_pack_array(&c->packer, ITEMS);
    for (int i = 0; i < ITEMS; i += 4) {
        msgpack_pack_int(&c->packer, value_int(i));
        msgpack_pack_nil(&c->packer);
        pack_text(&c->packer);
        msgpack_pack_double(&c->packer, value_float(i + 3));
    }
    return (double)c->buffer.size;
}

static ALWAYS_INLINE double
worth_of(const msgpack_object *object)
{
    switch (object->type) {
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        return (double)object->via.u64;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return (double)object->via.i64;
    case MSGPACK_OBJECT_FLOAT64:
        return object->via.f64;
    case MSGPACK_OBJECT_STR:
        return (double)object->via.str.size;
    default:
        return 0;
    }
}

static double
decode(void *arg)
{
    struct coding *c = arg;
    msgpack_object object;
    double sum = 0;

    if (msgpack_unpack(c->buffer.data, c->buffer.size, NULL, &c->zone,
                       &object) != MSGPACK_UNPACK_SUCCESS ||
        object.type != MSGPACK_OBJECT_ARRAY)
        fail("msgpack_unpack");
    for (uint32_t i = 0; i < object.via.array.size; i++)
        sum += worth_of(&object.via.array.ptr[i]);
    msgpack_zone_clear(&c->zone);
    return sum;
}

/* `job` after the value that `encode` packs; what it gives, or `expected`. */
static ALWAYS_INLINE double
measure(const struct load *load, value_fn *encode, value_fn *job,
        double expected)
{
    struct coding c;
    double size;

    msgpack_sbuffer_init(&c.buffer);
    msgpack_packer_init(&c.packer, &c.buffer, msgpack_sbuffer_write);
    msgpack_zone_init(&c.zone, MSGPACK_ZONE_CHUNK_SIZE);
    size = encode(&c);
    return value_time(load, job, &c, job == encode ? size : expected);
}

/* Defines both ways of a value. */
#define MEASURE(name)                                                       \
    static double measure_encode_##name(const struct load *load)            \
    {                                                                       \
        return measure(load, encode_##name, encode_##name, 0);              \
    }                                                                       \
    static double measure_decode_##name(const struct load *load)            \
    {                                                                       \
        return measure(load, encode_##name, decode, value_sum_of_##name()); \
    }

MEASURE(small)
MEASURE(ints)
MEASURE(mixed)

const struct peer_kind peer_kinds[] = {
    {"encode_small", measure_encode_small},
    {"encode_ints", measure_encode_ints},
    {"encode_mixed", measure_encode_mixed},
    {"decode_small", measure_decode_small},
    {"decode_ints", measure_decode_ints},
    {"decode_mixed", measure_decode_mixed},
    {0},
};
