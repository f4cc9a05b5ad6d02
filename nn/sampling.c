/*
 * The next token out of scores: temperature, the k best, the nucleus, and the draw. Numbers in float64, whatever the scores are.
 * Knows no network.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "generate_parts.h"
#include "internal.h"

nn_sampling_config nn_sampling_defaults(void)
{
    return (nn_sampling_config){ .made_by_defaults = NN_MADE_BY_DEFAULTS, .temperature = 1, .top_p = 1 };
}

bool nn_sampling_good(ag_place where, const char *function, const nn_sampling_config *config)
{
    if (config->made_by_defaults != NN_MADE_BY_DEFAULTS) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: the config did not come from nn_sampling_defaults()", function);
    } else if (!(config->temperature >= 0) || isinf(config->temperature)) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: the temperature is %g, it must be 0 or more and finite", function,
                       config->temperature);
    } else if (config->top_k < 0) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: top_k is %" PRId64 ", it must be 0 (all) or more", function, config->top_k);
    } else if (!(config->top_p > 0 && config->top_p <= 1)) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: top_p is %g, it must be above 0 and at most 1", function, config->top_p);
    } else {
        return true;
    }
    return false;
}

/* ---- scores -------------------------------------------------------------------------------------------------------------- */

void nn_scores_free(nn_scores *scores)
{
    free(scores->row);
    *scores = (nn_scores){ 0 };
}

/* Whether a row has a token that may come, and no score that is not a number. */
static bool row_good(ag_place where, const char *function, const double *row, int64_t i, int64_t vocabulary)
{
    bool any = false;
    for (int64_t j = 0; j < vocabulary; j++) {
        if (isnan(row[j]) || row[j] == INFINITY) {
            ag_error_raise(where, AG_ERROR_VALUE, "%s: the score of token %" PRId64 " in row %" PRId64 " is %s", function, j, i,
                           isnan(row[j]) ? "NaN" : "infinite");
            return false;
        }
        any = any || row[j] > -INFINITY;
    }
    if (!any) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: no token of row %" PRId64 " is possible: all scores are -infinity", function, i);
    }
    return any;
}

bool nn_scores_read(ag_place where, const char *function, ag_tensor scores, nn_scores *out)
{
    *out = (nn_scores){ 0 };
    if (ag_error_code() != AG_OK || ag_is_nil(scores)) {
        return false;
    }
    ag_shape shape = ag_shape_of_at(where, scores);
    ag_dtype dtype = ag_dtype_of_at(where, scores);
    if (ag_error_code() != AG_OK) {
        return false;
    }
    char text[AG_SHAPE_TEXT];
    int64_t count = ag_shape_numel(shape);
    if ((shape.ndim != 1 && shape.ndim != 2) || count == 0) {
        ag_error_raise(where, AG_ERROR_SHAPE, "%s: the scores are %s, they must be (n,vocabulary) or (vocabulary)", function,
                       ag_shape_format(shape, text, sizeof(text)));
        return false;
    }
    if (dtype != AG_FLOAT32 && dtype != AG_FLOAT64) {
        ag_error_raise(where, AG_ERROR_DTYPE, "%s: the scores must be float32 or float64, got %s", function, ag_dtype_name(dtype));
        return false;
    }
    out->vocabulary = shape.size[shape.ndim - 1];
    out->rows = count / out->vocabulary;
    out->row = malloc((size_t)count * sizeof(double));
    float *narrow = dtype == AG_FLOAT32 ? malloc((size_t)count * sizeof(float)) : NULL;
    bool good = out->row != NULL && (narrow != NULL || dtype == AG_FLOAT64);
    if (!good) {
        ag_error_raise(where, AG_ERROR_MEMORY, "%s: out of memory for %" PRId64 " scores", function, count);
    } else {
        good = ag_read_at(where, scores, narrow != NULL ? (void *)narrow : (void *)out->row, count) == AG_OK;
    }
    for (int64_t i = 0; good && narrow != NULL && i < count; i++) {
        out->row[i] = narrow[i];
    }
    free(narrow);
    for (int64_t i = 0; good && i < out->rows; i++) {
        good = row_good(where, function, out->row + i * out->vocabulary, i, out->vocabulary);
    }
    if (!good) {
        nn_scores_free(out);
    }
    return good;
}

static double highest(const double *row, int64_t n)
{
    double most = -INFINITY;
    for (int64_t j = 0; j < n; j++) {
        most = row[j] > most ? row[j] : most;
    }
    return most;
}

void nn_scores_log_softmax(double *row, int64_t vocabulary)
{
    double most = highest(row, vocabulary), sum = 0;
    for (int64_t j = 0; j < vocabulary; j++) {
        sum += exp(row[j] - most);
    }
    double all = most + log(sum);
    for (int64_t j = 0; j < vocabulary; j++) {
        row[j] -= all;
    }
}

/* ---- probabilities ------------------------------------------------------------------------------------------------------- */

/* The likeliest first, equals as they stand. */
static void merge_down(const double *row, int64_t *order, int64_t *spare, int64_t n)
{
    if (n < 2) {
        return;
    }
    int64_t half = n / 2;
    merge_down(row, order, spare, half);
    merge_down(row, order + half, spare, n - half);
    memcpy(spare, order, (size_t)n * sizeof(*order));
    for (int64_t a = 0, b = half, k = 0; k < n; k++) {
        bool first = b == n || (a < half && row[spare[a]] >= row[spare[b]]);
        order[k] = first ? spare[a++] : spare[b++];
    }
}

