/*
 * Fine-tuning: what a network has learned from one task, used for another.
 *
 * A network learns to read digits, of which there are many. Then it is to tell clothes apart, of which only a few have labels.
 * Three ways: from scratch; with the digits' layers frozen and a new last layer (feature extraction); with all layers moving on,
 * the old ones in smaller steps (fine-tuning). How many labels does it take until the digits are of no use any more?
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

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

enum { CLASSES = 10, DIGIT_EPOCHS = 2, DIGIT_BATCH = 64, PASSES = 3 };
/* Fine-tuning: the rate of the old layers is so many times smaller. */
static const double slower = 3;

enum method { SCRATCH, FROZEN, TUNED, METHODS };
static const char *const method_names[METHODS] = { "from scratch", "frozen", "fine-tuned" };
static const char *const method_keys[METHODS] = { "scratch", "frozen", "tuned" };

/* One training on clothes: what is tried, how far it is, and what came of it. */
struct training {
    enum method method;
    int64_t labels, seed;
    int64_t step;
    double seconds; /* of its steps */
    double
        fastest; /* of them, in seconds; what else runs on the machine does not matter so much then */
    int64_t
        bytes; /* the most that they held: the network, its gradients, what the optimizer and the tape keep */
    int64_t weights; /* that are trained */
    double accuracy; /* on the test pictures */
    uint64_t hash;   /* of all weights */
};

struct lesson {
    const struct options *options;
    struct digits digits, clothes;
    data_set *test;    /* clothes */
    nn_module *reader; /* of digits */
    int count;         /* of trainings: by labels, then method, then seed */
    struct training *trainings;
    json_t *record;
};

/* ---- the network --------------------------------------------------------------------------------------------------------- */

/* In two parts: the trunk turns a picture into 576 features, the head weighs them for each class. */
static nn_module *new_network(void)
{
    nn_conv2d_config first = nn_conv2d_defaults(1, 16, 3), second = nn_conv2d_defaults(16, 32, 3),
                     third = nn_conv2d_defaults(32, 64, 3);
    first.conv.padding_mode = second.conv.padding_mode = third.conv.padding_mode = AG_PADDING_SAME;
    nn_module *trunk = nn_sequential(
        nn_conv2d_with(first), nn_batch_norm2d(16), nn_relu(), nn_max_pool2d(2),  /* (16, 14, 14) */
        nn_conv2d_with(second), nn_batch_norm2d(32), nn_relu(), nn_max_pool2d(2), /* (32, 7, 7)  */
        nn_conv2d_with(third), nn_batch_norm2d(64), nn_relu(), nn_max_pool2d(2),  /* (64, 3, 3)  */
        nn_flatten());                                                            /* (576)       */
    nn_module *head = nn_sequential(nn_linear(576, CLASSES));                     /* (10)        */
    return nn_sequential(trunk, head);
}

static nn_module *trunk_of(nn_module *net)
{
    return nn_sequential_child(net, 0);
}

static nn_module *head_of(nn_module *net)
{
    return nn_sequential_child(net, 1);
}

/* ---- 1. Digits ----------------------------------------------------------------------------------------------------------- */

