/*
 * Encoder and decoder layers of the Transformer, and stacks of them. Vaswani et al. 2017; norms first as in Xiong et al. 2020.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "internal.h"
#include "layers.h"
#include "transformer_parts.h"

/* ---- a layer ------------------------------------------------------------------------------------------------------------- */

struct nn_transformer_layer {
    nn_module base;
    nn_transformer_config config;
    nn_module *self_attn, *multihead_attn; /* the latter of a decoder */
    nn_module *linear1, *linear2;
    nn_module *norm[3];
    nn_module *dropout[4]; /* of the feed-forward layer, then of the residuals */
};

static const nn_module_type encoder_layer_type, decoder_layer_type, encoder_type, decoder_type;

static void layer_visit(nn_module *m, nn_visitor *v)
{
    struct nn_transformer_layer *self = (struct nn_transformer_layer *)m;
    bool decoder = m->type == &decoder_layer_type;
    nn_visit_child(v, "self_attn", &self->self_attn);
    if (decoder) {
        nn_visit_child(v, "multihead_attn", &self->multihead_attn);
    }
    nn_visit_child(v, "linear1", &self->linear1);
    nn_visit_child(v, "dropout", &self->dropout[0]);
    nn_visit_child(v, "linear2", &self->linear2);
    nn_visit_child(v, "norm1", &self->norm[0]);
    nn_visit_child(v, "norm2", &self->norm[1]);
    if (decoder) {
        nn_visit_child(v, "norm3", &self->norm[2]);
    }
    nn_visit_child(v, "dropout1", &self->dropout[1]);
    nn_visit_child(v, "dropout2", &self->dropout[2]);
    if (decoder) {
        nn_visit_child(v, "dropout3", &self->dropout[3]);
    }
}

static void transformer_describe(const nn_module *m, char *text, size_t bytes);

static ag_tensor feed_forward(const struct nn_transformer_layer *self, ag_tensor x)
{
    ag_tensor hidden = nn_forward(self->linear1, x);
    hidden = self->config.gelu ? ag_gelu(hidden) : ag_relu(hidden);
    return nn_forward(self->linear2, nn_forward(self->dropout[0], hidden));
}

/* One of the parts: attention to x itself, attention to memory, feed-forward. */
enum part { SELF, SOURCE, FEED };

struct inputs {
    ag_tensor memory;
    const nn_attention_options *own, *source;
};

static ag_tensor run_part(const struct nn_transformer_layer *self, enum part part, ag_tensor x, const struct inputs *in)
{
    switch (part) {
    case SELF:
        return nn_attention_forward(self->self_attn, x, x, AG_NONE, in->own);
    case SOURCE:
        return nn_attention_forward(self->multihead_attn, x, in->memory, AG_NONE, in->source);
    case FEED:
        return feed_forward(self, x);
    }
    return AG_NIL;
}

static ag_tensor layer_apply(nn_module *m, ag_tensor x, const struct inputs *in)
{
    const struct nn_transformer_layer *self = (const struct nn_transformer_layer *)m;
    bool decoder = m->type == &decoder_layer_type;
    const enum part parts[] = { SELF, decoder ? SOURCE : FEED, FEED };
    for (int i = 0; i < (decoder ? 3 : 2) && ag_error_code() == AG_OK; i++) {
        ag_tensor y = self->config.norm_first ? nn_forward(self->norm[i], x) : x;
        x = ag_add(x, nn_forward(self->dropout[i + 1], run_part(self, parts[i], y, in)));
        x = self->config.norm_first ? x : nn_forward(self->norm[i], x);
    }
    return x;
}

/* ---- a stack ------------------------------------------------------------------------------------------------------------- */

struct nn_transformer_stack {
    nn_module base;
    nn_transformer_config config;
    nn_module **layer; /* [layers] */
    nn_module *norm;
};

