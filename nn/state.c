/*
 * The state of a tree as a whole: copying it into another tree, cloning a tree, one hash over it.
 * Knows no layer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

/* ---- copying --------------------------------------------------------------------------------- */

/* The tensor called `name`; lists of two trees of one kind agree in order, so the same place is
 * tried first. */
static ag_tensor find_near(const ag_list *list, const char *name, int64_t i)
{
    if (strcmp(ag_list_name(list, i), name) == 0) {
        return ag_list_tensor(list, i);
    }
    return ag_list_find(list, name);
}

/* Whether every tensor of `to` has a counterpart; raises if not. */
static bool states_match(ag_place where, const char *function, const ag_list *to, const ag_list *from)
{
    for (int64_t i = 0; i < ag_list_count(to); i++) {
        const char *name = ag_list_name(to, i);
        ag_tensor a = ag_list_tensor(to, i), b = find_near(from, name, i);
        if (ag_is_none(b)) {
            ag_error_raise(where, AG_ERROR_VALUE, "%s: \"%s\" is missing in the source", function, name);
            return false;
        }
        ag_shape sa = ag_shape_of_at(where, a), sb = ag_shape_of_at(where, b);
        char ta[AG_SHAPE_TEXT], tb[AG_SHAPE_TEXT];
        if (!ag_shape_equal(sa, sb)) {
            ag_error_raise(where, AG_ERROR_SHAPE,
                           "%s: \"%s\" is %s in the source and %s in the destination", function, name,
                           ag_shape_format(sb, tb, sizeof(tb)), ag_shape_format(sa, ta, sizeof(ta)));
            return false;
        }
        ag_dtype da = ag_dtype_of_at(where, a), db = ag_dtype_of_at(where, b);
        if (da != db) {
            ag_error_raise(where, AG_ERROR_DTYPE,
                           "%s: \"%s\" is %s in the source and %s in the destination", function, name,
                           ag_dtype_name(db), ag_dtype_name(da));
            return false;
        }
    }
    for (int64_t i = 0; i < ag_list_count(from); i++) {
        const char *name = ag_list_name(from, i);
        if (ag_is_none(find_near(to, name, i))) {
            ag_error_raise(where, AG_ERROR_VALUE,
                           "%s: \"%s\" of the source is missing in the destination", function, name);
            return false;
        }
    }
    return ag_error_code() == AG_OK;
}

/* Leaves are row-major, so their raw numbers can be handed over. */
static void copy_leaf(ag_tensor to, ag_tensor from)
{
    ag_write(to, ag_data(from), ag_numel(from));
}

ag_error nn_copy_state_at(ag_place where, nn_module *to, nn_module *from)
{
    if (!nn_usable(where, "nn_copy_state", to) || !nn_usable(where, "nn_copy_state", from) ||
        to == from) {
        return ag_error_code();
    }
    ag_place before = ag_caller_set(where);
    ag_list *target = nn_state_for("nn_copy_state", to);
    ag_list *source = nn_state_for("nn_copy_state", from);
    if (ag_error_code() == AG_OK && states_match(where, "nn_copy_state", target, source)) {
        for (int64_t i = 0; i < ag_list_count(target); i++) {
            copy_leaf(ag_list_tensor(target, i), find_near(source, ag_list_name(target, i), i));
        }
    }
    ag_list_free(target);
    ag_list_free(source);
    ag_caller_set(before);
    return ag_error_code();
}

/* ---- averaging ------------------------------------------------------------------------------- */

/* The handle's place in a list of leaves; -1: none. */
static int64_t place_of(const ag_list *list, ag_tensor t)
{
    for (int64_t i = 0; i < ag_list_count(list); i++) {
        if (ag_list_tensor(list, i).id == t.id) {
            return i;
        }
    }
    return -1;
}

