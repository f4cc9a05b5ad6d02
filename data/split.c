/*
 * Sets in parts: splits by sizes and shares, with classes in proportion or without, and folds. Knows
 * samples by index, and labels.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/internal.h"

/* ---- making parts ---------------------------------------------------------------------------- */

static void parts_nil(int parts, data_set **out)
{
    for (int p = 0; p < parts && out != NULL; p++) {
        out[p] = data_set_nil();
    }
}

/* Subset p gets the indices i with part[i] == p (or != p: `others`), in ascending order. */
static ag_error part_make(ag_place where, const char *function, data_set *set, const int *part,
                          int p, bool others, data_set **out)
{
    int64_t *indices = malloc(((size_t)set->n + 1) * sizeof *indices), n = 0;
    if (indices == NULL) {
        return ag_error_raise(where, AG_ERROR_MEMORY, "%s: out of memory for %" PRId64 " indices",
                              function, set->n);
    }
    for (int64_t i = 0; i < set->n; i++) {
        if ((part[i] == p) != others) {
            indices[n++] = i;
        }
    }
    *out = data_subset_make(where, function, set, n, indices);
    free(indices);
    return data_set_is_nil(*out) ? ag_error_code() : AG_OK;
}

/* Whether there is something to divide and somewhere to put it; raises if not. */
static bool call_fits(ag_place where, const char *function, const data_set *set, bool generator,
                      bool places)
{
    if (ag_error_code() != AG_OK) {
        return false;
    }
    if (data_set_is_nil(set) || !generator || !places) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: there is no %s", function,
                       data_set_is_nil(set) ? "set"
                       : !generator         ? "generator"
                                            : "array for the parts");
        return false;
    }
    if (set->augmented) {
        ag_error_raise(where, AG_ERROR_VALUE,
                       "%s: the set is seen through a random transform, and so would be the parts "
                       "that judge: split first, and transform the training part",
                       function);
        return false;
    }
    return true;
}

/* ---- by sizes -------------------------------------------------------------------------------- */

/* Whether the sizes of a split make sense; raises if not. */
static bool split_fits(ag_place where, const data_set *set, int parts, const int64_t *sizes)
{
    if (parts < 1 || sizes == NULL) {
        ag_error_raise(where, AG_ERROR_VALUE, "data_split: %d parts%s", parts,
                       sizes == NULL ? ", and the array of sizes is NULL" : "");
        return false;
    }
    int64_t left = set->n;
    for (int p = 0; p < parts; p++) {
        if (sizes[p] < 0 || sizes[p] > left) {
            ag_error_raise(where, AG_ERROR_VALUE,
                           "data_split: part %d cannot have %" PRId64 " samples: %" PRId64
                           " of %" PRId64 " are left",
                           p, sizes[p], left, set->n);
            return false;
        }
        left -= sizes[p];
    }
    if (left > 0) {
        ag_error_raise(where, AG_ERROR_VALUE,
                       "data_split: the parts have %" PRId64
                       " samples together, but the set has %" PRId64,
                       set->n - left, set->n);
        return false;
    }
    return true;
}

/* After an error nothing is left of the parts. */
static ag_error parts_settle(int parts, data_set **out)
{
    for (int p = 0; p < parts && ag_error_code() != AG_OK; p++) {
        data_set_free(out[p]);
        out[p] = data_set_nil();
    }
    return ag_error_code();
}

static ag_error split_random(ag_place where, const char *function, data_set *set, int parts,
                             const int64_t *sizes, ag_rng *rng, data_set **out)
{
    int64_t *order = (uint64_t)set->n <= SIZE_MAX / sizeof *order - 1
                         ? malloc(((size_t)set->n + 1) * sizeof *order)
                         : NULL;
    if (order == NULL) {
        return ag_error_raise(where, AG_ERROR_MEMORY, "%s: out of memory for %" PRId64 " indices",
                              function, set->n);
    }
    ag_rng own = ag_rng_split(rng);
    ag_rng_permutation(&own, set->n, order);
    const int64_t *next = order;
    for (int p = 0; p < parts && ag_error_code() == AG_OK; p++) {
        out[p] = data_subset_make(where, function, set, sizes[p], next);
        next += sizes[p];
    }
    free(order);
    return parts_settle(parts, out);
}

