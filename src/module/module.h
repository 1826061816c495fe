/* SPDX-License-Identifier: MIT */
/* Modules: the program and the libraries it has loaded. */
#pragma once

#include <stdint.h>

#define MP__MODULE_PATH 448

/* What tells a module from others, and one build of it from another. */
struct mp__module {
    uint8_t id[32];   /* the build id, or a file's identity; then zeroes */
    uint32_t id_kind; /* enum below */
    uint32_t is_program;
    char path[MP__MODULE_PATH]; /* "" in the program */
};

enum mp__module_id {
    MP__MODULE_BUILD_ID = 1,
    MP__MODULE_FILE = 2, /* device, inode, size */
};

/* The module that has `address` in its code, and where it lies from its load
 * address. 0; -EINVAL if there is none, -ENAMETOOLONG. */
int mp__module_of(const void *address, struct mp__module *ret_module,
                  uint64_t *ret_offset);

/* Keeps the module loaded as long as the process lives. */
void mp__module_pin(const struct mp__module *module);

/* The load address of the same module here; it is loaded if need be. 0;
 * -ENOENT if it cannot be loaded or is another build; *ret_reason is then a
 * sentence that says so, valid until the thread's next dlopen(). */
int mp__module_load(const struct mp__module *module, uintptr_t *ret_base,
                    const char **ret_reason);

/* Whether [base + offset] is code of a loaded module. */
int mp__module_has_code(const void *address);
