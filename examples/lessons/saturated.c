/* A saturated sigmoid: squared error learns nothing where it is most wrong, cross-entropy does. */
#include "lesson.h"

/* Steps of descent with rate 1 until the answer is on the right side; the limit if it never is. */
static int steps_needed(double z0, bool entropy, int limit)
{
    ag_scope scope = { 0 };
    double z = z0;
    int step = 0;
    for (; step < limit && z < 0; step++) {
        ag_begin(&scope);
        ag_tensor t = lesson_leaf("z", ag_scalar(z, AG_FLOAT64)), one = ag_scalar(1, AG_FLOAT64);
        ag_backward(entropy ? ag_bce_with_logits(t, one) : ag_mse_loss(ag_sigmoid(t), one));
        z -= ag_item(ag_grad_of(t));
    }
    ag_end(&scope);
    return step;
}

int main(int argc, char **argv)
{
    struct lesson l;
    int status = lesson_begin(&l, argc, argv, "lesson_saturated", "Where a sigmoid is flat, only a loss whose slope grows with the mistake gets through.");
    if (status >= 0) {
        return status;
    }
    lesson_part("The truth is 1; z is what goes into the sigmoid: d loss / d z");
    printf("  %6s %12s %14s %14s\n", "z", "sigmoid(z)", "squared error", "cross-entropy");
    double square = 0, entropy = 0;
    for (double z = 0; z >= -12; z -= 4) {
        ag_tensor one = ag_scalar(1, AG_FLOAT64), a = lesson_leaf("z", ag_scalar(z, AG_FLOAT64)), b = lesson_leaf("z", ag_scalar(z, AG_FLOAT64));
        ag_tensor wrong = ag_mse_loss(ag_sigmoid(a), one), right = ag_bce_with_logits(b, one);
        lesson_page(&l, wrong);
        ag_backward(wrong);
        ag_backward(right);
        square = lesson_gradient(a);
        entropy = lesson_gradient(b);
        printf("  %6g %12.3e %14.3e %14.3e\n", z, 1 / (1 + exp(-z)), square, entropy);
    }
    double y = 1 / (1 + exp(12.0));
    lesson_claim(&l, fabs(square - 2 * (y - 1) * y * (1 - y)) < 1e-16, "wrong: 2 (y - 1) y (1 - y) is next to nothing where y is next to 0");
    lesson_claim(&l, fabs(entropy - (y - 1)) < 1e-12, "right: y - 1 is largest there; the sigmoid's slope has cancelled");

    lesson_part("Descent with rate 1 from z = -8, until the answer is on the right side");
    int slow = steps_needed(-8, false, 5000), fast = steps_needed(-8, true, 5000);
    lesson_claim(&l, fast < 20, "cross-entropy: %d steps", fast);
    lesson_claim(&l, slow > 50 * fast, "squared error: %d steps%s", slow, slow == 5000 ? ", and is not there yet" : "");
    return lesson_end(&l);
}
