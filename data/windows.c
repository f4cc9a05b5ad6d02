/*
 * Windows of a run of tokens, with the tokens that follow as targets. Knows nothing of what the tokens stand for.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "data/internal.h"

struct windows {
    int64_t length, stride;
    int64_t tokens[];
};

static ag_error windows_read(void *state, int64_t i, void *x, void *y)
{
    const struct windows *self = state;
    const int64_t *begin = self->tokens + i * self->stride;
    memcpy(x, begin, (size_t)self->length * sizeof *begin);
    memcpy(y, begin + 1, (size_t)self->length * sizeof *begin);
    return AG_OK;
}

static const data_set_type windows_type = {
    .size = sizeof(data_set_type),
    .name = "windows",
    .read = windows_read,
    .release = free,
};

data_set *data_windows_at(ag_place where, int64_t n, const int64_t *tokens, int64_t length, int64_t stride)
{
    const char *function = "data_windows";
    if (ag_error_code() != AG_OK) {
        return data_set_nil();
    }
    if (length < 1 || stride < 1) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: the length is %" PRId64 " and the stride %" PRId64 "; both must be 1 or more",
                       function, length, stride);
        return data_set_nil();
    }
    if (n <= length) {
        ag_error_raise(where, AG_ERROR_VALUE,
                       "%s: %" PRId64 " tokens hold no window of %" PRId64 " and the token after it: %" PRId64 " are needed",
                       function, n, length, length + 1);
        return data_set_nil();
    }
    if (tokens == NULL) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: the tokens are NULL", function);
        return data_set_nil();
    }
    bool fits = (uint64_t)n < SIZE_MAX / 2 / sizeof *tokens;
    struct windows *self = fits ? malloc(sizeof *self + (size_t)n * sizeof *tokens) : NULL;
    if (self == NULL) {
        ag_error_raise(where, AG_ERROR_MEMORY, "%s: out of memory for %" PRId64 " tokens", function, n);
        return data_set_nil();
    }
    self->length = length;
    self->stride = stride;
    memcpy(self->tokens, tokens, (size_t)n * sizeof *tokens);
    data_set *set = data_set_make(where, function, &windows_type, self, (n - 1 - length) / stride + 1, AG_SHAPE(length), AG_INT64,
                                  AG_SHAPE(length), AG_INT64);
    if (!data_set_is_nil(set)) {
        set->quick = true;
    }
    return set;
}
