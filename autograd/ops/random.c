/*
 * Random tensors and dropout. Each call draws one key from the generator and expands it by counter, so that the same key gives
 * the same numbers again: dropout's backward draws its mask anew instead of keeping it.
 */
#include <math.h>

#include "autograd/autograd.h"
#include "autograd/kernels/kernels.h"
#include "autograd/ops/common.h"
#include "autograd/samples.h"

/* ---- what they share ----------------------------------------------------------------------------------------------------- */

struct random_params {
    ag_shape shape;
    ag_dtype dtype;
    uint64_t key;
    double a, b;       /* low and high, mean and std, p */
    int64_t low, high; /* of randint */
};

/* Applies an operation without inputs to one key of the generator, which moves on only if that succeeds. */
static ag_tensor random_apply(ag_place where, const struct ag_op *op, struct random_params params, ag_rng *rng)
{
    ag_tensor out[1];
    if (rng == NULL) {
        ag_error_raise(where, AG_ERROR_VALUE, "ag_%s: the generator is NULL", op->name);
        return AG_NIL;
    }
    ag_rng next = *rng;
    params.key = ag_rng_next(&next);
    ag_apply(where, op, 0, NULL, &params, out);
    if (!ag_is_nil(out[0])) {
        *rng = next;
    }
    return out[0];
}

static bool random_output(ag_call *call, const struct random_params *p)
{
    char text[AG_SHAPE_TEXT];
    if (ag_shape_numel(p->shape) < 0) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "%s is no shape", ag_shape_format(p->shape, text, sizeof(text)));
    }
    return ag_call_output(call, 0, p->dtype, p->shape);
}

static bool need_float_result(ag_call *call, const struct random_params *p)
{
    if (ag_dtype_is_float(p->dtype)) {
        return true;
    }
    return ag_call_fail(call, AG_ERROR_DTYPE, "needs a floating type, got %s", ag_dtype_name(p->dtype));
}

/* ---- uniform --------------------------------------------------------------------
 * y in [low, high) */

static bool uniform_shape(ag_call *call)
{
    const struct random_params *p = ag_call_params(call);
    if (!(p->a <= p->b) || isinf(p->b - p->a)) {
        return ag_call_fail(call, AG_ERROR_VALUE, "low %g must not be above high %g", p->a, p->b);
    }
    return need_float_result(call, p) && random_output(call, p);
}

static bool uniform_forward(ag_call *call)
{
    const struct random_params *p = ag_call_params(call);
    const ag_array *y = ag_call_result(call, 0);
    k_random_uniform(p->dtype, ag_call_threads(call), y->numel, p->key, p->a, p->b, y->data);
    return true;
}

AG_OP(uniform) {
    .size = sizeof(struct ag_op),
    .name = "uniform",
    .formula = "y uniform in [low, high)",
    .inputs = 0,
    .outputs = 1,
    .params = sizeof(struct random_params),
    .shape = uniform_shape,
    .forward = uniform_forward,
};

