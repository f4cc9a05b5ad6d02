/*
 * Shapes and element types, plain values. Shapes are PyTorch's (images N, C, H, W); a shape has 0 to 8 dimensions.
 */
#ifndef WENGERT_AUTOGRAD_SHAPE_H
#define WENGERT_AUTOGRAD_SHAPE_H

#include <stddef.h>
#include <stdint.h>

#include "compiler.h"
#include "error.h"

AG_EXTERN_C_BEGIN

#define AG_MAX_DIMS 8

/* Element types. There is no silent promotion between floating types: casts are explicit (ag_cast). */
typedef enum ag_dtype {
    AG_FLOAT32,
    AG_FLOAT64,
    AG_INT64,
    AG_UINT8
} ag_dtype;

AG_API size_t ag_dtype_size(ag_dtype dtype);      /* bytes of one element */
AG_API const char *ag_dtype_name(ag_dtype dtype); /* "float32", "float64", "int64", "uint8" */
static inline bool ag_dtype_is_float(ag_dtype dtype)
{
    return dtype == AG_FLOAT32 || dtype == AG_FLOAT64;
}

/* The lengths of the dimensions, outermost first. ndim 0 is a scalar. */
typedef struct ag_shape {
    int ndim;
    int64_t size[AG_MAX_DIMS];
} ag_shape;

/* A list of dimensions (axes); negative ones count from the end. */
typedef struct ag_dims {
    int count;
    int dim[AG_MAX_DIMS];
} ag_dims;

#define AG_END INT64_MIN /* ends the argument list of AG_SHAPE and AG_DIMS */

/* What AG_SHAPE(…) and AG_DIMS(…) call: a shape, or a list of dimensions, of the arguments before AG_END. */
AG_API ag_shape ag_shape_from(int64_t a, int64_t b, int64_t c, int64_t d, int64_t e, int64_t f, int64_t g, int64_t h,
                              int64_t too_many);
AG_API ag_dims ag_dims_from(int64_t a, int64_t b, int64_t c, int64_t d, int64_t e, int64_t f, int64_t g, int64_t h,
                            int64_t too_many);
/* A shape from an array of `ndim` lengths. One with more than 8 dimensions, as from AG_SHAPE with more than 8 lengths, can be
 * passed around; every function that makes a tensor refuses it. */
AG_API ag_shape ag_shape_make(int ndim, const int64_t *size);

/* AG_SHAPE(2, 3) is the shape (2,3); AG_SHAPE_SCALAR the shape (). AG_DIMS(0, -1) is a list of dimensions. */
#define AG_FIRST9_(f, a, b, c, d, e, g, h, i, j, ...) f(a, b, c, d, e, g, h, i, j)
#define AG_SHAPE(...)                                                                                              \
    AG_FIRST9_(ag_shape_from, __VA_ARGS__, AG_END, AG_END, AG_END, AG_END, AG_END, AG_END, AG_END, AG_END, AG_END)
#define AG_DIMS(...)                                                                                               \
    AG_FIRST9_(ag_dims_from, __VA_ARGS__, AG_END, AG_END, AG_END, AG_END, AG_END, AG_END, AG_END, AG_END, AG_END)
#define AG_SHAPE_SCALAR ag_shape_make(0, NULL)

/* The number of elements: the product of the lengths, 1 for a scalar. -1 if it does not fit int64 or a length is
 * negative. */
AG_API int64_t ag_shape_numel(ag_shape shape);
AG_API bool ag_shape_equal(ag_shape a, ag_shape b);

/* Writes "(2,3)" (a scalar: "()") into text, always ending it; returns text. */
#define AG_SHAPE_TEXT 192
AG_API char *ag_shape_format(ag_shape shape, char *text, size_t bytes);

/* The broadcast of two shapes by NumPy's rule into *out; false if they do not fit. */
AG_API bool ag_shape_broadcast(ag_shape a, ag_shape b, ag_shape *out);

AG_EXTERN_C_END

#endif
