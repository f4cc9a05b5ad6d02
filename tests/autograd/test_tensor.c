/* Tensors as users see them: constructors, leaves, kept values, numbers in and out, stale handles. */
#include <math.h>

#include "autograd/internal.h"
#include "autograd/leaf.h"
#include "common.h"

static ag_scope scope;

START_TEST(null_is_refused)
{
    ag_scope scope = { 0 };
    ag_begin(&scope);
    ag_from(AG_SHAPE(2), AG_FLOAT32, NULL);
    ck_assert_msg(strstr(ag_error_message(), "ag_from: NULL was given for 2 elements (") != NULL, "%s", ag_error_message());
    ag_error_clear();
    ag_tensor t = ag_zeros(AG_SHAPE(2, 3), AG_FLOAT32);
    ag_read(t, NULL, 6);
    ck_assert_msg(strstr(ag_error_message(), "ag_read: NULL was given for 6 elements (") != NULL, "%s", ag_error_message());
    ag_error_clear();
    ag_write(t, NULL, 6);
    ck_assert_msg(strstr(ag_error_message(), "ag_write: NULL was given for 6 elements (") != NULL, "%s", ag_error_message());
    ag_error_clear();
    ag_keep(NULL, t);
    ck_assert_msg(strstr(ag_error_message(), "ag_keep: the slot is NULL (") != NULL, "%s", ag_error_message());
    ag_error_clear();
    ag_set_name(t, NULL);
    ck_assert_msg(strstr(ag_error_message(), "ag_set_name: the name is NULL (") != NULL, "%s", ag_error_message());
    ag_error_clear();
    /* Lengths whose product with nothing is nothing. */
    ck_assert_int_eq(ag_numel(ag_relu(ag_zeros(AG_SHAPE(0, INT64_MAX, INT64_MAX), AG_FLOAT64))), 0);
    ag_end(&scope);
}
END_TEST

START_TEST(constructors_fill)
{
    ag_begin(&scope);
    assert_values(ag_zeros(AG_SHAPE(2, 2), AG_FLOAT64), 0, 0, 0, 0);
    assert_values(ag_ones(AG_SHAPE(3), AG_UINT8), 1, 1, 1);
    assert_values(ag_full(AG_SHAPE(2), -2.5, AG_FLOAT32), -2.5, -2.5);
    assert_values(ag_full(AG_SHAPE(2), -7, AG_INT64), -7, -7);
    assert_values(ag_scalar(0.1, AG_FLOAT64), 0.1);
    assert_values(ag_scalar(0.1, AG_FLOAT32), 0.1f);
    ck_assert_int_eq(ag_ndim(ag_scalar(1, AG_FLOAT32)), 0);
    assert_values(ag_arange(4, AG_INT64), 0, 1, 2, 3);
    assert_values(ag_arange(3, AG_FLOAT32), 0, 1, 2);
    assert_values(ag_arange(3, AG_FLOAT64), 0, 1, 2);
    ck_assert_double_eq(ag_item(ag_select(ag_arange(300, AG_UINT8), 0, 258)), 2);
    const int64_t given[] = { 5, -6, 7, 8, 9, 10 };
    ag_tensor t = ag_from(AG_SHAPE(2, 3), AG_INT64, given);
    assert_values(t, 5, -6, 7, 8, 9, 10);
    assert_values(ag_zeros_like(t), 0, 0, 0, 0, 0, 0);
    assert_values(ag_ones_like(t), 1, 1, 1, 1, 1, 1);
    ck_assert_int_eq(ag_dtype_of(ag_ones_like(t)), AG_INT64);
    ag_end(&scope);
    assert_no_error();
}
END_TEST

START_TEST(questions_are_answered)
{
    ag_begin(&scope);
    ag_tensor t = ag_transpose(ag_zeros(AG_SHAPE(2, 3, 4), AG_FLOAT32), 0, 2);
    ck_assert_int_eq(ag_ndim(t), 3);
    ck_assert_int_eq(ag_size(t, 0), 4);
    ck_assert_int_eq(ag_size(t, -1), 2);
    ck_assert_int_eq(ag_stride(t, 0), 1);
    ck_assert_int_eq(ag_stride(t, -1), 12);
    ck_assert_int_eq(ag_numel(t), 24);
    ck_assert(!ag_is_contiguous(t));
    ck_assert(ag_is_contiguous(ag_contiguous(t)));
    ck_assert(ag_shape_equal(ag_shape_of(t), AG_SHAPE(4, 3, 2)));
    ck_assert(!ag_requires_grad(t));
    ag_size(t, 3);
    assert_error(AG_ERROR_INDEX, "ag_size: dimension 3 is out of range for (4,3,2)");
    ag_stride(t, -4);
    assert_error(AG_ERROR_INDEX, "ag_stride: dimension -4 is out of range for (4,3,2)");
    ag_end(&scope);
}
END_TEST

