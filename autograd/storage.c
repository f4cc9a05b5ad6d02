/*
 * Buffers: reference-counted, aligned, from a pool of size classes that each thread keeps for itself. Knows no tensors.
 *
 * Note [Size classes and trimming]
 * Up to 512 bytes classes are multiples of 64; above, each octave has eight classes, so at most 12.5 % is wasted. A freed
 * buffer goes to its thread's list of its class; one that another thread frees goes back to the system, since a thread that
 * only ever frees what others make would pile it up. At ends of outermost scopes, in windows of a few, the buffers of a
 * class that were free during the whole window go back to the system: the pool follows its recent peak, and a steady loop
 * neither calls malloc nor free. What comes rarely, such as the short batch at the end of an epoch, would be given back and
 * allocated in turn; so when a class that was given back is wanted again, windows become twice as long as it was not wanted.
 */
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "platform.h"
#include "pool.h"

#define HEADER 64
#define SLACK 64 /* some vector kernels read this far behind a matrix */
#define CLASSES 320
#define LONGEST_WINDOW (1 << 20)
#define MOST_THREADS 1024

_Static_assert(sizeof(ag_storage) <= HEADER, "the header precedes the data in one cache line");

struct ag_pool {
    struct ag_pool *next; /* all pools, for statistics */
    bool in_use;
    int threads;
    ag_storage *free[CLASSES]; /* linked through parent */
    int count[CLASSES], low[CLASSES];
    int highest; /* class in use */
    int64_t ends, window_begin, window, next_window; /* of outermost scopes */
    int64_t given_back[CLASSES]; /* after how many ends; 0: not since it was last allocated */
    /* Written by the owner, read by anyone. */
    _Atomic int64_t live, peak, pooled, buffers, allocs;
    _Atomic int64_t freed_elsewhere, buffers_elsewhere; /* by other threads: of what the owner counts as live */
};

static struct ag_pool *pools;
static _Thread_local struct ag_pool *mine;

static int64_t load(_Atomic int64_t *x)
{
    return atomic_load_explicit(x, memory_order_relaxed);
}

static void add(_Atomic int64_t *x, int64_t d)
{
    atomic_store_explicit(x, load(x) + d, memory_order_relaxed);
}

static int64_t live_bytes(struct ag_pool *p)
{
    return load(&p->live) - load(&p->freed_elsewhere);
}

static int size_class(size_t bytes)
{
    if (bytes <= 512) {
        return bytes == 0 ? 0 : (int)((bytes - 1) / 64);
    }
    int octave = 0;
    size_t top = bytes - 1;
    while (top >> octave >= 16) {
        octave++;
    }
    /* top >> octave is in 8..15; class boundaries are multiples of 2^octave; 512 itself is 8 << 6 */
    return 8 + (octave - 6) * 8 + (int)((top >> octave) - 8);
}

static size_t class_bytes(int c)
{
    if (c < 8) {
        return ((size_t)c + 1) * 64;
    }
    int octave = (c - 8) / 8 + 6;
    return ((size_t)(c - 8) % 8 + 9) << octave;
}

/* What the environment says, or the number of processors; `wrong`: what it says is no number of threads. */
static int threads_at_start(const char **wrong)
{
    const char *text = getenv("WENGERT_NUM_THREADS");
    if (text != NULL && text[0] != '\0') {
        char *end;
        long n = strtol(text, &end, 10);
        if (*end == '\0' && n >= 1 && n <= MOST_THREADS) {
            return (int)n;
        }
        *wrong = text;
    }
    int n = platform_processors();
    return n < MOST_THREADS ? n : MOST_THREADS;
}

static void give_back(struct ag_pool *p, int c, int keep);

/* The thread ends: its free buffers go back to the system, the pool to a later thread. */
static void retire(void *pointer)
{
    struct ag_pool *p = pointer;
    for (int c = 0; c <= p->highest; c++) {
        give_back(p, c, 0);
    }
    mine = NULL;
    platform_lock();
    p->in_use = false;
    platform_unlock();
}

static struct ag_pool *pool(void)
{
    if (AG_LIKELY(mine != NULL)) {
        return mine;
    }
    const char *wrong = NULL;
    platform_lock();
    struct ag_pool *p = pools;
    while (p != NULL && p->in_use) {
        p = p->next;
    }
    if (p == NULL && (p = calloc(1, sizeof(*p))) != NULL) {
        p->next = pools;
        pools = p;
    }
    if (p != NULL) {
        p->in_use = true;
        p->threads = threads_at_start(&wrong);
        p->window = p->next_window = 8;
    }
    platform_unlock();
    mine = p;
    if (p != NULL) {
        platform_at_thread_exit(PLATFORM_EXIT_POOL, retire, p);
    }
    if (wrong != NULL) {
        ag_error_raise(ag_caller(), AG_ERROR_VALUE, "WENGERT_NUM_THREADS is \"%s\": 1 to %d threads are possible", wrong,
                       MOST_THREADS);
    }
    return p;
}

static void give_back(struct ag_pool *p, int c, int keep)
{
    while (p->count[c] > keep) {
        ag_storage *storage = p->free[c];
        p->free[c] = storage->parent;
        p->count[c]--;
        add(&p->pooled, -(int64_t)storage->bytes);
        platform_aligned_free(storage);
    }
    if (p->low[c] > p->count[c]) {
        p->low[c] = p->count[c];
    }
}

