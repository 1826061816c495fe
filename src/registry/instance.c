/* SPDX-License-Identifier: MIT */
/* Instances of users' types, in the server's process.
 *
 * They lie in its own memory and end with it. The cell says of which life of the
 * server its instance is: a server that was started anew has others, and a child
 * that it forks serves nobody. */
#include "registry/instance.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct instance {
    const struct mp__user_type *type; /* NULL: a free place */
    void *self;
};

static struct instance *instances;
static size_t n_instances;
static uint64_t life; /* that they are of */

const char *
mp__object_type(const mp_object *object)
{
    return object->type;
}

/* ---- Making ---- */

static struct instance *
find_place(void)
{
    size_t more = n_instances ? n_instances : 16;
    struct instance *grown;

    if (life != mp__served_here.life)
        n_instances = 0;
    life = mp__served_here.life;
    for (size_t i = 0; i < n_instances; i++)
        if (instances[i].type == NULL)
            return &instances[i];
    grown = realloc(instances, (n_instances + more) * sizeof(*grown));
    if (grown == NULL)
        return NULL;
    instances = grown;
    memset(grown + n_instances, 0, more * sizeof(*grown));
    n_instances += more;
    return &grown[n_instances - more];
}

static void
destroy(struct instance *instance)
{
    const struct mp__user_type *type = instance->type;
    void *self = instance->self;

    /* First: what is called may make others, and move them all. */
    instance->type = NULL;
    if (type && type->ops->destroy)
        type->ops->destroy(self);
}

/* The text may have been set by the user's function, in the library's way. */
static int
fail_create(const char *type, int r)
{
    return mp__fail(r, "mp_manager_object: a %s could not be made: %s", type,
                    mp_strerror(r));
}

int
mp__instance_new(mp_manager *manager, const char *name, mp_any args,
                 mp_object **ret_object)
{
    const struct mp__user_type *type = mp__type_of_name(name, strlen(name));
    struct instance *place;
    mp_object *object;
    void *self = NULL;
    int r;

    if (type == NULL)
        return mp__fail(-ENOENT,
                        "mp_manager_object: the manager's program "
                        "has registered no type '%s'",
                        name);
    object = mp__object_alloc(MP__SLAB_OBJECT, sizeof(*object));
    if (object == NULL)
        return -ENOMEM;
    r = type->ops->create(&self, args);
    place = r < 0 ? NULL : find_place();
    if (place == NULL) {
        if (r >= 0 && type->ops->destroy)
            type->ops->destroy(self);
        mp__object_free(object, MP__SLAB_OBJECT);
        return r < 0 ? fail_create(name, r) : -ENOMEM;
    }
    *place = (struct instance){type, self};
    object->manager = manager;
    object->life = life;
    object->number = (uint64_t)(place - instances);
    memcpy(object->type, type->name, sizeof(object->type));
    mp__object_publish(object, MP__SLAB_OBJECT);
    *ret_object = object;
    return 0;
}

/* ---- Calling ---- */

static struct instance *
instance_of(const mp_object *object)
{
    if (!mp__manager_is_served_here(object->manager) ||
        object->life != mp__served_here.life || life != mp__served_here.life ||
        object->number >= n_instances)
        return NULL;
    return instances[object->number].type ? &instances[object->number] : NULL;
}

/* What a method says of its failure. */
static int
fail_call(const char *type, const char *method, int r, mp_any_writer *result)
{
    const char *text;
    mp_any any;
    size_t size;

    if (mp_any_end(result, &any) == 0 &&
        mp_any_get_string(any, &text, &size) == 0)
        return mp__fail(r, "%.*s", (int)size, text);
    return mp__fail(r, "mp_object_call: %s.%s(): %s", type, method,
                    mp_strerror(r));
}

int
mp__instance_call(mp_object *object, const char *name, mp_any args,
                  mp_any_writer *result)
{
    struct instance *instance = instance_of(object);
    const mp_method *method;
    int r;

    if (instance == NULL)
        return mp__fail(-ESRCH,
                        "mp_object_call: the %s at %p has gone: its server "
                        "ended, and its state with it",
                        object->type, (void *)object);
    method = mp__method_find(instance->type, name);
    if (method == NULL)
        return mp__fail(-ENOENT, "mp_object_call: a %s has no method '%s'",
                        object->type, name);
    r = method->call(instance->self, args, result);
    if (r < 0)
        return fail_call(object->type, name, r, result);
    if (result->size == 0 && result->error == 0)
        mp_any_write_nil(result);
    return r;
}

/* ---- Ending ---- */

int
mp__instance_end(mp_object *object)
{
    struct instance *instance = instance_of(object);

    if (mp__object_retire(object, MP__SLAB_OBJECT) < 0)
        return mp__fail_handle("mp_object_destroy", object, "an object");
    if (instance)
        destroy(instance);
    mp__object_free(object, MP__SLAB_OBJECT);
    return 0;
}

void
mp__instances_end(void)
{
    if (life == mp__served_here.life)
        for (size_t i = 0; i < n_instances; i++)
            destroy(&instances[i]);
    n_instances = 0;
}
