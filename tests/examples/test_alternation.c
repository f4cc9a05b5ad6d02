/*
 * The example gan, both networks and each loss, follows PyTorch for 50 alternation steps from the same weights, noise and digits: in
 * float64 step by step, in float32 about as closely as PyTorch's own float32 run follows its float64 run. The gradient penalty's own
 * gradient passes a numerical check. And what is said of pictures and of a game that goes wrong is held against pictures and games
 * of which it is known.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/generative.h"
#include "gan/gan.h"
#include "twister.h"

#if defined(__SANITIZE_ADDRESS__)
enum { STEPS = 2 }; /* sanitizers are slow, and what they look for happens in every step */
static const int starts[2][4] = { { 1, 1, 1, 1 }, { 1, 1, 1, 1 } };
#else
enum { STEPS = 50 };
/* Of each network with each loss. Now and then rounding takes a number over the kink of a ReLU, in one library or in the other or in
 * both, and the losses are a thousand times as far apart: how far float32 drifts is known from several starts only, by the furthest
 * and by the one in the middle. */
static const int starts[2][4] = { { 3, 3, 12, 10 }, { 14, 14, 3, 5 } };
#endif
enum { STARTS_MAX = 14, ALL_STEPS = 50, BATCH = 8, LATENT = 64 };

static const char *const nets[] = { "dcgan", "mlp" };
static const char *const losses[] = { "non-saturating", "least-squares", "hinge", "wasserstein" };

/* ---- weights as PyTorch draws them ------------------------------------------------------------------------------------------- */

/* Numbers that float32 holds, written to a parameter of either type. */
static void write_parameter(ag_tensor w, const double *values, int64_t n)
{
    if (ag_dtype_of(w) == AG_FLOAT64) {
        ag_write(w, values, n);
        return;
    }
    float *single = malloc((size_t)n * sizeof *single);
    for (int64_t i = 0; i < n; i++) {
        single[i] = (float)values[i];
    }
    ag_write(w, single, n);
    free(single);
}

static ag_tensor tensor_of(ag_shape shape, const double *values, ag_dtype dtype)
{
    ag_tensor x = ag_from(shape, AG_FLOAT64, values);
    return dtype == AG_FLOAT64 ? x : ag_cast(x, dtype);
}

/* Fills the parameters as PyTorch's layers do: U(-1/sqrt(fan_in), 1/sqrt(fan_in)); those of batch norm stay 1 and 0. */
static void fill_network(nn_module *net, struct mt *g)
{
    ag_list *list = nn_parameters(net);
    int64_t fan_in = 0;
    for (int64_t i = 0; i < ag_list_count(list); i++) {
        ag_tensor w = ag_list_tensor(list, i);
        int64_t n = ag_numel(w);
        if (ag_ndim(w) > 1) { /* a weight; its bias follows with the same bound */
            fan_in = n / ag_size(w, 0);
        } else if (i == 0 || fan_in == 0 || ag_ndim(ag_list_tensor(list, i - 1)) == 1) { /* of batch norm */
            fan_in = 0;
            continue;
        }
        float bound = (float)(1 / sqrt((double)fan_in));
        double *values = malloc((size_t)n * sizeof *values);
        for (int64_t k = 0; k < n; k++) {
            values[k] = (double)(float)(mt_uniform(g) * (double)(bound - -bound) + (double)-bound);
        }
        write_parameter(w, values, n);
        free(values);
    }
    ag_list_free(list);
}

/* Numbers of a stream as a tensor: offset and factor as PyTorch applied them in that type. */
static ag_tensor drawn(struct mt *g, ag_shape shape, bool noise, ag_dtype dtype)
{
    int64_t n = ag_shape_numel(shape);
    double values[BATCH * LATENT];
    for (int64_t i = 0; i < n; i++) {
        double x = mt_uniform(g);
        values[i] = !noise                ? x
                    : dtype == AG_FLOAT32 ? (double)(((float)x - 0.5f) * (float)sqrt(12))
                                          : (x - 0.5) * sqrt(12);
    }
    return tensor_of(shape, values, dtype);
}

