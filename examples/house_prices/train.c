/*
 * The network for a few hundred rows, its scalers, and its loop.
 */
#include "houses.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Small, because there are few houses: a larger network would know them by heart. */
static nn_module *new_network(int64_t features, bool hidden)
{
    if (!hidden) {
        return nn_sequential(nn_linear(features, 1));
    }
    return nn_sequential(nn_linear(features, HIDDEN), nn_relu(), nn_linear(HIDDEN, HIDDEN),
                         nn_relu(), nn_linear(HIDDEN, 1));
}

bool model_guess(const struct model *m, data_set *set, double *guess)
{
    ag_tensor x = AG_NONE, y = AG_NONE;
    data_set *scaled = data_transform_x(set, m->scale_x);
    ag_scope scope = { 0 };
    ag_begin_no_grad(&scope);
    nn_eval(m->net);
    if (data_set_tensors(scaled, &x, &y) == AG_OK) {
        ag_tensor prices = data_transform_invert(m->scale_y, nn_forward(m->net, x));
        ag_read_doubles(prices, guess, ag_size(x, 0));
    }
    nn_train(m->net);
    ag_end(&scope);
    ag_drop(&x);
    ag_drop(&y);
    data_set_free(scaled);
    return ag_exit_status() == 0;
}

/* |guess - price|, averaged over all rows of two tensors; prices scaled, the answer in thousand dollars. */
static double error_of(nn_module *net, ag_tensor x, ag_tensor y, const data_transform *scale_y)
{
    ag_scope scope = { 0 };
    ag_begin_no_grad(&scope);
    nn_eval(net);
    double error = ag_item(ag_l1_loss(nn_forward(net, x), y)) * data_scaler_scale(scale_y, 0);
    nn_train(net);
    ag_end(&scope);
    return error;
}

double model_error(const struct model *m, data_set *set)
{
    ag_tensor x = AG_NONE, y = AG_NONE;
    data_set *scaled_x = data_transform_x(set, m->scale_x),
             *scaled = data_transform_y(scaled_x, m->scale_y);
    double error = NAN;
    if (data_set_tensors(scaled, &x, &y) == AG_OK) {
        error = error_of(m->net, x, y, m->scale_y);
    }
    ag_drop(&x);
    ag_drop(&y);
    data_set_free(scaled);
    data_set_free(scaled_x);
    return ag_exit_status() == 0 ? error : NAN;
}

/* What a training knows about itself, for --save. */
struct course {
    struct model *m;
    int64_t room;
};

static void course_visit(void *object, ag_state_visitor *v)
{
    struct course *self = object;
    struct model *m = self->m;
    int64_t watched = m->epochs;
    ag_state_series(v, "train_error", m->train_error, AG_FLOAT64, &m->epochs, self->room);
    ag_state_series(v, "watch_error", m->watch_error, AG_FLOAT64, &watched, self->room);
    ag_state_int64(v, "best", &m->best);
}

static const ag_stateful_type course_type = { sizeof(ag_stateful_type), "course", course_visit };