ag_tensor ag_uniform_at(ag_place where, ag_shape shape, double low, double high, ag_dtype dtype, ag_rng *rng)
{
    struct random_params p = { .shape = shape, .dtype = dtype, .a = low, .b = high };
    return random_apply(where, &op_uniform, p, rng);
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(uniform)
{
    ag_rng rng = ag_rng_seed(1);
    SAMPLE("torch.full((2, 3), 1.5)") {
        sample_result(s, ag_uniform(AG_SHAPE(2, 3), 1.5, 1.5, sample_dtype(s), &rng));
    }
    REFUSES("ag_uniform: low 2 must not be above high 1") {
        ag_uniform(AG_SHAPE(3), 2, 1, sample_dtype(s), &rng);
    }
    REFUSES("ag_uniform: low nan must not be above high 1") {
        ag_uniform(AG_SHAPE(3), (double)NAN, 1, sample_dtype(s), &rng);
    }
    REFUSES("ag_uniform: needs a floating type, got int64") {
        ag_uniform(AG_SHAPE(3), 0, 1, AG_INT64, &rng);
    }
    REFUSES("ag_uniform: the generator is NULL") {
        ag_uniform(AG_SHAPE(3), 0, 1, sample_dtype(s), NULL);
    }
    REFUSES("ag_uniform: (-3) is no shape") {
        ag_uniform(AG_SHAPE(-3), 0, 1, sample_dtype(s), &rng);
    }
}
#endif

/* ---- normal ---------------------------------------------------------------------
 * y ~ N(mean, std^2) */

static bool normal_shape(ag_call *call)
{
    const struct random_params *p = ag_call_params(call);
    if (!(p->b >= 0)) {
        return ag_call_fail(call, AG_ERROR_VALUE, "std %g must not be negative", p->b);
    }
    return need_float_result(call, p) && random_output(call, p);
}

static bool normal_forward(ag_call *call)
{
    const struct random_params *p = ag_call_params(call);
    const ag_array *y = ag_call_result(call, 0);
    k_random_normal(p->dtype, ag_call_threads(call), y->numel, p->key, p->a, p->b, y->data);
    return true;
}

AG_OP(normal) {
    .size = sizeof(struct ag_op),
    .name = "normal",
    .formula = "y normal with mean and std",
    .inputs = 0,
    .outputs = 1,
    .params = sizeof(struct random_params),
    .shape = normal_shape,
    .forward = normal_forward,
};

ag_tensor ag_normal_at(ag_place where, ag_shape shape, double mean, double std, ag_dtype dtype, ag_rng *rng)
{
    struct random_params p = { .shape = shape, .dtype = dtype, .a = mean, .b = std };
    return random_apply(where, &op_normal, p, rng);
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(normal)
{
    ag_rng rng = ag_rng_seed(1);
    SAMPLE("torch.full((2, 3), -2.5)") {
        sample_result(s, ag_normal(AG_SHAPE(2, 3), -2.5, 0, sample_dtype(s), &rng));
    }
    REFUSES("ag_normal: std -1 must not be negative") {
        ag_normal(AG_SHAPE(3), 0, -1, sample_dtype(s), &rng);
    }
    REFUSES("ag_normal: needs a floating type, got uint8") {
        ag_normal(AG_SHAPE(3), 0, 1, AG_UINT8, &rng);
    }
}
#endif

/* ---- bernoulli --------------------------------------------------------------------
 * y = 1 with probability p, else 0; any type */

static bool probability_is_right(ag_call *call, double p)
{
    if (p >= 0 && p <= 1) {
        return true;
    }
    return ag_call_fail(call, AG_ERROR_VALUE, "probability %g is outside 0..1", p);
}

static bool bernoulli_shape(ag_call *call)
{
    const struct random_params *p = ag_call_params(call);
    return probability_is_right(call, p->a) && random_output(call, p);
}

static bool bernoulli_forward(ag_call *call)
{
    const struct random_params *p = ag_call_params(call);
    const ag_array *y = ag_call_result(call, 0);
    uint8_t *bits = p->dtype == AG_UINT8 ? y->data : ag_call_work(call, (size_t)y->numel);
    if (bits == NULL) {
        return false;
    }
    k_random_bernoulli(ag_call_threads(call), y->numel, p->key, p->a, bits);
    for (int64_t i = 0; p->dtype != AG_UINT8 && i < y->numel; i++) {
        if (p->dtype == AG_FLOAT32) {
            ((float *)y->data)[i] = bits[i];
        } else if (p->dtype == AG_FLOAT64) {
            ((double *)y->data)[i] = bits[i];
        } else {
            ((int64_t *)y->data)[i] = bits[i];
        }
    }
    return true;
}

AG_OP(bernoulli) {
    .size = sizeof(struct ag_op),
    .name = "bernoulli",
    .formula = "y = 1 with probability p, else 0",
    .inputs = 0,
    .outputs = 1,
    .params = sizeof(struct random_params),
    .shape = bernoulli_shape,
    .forward = bernoulli_forward,
};

ag_tensor ag_bernoulli_at(ag_place where, ag_shape shape, double p, ag_dtype dtype, ag_rng *rng)
{
    struct random_params params = { .shape = shape, .dtype = dtype, .a = p };
    return random_apply(where, &op_bernoulli, params, rng);
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(bernoulli)
{
    ag_rng rng = ag_rng_seed(1);
    SAMPLE("x * 0") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(2, 3));
        sample_result(s, ag_mul(x, ag_bernoulli(AG_SHAPE(2, 3), 0, sample_dtype(s), &rng)));
    }
    SAMPLE("x * 1") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(2, 3));
        sample_result(s, ag_mul(x, ag_bernoulli(AG_SHAPE(2, 3), 1, sample_dtype(s), &rng)));
    }
    REFUSES("ag_bernoulli: probability 1.5 is outside 0..1") {
        ag_bernoulli(AG_SHAPE(3), 1.5, sample_dtype(s), &rng);
    }
    REFUSES("ag_bernoulli: probability nan is outside 0..1") {
        ag_bernoulli(AG_SHAPE(3), (double)NAN, sample_dtype(s), &rng);
    }
}
#endif

