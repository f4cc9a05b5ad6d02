/*
 * Training at a glance: what norms say before the loss does. Three networks read digits for a few hundred steps while a monitor
 * watches: one that is well set up, one with eight layers of sigmoids whose first layers hear nothing, and one whose steps are so
 * large that its units die.
 *
 *     glance                   the healthy one
 *     glance --net sigmoids    gradients that vanish on their way to the first layer
 *     glance --net hot         dead units
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/autograd.h"
#include "data/data.h"
#include "nn/nn.h"
#include "optim/optim.h"

#include "common/digits.h"
#include "common/files.h"
#include "common/options.h"
#include "common/plot.h"
#include "common/saving.h"

enum { HEALTHY, SIGMOIDS, HOT };
static const char *const nets[] = { "healthy", "sigmoids", "hot", NULL };

static nn_module *network(int which)
{
    if (which == SIGMOIDS) {
        return nn_sequential(nn_flatten(), nn_linear(784, 64), nn_sigmoid(), nn_linear(64, 64), nn_sigmoid(), nn_linear(64, 64),
                             nn_sigmoid(), nn_linear(64, 64), nn_sigmoid(), nn_linear(64, 64), nn_sigmoid(), nn_linear(64, 64),
                             nn_sigmoid(), nn_linear(64, 64), nn_sigmoid(), nn_linear(64, 10));
    }
    return nn_sequential(nn_flatten(), nn_linear(784, 128), nn_relu(), nn_linear(128, 128), nn_relu(), nn_linear(128, 10));
}

static optim *optimizer(int which, ag_list *parameters)
{
    if (which == HEALTHY) {
        return optim_adam(parameters, optim_adam_defaults());
    }
    optim_sgd_config sgd = optim_sgd_defaults();
    sgd.lr = which == HOT ? 3 : 0.1;
    return optim_sgd(parameters, sgd);
}

static bool is_weight(const char *name)
{
    size_t n = strlen(name), tail = strlen("weight");
    return n >= tail && strcmp(name + n - tail, "weight") == 0;
}

/* A panel with a line for each weight matrix. */
static void panel(struct plot *p, const ag_monitor *m, const char *title, ag_monitor_what what)
{
    struct plot_panel *axes = plot_panel(p, title, "step", "");
    int64_t steps = ag_monitor_steps(m);
    double *y = malloc(((size_t)steps + 1) * sizeof *y);
    double least = INFINITY, most = 0;
    axes->no_legend = what != AG_MONITOR_WEIGHT;
    for (int i = 0; y != NULL && i < ag_monitor_count(m); i++) {
        for (int64_t s = 0; s < steps; s++) {
            y[s] = ag_monitor_value(m, s, i, what);
        }
        if (!is_weight(ag_monitor_name(m, i))) {
            continue; /* of biases the print tells */
        }
        for (int64_t s = 0; s < steps; s++) {
            least = y[s] > 0 ? fmin(least, y[s]) : least;
            most = fmax(most, y[s]);
        }
        struct plot_series *line = plot_line(axes, ag_monitor_name(m, i), steps, NULL, y);
        line->width = 1.2;
        line->dashed = line->colour >= PLOT_COLOURS; /* colours begin again */
    }
    axes->y.log = most > 20 * least;
    if (!axes->y.log) {
        axes->y.low = 0;
    }
    if (what == AG_MONITOR_RATIO) {
        plot_mark(axes, "0.001", NAN, 1e-3);
    }
    p->failed = p->failed || y == NULL;
    free(y);
}

static void dead_panel(struct plot *p, const ag_monitor *m)
{
    struct plot_panel *axes = plot_panel(p, "dead units in %", "step", "");
    int64_t steps = ag_monitor_steps(m);
    double *y = malloc(((size_t)steps + 1) * sizeof *y);
    axes->y.low = 0;
    axes->y.high = 100;
    bool any = false;
    for (int i = 0; y != NULL && i < ag_monitor_activations(m); i++) {
        bool ever = false;
        for (int64_t s = 0; s < steps; s++) {
            y[s] = 100 * ag_monitor_dead(m, s, i);
            ever = ever || y[s] > 0;
        }
        if (ever) {
            plot_line(axes, ag_monitor_activation_name(m, i), steps, NULL, y)->width = 1.2;
            any = true;
        }
    }
    if (!any) {
        axes->x.low = 0;
        axes->x.high = (double)steps;
        plot_words(axes, "none", (double)steps / 2, 50);
    }
    p->failed = p->failed || y == NULL;
    free(y);
}

