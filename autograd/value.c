/*
 * Headers and handles: the tables of slots, and who holds what (see Note [Who holds the bytes] in internal.h). Knows no
 * operations and no tape.
 */
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "kernels/kernels.h"
#include "kernels/loop.h"
#include "platform.h"

static ag_table persistent_table; /* leaves and kept values; under the platform lock */
ag_table *ag_tables[AG_MAX_TABLES + 1] = {&persistent_table};

/* ---- slots ----------------------------------------------------------------------------------------------------------- */

static ag_value *take_slot(ag_table *table)
{
    ag_value *v = table->free;
    if (v != NULL) {
        table->free = v->next_free;
        return v;
    }
    if (table->used >= (int64_t)1 << AG_SLOT_BITS) {
        return NULL;
    }
    int64_t slot = table->used;
    ag_value *chunk = atomic_load_explicit(&table->chunk[slot >> AG_CHUNK_BITS], memory_order_relaxed);
    if (chunk == NULL) {
        chunk = calloc(AG_CHUNK, sizeof(*chunk));
        if (chunk == NULL) {
            return NULL;
        }
        atomic_store_explicit(&table->chunk[slot >> AG_CHUNK_BITS], chunk, memory_order_release);
    }
    table->used++;
    v = &chunk[slot & (AG_CHUNK - 1)];
    v->slot = (uint32_t)slot;
    return v;
}

ag_value *ag_value_new(ag_context *ctx, bool persistent)
{
    ag_value *v;
    if (persistent) {
        platform_lock();
        v = take_slot(&persistent_table);
        platform_unlock();
    } else {
        v = take_slot(&ctx->table);
    }
    if (v == NULL) {
        ag_error_raise(ag_caller(), AG_ERROR_MEMORY, "out of memory, or more than %d tensors at a time",
                       1 << AG_SLOT_BITS);
        return NULL;
    }
    uint32_t slot = v->slot, generation = v->generation + 1;
    if (generation == 0 || generation == UINT32_MAX) {
        generation = 1; /* 0 and all ones belong to AG_NONE and AG_NIL */
    }
    memset(v, 0, offsetof(ag_value, size));
    v->slot = slot;
    v->generation = generation;
    v->persistent = persistent;
    v->visible = 1;
    v->contiguous = true;
    v->birth = persistent ? 0 : ++ctx->births;
    atomic_init(&v->refs, 1);
    int table = persistent ? 0 : ctx->table_index;
    v->id = (uint64_t)generation << 32 | (uint64_t)table << AG_SLOT_BITS | slot;
    return v;
}

void ag_hooks_free(ag_hook_entry *hooks)
{
    while (hooks != NULL) {
        ag_hook_entry *next = hooks->next;
        free(hooks);
        hooks = next;
    }
}

static void destroy(ag_value *v)
{
    if (v->storage != NULL) {
        ag_storage_release(v->storage);
        v->storage = NULL;
    }
    if (v->grad != NULL) {
        ag_value_hide(v->grad);
        ag_value_unref(v->grad);
    }
    free(v->name);
    v->name = NULL;
    ag_hooks_free(v->hooks);
    v->hooks = NULL;
    ag_value *base = v->base;
    int table = ag_table_of(ag_handle(v));
    v->id = 0;
    v->visible = 0; /* slot 0 of table 0, when it is free, is what AG_NONE looks up */
    if (v->persistent) {
        platform_lock();
    }
    v->next_free = ag_tables[table]->free;
    ag_tables[table]->free = v;
    if (v->persistent) {
        platform_unlock();
    }
    if (base != NULL) {
        ag_value_unref(base);
    }
}

void ag_value_unref(ag_value *v)
{
    if (v->persistent) {
        if (atomic_fetch_sub_explicit(&v->refs, 1, memory_order_acq_rel) == 1) {
            destroy(v);
        }
        return;
    }
    int refs = atomic_load_explicit(&v->refs, memory_order_relaxed) - 1;
    atomic_store_explicit(&v->refs, refs, memory_order_relaxed);
    if (refs == 0) {
        destroy(v);
    }
}

/* Several threads may save and read a persistent value (frozen weights), so its holds are counted under the lock. Buffers are
 * given back outside of it: the pool takes the same lock when a thread meets it for the first time. */