/* The same order in memory for a permuted tensor, row-major for one whose elements share memory. */
START_TEST(like_follows_the_memory_order)
{
    ag_begin(&scope);
    ag_tensor t = ag_permute(ag_zeros(AG_SHAPE(2, 3, 4), AG_FLOAT32), AG_DIMS(1, 2, 0));
    ag_tensor u = ag_ones_like(t);
    for (int d = 0; d < 3; d++) {
        ck_assert_int_eq(ag_stride(u, d), ag_stride(t, d));
    }
    /* Lengths (2,3), strides (5,0): the span of 6 elements is that of a tensor without gaps. */
    ag_tensor column = ag_narrow(ag_zeros(AG_SHAPE(2, 5), AG_FLOAT32), 1, 0, 1);
    ag_tensor zeros = ag_zeros_like(ag_expand(column, AG_SHAPE(2, 3)));
    ck_assert_int_eq(ag_stride(zeros, 0), 3);
    ck_assert_int_eq(ag_stride(zeros, 1), 1);
    const float six[] = { 1, 2, 3, 4, 5, 6 };
    ck_assert_int_eq(ag_write(zeros, six, 6), AG_OK);
    assert_values(zeros, 1, 2, 3, 4, 5, 6);
    ag_end(&scope);
}
END_TEST

START_TEST(empty_tensors_work)
{
    ag_tensor w = ag_leaf(AG_SHAPE(0, 3), AG_FLOAT32, true);
    ag_begin(&scope);
    ag_tensor e = ag_zeros(AG_SHAPE(2, 0, 3), AG_FLOAT32), x = ag_ones(AG_SHAPE(5, 0), AG_FLOAT32);
    ck_assert_int_eq(ag_numel(e), 0);
    ck_assert_int_eq(ag_read(e, NULL, 0), AG_OK);
    ck_assert_int_eq(ag_write(e, NULL, 0), AG_OK);
    ck_assert_double_eq(ag_item(ag_sum(e)), 0);
    ck_assert_int_eq(ag_numel(ag_add(e, ag_ones(AG_SHAPE(1, 1), AG_FLOAT32))), 0);
    ck_assert_int_eq(ag_numel(ag_transpose(e, 0, 2)), 0);
    ck_assert_int_eq(ag_numel(ag_contiguous(ag_transpose(e, 0, 2))), 0);
    ck_assert_int_eq(ag_numel(ag_reshape(e, AG_SHAPE(0))), 0);
    ck_assert_uint_eq(ag_hash(e), ag_hash(ag_ones(AG_SHAPE(2, 0, 3), AG_FLOAT32)));
    ck_assert_uint_ne(ag_hash(e), ag_hash(ag_ones(AG_SHAPE(2, 3, 0), AG_FLOAT32)));
    ag_tensor y = ag_matmul(x, w); /* sums of nothing */
    ck_assert(ag_shape_equal(ag_shape_of(y), AG_SHAPE(5, 3)));
    ck_assert_double_eq(ag_item(ag_sum(ag_abs(y))), 0);
    ck_assert_int_eq(ag_backward(ag_sum(y)), AG_OK);
    ck_assert(ag_shape_equal(ag_shape_of(ag_grad_of(w)), AG_SHAPE(0, 3)));
    ag_item(e);
    assert_error(AG_ERROR_SHAPE, "ag_item: one element is needed, got shape (2,0,3)");
    ag_tensor kept = AG_NONE;
    ag_keep(&kept, e);
    ag_end(&scope);
    ck_assert(ag_shape_equal(ag_shape_of(kept), AG_SHAPE(2, 0, 3)));
    ag_drop(&kept);
    ag_drop(&w);
    assert_no_error();
}
END_TEST

