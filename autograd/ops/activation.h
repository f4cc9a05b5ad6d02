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
AG_API ag_tensor ag_relu6_at(ag_place where, ag_tensor x); /* min(max(x, 0), 6) */
AG_API ag_tensor ag_hardtanh_at(ag_place where, ag_tensor x, double low, double high); /* min(max(x, low), high) (PyTorch: -1, 1) */
AG_API ag_tensor ag_hardsigmoid_at(ag_place where, ag_tensor x); /* min(max(x + 3, 0), 6) / 6 */
AG_API ag_tensor ag_hardswish_at(ag_place where, ag_tensor x);   /* x min(max(x + 3, 0), 6) / 6; Howard et al. 2019 */
/* 1.0507 (x > 0 ? x : 1.6733 (e^x - 1)); Klambauer, Unterthiner, Mayr & Hochreiter 2017 */
AG_API ag_tensor ag_selu_at(ag_place where, ag_tensor x);
AG_API ag_tensor ag_celu_at(ag_place where, ag_tensor x, double alpha); /* x > 0 ? x : alpha (e^(x/alpha) - 1) (PyTorch: 1) */
AG_API ag_tensor ag_mish_at(ag_place where, ag_tensor x);       /* x tanh(log(1 + e^x)); Misra 2019 */
AG_API ag_tensor ag_softsign_at(ag_place where, ag_tensor x);   /* x / (1 + |x|) */
AG_API ag_tensor ag_logsigmoid_at(ag_place where, ag_tensor x); /* -log(1 + e^-x) */
/* log(1 + e^(beta x)) / beta, and x where beta x > threshold (PyTorch: 1, 20) */
AG_API ag_tensor ag_softplus_with_at(ag_place where, ag_tensor x, double beta, double threshold);
/* x > 0 ? x : w x, with one weight for all or one for each channel (dimension 1); He, Zhang, Ren & Sun 2015 */
AG_API ag_tensor ag_prelu_at(ag_place where, ag_tensor x, ag_tensor weight);
/* a sigmoid(b), where a and b are the halves of x along dim (PyTorch: -1); Dauphin, Fan, Auli & Grangier 2017 */
AG_API ag_tensor ag_glu_at(ag_place where, ag_tensor x, int dim);
#define ag_tanh(...) ag_tanh_at(AG_HERE, __VA_ARGS__)
#define ag_sigmoid(...) ag_sigmoid_at(AG_HERE, __VA_ARGS__)
#define ag_relu(...) ag_relu_at(AG_HERE, __VA_ARGS__)
#define ag_leaky_relu(...) ag_leaky_relu_at(AG_HERE, __VA_ARGS__)
#define ag_elu(...) ag_elu_at(AG_HERE, __VA_ARGS__)
#define ag_softplus(...) ag_softplus_at(AG_HERE, __VA_ARGS__)
#define ag_silu(...) ag_silu_at(AG_HERE, __VA_ARGS__)
#define ag_gelu(...) ag_gelu_at(AG_HERE, __VA_ARGS__)
#define ag_gelu_tanh(...) ag_gelu_tanh_at(AG_HERE, __VA_ARGS__)
#define ag_relu6(...) ag_relu6_at(AG_HERE, __VA_ARGS__)
#define ag_hardtanh(...) ag_hardtanh_at(AG_HERE, __VA_ARGS__)
#define ag_hardsigmoid(...) ag_hardsigmoid_at(AG_HERE, __VA_ARGS__)
#define ag_hardswish(...) ag_hardswish_at(AG_HERE, __VA_ARGS__)
#define ag_selu(...) ag_selu_at(AG_HERE, __VA_ARGS__)
#define ag_celu(...) ag_celu_at(AG_HERE, __VA_ARGS__)
#define ag_mish(...) ag_mish_at(AG_HERE, __VA_ARGS__)
#define ag_softsign(...) ag_softsign_at(AG_HERE, __VA_ARGS__)
#define ag_logsigmoid(...) ag_logsigmoid_at(AG_HERE, __VA_ARGS__)
#define ag_softplus_with(...) ag_softplus_with_at(AG_HERE, __VA_ARGS__)
#define ag_prelu(...) ag_prelu_at(AG_HERE, __VA_ARGS__)
#define ag_glu(...) ag_glu_at(AG_HERE, __VA_ARGS__)

AG_EXTERN_C_END

#endif
