/*
 * Pictures out: what a program drew, as a PNG file.
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

AG_EXTERN_C_END

#endif
