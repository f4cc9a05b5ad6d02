/*
 * What happens without reparameterisation.
 */
#include "vae.h"

#include <math.h>
#include <stdio.h>

/* The gradient that the reconstruction alone sends into the encoder. */
static double encoder_gradient(struct vae *vae, ag_tensor x, bool through)
{
    ag_rng rng = ag_rng_seed(1);
    ag_scope scope = { 0 };
    double square = 0;
    ag_begin(&scope);
    ag_backward(vae_terms(vae, x, through, &rng).reconstruction);
    ag_list *parameters = nn_parameters(vae->encoder);
    for (int64_t i = 0; i < ag_list_count(parameters); i++) {
        ag_tensor g = ag_grad_of(ag_list_tensor(parameters, i));
        square += ag_is_none(g) ? 0 : ag_item(ag_sum(ag_square(g)));
    }
    ag_list_free(parameters);
    ag_list *all = nn_parameters(&vae->base);
    for (int64_t i = 0; i < ag_list_count(all); i++) {
        ag_zero_grad(ag_list_tensor(all, i));
    }
    ag_list_free(all);
    ag_end(&scope);
    return sqrt(square);
}

bool cut_lesson(const struct options *o, data_set *pictures, data_loader *test, json_t *record)
{
    double reconstruction[2] = { 0, 0 }, divergence[2] = { 0, 0 }, gradient[2] = { 0, 0 };
    int64_t steps = 150;
    printf("\nThe same network, the first %lld steps, with and without gradients through the draw:\n\n", (long long)steps);
    printf("                         gradient in the encoder   reconstruction   divergence\n");
    for (int through = 1; through >= 0; through--) {
        ag_rng rng = ag_rng_seed((uint64_t)o->seed);
        struct vae *vae = vae_new(o);
        nn_init(&vae->base, &rng);
        data_loader_config batches = data_loader_defaults();
        batches.batch = o->batch;
        batches.shuffle = true;
        data_loader *loader = data_loader_new(data_set_share(pictures), batches, &rng);
        optim *opt = vae_optimizer(o, vae);
        ag_scope step = { 0 };
        data_batch batch;
        for (int64_t i = 0; i < steps && ag_exit_status() == 0; i++) {
            if (!data_loader_next(loader, &batch)) {
                data_loader_rewind(loader);
                continue;
            }
            if (i == 0) {
                gradient[through] = encoder_gradient(vae, batch.x, through != 0);
            }
            ag_begin(&step);
            struct terms t = vae_terms(vae, batch.x, through != 0, &rng);
            optim_zero_grad(opt);
            ag_backward(ag_add(t.reconstruction, ag_mul_scalar(t.divergence, o->beta)));
            optim_step(opt);
        }
        ag_end(&step);
        vae_judge(vae, test, o, &reconstruction[through], &divergence[through]);
        printf("  %-22s %24.3g   %14.2f   %10.2f\n", through ? "through the draw" : "draw cut from the graph", gradient[through],
               reconstruction[through], divergence[through]);
        optim_free(opt);
        data_loader_free(loader);
        nn_free(&vae->base);
    }
    printf("\nCut off, the encoder hears of the divergence alone and makes all pictures alike: the decoder gets noise, and paints\n"
           "the average of all of them.\n");
    json_object_set_new(record, "gradient_through_draw", record_number(gradient[1]));
    json_object_set_new(record, "gradient_without", record_number(gradient[0]));
    json_object_set_new(record, "reconstruction_through_draw", record_number(reconstruction[1]));
    json_object_set_new(record, "reconstruction_without", record_number(reconstruction[0]));
    return ag_exit_status() == 0;
}
