/*
 * Made-up pictures against real ones.
 */
#include "critique.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "autograd/autograd.h"
#include "data/data.h"

#include "critic.h"
#include "frechet.h"
#include "record.h"

#ifndef WENGERT_EXAMPLES_JUDGE
#define WENGERT_EXAMPLES_JUDGE "examples/judge"
#endif

enum { CHUNK = 256, NEAREST_CHUNK = 64, FEATURES = CRITIC_FEATURES };

/* ---- the measures -------------------------------------------------------------------------------------------------------- */

/* The traces of the covariances of each class, NaN for one with fewer than two pictures. False without memory. */
static bool class_traces(int64_t d, int64_t n, const double *x, const int64_t *classes, double trace[DIGIT_CLASSES])
{
    double *mean = calloc((size_t)(DIGIT_CLASSES * d), sizeof *mean);
    int64_t count[DIGIT_CLASSES] = { 0 };
    if (mean == NULL) {
        return false;
    }
    memset(trace, 0, DIGIT_CLASSES * sizeof *trace);
    for (int64_t i = 0; i < n; i++) {
        count[classes[i]]++;
    }
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < d; j++) {
            mean[classes[i] * d + j] += x[i * d + j] / (double)count[classes[i]];
        }
    }
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < d; j++) {
            double away = x[i * d + j] - mean[classes[i] * d + j];
            trace[classes[i]] += away * away / (double)(count[classes[i]] - 1);
        }
    }
    for (int k = 0; k < DIGIT_CLASSES; k++) {
        trace[k] = count[k] < 2 ? NAN : trace[k];
    }
    free(mean);
    return true;
}

double critique_variance(int64_t d, int64_t n, const double *features, const int64_t *classes, int64_t real_n,
                         const double *real_features, const int64_t *real_classes)
{
    double made[DIGIT_CLASSES], real[DIGIT_CLASSES], sum = 0;
    if (!class_traces(d, n, features, classes, made) || !class_traces(d, real_n, real_features, real_classes, real)) {
        return NAN;
    }
    int counted = 0;
    for (int k = 0; k < DIGIT_CLASSES; k++) {
        if (real[k] > 0) { /* not NaN */
            sum += isnan(made[k]) ? 0 : made[k] / real[k];
            counted++;
        }
    }
    return sum / counted; /* 0 / 0: NaN */
}

static double distance_between(int64_t d, const float *a, const float *b)
{
    double sum = 0;
    for (int64_t j = 0; j < d; j++) {
        double away = (double)a[j] - (double)b[j];
        sum += away * away;
    }
    return sqrt(sum);
}

/* |a - b|^2 = |a|^2 - 2 a b + |b|^2: one matrix product finds which is the nearest, |a|^2 being the same for all. Its distance is
 * then computed from the pixels, because small differences of large numbers are not exact. */
bool critique_nearest(int64_t d, int64_t n, const float *pictures, int64_t m, const float *others, double *distance)
{
    ag_scope all = { 0 }, chunk = { 0 };
    ag_begin_no_grad(&all);
    ag_tensor b = ag_from(AG_SHAPE(m, d), AG_FLOAT32, others);
    ag_tensor half_square = ag_mul_scalar(ag_sum_dims(ag_square(b), AG_DIMS(1), false), 0.5), across = ag_transpose(b, 0, 1);
    for (int64_t i = 0; i < n && ag_exit_status() == 0; i += NEAREST_CHUNK) {
        int64_t count = n - i < NEAREST_CHUNK ? n - i : NEAREST_CHUNK, index[NEAREST_CHUNK];
        ag_begin_no_grad(&chunk);
        ag_tensor a = ag_from(AG_SHAPE(count, d), AG_FLOAT32, pictures + i * d);
        if (ag_read(ag_argmin(ag_sub(half_square, ag_matmul(a, across)), 1, false), index, count) == AG_OK) {
            for (int64_t k = 0; k < count; k++) {
                distance[i + k] = distance_between(d, pictures + (i + k) * d, others + index[k] * d);
            }
        }
        ag_end(&chunk);
    }
    ag_end(&all);
    return ag_exit_status() == 0;
}

