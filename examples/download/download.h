/* SPDX-License-Identifier: MIT */
/* download FILE: the first page of every site in a list, by a pool of three.
 *
 *   main.c    reads the list, fetches one by one, then by the pool
 *   fetch.c   runs curl
 *   server.c  stands in for the sites: no network is needed */
#pragma once

#include <mproc.h>

#include <stddef.h>

/* What is to be fetched: the argument of a task. */
struct site {
    char host[256];
    int port; /* of the server that stands in for it; 0: go to the site */
};

/* What curl has written: the page or, if it failed, its complaint. It lies in
 * the family's memory: a worker returns no more than this struct, and whoever
 * has that has the page. To be given back by mp_free(). */
struct page {
    char *text; /* ends with a '\0' that is not counted; NULL: no memory */
    size_t size;
};

/* 0, or curl's exit status, or a negative error. */
int fetch(const struct site *site, struct page *ret_page);

/* The same as a task: its argument is a site, its result a page. */
int fetch_task(mp_task *task);

/* Starts the server, in processes that end with this one: its port, or a
 * negative error. */
int serve(void);
