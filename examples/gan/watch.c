/*
 * How the game goes: what is remembered of each epoch, what the pictures are like, and what is going wrong.
 */
#include "gan.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- the course of the training ------------------------------------------------------------------------------------------- */

static void course_visit(void *object, ag_state_visitor *v)
{
    static const char *const names[MEASURES] = { "d_loss", "g_loss", "real_right", "fake_right", "d_gradient", "gradient" };
    struct course *self = object;
    for (int i = 0; i < MEASURES; i++) {
        ag_state_series(v, names[i], self->value[i], AG_FLOAT64, &self->counts[i], EPOCHS_MAX);
    }
    ag_state_series(v, "variety", self->variety, AG_FLOAT64, &self->counts[MEASURES], EPOCHS_MAX);
    ag_state_series(v, "classes", self->classes, AG_FLOAT64, &self->counts[MEASURES + 1], EPOCHS_MAX);
    ag_state_int64(v, "epochs", &self->epochs);
    ag_state_array(v, "sum", self->sum, AG_FLOAT64, AG_SHAPE(MEASURES));
    ag_state_array(v, "taken", self->taken, AG_FLOAT64, AG_SHAPE(MEASURES));
    ag_state_double(v, "real_variety", &self->real_variety);
    ag_state_int64(v, "steps", &self->steps);
}

ag_stateful course_stateful(struct course *c)
{
    static const ag_stateful_type type = { sizeof(ag_stateful_type), "course", course_visit };
    return ag_stateful_make(&type, c);
}

void course_step(struct course *c, const double measured[MEASURES])
{
    c->steps++;
    for (int i = 0; i < MEASURES; i++) {
        c->sum[i] += isnan(measured[i]) ? 0 : measured[i];
        c->taken[i] += !isnan(measured[i]);
    }
}

/* ---- the pictures ---------------------------------------------------------------------------------------------------------- */

double variety(ag_tensor pictures)
{
    int64_t n = ag_size(pictures, 0) < SHOWN ? ag_size(pictures, 0) : SHOWN;
    ag_tensor rows = ag_flatten(ag_narrow(pictures, 0, 0, n), 1, -1);
    double sum = 0;
    for (int64_t shift = 1; shift < n; shift++) {
        sum += ag_item(ag_mean(ag_norm(ag_sub(rows, ag_roll(rows, shift, 0)), 2, AG_DIMS(1), false)));
    }
    return n > 1 ? sum / (double)(n - 1) : 0;
}

struct looks looks_of(const struct nearest *real, ag_tensor pictures, const int64_t *ordered, double real_variety)
{
    enum { PER_CENT_OF_A_CLASS = 3 };
    int64_t n = ag_size(pictures, 0), labels[WATCHED] = { 0 };
    n = n < WATCHED ? n : WATCHED;
    pictures = ag_narrow(pictures, 0, 0, n);
    struct looks looks = { .variety = real_variety > 0 ? variety(pictures) / real_variety : 0 };
    double distance = nearest_classes(real, ag_mul_scalar(ag_add_scalar(pictures, 1), 0.5), labels);
    looks.distance = real->distance > 0 ? distance / real->distance : 0;
    for (int64_t i = 0; i < n; i++) {
        if (labels[i] >= 0 && labels[i] < DIGIT_CLASSES) {
            looks.share[labels[i]] += 1 / (double)n;
        }
        looks.as_ordered += (labels[i] == ordered[i]) / (double)n;
    }
    bool real_has[DIGIT_CLASSES] = { false };
    for (int64_t i = 0; i < real->n; i++) {
        real_has[real->labels[i] % DIGIT_CLASSES] = true;
    }
    for (int class = 0; class < DIGIT_CLASSES; class++) {
        looks.classes += looks.share[class] * 100 >= PER_CENT_OF_A_CLASS;
        looks.missing += !real_has[class];
    }
    return looks;
}

/* ---- what is going wrong ---------------------------------------------------------------------------------------------------- */

/* The classes with the largest shares that together make up 85 %: returns how many they are. Of ten classes that are equally
 * frequent it takes nine. */
static int main_classes(const struct looks *looks, int classes[DIGIT_CLASSES], double *sum)
{
    bool taken[DIGIT_CLASSES] = { false };
    int n = 0;
    for (*sum = 0; n < DIGIT_CLASSES && *sum < 0.85; n++) {
        int largest = -1;
        for (int class = 0; class < DIGIT_CLASSES; class++) {
            if (!taken[class] && (largest < 0 || looks->share[class] > looks->share[largest])) {
                largest = class;
            }
        }
        taken[largest] = true;
        classes[n] = largest;
        *sum += looks->share[largest];
    }
    return n;
}

/* Whether the pictures are of few classes, in words. Pictures that look like nothing yet are not judged: some real picture is
 * nearest to a blot, too. */
static bool collapsed(const struct looks *looks, char text[256])
{
    int classes[DIGIT_CLASSES];
    double sum;
    int n = main_classes(looks, classes, &sum);
    if (n > (DIGIT_CLASSES - looks->missing) / 3 || looks->distance > 1.2) {
        return false;
    }
    size_t used = (size_t)snprintf(text, 256, "the generator has collapsed to a few classes: %.0f %% of its pictures look like",
                                   100 * sum);
    for (int i = 0; i < n; i++) {
        used += (size_t)snprintf(text + used, 256 - used, "%s %d", i > 0 ? "," : "", classes[i]);
    }
    return true;
}

/* The largest mean gradient in the generator of any epoch before the last. */
static double best_gradient(const struct course *c)
{
    double best = 0;
    for (int64_t e = 0; e + 1 < c->epochs; e++) {
        best = fmax(best, c->value[GRADIENT][e]);
    }
    return best;
}

const char *diagnosis(const struct game *game, const struct course *c, const struct looks *looks, char text[256])
{
    int64_t e = c->epochs - 1;
    bool tells_apart = c->value[REAL_RIGHT][e] > 0.98 && c->value[FAKE_RIGHT][e] > 0.98 && game->loss != WASSERSTEIN;
    if (c->value[GRADIENT][e] < 0.02 * best_gradient(c)) {
        return "the generator's gradient has vanished: it is told that all is wrong, but not how to become better";
    }
    if (looks->variety < 0.35) {
        return "the pictures are nearly alike: the generator has collapsed to a few that pass";
    }
    if (collapsed(looks, text)) {
        return text;
    }
    if (tells_apart) {
        return "the discriminator is too strong: it tells nearly all pictures apart";
    }
    return "";
}
