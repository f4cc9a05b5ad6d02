/*
 * Sequences, and how samples become batches: stacked, padded, or as the program likes; with any number of threads.
 */
#include "files.h"

#include <inttypes.h>

enum { N = 23, WIDTH = 2, LONGEST = 9 };

static int64_t length_of(int64_t i)
{
    return 1 + (i * 5 + 2) % LONGEST;
}

static int64_t target_length_of(int64_t i)
{
    return 1 + i % 3;
}

/* Step t of input i is (100 i + t, -t); step t of target i is 10 i + t. */
static data_set *sequences(bool x_varies, bool y_varies)
{
    float x[N * LONGEST * WIDTH];
    int64_t y[N * 3], x_length[N], y_length[N], nx = 0, ny = 0;
    for (int64_t i = 0; i < N; i++) {
        x_length[i] = x_varies ? length_of(i) : 4;
        y_length[i] = y_varies ? target_length_of(i) : 1;
        for (int64_t t = 0; t < x_length[i]; t++) {
            x[nx++] = (float)(100 * i + t);
            x[nx++] = -(float)t;
        }
        for (int64_t t = 0; t < y_length[i]; t++) {
            y[ny++] = 10 * i + t;
        }
    }
    return data_sequences(N,
                          (data_values){ .data = x,
                                         .shape = x_varies ? AG_SHAPE(WIDTH) : AG_SHAPE(4, WIDTH),
                                         .dtype = AG_FLOAT32,
                                         .lengths = x_varies ? x_length : NULL },
                          (data_values){ .data = y,
                                         .shape = AG_SHAPE_SCALAR,
                                         .dtype = AG_INT64,
                                         .lengths = y_varies ? y_length : NULL });
}

static data_loader *loader_of(data_set *set, data_collate *collate, data_sampler *sampler,
                              int64_t batch, int workers)
{
    ag_rng rng = ag_rng_seed(1);
    data_loader_config config = data_loader_defaults();
    config.batch = batch;
    config.collate = collate;
    config.sampler = sampler;
    config.workers = workers;
    return data_loader_new(set, config, &rng);
}

/* ---- sequences ------------------------------------------------------------------------------- */

START_TEST(sequences_have_their_own_lengths)
{
    data_set *set = sequences(true, true);
    ck_assert_int_eq(data_set_size(set), N);
    ck_assert(ag_shape_equal(data_set_x_shape(set), AG_SHAPE(LONGEST, WIDTH)));
    ck_assert(ag_shape_equal(data_set_y_shape(set), AG_SHAPE(3)));
    for (int64_t i = 0; i < N; i++) {
        float x[LONGEST * WIDTH];
        int64_t y[3];
        memset(x, 0x55, sizeof x);
        memset(y, 0x55, sizeof y);
        ck_assert_int_eq(data_set_x_length(set, i), length_of(i));
        ck_assert_int_eq(data_set_y_length(set, i), target_length_of(i));
        ck_assert_int_eq(data_set_read(set, i, x, y), AG_OK);
        for (int64_t t = 0; t < LONGEST; t++) { /* zeros behind the end */
            bool there = t < length_of(i);
            ck_assert(x[2 * t] == (there ? (float)(100 * i + t) : 0) &&
                      x[2 * t + 1] == (there ? -(float)t : 0));
            ck_assert(t >= 3 || y[t] == (t < target_length_of(i) ? 10 * i + t : 0));
        }
    }
    ck_assert_int_eq(data_set_x_length(set, -1), 0);
    ck_assert_int_eq(data_set_x_length(set, N), 0);
    ag_tensor x, y;
    data_set_tensors(set, &x, &y);
    test_expect(AG_ERROR_SHAPE, "data_set_tensors: sample 0 is shorter than others: a loader with "
                                "data_collate_pad() makes batches");
    data_standard_scaler(set, data_scaler_defaults());
    test_expect(AG_ERROR_SHAPE,
                "data_standard_scaler: the inputs vary in length: they have no features (");
    int64_t some[] = { 7, 1 };
    data_set *subset = data_subset(set, 2, some);
    ck_assert_int_eq(data_set_x_length(subset, 0), length_of(7));
    ck_assert_int_eq(data_set_y_length(subset, 1), target_length_of(1));
    data_set_free(subset);
    data_set_free(set);
    set = sequences(false, false);
    ck_assert_int_eq(data_set_x_length(set, 3), 4);
    ck_assert_int_eq(data_set_y_length(set, 3), 1);
    ck_assert_int_eq(data_set_tensors(set, &x, &y), AG_OK);
    ck_assert(ag_shape_equal(ag_shape_of(x), AG_SHAPE(N, 4, WIDTH)));
    ag_drop(&x);
    ag_drop(&y);
    data_set_free(set);
}
END_TEST