/* ---- randint ----------------------------------------------------------------------
 * y uniform in low..high-1, int64 */

static bool randint_shape(ag_call *call)
{
    const struct random_params *p = ag_call_params(call);
    if (p->low >= p->high) {
        return ag_call_fail(call, AG_ERROR_VALUE, "low %lld must be below high %lld", (long long)p->low,
                            (long long)p->high);
    }
    return random_output(call, p);
}

static bool randint_forward(ag_call *call)
{
    const struct random_params *p = ag_call_params(call);
    const ag_array *y = ag_call_result(call, 0);
    k_random_integers(ag_call_threads(call), y->numel, p->key, p->low, p->high, y->data);
    return true;
}

AG_OP(randint) {
    .size = sizeof(struct ag_op),
    .name = "randint",
    .formula = "y uniform in low..high-1",
    .inputs = 0,
    .outputs = 1,
    .params = sizeof(struct random_params),
    .shape = randint_shape,
    .forward = randint_forward,
};

ag_tensor ag_randint_at(ag_place where, ag_shape shape, int64_t low, int64_t high, ag_rng *rng)
{
    struct random_params p = { .shape = shape, .dtype = AG_INT64, .low = low, .high = high };
    return random_apply(where, &op_randint, p, rng);
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(randint)
{
    ag_rng rng = ag_rng_seed(1);
    SAMPLE("x * 7") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(2, 3));
        sample_result(s, ag_mul(x, ag_cast(ag_randint(AG_SHAPE(2, 3), 7, 8, &rng), sample_dtype(s))));
    }
    REFUSES("ag_randint: low 3 must be below high 3") {
        ag_randint(AG_SHAPE(3), 3, 3, &rng);
    }
}
#endif

/* ---- dropout ----------------------------------------------------------------------
 * y = x mask / (1 - p)          dx = dy mask / (1 - p): the same operation with the same key
 * Element i of the mask belongs to element i in row-major order, whatever x's order in memory is. */

struct dropout_params {
    double p;
    uint64_t key;
};

static bool dropout_shape(ag_call *call)
{
    const struct dropout_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, 0);
    if (!ops_need_float(call, x) || !probability_is_right(call, p->p)) {
        return false;
    }
    return !ops_is_row_major(x) && ops_is_channels_last(x)
               ? ag_call_output_channels_last(call, 0, x->dtype, ops_shape(x))
               : ag_call_output(call, 0, x->dtype, ops_shape(x));
}

static bool dropout_forward(ag_call *call)
{
    const struct dropout_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, 0), *y = ag_call_result(call, 0);
    int threads = ag_call_threads(call);
    uint8_t *keep = ag_call_work(call, (size_t)x->numel);
    if (keep == NULL) {
        return false;
    }
    k_random_bernoulli(threads, x->numel, p->key, 1 - p->p, keep);
    const void *data, *mask = keep;
    if (!ops_is_row_major(x) && ops_is_channels_last(x)) {
        int64_t c = x->size[1], h = x->size[2], w = x->size[3];
        int64_t stride[4] = { c * h * w, h * w, w, 1 };
        ag_array bytes = { keep, AG_UINT8, 4, x->numel, x->size, stride };
        mask = ops_channels_last(call, &bytes);
        data = x->data;
    } else {
        data = ops_row_major(call, x);
    }
    if (mask == NULL || data == NULL) {
        return false;
    }
    k_mask(x->dtype, threads, x->numel, data, mask, p->p < 1 ? 1 / (1 - p->p) : 0, y->data);
    return true;
}

