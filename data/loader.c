/*
 * The loader: batches of a set, in order or shuffled, prepared ahead by a thread of its own. Knows
 * sets through their read function only, and nothing of files.
 *
 * Note [Who touches a batch]. Tensors are the user's thread's business: it makes them, lends them
 * and lets go of them. The loader's thread only writes numbers to the addresses it was given, in
 * slots that are not lent. Batch k lies in slot k modulo the ring; the ring has one slot more than
 * batches are prepared ahead, so that the lent one is never written. A last batch that is not full
 * has a shape of its own and so a slot of its own, behind the ring.
 *
 * The order of an epoch is drawn on the user's thread before any of its batches is read: what is
 * read when cannot change it.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/leaf.h"
#include "data/internal.h"

/* Batches of a quick set up to QUICK_BYTES are read sooner than a thread can be asked for them:
 * handing one over costs the user's thread about 4 us, copying that many bytes about 1. */
enum { MADE_BY_DEFAULTS = 0x64617461, MOST_AHEAD = 1024, QUICK_BYTES = 16384 };

struct slot {
    ag_tensor x, y;
    char *x_data, *y_data;
    int64_t n;
};

struct data_loader {
    data_set *set;
    int64_t batch, batches, samples;
    int64_t ahead; /* 0: there is no thread */
    ag_rng rng;
    int64_t epoch;    /* how many began before this one */
    ag_rng epoch_rng; /* what it was before this epoch's order was drawn */
    int64_t *order;   /* NULL: the set's own */
    struct slot *slots;
    int64_t ring;
    bool tail;    /* a last batch that is not full: slots[ring] */
    int64_t next; /* the batch that the next call lends */
    int64_t lent; /* the slot that is lent, -1: none */
    bool failed;  /* an error of this epoch was handed to the user */
    bool over;    /* the user was told that the epoch is at its end */
    bool resumed; /* in the middle of an epoch: the next rewind is the one that began it */
    pthread_t thread;

    /* From here on shared with the thread, under the mutex. */
    pthread_mutex_t mutex;
    pthread_cond_t work, ready;
    int64_t filled;   /* batches of this epoch that are ready */
    int64_t allowed;  /* batches of this epoch whose slots may be written */
    bool busy, stop;  /* busy: the thread is writing batch `filled` */
    atomic_bool halt; /* what the thread is writing is not wanted any more */
    ag_error fault;   /* why batch `filled` cannot be had */
    char message[DATA_MESSAGE];
};

static data_loader nil_loader = { .lent = -1 };

static bool loader_is_nil(const data_loader *loader)
{
    return loader == NULL || loader == &nil_loader;
}

/* ---- slots ----------------------------------------------------------------------------------- */

static ag_shape batch_shape(int64_t n, ag_shape sample)
{
    ag_shape shape = { .ndim = sample.ndim + 1, .size = { n } };
    memcpy(shape.size + 1, sample.size, (size_t)sample.ndim * sizeof sample.size[0]);
    return shape;
}

/* Makes sure that *t can be overwritten, and that handles of the batch that was in it are past: a
 * new leaf if something else still needs the old one, or the user made it require a gradient. NULL
 * after an error. */
static char *leaf_prepare(ag_place where, ag_tensor *t, int64_t n, ag_shape sample, ag_dtype dtype)
{
    if (ag_is_alive(*t) && !ag_leaf_is_held(*t) && !ag_requires_grad_at(where, *t)) {
        *t = ag_leaf_renew(*t);
    } else {
        ag_drop(t);
        *t = ag_leaf_at(where, batch_shape(n, sample), dtype, false);
    }
    ag_leaf_raw raw;
    return ag_leaf_raw_get(where, *t, &raw) ? raw.data : NULL;
}

static bool slot_prepare(ag_place where, data_loader *l, struct slot *slot)
{
    const data_set *set = l->set;
    slot->x_data = leaf_prepare(where, &slot->x, slot->n, set->x_shape, set->x_dtype);
    slot->y_data = slot->x_data != NULL
                       ? leaf_prepare(where, &slot->y, slot->n, set->y_shape, set->y_dtype)
                       : NULL;
    return slot->y_data != NULL;
}

