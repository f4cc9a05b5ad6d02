/*
 * Views as strides, for operations in place: what leads from a base to its views and back when one of them was changed. Each of
 * the two operations is the other's derivative. See Note [Views and what is changed in place] in internal.h.
 */
#include <string.h>

#include "../internal.h"
#include "../samples.h"
#include "ops.h"

/* Element i of the view is element offset + sum i[d] view_stride[d] of memory in which the base lies with base_stride. */
struct strided {
    ag_shape base, view;
    int64_t base_stride[AG_MAX_DIMS], view_stride[AG_MAX_DIMS];
    int64_t offset;
};

/* Elements from the first to the last. */
static int64_t extent(ag_shape shape, const int64_t *stride)
{
    int64_t n = 1;
    for (int d = 0; d < shape.ndim; d++) {
        if (shape.size[d] == 0) {
            return 0;
        }
        n += (shape.size[d] - 1) * stride[d];
    }
    return n;
}

static bool same_strides(ag_shape shape, const int64_t *a, const int64_t *b)
{
    for (int d = 0; d < shape.ndim; d++) {
        if (shape.size[d] > 1 && a[d] != b[d]) {
            return false;
        }
    }
    return true;
}

static bool row_major(ag_shape shape, const int64_t *stride)
{
    int64_t own[AG_MAX_DIMS], next = 1;
    for (int d = shape.ndim - 1; d >= 0; d--) {
        own[d] = next;
        next = ag_next_stride(next, shape.size[d]);
    }
    return same_strides(shape, own, stride);
}

/* The array that has x's type and lies in `data` with the given shape. */
static ag_array lying(void *data, ag_dtype dtype, const ag_shape *shape, const int64_t *stride, int64_t offset)
{
    ag_array a = {(char *)data + offset * (int64_t)ag_dtype_size(dtype), dtype, shape->ndim, ag_shape_numel(*shape),
                  shape->size, stride};
    return a;
}

static bool strided_ok(ag_call *call, const struct strided *p)
{
    char text[AG_SHAPE_TEXT], base[AG_SHAPE_TEXT];
    if (!ag_shape_equal(ag_call_shape(call, 0), p->base)) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "the base is %s and must be %s", ag_call_shape_text(call, 0),
                            ag_shape_format(p->base, text, sizeof(text)));
    }
    int64_t n = extent(p->view, p->view_stride);
    if (n > 0 && (p->offset < 0 || p->offset + n > extent(p->base, p->base_stride))) {
        return ag_call_fail(call, AG_ERROR_INDEX, "the view %s from element %lld does not lie within %s",
                            ag_shape_format(p->view, text, sizeof(text)), (long long)p->offset,
                            ag_shape_format(p->base, base, sizeof(base)));
    }
    return true;
}

/* x in memory with the base's strides: where it is, or copied. NULL after raising. */
static void *with_base_strides(ag_call *call, const struct strided *p, const ag_array *x, bool copy)
{
    if (!copy && same_strides(p->base, x->stride, p->base_stride)) {
        return x->data;
    }
    size_t bytes = (size_t)extent(p->base, p->base_stride) * ag_dtype_size(x->dtype);
    void *memory = ag_call_work(call, bytes);
    if (memory != NULL) {
        ag_array_copy(lying(memory, x->dtype, &p->base, p->base_stride, 0), *x);
    }
    return memory;
}

/* ---- as_strided ----------------------------------------------------------------------------------------------------------------
 * y = the view's elements of x
 * dx = zeros with dy in the view's place */

static ag_tensor as_strided(ag_tensor x, const struct strided *p);
static ag_tensor as_strided_scatter(ag_tensor x, ag_tensor y, const struct strided *p);

static bool as_strided_shape(ag_call *call)
{
    const struct strided *p = ag_call_params(call);
    return strided_ok(call, p) && ag_call_output(call, 0, ag_call_input(call, 0)->dtype, p->view);
}

