#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
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

static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static void (*destructor)(void *);
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void make_key(void)
{
    pthread_key_create(&key, destructor);
}

void platform_at_thread_exit(void (*destroy)(void *), void *pointer)
{
    platform_lock();
    destructor = destroy;
    platform_unlock();
    pthread_once(&key_once, make_key);
    pthread_setspecific(key, pointer);
}

void platform_lock(void)
{
    pthread_mutex_lock(&lock);
}

void platform_unlock(void)
{
    pthread_mutex_unlock(&lock);
}