START_TEST(wrong_arguments_are_refused)
{
    ag_begin(&scope);
    ag_tensor t = ag_ones(AG_SHAPE(2, 3), AG_FLOAT32), i = ag_ones(AG_SHAPE(2), AG_INT64);
    float six[6] = { 0 };
    ck_assert_int_eq(ag_read(t, six, 5), AG_ERROR_SHAPE);
    assert_error(AG_ERROR_SHAPE, "ag_read: 5 elements given for shape (2,3)");
    ag_write(t, six, 7);
    assert_error(AG_ERROR_SHAPE, "ag_write: 7 elements given for shape (2,3)");
    ck_assert_ptr_null(ag_data(ag_transpose(t, 0, 1)));
    assert_error(AG_ERROR_SHAPE, "ag_data: the tensor of shape (3,2) is not row-major");
    ck_assert_ptr_null(ag_data_mut(ag_expand(ag_ones(AG_SHAPE(1, 3), AG_FLOAT32), AG_SHAPE(2, 3))));
    assert_error(AG_ERROR_SHAPE, "ag_data_mut: ");
    ag_write(ag_expand(ag_ones(AG_SHAPE(1, 3), AG_FLOAT32), AG_SHAPE(2, 3)), six, 6);
    assert_error(AG_ERROR_SHAPE, "ag_write: the tensor (2,3) was expanded");
    ag_set_requires_grad(i, true);
    assert_error(AG_ERROR_DTYPE, "ag_set_requires_grad: only floating types can require a gradient, got int64");
    ck_assert(ag_is_nil(ag_leaf(AG_SHAPE(2), AG_UINT8, true)));
    assert_error(AG_ERROR_DTYPE, "ag_leaf: only floating types can require a gradient, got uint8");
    ck_assert(ag_is_nil(ag_zeros(AG_SHAPE(2), (ag_dtype)9)));
    assert_error(AG_ERROR_DTYPE, "ag_zeros: 9 is no element type");
    ck_assert(ag_is_nil(ag_leaf(AG_SHAPE(2), (ag_dtype)-1, false)));
    assert_error(AG_ERROR_DTYPE, "ag_leaf: -1 is no element type");
    ag_retain_grad(t);
    assert_error(AG_ERROR_GRAD, "ag_retain_grad: the tensor does not require a gradient");
    ag_end(&scope);
    ck_assert(ag_is_nil(ag_ones(AG_SHAPE(2), AG_FLOAT32)));
    assert_error(AG_ERROR_STATE, "ag_ones: no scope is open; open one with ag_begin() or ag_begin_no_grad()");
    ag_tensor leaf = ag_leaf(AG_SHAPE(2), AG_FLOAT32, true);
    ck_assert(ag_is_nil(ag_neg(leaf)));
    assert_error(AG_ERROR_STATE, "ag_neg: no scope is open");
    ck_assert(ag_is_nil(ag_detach(leaf)));
    assert_error(AG_ERROR_STATE, "ag_detach: no scope is open");
    ag_drop(&leaf);
}
END_TEST

START_TEST(numbers_go_in_and_out)
{
    ag_tensor t = ag_leaf(AG_SHAPE(2, 3), AG_FLOAT32, false);
    const float given[] = { 1, 2, 3, 4, 5, 6 };
    ck_assert_int_eq(ag_write(t, given, 6), AG_OK);
    ag_begin(&scope);
    assert_values(ag_transpose(t, 0, 1), 1, 4, 2, 5, 3, 6);
    /* Writing to a view without a history writes to what it views. */
    ag_tensor view = ag_transpose(t, 0, 1);
    ck_assert_int_eq(ag_write(view, given, 6), AG_OK);
    assert_values(t, 1, 3, 5, 2, 4, 6);
    ((float *)ag_data_mut(t))[5] = 60;
    ck_assert_float_eq(((const float *)ag_data(t))[5], 60);
    ag_set_requires_grad(t, true);
    ag_tensor y = ag_mul_scalar(t, 2);
    ck_assert_int_eq(ag_write(y, given, 6), AG_ERROR_GRAD);
    assert_error(AG_ERROR_GRAD, "ag_write: the tensor is the result of mul_scalar and has a history");
    ck_assert_ptr_null(ag_data_mut(y));
    assert_error(AG_ERROR_GRAD, "ag_data_mut: the tensor is the result of mul_scalar");
    ck_assert_ptr_nonnull(ag_data(y));
    ag_end(&scope);
    ag_drop(&t);
}
END_TEST

