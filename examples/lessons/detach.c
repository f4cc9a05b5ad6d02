/* detach in the step of a GAN: the discriminator's loss must not reach the generator. */
#include "lesson.h"

int main(int argc, char **argv)
{
    struct lesson l;
    int status = lesson_begin(&l, argc, argv, "lesson_detach", "The discriminator learns from fakes, but may not tell the generator how to make worse ones.");
    if (status >= 0) {
        return status;
    }
    ag_tensor noise = ag_normal(AG_SHAPE(16, 2), 0, 1, AG_FLOAT64, &l.rng), real = ag_normal(AG_SHAPE(16, 1), 3, 1, AG_FLOAT64, &l.rng);
    ag_tensor g = lesson_leaf("generator", ag_normal(AG_SHAPE(1, 2), 0, 1, AG_FLOAT64, &l.rng));
    ag_tensor d = lesson_leaf("discriminator", ag_full(AG_SHAPE(1, 1), 0.5, AG_FLOAT64));
    ag_tensor ones = ag_ones(AG_SHAPE(16, 1), AG_FLOAT64), zeros = ag_zeros(AG_SHAPE(16, 1), AG_FLOAT64);
    double gradient_d[2], gradient_g[2];
    int64_t length[2];
    ag_scope inner = { 0 };
    for (int detached = 0; detached < 2; detached++) {
        lesson_part(detached ? "Right: D(detach(fake))" : "Wrong: D(fake)");
        ag_begin(&inner);
        ag_zero_grad(g);
        ag_zero_grad(d);
        ag_tensor fake = ag_linear(noise, g, AG_NONE);
        ag_tensor seen = detached ? ag_detach(fake) : fake;
        ag_tensor loss = ag_add(ag_bce_with_logits(ag_linear(real, d, AG_NONE), ones), ag_bce_with_logits(ag_linear(seen, d, AG_NONE), zeros));
        ag_explain(detached ? stdout : NULL, loss, g, ag_explain_defaults());
        if (!detached) {
            lesson_page(&l, loss);
        }
        ag_backward(loss);
        gradient_d[detached] = lesson_norm(ag_grad_of(d));
        gradient_g[detached] = lesson_norm(ag_grad_of(g));
        length[detached] = ag_tape_length();
        printf("  norm of the discriminator's gradient %.6f, of the generator's %.6f\n", gradient_d[detached], gradient_g[detached]);
    }
    ag_end(&inner);
    lesson_part("Side by side");
    lesson_claim(&l, gradient_d[0] == gradient_d[1], "the discriminator learns the same, to the last bit");
    lesson_claim(&l, gradient_g[0] > 0.01, "without detach, the generator has a gradient towards fakes that are easier to tell");
    lesson_claim(&l, gradient_g[1] == 0, "with detach it has none");
    lesson_claim(&l, length[0] == length[1], "the tape is as long: what detach saves is the way back");
    return lesson_end(&l);
}
