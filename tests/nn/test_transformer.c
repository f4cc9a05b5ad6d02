/*
 * Embeddings, attention and the Transformer against PyTorch's numbers; the cache against the whole sequence; what attention holds;
 * and the mistakes that they find.
 */
#include "tests/nn/sequence_cases.h"

enum { E = 6, H = 2 };

/* ---- agreement ----------------------------------------------------------------------------------------------------------- */

/* Masks as make_sequence.py has them. */
static const uint8_t hidden[15] = { 0, 1, 0, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0 };
static const uint8_t padding[10] = { 0, 0, 0, 0, 1, 0, 0, 0, 1, 1 };
static const uint8_t own_padding[6] = { 0, 0, 1, 0, 0, 0 };

static ag_tensor hidden_mask(void) { return ag_from(AG_SHAPE(3, 5), AG_UINT8, hidden); }
static ag_tensor padding_mask(void) { return ag_from(AG_SHAPE(2, 5), AG_UINT8, padding); }

static nn_module *make_mha(void) { return nn_multihead_attention(E, H); }
static nn_module *make_mha_three(void) { return nn_multihead_attention(E, 3); }

static nn_module *make_mha_first(bool bias)
{
    nn_attention_config c = nn_attention_defaults(E, H);
    c.batch_first = true;
    c.bias = bias;
    return nn_multihead_attention_with(c);
}
static nn_module *make_mha_batch_first(void) { return make_mha_first(true); }
static nn_module *make_mha_no_bias(void) { return make_mha_first(false); }

static nn_module *make_mha_widths(void)
{
    nn_attention_config c = nn_attention_defaults(E, H);
    c.key = 4;
    c.value = 3;
    return nn_multihead_attention_with(c);
}

static int run_self(nn_module *m, const ag_tensor *in, ag_tensor *out)
{
    out[0] = nn_forward(m, in[0]);
    return 1;
}

static int run_causal(nn_module *m, const ag_tensor *in, ag_tensor *out)
{
    nn_attention_options o = { .causal = true };
    out[0] = nn_attention_forward(m, in[0], in[0], AG_NONE, &o);
    return 1;
}

static int run_weights(nn_module *m, const ag_tensor *in, ag_tensor *out)
{
    nn_attention_options o = { .weights = &out[1] };
    out[0] = nn_attention_forward(m, in[0], in[1], AG_NONE, &o);
    return 2;
}

static int run_key_weights(nn_module *m, const ag_tensor *in, ag_tensor *out)
{
    nn_attention_options o = { .weights = &out[1] };
    out[0] = nn_attention_forward(m, in[0], in[1], in[2], &o);
    return 2;
}

static int run_value(nn_module *m, const ag_tensor *in, ag_tensor *out)
{
    out[0] = nn_attention_forward(m, in[0], in[1], AG_NONE, NULL);
    return 1;
}

/* PyTorch's call has the key before the value. */
static int run_key(nn_module *m, const ag_tensor *in, ag_tensor *out)
{
    out[0] = nn_attention_forward(m, in[0], in[1], in[2], NULL);
    return 1;
}

static int run_mask(nn_module *m, const ag_tensor *in, ag_tensor *out)
{
    nn_attention_options o = { .mask = hidden_mask(), .weights = &out[1] };
    out[0] = nn_attention_forward(m, in[0], in[1], AG_NONE, &o);
    return 2;
}

static int run_padding(nn_module *m, const ag_tensor *in, ag_tensor *out)
{
    nn_attention_options o = { .key_padding = padding_mask() };
    out[0] = nn_attention_forward(m, in[0], in[1], AG_NONE, &o);
    return 1;
}

static int run_both(nn_module *m, const ag_tensor *in, ag_tensor *out)
{
    nn_attention_options o = { .mask = hidden_mask(), .key_padding = padding_mask() };
    out[0] = nn_attention_forward(m, in[0], in[1], AG_NONE, &o);
    return 1;
}