static int64_t slot_count(const data_loader *l)
{
    return l->ring + (l->tail ? 1 : 0);
}

static int64_t slot_of(const data_loader *l, int64_t k)
{
    return l->tail && k == l->batches - 1 ? l->ring : k % l->ring;
}

/* ---- reading a batch ------------------------------------------------------------------------- */

/* Reads batch k into its slot, on whatever thread; stops early when halted. Messages go to
 * `message`. */
static ag_error batch_fill(data_loader *l, int64_t k, char message[DATA_MESSAGE])
{
    struct slot *slot = &l->slots[slot_of(l, k)];
    for (int64_t j = 0; j < slot->n && !atomic_load_explicit(&l->halt, memory_order_relaxed); j++) {
        int64_t i = k * l->batch + j;
        int64_t sample = l->order != NULL ? l->order[i] : i;
        char reason[DATA_MESSAGE];
        ag_error error =
            data_set_copy_caught(l->set, l->epoch, sample, slot->x_data + (size_t)j * l->set->x_bytes,
                                 slot->y_data + (size_t)j * l->set->y_bytes, reason);
        if (error != AG_OK) {
            snprintf(message, DATA_MESSAGE, "batch %" PRId64 ", sample %" PRId64 ": %.900s", k,
                     sample, reason);
            return error;
        }
    }
    return AG_OK;
}

static void *thread_main(void *argument)
{
    data_loader *l = argument;
    pthread_mutex_lock(&l->mutex);
    while (!l->stop) {
        if (l->fault != AG_OK || l->filled >= l->allowed) {
            pthread_cond_wait(&l->work, &l->mutex);
            continue;
        }
        int64_t k = l->filled;
        l->busy = true;
        pthread_mutex_unlock(&l->mutex);
        ag_error fault = batch_fill(l, k, l->message);
        pthread_mutex_lock(&l->mutex);
        l->busy = false;
        if (!atomic_load(&l->halt)) {
            l->fault = fault;
            l->filled += fault == AG_OK ? 1 : 0;
        }
        pthread_cond_signal(&l->ready);
    }
    pthread_mutex_unlock(&l->mutex);
    return NULL;
}

