/*
 * Losses. Knows shapes, labels and reductions; the loops are in kernels/softmax.c and kernels/loss.c. Each has two ways back,
 * see Note [Two ways back] in softmax.c.
 */
#include <math.h>

#include "autograd/autograd.h"
#include "autograd/kernels/kernels.h"
#include "autograd/ops/common.h"
#include "autograd/samples.h"

/* ---- cross_entropy ------------------------------------------------------------
 * loss[n] = -log softmax(x[n])[label[n]]          dx[n] = (softmax(x[n]) - one_hot(label[n])) dloss[n]
 * The second result (N,2) keeps each row's maximum and log sum for the way back. */

struct reduction_params {
    ag_reduction reduction;
};

static bool reduction_is_right(ag_call *call, ag_reduction reduction)
{
    if ((unsigned)reduction > AG_REDUCE_NONE) {
        return ag_call_fail(call, AG_ERROR_VALUE, "reduction %d is unknown", (int)reduction);
    }
    return true;
}

/* What one element's loss is multiplied with. */
static double reduction_scale(ag_reduction reduction, int64_t n)
{
    return reduction == AG_REDUCE_MEAN ? 1.0 / (double)n : 1.0;
}

static void store(const ag_array *a, double value)
{
    if (a->dtype == AG_FLOAT32) {
        *(float *)a->data = (float)value;
    } else {
        *(double *)a->data = value;
    }
}

static bool cross_entropy_shape(ag_call *call)
{
    const struct reduction_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, 0), *label = ag_call_input(call, 1);
    char tx[AG_SHAPE_TEXT], tl[AG_SHAPE_TEXT];
    if (!ops_need_float(call, x) || !reduction_is_right(call, p->reduction)) {
        return false;
    }
    if (label->dtype != AG_INT64) {
        return ag_call_fail(call, AG_ERROR_DTYPE, "labels must be int64, got %s", ag_dtype_name(label->dtype));
    }
    if (x->ndim != 2 || label->ndim != 1 || x->size[0] != label->size[0]) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "logits %s and labels %s: they must be (N,C) and (N)", ops_text(x, tx),
                            ops_text(label, tl));
    }
    ag_shape loss = p->reduction == AG_REDUCE_NONE ? AG_SHAPE(x->size[0]) : AG_SHAPE_SCALAR;
    return ag_call_output(call, 0, x->dtype, loss) && ag_call_output(call, 1, x->dtype, AG_SHAPE(x->size[0], 2));
}

static bool labels_are_right(ag_call *call, int64_t n, const int64_t *label, int64_t classes)
{
    for (int64_t i = 0; i < n; i++) {
        if (label[i] < 0 || label[i] >= classes) {
            return ag_call_fail(call, AG_ERROR_INDEX, "label %lld at position %lld is outside 0..%lld",
                                (long long)label[i], (long long)i, (long long)classes - 1);
        }
    }
    return true;
}

static double sum_of(ag_dtype dtype, int64_t n, const void *data)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += dtype == AG_FLOAT32 ? (double)((const float *)data)[i] : ((const double *)data)[i];
    }
    return sum;
}

static bool cross_entropy_forward(ag_call *call)
{
    const struct reduction_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, 0);
    const ag_array *loss = ag_call_result(call, 0), *stats = ag_call_result(call, 1);
    int64_t n = x->size[0], classes = x->size[1];
    const void *logits = ops_row_major(call, x);
    const int64_t *label = ops_row_major(call, ag_call_input(call, 1));
    if (logits == NULL || label == NULL || !labels_are_right(call, n, label, classes)) {
        return false;
    }
    void *losses = loss->data;
    if (p->reduction != AG_REDUCE_NONE) {
        losses = ag_call_work(call, (size_t)n * ag_dtype_size(x->dtype));
        if (losses == NULL) {
            return false;
        }
    }
    k_cross_entropy(x->dtype, ag_call_threads(call), n, classes, logits, label, losses, stats->data);
    if (p->reduction != AG_REDUCE_NONE) {
        double sum = sum_of(x->dtype, n, losses);
        store(loss, p->reduction == AG_REDUCE_MEAN ? sum / (double)n : sum);
    }
    return true;
}

