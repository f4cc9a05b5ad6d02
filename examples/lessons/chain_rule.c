/* The chain rule by hand against the tape: loss = (sigmoid(w x + b) - t)^2. */
#include "lesson.h"

int main(int argc, char **argv)
{
    struct lesson l;
    int status = lesson_begin(&l, argc, argv, "lesson_chain_rule", "A derivative along a chain is the product of the derivatives of its links.");
    if (status >= 0) {
        return status;
    }
    const double w0 = 0.6, x0 = 2, b0 = -0.5, t0 = 1;
    ag_tensor w = lesson_leaf("w", ag_scalar(w0, AG_FLOAT64)), b = lesson_leaf("b", ag_scalar(b0, AG_FLOAT64));
    ag_tensor x = ag_set_name(ag_scalar(x0, AG_FLOAT64), "x"), t = ag_set_name(ag_scalar(t0, AG_FLOAT64), "t");
    ag_tensor z = ag_add(ag_mul(w, x), b);
    ag_tensor y = ag_sigmoid(z);
    ag_tensor error = ag_sub(y, t);
    ag_tensor loss = ag_square(error);
    lesson_page(&l, loss);

    lesson_part("By hand, from the loss back: each line times its local derivative");
    double y1 = 1 / (1 + exp(-(w0 * x0 + b0))), e1 = y1 - t0;
    double hand[] = { 1, 2 * e1, 2 * e1, 2 * e1 * y1 * (1 - y1), 2 * e1 * y1 * (1 - y1) };
    const char *link[] = { "loss", "error: times 2 error", "y: times 1", "z = w x + b: times y (1 - y)", "w x: times 1" };
    ag_stepper *s = ag_stepper_new(loss, ag_backward_defaults());
    double worst = 0;
    for (int i = 0; i < 5; i++) {
        double arrived = i < 5 && ag_stepper_node(s) >= 0 ? ag_item(ag_stepper_grad(s, 0)) : NAN;
        printf("  %-30s by hand %10.6f   on the tape, at %-8s %10.6f\n", link[i], hand[i], ag_stepper_op(s) != NULL ? ag_stepper_op(s)->name : "-", arrived);
        worst = fmax(worst, fabs(arrived - hand[i]));
        ag_stepper_step(s);
    }
    ag_stepper_free(s);
    lesson_claim(&l, worst < 1e-15, "what arrives at each operation is the product so far (they differ by at most %.1e)", worst);
    lesson_claim(&l, fabs(lesson_gradient(w) - hand[4] * x0) < 1e-15, "right: d loss / d w = %.6f = ... times x", lesson_gradient(w));
    lesson_claim(&l, fabs(lesson_gradient(b) - hand[3]) < 1e-15, "right: d loss / d b = %.6f", lesson_gradient(b));

    lesson_part("Wrong: a link is forgotten, here the sigmoid's y (1 - y)");
    double forgotten = 2 * e1 * x0, h = 1e-6;
    double above = 1 / (1 + exp(-((w0 + h) * x0 + b0))) - t0, below = 1 / (1 + exp(-((w0 - h) * x0 + b0))) - t0;
    double measured = (above * above - below * below) / (2 * h);
    printf("  2 error x = %.6f; measured, by moving w a little: %.6f\n", forgotten, measured);
    lesson_claim(&l, fabs(measured - lesson_gradient(w)) < 1e-8, "the measurement agrees with the tape");
    lesson_claim(&l, fabs(measured - forgotten) > 0.5, "and not with the chain that lacks a link");
    return lesson_end(&l);
}
