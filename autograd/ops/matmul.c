/*
 * Products: matmul and linear. Knows shapes and broadcasting; the multiplying itself is k_gemm's.
 */
#include <string.h>

#include "autograd/autograd.h"
#include "autograd/internal.h"
#include "autograd/kernels/kernels.h"
#include "autograd/ops/common.h"
#include "autograd/samples.h"
#include "autograd/parallel.h"

/* A stack of matrices as gemm wants it: strides in elements. */
struct matrices {
    const void *data;
    int64_t rows, columns, row_stride, column_stride;
    int batch_dims;
    int64_t batch_size[AG_MAX_DIMS], batch_stride[AG_MAX_DIMS];
};

/* A vector is one row if it stands on the left, one column if on the right. */
static struct matrices matrices_of(const ag_array *a, bool left)
{
    struct matrices m = { .data = a->data };
    if (a->ndim == 1) {
        m.rows = left ? 1 : a->size[0];
        m.columns = left ? a->size[0] : 1;
        m.row_stride = left ? a->size[0] : a->stride[0];
        m.column_stride = left ? a->stride[0] : 1;
        return m;
    }
    m.batch_dims = a->ndim - 2;
    for (int d = 0; d < m.batch_dims; d++) {
        m.batch_size[d] = a->size[d];
        m.batch_stride[d] = a->size[d] == 1 ? 0 : a->stride[d];
    }
    m.rows = a->size[m.batch_dims];
    m.columns = a->size[m.batch_dims + 1];
    m.row_stride = a->stride[m.batch_dims];
    m.column_stride = a->stride[m.batch_dims + 1];
    return m;
}

/* Replaces an operand whose matrices repeat a row or a column (stride 0, an expanded view) by a row-major copy. */
static bool matrices_unrepeat(ag_call *call, const ag_array *a, bool left, struct matrices *m)
{
    if ((m->row_stride != 0 || m->rows <= 1) && (m->column_stride != 0 || m->columns <= 1)) {
        return true;
    }
    int64_t stride[AG_MAX_DIMS], next = 1;
    for (int d = a->ndim - 1; d >= 0; d--) {
        stride[d] = next;
        next *= a->size[d];
    }
    ag_array copy = *a;
    copy.data = (void *)ops_row_major(call, a);
    copy.stride = stride;
    *m = matrices_of(&copy, left);
    return copy.data != NULL;
}

/* Whether the whole stack is one tall matrix. */
static bool matrices_join(struct matrices *m)
{
    int64_t rows = m->rows, stride = m->row_stride;
    for (int d = m->batch_dims - 1; d >= 0; d--) {
        if (m->batch_size[d] == 1) {
            continue;
        }
        if (rows == 1) {
            stride = m->batch_stride[d];
        } else if (m->batch_stride[d] != rows * stride) {
            return false;
        }
        rows *= m->batch_size[d];
    }
    if (rows > 1 && stride == 0) {
        return false;
    }
    m->rows = rows;
    m->row_stride = stride;
    m->batch_dims = 0;
    return true;
}

/* ---- matmul ---------------------------------------------------------------
 * y = a b          da = dy b^T          db = a^T dy
 * Vectors count as one row (left) or one column (right), which the result drops again. */

static bool matmul_shape(ag_call *call)
{
    const ag_array *a = ag_call_input(call, 0), *b = ag_call_input(call, 1);
    char ta[AG_SHAPE_TEXT], tb[AG_SHAPE_TEXT];
    if (!ops_need_float(call, a) || !ops_need_float(call, b) || !ops_need_same_dtype(call, a, b)) {
        return false;
    }
    if (a->ndim == 0 || b->ndim == 0) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "%s x %s: a scalar has no rows and columns; use ag_mul", ops_text(a, ta),
                            ops_text(b, tb));
    }
    struct matrices ma = matrices_of(a, true), mb = matrices_of(b, false);
    if (ma.columns != mb.rows) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "%s x %s: inner sizes %lld and %lld differ", ops_text(a, ta),
                            ops_text(b, tb), (long long)ma.columns, (long long)mb.rows);
    }
    ag_shape y;
    if (!ag_shape_broadcast(ag_shape_make(ma.batch_dims, ma.batch_size), ag_shape_make(mb.batch_dims, mb.batch_size),
                            &y)) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "%s x %s: leading dimensions do not broadcast", ops_text(a, ta),
                            ops_text(b, tb));
    }
    if (a->ndim > 1) {
        y.size[y.ndim++] = ma.rows;
    }
    if (b->ndim > 1) {
        y.size[y.ndim++] = mb.columns;
    }
    return ag_call_output(call, 0, a->dtype, y);
}

