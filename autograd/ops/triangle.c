/*
 * Triangles and diagonals of matrices.
 */
#include <string.h>

#include "../samples.h"
#include "look.h"
#include "ops.h"

/* ---- tril, triu ------------------------------------------------------------------------------------------------------------------
 * y[i][j] = x[i][j] where j <= i + diagonal (tril) or j >= i + diagonal (triu), else 0
 * dx = dy, likewise */

struct triangle {
    int64_t diagonal;
};

static bool triangle_shape(ag_call *call)
{
    const ag_array *x = ag_call_input(call, 0);
    if (x->ndim < 2) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "needs two dimensions or more, got %s", ag_call_shape_text(call, 0));
    }
    return ag_call_output(call, 0, x->dtype, ag_call_shape(call, 0));
}

static bool triangle(ag_call *call, bool upper)
{
    const struct triangle *p = ag_call_params(call);
    const ag_array *y = ag_call_result(call, 0);
    ag_array_copy(*y, *ag_call_input(call, 0));
    int64_t m = y->size[y->ndim - 2], n = y->size[y->ndim - 1], matrices = m * n == 0 ? 0 : y->numel / (m * n);
    size_t item = ag_dtype_size(y->dtype);
    /* Far outside, all diagonals are alike. */
    int64_t k = p->diagonal > n ? n : p->diagonal < -m ? -m : p->diagonal;
    for (int64_t row = 0; row < matrices * m; row++) {
        int64_t edge = row % m + k + (upper ? 0 : 1); /* the first column that is kept, or that is not */
        edge = edge < 0 ? 0 : edge > n ? n : edge;
        char *at = (char *)y->data + (size_t)(row * n) * item;
        if (upper) {
            memset(at, 0, (size_t)edge * item);
        } else {
            memset(at + (size_t)edge * item, 0, (size_t)(n - edge) * item);
        }
    }
    return true;
}

static bool tril_forward(ag_call *call)
{
    return triangle(call, false);
}

static bool triu_forward(ag_call *call)
{
    return triangle(call, true);
}

static void tril_backward(ag_sweep *s)
{
    const struct triangle *p = ag_sweep_params(s);
    ag_sweep_add(s, 0, ag_tril(ag_sweep_grad(s, 0), p->diagonal));
}

static void triu_backward(ag_sweep *s)
{
    const struct triangle *p = ag_sweep_params(s);
    ag_sweep_add(s, 0, ag_triu(ag_sweep_grad(s, 0), p->diagonal));
}

AG_OP(tril){.size = sizeof(struct ag_op), .name = "tril", .formula = "y = x where j <= i + k, else 0",
            .derivative = "dx = dy where j <= i + k, else 0", .inputs = 1, .outputs = 1, .params = sizeof(struct triangle),
            .orders = AG_ORDERS_ANY, .shape = triangle_shape, .forward = tril_forward, .backward = tril_backward};
AG_OP(triu){.size = sizeof(struct ag_op), .name = "triu", .formula = "y = x where j >= i + k, else 0",
            .derivative = "dx = dy where j >= i + k, else 0", .inputs = 1, .outputs = 1, .params = sizeof(struct triangle),
            .orders = AG_ORDERS_ANY, .shape = triangle_shape, .forward = triu_forward, .backward = triu_backward};

ag_tensor ag_tril_at(ag_place where, ag_tensor x, int64_t diagonal)
{
    struct triangle p = {diagonal};
    return ag_apply(where, &op_tril, 1, &x, &p, NULL);
}

ag_tensor ag_triu_at(ag_place where, ag_tensor x, int64_t diagonal)
{
    struct triangle p = {diagonal};
    return ag_apply(where, &op_triu, 1, &x, &p, NULL);
}

