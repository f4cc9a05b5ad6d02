/*
 * Embeddings of tokens and of positions, and layer normalisation.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "init.h"
#include "internal.h"
#include "transformer.h"

/* ---- tokens ------------------------------------------------------------------------------------------------------------- */

struct nn_embedding {
    nn_module base;
    nn_embedding_config config;
    double *vectors; /* NULL: none were given */
    ag_tensor weight;
};

static void embedding_init(ag_tensor w, ag_rng *rng, const nn_module *owner)
{
    const struct nn_embedding *self = (const struct nn_embedding *)owner;
    const int64_t width = self->config.width, n = self->config.count * width;
    if (self->vectors == NULL) {
        nn_init_normal(w, 0, 1, rng);
    }
    void *data = ag_data_mut(w);
    if (data == NULL) {
        return;
    }
    bool narrow = ag_dtype_of(w) == AG_FLOAT32;
    for (int64_t i = 0; i < n && self->vectors != NULL; i++) {
        if (narrow) {
            ((float *)data)[i] = (float)self->vectors[i];
        } else {
            ((double *)data)[i] = self->vectors[i];
        }
    }
    if (self->config.has_padding && self->vectors == NULL) {
        size_t bytes = (size_t)width * ag_dtype_size(ag_dtype_of(w));
        memset((char *)data + (size_t)self->config.padding * bytes, 0, bytes);
    }
    if (self->config.frozen) {
        ag_set_requires_grad(w, false);
    }
}

static void embedding_visit(nn_module *m, nn_visitor *v)
{
    struct nn_embedding *self = (struct nn_embedding *)m;
    nn_visit_parameter(v, "weight", &self->weight, AG_SHAPE(self->config.count, self->config.width), embedding_init);
}

static ag_tensor embedding_forward(nn_module *m, ag_tensor x)
{
    const struct nn_embedding *self = (const struct nn_embedding *)m;
    return self->config.has_padding ? ag_embedding_padded(self->weight, x, self->config.padding) : ag_embedding(self->weight, x);
}

static void embedding_describe(const nn_module *m, char *text, size_t bytes)
{
    const nn_embedding_config *c = &((const struct nn_embedding *)m)->config;
    char padding[48] = "";
    if (c->has_padding) {
        snprintf(padding, sizeof(padding), ", padding_idx=%lld", (long long)c->padding);
    }
    snprintf(text, bytes, "%lld, %lld%s", (long long)c->count, (long long)c->width, padding);
}

static void embedding_release(nn_module *m)
{
    free(((struct nn_embedding *)m)->vectors);
}

static bool embedding_copy(nn_module *to, const nn_module *from)
{
    const struct nn_embedding *old = (const struct nn_embedding *)from;
    struct nn_embedding *self = (struct nn_embedding *)to;
    if (old->vectors == NULL) {
        return true;
    }
    size_t bytes = (size_t)(old->config.count * old->config.width) * sizeof(double);
    self->vectors = malloc(bytes);
    if (self->vectors != NULL) {
        memcpy(self->vectors, old->vectors, bytes);
    }
    return self->vectors != NULL;
}

static const nn_module_type embedding_type = {
    .size = sizeof(nn_module_type),
    .name = "Embedding",
    .instance_size = sizeof(struct nn_embedding),
    .visit = embedding_visit,
    .forward = embedding_forward,
    .describe = embedding_describe,
    .release = embedding_release,
    .copy = embedding_copy,
};

nn_embedding_config nn_embedding_defaults(int64_t count, int64_t width)
{
    return (nn_embedding_config){ .made_by_defaults = NN_MADE_BY_DEFAULTS, .count = count, .width = width };
}

static bool embedding_good(const char *function, nn_embedding_config *c)
{
    char shape[AG_SHAPE_TEXT];
    if (c->made_by_defaults != NN_MADE_BY_DEFAULTS) {
        ag_error_raise(AG_HERE, AG_ERROR_VALUE, "%s: the config was not made by nn_embedding_defaults()", function);
    } else if (c->count < 1 || c->width < 1) {
        ag_error_raise(AG_HERE, AG_ERROR_VALUE, "%s: needs at least one row and one column, got %lld and %lld", function,
                       (long long)c->count, (long long)c->width);
    } else if (c->has_padding && (c->padding < -c->count || c->padding >= c->count)) {
        ag_error_raise(AG_HERE, AG_ERROR_INDEX, "%s: padding is %lld, and there are %lld rows", function, (long long)c->padding,
                       (long long)c->count);
    } else if (!ag_is_none(c->vectors) && !ag_shape_equal(ag_shape_of(c->vectors), AG_SHAPE(c->count, c->width))) {
        ag_error_raise(AG_HERE, AG_ERROR_SHAPE, "%s: the vectors are %s, they must be (%lld,%lld)", function,
                       ag_shape_format(ag_shape_of(c->vectors), shape, sizeof(shape)), (long long)c->count, (long long)c->width);
    }
    c->padding += c->has_padding && c->padding < 0 ? c->count : 0;
    return ag_error_code() == AG_OK;
}

