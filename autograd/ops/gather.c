/*
 * Elements chosen by an index along one dimension, and written to such places. gather and scatter_add are each other's
 * derivative.
 */
#include <string.h>

#include "../kernels/index.h"
#include "../samples.h"
#include "common.h"
#include "look.h"
#include "ops.h"

struct along {
    int dim;
    double value; /* of scatter with a number */
};

/* Checks dim, the index's type and that its lengths do not exceed `x`'s except along dim; `y` (a source) must be as long. */
static bool index_fits(ag_call *call, int index_at, const ag_array *y, int *dim)
{
    const ag_array *x = ag_call_input(call, 0), *index = ag_call_input(call, index_at);
    char tx[AG_SHAPE_TEXT], ti[AG_SHAPE_TEXT], ty[AG_SHAPE_TEXT];
    if (!ops_need_dim(call, x, dim)) {
        return false;
    }
    if (index->dtype != AG_INT64) {
        return ag_call_fail(call, AG_ERROR_DTYPE, "the index must be int64, got %s", ag_dtype_name(index->dtype));
    }
    bool good = index->ndim == x->ndim && (y == NULL || y->ndim == x->ndim);
    for (int d = 0; good && d < x->ndim; d++) {
        good = d == *dim || index->size[d] <= x->size[d];
        good = good && (y == NULL || index->size[d] <= y->size[d]);
    }
    if (!good && index->numel > 0) {
        return y == NULL ? ag_call_fail(call, AG_ERROR_SHAPE, "index %s does not fit %s along dimension %d", ops_text(index, ti),
                                        ops_text(x, tx), *dim)
                         : ag_call_fail(call, AG_ERROR_SHAPE, "index %s does not fit %s and source %s along dimension %d",
                                        ops_text(index, ti), ops_text(x, tx), ops_text(y, ty), *dim);
    }
    if (y != NULL && y->dtype != x->dtype) {
        return ops_need_same_dtype(call, x, y);
    }
    return true;
}

static bool entries_ok(ag_call *call, const ag_array *index, int64_t n)
{
    int64_t found, at = k_index_outside(index, n, &found);
    return at < 0 || ag_call_fail(call, AG_ERROR_INDEX, "index %lld at position %lld is outside 0..%lld", (long long)found,
                                  (long long)at, (long long)n - 1);
}

static int64_t length(const ag_array *x, int dim)
{
    return x->ndim == 0 ? 1 : x->size[dim];
}

static int dim_of(ag_call *call)
{
    const struct along *p = ag_call_params(call);
    int ndim = ag_call_input(call, 0)->ndim;
    return p->dim < 0 ? p->dim + (ndim > 0 ? ndim : 1) : p->dim;
}

/* ---- gather ----------------------------------------------------------------------------------------------------------------------
 * y[i][j] = x[index[i][j]][j]  (dim 0)
 * dx[index[i][j]][j] += dy[i][j] */

static bool gather_shape(ag_call *call)
{
    int dim = ((const struct along *)ag_call_params(call))->dim;
    return index_fits(call, 1, NULL, &dim) && ag_call_output(call, 0, ag_call_input(call, 0)->dtype, ag_call_shape(call, 1));
}

static bool gather_forward(ag_call *call)
{
    const ag_array *x = ag_call_input(call, 0), *index = ag_call_input(call, 1);
    int dim = dim_of(call);
    if (!entries_ok(call, index, length(x, dim))) {
        return false;
    }
    k_gather(ag_call_threads(call), x, index, ag_call_result(call, 0), dim);
    return true;
}

static void gather_backward(ag_sweep *s)
{
    const struct along *p = ag_sweep_params(s);
    ag_tensor zeros = ag_zeros(ag_sweep_shape(s, 0), ag_sweep_dtype(s, 0));
    ag_sweep_add(s, 0, ag_scatter_add(zeros, p->dim, ag_sweep_input(s, 1), ag_sweep_grad(s, 0)));
}

AG_OP(gather){.size = sizeof(struct ag_op), .name = "gather", .formula = "y[i][j] = x[index[i][j]][j]",
              .derivative = "dx[index[i][j]][j] += dy[i][j]", .inputs = 2, .outputs = 1, .saves = AG_SAVE_INPUT(1),
              .params = sizeof(struct along), .orders = AG_ORDERS_ANY, .shape = gather_shape, .forward = gather_forward,
              .backward = gather_backward};

