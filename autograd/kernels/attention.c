/*
 * Attention over blocks of queries: the scores of one block are held at a time, never all of them, and the way back computes them
 * again. After Dao et al. 2022 (FlashAttention), with whole rows: their softmax is taken anew on the way back rather than from a
 * kept logarithm of its sum, whose rounding in float32 would be an error of 1e-6 in every share. Raw numbers only.
 */
#include "autograd/kernels/attention.h"

#include <math.h>

#include "autograd/kernels/kernels.h"
#include "autograd/kernels/parallel.h"
#include "autograd/kernels/vector.h"

enum {
    BLOCK = 64, /* queries at a time */
    LANES = 16,
    WORTH_A_THREAD = 65536 /* products of numbers */
};

#define T float
#define EXP k_exp_f32
#define NAME(x) x##_f32
#include "autograd/kernels/attention_template.h"

#define T double
#define EXP k_exp_f64
#define NAME(x) x##_f64
#include "autograd/kernels/attention_template.h"

static int team(const k_attention *p, int threads, int64_t pieces)
{
    if (threads <= 1 || p->slices * p->l * p->s * (p->e + p->ev) < WORTH_A_THREAD) {
        return 1;
    }
    return pieces < threads ? (int)pieces : threads;
}

static int64_t blocks_of(const k_attention *p)
{
    return (p->l + BLOCK - 1) / BLOCK;
}

/* Elements that one thread needs. */
static int64_t room(const k_attention *p, bool back)
{
    return (back ? 2 : 1) * BLOCK * p->s + 16;
}

size_t k_attention_bytes(ag_dtype dtype, int threads, const k_attention *p, bool back)
{
    int64_t pieces = back ? p->slices : p->slices * blocks_of(p);
    return (size_t)(team(p, threads, pieces) * room(p, back)) * ag_dtype_size(dtype);
}

void k_attention_forward(ag_dtype dtype, int threads, const k_attention *p, void *work)
{
    int64_t blocks = blocks_of(p), pieces = p->slices * blocks, size = room(p, false);
    int members = team(p, threads, pieces);
    K_PARALLEL_FOR(members, (int64_t m = 0; m < members; m++), {
        for (int64_t i = m; i < pieces; i += members) {
            if (dtype == AG_FLOAT32) {
                forward_block_f32(p, i / blocks, i % blocks * BLOCK, (float *)work + m * size);
            } else {
                forward_block_f64(p, i / blocks, i % blocks * BLOCK, (double *)work + m * size);
            }
        }
    });
}

/* A slice's blocks add to the same dk and dv, so one thread takes them all, in order. */
void k_attention_back(ag_dtype dtype, int threads, const k_attention *p, void *work)
{
    int64_t size = room(p, true);
    int members = team(p, threads, p->slices);
    K_PARALLEL_FOR(members, (int64_t m = 0; m < members; m++), {
        for (int64_t i = m; i < p->slices; i += members) {
            for (int64_t first = 0; first < p->l; first += BLOCK) {
                if (dtype == AG_FLOAT32) {
                    back_block_f32(p, i, first, (float *)work + m * size);
                } else {
                    back_block_f64(p, i, first, (double *)work + m * size);
                }
            }
        }
    });
}
