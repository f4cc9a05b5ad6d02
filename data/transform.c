/*
 * Transforms: making and composing them, sets seen through them, batches through them and back.
 * Knows nothing of what a transform computes.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/error_internal.h"
#include "data/internal.h"
#include "data/transform_internal.h"

static data_transform nil_transform;

data_transform *data_transform_nil(void)
{
    return &nil_transform;
}

static bool is_nil(const data_transform *t)
{
    return t == NULL || t == &nil_transform;
}

/* ---- making ---------------------------------------------------------------------------------- */

static data_transform *transform_alloc(ag_place where, const char *function, int inner)
{
    data_transform *t = calloc(1, sizeof *t + (size_t)inner * sizeof t->inner[0]);
    if (t == NULL) {
        ag_error_raise(where, AG_ERROR_MEMORY, "%s: out of memory", function);
        return &nil_transform;
    }
    atomic_init(&t->holders, 1);
    return t;
}

data_transform *data_transform_make(ag_place where, const char *function,
                                    const data_transform_type *type, void *state, ag_rng *rng)
{
    data_transform *t = &nil_transform;
    if (ag_error_code() == AG_OK && type->random && rng == NULL) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: a random transform needs a generator", function);
    } else if (ag_error_code() == AG_OK) {
        t = transform_alloc(where, function, 0);
    }
    if (is_nil(t)) {
        if (type->release != NULL) {
            type->release(state);
        }
        return t;
    }
    t->type = *type;
    t->state = state;
    t->key = type->random ? ag_rng_split(rng).key : 0;
    return t;
}

data_transform *data_transform_new_at(ag_place where, const data_transform_type *type, void *state,
                                      ag_rng *rng)
{
    if (type == NULL || type->size != sizeof *type || type->apply == NULL) {
        ag_error_raise(where, AG_ERROR_VALUE,
                       "data_transform_new: the type needs size = sizeof(data_transform_type) and "
                       "an apply function");
        return &nil_transform;
    }
    return data_transform_make(where, "data_transform_new", type, state, rng);
}

data_transform *data_transform_share(data_transform *transform)
{
    if (!is_nil(transform)) {
        atomic_fetch_add_explicit(&transform->holders, 1, memory_order_relaxed);
    }
    return transform;
}

