/*
 * How much is held while a graph waits for its backward: recurrent loops that a user writes, the character LSTM and the small GPT
 * of the benchmark, against what PyTorch holds for the same (golden/make_sequence_memory.py says how that was counted). And truncated
 * backpropagation through time: states that are carried on carry no history, so memory does not grow with the number of chunks.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wengert/wengert.h>

enum { STEPS = 600, BATCH = 32, EMBEDDING = 64, HIDDEN = 128 };                 /* of the loops */
enum { VOCABULARY = 65, LENGTH = 64, WIDTH = 128, HEADS = 4, LAYERS = 4 };      /* of the language models */

/* ---- what PyTorch holds ------------------------------------------------------------------------------------------------------- */

struct reference {
    double held, allocator, resident; /* bytes */
};

static struct reference reference_of(const char *name)
{
    FILE *f = fopen(TESTS_GOLDEN "/sequence_memory.txt", "r");
    ck_assert_msg(f != NULL, "cannot read sequence_memory.txt");
    char line[256], found[64];
    struct reference r = { 0, 0, 0 };
    while (fgets(line, sizeof(line), f) != NULL) {
        struct reference one;
        if (sscanf(line, "%63s held %lf allocator %lf resident %lf", found, &one.held, &one.allocator, &one.resident) == 4 &&
            strcmp(found, name) == 0) {
            r = one;
        }
    }
    fclose(f);
    ck_assert_msg(r.held > 0, "sequence_memory.txt has no %s", name);
    return r;
}

/* ---- what is held here -------------------------------------------------------------------------------------------------------- */

struct model {
    nn_module *part[4 + LAYERS];
    int count;
    ag_tensor (*loss)(struct model *m);
    ag_tensor x, y;
};

static void model_begin(struct model *m)
{
    ag_rng rng = ag_rng_seed(1);
    for (int i = 0; i < m->count; i++) {
        nn_init(m->part[i], &rng);
    }
}

static void model_end(struct model *m)
{
    for (int i = 0; i < m->count; i++) {
        nn_free(m->part[i]);
    }
    ag_drop(&m->x);
    ag_drop(&m->y);
}

struct use {
    int64_t held, peak; /* bytes above the start: after forward, and at most during both passes */
};

/* Parameters, their gradients and the inputs are there before. */
static struct use use_of(struct model *m)
{
    ag_scope step = { 0 };
    struct use use;
    int64_t before = ag_memory().live_bytes;
    ag_memory_reset_peak();
    ag_begin(&step);
    ag_tensor loss = m->loss(m);
    use.held = ag_memory().live_bytes - before;
    ag_backward(loss);
    use.peak = ag_memory().peak_bytes - before;
    ag_end(&step);
    ck_assert_int_eq(ag_error_code(), AG_OK);
    return use;
}

static void holds_at_most(const char *name, struct model *m, double share)
{
    struct reference theirs = reference_of(name);
    model_begin(m);
    struct use ours = use_of(m);
    model_end(m);
    printf("%-16s held %7.2f MB (PyTorch %7.2f, ratio %.3f), peak %7.2f MB (PyTorch's allocator %7.2f, ratio %.3f; resident %.2f)\n",
           name, (double)ours.held / 1e6, theirs.held / 1e6, (double)ours.held / theirs.held, (double)ours.peak / 1e6,
           theirs.allocator / 1e6, (double)ours.peak / theirs.allocator, theirs.resident / 1e6);
    ck_assert_msg((double)ours.held <= share * theirs.held, "%s: %lld bytes are held after forward, PyTorch %.0f", name,
                  (long long)ours.held, theirs.held);
    ck_assert_msg((double)ours.peak <= share * theirs.allocator, "%s: %lld bytes at the peak, PyTorch %.0f", name,
                  (long long)ours.peak, theirs.allocator);
}

/* ---- loops that a program writes -------------------------------------------------------------------------------------------------------------------- */

/* In a frame, so that the squares, which no gradient needs, go when the function returns: as Python lets go of what has no name. */
static ag_tensor mean_square(int count, const ag_tensor *h)
{
    ag_frame frame = ag_frame_begin();
    return ag_frame_end(frame, ag_mean(ag_square(ag_stack(count, h, 0))));
}

static ag_tensor cell_loss(struct model *m)
{
    ag_tensor h[STEPS], zeros = ag_zeros(AG_SHAPE(BATCH, HIDDEN), AG_FLOAT32);
    nn_rnn_state state = { zeros, AG_NONE };
    for (int t = 0; t < STEPS; t++) {
        h[t] = nn_cell_forward(m->part[0], ag_select(m->x, 0, t), &state);
    }
    return mean_square(STEPS, h);
}

