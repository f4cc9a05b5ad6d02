/*
 * Which learning rate, which width? Many small networks are trained at once, one in each thread, and compared.
 *
 * The tape, the grad mode and the pool of memory belong to the thread, so several threads can train several networks as long
 * as no two of them touch the same one. Each run draws all its randomness from a generator of its own. So it does not matter
 * which thread takes which run, nor how many there are: at the end every run is repeated alone, and its weights must be the
 * same to the last bit.
 */
#define _POSIX_C_SOURCE 200809L

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "autograd/autograd.h"
#include "data/data.h"
#include "nn/nn.h"
#include "optim/optim.h"

#include "common/digits.h"
#include "common/evaluate.h"
#include "common/files.h"
#include "common/options.h"
#include "common/plot.h"
#include "common/progress.h"
#include "common/record.h"
#include "common/report.h"
#include "common/saving.h"

/* One run: what is tried, and what came of it. */
struct run {
    double rate;
    int64_t width;
    int64_t seed;
    double loss,
        accuracy;  /* on the validation digits; the loss is not finite if training diverged */
    uint64_t hash; /* of all weights at the end */
    double seconds;
    int64_t epoch; /* how many were done */
    double last;   /* loss */
    bool over;     /* trained to the end; else the program is being stopped */
    bool resumed;  /* from a checkpoint */
};

static void run_visit(void *object, ag_state_visitor *v)
{
    struct run *self = object;
    ag_state_same_double(v, "rate", self->rate);
    ag_state_same_int64(v, "width", self->width);
    ag_state_int64(v, "epoch", &self->epoch);
    ag_state_double(v, "last", &self->last);
}

static const ag_stateful_type run_type = { sizeof(ag_stateful_type), "run", run_visit };

/* What all runs share; nobody changes it while they run. */
struct sweep {
    const struct options *options;
    data_set *train, *validation;
    int epochs;
    struct run *runs;
    int count;
    /* The next run that nobody has taken yet. */
    pthread_mutex_t lock;
    int next, done;
    const char *kind; /* how runs that are saved are called: "together", "alone", "best" */
};

static nn_module *new_network(int64_t width)
{
    return nn_sequential(nn_flatten(), nn_linear(DIGIT_PIXELS, width), nn_relu(),
                         nn_linear(width, DIGIT_CLASSES));
}

/* Trains one network; the caller frees it. Everything that can differ between two runs comes in through `run`. */
static nn_module *train(const struct sweep *sweep, struct run *run)
{
    ag_rng rng = ag_rng_seed((uint64_t)run->seed);
    data_loader_config config = data_loader_defaults();
    config.batch = sweep->options->batch;
    config.shuffle = true;
    data_loader *batches = data_loader_new(data_set_share(sweep->train), config, &rng);
    nn_module *net = new_network(run->width);
    nn_init(net, &rng);
    optim_sgd_config sgd = optim_sgd_defaults();
    sgd.lr = run->rate;
    optim *opt = optim_sgd(nn_parameters(net), sgd);

    double begun = progress_clock();
    ag_scope step = { 0 };
    data_batch batch;
    run->epoch = 0;
    run->last = 0;
    struct saving saving;
    char part[96];
    snprintf(part, sizeof part, "%s-width-%lld-rate-%g-seed-%lld", sweep->kind,
             (long long)run->width, run->rate, (long long)run->seed);
    bool good = saving_begin_part(&saving, sweep->options, part);
    saving.quiet = true; /* there are many */
    saving_add(&saving, "model", nn_stateful(net));
    saving_add(&saving, "optimizer", optim_stateful(opt));
    saving_add(&saving, "digits", data_loader_stateful(batches));
    saving_add(&saving, "run", ag_stateful_make(&run_type, run));
    good = good && saving_resume(&saving);
    run->resumed = saving.resumed;
    while (good && run->epoch < sweep->epochs && isfinite(run->last)) {
        data_loader_rewind(batches);
        while (good && isfinite(run->last) && data_loader_next(batches, &batch)) {
            ag_begin(&step);
            ag_tensor loss = ag_cross_entropy(nn_forward(net, batch.x), batch.y);
            optim_zero_grad(opt);
            ag_backward(loss);
            optim_step(opt);
            run->last =
                ag_item(loss); /* too long a step, and it grows without bound: no use in going on */
            good = !saving_step(&saving);
        }
        if (good) {
            run->epoch++;
            good = !saving_epoch(&saving);
        }
    }
    ag_end(&step);
    saving_end(&saving);
    run->over = good;

    struct evaluation evaluation = { 0 };
    data_loader *validation = evaluate_loader(data_set_share(sweep->validation));
    evaluate(net, validation, &evaluation);
    data_loader_free(validation);
    run->loss = isfinite(run->last) ? evaluation.loss : run->last;
    run->accuracy = evaluation.accuracy;
    run->hash = nn_hash(net);
    run->seconds = progress_clock() - begun;
    optim_free(opt);
    data_loader_free(batches);
    return net;
}

