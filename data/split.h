/*
 * Sets in parts: for training, validation and test, and the folds of cross-validation. Parts are subsets: they share the set
 * and copy nothing but indices. Free each with data_set_free().
 */
#ifndef WENGERT_DATA_SPLIT_H
#define WENGERT_DATA_SPLIT_H

#include "../autograd/autograd.h"

AG_EXTERN_C_BEGIN

typedef struct data_set data_set;

/* Each of these splits a generator from rng; after an error all parts are nil. A set that is seen through a random transform (image
 * augmentation) is refused: what judges a model must not be disturbed. Split first, then transform the training part. */

/* Splits at random into parts of the given sizes (they must sum to the set's size). */
AG_API ag_error data_split_at(ag_place where, data_set *set, int parts, const int64_t *sizes, ag_rng *rng, data_set **out);
/* Splits at random by shares that sum to 1, such as 0.8, 0.1, 0.1. Sizes are rounded so that each differs from its share by less
 * than one sample and all samples are used; a part that gets none is an error. */
AG_API ag_error data_split_shares_at(ag_place where, data_set *set, int parts, const double *shares, ag_rng *rng,
                                     data_set **out);
/* The same so that each part has each class in the proportion of the whole: of each class a part gets its share to within less
 * than one sample. Targets must be classes: one int64 or uint8 a sample, and at least two different ones. */
AG_API ag_error data_split_stratified_at(ag_place where, data_set *set, int parts, const double *shares, ag_rng *rng,
                                         data_set **out);
#define data_split(...) data_split_at(AG_HERE, __VA_ARGS__)
#define data_split_shares(...) data_split_shares_at(AG_HERE, __VA_ARGS__)
#define data_split_stratified(...) data_split_stratified_at(AG_HERE, __VA_ARGS__)

/* k-fold cross-validation: every sample is in exactly one of test[0..k-1], whose sizes differ by at most one; train[i] has all
 * others. Without a generator (NULL) folds are runs of the set's order, the larger ones first; with one, samples are dealt at
 * random. In each part samples keep the set's order. k is 2 to the number of samples. */
AG_API ag_error data_k_fold_at(ag_place where, data_set *set, int k, ag_rng *rng, data_set **train, data_set **test);
/* The same with each class spread evenly over the folds: its counts, too, differ by at most one. A class of fewer than k samples
 * is missing in some test folds; if all classes are as small, k is too large, and an error. */
AG_API ag_error data_k_fold_stratified_at(ag_place where, data_set *set, int k, ag_rng *rng, data_set **train,
                                          data_set **test);
#define data_k_fold(...) data_k_fold_at(AG_HERE, __VA_ARGS__)
#define data_k_fold_stratified(...) data_k_fold_stratified_at(AG_HERE, __VA_ARGS__)

AG_EXTERN_C_END

#endif
