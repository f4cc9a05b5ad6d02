/*
 * What a convolution does.
 *
 * First with filters made by hand, on a photograph; then what happens at the border, and between pixels: padding, stride,
 * pooling; then a small network learns its filters from digits, and is asked where it looked.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/autograd.h"
#include "data/data.h"
#include "nn/nn.h"
#include "optim/optim.h"

#include "common/digits.h"
#include "common/evaluate.h"
#include "common/files.h"
#include "common/options.h"
#include "common/photo.h"
#include "common/plot.h"
#include "common/progress.h"
#include "common/record.h"
#include "common/report.h"
#include "common/saving.h"

struct lesson {
    const struct options *options;
    struct plot_output out;
    json_t *record;
};

/* The largest difference between two tensors of one shape. */
static double difference(ag_tensor a, ag_tensor b)
{
    return ag_item(ag_max(ag_abs(ag_sub(a, b))));
}

static bool claim(struct lesson *l, const char *key, const char *words, double value)
{
    printf("  %-62s %.1e\n", words, value);
    json_object_set_new(l->record, key, record_number(value));
    return true;
}

/* ---- pictures of numbers ------------------------------------------------------------------------------------------------- */

/* Pictures for one panel, with memory of their own for their pixels. */
enum { TILES = 64 };
struct tiles {
    int count;
    struct plot_image image[TILES];
};

static float *add_tile(struct tiles *t, int64_t height, int64_t width, int channels)
{
    float *pixels = calloc((size_t)(height * width * channels), sizeof *pixels);
    if (pixels == NULL || t->count == TILES) {
        free(pixels);
        return NULL;
    }
    t->image[t->count++] = (struct plot_image){
        .height = (int)height, .width = (int)width, .channels = channels, .pixels = pixels
    };
    return pixels;
}

static struct plot_image *last_tile(struct tiles *t)
{
    return &t->image[t->count - 1];
}

/* Draws them in one more panel of the figure, which copies them. */
static void put_tiles(struct tiles *t, struct plot *p, const char *title, int columns, double side)
{
    plot_images(plot_panel(p, title, "", ""), t->count, t->image, columns, side);
    for (int i = 0; i < t->count; i++) {
        free((float *)t->image[i].pixels);
    }
    t->count = 0;
}

/* One plane (height, width) of a tensor as a grey picture: `black` becomes black and `white` white. */
static void add_plane(struct tiles *t, ag_tensor plane, double black, double white)
{
    int64_t height = ag_size(plane, -2), width = ag_size(plane, -1);
    float *pixels = add_tile(t, height, width, 1);
    if (pixels != NULL) {
        ag_tensor grey = ag_mul_scalar(ag_add_scalar(plane, -black), 1 / (white - black));
        ag_read(ag_contiguous(ag_clamp(grey, 0, 1)), pixels, height * width);
    }
}

/* ---- 1. Filters made by hand --------------------------------------------------------------------------------------------- */

enum { FILTERS = 8, SOBEL_ACROSS = 4, SOBEL_DOWN = 5 };

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

/* All filters as one weight (8, 1, 3, 3): a convolution with eight output channels applies them in one call. */
static ag_tensor filter_weights(void)
{
    float w[FILTERS][3][3];
    for (int f = 0; f < FILTERS; f++) {
        for (int i = 0; i < 9; i++) {
            w[f][i / 3][i % 3] = filters[f].weight[i / 3][i % 3] / filters[f].divisor;
        }
    }
    return ag_from(AG_SHAPE(FILTERS, 1, 3, 3), AG_FLOAT32, w);
}