ag_error data_split_at(ag_place where, data_set *set, int parts, const int64_t *sizes, ag_rng *rng,
                       data_set **out)
{
    parts_nil(parts, out);
    if (!call_fits(where, "data_split", set, rng != NULL, out != NULL) ||
        !split_fits(where, set, parts, sizes)) {
        return ag_error_code();
    }
    return split_random(where, "data_split", set, parts, sizes, rng, out);
}

/* ---- by shares ------------------------------------------------------------------------------- */

static bool shares_fit(ag_place where, const char *function, int parts, const double *shares)
{
    if (parts < 1 || shares == NULL) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: %d parts%s", function, parts,
                       shares == NULL ? ", and the array of shares is NULL" : "");
        return false;
    }
    double sum = 0;
    for (int p = 0; p < parts; p++) {
        if (!(shares[p] > 0 && shares[p] <= 1)) {
            ag_error_raise(where, AG_ERROR_VALUE, "%s: part %d cannot have the share %g", function,
                           p, shares[p]);
            return false;
        }
        sum += shares[p];
    }
    if (!(fabs(sum - 1) < 1e-9)) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: the shares sum to %.10g instead of 1", function,
                       sum);
        return false;
    }
    return true;
}

/* Divides n samples: each part gets the whole part of its share, and what is left goes to the parts
 * that are furthest behind in the sum of all divisions so far (`behind`), one each, if they had a
 * fraction. So no count is off by one or more, here or in the sum of a few divisions. */
static void divide(int64_t n, int parts, const double *shares, double *behind, int64_t *sizes)
{
    int64_t left = n;
    for (int p = 0; p < parts; p++) {
        double exact = shares[p] * (double)n, whole = floor(exact + 1e-9);
        sizes[p] = whole < (double)left ? (int64_t)whole : left;
        left -= sizes[p];
        behind[p] += exact - (double)sizes[p];
    }
    for (; left > 0; left--) {
        int best = -1;
        for (int p = 0; p < parts; p++) {
            double exact = shares[p] * (double)n;
            if ((double)sizes[p] < exact - 1e-9 && (best < 0 || behind[p] > behind[best] + 1e-9)) {
                best = p;
            }
        }
        best = best < 0 ? 0 : best;
        sizes[best]++;
        behind[best] -= 1;
    }
}

ag_error data_split_shares_at(ag_place where, data_set *set, int parts, const double *shares,
                              ag_rng *rng, data_set **out)
{
    const char *function = "data_split_shares";
    parts_nil(parts, out);
    if (!call_fits(where, function, set, rng != NULL, out != NULL) ||
        !shares_fit(where, function, parts, shares)) {
        return ag_error_code();
    }
    int64_t *sizes = malloc((size_t)parts * sizeof *sizes);
    double *behind = calloc((size_t)parts, sizeof *behind);
    if (sizes == NULL || behind == NULL) {
        ag_error_raise(where, AG_ERROR_MEMORY, "%s: out of memory", function);
    } else {
        divide(set->n, parts, shares, behind, sizes);
        for (int p = 0; p < parts && ag_error_code() == AG_OK; p++) {
            if (sizes[p] == 0) {
                ag_error_raise(where, AG_ERROR_VALUE,
                               "%s: part %d gets no sample: its share of %" PRId64 " is %g",
                               function, p, set->n, shares[p] * (double)set->n);
            }
        }
        if (ag_error_code() == AG_OK) {
            split_random(where, function, set, parts, sizes, rng, out);
        }
    }
    free(behind);
    free(sizes);
    return ag_error_code();
}

/* ---- by classes ------------------------------------------------------------------------------ */

struct labelled {
    int64_t label, sample;
};

static int by_label(const void *a, const void *b)
{
    const struct labelled *l = a, *r = b;
    if (l->label != r->label) {
        return l->label < r->label ? -1 : 1;
    }
    return l->sample < r->sample ? -1 : l->sample > r->sample;
}

/* Where the class that begins at `begin` ends. */
static int64_t class_end(const struct labelled *sorted, int64_t n, int64_t begin)
{
    int64_t end = begin;
    while (end < n && sorted[end].label == sorted[begin].label) {
        end++;
    }
    return end;
}

