/*
 * Scalers and the imputer: statistics of a set's features, and the transforms that follow from them.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/internal.h"
#include "data/transform_internal.h"

enum { MADE_BY_DEFAULTS = 0x7363616c };

struct scaler {
    int64_t features;
    bool channels;         /* a feature is an index of the first dimension, not an element */
    double *shift, *scale; /* of an imputer, shift is what NaN becomes */
};

data_scaler_config data_scaler_defaults(void)
{
    return (data_scaler_config){ .made_by_defaults = MADE_BY_DEFAULTS,
                                 .low = 0,
                                 .high = 1,
                                 .quantile_low = 25,
                                 .quantile_high = 75 };
}

/* ---- the transforms -------------------------------------------------------------------------- */

static void scaler_release(void *state)
{
    struct scaler *self = state;
    free(self->shift);
    free(self->scale);
    free(self);
}

static struct scaler *scaler_alloc(ag_place where, const char *function, int64_t features,
                                   bool channels)
{
    struct scaler *self = calloc(1, sizeof *self);
    double *shift = calloc((size_t)features, sizeof *shift);
    double *scale = calloc((size_t)features, sizeof *scale);
    if (self == NULL || shift == NULL || scale == NULL) {
        free(self);
        free(shift);
        free(scale);
        ag_error_raise(where, AG_ERROR_MEMORY, "%s: out of memory", function);
        return NULL;
    }
    *self = (struct scaler){ features, channels, shift, scale };
    return self;
}

/* Consecutive elements of a sample that are of one feature. */
static int64_t run_length(const struct scaler *self, ag_shape shape)
{
    int64_t numel = ag_shape_numel(shape);
    return self->channels ? numel / self->features : 1;
}

static ag_error scaler_form(void *state, data_form in, data_form *out)
{
    const struct scaler *self = state;
    char text[AG_SHAPE_TEXT];
    int64_t numel = ag_shape_numel(in.shape);
    bool one_for_all = self->channels && self->features == 1;
    bool fits = one_for_all      ? true
                : self->channels ? in.shape.ndim > 0 && in.shape.size[0] == self->features
                                 : numel == self->features;
    *out = in;
    if (!fits) {
        return ag_error_raise(ag_caller(), AG_ERROR_SHAPE,
                              "a scaler of %" PRId64 " %s does not fit samples of shape %s",
                              self->features, self->channels ? "channels" : "features",
                              ag_shape_format(in.shape, text, sizeof text));
    }
    if (!ag_dtype_is_float(in.dtype)) {
        return ag_error_raise(ag_caller(), AG_ERROR_DTYPE,
                              "a scaler needs samples of a floating type, not %s",
                              ag_dtype_name(in.dtype));
    }
    return AG_OK;
}

#define SCALER_LOOP(type, expression)                                    \
    do {                                                                 \
        const type *a = in;                                              \
        type *b = out;                                                   \
        for (int64_t f = 0; f < self->features; f++) {                   \
            const double shift = self->shift[f], scale = self->scale[f]; \
            for (int64_t j = 0; j < run; j++) {                          \
                const double v = (double)a[f * run + j];                 \
                b[f * run + j] = (type)(expression);                     \
            }                                                            \
            (void)scale;                                                 \
        }                                                                \
    } while (0)

static ag_error scaler_apply(void *state, data_form form, const void *in, void *out, ag_rng *rng)
{
    const struct scaler *self = state;
    int64_t run = run_length(self, form.shape);
    (void)rng;
    if (form.dtype == AG_FLOAT32) {
        SCALER_LOOP(float, (v - shift) / scale);
    } else {
        SCALER_LOOP(double, (v - shift) / scale);
    }
    return AG_OK;
}

static ag_error scaler_invert(void *state, data_form form, const void *in, void *out)
{
    const struct scaler *self = state;
    int64_t run = run_length(self, form.shape);
    if (form.dtype == AG_FLOAT32) {
        SCALER_LOOP(float, v *scale + shift);
    } else {
        SCALER_LOOP(double, v *scale + shift);
    }
    return AG_OK;
}

