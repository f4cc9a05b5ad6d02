/*
 * What the files of generation share. Internal: not installed.
 */
#ifndef WENGERT_NN_GENERATE_PARTS_H
#define WENGERT_NN_GENERATE_PARTS_H

#include "generate.h"

/* Scores of rows side by side, as float64. */
typedef struct nn_scores {
    int64_t rows, vocabulary;
    double *row; /* (rows,vocabulary) */
} nn_scores;

/* Copies the scores of a tensor (n,vocabulary) or (vocabulary); to be freed. False after raising: a wrong shape or type, NaN, infinity, a
 * row that allows no token. */
bool nn_scores_read(ag_place where, const char *function, ag_tensor scores, nn_scores *out);
void nn_scores_free(nn_scores *scores);
/* Replaces a row by the logarithms of its probabilities. */
void nn_scores_log_softmax(double *row, int64_t vocabulary);

/* Raises for a config that makes no sense. */
bool nn_sampling_good(ag_place where, const char *function, const nn_sampling_config *config);
/* Draws from a row, which is overwritten; order has room for `vocabulary` numbers. */
int64_t nn_sampling_draw(double *row, int64_t vocabulary, const nn_sampling_config *config, ag_rng *rng, int64_t *order);

/* Raises for a model, prompt or length that makes no sense. */
bool nn_generation_good(ag_place where, const char *function, const nn_token_model *model, const int64_t *prompt,
                        int64_t prompt_length, int64_t length);
/* Asks the model for the scores after tokens (rows,steps). Opens and ends its own scope. False after raising. */
bool nn_generation_ask(ag_place where, const char *function, const nn_token_model *model, int64_t rows, int64_t steps,
                       const int64_t *tokens, nn_scores *out);

#endif