static bool draw(const struct options *options, const ag_monitor *m)
{
    struct plot_output out = { options->program, options->pictures, options->svg, false };
    char title[PLOT_TEXT], name[64];
    snprintf(title, sizeof title, "Training at a glance: %s", nets[options->net]);
    snprintf(name, sizeof name, "%s", nets[options->net]);
    struct plot *p = plot_new(title);
    p->columns = 2;
    panel(p, m, "norm of weights", AG_MONITOR_WEIGHT);
    panel(p, m, "norm of gradients", AG_MONITOR_GRADIENT);
    panel(p, m, "norm of updates / norm of weights", AG_MONITOR_RATIO);
    dead_panel(p, m);
    bool good = plot_save(&out, p, name);
    plot_free(p);
    return good;
}

static int watch(const struct options *options)
{
    ag_rng rng = ag_rng_seed((uint64_t)options->seed);
    struct digits digits;
    if (!digits_open(&digits, options, &rng)) {
        return EXIT_FAILURE;
    }
    data_loader_config batches = data_loader_defaults();
    batches.batch = options->batch;
    batches.shuffle = true;
    data_loader *train = data_loader_new(digits_take(&digits.train), batches, &rng);
    nn_module *net = network(options->net);
    nn_init(net, &rng);
    ag_list *parameters = nn_parameters(net);
    optim *opt = optimizer(options->net, nn_parameters(net)); /* takes its list */
    ag_monitor *monitor = ag_monitor_new(parameters);

    ag_scope scope = { 0 };
    data_batch batch;
    double last = NAN;
    int64_t step = 0;
    struct saving saving;
    bool good = saving_begin(&saving, options);
    saving_add(&saving, "model", nn_stateful(net));
    saving_add(&saving, "optimizer", optim_stateful(opt));
    saving_add(&saving, "digits", data_loader_stateful(train));
    saving_add(&saving, "step", ag_stateful_int64(&step));
    saving_add(&saving, "loss", ag_stateful_double(&last));
    good = good && saving_resume(&saving);
    int64_t first = step; /* what was noted before an interruption is not saved */
    while (good && step < options->steps && ag_exit_status() == 0) {
        data_loader_rewind(train);
        while (good && step < options->steps && data_loader_next(train, &batch)) {
            ag_begin(&scope);
            ag_tensor loss = ag_cross_entropy(nn_forward(net, batch.x), batch.y);
            ag_monitor_forward(monitor, loss); /* the tape is there: which units pass something on? */
            optim_zero_grad(opt);
            ag_backward(loss);
            ag_monitor_gradients(monitor);
            optim_step(opt);
            ag_monitor_updates(monitor);
            last = ag_item(loss);
            step++;
            good = !saving_step(&saving);
        }
    }
    ag_end(&scope);
    good = good && (first == step || !saving_epoch(&saving));
    saving_end(&saving);
    if (good && ag_exit_status() == 0) {
        printf("%s, %lld steps of %lld digits: loss %.3f at the end (guessing has %.3f), weights %016llx\n", nets[options->net],
               (long long)step, (long long)options->batch, last, log(10), (unsigned long long)nn_hash(net));
        if (first == step) {
            printf("it was over already: nothing was watched\n");
        } else if (first > 0) {
            printf("watched from step %lld on, where the run was resumed\n", (long long)first + 1);
        }
        printf("\n");
        if (first < step) {
            ag_monitor_print(monitor, stdout);
            good = draw(options, monitor);
        }
    }
    ag_monitor_free(monitor);
    optim_free(opt);
    ag_list_free(parameters);
    nn_free(net);
    data_loader_free(train);
    digits_close(&digits);
    return saving_exit_status(output_standard_flush(options->program) && good && ag_exit_status() == 0);
}

int main(int argc, char **argv)
{
    struct options options = {
        .program = "glance",
        .purpose = "Watches norms of weights, gradients and updates, and dead units, while a network learns\nto read handwritten digits.",
        .accepts = OPTION_SEED | OPTION_THREADS | OPTION_STEPS | OPTION_BATCH | OPTION_DATA | OPTION_PICTURES | OPTION_NET |
                   OPTION_SAVE,
        .nets = nets,
        .steps = 300,
    };
    int status = options_parse(&options, argc, argv);
    if (status >= 0) {
        return status;
    }
    if (options.threads > 0) {
        ag_set_threads(options.threads);
    }
    return watch(&options);
}
