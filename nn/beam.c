/*
 * Beam search: the most probable sequences of a model that scores the next token. Knows no layers.
 *
 * Sequences that are followed are rows of tokens side by side; the model holds what it remembers of each in the same order.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "generate_parts.h"
#include "internal.h"

nn_beam_config nn_beam_defaults(void)
{
    return (nn_beam_config){
        .made_by_defaults = NN_MADE_BY_DEFAULTS, .length = 100, .stop = -1, .width = 4, .count = 1, .length_penalty = 1
    };
}

/* A sequence with one more token. */
typedef struct candidate {
    double log_probability;
    int64_t from, token;
} candidate;

typedef struct search {
    ag_place where;
    const nn_token_model *model;
    const nn_beam_config *config;
    int64_t live, made;               /* sequences that are followed; tokens of each */
    int64_t *tokens, *spare;          /* (width,length) both */
    double *log_probability;          /* (width) */
    candidate *best;                  /* (2 width): the most probable continuations, in order */
    int64_t candidates;
    int64_t *from, *newest;           /* (width) */
    nn_beam *found;                   /* (width): results so far, the best first */
    int64_t finds;
} search;

static const char function[] = "nn_beam_search";

/* ---- results ------------------------------------------------------------------------------------------------------------- */

void nn_beams_free(nn_beams *beams)
{
    for (int64_t i = 0; beams != NULL && i < beams->count; i++) {
        free(beams->beam[i].tokens);
    }
    if (beams != NULL) {
        free(beams->beam);
        *beams = (nn_beams){ 0 };
    }
}

static double score_of(const search *s, double log_probability, int64_t length)
{
    return log_probability / pow((double)length, s->config->length_penalty);
}

/* A result: the first made - 1 tokens of a sequence, and the last. False after raising. */
static bool find(search *s, const int64_t *tokens, int64_t made, int64_t last, double log_probability, bool ended)
{
    nn_beam beam = { .length = made,
                     .log_probability = log_probability,
                     .score = score_of(s, log_probability, made),
                     .ended = ended };
    int64_t at = s->finds;
    while (at > 0 && s->found[at - 1].score < beam.score) {
        at--;
    }
    if (at == s->config->count) {
        return true;
    }
    beam.tokens = malloc((size_t)made * sizeof(*tokens));
    if (beam.tokens == NULL) {
        ag_error_raise(s->where, AG_ERROR_MEMORY, "%s: out of memory for a sequence of %" PRId64 " tokens", function, made);
        return false;
    }
    memcpy(beam.tokens, tokens, (size_t)(made - 1) * sizeof(*tokens));
    beam.tokens[made - 1] = last;
    if (s->finds == s->config->count) {
        free(s->found[--s->finds].tokens);
    }
    memmove(s->found + at + 1, s->found + at, (size_t)(s->finds - at) * sizeof(*s->found));
    s->found[at] = beam;
    s->finds++;
    return true;
}

/* Whether a sequence that is followed may still become a result: its probability only falls, and the longest has the largest
 * divisor. */
static bool promising(const search *s)
{
    if (s->finds < s->config->count) {
        return true;
    }
    double worst = s->found[s->finds - 1].score, most = -INFINITY;
    for (int64_t i = 0; i < s->live; i++) {
        most = s->log_probability[i] > most ? s->log_probability[i] : most;
    }
    return score_of(s, most, s->config->length) > worst;
}

/* ---- steps --------------------------------------------------------------------------------------------------------------- */

/* Keeps the 2 width most probable in order; among equals the one that was offered first is the better. */
static void offer(search *s, candidate c)
{
    int64_t room = 2 * s->config->width, at = s->candidates;
    while (at > 0 && s->best[at - 1].log_probability < c.log_probability) {
        at--;
    }
    if (at == room) {
        return;
    }
    int64_t moved = (s->candidates < room ? s->candidates : room - 1) - at;
    memmove(s->best + at + 1, s->best + at, (size_t)moved * sizeof(*s->best));
    s->best[at] = c;
    s->candidates += s->candidates < room;
}

/* Asks for the scores of all sequences and ranks their continuations. False after raising. */
static bool continue_all(search *s)
{
    nn_scores scores;
    const nn_beam_config *c = s->config;
    bool good = s->made == 0 ? nn_generation_ask(s->where, function, s->model, 1, c->prompt_length, c->prompt, &scores)
                             : nn_generation_ask(s->where, function, s->model, s->live, 1, s->newest, &scores);
    if (!good) {
        return false;
    }
    s->candidates = 0;
    for (int64_t i = 0; i < s->live; i++) {
        double *row = scores.row + i * scores.vocabulary;
        nn_scores_log_softmax(row, scores.vocabulary);
        for (int64_t j = 0; j < scores.vocabulary; j++) {
            if (row[j] > -INFINITY) {
                offer(s, (candidate){ .log_probability = s->log_probability[i] + row[j], .from = i, .token = j });
            }
        }
    }
    nn_scores_free(&scores);
    return true;
}

/* Of the ranked continuations, those that are followed and those that ended. At most one of each sequence ends, so that among 2
 * width there are enough of the others. False after raising. */
