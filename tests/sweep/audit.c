/* SPDX-License-Identifier: MIT */
/* What is live in the heap counts alike whatever its kind: a kill may cost
 * one piece of memory, be it a block, an extent or an object. */
#include "audit.h"

#include "region/audit.h"
#include "region/object.h"

const char *
audit_heap(uint64_t *ret_live)
{
    static struct mp__heap_report report;
    uint64_t live;
    int i;

    report = (struct mp__heap_report){0};
    if (mp__heap_audit(&report) < 0)
        return report.problem ? report.problem : "it cannot be walked";
    live = report.blocks + report.large;
    for (i = 0; i < MP__SLABS; i++)
        live += report.objects[i];
    *ret_live = live;
    return NULL;
}