/* The samples by class, classes in the order in which they appear first, and within one by index; at
 * least two classes. NULL after an error. Labels are only good for telling classes apart then. */
static struct labelled *by_classes(ag_place where, const char *function, data_set *set)
{
    int64_t *labels = data_set_labels(where, function, set);
    struct labelled *sorted = labels != NULL ? malloc(((size_t)set->n + 1) * sizeof *sorted) : NULL;
    if (labels != NULL && sorted == NULL) {
        ag_error_raise(where, AG_ERROR_MEMORY, "%s: out of memory", function);
    }
    for (int64_t i = 0; sorted != NULL && i < set->n; i++) {
        sorted[i] = (struct labelled){ labels[i], i };
    }
    free(labels);
    if (sorted == NULL) {
        return NULL;
    }
    qsort(sorted, (size_t)set->n, sizeof *sorted, by_label);
    if (set->n > 0 && sorted[0].label == sorted[set->n - 1].label) {
        ag_error_raise(where, AG_ERROR_VALUE,
                       "%s: all %" PRId64 " samples are of one class, %" PRId64, function, set->n,
                       sorted[0].label);
        free(sorted);
        return NULL;
    }
    for (int64_t begin = 0, end; begin < set->n; begin = end) {
        end = class_end(sorted, set->n, begin);
        for (int64_t i = begin + 1; i < end; i++) {
            sorted[i].label = sorted[begin].sample;
        }
        sorted[begin].label = sorted[begin].sample;
    }
    qsort(sorted, (size_t)set->n, sizeof *sorted, by_label);
    return sorted;
}

static void shuffle_samples(ag_rng *rng, struct labelled *a, int64_t n)
{
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = ag_rng_below(rng, i + 1);
        struct labelled swap = a[i];
        a[i] = a[j];
        a[j] = swap;
    }
}

/* The part of each sample; raises if one stays empty. */
static void stratify(ag_place where, const char *function, int64_t n, struct labelled *sorted,
                     int parts, const double *shares, ag_rng *rng, double *behind, int64_t *sizes,
                     int *part)
{
    for (int64_t begin = 0, end; begin < n; begin = end) {
        end = class_end(sorted, n, begin);
        shuffle_samples(rng, sorted + begin, end - begin);
        divide(end - begin, parts, shares, behind, sizes);
        int64_t next = begin;
        for (int p = 0; p < parts; p++) {
            for (int64_t j = 0; j < sizes[p]; j++) {
                part[sorted[next++].sample] = p;
            }
        }
    }
    memset(sizes, 0, (size_t)parts * sizeof *sizes);
    for (int64_t i = 0; i < n; i++) {
        sizes[part[i]]++;
    }
    for (int p = 0; p < parts && ag_error_code() == AG_OK; p++) {
        if (sizes[p] == 0) {
            ag_error_raise(where, AG_ERROR_VALUE,
                           "%s: part %d gets no sample: its share of %" PRId64 " is %g", function,
                           p, n, shares[p] * (double)n);
        }
    }
}

ag_error data_split_stratified_at(ag_place where, data_set *set, int parts, const double *shares,
                                  ag_rng *rng, data_set **out)
{
    const char *function = "data_split_stratified";
    parts_nil(parts, out);
    if (!call_fits(where, function, set, rng != NULL, out != NULL) ||
        !shares_fit(where, function, parts, shares)) {
        return ag_error_code();
    }
    struct labelled *sorted = by_classes(where, function, set);
    if (sorted == NULL) {
        return ag_error_code();
    }
    double *behind = calloc((size_t)parts, sizeof *behind);
    int64_t *sizes = malloc((size_t)parts * sizeof *sizes);
    int *part = malloc(((size_t)set->n + 1) * sizeof *part);
    if (behind == NULL || sizes == NULL || part == NULL) {
        ag_error_raise(where, AG_ERROR_MEMORY, "%s: out of memory", function);
    } else {
        ag_rng own = ag_rng_split(rng);
        stratify(where, function, set->n, sorted, parts, shares, &own, behind, sizes, part);
        for (int p = 0; p < parts && ag_error_code() == AG_OK; p++) {
            part_make(where, function, set, part, p, false, &out[p]);
        }
    }
    free(part);
    free(sizes);
    free(behind);
    free(sorted);
    return parts_settle(parts, out);
}

