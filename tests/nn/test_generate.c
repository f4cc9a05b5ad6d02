/*
 * Generation: probabilities, beams and exhaustive search against golden/generation.txt; draws by their frequencies; networks with
 * states and with caches against the same networks that read everything anew for every token.
 */
#include "common.h"

static FILE *golden(void)
{
    FILE *f = fopen(TESTS_GOLDEN "/generation.txt", "r");
    ck_assert_msg(f != NULL, "cannot read generation.txt");
    return f;
}

static void read_numbers(FILE *f, double *values, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        char text[64];
        ck_assert_int_eq(fscanf(f, "%63s", text), 1);
        values[i] = strtod(text, NULL);
    }
}

static nn_sampling_config sampling(double temperature, int64_t k, double p)
{
    nn_sampling_config c = nn_sampling_defaults();
    c.temperature = temperature;
    c.top_k = k;
    c.top_p = p;
    return c;
}

/* ---- one token ----------------------------------------------------------------------------------------------------------- */

enum { MOST = 128 };

START_TEST(probabilities_are_pytorchs)
{
    FILE *f = golden();
    char word[64];
    int cases = 0;
    ag_scope scope = { 0 };
    while (fscanf(f, "%63s", word) == 1) {
        if (strcmp(word, "probabilities") != 0) {
            continue;
        }
        double temperature, p, scores[MOST], expected[MOST], got[MOST];
        float narrow[MOST];
        long long k, rows, vocabulary;
        ck_assert_int_eq(fscanf(f, "%lf %lld %lf %lld %lld", &temperature, &k, &p, &rows, &vocabulary), 5);
        int64_t n = rows * vocabulary;
        read_numbers(f, scores, n);
        read_numbers(f, expected, n);
        for (int wide = 0; wide < 2; wide++) {
            ag_begin(&scope);
            for (int64_t i = 0; i < n; i++) {
                narrow[i] = (float)scores[i];
            }
            ag_tensor x = ag_from(AG_SHAPE(rows, vocabulary), wide ? AG_FLOAT64 : AG_FLOAT32,
                                  wide ? (void *)scores : (void *)narrow);
            ag_tensor y = nn_sampling_probabilities(x, sampling(temperature, k, p));
            ck_no_error();
            ck_assert(ag_dtype_of(y) == ag_dtype_of(x) && ag_shape_equal(ag_shape_of(y), ag_shape_of(x)));
            ag_read(ag_cast(y, AG_FLOAT64), got, n);
            for (int64_t i = 0; i < n; i++) {
                /* What float32 cannot hold of a score counts 1 / temperature times. */
                double allowed = wide ? 1e-12 : temperature < 0.01 ? 1 : 3e-6 / fmin(temperature, 1);
                ck_assert_msg(fabs(got[i] - expected[i]) <= allowed, "temperature %g, k %lld, p %g, %lld kinds: "
                              "%lld is %.17g, not %.17g",
                              temperature, k, p, vocabulary, (long long)i, got[i], expected[i]);
                ck_assert(!wide || (got[i] == 0) == (expected[i] == 0));
            }
        }
        cases++;
    }
    ag_end(&scope);
    fclose(f);
    ck_assert_int_eq(cases, 80);
}
END_TEST

START_TEST(the_first_of_equals_is_the_likeliest)
{
    const float scores[] = { 1, 3, 3, -2, /**/ 0, 0, 0, 0, /**/ -INFINITY, -INFINITY, -5, -INFINITY };
    int64_t token[3];
    ag_scope scope = { 0 };
    ag_begin(&scope);
    ag_tensor x = ag_from(AG_SHAPE(3, 4), AG_FLOAT32, scores);
    ag_read(nn_sample(x, sampling(0, 0, 1), NULL), token, 3);
    ck_assert(token[0] == 1 && token[1] == 0 && token[2] == 2);
    /* One row alone gives one number. */
    ag_tensor one = nn_sample(ag_select(x, 0, 0), sampling(0, 2, 0.5), NULL);
    ck_assert_int_eq(ag_shape_of(one).ndim, 0);
    ck_assert_int_eq((int64_t)ag_item(one), 1);
    /* Of four equals the first two have a half of the probability, and no third is needed. */
    double p[4];
    ag_read(ag_cast(nn_sampling_probabilities(ag_select(x, 0, 1), sampling(1, 0, 0.5)), AG_FLOAT64), p, 4);
    ck_assert(p[0] == 0.5 && p[1] == 0.5 && p[2] == 0 && p[3] == 0);
    ag_end(&scope);
    ck_no_error();
}
END_TEST

