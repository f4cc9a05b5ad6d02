/*
 * Probability distributions over tensors, by value: what they draw, the logarithm of a density, entropy and divergence. The
 * names and formulas are those of torch.distributions.
 *
 * A distribution is one or two handles; it owns nothing and needs no freeing. Every function gives a number per element, so the
 * sum over the dimensions that belong together is the program's:
 *
 *     nn_normal q = nn_normal_of_logvar(mu, logvar);
 *     ag_tensor z = nn_normal_rsample(q, &rng);                        // gradients reach mu and logvar
 *     ag_tensor kl = ag_sum(nn_normal_kl_standard(mu, logvar));
 *
 * Parameters broadcast against each other and against what is asked about. They are not searched for values that no
 * distribution has (a scale below 0): what comes out is NaN then, and anomaly mode tells where.
 */
#ifndef WENGERT_NN_DISTRIBUTION_H
#define WENGERT_NN_DISTRIBUTION_H

#include "../autograd/autograd.h"

AG_EXTERN_C_BEGIN

/* ---- normal ------------------------------------------------------------------------------------------------------------ */

/* N(loc, scale^2), element by element; float32 or float64. */
typedef struct nn_normal {
    ag_tensor loc, scale;
} nn_normal;

/* The one whose logarithm of the variance is given: scale = e^(logvar / 2). */
AG_API nn_normal nn_normal_of_logvar_at(ag_place where, ag_tensor loc, ag_tensor logvar);
/* loc + scale e with e from N(0, 1), drawn with one key of rng: the gradient flows through loc and scale (the
 * reparameterisation; Kingma & Welling 2014). In the shape that loc and scale have together. */
AG_API ag_tensor nn_normal_rsample_at(ag_place where, nn_normal d, ag_rng *rng);
/* The same numbers, detached. */
AG_API ag_tensor nn_normal_sample_at(ag_place where, nn_normal d, ag_rng *rng);
/* -(x - loc)^2 / (2 scale^2) - log scale - log(2 pi) / 2 */
AG_API ag_tensor nn_normal_log_prob_at(ag_place where, nn_normal d, ag_tensor x);
/* log scale + (1 + log(2 pi)) / 2, in nats */
AG_API ag_tensor nn_normal_entropy_at(ag_place where, nn_normal d);
/* KL(p || q) = log(q.scale / p.scale) + (p.scale^2 + (p.loc - q.loc)^2) / (2 q.scale^2) - 1/2, in nats */
AG_API ag_tensor nn_normal_kl_at(ag_place where, nn_normal p, nn_normal q);
/* KL(N(loc, e^logvar) || N(0, 1)) = (loc^2 + e^logvar - logvar - 1) / 2, in nats: the divergence of a variational autoencoder */
AG_API ag_tensor nn_normal_kl_standard_at(ag_place where, ag_tensor loc, ag_tensor logvar);
#define nn_normal_of_logvar(...) nn_normal_of_logvar_at(AG_HERE, __VA_ARGS__)
#define nn_normal_rsample(...) nn_normal_rsample_at(AG_HERE, __VA_ARGS__)
#define nn_normal_sample(...) nn_normal_sample_at(AG_HERE, __VA_ARGS__)
#define nn_normal_log_prob(...) nn_normal_log_prob_at(AG_HERE, __VA_ARGS__)
#define nn_normal_entropy(...) nn_normal_entropy_at(AG_HERE, __VA_ARGS__)
#define nn_normal_kl(...) nn_normal_kl_at(AG_HERE, __VA_ARGS__)
#define nn_normal_kl_standard(...) nn_normal_kl_standard_at(AG_HERE, __VA_ARGS__)

/* ---- Bernoulli --------------------------------------------------------------------------------------------------------- */

/* 1 with probability sigmoid(logits), else 0, element by element. */
typedef struct nn_bernoulli {
    ag_tensor logits;
} nn_bernoulli;

/* 0 or 1 in the logits' shape and type, with one key of rng. Not differentiable. */
AG_API ag_tensor nn_bernoulli_sample_at(ag_place where, nn_bernoulli d, ag_rng *rng);
/* x log p + (1 - x) log(1 - p), p = sigmoid(logits); x in [0, 1], of the logits' shape. No overflow at any logit. */
AG_API ag_tensor nn_bernoulli_log_prob_at(ag_place where, nn_bernoulli d, ag_tensor x);
/* -p log p - (1 - p) log(1 - p), in nats */
AG_API ag_tensor nn_bernoulli_entropy_at(ag_place where, nn_bernoulli d);
/* KL(p || q), in nats */
AG_API ag_tensor nn_bernoulli_kl_at(ag_place where, nn_bernoulli p, nn_bernoulli q);
#define nn_bernoulli_sample(...) nn_bernoulli_sample_at(AG_HERE, __VA_ARGS__)
#define nn_bernoulli_log_prob(...) nn_bernoulli_log_prob_at(AG_HERE, __VA_ARGS__)
#define nn_bernoulli_entropy(...) nn_bernoulli_entropy_at(AG_HERE, __VA_ARGS__)
#define nn_bernoulli_kl(...) nn_bernoulli_kl_at(AG_HERE, __VA_ARGS__)

/* ---- categorical ------------------------------------------------------------------------------------------------------- */

/* Class c with probability softmax(logits)[c], along the last dimension: logits (…,C). */
typedef struct nn_categorical {
    ag_tensor logits;
} nn_categorical;

/* A class for each row, int64 (…), with one key of rng. Not differentiable; ag_gumbel_softmax() is a draw that is. */
AG_API ag_tensor nn_categorical_sample_at(ag_place where, nn_categorical d, ag_rng *rng);
/* log softmax(logits)[x]; x int64 (…), each in 0..C-1 */
AG_API ag_tensor nn_categorical_log_prob_at(ag_place where, nn_categorical d, ag_tensor x);
/* -sum over c of p_c log p_c, in nats, (…) */
AG_API ag_tensor nn_categorical_entropy_at(ag_place where, nn_categorical d);
/* KL(p || q) = sum over c of p_c (log p_c - log q_c), in nats, (…) */
AG_API ag_tensor nn_categorical_kl_at(ag_place where, nn_categorical p, nn_categorical q);
#define nn_categorical_sample(...) nn_categorical_sample_at(AG_HERE, __VA_ARGS__)
#define nn_categorical_log_prob(...) nn_categorical_log_prob_at(AG_HERE, __VA_ARGS__)
#define nn_categorical_entropy(...) nn_categorical_entropy_at(AG_HERE, __VA_ARGS__)
#define nn_categorical_kl(...) nn_categorical_kl_at(AG_HERE, __VA_ARGS__)

AG_EXTERN_C_END

#endif