static bool choose(search *s)
{
    const int64_t length = s->config->length, width = s->config->width;
    int64_t live = 0;
    for (int64_t i = 0; i < s->candidates && live < width; i++) {
        const candidate *c = &s->best[i];
        const int64_t *before = s->tokens + c->from * length;
        if (c->token == s->config->stop) {
            if (i < width && !find(s, before, s->made + 1, c->token, c->log_probability, true)) {
                return false;
            }
            continue;
        }
        memcpy(s->spare + live * length, before, (size_t)s->made * sizeof(*before));
        s->spare[live * length + s->made] = s->newest[live] = c->token;
        s->from[live] = c->from;
        live++;
    }
    /* The probabilities of the old sequences are not needed any more. */
    for (int64_t i = 0, k = 0; k < live; i++) {
        if (s->best[i].token != s->config->stop) {
            s->log_probability[k++] = s->best[i].log_probability;
        }
    }
    int64_t *tokens = s->tokens;
    s->tokens = s->spare;
    s->spare = tokens;
    s->live = live;
    s->made++;
    return true;
}

/* What the model remembers follows the sequences. */
static bool reorder(search *s, int64_t before)
{
    bool moved = s->live != before;
    for (int64_t i = 0; i < s->live; i++) {
        moved = moved || s->from[i] != i;
    }
    if (moved) {
        ag_scope scope = { 0 };
        ag_begin_no_grad_at(s->where, &scope);
        s->model->select(s->model->state, ag_from_at(s->where, AG_SHAPE(s->live), AG_INT64, s->from));
        ag_end(&scope);
    }
    return ag_error_code() == AG_OK;
}

static bool run(search *s)
{
    const int64_t length = s->config->length;
    s->live = 1;
    while (s->live > 0 && s->made < length && promising(s)) {
        int64_t before = s->live;
        if (!continue_all(s) || !choose(s)) {
            return false;
        }
        if (s->live > 0 && s->made < length && promising(s) && !reorder(s, before)) {
            return false;
        }
    }
    for (int64_t i = 0; s->made == length && i < s->live; i++) {
        const int64_t *tokens = s->tokens + i * length;
        if (!find(s, tokens, length, tokens[length - 1], s->log_probability[i], false)) {
            return false;
        }
    }
    return true;
}

/* ---- the call ------------------------------------------------------------------------------------------------------------ */

static bool config_good(ag_place where, const nn_beam_config *c, const nn_token_model *model)
{
    if (c->made_by_defaults != NN_MADE_BY_DEFAULTS) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: the config did not come from nn_beam_defaults()", function);
        return false;
    }
    if (!nn_generation_good(where, function, model, c->prompt, c->prompt_length, c->length)) {
        return false;
    }
    if (model->select == NULL) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: the model has no function `select`", function);
    } else if (c->width < 1) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: the width is %" PRId64 ", it must be 1 or more", function, c->width);
    } else if (c->count < 1 || c->count > c->width) {
        ag_error_raise(where, AG_ERROR_VALUE,
                       "%s: %" PRId64 " sequences are wanted; with a width of %" PRId64 " there can be 1 to %" PRId64, function,
                       c->count, c->width, c->width);
    } else if (!(c->length_penalty >= 0) || isinf(c->length_penalty)) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: the length penalty is %g, it must be 0 or more and finite", function,
                       c->length_penalty);
    } else {
        return true;
    }
    return false;
}

static bool search_begin(search *s)
{
    const uint64_t width = (uint64_t)s->config->width, length = (uint64_t)s->config->length;
    if (width < SIZE_MAX / 256 && length < SIZE_MAX / 256 / width) {
        s->tokens = malloc(width * length * sizeof(*s->tokens));
        s->spare = malloc(width * length * sizeof(*s->spare));
        s->log_probability = calloc(width, sizeof(*s->log_probability));
        s->best = malloc(2 * width * sizeof(*s->best));
        s->from = malloc(width * sizeof(*s->from));
        s->newest = malloc(width * sizeof(*s->newest));
        s->found = calloc(width, sizeof(*s->found));
    }
    bool good = s->tokens != NULL && s->spare != NULL && s->log_probability != NULL && s->best != NULL && s->from != NULL &&
                s->newest != NULL && s->found != NULL;
    if (!good) {
        ag_error_raise(s->where, AG_ERROR_MEMORY, "%s: out of memory for %" PRId64 " sequences of %" PRId64 " tokens", function,
                       s->config->width, s->config->length);
    }
    return good;
}

static void search_end(search *s)
{
    free(s->tokens);
    free(s->spare);
    free(s->log_probability);
    free(s->best);
    free(s->from);
    free(s->newest);
}

ag_error nn_beam_search_at(ag_place where, const nn_token_model *model, nn_beam_config config, nn_beams *beams)
{
    *beams = (nn_beams){ 0 };
    if (ag_error_code() != AG_OK || !config_good(where, &config, model)) {
        return ag_error_code();
    }
    search s = { .where = where, .model = model, .config = &config };
    bool good = search_begin(&s) && run(&s);
    search_end(&s);
    *beams = (nn_beams){ .count = s.finds, .beam = s.found };
    if (!good) {
        nn_beams_free(beams);
        return ag_error_code();
    }
    return AG_OK;
}