static ag_tensor photo_tensor(const struct photo *photo)
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

    ag_tensor sharp = ag_narrow(y, 1, 3, 1), laplacian = ag_narrow(y, 1, 6, 1);
    claim(l, "sharpen_is_difference", "sharpen = picture - Laplacian (convolution is linear)",
          difference(sharp, ag_sub(x, laplacian)));

    ag_tensor blur = ag_narrow(filter_weights(), 0, 2, 1);
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
            add_plane(&tiles, plane, -most, most);
        } else {
            add_plane(&tiles, plane, 0, 1);
        }
        struct plot_image *image = last_tile(&tiles);
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
    add_plane(&tiles, steep, 0.7 * ag_item(ag_max(steep)), 0);
    snprintf(last_tile(&tiles)->left, PLOT_TEXT, "edges");
    snprintf(last_tile(&tiles)->below, PLOT_TEXT, "root of Sobel across² + Sobel down²");

    put_tiles(&tiles, p, "", 3, 230);
    snprintf(p->note, sizeof p->note,
             "weights: row | row | row;  where answers can be negative, grey is 0, white is "
             "positive, black is negative");
    bool good = plot_save(&l->out, p, "by-hand");
    plot_free(p);
    return good;
}

static bool hand_lesson(struct lesson *l, const struct photo *photo)
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

/* ---- 2. Padding, stride, pooling ----------------------------------------------------------------------------------------- */

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
    float *pixels = add_tile(t, CANVAS, CANVAS, 1), part[CANVAS * CANVAS];
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

static bool padding_lesson(struct lesson *l, const float *digit)
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
            struct plot_image *image = last_tile(&tiles);
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
    put_tiles(&tiles, p, "", PADDINGS, 170);
    bool good = ag_exit_status() == 0 && plot_save(&l->out, p, "padding");
    plot_free(p);
    ag_end(&scope);
    return good;
}

/* How much an answer changes when the picture moves by one pixel, as a share of the answer. */
static double change(ag_tensor before, ag_tensor after)
{
    return sqrt(ag_item(ag_sum(ag_square(ag_sub(after, before)))) /
                ag_item(ag_sum(ag_square(before))));
}

static bool pooling_lesson(struct lesson *l, const struct photo *photo)
{
    ag_scope scope = { 0 };
    ag_begin_no_grad(&scope);
    ag_tensor x = photo_tensor(photo);
    ag_tensor blur = ag_narrow(filter_weights(), 0, 2, 1);
    struct plot *p = plot_new("Stride and pooling");
    struct tiles tiles = { 0 };
    for (int64_t stride = 1; stride <= 8; stride *= 2) {
        ag_conv2d_config config = ag_conv2d_defaults();
        config.padding[0] = config.padding[1] = 1;
        config.stride[0] = config.stride[1] = stride;
        ag_tensor y = ag_conv2d(x, blur, AG_NONE, config);
        add_plane(&tiles, ag_select(ag_select(y, 0, 0), 0, 0), 0, 1);
        snprintf(last_tile(&tiles)->left, PLOT_TEXT, "Gaussian, stride %lld", (long long)stride);
        snprintf(last_tile(&tiles)->right, PLOT_TEXT, "%lld x %lld", (long long)ag_size(y, 2),
                 (long long)ag_size(y, 3));
    }
    ag_tensor picked = ag_slice(ag_slice(x, 2, 0, photo->height, 4), 3, 0, photo->width, 4);
    ag_tensor mean = ag_avg_pool2d(x, ag_pool2d_defaults(4)),
              most = ag_max_pool2d(x, ag_pool2d_defaults(4));
    ag_tensor least = ag_neg(ag_max_pool2d(ag_neg(x), ag_pool2d_defaults(4)));
    const struct {
        const char *name;
        ag_tensor y;
    } pooled[] = { { "every 4th pixel", picked },
                   { "average of 4 x 4", mean },
                   { "maximum of 4 x 4", most },
                   { "minimum of 4 x 4", least } };
    for (int i = 0; i < 4; i++) {
        add_plane(&tiles, ag_select(ag_select(pooled[i].y, 0, 0), 0, 0), 0, 1);
        snprintf(last_tile(&tiles)->left, PLOT_TEXT, "%s", pooled[i].name);
        snprintf(last_tile(&tiles)->right, PLOT_TEXT, "%lld x %lld",
                 (long long)ag_size(pooled[i].y, 2), (long long)ag_size(pooled[i].y, 3));
    }
    put_tiles(&tiles, p, "", 4, 180);
    snprintf(p->note, sizeof p->note, "dark borders: the zeros that were laid around the picture");

    /* Pooling forgets where exactly something was: that is what it is for. */
    ag_conv2d_config same = ag_conv2d_defaults();
    same.padding_mode = AG_PADDING_SAME;
    ag_tensor sobel = ag_narrow(filter_weights(), 0, SOBEL_ACROSS, 1);
    ag_tensor edges = ag_abs(ag_conv2d(x, sobel, AG_NONE, same));
    ag_tensor moved = ag_abs(ag_conv2d(ag_roll(x, 1, 3), sobel, AG_NONE, same));
    double alone = change(edges, moved);
    double pooled4 = change(ag_max_pool2d(edges, ag_pool2d_defaults(4)),
                            ag_max_pool2d(moved, ag_pool2d_defaults(4)));
    printf("\n3. Stride and pooling. The picture moves by one pixel; how much the edges that were "
           "found change:\n\n"
           "  as they are              %3.0f %%\n"
           "  maximum of 4 x 4         %3.0f %%\n",
           100 * alone, 100 * pooled4);
    json_object_set_new(l->record, "change_unpooled", record_number(alone));
    json_object_set_new(l->record, "change_pooled", record_number(pooled4));
    bool good = ag_exit_status() == 0 && plot_save(&l->out, p, "stride-and-pooling");
    plot_free(p);
    ag_end(&scope);
    return good;
}

