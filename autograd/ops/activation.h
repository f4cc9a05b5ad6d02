/*
 * Activations.
 */
#ifndef WENGERT_AUTOGRAD_OPS_ACTIVATION_H
#define WENGERT_AUTOGRAD_OPS_ACTIVATION_H

#include "../tensor.h"

AG_EXTERN_C_BEGIN

AG_API ag_tensor ag_tanh_at(ag_place where, ag_tensor x);                    /* (e^x - e^-x) / (e^x + e^-x) */
AG_API ag_tensor ag_sigmoid_at(ag_place where, ag_tensor x);                 /* 1 / (1 + e^-x) */
AG_API ag_tensor ag_relu_at(ag_place where, ag_tensor x);                    /* max(x, 0); derivative 0 at 0 */
AG_API ag_tensor ag_leaky_relu_at(ag_place where, ag_tensor x, double slope); /* x > 0 ? x : slope x (PyTorch: 0.01) */
AG_API ag_tensor ag_elu_at(ag_place where, ag_tensor x, double alpha);        /* x > 0 ? x : alpha (e^x - 1) */
AG_API ag_tensor ag_softplus_at(ag_place where, ag_tensor x);                /* log(1 + e^x) */
AG_API ag_tensor ag_silu_at(ag_place where, ag_tensor x);                    /* x sigmoid(x) */
AG_API ag_tensor ag_gelu_at(ag_place where, ag_tensor x);                    /* x Phi(x), exact */
AG_API ag_tensor ag_gelu_tanh_at(ag_place where, ag_tensor x); /* x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) */
#define ag_tanh(...) ag_tanh_at(AG_HERE, __VA_ARGS__)
#define ag_sigmoid(...) ag_sigmoid_at(AG_HERE, __VA_ARGS__)
#define ag_relu(...) ag_relu_at(AG_HERE, __VA_ARGS__)
#define ag_leaky_relu(...) ag_leaky_relu_at(AG_HERE, __VA_ARGS__)
#define ag_elu(...) ag_elu_at(AG_HERE, __VA_ARGS__)
#define ag_softplus(...) ag_softplus_at(AG_HERE, __VA_ARGS__)
#define ag_silu(...) ag_silu_at(AG_HERE, __VA_ARGS__)
#define ag_gelu(...) ag_gelu_at(AG_HERE, __VA_ARGS__)
#define ag_gelu_tanh(...) ag_gelu_tanh_at(AG_HERE, __VA_ARGS__)

AG_EXTERN_C_END

#endif
