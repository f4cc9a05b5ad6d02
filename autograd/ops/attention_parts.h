/*
 * What attention over three tensors and attention over one packed tensor share. Internal to ops/.
 */
#ifndef WENGERT_AUTOGRAD_OPS_ATTENTION_PARTS_H
#define WENGERT_AUTOGRAD_OPS_ATTENTION_PARTS_H

#include "attention.h"
#include "autograd/op.h"

struct ops_attention {
    double scale;
    bool causal;
    int64_t shift;
};

enum { OPS_ATTENTION_INPUTS = 4 }; /* q, k, v, and the mask, which may be NULL */
enum { OPS_ATTENTION_TEXT = 512 };

/* A type and a shape, of an array or of a tensor. */
struct ops_kind {
    ag_dtype dtype;
    ag_shape shape;
};

/* False after raising in the name of the function `name`. */
bool ops_attention_config_good(ag_place where, const char *name, const ag_attention_config *c);
/* The parameters for queries of width e. */
struct ops_attention ops_attention_of(const ag_attention_config *c, int64_t e);
/* AG_OK, or what is wrong with a mask for these scores, said in text (OPS_ATTENTION_TEXT bytes). */
ag_error ops_attention_mask_error(const struct ops_kind *mask, const struct ops_kind *scores, char *text);

/* w (…,l,s), composed of operations: all scores at once. */
ag_tensor ops_attention_weights(ag_tensor q, ag_tensor k, ag_tensor mask, const struct ops_attention *p);

/* y, and the gradients of q, k and v (NULL: not wanted), of arrays (…,steps,width) with any strides. Gradients are written whole if
 * there are queries. False after raising. */
bool ops_attention_forward(ag_call *call, const struct ops_attention *p, const ag_array *const *in, const ag_array *y);
bool ops_attention_back(ag_call *call, const struct ops_attention *p, const ag_array *const *in, const ag_array *dy,
                        const ag_array *const *gradients);

#endif