/* Where matrix number `i` of the broadcast stack begins. */
static const void *matrix_at(const struct matrices *m, ag_shape batch, int64_t i, size_t item)
{
    int64_t offset = 0;
    for (int d = batch.ndim - 1; d >= 0; d--) {
        int own = d - (batch.ndim - m->batch_dims);
        if (own >= 0) {
            offset += i % batch.size[d] * m->batch_stride[own];
        }
        i /= batch.size[d];
    }
    return (const char *)m->data + offset * (int64_t)item;
}

/* Small products of a stack go to the threads whole; large ones are split inside gemm. Either way every product is summed
 * over k in the same order. */
enum { SMALL_PRODUCT = 128 * 128 * 128, WORTH_THREADS = 64 * 64 * 64 };

/* What the products of a stack share. */
struct stack {
    ag_dtype dtype;
    int threads; /* inside of one product */
    int64_t m, n, k;
    struct matrices a, b;
    ag_shape batch;
    char *y;
};

static void product_at(const void *task, int64_t i)
{
    const struct stack *t = task;
    size_t item = ag_dtype_size(t->dtype);
    k_gemm(t->dtype, t->threads, t->m, t->n, t->k, matrix_at(&t->a, t->batch, i, item), t->a.row_stride, t->a.column_stride,
           matrix_at(&t->b, t->batch, i, item), t->b.row_stride, t->b.column_stride, false,
           t->y + i * t->m * t->n * (int64_t)item, t->n, 1);
}

static bool matmul_forward(ag_call *call)
{
    const ag_array *a = ag_call_input(call, 0), *b = ag_call_input(call, 1), *y = ag_call_result(call, 0);
    struct matrices ma = matrices_of(a, true), mb = matrices_of(b, false);
    if (y->numel == 0) {
        return true;
    }
    int64_t m = ma.rows, n = mb.columns, k = ma.columns;
    size_t item = ag_dtype_size(y->dtype);
    if (k == 0) {
        memset(y->data, 0, (size_t)y->numel * item);
        return true;
    }
    if (!matrices_unrepeat(call, a, true, &ma) || !matrices_unrepeat(call, b, false, &mb)) {
        return false;
    }
    int threads = ag_call_threads(call);
    if (mb.batch_dims == 0 && matrices_join(&ma)) {
        k_gemm(y->dtype, threads, ma.rows, n, k, ma.data, ma.row_stride, ma.column_stride, mb.data, mb.row_stride,
               mb.column_stride, false, y->data, n, 1);
        return true;
    }
    struct stack task = { .dtype = y->dtype, .m = m, .n = n, .k = k, .a = ma, .b = mb, .y = y->data };
    ag_shape_broadcast(ag_shape_make(ma.batch_dims, ma.batch_size), ag_shape_make(mb.batch_dims, mb.batch_size), &task.batch);
    int64_t count = y->numel / (m * n), work = m * n * k;
    bool split_stack = count >= threads && work < SMALL_PRODUCT && count * work > WORTH_THREADS;
    task.threads = split_stack ? 1 : threads;
    ag_parallel(split_stack ? threads : 1, count, product_at, &task);
    return true;
}

static ag_tensor flipped(ag_tensor x)
{
    int n = ag_ndim(x);
    return ag_transpose(x, n - 2, n - 1);
}

/* The rows of a stack of matrices, one under the other. */
static ag_tensor stacked_rows(ag_tensor x, ag_shape shape)
{
    int64_t rows = 1;
    for (int d = 0; d < shape.ndim - 1; d++) {
        rows *= shape.size[d];
    }
    return ag_reshape(x, AG_SHAPE(rows, shape.size[shape.ndim - 1]));
}

