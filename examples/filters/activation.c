/*
 * Part 5: where did it look? Class activation maps, and whether they tell the truth.
 */
#include "filters.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 50 };

/* Class activation maps of one digit for one class, from the last convolution's 64 maps A.
 *
 * CAM (Zhou et al. 2016): the linear layer's weights w of the class tell how much each map speaks for it, so sum w A is a map
 * of where it is spoken for. This needs a network that ends as ours does.
 * Grad-CAM (Selvaraju et al. 2017) works for any network: the weight of a map is the mean of d score / d A over all places; what
 * speaks against the class is dropped. For our network that is w / 49, so both maps must agree. */
struct activation {
    float heat[BATCH][DIGIT_PIXELS]; /* Grad-CAM of each, enlarged, 1 at the hottest place */
    double cam_difference;           /* largest difference of Grad-CAM before the ReLU and CAM / 49 */
    double sum_difference;           /* of CAM's mean plus the bias and the score */
};

/* Of n digits at once, n at most BATCH, each for its class. */
static void class_activation(nn_module *net, int64_t n, const float *digits, const int64_t *classes,
                             struct activation *out)
{
    ag_scope scope = { 0 };
    ag_begin(&scope);
    ag_tensor x = ag_from(AG_SHAPE(n, 1, DIGIT_SIDE, DIGIT_SIDE), AG_FLOAT32, digits);
    ag_tensor chosen =
        ag_one_hot(ag_from(AG_SHAPE(n), AG_INT64, classes), DIGIT_CLASSES, AG_FLOAT32); /* (n, 10) */
    ag_tensor maps = nn_forward(nn_sequential_child(net, 0), x);      /* (n, 64, 7, 7) */
    ag_tensor scores = nn_forward(nn_sequential_child(net, 1), maps); /* (n, 10) */
    ag_tensor score = ag_sum_dims(ag_mul(scores, chosen), AG_DIMS(1), false); /* (n) */

    /* How each score changes with each number of its maps: no digit's score depends on another's maps, so that the slope of the
     * sum has them all. (n, 64, 7, 7) */
    ag_tensor slope = AG_NONE;
    ag_grad(ag_sum(score), 1, &maps, &slope, ag_backward_defaults());
    ag_tensor speaks = ag_mean_dims(slope, AG_DIMS(2, 3), true); /* (n, 64, 1, 1) */
    ag_tensor grad_cam = ag_sum_dims(ag_mul(speaks, maps), AG_DIMS(1), true);

    ag_list *parameters = nn_parameters(net);
    ag_tensor weight = ag_matmul(chosen, ag_list_find(parameters, "1.2.weight")); /* (n, 64) */
    ag_tensor bias = ag_sum_dims(ag_mul(chosen, ag_list_find(parameters, "1.2.bias")), AG_DIMS(1), false);
    ag_list_free(parameters);
    ag_tensor cam = ag_sum_dims(ag_mul(ag_reshape(weight, AG_SHAPE(n, MAPS_3, 1, 1)), maps), AG_DIMS(1), true);
    out->cam_difference = difference(ag_mul_scalar(cam, 1.0 / (CAM_SIDE * CAM_SIDE)), grad_cam);
    out->sum_difference =
        difference(ag_add(ag_reshape(ag_mean_dims(cam, AG_DIMS(1, 2, 3), false), AG_SHAPE(n)), bias), score);

    ag_interpolate_config larger = ag_interpolate_defaults();
    larger.size[0] = larger.size[1] = DIGIT_SIDE;
    larger.mode = AG_LINEAR;
    ag_read(ag_contiguous(ag_relu(ag_interpolate(grad_cam, larger))), out->heat, n * DIGIT_PIXELS);
    ag_end(&scope);
    for (int64_t i = 0; i < n; i++) {
        float most = 0;
        for (int k = 0; k < DIGIT_PIXELS; k++) {
            most = fmaxf(most, out->heat[i][k]);
        }
        for (int k = 0; k < DIGIT_PIXELS && most > 0; k++) {
            out->heat[i][k] /= most;
        }
    }
}

