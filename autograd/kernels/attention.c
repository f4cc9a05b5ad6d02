/*
 * Attention over blocks of queries: the scores of one block are held at a time, never all of them, and the way back computes them
 * again. After Dao et al. 2022 (FlashAttention), with whole rows: their softmax is taken anew on the way back rather than from a
 * kept logarithm of its sum, whose rounding in float32 would be an error of 1e-6 in every share. Raw numbers only.
 */
#include "autograd/kernels/attention.h"

#include <math.h>
#include <string.h>

#include "autograd/kernels/kernels.h"
#include "autograd/kernels/tile.h"
#include "autograd/parallel.h"
#include "autograd/kernels/vector.h"

enum {
    BLOCK = 64, /* queries at a time */
    STRIP = 16, /* of these: a vector of them, and what a causal block is cut by */
    FEW = 7,    /* at most so many queries do without columns of them */
    LANES = 16,
    DEPTH = 128, /* numbers that are multiplied at once: as many rows of a packed panel stay in L1 */
    TALL = 64,   /* rows of a product at once */
    FORESEEN = 131072, /* bytes of a slice that are asked for before it is begun */
    WORTH_A_THREAD = 65536 /* products of numbers */
};

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Elements of what is packed for a product, or turned from a mask. */
static int64_t packed_of(const k_attention *p)
{
    int64_t width = (larger(p->e, p->ev) + LANES - 1) / LANES * LANES, masks = p->mask.data != NULL ? 2 * BLOCK * BLOCK : 0;
    return larger(width * larger(BLOCK, DEPTH), masks);
}

#define T float
#define DTYPE AG_FLOAT32
#define EXP k_exp_falling_f32
#define NAME(x) x##_f32
#include "autograd/kernels/attention_few_template.h"
#include "autograd/kernels/attention_template.h"

#define T double
#define DTYPE AG_FLOAT64
#define EXP k_exp_falling_f64
#define NAME(x) x##_f64
#include "autograd/kernels/attention_few_template.h"
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

/* Elements that one thread needs: shares, their gradients, what is packed, and what lies between. */
static int64_t room(const k_attention *p, bool back)
{
    return (back ? 2 : 1) * BLOCK * p->s + packed_of(p) + TALL * larger(p->e, p->ev) + LANES;
}

size_t k_attention_bytes(ag_dtype dtype, int threads, const k_attention *p, bool back)
{
    int64_t pieces = back ? p->slices : p->slices * blocks_of(p);
    return (size_t)(team(p, threads, pieces) * room(p, back)) * ag_dtype_size(dtype);
}

/* What the pieces of one call share; each member of the team has `room` elements of `work`. */
struct pieces {
    ag_dtype dtype;
    const k_attention *p;
    void *work;
    int64_t room, blocks;
};

static void forward_piece(const void *task, int64_t i)
{
    const struct pieces *t = task;
    int64_t own = ag_parallel_member() * t->room, slice = i / t->blocks, first = i % t->blocks * BLOCK;
    if (t->dtype == AG_FLOAT32) {
        float *work = (float *)t->work + own;
        if (t->p->l <= FEW) {
            forward_few_f32(t->p, slice, work);
        } else {
            forward_block_f32(t->p, slice, first, work);
        }
    } else {
        double *work = (double *)t->work + own;
        if (t->p->l <= FEW) {
            forward_few_f64(t->p, slice, work);
        } else {
            forward_block_f64(t->p, slice, first, work);
        }
    }
}

void k_attention_forward(ag_dtype dtype, int threads, const k_attention *p, void *work)
{
    struct pieces task = { dtype, p, work, room(p, false), blocks_of(p) };
    int64_t pieces = p->slices * task.blocks;
    ag_parallel(team(p, threads, pieces), pieces, forward_piece, &task);
}

/* A slice's blocks add to the same dk and dv, so one thread takes them all, from the last to the first. */
static void back_slice(const void *task, int64_t i)
{
    const struct pieces *t = task;
    int64_t own = ag_parallel_member() * t->room;
    for (int64_t first = (t->blocks - 1) * BLOCK; first >= 0; first -= BLOCK) {
        if (t->dtype == AG_FLOAT32) {
            back_block_f32(t->p, i, first, (float *)t->work + own);
        } else {
            back_block_f64(t->p, i, first, (double *)t->work + own);
        }
    }
}

void k_attention_back(ag_dtype dtype, int threads, const k_attention *p, void *work)
{
    struct pieces task = { dtype, p, work, room(p, true), blocks_of(p) };
    ag_parallel(team(p, threads, p->slices), p->slices, back_slice, &task);
}
