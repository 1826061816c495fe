/* SPDX-License-Identifier: MIT */
/* Reads the list, fetches its pages one by one, then by a pool. */
#include "download.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { WORKERS = 3, SITES_MOST = 1000 };

static struct site sites[SITES_MOST];
static int site_count, failures;

static void
usage(void)
{
    fputs("usage: download [-r] FILE\n"
          "\n"
          "Fetches the first page of every host in FILE by curl: one by one,\n"
          "then by a pool of three processes. A server of our own stands in\n"
          "for the hosts; -r: goes to the real ones.\n",
          stderr);
    exit(2);
}

static void
die(const char *what, const char *why)
{
    fprintf(stderr, "download: %s: %s\n", what, why);
    exit(1);
}

static double
seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void
read_list(const char *path, int port)
{
    FILE *list = fopen(path, "r");

    if (!list)
        die(path, strerror(errno));
    while (site_count < SITES_MOST &&
           fscanf(list, "%255s", sites[site_count].host) == 1)
        sites[site_count++].port = port;
    fclose(list);
    if (site_count == 0)
        die(path, "there is no host in it");
}

static void
show(const struct site *site, const struct page *page)
{
    const char *title = strstr(page->text, "<title>");

    title = title ? title + strlen("<title>") : "no title";
    printf("%20s | %6zu bytes: %.*s\n", site->host, page->size,
           (int)strcspn(title, "<\r\n"), title);
    fflush(stdout);
}

static void
show_failure(const struct site *site, const char *why)
{
    printf("%20s | %.*s\n", site->host, (int)strcspn(why, "\r\n"), why);
    fflush(stdout);
    failures++;
}

static void
one_by_one(void)
{
    for (int i = 0; i < site_count; i++) {
        struct page page;
        int r = fetch(&sites[i], &page);

        if (r == 0)
            show(&sites[i], &page);
        else
            show_failure(&sites[i], page.text ? page.text : mp_strerror(r));
        mp_free(page.text);
    }
}

/* ---- By a pool: what to do when a page is there ---- */

static void
on_page(mp_result *result, void *site)
{
    struct page page;

    if (mp_result_get(result, &page, sizeof(page), MP_NOW) < 0)
        die("mp_result_get", mp_last_error());
    show(site, &page);
    mp_free(page.text);
}

static void
on_failure(mp_result *result, void *site)
{
    show_failure(site, mp_result_error(result));
}

static void
by_a_pool(void)
{
    MP_POOL_SCOPE mp_pool *pool = NULL;

    if (mp_pool_create(&pool, WORKERS, NULL) < 0)
        die("mp_pool_create", mp_last_error());
    for (int i = 0; i < site_count; i++) {
        if (mp_pool_apply_async(pool, fetch_task, &sites[i], sizeof(sites[i]),
                                MP_TASK_ATTR(.callback = on_page,
                                             .error_callback = on_failure,
                                             .callback_arg = &sites[i]),
                                NULL) < 0)
            die("mp_pool_apply_async", mp_last_error());
    }
    mp_pool_close(pool);
    if (mp_pool_join(pool, MP_FOREVER) < 0)
        die("mp_pool_join", mp_last_error());
}

int
main(int argc, char **argv)
{
    int option, port, real = 0;
    double begin, alone, together;

    while ((option = getopt(argc, argv, "r")) != -1) {
        if (option != 'r')
            usage();
        real = 1;
    }
    if (optind != argc - 1)
        usage();
    port = real ? 0 : serve();
    if (port < 0)
        die("the server", mp_strerror(port));
    read_list(argv[optind], port);

    begin = seconds();
    one_by_one();
    alone = seconds() - begin;
    printf("one by one: %.2f s\n", alone);
    begin = seconds();
    by_a_pool();
    together = seconds() - begin;
    printf("by a pool of %d: %.2f s, %.1f times as fast\n", WORKERS, together,
           alone / together);
    return failures > 0;
}
