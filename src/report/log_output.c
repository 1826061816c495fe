/* SPDX-License-Identifier: MIT */
/* Where lines of the log go.
 *
 * Each process has its own descriptor, opened when there is a line to write.
 *
 * The system keeps lines apart that it takes in one piece. Longer ones in pipes
 * it does not, so all writers to one output have a mutex in common: that of the
 * entry, in the region's header, which has the output's key, made of what the
 * system knows it by. Each output has an entry of its own, so that who waits
 * for a pipe to be read does not hold up those who are to read it. Entries
 * change hands under the log's mutex, when nobody has theirs; who gets the
 * entry's mutex looks at the key once more.
 *
 * Who dies writing leaves the mutex to the next, and the size of its line in
 * `under_way`. If that line may be there in part, the next begins with a
 * newline. */
#include "report/log.h"

#include "report/log_file.h"

#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- The output of this process ---- */

static struct {
    pthread_mutex_t lock; /* guards all below; held while a line is written */
    int known;            /* the rest is set */
    uint32_t changes;     /* at which it was */
    int to_stderr;
    struct mp__log_file file;
} output = {.lock = PTHREAD_MUTEX_INITIALIZER, .file.fd = -1};

/* Another thread may be writing: a fork need not wait for that. The file is
 * as good in the copy. */
static void
after_fork_in_child(void)
{
    output.lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
}

__attribute__((constructor)) static void
register_fork_handler(void)
{
    pthread_atfork(NULL, NULL, after_fork_in_child);
}

void
mp__log_output_leave(void)
{
    if (pthread_mutex_trylock(&output.lock) != 0)
        return;
    mp__log_file_close(&output.file);
    output.known = 0;
    pthread_mutex_unlock(&output.lock);
}

static uint32_t
read_path(char path[MP__LOG_PATH])
{
    struct mp__log *log = &mp__region()->log;
    uint32_t changes;

    mp__mutex_lock(&log->mutex);
    changes = mp__log_changes(mp__load_relaxed(&log->setting));
    memcpy(path, log->path[changes % 2], MP__LOG_PATH);
    mp__mutex_unlock(&log->mutex);
    return changes;
}

static int
open_output(void)
{
    char path[MP__LOG_PATH];
    int r;

    mp__log_file_close(&output.file);
    output.changes = read_path(path);
    output.to_stderr = path[0] == 0;
    r = output.to_stderr ? 0 : mp__log_file_open(&output.file, path);
    output.known = r == 0;
    return r;
}

static int
find_output(struct mp__log_file *ret_file)
{
    uint64_t setting = mp__load_acquire(&mp__region()->log.setting);
    int r = 0;

    if (!output.known || output.changes != mp__log_changes(setting) ||
        (!output.to_stderr && !mp__log_file_is_open(&output.file)))
        r = open_output();
    if (r < 0)
        return r;
    if (output.to_stderr)
        return mp__log_file_of(ret_file, STDERR_FILENO);
    *ret_file = output.file;
    return 0;
}

/* ---- Its entry ---- */

static struct mp__log_output *
find_entry(uint64_t key)
{
    struct mp__log_output *entries = mp__region()->log.outputs;

    for (unsigned i = 0; i < MP__LOG_OUTPUTS; i++)
        if (mp__load(&entries[i].key) == key)
            return &entries[i];
    return NULL;
}

/* Takes the entry from the output that had it, unless somebody is inside. He
 * has looked at the key after he got the mutex, and we look at the mutex after
 * we took the key away: one of us sees the other. */
static int
take_entry(struct mp__log_output *entry, uint64_t key)
{
    uint64_t before = mp__load(&entry->key);

    mp__store(&entry->key, 0);
    if (mp__load(&entry->mutex.word) & FUTEX_TID_MASK) {
        mp__store(&entry->key, before);
        return 0;
    }
    mp__store_relaxed(&entry->under_way, 0);
    mp__store(&entry->key, key);
    return 1;
}

static void
make_entry(uint64_t key)
{
    struct mp__log *log = &mp__region()->log;
    int done;

    mp__mutex_lock(&log->mutex);
    done = find_entry(key) != NULL;
    for (unsigned i = 0; i < MP__LOG_OUTPUTS && !done; i++)
        done = take_entry(&log->outputs[log->next++ % MP__LOG_OUTPUTS], key);
    mp__mutex_unlock(&log->mutex);
    if (!done) /* somebody waits in each of them */
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

/* The entry of that output, with its mutex held. */
static struct mp__log_output *
lock_entry(uint64_t key)
{
    for (;;) {
        struct mp__log_output *entry = find_entry(key);

        if (entry) {
            mp__mutex_lock(&entry->mutex);
            if (mp__load(&entry->key) == key)
                return entry;
            mp__mutex_unlock(&entry->mutex);
        } else {
            make_entry(key);
        }
    }
}

/* ---- Writing ---- */

static int
write_to(const struct mp__log_file *file, const char *text, size_t size)
{
    struct mp__log_output *entry = lock_entry(mp__log_file_key(file));
    uint64_t before = mp__load_relaxed(&entry->under_way);
    size_t done;
    int r;

    if (before && !mp__log_file_is_whole(file, before)) {
        text--;
        size++;
    }
    mp__store_relaxed(&entry->under_way, size);
    mp__compiler_barrier();
    r = mp__log_file_write(file, text, size, &done);
    mp__compiler_barrier();
    if (done == 0)
        mp__store_relaxed(&entry->under_way, before);
    else if (done == size)
        mp__store_relaxed(&entry->under_way, 0);
    mp__mutex_unlock(&entry->mutex);
    return r;
}

int
mp__log_output_write(const char *text, size_t size)
{
    struct mp__log_file file;
    int r;

    pthread_mutex_lock(&output.lock);
    r = find_output(&file);
    if (r == 0)
        r = write_to(&file, text, size);
    pthread_mutex_unlock(&output.lock);
    return r;
}