static void stack_visit(nn_module *m, nn_visitor *v)
{
    struct nn_transformer_stack *self = (struct nn_transformer_stack *)m;
    for (int64_t i = 0; i < self->config.layers && self->layer != NULL; i++) {
        char name[32];
        snprintf(name, sizeof(name), "layers.%lld", (long long)i);
        nn_visit_child(v, name, &self->layer[i]);
    }
    if (self->config.final_norm) {
        nn_visit_child(v, "norm", &self->norm);
    }
}

static void stack_release(nn_module *m)
{
    free(((struct nn_transformer_stack *)m)->layer);
}

static bool stack_copy(nn_module *to, const nn_module *from)
{
    const struct nn_transformer_stack *old = (const struct nn_transformer_stack *)from;
    struct nn_transformer_stack *self = (struct nn_transformer_stack *)to;
    self->layer = malloc((size_t)old->config.layers * sizeof(*self->layer));
    for (int64_t i = 0; self->layer != NULL && i < old->config.layers; i++) {
        self->layer[i] = old->layer[i];
    }
    return self->layer != NULL;
}

static ag_tensor call(ag_place where, const char *function, nn_module *m, ag_tensor x, const struct inputs *in);

static ag_tensor stack_apply(ag_place where, const char *function, nn_module *m, ag_tensor x, const struct inputs *in)
{
    const struct nn_transformer_stack *self = (const struct nn_transformer_stack *)m;
    nn_attention_options own = { 0 };
    if (in->own != NULL) {
        own = *in->own;
    }
    if (own.weights != NULL || (in->source != NULL && in->source->weights != NULL)) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: a stack has weights in each of its layers, and cannot give them", function);
        return AG_NIL;
    }
    for (int64_t i = 0; i < self->config.layers && ag_error_code() == AG_OK; i++) {
        struct inputs layer = *in;
        layer.own = &own;
        own.cache = in->own != NULL && in->own->cache != NULL ? in->own->cache + i : NULL;
        x = call(where, function, self->layer[i], x, &layer);
    }
    return self->config.final_norm && ag_error_code() == AG_OK ? nn_forward(self->norm, x) : x;
}

/* ---- calls --------------------------------------------------------------------------------------------------------------- */

static bool is_stack(const nn_module *m)
{
    return m->type == &encoder_type || m->type == &decoder_type;
}

bool nn_transformer_steps_first(const nn_module *m)
{
    /* The config is the first field of layers and stacks. */
    return (m->type == &encoder_layer_type || m->type == &decoder_layer_type || is_stack(m)) &&
           !((const struct nn_transformer_layer *)m)->config.batch_first;
}

static ag_tensor apply(ag_place where, const char *function, nn_module *m, ag_tensor x, const struct inputs *in)
{
    if (in->source != NULL && in->source->cache != NULL) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: the attention to memory has no cache", function);
        return AG_NIL;
    }
    return is_stack(m) ? stack_apply(where, function, m, x, in) : layer_apply(m, x, in);
}

/* The forward of m as a frame, with its label. Weights that a layer's options ask for come out of the frame, too. */
static ag_tensor call(ag_place where, const char *function, nn_module *m, ag_tensor x, const struct inputs *in)
{
    nn_call frame;
    if (!nn_call_begin(&frame, where, function, m)) {
        return AG_NIL;
    }
    ag_tensor results[3] = { apply(where, function, m, x, in), AG_NONE, AG_NONE };
    int count = 1;
    if (in->own != NULL && in->own->weights != NULL) {
        results[count++] = *in->own->weights;
    }
    if (in->source != NULL && in->source->weights != NULL) {
        results[count++] = *in->source->weights;
    }
    nn_call_end(&frame, count, results);
    return results[0];
}

static bool right_type(ag_place where, const char *function, const nn_module *m, const nn_module_type *layer,
                       const nn_module_type *stack, const char *needed)
{
    if (m != NULL && m->type != NULL && !nn_is_nil(m) && m->type != layer && m->type != stack) {
        nn_call_wrong_type(where, function, needed, m);
        return false;
    }
    return true;
}

