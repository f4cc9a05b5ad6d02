/*
 * The Fréchet distance.
 */
#include "frechet.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void frechet_moments(int64_t n, int64_t d, const double *x, double *mean, double *covariance)
{
    memset(mean, 0, (size_t)d * sizeof *mean);
    memset(covariance, 0, (size_t)(d * d) * sizeof *covariance);
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < d; j++) {
            mean[j] += x[i * d + j] / (double)n;
        }
    }
    for (int64_t i = 0; i < n; i++) {
        const double *point = x + i * d;
        for (int64_t j = 0; j < d; j++) {
            double away = (point[j] - mean[j]) / (double)(n - 1);
            for (int64_t k = 0; k < d; k++) {
                covariance[j * d + k] += away * (point[k] - mean[k]);
            }
        }
    }
    for (int64_t j = 0; j < d; j++) { /* the two halves differ by rounding */
        for (int64_t k = 0; k < j; k++) {
            covariance[j * d + k] = covariance[k * d + j];
        }
    }
}

/* ---- eigenvalues --------------------------------------------------------------------------------------------------------- */

/* Turns the plane of rows p and q of a matrix. */
static void turn_rows(int64_t d, double *m, int64_t p, int64_t q, double c, double s)
{
    for (int64_t k = 0; k < d; k++) {
        double x = m[p * d + k], y = m[q * d + k];
        m[p * d + k] = c * x - s * y;
        m[q * d + k] = s * x + c * y;
    }
}

/* Turns the plane of the axes p and q so that the matrix has 0 where they meet. */
static void annihilate(int64_t d, double *a, double *vectors, int64_t p, int64_t q)
{
    double off = a[p * d + q], ratio = (a[q * d + q] - a[p * d + p]) / (2 * off);
    double t = copysign(1, ratio) / (fabs(ratio) + hypot(1, ratio)); /* the smaller of two angles: then it converges */
    double c = 1 / hypot(1, t), s = t * c;
    turn_rows(d, a, p, q, c, s);
    for (int64_t k = 0; k < d; k++) { /* and the columns */
        double x = a[k * d + p], y = a[k * d + q];
        a[k * d + p] = c * x - s * y;
        a[k * d + q] = s * x + c * y;
    }
    a[p * d + q] = a[q * d + p] = 0;
    turn_rows(d, vectors, p, q, c, s);
}

void frechet_eigen(int64_t d, double *matrix, double *values, double *vectors)
{
    enum { SWEEPS = 50 }; /* ten are enough */
    memset(vectors, 0, (size_t)(d * d) * sizeof *vectors);
    for (int64_t i = 0; i < d; i++) {
        vectors[i * d + i] = 1;
    }
    bool turned = true;
    for (int sweep = 0; sweep < SWEEPS && turned; sweep++) {
        turned = false;
        for (int64_t p = 0; p < d; p++) {
            for (int64_t q = p + 1; q < d; q++) {
                double off = fabs(matrix[p * d + q]);
                /* Below that it changes neither eigenvalue. */
                if (off > 1e-17 * (fabs(matrix[p * d + p]) + fabs(matrix[q * d + q])) && off > 1e-300) {
                    annihilate(d, matrix, vectors, p, q);
                    turned = true;
                }
            }
        }
    }
    for (int64_t i = 0; i < d; i++) {
        values[i] = matrix[i * d + i];
    }
}

/* ---- the distance -------------------------------------------------------------------------------------------------------- */

/* y = a b, all (d,d). */
static void multiply(int64_t d, const double *a, const double *b, double *y)
{
    memset(y, 0, (size_t)(d * d) * sizeof *y);
    for (int64_t i = 0; i < d; i++) {
        for (int64_t k = 0; k < d; k++) {
            for (int64_t j = 0; j < d; j++) {
                y[i * d + j] += a[i * d + k] * b[k * d + j];
            }
        }
    }
}

/* The eigenvalue of a covariance is below 0 by rounding only. */
static double root(double eigenvalue)
{
    return sqrt(fmax(eigenvalue, 0));
}

/* The trace of (C1^1/2 C2 C1^1/2)^1/2; room for 4 matrices and 1 vector. */
static double trace_of_root(int64_t d, const double *c1, const double *c2, double *room)
{
    double *work = room, *vectors = work + d * d, *half = vectors + d * d, *inner = half + d * d, *values = inner + d * d;
    memcpy(work, c1, (size_t)(d * d) * sizeof *work);
    frechet_eigen(d, work, values, vectors);
    for (int64_t k = 0; k < d; k++) { /* C1^1/2 = V^T diag(root) V */
        for (int64_t j = 0; j < d; j++) {
            work[k * d + j] = root(values[k]) * vectors[k * d + j];
        }
    }
    memset(half, 0, (size_t)(d * d) * sizeof *half);
    for (int64_t k = 0; k < d; k++) {
        for (int64_t i = 0; i < d; i++) {
            for (int64_t j = 0; j < d; j++) {
                half[i * d + j] += vectors[k * d + i] * work[k * d + j];
            }
        }
    }
    multiply(d, half, c2, work);
    multiply(d, work, half, inner);
    for (int64_t j = 0; j < d; j++) {
        for (int64_t k = 0; k < j; k++) {
            inner[j * d + k] = inner[k * d + j] = (inner[j * d + k] + inner[k * d + j]) / 2;
        }
    }
    frechet_eigen(d, inner, values, vectors);
    double trace = 0;
    for (int64_t k = 0; k < d; k++) {
        trace += root(values[k]);
    }
    return trace;
}

double frechet_distance(int64_t d, const double *mean1, const double *covariance1, const double *mean2, const double *covariance2)
{
    double *room = malloc((size_t)(4 * d * d + d) * sizeof *room);
    if (room == NULL) {
        return NAN;
    }
    double distance = -2 * trace_of_root(d, covariance1, covariance2, room);
    free(room);
    for (int64_t j = 0; j < d; j++) {
        double apart = mean1[j] - mean2[j];
        distance += apart * apart + covariance1[j * d + j] + covariance2[j * d + j];
    }
    return distance < 0 ? 0 : distance; /* by rounding */
}
