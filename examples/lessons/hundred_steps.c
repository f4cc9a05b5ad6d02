/* Gradients through 100 recurrent steps: how they vanish and explode, and what gates, clipping and initialisation change. */
#include "lesson.h"

enum { STEPS = 100, WIDTH = 16 };

struct cell {
    const char *name;
    double scale; /* of the recurrent weights, times 1 / sqrt(WIDTH) */
    bool tanh, orthogonal, gated;
};

/* A rotation in each of WIDTH / 2 planes: orthogonal, so that it changes no norm. */
static ag_tensor rotation(ag_rng *rng)
{
    double w[WIDTH * WIDTH] = { 0 }, angle[WIDTH / 2];
    ag_read(ag_uniform(AG_SHAPE(WIDTH / 2), 0, 6.28, AG_FLOAT64, rng), angle, WIDTH / 2);
    for (int i = 0; i < WIDTH; i += 2) {
        double c = cos(angle[i / 2]), s = sin(angle[i / 2]);
        w[i * WIDTH + i] = w[(i + 1) * WIDTH + i + 1] = c;
        w[i * WIDTH + i + 1] = -s;
        w[(i + 1) * WIDTH + i] = s;
    }
    return ag_from(AG_SHAPE(WIDTH, WIDTH), AG_FLOAT64, w);
}

struct outcome {
    double first, middle, weight; /* norms of the gradients of h_0, h_50 and the weights */
};

static struct outcome run(struct lesson *l, const struct cell *m)
{
    ag_scope scope = { 0 };
    ag_rng rng = ag_rng_seed((uint64_t)l->options.seed + 7);
    ag_begin(&scope);
    ag_retain_tape(false);
    ag_tensor w = lesson_leaf("w", m->orthogonal ? rotation(&rng)
                              : ag_normal(AG_SHAPE(WIDTH, WIDTH), 0, m->scale / sqrt(WIDTH), AG_FLOAT64, &rng));
    ag_tensor f = lesson_leaf("forget", ag_full(AG_SHAPE(1, WIDTH), 5, AG_FLOAT64)); /* sigmoid(5) = 0.993 */
    ag_tensor h0 = lesson_leaf("h0", ag_normal(AG_SHAPE(1, WIDTH), 0, 0.1, AG_FLOAT64, &rng)), h = h0, middle = h0;
    for (int t = 0; t < STEPS; t++) {
        ag_tensor x = ag_normal(AG_SHAPE(1, WIDTH), 0, m->tanh ? 0.1 : 0, AG_FLOAT64, &rng);
        ag_tensor z = ag_add(ag_linear(h, w, AG_NONE), x);
        z = m->tanh ? ag_tanh(z) : z;
        if (m->gated) { /* keep most of what there is, and add a little */
            ag_tensor gate = ag_sigmoid(f);
            z = ag_add(ag_mul(gate, h), ag_mul(ag_sub(ag_ones_like(gate), gate), z));
        }
        h = z;
        if (t == STEPS / 2 - 1) {
            middle = h;
            ag_retain_grad(middle);
        }
    }
    ag_backward(ag_sum(h));
    struct outcome o = { lesson_norm(ag_grad_of(h0)), lesson_norm(ag_grad_of(middle)), lesson_norm(ag_grad_of(w)) };
    printf("  %-34s at h_0 %9.2e   at h_50 %9.2e   of the weights %9.2e\n", m->name, o.first, o.middle, o.weight);
    ag_end(&scope);
    return o;
}

int main(int argc, char **argv)
{
    struct lesson l;
    int status = lesson_begin(&l, argc, argv, "lesson_hundred_steps", "A hundred factors a little below or above 1 are almost nothing or very much.");
    if (status >= 0) {
        return status;
    }
    ag_end(&l.scope);
    const struct cell small = { "wrong: weights half as large", 0.5, true, false, false }, big = { "wrong: twice as large, no tanh", 2, false, false, false },
                      bent = { "twice as large, with tanh", 2, true, false, false }, orthogonal = { "right: orthogonal weights", 1, false, true, false },
                      gated = { "right: a gate that keeps 99.3 %", 0.5, true, false, true };
    lesson_part("The norm of the gradient of the last state's sum, after 100 steps (at h_100 it is 4)");
    struct outcome vanish = run(&l, &small), explode = run(&l, &big), saturated = run(&l, &bent), even = run(&l, &orthogonal), kept = run(&l, &gated);
    lesson_claim(&l, vanish.first < 1e-20 && vanish.middle < 1e-10, "small weights: it vanishes");
    lesson_claim(&l, explode.first > 1e15, "large ones: it explodes");
    lesson_claim(&l, saturated.first < explode.first * 1e-6, "tanh saturates and holds large ones down");
    lesson_claim(&l, fabs(even.first - 4) < 1e-9, "an orthogonal matrix keeps the norm: initialisation matters");
    lesson_claim(&l, kept.first > 1e-1, "a gate keeps it, with the very weights that made it vanish");

    lesson_part("Clipping: a step of 0.1 along the exploded gradient, with and without a limit of 1 to its norm");
    double plain = 0.1 * explode.weight, clipped = 0.1 * explode.weight * fmin(1, 1 / explode.weight);
    printf("  plain: the weights would move by %.2e; clipped: by %.2e; they have norm %.1f\n", plain, clipped, 2 * sqrt(WIDTH));
    lesson_claim(&l, plain > 1e10 && fabs(clipped - 0.1) < 1e-12, "clipping keeps the direction and makes the step a step again");
    double rescued = vanish.first * fmin(1, 1 / vanish.first);
    lesson_claim(&l, rescued == vanish.first, "to what has vanished it does nothing: at h_0 there still arrives %.1e", rescued);
    return lesson_end(&l);
}
