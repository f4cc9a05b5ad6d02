/* Checkpointing: the gradients are those of the same block without it, and the memory is not. */
#include <math.h>

#include "common.h"

static ag_scope scope;

struct block {
    ag_tensor w, mean, var;
    ag_rng rng;
    int calls, replays;
    bool other; /* misbehaves the second time */
};

/* A block with weights from outside, dropout, batch statistics, and a scope of its own. */
static ag_tensor compute(const ag_tensor *x, int n, void *user)
{
    struct block *b = user;
    (void)n;
    b->calls++;
    b->replays += ag_is_replaying();
    ag_tensor h = ag_tanh(ag_matmul(x[0], b->w));
    h = ag_dropout(h, 0.5, &b->rng);
    h = ag_batch_norm(h, AG_NONE, AG_NONE, b->mean, b->var, ag_batch_norm_defaults());
    ag_scope inner = {0};
    ag_begin_no_grad(&inner);
    double centre = ag_item(ag_mean(h));
    ag_end(&inner);
    return ag_square(ag_add_scalar(ag_matmul(h, b->w), centre));
}

static struct block block_new(void)
{
    struct block b = {.rng = ag_rng_seed(7)};
    b.w = leaf64(AG_SHAPE(3, 3), 0.3, -0.8, 0.5, 0.1, 0.9, -0.4, 0.7, 0.2, -0.6);
    b.mean = ag_leaf(AG_SHAPE(3), AG_FLOAT64, false);
    b.var = ag_leaf(AG_SHAPE(3), AG_FLOAT64, false);
    return b;
}

static void block_free(struct block *b)
{
    ag_drop(&b->w);
    ag_drop(&b->mean);
    ag_drop(&b->var);
}

/* Loss, gradients of x and w, running mean and variance, and the generator afterwards, of two blocks one after the other. */
static void train(bool checkpointed, int order, double *out, struct block *b)
{
    ag_tensor x = leaf64(AG_SHAPE(4, 3), 0.1, 0.4, -0.9, 0.3, -0.2, 0.8, 0.6, -0.7, 0.5, -0.3, 0.2, 0.9), g[2], in[2] = {x, b->w};
    ag_begin(&scope);
    ag_tensor h = ag_mul_scalar(x, 1.5);
    for (int i = 0; i < 2; i++) {
        h = checkpointed ? ag_checkpoint(compute, b, 1, &h) : compute(&h, 1, b);
    }
    ag_tensor loss = ag_mean(h);
    ag_backward_config config = ag_backward_defaults();
    config.create_graph = order == 2;
    if (order == 0) {
        ag_backward(loss);
        g[0] = ag_grad_of(x);
        g[1] = ag_grad_of(b->w);
    } else {
        ag_grad(loss, 2, in, g, config);
    }
    if (order == 2) {
        ag_tensor second = ag_add(ag_sum(ag_square(g[0])), ag_sum(ag_square(g[1])));
        ag_grad(second, 2, in, g, ag_backward_defaults());
    }
    assert_no_error();
    out[0] = ag_item(loss);
    ag_read(g[0], out + 1, 12);
    ag_read(g[1], out + 13, 9);
    ag_read(b->mean, out + 22, 3);
    ag_read(b->var, out + 25, 3);
    ag_end(&scope);
    out[28] = ag_rng_uniform(&b->rng);
    ag_drop(&x);
}

START_TEST(everything_is_as_without_it)
{
    double plain[29], saved[29];
    struct block a = block_new(), b = block_new();
    train(false, _i, plain, &a);
    train(true, _i, saved, &b);
    for (int i = 0; i < 29; i++) {
        /* Gradients of gradients are added up in another order. */
        bool same = _i == 2 ? fabs(plain[i] - saved[i]) <= 1e-14 * fmax(1, fabs(plain[i])) : plain[i] == saved[i];
        ck_assert_msg(same, "number %d: %.17g without, %.17g with", i, plain[i], saved[i]);
    }
    ck_assert(a.calls == 2 && a.replays == 0);
    ck_assert(_i == 2 || (b.calls == 4 && b.replays == 2)); /* the second derivative comes by once more */
    block_free(&a);
    block_free(&b);
}
END_TEST

static ag_tensor chain(const ag_tensor *x, int n, void *user)
{
    (void)n;
    ag_tensor h = x[0];
    for (int i = 0; i < *(int *)user; i++) {
        h = ag_tanh(ag_mul_scalar(h, 1.1));
    }
    return h;
}

START_TEST(what_is_between_is_not_kept)
{
    ag_tensor x = ag_leaf(AG_SHAPE(1000), AG_FLOAT64, true);
    int length = 50;
    size_t held[2];
    for (int checkpointed = 0; checkpointed < 2; checkpointed++) {
        ag_begin(&scope);
        ag_frame frame = ag_frame_begin();
        ag_tensor y = checkpointed ? ag_checkpoint(chain, &length, 1, &x) : chain(&x, 1, &length);
        ag_frame_end(frame, y);
        held[checkpointed] = (size_t)ag_memory().live_bytes;
        ag_backward(ag_sum(y));
        ag_end(&scope);
        assert_no_error();
    }
    ck_assert_msg(held[0] > held[1] + 40 * 8000, "%zu bytes held without, %zu with", held[0], held[1]);
    ag_drop(&x);
}
END_TEST

