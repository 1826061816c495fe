/* SPDX-License-Identifier: MIT */
#include "link/both.h"

#include "os/clock.h"
#include "region/kin.h"

struct fake fake;
mp_manager *manager;

void
open_both(void)
{
    fake_start(&fake, NULL);
    manager = fake_connect(&fake, 30);
}

void
close_both(void)
{
    must(mp_manager_close(manager));
    fake_end(&fake);
}

double
seconds_since(mp_time begin)
{
    return (double)(mp__now() - begin) * 1e-9;
}
