/*
 * What labels choose: the negative log-likelihood, and the weights that classes get from labels. Raw numbers only.
 */
#include "autograd/kernels/kernels.h"

#define LABELS(T, suffix)                                                                                            \
    static void nll_##suffix(const k_labels *p, const T *x, T *loss)                                                 \
    {                                                                                                                \
        const T *w = p->weight;                                                                                      \
        for (int64_t n = 0; n < p->n; n++) {                                                                         \
            for (int64_t j = 0; j < p->l; j++) {                                                                     \
                int64_t at = n * p->l + j, label = p->label[at];                                                     \
                bool counts = label != p->ignore;                                                                    \
                loss[at] = counts ? -(w == NULL ? (T)1 : w[label]) * x[(n * p->c + label) * p->l + j] : 0;           \
            }                                                                                                        \
        }                                                                                                            \
    }                                                                                                                \
                                                                                                                     \
    static void weights_##suffix(const k_labels *p, const T *g, int64_t g_step, T scale, T *y)                       \
    {                                                                                                                \
        const T *w = p->weight, hot = (T)(1 - p->smoothing), smooth = (T)(p->smoothing / (double)p->c);              \
        for (int64_t n = 0; n < p->n; n++) {                                                                         \
            const int64_t *label = p->label + n * p->l;                                                              \
            const T *gn = g + n * p->l * g_step;                                                                     \
            for (int64_t c = 0; c < p->c; c++) {                                                                     \
                T *row = y + (n * p->c + c) * p->l, here = w == NULL ? (T)1 : w[c];                                  \
                for (int64_t j = 0; j < p->l; j++) {                                                                 \
                    T share = ((label[j] == c ? hot : 0) + smooth) * here;                                           \
                    row[j] = label[j] == p->ignore ? 0 : share * (gn[j * g_step] * scale);                           \
                }                                                                                                    \
            }                                                                                                        \
        }                                                                                                            \
    }

LABELS(float, f32)
LABELS(double, f64)

void k_nll(ag_dtype dtype, const k_labels *p, const void *x, void *loss)
{
    if (dtype == AG_FLOAT32) {
        nll_f32(p, x, loss);
    } else {
        nll_f64(p, x, loss);
    }
}

void k_label_weights(ag_dtype dtype, const k_labels *p, const void *g, bool g_per_place, double scale, void *y)
{
    if (dtype == AG_FLOAT32) {
        weights_f32(p, g, g_per_place, (float)scale, y);
    } else {
        weights_f64(p, g, g_per_place, scale, y);
    }
}
