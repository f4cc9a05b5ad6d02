/*
 * Samples of the smallest shapes, for all functions: dimensions of length 1 and 0, and scalars. Compiled for the tests only.
 */
#include <string.h>

#include "../samples.h"
#include "ops.h"

typedef int ops_smallest_is_for_tests; /* a file must declare something */

#ifdef WENGERT_SAMPLES
static const char *const names[2][3] = {{"u", "v", "w"}, {"p", "q", "r"}};

/* (1,3), (0,3) and (), by i. */
static ag_shape small(int i)
{
    return i == 0 ? AG_SHAPE(1, 3) : i == 1 ? AG_SHAPE(0, 3) : AG_SHAPE_SCALAR;
}

static ag_tensor first(ag_samples *s, int i, double low, double high)
{
    return sample_range(s, names[0][i], small(i), low, high);
}

static ag_tensor second(ag_samples *s, int i)
{
    return sample_range(s, names[1][i], small(i), 0.1, 0.9);
}

/* -1 or 1, by whether y is above a half. */
static ag_tensor side(ag_tensor y)
{
    return ag_sign(ag_add_scalar(y, -0.5));
}

static ag_tensor indices(int64_t n)
{
    return ag_zeros(AG_SHAPE(n), AG_INT64);
}

static ag_tensor turned(ag_tensor x)
{
    ag_dims dims = {.count = ag_ndim(x)};
    for (int d = 0; d < dims.count; d++) {
        dims.dim[d] = dims.count - 1 - d;
    }
    return ag_permute(x, dims);
}

static ag_tensor two_of(ag_tensor x)
{
    ag_shape shape = ag_shape_of(x);
    memmove(shape.size + 1, shape.size, sizeof(shape.size) - sizeof(shape.size[0]));
    shape.size[0] = 2;
    shape.ndim++;
    return ag_expand(x, shape);
}

static ag_tensor position(ag_tensor x)
{
    return ag_argmax(x, -1, true);
}

static ag_tensor total(ag_tensor x)
{
    return ag_sum_dims(x, AG_DIMS(-1), true);
}

static ag_tensor part(int count, const ag_tensor *parts)
{
    return count > 0 ? parts[count - 1] : AG_NIL;
}

/* `call` of x, which is (1,3), (0,3), (); `expression` says the same. */
#define EACH(low, high, expression, call)                         \
    SAMPLE("[" expression " for x in (u, v, w)]") {               \
        for (int i = 0; i < 3; i++) {                             \
            ag_tensor x = first(s, i, low, high);                 \
            sample_result(s, call);                               \
        }                                                         \
    }
/* The same with y of x's shape, between 0 and 1; and without differences: for means, which are NaN of no elements, and for what is
 * detached. */
#define LIKE(low, high, expression, call)                         \
    SAMPLE("[" expression " for x, y in ((u, p), (v, q), (w, r))]") { \
        for (int i = 0; i < 3; i++) {                             \
            ag_tensor x = first(s, i, low, high), y = second(s, i); \
            sample_result(s, call);                               \
        }                                                         \
    }
#define MEAN(low, high, expression, call)                         \
    SAMPLE("[" expression " for x, y in ((u, p), (v, q), (w, r))]") { \
        sample_no_differences(s);                                 \
        for (int i = 0; i < 3; i++) {                             \
            ag_tensor x = first(s, i, low, high), y = second(s, i); \
            sample_result(s, call);                               \
        }                                                         \
    }
/* x of those shapes with y of shape (1,3). */
#define PAIR(low, high, expression, call)                         \
    SAMPLE("[" expression " for x, y in ((u, k), (v, k), (w, k))]") { \
        ag_tensor y = sample_range(s, "k", AG_SHAPE(1, 3), 0.5, 2); \
        for (int i = 0; i < 3; i++) {                             \
            ag_tensor x = first(s, i, low, high);                 \
            sample_result(s, call);                               \
        }                                                         \
    }
/* x of two shapes that are given. */
#define BOTH(expression, shape1, shape2, call)                    \
    SAMPLE("[" expression " for x in (m, n)]") {                  \
        for (int i = 0; i < 2; i++) {                             \
            ag_tensor x = sample_float(s, i == 0 ? "m" : "n", i == 0 ? (shape1) : (shape2)); \
            sample_result(s, call);                               \
        }                                                         \
    }
#define ROWS(expression, call) BOTH(expression, AG_SHAPE(1, 4), AG_SHAPE(0, 4), call)
#define LINES(expression, call) BOTH(expression, AG_SHAPE(1, 1, 4), AG_SHAPE(0, 1, 4), call)
#define IMAGES(expression, call) BOTH(expression, AG_SHAPE(1, 1, 4, 4), AG_SHAPE(0, 1, 4, 4), call)
#define SCALAR(message, call)                                     \
    REFUSES(message) {                                            \
        ag_tensor x = sample_float(s, "x", AG_SHAPE_SCALAR);      \
        (void)(call);                                             \
    }

