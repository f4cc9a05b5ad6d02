/*
 * Numbers as pictures. It must not know what the numbers are.
 */
#include "tiles.h"

#include <math.h>
#include <stdlib.h>

float *tiles_add(struct tiles *t, int64_t height, int64_t width, int channels)
{
    float *pixels = calloc((size_t)(height * width * channels), sizeof *pixels);
    if (pixels == NULL || t->count == TILES_MAX) {
        free(pixels);
        return NULL;
    }
    t->image[t->count++] = (struct plot_image){
        .height = (int)height, .width = (int)width, .channels = channels, .pixels = pixels
    };
    return pixels;
}

void tiles_add_plane(struct tiles *t, ag_tensor plane, double black, double white)
{
    int64_t height = ag_size(plane, -2), width = ag_size(plane, -1);
    float *pixels = tiles_add(t, height, width, 1);
    if (pixels != NULL) {
        ag_tensor grey = ag_mul_scalar(ag_add_scalar(plane, -black), 1 / (white - black));
        ag_read(ag_contiguous(ag_clamp(grey, 0, 1)), pixels, height * width);
    }
}

void tiles_add_signed(struct tiles *t, int64_t height, int64_t width, const float *values,
                      double most)
{
    int64_t n = height * width;
    float *pixels = tiles_add(t, height, width, 3);
    for (int64_t i = 0; pixels != NULL && i < n; i++) {
        float rgb[3];
        tiles_tint((double)values[i] / most, rgb);
        for (int c = 0; c < 3; c++) {
            pixels[c * n + i] = rgb[c];
        }
    }
}

struct plot_image *tiles_last(struct tiles *t)
{
    return &t->image[t->count - 1];
}

void tiles_put(struct tiles *t, struct plot *p, const char *title, int columns, double side)
{
    plot_images(plot_panel(p, title, "", ""), t->count, t->image, columns, side);
    for (int i = 0; i < t->count; i++) {
        free((float *)t->image[i].pixels);
    }
    t->count = 0;
}

void tiles_tint(double value, float rgb[3])
{
    static const double cold[3] = { 0.0, 0.35, 0.65 }, warm[3] = { 0.80, 0.30, 0.0 };
    double strength = fmin(fabs(value), 1);
    for (int c = 0; c < 3; c++) {
        rgb[c] = (float)(1 - strength * (1 - (value < 0 ? cold[c] : warm[c])));
    }
}
