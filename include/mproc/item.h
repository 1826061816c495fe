/* SPDX-License-Identifier: MIT */
/* Values written down in a program's text:
 *
 *     mp_any_write_item(&w, MP_LIST(42, MP_NIL, "Hello"));
 *     mp_any_write_item(&w, MP_DICT("name", name, "sizes", MP_LIST(1, 2.5)));
 *
 * Arguments are numbers, bool, strings (a NULL is None), mp_any, and MP_NIL,
 * MP_BYTES(data, size), MP_LIST(), MP_DICT(): up to 32 of them in each, at least
 * one (MP_EMPTY_LIST, MP_EMPTY_DICT). Others are refused by the compiler. In C
 * such an item holds until the end of the block that it stands in; in C++ until
 * the end of the statement: hand it on at once. */
#ifndef MPROC_ITEM_H
#define MPROC_ITEM_H

#include <mproc/any.h>

MP__BEGIN

typedef struct mp_item {
    int type; /* MP_ANY_*; 0: an mp_any */
    union {
        int64_t i;
        uint64_t u;
        double d;
        const void *p;
    };
    size_t n; /* bytes, or items; of a string SIZE_MAX: up to its NUL; of an int
                 1: it is unsigned */
} mp_item;

/* Writes the item as one value. 0, or the writer's error; -EINVAL: a dict has a
 * key without a value. */
MP_API int mp_any_write_item(mp_any_writer *writer, mp_item item);

#define MP__ITEM_OF(name, argument, kind, member, size) \
    static inline mp_item mp__item_of_##name(argument x) \
    {                                                    \
        mp_item item;                                    \
        item.type = (kind);                              \
        item.member = x;                                 \
        item.n = (size);                                 \
        return item;                                     \
    }
MP__ITEM_OF(bool, int, MP_ANY_BOOL, i, 0)
MP__ITEM_OF(int, int64_t, MP_ANY_INT, i, 0)
MP__ITEM_OF(unsigned, uint64_t, MP_ANY_INT, u, 1)
MP__ITEM_OF(double, double, MP_ANY_FLOAT, d, 0)
MP__ITEM_OF(string, const char *, MP_ANY_STRING, p, SIZE_MAX)
#undef MP__ITEM_OF

static inline mp_item
mp__item_of_item(mp_item x)
{
    return x;
}

static inline mp_item
mp__item_of_any(mp_any x)
{
    mp_item item;

    item.type = 0;
    item.p = x.data;
    item.n = x.size;
    return item;
}

static inline mp_item
mp__item_of(int type, const void *data, size_t n)
{
    mp_item item;

    item.type = type;
    item.p = data;
    item.n = n;
    return item;
}

#define MP_NIL               mp__item_of(MP_ANY_NIL, 0, 0)
#define MP_BYTES(data, size) mp__item_of(MP_ANY_BYTES, data, size)
#define MP_EMPTY_LIST        mp__item_of(MP_ANY_LIST, 0, 0)
#define MP_EMPTY_DICT        mp__item_of(MP_ANY_DICT, 0, 0)

MP__END

#ifndef __cplusplus

/* clang-format off */
#define MP_ITEM(x)                                \
    _Generic((x),                                 \
        _Bool: mp__item_of_bool,                  \
        char: mp__item_of_int,                    \
        signed char: mp__item_of_int,             \
        unsigned char: mp__item_of_unsigned,      \
        short: mp__item_of_int,                   \
        unsigned short: mp__item_of_unsigned,     \
        int: mp__item_of_int,                     \
        unsigned: mp__item_of_unsigned,           \
        long: mp__item_of_int,                    \
        unsigned long: mp__item_of_unsigned,      \
        long long: mp__item_of_int,               \
        unsigned long long: mp__item_of_unsigned, \
        float: mp__item_of_double,                \
        double: mp__item_of_double,               \
        char *: mp__item_of_string,               \
        const char *: mp__item_of_string,         \
        mp_any: mp__item_of_any,                  \
        mp_item: mp__item_of_item)(x)