void data_transform_free(data_transform *transform)
{
    if (is_nil(transform) ||
        atomic_fetch_sub_explicit(&transform->holders, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (int i = 0; i < transform->n_inner; i++) {
        data_transform_free(transform->inner[i]);
    }
    if (transform->type.release != NULL) {
        transform->type.release(transform->state);
    }
    free(transform);
}

data_transform *data_compose_at(ag_place where, int n, data_transform *const *transforms)
{
    if (ag_error_code() != AG_OK) {
        return &nil_transform;
    }
    if (n < 1 || transforms == NULL) {
        ag_error_raise(where, AG_ERROR_VALUE, "data_compose: %d transforms%s", n,
                       transforms == NULL ? ", and the array is NULL" : "");
        return &nil_transform;
    }
    int all = 0; /* compositions inside are taken apart */
    for (int i = 0; i < n; i++) {
        if (is_nil(transforms[i])) {
            ag_error_raise(where, AG_ERROR_VALUE, "data_compose: there is no transform %d", i);
            return &nil_transform;
        }
        all += transforms[i]->n_inner > 0 ? transforms[i]->n_inner : 1;
    }
    data_transform *t = transform_alloc(where, "data_compose", all);
    for (int i = 0; i < n && !is_nil(t); i++) {
        data_transform *one = transforms[i];
        for (int j = 0; j < one->n_inner; j++) {
            t->inner[t->n_inner++] = data_transform_share(one->inner[j]);
        }
        if (one->n_inner == 0) {
            t->inner[t->n_inner++] = data_transform_share(one);
        }
    }
    return t;
}

/* ---- chains: transforms of samples of a known form --------------------------------------------- */

struct stage {
    const data_transform *transform;
    data_form in, out;
};

struct chain {
    int n;
    struct stage *stage;
    size_t between; /* bytes of the largest sample between two stages */
};

static size_t form_bytes(data_form form)
{
    return (size_t)ag_shape_numel(form.shape) * ag_dtype_size(form.dtype);
}

static bool form_equal(data_form a, data_form b)
{
    return a.dtype == b.dtype && ag_shape_equal(a.shape, b.shape);
}

/* Whether a sample can have this form; raises if not. */
static bool form_fits(const char *function, const data_transform *t, data_form form)
{
    int64_t numel = ag_shape_numel(form.shape);
    bool known = form.dtype == AG_FLOAT32 || form.dtype == AG_FLOAT64 || form.dtype == AG_INT64 ||
                 form.dtype == AG_UINT8;
    if (!known || form.shape.ndim >= AG_MAX_DIMS || numel < 1 || numel > INT64_MAX / 16) {
        char text[AG_SHAPE_TEXT];
        ag_error_raise(ag_caller(), AG_ERROR_SHAPE,
                       "%s: %s makes samples of type %d and shape %s, which cannot be", function,
                       t->type.name != NULL ? t->type.name : "a transform", (int)form.dtype,
                       ag_shape_format(form.shape, text, sizeof text));
        return false;
    }
    return true;
}

/* Asks each transform what it makes of what comes in. False after an error. */
static bool chain_build(ag_place where, const char *function, data_transform *t, data_form form,
                        struct chain *chain)
{
    chain->n = t->n_inner > 0 ? t->n_inner : 1;
    chain->between = 0;
    chain->stage = calloc((size_t)chain->n, sizeof *chain->stage);
    if (chain->stage == NULL) {
        ag_error_raise(where, AG_ERROR_MEMORY, "%s: out of memory", function);
        return false;
    }
    ag_place before = ag_caller_set(where);
    bool good = true;
    for (int i = 0; i < chain->n && good; i++) {
        const data_transform *one = t->n_inner > 0 ? t->inner[i] : t;
        struct stage *stage = &chain->stage[i];
        *stage = (struct stage){ one, form, form };
        if (one->type.form != NULL && one->type.form(one->state, form, &stage->out) != AG_OK &&
            ag_error_code() == AG_OK) {
            char text[AG_SHAPE_TEXT];
            ag_error_raise(where, AG_ERROR_SHAPE, "%s: %s does not take %s of shape %s", function,
                           one->type.name != NULL ? one->type.name : "the transform",
                           ag_dtype_name(form.dtype),
                           ag_shape_format(form.shape, text, sizeof text));
        }
        good = ag_error_code() == AG_OK && form_fits(function, one, stage->out);
        form = stage->out;
        if (good && i < chain->n - 1 && form_bytes(form) > chain->between) {
            chain->between = form_bytes(form);
        }
    }
    ag_caller_set(before);
    if (!good) {
        free(chain->stage);
        chain->stage = NULL;
    }
    return good;
}

static data_form chain_out(const struct chain *chain)
{
    return chain->stage[chain->n - 1].out;
}

/* Note [Randomness of a sample]. Its generator is a function of the transform's seed, the epoch and
 * the index: two steps of splitting at a counter that is not counted but set. Which thread reads the
 * sample, and what was read before, cannot matter. */
static ag_rng sample_rng(uint64_t key, int64_t epoch, int64_t i)
{
    ag_rng rng = { key, (uint64_t)epoch };
    rng = ag_rng_split(&rng);
    rng.counter = (uint64_t)i;
    return ag_rng_split(&rng);
}

/* The form of a sample with this length after stage `last`, out of what each transform says of it;
 * false after an error. Nothing may become larger than it does of the longest sample: there is no
 * room for it. */
static bool chain_form(const struct chain *chain, int last, int64_t length, data_form *form)
{
    *form = chain->stage[0].in;
    form->shape.size[0] = length;
    for (int i = 0; i <= last; i++) {
        const struct stage *stage = &chain->stage[i];
        data_form in = *form;
        if (stage->transform->type.form != NULL &&
            stage->transform->type.form(stage->transform->state, in, form) != AG_OK &&
            ag_error_code() == AG_OK) {
            ag_error_raise(
                ag_caller(), AG_ERROR_SHAPE, "%s does not take a sample of length %" PRId64,
                stage->transform->type.name != NULL ? stage->transform->type.name : "the transform",
                length);
        }
        if (ag_error_code() == AG_OK &&
            (form->dtype != stage->out.dtype || form->shape.ndim != stage->out.shape.ndim ||
             form_bytes(*form) > form_bytes(stage->out))) {
            ag_error_raise(ag_caller(), AG_ERROR_SHAPE,
                           "%s makes more of a sample of length %" PRId64 " than of the longest",
                           stage->transform->type.name != NULL ? stage->transform->type.name
                                                               : "the transform",
                           length);
        }
        if (ag_error_code() != AG_OK) {
            return false;
        }
    }
    return true;
}

/* `between`: two places of chain->between bytes. `length`: of a sample of those that vary; else 0. */
static ag_error chain_run(const struct chain *chain, const void *in, void *out, char *between,
                          int64_t epoch, int64_t sample, int64_t length)
{
    data_form form = chain->stage[0].in;
    for (int i = 0; i < chain->n; i++) {
        const struct stage *stage = &chain->stage[i];
        void *to = i == chain->n - 1 ? out : between + (size_t)(i % 2) * chain->between;
        const data_transform_type *type = &stage->transform->type;
        ag_rng rng = { 0, 0 };
        if (type->random) {
            rng = sample_rng(stage->transform->key, epoch, sample);
        }
        if (length == 0) {
            form = stage->in;
        } else if (i == 0) {
            form.shape.size[0] = length;
        } else if (!chain_form(chain, i - 1, length, &form)) {
            return ag_error_code();
        }
        ag_error error =
            type->apply(stage->transform->state, form, in, to, type->random ? &rng : NULL);
        if (error != AG_OK || ag_error_code() != AG_OK) {
            return error != AG_OK ? error : ag_error_code();
        }
        in = to;
    }
    return AG_OK;
}

/* ---- sets through a transform ------------------------------------------------------------------ */

/* Scratch memory is handed from one read to the next, so that no sample needs an allocation: as many
 * blocks as threads read at a time, up to BLOCKS. */
enum { BLOCKS = 64 };

struct through {
    data_set *of;
    data_transform *transform;
    bool targets;
    struct chain chain;
    size_t in_bytes; /* of what the chain takes */
    _Atomic(char *) block[BLOCKS];
};

static char *block_take(struct through *self)
{
    for (int i = 0; i < BLOCKS; i++) {
        if (atomic_load_explicit(&self->block[i], memory_order_relaxed) != NULL) {
            char *block = atomic_exchange_explicit(&self->block[i], NULL, memory_order_acquire);
            if (block != NULL) {
                return block;
            }
        }
    }
    return malloc(self->in_bytes + 2 * self->chain.between);
}

static void block_give(struct through *self, char *block)
{
    for (int i = 0; i < BLOCKS; i++) {
        char *none = NULL;
        if (atomic_compare_exchange_strong_explicit(&self->block[i], &none, block,
                                                    memory_order_release, memory_order_relaxed)) {
            return;
        }
    }
    free(block);
}

static ag_error through_read(void *state, int64_t epoch, int64_t i, void *x, void *y)
{
    struct through *self = state;
    char *block = block_take(self);
    if (block == NULL) {
        return ag_error_raise(ag_caller(), AG_ERROR_MEMORY, "a transform: out of memory");
    }
    ag_error error =
        data_set_copy(self->of, epoch, i, self->targets ? x : block, self->targets ? block : y);
    bool varies = self->targets ? self->of->y_varies : self->of->x_varies;
    int64_t length = 0;
    if (error == AG_OK && varies) {
        length = self->targets ? data_set_y_length(self->of, i) : data_set_x_length(self->of, i);
        data_form out;
        if (!chain_form(&self->chain, self->chain.n - 1, length, &out)) {
            error = ag_error_code();
        }
    }
    if (error == AG_OK) {
        error = chain_run(&self->chain, block, self->targets ? y : x, block + self->in_bytes, epoch,
                          i, length);
    }
    block_give(self, block);
    return error;
}

/* What the chain makes of a length. An error here is one when the sample is read, and told then. */
static int64_t length_through(const struct through *self, int64_t length)
{
    data_form out;
    bool before = ag_error_capture(true);
    bool good = chain_form(&self->chain, self->chain.n - 1, length, &out);
    ag_error_capture(before);
    if (!good) {
        ag_error_clear();
    }
    return good ? out.shape.size[0] : length;
}

static int64_t through_x_length(void *state, int64_t i)
{
    const struct through *self = state;
    int64_t length = data_set_x_length(self->of, i);
    return self->targets ? length : length_through(self, length);
}

static int64_t through_y_length(void *state, int64_t i)
{
    const struct through *self = state;
    int64_t length = data_set_y_length(self->of, i);
    return self->targets ? length_through(self, length) : length;
}

static void through_release(void *state)
{
    struct through *self = state;
    for (int i = 0; i < BLOCKS; i++) {
        free(atomic_load(&self->block[i]));
    }
    free(self->chain.stage);
    data_set_free(self->of);
    data_transform_free(self->transform);
    free(self);
}

static const data_set_type through_type = { .size = sizeof(data_set_type),
                                            .name = "transformed",
                                            .release = through_release,
                                            .read_epoch = through_read };

static data_set *through_make(ag_place where, const char *function, data_set *set,
                              data_transform *transform, bool targets)
{
    if (ag_error_code() != AG_OK) {
        return data_set_nil();
    }
    if (data_set_is_nil(set) || is_nil(transform)) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: there is no %s", function,
                       data_set_is_nil(set) ? "set" : "transform");
        return data_set_nil();
    }
    struct through *self = calloc(1, sizeof *self);
    if (self == NULL) {
        ag_error_raise(where, AG_ERROR_MEMORY, "%s: out of memory", function);
        return data_set_nil();
    }
    data_form in = { targets ? set->y_shape : set->x_shape, targets ? set->y_dtype : set->x_dtype };
    if (!chain_build(where, function, transform, in, &self->chain)) {
        free(self);
        return data_set_nil();
    }
    self->of = data_set_share(set);
    self->transform = data_transform_share(transform);
    self->targets = targets;
    self->in_bytes = (form_bytes(in) + 63) / 64 * 64;
    self->chain.between = (self->chain.between + 63) / 64 * 64;
    data_form out = chain_out(&self->chain);
    data_set_type type = through_type;
    type.x_length = set->x_varies ? through_x_length : NULL;
    type.y_length = set->y_varies ? through_y_length : NULL;
    data_set *made =
        data_set_make(where, function, &type, self, set->n, targets ? set->x_shape : out.shape,
                      targets ? set->x_dtype : out.dtype, targets ? out.shape : set->y_shape,
                      targets ? out.dtype : set->y_dtype);
    for (int s = 0; !data_set_is_nil(made) && s < self->chain.n; s++) {
        made->augmented = made->augmented || self->chain.stage[s].transform->type.random;
    }
    if (!data_set_is_nil(made)) {
        made->augmented = made->augmented || set->augmented;
    }
    if (!data_set_is_nil(made) && form_equal(in, out)) {
        made->info = data_info_share(set->info);
    }
    return made;
}

