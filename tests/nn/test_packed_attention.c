/*
 * Attention over one packed tensor against the same over its three parts, as views and with all scores held; in a layer against the
 * way that makes weights; what hooks, second derivatives and threads see of it; and what it holds.
 */
#include "tests/nn/common.h"

enum { BATCH = 2, STEPS = 130, HEADS = 3, HEAD = 8, WIDTH = HEADS * HEAD };

static void assert_same(const char *what, ag_tensor a, ag_tensor b, double tolerance)
{
    ck_no_error();
    ck_assert_msg(ag_shape_equal(ag_shape_of(a), ag_shape_of(b)), "%s: shapes differ", what);
    int64_t n = ag_numel(a);
    double *x = malloc((size_t)n * 2 * sizeof(double)), *y = x + n, scale = 1;
    ag_read_doubles(a, x, n);
    ag_read_doubles(b, y, n);
    for (int64_t i = 0; i < n; i++) {
        scale = fmax(scale, fabs(y[i]));
    }
    for (int64_t i = 0; i < n; i++) {
        ck_assert_msg(fabs(x[i] - y[i]) <= tolerance * scale, "%s: element %lld: %.17g and %.17g", what, (long long)i, x[i], y[i]);
    }
    free(x);
}

static double tolerance_of(ag_dtype dtype)
{
    return dtype == AG_FLOAT64 ? 1e-12 : 1e-5;
}

/* ---- the parts apart ----------------------------------------------------------------------------------------------------- */

enum way { PACKED, VIEWS, SCORES };

/* What the packed operation is said to be equal to; SCORES: composed, as asking for the weights makes it. */
static ag_tensor attend(enum way way, ag_tensor qkv, int64_t heads, ag_tensor mask, ag_attention_config c)
{
    if (way == PACKED) {
        return ag_packed_attention(qkv, heads, mask, c);
    }
    ag_shape s = ag_shape_of(qkv);
    const int64_t width = s.size[2] / 3;
    ag_frame frame = ag_frame_begin();
    ag_tensor part[3], w;
    for (int i = 0; i < 3; i++) {
        part[i] = ag_reshape(ag_narrow(qkv, 2, i * width, width), AG_SHAPE(s.size[0], s.size[1], heads, width / heads));
        part[i] = ag_transpose(part[i], 1, 2);
    }
    ag_tensor y = ag_scaled_dot_product_attention(part[0], part[1], part[2], mask, c, way == SCORES ? &w : NULL);
    return ag_frame_end(frame, ag_reshape(ag_transpose(y, 1, 2), AG_SHAPE(s.size[0], s.size[1], width)));
}

static ag_tensor loss_of(ag_tensor y)
{
    return ag_sum(ag_mul(y, ag_sin(y)));
}

/* y and the gradient of qkv. */
static void both(enum way way, ag_tensor qkv, ag_tensor mask, ag_attention_config c, ag_tensor *results)
{
    results[0] = attend(way, qkv, HEADS, mask, c);
    ck_assert_int_eq(ag_grad(loss_of(results[0]), 1, &qkv, results + 1, ag_backward_defaults()), AG_OK);
}

enum { PLAIN, CAUSAL, SHIFTED, NUMBERS, BYTES, STRIDED, KINDS };

static ag_tensor packed_of(int kind, ag_dtype dtype, ag_rng *rng)
{
    ag_tensor t = kind == STRIDED ? ag_normal(AG_SHAPE(STEPS, 2 * 3 * WIDTH, BATCH), 0, 2, dtype, rng)
                                  : ag_normal(AG_SHAPE(BATCH, STEPS, 3 * WIDTH), 0, 2, dtype, rng);
    ag_set_requires_grad(t, true);
    return kind == STRIDED ? ag_permute(ag_slice(t, 1, 1, INT64_MAX, 2), AG_DIMS(2, 0, 1)) : t;
}

static ag_tensor mask_of(int kind, ag_dtype dtype, ag_rng *rng)
{
    return kind == NUMBERS ? ag_normal(AG_SHAPE(BATCH, 1, STEPS, STEPS), 0, 1, dtype, rng)
           : kind == BYTES ? ag_bernoulli(AG_SHAPE(HEADS, STEPS, STEPS), 0.7, AG_UINT8, rng)
                           : AG_NONE;
}

