/*
 * Datasets: counted holders, reading one sample, arrays, subsets. Knows nothing of files or batches.
 *
 * A set never changes once it is made, and its holders are counted atomically: any number of
 * threads may read and free.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/error_internal.h"
#include "data/internal.h"

static data_set nil_set;

data_set *data_set_nil(void)
{
    return &nil_set;
}

bool data_set_is_nil(const data_set *set)
{
    return set == NULL || set == &nil_set;
}

/* ---- making ---------------------------------------------------------------------------------- */

static bool dtype_known(ag_dtype dtype)
{
    return dtype == AG_FLOAT32 || dtype == AG_FLOAT64 || dtype == AG_INT64 || dtype == AG_UINT8;
}

/* Bytes of one sample; 0 after an error. A batch adds a dimension, so one must be left. */
static size_t sample_bytes(ag_place where, const char *function, const char *what, ag_shape shape,
                           ag_dtype dtype)
{
    if (!dtype_known(dtype)) {
        ag_error_raise(where, AG_ERROR_DTYPE, "%s: %s: %d is no element type", function, what,
                       (int)dtype);
        return 0;
    }
    if (shape.ndim < 0 || shape.ndim > AG_MAX_DIMS - 1) {
        ag_error_raise(where, AG_ERROR_SHAPE, "%s: %s: a sample has 0 to %d dimensions, not %d",
                       function, what, AG_MAX_DIMS - 1, shape.ndim);
        return 0;
    }
    int64_t numel = ag_shape_numel(shape), limit = (int64_t)(SIZE_MAX / 2 / ag_dtype_size(dtype));
    if (numel < 1 || numel > limit) {
        char text[AG_SHAPE_TEXT];
        ag_error_raise(where, AG_ERROR_SHAPE, "%s: %s: a sample cannot have the shape %s", function,
                       what, ag_shape_format(shape, text, sizeof text));
        return 0;
    }
    return (size_t)numel * ag_dtype_size(dtype);
}

static data_set *set_make(ag_place where, const char *function, const data_set_type *type,
                          void *state, int64_t n, ag_shape x_shape, ag_dtype x_dtype,
                          ag_shape y_shape, ag_dtype y_dtype)
{
    if (ag_error_code() != AG_OK) {
        return &nil_set;
    }
    if (n < 0) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: a set cannot have %" PRId64 " samples", function,
                       n);
        return &nil_set;
    }
    size_t x_bytes = sample_bytes(where, function, "inputs", x_shape, x_dtype);
    size_t y_bytes = x_bytes > 0 ? sample_bytes(where, function, "targets", y_shape, y_dtype) : 0;
    if (y_bytes == 0) {
        return &nil_set;
    }
    if ((type->x_length != NULL && x_shape.ndim == 0) ||
        (type->y_length != NULL && y_shape.ndim == 0)) {
        ag_error_raise(where, AG_ERROR_SHAPE,
                       "%s: samples of shape () cannot vary in length", function);
        return &nil_set;
    }
    data_set *set = malloc(sizeof *set);
    if (set == NULL) {
        ag_error_raise(where, AG_ERROR_MEMORY, "%s: out of memory", function);
        return &nil_set;
    }
    atomic_init(&set->holders, 1);
    set->type = *type;
    set->state = state;
    set->n = n;
    set->x_shape = x_shape;
    set->y_shape = y_shape;
    set->x_dtype = x_dtype;
    set->y_dtype = y_dtype;
    set->x_bytes = x_bytes;
    set->y_bytes = y_bytes;
    set->quick = set->augmented = false;
    set->info = NULL;
    set->x_varies = type->x_length != NULL;
    set->y_varies = type->y_length != NULL;
    return set;
}

data_set *data_set_make(ag_place where, const char *function, const data_set_type *type,
                        void *state, int64_t n, ag_shape x_shape, ag_dtype x_dtype,
                        ag_shape y_shape, ag_dtype y_dtype)
{
    data_set *set = set_make(where, function, type, state, n, x_shape, x_dtype, y_shape, y_dtype);
    if (set == &nil_set && type->release != NULL) {
        type->release(state);
    }
    return set;
}

