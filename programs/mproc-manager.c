/* SPDX-License-Identifier: MIT */
/* mproc-manager: serves objects of all kinds by name, and asks those who do. */
#include "commands.h"
#include "say.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

enum { RESTARTS = 5 };

static int
run(struct options *o, int argc, char **argv)
{
    const char *command = argv[0];

    if (argc < 2)
        usage_error(command, "an address is to follow");
    o->address = argv[1];
    if (o->wish_count > 0 && strcmp(command, "serve") != 0)
        usage_error(command, "makes no objects");
    if (argc > (strcmp(command, "show") == 0 ? 3 : 2))
        usage_error(argv[argc - 1], "is too much");
    if (strcmp(command, "serve") == 0)
        return serve(o);
    if (strcmp(command, "list") == 0)
        return list(o);
    if (strcmp(command, "show") == 0)
        return show(o, argc == 3 ? argv[2] : NULL);
    if (strcmp(command, "stop") == 0)
        return stop(o);
    usage_error(command, "is no command");
}

int
main(int argc, char **argv)
{
    struct options o = {.attr = {.size = sizeof(o.attr)},
                        .restarts = RESTARTS};
    int status;

    options_take(&o, argc, argv);
    if (optind == argc) {
        usage(stderr);
        return USAGE;
    }
    status = run(&o, argc - optind, argv + optind);
    free(o.wishes);
    free(o.wished);
    if (fflush(stdout) != 0 || ferror(stdout))
        return say("standard output cannot be written"), 1;
    return status;
}