static ag_attention_config config_of(int kind)
{
    ag_attention_config c = ag_attention_defaults();
    c.causal = kind == CAUSAL || kind == SHIFTED;
    c.causal_shift = kind == SHIFTED ? 30 : 0;
    return c;
}

START_TEST(the_parts_apart_give_the_same)
{
    const ag_dtype dtypes[] = { AG_FLOAT32, AG_FLOAT64 };
    for (int i = 0; i < 2 * KINDS; i++) {
        const ag_dtype dtype = dtypes[i % 2];
        const int kind = i / 2;
        ag_scope scope = { 0 };
        ag_begin(&scope);
        ag_rng rng = ag_rng_seed(9);
        ag_tensor qkv = packed_of(kind, dtype, &rng), mask = mask_of(kind, dtype, &rng), one[2], other[2];
        both(PACKED, qkv, mask, config_of(kind), one);
        ck_assert(ag_is_contiguous(one[0]) && ag_is_contiguous(one[1]));
        for (enum way way = VIEWS; way <= SCORES; way++) {
            both(way, qkv, mask, config_of(kind), other);
            assert_same("y", one[0], other[0], tolerance_of(dtype));
            assert_same("the gradient", one[1], other[1], tolerance_of(dtype));
        }
        ag_end(&scope);
    }
}
END_TEST

START_TEST(dropout_and_a_mask_that_learns_give_the_same)
{
    for (int kind = 0; kind < 2; kind++) {
        ag_scope scope = { 0 };
        ag_begin(&scope);
        ag_rng rng = ag_rng_seed(9);
        ag_tensor qkv = packed_of(PLAIN, AG_FLOAT64, &rng), mask = AG_NONE, y[2], g[2][2];
        if (kind == 1) {
            mask = ag_normal(AG_SHAPE(HEADS, 1, STEPS), 0, 1, AG_FLOAT64, &rng);
            ag_set_requires_grad(mask, true);
        }
        for (int i = 0; i < 2; i++) {
            ag_rng draws = ag_rng_seed(5);
            ag_attention_config c = config_of(CAUSAL);
            c.dropout = kind == 0 ? 0.4 : 0;
            c.rng = &draws;
            y[i] = attend(i == 0 ? PACKED : VIEWS, qkv, HEADS, mask, c);
            const ag_tensor in[] = { qkv, mask };
            ck_assert_int_eq(ag_grad(loss_of(y[i]), 1 + kind, in, g[i], ag_backward_defaults()), AG_OK);
        }
        assert_same("y", y[0], y[1], 1e-12);
        for (int i = 0; i <= kind; i++) {
            assert_same(i == 0 ? "the gradient" : "the mask's gradient", g[0][i], g[1][i], 1e-12);
        }
        ag_end(&scope);
    }
}
END_TEST

START_TEST(bits_do_not_depend_on_threads)
{
    const int threads[] = { 1, 2, 5 };
    for (int kind = 0; kind < KINDS; kind++) {
        uint64_t hash[2] = { 0 };
        ag_scope scope = { 0 };
        ag_begin(&scope);
        ag_rng rng = ag_rng_seed(9);
        ag_tensor qkv = packed_of(kind, AG_FLOAT32, &rng), mask = mask_of(kind, AG_FLOAT32, &rng), results[2];
        for (int i = 0; i < 3; i++) {
            ag_set_threads(threads[i]);
            both(PACKED, qkv, mask, config_of(kind), results);
            ck_no_error();
            for (int k = 0; k < 2; k++) {
                hash[k] = i == 0 ? ag_hash(results[k]) : hash[k];
                ck_assert_msg(ag_hash(results[k]) == hash[k], "kind %d, result %d, %d threads", kind, k, threads[i]);
            }
        }
        ag_set_threads(1);
        ag_end(&scope);
    }
}
END_TEST

/* ---- what else looks at gradients ---------------------------------------------------------------------------------------- */

struct seen {
    int calls;
    uint64_t hash;
};

static ag_tensor doubled(ag_tensor grad, void *user)
{
    struct seen *seen = user;
    seen->calls++;
    seen->hash = ag_hash(grad);
    return ag_mul_scalar(grad, 2);
}

