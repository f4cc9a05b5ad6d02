/* Backward in depth-first order, without sorting: some gradients are passed on before they are complete. */
#include "lesson.h"

/* A graph of numbers of our own: each knows what it was made of, and the local derivatives. */
struct number {
    const char *name;
    double value, gradient;
    struct number *of[2];
    double slope[2];
};

/* Wrong: goes down at once, with what has arrived so far; comes again when more arrives, with all of it. */
static void depth_first(struct number *n)
{
    for (int i = 0; i < 2; i++) {
        if (n->of[i] != NULL) {
            n->of[i]->gradient += n->slope[i] * n->gradient;
            printf("  %s passes %g on to %s, which has %g now\n", n->name, n->slope[i] * n->gradient, n->of[i]->name, n->of[i]->gradient);
            depth_first(n->of[i]);
        }
    }
}

int main(int argc, char **argv)
{
    struct lesson l;
    int status = lesson_begin(&l, argc, argv, "lesson_order", "A node may pass its gradient on only when all of it has arrived.");
    if (status >= 0) {
        return status;
    }
    /* a = 2 x, b = 3 a, y = a b: so y = 12 x^2 and dy/dx = 24 x. */
    const double x0 = 1;
    struct number nx = { "x", x0, 0, { NULL, NULL }, { 0, 0 } }, na = { "a", 2 * x0, 0, { &nx, NULL }, { 2, 0 } };
    struct number nb = { "b", 3 * na.value, 0, { &na, NULL }, { 3, 0 } }, ny = { "y", na.value * nb.value, 1, { &na, &nb }, { nb.value, na.value } };
    double truth = 24 * x0;

    lesson_part("Wrong: depth first");
    depth_first(&ny);
    lesson_claim(&l, fabs(nx.gradient - truth) > 1, "x ends with %g, not %g: what a had at first went down twice", nx.gradient, truth);

    lesson_part("Right: in the order of the tape, from its end; every use of a value comes after the line that made it");
    ag_tensor x = lesson_leaf("x", ag_scalar(x0, AG_FLOAT64));
    ag_tensor a = ag_mul_scalar(x, 2);
    ag_tensor b = ag_mul_scalar(a, 3);
    ag_tensor y = ag_mul(a, b);
    lesson_page(&l, y);
    ag_tape_print(stdout);
    int64_t before = INT64_MAX;
    bool falling = true;
    int stops = 0;
    ag_stepper *s = ag_stepper_new(y, ag_backward_defaults());
    for (int64_t k = ag_stepper_node(s); k >= 0; k = ag_stepper_step(s)) {
        falling = falling && k < before;
        before = k;
        stops++;
        printf("  #%lld passes on with %g\n", (long long)k, ag_item(ag_stepper_grad(s, 0)));
    }
    ag_stepper_free(s);
    lesson_claim(&l, falling && stops == 3, "each operation was visited once, the last one first");
    lesson_claim(&l, fabs(lesson_gradient(x) - truth) < 1e-12, "x has %g", lesson_gradient(x));
    return lesson_end(&l);
}