data_set *data_transform_x_at(ag_place where, data_set *set, data_transform *transform)
{
    return through_make(where, "data_transform_x", set, transform, false);
}

data_set *data_transform_y_at(ag_place where, data_set *set, data_transform *transform)
{
    return through_make(where, "data_transform_y", set, transform, true);
}

/* ---- batches through a transform --------------------------------------------------------------- */

/* Whether every stage can be undone; raises if not. */
static bool chain_inverts(ag_place where, const char *function, const struct chain *chain)
{
    for (int i = 0; i < chain->n; i++) {
        const struct stage *stage = &chain->stage[i];
        if (stage->transform->type.invert == NULL || !form_equal(stage->in, stage->out)) {
            ag_error_raise(where, AG_ERROR_VALUE, "%s: %s cannot be inverted", function,
                           stage->transform->type.name != NULL ? stage->transform->type.name
                                                               : "the transform");
            return false;
        }
    }
    return true;
}

static bool chain_certain(ag_place where, const char *function, const struct chain *chain)
{
    for (int i = 0; i < chain->n; i++) {
        const data_transform_type *type = &chain->stage[i].transform->type;
        if (type->random) {
            ag_error_raise(where, AG_ERROR_VALUE,
                           "%s: %s is random: it is applied when a sample of a set is read",
                           function, type->name != NULL ? type->name : "the transform");
            return false;
        }
    }
    return true;
}