data_set *data_set_new_at(ag_place where, const data_set_type *type, void *state, int64_t n,
                          ag_shape x_shape, ag_dtype x_dtype, ag_shape y_shape, ag_dtype y_dtype)
{
    /* Without a usable type there is no way to release the state; the caller still has it. */
    if (type == NULL || type->size != sizeof *type ||
        (type->read == NULL && type->read_epoch == NULL)) {
        ag_error_raise(
            where, AG_ERROR_VALUE,
            "data_set_new: the type needs size = sizeof(data_set_type) and a read function");
        return &nil_set;
    }
    ag_place before = ag_caller_set(where);
    data_set *set =
        data_set_make(where, "data_set_new", type, state, n, x_shape, x_dtype, y_shape, y_dtype);
    ag_caller_set(before);
    return set;
}

data_set *data_set_share(data_set *set)
{
    if (!data_set_is_nil(set)) {
        atomic_fetch_add_explicit(&set->holders, 1, memory_order_relaxed);
    }
    return set;
}

void data_set_free(data_set *set)
{
    if (data_set_is_nil(set)) {
        return;
    }
    /* The last holder must see everything that the others did with the set before they let go. */
    if (atomic_fetch_sub_explicit(&set->holders, 1, memory_order_acq_rel) == 1) {
        if (set->type.release != NULL) {
            set->type.release(set->state);
        }
        data_info_free(set->info);
        free(set);
    }
}

/* ---- asking ---------------------------------------------------------------------------------- */

int64_t data_set_size(const data_set *set)
{
    return data_set_is_nil(set) ? 0 : set->n;
}

ag_shape data_set_x_shape(const data_set *set)
{
    return set == NULL ? nil_set.x_shape : set->x_shape;
}

ag_shape data_set_y_shape(const data_set *set)
{
    return set == NULL ? nil_set.y_shape : set->y_shape;
}

ag_dtype data_set_x_dtype(const data_set *set)
{
    return set == NULL ? nil_set.x_dtype : set->x_dtype;
}

ag_dtype data_set_y_dtype(const data_set *set)
{
    return set == NULL ? nil_set.y_dtype : set->y_dtype;
}

static int64_t first_size(ag_shape shape)
{
    return shape.ndim > 0 ? shape.size[0] : 1;
}

int64_t data_set_x_length(const data_set *set, int64_t i)
{
    if (data_set_is_nil(set) || i < 0 || i >= set->n) {
        return 0;
    }
    return set->x_varies ? set->type.x_length(set->state, i) : first_size(set->x_shape);
}

int64_t data_set_y_length(const data_set *set, int64_t i)
{
    if (data_set_is_nil(set) || i < 0 || i >= set->n) {
        return 0;
    }
    return set->y_varies ? set->type.y_length(set->state, i) : first_size(set->y_shape);
}

/* One sample into x and y, neither NULL, i in range. While it runs, errors are captured: nobody can
 * clear them. */
ag_error data_set_copy(data_set *set, int64_t epoch, int64_t i, void *x, void *y)
{
    ag_error error = set->type.read_epoch != NULL ? set->type.read_epoch(set->state, epoch, i, x, y)
                                                  : set->type.read(set->state, i, x, y);
    /* A read function may raise and forget to return it, or return an error that it did not raise.
     */
    if (ag_error_code() != AG_OK) {
        return ag_error_code();
    }
    if (error != AG_OK) {
        return ag_error_raise(
            ag_caller(), error, "the set %s gave %s for sample %" PRId64 " without a message",
            set->type.name != NULL ? set->type.name : "without a name", ag_error_name(error), i);
    }
    return AG_OK;
}

ag_error data_set_copy_caught(data_set *set, int64_t epoch, int64_t i, void *x, void *y,
                              char message[DATA_MESSAGE])
{
    bool before = ag_error_capture(true);
    ag_error error = data_set_copy(set, epoch, i, x, y);
    ag_error_capture(before);
    if (error != AG_OK) {
        snprintf(message, DATA_MESSAGE, "%s", ag_error_message());
        ag_error_clear();
    }
    return error;
}

