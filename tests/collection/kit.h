/* SPDX-License-Identifier: MIT */
/* What the tests of collections share. */
#pragma once

#include "region/kin.h"

#include <mproc.h>
#include <stdio.h>

/* A value by a format; it holds until the test ends. */
mp_any value_of(const char *format, ...);

/* What mp_list_print(), mp_any_print(), mp_describe() write; for free(). */
char *list_text(mp_list *list);
char *any_text(mp_any any);
char *described(void *object);

/* The list, or value, is printed like that. */
#define list_is(list, text) \
    text_is(list_text(list), (text), __FILE__, __LINE__)
#define any_is(any, text) text_is(any_text(any), (text), __FILE__, __LINE__)
/* Frees the first. */
void text_is(char *text, const char *expected, const char *file, int line);

/* Reads it, and frees it. */
void taken_any_is(mp_any any, const char *expected);

/* ---- Memory that is full: for programs whose region is small ---- */

/* Takes all that there is, down to the smallest block. */
void fill_memory(void);

/* Gives `n` blocks of it back, small ones first; 0: there was none. */
int drop_ballast(int n);
