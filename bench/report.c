/* SPDX-License-Identifier: MIT */
/* The line of a bench: its fields and their meaning are fixed, because
 * programs outside of this repository read them. See README.md. */
#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int
compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double
median(const struct entrant *e)
{
    double sorted[ROUNDS];
    int n = e->rounds;

    memcpy(sorted, e->samples, sizeof(sorted));
    qsort(sorted, (size_t)n, sizeof(*sorted), compare);
    return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

static double
spread(const struct entrant *e)
{
    double low = e->samples[0], high = e->samples[0];

    for (int i = 1; i < e->rounds; i++) {
        low = e->samples[i] < low ? e->samples[i] : low;
        high = e->samples[i] > high ? e->samples[i] : high;
    }
    return (high - low) / median(e);
}

/* The contender that stands for mproc. */
static const struct entrant *
ours(const struct result *result)
{
    const struct entrant *e = result->entrants;

    while (e->contender->role != OURS)
        e++;
    return e;
}

/* The quickest of the limits. */
static const struct entrant *
limit(const struct result *result)
{
    const struct entrant *best = NULL;

    for (int i = 0; i < result->count; i++) {
        const struct entrant *e = &result->entrants[i];

        if (e->contender->role == LIMIT && !e->left_out &&
            (!best || median(e) < median(best)))
            best = e;
    }
    return best;
}

/* A limit that another one beat stands among the peers. */
static int
is_peer(const struct result *result, const struct entrant *e)
{
    return !e->left_out && e->contender->role != OURS && e != limit(result);
}

static int
is_cpython(const struct entrant *e)
{
    return strcmp(e->contender->name, "cpython") == 0;
}

/* Three digits or all before the point: more would be noise. */
static void
print_number(double x)
{
    if (x < 0.0995)
        printf("%.2g", x);
    else
        printf("%.*f", x < 9.995 ? 2 : x < 99.95 ? 1 : 0, x);
}

static void
print_field(const char *name, double x)
{
    printf(", \"%s\":", name);
    print_number(x);
}

static void
print_peers(const struct result *result)
{
    const char *comma = "";

    printf(", \"peers\":{");
    for (int i = 0; i < result->count; i++) {
        const struct entrant *e = &result->entrants[i];

        if (!is_peer(result, e) || is_cpython(e))
            continue;
        printf("%s\"%s\":", comma, e->contender->name);
        print_number(median(e));
        comma = ",";
    }
    printf("}");
}

static void
print_cpython(const struct result *result)
{
    for (int i = 0; i < result->count; i++) {
        const struct entrant *e = &result->entrants[i];

        if (e->left_out || !is_cpython(e))
            continue;
        print_field("cpython", median(e));
        print_field("vs_cpython", median(e) / median(ours(result)));
    }
}

static int
is_rival(const struct result *result, const struct entrant *e)
{
    return is_peer(result, e) && e->contender->role != BESIDE;
}

static int
is_first(const struct result *result)
{
    for (int i = 0; i < result->count; i++) {
        const struct entrant *e = &result->entrants[i];

        if (is_rival(result, e) && median(e) < median(ours(result)))
            return 0;
    }
    return 1;
}

/* The quickest rival besides CPython, which has fields of its own. */
static void
print_best_peer(const struct result *result)
{
    const struct entrant *best = NULL;

    for (int i = 0; i < result->count; i++) {
        const struct entrant *e = &result->entrants[i];

        if (is_rival(result, e) && !is_cpython(e) &&
            (!best || median(e) < median(best)))
            best = e;
    }
    if (!best)
        return;
    printf(", \"best_peer\":\"%s\"", best->contender->name);
    print_field("best", median(best));
}

static void
print_line(const struct result *result)
{
    const struct entrant *us = ours(result), *best = limit(result);

    printf("{\"bench\":\"%s\", \"unit\":\"ns/op\"", result->bench->name);
    print_field("mproc", median(us));
    print_field("limit", median(best));
    printf(", \"limit_is\":\"%s\"", best->contender->is);
    print_field("vs_limit", median(us) / median(best));
    print_cpython(result);
    print_peers(result);
    printf(", \"rounds\":%d, \"spread\":%.2f, \"first\":%s", us->rounds,
           spread(us), is_first(result) ? "true" : "false");
    print_best_peer(result);
    printf(", \"disturbed\":%d}\n", result->disturbed);
    fflush(stdout);
}

static void
print_table(const struct result *result)
{
    for (int i = 0; i < result->count; i++) {
        const struct entrant *e = &result->entrants[i];

        if (e->left_out)
            continue;
        fprintf(stderr,
                "  %-16s %14.2f ns/op  +-%3.0f%%  %d x %ld ops, %.1f s\n",
                e->contender->name, median(e), spread(e) * 50, e->rounds,
                e->ops, e->seconds);
    }
    if (result->repeated)
        fprintf(stderr, "  %d rounds repeated: a core was missing\n",
                result->repeated);
    if (result->disturbed)
        fprintf(stderr, "  %d of %d rounds DISTURBED: the machine was busy\n",
                result->disturbed, result->effort->rounds);
}

void
report(const struct result *result)
{
    print_table(result);
    print_line(result);
}
