/* SPDX-License-Identifier: MIT */
/* Two licences of a program. Permits are tracked: a process that ends without
 * giving its own back has given it back. */
#include <errno.h>
#include <mproc.h>
#include <stdio.h>

static int
use_a_licence(void *arg)
{
    mp_semaphore *licences = *(mp_semaphore **)arg;

    if (mp_semaphore_acquire(licences, mp_timeout(10)) < 0)
        return 1;
    printf("in the child: %d left\n", mp_semaphore_value(licences));
    return 0; /* and forgets to release it */
}

int
main(void)
{
    mp_semaphore *licences;
    mp_process *child;

    if (mp_semaphore_create(&licences, 2, MP_SEMAPHORE_ATTR(.tracked = 1)) < 0)
        return 1;
    mp_semaphore_acquire(licences, MP_FOREVER);
    if (mp_process_start(&child, use_a_licence, &licences, sizeof(licences),
                         NULL) < 0)
        return 1;
    mp_process_join(child, MP_FOREVER);
    mp_process_close(child);
    printf("after its end: %d left\n", mp_semaphore_value(licences));

    mp_semaphore_acquire(licences, MP_NOW);
    if (mp_semaphore_acquire(licences, MP_NOW) == -EAGAIN)
        printf("a third: none left\n");
    mp_semaphore_release(licences);
    mp_semaphore_release(licences);
    if (mp_semaphore_release(licences) == -EPERM)
        printf("%s\n", mp_last_error());
    mp_semaphore_destroy(licences);
    return 0;
}
