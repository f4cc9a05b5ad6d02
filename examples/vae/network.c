/*
 * Encoder, draw and decoder.
 */
#include "vae.h"

#include "common/evaluate.h"
#include "common/generative.h"

static void vae_visit(nn_module *m, nn_visitor *v)
{
    struct vae *self = (struct vae *)m;
    nn_visit_child(v, "encoder", &self->encoder);
    nn_visit_child(v, "mean", &self->mean);
    nn_visit_child(v, "logvar", &self->logvar);
    nn_visit_child(v, "decoder", &self->decoder);
}

static const nn_module_type vae_type = {
    .size = sizeof(nn_module_type),
    .name = "VAE",
    .instance_size = sizeof(struct vae),
    .visit = vae_visit,
};

struct vae *vae_new(const struct options *o)
{
    struct vae *vae = (struct vae *)nn_module_new(&vae_type);
    int64_t features;
    if (o->net == CONV) {
        features = 64 * 7 * 7;
        vae->encoder = nn_sequential(half(1, 32), nn_relu(),   /* (32,14,14) */
                                     half(32, 64), nn_relu(),  /* (64,7,7) */
                                     nn_flatten());            /* (3136) */
        vae->decoder = nn_sequential(nn_linear(o->latent, features), nn_relu(),
                                     nn_unflatten(1, AG_SHAPE(64, 7, 7)),
                                     twice(64, 32), nn_relu(), /* (32,14,14) */
                                     twice(32, 1));            /* (1,28,28) */
    } else {
        features = 400;
        vae->encoder = nn_sequential(nn_flatten(), nn_linear(DIGIT_PIXELS, features), nn_relu());
        vae->decoder = nn_sequential(nn_linear(o->latent, features), nn_relu(),
                                     nn_linear(features, DIGIT_PIXELS),
                                     nn_unflatten(1, AG_SHAPE(1, DIGIT_SIDE, DIGIT_SIDE)));
    }
    vae->mean = nn_linear(features, o->latent);
    vae->logvar = nn_linear(features, o->latent);
    return vae;
}

struct terms vae_terms(struct vae *vae, ag_tensor x, bool through, ag_rng *rng)
{
    ag_tensor features = nn_forward(vae->encoder, x);
    ag_tensor mean = nn_forward(vae->mean, features), logvar = nn_forward(vae->logvar, features);
    nn_normal q = nn_normal_of_logvar(mean, logvar);
    ag_tensor z = through ? nn_normal_rsample(q, rng)  /* mean + deviation · noise */
                          : nn_normal_sample(q, rng);  /* the same numbers, without a history */
    ag_tensor logits = nn_forward(vae->decoder, z);
    double share = 1.0 / (double)ag_size(x, 0);
    return (struct terms){
        ag_mul_scalar(ag_bce_with_logits_with(logits, x, AG_REDUCE_SUM), share),
        ag_mul_scalar(ag_sum(nn_normal_kl_standard(mean, logvar)), share),
    };
}

ag_tensor vae_encode(struct vae *vae, ag_tensor x)
{
    return nn_forward(vae->mean, nn_forward(vae->encoder, x));
}

ag_tensor vae_decode(struct vae *vae, ag_tensor z)
{
    return ag_sigmoid(nn_forward(vae->decoder, z));
}