static void keep_best(double *row, int64_t vocabulary, int64_t k, const int64_t *order)
{
    if (k > 0 && k < vocabulary) {
        double least = row[order[k - 1]];
        for (int64_t j = 0; j < vocabulary; j++) {
            row[j] = row[j] < least ? -INFINITY : row[j];
        }
    }
}

/* Scores to probabilities that sum to 1. */
static void softmax(double *row, int64_t vocabulary)
{
    double most = highest(row, vocabulary), sum = 0;
    for (int64_t j = 0; j < vocabulary; j++) {
        row[j] = exp(row[j] - most);
        sum += row[j];
    }
    for (int64_t j = 0; j < vocabulary; j++) {
        row[j] /= sum;
    }
}

static void keep_nucleus(double *row, int64_t vocabulary, double p, const int64_t *order)
{
    double held = 0;
    int64_t kept = 0;
    while (kept < vocabulary && held < p) {
        held += row[order[kept++]];
    }
    for (int64_t i = kept; i < vocabulary; i++) {
        row[order[i]] = 0;
    }
    for (int64_t i = 0; i < kept; i++) {
        row[order[i]] /= held;
    }
}

static int64_t likeliest(const double *row, int64_t vocabulary)
{
    int64_t best = 0;
    for (int64_t j = 1; j < vocabulary; j++) {
        best = row[j] > row[best] ? j : best;
    }
    return best;
}

/* order has room for 2 vocabulary numbers. */
static void probabilities(double *row, int64_t vocabulary, const nn_sampling_config *config, int64_t *order)
{
    if (config->temperature == 0) {
        int64_t best = likeliest(row, vocabulary);
        for (int64_t j = 0; j < vocabulary; j++) {
            row[j] = j == best;
        }
        return;
    }
    /* The highest is taken away before the division, so that the smallest temperature overflows nothing but -infinity. */
    double most = highest(row, vocabulary);
    for (int64_t j = 0; j < vocabulary; j++) {
        row[j] = row[j] == most ? 0 : (row[j] - most) / config->temperature;
        order[j] = j;
    }
    if (config->top_k > 0 || config->top_p < 1) {
        merge_down(row, order, order + vocabulary, vocabulary);
    }
    keep_best(row, vocabulary, config->top_k, order);
    softmax(row, vocabulary);
    if (config->top_p < 1) {
        keep_nucleus(row, vocabulary, config->top_p, order);
    }
}

int64_t nn_sampling_draw(double *row, int64_t vocabulary, const nn_sampling_config *config, ag_rng *rng, int64_t *order)
{
    if (config->temperature == 0) {
        return likeliest(row, vocabulary);
    }
    probabilities(row, vocabulary, config, order);
    double u = ag_rng_uniform(rng), sum = 0;
    int64_t last = 0;
    for (int64_t j = 0; j < vocabulary; j++) {
        if (row[j] > 0) {
            sum += row[j];
            last = j;
            if (u < sum) {
                break;
            }
        }
    }
    return last;
}

static int64_t *order_new(ag_place where, const char *function, int64_t vocabulary)
{
    int64_t *order = malloc(2 * (size_t)vocabulary * sizeof(*order));
    if (order == NULL) {
        ag_error_raise(where, AG_ERROR_MEMORY, "%s: out of memory for %" PRId64 " tokens", function, vocabulary);
    }
    return order;
}

ag_tensor nn_sampling_probabilities_at(ag_place where, ag_tensor scores, nn_sampling_config config)
{
    const char *function = "nn_sampling_probabilities";
    nn_scores s;
    if (ag_error_code() != AG_OK || !nn_sampling_good(where, function, &config) || !nn_scores_read(where, function, scores, &s)) {
        return AG_NIL;
    }
    ag_tensor p = AG_NIL;
    int64_t *order = order_new(where, function, s.vocabulary);
    if (order != NULL) {
        for (int64_t i = 0; i < s.rows; i++) {
            probabilities(s.row + i * s.vocabulary, s.vocabulary, &config, order);
        }
        p = ag_cast_at(where, ag_from_at(where, ag_shape_of_at(where, scores), AG_FLOAT64, s.row), ag_dtype_of_at(where, scores));
    }
    free(order);
    nn_scores_free(&s);
    return p;
}

ag_tensor nn_sample_at(ag_place where, ag_tensor scores, nn_sampling_config config, ag_rng *rng)
{
    const char *function = "nn_sample";
    nn_scores s;
    if (ag_error_code() != AG_OK || !nn_sampling_good(where, function, &config)) {
        return AG_NIL;
    }
    if (rng == NULL && config.temperature > 0) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: the generator is NULL", function);
        return AG_NIL;
    }
    if (!nn_scores_read(where, function, scores, &s)) {
        return AG_NIL;
    }
    ag_tensor drawn = AG_NIL;
    int64_t *order = order_new(where, function, s.vocabulary), *token = order_new(where, function, s.rows);
    if (order != NULL && token != NULL) {
        for (int64_t i = 0; i < s.rows; i++) {
            token[i] = nn_sampling_draw(s.row + i * s.vocabulary, s.vocabulary, &config, rng, order);
        }
        drawn = ag_from_at(where, ag_shape_of_at(where, scores).ndim == 1 ? AG_SHAPE_SCALAR : AG_SHAPE(s.rows), AG_INT64, token);
    }
    free(order);
    free(token);
    nn_scores_free(&s);
    return drawn;
}
