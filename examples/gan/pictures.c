/*
 * What is drawn: the pictures of the same random numbers again and again, and the balance of both players.
 */
#include "gan.h"

#include "common/generative.h"

/* Ten thousand pictures in pieces are the same as at once: each has random numbers of its own, that depend on its number alone. */
static ag_tensor fixed_noise(const struct game *game, uint64_t seed, int64_t first, int64_t n)
{
    ag_tensor rows[WATCHED];
    for (int64_t i = 0; i < n; i++) {
        ag_rng rng = ag_rng_seed(seed + 2000 + (uint64_t)(first + i));
        rows[i] = ag_normal(AG_SHAPE(1, game->latent), 0, 1, AG_FLOAT32, &rng);
    }
    return ag_cat((int)n, rows, 0);
}

ag_tensor shown(struct game *game, uint64_t seed, int64_t first, int64_t n)
{
    int64_t labels[WATCHED];
    n = n < WATCHED ? n : WATCHED;
    for (int64_t i = 0; i < n; i++) {
        labels[i] = ordered_class(game, first + i);
    }
    nn_eval(game->average);
    return generate(game, game->average, fixed_noise(game, seed, first, n), ag_from(AG_SHAPE(n), AG_INT64, labels));
}

struct plot *plot_shown(struct game *game, const char *program, uint64_t seed, const char *title)
{
    static float pixels[SHOWN * DIGIT_PIXELS];
    ag_scope scope = { 0 };
    ag_begin_no_grad(&scope);
    ag_read(ag_mul_scalar(ag_add_scalar(shown(game, seed, 0, SHOWN), 1), 0.5), pixels, SHOWN * DIGIT_PIXELS);
    ag_end(&scope);
    return generative_plot(program, title, pixels, SHOWN, 10, 32, game->conditional ? "made to order: a class in each column" : "");
}

bool draw_balance(const struct course *c, struct plot_output *out)
{
    struct plot *p = plot_new("The balance of the two");
    double x[EPOCHS_MAX];
    for (int64_t e = 0; e < c->epochs; e++) {
        x[e] = (double)e + 1;
    }
    struct plot_panel *panel[4] = { plot_panel(p, "losses", "epoch", ""),
                                    plot_panel(p, "share that the discriminator gets right", "epoch", ""),
                                    plot_panel(p, "gradient in the generator", "epoch", ""),
                                    plot_panel(p, "variety of the pictures, 1: as real ones", "epoch", "") };
    plot_line(panel[0], "discriminator", c->epochs, x, c->value[D_LOSS]);
    plot_line(panel[0], "generator", c->epochs, x, c->value[G_LOSS])->dashed = true;
    plot_line(panel[1], "real", c->epochs, x, c->value[REAL_RIGHT]);
    plot_line(panel[1], "false", c->epochs, x, c->value[FAKE_RIGHT])->dashed = true;
    panel[1]->y.low = 0;
    panel[1]->y.high = 1.02;
    plot_line(panel[2], "", c->epochs, x, c->value[GRADIENT]);
    panel[2]->y.log = true;
    plot_line(panel[3], "", c->epochs, x, c->variety);
    for (int i = 0; i < 4; i++) {
        panel[i]->x.whole = true;
    }
    bool good = plot_save(out, p, "balance");
    plot_free(p);
    return good;
}