ag_error nn_average_at(ag_place where, nn_module *average, nn_module *m, double decay)
{
    if (!nn_usable(where, "nn_average", average) || !nn_usable(where, "nn_average", m)) {
        return ag_error_code();
    }
    if (average == m) {
        return ag_error_raise(where, AG_ERROR_VALUE, "nn_average: the average must be a module of its own: nn_clone() makes one");
    }
    if (!(decay >= 0 && decay <= 1)) {
        return ag_error_raise(where, AG_ERROR_VALUE, "nn_average: the decay must be between 0 and 1, got %g", decay);
    }
    ag_place before = ag_caller_set(where);
    ag_list *target = nn_state_for("nn_average", average), *source = nn_state_for("nn_average", m);
    ag_list *trained = nn_parameters(average);
    if (ag_error_code() == AG_OK && states_match(where, "nn_average", target, source)) {
        ag_scope scope = { 0 };
        ag_begin_no_grad(&scope);
        for (int64_t i = 0; i < ag_list_count(target); i++) {
            ag_tensor a = ag_list_tensor(target, i);
            ag_tensor b = find_near(source, ag_list_name(target, i), i);
            if (place_of(trained, a) < 0) {
                copy_leaf(a, b);
            } else if (place_of(target, a) == i) { /* a tied one has several names and moves once */
                ag_copy_(a, ag_lerp_scalar(a, b, 1 - decay));
            }
        }
        ag_end(&scope);
    }
    ag_list_free(trained);
    ag_list_free(target);
    ag_list_free(source);
    ag_caller_set(before);
    return ag_error_code();
}

/* ---- cloning --------------------------------------------------------------------------------- */

/* Note [Cloning a tree]
 * A copy begins as a byte copy, so its slots name the original's children and leaves. Visit
 * functions may reach into children, so the children of all copies are exchanged before any
 * other slot is touched; then the tensor slots are emptied, and only then is the copy a tree of
 * its own, that can be completed or freed. */

struct clone {
    const nn_tree *source;
    nn_module **copy; /* of source->member[i], for those that are first */
    bool failed;
};

static nn_module *copy_of(const struct clone *clone, const nn_module *original)
{
    for (int64_t i = 0; i < clone->source->members; i++) {
        if (clone->source->member[i].module == original) {
            return clone->copy[i];
        }
    }
    return NULL;
}

static void exchange_child(nn_visitor *v, const char *name, nn_module **slot)
{
    (void)name;
    nn_module *copy = copy_of(v->user, *slot);
    if (copy != NULL) {
        *slot = copy;
    }
}

/* A slot that is still the original's must not be emptied. */
static bool slot_is_original(nn_visitor *v, const char *name, const ag_tensor *slot)
{
    struct clone *clone = v->user;
    for (int64_t i = 0; i < clone->source->entries; i++) {
        if (clone->source->entry[i].slot == slot) {
            if (!clone->failed) {
                char text[NN_TEXT];
                ag_error_raise(AG_HERE, AG_ERROR_VALUE,
                               "nn_clone: the copy of %s would share \"%s\" with the original: its "
                               "type needs a copy "
                               "function",
                               nn_module_text(v->owner, text, sizeof(text)), name);
            }
            clone->failed = true;
            return true;
        }
    }
    return false;
}

static void empty_parameter(nn_visitor *v, const char *name, ag_tensor *slot, ag_shape shape,
                            nn_initialiser init)
{
    (void)shape, (void)init;
    if (!slot_is_original(v, name, slot)) {
        *slot = AG_NONE;
    }
}

static void empty_buffer(nn_visitor *v, const char *name, ag_tensor *slot, ag_shape shape,
                         ag_dtype dtype, nn_initialiser init)
{
    (void)dtype;
    empty_parameter(v, name, slot, shape, init);
}

