/*
 * What programs that make pictures up share.
 */
#include "generative.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/tensors.h"
#include "files.h"

/* ---- layers -------------------------------------------------------------------------------------------------------------- */

nn_module *half(int64_t in, int64_t out)
{
    nn_conv2d_config c = nn_conv2d_defaults(in, out, 4);
    c.conv.stride[0] = c.conv.stride[1] = 2;
    c.conv.padding[0] = c.conv.padding[1] = 1;
    return nn_conv2d_with(c);
}

nn_module *twice(int64_t in, int64_t out)
{
    nn_conv_transpose2d_config c = nn_conv_transpose2d_defaults(in, out, 4);
    c.conv.stride[0] = c.conv.stride[1] = 2;
    c.conv.padding[0] = c.conv.padding[1] = 1;
    return nn_conv_transpose2d_with(c);
}

/* ---- the set ------------------------------------------------------------------------------------------------------------- */

/* Whether two samples have different labels. */
static bool has_classes(data_set *set, int64_t *class)
{
    int64_t n = data_set_size(set), label = 0;
    for (int64_t i = 0; i < n && data_set_read(set, i, NULL, &label) == AG_OK; i++) {
        if (i > 0 && label != *class) {
            return true;
        }
        *class = label;
    }
    return false;
}

bool generative_open(struct digits *d, const struct options *o, struct generative_source from, ag_rng *rng)
{
    if (!(from.clothes ? clothes_open(d, o, rng) : digits_open_pngs(d, o, from.pngs, rng))) {
        return false;
    }
    int64_t class = 0;
    if (has_classes(d->train, &class) || (from.pngs != NULL && !from.to_order && ag_exit_status() == 0)) {
        return true;
    }
    if (ag_exit_status() == 0 && from.pngs != NULL) {
        fprintf(stderr,
                "%s: %s: all %lld training pictures are of one class, and --conditional needs two or more: a folder for each, with its "
                "PNG files, in the folder that --pngs names\n",
                o->program, d->folder, (long long)data_set_size(d->train));
    } else if (ag_exit_status() == 0) {
        fprintf(stderr,
                "%s: %s: all %lld training pictures are of class %lld (%s): a network that has seen one class only cannot be told "
                "from one that has collapsed to it; name a folder with pictures of two classes or more\n",
                o->program, d->folder, (long long)data_set_size(d->train), (long long)class, generative_class(from.clothes, class));
    }
    digits_close(d);
    return false;
}

const char *generative_class(bool clothes, int64_t class)
{
    static const char *const names[2][DIGIT_CLASSES] = {
        { "0", "1", "2", "3", "4", "5", "6", "7", "8", "9" },
        { "T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot" },
    };
    return class >= 0 && class < DIGIT_CLASSES ? names[clothes][class] : "?";
}

/* ---- training ------------------------------------------------------------------------------------------------------------ */

/* What is left to a user whose run has gone astray in that epoch. */
static bool astray(const struct saving *s, int64_t epoch)
{
    const char *path = s->checkpoint != NULL ? data_checkpoint_path(s->checkpoint) : "";
    if (path[0] != '\0') {
        fprintf(stderr, "%s: the last good checkpoint is kept: %s%s\n", s->options->program, path,
                epoch > 1 ? "; --from-saved makes pictures with it" : "");
    }
    return false;
}

/* Not "-nan". */
static double printable(double value)
{
    return isnan(value) ? fabs(value) : value;
}

bool generative_finite(const struct saving *s, const char *name, double loss, double gradient, int64_t epoch, int64_t step)
{
    if (isfinite(loss) && isfinite(gradient)) {
        return true;
    }
    const struct options *o = s->options;
    bool lost = !isfinite(loss);
    fflush(stdout);
    fprintf(stderr,
            "%s: the %s%s%s became %g at epoch %lld, step %lld, and that step was not made; try a smaller --lr (it is %g)\n",
            o->program, name, name[0] != '\0' ? "'s " : "", lost ? "loss" : "gradient", printable(lost ? loss : gradient),
            (long long)epoch, (long long)step, o->lr);
    return astray(s, epoch);
}

bool generative_test_finite(const struct saving *s, double loss, int64_t epoch)
{
    if (isfinite(loss)) {
        return true;
    }
    fflush(stdout);
    fprintf(stderr,
            "%s: the loss on the test pictures is %g after epoch %lld: the steps were too long, and that epoch is not saved; try a "
            "smaller --lr (it is %g)\n",
            s->options->program, printable(loss), (long long)epoch, s->options->lr);
    return astray(s, epoch);
}

