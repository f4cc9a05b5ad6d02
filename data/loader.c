/*
 * The loader: batches of a set, in the order of a sampler, prepared ahead by threads of its own. Knows
 * sets through their read function only, and nothing of files.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/leaf.h"
#include "data/loader_internal.h"

/* Batches of a quick set up to QUICK_BYTES are read sooner than a thread can be asked for them:
 * handing one over costs the user's thread about 4 us, copying that many bytes about 1. */
enum {
    MADE_BY_DEFAULTS = 0x64617461,
    MOST_AHEAD = 1024,
    MOST_WORKERS = 256,
    MOST_SLOTS = 4096,
    QUICK_BYTES = 16384
};

static data_loader nil_loader;

static bool loader_is_nil(const data_loader *loader)
{
    return loader == NULL || loader == &nil_loader;
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ---- epochs ---------------------------------------------------------------------------------- */

/* A sampler may write anything; raises if an index is not of the set. */
static bool order_fits(ag_place where, const char *function, const data_loader *l)
{
    for (int64_t i = 0; i < l->count; i++) {
        if (l->order[i] < 0 || l->order[i] >= l->set->n) {
            ag_error_raise(where, AG_ERROR_INDEX,
                           "%s: the sampler %s gave sample %" PRId64 " in place %" PRId64
                           ", but the set has %" PRId64 " samples",
                           function,
                           l->sampler->type.name != NULL ? l->sampler->type.name : "without a name",
                           l->order[i], i, l->set->n);
            return false;
        }
    }
    return true;
}

static bool order_draw(ag_place where, const char *function, data_loader *l, int64_t epoch)
{
    if (l->order == NULL) {
        return true;
    }
    const data_sampler_type *type = &l->sampler->type;
    data_draw what = { l->set, epoch, l->batch, l->count };
    ag_rng rng = l->rng;
    ag_error error = type->draw(l->sampler->state, &what, type->random ? &rng : NULL, l->order);
    if (error != AG_OK && ag_error_code() == AG_OK) {
        ag_error_raise(where, error, "%s: the sampler %s gave %s without a message", function,
                       type->name != NULL ? type->name : "without a name", ag_error_name(error));
    }
    if (ag_error_code() != AG_OK || !order_fits(where, function, l)) {
        return false;
    }
    l->epoch_rng = l->rng;
    l->rng = rng;
    return true;
}

/* Lets an epoch whose order is known begin with batch `first`. The threads must be paused or not
 * started yet. */
static bool epoch_start(ag_place where, data_loader *l, int64_t first)
{
    pthread_mutex_lock(&l->mutex);
    l->fault = AG_OK;
    l->fault_batch = INT64_MAX;
    pthread_mutex_unlock(&l->mutex);
    for (int64_t s = 0; s < l->ring; s++) {
        if (first + s >= l->batches) {
            loader_slot_retire(loader_slot(l, first + s));
        } else if (!loader_slot_prepare(where, l, first + s)) {
            return false;
        }
    }
    l->next = first;
    l->lent = l->failed = l->over = l->resumed = false;
    loader_threads_begin(l, first);
    return true;
}

/* ---- making and freeing ---------------------------------------------------------------------- */

data_loader_config data_loader_defaults(void)
{
    return (data_loader_config){ .made_by_defaults = MADE_BY_DEFAULTS, .batch = 1, .prefetch = 2 };
}

/* Whether a padding value can be written; raises if not. */
static bool padding_fits(ag_place where, const char *what, double value, ag_dtype dtype)
{
    bool whole = dtype == AG_INT64 ? value >= -9e15 && value <= 9e15 : value >= 0 && value <= 255;
    if (ag_dtype_is_float(dtype) || (whole && value == (double)(int64_t)value)) {
        return true;
    }
    ag_error_raise(where, AG_ERROR_VALUE, "data_loader_new: %s of type %s cannot be padded with %g",
                   what, ag_dtype_name(dtype), value);
    return false;
}

/* Whether the arguments make sense; raises if not. */
static bool config_fits(ag_place where, const data_set *set, const data_loader_config *config,
                        const ag_rng *rng)
{
    const char *function = "data_loader_new";
    const data_sampler *sampler = config->sampler;
    if (config->made_by_defaults != MADE_BY_DEFAULTS) {
        ag_error_raise(where, AG_ERROR_VALUE,
                       "%s: the config did not come from data_loader_defaults()", function);
    } else if (data_set_is_nil(set)) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: there is no set", function);
    } else if (config->batch < 1) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: batches cannot have %" PRId64 " samples",
                       function, config->batch);
    } else if (config->workers < 0 || config->workers > MOST_WORKERS) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: workers must be 0 to %d, not %d", function,
                       MOST_WORKERS, config->workers);
    } else if (config->prefetch < 1 || config->prefetch > MOST_AHEAD) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: prefetch must be 1 to %d, not %d", function,
                       MOST_AHEAD, config->prefetch);
    } else if (config->workers > 0 && config->prefetch > MOST_SLOTS / config->workers) {
        ag_error_raise(where, AG_ERROR_VALUE,
                       "%s: %d workers with a prefetch of %d would prepare %d batches ahead; at "
                       "most %d are",
                       function, config->workers, config->prefetch,
                       config->workers * config->prefetch, MOST_SLOTS);
    } else if (sampler != NULL && config->shuffle) {
        ag_error_raise(where, AG_ERROR_VALUE,
                       "%s: the order comes from a sampler or from shuffling, not from both",
                       function);
    } else if (rng == NULL && (config->shuffle || (sampler != NULL && sampler->type.random))) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: %s needs a generator, but it is NULL", function,
                       config->shuffle ? "shuffling" : "the sampler");
    } else if (set->n == 0) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: the set has no samples", function);
    } else if (config->collate != NULL && config->collate->pads) {
        return padding_fits(where, "inputs", config->collate->x_value, set->x_dtype) &&
               (!set->y_varies ||
                padding_fits(where, "targets", config->collate->y_value, set->y_dtype));
    } else {
        return true;
    }
    return false;
}

