/*
 * Spectral normalisation: a layer whose weight is divided by its largest singular value before it is used.
 *
 * The wrapper stands around the layer without a name of its own and lists in its place what it owns, the weight as "weight_orig":
 * that is how PyTorch's torch.nn.utils.spectral_norm() calls it, and in that order.
 */
#include <float.h>
#include <math.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "init.h"
#include "internal.h"
#include "layers.h"

/* The largest struct of a layer that can be wrapped. */
#define LAYER_BYTES 1024

struct nn_spectral_norm {
    nn_module base;
    nn_module *inner;
    int64_t iterations;
    double eps;
    int dim;            /* of the weight: the outputs */
    size_t slot;        /* where in the layer's struct its weight is */
    int64_t rows, rest; /* the weight as a matrix (rows, rest) */
    ag_tensor u, v;     /* (rows), (rest): estimates of its first singular vectors */
};

/* ---- what the layer owns ------------------------------------------------------------------------------------------------- */

/* Hands on what a layer's visit function lists, in two passes: all but the weight, then the weight. */
struct relay {
    nn_visitor *to;
    bool weight;
};

/* The layer stays the owner: its initialisers know its struct. */
static nn_visitor as_owner(const nn_visitor *v)
{
    nn_visitor outer = *((const struct relay *)v->user)->to;
    outer.owner = v->owner;
    return outer;
}

static void relay_parameter(nn_visitor *v, const char *name, ag_tensor *slot, ag_shape shape, nn_initialiser init)
{
    bool weight = strcmp(name, "weight") == 0;
    if (weight == ((const struct relay *)v->user)->weight) {
        nn_visitor outer = as_owner(v);
        nn_visit_parameter(&outer, weight ? "weight_orig" : name, slot, shape, init);
    }
}

static void relay_buffer(nn_visitor *v, const char *name, ag_tensor *slot, ag_shape shape, ag_dtype dtype, nn_initialiser init)
{
    nn_visitor outer = as_owner(v);
    nn_visit_buffer(&outer, name, slot, shape, dtype, init);
}

static void relay_rng(nn_visitor *v, const char *name, ag_rng *slot)
{
    nn_visitor outer = as_owner(v);
    nn_visit_rng(&outer, name, slot);
}

/* A random direction. */
static void unit_init(ag_tensor t, ag_rng *rng, const nn_module *owner)
{
    (void)owner;
    nn_init_normal(t, 0, 1, rng);
    ag_scope scope = { 0 };
    ag_begin_no_grad(&scope);
    ag_copy_(t, ag_normalize(t, 2, 0, 1e-12));
    ag_end(&scope);
}

static void spectral_visit(nn_module *m, nn_visitor *v)
{
    static const nn_visits rest = { .parameter = relay_parameter, .buffer = relay_buffer, .rng = relay_rng },
                           weight = { .parameter = relay_parameter };
    struct nn_spectral_norm *self = (struct nn_spectral_norm *)m;
    if (self->inner == NULL) {
        return;
    }
    struct relay relay = { v, false };
    nn_visitor inside = { &rest, self->inner, &relay };
    self->inner->type->visit(self->inner, &inside);
    relay.weight = true;
    inside.visits = &weight;
    self->inner->type->visit(self->inner, &inside);
    nn_visit_buffer(v, "weight_u", &self->u, AG_SHAPE(self->rows), AG_FLOAT32, unit_init);
    nn_visit_buffer(v, "weight_v", &self->v, AG_SHAPE(self->rest), AG_FLOAT32, unit_init);
    nn_visit_child(v, nn_nameless, &self->inner);
}

/* ---- forward ------------------------------------------------------------------------------------------------------------- */

/* (rows, rest) */
static ag_tensor as_matrix(const struct nn_spectral_norm *self, ag_tensor weight)
{
    return ag_reshape(self->dim == 0 ? weight : ag_transpose(weight, 0, 1), AG_SHAPE(self->rows, self->rest));
}

/* Copies what was computed into a buffer. */
static void store(ag_tensor buffer, ag_tensor value)
{
    if (ag_error_code() == AG_OK) {
        ag_write(buffer, ag_data(value), ag_numel(value));
    }
}

/* Power iteration, v = W^T u / |W^T u| and u = W v / |W v|. What is computed is used, not the buffers: the next forward changes
 * those, and backward may come after it. */
static void iterate(const struct nn_spectral_norm *self, ag_tensor weight, ag_tensor *u, ag_tensor *v)
{
    ag_tensor matrix = as_matrix(self, ag_detach(weight)), across = ag_transpose(matrix, 0, 1);
    for (int64_t i = 0; i < self->iterations; i++) {
        *v = ag_normalize(ag_matmul(across, *u), 2, 0, self->eps);
        *u = ag_normalize(ag_matmul(matrix, *v), 2, 0, self->eps);
    }
    store(self->u, *u);
    store(self->v, *v);
}

static ag_tensor spectral_forward(nn_module *m, ag_tensor x)
{
    const struct nn_spectral_norm *self = (const struct nn_spectral_norm *)m;
    /* The layer is run with another weight; a copy of its struct has it, because threads may share the layer. */
    alignas(max_align_t) char bytes[LAYER_BYTES];
    memcpy(bytes, self->inner, self->inner->type->instance_size);
    ag_tensor *slot = (ag_tensor *)(void *)(bytes + self->slot), u = self->u, v = self->v;
    if (m->training) {
        iterate(self, *slot, &u, &v);
    }
    ag_tensor sigma = ag_dot(u, ag_matmul(as_matrix(self, *slot), v));
    *slot = ag_div(*slot, sigma);
    return nn_forward((nn_module *)(void *)bytes, x);
}

