/*
 * The two players: networks as Radford, Metz & Chintala 2016 advise, small; or plain layers.
 */
#include "gan.h"

#include <math.h>

#include "common/generative.h"

enum { FEATURES = 64 * 7 * 7, HIDDEN = 128 };

/* A class that is given stands behind the random numbers. */
static nn_module *new_generator(const struct game *game)
{
    int64_t in = game->latent + (game->conditional ? DIGIT_CLASSES : 0);
    if (game->net == MLP) {
        return nn_sequential(nn_linear(in, 256), nn_leaky_relu(0.2), nn_linear(256, 512), nn_leaky_relu(0.2),
                             nn_linear(512, DIGIT_PIXELS), nn_tanh(), nn_unflatten(1, AG_SHAPE(1, DIGIT_SIDE, DIGIT_SIDE)));
    }
    return nn_sequential(nn_linear(in, FEATURES), nn_unflatten(1, AG_SHAPE(64, 7, 7)), nn_batch_norm2d(64), nn_relu(),
                         twice(64, 32), nn_batch_norm2d(32), nn_relu(), /* (32,14,14) */
                         twice(32, 1), nn_tanh());                      /* (1,28,28) */
}

/* Spectral normalisation divides a layer's weights by the most that they can stretch anything (Miyato et al. 2018): the slope of the
 * score stays bounded, and with it what the generator is told. */
static nn_module *bounded(const struct game *game, nn_module *layer)
{
    return game->spectral ? nn_spectral_norm(layer) : layer;
}

/* A convolution sees a corner of the picture, and a linear layer alone would add up what each says: a picture of good strokes would
 * pass that is no digit. The hidden layer behind the convolutions sees which strokes go together.
 *
 * A class that is given is ten more channels, one of them full of ones. The gradient penalty is of each picture for itself, so that
 * no layer may mix the batch; and batch norm would undo the bound. */
static nn_module *new_discriminator(const struct game *game)
{
    int64_t channels = 1 + (game->conditional ? DIGIT_CLASSES : 0);
    if (game->net == MLP) {
        return nn_sequential(nn_flatten(), bounded(game, nn_linear(channels * DIGIT_PIXELS, 512)), nn_leaky_relu(0.2),
                             bounded(game, nn_linear(512, 256)), nn_leaky_relu(0.2), bounded(game, nn_linear(256, 1)));
    }
    bool batch_norm = game->loss != WASSERSTEIN && !game->spectral;
    return nn_sequential(bounded(game, half(channels, 32)), nn_leaky_relu(0.2), bounded(game, half(32, 64)),
                         batch_norm ? nn_batch_norm2d(64) : nn_identity(), nn_leaky_relu(0.2), nn_flatten(),
                         bounded(game, nn_linear(FEATURES, HIDDEN)), nn_leaky_relu(0.2), bounded(game, nn_linear(HIDDEN, 1)));
}

/* Momentum makes two players run past one another: the rates of decay are those of the two papers. */
static optim *new_optimizer(const struct game *game, nn_module *net)
{
    optim_adam_config adam = optim_adam_defaults();
    adam.lr = game->lr;
    adam.beta1 = game->loss == WASSERSTEIN ? 0 : 0.5;
    adam.beta2 = game->loss == WASSERSTEIN ? 0.9 : 0.999;
    return optim_adam(nn_parameters(net), adam);
}

void game_begin(struct game *game, ag_rng *rng, ag_dtype dtype)
{
    game->generator = new_generator(game);
    game->discriminator = new_discriminator(game);
    nn_init_dtype(game->generator, rng, dtype);
    nn_init_dtype(game->discriminator, rng, dtype);
    game->average = nn_clone(game->generator);
    game->g_opt = new_optimizer(game, game->generator);
    game->d_opt = new_optimizer(game, game->discriminator);
}

void game_end(struct game *game)
{
    optim_free(game->g_opt);
    optim_free(game->d_opt);
    nn_free(game->average);
    nn_free(game->generator);
    nn_free(game->discriminator);
}

/* A GAN never comes to rest: the weights circle, and so does what is painted. Their mean over about a thousand steps is nearer to the
 * middle (Yazıcı et al. 2019). At first it is over fewer, so that it does not remember the beginning. */
void game_average(struct game *game)
{
    double steps = (double)++game->learned;
    nn_average(game->average, game->generator, fmin(0.999, steps / (steps + 10)));
}

/* Batch norm has kept the means and variances that the generator's last weights lead to; those of the averaged weights are others.
 * Some batches of random numbers show them. */
void game_settle(struct game *game, uint64_t seed)
{
    enum { BATCHES = 50, BATCH = 64 };
    ag_rng rng = ag_rng_seed(seed + 1000);
    ag_scope scope = { 0 };
    nn_train(game->average);
    for (int i = 0; i < (game->net == DCGAN ? BATCHES : 0); i++) {
        ag_begin_no_grad(&scope);
        int64_t labels[BATCH];
        for (int k = 0; k < BATCH; k++) {
            labels[k] = ordered_class(game, k);
        }
        ag_tensor noise = ag_normal(AG_SHAPE(BATCH, game->latent), 0, 1, AG_FLOAT32, &rng);
        generate(game, game->average, noise, ag_from(AG_SHAPE(BATCH), AG_INT64, labels));
    }
    ag_end(&scope);
}

int64_t ordered_class(const struct game *game, int64_t i)
{
    int64_t class = i % DIGIT_CLASSES; /* the column of the picture */
    return game->classes > 0 ? class % game->classes : class;
}

ag_tensor generate(const struct game *game, nn_module *generator, ag_tensor noise, ag_tensor labels)
{
    if (!game->conditional) {
        return nn_forward(generator, noise);
    }
    ag_tensor class = ag_one_hot(labels, DIGIT_CLASSES, ag_dtype_of(noise)); /* (n, 10): 1 at the class */
    return nn_forward(generator, ag_cat(2, ((ag_tensor[]){ noise, class }), 1));
}

ag_tensor score(const struct game *game, ag_tensor pictures, ag_tensor labels)
{
    if (!game->conditional) {
        return nn_forward(game->discriminator, pictures);
    }
    int64_t n = ag_size(pictures, 0);
    ag_tensor class = ag_one_hot(labels, DIGIT_CLASSES, ag_dtype_of(pictures));
    ag_tensor planes = ag_expand(ag_reshape(class, AG_SHAPE(n, DIGIT_CLASSES, 1, 1)),
                                 AG_SHAPE(n, DIGIT_CLASSES, DIGIT_SIDE, DIGIT_SIDE));
    return nn_forward(game->discriminator, ag_cat(2, ((ag_tensor[]){ pictures, planes }), 1));
}
