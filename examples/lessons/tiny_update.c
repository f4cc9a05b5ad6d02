/* What an update of 1e-8 does to a weight of 1 in float32 and in float64; and one of 1e-4 in float16. */
#include "lesson.h"

enum { UPDATES = 200000 };

/* The nearest number of float16, ties to even: 11 binary digits, above 2^-14. */
static double to_half(double x)
{
    int exponent;
    double m = frexp(x, &exponent); /* 0.5 <= |m| < 1 */
    return ldexp(nearbyint(ldexp(m, 11)), exponent - 11);
}

static double weight_after(ag_dtype dtype, double update, int updates)
{
    ag_scope scope = { 0 };
    ag_begin_no_grad(&scope);
    ag_tensor w = ag_scalar(1, dtype);
    for (int i = 0; i < updates; i++) {
        ag_add_scalar_(w, update);
    }
    double result = ag_item(w);
    ag_end(&scope);
    return result;
}

int main(int argc, char **argv)
{
    struct lesson l;
    int status = lesson_begin(&l, argc, argv, "lesson_tiny_update", "A number that is too small beside another is lost when it is added, however often.");
    if (status >= 0) {
        return status;
    }
    lesson_part("1e-8 is added to a weight of 1, 200000 times: it should become 1.002");
    double single = weight_after(AG_FLOAT32, 1e-8, UPDATES), wide = weight_after(AG_FLOAT64, 1e-8, UPDATES);
    printf("  float32: %.9f (the next number after 1 is 1 + 1.2e-7)\n  float64: %.9f\n", single, wide);
    lesson_claim(&l, single == 1, "wrong: in float32 nothing has happened");
    lesson_claim(&l, fabs(wide - 1.002) < 1e-9, "right: in float64 all of it");

    lesson_part("1e-4 is added 10000 times, in float16 (rounded after each): it should become 2");
    double half = 1, master = 1;
    for (int i = 0; i < 10000; i++) {
        half = to_half(half + to_half(1e-4));
        master = (double)((float)master + 1e-4f);
    }
    printf("  float16: %.6f   float32 kept beside it, rounded to float16 at the end: %.6f\n", half, to_half(master));
    lesson_claim(&l, to_half(1.0004) == 1 && to_half(1.0006) > 1, "the next number after 1 in float16 is 1.000977: anything below half that step is lost");
    lesson_claim(&l, half == 1, "wrong: nothing has happened");
    lesson_claim(&l, fabs(to_half(master) - 2) < 2e-3, "right: weights are kept in float32 and only computed with in float16");
    return lesson_end(&l);
}
