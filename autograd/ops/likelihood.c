/*
 * Losses that are logarithms of likelihoods: the divergence of two distributions, fused; of counts and of Gaussians,
 * composed.
 */
#include <math.h>

#include "autograd/autograd.h"
#include "autograd/ops/common.h"
#include "autograd/ops/pointwise_loss.h"
#include "autograd/samples.h"

static const double log_of_2_pi = 1.8378770664093454836;

/* ---- kl_div ------------------------------------------------------------------------
 * y (log y - x)          dx = -y dloss          dy = (log y + 1 - x) dloss
 * or, with log_target, e^y (y - x)          dx = -e^y dloss          dy = e^y (y - x + 1) dloss */

static void kl_div_backward(ag_sweep *s)
{
    if (!ag_sweep_recording(s)) {
        loss_input(s);
        return;
    }
    bool log_target = ((const struct loss_params *)ag_sweep_params(s))->kind == K_LOSS_KL_LOG;
    ag_tensor x = ag_sweep_input(s, 0), y = ag_sweep_input(s, 1), g = loss_gradient_per_element(s);
    ag_tensor probability = log_target ? ag_exp(y) : y;
    if (ag_sweep_wants(s, 0)) {
        ag_sweep_add(s, 0, ag_neg(ag_mul(probability, g)));
    }
    if (ag_sweep_wants(s, 1)) {
        ag_tensor slope = ag_add_scalar(ag_sub(log_target ? y : ag_log(y), x), 1);
        ag_sweep_add(s, 1, ag_mul(log_target ? ag_mul(probability, slope) : slope, g));
    }
}

AG_OP(kl_div){POINTWISE_LOSS(kl_div, "y (log y - x), or e^y (y - x)", "dx = -y dloss;  dy = (log y + 1 - x) dloss")};

ag_tensor ag_kl_div_at(ag_place where, ag_tensor x, ag_tensor y)
{
    return ag_kl_div_with_at(where, x, y, false, AG_REDUCE_MEAN);
}