/* Frequencies of 20 000 draws, by chi squared with 6 degrees of freedom: above 27.9 once in ten thousand. */
START_TEST(draws_come_as_often_as_their_probabilities_say)
{
    enum { DRAWS = 20000 };
    const double row[] = { 0.3, -1.2, 2, 0.3, -0.5, 1.1, -3 };
    static double scores[DRAWS * 7];
    static int64_t token[DRAWS], again[DRAWS];
    double p[7], sum = 0, off = 0;
    int64_t count[7] = { 0 };
    for (int i = 0; i < DRAWS; i++) {
        memcpy(scores + 7 * i, row, sizeof row);
    }
    for (int j = 0; j < 7; j++) {
        p[j] = exp(row[j] / 1.5);
        sum += p[j];
    }
    ag_scope scope = { 0 };
    ag_begin(&scope);
    ag_tensor x = ag_from(AG_SHAPE(DRAWS, 7), AG_FLOAT64, scores);
    ag_rng rng = ag_rng_seed(3), same = ag_rng_seed(3);
    ag_read(nn_sample(x, sampling(1.5, 0, 1), &rng), token, DRAWS);
    ag_read(nn_sample(x, sampling(1.5, 0, 1), &same), again, DRAWS);
    ck_assert_mem_eq(token, again, sizeof token);
    ck_assert_uint_eq(rng.counter, DRAWS);
    for (int i = 0; i < DRAWS; i++) {
        count[token[i]]++;
    }
    for (int j = 0; j < 7; j++) {
        double expected = DRAWS * p[j] / sum;
        off += ((double)count[j] - expected) * ((double)count[j] - expected) / expected;
    }
    ck_assert_msg(off < 27.9, "chi squared is %g", off);
    /* What top-k and top-p leave out never comes. */
    ag_read(nn_sample(x, sampling(1, 2, 1), &rng), token, DRAWS);
    ag_read(nn_sample(x, sampling(1, 0, 0.6), &rng), again, DRAWS);
    for (int i = 0; i < DRAWS; i++) {
        ck_assert((token[i] == 2 || token[i] == 5) && (again[i] == 2 || again[i] == 5));
    }
    ag_end(&scope);
    ck_no_error();
}
END_TEST

