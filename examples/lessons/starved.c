/* A discriminator that is too strong starves the generator, unless the generator's loss is turned round. */
#include "lesson.h"

#include "nn/nn.h"
#include "optim/optim.h"

enum { BATCH = 256 };

/* Norms of d loss / d fake for the two losses of the generator. */
static void generator_gradients(nn_module *d, ag_tensor fakes, double *minimax, double *turned)
{
    for (int way = 0; way < 2; way++) {
        ag_scope scope = { 0 };
        ag_begin(&scope);
        ag_retain_tape(false);
        ag_tensor fake = lesson_leaf("fake", ag_add_scalar(fakes, 0)), score = nn_forward(d, fake);
        /* minimise log(1 - D(fake)), or -log D(fake) */
        ag_tensor loss = way == 0 ? ag_mean(ag_logsigmoid(ag_neg(score))) : ag_neg(ag_mean(ag_logsigmoid(score)));
        ag_backward(loss);
        *(way == 0 ? minimax : turned) = lesson_norm(ag_grad_of(fake)) * sqrt(BATCH);
        ag_end(&scope);
    }
}

int main(int argc, char **argv)
{
    struct lesson l;
    int status = lesson_begin(&l, argc, argv, "lesson_starved", "A judge who is always sure gives no hint how to do better.");
    if (status >= 0) {
        return status;
    }
    nn_module *d = nn_sequential(nn_linear(1, 32), nn_tanh(), nn_linear(32, 1));
    nn_init(d, &l.rng);
    optim_adam_config adam = optim_adam_defaults();
    adam.lr = 0.02;
    optim *opt = optim_adam(nn_parameters(d), adam);
    ag_tensor fakes = AG_NONE;
    ag_keep(&fakes, ag_normal(AG_SHAPE(BATCH, 1), -2, 0.5, AG_FLOAT32, &l.rng));
    ag_end(&l.scope);

    lesson_part("True numbers lie around 2, fakes around -2. The gradient that reaches the fakes, per fake");
    printf("  %22s %12s %24s %22s\n", "discriminator's steps", "its loss", "wrong: log(1 - D(fake))", "right: -log D(fake)");
    double minimax[4], turned[4], loss_now = NAN;
    const int stops[] = { 0, 20, 100, 400 };
    int step = 0;
    ag_scope scope = { 0 };
    for (int k = 0; k < 4; k++) {
        for (; step <= stops[k]; step++) {
            ag_begin(&scope);
            ag_retain_tape(false);
            ag_tensor real = ag_normal(AG_SHAPE(BATCH, 1), 2, 0.5, AG_FLOAT32, &l.rng);
            ag_tensor loss = ag_sub(ag_neg(ag_mean(ag_logsigmoid(nn_forward(d, real)))), ag_mean(ag_logsigmoid(ag_neg(nn_forward(d, fakes)))));
            loss_now = ag_item(loss);
            if (step < stops[k]) {
                optim_zero_grad(opt);
                ag_backward(loss);
                optim_step(opt);
            } else {
                break;
            }
        }
        ag_end(&scope);
        generator_gradients(d, fakes, &minimax[k], &turned[k]);
        printf("  %22d %12.2e %24.3e %22.3e\n", stops[k], loss_now, minimax[k], turned[k]);
    }
    lesson_claim(&l, loss_now < 0.01, "the discriminator has become sure: its loss is %.1e", loss_now);
    double share[4];
    for (int k = 0; k < 4; k++) {
        share[k] = minimax[k] / turned[k]; /* for one fake it is D / (1 - D): how much the judge doubts */
    }
    lesson_claim(&l, share[0] > share[1] && share[1] > share[2] && share[2] > share[3] && share[3] < 0.01,
                 "wrong: the surer it is, the less arrives; at last %.4f of what the other loss sends", share[3]);
    lesson_claim(&l, turned[3] > turned[1], "right: with the loss turned round the gradient grows with the judge's skill");
    optim_free(opt);
    nn_free(d);
    ag_drop(&fakes);
    return lesson_end(&l);
}