/* ---- 4. Learned filters -------------------------------------------------------------------------------------------------- */

enum { MAPS_1 = 16, MAPS_2 = 32, MAPS_3 = 64, KERNEL_1 = 5, CAM_SIDE = 7 };

/* The network in two halves: what it sees, and what it makes of it. The second half is a mean over all places and one linear
 * layer, so that the score of a digit is a sum over places: that is what makes the maps below possible. */
static nn_module *new_network(void)
{
    nn_conv2d_config first = nn_conv2d_defaults(1, MAPS_1, KERNEL_1),
                     second = nn_conv2d_defaults(MAPS_1, MAPS_2, 3),
                     third = nn_conv2d_defaults(MAPS_2, MAPS_3, 3);
    first.conv.padding_mode = second.conv.padding_mode = third.conv.padding_mode = AG_PADDING_SAME;
    nn_module *features =
        nn_sequential(nn_conv2d_with(first), nn_batch_norm2d(MAPS_1), nn_relu(),  /* (16, 28, 28) */
                      nn_max_pool2d(2),                                           /* (16, 14, 14) */
                      nn_conv2d_with(second), nn_batch_norm2d(MAPS_2), nn_relu(), /* (32, 14, 14) */
                      nn_max_pool2d(2),                                           /* (32,  7,  7) */
                      nn_conv2d_with(third), nn_batch_norm2d(MAPS_3), nn_relu()); /* (64,  7,  7) */
    nn_module *head = nn_sequential(nn_adaptive_avg_pool2d(1, 1),                 /* (64,  1,  1) */
                                    nn_flatten(),                                 /* (64)         */
                                    nn_linear(MAPS_3, DIGIT_CLASSES));            /* (10)         */
    return nn_sequential(features, head);
}

