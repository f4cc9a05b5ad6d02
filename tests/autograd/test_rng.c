/* The generator against the paper's known answers, and what is drawn from it against the distributions' own numbers. */
#include <math.h>

#include "autograd/philox.h"
#include "common.h"

/* Philox4x32 as the paper writes it: a network of words, for any counter and key. */
static void reference(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c[4] = { counter[0], counter[1], counter[2], counter[3] }, k[2] = { key[0], key[1] };
    for (int round = 0; round < 10; round++) {
        uint64_t a = UINT64_C(0xD2511F53) * c[0], b = UINT64_C(0xCD9E8D57) * c[2];
        uint32_t next[4] = { (uint32_t)(b >> 32) ^ c[1] ^ k[0], (uint32_t)b, (uint32_t)(a >> 32) ^ c[3] ^ k[1], (uint32_t)a };
        memcpy(c, next, sizeof(c));
        k[0] += 0x9E3779B9;
        k[1] += 0xBB67AE85;
    }
    memcpy(out, c, sizeof(c));
}

/* The three vectors published with the paper's code, then the library against what gave them. */
START_TEST(philox_gives_the_known_answers)
{
    const struct {
        uint32_t counter[4], key[2], out[4];
    } known[] = {
        { { 0, 0, 0, 0 }, { 0, 0 }, { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 } },
        { { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff },
          { 0xffffffff, 0xffffffff },
          { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd } },
        { { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344 },
          { 0xa4093822, 0x299f31d0 },
          { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 } },
    };
    uint32_t out[4];
    for (int i = 0; i < 3; i++) {
        reference(known[i].counter, known[i].key, out);
        ck_assert_mem_eq(out, known[i].out, sizeof(out));
    }
    philox_block zero = philox(0, 0, 0);
    ck_assert_mem_eq(zero.word, known[0].out, sizeof(zero.word));
    for (uint32_t i = 0; i < 1000; i++) {
        uint32_t counter[4] = { i * 2654435761u, ~i, i % 2, 0 }, key[2] = { i * 40503u, i << 20 };
        reference(counter, key, out);
        philox_block got = philox((uint64_t)key[1] << 32 | key[0], (uint64_t)counter[1] << 32 | counter[0], counter[2]);
        ck_assert_mem_eq(got.word, out, sizeof(out));
    }
}
END_TEST

START_TEST(draws_are_the_counters_blocks)
{
    ag_rng rng = ag_rng_seed(0);
    ck_assert_uint_eq(ag_rng_next(&rng), UINT64_C(0x6627e8d5e169c58d));
    ag_rng a = ag_rng_seed(42), b = ag_rng_seed(42), c = ag_rng_seed(43);
    for (int i = 0; i < 100; i++) {
        uint64_t draw = ag_rng_next(&a);
        ck_assert_uint_eq(draw, ag_rng_next(&b));
        ck_assert_uint_ne(draw, ag_rng_next(&c));
    }
}
END_TEST

START_TEST(a_split_child_does_not_depend_on_later_draws)
{
    ag_rng a = ag_rng_seed(7), b = ag_rng_seed(7);
    ag_rng child_a = ag_rng_split(&a), child_b = ag_rng_split(&b);
    ag_rng_next(&a);
    ck_assert_uint_eq(ag_rng_next(&child_a), ag_rng_next(&child_b));
    /* Children of one parent, the parent and the grandchild have nothing in common. */
    ag_rng second = ag_rng_split(&b), grandchild = ag_rng_split(&child_b);
    ag_rng *all[] = { &b, &child_b, &second, &grandchild };
    uint64_t drawn[4][64];
    for (int i = 0; i < 4; i++) {
        for (int k = 0; k < 64; k++) {
            drawn[i][k] = ag_rng_next(all[i]);
        }
    }
    for (int i = 0; i < 4 * 64; i++) {
        for (int k = 0; k < i; k++) {
            ck_assert_uint_ne(drawn[i / 64][i % 64], drawn[k / 64][k % 64]);
        }
    }
    ck_assert_uint_eq(a.counter, 2); /* one draw for the split, one for the number */
}
END_TEST

