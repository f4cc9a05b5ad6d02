/*
 * Multi-head attention and its cache. Inside, everything is (batch,steps,…). A sequence that attends to itself stays so, its query,
 * key and value in one tensor; else these are (batch,heads,steps,head). All of it is views, so only the products move numbers.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "init.h"
#include "internal.h"
#include "transformer_parts.h"

struct nn_attention {
    nn_module base;
    nn_attention_config config;
    ag_tensor in_proj_weight;                               /* (3 embed,embed) */
    ag_tensor q_proj_weight, k_proj_weight, v_proj_weight; /* in place of it, if widths differ */
    ag_tensor in_proj_bias;                                 /* (3 embed) */
    ag_tensor out_weight, out_bias;
    ag_rng rng; /* for dropout */
};

static bool one_weight(const nn_attention_config *c)
{
    return c->key == c->embed && c->value == c->embed;
}

static void xavier(ag_tensor w, ag_rng *rng, const nn_module *owner)
{
    (void)owner;
    nn_init_xavier_uniform(w, 1, rng);
}

static void attention_visit(nn_module *m, nn_visitor *v)
{
    struct nn_attention *self = (struct nn_attention *)m;
    const int64_t e = self->config.embed;
    if (one_weight(&self->config)) {
        nn_visit_parameter(v, "in_proj_weight", &self->in_proj_weight, AG_SHAPE(3 * e, e), xavier);
    } else {
        nn_visit_parameter(v, "q_proj_weight", &self->q_proj_weight, AG_SHAPE(e, e), xavier);
        nn_visit_parameter(v, "k_proj_weight", &self->k_proj_weight, AG_SHAPE(e, self->config.key), xavier);
        nn_visit_parameter(v, "v_proj_weight", &self->v_proj_weight, AG_SHAPE(e, self->config.value), xavier);
    }
    if (self->config.bias) {
        nn_visit_parameter(v, "in_proj_bias", &self->in_proj_bias, AG_SHAPE(3 * e), nn_fill_zeros);
    }
    nn_visit_parameter(v, "out_proj.weight", &self->out_weight, AG_SHAPE(e, e), nn_fill_fan_in);
    if (self->config.bias) {
        nn_visit_parameter(v, "out_proj.bias", &self->out_bias, AG_SHAPE(e), nn_fill_zeros);
    }
    nn_visit_rng(v, "rng", &self->rng);
}

static void attention_describe(const nn_module *m, char *text, size_t bytes)
{
    const nn_attention_config *c = &((const struct nn_attention *)m)->config;
    snprintf(text, bytes, "%lld, heads=%lld%s%s", (long long)c->embed, (long long)c->heads, c->bias ? "" : ", bias=False",
             c->batch_first ? ", batch_first=True" : "");
}

/* ---- projections --------------------------------------------------------------------------------------------------------- */

/* Rows of the projection: parts `first` to `first + count` of query, key, value. */
static ag_tensor project(const struct nn_attention *self, ag_tensor x, int first, int count)
{
    const int64_t e = self->config.embed;
    const ag_tensor own[] = { self->q_proj_weight, self->k_proj_weight, self->v_proj_weight };
    bool all = count == 3;
    ag_tensor b = self->config.bias ? self->in_proj_bias : AG_NONE;
    if (!ag_is_none(b) && !all) {
        b = ag_narrow(b, 0, first * e, count * e);
    }
    ag_tensor w = own[first];
    if (one_weight(&self->config)) {
        w = all ? self->in_proj_weight : ag_narrow(self->in_proj_weight, 0, first * e, count * e);
    }
    return ag_linear(x, w, b);
}

/* Part i of a projection (batch,steps,… embed) as (batch,heads,steps,head). */
static ag_tensor heads_of(const struct nn_attention *self, ag_tensor projected, int i)
{
    const int64_t e = self->config.embed, h = self->config.heads;
    ag_tensor part = ag_size(projected, 2) == e ? projected : ag_narrow(projected, 2, i * e, e);
    ag_shape s = ag_shape_of(part);
    return ag_transpose(ag_reshape(part, AG_SHAPE(s.size[0], s.size[1], h, e / h)), 1, 2);
}

