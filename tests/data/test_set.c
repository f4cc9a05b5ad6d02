/*
 * Sets: what a sample is, who holds what, and what is refused.
 */
#include "files.h"

#include <math.h>
#include <pthread.h>

/* Samples 0..n-1 with input (i, i + 0.5) and target 10 i. */
static data_set *numbers(int64_t n)
{
    float *x = malloc((size_t)n * 2 * sizeof *x);
    int64_t *y = malloc((size_t)n * sizeof *y);
    ck_assert(x != NULL && y != NULL);
    for (int64_t i = 0; i < n; i++) {
        x[2 * i] = (float)i;
        x[2 * i + 1] = (float)i + 0.5f;
        y[i] = 10 * i;
    }
    data_set *set = data_arrays(n, x, AG_SHAPE(2), AG_FLOAT32, y, AG_SHAPE_SCALAR, AG_INT64);
    free(x);
    free(y);
    return set;
}

static int64_t target(data_set *set, int64_t i)
{
    int64_t y = -1;
    ck_assert_int_eq(data_set_read(set, i, NULL, &y), AG_OK);
    return y;
}

/* What every call must do with a set that could not be made. */
static void expect_nil(data_set *set)
{
    ck_assert_ptr_nonnull(set);
    ck_assert_int_eq(data_set_size(set), 0);
    ck_assert_int_eq(data_set_x_shape(set).ndim, 0);
    ck_assert_int_eq(data_set_y_shape(set).ndim, 0);
    ck_assert_ptr_eq(data_set_share(set), set);
    data_set_free(set);
}

/* ---- arrays ---------------------------------------------------------------------------------- */

START_TEST(arrays_are_copied_and_read)
{
    data_set *set = numbers(4);
    ck_assert_int_eq(data_set_size(set), 4);
    ck_assert(ag_shape_equal(data_set_x_shape(set), AG_SHAPE(2)));
    ck_assert(ag_shape_equal(data_set_y_shape(set), AG_SHAPE_SCALAR));
    ck_assert_int_eq(data_set_x_dtype(set), AG_FLOAT32);
    ck_assert_int_eq(data_set_y_dtype(set), AG_INT64);
    float x[2];
    int64_t y;
    ck_assert_int_eq(data_set_read(set, 3, x, &y), AG_OK);
    ck_assert(x[0] == 3.0f && x[1] == 3.5f && y == 30);
    x[0] = 0;
    ck_assert_int_eq(data_set_read(set, 2, x, NULL), AG_OK);
    ck_assert(x[0] == 2.0f);
    ck_assert_int_eq(data_set_read(set, 2, NULL, NULL), AG_OK);
    data_set_free(set);
    data_set_free(NULL);
}
END_TEST

START_TEST(arrays_that_make_no_sense_are_refused)
{
    double x[4] = { 0, 1, 2, 3 };
    expect_nil(data_arrays(-1, x, AG_SHAPE(2), AG_FLOAT64, x, AG_SHAPE(1), AG_FLOAT64));
    test_expect(AG_ERROR_VALUE, "data_arrays: a set cannot have -1 samples (");
    expect_nil(data_arrays(2, NULL, AG_SHAPE(2), AG_FLOAT64, x, AG_SHAPE(1), AG_FLOAT64));
    test_expect(AG_ERROR_VALUE, "data_arrays: inputs: the array is NULL (");
    expect_nil(data_arrays(2, x, AG_SHAPE(2), AG_FLOAT64, NULL, AG_SHAPE(1), AG_FLOAT64));
    test_expect(AG_ERROR_VALUE, "data_arrays: targets: the array is NULL (");
    expect_nil(data_arrays(2, x, AG_SHAPE(2, 0), AG_FLOAT64, x, AG_SHAPE(1), AG_FLOAT64));
    test_expect(AG_ERROR_SHAPE, "data_arrays: inputs: a sample cannot have the shape (2,0) (");
    expect_nil(data_arrays(2, x, AG_SHAPE(1), AG_FLOAT64, x, AG_SHAPE(1, 1, 1, 1, 1, 1, 1, 1),
                           AG_FLOAT64));
    test_expect(AG_ERROR_SHAPE, "data_arrays: targets: a sample has 0 to 7 dimensions, not 8 (");
    expect_nil(data_arrays(2, x, AG_SHAPE(1), (ag_dtype)9, x, AG_SHAPE(1), AG_FLOAT64));
    test_expect(AG_ERROR_DTYPE, "data_arrays: inputs: 9 is no element type (");
    expect_nil(data_arrays(INT64_MAX, x, AG_SHAPE(1), AG_FLOAT64, x, AG_SHAPE(1), AG_FLOAT64));
    test_expect(AG_ERROR_MEMORY,
                "data_arrays: inputs: 9223372036854775807 samples of 8 bytes are too many (");
    expect_nil(data_arrays(1, x, AG_SHAPE(INT64_MAX / 2), AG_FLOAT64, x, AG_SHAPE(1), AG_FLOAT64));
    test_expect(AG_ERROR_SHAPE,
                "data_arrays: inputs: a sample cannot have the shape (4611686018427387903) (");
}
END_TEST

