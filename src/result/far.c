/* SPDX-License-Identifier: MIT */
/* Results of other families: what is copied out at home comes as bytes. */
#include "result/far.h"

#include "region/far.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

ssize_t
mp__result_far_get(mp_result *result, void *buf, size_t cap, mp_time deadline)
{
    const void *data;
    size_t size;
    ssize_t r = mp__far_call(result, "mp_result_get", deadline, "zb > y", cap,
                             buf != NULL, &data, &size);

    if (r < 0)
        return r;
    if (size && size <= cap && buf)
        memcpy(buf, data, size);
    free((void *)data);
    return (ssize_t)size;
}

/* Texts of errors that this process was told, until their results are freed. */
struct text {
    struct text *next;
    const mp_result *result;
    char *text;
};
static struct text *texts;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* The link that leads to the result's text, or to the end. */
static struct text **
find_text(const mp_result *result)
{
    struct text **at = &texts;

    while (*at && (*at)->result != result)
        at = &(*at)->next;
    return at;
}

const char *
mp__result_far_error(mp_result *result)
{
    struct text *text, **at;
    char *told = NULL;

    pthread_mutex_lock(&lock);
    text = *find_text(result);
    pthread_mutex_unlock(&lock);
    if (text)
        return text->text;
    if (mp__far_call(result, "mp_result_error", MP__FAR_PLAIN, " > ?s",
                     &told) < 0 ||
        !told)
        return NULL;
    text = malloc(sizeof(*text));
    if (!text) {
        free(told);
        return NULL;
    }
    *text = (struct text){.result = result, .text = told};
    pthread_mutex_lock(&lock);
    at = find_text(result);
    text->next = *at; /* NULL, or another thread has been faster */
    *at = text;
    pthread_mutex_unlock(&lock);
    return told;
}

int
mp__result_far_free(mp_result *result)
{
    int r = (int)mp__far_call(result, "mp_result_free", MP__FAR_PLAIN, "");
    struct text **at, *text;

    pthread_mutex_lock(&lock);
    while ((text = *(at = find_text(result))) != NULL) {
        *at = text->next;
        free(text->text);
        free(text);
    }
    pthread_mutex_unlock(&lock);
    return r;
}
