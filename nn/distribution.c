/*
 * Distributions, written in the library's operations: their gradients, of any order, follow from those.
 */
#include <math.h>

#include "distribution.h"

#define LOG_2_PI 1.8378770664093454836

/* Every function is a frame: of what it makes, only the result stays; its errors name the line that called it. */
typedef struct asked {
    ag_place before;
    ag_frame frame;
} asked;

static asked begin(ag_place where)
{
    return (asked){.before = ag_caller_set(where), .frame = ag_frame_begin()};
}

static ag_tensor end(asked a, ag_tensor y)
{
    y = ag_frame_end(a.frame, y);
    ag_caller_set(a.before);
    return y;
}

/* The shape of two tensors broadcast against each other; false after raising. */
static bool shape_together(ag_place where, const char *function, ag_tensor a, ag_tensor b, ag_shape *shape)
{
    char ta[AG_SHAPE_TEXT], tb[AG_SHAPE_TEXT];
    if (ag_error_code() != AG_OK || ag_is_nil(a) || ag_is_nil(b)) {
        return false;
    }
    ag_shape sa = ag_shape_of_at(where, a), sb = ag_shape_of_at(where, b);
    if (ag_error_code() != AG_OK) {
        return false;
    }
    if (!ag_shape_broadcast(sa, sb, shape)) {
        ag_error_raise(where, AG_ERROR_SHAPE, "%s: loc %s and scale %s cannot be broadcast", function,
                       ag_shape_format(sa, ta, sizeof(ta)), ag_shape_format(sb, tb, sizeof(tb)));
        return false;
    }
    return true;
}

/* ---- normal ------------------------------------------------------------------------------------------------------------ */

nn_normal nn_normal_of_logvar_at(ag_place where, ag_tensor loc, ag_tensor logvar)
{
    asked a = begin(where);
    return (nn_normal){loc, end(a, ag_exp_at(where, ag_mul_scalar_at(where, logvar, 0.5)))};
}

ag_tensor nn_normal_rsample_at(ag_place where, nn_normal d, ag_rng *rng)
{
    ag_shape shape;
    if (!shape_together(where, "nn_normal_rsample", d.loc, d.scale, &shape)) {
        return AG_NIL;
    }
    asked a = begin(where);
    ag_tensor e = ag_normal_at(where, shape, 0, 1, ag_dtype_of_at(where, d.loc), rng);
    return end(a, ag_add_at(where, d.loc, ag_mul_at(where, d.scale, e)));
}

ag_tensor nn_normal_sample_at(ag_place where, nn_normal d, ag_rng *rng)
{
    return ag_detach_at(where, nn_normal_rsample_at(where, d, rng));
}

ag_tensor nn_normal_log_prob_at(ag_place where, nn_normal d, ag_tensor x)
{
    asked a = begin(where);
    ag_tensor z = ag_div_at(where, ag_sub_at(where, x, d.loc), d.scale);
    ag_tensor y = ag_add_at(where, ag_mul_scalar_at(where, ag_square_at(where, z), 0.5), ag_log_at(where, d.scale));
    return end(a, ag_add_scalar_at(where, ag_neg_at(where, y), -0.5 * LOG_2_PI));
}

ag_tensor nn_normal_entropy_at(ag_place where, nn_normal d)
{
    ag_shape shape;
    if (!shape_together(where, "nn_normal_entropy", d.loc, d.scale, &shape)) {
        return AG_NIL;
    }
    asked a = begin(where);
    ag_tensor y = ag_add_scalar_at(where, ag_log_at(where, d.scale), 0.5 + 0.5 * LOG_2_PI);
    return end(a, ag_expand_at(where, y, shape));
}

ag_tensor nn_normal_kl_at(ag_place where, nn_normal p, nn_normal q)
{
    asked a = begin(where);
    ag_tensor ratio = ag_square_at(where, ag_div_at(where, p.scale, q.scale));
    ag_tensor apart = ag_square_at(where, ag_div_at(where, ag_sub_at(where, p.loc, q.loc), q.scale));
    ag_tensor y = ag_sub_at(where, ag_add_at(where, ratio, apart), ag_log_at(where, ratio));
    return end(a, ag_mul_scalar_at(where, ag_add_scalar_at(where, y, -1), 0.5));
}

ag_tensor nn_normal_kl_standard_at(ag_place where, ag_tensor loc, ag_tensor logvar)
{
    asked a = begin(where);
    /* e^v - 1 - v: near v = 0, where training brings it, expm1 keeps the digits that e^v would lose */
    ag_tensor spread = ag_sub_at(where, ag_expm1_at(where, logvar), logvar);
    return end(a, ag_mul_scalar_at(where, ag_add_at(where, ag_square_at(where, loc), spread), 0.5));
}

/* ---- Bernoulli --------------------------------------------------------------------------------------------------------- */

ag_tensor nn_bernoulli_sample_at(ag_place where, nn_bernoulli d, ag_rng *rng)
{
    asked a = begin(where);
    return end(a, ag_bernoulli_of_at(where, ag_sigmoid_at(where, ag_detach_at(where, d.logits)), rng));
}