static int run_added(nn_module *m, const ag_tensor *in, ag_tensor *out)
{
    double added[15];
    for (int i = 0; i < 15; i++) {
        added[i] = i / 7.0 - 1;
    }
    nn_attention_options o = { .mask = ag_from(AG_SHAPE(3, 5), AG_FLOAT64, added), .key_padding = padding_mask() };
    out[0] = nn_attention_forward(m, in[0], in[1], AG_NONE, &o);
    return 1;
}

static int run_by_head(nn_module *m, const ag_tensor *in, ag_tensor *out)
{
    uint8_t each[4][3][5];
    for (int i = 0; i < 3; i++) {
        for (int j = 0; j < 5; j++) {
            each[0][i][j] = hidden[i * 5 + j];
            each[1][i][j] = hidden[i * 5 + 4 - j];
            each[2][i][j] = !hidden[i * 5 + j];
            each[3][i][(j + 1) % 5] = hidden[i * 5 + j];
        }
    }
    nn_attention_options o = { .mask = ag_from(AG_SHAPE(4, 3, 5), AG_UINT8, each), .weights = &out[1], .weights_by_head = true };
    out[0] = nn_attention_forward(m, in[0], in[1], AG_NONE, &o);
    return 2;
}

static int run_alone(nn_module *m, const ag_tensor *in, ag_tensor *out)
{
    nn_attention_options o = { .key_padding = ag_from(AG_SHAPE(5), AG_UINT8, padding), .weights = &out[1] };
    out[0] = nn_attention_forward(m, in[0], in[1], AG_NONE, &o);
    return 2;
}

static nn_transformer_config settings(bool first, int64_t layers, bool final_norm)
{
    nn_transformer_config c = nn_transformer_defaults(E, H);
    c.feedforward = 8;
    c.dropout = 0;
    c.layers = layers;
    c.final_norm = final_norm;
    if (first) {
        c.norm_first = c.batch_first = c.gelu = true;
        c.eps = 1e-3;
    }
    return c;
}

static nn_module *make_encoder_layer(void) { return nn_transformer_encoder_layer(settings(false, 1, false)); }
static nn_module *make_encoder_layer_first(void) { return nn_transformer_encoder_layer(settings(true, 1, false)); }
static nn_module *make_encoder(void) { return nn_transformer_encoder(settings(true, 2, true)); }
static nn_module *make_encoder_bare(void) { return nn_transformer_encoder(settings(false, 3, false)); }
static nn_module *make_decoder_layer(void) { return nn_transformer_decoder_layer(settings(false, 1, false)); }
static nn_module *make_decoder_layer_first(void) { return nn_transformer_decoder_layer(settings(true, 1, false)); }
static nn_module *make_decoder(void) { return nn_transformer_decoder(settings(false, 2, true)); }

static int run_encoder_masked(nn_module *m, const ag_tensor *in, ag_tensor *out)
{
    nn_attention_options o = { .causal = true, .key_padding = ag_from(AG_SHAPE(2, 3), AG_UINT8, own_padding) };
    out[0] = nn_encoder_forward(m, in[0], &o);
    return 1;
}

static int run_encoder_causal(nn_module *m, const ag_tensor *in, ag_tensor *out)
{
    nn_attention_options o = { .causal = true };
    out[0] = nn_encoder_forward(m, in[0], &o);
    return 1;
}

static int run_decoder(nn_module *m, const ag_tensor *in, ag_tensor *out)
{
    out[0] = nn_decoder_forward(m, in[0], in[1], NULL, NULL);
    return 1;
}

static int run_decoder_causal(nn_module *m, const ag_tensor *in, ag_tensor *out)
{
    nn_attention_options o = { .causal = true };
    out[0] = nn_decoder_forward(m, in[0], in[1], &o, NULL);
    return 1;
}

static int run_decoder_masked(nn_module *m, const ag_tensor *in, ag_tensor *out)
{
    nn_attention_options own = { .causal = true, .key_padding = ag_from(AG_SHAPE(2, 3), AG_UINT8, own_padding) };
    nn_attention_options source = { .mask = hidden_mask(), .key_padding = padding_mask() };
    out[0] = nn_decoder_forward(m, in[0], in[1], &own, &source);
    return 1;
}

