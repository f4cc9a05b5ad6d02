/*
 * The progress of an epoch of a classifier: the library's bar, and how many were right.
 */
#define _POSIX_C_SOURCE 200809L

#include "progress.h"

#include <time.h>

double progress_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void progress_clear(struct progress *p)
{
    *p = (struct progress){ 0 };
}

static void progress_visit(void *object, ag_state_visitor *v)
{
    struct progress *p = object;
    ag_state_child(v, "epoch", train_progress_stateful(&p->bar));
    ag_state_int64(v, "right", &p->right);
}

ag_stateful progress_stateful(struct progress *p)
{
    static const ag_stateful_type type = { sizeof(ag_stateful_type), "progress", progress_visit };
    return ag_stateful_make(&type, p);
}

void progress_begin(struct progress *p, int epoch, int epochs, int64_t samples)
{
    p->right = p->bar.resumed ? p->right : 0;
    train_progress_begin(&p->bar, stdout, "digits", epoch, epochs, samples);
}

void progress_add(struct progress *p, int64_t n, double loss, int64_t right)
{
    p->right += right;
    train_progress_add(&p->bar, n, loss);
}

void progress_end(struct progress *p)
{
    train_progress_end(&p->bar);
}

double progress_loss(const struct progress *p)
{
    return train_progress_loss(&p->bar);
}

double progress_accuracy(const struct progress *p)
{
    return p->bar.done > 0 ? (double)p->right / (double)p->bar.done : 0;
}

double progress_seconds(const struct progress *p)
{
    return train_progress_seconds(&p->bar);
}