static ag_error chain_invert(const struct chain *chain, const void *in, void *out, char *between)
{
    for (int i = chain->n - 1; i >= 0; i--) {
        const struct stage *stage = &chain->stage[i];
        void *to = i == 0 ? out : between + (size_t)(i % 2) * chain->between;
        ag_error error = stage->transform->type.invert(stage->transform->state, stage->in, in, to);
        if (error != AG_OK || ag_error_code() != AG_OK) {
            return error != AG_OK ? error : ag_error_code();
        }
        in = to;
    }
    return AG_OK;
}

static ag_tensor batch_through(ag_place where, const char *function, const struct chain *chain,
                               ag_tensor batch, bool invert)
{
    ag_shape shape = ag_shape_of_at(where, batch);
    data_form in = chain->stage[0].in, out = invert ? in : chain_out(chain);
    size_t in_bytes = form_bytes(in), out_bytes = form_bytes(out);
    size_t n = (size_t)shape.size[0], room = SIZE_MAX / 4 / (in_bytes + out_bytes);
    char *from = n <= room ? malloc(n * in_bytes + 1) : NULL;
    char *to = n <= room ? malloc(n * out_bytes + 1) : NULL;
    char *between = malloc(2 * chain->between + 1);
    ag_tensor result = AG_NIL;
    if (from == NULL || to == NULL || between == NULL) {
        ag_error_raise(where, AG_ERROR_MEMORY, "%s: out of memory", function);
    } else if (ag_read_at(where, batch, from, ag_shape_numel(shape)) == AG_OK) {
        ag_place before = ag_caller_set(where);
        ag_error error = AG_OK;
        for (size_t i = 0; i < n && error == AG_OK; i++) {
            error = invert ? chain_invert(chain, from + i * in_bytes, to + i * out_bytes, between)
                           : chain_run(chain, from + i * in_bytes, to + i * out_bytes, between, 0,
                                       0, 0);
        }
        ag_caller_set(before);
        if (error != AG_OK && ag_error_code() == AG_OK) {
            ag_error_raise(where, error, "%s: %s without a message", function,
                           ag_error_name(error));
        }
        ag_shape made = { .ndim = out.shape.ndim + 1, .size = { shape.size[0] } };
        memcpy(made.size + 1, out.shape.size, (size_t)out.shape.ndim * sizeof made.size[0]);
        result = ag_error_code() == AG_OK ? ag_from_at(where, made, out.dtype, to) : AG_NIL;
    }
    free(between);
    free(to);
    free(from);
    return result;
}

