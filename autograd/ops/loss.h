/*
 * Softmax, losses, and the distances some of them are made of.
 */
#ifndef WENGERT_AUTOGRAD_OPS_LOSS_H
#define WENGERT_AUTOGRAD_OPS_LOSS_H

#include "../tensor.h"

AG_EXTERN_C_BEGIN

/* e^x / (sum of e^x along dim), and its logarithm in one pass, which does not lose what is small. */
AG_API ag_tensor ag_softmax_at(ag_place where, ag_tensor x, int dim);
AG_API ag_tensor ag_log_softmax_at(ag_place where, ag_tensor x, int dim);

/* Every loss has two functions: the short one takes the mean, the other says what becomes of the values and has what
 * options there are. The names, defaults and numbers are those of torch.nn.functional. */
typedef enum ag_reduction {
    AG_REDUCE_MEAN, /* PyTorch's default */
    AG_REDUCE_SUM,
    AG_REDUCE_NONE,
    AG_REDUCE_BATCHMEAN /* the sum divided by the first length: ag_kl_div alone */
} ag_reduction;

/* ---- element by element: x and y have the same shape, y may require a gradient ------------------------------------ */

/* (x - y)^2, |x - y|, and -(y log s(x) + (1 - y) log(1 - s(x))) with s the sigmoid. */
AG_API ag_tensor ag_mse_loss_at(ag_place where, ag_tensor x, ag_tensor y);
AG_API ag_tensor ag_mse_loss_with_at(ag_place where, ag_tensor x, ag_tensor y, ag_reduction reduction);
AG_API ag_tensor ag_l1_loss_at(ag_place where, ag_tensor x, ag_tensor y);
AG_API ag_tensor ag_l1_loss_with_at(ag_place where, ag_tensor x, ag_tensor y, ag_reduction reduction);
AG_API ag_tensor ag_bce_with_logits_at(ag_place where, ag_tensor x, ag_tensor y);
AG_API ag_tensor ag_bce_with_logits_with_at(ag_place where, ag_tensor x, ag_tensor y, ag_reduction reduction);
/* The same times weight, with the part of y times pos_weight; both optional (AG_NONE), both broadcast to x's shape. */
AG_API ag_tensor ag_bce_with_logits_weighted_at(ag_place where, ag_tensor x, ag_tensor y, ag_tensor weight,
                                                ag_tensor pos_weight, ag_reduction reduction);
/* -(y log x + (1 - y) log(1 - x)), each logarithm at least -100, times weight (optional, broadcast to x's shape). x:
 * probabilities, refused outside 0..1. ag_bce_with_logits is more exact. */
AG_API ag_tensor ag_bce_at(ag_place where, ag_tensor x, ag_tensor y);
AG_API ag_tensor ag_bce_with_at(ag_place where, ag_tensor x, ag_tensor y, ag_tensor weight, ag_reduction reduction);
/* d^2 / (2 beta) for |d| < beta, else |d| - beta / 2, with d = x - y. beta >= 0, PyTorch's is 1. Girshick 2015. */
AG_API ag_tensor ag_smooth_l1_loss_at(ag_place where, ag_tensor x, ag_tensor y);
AG_API ag_tensor ag_smooth_l1_loss_with_at(ag_place where, ag_tensor x, ag_tensor y, double beta, ag_reduction reduction);
/* d^2 / 2 for |d| <= delta, else delta (|d| - delta / 2), with d = x - y. delta > 0, PyTorch's is 1. Huber 1964. */
AG_API ag_tensor ag_huber_loss_at(ag_place where, ag_tensor x, ag_tensor y);
AG_API ag_tensor ag_huber_loss_with_at(ag_place where, ag_tensor x, ag_tensor y, double delta, ag_reduction reduction);
/* Divergence of probabilities y from those whose logarithms are x: y (log y - x), 0 log 0 being 0; with log_target y
 * is their logarithm too: e^y (y - x). The mean is over elements; the divergence's own is AG_REDUCE_BATCHMEAN.
 * Kullback & Leibler 1951. */
AG_API ag_tensor ag_kl_div_at(ag_place where, ag_tensor x, ag_tensor y);
AG_API ag_tensor ag_kl_div_with_at(ag_place where, ag_tensor x, ag_tensor y, bool log_target, ag_reduction reduction);

/* ---- likelihoods: the arguments broadcast, all may require a gradient --------------------------------------------- */

