/* SPDX-License-Identifier: MIT */
/* The trace: one event for each task and each range of a map.
 *
 * A worker writes its events into a block of the region that goes with its
 * post, and from there into the file when it has nothing to do, or when the
 * block is full. So what a killed worker had not written yet, whoever buries it
 * writes, with an event for the task that it took along. An event is there when
 * `used` says so; that is its commit. Who is killed between writing and taking
 * `used` back has left the place in the file, where what he has written is
 * found.
 *
 * The maker of the pool finds the name of the file in its environment, and
 * leaves it in the pool. Each process opens the file for itself: its locks
 * (os/trace_file.c) are not inherited. A file that cannot be written is no
 * error: there is no trace then. */
#include "progress/trace.h"

#include "module/code_name.h"
#include "os/clock.h"
#include "os/fork.h"
#include "os/trace_file.h"
#include "progress/json.h"
#include "region/heap.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK     65536u
#define EVENT     1024u /* bytes of the longest */
#define NAME      128u  /* bytes of a function's */
#define FUNCTIONS 32u

/* In the region. Writer: the worker; after its death, who buries it. */
struct mp__trace {
    mp__a64 place;   /* in the file, of what is being written; 0: nothing */
    mp__a64 used;    /* bytes of whole events */
    char name[NAME]; /* of the function that is running */
    char text[BLOCK - NAME - 2 * sizeof(mp__a64)];
};

int mp__trace_on;

/* The file, in this process. */
static struct {
    pthread_mutex_t lock; /* guards all below; held across fork */
    pid_t pid;            /* whose it is */
    struct mp__trace_file open;
    unsigned pools; /* of this process that write to it */
    char *path;
} file = {.lock = PTHREAD_MUTEX_INITIALIZER, .open = {.fd = -1}};

/* The worker's. */
static struct {
    mp_pool *pool;
    struct mp__trace *trace;
    pid_t pid;
} self;

/* ---- The file ---- */

MP__HELD_ACROSS_FORK(file.lock, (void)0);

static void
forget_file(void)
{
    if (file.open.fd >= 0 && file.pid == getpid())
        mp__trace_file_close(&file.open);
    else if (file.open.fd >= 0)
        mp__trace_file_drop(&file.open);
    free(file.path);
    file.path = NULL;
    file.pools = 0;
}

static int
is_open(const char *path)
{
    return file.open.fd >= 0 && file.pid == getpid() &&
           strcmp(file.path, path) == 0;
}

/* The lock is held. 0: it is open. */
static int
open_file(const char *path, int make)
{
    const unsigned char *uuid = mp__region_uuid();
    char key[33];

    if (is_open(path))
        return 0;
    forget_file();
    for (int i = 0; i < 16; i++)
        snprintf(key + 2 * i, 3, "%02x", uuid[i]);
    file.path = strdup(path);
    if (!file.path)
        return -1;
    file.pid = getpid();
    return mp__trace_file_open(&file.open, path, key, make);
}

/* Writes what has been noted of a post. */
static void
write_out(mp_pool *pool, struct mp__trace *trace)
{
    uint64_t used = mp__load(&trace->used);

    if (used == 0)
        return;
    pthread_mutex_lock(&file.lock);
    if (open_file(pool->trace, 0) == 0)
        mp__trace_file_append(&file.open, trace->text, used, &trace->place);
    if (file.pools == 0 && !mp__trace_on)
        forget_file(); /* opened for a dead worker's sake only */
    pthread_mutex_unlock(&file.lock);
    mp__store(&trace->used, 0);
    mp__store(&trace->place, 0);
}

/* ---- Events ---- */

/* The beginning of an event of process `pid`, as far as its name. */
static char *
begin_event(mp_pool *pool, struct mp__trace *trace, const char *type, int pid)
{
    char *at;

    if (mp__load_relaxed(&trace->used) + EVENT > sizeof(trace->text))
        write_out(pool, trace);
    at = trace->text + mp__load_relaxed(&trace->used);
    at = mp__json_put(at, ",\n{\"ph\":\"");
    at = mp__json_put(at, type);
    at = mp__json_put(at, "\",\"pid\":");
    at = mp__json_number(at, (uint64_t)pid);
    at = mp__json_put(at, ",\"tid\":");
    at = mp__json_number(at, (uint64_t)pid);
    return mp__json_put(at, ",\"name\":\"");
}