/* What is the same tensor is projected by one product. */
static void project_all(const struct nn_attention *self, ag_tensor query, ag_tensor value, ag_tensor key, ag_tensor *q,
                        ag_tensor *k, ag_tensor *v)
{
    bool one = one_weight(&self->config), same = key.id == value.id;
    if (one && same && query.id == value.id) {
        ag_tensor all = project(self, query, 0, 3);
        *q = heads_of(self, all, 0);
        *k = heads_of(self, all, 1);
        *v = heads_of(self, all, 2);
        return;
    }
    *q = heads_of(self, project(self, query, 0, 1), 0);
    if (one && same) {
        ag_tensor both = project(self, value, 1, 2);
        *k = heads_of(self, both, 0);
        *v = heads_of(self, both, 1);
    } else {
        *k = heads_of(self, project(self, key, 1, 1), 0);
        *v = heads_of(self, project(self, value, 2, 1), 0);
    }
}

/* ---- the cache ----------------------------------------------------------------------------------------------------------- */

void nn_kv_cache_drop(nn_kv_cache *cache)
{
    ag_drop(&cache->k);
    ag_drop(&cache->v);
    *cache = (nn_kv_cache){ .k = AG_NONE, .v = AG_NONE };
}

void nn_kv_cache_select_at(ag_place where, nn_kv_cache *cache, ag_tensor from)
{
    ag_tensor *kept[] = { &cache->k, &cache->v };
    for (int i = 0; i < 2 && !ag_is_none(cache->k); i++) {
        ag_frame frame = ag_frame_begin();
        ag_keep_at(where, kept[i], ag_index_select_at(where, *kept[i], 0, from));
        ag_frame_end_n(frame, 0, NULL);
    }
}

/* Copies `steps` steps of (batch,heads,steps,head) into the kept tensor, at step `at`. */
static void write_steps(ag_tensor kept, ag_tensor from, int64_t at)
{
    from = ag_contiguous(from);
    const char *source = ag_data(from);
    char *target = ag_data_mut(kept);
    if (source == NULL || target == NULL) {
        return;
    }
    ag_shape s = ag_shape_of(from), room = ag_shape_of(kept);
    size_t row = (size_t)s.size[3] * ag_dtype_size(ag_dtype_of(from)), bytes = row * (size_t)s.size[2];
    for (int64_t i = 0; i < s.size[0] * s.size[1]; i++) {
        memcpy(target + ((size_t)(i * room.size[2] + at)) * row, source + (size_t)i * bytes, bytes);
    }
}

/* Replaces the kept tensor by one with more room. */
static void grow(ag_tensor *kept, ag_shape like, ag_dtype dtype, int64_t length, int64_t room)
{
    like.size[2] = room;
    ag_tensor larger = ag_leaf(like, dtype, false);
    if (ag_error_code() == AG_OK && length > 0) {
        write_steps(larger, ag_narrow(*kept, 2, 0, length), 0);
    }
    if (ag_error_code() == AG_OK) {
        ag_drop(kept);
        *kept = larger;
    } else {
        ag_drop(&larger);
    }
}

/* Appends k and v, and makes them all steps so far. False after raising. */
static bool cache_append(ag_place where, const char *function, nn_kv_cache *cache, ag_tensor *k, ag_tensor *v)
{
    ag_shape s = ag_shape_of(*k);
    ag_dtype dtype = ag_dtype_of(*k);
    if (ag_requires_grad(*k) || ag_requires_grad(*v)) {
        ag_error_raise(where, AG_ERROR_STATE, "%s: a cache is for generation, in a scope of ag_begin_no_grad()", function);
        return false;
    }
    int64_t length = cache->length, needed = length + s.size[2];
    int64_t most = ag_is_none(cache->k) ? 0 : ag_size(cache->k, 2);
    if (ag_error_code() == AG_OK && (length < 0 || length > most)) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: the cache has a length of %lld and holds at most %lld steps", function,
                       (long long)length, (long long)most);
    }
    if (ag_error_code() != AG_OK) {
        return false;
    }
    if (!ag_is_none(cache->k)) {
        ag_shape held = ag_shape_of(cache->k);
        char text[AG_SHAPE_TEXT], other[AG_SHAPE_TEXT];
        if (held.size[0] != s.size[0] || held.size[1] != s.size[1] || held.size[3] != s.size[3] ||
            ag_dtype_of(cache->k) != dtype) {
            ag_error_raise(where, AG_ERROR_SHAPE, "%s: the cache holds keys %s, which do not go on with %s", function,
                           ag_shape_format(held, text, sizeof(text)), ag_shape_format(s, other, sizeof(other)));
            return false;
        }
    }
    int64_t room = ag_is_none(cache->k) ? 0 : ag_size(cache->k, 2);
    if (needed > room) {
        room = needed > room + room / 2 ? needed : room + room / 2;
        room = room < 16 ? 16 : room;
        grow(&cache->k, s, dtype, length, room);
        grow(&cache->v, s, dtype, length, room);
    }
    if (ag_error_code() == AG_OK) {
        write_steps(cache->k, *k, length);
        write_steps(cache->v, *v, length);
    }
    if (ag_error_code() != AG_OK) {
        return false;
    }
    cache->length = needed;
    *k = ag_narrow(cache->k, 2, 0, needed);
    *v = ag_narrow(cache->v, 2, 0, needed);
    return true;
}

