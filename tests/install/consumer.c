/* SPDX-License-Identifier: MIT */
/* A user's program, built against what was installed. */
#include <mproc.h>

#include <stdio.h>

static int
answer(void *arg)
{
    return *(int *)arg;
}

int
main(void)
{
    mp_process *process = NULL;
    int code = 0, number = 42;
    int r = mp_process_start(&process, answer, &number, sizeof(number),
                             MP_PROCESS_ATTR(.method = MP_SPAWN));

    if (r == 0)
        r = mp_process_join(process, mp_timeout(60));
    if (r == 0)
        r = mp_process_exitcode(process, &code);
    if (r == 0)
        r = mp_process_close(process);
    if (r < 0)
        fprintf(stderr, "consumer: %s (%s)\n", mp_strerror(r),
                mp_last_error());
    return r == 0 && code == number ? 0 : 1;
}