static nn_module *make_embedding(void) { return nn_embedding(5, 4); }
static nn_module *make_embedding_padded(void)
{
    nn_embedding_config c = nn_embedding_defaults(5, 4);
    c.has_padding = true;
    c.padding = -2;
    return nn_embedding_with(c);
}
static nn_module *make_layer_norm(void) { return nn_layer_norm(4); }
static nn_module *make_layer_norm_with(void) { return nn_layer_norm_with(AG_SHAPE(3, 4), 0.1); }

static const int64_t tokens[6] = { 3, 0, 2, 1, 3, 4 };

static int run_embedding(nn_module *m, const ag_tensor *in, ag_tensor *out)
{
    out[0] = ag_mul(nn_forward(m, ag_from(AG_SHAPE(2, 3), AG_INT64, tokens)), in[0]);
    return 1;
}

#define S3(a, b, c) AG_SHAPE(a, b, c)

START_TEST(agrees_with_pytorch)
{
    const struct sequence_case table[] = {
        { "mha_self", make_mha, 1, { S3(3, 2, E) }, run_self },
        { "mha_causal", make_mha_batch_first, 1, { S3(2, 3, E) }, run_causal },
        { "mha_plain", make_mha, 2, { S3(3, 2, E), S3(5, 2, E) }, run_weights },
        { "mha_no_bias", make_mha_no_bias, 2, { S3(2, 3, E), S3(2, 5, E) }, run_value },
        { "mha_key", make_mha_three, 3, { S3(3, 2, E), S3(5, 2, E), S3(5, 2, E) }, run_key },
        { "mha_widths", make_mha_widths, 3, { S3(3, 2, E), S3(5, 2, 3), S3(5, 2, 4) }, run_key_weights },
        { "mha_mask", make_mha, 2, { S3(3, 2, E), S3(5, 2, E) }, run_mask },
        { "mha_padding", make_mha, 2, { S3(3, 2, E), S3(5, 2, E) }, run_padding },
        { "mha_both", make_mha, 2, { S3(3, 2, E), S3(5, 2, E) }, run_both },
        { "mha_added", make_mha, 2, { S3(3, 2, E), S3(5, 2, E) }, run_added },
        { "mha_mask_by_head", make_mha, 2, { S3(3, 2, E), S3(5, 2, E) }, run_by_head },
        { "mha_alone", make_mha, 2, { AG_SHAPE(3, E), AG_SHAPE(5, E) }, run_alone },
        { "encoder_layer", make_encoder_layer, 1, { S3(3, 2, E) }, run_self },
        { "encoder_layer_first", make_encoder_layer_first, 1, { S3(2, 3, E) }, run_encoder_masked },
        { "encoder", make_encoder, 1, { S3(2, 3, E) }, run_encoder_causal },
        { "encoder_bare", make_encoder_bare, 1, { AG_SHAPE(3, E) }, run_self },
        { "decoder_layer", make_decoder_layer, 2, { S3(3, 2, E), S3(5, 2, E) }, run_decoder },
        { "decoder_layer_first", make_decoder_layer_first, 2, { S3(2, 3, E), S3(2, 5, E) }, run_decoder_masked },
        { "decoder", make_decoder, 2, { S3(3, 2, E), S3(5, 2, E) }, run_decoder_causal },
        { "embedding", make_embedding, 1, { S3(2, 3, 4) }, run_embedding },
        { "embedding_padded", make_embedding_padded, 1, { S3(2, 3, 4) }, run_embedding },
        { "layer_norm", make_layer_norm, 1, { S3(2, 3, 4) }, run_self },
        { "layer_norm_with", make_layer_norm_with, 1, { S3(2, 3, 4) }, run_self },
    };
    cases_check(table, (int)(sizeof(table) / sizeof(table[0])));
}
END_TEST

/* ---- embeddings ---------------------------------------------------------------------------------------------------------- */

static nn_module *made(nn_module *m, ag_dtype dtype)
{
    ag_rng rng = ag_rng_seed(5);
    ck_assert_int_eq(nn_init_dtype(m, &rng, dtype), AG_OK);
    return m;
}