ag_tensor ag_gather_at(ag_place where, ag_tensor x, int dim, ag_tensor index)
{
    ag_tensor in[2] = {x, index};
    struct along p = {dim, 0};
    return ag_apply(where, &op_gather, 2, in, &p, NULL);
}

/* x and index broadcast to one shape, except along dim. */
ag_tensor ag_take_along_dim_at(ag_place where, ag_tensor x, ag_tensor index, int dim)
{
    const ag_value *v = look(where, "ag_take_along_dim", x), *i = look(where, "ag_take_along_dim", index);
    char a[AG_SHAPE_TEXT], b[AG_SHAPE_TEXT];
    if (v == NULL || i == NULL || !look_dim(where, "ag_take_along_dim", v, &dim, false)) {
        return AG_NIL;
    }
    ag_shape sx = ag_value_shape_of(v), si = ag_value_shape_of(i), joint;
    int64_t nx = sx.size[dim], ni = i->ndim == v->ndim ? si.size[dim] : 0;
    if (i->ndim == v->ndim) {
        sx.size[dim] = si.size[dim] = 1;
    }
    if (i->ndim != v->ndim || i->dtype != AG_INT64 || !ag_shape_broadcast(sx, si, &joint)) {
        ag_error_raise(where, AG_ERROR_SHAPE, "ag_take_along_dim: index %s %s does not fit %s along dimension %d",
                       ag_dtype_name((ag_dtype)i->dtype), look_text(i, b), look_text(v, a), dim);
        return AG_NIL;
    }
    ag_frame frame = ag_frame_begin();
    joint.size[dim] = nx;
    x = ag_expand_at(where, x, joint);
    joint.size[dim] = ni;
    index = ag_expand_at(where, index, joint);
    return ag_frame_end(frame, ag_gather_at(where, x, dim, index));
}

/* ---- scatter_add -----------------------------------------------------------------------------------------------------------------
 * y = x, y[index[i][j]][j] += source[i][j]  (dim 0)
 * dx = dy,  dsource[i][j] = dy[index[i][j]][j] */

static bool scatter_shape(ag_call *call)
{
    int dim = ((const struct along *)ag_call_params(call))->dim;
    return index_fits(call, 1, ag_call_input(call, 2), &dim) &&
           ag_call_output(call, 0, ag_call_input(call, 0)->dtype, ag_call_shape(call, 0));
}

static bool scattered(ag_call *call, void (*kernel)(const ag_array *, const ag_array *, const ag_array *, int))
{
    const ag_array *x = ag_call_input(call, 0), *index = ag_call_input(call, 1), *y = ag_call_result(call, 0);
    int dim = dim_of(call);
    if (!entries_ok(call, index, length(x, dim))) {
        return false;
    }
    ag_array_copy(*y, *x);
    if (index->numel > 0) {
        kernel(y, index, ag_call_input(call, 2), dim);
    }
    return true;
}

static bool scatter_add_forward(ag_call *call)
{
    return scattered(call, k_scatter_add);
}

/* dy at the index, and zeros where the source is longer than it. */
static ag_tensor source_gradient(ag_sweep *s, const struct along *p)
{
    static const int64_t start[AG_MAX_DIMS], step[AG_MAX_DIMS] = {1, 1, 1, 1, 1, 1, 1, 1};
    ag_shape source = ag_sweep_shape(s, 2);
    ag_tensor index = ag_sweep_input(s, 1), g = AG_NONE;
    if (ag_numel(index) > 0) {
        g = ag_gather(ag_sweep_grad(s, 0), p->dim, index);
        return ag_shape_equal(ag_shape_of(g), source) ? g : ag_region_place(source, start, step, g);
    }
    return ag_zeros(source, ag_sweep_dtype(s, 2));
}

static void scatter_add_backward(ag_sweep *s)
{
    ag_sweep_add(s, 0, ag_sweep_grad(s, 0));
    if (ag_sweep_wants(s, 2)) {
        ag_sweep_add(s, 2, source_gradient(s, ag_sweep_params(s)));
    }
}

AG_OP(scatter_add){.size = sizeof(struct ag_op), .name = "scatter_add", .formula = "y = x, y[index[i][j]][j] += b[i][j]",
                   .derivative = "dx = dy, db[i][j] = dy[index[i][j]][j]", .inputs = 3, .outputs = 1, .saves = AG_SAVE_INPUT(1),
                   .params = sizeof(struct along), .orders = AG_ORDERS_ANY, .shape = scatter_shape,
                   .forward = scatter_add_forward, .backward = scatter_add_backward};

