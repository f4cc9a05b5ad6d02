/* An in-place change that spoils what backward has saved, and the error that catches it. */
#include <string.h>

#include "lesson.h"

static char caught[1024];

static void keep(ag_error code, const char *message, void *user)
{
    (void)code, (void)user;
    snprintf(caught, sizeof caught, "%s", message);
}

int main(int argc, char **argv)
{
    struct lesson l;
    int status = lesson_begin(&l, argc, argv, "lesson_in_place", "Backward needs values as they were; a change in place would make it wrong in silence.");
    if (status >= 0) {
        return status;
    }
    const double x0 = 0.5, truth = exp(x0); /* y = e^x + 1 */
    lesson_part("Right: a new tensor. e^x keeps its result, as its derivative is that result");
    ag_tensor x = lesson_leaf("x", ag_scalar(x0, AG_FLOAT64));
    ag_tensor y = ag_add_scalar(ag_exp(x), 1);
    lesson_page(&l, y);
    ag_tape_print(stdout);
    ag_backward(y);
    lesson_claim(&l, fabs(lesson_gradient(x) - truth) < 1e-15, "dy/dx = %.6f = e^x", lesson_gradient(x));

    lesson_part("Wrong: 1 is added to the very tensor that e^x has kept");
    ag_zero_grad(x);
    ag_tensor e = ag_exp(x);
    ag_add_scalar_(e, 1);
    double unnoticed = ag_item(e); /* what the rule dx = dy y would take for e^x */
    ag_error_set_handler(keep, NULL);
    ag_backward(e);
    ag_error code = ag_error_code();
    ag_error_clear();
    ag_error_set_handler(NULL, NULL);
    printf("  the error says: %s\n", caught);
    lesson_claim(&l, code == AG_ERROR_GRAD || code == AG_ERROR_STATE, "backward refuses");
    lesson_claim(&l, strstr(caught, "in_place.c:") != NULL, "and names the lines");
    lesson_claim(&l, fabs(unnoticed - truth) > 0.5, "unnoticed, the derivative would have been %.6f", unnoticed);
    return lesson_end(&l);
}