START_TEST(vectors_are_loaded_and_frozen)
{
    ag_scope scope = { 0 };
    ag_begin(&scope);
    const double rows[6] = { 1, 2, 3, 4, 5, 6 };
    nn_embedding_config c = nn_embedding_defaults(3, 2);
    c.vectors = ag_from(AG_SHAPE(3, 2), AG_FLOAT64, rows);
    c.frozen = true;
    nn_module *m = made(nn_embedding_with(c), AG_FLOAT32), *copy = nn_clone(m);
    const int64_t one[2] = { 2, 0 };
    double y[4];
    ag_tensor x = ag_from(AG_SHAPE(2), AG_INT64, one);
    ag_read_doubles(nn_forward(copy, x), y, 4);
    ck_assert(y[0] == 5 && y[1] == 6 && y[2] == 1 && y[3] == 2);
    ck_assert(!ag_requires_grad(nn_forward(m, x)));
    ck_assert_int_eq(nn_count_parameters(m, true), 0);
    nn_set_requires_grad(m, true);
    ck_assert(ag_requires_grad(nn_forward(m, x)));
    ag_end(&scope);
    nn_free(m);
    nn_free(copy);
}
END_TEST

START_TEST(a_padding_row_starts_as_zeros)
{
    nn_embedding_config c = nn_embedding_defaults(40, 50);
    c.has_padding = true;
    c.padding = 3;
    nn_module *m = made(nn_embedding_with(c), AG_FLOAT64);
    ag_list *list = nn_parameters(m);
    double w[2000], sum = 0, squares = 0;
    ag_read_doubles(ag_list_tensor(list, 0), w, 2000);
    for (int i = 0; i < 2000; i++) {
        ck_assert((w[i] == 0) == (i / 50 == 3));
        sum += w[i];
        squares += w[i] * w[i];
    }
    ck_assert(fabs(sum / 1950) < 0.1 && fabs(squares / 1950 - 1) < 0.1);
    ag_list_free(list);
    nn_free(m);
}
END_TEST

START_TEST(positions_are_added)
{
    ag_scope scope = { 0 };
    ag_begin(&scope);
    nn_module *waves = made(nn_position_sinusoidal(10, 4), AG_FLOAT64), *learned = made(nn_position_learned(10, 4), AG_FLOAT64);
    ag_tensor x = ag_ones(AG_SHAPE(2, 3, 4), AG_FLOAT64);
    double y[24], z[24];
    ag_read_doubles(nn_position_forward(waves, x, 5), y, 24);
    const double expected[4] = { 1 + sin(6), 1 + cos(6), 1 + sin(0.06), 1 + cos(0.06) };
    for (int k = 0; k < 4; k++) {
        ck_assert_double_eq_tol(y[4 + k], expected[k], 1e-15);
        ck_assert_double_eq(y[16 + k], y[4 + k]);
    }
    ag_read_doubles(nn_forward(learned, x), z, 24);
    ag_read_doubles(nn_position_forward(learned, ag_narrow(x, 1, 0, 2), 1), y, 16);
    ck_assert(y[0] == z[4] && y[7] == z[11] && y[15] == z[23] && z[4] != z[0]);
    ck_assert_int_eq(nn_count_parameters(learned, false), 40);
    ck_assert_int_eq(nn_count_parameters(waves, false), 0);
    ag_end(&scope);
    nn_free(waves);
    nn_free(learned);
}
END_TEST

/* ---- one way and another ------------------------------------------------------------------------------------------------- */

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

/* y and the gradients of q, k, v of a loss, by the operation or composed (which asking for the weights does). */
static void attend(ag_tensor *qkv, ag_tensor mask, bool causal, bool composed, ag_tensor *results)
{
    ag_attention_config c = ag_attention_defaults();
    c.causal = causal;
    c.causal_shift = 30;
    ag_tensor w;
    results[0] = ag_scaled_dot_product_attention(qkv[0], qkv[1], qkv[2], mask, c, composed ? &w : NULL);
    ag_tensor loss = ag_sum(ag_mul(results[0], ag_sin(results[0])));
    ck_assert_int_eq(ag_grad(loss, 3, qkv, results + 1, ag_backward_defaults()), AG_OK);
}