static void matmul_backward(ag_sweep *s)
{
    ag_tensor a = ag_sweep_wants(s, 1) ? ag_sweep_input(s, 0) : AG_NONE, dy = ag_sweep_grad(s, 0);
    ag_tensor b = ag_sweep_wants(s, 0) ? ag_sweep_input(s, 1) : AG_NONE;
    int na = ag_sweep_shape(s, 0).ndim, nb = ag_sweep_shape(s, 1).ndim, ny = ag_ndim(dy);
    if (na == 1) {
        a = ag_is_none(a) ? a : ag_unsqueeze(a, 0);
        dy = ag_unsqueeze(dy, nb == 1 ? ny : ny - 1);
        ny++;
    }
    if (nb == 1) {
        b = ag_is_none(b) ? b : ag_unsqueeze(b, 1);
        dy = ag_unsqueeze(dy, ny);
        ny++;
    }
    if (ag_sweep_wants(s, 0)) {
        if (na == 2 && nb <= 2) {
            ag_sweep_matmul(s, 0, dy, flipped(b));
        } else {
            ag_tensor da = ag_matmul(dy, flipped(b));
            ag_sweep_add(s, 0, na == 1 ? ag_squeeze(da, ny - 2) : da);
        }
    }
    if (ag_sweep_wants(s, 1)) {
        if (nb == 2 && na <= 2) {
            ag_sweep_matmul(s, 1, flipped(a), dy);
        } else if (nb == 2) {
            ag_tensor rows = stacked_rows(a, ag_sweep_shape(s, 0));
            ag_sweep_matmul(s, 1, flipped(rows), stacked_rows(dy, ag_shape_of(dy)));
        } else {
            ag_tensor db = ag_matmul(flipped(a), dy);
            ag_sweep_add(s, 1, nb == 1 ? ag_squeeze(db, ny - 1) : db);
        }
    }
}

AG_OP(matmul) {
    .size = sizeof(struct ag_op),
    .name = "matmul",
    .formula = "y = a b",
    .derivative = "da = dy b^T;  db = a^T dy",
    .inputs = 2,
    .outputs = 1,
    .saves = AG_SAVE_INPUT(0) | AG_SAVE_INPUT(1),
    .reads = {AG_SAVE_INPUT(1), AG_SAVE_INPUT(0)},
    .orders = AG_ORDERS_ANY,
    .shape = matmul_shape,
    .forward = matmul_forward,
    .backward = matmul_backward,
};

