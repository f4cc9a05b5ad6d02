/*
 * The tape of a thread: scopes, frames, nodes and labels. Knows no operations.
 */
#include "tape.h"

#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "platform.h"
#include "pool.h"

_Thread_local ag_context *ag_current;
static ag_context *contexts; /* every context ever made; under the platform lock */

/* ---- the context of a thread ----------------------------------------------------------------------------------------------- */

static void end_scopes(ag_context *ctx, int depth);

static void retire(void *pointer)
{
    ag_context *ctx = pointer;
    ctx->in_backward = 0;
    end_scopes(ctx, 0);
    ctx->label = &ctx->root;
    platform_lock();
    ctx->in_use = false;
    platform_unlock();
    ag_current = NULL;
}

ag_context *ag_context_make(void)
{
    platform_lock();
    ag_context *ctx = contexts;
    while (ctx != NULL && ctx->in_use) {
        ctx = ctx->next;
    }
    if (ctx == NULL) {
        int index = contexts == NULL ? 1 : contexts->table_index + 1;
        if (index < AG_MAX_TABLES && (ctx = calloc(1, sizeof(*ctx))) != NULL) {
            ctx->table_index = index;
            ctx->next = contexts;
            contexts = ctx;
            ag_tables[index] = &ctx->table;
            ctx->label = &ctx->root;
            ctx->root.name = ctx->root.path = "";
        }
    }
    if (ctx != NULL) {
        ctx->in_use = true;
    }
    platform_unlock();
    if (ctx == NULL) {
        ag_error_raise(ag_caller(), AG_ERROR_MEMORY, "out of memory, or more than %d threads", AG_MAX_TABLES - 1);
        return NULL;
    }
    ag_current = ctx;
    platform_at_thread_exit(PLATFORM_EXIT_TAPE, retire, ctx);
    return ctx;
}

bool ag_grow(void **array, int64_t count, int64_t *capacity, size_t item)
{
    if (AG_LIKELY(count < *capacity)) {
        return true;
    }
    int64_t wanted = *capacity == 0 ? 64 : 2 * *capacity;
    void *grown = realloc(*array, (size_t)wanted * item);
    if (grown == NULL) {
        ag_error_raise(ag_caller(), AG_ERROR_MEMORY, "out of memory");
        return false;
    }
    *array = grown;
    *capacity = wanted;
    return true;
}

/* ---- visible results ---------------------------------------------------------------------------------------------------------- */

bool ag_made_push(ag_context *ctx, ag_value *v)
{
    void *array = ctx->made;
    if (!ag_grow(&array, ctx->made_count, &ctx->made_capacity, sizeof(*ctx->made))) {
        return false;
    }
    ctx->made = array;
    ctx->made[ctx->made_count++] = v->id;
    v->listed = true;
    v->scope = ctx->scope[ctx->scopes - 1].serial;
    return true;
}

static void let_go_of_made(ag_context *ctx, int64_t mark)
{
    while (ctx->made_count > mark) {
        ag_value *v = ag_peek(ag_tensor_of_id(ctx->made[--ctx->made_count]));
        if (v != NULL && v->listed) {
            v->listed = false;
            ag_value_hide(v);
            ag_value_unref(v);
        }
    }
}

/* ---- nodes -------------------------------------------------------------------------------------------------------------------- */

/* Bump allocation: nodes of a scope lie together and go together. */
static void *arena_alloc(ag_context *ctx, size_t bytes)
{
    bytes = (bytes + 15) / 16 * 16;
    while (ctx->arena_chunk < ctx->arena_chunks) {
        struct ag_arena_chunk *chunk = &ctx->arena[ctx->arena_chunk];
        if (ctx->arena_used + bytes <= chunk->size) {
            void *block = chunk->data + ctx->arena_used;
            ctx->arena_used += bytes;
            return block;
        }
        ctx->arena_chunk++;
        ctx->arena_used = 0;
    }
    int64_t capacity = (int64_t)ctx->arena_capacity;
    void *array = ctx->arena;
    if (!ag_grow(&array, (int64_t)ctx->arena_chunks, &capacity, sizeof(*ctx->arena))) {
        return NULL;
    }
    ctx->arena = array;
    ctx->arena_capacity = (size_t)capacity;
    size_t size = bytes > 65536 ? bytes : 65536;
    char *data = malloc(size);
    if (data == NULL) {
        ag_error_raise(ag_caller(), AG_ERROR_MEMORY, "out of memory");
        return NULL;
    }
    ctx->arena[ctx->arena_chunks].data = data;
    ctx->arena[ctx->arena_chunks++].size = size;
    ctx->arena_used = bytes;
    return data;
}