START_TEST(sequences_that_make_no_sense_are_refused)
{
    float x[4] = { 1, 2, 3, 4 };
    int64_t lengths[] = { 1, 3 }, y[2] = { 0 };
    data_values in = { x, AG_SHAPE_SCALAR, AG_FLOAT32, lengths },
                out = { y, AG_SHAPE_SCALAR, AG_INT64, NULL };
    data_set *set = data_sequences(2, in, out);
    ck_assert_int_eq(data_set_x_length(set, 1), 3);
    data_set_free(set);
    x[2] = (float)(0 * (1e308 * 10));
    data_set_free(data_sequences(2, in, out));
    test_expect(AG_ERROR_VALUE, "data_sequences: inputs: sample 1, element 1 is NaN (");
    x[2] = 3;
    lengths[1] = 0;
    data_set_free(data_sequences(2, in, out));
    test_expect(AG_ERROR_VALUE, "data_sequences: inputs: the length of sample 1 cannot be 0 (");
    lengths[1] = INT64_MAX;
    data_set_free(data_sequences(2, in, out));
    test_expect(AG_ERROR_VALUE,
                "data_sequences: inputs: the length of sample 1 cannot be 9223372036854775807 (");
    lengths[1] = 3;
    in.data = NULL;
    data_set_free(data_sequences(2, in, out));
    test_expect(AG_ERROR_VALUE, "data_sequences: inputs: the array is NULL (");
    in.data = x;
    out.dtype = (ag_dtype)77;
    data_set_free(data_sequences(2, in, out));
    test_expect(AG_ERROR_DTYPE,
                "data_sequences: targets: a step or sample cannot have type 77 and shape () (");
    data_set_free(data_sequences(-1, in, out));
    test_expect(AG_ERROR_VALUE, "data_sequences: a set cannot have -1 samples (");
}
END_TEST

/* ---- stacking and padding -------------------------------------------------------------------- */

START_TEST(samples_of_different_lengths_are_not_stacked)
{
    for (int workers = 0; workers < 3; workers++) {
        data_loader *loader = loader_of(sequences(true, false), NULL, NULL, 4, workers);
        data_batch b;
        ck_assert_int_eq(ag_error_code(), AG_OK); /* told when the batch is asked for */
        ck_assert(!data_loader_next(loader, &b));
        int line = __LINE__ - 1;
        char place[64];
        snprintf(place, sizeof place, "test_collate.c:%d)", line);
        ck_assert_ptr_nonnull(strstr(ag_error_message(), place));
        test_expect(AG_ERROR_SHAPE, "data_loader_next: batch 0: inputs of different lengths cannot "
                                    "be stacked: 3 in sample 0, 8 in "
                                    "sample 1 (data_collate_pad() pads them)");
        data_loader_free(loader);
        /* Batches of one, or of equals, can be. */
        loader = loader_of(sequences(true, true), NULL, NULL, 1, workers);
        for (int64_t i = 0; i < N; i++) {
            ck_assert(data_loader_next(loader, &b));
            ck_assert(ag_shape_equal(ag_shape_of(b.x), AG_SHAPE(1, length_of(i), WIDTH)));
            ck_assert(ag_shape_equal(ag_shape_of(b.y), AG_SHAPE(1, target_length_of(i))));
            ck_assert(((const float *)ag_data(b.x))[2 * length_of(i) - 2] ==
                      (float)(100 * i + length_of(i) - 1));
            ck_assert(ag_is_none(b.x_lengths) && ag_is_none(b.y_lengths) && ag_is_none(b.more[0]));
        }
        ck_assert(!data_loader_next(loader, &b));
        data_loader_free(loader);
        static const int64_t equal[] = {
            2, 11, 20, 2, 11, 20, 0, 1
        }; /* samples 9 apart are as long */
        loader = loader_of(sequences(true, false), NULL, data_sampler_subset(8, equal, false), 3,
                           workers);
        ck_assert(data_loader_next(loader, &b));
        ck_assert(ag_shape_equal(ag_shape_of(b.x), AG_SHAPE(3, length_of(2), WIDTH)));
        ck_assert(data_loader_next(loader, &b));
        ck_assert(!data_loader_next(loader, &b));
        test_expect(AG_ERROR_SHAPE,
                    "data_loader_next: batch 2: inputs of different lengths cannot be stacked");
        data_loader_free(loader);
    }
}
END_TEST

