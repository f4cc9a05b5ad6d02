/* Sampling cuts the graph; writing the sample as mean + std noise does not. */
#include "lesson.h"

enum { SAMPLES = 40000 };

int main(int argc, char **argv)
{
    struct lesson l;
    int status = lesson_begin(&l, argc, argv, "lesson_reparameterise", "A random number has no derivative by its mean, unless it is written as mean + std noise.");
    if (status >= 0) {
        return status;
    }
    /* The mean of z^2 over z ~ N(mean, std) is mean^2 + std^2: its derivatives are 2 mean and 2 std. */
    const double mean0 = 0.8, std0 = 0.5;
    ag_tensor mean = lesson_leaf("mean", ag_scalar(mean0, AG_FLOAT64)), std = lesson_leaf("std", ag_scalar(std0, AG_FLOAT64));

    lesson_part("Wrong: z is drawn with that mean and that deviation");
    ag_tensor drawn = ag_normal(AG_SHAPE(SAMPLES), ag_item(mean), ag_item(std), AG_FLOAT64, &l.rng);
    ag_tensor cut = ag_mean(ag_square(drawn));
    ag_explanation none = ag_explain(stdout, cut, mean, ag_explain_defaults());
    lesson_claim(&l, !none.reached, "the loss is %.4f, but no way leads from it to the mean", ag_item(cut));

    lesson_part("Right: noise is drawn, z = mean + std noise");
    ag_tensor noise = ag_set_name(ag_normal(AG_SHAPE(SAMPLES), 0, 1, AG_FLOAT64, &l.rng), "noise");
    ag_tensor z = ag_add(mean, ag_mul(std, noise));
    ag_tensor loss = ag_mean(ag_square(z));
    lesson_page(&l, loss);
    ag_tape_print(stdout);
    ag_backward(loss);
    /* Five deviations of the estimates: they are means of 2 z, and of 2 z noise. */
    double error = 5 * 2 * std0 / sqrt(SAMPLES), other = 5 * sqrt(8 * std0 * std0 + 4 * mean0 * mean0) / sqrt(SAMPLES);
    lesson_claim(&l, fabs(lesson_gradient(mean) - 2 * mean0) < error, "by the mean: %.4f; 2 mean is %.4f", lesson_gradient(mean), 2 * mean0);
    lesson_claim(&l, fabs(lesson_gradient(std) - 2 * std0) < other, "by the deviation: %.4f; 2 std is %.4f", lesson_gradient(std), 2 * std0);
    return lesson_end(&l);
}