ag_tensor nn_encoder_forward_at(ag_place where, nn_module *m, ag_tensor x, const nn_attention_options *options)
{
    const char *function = "nn_encoder_forward";
    const struct inputs in = { AG_NONE, options, NULL };
    return right_type(where, function, m, &encoder_layer_type, &encoder_type, "an encoder of a Transformer")
               ? call(where, function, m, x, &in)
               : AG_NIL;
}

ag_tensor nn_decoder_forward_at(ag_place where, nn_module *m, ag_tensor x, ag_tensor memory, const nn_attention_options *own,
                                const nn_attention_options *source)
{
    const char *function = "nn_decoder_forward";
    const struct inputs in = { memory, own, source };
    if (ag_is_none(memory) && ag_error_code() == AG_OK) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: the memory is missing", function);
        return AG_NIL;
    }
    return right_type(where, function, m, &decoder_layer_type, &decoder_type, "a decoder of a Transformer")
               ? call(where, function, m, x, &in)
               : AG_NIL;
}

static ag_tensor encoder_forward(nn_module *m, ag_tensor x)
{
    const struct inputs in = { AG_NONE, NULL, NULL };
    return apply(AG_HERE, "nn_forward", m, x, &in);
}

/* ---- construction -------------------------------------------------------------------------------------------------------- */

#define LAYER_TYPE(label, fwd)                                                                                             \
    {                                                                                                                      \
        .size = sizeof(nn_module_type), .name = label, .instance_size = sizeof(struct nn_transformer_layer),               \
        .visit = layer_visit, .forward = (fwd), .describe = transformer_describe,                                          \
    }
#define STACK_TYPE(label, fwd)                                                                                             \
    {                                                                                                                      \
        .size = sizeof(nn_module_type), .name = label, .instance_size = sizeof(struct nn_transformer_stack),               \
        .visit = stack_visit, .forward = (fwd), .describe = transformer_describe, .release = stack_release,                \
        .copy = stack_copy,                                                                                                \
    }
static const nn_module_type encoder_layer_type = LAYER_TYPE("TransformerEncoderLayer", encoder_forward);
static const nn_module_type decoder_layer_type = LAYER_TYPE("TransformerDecoderLayer", NULL);
static const nn_module_type encoder_type = STACK_TYPE("TransformerEncoder", encoder_forward);
static const nn_module_type decoder_type = STACK_TYPE("TransformerDecoder", NULL);

static void transformer_describe(const nn_module *m, char *text, size_t bytes)
{
    const nn_transformer_config *c = &((const struct nn_transformer_layer *)m)->config;
    char layers[48] = "";
    if (is_stack(m)) {
        snprintf(layers, sizeof(layers), ", layers=%lld", (long long)c->layers);
    }
    snprintf(text, bytes, "%lld, heads=%lld, feedforward=%lld%s%s%s", (long long)c->embed, (long long)c->heads,
             (long long)c->feedforward, layers, c->norm_first ? ", norm_first=True" : "",
             c->batch_first ? ", batch_first=True" : "");
}

nn_transformer_config nn_transformer_defaults(int64_t embed, int64_t heads)
{
    return (nn_transformer_config){ .made_by_defaults = NN_MADE_BY_DEFAULTS,
                                    .embed = embed,
                                    .heads = heads,
                                    .feedforward = 2048,
                                    .dropout = 0.1,
                                    .eps = 1e-5,
                                    .layers = 6 };
}