static void assert_padded(const data_batch *b, const int64_t *index, bool y_varies, float x_padding,
                          int64_t y_padding)
{
    int64_t longest = 0, longest_y = 0;
    for (int64_t j = 0; j < b->n; j++) {
        longest = length_of(index[j]) > longest ? length_of(index[j]) : longest;
        longest_y = target_length_of(index[j]) > longest_y ? target_length_of(index[j]) : longest_y;
    }
    ck_assert(ag_shape_equal(ag_shape_of(b->x), AG_SHAPE(b->n, longest, WIDTH)));
    ck_assert(ag_shape_equal(ag_shape_of(b->x_lengths), AG_SHAPE(b->n)));
    ck_assert_int_eq(ag_dtype_of(b->x_lengths), AG_INT64);
    const float *x = ag_data(b->x);
    const int64_t *y = ag_data(b->y), *lengths = ag_data(b->x_lengths);
    for (int64_t j = 0; j < b->n; j++) {
        ck_assert_int_eq(lengths[j], length_of(index[j]));
        for (int64_t t = 0; t < longest; t++) {
            bool there = t < lengths[j];
            ck_assert(x[(j * longest + t) * 2] ==
                      (there ? (float)(100 * index[j] + t) : x_padding));
            ck_assert(x[(j * longest + t) * 2 + 1] == (there ? -(float)t : x_padding));
        }
        for (int64_t t = 0; y_varies && t < longest_y; t++) {
            ck_assert_int_eq(y[j * longest_y + t],
                             t < target_length_of(index[j]) ? 10 * index[j] + t : y_padding);
        }
        ck_assert(y_varies || y[j] == 10 * index[j]);
    }
    if (y_varies) {
        ck_assert(ag_shape_equal(ag_shape_of(b->y), AG_SHAPE(b->n, longest_y)));
        for (int64_t j = 0; j < b->n; j++) {
            ck_assert_int_eq(((const int64_t *)ag_data(b->y_lengths))[j],
                             target_length_of(index[j]));
        }
    } else {
        ck_assert(ag_is_none(b->y_lengths));
    }
}

START_TEST(padding_reaches_to_the_longest_of_the_batch)
{
    for (int workers = 0; workers < 4; workers++) {
        for (int varies = 0; varies < 2; varies++) {
            data_loader *loader =
                loader_of(sequences(true, varies), data_collate_pad(7.5, -100), NULL, 4, workers);
            for (int e = 0; e < 2; e++) {
                data_batch b;
                int64_t next = 0;
                data_loader_rewind(loader);
                while (data_loader_next(loader, &b)) {
                    int64_t index[4] = { next, next + 1, next + 2, next + 3 };
                    assert_padded(&b, index, varies, 7.5F, -100);
                    next += b.n;
                }
                ck_assert_int_eq(next, N);
            }
            data_loader_free(loader);
        }
    }
    /* What does not vary is stacked. */
    data_loader *loader = loader_of(sequences(false, false), data_collate_pad(0, 0.5), NULL, 4, 0);
    data_batch b;
    ck_assert(data_loader_next(loader, &b));
    ck_assert(ag_shape_equal(ag_shape_of(b.x), AG_SHAPE(4, 4, WIDTH)) && ag_is_none(b.x_lengths));
    data_loader_free(loader);
}
END_TEST

