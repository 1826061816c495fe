/* SPDX-License-Identifier: MIT */
/* jansson: a value is built, by a format string where one can say it, and
 * written as JSON into a buffer that is kept; or read from there. */
#include "peer_main.h"
#include "value.h"

#include <jansson.h>

struct text {
    char data[16 * ITEMS];
    size_t size;
};

static double
write_and_free(struct text *text, json_t *value)
{
    text->size =
        json_dumpb(value, text->data, sizeof(text->data), JSON_COMPACT);
    json_decref(value);
    return (double)text->size;
}

static double
encode_small(void *arg)
{
    return write_and_free(arg, json_pack("[i,n,s]", ANSWER, GREETING));
}

static double
encode_ints(void *arg)
{
    json_t *list = json_array();

    for (int i = 0; i < ITEMS; i++)
        json_array_append_new(list, json_integer(value_int(i)));
    return write_and_free(arg, list);
}

static double
encode_mixed(void *arg)
{
    json_t *list = json_array();

    for (int i = 0; i < ITEMS; i += 4) {
        json_array_append_new(list, json_integer(value_int(i)));
        json_array_append_new(list, json_null());
        json_array_append_new(list, json_stringn(GREETING, GREETING_SIZE));
        json_array_append_new(list, json_real(value_float(i + 3)));
    }
    return write_and_free(arg, list);
}

static json_t *
load_text(const struct text *text)
{
    json_t *value = json_loadb(text->data, text->size, 0, NULL);

    if (!value)
        fail("json_loadb");
    return value;
}

static double
decode_small(void *arg)
{
    json_t *value = load_text(arg);
    const char *text;
    size_t size;
    int n;

    if (json_unpack(value, "[i,n,s%]", &n, &text, &size) < 0)
        fail("json_unpack");
    json_decref(value);
    return n + (double)size;
}

static double
decode_list(void *arg)
{
    json_t *list = load_text(arg), *item;
    double sum = 0;
    size_t i;

    json_array_foreach(list, i, item) sum +=
        json_is_string(item) ? (double)json_string_length(item)
                             : json_number_value(item);
    json_decref(list);
    return sum;
}

static ALWAYS_INLINE double
measure(const struct load *load, value_fn *encode, value_fn *job,
        double expected)
{
    struct text *text = private_memory(sizeof(*text));
    double size = encode(text);

    return value_time(load, job, text, job == encode ? size : expected);
}

/* Defines both ways of a value. */
#define MEASURE(name, decode)                                               \
    static double measure_encode_##name(const struct load *load)            \
    {                                                                       \
        return measure(load, encode_##name, encode_##name, 0);              \
    }                                                                       \
    static double measure_decode_##name(const struct load *load)            \
    {                                                                       \
        return measure(load, encode_##name, decode, value_sum_of_##name()); \
    }

MEASURE(small, decode_small)
MEASURE(ints, decode_list)
MEASURE(mixed, decode_list)

const struct peer_kind peer_kinds[] = {
    {"encode_small", measure_encode_small},
    {"encode_ints", measure_encode_ints},
    {"encode_mixed", measure_encode_mixed},
    {"decode_small", measure_decode_small},
    {"decode_ints", measure_decode_ints},
    {"decode_mixed", measure_decode_mixed},
    {0},
};
