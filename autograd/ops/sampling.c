/*
 * Drawing from what tensors say: permutations, choices by weight, relaxed choices, dropout of whole channels.
 */
#include <math.h>

#include "../samples.h"
#include "common.h"
#include "look.h"
#include "ops.h"

struct draw_params {
    uint64_t key;
    int64_t n;
    bool replacement;
};

/* Applies an operation with one key of the generator, which moves on only if that succeeds. */
static ag_tensor draw(ag_place where, const struct ag_op *op, int inputs, const ag_tensor *in, struct draw_params p, ag_rng *rng)
{
    if (rng == NULL) {
        ag_error_raise(where, AG_ERROR_VALUE, "ag_%s: the generator is NULL", op->name);
        return AG_NIL;
    }
    ag_rng next = *rng;
    p.key = ag_rng_next(&next);
    ag_tensor y = ag_apply(where, op, inputs, in, &p, NULL);
    if (!ag_is_nil(y)) {
        *rng = next;
    }
    return y;
}

/* ---- permutation --------------------------------------------------------------------------------------------------------------------
 * y = 0..n-1 in random order */

static bool permutation_shape(ag_call *call)
{
    const struct draw_params *p = ag_call_params(call);
    if (p->n < 0) {
        return ag_call_fail(call, AG_ERROR_VALUE, "%lld elements", (long long)p->n);
    }
    return ag_call_output(call, 0, AG_INT64, AG_SHAPE(p->n));
}

static bool permutation_forward(ag_call *call)
{
    const struct draw_params *p = ag_call_params(call);
    ag_rng rng = ag_rng_seed(p->key);
    ag_rng_permutation(&rng, p->n, ag_call_result(call, 0)->data);
    return true;
}

AG_OP(permutation){.size = sizeof(struct ag_op), .name = "permutation", .formula = "y = 0..n-1 in random order", .inputs = 0,
                   .outputs = 1, .params = sizeof(struct draw_params), .shape = permutation_shape, .forward = permutation_forward};

ag_tensor ag_permutation_at(ag_place where, int64_t n, ag_rng *rng)
{
    return draw(where, &op_permutation, 0, NULL, (struct draw_params){.n = n}, rng);
}

/* ---- multinomial --------------------------------------------------------------------------------------------------------------------
 * With replacement each draw is where a uniform number falls among the running sums. Without, element i waits for an exponential
 * time of rate w[i]: the first n to come are a draw without replacement, in order. */

static bool multinomial_shape(ag_call *call)
{
    const struct draw_params *p = ag_call_params(call);
    const ag_array *w = ag_call_input(call, 0);
    if (!ops_need_float(call, w)) {
        return false;
    }
    if ((w->ndim != 1 && w->ndim != 2) || w->size[w->ndim - 1] == 0) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "weights %s must be (C) or (N,C), with elements", ag_call_shape_text(call, 0));
    }
    if (p->n < 1 || (!p->replacement && p->n > w->size[w->ndim - 1])) {
        return ag_call_fail(call, AG_ERROR_VALUE, "%lld cannot be drawn from %lld%s", (long long)p->n,
                            (long long)w->size[w->ndim - 1], p->replacement ? "" : " without replacement");
    }
    return ag_call_output(call, 0, AG_INT64, w->ndim == 1 ? AG_SHAPE(p->n) : AG_SHAPE(w->size[0], p->n));
}

static double weight_at(const ag_array *w, const void *data, int64_t i)
{
    return w->dtype == AG_FLOAT32 ? (double)((const float *)data)[i] : ((const double *)data)[i];
}

