/*
 * Sequences, one token at a time. Knows no layers: a model is a function.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "generate_parts.h"
#include "internal.h"

nn_generation_config nn_generation_defaults(void)
{
    return (nn_generation_config){
        .made_by_defaults = NN_MADE_BY_DEFAULTS, .length = 100, .stop = -1, .sampling = nn_sampling_defaults()
    };
}

bool nn_generation_good(ag_place where, const char *function, const nn_token_model *model, const int64_t *prompt,
                        int64_t prompt_length, int64_t length)
{
    if (model == NULL || model->size != sizeof(nn_token_model) || model->next == NULL) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: %s", function,
                       model == NULL                            ? "the model is NULL"
                       : model->size != sizeof(nn_token_model) ? "the model's size is not sizeof(nn_token_model)"
                                                               : "the model has no function `next`");
    } else if (prompt == NULL || prompt_length < 1) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: the prompt is %s; one token is needed at least", function,
                       prompt == NULL ? "NULL" : "empty");
    } else if (length < 1) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: the length is %" PRId64 ", it must be 1 or more", function, length);
    } else {
        return true;
    }
    return false;
}

bool nn_generation_ask(ag_place where, const char *function, const nn_token_model *model, int64_t rows, int64_t steps,
                       const int64_t *tokens, nn_scores *out)
{
    ag_scope scope = { 0 };
    char text[AG_SHAPE_TEXT];
    *out = (nn_scores){ 0 };
    ag_begin_no_grad_at(where, &scope);
    ag_tensor scores = model->next(model->state, ag_from_at(where, AG_SHAPE(rows, steps), AG_INT64, tokens));
    bool good = ag_error_code() == AG_OK;
    if (good && (ag_is_none(scores) || ag_is_nil(scores))) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: the model gave no scores", function);
        good = false;
    }
    if (good) {
        ag_shape shape = ag_shape_of_at(where, scores);
        good = ag_error_code() == AG_OK;
        if (good && (shape.ndim != 2 || shape.size[0] != rows)) {
            ag_error_raise(where, AG_ERROR_SHAPE, "%s: the model's scores are %s, they must be (%" PRId64 ",vocabulary)", function,
                           ag_shape_format(shape, text, sizeof(text)), rows);
            good = false;
        }
    }
    good = good && nn_scores_read(where, function, scores, out);
    ag_end(&scope);
    return good;
}

int64_t nn_generate_at(ag_place where, const nn_token_model *model, nn_generation_config config, ag_rng *rng,
                       int64_t *tokens)
{
    const char *function = "nn_generate";
    if (ag_error_code() != AG_OK) {
        return -1;
    }
    if (config.made_by_defaults != NN_MADE_BY_DEFAULTS) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: the config did not come from nn_generation_defaults()", function);
        return -1;
    }
    if (!nn_generation_good(where, function, model, config.prompt, config.prompt_length, config.length) ||
        !nn_sampling_good(where, function, &config.sampling)) {
        return -1;
    }
    if (rng == NULL && config.sampling.temperature > 0) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: the generator is NULL", function);
        return -1;
    }
    int64_t made = 0, token = 0, *order = NULL, room = 0;
    bool good = true, more = true;
    while (good && more && made < config.length) {
        nn_scores s;
        good = made == 0 ? nn_generation_ask(where, function, model, 1, config.prompt_length, config.prompt, &s)
                         : nn_generation_ask(where, function, model, 1, 1, &token, &s);
        if (good && s.vocabulary > room) {
            room = s.vocabulary;
            free(order);
            order = malloc(2 * (size_t)room * sizeof(*order));
            if (order == NULL) {
                ag_error_raise(where, AG_ERROR_MEMORY, "%s: out of memory for %" PRId64 " tokens", function, room);
                good = false;
            }
        }
        if (good) {
            token = nn_sampling_draw(s.row, s.vocabulary, &config.sampling, rng, order);
            if (tokens != NULL) {
                tokens[made] = token;
            }
            made++;
            more = token != config.stop && (config.hear == NULL || config.hear(config.context, token));
        }
        nn_scores_free(&s);
    }
    free(order);
    return good && ag_error_code() == AG_OK ? made : -1;
}