START_TEST(scores_and_configs_that_make_no_sense_are_refused)
{
    catch_errors();
    ag_rng rng = ag_rng_seed(1);
    ag_scope scope = { 0 };
    ag_begin(&scope);
    const float good[] = { 0, 1, 2, 0, 1, 2 }, nan[] = { 0, 1, 2, 0, NAN, 2 }, inf[] = { 0, INFINITY },
                none[] = { -INFINITY, -INFINITY };
    ag_tensor x = ag_from(AG_SHAPE(2, 3), AG_FLOAT32, good);
    nn_sample(x, sampling(-0.1, 0, 1), &rng);
    ck_error(AG_ERROR_VALUE, "nn_sample: the temperature is -0.1, it must be 0 or more and finite (");
    nn_sample(x, sampling(NAN, 0, 1), &rng);
    ck_error(AG_ERROR_VALUE, "nn_sample: the temperature is");
    nn_sample(x, sampling(INFINITY, 0, 1), &rng);
    ck_error(AG_ERROR_VALUE, "nn_sample: the temperature is inf, it must be 0 or more and finite (");
    nn_sampling_probabilities(x, sampling(1, -1, 1));
    ck_error(AG_ERROR_VALUE, "nn_sampling_probabilities: top_k is -1, it must be 0 (all) or more (");
    nn_sample(x, sampling(1, 0, 0), &rng);
    ck_error(AG_ERROR_VALUE, "nn_sample: top_p is 0, it must be above 0 and at most 1 (");
    nn_sample(x, sampling(1, 0, 1.01), &rng);
    ck_error(AG_ERROR_VALUE, "nn_sample: top_p is 1.01, it must be above 0 and at most 1 (");
    nn_sample(x, sampling(1, 0, NAN), &rng);
    ck_error(AG_ERROR_VALUE, "nn_sample: top_p is");
    nn_sample(x, (nn_sampling_config){ .temperature = 1, .top_p = 1 }, &rng);
    ck_error(AG_ERROR_VALUE, "nn_sample: the config did not come from nn_sampling_defaults() (");
    nn_sample(x, sampling(1, 0, 1), NULL);
    ck_error(AG_ERROR_VALUE, "nn_sample: the generator is NULL (");
    nn_sample(ag_from(AG_SHAPE(2, 3), AG_FLOAT32, nan), sampling(1, 0, 1), &rng);
    ck_error(AG_ERROR_VALUE, "nn_sample: the score of token 1 in row 1 is NaN (");
    nn_sample(ag_from(AG_SHAPE(1, 2), AG_FLOAT32, inf), sampling(0, 0, 1), &rng);
    ck_error(AG_ERROR_VALUE, "nn_sample: the score of token 1 in row 0 is infinite (");
    nn_sample(ag_from(AG_SHAPE(2), AG_FLOAT32, none), sampling(1, 0, 1), &rng);
    ck_error(AG_ERROR_VALUE, "nn_sample: no token of row 0 is possible: all scores are -infinity (");
    nn_sample(ag_reshape(x, AG_SHAPE(1, 2, 3)), sampling(1, 0, 1), &rng);
    ck_error(AG_ERROR_SHAPE, "nn_sample: the scores are (1,2,3), they must be (n,vocabulary) or (vocabulary) (");
    nn_sample(ag_zeros(AG_SHAPE(2, 0), AG_FLOAT32), sampling(1, 0, 1), &rng);
    ck_assert_int_ne(ag_error_code(), AG_OK);
    ag_error_clear();
    nn_sample(ag_zeros(AG_SHAPE(2, 3), AG_INT64), sampling(1, 0, 1), &rng);
    ck_error(AG_ERROR_DTYPE, "nn_sample: the scores must be float32 or float64, got int64 (");
    ck_assert(ag_is_nil(nn_sample(AG_NIL, sampling(1, 0, 1), &rng)));
    ag_error_clear();
    ag_end(&scope);
}
END_TEST

/* ---- the small model of the golden file ---------------------------------------------------------------------------------- */

enum { STATES = 7, ROWS = 4096 };

struct table {
    int64_t vocabulary, rows;
    double scores[STATES * 8];
    int64_t state[ROWS];
    int64_t asked; /* how often */
    int64_t wrong; /* what next() gives instead of its scores, from 1 */
};

static ag_tensor table_next(void *object, ag_tensor tokens)
{
    struct table *t = object;
    int64_t n = ag_size(tokens, 0), steps = ag_size(tokens, 1), v = t->vocabulary;
    static int64_t token[ROWS * 4];
    static double scores[ROWS * 8];
    ck_assert(n == t->rows && n * steps <= ROWS * 4);
    ag_read(tokens, token, n * steps);
    for (int64_t i = 0; i < n; i++) {
        for (int64_t k = 0; k < steps; k++) {
            t->state[i] = (3 * t->state[i] + token[i * steps + k] + 1) % STATES;
        }
        memcpy(scores + i * v, t->scores + t->state[i] * v, (size_t)v * sizeof(double));
    }
    t->asked++;
    switch (t->wrong) {
    case 1:
        return AG_NONE;
    case 2:
        return ag_zeros(AG_SHAPE(n + 1, v), AG_FLOAT64);
    case 3:
        return ag_zeros(AG_SHAPE(n, v, 2), AG_FLOAT64);
    case 4:
        return t->asked > 2 ? ag_full(AG_SHAPE(n, v), NAN, AG_FLOAT64) : ag_zeros(AG_SHAPE(n, v), AG_FLOAT64);
    case 5:
        return ag_matmul(ag_zeros(AG_SHAPE(2, 3), AG_FLOAT64), ag_zeros(AG_SHAPE(2, 3), AG_FLOAT64));
    default:
        return ag_from(AG_SHAPE(n, v), AG_FLOAT64, scores);
    }
}

static void table_select(void *object, ag_tensor from)
{
    struct table *t = object;
    static int64_t index[ROWS], state[ROWS];
    int64_t n = ag_numel(from);
    ck_assert_int_le(n, ROWS);
    ag_read(from, index, n);
    for (int64_t i = 0; i < n; i++) {
        ck_assert(index[i] >= 0 && index[i] < t->rows);
        state[i] = t->state[index[i]];
    }
    memcpy(t->state, state, (size_t)n * sizeof *state);
    t->rows = n;
}

