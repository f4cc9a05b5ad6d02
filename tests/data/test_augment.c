/*
 * Image augmentation: what each transform may make of an image, against pictures made by hand and PyTorch's; that what is drawn
 * depends on seed, epoch and index alone; that only the part that is wrapped is augmented.
 */
#include "files.h"

#include <inttypes.h>
#include <math.h>

enum { C = 2, H = 5, W = 4, AREA = H * W, NUMEL = C * AREA, N = 12 };

/* Images whose numbers are all different: 1000 times the index, and the place from 1 on. */
static data_set *images(void)
{
    double x[N * NUMEL];
    int64_t y[N];
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < NUMEL; j++) {
            x[i * NUMEL + j] = 1000 * i + j + 1;
        }
        y[i] = i % 3;
    }
    return data_arrays(N, x, AG_SHAPE(C, H, W), AG_FLOAT64, y, AG_SHAPE_SCALAR, AG_INT64);
}

static double pixel(int64_t sample, int64_t plane, int64_t i, int64_t j, double outside)
{
    return i < 0 || i >= H || j < 0 || j >= W
               ? outside
               : (double)(1000 * sample + plane * AREA + i * W + j + 1);
}

/* Lets go of the transform. */
static data_set *seen_through(data_transform *t)
{
    data_set *plain = images(), *set = data_transform_x(plain, t);
    data_set_free(plain);
    data_transform_free(t);
    return set;
}

/* ---- shifts, flips, crops: pixels move, and none changes ------------------------------------- */

/* Whether `out` (planes of height x width) is the window that begins at row `top` and column `left`. */
static bool is_window(const double *out, int64_t sample, int64_t height, int64_t width, int64_t top,
                      int64_t left, double fill)
{
    for (int64_t p = 0; p < C; p++) {
        for (int64_t i = 0; i < height; i++) {
            for (int64_t j = 0; j < width; j++) {
                if (*out++ != pixel(sample, p, i + top, j + left, fill)) {
                    return false;
                }
            }
        }
    }
    return true;
}

/* How often each window comes in `epochs` epochs of 12 samples; each image must be one. */
static void count_windows(data_set *set, int64_t height, int64_t width, int64_t top, int64_t tops,
                          int64_t left, int64_t lefts, double fill, int64_t epochs, int *count)
{
    double out[C * 100];
    memset(count, 0, (size_t)(tops * lefts) * sizeof *count);
    for (int64_t e = 0; e < epochs; e++) {
        for (int64_t s = 0; s < N; s++) {
            bool found = false;
            ck_assert_int_eq(data_set_read_epoch(set, e, s, out, NULL), AG_OK);
            for (int64_t k = 0; k < tops * lefts && !found; k++) {
                found = is_window(out, s, height, width, top + k / lefts, left + k % lefts, fill);
                count[k] += found;
            }
            ck_assert(found);
        }
    }
}

static void assert_uniform(const int *count, int64_t n)
{
    double total = 0, sum = 0;
    for (int64_t k = 0; k < n; k++) {
        total += count[k];
    }
    for (int64_t k = 0; k < n; k++) {
        sum +=
            (count[k] - total / (double)n) * (count[k] - total / (double)n) / (total / (double)n);
    }
    ck_assert_double_lt(sum, (double)n - 1 + 4 * sqrt(2 * (double)n));
}

START_TEST(shifts_are_whole_pixels_and_uniform)
{
    ag_rng rng = ag_rng_seed(1);
    int count[15];
    data_set *set = seen_through(data_random_shift(2, 1, -7, &rng));
    ck_assert(ag_shape_equal(data_set_x_shape(set), AG_SHAPE(C, H, W)));
    count_windows(set, H, W, -2, 5, -1, 3, -7, 200, count);
    assert_uniform(count, 15);
    data_set_free(set);
    /* Further than the image is large: nothing is left of it, or all. */
    set = seen_through(data_random_shift(100, 0, 3, &rng));
    double out[NUMEL];
    int empty = 0;
    for (int64_t s = 0; s < N; s++) {
        ck_assert_int_eq(data_set_read(set, s, out, NULL), AG_OK);
        empty += out[0] == 3 && out[NUMEL - 1] == 3;
    }
    ck_assert_int_ge(empty, 8);
    data_set_free(set);
}
END_TEST

