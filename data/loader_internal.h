/*
 * What the files of the loader share. Internal: not installed.
 *
 * Note [Who touches a batch]. Tensors are the user's thread's business: it makes them, lends them
 * and lets go of them. The loader's threads only write numbers to the addresses they were given, in
 * slots that are not lent. Batch k lies in slot k modulo the ring; the ring has one slot more than
 * batches are prepared ahead, so that the lent one is never written.
 *
 * The order of an epoch is drawn on the user's thread before any of its batches is read, threads
 * claim batches in that order, and each batch is filled by one thread from samples that depend on
 * the epoch and their index alone: how many threads there are, and what is read when, cannot change
 * a bit.
 */
#ifndef WENGERT_DATA_LOADER_INTERNAL_H
#define WENGERT_DATA_LOADER_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "data/internal.h"
#include "data/sampler_internal.h"

struct data_collate {
    data_collate_type type; /* of one of the program's own */
    void *state;
    bool pads;
    double x_value, y_value; /* what it pads with */
};

bool data_collate_is_nil(const data_collate *collate);

enum { BATCH_TENSORS = 4 + DATA_BATCH_MORE }; /* x, y, x_lengths, y_lengths, more */

struct slot {
    int64_t n;                      /* samples */
    ag_tensor tensor[BATCH_TENSORS]; /* AG_NONE: not there */
    data_form form[BATCH_TENSORS];   /* ndim -1 likewise */
    char *data[BATCH_TENSORS];
    data_sample *sample; /* room for a batch; their x and y belong to who fills the slot */
    bool ready;          /* under the mutex */
};

/* What a thread reads samples into, if they do not go straight to their places. */
struct scratch {
    char *bytes;
    size_t room;
};

struct data_loader {
    data_set *set;
    data_sampler *sampler;
    data_collate *collate; /* NULL: stacks */
    int64_t batch, batches, count, samples; /* count: that are drawn; samples: that are lent */
    int workers;                            /* threads that run */
    int64_t ahead;                          /* batches that they prepare; 0: there are none */
    ag_rng rng;
    int64_t epoch;    /* how many began before this one */
    ag_rng epoch_rng; /* what rng was before this epoch's order was drawn */
    int64_t *order;   /* NULL: the set's own */
    struct slot *slots;
    int64_t ring;
    int64_t next;  /* the batch that the next call lends */
    bool lent;     /* the one before it is lent */
    bool failed;   /* an error of this epoch was handed to the user */
    bool over;     /* the user was told that the epoch is at its end */
    bool resumed;  /* in the middle of an epoch: the next rewind is the one that began it */
    pthread_t *threads;
    struct scratch scratch; /* of the user's thread */

    /* From here on shared with the threads, under the mutex. */
    pthread_mutex_t mutex;
    pthread_cond_t work, ready;
    int64_t claimed; /* batches of this epoch that were begun */
    int64_t allowed; /* batches of this epoch whose slots may be written */
    int busy;        /* threads that are writing */
    bool stop;
    atomic_bool halt;    /* what the threads are writing is not wanted any more */
    ag_error fault;      /* of the first batch that cannot be had */
    int64_t fault_batch; /* which one that is; INT64_MAX: none so far */
    char message[DATA_MESSAGE];
};

/* ---- loader_fill.c: batches in slots ----------------------------------------------------------- */

struct slot *loader_slot(data_loader *l, int64_t k);
/* Makes the slot of batch k ready to be written; handles of what was in it are past. What is wrong
 * with the batch itself is kept for who asks for it. False after an error. */
bool loader_slot_prepare(ag_place where, data_loader *l, int64_t k);
/* Handles of what is in the slot are past. */
void loader_slot_retire(struct slot *slot);
void loader_slot_free(struct slot *slot);
/* Reads batch k into its slot, on whatever thread; stops early when halted. */
ag_error loader_fill(data_loader *l, int64_t k, struct scratch *scratch, char message[DATA_MESSAGE]);
/* Keeps an error of batch k; under the mutex, or without threads. */
void loader_fault(data_loader *l, int64_t k, ag_error error, const char *message);

/* ---- loader_threads.c --------------------------------------------------------------------------- */

/* Starts l->workers threads; an error number, 0 if all run. */
int loader_threads_start(data_loader *l);
/* Takes everything back from the threads: until they are allowed again they touch nothing. */
void loader_threads_pause(data_loader *l);
/* From batch `first` on; the threads are paused. */
void loader_threads_begin(data_loader *l, int64_t first);
/* Waits for batch `next`, or reads it here if there are no threads; false if it cannot be had. */
bool loader_await(data_loader *l);
void loader_threads_end(data_loader *l);

#endif