ag_tensor ag_matmul_at(ag_place where, ag_tensor a, ag_tensor b)
{
    ag_tensor in[] = { a, b }, out[1];
    return ag_apply(where, &op_matmul, 2, in, NULL, out);
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(matmul)
{
#define MATMUL_SAMPLE(note, shape_a, shape_b)                                                     \
    SAMPLE("torch.matmul(a, b)" note) {                                                           \
        ag_tensor a = sample_float(s, "a", shape_a);                                              \
        ag_tensor b = sample_float(s, "b", shape_b);                                              \
        sample_result(s, ag_matmul(a, b));                                                        \
    }
    MATMUL_SAMPLE("", AG_SHAPE(3, 4), AG_SHAPE(4, 5))
    MATMUL_SAMPLE("  # one element", AG_SHAPE(1, 1), AG_SHAPE(1, 1))
    MATMUL_SAMPLE("  # outer product", AG_SHAPE(4, 1), AG_SHAPE(1, 3))
    MATMUL_SAMPLE("  # one row", AG_SHAPE(1, 6), AG_SHAPE(6, 2))
    MATMUL_SAMPLE("  # one column", AG_SHAPE(5, 3), AG_SHAPE(3, 1))
    MATMUL_SAMPLE("  # vectors", AG_SHAPE(7), AG_SHAPE(7))
    MATMUL_SAMPLE("  # vectors of one element", AG_SHAPE(1), AG_SHAPE(1))
    MATMUL_SAMPLE("  # matrix and vector", AG_SHAPE(3, 4), AG_SHAPE(4))
    MATMUL_SAMPLE("  # vector and matrix", AG_SHAPE(4), AG_SHAPE(4, 3))
    MATMUL_SAMPLE("  # stack", AG_SHAPE(2, 3, 4), AG_SHAPE(2, 4, 2))
    MATMUL_SAMPLE("  # stack and matrix", AG_SHAPE(2, 3, 4), AG_SHAPE(4, 2))
    MATMUL_SAMPLE("  # matrix and stack", AG_SHAPE(3, 4), AG_SHAPE(2, 4, 2))
    MATMUL_SAMPLE("  # stack and vector", AG_SHAPE(2, 3, 4), AG_SHAPE(4))
    MATMUL_SAMPLE("  # vector and stack", AG_SHAPE(4), AG_SHAPE(2, 4, 3))
    MATMUL_SAMPLE("  # broadcast left", AG_SHAPE(1, 2, 3), AG_SHAPE(3, 3, 2))
    MATMUL_SAMPLE("  # broadcast both", AG_SHAPE(2, 1, 2, 3), AG_SHAPE(3, 3, 2))
    MATMUL_SAMPLE("  # broadcast more dimensions", AG_SHAPE(2, 2), AG_SHAPE(2, 1, 2, 2, 3))
    MATMUL_SAMPLE("  # no inner elements", AG_SHAPE(2, 0), AG_SHAPE(0, 3))
    MATMUL_SAMPLE("  # no rows", AG_SHAPE(0, 3), AG_SHAPE(3, 2))
    MATMUL_SAMPLE("  # empty stack", AG_SHAPE(0, 2, 3), AG_SHAPE(3, 2))
#undef MATMUL_SAMPLE
    SAMPLE("torch.matmul(a, a)") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3, 3));
        sample_result(s, ag_matmul(a, a));
    }
    SAMPLE("torch.matmul(a, a.transpose(0, 1))") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3, 4));
        sample_result(s, ag_matmul(a, ag_transpose(a, 0, 1)));
    }
    SAMPLE("torch.matmul(a.transpose(1, 2), b.transpose(0, 2))") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(2, 4, 3));
        ag_tensor b = sample_float(s, "b", AG_SHAPE(2, 4, 2));
        sample_result(s, ag_matmul(ag_transpose(a, 1, 2), ag_transpose(b, 0, 2)));
    }
    SAMPLE("torch.matmul(a.expand(3, 4), b.expand(4, 2))") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3, 1));
        ag_tensor b = sample_float(s, "b", AG_SHAPE(1, 2));
        sample_result(s, ag_matmul(ag_expand(a, AG_SHAPE(3, 4)), ag_expand(b, AG_SHAPE(4, 2))));
    }
    REFUSES("ag_matmul: (32,784) x (512,10): inner sizes 784 and 512 differ") {
        ag_matmul(ag_zeros(AG_SHAPE(32, 784), sample_dtype(s)), ag_zeros(AG_SHAPE(512, 10), sample_dtype(s)));
    }
    REFUSES("ag_matmul: (3) x (4,2): inner sizes 3 and 4 differ") {
        ag_matmul(sample_float(s, "a", AG_SHAPE(3)), sample_float(s, "b", AG_SHAPE(4, 2)));
    }
    REFUSES("ag_matmul: (2,3,4) x (5,4,2): leading dimensions do not broadcast") {
        ag_matmul(sample_float(s, "a", AG_SHAPE(2, 3, 4)), sample_float(s, "b", AG_SHAPE(5, 4, 2)));
    }
    REFUSES("ag_matmul: () x (4,2): a scalar has no rows and columns; use ag_mul") {
        ag_matmul(sample_float(s, "a", AG_SHAPE_SCALAR), sample_float(s, "b", AG_SHAPE(4, 2)));
    }
    REFUSES("ag_matmul: a tensor is needed, got none") {
        ag_matmul(sample_float(s, "a", AG_SHAPE(3, 3)), AG_NONE);
    }
    REFUSES("ag_matmul: needs a floating type, got int64") {
        ag_matmul(sample_int(s, "a", AG_SHAPE(2, 4), 0, 3), sample_float(s, "b", AG_SHAPE(4, 2)));
    }
    REFUSES("ag_matmul: element types float32 and float64 differ") {
        ag_matmul(ag_zeros(AG_SHAPE(2, 2), AG_FLOAT32), ag_zeros(AG_SHAPE(2, 2), AG_FLOAT64));
    }
}
#endif

/* ---- linear ---------------------------------------------------------------
 * y = x w^T + b          dx = dy w          dw = dy^T x          db = sum of dy over the rows */

