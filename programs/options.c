/* SPDX-License-Identifier: MIT */
/* The command line: what it may say, and what it says. */
#include "options.h"

#include "objects.h"
#include "say.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>

enum { WISHES = 16, MOST_OBJECTS = 10000 };

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

void
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

void
usage_error(const char *what, const char *why)
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
        usage_error(option, "a number of seconds above 0 is to follow");
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
        usage_error(option, "a number is to follow");
    return n;
}

static void
add_wish(struct options *o, const struct wish *wish, const char *argument)
{
    size_t n = o->wish_count++;

    if (n == MOST_OBJECTS)
        usage_error(wish->option, "these are too many objects");
    o->wishes = realloc(o->wishes, (n + 1) * sizeof(*o->wishes));
    o->wished = realloc(o->wished, (n + 1) * sizeof(*o->wished));
    if (!o->wishes || !o->wished)
        exit(complain(-ENOMEM, "options"));
    o->wishes[n] = wish;
    o->wished[n] = argument;
}

/* Where the argument of an option goes that is taken as it is; NULL: it is none
 * of these. */
static const char **
text_of(struct options *o, int option)
{
    switch (option) {
    case KEY:
        return &o->key;
    case CERTIFICATE:
        return &o->attr.certificate;
    case PRIVATE_KEY:
        return &o->attr.private_key;
    case CA:
        return &o->attr.ca;
    default:
        return NULL;
    }
}

static void
tell(int option)
{
    if (option == HELP)
        usage(stdout);
    else
        printf("mproc-manager %d.%d.%d\n", mp_version() / 10000,
               mp_version() / 100 % 100, mp_version() % 100);
    exit(0);
}

static void
take_option(struct options *o, int option, const char *argument)
{
    switch (option) {
    case HELP:
    case VERSION:
        tell(option);
        break;
    case CLEAR_TEXT:
        o->attr.flags |= MP_CONN_CLEAR_TEXT;
        break;
    case ANY_USER:
        o->attr.flags |= MP_CONN_ANY_USER;
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

void
options_take(struct options *o, int argc, char **argv)
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
    while ((option = getopt_long(argc, argv, "h", known, NULL)) != -1) {
        if (text_of(o, option))
            *text_of(o, option) = optarg;
        else
            take_option(o, option, optarg);
    }
}
