/*
 * A layer over every step: against PyTorch's numbers; names and weights are those of the layer alone; modes, clones and saved
 * states reach the layer; and the mistakes that the wrapper finds.
 */
#include "tests/nn/sequence_cases.h"

/* ---- agreement ----------------------------------------------------------------------------------------------------------- */

static nn_module *make_linear(void)
{
    return nn_time_distributed(nn_linear(4, 3));
}

static nn_module *make_conv(void)
{
    return nn_time_distributed(nn_conv2d(2, 3, 3));
}

static nn_module *make_batch_norm(void)
{
    return nn_time_distributed(nn_batch_norm1d(4));
}

static nn_module *net(void)
{
    return nn_sequential(nn_conv2d(2, 3, 2), nn_batch_norm2d(3), nn_relu(), nn_flatten(), nn_linear(18, 2));
}

static nn_module *make_sequential(void)
{
    return nn_time_distributed(net());
}

static nn_module *make_gru(void)
{
    nn_rnn_config c = nn_rnn_defaults(3, 5);
    c.batch_first = true;
    return nn_time_distributed(nn_gru_with(c));
}

static int run(nn_module *m, const ag_tensor *in, ag_tensor *out)
{
    out[0] = nn_forward(m, in[0]);
    return 1;
}

START_TEST(agrees_with_pytorch)
{
    const struct sequence_case table[] = {
        { "time_linear", make_linear, 1, { AG_SHAPE(2, 3, 4) }, run },
        { "time_conv", make_conv, 1, { AG_SHAPE(2, 3, 2, 5, 4) }, run },
        { "time_batch_norm", make_batch_norm, 1, { AG_SHAPE(3, 2, 4) }, run },
        { "time_sequential", make_sequential, 1, { AG_SHAPE(2, 3, 2, 3, 4) }, run },
        { "time_gru", make_gru, 1, { AG_SHAPE(2, 3, 4, 3) }, run },
    };
    cases_check(table, (int)(sizeof(table) / sizeof(table[0])));
}
END_TEST

/* ---- the layer within ---------------------------------------------------------------------------------------------------- */

static nn_module *made(nn_module *m)
{
    ag_rng rng = ag_rng_seed(5);
    ck_assert_int_eq(nn_init(m, &rng), AG_OK);
    return m;
}

static bool same(ag_tensor a, ag_tensor b)
{
    return ag_shape_equal(ag_shape_of(a), ag_shape_of(b)) && ag_hash(ag_contiguous(a)) == ag_hash(ag_contiguous(b));
}

START_TEST(the_weights_of_a_layer_fit_before_and_after)
{
    nn_module *alone = made(net()), *over = made(nn_time_distributed(nn_time_distributed(net())));
    ck_assert_int_eq(nn_copy_state(over, alone), AG_OK);
    ck_assert(nn_hash(over) == nn_hash(alone)); /* names and numbers */
    ck_assert_int_eq(nn_count_parameters(over, true), nn_count_parameters(alone, true));
    nn_eval(alone);
    nn_eval(over);
    ag_scope scope = { 0 };
    ag_begin_no_grad(&scope);
    ag_rng rng = ag_rng_seed(2);
    ag_tensor x = ag_normal(AG_SHAPE(2, 3, 4, 2, 3, 4), 0, 1, AG_FLOAT32, &rng), y = nn_forward(over, x);
    ck_assert(ag_shape_equal(ag_shape_of(y), AG_SHAPE(2, 3, 4, 2)));
    for (int t = 0; t < 3; t++) {
        for (int s = 0; s < 4; s++) {
            ag_tensor one = nn_forward(alone, ag_select(ag_select(x, 1, t), 1, s)), part = ag_select(ag_select(y, 1, t), 1, s);
            ck_assert(ag_item(ag_max(ag_abs(ag_sub(one, part)))) < 1e-6);
        }
    }
    ag_end(&scope);
    nn_module *outer = made(nn_sequential(nn_time_distributed(nn_linear(4, 3)), nn_relu(), nn_time_distributed(nn_batch_norm1d(3))));
    ag_list *state = nn_state(outer);
    const char *const names[] = { "0.weight",       "0.bias",        "2.weight", "2.bias",
                                  "2.running_mean", "2.running_var", "2.num_batches_tracked" };
    ck_assert_int_eq(ag_list_count(state), 7);
    for (int i = 0; i < 7; i++) {
        ck_assert_str_eq(ag_list_name(state, i), names[i]);
    }
    ag_list_free(state);
    nn_free(outer);
    nn_free(alone);
    nn_free(over);
}
END_TEST

