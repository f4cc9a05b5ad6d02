/*
 * Optimizers: they see lists of named parameters, never layers. Each is one file with one update loop.
 *
 * As in PyTorch, a parameter that received no gradient since it was zeroed is skipped (its state and its step count do not
 * move), and so is one that does not require a gradient. Configs come from their *_defaults() function.
 */
#ifndef WENGERT_OPTIM_OPTIM_H
#define WENGERT_OPTIM_OPTIM_H

#include "../autograd/autograd.h"

AG_EXTERN_C_BEGIN

typedef struct optim optim;

/* ---- optimizers; each takes the list (frees it) and borrows its tensors, which must outlive the optimizer --------------- */

typedef struct optim_sgd_config {
    uint32_t made_by_defaults;
    double lr;           /* default 1e-3 */
    double momentum;     /* default 0 */
    double dampening;    /* default 0 */
    double weight_decay; /* default 0 */
    bool nesterov;       /* default false; needs momentum > 0 and dampening 0 */
} optim_sgd_config;
AG_API optim_sgd_config optim_sgd_defaults(void);
/* d = g + weight_decay w, v = momentum v + (1 - dampening) d, w -= lr v (nesterov: lr (d + momentum v)). */
AG_API optim *optim_sgd_at(ag_place where, ag_list *parameters, optim_sgd_config config);

typedef struct optim_adam_config {
    uint32_t made_by_defaults;
    double lr;           /* default 1e-3 */
    double beta1, beta2; /* defaults 0.9, 0.999 */
    double eps;          /* default 1e-8 */
    double weight_decay; /* default 0 (Adam: added to the gradient), 0.01 (AdamW: decoupled) */
} optim_adam_config;
AG_API optim_adam_config optim_adam_defaults(void);
AG_API optim *optim_adam_at(ag_place where, ag_list *parameters, optim_adam_config config); /* Kingma & Ba 2015 */
AG_API optim_adam_config optim_adamw_defaults(void);
AG_API optim *optim_adamw_at(ag_place where, ag_list *parameters, optim_adam_config config); /* Loshchilov & Hutter 2019 */

typedef struct optim_rmsprop_config {
    uint32_t made_by_defaults;
    double lr;           /* default 1e-2 */
    double alpha;        /* default 0.99 */
    double eps;          /* default 1e-8, outside the root */
    double weight_decay; /* default 0 */
    double momentum;     /* default 0 */
    bool centered;       /* default false */
} optim_rmsprop_config;
AG_API optim_rmsprop_config optim_rmsprop_defaults(void);
AG_API optim *optim_rmsprop_at(ag_place where, ag_list *parameters, optim_rmsprop_config config); /* Hinton 2012, lecture 6 */

typedef struct optim_adagrad_config {
    uint32_t made_by_defaults;
    double lr;                        /* default 1e-2 */
    double lr_decay;                  /* default 0 */
    double weight_decay;              /* default 0 */
    double initial_accumulator_value; /* default 0 */
    double eps;                       /* default 1e-10 */
} optim_adagrad_config;
AG_API optim_adagrad_config optim_adagrad_defaults(void);
AG_API optim *optim_adagrad_at(ag_place where, ag_list *parameters, optim_adagrad_config config); /* Duchi et al. 2011 */

#define optim_sgd(...) optim_sgd_at(AG_HERE, __VA_ARGS__)
#define optim_adam(...) optim_adam_at(AG_HERE, __VA_ARGS__)
#define optim_adamw(...) optim_adamw_at(AG_HERE, __VA_ARGS__)
#define optim_rmsprop(...) optim_rmsprop_at(AG_HERE, __VA_ARGS__)
#define optim_adagrad(...) optim_adagrad_at(AG_HERE, __VA_ARGS__)

/* ---- using them ------------------------------------------------------------------------------------------------------ */

/* Adds a parameter group with settings of its own: `config` points to the config struct of the optimizer's kind. A parameter
 * may be in one group only. Takes the list. Returns the number of the group (the first is 0), -1 after an error. */
AG_API int optim_add_group_at(ag_place where, optim *o, ag_list *parameters, const void *config);
#define optim_add_group(...) optim_add_group_at(AG_HERE, __VA_ARGS__)
AG_API int optim_group_count(const optim *o); /* number of parameter groups */
/* The learning rate of a group. */
AG_API double optim_lr(const optim *o, int group);
AG_API void optim_set_lr(optim *o, int group, double lr);
/* The momentum of a group: of SGD and RMSprop what their config calls so, of Adam and AdamW beta1. */
AG_API double optim_momentum(const optim *o, int group);
AG_API void optim_set_momentum(optim *o, int group, double momentum);

/* Forgets all gradients (PyTorch's set_to_none). */
AG_API void optim_zero_grad(optim *o);
/* One update of every parameter that has a gradient. Does nothing after an error. */
AG_API ag_error optim_step_at(ag_place where, optim *o);
#define optim_step(...) optim_step_at(AG_HERE, __VA_ARGS__)

/* Scales all gradients of the optimizer so that their joint 2-norm is at most max_norm; returns the norm before, as PyTorch's
 * clip_grad_norm_ (scale = max_norm / (norm + 1e-6), if below 1). */
AG_API double optim_clip_grad_norm(optim *o, double max_norm);
/* Clamps every gradient element to [-max, max]. */
AG_API void optim_clip_grad_value(optim *o, double max);

/* All that a resumed run needs of the optimizer (autograd/state.h), as PyTorch's state_dict: its kind, the settings of every
 * group, and for each parameter by name how often it was updated and its averages ("state.0.weight.exp_avg"). The settings
 * that are put back are the saved ones, as in PyTorch. A parameter whose name an earlier one has, too, is "name#2". */
AG_API ag_stateful optim_stateful(optim *o);

AG_API void optim_free(optim *o); /* NULL is fine */

/* Errors of the functions that take no place name the line of the call, too. */
#ifndef WENGERT_INTERNAL
#define optim_lr(...) AG_NOTING(optim_lr(__VA_ARGS__))
#define optim_set_lr(...) AG_NOTING(optim_set_lr(__VA_ARGS__))
#define optim_momentum(...) AG_NOTING(optim_momentum(__VA_ARGS__))
#define optim_set_momentum(...) AG_NOTING(optim_set_momentum(__VA_ARGS__))
#define optim_zero_grad(...) AG_NOTING(optim_zero_grad(__VA_ARGS__))
#define optim_clip_grad_norm(...) AG_NOTING(optim_clip_grad_norm(__VA_ARGS__))
#define optim_clip_grad_value(...) AG_NOTING(optim_clip_grad_value(__VA_ARGS__))
#endif

AG_EXTERN_C_END

#endif