START_TEST(crops_are_windows_of_the_padded_image_and_uniform)
{
    ag_rng rng = ag_rng_seed(2);
    int count[36];
    data_set *set = seen_through(data_random_crop(4, 3, 2, 9, &rng));
    ck_assert(ag_shape_equal(data_set_x_shape(set), AG_SHAPE(C, 4, 3)));
    count_windows(set, 4, 3, -2, 6, -2, 6, 9, 400, count); /* H + 4 - 4 + 1, W + 4 - 3 + 1 places */
    assert_uniform(count, 36);
    data_set_free(set);
    set = seen_through(data_random_crop(H, W, 0, 9, &rng)); /* only one place */
    count_windows(set, H, W, 0, 1, 0, 1, 9, 2, count);
    data_set_free(set);
}
END_TEST

START_TEST(flips_turn_rows_or_columns_round_as_often_as_asked)
{
    for (int vertical = 0; vertical < 2; vertical++) {
        ag_rng rng = ag_rng_seed(3);
        data_set *set = seen_through(vertical ? data_random_flip_vertical(0.3, &rng)
                                              : data_random_flip_horizontal(0.3, &rng));
        double out[NUMEL];
        int flipped = 0, epochs = 300;
        for (int64_t e = 0; e < epochs; e++) {
            for (int64_t s = 0; s < N; s++) {
                ck_assert_int_eq(data_set_read_epoch(set, e, s, out, NULL), AG_OK);
                bool turned = out[0] != pixel(s, 0, 0, 0, 0);
                bool good = true;
                flipped += turned;
                for (int k = 0; k < NUMEL; k++) {
                    int64_t p = k / AREA, i = k % AREA / W, j = k % W;
                    i = turned && vertical ? H - 1 - i : i;
                    j = turned && !vertical ? W - 1 - j : j;
                    good = good && out[k] == pixel(s, p, i, j, 0);
                }
                ck_assert(good);
            }
        }
        ck_assert_double_lt(fabs(flipped - 0.3 * N * epochs), 4 * sqrt(0.21 * N * epochs));
        data_set_free(set);
    }
}
END_TEST

START_TEST(bytes_and_floats_move_alike)
{
    uint8_t bytes[6] = { 1, 2, 3, 4, 5, 6 }, out[6];
    float floats[6] = { 1, 2, 3, 4, 5, 6 }, moved[6];
    int64_t y = 0;
    data_set *of_bytes =
        data_arrays(1, bytes, AG_SHAPE(2, 3), AG_UINT8, &y, AG_SHAPE_SCALAR, AG_INT64);
    data_set *of_floats =
        data_arrays(1, floats, AG_SHAPE(2, 3), AG_FLOAT32, &y, AG_SHAPE_SCALAR, AG_INT64);
    for (int kind = 0; kind < 5; kind++) {
        ag_rng rng = ag_rng_seed(4);
        data_transform *t = kind == 0   ? data_random_shift(1, 1, 200, &rng)
                            : kind == 1 ? data_random_flip_horizontal(0.5, &rng)
                            : kind == 2 ? data_random_flip_vertical(0.5, &rng)
                            : kind == 3 ? data_random_crop(2, 3, 1, 200, &rng)
                                        : data_random_erasing(1, 0.2, 0.3, 200, &rng);
        data_set *a = data_transform_x(of_bytes, t), *b = data_transform_x(of_floats, t);
        for (int64_t e = 0; e < 40; e++) {
            ck_assert_int_eq(data_set_read_epoch(a, e, 0, out, NULL), AG_OK);
            ck_assert_int_eq(data_set_read_epoch(b, e, 0, moved, NULL), AG_OK);
            for (int k = 0; k < 6; k++) {
                ck_assert((float)out[k] == moved[k]);
            }
        }
        data_set_free(a);
        data_set_free(b);
        data_transform_free(t);
    }
    data_set_free(of_bytes);
    data_set_free(of_floats);
}
END_TEST

/* ---- rotation -------------------------------------------------------------------------------- */