static bool learn_digits(struct lesson *l)
{
    const struct options *o = l->options;
    ag_rng rng = ag_rng_seed((uint64_t)o->seed);
    data_loader_config config = data_loader_defaults();
    config.batch = DIGIT_BATCH;
    config.shuffle = true;
    data_loader *batches = data_loader_new(digits_take(&l->digits.train), config, &rng);
    nn_module *net = l->reader = new_network();
    nn_init(net, &rng);
    optim_adam_config adam = optim_adam_defaults();
    adam.lr = o->lr;
    optim *opt = optim_adam(nn_parameters(net), adam);
    double steps = (double)(data_loader_batches(batches) * DIGIT_EPOCHS);
    printf("1. Digits: %lld to train on, from %s\n", (long long)data_loader_samples(batches),
           l->digits.folder);
    fflush(stdout);

    int64_t step = 0;
    ag_scope scope = { 0 };
    struct saving saving;
    bool good = saving_begin_part(&saving, o, "digits");
    saving_add(&saving, "model", nn_stateful(net));
    saving_add(&saving, "optimizer", optim_stateful(opt));
    saving_add(&saving, "digits", data_loader_stateful(batches));
    saving_add(&saving, "step", ag_stateful_int64(&step));
    good = good && saving_resume(&saving);
    while (good && (double)step < steps) {
        data_batch batch;
        data_loader_rewind(batches);
        while (good && data_loader_next(batches, &batch)) {
            optim_set_lr(opt, 0, o->lr * (1 - (double)step / steps)); /* in a line to zero */
            ag_begin(&scope);
            ag_tensor loss = ag_cross_entropy(nn_forward(net, batch.x), batch.y);
            optim_zero_grad(opt);
            ag_backward(loss);
            optim_step(opt);
            step++;
            double loss_now = ag_item(loss);
            if (!isfinite(loss_now)) {
                report_not_finite(o, loss_now, 1, step);
                good = false;
            }
            good = good && !saving_step(&saving);
        }
        good = good && ag_exit_status() == 0 && !saving_epoch(&saving);
    }
    ag_end(&scope);
    saving_end(&saving);
    optim_free(opt);
    data_loader_free(batches);
    return good;
}

static bool test_digits(struct lesson *l)
{
    static struct evaluation evaluation;
    data_set *test = digits_test(&l->digits);
    if (test == NULL) {
        return false;
    }
    data_loader *loader = evaluate_loader(test);
    evaluate(l->reader, loader, &evaluation);
    data_loader_free(loader);
    printf("   it reads %.2f %% of %lld test digits\n\n", 100 * evaluation.accuracy,
           (long long)evaluation.samples);
    json_object_set_new(l->record, "digits_accuracy", record_number(evaluation.accuracy));
    return ag_exit_status() == 0;
}

/* ---- 2. Clothes ---------------------------------------------------------------------------------------------------------- */

/* Draws so many pictures, as many of each class as far as there are enough; all of them if there are not more. NULL after an error,
 * which has been printed. */
static data_set *draw_labelled(const struct lesson *l, int64_t wanted, ag_rng *rng)
{
    data_set *all = l->clothes.train;
    int64_t n = data_set_size(all), taken = 0, of_class[CLASSES] = { 0 };
    int64_t *order = malloc((size_t)n * sizeof *order);
    if (order == NULL) {
        fprintf(stderr, "%s: out of memory\n", l->options->program);
        return NULL;
    }
    ag_rng_permutation(rng, n, order);
    for (int64_t i = 0; i < n && taken < wanted; i++) {
        int64_t class = 0;
        data_set_read(all, order[i], NULL, &class);
        if (wanted >= n || of_class[class] < (wanted + CLASSES - 1) / CLASSES) {
            of_class[class]++;
            order[taken++] = order[i];
        }
    }
    data_set *drawn = data_subset(all, taken, order);
    free(order);
    return drawn;
}

/* The network to begin with. */
static nn_module *begin_network(const struct lesson *l, enum method method, ag_rng *rng)
{
    if (method == SCRATCH) {
        nn_module *net = new_network();
        nn_init(net, rng);
        return net;
    }
    nn_module *net = nn_clone(l->reader);
    nn_init(head_of(net), rng); /* what the features say about digits is of no use */
    if (method == FROZEN) {
        nn_set_requires_grad(trunk_of(net),
                             false); /* the tape keeps nothing of it, backward ends at the head */
        nn_eval(trunk_of(net));      /* batch normalisation: with the statistics of the digits */
    }
    return net;
}

