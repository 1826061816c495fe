/* SPDX-License-Identifier: MIT */
/* Starts two processes, waits for one, stops the other. */
#include <mproc.h>
#include <stdio.h>
#include <unistd.h>

static int
add(void *arg)
{
    const int *numbers = arg;

    return numbers[0] + numbers[1];
}

static int
work_for_ever(void *arg)
{
    (void)arg;
    for (;;)
        pause();
    return 0;
}

int
main(void)
{
    int numbers[2] = {20, 22};
    mp_process *adder, *worker;
    int code;

    if (mp_process_start(&adder, add, numbers, sizeof(numbers), NULL) < 0 ||
        mp_process_start(
            &worker, work_for_ever, NULL, 0,
            MP_PROCESS_ATTR(.name = "worker", .method = MP_SPAWN)) < 0) {
        fprintf(stderr, "%s\n", mp_last_error());
        return 1;
    }

    mp_process_join(adder, MP_FOREVER);
    mp_process_exitcode(adder, &code);
    printf("the adder's exit code: %d\n", code);

    if (mp_process_join(worker, mp_timeout(0.1)) < 0)
        printf("%s runs: %d\n", mp_process_name(worker),
               mp_process_is_alive(worker));
    mp_process_stop(worker, 1.0);
    mp_process_exitcode(worker, &code);
    printf("%s ended with %d\n", mp_process_name(worker), code);

    mp_process_close(adder);
    mp_process_close(worker);
    return 0;
}
