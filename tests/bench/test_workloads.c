/*
 * The workloads of the benchmarks are those of the PyTorch side: the same parameters by name and size, and from the same numbers
 * the same losses over six steps. The numbers are golden/make_bench.py's, which runs the very script that is compared with.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "workloads.h"

#define STEPS 6
#define LINE 8192

#if defined(__SANITIZE_ADDRESS__)
#define MOST_STEPS 2 /* products are slow there */
#else
#define MOST_STEPS STEPS
#endif

static uint32_t data_state, weight_state;

static uint32_t draw(uint32_t *state)
{
    *state = (uint32_t)(((uint64_t)*state * 1103515245u + 12345u) % 2147483648u);
    return *state;
}

static ag_tensor drawn(ag_shape shape, float factor, float shift)
{
    int64_t n = ag_shape_numel(shape);
    float *numbers = malloc((size_t)n * sizeof(float));
    for (int64_t i = 0; i < n; i++) {
        numbers[i] = (float)((double)(draw(&data_state) / 128) / 16777216) * factor + shift;
    }
    ag_tensor t = ag_from(shape, AG_FLOAT32, numbers);
    free(numbers);
    return t;
}

static ag_tensor uniform(struct run *r, ag_shape shape)
{
    (void)r;
    return drawn(shape, 1, 0);
}

static ag_tensor normal(struct run *r, ag_shape shape)
{
    (void)r;
    return drawn(shape, 3.5f, -1.75f);
}

static ag_tensor labels(struct run *r, ag_shape shape, int64_t classes)
{
    int64_t n = ag_shape_numel(shape);
    int64_t *numbers = malloc((size_t)n * sizeof(int64_t));
    (void)r;
    for (int64_t i = 0; i < n; i++) {
        numbers[i] = draw(&data_state) / 65536 % classes;
    }
    ag_tensor t = ag_from(shape, AG_INT64, numbers);
    free(numbers);
    return t;
}

/* Fills all parameters, and appends "name:elements" of each to `text`. */
static void fill(struct run *r, long seed, char *text, size_t bytes)
{
    weight_state = (uint32_t)seed;
    for (int i = 0; i < 2 && r->net[i] != NULL; i++) {
        ag_list *list = nn_parameters(r->net[i]);
        for (int64_t k = 0; k < ag_list_count(list); k++) {
            const char *name = ag_list_name(list, k), *dot = strrchr(name, '.');
            ag_tensor w = ag_list_tensor(list, k);
            int64_t n = ag_numel(w);
            double scale = ag_ndim(w) > 1 ? 1 / sqrt((double)(n / ag_size(w, 0))) : 0.125;
            double one = ag_ndim(w) == 1 && strcmp(dot != NULL ? dot + 1 : name, "weight") == 0 ? 1 : 0;
            float *numbers = malloc((size_t)n * sizeof(float));
            for (int64_t j = 0; j < n; j++) {
                numbers[j] = (float)(((double)(draw(&weight_state) / 128) / 8388608 - 1) * scale + one);
            }
            ag_write(w, numbers, n);
            free(numbers);
            snprintf(text + strlen(text), bytes - strlen(text), " %s:%lld", name, (long long)n);
        }
        ag_list_free(list);
    }
}

/* What stands behind "name kind" in the reference values. */
static void reference(const char *name, const char *kind, char *line)
{
    char start[64];
    FILE *f = fopen(TESTS_GOLDEN "/bench.txt", "r");
    ck_assert_msg(f != NULL, "cannot read bench.txt");
    snprintf(start, sizeof(start), "%s %s ", name, kind);
    while (fgets(line, LINE, f) != NULL && strncmp(line, start, strlen(start)) != 0) {
        line[0] = '\0';
    }
    fclose(f);
    ck_assert_msg(line[0] != '\0', "bench.txt has no line \"%s\"", start);
    line[strcspn(line, "\n")] = '\0';
    memmove(line, line + strlen(start) - 1, strlen(line + strlen(start) - 1) + 1);
}

static void losses(const char *name, const char *kind, double *values)
{
    char line[LINE], *next = line;
    reference(name, kind, line);
    for (int k = 0; k < STEPS; k++) {
        values[k] = strtod(next, &next);
    }
}