START_TEST(rotations_are_pytorch_s)
{
    FILE *file = fopen(TESTS_GOLDEN "/augment.txt", "r");
    ck_assert_ptr_nonnull(file);
    int64_t c, h, w;
    double degrees, fill;
    int cases = 0;
    while (fscanf(file, " rotation %" SCNd64 " %" SCNd64 " %" SCNd64 " %lf %lf", &c, &h, &w,
                  &degrees, &fill) == 5) {
        double x[128], out[128];
        float single[128], out_single[128];
        int64_t state = 11, y = 0;
        for (int64_t k = 0; k < c * h * w; k++) {
            state = (state * 1103515245 + 12345) % (INT64_C(1) << 31);
            x[k] = (double)state / (1 << 30) - 1;
            single[k] = (float)x[k];
        }
        ag_rng rng = ag_rng_seed(5);
        data_transform *t = data_random_rotation(degrees, degrees, fill, &rng);
        data_set *plain =
            data_arrays(1, x, AG_SHAPE(c, h, w), AG_FLOAT64, &y, AG_SHAPE_SCALAR, AG_INT64);
        data_set *plain_single =
            data_arrays(1, single, AG_SHAPE(c, h, w), AG_FLOAT32, &y, AG_SHAPE_SCALAR, AG_INT64);
        data_set *set = data_transform_x(plain, t), *set_single = data_transform_x(plain_single, t);
        ck_assert_int_eq(data_set_read(set, 0, out, NULL), AG_OK);
        ck_assert_int_eq(data_set_read(set_single, 0, out_single, NULL), AG_OK);
        for (int64_t k = 0; k < c * h * w; k++) {
            double expected;
            ck_assert_int_eq(fscanf(file, "%lf", &expected), 1);
            ck_assert_msg(fabs(out[k] - expected) < 1e-12,
                          "%g degrees, place %" PRId64 ": %.17g instead of %.17g", degrees, k,
                          out[k], expected);
            ck_assert(fabs((double)out_single[k] - expected) < 1e-6);
        }
        data_set_free(set);
        data_set_free(set_single);
        data_set_free(plain);
        data_set_free(plain_single);
        data_transform_free(t);
        cases++;
    }
    fclose(file);
    ck_assert_int_eq(cases, 7);
}
END_TEST

/* The angle can be read off an image that is a plane: its slope turns with it. */
START_TEST(angles_are_uniform_in_their_range)
{
    enum { SIDE = 21 };
    double x[SIDE * SIDE], out[SIDE * SIDE], low = 1e9, high = -1e9, sum = 0;
    int64_t y = 0, draws = 2000;
    for (int i = 0; i < SIDE; i++) {
        for (int j = 0; j < SIDE; j++) {
            x[i * SIDE + j] = j;
        }
    }
    ag_rng rng = ag_rng_seed(6);
    data_set *plain =
        data_arrays(1, x, AG_SHAPE(SIDE, SIDE), AG_FLOAT64, &y, AG_SHAPE_SCALAR, AG_INT64);
    data_transform *t = data_random_rotation(-10, 30, 0, &rng);
    data_set *set = data_transform_x(plain, t);
    for (int64_t e = 0; e < draws; e++) {
        ck_assert_int_eq(data_set_read_epoch(set, e, 0, out, NULL), AG_OK);
        /* x = cos j - sin i around the middle */
        double along = out[10 * SIDE + 11] - out[10 * SIDE + 10],
               down = out[11 * SIDE + 10] - out[10 * SIDE + 10];
        double angle = atan2(-down, along) * 180 / 3.14159265358979323846;
        low = angle < low ? angle : low;
        high = angle > high ? angle : high;
        sum += angle;
    }
    ck_assert(low > -10 - 1e-9 && low < -9.8 && high < 30 + 1e-9 && high > 29.8);
    ck_assert_double_lt(fabs(sum / (double)draws - 10), 4 * 40 / sqrt(12. * (double)draws));
    data_set_free(set);
    data_set_free(plain);
    data_transform_free(t);
}
END_TEST

/* ---- noise and erasing ----------------------------------------------------------------------- */

START_TEST(noise_is_normal_and_independent)
{
    ag_rng rng = ag_rng_seed(7);
    data_set *set = seen_through(data_random_noise(0.5, &rng));
    double out[NUMEL], before = 0, sum = 0, square = 0, fourth = 0, product = 0, n = 0;
    for (int64_t e = 0; e < 200; e++) {
        for (int64_t s = 0; s < N; s++) {
            ck_assert_int_eq(data_set_read_epoch(set, e, s, out, NULL), AG_OK);
            for (int k = 0; k < NUMEL; k++) {
                double v = (out[k] - (double)(1000 * s + k + 1)) / 0.5;
                sum += v;
                square += v * v;
                fourth += v * v * v * v;
                product += v * before;
                before = v;
                n++;
            }
        }
    }
    ck_assert_double_lt(fabs(sum / n), 4 / sqrt(n));
    ck_assert_double_lt(fabs(square / n - 1), 4 * sqrt(2 / n));
    ck_assert_double_lt(fabs(fourth / n - 3), 4 * sqrt(96 / n));
    ck_assert_double_lt(fabs(product / n), 4 / sqrt(n));
    data_set_free(set);
}
END_TEST

