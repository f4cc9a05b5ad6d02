/*
 * Modules: making and freeing them, visiting, forward, modes. Knows no layer, and nothing of what
 * the parts of a tree are called or in what order they are stored: that is tree.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

/* ---- making ---------------------------------------------------------------------------------- */

/* The private part lies in front of the struct, which must stay aligned for anything. */
#define PRIVATE_BYTES ((sizeof(nn_private) + 63) / 64 * 64)

/* What a constructor gets when there is no memory: it may fill the fields of its struct, and
 * nobody reads them. */
#define NIL_BYTES 65536
static union {
    nn_module base;
    char space[NIL_BYTES];
} nil_space;

static const char *type_problem(const nn_module_type *type)
{
    if (type == NULL) {
        return "the type is NULL";
    }
    if (type->size < offsetof(nn_module_type, copy)) {
        return "the type's size is not sizeof(nn_module_type)";
    }
    if (type->name == NULL || type->name[0] == '\0') {
        return "the type has no name";
    }
    if (type->instance_size < sizeof(nn_module)) {
        return "the type's instance_size is smaller than nn_module";
    }
    if (type->instance_size > NIL_BYTES) {
        return "the type's instance_size is above 64 KB: allocate large parts separately";
    }
    return NULL;
}

static nn_module *allocate(const nn_module_type *type, size_t instance_size)
{
    char *block = calloc(1, PRIVATE_BYTES + instance_size);
    if (block == NULL) {
        ag_error_raise(AG_HERE, AG_ERROR_MEMORY, "nn_module_new: no memory for a %s", type->name);
        return &nil_space.base;
    }
    nn_module *m = (nn_module *)(void *)(block + PRIVATE_BYTES);
    m->type = type;
    m->training = true;
    m->priv = block;
    return m;
}

nn_module *nn_module_nil(const nn_module_type *type)
{
    /* Stands in for a type that was refused. */
    static const nn_module_type nil_type = {
        .size = sizeof(nn_module_type),
        .name = "nil",
        .instance_size = NIL_BYTES,
    };
    size_t bytes =
        type != NULL && type->instance_size > NIL_BYTES ? type->instance_size : NIL_BYTES;
    nn_module *m = type_problem(type) == NULL ? allocate(type, type->instance_size)
                                              : allocate(&nil_type, bytes);
    if (m != &nil_space.base) {
        nn_private_of(m)->nil = true;
    }
    return m;
}

nn_module *nn_module_new(const nn_module_type *type)
{
    const char *problem = type_problem(type);
    if (problem != NULL) {
        bool named = type != NULL && type->name != NULL && type->name[0] != '\0';
        ag_error_raise(AG_HERE, AG_ERROR_VALUE, "nn_module_new: %s%s%s", named ? type->name : "",
                       named ? ": " : "", problem);
        return nn_module_nil(type);
    }
    return allocate(type, type->instance_size);
}

nn_module *nn_module_nobody(void)
{
    return &nil_space.base;
}

bool nn_is_nil(const nn_module *m)
{
    return m == &nil_space.base || (m->priv != NULL && nn_private_of(m)->nil);
}

bool nn_usable(ag_place where, const char *function, const nn_module *m)
{
    if (ag_error_code() != AG_OK) {
        return false;
    }
    if (m == NULL) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: the module is NULL", function);
        return false;
    }
    if (nn_is_nil(m)) {
        return false;
    }
    if (m->priv == NULL || m->type == NULL) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: the module was not made by nn_module_new()",
                       function);
        return false;
    }
    return true;
}

char *nn_copy_text(ag_place where, const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = malloc(bytes);
    if (copy == NULL) {
        ag_error_raise(where, AG_ERROR_MEMORY, "nn: no memory for a name");
        return NULL;
    }
    return memcpy(copy, text, bytes);
}

/* ---- the tree upwards ------------------------------------------------------------------------ */

nn_module *nn_root_of(nn_module *m)
{
    while (nn_private_of(m)->parent != NULL) {
        m = nn_private_of(m)->parent;
    }
    return m;
}

const char nn_nameless[] = "";

static void append_path(const nn_module *m, char *text, size_t bytes)
{
    const nn_private *p = nn_private_of(m);
    if (p->parent == NULL) {
        return;
    }
    append_path(p->parent, text, bytes);
    if (p->name == NULL) {
        return;
    }
    size_t used = strlen(text);
    snprintf(text + used, bytes - used, "%s%s", used > 0 ? "." : "", p->name);
}

void nn_kind_text(const nn_module *m, char *text, size_t bytes)
{
    char details[NN_TEXT] = "";
    if (m->type->describe != NULL) {
        m->type->describe(m, details, sizeof(details));
    }
    snprintf(text, bytes, details[0] != '\0' ? "%s(%s)" : "%s%s", m->type->name, details);
}