START_TEST(tokens_of_tokens_are_embedded)
{
    nn_module *words = made(nn_time_distributed(nn_embedding(5, 4)));
    ag_scope scope = { 0 };
    ag_begin(&scope);
    ag_tensor y = nn_forward(words, ag_from(AG_SHAPE(2, 3), AG_INT64, (const int64_t[]){ 3, 0, 2, 1, 3, 4 }));
    ck_assert(ag_shape_equal(ag_shape_of(y), AG_SHAPE(2, 3, 4)));
    ck_assert(same(ag_select(ag_select(y, 0, 0), 0, 0), ag_select(ag_select(y, 0, 1), 0, 1)));
    ag_end(&scope);
    nn_free(words);
}
END_TEST

START_TEST(modes_clones_and_saved_states_reach_the_layer)
{
    nn_module *norm = nn_batch_norm1d(3), *m = made(nn_sequential(nn_linear(3, 3), nn_time_distributed(norm), nn_dropout(0.5)));
    ag_scope scope = { 0 };
    ag_begin(&scope);
    ag_rng rng = ag_rng_seed(2);
    ag_tensor x = ag_normal(AG_SHAPE(2, 5, 3), 1, 2, AG_FLOAT32, &rng);
    nn_forward(m, x);
    nn_eval(norm); /* frozen statistics in a network that trains */
    nn_set_requires_grad(norm, false);
    nn_module *copy = nn_clone(m);
    ck_assert(nn_hash(copy) == nn_hash(m));
    ck_assert(!nn_sequential_child(copy, 2)->initialised || nn_sequential_child(copy, 2)->training);
    ck_assert_int_eq(nn_count_parameters(copy, true), 12);
    ck_assert(same(nn_forward(m, x), nn_forward(copy, x)));
    ag_state *saved = ag_state_take(nn_stateful(m));
    ck_no_error();
    uint64_t hash = nn_hash(m);
    nn_train(m);
    nn_forward(m, x);
    nn_set_requires_grad(m, true);
    ck_assert(nn_hash(m) != hash);
    ck_assert_int_eq(ag_state_restore(saved, nn_stateful(m)), AG_OK);
    ck_assert(nn_hash(m) == hash && m->training && !norm->training);
    ck_assert_int_eq(nn_count_parameters(m, true), 12);
    ag_state_free(saved);
    ag_end(&scope);
    nn_free(m);
    nn_free(copy);
}
END_TEST

START_TEST(the_summary_shows_the_layer)
{
    nn_module *m = made(nn_sequential(nn_time_distributed(nn_linear(4, 3)), nn_flatten()));
    char text[2048] = "";
    FILE *stream = tmpfile();
    nn_summary(m, AG_SHAPE(2, 5, 4), stream);
    rewind(stream);
    ck_assert(fread(text, 1, sizeof(text) - 1, stream) > 0);
    fclose(stream);
    ck_assert_msg(strstr(text, " 0 (TimeDistributed)  (2,5,3)                   \n") != NULL, "%s", text);
    ck_assert_msg(strstr(text, "\n   (Linear)           (10,3)                  15\n") != NULL, "%s", text);
    nn_free(m);
}
END_TEST

/* ---- mistakes ------------------------------------------------------------------------------------------------------------ */

static ag_tensor swap_rows(nn_module *m, ag_tensor x)
{
    (void)m;
    return ag_transpose(x, 0, 1);
}

