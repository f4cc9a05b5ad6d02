/* Forgetting zero_grad: each step follows the sum of all gradients so far. */
#include "lesson.h"

/* Fits y = w x to points of y = 3 x; the squared error after some steps. */
static double fit(bool zeroed, int steps)
{
    const double xs[] = { -1, 0.5, 2 }, ys[] = { -3, 1.5, 6 };
    ag_scope scope = { 0 };
    ag_tensor w = AG_NONE;
    ag_begin(&scope);
    ag_keep(&w, ag_scalar(0, AG_FLOAT64));
    ag_set_requires_grad(w, true);
    double loss_now = NAN;
    for (int step = 0; step < steps; step++) {
        ag_begin(&scope);
        ag_tensor loss = ag_mse_loss(ag_mul(w, ag_from(AG_SHAPE(3), AG_FLOAT64, xs)), ag_from(AG_SHAPE(3), AG_FLOAT64, ys));
        if (zeroed) {
            ag_zero_grad(w);
        }
        ag_backward(loss);
        double next = ag_item(w) - 0.1 * ag_item(ag_grad_of(w));
        ag_write(w, &next, 1);
        loss_now = ag_item(loss);
        if (step < 3 || step % 20 == 19) {
            printf("  step %3d: gradient %9.4f, w %8.4f, loss %.2e\n", step + 1, ag_item(ag_grad_of(w)), next, loss_now);
        }
    }
    ag_end(&scope);
    ag_drop(&w);
    return loss_now;
}

int main(int argc, char **argv)
{
    struct lesson l;
    int status = lesson_begin(&l, argc, argv, "lesson_zero_grad", "Backward adds to a leaf's gradient; a new step has to forget the old one.");
    if (status >= 0) {
        return status;
    }
    ag_tensor x = lesson_leaf("x", ag_scalar(2, AG_FLOAT64));
    lesson_part("Two backwards through x^2 at 2, where the derivative is 4");
    lesson_page(&l, ag_square(x));
    ag_backward(ag_square(x));
    double once = lesson_gradient(x);
    ag_backward(ag_square(x));
    double twice = lesson_gradient(x);
    ag_zero_grad(x);
    ag_backward(ag_square(x));
    lesson_claim(&l, once == 4 && twice == 8, "the second one added to the first: %g, then %g", once, twice);
    lesson_claim(&l, lesson_gradient(x) == 4, "after zeroing it is %g again", lesson_gradient(x));
    ag_end(&l.scope);

    lesson_part("Right: a line is fitted, the gradient zeroed in each step");
    double right = fit(true, 100);
    lesson_part("Wrong: the same without zeroing. The sum of all gradients is a speed that nothing brakes: w swings to and fro");
    double wrong = fit(false, 100);
    lesson_claim(&l, right < 1e-12, "with zeroing the loss ends at %.1e", right);
    lesson_claim(&l, wrong > 1e-2, "without, at %.1e", wrong);
    return lesson_end(&l);
}