/* The digit in ink, on paper that is warm where the network looked. */
static void add_overlay(struct tiles *t, const float *digit, const float *heat)
{
    float *pixels = tiles_add(t, DIGIT_SIDE, DIGIT_SIDE, 3);
    for (int i = 0; pixels != NULL && i < DIGIT_PIXELS; i++) {
        float rgb[3];
        tiles_tint((double)heat[i], rgb);
        for (int c = 0; c < 3; c++) {
            pixels[c * DIGIT_PIXELS + i] = rgb[c] * (1 - 0.75F * digit[i]);
        }
    }
}

/* For the first test digit of each class that was read correctly; and for the surest mistakes, once for what it was read as and
 * once for what it is. */
static bool draw_activations(struct lesson *l, nn_module *net, const float *examples,
                             const bool *have, const struct evaluation *e)
{
    enum { MISTAKES_DRAWN = 6 };
    struct plot *p = plot_new("Where the network looked");
    struct tiles tiles = { 0 };
    static struct activation a;
    for (int64_t class = 0; class < DIGIT_CLASSES; class ++) {
        if (have[class]) {
            const float *digit = examples + class * DIGIT_PIXELS;
            class_activation(net, 1, digit, &class, &a);
            add_overlay(&tiles, digit, a.heat[0]);
            snprintf(tiles_last(&tiles)->left, PLOT_TEXT, "for %lld", (long long)class);
        }
    }
    if (tiles.count > 0) {
        tiles_put(&tiles, p, "what speaks for the digit, in digits read correctly", 5, 110);
    }
    for (int i = 0; i < e->mistakes && i < MISTAKES_DRAWN; i++) {
        const struct mistake *m = &e->worst[i];
        const int64_t classes[2] = { m->guess, m->truth };
        for (int k = 0; k < 2; k++) {
            class_activation(net, 1, m->pixels, &classes[k], &a);
            add_overlay(&tiles, m->pixels, a.heat[0]);
            snprintf(tiles_last(&tiles)->left, PLOT_TEXT, "for %lld, as %s", (long long)classes[k],
                     k == 0 ? "read" : "it is");
        }
    }
    if (tiles.count > 0) {
        tiles_put(&tiles, p, "mistakes: what speaks for the wrong digit, and for the right one", 6,
                  92);
    }
    p->columns = 1;
    snprintf(p->note, sizeof p->note,
             "Grad-CAM of the third layer, 7 x 7 places, enlarged; each map has its own scale");
    bool good = ag_exit_status() == 0 && plot_save(&l->out, p, "activation");
    plot_free(p);
    return good;
}

enum { ERASERS = 3, ERASED_MAX = 400 };
static const char *const eraser_names[ERASERS] = { "hottest", "random", "coldest" };

struct ink {
    double key;
    int pixel;
};

static int by_key(const void *a, const void *b)
{
    double x = ((const struct ink *)a)->key, y = ((const struct ink *)b)->key;
    return x < y ? -1 : x > y ? 1 : ((const struct ink *)a)->pixel - ((const struct ink *)b)->pixel;
}

/* A copy of the digit without a quarter of its ink, in one place as a rule: where the map is hottest, around a random pixel, or
 * where it is coldest. The pixels with the smallest keys go. */
static void erase(const float *digit, const float *heat, int eraser, ag_rng *rng, float *out)
{
    static struct ink ink[DIGIT_PIXELS];
    int count = 0;
    memcpy(out, digit, DIGIT_PIXELS * sizeof *out);
    for (int i = 0; i < DIGIT_PIXELS; i++) {
        if (digit[i] > 0.25F) {
            double key = eraser == 0   ? (double)heat[i]
                         : eraser == 1 ? ag_rng_uniform(rng)
                                       : -(double)heat[i];
            ink[count++] = (struct ink){ -key, i };
        }
    }
    qsort(ink, (size_t)count, sizeof *ink, by_key);
    for (int i = 0; i < count / 4; i++) {
        out[ink[i].pixel] = 0;
    }
}

/* What the network reads in n digits at once: one at a time is so little work that threads would mostly wait for one another. */
static void read_digits(nn_module *net, int64_t n, const float *digits, int64_t *guess)
{
    ag_scope scope = { 0 };
    ag_begin_no_grad(&scope);
    ag_tensor x = ag_from(AG_SHAPE(n, 1, DIGIT_SIDE, DIGIT_SIDE), AG_FLOAT32, digits);
    ag_read(ag_argmax(nn_forward(net, x), 1, false), guess, n);
    ag_end(&scope);
}