START_TEST(equal_tensors_have_equal_hashes)
{
    ag_begin(&scope);
    ag_tensor a = ag_reshape(ag_arange(6, AG_FLOAT32), AG_SHAPE(2, 3));
    ag_tensor b = ag_transpose(ag_contiguous(ag_transpose(a, 0, 1)), 0, 1); /* other strides */
    ck_assert(!ag_is_contiguous(b));
    ck_assert_uint_eq(ag_hash(a), ag_hash(b));
    ck_assert_uint_ne(ag_hash(a), ag_hash(ag_reshape(a, AG_SHAPE(3, 2))));
    ck_assert_uint_ne(ag_hash(a), ag_hash(ag_cast(a, AG_FLOAT64)));
    ck_assert_uint_ne(ag_hash(ag_scalar(0, AG_FLOAT32)), ag_hash(ag_scalar(-0.0, AG_FLOAT32)));
    /* FNV-1a over the byte of the type (uint8 is 3) and the 8 of the length 0, worked out apart. */
    uint64_t hash = UINT64_C(14695981039346656037);
    const unsigned char bytes[] = { AG_UINT8, 0, 0, 0, 0, 0, 0, 0, 0 };
    for (size_t i = 0; i < sizeof(bytes); i++) {
        hash = (hash ^ bytes[i]) * UINT64_C(1099511628211);
    }
    ck_assert_uint_eq(ag_hash(ag_zeros(AG_SHAPE(0), AG_UINT8)), hash);
    ag_end(&scope);
}
END_TEST

START_TEST(leaves_lie_in_one_block)
{
    ag_tensor p[4];
    ag_shape shapes[] = { AG_SHAPE(3, 5), AG_SHAPE(5), AG_SHAPE_SCALAR, AG_SHAPE(100) };
    ck_assert_int_eq(ag_leaves(4, shapes, AG_FLOAT32, p), AG_OK);
    ag_memory_stats before = ag_memory();
    ck_assert_int_eq(before.live_buffers, 2);
    const char *data[4], *grad[4];
    ag_begin(&scope);
    for (int i = 0; i < 4; i++) {
        ck_assert(ag_requires_grad(p[i]) && ag_is_leaf(p[i]));
        ck_assert_int_eq(ag_backward(ag_sum(p[i])), AG_OK);
        data[i] = ag_data(p[i]);
        grad[i] = ag_data(ag_grad_of(p[i]));
        ck_assert_uint_eq((uintptr_t)data[i] % 64, 0);
        ck_assert_uint_eq((uintptr_t)grad[i] % 64, 0);
    }
    ag_end(&scope);
    const int64_t sizes[] = { 64, 64, 64 }; /* 60, 20 and 4 bytes, rounded up */
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(data[i + 1] - data[i], sizes[i]);
        ck_assert_int_eq(grad[i + 1] - grad[i], sizes[i]);
    }
    ck_assert_int_eq(ag_memory().live_buffers, 2);
    /* Each is a variable of its own: changing one is not a change of its neighbour. */
    ag_begin(&scope);
    ag_tensor loss = ag_sum(ag_square(p[0]));
    ((float *)ag_data_mut(p[1]))[0] = 3;
    ck_assert_int_eq(ag_backward(loss), AG_OK);
    ag_end(&scope);
    ag_drop(&p[0]);
    ag_drop(&p[1]);
    ag_drop(&p[2]);
    ck_assert_int_eq(ag_memory().live_buffers, 2); /* the blocks live with their last leaf */
    ag_drop(&p[3]);
    ck_assert_int_eq(ag_memory().live_buffers, 0);
    ck_assert_int_eq(ag_leaves(0, NULL, AG_FLOAT32, NULL), AG_OK);
    ck_assert_int_eq(ag_leaves(1, shapes, AG_INT64, p), AG_ERROR_DTYPE);
    ck_assert(ag_is_nil(p[0]));
    assert_error(AG_ERROR_DTYPE, "ag_leaves: ");
}
END_TEST