static ag_error imputer_apply(void *state, data_form form, const void *in, void *out, ag_rng *rng)
{
    const struct scaler *self = state;
    int64_t run = run_length(self, form.shape);
    (void)rng;
    if (form.dtype == AG_FLOAT32) {
        SCALER_LOOP(float, v == v ? v : shift);
    } else {
        SCALER_LOOP(double, v == v ? v : shift);
    }
    return AG_OK;
}

static const data_transform_type scaler_type = { .size = sizeof(data_transform_type),
                                                 .name = "the scaler",
                                                 .form = scaler_form,
                                                 .apply = scaler_apply,
                                                 .invert = scaler_invert,
                                                 .release = scaler_release };
static const data_transform_type imputer_type = { .size = sizeof(data_transform_type),
                                                  .name = "the imputer",
                                                  .form = scaler_form,
                                                  .apply = imputer_apply,
                                                  .release = scaler_release };

/* ---- what is fitted -------------------------------------------------------------------------- */

struct fit {
    ag_place where;
    const char *function;
    data_set *set;
    data_scaler_config config;
    int64_t numel, features, run;
    bool *chosen; /* for each feature */
    double *sample;
    void *x, *y; /* one sample as it is in the set */
    double *min, *max, *sum, *square;
    int64_t *count;  /* values that are no NaN */
    double **sorted; /* for each feature that is chosen, if quantiles are asked for */
};

static void fit_end(struct fit *f)
{
    for (int64_t j = 0; f->sorted != NULL && j < f->features; j++) {
        free(f->sorted[j]);
    }
    free(f->sorted);
    free(f->chosen);
    free(f->sample);
    free(f->x);
    free(f->y);
    free(f->min);
    free(f->max);
    free(f->sum);
    free(f->square);
    free(f->count);
}

static ag_error fit_memory(const struct fit *f)
{
    return ag_error_raise(f->where, AG_ERROR_MEMORY, "%s: out of memory", f->function);
}

static bool fit_choose(struct fit *f)
{
    struct data_words words;
    if (!data_words_parse(f->where, f->function, "columns", f->config.columns, &words)) {
        return false;
    }
    for (int64_t j = 0; j < f->features; j++) {
        f->chosen[j] = words.n == 0;
    }
    bool good = words.n == 0 || (!f->config.channels && !f->config.targets);
    if (!good) {
        ag_error_raise(f->where, AG_ERROR_VALUE,
                       "%s: columns are chosen among the elements of inputs, not among %s",
                       f->function, f->config.targets ? "targets" : "channels");
    }
    for (int64_t w = 0; w < words.n && good; w++) {
        bool found = false;
        for (int64_t j = 0; j < f->features; j++) {
            if (strcmp(data_set_x_name(f->set, j), words.word[w]) == 0) {
                f->chosen[j] = found = true;
            }
        }
        good = found;
        if (!good) {
            ag_error_raise(f->where, AG_ERROR_VALUE, "%s: the set has no input called \"%.200s\"",
                           f->function, words.word[w]);
        }
    }
    data_words_free(&words);
    return good;
}

