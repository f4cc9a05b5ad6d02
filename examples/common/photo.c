/*
 * Pictures in, read with libpng. It must not know what is done with them.
 */
#define _POSIX_C_SOURCE 200809L

#include "photo.h"

#include <errno.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef WENGERT_EXAMPLES_PHOTO
#define WENGERT_EXAMPLES_PHOTO "examples/photo/camera.png"
#endif

enum { PIXELS_MAX = 100000000 };

/* Where the photograph lies: where it was when the program was built, else beside the program. */
static const char *find_photo(struct photo *p, const struct options *o)
{
    if (o->image != NULL) {
        return o->image;
    }
    if (access(WENGERT_EXAMPLES_PHOTO, F_OK) == 0) {
        return WENGERT_EXAMPLES_PHOTO;
    }
    const char *slash = strrchr(o->path, '/');
    int length = slash ? (int)(slash - o->path) : 1;
    snprintf(p->found, sizeof p->found, "%.*s/photo/camera.png", length, slash ? o->path : ".");
    if (access(p->found, F_OK) == 0) {
        return p->found;
    }
    fprintf(stderr,
            "%s: the photograph was not found in %s nor in %s; name a picture with --image\n",
            o->program, WENGERT_EXAMPLES_PHOTO, p->found);
    return NULL;
}

static bool refuse(const struct photo *p, const struct options *o, const char *reason)
{
    fprintf(stderr, "%s: %s: %s\n", o->program, p->path, reason);
    return false;
}

/* Means over squares of `step` by `step` pixels; what is left over at the right and at the bottom is cut off. */
static bool shrink(struct photo *p, const unsigned char *bytes, int64_t width, int64_t height,
                   int64_t step)
{
    p->width = width / step;
    p->height = height / step;
    p->grey = malloc((size_t)(p->width * p->height) * sizeof *p->grey);
    if (p->grey == NULL) {
        return false;
    }
    for (int64_t row = 0; row < p->height; row++) {
        for (int64_t column = 0; column < p->width; column++) {
            int64_t sum = 0;
            for (int64_t i = 0; i < step; i++) {
                for (int64_t j = 0; j < step; j++) {
                    sum += bytes[(row * step + i) * width + column * step + j];
                }
            }
            p->grey[row * p->width + column] = (float)sum / (float)(255 * step * step);
        }
    }
    return true;
}

bool photo_read(struct photo *p, const struct options *o)
{
    *p = (struct photo){ 0 };
    p->path = find_photo(p, o);
    if (p->path == NULL) {
        return false;
    }
    FILE *file = fopen(p->path, "rb");
    if (file == NULL) {
        return refuse(p, o, strerror(errno));
    }
    png_image image = { .version = PNG_IMAGE_VERSION };
    unsigned char *bytes = NULL;
    bool good = false;
    if (!png_image_begin_read_from_stdio(&image, file)) {
        refuse(p, o, image.message);
        goto cleanup;
    }
    if ((int64_t)image.width * image.height > PIXELS_MAX) {
        refuse(p, o, "more than 100 million pixels");
        goto cleanup;
    }
    int64_t width = image.width, height = image.height;
    int64_t longer = width > height ? width : height, shorter = width < height ? width : height;
    int64_t step = (longer + PHOTO_SIDE_MAX - 1) / PHOTO_SIDE_MAX;
    if (shorter / step < 16) {
        char reason[128];
        snprintf(reason, sizeof reason,
                 "%lld x %lld pixels are too few, or too narrow a strip, to show filters on",
                 (long long)width, (long long)height);
        refuse(p, o, reason);
        goto cleanup;
    }
    image.format = PNG_FORMAT_GRAY;
    bytes = malloc(PNG_IMAGE_SIZE(image));
    const png_color paper = { 255, 255, 255 };
    if (bytes == NULL) {
        refuse(p, o, "out of memory");
    } else if (!png_image_finish_read(&image, &paper, bytes, 0, NULL)) {
        refuse(p, o, image.message);
    } else if (!shrink(p, bytes, width, height, step)) {
        refuse(p, o, "out of memory");
    } else {
        good = true;
    }

cleanup:
    png_image_free(&image);
    free(bytes);
    fclose(file);
    return good;
}

void photo_free(struct photo *p)
{
    free(p->grey);
    p->grey = NULL;
}