static ag_tensor cross_entropy_input(ag_tensor x, ag_tensor label, ag_tensor stats, ag_tensor g, ag_reduction reduction);
static ag_tensor one_hot(ag_tensor label, int64_t classes, ag_dtype dtype);

static void cross_entropy_backward(ag_sweep *s)
{
    const struct reduction_params *p = ag_sweep_params(s);
    ag_tensor x = ag_sweep_input(s, 0), label = ag_sweep_input(s, 1), g = ag_sweep_grad(s, 0);
    if (!ag_sweep_recording(s)) {
        ag_sweep_add(s, 0, cross_entropy_input(x, label, ag_sweep_output(s, 1), g, p->reduction));
        return;
    }
    ag_shape shape = ag_sweep_shape(s, 0);
    ag_tensor error = ag_sub(ag_softmax(x, 1), one_hot(label, shape.size[1], ag_sweep_dtype(s, 0)));
    if (p->reduction == AG_REDUCE_NONE) {
        g = ag_unsqueeze(g, 1);
    } else {
        g = ag_mul_scalar(g, reduction_scale(p->reduction, shape.size[0]));
    }
    ag_sweep_add(s, 0, ag_mul(error, g));
}

AG_OP(cross_entropy) {
    .size = sizeof(struct ag_op),
    .name = "cross_entropy",
    .formula = "loss = -log softmax(x)[label]",
    .derivative = "dx = (softmax(x) - one_hot(label)) dloss",
    .inputs = 2,
    .outputs = 2,
    .saves = AG_SAVE_INPUT(0) | AG_SAVE_INPUT(1) | AG_SAVE_OUTPUT(1),
    .params = sizeof(struct reduction_params),
    .orders = AG_ORDERS_ANY,
    .shape = cross_entropy_shape,
    .forward = cross_entropy_forward,
    .backward = cross_entropy_backward,
};

ag_tensor ag_cross_entropy_at(ag_place where, ag_tensor logits, ag_tensor labels)
{
    return ag_cross_entropy_with_at(where, logits, labels, AG_REDUCE_MEAN);
}

ag_tensor ag_cross_entropy_with_at(ag_place where, ag_tensor logits, ag_tensor labels, ag_reduction reduction)
{
    struct reduction_params p = { reduction };
    ag_tensor in[] = { logits, labels }, out[2];
    ag_apply(where, &op_cross_entropy, 2, in, &p, out);
    if (!ag_is_nil(out[1])) {
        ag_release(out[1]);
    }
    return out[0];
}

#ifdef WENGERT_SAMPLES
static void cross_entropy_sample(ag_samples *s, int64_t n, int64_t classes, ag_reduction reduction)
{
    ag_tensor x = sample_float(s, "x", AG_SHAPE(n, classes));
    ag_tensor t = sample_int(s, "t", AG_SHAPE(n), 0, classes);
    sample_result(s, ag_cross_entropy_with(x, t, reduction));
}

