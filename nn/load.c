/*
 * Loading a tree by name, from a source of entries. Knows no file.
 */
#include "load.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

static const char function[] = "nn_load_state_dict";

nn_load_config nn_load_defaults(void)
{
    return (nn_load_config){ .made_by_defaults = NN_MADE_BY_DEFAULTS, .strict = true };
}

void nn_load_result_free(nn_load_result *result)
{
    if (result != NULL) {
        free(result->text);
        *result = (nn_load_result){ 0 };
    }
}

/* ---- one load -------------------------------------------------------------------------------- */

enum { NOT_THERE = -1, DOES_NOT_FIT = -2 };

struct by_name {
    const char *name;
    int64_t index;
};

struct load {
    ag_place where;
    ag_entries from;
    int64_t count; /* of entries */
    const nn_load_config *config;
    nn_tree tree;
    bool allocated; /* the tree has its leaves */
    ag_dtype dtype; /* of the parameters, once there are some */
    struct by_name *name; /* the tree's tensors, sorted */
    int64_t names;
    int64_t *source; /* of each tree entry: the source's entry, or NOT_THERE or DOES_NOT_FIT */
    int64_t *target; /* of each source entry: the tree's entry, or NOT_THERE */
    nn_load_result result;
    size_t used, room; /* of result.text */
};

static bool no_memory(const struct load *l)
{
    ag_error_raise(l->where, AG_ERROR_MEMORY, "%s: out of memory", function);
    return false;
}

/* One more line for the result. False after raising. */
static bool tell(struct load *l, const char *format, ...) AG_PRINTF(2, 3);
static bool tell(struct load *l, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    size_t bytes = (size_t)vsnprintf(NULL, 0, format, arguments) + 2;
    va_end(arguments);
    bool good = true;
    if (l->used + bytes > l->room) {
        size_t room = 2 * (l->used + bytes);
        char *grown = realloc(l->result.text, room);
        good = grown != NULL;
        if (good) {
            l->result.text = grown;
            l->room = room;
        }
    }
    if (good) {
        vsnprintf(l->result.text + l->used, bytes, format, again);
        l->used += bytes - 1;
        l->result.text[l->used - 1] = '\n';
        l->result.text[l->used] = '\0';
    }
    va_end(again);
    return good || no_memory(l);
}

/* ---- names ----------------------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct by_name *)a)->name, ((const struct by_name *)b)->name);
}

static void sort_names(struct load *l)
{
    for (int64_t i = 0; i < l->tree.entries; i++) {
        if (l->tree.entry[i].slot != NULL) {
            l->name[l->names++] = (struct by_name){ l->tree.entry[i].name, i };
        }
    }
    qsort(l->name, (size_t)l->names, sizeof *l->name, compare_names);
}

/* The tree's entry of a name that the source has; NOT_THERE if there is none. *passed: it is to be passed over. False after
 * raising. */
static bool find_target(const struct load *l, const char *name, int64_t *target, bool *passed)
{
    const nn_rename *rename = NULL;
    for (int i = 0; i < l->config->renames && rename == NULL; i++) {
        const char *from = l->config->rename[i].from;
        if (strncmp(name, from, strlen(from)) == 0) {
            rename = &l->config->rename[i];
        }
    }
    *passed = rename != NULL && rename->to == NULL;
    *target = NOT_THERE;
    if (*passed) {
        return true;
    }
    char *renamed = NULL;
    if (rename != NULL) {
        const char *rest = name + strlen(rename->from);
        size_t bytes = strlen(rename->to) + strlen(rest) + 1;
        renamed = malloc(bytes);
        if (renamed == NULL) {
            return no_memory(l);
        }
        snprintf(renamed, bytes, "%s%s", rename->to, rest);
    }
    struct by_name key = { renamed != NULL ? renamed : name, 0 };
    const struct by_name *found =
        bsearch(&key, l->name, (size_t)l->names, sizeof *l->name, compare_names);
    if (found != NULL) {
        *target = found->index;
    }
    free(renamed);
    return true;
}

/* ---- what fits ------------------------------------------------------------------------------- */

/* The type that a tree's entry has, or will have. */
static ag_dtype dtype_of(const struct load *l, const nn_entry *e)
{
    if (l->allocated) {
        return ag_dtype_of_at(l->where, *e->slot);
    }
    return e->kind == NN_PARAMETER || e->dtype == AG_FLOAT32 ? l->dtype : e->dtype;
}

#define FORM_TEXT (AG_SHAPE_TEXT + 16)
static const char *form(ag_dtype dtype, ag_shape shape, char text[FORM_TEXT])
{
    char sizes[AG_SHAPE_TEXT];
    snprintf(text, FORM_TEXT, "%s %s", ag_dtype_name(dtype),
             ag_shape_format(shape, sizes, sizeof sizes));
    return text;
}

