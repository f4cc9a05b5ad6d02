/*
 * Shapes by value, and the one place where their arithmetic is checked for overflow.
 */
#include <stdio.h>
#include <string.h>

#include "shape.h"

size_t ag_dtype_size(ag_dtype dtype)
{
    switch (dtype) {
    case AG_FLOAT32:
        return 4;
    case AG_FLOAT64:
    case AG_INT64:
        return 8;
    case AG_UINT8:
        return 1;
    }
    return 0;
}

const char *ag_dtype_name(ag_dtype dtype)
{
    switch (dtype) {
    case AG_FLOAT32:
        return "float32";
    case AG_FLOAT64:
        return "float64";
    case AG_INT64:
        return "int64";
    case AG_UINT8:
        return "uint8";
    }
    return "unknown type";
}

/* ndim 9 marks a list that was too long; every function that takes a shape refuses it. */
ag_shape ag_shape_from(int64_t a, int64_t b, int64_t c, int64_t d, int64_t e, int64_t f, int64_t g, int64_t h,
                       int64_t too_many)
{
    const int64_t given[AG_MAX_DIMS + 1] = {a, b, c, d, e, f, g, h, too_many};
    ag_shape shape = {0};
    while (shape.ndim <= AG_MAX_DIMS && given[shape.ndim] != AG_END) {
        if (shape.ndim < AG_MAX_DIMS) {
            shape.size[shape.ndim] = given[shape.ndim];
        }
        shape.ndim++;
    }
    return shape;
}

ag_dims ag_dims_from(int64_t a, int64_t b, int64_t c, int64_t d, int64_t e, int64_t f, int64_t g, int64_t h,
                     int64_t too_many)
{
    const int64_t given[AG_MAX_DIMS + 1] = {a, b, c, d, e, f, g, h, too_many};
    ag_dims dims = {0};
    while (dims.count <= AG_MAX_DIMS && given[dims.count] != AG_END) {
        if (dims.count < AG_MAX_DIMS) {
            int64_t dim = given[dims.count];
            dims.dim[dims.count] = dim < -100 || dim > 100 ? 100 : (int)dim;
        }
        dims.count++;
    }
    return dims;
}

ag_shape ag_shape_make(int ndim, const int64_t *size)
{
    ag_shape shape = {0};
    if (ndim < 0 || ndim > AG_MAX_DIMS) {
        shape.ndim = AG_MAX_DIMS + 1;
        return shape;
    }
    shape.ndim = ndim;
    for (int d = 0; d < ndim; d++) {
        shape.size[d] = size[d];
    }
    return shape;
}

int64_t ag_shape_numel(ag_shape shape)
{
    if (shape.ndim < 0 || shape.ndim > AG_MAX_DIMS) {
        return -1;
    }
    int64_t n = 1;
    bool zero = false;
    for (int d = 0; d < shape.ndim; d++) {
        if (shape.size[d] < 0) {
            return -1;
        }
        zero = zero || shape.size[d] == 0;
    }
    if (zero) {
        return 0;
    }
    for (int d = 0; d < shape.ndim; d++) {
        if (n > INT64_MAX / 16 / shape.size[d]) { /* 16: bytes of the widest element must fit, too */
            return -1;
        }
        n *= shape.size[d];
    }
    return n;
}

bool ag_shape_equal(ag_shape a, ag_shape b)
{
    if (a.ndim != b.ndim) {
        return false;
    }
    for (int d = 0; d < a.ndim && d < AG_MAX_DIMS; d++) {
        if (a.size[d] != b.size[d]) {
            return false;
        }
    }
    return true;
}

char *ag_shape_format(ag_shape shape, char *text, size_t bytes)
{
    size_t used = 0;
    if (bytes == 0) {
        return text;
    }
    text[0] = '\0';
    for (int d = 0; d <= shape.ndim && d <= AG_MAX_DIMS; d++) {
        int length;
        if (d == shape.ndim) {
            length = snprintf(text + used, bytes - used, d == 0 ? "()" : ")");
        } else if (d == AG_MAX_DIMS) {
            length = snprintf(text + used, bytes - used, ",…)");
        } else {
            length = snprintf(text + used, bytes - used, "%s%lld", d == 0 ? "(" : ",", (long long)shape.size[d]);
        }
        if (length < 0 || (size_t)length >= bytes - used) {
            return text;
        }
        used += (size_t)length;
    }
    return text;
}

bool ag_shape_broadcast(ag_shape a, ag_shape b, ag_shape *out)
{
    if (a.ndim > AG_MAX_DIMS || b.ndim > AG_MAX_DIMS) {
        return false;
    }
    ag_shape result = {0};
    result.ndim = a.ndim > b.ndim ? a.ndim : b.ndim;
    for (int i = 1; i <= result.ndim; i++) { /* aligned at the last dimension */
        int64_t m = i <= a.ndim ? a.size[a.ndim - i] : 1;
        int64_t n = i <= b.ndim ? b.size[b.ndim - i] : 1;
        if (m != n && m != 1 && n != 1) {
            return false;
        }
        result.size[result.ndim - i] = m == 1 ? n : m;
    }
    *out = result;
    return true;
}