START_TEST(kept_values_outlive_the_scope)
{
    ag_tensor state = AG_NONE, w = leaf64(AG_SHAPE(2), 1, 2);
    for (int step = 0; step < 5; step++) {
        ag_begin(&scope);
        ag_tensor next = ag_is_none(state) ? w : ag_mul(state, w);
        ag_keep(&state, next);
        ck_assert(!ag_requires_grad(state));
        ck_assert(ag_is_leaf(state));
        ck_assert_int_eq(ag_memory().live_buffers, step == 0 ? 2 : 4); /* the product saved the old state until this step ends */
    }
    ag_end(&scope);
    assert_values(state, 1, 32);
    ag_drop(&state);
    ag_drop(&w);
    ck_assert_int_eq(ag_memory().live_buffers, 0);
}
END_TEST

START_TEST(keep_copies_what_can_change)
{
    const float ones[] = { 1, 1 };
    ag_tensor kept = AG_NONE, w = leaf32(AG_SHAPE(2), 3, 4);
    ag_begin(&scope);
    ag_tensor y = ag_mul_scalar(w, 2);
    ag_keep(&kept, y);
    ag_write(kept, ones, 2);
    assert_values(y, 6, 8);
    ag_write(ag_detach(y), ones, 2);
    ag_write(kept, (const float[]){ 5, 5 }, 2);
    assert_values(y, 1, 1);
    assert_values(kept, 5, 5);
    ag_keep(&kept, w);
    ag_write(w, ones, 2);
    assert_values(kept, 3, 4);
    ag_keep(&kept, ag_transpose(ag_reshape(ag_arange(6, AG_INT64), AG_SHAPE(2, 3)), 0, 1));
    ck_assert(ag_is_contiguous(kept));
    ag_end(&scope);
    assert_values(kept, 0, 3, 1, 4, 2, 5);
    ag_drop(&kept);
    ag_drop(&w);
    assert_no_error();
}
END_TEST

START_TEST(a_slot_may_keep_its_own_tensor)
{
    ag_tensor slot = leaf32(AG_SHAPE(2), 7, 8), old = slot;
    ag_keep(&slot, slot);
    assert_values(slot, 7, 8);
    ck_assert(!ag_requires_grad(slot));
    ck_assert(!ag_is_alive(old));
    ck_assert_int_eq(ag_memory().live_buffers, 1);
    ag_begin(&scope);
    ag_keep(&slot, ag_slice(slot, 0, 1, 2, 1)); /* a view of what the slot is about to drop */
    assert_values(slot, 8);
    ag_end(&scope);
    ag_drop(&slot);
    ck_assert_int_eq(ag_memory().live_buffers, 0);
}
END_TEST

START_TEST(keep_leaves_the_slot_alone_when_it_cannot)
{
    ag_tensor slot = leaf32(AG_SHAPE(1), 7), w = leaf32(AG_SHAPE(1), 2);
    ag_begin(&scope);
    ag_tensor t = ag_ones(AG_SHAPE(1), AG_FLOAT32), result = t;
    ag_release(t);
    ag_keep(&slot, t);
    assert_error(AG_ERROR_LIFETIME, "ag_keep: the tensor is gone");
    ag_keep(&slot, AG_NONE);
    assert_error(AG_ERROR_LIFETIME, "ag_keep: a tensor is needed, got none");
    ag_keep(&slot, AG_NIL);
    assert_error(AG_ERROR_LIFETIME, "ag_keep: the tensor is nil");
    assert_values(slot, 7);
    result = ag_mul(w, w);
    ag_keep(&result, w);
    assert_error(AG_ERROR_LIFETIME, "ag_keep: the slot holds a tensor that belongs to a scope");
    assert_values(result, 4);
    ag_backward(result);
    ag_tensor g = ag_grad_of(w);
    ag_keep(&g, w);
    assert_error(AG_ERROR_LIFETIME, "ag_keep: the slot holds a tensor that belongs to its leaf: a gradient");
    assert_values(g, 4);
    ag_end(&scope);
    ag_keep(&result, w); /* whose scope has ended by now: nothing is left to be lost */
    assert_values(result, 2);
    ag_drop(&result);
    ag_drop(&slot);
    ag_drop(&w);
    ck_assert_int_eq(ag_memory().live_buffers, 0);
}
END_TEST

