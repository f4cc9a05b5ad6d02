/*
 * Layers for sequences against PyTorch's numbers in golden/sequence.txt, made by golden/make_sequence.py: names and shapes of
 * the state, outputs, and the gradients of everything. A test gives a table of cases.
 */
#ifndef WENGERT_TESTS_NN_SEQUENCE_CASES_H
#define WENGERT_TESTS_NN_SEQUENCE_CASES_H

#include "tests/nn/common.h"

#define CASE_INPUTS 4
#define CASE_OUTPUTS 4

struct sequence_case {
    const char *name;
    nn_module *(*make)(void);
    int inputs;
    ag_shape shape[CASE_INPUTS];
    int (*run)(nn_module *m, const ag_tensor *in, ag_tensor *out); /* how many results */
};

static inline double *case_draws(uint32_t *state, int64_t n)
{
    double *values = malloc((size_t)(n > 0 ? n : 1) * sizeof(double));
    for (int64_t i = 0; i < n; i++) {
        *state = (uint32_t)(((uint64_t)*state * 1103515245u + 12345u) % 2147483648u);
        values[i] = (double)*state / 1073741824.0 - 1;
    }
    return values;
}

static inline void case_fill(uint32_t *state, ag_tensor t)
{
    double *values = case_draws(state, ag_numel(t));
    ag_write(t, values, ag_numel(t));
    free(values);
}

static inline void case_compare(FILE *file, const char *name, const char *what, ag_tensor t)
{
    long long count = 0;
    ck_assert_int_eq(fscanf(file, "%lld", &count), 1);
    ck_assert_msg(!ag_is_none(t), "%s: %s: there is none", name, what);
    ck_assert_msg(ag_numel(t) == count, "%s: %s: %lld numbers, not %lld", name, what, (long long)ag_numel(t), count);
    double *values = malloc((size_t)count * sizeof(double)), worst = 0, scale = 1;
    ck_assert_int_eq(ag_read_doubles(t, values, count), AG_OK);
    for (long long i = 0; i < count; i++) {
        double expected;
        ck_assert_int_eq(fscanf(file, "%lf", &expected), 1);
        double off = fabs(values[i] - expected);
        worst = isnan(values[i]) && isnan(expected) ? worst : off <= worst ? worst : off;
        scale = fmax(scale, fabs(expected));
        ck_assert_msg(isnan(expected) || isfinite(values[i]), "%s: %s: %g", name, what, values[i]);
    }
    free(values);
    ck_assert_msg(worst <= 1e-12 * scale, "%s: %s: off by %g of %g", name, what, worst, scale);
}

static inline void case_word(FILE *file, const char *expected)
{
    char word[64];
    ck_assert_int_eq(fscanf(file, "%63s", word), 1);
    ck_assert_str_eq(word, expected);
}

static inline void case_state(FILE *file, const ag_list *state, int count)
{
    ck_assert_int_eq(ag_list_count(state), count);
    for (int i = 0; i < count; i++) {
        char name[128];
        ag_shape shape = {0};
        case_word(file, "state");
        ck_assert_int_eq(fscanf(file, "%127s %d", name, &shape.ndim), 2);
        for (int d = 0; d < shape.ndim; d++) {
            long long size;
            ck_assert_int_eq(fscanf(file, "%lld", &size), 1);
            shape.size[d] = size;
        }
        ck_assert_str_eq(ag_list_name(state, i), name);
        ck_assert(ag_shape_equal(ag_shape_of(ag_list_tensor(state, i)), shape));
    }
}

/* One case of the file, from behind its name. */
static inline void case_check(FILE *file, const struct sequence_case *c)
{
    int count;
    uint32_t seed = (uint32_t)strlen(c->name) + 100;
    ck_assert_int_eq(fscanf(file, "%d", &count), 1);
    nn_module *m = c->make();
    ag_rng rng = ag_rng_seed(1);
    ck_assert_int_eq(nn_init_dtype(m, &rng, AG_FLOAT64), AG_OK);
    ag_list *state = nn_state(m), *parameters = nn_parameters(m);
    case_state(file, state, count);
    for (int i = 0; i < count; i++) {
        case_fill(&seed, ag_list_tensor(state, i));
    }
    ag_scope scope = {0};
    ag_begin(&scope);
    ag_tensor in[CASE_INPUTS], out[CASE_OUTPUTS], total = ag_scalar(0, AG_FLOAT64);
    for (int i = 0; i < c->inputs; i++) {
        in[i] = ag_leaf(c->shape[i], AG_FLOAT64, true);
        case_fill(&seed, in[i]);
    }
    int outputs = c->run(m, in, out);
    ck_no_error();
    for (int i = 0; i < outputs; i++) {
        case_word(file, "output");
        case_compare(file, c->name, "output", out[i]);
        ag_tensor cotangent = ag_zeros(ag_shape_of(out[i]), AG_FLOAT64);
        case_fill(&seed, cotangent);
        total = ag_add(total, ag_sum(ag_mul(out[i], cotangent)));
    }
    ag_backward(total);
    ck_no_error();
    for (int64_t i = 0; i < ag_list_count(parameters); i++) {
        case_word(file, "grad");
        case_word(file, ag_list_name(parameters, i));
        case_compare(file, c->name, ag_list_name(parameters, i), ag_grad_of(ag_list_tensor(parameters, i)));
    }
    for (int i = 0; i < c->inputs; i++) {
        case_word(file, "din");
        case_compare(file, c->name, "gradient of an input", ag_grad_of(in[i]));
    }
    case_word(file, "end");
    ag_end(&scope);
    for (int i = 0; i < c->inputs; i++) {
        ag_drop(&in[i]);
    }
    ag_list_free(state);
    ag_list_free(parameters);
    nn_free(m);
}

/* Checks the cases of the file that the table has, each once. */
static inline void cases_check(const struct sequence_case *table, int n)
{
    FILE *file = fopen(TESTS_GOLDEN "/sequence.txt", "r");
    ck_assert_msg(file != NULL, "%s/sequence.txt cannot be read", TESTS_GOLDEN);
    char word[64], name[64];
    int found = 0;
    while (fscanf(file, "%63s", word) == 1) {
        if (strcmp(word, "case") != 0) {
            continue;
        }
        ck_assert_int_eq(fscanf(file, "%63s", name), 1);
        for (int i = 0; i < n; i++) {
            if (strcmp(table[i].name, name) == 0) {
                case_check(file, &table[i]);
                found++;
            }
        }
    }
    fclose(file);
    ck_assert_int_eq(found, n);
}

#endif
