/*
 * The loader's threads: who reads which batch when, and what becomes of an error.
 *
 * Threads claim batches in their order, so that all before a batch that cannot be read are claimed
 * when its error is known; after one, no more are claimed.
 */
#include <errno.h>
#include <stdlib.h>

#include "data/loader_internal.h"

static void *thread_main(void *argument)
{
    data_loader *l = argument;
    struct scratch scratch = { 0 };
    char message[DATA_MESSAGE];
    pthread_mutex_lock(&l->mutex);
    while (!l->stop) {
        if (l->claimed >= l->allowed || l->claimed >= l->fault_batch) {
            pthread_cond_wait(&l->work, &l->mutex);
            continue;
        }
        int64_t k = l->claimed++;
        l->busy++;
        pthread_mutex_unlock(&l->mutex);
        ag_error error = loader_fill(l, k, &scratch, message);
        pthread_mutex_lock(&l->mutex);
        l->busy--;
        if (!atomic_load(&l->halt)) {
            if (error == AG_OK) {
                loader_slot(l, k)->ready = true;
            } else {
                loader_fault(l, k, error, message);
            }
        }
        pthread_cond_signal(&l->ready);
    }
    pthread_mutex_unlock(&l->mutex);
    free(scratch.bytes);
    return NULL;
}

int loader_threads_start(data_loader *l)
{
    int wanted = l->workers;
    l->threads = calloc((size_t)wanted + 1, sizeof *l->threads);
    if (l->threads == NULL) {
        wanted = 0;
    }
    int reason = l->threads == NULL ? ENOMEM : 0;
    for (l->workers = 0; l->workers < wanted && reason == 0;) {
        reason = pthread_create(&l->threads[l->workers], NULL, thread_main, l);
        l->workers += reason == 0 ? 1 : 0;
    }
    return reason;
}

void loader_threads_pause(data_loader *l)
{
    pthread_mutex_lock(&l->mutex);
    l->allowed = 0;
    atomic_store(&l->halt, true);
    while (l->busy > 0) {
        pthread_cond_wait(&l->ready, &l->mutex);
    }
    atomic_store(&l->halt, false);
    pthread_mutex_unlock(&l->mutex);
}

static int64_t allowed_from(const data_loader *l, int64_t next)
{
    return next < l->batches - l->ahead ? next + l->ahead + 1 : l->batches;
}

void loader_threads_begin(data_loader *l, int64_t first)
{
    pthread_mutex_lock(&l->mutex);
    l->claimed = first;
    l->allowed = l->ahead > 0 ? allowed_from(l, first) : 0;
    pthread_cond_broadcast(&l->work);
    pthread_mutex_unlock(&l->mutex);
}

/* Reads batch `next` on the user's thread. */
static void fill_here(data_loader *l, struct slot *slot)
{
    char message[DATA_MESSAGE];
    ag_error error = loader_fill(l, l->next, &l->scratch, message);
    pthread_mutex_lock(&l->mutex);
    if (error == AG_OK) {
        slot->ready = true;
    } else {
        loader_fault(l, l->next, error, message);
    }
    pthread_mutex_unlock(&l->mutex);
}

/* A batch that no thread has begun is read here: where processors are busy with other things, that
 * takes less time than waiting for a thread to get one. */
bool loader_await(data_loader *l)
{
    struct slot *slot = loader_slot(l, l->next);
    pthread_mutex_lock(&l->mutex);
    int64_t allowed = l->ahead > 0 ? allowed_from(l, l->next) : 0;
    if (allowed > l->allowed) {
        l->allowed = allowed;
        pthread_cond_signal(&l->work);
    }
    if (l->claimed == l->next && l->fault_batch > l->next) {
        l->claimed++;
        pthread_mutex_unlock(&l->mutex);
        fill_here(l, slot);
        pthread_mutex_lock(&l->mutex);
    }
    while (!slot->ready && l->fault_batch > l->next) {
        pthread_cond_wait(&l->ready, &l->mutex);
    }
    bool good = slot->ready;
    pthread_mutex_unlock(&l->mutex);
    return good;
}

void loader_threads_end(data_loader *l)
{
    pthread_mutex_lock(&l->mutex);
    l->stop = true;
    atomic_store(&l->halt, true);
    pthread_cond_broadcast(&l->work);
    pthread_mutex_unlock(&l->mutex);
    for (int t = 0; t < l->workers; t++) {
        pthread_join(l->threads[t], NULL);
    }
    free(l->threads);
    l->threads = NULL;
    l->workers = 0;
}
