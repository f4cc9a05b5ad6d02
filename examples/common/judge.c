/*
 * Judging probabilities. It must not know where they come from.
 */
#include "judge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- ROC --------------------------------------------------------------------------------------------------------------------- */

struct scored {
    double p;
    int64_t truth;
};

static int higher_first(const void *a, const void *b)
{
    double x = ((const struct scored *)a)->p, y = ((const struct scored *)b)->p;
    return x > y ? -1 : x < y;
}

bool judge_roc(struct judge_roc *roc, int64_t n, const double *p, const int64_t *truth)
{
    size_t room = (size_t)n + 1;
    struct scored *sorted = malloc(room * sizeof *sorted);
    *roc = (struct judge_roc){ .false_share = malloc(room * sizeof(double)),
                               .true_share = malloc(room * sizeof(double)),
                               .threshold = malloc(room * sizeof(double)),
                               .area = NAN };
    if (sorted == NULL || roc->false_share == NULL || roc->true_share == NULL ||
        roc->threshold == NULL) {
        free(sorted);
        return false;
    }
    double all[2] = { 0, 0 }, called[2] = { 0, 0 };
    for (int64_t i = 0; i < n; i++) {
        sorted[i] = (struct scored){ p[i], truth[i] };
        all[truth[i] != 0]++;
    }
    qsort(sorted, (size_t)n, sizeof *sorted, higher_first);
    roc->false_share[0] = roc->true_share[0] = 0;
    roc->threshold[0] = INFINITY;
    roc->points = 1;
    double area = 0;
    for (int64_t i = 0; i < n;) {
        double threshold = sorted[i].p;
        for (; i < n && sorted[i].p >= threshold; i++) {
            called[sorted[i].truth != 0]++;
        }
        int64_t now = roc->points++;
        roc->false_share[now] = called[0] / all[0];
        roc->true_share[now] = called[1] / all[1];
        roc->threshold[now] = threshold;
        area += (roc->false_share[now] - roc->false_share[now - 1]) *
                (roc->true_share[now] + roc->true_share[now - 1]) / 2;
    }
    roc->area = all[0] > 0 && all[1] > 0 ? area : NAN;
    free(sorted);
    return true;
}

void judge_roc_free(struct judge_roc *roc)
{
    free(roc->false_share);
    free(roc->true_share);
    free(roc->threshold);
    *roc = (struct judge_roc){ 0 };
}

/* ---- calibration --------------------------------------------------------------------------------------------------------------- */

void judge_reliability(struct judge_reliability *r, int64_t n, const double *p, const int64_t *truth)
{
    double p_sum[JUDGE_BINS] = { 0 }, truth_sum[JUDGE_BINS] = { 0 };
    *r = (struct judge_reliability){ 0 };
    for (int64_t i = 0; i < n; i++) {
        int bin = (int)(p[i] * JUDGE_BINS);
        bin = bin < JUDGE_BINS ? bin : JUDGE_BINS - 1;
        r->count[bin]++;
        p_sum[bin] += p[i];
        truth_sum[bin] += (double)truth[i];
    }
    for (int bin = 0; bin < JUDGE_BINS; bin++) {
        double count = (double)r->count[bin];
        r->mean[bin] = count > 0 ? p_sum[bin] / count : NAN;
        r->share[bin] = count > 0 ? truth_sum[bin] / count : NAN;
        r->error += fabs(truth_sum[bin] - p_sum[bin]) / (double)n;
    }
}

double judge_log_loss(int64_t n, const double *p, const int64_t *truth)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        sum -= log(fmax(truth[i] != 0 ? p[i] : 1 - p[i], 1e-15));
    }
    return sum / (double)n;
}

double judge_brier(int64_t n, const double *p, const int64_t *truth)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        double off = p[i] - (double)truth[i];
        sum += off * off;
    }
    return sum / (double)n;
}

/* ---- decisions ------------------------------------------------------------------------------------------------------------------ */

void judge_confusion(int64_t n, const double *p, const int64_t *truth, double threshold,
                     int64_t counts[2][2])
{
    memset(counts, 0, 4 * sizeof counts[0][0]);
    for (int64_t i = 0; i < n; i++) {
        counts[truth[i] != 0][p[i] >= threshold]++;
    }
}

double judge_accuracy(int64_t n, const double *p, const int64_t *truth)
{
    int64_t counts[2][2];
    judge_confusion(n, p, truth, 0.5, counts);
    return (double)(counts[0][0] + counts[1][1]) / (double)n;
}

/* ---- several runs ----------------------------------------------------------------------------------------------------------------- */

double judge_mean(int64_t n, const double *x)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += x[i];
    }
    return sum / (double)n;
}

double judge_deviation(int64_t n, const double *x)
{
    double mean = judge_mean(n, x), sum = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += (x[i] - mean) * (x[i] - mean);
    }
    return n > 1 ? sqrt(sum / (double)(n - 1)) : NAN;
}