START_TEST(erasing_fills_one_rectangle_of_the_asked_area)
{
    enum { SIDE = 40 };
    static double x[2 * SIDE * SIDE], out[2 * SIDE * SIDE];
    for (int k = 0; k < 2 * SIDE * SIDE; k++) {
        x[k] = 1;
    }
    int64_t y = 0, erased = 0, draws = 1500;
    ag_rng rng = ag_rng_seed(8);
    data_set *plain =
        data_arrays(1, x, AG_SHAPE(2, SIDE, SIDE), AG_FLOAT64, &y, AG_SHAPE_SCALAR, AG_INT64);
    data_transform *t = data_random_erasing(0.5, 0.05, 0.25, -1, &rng);
    data_set *set = data_transform_x(plain, t);
    double shares = 0;
    for (int64_t e = 0; e < draws; e++) {
        ck_assert_int_eq(data_set_read_epoch(set, e, 0, out, NULL), AG_OK);
        ck_assert_mem_eq(out, out + SIDE * SIDE, sizeof out / 2); /* the same in each channel */
        bool good = true; /* each ck_assert() writes to a pipe */
        int64_t top = SIDE, bottom = -1, left = SIDE, right = -1, count = 0;
        for (int64_t k = 0; k < SIDE * SIDE; k++) {
            if (out[k] == -1) {
                int64_t i = k / SIDE, j = k % SIDE;
                top = i < top ? i : top;
                bottom = i > bottom ? i : bottom;
                left = j < left ? j : left;
                right = j > right ? j : right;
                count++;
            } else {
                good = good && out[k] == 1;
            }
        }
        ck_assert(good);
        if (count > 0) {
            double height = (double)(bottom - top + 1), width = (double)(right - left + 1);
            double share = (double)count / (SIDE * SIDE);
            ck_assert(height * width == (double)count);
            ck_assert(share > 0.04 && share < 0.27);
            ck_assert(height / width > 0.3 * 0.85 && height / width < 1.15 / 0.3);
            erased++;
            shares += share;
        }
    }
    ck_assert_double_lt(fabs((double)erased - 0.5 * (double)draws), 4 * sqrt(0.25 * (double)draws));
    ck_assert_double_lt(fabs(shares / (double)erased - 0.15), 0.01);
    data_set_free(set);
    data_set_free(plain);
    data_transform_free(t);
}
END_TEST

/* ---- what is drawn when ---------------------------------------------------------------------- */

static data_transform *all_of_them(uint64_t seed)
{
    ag_rng rng = ag_rng_seed(seed);
    static const double shift[] = { 5000 }, scale[] = { 2000 };
    data_transform *part[] = { data_random_crop(H, W, 1, 0, &rng),
                               data_random_flip_horizontal(0.5, &rng),
                               data_normalize(1, shift, scale),
                               data_random_rotation(-20, 20, 0, &rng),
                               data_random_shift(1, 1, 0, &rng),
                               data_random_flip_vertical(0.5, &rng),
                               data_random_erasing(0.5, 0.1, 0.3, 0, &rng),
                               data_random_noise(0.1, &rng) };
    data_transform *all = data_compose(8, part);
    for (int i = 0; i < 8; i++) {
        data_transform_free(part[i]);
    }
    return all;
}

START_TEST(a_sample_depends_on_seed_epoch_and_index_alone)
{
    static double first[3][N][NUMEL], out[NUMEL];
    for (int round = 0; round < 2; round++) {
        data_set *set = seen_through(all_of_them(9));
        for (int k = 0; k < 3 * N; k++) { /* in another order the second time */
            int at = round == 0 ? k : (k * 25 + 7) % (3 * N);
            ck_assert_int_eq(data_set_read_epoch(set, at / N, at % N, out, NULL), AG_OK);
            if (round == 0) {
                memcpy(first[at / N][at % N], out, sizeof out);
            } else {
                ck_assert_mem_eq(first[at / N][at % N], out, sizeof out);
            }
        }
        data_set_free(set);
    }
    ck_assert_mem_ne(first[0][3], first[1][3], sizeof out);
    data_set *other = seen_through(all_of_them(10));
    ck_assert_int_eq(data_set_read_epoch(other, 0, 3, out, NULL), AG_OK);
    ck_assert_mem_ne(first[0][3], out, sizeof out);
    data_set_free(other);
}
END_TEST