/* Dropping through two copies of a handle, or what one does not own, takes nobody else's hold. */
START_TEST(drop_ends_only_what_the_slot_holds)
{
    ag_tensor w = leaf32(AG_SHAPE(1), 3), copy = w;
    ag_begin(&scope);
    ag_tensor loss = ag_square(w);
    ag_drop(&w);
    ck_assert(ag_is_none(w));
    ag_drop(&copy);
    ck_assert(ag_is_none(copy));
    for (int i = 0; i < 5; i++) { /* would take the slot of a header that was freed too early */
        ag_tensor other = leaf32(AG_SHAPE(1), 100);
        ck_assert(ag_is_alive(other));
    }
    ck_assert_int_eq(ag_backward(loss), AG_OK);
    ag_tensor result = ag_ones(AG_SHAPE(1), AG_FLOAT32);
    ag_drop(&result);
    assert_error(AG_ERROR_LIFETIME, "ag_drop: the tensor belongs to a scope; only leaves and kept values are dropped");
    ck_assert(ag_is_alive(result));
    ag_tensor v = leaf32(AG_SHAPE(1), 3);
    ag_backward(ag_square(v));
    ag_tensor g = ag_grad_of(v);
    ag_drop(&g);
    assert_error(AG_ERROR_LIFETIME, "ag_drop: a gradient belongs to its leaf");
    assert_values(ag_grad_of(v), 6);
    ag_end(&scope);
    ag_drop(&result);
    ag_drop(&v);
    ag_tensor nil = AG_NIL;
    ag_drop(&nil);
    ck_assert(ag_is_none(nil));
    assert_no_error();
}
END_TEST

START_TEST(release_ends_a_result_and_nothing_else)
{
    ag_tensor w = ag_leaf(AG_SHAPE(1000), AG_FLOAT32, true);
    ag_begin(&scope);
    int64_t before = ag_memory().live_buffers;
    ag_tensor t = ag_ones(AG_SHAPE(10), AG_FLOAT32);
    ag_release(t);
    ag_release(t);
    ck_assert_int_eq(ag_memory().live_buffers, before);
    ck_assert(!ag_is_alive(t));
    ag_release(w);
    ck_assert(ag_is_alive(w));
    ag_release(AG_NONE);
    ag_release(AG_NIL);
    ag_tensor y = ag_exp(w), z = ag_sum(y);
    ag_release(y);
    ag_neg(y);
    assert_error(AG_ERROR_LIFETIME, "ag_neg: the tensor made at");
    ag_item(y);
    assert_error(AG_ERROR_LIFETIME, "was released: by ag_release() or at the end of a frame");
    ck_assert_int_eq(ag_backward(z), AG_OK); /* exp saved its result */
    ck_assert_float_eq(((const float *)ag_data(ag_grad_of(w)))[999], 1);
    ag_end(&scope);
    ag_drop(&w);
    assert_no_error();
}
END_TEST

START_TEST(detached_tensors_share_numbers_without_history)
{
    ag_tensor w = leaf32(AG_SHAPE(2), 1, 2);
    ag_begin(&scope);
    ag_tensor y = ag_mul_scalar(w, 3), d = ag_detach(y);
    ck_assert_ptr_eq(ag_data(d), ag_data(y));
    ck_assert(!ag_requires_grad(d) && ag_is_leaf(d) && !ag_is_leaf(y));
    ag_tensor leaf = ag_set_requires_grad(ag_detach(y), true);
    ck_assert_int_eq(ag_backward(ag_sum(ag_square(leaf))), AG_OK);
    assert_values(ag_grad_of(leaf), 6, 12);
    ck_assert(ag_is_none(ag_grad_of(w)));
    ag_set_requires_grad(y, false);
    assert_error(AG_ERROR_GRAD, "ag_set_requires_grad: the tensor is the result of mul_scalar; detach it first");
    ag_grad_of(y);
    assert_error(AG_ERROR_GRAD, "ag_grad_of: the tensor is the result of mul_scalar; its gradient is kept only after");
    ag_end(&scope);
    ag_drop(&w);
    ck_assert_int_eq(ag_memory().live_buffers, 0);
}
END_TEST