static nn_token_model table_model(struct table *t, uint32_t seed, int64_t vocabulary)
{
    memset(t, 0, sizeof *t);
    t->vocabulary = vocabulary;
    t->rows = 1;
    for (int64_t i = 0; i < STATES * vocabulary; i++) {
        seed = (uint32_t)(((uint64_t)seed * 1103515245u + 12345u) % 2147483648u);
        t->scores[i] = 2 * ((double)seed / 1073741824.0 - 1);
    }
    return (nn_token_model){ .size = sizeof(nn_token_model), .next = table_next, .select = table_select, .state = t };
}

static const int64_t prompt[] = { 1, 0 };

START_TEST(beams_are_those_of_plain_and_exhaustive_search)
{
    FILE *f = golden();
    static struct table t;
    char word[64], name[32];
    int cases = 0, exhaustive = 0, early = 0;
    while (fscanf(f, "%63s", word) == 1) {
        if (strcmp(word, "beam") != 0) {
            continue;
        }
        long long seed, vocabulary, stop, length, width, count, found;
        double alpha;
        ck_assert_int_eq(fscanf(f, "%31s %lld %lld %lld %lld %lld %lld %lf %lld", name, &seed, &vocabulary, &stop, &length, &width,
                                &count, &alpha, &found), 9);
        nn_token_model model = table_model(&t, (uint32_t)seed, vocabulary);
        nn_beam_config c = nn_beam_defaults();
        nn_beams beams;
        c.prompt = prompt;
        c.prompt_length = 2;
        c.stop = stop;
        c.length = length;
        c.width = width;
        c.count = count;
        c.length_penalty = alpha;
        ck_assert_int_eq(nn_beam_search(&model, c, &beams), AG_OK);
        ck_assert_int_eq(beams.count, found);
        for (int64_t i = 0; i < found; i++) {
            const nn_beam *b = &beams.beam[i];
            double log_probability, score;
            int ended;
            ck_assert_int_eq(fscanf(f, " sequence %d %lf %lf", &ended, &log_probability, &score), 3);
            ck_assert_double_eq_tol(b->log_probability, log_probability, 1e-12);
            ck_assert_double_eq_tol(b->score, score, 1e-12);
            ck_assert_int_eq(b->ended, ended);
            for (int64_t k = 0; k < b->length; k++) {
                long long token;
                ck_assert_int_eq(fscanf(f, "%lld", &token), 1);
                ck_assert_msg(b->tokens[k] == token, "%s %lld, width %lld, alpha %g: token %lld of sequence %lld", name, seed,
                              width, alpha, (long long)k, (long long)i);
            }
            int next = fgetc(f);
            ck_assert_msg(next == '\n' || next == EOF, "%s %lld: sequence %lld is too short", name, seed, (long long)i);
        }
        nn_beams_free(&beams);
        cases++;
        exhaustive += name[0] == 'e';
        early += t.asked < length;
    }
    fclose(f);
    ck_assert_int_eq(cases, 104);
    ck_assert_int_eq(exhaustive, 20);
    ck_assert_int_gt(early, 5); /* what cannot win any more is not followed to the limit */
}
END_TEST

START_TEST(a_beam_of_one_is_greedy)
{
    static struct table t;
    nn_token_model model = table_model(&t, 9, 5);
    nn_beam_config c = nn_beam_defaults();
    nn_generation_config g = nn_generation_defaults();
    nn_beams beams;
    int64_t tokens[30];
    c.prompt = g.prompt = prompt;
    c.prompt_length = g.prompt_length = 2;
    c.length = g.length = 30;
    c.width = 1;
    g.sampling.temperature = 0;
    nn_beam_search(&model, c, &beams);
    model = table_model(&t, 9, 5);
    ck_assert_int_eq(nn_generate(&model, g, NULL, tokens), 30);
    ck_assert_int_eq(beams.beam[0].length, 30);
    ck_assert_mem_eq(beams.beam[0].tokens, tokens, sizeof tokens);
    nn_beams_free(&beams);
    nn_beams_free(&beams);
    nn_beams_free(NULL);
    ck_no_error();
}
END_TEST