START_TEST(loaders_show_the_same_pictures_with_any_number_of_threads)
{
    static double seen[4][3][N * NUMEL];
    static const int workers[] = { 0, 1, 3, 8 };
    for (int c = 0; c < 4; c++) {
        ag_rng rng = ag_rng_seed(11);
        data_loader_config config = data_loader_defaults();
        config.batch = 5;
        config.shuffle = true;
        config.workers = workers[c];
        data_loader *loader = data_loader_new(seen_through(all_of_them(9)), config, &rng);
        for (int e = 0; e < 3; e++) {
            data_batch b;
            int64_t n = 0;
            data_loader_rewind(loader);
            while (data_loader_next(loader, &b)) {
                ck_assert_int_eq(ag_read(b.x, seen[c][e] + n * NUMEL, b.n * NUMEL), AG_OK);
                n += b.n;
            }
        }
        data_loader_free(loader);
        ck_assert_mem_eq(seen[0], seen[c], sizeof seen[0]);
    }
    ck_assert_mem_ne(seen[0][0], seen[0][1], sizeof seen[0][0]);
}
END_TEST

START_TEST(only_the_part_that_is_wrapped_is_augmented)
{
    ag_rng rng = ag_rng_seed(12);
    data_set *set = images(), *part[2], *folds[4];
    static const double shares[] = { 0.75, 0.25 };
    ck_assert_int_eq(data_split_shares(set, 2, shares, &rng, part), AG_OK);
    data_transform *t = data_random_noise(1, &rng);
    data_set *train = data_transform_x(part[0], t), *augmented = data_transform_x(set, t);
    double out[NUMEL];
    int64_t y;
    for (int64_t i = 0; i < data_set_size(part[1]); i++) {
        ck_assert_int_eq(data_set_read_epoch(part[1], 3, i, out, &y), AG_OK);
        ck_assert(out[0] == floor(out[0]));
        ck_assert_int_eq((int64_t)(out[0] / 1000) % 3, y);
    }
    ck_assert_int_eq(data_set_read(train, 0, out, NULL), AG_OK);
    ck_assert(out[0] != floor(out[0]));

    /* The other way round there is none. */
    data_set_free(part[0]);
    data_set_free(part[1]);
    data_split_shares(augmented, 2, shares, &rng, part);
    test_expect(AG_ERROR_VALUE, "data_split_shares: the set is seen through a random transform, "
                                "and so would be the parts that "
                                "judge: split first, and transform the training part (");
    data_k_fold(augmented, 2, NULL, folds, folds + 2);
    test_expect(AG_ERROR_VALUE, "data_k_fold: the set is seen through a random transform");
    int64_t some[] = { 1, 2 };
    data_set *subset = data_subset(augmented, 2, some);
    data_k_fold_stratified(subset, 2, NULL, folds, folds + 2);
    test_expect(AG_ERROR_VALUE,
                "data_k_fold_stratified: the set is seen through a random transform");
    ag_scope scope = { 0 };
    ag_begin(&scope);
    data_transform_apply(t, ag_zeros(AG_SHAPE(3, C, H, W), AG_FLOAT32));
    test_expect(AG_ERROR_VALUE, "data_transform_apply: data_random_noise is random: it is applied "
                                "when a sample of a set is read (");
    ag_end(&scope);
    data_set_free(subset);
    data_set_free(train);
    data_set_free(augmented);
    data_set_free(set);
    data_transform_free(t);
}
END_TEST

/* ---- bad input ------------------------------------------------------------------------------- */

static void refuse(data_transform *t, const char *message)
{
    ck_assert_ptr_nonnull(t);
    test_expect(AG_ERROR_VALUE, message);
    data_transform_free(t);
}

static void refuse_set(data_set *set, data_transform *t, ag_error code, const char *message)
{
    data_set_free(data_transform_x(set, t));
    test_expect(code, message);
    data_transform_free(t);
}

