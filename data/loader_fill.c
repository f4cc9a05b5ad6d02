/*
 * The loader's slots: what shape a batch has, and the samples of a batch in their places. Knows
 * nothing of threads, but that filling may happen on one.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/error_internal.h"
#include "autograd/leaf.h"
#include "data/loader_internal.h"

enum { X, Y, X_LENGTHS, Y_LENGTHS, MORE };

struct slot *loader_slot(data_loader *l, int64_t k)
{
    return &l->slots[k % l->ring];
}

void loader_fault(data_loader *l, int64_t k, ag_error error, const char *message)
{
    if (k < l->fault_batch) {
        l->fault = error;
        l->fault_batch = k;
        snprintf(l->message, sizeof l->message, "%s", message);
    }
}

/* ---- what a batch is ------------------------------------------------------------------------- */

static const data_form absent = { .shape = { .ndim = -1 } };

static size_t form_bytes(data_form form)
{
    return (size_t)ag_shape_numel(form.shape) * ag_dtype_size(form.dtype);
}

/* Samples of batches are listed only where their lengths or indices decide about the batch. */
static bool lists_samples(const data_loader *l)
{
    return l->set->x_varies || l->set->y_varies || (l->collate != NULL && !l->collate->pads);
}

static ag_error list_samples(data_loader *l, int64_t k, struct slot *slot)
{
    const data_set *set = l->set;
    for (int64_t j = 0; j < slot->n; j++) {
        int64_t place = k * l->batch + j, i = l->order != NULL ? l->order[place] : place;
        data_sample s = { .index = i,
                          .x_length = data_set_x_length(set, i),
                          .y_length = data_set_y_length(set, i) };
        bool x_good = !set->x_varies || (s.x_length >= 1 && s.x_length <= set->x_shape.size[0]);
        bool y_good = !set->y_varies || (s.y_length >= 1 && s.y_length <= set->y_shape.size[0]);
        if (!x_good || !y_good) {
            return ag_error_raise(ag_caller(), AG_ERROR_SHAPE,
                                  "sample %" PRId64 ": its %s cannot have the length %" PRId64
                                  ": the longest of the set has %" PRId64,
                                  i, x_good ? "target" : "input", x_good ? s.y_length : s.x_length,
                                  x_good ? set->y_shape.size[0] : set->x_shape.size[0]);
        }
        slot->sample[j] = s;
    }
    return AG_OK;
}

static data_form stacked(int64_t n, ag_shape sample, ag_dtype dtype)
{
    data_form form = { .shape = { .ndim = sample.ndim + 1, .size = { n } }, .dtype = dtype };
    memcpy(form.shape.size + 1, sample.size, (size_t)sample.ndim * sizeof sample.size[0]);
    return form;
}

/* Inputs, or targets, of one batch that vary: as long as the longest, or an error if they are to be
 * stacked and differ. */
static ag_error varying(const data_loader *l, const struct slot *slot, bool targets,
                        data_form *form, data_form *lengths)
{
    int64_t longest = 0, first = 0, at = 0;
    for (int64_t j = 0; j < slot->n; j++) {
        const data_sample *s = &slot->sample[j];
        int64_t length = targets ? s->y_length : s->x_length;
        first = j == 0 ? length : first;
        at = length != first && at == 0 ? j : at;
        longest = length > longest ? length : longest;
    }
    form->shape.size[1] = longest;
    if (l->collate != NULL) {
        *lengths = (data_form){ AG_SHAPE(slot->n), AG_INT64 };
    } else if (at > 0) {
        return ag_error_raise(ag_caller(), AG_ERROR_SHAPE,
                              "%s of different lengths cannot be stacked: %" PRId64
                              " in sample %" PRId64 ", %" PRId64 " in sample %" PRId64
                              " (data_collate_pad() pads them)",
                              targets ? "targets" : "inputs", first, slot->sample[0].index,
                              targets ? slot->sample[at].y_length : slot->sample[at].x_length,
                              slot->sample[at].index);
    }
    return AG_OK;
}