START_TEST(mistakes_are_named)
{
    static const nn_module_type swapping = {
        .size = sizeof(nn_module_type), .name = "Swap", .instance_size = sizeof(nn_module), .forward = swap_rows
    };
    nn_module *m = made(nn_time_distributed(nn_linear(4, 3))), *swap = made(nn_time_distributed(nn_module_new(&swapping)));
    nn_module *fresh = nn_time_distributed(nn_linear(4, 3));
    ag_scope scope = { 0 };
    ag_begin(&scope);
    nn_forward(m, ag_zeros(AG_SHAPE(4), AG_FLOAT32));
    ck_error(AG_ERROR_SHAPE, "nn_forward: TimeDistributed(Linear(in_features=4, out_features=3, bias=True)) needs (N,T,…), got (4)");
    nn_forward(m, ag_zeros(AG_SHAPE(2, 0, 4), AG_FLOAT32));
    ck_error(AG_ERROR_SHAPE, "nn_forward: TimeDistributed(Linear(in_features=4, out_features=3, bias=True)) has no steps to work on, "
                             "got (2,0,4) (");
    nn_forward(m, ag_zeros(AG_SHAPE(2, 3, 5), AG_FLOAT32));
    ck_error(AG_ERROR_SHAPE, "ag_linear: ");
    nn_forward(swap, ag_zeros(AG_SHAPE(2, 3, 5), AG_FLOAT32));
    ck_error(AG_ERROR_SHAPE, "nn_forward: TimeDistributed(Swap) needs a layer that gives (6,…) for its 6 steps in all, and it gave "
                             "(5,6)");
    nn_forward(fresh, ag_zeros(AG_SHAPE(2, 3, 4), AG_FLOAT32));
    ck_error(AG_ERROR_STATE, "nn_forward: TimeDistributed(Linear(in_features=4, out_features=3, bias=True)) is not initialised");
    ag_end(&scope);
    nn_free(nn_time_distributed(NULL));
    ck_error(AG_ERROR_VALUE, "nn_time_distributed: the layer is NULL (");
    nn_free(nn_time_distributed(nn_linear(0, 3)));
    ck_error(AG_ERROR_VALUE, "nn_linear: ");
    nn_free(nn_time_distributed(nn_transformer_decoder_layer(nn_transformer_defaults(4, 2))));
    ck_error(AG_ERROR_VALUE, "nn_time_distributed: TransformerDecoderLayer(4, heads=2, feedforward=2048) has a forward of its own");
    nn_free(nn_time_distributed(nn_lstm(3, 5)));
    ck_error(AG_ERROR_VALUE, "nn_time_distributed: LSTM(3, 5) would take samples for steps: it needs batch_first (");
    nn_free(nn_time_distributed(nn_multihead_attention(4, 2)));
    ck_error(AG_ERROR_VALUE, "nn_time_distributed: MultiheadAttention(4, heads=2) would take samples for steps");
    nn_free(nn_time_distributed(nn_transformer_encoder(nn_transformer_defaults(4, 2))));
    ck_error(AG_ERROR_VALUE, "nn_time_distributed: TransformerEncoder(4, heads=2, feedforward=2048, layers=6) would take samples");
    nn_module *held = nn_linear(4, 3), *holder = made(nn_sequential(held)), *second = nn_time_distributed(held);
    ag_rng rng = ag_rng_seed(1);
    nn_init(second, &rng);
    ck_error(AG_ERROR_VALUE, "nn_init: child \"\" of TimeDistributed(Linear(in_features=4, out_features=3, bias=True)) also belongs to "
                             "another tree");
    nn_free(second);
    nn_free(holder);
    nn_free(m);
    nn_free(swap);
    nn_free(fresh);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("time_distributed");
    TCase *t = tcase_create("time_distributed");
    tcase_add_checked_fixture(t, catch_errors, NULL);
    tcase_add_test(t, agrees_with_pytorch);
    tcase_add_test(t, the_weights_of_a_layer_fit_before_and_after);
    tcase_add_test(t, tokens_of_tokens_are_embedded);
    tcase_add_test(t, modes_clones_and_saved_states_reach_the_layer);
    tcase_add_test(t, the_summary_shows_the_layer);
    tcase_add_test(t, mistakes_are_named);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