#define MP__ITEMS_1(x) MP_ITEM(x)
#define MP__ITEMS_2(x, ...) MP_ITEM(x), MP__ITEMS_1(__VA_ARGS__)
#define MP__ITEMS_3(x, ...) MP_ITEM(x), MP__ITEMS_2(__VA_ARGS__)
#define MP__ITEMS_4(x, ...) MP_ITEM(x), MP__ITEMS_3(__VA_ARGS__)
#define MP__ITEMS_5(x, ...) MP_ITEM(x), MP__ITEMS_4(__VA_ARGS__)
#define MP__ITEMS_6(x, ...) MP_ITEM(x), MP__ITEMS_5(__VA_ARGS__)
#define MP__ITEMS_7(x, ...) MP_ITEM(x), MP__ITEMS_6(__VA_ARGS__)
#define MP__ITEMS_8(x, ...) MP_ITEM(x), MP__ITEMS_7(__VA_ARGS__)
#define MP__ITEMS_9(x, ...) MP_ITEM(x), MP__ITEMS_8(__VA_ARGS__)
#define MP__ITEMS_10(x, ...) MP_ITEM(x), MP__ITEMS_9(__VA_ARGS__)
#define MP__ITEMS_11(x, ...) MP_ITEM(x), MP__ITEMS_10(__VA_ARGS__)
#define MP__ITEMS_12(x, ...) MP_ITEM(x), MP__ITEMS_11(__VA_ARGS__)
#define MP__ITEMS_13(x, ...) MP_ITEM(x), MP__ITEMS_12(__VA_ARGS__)
#define MP__ITEMS_14(x, ...) MP_ITEM(x), MP__ITEMS_13(__VA_ARGS__)
#define MP__ITEMS_15(x, ...) MP_ITEM(x), MP__ITEMS_14(__VA_ARGS__)
#define MP__ITEMS_16(x, ...) MP_ITEM(x), MP__ITEMS_15(__VA_ARGS__)
#define MP__ITEMS_17(x, ...) MP_ITEM(x), MP__ITEMS_16(__VA_ARGS__)
#define MP__ITEMS_18(x, ...) MP_ITEM(x), MP__ITEMS_17(__VA_ARGS__)
#define MP__ITEMS_19(x, ...) MP_ITEM(x), MP__ITEMS_18(__VA_ARGS__)
#define MP__ITEMS_20(x, ...) MP_ITEM(x), MP__ITEMS_19(__VA_ARGS__)
#define MP__ITEMS_21(x, ...) MP_ITEM(x), MP__ITEMS_20(__VA_ARGS__)
#define MP__ITEMS_22(x, ...) MP_ITEM(x), MP__ITEMS_21(__VA_ARGS__)
#define MP__ITEMS_23(x, ...) MP_ITEM(x), MP__ITEMS_22(__VA_ARGS__)
#define MP__ITEMS_24(x, ...) MP_ITEM(x), MP__ITEMS_23(__VA_ARGS__)
#define MP__ITEMS_25(x, ...) MP_ITEM(x), MP__ITEMS_24(__VA_ARGS__)
#define MP__ITEMS_26(x, ...) MP_ITEM(x), MP__ITEMS_25(__VA_ARGS__)
#define MP__ITEMS_27(x, ...) MP_ITEM(x), MP__ITEMS_26(__VA_ARGS__)
#define MP__ITEMS_28(x, ...) MP_ITEM(x), MP__ITEMS_27(__VA_ARGS__)
#define MP__ITEMS_29(x, ...) MP_ITEM(x), MP__ITEMS_28(__VA_ARGS__)
#define MP__ITEMS_30(x, ...) MP_ITEM(x), MP__ITEMS_29(__VA_ARGS__)
#define MP__ITEMS_31(x, ...) MP_ITEM(x), MP__ITEMS_30(__VA_ARGS__)
#define MP__ITEMS_32(x, ...) MP_ITEM(x), MP__ITEMS_31(__VA_ARGS__)
#define MP__PICK(_1, _2, _3, _4, _5, _6, _7, _8, _9, _10, _11, _12, _13, _14, _15, _16, _17, _18, _19, _20, _21, _22, _23, _24, _25, _26, _27, _28, _29, _30, _31, _32, name, ...) name
#define MP__ITEMS(...) \
    MP__PICK(__VA_ARGS__, MP__ITEMS_32, MP__ITEMS_31, MP__ITEMS_30, MP__ITEMS_29, MP__ITEMS_28, MP__ITEMS_27, MP__ITEMS_26, MP__ITEMS_25, MP__ITEMS_24, MP__ITEMS_23, MP__ITEMS_22, MP__ITEMS_21, MP__ITEMS_20, MP__ITEMS_19, MP__ITEMS_18, MP__ITEMS_17, MP__ITEMS_16, MP__ITEMS_15, MP__ITEMS_14, MP__ITEMS_13, MP__ITEMS_12, MP__ITEMS_11, MP__ITEMS_10, MP__ITEMS_9, MP__ITEMS_8, MP__ITEMS_7, MP__ITEMS_6, MP__ITEMS_5, MP__ITEMS_4, MP__ITEMS_3, MP__ITEMS_2, MP__ITEMS_1, 0)(__VA_ARGS__)