START_TEST(names_are_copied)
{
    ag_tensor w = ag_leaf(AG_SHAPE(1), AG_FLOAT32, true);
    ck_assert_str_eq(ag_name_of(w), "");
    char name[] = "weight";
    ck_assert_uint_eq(ag_set_name(w, name).id, w.id);
    name[0] = 'X';
    ck_assert_str_eq(ag_name_of(w), "weight");
    ag_set_name(w, "other");
    ck_assert_str_eq(ag_name_of(w), "other");
    ag_drop(&w);
    ck_assert_str_eq(ag_name_of(w), "");
    assert_error(AG_ERROR_LIFETIME, "ag_name_of: a tensor is needed, got none");
}
END_TEST

START_TEST(lists_copy_names_and_borrow_tensors)
{
    ag_list *list = ag_list_new();
    ag_tensor w = ag_leaf(AG_SHAPE(1), AG_FLOAT32, true);
    char name[16];
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "p%d", i);
        ag_list_add(list, name, w);
    }
    ck_assert_int_eq(ag_list_count(list), 100);
    ck_assert_str_eq(ag_list_name(list, 42), "p42");
    ck_assert_uint_eq(ag_list_find(list, "p99").id, w.id);
    ck_assert(ag_is_none(ag_list_find(list, "p100")));
    ck_assert(ag_is_none(ag_list_tensor(list, 100)) && ag_is_none(ag_list_tensor(list, -1)));
    ck_assert_str_eq(ag_list_name(list, 100), "");
    ag_list_add(list, NULL, w);
    assert_error(AG_ERROR_VALUE, "ag_list_add: the name is NULL");
    ag_list_add(NULL, "w", w);
    assert_error(AG_ERROR_VALUE, "ag_list_add: the list is NULL");
    ck_assert_int_eq(ag_list_count(list), 100);
    ag_list_free(list);
    ck_assert(ag_is_alive(w));
    ag_list_free(NULL);
    ck_assert_int_eq(ag_list_count(NULL), 0);
    ag_drop(&w);
}
END_TEST

START_TEST(stale_handles_are_errors_and_never_another_tensor)
{
    ag_tensor stale[50], leaf = ag_leaf(AG_SHAPE(1), AG_FLOAT32, false), dropped = leaf;
    ag_begin(&scope);
    for (int i = 0; i < 50; i++) {
        stale[i] = ag_full(AG_SHAPE(1), i, AG_FLOAT32);
    }
    for (int step = 0; step < 20; step++) {
        ag_begin(&scope);
        for (int i = 0; i < 50; i++) {
            ag_tensor fresh = ag_full(AG_SHAPE(1), 1000, AG_FLOAT32);
            ck_assert(!ag_is_alive(stale[i]));
            ck_assert(isnan(ag_item(stale[i])));
            assert_error(AG_ERROR_LIFETIME, "ag_item: the tensor is gone: its scope ended, or it was dropped or released");
            ck_assert(ag_is_nil(ag_add(fresh, stale[i])));
            assert_error(AG_ERROR_LIFETIME, "ag_add: the tensor is gone");
        }
    }
    ag_end(&scope);
    ag_drop(&leaf);
    ag_tensor next = ag_leaf(AG_SHAPE(1), AG_FLOAT32, false);
    ag_item(dropped);
    assert_error(AG_ERROR_LIFETIME, "ag_item: the tensor is gone");
    ag_drop(&dropped);
    ck_assert(ag_is_alive(next));
    ag_item((ag_tensor){ UINT64_C(0x123456789abcdef) }); /* no handle at all */
    assert_error(AG_ERROR_LIFETIME, "ag_item: the tensor is gone");
    ag_drop(&next);
}
END_TEST

/* A slot that was used four thousand million times starts anew with a generation that is neither none's nor nil's. */
START_TEST(generations_wrap)
{
    ag_begin(&scope);
    ag_tensor t = ag_ones(AG_SHAPE(1), AG_FLOAT32), before = t;
    ag_peek(t)->generation = UINT32_MAX - 2;
    ag_release(t);
    for (int i = 0; i < 4; i++) {
        t = ag_full(AG_SHAPE(1), i, AG_FLOAT32);
        ck_assert_int_eq(ag_peek(t)->slot, before.id & 0x3fffff);
        ck_assert(!ag_is_none(t) && !ag_is_nil(t) && ag_is_alive(t));
        ck_assert_uint_ne(t.id, before.id);
        ck_assert_double_eq(ag_item(t), i);
        ck_assert(!ag_is_alive(before));
        before = t;
        ag_release(t);
    }
    ag_end(&scope);
    ag_tensor leaf = ag_leaf(AG_SHAPE(1), AG_FLOAT32, false);
    ag_peek(leaf)->generation = UINT32_MAX - 1;
    leaf = ag_leaf_renew(leaf);
    ck_assert_int_eq(leaf.id >> 32, 1);
    ck_assert(ag_is_alive(leaf));
    ag_drop(&leaf);
}
END_TEST