typedef struct ag_poisson_nll_config {
    uint32_t made_by_defaults;
    bool log_input; /* default true: x is the log of the rate, e^x - y x; false: the rate itself, x - y log(x + eps) */
    bool full;      /* default false; true adds Stirling's y log y - y + log(2 pi y) / 2 where y > 1 */
    double eps;     /* default 1e-8 */
    ag_reduction reduction;
} ag_poisson_nll_config;

/* -log of the probability of the count y (floating or integer) under a Poisson distribution, without the term in y
 * alone. */
AG_API ag_tensor ag_poisson_nll_loss_at(ag_place where, ag_tensor x, ag_tensor y);
AG_API ag_poisson_nll_config ag_poisson_nll_defaults(void);
AG_API ag_tensor ag_poisson_nll_loss_configured_at(ag_place where, ag_tensor x, ag_tensor y, ag_poisson_nll_config config);
/* (log v + (x - y)^2 / v) / 2 with v = max(var, eps), + log(2 pi) / 2 if full. x, y of one shape; var of the same, or
 * that with a last length of 1, or without its last dimension; not negative. v's derivative by var is 1, below eps
 * too. eps > 0, PyTorch's is 1e-6. Nix & Weigend 1994. */
AG_API ag_tensor ag_gaussian_nll_loss_at(ag_place where, ag_tensor x, ag_tensor y, ag_tensor var);
AG_API ag_tensor ag_gaussian_nll_loss_with_at(ag_place where, ag_tensor x, ag_tensor y, ag_tensor var, bool full, double eps,
                                              ag_reduction reduction);

/* ---- classes ------------------------------------------------------------------------------------------------------ */

/* Mean over the batch of -log softmax(logits)[label].  logits (N,C)   labels int64 (N), each in 0..C-1 */
AG_API ag_tensor ag_cross_entropy_at(ag_place where, ag_tensor logits, ag_tensor labels);
AG_API ag_tensor ag_cross_entropy_with_at(ag_place where, ag_tensor logits, ag_tensor labels, ag_reduction reduction);

typedef struct ag_cross_entropy_config {
    uint32_t made_by_defaults;
    ag_tensor weight;       /* (C), default AG_NONE: all 1 */
    int64_t ignore_index;   /* default -100: rows with this label cost nothing and do not count */
    double label_smoothing; /* default 0; s spreads that part of each row evenly over all classes. Szegedy et al. 2016 */
    ag_reduction reduction;
} ag_cross_entropy_config;

AG_API ag_cross_entropy_config ag_cross_entropy_defaults(void);
/* -sum over c of weight[c] q[c] log softmax(logits)[c], q the target.  logits (C), (N,C) or (N,C,d1,…)
 * Target: labels, int64, of that shape without C: q is 1 at the label; the mean divides by the sum of the labels' weights
 * (NaN if all are ignored); the weight's gradient is refused. Or probabilities of the logits' shape and type, which may
 * require a gradient, as may the weight; the mean divides by the number of rows; ignore_index does not apply. */
AG_API ag_tensor ag_cross_entropy_configured_at(ag_place where, ag_tensor logits, ag_tensor target,
                                                ag_cross_entropy_config config);
/* -weight[label] x[label]: the same for logarithms of probabilities.  x (C), (N,C) or (N,C,d1,…)   labels int64, that
 * without C   weight (C), optional; its gradient is refused. PyTorch's ignore_index is -100. */
AG_API ag_tensor ag_nll_loss_at(ag_place where, ag_tensor x, ag_tensor labels);
AG_API ag_tensor ag_nll_loss_with_at(ag_place where, ag_tensor x, ag_tensor labels, ag_tensor weight, int64_t ignore_index,
                                     ag_reduction reduction);
/* Sum over c other than the label of max(0, margin - x[label] + x[c])^p weight[label] / C.  x (C) or (N,C)   labels
 * int64 () or (N)   p 1 or 2   weight (C), optional. PyTorch: p 1, margin 1. Crammer & Singer 2001. */
AG_API ag_tensor ag_multi_margin_loss_at(ag_place where, ag_tensor x, ag_tensor labels);
AG_API ag_tensor ag_multi_margin_loss_with_at(ag_place where, ag_tensor x, ag_tensor labels, int p, double margin,
                                              ag_tensor weight, ag_reduction reduction);

/* ---- margins and pairs: y is 1 or -1, floating or integer; the arguments broadcast -------------------------------- */