bool train(const struct options *o, const struct plan *plan, struct model *m)
{
    *m = (struct model){ 0 };
    m->train_error = malloc((size_t)plan->epochs * sizeof *m->train_error);
    m->watch_error = malloc((size_t)plan->epochs * sizeof *m->watch_error);
    if (m->train_error == NULL || m->watch_error == NULL) {
        fprintf(stderr, "%s: out of memory\n", o->program);
        return false;
    }
    ag_rng rng = ag_rng_seed(plan->seed);

    /* ---- Scalers. They are fitted on what the network may know: the houses to train on. A feature that is the same in all of
     * these (a river, among few houses) says nothing, and is left alone. */
    data_scaler_config config = data_scaler_defaults();
    config.allow_constant = true;
    m->scale_x = data_standard_scaler(plan->scale_on ? plan->scale_on : plan->train, config);
    config.targets = true;
    m->scale_y = data_standard_scaler(plan->train, config);
    data_set *sets[2] = { plan->train, plan->watch };
    ag_tensor x[2] = { AG_NONE, AG_NONE }, y[2] = { AG_NONE, AG_NONE };
    data_loader *batches = NULL;
    for (int i = 0; i < 2 && sets[i] != NULL; i++) {
        data_set *scaled_x = data_transform_x(sets[i], m->scale_x),
                 *scaled = data_transform_y(scaled_x, m->scale_y);
        data_set_tensors(scaled, &x[i], &y[i]);
        if (i == 0) {
            data_loader_config loading = data_loader_defaults();
            loading.batch = o->batch;
            loading.shuffle = true;
            batches = data_loader_new(data_set_share(scaled), loading, &rng);
        }
        data_set_free(scaled);
        data_set_free(scaled_x);
    }

    /* ---- The network, and a copy for the best one. */
    nn_module *net = new_network(ag_shape_numel(data_set_x_shape(plan->train)), plan->hidden);
    nn_init(net, &rng);
    m->net = nn_clone(net);
    optim_adam_config adam = optim_adamw_defaults();
    adam.lr = o->lr;
    optim *opt = optim_adamw(nn_parameters(net), adam);

    struct saving saving = { 0 };
    struct course course = { m, plan->epochs };
    bool good = ag_exit_status() == 0;
    if (good && plan->name != NULL) {
        good = saving_begin_part(&saving, o, plan->name);
        saving.quiet = plan->quiet;
        saving_add(&saving, "model", nn_stateful(net));
        saving_add(&saving, "best", nn_stateful(m->net));
        saving_add(&saving, "optimizer", optim_stateful(opt));
        saving_add(&saving, "houses", data_loader_stateful(batches));
        saving_add(&saving, "course", ag_stateful_make(&course_type, &course));
        good = good && saving_resume(&saving);
    }

    ag_scope step = { 0 };
    while (good && m->epochs < plan->epochs &&
           (plan->watch == NULL || m->epochs - m->best < plan->patience)) {
        data_batch batch;
        data_loader_rewind(batches);
        while (good && data_loader_next(batches, &batch)) {
            ag_begin(&step);
            ag_tensor loss = ag_smooth_l1_loss(nn_forward(net, batch.x), batch.y);
            optim_zero_grad(opt);
            ag_backward(loss);
            optim_step(opt);
            good = !saving_step(&saving);
        }
        ag_end(&step);
        if (!good || ag_exit_status() != 0) {
            good = false;
            break;
        }
        double here = error_of(net, x[0], y[0], m->scale_y);
        double there = plan->watch ? error_of(net, x[1], y[1], m->scale_y) : NAN;
        if (!isfinite(here)) {
            fflush(stdout);
            fprintf(stderr,
                    "%s: the error became infinite in epoch %lld: the weights are lost; try a "
                    "smaller --lr (it is %g)\n",
                    o->program, (long long)m->epochs + 1, o->lr);
            good = false;
            break;
        }
        m->train_error[m->epochs] = here;
        m->watch_error[m->epochs++] = there;
        if (plan->watch == NULL || m->best == 0 || there < m->watch_error[m->best - 1]) {
            m->best = m->epochs;
            nn_copy_state(m->net, net);
        }
        good = !saving_epoch(&saving);
    }
    saving_end(&saving);
    ag_end(&step);
    for (int i = 0; i < 2; i++) {
        ag_drop(&x[i]);
        ag_drop(&y[i]);
    }
    optim_free(opt);
    nn_free(net);
    data_loader_free(batches);
    return good && ag_exit_status() == 0;
}

void model_free(struct model *m)
{
    nn_free(m->net);
    data_transform_free(m->scale_x);
    data_transform_free(m->scale_y);
    free(m->train_error);
    free(m->watch_error);
    *m = (struct model){ 0 };
}

struct mean mean_of(int64_t n, const double *x)
{
    struct mean m = { 0, NAN };
    double squares = 0;
    for (int64_t i = 0; i < n; i++) {
        m.mean += x[i] / (double)n;
    }
    for (int64_t i = 0; i < n; i++) {
        squares += (x[i] - m.mean) * (x[i] - m.mean);
    }
    if (n > 1) {
        m.se = sqrt(squares / (double)(n - 1) / (double)n);
    }
    return m;
}
