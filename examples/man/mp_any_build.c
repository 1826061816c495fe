/* SPDX-License-Identifier: MIT */
/* Builds values in three ways, and takes one apart. */
#include <mproc.h>
#include <stdlib.h>

int
main(void)
{
    static const double sizes[] = {1.5, 2};
    mp_any_writer w = MP_ANY_WRITER;
    const char *name = "left";
    mp_any value;
    char *text;
    int n;

    mp_any_build(&w, "[i,n,s]", 42, "Hello");
    if (mp_any_end(&w, &value) < 0)
        return 1;
    mp_any_print(value, stdout);
    printf("\n");
    if (mp_any_parse(value, "[i,n,s]", &n, &text) == 0) {
        printf("%d and %s\n", n, text);
        free(text);
    }
    if (mp_any_parse(value, "[i,s,*]", &n, &text) < 0)
        printf("%s\n", mp_last_error());

    mp_any_build(&w, "{s:i,'sizes':*d}", name, 7, sizes, (size_t)2);
    if (mp_any_end(&w, &value) < 0)
        return 1;
    mp_any_print(value, stdout);
    printf("\n");
    if (mp_any_parse(value, "{'left':i,'right'?:i}", &n, &n) == 0)
        printf("%d to the left\n", n);

    mp_any_write_item(&w, MP_LIST(name, MP_DICT("a", 1, "b", MP_NIL), 2.5));
    if (mp_any_end(&w, &value) < 0)
        return 1;
    mp_any_print(value, stdout);
    printf("\n");
    mp_any_discard(&w);
    return 0;
}
