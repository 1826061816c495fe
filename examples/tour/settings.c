/* SPDX-License-Identifier: MIT */
/* A namespace: settings by name, for all who were started with its handle. */
#include "tour.h"

#include <stdio.h>

static void
show(const char *when, mp_namespace *settings)
{
    char text[100] = "";
    FILE *out = fmemopen(text, sizeof(text), "w");

    CLAIM(out != NULL);
    MUST(mp_namespace_print(settings, out));
    fclose(out);
    say("%s: %s", when, text);
}

static int
change(void *arg)
{
    mp_namespace *settings = *(mp_namespace **)arg;
    int volume;

    MUST(mp_namespace_get(settings, "volume", "i", &volume));
    say("it is set to %d; too loud", volume);
    MUST(mp_namespace_set(settings, "volume", "i", 3));
    MUST(mp_namespace_set(settings, "colour", "[i,i,i]", 255, 128, 0));
    MUST(mp_namespace_delete(settings, "title"));
    return 0;
}

void
scene_settings(void)
{
    mp_manager *manager;
    mp_namespace *settings;
    mp_process *child;

    MUST(mp_manager_start(&manager, NULL));
    MUST(mp_manager_namespace(manager, &settings));
    MUST(mp_namespace_set(settings, "volume", "i", 11));
    MUST(mp_namespace_set(settings, "title", "s", "Greensleeves"));
    show("at first", settings);

    start_crowd(&child, 1, "child", change, &settings, sizeof(settings));
    CLAIM(join_crowd(&child, 1) == 1);
    show("a child has changed them", settings);
    MUST(mp_manager_shutdown(manager));
}