static ag_error read_sample(ag_place where, const char *function, data_set *set, int64_t epoch,
                            int64_t i, void *x, void *y)
{
    if (ag_error_code() != AG_OK) {
        return ag_error_code();
    }
    if (data_set_is_nil(set)) {
        return ag_error_raise(where, AG_ERROR_VALUE, "%s: there is no set", function);
    }
    if (i < 0 || i >= set->n) {
        return ag_error_raise(where, AG_ERROR_INDEX, "%s: sample %" PRId64 " of a set of %" PRId64,
                              function, i, set->n);
    }
    if (epoch < 0) {
        return ag_error_raise(where, AG_ERROR_INDEX, "%s: there is no epoch %" PRId64, function,
                              epoch);
    }
    /* Read functions always get both places; what the caller does not want goes here. */
    void *unwanted = NULL;
    if (x == NULL || y == NULL) {
        unwanted = malloc((x == NULL ? set->x_bytes : 0) + (y == NULL ? set->y_bytes : 0));
        if (unwanted == NULL) {
            return ag_error_raise(where, AG_ERROR_MEMORY, "%s: out of memory", function);
        }
    }
    char *y_unwanted = x == NULL ? (char *)unwanted + set->x_bytes : unwanted;
    if (x != NULL && set->x_varies) {
        memset(x, 0, set->x_bytes);
    }
    if (y != NULL && set->y_varies) {
        memset(y, 0, set->y_bytes);
    }
    ag_place before = ag_caller_set(where);
    char message[DATA_MESSAGE];
    ag_error error = data_set_copy_caught(set, epoch, i, x != NULL ? x : unwanted,
                                          y != NULL ? y : (void *)y_unwanted, message);
    ag_caller_set(before);
    free(unwanted);
    return error != AG_OK ? ag_error_hand_over(error, message) : AG_OK;
}

ag_error data_set_read_at(ag_place where, data_set *set, int64_t i, void *x, void *y)
{
    return read_sample(where, "data_set_read", set, 0, i, x, y);
}

ag_error data_set_read_epoch_at(ag_place where, data_set *set, int64_t epoch, int64_t i, void *x,
                                void *y)
{
    return read_sample(where, "data_set_read_epoch", set, epoch, i, x, y);
}

static ag_shape stacked(int64_t n, ag_shape sample)
{
    ag_shape shape = { .ndim = sample.ndim + 1, .size = { n } };
    memcpy(shape.size + 1, sample.size, (size_t)sample.ndim * sizeof sample.size[0]);
    return shape;
}

ag_error data_set_tensors_at(ag_place where, data_set *set, ag_tensor *x, ag_tensor *y)
{
    ag_tensor xs = AG_NIL, ys = AG_NIL;
    *x = *y = AG_NIL;
    if (ag_error_code() != AG_OK) {
        return ag_error_code();
    }
    if (data_set_is_nil(set) || set->n == 0) {
        return ag_error_raise(where, AG_ERROR_VALUE, "data_set_tensors: %s",
                              data_set_is_nil(set) ? "there is no set" : "the set has no samples");
    }
    for (int64_t i = 0; i < set->n && (set->x_varies || set->y_varies); i++) {
        if (data_set_x_length(set, i) != first_size(set->x_shape) ||
            data_set_y_length(set, i) != first_size(set->y_shape)) {
            return ag_error_raise(where, AG_ERROR_SHAPE,
                                  "data_set_tensors: sample %" PRId64
                                  " is shorter than others: a loader with data_collate_pad() "
                                  "makes batches of such samples",
                                  i);
        }
    }
    xs = ag_leaf_at(where, stacked(set->n, set->x_shape), set->x_dtype, false);
    ys = ag_leaf_at(where, stacked(set->n, set->y_shape), set->y_dtype, false);
    char *x_data = ag_data_mut_at(where, xs), *y_data = ag_data_mut_at(where, ys);
    for (int64_t i = 0; i < set->n && ag_error_code() == AG_OK; i++) {
        read_sample(where, "data_set_tensors", set, 0, i, x_data + (size_t)i * set->x_bytes,
                    y_data + (size_t)i * set->y_bytes);
    }
    if (ag_error_code() != AG_OK) {
        ag_drop(&xs);
        ag_drop(&ys);
        return ag_error_code();
    }
    *x = xs;
    *y = ys;
    return AG_OK;
}

int64_t *data_set_labels(ag_place where, const char *function, data_set *set)
{
    if (ag_shape_numel(set->y_shape) != 1 || set->y_varies ||
        (set->y_dtype != AG_INT64 && set->y_dtype != AG_UINT8)) {
        char text[AG_SHAPE_TEXT];
        ag_error_raise(
            where, AG_ERROR_VALUE,
            "%s: classes are one whole number a sample; these targets are %s of shape %s", function,
            ag_dtype_name(set->y_dtype), ag_shape_format(set->y_shape, text, sizeof text));
        return NULL;
    }
    int64_t *labels = malloc(((size_t)set->n + 1) * sizeof *labels);
    void *x = malloc(set->x_bytes);
    ag_error error = AG_OK;
    if (labels == NULL || x == NULL) {
        error = ag_error_raise(where, AG_ERROR_MEMORY,
                               "%s: out of memory for the labels of %" PRId64 " samples", function,
                               set->n);
    }
    for (int64_t i = 0; i < set->n && error == AG_OK; i++) {
        uint8_t byte = 0;
        bool bytes = set->y_dtype == AG_UINT8;
        error = read_sample(where, function, set, 0, i, x, bytes ? (void *)&byte : &labels[i]);
        labels[i] = bytes ? byte : labels[i];
    }
    free(x);
    if (error != AG_OK) {
        free(labels);
        return NULL;
    }
    return labels;
}

