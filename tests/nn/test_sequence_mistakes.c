/*
 * What layers for sequences say to bad input: unknown tokens, sequences that are empty, too long or of length zero, masks and states
 * of the wrong shape, packed sequences that do not fit together. Each message names the function, the shapes and the line of the
 * call, and nothing is changed by a call that was refused. And what stands behind the ends of sequences is never looked at.
 */
#include "tests/nn/common.h"

static nn_module *made(nn_module *m)
{
    ag_rng rng = ag_rng_seed(5);
    ck_assert_int_eq(nn_init(m, &rng), AG_OK);
    return m;
}

/* Whether the message names a line of a statement that ends at `last`: of a call over several lines compilers count one or another. */
static bool names_line(int last)
{
    char place[64];
    bool named = false;
    for (int line = last - 2; line <= last && !named; line++) {
        snprintf(place, sizeof(place), "test_sequence_mistakes.c:%d)", line);
        named = strstr(ag_error_message(), place) != NULL;
    }
    return named;
}

/* The message begins like that and ends with the line of the call. */
#define refused(call, text)                                                                                                \
    do {                                                                                                                   \
        (void)(call);                                                                                                      \
        ck_assert_msg(strncmp(ag_error_message(), text, strlen(text)) == 0, "the message is:\n%s", ag_error_message());    \
        ck_assert_msg(names_line(__LINE__), "line %d is not in:\n%s", __LINE__, ag_error_message());                       \
        ag_error_clear();                                                                                                  \
    } while (0)

#define WHOLE(...) ag_from(AG_SHAPE(sizeof((int64_t[]){ __VA_ARGS__ }) / 8), AG_INT64, ((int64_t[]){ __VA_ARGS__ }))
#define ZEROS(...) ag_zeros(AG_SHAPE(__VA_ARGS__), AG_FLOAT32)
#define BYTES(...) ag_zeros(AG_SHAPE(__VA_ARGS__), AG_UINT8)

/* ---- tokens and positions ------------------------------------------------------------------------------------------------ */

START_TEST(tokens_and_positions)
{
    nn_module *words = made(nn_embedding(5, 4)), *net = made(nn_sequential(nn_identity(), nn_embedding(5, 4)));
    nn_module *learned = made(nn_position_learned(8, 4)), *waves = made(nn_position_sinusoidal(8, 4));
    ag_scope scope = { 0 };
    ag_begin(&scope);
    refused(nn_forward(words, WHOLE(1, 7)), "ag_embedding: index 7 at position 1 is outside 0..4 (");
    refused(nn_forward(words, WHOLE(-1, 2)), "ag_embedding: index -1 at position 0 is outside 0..4 (");
    refused(nn_forward(net, WHOLE(1, 5)), "ag_embedding: index 5 at position 1 is outside 0..4, in 1 (");
    refused(nn_forward(words, ZEROS(2)), "ag_embedding: the index must be int64 of at most 7 dimensions, got float32 (2)");
    refused(nn_forward(learned, ZEROS(2, 9, 4)),
            "nn_forward: LearnedPosition(8, 4) has 8 positions of width 4, got (2,9,4) from position 0 (");
    refused(nn_forward(waves, ZEROS(2, 9, 4)),
            "nn_forward: SinusoidalPosition(8, 4) has 8 positions of width 4, got (2,9,4) from position 0 (");
    refused(nn_position_forward(learned, ZEROS(2, 3, 4), 6),
            "nn_position_forward: LearnedPosition(8, 4) has 8 positions of width 4, got (2,3,4) from position 6 (");
    refused(nn_position_forward(learned, ZEROS(2, 3, 4), -1),
            "nn_position_forward: LearnedPosition(8, 4) has 8 positions of width 4, got (2,3,4) from position -1 (");
    refused(nn_forward(learned, ZEROS(2, 3, 5)), "nn_forward: LearnedPosition(8, 4) has 8 positions of width 4, got (2,3,5)");
    refused(nn_forward(learned, ZEROS(4)), "nn_forward: LearnedPosition(8, 4) has 8 positions of width 4, got (4)");
    refused(nn_position_forward(words, ZEROS(2, 3, 4), 0), "nn_position_forward: needs an embedding of positions, got Embedding(5, 4)");
    ag_end(&scope);
    nn_free(words);
    nn_free(net);
    nn_free(learned);
    nn_free(waves);
}
END_TEST

