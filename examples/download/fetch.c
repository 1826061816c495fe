/* SPDX-License-Identifier: MIT */
/* Runs curl and reads what it writes.
 *
 * curl shall end with the process that waits for it, be that killed or the
 * whole program interrupted: so it asks the kernel for a signal at that one's
 * death, and does not ignore ctrl-C as a worker does. */
#include "download.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* In the child; `out` gets the page, and the complaint if there is one. */
static void
become_curl(const struct site *site, int out)
{
    char url[300], instead[64];
    const char *argv[16] = {"curl",   "--silent",   "--show-error",
                            "--fail", "--location", "--max-time",
                            "20",     url};

    snprintf(url, sizeof(url), "http://%s/", site->host);
    if (site->port) {
        /* Whatever the address says, talk to the server that stands in. */
        snprintf(instead, sizeof(instead), "::127.0.0.1:%d", site->port);
        argv[8] = "--connect-to";
        argv[9] = instead;
        argv[10] = "--noproxy";
        argv[11] = "*";
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGINT, SIG_DFL);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    execvp("curl", (char **)argv);
    dprintf(STDERR_FILENO, "curl cannot be run: %s", strerror(errno));
    _exit(127);
}

/* All that comes: 0, or a negative error. */
static int
read_all(int fd, struct page *page)
{
    size_t room = 0;
    ssize_t n;

    do {
        if (room - page->size < 4096) {
            char *text = mp_realloc(page->text, room = (room + 8192) * 2);

            if (!text)
                return -ENOMEM;
            page->text = text;
        }
        n = read(fd, page->text + page->size, room - page->size - 1);
        page->size += n > 0 ? (size_t)n : 0;
    } while (n > 0 || (n < 0 && errno == EINTR));
    page->text[page->size] = '\0';
    return n < 0 ? -errno : 0;
}

static int
exit_status(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int
fetch(const struct site *site, struct page *ret_page)
{
    int ends[2], r, status;
    pid_t curl;

    *ret_page = (struct page){0};
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    curl = fork();
    if (curl == 0)
        become_curl(site, ends[1]);
    r = curl < 0 ? -errno : 0;
    close(ends[1]);
    if (r == 0)
        r = read_all(ends[0], ret_page);
    close(ends[0]);
    if (curl < 0)
        return r;
    if (r < 0)
        kill(curl, SIGKILL);
    status = exit_status(curl);
    return r < 0 ? r : status;
}

int
fetch_task(mp_task *task)
{
    const struct site *site = mp_task_arg(task, NULL);
    struct page page;
    int r = fetch(site, &page);

    if (r == 0)
        return mp_task_return(task, &page, sizeof(page));
    r = mp_task_fail(task, "%s", page.text ? page.text : mp_strerror(r));
    mp_free(page.text);
    return r;
}