/* ---- 50 steps -------------------------------------------------------------------------------------------------------------------- */

/* The losses of the discriminator, then those of the generator in the steps in which it learns. Returns how many. */
static int play(int net, int loss, uint32_t seed, ag_dtype dtype, int steps, double values[2 * ALL_STEPS])
{
    ag_rng rng = ag_rng_seed(1);
    struct game game = { .net = net, .loss = loss, .latent = LATENT, .lr = 2e-4, .rng = ag_rng_seed(2) };
    data_set *set = data_mnist(TESTS_EXAMPLES "/mnist_sample", "train");
    struct mt g;
    game_begin(&game, &rng, dtype);
    mt_seed(&g, seed);
    fill_network(game.generator, &g);
    fill_network(game.discriminator, &g);
    mt_seed(&g, 1000 + seed);
    double pixels[BATCH * DIGIT_PIXELS];
    float picture[DIGIT_PIXELS];
    int64_t labels[BATCH];
    int learned = 0;
    ag_scope scope = { 0 };
    for (int k = 0; k < steps; k++) {
        for (int i = 0; i < BATCH; i++) {
            data_set_read(set, (int64_t)k * BATCH + i, picture, labels + i);
            for (int p = 0; p < DIGIT_PIXELS; p++) { /* the byte again, and its own division in this type */
                double byte = round((double)picture[p] * 255);
                pixels[i * DIGIT_PIXELS + p] = dtype == AG_FLOAT32 ? (double)((float)byte / 255 * 2 - 1) : byte / 255 * 2 - 1;
            }
        }
        ag_begin(&scope);
        ag_tensor real = tensor_of(AG_SHAPE(BATCH, 1, DIGIT_SIDE, DIGIT_SIDE), pixels, dtype);
        ag_tensor noise = drawn(&g, AG_SHAPE(BATCH, LATENT), true, dtype);
        ag_tensor share = loss == WASSERSTEIN ? drawn(&g, AG_SHAPE(BATCH, 1, 1, 1), false, dtype) : (ag_tensor){ 0 };
        double measured[MEASURES];
        ck_assert(game_step(&game, real, ag_from(AG_SHAPE(BATCH), AG_INT64, labels), noise, share, k, measured));
        values[k] = measured[D_LOSS];
        ck_assert_int_eq(isnan(measured[G_LOSS]) == 0, generator_learns(&game, k));
        if (generator_learns(&game, k)) {
            values[steps + learned++] = measured[G_LOSS];
        }
    }
    ag_end(&scope);
    game_end(&game);
    data_set_free(set);
    return steps + learned;
}

/* PyTorch's losses of the first `steps` steps, in the same order. Returns how many. */
static int reference(int net, int loss, int seed, const char *dtype, int steps, double values[2 * ALL_STEPS])
{
    FILE *f = fopen(TESTS_GOLDEN "/alternation.txt", "r");
    ck_assert_msg(f != NULL, "cannot read alternation.txt");
    static char line[8192];
    char start[64];
    double all[2 * ALL_STEPS];
    int got = 0;
    snprintf(start, sizeof start, "%s %s %d %s ", nets[net], losses[loss], seed, dtype);
    while (got == 0 && fgets(line, sizeof line, f) != NULL) {
        if (strncmp(line, start, strlen(start)) == 0) {
            char *next = line + strlen(start), *end = next;
            for (; got < 2 * ALL_STEPS; got++, next = end) {
                all[got] = strtod(next, &end);
                if (end == next) {
                    break;
                }
            }
        }
    }
    fclose(f);
    ck_assert_msg(got > ALL_STEPS, "alternation.txt has no line that begins with %s", start);
    int learned = loss == WASSERSTEIN ? (steps + 4) / 5 : steps;
    memcpy(values, all, (size_t)steps * sizeof *all);
    memcpy(values + steps, all + ALL_STEPS, (size_t)learned * sizeof *all);
    return steps + learned;
}

static double furthest(int n, const double *a, const double *b)
{
    double worst = 0;
    for (int i = 0; i < n; i++) {
        worst = fmax(worst, fabs(a[i] - b[i]) / fmax(fabs(b[i]), 1));
    }
    return worst;
}