/* Leads the names of the source to those of the tree. False after raising. */
static bool match(struct load *l)
{
    for (int64_t i = 0; i < l->tree.entries; i++) {
        l->source[i] = NOT_THERE;
    }
    for (int64_t i = 0; i < l->count; i++) {
        ag_entry e = l->from.type->entry(l->from.object, i);
        bool passed;
        if (ag_error_code() != AG_OK || !find_target(l, e.name, &l->target[i], &passed)) {
            return false;
        }
        if (l->target[i] == NOT_THERE) {
            l->result.unexpected += passed ? 0 : 1;
            if (!passed && !tell(l, "unexpected: %s", e.name)) {
                return false;
            }
            continue;
        }
        int64_t *source = &l->source[l->target[i]];
        if (*source != NOT_THERE) {
            ag_error_raise(l->where, AG_ERROR_VALUE, "%s: \"%s\" and \"%s\" would both be loaded as \"%s\"",
                           function, l->from.type->entry(l->from.object, *source).name, e.name,
                           l->tree.entry[l->target[i]].name);
            return false;
        }
        *source = i;
        if (!l->allocated && l->tree.entry[l->target[i]].kind == NN_PARAMETER &&
            e.dtype == AG_FLOAT64) {
            l->dtype = AG_FLOAT64;
        }
    }
    return true;
}

/* Compares shapes and types of those that were matched. False after raising. */
static bool compare(struct load *l)
{
    for (int64_t k = 0; k < l->tree.entries; k++) {
        const nn_entry *to = &l->tree.entry[k];
        if (to->slot == NULL || l->source[k] < 0) {
            continue;
        }
        ag_entry e = l->from.type->entry(l->from.object, l->source[k]);
        ag_dtype dtype = dtype_of(l, to);
        bool fits = ag_shape_equal(e.shape, to->shape) &&
                    (l->config->round ? ag_dtype_converts(e.dtype, dtype)
                                      : ag_dtype_converts_exactly(e.dtype, dtype));
        if (!fits) {
            char there[FORM_TEXT], here[FORM_TEXT];
            l->source[k] = DOES_NOT_FIT;
            l->result.mismatched++;
            if (!tell(l, "%s: %s there, %s here", to->name, form(e.dtype, e.shape, there),
                      form(dtype, to->shape, here))) {
                return false;
            }
        }
    }
    return true;
}

/* Whether one of a tied tensor's names was found. */
static bool found_under_another_name(const struct load *l, int64_t k)
{
    for (int64_t i = 0; i < l->tree.entries; i++) {
        if (l->tree.entry[i].slot != NULL && l->tree.entry[i].first == l->tree.entry[k].first &&
            l->source[i] != NOT_THERE) {
            return true;
        }
    }
    return false;
}

static bool look_for_missing(struct load *l)
{
    for (int64_t k = 0; k < l->tree.entries; k++) {
        const nn_entry *e = &l->tree.entry[k];
        if (e->slot == NULL || l->source[k] != NOT_THERE || found_under_another_name(l, k)) {
            continue;
        }
        char here[FORM_TEXT];
        l->result.missing++;
        if (!tell(l, "missing: %s, %s", e->name, form(dtype_of(l, e), e->shape, here))) {
            return false;
        }
    }
    return true;
}

/* One error that lists as much as it can hold. */
static bool refuse(const struct load *l, const char *because)
{
    char list[640];
    snprintf(list, sizeof list, "%s", l->result.text);
    size_t used = strlen(list);
    if (l->used >= sizeof list) { /* only whole lines */
        while (used > 0 && list[used - 1] != '\n') {
            used--;
        }
    }
    int64_t lines = 0, all = l->result.missing + l->result.unexpected + l->result.mismatched;
    for (size_t i = 0; i < used; i++) {
        lines += list[i] == '\n';
    }
    list[used > 0 ? used - 1 : 0] = '\0';
    char text[sizeof list * 2], *out = text;
    for (const char *c = list; *c != '\0'; c++) {
        if (*c == '\n') {
            *out++ = ';';
            *out++ = ' ';
        } else {
            *out++ = *c;
        }
    }
    *out = '\0';
    char more[48] = "";
    if (lines < all) {
        snprintf(more, sizeof more, "; and %" PRId64 " more", all - lines);
    }
    const ag_entries_type *type = l->from.type;
    ag_error_raise(l->where, AG_ERROR_VALUE,
                   "%s: the %s%s%.150s does not fit %s%s, and nothing was changed: %s%s", function,
                   type->name, type->path != NULL ? " " : "", type->path != NULL ? type->path(l->from.object) : "",
                   l->tree.member[0].module->type->name, because, text, more);
    return false;
}

/* ---- copying --------------------------------------------------------------------------------- */

