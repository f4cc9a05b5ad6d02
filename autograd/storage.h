/*
 * Memory: statistics of the pool behind all tensors, and the threads that work on them.
 *
 * Every buffer is 64-byte aligned and comes from a pool of size classes that waste at most 12.5 %; a steady training
 * step calls malloc zero times.
 */
#ifndef WENGERT_AUTOGRAD_STORAGE_H
#define WENGERT_AUTOGRAD_STORAGE_H

#include <stddef.h>
#include <stdint.h>

#include "compiler.h"
#include "error.h"

AG_EXTERN_C_BEGIN

typedef struct ag_memory_stats {
    int64_t live_bytes;    /* bytes that tensors hold now, over all threads */
    int64_t peak_bytes;    /* the most that each thread's held since the start or ag_memory_reset_peak(), added up */
    int64_t pool_bytes;    /* bytes free in the pool, ready for reuse */
    int64_t live_buffers;  /* buffers that tensors hold now */
    int64_t system_allocs; /* how often the pool has called malloc since the start */
} ag_memory_stats;

AG_API ag_memory_stats ag_memory(void); /* of all threads, now */
AG_API void ag_memory_reset_peak(void); /* the peak starts anew at what is live now */
/* Gives the calling thread's unused pool memory back to the system. */
AG_API void ag_memory_trim(void);

/* The number of threads that operations of the calling thread use, itself included: 1 to 1024. Starts as the environment variable
 * WENGERT_NUM_THREADS if it is set (a value that is no such number is an error of the thread's first call), else as the number of
 * processors that the process may use. The others are started when an operation first is worth them; all threads that use the
 * library share them, and while one has them, the operations of another run on its own thread alone. Results do not depend on
 * the number. */
AG_API void ag_set_threads(int n);
AG_API int ag_threads(void);

/* Errors of the functions that take no place name the line of the call, too. */
#ifndef WENGERT_INTERNAL
#define ag_set_threads(...) AG_NOTING(ag_set_threads(__VA_ARGS__))
#endif

AG_EXTERN_C_END

#endif
