/*
 * Part 3: stride and pooling. What happens between pixels.
 */
#include "filters.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* How much an answer changes when the picture moves by one pixel, as a share of the answer. */
static double change(ag_tensor before, ag_tensor after)
{
    return sqrt(ag_item(ag_sum(ag_square(ag_sub(after, before)))) /
                ag_item(ag_sum(ag_square(before))));
}

bool pooling_lesson(struct lesson *l, const struct photo *photo)
{
    ag_scope scope = { 0 };
    ag_begin_no_grad(&scope);
    ag_tensor x = photo_tensor(photo);
    ag_tensor blur = ag_narrow(filter_weights(), 0, GAUSSIAN, 1);
    struct plot *p = plot_new("Stride and pooling");
    struct tiles tiles = { 0 };
    for (int64_t stride = 1; stride <= 8; stride *= 2) {
        ag_conv2d_config config = ag_conv2d_defaults();
        config.padding[0] = config.padding[1] = 1;
        config.stride[0] = config.stride[1] = stride;
        ag_tensor y = ag_conv2d(x, blur, AG_NONE, config);
        tiles_add_plane(&tiles, ag_select(ag_select(y, 0, 0), 0, 0), 0, 1);
        snprintf(tiles_last(&tiles)->left, PLOT_TEXT, "Gaussian, stride %lld", (long long)stride);
        snprintf(tiles_last(&tiles)->right, PLOT_TEXT, "%lld x %lld", (long long)ag_size(y, 2),
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
        tiles_add_plane(&tiles, ag_select(ag_select(pooled[i].y, 0, 0), 0, 0), 0, 1);
        snprintf(tiles_last(&tiles)->left, PLOT_TEXT, "%s", pooled[i].name);
        snprintf(tiles_last(&tiles)->right, PLOT_TEXT, "%lld x %lld",
                 (long long)ag_size(pooled[i].y, 2), (long long)ag_size(pooled[i].y, 3));
    }
    tiles_put(&tiles, p, "", 4, 180);
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
