/*
 * How long a training loop waits for its batches: the perceptron of examples/mnist_mlp.c (784-512-512-10, Adam, batches of 64), on
 * images and labels in IDX files that it makes, with and without augmentation, read by the loop itself or by threads.
 *
 *     bench_loader [--threads T] [--steps S]      one JSON line a case
 *
 * `waiting` is the share of the loop's time that is spent in data_loader_next(), in per cent: of the medians over the steps, which
 * other programs disturb little, and of the sums. `cpu` is the share of the processor's time that the loop's own thread spends
 * there: what is left to wait for if the loader's threads find a free processor.
 */
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <wengert/wengert.h>

enum { IMAGES = 10000, BATCH = 64, MOST_STEPS = 100000 };

static double seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double now(void)
{
    return seconds(CLOCK_MONOTONIC);
}

static double own(void)
{
    return seconds(CLOCK_THREAD_CPUTIME_ID);
}

/* ---- data ------------------------------------------------------------------------------------ */

static void make_idx(const char *path, int ndim, const unsigned *size, int64_t below)
{
    FILE *file = fopen(path, "wb");
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    ag_rng rng = ag_rng_seed(1);
    int64_t count = 1;
    const unsigned char magic[4] = { 0, 0, 8, (unsigned char)ndim };
    fwrite(magic, 1, 4, file);
    for (int d = 0; d < ndim; d++) {
        const unsigned char big_endian[4] = { 0, (unsigned char)(size[d] >> 16),
                                              (unsigned char)(size[d] >> 8),
                                              (unsigned char)size[d] };
        fwrite(big_endian, 1, 4, file);
        count *= size[d];
    }
    for (int64_t i = 0; i < count; i++) {
        fputc((int)ag_rng_below(&rng, below), file);
    }
    fclose(file);
}

static data_set *make_set(const char *folder)
{
    char images[1024], labels[1024];
    snprintf(images, sizeof images, "%s/images", folder);
    snprintf(labels, sizeof labels, "%s/labels", folder);
    make_idx(images, 3, (const unsigned[]){ IMAGES, 28, 28 }, 256);
    make_idx(labels, 1, (const unsigned[]){ IMAGES }, 10);
    data_set *set = data_idx_images(images, labels, 10);
    unlink(images);
    unlink(labels);
    return set;
}

/* What a training run with augmentation would do to a digit. */
static data_set *augmented(data_set *set)
{
    ag_rng rng = ag_rng_seed(2);
    data_transform *part[] = { data_random_shift(2, 2, 0, &rng),
                               data_random_rotation(-10, 10, 0, &rng),
                               data_random_noise(0.05, &rng) };
    data_transform *all = data_compose(3, part);
    data_set *through = data_transform_x(set, all);
    for (int i = 0; i < 3; i++) {
        data_transform_free(part[i]);
    }
    data_transform_free(all);
    return through;
}

/* ---- the loop -------------------------------------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *a, int n)
{
    qsort(a, (size_t)n, sizeof *a, ascending);
    return a[n / 2];
}

static void measure(data_set *set, const char *name, int workers, int steps)
{
    ag_rng rng = ag_rng_seed(3);
    data_loader_config config = data_loader_defaults();
    config.batch = BATCH;
    config.shuffle = true;
    config.drop_last = true;
    config.workers = workers;
    data_loader *loader = data_loader_new(data_set_share(set), config, &rng);
    nn_module *net = nn_sequential(nn_flatten(), nn_linear(784, 512), nn_relu(),
                                   nn_linear(512, 512), nn_relu(), nn_linear(512, 10));
    nn_init(net, &rng);
    optim *opt = optim_adam(nn_parameters(net), optim_adam_defaults());
    double *wait = malloc((size_t)steps * sizeof *wait),
           *step = malloc((size_t)steps * sizeof *step), waited = 0, all = 0;
    double cpu_wait = 0, cpu_all = 0;
    ag_scope scope = { 0 };
    for (int s = -20; s < steps; s++) { /* the first ones are not counted */
        data_batch b;
        double begin = now(), own_begin = own();
        if (!data_loader_next(loader, &b)) {
            data_loader_rewind(loader);
            data_loader_next(loader, &b);
        }
        double read = now(), own_read = own();
        ag_begin(&scope);
        ag_tensor loss = ag_cross_entropy(nn_forward(net, b.x), b.y);
        optim_zero_grad(opt);
        ag_backward(loss);
        optim_step(opt);
        double end = now(), own_end = own();
        if (s >= 0) {
            wait[s] = read - begin;
            step[s] = end - begin;
            waited += wait[s];
            all += step[s];
            cpu_wait += own_read - own_begin;
            cpu_all += own_end - own_begin;
        }
    }
    ag_end(&scope);
    double w = median(wait, steps), whole = median(step, steps);
    printf("{\"samples\": \"%s\", \"workers\": %d, \"threads\": %d, \"step_ms\": %.3f, "
           "\"wait_ms\": %.4f, \"waiting\": %.2f, "
           "\"waiting_sum\": %.2f, \"cpu_step_ms\": %.3f, \"cpu\": %.2f}\n",
           name, workers, ag_threads(), 1e3 * whole, 1e3 * w, 100 * w / whole, 100 * waited / all,
           1e3 * cpu_all / steps, 100 * cpu_wait / cpu_all);
    fflush(stdout);
    free(wait);
    free(step);
    optim_free(opt);
    nn_free(net);
    data_loader_free(loader);
}

static int number(const char *option, const char *text, int most)
{
    char *end;
    long n = strtol(text, &end, 10);
    if (end == text || *end != '\0' || n < 1 || n > most) {
        fprintf(stderr, "bench_loader: %s wants a number from 1 to %d, got \"%s\"\n", option, most,
                text);
        exit(2);
    }
    return (int)n;
}

int main(int argc, char **argv)
{
    int steps = 1000, threads = 1;
    for (int a = 1; a < argc; a += 2) {
        if (a + 1 < argc && strcmp(argv[a], "--threads") == 0) {
            threads = number(argv[a], argv[a + 1], 1024);
        } else if (a + 1 < argc && strcmp(argv[a], "--steps") == 0) {
            steps = number(argv[a], argv[a + 1], MOST_STEPS);
        } else {
            fprintf(stderr, "usage: bench_loader [--threads T] [--steps S]\n");
            return 2;
        }
    }
    ag_set_threads(threads);
    const char *temporary = getenv("TMPDIR");
    char folder[512];
    snprintf(folder, sizeof folder, "%s/wengert-bench-XXXXXX",
             temporary != NULL ? temporary : "/tmp");
    if (mkdtemp(folder) == NULL) {
        perror(folder);
        return 1;
    }
    data_set *plain = make_set(folder), *random = augmented(plain);
    rmdir(folder);
    for (int workers = 0; workers <= 2; workers++) {
        measure(plain, "plain", workers, steps);
    }
    for (int workers = 0; workers <= 2; workers++) {
        measure(random, "augmented", workers, steps);
    }
    data_set_free(random);
    data_set_free(plain);
    return ag_exit_status();
}