bool generative_resume(struct saving *s)
{
    bool good = saving_resume(s);
    if (good && s->options->from_saved && !s->resumed) {
        fprintf(stderr, "%s: --from-saved: there is no checkpoint in %s\n", s->options->program, s->options->save);
        return false;
    }
    return good;
}

bool generative_has_learned(const struct options *o, int64_t epochs)
{
    if (o->from_saved && epochs == 0) {
        fprintf(stderr, "%s: --from-saved: the run in %s was saved before its first epoch was over; --resume goes on with it\n",
                o->program, o->save);
        return false;
    }
    return true;
}

/* ---- judging ------------------------------------------------------------------------------------------------------------- */

bool generative_judging_possible(const struct options *o, int64_t judged)
{
    if (judged == 1) {
        fprintf(stderr, "%s: --judge 1: one picture has no variance; two or more can be judged, or none (see --help)\n", o->program);
    }
    return judged != 1;
}

/* ---- pictures ------------------------------------------------------------------------------------------------------------ */

struct plot *generative_plot(const char *program, const char *title, const float *pixels, int64_t n, int columns, double side,
                             const char *note)
{
    struct plot_image *images = calloc((size_t)n, sizeof *images);
    struct plot *p = images != NULL ? plot_new(title) : NULL;
    if (p == NULL) {
        fprintf(stderr, "%s: out of memory\n", program);
        free(images);
        return NULL;
    }
    for (int64_t i = 0; i < n; i++) {
        images[i] = (struct plot_image){ .height = DIGIT_SIDE, .width = DIGIT_SIDE, .channels = 1,
                                         .pixels = pixels + i * DIGIT_PIXELS, .negative = true };
    }
    snprintf(p->note, sizeof p->note, "%s", note);
    plot_images(plot_panel(p, "", "", ""), n, images, columns, side);
    free(images);
    return p;
}

bool generative_save(struct plot_output *out, const char *title, const char *name, const float *pixels, int64_t n, int columns,
                     double side, const char *note)
{
    struct plot *p = generative_plot(out->program, title, pixels, n, columns, side, note);
    bool good = p != NULL && plot_save(out, p, name);
    plot_free(p);
    return good;
}

bool generative_possible(const struct options *o, const char *path)
{
    size_t length = path != NULL ? strlen(path) : 0;
    if (path != NULL && (length < 4 || strcmp(path + length - 4, ".npy") != 0)) {
        fprintf(stderr, "%s: --samples %s: the name must end with .npy, as the format is NumPy's\n", o->program, path);
        return false;
    }
    return path == NULL || output_file_possible(o->program, "samples", path);
}

bool generative_write(const struct options *o, const char *path, int64_t count, generative_maker make, void *user)
{
    enum { AT_ONCE = 500 };
    size_t bytes = (size_t)count * DIGIT_PIXELS;
    uint8_t *all = malloc(bytes);
    float *some = malloc(AT_ONCE * DIGIT_PIXELS * sizeof *some);
    bool good = all != NULL && some != NULL;
    if (!good) {
        fprintf(stderr, "%s: --samples: no memory for %lld pictures\n", o->program, (long long)count);
    }
    ag_scope scope = { 0 };
    for (int64_t i = 0; good && i < count; i += AT_ONCE) {
        int64_t n = count - i < AT_ONCE ? count - i : AT_ONCE;
        ag_begin_no_grad(&scope);
        ag_read(make(user, i, n), some, n * DIGIT_PIXELS);
        good = ag_exit_status() == 0;
        for (int64_t k = 0; good && k < n * DIGIT_PIXELS; k++) {
            all[i * DIGIT_PIXELS + k] = (uint8_t)lrintf(fminf(fmaxf(some[k], 0), 1) * 255);
        }
    }
    if (good) {
        ag_begin_no_grad(&scope);
        ag_list *list = ag_list_new();
        ag_list_add(list, "", ag_from(AG_SHAPE(count, DIGIT_SIDE, DIGIT_SIDE), AG_UINT8, all));
        good = data_tensors_save(path, list) == AG_OK;
        ag_list_free(list);
    }
    ag_end(&scope);
    free(all);
    free(some);
    if (good) {
        printf("%s: %lld pictures\n", path, (long long)count);
    }
    return good;
}
