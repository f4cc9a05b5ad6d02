/*
 * Snapshots: named values, found by name. They know neither objects nor files.
 */
#include "snapshot.h"

#include <stdlib.h>
#include <string.h>

static struct ag_state nil_state = { .failed = true }; /* stays empty */

ag_state *ag_state_nil(void)
{
    return &nil_state;
}

bool ag_state_is_nil(const ag_state *state)
{
    return state == NULL || state == &nil_state;
}

ag_state *ag_state_new(ag_place where)
{
    ag_state *state = calloc(1, sizeof(*state));
    if (state == NULL) {
        ag_error_raise(where, AG_ERROR_MEMORY, "ag_state: out of memory");
        return &nil_state;
    }
    return state;
}

void ag_state_free(ag_state *state)
{
    if (ag_state_is_nil(state)) {
        return;
    }
    for (int64_t i = 0; i < state->count; i++) {
        free(state->entry[i].name);
        free(state->entry[i].text);
        free(state->entry[i].owned);
    }
    free(state->entry);
    free(state->by_name);
    free(state);
}

static char *copy_text(const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = malloc(bytes);
    return copy == NULL ? NULL : memcpy(copy, text, bytes);
}

/* One more entry under a copied name; NULL after raising. */
static ag_state_entry *add_entry(ag_state *state, ag_place where, const char *name)
{
    if (state->count == state->capacity) {
        int64_t capacity = state->capacity == 0 ? 64 : 2 * state->capacity;
        ag_state_entry *grown = realloc(state->entry, (size_t)capacity * sizeof(*grown));
        if (grown == NULL) {
            goto no_memory;
        }
        state->entry = grown;
        state->capacity = capacity;
    }
    char *copy = copy_text(name);
    if (copy == NULL) {
        goto no_memory;
    }
    free(state->by_name);
    state->by_name = NULL;
    ag_state_entry *entry = &state->entry[state->count++];
    *entry = (ag_state_entry){ .name = copy };
    return entry;

no_memory:
    state->failed = true;
    ag_error_raise(where, AG_ERROR_MEMORY, "ag_state: out of memory for \"%s\"", name);
    return NULL;
}

bool ag_state_add_text(ag_state *state, ag_place where, const char *name, const char *text)
{
    ag_state_entry *entry = add_entry(state, where, name);
    if (entry == NULL) {
        return false;
    }
    entry->text = copy_text(text);
    if (entry->text == NULL) {
        state->failed = true;
        ag_error_raise(where, AG_ERROR_MEMORY, "ag_state: out of memory for \"%s\"", name);
        return false;
    }
    return true;
}

bool ag_state_add_numbers(ag_state *state, ag_place where, const char *name, ag_dtype dtype,
                          ag_shape shape, const void *data)
{
    ag_state_entry *entry = add_entry(state, where, name);
    if (entry == NULL) {
        return false;
    }
    entry->dtype = dtype;
    entry->shape = shape;
    entry->data = data;
    return true;
}

/* Sorts indices by the names that they stand for: a heap, because qsort() hands no context to its comparison. */
static void sift(const ag_state_entry *entry, int64_t *index, int64_t root, int64_t count)
{
    int64_t child;
    while ((child = 2 * root + 1) < count) {
        if (child + 1 < count &&
            strcmp(entry[index[child]].name, entry[index[child + 1]].name) < 0) {
            child++;
        }
        if (strcmp(entry[index[root]].name, entry[index[child]].name) >= 0) {
            return;
        }
        int64_t swap = index[root];
        index[root] = index[child];
        index[child] = swap;
        root = child;
    }
}

/* False without memory; then names are looked for one by one. */
static bool sort_by_name(ag_state *state)
{
    if (state->by_name != NULL || state->count == 0) {
        return true;
    }
    int64_t n = state->count, *index = malloc((size_t)n * sizeof(*index));
    if (index == NULL) {
        return false;
    }
    for (int64_t i = 0; i < n; i++) {
        index[i] = i;
    }
    for (int64_t root = n / 2 - 1; root >= 0; root--) {
        sift(state->entry, index, root, n);
    }
    for (int64_t last = n - 1; last > 0; last--) {
        int64_t swap = index[0];
        index[0] = index[last];
        index[last] = swap;
        sift(state->entry, index, 0, last);
    }
    state->by_name = index;
    return true;
}

ag_state_entry *ag_state_find(ag_state *state, const char *name)
{
    if (!sort_by_name(state)) {
        for (int64_t i = 0; i < state->count; i++) {
            if (strcmp(state->entry[i].name, name) == 0) {
                return &state->entry[i];
            }
        }
        return NULL;
    }
    int64_t low = 0, high = state->count;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        ag_state_entry *entry = &state->entry[state->by_name[middle]];
        int order = strcmp(entry->name, name);
        if (order == 0) {
            return entry;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

const char *ag_state_name_twice(ag_state *state)
{
    if (!sort_by_name(state)) {
        return NULL;
    }
    for (int64_t i = 1; i < state->count; i++) {
        const char *name = state->entry[state->by_name[i]].name;
        if (strcmp(state->entry[state->by_name[i - 1]].name, name) == 0) {
            return name;
        }
    }
    return NULL;
}