AG_SAMPLES_OF_FUNCTION(smallest_functions)
{
    EACH(-2, 2, "torch.tanh(x)", ag_tanh(x))
    EACH(-2, 2, "torch.sigmoid(x)", ag_sigmoid(x))
    EACH(-2, 2, "F.relu(x)", ag_relu(x))
    EACH(-2, 2, "F.leaky_relu(x, 0.2)", ag_leaky_relu(x, 0.2))
    EACH(-2, 2, "F.elu(x, 1.5)", ag_elu(x, 1.5))
    EACH(-2, 2, "F.softplus(x)", ag_softplus(x))
    EACH(-2, 2, "F.silu(x)", ag_silu(x))
    EACH(-2, 2, "F.gelu(x)", ag_gelu(x))
    EACH(-2, 2, "F.gelu(x, approximate='tanh')", ag_gelu_tanh(x))
    EACH(-2, 2, "F.relu6(x)", ag_relu6(x))
    EACH(-2, 2, "F.hardtanh(x, -1.3, 0.7)", ag_hardtanh(x, -1.3, 0.7))
    EACH(-2, 2, "F.relu6(x + 3) / 6", ag_hardsigmoid(x))
    EACH(-2, 2, "F.hardswish(x)", ag_hardswish(x))
    EACH(-2, 2, "F.selu(x)", ag_selu(x))
    EACH(-2, 2, "F.celu(x, 1.5)", ag_celu(x, 1.5))
    EACH(-2, 2, "F.mish(x)", ag_mish(x))
    EACH(-2, 2, "F.softsign(x)", ag_softsign(x))
    EACH(-2, 2, "F.logsigmoid(x)", ag_logsigmoid(x))
    EACH(-2, 2, "F.softplus(x, 2, 5)", ag_softplus_with(x, 2, 5))
    ROWS("F.prelu(x, torch.tensor([0.3], dtype=x.dtype))", ag_prelu(x, ag_full(AG_SHAPE(1), 0.3, sample_dtype(s))))
    SCALAR("ag_prelu: ", ag_prelu(x, ag_ones(AG_SHAPE(2), sample_dtype(s))))
    ROWS("F.glu(x)", ag_glu(x, -1))
    SCALAR("ag_glu: ", ag_glu(x, -1))
    EACH(-2, 2, "-x", ag_neg(x))
    EACH(0.5, 2, "1 / x", ag_reciprocal(x))
    EACH(-2, 2, "x * x", ag_square(x))
    EACH(0.3, 3, "torch.sqrt(x)", ag_sqrt(x))
    EACH(0.3, 3, "torch.rsqrt(x)", ag_rsqrt(x))
    EACH(-2, 2, "torch.exp(x)", ag_exp(x))
    EACH(0.3, 3, "torch.log(x)", ag_log(x))
    EACH(-3, 3, "torch.sin(x)", ag_sin(x))
    EACH(-3, 3, "torch.cos(x)", ag_cos(x))
    EACH(-2, 2, "torch.erf(x)", ag_erf(x))
    EACH(-2, 2, "torch.abs(x)", ag_abs(x))
    EACH(-2, 2, "torch.sign(x)", ag_sign(x))
    EACH(-2, 2, "torch.expm1(x)", ag_expm1(x))
    EACH(-0.6, 2, "torch.log1p(x)", ag_log1p(x))
    EACH(0.3, 3, "torch.log2(x)", ag_log2(x))
    EACH(0.3, 3, "torch.log10(x)", ag_log10(x))
    EACH(-1.2, 1.2, "torch.tan(x)", ag_tan(x))
    EACH(-0.9, 0.9, "torch.asin(x)", ag_asin(x))
    EACH(-0.9, 0.9, "torch.acos(x)", ag_acos(x))
    EACH(-3, 3, "torch.atan(x)", ag_atan(x))
    EACH(-2, 2, "torch.sinh(x)", ag_sinh(x))
    EACH(-2, 2, "torch.cosh(x)", ag_cosh(x))
    EACH(-2, 2, "torch.asinh(x)", ag_asinh(x))
    EACH(1.3, 3, "torch.acosh(x)", ag_acosh(x))
    EACH(-0.8, 0.8, "torch.atanh(x)", ag_atanh(x))
    EACH(-2.9, 2.9, "torch.floor(x)", ag_floor(x))
    EACH(-2.9, 2.9, "torch.ceil(x)", ag_ceil(x))
    EACH(-2.9, 2.9, "torch.round(x)", ag_round(x))
    EACH(-2.9, 2.9, "torch.trunc(x)", ag_trunc(x))
    EACH(-2, 2, "torch.isnan(x)", ag_isnan(x))
    EACH(-2, 2, "torch.isinf(x)", ag_isinf(x))
    EACH(-2, 2, "torch.isfinite(x)", ag_isfinite(x))
    EACH(-2, 2, "torch.logical_not(x)", ag_logical_not(x))
    EACH(-2, 2, "x == 0.5", ag_eq_scalar(x, 0.5))
    EACH(-2, 2, "x != 0.5", ag_ne_scalar(x, 0.5))
    EACH(-2, 2, "x < 0.5", ag_lt_scalar(x, 0.5))
    EACH(-2, 2, "x <= 0.5", ag_le_scalar(x, 0.5))
    EACH(-2, 2, "x > 0.5", ag_gt_scalar(x, 0.5))
    EACH(-2, 2, "x >= 0.5", ag_ge_scalar(x, 0.5))
    EACH(-2, 2, "x + 0.5", ag_add_scalar(x, 0.5))
    EACH(-2, 2, "x * 0.5", ag_mul_scalar(x, 0.5))
    EACH(-2, 2, "x ** 3", ag_pow_scalar(x, 3))
    EACH(-2, 2, "torch.clamp(x, -0.7, 0.9)", ag_clamp(x, -0.7, 0.9))
    EACH(-2, 2, "x.to(torch.float64)", ag_cast(x, AG_FLOAT64))
    PAIR(-2, 2, "x + y", ag_add(x, y))
    PAIR(-2, 2, "x - y", ag_sub(x, y))
    PAIR(-2, 2, "x * y", ag_mul(x, y))
    PAIR(-2, 2, "x / y", ag_div(x, y))
    PAIR(0.5, 2, "x ** y", ag_pow(x, y))
    PAIR(-2, 2, "torch.maximum(x, y)", ag_maximum(x, y))
    PAIR(-2, 2, "torch.minimum(x, y)", ag_minimum(x, y))
    PAIR(-2, 2, "x == y", ag_eq(x, y))
    PAIR(-2, 2, "x != y", ag_ne(x, y))
    PAIR(-2, 2, "x < y", ag_lt(x, y))
    PAIR(-2, 2, "x <= y", ag_le(x, y))
    PAIR(-2, 2, "x > y", ag_gt(x, y))
    PAIR(-2, 2, "x >= y", ag_ge(x, y))
    PAIR(-2, 2, "torch.where(x > y, x, y)", ag_where(ag_gt(x, y), x, y))
    PAIR(-2, 2, "torch.logical_and(x, y)", ag_logical_and(x, y))
    PAIR(-2, 2, "torch.logical_or(x, y)", ag_logical_or(x, y))
    PAIR(-2, 2, "torch.logical_xor(x, y)", ag_logical_xor(x, y))
    PAIR(-2, 2, "torch.lerp(x, y, x)", ag_lerp(x, y, x))
    PAIR(-2, 2, "torch.lerp(x, y, 0.3)", ag_lerp_scalar(x, y, 0.3))
    PAIR(-2, 2, "torch.addcmul(x, y, x, value=0.5)", ag_addcmul(x, y, x, 0.5))
    PAIR(-2, 2, "torch.addcdiv(x, x, y, value=0.5)", ag_addcdiv(x, x, y, 0.5))
    LIKE(-2, 2, "(x * 1).add_(y)", ag_add_(ag_mul_scalar(x, 1), y))
    LIKE(-2, 2, "(x * 1).sub_(y)", ag_sub_(ag_mul_scalar(x, 1), y))
    LIKE(-2, 2, "(x * 1).mul_(y)", ag_mul_(ag_mul_scalar(x, 1), y))
    LIKE(-2, 2, "(x * 1).div_(y)", ag_div_(ag_mul_scalar(x, 1), y))
    LIKE(-2, 2, "(x * 1).copy_(y)", ag_copy_(ag_mul_scalar(x, 1), y))
    EACH(-2, 2, "(x * 1).add_(0.5)", ag_add_scalar_(ag_mul_scalar(x, 1), 0.5))
    EACH(-2, 2, "(x * 1).mul_(0.5)", ag_mul_scalar_(ag_mul_scalar(x, 1), 0.5))
    EACH(-2, 2, "(x * 1).clamp_(-0.7, 0.9)", ag_clamp_(ag_mul_scalar(x, 1), -0.7, 0.9))
    EACH(-2, 2, "(x * 1).fill_(0.5)", ag_fill_(ag_mul_scalar(x, 1), 0.5))
    EACH(-2, 2, "(x * 1).zero_()", ag_zero_(ag_mul_scalar(x, 1)))
    EACH(-2, 2, "(x * 1).masked_fill_(x > 0, 0.5)", ag_masked_fill_(ag_mul_scalar(x, 1), ag_gt_scalar(x, 0), 0.5))
    EACH(-2, 2, "(x * 1).neg_()", ag_neg_(ag_mul_scalar(x, 1)))
    EACH(-2, 2, "(x * 1) ** 2", ag_square_(ag_mul_scalar(x, 1)))
    EACH(0.3, 3, "(x * 1).sqrt_()", ag_sqrt_(ag_mul_scalar(x, 1)))
    EACH(-2, 2, "(x * 1).exp_()", ag_exp_(ag_mul_scalar(x, 1)))
    EACH(-2, 2, "(x * 1).relu_()", ag_relu_(ag_mul_scalar(x, 1)))
    EACH(-2, 2, "(x * 1).tanh_()", ag_tanh_(ag_mul_scalar(x, 1)))
    EACH(-2, 2, "(x * 1).sigmoid_()", ag_sigmoid_(ag_mul_scalar(x, 1)))
}