static void spectral_describe(const nn_module *m, char *text, size_t bytes)
{
    nn_kind_text(((const struct nn_spectral_norm *)m)->inner, text, bytes);
}

static const nn_module_type spectral_type = {
    .size = sizeof(nn_module_type),
    .name = "SpectralNorm",
    .instance_size = sizeof(struct nn_spectral_norm),
    .visit = spectral_visit,
    .forward = spectral_forward,
    .describe = spectral_describe,
};

/* ---- making ---------------------------------------------------------------------------------------------------------------- */

/* What a layer owns, as far as it matters here. */
struct survey {
    ag_tensor *weight;
    ag_shape shape;
    bool children;
};

static void survey_parameter(nn_visitor *v, const char *name, ag_tensor *slot, ag_shape shape, nn_initialiser init)
{
    (void)init;
    struct survey *survey = v->user;
    if (strcmp(name, "weight") == 0) {
        survey->weight = slot;
        survey->shape = shape;
    }
}

static void survey_child(nn_visitor *v, const char *name, nn_module **slot)
{
    (void)name, (void)slot;
    ((struct survey *)v->user)->children = true;
}

static struct survey survey_of(nn_module *m)
{
    static const nn_visits visits = { .parameter = survey_parameter, .child = survey_child };
    struct survey survey = { NULL, { 0 }, false };
    nn_visit_module(m, &visits, &survey);
    return survey;
}

/* Why the layer cannot be wrapped; NULL if it can. */
static const char *layer_problem(const nn_module *inner, const struct survey *s)
{
    ptrdiff_t slot = (const char *)s->weight - (const char *)inner;
    size_t bytes = inner->type->instance_size;
    return nn_private_of(inner)->parent != NULL ? "is part of another module"
           : inner->initialised                 ? "was initialised before: wrap it first"
           : inner->type->forward == NULL       ? "has a forward of its own, which takes more than one tensor"
           : s->children                        ? "has layers within: wrap those, each by itself"
           : s->weight == NULL                  ? "has no parameter \"weight\""
           : s->shape.ndim < 2                  ? "has a weight that is no matrix"
           : ag_shape_numel(s->shape) < 1       ? "has a weight without elements"
           : bytes > LAYER_BYTES                ? "is too large a struct"
           : slot < 0 || (size_t)slot > bytes - sizeof(ag_tensor) ? "does not hold its weight in its own struct"
                                                : NULL;
}

static const char *config_problem(const nn_spectral_norm_config *c)
{
    return c->made_by_defaults != NN_MADE_BY_DEFAULTS ? "the config did not come from nn_spectral_norm_defaults()"
           : c->iterations < 1                        ? "needs at least 1 iteration"
           : !(c->eps >= 0) || !isfinite(c->eps)      ? "eps must not be negative"
           : c->dim < -1 || c->dim > 1                ? "dim must be 0 or 1, or -1 for the layer's own"
                                                      : NULL;
}

/* Whether it can be made; raises if not. */
static bool possible(const char *function, nn_module *inner, const nn_spectral_norm_config *config, struct survey *survey)
{
    char text[NN_TEXT];
    if (inner == NULL) {
        ag_error_raise(AG_HERE, AG_ERROR_VALUE, "%s: the layer is NULL", function);
        return false;
    }
    if (!nn_usable(AG_HERE, function, inner)) {
        return false;
    }
    const char *problem = config_problem(config);
    if (problem != NULL) {
        ag_error_raise(AG_HERE, AG_ERROR_VALUE, "%s: %s (iterations=%lld, eps=%g, dim=%d)", function, problem,
                       (long long)config->iterations, config->eps, config->dim);
        return false;
    }
    *survey = survey_of(inner);
    problem = layer_problem(inner, survey);
    if (problem != NULL) {
        ag_error_raise(AG_HERE, AG_ERROR_VALUE, "%s: %s %s", function, nn_module_text(inner, text, sizeof(text)), problem);
        return false;
    }
    return true;
}

/* The layer that was handed over goes with a wrapper that cannot be made. */
static nn_module *spectral_new(const char *function, nn_module *inner, nn_spectral_norm_config config)
{
    struct survey survey = { 0 };
    bool good = possible(function, inner, &config, &survey);
    nn_module *m = good ? nn_module_new(&spectral_type) : NULL;
    if (good && !nn_is_nil(m) && nn_adopt(AG_HERE, m, nn_nameless, inner)) {
        struct nn_spectral_norm *self = (struct nn_spectral_norm *)m;
        nn_private_of(inner)->spoken_for = true;
        self->inner = inner;
        self->iterations = config.iterations;
        self->eps = config.eps;
        self->dim = config.dim >= 0 ? config.dim : nn_is_transposed(inner) ? 1 : 0;
        self->slot = (size_t)((char *)survey.weight - (char *)inner);
        self->rows = survey.shape.size[self->dim];
        self->rest = ag_shape_numel(survey.shape) / self->rows;
        return m;
    }
    nn_free(m);
    if (inner != NULL && inner->priv != NULL && nn_private_of(inner)->parent == NULL) {
        nn_free(inner);
    }
    return nn_module_nil(&spectral_type);
}

nn_spectral_norm_config nn_spectral_norm_defaults(void)
{
    return (nn_spectral_norm_config){ .made_by_defaults = NN_MADE_BY_DEFAULTS, .iterations = 1, .eps = 1e-12, .dim = -1 };
}

nn_module *nn_spectral_norm(nn_module *inner)
{
    return spectral_new("nn_spectral_norm", inner, nn_spectral_norm_defaults());
}

nn_module *nn_spectral_norm_with(nn_module *inner, nn_spectral_norm_config config)
{
    return spectral_new("nn_spectral_norm_with", inner, config);
}