/* ---- recurrent layers ---------------------------------------------------------------------------------------------------- */

START_TEST(sequences_and_states_of_recurrent_layers)
{
    nn_module *lstm = made(nn_lstm(3, 5)), *gru = made(nn_gru(3, 5)), *cell = made(nn_lstm_cell(3, 5));
    ag_scope scope = { 0 };
    ag_begin(&scope);
    ag_tensor x = ZEROS(4, 2, 3), one = ZEROS(2, 3);
    nn_rnn_state s = { 0 };
    refused(nn_rnn_forward(lstm, ZEROS(0, 2, 3), &s), "nn_rnn_forward: LSTM(3, 5) needs (steps,batch,in), or (steps,3) without a batch, "
                                                      "got (0,2,3): there are no steps (");
    refused(nn_rnn_forward(lstm, ag_zeros(AG_SHAPE(4, 2, 3), AG_FLOAT64), NULL), "ag_lstm: element types float64 and float32 differ");
    s = (nn_rnn_state){ ZEROS(1, 3, 5), AG_NONE };
    refused(nn_rnn_forward(lstm, x, &s), "nn_rnn_forward: LSTM(3, 5): the state h is (1,3,5) and must be (1,2,5): layers times "
                                         "directions, batch, hidden size (");
    s = (nn_rnn_state){ ZEROS(1, 2, 5), ZEROS(2, 2, 5) };
    refused(nn_rnn_forward(lstm, x, &s), "nn_rnn_forward: LSTM(3, 5): the state c is (2,2,5) and must be (1,2,5)");
    s = (nn_rnn_state){ ZEROS(1, 2, 5), AG_NONE };
    refused(nn_rnn_forward(gru, one, &s), "nn_rnn_forward: GRU(3, 5): the state h is (1,2,5) and must be (1,5): layers times directions, "
                                          "hidden size (");
    s = (nn_rnn_state){ AG_NONE, ZEROS(1, 2, 5) };
    refused(nn_rnn_forward(gru, x, &s), "nn_rnn_forward: GRU(3, 5) has no state c (");
    s = (nn_rnn_state){ ZEROS(3, 5), AG_NONE };
    refused(nn_cell_forward(cell, one, &s), "ag_lstm: the state h is (3,5) and must be (2,5): batch and hidden size");
    s = (nn_rnn_state){ ZEROS(2, 5), ZEROS(2, 4) };
    refused(nn_cell_forward(cell, one, &s), "ag_lstm: the state c is (2,4) and must be (2,5): batch and hidden size");
    ag_end(&scope);
    nn_free(lstm);
    nn_free(gru);
    nn_free(cell);
}
END_TEST

