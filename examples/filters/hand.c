/*
 * Part 1: filters made by hand, on a photograph.
 */
#include "filters.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* A filter is a small table of weights. It is laid over each pixel and its neighbours in turn; what comes out is the sum of
 * weight times brightness. */
static const struct filter {
    const char *name;
    float weight[3][3];
    float divisor;
    const char *says;
} filters[FILTERS] = {
    { "identity", { { 0, 0, 0 }, { 0, 1, 0 }, { 0, 0, 0 } }, 1, "leaves everything as it is" },
    { "box blur", { { 1, 1, 1 }, { 1, 1, 1 }, { 1, 1, 1 } }, 9, "mean of nine pixels" },
    { "Gaussian blur", { { 1, 2, 1 }, { 2, 4, 2 }, { 1, 2, 1 } }, 16, "the middle counts more" },
    { "sharpen", { { 0, -1, 0 }, { -1, 5, -1 }, { 0, -1, 0 } }, 1, "more unlike its neighbours" },
    { "Sobel, across", { { -1, 0, 1 }, { -2, 0, 2 }, { -1, 0, 1 } }, 1, "brighter to the right?" },
    { "Sobel, down", { { -1, -2, -1 }, { 0, 0, 0 }, { 1, 2, 1 } }, 1, "brighter further down?" },
    { "Laplacian", { { 0, 1, 0 }, { 1, -4, 1 }, { 0, 1, 0 } }, 1, "unlike its neighbours?" },
    { "emboss", { { -2, -1, 0 }, { -1, 1, 1 }, { 0, 1, 2 } }, 1, "light from the upper left" },
};

ag_tensor filter_weights(void)
{
    float w[FILTERS][3][3];
    for (int f = 0; f < FILTERS; f++) {
        for (int i = 0; i < 9; i++) {
            w[f][i / 3][i % 3] = filters[f].weight[i / 3][i % 3] / filters[f].divisor;
        }
    }
    return ag_from(AG_SHAPE(FILTERS, 1, 3, 3), AG_FLOAT32, w);
}

ag_tensor photo_tensor(const struct photo *photo)
{
    return ag_from(AG_SHAPE(1, 1, photo->height, photo->width), AG_FLOAT32, photo->grey);
}

/* A convolution without any of PyTorch's trimmings, for one pixel. */
static double by_hand(const struct photo *photo, const struct filter *f, int64_t row,
                      int64_t column)
{
    double sum = 0;
    for (int i = 0; i < 3; i++) {
        for (int j = 0; j < 3; j++) {
            double brightness = (double)photo->grey[(row + i - 1) * photo->width + column + j - 1];
            sum += (double)f->weight[i][j] / (double)f->divisor * brightness;
        }
    }
    return sum;
}

/* What must be so if the answers are right: each line computes the same picture in two ways. */
static void compare_filters(struct lesson *l, const struct photo *photo, ag_tensor x, ag_tensor y)
{
    ag_conv2d_config valid = ag_conv2d_defaults(), same = valid;
    same.padding_mode = AG_PADDING_SAME;
    double worst = 0;
    for (int f = 0; f < FILTERS; f++) {
        int64_t row = photo->height / 3, column = photo->width / 2;
        double here =
            ag_item(ag_select(ag_select(ag_select(ag_select(y, 0, 0), 0, f), 0, row), 0, column));
        worst = fmax(worst, fabs(here - by_hand(photo, &filters[f], row, column)));
    }
    printf("\nThe same in two ways; the largest difference of any pixel:\n\n");
    claim(l, "by_hand", "one pixel of each, summed by hand in a double loop", worst);

    ag_tensor sharp = ag_narrow(y, 1, SHARPEN, 1), laplacian = ag_narrow(y, 1, LAPLACIAN, 1);
    claim(l, "sharpen_is_difference", "sharpen = picture - Laplacian (convolution is linear)",
          difference(sharp, ag_sub(x, laplacian)));

    ag_tensor blur = ag_narrow(filter_weights(), 0, GAUSSIAN, 1);
    static const float line[5] = { 1, 4, 6, 4, 1 };
    ag_tensor binomial = ag_from(AG_SHAPE(5), AG_FLOAT32, line);
    ag_tensor wide =
        ag_reshape(ag_mul_scalar(ag_outer(binomial, binomial), 1 / 256.0), AG_SHAPE(1, 1, 5, 5));
    ag_tensor twice = ag_conv2d(ag_conv2d(x, blur, AG_NONE, valid), blur, AG_NONE, valid);
    claim(l, "twice_is_wider", "Gaussian blur twice = a 5 x 5 one, once",
          difference(twice, ag_conv2d(x, wide, AG_NONE, valid)));

    ag_tensor moved_first = ag_conv2d(ag_roll(x, 3, 3), filter_weights(), AG_NONE, same);
    ag_tensor moved_then = ag_roll(y, 3, 3);
    int64_t inside = photo->width - 8;
    claim(l, "moves_along", "move the picture, then filter = filter, then move",
          difference(ag_narrow(moved_first, 3, 4, inside), ag_narrow(moved_then, 3, 4, inside)));

    ag_conv2d_config strided = valid;
    strided.stride[0] = strided.stride[1] = 2;
    ag_tensor quarter = ag_full(AG_SHAPE(1, 1, 2, 2), 0.25, AG_FLOAT32);
    claim(l, "average_is_convolution", "average pooling = a box filter that moves by its own width",
          difference(ag_avg_pool2d(x, ag_pool2d_defaults(2)),
                     ag_conv2d(x, quarter, AG_NONE, strided)));
}