ag_tensor ag_scatter_add_at(ag_place where, ag_tensor x, int dim, ag_tensor index, ag_tensor source)
{
    ag_tensor in[3] = {x, index, source};
    struct along p = {dim, 0};
    return ag_apply(where, &op_scatter_add, 3, in, &p, NULL);
}

/* ---- scatter, scatter_value ----------------------------------------------------------------------------------------------------------
 * y = x, y[index[i][j]][j] = source[i][j] (or c)
 * dx = dy with zeros there,  dsource[i][j] = dy[index[i][j]][j] */

static bool scatter_forward(ag_call *call)
{
    return scattered(call, k_scatter);
}

static void scatter_backward(ag_sweep *s)
{
    const struct along *p = ag_sweep_params(s);
    if (ag_sweep_wants(s, 0)) {
        ag_sweep_add(s, 0, ag_scatter_value(ag_sweep_grad(s, 0), p->dim, ag_sweep_input(s, 1), 0));
    }
    if (ag_sweep_wants(s, 2)) {
        ag_sweep_add(s, 2, source_gradient(s, p));
    }
}

AG_OP(scatter){.size = sizeof(struct ag_op), .name = "scatter", .formula = "y = x, y[index[i][j]][j] = b[i][j]",
               .derivative = "dx = dy with zeros there, db[i][j] = dy[index[i][j]][j]", .inputs = 3, .outputs = 1,
               .saves = AG_SAVE_INPUT(1), .params = sizeof(struct along), .orders = AG_ORDERS_ANY, .shape = scatter_shape,
               .forward = scatter_forward, .backward = scatter_backward};

ag_tensor ag_scatter_at(ag_place where, ag_tensor x, int dim, ag_tensor index, ag_tensor source)
{
    ag_tensor in[3] = {x, index, source};
    struct along p = {dim, 0};
    return ag_apply(where, &op_scatter, 3, in, &p, NULL);
}

static bool scatter_value_shape(ag_call *call)
{
    int dim = ((const struct along *)ag_call_params(call))->dim;
    return index_fits(call, 1, NULL, &dim) && ag_call_output(call, 0, ag_call_input(call, 0)->dtype, ag_call_shape(call, 0));
}

static bool scatter_value_forward(ag_call *call)
{
    const struct along *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, 0), *index = ag_call_input(call, 1), *y = ag_call_result(call, 0);
    static const int64_t nowhere[AG_MAX_DIMS];
    int dim = dim_of(call);
    if (!entries_ok(call, index, length(x, dim))) {
        return false;
    }
    double number[1];
    ag_array one = {number, x->dtype, 0, 1, nowhere, nowhere}, source = {number, x->dtype, index->ndim, index->numel,
                                                                        index->size, nowhere};
    ag_array_fill(one, p->value);
    ag_array_copy(*y, *x);
    if (index->numel > 0) {
        k_scatter(y, index, &source, dim);
    }
    return true;
}

static void scatter_value_backward(ag_sweep *s)
{
    const struct along *p = ag_sweep_params(s);
    ag_sweep_add(s, 0, ag_scatter_value(ag_sweep_grad(s, 0), p->dim, ag_sweep_input(s, 1), 0));
}

AG_OP(scatter_value){.size = sizeof(struct ag_op), .name = "scatter_value", .formula = "y = x, y[index[i][j]][j] = c",
                     .derivative = "dx = dy with zeros there", .inputs = 2, .outputs = 1, .saves = AG_SAVE_INPUT(1),
                     .params = sizeof(struct along), .orders = AG_ORDERS_ANY, .chosen = true, .shape = scatter_value_shape,
                     .forward = scatter_value_forward, .backward = scatter_value_backward};

ag_tensor ag_scatter_value_at(ag_place where, ag_tensor x, int dim, ag_tensor index, double value)
{
    ag_tensor in[2] = {x, index};
    struct along p = {dim, value};
    return ag_apply(where, &op_scatter_value, 2, in, &p, NULL);
}