START_TEST(blocks_of_queries_give_what_all_scores_give)
{
    for (int kind = 0; kind < 4; kind++) {
        ag_scope scope = { 0 };
        ag_begin(&scope);
        ag_rng rng = ag_rng_seed(9);
        ag_dtype dtype = kind == 3 ? AG_FLOAT32 : AG_FLOAT64;
        ag_tensor qkv[3], one[4], other[4], mask = AG_NONE;
        const int64_t steps[3] = { 150, 180, 180 };
        for (int i = 0; i < 3; i++) {
            /* As an attention has them: (batch,heads,steps,head) is a view of (batch,steps,heads,head). */
            ag_tensor t = ag_normal(AG_SHAPE(2, steps[i], 3, i == 2 ? 5 : 8), 0, 2, dtype, &rng);
            ag_set_requires_grad(t, true);
            qkv[i] = ag_transpose(t, 1, 2);
        }
        if (kind == 1) {
            mask = ag_normal(AG_SHAPE(2, 1, 150, 180), 0, 1, dtype, &rng);
        } else if (kind == 2) {
            mask = ag_bernoulli(AG_SHAPE(150, 180), 0.7, AG_UINT8, &rng);
        }
        attend(qkv, mask, kind != 1, false, one);
        attend(qkv, mask, kind != 1, true, other);
        for (int i = 0; i < 4; i++) {
            assert_same(one[i], other[i], dtype == AG_FLOAT64 ? 1e-12 : 2e-4);
        }
        uint64_t hash[4];
        for (int i = 0; i < 4; i++) {
            hash[i] = ag_hash(one[i]);
        }
        ag_set_threads(3);
        attend(qkv, mask, kind != 1, false, other);
        ag_set_threads(1);
        for (int i = 0; i < 4; i++) {
            ck_assert(ag_hash(other[i]) == hash[i]);
        }
        ag_end(&scope);
    }
}
END_TEST

START_TEST(attention_does_not_hold_all_scores)
{
    ag_scope scope = { 0 };
    ag_begin(&scope);
    ag_rng rng = ag_rng_seed(9);
    ag_tensor qkv[3], results[4];
    for (int i = 0; i < 3; i++) {
        qkv[i] = ag_normal(AG_SHAPE(1, 1500, 8), 0, 1, AG_FLOAT32, &rng);
        ag_set_requires_grad(qkv[i], true);
    }
    ag_memory_reset_peak();
    int64_t before = (int64_t)ag_memory().live_bytes;
    attend(qkv, AG_NONE, false, false, results);
    int64_t held = (int64_t)ag_memory().peak_bytes - before;
    /* All scores are 9 MB; two blocks of 64 queries are 0.77 MB, a tensor of 1500 x 8 is 0.05 MB. */
    ck_assert_msg(held < 1500000, "%lld bytes", (long long)held);
    ag_end(&scope);
}
END_TEST

START_TEST(a_cache_gives_what_the_whole_sequence_gives)
{
    nn_transformer_config c = settings(true, 3, true);
    nn_module *m = made(nn_transformer_encoder(c), AG_FLOAT64);
    nn_module *d = made(nn_transformer_decoder(settings(false, 2, true)), AG_FLOAT64);
    nn_kv_cache cache[3] = { { .length = 0 } };
    ag_rng rng = ag_rng_seed(4);
    ag_scope scope = { 0 }, step = { 0 };
    ag_begin_no_grad(&scope);
    ag_tensor x = ag_normal(AG_SHAPE(2, 40, E), 0, 1, AG_FLOAT64, &rng), memory = ag_normal(AG_SHAPE(5, 2, E), 0, 1, AG_FLOAT64, &rng);
    const nn_attention_options causal = { .causal = true }, cached = { .causal = true, .cache = cache };
    ag_tensor whole = nn_encoder_forward(m, x, &causal);
    const int64_t chunks[] = { 3, 1, 1, 1, 20, 1, 13 };
    int64_t at = 0;
    for (int i = 0; i < 7; i++) {
        ag_begin_no_grad(&step);
        ag_tensor y = nn_encoder_forward(m, ag_narrow(x, 1, at, chunks[i]), &cached);
        assert_same(y, ag_narrow(whole, 1, at, chunks[i]), 1e-12);
        at += chunks[i];
    }
    ag_end(&step);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(cache[i].length, 40);
        nn_kv_cache_drop(&cache[i]);
        ck_assert(cache[i].length == 0 && ag_is_none(cache[i].k));
    }
    ag_tensor t = ag_transpose(x, 0, 1);
    whole = nn_decoder_forward(d, t, memory, &causal, NULL);
    for (int i = 0; i < 40; i++) {
        ag_begin_no_grad(&step);
        ag_tensor y = nn_decoder_forward(d, ag_narrow(t, 0, i, 1), memory, &cached, NULL);
        assert_same(y, ag_narrow(whole, 0, i, 1), 1e-12);
    }
    ag_end(&step);
    ag_end(&scope);
    nn_kv_cache_drop(&cache[0]);
    nn_kv_cache_drop(&cache[1]);
    nn_free(m);
    nn_free(d);
}
END_TEST

