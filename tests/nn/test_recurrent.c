/*
 * RNN, LSTM and GRU, as layers and as cells, on sequences of one length and of several: against PyTorch's numbers; states that
 * are carried on; what they hold; and the mistakes that they find.
 */
#include "tests/nn/sequence_cases.h"

/* ---- agreement ---------------------------------------------------------------------------------------------------------- */

static nn_rnn_config configured(bool bias, int64_t layers, bool batch_first, bool both)
{
    nn_rnn_config c = nn_rnn_defaults(3, 5);
    c.bias = bias;
    c.layers = layers;
    c.batch_first = batch_first;
    c.bidirectional = both;
    return c;
}

#define MAKERS(kind)                                                                                                  \
    static nn_module *make_##kind(void) { return nn_##kind(3, 5); }                                                   \
    static nn_module *make_##kind##_no_bias(void) { return nn_##kind##_with(configured(false, 1, false, false)); }    \
    static nn_module *make_##kind##_deep(void) { return nn_##kind##_with(configured(true, 3, true, false)); }         \
    static nn_module *make_##kind##_both(void) { return nn_##kind##_with(configured(true, 2, false, true)); }         \
    static nn_module *make_##kind##_first(void) { return nn_##kind##_with(configured(true, 1, true, false)); }        \
    static nn_module *make_##kind##_alone(void) { return nn_##kind##_with(configured(true, 1, false, true)); }        \
    static nn_module *make_##kind##_cell(void) { return nn_##kind##_cell(3, 5); }
MAKERS(rnn)
MAKERS(lstm)
MAKERS(gru)

static nn_module *make_relu(void)
{
    nn_rnn_config c = configured(true, 2, false, true);
    c.relu = true;
    return nn_rnn_with(c);
}

static nn_module *make_relu_cell(void)
{
    nn_rnn_config c = nn_rnn_defaults(3, 5);
    c.bias = false;
    c.relu = true;
    return nn_rnn_cell_with(c);
}

static int run_plain(nn_module *m, const ag_tensor *in, ag_tensor *out)
{
    out[0] = nn_forward(m, in[0]);
    return 1;
}

static int results(nn_rnn_state s, ag_tensor *out)
{
    out[1] = s.h;
    out[2] = s.c;
    return ag_is_none(s.c) ? 2 : 3;
}

static int run_state(nn_module *m, const ag_tensor *in, ag_tensor *out, bool lstm, bool lengths)
{
    nn_rnn_state s = {in[1], lstm ? in[2] : AG_NONE};
    ag_tensor l = ag_from(AG_SHAPE(3), AG_INT64, (const int64_t[]){2, 4, 1});
    out[0] = lengths ? nn_rnn_forward_lengths(m, in[0], l, &s) : nn_rnn_forward(m, in[0], &s);
    return results(s, out);
}

static int run_h(nn_module *m, const ag_tensor *in, ag_tensor *out) { return run_state(m, in, out, false, false); }
static int run_hc(nn_module *m, const ag_tensor *in, ag_tensor *out) { return run_state(m, in, out, true, false); }
static int run_h_lengths(nn_module *m, const ag_tensor *in, ag_tensor *out) { return run_state(m, in, out, false, true); }
static int run_hc_lengths(nn_module *m, const ag_tensor *in, ag_tensor *out) { return run_state(m, in, out, true, true); }

static int run_cell(nn_module *m, const ag_tensor *in, ag_tensor *out, bool lstm)
{
    nn_rnn_state s = {in[1], lstm ? in[2] : AG_NONE};
    ag_tensor h[16];
    int steps = (int)ag_size(in[0], 0);
    for (int t = 0; t < steps; t++) {
        h[t] = nn_cell_forward(m, ag_select(in[0], 0, t), &s);
    }
    out[0] = ag_stack(steps, h, 0);
    return results(s, out);
}

static int run_cell_h(nn_module *m, const ag_tensor *in, ag_tensor *out) { return run_cell(m, in, out, false); }
static int run_cell_hc(nn_module *m, const ag_tensor *in, ag_tensor *out) { return run_cell(m, in, out, true); }