/* Whether the set can be fitted; raises if not. */
static bool fit_begin(struct fit *f)
{
    if (ag_error_code() != AG_OK) {
        return false;
    }
    if (f->config.made_by_defaults != MADE_BY_DEFAULTS) {
        ag_error_raise(f->where, AG_ERROR_VALUE,
                       "%s: the config did not come from data_scaler_defaults()", f->function);
        return false;
    }
    if (data_set_is_nil(f->set) || f->set->n == 0) {
        ag_error_raise(f->where, AG_ERROR_VALUE, "%s: %s", f->function,
                       data_set_is_nil(f->set) ? "there is no set to be fitted on"
                                               : "the set to be fitted on has no samples");
        return false;
    }
    if (f->config.targets ? f->set->y_varies : f->set->x_varies) {
        ag_error_raise(f->where, AG_ERROR_SHAPE, "%s: the %s vary in length: they have no features",
                       f->function, f->config.targets ? "targets" : "inputs");
        return false;
    }
    ag_shape shape = f->config.targets ? f->set->y_shape : f->set->x_shape;
    ag_dtype dtype = f->config.targets ? f->set->y_dtype : f->set->x_dtype;
    if (!ag_dtype_is_float(dtype)) {
        ag_error_raise(f->where, AG_ERROR_DTYPE, "%s: the %s are %s; a floating type is needed",
                       f->function, f->config.targets ? "targets" : "inputs", ag_dtype_name(dtype));
        return false;
    }
    if (f->config.channels && shape.ndim < 1) {
        ag_error_raise(f->where, AG_ERROR_SHAPE, "%s: samples of shape () have no channels",
                       f->function);
        return false;
    }
    f->numel = ag_shape_numel(shape);
    f->features = f->config.channels ? shape.size[0] : f->numel;
    f->run = f->numel / f->features;
    size_t n = (size_t)f->features;
    f->chosen = calloc(n, sizeof *f->chosen);
    f->sample = malloc((size_t)f->numel * sizeof *f->sample);
    f->x = malloc(f->set->x_bytes);
    f->y = malloc(f->set->y_bytes);
    f->min = calloc(n, sizeof *f->min);
    f->max = calloc(n, sizeof *f->max);
    f->sum = calloc(n, sizeof *f->sum);
    f->square = calloc(n, sizeof *f->square);
    f->count = calloc(n, sizeof *f->count);
    if (f->chosen == NULL || f->sample == NULL || f->x == NULL || f->y == NULL || f->min == NULL ||
        f->max == NULL || f->sum == NULL || f->square == NULL || f->count == NULL) {
        fit_memory(f);
        return false;
    }
    return fit_choose(f);
}

/* Reads sample i into f->sample as doubles; false after an error. */
static bool fit_read(struct fit *f, int64_t i)
{
    ag_place before = ag_caller_set(f->where);
    char message[DATA_MESSAGE];
    ag_error error = data_set_copy_caught(f->set, 0, i, f->x, f->y, message);
    ag_caller_set(before);
    if (error != AG_OK) {
        ag_error_raise(f->where, error, "%s: sample %" PRId64 ": %.900s", f->function, i, message);
        return false;
    }
    const void *from = f->config.targets ? f->y : f->x;
    bool single = (f->config.targets ? f->set->y_dtype : f->set->x_dtype) == AG_FLOAT32;
    for (int64_t j = 0; j < f->numel; j++) {
        f->sample[j] = single ? (double)((const float *)from)[j] : ((const double *)from)[j];
    }
    return true;
}

/* Extremes, counts and sums; then sums of squared deviations from the mean. */
static bool fit_moments(struct fit *f)
{
    for (int pass = 0; pass < 2; pass++) {
        for (int64_t i = 0; i < f->set->n; i++) {
            if (!fit_read(f, i)) {
                return false;
            }
            for (int64_t j = 0; j < f->numel; j++) {
                int64_t k = j / f->run;
                double v = f->sample[j];
                if (v != v) {
                    continue;
                }
                if (pass == 0) {
                    f->min[k] = f->count[k] == 0 || v < f->min[k] ? v : f->min[k];
                    f->max[k] = f->count[k] == 0 || v > f->max[k] ? v : f->max[k];
                    f->sum[k] += v;
                    f->count[k]++;
                } else {
                    double d = v - f->sum[k] / (double)f->count[k];
                    f->square[k] += d * d;
                }
            }
        }
    }
    return true;
}

static int by_value(const void *a, const void *b)
{
    double l = *(const double *)a, r = *(const double *)b;
    return l < r ? -1 : l > r;
}

static bool fit_sort(struct fit *f)
{
    f->sorted = calloc((size_t)f->features, sizeof *f->sorted);
    bool good = f->sorted != NULL;
    for (int64_t k = 0; k < f->features && good; k++) {
        if (f->chosen[k]) {
            f->sorted[k] = malloc(((size_t)f->count[k] + 1) * sizeof(double));
            good = f->sorted[k] != NULL;
        }
        f->count[k] = 0;
    }
    if (!good) {
        fit_memory(f);
        return false;
    }
    for (int64_t i = 0; i < f->set->n; i++) {
        if (!fit_read(f, i)) {
            return false;
        }
        for (int64_t j = 0; j < f->numel; j++) {
            int64_t k = j / f->run;
            if (f->chosen[k] && f->sample[j] == f->sample[j]) {
                f->sorted[k][f->count[k]++] = f->sample[j];
            }
        }
    }
    for (int64_t k = 0; k < f->features; k++) {
        if (f->chosen[k]) {
            qsort(f->sorted[k], (size_t)f->count[k], sizeof(double), by_value);
        }
    }
    return true;
}