char *nn_module_text(const nn_module *m, char *text, size_t bytes)
{
    text[0] = '\0';
    append_path(m, text, bytes);
    bool inside = text[0] != '\0';
    size_t used = strlen(text);
    char kind[2 * NN_TEXT];
    nn_kind_text(m, kind, sizeof(kind));
    snprintf(text + used, bytes - used, inside ? " (%s)" : "%s", kind);
    return text;
}

bool nn_adopt(ag_place where, nn_module *parent, const char *name, nn_module *child)
{
    nn_private *p = nn_private_of(child);
    if (p->parent != NULL) {
        return true;
    }
    if (child == nn_root_of(parent)) {
        char text[NN_TEXT];
        ag_error_raise(where, AG_ERROR_VALUE, "nn: %s contains itself, as its own child %s",
                       nn_module_text(child, text, sizeof(text)), name);
        return false;
    }
    if (name != nn_nameless) {
        p->name = nn_copy_text(where, name);
        if (p->name == NULL) {
            return false;
        }
    }
    p->parent = parent;
    return true;
}

/* ---- visiting -------------------------------------------------------------------------------- */

void nn_visit_parameter(nn_visitor *v, const char *name, ag_tensor *slot, ag_shape shape,
                        nn_initialiser init)
{
    if (v->visits->parameter != NULL) {
        v->visits->parameter(v, name, slot, shape, init);
    }
}

void nn_visit_buffer(nn_visitor *v, const char *name, ag_tensor *slot, ag_shape shape,
                     ag_dtype dtype, nn_initialiser init)
{
    if (v->visits->buffer != NULL) {
        v->visits->buffer(v, name, slot, shape, dtype, init);
    }
}

void nn_visit_child(nn_visitor *v, const char *name, nn_module **slot)
{
    if (v->visits->child != NULL) {
        v->visits->child(v, name, slot);
    }
}

void nn_visit_rng(nn_visitor *v, const char *name, ag_rng *slot)
{
    if (v->visits->rng != NULL) {
        v->visits->rng(v, name, slot);
    }
}

void nn_visit_module(nn_module *m, const nn_visits *visits, void *user)
{
    if (m->type->visit != NULL && !nn_is_nil(m) && !nn_private_of(m)->spoken_for) {
        nn_visitor v = { visits, m, user };
        m->type->visit(m, &v);
    }
}

struct each {
    void (*call)(nn_module *m, void *user);
    void *user;
};

static void each_child(nn_visitor *v, const char *name, nn_module **slot)
{
    (void)name;
    const struct each *each = v->user;
    if (slot != NULL && *slot != NULL) {
        nn_each_module(*slot, each->call, each->user);
    }
}

void nn_each_module(nn_module *m, void (*call)(nn_module *m, void *user), void *user)
{
    if (m->priv == NULL || nn_is_nil(m) || nn_private_of(m)->busy) {
        return;
    }
    static const nn_visits children = { .child = each_child };
    struct each each = { call, user };
    call(m, user);
    nn_private_of(m)->busy = true;
    nn_visit_module(m, &children, &each);
    nn_private_of(m)->busy = false;
}

/* ---- freeing --------------------------------------------------------------------------------- */

/* Note [Freeing a tree]
 * A module may be held by several parents, and visit functions may reach into children, so
 * nothing is freed while a visit function can still run: first all modules of the tree are
 * chained, each once, then all slots are emptied, then the memory is given back. None of it
 * allocates. Modules that belong to another tree are left to that. */

struct chain {
    nn_module *root, *last;
};

static void chain_add(struct chain *chain, nn_module *m);

static void chain_child(nn_visitor *v, const char *name, nn_module **slot)
{
    (void)name;
    struct chain *chain = v->user;
    nn_module *child = slot != NULL ? *slot : NULL;
    if (child == NULL || child == &nil_space.base || child->priv == NULL ||
        nn_private_of(child)->listed) {
        return;
    }
    if (nn_private_of(child)->parent == NULL) {
        nn_private_of(child)->parent = v->owner;
    } else if (nn_root_of(child) != chain->root) {
        return;
    }
    chain_add(chain, child);
}

static void chain_add(struct chain *chain, nn_module *m)
{
    static const nn_visits children = { .child = chain_child };
    nn_private_of(m)->listed = true;
    if (chain->last != NULL) {
        nn_private_of(chain->last)->next = m;
    }
    chain->last = m;
    nn_visit_module(m, &children, chain);
}

static void drop_parameter(nn_visitor *v, const char *name, ag_tensor *slot, ag_shape shape,
                           nn_initialiser init)
{
    (void)v, (void)name, (void)shape, (void)init;
    if (slot != NULL) {
        ag_drop(slot);
    }
}

static void drop_buffer(nn_visitor *v, const char *name, ag_tensor *slot, ag_shape shape,
                        ag_dtype dtype, nn_initialiser init)
{
    (void)dtype;
    drop_parameter(v, name, slot, shape, init);
}