START_TEST(transforms_that_make_no_sense_are_refused)
{
    ag_rng rng = ag_rng_seed(1);
    refuse(data_random_shift(-1, 0, 0, &rng),
           "data_random_shift: rows and columns must be 0 or more (");
    refuse(data_random_flip_horizontal(1.5, &rng),
           "data_random_flip_horizontal: a probability is 0 to 1 (");
    refuse(data_random_flip_vertical(NAN, &rng),
           "data_random_flip_vertical: a probability is 0 to 1 (");
    refuse(data_random_rotation(10, -10, 0, &rng),
           "data_random_rotation: angles are a range of degrees, low to high");
    refuse(data_random_rotation(0, INFINITY, 0, &rng),
           "data_random_rotation: angles are a range of degrees, low to high");
    refuse(data_random_crop(0, 4, 1, 0, &rng),
           "data_random_crop: height and width must be 1 or more, padding 0 or more (");
    refuse(data_random_crop(4, 4, -1, 0, &rng),
           "data_random_crop: height and width must be 1 or more, padding 0 or more (");
    refuse(data_random_noise(-1, &rng),
           "data_random_noise: a standard deviation is 0 or more, and finite (");
    refuse(data_random_noise(NAN, &rng),
           "data_random_noise: a standard deviation is 0 or more, and finite (");
    refuse(data_random_erasing(0.5, 0.4, 0.3, 0, &rng),
           "data_random_erasing: a probability is 0 to 1, and areas are a range");
    refuse(data_random_noise(1, NULL), "data_random_noise: a random transform needs a generator (");

    data_set *set = images();
    refuse_set(set, data_random_crop(H + 3, W, 1, 0, &rng), AG_ERROR_SHAPE,
               "data_random_crop: 8 x 4 cannot be cut out of 5 x 4 with a padding of 1 (");
    data_set_free(set);
    uint8_t x[8] = { 0 };
    int64_t y[2] = { 0 };
    set = data_arrays(2, x, AG_SHAPE(2, 2), AG_UINT8, y, AG_SHAPE_SCALAR, AG_INT64);
    refuse_set(set, data_random_shift(1, 1, 0.5, &rng), AG_ERROR_VALUE,
               "data_random_shift: images of uint8 cannot be filled with 0.5 (");
    refuse_set(set, data_random_noise(1, &rng), AG_ERROR_DTYPE,
               "data_random_noise: images must be of a floating type, not uint8 (");
    refuse_set(set, data_random_rotation(0, 1, 0, &rng), AG_ERROR_DTYPE,
               "data_random_rotation: images must be of a floating type, not uint8 (");
    data_set_free(set);
    set = data_arrays(2, x, AG_SHAPE(4), AG_UINT8, y, AG_SHAPE_SCALAR, AG_INT64);
    refuse_set(set, data_random_flip_vertical(1, &rng), AG_ERROR_SHAPE,
               "data_random_flip_vertical: images have the shape (C,H,W) or (H,W), not (4) (");
    data_set_free(set);
    set = data_arrays(1, y, AG_SHAPE(1, 1), AG_INT64, y, AG_SHAPE_SCALAR, AG_INT64);
    refuse_set(set, data_random_flip_vertical(1, &rng), AG_ERROR_DTYPE,
               "data_random_flip_vertical: images are float32, float64 or uint8, not int64 (");
    data_set_free(set);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("augment");
    TCase *tests = tcase_create("augment");
    tcase_add_checked_fixture(tests, test_begin, test_end);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, shifts_are_whole_pixels_and_uniform);
    tcase_add_test(tests, crops_are_windows_of_the_padded_image_and_uniform);
    tcase_add_test(tests, flips_turn_rows_or_columns_round_as_often_as_asked);
    tcase_add_test(tests, bytes_and_floats_move_alike);
    tcase_add_test(tests, rotations_are_pytorch_s);
    tcase_add_test(tests, angles_are_uniform_in_their_range);
    tcase_add_test(tests, noise_is_normal_and_independent);
    tcase_add_test(tests, erasing_fills_one_rectangle_of_the_asked_area);
    tcase_add_test(tests, a_sample_depends_on_seed_epoch_and_index_alone);
    tcase_add_test(tests, loaders_show_the_same_pictures_with_any_number_of_threads);
    tcase_add_test(tests, only_the_part_that_is_wrapped_is_augmented);
    tcase_add_test(tests, transforms_that_make_no_sense_are_refused);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