START_TEST(lengths_and_packed_sequences)
{
    nn_module *gru = made(nn_gru(3, 5));
    ag_scope scope = { 0 };
    ag_begin(&scope);
    ag_tensor x = ZEROS(4, 2, 3);
    refused(nn_pack_padded(x, WHOLE(4, 0), false), "nn_pack_padded: sequence 1 has length 0 and must have 1 to 4 (");
    refused(nn_pack_padded(x, WHOLE(-2, 1), false), "nn_pack_padded: sequence 0 has length -2 and must have 1 to 4 (");
    refused(nn_pack_padded(x, WHOLE(4, 5), false), "nn_pack_padded: sequence 1 has length 5 and must have 1 to 4 (");
    refused(nn_pack_padded(x, ZEROS(2), false), "nn_pack_padded: the lengths must be int64 (2), got float32 (2) (");
    refused(nn_pack_padded(x, WHOLE(4, 2), true), "nn_pack_padded: the lengths must be int64 (4), got int64 (2) (");
    refused(nn_pack_padded(ZEROS(0, 2, 3), WHOLE(4, 2), false), "nn_pack_padded: needs (steps,batch,…), got (0,2,3) (");
    refused(nn_pack_padded(ZEROS(0, 4, 3), WHOLE(4, 2), true), "nn_pack_padded: needs (batch,steps,…), got (0,4,3) (");
    refused(nn_rnn_forward_lengths(gru, x, WHOLE(4, 0), NULL), "nn_pack_padded: sequence 1 has length 0 and must have 1 to 4 (");

    const nn_packed good = nn_pack_padded(x, WHOLE(4, 2), false);
    nn_packed p = good;
    ck_no_error();
    nn_rnn_state s = { ZEROS(1, 3, 5), AG_NONE };
    refused(nn_rnn_forward_packed(gru, p, &s), "nn_rnn_forward_packed: GRU(3, 5): the state h is (1,3,5) and must be (1,2,5): layers ");
    s = (nn_rnn_state){ ZEROS(1, 3, 5), AG_NONE };
    refused(nn_rnn_forward_lengths(gru, x, WHOLE(4, 2), &s), "nn_rnn_forward_lengths: GRU(3, 5): the state h is (1,3,5) and must be ");
    s = (nn_rnn_state){ AG_NONE, ZEROS(1, 2, 5) };
    refused(nn_rnn_forward_packed(gru, p, &s), "nn_rnn_forward_packed: GRU(3, 5) has no state c (");
    p.data = ZEROS(6, 4);
    refused(nn_rnn_forward_packed(gru, p, NULL), "ag_gru: input (6,4) and w_ih (15,3): the last dimension of the input must be 3");

    p = (nn_packed){ .data = AG_NONE };
    refused(nn_rnn_forward_packed(gru, p, NULL), "nn_rnn_forward_packed: the sequences are not packed: they need data, and int64 "
                                                 "batch_sizes, sorted and unsorted, as nn_pack_padded() makes them (");
    refused(nn_pad_packed(p, false, 0, NULL), "nn_pad_packed: the sequences are not packed: ");
    p = good;
    p.unsorted = AG_NONE;
    refused(nn_rnn_forward_packed(gru, p, NULL), "nn_rnn_forward_packed: the sequences are not packed: ");
    p = good;
    p.data = ag_narrow(good.data, 0, 0, 3);
    refused(nn_rnn_forward_packed(gru, p, NULL),
            "nn_rnn_forward_packed: the packed sequences do not fit together: batch_sizes add up to 6 rows, and data is (3,3) (");
    refused(nn_pad_packed(p, true, 0, NULL), "nn_pad_packed: the packed sequences do not fit together: batch_sizes add up to 6 rows");
    p = good;
    p.batch_sizes = WHOLE(2, 1, 2, 1);
    refused(nn_pad_packed(p, false, 0, NULL), "nn_pad_packed: the packed sequences do not fit together: step 2 has 2 sequences after 1 (");
    p.batch_sizes = WHOLE(2, 2, 2, 0);
    refused(nn_pad_packed(p, false, 0, NULL), "nn_pad_packed: the packed sequences do not fit together: step 3 has 0 sequences after 2 (");
    p.batch_sizes = WHOLE(1, 1, 1, 1, 1, 1);
    refused(nn_pad_packed(p, false, 0, NULL), "nn_pad_packed: the packed sequences do not fit together: the first step must have all "
                                              "sequences (");
    p = good;
    p.sorted = WHOLE(0, 5);
    refused(nn_pad_packed(p, false, 0, NULL), "nn_pad_packed: the packed sequences do not fit together: sorted and unsorted must be an "
                                              "order of the sequences and its inverse (");
    p.sorted = WHOLE(0, 0);
    refused(nn_rnn_forward_packed(gru, p, NULL), "nn_rnn_forward_packed: the packed sequences do not fit together: sorted and unsorted");
    p.sorted = WHOLE(0, 1, 2);
    refused(nn_pad_packed(p, false, 0, NULL), "nn_pad_packed: the packed sequences do not fit together: the first step must have all "
                                              "sequences (");
    p.sorted = WHOLE(0);
    refused(nn_pad_packed(p, false, 0, NULL), "nn_pad_packed: the packed sequences do not fit together: step 0 has 2 sequences after 1");
    ag_end(&scope);
    nn_free(gru);
}
END_TEST

