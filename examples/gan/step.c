/*
 * One step of both players. The discriminator learns from real pictures and from detached false ones: that lesson is not the
 * generator's. The generator never sees a real picture; what it learns comes back through the discriminator.
 */
#include "gan.h"

#include <math.h>

enum { STRONG_ROUNDS = 5, CRITIC_STEPS = 5, PENALTY = 10 };

/* The share of scores on the right side of the border between real and false. */
static double share_right(const struct game *game, ag_tensor scores, bool real)
{
    ag_tensor border = ag_full(ag_shape_of(scores), game->loss == LEAST_SQUARES ? 0.5 : 0, ag_dtype_of(scores));
    ag_tensor right = real ? ag_gt(scores, border) : ag_lt(scores, border);
    return ag_item(ag_sum(right)) / (double)ag_numel(scores);
}

/* Computes the gradients and makes the step, unless something is no number. The length of the gradient goes to *gradient. */
static bool learn(optim *opt, ag_tensor loss, double *value, double *gradient)
{
    optim_zero_grad(opt);
    ag_backward(loss);
    *value = ag_item(loss);
    *gradient = optim_clip_grad_norm(opt, INFINITY); /* nothing is clipped: it returns the length */
    if (!isfinite(*value) || !isfinite(*gradient)) {
        return false;
    }
    optim_step(opt);
    return true;
}

bool generator_learns(const struct game *game, int64_t step)
{
    return game->loss != WASSERSTEIN || step % CRITIC_STEPS == 0;
}

bool game_step(struct game *game, ag_tensor real, ag_tensor labels, ag_tensor noise, ag_tensor share, int64_t step,
               double measured[MEASURES])
{
    for (int i = 0; i < MEASURES; i++) {
        measured[i] = NAN;
    }
    ag_tensor fake = generate(game, game->generator, noise, labels);

    /* The discriminator; if it shall become too strong, several times on the same pictures. */
    for (int round = 0; round < (game->too_strong ? STRONG_ROUNDS : 1); round++) {
        ag_tensor real_scores = score(game, real, labels), fake_scores = score(game, ag_detach(fake), labels);
        ag_tensor loss = discriminator_loss(game, real_scores, fake_scores);
        if (game->loss == WASSERSTEIN) {
            ag_tensor penalty = gradient_penalty(game, real, ag_detach(fake), labels, share);
            loss = ag_add(loss, ag_mul_scalar(penalty, PENALTY));
        }
        measured[REAL_RIGHT] = share_right(game, real_scores, true);
        measured[FAKE_RIGHT] = share_right(game, fake_scores, false);
        if (!learn(game->d_opt, loss, &measured[D_LOSS], &measured[D_GRADIENT])) {
            return false;
        }
    }

    /* The generator, through the discriminator. */
    if (!generator_learns(game, step)) {
        return true;
    }
    if (!learn(game->g_opt, generator_loss(game, score(game, fake, labels)), &measured[G_LOSS], &measured[GRADIENT])) {
        return false;
    }
    game_average(game);
    return true;
}
