/* SPDX-License-Identifier: MIT */
/* References to functions that hold in every process of the family: 16 bytes
 * that name a module (the program or a library) and an offset in it. */
#pragma once

#include <stdint.h>

/* Any function: cast to and from its real type. */
typedef void mp__code(void);

struct mp__function {
    uint32_t module; /* index in the family's table of modules, plus 1 */
    uint32_t check;  /* hash of the module's identity */
    uint64_t offset; /* from the module's load address */
};

/* Makes the reference to `code`. 0; -EINVAL if it is no function of the
 * program or of a library that is loaded; -ENOMEM. The module stays loaded in
 * this process from then on. Nanoseconds when `code` was asked for lately by
 * the same thread. `function` is the public function in the error's text. */
int mp__function_export(mp__code *code, struct mp__function *ret_reference,
                        const char *function);

/* The function of a reference, in this process; its module is loaded if need
 * be. 0; -ENOENT if the module cannot be loaded, or is another build here;
 * -EINVAL if it is no reference. Nanoseconds if asked for lately. */
int mp__function_import(const struct mp__function *reference,
                        mp__code **ret_code, const char *function);