START_TEST(nan_in_arrays_is_found_and_infinity_is_not)
{
    float x[6] = { 0, 1, 2, 3, 4, NAN };
    double y[3] = { 0, INFINITY, NAN };
    expect_nil(data_arrays(3, x, AG_SHAPE(2), AG_FLOAT32, y, AG_SHAPE_SCALAR, AG_FLOAT64));
    test_expect(AG_ERROR_VALUE, "data_arrays: inputs: sample 2, element 1 is NaN (");
    x[5] = -INFINITY;
    expect_nil(data_arrays(3, x, AG_SHAPE(2), AG_FLOAT32, y, AG_SHAPE_SCALAR, AG_FLOAT64));
    test_expect(AG_ERROR_VALUE, "data_arrays: targets: sample 2, element 0 is NaN (");
    data_set *set = data_arrays(2, x, AG_SHAPE(2), AG_FLOAT32, y, AG_SHAPE_SCALAR, AG_FLOAT64);
    ck_assert_int_eq(data_set_size(set), 2);
    data_set_free(set);
}
END_TEST

START_TEST(samples_out_of_range_are_refused)
{
    data_set *set = numbers(3);
    ck_assert_int_eq(data_set_read(set, 3, NULL, NULL), AG_ERROR_INDEX);
    test_expect(AG_ERROR_INDEX, "data_set_read: sample 3 of a set of 3 (");
    ck_assert_int_eq(data_set_read(set, -1, NULL, NULL), AG_ERROR_INDEX);
    test_expect(AG_ERROR_INDEX, "data_set_read: sample -1 of a set of 3 (");
    ck_assert_int_eq(data_set_read(NULL, 0, NULL, NULL), AG_ERROR_VALUE);
    test_expect(AG_ERROR_VALUE, "data_set_read: there is no set (");
    data_set_free(set);
}
END_TEST

START_TEST(nothing_happens_after_an_error)
{
    data_set *set = numbers(3);
    ag_error_raise(AG_HERE, AG_ERROR_STATE, "first");
    int64_t y = -1, index = 0, size = 3;
    ag_rng rng = ag_rng_seed(1);
    data_set *part;
    ck_assert_int_eq(data_set_read(set, 0, NULL, &y), AG_ERROR_STATE);
    ck_assert_int_eq(y, -1);
    expect_nil(numbers(2));
    expect_nil(data_subset(set, 1, &index));
    ck_assert_int_eq(data_split(set, 1, &size, &rng, &part), AG_ERROR_STATE);
    expect_nil(part);
    expect_nil(data_mnist(TESTS_EXAMPLES "/mnist_sample", "test"));
    ck_assert_int_eq(test_errors, 1);
    ck_assert_int_eq(rng.counter, 0);
    test_expect(AG_ERROR_STATE, "first (");
    data_set_free(set);
}
END_TEST

/* ---- subsets and splits ---------------------------------------------------------------------- */

