/*
 * Animated PNG files: libpng compresses each frame, zlib counts the check sums of the chunks around them. Knows bytes and files,
 * nothing of tensors.
 *
 * A frame after the first covers only the rectangle in which something changed, and what did not change in it is transparent:
 * drawings with a few moving points stay small.
 */
#include <errno.h>
#include <inttypes.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "data/image.h"
#include "data/internal.h"

enum { MOST_PIXELS_A_SIDE = 16384, LONGEST_FRAME = 65535 };

struct frame {
    uint32_t x, y, width, height;
    int milliseconds;
    uint8_t *bytes; /* a zlib stream */
    size_t size;
};

struct data_animation {
    char *path;
    int milliseconds;
    int64_t height, width;
    uint8_t *last; /* the frame before, (height, width, 3) */
    struct frame *frame;
    int64_t count;
};

/* What a failed constructor gives: it takes no frames. */
static struct data_animation animation_nil;

static bool usable(ag_place where, const char *function, const data_animation *a)
{
    if (ag_error_code() != AG_OK) {
        return false;
    }
    if (a == NULL || a == &animation_nil) {
        ag_error_raise(where, AG_ERROR_STATE, "%s: the animation is %s", function,
                       a == NULL ? "NULL" : "nil: making it failed");
        return false;
    }
    return true;
}

static bool duration_fits(ag_place where, const char *function, int milliseconds)
{
    if (milliseconds < 1 || milliseconds > LONGEST_FRAME) {
        ag_error_raise(where, AG_ERROR_VALUE,
                       "%s: a frame cannot last %d milliseconds, only 1 to %d", function,
                       milliseconds, LONGEST_FRAME);
        return false;
    }
    return true;
}

data_animation *data_animation_new_at(ag_place where, const char *path, int milliseconds)
{
    const char *function = "data_animation_new";
    if (ag_error_code() != AG_OK) {
        return &animation_nil;
    }
    if (path == NULL) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: the path is NULL", function);
        return &animation_nil;
    }
    if (!duration_fits(where, function, milliseconds)) {
        return &animation_nil;
    }
    data_animation *a = calloc(1, sizeof *a);
    if (a != NULL) {
        a->path = malloc(strlen(path) + 1);
        a->milliseconds = milliseconds;
    }
    if (a == NULL || a->path == NULL) {
        free(a);
        ag_error_raise(where, AG_ERROR_MEMORY, "%s: %s: no memory", function, path);
        return &animation_nil;
    }
    memcpy(a->path, path, strlen(path) + 1);
    return a;
}

void data_animation_free(data_animation *a)
{
    if (a == NULL || a == &animation_nil) {
        return;
    }
    for (int64_t i = 0; i < a->count; i++) {
        free(a->frame[i].bytes);
    }
    free(a->frame);
    free(a->last);
    free(a->path);
    free(a);
}

/* ---- frames -------------------------------------------------------------------------------- */

static uint32_t read_be32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void write_be32(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 24);
    at[1] = (uint8_t)(value >> 16);
    at[2] = (uint8_t)(value >> 8);
    at[3] = (uint8_t)value;
}

/* The smallest rectangle that holds every changed pixel; one pixel if nothing changed. */
static struct frame changed_part(const uint8_t *before, const uint8_t *now, int64_t height,
                                 int64_t width)
{
    int64_t left = width, right = -1, top = height, bottom = -1;
    for (int64_t i = 0; i < height * width; i++) {
        if (before == NULL || memcmp(before + 3 * i, now + 3 * i, 3) != 0) {
            int64_t x = i % width, y = i / width;
            left = x < left ? x : left;
            right = x > right ? x : right;
            top = y < top ? y : top;
            bottom = y;
        }
    }
    if (right < 0) {
        left = right = top = bottom = 0;
    }
    return (struct frame){ .x = (uint32_t)left,
                           .y = (uint32_t)top,
                           .width = (uint32_t)(right - left + 1),
                           .height = (uint32_t)(bottom - top + 1) };
}

/* The rectangle as red, green, blue, alpha; alpha is 0 where nothing changed. */
static uint8_t *with_alpha(const uint8_t *before, const uint8_t *now, int64_t width,
                           const struct frame *f)
{
    uint8_t *out = calloc((size_t)f->width * f->height, 4);
    for (uint32_t y = 0; out != NULL && y < f->height; y++) {
        for (uint32_t x = 0; x < f->width; x++) {
            int64_t i = (int64_t)(f->y + y) * width + f->x + x;
            if (before == NULL || memcmp(before + 3 * i, now + 3 * i, 3) != 0) {
                uint8_t *to = out + 4 * ((size_t)y * f->width + x);
                memcpy(to, now + 3 * i, 3);
                to[3] = 255;
            }
        }
    }
    return out;
}

