/*
 * PyTorch's generator on a CPU: MT19937 (Matsumoto & Nishimura 1998), and uniform numbers from its low 24 bits. With it the tests draw
 * the weights that PyTorch draws from the same seed, and need not store them.
 */
#ifndef TESTS_EXAMPLES_TWISTER_H
#define TESTS_EXAMPLES_TWISTER_H

#include <stdint.h>

struct mt {
    uint32_t state[624];
    int next;
};

static inline void mt_seed(struct mt *g, uint32_t seed)
{
    g->state[0] = seed;
    for (uint32_t i = 1; i < 624; i++) {
        g->state[i] = 1812433253u * (g->state[i - 1] ^ (g->state[i - 1] >> 30)) + i;
    }
    g->next = 624;
}

static inline uint32_t mt_draw(struct mt *g)
{
    if (g->next == 624) {
        for (int i = 0; i < 624; i++) {
            uint32_t y = (g->state[i] & 0x80000000u) | (g->state[(i + 1) % 624] & 0x7fffffffu);
            g->state[i] = g->state[(i + 397) % 624] ^ (y >> 1) ^ ((y & 1) != 0 ? 0x9908b0dfu : 0);
        }
        g->next = 0;
    }
    uint32_t y = g->state[g->next++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}

/* From 0 to below 1. */
static inline double mt_uniform(struct mt *g)
{
    return (double)(mt_draw(g) & 0xffffff) * 0x1p-24;
}

#endif
