/*
 * Three kinds of training runs, with all that a training loop has, for tests that stop them and go on: a perceptron with dropout; a
 * convolutional network with batch normalisation, whose images are mirrored, moved and made noisy at random; two networks with two
 * optimizers.
 */
#ifndef WENGERT_TESTS_DATA_RUNS_H
#define WENGERT_TESTS_DATA_RUNS_H

#include "files.h"

#include <inttypes.h>

#include "nn/nn.h"
#include "optim/optim.h"

enum { STEPS = 11, SAMPLES = 44, BATCH = 8 }; /* an epoch has 5 full batches and one of 4 */

/* Everything that a training loop has. `second` is only in runs with two networks. */
struct run {
    nn_module *net, *second;
    optim *opt, *opt2;
    data_loader *loader;
    ag_rng noise;
    int64_t step;
    double losses[STEPS];
    int64_t count;
    ag_tensor hidden; /* a value kept from step to step */
};

static void run_visit(void *object, ag_state_visitor *v)
{
    struct run *r = object;
    ag_state_child(v, "model", nn_stateful(r->net));
    ag_state_child(v, "optimizer", optim_stateful(r->opt));
    if (r->second != NULL) {
        ag_state_child(v, "model2", nn_stateful(r->second));
        ag_state_child(v, "optimizer2", optim_stateful(r->opt2));
    }
    ag_state_child(v, "loader", data_loader_stateful(r->loader));
    ag_state_rng(v, "noise", &r->noise);
    ag_state_int64(v, "step", &r->step);
    ag_state_series(v, "losses", r->losses, AG_FLOAT64, &r->count, STEPS);
    ag_state_slot(v, "hidden", &r->hidden);
}

static ag_stateful run_stateful(struct run *r)
{
    static const ag_stateful_type type = { sizeof(ag_stateful_type), "run", run_visit };
    return ag_stateful_make(&type, r);
}

/* An image of 8 x 8 pixels, mirrored or not, and moved by up to two pixels each way; what is moved in is 0. */
static ag_error disturb(void *state, data_form form, const void *in, void *out, ag_rng *rng)
{
    (void)state;
    (void)form;
    const float *from = in;
    float *to = out;
    int mirrored = (int)ag_rng_below(rng, 2);
    int down = (int)ag_rng_below(rng, 5) - 2, right = (int)ag_rng_below(rng, 5) - 2;
    for (int row = 0; row < 8; row++) {
        for (int column = 0; column < 8; column++) {
            int y = row - down, x = (mirrored ? 7 - column : column) - right;
            to[8 * row + column] = y >= 0 && y < 8 && x >= 0 && x < 8 ? from[8 * y + x] : 0;
        }
    }
    return AG_OK;
}

static const data_transform_type disturb_type = {
    .size = sizeof(data_transform_type), .name = "disturbed", .random = true, .apply = disturb
};

static data_loader *images(ag_rng *rng, int workers, bool augmented)
{
    float x[SAMPLES * 64];
    int64_t y[SAMPLES];
    ag_rng pixels = ag_rng_seed(77);
    for (int i = 0; i < SAMPLES * 64; i++) {
        x[i] = (float)ag_rng_uniform(&pixels);
    }
    for (int i = 0; i < SAMPLES; i++) {
        y[i] = ag_rng_below(&pixels, 4);
    }
    data_loader_config config = data_loader_defaults();
    config.batch = BATCH;
    config.shuffle = true;
    config.workers = workers;
    data_set *set =
        data_arrays(SAMPLES, x, AG_SHAPE(1, 8, 8), AG_FLOAT32, y, AG_SHAPE_SCALAR, AG_INT64);
    if (augmented) { /* as the data itself, it is the same in a run that is resumed */
        data_transform *transform = data_transform_new(&disturb_type, NULL, &pixels);
        data_set *disturbed = data_transform_x(set, transform);
        data_transform_free(transform);
        data_set_free(set);
        set = disturbed;
    }
    return data_loader_new(set, config, rng);
}

static struct run run_mlp(uint64_t seed)
{
    ag_rng rng = ag_rng_seed(seed);
    struct run r = { .loader = images(&rng, 2, false), .noise = ag_rng_split(&rng) };
    r.net = nn_sequential(nn_flatten(), nn_linear(64, 24), nn_relu(), nn_dropout(0.4),
                          nn_linear(24, 4));
    nn_init(r.net, &rng);
    optim_adam_config adam = optim_adam_defaults();
    adam.lr = 0.01;
    r.opt = optim_adam(nn_parameters(r.net), adam);
    return r;
}