/* Two groups of parameters, the new ones and the old ones, each with a rate of its own. */
static optim *begin_optimizer(nn_module *net, enum method method, double rate)
{
    optim_adam_config fresh = optim_adam_defaults(), old = optim_adam_defaults();
    fresh.lr = rate;
    old.lr = method == TUNED ? rate / slower : rate;
    optim *opt = optim_adam(nn_parameters(head_of(net)), fresh);
    if (method != FROZEN) {
        optim_add_group(opt, nn_parameters(trunk_of(net)), &old);
    }
    return opt;
}

static void training_visit(void *object, ag_state_visitor *v)
{
    struct training *self = object;
    ag_state_int64(v, "step", &self->step);
    ag_state_double(v, "seconds", &self->seconds);
    ag_state_double(v, "fastest", &self->fastest);
    ag_state_int64(v, "bytes", &self->bytes);
}

static ag_stateful training_stateful(struct training *t)
{
    static const ag_stateful_type type = { sizeof(ag_stateful_type), "training", training_visit };
    return ag_stateful_make(&type, t);
}

static bool learn_clothes(const struct lesson *l, struct training *t)
{
    const struct options *o = l->options;
    int64_t held = ag_memory().live_bytes;
    ag_memory_reset_peak();
    ag_rng rng = ag_rng_seed((uint64_t)t->seed); /* the same pictures for each method */
    data_set *labelled = draw_labelled(l, t->labels, &rng);
    if (labelled == NULL) {
        return false;
    }
    int64_t n = data_set_size(labelled);
    data_loader_config config = data_loader_defaults();
    config.batch = o->batch < n ? o->batch : n;
    config.shuffle = true;
    config.drop_last = true; /* all batches are of one size, for batch normalisation */
    data_loader *batches = data_loader_new(labelled, config, &rng);
    nn_module *net = begin_network(l, t->method, &rng);
    optim *opt = begin_optimizer(net, t->method, o->lr);
    t->weights = nn_count_parameters(net, true);
    int64_t passes = PASSES * data_loader_batches(batches);
    int64_t steps = o->steps > passes ? o->steps : passes;
    double rates[2] = { optim_lr(opt, 0), optim_group_count(opt) > 1 ? optim_lr(opt, 1) : 0 };

    ag_scope scope = { 0 };
    struct saving saving;
    char part[96];
    snprintf(part, sizeof part, "%s-%lld-labels-seed-%lld", method_keys[t->method],
             (long long)t->labels, (long long)t->seed);
    bool good = saving_begin_part(&saving, o, part);
    saving.quiet = true; /* there are many */
    saving_add(&saving, "model", nn_stateful(net));
    saving_add(&saving, "optimizer", optim_stateful(opt));
    saving_add(&saving, "pictures", data_loader_stateful(batches));
    saving_add(&saving, "training", training_stateful(t));
    good = good && saving_resume(&saving);
    while (good && t->step < steps) {
        data_batch batch;
        data_loader_rewind(batches);
        while (good && t->step < steps && data_loader_next(batches, &batch)) {
            for (int group = 0; group < optim_group_count(opt); group++) {
                optim_set_lr(opt, group, rates[group] * (1 - (double)t->step / (double)steps));
            }
            double begun = progress_clock();
            ag_begin(&scope);
            ag_tensor loss = ag_cross_entropy(nn_forward(net, batch.x), batch.y);
            optim_zero_grad(opt);
            ag_backward(loss);
            optim_step(opt);
            double seconds = progress_clock() - begun;
            t->step++;
            t->seconds += seconds;
            t->fastest = fmin(t->fastest, seconds);
            int64_t bytes = ag_memory().peak_bytes - held;
            t->bytes = bytes > t->bytes ? bytes : t->bytes;
            good = !saving_step(&saving);
        }
    }
    ag_end(&scope);
    good = good && ag_exit_status() == 0 && !saving_epoch(&saving);
    saving_end(&saving);
    if (good) {
        static struct evaluation evaluation;
        data_loader *test = evaluate_loader(data_set_share(l->test));
        evaluate(net, test, &evaluation);
        data_loader_free(test);
        t->accuracy = evaluation.accuracy;
        t->hash = nn_hash(net);
    }
    optim_free(opt);
    nn_free(net);
    data_loader_free(batches);
    return good && ag_exit_status() == 0;
}

