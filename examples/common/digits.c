/*
 * MNIST for the examples. It must not know about networks.
 */
#define _POSIX_C_SOURCE 200809L

#include "digits.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef WENGERT_EXAMPLES_SAMPLE
#define WENGERT_EXAMPLES_SAMPLE "examples/mnist_sample"
#endif
#ifndef WENGERT_EXAMPLES_FASHION
#define WENGERT_EXAMPLES_FASHION "examples/fashion_sample"
#endif

enum { EPOCHS = 5, EPOCHS_OF_SMALL_SETS = 10, SMALL_SET = 20000 };

static const char *const file_names[] = { "train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                                          "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte" };

/* Which set, and where it may lie. */
struct source {
    const char *name;        /* "MNIST" */
    const char *option;      /* which names a folder */
    const char *folder;      /* that it named; NULL: none */
    const char *environment; /* a variable that does; NULL: none */
    const char *sample;      /* the folder of the sample in the source tree */
    const char *beside;      /* and beside the program */
};

/* The first of MNIST's files that the folder does not have, plain or compressed; NULL if all are
 * there. */
static const char *missing_file(const char *folder)
{
    for (size_t i = 0; i < sizeof file_names / sizeof file_names[0]; i++) {
        char plain[DIGITS_PATH + 64], compressed[DIGITS_PATH + 64];
        snprintf(plain, sizeof plain, "%s/%s", folder, file_names[i]);
        snprintf(compressed, sizeof compressed, "%s/%s.gz", folder, file_names[i]);
        if (access(plain, F_OK) != 0 && access(compressed, F_OK) != 0) {
            return file_names[i];
        }
    }
    return NULL;
}

/* A folder that the user named is the only one looked into: training on something else would be a
 * surprise. */
static bool named_folder(struct digits *d, const struct options *o, const struct source *source,
                         const char *folder, const char *named_by)
{
    int length = snprintf(d->folder, sizeof d->folder, "%s", folder);
    if (length >= DIGITS_PATH) {
        fprintf(stderr, "%s: %s: the path is longer than %d characters\n", o->program, named_by,
                DIGITS_PATH - 1);
        return false;
    }
    const char *missing = missing_file(folder);
    if (missing != NULL) {
        fprintf(stderr, "%s: %s %s: there is no %s and no %s.gz (examples/fetch_data.sh gets %s)\n",
                o->program, named_by, folder, missing, missing, source->name);
        return false;
    }
    return true;
}

static bool find_folder(struct digits *d, const struct options *o, const struct source *source)
{
    const char *from_environment = source->environment != NULL ? getenv(source->environment) : NULL;
    if (source->folder != NULL) {
        return named_folder(d, o, source, source->folder, source->option);
    }
    if (from_environment != NULL && *from_environment != '\0') {
        return named_folder(d, o, source, from_environment, source->environment);
    }
    if (missing_file(source->sample) == NULL) {
        snprintf(d->folder, sizeof d->folder, "%s", source->sample);
        return true;
    }
    const char *slash = strrchr(o->path, '/');
    int length = slash ? (int)(slash - o->path) : 1;
    snprintf(d->folder, sizeof d->folder, "%.*s/%s", length, slash ? o->path : ".", source->beside);
    if (missing_file(d->folder) == NULL) {
        return true;
    }
    fprintf(stderr,
            "%s: the sample of %s was not found in %s nor in %s; name a folder with %s%s%s "
            "(examples/fetch_data.sh gets %s)\n",
            o->program, source->name, source->sample, d->folder, source->option,
            source->environment != NULL ? " or " : "",
            source->environment != NULL ? source->environment : "", source->name);
    return false;
}

/* ---- permuted labels: a set of the program's own, built on another one ----------------------- */

struct permuted {
    data_set *digits;
    int64_t *order; /* sample i gets the label of sample order[i] */
};

static ag_error permuted_read(void *state, int64_t i, void *x, void *y)
{
    struct permuted *self = state;
    ag_error error = AG_OK;
    if (x != NULL) {
        error = data_set_read(self->digits, i, x, NULL);
    }
    if (y != NULL && error == AG_OK) {
        error = data_set_read(self->digits, self->order[i], NULL, y);
    }
    return error;
}

static void permuted_release(void *state)
{
    struct permuted *self = state;
    data_set_free(self->digits);
    free(self->order);
    free(self);
}

static const data_set_type permuted_type = { .size = sizeof(data_set_type),
                                             .name = "permuted labels",
                                             .read = permuted_read,
                                             .release = permuted_release };

/* Takes the set. */
static data_set *permute_labels(data_set *digits, ag_rng *rng)
{
    int64_t n = data_set_size(digits);
    struct permuted *self = malloc(sizeof *self);
    int64_t *order = malloc((size_t)(n > 0 ? n : 1) * sizeof *order);
    if (self == NULL || order == NULL) {
        free(self);
        free(order);
        data_set_free(digits);
        return NULL;
    }
    ag_rng_permutation(rng, n, order);
    *self = (struct permuted){ digits, order };
    return data_set_new(&permuted_type, self, n, data_set_x_shape(digits), data_set_x_dtype(digits),
                        data_set_y_shape(digits), data_set_y_dtype(digits));
}

/* ---- opening --------------------------------------------------------------------------------- */

/* Any IDX files can be given; these programs read single grey digits of 28 x 28 pixels. */
static bool is_digits(const struct digits *d, const data_set *set, const char *part)
{
    if (ag_error_code() != AG_OK) {
        return false;
    }
    ag_shape shape = data_set_x_shape(set);
    if (data_set_size(set) < 1) {
        fprintf(stderr, "%s: %s: the %s files hold no digits\n", d->program, d->folder, part);
        return false;
    }
    if (!ag_shape_equal(shape, AG_SHAPE(1, 28, 28))) {
        char text[AG_SHAPE_TEXT];
        fprintf(stderr, "%s: %s: the images in the %s files are %s, but digits are (1,28,28)\n",
                d->program, d->folder, part, ag_shape_format(shape, text, sizeof text));
        return false;
    }
    return true;
}

static bool open_source(struct digits *d, const struct options *o, const struct source *source,
                        ag_rng *rng)
{
    d->program = o->program;
    d->train = d->validation = d->test = NULL;
    if (!find_folder(d, o, source)) {
        return false;
    }
    data_set *all = data_mnist(d->folder, "train");
    if (!is_digits(d, all, "training")) {
        data_set_free(all);
        return false;
    }
    if (o->shuffle_labels) {
        all = permute_labels(all, rng);
        if (all == NULL) {
            fprintf(stderr, "%s: out of memory\n", o->program);
            return false;
        }
    }
    int64_t n = data_set_size(all);
    int64_t sizes[2] = { n, (int64_t)floor(o->validation * (double)n) };
    if (o->validation == 0) {
        d->train = all;
        return true;
    }
    if (sizes[1] == 0) {
        sizes[1] = 1;
    }
    sizes[0] = n - sizes[1];
    if (sizes[0] < 1) {
        fprintf(stderr, "%s: --validation %g of %lld digits in %s leaves none to train on\n",
                o->program, o->validation, (long long)n, d->folder);
        data_set_free(all);
        return false;
    }
    data_set *parts[2] = { NULL, NULL };
    ag_error error = data_split(all, 2, sizes, rng, parts);
    data_set_free(all); /* the parts share it */
    d->train = parts[0];
    d->validation = parts[1];
    return error == AG_OK;
}

bool digits_open(struct digits *d, const struct options *o, ag_rng *rng)
{
    bool both = (o->accepts & OPTION_CLOTHES) != 0;
    const struct source source = {
        "MNIST",        both ? "--digits" : "--data", both ? o->digits : o->data,
        "WENGERT_DATA", WENGERT_EXAMPLES_SAMPLE,      "mnist_sample"
    };
    return open_source(d, o, &source, rng);
}

bool clothes_open(struct digits *d, const struct options *o, ag_rng *rng)
{
    const struct source source = { "Fashion-MNIST",          "--data",        o->data, NULL,
                                   WENGERT_EXAMPLES_FASHION, "fashion_sample" };
    return open_source(d, o, &source, rng);
}

/* x -> 1 - x: in a picture white is 1, but on paper ink is what counts. Takes the set. */
static data_set *dark_is_ink(data_set *set)
{
    const double shift = 1, scale = -1;
    data_transform *turn = data_normalize(1, &shift, &scale);
    data_set *turned = data_transform_x(set, turn);
    data_transform_free(turn);
    data_set_free(set);
    return turned;
}

bool digits_open_pngs(struct digits *d, const struct options *o, const char *folder, ag_rng *rng)
{
    if (folder == NULL) {
        return digits_open(d, o, rng);
    }
    *d = (struct digits){ .program = o->program };
    snprintf(d->folder, sizeof d->folder, "%s", folder);
    data_png_folder_config config = data_png_folder_defaults();
    config.channels = 1;
    config.resize = true;
    config.height = config.width = 28;
    data_set *all = data_png_folder(folder, config);
    int64_t n = data_set_size(all), sizes[2] = { n - n / 10, n / 10 };
    if (ag_error_code() != AG_OK) {
        return false;
    }
    if (sizes[1] < 1) {
        fprintf(stderr, "%s: %s: %lld pictures are too few: a tenth of them is for the test\n", o->program, folder, (long long)n);
        data_set_free(all);
        return false;
    }
    if (data_set_classes(all) > 10) {
        fprintf(stderr, "%s: %s: %lld folders are as many classes; at most 10 can be told apart here\n", o->program, folder,
                (long long)data_set_classes(all));
        data_set_free(all);
        return false;
    }
    all = dark_is_ink(all);
    data_set *parts[2] = { NULL, NULL };
    data_split(all, 2, sizes, rng, parts);
    data_set_free(all);
    d->train = parts[0];
    d->test = parts[1];
    return ag_error_code() == AG_OK;
}

int digits_usual_epochs(int64_t training_samples)
{
    return training_samples < SMALL_SET ? EPOCHS_OF_SMALL_SETS : EPOCHS;
}

data_set *digits_take(data_set **set)
{
    data_set *taken = *set;
    *set = NULL;
    return taken;
}

data_set *digits_test(const struct digits *d)
{
    data_set *set = d->test != NULL ? data_set_share(d->test) : data_mnist(d->folder, "test");
    if (!is_digits(d, set, "test")) {
        data_set_free(set);
        return NULL;
    }
    return set;
}

void digits_close(struct digits *d)
{
    data_set_free(d->train);
    data_set_free(d->validation);
    data_set_free(d->test);
    d->train = d->validation = d->test = NULL;
}