AG_SAMPLES(cross_entropy)
{
    SAMPLE("F.cross_entropy(x, t)") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(4, 5)), t = sample_int(s, "t", AG_SHAPE(4), 0, 5);
        sample_result(s, ag_cross_entropy(x, t));
    }
    SAMPLE("F.cross_entropy(x, t, reduction='sum')") {
        cross_entropy_sample(s, 4, 3, AG_REDUCE_SUM);
    }
    SAMPLE("F.cross_entropy(x, t, reduction='none')") {
        cross_entropy_sample(s, 4, 3, AG_REDUCE_NONE);
    }
    SAMPLE("F.cross_entropy(x, t)  # longer than a block") {
        cross_entropy_sample(s, 2, 21, AG_REDUCE_MEAN);
    }
    SAMPLE("F.cross_entropy(x, t)  # one row") {
        cross_entropy_sample(s, 1, 3, AG_REDUCE_MEAN);
    }
    SAMPLE("F.cross_entropy(x, t, reduction='sum')  # no rows") {
        cross_entropy_sample(s, 0, 3, AG_REDUCE_SUM);
    }
    SAMPLE("F.cross_entropy(x * 300, t)  # large") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(3, 4)), t = sample_int(s, "t", AG_SHAPE(3), 0, 4);
        sample_result(s, ag_cross_entropy(ag_mul_scalar(x, 300), t));
        sample_first_order_only(s);
    }
    REFUSES("ag_cross_entropy: logits (4,5) and labels (3): they must be (N,C) and (N)") {
        ag_cross_entropy(sample_float(s, "x", AG_SHAPE(4, 5)), sample_int(s, "t", AG_SHAPE(3), 0, 5));
    }
    REFUSES("ag_cross_entropy: logits (5) and labels (5): they must be (N,C) and (N)") {
        ag_cross_entropy(sample_float(s, "x", AG_SHAPE(5)), sample_int(s, "t", AG_SHAPE(5), 0, 5));
    }
    REFUSES("ag_cross_entropy: label 12 at position 0 is outside 0..9") {
        ag_cross_entropy(sample_float(s, "x", AG_SHAPE(4, 10)), sample_int(s, "t", AG_SHAPE(4), 12, 13));
    }
    REFUSES("ag_cross_entropy: label -1 at position 0 is outside 0..9") {
        ag_cross_entropy(sample_float(s, "x", AG_SHAPE(4, 10)), sample_int(s, "t", AG_SHAPE(4), -1, 0));
    }
    REFUSES("ag_cross_entropy: labels must be int64, got float") {
        ag_cross_entropy(sample_float(s, "x", AG_SHAPE(4, 10)), sample_float(s, "t", AG_SHAPE(4)));
    }
    REFUSES("ag_cross_entropy: needs a floating type, got int64") {
        ag_cross_entropy(sample_int(s, "x", AG_SHAPE(4, 10), 0, 3), sample_int(s, "t", AG_SHAPE(4), 0, 3));
    }
    REFUSES("ag_cross_entropy: reduction 7 is unknown") {
        cross_entropy_sample(s, 4, 3, (ag_reduction)7);
    }
}
#endif

/* ---- cross_entropy_input: the way back in one pass; see Note [Two ways back] ----------------------------------------------- */

static bool cross_entropy_input_shape(ag_call *call)
{
    const struct reduction_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, 0);
    ag_shape rows = AG_SHAPE(x->size[0]), g = p->reduction == AG_REDUCE_NONE ? rows : AG_SHAPE_SCALAR;
    return ops_need_shape(call, 1, rows) && ops_need_shape(call, 2, AG_SHAPE(x->size[0], 2)) &&
           ops_need_shape(call, 3, g) && ag_call_output(call, 0, x->dtype, ops_shape(x));
}

static bool cross_entropy_input_forward(ag_call *call)
{
    const struct reduction_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, 0), *dx = ag_call_result(call, 0);
    const void *logits = ops_row_major(call, x), *stats = ops_row_major(call, ag_call_input(call, 2));
    const void *g = ops_row_major(call, ag_call_input(call, 3));
    const int64_t *label = ops_row_major(call, ag_call_input(call, 1));
    if (logits == NULL || label == NULL || stats == NULL || g == NULL) {
        return false;
    }
    k_cross_entropy_input(x->dtype, ag_call_threads(call), x->size[0], x->size[1], logits, label, stats, g,
                          p->reduction == AG_REDUCE_NONE, reduction_scale(p->reduction, x->size[0]), dx->data);
    return true;
}

AG_OP(cross_entropy_input) {
    .size = sizeof(struct ag_op),
    .name = "cross_entropy_input",
    .formula = "dx = (softmax(x) - one_hot(label)) dloss",
    .inputs = 4,
    .outputs = 1,
    .params = sizeof(struct reduction_params),
    .shape = cross_entropy_input_shape,
    .forward = cross_entropy_input_forward,
};

static ag_tensor cross_entropy_input(ag_tensor x, ag_tensor label, ag_tensor stats, ag_tensor g, ag_reduction reduction)
{
    struct reduction_params p = { reduction };
    ag_tensor in[] = { x, label, stats, g }, out[1];
    return ag_apply(ag_caller(), &op_cross_entropy_input, 4, in, &p, out);
}

#ifdef WENGERT_SAMPLES
/* Each row's maximum and log sum, as cross_entropy keeps them. */
static ag_tensor stats_of(ag_tensor x)
{
    ag_tensor max = ag_amax(x, AG_DIMS(1), false), parts[] = { max, ag_sub(ag_logsumexp(x, AG_DIMS(1), false), max) };
    return ag_stack(2, parts, 1);
}