/* What each thread does: takes the next run, trains, until none is left. */
static void *work(void *shared)
{
    struct sweep *sweep = shared;
    ag_set_threads(
        1); /* of this thread: the runs are what is spread over the processors, not each product of matrices */
    for (;;) {
        pthread_mutex_lock(&sweep->lock);
        int mine = sweep->next < sweep->count ? sweep->next++ : -1;
        pthread_mutex_unlock(&sweep->lock);
        if (mine < 0 || ag_error_code() != AG_OK) {
            return NULL;
        }
        nn_free(train(sweep, &sweep->runs[mine]));
        pthread_mutex_lock(&sweep->lock);
        sweep->done += sweep->runs[mine].over;
        if (!sweep->runs[mine].over) {
            sweep->next = sweep->count; /* nobody begins another one */
        }
        if (isatty(STDOUT_FILENO)) {
            printf("\r%d of %d runs", sweep->done, sweep->count);
            fflush(stdout);
        }
        pthread_mutex_unlock(&sweep->lock);
    }
}

/* Runs everything with that many threads; the seconds it took, or -1 if no thread could be started, or not all could end. */
static double run_all(struct sweep *sweep, int threads, const char *kind)
{
    pthread_t thread[1024];
    int started = 0;
    double begun = progress_clock();
    sweep->kind = kind;
    for (int i = 0; i < sweep->count; i++) {
        sweep->runs[i].over = false;
    }
    sweep->next = sweep->done = 0;
    while (started < threads && started < sweep->count &&
           pthread_create(&thread[started], NULL, work, sweep) == 0) {
        started++;
    }
    for (int i = 0; i < started; i++) {
        pthread_join(thread[i], NULL);
    }
    if (isatty(STDOUT_FILENO)) {
        printf("\r                          \r");
    }
    if (started == 0) {
        fprintf(stderr, "%s: no thread can be started\n", sweep->options->program);
        return -1;
    }
    return sweep->done == sweep->count ? progress_clock() - begun : -1;
}

/* ---- what came of it ------------------------------------------------------------------------------------------------- */

/* Runs lie in the order width, rate, seed. */
static const struct run *run_at(const struct sweep *sweep, int width, int rate, int seed)
{
    const struct options *o = sweep->options;
    return &sweep->runs[(width * o->rates.count + rate) * o->seeds + seed];
}

/* Mean, lowest and highest accuracy over the seeds; NaN if a run diverged. */
struct cell {
    double mean, low, high;
};

static struct cell cell_at(const struct sweep *sweep, int width, int rate)
{
    struct cell c = { 0, 1, 0 };
    for (int seed = 0; seed < sweep->options->seeds; seed++) {
        const struct run *run = run_at(sweep, width, rate, seed);
        if (!isfinite(run->loss)) {
            return (struct cell){ NAN, NAN, NAN };
        }
        c.mean += run->accuracy / sweep->options->seeds;
        c.low = fmin(c.low, run->accuracy);
        c.high = fmax(c.high, run->accuracy);
    }
    return c;
}