static int smaller_first(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* _i: which network and which loss. */
START_TEST(steps_follow_pytorch)
{
    int net = _i / 4, loss = _i % 4;
    double theirs64[2 * ALL_STEPS], theirs32[2 * ALL_STEPS], ours[2 * ALL_STEPS];
    double worst = 0, own[STARTS_MAX] = { 0 }, drift[STARTS_MAX] = { 0 };
    for (int seed = 1; seed <= starts[net][loss]; seed++) {
        int n = reference(net, loss, seed, "float64", STEPS, theirs64);
        ck_assert_int_eq(n, reference(net, loss, seed, "float32", STEPS, theirs32));
        ck_assert_int_eq(n, play(net, loss, (uint32_t)seed, AG_FLOAT64, STEPS, ours));
        worst = fmax(worst, furthest(n, ours, theirs64));
        ck_assert_int_eq(n, play(net, loss, (uint32_t)seed, AG_FLOAT32, STEPS, ours));
        drift[seed - 1] = furthest(n, ours, theirs64);
        own[seed - 1] = furthest(n, theirs32, theirs64);
    }
    int last = starts[net][loss] - 1, middle = last / 2;
    qsort(drift, (size_t)last + 1, sizeof drift[0], smaller_first);
    qsort(own, (size_t)last + 1, sizeof own[0], smaller_first);
    printf("%s, %s: float64 within %.2g of PyTorch's losses; float32 drifts %.2g from float64 (median %.2g), PyTorch %.2g (%.2g)\n",
           nets[net], losses[loss], worst, drift[last], drift[middle], own[last], own[middle]);
    ck_assert_msg(worst <= 1e-9, "%s, %s: float64 losses differ by %g", nets[net], losses[loss], worst);
    ck_assert_msg(drift[last] <= 5 * own[last] && drift[middle] <= 5 * own[middle],
                  "%s, %s: float32 drifts %g from float64 (median %g), PyTorch's own %g (%g)", nets[net], losses[loss], drift[last],
                  drift[middle], own[last], own[middle]);
}
END_TEST

/* ---- the penalty ------------------------------------------------------------------------------------------------------------------ */

struct checked {
    struct game game;
    ag_tensor real, fake, share;
};

static ag_tensor penalty_of(const ag_tensor *inputs, int n, void *user)
{
    struct checked *c = user;
    (void)inputs; /* the discriminator's own parameters */
    (void)n;
    return gradient_penalty(&c->game, c->real, c->fake, (ag_tensor){ 0 }, c->share);
}

/* By each weight of both discriminators, small: convolutions and linear layers, with leaky ReLUs between them. A bias moves the score,
 * but no slope of it: its gradient is 0 but at kinks, and a relative error would be of rounding alone. The seed is one with which no
 * difference is taken across a kink: there the penalty jumps, and has no derivative. */
START_TEST(the_penaltys_gradient_passes_a_numerical_check)
{
    ag_rng rng = ag_rng_seed(14);
    struct checked c = { .game = { .loss = WASSERSTEIN } };
    c.game.discriminator = _i == 0 ? nn_sequential(half(1, 3), nn_leaky_relu(0.2), half(3, 4), nn_leaky_relu(0.2),
                                                   nn_flatten(), nn_linear(16, 5), nn_leaky_relu(0.2), nn_linear(5, 1))
                                   : nn_sequential(nn_flatten(), nn_linear(64, 9), nn_leaky_relu(0.2), nn_linear(9, 6),
                                                   nn_leaky_relu(0.2), nn_linear(6, 1));
    nn_init_dtype(c.game.discriminator, &rng, AG_FLOAT64);
    ag_scope scope = { 0 };
    ag_begin(&scope);
    c.real = ag_uniform(AG_SHAPE(3, 1, 8, 8), -1, 1, AG_FLOAT64, &rng);
    c.fake = ag_uniform(AG_SHAPE(3, 1, 8, 8), -1, 1, AG_FLOAT64, &rng);
    c.share = ag_uniform(AG_SHAPE(3, 1, 1, 1), 0, 1, AG_FLOAT64, &rng);
    ag_list *parameters = nn_parameters(c.game.discriminator);
    ag_tensor weights[8];
    int n = 0;
    for (int64_t i = 0; i < ag_list_count(parameters); i++) {
        ag_tensor w = ag_list_tensor(parameters, i);
        if (ag_ndim(w) > 1) {
            weights[n++] = w;
        }
    }
    ck_assert_int_eq(n, _i == 0 ? 4 : 3);
    ag_gradcheck_config config = ag_gradcheck_defaults();
    config.recorded = true;
    ag_gradcheck_report report = ag_gradcheck(penalty_of, &c, n, weights, config);
    printf("penalty: relative error %.2g, largest derivative %.3g\n", report.worst, report.scale);
    ck_assert_msg(report.passed, "input %d, element %lld: %g, by differences %g", report.input, (long long)report.element,
                  report.analytic, report.numeric);
    ck_assert(report.scale > 1e-3);
    ag_list_free(parameters);
    ag_end(&scope);
    nn_free(c.game.discriminator);
}
END_TEST

/* ---- what is said of pictures -------------------------------------------------------------------------------------------------------- */

/* n test digits of the classes that `wanted` names, -1 to 1, or the same one again and again. */
static ag_tensor real_digits(data_set *set, const char *wanted, bool one, int n, int64_t *labels)
{
    float *pixels = malloc((size_t)n * DIGIT_PIXELS * sizeof *pixels);
    int got = 0;
    for (int64_t i = 0; got < n; i = (i + 1) % data_set_size(set)) {
        data_set_read(set, i, pixels + got * DIGIT_PIXELS, labels + got);
        if (strchr(wanted, (int)('0' + labels[got])) == NULL) {
            continue;
        }
        got++;
        if (one) {
            i--;
        }
    }
    ag_tensor x = ag_from(AG_SHAPE(n, 1, DIGIT_SIDE, DIGIT_SIDE), AG_FLOAT32, pixels);
    free(pixels);
    return ag_add_scalar(ag_mul_scalar(x, 2), -1);
}

struct seen {
    data_set *train, *test;
    struct nearest real;
    struct game game;
    struct course course;
    int64_t labels[WATCHED];
    ag_scope scope;
};

/* A game that goes well, after two epochs. */
static void seen_begin(struct seen *s)
{
    memset(s, 0, sizeof *s);
    s->train = data_mnist(TESTS_EXAMPLES "/mnist_sample", "train");
    s->test = data_mnist(TESTS_EXAMPLES "/mnist_sample", "test");
    ck_assert(nearest_open(&s->real, s->train, 4000));
    s->course.epochs = 2;
    for (int e = 0; e < 2; e++) {
        s->course.value[REAL_RIGHT][e] = s->course.value[FAKE_RIGHT][e] = 0.8;
        s->course.value[GRADIENT][e] = 1;
    }
    ag_begin_no_grad(&s->scope);
}

static void seen_end(struct seen *s)
{
    ag_end(&s->scope);
    nearest_close(&s->real);
    data_set_free(s->train);
    data_set_free(s->test);
}

static const char *said(struct seen *s, const char *classes, bool one, struct looks *looks)
{
    static char text[256];
    ag_tensor pictures = real_digits(s->test, classes, one, WATCHED, s->labels);
    int64_t other[WATCHED];
    *looks = looks_of(&s->real, pictures, s->labels, variety(real_digits(s->train, "0123456789", false, 100, other)));
    return diagnosis(&s->game, &s->course, looks, text);
}

START_TEST(pictures_are_seen_for_what_they_are)
{
    struct seen s;
    struct looks looks;
    seen_begin(&s);
    const char *words = said(&s, "0123456789", false, &looks);
    ck_assert_str_eq(words, "");
    ck_assert_int_eq(looks.classes, 10);
    ck_assert_msg(fabs(looks.variety - 1) < 0.05, "%g", looks.variety);
    ck_assert_msg(fabs(looks.distance - 1) < 0.1, "%g", looks.distance);
    ck_assert_msg(looks.as_ordered > 0.87, "%g", looks.as_ordered); /* these are their classes */
    double shares[DIGIT_CLASSES] = { 0 }, sum = 0;
    for (int i = 0; i < WATCHED; i++) {
        shares[s.labels[i]] += 1.0 / WATCHED;
    }
    for (int class = 0; class < DIGIT_CLASSES; class++) {
        sum += looks.share[class];
        ck_assert_msg(fabs(looks.share[class] - shares[class]) < 0.04, "%d: %g, %g", class, looks.share[class], shares[class]);
    }
    ck_assert_msg(fabs(sum - 1) < 1e-9, "%g", sum);
    for (int i = 0; i < WATCHED; i++) { /* and these are not */
        s.labels[i] = (s.labels[i] + 1) % DIGIT_CLASSES;
    }
    int64_t other[WATCHED];
    looks = looks_of(&s.real, real_digits(s.test, "0123456789", false, WATCHED, other), s.labels, 1);
    ck_assert_msg(looks.as_ordered < 0.1, "%g", looks.as_ordered);
    seen_end(&s);
}
END_TEST

START_TEST(a_collapse_to_few_digits_is_said_in_words)
{
    struct seen s;
    struct looks looks;
    seen_begin(&s);
    const char *words = said(&s, "07", false, &looks);
    ck_assert_msg(strncmp(words, "the generator has collapsed to a few classes: ", 46) == 0, "'%s'", words);
    ck_assert_msg(strstr(words, "look like 0, 7") != NULL || strstr(words, "look like 7, 0") != NULL, "'%s'", words);
    ck_assert_msg(looks.variety > 0.5, "%g", looks.variety); /* which alone would not have told */
    words = said(&s, "4", true, &looks);
    ck_assert_msg(strstr(words, "pictures are nearly alike") != NULL, "%s", words);
    seen_end(&s);
}
END_TEST

/* Some digit is nearest to grey noise, too, and the same one to nearly all of it. */
START_TEST(noise_is_not_taken_for_a_digit)
{
    struct seen s;
    char text[256];
    seen_begin(&s);
    ag_rng rng = ag_rng_seed(1);
    int64_t ordered[WATCHED] = { 0 };
    struct looks looks = looks_of(&s.real, ag_uniform(AG_SHAPE(WATCHED, 1, 28, 28), -1, 1, AG_FLOAT32, &rng), ordered, 10);
    ck_assert_msg(looks.distance > 1.5, "%g", looks.distance);
    ck_assert_str_eq(diagnosis(&s.game, &s.course, &looks, text), "");
    seen_end(&s);
}
END_TEST

START_TEST(a_game_that_is_lost_is_said_in_words)
{
    struct seen s;
    struct looks looks;
    seen_begin(&s);
    s.course.value[REAL_RIGHT][1] = s.course.value[FAKE_RIGHT][1] = 0.99;
    const char *words = said(&s, "0123456789", false, &looks);
    ck_assert_msg(strstr(words, "discriminator is too strong") != NULL, "%s", words);
    s.course.value[FAKE_RIGHT][1] = 0.9; /* it is fooled by one in ten */
    ck_assert_str_eq(said(&s, "0123456789", false, &looks), "");
    s.course.value[GRADIENT][1] = 0.01;
    words = said(&s, "0123456789", false, &looks);
    ck_assert_msg(strstr(words, "gradient has vanished") != NULL, "%s", words);
    seen_end(&s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("alternation");
    TCase *tcase = tcase_create("trajectories");
    tcase_set_timeout(tcase, 900); /* sanitizers are slow */
    tcase_add_loop_test(tcase, steps_follow_pytorch, 0, 8);
    tcase_add_loop_test(tcase, the_penaltys_gradient_passes_a_numerical_check, 0, 2);
    tcase_add_test(tcase, pictures_are_seen_for_what_they_are);
    tcase_add_test(tcase, a_collapse_to_few_digits_is_said_in_words);
    tcase_add_test(tcase, noise_is_not_taken_for_a_digit);
    tcase_add_test(tcase, a_game_that_is_lost_is_said_in_words);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