static struct run run_cnn(uint64_t seed)
{
    ag_rng rng = ag_rng_seed(seed);
    struct run r = { .loader = images(&rng, 3, true), .noise = ag_rng_split(&rng) };
    r.net = nn_sequential(nn_conv2d(1, 6, 3), nn_batch_norm2d(6), nn_relu(), nn_flatten(),
                          nn_linear(6 * 36, 4));
    nn_init(r.net, &rng);
    optim_sgd_config sgd = optim_sgd_defaults();
    sgd.lr = 0.05;
    sgd.momentum = 0.9;
    sgd.dampening = 0.1;
    r.opt = optim_sgd(nn_parameters(r.net), sgd);
    return r;
}

/* A generator and a discriminator that train in turn. */
static struct run run_two(uint64_t seed)
{
    ag_rng rng = ag_rng_seed(seed);
    struct run r = { .loader = images(&rng, 0, false), .noise = ag_rng_split(&rng) };
    r.net = nn_sequential(nn_flatten(), nn_linear(64, 16), nn_relu(), nn_dropout(0.2),
                          nn_linear(16, 1));
    r.second = nn_sequential(nn_linear(5, 12), nn_batch_norm1d(12), nn_tanh(), nn_linear(12, 64));
    nn_init(r.net, &rng);
    nn_init(r.second, &rng);
    optim_rmsprop_config rms = optim_rmsprop_defaults();
    rms.lr = 0.002;
    rms.momentum = 0.5;
    rms.centered = true;
    r.opt = optim_rmsprop(nn_parameters(r.net), rms);
    r.opt2 = optim_adamw(nn_parameters(r.second), optim_adamw_defaults());
    return r;
}

static void run_free(struct run *r)
{
    optim_free(r->opt);
    optim_free(r->opt2);
    nn_free(r->net);
    nn_free(r->second);
    data_loader_free(r->loader);
    ag_drop(&r->hidden);
}

static struct run (*const makes[])(uint64_t seed) = { run_mlp, run_cnn, run_two };
enum { KINDS = sizeof makes / sizeof makes[0] };

static ag_tensor train_classifier(struct run *r, ag_tensor x, ag_tensor y)
{
    ag_tensor noise = ag_normal(ag_shape_of(x), 0, 0.05, AG_FLOAT32, &r->noise);
    ag_tensor loss = ag_cross_entropy(nn_forward(r->net, ag_add(x, noise)), y);
    optim_zero_grad(r->opt);
    ag_backward(loss);
    optim_step(r->opt);
    return loss;
}

static ag_tensor train_two(struct run *r, ag_tensor x, int64_t n)
{
    ag_tensor z = ag_normal(AG_SHAPE(n, 5), 0, 1, AG_FLOAT32, &r->noise);
    ag_tensor fake = nn_forward(r->second, z);
    ag_tensor told =
        ag_sub(ag_mean(nn_forward(r->net, ag_detach(fake))), ag_mean(nn_forward(r->net, x)));
    optim_zero_grad(r->opt);
    ag_backward(told);
    optim_step(r->opt);
    ag_tensor loss = ag_neg(ag_mean(nn_forward(r->net, fake)));
    optim_zero_grad(r->opt2);
    ag_backward(loss);
    optim_step(r->opt2);
    return loss;
}

/* Trains on to step `until`, with the loop that a user writes. */
static void run_on(struct run *r, int64_t until)
{
    ag_scope scope = { 0 };
    while (r->step < until) {
        data_loader_rewind(r->loader);
        data_batch b;
        while (r->step < until && data_loader_next(r->loader, &b)) {
            ag_begin(&scope);
            ag_tensor loss =
                r->second != NULL ? train_two(r, b.x, b.n) : train_classifier(r, b.x, b.y);
            if (r->step == 4) {
                ag_keep(&r->hidden, loss);
            } else if (r->step > 4) { /* what was kept enters the numbers */
                ag_tensor mixed = ag_add(r->hidden, loss);
                ag_keep(&r->hidden, mixed);
                loss = mixed;
            }
            r->losses[r->count++] = ag_item(loss);
            r->step++;
        }
    }
    ag_end(&scope);
    ck_assert_int_eq(ag_error_code(), AG_OK);
}

static uint64_t run_hash(const struct run *r)
{
    uint64_t hash = nn_hash(r->net);
    return r->second != NULL ? hash * 31 + nn_hash(r->second) : hash;
}

#endif
