/*
 * What functions composed of operations look at before they apply any, so that a mistake is named after the function that was
 * called. Internal to ops/.
 */
#ifndef WENGERT_OPS_LOOK_H
#define WENGERT_OPS_LOOK_H

#include "../internal.h"

/* The tensor's header; NULL if it cannot be read, or if there is an error already. */
static inline const ag_value *look(ag_place where, const char *function, ag_tensor x)
{
    return ag_error_code() != AG_OK ? NULL : ag_resolve(where, function, x);
}

/* Replaces a negative dimension by its number; false after raising. A scalar counts as having one dimension if `scalar`. */
static inline bool look_dim(ag_place where, const char *function, const ag_value *v, int *dim, bool scalar)
{
    char text[AG_SHAPE_TEXT];
    int n = v->ndim == 0 && scalar ? 1 : v->ndim;
    if (*dim < -n || *dim >= n) {
        ag_error_raise(where, AG_ERROR_INDEX, "%s: dimension %d is out of range for %s", function, *dim,
                       ag_shape_format(ag_value_shape_of(v), text, sizeof(text)));
        return false;
    }
    *dim += *dim < 0 ? n : 0;
    return true;
}

/* The shape as text, in a buffer of AG_SHAPE_TEXT bytes. */
static inline const char *look_text(const ag_value *v, char *text)
{
    return ag_shape_format(ag_value_shape_of(v), text, AG_SHAPE_TEXT);
}

#endif