/* Whether the tree has all of its leaves or none. */
static bool look_for_leaves(struct load *l)
{
    bool none = false;
    for (int64_t i = 0; i < l->tree.entries; i++) {
        const nn_entry *e = &l->tree.entry[i];
        if (e->slot != NULL && ag_is_none(*e->slot)) {
            none = true;
        } else if (e->slot != NULL) {
            l->allocated = true;
        }
    }
    if (!l->allocated && !none) { /* no tensors at all */
        l->allocated = l->tree.member[0].module->initialised;
    }
    return !l->allocated || !none || nn_tree_complete(&l->tree); /* which says what is not initialised */
}

static bool prepare(const struct load *l)
{
    for (int64_t k = 0; k < l->tree.entries && l->from.type->prepare != NULL; k++) {
        if (l->tree.entry[k].slot != NULL && l->source[k] >= 0 &&
            !l->from.type->prepare(l->from.object, l->where, l->source[k])) {
            return false;
        }
    }
    return true;
}

/* What nn_init() does besides the numbers. */
static bool complete(struct load *l)
{
    if (l->allocated) {
        return true;
    }
    if (!nn_tree_allocate(&l->tree, l->dtype)) {
        return false;
    }
    ag_rng rng = ag_rng_seed(0);
    for (int64_t i = 0; i < l->tree.entries; i++) {
        if (l->tree.entry[i].kind == NN_GENERATOR && l->tree.entry[i].first == i) {
            *l->tree.entry[i].rng = ag_rng_split(&rng);
        }
    }
    nn_tree_set_initialised(&l->tree);
    return true;
}

static bool copy(struct load *l)
{
    for (int64_t k = 0; k < l->tree.entries; k++) {
        const nn_entry *e = &l->tree.entry[k];
        if (e->slot == NULL || l->source[k] < 0) {
            continue;
        }
        if (ag_shape_numel(e->shape) > 0) {
            void *numbers = ag_data_mut_at(l->where, *e->slot);
            if (numbers == NULL || !l->from.type->read(l->from.object, l->where, l->source[k],
                                                       dtype_of(l, e), numbers)) {
                return false;
            }
        }
        l->result.loaded++;
    }
    return true;
}

static bool load(struct load *l)
{
    if (!look_for_leaves(l)) {
        return false;
    }
    size_t room = (size_t)l->tree.entries + 1;
    l->name = calloc(room, sizeof *l->name);
    l->source = calloc(room, sizeof *l->source);
    l->target = calloc((size_t)l->count + 1, sizeof *l->target);
    if (l->name == NULL || l->source == NULL || l->target == NULL) {
        return no_memory(l);
    }
    sort_names(l);
    if (!match(l) || !compare(l) || !look_for_missing(l) || ag_error_code() != AG_OK) {
        return false;
    }
    const nn_load_result *r = &l->result;
    if (l->config->strict && r->missing + r->unexpected + r->mismatched > 0) {
        return refuse(l, "");
    }
    if (!l->allocated && r->missing + r->mismatched > 0) {
        return refuse(l, ", which has no numbers yet (nn_init() gives them)");
    }
    return prepare(l) && complete(l) && copy(l);
}

/* What is wrong with the arguments; NULL if nothing. */
static const char *argument_problem(const ag_entries *from, const nn_load_config *config)
{
    const ag_entries_type *type = from->type;
    if (config->made_by_defaults != NN_MADE_BY_DEFAULTS) {
        return "the config was not made by nn_load_defaults()";
    }
    if (type == NULL || type->size < sizeof(ag_entries_type) || type->count == NULL ||
        type->entry == NULL || type->read == NULL) {
        return "the source has no type with all of its functions";
    }
    if (from->object == NULL) {
        return "the source is NULL";
    }
    if (config->renames < 0 || (config->renames > 0 && config->rename == NULL)) {
        return "the renames are missing";
    }
    for (int i = 0; i < config->renames; i++) {
        if (config->rename[i].from == NULL) {
            return "a rename has no text to begin with";
        }
    }
    return NULL;
}

ag_error nn_load_state_dict_at(ag_place where, nn_module *m, ag_entries from, nn_load_config config,
                               nn_load_result *result)
{
    if (result != NULL) {
        *result = (nn_load_result){ 0 };
    }
    if (!nn_usable(where, function, m)) {
        return ag_error_code();
    }
    const char *problem = argument_problem(&from, &config);
    if (problem != NULL) {
        return ag_error_raise(where, AG_ERROR_VALUE, "%s: %s", function, problem);
    }
    ag_place before = ag_caller_set(where);
    struct load l = { .where = where, .from = from, .config = &config, .dtype = AG_FLOAT32 };
    l.count = from.type->count(from.object);
    l.result.text = calloc(1, 1);
    if (l.result.text == NULL) {
        no_memory(&l);
    } else if (nn_tree_build(&l.tree, where, function, m)) {
        load(&l);
    }
    nn_tree_free(&l.tree);
    free(l.name);
    free(l.source);
    free(l.target);
    if (result != NULL) {
        *result = l.result;
    } else {
        nn_load_result_free(&l.result);
    }
    ag_caller_set(before);
    return ag_error_code();
}