ag_tensor ag_kl_div_with_at(ag_place where, ag_tensor x, ag_tensor y, bool log_target, ag_reduction reduction)
{
    k_loss_kind kind = log_target ? K_LOSS_KL_LOG : K_LOSS_KL;
    if (reduction != AG_REDUCE_BATCHMEAN) {
        return loss_apply(where, &op_kl_div, kind, 0, x, y, reduction);
    }
    loss_composed c = loss_begin(where);
    ag_tensor loss = loss_apply(where, &op_kl_div, kind, 0, x, y, AG_REDUCE_SUM);
    if (!ag_is_nil(loss) && ag_ndim(x) > 0) {
        loss = ag_mul_scalar(loss, 1 / (double)ag_size(x, 0));
    }
    return loss_end(c, loss);
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(kl_div)
{
#define KL_SAMPLE(text, shape, log_target, reduction)                                                                \
    SAMPLE("F.kl_div(x, y" text) {                                                                                   \
        ag_tensor x = sample_range(s, "x", shape, -3, -1);                                                           \
        ag_tensor y = (log_target) ? sample_range(s, "y", shape, -2, -1) : sample_range(s, "y", shape, 0.1, 0.9);    \
        sample_result(s, ag_kl_div_with(x, y, log_target, reduction));                                               \
    }
    SAMPLE("F.kl_div(x, y)") {
        ag_tensor x = sample_range(s, "x", AG_SHAPE(3, 4), -3, -1), y = sample_range(s, "y", AG_SHAPE(3, 4), 0.1, 1);
        sample_result(s, ag_kl_div(x, y));
    }
    KL_SAMPLE(", reduction='sum')", AG_SHAPE(2, 19), false, AG_REDUCE_SUM)
    KL_SAMPLE(", reduction='none')", AG_SHAPE(2, 2, 3, 2), false, AG_REDUCE_NONE)
    KL_SAMPLE(", reduction='batchmean')", AG_SHAPE(3, 4), false, AG_REDUCE_BATCHMEAN)
    KL_SAMPLE(", log_target=True)", AG_SHAPE(3, 4), true, AG_REDUCE_MEAN)
    KL_SAMPLE(", reduction='sum', log_target=True)", AG_SHAPE(2, 19), true, AG_REDUCE_SUM)
    KL_SAMPLE(", reduction='none', log_target=True)", AG_SHAPE(2, 2, 3, 2), true, AG_REDUCE_NONE)
    KL_SAMPLE(", reduction='batchmean', log_target=True)", AG_SHAPE(5), true, AG_REDUCE_BATCHMEAN)
    KL_SAMPLE(")  # scalars", AG_SHAPE_SCALAR, false, AG_REDUCE_MEAN)
    KL_SAMPLE(", reduction='sum')  # no elements", AG_SHAPE(0, 3), false, AG_REDUCE_SUM)
    SAMPLE("F.kl_div(x, torch.tensor([0, 1, 0.5], dtype=x.dtype), reduction='none')  # probability 0") {
        const double target[] = { 0, 1, 0.5 };
        ag_tensor y = ag_cast(ag_from(AG_SHAPE(3), AG_FLOAT64, target), sample_dtype(s));
        sample_result(s, ag_kl_div_with(sample_float(s, "x", AG_SHAPE(3)), y, false, AG_REDUCE_NONE));
    }
    REFUSES("ag_kl_div: (3,4) and (4): the shapes must be the same") {
        ag_kl_div(sample_float(s, "x", AG_SHAPE(3, 4)), sample_float(s, "y", AG_SHAPE(4)));
    }
    REFUSES("ag_kl_div: reduction 4 is unknown") {
        ag_kl_div_with(sample_float(s, "x", AG_SHAPE(4)), sample_float(s, "y", AG_SHAPE(4)), false, (ag_reduction)4);
    }
    REFUSES("ag_kl_div: element types") {
        ag_kl_div(ag_zeros(AG_SHAPE(3), AG_FLOAT32), ag_zeros(AG_SHAPE(3), AG_FLOAT64));
    }
}
#endif

/* ---- poisson_nll_loss: composed ----------------------------------------------------------------------------------- */

ag_poisson_nll_config ag_poisson_nll_defaults(void)
{
    return (ag_poisson_nll_config){
        .made_by_defaults = OPS_MADE_BY_DEFAULTS,
        .log_input = true,
        .eps = 1e-8,
        .reduction = AG_REDUCE_MEAN,
    };
}

ag_tensor ag_poisson_nll_loss_at(ag_place where, ag_tensor x, ag_tensor y)
{
    return ag_poisson_nll_loss_configured_at(where, x, y, ag_poisson_nll_defaults());
}

/* y log y - y + log(2 pi y) / 2 where y > 1, else 0. */
static ag_tensor stirling(ag_tensor y)
{
    ag_tensor one = ag_scalar(1, ag_dtype_of(y)), large = ag_gt(y, one);
    ag_tensor safe = ag_where(large, y, one), log = ag_log(safe);
    ag_tensor value = ag_add(ag_sub(ag_mul(safe, log), safe), ag_mul_scalar(ag_add_scalar(log, log_of_2_pi), 0.5));
    return ag_where(large, value, ag_scalar(0, ag_dtype_of(y)));
}

ag_tensor ag_poisson_nll_loss_configured_at(ag_place where, ag_tensor x, ag_tensor y, ag_poisson_nll_config config)
{
    static const char name[] = "ag_poisson_nll_loss";
    if (config.made_by_defaults != OPS_MADE_BY_DEFAULTS) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: the config must come from ag_poisson_nll_defaults()", name);
        return AG_NIL;
    }
    loss_composed c = loss_begin(where);
    ag_tensor both[] = { x, loss_target(where, y, x) };
    ag_shape shape;
    if (!loss_reduction(where, name, config.reduction) || !loss_number(where, name, "eps", config.eps, 0, false) ||
        !loss_accepts(where, name, 2, both, &shape)) {
        return loss_end(c, AG_NIL);
    }
    y = both[1];
    ag_tensor values;
    if (config.log_input) {
        values = ag_sub(ag_exp(x), ag_mul(y, x));
    } else {
        values = ag_sub(x, ag_mul(y, ag_log(ag_add_scalar(x, config.eps))));
    }
    if (config.full) {
        values = ag_add(values, stirling(y));
    }
    return loss_end(c, loss_reduced(values, config.reduction));
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES_OF_FUNCTION(poisson_nll_loss)
{
    ag_poisson_nll_config c = ag_poisson_nll_defaults();
    SAMPLE("F.poisson_nll_loss(x, y)") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(3, 4)), y = sample_range(s, "y", AG_SHAPE(3, 4), 0, 5);
        sample_result(s, ag_poisson_nll_loss(x, y));
    }
    SAMPLE("F.poisson_nll_loss(x, k)  # counts") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(3, 4)), k = sample_int(s, "k", AG_SHAPE(3, 4), 0, 5);
        sample_result(s, ag_poisson_nll_loss(x, k));
    }
    SAMPLE("F.poisson_nll_loss(x, y, log_input=False, reduction='sum')") {
        c.log_input = false, c.reduction = AG_REDUCE_SUM;
        ag_tensor x = sample_range(s, "x", AG_SHAPE(3, 4), 0.5, 3), y = sample_range(s, "y", AG_SHAPE(4), 0, 5);
        sample_result(s, ag_poisson_nll_loss_configured(x, y, c));
    }
    SAMPLE("F.poisson_nll_loss(x, y, full=True, reduction='none')") {
        c.full = true, c.reduction = AG_REDUCE_NONE;
        ag_tensor x = sample_float(s, "x", AG_SHAPE(2, 5)), y = sample_range(s, "y", AG_SHAPE(2, 5), 0.3, 5);
        sample_result(s, ag_poisson_nll_loss_configured(x, y, c));
    }
    SAMPLE("F.poisson_nll_loss(x, y, log_input=False, full=True, eps=0.5)") {
        c.log_input = false, c.full = true, c.eps = 0.5;
        ag_tensor x = sample_range(s, "x", AG_SHAPE(2, 1), 0.5, 3), y = sample_constant(s, "y", AG_SHAPE(2, 1), 0.3, 5);
        sample_result(s, ag_poisson_nll_loss_configured(x, y, c));
    }
    SAMPLE("F.poisson_nll_loss(x, y)  # scalars") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE_SCALAR), y = sample_range(s, "y", AG_SHAPE_SCALAR, 0, 5);
        sample_result(s, ag_poisson_nll_loss(x, y));
    }
    SAMPLE("F.poisson_nll_loss(x, y, reduction='none')  # no elements") {
        c.reduction = AG_REDUCE_NONE;
        ag_tensor x = sample_float(s, "x", AG_SHAPE(0, 2)), y = sample_float(s, "y", AG_SHAPE(0, 2));
        sample_result(s, ag_poisson_nll_loss_configured(x, y, c));
    }
    REFUSES("ag_poisson_nll_loss: (3) and (2): the shapes do not broadcast") {
        ag_poisson_nll_loss(sample_float(s, "x", AG_SHAPE(3)), sample_float(s, "y", AG_SHAPE(2)));
    }
    REFUSES("ag_poisson_nll_loss: eps is -1 and must be at least 0") {
        c.eps = -1;
        ag_poisson_nll_loss_configured(sample_float(s, "x", AG_SHAPE(3)), sample_float(s, "y", AG_SHAPE(3)), c);
    }
    REFUSES("ag_poisson_nll_loss: reduction 3 is unknown") {
        c.reduction = AG_REDUCE_BATCHMEAN;
        ag_poisson_nll_loss_configured(sample_float(s, "x", AG_SHAPE(3)), sample_float(s, "y", AG_SHAPE(3)), c);
    }
    REFUSES("ag_poisson_nll_loss: the config must come from ag_poisson_nll_defaults()") {
        ag_poisson_nll_config zero = { 0 };
        ag_poisson_nll_loss_configured(sample_float(s, "x", AG_SHAPE(3)), sample_float(s, "y", AG_SHAPE(3)), zero);
    }
    REFUSES("ag_poisson_nll_loss: needs a floating type, got int64") {
        ag_poisson_nll_loss(sample_int(s, "x", AG_SHAPE(3), 0, 3), sample_float(s, "y", AG_SHAPE(3)));
    }
    REFUSES("ag_poisson_nll_loss: element types float32 and float64 differ") {
        ag_poisson_nll_loss(ag_zeros(AG_SHAPE(3), AG_FLOAT32), ag_zeros(AG_SHAPE(3), AG_FLOAT64));
    }
}
#endif

