/* SPDX-License-Identifier: MIT */
/* Reads requests, answers them; see peer.h. A measurement that fails ends
 * this program, which the driver takes for what it is. */
#include "peer_main.h"
#include "tools.h"

#include <stdio.h>
#include <string.h>

static double
answer(const char *kind, const struct load *load)
{
    for (const struct peer_kind *k = peer_kinds; k->kind; k++)
        if (strcmp(k->kind, kind) == 0)
            return k->measure(load);
    return LEFT_OUT;
}

int
main(void)
{
    char kind[64], line[200];
    struct load load;

    while (fgets(line, sizeof(line), stdin)) {
        double ns;

        if (sscanf(line, "%63s %zu %d %d %d %ld", kind, &load.size,
                   &load.producers, &load.consumers, &load.pinned,
                   &load.ops) != 6)
            fail("a request that is none: %s", line);
        ns = answer(kind, &load);
        if (ns < 0)
            puts("-");
        else
            printf("%f\n", ns);
        fflush(stdout);
    }
    return 0;
}
