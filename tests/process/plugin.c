/* SPDX-License-Identifier: MIT */
/* A library whose functions are targets. Built several times: PLUGIN_RESULT
 * tells the builds apart. */
#include <stdlib.h>

int plugin_target(void *arg);
int (*plugin_hidden_target(void))(void *);

static int
hidden_target(void *arg)
{
    return *(int *)arg + PLUGIN_RESULT + 1;
}

int
plugin_target(void *arg)
{
    return *(int *)arg + PLUGIN_RESULT;
}

int (*plugin_hidden_target(void))(void *)
{
    return hidden_target;
}