/* ---- masks --------------------------------------------------------------------------------------------------------------- */

/* A mask in PyTorch's sense (not 0: hidden), as numbers that are added. */
static ag_tensor as_numbers(ag_tensor mask, ag_dtype dtype)
{
    return ag_dtype_of(mask) == AG_UINT8 ? ag_masked_fill(ag_zeros(ag_shape_of(mask), dtype), mask, -INFINITY) : mask;
}

static bool mask_good(ag_place where, const char *function, const char *name, ag_tensor mask, bool fits, const char *needed)
{
    char text[AG_SHAPE_TEXT];
    if (!fits) {
        ag_error_raise(where, AG_ERROR_SHAPE, "%s: %s is %s, it must be %s", function, name,
                       ag_shape_format(ag_shape_of(mask), text, sizeof(text)), needed);
    }
    return fits;
}

static bool mask_type_good(ag_place where, const char *function, const char *name, ag_tensor mask, ag_dtype other)
{
    ag_dtype dtype = ag_dtype_of(mask);
    if (ag_error_code() == AG_OK && dtype != AG_UINT8 && dtype != other) {
        ag_error_raise(where, AG_ERROR_DTYPE, "%s: %s is %s, it must be uint8 or %s", function, name, ag_dtype_name(dtype),
                       ag_dtype_name(other));
    }
    return ag_error_code() == AG_OK;
}

/* Both masks as one, for scores (n,h,l,s); false after raising. */
static bool join_masks(ag_place where, const char *function, const nn_attention_options *o, ag_shape scores, ag_dtype dtype,
                       bool alone, ag_tensor *joined)
{
    const int64_t n = scores.size[0], h = scores.size[1], l = scores.size[2], s = scores.size[3];
    ag_tensor mask = o->mask, padding = o->key_padding;
    char needed[160];
    if (!ag_is_none(mask)) {
        ag_shape shape = ag_shape_of(mask);
        snprintf(needed, sizeof(needed), "(%lld,%lld) or (%lld,%lld,%lld)", (long long)l, (long long)s, (long long)(n * h),
                 (long long)l, (long long)s);
        bool two = ag_shape_equal(shape, AG_SHAPE(l, s)), three = ag_shape_equal(shape, AG_SHAPE(n * h, l, s));
        if (!mask_good(where, function, "the mask", mask, two || three, needed) ||
            !mask_type_good(where, function, "the mask", mask, dtype)) {
            return false;
        }
        mask = three && !two ? ag_reshape(mask, AG_SHAPE(n, h, l, s)) : mask;
    }
    if (!ag_is_none(padding)) {
        ag_shape shape = ag_shape_of(padding);
        if (alone) {
            snprintf(needed, sizeof(needed), "(%lld)", (long long)s);
        } else {
            snprintf(needed, sizeof(needed), "(%lld,%lld)", (long long)n, (long long)s);
        }
        bool fits = alone ? ag_shape_equal(shape, AG_SHAPE(s)) : ag_shape_equal(shape, AG_SHAPE(n, s));
        if (!mask_good(where, function, "key_padding", padding, fits, needed) ||
            !mask_type_good(where, function, "key_padding", padding, dtype)) {
            return false;
        }
        padding = ag_reshape(padding, AG_SHAPE(n, 1, 1, s));
    }
    if (ag_is_none(mask) && ag_is_none(padding)) {
        *joined = AG_NONE;
    } else if (ag_is_none(mask) || ag_is_none(padding)) {
        ag_tensor one = ag_is_none(mask) ? padding : mask;
        *joined = ag_dtype_of(one) == AG_UINT8 ? ag_logical_not(one) : one;
    } else if (ag_dtype_of(mask) == AG_UINT8 && ag_dtype_of(padding) == AG_UINT8) {
        *joined = ag_logical_not(ag_logical_or(mask, padding));
    } else {
        *joined = ag_add(as_numbers(mask, dtype), as_numbers(padding, dtype));
    }
    return ag_error_code() == AG_OK;
}

/* ---- forward ------------------------------------------------------------------------------------------------------------- */

/* x as (batch,steps,…) */
static ag_tensor batched(const struct nn_attention *self, ag_tensor x, bool alone)
{
    return alone ? ag_unsqueeze(x, 0) : self->config.batch_first ? x : ag_transpose(x, 0, 1);
}

