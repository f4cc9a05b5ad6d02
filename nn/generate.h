/*
 * Generation: a network that scores the next token writes a sequence, one token at a time: the likeliest, a random one, or by beam
 * search. It knows no layers: the program gives a function from the newest tokens to scores, and keeps what the network remembers.
 *
 *     struct writer { nn_module *embed, *lstm, *out; nn_rnn_state state; };
 *     static ag_tensor next(void *object, ag_tensor tokens)             // (n,t), t = 1 after the prompt
 *     {
 *         struct writer *w = object;
 *         nn_rnn_state s = w->state;
 *         ag_tensor h = nn_rnn_forward(w->lstm, nn_forward(w->embed, tokens), &s);      // (n,t,hidden), batch_first
 *         nn_rnn_state_keep(&w->state, s);
 *         return nn_forward(w->out, ag_select(h, 1, -1));                               // (n,vocabulary)
 *     }
 *
 *     nn_token_model model = { .size = sizeof model, .next = next, .state = &writer };
 *     nn_generation_config config = nn_generation_defaults();
 *     config.prompt = prompt;
 *     config.prompt_length = 3;
 *     config.sampling.top_p = 0.9;
 *     int64_t n = nn_generate(&model, config, &rng, tokens);
 */
#ifndef WENGERT_NN_GENERATE_H
#define WENGERT_NN_GENERATE_H

#include "module.h"

AG_EXTERN_C_BEGIN

/* ---- one token ----------------------------------------------------------------------------------------------------------- */

/* Which tokens may come next, and how likely. In this order: */
typedef struct nn_sampling_config {
    uint32_t made_by_defaults;
    double temperature; /* scores are divided by it: below 1 likely tokens become likelier. 0: the likeliest alone, the first among
                         * equals (greedy). Default 1 */
    int64_t top_k;      /* the k tokens with the highest scores, and all that equal the k-th (Fan et al. 2018); more than there are:
                         * all. Default 0: all */
    double top_p;       /* then as few of the likeliest as have p of the probability together (nucleus, Holtzman et al. 2020); among
                         * equals the first ones; at least one. Above 0; default 1: all */
} nn_sampling_config;
AG_API nn_sampling_config nn_sampling_defaults(void);

/* p = softmax(scores / temperature) over the tokens that are left, 0 for the others: scores (n,vocabulary) or (vocabulary), p of
 * the same shape and type, without a history. A score of -infinity is that of a token that cannot come. Errors: NaN or infinity
 * among the scores, a row without any token, a config that makes no sense. */
AG_API ag_tensor nn_sampling_probabilities_at(ag_place where, ag_tensor scores, nn_sampling_config config);
/* A token for each row, drawn with those probabilities: int64 (n), or () of one row. One draw of rng a row, none if the
 * temperature is 0 (then rng may be NULL). */
AG_API ag_tensor nn_sample_at(ag_place where, ag_tensor scores, nn_sampling_config config, ag_rng *rng);
#define nn_sampling_probabilities(...) nn_sampling_probabilities_at(AG_HERE, __VA_ARGS__)
#define nn_sample(...) nn_sample_at(AG_HERE, __VA_ARGS__)

/* ---- a network as generation sees it -------------------------------------------------------------------------------------- */

/* Name the fields: more may follow. The functions run in a scope of ag_begin_no_grad(), a new one for each token: what they keep
 * for the next must outlive it, as nn_rnn_state_keep(), nn_kv_cache and ag_keep() do. After an error they return what the
 * operation gave. */
typedef struct nn_token_model {
    size_t size; /* sizeof(nn_token_model) */
    /* tokens int64 (n,t): what each of n sequences goes on with; the whole prompt at first, one token afterwards. Returns the
     * scores of what may follow, float32 or float64 (n,vocabulary). */
    ag_tensor (*next)(void *state, ag_tensor tokens);
    /* For beam search, else NULL: from now on there are m sequences, and number i goes on from what was from[i]; int64 (m). */
    void (*select)(void *state, ag_tensor from);
    void *state; /* handed to both; fresh, or where a sequence is to be gone on with */
} nn_token_model;

/* ---- sequences ----------------------------------------------------------------------------------------------------------- */

typedef struct nn_generation_config {
    uint32_t made_by_defaults;
    const int64_t *prompt; /* what is gone on from; at least one token. Default NULL */
    int64_t prompt_length;
    int64_t length; /* tokens that are made, at most; default 100 */
    int64_t stop;   /* the token that ends a sequence, as its last; default -1: none */
    nn_sampling_config sampling;
    /* NULL, or called with each token as soon as it is drawn; false ends the sequence. */
    bool (*hear)(void *context, int64_t token);
    void *context;
} nn_generation_config;
AG_API nn_generation_config nn_generation_defaults(void);

/* Writes the new tokens to `tokens` (room for config.length; NULL: only `hear` gets them) and returns how many; -1 after an
 * error. The model's state is afterwards that of all but the last token. Errors: no prompt, a length below 1, scores of a wrong
 * shape, whatever nn_sample() refuses. */
AG_API int64_t nn_generate_at(ag_place where, const nn_token_model *model, nn_generation_config config, ag_rng *rng,
                              int64_t *tokens);
#define nn_generate(...) nn_generate_at(AG_HERE, __VA_ARGS__)

/* ---- beam search ---------------------------------------------------------------------------------------------------------- */

typedef struct nn_beam_config {
    uint32_t made_by_defaults;
    const int64_t *prompt; /* as above */
    int64_t prompt_length;
    int64_t length;        /* tokens that are made, at most; default 100 */
    int64_t stop;          /* default -1: none */
    int64_t width;         /* sequences that are followed at a time; default 4 */
    int64_t count;         /* sequences that are wanted, at most the width; default 1 */
    double length_penalty; /* alpha in the score below, 0 or more; default 1 */
} nn_beam_config;
AG_API nn_beam_config nn_beam_defaults(void);

/* A sequence that was found. */
typedef struct nn_beam {
    int64_t *tokens; /* without the prompt, with the token that ended it */
    int64_t length;
    double log_probability; /* sum of log p of its tokens, in nats */
    double score;           /* log_probability / length^alpha (Wu et al. 2016, with the length alone as the normaliser) */
    bool ended;             /* by the stop token, not by the limit */
} nn_beam;

typedef struct nn_beams {
    int64_t count; /* the best first; fewer than wanted if there are no more sequences */
    nn_beam *beam;
} nn_beams;

/* Beam search (Graves 2012, Sutskever et al. 2014). At each step all sequences are continued by all tokens; of these the `width`
 * with the highest probability are followed, equals in the order of the sequences, then of the tokens. One that ends is a result
 * if it is among the first `width`, and does not take the place of another. The search is over when no sequence that is followed
 * can still become one of the best, or at the limit, where those that have not ended are results, too. With a width of at least
 * vocabulary^(length - 1) nothing is left out. *beams is to be freed with nn_beams_free(), is {0} after an error; the model's
 * state is of no use afterwards. Errors: as nn_generate(), a model without `select`, a width, count or length_penalty that makes
 * no sense. */
AG_API ag_error nn_beam_search_at(ag_place where, const nn_token_model *model, nn_beam_config config, nn_beams *beams);
#define nn_beam_search(...) nn_beam_search_at(AG_HERE, __VA_ARGS__)
AG_API void nn_beams_free(nn_beams *beams); /* NULL and {0} are fine */

AG_EXTERN_C_END

#endif
