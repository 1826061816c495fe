/* SPDX-License-Identifier: MIT */
/* The first byte of a value, as the MessagePack specification has it. What is
 * before FIXMAP and from NEGATIVE on is an integer; up to NIL a kind has its
 * size in its lowest bits. */
#pragma once

enum mp__first_byte {
    MP__FIXMAP = 0x80,
    MP__FIXLIST = 0x90,
    MP__FIXSTR = 0xa0,
    MP__NIL = 0xc0,
    MP__FALSE = 0xc2,
    MP__TRUE = 0xc3,
    MP__BIN8 = 0xc4,
    MP__FLOAT32 = 0xca,
    MP__FLOAT64 = 0xcb,
    MP__UINT8 = 0xcc,
    MP__INT8 = 0xd0,
    MP__FIXEXT1 = 0xd4,
    MP__STR8 = 0xd9,
    MP__LIST16 = 0xdc,
    MP__MAP16 = 0xde,
    MP__NEGATIVE = 0xe0,
};
