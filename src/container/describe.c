/* SPDX-License-Identifier: MIT */
/* How values and arrays are described. The object may go meanwhile, but its
 * memory remains that of such an object: so its type is one of those there
 * are, or, in an instant, none yet. */
#include "container/container.h"

#include "container/datum.h"
#include "container/text.h"

static int
describe_value(struct mp__report *report, void *object)
{
    mp_value *value = object;
    const struct mp__type *type = mp__type_find(value->code);
    struct mp__datum datum = {type, &value->word, NULL};
    char text[MP__TEXT] = "";

    if (type)
        mp__datum_text(text, type, mp__datum_load(&datum));
    mp__report_object(report, "value", value, NULL, 0);
    mp__report(report, " ('%c'): %s", value->code, text);
    mp__own_lock_report(report, &value->own);
    return 0;
}

static int
describe_array(struct mp__report *report, void *object)
{
    mp_array *array = object;

    mp__report_object(report, "array", array, NULL, 0);
    if (array->code)
        mp__report(report, " ('%c'): %zu items of %zu bytes", array->code,
                   array->n, array->itemsize);
    else
        mp__report(report, ": %zu structs of %zu bytes", array->n,
                   array->itemsize);
    mp__own_lock_report(report, &array->own);
    return 0;
}

void
mp__container_describe(void)
{
    mp__describe_with(MP__SLAB_VALUE, "value", describe_value);
    mp__describe_with(MP__SLAB_ARRAY, "array", describe_array);
}