static bool as_strided_forward(ag_call *call)
{
    const struct strided *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, 0), *y = ag_call_result(call, 0);
    if (y->numel == 0) {
        return true;
    }
    void *memory = with_base_strides(call, p, x, false);
    if (memory != NULL) {
        ag_array_copy(*y, lying(memory, x->dtype, &p->view, p->view_stride, p->offset));
    }
    return memory != NULL;
}

static void as_strided_backward(ag_sweep *s)
{
    struct strided once = *(const struct strided *)ag_sweep_params(s);
    ag_dims repeated = {0};
    for (int d = 0; d < once.view.ndim; d++) { /* where the view was expanded, several elements are one of the base */
        if (once.view.size[d] > 1 && once.view_stride[d] == 0) {
            repeated.dim[repeated.count++] = d;
            once.view.size[d] = 1;
        }
    }
    ag_tensor dy = ag_sweep_grad(s, 0);
    dy = repeated.count > 0 ? ag_sum_dims(dy, repeated, true) : dy;
    ag_array target;
    bool accumulate;
    const ag_value *g = ag_error_code() != AG_OK ? NULL : ag_peek(dy);
    if (g != NULL && row_major(once.base, once.base_stride) && ag_sweep_target(s, 0, &target, &accumulate)) {
        if (!accumulate) {
            memset(target.data, 0, (size_t)target.numel * ag_dtype_size(target.dtype));
        }
        ag_array_accumulate(lying(target.data, target.dtype, &once.view, once.view_stride, once.offset),
                            ag_value_array(g));
        return;
    }
    ag_sweep_add(s, 0, as_strided_scatter(ag_zeros(once.base, ag_sweep_dtype(s, 0)), dy, &once));
}

AG_OP(as_strided){.size = sizeof(struct ag_op), .name = "as_strided", .formula = "y = the elements of x in a view's place",
                  .derivative = "dx = zeros with dy in the view's place", .inputs = 1, .outputs = 1,
                  .params = sizeof(struct strided), .orders = AG_ORDERS_ANY, .shape = as_strided_shape,
                  .forward = as_strided_forward, .backward = as_strided_backward};

static ag_tensor as_strided(ag_tensor x, const struct strided *p)
{
    return ag_apply(AG_HERE, &op_as_strided, 1, &x, p, NULL);
}

/* ---- as_strided_scatter --------------------------------------------------------------------------------------------------------
 * z = x with y in a view's place
 * dx = dz with zeros there,  dy = the elements of dz there */

static bool as_strided_scatter_shape(ag_call *call)
{
    const struct strided *p = ag_call_params(call);
    char text[AG_SHAPE_TEXT];
    if (!ag_shape_equal(ag_call_shape(call, 1), p->view)) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "the view is %s and must be %s", ag_call_shape_text(call, 1),
                            ag_shape_format(p->view, text, sizeof(text)));
    }
    return strided_ok(call, p) && ag_call_output(call, 0, ag_call_input(call, 0)->dtype, p->base);
}

static bool as_strided_scatter_forward(ag_call *call)
{
    const struct strided *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, 0), *y = ag_call_input(call, 1), *z = ag_call_result(call, 0);
    if (z->numel == 0) {
        return true;
    }
    void *memory = z->data;
    if (same_strides(p->base, z->stride, p->base_stride)) {
        ag_array_copy(*z, *x);
    } else {
        memory = with_base_strides(call, p, x, true);
    }
    if (memory == NULL) {
        return false;
    }
    if (y->numel > 0) {
        ag_array_copy(lying(memory, y->dtype, &p->view, p->view_stride, p->offset), *y);
    }
    if (memory != z->data) {
        ag_array_copy(*z, lying(memory, x->dtype, &p->base, p->base_stride, 0));
    }
    return true;
}

