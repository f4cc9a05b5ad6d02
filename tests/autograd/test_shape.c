/* Shapes: sizes against hand-made tables, overflow, broadcasting as NumPy's manual describes it. */
#include "common.h"

START_TEST(macro_counts_its_lengths)
{
    ag_shape s = AG_SHAPE(2, 3, 0, 5);
    ck_assert_int_eq(s.ndim, 4);
    ck_assert_int_eq(s.size[0], 2);
    ck_assert_int_eq(s.size[3], 5);
    ck_assert_int_eq(AG_SHAPE(7).ndim, 1);
    ck_assert_int_eq(AG_SHAPE_SCALAR.ndim, 0);
    ck_assert_int_eq(AG_SHAPE(1, 1, 1, 1, 1, 1, 1, 9).ndim, 8);
    ck_assert_int_eq(AG_SHAPE(1, 1, 1, 1, 1, 1, 1, 9).size[7], 9);
    ag_dims d = AG_DIMS(0, -1);
    ck_assert_int_eq(d.count, 2);
    ck_assert_int_eq(d.dim[1], -1);
}
END_TEST

START_TEST(numel_is_the_product)
{
    ck_assert_int_eq(ag_shape_numel(AG_SHAPE_SCALAR), 1);
    ck_assert_int_eq(ag_shape_numel(AG_SHAPE(2, 3, 4)), 24);
    ck_assert_int_eq(ag_shape_numel(AG_SHAPE(2, 0, 4)), 0);
    ck_assert_int_eq(ag_shape_numel(AG_SHAPE(1, 1, 1, 1, 1, 1, 1, 3)), 3);
}
END_TEST

START_TEST(impossible_sizes_are_minus_one)
{
    ck_assert_int_eq(ag_shape_numel(AG_SHAPE(-1)), -1);
    ck_assert_int_eq(ag_shape_numel(AG_SHAPE(0, -3)), -1);
    ck_assert_int_eq(ag_shape_numel(AG_SHAPE(INT64_MAX, 2)), -1);
    ck_assert_int_eq(ag_shape_numel(AG_SHAPE(INT64_C(1) << 32, INT64_C(1) << 32)), -1); /* 2^64 is 0 in 64 bits */
    ck_assert_int_eq(ag_shape_numel(AG_SHAPE(INT64_C(1) << 61)), -1); /* its bytes do not fit */
    ck_assert_int_eq(ag_shape_numel(AG_SHAPE(INT64_MAX, 0)), 0);
    ck_assert_int_eq(ag_shape_numel(AG_SHAPE(1, 1, 1, 1, 1, 1, 1, 1, 1)), -1);
    ck_assert_int_eq(ag_shape_numel(ag_shape_make(9, NULL)), -1);
    ck_assert_int_eq(ag_shape_numel(ag_shape_make(-1, NULL)), -1);
    assert_no_error();
}
END_TEST

START_TEST(equality_looks_at_every_length)
{
    ck_assert(ag_shape_equal(AG_SHAPE(2, 3), AG_SHAPE(2, 3)));
    ck_assert(!ag_shape_equal(AG_SHAPE(2, 3), AG_SHAPE(3, 2)));
    ck_assert(!ag_shape_equal(AG_SHAPE(2, 3), AG_SHAPE(2, 3, 1)));
    ck_assert(ag_shape_equal(AG_SHAPE_SCALAR, AG_SHAPE_SCALAR));
    ck_assert(!ag_shape_equal(AG_SHAPE_SCALAR, AG_SHAPE(1)));
}
END_TEST