static bool inputs_fit(ag_place where, const char *function, const struct nn_attention *self, ag_tensor query, ag_tensor value,
                       ag_tensor key)
{
    const nn_attention_config *c = &self->config;
    if (ag_is_none(query) || ag_is_none(value)) {
        char text[NN_TEXT];
        ag_error_raise(where, AG_ERROR_VALUE, "%s: %s: the %s is missing", function,
                       nn_module_text(&self->base, text, sizeof(text)), ag_is_none(query) ? "query" : "value");
        return false;
    }
    ag_shape q = ag_shape_of(query), v = ag_shape_of(value), k = ag_shape_of(key);
    if (ag_error_code() != AG_OK) {
        return false;
    }
    const int steps = q.ndim == 3 && c->batch_first ? 1 : 0;
    bool fits = (q.ndim == 2 || q.ndim == 3) && v.ndim == q.ndim && k.ndim == q.ndim;
    fits = fits && q.size[q.ndim - 1] == c->embed && v.size[q.ndim - 1] == c->value && k.size[q.ndim - 1] == c->key &&
           k.size[steps] == v.size[steps];
    if (fits && q.ndim == 3) {
        fits = q.size[1 - steps] == v.size[1 - steps] && q.size[1 - steps] == k.size[1 - steps];
    }
    bool empty = fits && (q.size[steps] == 0 || k.size[steps] == 0);
    if (!fits || empty) {
        char text[NN_TEXT], tq[AG_SHAPE_TEXT], tv[AG_SHAPE_TEXT], tk[AG_SHAPE_TEXT];
        ag_error_raise(where, AG_ERROR_SHAPE, "%s: %s needs %s of widths %lld, %lld and %lld, got query %s, value %s and key %s%s",
                       function, nn_module_text(&self->base, text, sizeof(text)),
                       c->batch_first ? "(batch,steps,width)" : "(steps,batch,width)", (long long)c->embed, (long long)c->value,
                       (long long)c->key, ag_shape_format(q, tq, sizeof(tq)), ag_shape_format(v, tv, sizeof(tv)),
                       ag_shape_format(k, tk, sizeof(tk)), empty ? ": there are no steps" : "");
    }
    return fits && !empty;
}

/* The heads of (batch,heads,steps,head) side by side again; the weights, if they are asked for. */
static ag_tensor attend(const nn_attention_options *o, ag_tensor q, ag_tensor k, ag_tensor v, ag_tensor mask,
                        ag_attention_config config, bool alone)
{
    ag_tensor weights, y = ag_scaled_dot_product_attention(q, k, v, mask, config, o->weights != NULL ? &weights : NULL);
    if (ag_error_code() != AG_OK) {
        return AG_NIL;
    }
    if (o->weights != NULL) {
        weights = o->weights_by_head ? weights : ag_mean_dims(weights, AG_DIMS(1), false);
        *o->weights = alone ? ag_squeeze(weights, 0) : weights;
    }
    const ag_shape s = ag_shape_of(y);
    return ag_reshape(ag_transpose(y, 1, 2), AG_SHAPE(s.size[0], s.size[2], s.size[1] * s.size[3]));
}

ag_tensor nn_attention_apply(ag_place where, const char *function, nn_module *m, ag_tensor query, ag_tensor value, ag_tensor key,
                             const nn_attention_options *options)
{
    static const nn_attention_options none = { 0 };
    struct nn_attention *self = (struct nn_attention *)m;
    const nn_attention_options *o = options != NULL ? options : &none;
    key = ag_is_none(key) ? value : key;
    if (ag_error_code() != AG_OK || !inputs_fit(where, function, self, query, value, key)) {
        return AG_NIL;
    }
    bool alone = ag_ndim(query) == 2, self_attention = query.id == value.id && key.id == value.id;
    ag_tensor x = batched(self, query, alone), from = self_attention ? x : batched(self, value, alone);
    ag_tensor other = key.id == value.id ? from : batched(self, key, alone), q, k, v, mask;
    ag_attention_config c = ag_attention_defaults();
    c.causal = o->causal;
    c.causal_shift = o->cache != NULL ? o->cache->length : 0;
    if (m->training && self->config.dropout > 0) {
        c.dropout = self->config.dropout;
        c.rng = &self->rng;
    }
    const bool packed = self_attention && one_weight(&self->config) && o->cache == NULL && o->weights == NULL && c.dropout == 0;
    if (packed) {
        q = project(self, x, 0, 3); /* and k and v */
    } else {
        project_all(self, x, from, other, &q, &k, &v);
    }
    const ag_shape scores = AG_SHAPE(ag_size(x, 0), self->config.heads, ag_size(x, 1), c.causal_shift + ag_size(from, 1));
    /* The cache comes last: a mistake leaves it as it was. */
    if (ag_error_code() != AG_OK || !join_masks(where, function, o, scores, ag_dtype_of(q), alone, &mask) ||
        (o->cache != NULL && !cache_append(where, function, o->cache, &k, &v))) {
        return AG_NIL;
    }
    ag_tensor y = packed ? ag_packed_attention(q, self->config.heads, mask, c) : attend(o, q, k, v, mask, c, alone);
    y = ag_linear(y, self->out_weight, self->config.bias ? self->out_bias : AG_NONE);
    return alone ? ag_squeeze(y, 0) : self->config.batch_first ? y : ag_transpose(y, 0, 1);
}

