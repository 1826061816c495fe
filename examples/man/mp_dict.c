/* SPDX-License-Identifier: MIT */
/* Children count the words of their texts in one dict. */
#include <mproc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct part {
    mp_dict *words;
    char text[64];
};

static int
count(void *arg)
{
    struct part *part = arg;
    char *rest = part->text, *word;

    while ((word = strsep(&rest, " ")) != NULL)
        if (mp_dict_add_int(part->words, 1, NULL, "s", word) < 0)
            return 1;
    return 0;
}

int
main(void)
{
    static struct part parts[] = {{NULL, "the cat and the dog"},
                                  {NULL, "the dog and the bone"}};
    mp_dict_walker walker = MP_DICT_WALKER;
    mp_process *children[2];
    mp_dict *words;
    mp_any word;
    int n;

    if (mp_dict_create(&words) < 0)
        return 1;
    mp_dict_set(words, "s", "and", "i", -2); /* do not count it */
    for (int i = 0; i < 2; i++) {
        parts[i].words = words;
        if (mp_process_start(&children[i], count, &parts[i], sizeof(parts[i]),
                             NULL) < 0)
            return 1;
        mp_process_join(children[i], MP_FOREVER);
        mp_process_close(children[i]);
    }

    mp_dict_print(words, stdout);
    printf("\n");
    while (mp_dict_next(words, &walker, &word, NULL) > 0) {
        if (mp_dict_get(words, "v", word, "i", &n) == 0 && n > 1) {
            mp_any_print(word, stdout);
            printf(": %d times\n", n);
        }
        mp_any_free(word);
    }
    mp_dict_set(words, "i", 1, "{'h':h}", words); /* in itself */
    mp_dict_delete(words, "d", 1.0);              /* the same key */
    if (mp_dict_get(words, "s", "bird", "i", &n) < 0)
        printf("%s\n", mp_last_error());
    if (mp_dict_set(words, "[i]", 1, "i", 1) < 0)
        printf("%s\n", mp_last_error());
    mp_dict_destroy(words);
    return 0;
}
