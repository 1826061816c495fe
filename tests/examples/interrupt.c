/* SPDX-License-Identifier: MIT */
/* interrupt TEXT PROGRAM [ARGUMENT...]: what one ctrl-C does to a program.
 *
 * Runs it as the foreground job of a terminal of its own. As soon as it has
 * written TEXT (or, with an empty TEXT, has a child) the key is pressed, once.
 * Then all must end: the program, and whatever it has started, which comes to
 * this process as to its reaper. Prints what was written, and
 *
 *   [ctrl-C]      where the key was pressed
 *   [status N]    as a shell has it
 *   [left PID]    a process that did not end within five seconds
 *
 * The exit status is 0 if the key was pressed, and nobody is left. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE = 5000, LOOK = 5 /* ms */, LONGEST = 60000 };

static char written[1 << 20];
static size_t size;
static int pressed;

static void
die(const char *what)
{
    perror(what);
    exit(2);
}

/* A terminal that does not repeat what is typed; its far end's name. */
static int
open_terminal(const char **ret_name)
{
    int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    struct termios settings;

    if (fd < 0 || grantpt(fd) < 0 || unlockpt(fd) < 0)
        die("posix_openpt");
    *ret_name = ptsname(fd);
    if (!*ret_name || tcgetattr(fd, &settings) < 0)
        die("ptsname");
    settings.c_lflag &= ~(tcflag_t)ECHO;
    settings.c_oflag &= ~(tcflag_t)OPOST;
    tcsetattr(fd, TCSANOW, &settings);
    return fd;
}

static pid_t
start(const char *terminal, char **argv)
{
    pid_t pid = fork();
    int fd;

    if (pid != 0)
        return pid;
    setsid();
    signal(SIGINT, SIG_DFL);
    fd = open(terminal, O_RDWR); /* now it is the session's */
    for (int i = 0; i < 3; i++)
        dup2(fd, i);
    close(fd);
    execvp(argv[0], argv);
    die(argv[0]);
    return -1;
}

static int
has_child(pid_t pid)
{
    char path[64];
    FILE *children;
    int c;

    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid,
             (int)pid);
    children = fopen(path, "r");
    c = children ? fgetc(children) : EOF;
    if (children)
        fclose(children);
    return c != EOF;
}

static void
press_when_due(int fd, pid_t pid, const char *text)
{
    if (pressed || !(*text ? strstr(written, text) != NULL : has_child(pid)))
        return;
    if (write(fd, "\003", 1) != 1)
        die("write");
    pressed = 1;
    size +=
        (size_t)snprintf(written + size, sizeof(written) - size, "[ctrl-C]\n");
}

/* Until the program has ended, and what it has written is read. */
static int
play(int fd, pid_t pid, const char *text)
{
    struct pollfd from = {.fd = fd, .events = POLLIN};
    int status = -1;
    pid_t ended = 0;

    for (int ms = 0; ms < LONGEST; ms += LOOK) {
        ssize_t n = 0;

        press_when_due(fd, pid, text);
        if (poll(&from, 1, LOOK) > 0)
            n = read(fd, written + size, sizeof(written) - size - 64);
        if (n > 0)
            size += (size_t)n;
        written[size] = '\0';
        if (n <= 0 && ended == pid)
            return WIFEXITED(status) ? WEXITSTATUS(status)
                                     : 128 + WTERMSIG(status);
        if (ended != pid)
            ended = waitpid(pid, &status, WNOHANG);
    }
    kill(-pid, SIGKILL);
    return -1;
}

/* How many of its descendants are still there after a while. */
static int
count_left(pid_t self)
{
    char path[64];
    FILE *children;
    int pid, left = 0;

    for (int ms = 0; ms < PATIENCE; ms += LOOK) {
        while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
            ;
        if (pid < 0)
            return 0;
        poll(NULL, 0, LOOK);
    }
    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)self,
             (int)self);
    children = fopen(path, "r");
    while (children && fscanf(children, "%d", &pid) == 1) {
        printf("[left %d]\n", pid);
        kill(pid, SIGKILL);
        left++;
    }
    if (children)
        fclose(children);
    return left;
}

int
main(int argc, char **argv)
{
    const char *terminal;
    int fd, status;
    pid_t pid;

    if (argc < 3) {
        fprintf(stderr, "usage: interrupt TEXT PROGRAM [ARGUMENT...]\n");
        return 2;
    }
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
        die("prctl");
    fd = open_terminal(&terminal);
    pid = start(terminal, argv + 2);
    if (pid < 0)
        die("fork");
    status = play(fd, pid, argv[1]);
    fwrite(written, 1, size, stdout);
    printf("[status %d]\n", status);
    return count_left(getpid()) > 0 || !pressed;
}