static void print_table(const struct sweep *sweep)
{
    const struct options *o = sweep->options;
    printf("Accuracy on %lld validation digits in %%: mean of %d seed%s ± half the spread\n\n"
           "  width | rate",
           (long long)data_set_size(sweep->validation), o->seeds, o->seeds == 1 ? "" : "s");
    for (int rate = 0; rate < o->rates.count; rate++) {
        printf(rate == 0 ? "%6g" : "%11g", o->rates.value[rate]);
    }
    printf("\n  ------+");
    for (int rate = 0; rate < o->rates.count; rate++) {
        printf("-----------");
    }
    printf("\n");
    for (int width = 0; width < o->widths.count; width++) {
        printf("  %5g |", o->widths.value[width]);
        for (int rate = 0; rate < o->rates.count; rate++) {
            struct cell c = cell_at(sweep, width, rate);
            if (isnan(c.mean)) {
                printf("   diverged");
            } else {
                printf("  %5.1f±%-3.1f", 100 * c.mean, 50 * (c.high - c.low));
            }
        }
        printf("\n");
    }
}

/* The setting with the best mean; false if every one diverged. */
static bool find_best(const struct sweep *sweep, int *best_width, int *best_rate)
{
    double best = -1;
    for (int width = 0; width < sweep->options->widths.count; width++) {
        for (int rate = 0; rate < sweep->options->rates.count; rate++) {
            struct cell c = cell_at(sweep, width, rate);
            if (c.mean > best) {
                best = c.mean;
                *best_width = width;
                *best_rate = rate;
            }
        }
    }
    return best >= 0;
}

static bool draw(const struct sweep *sweep)
{
    const struct options *o = sweep->options;
    struct plot *p = plot_new("Sweep: accuracy by learning rate and width");
    struct plot_panel *curves = plot_panel(p, "validation accuracy", "learning rate", "%");
    curves->x.log = true;
    double grid[LIST_MAX][LIST_MAX];
    static char text[2][LIST_MAX][32];
    const char *rates[LIST_MAX], *widths[LIST_MAX];
    double *flat = malloc(sizeof *flat * LIST_MAX * LIST_MAX);
    if (flat == NULL) {
        fprintf(stderr, "%s: out of memory\n", o->program);
        plot_free(p);
        return false;
    }
    for (int width = 0; width < o->widths.count; width++) {
        double mean[LIST_MAX], low[LIST_MAX], high[LIST_MAX];
        for (int rate = 0; rate < o->rates.count; rate++) {
            struct cell c = cell_at(sweep, width, rate);
            mean[rate] = 100 * c.mean;
            low[rate] = 100 * c.low;
            high[rate] = 100 * c.high;
            grid[width][rate] = mean[rate];
            flat[width * o->rates.count + rate] = grid[width][rate];
            snprintf(text[0][rate], sizeof text[0][rate], "%g", o->rates.value[rate]);
            rates[rate] = text[0][rate];
        }
        snprintf(text[1][width], sizeof text[1][width], "%g", o->widths.value[width]);
        widths[width] = text[1][width];
        char label[64];
        snprintf(label, sizeof label, "width %s", widths[width]);
        if (o->seeds > 1) {
            plot_band(curves, "", o->rates.count, o->rates.value, low, high)->colour = width;
        }
        struct plot_series *line = plot_line(curves, label, o->rates.count, o->rates.value, mean);
        line->colour = width;
        line->points = true;
    }
    if (o->seeds > 1) {
        snprintf(curves->note, sizeof curves->note,
                 "mean of %d seeds; the band reaches from the lowest to the highest", o->seeds);
    }
    struct plot_panel *table = plot_panel(p, "the same as a table", "learning rate", "width");
    struct plot_series *cells = plot_table(table, o->widths.count, o->rates.count, flat);
    cells->format = "%.1f";
    plot_axis_names(table, &table->x, o->rates.count, rates);
    plot_axis_names(table, &table->y, o->widths.count, widths);
    free(flat);
    struct plot_output out = { .program = o->program, .folder = o->pictures, .svg = o->svg };
    bool good = plot_save(&out, p, "accuracy");
    plot_free(p);
    return good;
}