static bool draw_filters(struct lesson *l, ag_tensor y)
{
    struct plot *p = plot_new("Filters of 3 x 3 weights");
    struct tiles tiles = { 0 };
    for (int f = 0; f < FILTERS; f++) {
        const struct filter *filter = &filters[f];
        ag_tensor plane = ag_select(ag_select(y, 0, 0), 0, f);
        double sum = 0;
        for (int i = 0; i < 9; i++) {
            sum += (double)filter->weight[i / 3][i % 3];
        }
        if (sum == 0) { /* answers of both signs: nothing is grey */
            double most = ag_item(ag_max(ag_abs(plane))) * 0.6;
            tiles_add_plane(&tiles, plane, -most, most);
        } else {
            tiles_add_plane(&tiles, plane, 0, 1);
        }
        struct plot_image *image = tiles_last(&tiles);
        snprintf(image->left, sizeof image->left, "%s", filter->name);
        int used = 0;
        for (int i = 0; i < 9; i++) {
            used += snprintf(image->below + used, sizeof image->below - (size_t)used, "%s%g",
                             i == 0       ? ""
                             : i % 3 == 0 ? "  |  "
                                          : " ",
                             (double)filter->weight[i / 3][i % 3]);
        }
        if (filter->divisor != 1) {
            snprintf(image->below + used, sizeof image->below - (size_t)used, "   / %g",
                     (double)filter->divisor);
        }
    }
    /* The steepness in any direction: Pythagoras over the two Sobel filters. */
    ag_tensor across = ag_select(ag_select(y, 0, 0), 0, SOBEL_ACROSS),
              down = ag_select(ag_select(y, 0, 0), 0, SOBEL_DOWN);
    ag_tensor steep = ag_sqrt(ag_add(ag_square(across), ag_square(down)));
    tiles_add_plane(&tiles, steep, 0.7 * ag_item(ag_max(steep)), 0);
    snprintf(tiles_last(&tiles)->left, PLOT_TEXT, "edges");
    snprintf(tiles_last(&tiles)->below, PLOT_TEXT, "root of Sobel across² + Sobel down²");

    tiles_put(&tiles, p, "", 3, 230);
    snprintf(p->note, sizeof p->note,
             "weights: row | row | row;  where answers can be negative, grey is 0, white is "
             "positive, black is negative");
    bool good = plot_save(&l->out, p, "by-hand");
    plot_free(p);
    return good;
}

bool hand_lesson(struct lesson *l, const struct photo *photo)
{
    ag_scope scope = { 0 };
    ag_begin_no_grad(&scope);
    printf("1. Filters made by hand, on %s (%lld x %lld pixels)\n\n"
           "                   sum of    answers\n"
           "  filter          weights    lowest  highest     it says\n",
           photo->path, (long long)photo->width, (long long)photo->height);
    ag_conv2d_config same = ag_conv2d_defaults();
    same.padding_mode = AG_PADDING_SAME;
    ag_tensor x = photo_tensor(photo);
    ag_tensor y = ag_conv2d(x, filter_weights(), AG_NONE, same); /* (1, 8, H, W) */
    for (int f = 0; f < FILTERS; f++) {
        ag_tensor answers = ag_select(y, 1, f);
        printf("  %-14s %8.0f %9.2f %8.2f     %s\n", filters[f].name,
               ag_item(ag_sum(ag_select(filter_weights(), 0, f))) + 0.0, ag_item(ag_min(answers)),
               ag_item(ag_max(answers)), filters[f].says);
    }
    printf("\nWeights that sum to 1 keep the brightness; weights that sum to 0 answer nothing "
           "where nothing changes.\n");
    compare_filters(l, photo, x, y);
    bool good = ag_exit_status() == 0 && draw_filters(l, y);
    ag_end(&scope);
    return good;
}