ag_tensor ag_index_add_at(ag_place where, ag_tensor x, int dim, ag_tensor index, ag_tensor source)
{
    const ag_value *v = look(where, "ag_index_add", x), *i = look(where, "ag_index_add", index);
    const ag_value *y = look(where, "ag_index_add", source);
    char a[AG_SHAPE_TEXT], b[AG_SHAPE_TEXT], c[AG_SHAPE_TEXT];
    if (v == NULL || i == NULL || y == NULL || !look_dim(where, "ag_index_add", v, &dim, true)) {
        return AG_NIL;
    }
    ag_shape wanted = ag_value_shape_of(v), rows = {.ndim = v->ndim};
    bool good = i->ndim == 1 && i->dtype == AG_INT64 && v->ndim > 0;
    if (good) {
        wanted.size[dim] = i->numel;
        good = ag_shape_equal(wanted, ag_value_shape_of(y));
    }
    if (!good) {
        ag_error_raise(where, AG_ERROR_SHAPE, "ag_index_add: index %s %s and source %s do not fit %s along dimension %d",
                       ag_dtype_name((ag_dtype)i->dtype), look_text(i, b), look_text(y, c), look_text(v, a), dim);
        return AG_NIL;
    }
    for (int d = 0; d < v->ndim; d++) {
        rows.size[d] = d == dim ? i->numel : 1;
    }
    ag_frame frame = ag_frame_begin();
    index = ag_expand_at(where, ag_reshape_at(where, index, rows), wanted);
    return ag_frame_end(frame, ag_scatter_add_at(where, x, dim, index, source));
}

/* ---- one_hot ------------------------------------------------------------------------------------------------------------------------
 * y[…, k] = 1 where k = label, else 0 */

struct one_hot_params {
    int64_t classes;
    ag_dtype dtype;
};

static bool one_hot_shape(ag_call *call)
{
    const struct one_hot_params *p = ag_call_params(call);
    const ag_array *label = ag_call_input(call, 0);
    ag_shape shape = ag_call_shape(call, 0);
    if (label->dtype != AG_INT64) {
        return ag_call_fail(call, AG_ERROR_DTYPE, "labels must be int64, got %s", ag_dtype_name(label->dtype));
    }
    if (p->classes < 1) {
        return ag_call_fail(call, AG_ERROR_VALUE, "%lld classes", (long long)p->classes);
    }
    if (shape.ndim == AG_MAX_DIMS) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "labels %s have no room for another dimension", ag_call_shape_text(call, 0));
    }
    shape.size[shape.ndim++] = p->classes;
    return ag_call_output(call, 0, p->dtype, shape);
}

static bool one_hot_forward(ag_call *call)
{
    const struct one_hot_params *p = ag_call_params(call);
    const ag_array *label = ag_call_input(call, 0), *y = ag_call_result(call, 0);
    if (!entries_ok(call, label, p->classes)) {
        return false;
    }
    const int64_t *labels = ops_row_major(call, label);
    if (labels == NULL) {
        return false;
    }
    memset(y->data, 0, (size_t)y->numel * ag_dtype_size(y->dtype));
    for (int64_t i = 0; i < label->numel; i++) {
        int64_t at = i * p->classes + labels[i];
        switch (y->dtype) {
        case AG_FLOAT32:
            ((float *)y->data)[at] = 1;
            break;
        case AG_FLOAT64:
            ((double *)y->data)[at] = 1;
            break;
        case AG_INT64:
            ((int64_t *)y->data)[at] = 1;
            break;
        case AG_UINT8:
            ((uint8_t *)y->data)[at] = 1;
            break;
        }
    }
    return true;
}

AG_OP(one_hot){.size = sizeof(struct ag_op), .name = "one_hot", .formula = "y[k] = [k = label]", .inputs = 1, .outputs = 1,
               .params = sizeof(struct one_hot_params), .shape = one_hot_shape, .forward = one_hot_forward};