static char *
put_times(char *at, mp_time begun, mp_time ended)
{
    at = mp__json_put(at, "\",\"ts\":");
    at = mp__json_time(at, begun);
    at = mp__json_put(at, ",\"dur\":");
    return mp__json_time(at, ended - begun);
}

static void
end_event(struct mp__trace *trace, char *at)
{
    at = mp__json_put(at, "}}");
    /* release: the event before its commit */
    mp__store_release(&trace->used, (uint64_t)(at - trace->text));
}

static char *
put_task(char *at, const mp_task *task, mp_time begun, mp_time ended,
         const char *end)
{
    at = put_times(at, begun, ended);
    at = mp__json_put(at, ",\"cat\":\"task\",\"args\":{\"task\":");
    at = mp__json_number(at, task->number);
    at = mp__json_put(at, ",\"attempt\":");
    at = mp__json_number(at, mp__task_attempt(mp__load_relaxed(&task->state)));
    at = mp__json_put(at, ",\"waited_us\":");
    at = mp__json_time(at, begun - task->submitted);
    at = mp__json_put(at, ",\"end\":\"");
    at = mp__json_put(at, end);
    return mp__json_put(at, "\"");
}

/* ---- Names of functions ---- */

/* As the trace says it. Looked up once, and kept for the life of the process;
 * with more functions than there is room for the latest is given up. */
static const char *
name_of(const struct mp__function *function, const char *otherwise)
{
    static struct known {
        struct mp__function function;
        char name[NAME];
    } known[FUNCTIONS];
    char name[NAME];
    mp__code *code;
    unsigned i = 0;

    while (i < FUNCTIONS - 1 && known[i].function.module &&
           memcmp(&known[i].function, function, sizeof(*function)) != 0)
        i++;
    if (memcmp(&known[i].function, function, sizeof(*function)) != 0) {
        name[0] = '\0';
        if (mp__function_import(function, &code, "MPROC_TRACE") == 0)
            mp__code_name((const void *)(uintptr_t)code, name, sizeof(name));
        mp__json_quote(name[0] ? name : otherwise, known[i].name, NAME);
        known[i].function = *function;
    }
    return known[i].name;
}

/* ---- The worker ---- */

void
mp__trace_begin(const mp_task *task)
{
    snprintf(self.trace->name, sizeof(self.trace->name), "%s",
             name_of(&task->function, "task"));
}

void
mp__trace_task(const mp_task *task, mp_time begun, mp_time ended, int failed)
{
    char *at = begin_event(self.pool, self.trace, "X", self.pid);

    at = mp__json_put(at, self.trace->name);
    at = put_task(at, task, begun, ended, failed ? "failed" : "done");
    end_event(self.trace, at);
}

static char *
put_items(char *at, const struct mp__job *job, uint64_t from, uint64_t to,
          mp_time begun, mp_time ended, const char *end)
{
    at = put_times(at, begun, ended);
    at = mp__json_put(at, ",\"cat\":\"map\",\"args\":{\"map\":");
    at = mp__json_number(at, job->number);
    at = mp__json_put(at, ",\"from\":");
    at = mp__json_number(at, from);
    at = mp__json_put(at, ",\"to\":");
    at = mp__json_number(at, to);
    at = mp__json_put(at, ",\"end\":\"");
    at = mp__json_put(at, end);
    return mp__json_put(at, "\"");
}

void
mp__trace_items(const struct mp__job *job, uint64_t from, uint64_t to,
                mp_time begun, mp_time ended)
{
    char *at = begin_event(self.pool, self.trace, "X", self.pid);

    at = mp__json_put(at, name_of(&job->function, "items"));
    at = put_items(at, job, from, to, begun, ended, "done");
    end_event(self.trace, at);
}

void
mp__trace_flush(void)
{
    if (MP__UNLIKELY(mp__trace_on))
        write_out(self.pool, self.trace);
}

/* The block of a post; made if need be. NULL: no memory. */
static struct mp__trace *
block_of(struct mp__post *post)
{
    struct mp__trace *trace = atomic_load(&post->trace);

    if (trace)
        return trace;
    trace = mp__block_alloc(sizeof(*trace), 1);
    if (trace) {
        mp__block_keep(trace);
        atomic_store(&post->trace, trace);
    }
    return trace;
}

