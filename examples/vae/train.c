/*
 * The training loop.
 */
#include "vae.h"

#include <math.h>
#include <stdio.h>

#include "common/generative.h"
#include "common/progress.h"
#include "common/saving.h"

static void course_visit(void *object, ag_state_visitor *v)
{
    struct course *self = object;
    ag_state_series(v, "reconstruction", self->reconstruction, AG_FLOAT64, &self->epochs, EPOCHS_MAX);
    ag_state_series(v, "divergence", self->divergence, AG_FLOAT64, &self->counts[0], EPOCHS_MAX);
    ag_state_series(v, "test_reconstruction", self->test_reconstruction, AG_FLOAT64, &self->counts[1], EPOCHS_MAX);
    ag_state_series(v, "test_divergence", self->test_divergence, AG_FLOAT64, &self->counts[2], EPOCHS_MAX);
    ag_state_array(v, "sum", self->sum, AG_FLOAT64, AG_SHAPE(2));
}

static const ag_stateful_type course_type = { sizeof(ag_stateful_type), "course", course_visit };

optim *vae_optimizer(const struct options *o, struct vae *vae)
{
    optim_adam_config adam = optim_adam_defaults();
    adam.lr = o->lr;
    return optim_adam(nn_parameters(&vae->base), adam);
}

void vae_judge(struct vae *vae, data_loader *loader, const struct options *o, double *reconstruction, double *divergence)
{
    ag_rng rng = ag_rng_seed((uint64_t)o->seed + 1000);
    ag_scope scope = { 0 };
    data_batch batch;
    double sum[2] = { 0, 0 };
    nn_eval(&vae->base);
    data_loader_rewind(loader);
    while (data_loader_next(loader, &batch)) {
        ag_begin_no_grad(&scope);
        struct terms t = vae_terms(vae, batch.x, true, &rng);
        sum[0] += ag_item(t.reconstruction) * (double)batch.n;
        sum[1] += ag_item(t.divergence) * (double)batch.n;
    }
    ag_end(&scope);
    nn_train(&vae->base);
    *reconstruction = sum[0] / (double)data_loader_samples(loader);
    *divergence = sum[1] / (double)data_loader_samples(loader);
}

/* One pass over the pictures. False if the loss is no number, after an error, and if the run was stopped. */
static bool train_epoch(struct vae *vae, optim *opt, const struct options *o, data_loader *pictures, ag_rng *rng,
                        struct course *course, struct saving *saving)
{
    ag_scope step = { 0 };
    data_batch batch;
    bool good = true;
    data_loader_rewind(pictures);
    while (good && data_loader_next(pictures, &batch)) {
        ag_begin(&step);
        struct terms t = vae_terms(vae, batch.x, true, rng);
        ag_tensor loss = ag_add(t.reconstruction, ag_mul_scalar(t.divergence, o->beta));
        optim_zero_grad(opt);
        ag_backward(loss);
        double gradient = optim_clip_grad_norm(opt, INFINITY); /* nothing is clipped: it returns the length */
        if (ag_exit_status() != 0) {
            break;
        }
        good = generative_finite(saving, "", ag_item(loss), gradient, course->epochs + 1, batch.index + 1);
        if (good) {
            optim_step(opt);
            course->sum[0] += ag_item(t.reconstruction) * (double)batch.n;
            course->sum[1] += ag_item(t.divergence) * (double)batch.n;
            good = !saving_step(saving);
        }
    }
    ag_end(&step);
    return good && ag_exit_status() == 0;
}

/* Judges the epoch that is over, and prints a line. False if the test loss is no number: the weights are not worth saving. */
static bool end_epoch(struct vae *vae, const struct options *o, data_loader *pictures, data_loader *test, struct course *course,
                      struct saving *saving, double begun)
{
    int64_t e = course->epochs;
    double samples = (double)data_loader_samples(pictures);
    course->reconstruction[e] = course->sum[0] / samples;
    course->divergence[e] = course->sum[1] / samples;
    vae_judge(vae, test, o, &course->test_reconstruction[e], &course->test_divergence[e]);
    double both = course->test_reconstruction[e] + course->test_divergence[e];
    if (ag_exit_status() != 0 || !generative_test_finite(saving, both, e + 1)) {
        return false;
    }
    printf("%5lld   %14.2f   %10.2f   %8.2f + %6.2f = %7.2f   %.1f s\n", (long long)e + 1, course->reconstruction[e],
           course->divergence[e], course->test_reconstruction[e], course->test_divergence[e], both, progress_clock() - begun);
    fflush(stdout);
    course->sum[0] = course->sum[1] = 0;
    course->epochs++;
    course->counts[0] = course->counts[1] = course->counts[2] = course->epochs;
    return true;
}

static bool add_frame(struct vae *vae, const struct options *o, int64_t epochs, struct plot_animation *animation)
{
    ag_scope scope = { 0 };
    char title[64];
    snprintf(title, sizeof title, "After %lld epoch%s", (long long)epochs, epochs == 1 ? "" : "s");
    ag_begin_no_grad(&scope);
    nn_eval(&vae->base);
    struct plot *p = plot_decoded(vae, o, title);
    nn_train(&vae->base);
    ag_end(&scope);
    bool good = p != NULL && plot_animation_add(animation, p, o->latent == 2 ? 0.6 : 1);
    plot_free(p);
    return good;
}

bool vae_train(struct vae *vae, const struct options *o, int epochs, data_loader *pictures, data_loader *test, ag_rng *rng,
               struct course *course, struct plot_output *out)
{
    optim *opt = vae_optimizer(o, vae);
    struct saving saving;
    bool good = saving_begin(&saving, o);
    saving_add(&saving, "model", nn_stateful(&vae->base));
    saving_add(&saving, "optimizer", optim_stateful(opt));
    saving_add(&saving, "digits", data_loader_stateful(pictures));
    saving_add(&saving, "noise", ag_stateful_rng(rng));
    saving_add(&saving, "course", ag_stateful_make(&course_type, course));
    good = good && generative_resume(&saving);
    struct plot_animation animation = { 0 };
    if (good && course->epochs < epochs) {
        good = plot_animation_begin(&animation, out, "growing", 400);
        printf("epoch   reconstruction   divergence   both, on test pictures   (nats a picture)\n");
    }
    while (good && course->epochs < epochs) {
        double begun = progress_clock();
        good = train_epoch(vae, opt, o, pictures, rng, course, &saving) &&
               end_epoch(vae, o, pictures, test, course, &saving, begun) && add_frame(vae, o, course->epochs, &animation) &&
               !saving_epoch(&saving);
    }
    saving_end(&saving);
    bool written = animation.out == NULL || plot_animation_end(&animation, 3000);
    optim_free(opt);
    return good && written && ag_exit_status() == 0;
}
