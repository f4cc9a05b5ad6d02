/*
 * PNG files in, through libpng. Knows bytes and files, nothing of sets.
 */
#include "data/png_read.h"

#include <errno.h>
#include <inttypes.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/platform.h"
#include "data/image.h"

/* What a file of a few bytes may ask for, at most. */
enum { MOST_PIXELS = 100000000 };

static bool refuse(char reason[PNG_REASON], const char *text)
{
    snprintf(reason, PNG_REASON, "%s", text);
    return false;
}

/* Opens a file and reads its header; both must be closed with end() in any case. */
static bool begin(const char *path, FILE **file, png_image *image, char reason[PNG_REASON])
{
    memset(image, 0, sizeof *image);
    image->version = PNG_IMAGE_VERSION;
    *file = NULL;
    /* Opening a pipe would wait for whoever writes to it. */
    enum platform_kind kind = platform_path_kind(path);
    if (kind == PLATFORM_FOLDER || kind == PLATFORM_OTHER) {
        return refuse(reason, kind == PLATFORM_FOLDER ? "is a folder, not a PNG file" : "is no regular file");
    }
    errno = 0;
    *file = fopen(path, "rb");
    if (*file == NULL) {
        return refuse(reason, strerror(errno));
    }
    unsigned char signature[8];
    size_t found = fread(signature, 1, sizeof signature, *file);
    if (found == 0) {
        return refuse(reason, ferror(*file) ? strerror(errno) : "is empty");
    }
    if (png_sig_cmp(signature, 0, found) != 0) {
        return refuse(reason, "is not a PNG file: it does not begin as one");
    }
    rewind(*file);
    if (!png_image_begin_read_from_stdio(image, *file)) {
        snprintf(reason, PNG_REASON, "the header is damaged or ends too early: %s", image->message);
        return false;
    }
    image->flags |= PNG_IMAGE_FLAG_16BIT_sRGB; /* 16 bits mean what 8 bits mean, unless the file says otherwise */
    if ((int64_t)image->width * image->height > MOST_PIXELS) {
        snprintf(reason, PNG_REASON, "%" PRIu32 " x %" PRIu32 " pixels are more than 100 million", (uint32_t)image->height,
                 (uint32_t)image->width);
        return false;
    }
    return true;
}

static void end(FILE *file, png_image *image)
{
    png_image_free(image);
    if (file != NULL) {
        fclose(file);
    }
}

static struct png_header header_of(const png_image *image)
{
    return (struct png_header){ .height = image->height, .width = image->width,
                                .colour = (image->format & PNG_FORMAT_FLAG_COLOR) != 0 };
}

bool png_look(const char *path, struct png_header *header, char reason[PNG_REASON])
{
    FILE *file;
    png_image image;
    bool good = begin(path, &file, &image, reason);
    if (good) {
        *header = header_of(&image);
    }
    end(file, &image);
    return good;
}

uint8_t *png_pixels(const char *path, int channels, uint8_t background, struct png_header *header, char reason[PNG_REASON])
{
    FILE *file;
    png_image image;
    uint8_t *pixels = NULL;
    if (begin(path, &file, &image, reason)) {
        *header = header_of(&image);
        image.format = channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
        const png_color ground = { background, background, background };
        pixels = malloc(PNG_IMAGE_SIZE(image));
        if (pixels == NULL) {
            refuse(reason, "out of memory");
        } else if (!png_image_finish_read(&image, &ground, pixels, 0, NULL)) {
            snprintf(reason, PNG_REASON, "the data is damaged or ends too early: %s", image.message);
            free(pixels);
            pixels = NULL;
        }
    }
    end(file, &image);
    return pixels;
}

ag_error data_png_read_at(ag_place where, const char *path, int channels, uint8_t background, data_picture *picture)
{
    if (picture != NULL) {
        *picture = (data_picture){ 0 };
    }
    if (ag_error_code() != AG_OK) {
        return ag_error_code();
    }
    if (path == NULL || picture == NULL) {
        return ag_error_raise(where, AG_ERROR_VALUE, "data_png_read: the %s is NULL", path == NULL ? "path" : "picture");
    }
    if (channels != 0 && channels != 1 && channels != 3) {
        return ag_error_raise(where, AG_ERROR_VALUE,
                              "data_png_read: %s: %d channels; 1 (grey), 3 (red, green, blue) or 0 (as the file has) can be read", path,
                              channels);
    }
    struct png_header header = { 0 };
    char reason[PNG_REASON];
    if (channels == 0) {
        if (!png_look(path, &header, reason)) {
            return ag_error_raise(where, AG_ERROR_FILE, "data_png_read: %s: %s", path, reason);
        }
        channels = header.colour ? 3 : 1;
    }
    uint8_t *pixels = png_pixels(path, channels, background, &header, reason);
    if (pixels == NULL) {
        return ag_error_raise(where, AG_ERROR_FILE, "data_png_read: %s: %s", path, reason);
    }
    *picture = (data_picture){ .height = header.height, .width = header.width, .channels = channels, .pixels = pixels };
    return AG_OK;
}

void data_picture_free(data_picture *picture)
{
    if (picture != NULL) {
        free(picture->pixels);
        *picture = (data_picture){ 0 };
    }
}