static void with_replacement(ag_rng *rng, const double *sums, int64_t classes, int64_t n, int64_t *out)
{
    for (int64_t k = 0; k < n; k++) {
        double u = ag_rng_uniform(rng) * sums[classes - 1];
        int64_t low = 0, high = classes - 1; /* the first sum above u */
        while (low < high) {
            int64_t middle = (low + high) / 2;
            if (sums[middle] > u) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        out[k] = low;
    }
}

static bool without_replacement(ag_rng *rng, double *times, const double *sums, int64_t classes, int64_t n, int64_t *out)
{
    for (int64_t i = 0; i < classes; i++) {
        double w = sums[i] - (i > 0 ? sums[i - 1] : 0), u = ag_rng_uniform(rng);
        times[i] = w > 0 ? -log1p(-u) / w : INFINITY;
    }
    for (int64_t k = 0; k < n; k++) {
        int64_t first = -1;
        for (int64_t i = 0; i < classes; i++) {
            if (isfinite(times[i]) && (first < 0 || times[i] < times[first])) {
                first = i;
            }
        }
        if (first < 0) {
            return false;
        }
        times[first] = INFINITY;
        out[k] = first;
    }
    return true;
}

static bool multinomial_forward(ag_call *call)
{
    const struct draw_params *p = ag_call_params(call);
    const ag_array *w = ag_call_input(call, 0);
    int64_t classes = w->size[w->ndim - 1], rows = w->numel / classes;
    const void *data = ops_row_major(call, w);
    double *sums = ag_call_work(call, (size_t)classes * 2 * sizeof(double));
    if (data == NULL || sums == NULL) {
        return false;
    }
    ag_rng rng = ag_rng_seed(p->key);
    for (int64_t r = 0; r < rows; r++) {
        double sum = 0;
        for (int64_t i = 0; i < classes; i++) {
            double x = weight_at(w, data, r * classes + i);
            if (!(x >= 0) || isinf(x)) {
                return ag_call_fail(call, AG_ERROR_VALUE, "weight %lld of row %lld is %g", (long long)i, (long long)r, x);
            }
            sums[i] = sum += x;
        }
        if (!(sum > 0) || isinf(sum)) {
            return ag_call_fail(call, AG_ERROR_VALUE, "the weights of row %lld add up to %g", (long long)r, sum);
        }
        int64_t *out = (int64_t *)ag_call_result(call, 0)->data + r * p->n;
        if (p->replacement) {
            with_replacement(&rng, sums, classes, p->n, out);
        } else if (!without_replacement(&rng, sums + classes, sums, classes, p->n, out)) {
            return ag_call_fail(call, AG_ERROR_VALUE, "row %lld has fewer than %lld weights above 0", (long long)r, (long long)p->n);
        }
    }
    return true;
}

AG_OP(multinomial){.size = sizeof(struct ag_op), .name = "multinomial", .formula = "y[k] = i with probability w[i] / sum of w", .inputs = 1,
                   .outputs = 1, .params = sizeof(struct draw_params), .shape = multinomial_shape, .forward = multinomial_forward};

ag_tensor ag_multinomial_at(ag_place where, ag_tensor weights, int64_t n, bool replacement, ag_rng *rng)
{
    return draw(where, &op_multinomial, 1, &weights, (struct draw_params){.n = n, .replacement = replacement}, rng);
}

/* ---- composed -------------------------------------------------------------------------------------------------------------------------- */

static const ag_value *ready(ag_place where, const char *function, ag_tensor x, const ag_rng *rng)
{
    const ag_value *v = look(where, function, x);
    if (v == NULL) {
        return NULL;
    }
    if (rng == NULL) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: the generator is NULL", function);
        return NULL;
    }
    if (!ag_dtype_is_float((ag_dtype)v->dtype)) {
        ag_error_raise(where, AG_ERROR_DTYPE, "%s: needs a floating type, got %s", function, ag_dtype_name((ag_dtype)v->dtype));
        return NULL;
    }
    return v;
}

ag_tensor ag_bernoulli_of_at(ag_place where, ag_tensor p, ag_rng *rng)
{
    const ag_value *v = ready(where, "ag_bernoulli_of", p, rng);
    if (v == NULL) {
        return AG_NIL;
    }
    ag_dtype dtype = (ag_dtype)v->dtype;
    ag_frame frame = ag_frame_begin();
    ag_tensor wrong = ag_sum_at(where, ag_logical_not_at(where, ag_logical_and_at(where, ag_ge_scalar_at(where, p, 0),
                                                                                 ag_le_scalar_at(where, p, 1))));
    if (ag_error_code() == AG_OK && ag_item_at(where, wrong) > 0) {
        ag_error_raise(where, AG_ERROR_VALUE, "ag_bernoulli_of: %g probabilities are outside 0..1", ag_item_at(where, wrong));
        return ag_frame_end(frame, AG_NIL);
    }
    ag_tensor u = ag_uniform_at(where, ag_shape_of_at(where, p), 0, 1, dtype, rng);
    return ag_frame_end(frame, ag_cast_at(where, ag_lt_at(where, u, p), dtype));
}