const char *data_set_x_name(const data_set *set, int64_t j)
{
    bool named = !data_set_is_nil(set) && set->info != NULL && j >= 0 && j < set->info->x_names;
    return named ? set->info->x_name[j] : "";
}

int64_t data_set_classes(const data_set *set)
{
    return data_set_is_nil(set) || set->info == NULL ? 0 : set->info->classes;
}

const char *data_set_class_name(const data_set *set, int64_t label)
{
    bool named = label >= 0 && label < data_set_classes(set) && set->info->class_name != NULL;
    return named ? set->info->class_name[label] : "";
}

/* ---- arrays ---------------------------------------------------------------------------------- */

struct arrays {
    size_t x_bytes, y_bytes;
    char *x, *y;
};

static ag_error arrays_read(void *state, int64_t i, void *x, void *y)
{
    struct arrays *self = state;
    memcpy(x, self->x + (size_t)i * self->x_bytes, self->x_bytes);
    memcpy(y, self->y + (size_t)i * self->y_bytes, self->y_bytes);
    return AG_OK;
}

static void arrays_release(void *state)
{
    struct arrays *self = state;
    free(self->x);
    free(self->y);
    free(self);
}

static const data_set_type arrays_type = {
    .size = sizeof(data_set_type), .name = "arrays", .read = arrays_read, .release = arrays_release
};

/* The index of the first NaN, -1 if there is none. */
static int64_t find_nan(const void *data, ag_dtype dtype, int64_t count)
{
    if (dtype == AG_FLOAT32) {
        const float *a = data;
        for (int64_t i = 0; i < count; i++) {
            if (a[i] != a[i]) {
                return i;
            }
        }
    } else if (dtype == AG_FLOAT64) {
        const double *a = data;
        for (int64_t i = 0; i < count; i++) {
            if (a[i] != a[i]) {
                return i;
            }
        }
    }
    return -1;
}

/* A copy of n samples, checked; NULL after an error. */
static char *copy_samples(ag_place where, const char *what, int64_t n, const void *data,
                          size_t bytes, ag_dtype dtype)
{
    if (data == NULL && n > 0) {
        ag_error_raise(where, AG_ERROR_VALUE, "data_arrays: %s: the array is NULL", what);
        return NULL;
    }
    if (n > (int64_t)(SIZE_MAX / 2 / bytes)) {
        ag_error_raise(where, AG_ERROR_MEMORY,
                       "data_arrays: %s: %" PRId64 " samples of %zu bytes are too many", what, n,
                       bytes);
        return NULL;
    }
    int64_t each = (int64_t)(bytes / ag_dtype_size(dtype));
    int64_t nan = find_nan(data, dtype, n * each);
    if (nan >= 0) {
        ag_error_raise(where, AG_ERROR_VALUE,
                       "data_arrays: %s: sample %" PRId64 ", element %" PRId64 " is NaN", what,
                       nan / each, nan % each);
        return NULL;
    }
    char *copy = malloc(n > 0 ? (size_t)n * bytes : 1);
    if (copy == NULL) {
        ag_error_raise(where, AG_ERROR_MEMORY,
                       "data_arrays: %s: out of memory for %" PRId64 " samples", what, n);
        return NULL;
    }
    if (n > 0) {
        memcpy(copy, data, (size_t)n * bytes);
    }
    return copy;
}

data_set *data_arrays_take(ag_place where, const char *function, int64_t n, void *x,
                           ag_shape x_shape, ag_dtype x_dtype, void *y, ag_shape y_shape,
                           ag_dtype y_dtype)
{
    struct arrays *self = malloc(sizeof *self);
    if (self == NULL) {
        free(x);
        free(y);
        ag_error_raise(where, AG_ERROR_MEMORY, "%s: out of memory", function);
        return &nil_set;
    }
    *self = (struct arrays){ .x = x, .y = y };
    data_set *set =
        data_set_make(where, function, &arrays_type, self, n, x_shape, x_dtype, y_shape, y_dtype);
    if (set != &nil_set) {
        set->quick = true;
        self->x_bytes = set->x_bytes;
        self->y_bytes = set->y_bytes;
    }
    return set;
}