static void
name_worker(const mp_pool *pool, const struct mp__post *post)
{
    char name[128];
    char *at = begin_event(self.pool, self.trace, "M", self.pid);

    at = mp__json_put(at, "process_name\",\"args\":{\"name\":\"");
    at = mp__json_put(at, mp__json_quote(pool->name, name, sizeof(name)));
    at = mp__json_put(at, ":");
    at = mp__json_number(at, post->number + 1);
    at = mp__json_put(at, "\"");
    end_event(self.trace, at);
}

void
mp__trace_worker(mp_pool *pool, struct mp__post *post)
{
    mp__trace_on = 0; /* as a fork of another worker has it */
    if (!pool->trace)
        return;
    self.pool = pool;
    self.pid = getpid();
    self.trace = block_of(post);
    if (!self.trace)
        return;
    pthread_mutex_lock(&file.lock);
    mp__trace_on = open_file(pool->trace, 0) == 0;
    pthread_mutex_unlock(&file.lock);
    if (mp__trace_on)
        name_worker(pool, post);
}

/* ---- Dead workers ---- */

static int
pid_at(struct mp__post *post)
{
    mp_process *process = atomic_load(&post->process);

    return process ? (int)mp_process_pid(process) : 0;
}

void
mp__trace_lost(mp_pool *pool, struct mp__post *post, const mp_task *task,
               const char *how)
{
    struct mp__trace *trace = atomic_load(&post->trace);
    mp_time begun = (mp_time)mp__load(&post->tally.since), ended = mp__now();
    char text[300];
    char *at;

    if (!trace)
        return;
    at = begin_event(pool, trace, "X", pid_at(post));
    at = mp__json_put(at, trace->name[0] ? trace->name : "task");
    at = put_task(at, task, begun ? begun : ended, ended, "lost");
    at = mp__json_put(at, ",\"worker\":\"");
    at = mp__json_put(at, mp__json_quote(how, text, sizeof(text)));
    at = mp__json_put(at, "\"");
    end_event(trace, at);
}

void
mp__trace_lost_items(struct mp__post *post, uint64_t from, uint64_t to)
{
    const struct mp__job *job = mp__load(&post->job);
    struct mp__trace *trace = atomic_load(&post->trace);
    mp_time begun = (mp_time)mp__load(&post->tally.since);
    char *at;

    if (!trace || !begun)
        return;
    at = begin_event(job->pool, trace, "X", pid_at(post));
    at = mp__json_put(at, "items");
    at = put_items(at, job, from, to, begun, mp__now(), "lost");
    end_event(trace, at);
}

void
mp__trace_bury(mp_pool *pool, struct mp__post *post)
{
    struct mp__trace *trace = atomic_load(&post->trace);

    if (trace)
        write_out(pool, trace);
}

/* ---- The pool ---- */

/* The absolute path of the file that the environment names; for free(). */
static char *
wanted_path(void)
{
    const char *name = secure_getenv("MPROC_TRACE");
    char *path, *cwd;

    if (!name || !*name)
        return NULL;
    if (*name == '/')
        return strdup(name);
    cwd = getcwd(NULL, 0);
    path = cwd ? malloc(strlen(cwd) + strlen(name) + 2) : NULL;
    if (path)
        sprintf(path, "%s/%s", cwd, name);
    free(cwd);
    return path;
}

void
mp__trace_open(mp_pool *pool)
{
    char *path = wanted_path();
    char *block;
    int ready;

    if (!path)
        return;
    pthread_mutex_lock(&file.lock);
    ready = open_file(path, 1) == 0;
    file.pools += (unsigned)ready;
    pthread_mutex_unlock(&file.lock);
    block = ready ? mp__block_alloc(strlen(path) + 1, 0) : NULL;
    if (block) {
        strcpy(block, path);
        mp__block_keep(block);
        pool->trace = block;
    }
    free(path);
}

/* By who destroys the pool, who need not be its maker. */
void
mp__trace_close(mp_pool *pool)
{
    if (!pool->trace)
        return;
    for (uint32_t i = 0; i < mp__posts(pool); i++) {
        struct mp__post *post = mp__post_at(pool, i);
        struct mp__trace *trace = atomic_load(&post->trace);

        if (!trace)
            continue;
        write_out(pool, trace);
        atomic_store(&post->trace, NULL);
        mp__block_free(trace);
    }
    pthread_mutex_lock(&file.lock);
    if (is_open(pool->trace) && (file.pools == 0 || --file.pools == 0) &&
        !mp__trace_on)
        forget_file();
    pthread_mutex_unlock(&file.lock);
    mp__block_free(pool->trace);
    pool->trace = NULL;
}
