/* SPDX-License-Identifier: MIT */
/* The attributes of a manager, checked, and copied to where every process of
 * the family finds them: a server that is started anew, a process that
 * connects. */
#include "base/attr.h"
#include "registry/manager.h"
#include "region/heap.h"

#include <errno.h>
#include <string.h>

#define KNOWN (MP_CONN_CLEAR_TEXT | MP_CONN_LEGACY_MD5 | MP_CONN_ANY_USER)
#define MIB   ((size_t)1 << 20)

static int
fail(const char *function, const char *what)
{
    return mp__fail(-EINVAL, "%s: %s", function, what);
}

static int
check_numbers(const mp_manager_attr *a, const char *function)
{
    if (!(a->handshake_timeout >= 0)) /* NaN too */
        return fail(function, ".handshake_timeout is negative");
    if (!(a->patience >= 0))
        return fail(function, ".patience is negative");
    if (!(a->call_timeout >= 0))
        return fail(function, ".call_timeout is negative");
    if (a->max_message && a->max_message < 1024)
        return fail(function, ".max_message is less than 1024");
    return 0;
}

static int
check_key(mp_manager_attr *a, const char *function)
{
    if (!a->authkey && a->authkey_size)
        return fail(function, ".authkey is NULL, and .authkey_size is not 0");
    if (a->authkey && a->authkey_size == SIZE_MAX)
        a->authkey_size = strlen(a->authkey);
    if (a->authkey_size > MP__MANAGER_KEY)
        return fail(function, ".authkey is longer than 512 bytes");
    return 0;
}

/* NULL is as good as "". */
static int
copy_text(char *to, size_t room, const char *text, const char *what,
          const char *function)
{
    size_t size = text ? strlen(text) : 0;

    if (size >= room)
        return mp__fail(-EINVAL, "%s: .%s is longer than %zu bytes", function,
                        what, room - 1);
    if (size > 0)
        memcpy(to, text, size);
    to[size] = '\0';
    return 0;
}

static int
copy_texts(struct mp__manager_terms *t, const char *address,
           const mp_manager_attr *a, const char *function)
{
    int r = copy_text(t->address, sizeof(t->address), address, "address",
                      function);

    if (r == 0)
        r = copy_text(t->certificate, sizeof(t->certificate), a->certificate,
                      "certificate", function);
    if (r == 0)
        r = copy_text(t->private_key, sizeof(t->private_key), a->private_key,
                      "private_key", function);
    if (r == 0)
        r = copy_text(t->ca, sizeof(t->ca), a->ca, "ca", function);
    if (r == 0)
        r = copy_text(t->name, sizeof(t->name), a->name ? a->name : "manager",
                      "name", function);
    return r;
}

static void
copy_numbers(struct mp__manager_terms *t, const mp_manager_attr *a)
{
    t->flags = a->flags;
    t->max_clients = a->max_clients ? a->max_clients : 4096;
    t->max_calls = a->max_calls ? a->max_calls : 256;
    t->max_objects = a->max_objects ? a->max_objects : 100000;
    t->max_message = a->max_message ? a->max_message : 64 * MIB;
    t->max_backlog = a->max_backlog ? a->max_backlog : 64 * MIB;
    t->handshake_timeout = a->handshake_timeout > 0 ? a->handshake_timeout : 5;
    t->patience = a->patience > 0 ? a->patience : 30;
    t->call_timeout = a->call_timeout > 0 ? a->call_timeout : 30;
    t->has_key = a->authkey != NULL;
    t->key_size = a->authkey_size;
    if (a->authkey_size)
        memcpy(t->key, a->authkey, a->authkey_size);
}

static int
copy_initializer(struct mp__manager_terms *t, const mp_manager_attr *a,
                 const char *function)
{
    t->initializer_arg = a->initializer_arg;
    if (!a->initializer)
        return 0;
    return mp__function_export((mp__code *)a->initializer, &t->initializer,
                               function);
}

int
mp__manager_terms_new(struct mp__manager_terms **ret_terms,
                      const char *address, const mp_manager_attr *attr,
                      const char *function)
{
    struct mp__manager_terms *terms;
    mp_manager_attr a;
    int r = mp__attr_read(&a, sizeof(a), attr, KNOWN, function);

    if (r == 0)
        r = check_numbers(&a, function);
    if (r == 0)
        r = check_key(&a, function);
    if (r < 0)
        return r;
    terms = mp__block_alloc(sizeof(*terms), 1);
    if (!terms)
        return -ENOMEM;
    copy_numbers(terms, &a);
    r = copy_texts(terms, address ? address : a.address, &a, function);
    if (r == 0)
        r = copy_initializer(terms, &a, function);
    if (r < 0) {
        mp__block_free(terms);
        return r;
    }
    *ret_terms = terms;
    return 0;
}

static const char *
or_null(const char *text)
{
    return text[0] ? text : NULL;
}

void
mp__manager_conn_attr(const struct mp__manager_terms *terms,
                      mp_conn_attr *ret_attr)
{
    *ret_attr = (mp_conn_attr){
        .size = sizeof(*ret_attr),
        .flags = terms->flags,
        .authkey = terms->has_key ? terms->key : NULL,
        .authkey_size = terms->key_size,
        .handshake_timeout = terms->handshake_timeout,
        .max_message = terms->max_message,
        .certificate = or_null(terms->certificate),
        .private_key = or_null(terms->private_key),
        .ca = or_null(terms->ca),
        .backlog = 1024,
    };
}