START_TEST(text_fits_where_it_is_written)
{
    char text[AG_SHAPE_TEXT];
    ck_assert_str_eq(ag_shape_format(AG_SHAPE(2, 3), text, sizeof(text)), "(2,3)");
    ck_assert_str_eq(ag_shape_format(AG_SHAPE_SCALAR, text, sizeof(text)), "()");
    ck_assert_str_eq(ag_shape_format(AG_SHAPE(7), text, sizeof(text)), "(7)");
    int64_t m = INT64_MIN + 1;
    ag_shape longest = AG_SHAPE(m, m, m, m, m, m, m, m);
    ag_shape_format(longest, text, sizeof(text));
    ck_assert_int_eq(text[strlen(text) - 1], ')');
    for (size_t bytes = 1; bytes < 12; bytes++) {
        char small[12];
        memset(small, 'x', sizeof(small));
        ag_shape_format(AG_SHAPE(10, 20, 30), small, bytes);
        ck_assert_uint_lt(strlen(small), bytes);
        ck_assert_int_eq(strncmp(small, "(10,20,30)", strlen(small)), 0);
        ck_assert(bytes == sizeof(small) || small[bytes] == 'x');
    }
    ag_shape_format(AG_SHAPE(1, 1, 1, 1, 1, 1, 1, 1, 1), text, sizeof(text));
    ck_assert_ptr_nonnull(strstr(text, "…"));
}
END_TEST

START_TEST(broadcasting_is_numpys)
{
    /* The table in NumPy's manual, and lengths of zero. */
    const struct {
        ag_shape a, b, joint;
    } fits[] = {
        { AG_SHAPE(256, 256, 3), AG_SHAPE(3), AG_SHAPE(256, 256, 3) },
        { AG_SHAPE(8, 1, 6, 1), AG_SHAPE(7, 1, 5), AG_SHAPE(8, 7, 6, 5) },
        { AG_SHAPE(5, 4), AG_SHAPE(1), AG_SHAPE(5, 4) },
        { AG_SHAPE(15, 3, 5), AG_SHAPE(15, 1, 5), AG_SHAPE(15, 3, 5) },
        { AG_SHAPE(15, 3, 5), AG_SHAPE(3, 1), AG_SHAPE(15, 3, 5) },
        { AG_SHAPE_SCALAR, AG_SHAPE(2, 0), AG_SHAPE(2, 0) },
        { AG_SHAPE(1), AG_SHAPE(0), AG_SHAPE(0) },
        { AG_SHAPE_SCALAR, AG_SHAPE_SCALAR, AG_SHAPE_SCALAR },
    };
    ag_shape joint;
    for (size_t i = 0; i < sizeof(fits) / sizeof(fits[0]); i++) {
        ck_assert(ag_shape_broadcast(fits[i].a, fits[i].b, &joint) && ag_shape_equal(joint, fits[i].joint));
        ck_assert(ag_shape_broadcast(fits[i].b, fits[i].a, &joint) && ag_shape_equal(joint, fits[i].joint));
    }
    ck_assert(!ag_shape_broadcast(AG_SHAPE(3), AG_SHAPE(4), &joint));
    ck_assert(!ag_shape_broadcast(AG_SHAPE(2, 1), AG_SHAPE(8, 4, 3), &joint));
    ck_assert(!ag_shape_broadcast(AG_SHAPE(0), AG_SHAPE(2), &joint));
    ck_assert(!ag_shape_broadcast(AG_SHAPE(1, 1, 1, 1, 1, 1, 1, 1, 1), AG_SHAPE(1), &joint));
}
END_TEST

START_TEST(types_have_sizes_and_names)
{
    ck_assert_uint_eq(ag_dtype_size(AG_FLOAT32), sizeof(float));
    ck_assert_uint_eq(ag_dtype_size(AG_FLOAT64), sizeof(double));
    ck_assert_uint_eq(ag_dtype_size(AG_INT64), sizeof(int64_t));
    ck_assert_uint_eq(ag_dtype_size(AG_UINT8), 1);
    ck_assert_str_eq(ag_dtype_name(AG_FLOAT64), "float64");
    ck_assert_str_eq(ag_dtype_name(AG_UINT8), "uint8");
    ck_assert(ag_dtype_is_float(AG_FLOAT32) && ag_dtype_is_float(AG_FLOAT64));
    ck_assert(!ag_dtype_is_float(AG_INT64) && !ag_dtype_is_float(AG_UINT8));
}
END_TEST