static ag_tensor attention_forward(nn_module *m, ag_tensor x)
{
    return nn_attention_apply(AG_HERE, "nn_forward", m, x, x, AG_NONE, NULL);
}

const nn_module_type nn_attention_type = {
    .size = sizeof(nn_module_type),
    .name = "MultiheadAttention",
    .instance_size = sizeof(struct nn_attention),
    .visit = attention_visit,
    .forward = attention_forward,
    .describe = attention_describe,
};

ag_tensor nn_attention_forward_at(ag_place where, nn_module *m, ag_tensor query, ag_tensor value, ag_tensor key,
                                  const nn_attention_options *options)
{
    const char *function = "nn_attention_forward";
    nn_call call;
    if (m != NULL && m->type != NULL && !nn_is_nil(m) && m->type != &nn_attention_type) {
        nn_call_wrong_type(where, function, "a MultiheadAttention", m);
        return AG_NIL;
    }
    ag_tensor *weights = options != NULL ? options->weights : NULL;
    if (weights != NULL) {
        *weights = AG_NIL;
    }
    if (!nn_call_begin(&call, where, function, m)) {
        return AG_NIL;
    }
    ag_tensor results[2] = { nn_attention_apply(where, function, m, query, value, key, options), AG_NONE };
    results[1] = weights != NULL ? *weights : AG_NONE;
    nn_call_end(&call, weights != NULL ? 2 : 1, results);
    return results[0];
}

/* ---- construction -------------------------------------------------------------------------------------------------------- */

nn_attention_config nn_attention_defaults(int64_t embed, int64_t heads)
{
    return (nn_attention_config){
        .made_by_defaults = NN_MADE_BY_DEFAULTS, .embed = embed, .heads = heads, .key = embed, .value = embed, .bias = true
    };
}

bool nn_attention_steps_first(const nn_module *m)
{
    return m->type == &nn_attention_type && !((const struct nn_attention *)m)->config.batch_first;
}

nn_module *nn_attention_new(const char *function, nn_attention_config c)
{
    if (c.made_by_defaults != NN_MADE_BY_DEFAULTS) {
        ag_error_raise(AG_HERE, AG_ERROR_VALUE, "%s: the config was not made by its defaults function", function);
    } else if (c.embed < 1 || c.heads < 1 || c.key < 1 || c.value < 1) {
        ag_error_raise(AG_HERE, AG_ERROR_VALUE, "%s: widths and heads must be at least 1, got embed=%lld, heads=%lld, key=%lld, "
                       "value=%lld", function, (long long)c.embed, (long long)c.heads, (long long)c.key, (long long)c.value);
    } else if (c.embed % c.heads != 0) {
        ag_error_raise(AG_HERE, AG_ERROR_VALUE, "%s: embed %lld is not a multiple of %lld heads", function, (long long)c.embed,
                       (long long)c.heads);
    } else if (!(c.dropout >= 0 && c.dropout <= 1)) {
        ag_error_raise(AG_HERE, AG_ERROR_VALUE, "%s: dropout is %g, it must be from 0 to 1", function, c.dropout);
    }
    if (ag_error_code() != AG_OK) {
        return nn_module_nil(&nn_attention_type);
    }
    nn_module *m = nn_module_new(&nn_attention_type);
    ((struct nn_attention *)m)->config = c;
    return m;
}

nn_module *nn_multihead_attention(int64_t embed, int64_t heads)
{
    return nn_attention_new("nn_multihead_attention", nn_attention_defaults(embed, heads));
}

nn_module *nn_multihead_attention_with(nn_attention_config config)
{
    return nn_attention_new("nn_multihead_attention_with", config);
}