START_TEST(padded_batches_that_are_held_are_not_overwritten)
{
    data_loader *loader = loader_of(sequences(true, true), data_collate_pad(0, -1), NULL, 4, 2);
    ag_scope scope = { 0 };
    ag_begin(&scope);
    data_batch b, kept[6];
    int64_t n = 0;
    while (data_loader_next(loader, &b)) {
        kept[n] = b;
        kept[n].x = ag_detach(b.x);
        kept[n].y = ag_detach(b.y);
        kept[n].x_lengths = ag_detach(b.x_lengths);
        kept[n++].y_lengths = ag_detach(b.y_lengths);
        ck_assert(n == 1 || !ag_is_alive(kept[n - 2].more[0]));
    }
    data_loader_rewind(loader);
    while (data_loader_next(loader, &b)) {
    }
    data_loader_free(loader);
    for (int64_t k = 0; k < n; k++) {
        int64_t index[4] = { 4 * k, 4 * k + 1, 4 * k + 2, 4 * k + 3 };
        assert_padded(&kept[k], index, true, 0, -1);
    }
    ag_end(&scope);
}
END_TEST

START_TEST(buckets_by_the_lengths_of_a_set_save_padding)
{
    int64_t padded[2] = { 0 };
    for (int bucketed = 0; bucketed < 2; bucketed++) {
        data_loader *loader = loader_of(
            sequences(true, true), data_collate_pad(0, 0),
            bucketed ? data_sampler_bucketed(0, NULL, 0) : data_sampler_random(false, 0), 4, 1);
        for (int e = 0; e < 20; e++) {
            data_batch b;
            data_loader_rewind(loader);
            while (data_loader_next(loader, &b)) {
                int64_t index[4];
                for (int64_t j = 0; j < b.n; j++) {
                    index[j] = ((const int64_t *)ag_data(b.y))[j * ag_shape_of(b.y).size[1]] / 10;
                }
                assert_padded(&b, index, true, 0, 0);
                padded[bucketed] += ag_numel(b.x);
            }
        }
        data_loader_free(loader);
    }
    int64_t needed = 0;
    for (int64_t i = 0; i < N; i++) {
        needed += 20 * WIDTH * length_of(i);
    }
    ck_assert_int_lt(3 * (padded[1] - needed), padded[0] - needed);
}
END_TEST

/* ---- transforms of sequences ----------------------------------------------------------------- */

/* Every second step only, doubled. */
static ag_error half_form(void *state, data_form in, data_form *out)
{
    (void)state;
    *out = in;
    out->shape.size[0] = (in.shape.size[0] + 1) / 2;
    return AG_OK;
}

static ag_error half_apply(void *state, data_form form, const void *in, void *out, ag_rng *rng)
{
    (void)state;
    (void)rng;
    for (int64_t t = 0; t < (form.shape.size[0] + 1) / 2; t++) {
        ((float *)out)[2 * t] = 2 * ((const float *)in)[4 * t];
        ((float *)out)[2 * t + 1] = 2 * ((const float *)in)[4 * t + 1];
    }
    return AG_OK;
}

START_TEST(transforms_see_a_sequence_as_long_as_it_is)
{
    static const data_transform_type type = {
        .size = sizeof(data_transform_type), .name = "half", .form = half_form, .apply = half_apply
    };
    data_transform *half = data_transform_new(&type, NULL, NULL),
                   *quarter = data_compose(2, (data_transform *[]){ half, half });
    data_set *set = sequences(true, true), *halved = data_transform_x(set, quarter);
    ck_assert(ag_shape_equal(data_set_x_shape(halved), AG_SHAPE(3, WIDTH)));
    for (int64_t i = 0; i < N; i++) {
        int64_t length = (length_of(i) + 3) / 4;
        float x[3 * WIDTH];
        ck_assert_int_eq(data_set_x_length(halved, i), length);
        ck_assert_int_eq(data_set_y_length(halved, i), target_length_of(i));
        ck_assert_int_eq(data_set_read(halved, i, x, NULL), AG_OK);
        for (int64_t t = 0; t < 3; t++) {
            ck_assert(x[2 * t] == (t < length ? (float)(4 * (100 * i + 4 * t)) : 0));
        }
    }
    data_loader *loader = loader_of(data_set_share(halved), data_collate_pad(-5, 0), NULL, N, 0);
    data_batch b;
    ck_assert(data_loader_next(loader, &b));
    ck_assert(ag_shape_equal(ag_shape_of(b.x), AG_SHAPE(N, 3, WIDTH)));
    ck_assert(((const float *)ag_data(b.x))[WIDTH] ==
              -5); /* the first is 3 steps long: one is left */
    data_loader_free(loader);
    data_set_free(halved);
    data_set_free(set);
    data_transform_free(half);
    data_transform_free(quarter);
}
END_TEST

