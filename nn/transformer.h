/*
 * Attention and the Transformer: embeddings of tokens and positions, layer normalisation, multi-head attention, encoder and decoder
 * layers and stacks, and caches for generation. Weights are named and laid out as PyTorch's.
 */
#ifndef WENGERT_NN_TRANSFORMER_H
#define WENGERT_NN_TRANSFORMER_H

#include "module.h"

AG_EXTERN_C_BEGIN

/* ---- embeddings --------------------------------------------------------------------------------------------------------- */

typedef struct nn_embedding_config {
    uint32_t made_by_defaults;
    int64_t count, width;
    bool has_padding;  /* default false */
    int64_t padding;   /* this row starts as zeros and gets no gradient; negative: from the end */
    bool frozen;       /* no row gets a gradient after nn_init(), until nn_set_requires_grad(); default false */
    ag_tensor vectors; /* (count,width): what nn_init() puts in; copied. Default AG_NONE: normal numbers */
} nn_embedding_config;
AG_API nn_embedding_config nn_embedding_defaults(int64_t count, int64_t width);
/* y[…] = weight[x[…]]     x int64 of any shape   weight (count,width), normal with mean 0 and deviation 1   y (…,width).
 * A token outside of 0..count-1 is an error. */
AG_API nn_module *nn_embedding(int64_t count, int64_t width);
AG_API nn_module *nn_embedding_with(nn_embedding_config config);

/* y = x + p[0..steps-1]     x (…,steps,width), steps <= longest   p (longest,width). Learned: p is the parameter "weight",
 * normal with mean 0 and deviation 0.02 (Radford et al. 2018). Sinusoidal: p is the buffer "pe", p[t][2i] = sin(t / 10000^(2i /
 * width)), p[t][2i + 1] = cos of the same (Vaswani et al. 2017). */
AG_API nn_module *nn_position_learned(int64_t longest, int64_t width);
AG_API nn_module *nn_position_sinusoidal(int64_t longest, int64_t width);
/* The same for steps that begin at position `first`, as in generation with a cache. */
AG_API ag_tensor nn_position_forward_at(ag_place where, nn_module *m, ag_tensor x, int64_t first);
#define nn_position_forward(...) nn_position_forward_at(AG_HERE, __VA_ARGS__)

/* y = (x - mean) / sqrt(var + 1e-5) weight + bias over the last dimension     x (…,width)   weight 1, bias 0 (width) */
AG_API nn_module *nn_layer_norm(int64_t width);
/* The same over the last dimensions, which have the shape `normalized`, and with another eps. */
AG_API nn_module *nn_layer_norm_with(ag_shape normalized, double eps);

/* ---- attention ---------------------------------------------------------------------------------------------------------- */

/* Keys and values of the steps so far, for generation: one for each attention. Starts as {0}; holds what it needs to grow by
 * halves; not for a recording scope. */
typedef struct nn_kv_cache {
    ag_tensor k, v; /* (batch,heads,room,head): kept */
    int64_t length; /* steps so far */
} nn_kv_cache;
/* Sequence i of the batch becomes what was sequence from[i]; int64 (m), in any order: for beam search. */
AG_API void nn_kv_cache_select_at(ag_place where, nn_kv_cache *cache, ag_tensor from);
#define nn_kv_cache_select(...) nn_kv_cache_select_at(AG_HERE, __VA_ARGS__)
AG_API void nn_kv_cache_drop(nn_kv_cache *cache); /* forgets the steps and frees the memory; {0} afterwards */

/* What else an attention is told; {0}: nothing. */
typedef struct nn_attention_options {
    ag_tensor mask;        /* (l,s), or (batch heads,l,s): uint8, not 0 where a key is not seen; or numbers that are added */
    ag_tensor key_padding; /* (batch,s), or (s) without a batch: likewise, for all queries and heads */
    /* A query from which all keys are hidden has no weights: its row of the result is NaN, as PyTorch's. */
    bool causal;           /* query i sees keys 0..i alone, counted from the beginning of the cache */
    nn_kv_cache *cache;    /* the new keys and values are appended, and all are attended to; a stack takes one for each layer */
    ag_tensor *weights;    /* becomes the weights (batch,l,s), the mean over the heads; holds all of them in memory */
    bool weights_by_head;  /* (batch,heads,l,s) instead */
} nn_attention_options;

typedef struct nn_attention_config {
    uint32_t made_by_defaults;
    int64_t embed, heads; /* heads divides embed */
    int64_t key, value;   /* widths of key and value, default embed */
    bool bias;            /* default true */
    bool batch_first;     /* inputs and result are (batch,steps,…), not (steps,batch,…); default false */
    double dropout;       /* of the weights, in training; default 0 */
} nn_attention_config;
AG_API nn_attention_config nn_attention_defaults(int64_t embed, int64_t heads);
/* y = concat(heads) out_proj, each head softmax(q k^T / sqrt(head)) v of its part of the projected inputs. Parameters
 * in_proj_weight (3 embed,embed), or q_proj_weight, k_proj_weight, v_proj_weight if key or value has another width, in_proj_bias (3
 * embed), out_proj.weight, out_proj.bias. nn_forward() is self-attention. Vaswani et al. 2017. */