/* NaN behind the ends reaches neither results nor gradients. */
START_TEST(what_stands_behind_the_ends_is_not_read)
{
    nn_module *gru = made(nn_gru(3, 5));
    ag_list *parameters = nn_parameters(gru);
    uint64_t hash[2][8];
    for (int garbage = 0; garbage < 2; garbage++) {
        ag_scope scope = { 0 };
        ag_begin(&scope);
        float x[4][2][3];
        for (int i = 0; i < 24; i++) {
            (&x[0][0][0])[i] = (float)i / 24;
        }
        x[2][1][0] = x[3][1][2] = garbage ? NAN : 0;
        ag_tensor y = nn_rnn_forward_lengths(gru, ag_from(AG_SHAPE(4, 2, 3), AG_FLOAT32, x), WHOLE(4, 2), NULL);
        ag_backward(ag_sum(ag_square(y)));
        ck_no_error();
        hash[garbage][0] = ag_hash(y);
        for (int64_t i = 0; i < 4; i++) {
            ag_tensor g = ag_grad_of(ag_list_tensor(parameters, i));
            ck_assert(isfinite(ag_item(ag_sum(g))));
            hash[garbage][1 + i] = ag_hash(g);
            ag_zero_grad(ag_list_tensor(parameters, i));
        }
        ag_end(&scope);
    }
    ck_assert(memcmp(hash[0], hash[1], 5 * sizeof(uint64_t)) == 0);
    ag_list_free(parameters);
    nn_free(gru);
}
END_TEST

/* ---- attention ----------------------------------------------------------------------------------------------------------- */

START_TEST(masks_and_inputs_of_attention)
{
    nn_module *m = made(nn_multihead_attention(6, 2));
    ag_scope scope = { 0 };
    ag_begin(&scope);
    ag_tensor q = ZEROS(3, 2, 6), v = ZEROS(5, 2, 6);
#define MASK(t) (&(nn_attention_options){ .mask = (t) })
#define PADDING(t) (&(nn_attention_options){ .key_padding = (t) })
    refused(nn_attention_forward(m, q, v, AG_NONE, MASK(BYTES(5, 3))),
            "nn_attention_forward: the mask is (5,3), it must be (3,5) or (4,3,5) (");
    refused(nn_attention_forward(m, q, v, AG_NONE, MASK(BYTES(2, 3, 5))),
            "nn_attention_forward: the mask is (2,3,5), it must be (3,5) or (4,3,5) (");
    refused(nn_attention_forward(m, q, v, AG_NONE, MASK(ag_zeros(AG_SHAPE(3, 5), AG_INT64))),
            "nn_attention_forward: the mask is int64, it must be uint8 or float32 (");
    refused(nn_attention_forward(m, q, v, AG_NONE, MASK(ag_zeros(AG_SHAPE(3, 5), AG_FLOAT64))),
            "nn_attention_forward: the mask is float64, it must be uint8 or float32 (");
    refused(nn_attention_forward(m, q, v, AG_NONE, PADDING(BYTES(5, 2))),
            "nn_attention_forward: key_padding is (5,2), it must be (2,5) (");
    refused(nn_attention_forward(m, ZEROS(3, 6), ZEROS(5, 6), AG_NONE, PADDING(BYTES(1, 5))),
            "nn_attention_forward: key_padding is (1,5), it must be (5) (");
    nn_attention_options both = { .mask = BYTES(3, 5), .key_padding = ag_zeros(AG_SHAPE(2, 5), AG_INT64) };
    refused(nn_attention_forward(m, q, v, AG_NONE, &both), "nn_attention_forward: key_padding is int64, it must be uint8 or float32 (");
    refused(nn_attention_forward(m, q, ZEROS(0, 2, 6), AG_NONE, NULL),
            "nn_attention_forward: MultiheadAttention(6, heads=2) needs (steps,batch,width) of widths 6, 6 and 6, got query (3,2,6), "
            "value (0,2,6) and key (0,2,6): there are no steps (");
    refused(nn_forward(m, ZEROS(0, 2, 6)), "nn_forward: MultiheadAttention(6, heads=2) needs (steps,batch,width) of widths 6, 6 and 6, "
                                           "got query (0,2,6), value (0,2,6) and key (0,2,6): there are no steps (");
    refused(nn_attention_forward(m, q, ZEROS(5, 3, 6), AG_NONE, NULL),
            "nn_attention_forward: MultiheadAttention(6, heads=2) needs (steps,batch,width) of widths 6, 6 and 6, got query (3,2,6), "
            "value (5,3,6) and key (5,3,6) (");
    refused(nn_attention_forward(m, AG_NONE, v, AG_NONE, NULL),
            "nn_attention_forward: MultiheadAttention(6, heads=2): the query is missing (");
    refused(nn_attention_forward(m, q, AG_NONE, AG_NONE, NULL),
            "nn_attention_forward: MultiheadAttention(6, heads=2): the value is missing (");
    refused(nn_attention_forward(m, ag_zeros(AG_SHAPE(3, 2, 6), AG_FLOAT64), v, AG_NONE, NULL),
            "ag_linear: element types float64 and float32 differ");
    ag_end(&scope);
    nn_free(m);
}
END_TEST