/* The cell from the operations that one would write it with. A frame around a step lets go of what is read no more. */
static ag_tensor operations_loss(struct model *m)
{
    ag_list *list = nn_parameters(m->part[0]);
    ag_tensor w_ih = ag_list_tensor(list, 0), w_hh = ag_list_tensor(list, 1), b_ih = ag_list_tensor(list, 2),
              b_hh = ag_list_tensor(list, 3);
    ag_list_free(list);
    ag_tensor outputs[STEPS], h = ag_zeros(AG_SHAPE(BATCH, HIDDEN), AG_FLOAT32), c = h;
    for (int t = 0; t < STEPS; t++) {
        ag_frame frame = ag_frame_begin();
        ag_tensor gates = ag_add(ag_linear(ag_select(m->x, 0, t), w_ih, b_ih), ag_linear(h, w_hh, b_hh));
        ag_tensor i = ag_sigmoid(ag_narrow(gates, 1, 0, HIDDEN)), f = ag_sigmoid(ag_narrow(gates, 1, HIDDEN, HIDDEN));
        ag_tensor g = ag_tanh(ag_narrow(gates, 1, 2 * HIDDEN, HIDDEN)), o = ag_sigmoid(ag_narrow(gates, 1, 3 * HIDDEN, HIDDEN));
        c = ag_add(ag_mul(f, c), ag_mul(i, g));
        h = ag_mul(o, ag_tanh(c));
        ag_frame_end_n(frame, 2, (ag_tensor[]){ h, c });
        outputs[t] = h;
    }
    return mean_square(STEPS, outputs);
}

static struct model loop(nn_module *cell, ag_tensor (*loss)(struct model *m))
{
    ag_rng rng = ag_rng_seed(2);
    ag_scope scope = { 0 };
    struct model m = { .part = { cell }, .count = 1, .loss = loss };
    ag_begin_no_grad(&scope);
    ag_keep(&m.x, ag_normal(AG_SHAPE(STEPS, BATCH, EMBEDDING), 0, 1, AG_FLOAT32, &rng));
    ag_end(&scope);
    return m;
}

START_TEST(a_loop_of_cells_holds_what_pytorch_holds)
{
    struct model m = loop(nn_lstm_cell(EMBEDDING, HIDDEN), cell_loss);
    holds_at_most("lstm_cell", &m, 1.2);
    m = loop(nn_gru_cell(EMBEDDING, HIDDEN), cell_loss);
    holds_at_most("gru_cell", &m, 1.2);
    m = loop(nn_rnn_cell(EMBEDDING, HIDDEN), cell_loss);
    holds_at_most("rnn_cell", &m, 1.2);
}
END_TEST

START_TEST(a_loop_of_operations_holds_what_pytorch_holds)
{
    struct model m = loop(nn_lstm_cell(EMBEDDING, HIDDEN), operations_loss);
    holds_at_most("lstm_operations", &m, 1.2);
}
END_TEST

/* ---- language models: the networks of the benchmark --------------------------------------------------------------------------- */

static ag_tensor lstm_loss(struct model *m)
{
    ag_tensor h = nn_forward(m->part[1], nn_forward(m->part[0], m->x));
    return ag_cross_entropy(ag_reshape(nn_forward(m->part[2], h), AG_SHAPE(-1, VOCABULARY)), m->y);
}

static ag_tensor gpt_loss(struct model *m)
{
    const nn_attention_options causal = { .causal = true };
    ag_tensor h = nn_forward(m->part[1], nn_forward(m->part[0], m->x));
    for (int i = 0; i < LAYERS; i++) {
        h = nn_encoder_forward(m->part[4 + i], h, &causal);
    }
    return ag_cross_entropy(ag_reshape(nn_forward(m->part[3], nn_forward(m->part[2], h)), AG_SHAPE(-1, VOCABULARY)), m->y);
}

static void give_text(struct model *m)
{
    int64_t tokens[BATCH * LENGTH];
    ag_scope scope = { 0 };
    for (int i = 0; i < BATCH * LENGTH; i++) {
        tokens[i] = i * 7 % VOCABULARY;
    }
    ag_begin_no_grad(&scope);
    ag_keep(&m->x, ag_from(AG_SHAPE(BATCH, LENGTH), AG_INT64, tokens));
    ag_keep(&m->y, ag_from(AG_SHAPE(BATCH * LENGTH), AG_INT64, tokens));
    ag_end(&scope);
}

START_TEST(a_character_lstm_holds_what_pytorch_holds)
{
    nn_rnn_config c = nn_rnn_defaults(EMBEDDING, HIDDEN);
    c.batch_first = true;
    struct model m = { .part = { nn_embedding(VOCABULARY, EMBEDDING), nn_lstm_with(c), nn_linear(HIDDEN, VOCABULARY) },
                       .count = 3,
                       .loss = lstm_loss };
    give_text(&m);
    holds_at_most("char_lstm", &m, 1.2);
}
END_TEST