ag_tensor ag_gumbel_softmax_at(ag_place where, ag_tensor logits, double tau, bool hard, int dim, ag_rng *rng)
{
    const ag_value *v = ready(where, "ag_gumbel_softmax", logits, rng);
    if (v == NULL || !look_dim(where, "ag_gumbel_softmax", v, &dim, true)) {
        return AG_NIL;
    }
    if (!(tau > 0) || !isfinite(tau)) {
        ag_error_raise(where, AG_ERROR_VALUE, "ag_gumbel_softmax: tau %g must be positive", tau);
        return AG_NIL;
    }
    ag_dtype dtype = (ag_dtype)v->dtype;
    ag_shape shape = ag_value_shape_of(v);
    ag_frame frame = ag_frame_begin();
    /* -log(-log(u)), with u in (0, 1]: 1 - u of the generator's [0, 1). */
    ag_tensor u = ag_uniform_at(where, shape, 0, 1, dtype, rng);
    ag_tensor g = ag_neg_at(where, ag_log_at(where, ag_neg_at(where, ag_log1p_at(where, ag_neg_at(where, u)))));
    ag_tensor soft = ag_softmax_at(where, ag_mul_scalar_at(where, ag_add_at(where, logits, g), 1 / tau), dim);
    if (!hard || ag_error_code() != AG_OK) {
        return ag_frame_end(frame, soft);
    }
    ag_tensor chosen = ag_scatter_value_at(where, ag_zeros_at(where, shape, dtype), dim, ag_argmax_at(where, soft, dim, true), 1);
    return ag_frame_end(frame, ag_add_at(where, ag_sub_at(where, chosen, ag_detach_at(where, soft)), soft));
}

static ag_tensor drop_channels(ag_place where, const char *function, ag_tensor x, double p, ag_rng *rng, int dims, bool unbatched)
{
    const ag_value *v = ready(where, function, x, rng);
    char text[AG_SHAPE_TEXT];
    if (v == NULL) {
        return AG_NIL;
    }
    if (v->ndim != dims + 2 && !(unbatched && v->ndim == dims + 1)) {
        ag_error_raise(where, AG_ERROR_SHAPE, "%s: input %s must be %s", function, look_text(v, text),
                       dims == 1 ? "(N,C,L) or (C,L)" : "(N,C,H,W)");
        return AG_NIL;
    }
    if (!(p >= 0 && p <= 1)) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: probability %g is outside 0..1", function, p);
        return AG_NIL;
    }
    ag_shape channels = ag_value_shape_of(v);
    for (int d = 0; d < dims; d++) {
        channels.size[channels.ndim - 1 - d] = 1;
    }
    ag_frame frame = ag_frame_begin();
    ag_tensor mask = ag_dropout_at(where, ag_ones_at(where, channels, (ag_dtype)v->dtype), p, rng);
    return ag_frame_end(frame, ag_mul_at(where, x, mask));
}

ag_tensor ag_dropout1d_at(ag_place where, ag_tensor x, double p, ag_rng *rng)
{
    return drop_channels(where, "ag_dropout1d", x, p, rng, 1, true);
}

