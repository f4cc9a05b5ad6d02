/*
 * Transforms: functions of inputs or targets, applied when a sample is read. A scaler is fitted on one set (the training part)
 * and then applied to it and to others:
 *
 *     data_transform *scale = data_standard_scaler(train, data_scaler_defaults());
 *     data_set *train_scaled = data_transform_x(train, scale), *test_scaled = data_transform_x(test, scale);
 *
 * A transform does not change once it is made. Sets and compositions that use it keep it alive.
 */
#ifndef WENGERT_DATA_TRANSFORM_H
#define WENGERT_DATA_TRANSFORM_H

#include "../autograd/autograd.h"

AG_EXTERN_C_BEGIN

typedef struct data_set data_set;
typedef struct data_transform data_transform;

/* ---- use ----------------------------------------------------------------------------------------------------------------- */

/* A set whose inputs (or targets) are those of `set` after the transform. Nothing is computed before a sample is read. Shares the
 * set and the transform. */
AG_API data_set *data_transform_x_at(ag_place where, data_set *set, data_transform *transform);
AG_API data_set *data_transform_y_at(ag_place where, data_set *set, data_transform *transform);
#define data_transform_x(...) data_transform_x_at(AG_HERE, __VA_ARGS__)
#define data_transform_y(...) data_transform_y_at(AG_HERE, __VA_ARGS__)
/* The first, then the second, …; shares them. Inverted in the opposite order. */
AG_API data_transform *data_compose_at(ag_place where, int n, data_transform *const *transforms);
#define data_compose(...) data_compose_at(AG_HERE, __VA_ARGS__)
/* A batch (n, sample shape) of any numbers, such as predictions, through the transform or back through it. The result has no
 * history and belongs to the innermost open scope. Random transforms are refused, and inverting what cannot be inverted. */
AG_API ag_tensor data_transform_apply_at(ag_place where, data_transform *transform, ag_tensor batch);
AG_API ag_tensor data_transform_invert_at(ag_place where, data_transform *transform, ag_tensor batch);
#define data_transform_apply(...) data_transform_apply_at(AG_HERE, __VA_ARGS__)
#define data_transform_invert(...) data_transform_invert_at(AG_HERE, __VA_ARGS__)
AG_API data_transform *data_transform_share(data_transform *transform); /* one more holder; returns it */
AG_API void data_transform_free(data_transform *transform); /* lets go of it; NULL is fine */

/* ---- scalers: y = (x - shift) / scale for each feature --------------------------------------------------------------------- */

/* Features are the elements of a sample, or its channels. Statistics are computed in float64 over all samples of the set, without
 * NaN, which stays NaN. Samples must be float32 or float64. A feature that has one value only cannot be scaled and is an error
 * that names it, unless allow_constant says to give it the scale 1. */
typedef struct data_scaler_config {
    uint32_t made_by_defaults;
    bool targets;        /* fits targets instead of inputs; default false */
    bool channels;       /* one feature for each index of the first dimension, as of images (C,H,W); default false */
    const char *columns; /* only these features, by name (data_set_x_name()), a list as in data/table.h; default NULL: all */
    bool allow_constant; /* default false */
    double low, high;    /* data_min_max_scaler: where the smallest and largest value go; default 0, 1 */
    double quantile_low, quantile_high; /* data_robust_scaler: per cent; default 25, 75 */
} data_scaler_config;

AG_API data_scaler_config data_scaler_defaults(void);
/* From the smallest and largest value of each feature to low and high (scikit-learn's MinMaxScaler). */
AG_API data_transform *data_min_max_scaler_at(ag_place where, data_set *fitted_on, data_scaler_config config);
/* To mean 0 and variance 1: shift is the mean, scale the root of the mean squared deviation (divided by n; scikit-learn's
 * StandardScaler). */
AG_API data_transform *data_standard_scaler_at(ag_place where, data_set *fitted_on, data_scaler_config config);
/* shift is the median, scale the distance of the two quantiles, interpolated linearly (scikit-learn's RobustScaler): a few
 * outliers change neither. */
AG_API data_transform *data_robust_scaler_at(ag_place where, data_set *fitted_on, data_scaler_config config);
/* Known statistics, one of each for every channel (n of them), or for all elements if n is 1: PyTorch's Normalize. */
AG_API data_transform *data_normalize_at(ag_place where, int64_t n, const double *shift, const double *scale);
#define data_min_max_scaler(...) data_min_max_scaler_at(AG_HERE, __VA_ARGS__)
#define data_standard_scaler(...) data_standard_scaler_at(AG_HERE, __VA_ARGS__)
#define data_robust_scaler(...) data_robust_scaler_at(AG_HERE, __VA_ARGS__)
#define data_normalize(...) data_normalize_at(AG_HERE, __VA_ARGS__)
/* The number of features of a scaler, and what was fitted to feature j; 0 and NaN for anything else. */
AG_API int64_t data_scaler_features(const data_transform *scaler);
AG_API double data_scaler_shift(const data_transform *scaler, int64_t j);
AG_API double data_scaler_scale(const data_transform *scaler, int64_t j);

/* NaN becomes the mean (or median) of the feature over the set it is fitted on; a feature without a value is an error. The
 * config's targets, channels and columns hold. Not inverted: what is missing is not known. */
AG_API data_transform *data_imputer_at(ag_place where, data_set *fitted_on, bool median, data_scaler_config config);
#define data_imputer(...) data_imputer_at(AG_HERE, __VA_ARGS__)

/* ---- a transform of the program's own --------------------------------------------------------------------------------------- */

/* The shape and type of an input or a target. */
typedef struct data_form {
    ag_shape shape;
    ag_dtype dtype;
} data_form;

/* `state` is handed to the functions, which may be called from several threads at a time and raise their errors with
 * ag_error_raise(). Name the fields: more may follow. */
typedef struct data_transform_type {
    size_t size; /* sizeof(data_transform_type) */
    const char *name;
    bool random; /* apply draws from rng: a generator of the sample's own, which depends on the seed, the epoch and the sample's
                  * index alone, so that it does not matter which thread reads it when. Others get NULL. */
    /* What comes out if `in` goes in; an error if that cannot go in. NULL: what goes in. */
    ag_error (*form)(void *state, data_form in, data_form *out);
    /* Row-major, as form() says; `in` and `out` do not overlap. */
    ag_error (*apply)(void *state, data_form form, const void *in, void *out, ag_rng *rng);
    /* The way back, to a sample of `form`. NULL: there is none. */
    ag_error (*invert)(void *state, data_form form, const void *in, void *out);
    void (*release)(void *state); /* NULL: nothing to release */
} data_transform_type;
/* Takes the state: it is released with the transform, or at once after an error (unless the error is that `type` cannot be used).
 * Splits the seed of a random transform from rng; others need none (NULL). */
AG_API data_transform *data_transform_new_at(ag_place where, const data_transform_type *type, void *state, ag_rng *rng);
#define data_transform_new(...) data_transform_new_at(AG_HERE, __VA_ARGS__)

AG_EXTERN_C_END

#endif
