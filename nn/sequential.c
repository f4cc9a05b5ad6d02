/*
 * Children in turn.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "layers.h"

struct nn_sequential {
    nn_module base;
    nn_module **child;
    int64_t count, capacity;
};

static void sequential_visit(nn_module *m, nn_visitor *v)
{
    struct nn_sequential *self = (struct nn_sequential *)m;
    for (int64_t i = 0; i < self->count; i++) {
        char name[24];
        snprintf(name, sizeof(name), "%lld", (long long)i);
        nn_visit_child(v, name, &self->child[i]);
    }
}

/* The frame is ended after each child, with the child's output: that lets go of the output
 * before, and never of anything that was made outside, such as x, which a child may return as
 * it is. */
static ag_tensor sequential_forward(nn_module *m, ag_tensor x)
{
    const struct nn_sequential *self = (const struct nn_sequential *)m;
    ag_frame frame = ag_frame_begin();
    for (int64_t i = 0; i < self->count; i++) {
        x = ag_frame_end(frame, nn_forward(self->child[i], x));
    }
    return x;
}

static void sequential_release(nn_module *m)
{
    free(((struct nn_sequential *)m)->child);
}

static bool sequential_copy(nn_module *to, const nn_module *from)
{
    struct nn_sequential *self = (struct nn_sequential *)to;
    const struct nn_sequential *original = (const struct nn_sequential *)from;
    size_t bytes = (size_t)original->count * sizeof(nn_module *);
    self->child = malloc(bytes > 0 ? bytes : 1);
    self->capacity = original->count;
    if (self->child == NULL) {
        return false;
    }
    if (bytes > 0) {
        memcpy(self->child, original->child, bytes);
    }
    return true;
}

static const nn_module_type sequential_type = {
    .size = sizeof(nn_module_type),
    .name = "Sequential",
    .instance_size = sizeof(struct nn_sequential),
    .visit = sequential_visit,
    .forward = sequential_forward,
    .release = sequential_release,
    .copy = sequential_copy,
};

/* False after raising; the child is then the caller's still. */
static bool append(const char *function, struct nn_sequential *self, nn_module *child)
{
    if (child == NULL) {
        ag_error_raise(AG_HERE, AG_ERROR_VALUE, "%s: child %lld is NULL", function,
                       (long long)self->count);
        return false;
    }
    if (self->count == self->capacity) {
        int64_t capacity = self->capacity == 0 ? 8 : 2 * self->capacity;
        nn_module **grown = realloc(self->child, (size_t)capacity * sizeof(nn_module *));
        if (grown == NULL) {
            ag_error_raise(AG_HERE, AG_ERROR_MEMORY, "%s: no memory for child %lld", function,
                           (long long)self->count);
            return false;
        }
        self->child = grown;
        self->capacity = capacity;
    }
    char name[24];
    snprintf(name, sizeof(name), "%lld", (long long)self->count);
    if (child->priv != NULL && !nn_adopt(AG_HERE, &self->base, name, child)) {
        return false;
    }
    self->child[self->count++] = child;
    return true;
}

/* Children that were handed over go with a sequence that cannot be made, each once. */
nn_module *nn_sequential_from(nn_module *first, ...)
{
    nn_module *m = nn_module_new(&sequential_type), *orphans = NULL;
    bool good = !nn_is_nil(m);
    va_list children;
    va_start(children, first);
    for (nn_module *child = first; child != NN_END; child = va_arg(children, nn_module *)) {
        good = good && append("nn_sequential", (struct nn_sequential *)m, child);
        if (!good && child != NULL && child->priv != NULL) {
            nn_private *p = nn_private_of(child);
            if (p->parent == NULL && !p->listed) {
                p->listed = true;
                p->next = orphans;
                orphans = child;
            }
        }
    }
    va_end(children);
    while (orphans != NULL) {
        nn_private *p = nn_private_of(orphans);
        nn_module *orphan = orphans;
        orphans = p->next;
        p->next = NULL;
        nn_free(orphan);
    }
    if (!good) {
        nn_free(m);
        m = nn_module_nil(&sequential_type);
    }
    return m;
}

/* NULL after raising, or silently for a nil module. */
static struct nn_sequential *sequential_of(const char *function, nn_module *m)
{
    if (m == NULL || (!nn_is_nil(m) && m->type != &sequential_type)) {
        ag_error_raise(AG_HERE, AG_ERROR_VALUE, "%s: needs a Sequential, got %s", function,
                       m == NULL         ? "NULL"
                       : m->type != NULL ? m->type->name
                                         : "a module that nn_module_new() did not make");
        return NULL;
    }
    return nn_is_nil(m) ? NULL : (struct nn_sequential *)m;
}

void nn_sequential_append(nn_module *sequential, nn_module *child)
{
    struct nn_sequential *self = sequential_of("nn_sequential_append", sequential);
    bool held = false;
    if (self != NULL && sequential->initialised) {
        ag_error_raise(AG_HERE, AG_ERROR_STATE,
                       "nn_sequential_append: the tree is initialised and cannot grow");
    } else if (self != NULL) {
        held = append("nn_sequential_append", self, child);
    }
    /* A child that was handed over and is held by nobody goes, unless it is the tree itself. */
    bool alone = child != NULL && child->priv != NULL && nn_private_of(child)->parent == NULL;
    if (!held && alone && (self == NULL || child != nn_root_of(sequential))) {
        nn_free(child);
    }
}

int64_t nn_sequential_count(const nn_module *sequential)
{
    const struct nn_sequential *self =
        sequential_of("nn_sequential_count", (nn_module *)(uintptr_t)sequential);
    return self != NULL ? self->count : 0;
}

nn_module *nn_sequential_child(nn_module *sequential, int64_t i)
{
    struct nn_sequential *self = sequential_of("nn_sequential_child", sequential);
    if (self == NULL) {
        return nn_module_nobody();
    }
    if (i < 0 || i >= self->count) {
        ag_error_raise(AG_HERE, AG_ERROR_INDEX,
                       "nn_sequential_child: there is no child %lld of %lld", (long long)i,
                       (long long)self->count);
        return nn_module_nobody();
    }
    return self->child[i];
}
