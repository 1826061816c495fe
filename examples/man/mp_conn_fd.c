/* SPDX-License-Identifier: MIT */
/* A pipe in an epoll loop of the program's own. */
#include <errno.h>
#include <mproc.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

static int
greet(void *arg)
{
    mp_conn *conn = *(mp_conn **)arg;

    return mp_conn_send(conn, "hello", 6, MP_FOREVER) < 0 ||
           mp_conn_send(conn, "goodbye", 8, MP_FOREVER) < 0;
}

/* Receives all there is: until then the descriptor stays readable. 0: the other
 * end is gone. */
static int
receive_all(mp_conn *conn)
{
    char text[16];
    ssize_t n;

    while ((n = mp_conn_recv(conn, text, sizeof(text), MP_NOW)) >= 0)
        printf("%s\n", text);
    return n == -EAGAIN;
}

int
main(void)
{
    int loop = epoll_create1(EPOLL_CLOEXEC), open = 1;
    struct epoll_event event = {.events = EPOLLIN};
    mp_conn *ours, *theirs;
    mp_process *child;

    if (mp_pipe(&ours, &theirs, 0) < 0 ||
        mp_process_start(&child, greet, &theirs, sizeof(theirs), NULL) < 0)
        return 1;
    mp_conn_close(theirs); /* the child has it */

    event.data.ptr = ours;
    if (epoll_ctl(loop, EPOLL_CTL_ADD, mp_conn_fd(ours), &event) < 0)
        return 1;
    while (open) {
        if (epoll_wait(loop, &event, 1, 10000) < 1)
            return 1;
        open = receive_all(event.data.ptr);
    }
    printf("nobody holds the other end any more\n");

    mp_conn_close(ours);
    mp_process_join(child, MP_FOREVER);
    mp_process_close(child);
    close(loop);
    return 0;
}
