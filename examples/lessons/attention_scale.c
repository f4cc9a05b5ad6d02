/* Why attention scores are divided by the square root of d. */
#include "lesson.h"

enum { KEYS = 64, QUERIES = 256 };

struct outcome {
    double deviation, largest;
    double gradient; /* norm for one query's scores; the median over queries */
};

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median_of_rows(ag_tensor t)
{
    double norm[QUERIES];
    ag_read(ag_norm(ag_detach(t), 2, AG_DIMS(1), false), norm, QUERIES);
    qsort(norm, QUERIES, sizeof norm[0], ascending);
    return norm[QUERIES / 2];
}

/* Scores of random queries and keys; how sure their softmax is; what comes back through it. */
static struct outcome attend(struct lesson *l, int64_t d, bool divided)
{
    ag_scope scope = { 0 };
    ag_rng rng = ag_rng_seed((uint64_t)l->options.seed + (uint64_t)d), same = ag_rng_seed((uint64_t)l->options.seed);
    ag_begin(&scope);
    ag_tensor q = lesson_leaf("q", ag_normal(AG_SHAPE(QUERIES, d), 0, 1, AG_FLOAT64, &rng)), k = ag_normal(AG_SHAPE(KEYS, d), 0, 1, AG_FLOAT64, &rng);
    ag_tensor v = ag_normal(AG_SHAPE(KEYS, 1), 0, 1, AG_FLOAT64, &same);
    ag_tensor scores = lesson_leaf("scores", ag_mul_scalar(ag_detach(ag_matmul(q, ag_transpose(k, 0, 1))), divided ? 1 / sqrt((double)d) : 1));
    ag_tensor weights = ag_softmax(scores, 1);
    ag_tensor y = ag_matmul(weights, v);
    ag_backward(ag_sum(y));
    struct outcome o = { lesson_norm(scores) / sqrt(KEYS * QUERIES), ag_item(ag_mean(ag_amax(ag_detach(weights), AG_DIMS(1), false))),
                         median_of_rows(ag_grad_of(scores)) };
    printf("  d = %5lld   deviation %8.3f   largest weight %6.3f   gradient of a query's scores %9.2e\n", (long long)d, o.deviation, o.largest, o.gradient);
    ag_end(&scope);
    return o;
}

int main(int argc, char **argv)
{
    struct lesson l;
    int status = lesson_begin(&l, argc, argv, "lesson_attention_scale", "A scalar product of d random numbers has deviation sqrt(d), and a softmax of such numbers is a maximum.");
    if (status >= 0) {
        return status;
    }
    ag_end(&l.scope);
    ag_retain_tape(false);
    const int64_t sizes[] = { 4, 64, 1024, 4096 };
    struct outcome plain[4], scaled[4];
    lesson_part("Wrong: softmax(q k), over 64 keys");
    for (int i = 0; i < 4; i++) {
        plain[i] = attend(&l, sizes[i], false);
    }
    lesson_part("Right: softmax(q k / sqrt(d))");
    for (int i = 0; i < 4; i++) {
        scaled[i] = attend(&l, sizes[i], true);
    }
    lesson_claim(&l, fabs(plain[3].deviation / 64 - 1) < 0.1, "the scores' deviation at d = 4096 is %.1f, near sqrt(d) = 64", plain[3].deviation);
    lesson_claim(&l, plain[3].largest > 0.9 && scaled[3].largest < 0.25, "the largest of 64 weights is %.2f, and %.2f when divided", plain[3].largest, scaled[3].largest);
    lesson_claim(&l, fabs(scaled[3].gradient / scaled[1].gradient - 1) < 0.25, "divided, what comes back does not depend on d");
    lesson_claim(&l, plain[3].gradient < 0.1 * scaled[3].gradient, "undivided it is %.1e of that: the softmax has saturated", plain[3].gradient / scaled[3].gradient);
    return lesson_end(&l);
}