static ag_tensor transform_batch(ag_place where, const char *function, data_transform *transform,
                                 ag_tensor batch, bool invert)
{
    if (ag_error_code() != AG_OK) {
        return AG_NIL;
    }
    if (is_nil(transform)) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: there is no transform", function);
        return AG_NIL;
    }
    ag_shape shape = ag_shape_of_at(where, batch);
    ag_dtype dtype = ag_dtype_of_at(where, batch);
    if (ag_error_code() != AG_OK) {
        return AG_NIL;
    }
    data_form form = { .shape = { .ndim = shape.ndim - 1 }, .dtype = dtype };
    if (shape.ndim < 1 || ag_shape_numel(shape) < 1) {
        char text[AG_SHAPE_TEXT];
        ag_error_raise(where, AG_ERROR_SHAPE, "%s: a batch has the shape (n, …), not %s", function,
                       ag_shape_format(shape, text, sizeof text));
        return AG_NIL;
    }
    memcpy(form.shape.size, shape.size + 1, (size_t)form.shape.ndim * sizeof shape.size[0]);
    struct chain chain;
    ag_tensor result = AG_NIL;
    if (chain_build(where, function, transform, form, &chain)) {
        if (invert ? chain_inverts(where, function, &chain)
                   : chain_certain(where, function, &chain)) {
            result = batch_through(where, function, &chain, batch, invert);
        }
        free(chain.stage);
    }
    return result;
}

ag_tensor data_transform_apply_at(ag_place where, data_transform *transform, ag_tensor batch)
{
    return transform_batch(where, "data_transform_apply", transform, batch, false);
}

ag_tensor data_transform_invert_at(ag_place where, data_transform *transform, ag_tensor batch)
{
    return transform_batch(where, "data_transform_invert", transform, batch, true);
}
