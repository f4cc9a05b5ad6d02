/*
 * Philox4x32-10: four random words as a function of a key and a counter. Internal; also for kernels that expand one key.
 * Salmon, Moraes, Dror & Shaw 2011.
 */
#ifndef WENGERT_AUTOGRAD_PHILOX_H
#define WENGERT_AUTOGRAD_PHILOX_H

#include <stdint.h>

typedef struct philox_block {
    uint32_t word[4];
} philox_block;

#define PHILOX_ROUNDS 10
#define PHILOX_STEP_0 0x9E3779B9u /* from one round's key to the next */
#define PHILOX_STEP_1 0xBB67AE85u

static inline void philox_round(uint32_t *c0, uint32_t *c1, uint32_t *c2, uint32_t *c3, uint32_t k0, uint32_t k1)
{
    uint64_t p0 = (uint64_t)0xD2511F53u * *c0, p1 = (uint64_t)0xCD9E8D57u * *c2;
    *c0 = (uint32_t)(p1 >> 32) ^ *c1 ^ k0;
    *c2 = (uint32_t)(p0 >> 32) ^ *c3 ^ k1;
    *c1 = (uint32_t)p1;
    *c3 = (uint32_t)p0;
}

/* `stream` separates uses of one key: 0 for the generator itself, 1 for tensors expanded from a drawn key. */
static inline philox_block philox(uint64_t key, uint64_t counter, uint32_t stream)
{
    uint32_t c0 = (uint32_t)counter, c1 = (uint32_t)(counter >> 32), c2 = stream, c3 = 0;
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    for (int round = 0; round < PHILOX_ROUNDS; round++) {
        philox_round(&c0, &c1, &c2, &c3, k0, k1);
        k0 += PHILOX_STEP_0;
        k1 += PHILOX_STEP_1;
    }
    philox_block block = {{c0, c1, c2, c3}};
    return block;
}

#endif
