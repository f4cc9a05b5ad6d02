/*
 * Pictures as PNG files, through libpng. Knows bytes and files, nothing of tensors.
 */
#include <errno.h>
#include <inttypes.h>
#include <png.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/image.h"
#include "data/internal.h"

/* libpng refuses more by default, and so do many viewers. */
enum { MOST_PIXELS_A_SIDE = 1000000 };

FILE *data_open_beside(const char *path, char **name)
{
    static atomic_uint serial;
    size_t room = strlen(path) + 32;
    *name = malloc(room);
    if (*name == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    for (int attempt = 0; attempt < 1000; attempt++) {
        snprintf(*name, room, "%s.%u.part", path, atomic_fetch_add(&serial, 1));
        errno = 0;
        FILE *file = fopen(*name, "wbx");
        if (file != NULL || errno != EEXIST) {
            return file;
        }
    }
    return NULL;
}

ag_error data_png_write_at(ag_place where, const char *path, const uint8_t *pixels, int64_t height,
                           int64_t width, int channels)
{
    if (ag_error_code() != AG_OK) {
        return ag_error_code();
    }
    if (path == NULL || pixels == NULL) {
        return ag_error_raise(where, AG_ERROR_VALUE, "data_png_write: the %s is NULL",
                              path == NULL ? "path" : "array of pixels");
    }
    if (height < 1 || width < 1 || height > MOST_PIXELS_A_SIDE || width > MOST_PIXELS_A_SIDE) {
        return ag_error_raise(where, AG_ERROR_VALUE,
                              "data_png_write: %s: a picture cannot have %" PRId64 " x %" PRId64
                              " pixels",
                              path, height, width);
    }
    if (channels != 1 && channels != 3) {
        return ag_error_raise(
            where, AG_ERROR_VALUE,
            "data_png_write: %s: %d channels; 1 (grey) or 3 (red, green, blue) are written", path,
            channels);
    }
    char *part = NULL;
    FILE *file = data_open_beside(path, &part);
    if (file == NULL) {
        int reason = errno;
        free(part);
        return ag_error_raise(where, AG_ERROR_FILE, "data_png_write: %s: cannot be written: %s",
                              path, strerror(reason));
    }
    png_image image;
    memset(&image, 0, sizeof image);
    image.version = PNG_IMAGE_VERSION;
    image.width = (png_uint_32)width;
    image.height = (png_uint_32)height;
    image.format = channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
    errno = 0;
    bool written = png_image_write_to_stdio(&image, file, 0, pixels, 0, NULL) != 0;
    int reason = errno;
    errno = 0;
    if (fclose(file) != 0 && written) {
        written = false;
        reason = errno;
    }
    if (written && rename(part, path) != 0) {
        written = false;
        reason = errno;
    }
    if (!written) {
        remove(part);
    }
    free(part);
    if (!written) {
        return ag_error_raise(where, AG_ERROR_FILE, "data_png_write: %s: cannot be written: %s",
                              path, reason != 0 ? strerror(reason) : image.message);
    }
    return AG_OK;
}
