/*
 * Attention over blocks of queries: the scores of one block are held at a time, never all of them, and the way back computes them
 * again. After Dao et al. 2022 (FlashAttention), with whole rows: their softmax is taken anew on the way back rather than from a
 * kept logarithm of its sum, whose rounding in float32 would be an error of 1e-6 in every share. Raw numbers only.
 */
#include "autograd/kernels/attention.h"

#include <math.h>

#include "autograd/kernels/kernels.h"
#include "autograd/parallel.h"
#include "autograd/kernels/vector.h"

enum {
    BLOCK = 64,  /* queries at a time */
    CAUSAL = 32, /* where each sees only the keys before it: of the keys between a block's queries half is computed in vain */
    FEW = 128,   /* of fewer queries that is much: half as many at a time */
    LANES = 16,
    WORTH_A_THREAD = 65536 /* products of numbers */
};

static int64_t block_of(const k_attention *p)
{
    return !p->causal ? BLOCK : p->l < FEW ? CAUSAL / 2 : CAUSAL;
}

#define T float
#define EXP k_exp_falling_f32
#define NAME(x) x##_f32
#include "autograd/kernels/attention_template.h"

#define T double
#define EXP k_exp_falling_f64
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
    return (p->l + block_of(p) - 1) / block_of(p);
}

/* Elements that one thread needs. */
static int64_t room(const k_attention *p, bool back)
{
    return (back ? 2 : 1) * block_of(p) * p->s + 16;
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
    int64_t own = ag_parallel_member() * t->room, slice = i / t->blocks, first = i % t->blocks * block_of(t->p);
    if (t->dtype == AG_FLOAT32) {
        forward_block_f32(t->p, slice, first, (float *)t->work + own);
    } else {
        forward_block_f64(t->p, slice, first, (double *)t->work + own);
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
    for (int64_t first = (t->blocks - 1) * block_of(t->p); first >= 0; first -= block_of(t->p)) {
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
