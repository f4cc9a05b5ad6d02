/*
 * Pictures as PNG files, out and in, and animations. A folder of them as a set: data_png_folder() (data/data.h).
 */
#ifndef WENGERT_DATA_IMAGE_H
#define WENGERT_DATA_IMAGE_H

#include "../autograd/autograd.h"

AG_EXTERN_C_BEGIN

/* Writes an 8-bit picture as PNG. `pixels` is row-major (height, width, channels), from the top
 * left; channels is 1 (grey) or 3 (red, green, blue). The file appears whole or not at all: it is
 * written beside its place and renamed. Errors name the file and the reason. */
AG_API ag_error data_png_write_at(ag_place where, const char *path, const uint8_t *pixels,
                                  int64_t height, int64_t width, int channels);
#define data_png_write(...) data_png_write_at(AG_HERE, __VA_ARGS__)

/* A picture of 8 bits, row-major (height, width, channels), from the top left. */
typedef struct data_picture {
    int64_t height, width;
    int channels;    /* 1 (grey) or 3 (red, green, blue) */
    uint8_t *pixels; /* free with data_picture_free() */
} data_picture;

/* Reads a PNG file of any kind (palette, 16 bits, interlaced, transparent) as 8 bits. channels is 1 (grey: the brightness of a
 * colour), 3, or 0: as the file has. What is transparent shows a ground of that grey, 0 to 255 (255: white). Errors name the file and
 * the reason: missing, no PNG, truncated, damaged, more than 100 million pixels; *picture is zeroed then. */
AG_API ag_error data_png_read_at(ag_place where, const char *path, int channels, uint8_t background, data_picture *picture);
AG_API void data_picture_free(data_picture *picture); /* its pixels; NULL is fine */
#define data_png_read(...) data_png_read_at(AG_HERE, __VA_ARGS__)

/* ---- animated PNG files: browsers play them, other viewers show the first frame ----------------------------------------- */

typedef struct data_animation data_animation;

/* An animation that is going to be written to `path`; each frame is shown for `milliseconds` (1 to 65535), and it begins again
 * at its end. Nothing is written before data_animation_end(). */
AG_API data_animation *data_animation_new_at(ag_place where, const char *path, int milliseconds);
/* Appends a frame: pixels as for data_png_write(), all frames of one size. Kept compressed in memory. */
AG_API ag_error data_animation_add_at(ag_place where, data_animation *a, const uint8_t *pixels, int64_t height,
                                      int64_t width, int channels);
/* Shows the latest frame for another time than the others. */
AG_API ag_error data_animation_hold_at(ag_place where, data_animation *a, int milliseconds);
/* Writes the file, whole or not at all, and frees the animation, also after an error. */
AG_API ag_error data_animation_end_at(ag_place where, data_animation *a);
/* Gives an animation up; nothing is written. NULL is fine. */
AG_API void data_animation_free(data_animation *a);
#define data_animation_new(...) data_animation_new_at(AG_HERE, __VA_ARGS__)
#define data_animation_add(...) data_animation_add_at(AG_HERE, __VA_ARGS__)
#define data_animation_hold(...) data_animation_hold_at(AG_HERE, __VA_ARGS__)
#define data_animation_end(...) data_animation_end_at(AG_HERE, __VA_ARGS__)

AG_EXTERN_C_END

#endif