/* Where y only chooses (hinge and cosine embedding), no gradient reaches it. */

/* x where y = 1, max(0, margin - x) where y = -1 (their sum where y is neither). PyTorch: margin 1. */
AG_API ag_tensor ag_hinge_embedding_loss_at(ag_place where, ag_tensor x, ag_tensor y);
AG_API ag_tensor ag_hinge_embedding_loss_with_at(ag_place where, ag_tensor x, ag_tensor y, double margin,
                                                 ag_reduction reduction);
/* max(0, margin - y (x1 - x2)). PyTorch: margin 0. */
AG_API ag_tensor ag_margin_ranking_loss_at(ag_place where, ag_tensor x1, ag_tensor x2, ag_tensor y);
AG_API ag_tensor ag_margin_ranking_loss_with_at(ag_place where, ag_tensor x1, ag_tensor x2, ag_tensor y, double margin,
                                                ag_reduction reduction);
/* log(1 + e^(-y x)), without overflow. */
AG_API ag_tensor ag_soft_margin_loss_at(ag_place where, ag_tensor x, ag_tensor y);
AG_API ag_tensor ag_soft_margin_loss_with_at(ag_place where, ag_tensor x, ag_tensor y, ag_reduction reduction);
/* 1 - cos(x1, x2) where y = 1, max(0, cos(x1, x2) - margin) where y = -1.  x1, x2 (D) or (N,D)   y () or (N)
 * PyTorch: margin 0. */
AG_API ag_tensor ag_cosine_embedding_loss_at(ag_place where, ag_tensor x1, ag_tensor x2, ag_tensor y);
AG_API ag_tensor ag_cosine_embedding_loss_with_at(ag_place where, ag_tensor x1, ag_tensor x2, ag_tensor y, double margin,
                                                  ag_reduction reduction);

typedef struct ag_triplet_margin_config {
    uint32_t made_by_defaults;
    double margin; /* default 1 */
    double p;      /* default 2: the norm of ag_pairwise_distance */
    double eps;    /* default 1e-6 */
    bool swap;     /* default false; true: the negative's distance is the smaller one of those to anchor and positive */
    ag_reduction reduction;
} ag_triplet_margin_config;

AG_API ag_triplet_margin_config ag_triplet_margin_defaults(void);
/* max(0, d(anchor, positive) - d(anchor, negative) + margin), d = ag_pairwise_distance.  each (D) or (N,D)
 * Balntas et al. 2016, Schroff et al. 2015. */
AG_API ag_tensor ag_triplet_margin_loss_at(ag_place where, ag_tensor anchor, ag_tensor positive, ag_tensor negative);
AG_API ag_tensor ag_triplet_margin_loss_configured_at(ag_place where, ag_tensor anchor, ag_tensor positive,
                                                      ag_tensor negative, ag_triplet_margin_config config);

/* ---- distances and similarities of vectors ------------------------------------------------------------------------ */

/* Sum over dim of x1 x2 / (|x1| |x2|), each norm at least eps (its derivative is not cut off). x1, x2 broadcast; dim
 * is one of the result of that. eps >= 0; PyTorch: dim 1, eps 1e-8. */
AG_API ag_tensor ag_cosine_similarity_at(ag_place where, ag_tensor x1, ag_tensor x2, int dim, double eps);
/* The p-norm of x1 - x2 + eps over the last dimension; p >= 0, infinity too. x1, x2 broadcast. PyTorch: p 2, eps
 * 1e-6, keepdim false. */