static void as_strided_scatter_backward(ag_sweep *s)
{
    const struct strided *p = ag_sweep_params(s);
    ag_array own;
    /* The gradient itself goes on to x, so that writing row after row of a long tensor does not copy all of it each time. */
    bool in_place = ag_sweep_own_grad(s, 0, &own) && same_strides(p->base, own.stride, p->base_stride);
    ag_tensor dz = ag_sweep_grad(s, 0);
    if (ag_sweep_wants(s, 1)) {
        ag_sweep_add(s, 1, as_strided(dz, p));
    }
    if (!ag_sweep_wants(s, 0)) {
        return;
    }
    if (in_place && ag_shape_numel(p->view) > 0) {
        ag_array_fill(lying(own.data, own.dtype, &p->view, p->view_stride, p->offset), 0);
        ag_sweep_add(s, 0, dz);
    } else {
        ag_sweep_add(s, 0, as_strided_scatter(dz, ag_zeros(p->view, ag_sweep_dtype(s, 0)), p));
    }
}

AG_OP(as_strided_scatter){.size = sizeof(struct ag_op), .name = "as_strided_scatter", .formula = "z = x with y in a view's place",
                          .derivative = "dx = dz with zeros there, dy = dz there", .inputs = 2, .outputs = 1,
                          .params = sizeof(struct strided), .orders = AG_ORDERS_ANY, .shape = as_strided_scatter_shape,
                          .forward = as_strided_scatter_forward, .backward = as_strided_scatter_backward};

static ag_tensor as_strided_scatter(ag_tensor x, ag_tensor y, const struct strided *p)
{
    ag_tensor in[2] = {x, y};
    return ag_apply(AG_HERE, &op_as_strided_scatter, 2, in, p, NULL);
}

/* ---- histories of views --------------------------------------------------------------------------------------------------------- */

static struct strided strided_of(const ag_value *base, const ag_value *view)
{
    struct strided p = {.base = ag_value_shape_of(base), .view = ag_value_shape_of(view)};
    p.offset = view->offset - base->offset;
    memcpy(p.base_stride, base->stride, sizeof(base->stride[0]) * base->ndim);
    memcpy(p.view_stride, view->stride, sizeof(view->stride[0]) * view->ndim);
    return p;
}

static void set_input(ag_node *node, int i, ag_value *v, ag_node *producer, uint8_t output, bool wants)
{
    node->input[i] = (struct ag_node_input){.value = ag_value_ref(v), .producer = producer, .output = output, .wants = wants};
}

void ag_value_renew(ag_value *v, bool needed)
{
    ag_context *ctx = ag_current;
    ag_value *base = v->base;
    v->requires_grad = base->requires_grad;
    if (!base->requires_grad) {
        v->history_seen = base->history;
        return;
    }
    if (ctx == NULL || ctx->scopes == 0 || (!ctx->grad && !needed)) {
        return;
    }
    struct strided p = strided_of(base, v);
    ag_node *node = ag_node_new(ctx, &op_as_strided, 1, &p);
    if (node == NULL) {
        return;
    }
    node->where = v->where;
    node->renews = true;
    node->outputs = 1;
    set_input(node, 0, base, base->producer, base->output, true);
    node->output[0] = ag_value_ref(v);
    v->producer = node;
    v->output = 0;
    v->history_seen = base->history;
    if (AG_UNLIKELY(ctx->retaining)) {
        ag_node_keep(ctx, node, 0);
    }
}

bool ag_view_scatter_node(ag_context *ctx, ag_value *base, ag_value *x, ag_node *producer)
{
    struct strided p = strided_of(base, x);
    ag_node *node = ag_node_new(ctx, &op_as_strided_scatter, 2, &p);
    if (node == NULL) {
        return false;
    }
    node->where = producer->where;
    node->outputs = 1;
    set_input(node, 0, base, base->producer, base->output, base->requires_grad);
    set_input(node, 1, x, producer, 0, true);
    node->output[0] = ag_value_ref(base);
    base->producer = node;
    base->output = 0;
    base->requires_grad = true;
    if (AG_UNLIKELY(ctx->retaining)) {
        ag_node_keep(ctx, node, 0);
    }
    return true;
}

