/*
 * Softmax and losses.
 */
#ifndef WENGERT_AUTOGRAD_OPS_LOSS_H
#define WENGERT_AUTOGRAD_OPS_LOSS_H

#include "../tensor.h"

AG_EXTERN_C_BEGIN

/* e^x / (sum of e^x along dim), and its logarithm in one pass, which does not lose what is small. */
AG_API ag_tensor ag_softmax_at(ag_place where, ag_tensor x, int dim);
AG_API ag_tensor ag_log_softmax_at(ag_place where, ag_tensor x, int dim);

typedef enum ag_reduction {
    AG_REDUCE_MEAN, /* PyTorch's default */
    AG_REDUCE_SUM,
    AG_REDUCE_NONE
} ag_reduction;

/* Mean over the batch of -log softmax(logits)[label].  logits (N,C)   labels int64 (N), each in 0..C-1 */
AG_API ag_tensor ag_cross_entropy_at(ag_place where, ag_tensor logits, ag_tensor labels);
AG_API ag_tensor ag_cross_entropy_with_at(ag_place where, ag_tensor logits, ag_tensor labels, ag_reduction reduction);
/* (x - y)^2, |x - y|, and -(y log s(x) + (1 - y) log(1 - s(x))) with s the sigmoid; x and y have the same shape. The first
 * of each pair is the mean. */
AG_API ag_tensor ag_mse_loss_at(ag_place where, ag_tensor x, ag_tensor y);
AG_API ag_tensor ag_mse_loss_with_at(ag_place where, ag_tensor x, ag_tensor y, ag_reduction reduction);
AG_API ag_tensor ag_l1_loss_at(ag_place where, ag_tensor x, ag_tensor y);
AG_API ag_tensor ag_l1_loss_with_at(ag_place where, ag_tensor x, ag_tensor y, ag_reduction reduction);
AG_API ag_tensor ag_bce_with_logits_at(ag_place where, ag_tensor x, ag_tensor y);
AG_API ag_tensor ag_bce_with_logits_with_at(ag_place where, ag_tensor x, ag_tensor y, ag_reduction reduction);
#define ag_softmax(...) ag_softmax_at(AG_HERE, __VA_ARGS__)
#define ag_log_softmax(...) ag_log_softmax_at(AG_HERE, __VA_ARGS__)
#define ag_cross_entropy(...) ag_cross_entropy_at(AG_HERE, __VA_ARGS__)
#define ag_cross_entropy_with(...) ag_cross_entropy_with_at(AG_HERE, __VA_ARGS__)
#define ag_mse_loss(...) ag_mse_loss_at(AG_HERE, __VA_ARGS__)
#define ag_mse_loss_with(...) ag_mse_loss_with_at(AG_HERE, __VA_ARGS__)
#define ag_l1_loss(...) ag_l1_loss_at(AG_HERE, __VA_ARGS__)
#define ag_l1_loss_with(...) ag_l1_loss_with_at(AG_HERE, __VA_ARGS__)
#define ag_bce_with_logits(...) ag_bce_with_logits_at(AG_HERE, __VA_ARGS__)
#define ag_bce_with_logits_with(...) ag_bce_with_logits_with_at(AG_HERE, __VA_ARGS__)

AG_EXTERN_C_END

#endif