ag_node *ag_node_new(ag_context *ctx, const struct ag_op *op, int inputs, const void *params)
{
    void *array = ctx->node;
    if (!ag_grow(&array, ctx->nodes, &ctx->node_capacity, sizeof(*ctx->node))) {
        return NULL;
    }
    ctx->node = array;
    size_t head = (sizeof(ag_node) + 15) / 16 * 16;
    size_t list = ((size_t)inputs * sizeof(struct ag_node_input) + 15) / 16 * 16;
    char *block = arena_alloc(ctx, head + list + op->params);
    if (block == NULL) {
        return NULL;
    }
    ag_node *node = (ag_node *)block;
    memset(node, 0, sizeof(*node));
    node->op = op;
    node->inputs = inputs;
    node->input = (struct ag_node_input *)(block + head);
    node->label = ctx->label;
    node->index = ctx->nodes;
    if (op->params > 0) {
        memcpy(block + head + list, params, op->params);
        node->params = block + head + list;
    }
    ctx->node[ctx->nodes++] = node;
    return node;
}

static void drop_hold(ag_value **slot)
{
    if (*slot != NULL) {
        ag_value_unsave(*slot);
        ag_value_unref(*slot);
        *slot = NULL;
    }
}

void ag_node_keep(ag_context *ctx, ag_node *node, double seconds)
{
    struct ag_kept *kept = arena_alloc(ctx, sizeof(*kept));
    if (kept == NULL) {
        return;
    }
    memset(kept, 0, sizeof(*kept));
    kept->forward = seconds;
    node->kept = kept;
    for (int i = 0; i < node->inputs; i++) {
        if (node->input[i].value != NULL) {
            ag_value_save(node->input[i].value);
        }
    }
    for (int i = 0; i < node->outputs; i++) {
        ag_value_save(node->output[i]);
    }
}

/* What was kept for inspection besides what the rule saved. */
static void let_go_of_kept(ag_node *node)
{
    for (int i = 0; i < node->inputs; i++) {
        if (node->input[i].value != NULL) {
            ag_value_unsave(node->input[i].value);
        }
    }
    for (int i = 0; i < node->outputs; i++) {
        ag_value_unsave(node->output[i]);
        drop_hold(&node->kept->grad[i]);
    }
    node->kept = NULL;
}

/* Ends what the node holds. */
static void let_go(ag_node *node)
{
    if (AG_UNLIKELY(node->kept != NULL)) {
        let_go_of_kept(node);
    }
    for (int i = 0; i < node->inputs; i++) {
        ag_value *v = node->input[i].value;
        if (v == NULL) {
            continue;
        }
        if (node->input[i].saved) {
            ag_value_unsave(v);
        }
        ag_value_unref(v);
        node->input[i].value = NULL;
    }
    for (int i = 0; i < node->outputs; i++) {
        ag_value *v = node->output[i];
        if (v == NULL) {
            continue;
        }
        if ((node->saves & AG_SAVE_OUTPUT(i)) != 0) {
            ag_value_unsave(v);
        }
        ag_value_unref(v);
        node->output[i] = NULL;
    }
}

void ag_node_free(ag_node *node, ag_place where)
{
    if (node->state == AG_NODE_FREED) {
        return;
    }
    node->state = AG_NODE_FREED;
    node->freed_where = where;
    ag_hooks_free(node->hooks);
    node->hooks = NULL;
    for (int i = 0; AG_UNLIKELY(node->renews) && i < node->outputs; i++) {
        ag_value *v = node->output[i];
        if (v != NULL && v->producer == node) {
            v->producer = NULL; /* the view may belong to an outer scope, and is stale again */
            v->history_seen = v->base->history - 1;
        }
    }
    if (AG_LIKELY(node->kept == NULL)) {
        let_go(node);
    }
}

void ag_retain_tape(bool on)
{
    ag_context *ctx = ag_context_get();
    if (ctx != NULL) {
        ctx->retaining = on;
    }
}

int64_t ag_tape_length(void)
{
    return ag_current == NULL ? 0 : ag_current->nodes;
}

/* ---- scopes ---------------------------------------------------------------------------------------------------------------------- */

