/*
 * Pictures of another size: along the rows, then along the columns.
 */
#include "data/resize.h"

#include <math.h>
#include <stdlib.h>

/* Weights are whole numbers, this many times as large: the same bytes come out on every machine, and the same as with Pillow. */
enum { ONE = 1 << 22 };

/* Where a new pixel looks, and how much each of the old ones there counts. */
struct window {
    int64_t first, count;
    double *share;
    int64_t *weight;
};

/* The window of pixel i of `to`, which come from `from`. */
static void look(struct window *w, int64_t i, int64_t from, int64_t to)
{
    double scale = (double)from / (double)to, support = scale > 1 ? scale : 1, centre = ((double)i + 0.5) * scale;
    double low = floor(centre - support + 0.5), high = floor(centre + support + 0.5), sum = 0;
    w->first = low > 0 ? (int64_t)low : 0;
    w->count = (high < (double)from ? (int64_t)high : from) - w->first;
    for (int64_t k = 0; k < w->count; k++) {
        double away = fabs(((double)(w->first + k) + 0.5 - centre) / support);
        w->share[k] = away < 1 ? 1 - away : 0;
        sum += w->share[k];
    }
    for (int64_t k = 0; k < w->count; k++) {
        w->weight[k] = (int64_t)(w->share[k] / sum * ONE + 0.5);
    }
}

/* Of a sum of bytes, none of which is negative. */
static uint8_t to_byte(int64_t sum)
{
    int64_t x = (sum + ONE / 2) / ONE;
    return (uint8_t)(x > 255 ? 255 : x);
}

bool data_pixels_resize(const uint8_t *pixels, int64_t height, int64_t width, int channels, int64_t to_height, int64_t to_width,
                        uint8_t *to)
{
    int64_t longest = height > width ? height : width, row = to_width * channels;
    struct window w = { .share = malloc((size_t)longest * sizeof *w.share), .weight = malloc((size_t)longest * sizeof *w.weight) };
    uint8_t *narrow = malloc((size_t)(height * row)); /* (height, to_width, channels): bytes between the two, as Pillow has them */
    bool good = w.share != NULL && w.weight != NULL && narrow != NULL;
    for (int64_t x = 0; x < to_width && good; x++) {
        look(&w, x, width, to_width);
        for (int64_t y = 0; y < height; y++) {
            for (int64_t c = 0; c < channels; c++) {
                int64_t sum = 0;
                for (int64_t k = 0; k < w.count; k++) {
                    sum += w.weight[k] * pixels[(y * width + w.first + k) * channels + c];
                }
                narrow[y * row + x * channels + c] = to_byte(sum);
            }
        }
    }
    for (int64_t y = 0; y < to_height && good; y++) {
        look(&w, y, height, to_height);
        for (int64_t x = 0; x < row; x++) {
            int64_t sum = 0;
            for (int64_t k = 0; k < w.count; k++) {
                sum += w.weight[k] * narrow[(w.first + k) * row + x];
            }
            to[y * row + x] = to_byte(sum);
        }
    }
    free(w.share);
    free(w.weight);
    free(narrow);
    return good;
}