static bool train(const struct options *o, nn_module *net, data_loader *batches)
{
    optim_adam_config adam = optim_adam_defaults();
    adam.lr = o->lr;
    optim *opt = optim_adam(nn_parameters(net), adam);
    ag_scope step = { 0 };
    struct progress progress;
    double epoch_steps = (double)data_loader_batches(batches);
    int64_t epoch = 1;
    struct saving saving;
    progress_clear(&progress);
    bool good = saving_begin(&saving, o);
    saving_add(&saving, "model", nn_stateful(net));
    saving_add(&saving, "optimizer", optim_stateful(opt));
    saving_add(&saving, "digits", data_loader_stateful(batches));
    saving_add(&saving, "epoch", ag_stateful_int64(&epoch));
    saving_add(&saving, "progress", progress_stateful(&progress));
    good = good && saving_resume(&saving);
    while (good && epoch <= o->epochs) {
        progress_begin(&progress, (int)epoch, o->epochs, data_loader_samples(batches));
        data_batch batch;
        data_loader_rewind(batches);
        while (good && data_loader_next(batches, &batch)) {
            /* The rate falls in a line to zero: the last steps settle, so that what batch normalisation remembers fits. */
            double done = ((double)batch.index + epoch_steps * (double)(epoch - 1)) /
                          (epoch_steps * o->epochs);
            optim_set_lr(opt, 0, o->lr * (1 - done));
            ag_begin(&step);
            ag_tensor scores = nn_forward(net, batch.x);
            ag_tensor loss = ag_cross_entropy(scores, batch.y);
            optim_zero_grad(opt);
            ag_backward(loss);
            optim_step(opt);
            double loss_now = ag_item(loss);
            ag_tensor right = ag_eq(ag_argmax(scores, 1, false), batch.y);
            progress_add(&progress, batch.n, loss_now, (int64_t)ag_item(ag_sum(right)));
            if (!isfinite(loss_now)) {
                progress_end(&progress);
                report_not_finite(o, loss_now, (int)epoch, batch.index + 1);
                good = false;
            }
            good = good && !saving_step(&saving);
        }
        if (good) {
            double seconds = progress_seconds(&progress);
            progress_end(&progress);
            printf("  epoch %d/%d  loss %.4f, %.2f %%   %.1f s\n", (int)epoch, o->epochs,
                   progress_loss(&progress), 100 * progress_accuracy(&progress), seconds);
            fflush(stdout);
            epoch++;
            good = !saving_epoch(&saving);
        }
    }
    ag_end(&step);
    saving_end(&saving);
    optim_free(opt);
    return good && ag_exit_status() == 0;
}

/* A number from -1 to 1 as a colour: blue, white, vermilion. */
static void tint(double value, float *rgb)
{
    static const double cold[3] = { 0.0, 0.35, 0.65 }, warm[3] = { 0.80, 0.30, 0.0 };
    double strength = fmin(fabs(value), 1);
    for (int c = 0; c < 3; c++) {
        rgb[c] = (float)(1 - strength * (1 - (value < 0 ? cold[c] : warm[c])));
    }
}