START_TEST(subset_reads_what_its_indices_say_and_outlives_its_set)
{
    data_set *set = numbers(5);
    int64_t indices[] = { 4, 0, 4 };
    data_set *part = data_subset(set, 3, indices);
    data_set_free(set);
    indices[0] = 1; /* they were copied */
    ck_assert_int_eq(data_set_size(part), 3);
    ck_assert_int_eq(target(part, 0), 40);
    ck_assert_int_eq(target(part, 1), 0);
    ck_assert_int_eq(target(part, 2), 40);
    int64_t one = 1;
    data_set *inner = data_subset(part, 1, &one);
    data_set_free(part);
    ck_assert_int_eq(target(inner, 0), 0);
    data_set_free(inner);
}
END_TEST

START_TEST(indices_out_of_range_are_named)
{
    data_set *set = numbers(5);
    int64_t indices[] = { 4, 0, 5 };
    expect_nil(data_subset(set, 3, indices));
    test_expect(AG_ERROR_INDEX, "data_subset: index 2 is 5, but the set has 5 samples (");
    expect_nil(data_subset(set, -3, indices));
    test_expect(AG_ERROR_VALUE, "data_subset: -3 indices (");
    expect_nil(data_subset(set, 3, NULL));
    test_expect(AG_ERROR_VALUE, "data_subset: 3 indices, and the array is NULL (");
    expect_nil(data_subset(NULL, 3, indices));
    test_expect(AG_ERROR_VALUE, "data_subset: there is no set (");
    data_set *none = data_subset(set, 0, NULL);
    ck_assert_int_eq(data_set_size(none), 0);
    data_set_free(none);
    data_set_free(set);
}
END_TEST

START_TEST(split_parts_are_disjoint_complete_and_repeatable)
{
    enum { N = 1000 };
    data_set *set = numbers(N), *part[3], *again[3];
    int64_t sizes[] = { 700, 0, 300 };
    ag_rng rng = ag_rng_seed(7), same = ag_rng_seed(7);
    ck_assert_int_eq(data_split(set, 3, sizes, &rng, part), AG_OK);
    ck_assert_int_eq(data_split(set, 3, sizes, &same, again), AG_OK);
    ck_assert_int_eq(rng.counter, 1); /* one split, whatever the size */
    data_set_free(set);
    bool seen[N] = { false };
    int in_place = 0;
    for (int p = 0; p < 3; p++) {
        ck_assert_int_eq(data_set_size(part[p]), sizes[p]);
        for (int64_t i = 0; i < sizes[p]; i++) {
            int64_t sample = target(part[p], i) / 10;
            ck_assert(!seen[sample]);
            seen[sample] = true;
            in_place += sample == i + (p == 2 ? 700 : 0);
            ck_assert_int_eq(target(again[p], i) / 10, sample);
        }
        data_set_free(again[p]);
    }
    ck_assert_int_lt(in_place, 20); /* one is expected of a random permutation */
    for (int p = 0; p < 3; p++) {
        data_set_free(part[p]);
    }
}
END_TEST

