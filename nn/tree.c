/*
 * A tree as a whole: the table of its modules, parameters and buffers by name, and what follows
 * from it: completing and initialising the tree, listing and counting. Knows no layer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

/* ---- the table ------------------------------------------------------------------------------- */

/* Room for one more element in an array; NULL (the array is left as it is) after raising. */
static void *with_room(nn_tree *tree, void *array, int64_t count, int64_t *capacity, size_t element)
{
    if (count < *capacity) {
        return array;
    }
    int64_t wanted = *capacity == 0 ? 16 : 2 * *capacity;
    void *grown = realloc(array, (size_t)wanted * element);
    if (grown == NULL) {
        ag_error_raise(tree->where, AG_ERROR_MEMORY, "%s: no memory for the list of modules",
                       tree->function);
        tree->failed = true;
        return NULL;
    }
    *capacity = wanted;
    return grown;
}

/* "features.0" and "weight": "features.0.weight"; nothing stands for the path of a root, and for a child without a name. */
static char *join(nn_tree *tree, const char *path, const char *name)
{
    size_t bytes = strlen(path) + strlen(name) + 2;
    char *text = malloc(bytes);
    if (text == NULL) {
        ag_error_raise(tree->where, AG_ERROR_MEMORY, "%s: no memory for a name", tree->function);
        tree->failed = true;
        return NULL;
    }
    snprintf(text, bytes, "%s%s%s", path, path[0] != '\0' && name[0] != '\0' ? "." : "", name);
    return text;
}

/* One module being put into the table. */
struct visit {
    nn_tree *tree;
    const char *path;
    int depth;
    int64_t first_entry, first_member; /* where those of this module begin */
    int64_t member;                    /* its own row */
};

static void refuse(nn_visitor *v, const char *what, const char *name, const char *problem)
{
    nn_tree *tree = ((struct visit *)v->user)->tree;
    char text[NN_TEXT];
    ag_error_raise(tree->where, AG_ERROR_VALUE, "%s: %s \"%s\" of %s %s", tree->function, what,
                   name != NULL ? name : "", nn_module_text(v->owner, text, sizeof(text)), problem);
    tree->failed = true;
}

static bool name_is_good(nn_visitor *v, const char *what, const char *name)
{
    if (name == NULL || (name[0] == '\0' && name != nn_nameless)) {
        refuse(v, what, name, "has no name");
        return false;
    }
    return true;
}

static nn_entry *add_entry(nn_visitor *v, nn_kind kind, const char *name)
{
    struct visit *visit = v->user;
    nn_tree *tree = visit->tree;
    nn_entry *grown =
        with_room(tree, tree->entry, tree->entries, &tree->entry_capacity, sizeof(nn_entry));
    if (grown == NULL) {
        return NULL;
    }
    tree->entry = grown;
    char *path = join(tree, visit->path, name);
    if (path == NULL) {
        return NULL;
    }
    for (int64_t i = visit->first_entry; i < tree->entries; i++) {
        if (strcmp(tree->entry[i].name, path) == 0) {
            refuse(v, "the name", name, "is used twice");
            free(path);
            return NULL;
        }
    }
    nn_entry *entry = &tree->entry[tree->entries];
    *entry = (nn_entry){ .kind = kind, .name = path, .owner = v->owner, .first = tree->entries };
    tree->entries++;
    return entry;
}

static void add_tensor(nn_visitor *v, nn_kind kind, const char *name, ag_tensor *slot,
                       ag_shape shape, ag_dtype dtype, nn_initialiser init)
{
    nn_tree *tree = ((struct visit *)v->user)->tree;
    const char *what = kind == NN_PARAMETER ? "parameter" : "buffer";
    if (tree->failed || !name_is_good(v, what, name)) {
        return;
    }
    if (slot == NULL) {
        refuse(v, what, name, "has no slot: pass the address of an ag_tensor of the struct");
        return;
    }
    if (ag_shape_numel(shape) < 0) {
        refuse(v, what, name, "has a shape that is negative or too large");
        return;
    }
    nn_entry *entry = add_entry(v, kind, name);
    if (entry == NULL) {
        return;
    }
    entry->slot = slot;
    entry->shape = shape;
    entry->dtype = dtype;
    entry->init = init;
    for (int64_t i = 0; i < tree->entries - 1; i++) {
        if (tree->entry[i].slot == slot) {
            entry->first = i;
            if (tree->entry[i].kind != kind || tree->entry[i].dtype != dtype ||
                !ag_shape_equal(tree->entry[i].shape, shape)) {
                refuse(v, what, name, "is tied to one of another kind, shape or type");
            }
            return;
        }
    }
}