/* Interpolated linearly between the two values next to it, as NumPy does by default. */
static double quantile(const double *sorted, int64_t n, double per_cent)
{
    double place = per_cent / 100 * (double)(n - 1), below = floor(place);
    int64_t i = (int64_t)below;
    double low = sorted[i], high = sorted[i + 1 < n ? i + 1 : i];
    return low == high ? low : low + (high - low) * (place - below);
}

/* "feature 3 ("age")", for messages. */
static const char *feature_text(const struct fit *f, int64_t k, char text[128])
{
    const char *name = f->config.channels || f->config.targets ? "" : data_set_x_name(f->set, k);
    snprintf(text, 128, "%s %" PRId64 "%s%.80s%s", f->config.channels ? "channel" : "feature", k,
             name[0] != '\0' ? " (\"" : "", name, name[0] != '\0' ? "\")" : "");
    return text;
}

/* Every chosen feature must have a value, and finite ones. */
static bool fit_has_values(const struct fit *f)
{
    char text[128];
    for (int64_t k = 0; k < f->features; k++) {
        bool finite = f->count[k] > 0 && isfinite(f->min[k]) && isfinite(f->max[k]);
        if (f->chosen[k] && !finite) {
            ag_error_raise(f->where, AG_ERROR_VALUE,
                           "%s: %s has %s value in the set it is fitted on", f->function,
                           feature_text(f, k, text), f->count[k] > 0 ? "an infinite" : "no");
            return false;
        }
    }
    return true;
}

/* A feature whose scale is 0: an error or the scale 1. False after an error. */
static bool settle_scale(const struct fit *f, int64_t k, double spread, double *scale)
{
    char text[128];
    *scale = spread;
    bool constant = f->min[k] == f->max[k];
    if (spread > 0 && !constant) {
        return true;
    }
    *scale = 1;
    if (f->config.allow_constant) {
        return true;
    }
    if (constant) {
        ag_error_raise(f->where, AG_ERROR_VALUE,
                       "%s: %s is %.9g in every sample of the set it is fitted on: it cannot be "
                       "scaled (allow_constant gives it the scale 1)",
                       f->function, feature_text(f, k, text), f->min[k]);
    } else {
        ag_error_raise(f->where, AG_ERROR_VALUE,
                       "%s: %s: its quantiles %g %% and %g %% are equal: it cannot be scaled "
                       "(allow_constant gives it the scale 1)",
                       f->function, feature_text(f, k, text), f->config.quantile_low,
                       f->config.quantile_high);
    }
    return false;
}

/* ---- kinds of scalers ------------------------------------------------------------------------ */

enum kind { MIN_MAX, STANDARD, ROBUST, IMPUTE_MEAN, IMPUTE_MEDIAN };

/* shift and scale of feature k; false after an error. */
static bool solve(const struct fit *f, enum kind kind, int64_t k, double *shift, double *scale)
{
    double n = (double)f->count[k], median = 0;
    if (f->sorted != NULL) {
        median = quantile(f->sorted[k], f->count[k], 50);
    }
    switch (kind) {
    case MIN_MAX:
        if (!settle_scale(f, k, (f->max[k] - f->min[k]) / (f->config.high - f->config.low),
                          scale)) {
            return false;
        }
        *shift = f->min[k] - f->config.low * *scale;
        return true;
    case STANDARD:
        *shift = f->min[k] == f->max[k] ? f->min[k] : f->sum[k] / n;
        return settle_scale(f, k, sqrt(f->square[k] / n), scale);
    case ROBUST:
        *shift = median;
        return settle_scale(f, k,
                            quantile(f->sorted[k], f->count[k], f->config.quantile_high) -
                                quantile(f->sorted[k], f->count[k], f->config.quantile_low),
                            scale);
    case IMPUTE_MEAN:
    case IMPUTE_MEDIAN:
        *shift = kind == IMPUTE_MEAN ? f->sum[k] / n : median;
        *scale = 1;
        break;
    }
    return true;
}

