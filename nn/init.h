/*
 * Initialisation. Each function fills a leaf in place and draws one key from the generator. fan_in and fan_out follow
 * PyTorch: for (out, in, …) weights, fan_in = in * receptive field, fan_out = out * receptive field.
 */
#ifndef WENGERT_NN_INIT_H
#define WENGERT_NN_INIT_H

#include "../autograd/autograd.h"

AG_EXTERN_C_BEGIN

typedef enum nn_fan {
    NN_FAN_IN,
    NN_FAN_OUT
} nn_fan;

AG_API void nn_init_zeros(ag_tensor w); /* all 0 */
AG_API void nn_init_ones(ag_tensor w); /* all 1 */
AG_API void nn_init_constant(ag_tensor w, double value); /* all `value` */
AG_API void nn_init_uniform(ag_tensor w, double low, double high, ag_rng *rng); /* uniform in low..high */
/* Normal with this mean and standard deviation. */
AG_API void nn_init_normal(ag_tensor w, double mean, double std, ag_rng *rng);
/* U(-a, a), a = gain sqrt(6 / (fan_in + fan_out)); and N(0, gain^2 2 / (fan_in + fan_out)). Glorot & Bengio 2010. */
AG_API void nn_init_xavier_uniform(ag_tensor w, double gain, ag_rng *rng);
AG_API void nn_init_xavier_normal(ag_tensor w, double gain, ag_rng *rng);
/* U(-b, b), b = gain sqrt(3 / fan); and N(0, gain^2 / fan). He et al. 2015. */
AG_API void nn_init_kaiming_uniform(ag_tensor w, double gain, nn_fan fan, ag_rng *rng);
AG_API void nn_init_kaiming_normal(ag_tensor w, double gain, nn_fan fan, ag_rng *rng);
/* The recommended gain of a nonlinearity: "linear", "sigmoid", "tanh", "relu", "leaky_relu" (param: slope, PyTorch's default
 * 0.01), "selu". Raises for another name. */
AG_API double nn_init_gain(const char *nonlinearity, double param);

/* Errors of the functions that take no place name the line of the call, too. */
#ifndef WENGERT_INTERNAL
#define nn_init_zeros(...) AG_NOTING(nn_init_zeros(__VA_ARGS__))
#define nn_init_ones(...) AG_NOTING(nn_init_ones(__VA_ARGS__))
#define nn_init_constant(...) AG_NOTING(nn_init_constant(__VA_ARGS__))
#define nn_init_uniform(...) AG_NOTING(nn_init_uniform(__VA_ARGS__))
#define nn_init_normal(...) AG_NOTING(nn_init_normal(__VA_ARGS__))
#define nn_init_xavier_uniform(...) AG_NOTING(nn_init_xavier_uniform(__VA_ARGS__))
#define nn_init_xavier_normal(...) AG_NOTING(nn_init_xavier_normal(__VA_ARGS__))
#define nn_init_kaiming_uniform(...) AG_NOTING(nn_init_kaiming_uniform(__VA_ARGS__))
#define nn_init_kaiming_normal(...) AG_NOTING(nn_init_kaiming_normal(__VA_ARGS__))
#define nn_init_gain(...) AG_NOTING(nn_init_gain(__VA_ARGS__))
#endif

AG_EXTERN_C_END

#endif