#ifdef WENGERT_SAMPLES
#define TRIANGLE_SAMPLES(op)                                                               \
    AG_SAMPLES(op)                                                                         \
    {                                                                                      \
        SAMPLE("torch." #op "(a)") {                                                       \
            sample_result(s, ag_##op(sample_float(s, "a", AG_SHAPE(4, 3)), 0));            \
        }                                                                                  \
        SAMPLE("torch." #op "(a, 1)") {                                                    \
            sample_result(s, ag_##op(sample_float(s, "a", AG_SHAPE(2, 3, 4)), 1));         \
        }                                                                                  \
        SAMPLE("torch." #op "(a, -2) * a") {                                               \
            ag_tensor a = sample_float(s, "a", AG_SHAPE(4, 3));                            \
            sample_result(s, ag_mul(ag_##op(a, -2), a));                                   \
        }                                                                                  \
        SAMPLE("torch." #op "(a, 9) + torch." #op "(a, -9)") {                             \
            ag_tensor a = sample_float(s, "a", AG_SHAPE(2, 3));                            \
            sample_result(s, ag_add(ag_##op(a, INT64_MAX), ag_##op(a, INT64_MIN)));        \
        }                                                                                  \
        SAMPLE("torch." #op "(a)  # nothing") {                                            \
            sample_result(s, ag_##op(sample_float(s, "a", AG_SHAPE(2, 0)), 0));            \
        }                                                                                  \
        REFUSES("ag_" #op ": needs two dimensions or more, got (3)") {                     \
            ag_##op(sample_float(s, "a", AG_SHAPE(3)), 0);                                 \
        }                                                                                  \
    }
TRIANGLE_SAMPLES(tril)
TRIANGLE_SAMPLES(triu)
#endif

/* ---- diagonal --------------------------------------------------------------------------------------------------------------------
 * y[…, k] = x[…, k, …, k + offset, …]: a view, with the diagonal as the last dimension
 * dx = dy on the diagonal, 0 elsewhere */

struct diagonal {
    int64_t offset;
    int dim1, dim2;
    ag_shape shape; /* of x, for the way back */
};

/* The view of a diagonal: shape, strides, offset in elements. */
static int64_t diagonal_view(const struct diagonal *p, const int64_t *size, const int64_t *stride, int ndim, ag_shape *view,
                             int64_t *view_stride)
{
    int64_t m = size[p->dim1], n = size[p->dim2], k = p->offset;
    int64_t rows = k < 0 ? (k < -m ? 0 : m + k) : m, columns = k > 0 ? (k > n ? 0 : n - k) : n;
    int64_t length = rows < columns ? rows : columns;
    view->ndim = 0;
    for (int d = 0; d < ndim; d++) {
        if (d != p->dim1 && d != p->dim2) {
            view_stride[view->ndim] = stride[d];
            view->size[view->ndim++] = size[d];
        }
    }
    view_stride[view->ndim] = stride[p->dim1] + stride[p->dim2];
    view->size[view->ndim++] = length;
    return length == 0 ? 0 : k >= 0 ? k * stride[p->dim2] : -k * stride[p->dim1];
}

static bool diagonal_shape(ag_call *call)
{
    const struct diagonal *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, 0);
    ag_shape view;
    int64_t stride[AG_MAX_DIMS], offset = diagonal_view(p, x->size, x->stride, x->ndim, &view, stride);
    return ag_call_view(call, view, stride, offset);
}

static ag_tensor diagonal_place(ag_tensor g, struct diagonal p);

static void diagonal_backward(ag_sweep *s)
{
    ag_sweep_add(s, 0, diagonal_place(ag_sweep_grad(s, 0), *(const struct diagonal *)ag_sweep_params(s)));
}

AG_OP(diagonal){.size = sizeof(struct ag_op), .name = "diagonal", .formula = "y[k] = x[k][k + offset]",
                .derivative = "dx[k][k + offset] = dy[k], else 0", .inputs = 1, .outputs = 1, .params = sizeof(struct diagonal),
                .orders = AG_ORDERS_ANY, .view = true, .shape = diagonal_shape, .backward = diagonal_backward};

ag_tensor ag_diagonal_at(ag_place where, ag_tensor x, int64_t offset, int dim1, int dim2)
{
    const ag_value *v = look(where, "ag_diagonal", x);
    if (v == NULL || !look_dim(where, "ag_diagonal", v, &dim1, false) || !look_dim(where, "ag_diagonal", v, &dim2, false)) {
        return AG_NIL;
    }
    if (dim1 == dim2) {
        ag_error_raise(where, AG_ERROR_INDEX, "ag_diagonal: dimension %d is named twice", dim1);
        return AG_NIL;
    }
    struct diagonal p = {offset, dim1, dim2, ag_value_shape_of(v)};
    return ag_apply(where, &op_diagonal, 1, &x, &p, NULL);
}

static bool diagonal_place_shape(ag_call *call)
{
    const struct diagonal *p = ag_call_params(call);
    static const int64_t any[AG_MAX_DIMS];
    ag_shape view;
    int64_t stride[AG_MAX_DIMS];
    char text[AG_SHAPE_TEXT];
    diagonal_view(p, p->shape.size, any, p->shape.ndim, &view, stride);
    if (!ag_shape_equal(view, ag_call_shape(call, 0))) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "the diagonal is %s and must be %s", ag_call_shape_text(call, 0),
                            ag_shape_format(view, text, sizeof(text)));
    }
    return ag_call_output(call, 0, ag_call_input(call, 0)->dtype, p->shape);
}

static bool diagonal_place_forward(ag_call *call)
{
    const struct diagonal *p = ag_call_params(call);
    const ag_array *y = ag_call_result(call, 0), *g = ag_call_input(call, 0);
    ag_shape view;
    int64_t stride[AG_MAX_DIMS], offset = diagonal_view(p, y->size, y->stride, y->ndim, &view, stride);
    memset(y->data, 0, (size_t)y->numel * ag_dtype_size(y->dtype));
    if (g->numel > 0) {
        ag_array part = {(char *)y->data + offset * (int64_t)ag_dtype_size(y->dtype), y->dtype, view.ndim, g->numel, view.size,
                         stride};
        ag_array_copy(part, *g);
    }
    return true;
}

static void diagonal_place_backward(ag_sweep *s)
{
    ag_tensor dy = ag_sweep_grad(s, 0);
    ag_sweep_add(s, 0, ag_apply(AG_HERE, &op_diagonal, 1, &dy, ag_sweep_params(s), NULL));
}

/* y = zeros, y[k][k + offset] = g[k];  dg[k] = dy[k][k + offset] */
AG_OP(diagonal_place){.size = sizeof(struct ag_op), .name = "diagonal_place", .formula = "y[k][k + offset] = g[k], else 0",
                      .derivative = "dg[k] = dy[k][k + offset]", .inputs = 1, .outputs = 1, .params = sizeof(struct diagonal),
                      .orders = AG_ORDERS_ANY, .shape = diagonal_place_shape, .forward = diagonal_place_forward,
                      .backward = diagonal_place_backward};

static ag_tensor diagonal_place(ag_tensor g, struct diagonal p)
{
    return ag_apply(AG_HERE, &op_diagonal_place, 1, &g, &p, NULL);
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(diagonal)
{
    SAMPLE("torch.diagonal(a)") {
        sample_result(s, ag_diagonal(sample_float(s, "a", AG_SHAPE(3, 4)), 0, 0, 1));
    }
    SAMPLE("torch.diagonal(a, 1, -1, 0) ** 2") {
        sample_result(s, ag_square(ag_diagonal(sample_float(s, "a", AG_SHAPE(3, 2, 4)), 1, -1, 0)));
    }
    SAMPLE("torch.diagonal(a, -2)") {
        sample_result(s, ag_diagonal(sample_float(s, "a", AG_SHAPE(4, 3)), -2, 0, 1));
    }
    SAMPLE("torch.diagonal(a, 7)  # nothing") {
        sample_result(s, ag_diagonal(sample_float(s, "a", AG_SHAPE(3, 4)), INT64_MAX, 0, 1));
    }
    REFUSES("ag_diagonal: dimension 1 is named twice") {
        ag_diagonal(sample_float(s, "a", AG_SHAPE(3, 4)), 0, 1, -1);
    }
    REFUSES("ag_diagonal: dimension 1 is out of range for (3)") {
        ag_diagonal(sample_float(s, "a", AG_SHAPE(3)), 0, 0, 1);
    }
}
AG_SAMPLES(diagonal_place)
{
    SAMPLE("torch.diag_embed(a, 1)") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(2, 3));
        sample_result(s, diagonal_place(a, (struct diagonal){1, 1, 2, AG_SHAPE(2, 4, 4)}));
    }
    SAMPLE("torch.diag_embed(a)") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(0));
        sample_result(s, diagonal_place(a, (struct diagonal){0, 0, 1, AG_SHAPE(0, 0)}));
    }
    REFUSES("ag_diagonal_place: the diagonal is (4) and must be (3)") {
        diagonal_place(sample_float(s, "a", AG_SHAPE(4)), (struct diagonal){0, 0, 1, AG_SHAPE(3, 4)});
    }
}
#endif
