/* SPDX-License-Identifier: MIT */
/* What the tests of dicts, sets and namespaces share. */
#pragma once

#include "collection/kit.h"
#include "sync/crew.h"
#include "sync/kit.h"

/* What a print function writes. */
typedef int print_fn(void *object, FILE *out);
void expect_print(print_fn *print, void *object, const char *expected,
                  int line);

#define expect_dict(dict, expected) \
    expect_print(print_dict, (dict), (expected), __LINE__)
#define expect_set(set, expected) \
    expect_print(print_set, (set), (expected), __LINE__)
#define expect_namespace(ns, expected) \
    expect_print(print_namespace, (ns), (expected), __LINE__)
#define expect_any(any, expected) \
    expect_print(print_any, &(any), (expected), __LINE__)
int print_dict(void *dict, FILE *out);
int print_set(void *set, FILE *out);
int print_namespace(void *ns, FILE *out);
int print_any(void *any, FILE *out);

mp_dict *dict_new(void);
mp_set *set_new(void);

/* For mp_any_free(). A list of the integers from `first` on, or a dict of
 * them: {i: i * i}. */
mp_any list_of(int64_t first, size_t n);
mp_any dict_of(int64_t first, size_t n);
