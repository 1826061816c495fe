/* SPDX-License-Identifier: MIT */
/* Three processes wait until the settings are complete. */
#include <errno.h>
#include <mproc.h>
#include <stdio.h>

enum { READERS = 3 };

struct settings {
    mp_event *complete;
    int answer;
};

static int
read_settings(void *arg)
{
    struct settings *settings = *(struct settings **)arg;
    int r = mp_event_wait(settings->complete, mp_timeout(10));

    return r < 0 ? 1 : settings->answer;
}

int
main(void)
{
    struct settings *settings = mp_new(struct settings);
    mp_process *readers[READERS];
    int code;

    if (!settings || mp_event_create(&settings->complete, NULL) < 0)
        return 1;
    for (int i = 0; i < READERS; i++) {
        if (mp_process_start(&readers[i], read_settings, &settings,
                             sizeof(settings), NULL) < 0)
            return 1;
    }
    if (mp_event_wait(settings->complete, mp_timeout(0.1)) == -ETIMEDOUT)
        printf("not complete after 0.1 s\n");

    settings->answer = 42;
    mp_event_set(settings->complete); /* what was written before is seen */
    for (int i = 0; i < READERS; i++) {
        mp_process_join(readers[i], MP_FOREVER);
        mp_process_exitcode(readers[i], &code);
        printf("reader %d has read %d\n", i + 1, code);
        mp_process_close(readers[i]);
    }
    mp_event_destroy(settings->complete);
    mp_free(settings);
    return 0;
}