/* A tensor must have elements, and of a known type. */
static ag_error form_fits(const data_collate *collate, const char *what, data_form form)
{
    bool known = form.dtype == AG_FLOAT32 || form.dtype == AG_FLOAT64 || form.dtype == AG_INT64 ||
                 form.dtype == AG_UINT8;
    int64_t numel = form.shape.ndim <= AG_MAX_DIMS ? ag_shape_numel(form.shape) : 0;
    if (known && numel >= 1 && numel <= INT64_MAX / 16) {
        return AG_OK;
    }
    char text[AG_SHAPE_TEXT];
    return ag_error_raise(
        ag_caller(), AG_ERROR_SHAPE,
        "the collate function %s makes %s of type %d and shape %s, which cannot "
        "be",
        collate->type.name != NULL ? collate->type.name : "without a name", what, (int)form.dtype,
        form.shape.ndim <= AG_MAX_DIMS ? ag_shape_format(form.shape, text, sizeof text)
                                       : "of too many dimensions");
}

static ag_error custom_forms(const data_loader *l, const struct slot *slot, data_form *form)
{
    data_batch_form batch = { absent, absent, absent, absent, { absent } };
    for (int i = 0; i < DATA_BATCH_MORE; i++) {
        batch.more[i] = absent;
    }
    const data_collate_type *type = &l->collate->type;
    data_form x = { l->set->x_shape, l->set->x_dtype }, y = { l->set->y_shape, l->set->y_dtype };
    ag_error error = type->form(l->collate->state, x, y, slot->n, slot->sample, &batch);
    if (error != AG_OK && ag_error_code() == AG_OK) {
        ag_error_raise(ag_caller(), error, "the collate function %s gave %s without a message",
                       type->name != NULL ? type->name : "without a name", ag_error_name(error));
    }
    const data_form *all[] = { &batch.x, &batch.y, &batch.x_lengths, &batch.y_lengths };
    static const char *const what[] = { "x", "y", "x_lengths", "y_lengths" };
    for (int t = 0; t < BATCH_TENSORS && ag_error_code() == AG_OK; t++) {
        form[t] = t < MORE ? *all[t] : batch.more[t - MORE];
        if (form[t].shape.ndim >= 0) {
            form_fits(l->collate, t < MORE ? what[t] : "more", form[t]);
        } else {
            form[t] = absent;
        }
    }
    return ag_error_code();
}

/* The forms of batch k's tensors, with errors caught. */
static ag_error batch_forms(data_loader *l, int64_t k, struct slot *slot,
                            char message[DATA_MESSAGE])
{
    const data_set *set = l->set;
    data_form *form = slot->form;
    form[X] = stacked(slot->n, set->x_shape, set->x_dtype);
    form[Y] = stacked(slot->n, set->y_shape, set->y_dtype);
    for (int t = X_LENGTHS; t < BATCH_TENSORS; t++) {
        form[t] = absent;
    }
    if (!lists_samples(l)) {
        return AG_OK;
    }
    bool before = ag_error_capture(true);
    if (list_samples(l, k, slot) == AG_OK) {
        if (l->collate != NULL && !l->collate->pads) {
            custom_forms(l, slot, form);
        } else if (!set->x_varies || varying(l, slot, false, &form[X], &form[X_LENGTHS]) == AG_OK) {
            if (set->y_varies) {
                varying(l, slot, true, &form[Y], &form[Y_LENGTHS]);
            }
        }
    }
    ag_error_capture(before);
    ag_error error = ag_error_code();
    if (error != AG_OK) {
        snprintf(message, DATA_MESSAGE, "batch %" PRId64 ": %.900s", k, ag_error_message());
        ag_error_clear();
    }
    return error;
}

/* ---- slots ----------------------------------------------------------------------------------- */

/* Makes sure that *t can be overwritten, and that handles of the batch that was in it are past: a
 * new leaf if it has another form, something else still needs the old one, or the user made it
 * require a gradient. NULL after an error. */
static char *leaf_prepare(ag_place where, ag_tensor *t, data_form form)
{
    bool same = ag_is_alive(*t) && ag_dtype_of_at(where, *t) == form.dtype &&
                ag_shape_equal(ag_shape_of_at(where, *t), form.shape);
    if (same && !ag_leaf_is_held(*t) && !ag_requires_grad_at(where, *t)) {
        *t = ag_leaf_renew(*t);
    } else {
        ag_drop(t);
        *t = ag_leaf_at(where, form.shape, form.dtype, false);
    }
    ag_leaf_raw raw;
    return ag_leaf_raw_get(where, *t, &raw) ? raw.data : NULL;
}