START_TEST(equal_beams_come_in_the_order_of_sequences_then_of_tokens)
{
    static struct table t;
    nn_token_model model = table_model(&t, 1, 3);
    nn_beam_config c = nn_beam_defaults();
    nn_beams beams;
    const int64_t expected[4][2] = { { 0, 0 }, { 0, 1 }, { 0, 2 }, { 1, 0 } };
    memset(t.scores, 0, sizeof t.scores);
    c.prompt = prompt;
    c.prompt_length = 2;
    c.length = 2;
    c.count = 4;
    nn_beam_search(&model, c, &beams);
    ck_no_error();
    for (int i = 0; i < 4; i++) {
        ck_assert_mem_eq(beams.beam[i].tokens, expected[i], sizeof expected[i]);
        ck_assert_double_eq_tol(beams.beam[i].log_probability, -2 * log(3), 1e-15);
    }
    nn_beams_free(&beams);
}
END_TEST

struct ear {
    int64_t heard[64], n, most;
};

static bool hear(void *context, int64_t token)
{
    struct ear *e = context;
    e->heard[e->n++] = token;
    return e->n < e->most;
}

START_TEST(a_sequence_ends_at_the_limit_the_stop_token_or_when_it_is_told)
{
    static struct table t;
    int64_t tokens[40], again[40];
    struct ear ear = { .most = 1000 };
    ag_rng rng = ag_rng_seed(4);
    nn_token_model model = table_model(&t, 2, 5);
    nn_generation_config g = nn_generation_defaults();
    g.prompt = prompt;
    g.prompt_length = 2;
    g.length = 40;
    g.hear = hear;
    g.context = &ear;
    ck_assert_int_eq(nn_generate(&model, g, &rng, tokens), 40);
    ck_assert_int_eq(ear.n, 40);
    ck_assert_mem_eq(ear.heard, tokens, sizeof tokens);
    ck_assert_int_eq(t.asked, 40);
    /* The same seed, the same text; up to the stop token, with it. */
    int64_t first = 0;
    while (tokens[first] != tokens[7]) {
        first++;
    }
    rng = ag_rng_seed(4);
    model = table_model(&t, 2, 5);
    g.stop = tokens[7];
    ear = (struct ear){ .most = 1000 };
    ck_assert_int_eq(nn_generate(&model, g, &rng, again), first + 1);
    ck_assert_mem_eq(again, tokens, (size_t)(first + 1) * sizeof *tokens);
    rng = ag_rng_seed(4);
    model = table_model(&t, 2, 5);
    g.stop = -1;
    ear = (struct ear){ .most = 5 };
    ck_assert_int_eq(nn_generate(&model, g, &rng, NULL), 5);
    ck_assert_mem_eq(ear.heard, tokens, 5 * sizeof *tokens);
    ck_no_error();
}
END_TEST

