/* A variational autoencoder, and two pairs of generator and discriminator. */
#include "workloads.h"

#define DIGIT 28
#define PIXELS (DIGIT * DIGIT)
#define CODE 20   /* numbers that the autoencoder keeps of an image */
#define NOISE 64  /* numbers that a generator starts from */
#define SLOPE 0.2 /* of the leaky ReLUs */

/* ---- vae: 784-400-(20,20)-400-784, summed BCE + KL ------------------------------------------------------------------- */

struct vae {
    nn_module base;
    nn_module *enc, *mu, *logvar, *dec, *out;
};

static void vae_visit(nn_module *m, nn_visitor *v)
{
    struct vae *self = (struct vae *)m;
    nn_visit_child(v, "enc", &self->enc);
    nn_visit_child(v, "mu", &self->mu);
    nn_visit_child(v, "logvar", &self->logvar);
    nn_visit_child(v, "dec", &self->dec);
    nn_visit_child(v, "out", &self->out);
}

static const nn_module_type vae_type = {
    .size = sizeof(nn_module_type), .name = "VAE", .instance_size = sizeof(struct vae), .visit = vae_visit
};

static ag_tensor vae_loss(struct run *r, ag_tensor x, ag_tensor unused)
{
    struct vae *net = (struct vae *)r->net[0];
    (void)unused;
    ag_tensor h = ag_relu(nn_forward(net->enc, x));
    ag_tensor mu = nn_forward(net->mu, h), lv = nn_forward(net->logvar, h);
    ag_tensor noise = r->normal(r, AG_SHAPE(r->size.batch, CODE));
    ag_tensor z = ag_add(mu, ag_mul(noise, ag_exp(ag_mul_scalar(lv, 0.5))));
    ag_tensor pixels = nn_forward(net->out, ag_relu(nn_forward(net->dec, z)));
    ag_tensor kl = ag_sum(ag_sub(ag_sub(ag_add_scalar(lv, 1), ag_square(mu)), ag_exp(lv)));
    return ag_sub(ag_bce_with_logits_with(pixels, x, AG_REDUCE_SUM), ag_mul_scalar(kl, 0.5));
}

static void vae(struct run *r)
{
    struct vae *net = (struct vae *)nn_module_new(&vae_type);
    int64_t width = r->size.width;
    net->enc = nn_linear(PIXELS, width);
    net->mu = nn_linear(width, CODE);
    net->logvar = nn_linear(width, CODE);
    net->dec = nn_linear(CODE, width);
    net->out = nn_linear(width, PIXELS);
    keep_network(r, 0, &net->base, 1e-3, 0.9, false);
    for (int i = 0; i < BATCHES; i++) {
        ag_keep(&r->x[i], r->uniform(r, AG_SHAPE(r->size.batch, PIXELS)));
    }
}

/* ---- generator and discriminator in turn ----------------------------------------------------------------------------- */

enum { GENERATOR, DISCRIMINATOR };

static void open_pair(struct run *r, nn_module *generator, nn_module *discriminator, ag_shape image)
{
    keep_network(r, GENERATOR, generator, 2e-4, 0.5, false);
    keep_network(r, DISCRIMINATOR, discriminator, 2e-4, 0.5, false);
    for (int i = 0; i < BATCHES; i++) {
        ag_keep(&r->x[i], r->uniform(r, image));
    }
    ag_keep(&r->ones, ag_ones(AG_SHAPE(r->size.batch, 1), AG_FLOAT32));
    ag_keep(&r->zeros, ag_zeros(AG_SHAPE(r->size.batch, 1), AG_FLOAT32));
}

/* The discriminator first, on real images and on detached fakes; then the generator through the discriminator, whose weights get
 * gradients, too. */
static ag_tensor pair_step(struct run *r)
{
    nn_module *g = r->net[GENERATOR], *d = r->net[DISCRIMINATOR];
    optim_zero_grad(r->opt[DISCRIMINATOR]);
    ag_tensor fake = nn_forward(g, r->normal(r, AG_SHAPE(r->size.batch, NOISE)));
    ag_tensor on_real = ag_bce_with_logits(nn_forward(d, r->x[r->next]), r->ones);
    ag_tensor on_fake = ag_bce_with_logits(nn_forward(d, ag_detach(fake)), r->zeros);
    ag_backward(ag_add(on_real, on_fake));
    optim_step(r->opt[DISCRIMINATOR]);
    optim_zero_grad(r->opt[GENERATOR]);
    ag_tensor loss = ag_bce_with_logits(nn_forward(d, fake), r->ones);
    ag_backward(loss);
    optim_step(r->opt[GENERATOR]);
    return loss;
}

/* ---- gan_mlp: G 64-256-512-784 tanh, D 784-512-256-1 ----------------------------------------------------------------- */

static void gan_mlp(struct run *r)
{
    nn_module *g = nn_sequential(nn_linear(NOISE, 256), nn_leaky_relu(SLOPE), nn_linear(256, 512), nn_leaky_relu(SLOPE),
                                 nn_linear(512, PIXELS), nn_tanh());
    nn_module *d =
        nn_sequential(nn_linear(PIXELS, 512), nn_leaky_relu(SLOPE), nn_linear(512, 256), nn_leaky_relu(SLOPE), nn_linear(256, 1));
    open_pair(r, g, d, AG_SHAPE(r->size.batch, PIXELS));
}

/* ---- dcgan: G 64 -> 64x7x7, BN, two transposed convolutions 4x4 s2 p1 with BN between; D two convolutions likewise, linear */

static nn_module *halving(int64_t in, int64_t out)
{
    nn_conv2d_config c = nn_conv2d_defaults(in, out, 4);
    c.conv.stride[0] = c.conv.stride[1] = 2;
    c.conv.padding[0] = c.conv.padding[1] = 1;
    return nn_conv2d_with(c);
}

static nn_module *doubling(int64_t in, int64_t out)
{
    nn_conv_transpose2d_config c = nn_conv_transpose2d_defaults(in, out, 4);
    c.conv.stride[0] = c.conv.stride[1] = 2;
    c.conv.padding[0] = c.conv.padding[1] = 1;
    return nn_conv_transpose2d_with(c);
}

static void dcgan(struct run *r)
{
    nn_module *g = nn_sequential(nn_linear(NOISE, 64 * 49), nn_unflatten(1, AG_SHAPE(64, 7, 7)), nn_batch_norm2d(64), nn_relu(),
                                 doubling(64, 32), nn_batch_norm2d(32), nn_relu(), doubling(32, 1), nn_tanh());
    nn_module *d = nn_sequential(halving(1, 32), nn_leaky_relu(SLOPE), halving(32, 64), nn_batch_norm2d(64), nn_leaky_relu(SLOPE),
                                 nn_flatten(), nn_linear(64 * 49, 1));
    open_pair(r, g, d, AG_SHAPE(r->size.batch, 1, DIGIT, DIGIT));
}

const struct workload generative_workloads[] = {
    /* name, items of an example, parameters, FLOP and bytes of a step, functions, { batch, width, steps, depth } */
    { "vae", 1, 652824, 419.8e6, 18.28e6, vae, train_step, vae_loss, { 128, 400, 0, 0 }, false },
    { "gan_mlp", 1, 1083921, 651.4e6, 30.35e6, gan_mlp, pair_step, NULL, { 64, 0, 0, 0 }, false },
    { "dcgan", 1, 273986, 2430.9e6, 7.672e6, dcgan, pair_step, NULL, { 64, 0, 0, 0 }, false },
    { 0 },
};