void nn_free(nn_module *m)
{
    if (m == NULL || m == &nil_space.base) {
        return;
    }
    if (m->priv == NULL) {
        ag_error_raise(AG_HERE, AG_ERROR_VALUE,
                       "nn_free: the module was not made by nn_module_new()");
        return;
    }
    if (nn_private_of(m)->parent != NULL) {
        char text[NN_TEXT];
        ag_error_raise(AG_HERE, AG_ERROR_LIFETIME, "nn_free: %s is part of a tree: free its root",
                       nn_module_text(m, text, sizeof(text)));
        return;
    }
    static const nn_visits drops = { .parameter = drop_parameter, .buffer = drop_buffer };
    struct chain chain = { m, NULL };
    chain_add(&chain, m);
    for (nn_module *each = m; each != NULL; each = nn_private_of(each)->next) {
        nn_visit_module(each, &drops, NULL);
    }
    for (nn_module *each = m, *next; each != NULL; each = next) {
        nn_private *p = nn_private_of(each);
        next = p->next;
        if (each->type->release != NULL && !p->nil) {
            each->type->release(each);
        }
        free(p->name);
        free(p);
    }
}

/* ---- forward --------------------------------------------------------------------------------- */

/* Off the path of a forward that works. */
static AG_NOINLINE ag_tensor forward_refused(ag_place where, const nn_module *m)
{
    if (!nn_usable(where, "nn_forward", m)) {
        return AG_NIL;
    }
    char text[NN_TEXT];
    nn_module_text(m, text, sizeof(text));
    if (m->type->forward == NULL) {
        ag_error_raise(where, AG_ERROR_VALUE, "nn_forward: %s has a forward of its own: call that",
                       text);
    } else {
        ag_error_raise(where, AG_ERROR_STATE,
                       "nn_forward: %s is not initialised: call nn_init() on its tree, and list it "
                       "in the visit "
                       "function of its parent",
                       text);
    }
    return AG_NIL;
}

static AG_NOINLINE ag_tensor forward_gave_none(ag_place where, const nn_module *m)
{
    char text[NN_TEXT];
    ag_error_raise(where, AG_ERROR_VALUE, "nn_forward: the forward of %s returned no tensor",
                   nn_module_text(m, text, sizeof(text)));
    return AG_NIL;
}

ag_tensor nn_forward_at(ag_place where, nn_module *m, ag_tensor x)
{
    if (AG_UNLIKELY(m == NULL || !m->initialised || m->type->forward == NULL ||
                    ag_error_code() != AG_OK)) {
        return forward_refused(where, m);
    }
    const nn_private *p = nn_private_of(m);
    ag_place before = ag_caller_set(where);
    ag_frame frame = ag_frame_begin();
    if (p->name != NULL) {
        ag_label_push(p->name);
    }
    ag_tensor y = m->type->forward(m, x);
    if (p->name != NULL) {
        ag_label_pop();
    }
    if (AG_UNLIKELY(ag_is_none(y))) {
        y = forward_gave_none(where, m);
    }
    y = ag_frame_end(frame, y);
    if (AG_UNLIKELY(p->watch != NULL) && ag_is_alive(y)) {
        *p->watch = ag_shape_of(y);
    }
    ag_caller_set(before);
    return y;
}

/* ---- modes ----------------------------------------------------------------------------------- */

static void set_training(nn_module *m, void *user)
{
    m->training = *(const bool *)user;
}

void nn_train(nn_module *m)
{
    bool training = true;
    if (nn_usable(AG_HERE, "nn_train", m)) {
        nn_each_module(m, set_training, &training);
    }
}

void nn_eval(nn_module *m)
{
    bool training = false;
    if (nn_usable(AG_HERE, "nn_eval", m)) {
        nn_each_module(m, set_training, &training);
    }
}

static void freeze_parameter(nn_visitor *v, const char *name, ag_tensor *slot, ag_shape shape,
                             nn_initialiser init)
{
    (void)shape, (void)init;
    if (ag_error_code() != AG_OK) {
        return;
    }
    if (slot == NULL || ag_is_none(*slot)) {
        char text[NN_TEXT];
        ag_error_raise(AG_HERE, AG_ERROR_STATE,
                       "nn_set_requires_grad: %s of %s has no value yet: call nn_init() first",
                       name, nn_module_text(v->owner, text, sizeof(text)));
        return;
    }
    ag_set_requires_grad(*slot, *(const bool *)v->user);
}

static void freeze_module(nn_module *m, void *user)
{
    static const nn_visits parameters = { .parameter = freeze_parameter };
    nn_visit_module(m, &parameters, user);
}

void nn_set_requires_grad(nn_module *m, bool requires_grad)
{
    if (nn_usable(AG_HERE, "nn_set_requires_grad", m)) {
        nn_each_module(m, freeze_module, &requires_grad);
    }
}