AG_SAMPLES_OF_FUNCTION(smallest_reductions)
{
    ag_tensor more;
    EACH(-2, 2, "x.sum()", ag_sum(x))
    MEAN(-2, 2, "(x * y).mean()", ag_mean(ag_mul(x, y)))
    EACH(-2, 2, "x.prod()", ag_prod(x))
    BOTH("x.max()", AG_SHAPE(1, 3), AG_SHAPE_SCALAR, ag_max(x))
    BOTH("x.min()", AG_SHAPE(1, 3), AG_SHAPE_SCALAR, ag_min(x))
    REFUSES("ag_max: ") {
        ag_max(sample_float(s, "e", AG_SHAPE(0, 3)));
    }
    REFUSES("ag_min: ") {
        ag_min(sample_float(s, "e", AG_SHAPE(0, 3)));
    }
    EACH(-2, 2, "x.sum(-1)", ag_sum_dims(x, AG_DIMS(-1), false))
    EACH(-2, 2, "x.mean(-1)", ag_mean_dims(x, AG_DIMS(-1), false))
    EACH(-2, 2, "x.amax(-1)", ag_amax(x, AG_DIMS(-1), false))
    EACH(-2, 2, "x.amin(-1)", ag_amin(x, AG_DIMS(-1), false))
    EACH(-2, 2, "x.var(-1, unbiased=False)", ag_var(x, AG_DIMS(-1), 0, false))
    BOTH("x.std(-1)", AG_SHAPE(1, 3), AG_SHAPE(0, 3), ag_std(x, AG_DIMS(-1), 1, false))
    SAMPLE("w.std(-1, unbiased=False), w.std(unbiased=False)") {
        ag_tensor w = sample_constant(s, "w", AG_SHAPE_SCALAR, -2, 2);
        sample_result(s, ag_std(w, AG_DIMS(-1), 0, false));
        sample_result(s, ag_std_all(w, 0));
    }
    BOTH("x.var(unbiased=False)", AG_SHAPE(1, 3), AG_SHAPE_SCALAR, ag_var_all(x, 0))
    SAMPLE("e.var(), e.std(), u.std()") {
        ag_tensor e = sample_constant(s, "e", AG_SHAPE(0, 3), -2, 2);
        sample_result(s, ag_var_all(e, 1));
        sample_result(s, ag_std_all(e, 1));
        sample_result(s, ag_std_all(sample_constant(s, "u", AG_SHAPE(1, 3), -2, 2), 1));
    }
    EACH(-2, 2, "x.argmax(-1)", ag_argmax(x, -1, false))
    EACH(-2, 2, "x.argmin(-1)", ag_argmin(x, -1, false))
    EACH(-2, 2, "torch.logsumexp(x, -1)", ag_logsumexp(x, AG_DIMS(-1), false))
    EACH(-2, 2, "x.prod(-1)", ag_prod_dims(x, AG_DIMS(-1), false))
    EACH(-2, 2, "torch.linalg.vector_norm(x, 2, -1)", ag_norm(x, 2, AG_DIMS(-1), false))
    EACH(-2, 2, "x.any()", ag_any(x))
    EACH(-2, 2, "x.all()", ag_all(x))
    EACH(-2, 2, "x.any(-1)", ag_any_dims(x, AG_DIMS(-1), false))
    EACH(-2, 2, "x.all(-1)", ag_all_dims(x, AG_DIMS(-1), false))
    EACH(-2, 2, "x.max(-1)[0]", ag_max_dim(x, -1, false, &more))
    EACH(-2, 2, "x.min(-1)[0]", ag_min_dim(x, -1, false, &more))
    EACH(-2, 2, "x.cumsum(-1)", ag_cumsum(x, -1))
    EACH(-2, 2, "x.cumprod(-1)", ag_cumprod(x, -1))
    EACH(-2, 2, "x.sort(-1)[0]", ag_sort(x, -1, false, NULL))
    EACH(-2, 2, "x.argsort(-1)", ag_argsort(x, -1, false))
    EACH(-2, 2, "x.topk(1, -1)[0]", ag_topk(x, 1, -1, true, NULL))
    EACH(-2, 2, "torch.softmax(x, -1)", ag_softmax(x, -1))
    EACH(-2, 2, "torch.log_softmax(x, -1)", ag_log_softmax(x, -1))
    ROWS("F.normalize(x, 1, 1)", ag_normalize(x, 1, 1, 1e-12))
}