/* ---- gaussian_nll_loss: composed ---------------------------------------------------------------------------------- */

ag_tensor ag_gaussian_nll_loss_at(ag_place where, ag_tensor x, ag_tensor y, ag_tensor var)
{
    return ag_gaussian_nll_loss_with_at(where, x, y, var, false, 1e-6, AG_REDUCE_MEAN);
}

/* Whether var has x's shape, or that with a last length of 1, or without its last dimension (then *missing). */
static bool variance_fits(ag_shape x, ag_shape var, bool *missing)
{
    *missing = false;
    if (ag_shape_equal(x, var)) {
        return true;
    }
    if (x.ndim == 0) {
        return false;
    }
    *missing = var.ndim == x.ndim - 1;
    ag_shape short_one = x;
    if (*missing) {
        short_one = ag_shape_make(x.ndim - 1, x.size);
    } else {
        short_one.size[x.ndim - 1] = 1;
    }
    return ag_shape_equal(short_one, var);
}

ag_tensor ag_gaussian_nll_loss_with_at(ag_place where, ag_tensor x, ag_tensor y, ag_tensor var, bool full, double eps,
                                       ag_reduction reduction)
{
    static const char name[] = "ag_gaussian_nll_loss";
    char tx[AG_SHAPE_TEXT], ty[AG_SHAPE_TEXT];
    ag_tensor means[] = { x, y };
    ag_shape shape, shape_of_var;
    bool missing;
    if (!loss_reduction(where, name, reduction) || !loss_number(where, name, "eps", eps, 0, true) ||
        !loss_accepts(where, name, 2, means, &shape)) {
        return AG_NIL;
    }
    ag_tensor types[] = { x, var };
    if (!loss_accepts(where, name, 1, &var, &shape_of_var)) {
        return AG_NIL;
    }
    if (ag_dtype_of(x) != ag_dtype_of(var)) {
        loss_accepts(where, name, 2, types, &shape);
        return AG_NIL;
    }
    if (!ag_shape_equal(ag_shape_of(x), ag_shape_of(y))) {
        ag_error_raise(where, AG_ERROR_SHAPE, "%s: %s and %s: the shapes must be the same", name,
                       ag_shape_format(ag_shape_of(x), tx, sizeof(tx)), ag_shape_format(ag_shape_of(y), ty, sizeof(ty)));
        return AG_NIL;
    }
    if (!variance_fits(shape, shape_of_var, &missing)) {
        ag_error_raise(where, AG_ERROR_SHAPE,
                       "%s: input %s and variance %s: it must be the same, or have a last length of 1, or lack it", name,
                       ag_shape_format(shape, tx, sizeof(tx)), ag_shape_format(shape_of_var, ty, sizeof(ty)));
        return AG_NIL;
    }
    loss_composed c = loss_begin(where);
    if (ag_shape_numel(shape_of_var) > 0) {
        double smallest = ag_item(ag_min(ag_detach(var)));
        if (smallest < 0) {
            ag_error_raise(where, AG_ERROR_VALUE, "%s: the variance %g is negative", name, smallest);
            return loss_end(c, AG_NIL);
        }
    }
    ag_tensor v = loss_raised_to(missing ? ag_unsqueeze(var, -1) : var, eps);
    ag_tensor values = ag_add(ag_log(v), ag_div(ag_square(ag_sub(x, y)), v));
    values = ag_mul_scalar(full ? ag_add_scalar(values, log_of_2_pi) : values, 0.5);
    return loss_end(c, loss_reduced(values, reduction));
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES_OF_FUNCTION(gaussian_nll_loss)
{
    SAMPLE("F.gaussian_nll_loss(x, y, v)") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(3, 4)), y = sample_float(s, "y", AG_SHAPE(3, 4));
        sample_result(s, ag_gaussian_nll_loss(x, y, sample_range(s, "v", AG_SHAPE(3, 4), 0.5, 2)));
    }
    SAMPLE("F.gaussian_nll_loss(x, y, v, full=True, reduction='none')  # one variance a row") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(3, 4)), y = sample_float(s, "y", AG_SHAPE(3, 4));
        ag_tensor v = sample_range(s, "v", AG_SHAPE(3, 1), 0.5, 2);
        sample_result(s, ag_gaussian_nll_loss_with(x, y, v, true, 1e-6, AG_REDUCE_NONE));
    }
    SAMPLE("F.gaussian_nll_loss(x, y, v, reduction='sum')  # without the last dimension") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(3, 4)), y = sample_constant(s, "y", AG_SHAPE(3, 4), -2, 2);
        ag_tensor v = sample_range(s, "v", AG_SHAPE(3), 0.5, 2);
        sample_result(s, ag_gaussian_nll_loss_with(x, y, v, false, 1e-6, AG_REDUCE_SUM));
    }
    SAMPLE("F.gaussian_nll_loss(x, y, torch.tensor([0, 0.25, 1, 2], dtype=x.dtype), eps=1., reduction='none')  # below eps") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(4)), y = sample_float(s, "y", AG_SHAPE(4));
        sample_first_order_only(s);
        const double v[] = { 0, 0.25, 1, 2 };
        ag_tensor var = ag_cast(ag_from(AG_SHAPE(4), AG_FLOAT64, v), sample_dtype(s));
        sample_result(s, ag_gaussian_nll_loss_with(x, y, var, false, 1, AG_REDUCE_NONE));
    }
    SAMPLE("F.gaussian_nll_loss(x, y, v, reduction='none')  # no rows") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(0, 4)), y = sample_float(s, "y", AG_SHAPE(0, 4));
        ag_tensor v = sample_range(s, "v", AG_SHAPE(0, 4), 0.5, 2);
        sample_result(s, ag_gaussian_nll_loss_with(x, y, v, false, 1e-6, AG_REDUCE_NONE));
    }
    REFUSES("ag_gaussian_nll_loss: (3) and (1): the shapes must be the same") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(3));
        ag_gaussian_nll_loss(x, sample_float(s, "y", AG_SHAPE(1)), x);
    }
    REFUSES("ag_gaussian_nll_loss: input (3) and variance (2): it must be the same, or have a last length of 1, or lack it") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(3));
        ag_gaussian_nll_loss(x, x, sample_float(s, "v", AG_SHAPE(2)));
    }
    REFUSES("ag_gaussian_nll_loss: the variance -0.5 is negative") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(2));
        const double v[] = { 1, -0.5 };
        ag_gaussian_nll_loss(x, x, sample_values(s, "v", AG_SHAPE(2), v));
    }
    REFUSES("ag_gaussian_nll_loss: eps is 0 and must be above 0") {
        ag_tensor x = sample_range(s, "x", AG_SHAPE(3), 1, 2);
        ag_gaussian_nll_loss_with(x, x, x, false, 0, AG_REDUCE_MEAN);
    }
    REFUSES("ag_gaussian_nll_loss: reduction 3 is unknown") {
        ag_tensor x = sample_range(s, "x", AG_SHAPE(3), 1, 2);
        ag_gaussian_nll_loss_with(x, x, x, false, 1e-6, AG_REDUCE_BATCHMEAN);
    }
    REFUSES("ag_gaussian_nll_loss: needs a floating type, got int64") {
        ag_tensor x = sample_range(s, "x", AG_SHAPE(3), 1, 2);
        ag_gaussian_nll_loss(x, x, sample_int(s, "v", AG_SHAPE(3), 1, 3));
    }
    REFUSES("ag_gaussian_nll_loss: element types float32 and float64 differ") {
        ag_tensor x = ag_ones(AG_SHAPE(3), AG_FLOAT32);
        ag_gaussian_nll_loss(x, x, ag_ones(AG_SHAPE(3), AG_FLOAT64));
    }
}
#endif