START_TEST(a_small_gpt_holds_what_pytorch_holds)
{
    nn_transformer_config c = nn_transformer_defaults(WIDTH, HEADS);
    c.feedforward = 4 * WIDTH;
    c.dropout = 0;
    c.gelu = c.batch_first = c.norm_first = true;
    struct model m = { .part = { nn_embedding(VOCABULARY, WIDTH), nn_position_learned(LENGTH, WIDTH), nn_layer_norm(WIDTH),
                                 nn_linear(WIDTH, VOCABULARY) },
                       .count = 4 + LAYERS,
                       .loss = gpt_loss };
    for (int i = 0; i < LAYERS; i++) {
        m.part[4 + i] = nn_transformer_encoder_layer(c);
    }
    give_text(&m);
    holds_at_most("gpt_small", &m, 1.2);
}
END_TEST

/* ---- states that are carried on ------------------------------------------------------------------------------------------------ */

enum { CHUNK = 5, SHORT = 10, LONG = 1000 };

struct carried {
    int64_t live, buffers, peak; /* bytes and buffers above the start when the last chunk is over; at most */
};

/* Truncated backpropagation through time over `chunks` chunks; with `layer` one call a chunk, else a cell's loop. */
static struct carried carry(bool layer, int chunks)
{
    ag_rng rng = ag_rng_seed(3);
    nn_rnn_config c = nn_rnn_defaults(8, 16);
    c.layers = layer ? 2 : 1;
    nn_module *m = layer ? nn_lstm_with(c) : nn_lstm_cell(8, 16);
    nn_init(m, &rng);
    optim *o = optim_sgd(nn_parameters(m), optim_sgd_defaults());
    nn_rnn_state kept = { AG_NONE, AG_NONE };
    ag_scope step = { 0 };
    ag_memory_trim();
    int64_t live = ag_memory().live_bytes, buffers = ag_memory().live_buffers;
    ag_memory_reset_peak();
    for (int chunk = 0; chunk < chunks; chunk++) {
        ag_begin(&step);
        nn_rnn_state s = kept;
        ag_tensor x = ag_normal(AG_SHAPE(CHUNK, 4, 8), 0, 1, AG_FLOAT32, &rng), h[CHUNK], y;
        if (layer) {
            y = nn_rnn_forward(m, x, &s);
        } else {
            for (int t = 0; t < CHUNK; t++) {
                h[t] = nn_cell_forward(m, ag_select(x, 0, t), &s);
            }
            y = ag_stack(CHUNK, h, 0);
        }
        optim_zero_grad(o);
        ag_backward(ag_mean(ag_square(ag_add_scalar(y, -0.5))));
        optim_step(o);
        nn_rnn_state_keep(&kept, s);
    }
    ag_end(&step);
    struct carried used = { ag_memory().live_bytes - live, ag_memory().live_buffers - buffers, ag_memory().peak_bytes - live };
    nn_rnn_state_drop(&kept);
    optim_free(o);
    nn_free(m);
    ck_assert_int_eq(ag_error_code(), AG_OK);
    return used;
}

START_TEST(carried_states_do_not_grow_with_the_number_of_chunks)
{
    for (int layer = 0; layer < 2; layer++) {
        struct carried few = carry(layer != 0, SHORT), many = carry(layer != 0, LONG);
        printf("%s: %lld bytes at the peak, %lld after %d chunks; %lld and %lld after %d\n", layer ? "layer" : "cell",
               (long long)few.peak, (long long)few.live, SHORT, (long long)many.peak, (long long)many.live, LONG);
        ck_assert_int_eq(many.live, few.live);
        ck_assert_int_eq(many.buffers, few.buffers);
        ck_assert_int_eq(many.peak, few.peak);
        ck_assert_int_gt(few.peak, few.live);
        ck_assert_int_gt(few.live, 0);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("memory of sequences");
    TCase *tests = tcase_create("bytes");
    tcase_set_timeout(tests, 300);
    /* Bytes are the same under sanitizers, and the large ones take them half a minute. */
    if (getenv("WENGERT_TESTS_BRIEF") == NULL) {
        tcase_add_test(tests, a_loop_of_cells_holds_what_pytorch_holds);
        tcase_add_test(tests, a_loop_of_operations_holds_what_pytorch_holds);
        tcase_add_test(tests, a_small_gpt_holds_what_pytorch_holds);
    }
    tcase_add_test(tests, a_character_lstm_holds_what_pytorch_holds);
    tcase_add_test(tests, carried_states_do_not_grow_with_the_number_of_chunks);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
