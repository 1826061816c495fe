/* SPDX-License-Identifier: MIT */
/* mproc-manager: serves objects of all kinds by name, and asks those who do. */
#include "mproc-manager.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { RESTARTS = 5, WISHES = 16, MOST_OBJECTS = 10000 };

enum code {
    HELP = 'h',
    VERSION = 256,
    KEY,
    CLEAR_TEXT,
    ANY_USER,
    CERTIFICATE,
    PRIVATE_KEY,
    CA,
    TIMEOUT,
    PATIENCE,
    CLIENTS,
    RESTART,
    WISH /* and those behind it: the wishes */
};

/* ---- What it says ---- */

static void
vsay(const char *format, va_list args)
{
    fflush(stdout);
    fputs("mproc-manager: ", stderr);
    vfprintf(stderr, format, args);
}

void
say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsay(format, args);
    va_end(args);
    fputc('\n', stderr);
}

int
complain(int r, const char *format, ...)
{
    const char *detail = mp_last_error();
    va_list args;

    va_start(args, format);
    vsay(format, args);
    va_end(args);
    if (detail && *detail)
        fprintf(stderr, ": %s", detail);
    fprintf(stderr, " (%s)\n", mp_strerror(r));
    return 1;
}

static void
usage(FILE *out)
{
    fputs(
        "usage: mproc-manager serve ADDRESS [OPTION]...\n"
        "       mproc-manager list ADDRESS [OPTION]...\n"
        "       mproc-manager show ADDRESS [NAME] [OPTION]...\n"
        "       mproc-manager stop ADDRESS [OPTION]...\n"
        "\n"
        "Serves lists, dicts, queues, locks and other objects by name at an\n"
        "address (unix:/path, tcp:host:port); lists what is published there;\n"
        "shows one object, or how the server does; ends the server.\n"
        "\n"
        "  --key FILE          the key; for tcp: by default\n"
        "                      ~/.config/mproc/key; serve makes one that is\n"
        "                      missing\n"
        "  --certificate FILE  TLS by certificates: this end's,\n"
        "  --private-key FILE  its key,\n"
        "  --ca FILE           and what signs those of the others\n"
        "  --clear-text        tcp: without TLS, on the loopback only\n"
        "  --any-user          unix: for other users, too, who need the key\n"
        "  --timeout SECONDS   how long an answer is waited for: 30\n"
        "  --help, --version\n"
        "\n"
        "serve only:\n"
        "  --patience SECONDS  how long a silent client is waited for: 30\n"
        "  --max-clients N     at a time: 4096\n"
        "  --restarts N        of a server that died, within a minute: 5\n"
        "and objects to make and publish:\n",
        out);
    for (const struct wish *w = wishes; w->option; w++)
        fprintf(out, "  --%s %s\n", w->option, w->help);
}

/* ---- What it is told ---- */

__attribute__((noreturn)) static void
refuse(const char *what, const char *why)
{
    say("%s: %s (--help tells more)", what, why);
    exit(USAGE);
}

static double
seconds_of(const char *text, const char *option)
{
    char *end;
    double x = strtod(text, &end);

    if (end == text || *end || !(x > 0) || x > 1e9)
        refuse(option, "a number of seconds above 0 is to follow");
    return x;
}

static long
count_of(const char *text, const char *option, long least, long most)
{
    char *end;
    long n;

    errno = 0;
    n = strtol(text, &end, 10);
    if (errno || end == text || *end || n < least || n > most)
        refuse(option, "a number is to follow");
    return n;
}

static void
add_wish(struct options *o, const struct wish *wish, const char *argument)
{
    size_t n = o->wish_count++;

    if (n == MOST_OBJECTS)
        refuse(wish->option, "these are too many objects");
    o->wishes = realloc(o->wishes, (n + 1) * sizeof(*o->wishes));
    o->wished = realloc(o->wished, (n + 1) * sizeof(*o->wished));
    if (!o->wishes || !o->wished)
        exit(complain(-ENOMEM, "options"));
    o->wishes[n] = wish;
    o->wished[n] = argument;
}

static void
take_option(struct options *o, int option, const char *argument)
{
    switch (option) {
    case HELP:
        usage(stdout);
        exit(0);
    case VERSION:
        printf("mproc-manager %d.%d.%d\n", mp_version() / 10000,
               mp_version() / 100 % 100, mp_version() % 100);
        exit(0);
    case KEY:
        o->key = argument;
        break;
    case CLEAR_TEXT:
        o->attr.flags |= MP_CONN_CLEAR_TEXT;
        break;
    case ANY_USER:
        o->attr.flags |= MP_CONN_ANY_USER;
        break;
    case CERTIFICATE:
        o->attr.certificate = argument;
        break;
    case PRIVATE_KEY:
        o->attr.private_key = argument;
        break;
    case CA:
        o->attr.ca = argument;
        break;
    case TIMEOUT:
        o->attr.call_timeout = seconds_of(argument, "--timeout");
        break;
    case PATIENCE:
        o->attr.patience = seconds_of(argument, "--patience");
        break;
    case CLIENTS:
        o->attr.max_clients =
            (uint32_t)count_of(argument, "--max-clients", 1, 1000000);
        break;
    case RESTART:
        o->restarts = count_of(argument, "--restarts", 0, 1000000);
        break;
    default:
        if (option < WISH)
            exit(USAGE); /* getopt has said why */
        add_wish(o, &wishes[option - WISH], argument);
    }
}

static void
take_options(struct options *o, int argc, char **argv)
{
    static struct option known[32 + WISHES] = {
        {"help", no_argument, NULL, HELP},
        {"version", no_argument, NULL, VERSION},
        {"key", required_argument, NULL, KEY},
        {"clear-text", no_argument, NULL, CLEAR_TEXT},
        {"any-user", no_argument, NULL, ANY_USER},
        {"certificate", required_argument, NULL, CERTIFICATE},
        {"private-key", required_argument, NULL, PRIVATE_KEY},
        {"ca", required_argument, NULL, CA},
        {"timeout", required_argument, NULL, TIMEOUT},
        {"patience", required_argument, NULL, PATIENCE},
        {"max-clients", required_argument, NULL, CLIENTS},
        {"restarts", required_argument, NULL, RESTART},
    };
    struct option *last = known;
    int option;

    while (last->name)
        last++;
    for (int i = 0; wishes[i].option; i++)
        last[i] = (struct option){wishes[i].option, required_argument, NULL,
                                  WISH + i};
    while ((option = getopt_long(argc, argv, "h", known, NULL)) != -1)
        take_option(o, option, optarg);
}

static int
run(struct options *o, int argc, char **argv)
{
    const char *command = argv[0];

    if (argc < 2)
        refuse(command, "an address is to follow");
    o->address = argv[1];
    if (o->wish_count > 0 && strcmp(command, "serve") != 0)
        refuse(command, "makes no objects");
    if (argc > (strcmp(command, "show") == 0 ? 3 : 2))
        refuse(argv[argc - 1], "is too much");
    if (strcmp(command, "serve") == 0)
        return serve(o);
    if (strcmp(command, "list") == 0)
        return list(o);
    if (strcmp(command, "show") == 0)
        return show(o, argc == 3 ? argv[2] : NULL);
    if (strcmp(command, "stop") == 0)
        return stop(o);
    refuse(command, "is no command");
}

int
main(int argc, char **argv)
{
    struct options o = {.attr = {.size = sizeof(o.attr)},
                        .restarts = RESTARTS};
    int status;

    take_options(&o, argc, argv);
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