/* What has been found out about the test digits so far. */
struct findings {
    int64_t read, still[ERASERS]; /* digits read correctly, and those still read without a quarter of their ink */
    double cam_difference, sum_difference;
    float examples[DIGIT_CLASSES][DIGIT_PIXELS]; /* the first of each class that was read correctly */
    bool have[DIGIT_CLASSES];
};

/* Of n digits keeps those that are read correctly; returns how many. */
static int64_t keep_read(nn_module *net, int64_t n, float *digits, int64_t *truths)
{
    int64_t guess[BATCH], kept = 0;
    read_digits(net, n, digits, guess);
    for (int64_t i = 0; i < n; i++) {
        if (guess[i] == truths[i]) {
            memmove(digits + kept * DIGIT_PIXELS, digits + i * DIGIT_PIXELS, DIGIT_PIXELS * sizeof *digits);
            truths[kept++] = truths[i];
        }
    }
    return kept;
}

static void look_at_some(nn_module *net, int64_t n, const float *digits, const int64_t *truths,
                         ag_rng *rng, struct findings *f)
{
    static struct activation a;
    static float erased[BATCH][DIGIT_PIXELS];
    int64_t guess[BATCH];
    class_activation(net, n, digits, truths, &a);
    f->cam_difference = fmax(f->cam_difference, a.cam_difference);
    f->sum_difference = fmax(f->sum_difference, a.sum_difference);
    f->read += n;
    for (int64_t i = 0; i < n; i++) {
        if (!f->have[truths[i]]) {
            f->have[truths[i]] = true;
            memcpy(f->examples[truths[i]], digits + i * DIGIT_PIXELS, sizeof f->examples[0]);
        }
    }
    for (int eraser = 0; eraser < ERASERS; eraser++) {
        for (int64_t i = 0; i < n; i++) {
            erase(digits + i * DIGIT_PIXELS, a.heat[i], eraser, rng, erased[i]);
        }
        read_digits(net, n, erased[0], guess);
        for (int64_t i = 0; i < n; i++) {
            f->still[eraser] += guess[i] == truths[i];
        }
    }
}

static void print_findings(struct lesson *l, const struct findings *f)
{
    printf("\n5. Where did it look? Class activation maps of %lld test digits that were read "
           "correctly\n\n",
           (long long)f->read);
    claim(l, "cam_difference", "largest difference of Grad-CAM and CAM / 49", f->cam_difference);
    claim(l, "sum_difference", "and of CAM's mean plus the bias, and the score", f->sum_difference);
    if (f->read > 0) {
        printf("\nIf a map is right, ink matters where it is hot. A quarter of the ink is erased, "
               "and the digit read again:\n\n");
        json_t *shares = json_object();
        for (int eraser = 0; eraser < ERASERS; eraser++) {
            printf("  the %-8s quarter   %5.1f %% are still read correctly\n", eraser_names[eraser],
                   100 * (double)f->still[eraser] / (double)f->read);
            json_object_set_new(shares, eraser_names[eraser],
                                record_number((double)f->still[eraser] / (double)f->read));
        }
        json_object_set_new(l->record, "still_read", shares);
    }
}

bool look_at_test_digits(struct lesson *l, nn_module *net, data_set *test, const struct evaluation *e)
{
    ag_rng rng = ag_rng_seed((uint64_t)l->options->seed + 3);
    static struct findings findings;
    static float digits[BATCH][DIGIT_PIXELS];
    int64_t truths[BATCH], size = data_set_size(test);
    for (int64_t from = 0; from < size && findings.read < ERASED_MAX && ag_exit_status() == 0;
         from += BATCH) {
        int64_t n = size - from < BATCH ? size - from : BATCH;
        for (int64_t i = 0; i < n; i++) {
            data_set_read(test, from + i, digits[i], &truths[i]);
        }
        n = keep_read(net, n, digits[0], truths);
        n = n < ERASED_MAX - findings.read ? n : ERASED_MAX - findings.read;
        if (n > 0) {
            look_at_some(net, n, digits[0], truths, &rng, &findings);
        }
    }
    if (ag_exit_status() != 0) {
        return false;
    }
    print_findings(l, &findings);
    printf("\n");
    return draw_activations(l, net, findings.examples[0], findings.have, e);
}