/* As in PyTorch: a query that sees nothing gets NaN, and nobody else does. */
START_TEST(a_query_from_which_all_keys_are_hidden_is_nan)
{
    nn_module *m = made(nn_multihead_attention(6, 2));
    ag_scope scope = { 0 };
    ag_begin(&scope);
    ag_rng rng = ag_rng_seed(3);
    ag_tensor q = ag_normal(AG_SHAPE(3, 2, 6), 0, 1, AG_FLOAT32, &rng), v = ag_normal(AG_SHAPE(5, 2, 6), 0, 1, AG_FLOAT32, &rng);
    const uint8_t hidden[2][5] = { { 0, 0, 1, 0, 0 }, { 1, 1, 1, 1, 1 } };
    nn_attention_options o = { .key_padding = ag_from(AG_SHAPE(2, 5), AG_UINT8, hidden) };
    float y[3][2][6];
    ag_read(nn_attention_forward(m, q, v, AG_NONE, &o), y, 36);
    ck_no_error();
    for (int t = 0; t < 3; t++) {
        for (int k = 0; k < 6; k++) {
            ck_assert(isfinite(y[t][0][k]) && isnan(y[t][1][k]));
        }
    }
    ag_end(&scope);
    nn_free(m);
}
END_TEST

START_TEST(inputs_of_encoders_and_decoders)
{
    nn_transformer_config c = nn_transformer_defaults(6, 2);
    c.layers = 2;
    nn_module *encoder = made(nn_transformer_encoder(c)), *decoder = made(nn_transformer_decoder(c));
    ag_scope scope = { 0 };
    ag_begin(&scope);
    ag_tensor x = ZEROS(3, 2, 6), memory = ZEROS(5, 2, 6);
    refused(nn_encoder_forward(encoder, ZEROS(0, 2, 6), NULL), "nn_attention_forward: layers.0.self_attn (MultiheadAttention(6, "
                                                               "heads=2)) needs (steps,batch,width) of widths 6, 6 and 6, got query (0,2,6)");
    refused(nn_encoder_forward(encoder, x, MASK(BYTES(4, 4))), "nn_attention_forward: the mask is (4,4), it must be (3,3) or (4,3,3) (");
    refused(nn_decoder_forward(decoder, x, memory, NULL, MASK(BYTES(3, 3))),
            "nn_attention_forward: the mask is (3,3), it must be (3,5) or (4,3,5) (");
    refused(nn_decoder_forward(decoder, x, ZEROS(5, 3, 6), NULL, NULL),
            "nn_attention_forward: layers.0.multihead_attn (MultiheadAttention(6, heads=2)) needs (steps,batch,width) of widths");
    refused(nn_decoder_forward(decoder, x, AG_NONE, NULL, NULL), "nn_decoder_forward: the memory is missing (");
    refused(nn_forward(decoder, x), "nn_forward: TransformerDecoder(6, heads=2, feedforward=2048, layers=2) has a forward of its own");
    nn_kv_cache unused[2] = { { .length = 0 }, { .length = 0 } };
    nn_attention_options cached = { .cache = unused };
    refused(nn_decoder_forward(decoder, x, memory, NULL, &cached), "nn_decoder_forward: the attention to memory has no cache (");
    ag_end(&scope);
    nn_free(encoder);
    nn_free(decoder);
}
END_TEST

