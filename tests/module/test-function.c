/* SPDX-License-Identifier: MIT */
/* Functions as targets: wherever they live, by each method; and references
 * to functions, on which pools rely. */
#include "process/family.h"

#include "module/function.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define WITH(...) MP_PROCESS_ATTR(.method = methods[_i], __VA_ARGS__)

int plugin_target(void *arg); /* in the library that is linked: 10 */
int (*plugin_hidden_target(void))(void *);
int visible_target(void *arg);

static int
static_target(void *arg)
{
    return *(int *)arg + 1;
}

int
visible_target(void *arg)
{
    return *(int *)arg + 2;
}

static const char *
setting(const char *name)
{
    const char *value = getenv(name);

    ck_assert_msg(value != NULL, "%s is not set", name);
    return value;
}

static int
run_with_3(mp_target target, int method)
{
    int three = 3;

    return run(target, &three, sizeof(three),
               MP_PROCESS_ATTR(.method = method));
}

START_TEST(function_of_the_program_or_a_linked_library)
{
    ck_assert_int_eq(run_with_3(static_target, methods[_i]), 4);
    ck_assert_int_eq(run_with_3(visible_target, methods[_i]), 5);
    ck_assert_int_eq(run_with_3(plugin_target, methods[_i]), 13);
    ck_assert_int_eq(run_with_3(plugin_hidden_target(), methods[_i]), 14);
}
END_TEST

/* What dlsym() gives, as a function. */
static mp_target
target_of(void *library, const char *name)
{
    mp_target target;
    void *address = dlsym(library, name);

    ck_assert_msg(address != NULL, "%s", dlerror());
    memcpy(&target, &address, sizeof(target));
    return target;
}

static void *
load(const char *path)
{
    void *library = dlopen(path, RTLD_NOW);

    ck_assert_msg(library != NULL, "%s", dlerror());
    return library;
}

START_TEST(function_of_a_loaded_module)
{
    void *module = load(setting("MP_TEST_PLUGIN"));
    mp_target (*hidden)(void);
    void *address = dlsym(module, "plugin_hidden_target");

    memcpy(&hidden, &address, sizeof(hidden));
    ck_assert_int_eq(
        run_with_3(target_of(module, "plugin_target"), methods[_i]), 23);
    ck_assert_int_eq(run_with_3(hidden(), methods[_i]), 24);
    if (methods[_i] == MP_FORK)
        return;
    dlclose(module); /* it stays, since references to it are about */
    ck_assert_int_eq(run_with_3(hidden(), methods[_i]), 24);
}
END_TEST

START_TEST(function_of_a_module_loaded_by_a_relative_path)
{
    char *path = strdup(setting("MP_TEST_PLUGIN"));
    char *slash = strrchr(path, '/');
    char name[256];
    mp_target target;

    snprintf(name, sizeof(name), "./%s", slash + 1);
    *slash = '\0';
    ck_assert_int_eq(chdir(path), 0);
    target = target_of(load(name), "plugin_target");
    ck_assert_int_eq(run_with_3(target, methods[_i]), 23);
    ck_assert_int_eq(chdir("/"), 0);
    ck_assert_int_eq(run_with_3(target, methods[_i]), 23);
    free(path);
}
END_TEST

static void
copy_file(const char *from, const char *to)
{
    struct stat st;
    int in = open(from, O_RDONLY);
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL, 0700);

    ck_assert_int_ge(in, 0);
    ck_assert_int_ge(out, 0);
    ck_assert_int_eq(fstat(in, &st), 0);
    ck_assert_int_eq(sendfile(out, in, NULL, (size_t)st.st_size), st.st_size);
    close(in);
    close(out);
}

START_TEST(function_of_a_module_that_is_gone_or_another_build)
{
    char directory[] = P_tmpdir "/mproc-test-XXXXXX";
    char path[64];
    mp_target target;
    mp_process *p;
    int three = 3;

    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/plugin.so", directory);
    copy_file(setting("MP_TEST_PLUGIN"), path);
    target = target_of(load(path), "plugin_target");
    ck_assert_int_eq(run_with_3(target, methods[_i]), 23);
    unlink(path);
    if (methods[_i] == MP_FORK)
        ck_assert_int_eq(run_with_3(target, methods[_i]), 23);
    else
        must_fail(mp_process_start(&p, target, &three, sizeof(three),
                                   WITH(.name = "x")),
                  -ENOENT, path);
    copy_file(setting("MP_TEST_OTHER_PLUGIN"), path);
    if (methods[_i] == MP_FORK)
        ck_assert_int_eq(run_with_3(target, methods[_i]), 23);
    else
        must_fail(mp_process_start(&p, target, &three, sizeof(three),
                                   WITH(.name = "x")),
                  -ENOENT, "another build");
    unlink(path);
    rmdir(directory);
}
END_TEST

/* ---- References. */

static int
check_reference(void *arg)
{
    const struct mp__function *f = arg;
    mp__code *code;

    if (mp__function_import(f, &code, "test") < 0)
        return 1;
    return code == (mp__code *)static_target ? 0 : 2;
}

START_TEST(reference_means_the_same_everywhere)
{
    struct mp__function f, again;
    mp__code *code = NULL;

    must(mp__function_export((mp__code *)static_target, &f, "test"));
    must(mp__function_export((mp__code *)static_target, &again, "test"));
    ck_assert_mem_eq(&f, &again, sizeof(f));
    must(mp__function_import(&f, &code, "test"));
    ck_assert(code == (mp__code *)static_target);
    ck_assert_int_eq(
        run(check_reference, &f, sizeof(f), WITH(.name = "imports")), 0);
}
END_TEST

START_TEST(reference_that_is_none)
{
    struct mp__function f, bad;
    mp__code *code = NULL;

    must(mp__function_export((mp__code *)static_target, &f, "test"));
    bad = f;
    bad.module = 0;
    must_fail(mp__function_import(&bad, &code, "mp_x"), -EINVAL, "mp_x");
    bad.module = 1000;
    must_fail(mp__function_import(&bad, &code, "mp_x"), -EINVAL, "mp_x");
    bad = f;
    bad.check++;
    must_fail(mp__function_import(&bad, &code, "mp_x"), -EINVAL, "mp_x");
    bad = f;
    bad.offset = UINT64_MAX / 2;
    must_fail(mp__function_import(&bad, &code, "mp_x"), -EINVAL, "mp_x");
    must_fail(mp__function_export(NULL, &bad, "mp_x"), -EINVAL, "mp_x");
    ck_assert_ptr_null((void *)(uintptr_t)code);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("function");
    TCase *tcase = family_case(suite, "methods", 10);

    tcase_add_loop_test(tcase, function_of_the_program_or_a_linked_library, 0,
                        METHODS);
    tcase_add_loop_test(tcase, function_of_a_loaded_module, 0, METHODS);
    tcase_add_loop_test(tcase, function_of_a_module_loaded_by_a_relative_path,
                        0, METHODS);
    tcase_add_loop_test(
        tcase, function_of_a_module_that_is_gone_or_another_build, 0, METHODS);
    tcase_add_loop_test(tcase, reference_means_the_same_everywhere, 0,
                        METHODS);
    tcase_add_test(tcase, reference_that_is_none);
    return mp_test_main(suite);
}