/* Through the public functions: messages, not crashes. */
START_TEST(impossible_tensors_are_refused)
{
    ag_scope scope = { 0 };
    ag_begin(&scope);
    ck_assert(ag_is_nil(ag_zeros(AG_SHAPE(2, -1), AG_FLOAT32)));
    assert_error(AG_ERROR_SHAPE, "ag_zeros: (2,-1) has a negative length");
    ck_assert(ag_is_nil(ag_ones(AG_SHAPE(INT64_C(1) << 40, INT64_C(1) << 40), AG_UINT8)));
    assert_error(AG_ERROR_SHAPE, "has more elements than memory can hold");
    ck_assert(ag_is_nil(ag_zeros(AG_SHAPE(1, 1, 1, 1, 1, 1, 1, 1, 1), AG_FLOAT32)));
    assert_error(AG_ERROR_SHAPE, "ag_zeros: a tensor has 0 to 8 dimensions");
    ck_assert(ag_is_nil(ag_leaf(ag_shape_make(12, NULL), AG_FLOAT32, true)));
    assert_error(AG_ERROR_SHAPE, "ag_leaf: a tensor has 0 to 8 dimensions");
    ck_assert(ag_is_nil(ag_arange(-1, AG_INT64)));
    assert_error(AG_ERROR_SHAPE, "ag_arange: (-1) has a negative length");
    ag_tensor big = ag_expand(ag_ones(AG_SHAPE(1), AG_FLOAT32), AG_SHAPE(INT64_C(1) << 35, INT64_C(1) << 20));
    assert_no_error(); /* a view of one number */
    ck_assert(ag_is_nil(ag_neg(big)));
    assert_error(AG_ERROR_MEMORY, "out of memory");
    ag_tensor x = ag_ones(AG_SHAPE(1, 1, 1, 1, 1, 1, 1, 1), AG_FLOAT32);
    ck_assert(ag_is_nil(ag_unsqueeze(x, 0)));
    assert_error(AG_ERROR_INDEX, "ag_unsqueeze: no dimension can be inserted at 0 of (1,1,1,1,1,1,1,1)");
    ck_assert(ag_is_nil(ag_reshape(x, AG_SHAPE(1, 1, 1, 1, 1, 1, 1, 1, 1))));
    assert_error(AG_ERROR_SHAPE, "ag_reshape: ");
    ck_assert(ag_is_nil(ag_sum_dims(x, AG_DIMS(0, 1, 2, 3, 4, 5, 6, 7, 0), false)));
    ck_assert_int_ne(ag_error_code(), AG_OK);
    ag_error_clear();
    ck_assert(ag_is_nil(ag_stack(1, &x, 0)));
    assert_error(AG_ERROR_SHAPE, "ag_stack: ");
    ag_end(&scope);
}
END_TEST

START_TEST(eight_dimensions_work)
{
    ag_scope scope = { 0 };
    ag_begin(&scope);
    ag_tensor x = ag_reshape(ag_arange(256, AG_FLOAT32), AG_SHAPE(2, 2, 2, 2, 2, 2, 2, 2));
    ag_tensor y = ag_permute(x, AG_DIMS(7, 6, 5, 4, 3, 2, 1, 0));
    ag_tensor twice = ag_contiguous(ag_permute(ag_contiguous(y), AG_DIMS(7, 6, 5, 4, 3, 2, 1, 0)));
    ck_assert_uint_eq(ag_hash(twice), ag_hash(x));
    float reversed[256];
    ag_read(y, reversed, 256);
    for (int i = 0; i < 256; i++) {
        int mirror = 0;
        for (int bit = 0; bit < 8; bit++) {
            mirror |= (i >> bit & 1) << (7 - bit);
        }
        ck_assert_float_eq(reversed[i], (float)mirror);
    }
    ck_assert_double_eq(ag_item(ag_sum(y)), 255 * 128);
    ag_end(&scope);
    assert_no_error();
}
END_TEST

static void add(TCase *tests)
{
    tcase_add_test(tests, macro_counts_its_lengths);
    tcase_add_test(tests, numel_is_the_product);
    tcase_add_test(tests, impossible_sizes_are_minus_one);
    tcase_add_test(tests, equality_looks_at_every_length);
    tcase_add_test(tests, text_fits_where_it_is_written);
    tcase_add_test(tests, broadcasting_is_numpys);
    tcase_add_test(tests, types_have_sizes_and_names);
    tcase_add_test(tests, impossible_tensors_are_refused);
    tcase_add_test(tests, eight_dimensions_work);
}

int main(void)
{
    return run_tests("shape", add, 60);
}