START_TEST(hooks_and_kept_gradients_see_the_gradient_of_all_three)
{
    ag_scope scope = { 0 };
    ag_begin(&scope);
    ag_rng rng = ag_rng_seed(9);
    ag_tensor leaf = packed_of(PLAIN, AG_FLOAT64, &rng);
    ag_tensor expected[2];
    both(PACKED, leaf, AG_NONE, config_of(CAUSAL), expected);
    ag_tensor qkv = ag_mul_scalar(leaf, 1);
    struct seen seen = { 0 };
    ag_register_hook(qkv, doubled, &seen);
    ag_retain_grad(qkv);
    ag_backward_config retain = ag_backward_defaults();
    retain.retain_graph = true;
    ag_tensor loss = loss_of(ag_packed_attention(qkv, HEADS, AG_NONE, config_of(CAUSAL))), in[] = { qkv, leaf }, out[2];
    ck_assert_int_eq(ag_grad(loss, 2, in, out, retain), AG_OK);
    ck_assert(seen.calls == 1 && seen.hash == ag_hash(expected[1]));
    ag_tensor twice = ag_mul_scalar(expected[1], 2);
    assert_same("the gradient after the hook", out[0], twice, 0);
    assert_same("the gradient behind the hook", out[1], twice, 0);
    ck_assert_int_eq(ag_backward(loss), AG_OK);
    ck_assert_int_eq(seen.calls, 2);
    assert_same("the kept gradient", ag_grad_of(qkv), twice, 0);
    assert_same("the leaf's gradient", ag_grad_of(leaf), twice, 0);
    ag_end(&scope);
}
END_TEST

START_TEST(a_tensor_that_is_used_twice_gets_the_sum)
{
    ag_scope scope = { 0 };
    ag_begin(&scope);
    ag_rng rng = ag_rng_seed(9);
    ag_tensor qkv = packed_of(PLAIN, AG_FLOAT64, &rng), g[3];
    ag_tensor one = loss_of(ag_packed_attention(qkv, HEADS, AG_NONE, config_of(CAUSAL))), other = ag_sum(ag_square(qkv));
    ag_backward_config retain = ag_backward_defaults();
    retain.retain_graph = true;
    ag_grad(one, 1, &qkv, &g[0], retain);
    ag_grad(other, 1, &qkv, &g[1], retain);
    ag_grad(ag_add(one, other), 1, &qkv, &g[2], retain);
    assert_same("the sum", g[2], ag_add(g[0], g[1]), 1e-14);
    ck_assert_int_eq(ag_backward(one), AG_OK); /* the leaf's buffer is new, then added to */
    assert_same("the leaf", ag_grad_of(qkv), g[0], 0);
    ck_assert_int_eq(ag_backward(other), AG_OK);
    assert_same("the leaf", ag_grad_of(qkv), g[2], 1e-14);
    ag_end(&scope);
}
END_TEST

START_TEST(second_derivatives_are_those_of_the_parts)
{
    for (int kind = 0; kind < KINDS; kind++) {
        ag_scope scope = { 0 };
        ag_begin(&scope);
        ag_rng rng = ag_rng_seed(9);
        ag_tensor qkv = packed_of(kind, AG_FLOAT64, &rng), mask = mask_of(kind, AG_FLOAT64, &rng), g[2], gg[2];
        ag_backward_config create = ag_backward_defaults();
        create.create_graph = true;
        for (int i = 0; i < 2; i++) {
            ag_tensor y = attend(i == 0 ? PACKED : SCORES, qkv, HEADS, mask, config_of(kind));
            ck_assert_int_eq(ag_grad(loss_of(y), 1, &qkv, &g[i], create), AG_OK);
            ck_assert_int_eq(ag_grad(ag_sum(ag_sin(g[i])), 1, &qkv, &gg[i], ag_backward_defaults()), AG_OK);
        }
        assert_same("the gradient", g[0], g[1], 1e-12);
        assert_same("the second derivative", gg[0], gg[1], 1e-12);
        ag_end(&scope);
    }
}
END_TEST

static ag_tensor checkpointed(const ag_tensor *inputs, int n, void *user)
{
    (void)n, (void)user;
    return ag_packed_attention(ag_mul_scalar(inputs[0], 1), HEADS, AG_NONE, config_of(CAUSAL));
}

START_TEST(a_checkpoint_computes_it_anew)
{
    ag_scope scope = { 0 };
    ag_begin(&scope);
    ag_rng rng = ag_rng_seed(9);
    ag_tensor qkv = packed_of(PLAIN, AG_FLOAT64, &rng), expected[2], g;
    both(PACKED, qkv, AG_NONE, config_of(CAUSAL), expected);
    ag_tensor y = ag_checkpoint(checkpointed, NULL, 1, &qkv);
    ck_assert_int_eq(ag_grad(loss_of(y), 1, &qkv, &g, ag_backward_defaults()), AG_OK);
    assert_same("the gradient", g, expected[1], 0);
    ag_end(&scope);
}
END_TEST