AG_SAMPLES(cross_entropy_input)
{
    SAMPLE("(torch.softmax(x, 1) - F.one_hot(t, 4)) * g / 3") {
        ag_tensor x = sample_constant(s, "x", AG_SHAPE(3, 4), -2, 2), t = sample_int(s, "t", AG_SHAPE(3), 0, 4);
        ag_tensor g = sample_constant(s, "g", AG_SHAPE_SCALAR, 1, 2);
        sample_result(s, cross_entropy_input(x, t, stats_of(x), g, AG_REDUCE_MEAN));
    }
    SAMPLE("(torch.softmax(x, 1) - F.one_hot(t, 4)) * g[:, None]") {
        ag_tensor x = sample_constant(s, "x", AG_SHAPE(3, 4), -2, 2), t = sample_int(s, "t", AG_SHAPE(3), 0, 4);
        ag_tensor g = sample_constant(s, "g", AG_SHAPE(3), 1, 2);
        sample_result(s, cross_entropy_input(x, t, stats_of(x), g, AG_REDUCE_NONE));
    }
    REFUSES("ag_cross_entropy_input: input 3 is () and must be (3)") {
        ag_tensor x = sample_constant(s, "x", AG_SHAPE(3, 4), -2, 2), t = sample_int(s, "t", AG_SHAPE(3), 0, 4);
        ag_tensor g = sample_constant(s, "g", AG_SHAPE_SCALAR, 1, 2);
        cross_entropy_input(x, t, stats_of(x), g, AG_REDUCE_NONE);
    }
}
#endif

/* ---- one_hot ------------------------------------------------------------------
 * y[n,c] = 1 where c = label[n], else 0 */

struct one_hot_params {
    int64_t classes;
    ag_dtype dtype;
};

static bool one_hot_shape(ag_call *call)
{
    const struct one_hot_params *p = ag_call_params(call);
    const ag_array *label = ag_call_input(call, 0);
    return ops_need_shape(call, 0, AG_SHAPE(label->numel)) &&
           ag_call_output(call, 0, p->dtype, AG_SHAPE(label->numel, p->classes));
}

static bool one_hot_forward(ag_call *call)
{
    const struct one_hot_params *p = ag_call_params(call);
    const ag_array *y = ag_call_result(call, 0);
    const int64_t *label = ops_row_major(call, ag_call_input(call, 0));
    if (label == NULL) {
        return false;
    }
    for (int64_t i = 0; i < y->numel; i++) {
        bool hot = i % p->classes == label[i / p->classes];
        if (p->dtype == AG_FLOAT32) {
            ((float *)y->data)[i] = hot;
        } else {
            ((double *)y->data)[i] = hot;
        }
    }
    return true;
}

AG_OP(one_hot) {
    .size = sizeof(struct ag_op),
    .name = "one_hot",
    .formula = "y[n,c] = 1 where c = label[n], else 0",
    .inputs = 1,
    .outputs = 1,
    .params = sizeof(struct one_hot_params),
    .shape = one_hot_shape,
    .forward = one_hot_forward,
};

