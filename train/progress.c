/*
 * The progress bar. Must not know what is trained.
 */
#include "progress.h"

#include "../autograd/platform.h"

enum { BAR_WIDTH = 20 };
static const double seconds_between_bars = 0.1;
static const double seconds_between_lines = 10;

double train_progress_loss(const train_progress *p)
{
    return p->done > 0 ? p->loss_sum / (double)p->done : 0;
}

double train_progress_seconds(const train_progress *p)
{
    return platform_seconds() - p->begun;
}

void train_progress_begin(train_progress *p, FILE *out, const char *what, int64_t epoch, int64_t epochs, int64_t samples)
{
    double now = platform_seconds();
    const train_progress before = *p;
    *p = (train_progress){
        .out = out,
        .what = what,
        .epoch = epoch,
        .epochs = epochs,
        .total = samples,
        .begun = now,
        .terminal = out != NULL && platform_is_terminal(out),
        .open = true,
    };
    if (before.resumed) {
        p->done = before.done;
        p->loss_sum = before.loss_sum;
        p->begun = before.begun;
    }
    /* The bar appears with the first batch; elsewhere an epoch that takes no time needs no line. */
    p->shown = p->terminal ? now - seconds_between_bars : now;
}

static void show(const train_progress *p, double now)
{
    double share = p->total > 0 ? (double)p->done / (double)p->total : 1;
    double seconds = now - p->begun;
    double rate = seconds > 0 ? (double)p->done / seconds : 0;
    long long left = rate > 0 ? (long long)((double)(p->total - p->done) / rate + 0.5) : 0;
    if (!p->terminal) {
        fprintf(p->out, "epoch %lld/%lld: %.0f %%, %.0f %s/s, %lld:%02lld left, loss %.4f\n", (long long)p->epoch,
                (long long)p->epochs, 100 * share, rate, p->what, left / 60, left % 60, train_progress_loss(p));
        fflush(p->out);
        return;
    }
    char bar[BAR_WIDTH + 1];
    int full = (int)(share * BAR_WIDTH);
    for (int i = 0; i < BAR_WIDTH; i++) {
        bar[i] = i < full ? '=' : i == full ? '>' : ' ';
    }
    bar[BAR_WIDTH] = '\0';
    fprintf(p->out, "\repoch %lld/%lld [%s] %3.0f %%  %.0f/s  %lld:%02lld left  loss %.4f\033[K", (long long)p->epoch,
            (long long)p->epochs, bar, 100 * share, rate, left / 60, left % 60, train_progress_loss(p));
    fflush(p->out);
}

void train_progress_add(train_progress *p, int64_t n, double loss)
{
    p->done += n;
    p->loss_sum += loss * (double)n;
    if (p->out == NULL) {
        return;
    }
    double now = platform_seconds();
    if (now - p->shown >= (p->terminal ? seconds_between_bars : seconds_between_lines)) {
        p->shown = now;
        show(p, now);
    }
}

void train_progress_end(train_progress *p)
{
    if (p->open && p->terminal) {
        fprintf(p->out, "\r\033[K");
        fflush(p->out);
    }
    p->open = false;
}

static void visit(void *object, ag_state_visitor *v)
{
    train_progress *p = object;
    bool open = p->open;
    double seconds = p->open ? train_progress_seconds(p) : 0;
    ag_state_bool(v, "open", &open);
    ag_state_int64_in(v, "done", &p->done, 0, INT64_MAX);
    ag_state_double(v, "loss_sum", &p->loss_sum);
    ag_state_double(v, "seconds", &seconds);
    if (ag_state_loading(v)) {
        p->resumed = open;
        p->begun = platform_seconds() - seconds;
    }
}

ag_stateful train_progress_stateful(train_progress *p)
{
    static const ag_stateful_type type = { sizeof(ag_stateful_type), "progress", visit };
    return ag_stateful_make(&type, p);
}