/* Ends open scopes until `depth` are left. */
static void end_scopes(ag_context *ctx, int depth)
{
    while (ctx->scopes > depth) {
        struct ag_open_scope *s = &ctx->scope[ctx->scopes - 1];
        if (AG_UNLIKELY(ctx->stepping != NULL) && s->nodes <= ctx->stepping_from) {
            ctx->abandon(ctx);
        }
        /* Last first: a node may be the only thing that holds the results of an earlier one. */
        while (ctx->nodes > s->nodes) {
            ag_node *node = ctx->node[--ctx->nodes];
            ag_node_free(node, ag_place_make(NULL, 0));
            if (AG_UNLIKELY(node->kept != NULL)) {
                let_go(node);
            }
        }
        let_go_of_made(ctx, s->made);
        ctx->arena_chunk = s->arena_chunk;
        ctx->arena_used = s->arena_used;
        ctx->grad = s->grad_before;
        ctx->anomaly = s->anomaly_before;
        ctx->retaining = s->retaining_before;
        ctx->label = s->label_before;
        ctx->scopes--;
        if (ctx->scopes == 0) {
            ag_pool_scope_ended();
        }
    }
}

static int find_scope(const ag_context *ctx, const ag_scope *scope)
{
    for (int i = ctx->scopes - 1; scope->serial != 0 && i >= 0; i--) {
        if (ctx->scope[i].serial == scope->serial) {
            return i;
        }
    }
    return -1;
}

/* Scopes as the engine opens them itself, while backward runs, too. */
static void open_scope(ag_context *ctx, ag_place where, ag_scope *scope, bool grad)
{
    int64_t capacity = ctx->scope_capacity;
    void *array = ctx->scope;
    if (!ag_grow(&array, ctx->scopes, &capacity, sizeof(*ctx->scope))) {
        return;
    }
    ctx->scope = array;
    ctx->scope_capacity = (int)capacity;
    if (ctx->scopes == 0) {
        ctx->epoch++;
    }
    struct ag_open_scope *s = &ctx->scope[ctx->scopes++];
    /* The table's number makes it unlike any other thread's: a scope given to another thread is not found there. */
    s->serial = scope->serial = ++ctx->serials << AG_TABLE_BITS | (uint64_t)ctx->table_index;
    s->address = scope;
    s->where = where;
    s->made = ctx->made_count;
    s->nodes = ctx->nodes;
    s->arena_chunk = ctx->arena_chunk;
    s->arena_used = ctx->arena_used;
    s->grad = grad;
    s->grad_before = ctx->grad;
    s->anomaly_before = ctx->anomaly;
    s->retaining_before = ctx->retaining;
    s->label_before = ctx->label;
    ctx->grad = grad;
}

static void begin(ag_place where, const char *function, ag_scope *scope, bool grad)
{
    ag_context *ctx = ag_context_get();
    if (ctx == NULL) {
        return;
    }
    if (ctx->in_backward > 0 && ctx->replaying == 0) {
        /* A rule's temporaries and the sweep's position are marks on the same list. */
        ag_error_raise(where, AG_ERROR_STATE, "%s: a scope cannot be opened while backward runs", function);
        return;
    }
    int open = find_scope(ctx, scope);
    for (int i = 0; open < 0 && i < ctx->scopes; i++) {
        if (ctx->scope[i].address == scope) {
            open = i; /* the memory is being reused: the function that opened that scope has returned */
        }
    }
    if (open >= 0 && open < ctx->replay_depth) {
        ag_error_raise(where, AG_ERROR_STATE, "%s: a checkpointed block cannot end a scope that was opened outside of it",
                       function);
        return;
    }
    if (open >= 0) {
        end_scopes(ctx, open);
    }
    open_scope(ctx, where, scope, grad);
}

void ag_begin_at(ag_place where, ag_scope *scope)
{
    begin(where, "ag_begin", scope, true);
}

void ag_begin_no_grad_at(ag_place where, ag_scope *scope)
{
    begin(where, "ag_begin_no_grad", scope, false);
}

void ag_end(ag_scope *scope)
{
    ag_context *ctx = ag_current;
    int open = ctx == NULL ? -1 : find_scope(ctx, scope);
    if (open >= 0 && (ctx->in_backward > 0 && ctx->replaying == 0 ? true : open < ctx->replay_depth)) {
        ag_error_raise(ag_caller(), AG_ERROR_STATE,
                       ctx->replaying == 0 ? "ag_end: a scope cannot be ended while backward runs"
                                           : "ag_end: a checkpointed block cannot end a scope that was opened outside of it");
        return;
    }
    scope->serial = 0;
    if (open >= 0) {
        end_scopes(ctx, open);
    }
}