AG_SAMPLES_OF_FUNCTION(smallest_shapes)
{
    ag_tensor parts[4];
    EACH(-2, 2, "x.flatten()", ag_flatten(x, 0, -1))
    EACH(-2, 2, "x.squeeze(0)", ag_squeeze(x, 0))
    EACH(-2, 2, "x.squeeze()", ag_squeeze_all(x))
    EACH(-2, 2, "x.unsqueeze(0)", ag_unsqueeze(x, 0))
    EACH(-2, 2, "x.permute(tuple(reversed(range(x.dim()))))", turned(x))
    ROWS("x.transpose(0, -1)", ag_transpose(x, 0, -1))
    SCALAR("ag_transpose: ", ag_transpose(x, 0, 1))
    EACH(-2, 2, "x.expand(2, *x.shape)", two_of(x))
    ROWS("x[:, 1:4:2]", ag_slice(x, 1, 1, 4, 2))
    SCALAR("ag_slice: ", ag_slice(x, 0, 0, 1, 1))
    ROWS("x.narrow(1, 1, 2)", ag_narrow(x, 1, 1, 2))
    SCALAR("ag_narrow: ", ag_narrow(x, 0, 0, 1))
    ROWS("x.select(1, 2)", ag_select(x, 1, 2))
    SCALAR("ag_select: ", ag_select(x, 0, 0))
    EACH(-2, 2, "x.contiguous()", ag_contiguous(x))
    EACH(-2, 2, "x.clone()", ag_clone(x))
    EACH(-2, 2, "torch.stack((x, x))", ag_stack(2, (const ag_tensor[]){x, x}, 0))
    ROWS("torch.cat((x, x))", ag_cat(2, (const ag_tensor[]){x, x}, 0))
    SCALAR("ag_cat: ", ag_cat(2, (const ag_tensor[]){x, x}, 0))
    EACH(-2, 2, "x.view(-1) ", ag_view(x, AG_SHAPE(-1)))
    ROWS("x.unflatten(1, (2, 2))", ag_unflatten(x, 1, AG_SHAPE(2, 2)))
    SCALAR("ag_unflatten: ", ag_unflatten(x, 0, AG_SHAPE(1, 1)))
    EACH(-2, 2, "x.repeat(2, 1)", ag_repeat(x, AG_SHAPE(2, 1)))
    EACH(-2, 2, "x.tile(2)", ag_tile(x, AG_SHAPE(2)))
    ROWS("x.repeat_interleave(2, 1)", ag_repeat_interleave(x, 2, 1))
    SCALAR("ag_repeat_interleave: ", ag_repeat_interleave(x, 2, 0))
    ROWS("x.split(3, 1)[1]", part(ag_split(x, 3, 1, 4, parts), parts))
    SCALAR("ag_split: ", ag_split(x, 1, 0, 4, parts))
    ROWS("x.split((1, 3), 1)[1]", part(ag_split_sizes(x, 2, (const int64_t[]){1, 3}, 1, parts), parts))
    SCALAR("ag_split_sizes: ", ag_split_sizes(x, 1, (const int64_t[]){1}, 0, parts))
    ROWS("x.chunk(3, 1)[1]", part(ag_chunk(x, 3, 1, parts), parts))
    SCALAR("ag_chunk: ", ag_chunk(x, 1, 0, parts))
    ROWS("x.flip(1)", ag_flip(x, AG_DIMS(1)))
    SCALAR("ag_flip: ", ag_flip(x, AG_DIMS(0)))
    ROWS("x.roll(1, 1)", ag_roll(x, 1, 1))
    SCALAR("ag_roll: ", ag_roll(x, 1, 0))
    EACH(-2, 2, "x.roll(1)", ag_roll_all(x, 1))
    ROWS("x.tril(1)", ag_tril(x, 1))
    SCALAR("ag_tril: ", ag_tril(x, 0))
    ROWS("x.triu(1)", ag_triu(x, 1))
    SCALAR("ag_triu: ", ag_triu(x, 0))
    ROWS("x.diagonal()", ag_diagonal(x, 0, 0, 1))
    SCALAR("ag_diagonal: ", ag_diagonal(x, 0, 0, 1))
    SCALAR("ag_pad: ", ag_pad(x, 2, (const int64_t[]){1, 1}, AG_PAD_CONSTANT, 0))
    ROWS("torch.index_select(x, 1, torch.tensor([0]))", ag_index_select(x, 1, indices(1)))
    SCALAR("ag_index_select: ", ag_index_select(x, 0, indices(1)))
    ROWS("torch.take_along_dim(x, torch.zeros(1, 2, dtype=torch.int64), 1)",
         ag_take_along_dim(x, ag_zeros(AG_SHAPE(1, 2), AG_INT64), 1))
    SCALAR("ag_take_along_dim: ", ag_take_along_dim(x, indices(1), 1))
    EACH(-2, 2, "x.gather(-1, x.argmax(-1, True))", ag_gather(x, -1, position(x)))
    EACH(-2, 2, "x.scatter(-1, x.argmax(-1, True), x.sum(-1, True))", ag_scatter(x, -1, position(x), total(x)))
    EACH(-2, 2, "x.scatter(-1, x.argmax(-1, True), 0.5)", ag_scatter_value(x, -1, position(x), 0.5))
    EACH(-2, 2, "x.scatter_add(-1, x.argmax(-1, True), x.sum(-1, True))", ag_scatter_add(x, -1, position(x), total(x)))
    ROWS("x.index_add(1, torch.tensor([2]), x.sum(1, True))", ag_index_add(x, 1, ag_full(AG_SHAPE(1), 2, AG_INT64), total(x)))
    SCALAR("ag_index_add: ", ag_index_add(x, 0, indices(2), x))
    EACH(-2, 2, "x.masked_fill(x > 0, 0.5)", ag_masked_fill(x, ag_gt_scalar(x, 0), 0.5))
    EACH(-2, 2, "x.masked_select(x > 0)", ag_masked_select(x, ag_gt_scalar(x, 0)))
    SAMPLE("F.one_hot(a, 3), F.one_hot(b, 3)") {
        sample_result(s, ag_one_hot(sample_int(s, "a", AG_SHAPE(1, 2), 0, 3), 3, AG_INT64));
        sample_result(s, ag_one_hot(sample_int(s, "b", AG_SHAPE(0), 0, 3), 3, AG_INT64));
    }
    SAMPLE("F.embedding(b, a), F.embedding(c, a), F.embedding(b, a, padding_idx=0), F.embedding(c, a, padding_idx=0)") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(1, 3));
        ag_tensor b = sample_int(s, "b", AG_SHAPE_SCALAR, 0, 1), c = sample_int(s, "c", AG_SHAPE(0, 1), 0, 1);
        sample_no_differences(s);
        sample_result(s, ag_embedding(a, b));
        sample_result(s, ag_embedding(a, c));
        sample_result(s, ag_embedding_padded(a, b, 0));
        sample_result(s, ag_embedding_padded(a, c, 0));
    }
}