static nn_module *embedding_new(const char *function, nn_embedding_config config)
{
    if (ag_error_code() != AG_OK || !embedding_good(function, &config)) {
        return nn_module_nil(&embedding_type);
    }
    int64_t n = config.count * config.width;
    double *vectors = NULL;
    if (!ag_is_none(config.vectors)) {
        vectors = malloc((size_t)n * sizeof(double));
        if (vectors == NULL) {
            ag_error_raise(AG_HERE, AG_ERROR_MEMORY, "%s: no memory for %lld numbers", function, (long long)n);
        } else {
            ag_read_doubles(config.vectors, vectors, n);
        }
        if (ag_error_code() != AG_OK) {
            free(vectors);
            return nn_module_nil(&embedding_type);
        }
        config.vectors = AG_NONE;
    }
    nn_module *m = nn_module_new(&embedding_type);
    struct nn_embedding *self = (struct nn_embedding *)m;
    self->config = config;
    if (nn_is_nil(m)) {
        free(vectors);
    } else {
        self->vectors = vectors;
    }
    return m;
}

nn_module *nn_embedding(int64_t count, int64_t width)
{
    return embedding_new("nn_embedding", nn_embedding_defaults(count, width));
}

nn_module *nn_embedding_with(nn_embedding_config config)
{
    return embedding_new("nn_embedding_with", config);
}

/* ---- positions ---------------------------------------------------------------------------------------------------------- */

struct nn_position {
    nn_module base;
    int64_t longest, width;
    ag_tensor p;
};

static const nn_module_type learned_type, sinusoidal_type;

static void learned_init(ag_tensor w, ag_rng *rng, const nn_module *owner)
{
    (void)owner;
    nn_init_normal(w, 0, 0.02, rng);
}

static void sinusoidal_init(ag_tensor w, ag_rng *rng, const nn_module *owner)
{
    (void)rng;
    const struct nn_position *self = (const struct nn_position *)owner;
    void *data = ag_data_mut(w);
    if (data == NULL) {
        return;
    }
    bool narrow = ag_dtype_of(w) == AG_FLOAT32;
    for (int64_t i = 0; i < self->longest * self->width; i++) {
        int64_t t = i / self->width, k = i % self->width;
        double angle = (double)t / pow(10000, (double)(k / 2 * 2) / (double)self->width);
        double value = k % 2 == 0 ? sin(angle) : cos(angle);
        if (narrow) {
            ((float *)data)[i] = (float)value;
        } else {
            ((double *)data)[i] = value;
        }
    }
}

static void learned_visit(nn_module *m, nn_visitor *v)
{
    struct nn_position *self = (struct nn_position *)m;
    nn_visit_parameter(v, "weight", &self->p, AG_SHAPE(self->longest, self->width), learned_init);
}

static void sinusoidal_visit(nn_module *m, nn_visitor *v)
{
    struct nn_position *self = (struct nn_position *)m;
    nn_visit_buffer(v, "pe", &self->p, AG_SHAPE(self->longest, self->width), AG_FLOAT32, sinusoidal_init);
}

static ag_tensor position_add(const char *function, nn_module *m, ag_tensor x, int64_t first)
{
    const struct nn_position *self = (const struct nn_position *)m;
    char text[NN_TEXT], shape[AG_SHAPE_TEXT];
    if (ag_error_code() != AG_OK || ag_is_nil(x)) {
        return AG_NIL;
    }
    ag_shape s = ag_shape_of(x);
    int64_t steps = s.ndim >= 2 ? s.size[s.ndim - 2] : 0;
    bool fits = s.ndim >= 2 && s.size[s.ndim - 1] == self->width && first >= 0 && steps <= self->longest &&
                first <= self->longest - steps;
    if (ag_error_code() == AG_OK && !fits) {
        ag_error_raise(AG_HERE, AG_ERROR_SHAPE, "%s: %s has %lld positions of width %lld, got %s from position %lld", function,
                       nn_module_text(m, text, sizeof(text)), (long long)self->longest, (long long)self->width,
                       ag_shape_format(s, shape, sizeof(shape)), (long long)first);
    }
    return fits ? ag_add(x, ag_narrow(self->p, 0, first, steps)) : AG_NIL;
}

static ag_tensor position_forward(nn_module *m, ag_tensor x)
{
    return position_add("nn_forward", m, x, 0);
}

