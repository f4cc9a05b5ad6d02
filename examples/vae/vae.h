/*
 * What the parts of vae share.
 */
#ifndef EXAMPLES_VAE_H
#define EXAMPLES_VAE_H

#include <stdbool.h>
#include <stdint.h>

#include "autograd/autograd.h"
#include "data/data.h"
#include "nn/nn.h"
#include "optim/optim.h"

#include "common/options.h"
#include "common/plot.h"
#include "common/record.h"

enum { DENSE, CONV, EPOCHS_MAX = 1000 };

/* ---- The network (network.c) ------------------------------------------------------------------------------------------------ */

struct vae {
    nn_module base;
    nn_module *encoder, *mean, *logvar, *decoder;
};

struct terms {
    ag_tensor reconstruction, divergence; /* nats a picture */
};

struct vae *vae_new(const struct options *o);
/* How well pictures x (n,1,28,28), 0 to 1, are painted again, and how far the encoder's distributions are from N(0, 1). `through`:
 * gradients flow through the draw; without it the encoder never learns what the decoder needs. */
struct terms vae_terms(struct vae *vae, ag_tensor x, bool through, ag_rng *rng);
/* (n,1,28,28) -> (n, latent): the middle of each picture's distribution. */
ag_tensor vae_encode(struct vae *vae, ag_tensor x);
/* (n, latent) -> (n,1,28,28), 0 paper to 1 ink. */
ag_tensor vae_decode(struct vae *vae, ag_tensor z);

/* ---- Training (train.c) ------------------------------------------------------------------------------------------------------ */

/* Nats a picture after each epoch, of the training pictures (while the weights moved) and of the test pictures. */
struct course {
    int64_t epochs, counts[3];
    double reconstruction[EPOCHS_MAX], divergence[EPOCHS_MAX], test_reconstruction[EPOCHS_MAX], test_divergence[EPOCHS_MAX];
    double sum[2]; /* of the epoch that is running */
};

optim *vae_optimizer(const struct options *o, struct vae *vae);
/* The terms over a whole set, without recording. The noise is the same each time, so that epochs can be compared. */
void vae_judge(struct vae *vae, data_loader *loader, const struct options *o, double *reconstruction, double *divergence);
/* False after an error, which has been printed, and if the run was stopped. */
bool vae_train(struct vae *vae, const struct options *o, int epochs, data_loader *pictures, data_loader *test, ag_rng *rng,
               struct course *course, struct plot_output *out);

/* ---- Without reparameterisation (cut.c) -------------------------------------------------------------------------------------- */

/* The same network, trained for a moment with the draw cut out of the graph. */
bool cut_lesson(const struct options *o, data_set *pictures, data_loader *test, json_t *record);

/* ---- Pictures (pictures.c) --------------------------------------------------------------------------------------------------- */

/* What is to be drawn beside the rest. */
struct wishes {
    bool clothes;
    bool pngs; /* files of the user, of whatever */
    int64_t from, to; /* test pictures between which to go, -1: pairs of different classes */
};

/* A figure of what is decoded from the same points each time: the latent plane if it is one, else of N(0, 1). NULL after an error,
 * which has been printed. Called without recording. */
struct plot *plot_decoded(struct vae *vae, const struct options *o, const char *title);
/* Pictures decoded from N(0, 1), (n,1,28,28); number `first` is always the same one. */
ag_tensor vae_samples(struct vae *vae, const struct options *o, int64_t first, int64_t n);
bool draw_all(struct vae *vae, const struct options *o, struct wishes wishes, const struct course *course, data_set *test,
              struct plot_output *out);

#endif