static void add_parameter(nn_visitor *v, const char *name, ag_tensor *slot, ag_shape shape,
                          nn_initialiser init)
{
    add_tensor(v, NN_PARAMETER, name, slot, shape, AG_FLOAT32, init);
}

static void add_buffer(nn_visitor *v, const char *name, ag_tensor *slot, ag_shape shape,
                       ag_dtype dtype, nn_initialiser init)
{
    add_tensor(v, NN_BUFFER, name, slot, shape, dtype, init);
}

static void add_generator(nn_visitor *v, const char *name, ag_rng *slot)
{
    nn_tree *tree = ((struct visit *)v->user)->tree;
    if (tree->failed || !name_is_good(v, "generator", name)) {
        return;
    }
    if (slot == NULL) {
        refuse(v, "generator", name, "has no slot: pass the address of an ag_rng of the struct");
        return;
    }
    nn_entry *entry = add_entry(v, NN_GENERATOR, name);
    if (entry != NULL) {
        entry->rng = slot;
        for (int64_t i = 0; i < tree->entries - 1; i++) {
            if (tree->entry[i].rng == slot) {
                entry->first = i;
                return;
            }
        }
    }
}

static void add_module(nn_tree *tree, nn_module *m, char *path, size_t name, int depth);

static void add_child(nn_visitor *v, const char *name, nn_module **slot)
{
    struct visit *visit = v->user;
    nn_tree *tree = visit->tree;
    if (tree->failed || !name_is_good(v, "child", name)) {
        return;
    }
    nn_module *child = slot != NULL ? *slot : NULL;
    if (child == NULL) {
        refuse(v, "child", name, "is NULL");
        return;
    }
    if (nn_is_nil(child)) {
        refuse(v, "child", name, "is nil: an error was raised when it was made");
        return;
    }
    if (child->priv == NULL) {
        refuse(v, "child", name, "was not made by nn_module_new()");
        return;
    }
    if (nn_private_of(child)->busy) {
        refuse(v, "child", name, "contains itself");
        return;
    }
    if (!nn_adopt(tree->where, v->owner, name, child)) {
        tree->failed = true;
        return;
    }
    if (nn_root_of(child) != nn_root_of(v->owner)) {
        refuse(v, "child", name,
               "also belongs to another tree: a module has one tree, a second one needs an "
               "nn_clone() of it");
        return;
    }
    char *path = join(tree, visit->path, name);
    if (path == NULL) {
        return;
    }
    for (int64_t i = visit->first_member; i < tree->members; i++) {
        if (strcmp(tree->member[i].path, path) == 0) {
            refuse(v, "the name", name, "is used twice");
            free(path);
            return;
        }
    }
    tree->member[visit->member].has_children = true;
    add_module(tree, child, path, strlen(path) - strlen(name), visit->depth + 1);
}

/* Takes the path, in which the module's own name begins at `name`. */
static void add_module(nn_tree *tree, nn_module *m, char *path, size_t name, int depth)
{
    static const nn_visits passes[] = {
        { .parameter = add_parameter },
        { .buffer = add_buffer },
        { .rng = add_generator },
        { .child = add_child },
    };
    nn_member *grown =
        with_room(tree, tree->member, tree->members, &tree->member_capacity, sizeof(nn_member));
    if (grown == NULL) {
        free(path);
        return;
    }
    tree->member = grown;
    int64_t row = tree->members++, first = 0;
    while (first < row && tree->member[first].module != m) {
        first++;
    }
    tree->member[row] = (nn_member){
        .module = m, .path = path, .name = path + name, .depth = depth, .first = first
    };
    struct visit visit = { tree, path, depth, tree->entries, row + 1, row };
    nn_private_of(m)->busy = true;
    for (size_t i = 0; i < sizeof(passes) / sizeof(passes[0]) && !tree->failed; i++) {
        nn_visit_module(m, &passes[i], &visit);
    }
    nn_private_of(m)->busy = false;
}

bool nn_tree_build(nn_tree *tree, ag_place where, const char *function, nn_module *root)
{
    *tree = (nn_tree){ .where = where, .function = function };
    char *path = nn_copy_text(where, "");
    if (path == NULL) {
        return false;
    }
    add_module(tree, root, path, 0, 0);
    return !tree->failed;
}

void nn_tree_free(nn_tree *tree)
{
    for (int64_t i = 0; i < tree->members; i++) {
        free(tree->member[i].path);
    }
    for (int64_t i = 0; i < tree->entries; i++) {
        free(tree->entry[i].name);
    }
    free(tree->member);
    free(tree->entry);
    *tree = (nn_tree){ 0 };
}