static bool draw_filters_and_maps(struct lesson *l, nn_module *net, const float *digit)
{
    struct plot *p = plot_new("Learned filters, and what they answer to one digit");
    struct tiles tiles = { 0 };
    nn_module *features = nn_sequential_child(net, 0);
    ag_list *parameters = nn_parameters(net);
    static float weights[MAPS_1][KERNEL_1 * KERNEL_1];
    ag_read(ag_list_find(parameters, "0.0.weight"), weights, MAPS_1 * KERNEL_1 * KERNEL_1);
    ag_list_free(parameters);
    for (int f = 0; f < MAPS_1; f++) {
        float *pixels = add_tile(&tiles, KERNEL_1, KERNEL_1, 3);
        double most = 0;
        for (int i = 0; i < KERNEL_1 * KERNEL_1; i++) {
            most = fmax(most, fabs((double)weights[f][i]));
        }
        for (int i = 0; pixels != NULL && i < KERNEL_1 * KERNEL_1; i++) {
            float rgb[3];
            tint((double)weights[f][i] / most, rgb);
            for (int c = 0; c < 3; c++) {
                pixels[c * KERNEL_1 * KERNEL_1 + i] = rgb[c];
            }
        }
    }
    put_tiles(&tiles, p, "first layer: 16 filters of 5 x 5", 4, 64);

    /* What comes out of the ReLU after each of the three convolutions: children 2, 6 and 10 of the features. */
    ag_scope scope = { 0 };
    ag_begin_no_grad(&scope);
    ag_tensor x = ag_from(AG_SHAPE(1, 1, DIGIT_SIDE, DIGIT_SIDE), AG_FLOAT32, digit);
    static const char *const titles[] = { "first layer: 16 maps of 28 x 28",
                                          "second layer: 32 maps of 14 x 14",
                                          "third layer: 64 maps of 7 x 7" };
    static const int columns[] = { 4, 8, 16 };
    static const double sides[] = { 64, 40, 25 };
    int layer = 0;
    for (int64_t i = 0; i < nn_sequential_count(features); i++) {
        x = nn_forward(nn_sequential_child(features, i), x);
        if (i % 4 != 2) {
            continue;
        }
        double most = ag_item(ag_max(x));
        int64_t maps = ag_size(x, 1);
        for (int64_t m = 0; m < maps; m++) {
            add_plane(&tiles, ag_select(ag_select(x, 0, 0), 0, m), most > 0 ? most : 1, 0);
        }
        put_tiles(&tiles, p, titles[layer], columns[layer], sides[layer]);
        layer++;
    }
    ag_end(&scope);
    p->columns = 2;
    snprintf(
        p->note, sizeof p->note,
        "filters: vermilion adds, blue takes away;  maps: the darker, the stronger the answer");
    bool good = ag_exit_status() == 0 && plot_save(&l->out, p, "learned");
    plot_free(p);
    return good;
}

/* ---- 5. Where did it look? ----------------------------------------------------------------------------------------------- */

/* Class activation maps of one digit for one class, from the last convolution's 64 maps A.
 *
 * CAM (Zhou et al. 2016): the linear layer's weights w of the class tell how much each map speaks for it, so sum w A is a map
 * of where it is spoken for. This needs a network that ends as ours does.
 * Grad-CAM (Selvaraju et al. 2017) works for any network: the weight of a map is the mean of d score / d A over all places; what
 * speaks against the class is dropped. For our network that is w / 49, so both maps must agree. */
struct activation {
    float heat[DIGIT_PIXELS]; /* Grad-CAM, enlarged, 1 at the hottest place */
    double cam_difference;    /* largest difference of Grad-CAM before the ReLU and CAM / 49 */
    double sum_difference;    /* of CAM's mean plus the bias and the score */
};

static void class_activation(nn_module *net, const float *digit, int class, struct activation *out)
{
    ag_scope scope = { 0 };
    ag_begin(&scope);
    ag_tensor x = ag_from(AG_SHAPE(1, 1, DIGIT_SIDE, DIGIT_SIDE), AG_FLOAT32, digit);
    ag_tensor maps = nn_forward(nn_sequential_child(net, 0), x);      /* (1, 64, 7, 7) */
    ag_tensor scores = nn_forward(nn_sequential_child(net, 1), maps); /* (1, 10) */
    ag_tensor score = ag_select(ag_select(scores, 0, 0), 0, class);

    ag_tensor slope =
        AG_NONE; /* (1, 64, 7, 7): how the score changes with each number of each map */
    ag_grad(score, 1, &maps, &slope, ag_backward_defaults());
    ag_tensor speaks = ag_mean_dims(slope, AG_DIMS(2, 3), true); /* (1, 64, 1, 1) */
    ag_tensor grad_cam = ag_sum_dims(ag_mul(speaks, maps), AG_DIMS(1), true);

    ag_list *parameters = nn_parameters(net);
    ag_tensor weight = ag_select(ag_list_find(parameters, "1.2.weight"), 0, class);
    ag_tensor bias = ag_select(ag_list_find(parameters, "1.2.bias"), 0, class);
    ag_list_free(parameters);
    ag_tensor cam =
        ag_sum_dims(ag_mul(ag_reshape(weight, AG_SHAPE(1, MAPS_3, 1, 1)), maps), AG_DIMS(1), true);
    out->cam_difference = difference(ag_mul_scalar(cam, 1.0 / (CAM_SIDE * CAM_SIDE)), grad_cam);
    out->sum_difference = fabs(ag_item(ag_add(ag_mean(cam), bias)) - ag_item(score));

    ag_interpolate_config larger = ag_interpolate_defaults();
    larger.size[0] = larger.size[1] = DIGIT_SIDE;
    larger.mode = AG_LINEAR;
    ag_tensor heat = ag_relu(ag_interpolate(grad_cam, larger));
    double most = ag_item(ag_max(heat));
    ag_read(ag_mul_scalar(heat, most > 0 ? 1 / most : 0), out->heat, DIGIT_PIXELS);
    ag_end(&scope);
}