/* ---- the program's own ----------------------------------------------------------------------- */

/* All steps one behind the other, where each sample begins, and a mask; no y. */
struct packer {
    int64_t bad, released;
    bool no_elements;
};

static ag_error packer_form(void *state, data_form x, data_form y, int64_t n,
                            const data_sample *samples, data_batch_form *form)
{
    const struct packer *self = state;
    int64_t total = 0;
    (void)y;
    for (int64_t j = 0; j < n; j++) {
        ck_assert(samples[j].x == NULL && samples[j].x_length == length_of(samples[j].index));
        total += samples[j].x_length;
    }
    ck_assert(ag_shape_equal(x.shape, AG_SHAPE(LONGEST, WIDTH)));
    form->x = (data_form){ AG_SHAPE(total, WIDTH), x.dtype };
    form->x_lengths = (data_form){ AG_SHAPE(n), AG_INT64 };
    form->more[1] = (data_form){ AG_SHAPE(n, self->no_elements ? 0 : 2), AG_UINT8 };
    return AG_OK;
}

static ag_error packer_fill(void *state, data_form x, data_form y, int64_t n,
                            const data_sample *samples, const data_batch_form *form,
                            const data_batch_memory *to)
{
    const struct packer *self = state;
    float *out = to->x;
    (void)x;
    (void)y;
    ck_assert(to->y == NULL && to->y_lengths == NULL && to->more[0] == NULL &&
              form->more[0].shape.ndim == -1);
    for (int64_t j = 0; j < n; j++) {
        if (samples[j].index == self->bad) {
            return ag_error_raise(AG_HERE, AG_ERROR_VALUE,
                                  "packer: sample %" PRId64 " does not fit", samples[j].index);
        }
        memcpy(out, samples[j].x, (size_t)(samples[j].x_length * WIDTH) * sizeof *out);
        out += samples[j].x_length * WIDTH;
        ((int64_t *)to->x_lengths)[j] = samples[j].x_length;
        ((uint8_t *)to->more[1])[2 * j] = (uint8_t) * (const int64_t *)samples[j].y;
        ((uint8_t *)to->more[1])[2 * j + 1] = 9;
    }
    return AG_OK;
}

static void packer_release(void *state)
{
    ((struct packer *)state)->released++;
}

static const data_collate_type packer_type = { .size = sizeof(data_collate_type),
                                               .name = "packer",
                                               .form = packer_form,
                                               .fill = packer_fill,
                                               .release = packer_release };

START_TEST(a_collate_function_of_the_programs_own_makes_what_it_likes)
{
    for (int workers = 0; workers < 4; workers++) {
        struct packer packer = { .bad = -1 };
        data_loader *loader = loader_of(sequences(true, false),
                                        data_collate_new(&packer_type, &packer), NULL, 5, workers);
        for (int e = 0; e < 2; e++) {
            data_batch b;
            int64_t i = 0;
            data_loader_rewind(loader);
            while (data_loader_next(loader, &b)) {
                ck_assert(ag_is_none(b.y) && ag_is_none(b.y_lengths) && ag_is_none(b.more[0]) &&
                          ag_is_none(b.more[2]));
                ck_assert(ag_shape_equal(ag_shape_of(b.more[1]), AG_SHAPE(b.n, 2)));
                const float *x = ag_data(b.x);
                const int64_t *lengths = ag_data(b.x_lengths);
                const uint8_t *more = ag_data(b.more[1]);
                for (int64_t j = 0; j < b.n; j++, i++) {
                    ck_assert_int_eq(lengths[j], length_of(i));
                    ck_assert(more[2 * j] == 10 * i && more[2 * j + 1] == 9);
                    for (int64_t t = 0; t < lengths[j]; t++, x += 2) {
                        ck_assert(x[0] == (float)(100 * i + t) && x[1] == -(float)t);
                    }
                }
            }
            ck_assert_int_eq(i, N);
        }
        data_loader_free(loader);
        ck_assert_int_eq(packer.released, 1);
    }
}
END_TEST