/* The memory of a loader whose threads do not run. */
static void loader_release(data_loader *l)
{
    for (int64_t s = 0; l->slots != NULL && s < l->ring; s++) {
        loader_slot_free(&l->slots[s]);
        free(l->slots[s].sample);
    }
    pthread_cond_destroy(&l->ready);
    pthread_cond_destroy(&l->work);
    pthread_mutex_destroy(&l->mutex);
    free(l->threads);
    free(l->scratch.bytes);
    free(l->slots);
    free(l->order);
    data_set_free(l->set);
    data_sampler_free(l->sampler);
    data_collate_free(l->collate);
    free(l);
}

/* Room for the order and the slots; false after an error. */
static bool loader_allocate(ag_place where, data_loader *l)
{
    bool good = true;
    if (!l->sampler->in_order) {
        l->order = (uint64_t)l->count <= SIZE_MAX / sizeof *l->order
                       ? malloc((size_t)l->count * sizeof *l->order)
                       : NULL;
        good = l->order != NULL;
    }
    l->slots = good ? calloc((size_t)l->ring, sizeof *l->slots) : NULL;
    good = l->slots != NULL;
    bool listed = l->set->x_varies || l->set->y_varies || l->collate != NULL;
    for (int64_t s = 0; s < l->ring && listed && good; s++) {
        l->slots[s].sample =
            malloc((size_t)smaller(l->batch, l->count) * sizeof *l->slots[s].sample);
        good = l->slots[s].sample != NULL;
    }
    if (!good) {
        ag_error_raise(where, AG_ERROR_MEMORY,
                       "data_loader_new: out of memory for the order of %" PRId64 " samples",
                       l->count);
    }
    return good;
}

/* Counts batches and makes room; false after an error. */
static bool loader_lay_out(ag_place where, data_loader *l, const data_loader_config *config)
{
    int64_t n = l->sampler->count > 0 ? l->sampler->count : l->set->n, full = n / config->batch;
    bool tail = !config->drop_last && n % config->batch != 0;
    l->count = n;
    l->batch = config->batch;
    l->batches = full + (tail ? 1 : 0);
    l->samples = tail ? n : full * config->batch;
    if (l->batches == 0) {
        ag_error_raise(where, AG_ERROR_VALUE,
                       "data_loader_new: no batch is left: drop_last, batches of %" PRId64
                       ", a set of %" PRId64 " samples",
                       config->batch, n);
        return false;
    }
    bool quick =
        l->set->quick && (l->collate == NULL || l->collate->pads) &&
        (uint64_t)smaller(l->batch, n) <= QUICK_BYTES / (l->set->x_bytes + l->set->y_bytes);
    l->workers = quick ? 0 : (int)smaller(config->workers, l->batches);
    l->ahead = smaller((int64_t)l->workers * config->prefetch, l->batches);
    l->ring = smaller(l->batches, l->ahead + 1);
    return loader_allocate(where, l);
}