static ag_tensor dropout(ag_place where, ag_tensor x, const struct dropout_params *params);

static void dropout_backward(ag_sweep *s)
{
    ag_sweep_add(s, 0, dropout(ag_caller(), ag_sweep_grad(s, 0), ag_sweep_params(s)));
}

AG_OP(dropout) {
    .size = sizeof(struct ag_op),
    .name = "dropout",
    .formula = "y = x mask / (1 - p)",
    .derivative = "dx = dy mask / (1 - p)",
    .inputs = 1,
    .outputs = 1,
    .saves = AG_SAVE_NOTHING,
    .params = sizeof(struct dropout_params),
    .orders = AG_ORDERS_ANY,
    .shape = dropout_shape,
    .forward = dropout_forward,
    .backward = dropout_backward,
};

static ag_tensor dropout(ag_place where, ag_tensor x, const struct dropout_params *params)
{
    ag_tensor out[1];
    return ag_apply(where, &op_dropout, 1, &x, params, out);
}

ag_tensor ag_dropout_at(ag_place where, ag_tensor x, double p, ag_rng *rng)
{
    if (rng == NULL) {
        ag_error_raise(where, AG_ERROR_VALUE, "ag_dropout: the generator is NULL");
        return AG_NIL;
    }
    ag_rng next = *rng;
    struct dropout_params params = { p, ag_rng_next(&next) };
    ag_tensor y = dropout(where, x, &params);
    if (!ag_is_nil(y)) {
        *rng = next;
    }
    return y;
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(dropout)
{
    ag_rng rng = ag_rng_seed(1), again = rng;
    SAMPLE("x * 1") {
        sample_result(s, ag_dropout(sample_float(s, "x", AG_SHAPE(3, 4)), 0, &rng));
    }
    SAMPLE("x * 0") {
        sample_result(s, ag_dropout(sample_float(s, "x", AG_SHAPE(3, 4)), 1, &rng));
    }
    SAMPLE("x * 1  # the same key gives the same mask") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(2, 3, 2, 5));
        ag_tensor mask = ag_dropout(ag_ones_like(x), 0.5, &again);
        ag_tensor rest = ag_sub(ag_ones_like(x), mask);
        sample_result(s, ag_add(ag_dropout(x, 0.5, &rng), ag_mul(x, rest)));
    }
    SAMPLE("x.permute(0, 3, 1, 2) * 1  # the mask does not depend on the memory order") {
        ag_tensor x = ag_permute(sample_float(s, "x", AG_SHAPE(2, 3, 2, 5)), AG_DIMS(0, 3, 1, 2));
        ag_tensor mask = ag_dropout(ag_ones(AG_SHAPE(2, 5, 3, 2), sample_dtype(s)), 0.25, &again);
        ag_tensor rest = ag_sub(ag_ones(AG_SHAPE(2, 5, 3, 2), sample_dtype(s)), mask);
        sample_result(s, ag_add(ag_dropout(x, 0.25, &rng), ag_mul(x, rest)));
    }
    SAMPLE("x * 1  # no elements") {
        sample_result(s, ag_dropout(sample_float(s, "x", AG_SHAPE(0, 4)), 0.5, &rng));
    }
    REFUSES("ag_dropout: probability -0.5 is outside 0..1") {
        ag_dropout(sample_float(s, "x", AG_SHAPE(3)), -0.5, &rng);
    }
    REFUSES("ag_dropout: probability nan is outside 0..1") {
        ag_dropout(sample_float(s, "x", AG_SHAPE(3)), (double)NAN, &rng);
    }
    REFUSES("ag_dropout: the generator is NULL") {
        ag_dropout(sample_float(s, "x", AG_SHAPE(3)), 0.5, NULL);
    }
    REFUSES("ag_dropout: needs a floating type, got int64") {
        ag_dropout(sample_int(s, "x", AG_SHAPE(3), 0, 4), 0.5, &rng);
    }
}
#endif
