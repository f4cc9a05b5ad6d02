/*
 * Part 2: padding. What happens at the border.
 */
#include "filters.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { PADDINGS = 4, KERNELS = 3, CANVAS = 34 };

/* A box blur of k x k. Padding is how many zeros are laid around the picture first. */
static ag_tensor blur_padded(ag_tensor x, int64_t k, int padding)
{
    ag_tensor box = ag_full(AG_SHAPE(1, 1, k, k), 1.0 / (double)(k * k), AG_FLOAT32);
    ag_conv2d_config config = ag_conv2d_defaults();
    switch (padding) {
    case 0: /* valid: the filter stays inside */
        break;
    case 1: /* half: k/2 zeros on each side */
        config.padding[0] = config.padding[1] = k / 2;
        break;
    case 2: /* same: as many as keep the size; with an even filter one more at the right and at the bottom */
        config.padding_mode = AG_PADDING_SAME;
        break;
    default: /* full: every overlap of one pixel counts */
        config.padding[0] = config.padding[1] = k - 1;
        break;
    }
    return ag_conv2d(x, box, AG_NONE, config);
}

static const char *const padding_names[PADDINGS] = { "valid", "half", "same", "full" };
static const int64_t kernel_sizes[KERNELS] = { 3, 4, 5 };

/* A digit (h, w) in the middle of a grey square, so that the sizes can be compared. */
static void add_on_canvas(struct tiles *t, ag_tensor digit)
{
    int64_t h = ag_size(digit, -2), w = ag_size(digit, -1), top = (CANVAS - h) / 2,
            left = (CANVAS - w) / 2;
    float *pixels = tiles_add(t, CANVAS, CANVAS, 1), part[CANVAS * CANVAS];
    if (pixels == NULL || ag_read(ag_contiguous(digit), part, h * w) != AG_OK) {
        return;
    }
    for (int i = 0; i < CANVAS * CANVAS; i++) {
        pixels[i] = 0.82F;
    }
    for (int64_t row = 0; row < h; row++) {
        for (int64_t column = 0; column < w; column++) {
            pixels[(top + row) * CANVAS + left + column] = 1 - part[row * w + column];
        }
    }
}

bool padding_lesson(struct lesson *l, const float *digit)
{
    ag_scope scope = { 0 };
    ag_begin_no_grad(&scope);
    ag_tensor x = ag_from(AG_SHAPE(1, 1, DIGIT_SIDE, DIGIT_SIDE), AG_FLOAT32, digit);
    struct plot *p = plot_new("Padding: a digit of 28 x 28 pixels, blurred by box filters");
    struct tiles tiles = { 0 };
    int64_t sizes[KERNELS][PADDINGS];
    printf("\n2. Padding: how large a digit of 28 x 28 is after a filter of k x k\n\n"
           "       valid     half     same     full\n");
    for (int k = 0; k < KERNELS; k++) {
        printf("  k=%lld", (long long)kernel_sizes[k]);
        for (int padding = 0; padding < PADDINGS; padding++) {
            ag_tensor y = blur_padded(x, kernel_sizes[k], padding);
            sizes[k][padding] = ag_size(y, 3);
            printf("  %2lldx%-2lld  ", (long long)ag_size(y, 2), (long long)ag_size(y, 3));
            add_on_canvas(&tiles, ag_select(ag_select(y, 0, 0), 0, 0));
            struct plot_image *image = tiles_last(&tiles);
            snprintf(image->left, sizeof image->left, "k = %lld, %s", (long long)kernel_sizes[k],
                     padding_names[padding]);
            snprintf(image->right, sizeof image->right, "%lld x %lld", (long long)ag_size(y, 2),
                     (long long)ag_size(y, 3));
        }
        printf("\n");
    }
    printf("\nsize = (28 + zeros before and behind - k) / stride + 1. Half and same agree for odd "
           "k, which is why filters have\n"
           "odd sides.\n");
    json_object_set_new(l->record, "padding_sizes",
                        record_count_table(KERNELS, PADDINGS, &sizes[0][0]));
    tiles_put(&tiles, p, "", PADDINGS, 170);
    bool good = ag_exit_status() == 0 && plot_save(&l->out, p, "padding");
    plot_free(p);
    ag_end(&scope);
    return good;
}
