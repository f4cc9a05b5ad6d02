/*
 * Collate functions: making and freeing them. What a loader does with one is in loader_fill.c.
 */
#include <stdlib.h>

#include "data/loader_internal.h"

static data_collate nil_collate;

bool data_collate_is_nil(const data_collate *collate)
{
    return collate == NULL || collate == &nil_collate;
}

static data_collate *collate_make(ag_place where, const char *function, data_collate like)
{
    data_collate *c = ag_error_code() == AG_OK ? malloc(sizeof *c) : NULL;
    if (c != NULL) {
        *c = like;
        return c;
    }
    if (ag_error_code() == AG_OK) {
        ag_error_raise(where, AG_ERROR_MEMORY, "%s: out of memory", function);
    }
    if (like.type.release != NULL) {
        like.type.release(like.state);
    }
    return &nil_collate;
}

data_collate *data_collate_pad_at(ag_place where, double x, double y)
{
    return collate_make(where, "data_collate_pad",
                        (data_collate){ .pads = true, .x_value = x, .y_value = y });
}

data_collate *data_collate_new_at(ag_place where, const data_collate_type *type, void *state)
{
    if (type == NULL || type->size != sizeof *type || type->form == NULL || type->fill == NULL) {
        ag_error_raise(where, AG_ERROR_VALUE,
                       "data_collate_new: the type needs size = sizeof(data_collate_type), and the "
                       "functions form and fill");
        return &nil_collate;
    }
    return collate_make(where, "data_collate_new", (data_collate){ .type = *type, .state = state });
}

void data_collate_free(data_collate *collate)
{
    if (data_collate_is_nil(collate)) {
        return;
    }
    if (collate->type.release != NULL) {
        collate->type.release(collate->state);
    }
    free(collate);
}
