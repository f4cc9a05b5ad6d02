/*
 * Loops over raw numbers: no tensors, no tape. Internal.
 *
 * Every kernel gives the same bits for any number of threads: work is split into chunks that do not depend on the thread
 * count, and partial sums are added in a fixed order. `threads` comes from the caller (ag_threads()).
 */
#ifndef WENGERT_KERNELS_H
#define WENGERT_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../compiler.h"
#include "../shape.h"

/* ---- gemm.c: the only file that knows BLIS -------------------------------------------------------------------------- */

/* C = beta C + A B.   A (m,k)   B (k,n)   C (m,n), with any strides in elements; beta 0 never reads C. m, n or k may be 0. */
void k_gemm_f32(int threads, int64_t m, int64_t n, int64_t k, const float *a, int64_t ars, int64_t acs, const float *b,
                int64_t brs, int64_t bcs, float beta, float *c, int64_t crs, int64_t ccs);
void k_gemm_f64(int threads, int64_t m, int64_t n, int64_t k, const double *a, int64_t ars, int64_t acs, const double *b,
                int64_t brs, int64_t bcs, double beta, double *c, int64_t crs, int64_t ccs);
/* The same by type. */
void k_gemm(ag_dtype dtype, int threads, int64_t m, int64_t n, int64_t k, const void *a, int64_t ars, int64_t acs,
            const void *b, int64_t brs, int64_t bcs, bool accumulate, void *c, int64_t crs, int64_t ccs);
/* C[i,j] = bias[j] + A B, for a C with dense rows. */
void k_gemm_bias_f32(int threads, int64_t m, int64_t n, int64_t k, const float *a, int64_t ars, int64_t acs, const float *b,
                     int64_t brs, int64_t bcs, const float *bias, float *c, int64_t crs);
void k_gemm_bias_f64(int threads, int64_t m, int64_t n, int64_t k, const double *a, int64_t ars, int64_t acs, const double *b,
                     int64_t brs, int64_t bcs, const double *bias, double *c, int64_t crs);
void k_gemm_bias(ag_dtype dtype, int threads, int64_t m, int64_t n, int64_t k, const void *a, int64_t ars, int64_t acs,
                 const void *b, int64_t brs, int64_t bcs, const void *bias, void *c, int64_t crs);
/* C = [C +] A B with dense rows of C. */
typedef struct k_product {
    int64_t m, n, k;
    const void *a, *b;
    int64_t ars, acs, brs, bcs;
    void *c;
    int64_t crs;
    bool accumulate;
    void *sums; /* NULL, or sums[i] = [sums[i] +] sum over l of A[i,l] in the pass that packs A, whose columns are contiguous */
    bool add_sums;
} k_product;
enum {
    K_PRODUCTS = 4
};
/* Up to K_PRODUCTS products, none of which reads or writes another's C or sums, shared out to the threads together. `work` has
 * k_gemm_several_bytes() bytes, 64-byte aligned, and is NULL if that is 0. */
size_t k_gemm_several_bytes(ag_dtype dtype, int count, const k_product *products);
void k_gemm_several(ag_dtype dtype, int threads, int count, const k_product *products, void *work);
/* Whether a product can have sums: elsewhere A is not packed. */
bool k_gemm_sums_fit(ag_dtype dtype, int64_t m, int64_t n, int64_t k, int64_t ars, int64_t acs);
/* The name of the BLAS kernels in use, such as "haswell". */
const char *k_gemm_arch(void);
/* The same in words: whose kernels, such as "own avx512" or "BLIS 0.9.0 zen3". */
void k_gemm_text(char *text, size_t size);
/* Whether BLIS has no kernels for this processor and its plain ones are in use. */
bool k_gemm_is_generic(void);

/* ---- conv.c: convolution on channels-last images ------------------------------------------------------------------------ */

/* x (n,h,w,c)   weight (o,c/groups,kh,kw) row-major as PyTorch stores it   y (n,oh,ow,o) */
typedef struct k_conv {
    int64_t n, h, w, c;
    int64_t o, kh, kw, groups;
    int64_t oh, ow;
    int64_t stride[2], dilation[2];
    int64_t pad_top, pad_left; /* zeros before; what is needed after follows from oh, ow */
} k_conv;

/* Bytes of working memory (64-byte aligned, plus 64 bytes of slack after it) that each of the three needs. */
size_t k_conv_forward_bytes(ag_dtype dtype, const k_conv *p, int threads);
size_t k_conv_input_bytes(ag_dtype dtype, const k_conv *p, int threads);
size_t k_conv_weight_bytes(ag_dtype dtype, const k_conv *p, int threads);
/* y = conv(x, weight) + bias (NULL: none). */
void k_conv_forward(ag_dtype dtype, int threads, const k_conv *p, const void *x, const void *weight, const void *bias,
                    void *y, void *work);
