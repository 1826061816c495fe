/* SPDX-License-Identifier: MIT */
/* Certificates for tests of TLS, made afresh in a folder that goes with them:
 *
 *     certificates_make()    before the tests, in the program itself
 *     certificates_remove()  after them
 */
#pragma once

#include <mproc/connection.h>

/* Two authorities, and who they have signed: each name is a certificate NAME,
 * and a key NAME.key. */
#define OUR_CA   "ours"
#define THEIR_CA "theirs"

#define SERVER   "server"   /* localhost, mproc.test, 127.0.0.1, ::1 */
#define CLIENT   "client"   /* no name at all */
#define EXPIRED  "expired"  /* localhost, until yesterday */
#define STRANGER "stranger" /* localhost, by the other authority */
#define LOCKED   "locked"   /* its key is behind a password */

void certificates_make(void);
void certificates_remove(void);

/* The path of a file in the folder, valid until the 32nd call from here;
 * certificates_attr() makes three. */
const char *certificates_path(const char *name);

/* Attributes with the certificate `name`, which trust `ca`. */
mp_conn_attr certificates_attr(const char *name, const char *ca);