bool loader_slot_prepare(ag_place where, data_loader *l, int64_t k)
{
    struct slot *slot = loader_slot(l, k);
    int64_t left = l->samples - k * l->batch;
    slot->n = left < l->batch ? left : l->batch;
    slot->ready = false;
    char message[DATA_MESSAGE];
    ag_error error = batch_forms(l, k, slot, message);
    if (error != AG_OK) {
        pthread_mutex_lock(&l->mutex);
        loader_fault(l, k, error, message);
        pthread_mutex_unlock(&l->mutex);
        loader_slot_free(slot);
        return true;
    }
    for (int t = 0; t < BATCH_TENSORS; t++) {
        slot->data[t] = NULL;
        if (slot->form[t].shape.ndim < 0) {
            if (!ag_is_none(slot->tensor[t])) {
                ag_drop(&slot->tensor[t]);
            }
        } else if ((slot->data[t] = leaf_prepare(where, &slot->tensor[t], slot->form[t])) == NULL) {
            return false;
        }
    }
    return true;
}

void loader_slot_retire(struct slot *slot)
{
    for (int t = 0; t < BATCH_TENSORS; t++) {
        if (ag_is_alive(slot->tensor[t]) && !ag_leaf_is_held(slot->tensor[t])) {
            slot->tensor[t] = ag_leaf_renew(slot->tensor[t]);
        } else if (!ag_is_none(slot->tensor[t])) {
            ag_drop(&slot->tensor[t]);
        }
    }
}

void loader_slot_free(struct slot *slot)
{
    for (int t = 0; t < BATCH_TENSORS; t++) {
        if (!ag_is_none(slot->tensor[t])) {
            ag_drop(&slot->tensor[t]);
        }
    }
}

/* ---- filling --------------------------------------------------------------------------------- */

/* The padding value `count` times. */
static void pad(ag_dtype dtype, double value, void *to, int64_t count)
{
    switch (dtype) {
    case AG_FLOAT32:
        for (int64_t i = 0; i < count; i++) {
            ((float *)to)[i] = (float)value;
        }
        break;
    case AG_FLOAT64:
        for (int64_t i = 0; i < count; i++) {
            ((double *)to)[i] = value;
        }
        break;
    case AG_INT64:
        for (int64_t i = 0; i < count; i++) {
            ((int64_t *)to)[i] = (int64_t)value;
        }
        break;
    default:
        memset(to, (int)value, (size_t)count);
        break;
    }
}

/* What is behind `length` steps of a sample that has room for as many as its batch's longest. */
static void pad_sample(const data_loader *l, data_form batch, bool targets, int64_t length,
                       char *sample)
{
    int64_t steps = batch.shape.size[1], each = ag_shape_numel(batch.shape) / batch.shape.size[0];
    int64_t step = each / steps;
    if (length < steps && l->collate != NULL) {
        pad(batch.dtype, targets ? l->collate->y_value : l->collate->x_value,
            sample + (size_t)(length * step) * ag_dtype_size(batch.dtype), (steps - length) * step);
    }
}

static ag_error sample_fault(int64_t k, int64_t i, ag_error error, const char *reason,
                             char message[DATA_MESSAGE])
{
    snprintf(message, DATA_MESSAGE, "batch %" PRId64 ", sample %" PRId64 ": %.900s", k, i, reason);
    return error;
}

static bool halted(data_loader *l)
{
    return atomic_load_explicit(&l->halt, memory_order_relaxed);
}

/* Stacks or pads: each sample is read straight to its place. */
static ag_error fill_places(data_loader *l, int64_t k, struct slot *slot,
                            char message[DATA_MESSAGE])
{
    size_t x_each = form_bytes(slot->form[X]) / (size_t)slot->n;
    size_t y_each = form_bytes(slot->form[Y]) / (size_t)slot->n;
    bool listed = lists_samples(l);
    char reason[DATA_MESSAGE];
    for (int64_t j = 0; j < slot->n && !halted(l); j++) {
        int64_t place = k * l->batch + j, i = l->order != NULL ? l->order[place] : place;
        char *x = slot->data[X] + (size_t)j * x_each, *y = slot->data[Y] + (size_t)j * y_each;
        ag_error error = data_set_copy_caught(l->set, l->epoch, i, x, y, reason);
        if (error != AG_OK) {
            return sample_fault(k, i, error, reason, message);
        }
        if (listed && l->set->x_varies) {
            pad_sample(l, slot->form[X], false, slot->sample[j].x_length, x);
        }
        if (listed && l->set->y_varies) {
            pad_sample(l, slot->form[Y], true, slot->sample[j].y_length, y);
        }
        if (slot->data[X_LENGTHS] != NULL) {
            ((int64_t *)slot->data[X_LENGTHS])[j] = slot->sample[j].x_length;
        }
        if (slot->data[Y_LENGTHS] != NULL) {
            ((int64_t *)slot->data[Y_LENGTHS])[j] = slot->sample[j].y_length;
        }
    }
    return AG_OK;
}