static ag_tensor one_hot(ag_tensor label, int64_t classes, ag_dtype dtype)
{
    struct one_hot_params p = { classes, dtype };
    ag_tensor out[1];
    return ag_apply(ag_caller(), &op_one_hot, 1, &label, &p, out);
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(one_hot)
{
    SAMPLE("F.one_hot(t, 5) * 1.0") {
        sample_result(s, one_hot(sample_int(s, "t", AG_SHAPE(4), 0, 5), 5, sample_dtype(s)));
    }
    REFUSES("ag_one_hot: input 0 is (2,2) and must be (4)") {
        one_hot(sample_int(s, "t", AG_SHAPE(2, 2), 0, 5), 5, sample_dtype(s));
    }
}
#endif

/* ---- losses element by element: mse_loss, l1_loss, bce_with_logits ---------------------------------------------------------
 * One value for each element, reduced to the mean, the sum, or not at all. */

struct loss_params {
    k_loss_kind kind;
    ag_reduction reduction;
    bool wants[2]; /* for loss_input: which derivatives */
};

static ag_tensor loss_apply(ag_place where, const struct ag_op *op, k_loss_kind kind, ag_tensor x, ag_tensor y,
                            ag_reduction reduction)
{
    struct loss_params p = { .kind = kind, .reduction = reduction };
    ag_tensor in[] = { x, y }, out[1];
    return ag_apply(where, op, 2, in, &p, out);
}

/* Both channels last: then neither is copied. */
static bool channels_last_loss(ag_call *call)
{
    const ag_array *x = ag_call_input(call, 0), *y = ag_call_input(call, 1);
    return !ops_is_row_major(x) && ops_is_channels_last(x) && ops_is_channels_last(y);
}

static const void *in_loss_order(ag_call *call, const ag_array *a)
{
    return channels_last_loss(call) ? ops_channels_last(call, a) : ops_row_major(call, a);
}

static bool loss_output(ag_call *call, int i, const ag_array *like)
{
    return channels_last_loss(call) ? ag_call_output_channels_last(call, i, like->dtype, ops_shape(like))
                                    : ag_call_output(call, i, like->dtype, ops_shape(like));
}

static bool loss_shape(ag_call *call)
{
    const struct loss_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, 0), *y = ag_call_input(call, 1);
    char tx[AG_SHAPE_TEXT], ty[AG_SHAPE_TEXT];
    if (!ops_need_float(call, x) || !ops_need_same_dtype(call, x, y) ||
        !reduction_is_right(call, p->reduction)) {
        return false;
    }
    if (!ag_shape_equal(ops_shape(x), ops_shape(y))) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "%s and %s: the shapes must be the same", ops_text(x, tx),
                            ops_text(y, ty));
    }
    return p->reduction == AG_REDUCE_NONE ? loss_output(call, 0, x)
                                          : ag_call_output(call, 0, x->dtype, AG_SHAPE_SCALAR);
}

static bool loss_forward(ag_call *call)
{
    const struct loss_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, 0), *y = ag_call_input(call, 1), *loss = ag_call_result(call, 0);
    int threads = ag_call_threads(call);
    const void *dx = in_loss_order(call, x), *dy = in_loss_order(call, y);
    if (dx == NULL || dy == NULL) {
        return false;
    }
    if (p->reduction == AG_REDUCE_NONE) {
        k_loss_values(x->dtype, threads, p->kind, x->numel, dx, dy, loss->data);
        return true;
    }
    void *work = ag_call_work(call, k_loss_sum_bytes(x->numel));
    if (work == NULL) {
        return false;
    }
    double sum = k_loss_sum(x->dtype, threads, p->kind, x->numel, dx, dy, work);
    store(loss, p->reduction == AG_REDUCE_MEAN ? sum / (double)x->numel : sum);
    return true;
}

static void loss_input(ag_sweep *sweep);

/* The gradient that reaches each element's loss. */
static ag_tensor gradient_per_element(ag_sweep *s)
{
    const struct loss_params *p = ag_sweep_params(s);
    ag_tensor g = ag_sweep_grad(s, 0);
    if (p->reduction != AG_REDUCE_MEAN) {
        return g;
    }
    return ag_mul_scalar(g, reduction_scale(p->reduction, ag_shape_numel(ag_sweep_shape(s, 0))));
}

/* ---- mse_loss -----------------------------------------------------------------
 * (x - y)^2          dx = 2 (x - y) dloss = -dy */

static void mse_loss_backward(ag_sweep *s)
{
    if (!ag_sweep_recording(s)) {
        loss_input(s);
        return;
    }
    ag_tensor error = ag_sub(ag_sweep_input(s, 0), ag_sweep_input(s, 1));
    ag_tensor dx = ag_mul(error, ag_mul_scalar(gradient_per_element(s), 2));
    ag_sweep_add(s, 0, dx);
    if (ag_sweep_wants(s, 1)) {
        ag_sweep_add(s, 1, ag_neg(dx));
    }
}

AG_OP(mse_loss) {
    .size = sizeof(struct ag_op),
    .name = "mse_loss",
    .formula = "loss = (x - y)^2",
    .derivative = "dx = 2 (x - y) dloss;  dy = -dx",
    .inputs = 2,
    .outputs = 1,
    .saves = AG_SAVE_INPUT(0) | AG_SAVE_INPUT(1),
    .params = sizeof(struct loss_params),
    .orders = AG_ORDERS_ANY,
    .shape = loss_shape,
    .forward = loss_forward,
    .backward = mse_loss_backward,
};

