#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "platform.h"

void *platform_aligned_alloc(size_t bytes)
{
    void *block = NULL;
    return posix_memalign(&block, 64, bytes) == 0 ? block : NULL;
}

void platform_aligned_free(void *block)
{
    free(block);
}

int platform_processors(void)
{
#if defined(__linux__)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) == 0) {
        return CPU_COUNT(&set);
    }
#endif
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : (int)n;
}

double platform_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static pthread_key_t key[PLATFORM_EXITS];
static bool key_made[PLATFORM_EXITS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void platform_at_thread_exit(enum platform_exit purpose, void (*destroy)(void *), void *pointer)
{
    platform_lock();
    if (!key_made[purpose]) {
        key_made[purpose] = pthread_key_create(&key[purpose], destroy) == 0;
    }
    bool made = key_made[purpose];
    platform_unlock();
    if (made) { /* else the thread's memory is not used again: a process has at most some hundred keys */
        pthread_setspecific(key[purpose], pointer);
    }
}

void platform_lock(void)
{
    pthread_mutex_lock(&lock);
}

void platform_unlock(void)
{
    pthread_mutex_unlock(&lock);
}
