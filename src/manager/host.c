/* SPDX-License-Identifier: MIT */
/* The server's process, from its first instruction to its last.
 *
 * It says once, by a pipe, whether it listens. It ends with the family's root,
 * which the kernel sees to; when it is asked to, by SIGTERM or by a client;
 * not by ctrl-C, which goes to every process of the terminal: the program
 * decides what becomes of its manager. */
#include "manager/host.h"

#include "os/clock.h"
#include "process/record.h"
#include "registry/instance.h"
#include "registry/record.h"
#include "report/log.h"
#include "server/server.h"
#include "service/service.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The text without the function's name: the caller puts its own before it. */
static const char *
reason(void)
{
    const char *text = mp_last_error(), *end = strstr(text, ": ");

    return end ? end + 2 : text;
}

static int
is_latest(const struct mp__manager_start *start)
{
    return mp__load(&start->manager->start) == start->start;
}

/* Its starter may die before mp_process_start() returns there: the handle must
 * not depend on that. Nor is it known to anybody until it has written itself
 * down here, so another may have been started meanwhile. Who ends it counts
 * `start` up and then looks who is the server: either that one sees this
 * process, or this process sees that. */
static int
take_office(const struct mp__manager_start *start)
{
    mp_manager *manager = start->manager;
    mp_process *me = mp__process_self(), *other;

    if (!me)
        return -ENOMEM;
    mp__process_advance(me, mp__state_serial(mp__load(&me->state)),
                        MP__RUNNING, 0);
    do
        other = atomic_load(&manager->server);
    while (is_latest(start) &&
           !atomic_compare_exchange_strong(&manager->server, &other, me));
    if (is_latest(start))
        return 0;
    other = me;
    atomic_compare_exchange_strong(&manager->server, &other, NULL);
    return mp__fail(-ECANCELED, "mp_manager_start: another server has been "
                                "started, or the manager shut down");
}

static int
initialize(const struct mp__manager_terms *terms)
{
    mp__code *code;
    int r;

    if (!terms->initializer.module)
        return 0;
    r = mp__function_import(&terms->initializer, &code, "mp_manager_start");
    if (r < 0)
        return r;
    mp__fail(0, "%s", "");
    r = ((int (*)(void *))code)(terms->initializer_arg);
    if (r < 0 && !*mp_last_error())
        mp__fail(r, "mp_manager_start: the initializer has failed: %s",
                 mp_strerror(r));
    return r < 0 ? r : 0;
}

static void
on_term(int signal_number)
{
    int error = errno;

    (void)signal_number;
    mp__server_stop();
    errno = error;
}

static void
heed_term(int on)
{
    struct sigaction action = {.sa_handler = on ? on_term : SIG_DFL};
    sigset_t set;

    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* Whether somebody has heard it. */
static int
report(mp_conn *conn, int result)
{
    int r, heard;

    do
        r = mp_conn_sendf(conn, "[i,s]", result,
                          result < 0 ? reason() : "it listens");
    while (r == -EINTR);
    heard = r == 0;
    mp_conn_close(conn);
    return heard;
}

static int
serve(mp_manager *manager)
{
    int r = mp__server_loop();

    mp__server_close();
    mp__instances_end();
    if (r < 0)
        mp__log(MP_LOG_ERROR, "manager: the server cannot go on: %s",
                mp_strerror(r));
    if (mp__server.clears) {
        mp_dict_clear(manager->names);
        mp__manager_destroy_all(manager);
    }
    mp__served_here.manager = NULL;
    heed_term(0);
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int
mp__manager_serve(void *arg)
{
    const struct mp__manager_start *start = arg;
    mp_manager *manager = start->manager;
    int r;

    signal(SIGINT, SIG_IGN);
    heed_term(0);
    r = mp__manager_enter(manager, "mp_manager_start");
    if (r == 0)
        r = take_office(start);
    if (r == 0)
        r = initialize(manager->terms);
    mp__ops_begin();
    if (r == 0)
        r = mp__server_open(manager);
    if (r == 0)
        heed_term(1);
    if (r == 0)
        atomic_store(&manager->serving, mp__process_self());
    if ((!report(start->report, r) && mp__served_here.life == 1) || r < 0) {
        mp_listener_close(mp__server.listener);
        return EXIT_FAILURE;
    }
    return serve(manager);
}
