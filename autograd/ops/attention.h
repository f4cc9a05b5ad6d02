/*
 * Scaled dot-product attention, of three tensors or of one that holds them.
 */
#ifndef WENGERT_AUTOGRAD_OPS_ATTENTION_H
#define WENGERT_AUTOGRAD_OPS_ATTENTION_H

#include "../rng.h"
#include "../tensor.h"

AG_EXTERN_C_BEGIN

typedef struct ag_attention_config {
    uint32_t made_by_defaults;
    double scale;         /* default NaN: 1 / sqrt(e) */
    bool causal;          /* query i sees the keys 0..i + causal_shift alone; default false */
    int64_t causal_shift; /* default 0, >= 0: so many keys come before the first query's own */
    double dropout;       /* of the weights, default 0; above 0 it needs rng */
    ag_rng *rng;          /* default NULL */
} ag_attention_config;
AG_API ag_attention_config ag_attention_defaults(void);

/* y = w v,  w = softmax(scale q k^T + mask) over the keys.     q (…,l,e)   k (…,s,e)   v (…,s,ev)   y (…,l,ev)
 * mask: numbers that are added, or uint8 with 0 where a key is not seen; it broadcasts to (…,l,s); AG_NONE: all are seen. A query
 * that sees no key gives NaN. *weights becomes w (…,l,s), NULL: not wanted.
 * The scores are never held all at once: not for y, nor for its gradient, which computes them again. They are with weights, with
 * dropout, with a mask that needs a gradient, and in a recorded backward. Vaswani et al. 2017. */
AG_API ag_tensor ag_scaled_dot_product_attention_at(ag_place where, ag_tensor q, ag_tensor k, ag_tensor v, ag_tensor mask,
                                                    ag_attention_config config, ag_tensor *weights);
#define ag_scaled_dot_product_attention(...) ag_scaled_dot_product_attention_at(AG_HERE, __VA_ARGS__)

/* Attention of a sequence to itself, query, key and value in one tensor. y = w v,  w = softmax(scale q k^T + mask), for each head.
 * qkv (batch,steps,3*heads*head): all of query, then key, then value, each with its heads side by side. y (batch,steps,heads*head).
 * mask, as above, broadcasts to (batch,heads,steps,steps); scale's default is 1 / sqrt(head).
 * Equal to ag_scaled_dot_product_attention() of the three parts, with the heads merged; but the gradients of the parts are written
 * where they belong in one tensor, in place of being added up there. All scores are held with dropout, with a mask that needs a
 * gradient, and in a recorded backward. Dao 2023 (FlashAttention-2), whose interface has this form. */
AG_API ag_tensor ag_packed_attention_at(ag_place where, ag_tensor qkv, int64_t heads, ag_tensor mask, ag_attention_config config);
#define ag_packed_attention(...) ag_packed_attention_at(AG_HERE, __VA_ARGS__)

AG_EXTERN_C_END

#endif