START_TEST(splits_that_do_not_add_up_are_refused)
{
    data_set *set = numbers(10), *part[2];
    ag_rng rng = ag_rng_seed(7);
    static const struct {
        int64_t sizes[2];
        const char *message;
    } wrong[] = {
        { { 5, 6 }, "data_split: part 1 cannot have 6 samples: 5 of 10 are left (" },
        { { 5, 4 }, "data_split: the parts have 9 samples together, but the set has 10 (" },
        { { -1, 11 }, "data_split: part 0 cannot have -1 samples: 10 of 10 are left (" },
        { { INT64_MAX, INT64_MAX },
          "data_split: part 0 cannot have 9223372036854775807 samples: 10 of 10 are left (" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        ck_assert_int_eq(data_split(set, 2, wrong[i].sizes, &rng, part), AG_ERROR_VALUE);
        test_expect(AG_ERROR_VALUE, wrong[i].message);
        expect_nil(part[0]);
        expect_nil(part[1]);
    }
    data_split(set, 0, wrong[0].sizes, &rng, part);
    test_expect(AG_ERROR_VALUE, "data_split: 0 parts (");
    data_split(set, 2, NULL, &rng, part);
    test_expect(AG_ERROR_VALUE, "data_split: 2 parts, and the array of sizes is NULL (");
    data_split(set, 2, wrong[0].sizes, NULL, part);
    test_expect(AG_ERROR_VALUE, "data_split: there is no generator (");
    data_split(NULL, 2, wrong[0].sizes, &rng, part);
    test_expect(AG_ERROR_VALUE, "data_split: there is no set (");
    data_split(set, 2, wrong[0].sizes, &rng, NULL);
    test_expect(AG_ERROR_VALUE, "data_split: there is no array for the parts (");
    ck_assert_int_eq(rng.counter, 0);
    data_set_free(set);
}
END_TEST

/* ---- a program's own ------------------------------------------------------------------------- */

struct own {
    int released, reads;
    ag_error raises, returns;
};

static ag_error own_read(void *state, int64_t i, void *x, void *y)
{
    struct own *self = state;
    self->reads++;
    *(double *)x = (double)i;
    *(uint8_t *)y = (uint8_t)(i * 2);
    if (self->raises != AG_OK) {
        ag_error_raise(AG_HERE, self->raises, "own: cannot decode %d", (int)i);
    }
    return self->returns;
}

static void own_release(void *state)
{
    ((struct own *)state)->released++;
}

static const data_set_type own_type = {
    .size = sizeof(data_set_type), .name = "own", .read = own_read, .release = own_release
};

START_TEST(own_set_always_gets_both_places_and_is_released_once)
{
    struct own own = { 0 };
    data_set *set =
        data_set_new(&own_type, &own, 100, AG_SHAPE_SCALAR, AG_FLOAT64, AG_SHAPE(1), AG_UINT8);
    double x = -1;
    uint8_t y = 0;
    ck_assert_int_eq(data_set_read(set, 7, &x, &y), AG_OK);
    ck_assert(x == 7 && y == 14);
    ck_assert_int_eq(data_set_read(set, 8, NULL, &y), AG_OK);
    ck_assert(x == 7 && y == 16);
    ck_assert_int_eq(data_set_read(set, 9, &x, NULL), AG_OK);
    ck_assert(x == 9 && y == 16);
    ck_assert_int_eq(data_set_read(set, 9, NULL, NULL), AG_OK);
    ck_assert_int_eq(own.reads, 4);
    ck_assert_ptr_eq(data_set_share(set), set);
    data_set_free(set);
    ck_assert_int_eq(own.released, 0);
    data_set_free(set);
    ck_assert_int_eq(own.released, 1);
}
END_TEST

START_TEST(errors_of_own_sets_reach_the_handler_once)
{
    struct own own = { .raises = AG_ERROR_FORMAT, .returns = AG_ERROR_FORMAT };
    data_set *set =
        data_set_new(&own_type, &own, 100, AG_SHAPE_SCALAR, AG_FLOAT64, AG_SHAPE(1), AG_UINT8);
    ck_assert_int_eq(data_set_read(set, 7, NULL, NULL), AG_ERROR_FORMAT);
    ck_assert_int_eq(test_errors, 1);
    test_expect(AG_ERROR_FORMAT, "own: cannot decode 7 (");
    own.returns = AG_OK; /* forgotten */
    ck_assert_int_eq(data_set_read(set, 8, NULL, NULL), AG_ERROR_FORMAT);
    test_expect(AG_ERROR_FORMAT, "own: cannot decode 8 (");
    own.raises = AG_OK;
    own.returns = AG_ERROR_FILE; /* without a word */
    ck_assert_int_eq(data_set_read(set, 9, NULL, NULL), AG_ERROR_FILE);
    test_expect(AG_ERROR_FILE, "the set own gave AG_ERROR_FILE for sample 9 without a message (");
    data_set_free(set);
    ck_assert_int_eq(own.released, 1);
    ck_assert_int_eq(test_errors, 3);
}
END_TEST

START_TEST(own_sets_that_make_no_sense_are_refused)
{
    struct own own = { 0 };
    expect_nil(data_set_new(&own_type, &own, -1, AG_SHAPE(1), AG_FLOAT64, AG_SHAPE(1), AG_UINT8));
    test_expect(AG_ERROR_VALUE, "data_set_new: a set cannot have -1 samples (");
    ck_assert_int_eq(own.released, 1);
    data_set_type type = own_type;
    type.size = 0;
    expect_nil(data_set_new(&type, &own, 1, AG_SHAPE(1), AG_FLOAT64, AG_SHAPE(1), AG_UINT8));
    test_expect(AG_ERROR_VALUE,
                "data_set_new: the type needs size = sizeof(data_set_type) and a read function (");
    expect_nil(data_set_new(NULL, &own, 1, AG_SHAPE(1), AG_FLOAT64, AG_SHAPE(1), AG_UINT8));
    ck_assert_int_eq(own.released, 1);
    ag_error_clear();
}
END_TEST

static void *reader(void *argument)
{
    data_set *set = argument;
    long wrong = 0;
    for (int round = 0; round < 2000; round++) {
        data_set *mine = data_set_share(set);
        int64_t i = round % 100, y = -1;
        float x[2] = { -1, -1 };
        wrong +=
            data_set_read(mine, i, x, &y) != AG_OK || y != 10 * (99 - i) || x[0] != (float)(99 - i);
        data_set_free(mine);
    }
    data_set_free(set);
    return (void *)(intptr_t)wrong;
}

START_TEST(many_threads_share_and_read_a_set)
{
    enum { THREADS = 8 };
    data_set *set = numbers(100);
    int64_t backwards[100];
    for (int64_t i = 0; i < 100; i++) {
        backwards[i] = 99 - i;
    }
    data_set *part = data_subset(set, 100, backwards);
    data_set_free(set);
    pthread_t thread[THREADS];
    for (int t = 0; t < THREADS; t++) {
        ck_assert_int_eq(pthread_create(&thread[t], NULL, reader, data_set_share(part)), 0);
    }
    data_set_free(part); /* the last of the threads frees it */
    for (int t = 0; t < THREADS; t++) {
        void *wrong = NULL;
        ck_assert_int_eq(pthread_join(thread[t], &wrong), 0);
        ck_assert_ptr_null(wrong);
    }
}
END_TEST

/* ---- images ---------------------------------------------------------------------------------- */

/* An IDX file of up to 4 sizes. */
static const char *idx_file(const char *name, int ndim, const int *size, const unsigned char *bytes,
                            size_t n)
{
    unsigned char file[1024] = { 0, 0, 8, (unsigned char)ndim };
    for (int d = 0; d < ndim; d++) {
        file[4 + 4 * d + 3] = (unsigned char)size[d];
    }
    memcpy(file + 4 + 4 * ndim, bytes, n);
    return test_write(name, file, 4 + 4 * (size_t)ndim + n);
}

static const unsigned char bytes24[24] = { 0, 51, 102, 153, 204, 255, 1, 2, 3, 4, 5, 6,
                                           7, 8,  9,   10,  11,  12,  1, 1, 2, 3, 5, 8 };

START_TEST(grey_images_are_divided_by_255)
{
    const char *images = idx_file("images", 3, (int[]){ 2, 2, 3 }, bytes24, 12);
    const char *labels = idx_file("labels", 1, (int[]){ 2 }, (unsigned char[]){ 4, 2 }, 2);
    data_set *set = data_idx_images(images, labels, 5);
    ck_assert_int_eq(data_set_size(set), 2);
    ck_assert(ag_shape_equal(data_set_x_shape(set), AG_SHAPE(1, 2, 3)));
    float x[6];
    int64_t y;
    ck_assert_int_eq(data_set_read(set, 0, x, &y), AG_OK);
    static const float expected[6] = { 0.0f, 0.2f, 0.4f, 0.6f, 0.8f, 1.0f };
    ck_assert_mem_eq(x, expected, sizeof x);
    ck_assert_int_eq(y, 4);
    ck_assert_int_eq(target(set, 1), 2);
    data_set_free(set);
}
END_TEST

START_TEST(colour_images_become_channels_first)
{
    const char *images = idx_file("images", 4, (int[]){ 2, 1, 2, 3 }, bytes24, 12);
    const char *labels = idx_file("labels", 1, (int[]){ 2 }, (unsigned char[]){ 0, 0 }, 2);
    data_set *set = data_idx_images(images, labels, 1);
    ck_assert(ag_shape_equal(data_set_x_shape(set), AG_SHAPE(3, 1, 2)));
    float x[6];
    ck_assert_int_eq(data_set_read(set, 0, x, NULL), AG_OK);
    static const float expected[6] = { 0.0f, 0.6f, 0.2f, 0.8f, 0.4f, 1.0f };
    ck_assert_mem_eq(x, expected, sizeof x);
    data_set_free(set);
}
END_TEST

START_TEST(labels_outside_the_classes_are_named)
{
    const char *images = idx_file("images", 3, (int[]){ 4, 2, 3 }, bytes24, 24);
    const char *labels = idx_file("labels", 1, (int[]){ 4 }, (unsigned char[]){ 0, 4, 5, 9 }, 4);
    expect_nil(data_idx_images(images, labels, 5));
    test_expect(AG_ERROR_VALUE,
                test_says("data_idx_images", "labels",
                          "label 2 (byte 10) is 5, but the 5 classes are 0 to 4 ("));
    expect_nil(data_idx_images(images, labels, 9));
    test_expect(AG_ERROR_VALUE,
                test_says("data_idx_images", "labels",
                          "label 3 (byte 11) is 9, but the 9 classes are 0 to 8 ("));
    expect_nil(data_idx_images(images, labels, 0));
    test_expect(AG_ERROR_VALUE, "data_idx_images: there cannot be 0 classes (");
    data_set_free(data_idx_images(images, labels, 10));
    ck_assert_int_eq(ag_error_code(), AG_OK);
}
END_TEST

START_TEST(files_that_do_not_belong_together_are_refused)
{
    const char *images = idx_file("images", 3, (int[]){ 4, 2, 3 }, bytes24, 24);
    const char *labels = idx_file("labels", 1, (int[]){ 3 }, bytes24, 3);
    expect_nil(data_idx_images(images, labels, 256));
    char text[2048];
    snprintf(text, sizeof text, "data_idx_images: %s has 4 images, but %s has 3 labels (", images,
             labels);
    test_expect(AG_ERROR_FORMAT, text);
    expect_nil(data_idx_images(labels, labels, 256));
    test_expect(
        AG_ERROR_FORMAT,
        test_says(
            "data_idx_images", "labels",
            "images have 3 or 4 dimensions (number, height, width, channels), this has 1: 3 ("));
    expect_nil(data_idx_images(images, images, 256));
    test_expect(AG_ERROR_FORMAT, test_says("data_idx_images", "images",
                                           "labels have 1 dimension, this has 3: 4 x 2 x 3 ("));
    const char *empty = idx_file("empty", 3, (int[]){ 4, 0, 3 }, bytes24, 0);
    expect_nil(data_idx_images(empty, labels, 256));
    test_expect(AG_ERROR_FORMAT,
                test_says("data_idx_images", "empty", "there are no pixels: 4 x 0 x 3 ("));
    expect_nil(data_idx_images(images, test_path("none"), 256));
    test_expect(AG_ERROR_FILE, test_says("data_idx_images", "none", "no such file"));
    expect_nil(data_idx_images(NULL, labels, 256));
    test_expect(AG_ERROR_VALUE, "data_idx_images: the path is NULL (");
}
END_TEST

static void expect_digits(const char *part, int64_t n, const int64_t first[10], double first_sum,
                          int64_t last, double last_sum)
{
    data_set *set = data_mnist(TESTS_EXAMPLES "/mnist_sample", part);
    ck_assert_msg(ag_error_code() == AG_OK, "%s", ag_error_message());
    ck_assert_int_eq(data_set_size(set), n);
    ck_assert(ag_shape_equal(data_set_x_shape(set), AG_SHAPE(1, 28, 28)));
    for (int64_t i = 0; i < 10; i++) {
        ck_assert_int_eq(target(set, i), first[i]);
    }
    ck_assert_int_eq(target(set, n - 1), last);
    for (int64_t i = 0; i < n; i += n - 1) {
        float x[784];
        double sum = 0;
        ck_assert_int_eq(data_set_read(set, i, x, NULL), AG_OK);
        for (int p = 0; p < 784; p++) {
            sum += (double)x[p] * 255;
        }
        ck_assert_double_eq_tol(sum, i == 0 ? first_sum : last_sum, 1e-2);
    }
    data_set_free(set);
}

START_TEST(the_sample_of_mnist_is_what_it_should_be)
{
    expect_digits("train", 10000, (int64_t[]){ 5, 0, 4, 1, 9, 2, 1, 3, 1, 4 }, 27525, 7, 20613);
    expect_digits("test", 2000, (int64_t[]){ 7, 2, 1, 0, 4, 1, 4, 9, 5, 9 }, 18454, 5, 21683);
}
END_TEST

START_TEST(wrong_parts_and_folders_are_named)
{
    expect_nil(data_mnist(TESTS_EXAMPLES "/mnist_sample", "valid"));
    test_expect(AG_ERROR_VALUE, "data_mnist: the part must be \"train\" or \"test\", not valid (");
    expect_nil(data_mnist(TESTS_EXAMPLES "/mnist_sample", NULL));
    test_expect(AG_ERROR_VALUE, "data_mnist: the part must be \"train\" or \"test\", not NULL (");
    expect_nil(data_mnist(NULL, "test"));
    test_expect(AG_ERROR_VALUE, "data_mnist: the folder is NULL (");
    expect_nil(data_mnist(test_path("none"), "test"));
    test_expect(AG_ERROR_FILE, test_says("data_mnist", "none/t10k-images-idx3-ubyte",
                                         "no such file, with or without .gz ("));
    expect_nil(data_mnist(test_path("none"), "train"));
    test_expect(AG_ERROR_FILE,
                test_says("data_mnist", "none/train-images-idx3-ubyte", "no such file"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("set");
    TCase *tests = tcase_create("set");
    tcase_add_checked_fixture(tests, test_begin, test_end);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, arrays_are_copied_and_read);
    tcase_add_test(tests, arrays_that_make_no_sense_are_refused);
    tcase_add_test(tests, nan_in_arrays_is_found_and_infinity_is_not);
    tcase_add_test(tests, samples_out_of_range_are_refused);
    tcase_add_test(tests, nothing_happens_after_an_error);
    tcase_add_test(tests, subset_reads_what_its_indices_say_and_outlives_its_set);
    tcase_add_test(tests, indices_out_of_range_are_named);
    tcase_add_test(tests, split_parts_are_disjoint_complete_and_repeatable);
    tcase_add_test(tests, splits_that_do_not_add_up_are_refused);
    tcase_add_test(tests, own_set_always_gets_both_places_and_is_released_once);
    tcase_add_test(tests, errors_of_own_sets_reach_the_handler_once);
    tcase_add_test(tests, own_sets_that_make_no_sense_are_refused);
    tcase_add_test(tests, many_threads_share_and_read_a_set);
    tcase_add_test(tests, grey_images_are_divided_by_255);
    tcase_add_test(tests, colour_images_become_channels_first);
    tcase_add_test(tests, labels_outside_the_classes_are_named);
    tcase_add_test(tests, files_that_do_not_belong_together_are_refused);
    tcase_add_test(tests, the_sample_of_mnist_is_what_it_should_be);
    tcase_add_test(tests, wrong_parts_and_folders_are_named);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