ag_tensor nn_bernoulli_log_prob_at(ag_place where, nn_bernoulli d, ag_tensor x)
{
    asked a = begin(where);
    return end(a, ag_neg_at(where, ag_bce_with_logits_with_at(where, d.logits, x, AG_REDUCE_NONE)));
}

ag_tensor nn_bernoulli_entropy_at(ag_place where, nn_bernoulli d)
{
    asked a = begin(where);
    ag_tensor p = ag_sigmoid_at(where, d.logits);
    return end(a, ag_sub_at(where, ag_softplus_at(where, d.logits), ag_mul_at(where, p, d.logits)));
}

ag_tensor nn_bernoulli_kl_at(ag_place where, nn_bernoulli p, nn_bernoulli q)
{
    asked a = begin(where);
    /* log(1 - sigmoid(l)) = -softplus(l), and log sigmoid(l) = l - softplus(l) */
    ag_tensor ones = ag_mul_at(where, ag_sigmoid_at(where, p.logits), ag_sub_at(where, p.logits, q.logits));
    ag_tensor zeros = ag_sub_at(where, ag_softplus_at(where, q.logits), ag_softplus_at(where, p.logits));
    return end(a, ag_add_at(where, ones, zeros));
}

/* ---- categorical ------------------------------------------------------------------------------------------------------- */

/* Whether d has rows of classes; false after raising, or with an error already there. */
static bool has_classes(ag_place where, const char *function, nn_categorical d, ag_shape *shape)
{
    if (ag_error_code() != AG_OK || ag_is_nil(d.logits)) {
        return false;
    }
    *shape = ag_shape_of_at(where, d.logits);
    if (ag_error_code() != AG_OK) {
        return false;
    }
    if (shape->ndim < 1 || shape->size[shape->ndim - 1] < 1) {
        char text[AG_SHAPE_TEXT];
        ag_error_raise(where, AG_ERROR_SHAPE, "%s: logits must be (…,classes), got %s", function,
                       ag_shape_format(*shape, text, sizeof(text)));
        return false;
    }
    return true;
}

ag_tensor nn_categorical_sample_at(ag_place where, nn_categorical d, ag_rng *rng)
{
    ag_shape shape;
    if (!has_classes(where, "nn_categorical_sample", d, &shape)) {
        return AG_NIL;
    }
    asked a = begin(where);
    ag_shape rows = {.ndim = 2, .size = {1, shape.size[shape.ndim - 1]}}, drawn = shape;
    for (int i = 0; i + 1 < shape.ndim; i++) {
        rows.size[0] *= shape.size[i];
    }
    drawn.ndim--;
    ag_tensor p = ag_softmax_at(where, ag_reshape_at(where, ag_detach_at(where, d.logits), rows), 1);
    return end(a, ag_reshape_at(where, ag_multinomial_at(where, p, 1, true, rng), drawn));
}

ag_tensor nn_categorical_log_prob_at(ag_place where, nn_categorical d, ag_tensor x)
{
    ag_shape shape;
    if (!has_classes(where, "nn_categorical_log_prob", d, &shape)) {
        return AG_NIL;
    }
    asked a = begin(where);
    ag_tensor y = ag_gather_at(where, ag_log_softmax_at(where, d.logits, -1), -1, ag_unsqueeze_at(where, x, -1));
    return end(a, ag_squeeze_at(where, y, -1));
}

/* sum over the last dimension of p times what is given; a class that is impossible (a logit of minus infinity) adds nothing */
static ag_tensor expected(ag_place where, ag_tensor log_p, ag_tensor what)
{
    ag_tensor p = ag_exp_at(where, log_p);
    ag_tensor impossible = ag_logical_not_at(where, p);
    return ag_sum_dims_at(where, ag_mul_at(where, p, ag_masked_fill_at(where, what, impossible, 0)), AG_DIMS(-1), false);
}

ag_tensor nn_categorical_entropy_at(ag_place where, nn_categorical d)
{
    ag_shape shape;
    if (!has_classes(where, "nn_categorical_entropy", d, &shape)) {
        return AG_NIL;
    }
    asked a = begin(where);
    ag_tensor log_p = ag_log_softmax_at(where, d.logits, -1);
    return end(a, ag_neg_at(where, expected(where, log_p, log_p)));
}

ag_tensor nn_categorical_kl_at(ag_place where, nn_categorical p, nn_categorical q)
{
    ag_shape shape;
    if (!has_classes(where, "nn_categorical_kl", p, &shape) || !has_classes(where, "nn_categorical_kl", q, &shape)) {
        return AG_NIL;
    }
    asked a = begin(where);
    ag_tensor log_p = ag_log_softmax_at(where, p.logits, -1), log_q = ag_log_softmax_at(where, q.logits, -1);
    return end(a, expected(where, log_p, ag_sub_at(where, log_p, log_q)));
}
