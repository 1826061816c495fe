/* SPDX-License-Identifier: MIT */
#include "os/robust.h"

#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

void
mp__robust_mutex_init(pthread_mutex_t *mutex)
{
    pthread_mutexattr_t attr;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(mutex, &attr);
    pthread_mutexattr_destroy(&attr);
}

static struct mp__robust_head *
ask(void)
{
    struct mp__robust_head *head = NULL;
    size_t size = 0;

    if (syscall(SYS_get_robust_list, 0, &head, &size) < 0)
        return NULL;
    return head;
}

/* musl sets the list up when the thread locks its first robust mutex. */
static void
make_list(void)
{
    pthread_mutex_t mutex;

    mp__robust_mutex_init(&mutex);
    pthread_mutex_lock(&mutex);
    pthread_mutex_unlock(&mutex);
    pthread_mutex_destroy(&mutex);
}

struct mp__robust_head *
mp__robust_head(void)
{
    struct mp__robust_head *head = ask();

    if (head == NULL) {
        make_list();
        head = ask();
    }
    return head;
}