static bool linear_shape(ag_call *call)
{
    const ag_array *x = ag_call_input(call, 0), *w = ag_call_input(call, 1);
    char tx[AG_SHAPE_TEXT], tw[AG_SHAPE_TEXT];
    if (!ops_need_float(call, x) || !ops_need_same_dtype(call, x, w)) {
        return false;
    }
    if (w->ndim != 2) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "weight %s must be (out,in)", ops_text(w, tw));
    }
    if (x->ndim == 0 || x->size[x->ndim - 1] != w->size[1]) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "input %s and weight %s: the last dimension of the input must be %lld",
                            ops_text(x, tx), ops_text(w, tw), (long long)w->size[1]);
    }
    if (ag_call_has(call, 2)) {
        const ag_array *b = ag_call_input(call, 2);
        if (!ops_need_same_dtype(call, x, b)) {
            return false;
        }
        if (b->ndim != 1 || b->size[0] != w->size[0]) {
            return ag_call_fail(call, AG_ERROR_SHAPE, "bias %s and weight %s: the bias must be (%lld)", ops_text(b, tx),
                                ops_text(w, tw), (long long)w->size[0]);
        }
    }
    ag_shape y = ops_shape(x);
    y.size[y.ndim - 1] = w->size[0];
    return ag_call_output(call, 0, x->dtype, y);
}

static bool linear_forward(ag_call *call)
{
    const ag_array *x = ag_call_input(call, 0), *w = ag_call_input(call, 1), *b = ag_call_input(call, 2);
    const ag_array *y = ag_call_result(call, 0);
    if (y->numel == 0) {
        return true;
    }
    int64_t in = w->size[1], out = w->size[0];
    const void *bias = b != NULL ? ops_row_major(call, b) : NULL;
    if (b != NULL && bias == NULL) {
        return false;
    }
    struct matrices mx = matrices_of(x, true), mw = matrices_of(w, false);
    if (!matrices_unrepeat(call, x, true, &mx) || !matrices_unrepeat(call, w, false, &mw)) {
        return false;
    }
    if (!matrices_join(&mx)) {
        mx.data = ops_row_major(call, x);
        if (mx.data == NULL) {
            return false;
        }
        mx.rows = y->numel / out;
        mx.row_stride = in;
        mx.column_stride = 1;
    }
    int threads = ag_call_threads(call);
    if (bias != NULL) {
        k_gemm_bias(y->dtype, threads, mx.rows, out, in, mx.data, mx.row_stride, mx.column_stride, mw.data, mw.column_stride,
                    mw.row_stride, bias, y->data, out);
    } else {
        k_gemm(y->dtype, threads, mx.rows, out, in, mx.data, mx.row_stride, mx.column_stride, mw.data, mw.column_stride,
               mw.row_stride, false, y->data, out, 1);
    }
    return true;
}

static void linear_backward(ag_sweep *s)
{
    ag_shape x_shape = ag_sweep_shape(s, 0);
    ag_tensor dy = ag_sweep_grad(s, 0), rows = dy;
    if (x_shape.ndim != 2) {
        rows = stacked_rows(dy, ag_shape_of(dy));
    }
    if (ag_sweep_wants(s, 0)) {
        if (x_shape.ndim >= 2) {
            ag_sweep_matmul(s, 0, rows, ag_sweep_input(s, 1));
        } else {
            ag_sweep_add(s, 0, ag_matmul(dy, ag_sweep_input(s, 1)));
        }
    }
    if (!ag_sweep_wants(s, 1)) {
        ag_sweep_add(s, 2, rows);
        return;
    }
    ag_tensor x = ag_sweep_input(s, 0);
    if (x_shape.ndim != 2) {
        x = stacked_rows(x, x_shape);
    }
    if (ag_sweep_wants(s, 2)) {
        ag_sweep_product_and_sum(s, 1, 2, rows, x);
    } else {
        ag_sweep_product(s, 1, rows, true, x);
    }
}

AG_OP(linear) {
    .size = sizeof(struct ag_op),
    .name = "linear",
    .formula = "y = x w^T + b",
    .derivative = "dx = dy w;  dw = dy^T x;  db = sum of dy over the rows",
    .inputs = 3,
    .outputs = 1,
    .optional = AG_OPTIONAL(2),
    .saves = AG_SAVE_INPUT(0) | AG_SAVE_INPUT(1),
    .reads = {AG_SAVE_INPUT(1), AG_SAVE_INPUT(0), AG_READ_NOTHING},
    .orders = AG_ORDERS_ANY,
    .shape = linear_shape,
    .forward = linear_forward,
    .backward = linear_backward,
};

