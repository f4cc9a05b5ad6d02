/* A tensor that is used twice: its gradients add up. */
#include "lesson.h"

int main(int argc, char **argv)
{
    struct lesson l;
    int status = lesson_begin(&l, argc, argv, "lesson_twice", "What is used twice is to blame twice: gradients add up.");
    if (status >= 0) {
        return status;
    }
    const double x0 = 1.5;
    ag_tensor x = lesson_leaf("x", ag_scalar(x0, AG_FLOAT64));
    ag_tensor y = ag_add(ag_square(x), ag_sin(x)); /* x^2 + sin x */
    lesson_page(&l, y);

    lesson_part("What each use contributes to x, stop by stop");
    double last = 0, sum = 0;
    ag_stepper *s = ag_stepper_new(y, ag_backward_defaults());
    while (ag_stepper_node(s) >= 0) {
        if (ag_stepper_op(s)->inputs == 1) {
            last = ag_item(ag_stepper_contribution(s, 0));
            sum += last;
            printf("  %-8s contributes %10.6f, together %10.6f\n", ag_stepper_op(s)->name, last, sum);
        }
        ag_stepper_step(s);
    }
    ag_stepper_free(s);
    double truth = 2 * x0 + cos(x0);
    lesson_part("Right: added up");
    lesson_claim(&l, fabs(lesson_gradient(x) - truth) < 1e-15, "the tape has %.6f, and 2 x + cos x is %.6f", lesson_gradient(x), truth);
    lesson_part("Wrong: the last one written over the others, as grad = ... instead of grad += ... would");
    lesson_claim(&l, fabs(last - truth) > 0.01, "it is %.6f, the derivative of one of the two terms alone", last);
    return lesson_end(&l);
}