static void hold(ag_value *v, int visible, int saved)
{
    ag_storage *unheld = NULL;
    if (v->persistent) {
        platform_lock();
    }
    if (visible != 0) { /* not written without need: it is read without the lock */
        v->visible += visible;
    }
    v->saved += saved;
    if (v->visible == 0 && v->saved == 0) {
        unheld = v->storage;
        v->storage = NULL;
    }
    if (v->persistent) {
        platform_unlock();
    }
    if (unheld != NULL) {
        ag_storage_release(unheld);
    }
}

void ag_value_hide(ag_value *v)
{
    if (v->visible > 0) {
        hold(v, -1, 0);
    }
}

void ag_value_save(ag_value *v)
{
    hold(v, 0, 1);
}

void ag_value_unsave(ag_value *v)
{
    hold(v, 0, -1);
}

bool ag_value_borrow(ag_value *v)
{
    if (v->persistent && v->visible > 0) {
        return false; /* its slot makes it readable, for every thread */
    }
    hold(v, 1, 0);
    return true;
}

/* ---- handles ---------------------------------------------------------------------------------------------------------- */

bool ag_is_alive(ag_tensor t)
{
    if (ag_is_none(t) || ag_is_nil(t)) {
        return false;
    }
    const ag_value *v = ag_peek(t);
    return v != NULL && v->visible > 0;
}

ag_value *ag_resolve_failed(ag_place where, const char *function, ag_tensor t)
{
    const ag_value *v = ag_is_none(t) || ag_is_nil(t) ? NULL : ag_peek(t);
    if (ag_is_none(t)) {
        ag_error_raise(where, AG_ERROR_LIFETIME, "%s: a tensor is needed, got none", function);
    } else if (ag_is_nil(t)) {
        ag_error_raise(where, AG_ERROR_LIFETIME, "%s: the tensor is nil: the operation that should have made it failed",
                       function);
    } else if (v == NULL) {
        ag_error_raise(where, AG_ERROR_LIFETIME,
                       "%s: the tensor is gone: its scope ended, or it was dropped or released", function);
    } else {
        ag_error_raise(where, AG_ERROR_LIFETIME,
                       "%s: the tensor made at %s:%d was released: by ag_release() or at the end of a frame", function,
                       v->where.file != NULL ? v->where.file : "?", v->where.line);
    }
    return NULL;
}

ag_value *ag_resolve(ag_place where, const char *function, ag_tensor t)
{
    ag_value *v = ag_is_nil(t) ? NULL : ag_peek(t);
    if (AG_LIKELY(v != NULL && v->visible > 0)) {
        if (AG_UNLIKELY(ag_value_stale(v))) {
            ag_value_renew(v, false);
        }
        return v;
    }
    return ag_resolve_failed(where, function, t);
}

ag_value *ag_resolve_own(ag_place where, const char *function, ag_tensor t)
{
    const ag_context *ctx = ag_context_get();
    const ag_value *v = ag_is_nil(t) || ctx == NULL ? NULL : ag_peek(t);
    if (AG_UNLIKELY(v != NULL && !v->persistent && ag_table_of(t) != ctx->table_index)) {
        ag_error_raise(where, AG_ERROR_STATE, "%s: the tensor is a result of another thread, and not on this one's tape", function);
        return NULL;
    }
    return ag_resolve(where, function, t);
}

/* ---- shape, bytes ------------------------------------------------------------------------------------------------------- */

void ag_value_set_contiguous(ag_value *v)
{
    int64_t expected = 1;
    v->contiguous = true;
    for (int d = v->ndim - 1; d >= 0; d--) {
        if (v->size[d] != 1 && v->stride[d] != expected) {
            v->contiguous = v->numel == 0;
            return;
        }
        expected = ag_next_stride(expected, v->size[d]);
    }
}

bool ag_value_shape(ag_value *v, ag_dtype dtype, const ag_shape *shape)
{
    int64_t numel = ag_shape_numel(*shape);
    if (AG_UNLIKELY(numel < 0)) {
        return false;
    }
    v->dtype = (uint8_t)dtype;
    v->ndim = (uint8_t)shape->ndim;
    v->numel = numel;
    int64_t stride = 1;
    for (int d = shape->ndim - 1; d >= 0; d--) {
        v->size[d] = shape->size[d];
        v->stride[d] = stride;
        stride = ag_next_stride(stride, shape->size[d]);
    }
    v->contiguous = true;
    return true;
}

