/*
 * The two MNIST networks follow PyTorch's losses for 100 steps from PyTorch's initial weights: in float64 step by step, in float32
 * about as closely as PyTorch's own float32 run follows its float64 run.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wengert/wengert.h>

#include "twister.h"

#if defined(__SANITIZE_ADDRESS__)
#define STEPS 20 /* sanitizers are slow, and what they look for happens in every step */
#else
#define STEPS 100
#endif
#define BATCH 64

/* ---- weights as PyTorch draws them ------------------------------------------------------------------------------------------- */

/* Fills a parameter as PyTorch's layers do: U(-1/sqrt(fan_in), 1/sqrt(fan_in)). */
static void fill(struct mt *g, ag_tensor w, int64_t fan_in)
{
    int64_t n = ag_numel(w);
    float *f = malloc((size_t)n * sizeof(float));
    double *d = malloc((size_t)n * sizeof(double));
    float bound = (float)(1 / sqrt((double)fan_in));
    for (int64_t i = 0; i < n; i++) {
        double x = mt_uniform(g);
        f[i] = (float)(x * (double)(bound - -bound) + (double)-bound);
        d[i] = (double)f[i];
    }
    ag_write(w, ag_dtype_of(w) == AG_FLOAT64 ? (void *)d : (void *)f, n);
    free(f);
    free(d);
}

static void fill_network(nn_module *net)
{
    struct mt g;
    mt_seed(&g, 0);
    ag_list *list = nn_parameters(net);
    int64_t fan_in = 1;
    for (int64_t i = 0; i < ag_list_count(list); i++) {
        ag_tensor w = ag_list_tensor(list, i);
        if (ag_ndim(w) > 1) { /* a weight; its bias follows with the same bound */
            fan_in = ag_numel(w) / ag_size(w, 0);
        }
        fill(&g, w, fan_in);
    }
    ag_list_free(list);
}

/* ---- networks ---------------------------------------------------------------------------------------------------------------------- */

static nn_module *mlp(void)
{
    return nn_sequential(nn_flatten(), nn_linear(784, 512), nn_relu(), nn_linear(512, 512), nn_relu(), nn_linear(512, 10));
}

static nn_module *cnn(void)
{
    return nn_sequential(nn_conv2d(1, 32, 3), nn_relu(), nn_max_pool2d(2), nn_conv2d(32, 64, 3), nn_relu(),
                         nn_max_pool2d(2), nn_conv2d(64, 128, 3), nn_relu(), nn_flatten(), nn_linear(1152, 10));
}

static void train(nn_module *(*network)(void), ag_dtype dtype, double *losses, double *first)
{
    data_set *set = data_mnist(TESTS_EXAMPLES "/mnist_sample", "train");
    ag_rng rng = ag_rng_seed(1);
    nn_module *net = network();
    nn_init_dtype(net, &rng, dtype);
    fill_network(net);
    optim *opt = optim_adam(nn_parameters(net), optim_adam_defaults());
    float *pixels = malloc(BATCH * 784 * sizeof(float));
    double *images = malloc(BATCH * 784 * sizeof(double));
    int64_t labels[BATCH];
    ag_scope step = {0};
    ag_begin_no_grad(&step);
    ag_list *parameters = nn_parameters(net);
    ag_read_doubles(ag_flatten(ag_narrow(ag_reshape(ag_list_tensor(parameters, 0), AG_SHAPE(-1)), 0, 0, 4), 0, 0), first, 4);
    ag_list_free(parameters);
    for (int k = 0; k < STEPS; k++) {
        for (int i = 0; i < BATCH; i++) {
            data_set_read(set, (int64_t)k * BATCH + i, pixels + i * 784, labels + i);
        }
        for (int i = 0; i < BATCH * 784; i++) { /* the byte again, and its own division in this type */
            images[i] = round((double)pixels[i] * 255) / 255;
        }
        ag_begin(&step);
        ag_tensor x = dtype == AG_FLOAT64 ? ag_from(AG_SHAPE(BATCH, 1, 28, 28), AG_FLOAT64, images)
                                          : ag_from(AG_SHAPE(BATCH, 1, 28, 28), AG_FLOAT32, pixels);
        ag_tensor loss = ag_cross_entropy(nn_forward(net, x), ag_from(AG_SHAPE(BATCH), AG_INT64, labels));
        optim_zero_grad(opt);
        ag_backward(loss);
        optim_step(opt);
        losses[k] = ag_item(loss);
    }
    ag_end(&step);
    free(pixels);
    free(images);
    optim_free(opt);
    nn_free(net);
    data_set_free(set);
}

/* The numbers after `name kind` in the file of reference values. */
static void reference(const char *name, const char *kind, double *values, int n)
{
    FILE *f = fopen(TESTS_GOLDEN "/training.txt", "r");
    ck_assert_msg(f != NULL, "cannot read training.txt");
    static char line[16384];
    char start[64];
    int got = 0;
    snprintf(start, sizeof(start), "%s %s ", name, kind);
    while (got == 0 && fgets(line, sizeof(line), f) != NULL) {
        if (strncmp(line, start, strlen(start)) == 0) {
            char *next = line + strlen(start);
            for (; got < n; got++) {
                values[got] = strtod(next, &next);
            }
        }
    }
    fclose(f);
    ck_assert_int_eq(got, n);
}

static void follows(const char *name, nn_module *(*network)(void))
{
    double theirs64[STEPS], theirs32[STEPS], ours[STEPS], first[4], weights[4];
    reference(name, "weights", weights, 4);
    reference(name, "float64", theirs64, STEPS);
    reference(name, "float32", theirs32, STEPS);
    train(network, AG_FLOAT64, ours, first);
    double worst = 0, own = 0, drift = 0;
    for (int i = 0; i < 4; i++) {
        ck_assert_msg(fabs(first[i] - weights[i]) <= 1e-8 * fabs(weights[i]), "weight %d: %.9g, PyTorch %.9g", i, first[i],
                      weights[i]);
    }
    for (int k = 0; k < STEPS; k++) {
        worst = fmax(worst, fabs(ours[k] - theirs64[k]) / theirs64[k]);
        own = fmax(own, fabs(theirs32[k] - theirs64[k]) / theirs64[k]);
    }
    train(network, AG_FLOAT32, ours, first);
    for (int k = 0; k < STEPS; k++) {
        drift = fmax(drift, fabs(ours[k] - theirs64[k]) / theirs64[k]);
    }
    printf("%s: float64 within %.2g of PyTorch's losses; float32 drifts %.2g from float64, PyTorch %.2g\n", name, worst, drift,
           own);
    ck_assert_msg(worst <= 1e-9, "%s: float64 losses differ by %g", name, worst);
    ck_assert_msg(drift <= 5 * own, "%s: float32 drifts %g from float64, PyTorch's own %g", name, drift, own);
}

START_TEST(mlp_follows_pytorch)
{
    follows("mlp", mlp);
}
END_TEST

START_TEST(cnn_follows_pytorch)
{
    follows("cnn", cnn);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("training");
    TCase *tcase = tcase_create("trajectories");
    tcase_set_timeout(tcase, 900); /* sanitizers are slow */
    tcase_add_test(tcase, mlp_follows_pytorch);
    tcase_add_test(tcase, cnn_follows_pytorch);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