START_TEST(a_mistake_leaves_the_cache_as_it_was)
{
    nn_transformer_config c = nn_transformer_defaults(6, 2);
    c.layers = 2;
    nn_module *encoder = made(nn_transformer_encoder(c));
    nn_eval(encoder);
    nn_kv_cache cache[2] = { { .length = 0 }, { .length = 0 } };
    nn_attention_options o = { .cache = cache, .causal = true };
    ag_scope scope = { 0 };
    ag_begin_no_grad(&scope);
    ag_rng rng = ag_rng_seed(3);
    ag_tensor x = ag_normal(AG_SHAPE(4, 2, 6), 0, 1, AG_FLOAT32, &rng), last = ag_narrow(x, 0, 3, 1);
    nn_attention_options whole = { .causal = true };
    ag_tensor expected = ag_narrow(nn_encoder_forward(encoder, x, &whole), 0, 3, 1);
    nn_encoder_forward(encoder, ag_narrow(x, 0, 0, 3), &o);
    ck_no_error();
    o.mask = BYTES(1, 1);
    refused(nn_encoder_forward(encoder, last, &o), "nn_attention_forward: the mask is (1,1), it must be (1,4) or (4,1,4) (");
    ck_assert(cache[0].length == 3 && cache[1].length == 3);
    o.mask = AG_NONE;
    refused(nn_encoder_forward(encoder, ZEROS(1, 3, 6), &o),
            "nn_attention_forward: the cache holds keys (2,2,16,3), which do not go on with (3,2,1,3) (");
    refused(nn_encoder_forward(encoder, ZEROS(0, 2, 6), &o), "nn_attention_forward: layers.0.self_attn (");
    ck_assert(cache[0].length == 3 && cache[1].length == 3);
    ck_assert(ag_item(ag_max(ag_abs(ag_sub(nn_encoder_forward(encoder, last, &o), expected)))) < 1e-6);
    cache[0].length = 100;
    refused(nn_encoder_forward(encoder, last, &o), "nn_attention_forward: the cache has a length of 100 and holds at most 16 steps (");
    cache[0].length = -1;
    refused(nn_encoder_forward(encoder, last, &o), "nn_attention_forward: the cache has a length of -1 and holds at most 16 steps (");
    nn_kv_cache_drop(&cache[0]);
    nn_kv_cache_drop(&cache[1]);
    ag_end(&scope);
    nn_free(encoder);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sequence_mistakes");
    TCase *t = tcase_create("sequence_mistakes");
    tcase_add_checked_fixture(t, catch_errors, NULL);
    tcase_add_test(t, tokens_and_positions);
    tcase_add_test(t, sequences_and_states_of_recurrent_layers);
    tcase_add_test(t, lengths_and_packed_sequences);
    tcase_add_test(t, what_stands_behind_the_ends_is_not_read);
    tcase_add_test(t, masks_and_inputs_of_attention);
    tcase_add_test(t, a_query_from_which_all_keys_are_hidden_is_nan);
    tcase_add_test(t, inputs_of_encoders_and_decoders);
    tcase_add_test(t, a_mistake_leaves_the_cache_as_it_was);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