/* ---- what came of it ----------------------------------------------------------------------------------------------------- */

static struct training *training_at(const struct lesson *l, int labels, int method, int seed)
{
    return &l->trainings[(labels * METHODS + method) * l->options->seeds + seed];
}

/* Mean, lowest and highest accuracy over the seeds, in %. */
struct cell {
    double mean, low, high;
};

static struct cell cell_at(const struct lesson *l, int labels, int method)
{
    struct cell c = { 0, 100, 0 };
    for (int seed = 0; seed < l->options->seeds; seed++) {
        double accuracy = 100 * training_at(l, labels, method, seed)->accuracy;
        c.mean += accuracy / l->options->seeds;
        c.low = fmin(c.low, accuracy);
        c.high = fmax(c.high, accuracy);
    }
    return c;
}

/* How much better than from scratch, with the same pictures, in points: the difference of each seed, not of the means. */
static struct cell gain_at(const struct lesson *l, int labels, int method)
{
    struct cell c = { 0, 100, -100 };
    for (int seed = 0; seed < l->options->seeds; seed++) {
        double gain = 100 * (training_at(l, labels, method, seed)->accuracy -
                             training_at(l, labels, SCRATCH, seed)->accuracy);
        c.mean += gain / l->options->seeds;
        c.low = fmin(c.low, gain);
        c.high = fmax(c.high, gain);
    }
    return c;
}

/* What a step costs with the most labels, over the seeds. */
struct cost {
    double milliseconds; /* of the fastest step */
    double seconds;      /* of a whole training */
    double megabytes, weights;
};

static struct cost cost_of(const struct lesson *l, int method)
{
    struct cost c = { .milliseconds = INFINITY };
    for (int seed = 0; seed < l->options->seeds; seed++) {
        const struct training *t = training_at(l, l->options->labels.count - 1, method, seed);
        c.milliseconds = fmin(c.milliseconds, 1e3 * t->fastest);
        c.seconds += t->seconds / l->options->seeds;
        c.megabytes = fmax(c.megabytes, (double)t->bytes / (1 << 20));
        c.weights = (double)t->weights;
    }
    return c;
}

static bool learn_all(struct lesson *l)
{
    const struct options *o = l->options;
    printf("2. Clothes: at least %d steps and %d passes, batches of %lld, Adam with rate %g; mean "
           "of %d seed%s ± half the spread\n"
           "   accuracy on %lld test pictures in %%\n\n"
           "   labels ",
           o->steps, PASSES, (long long)o->batch, o->lr, o->seeds, o->seeds == 1 ? "" : "s",
           (long long)data_set_size(l->test));
    for (int method = 0; method < METHODS; method++) {
        printf("  %13s", method_names[method]);
    }
    printf("\n");
    fflush(stdout);
    for (int labels = 0; labels < o->labels.count; labels++) {
        for (int method = 0; method < METHODS; method++) {
            for (int seed = 0; seed < o->seeds; seed++) {
                struct training *t = training_at(l, labels, method, seed);
                *t = (struct training){ .method = (enum method)method,
                                        .labels = (int64_t)o->labels.value[labels],
                                        .seed = o->seed + seed,
                                        .fastest = INFINITY };
                if (!learn_clothes(l, t)) {
                    return false;
                }
            }
        }
        printf("   %6g ", o->labels.value[labels]);
        for (int method = 0; method < METHODS; method++) {
            struct cell c = cell_at(l, labels, method);
            printf("     %5.1f ±%-4.1f", c.mean, (c.high - c.low) / 2);
        }
        printf("\n");
        fflush(stdout);
    }
    printf("\n   points above from scratch, with the same pictures: mean (lowest, highest)\n\n   "
           "labels ");
    for (int method = FROZEN; method < METHODS; method++) {
        printf("  %20s", method_names[method]);
    }
    printf("\n");
    for (int labels = 0; labels < o->labels.count; labels++) {
        printf("   %6g ", o->labels.value[labels]);
        for (int method = FROZEN; method < METHODS; method++) {
            struct cell c = gain_at(l, labels, method);
            printf("   %+5.1f (%+5.1f,%+5.1f)", c.mean, c.low, c.high);
        }
        printf("\n");
    }
    printf("\n3. What a step costs, the fastest of all, and a training with %g labels\n\n"
           "                  weights trained   milliseconds   seconds in all   megabytes\n",
           o->labels.value[o->labels.count - 1]);
    for (int method = 0; method < METHODS; method++) {
        struct cost c = cost_of(l, method);
        printf("   %-13s  %15.0f   %12.2f   %14.2f   %9.2f\n", method_names[method], c.weights,
               c.milliseconds, c.seconds, c.megabytes);
    }
    printf("\n");
    return true;
}