ag_tensor ag_linear_at(ag_place where, ag_tensor x, ag_tensor weight, ag_tensor bias)
{
    ag_tensor in[] = { x, weight, bias }, out[1];
    return ag_apply(where, &op_linear, 3, in, NULL, out);
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(linear)
{
#define LINEAR_SAMPLE(note, shape_x, in, out)                                                     \
    SAMPLE("F.linear(x, w, b)" note) {                                                            \
        ag_tensor x = sample_float(s, "x", shape_x);                                              \
        ag_tensor w = sample_float(s, "w", AG_SHAPE(out, in));                                    \
        ag_tensor b = sample_float(s, "b", AG_SHAPE(out));                                        \
        sample_result(s, ag_linear(x, w, b));                                                     \
    }
    LINEAR_SAMPLE("", AG_SHAPE(3, 4), 4, 2)
    LINEAR_SAMPLE("  # one row", AG_SHAPE(1, 5), 5, 3)
    LINEAR_SAMPLE("  # one feature", AG_SHAPE(4, 1), 1, 1)
    LINEAR_SAMPLE("  # vector", AG_SHAPE(4), 4, 3)
    LINEAR_SAMPLE("  # three dimensions", AG_SHAPE(2, 3, 4), 4, 2)
    LINEAR_SAMPLE("  # four dimensions", AG_SHAPE(2, 1, 2, 3), 3, 2)
    LINEAR_SAMPLE("  # no rows", AG_SHAPE(0, 3), 3, 2)
    LINEAR_SAMPLE("  # no features", AG_SHAPE(2, 0), 0, 3)
#undef LINEAR_SAMPLE
    SAMPLE("F.linear(x, w)") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(3, 4));
        ag_tensor w = sample_float(s, "w", AG_SHAPE(2, 4));
        sample_result(s, ag_linear(x, w, AG_NONE));
    }
    SAMPLE("F.linear(x.transpose(0, 1), w)") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(3, 2, 4));
        ag_tensor w = sample_float(s, "w", AG_SHAPE(2, 4));
        sample_result(s, ag_linear(ag_transpose(x, 0, 1), w, AG_NONE));
    }
    SAMPLE("F.linear(x.expand(3, 4), w)") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(3, 1));
        ag_tensor w = sample_float(s, "w", AG_SHAPE(2, 4));
        sample_result(s, ag_linear(ag_expand(x, AG_SHAPE(3, 4)), w, AG_NONE));
    }
    SAMPLE("F.linear(F.linear(x, w), w)") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(2, 3));
        ag_tensor w = sample_float(s, "w", AG_SHAPE(3, 3));
        sample_result(s, ag_linear(ag_linear(x, w, AG_NONE), w, AG_NONE));
    }
    REFUSES("ag_linear: input (32,700) and weight (10,784): the last dimension of the input must be 784") {
        ag_linear(ag_zeros(AG_SHAPE(32, 700), sample_dtype(s)), ag_zeros(AG_SHAPE(10, 784), sample_dtype(s)), AG_NONE);
    }
    REFUSES("ag_linear: input () and weight (2,3): the last dimension of the input must be 3") {
        ag_linear(sample_float(s, "x", AG_SHAPE_SCALAR), sample_float(s, "w", AG_SHAPE(2, 3)), AG_NONE);
    }
    REFUSES("ag_linear: weight (3) must be (out,in)") {
        ag_linear(sample_float(s, "x", AG_SHAPE(2, 3)), sample_float(s, "w", AG_SHAPE(3)), AG_NONE);
    }
    REFUSES("ag_linear: bias (3) and weight (2,4): the bias must be (2)") {
        ag_linear(sample_float(s, "x", AG_SHAPE(3, 4)), sample_float(s, "w", AG_SHAPE(2, 4)),
                  sample_float(s, "b", AG_SHAPE(3)));
    }
    REFUSES("ag_linear: a tensor is needed, got none") {
        ag_linear(sample_float(s, "x", AG_SHAPE(3, 3)), AG_NONE, AG_NONE);
    }
    REFUSES("ag_linear: needs a floating type, got int64") {
        ag_linear(sample_int(s, "x", AG_SHAPE(3, 4), 0, 3), sample_float(s, "w", AG_SHAPE(2, 4)), AG_NONE);
    }
    REFUSES("ag_linear: element types float32 and float64 differ") {
        ag_linear(ag_zeros(AG_SHAPE(3, 4), AG_FLOAT32), ag_zeros(AG_SHAPE(2, 4), AG_FLOAT64), AG_NONE);
    }
}
#endif
