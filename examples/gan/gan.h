/*
 * What the parts of gan share.
 */
#ifndef EXAMPLES_GAN_H
#define EXAMPLES_GAN_H

#include <stdbool.h>
#include <stdint.h>

#include "autograd/autograd.h"
#include "data/data.h"
#include "nn/nn.h"
#include "optim/optim.h"

#include "common/evaluate.h"
#include "common/nearest.h"
#include "common/plot.h"

enum { DCGAN, MLP };
enum { NON_SATURATING, LEAST_SQUARES, HINGE, WASSERSTEIN };

/* ---- The networks (networks.c) -------------------------------------------------------------------------------------------- */

/* Two players. What the first ten say is set by the caller, then game_begin() makes the rest. */
struct game {
    int net, loss;
    int64_t latent;   /* random numbers behind a picture */
    bool conditional; /* both are told the class */
    bool too_strong;  /* the discriminator gets every advantage */
    bool spectral;    /* no layer of the discriminator makes differences larger */
    double label_smoothing, label_noise;
    double lr;
    int64_t classes; /* that there are, at most DIGIT_CLASSES; 0: that many */
    nn_module *generator, *discriminator;
    nn_module *average; /* of the generator's weights over the last steps: it paints what is shown, more steadily */
    int64_t learned;    /* steps of the generator */
    optim *g_opt, *d_opt;
    ag_rng rng; /* which labels are turned round */
};

/* Makes networks and optimizers, of float32, or of float64 for those who check. */
void game_begin(struct game *game, ag_rng *rng, ag_dtype dtype);
void game_end(struct game *game);
/* Takes the generator's weights into the average; to be called after each of its steps. */
void game_average(struct game *game);
/* Makes the average ready to be looked at, at the end of an epoch. */
void game_settle(struct game *game, uint64_t seed);
/* The class of picture i of those that are shown: all in turn, in ten columns. */
int64_t ordered_class(const struct game *game, int64_t i);
/* (n, latent) random numbers -> (n,1,28,28) pictures, from -1 (paper) to 1 (ink). labels (n), not looked at without --conditional. */
ag_tensor generate(const struct game *game, nn_module *generator, ag_tensor noise, ag_tensor labels);
/* (n,1,28,28) -> (n,1): high for real. */
ag_tensor score(const struct game *game, ag_tensor pictures, ag_tensor labels);

/* ---- The losses (losses.c) ------------------------------------------------------------------------------------------------- */

ag_tensor discriminator_loss(struct game *game, ag_tensor real_scores, ag_tensor fake_scores);
ag_tensor generator_loss(const struct game *game, ag_tensor fake_scores);
/* The mean of (|gradient of the score| - 1)^2 at places between real and false pictures; share (n,1,1,1), from 0 (real) to 1. */
ag_tensor gradient_penalty(const struct game *game, ag_tensor real, ag_tensor fake, ag_tensor labels, ag_tensor share);

/* ---- A step of both (step.c) ----------------------------------------------------------------------------------------------- */

enum measure { D_LOSS, G_LOSS, REAL_RIGHT, FAKE_RIGHT, D_GRADIENT, GRADIENT, MEASURES };

/* Whether the generator learns in this step: with the Wasserstein loss in each fifth, else always. */
bool generator_learns(const struct game *game, int64_t step);
/* The discriminator learns, then the generator. real (n,1,28,28) from -1 to 1, labels (n), noise (n, latent), share (n,1,1,1) for
 * the penalty; in a scope that records. Measures that were not taken are NaN. False if a loss or gradient is no number: what
 * would have been learned from it was not. */
bool game_step(struct game *game, ag_tensor real, ag_tensor labels, ag_tensor noise, ag_tensor share, int64_t step,
               double measured[MEASURES]);

/* ---- How it goes (watch.c) ------------------------------------------------------------------------------------------------- */

enum { EPOCHS_MAX = 1000, WATCHED = 500 };

/* Means over each epoch, and what the pictures of the fixed noise are like after it. */
struct course {
    int64_t epochs, counts[MEASURES + 2];
    double value[MEASURES][EPOCHS_MAX];
    double variety[EPOCHS_MAX]; /* how different they are from one another, as a share of how different real ones are */
    double classes[EPOCHS_MAX]; /* how many classes they look like */
    double sum[MEASURES], taken[MEASURES], real_variety;
    int64_t steps;
};
ag_stateful course_stateful(struct course *c);
/* Adds what a step measured. */
void course_step(struct course *c, const double measured[MEASURES]);

/* The mean distance between pictures (n,1,28,28). */
double variety(ag_tensor pictures);

/* What a set of pictures looks like. */
struct looks {
    double variety;
    double share[DIGIT_CLASSES]; /* of pictures that look like that class */
    int classes;                 /* how many have a share of 3 % or more */
    int missing;                 /* how many of ten the real pictures do not have */
    double distance;             /* from the nearest real picture; 1: as far as real pictures are from one another */
    double as_ordered;           /* share of pictures that look like the class that was asked for */
};
/* pictures (n,1,28,28) from -1 to 1, made for classes `ordered`; real_variety: of real pictures. Called without recording. */
struct looks looks_of(const struct nearest *real, ag_tensor pictures, const int64_t *ordered, double real_variety);

/* What the numbers of the last epoch say is going wrong, in words; "" if nothing is. */
const char *diagnosis(const struct game *game, const struct course *c, const struct looks *looks, char text[256]);

/* ---- Pictures (pictures.c) ------------------------------------------------------------------------------------------------- */

enum { SHOWN = 100 };

/* Pictures of the fixed noise of a seed, (n,1,28,28) from -1 to 1, classes in turn; number `first` is always the same one. */
ag_tensor shown(struct game *game, uint64_t seed, int64_t first, int64_t n);
/* A figure of the first hundred; NULL after an error, which has been printed. */
struct plot *plot_shown(struct game *game, const char *program, uint64_t seed, const char *title);
bool draw_balance(const struct course *c, struct plot_output *out);

#endif