static data_transform *fit_scaler(ag_place where, const char *function, data_set *set,
                                  data_scaler_config config, enum kind kind)
{
    struct fit f = { .where = where, .function = function, .set = set, .config = config };
    bool quantiles = kind == ROBUST || kind == IMPUTE_MEDIAN;
    bool impute = kind == IMPUTE_MEAN || kind == IMPUTE_MEDIAN;
    bool good = fit_begin(&f);
    if (good && (!(config.low < config.high) || !(config.quantile_low < config.quantile_high) ||
                 config.quantile_low < 0 || config.quantile_high > 100)) {
        ag_error_raise(
            where, AG_ERROR_VALUE,
            "%s: low %g and high %g, quantiles %g and %g: the first of each must be less", function,
            config.low, config.high, config.quantile_low, config.quantile_high);
        good = false;
    }
    good = good && fit_moments(&f) && fit_has_values(&f) && (!quantiles || fit_sort(&f));
    struct scaler *self = good ? scaler_alloc(where, function, f.features, config.channels) : NULL;
    for (int64_t k = 0; self != NULL && k < f.features && good; k++) {
        self->shift[k] = impute ? data_nan() : 0;
        self->scale[k] = 1;
        good = !f.chosen[k] || solve(&f, kind, k, &self->shift[k], &self->scale[k]);
    }
    fit_end(&f);
    if (self != NULL && !good) {
        scaler_release(self);
    }
    if (self == NULL || !good) {
        return data_transform_nil();
    }
    return data_transform_make(where, function, impute ? &imputer_type : &scaler_type, self, NULL);
}

data_transform *data_min_max_scaler_at(ag_place where, data_set *fitted_on,
                                       data_scaler_config config)
{
    return fit_scaler(where, "data_min_max_scaler", fitted_on, config, MIN_MAX);
}

data_transform *data_standard_scaler_at(ag_place where, data_set *fitted_on,
                                        data_scaler_config config)
{
    return fit_scaler(where, "data_standard_scaler", fitted_on, config, STANDARD);
}

data_transform *data_robust_scaler_at(ag_place where, data_set *fitted_on,
                                      data_scaler_config config)
{
    return fit_scaler(where, "data_robust_scaler", fitted_on, config, ROBUST);
}

data_transform *data_imputer_at(ag_place where, data_set *fitted_on, bool median,
                                data_scaler_config config)
{
    return fit_scaler(where, "data_imputer", fitted_on, config,
                      median ? IMPUTE_MEDIAN : IMPUTE_MEAN);
}

data_transform *data_normalize_at(ag_place where, int64_t n, const double *shift,
                                  const double *scale)
{
    if (ag_error_code() != AG_OK) {
        return data_transform_nil();
    }
    bool good = n >= 1 && shift != NULL && scale != NULL;
    for (int64_t k = 0; k < n && good; k++) {
        good = isfinite(shift[k]) && isfinite(scale[k]) && scale[k] != 0;
    }
    if (!good) {
        ag_error_raise(where, AG_ERROR_VALUE,
                       "data_normalize: for each of %" PRId64
                       " channels a finite shift and a scale that is not 0 are needed",
                       n);
        return data_transform_nil();
    }
    struct scaler *self = scaler_alloc(where, "data_normalize", n, true);
    if (self == NULL) {
        return data_transform_nil();
    }
    memcpy(self->shift, shift, (size_t)n * sizeof *shift);
    memcpy(self->scale, scale, (size_t)n * sizeof *scale);
    return data_transform_make(where, "data_normalize", &scaler_type, self, NULL);
}

/* ---- asking ---------------------------------------------------------------------------------- */

static const struct scaler *scaler_of(const data_transform *t)
{
    return t != NULL && t->type.form == scaler_form ? t->state : NULL;
}

int64_t data_scaler_features(const data_transform *scaler)
{
    const struct scaler *self = scaler_of(scaler);
    return self != NULL ? self->features : 0;
}

double data_scaler_shift(const data_transform *scaler, int64_t j)
{
    return j >= 0 && j < data_scaler_features(scaler) ? scaler_of(scaler)->shift[j] : data_nan();
}

double data_scaler_scale(const data_transform *scaler, int64_t j)
{
    return j >= 0 && j < data_scaler_features(scaler) ? scaler_of(scaler)->scale[j] : data_nan();
}