ag_tensor ag_one_hot_at(ag_place where, ag_tensor labels, int64_t classes, ag_dtype dtype)
{
    struct one_hot_params p = {classes, dtype};
    return ag_apply(where, &op_one_hot, 1, &labels, &p, NULL);
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(gather)
{
    SAMPLE("torch.gather(a, 0, k)") {
        sample_result(s, ag_gather(sample_float(s, "a", AG_SHAPE(3, 4)), 0, sample_int(s, "k", AG_SHAPE(5, 2), 0, 3)));
    }
    SAMPLE("torch.gather(a, 1, k) ** 2") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3, 4, 2));
        sample_result(s, ag_square(ag_gather(a, -2, sample_int(s, "k", AG_SHAPE(2, 6, 2), 0, 4))));
    }
    SAMPLE("torch.gather(a, 2, k)") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(2, 1, 4));
        sample_result(s, ag_gather(a, 2, sample_int(s, "k", AG_SHAPE(2, 1, 3), 0, 4)));
    }
    SAMPLE("torch.gather(a, 0, k)  # one number") {
        sample_result(s, ag_gather(sample_float(s, "a", AG_SHAPE_SCALAR), 0, sample_int(s, "k", AG_SHAPE_SCALAR, 0, 1)));
    }
    SAMPLE("torch.gather(a, 0, k)  # nothing") {
        sample_result(s, ag_gather(sample_float(s, "a", AG_SHAPE(3, 4)), 0, sample_int(s, "k", AG_SHAPE(0, 4), 0, 3)));
    }
    SAMPLE("torch.take_along_dim(a, k, 1)") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(1, 4, 2));
        sample_result(s, ag_take_along_dim(a, sample_int(s, "k", AG_SHAPE(3, 2, 1), 0, 4), 1));
    }
    REFUSES("ag_gather: index (4,4) does not fit (3,4) along dimension 1") {
        ag_gather(sample_float(s, "a", AG_SHAPE(3, 4)), 1, sample_int(s, "k", AG_SHAPE(4, 4), 0, 3));
    }
    REFUSES("ag_gather: index 5 at position 0 is outside 0..2") {
        ag_gather(sample_float(s, "a", AG_SHAPE(3, 4)), 0, sample_int(s, "k", AG_SHAPE(1, 1), 5, 6));
    }
    REFUSES("ag_gather: index -1 at position 0 is outside 0..2") {
        ag_gather(sample_float(s, "a", AG_SHAPE(3, 4)), 0, sample_int(s, "k", AG_SHAPE(1, 1), -1, 0));
    }
    REFUSES("ag_gather: the index must be int64, got uint8") {
        ag_gather(sample_float(s, "a", AG_SHAPE(3, 4)), 0, sample_mask(s, "m", AG_SHAPE(3, 4)));
    }
    REFUSES("ag_gather: dimension 2 is out of range for (3,4)") {
        ag_gather(sample_float(s, "a", AG_SHAPE(3, 4)), 2, sample_int(s, "k", AG_SHAPE(3, 4), 0, 3));
    }
    REFUSES("ag_take_along_dim: index int64 (2) does not fit (3,4) along dimension 1") {
        ag_take_along_dim(sample_float(s, "a", AG_SHAPE(3, 4)), sample_int(s, "k", AG_SHAPE(2), 0, 3), 1);
    }
}
AG_SAMPLES(scatter_add)
{
    SAMPLE("torch.scatter_add(a, 0, k, b)") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3, 4)), b = sample_float(s, "b", AG_SHAPE(5, 3));
        sample_result(s, ag_scatter_add(a, 0, sample_int(s, "k", AG_SHAPE(5, 3), 0, 3), b));
    }
    SAMPLE("torch.scatter_add(a, 1, k, b[:2, :5]) ** 2") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3, 4)), b = sample_float(s, "b", AG_SHAPE(3, 6));
        ag_tensor k = sample_int(s, "k", AG_SHAPE(2, 5), 0, 4);
        sample_result(s, ag_mul(ag_scatter_add(a, 1, k, b), ag_scatter_add(a, -1, k, b)));
    }
    SAMPLE("torch.scatter_add(a, 0, k, b[:0])") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3, 4)), b = sample_float(s, "b", AG_SHAPE(2, 4));
        sample_result(s, ag_scatter_add(a, 0, sample_int(s, "k", AG_SHAPE(0, 4), 0, 3), b));
    }
    SAMPLE("torch.index_add(a, 1, k, b)") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3, 4)), b = sample_float(s, "b", AG_SHAPE(3, 5));
        sample_result(s, ag_index_add(a, 1, sample_int(s, "k", AG_SHAPE(5), 0, 4), b));
    }
    REFUSES("ag_scatter_add: index (5,3) does not fit (3,4) and source (4,3) along dimension 0") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3, 4)), b = sample_float(s, "b", AG_SHAPE(4, 3));
        ag_scatter_add(a, 0, sample_int(s, "k", AG_SHAPE(5, 3), 0, 3), b);
    }
    REFUSES("ag_scatter_add: index 3 at position 0 is outside 0..2") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3, 4)), b = sample_float(s, "b", AG_SHAPE(2, 2));
        ag_scatter_add(a, 0, sample_int(s, "k", AG_SHAPE(2, 2), 3, 4), b);
    }
    REFUSES("ag_index_add: index int64 (4) and source (3,5) do not fit (3,4) along dimension 1") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3, 4)), b = sample_float(s, "b", AG_SHAPE(3, 5));
        ag_index_add(a, 1, sample_int(s, "k", AG_SHAPE(4), 0, 4), b);
    }
}
/* Different places, as PyTorch leaves open what stays where one is named twice. */