START_TEST(wrong_calls_and_models_are_refused)
{
    catch_errors();
    static struct table t;
    ag_rng rng = ag_rng_seed(1);
    int64_t tokens[8];
    nn_beams beams;
    nn_token_model model = table_model(&t, 2, 5), wrong = model;
    nn_generation_config g = nn_generation_defaults(), bad;
    nn_beam_config c = nn_beam_defaults(), off;
    g.prompt = c.prompt = prompt;
    g.prompt_length = c.prompt_length = 2;
    g.length = c.length = 8;
#define REFUSE(change, code, text)                                        \
    do {                                                                  \
        bad = g;                                                          \
        change;                                                           \
        ck_assert_int_eq(nn_generate(&wrong, bad, &rng, tokens), -1);     \
        ck_error(code, text);                                             \
        wrong = model;                                                    \
    } while (0)
    REFUSE(bad.made_by_defaults = 0, AG_ERROR_VALUE, "nn_generate: the config did not come from nn_generation_defaults() (");
    REFUSE(bad.prompt = NULL, AG_ERROR_VALUE, "nn_generate: the prompt is NULL; one token is needed at least (");
    REFUSE(bad.prompt_length = 0, AG_ERROR_VALUE, "nn_generate: the prompt is empty; one token is needed at least (");
    REFUSE(bad.length = 0, AG_ERROR_VALUE, "nn_generate: the length is 0, it must be 1 or more (");
    REFUSE(bad.sampling.top_p = 2, AG_ERROR_VALUE, "nn_generate: top_p is 2, it must be above 0 and at most 1 (");
    REFUSE(wrong.size = 0, AG_ERROR_VALUE, "nn_generate: the model's size is not sizeof(nn_token_model) (");
    REFUSE(wrong.next = NULL, AG_ERROR_VALUE, "nn_generate: the model has no function `next` (");
    REFUSE(t.wrong = 1, AG_ERROR_VALUE, "nn_generate: the model gave no scores (");
    REFUSE(t.wrong = 2, AG_ERROR_SHAPE, "nn_generate: the model's scores are (2,5), they must be (1,vocabulary) (");
    REFUSE(t.wrong = 3, AG_ERROR_SHAPE, "nn_generate: the model's scores are (1,5,2), they must be (1,vocabulary) (");
    t.asked = 0;
    REFUSE(t.wrong = 4, AG_ERROR_VALUE, "nn_generate: the score of token 0 in row 0 is NaN (");
    REFUSE(t.wrong = 5, AG_ERROR_SHAPE, "ag_matmul: (2,3) x (2,3)");
    t.wrong = 0;
    ck_assert_int_eq(nn_generate(NULL, g, &rng, tokens), -1);
    ck_error(AG_ERROR_VALUE, "nn_generate: the model is NULL (");
    ck_assert_int_eq(nn_generate(&model, g, NULL, tokens), -1);
    ck_error(AG_ERROR_VALUE, "nn_generate: the generator is NULL (");
#define OFF(change, code, text)                                             \
    do {                                                                    \
        off = c;                                                            \
        change;                                                             \
        beams.count = 7;                                                    \
        ck_assert_int_ne(nn_beam_search(&wrong, off, &beams), AG_OK);       \
        ck_assert(beams.count == 0 && beams.beam == NULL);                  \
        ck_error(code, text);                                               \
        wrong = model;                                                      \
    } while (0)
    OFF(off.made_by_defaults = 0, AG_ERROR_VALUE, "nn_beam_search: the config did not come from nn_beam_defaults() (");
    OFF(off.prompt_length = 0, AG_ERROR_VALUE, "nn_beam_search: the prompt is empty; one token is needed at least (");
    OFF(off.length = -3, AG_ERROR_VALUE, "nn_beam_search: the length is -3, it must be 1 or more (");
    OFF(off.width = 0, AG_ERROR_VALUE, "nn_beam_search: the width is 0, it must be 1 or more (");
    OFF(off.count = 5, AG_ERROR_VALUE, "nn_beam_search: 5 sequences are wanted; with a width of 4 there can be 1 to 4 (");
    OFF(off.count = 0, AG_ERROR_VALUE, "nn_beam_search: 0 sequences are wanted; with a width of 4 there can be 1 to 4 (");
    OFF(off.length_penalty = -1, AG_ERROR_VALUE, "nn_beam_search: the length penalty is -1, it must be 0 or more and finite (");
    OFF(off.length_penalty = NAN, AG_ERROR_VALUE, "nn_beam_search: the length penalty is");
    OFF(wrong.select = NULL, AG_ERROR_VALUE, "nn_beam_search: the model has no function `select` (");
    OFF(off.width = INT64_MAX, AG_ERROR_MEMORY, "nn_beam_search: out of memory for");
    model = wrong = table_model(&t, 2, 5);
    OFF(t.wrong = 4, AG_ERROR_VALUE, "nn_beam_search: the score of token 0 in row 0 is NaN (");
    model = wrong = table_model(&t, 2, 5);
    OFF(t.wrong = 5, AG_ERROR_SHAPE, "ag_matmul: (2,3) x (2,3)");
}
END_TEST

/* ---- networks ------------------------------------------------------------------------------------------------------------ */

enum { VOCABULARY = 3, WIDTH = 8, LONGEST = 12, LAYERS = 2 };

/* kind 0: LSTM, 1: GRU with two layers, 2: GPT. */
struct writer {
    int kind;
    nn_module *embed, *body, *position, *out;
    nn_rnn_state state;
    nn_kv_cache cache[LAYERS];
};