/* ---- folds ----------------------------------------------------------------------------------- */

static bool folds_fit(ag_place where, const char *function, const data_set *set, int k, bool places)
{
    if (!call_fits(where, function, set, true, places)) {
        return false;
    }
    if (k < 2 || k > set->n) {
        ag_error_raise(where, AG_ERROR_VALUE,
                       "%s: %d folds of %" PRId64 " samples: k must be 2 to the number of samples",
                       function, k, set->n);
        return false;
    }
    return true;
}

/* Folds of consecutive samples, or of a random order of them. */
static bool fold_plain(int64_t n, int k, ag_rng *rng, int64_t *order, int *fold)
{
    if (rng != NULL) {
        ag_rng own = ag_rng_split(rng);
        ag_rng_permutation(&own, n, order);
    }
    int64_t next = 0;
    for (int f = 0; f < k; f++) {
        int64_t size = n / k + (f < n % k ? 1 : 0);
        for (int64_t j = 0; j < size; j++, next++) {
            fold[rng != NULL ? order[next] : next] = f;
        }
    }
    return true;
}

/* Folds with classes spread evenly: in the order of classes, sample after sample goes to fold after
 * fold, so that folds differ by at most one in all and in each class. Which samples of a class go
 * where is then decided anew: in the set's order, or at random. */
static bool fold_classes(ag_place where, const char *function, data_set *set, int k, ag_rng *rng,
                         int64_t *count, int *fold)
{
    struct labelled *sorted = by_classes(where, function, set);
    if (sorted == NULL) {
        return false;
    }
    ag_rng own = rng != NULL ? ag_rng_split(rng) : (ag_rng){ 0, 0 };
    int64_t largest = 0;
    for (int64_t begin = 0, end; begin < set->n; begin = end) {
        end = class_end(sorted, set->n, begin);
        largest = end - begin > largest ? end - begin : largest;
        if (rng != NULL) {
            shuffle_samples(&own, sorted + begin, end - begin);
        }
        memset(count, 0, (size_t)k * sizeof *count);
        for (int64_t i = begin; i < end; i++) {
            count[i % k]++;
        }
        int64_t next = begin;
        for (int f = 0; f < k; f++) {
            for (int64_t j = 0; j < count[f]; j++) {
                fold[sorted[next++].sample] = f;
            }
        }
    }
    free(sorted);
    if (largest < k) {
        ag_error_raise(where, AG_ERROR_VALUE,
                       "%s: %d folds, but the largest class has only %" PRId64 " samples", function,
                       k, largest);
    }
    return largest >= k;
}

static ag_error folds_make(ag_place where, const char *function, data_set *set, int k, bool classes,
                           ag_rng *rng, data_set **train, data_set **test)
{
    parts_nil(k, train);
    parts_nil(k, test);
    if (!folds_fit(where, function, set, k, train != NULL && test != NULL)) {
        return ag_error_code();
    }
    int64_t *scratch = malloc((size_t)set->n * sizeof *scratch);
    int *fold = malloc((size_t)set->n * sizeof *fold);
    if (scratch == NULL || fold == NULL) {
        ag_error_raise(where, AG_ERROR_MEMORY, "%s: out of memory", function);
    } else if (classes ? fold_classes(where, function, set, k, rng, scratch, fold)
                       : fold_plain(set->n, k, rng, scratch, fold)) {
        for (int f = 0; f < k && ag_error_code() == AG_OK; f++) {
            if (part_make(where, function, set, fold, f, true, &train[f]) == AG_OK) {
                part_make(where, function, set, fold, f, false, &test[f]);
            }
        }
    }
    free(fold);
    free(scratch);
    parts_settle(k, train);
    return parts_settle(k, test);
}

ag_error data_k_fold_at(ag_place where, data_set *set, int k, ag_rng *rng, data_set **train,
                        data_set **test)
{
    return folds_make(where, "data_k_fold", set, k, false, rng, train, test);
}

ag_error data_k_fold_stratified_at(ag_place where, data_set *set, int k, ag_rng *rng,
                                   data_set **train, data_set **test)
{
    return folds_make(where, "data_k_fold_stratified", set, k, true, rng, train, test);
}