START_TEST(errors_of_a_collate_function_are_told_where_the_batch_is_asked_for)
{
    for (int workers = 0; workers < 4; workers++) {
        struct packer packer = { .bad = 12 };
        data_loader *loader = loader_of(sequences(true, false),
                                        data_collate_new(&packer_type, &packer), NULL, 5, workers);
        data_batch b;
        ck_assert(data_loader_next(loader, &b) && data_loader_next(loader, &b));
        ck_assert(!data_loader_next(loader, &b));
        test_expect(AG_ERROR_VALUE, "data_loader_next: batch 2: packer: sample 12 does not fit (");
        packer.bad = -1;
        data_loader_rewind(loader);
        for (int k = 0; k < 5; k++) {
            ck_assert(data_loader_next(loader, &b));
        }
        data_loader_free(loader);
        packer = (struct packer){ .no_elements = true };
        loader = loader_of(sequences(true, false), data_collate_new(&packer_type, &packer), NULL, 5,
                           workers);
        ck_assert(!data_loader_next(loader, &b));
        test_expect(AG_ERROR_SHAPE,
                    "data_loader_next: batch 0: the collate function packer makes more of type ");
        data_loader_free(loader);
    }
}
END_TEST

/* ---- bad input ------------------------------------------------------------------------------- */

static ag_error lying_read(void *state, int64_t i, void *x, void *y)
{
    (void)state;
    (void)i;
    *(float *)x = 1;
    *(float *)y = 1;
    return AG_OK;
}

static int64_t lying_length(void *state, int64_t i)
{
    (void)state;
    return i == 2 ? 4 : 1;
}

START_TEST(lengths_and_paddings_are_not_believed)
{
    static const data_set_type type = {
        .size = sizeof(data_set_type), .name = "lying", .read = lying_read, .x_length = lying_length
    };
    for (int workers = 0; workers < 2; workers++) {
        data_set *set =
            data_set_new(&type, NULL, 3, AG_SHAPE(3), AG_FLOAT32, AG_SHAPE_SCALAR, AG_FLOAT32);
        data_loader *loader = loader_of(set, data_collate_pad(0, 0), NULL, 1, workers);
        data_batch b;
        ck_assert(data_loader_next(loader, &b) && data_loader_next(loader, &b));
        ck_assert(!data_loader_next(loader, &b));
        test_expect(AG_ERROR_SHAPE, "data_loader_next: batch 2: sample 2: its input cannot have "
                                    "the length 4: the longest of the set has 3");
        data_loader_free(loader);
    }
    data_set_free(
        data_set_new(&type, NULL, 3, AG_SHAPE_SCALAR, AG_FLOAT32, AG_SHAPE_SCALAR, AG_FLOAT32));
    test_expect(AG_ERROR_SHAPE, "data_set_new: samples of shape () cannot vary in length (");
    data_loader_free(loader_of(sequences(true, true), data_collate_pad(0, 0.5), NULL, 4, 0));
    test_expect(AG_ERROR_VALUE,
                "data_loader_new: targets of type int64 cannot be padded with 0.5 (");
    struct packer packer = { 0 };
    data_collate_free(data_collate_new(&packer_type, &packer)); /* one that no loader took */
    ck_assert_int_eq(packer.released, 1);
    data_collate_free(data_collate_new(NULL, &packer));
    test_expect(AG_ERROR_VALUE, "data_collate_new: the type needs size = "
                                "sizeof(data_collate_type), and the functions form and fill (");
    data_loader_free(loader_of(NULL, data_collate_new(&packer_type, &packer), NULL, 4, 0));
    test_expect(AG_ERROR_VALUE, "data_loader_new: there is no set (");
    ck_assert_int_eq(packer.released, 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("collate");
    TCase *tests = tcase_create("collate");
    tcase_add_checked_fixture(tests, test_begin, test_end);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, sequences_have_their_own_lengths);
    tcase_add_test(tests, sequences_that_make_no_sense_are_refused);
    tcase_add_test(tests, samples_of_different_lengths_are_not_stacked);
    tcase_add_test(tests, padding_reaches_to_the_longest_of_the_batch);
    tcase_add_test(tests, padded_batches_that_are_held_are_not_overwritten);
    tcase_add_test(tests, buckets_by_the_lengths_of_a_set_save_padding);
    tcase_add_test(tests, transforms_see_a_sequence_as_long_as_it_is);
    tcase_add_test(tests, a_collate_function_of_the_programs_own_makes_what_it_likes);
    tcase_add_test(tests, errors_of_a_collate_function_are_told_where_the_batch_is_asked_for);
    tcase_add_test(tests, lengths_and_paddings_are_not_believed);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