static struct writer writer_new(int kind)
{
    struct writer w = { .kind = kind };
    ag_rng rng = ag_rng_seed(17);
    w.embed = nn_embedding(VOCABULARY, WIDTH);
    w.out = nn_linear(WIDTH, VOCABULARY);
    if (kind == 2) {
        nn_transformer_config c = nn_transformer_defaults(WIDTH, 2);
        c.feedforward = 16;
        c.layers = LAYERS;
        c.batch_first = c.norm_first = c.final_norm = true;
        w.body = nn_transformer_encoder(c);
        w.position = nn_position_sinusoidal(LONGEST, WIDTH);
        nn_init_dtype(w.position, &rng, AG_FLOAT64);
    } else {
        nn_rnn_config c = nn_rnn_defaults(WIDTH, WIDTH);
        c.batch_first = true;
        c.layers = kind == 1 ? 2 : 1;
        w.body = kind == 1 ? nn_gru_with(c) : nn_lstm_with(c);
    }
    nn_module *parts[] = { w.embed, w.body, w.out };
    for (int i = 0; i < 3; i++) {
        nn_init_dtype(parts[i], &rng, AG_FLOAT64);
        nn_eval(parts[i]);
    }
    return w;
}

static void writer_forget(struct writer *w)
{
    nn_rnn_state_drop(&w->state);
    for (int i = 0; i < LAYERS; i++) {
        nn_kv_cache_drop(&w->cache[i]);
    }
}

static void writer_free(struct writer *w)
{
    writer_forget(w);
    nn_free(w->embed);
    nn_free(w->body);
    nn_free(w->position);
    nn_free(w->out);
}

/* Logarithms of the probabilities of all next tokens of a whole sequence, read at once: (n,VOCABULARY). Ten times as far apart
 * as the network says, so that beams differ. */
static ag_tensor whole(struct writer *w, ag_tensor x)
{
    const nn_attention_options causal = { .causal = true };
    ag_tensor h = nn_forward(w->embed, x);
    h = w->kind == 2 ? nn_encoder_forward(w->body, nn_forward(w->position, h), &causal) : nn_forward(w->body, h);
    return ag_mul_scalar(nn_forward(w->out, h), 10);
}

static ag_tensor writer_next(void *object, ag_tensor tokens)
{
    struct writer *w = object;
    ag_tensor h = nn_forward(w->embed, tokens);
    if (w->kind == 2) {
        const nn_attention_options causal = { .causal = true, .cache = w->cache };
        h = nn_encoder_forward(w->body, nn_position_forward(w->position, h, w->cache[0].length), &causal);
    } else {
        nn_rnn_state s = w->state;
        h = nn_rnn_forward(w->body, h, &s);
        nn_rnn_state_keep(&w->state, s);
    }
    return ag_mul_scalar(nn_forward(w->out, ag_select(h, 1, -1)), 10);
}

static void writer_select(void *object, ag_tensor from)
{
    struct writer *w = object;
    if (w->kind == 2) {
        for (int i = 0; i < LAYERS; i++) {
            nn_kv_cache_select(&w->cache[i], from);
        }
    } else {
        nn_rnn_state_select(&w->state, from);
    }
}

START_TEST(states_and_caches_write_what_reading_anew_would_write)
{
    struct writer w = writer_new(_i);
    nn_token_model model = { .size = sizeof model, .next = writer_next, .select = writer_select, .state = &w };
    nn_generation_config g = nn_generation_defaults();
    int64_t text[LONGEST + 1] = { 1, 0 };
    ag_scope scope = { 0 };
    ag_rng rng = ag_rng_seed(6), same = rng;
    g.prompt = text;
    g.prompt_length = 2;
    g.length = LONGEST - 1;
    g.sampling.temperature = 5;
    ck_assert_int_eq(nn_generate(&model, g, &rng, text + 2), LONGEST - 1);
    ck_no_error();
    for (int64_t n = 2; n < LONGEST + 1; n++) {
        ag_begin_no_grad(&scope);
        ag_tensor y = whole(&w, ag_from(AG_SHAPE(1, n), AG_INT64, text));
        ag_tensor token = nn_sample(ag_select(ag_select(y, 0, 0), 0, -1), g.sampling, &same);
        ck_assert_int_eq((int64_t)ag_item(token), text[n]);
    }
    ag_end(&scope);
    writer_free(&w);
    ck_no_error();
}
END_TEST