/* dx = gradient of the input (written, not accumulated). */
void k_conv_input(ag_dtype dtype, int threads, const k_conv *p, const void *dy, const void *weight, void *dx, void *work);
/* dweight = (accumulate ? dweight : 0) + gradient of the weight, in PyTorch's layout. */
void k_conv_weight(ag_dtype dtype, int threads, const k_conv *p, const void *x, const void *dy, bool accumulate,
                   void *dweight, void *work);

/* ---- pool.c: pooling on channels-last images ----------------------------------------------------------------------------- */

typedef struct k_pool {
    int64_t n, h, w, c;
    int64_t oh, ow;
    int64_t kernel[2], stride[2], padding[2];
    bool count_include_pad;
} k_pool;

/* y = max over each window; index[i] = which cell of the window (kh * kernel[1] + kw) won, the first of equals; NaN wins. The
 * kernel has at most 65536 cells. index may be NULL. */
void k_max_pool(ag_dtype dtype, int threads, const k_pool *p, const void *x, void *y, uint16_t *index);
/* dx = dy scattered to the winners (dx is zeroed first). */
void k_max_pool_input(ag_dtype dtype, int threads, const k_pool *p, const void *dy, const uint16_t *index, void *dx);
/* y[i] = x at the winner of window i: the gather that is the derivative of the one above. */
void k_max_pool_gather(ag_dtype dtype, int threads, const k_pool *p, const void *x, const uint16_t *index, void *y);
void k_avg_pool(ag_dtype dtype, int threads, const k_pool *p, const void *x, void *y);
void k_avg_pool_input(ag_dtype dtype, int threads, const k_pool *p, const void *dy, void *dx);

/* ---- pack.c: copies between memory layouts ------------------------------------------------------------------------------- */

/* dst = src, index by index. Elements have `bytes` bytes (1, 4 or 8), strides count elements. */
void k_pack(int threads, size_t bytes, int ndim, const int64_t *size, const void *src, const int64_t *src_stride, void *dst,
            const int64_t *dst_stride);

/* ---- adaptive.c: averages over the cells of a grid on channels-last images ---------------------------------------------- */

/* x (n,h,w,c)   y (n,oh,ow,c): cell i covers rows floor(i h / oh) to ceil((i + 1) h / oh), columns alike. */
void k_adaptive_avg_pool(ag_dtype dtype, int threads, int64_t n, int64_t h, int64_t w, int64_t c, int64_t oh, int64_t ow,
                         const void *x, void *y);
void k_adaptive_avg_pool_input(ag_dtype dtype, int threads, int64_t n, int64_t h, int64_t w, int64_t c, int64_t oh,
                               int64_t ow, const void *dy, void *dx);

/* ---- softmax.c: softmax and cross-entropy ----------------------------------------------------------------------------------- */

/* Along the middle of (outer,d,inner), row-major; or the logarithm of it. */
void k_softmax(ag_dtype dtype, int threads, int64_t outer, int64_t d, int64_t inner, const void *x, void *y,
               bool logarithm);
/* dx from dy and the result y. */
void k_softmax_input(ag_dtype dtype, int threads, int64_t outer, int64_t d, int64_t inner, const void *dy, const void *y,
                     void *dx, bool logarithm);
/* x (n,c)   label (n), each in 0..c-1   loss (n)   stats (n,2): what the way back needs. */
void k_cross_entropy(ag_dtype dtype, int threads, int64_t n, int64_t c, const void *x, const int64_t *label, void *loss,
                     void *stats);
/* dx = (softmax(x) - one_hot(label)) g scale; g is one number, or one a row. */
void k_cross_entropy_input(ag_dtype dtype, int threads, int64_t n, int64_t c, const void *x, const int64_t *label,
                           const void *stats, const void *g, bool g_per_row, double scale, void *dx);

/* Labels of n blocks of l places each, with c classes: x (n,c,l) row-major, label (n,l), each in 0..c-1 or `ignore`. */
typedef struct k_labels {
    int64_t n, c, l;
    const int64_t *label;
    const void *weight; /* (c) of the element type, NULL: all 1 */
    int64_t ignore;
    double smoothing;
} k_labels;

/* loss (n,l): cross-entropy with smoothing; stats (n,l,2): what the way back needs. */
void k_label_loss(ag_dtype dtype, int threads, const k_labels *p, const void *x, void *loss, void *stats);
/* dx times g scale; g is one number, or one a place. */
void k_label_loss_input(ag_dtype dtype, int threads, const k_labels *p, const void *x, const void *stats, const void *g,
                        bool g_per_place, double scale, void *dx);

/* ---- label_loss.c: what labels choose ----------------------------------------------------------------------------- */

/* loss (n,l) = -w[label] x[label], 0 where ignored. */
void k_nll(ag_dtype dtype, const k_labels *p, const void *x, void *loss);
/* y (n,c,l) = ((1 - smoothing) w[label] at the label, + smoothing / c w everywhere) g scale, 0 where ignored; g is one
 * number, or one a place. */
void k_label_weights(ag_dtype dtype, const k_labels *p, const void *g, bool g_per_place, double scale, void *y);