/* clang-format on */

#define MP__ITEMS_IN(type, ...)                                    \
    mp__item_of(type, (const mp_item[]){MP__ITEMS(__VA_ARGS__)},   \
                sizeof((const mp_item[]){MP__ITEMS(__VA_ARGS__)}) / \
                    sizeof(mp_item))

#define MP_LIST(...) MP__ITEMS_IN(MP_ANY_LIST, __VA_ARGS__)
#define MP_DICT(...) MP__ITEMS_IN(MP_ANY_DICT, __VA_ARGS__)

#else

template <size_t N>
struct mp__items {
    mp_item item[N];
    int type;
};

#define MP__ITEM_FROM(argument, maker)                   \
    static inline mp_item mp__item_from(argument x)      \
    {                                                    \
        return mp__item_of_##maker(x);                   \
    }
MP__ITEM_FROM(bool, bool)
MP__ITEM_FROM(char, int)
MP__ITEM_FROM(signed char, int)
MP__ITEM_FROM(unsigned char, unsigned)
MP__ITEM_FROM(short, int)
MP__ITEM_FROM(unsigned short, unsigned)
MP__ITEM_FROM(int, int)
MP__ITEM_FROM(unsigned, unsigned)
MP__ITEM_FROM(long, int)
MP__ITEM_FROM(unsigned long, unsigned)
MP__ITEM_FROM(long long, int)
MP__ITEM_FROM(unsigned long long, unsigned)
MP__ITEM_FROM(float, double)
MP__ITEM_FROM(double, double)
MP__ITEM_FROM(const char *, string)
MP__ITEM_FROM(mp_any, any)
MP__ITEM_FROM(mp_item, item)
#undef MP__ITEM_FROM

template <size_t N>
static inline mp_item
mp__item_from(const mp__items<N> &x)
{
    return mp__item_of(x.type, x.item, N);
}

template <typename... T>
static inline mp__items<sizeof...(T)>
mp__items_from(int type, const T &...x)
{
    return {{mp__item_from(x)...}, type};
}

#define MP_ITEM(x)   mp__item_from(x)
#define MP_LIST(...) mp__item_from(mp__items_from(MP_ANY_LIST, __VA_ARGS__))
#define MP_DICT(...) mp__item_from(mp__items_from(MP_ANY_DICT, __VA_ARGS__))

#endif

#endif
