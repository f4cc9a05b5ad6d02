/*
 * Training benchmarks: one full step (zero_grad, forward, backward, optimizer step) of each workload, with the networks, options
 * and JSON keys of the PyTorch side.
 *
 *     bench_train --list
 *     bench_train [--threads T] [--seconds S] [--batch N] [--width N] [--steps N] [--depth N] [--checkpoint] [NAME …]
 *
 * One JSON line a workload. float32. Every step takes the next of four input batches, so that nothing computed from an input may be kept from one step to
 * the next. The median over repeats is reported, with the part of it that the machine's limits leave ("bound_fraction") and the
 * memory that was needed above the start. Sizes other than the workload's own show how cost grows.
 */
#define _POSIX_C_SOURCE 200809L
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "autograd/kernels/kernels.h"
#include "measure.h"
#include "workloads.h"

struct options {
    double seconds;
    struct sizes size; /* 0: the workload's own */
    bool checkpoint;   /* blocks are computed anew on the way back */
};

static void step(void *object)
{
    run_step(object);
}

/* Puts a size that was asked for in the place of the workload's own; false if it has none of that kind. */
static bool resize(int64_t *own, int64_t wanted)
{
    if (wanted > 0 && *own == 0) {
        return false;
    }
    *own = wanted > 0 ? wanted : *own;
    return true;
}

/* One small step of training before memory is looked at, as on the PyTorch side: what a library loads and starts on its first use
 * does not count. */
static void small_step(void)
{
    ag_rng rng = ag_rng_seed(0);
    ag_scope scope = { 0 };
    nn_module *net = nn_linear(2, 2);
    nn_init(net, &rng);
    optim *adam = optim_adam(nn_parameters(net), optim_adam_defaults());
    ag_begin(&scope);
    ag_backward(ag_sum(nn_forward(net, ag_uniform(AG_SHAPE(2, 2), 0, 1, AG_FLOAT32, &rng))));
    optim_step(adam);
    ag_end(&scope);
    optim_free(adam);
    nn_free(net);
}

static bool same_size(struct sizes a, struct sizes b)
{
    return a.batch == b.batch && a.width == b.width && a.steps == b.steps && a.depth == b.depth;
}

static bool measure(const struct workload *w, const struct options *o)
{
    struct run r;
    run_prepare(&r, w);
    if (!resize(&r.size.batch, o->size.batch) || !resize(&r.size.width, o->size.width) || !resize(&r.size.steps, o->size.steps) ||
        !resize(&r.size.depth, o->size.depth)) {
        fprintf(stderr, "bench_train: %s has not all of the sizes that were given\n", w->name);
        return false;
    }
    if (o->checkpoint && !w->blocks) {
        fprintf(stderr, "bench_train: %s has no blocks that could be computed anew\n", w->name);
        return false;
    }
    r.checkpoint = o->checkpoint;
    double peak = measure_fma_peak(ag_threads());
    double bandwidth = measure_bandwidth(ag_threads(), w->bytes);

    small_step();
    ag_memory_trim();
    ag_memory_reset_peak();
    resident_peak_reset();
    int64_t resident = resident_bytes(), live = ag_memory().live_bytes;
    run_open(&r);
    struct timing t = measure_steps(step, &r, 8, o->seconds);
    double s = t.step;
    int64_t resident_peak = resident_peak_bytes() - resident, library_peak = ag_memory().peak_bytes - live;

    /* A steady step asks the system for nothing and leaves nothing behind. */
    run_end_step(&r);
    ag_memory_stats before = ag_memory();
    for (int i = 0; i < BATCHES; i++) {
        run_step(&r);
    }
    run_end_step(&r);
    ag_memory_stats after = ag_memory();
    int64_t asked = after.system_allocs - before.system_allocs, left = after.live_bytes - before.live_bytes;
    run_close(&r);
    peak = fmax(peak, measure_fma_peak(ag_threads()));

    printf("{\"workload\": \"%s\", \"framework\": \"wengert %s\", \"blas\": \"%s\", \"threads\": %d, \"channels_last\": true, "
           "\"ms_per_step\": %.4f, \"processor_ms\": %.4f, \"items_per_s\": %.1f, \"peak_mib\": %.2f, \"library_peak_mib\": %.2f, ",
           w->name, WENGERT_VERSION, k_gemm_arch(), ag_threads(), s * 1e3, t.processor * 1e3,
           (double)(r.size.batch * (r.size.steps > 0 ? r.size.steps : 1)) / s, (double)resident_peak / 1048576,
           (double)library_peak / 1048576);
    if (same_size(r.size, w->size)) {
        double bound = w->flop / peak + w->bytes / bandwidth;
        printf("\"bound_ms\": %.4f, \"bound_fraction\": %.3f, \"fma_gflops\": %.1f, \"fma\": \"%s\", \"bandwidth_gb_s\": %.1f, ",
               bound * 1e3, bound / s, peak / 1e9, measure_fma_kind(), bandwidth / 1e9);
    }
    if (ag_threads() > 1) {
        printf("\"round_trip_ns\": %.0f, ", measure_round_trip() * 1e9);
    }
    printf("\"batch\": %" PRId64 ", \"width\": %" PRId64 ", \"steps\": %" PRId64 ", \"depth\": %" PRId64
           ", \"checkpoint\": %s, \"mallocs\": %" PRId64 "}\n",
           r.size.batch, r.size.width, r.size.steps, r.size.depth, r.checkpoint ? "true" : "false", asked);
    fflush(stdout);
    if (asked != 0 || left != 0) {
        fprintf(stderr,
                "bench_train: %s: %d steps in a row called malloc %" PRId64 " times and left %" PRId64 " bytes; both must be 0\n",
                w->name, BATCHES, asked, left);
        return false;
    }
    return true;
}

