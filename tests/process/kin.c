/* SPDX-License-Identifier: MIT */
/* A family with a root of its own, for tests that need one:
 *
 *     kin METHOD SCENE [ARGUMENT]
 *
 * METHOD is 1 to 3. A scene that goes on until it is killed prints the pids
 * that the test is to look at, on one line. */
#include <mproc.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int method;

static void
must(int r)
{
    if (r >= 0)
        return;
    fprintf(stderr, "kin: %d: %s\n", r, mp_last_error());
    _exit(99);
}

static mp_process *
start(mp_target target, const void *arg, size_t size, int daemon, int death)
{
    mp_process *p;

    must(mp_process_start(
        &p, target, arg, size,
        MP_PROCESS_ATTR(.daemon = daemon, .on_parent_death = death)));
    return p;
}

static void
say(const char *text)
{
    (void)!write(1, text, strlen(text));
}

/* Pids of the family, in the family's memory. */
struct roll {
    int count;
    int pid[16];
};

static void
enrol(struct roll *roll)
{
    int index = __atomic_load_n(&roll->count, __ATOMIC_ACQUIRE);

    roll->pid[index] = getpid();
    __atomic_store_n(&roll->count, index + 1, __ATOMIC_RELEASE);
}

/* Starts one that enrols, and waits until it has. */
static void
bring_up(struct roll *roll, mp_target target, int daemon, int death)
{
    int count = __atomic_load_n(&roll->count, __ATOMIC_ACQUIRE);

    start(target, &roll, sizeof(roll), daemon, death);
    while (__atomic_load_n(&roll->count, __ATOMIC_ACQUIRE) == count)
        usleep(500);
}

static void
print_roll(const struct roll *roll)
{
    char line[256] = "";

    for (int i = 0; i < roll->count; i++)
        sprintf(line + strlen(line), "%d ", roll->pid[i]);
    strcat(line, "\n");
    say(line);
}

static volatile int never;

static int
rest(void)
{
    while (pause())
        ;
    return 1;
}

static int
doze(void *arg)
{
    enrol(*(struct roll **)arg);
    return rest();
}

static int
spin(void *arg)
{
    enrol(*(struct roll **)arg);
    while (never == 0)
        ;
    return 1;
}

static int
stop(void *arg)
{
    enrol(*(struct roll **)arg);
    while (raise(SIGSTOP) == 0)
        ;
    return 1;
}

static int
found_a_branch(void *arg)
{
    struct roll *roll = *(struct roll **)arg;
    static int depth;

    enrol(roll);
    depth = roll->count;
    bring_up(roll, depth < 8 ? found_a_branch : doze, 0, 0);
    return rest();
}

/* Everything that should die with the root: busy, stopped, grandchildren. */
static int
scene_tree(void)
{
    struct roll *roll = mp_new(struct roll);

    bring_up(roll, doze, 0, 0);
    bring_up(roll, doze, 1, 0);
    bring_up(roll, spin, 0, 0);
    bring_up(roll, stop, 0, 0);
    bring_up(roll, found_a_branch, 0, 0);
    while (__atomic_load_n(&roll->count, __ATOMIC_ACQUIRE) < 9)
        usleep(500);
    print_roll(roll);
    return rest();
}

static int
be_the_middle(void *arg)
{
    struct roll *roll = *(struct roll **)arg;

    enrol(roll);
    bring_up(roll, doze, 0, MP_DEATH_STAY);
    bring_up(roll, doze, 0, MP_DEATH_KILL);
    bring_up(roll, doze, 1, MP_DEATH_DEFAULT);
    bring_up(roll, doze, 0, MP_DEATH_DETACH);
    return rest();
}

/* Prints: the middle, and its four children. */
static int
scene_middle(void)
{
    struct roll *roll = mp_new(struct roll);

    bring_up(roll, be_the_middle, 0, 0);
    while (__atomic_load_n(&roll->count, __ATOMIC_ACQUIRE) < 5)
        usleep(500);
    print_roll(roll);
    return rest();
}

static void *
bring_up_by_thread(void *roll)
{
    bring_up(roll, doze, 1, MP_DEATH_KILL);
    return NULL;
}

/* The thread that starts a child ends. */
static int
scene_thread(void)
{
    struct roll *roll = mp_new(struct roll);
    pthread_t thread;

    pthread_create(&thread, NULL, bring_up_by_thread, roll);
    pthread_join(thread, NULL);
    print_roll(roll);
    return rest();
}

static int
work(void *unused)
{
    (void)unused;
    usleep(50000);
    say("worked\n");
    return 0;
}

static void
on_term(int signal)
{
    (void)signal;
    say("terminated\n");
    _exit(0);
}

static int
heed_term(void *arg)
{
    signal(SIGTERM, on_term);
    return doze(arg);
}

static int
ignore_term(void *arg)
{
    signal(SIGTERM, SIG_IGN);
    return doze(arg);
}

static int
leave_children(void *unused)
{
    struct roll *roll = mp_new(struct roll);

    (void)unused;
    bring_up(roll, heed_term, 1, 0);
    start(work, NULL, 0, 0, 0);
    return 4;
}