static ag_tensor nested(const ag_tensor *x, int n, void *user)
{
    struct block *b = user;
    ag_tensor h = ag_checkpoint(compute, b, n, x);
    return ag_mul(ag_checkpoint(compute, b, 1, &h), ag_uniform(ag_shape_of(h), 0, 1, AG_FLOAT64, &b->rng));
}

START_TEST(blocks_nest)
{
    double got[2][9];
    for (int k = 0; k < 2; k++) {
        struct block b = block_new();
        ag_tensor x = leaf64(AG_SHAPE(4, 3), 0.1, 0.4, -0.9, 0.3, -0.2, 0.8, 0.6, -0.7, 0.5, -0.3, 0.2, 0.9);
        ag_begin(&scope);
        ag_backward(ag_sum(k == 0 ? nested(&x, 1, &b) : ag_checkpoint(nested, &b, 1, &x)));
        ag_read(ag_grad_of(b.w), got[k], 9);
        assert_no_error();
        ag_end(&scope);
        ag_drop(&x);
        block_free(&b);
    }
    for (int i = 0; i < 9; i++) {
        ck_assert(got[0][i] == got[1][i]);
    }
}
END_TEST

START_TEST(without_gradients_it_is_the_function)
{
    struct block b = block_new();
    ag_begin_no_grad(&scope);
    ag_tensor x = ag_ones(AG_SHAPE(4, 3), AG_FLOAT64), y = ag_checkpoint(compute, &b, 1, &x);
    ck_assert(!ag_requires_grad(y));
    ck_assert_int_eq(b.calls, 1);
    ag_end(&scope);
    block_free(&b);
    assert_no_error();
}
END_TEST

static ag_tensor same(const ag_tensor *x, int n, void *user)
{
    (void)n, (void)user;
    return ag_reshape(x[0], AG_SHAPE(-1));
}

START_TEST(a_view_of_an_input_is_a_result_of_its_own)
{
    ag_tensor w = leaf64(AG_SHAPE(2), 3, 5);
    ag_begin(&scope);
    ag_tensor x = ag_mul_scalar(w, 2), y = ag_checkpoint(same, NULL, 1, &x);
    ag_mul_scalar_(y, 10);
    assert_values(x, 6, 10);
    ag_backward(ag_sum(y));
    assert_values(ag_grad_of(w), 20, 20);
    ag_end(&scope);
    ag_drop(&w);
    assert_no_error();
}
END_TEST

static ag_tensor changing(const ag_tensor *x, int n, void *user)
{
    struct block *b = user;
    (void)n;
    if (ag_is_replaying() && b->calls == 0) {
        return ag_sum(x[0]);
    }
    if (ag_is_replaying() && b->calls == 1) {
        ag_uniform(AG_SHAPE(1), 0, 1, AG_FLOAT64, &b->rng);
    }
    return ag_square(x[0]);
}

START_TEST(a_block_that_changes_is_refused)
{
    struct block b = block_new();
    ag_tensor w = leaf64(AG_SHAPE(2), 3, 5);
    ag_begin(&scope);
    ag_backward(ag_sum(ag_checkpoint(changing, &b, 1, &w)));
    assert_error(AG_ERROR_SHAPE, "backward of ag_checkpoint: the function returned (2) the first time and () now");
    b.calls = 1;
    ag_begin(&scope);
    ag_backward(ag_sum(ag_checkpoint(changing, &b, 1, &w)));
    assert_error(AG_ERROR_STATE, "backward of ag_checkpoint: the function drew more random numbers than the first time");
    ag_begin(&scope);
    ag_tensor x = ag_mul_scalar(w, 1);
    b.calls = 2;
    ag_tensor y = ag_checkpoint(changing, &b, 1, &x);
    ag_add_scalar_(x, 1);
    ag_backward(ag_sum(y));
    assert_error(AG_ERROR_GRAD, "was changed in place");
    ag_checkpoint(NULL, NULL, 0, NULL);
    assert_error(AG_ERROR_VALUE, "ag_checkpoint: the function is NULL");
    ag_end(&scope);
    ag_zero_grad(w);
    ag_drop(&w);
    block_free(&b);
}
END_TEST

static void add(TCase *tests)
{
    tcase_add_loop_test(tests, everything_is_as_without_it, 0, 3);
    tcase_add_test(tests, what_is_between_is_not_kept);
    tcase_add_test(tests, blocks_nest);
    tcase_add_test(tests, without_gradients_it_is_the_function);
    tcase_add_test(tests, a_view_of_an_input_is_a_result_of_its_own);
    tcase_add_test(tests, a_block_that_changes_is_refused);
}

int main(void)
{
    return run_tests("checkpoint", add, 60);
}