/* ---- memory -------------------------------------------------------------------------------------------------------------- */

static int64_t peak_of(enum way way, ag_tensor leaf)
{
    ag_scope scope = { 0 };
    int64_t before = ag_memory().live_bytes;
    ag_memory_reset_peak();
    ag_begin(&scope);
    ag_tensor qkv = ag_add_scalar(leaf, 1); /* of which the gradient is the same */
    ck_assert_int_eq(ag_backward(ag_sum(attend(way, qkv, 4, AG_NONE, config_of(CAUSAL)))), AG_OK);
    ag_end(&scope);
    return ag_memory().peak_bytes - before;
}

START_TEST(the_parts_of_the_gradient_are_nowhere_else)
{
    ag_rng rng = ag_rng_seed(9);
    ag_scope scope = { 0 };
    ag_begin(&scope);
    ag_tensor leaf = ag_normal(AG_SHAPE(8, 64, 3 * 128), 0, 1, AG_FLOAT32, &rng);
    ag_set_requires_grad(leaf, true);
    peak_of(PACKED, leaf); /* makes the leaf's gradient */
    const int64_t whole = 8 * 64 * 3 * 128 * 4, packed = peak_of(PACKED, leaf), views = peak_of(VIEWS, leaf);
    printf("peak of a tensor of %lld bytes: %lld packed, %lld as views\n", (long long)whole, (long long)packed, (long long)views);
    /* qkv, its gradient and y; the parts apart are as much again, and the whole in which each is put. */
    ck_assert_msg(packed < 3 * whole, "%lld bytes", (long long)packed);
    ck_assert_msg(packed < views, "%lld bytes packed, %lld as views", (long long)packed, (long long)views);
    ag_end(&scope);
}
END_TEST

/* ---- in a layer ---------------------------------------------------------------------------------------------------------- */

enum { EMBED = 12, L = 40, N = 3, LAYER_HEADS = 4, PARAMETERS = 4 };

/* y and the gradients of x and of the parameters; asked for weights, the layer holds all scores. */
static void layer_run(nn_module *m, ag_tensor x, nn_attention_options o, bool with_weights, ag_tensor *results, int64_t *nodes)
{
    ag_tensor w, in[1 + PARAMETERS] = { x };
    o.weights = with_weights ? &w : NULL;
    ag_list *list = nn_parameters(m);
    int n = 1;
    for (; n <= (int)ag_list_count(list); n++) {
        in[n] = ag_list_tensor(list, n - 1);
    }
    ag_list_free(list);
    *nodes = ag_tape_length();
    results[0] = nn_attention_forward(m, x, x, AG_NONE, &o);
    *nodes = ag_tape_length() - *nodes;
    ck_assert_int_eq(ag_grad(loss_of(results[0]), n, in, results + 1, ag_backward_defaults()), AG_OK);
}

START_TEST(a_layer_gives_the_same_with_weights_and_without)
{
    const ag_dtype dtypes[] = { AG_FLOAT32, AG_FLOAT64 };
    for (int i = 0; i < 2 * 2 * 5 * 2; i++) {
        const bool first = i % 2 == 0, bias = i / 2 % 2 == 0;
        const int kind = i / 4 % 5;
        const ag_dtype dtype = dtypes[i / 20];
        ag_rng rng = ag_rng_seed(3);
        nn_attention_config c = nn_attention_defaults(EMBED, LAYER_HEADS);
        c.batch_first = first;
        c.bias = bias;
        nn_module *m = nn_multihead_attention_with(c);
        nn_init_dtype(m, &rng, dtype);
        ag_scope scope = { 0 };
        ag_begin(&scope);
        ag_shape shape = kind == 4 ? AG_SHAPE(L, EMBED) : first ? AG_SHAPE(N, L, EMBED) : AG_SHAPE(L, N, EMBED);
        ag_tensor x = ag_normal(shape, 0, 1, dtype, &rng);
        ag_set_requires_grad(x, true);
        nn_attention_options o = { .causal = kind == 1 || kind == 4 };
        if (kind == 2) {
            o.mask = ag_normal(AG_SHAPE(N * LAYER_HEADS, L, L), 0, 1, dtype, &rng);
        } else if (kind == 3) {
            o.mask = ag_bernoulli(AG_SHAPE(L, L), 0.3, AG_UINT8, &rng);
            o.key_padding = ag_bernoulli(AG_SHAPE(N, L), 0.2, AG_UINT8, &rng);
        }
        ag_tensor one[2 + PARAMETERS], other[2 + PARAMETERS];
        int64_t nodes, more;
        layer_run(m, x, o, false, one, &nodes);
        layer_run(m, x, o, true, other, &more);
        /* A product, the attention, a product; views where steps come first or there is no batch; what joins masks. */
        ck_assert_int_eq(nodes, 3 + (kind == 4 || !first ? 2 : 0));
        ck_assert_int_gt(more, nodes + 8);
        for (int k = 0; k < 2 + (bias ? 4 : 2); k++) {
            char what[64];
            snprintf(what, sizeof(what), "case %d, result %d", i, k);
            assert_same(what, one[k], other[k], tolerance_of(dtype));
        }
        ag_end(&scope);
        nn_free(m);
    }
}
END_TEST