static void position_describe(const nn_module *m, char *text, size_t bytes)
{
    const struct nn_position *self = (const struct nn_position *)m;
    snprintf(text, bytes, "%lld, %lld", (long long)self->longest, (long long)self->width);
}

#define POSITION_TYPE(label, visitor)                                                                                \
    {                                                                                                                \
        .size = sizeof(nn_module_type), .name = label, .instance_size = sizeof(struct nn_position), .visit = visitor, \
        .forward = position_forward, .describe = position_describe,                                                  \
    }
static const nn_module_type learned_type = POSITION_TYPE("LearnedPosition", learned_visit);
static const nn_module_type sinusoidal_type = POSITION_TYPE("SinusoidalPosition", sinusoidal_visit);

ag_tensor nn_position_forward_at(ag_place where, nn_module *m, ag_tensor x, int64_t first)
{
    const char *function = "nn_position_forward";
    nn_call call;
    if (m != NULL && m->type != NULL && !nn_is_nil(m) && m->type != &learned_type && m->type != &sinusoidal_type) {
        nn_call_wrong_type(where, function, "an embedding of positions", m);
        return AG_NIL;
    }
    if (!nn_call_begin(&call, where, function, m)) {
        return AG_NIL;
    }
    ag_tensor y = position_add(function, m, x, first);
    nn_call_end(&call, 1, &y);
    return y;
}

static nn_module *position_new(const char *function, const nn_module_type *type, int64_t longest, int64_t width)
{
    if (longest < 1 || width < 1) {
        ag_error_raise(AG_HERE, AG_ERROR_VALUE, "%s: needs at least one position and one column, got %lld and %lld", function,
                       (long long)longest, (long long)width);
        return nn_module_nil(type);
    }
    nn_module *m = nn_module_new(type);
    ((struct nn_position *)m)->longest = longest;
    ((struct nn_position *)m)->width = width;
    return m;
}

nn_module *nn_position_learned(int64_t longest, int64_t width)
{
    return position_new("nn_position_learned", &learned_type, longest, width);
}

nn_module *nn_position_sinusoidal(int64_t longest, int64_t width)
{
    return position_new("nn_position_sinusoidal", &sinusoidal_type, longest, width);
}

/* ---- layer norm --------------------------------------------------------------------------------------------------------- */

struct nn_layer_norm {
    nn_module base;
    ag_shape normalized;
    double eps;
    ag_tensor weight, bias;
};

static void layer_norm_visit(nn_module *m, nn_visitor *v)
{
    struct nn_layer_norm *self = (struct nn_layer_norm *)m;
    nn_visit_parameter(v, "weight", &self->weight, self->normalized, nn_fill_ones);
    nn_visit_parameter(v, "bias", &self->bias, self->normalized, nn_fill_zeros);
}

static ag_tensor layer_norm_forward(nn_module *m, ag_tensor x)
{
    const struct nn_layer_norm *self = (const struct nn_layer_norm *)m;
    return ag_layer_norm(x, self->normalized, self->weight, self->bias, self->eps);
}

static void layer_norm_describe(const nn_module *m, char *text, size_t bytes)
{
    const struct nn_layer_norm *self = (const struct nn_layer_norm *)m;
    char shape[AG_SHAPE_TEXT];
    snprintf(text, bytes, "%s, eps=%g", ag_shape_format(self->normalized, shape, sizeof(shape)), self->eps);
}

static const nn_module_type layer_norm_type = {
    .size = sizeof(nn_module_type),
    .name = "LayerNorm",
    .instance_size = sizeof(struct nn_layer_norm),
    .visit = layer_norm_visit,
    .forward = layer_norm_forward,
    .describe = layer_norm_describe,
};

static nn_module *layer_norm_new(const char *function, ag_shape normalized, double eps)
{
    char shape[AG_SHAPE_TEXT];
    bool good = normalized.ndim >= 1 && eps >= 0 && isfinite(eps);
    for (int d = 0; d < normalized.ndim; d++) {
        good = good && normalized.size[d] >= 1;
    }
    if (!good) {
        ag_error_raise(AG_HERE, AG_ERROR_VALUE, "%s: needs dimensions of length 1 or more and eps >= 0, got %s and %g", function,
                       ag_shape_format(normalized, shape, sizeof(shape)), eps);
        return nn_module_nil(&layer_norm_type);
    }
    nn_module *m = nn_module_new(&layer_norm_type);
    ((struct nn_layer_norm *)m)->normalized = normalized;
    ((struct nn_layer_norm *)m)->eps = eps;
    return m;
}

nn_module *nn_layer_norm(int64_t width)
{
    return layer_norm_new("nn_layer_norm", AG_SHAPE(width), 1e-5);
}

nn_module *nn_layer_norm_with(ag_shape normalized, double eps)
{
    return layer_norm_new("nn_layer_norm_with", normalized, eps);
}