static bool config_good(const char *function, const nn_transformer_config *c, bool stack)
{
    if (c->made_by_defaults != NN_MADE_BY_DEFAULTS) {
        ag_error_raise(AG_HERE, AG_ERROR_VALUE, "%s: the config was not made by nn_transformer_defaults()", function);
    } else if (c->feedforward < 1 || (stack && (c->layers < 1 || c->layers > 100000))) {
        ag_error_raise(AG_HERE, AG_ERROR_VALUE, "%s: feedforward and layers must be at least 1, got %lld and %lld", function,
                       (long long)c->feedforward, (long long)c->layers);
    } else if (!(c->eps >= 0 && isfinite(c->eps))) {
        ag_error_raise(AG_HERE, AG_ERROR_VALUE, "%s: eps is %g, it must be finite and at least 0", function, c->eps);
    } else if (!stack && c->final_norm) {
        ag_error_raise(AG_HERE, AG_ERROR_VALUE, "%s: final_norm is for a stack", function);
    }
    return ag_error_code() == AG_OK;
}

static nn_module *layer_new(const char *function, const nn_module_type *type, nn_transformer_config c)
{
    nn_attention_config attention = nn_attention_defaults(c.embed, c.heads);
    attention.dropout = c.dropout;
    attention.batch_first = c.batch_first;
    nn_module *first = nn_attention_new(function, attention); /* finds what is wrong with widths, heads and dropout */
    if (ag_error_code() != AG_OK) {
        nn_free(first);
        return nn_module_nil(type);
    }
    bool decoder = type == &decoder_layer_type;
    nn_module *m = nn_module_new(type);
    struct nn_transformer_layer *self = (struct nn_transformer_layer *)m;
    self->config = c;
    self->self_attn = first;
    self->multihead_attn = decoder ? nn_attention_new(function, attention) : NULL;
    self->linear1 = nn_linear(c.embed, c.feedforward);
    self->linear2 = nn_linear(c.feedforward, c.embed);
    for (int i = 0; i < (decoder ? 3 : 2); i++) {
        self->norm[i] = nn_layer_norm_with(AG_SHAPE(c.embed), c.eps);
    }
    for (int i = 0; i < (decoder ? 4 : 3); i++) {
        self->dropout[i] = nn_dropout(c.dropout);
    }
    return m;
}

static nn_module *layer_checked(const char *function, const nn_module_type *type, nn_transformer_config c)
{
    return config_good(function, &c, false) ? layer_new(function, type, c) : nn_module_nil(type);
}

static nn_module *stack_new(const char *function, const nn_module_type *type, const nn_module_type *layer, nn_transformer_config c)
{
    if (!config_good(function, &c, true)) {
        return nn_module_nil(type);
    }
    nn_module **layers = calloc((size_t)c.layers, sizeof(*layers));
    if (layers == NULL) {
        ag_error_raise(AG_HERE, AG_ERROR_MEMORY, "%s: no memory for %lld layers", function, (long long)c.layers);
        return nn_module_nil(type);
    }
    int64_t made = 0;
    for (; made < c.layers && ag_error_code() == AG_OK; made++) {
        layers[made] = layer_new(function, layer, c);
    }
    if (ag_error_code() != AG_OK) {
        for (int64_t i = 0; i < made; i++) {
            nn_free(layers[i]);
        }
        free(layers);
        return nn_module_nil(type);
    }
    nn_module *m = nn_module_new(type);
    struct nn_transformer_stack *self = (struct nn_transformer_stack *)m;
    self->config = c;
    self->layer = layers;
    self->norm = c.final_norm ? nn_layer_norm_with(AG_SHAPE(c.embed), c.eps) : NULL;
    return m;
}

nn_module *nn_transformer_encoder_layer(nn_transformer_config config)
{
    return layer_checked("nn_transformer_encoder_layer", &encoder_layer_type, config);
}

nn_module *nn_transformer_decoder_layer(nn_transformer_config config)
{
    return layer_checked("nn_transformer_decoder_layer", &decoder_layer_type, config);
}

nn_module *nn_transformer_encoder(nn_transformer_config config)
{
    return stack_new("nn_transformer_encoder", &encoder_type, &encoder_layer_type, config);
}

nn_module *nn_transformer_decoder(nn_transformer_config config)
{
    return stack_new("nn_transformer_decoder", &decoder_type, &decoder_layer_type, config);
}