bool nn_tree_complete(const nn_tree *tree)
{
    for (int64_t i = 0; i < tree->entries; i++) {
        const nn_entry *e = &tree->entry[i];
        if (e->slot != NULL && ag_is_none(*e->slot)) {
            ag_error_raise(tree->where, AG_ERROR_STATE,
                           "%s: \"%s\" has no value yet: call nn_init() first", tree->function,
                           e->name);
            return false;
        }
    }
    return true;
}

ag_dtype nn_tree_dtype(const nn_tree *tree)
{
    for (int64_t i = 0; i < tree->entries; i++) {
        if (tree->entry[i].kind == NN_PARAMETER) {
            return ag_dtype_of_at(tree->where, *tree->entry[i].slot);
        }
    }
    return AG_FLOAT32;
}

void nn_tree_set_initialised(nn_tree *tree)
{
    for (int64_t i = 0; i < tree->members; i++) {
        tree->member[i].module->initialised = true;
    }
}

/* ---- completing ------------------------------------------------------------------------------ */

/* All parameters at once, in one block. */
static bool allocate_parameters(nn_tree *tree, ag_dtype dtype)
{
    size_t room = (size_t)tree->entries + 1;
    ag_shape *shapes = malloc(room * sizeof(ag_shape));
    ag_tensor *leaves = malloc(room * sizeof(ag_tensor));
    int n = 0;
    bool good = false;
    if (shapes == NULL || leaves == NULL) {
        ag_error_raise(tree->where, AG_ERROR_MEMORY, "%s: no memory for the list of parameters",
                       tree->function);
        goto cleanup;
    }
    for (int64_t i = 0; i < tree->entries; i++) {
        if (tree->entry[i].kind == NN_PARAMETER && tree->entry[i].first == i) {
            shapes[n++] = tree->entry[i].shape;
        }
    }
    if (n > 0 && ag_leaves_at(tree->where, n, shapes, dtype, leaves) != AG_OK) {
        goto cleanup;
    }
    n = 0;
    for (int64_t i = 0; i < tree->entries; i++) {
        if (tree->entry[i].kind == NN_PARAMETER && tree->entry[i].first == i) {
            *tree->entry[i].slot = leaves[n++];
        }
    }
    good = true;
cleanup:
    free(shapes);
    free(leaves);
    return good;
}

static bool allocate_buffers(nn_tree *tree, ag_dtype dtype)
{
    for (int64_t i = 0; i < tree->entries; i++) {
        const nn_entry *e = &tree->entry[i];
        if (e->kind == NN_BUFFER && e->first == i) {
            ag_dtype type = e->dtype == AG_FLOAT32 ? dtype : e->dtype;
            ag_tensor leaf = ag_leaf_at(tree->where, e->shape, type, false);
            if (ag_is_nil(leaf)) {
                return false;
            }
            *e->slot = leaf;
        }
    }
    return true;
}

bool nn_tree_allocate(nn_tree *tree, ag_dtype dtype)
{
    bool good = allocate_parameters(tree, dtype) && allocate_buffers(tree, dtype);
    for (int64_t i = 0; i < tree->entries; i++) {
        const nn_entry *e = &tree->entry[i];
        if (e->slot == NULL || e->first != i) {
            continue;
        }
        if (good) {
            ag_set_name_at(tree->where, *e->slot, e->name);
        } else {
            ag_drop(e->slot);
        }
    }
    return good && ag_error_code() == AG_OK;
}

/* How many of the tree's slots hold a leaf, of how many. */
static int64_t count_allocated(const nn_tree *tree, int64_t *slots, const nn_entry **with,
                               const nn_entry **without)
{
    int64_t allocated = 0;
    *slots = 0;
    for (int64_t i = 0; i < tree->entries; i++) {
        const nn_entry *e = &tree->entry[i];
        if (e->slot == NULL || e->first != i) {
            continue;
        }
        ++*slots;
        if (ag_is_none(*e->slot)) {
            *without = *without == NULL ? e : *without;
        } else {
            allocated++;
            *with = *with == NULL ? e : *with;
        }
    }
    return allocated;
}

