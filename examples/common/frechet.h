/*
 * The Fréchet distance between two clouds of points, each described by its mean and covariance. Plain numbers in float64; it knows
 * nothing of pictures.
 */
#ifndef EXAMPLES_COMMON_FRECHET_H
#define EXAMPLES_COMMON_FRECHET_H

#include <stdbool.h>
#include <stdint.h>

/* The mean [d] of n points x (n,d) and their covariance (d,d), divided by n - 1. Needs n of 2 or more. */
void frechet_moments(int64_t n, int64_t d, const double *x, double *mean, double *covariance);

/* The eigenvalues [d] of a symmetric matrix (d,d) in any order, and their eigenvectors, one in each row of `vectors` (d,d); the
 * matrix is overwritten. Jacobi's method: slow for large d, but exact to rounding for small eigenvalues, too. Jacobi 1846; Golub &
 * Van Loan, Matrix Computations, 8.5 */
void frechet_eigen(int64_t d, double *matrix, double *values, double *vectors);

/* |m1 - m2|^2 + tr(C1 + C2 - 2 (C1^1/2 C2 C1^1/2)^1/2): the squared Wasserstein-2 distance of the normal distributions with these
 * moments. NaN without memory. Fréchet 1957; Dowson & Landau 1982; for pictures Heusel et al. 2017 */
double frechet_distance(int64_t d, const double *mean1, const double *covariance1, const double *mean2, const double *covariance2);

#endif
