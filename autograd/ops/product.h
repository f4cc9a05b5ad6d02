/*
 * Products of matrices and vectors.
 */
#ifndef WENGERT_AUTOGRAD_OPS_PRODUCT_H
#define WENGERT_AUTOGRAD_OPS_PRODUCT_H

#include "../tensor.h"

AG_EXTERN_C_BEGIN

/* a b. (n)(n) -> (); (m,k)(k) -> (m); (k)(k,n) -> (n); (…,m,k)(…,k,n) -> (…,m,n) with leading dimensions broadcast. */
AG_API ag_tensor ag_matmul_at(ag_place where, ag_tensor a, ag_tensor b);
/* y = x w^T + b     x (…,in)   w (out,in)   b (out), optional   y (…,out) */
AG_API ag_tensor ag_linear_at(ag_place where, ag_tensor x, ag_tensor weight, ag_tensor bias);
#define ag_matmul(...) ag_matmul_at(AG_HERE, __VA_ARGS__)
#define ag_linear(...) ag_linear_at(AG_HERE, __VA_ARGS__)

AG_EXTERN_C_END

#endif
