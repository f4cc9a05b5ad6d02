/*
 * What the files of the convolution share: small arithmetic and the choice of threads. Internal.
 */
#ifndef WENGERT_KERNELS_CONV_H
#define WENGERT_KERNELS_CONV_H

#include "../parallel.h"
#include "kernels.h"

static inline int64_t at_least(int64_t x, int64_t low)
{
    return x > low ? x : low;
}

static inline int64_t at_most(int64_t x, int64_t high)
{
    return x < high ? x : high;
}

static inline int64_t divide_up(int64_t x, int64_t y)
{
    return (x + y - 1) / y;
}

static inline size_t line_up(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

/* Threads that the work is worth; below some multiply-adds a second one costs more than it brings.
 */
static inline int conv_team(int threads, const k_conv *p, int64_t tasks)
{
    int64_t work = p->n * p->oh * p->ow * p->o * (p->c / p->groups) * p->kh * p->kw;
    return threads < 2 || work < 250000 || ag_parallel_inside()
               ? 1
               : (int)at_most(threads, at_least(tasks, 1));
}

static inline bool conv_is_depthwise(const k_conv *p)
{
    return p->groups > 1 && p->groups == p->c && p->o == p->c;
}

#endif