/* A byte copy of one module, outside every tree. NULL after raising. */
static nn_module *copy_module(const nn_module *m)
{
    const nn_module_type *type = m->type;
    bool knows_copy = type->size >= sizeof(nn_module_type);
    char text[NN_TEXT];
    if (type->release != NULL && (!knows_copy || type->copy == NULL)) {
        ag_error_raise(
            AG_HERE, AG_ERROR_VALUE,
            "nn_clone: %s has memory of its own (a release function) and needs a copy function",
            nn_module_text(m, text, sizeof(text)));
        return NULL;
    }
    nn_module *copy = nn_module_new(type);
    if (nn_is_nil(copy)) {
        return NULL;
    }
    void *priv = copy->priv;
    memcpy(copy, m, type->instance_size);
    copy->priv = priv;
    copy->initialised = false;
    nn_private_of(copy)->spoken_for = nn_private_of(m)->spoken_for;
    if (knows_copy && type->copy != NULL && !type->copy(copy, m)) {
        ag_error_raise(AG_HERE, AG_ERROR_MEMORY, "nn_clone: the copy function of %s failed",
                       nn_module_text(m, text, sizeof(text)));
        free(priv); /* the struct lies in the same allocation */
        return NULL;
    }
    return copy;
}

/* Copies of all modules, connected to each other and without tensors. False after raising; then
 * none is left. */
static bool copy_modules(struct clone *clone)
{
    static const nn_visits children = { .child = exchange_child };
    static const nn_visits tensors = { .parameter = empty_parameter, .buffer = empty_buffer };
    const nn_tree *source = clone->source;
    for (int64_t i = 0; i < source->members && !clone->failed; i++) {
        if (source->member[i].first == i) {
            clone->copy[i] = copy_module(source->member[i].module);
            clone->failed = clone->copy[i] == NULL;
        }
    }
    for (int64_t i = 0; i < source->members && !clone->failed; i++) {
        if (clone->copy[i] != NULL) {
            nn_visit_module(clone->copy[i], &children, clone);
        }
    }
    for (int64_t i = 0; i < source->members && !clone->failed; i++) {
        if (clone->copy[i] != NULL) {
            nn_visit_module(clone->copy[i], &tensors, clone);
        }
    }
    for (int64_t i = 0; i < source->members && clone->failed; i++) {
        if (clone->copy[i] != NULL) {
            if (clone->copy[i]->type->release != NULL) {
                clone->copy[i]->type->release(clone->copy[i]);
            }
            free(clone->copy[i]->priv);
        }
    }
    return !clone->failed;
}

/* Values, frozen ones and flags. The tables have the same order: they come from the same visit
 * functions. */
static bool copy_values(ag_place where, const nn_tree *source, nn_module *root)
{
    nn_tree target;
    bool good = nn_tree_build(&target, where, "nn_clone", root);
    bool complete = source->member[0].module->initialised;
    if (good && target.entries != source->entries) {
        ag_error_raise(where, AG_ERROR_VALUE,
                       "nn_clone: the visit functions of %s list something else for the copy",
                       root->type->name);
        good = false;
    }
    good = good && (!complete || nn_tree_allocate(&target, nn_tree_dtype(source)));
    for (int64_t i = 0; i < target.entries && good && complete; i++) {
        const nn_entry *to = &target.entry[i], *from = &source->entry[i];
        if (to->slot == NULL || to->first != i) {
            continue;
        }
        copy_leaf(*to->slot, *from->slot);
        if (to->kind == NN_PARAMETER && !ag_requires_grad(*from->slot)) {
            ag_set_requires_grad(*to->slot, false);
        }
        good = ag_error_code() == AG_OK;
    }
    if (good && complete) {
        nn_tree_set_initialised(&target);
    }
    nn_tree_free(&target);
    return good;
}

