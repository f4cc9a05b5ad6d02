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
AG_API ag_tensor ag_outer_at(ag_place where, ag_tensor a, ag_tensor b); /* y[i][j] = a[i] b[j]   a (m)   b (n)   y (m,n) */
AG_API ag_tensor ag_dot_at(ag_place where, ag_tensor a, ag_tensor b);   /* sum of a[i] b[i]   a (n)   b (n)   y () */
/* A sum of products in index notation, PyTorch's: "bij,bjk->bik". Each operand's dimensions have letters; those that the result
 * does not have are summed over; a letter twice in one operand takes the diagonal; "..." stands for dimensions that broadcast; without
 * an arrow the result has the letters that occur once, in alphabetical order. One to 16 operands, joined from the left. */
AG_API ag_tensor ag_einsum_at(ag_place where, const char *equation, int n, const ag_tensor *operands);
#define ag_matmul(...) ag_matmul_at(AG_HERE, __VA_ARGS__)
#define ag_linear(...) ag_linear_at(AG_HERE, __VA_ARGS__)
#define ag_outer(...) ag_outer_at(AG_HERE, __VA_ARGS__)
#define ag_dot(...) ag_dot_at(AG_HERE, __VA_ARGS__)
#define ag_einsum(...) ag_einsum_at(AG_HERE, __VA_ARGS__)

AG_EXTERN_C_END

#endif