#ifdef WENGERT_SAMPLES
/* The view of a row-major base of 3 by 4. */
static struct strided strided_sample(ag_shape view, int64_t s0, int64_t s1, int64_t offset)
{
    struct strided p = {.base = AG_SHAPE(3, 4), .view = view, .base_stride = {4, 1}, .view_stride = {s0, s1}, .offset = offset};
    return p;
}

AG_SAMPLES(as_strided)
{
    SAMPLE("torch.as_strided(a.contiguous(), (2, 3), (4, 1), 1)") {
        struct strided p = strided_sample(AG_SHAPE(2, 3), 4, 1, 1);
        sample_result(s, as_strided(sample_float(s, "a", AG_SHAPE(3, 4)), &p));
    }
    SAMPLE("torch.as_strided(a.contiguous(), (3, 2), (0, 5), 2)") {
        struct strided p = strided_sample(AG_SHAPE(3, 2), 0, 5, 2);
        sample_result(s, as_strided(sample_float(s, "a", AG_SHAPE(3, 4)), &p));
    }
    SAMPLE("a.t()[1:3, ::2]  # of a base that lies otherwise") {
        struct strided p = {.base = AG_SHAPE(3, 4), .view = AG_SHAPE(2, 2), .base_stride = {1, 3}, .view_stride = {3, 2},
                            .offset = 3};
        sample_result(s, as_strided(sample_float(s, "a", AG_SHAPE(3, 4)), &p));
    }
    SAMPLE("a[:0]") {
        struct strided p = strided_sample(AG_SHAPE(0, 4), 4, 1, 0);
        sample_result(s, as_strided(sample_float(s, "a", AG_SHAPE(3, 4)), &p));
    }
    REFUSES("ag_as_strided: the view (2,3) from element 8 does not lie within (3,4)") {
        struct strided p = strided_sample(AG_SHAPE(2, 3), 4, 1, 8);
        as_strided(sample_float(s, "a", AG_SHAPE(3, 4)), &p);
    }
    REFUSES("ag_as_strided: the base is (4,3) and must be (3,4)") {
        struct strided p = strided_sample(AG_SHAPE(2, 3), 4, 1, 0);
        as_strided(sample_float(s, "a", AG_SHAPE(4, 3)), &p);
    }
}
AG_SAMPLES(as_strided_scatter)
{
    /* PyTorch 1.13 derives its own as_strided_scatter wrongly: these are the same in other words. */
    SAMPLE("torch.cat([torch.cat([a[:2, :1], b], 1), a[2:]])") {
        struct strided p = strided_sample(AG_SHAPE(2, 3), 4, 1, 1);
        sample_result(s, as_strided_scatter(sample_float(s, "a", AG_SHAPE(3, 4)), sample_float(s, "b", AG_SHAPE(2, 3)), &p));
    }
    SAMPLE("torch.cat([a[:1], b.reshape(1, 4), a[2:]])") {
        struct strided p = {.base = AG_SHAPE(3, 4), .view = AG_SHAPE(2, 2), .base_stride = {1, 3}, .view_stride = {6, 3},
                            .offset = 1};
        sample_result(s, as_strided_scatter(sample_float(s, "a", AG_SHAPE(3, 4)), sample_float(s, "b", AG_SHAPE(2, 2)), &p));
    }
    REFUSES("ag_as_strided_scatter: the view is (3,2) and must be (2,3)") {
        struct strided p = strided_sample(AG_SHAPE(2, 3), 4, 1, 1);
        as_strided_scatter(sample_float(s, "a", AG_SHAPE(3, 4)), sample_float(s, "b", AG_SHAPE(3, 2)), &p);
    }
}
#endif