int ag_scope_push(ag_context *ctx, ag_place where)
{
    ag_scope scope = {0};
    int depth = ctx->scopes;
    open_scope(ctx, where, &scope, true);
    if (ctx->scopes > depth) {
        ctx->scope[depth].address = NULL; /* nobody's variable */
    }
    return depth;
}

void ag_scope_pop(ag_context *ctx, int depth)
{
    end_scopes(ctx, depth);
}

int ag_scope_depth(void)
{
    return ag_current == NULL ? 0 : ag_current->scopes;
}

ag_place ag_scope_where(void)
{
    const ag_context *ctx = ag_current;
    return ctx == NULL || ctx->scopes == 0 ? ag_place_make(NULL, 0) : ctx->scope[ctx->scopes - 1].where;
}

bool ag_grad_enabled(void)
{
    return ag_current != NULL && ag_current->scopes > 0 && ag_current->grad;
}

/* ---- frames ---------------------------------------------------------------------------------------------------------------------- */

ag_frame ag_frame_begin(void)
{
    const ag_context *ctx = ag_context_get();
    ag_frame frame = {0, 0};
    if (ctx != NULL && ctx->scopes > 0) {
        frame.serial = ctx->scope[ctx->scopes - 1].serial;
        frame.mark = ctx->made_count;
    }
    return frame;
}

void ag_frame_end_n(ag_frame frame, int n, const ag_tensor *results)
{
    ag_context *ctx = ag_current;
    /* A frame whose scope is no longer the innermost has nothing of its own left to end. */
    if (ctx == NULL || ctx->scopes == 0 || ctx->scope[ctx->scopes - 1].serial != frame.serial ||
        frame.mark > ctx->made_count) {
        return;
    }
    int64_t kept = frame.mark;
    for (int64_t i = frame.mark; i < ctx->made_count; i++) {
        uint64_t id = ctx->made[i];
        ag_value *v = ag_peek(ag_tensor_of_id(id));
        if (v == NULL || !v->listed) {
            continue;
        }
        bool result = false;
        for (int r = 0; r < n; r++) {
            result = result || results[r].id == id;
        }
        if (result) {
            ctx->made[kept++] = id;
        } else {
            v->listed = false;
            ag_value_hide(v);
            ag_value_unref(v);
        }
    }
    ctx->made_count = kept;
}

ag_tensor ag_frame_end(ag_frame frame, ag_tensor result)
{
    ag_frame_end_n(frame, 1, &result);
    return result;
}

/* ---- labels ---------------------------------------------------------------------------------------------------------------------- */

/* Interned by content: nodes may point at labels for as long as the thread lives, and pushing one again allocates nothing. */
void ag_label_push(const char *name)
{
    ag_context *ctx = ag_context_get();
    if (ctx == NULL) {
        return;
    }
    ag_label *parent = ctx->label;
    if (parent->next != NULL && strcmp(parent->next->name, name) == 0) {
        ctx->label = parent->next;
        parent->next = ctx->label->sibling != NULL ? ctx->label->sibling : parent->children;
        return;
    }
    ag_label **end = &parent->children;
    for (; *end != NULL; end = &(*end)->sibling) {
        if (strcmp((*end)->name, name) == 0) {
            ctx->label = *end;
            parent->next = (*end)->sibling != NULL ? (*end)->sibling : parent->children;
            return;
        }
    }
    size_t path = strlen(parent->path), own = strlen(name);
    ag_label *label = malloc(sizeof(*label) + path + 2 * own + 3);
    if (label == NULL) {
        ag_error_raise(ag_caller(), AG_ERROR_MEMORY, "out of memory");
        return;
    }
    char *text = (char *)(label + 1);
    memcpy(text, name, own + 1);
    label->name = text;
    text += own + 1;
    label->path = text;
    if (path > 0) {
        memcpy(text, parent->path, path);
        text[path] = '.';
        text += path + 1;
    }
    memcpy(text, name, own + 1);
    label->parent = parent;
    label->children = label->sibling = label->next = NULL;
    *end = label;
    ctx->label = label;
}

void ag_label_pop(void)
{
    ag_context *ctx = ag_current;
    if (ctx != NULL && ctx->label->parent != NULL) {
        ctx->label = ctx->label->parent;
    }
}