AG_API nn_module *nn_multihead_attention(int64_t embed, int64_t heads);
AG_API nn_module *nn_multihead_attention_with(nn_attention_config config);
/* query (l,batch,embed), value (s,batch,value), key (s,batch,key), AG_NONE: the value; or all without a batch. y as query. */
AG_API ag_tensor nn_attention_forward_at(ag_place where, nn_module *m, ag_tensor query, ag_tensor value, ag_tensor key,
                                         const nn_attention_options *options);
#define nn_attention_forward(...) nn_attention_forward_at(AG_HERE, __VA_ARGS__)

/* ---- layers and stacks -------------------------------------------------------------------------------------------------- */

typedef struct nn_transformer_config {
    uint32_t made_by_defaults;
    int64_t embed, heads;
    int64_t feedforward; /* default 2048 */
    double dropout;      /* default 0.1: of weights, of the feed-forward layer, of both residuals */
    bool gelu;           /* default false: relu */
    double eps;          /* default 1e-5, of the layer norms */
    bool batch_first;    /* default false */
    bool norm_first;     /* default false: norms after the residuals; true: before each part */
    int64_t layers;      /* of a stack; default 6 */
    bool final_norm;     /* of a stack: a layer norm at the end; default false */
} nn_transformer_config;
AG_API nn_transformer_config nn_transformer_defaults(int64_t embed, int64_t heads);

/* x = norm1(x + self_attn(x)), y = norm2(x + linear2(act(linear1(x)))); with norm_first x = x + self_attn(norm1(x)), y = x +
 * linear2(act(linear1(norm2(x)))). A stack has layers.0, layers.1, … and norm. A causal encoder is a GPT. */
AG_API nn_module *nn_transformer_encoder_layer(nn_transformer_config config);
AG_API nn_module *nn_transformer_encoder(nn_transformer_config config);
/* The same with source-target attention multihead_attn(x, memory) and its norm2 between the two; the last norm is norm3. */
AG_API nn_module *nn_transformer_decoder_layer(nn_transformer_config config);
AG_API nn_module *nn_transformer_decoder(nn_transformer_config config);

/* x and y (steps,batch,embed), as nn_attention_forward's. Both take a layer or a stack; options NULL: none. Of a stack's options
 * weights are not for. */
AG_API ag_tensor nn_encoder_forward_at(ag_place where, nn_module *m, ag_tensor x, const nn_attention_options *options);
/* `own` for the self-attention, `source` for the attention to memory, which has no cache. */
AG_API ag_tensor nn_decoder_forward_at(ag_place where, nn_module *m, ag_tensor x, ag_tensor memory, const nn_attention_options *own,
                                       const nn_attention_options *source);
#define nn_encoder_forward(...) nn_encoder_forward_at(AG_HERE, __VA_ARGS__)
#define nn_decoder_forward(...) nn_decoder_forward_at(AG_HERE, __VA_ARGS__)

/* Errors of the functions that take no place name the line of the call, too. */
#ifndef WENGERT_INTERNAL
#define nn_embedding(...) AG_NOTING(nn_embedding(__VA_ARGS__))
#define nn_embedding_with(...) AG_NOTING(nn_embedding_with(__VA_ARGS__))
#define nn_position_learned(...) AG_NOTING(nn_position_learned(__VA_ARGS__))
#define nn_position_sinusoidal(...) AG_NOTING(nn_position_sinusoidal(__VA_ARGS__))
#define nn_layer_norm(...) AG_NOTING(nn_layer_norm(__VA_ARGS__))
#define nn_layer_norm_with(...) AG_NOTING(nn_layer_norm_with(__VA_ARGS__))
#define nn_kv_cache_drop(...) AG_NOTING(nn_kv_cache_drop(__VA_ARGS__))
#define nn_multihead_attention(...) AG_NOTING(nn_multihead_attention(__VA_ARGS__))
#define nn_multihead_attention_with(...) AG_NOTING(nn_multihead_attention_with(__VA_ARGS__))
#define nn_transformer_encoder_layer(...) AG_NOTING(nn_transformer_encoder_layer(__VA_ARGS__))
#define nn_transformer_encoder(...) AG_NOTING(nn_transformer_encoder(__VA_ARGS__))
#define nn_transformer_decoder_layer(...) AG_NOTING(nn_transformer_decoder_layer(__VA_ARGS__))
#define nn_transformer_decoder(...) AG_NOTING(nn_transformer_decoder(__VA_ARGS__))
#endif

AG_EXTERN_C_END

#endif