/* Takes everything back from the thread: until epoch_begin() it touches nothing. */
static void thread_pause(data_loader *l)
{
    pthread_mutex_lock(&l->mutex);
    l->allowed = 0;
    atomic_store(&l->halt, true);
    while (l->busy) {
        pthread_cond_wait(&l->ready, &l->mutex);
    }
    atomic_store(&l->halt, false);
    pthread_mutex_unlock(&l->mutex);
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Draws the order and lets the thread begin with batch `first`. The thread must be paused or not started yet. */
static bool epoch_begin(ag_place where, data_loader *l, int64_t first)
{
    for (int64_t s = 0; s < slot_count(l); s++) {
        if (!slot_prepare(where, l, &l->slots[s])) {
            return false;
        }
    }
    l->epoch_rng = l->rng;
    if (l->order != NULL) {
        ag_rng_permutation(&l->rng, l->set->n, l->order);
    }
    l->next = first;
    l->lent = -1;
    l->failed = l->over = l->resumed = false;
    pthread_mutex_lock(&l->mutex);
    l->filled = first;
    l->fault = AG_OK;
    l->allowed = smaller(l->batches, first + l->ahead + 1);
    pthread_cond_signal(&l->work);
    pthread_mutex_unlock(&l->mutex);
    return true;
}

/* ---- making and freeing ---------------------------------------------------------------------- */

data_loader_config data_loader_defaults(void)
{
    return (data_loader_config){ .made_by_defaults = MADE_BY_DEFAULTS, .batch = 1, .prefetch = 2 };
}

/* Whether the arguments make sense; raises if not. */
static bool config_fits(ag_place where, const data_set *set, const data_loader_config *config,
                        const ag_rng *rng)
{
    if (config->made_by_defaults != MADE_BY_DEFAULTS) {
        ag_error_raise(where, AG_ERROR_VALUE,
                       "data_loader_new: the config did not come from data_loader_defaults()");
    } else if (data_set_is_nil(set)) {
        ag_error_raise(where, AG_ERROR_VALUE, "data_loader_new: there is no set");
    } else if (config->batch < 1) {
        ag_error_raise(where, AG_ERROR_VALUE,
                       "data_loader_new: batches cannot have %" PRId64 " samples", config->batch);
    } else if (config->prefetch < 0 || config->prefetch > MOST_AHEAD) {
        ag_error_raise(where, AG_ERROR_VALUE, "data_loader_new: prefetch must be 0 to %d, not %d",
                       MOST_AHEAD, config->prefetch);
    } else if (config->shuffle && rng == NULL) {
        ag_error_raise(where, AG_ERROR_VALUE,
                       "data_loader_new: shuffling needs a generator, but it is NULL");
    } else if (set->n == 0) {
        ag_error_raise(where, AG_ERROR_VALUE, "data_loader_new: the set has no samples");
    } else if (config->drop_last && config->batch > set->n) {
        ag_error_raise(where, AG_ERROR_VALUE,
                       "data_loader_new: no batch is left: drop_last, batches of %" PRId64
                       ", a set of %" PRId64 " samples",
                       config->batch, set->n);
    } else {
        return true;
    }
    return false;
}

/* The memory of a loader whose thread does not run. */
static void loader_release(data_loader *l)
{
    for (int64_t s = 0; l->slots != NULL && s < slot_count(l); s++) {
        ag_drop(&l->slots[s].x);
        ag_drop(&l->slots[s].y);
    }
    pthread_cond_destroy(&l->ready);
    pthread_cond_destroy(&l->work);
    pthread_mutex_destroy(&l->mutex);
    free(l->slots);
    free(l->order);
    data_set_free(l->set);
    free(l);
}

/* Counts batches and makes room; false after an error. */
static bool loader_lay_out(ag_place where, data_loader *l, const data_loader_config *config)
{
    int64_t n = l->set->n, full = n / config->batch;
    l->tail = !config->drop_last && n % config->batch != 0;
    l->batch = config->batch;
    l->batches = full + (l->tail ? 1 : 0);
    l->samples = l->tail ? n : full * config->batch;
    bool quick = l->set->quick && (uint64_t)smaller(l->batch, n) <=
                                      QUICK_BYTES / (l->set->x_bytes + l->set->y_bytes);
    l->ahead = quick ? 0 : smaller(config->prefetch, l->batches);
    l->ring = smaller(full, l->ahead + 1);
    l->slots = calloc((size_t)slot_count(l), sizeof *l->slots);
    l->order = config->shuffle && (uint64_t)n <= SIZE_MAX / sizeof *l->order
                   ? malloc((size_t)n * sizeof *l->order)
                   : NULL;
    if (l->slots == NULL || (config->shuffle && l->order == NULL)) {
        ag_error_raise(where, AG_ERROR_MEMORY,
                       "data_loader_new: out of memory for the order of %" PRId64 " samples", n);
        return false;
    }
    for (int64_t s = 0; s < slot_count(l); s++) {
        l->slots[s].n = s < l->ring ? l->batch : n % config->batch;
    }
    return true;
}

data_loader *data_loader_new_at(ag_place where, data_set *set, data_loader_config config,
                                ag_rng *rng)
{
    if (ag_error_code() != AG_OK || !config_fits(where, set, &config, rng)) {
        data_set_free(set);
        return &nil_loader;
    }
    data_loader *l = calloc(1, sizeof *l);
    if (l == NULL) {
        data_set_free(set);
        ag_error_raise(where, AG_ERROR_MEMORY, "data_loader_new: out of memory");
        return &nil_loader;
    }
    pthread_mutex_init(&l->mutex, NULL);
    pthread_cond_init(&l->work, NULL);
    pthread_cond_init(&l->ready, NULL);
    l->set = set;
    if (rng != NULL) {
        l->rng = ag_rng_split(rng);
    }
    ag_place before = ag_caller_set(where);
    bool good = loader_lay_out(where, l, &config) && epoch_begin(where, l, 0);
    ag_caller_set(before);
    if (good && l->ahead > 0) {
        int reason = pthread_create(&l->thread, NULL, thread_main, l);
        if (reason != 0) {
            ag_error_raise(
                where, AG_ERROR_STATE,
                "data_loader_new: cannot start a thread: %s (with prefetch = 0 none is needed)",
                strerror(reason));
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
    if (loader->ahead > 0) {
        pthread_mutex_lock(&loader->mutex);
        loader->stop = true;
        atomic_store(&loader->halt, true);
        pthread_cond_signal(&loader->work);
        pthread_mutex_unlock(&loader->mutex);
        pthread_join(loader->thread, NULL);
    }
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
    thread_pause(loader);
    if (!epoch_begin(ag_caller(), loader, 0)) {
        loader->next = loader->batches; /* nothing can be lent; the next rewind tries again */
    }
}

/* Waits for batch `next` or reads it here; false if it cannot be had. */
static bool batch_await(data_loader *l)
{
    if (l->ahead == 0) {
        if (l->fault == AG_OK) {
            l->fault = batch_fill(l, l->next, l->message);
        }
        return l->fault == AG_OK;
    }
    pthread_mutex_lock(&l->mutex);
    int64_t allowed = smaller(l->batches, l->next + l->ahead + 1);
    if (allowed > l->allowed) {
        l->allowed = allowed;
        pthread_cond_signal(&l->work);
    }
    while (l->filled <= l->next && l->fault == AG_OK) {
        pthread_cond_wait(&l->ready, &l->mutex);
    }
    bool good = l->filled > l->next;
    pthread_mutex_unlock(&l->mutex);
    return good;
}

static bool batch_lend(ag_place where, data_loader *l, data_batch *batch)
{
    if (l->lent >= 0) {
        if (!slot_prepare(where, l, &l->slots[l->lent])) {
            return false; /* still lent: the next call tries again */
        }
        l->lent = -1;
    }
    l->resumed = false;
    if (l->next >= l->batches) {
        l->over = true;
        return false;
    }
    if (!batch_await(l)) {
        l->failed = true;
        ag_error_raise(where, l->fault, "data_loader_next: %s", l->message);
        return false;
    }
    l->lent = slot_of(l, l->next);
    struct slot *slot = &l->slots[l->lent];
    ag_leaf_changed(slot->x);
    ag_leaf_changed(slot->y);
    *batch = (data_batch){ slot->x, slot->y, slot->n, l->next };
    l->next++;
    return true;
}

bool data_loader_next_at(ag_place where, data_loader *loader, data_batch *batch)
{
    if (batch != NULL) {
        *batch = (data_batch){ AG_NIL, AG_NIL, 0, 0 };
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
 * stood before it. */
static void loader_visit(void *object, ag_state_visitor *v)
{
    data_loader *l = object;
    if (loader_is_nil(l)) {
        ag_error_raise(ag_caller(), AG_ERROR_STATE,
                       "data_loader_stateful: the loader is nil: making it failed");
        return;
    }
    int64_t next = l->next;
    bool over = l->over;
    ag_rng rng = l->epoch_rng;
    ag_state_same_int64(v, "set_size", l->set->n);
    ag_state_same_int64(v, "batch", l->batch);
    ag_state_same_int64(v, "batches", l->batches);
    ag_state_same_int64(v, "shuffle", l->order != NULL);
    ag_state_int64_in(v, "next", &next, 0, l->batches);
    ag_state_bool(v, "over", &over);
    ag_state_rng(v, "rng", &rng);
    if (ag_state_loading(v)) {
        thread_pause(l);
        l->rng = rng;
        if (epoch_begin(ag_caller(), l, next)) {
            l->over = over;
            l->resumed = !over && next > 0;
        } else {
            l->next = l->batches;
        }
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