ag_tensor ag_mse_loss_at(ag_place where, ag_tensor x, ag_tensor y)
{
    return loss_apply(where, &op_mse_loss, K_LOSS_MSE, x, y, AG_REDUCE_MEAN);
}

ag_tensor ag_mse_loss_with_at(ag_place where, ag_tensor x, ag_tensor y, ag_reduction reduction)
{
    return loss_apply(where, &op_mse_loss, K_LOSS_MSE, x, y, reduction);
}

#ifdef WENGERT_SAMPLES
#define LOSS_SAMPLES(ours, theirs)                                                                        \
    SAMPLE("F." theirs "(x, y)") {                                                                        \
        ag_tensor x = sample_float(s, "x", AG_SHAPE(3, 4)), y = sample_range(s, "y", AG_SHAPE(3, 4), 3, 5); \
        sample_result(s, ag_##ours(x, y));                                                                \
    }                                                                                                     \
    SAMPLE("F." theirs "(x, y, reduction='sum')") {                                                       \
        ag_tensor x = sample_float(s, "x", AG_SHAPE(2, 19)), y = sample_range(s, "y", AG_SHAPE(2, 19), -6, -4); \
        sample_result(s, ag_##ours##_with(x, y, AG_REDUCE_SUM));                                          \
    }                                                                                                     \
    SAMPLE("F." theirs "(x, y, reduction='none')") {                                                      \
        ag_tensor x = sample_float(s, "x", AG_SHAPE(2, 2, 3, 2));                                         \
        ag_tensor y = sample_range(s, "y", AG_SHAPE(2, 2, 3, 2), 3, 5);                                   \
        sample_result(s, ag_##ours##_with(x, y, AG_REDUCE_NONE));                                         \
    }                                                                                                     \
    SAMPLE("F." theirs "(x, y)  # target without gradient") {                                             \
        ag_tensor x = sample_float(s, "x", AG_SHAPE(5)), y = sample_constant(s, "y", AG_SHAPE(5), 3, 4);  \
        sample_result(s, ag_##ours(x, y));                                                                \
    }                                                                                                     \
    SAMPLE("F." theirs "(x, y)  # scalars") {                                                             \
        ag_tensor x = sample_float(s, "x", AG_SHAPE_SCALAR), y = sample_range(s, "y", AG_SHAPE_SCALAR, 3, 4); \
        sample_result(s, ag_##ours(x, y));                                                                \
    }                                                                                                     \
    SAMPLE("F." theirs "(x, y, reduction='sum')  # no elements") {                                        \
        ag_tensor x = sample_float(s, "x", AG_SHAPE(0, 3)), y = sample_float(s, "y", AG_SHAPE(0, 3));     \
        sample_result(s, ag_##ours##_with(x, y, AG_REDUCE_SUM));                                          \
    }                                                                                                     \
    REFUSES("ag_" #ours ": (3,4) and (4): the shapes must be the same") {                                 \
        ag_##ours(sample_float(s, "x", AG_SHAPE(3, 4)), sample_float(s, "y", AG_SHAPE(4)));               \
    }                                                                                                     \
    REFUSES("ag_" #ours ": reduction 3 is unknown") {                                                     \
        ag_##ours##_with(sample_float(s, "x", AG_SHAPE(3)), sample_float(s, "y", AG_SHAPE(3)), (ag_reduction)3); \
    }                                                                                                     \
    REFUSES("ag_" #ours ": needs a floating type, got int64") {                                           \
        ag_##ours(sample_int(s, "x", AG_SHAPE(3), 0, 2), sample_float(s, "y", AG_SHAPE(3)));              \
    }                                                                                                     \
    REFUSES("ag_" #ours ": element types float32 and float64 differ") {                                   \
        ag_##ours(ag_zeros(AG_SHAPE(3), AG_FLOAT32), ag_zeros(AG_SHAPE(3), AG_FLOAT64));                  \
    }

AG_SAMPLES(mse_loss)
{
    LOSS_SAMPLES(mse_loss, "mse_loss")
}
#endif

/* ---- l1_loss ------------------------------------------------------------------
 * |x - y|          dx = sign(x - y) dloss = -dy */

static void l1_loss_backward(ag_sweep *s)
{
    if (!ag_sweep_recording(s)) {
        loss_input(s);
        return;
    }
    ag_tensor error = ag_sub(ag_sweep_input(s, 0), ag_sweep_input(s, 1));
    ag_tensor dx = ag_mul(ag_sign(error), gradient_per_element(s));
    ag_sweep_add(s, 0, dx);
    if (ag_sweep_wants(s, 1)) {
        ag_sweep_add(s, 1, ag_neg(dx));
    }
}

AG_OP(l1_loss) {
    .size = sizeof(struct ag_op),
    .name = "l1_loss",
    .formula = "loss = |x - y|",
    .derivative = "dx = sign(x - y) dloss;  dy = -dx",
    .inputs = 2,
    .outputs = 1,
    .saves = AG_SAVE_INPUT(0) | AG_SAVE_INPUT(1),
    .params = sizeof(struct loss_params),
    .orders = AG_ORDERS_ANY,
    .shape = loss_shape,
    .forward = loss_forward,
    .backward = l1_loss_backward,
};

ag_tensor ag_l1_loss_at(ag_place where, ag_tensor x, ag_tensor y)
{
    return loss_apply(where, &op_l1_loss, K_LOSS_L1, x, y, AG_REDUCE_MEAN);
}

ag_tensor ag_l1_loss_with_at(ag_place where, ag_tensor x, ag_tensor y, ag_reduction reduction)
{
    return loss_apply(where, &op_l1_loss, K_LOSS_L1, x, y, reduction);
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(l1_loss)
{
    LOSS_SAMPLES(l1_loss, "l1_loss")
}
#endif

/* ---- bce_with_logits -----------------------------------------------------------
 * max(x, 0) - x y + log(1 + e^-|x|)          dx = (sigmoid(x) - y) dloss          dy = -x dloss */

static void bce_with_logits_backward(ag_sweep *s)
{
    if (!ag_sweep_recording(s)) {
        loss_input(s);
        return;
    }
    ag_tensor x = ag_sweep_input(s, 0), g = gradient_per_element(s);
    if (ag_sweep_wants(s, 0)) {
        ag_sweep_add(s, 0, ag_mul(ag_sub(ag_sigmoid(x), ag_sweep_input(s, 1)), g));
    }
    if (ag_sweep_wants(s, 1)) {
        ag_sweep_add(s, 1, ag_neg(ag_mul(x, g)));
    }
}

AG_OP(bce_with_logits) {
    .size = sizeof(struct ag_op),
    .name = "bce_with_logits",
    .formula = "loss = max(x, 0) - x y + log(1 + e^-|x|)",
    .derivative = "dx = (sigmoid(x) - y) dloss;  dy = -x dloss",
    .inputs = 2,
    .outputs = 1,
    .saves = AG_SAVE_INPUT(0) | AG_SAVE_INPUT(1),
    .params = sizeof(struct loss_params),
    .orders = AG_ORDERS_ANY,
    .shape = loss_shape,
    .forward = loss_forward,
    .backward = bce_with_logits_backward,
};

ag_tensor ag_bce_with_logits_at(ag_place where, ag_tensor x, ag_tensor y)
{
    return loss_apply(where, &op_bce_with_logits, K_LOSS_BCE, x, y, AG_REDUCE_MEAN);
}

ag_tensor ag_bce_with_logits_with_at(ag_place where, ag_tensor x, ag_tensor y, ag_reduction reduction)
{
    return loss_apply(where, &op_bce_with_logits, K_LOSS_BCE, x, y, reduction);
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(bce_with_logits)
{
    LOSS_SAMPLES(bce_with_logits, "binary_cross_entropy_with_logits")
    SAMPLE("F.binary_cross_entropy_with_logits(torch.full((2,), math.inf), torch.tensor([0.0, 0.5]), reduction='none')") {
        const double target[] = {0, 0.5};
        ag_dtype dtype = sample_dtype(s);
        sample_result(s, ag_bce_with_logits_with(ag_full(AG_SHAPE(2), INFINITY, dtype),
                                                 ag_cast(ag_from(AG_SHAPE(2), AG_FLOAT64, target), dtype),
                                                 AG_REDUCE_NONE));
    }
    SAMPLE("F.binary_cross_entropy_with_logits(x * 300, y)  # large") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(3, 4)), y = sample_range(s, "y", AG_SHAPE(3, 4), 0, 1);
        sample_result(s, ag_bce_with_logits(ag_mul_scalar(x, 300), y));
        sample_first_order_only(s);
    }
}
#endif

/* ---- loss_input: the way back of the three in one pass; see Note [Two ways back] --------------------------------------------- */

static bool loss_input_shape(ag_call *call)
{
    const struct loss_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, 0);
    ag_shape g = p->reduction == AG_REDUCE_NONE ? ops_shape(x) : AG_SHAPE_SCALAR;
    if (!ops_need_shape(call, 1, ops_shape(x)) || !ops_need_shape(call, 2, g)) {
        return false;
    }
    for (int i = 0; i < 2; i++) {
        if (!(p->wants[i] ? loss_output(call, i, x) : ag_call_output(call, i, x->dtype, AG_SHAPE(0)))) {
            return false;
        }
    }
    return true;
}

static bool loss_input_forward(ag_call *call)
{
    const struct loss_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, 0);
    bool per_element = p->reduction == AG_REDUCE_NONE;
    const void *px = in_loss_order(call, x), *py = in_loss_order(call, ag_call_input(call, 1));
    const ag_array *gradient = ag_call_input(call, 2);
    const void *g = per_element ? in_loss_order(call, gradient) : ops_row_major(call, gradient);
    if (px == NULL || py == NULL || g == NULL) {
        return false;
    }
    k_loss_input(x->dtype, ag_call_threads(call), p->kind, x->numel, px, py, g, per_element,
                 reduction_scale(p->reduction, x->numel), p->wants[0] ? ag_call_result(call, 0)->data : NULL,
                 p->wants[1] ? ag_call_result(call, 1)->data : NULL);
    return true;
}

AG_OP(loss_input) {
    .size = sizeof(struct ag_op),
    .name = "loss_input",
    .formula = "dx, dy = the derivatives of a loss times dloss",
    .inputs = 3,
    .outputs = 2,
    .params = sizeof(struct loss_params),
    .shape = loss_input_shape,
    .forward = loss_input_forward,
};

static void loss_input(ag_sweep *sweep)
{
    struct loss_params p = *(const struct loss_params *)ag_sweep_params(sweep);
    ag_tensor in[] = { ag_sweep_input(sweep, 0), ag_sweep_input(sweep, 1), ag_sweep_grad(sweep, 0) }, out[2];
    for (int i = 0; i < 2; i++) {
        p.wants[i] = ag_sweep_wants(sweep, i);
    }
    ag_apply(ag_caller(), &op_loss_input, 3, in, &p, out);
    for (int i = 0; i < 2; i++) {
        if (p.wants[i]) {
            ag_sweep_add(sweep, i, out[i]);
        }
    }
}

#ifdef WENGERT_SAMPLES
static void loss_input_sample(ag_samples *s, k_loss_kind kind, ag_reduction reduction, ag_shape g)
{
    struct loss_params p = { kind, reduction, { true, true } };
    ag_tensor in[] = { sample_constant(s, "x", AG_SHAPE(2, 3), -2, 2), sample_constant(s, "y", AG_SHAPE(2, 3), 3, 4),
                       sample_constant(s, "g", g, 1, 2) };
    ag_tensor out[2];
    ag_apply(ag_caller(), &op_loss_input, 3, in, &p, out);
    sample_result(s, out[0]);
    sample_result(s, out[1]);
}

AG_SAMPLES(loss_input)
{
    SAMPLE("(2 * (x - y) * g / 6, -2 * (x - y) * g / 6)") {
        loss_input_sample(s, K_LOSS_MSE, AG_REDUCE_MEAN, AG_SHAPE_SCALAR);
    }
    SAMPLE("(torch.sign(x - y) * g, -torch.sign(x - y) * g)") {
        loss_input_sample(s, K_LOSS_L1, AG_REDUCE_NONE, AG_SHAPE(2, 3));
    }
    SAMPLE("((torch.sigmoid(x) - y) * g, -x * g)") {
        loss_input_sample(s, K_LOSS_BCE, AG_REDUCE_SUM, AG_SHAPE_SCALAR);
    }
    REFUSES("ag_loss_input: input 2 is (3) and must be ()") {
        loss_input_sample(s, K_LOSS_BCE, AG_REDUCE_SUM, AG_SHAPE(3));
    }
}
#endif