AG_SAMPLES_OF_FUNCTION(smallest_losses)
{
    const ag_reduction sum = AG_REDUCE_SUM;
    ag_poisson_nll_config poisson = ag_poisson_nll_defaults();
    ag_triplet_margin_config triplet = ag_triplet_margin_defaults();
    MEAN(-2, 2, "F.mse_loss(x, y)", ag_mse_loss(x, y))
    LIKE(-2, 2, "F.mse_loss(x, y, reduction='sum')", ag_mse_loss_with(x, y, sum))
    MEAN(-2, 2, "F.l1_loss(x, y)", ag_l1_loss(x, y))
    LIKE(-2, 2, "F.l1_loss(x, y, reduction='sum')", ag_l1_loss_with(x, y, sum))
    MEAN(-2, 2, "F.binary_cross_entropy_with_logits(x, y)", ag_bce_with_logits(x, y))
    LIKE(-2, 2, "F.binary_cross_entropy_with_logits(x, y, reduction='sum')", ag_bce_with_logits_with(x, y, sum))
    MEAN(-2, 2, "F.binary_cross_entropy_with_logits(x, y.detach(), y.detach(), reduction='sum', pos_weight=y.detach())",
         ag_bce_with_logits_weighted(x, ag_detach(y), ag_detach(y), ag_detach(y), sum))
    MEAN(0.1, 0.9, "F.binary_cross_entropy(x, y)", ag_bce(x, y))
    LIKE(0.1, 0.9, "F.binary_cross_entropy(x, y, reduction='sum')", ag_bce_with(x, y, AG_NONE, sum))
    MEAN(-2, 2, "F.smooth_l1_loss(x, y)", ag_smooth_l1_loss(x, y))
    LIKE(-2, 2, "F.smooth_l1_loss(x, y, reduction='sum', beta=0.5)", ag_smooth_l1_loss_with(x, y, 0.5, sum))
    MEAN(-2, 2, "F.huber_loss(x, y)", ag_huber_loss(x, y))
    LIKE(-2, 2, "F.huber_loss(x, y, reduction='sum', delta=0.5)", ag_huber_loss_with(x, y, 0.5, sum))
    MEAN(-2, 2, "F.kl_div(x, y, reduction='mean')", ag_kl_div(x, y))
    LIKE(-2, 2, "F.kl_div(x, y, reduction='sum', log_target=True)", ag_kl_div_with(x, y, true, sum))
    MEAN(-2, 2, "F.poisson_nll_loss(x, y)", ag_poisson_nll_loss(x, y))
    LIKE(-2, 2, "F.poisson_nll_loss(x, y, reduction='sum')",
         ag_poisson_nll_loss_configured(x, y, (poisson.reduction = sum, poisson)))
    MEAN(-2, 2, "F.gaussian_nll_loss(x, y, y)", ag_gaussian_nll_loss(x, y, y))
    LIKE(-2, 2, "F.gaussian_nll_loss(x, y, y, reduction='sum')", ag_gaussian_nll_loss_with(x, y, y, false, 1e-6, sum))
    MEAN(-2, 2, "F.hinge_embedding_loss(x, torch.sign(y - 0.5))", ag_hinge_embedding_loss(x, side(y)))
    LIKE(-0.5, 0.5, "F.hinge_embedding_loss(x, torch.sign(y - 0.5), reduction='sum')",
         ag_hinge_embedding_loss_with(x, side(y), 1, sum))
    MEAN(-2, 2, "F.margin_ranking_loss(x, y, torch.sign(y - 0.5))", ag_margin_ranking_loss(x, y, side(y)))
    LIKE(-2, 2, "F.margin_ranking_loss(x, y, torch.sign(y - 0.5), reduction='sum')",
         ag_margin_ranking_loss_with(x, y, side(y), 0, sum))
    MEAN(-2, 2, "F.soft_margin_loss(x, torch.sign(y.detach() - 0.5))", ag_soft_margin_loss(x, side(ag_detach(y))))
    MEAN(-2, 2, "F.soft_margin_loss(x, torch.sign(y.detach() - 0.5), reduction='sum')",
         ag_soft_margin_loss_with(x, side(ag_detach(y)), sum))
    SAMPLE("F.cross_entropy(x, k), F.cross_entropy(x, k, reduction='none'), F.cross_entropy(e, f, reduction='sum')") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(1, 3)), k = sample_int(s, "k", AG_SHAPE(1), 0, 3);
        ag_tensor e = sample_float(s, "e", AG_SHAPE(0, 3)), f = sample_int(s, "f", AG_SHAPE(0), 0, 3);
        sample_result(s, ag_cross_entropy(x, k));
        sample_result(s, ag_cross_entropy_with(x, k, AG_REDUCE_NONE));
        sample_result(s, ag_cross_entropy_with(e, f, sum));
    }
    SAMPLE("F.nll_loss(x, k), F.nll_loss(e, f, reduction='sum'), F.nll_loss(x, k, reduction='none')") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(1, 3)), k = sample_int(s, "k", AG_SHAPE(1), 0, 3);
        ag_tensor e = sample_float(s, "e", AG_SHAPE(0, 3)), f = sample_int(s, "f", AG_SHAPE(0), 0, 3);
        sample_result(s, ag_nll_loss(x, k));
        sample_result(s, ag_nll_loss_with(e, f, AG_NONE, -100, sum));
        sample_result(s, ag_nll_loss_with(x, k, AG_NONE, -100, AG_REDUCE_NONE));
    }
    SAMPLE("F.multi_margin_loss(x, k), F.multi_margin_loss(x, k, reduction='none')") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(1, 3)), k = sample_int(s, "k", AG_SHAPE(1), 0, 3);
        sample_result(s, ag_multi_margin_loss(x, k));
        sample_result(s, ag_multi_margin_loss_with(x, k, 1, 1, AG_NONE, AG_REDUCE_NONE));
    }
    REFUSES("ag_cross_entropy: ") {
        ag_cross_entropy(sample_float(s, "x", AG_SHAPE_SCALAR), sample_int(s, "k", AG_SHAPE_SCALAR, 0, 1));
    }
    REFUSES("ag_cross_entropy: ") {
        ag_cross_entropy_with(sample_float(s, "x", AG_SHAPE_SCALAR), sample_int(s, "k", AG_SHAPE_SCALAR, 0, 1), sum);
    }
    REFUSES("ag_nll_loss: ") {
        ag_nll_loss(sample_float(s, "x", AG_SHAPE_SCALAR), sample_int(s, "k", AG_SHAPE_SCALAR, 0, 1));
    }
    REFUSES("ag_multi_margin_loss: ") {
        ag_multi_margin_loss(sample_float(s, "x", AG_SHAPE_SCALAR), sample_int(s, "k", AG_SHAPE_SCALAR, 0, 1));
    }
    REFUSES("ag_multi_margin_loss: ") {
        ag_multi_margin_loss(sample_float(s, "x", AG_SHAPE(2, 0)), sample_int(s, "k", AG_SHAPE(2), 0, 1));
    }
    REFUSES("ag_multi_margin_loss: ") {
        ag_multi_margin_loss_with(sample_float(s, "x", AG_SHAPE(2, 0)), sample_int(s, "k", AG_SHAPE_SCALAR, 0, 1), 1, 1, AG_NONE, sum);
    }
    SAMPLE("F.cosine_embedding_loss(x, y, k), F.cosine_embedding_loss(e, e, f, reduction='sum'), "
           "F.cosine_embedding_loss(x, y, k, reduction='none')") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(1, 3)), y = sample_float(s, "y", AG_SHAPE(1, 3));
        ag_tensor k = sample_constant(s, "k", AG_SHAPE(1), 1, 1), e = sample_float(s, "e", AG_SHAPE(0, 3));
        sample_result(s, ag_cosine_embedding_loss(x, y, k));
        sample_result(s, ag_cosine_embedding_loss_with(e, e, sample_constant(s, "f", AG_SHAPE(0), 1, 1), 0, sum));
        sample_result(s, ag_cosine_embedding_loss_with(x, y, k, 0, AG_REDUCE_NONE));
    }
    REFUSES("ag_cosine_embedding_loss: ") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE_SCALAR), e = sample_float(s, "e", AG_SHAPE(2, 0, 1));
        ag_cosine_embedding_loss(x, e, x);
    }
    SAMPLE("F.triplet_margin_loss(x, y, z), F.triplet_margin_loss(e, e, e, reduction='sum'), "
           "F.triplet_margin_loss(x, y, z, reduction='none')") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(1, 3)), y = sample_float(s, "y", AG_SHAPE(1, 3));
        ag_tensor z = sample_float(s, "z", AG_SHAPE(1, 3)), e = sample_float(s, "e", AG_SHAPE(0, 3));
        sample_result(s, ag_triplet_margin_loss(x, y, z));
        triplet.reduction = sum;
        sample_result(s, ag_triplet_margin_loss_configured(e, e, e, triplet));
        triplet.reduction = AG_REDUCE_NONE;
        sample_result(s, ag_triplet_margin_loss_configured(x, y, z, triplet));
    }
    SCALAR("ag_triplet_margin_loss: ", ag_triplet_margin_loss(x, x, x))
    SAMPLE("F.cosine_similarity(x, y, 1), F.cosine_similarity(e, e, 1), F.pairwise_distance(x, y), F.pairwise_distance(e, e, 1)") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(1, 3)), y = sample_float(s, "y", AG_SHAPE(1, 3));
        ag_tensor e = sample_float(s, "e", AG_SHAPE(0, 3));
        sample_result(s, ag_cosine_similarity(x, y, 1, 1e-8));
        sample_result(s, ag_cosine_similarity(e, e, 1, 1e-8));
        sample_result(s, ag_pairwise_distance(x, y));
        sample_result(s, ag_pairwise_distance_with(e, e, 1, 1e-6, false));
    }
    SCALAR("ag_pairwise_distance: ", ag_pairwise_distance_with(x, x, 2, 1e-6, false))
    REFUSES("ag_cosine_similarity: ") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE_SCALAR);
        ag_cosine_similarity(x, x, 1, 1e-8);
    }
}