static json_t *to_json(const struct sweep *sweep, const uint64_t *alone, double together_seconds,
                       double alone_seconds)
{
    json_t *root = record_begin(sweep->options);
    json_t *runs = json_array();
    for (int i = 0; i < sweep->count; i++) {
        const struct run *r = &sweep->runs[i];
        json_t *item = json_object();
        json_object_set_new(item, "width", json_integer(r->width));
        json_object_set_new(item, "lr", record_number(r->rate));
        json_object_set_new(item, "seed", json_integer(r->seed));
        json_object_set_new(item, "validation_loss", record_number(r->loss));
        json_object_set_new(item, "validation_accuracy", record_number(r->accuracy));
        json_object_set_new(item, "weights_hash", record_hash(r->hash));
        json_object_set_new(item, "weights_hash_alone", record_hash(alone[i]));
        json_array_append_new(runs, item);
    }
    json_object_set_new(root, "epochs", json_integer(sweep->epochs));
    json_object_set_new(root, "batch", json_integer(sweep->options->batch));
    json_object_set_new(root, "training_samples", json_integer(data_set_size(sweep->train)));
    json_object_set_new(root, "validation_samples", json_integer(data_set_size(sweep->validation)));
    json_object_set_new(root, "seconds_together", record_number(together_seconds));
    json_object_set_new(root, "seconds_alone", record_number(alone_seconds));
    json_object_set_new(root, "runs", runs);
    return root;
}

/* ---- from top to bottom ---------------------------------------------------------------------------------------------- */