/* The digit in ink, on paper that is warm where the network looked. */
static void add_overlay(struct tiles *t, const float *digit, const float *heat)
{
    float *pixels = add_tile(t, DIGIT_SIDE, DIGIT_SIDE, 3);
    for (int i = 0; pixels != NULL && i < DIGIT_PIXELS; i++) {
        float rgb[3];
        tint((double)heat[i], rgb);
        for (int c = 0; c < 3; c++) {
            pixels[c * DIGIT_PIXELS + i] = rgb[c] * (1 - 0.75F * digit[i]);
        }
    }
}

/* For the first test digit of each class that was read correctly; and for the surest mistakes, once for what it was read as and
 * once for what it is. */
static bool draw_activations(struct lesson *l, nn_module *net, const float *examples,
                             const bool *have, const struct evaluation *e)
{
    enum { MISTAKES_DRAWN = 6 };
    struct plot *p = plot_new("Where the network looked");
    struct tiles tiles = { 0 };
    static struct activation a;
    for (int class = 0; class < DIGIT_CLASSES; class ++) {
        if (have[class]) {
            const float *digit = examples + class * DIGIT_PIXELS;
            class_activation(net, digit, class, &a);
            add_overlay(&tiles, digit, a.heat);
            snprintf(last_tile(&tiles)->left, PLOT_TEXT, "for %d", class);
        }
    }
    if (tiles.count > 0) {
        put_tiles(&tiles, p, "what speaks for the digit, in digits read correctly", 5, 110);
    }
    for (int i = 0; i < e->mistakes && i < MISTAKES_DRAWN; i++) {
        const struct mistake *m = &e->worst[i];
        class_activation(net, m->pixels, m->guess, &a);
        add_overlay(&tiles, m->pixels, a.heat);
        snprintf(last_tile(&tiles)->left, PLOT_TEXT, "for %d, as read", m->guess);
        class_activation(net, m->pixels, m->truth, &a);
        add_overlay(&tiles, m->pixels, a.heat);
        snprintf(last_tile(&tiles)->left, PLOT_TEXT, "for %d, as it is", m->truth);
    }
    if (tiles.count > 0) {
        put_tiles(&tiles, p, "mistakes: what speaks for the wrong digit, and for the right one", 6,
                  92);
    }
    p->columns = 1;
    snprintf(p->note, sizeof p->note,
             "Grad-CAM of the third layer, 7 x 7 places, enlarged; each map has its own scale");
    bool good = ag_exit_status() == 0 && plot_save(&l->out, p, "activation");
    plot_free(p);
    return good;
}

/* ---- does the map tell the truth? Erase ink where it is hottest, and read again ------------------------------------------- */

enum { ERASERS = 3, ERASED_MAX = 400 };
static const char *const eraser_names[ERASERS] = { "hottest", "random", "coldest" };

struct ink {
    double key;
    int pixel;
};