data_set *data_arrays_at(ag_place where, int64_t n, const void *x, ag_shape x_shape,
                         ag_dtype x_dtype, const void *y, ag_shape y_shape, ag_dtype y_dtype)
{
    if (ag_error_code() != AG_OK) {
        return &nil_set;
    }
    struct arrays *self = calloc(1, sizeof *self);
    if (self == NULL) {
        ag_error_raise(where, AG_ERROR_MEMORY, "data_arrays: out of memory");
        return &nil_set;
    }
    data_set *set = data_set_make(where, "data_arrays", &arrays_type, self, n, x_shape, x_dtype,
                                  y_shape, y_dtype);
    if (set == &nil_set) {
        return set;
    }
    set->quick = true;
    self->x_bytes = set->x_bytes;
    self->y_bytes = set->y_bytes;
    self->x = copy_samples(where, "inputs", n, x, set->x_bytes, x_dtype);
    self->y = self->x != NULL ? copy_samples(where, "targets", n, y, set->y_bytes, y_dtype) : NULL;
    if (self->y == NULL) {
        data_set_free(set);
        return &nil_set;
    }
    return set;
}

/* ---- subsets ------------------------------------------------------------------------------- */

struct subset {
    data_set *of;
    int64_t *indices;
};

static ag_error subset_read(void *state, int64_t epoch, int64_t i, void *x, void *y)
{
    struct subset *self = state;
    return data_set_copy(self->of, epoch, self->indices[i], x, y);
}

static int64_t subset_x_length(void *state, int64_t i)
{
    struct subset *self = state;
    return data_set_x_length(self->of, self->indices[i]);
}

static int64_t subset_y_length(void *state, int64_t i)
{
    struct subset *self = state;
    return data_set_y_length(self->of, self->indices[i]);
}

static void subset_release(void *state)
{
    struct subset *self = state;
    data_set_free(self->of);
    free(self->indices);
    free(self);
}

static const data_set_type subset_type = { .size = sizeof(data_set_type),
                                           .name = "subset",
                                           .release = subset_release,
                                           .read_epoch = subset_read };

data_set *data_subset_make(ag_place where, const char *function, data_set *set, int64_t n,
                           const int64_t *indices)
{
    struct subset *self = malloc(sizeof *self);
    int64_t *copy = (uint64_t)n <= SIZE_MAX / sizeof *copy
                        ? malloc(n > 0 ? (size_t)n * sizeof *copy : 1)
                        : NULL;
    if (self == NULL || copy == NULL) {
        free(self);
        free(copy);
        ag_error_raise(where, AG_ERROR_MEMORY, "%s: out of memory for %" PRId64 " indices",
                       function, n);
        return &nil_set;
    }
    if (n > 0) {
        memcpy(copy, indices, (size_t)n * sizeof *copy);
    }
    self->of = data_set_share(set);
    self->indices = copy;
    data_set_type type = subset_type;
    type.x_length = set->x_varies ? subset_x_length : NULL;
    type.y_length = set->y_varies ? subset_y_length : NULL;
    data_set *part = data_set_make(where, function, &type, self, n, set->x_shape, set->x_dtype,
                                   set->y_shape, set->y_dtype);
    if (!data_set_is_nil(part)) {
        part->quick = set->quick;
        part->augmented = set->augmented;
        part->info = data_info_share(set->info);
    }
    return part;
}

data_set *data_subset_at(ag_place where, data_set *set, int64_t n, const int64_t *indices)
{
    if (ag_error_code() != AG_OK) {
        return &nil_set;
    }
    if (data_set_is_nil(set)) {
        ag_error_raise(where, AG_ERROR_VALUE, "data_subset: there is no set");
        return &nil_set;
    }
    if (n < 0 || (indices == NULL && n > 0)) {
        ag_error_raise(where, AG_ERROR_VALUE, "data_subset: %" PRId64 " indices%s", n,
                       indices == NULL ? ", and the array is NULL" : "");
        return &nil_set;
    }
    for (int64_t i = 0; i < n; i++) {
        if (indices[i] < 0 || indices[i] >= set->n) {
            ag_error_raise(where, AG_ERROR_INDEX,
                           "data_subset: index %" PRId64 " is %" PRId64 ", but the set has %" PRId64
                           " samples",
                           i, indices[i], set->n);
            return &nil_set;
        }
    }
    return data_subset_make(where, "data_subset", set, n, indices);
}