/* All 3^5 sequences, read at once; the probabilities of each summed; the best one is what the widest beam must find. */
START_TEST(beams_of_networks_find_the_likeliest_of_all_sequences)
{
    enum { LENGTH = 5, ALL = 243 };
    struct writer w = writer_new(_i);
    static int64_t text[ALL][LENGTH + 1];
    static double p[ALL * (LENGTH + 1) * VOCABULARY], sum[ALL];
    int64_t best = 0;
    ag_scope scope = { 0 };
    for (int64_t i = 0; i < ALL; i++) {
        text[i][0] = 2;
        for (int64_t k = LENGTH, rest = i; k > 0; k--, rest /= VOCABULARY) {
            text[i][k] = rest % VOCABULARY;
        }
    }
    ag_begin_no_grad(&scope);
    ag_tensor y = ag_log_softmax(whole(&w, ag_from(AG_SHAPE(ALL, LENGTH + 1), AG_INT64, text)), 2);
    ag_read(y, p, ALL * (LENGTH + 1) * VOCABULARY);
    ag_end(&scope);
    for (int64_t i = 0; i < ALL; i++) {
        for (int64_t k = 0; k < LENGTH; k++) {
            sum[i] += p[(i * (LENGTH + 1) + k) * VOCABULARY + text[i][k + 1]];
        }
        best = sum[i] > sum[best] ? i : best;
    }
    nn_token_model model = { .size = sizeof model, .next = writer_next, .select = writer_select, .state = &w };
    nn_beam_config c = nn_beam_defaults();
    nn_beams beams;
    c.prompt = text[0];
    c.prompt_length = 1;
    c.length = LENGTH;
    c.width = 81;
    c.count = 81;
    ck_assert_int_eq(nn_beam_search(&model, c, &beams), AG_OK);
    ck_assert_int_eq(beams.count, 81);
    ck_assert_mem_eq(beams.beam[0].tokens, text[best] + 1, LENGTH * sizeof(int64_t));
    for (int64_t b = 0; b < beams.count; b++) {
        int64_t i = 0, better = 0;
        for (int64_t k = 0; k < LENGTH; k++) {
            i = i * VOCABULARY + beams.beam[b].tokens[k];
        }
        for (int64_t j = 0; j < ALL; j++) {
            better += sum[j] > sum[i];
        }
        ck_assert_int_eq(better, b); /* the b-th best of all, with its own probability */
        ck_assert_double_eq_tol(beams.beam[b].log_probability, sum[i], 1e-10);
        ck_assert_double_eq_tol(beams.beam[b].score, sum[i] / LENGTH, 1e-10);
    }
    nn_beams_free(&beams);
    writer_free(&w);
    ck_no_error();
}
END_TEST

START_TEST(selecting_sequences_that_are_not_there_is_refused)
{
    catch_errors();
    struct writer w = writer_new(_i == 0 ? 0 : 2);
    const int64_t tokens[] = { 0, 1, 2, 1 }, from[] = { 1, 2 };
    ag_scope scope = { 0 };
    ag_begin_no_grad(&scope);
    writer_next(&w, ag_from(AG_SHAPE(2, 2), AG_INT64, tokens));
    ck_no_error();
    writer_select(&w, ag_from(AG_SHAPE(2), AG_INT64, from));
    ck_assert_msg(ag_error_code() != AG_OK && strstr(ag_error_message(), "ag_index_select") == ag_error_message(), "%s",
                  ag_error_message());
    ag_error_clear();
    /* What is nothing yet stays nothing. */
    writer_forget(&w);
    writer_select(&w, ag_from(AG_SHAPE(2), AG_INT64, from));
    ck_no_error();
    ck_assert(ag_is_none(w.state.h) && ag_is_none(w.cache[0].k));
    ag_end(&scope);
    writer_free(&w);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("generate");
    TCase *tests = tcase_create("generate");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, probabilities_are_pytorchs);
    tcase_add_test(tests, the_first_of_equals_is_the_likeliest);
    tcase_add_test(tests, draws_come_as_often_as_their_probabilities_say);
    tcase_add_test(tests, scores_and_configs_that_make_no_sense_are_refused);
    tcase_add_test(tests, beams_are_those_of_plain_and_exhaustive_search);
    tcase_add_test(tests, a_beam_of_one_is_greedy);
    tcase_add_test(tests, equal_beams_come_in_the_order_of_sequences_then_of_tokens);
    tcase_add_test(tests, a_sequence_ends_at_the_limit_the_stop_token_or_when_it_is_told);
    tcase_add_test(tests, wrong_calls_and_models_are_refused);
    tcase_add_loop_test(tests, states_and_caches_write_what_reading_anew_would_write, 0, 3);
    tcase_add_loop_test(tests, beams_of_networks_find_the_likeliest_of_all_sequences, 0, 3);
    tcase_add_loop_test(tests, selecting_sequences_that_are_not_there_is_refused, 0, 2);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
