/*
 * Image augmentation: random transforms of images (C,H,W), applied when a sample is read.
 *
 *     data_transform *augment = data_compose(3, (data_transform *[]){
 *         data_random_shift(2, 2, 0, &rng), data_random_rotation(-10, 10, 0, &rng), data_random_noise(0.1, &rng) });
 *     data_set *train_set = data_transform_x(train_part, augment);
 *
 * What is drawn for a sample depends on the transform's seed (split from rng), the epoch and the sample's index alone: each epoch
 * shows another picture, and neither threads nor the order in which samples are read matter. A set is augmented only by wrapping
 * it, so the other parts of a split are not; splitting a set that is augmented, and augmenting a batch, are errors.
 *
 * Images are float32, float64 or uint8 (no noise and no rotation for uint8); the shape may be (H,W), too. `fill` is what comes in
 * at the edges, in the image's own units. Errors: an image of another form, ranges that are none. Free with data_transform_free().
 */
#ifndef WENGERT_DATA_AUGMENT_H
#define WENGERT_DATA_AUGMENT_H

#include "../autograd/autograd.h"
#include "transform.h"

AG_EXTERN_C_BEGIN

/* Moves the image by whole pixels: -rows..rows down and -columns..columns to the right, each uniform. */
AG_API data_transform *data_random_shift_at(ag_place where, int64_t rows, int64_t columns, double fill, ag_rng *rng);
/* Turns left and right (the width), or top and bottom (the height) round, with probability p. */
AG_API data_transform *data_random_flip_horizontal_at(ag_place where, double p, ag_rng *rng);
AG_API data_transform *data_random_flip_vertical_at(ag_place where, double p, ag_rng *rng);
/* Turns the image about its centre by an angle that is uniform in [low, high] degrees, counter-clockwise if positive, with bilinear
 * interpolation (torchvision's RandomRotation; PyTorch's grid_sample with align_corners=False, where the outside is `fill`). */
AG_API data_transform *data_random_rotation_at(ag_place where, double low, double high, double fill, ag_rng *rng);
/* Cuts height x width out, at a uniform place, after `padding` pixels of `fill` were put on each side (RandomCrop). */
AG_API data_transform *data_random_crop_at(ag_place where, int64_t height, int64_t width, int64_t padding, double fill,
                                           ag_rng *rng);
/* Adds independent normal noise with standard deviation `deviation` to each number. */
AG_API data_transform *data_random_noise_at(ag_place where, double deviation, ag_rng *rng);
/* With probability p, fills a rectangle at a uniform place with `fill`: its area is a uniform share of the image's in
 * [area_low, area_high], the logarithm of its height over its width uniform in that of [0.3, 1/0.3]; after ten that do not fit,
 * none (RandomErasing; Zhong et al. 2020; PyTorch's defaults are p 0.5, areas 0.02 to 0.33). */
AG_API data_transform *data_random_erasing_at(ag_place where, double p, double area_low, double area_high, double fill,
                                              ag_rng *rng);
#define data_random_shift(...) data_random_shift_at(AG_HERE, __VA_ARGS__)
#define data_random_flip_horizontal(...) data_random_flip_horizontal_at(AG_HERE, __VA_ARGS__)
#define data_random_flip_vertical(...) data_random_flip_vertical_at(AG_HERE, __VA_ARGS__)
#define data_random_rotation(...) data_random_rotation_at(AG_HERE, __VA_ARGS__)
#define data_random_crop(...) data_random_crop_at(AG_HERE, __VA_ARGS__)
#define data_random_noise(...) data_random_noise_at(AG_HERE, __VA_ARGS__)
#define data_random_erasing(...) data_random_erasing_at(AG_HERE, __VA_ARGS__)

AG_EXTERN_C_END

#endif