ag_tensor ag_dropout2d_at(ag_place where, ag_tensor x, double p, ag_rng *rng)
{
    return drop_channels(where, "ag_dropout2d", x, p, rng, 2, false);
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(permutation)
{
    ag_rng rng = ag_rng_seed(3);
    SAMPLE("torch.arange(7)") {
        ag_tensor values = ag_sort(ag_permutation(7, &rng), 0, false, NULL);
        sample_result(s, values);
    }
    SAMPLE("torch.zeros(1)  # where the only one stands") {
        sample_result(s, ag_permutation(1, &rng));
    }
    REFUSES("ag_permutation: -1 elements") {
        ag_permutation(-1, &rng);
    }
    REFUSES("ag_permutation: the generator is NULL") {
        ag_permutation(3, NULL);
    }
}
AG_SAMPLES(multinomial)
{
    ag_rng rng = ag_rng_seed(3);
    SAMPLE("torch.tensor([[1, 1, 1], [0, 0, 0]])") {
        const double w[] = {0, 2, 0, 0.5, 0, 0};
        sample_result(s, ag_multinomial(sample_values(s, "w", AG_SHAPE(2, 3), w), 3, true, &rng));
        sample_no_differences(s);
    }
    SAMPLE("torch.arange(4)") {
        sample_result(s, ag_sort(ag_multinomial(sample_range(s, "w", AG_SHAPE(4), 0.5, 2), 4, false, &rng), 0, false, NULL));
        sample_no_differences(s);
    }
    REFUSES("ag_multinomial: weight 1 of row 0 is -1") {
        const double w[] = {1, -1};
        ag_multinomial(sample_values(s, "w", AG_SHAPE(2), w), 1, true, &rng);
    }
    REFUSES("ag_multinomial: the weights of row 0 add up to 0") {
        const double w[] = {0, 0};
        ag_multinomial(sample_values(s, "w", AG_SHAPE(2), w), 1, true, &rng);
    }
    REFUSES("ag_multinomial: 3 cannot be drawn from 2 without replacement") {
        ag_multinomial(sample_range(s, "w", AG_SHAPE(2), 0.5, 1), 3, false, &rng);
    }
    REFUSES("ag_multinomial: row 0 has fewer than 2 weights above 0") {
        const double w[] = {0, 1, 0};
        ag_multinomial(sample_values(s, "w", AG_SHAPE(3), w), 2, false, &rng);
    }
    REFUSES("ag_multinomial: weights (2,0) must be (C) or (N,C), with elements") {
        ag_multinomial(sample_float(s, "w", AG_SHAPE(2, 0)), 1, true, &rng);
    }
}
AG_SAMPLES_OF_FUNCTION(bernoulli_of)
{
    ag_rng rng = ag_rng_seed(3);
    SAMPLE("torch.tensor([0., 1., 1., 0.], dtype=torch.float64)") {
        const double p[] = {0, 1, 1, 0};
        sample_result(s, ag_bernoulli_of(sample_values(s, "p", AG_SHAPE(4), p), &rng));
    }
    REFUSES("ag_bernoulli_of: 2 probabilities are outside 0..1") {
        const double p[] = {0, 1.5, NAN, 0};
        ag_bernoulli_of(sample_values(s, "p", AG_SHAPE(4), p), &rng);
    }
    REFUSES("ag_bernoulli_of: needs a floating type, got int64") {
        ag_bernoulli_of(sample_int(s, "k", AG_SHAPE(4), 0, 2), &rng);
    }
    REFUSES("ag_bernoulli_of: the generator is NULL") {
        ag_bernoulli_of(sample_float(s, "p", AG_SHAPE(4)), NULL);
    }
}
AG_SAMPLES_OF_FUNCTION(gumbel_softmax)
{
    ag_rng rng = ag_rng_seed(3), again = rng;
    SAMPLE("torch.softmax(a / 0.5, -1)  # without the noise") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3, 4)), u = ag_uniform(AG_SHAPE(3, 4), 0, 1, sample_dtype(s), &again);
        ag_tensor g = ag_neg(ag_log(ag_neg(ag_log(ag_sub(ag_ones_like(u), u)))));
        sample_result(s, ag_gumbel_softmax(ag_sub(a, g), 0.5, false, -1, &rng));
    }
    SAMPLE("F.one_hot((a / 2).argmax(0), 3).t() + torch.softmax(a / 2, 0) - torch.softmax(a / 2, 0).detach()") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3, 4)), u = ag_uniform(AG_SHAPE(3, 4), 0, 1, sample_dtype(s), &again);
        ag_tensor g = ag_neg(ag_log(ag_neg(ag_log(ag_sub(ag_ones_like(u), u)))));
        sample_result(s, ag_gumbel_softmax(ag_sub(a, g), 2, true, 0, &rng));
        sample_no_differences(s);
    }
    REFUSES("ag_gumbel_softmax: tau 0 must be positive") {
        ag_gumbel_softmax(sample_float(s, "a", AG_SHAPE(3, 4)), 0, false, -1, &rng);
    }
    REFUSES("ag_gumbel_softmax: dimension 2 is out of range for (3,4)") {
        ag_gumbel_softmax(sample_float(s, "a", AG_SHAPE(3, 4)), 1, false, 2, &rng);
    }
}
AG_SAMPLES_OF_FUNCTION(channel_dropout)
{
    ag_rng rng = ag_rng_seed(3), again = rng;
    SAMPLE("x * 1") {
        sample_result(s, ag_dropout2d(sample_float(s, "x", AG_SHAPE(2, 3, 2, 2)), 0, &rng));
    }
    SAMPLE("x * 0") {
        sample_result(s, ag_dropout1d(sample_float(s, "x", AG_SHAPE(2, 3, 2)), 1, &rng));
    }
    SAMPLE("x * 1  # whole channels") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(4, 3, 2, 2)), mask = ag_dropout2d(ag_ones_like(x), 0.5, &again);
        ag_tensor one = ag_slice(ag_slice(mask, 2, 0, 1, 1), 3, 0, 1, 1);
        sample_result(s, ag_add(ag_dropout2d(x, 0.5, &rng), ag_mul(x, ag_add_scalar(ag_neg(one), 1))));
    }
    REFUSES("ag_dropout1d: input (2) must be (N,C,L) or (C,L)") {
        ag_dropout1d(sample_float(s, "x", AG_SHAPE(2)), 0.5, &rng);
    }
    REFUSES("ag_dropout2d: input (2,3,4) must be (N,C,H,W)") {
        ag_dropout2d(sample_float(s, "x", AG_SHAPE(2, 3, 4)), 0.5, &rng);
    }
    REFUSES("ag_dropout2d: probability 2 is outside 0..1") {
        ag_dropout2d(sample_float(s, "x", AG_SHAPE(2, 3, 4, 4)), 2, &rng);
    }
}
#endif