static int sweep_and_compare(struct sweep *sweep, const struct digits *digits, int threads,
                             uint64_t *together)
{
    const struct options *o = sweep->options;

    /* ---- All at once. */
    printf("%d runs (%d widths, %d rates, %d seeds), %d at a time: %lld digits each, %d epochs, "
           "batches of %lld, SGD\n\n",
           sweep->count, o->widths.count, o->rates.count, o->seeds, threads,
           (long long)data_set_size(sweep->train), sweep->epochs, (long long)o->batch);
    fflush(stdout);
    double together_seconds = run_all(sweep, threads, "together");
    if (together_seconds < 0 || ag_exit_status() != 0) {
        return EXIT_FAILURE;
    }
    print_table(sweep);
    bool resumed = false;
    for (int i = 0; i < sweep->count; i++) {
        together[i] = sweep->runs[i].hash;
        resumed = resumed || sweep->runs[i].resumed;
    }

    /* ---- Each alone, for comparison: the same runs, one after the other. */
    double alone_seconds = run_all(sweep, 1, "alone");
    if (alone_seconds < 0 || ag_exit_status() != 0) {
        return EXIT_FAILURE;
    }
    int same = 0;
    printf("\nEvery run once more, alone. The hash is over all bits of all weights:\n\n"
           "  width     rate  seed   among others      alone\n");
    for (int i = 0; i < sweep->count; i++) {
        const struct run *r = &sweep->runs[i];
        bool equal = r->hash == together[i];
        same += equal;
        resumed = resumed || r->resumed;
        if (!equal || i % (sweep->count / 6 + 1) == 0) {
            printf("  %5lld %8g %5lld   %016" PRIx64 "  %016" PRIx64 "  %s\n", (long long)r->width,
                   r->rate, (long long)r->seed, together[i], r->hash, equal ? "same" : "DIFFERENT");
        }
    }
    printf("\n%d of %d runs gave the same weights, bit for bit\n", same, sweep->count);
    if (resumed) {
        printf("the times say nothing: some runs were put back from their checkpoints\n");
        together_seconds = alone_seconds = NAN;
    } else {
        printf("%.1f s with %d thread%s, %.1f s one after the other: %.2f times as fast\n",
               together_seconds, threads, threads == 1 ? "" : "s", alone_seconds,
               alone_seconds / together_seconds);
    }

    /* ---- The test. Only the setting that won may look at the test digits, and only now: the best of many validation
     * accuracies is a little too good, because it was chosen for being high. */
    int width = 0, rate = 0;
    if (find_best(sweep, &width, &rate)) {
        data_set *test_digits = digits_test(digits);
        if (test_digits == NULL) {
            return EXIT_FAILURE;
        }
        struct run best = *run_at(sweep, width, rate, 0);
        struct evaluation evaluation = { 0 };
        sweep->kind = "best";
        nn_module *net = train(sweep, &best);
        data_loader *test = evaluate_loader(test_digits);
        evaluate(net, test, &evaluation);
        data_loader_free(test);
        nn_free(net);
        if (!best.over) {
            return EXIT_FAILURE;
        }
        printf("\nbest setting: width %lld, rate %g: %.1f %% of the validation digits, %.1f %% of "
               "%lld test digits\n",
               (long long)best.width, best.rate, 100 * cell_at(sweep, width, rate).mean,
               100 * evaluation.accuracy, (long long)evaluation.samples);
    } else {
        printf("\nevery setting diverged: try smaller --rates\n");
    }
    bool good = record_write(o, to_json(sweep, together, together_seconds, alone_seconds));
    good = (o->pictures == NULL || draw(sweep)) && good;
    if (same < sweep->count) {
        fprintf(stderr, "%s: %d runs depend on what else is running\n", o->program,
                sweep->count - same);
        return EXIT_FAILURE;
    }
    return good ? ag_exit_status() : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    struct options options = {
        .program = "sweep",
        .purpose = "Trains many small networks at once, one in each thread: which learning rate, "
                   "which width?",
        .accepts = OPTION_SEED | OPTION_THREADS | OPTION_EPOCHS | OPTION_BATCH | OPTION_DATA |
                   OPTION_JSON | OPTION_PICTURES | OPTION_RATES | OPTION_WIDTHS | OPTION_SEEDS |
                   OPTION_SAVE,
        .epochs = 2,
        .validation = 0.2,
        .rates = { 6, { 0.01, 0.03, 0.1, 0.3, 1, 3 } },
        .widths = { 3, { 8, 32, 128 } },
        .seeds = 3,
    };
    int status = options_parse(&options, argc, argv);
    if (status >= 0) {
        return status;
    }
    if (!report_possible(&options)) {
        return EXIT_FAILURE;
    }
    int threads = options.threads > 0 ? options.threads : ag_threads();
    ag_rng rng = ag_rng_seed((uint64_t)options.seed);
    struct digits digits;
    if (!digits_open(&digits, &options, &rng)) {
        return EXIT_FAILURE;
    }
    struct sweep sweep = { .options = &options,
                           .train = digits.train,
                           .validation = digits.validation,
                           .epochs = options.epochs,
                           .count = options.widths.count * options.rates.count * options.seeds,
                           .lock = PTHREAD_MUTEX_INITIALIZER };
    sweep.runs = calloc((size_t)sweep.count, sizeof *sweep.runs);
    uint64_t *together = calloc((size_t)sweep.count, sizeof *together);
    if (sweep.runs == NULL || together == NULL) {
        fprintf(stderr, "%s: out of memory\n", options.program);
        status = EXIT_FAILURE;
    } else {
        struct run *run = sweep.runs;
        for (int width = 0; width < options.widths.count; width++) {
            for (int rate = 0; rate < options.rates.count; rate++) {
                for (int seed = 0; seed < options.seeds; seed++) {
                    *run++ = (struct run){ .rate = options.rates.value[rate],
                                           .width = (int64_t)options.widths.value[width],
                                           .seed = options.seed + seed };
                }
            }
        }
        status = sweep_and_compare(&sweep, &digits, threads, together);
        status = status == EXIT_SUCCESS ? status : saving_exit_status(false);
    }
    free(together);
    free(sweep.runs);
    digits_close(&digits);
    return output_standard_flush(options.program) ? status : EXIT_FAILURE;
}
