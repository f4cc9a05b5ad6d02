/*
 * Operations in place, with PyTorch's trailing underscore: the result is written over the first tensor, which is returned.
 *
 * Shape and element type of the first tensor stay; the others broadcast to it. In a scope that records, if any of them requires a
 * gradient, the tensor gets a new history, as do its base and the other views of it if it is a view: gradients are PyTorch's. What
 * an operation saved before, and what was changed since, is refused in backward with both lines. Refused at once: a leaf that
 * requires a gradient (outside of no_grad) or a view of one, a leaf or kept value that would take a history, a tensor of an outer
 * scope, one that was expanded. A slice is assigned to through a view: ag_copy_(ag_slice(x, 0, 1, 3, 1), y).
 */
#ifndef WENGERT_AUTOGRAD_OPS_IN_PLACE_H
#define WENGERT_AUTOGRAD_OPS_IN_PLACE_H

#include "../tensor.h"

AG_EXTERN_C_BEGIN

AG_API ag_tensor ag_add_in_place_at(ag_place where, ag_tensor a, ag_tensor b); /* a = a + b; all types */
AG_API ag_tensor ag_sub_in_place_at(ag_place where, ag_tensor a, ag_tensor b); /* a = a - b; all types */
AG_API ag_tensor ag_mul_in_place_at(ag_place where, ag_tensor a, ag_tensor b); /* a = a b; all types */
AG_API ag_tensor ag_div_in_place_at(ag_place where, ag_tensor a, ag_tensor b); /* a = a / b */
AG_API ag_tensor ag_add_scalar_in_place_at(ag_place where, ag_tensor x, double c); /* x = x + c; all types */
AG_API ag_tensor ag_mul_scalar_in_place_at(ag_place where, ag_tensor x, double c); /* x = c x; all types */
AG_API ag_tensor ag_clamp_in_place_at(ag_place where, ag_tensor x, double low, double high); /* x = min(max(x, low), high) */
AG_API ag_tensor ag_fill_in_place_at(ag_place where, ag_tensor x, double value); /* x = value; all types */
AG_API ag_tensor ag_zero_in_place_at(ag_place where, ag_tensor x); /* x = 0; all types */
/* x = source, broadcast and converted to x's type; the gradient goes to the source. All types. */
AG_API ag_tensor ag_copy_in_place_at(ag_place where, ag_tensor x, ag_tensor source);
AG_API ag_tensor ag_masked_fill_in_place_at(ag_place where, ag_tensor x, ag_tensor mask, double value); /* x = mask ? value : x */
AG_API ag_tensor ag_neg_in_place_at(ag_place where, ag_tensor x);     /* x = -x */
AG_API ag_tensor ag_square_in_place_at(ag_place where, ag_tensor x);  /* x = x^2 */
AG_API ag_tensor ag_sqrt_in_place_at(ag_place where, ag_tensor x);    /* x = sqrt(x) */
AG_API ag_tensor ag_exp_in_place_at(ag_place where, ag_tensor x);     /* x = e^x */
AG_API ag_tensor ag_relu_in_place_at(ag_place where, ag_tensor x);    /* x = max(x, 0) */
AG_API ag_tensor ag_tanh_in_place_at(ag_place where, ag_tensor x);    /* x = tanh(x) */
AG_API ag_tensor ag_sigmoid_in_place_at(ag_place where, ag_tensor x); /* x = 1 / (1 + e^-x) */
#define ag_add_(...) ag_add_in_place_at(AG_HERE, __VA_ARGS__)
#define ag_sub_(...) ag_sub_in_place_at(AG_HERE, __VA_ARGS__)
#define ag_mul_(...) ag_mul_in_place_at(AG_HERE, __VA_ARGS__)
#define ag_div_(...) ag_div_in_place_at(AG_HERE, __VA_ARGS__)
#define ag_add_scalar_(...) ag_add_scalar_in_place_at(AG_HERE, __VA_ARGS__)
#define ag_mul_scalar_(...) ag_mul_scalar_in_place_at(AG_HERE, __VA_ARGS__)
#define ag_clamp_(...) ag_clamp_in_place_at(AG_HERE, __VA_ARGS__)
#define ag_fill_(...) ag_fill_in_place_at(AG_HERE, __VA_ARGS__)
#define ag_zero_(...) ag_zero_in_place_at(AG_HERE, __VA_ARGS__)
#define ag_copy_(...) ag_copy_in_place_at(AG_HERE, __VA_ARGS__)
#define ag_masked_fill_(...) ag_masked_fill_in_place_at(AG_HERE, __VA_ARGS__)
#define ag_neg_(...) ag_neg_in_place_at(AG_HERE, __VA_ARGS__)
#define ag_square_(...) ag_square_in_place_at(AG_HERE, __VA_ARGS__)
#define ag_sqrt_(...) ag_sqrt_in_place_at(AG_HERE, __VA_ARGS__)
#define ag_exp_(...) ag_exp_in_place_at(AG_HERE, __VA_ARGS__)
#define ag_relu_(...) ag_relu_in_place_at(AG_HERE, __VA_ARGS__)
#define ag_tanh_(...) ag_tanh_in_place_at(AG_HERE, __VA_ARGS__)
#define ag_sigmoid_(...) ag_sigmoid_in_place_at(AG_HERE, __VA_ARGS__)

AG_EXTERN_C_END

#endif