/* Moves the compressed pixels of a PNG in memory together; their size. */
static size_t gather_image_data(uint8_t *png, size_t size)
{
    size_t at = 8, filled = 0;
    while (at + 12 <= size) {
        size_t length = read_be32(png + at);
        if (length > size - at - 12) {
            break;
        }
        if (memcmp(png + at + 4, "IDAT", 4) == 0) {
            memmove(png + filled, png + at + 8, length);
            filled += length;
        }
        at += 12 + length;
    }
    return filled;
}

/* Compresses the rectangle of red, green, blue, alpha; false without memory. */
static bool compress_frame(struct frame *f, const uint8_t *pixels)
{
    png_image image;
    memset(&image, 0, sizeof image);
    image.version = PNG_IMAGE_VERSION;
    image.width = f->width;
    image.height = f->height;
    image.format = PNG_FORMAT_RGBA;
    png_alloc_size_t room = PNG_IMAGE_PNG_SIZE_MAX(image);
    f->bytes = malloc(room);
    if (f->bytes == NULL ||
        !png_image_write_to_memory(&image, f->bytes, &room, 0, pixels, 0, NULL)) {
        free(f->bytes);
        return false;
    }
    f->size = gather_image_data(f->bytes, room);
    uint8_t *shorter = realloc(f->bytes, f->size);
    f->bytes = shorter != NULL ? shorter : f->bytes;
    return true;
}

/* Grey or coloured pixels as colours; NULL without memory. */
static uint8_t *as_colours(const uint8_t *pixels, int64_t n, int channels)
{
    uint8_t *out = malloc(3 * (size_t)n);
    for (int64_t i = 0; out != NULL && i < 3 * n; i++) {
        out[i] = channels == 3 ? pixels[i] : pixels[i / 3];
    }
    return out;
}

ag_error data_animation_add_at(ag_place where, data_animation *a, const uint8_t *pixels,
                               int64_t height, int64_t width, int channels)
{
    const char *function = "data_animation_add";
    if (!usable(where, function, a)) {
        return ag_error_code();
    }
    if (pixels == NULL) {
        return ag_error_raise(where, AG_ERROR_VALUE, "%s: the array of pixels is NULL", function);
    }
    if (height < 1 || width < 1 || height > MOST_PIXELS_A_SIDE || width > MOST_PIXELS_A_SIDE ||
        (channels != 1 && channels != 3)) {
        return ag_error_raise(
            where, AG_ERROR_VALUE,
            "%s: %s: a frame cannot have %" PRId64 " x %" PRId64
            " pixels of %d channels; 1 (grey) or 3 (red, green, blue) are written, and at most %d "
            "pixels a side",
            function, a->path, height, width, channels, MOST_PIXELS_A_SIDE);
    }
    if (a->count > 0 && (height != a->height || width != a->width)) {
        return ag_error_raise(where, AG_ERROR_SHAPE,
                              "%s: %s: a frame of %" PRId64 " x %" PRId64
                              " after frames of %" PRId64 " x %" PRId64,
                              function, a->path, height, width, a->height, a->width);
    }
    uint8_t *now = as_colours(pixels, height * width, channels), *part = NULL;
    struct frame *longer = realloc(a->frame, ((size_t)a->count + 1) * sizeof *longer);
    a->frame = longer != NULL ? longer : a->frame;
    bool good = now != NULL && longer != NULL;
    if (good) {
        struct frame f = changed_part(a->last, now, height, width);
        part = with_alpha(a->last, now, width, &f);
        f.milliseconds = a->milliseconds;
        good = part != NULL && compress_frame(&f, part);
        if (good) {
            a->frame[a->count++] = f;
        }
    }
    free(part);
    if (!good) {
        free(now);
        return ag_error_raise(where, AG_ERROR_MEMORY,
                              "%s: %s: no memory for a frame of %" PRId64 " x %" PRId64, function,
                              a->path, height, width);
    }
    a->height = height;
    a->width = width;
    free(a->last);
    a->last = now;
    return AG_OK;
}

ag_error data_animation_hold_at(ag_place where, data_animation *a, int milliseconds)
{
    const char *function = "data_animation_hold";
    if (!usable(where, function, a) || !duration_fits(where, function, milliseconds)) {
        return ag_error_code();
    }
    if (a->count == 0) {
        return ag_error_raise(where, AG_ERROR_STATE, "%s: %s: there is no frame yet", function,
                              a->path);
    }
    a->frame[a->count - 1].milliseconds = milliseconds;
    return AG_OK;
}