static int by_key(const void *a, const void *b)
{
    double x = ((const struct ink *)a)->key, y = ((const struct ink *)b)->key;
    return x < y ? -1 : x > y ? 1 : ((const struct ink *)a)->pixel - ((const struct ink *)b)->pixel;
}

/* A copy of the digit without a quarter of its ink, in one place as a rule: where the map is hottest, around a random pixel, or
 * where it is coldest. The pixels with the smallest keys go. */
static void erase(const float *digit, const float *heat, int eraser, ag_rng *rng, float *out)
{
    static struct ink ink[DIGIT_PIXELS];
    int count = 0;
    memcpy(out, digit, DIGIT_PIXELS * sizeof *out);
    for (int i = 0; i < DIGIT_PIXELS; i++) {
        if (digit[i] > 0.25F) {
            double key = eraser == 0   ? (double)heat[i]
                         : eraser == 1 ? ag_rng_uniform(rng)
                                       : -(double)heat[i];
            ink[count++] = (struct ink){ -key, i };
        }
    }
    qsort(ink, (size_t)count, sizeof *ink, by_key);
    for (int i = 0; i < count / 4; i++) {
        out[ink[i].pixel] = 0;
    }
}

static int read_digit(nn_module *net, const float *digit)
{
    ag_scope scope = { 0 };
    ag_begin_no_grad(&scope);
    ag_tensor x = ag_from(AG_SHAPE(1, 1, DIGIT_SIDE, DIGIT_SIDE), AG_FLOAT32, digit);
    int guess = (int)ag_item(ag_argmax(nn_forward(net, x), 1, false));
    ag_end(&scope);
    return guess;
}

/* Goes through the test digits that are read correctly: keeps the first of each class, compares the two kinds of map, erases. */
static bool look_at_test_digits(struct lesson *l, nn_module *net, data_set *test, float *examples,
                                bool *have)
{
    ag_rng rng = ag_rng_seed((uint64_t)l->options->seed + 3);
    static struct activation a;
    static float digit[DIGIT_PIXELS], erased[DIGIT_PIXELS];
    int64_t read = 0, still[ERASERS] = { 0 };
    double cam_difference = 0, sum_difference = 0;
    for (int64_t i = 0; i < data_set_size(test) && read < ERASED_MAX && ag_exit_status() == 0;
         i++) {
        int64_t truth = 0;
        data_set_read(test, i, digit, &truth);
        if (read_digit(net, digit) != truth) {
            continue;
        }
        read++;
        if (!have[truth]) {
            have[truth] = true;
            memcpy(examples + truth * DIGIT_PIXELS, digit, sizeof digit);
        }
        class_activation(net, digit, (int)truth, &a);
        cam_difference = fmax(cam_difference, a.cam_difference);
        sum_difference = fmax(sum_difference, a.sum_difference);
        for (int eraser = 0; eraser < ERASERS; eraser++) {
            erase(digit, a.heat, eraser, &rng, erased);
            still[eraser] += read_digit(net, erased) == truth;
        }
    }
    if (ag_exit_status() != 0) {
        return false;
    }
    printf("\n5. Where did it look? Class activation maps of %lld test digits that were read "
           "correctly\n\n",
           (long long)read);
    claim(l, "cam_difference", "largest difference of Grad-CAM and CAM / 49", cam_difference);
    claim(l, "sum_difference", "and of CAM's mean plus the bias, and the score", sum_difference);
    if (read > 0) {
        printf("\nIf a map is right, ink matters where it is hot. A quarter of the ink is erased, "
               "and the digit read again:\n\n");
        json_t *shares = json_object();
        for (int eraser = 0; eraser < ERASERS; eraser++) {
            printf("  the %-8s quarter   %5.1f %% are still read correctly\n", eraser_names[eraser],
                   100 * (double)still[eraser] / (double)read);
            json_object_set_new(shares, eraser_names[eraser],
                                record_number((double)still[eraser] / (double)read));
        }
        json_object_set_new(l->record, "still_read", shares);
    }
    return true;
}

