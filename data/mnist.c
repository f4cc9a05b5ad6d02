/*
 * Labelled images from a pair of IDX files. The pixels stay bytes in memory; they become numbers
 * when a sample is read.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/internal.h"

struct images {
    data_idx images, labels;
    int64_t channels, area; /* area: pixels of one channel */
    float grey[256];        /* grey[b] = b / 255 */
};

static ag_error images_read(void *state, int64_t i, void *x, void *y)
{
    struct images *self = state;
    int64_t channels = self->channels, area = self->area;
    const uint8_t *pixel = self->images.bytes + i * area * channels; /* (H W C) */
    float *out = x;                                                  /* (C H W) */
    for (int64_t c = 0; c < channels; c++) {
        for (int64_t p = 0; p < area; p++) {
            out[c * area + p] = self->grey[pixel[p * channels + c]];
        }
    }
    *(int64_t *)y = self->labels.bytes[i];
    return AG_OK;
}

static void images_release(void *state)
{
    struct images *self = state;
    data_idx_free(&self->images);
    data_idx_free(&self->labels);
    free(self);
}

static const data_set_type images_type = { .size = sizeof(data_set_type),
                                           .name = "labelled images",
                                           .read = images_read,
                                           .release = images_release };

/* Whether the two files belong together; raises if not. */
static bool images_fit(ag_place where, const char *function, const struct images *self,
                       const char *images, const char *labels, int64_t classes)
{
    char text[DATA_SIZES_TEXT];
    const data_idx *im = &self->images, *la = &self->labels;
    if (im->ndim != 3 && im->ndim != 4) {
        ag_error_raise(where, AG_ERROR_FORMAT,
                       "%s: %s: images have 3 or 4 dimensions (number, height, width, channels), "
                       "this has %d: %s",
                       function, images, im->ndim, data_sizes_format(im->ndim, im->size, text));
        return false;
    }
    for (int d = 0; d < im->ndim; d++) {
        if (im->size[d] == 0) {
            ag_error_raise(where, AG_ERROR_FORMAT, "%s: %s: there are no pixels: %s", function,
                           images, data_sizes_format(im->ndim, im->size, text));
            return false;
        }
    }
    if (la->ndim != 1) {
        ag_error_raise(where, AG_ERROR_FORMAT, "%s: %s: labels have 1 dimension, this has %d: %s",
                       function, labels, la->ndim, data_sizes_format(la->ndim, la->size, text));
        return false;
    }
    if (im->size[0] != la->size[0]) {
        ag_error_raise(where, AG_ERROR_FORMAT,
                       "%s: %s has %" PRId64 " images, but %s has %" PRId64 " labels", function,
                       images, im->size[0], labels, la->size[0]);
        return false;
    }
    for (int64_t i = 0; i < la->size[0]; i++) {
        if (la->bytes[i] >= classes) {
            ag_error_raise(where, AG_ERROR_VALUE,
                           "%s: %s: label %" PRId64 " (byte %" PRId64 ") is %d, but the %" PRId64
                           " classes are 0 to %" PRId64,
                           function, labels, i, i + 8, la->bytes[i], classes, classes - 1);
            return false;
        }
    }
    return true;
}

static data_set *images_make(ag_place where, const char *function, const char *images,
                             const char *labels, int64_t classes)
{
    if (ag_error_code() != AG_OK) {
        return data_set_nil();
    }
    if (classes < 1) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: there cannot be %" PRId64 " classes", function,
                       classes);
        return data_set_nil();
    }
    struct images *self = calloc(1, sizeof *self);
    if (self == NULL) {
        ag_error_raise(where, AG_ERROR_MEMORY, "%s: out of memory", function);
        return data_set_nil();
    }
    if (data_idx_load(where, function, images, &self->images) != AG_OK ||
        data_idx_load(where, function, labels, &self->labels) != AG_OK ||
        !images_fit(where, function, self, images, labels, classes)) {
        images_release(self);
        return data_set_nil();
    }
    const int64_t *size = self->images.size;
    self->channels = self->images.ndim == 4 ? size[3] : 1;
    self->area = size[1] * size[2];
    for (int b = 0; b < 256; b++) {
        self->grey[b] = (float)b / 255.0f;
    }
    data_set *set = data_set_make(where, function, &images_type, self, size[0],
                                  AG_SHAPE(self->channels, size[1], size[2]), AG_FLOAT32,
                                  AG_SHAPE_SCALAR, AG_INT64);
    if (!data_set_is_nil(set)) {
        set->info = data_info_new(0, classes, false); /* without it, only less is known */
    }
    return set;
}

data_set *data_idx_images_at(ag_place where, const char *images, const char *labels,
                             int64_t classes)
{
    return images_make(where, "data_idx_images", images, labels, classes);
}

static char *path_make(const char *folder, const char *part, const char *rest)
{
    size_t n = strlen(folder) + strlen(part) + strlen(rest) + 2;
    char *path = malloc(n);
    if (path != NULL) {
        snprintf(path, n, "%s/%s%s", folder, part, rest);
    }
    return path;
}

data_set *data_mnist_at(ag_place where, const char *folder, const char *part)
{
    if (ag_error_code() != AG_OK) {
        return data_set_nil();
    }
    bool train = part != NULL && strcmp(part, "train") == 0,
         test = part != NULL && strcmp(part, "test") == 0;
    if (folder == NULL || (!train && !test)) {
        ag_error_raise(where, AG_ERROR_VALUE, "data_mnist: %s%s%s",
                       folder == NULL ? "the folder is NULL"
                                      : "the part must be \"train\" or \"test\", not ",
                       folder == NULL || part == NULL ? "" : part,
                       folder != NULL && part == NULL ? "NULL" : "");
        return data_set_nil();
    }
    const char *prefix = train ? "train" : "t10k"; /* what the files of MNIST are called */
    char *images = path_make(folder, prefix, "-images-idx3-ubyte");
    char *labels = path_make(folder, prefix, "-labels-idx1-ubyte");
    data_set *set = data_set_nil();
    if (images == NULL || labels == NULL) {
        ag_error_raise(where, AG_ERROR_MEMORY, "data_mnist: out of memory");
    } else {
        set = images_make(where, "data_mnist", images, labels, 10);
    }
    free(images);
    free(labels);
    return set;
}