START_TEST(dropout_is_for_training)
{
    nn_transformer_config c = settings(false, 2, false);
    c.dropout = 0.5;
    nn_module *m = made(nn_transformer_encoder(c), AG_FLOAT32);
    ag_scope scope = { 0 };
    ag_begin(&scope);
    ag_rng rng = ag_rng_seed(4);
    ag_tensor x = ag_normal(AG_SHAPE(4, 2, E), 0, 1, AG_FLOAT32, &rng);
    ck_assert(ag_hash(nn_forward(m, x)) != ag_hash(nn_forward(m, x)));
    nn_module *copy = nn_clone(m);
    ck_assert(ag_hash(nn_forward(m, x)) == ag_hash(nn_forward(copy, x)));
    nn_eval(m);
    ck_assert(ag_hash(nn_forward(m, x)) == ag_hash(nn_forward(m, x)));
    ag_end(&scope);
    nn_free(m);
    nn_free(copy);
}
END_TEST

/* ---- mistakes ------------------------------------------------------------------------------------------------------------ */

static void refused(const char *message)
{
    ck_assert_msg(strstr(ag_error_message(), message) != NULL, "\"%s\" should contain \"%s\"", ag_error_message(), message);
    ck_assert_ptr_nonnull(strstr(ag_error_message(), "test_transformer.c:"));
    ag_error_clear();
}