/* A loader that has taken its parts, but does nothing yet. */
static data_loader *loader_alloc(ag_place where, data_set *set, const data_loader_config *config)
{
    data_loader *l = calloc(1, sizeof *l);
    if (l == NULL) {
        ag_error_raise(where, AG_ERROR_MEMORY, "data_loader_new: out of memory");
        return NULL;
    }
    pthread_mutex_init(&l->mutex, NULL);
    pthread_cond_init(&l->work, NULL);
    pthread_cond_init(&l->ready, NULL);
    l->set = set;
    l->sampler = config->sampler != NULL ? config->sampler : data_sampler_plain(config->shuffle);
    l->collate = config->collate;
    return l;
}

data_loader *data_loader_new_at(ag_place where, data_set *set, data_loader_config config,
                                ag_rng *rng)
{
    data_loader *l = NULL;
    if (ag_error_code() == AG_OK && config_fits(where, set, &config, rng)) {
        l = loader_alloc(where, set, &config);
    }
    if (l == NULL) {
        data_set_free(set);
        if (config.made_by_defaults == MADE_BY_DEFAULTS) { /* else these may be anything */
            data_sampler_free(config.sampler);
            data_collate_free(config.collate);
        }
        return &nil_loader;
    }
    if (rng != NULL) {
        l->rng = l->epoch_rng = ag_rng_split(rng);
    }
    ag_place before = ag_caller_set(where);
    bool good = loader_lay_out(where, l, &config) && order_draw(where, "data_loader_new", l, 0) &&
                epoch_start(where, l, 0);
    ag_caller_set(before);
    if (good && l->workers > 0) {
        int reason = loader_threads_start(l);
        if (reason != 0) {
            ag_error_raise(
                where, AG_ERROR_STATE,
                "data_loader_new: cannot start a thread: %s (with workers = 0 none is needed)",
                strerror(reason));
            loader_threads_end(l);
            good = false;
        }
    }
    if (!good) {
        loader_release(l);
        return &nil_loader;
    }
    return l;
}

void data_loader_free(data_loader *loader)
{
    if (loader_is_nil(loader)) {
        return;
    }
    loader_threads_end(loader);
    loader_release(loader);
}

/* ---- lending --------------------------------------------------------------------------------- */

void data_loader_rewind(data_loader *loader)
{
    if (loader == NULL) {
        ag_error_raise(ag_caller(), AG_ERROR_VALUE, "data_loader_rewind: the loader is NULL");
        return;
    }
    if (loader_is_nil(loader) || ag_error_code() != AG_OK ||
        (loader->next == 0 && !loader->failed)) {
        return;
    }
    if (loader->resumed) {
        loader->resumed = false;
        return;
    }
    loader_threads_pause(loader);
    ag_place where = ag_caller();
    if (order_draw(where, "data_loader_rewind", loader, loader->epoch + 1)) {
        loader->epoch++;
        if (epoch_start(where, loader, 0)) {
            return;
        }
    }
    for (int64_t s = 0; s < loader->ring; s++) {
        loader_slot_retire(&loader->slots[s]);
    }
    loader->next = loader->batches; /* nothing can be lent; the next rewind tries again */
    loader->lent = false;
}

/* What was lent is past, and its slot is for the batch that comes into it next. False after an
 * error: it is still lent, and the next call tries again. */
static bool take_back(ag_place where, data_loader *l)
{
    int64_t then = l->next - 1 + l->ring;
    if (then >= l->batches) {
        loader_slot_retire(loader_slot(l, then));
    } else if (!loader_slot_prepare(where, l, then)) {
        return false;
    }
    l->lent = false;
    return true;
}