START_TEST(a_hundred_thousand_tensors_live_at_a_time)
{
    enum { MANY = 120000 };
    ag_tensor *t = malloc(MANY * sizeof(*t)), *leaf = malloc(MANY * sizeof(*leaf));
    for (int round = 0; round < 2; round++) {
        ag_begin(&scope);
        for (int i = 0; i < MANY; i++) {
            t[i] = ag_scalar(i, AG_FLOAT64);
            leaf[i] = ag_leaf(AG_SHAPE_SCALAR, AG_INT64, false);
            *(int64_t *)ag_data_mut(leaf[i]) = -i;
        }
        ck_assert_int_eq(ag_memory().live_buffers, 2 * MANY);
        for (int i = 0; i < MANY; i++) {
            ck_assert(ag_item(t[i]) == i && ag_item(leaf[i]) == -i);
        }
        ag_end(&scope);
        for (int i = 0; i < MANY; i++) {
            ck_assert(!ag_is_alive(t[i]));
            ag_drop(&leaf[i]);
        }
        ck_assert_int_eq(ag_memory().live_buffers, 0);
    }
    assert_no_error();
    free(t);
    free(leaf);
}
END_TEST

START_TEST(a_leaf_knows_whether_it_is_held)
{
    ag_tensor leaf = ag_leaf(AG_SHAPE(4), AG_FLOAT32, false), w = ag_leaf(AG_SHAPE(4), AG_FLOAT32, true);
    ck_assert(!ag_leaf_is_held(leaf));
    ag_begin(&scope);
    ag_mul(leaf, w);
    ck_assert(ag_leaf_is_held(leaf));
    ag_begin(&scope);
    ck_assert(!ag_leaf_is_held(leaf));
    ag_reshape(leaf, AG_SHAPE(2, 2));
    ck_assert(ag_leaf_is_held(leaf));
    ag_end(&scope);
    ck_assert(!ag_leaf_is_held(leaf));
    ag_tensor renewed = ag_leaf_renew(leaf);
    ck_assert(ag_is_alive(renewed) && !ag_is_alive(leaf));
    ag_drop(&renewed);
    ag_drop(&w);
}
END_TEST

static void add(TCase *tests)
{
    tcase_add_test(tests, null_is_refused);
    tcase_add_test(tests, constructors_fill);
    tcase_add_test(tests, questions_are_answered);
    tcase_add_test(tests, like_follows_the_memory_order);
    tcase_add_test(tests, empty_tensors_work);
    tcase_add_test(tests, wrong_arguments_are_refused);
    tcase_add_test(tests, numbers_go_in_and_out);
    tcase_add_test(tests, equal_tensors_have_equal_hashes);
    tcase_add_test(tests, leaves_lie_in_one_block);
    tcase_add_test(tests, kept_values_outlive_the_scope);
    tcase_add_test(tests, keep_copies_what_can_change);
    tcase_add_test(tests, a_slot_may_keep_its_own_tensor);
    tcase_add_test(tests, keep_leaves_the_slot_alone_when_it_cannot);
    tcase_add_test(tests, drop_ends_only_what_the_slot_holds);
    tcase_add_test(tests, release_ends_a_result_and_nothing_else);
    tcase_add_test(tests, detached_tensors_share_numbers_without_history);
    tcase_add_test(tests, names_are_copied);
    tcase_add_test(tests, lists_copy_names_and_borrow_tensors);
    tcase_add_test(tests, stale_handles_are_errors_and_never_another_tensor);
    tcase_add_test(tests, generations_wrap);
    tcase_add_test(tests, a_hundred_thousand_tensors_live_at_a_time);
    tcase_add_test(tests, a_leaf_knows_whether_it_is_held);
}

int main(void)
{
    return run_tests("tensor", add, 60);
}
