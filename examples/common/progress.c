/*
 * The progress bar. It must not know what is being trained.
 */
#define _POSIX_C_SOURCE 200809L

#include "progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BAR_WIDTH = 20 };
static const double seconds_between_bars = 0.1;
static const double seconds_between_lines = 10;

double progress_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* A terminal that can go back to the beginning of a line and clear it. */
static bool has_bar(void)
{
    const char *kind = getenv("TERM");
    return isatty(STDOUT_FILENO) && kind != NULL && strcmp(kind, "dumb") != 0;
}

void progress_clear(struct progress *p)
{
    *p = (struct progress){ 0 };
}

static void progress_visit(void *object, ag_state_visitor *v)
{
    struct progress *p = object;
    bool open = p->open;
    double seconds = p->open ? progress_seconds(p) : 0;
    ag_state_bool(v, "open", &open);
    ag_state_int64(v, "done", &p->done);
    ag_state_int64(v, "right", &p->right);
    ag_state_double(v, "loss_sum", &p->loss_sum);
    ag_state_double(v, "seconds", &seconds);
    if (ag_state_loading(v)) {
        p->resumed = open;
        p->begun = progress_clock() - seconds;
    }
}

ag_stateful progress_stateful(struct progress *p)
{
    static const ag_stateful_type type = { sizeof(ag_stateful_type), "progress", progress_visit };
    return ag_stateful_make(&type, p);
}

void progress_begin(struct progress *p, int epoch, int epochs, int64_t samples)
{
    double now = progress_clock();
    const struct progress before = *p;
    *p = (struct progress){
        .epoch = epoch, .epochs = epochs, .total = samples, .begun = now, .terminal = has_bar()
    };
    p->open = true;
    if (before.resumed) {
        p->done = before.done;
        p->right = before.right;
        p->loss_sum = before.loss_sum;
        p->begun = before.begun;
    }
    /* The bar appears with the first batch; elsewhere an epoch that takes no time needs no line. */
    p->shown = p->terminal ? now - seconds_between_bars : now;
}

static void show(const struct progress *p, double now)
{
    double share = p->total > 0 ? (double)p->done / (double)p->total : 1;
    double seconds = now - p->begun;
    double rate = seconds > 0 ? (double)p->done / seconds : 0;
    int left = rate > 0 ? (int)((double)(p->total - p->done) / rate + 0.5) : 0;
    if (!p->terminal) {
        printf("epoch %d/%d: %.0f %%, %.0f digits/s, %d:%02d left, loss %.4f\n", p->epoch,
               p->epochs, 100 * share, rate, left / 60, left % 60, progress_loss(p));
        fflush(stdout);
        return;
    }
    char bar[BAR_WIDTH + 1];
    int full = (int)(share * BAR_WIDTH);
    for (int i = 0; i < BAR_WIDTH; i++) {
        bar[i] = i < full ? '=' : i == full ? '>' : ' ';
    }
    bar[BAR_WIDTH] = '\0';
    printf("\repoch %d/%d [%s] %3.0f %%  %.0f/s  %d:%02d left  loss %.4f\033[K", p->epoch,
           p->epochs, bar, 100 * share, rate, left / 60, left % 60, progress_loss(p));
    fflush(stdout);
}

void progress_add(struct progress *p, int64_t n, double loss, int64_t right)
{
    p->done += n;
    p->right += right;
    p->loss_sum += loss * (double)n;
    double now = progress_clock();
    if (now - p->shown >= (p->terminal ? seconds_between_bars : seconds_between_lines)) {
        p->shown = now;
        show(p, now);
    }
}

void progress_end(struct progress *p)
{
    p->open = false;
    if (p->terminal) {
        printf("\r\033[K");
        fflush(stdout);
    }
}

double progress_loss(const struct progress *p)
{
    return p->done > 0 ? p->loss_sum / (double)p->done : 0;
}

double progress_accuracy(const struct progress *p)
{
    return p->done > 0 ? (double)p->right / (double)p->done : 0;
}

double progress_seconds(const struct progress *p)
{
    return progress_clock() - p->begun;
}