START_TEST(workload_computes_what_pytorch_does)
{
    const struct workload *w = &workloads()[_i];
    char theirs[LINE], ours[LINE] = "";
    double exact[STEPS], rounded[STEPS], own = 0;
    struct run r;
    data_state = 1;
    run_prepare(&r, w);
    r.uniform = uniform;
    r.labels = labels;
    r.normal = normal;
    run_open(&r);
    reference(w->name, "seed", theirs);
    fill(&r, strtol(theirs, NULL, 10), ours, sizeof(ours));
    reference(w->name, "parameters", theirs);
    ck_assert_str_eq(ours, theirs);
    losses(w->name, "float64", exact);
    losses(w->name, "float32", rounded);
    for (int k = 0; k < STEPS; k++) {
        own = fmax(own, fabs(rounded[k] - exact[k]) / fabs(exact[k]));
    }
    for (int k = 0; k < MOST_STEPS; k++) {
        double loss = ag_item(run_step(&r)), error = fabs(loss - exact[k]) / fabs(exact[k]);
        printf("%s: loss %d is %.9g, PyTorch's %.9g in float64, %.9g in float32\n", w->name, k, loss, exact[k], rounded[k]);
        ck_assert_msg(error <= 1e-6 + 3 * own, "%s: loss %d is %.9g, not %.9g: off by %.2g, PyTorch's float32 by %.2g", w->name, k,
                      loss, exact[k], error, own);
    }
    run_close(&r);
    ck_assert_int_eq(ag_memory().live_buffers, 0);
}
END_TEST

START_TEST(workload_has_its_fixed_sizes)
{
    const struct workload *w = &workloads()[_i];
    char line[LINE];
    struct run r;
    run_prepare(&r, w);
    run_open(&r);
    int64_t parameters = 0;
    for (int i = 0; i < 2 && r.net[i] != NULL; i++) {
        parameters += nn_count_parameters(r.net[i], true);
    }
    ck_assert_int_eq(parameters, w->parameters);
    /* The optimizer: SGD reads two numbers and writes one, Adam reads four and writes three. */
    ck_assert_double_eq_tol(w->bytes, (double)parameters * (strcmp(w->name, "xor_mlp") == 0 ? 12 : 28), 0.001 * w->bytes);
    reference(w->name, "items", line);
    ck_assert_int_eq(w->items * r.size.batch, strtol(line, NULL, 10));
    run_close(&r);
}
END_TEST

START_TEST(batches_come_in_turn)
{
    struct run r;
    run_prepare(&r, workload_named("mnist_mlp"));
    run_open(&r);
    for (int k = 0; k < 2 * BATCHES; k++) {
        run_step(&r);
        ck_assert_int_eq(r.next, k % BATCHES);
    }
    for (int a = 0; a < BATCHES; a++) {
        for (int b = 0; b < a; b++) {
            ck_assert(memcmp(ag_data(r.x[a]), ag_data(r.x[b]), sizeof(float) * 784) != 0);
        }
    }
    run_close(&r);
    ck_assert_ptr_null(workload_named("mnist"));
}
END_TEST

/* Three losses of gpt_small with few blocks and short texts, and the most bytes that tensors held meanwhile. */
static int64_t losses_of_blocks(bool checkpoint, double loss[3])
{
    struct run r;
    run_prepare(&r, workload_named("gpt_small"));
    r.size = (struct sizes){ .batch = 16, .width = 32, .steps = 32, .depth = 6 };
    r.checkpoint = checkpoint;
    run_open(&r);
    ag_memory_reset_peak();
    for (int k = 0; k < 3; k++) {
        loss[k] = ag_item(run_step(&r));
    }
    run_close(&r);
    return ag_memory().peak_bytes;
}

START_TEST(blocks_computed_anew_give_the_same_losses_in_less_memory)
{
    double kept[3], anew[3];
    int64_t kept_bytes = losses_of_blocks(false, kept), anew_bytes = losses_of_blocks(true, anew);
    for (int k = 0; k < 3; k++) {
        ck_assert_double_eq(kept[k], anew[k]);
    }
    printf("blocks kept: %lld bytes, computed anew: %lld\n", (long long)kept_bytes, (long long)anew_bytes);
    ck_assert_int_lt(anew_bytes, kept_bytes / 2);
}
END_TEST

int main(void)
{
    int count = 0;
    while (workloads()[count].name != NULL) {
        count++;
    }
    Suite *suite = suite_create("workloads");
    TCase *tests = tcase_create("workloads");
    tcase_set_timeout(tests, 300);
    tcase_add_loop_test(tests, workload_computes_what_pytorch_does, 0, count);
    tcase_add_loop_test(tests, workload_has_its_fixed_sizes, 0, count);
    tcase_add_test(tests, batches_come_in_turn);
    tcase_add_test(tests, blocks_computed_anew_give_the_same_losses_in_less_memory);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