AG_API ag_tensor ag_pairwise_distance_at(ag_place where, ag_tensor x1, ag_tensor x2);
AG_API ag_tensor ag_pairwise_distance_with_at(ag_place where, ag_tensor x1, ag_tensor x2, double p, double eps, bool keepdim);
#define ag_softmax(...) ag_softmax_at(AG_HERE, __VA_ARGS__)
#define ag_log_softmax(...) ag_log_softmax_at(AG_HERE, __VA_ARGS__)
#define ag_mse_loss(...) ag_mse_loss_at(AG_HERE, __VA_ARGS__)
#define ag_mse_loss_with(...) ag_mse_loss_with_at(AG_HERE, __VA_ARGS__)
#define ag_l1_loss(...) ag_l1_loss_at(AG_HERE, __VA_ARGS__)
#define ag_l1_loss_with(...) ag_l1_loss_with_at(AG_HERE, __VA_ARGS__)
#define ag_bce_with_logits(...) ag_bce_with_logits_at(AG_HERE, __VA_ARGS__)
#define ag_bce_with_logits_with(...) ag_bce_with_logits_with_at(AG_HERE, __VA_ARGS__)
#define ag_bce_with_logits_weighted(...) ag_bce_with_logits_weighted_at(AG_HERE, __VA_ARGS__)
#define ag_bce(...) ag_bce_at(AG_HERE, __VA_ARGS__)
#define ag_bce_with(...) ag_bce_with_at(AG_HERE, __VA_ARGS__)
#define ag_smooth_l1_loss(...) ag_smooth_l1_loss_at(AG_HERE, __VA_ARGS__)
#define ag_smooth_l1_loss_with(...) ag_smooth_l1_loss_with_at(AG_HERE, __VA_ARGS__)
#define ag_huber_loss(...) ag_huber_loss_at(AG_HERE, __VA_ARGS__)
#define ag_huber_loss_with(...) ag_huber_loss_with_at(AG_HERE, __VA_ARGS__)
#define ag_kl_div(...) ag_kl_div_at(AG_HERE, __VA_ARGS__)
#define ag_kl_div_with(...) ag_kl_div_with_at(AG_HERE, __VA_ARGS__)
#define ag_poisson_nll_loss(...) ag_poisson_nll_loss_at(AG_HERE, __VA_ARGS__)
#define ag_poisson_nll_loss_configured(...) ag_poisson_nll_loss_configured_at(AG_HERE, __VA_ARGS__)
#define ag_gaussian_nll_loss(...) ag_gaussian_nll_loss_at(AG_HERE, __VA_ARGS__)
#define ag_gaussian_nll_loss_with(...) ag_gaussian_nll_loss_with_at(AG_HERE, __VA_ARGS__)
#define ag_cross_entropy(...) ag_cross_entropy_at(AG_HERE, __VA_ARGS__)
#define ag_cross_entropy_with(...) ag_cross_entropy_with_at(AG_HERE, __VA_ARGS__)
#define ag_cross_entropy_configured(...) ag_cross_entropy_configured_at(AG_HERE, __VA_ARGS__)
#define ag_nll_loss(...) ag_nll_loss_at(AG_HERE, __VA_ARGS__)
#define ag_nll_loss_with(...) ag_nll_loss_with_at(AG_HERE, __VA_ARGS__)
#define ag_multi_margin_loss(...) ag_multi_margin_loss_at(AG_HERE, __VA_ARGS__)
#define ag_multi_margin_loss_with(...) ag_multi_margin_loss_with_at(AG_HERE, __VA_ARGS__)
#define ag_hinge_embedding_loss(...) ag_hinge_embedding_loss_at(AG_HERE, __VA_ARGS__)
#define ag_hinge_embedding_loss_with(...) ag_hinge_embedding_loss_with_at(AG_HERE, __VA_ARGS__)
#define ag_margin_ranking_loss(...) ag_margin_ranking_loss_at(AG_HERE, __VA_ARGS__)
#define ag_margin_ranking_loss_with(...) ag_margin_ranking_loss_with_at(AG_HERE, __VA_ARGS__)
#define ag_soft_margin_loss(...) ag_soft_margin_loss_at(AG_HERE, __VA_ARGS__)
#define ag_soft_margin_loss_with(...) ag_soft_margin_loss_with_at(AG_HERE, __VA_ARGS__)
#define ag_cosine_embedding_loss(...) ag_cosine_embedding_loss_at(AG_HERE, __VA_ARGS__)
#define ag_cosine_embedding_loss_with(...) ag_cosine_embedding_loss_with_at(AG_HERE, __VA_ARGS__)
#define ag_triplet_margin_loss(...) ag_triplet_margin_loss_at(AG_HERE, __VA_ARGS__)
#define ag_triplet_margin_loss_configured(...) ag_triplet_margin_loss_configured_at(AG_HERE, __VA_ARGS__)
#define ag_cosine_similarity(...) ag_cosine_similarity_at(AG_HERE, __VA_ARGS__)
#define ag_pairwise_distance(...) ag_pairwise_distance_at(AG_HERE, __VA_ARGS__)
#define ag_pairwise_distance_with(...) ag_pairwise_distance_with_at(AG_HERE, __VA_ARGS__)

AG_EXTERN_C_END

#endif