static bool draw(const struct lesson *l)
{
    const struct options *o = l->options;
    static const int colours[METHODS] = { PLOT_VERMILION, PLOT_GREEN, PLOT_BLUE };
    struct plot *p = plot_new("From digits to clothes");
    struct plot_panel *curves =
        plot_panel(p, "what the labels are worth", "labelled pictures", "test accuracy, %");
    struct plot_panel *gains =
        plot_panel(p, "what the digits are worth", "labelled pictures", "points above scratch");
    curves->x.log = gains->x.log = true;
    curves->width = gains->width = 400;
    snprintf(curves->note, sizeof curves->note, "mean of %d seed%s", o->seeds,
             o->seeds == 1 ? "" : "s");
    if (o->seeds > 1) {
        snprintf(gains->note, sizeof gains->note,
                 "the band reaches from the lowest to the highest");
    }
    for (int method = METHODS - 1; method >= 0; method--) {
        double mean[LIST_MAX], gain[LIST_MAX], low[LIST_MAX], high[LIST_MAX];
        for (int labels = 0; labels < o->labels.count; labels++) {
            struct cell c = gain_at(l, labels, method);
            mean[labels] = cell_at(l, labels, method).mean;
            gain[labels] = c.mean;
            low[labels] = c.low;
            high[labels] = c.high;
        }
        struct plot_series *line =
            plot_line(curves, method_names[method], o->labels.count, o->labels.value, mean);
        line->colour = colours[method];
        line->points = true;
        if (method == SCRATCH) {
            continue;
        }
        if (o->seeds > 1) {
            plot_band(gains, "", o->labels.count, o->labels.value, low, high)->colour =
                colours[method];
        }
        line = plot_line(gains, method_names[method], o->labels.count, o->labels.value, gain);
        line->colour = colours[method];
        line->points = true;
    }
    plot_mark(gains, "", NAN, 0);
    static const char *const names[METHODS] = { "scratch", "frozen", "tuned" };
    struct plot_panel *costs = plot_panel(p, "what a step costs", "", "% of a step from scratch");
    costs->width = 320;
    const struct cost whole = cost_of(l, SCRATCH);
    double time[METHODS], memory[METHODS], most = 100;
    for (int method = 0; method < METHODS; method++) {
        struct cost c = cost_of(l, method);
        time[method] = 100 * c.milliseconds / whole.milliseconds;
        memory[method] = 100 * c.megabytes / whole.megabytes;
        most = fmax(most, fmax(time[method], memory[method]));
    }
    plot_bars(costs, "time", METHODS, time)->colour = PLOT_PURPLE;
    plot_bars(costs, "memory", METHODS, memory)->colour = PLOT_AMBER;
    plot_axis_names(costs, &costs->x, METHODS, names);
    costs->y.low = 0;
    costs->y.high = 1.15 * most;
    struct plot_output out = { .program = o->program, .folder = o->pictures, .svg = o->svg };
    bool good = plot_save(&out, p, "labels");
    plot_free(p);
    return good;
}

