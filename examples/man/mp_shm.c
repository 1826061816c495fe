/* SPDX-License-Identifier: MIT */
/* A picture in shared memory, and somebody who knows its name only: a process
 * here, but it might be any program, or Python's
 * SharedMemory("picture").buf[0] = 255. */
#include <mproc.h>
#include <stdio.h>
#include <string.h>

static int
paint(void *arg)
{
    const char *name = arg;
    mp_shm *picture;

    if (mp_shm_open(&picture, name, NULL) < 0)
        return 1;
    memset(mp_shm_data(picture), 255, mp_shm_size(picture) / 2);
    return mp_shm_close(picture) < 0;
}

int
main(void)
{
    mp_shm *picture;
    mp_process *painter;
    const char *name;
    size_t painted = 0;

    if (mp_shm_create(&picture, NULL, 640 * 480, NULL) < 0) {
        fprintf(stderr, "%s\n", mp_last_error());
        return 1;
    }
    name = mp_shm_name(picture); /* one that was made up */
    if (mp_process_start(&painter, paint, name, strlen(name) + 1, NULL) < 0)
        return 1;
    mp_process_join(painter, MP_FOREVER);
    mp_process_close(painter);

    for (size_t i = 0; i < mp_shm_size(picture); i++)
        painted += ((unsigned char *)mp_shm_data(picture))[i] == 255;
    printf("%zu of %zu dots are white\n", painted, mp_shm_size(picture));

    mp_shm_unlink(name); /* nobody else does it */
    mp_shm_close(picture);
    return 0;
}
