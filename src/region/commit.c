/* SPDX-License-Identifier: MIT */
/* Committing pages, without asking for the impossible.
 *
 * A memfd is bounded by nothing but the machine: the kernel, asked for more
 * than there is, kills somebody instead of refusing. So we ask how much there
 * is, and leave a reserve. Asking costs as much as a dozen pages, so small
 * commits draw on a budget that one question allows for a short while. The
 * budget is a guess shared by the family; a race over it only makes it less
 * exact. */
#include "region/commit.h"

#include "os/clock.h"
#include "os/mapping.h"
#include "os/meminfo.h"
#include "region/layout.h"

#include <errno.h>

#define BUDGET_MOST ((uint64_t)256 << 20)
#define WARM_MOST   ((uint64_t)256 << 20)
#define BUDGET_LIFE 100000000 /* ns */

static int
within_budget(uint64_t bytes)
{
    struct mp__region *region = mp__region();
    uint64_t budget = mp__load(&region->budget);

    return bytes <= budget && mp__now() < mp__load(&region->budget_until) &&
           mp__cas(&region->budget, &budget, budget - bytes);
}

static int
ask_system(uint64_t bytes)
{
    struct mp__region *region = mp__region();
    uint64_t available = mp__memory_available("");
    uint64_t spare = mp__memory_spare(available), budget;

    if (bytes > spare)
        return -ENOMEM;
    budget = (spare - bytes) / 8;
    mp__store(&region->budget, budget < BUDGET_MOST ? budget : BUDGET_MOST);
    mp__store(&region->warm,
              available / 16 < WARM_MOST ? available / 16 : WARM_MOST);
    mp__store(&region->budget_until, mp__now() + BUDGET_LIFE);
    return 0;
}

uint64_t
mp__region_warm(void)
{
    return mp__load_relaxed(&mp__region()->warm);
}

int
mp__region_afford(size_t size)
{
    return size <= BUDGET_MOST ? 0 : ask_system(size);
}

int
mp__region_commit(size_t offset, size_t size)
{
    if (!within_budget(size) && ask_system(size) < 0)
        return -ENOMEM;
    return mp__memfd_commit_huge(mp__view.fd, mp__view.base, offset, size);
}
