/* SPDX-License-Identifier: MIT */
/* A namespace that all processes of a family share: values by name.
 *
 *     mp_namespace_create(&ns);
 *     mp_namespace_set(ns, "x", "i", 10);
 *     mp_namespace_get(ns, "x", "i", &x);
 *     mp_namespace_print(ns, stdout);              Namespace(x=10)
 *
 * What is said of steps, locks, remote handles, process death, threads and
 * handles in list.h holds here. */
#ifndef MPROC_NAMESPACE_H
#define MPROC_NAMESPACE_H

#include <mproc/any.h>
#include <mproc/base.h>
#include <mproc/lock.h>

MP__BEGIN

typedef struct mp_namespace mp_namespace;

MP_API int mp_namespace_create(mp_namespace **ret_namespace);
MP_API int mp_namespace_destroy(mp_namespace *ns);

MP_API int mp_namespace_set(mp_namespace *ns, const char *name,
                            const char *format, ...);
/* As mp_list_get(). -ENOENT: there is no such name. */
MP_API int mp_namespace_get(mp_namespace *ns, const char *name,
                            const char *format, ...);
MP_API int mp_namespace_has(mp_namespace *ns, const char *name);
MP_API int mp_namespace_delete(mp_namespace *ns, const char *name);
/* As mp_dict_add_int() and mp_dict_add_double(). */
MP_API int mp_namespace_add_int(mp_namespace *ns, const char *name, int64_t x,
                                int64_t *ret_sum);
MP_API int mp_namespace_add_double(mp_namespace *ns, const char *name,
                                   double x, double *ret_sum);
/* All as a dict: a copy, for mp_any_free(). */
MP_API int mp_namespace_items(mp_namespace *ns, mp_any *ret_dict);
/* Namespace(x=10, y='a'), as Python has it: in the order of the names, and
 * without those that begin with '_'. */
MP_API int mp_namespace_print(mp_namespace *ns, FILE *out);
MP_API mp_rlock *mp_namespace_lock(mp_namespace *ns);

MP__END

#endif
