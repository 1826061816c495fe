/* SPDX-License-Identifier: MIT */
/* Addresses as users write them: "unix:/path", "tcp:host:port",
 * "tcp:[::1]:port". No system calls here. */
#pragma once

#define MP__ADDRESS_PATH 108 /* with a NUL, as the others */
#define MP__ADDRESS_HOST 256

struct mp__address {
    int local; /* unix:, by its path; else tcp:, by host and port */
    unsigned port;
    char path[MP__ADDRESS_PATH];
    char host[MP__ADDRESS_HOST];
};

/* 0; -EINVAL, and the text says what is wrong with it. */
int mp__address_read(struct mp__address *address, const char *text,
                     const char *function);