/* Gives the tree its leaves unless it has them. `dtype` is a wish if !strict. */
static bool complete(nn_tree *tree, ag_dtype dtype, bool strict)
{
    const nn_entry *with = NULL, *without = NULL;
    int64_t slots;
    int64_t allocated = count_allocated(tree, &slots, &with, &without);
    if (allocated == 0) {
        return nn_tree_allocate(tree, dtype);
    }
    if (allocated < slots) {
        ag_error_raise(tree->where, AG_ERROR_STATE,
                       "%s: \"%s\" was initialised before and \"%s\" was not: a tree is "
                       "initialised once, as a whole",
                       tree->function, with->name, without->name);
        return false;
    }
    for (int64_t i = 0; i < tree->entries; i++) {
        const nn_entry *e = &tree->entry[i];
        if (e->kind == NN_PARAMETER && strict && ag_dtype_of_at(tree->where, *e->slot) != dtype) {
            ag_error_raise(tree->where, AG_ERROR_DTYPE,
                           "%s: \"%s\" is %s already and cannot become %s", tree->function, e->name,
                           ag_dtype_name(ag_dtype_of_at(tree->where, *e->slot)),
                           ag_dtype_name(dtype));
            return false;
        }
    }
    return true;
}

static ag_error initialise(ag_place where, const char *function, nn_module *m, ag_rng *rng,
                           ag_dtype dtype, bool strict)
{
    if (!nn_usable(where, function, m)) {
        return ag_error_code();
    }
    if (rng == NULL) {
        return ag_error_raise(where, AG_ERROR_VALUE, "%s: the generator is NULL", function);
    }
    if (!ag_dtype_is_float(dtype)) {
        return ag_error_raise(where, AG_ERROR_DTYPE, "%s: parameters need a floating type, got %s",
                              function, ag_dtype_name(dtype));
    }
    ag_place before = ag_caller_set(where);
    nn_tree tree;
    if (nn_tree_build(&tree, where, function, m) && complete(&tree, dtype, strict)) {
        for (int64_t i = 0; i < tree.entries && ag_error_code() == AG_OK; i++) {
            const nn_entry *e = &tree.entry[i];
            if (e->first != i) {
                continue;
            }
            if (e->kind == NN_GENERATOR) {
                *e->rng = ag_rng_split(rng);
                continue;
            }
            if (e->kind == NN_PARAMETER) {
                ag_zero_grad(*e->slot);
            }
            nn_initialiser init = e->init != NULL ? e->init : nn_fill_zeros;
            init(*e->slot, rng, e->owner);
        }
        if (ag_error_code() == AG_OK) {
            nn_tree_set_initialised(&tree);
        }
    }
    nn_tree_free(&tree);
    ag_caller_set(before);
    return ag_error_code();
}

ag_error nn_init_at(ag_place where, nn_module *m, ag_rng *rng)
{
    return initialise(where, "nn_init", m, rng, AG_FLOAT32, false);
}

ag_error nn_init_dtype_at(ag_place where, nn_module *m, ag_rng *rng, ag_dtype dtype)
{
    return initialise(where, "nn_init_dtype", m, rng, dtype, true);
}

/* ---- lists ----------------------------------------------------------------------------------- */

ag_list *nn_parameters(nn_module *m)
{
    ag_list *list = ag_list_new();
    if (!nn_usable(AG_HERE, "nn_parameters", m)) {
        return list;
    }
    nn_tree tree;
    if (nn_tree_build(&tree, AG_HERE, "nn_parameters", m) && nn_tree_complete(&tree)) {
        for (int64_t i = 0; i < tree.entries; i++) {
            if (tree.entry[i].kind == NN_PARAMETER && tree.entry[i].first == i) {
                ag_list_add(list, tree.entry[i].name, *tree.entry[i].slot);
            }
        }
    }
    nn_tree_free(&tree);
    return list;
}

ag_list *nn_state_for(const char *function, nn_module *m)
{
    ag_list *list = ag_list_new();
    if (!nn_usable(AG_HERE, function, m)) {
        return list;
    }
    nn_tree tree;
    if (nn_tree_build(&tree, AG_HERE, function, m) && nn_tree_complete(&tree)) {
        for (int64_t i = 0; i < tree.entries; i++) {
            if (tree.entry[i].slot != NULL) {
                ag_list_add(list, tree.entry[i].name, *tree.entry[i].slot);
            }
        }
    }
    nn_tree_free(&tree);
    return list;
}

ag_list *nn_state(nn_module *m)
{
    return nn_state_for("nn_state", m);
}

int64_t nn_count_parameters(nn_module *m, bool trainable_only)
{
    if (!nn_usable(AG_HERE, "nn_count_parameters", m)) {
        return 0;
    }
    nn_tree tree;
    int64_t count = 0;
    if (nn_tree_build(&tree, AG_HERE, "nn_count_parameters", m)) {
        for (int64_t i = 0; i < tree.entries; i++) {
            const nn_entry *e = &tree.entry[i];
            if (e->kind == NN_PARAMETER && e->first == i &&
                !(trainable_only && !ag_is_none(*e->slot) && !ag_requires_grad(*e->slot))) {
                count += ag_shape_numel(e->shape);
            }
        }
    }
    nn_tree_free(&tree);
    return count;
}
