/*
 * Cross-entropy of logits (N,C) with a label a row: the loss of most classifiers, as fast as it goes. What has weights,
 * labels to be ignored, smoothing or places is in cross_entropy.c. Two ways back, see Note [Two ways back] in softmax.c.
 */
#include "autograd/autograd.h"
#include "autograd/kernels/kernels.h"
#include "autograd/ops/common.h"
#include "autograd/ops/loss_common.h"
#include "autograd/samples.h"

/* ---- cross_entropy ------------------------------------------------------------
 * loss[n] = -log softmax(x[n])[label[n]]          dx[n] = (softmax(x[n]) - one_hot(label[n])) dloss[n]
 * The second result (N,2) keeps each row's maximum and log sum for the way back. */

struct reduction_params {
    ag_reduction reduction;
};

static bool cross_entropy_shape(ag_call *call)
{
    const struct reduction_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, 0), *label = ag_call_input(call, 1);
    char tx[AG_SHAPE_TEXT], tl[AG_SHAPE_TEXT];
    if (!ops_need_float(call, x) || !loss_reduction_is_right(call, p->reduction)) {
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
        double sum = loss_sum_of(x->dtype, n, losses);
        loss_store(loss, p->reduction == AG_REDUCE_MEAN ? sum / (double)n : sum);
    }
    return true;
}

static ag_tensor cross_entropy_input(ag_tensor x, ag_tensor label, ag_tensor stats, ag_tensor g, ag_reduction reduction);

static void cross_entropy_backward(ag_sweep *s)
{
    const struct reduction_params *p = ag_sweep_params(s);
    ag_tensor x = ag_sweep_input(s, 0), label = ag_sweep_input(s, 1), g = ag_sweep_grad(s, 0);
    if (!ag_sweep_recording(s)) {
        ag_sweep_add(s, 0, cross_entropy_input(x, label, ag_sweep_output(s, 1), g, p->reduction));
        return;
    }
    ag_shape shape = ag_sweep_shape(s, 0);
    ag_tensor error = ag_sub(ag_softmax(x, 1), ag_one_hot(label, shape.size[1], ag_sweep_dtype(s, 0)));
    if (p->reduction == AG_REDUCE_NONE) {
        g = ag_unsqueeze(g, 1);
    } else {
        g = ag_mul_scalar(g, loss_reduction_scale(p->reduction, shape.size[0]));
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
                          p->reduction == AG_REDUCE_NONE, loss_reduction_scale(p->reduction, x->size[0]), dx->data);
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
