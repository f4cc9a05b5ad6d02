/* Two networks and a training step, for tests that look at whole steps from outside. */
#ifndef TESTS_AUTOGRAD_NETWORKS_H
#define TESTS_AUTOGRAD_NETWORKS_H

#include "common.h"
#include "nn/nn.h"
#include "optim/optim.h"

#define BATCHES 4

struct trainer {
    nn_module *net;
    optim *opt;
    ag_tensor x[BATCHES], y[BATCHES];
    int next;
    ag_scope scope;
};

/* 784-512-512-10 */
static inline nn_module *mlp(void)
{
    return nn_sequential(nn_linear(784, 512), nn_relu(), nn_linear(512, 512), nn_relu(), nn_linear(512, 10));
}

/* conv 32@3x3, pool 2, conv 64@3x3, pool 2, conv 128@3x3, 1152-10 */
static inline nn_module *cnn(void)
{
    return nn_sequential(nn_conv2d(1, 32, 3), nn_relu(), nn_max_pool2d(2), nn_conv2d(32, 64, 3), nn_relu(),
                         nn_max_pool2d(2), nn_conv2d(64, 128, 3), nn_relu(), nn_flatten(), nn_linear(1152, 10));
}

/* 6-8-3, with what is drawn and what is counted */
static inline nn_module *small_net(void)
{
    return nn_sequential(nn_linear(6, 8), nn_batch_norm1d(8), nn_tanh(), nn_dropout(0.2), nn_linear(8, 3));
}

/* Random batches: x of the shape, labels below `classes`. */
static inline void trainer_open(struct trainer *t, nn_module *net, ag_shape x, int classes, uint64_t seed)
{
    ag_rng rng = ag_rng_seed(seed);
    memset(t, 0, sizeof(*t));
    t->net = net;
    nn_init(net, &rng);
    t->opt = optim_adam(nn_parameters(net), optim_adam_defaults());
    ag_begin_no_grad(&t->scope);
    for (int i = 0; i < BATCHES; i++) {
        ag_keep(&t->x[i], ag_uniform(x, 0, 1, AG_FLOAT32, &rng));
        ag_keep(&t->y[i], ag_randint(AG_SHAPE(x.size[0]), 0, classes, &rng));
    }
    ag_end(&t->scope);
}

static inline double trainer_step(struct trainer *t)
{
    ag_tensor x = t->x[t->next], y = t->y[t->next];
    t->next = (t->next + 1) % BATCHES;
    ag_begin(&t->scope);
    optim_zero_grad(t->opt);
    ag_tensor loss = ag_cross_entropy(nn_forward(t->net, x), y);
    ag_backward(loss);
    optim_step(t->opt);
    return ag_item(loss);
}

static inline void trainer_close(struct trainer *t)
{
    ag_end(&t->scope);
    optim_free(t->opt);
    nn_free(t->net);
    for (int i = 0; i < BATCHES; i++) {
        ag_drop(&t->x[i]);
        ag_drop(&t->y[i]);
    }
}

#endif
