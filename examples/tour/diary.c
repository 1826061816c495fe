/* SPDX-License-Identifier: MIT */
/* The family's log: whoever has something to say writes a line, and what was
 * said last before a sudden end is there. It goes to a file here; by
 * mp_log_to_stderr() it would go to the terminal. */
#include "tour.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int
keep_watch(void *arg)
{
    int night = *(int *)arg;

    mp_log(MP_LOG_INFO, "night %d begins", night);
    mp_log(MP_LOG_DEBUG, "nothing to be seen");
    if (night == 2) {
        mp_log(MP_LOG_CRITICAL, "I see a"); /* its last words */
        raise(SIGKILL);
    }
    mp_log(MP_LOG_INFO, "night %d is over", night);
    return 0;
}

static void
read_diary(const char *path)
{
    FILE *file = fopen(path, "r");
    int last_words = 0;
    char line[256];

    CLAIM(file != NULL);
    while (fgets(line, sizeof(line), file)) {
        line[strcspn(line, "\n")] = 0;
        if (!strstr(line, "process guard")) /* those have pids */
            say("%s", line);
        last_words += strcmp(line, "[CRITICAL/guard] I see a") == 0;
    }
    fclose(file);
    CLAIM(last_words == 1);
}

void
scene_diary(void)
{
    char path[] = "/tmp/mproc-tour-XXXXXX";
    mp_process *guard;

    close((int)MUST(mkstemp(path)));
    MUST(mp_log_to_file(path, MP_LOG_INFO));
    for (int night = 1; night <= 3; night++) {
        MUST(mp_process_start(&guard, keep_watch, &night, sizeof(night),
                              MP_PROCESS_ATTR(.name = "guard")));
        MUST(mp_process_join(guard, MP_FOREVER));
        MUST(mp_process_close(guard));
    }
    mp_log(MP_LOG_WARNING, "%s", "a guard is missing");
    MUST(mp_log_to_stderr(MP_LOG_OFF));
    read_diary(path);
    unlink(path);
}