/* ---- loss.c: losses element by element --------------------------------------------------------------------------------------- */

typedef enum k_loss_kind {
    K_LOSS_MSE,        /* (x - y)^2 */
    K_LOSS_L1,         /* |x - y| */
    K_LOSS_SMOOTH_L1,  /* (x - y)^2 / (2 bend) up to the bend, then |x - y| - bend / 2 */
    K_LOSS_HUBER,      /* that times the bend */
    K_LOSS_BCE_LOGITS, /* max(x, 0) - x y + log(1 + e^-|x|): binary cross-entropy of logits x */
    K_LOSS_BCE,        /* -(y log x + (1 - y) log(1 - x)), logarithms at least -100 */
    K_LOSS_KL,         /* y (log y - x) */
    K_LOSS_KL_LOG      /* e^y (y - x) */
} k_loss_kind;

size_t k_loss_sum_bytes(int64_t n); /* of working memory */
double k_loss_sum(ag_dtype dtype, int threads, k_loss_kind kind, double bend, int64_t n, const void *x, const void *y,
                  void *work);
void k_loss_values(ag_dtype dtype, int threads, k_loss_kind kind, double bend, int64_t n, const void *x, const void *y,
                   void *out);
/* dx, dy = derivatives times g scale, either may be NULL; g is one number, or one an element. */
void k_loss_input(ag_dtype dtype, int threads, k_loss_kind kind, double bend, int64_t n, const void *x, const void *y,
                  const void *g, bool g_per_element, double scale, void *dx, void *dy);
/* The first element that is not in 0..1, or -1. */
int64_t k_loss_outside_unit(ag_dtype dtype, int64_t n, const void *x);

/* ---- norm.c: batch normalisation ---------------------------------------------------------------------------------------------- */

/* n x l elements for each of c channels: (n,l,c) with channels last, else (n,c,l). */
typedef struct k_norm {
    int64_t n, c, l;
    bool channels_last;
} k_norm;

size_t k_norm_bytes(const k_norm *p); /* of working memory, for the two that sum */
/* mean (c) and variance (c) with divisor n l. */
void k_norm_stats(ag_dtype dtype, int threads, const k_norm *p, const void *x, double *mean, double *var, void *work);
/* y = (x - mean) scale + shift, each (c) of the element type. */
void k_norm_apply(ag_dtype dtype, int threads, const k_norm *p, const void *x, const void *mean, const void *scale,
                  const void *shift, void *y);
/* sum (c) of dy, and of dy (x - mean). */
void k_norm_sums(ag_dtype dtype, int threads, const k_norm *p, const void *dy, const void *x, const void *mean, double *sum,
                 double *product, void *work);
/* dx = by_dy dy + by_x (x - mean) + shift. */
void k_norm_input(ag_dtype dtype, int threads, const k_norm *p, const void *dy, const void *x, const void *mean,
                  const void *by_dy, const void *by_x, const void *shift, void *dx);

/* ---- layer_norm.c: rows normalised -------------------------------------------------------------------------------- */

typedef struct k_layer_norm {
    int64_t rows, d;
    bool centred; /* by mean and variance; false: by the root mean square, and no mean is read or written */
    double eps;
} k_layer_norm;

/* y = (x - mean) rstd w + b; w and b (d) may be NULL; mean and rstd (rows) are kept for the way back. */
void k_layer_norm_forward(ag_dtype dtype, int threads, const k_layer_norm *p, const void *x, const void *w, const void *b,
                          void *y, void *mean, void *rstd);
/* Bytes of working memory that the way back needs for dw and db. */
size_t k_layer_norm_bytes(ag_dtype dtype, const k_layer_norm *p);
/* dx, added to what is there or written; dw (d) = sum of dy (x - mean) rstd, db (d) = sum of dy. dx may be NULL; dw and db may both be. */
void k_layer_norm_back(ag_dtype dtype, int threads, const k_layer_norm *p, const void *dy, const void *x, const void *w,
                       const void *mean, const void *rstd, void *dx, bool adds, void *dw, void *db, void *work);

/* ---- random.c: tensors from one key ---------------------------------------------------------------------------------------------- */

/* Element i is a function of the key and i alone. */
void k_random_uniform(ag_dtype dtype, int threads, int64_t n, uint64_t key, double low, double high, void *out);
void k_random_normal(ag_dtype dtype, int threads, int64_t n, uint64_t key, double mean, double std, void *out);
/* 1 with probability p, else 0. */
void k_random_bernoulli(int threads, int64_t n, uint64_t key, double p, uint8_t *out);
/* low..high-1; high > low. */
void k_random_integers(int threads, int64_t n, uint64_t key, int64_t low, int64_t high, int64_t *out);
/* y = keep[i] ? x scale : x 0, so that NaN stays visible. */
void k_mask(ag_dtype dtype, int threads, int64_t n, const void *x, const uint8_t *keep, double scale, void *y);

#endif