/* Bytes of a sample of this length, rounded up so that the next one is aligned. */
static size_t sample_room(size_t bytes, ag_shape shape, bool varies, int64_t length)
{
    size_t own = varies ? bytes / (size_t)shape.size[0] * (size_t)length : bytes;
    return (own + 63) / 64 * 64;
}

static bool scratch_room(struct scratch *scratch, size_t bytes)
{
    if (bytes > scratch->room) {
        char *grown = realloc(scratch->bytes, bytes);
        if (grown == NULL) {
            return false;
        }
        scratch->bytes = grown;
        scratch->room = bytes;
    }
    return true;
}

/* Reads the samples of a batch one behind the other; false if there is no memory. */
static bool scratch_lay_out(const data_set *set, struct slot *slot, struct scratch *scratch)
{
    size_t total = 0;
    for (int pass = 0; pass < 2; pass++) {
        total = 0;
        for (int64_t j = 0; j < slot->n; j++) {
            data_sample *s = &slot->sample[j];
            if (pass == 1) {
                s->x = scratch->bytes + total;
            }
            total += sample_room(set->x_bytes, set->x_shape, set->x_varies, s->x_length);
            if (pass == 1) {
                s->y = scratch->bytes + total;
            }
            total += sample_room(set->y_bytes, set->y_shape, set->y_varies, s->y_length);
        }
        if (pass == 0 && !scratch_room(scratch, total)) {
            return false;
        }
    }
    return true;
}

/* The program's own function gets the samples, and writes the batch. */
static ag_error fill_custom(data_loader *l, int64_t k, struct slot *slot, struct scratch *scratch,
                            char message[DATA_MESSAGE])
{
    const data_set *set = l->set;
    if (!scratch_lay_out(set, slot, scratch)) {
        snprintf(message, DATA_MESSAGE, "batch %" PRId64 ": out of memory for its samples", k);
        return AG_ERROR_MEMORY;
    }
    char reason[DATA_MESSAGE];
    for (int64_t j = 0; j < slot->n; j++) {
        if (halted(l)) {
            return AG_OK;
        }
        data_sample *s = &slot->sample[j];
        ag_error error = data_set_copy_caught(l->set, l->epoch, s->index, (void *)(uintptr_t)s->x,
                                              (void *)(uintptr_t)s->y, reason);
        if (error != AG_OK) {
            return sample_fault(k, s->index, error, reason, message);
        }
    }
    data_batch_form form = {
        slot->form[X], slot->form[Y], slot->form[X_LENGTHS], slot->form[Y_LENGTHS], { absent }
    };
    data_batch_memory to = { .x = slot->data[X],
                             .y = slot->data[Y],
                             .x_lengths = slot->data[X_LENGTHS],
                             .y_lengths = slot->data[Y_LENGTHS] };
    for (int i = 0; i < DATA_BATCH_MORE; i++) {
        form.more[i] = slot->form[MORE + i];
        to.more[i] = slot->data[MORE + i];
    }
    const data_collate_type *type = &l->collate->type;
    data_form x = { set->x_shape, set->x_dtype }, y = { set->y_shape, set->y_dtype };
    bool before = ag_error_capture(true);
    ag_error error = type->fill(l->collate->state, x, y, slot->n, slot->sample, &form, &to);
    ag_error_capture(before);
    if (ag_error_code() != AG_OK) {
        error = ag_error_code();
        snprintf(message, DATA_MESSAGE, "batch %" PRId64 ": %.900s", k, ag_error_message());
        ag_error_clear();
    } else if (error != AG_OK) {
        snprintf(message, DATA_MESSAGE,
                 "batch %" PRId64 ": the collate function %.200s gave %s without a message", k,
                 type->name != NULL ? type->name : "without a name", ag_error_name(error));
    }
    return error;
}

ag_error loader_fill(data_loader *l, int64_t k, struct scratch *scratch, char message[DATA_MESSAGE])
{
    struct slot *slot = loader_slot(l, k);
    return l->collate != NULL && !l->collate->pads ? fill_custom(l, k, slot, scratch, message)
                                                   : fill_places(l, k, slot, message);
}