/* Returns from main, or from a target, with children that run. */
static int
scene_leave(void)
{
    return leave_children(NULL);
}

static int
scene_leave_by_exit(void)
{
    exit(leave_children(NULL));
}

static int
scene_leave_target(void)
{
    mp_process *p = start(leave_children, NULL, 0, 0, 0);
    int code;

    must(mp_process_join(p, MP_FOREVER));
    must(mp_process_exitcode(p, &code));
    say("joined\n");
    return code;
}

/* Prints the pids of a daemon that cannot be asked, and of a stopped one. */
static int
scene_stubborn(void)
{
    struct roll *roll = mp_new(struct roll);

    bring_up(roll, ignore_term, 1, 0);
    bring_up(roll, stop, 1, 0);
    print_roll(roll);
    return 0;
}

static int
scene_detach(void)
{
    struct roll *roll = mp_new(struct roll);

    bring_up(roll, doze, 0, MP_DEATH_DETACH);
    print_roll(roll);
    return 0;
}

static int
say_target(void *arg)
{
    say("target ");
    say(arg);
    say("\n");
    return getenv("MPROC_CHILD") != NULL;
}

/* What main prints, a spawned child must not print. */
static int
scene_main(void)
{
    mp_process *p;
    int code = 1;

    say("main\n");
    p = start(say_target, "x", 2, 0, 0);
    must(mp_process_join(p, MP_FOREVER));
    must(mp_process_exitcode(p, &code));
    must(mp_process_close(p));
    return code;
}

/* The child, by what is preloaded, kills us before it knows who it is. */
static int
scene_orphan(const char *occupant)
{
    char preload[512];
    const char *env[] = {preload, "OCCUPANT=parent", NULL};
    mp_process *p;

    say("main\n");
    snprintf(preload, sizeof(preload), "LD_PRELOAD=%s", occupant);
    must(
        mp_process_start(&p, say_target, "x", 2,
                         MP_PROCESS_ATTR(.method = MP_SPAWN, .env = env,
                                         .on_parent_death = MP_DEATH_DETACH)));
    return 98;
}

/* The program's file is gone, as after an upgrade. */
static int
scene_deleted(const char *path)
{
    return unlink(path) < 0 ? 98 : scene_main();
}

/* As scene_main, without the three standard streams. */
static int
scene_closed(void)
{
    int null[8], n = 0;
    mp_process *p;
    int code = 1;

    close(0);
    close(1);
    close(2);
    p = start(say_target, "x", 2, 0, 0);
    must(mp_process_join(p, MP_FOREVER));
    must(mp_process_exitcode(p, &code));
    must(mp_process_close(p));
    /* Nothing of ours has taken their numbers. */
    while (n < 3) {
        null[n] = open("/dev/null", O_RDWR);
        if (null[n] != n)
            return 50 + n;
        n++;
    }
    return code;
}

static int bomb_result = 1;

/* A static initialiser that starts processes: an endless chain, if it could.
 */
__attribute__((constructor)) static void
bomb(void)
{
    mp_process *p;

    if (!getenv("KIN_BOMB"))
        return;
    if (!getenv("KIN_CHILD"))
        return;
    /* Should this not be refused, the chain ends all the same. */
    unsetenv("KIN_CHILD");
    bomb_result = mp_process_start(&p, say_target, "y", 2,
                                   MP_PROCESS_ATTR(.method = MP_SPAWN));
}

static int
tell_bomb(void *unused)
{
    (void)unused;
    return bomb_result == -EPERM ? 7 : 1;
}

static int
scene_bomb(void)
{
    const char *env[] = {"KIN_CHILD=1", NULL};
    mp_process *p;
    int code;

    say("main\n");
    must(mp_process_start(&p, tell_bomb, NULL, 0,
                          MP_PROCESS_ATTR(.method = MP_SPAWN, .env = env)));
    must(mp_process_join(p, MP_FOREVER));
    must(mp_process_exitcode(p, &code));
    return code;
}

int
main(int argc, char **argv)
{
    const struct {
        const char *name;
        int (*scene)(void);
    } scenes[] = {
        {"tree", scene_tree},
        {"middle", scene_middle},
        {"thread", scene_thread},
        {"leave", scene_leave},
        {"leave-by-exit", scene_leave_by_exit},
        {"leave-target", scene_leave_target},
        {"stubborn", scene_stubborn},
        {"detach", scene_detach},
        {"main", scene_main},
        {"closed", scene_closed},
        {"bomb", scene_bomb},
    };

    if (argc < 3)
        return 97;
    method = atoi(argv[1]);
    must(mp_set_start_method(method));
    if (getenv("MPROC_CHILD"))
        return 96;
    if (strcmp(argv[2], "deleted") == 0)
        return scene_deleted(argv[3]);
    if (strcmp(argv[2], "orphan") == 0)
        return scene_orphan(argv[3]);
    for (size_t i = 0; i < sizeof(scenes) / sizeof(*scenes); i++)
        if (strcmp(argv[2], scenes[i].name) == 0)
            return scenes[i].scene();
    return 97;
}