START_TEST(uniform_and_normal_have_their_moments)
{
    enum { N = 200000 };
    ag_rng rng = ag_rng_seed(3);
    double mean = 0, square = 0, low = 1, high = 0;
    for (int i = 0; i < N; i++) {
        double u = ag_rng_uniform(&rng);
        ck_assert(u >= 0 && u < 1);
        low = fmin(low, u);
        high = fmax(high, u);
        mean += u / N;
        square += u * u / N;
    }
    /* Five standard errors: sd of u is sqrt(1/12), of u^2 sqrt(4/45). */
    ck_assert_double_eq_tol(mean, 0.5, 5 * sqrt(1.0 / 12 / N));
    ck_assert_double_eq_tol(square, 1.0 / 3, 5 * sqrt(4.0 / 45 / N));
    ck_assert(low < 1e-4 && high > 1 - 1e-4);
    mean = square = 0;
    double fourth = 0;
    for (int i = 0; i < N; i++) {
        double z = ag_rng_normal(&rng);
        ck_assert(isfinite(z));
        mean += z / N;
        square += z * z / N;
        fourth += z * z * z * z / N;
    }
    ck_assert_double_eq_tol(mean, 0, 5 / sqrt(N));
    ck_assert_double_eq_tol(square, 1, 5 * sqrt(2.0 / N));
    ck_assert_double_eq_tol(fourth, 3, 5 * sqrt(96.0 / N));
}
END_TEST

START_TEST(below_is_even_and_in_range)
{
    ag_rng rng = ag_rng_seed(5);
    int count[7] = { 0 };
    for (int i = 0; i < 70000; i++) {
        int64_t draw = ag_rng_below(&rng, 7);
        ck_assert(draw >= 0 && draw < 7);
        count[draw]++;
    }
    double chi = 0;
    for (int i = 0; i < 7; i++) {
        chi += (count[i] - 10000.0) * (count[i] - 10000.0) / 10000;
    }
    ck_assert_double_lt(chi, 22.46); /* 6 degrees of freedom, 0.1 % */
    /* Three quarters of 2^63: taking the rest would make the lower third twice as likely. */
    int64_t n = INT64_C(3) << 61;
    int lower = 0;
    for (int i = 0; i < 30000; i++) {
        int64_t draw = ag_rng_below(&rng, n);
        ck_assert(draw >= 0 && draw < n);
        lower += draw < n / 3;
    }
    ck_assert_double_eq_tol(lower / 30000.0, 1.0 / 3, 5 * sqrt(2.0 / 9 / 30000));
    ck_assert_int_eq(ag_rng_below(&rng, 1), 0);
    ck_assert_int_eq(ag_rng_below(&rng, 0), 0);
}
END_TEST

START_TEST(permutations_are_equally_likely)
{
    ag_rng rng = ag_rng_seed(9);
    int count[256] = { 0 };
    enum { DRAWS = 24000 };
    for (int i = 0; i < DRAWS; i++) {
        int64_t order[4];
        ag_rng_permutation(&rng, 4, order);
        int seen = 0, code = 0;
        for (int k = 0; k < 4; k++) {
            seen |= 1 << order[k];
            code = code * 4 + (int)order[k];
        }
        ck_assert_int_eq(seen, 15);
        count[code]++;
    }
    double chi = 0;
    int kinds = 0;
    for (int i = 0; i < 256; i++) {
        kinds += count[i] > 0;
        chi += count[i] > 0 ? (count[i] - 1000.0) * (count[i] - 1000.0) / 1000 : 0;
    }
    ck_assert_int_eq(kinds, 24);
    ck_assert_double_lt(chi, 49.73); /* 23 degrees of freedom, 0.1 % */
    ag_rng_permutation(&rng, 0, NULL);
}
END_TEST

static void add(TCase *tests)
{
    tcase_add_test(tests, philox_gives_the_known_answers);
    tcase_add_test(tests, draws_are_the_counters_blocks);
    tcase_add_test(tests, a_split_child_does_not_depend_on_later_draws);
    tcase_add_test(tests, uniform_and_normal_have_their_moments);
    tcase_add_test(tests, below_is_even_and_in_range);
    tcase_add_test(tests, permutations_are_equally_likely);
}

int main(void)
{
    return run_tests("rng", add, 60);
}