#define S3(a, b, c) AG_SHAPE(a, b, c)
#define KIND(kind, n, state, with, lengths)                                                                            \
    {#kind "_plain", make_##kind, 1, {S3(4, 3, 3)}, run_plain},                                                        \
        {#kind "_no_bias", make_##kind##_no_bias, n, {S3(4, 3, 3), S3(1, 3, 5), S3(1, 3, 5)}, with},                   \
        {#kind "_deep", make_##kind##_deep, n, {S3(3, 4, 3), S3(3, 3, 5), S3(3, 3, 5)}, with},                         \
        {#kind "_both", make_##kind##_both, n, {S3(4, 3, 3), S3(4, 3, 5), S3(4, 3, 5)}, with},                         \
        {#kind "_packed", make_##kind##_both, n, {S3(4, 3, 3), S3(4, 3, 5), S3(4, 3, 5)}, lengths},                    \
        {#kind "_packed_first", make_##kind##_first, n, {S3(3, 4, 3), S3(1, 3, 5), S3(1, 3, 5)}, lengths},             \
        {#kind "_alone", make_##kind##_alone, n, {AG_SHAPE(4, 3), AG_SHAPE(2, 5), AG_SHAPE(2, 5)}, with},

START_TEST(layers_and_cells_agree_with_pytorch)
{
    const struct sequence_case table[] = {
        KIND(rnn, 2, false, run_h, run_h_lengths)
        KIND(lstm, 3, true, run_hc, run_hc_lengths)
        KIND(gru, 2, false, run_h, run_h_lengths)
        {"rnn_relu", make_relu, 2, {S3(4, 3, 3), S3(4, 3, 5)}, run_h_lengths},
        {"rnn_cell", make_rnn_cell, 2, {S3(4, 2, 3), AG_SHAPE(2, 5)}, run_cell_h},
        {"rnn_cell_relu", make_relu_cell, 2, {AG_SHAPE(4, 3), AG_SHAPE(5)}, run_cell_h},
        {"lstm_cell", make_lstm_cell, 3, {S3(4, 2, 3), AG_SHAPE(2, 5), AG_SHAPE(2, 5)}, run_cell_hc},
        {"gru_cell", make_gru_cell, 2, {S3(4, 2, 3), AG_SHAPE(2, 5)}, run_cell_h},
    };
    cases_check(table, (int)(sizeof(table) / sizeof(table[0])));
}
END_TEST

/* ---- one way and another ------------------------------------------------------------------------------------------------ */

static void assert_same(ag_tensor a, ag_tensor b, double tolerance)
{
    ck_no_error();
    int64_t n = ag_numel(a);
    ck_assert_int_eq(ag_numel(b), n);
    double *x = malloc((size_t)n * 2 * sizeof(double)), *y = x + n;
    ag_read_doubles(a, x, n);
    ag_read_doubles(b, y, n);
    for (int64_t i = 0; i < n; i++) {
        ck_assert_msg(fabs(x[i] - y[i]) <= tolerance, "element %lld: %.17g and %.17g", (long long)i, x[i], y[i]);
    }
    free(x);
}

static nn_module *made(nn_module *m, ag_dtype dtype)
{
    ag_rng rng = ag_rng_seed(5);
    ck_assert_int_eq(nn_init_dtype(m, &rng, dtype), AG_OK);
    return m;
}

START_TEST(a_layer_is_its_cell_in_a_loop_and_recording_changes_nothing)
{
    ag_rng rng = ag_rng_seed(2);
    nn_module *layer = made(nn_lstm(7, 40), AG_FLOAT32), *cell = made(nn_lstm_cell(7, 40), AG_FLOAT32);
    ag_list *from = nn_state(layer), *to = nn_state(cell);
    ag_scope scope = {0}, quiet = {0};
    ag_begin(&scope);
    for (int64_t i = 0; i < 4; i++) {
        ag_write(ag_list_tensor(to, i), ag_data(ag_list_tensor(from, i)), ag_numel(ag_list_tensor(to, i)));
    }
    ag_tensor x = ag_normal(AG_SHAPE(9, 50, 7), 0, 2, AG_FLOAT32, &rng), h[9];
    nn_rnn_state all = {0}, one = {0}, silent = {0};
    ag_tensor y = nn_rnn_forward(layer, x, &all);
    for (int t = 0; t < 9; t++) {
        h[t] = nn_cell_forward(cell, ag_select(x, 0, t), &one);
    }
    assert_same(y, ag_stack(9, h, 0), 1e-6);
    assert_same(all.c, ag_unsqueeze(one.c, 0), 1e-6);
    uint64_t hash = ag_hash(y);
    ag_begin_no_grad(&quiet);
    ck_assert(ag_hash(nn_rnn_forward(layer, x, &silent)) == hash);
    ck_assert(!ag_requires_grad(silent.h));
    ag_end(&quiet);
    ag_set_threads(2);
    ck_assert(ag_hash(nn_rnn_forward(layer, x, NULL)) == hash);
    ag_set_threads(1);
    ag_end(&scope);
    ag_list_free(from);
    ag_list_free(to);
    nn_free(layer);
    nn_free(cell);
}
END_TEST

START_TEST(dropout_lies_between_layers_in_training_alone)
{
    nn_rnn_config c = nn_rnn_defaults(4, 6);
    c.dropout = 1;
    nn_module *one = made(nn_gru_with(c), AG_FLOAT64);
    c.layers = 2;
    nn_module *two = made(nn_gru_with(c), AG_FLOAT64);
    ag_scope scope = {0};
    ag_begin(&scope);
    ag_tensor x = ag_ones(AG_SHAPE(3, 2, 4), AG_FLOAT64), zeros = ag_zeros_like(x);
    uint64_t wet = ag_hash(nn_forward(one, x)), dry;
    ck_assert(wet != ag_hash(nn_forward(one, zeros)));
    /* All that the second layer sees is zeros. */
    ck_assert(ag_hash(nn_forward(two, x)) == ag_hash(nn_forward(two, zeros)));
    nn_eval(two);
    dry = ag_hash(nn_forward(two, x));
    ck_assert(dry != ag_hash(nn_forward(two, zeros)));
    nn_module *copy = nn_clone(two);
    ck_assert(ag_hash(nn_forward(copy, x)) == dry);
    ag_end(&scope);
    nn_free(copy);
    nn_free(one);
    nn_free(two);
}
END_TEST

START_TEST(weights_start_within_the_root_of_the_hidden_size)
{
    nn_module *m = made(nn_gru(3, 400), AG_FLOAT64);
    ag_list *state = nn_state(m);
    for (int64_t i = 0; i < ag_list_count(state); i++) {
        int64_t n = ag_numel(ag_list_tensor(state, i));
        double *w = malloc((size_t)n * sizeof(double)), low = 0, high = 0;
        ag_read_doubles(ag_list_tensor(state, i), w, n);
        for (int64_t k = 0; k < n; k++) {
            low = fmin(low, w[k]);
            high = fmax(high, w[k]);
        }
        ck_assert(low >= -0.05 && low < -0.0495 && high <= 0.05 && high > 0.0495);
        free(w);
    }
    ag_list_free(state);
    nn_free(m);
}
END_TEST

START_TEST(packing_and_padding_again_gives_back_what_was_there)
{
    ag_scope scope = {0};
    ag_begin(&scope);
    const int64_t length[] = {2, 5, 1, 5};
    ag_tensor lengths = ag_from(AG_SHAPE(4), AG_INT64, length), back;
    ag_tensor x = ag_add_scalar(ag_reshape(ag_arange(40, AG_FLOAT64), AG_SHAPE(4, 5, 2)), 1);
    nn_packed p = nn_pack_padded(x, lengths, true);
    ck_assert_int_eq(ag_size(p.data, 0), 13);
    ag_tensor y = nn_pad_packed(p, true, -1, &back);
    ck_no_error();
    ck_assert(ag_hash(back) == ag_hash(lengths));
    double a[40], b[40];
    ag_read_doubles(x, a, 40);
    ag_read_doubles(y, b, 40);
    for (int n = 0; n < 4; n++) {
        for (int t = 0; t < 5; t++) {
            for (int k = 0; k < 2; k++) {
                int at = (n * 5 + t) * 2 + k;
                ck_assert(b[at] == (t < length[n] ? a[at] : -1));
            }
        }
    }
    ag_end(&scope);
}
END_TEST

/* ---- memory ------------------------------------------------------------------------------------------------------------- */

START_TEST(carried_states_do_not_make_memory_grow)
{
    nn_rnn_config config = nn_rnn_defaults(8, 16);
    config.layers = 2;
    nn_module *m = made(nn_lstm_with(config), AG_FLOAT32);
    ag_scope step = {0};
    nn_rnn_state carried = {0};
    ag_rng rng = ag_rng_seed(3);
    int64_t live = 0, buffers = 0, calls = 0;
    for (int chunk = 0; chunk < 200; chunk++) {
        ag_begin(&step);
        nn_rnn_state s = carried;
        ag_tensor x = ag_normal(AG_SHAPE(10, 4, 8), 0, 1, AG_FLOAT32, &rng);
        ag_backward(ag_sum(ag_square(nn_rnn_forward(m, x, &s))));
        nn_rnn_state_keep(&carried, s);
        ag_memory_stats now = ag_memory();
        if (chunk == 3) {
            live = (int64_t)now.live_bytes;
            buffers = now.live_buffers;
            calls = now.system_allocs;
        }
        ck_assert(chunk < 4 || ((int64_t)now.live_bytes == live && now.live_buffers == buffers));
        ck_assert(chunk < 4 || now.system_allocs == calls);
    }
    ck_no_error();
    ag_end(&step);
    nn_rnn_state_drop(&carried);
    nn_free(m);
}
END_TEST

/* PyTorch 1.13 holds for each step and row of an LSTM cell: four gates, tanh(c), c and h, seven numbers for each hidden one, of
 * float32, and the hidden product's result until the gates are made of it. */
START_TEST(a_loop_of_cells_over_600_steps_holds_what_it_must)
{
    enum { STEPS = 600, N = 32, H = 128, IN = 64 };
    nn_module *m = made(nn_lstm_cell(IN, H), AG_FLOAT32);
    ag_scope step = {0};
    ag_begin(&step);
    ag_tensor x = ag_zeros(AG_SHAPE(N, IN), AG_FLOAT32);
    nn_rnn_state s = {0};
    int64_t before = (int64_t)ag_memory().live_bytes;
    for (int t = 0; t < STEPS; t++) {
        ag_frame frame = ag_frame_begin();
        nn_cell_forward(m, x, &s);
        ag_frame_end_n(frame, 2, (ag_tensor[]){s.h, s.c});
    }
    ck_no_error();
    int64_t held = (int64_t)ag_memory().live_bytes - before, numbers = (int64_t)STEPS * N * H * 4;
    ck_assert_msg(held <= 7 * numbers, "%g numbers", (double)held / (double)numbers);
    ag_end(&step);
    nn_free(m);
}
END_TEST

/* The loss of a batch of sequences of tokens that are guessed one after the other, as a sum over the steps. */
static ag_tensor guess(nn_module *embed, nn_module *gru, nn_module *out, ag_tensor x, ag_tensor y, ag_tensor lengths)
{
    nn_packed steps = nn_pack_padded(x, lengths, true), targets = nn_pack_padded(y, lengths, true);
    steps.data = nn_forward(embed, steps.data);
    ag_tensor scores = nn_forward(out, nn_rnn_forward_packed(gru, steps, NULL).data);
    return ag_cross_entropy_with(scores, targets.data, AG_REDUCE_SUM);
}

START_TEST(training_on_a_packed_batch_is_training_on_each_sequence)
{
    enum { BATCH = 4, LONGEST = 6, TOKENS = 7 };
    static const int64_t lengths[BATCH] = { 3, 6, 1, 5 };
    nn_rnn_config c = nn_rnn_defaults(3, 5);
    c.layers = 2;
    c.batch_first = true;
    nn_module *embed = made(nn_embedding(TOKENS, 3), AG_FLOAT64), *gru = made(nn_gru_with(c), AG_FLOAT64);
    nn_module *out = made(nn_linear(5, TOKENS), AG_FLOAT64), *const all[] = { embed, gru, out };
    int64_t x[BATCH][LONGEST] = { { 0 } }, y[BATCH][LONGEST] = { { 0 } };
    for (int n = 0; n < BATCH; n++) {
        for (int t = 0; t < lengths[n]; t++) {
            x[n][t] = (5 * n + 3 * t + n * t) % TOKENS;
            y[n][t] = (2 * n + 5 * t + 1) % TOKENS;
        }
    }
    ag_scope scope = {0};
    ag_begin(&scope);
    ag_tensor once = guess(embed, gru, out, ag_from(AG_SHAPE(BATCH, LONGEST), AG_INT64, x),
                           ag_from(AG_SHAPE(BATCH, LONGEST), AG_INT64, y), ag_from(AG_SHAPE(BATCH), AG_INT64, lengths));
    ag_backward(once);
    ag_tensor packed[32], loss = ag_scalar(0, AG_FLOAT64);
    int count = 0;
    for (int m = 0; m < 3; m++) {
        ag_list *parameters = nn_parameters(all[m]);
        for (int64_t i = 0; i < ag_list_count(parameters); i++) {
            packed[count++] = ag_add_scalar(ag_grad_of(ag_list_tensor(parameters, i)), 0);
            ag_zero_grad(ag_list_tensor(parameters, i));
        }
        ag_list_free(parameters);
    }
    /* One after the other, without packing: gradients add up. */
    for (int n = 0; n < BATCH; n++) {
        ag_tensor alone = ag_from(AG_SHAPE(1, lengths[n]), AG_INT64, x[n]), targets = ag_from(AG_SHAPE(lengths[n]), AG_INT64, y[n]);
        ag_tensor h = ag_squeeze(nn_rnn_forward(gru, nn_forward(embed, alone), NULL), 0);
        ag_tensor one = ag_cross_entropy_with(nn_forward(out, h), targets, AG_REDUCE_SUM);
        ag_backward(one);
        loss = ag_add(loss, one);
    }
    ck_no_error();
    ck_assert_double_eq_tol(ag_item(once), ag_item(loss), 1e-12);
    count = 0;
    for (int m = 0; m < 3; m++) {
        ag_list *parameters = nn_parameters(all[m]);
        for (int64_t i = 0; i < ag_list_count(parameters); i++) {
            ag_tensor g = ag_grad_of(ag_list_tensor(parameters, i));
            assert_same(packed[count++], g, 1e-13);
            ck_assert(ag_item(ag_sum(ag_abs(g))) > 1e-3);
        }
        ag_list_free(parameters);
        nn_free(all[m]);
    }
    ck_assert_int_eq(count, 11);
    ag_end(&scope);
}
END_TEST

/* ---- mistakes ------------------------------------------------------------------------------------------------------------ */

START_TEST(mistakes_are_named)
{
    nn_module *m = made(nn_lstm(3, 5), AG_FLOAT32), *gru = made(nn_gru(3, 5), AG_FLOAT32);
    nn_module *cell = made(nn_gru_cell(3, 5), AG_FLOAT32), *linear = made(nn_linear(3, 5), AG_FLOAT32);
    nn_module *fresh = nn_lstm(3, 5);
    ag_scope scope = {0};
    ag_begin(&scope);
    ag_tensor x = ag_zeros(AG_SHAPE(4, 2, 3), AG_FLOAT32);
    nn_rnn_state s = {ag_zeros(AG_SHAPE(1, 3, 5), AG_FLOAT32), AG_NONE}, zero = {0};
    ck_assert(ag_is_nil(nn_rnn_forward(m, x, &s)));
    ck_assert(ag_is_nil(s.h));
    ck_error(AG_ERROR_SHAPE, "nn_rnn_forward: LSTM(3, 5): the state h is (1,3,5) and must be (1,2,5): layers times directions, "
                             "batch, hidden size (");
    s = (nn_rnn_state){AG_NONE, ag_zeros(AG_SHAPE(2, 5), AG_FLOAT32)};
    nn_rnn_forward(m, x, &s);
    ck_error(AG_ERROR_SHAPE, "nn_rnn_forward: LSTM(3, 5): the state c is (2,5) and must be (1,2,5)");
    s = (nn_rnn_state){AG_NONE, ag_zeros(AG_SHAPE(1, 2, 5), AG_FLOAT32)};
    nn_rnn_forward(gru, x, &s);
    ck_error(AG_ERROR_VALUE, "nn_rnn_forward: GRU(3, 5) has no state c");
    nn_rnn_forward(m, ag_zeros(AG_SHAPE(4, 2, 4), AG_FLOAT32), NULL);
    ck_error(AG_ERROR_SHAPE, "nn_rnn_forward: LSTM(3, 5) needs (steps,batch,in), or (steps,3) without a batch, got (4,2,4)");
    nn_rnn_forward(m, ag_zeros(AG_SHAPE(0, 2, 3), AG_FLOAT32), NULL);
    ck_error(AG_ERROR_SHAPE, "nn_rnn_forward: LSTM(3, 5) needs (steps,batch,in), or (steps,3) without a batch, got (0,2,3): there "
                             "are no steps");
    nn_rnn_forward(linear, x, NULL);
    ck_error(AG_ERROR_VALUE, "nn_rnn_forward: needs an RNN, LSTM or GRU, got Linear(");
    nn_rnn_forward(fresh, x, NULL);
    ck_error(AG_ERROR_STATE, "nn_rnn_forward: LSTM(3, 5) is not initialised: call nn_init()");
    nn_rnn_forward(NULL, x, NULL);
    ck_error(AG_ERROR_VALUE, "nn_rnn_forward: the module is NULL");
    nn_rnn_forward_lengths(m, x, ag_from(AG_SHAPE(2), AG_INT64, (const int64_t[]){3, 0}), NULL);
    ck_error(AG_ERROR_VALUE, "nn_pack_padded: sequence 1 has length 0 and must have 1 to 4");
    nn_rnn_forward_lengths(m, x, ag_from(AG_SHAPE(2), AG_INT64, (const int64_t[]){5, 1}), NULL);
    ck_error(AG_ERROR_VALUE, "nn_pack_padded: sequence 0 has length 5 and must have 1 to 4");
    nn_rnn_forward_lengths(m, x, ag_from(AG_SHAPE(3), AG_INT64, (const int64_t[]){1, 1, 1}), NULL);
    ck_error(AG_ERROR_SHAPE, "nn_pack_padded: the lengths must be int64 (2), got int64 (3)");
    nn_pack_padded(ag_zeros(AG_SHAPE(4), AG_FLOAT32), ag_zeros(AG_SHAPE(1), AG_INT64), false);
    ck_error(AG_ERROR_SHAPE, "nn_pack_padded: needs (steps,batch,…), got (4)");
    nn_cell_forward(cell, x, &zero);
    ck_error(AG_ERROR_SHAPE, "nn_cell_forward: GRUCell(3, 5) needs (batch,3) or (3), got (4,2,3)");
    nn_cell_forward(cell, ag_select(x, 0, 0), NULL);
    ck_error(AG_ERROR_VALUE, "nn_cell_forward: the state is NULL; {0} starts from zeros");
    nn_cell_forward(m, x, &zero);
    ck_error(AG_ERROR_VALUE, "nn_cell_forward: needs an RNNCell, LSTMCell or GRUCell, got LSTM(3, 5)");
    zero.h = ag_zeros(AG_SHAPE(3, 5), AG_FLOAT32);
    nn_cell_forward(cell, ag_select(x, 0, 0), &zero);
    ck_error(AG_ERROR_SHAPE, "ag_gru: the state h is (3,5) and must be (2,5): batch and hidden size");
    ag_end(&scope);
    nn_free(nn_lstm(0, 5));
    ck_error(AG_ERROR_VALUE, "nn_lstm: needs at least 1 input, 1 hidden and 1 to 512 layers, got in=0, hidden=5, layers=1");
    nn_rnn_config c = nn_rnn_defaults(3, 5);
    c.dropout = 2;
    nn_free(nn_gru_with(c));
    ck_error(AG_ERROR_VALUE, "nn_gru_with: the probability must be between 0 and 1, got 2");
    c.dropout = 0;
    c.layers = 2;
    nn_free(nn_gru_cell_with(c));
    ck_error(AG_ERROR_VALUE, "nn_gru_cell_with: a cell is one step of one layer");
    nn_free(nn_rnn_with((nn_rnn_config){0}));
    ck_error(AG_ERROR_VALUE, "nn_rnn_with: the config did not come from nn_rnn_defaults()");
    nn_free(m);
    nn_free(gru);
    nn_free(cell);
    nn_free(linear);
    nn_free(fresh);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("recurrent");
    TCase *t = tcase_create("recurrent");
    tcase_add_checked_fixture(t, catch_errors, NULL);
    tcase_set_timeout(t, 120);
    tcase_add_test(t, layers_and_cells_agree_with_pytorch);
    tcase_add_test(t, a_layer_is_its_cell_in_a_loop_and_recording_changes_nothing);
    tcase_add_test(t, dropout_lies_between_layers_in_training_alone);
    tcase_add_test(t, weights_start_within_the_root_of_the_hidden_size);
    tcase_add_test(t, packing_and_padding_again_gives_back_what_was_there);
    tcase_add_test(t, training_on_a_packed_batch_is_training_on_each_sequence);
    tcase_add_test(t, carried_states_do_not_make_memory_grow);
    tcase_add_test(t, a_loop_of_cells_over_600_steps_holds_what_it_must);
    tcase_add_test(t, mistakes_are_named);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