static bool learned_lesson(struct lesson *l, struct digits *digits, data_set *test)
{
    const struct options *o = l->options;
    ag_rng rng = ag_rng_seed((uint64_t)o->seed);
    data_loader_config config = data_loader_defaults();
    config.batch = o->batch;
    config.shuffle = true;
    data_loader *batches = data_loader_new(digits_take(&digits->train), config, &rng);
    nn_module *net = new_network();
    nn_init(net, &rng);
    printf("\n4. Learned filters: %lld digits, Adam with rate %g, %lld weights\n\n",
           (long long)data_loader_samples(batches), o->lr,
           (long long)nn_count_parameters(net, true));
    static struct evaluation evaluation;
    static float examples[DIGIT_CLASSES * DIGIT_PIXELS];
    bool have[DIGIT_CLASSES] = { false };
    bool good = train(o, net, batches);
    if (good) {
        data_loader *loader = evaluate_loader(data_set_share(test));
        evaluate(net, loader, &evaluation);
        data_loader_free(loader);
        nn_eval(net); /* batch normalisation: from now on with its running statistics */
        printf("\n  test accuracy %.2f %% of %lld digits\n", 100 * evaluation.accuracy,
               (long long)evaluation.samples);
        json_object_set_new(l->record, "test_accuracy", record_number(evaluation.accuracy));
        json_object_set_new(l->record, "weights_hash", record_hash(nn_hash(net)));
        good = look_at_test_digits(l, net, test, examples, have);
    }
    if (good) {
        printf("\n");
        static float digit[DIGIT_PIXELS];
        data_set_read(test, 0, digit, NULL); /* any digit will do for the maps of the layers */
        good = draw_filters_and_maps(l, net, digit) &&
               draw_activations(l, net, examples, have, &evaluation);
    }
    nn_free(net);
    data_loader_free(batches);
    return good;
}

static bool all_lessons(struct lesson *l, const struct photo *photo)
{
    const struct options *o = l->options;
    ag_rng rng = ag_rng_seed((uint64_t)o->seed);
    struct digits digits;
    if (!digits_open(&digits, o, &rng)) {
        return false;
    }
    data_set *test = digits_test(&digits);
    static float digit[DIGIT_PIXELS];
    bool good = test != NULL && data_set_read(test, 0, digit, NULL) == AG_OK;
    good = good && hand_lesson(l, photo) && padding_lesson(l, digit) && pooling_lesson(l, photo) &&
           learned_lesson(l, &digits, test);
    data_set_free(test);
    digits_close(&digits);
    return good && record_write(o, json_incref(l->record));
}

int main(int argc, char **argv)
{
    struct options options = {
        .program = "filters",
        .purpose = "Shows what a convolution does: filters made by hand and learned ones, padding, "
                   "stride, pooling,\n"
                   "and where a network looks.",
        .accepts = OPTION_SEED | OPTION_THREADS | OPTION_EPOCHS | OPTION_BATCH | OPTION_LR |
                   OPTION_DATA | OPTION_JSON | OPTION_PICTURES | OPTION_IMAGE | OPTION_SAVE,
        .epochs = 3,
        .lr = 0.01,
    };
    int status = options_parse(&options, argc, argv);
    if (status >= 0) {
        return status;
    }
    options.validation = 0;
    if (options.threads > 0) {
        ag_set_threads(options.threads);
    }
    struct photo photo;
    if (!report_possible(&options) || !photo_read(&photo, &options)) {
        return EXIT_FAILURE;
    }
    struct lesson lesson = {
        .options = &options,
        .out = { .program = options.program, .folder = options.pictures, .svg = options.svg },
        .record = record_begin(&options)
    };
    status = saving_exit_status(all_lessons(&lesson, &photo));
    json_decref(lesson.record);
    photo_free(&photo);
    return output_standard_flush(options.program) ? status : EXIT_FAILURE;
}