nn_module *nn_clone(nn_module *m)
{
    if (!nn_usable(AG_HERE, "nn_clone", m)) {
        return nn_module_nil(m != NULL ? m->type : NULL);
    }
    ag_place where = AG_HERE;
    nn_tree source;
    struct clone clone = { .source = &source };
    nn_module *root = NULL;
    bool good = nn_tree_build(&source, where, "nn_clone", m) &&
                (!m->initialised || nn_tree_complete(&source));
    if (good) {
        clone.copy = calloc((size_t)source.members, sizeof(nn_module *));
        if (clone.copy == NULL) {
            ag_error_raise(where, AG_ERROR_MEMORY, "nn_clone: no memory for the list of modules");
        } else if (copy_modules(&clone)) {
            root = clone.copy[0];
            good = copy_values(where, &source, root);
        }
    }
    free(clone.copy);
    nn_tree_free(&source);
    if (root != NULL && !good) {
        nn_free(root);
        root = NULL;
    }
    return root != NULL ? root : nn_module_nil(m->type);
}

/* ---- what a resumed run needs ---------------------------------------------------------------- */

/* "0.weight" and "requires_grad". */
static void group_bool(ag_state_visitor *v, const char *group, const char *name, bool *value)
{
    ag_state_group_begin(v, group);
    ag_state_bool(v, name, value);
    ag_state_group_end(v);
}

static void visit_entry(ag_state_visitor *v, const nn_entry *e)
{
    if (e->kind == NN_GENERATOR) {
        ag_state_rng(v, e->name, e->rng);
        return;
    }
    ag_state_tensor(v, e->name, *e->slot);
    if (e->kind == NN_PARAMETER && ag_error_code() == AG_OK) {
        bool requires_grad = ag_requires_grad(*e->slot);
        group_bool(v, e->name, "requires_grad", &requires_grad);
        if (ag_state_loading(v)) {
            ag_set_requires_grad(*e->slot, requires_grad);
        }
    }
}

static void tree_visit(void *object, ag_state_visitor *v)
{
    static const char function[] = "nn_stateful";
    if (nn_is_nil(object)) {
        ag_error_raise(AG_HERE, AG_ERROR_STATE, "%s: the module is nil: making it failed",
                       function);
    }
    if (!nn_usable(AG_HERE, function, object)) {
        return;
    }
    nn_tree tree;
    if (nn_tree_build(&tree, AG_HERE, function, object) && nn_tree_complete(&tree)) {
        for (int64_t i = 0; i < tree.entries; i++) {
            if (tree.entry[i].first == i) {
                visit_entry(v, &tree.entry[i]);
            }
        }
        for (int64_t i = 0; i < tree.members; i++) {
            const nn_member *member = &tree.member[i];
            if (member->first == i) {
                char key[32] = "training"; /* a nameless child shares its parent's path */
                if (i > 0 && member->name[0] == '\0') {
                    snprintf(key, sizeof(key), "training_%d", member->depth);
                }
                group_bool(v, member->path, key, &member->module->training);
            }
        }
    }
    nn_tree_free(&tree);
}

ag_stateful nn_stateful(nn_module *m)
{
    static const ag_stateful_type type = { sizeof(ag_stateful_type), "module", tree_visit };
    return ag_stateful_make(&type, m);
}

/* ---- hash ------------------------------------------------------------------------------------ */

/* FNV-1a. */
static uint64_t hash_bytes(uint64_t hash, const void *data, size_t bytes)
{
    const unsigned char *byte = data;
    for (size_t i = 0; i < bytes; i++) {
        hash = (hash ^ byte[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

uint64_t nn_hash(nn_module *m)
{
    ag_list *state = nn_state_for("nn_hash", m);
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (int64_t i = 0; i < ag_list_count(state) && ag_error_code() == AG_OK; i++) {
        const char *name = ag_list_name(state, i);
        uint64_t bits = ag_hash(ag_list_tensor(state, i));
        hash = hash_bytes(hash, name, strlen(name) + 1);
        hash = hash_bytes(hash, &bits, sizeof(bits));
    }
    ag_list_free(state);
    return ag_error_code() == AG_OK ? hash : 0;
}
