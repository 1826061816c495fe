/* SPDX-License-Identifier: MIT */
/* What a process changes is its own; others see what lies in shared memory.
 *
 * Python: a child gets arguments when it is made, and works at the same time
 * as its parent, but on data of its own: what it does to a variable its parent
 * does not see, and it cannot return a value. Only its exit code comes back.
 *
 * Here it is the same for variables and for the copy of the argument. Memory
 * from mp_alloc() or mp_new() belongs to all processes of the family: a
 * pointer to it is valid in each of them, and so a child can leave a result.
 * */
#include "must.h"

static int mine = 100;

struct account {
    int copied;
    int *shared;
};

static int
spend(void *arg)
{
    struct account *account = arg;

    mine -= 30;
    account->copied -= 30;
    *account->shared -= 30;
    say("child:  variable %d, argument %d, shared %d; I return 7\n", mine,
        account->copied, *account->shared);
    return 7;
}

int
main(void)
{
    struct account account = {.copied = 100, .shared = mp_new(int)};
    mp_process *child;
    int code;

    MUST(account.shared ? 0 : -ENOMEM);
    *account.shared = 100;
    MUST(mp_process_start(&child, spend, &account, sizeof(account), NULL));
    say("parent: the child is at work, and so am I\n");
    MUST(mp_process_join(child, MP_FOREVER));
    MUST(mp_process_exitcode(child, &code));
    say("parent: variable %d, argument %d, shared %d; the exit code: %d\n",
        mine, account.copied, *account.shared, code);

    MUST(mp_process_close(child));
    MUST(mp_free(account.shared));
    return 0;
}