START_TEST(finds_mistakes)
{
    catch_errors();
    nn_free(nn_multihead_attention(6, 4));
    refused("nn_multihead_attention: embed 6 is not a multiple of 4 heads");
    nn_free(nn_multihead_attention(6, 0));
    refused("widths and heads must be at least 1, got embed=6, heads=0");
    nn_transformer_config c = nn_transformer_defaults(6, 4);
    nn_free(nn_transformer_encoder(c));
    refused("nn_transformer_encoder: embed 6 is not a multiple of 4 heads");
    c = nn_transformer_defaults(6, 2);
    c.dropout = 2;
    nn_free(nn_transformer_decoder_layer(c));
    refused("nn_transformer_decoder_layer: dropout is 2, it must be from 0 to 1");
    c = nn_transformer_defaults(6, 2);
    c.layers = 0;
    nn_free(nn_transformer_decoder(c));
    refused("nn_transformer_decoder: feedforward and layers must be at least 1, got 2048 and 0");
    nn_embedding_config e = nn_embedding_defaults(5, 4);
    e.has_padding = true;
    e.padding = 5;
    nn_free(nn_embedding_with(e));
    refused("nn_embedding_with: padding is 5, and there are 5 rows");
    nn_free(nn_position_learned(0, 4));
    refused("nn_position_learned: needs at least one position");
    nn_free(nn_layer_norm(0));
    refused("nn_layer_norm: needs dimensions of length 1 or more");

    ag_scope scope = { 0 };
    ag_begin(&scope);
    e = nn_embedding_defaults(5, 4);
    e.vectors = ag_zeros(AG_SHAPE(4, 5), AG_FLOAT32);
    nn_free(nn_embedding_with(e));
    refused("nn_embedding_with: the vectors are (4,5), they must be (5,4)");
    nn_module *m = made(make_mha(), AG_FLOAT32), *words = made(nn_embedding(5, 4), AG_FLOAT32);
    nn_module *place = made(nn_position_sinusoidal(8, 4), AG_FLOAT32), *stack = made(make_encoder(), AG_FLOAT32);
    ag_tensor x = ag_ones(AG_SHAPE(3, 2, E), AG_FLOAT32), v = ag_ones(AG_SHAPE(5, 2, E), AG_FLOAT32), w;
    nn_attention_options o = { .mask = ag_zeros(AG_SHAPE(5, 3), AG_UINT8) };
    nn_attention_forward(m, x, v, AG_NONE, &o);
    refused("nn_attention_forward: the mask is (5,3), it must be (3,5) or (4,3,5)");
    o = (nn_attention_options){ .key_padding = ag_zeros(AG_SHAPE(5, 2), AG_UINT8) };
    nn_attention_forward(m, x, v, AG_NONE, &o);
    refused("nn_attention_forward: key_padding is (5,2), it must be (2,5)");
    nn_attention_forward(m, x, ag_ones(AG_SHAPE(5, 3, E), AG_FLOAT32), AG_NONE, NULL);
    refused("got query (3,2,6), value (5,3,6) and key (5,3,6)");
    nn_forward(m, ag_ones(AG_SHAPE(3, 5), AG_FLOAT32));
    refused("nn_forward: MultiheadAttention(6, heads=2) needs (steps,batch,width) of widths 6, 6 and 6, got query (3,5)");
    nn_attention_forward(words, x, v, AG_NONE, NULL);
    refused("nn_attention_forward: needs a MultiheadAttention, got Embedding(5, 4)");
    nn_kv_cache cache = { .length = 0 };
    o = (nn_attention_options){ .cache = &cache };
    nn_attention_forward(m, x, x, AG_NONE, &o);
    refused("nn_attention_forward: a cache is for generation, in a scope of ag_begin_no_grad()");
    ag_scope quiet = { 0 };
    ag_begin_no_grad(&quiet);
    nn_attention_forward(m, x, x, AG_NONE, &o);
    ck_no_error();
    nn_attention_forward(m, ag_ones(AG_SHAPE(1, 3, E), AG_FLOAT32), ag_ones(AG_SHAPE(1, 3, E), AG_FLOAT32), AG_NONE, &o);
    refused("nn_attention_forward: the cache holds keys (2,2,16,3), which do not go on with (3,2,1,3)");
    ck_assert_int_eq(cache.length, 3);
    nn_kv_cache_drop(&cache);
    ag_end(&quiet);
    o = (nn_attention_options){ .weights = &w };
    nn_encoder_forward(stack, ag_ones(AG_SHAPE(2, 3, E), AG_FLOAT32), &o);
    refused("nn_encoder_forward: a stack has weights in each of its layers");
    nn_decoder_forward(stack, x, v, NULL, NULL);
    refused("nn_decoder_forward: needs a decoder of a Transformer, got TransformerEncoder(");
    nn_position_forward(place, ag_ones(AG_SHAPE(5, 4), AG_FLOAT32), 4);
    refused("nn_position_forward: SinusoidalPosition(8, 4) has 8 positions of width 4, got (5,4) from position 4");
    const int64_t unknown[1] = { 5 };
    nn_forward(words, ag_from(AG_SHAPE(1), AG_INT64, unknown));
    refused("index 5");
    ag_end(&scope);
    nn_free(m);
    nn_free(words);
    nn_free(place);
    nn_free(stack);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("transformer");
    TCase *tests = tcase_create("transformer");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, agrees_with_pytorch);
    tcase_add_test(tests, vectors_are_loaded_and_frozen);
    tcase_add_test(tests, a_padding_row_starts_as_zeros);
    tcase_add_test(tests, positions_are_added);
    tcase_add_test(tests, blocks_of_queries_give_what_all_scores_give);
    tcase_add_test(tests, attention_does_not_hold_all_scores);
    tcase_add_test(tests, a_cache_gives_what_the_whole_sequence_gives);
    tcase_add_test(tests, dropout_is_for_training);
    tcase_add_test(tests, finds_mistakes);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