static bool batch_lend(ag_place where, data_loader *l, data_batch *batch)
{
    if (l->lent && !take_back(where, l)) {
        return false;
    }
    l->resumed = false;
    if (l->next >= l->batches) {
        l->over = true;
        return false;
    }
    if (!loader_await(l)) {
        l->failed = true;
        ag_error_raise(where, l->fault, "data_loader_next: %s", l->message);
        return false;
    }
    struct slot *slot = loader_slot(l, l->next);
    for (int t = 0; t < BATCH_TENSORS; t++) {
        if (!ag_is_none(slot->tensor[t])) {
            ag_leaf_changed(slot->tensor[t]);
        }
    }
    *batch = (data_batch){ .x = slot->tensor[0],
                           .y = slot->tensor[1],
                           .n = slot->n,
                           .index = l->next,
                           .x_lengths = slot->tensor[2],
                           .y_lengths = slot->tensor[3] };
    memcpy(batch->more, slot->tensor + 4, sizeof batch->more);
    l->next++;
    l->lent = true;
    return true;
}

bool data_loader_next_at(ag_place where, data_loader *loader, data_batch *batch)
{
    if (batch != NULL) {
        *batch = (data_batch){ .x = AG_NIL, .y = AG_NIL };
    }
    if (loader == NULL || batch == NULL) {
        ag_error_raise(where, AG_ERROR_VALUE, "data_loader_next: the %s is NULL",
                       loader == NULL ? "loader" : "batch");
        return false;
    }
    if (loader_is_nil(loader) || ag_error_code() != AG_OK) {
        return false;
    }
    ag_place before = ag_caller_set(where);
    bool more = batch_lend(where, loader, batch);
    ag_caller_set(before);
    return more;
}

/* ---- position -------------------------------------------------------------------------------- */

/* What has been read of the epoch is not kept: its order is drawn again, from where the generator
 * stood before it, unless the sampler has a memory of its own. */
static void loader_visit(void *object, ag_state_visitor *v)
{
    data_loader *l = object;
    if (loader_is_nil(l)) {
        ag_error_raise(ag_caller(), AG_ERROR_STATE,
                       "data_loader_stateful: the loader is nil: making it failed");
        return;
    }
    const data_sampler_type *sampler = &l->sampler->type;
    int64_t next = l->next, epoch = l->epoch;
    bool over = l->over;
    ag_rng rng = l->epoch_rng, after = l->rng;
    if (ag_state_loading(v)) {
        loader_threads_pause(l);
    }
    ag_state_same_int64(v, "set_size", l->set->n);
    ag_state_same_int64(v, "batch", l->batch);
    ag_state_same_int64(v, "batches", l->batches);
    ag_state_same_int64(v, "samples", l->count);
    ag_state_same_text(v, "sampler", sampler->name != NULL ? sampler->name : "");
    ag_state_int64_in(v, "next", &next, 0, l->batches);
    ag_state_int64_in(v, "epoch", &epoch, 0, INT64_MAX - 1);
    ag_state_bool(v, "over", &over);
    ag_state_rng(v, "rng", &rng);
    if (sampler->visit != NULL) {
        ag_state_rng(v, "rng_after", &after);
        ag_state_array(v, "order", l->order, AG_INT64, AG_SHAPE(l->count));
        ag_state_group_begin(v, "sampler_state");
        sampler->visit(l->sampler->state, v);
        ag_state_group_end(v);
    }
    if (!ag_state_loading(v)) {
        return;
    }
    const char *function = "data_loader_stateful";
    ag_place where = ag_caller();
    l->rng = rng;
    l->epoch = epoch;
    bool good = sampler->visit == NULL ? order_draw(where, function, l, epoch)
                                       : order_fits(where, function, l);
    if (sampler->visit != NULL) {
        l->epoch_rng = rng;
        l->rng = after;
    }
    if (good && epoch_start(where, l, next)) {
        l->over = over;
        l->resumed = !over && next > 0;
    } else {
        l->next = l->batches;
        l->lent = false;
    }
}

ag_stateful data_loader_stateful(data_loader *loader)
{
    static const ag_stateful_type type = { sizeof(ag_stateful_type), "loader", loader_visit };
    return ag_stateful_make(&type, loader);
}

int64_t data_loader_batches(const data_loader *loader)
{
    return loader == NULL ? 0 : loader->batches;
}

int64_t data_loader_samples(const data_loader *loader)
{
    return loader == NULL ? 0 : loader->samples;
}