void ag_pool_scope_ended(void)
{
    struct ag_pool *p = mine;
    if (p == NULL || ++p->ends - p->window_begin < p->window) {
        return;
    }
    p->window_begin = p->ends;
    p->window = p->next_window;
    for (int c = 0; c <= p->highest; c++) {
        if (p->low[c] > 0) {
            give_back(p, c, p->count[c] - p->low[c]);
            p->given_back[c] = p->ends;
        }
        p->low[c] = p->count[c];
    }
}

void ag_memory_trim(void)
{
    struct ag_pool *p = mine;
    for (int c = 0; p != NULL && c <= p->highest; c++) {
        give_back(p, c, 0);
    }
}

ag_storage *ag_storage_new(size_t bytes)
{
    struct ag_pool *p = pool();
    if (AG_UNLIKELY(p == NULL || bytes > (size_t)1 << 46)) {
        ag_error_raise(ag_caller(), AG_ERROR_MEMORY, "out of memory: a buffer of %zu bytes", bytes);
        return NULL;
    }
    int c = size_class(bytes);
    ag_storage *storage = p->free[c];
    if (AG_LIKELY(storage != NULL)) {
        p->free[c] = storage->parent;
        if (--p->count[c] < p->low[c]) {
            p->low[c] = p->count[c];
        }
        add(&p->pooled, -(int64_t)storage->bytes);
    } else {
        size_t size = class_bytes(c);
        storage = platform_aligned_alloc(HEADER + size + SLACK);
        if (storage == NULL) {
            ag_memory_trim();
            storage = platform_aligned_alloc(HEADER + size + SLACK);
        }
        if (storage == NULL) {
            ag_error_raise(ag_caller(), AG_ERROR_MEMORY, "out of memory: a buffer of %zu bytes", bytes);
            return NULL;
        }
        storage->bytes = size;
        storage->size_class = (uint32_t)c;
        add(&p->allocs, 1);
        if (p->given_back[c] > 0) {
            int64_t unwanted = p->ends - p->given_back[c] + p->window;
            if (p->next_window < 2 * unwanted) {
                p->next_window = 2 * unwanted < LONGEST_WINDOW ? 2 * unwanted : LONGEST_WINDOW;
            }
            p->given_back[c] = 0;
        }
        if (c > p->highest) {
            p->highest = c;
        }
    }
    atomic_init(&storage->refs, 1);
    storage->version = 0;
    storage->data = (char *)storage + HEADER;
    storage->parent = NULL;
    storage->changed = ag_place_make(NULL, 0);
    storage->pool = p;
    add(&p->buffers, 1);
    add(&p->live, (int64_t)storage->bytes);
    int64_t live = live_bytes(p);
    if (live > load(&p->peak)) {
        atomic_store_explicit(&p->peak, live, memory_order_relaxed);
    }
    return storage;
}

ag_storage *ag_storage_slice(ag_storage *parent, size_t offset, size_t bytes)
{
    ag_storage *slice = calloc(1, sizeof(*slice));
    if (slice == NULL) {
        ag_error_raise(ag_caller(), AG_ERROR_MEMORY, "out of memory");
        return NULL;
    }
    atomic_init(&slice->refs, 1);
    slice->data = (char *)parent->data + offset;
    slice->bytes = bytes;
    slice->parent = ag_storage_retain(parent);
    return slice;
}

void ag_storage_release(ag_storage *storage)
{
    /* The last holder needs no read-modify-write: nobody else can take a new hold. */
    if (atomic_load_explicit(&storage->refs, memory_order_acquire) != 1 &&
        atomic_fetch_sub_explicit(&storage->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    if (storage->parent != NULL) {
        ag_storage *parent = storage->parent;
        free(storage);
        ag_storage_release(parent);
        return;
    }
    struct ag_pool *p = pool();
    if (AG_UNLIKELY(p == NULL)) {
        platform_aligned_free(storage);
        return;
    }
    if (AG_UNLIKELY(storage->pool != p)) {
        atomic_fetch_add_explicit(&storage->pool->buffers_elsewhere, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&storage->pool->freed_elsewhere, (int64_t)storage->bytes, memory_order_relaxed);
        platform_aligned_free(storage);
        return;
    }
    uint32_t c = storage->size_class;
    add(&p->buffers, -1);
    add(&p->live, -(int64_t)storage->bytes);
    add(&p->pooled, (int64_t)storage->bytes);
    storage->parent = p->free[c];
    p->free[c] = storage;
    p->count[c]++;
}

ag_memory_stats ag_memory(void)
{
    ag_memory_stats stats = {0};
    platform_lock();
    for (struct ag_pool *p = pools; p != NULL; p = p->next) {
        stats.live_bytes += live_bytes(p);
        stats.peak_bytes += load(&p->peak);
        stats.pool_bytes += load(&p->pooled);
        stats.live_buffers += load(&p->buffers) - load(&p->buffers_elsewhere);
        stats.system_allocs += load(&p->allocs);
    }
    platform_unlock();
    return stats;
}

void ag_memory_reset_peak(void)
{
    platform_lock();
    for (struct ag_pool *p = pools; p != NULL; p = p->next) {
        atomic_store_explicit(&p->peak, live_bytes(p), memory_order_relaxed);
    }
    platform_unlock();
}

void ag_set_threads(int n)
{
    struct ag_pool *p = pool();
    if (n < 1 || n > MOST_THREADS) {
        ag_error_raise(ag_caller(), AG_ERROR_VALUE, "ag_set_threads: %d threads; 1 to %d are possible", n, MOST_THREADS);
        return;
    }
    if (p != NULL) {
        p->threads = n;
    }
}

int ag_threads(void)
{
    struct ag_pool *p = pool();
    return p == NULL ? 1 : p->threads;
}
