/*
 * The answer without descent: the normal equations. Plain numbers; it must not know tensors' gradients.
 */
#include "regression.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

bool problem_open(struct problem *p, const struct options *o, data_set *set)
{
    *p = (struct problem){ 0 };
    if (data_set_tensors(set, &p->x, &p->y) == AG_OK) {
        p->n = ag_size(p->x, 0);
        p->f = (int)ag_size(p->x, 1);
        p->xs = malloc((size_t)p->n * (size_t)p->f * sizeof *p->xs);
        p->ys = malloc((size_t)p->n * sizeof *p->ys);
        if (p->xs == NULL || p->ys == NULL) {
            fprintf(stderr, "%s: out of memory\n", o->program);
        } else {
            ag_read_doubles(p->x, p->xs, p->n * p->f);
            ag_read_doubles(p->y, p->ys, p->n);
        }
    }
    data_set_free(set);
    return p->xs != NULL && p->ys != NULL && ag_exit_status() == 0;
}

void problem_close(struct problem *p)
{
    ag_drop(&p->x);
    ag_drop(&p->y);
    free(p->xs);
    free(p->ys);
    *p = (struct problem){ 0 };
}

double problem_spread(const struct problem *p)
{
    double mean = 0, sum = 0;
    for (int64_t i = 0; i < p->n; i++) {
        mean += p->ys[i] / (double)p->n;
    }
    for (int64_t i = 0; i < p->n; i++) {
        sum += (p->ys[i] - mean) * (p->ys[i] - mean);
    }
    return sum / (double)p->n;
}

double solve_loss(const struct problem *p, const double *weights)
{
    double sum = 0;
    for (int64_t i = 0; i < p->n; i++) {
        double guess = weights[p->f];
        for (int j = 0; j < p->f; j++) {
            guess += weights[j] * p->xs[i * p->f + j];
        }
        sum += (guess - p->ys[i]) * (guess - p->ys[i]);
    }
    return sum / (double)p->n;
}

/* A = X^T X / n and r = X^T y / n, where the last column of X is 1 everywhere. */
static void normal_equations(const struct problem *p, double a[WEIGHTS_MAX][WEIGHTS_MAX], double *r)
{
    int m = p->f + 1;
    for (int j = 0; j < m; j++) {
        r[j] = 0;
        for (int k = 0; k < m; k++) {
            a[j][k] = 0;
        }
    }
    for (int64_t i = 0; i < p->n; i++) {
        const double *row = &p->xs[i * p->f];
        for (int j = 0; j < m; j++) {
            double xj = j < p->f ? row[j] : 1;
            r[j] += xj * p->ys[i] / (double)p->n;
            for (int k = 0; k <= j; k++) {
                a[j][k] += xj * (k < p->f ? row[k] : 1) / (double)p->n;
            }
        }
    }
}

/* A = L L^T (Cholesky); L takes the place of A's lower triangle. False if A is not safely positive definite: a column is, up to
 * rounding, a combination of others. */
static bool cholesky(int m, double a[WEIGHTS_MAX][WEIGHTS_MAX])
{
    for (int j = 0; j < m; j++) {
        double whole = a[j][j];
        for (int k = 0; k < j; k++) {
            a[j][j] -= a[j][k] * a[j][k];
        }
        if (!(a[j][j] > 1e-12 * whole)) {
            return false;
        }
        a[j][j] = sqrt(a[j][j]);
        for (int i = j + 1; i < m; i++) {
            for (int k = 0; k < j; k++) {
                a[i][j] -= a[i][k] * a[j][k];
            }
            a[i][j] /= a[j][j];
        }
    }
    return true;
}

/* L L^T x = r: forwards with L, backwards with L^T. x takes the place of r. */
static void cholesky_solve(int m, double l[WEIGHTS_MAX][WEIGHTS_MAX], double *r)
{
    for (int i = 0; i < m; i++) {
        for (int k = 0; k < i; k++) {
            r[i] -= l[i][k] * r[k];
        }
        r[i] /= l[i][i];
    }
    for (int i = m - 1; i >= 0; i--) {
        for (int k = i + 1; k < m; k++) {
            r[i] -= l[k][i] * r[k];
        }
        r[i] /= l[i][i];
    }
}

bool solve_closed_form(const struct problem *p, double *weights)
{
    static double a[WEIGHTS_MAX][WEIGHTS_MAX];
    normal_equations(p, a, weights);
    if (!cholesky(p->f + 1, a)) {
        return false;
    }
    cholesky_solve(p->f + 1, a, weights);
    return true;
}

/* The Hessian of the mean squared error is 2 A. Dividing by it again and again leaves the direction of its smallest eigenvalue. */
double solve_least_curvature(const struct problem *p)
{
    static double a[WEIGHTS_MAX][WEIGHTS_MAX];
    double v[WEIGHTS_MAX], length = 0, before = 0;
    int m = p->f + 1;
    normal_equations(p, a, v);
    if (!cholesky(m, a)) {
        return NAN;
    }
    for (int j = 0; j < m; j++) {
        v[j] = 1 / sqrt(m);
    }
    for (int i = 0; i < 10000; i++) {
        cholesky_solve(m, a, v);
        length = 0;
        for (int j = 0; j < m; j++) {
            length += v[j] * v[j];
        }
        length = sqrt(length);
        for (int j = 0; j < m; j++) {
            v[j] /= length;
        }
        if (fabs(length - before) <= 1e-13 * length) {
            break;
        }
        before = length;
    }
    return 2 / length;
}