bool ag_value_allocate(ag_value *v)
{
    v->storage = ag_storage_new((size_t)v->numel * ag_dtype_size((ag_dtype)v->dtype));
    v->offset = 0;
    return v->storage != NULL;
}

ag_value *ag_value_alias(ag_context *ctx, const ag_value *v, bool persistent)
{
    ag_value *alias = ag_value_new(ctx, persistent);
    if (alias == NULL) {
        return NULL;
    }
    alias->dtype = v->dtype;
    alias->ndim = v->ndim;
    alias->numel = v->numel;
    alias->offset = v->offset;
    alias->contiguous = v->contiguous;
    alias->view = true;
    for (int d = 0; d < v->ndim; d++) {
        alias->size[d] = v->size[d];
        alias->stride[d] = v->stride[d];
    }
    alias->storage = ag_storage_retain(v->storage);
    return alias;
}

void ag_value_changed(ag_value *v, ag_place where)
{
    v->storage->version++;
    v->storage->changed = where;
}

/* ---- whole arrays ---------------------------------------------------------------------------------------------------------- */

enum { WORTH_TILES = 1024 }; /* elements of a copy between memory orders */

static void two(ag_loop loop, ag_array dst, ag_array src)
{
    size_t item[2] = {ag_dtype_size(dst.dtype), ag_dtype_size(src.dtype)};
    void *data[2] = {dst.data, src.data};
    const int64_t *stride[2] = {dst.stride, src.stride};
    k_loop(dst.numel >= 2 * K_LOOP_GRAIN ? ag_threads() : 1, loop, NULL, dst.ndim, dst.size, 2, data, stride, item);
}

/* Whether two arrays of one type lie in different orders, each element in a place of its own: copies then go across the memory of
 * one of them. */
static bool across(const ag_array *dst, const ag_array *src)
{
    bool differ = false;
    for (int d = 0; d < dst->ndim; d++) {
        if (dst->size[d] > 1 && (dst->stride[d] == 0 || src->stride[d] == 0)) {
            return false;
        }
        differ = differ || (dst->size[d] > 1 && dst->stride[d] != src->stride[d]);
    }
    return differ;
}

void ag_array_copy(ag_array dst, ag_array src)
{
    if (dst.dtype == src.dtype && dst.numel >= WORTH_TILES && across(&dst, &src)) {
        k_pack(dst.numel >= 2 * K_LOOP_GRAIN ? ag_threads() : 1, ag_dtype_size(dst.dtype), dst.ndim, dst.size, src.data, src.stride,
               dst.data, dst.stride);
        return;
    }
    two(k_cast_loops[dst.dtype][src.dtype], dst, src);
}

void ag_array_accumulate(ag_array dst, ag_array src)
{
    two(k_accumulate_loops[dst.dtype], dst, src);
}

void ag_array_fill(ag_array dst, double value)
{
    static const int64_t none[AG_MAX_DIMS] = {0};
    ag_array src = {&value, AG_FLOAT64, dst.ndim, dst.numel, dst.size, none};
    ag_array_copy(dst, src);
}

/* ---- leaves ------------------------------------------------------------------------------------------------------------------ */

ag_value *ag_leaf_gradient(ag_value *leaf)
{
    if (leaf->grad != NULL) {
        return leaf->grad;
    }
    ag_context *ctx = ag_context_get();
    ag_value *grad = ctx == NULL ? NULL : ag_value_new(ctx, leaf->persistent);
    if (grad == NULL) {
        return NULL;
    }
    ag_shape shape = ag_value_shape_of(leaf);
    ag_value_shape(grad, (ag_dtype)leaf->dtype, &shape);
    if (!ag_value_allocate(grad)) {
        ag_value_unref(grad);
        return NULL;
    }
    memset(grad->storage->data, 0, grad->storage->bytes); /* optimizers run over the padding */
    grad->where = leaf->where;
    leaf->grad = grad;
    return grad;
}
