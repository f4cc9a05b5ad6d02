/* The small network and the classifiers of images. */
#include "workloads.h"

#define CLASSES 10
#define DIGIT 28 /* the side of an image */

static ag_tensor classes_loss(struct run *r, ag_tensor x, ag_tensor y)
{
    return ag_cross_entropy(nn_forward(r->net[0], x), y);
}

static void open_classifier(struct run *r, nn_module *net, ag_shape x)
{
    keep_network(r, 0, net, 1e-3, 0.9, false);
    for (int i = 0; i < BATCHES; i++) {
        ag_tensor images = r->uniform(r, x);
        keep_batch(r, i, images, r->labels(r, AG_SHAPE(r->size.batch), CLASSES));
    }
}

/* ---- xor_mlp: 2-8-1 tanh, mean squared error, SGD -------------------------------------------------------------------- */

static void xor_mlp(struct run *r)
{
    optim_sgd_config sgd = optim_sgd_defaults();
    sgd.lr = 0.1;
    r->net[0] = nn_sequential(nn_linear(2, 8), nn_tanh(), nn_linear(8, 1));
    nn_init(r->net[0], &r->rng);
    r->opt[0] = optim_sgd(nn_parameters(r->net[0]), sgd);
    for (int i = 0; i < BATCHES; i++) {
        ag_tensor x = r->uniform(r, AG_SHAPE(r->size.batch, 2));
        keep_batch(r, i, x, r->uniform(r, AG_SHAPE(r->size.batch, 1)));
    }
}

static ag_tensor xor_loss(struct run *r, ag_tensor x, ag_tensor y)
{
    return ag_mse_loss(nn_forward(r->net[0], x), y);
}

/* ---- mnist_mlp: 784-128-10 ------------------------------------------------------------------------------------------- */

static void mnist_mlp(struct run *r)
{
    nn_module *net = nn_sequential(nn_linear(DIGIT * DIGIT, r->size.width), nn_relu(), nn_linear(r->size.width, CLASSES));
    open_classifier(r, net, AG_SHAPE(r->size.batch, DIGIT * DIGIT));
}

/* ---- mlp_wide: 784-512-512-10 ---------------------------------------------------------------------------------------- */

static void mlp_wide(struct run *r)
{
    int64_t width = r->size.width;
    nn_module *net = nn_sequential(nn_linear(DIGIT * DIGIT, width), nn_relu());
    for (int64_t i = 1; i < r->size.depth; i++) {
        nn_sequential_append(net, nn_linear(width, width));
        nn_sequential_append(net, nn_relu());
    }
    nn_sequential_append(net, nn_linear(width, CLASSES));
    open_classifier(r, net, AG_SHAPE(r->size.batch, DIGIT * DIGIT));
}

/* ---- lenet5: conv 6@5x5 pad 2, pool 2, conv 16@5x5, pool 2, 400-120-84-10 -------------------------------------------- */

static void lenet5(struct run *r)
{
    nn_conv2d_config first = nn_conv2d_defaults(1, 6, 5);
    first.conv.padding[0] = first.conv.padding[1] = 2;
    nn_module *net =
        nn_sequential(nn_conv2d_with(first), nn_relu(), nn_max_pool2d(2), nn_conv2d(6, 16, 5), nn_relu(), nn_max_pool2d(2),
                      nn_flatten(), nn_linear(400, 120), nn_relu(), nn_linear(120, 84), nn_relu(), nn_linear(84, CLASSES));
    open_classifier(r, net, AG_SHAPE(r->size.batch, 1, DIGIT, DIGIT));
}

/* ---- cnn_keras: conv 32@3x3, pool 2, conv 64@3x3, pool 2, conv 128@3x3, 1152-10 -------------------------------------- */

static void cnn_keras(struct run *r)
{
    int64_t c = r->size.width; /* channels of the first convolution */
    nn_module *net =
        nn_sequential(nn_conv2d(1, c, 3), nn_relu(), nn_max_pool2d(2), nn_conv2d(c, 2 * c, 3), nn_relu(), nn_max_pool2d(2),
                      nn_conv2d(2 * c, 4 * c, 3), nn_relu(), nn_flatten(), nn_linear(4 * c * 9, CLASSES));
    open_classifier(r, net, AG_SHAPE(r->size.batch, 1, DIGIT, DIGIT));
}

const struct workload image_workloads[] = {
    /* name, items of an example, parameters, FLOP and bytes of a step, functions, { batch, width, steps, depth } */
    { "xor_mlp", 1, 33, 448, 396, xor_mlp, train_step, xor_loss, { 4, 0, 0, 0 }, false },
    { "mnist_mlp", 1, 101770, 26.18e6, 2.850e6, mnist_mlp, train_step, classes_loss, { 64, 128, 0, 0 }, false },
    { "mlp_wide", 1, 669706, 205.4e6, 18.75e6, mlp_wide, train_step, classes_loss, { 64, 512, 0, 2 }, false },
    { "lenet5", 1, 61706, 144.9e6, 1.728e6, lenet5, train_step, classes_loss, { 64, 0, 0, 0 }, false },
    { "cnn_keras", 1, 104202, 1165.5e6, 2.918e6, cnn_keras, train_step, classes_loss, { 64, 32, 0, 0 }, false },
    { 0 },
};