static ag_tensor different_places(ag_samples *s)
{
    ag_tensor order = sample_int(s, "n", AG_SHAPE_SCALAR, 0, 1); /* 0 */
    ag_tensor row = ag_from(AG_SHAPE(2, 3), AG_INT64, (const int64_t[]){2, 0, 1, 0, 2, 3});
    return ag_add(row, order);
}

AG_SAMPLES(scatter)
{
    SAMPLE("torch.scatter(a, 1, torch.tensor([[2, 0, 1], [0, 2, 3]]) + n, b[:, :3])") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3, 4)), b = sample_float(s, "b", AG_SHAPE(2, 4));
        sample_result(s, ag_scatter(a, 1, different_places(s), b));
    }
    SAMPLE("torch.scatter(a, -1, torch.tensor([[2, 0, 1], [0, 2, 3]]) + n, b) ** 2") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(2, 4)), b = sample_float(s, "b", AG_SHAPE(2, 3));
        sample_result(s, ag_square(ag_scatter(a, -1, different_places(s), b)));
    }
    REFUSES("ag_scatter: element types") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3, 4)), k = sample_int(s, "k", AG_SHAPE(2, 2), 0, 3);
        ag_scatter(a, 0, k, k);
    }
    REFUSES("ag_scatter: index -2 at position 0 is outside 0..2") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3, 4)), b = sample_float(s, "b", AG_SHAPE(2, 2));
        ag_scatter(a, 0, sample_int(s, "k", AG_SHAPE(2, 2), -2, -1), b);
    }
}
AG_SAMPLES(scatter_value)
{
    SAMPLE("torch.scatter(a, 0, k, 2.5)") {
        sample_result(s, ag_scatter_value(sample_float(s, "a", AG_SHAPE(3, 4)), 0, sample_int(s, "k", AG_SHAPE(2, 3), 0, 3), 2.5));
    }
    SAMPLE("torch.scatter(a, 1, k, -1.0) * a") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3, 4));
        sample_result(s, ag_mul(ag_scatter_value(a, 1, sample_int(s, "k", AG_SHAPE(3, 1), 0, 4), -1), a));
    }
    REFUSES("ag_scatter_value: index 9 at position 0 is outside 0..3") {
        ag_scatter_value(sample_float(s, "a", AG_SHAPE(3, 4)), 1, sample_int(s, "k", AG_SHAPE(3, 1), 9, 10), 1);
    }
}
AG_SAMPLES(one_hot)
{
    SAMPLE("F.one_hot(k, 4)") {
        sample_result(s, ag_one_hot(sample_int(s, "k", AG_SHAPE(2, 3), 0, 4), 4, AG_INT64));
    }
    SAMPLE("F.one_hot(k, 5)") {
        sample_result(s, ag_one_hot(sample_int(s, "k", AG_SHAPE_SCALAR, 0, 5), 5, AG_UINT8));
    }
    SAMPLE("F.one_hot(k, 3).to(torch.float64)") {
        sample_result(s, ag_one_hot(sample_int(s, "k", AG_SHAPE(4), 0, 3), 3, sample_dtype(s)));
    }
    REFUSES("ag_one_hot: index 4 at position 0 is outside 0..2") {
        ag_one_hot(sample_int(s, "k", AG_SHAPE(2), 4, 5), 3, AG_INT64);
    }
    REFUSES("ag_one_hot: labels must be int64, got uint8") {
        ag_one_hot(sample_mask(s, "m", AG_SHAPE(2)), 3, AG_INT64);
    }
    REFUSES("ag_one_hot: 0 classes") {
        ag_one_hot(sample_int(s, "k", AG_SHAPE(2), 0, 1), 0, AG_INT64);
    }
}
#endif
