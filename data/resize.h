/*
 * Pictures of another size. Internal: not installed. Plain bytes.
 */
#ifndef WENGERT_DATA_RESIZE_H
#define WENGERT_DATA_RESIZE_H

#include <stdbool.h>
#include <stdint.h>

/* Brings pixels (height, width, channels) to (to_height, to_width, channels), stretched if the shape differs. Each new pixel is a mean
 * over its surroundings with weights that fall in a line (a triangle, of the width of a new pixel where the picture shrinks): Pillow's
 * BILINEAR and torchvision's Resize. False without memory. */
bool data_pixels_resize(const uint8_t *pixels, int64_t height, int64_t width, int channels, int64_t to_height, int64_t to_width,
                        uint8_t *to);

#endif