START_TEST(a_layer_that_trains_with_dropout_drops)
{
    nn_attention_config c = nn_attention_defaults(EMBED, LAYER_HEADS);
    c.dropout = 0.5;
    nn_module *m = nn_multihead_attention_with(c);
    ag_rng rng = ag_rng_seed(3);
    nn_init(m, &rng);
    ag_scope scope = { 0 };
    ag_begin(&scope);
    ag_tensor x = ag_normal(AG_SHAPE(L, N, EMBED), 0, 1, AG_FLOAT32, &rng), w;
    ck_assert(ag_hash(nn_forward(m, x)) != ag_hash(nn_forward(m, x)));
    nn_eval(m);
    ck_assert(ag_hash(nn_forward(m, x)) == ag_hash(nn_forward(m, x)));
    nn_attention_options o = { .weights = &w };
    assert_same("y", nn_forward(m, x), nn_attention_forward(m, x, x, AG_NONE, &o), 1e-5);
    ag_end(&scope);
    nn_free(m);
}
END_TEST

START_TEST(a_layer_says_what_a_mask_must_be)
{
    catch_errors();
    nn_module *m = nn_multihead_attention(EMBED, LAYER_HEADS);
    ag_rng rng = ag_rng_seed(3);
    nn_init(m, &rng);
    ag_scope scope = { 0 };
    ag_begin(&scope);
    ag_tensor x = ag_ones(AG_SHAPE(5, 2, EMBED), AG_FLOAT32);
    nn_attention_options o = { .mask = ag_zeros(AG_SHAPE(5, 4), AG_UINT8) };
    ck_assert(ag_is_nil(nn_attention_forward(m, x, x, AG_NONE, &o)));
    ck_error(AG_ERROR_SHAPE, "nn_attention_forward: the mask is (5,4), it must be (5,5) or (8,5,5)");
    o = (nn_attention_options){ .key_padding = ag_zeros(AG_SHAPE(2, 5), AG_INT64) };
    ck_assert(ag_is_nil(nn_attention_forward(m, x, x, AG_NONE, &o)));
    ck_error(AG_ERROR_DTYPE, "nn_attention_forward: key_padding is int64, it must be uint8 or float32");
    ag_end(&scope);
    nn_free(m);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("packed attention");
    TCase *tests = tcase_create("packed attention");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, the_parts_apart_give_the_same);
    tcase_add_test(tests, dropout_and_a_mask_that_learns_give_the_same);
    tcase_add_test(tests, bits_do_not_depend_on_threads);
    tcase_add_test(tests, hooks_and_kept_gradients_see_the_gradient_of_all_three);
    tcase_add_test(tests, a_tensor_that_is_used_twice_gets_the_sum);
    tcase_add_test(tests, second_derivatives_are_those_of_the_parts);
    tcase_add_test(tests, a_checkpoint_computes_it_anew);
    tcase_add_test(tests, the_parts_of_the_gradient_are_nowhere_else);
    tcase_add_test(tests, a_layer_gives_the_same_with_weights_and_without);
    tcase_add_test(tests, a_layer_that_trains_with_dropout_drops);
    tcase_add_test(tests, a_layer_says_what_a_mask_must_be);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
