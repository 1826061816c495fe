/* SPDX-License-Identifier: MIT */
/* A tour of mproc, beyond the first steps in ../seeds: plays small scenes with
 * queues, pools and locks, and prints what happens while it happens.
 *
 *   tour [--method fork|spawn|forkserver] [SCENE...]
 *   tour --list
 *
 * Each scene is a function in a file of its own, to be read and copied. */
#include "tour.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct scene {
    const char *name;
    const char *title;
    void (*play)(void);
} scenes[] = {
    {"surgery", "The most urgent first: a doctor's waiting room",
     scene_surgery},
    {"questions", "A child answers questions that come through a pipe",
     scene_questions},
    {"letters", "A queue carries values of any kind", scene_letters},
    {"votes", "Four tellers count into one dict, and no vote is lost",
     scene_votes},
    {"settings", "Settings by name, in a namespace", scene_settings},
    {"starmap", "A function of two arguments: in a loop, then by a pool",
     scene_starmap},
    {"imap", "Maps over what is read as it goes, in order or as it comes",
     scene_imap},
    {"limits", "Tasks that take too long, are cancelled, are tried again",
     scene_limits},
    {"killed", "What happens when a worker is killed", scene_killed},
    {"courier", "A courier is killed with a parcel in hand; another gets it",
     scene_courier},
    {"heirs", "A lock and a place in a booth, whose holders are killed",
     scene_heirs},
    {"relay", "Four runners pass the baton on, by a condition", scene_relay},
    {"sprint", "Five runners start together, at a barrier", scene_sprint},
    {"diary", "The log of three guards, one of whom was killed", scene_diary},
};
enum { SCENES = sizeof(scenes) / sizeof(scenes[0]) };

static void
play(const struct scene *scene)
{
    double begin = seconds();

    printf("== %s ==\n", scene->title);
    fflush(stdout);
    scene->play();
    printf("-- examples/tour/%s.c: %.2f s\n\n", scene->name,
           seconds() - begin);
    fflush(stdout);
}

static const struct scene *
find_scene(const char *name)
{
    for (int i = 0; i < SCENES; i++) {
        if (strcmp(scenes[i].name, name) == 0)
            return &scenes[i];
    }
    fprintf(stderr, "tour: no scene is called '%s'; there are:", name);
    for (int i = 0; i < SCENES; i++)
        fprintf(stderr, " %s", scenes[i].name);
    fprintf(stderr, "\n");
    exit(2);
}

/* For scripts: NAME TITLE, a line each. */
static int
list_scenes(void)
{
    for (int i = 0; i < SCENES; i++)
        printf("%s %s\n", scenes[i].name, scenes[i].title);
    return 0;
}

static int
method_of(const char *name)
{
    static const char *const names[] = {
        [MP_FORK] = "fork",
        [MP_SPAWN] = "spawn",
        [MP_FORKSERVER] = "forkserver",
    };

    for (int m = MP_FORK; name && m <= MP_FORKSERVER; m++) {
        if (strcmp(names[m], name) == 0)
            return m;
    }
    fprintf(stderr, "tour: --method is one of fork, spawn, forkserver\n");
    exit(2);
}

int
main(int argc, char **argv)
{
    int first = 1;

    if (argc == 2 && strcmp(argv[1], "--list") == 0)
        return list_scenes();
    if (argc > 1 && strcmp(argv[1], "--method") == 0) {
        MUST(mp_set_start_method(method_of(argv[2])));
        first = 3;
    }
    for (int i = first; i < argc; i++)
        find_scene(argv[i]);
    for (int i = first; i < argc; i++)
        play(find_scene(argv[i]));
    for (int i = 0; first >= argc && i < SCENES; i++)
        play(&scenes[i]);
    return 0;
}