/* In a process of its own, so that no workload finds the memory of another. The parent has no threads yet. */
static bool apart(const struct workload *w, const struct options *o)
{
    int status = 0;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        bool good = measure(w, o);
        exit(good ? ag_exit_status() : 1);
    }
    if (child < 0 || waitpid(child, &status, 0) != child) {
        perror("bench_train");
        return false;
    }
    if (WIFSIGNALED(status)) {
        fprintf(stderr, "bench_train: %s: ended by signal %d\n", w->name, WTERMSIG(status));
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void usage(FILE *stream)
{
    fprintf(stream,
            "usage: bench_train [--list] [--threads T] [--seconds S] [--batch N] [--width N] [--steps N] [--depth N] [--checkpoint]\n                   [NAME ...]\n");
}

/* The number in `text`, or a usage error. */
static double number(const char *option, const char *text, double low, double high, bool whole)
{
    char *end;
    double x = strtod(text, &end);
    if (end == text || *end != '\0' || !(x >= low && x <= high) || (whole && x != floor(x))) {
        fprintf(stderr, "bench_train: %s wants a %snumber from %g to %g, got \"%s\"\n", option, whole ? "whole " : "", low, high,
                text);
        exit(2);
    }
    return x;
}

int main(int argc, char **argv)
{
    static const struct option options[] = { { "list", no_argument, NULL, 'l' },
                                             { "threads", required_argument, NULL, 't' },
                                             { "seconds", required_argument, NULL, 's' },
                                             { "batch", required_argument, NULL, 'b' },
                                             { "width", required_argument, NULL, 'w' },
                                             { "steps", required_argument, NULL, 'n' },
                                             { "depth", required_argument, NULL, 'd' },
                                             { "checkpoint", no_argument, NULL, 'c' },
                                             { "help", no_argument, NULL, 'h' },
                                             { NULL, 0, NULL, 0 } };
    struct options o = { .seconds = 2 };
    bool good = true;
    int option;
    ag_set_threads(1);
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (option) {
        case 'l':
            for (const struct workload *w = workloads(); w->name != NULL; w++) {
                printf("%s\n", w->name);
            }
            return 0;
        case 't':
            ag_set_threads((int)number("--threads", optarg, 1, 1024, true));
            break;
        case 's':
            o.seconds = number("--seconds", optarg, 0, 1e6, false);
            break;
        case 'b':
            o.size.batch = (int64_t)number("--batch", optarg, 1, 65536, true);
            break;
        case 'w':
            o.size.width = (int64_t)number("--width", optarg, 1, 65536, true);
            break;
        case 'n':
            o.size.steps = (int64_t)number("--steps", optarg, 1, 1024, true);
            break;
        case 'd':
            o.size.depth = (int64_t)number("--depth", optarg, 1, 64, true);
            break;
        case 'c':
            o.checkpoint = true;
            break;
        case 'h':
            usage(stdout);
            return 0;
        default:
            usage(stderr);
            return 2;
        }
    }
    for (int a = optind; a < argc; a++) {
        if (workload_named(argv[a]) == NULL) {
            fprintf(stderr, "bench_train: there is no workload \"%s\"; --list shows them\n", argv[a]);
            return 2;
        }
    }
    for (const struct workload *w = workloads(); w->name != NULL; w++) {
        bool wanted = optind == argc;
        for (int a = optind; a < argc; a++) {
            wanted = wanted || strcmp(argv[a], w->name) == 0;
        }
        good = !wanted || (apart(w, &o) && good);
    }
    return good ? ag_exit_status() : 1;
}
