/*
 * Derivatives of functions: Jacobians, Hessians and their products with vectors, as torch.autograd.functional has them.
 *
 * The function is evaluated once, at detached copies of the inputs: the inputs may be leaves, results or constants, and nothing
 * is accumulated into leaves. What the result does not depend on has derivative 0. With create_graph the derivatives are
 * recorded and lead back to those inputs that require gradients, so that they can be differentiated again.
 *
 * Results belong to the innermost scope of the caller; nothing else of the calculation stays there, except what create_graph
 * needs. On an error every result is AG_NIL.
 */
#ifndef WENGERT_AUTOGRAD_FUNCTIONAL_H
#define WENGERT_AUTOGRAD_FUNCTIONAL_H

#include "backward.h"

AG_EXTERN_C_BEGIN

typedef struct ag_functional_config {
    uint32_t made_by_defaults;
    bool create_graph; /* record the derivatives; needs a scope that records; default false */
} ag_functional_config;

AG_API ag_functional_config ag_functional_defaults(void);

/* J_i = df/dx_i, of shape (shape of f…, shape of x_i…) with at most 8 dimensions, into jacobians[i]: one sweep for each element
 * of f. All inputs and f's result are of floating types; J_i is of the type of x_i. */
AG_API ag_error ag_jacobian_at(ag_place where, ag_function f, void *user, int n, const ag_tensor *inputs,
                               ag_tensor *jacobians, ag_functional_config config);
/* H_ij = d²f/dx_i dx_j of a function with one element, of shape (shape of x_i…, shape of x_j…) and the type of x_j, into
 * hessians[i * n + j]: n × n results. One sweep for each element of the inputs, and one before them. */
AG_API ag_error ag_hessian_at(ag_place where, ag_function f, void *user, int n, const ag_tensor *inputs,
                              ag_tensor *hessians, ag_functional_config config);
/* vᵀ J: products[i] = Σ_k v_k df_k/dx_i, of the shape of x_i. v has the shape and type of f's result; AG_NONE stands for 1
 * where that has one element. One sweep. Returns f's value, AG_NIL after an error. */
AG_API ag_tensor ag_vjp_at(ag_place where, ag_function f, void *user, int n, const ag_tensor *inputs, ag_tensor v,
                           ag_tensor *products, ag_functional_config config);
/* J v: *product = Σ_i df/dx_i v_i, of the shape of f's result. Each v[i] has the shape and type of inputs[i]; NULL stands for 1
 * where there is one input of one element. Two sweeps, the second through the first. Returns f's value, AG_NIL after an
 * error. */
AG_API ag_tensor ag_jvp_at(ag_place where, ag_function f, void *user, int n, const ag_tensor *inputs, const ag_tensor *v,
                           ag_tensor *product, ag_functional_config config);
/* vᵀ H of a function with one element: products[j] = Σ_i v_i H_ij, of the shape of x_j. v as for ag_jvp(). Two sweeps. Returns
 * f's value, AG_NIL after an error. */
AG_API ag_tensor ag_vhp_at(ag_place where, ag_function f, void *user, int n, const ag_tensor *inputs, const ag_tensor *v,
                           ag_tensor *products, ag_functional_config config);
/* H v: products[i] = Σ_j H_ij v_j. The same as ag_vhp() where second derivatives are continuous, and slower: three sweeps. */
AG_API ag_tensor ag_hvp_at(ag_place where, ag_function f, void *user, int n, const ag_tensor *inputs, const ag_tensor *v,
                           ag_tensor *products, ag_functional_config config);
#define ag_jacobian(...) ag_jacobian_at(AG_HERE, __VA_ARGS__)
#define ag_hessian(...) ag_hessian_at(AG_HERE, __VA_ARGS__)
#define ag_vjp(...) ag_vjp_at(AG_HERE, __VA_ARGS__)
#define ag_jvp(...) ag_jvp_at(AG_HERE, __VA_ARGS__)
#define ag_vhp(...) ag_vhp_at(AG_HERE, __VA_ARGS__)
#define ag_hvp(...) ag_hvp_at(AG_HERE, __VA_ARGS__)

AG_EXTERN_C_END

#endif