/* ---- the file ------------------------------------------------------------------------------ */

/* One chunk: its length, its name and `head` and `body`, and the check sum of all but the length. */
static bool write_chunk(FILE *file, const char name[5], const uint8_t *head, size_t head_size,
                        const uint8_t *body, size_t body_size)
{
    uint8_t number[4];
    uLong sum = crc32_z(0, (const Bytef *)name, 4);
    if (head_size > 0) { /* zlib takes an absent buffer for a wish to begin anew */
        sum = crc32_z(sum, head, head_size);
    }
    if (body_size > 0) {
        sum = crc32_z(sum, body, body_size);
    }
    write_be32(number, (uint32_t)(head_size + body_size));
    bool good = fwrite(number, 1, 4, file) == 4 && fwrite(name, 1, 4, file) == 4;
    good = good && (head_size == 0 || fwrite(head, 1, head_size, file) == head_size);
    good = good && (body_size == 0 || fwrite(body, 1, body_size, file) == body_size);
    write_be32(number, (uint32_t)sum);
    return good && fwrite(number, 1, 4, file) == 4;
}

static bool write_frame(FILE *file, const struct frame *f, bool first, uint32_t *serial)
{
    uint8_t control[26] = { 0 }, number[4];
    write_be32(control, (*serial)++);
    write_be32(control + 4, f->width);
    write_be32(control + 8, f->height);
    write_be32(control + 12, f->x);
    write_be32(control + 16, f->y);
    control[20] = (uint8_t)(f->milliseconds >> 8);
    control[21] = (uint8_t)f->milliseconds;
    control[22] = 1000 >> 8;
    control[23] = 1000 & 255;
    control[24] = 0;             /* the canvas stays as it is afterwards */
    control[25] = first ? 0 : 1; /* painted over the canvas: transparent pixels leave it alone */
    if (!write_chunk(file, "fcTL", control, sizeof control, NULL, 0)) {
        return false;
    }
    if (first) {
        return write_chunk(file, "IDAT", NULL, 0, f->bytes, f->size);
    }
    write_be32(number, (*serial)++);
    return write_chunk(file, "fdAT", number, sizeof number, f->bytes, f->size);
}

static bool write_all(FILE *file, const data_animation *a)
{
    static const uint8_t signature[8] = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n' };
    uint8_t header[13] = { 0 }, animation[8] = { 0 };
    write_be32(header, (uint32_t)a->width);
    write_be32(header + 4, (uint32_t)a->height);
    header[8] = 8;                             /* bits */
    header[9] = 6;                             /* red, green, blue, alpha */
    write_be32(animation, (uint32_t)a->count); /* and 0: played for ever */
    bool good = fwrite(signature, 1, sizeof signature, file) == sizeof signature &&
                write_chunk(file, "IHDR", header, sizeof header, NULL, 0) &&
                write_chunk(file, "acTL", animation, sizeof animation, NULL, 0);
    uint32_t serial = 0;
    for (int64_t i = 0; good && i < a->count; i++) {
        good = write_frame(file, &a->frame[i], i == 0, &serial);
    }
    return good && write_chunk(file, "IEND", NULL, 0, NULL, 0);
}

static ag_error write_file(ag_place where, const data_animation *a)
{
    char *part = NULL;
    FILE *file = data_open_beside(a->path, &part);
    bool written = file != NULL;
    int reason = errno;
    if (written) {
        errno = 0;
        written = write_all(file, a);
        reason = errno;
        if (fclose(file) != 0 && written) {
            written = false;
            reason = errno;
        }
        if (written && rename(part, a->path) != 0) {
            written = false;
            reason = errno;
        }
        if (!written) {
            remove(part);
        }
    }
    free(part);
    if (!written) {
        return ag_error_raise(where, AG_ERROR_FILE, "data_animation_end: %s: cannot be written: %s",
                              a->path, strerror(reason));
    }
    return AG_OK;
}

ag_error data_animation_end_at(ag_place where, data_animation *a)
{
    if (usable(where, "data_animation_end", a)) {
        if (a->count == 0) {
            ag_error_raise(where, AG_ERROR_STATE, "data_animation_end: %s: there is no frame",
                           a->path);
        } else {
            write_file(where, a);
        }
    }
    data_animation_free(a);
    return ag_error_code();
}
