/* SPDX-License-Identifier: MIT */
/* Messages that wait, that are too large for a buffer, that do not come. */
#include <errno.h>
#include <mproc.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int
main(void)
{
    char buf[16], line[32] = "";
    mp_conn *in, *out;
    int ends[2], fd;
    ssize_t n;

    if (mp_pipe(&in, &out, 0) < 0 || pipe(ends) < 0)
        return 1;
    mp_conn_send(out, "short", 5, MP_FOREVER);
    mp_conn_send(out, "longer than the buffer", 22, MP_FOREVER);
    mp_conn_send_fd(out, ends[1], MP_FOREVER);

    n = mp_conn_recv(in, buf, sizeof(buf), MP_FOREVER);
    printf("%zd bytes: %.*s\n", n, (int)n, buf);

    n = mp_conn_recv(in, buf, sizeof(buf), MP_FOREVER);
    printf("%s\n", n == -EMSGSIZE ? mp_last_error() : "?");
    printf("the next has %zd bytes\n", mp_conn_next_size(in, MP_FOREVER));
    n = mp_conn_recv(in, line, sizeof(line), MP_FOREVER);
    printf("%zd bytes: %s\n", n, line);

    fd = mp_conn_recv_fd(in, MP_FOREVER);
    if (fd < 0 || write(fd, "hello", 5) != 5 || read(ends[0], buf, 5) != 5)
        return 1;
    printf("through another descriptor: %.5s\n", buf);

    printf("more within 10 ms: %s\n",
           mp_conn_poll(in, mp_timeout(0.01)) ? "yes" : "no");
    mp_conn_close(out);
    n = mp_conn_recv(in, buf, sizeof(buf), MP_FOREVER);
    printf("then: %s\n", mp_strerror((int)n));
    mp_conn_close(in);
    return 0;
}
