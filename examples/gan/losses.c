/*
 * What each player wants.
 * Goodfellow et al. 2014 (minimax, non-saturating); Mao et al. 2017 (least squares); Lim & Ye 2017 (hinge); Arjovsky, Chintala &
 * Bottou 2017 and Gulrajani et al. 2017 (Wasserstein, with a gradient penalty)
 */
#include "gan.h"

/* What the discriminator should say: `value`, or its opposite for a share of the pictures. */
static ag_tensor targets(struct game *game, ag_tensor scores, double value, double opposite)
{
    ag_dtype dtype = ag_dtype_of(scores);
    ag_tensor t = ag_full(ag_shape_of(scores), value, dtype);
    if (game->label_noise > 0) {
        ag_tensor turned = ag_bernoulli(ag_shape_of(scores), game->label_noise, dtype, &game->rng);
        t = ag_lerp(t, ag_full(ag_shape_of(scores), opposite, dtype), turned);
    }
    return t;
}

ag_tensor discriminator_loss(struct game *game, ag_tensor real, ag_tensor fake)
{
    double yes = 1 - game->label_smoothing;
    switch (game->loss) {
    case LEAST_SQUARES:
        return ag_add(ag_mse_loss(real, targets(game, real, yes, 0)), ag_mse_loss(fake, targets(game, fake, 0, yes)));
    case HINGE: /* max(0, 1 - real) + max(0, 1 + fake) */
        return ag_add(ag_mean(ag_relu(ag_add_scalar(ag_neg(real), 1))), ag_mean(ag_relu(ag_add_scalar(fake, 1))));
    case WASSERSTEIN:
        return ag_sub(ag_mean(fake), ag_mean(real));
    default:
        return ag_add(ag_bce_with_logits(real, targets(game, real, yes, 0)),
                      ag_bce_with_logits(fake, targets(game, fake, 0, yes)));
    }
}

ag_tensor generator_loss(const struct game *game, ag_tensor fake)
{
    if (game->too_strong) { /* log(1 - D): the game as it was first written down. Flat where D is sure that a picture is false */
        return ag_neg(ag_bce_with_logits(fake, ag_zeros_like(fake)));
    }
    switch (game->loss) {
    case LEAST_SQUARES:
        return ag_mse_loss(fake, ag_ones_like(fake));
    case HINGE:
    case WASSERSTEIN:
        return ag_neg(ag_mean(fake));
    default:
        return ag_bce_with_logits(fake, ag_ones_like(fake));
    }
}

/* The gradient is computed as a part of the graph, because the discriminator's weights must learn from it: a gradient of a
 * gradient. */
ag_tensor gradient_penalty(const struct game *game, ag_tensor real, ag_tensor fake, ag_tensor labels, ag_tensor share)
{
    ag_tensor between = ag_set_requires_grad(ag_detach(ag_lerp(real, fake, share)), true);
    ag_tensor scores = ag_sum(score(game, between, labels)), gradient;
    ag_backward_config config = ag_backward_defaults();
    config.create_graph = true;
    ag_grad(scores, 1, &between, &gradient, config);
    ag_tensor length = ag_norm(ag_flatten(gradient, 1, -1), 2, AG_DIMS(1), false);
    return ag_mean(ag_square(ag_add_scalar(length, -1)));
}