static void record_trainings(struct lesson *l)
{
    const struct options *o = l->options;
    json_object_set_new(l->record, "labels", record_numbers(o->labels.count, o->labels.value));
    json_object_set_new(l->record, "test_samples", json_integer(data_set_size(l->test)));
    json_t *trainings = json_array();
    for (int i = 0; i < l->count; i++) {
        const struct training *t = &l->trainings[i];
        json_t *item = json_object();
        json_object_set_new(item, "method", json_string(method_keys[t->method]));
        json_object_set_new(item, "labels", json_integer(t->labels));
        json_object_set_new(item, "seed", json_integer(t->seed));
        json_object_set_new(item, "test_accuracy", record_number(t->accuracy));
        json_object_set_new(item, "steps", json_integer(t->step));
        json_object_set_new(item, "seconds", record_number(t->seconds));
        json_object_set_new(item, "seconds_fastest_step", record_number(t->fastest));
        json_object_set_new(item, "bytes", json_integer(t->bytes));
        json_object_set_new(item, "trained_weights", json_integer(t->weights));
        json_object_set_new(item, "weights_hash", record_hash(t->hash));
        json_array_append_new(trainings, item);
    }
    json_object_set_new(l->record, "trainings", trainings);
}

/* ---- from top to bottom -------------------------------------------------------------------------------------------------- */

static bool all_lessons(struct lesson *l)
{
    const struct options *o = l->options;
    ag_rng rng = ag_rng_seed((uint64_t)o->seed);
    l->count = o->labels.count * METHODS * o->seeds;
    l->trainings = calloc((size_t)l->count, sizeof *l->trainings);
    if (l->trainings == NULL) {
        fprintf(stderr, "%s: out of memory\n", o->program);
        return false;
    }
    if (!digits_open(&l->digits, o, &rng) || !clothes_open(&l->clothes, o, &rng) ||
        (l->test = digits_test(&l->clothes)) == NULL) {
        return false;
    }
    int64_t most = data_set_size(l->clothes.train);
    for (int i = 0; i < o->labels.count; i++) {
        if ((int64_t)o->labels.value[i] > most) {
            fprintf(stderr, "%s: --labels %g: there are only %lld training pictures in %s\n",
                    o->program, o->labels.value[i], (long long)most, l->clothes.folder);
            return false;
        }
    }
    if (!learn_digits(l) || !test_digits(l) || !learn_all(l)) {
        return false;
    }
    record_trainings(l);
    return (o->pictures == NULL || draw(l)) && record_write(o, json_incref(l->record));
}

int main(int argc, char **argv)
{
    struct options options = {
        .program = "finetune",
        .purpose = "Trains a network on digits, and uses what it has learned to tell clothes "
                   "apart: frozen,\n"
                   "fine-tuned, or not at all.",
        .accepts = OPTION_SEED | OPTION_THREADS | OPTION_STEPS | OPTION_BATCH | OPTION_LR |
                   OPTION_CLOTHES | OPTION_LABELS | OPTION_SEEDS | OPTION_JSON | OPTION_PICTURES |
                   OPTION_SAVE,
        .steps = 100,
        .batch = 32,
        .lr = 3e-3,
        .labels = { 6, { 20, 50, 100, 200, 500, 2000 } },
        .seeds = 6,
    };
    int status = options_parse(&options, argc, argv);
    if (status >= 0) {
        return status;
    }
    options.validation = 0;
    if (options.threads > 0) {
        ag_set_threads(options.threads);
    }
    if (!report_possible(&options)) {
        return EXIT_FAILURE;
    }
    struct lesson lesson = { .options = &options, .record = record_begin(&options) };
    bool good = all_lessons(&lesson);
    json_decref(lesson.record);
    free(lesson.trainings);
    nn_free(lesson.reader);
    data_set_free(lesson.test);
    digits_close(&lesson.clothes);
    digits_close(&lesson.digits);
    return output_standard_flush(options.program) ? saving_exit_status(good) : EXIT_FAILURE;
}