AG_SAMPLES_OF_FUNCTION(smallest_layers)
{
    ag_pool1d_config pool1d = ag_pool1d_defaults(2);
    ag_unfold_config patches = ag_unfold_defaults(2);
    ag_interpolate_config twice = ag_interpolate_defaults();
    twice.scale[0] = twice.scale[1] = 2;
    ag_rng rng = ag_rng_seed(3);
    IMAGES("F.unfold(x, 2)", ag_unfold(x, patches))
    SCALAR("ag_unfold: ", ag_unfold(x, patches))
    BOTH("F.fold(x, (4, 4), 2)", AG_SHAPE(1, 4, 9), AG_SHAPE(0, 4, 9), ag_fold(x, 4, 4, patches))
    SCALAR("ag_fold: ", ag_fold(x, 4, 4, patches))
    IMAGES("F.interpolate(x, scale_factor=2)", ag_interpolate(x, twice))
    SCALAR("ag_interpolate: ", ag_interpolate(x, twice))
    SAMPLE("F.pixel_shuffle(a, 2), F.pixel_unshuffle(b, 2), F.pixel_shuffle(c, 2), F.pixel_unshuffle(d, 2)") {
        sample_result(s, ag_pixel_shuffle(sample_float(s, "a", AG_SHAPE(1, 4, 1, 2)), 2));
        sample_result(s, ag_pixel_unshuffle(sample_float(s, "b", AG_SHAPE(1, 1, 4, 2)), 2));
        /* Constants: the gradients of these have a wrong shape in PyTorch 1.13. */
        sample_result(s, ag_pixel_shuffle(sample_constant(s, "c", AG_SHAPE(0, 4, 1, 2), 0, 1), 2));
        sample_result(s, ag_pixel_unshuffle(sample_constant(s, "d", AG_SHAPE(0, 1, 4, 2), 0, 1), 2));
    }
    SCALAR("ag_pixel_shuffle: ", ag_pixel_shuffle(x, 2))
    SCALAR("ag_pixel_unshuffle: ", ag_pixel_unshuffle(x, 2))
    SCALAR("ag_conv2d: ", ag_conv2d(x, x, AG_NONE, ag_conv2d_defaults()))
    SCALAR("ag_conv1d: ", ag_conv1d(x, x, AG_NONE, ag_conv1d_defaults()))
    SCALAR("ag_conv_transpose2d: ", ag_conv_transpose2d(x, x, AG_NONE, ag_conv_transpose2d_defaults()))
    SCALAR("ag_conv_transpose1d: ", ag_conv_transpose1d(x, x, AG_NONE, ag_conv_transpose1d_defaults()))
    LINES("F.conv_transpose1d(x, torch.ones(1, 2, 3, dtype=x.dtype))",
          ag_conv_transpose1d(x, ag_ones(AG_SHAPE(1, 2, 3), sample_dtype(s)), AG_NONE, ag_conv_transpose1d_defaults()))
    SCALAR("ag_max_pool2d: ", ag_max_pool2d(x, ag_pool2d_defaults(2)))
    SCALAR("ag_avg_pool2d: ", ag_avg_pool2d(x, ag_pool2d_defaults(2)))
    SCALAR("ag_adaptive_avg_pool2d: ", ag_adaptive_avg_pool2d(x, 2, 2))
    IMAGES("F.adaptive_max_pool2d(x, 2)", ag_adaptive_max_pool2d(x, 2, 2, NULL))
    SCALAR("ag_adaptive_max_pool2d: ", ag_adaptive_max_pool2d(x, 2, 2, NULL))
    LINES("F.max_pool1d(x, 2)", ag_max_pool1d(x, pool1d))
    SCALAR("ag_max_pool1d: ", ag_max_pool1d(x, pool1d))
    LINES("F.avg_pool1d(x, 2)", ag_avg_pool1d(x, pool1d))
    SCALAR("ag_avg_pool1d: ", ag_avg_pool1d(x, pool1d))
    LINES("F.adaptive_avg_pool1d(x, 2)", ag_adaptive_avg_pool1d(x, 2))
    SCALAR("ag_adaptive_avg_pool1d: ", ag_adaptive_avg_pool1d(x, 2))
    LINES("F.adaptive_max_pool1d(x, 2)", ag_adaptive_max_pool1d(x, 2, NULL))
    SCALAR("ag_adaptive_max_pool1d: ", ag_adaptive_max_pool1d(x, 2, NULL))
    SCALAR("ag_batch_norm: ", ag_batch_norm(x, AG_NONE, AG_NONE, AG_NONE, AG_NONE, ag_batch_norm_defaults()))
    SCALAR("ag_layer_norm: ", ag_layer_norm(x, AG_SHAPE(1), AG_NONE, AG_NONE, 1e-5))
    ROWS("x / torch.sqrt((x * x).mean(1, True) + 1e-5)", ag_rms_norm(x, AG_SHAPE(4), AG_NONE, 1e-5))
    SCALAR("ag_rms_norm: ", ag_rms_norm(x, AG_SHAPE(1), AG_NONE, 1e-5))
    SCALAR("ag_group_norm: ", ag_group_norm(x, 1, AG_NONE, AG_NONE, 1e-5))
    SCALAR("ag_instance_norm: ", ag_instance_norm(x, AG_NONE, AG_NONE, AG_NONE, AG_NONE, ag_instance_norm_defaults()))
    SCALAR("ag_scaled_dot_product_attention: query (), key () and value () are not",
           ag_scaled_dot_product_attention(x, x, x, AG_NONE, ag_attention_defaults(), NULL))
    BOTH("torch.outer(x, x)", AG_SHAPE(1), AG_SHAPE(0), ag_outer(x, x))
    SCALAR("ag_outer: ", ag_outer(x, x))
    BOTH("torch.dot(x, x)", AG_SHAPE(1), AG_SHAPE(0), ag_dot(x, x))
    SCALAR("ag_dot: ", ag_dot(x, x))
    SAMPLE("torch.einsum(',ij->j', w, x)") {
        const ag_tensor in[] = {sample_float(s, "w", AG_SHAPE_SCALAR), sample_float(s, "x", AG_SHAPE(1, 3))};
        sample_result(s, ag_einsum(",ij->j", 2, in));
    }
    /* Draws of which the outcome is certain. */
    EACH(-2, 2, "x * 0", ag_bernoulli_of(ag_mul_scalar(x, 0), &rng))
    EACH(-2, 2, "x * 1", ag_dropout(x, 0, &rng))
    LINES("x * 1", ag_dropout1d(x, 0, &rng))
    SCALAR("ag_dropout1d: ", ag_dropout1d(x, 0.5, &rng))
    IMAGES("x.clone()", ag_dropout2d(x, 0, &rng))
    SCALAR("ag_dropout2d: ", ag_dropout2d(x, 0.5, &rng))
    SAMPLE("torch.zeros(1, 2)") {
        sample_result(s, ag_multinomial(sample_constant(s, "a", AG_SHAPE(1, 1), 1, 2), 2, true, &rng));
    }
    SCALAR("ag_multinomial: ", ag_multinomial(x, 1, true, &rng))
    EACH(-2, 2, "torch.softmax(x * 0, -1) * 0 + torch.tensor(x.shape).sum()",
         ag_add_scalar(ag_mul_scalar(ag_gumbel_softmax(x, 1, false, -1, &rng), 0), i == 0 ? 4 : i == 1 ? 3 : 0))
    SAMPLE("torch.tanh(x @ w.t()) + 0 * h, torch.tanh(e @ w.t())") {
        ag_recurrent_weights w = {sample_float(s, "w", AG_SHAPE(1, 2)), sample_float(s, "h", AG_SHAPE(1, 1)), AG_NONE, AG_NONE};
        sample_result(s, ag_rnn(sample_float(s, "x", AG_SHAPE(1, 1, 2)), AG_NONE, w, ag_recurrent_defaults()));
        sample_result(s, ag_rnn(sample_float(s, "e", AG_SHAPE(1, 0, 2)), AG_NONE, w, ag_recurrent_defaults()));
    }
    SAMPLE("[(1 - torch.sigmoid(y @ w[1:2].t())) * torch.tanh(y @ w[2:].t()) + 0 * h.sum() for y in (x, e)]") {
        ag_recurrent_weights w = {sample_float(s, "w", AG_SHAPE(3, 2)), sample_float(s, "h", AG_SHAPE(3, 1)), AG_NONE, AG_NONE};
        sample_result(s, ag_gru(sample_float(s, "x", AG_SHAPE(1, 1, 2)), AG_NONE, w, ag_recurrent_defaults()));
        sample_result(s, ag_gru(sample_float(s, "e", AG_SHAPE(1, 0, 2)), AG_NONE, w, ag_recurrent_defaults()));
    }
    SAMPLE("[torch.sigmoid(y @ w[3:].t()) * torch.tanh(torch.sigmoid(y @ w[:1].t()) * torch.tanh(y @ w[2:3].t())) + 0 * h.sum() "
           "for y in (x, e)]") {
        ag_recurrent_weights w = {sample_float(s, "w", AG_SHAPE(4, 2)), sample_float(s, "h", AG_SHAPE(4, 1)), AG_NONE, AG_NONE};
        ag_recurrent_config c = ag_recurrent_defaults();
        sample_result(s, ag_lstm(sample_float(s, "x", AG_SHAPE(1, 1, 2)), AG_NONE, AG_NONE, w, c, NULL));
        sample_result(s, ag_lstm(sample_float(s, "e", AG_SHAPE(1, 0, 2)), AG_NONE, AG_NONE, w, c, NULL));
    }
    SCALAR("ag_rnn: ", ag_rnn(x, AG_NONE, ((ag_recurrent_weights){x, x, AG_NONE, AG_NONE}), ag_recurrent_defaults()))
    SCALAR("ag_gru: ", ag_gru(x, AG_NONE, ((ag_recurrent_weights){x, x, AG_NONE, AG_NONE}), ag_recurrent_defaults()))
    SCALAR("ag_lstm: ", ag_lstm(x, AG_NONE, AG_NONE, ((ag_recurrent_weights){x, x, AG_NONE, AG_NONE}), ag_recurrent_defaults(), NULL))
}
#endif
