/* SPDX-License-Identifier: MIT */
/* Whole programs (process/kin.c, kinxx.cc), linked with the shared and the static
 * library: what of them runs in a spawned child. */
#include "process/family.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const programs[] = {"MP_TEST_KIN", "MP_TEST_KIN_SHARED"};
#define PROGRAMS 2

static char *
setting(const char *name)
{
    char *value = getenv(name);

    ck_assert_msg(value != NULL, "%s is not set", name);
    return value;
}

static void
check(const char *program, int method, const char *scene, char *argument,
      const char *expected, int code)
{
    char number[8], output[512];
    char *argv[] = {(char *)program, number, (char *)scene, argument, NULL};

    snprintf(number, sizeof(number), "%d", method);
    ck_assert_int_eq(run_program(argv, output, sizeof(output)), code);
    ck_assert_str_eq(output, expected);
}

START_TEST(G19_main_runs_once)
{
    for (int i = 0; i < METHODS; i++)
        check(setting(programs[_i]), methods[i], "main", NULL,
              "main\ntarget x\n", 0);
}
END_TEST

START_TEST(G19_static_initialisers_cannot_bomb)
{
    setenv("KIN_BOMB", "1", 1);
    check(setting(programs[_i]), MP_SPAWN, "bomb", NULL, "main\n", 7);
}
END_TEST

START_TEST(G19_orphan_does_not_run_main)
{
    /* What is preloaded comes before an initialiser of the program, but after
     * one of a library: the child has its orders there, and runs detached. */
    const char *expected[] = {"main\n", "main\ntarget x\n"};

    if (mp_test_scale() != 1)
        return; /* what is preloaded must be the sanitizer's */
    check(setting(programs[_i]), MP_SPAWN, "orphan",
          setting("MP_TEST_OCCUPANT"), expected[_i], -9);
}
END_TEST

START_TEST(program_without_standard_streams)
{
    for (int i = 0; i < METHODS; i++)
        check(setting(programs[_i]), methods[i], "closed", NULL, "", 0);
}
END_TEST

START_TEST(program_whose_file_was_deleted)
{
    char path[] = P_tmpdir "/mproc-test-XXXXXX";
    const char *original = setting(programs[_i]);
    int in = open(original, O_RDONLY | O_CLOEXEC);
    int out = mkstemp(path);
    struct stat st;

    ck_assert_int_ge(in, 0);
    ck_assert_int_eq(fstat(in, &st), 0);
    ck_assert_int_eq(sendfile(out, in, NULL, (size_t)st.st_size), st.st_size);
    fchmod(out, 0700);
    close(in);
    close(out);
    check(path, MP_SPAWN, "deleted", path, "main\ntarget x\n", 0);
}
END_TEST

/* A variable that came to the wrong program is removed, and main runs. */
START_TEST(program_with_a_strange_variable)
{
    const char *const values[] = {
        "", "x", "0:0:0:0:0",
        "3:7f0000000000:7f0000001000:1:00000000000000000000000000000000",
        "999:0:0:1:00000000000000000000000000000000"};

    for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
        setenv("MPROC_CHILD", values[i], 1);
        check(setting(programs[_i]), MP_SPAWN, "main", NULL,
              "main\ntarget x\n", 0);
    }
    unsetenv("MPROC_CHILD");
}
END_TEST

START_TEST(G19_program_in_cxx)
{
    const char *program = getenv("MP_TEST_KINXX");
    char number[8], output[512];
    char *argv[] = {(char *)program, number, NULL};

    if (!program || !*program)
        return; /* no C++ compiler when this was built */
    snprintf(number, sizeof(number), "%d", methods[_i]);
    ck_assert_int_eq(run_program(argv, output, sizeof(output)), 0);
    ck_assert_str_eq(output, methods[_i] == MP_FORK
                                 ? "main\ntarget: made before main \nunmade\n"
                                 : "main\ntarget: made before main \n"
                                   "unmade\nunmade\n");
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("program");
    TCase *tcase = mp_test_case(suite, "programs", 20);

    tcase_add_loop_test(tcase, G19_main_runs_once, 0, PROGRAMS);
    tcase_add_loop_test(tcase, G19_static_initialisers_cannot_bomb, 0,
                        PROGRAMS);
    tcase_add_loop_test(tcase, G19_orphan_does_not_run_main, 0, PROGRAMS);
    tcase_add_loop_test(tcase, program_without_standard_streams, 0, PROGRAMS);
    tcase_add_loop_test(tcase, program_whose_file_was_deleted, 0, PROGRAMS);
    tcase_add_loop_test(tcase, program_with_a_strange_variable, 0, PROGRAMS);
    tcase_add_loop_test(tcase, G19_program_in_cxx, 0, METHODS);
    return mp_test_main(suite);
}
