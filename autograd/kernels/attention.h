/*
 * Scaled dot-product attention, a block of queries at a time. Internal.
 */
#ifndef WENGERT_KERNELS_ATTENTION_H
#define WENGERT_KERNELS_ATTENTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../shape.h"

/* A matrix for each slice: at data + offset[slice], with strides, all in elements. data NULL: there is none. */
typedef struct k_matrix {
    char *data;
    const int64_t *offset;
    int64_t rs, cs;
} k_matrix;

typedef struct k_attention {
    int64_t slices, l, s, e, ev; /* q (l,e)   k (s,e)   v (s,ev)   y (l,ev) */
    double scale;
    bool causal;    /* query i sees the keys 0..i+shift */
    int64_t shift;  /* >= 0 */
    bool mask_bytes; /* the mask holds uint8, 0: not seen; else numbers that are added */
    k_matrix q, k, v, mask, y;
    k_matrix dy, dq, dk, dv; /* the way back; dq, dk, dv may be NULL */
} k_attention;

/* Working memory for `threads` threads. */
size_t k_attention_bytes(ag_dtype dtype, int threads, const k_attention *p, bool back);
void k_attention_forward(ag_dtype dtype, int threads, const k_attention *p, void *work); /* y */
/* dq, dk, dv; the scores are computed again. Without queries or slices nothing is written. */
void k_attention_back(ag_dtype dtype, int threads, const k_attention *p, void *work);

#endif