static int compare_numbers(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double critique_median(int64_t n, double *x)
{
    if (n == 0) {
        return NAN;
    }
    qsort(x, (size_t)n, sizeof *x, compare_numbers);
    return (x[(n - 1) / 2] + x[n / 2]) / 2;
}

/* ---- pictures as the critic sees them ------------------------------------------------------------------------------------- */

struct view {
    int64_t n;
    double *features; /* (n, FEATURES) */
    int64_t *class;   /* [n], what the critic takes them for */
    double confidence;
    double mean[FEATURES], covariance[FEATURES * FEATURES];
};

struct critique_bench {
    const char *program;
    nn_module *critic;
    int64_t training, test; /* how many there are */
    float *training_pixels, *test_pixels;
    double accuracy;
    struct view real; /* the test pictures */
    double *nearest; /* [test]: distance of the first of them to the training pictures, as far as they were asked for */
    int64_t nearest_known;
};

static void view_free(struct view *v)
{
    free(v->features);
    free(v->class);
    *v = (struct view){ 0 };
}

static bool out_of_memory(const struct critique_bench *bench)
{
    fprintf(stderr, "%s: out of memory for judging pictures\n", bench->program);
    return false;
}

/* Must be freed in any case. */
static bool look(const struct critique_bench *bench, int64_t n, const float *pixels, struct view *v)
{
    *v = (struct view){ .n = n, .features = malloc((size_t)(n * FEATURES) * sizeof *v->features),
                        .class = malloc((size_t)n * sizeof *v->class) };
    if (v->features == NULL || v->class == NULL) {
        return out_of_memory(bench);
    }
    ag_scope scope = { 0 };
    double sum = 0;
    for (int64_t i = 0; i < n && ag_exit_status() == 0; i += CHUNK) {
        int64_t count = n - i < CHUNK ? n - i : CHUNK;
        double confidence[CHUNK];
        ag_begin_no_grad(&scope);
        ag_tensor x = ag_from(AG_SHAPE(count, 1, DIGIT_SIDE, DIGIT_SIDE), AG_FLOAT32, pixels + i * DIGIT_PIXELS);
        ag_tensor features = nn_forward(critic_trunk(bench->critic), x);
        ag_tensor scores = nn_forward(critic_head(bench->critic), features);
        ag_read_doubles(features, v->features + i * FEATURES, count * FEATURES);
        ag_read(ag_argmax(scores, 1, false), v->class + i, count);
        if (ag_read_doubles(ag_amax(ag_softmax(scores, 1), AG_DIMS(1), false), confidence, count) == AG_OK) {
            for (int64_t k = 0; k < count; k++) {
                sum += confidence[k];
            }
        }
    }
    ag_end(&scope);
    v->confidence = sum / (double)n;
    frechet_moments(n, FEATURES, v->features, v->mean, v->covariance);
    return ag_exit_status() == 0;
}

/* All pictures of a set, and their labels unless NULL. NULL after an error, which has been printed. */
static float *pixels_of(const struct critique_bench *bench, data_set *set, int64_t *n, int64_t **labels)
{
    *n = data_set_size(set);
    bool good = *n >= 2 && ag_shape_equal(data_set_x_shape(set), AG_SHAPE(1, DIGIT_SIDE, DIGIT_SIDE)) &&
                data_set_x_dtype(set) == AG_FLOAT32 && data_set_y_dtype(set) == AG_INT64;
    if (!good && ag_exit_status() == 0) {
        fprintf(stderr, "%s: to judge by, there must be two or more real pictures, grey and of 28 x 28 pixels, for training and for "
                        "the test\n", bench->program);
    }
    float *pixels = good ? malloc((size_t)*n * DIGIT_PIXELS * sizeof *pixels) : NULL;
    int64_t *classes = good ? malloc((size_t)*n * sizeof *classes) : NULL;
    if (good && (pixels == NULL || classes == NULL)) {
        good = out_of_memory(bench);
    }
    for (int64_t i = 0; i < *n && good; i++) {
        good = data_set_read(set, i, pixels + i * DIGIT_PIXELS, classes + i) == AG_OK;
    }
    if (good && labels != NULL) {
        *labels = classes;
    } else {
        free(classes);
    }
    if (!good) {
        free(pixels);
        return NULL;
    }
    return pixels;
}

/* A file of examples/judge, from the source tree or beside the program. */
static void usual_weights(const struct options *o, const char *name, char *path, size_t bytes)
{
    snprintf(path, bytes, "%s/%s", WENGERT_EXAMPLES_JUDGE, name);
    const char *slash = strrchr(o->path, '/');
    if (access(path, F_OK) != 0 && slash != NULL) {
        snprintf(path, bytes, "%.*s/judge/%s", (int)(slash - o->path), o->path, name);
    }
}

/* Takes the critic of a file if it reads more of the real test pictures than the one that is there. False after an error. */
static bool try_critic(struct critique_bench *bench, const char *weights, const int64_t *labels)
{
    struct critique_bench other = *bench;
    other.real = (struct view){ 0 };
    other.critic = critic_load(weights);
    bool good = ag_exit_status() == 0 && look(&other, bench->test, bench->test_pixels, &other.real);
    int64_t right = 0;
    for (int64_t i = 0; i < bench->test && good; i++) {
        right += other.real.class[i] == labels[i];
    }
    other.accuracy = (double)right / (double)bench->test;
    bool better = good && (bench->critic == NULL || other.accuracy > bench->accuracy);
    struct critique_bench worse = better ? *bench : other;
    if (better) {
        *bench = other;
    }
    view_free(&worse.real);
    nn_free(worse.critic);
    return good;
}

/* A judge that cannot read the real pictures has learned others. */
static bool try_critics(struct critique_bench *bench, const struct options *o, const char *weights, const int64_t *labels)
{
    static const char *const usual[] = { "mnist.safetensors", "fashion-mnist.safetensors" };
    bool good = weights == NULL || try_critic(bench, weights, labels);
    for (size_t i = 0; i < sizeof usual / sizeof usual[0] && weights == NULL && good; i++) {
        char path[4096 + 64];
        usual_weights(o, usual[i], path, sizeof path);
        good = try_critic(bench, path, labels);
    }
    if (good && bench->accuracy < 0.5) {
        fprintf(stderr, "%s: the judge reads only %.0f %% of the real test pictures right: it has learned others; train_judge trains "
                        "one for these\n", o->program, 100 * bench->accuracy);
        good = false;
    }
    return good;
}

struct critique_bench *critique_open(const struct options *o, const char *weights, data_set *training, data_set *test)
{
    struct critique_bench *bench = calloc(1, sizeof *bench);
    if (bench == NULL) {
        fprintf(stderr, "%s: out of memory for judging pictures\n", o->program);
        return NULL;
    }
    bench->program = o->program;
    int64_t *labels = NULL;
    bool good = (bench->training_pixels = pixels_of(bench, training, &bench->training, NULL)) != NULL &&
                (bench->test_pixels = pixels_of(bench, test, &bench->test, &labels)) != NULL;
    if (good && (bench->nearest = malloc((size_t)bench->test * sizeof *bench->nearest)) == NULL) {
        good = out_of_memory(bench);
    }
    good = good && try_critics(bench, o, weights, labels);
    free(labels);
    if (!good) {
        critique_close(bench);
        return NULL;
    }
    return bench;
}

void critique_close(struct critique_bench *bench)
{
    if (bench == NULL) {
        return;
    }
    view_free(&bench->real);
    nn_free(bench->critic);
    free(bench->training_pixels);
    free(bench->test_pixels);
    free(bench->nearest);
    free(bench);
}

double critique_accuracy(const struct critique_bench *bench)
{
    return bench->accuracy;
}

/* ---- judging ------------------------------------------------------------------------------------------------------------- */

static bool judge_view(const struct critique_bench *bench, int64_t n, const float *pixels, struct critique *found)
{
    struct view v;
    bool good = look(bench, n, pixels, &v);
    if (good) {
        *found = (struct critique){ .pictures = n, .confidence = v.confidence, .nearest = 1 };
        for (int64_t i = 0; i < n; i++) {
            found->share[v.class[i]] += 1 / (double)n;
        }
        found->variance = critique_variance(FEATURES, n, v.features, v.class, bench->test, bench->real.features, bench->real.class);
        found->frechet = frechet_distance(FEATURES, v.mean, v.covariance, bench->real.mean, bench->real.covariance);
        good = !isnan(found->frechet) || out_of_memory(bench);
    }
    view_free(&v);
    return good;
}

/* The median distance of as many test pictures as were made up, or of all. */
static bool nearest_of_test(struct critique_bench *bench, int64_t n, double *median)
{
    n = n < bench->test ? n : bench->test;
    int64_t known = bench->nearest_known;
    if (n > known) {
        if (!critique_nearest(DIGIT_PIXELS, n - known, bench->test_pixels + known * DIGIT_PIXELS, bench->training,
                              bench->training_pixels, bench->nearest + known)) {
            return false;
        }
        bench->nearest_known = n;
    }
    double *copy = malloc((size_t)n * sizeof *copy);
    if (copy == NULL) {
        return out_of_memory(bench);
    }
    memcpy(copy, bench->nearest, (size_t)n * sizeof *copy);
    *median = critique_median(n, copy);
    free(copy);
    return true;
}

/* Whether all pixels are from 0 to 1, within `slack`; those beyond are cut off. */
static bool cut_pixels(const struct critique_bench *bench, int64_t n, const float *pixels, float *cut)
{
    const float slack = 0.01f;
    for (int64_t i = 0; i < n * DIGIT_PIXELS; i++) {
        if (!(pixels[i] >= -slack && pixels[i] <= 1 + slack)) {
            fprintf(stderr, "%s: picture %lld, row %lld, column %lld: the pixel is %g, but must be from 0 (paper) to 1 (ink)\n",
                    bench->program, (long long)(i / DIGIT_PIXELS), (long long)(i % DIGIT_PIXELS / DIGIT_SIDE),
                    (long long)(i % DIGIT_SIDE), (double)pixels[i]);
            return false;
        }
        cut[i] = fminf(fmaxf(pixels[i], 0), 1);
    }
    return true;
}

bool critique_judge(struct critique_bench *bench, int64_t n, const float *pixels, struct critique *found)
{
    if (n < 2) {
        fprintf(stderr, "%s: to be judged, there must be two or more pictures, not %lld\n", bench->program, (long long)n);
        return false;
    }
    float *cut = malloc((size_t)n * DIGIT_PIXELS * sizeof *cut);
    double *distance = malloc((size_t)n * sizeof *distance), test = 0;
    bool good = (cut != NULL && distance != NULL) || out_of_memory(bench);
    good = good && cut_pixels(bench, n, pixels, cut) && judge_view(bench, n, cut, found) &&
           critique_nearest(DIGIT_PIXELS, n, cut, bench->training, bench->training_pixels, distance) &&
           nearest_of_test(bench, n, &test);
    if (good) {
        found->nearest = critique_median(n, distance) / test;
    }
    free(cut);
    free(distance);
    return good;
}

bool critique_judge_real(struct critique_bench *bench, int64_t n, struct critique *found)
{
    return judge_view(bench, n < bench->training ? n : bench->training, bench->training_pixels, found);
}

/* ---- words --------------------------------------------------------------------------------------------------------------- */

static void print_line(const char *name, const char *format, double made, double real)
{
    printf("  %-34s", name);
    printf(format, made);
    printf(format, real);
    putchar('\n');
}

bool critique_print(struct critique_bench *bench, const struct critique *found)
{
    struct critique real;
    if (!critique_judge_real(bench, found->pictures, &real)) {
        return false;
    }
    double least = 1, real_least = 1;
    printf("\n%lld pictures judged by a network that reads %.2f %% of the real test pictures right\n"
           "  taken for, in %%  ",
           (long long)found->pictures, 100 * bench->accuracy);
    for (int k = 0; k < DIGIT_CLASSES; k++) {
        printf(" %d: %.1f%s", k, 100 * found->share[k], k < DIGIT_CLASSES - 1 ? " " : "\n");
        least = fmin(least, found->share[k]);
        real_least = fmin(real_least, real.share[k]);
    }
    printf("  %-34s%12s%12s\n", "", "made up", "real");
    print_line("rarest class, in %", "%12.1f", 100 * least, 100 * real_least);
    print_line("mean confidence", "%12.3f", found->confidence, real.confidence);
    print_line("variance within a class, to real", "%12.2f", found->variance, real.variance);
    print_line("Frechet distance", "%12.3f", found->frechet, real.frechet);
    print_line("nearest training picture, to test", "%12.2f", found->nearest, real.nearest);
    return true;
}

json_t *critique_record(const struct critique *found)
{
    json_t *record = json_object();
    json_object_set_new(record, "pictures", json_integer(found->pictures));
    json_object_set_new(record, "share", record_numbers(DIGIT_CLASSES, found->share));
    json_object_set_new(record, "confidence", record_number(found->confidence));
    json_object_set_new(record, "variance", record_number(found->variance));
    json_object_set_new(record, "frechet", record_number(found->frechet));
    json_object_set_new(record, "nearest", record_number(found->nearest));
    return record;
}

/* ---- a program that makes pictures up ------------------------------------------------------------------------------------- */

bool critique_made_up(const struct options *o, data_set *training, data_set *test, int64_t n,
                      ag_tensor (*make)(void *user, int64_t first, int64_t n), void *user, json_t *record)
{
    if (n == 0) {
        return true;
    }
    struct critique_bench *bench = critique_open(o, NULL, training, test);
    float *pixels = bench != NULL ? malloc((size_t)n * DIGIT_PIXELS * sizeof *pixels) : NULL;
    bool good = bench != NULL && (pixels != NULL || out_of_memory(bench));
    ag_scope scope = { 0 };
    for (int64_t i = 0; i < n && good; i += CHUNK) {
        int64_t count = n - i < CHUNK ? n - i : CHUNK;
        ag_begin_no_grad(&scope);
        good = ag_read(make(user, i, count), pixels + i * DIGIT_PIXELS, count * DIGIT_PIXELS) == AG_OK;
    }
    ag_end(&scope);
    struct critique found;
    good = good && critique_judge(bench, n, pixels, &found) && critique_print(bench, &found);
    if (good) {
        json_object_set_new(record, "judgement", critique_record(&found));
    }
    critique_close(bench);
    free(pixels);
    return good;
}
