/*
 * Sequences: sets whose samples vary in length, from arrays. Knows nothing of batches.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "data/internal.h"

struct side {
    size_t step; /* bytes of one step, or of a sample that does not vary */
    char *data;
    int64_t *begin; /* of sample i, in steps; n + 1 of them. NULL: each has one */
};

struct sequences {
    struct side x, y;
};

static void side_copy(const struct side *side, int64_t i, void *to)
{
    size_t begin = side->begin != NULL ? (size_t)side->begin[i] : (size_t)i;
    size_t steps = side->begin != NULL ? (size_t)(side->begin[i + 1] - side->begin[i]) : 1;
    memcpy(to, side->data + begin * side->step, steps * side->step);
}

static ag_error sequences_read(void *state, int64_t i, void *x, void *y)
{
    struct sequences *self = state;
    side_copy(&self->x, i, x);
    side_copy(&self->y, i, y);
    return AG_OK;
}

static int64_t sequences_x_length(void *state, int64_t i)
{
    const struct sequences *self = state;
    return self->x.begin[i + 1] - self->x.begin[i];
}

static int64_t sequences_y_length(void *state, int64_t i)
{
    const struct sequences *self = state;
    return self->y.begin[i + 1] - self->y.begin[i];
}

static void sequences_release(void *state)
{
    struct sequences *self = state;
    free(self->x.data);
    free(self->x.begin);
    free(self->y.data);
    free(self->y.begin);
    free(self);
}

static const data_set_type sequences_type = { .size = sizeof(data_set_type),
                                              .name = "sequences",
                                              .read = sequences_read,
                                              .release = sequences_release };

/* The first NaN among `count` numbers; -1 if there is none. */
static int64_t find_nan(const void *data, ag_dtype dtype, int64_t count)
{
    for (int64_t i = 0; i < count && ag_dtype_is_float(dtype); i++) {
        double v =
            dtype == AG_FLOAT32 ? (double)((const float *)data)[i] : ((const double *)data)[i];
        if (v != v) {
            return i;
        }
    }
    return -1;
}

/* Copies one side; *sample is the shape of the longest sample. False after an error. */
static bool side_make(ag_place where, const char *what, int64_t n, const data_values *values,
                      struct side *side, ag_shape *sample)
{
    const char *function = "data_sequences";
    int64_t total = n, longest = 1, each = ag_shape_numel(values->shape);
    bool varies = values->lengths != NULL;
    int most = AG_MAX_DIMS - (varies ? 2 : 1);
    bool known = values->dtype == AG_FLOAT32 || values->dtype == AG_FLOAT64 ||
                 values->dtype == AG_INT64 || values->dtype == AG_UINT8;
    if (!known || values->shape.ndim < 0 || values->shape.ndim > most || each < 1) {
        char text[AG_SHAPE_TEXT];
        ag_error_raise(where, known ? AG_ERROR_SHAPE : AG_ERROR_DTYPE,
                       "%s: %s: a step or sample cannot have type %d and shape %s", function, what,
                       (int)values->dtype, ag_shape_format(values->shape, text, sizeof text));
        return false;
    }
    int64_t limit = (int64_t)(SIZE_MAX / 4 / ag_dtype_size(values->dtype)) / each;
    side->step = (size_t)each * ag_dtype_size(values->dtype);
    side->begin = varies && n < limit ? calloc((size_t)n + 1, sizeof *side->begin) : NULL;
    for (int64_t i = 0; side->begin != NULL && i < n; i++) {
        int64_t length = values->lengths[i];
        if (length < 1 || length > limit - side->begin[i]) {
            ag_error_raise(where, AG_ERROR_VALUE,
                           "%s: %s: the length of sample %" PRId64 " cannot be %" PRId64, function,
                           what, i, length);
            return false;
        }
        side->begin[i + 1] = side->begin[i] + length;
        longest = length > longest ? length : longest;
    }
    total = side->begin != NULL ? side->begin[n] : n;
    side->data = n <= limit ? malloc((size_t)total * side->step + 1) : NULL;
    if (side->data == NULL || (varies && side->begin == NULL)) {
        ag_error_raise(where, AG_ERROR_MEMORY, "%s: %s: out of memory for %" PRId64 " samples",
                       function, what, n);
        return false;
    }
    if (values->data == NULL && n > 0) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: %s: the array is NULL", function, what);
        return false;
    }
    int64_t nan = find_nan(values->data, values->dtype, total * each);
    if (nan >= 0) {
        int64_t step = nan / each, i = side->begin == NULL ? step : 0;
        while (side->begin != NULL && side->begin[i + 1] <= step) {
            i++;
        }
        int64_t first = side->begin != NULL ? side->begin[i] : i;
        ag_error_raise(where, AG_ERROR_VALUE,
                       "%s: %s: sample %" PRId64 ", element %" PRId64 " is NaN", function, what, i,
                       nan - first * each);
        return false;
    }
    if (n > 0) {
        memcpy(side->data, values->data, (size_t)total * side->step);
    }
    *sample = values->shape;
    if (varies) {
        sample->ndim++;
        memmove(sample->size + 1, values->shape.size,
                (size_t)values->shape.ndim * sizeof sample->size[0]);
        sample->size[0] = longest;
    }
    return true;
}

data_set *data_sequences_at(ag_place where, int64_t n, data_values x, data_values y)
{
    if (ag_error_code() != AG_OK) {
        return data_set_nil();
    }
    if (n < 0) {
        ag_error_raise(where, AG_ERROR_VALUE,
                       "data_sequences: a set cannot have %" PRId64 " samples", n);
        return data_set_nil();
    }
    struct sequences *self = calloc(1, sizeof *self);
    if (self == NULL) {
        ag_error_raise(where, AG_ERROR_MEMORY, "data_sequences: out of memory");
        return data_set_nil();
    }
    ag_shape x_shape, y_shape;
    if (!side_make(where, "inputs", n, &x, &self->x, &x_shape) ||
        !side_make(where, "targets", n, &y, &self->y, &y_shape)) {
        sequences_release(self);
        return data_set_nil();
    }
    data_set_type type = sequences_type;
    type.x_length = x.lengths != NULL ? sequences_x_length : NULL;
    type.y_length = y.lengths != NULL ? sequences_y_length : NULL;
    data_set *set =
        data_set_make(where, "data_sequences", &type, self, n, x_shape, x.dtype, y_shape, y.dtype);
    if (!data_set_is_nil(set)) {
        set->quick = true;
    }
    return set;
}
