/*
 * Samplers: orders of samples. Knows sets by their size and lengths, and nothing of batches but their
 * size.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/internal.h"
#include "data/sampler_internal.h"

static data_sampler nil_sampler = { .fixed = true };

bool data_sampler_is_nil(const data_sampler *sampler)
{
    return sampler == NULL || sampler == &nil_sampler;
}

/* ---- making ---------------------------------------------------------------------------------- */

/* Takes `state`. */
static data_sampler *sampler_make(ag_place where, const char *function,
                                  const data_sampler_type *type, void *state, int64_t count)
{
    data_sampler *s = NULL;
    if (ag_error_code() == AG_OK && count < 0) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: an epoch cannot have %" PRId64 " samples",
                       function, count);
    } else if (ag_error_code() == AG_OK) {
        s = malloc(sizeof *s);
        if (s == NULL) {
            ag_error_raise(where, AG_ERROR_MEMORY, "%s: out of memory", function);
        }
    }
    if (s == NULL) {
        if (type->release != NULL) {
            type->release(state);
        }
        return &nil_sampler;
    }
    *s = (data_sampler){ .type = *type, .state = state, .count = count };
    return s;
}

data_sampler *data_sampler_new_at(ag_place where, const data_sampler_type *type, void *state,
                                  int64_t count)
{
    if (type == NULL || type->size != sizeof *type || type->draw == NULL) {
        ag_error_raise(where, AG_ERROR_VALUE,
                       "data_sampler_new: the type needs size = sizeof(data_sampler_type) and a "
                       "draw function");
        return &nil_sampler;
    }
    return sampler_make(where, "data_sampler_new", type, state, count);
}

void data_sampler_free(data_sampler *sampler)
{
    if (sampler == NULL || sampler->fixed) {
        return;
    }
    if (sampler->type.release != NULL) {
        sampler->type.release(sampler->state);
    }
    free(sampler);
}

/* n numbers of 8 bytes, copied; NULL after an error. */
static void *copy_list(ag_place where, const char *function, int64_t n, const void *list)
{
    void *copy = (uint64_t)n <= SIZE_MAX / 16 ? malloc((size_t)n * 8) : NULL;
    if (copy == NULL) {
        ag_error_raise(where, AG_ERROR_MEMORY, "%s: out of memory for %" PRId64 " samples",
                       function, n);
        return NULL;
    }
    return memcpy(copy, list, (size_t)n * 8);
}

/* Whether there is a list to be copied; raises if not. */
static bool list_fits(ag_place where, const char *function, const char *what, int64_t n,
                      const void *list)
{
    if (ag_error_code() != AG_OK) {
        return false;
    }
    if (n < 1 || list == NULL) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: %" PRId64 " %s%s", function, n, what,
                       list == NULL ? ", and the array is NULL" : "");
        return false;
    }
    return true;
}

/* ---- in order, and at random ----------------------------------------------------------------- */

static ag_error sequential_draw(void *state, const data_draw *what, ag_rng *rng, int64_t *order)
{
    (void)state;
    (void)rng;
    for (int64_t i = 0; i < what->count; i++) {
        order[i] = i;
    }
    return AG_OK;
}

static ag_error shuffled_draw(void *state, const data_draw *what, ag_rng *rng, int64_t *order)
{
    (void)state;
    int64_t n = data_set_size(what->set), done = 0;
    for (; what->count - done >= n; done += n) {
        ag_rng_permutation(rng, n, order + done);
    }
    if (done == what->count) {
        return AG_OK;
    }
    int64_t *last = malloc((size_t)n * sizeof *last);
    if (last == NULL) {
        return ag_error_raise(ag_caller(), AG_ERROR_MEMORY,
                              "data_sampler_random: out of memory for %" PRId64 " samples", n);
    }
    ag_rng_permutation(rng, n, last);
    memcpy(order + done, last, (size_t)(what->count - done) * sizeof *last);
    free(last);
    return AG_OK;
}

static ag_error replacement_draw(void *state, const data_draw *what, ag_rng *rng, int64_t *order)
{
    (void)state;
    int64_t n = data_set_size(what->set);
    for (int64_t i = 0; i < what->count; i++) {
        order[i] = ag_rng_below(rng, n);
    }
    return AG_OK;
}

static const data_sampler_type sequential_type = { .size = sizeof(data_sampler_type),
                                                   .name = "sequential",
                                                   .draw = sequential_draw };
static const data_sampler_type shuffled_type = {
    .size = sizeof(data_sampler_type), .name = "random", .random = true, .draw = shuffled_draw
};
static const data_sampler_type replacement_type = { .size = sizeof(data_sampler_type),
                                                    .name = "random with replacement",
                                                    .random = true,
                                                    .draw = replacement_draw };

data_sampler *data_sampler_plain(bool shuffle)
{
    static data_sampler in_order = { .type = { .size = sizeof(data_sampler_type),
                                               .name = "sequential",
                                               .draw = sequential_draw },
                                     .in_order = true,
                                     .fixed = true };
    static data_sampler shuffled = { .type = { .size = sizeof(data_sampler_type),
                                               .name = "random",
                                               .random = true,
                                               .draw = shuffled_draw },
                                     .fixed = true };
    return shuffle ? &shuffled : &in_order;
}

data_sampler *data_sampler_sequential_at(ag_place where)
{
    data_sampler *s = sampler_make(where, "data_sampler_sequential", &sequential_type, NULL, 0);
    if (!data_sampler_is_nil(s)) {
        s->in_order = true;
    }
    return s;
}

data_sampler *data_sampler_random_at(ag_place where, bool replacement, int64_t count)
{
    return sampler_make(where, "data_sampler_random",
                        replacement ? &replacement_type : &shuffled_type, NULL, count);
}

/* ---- by weight ------------------------------------------------------------------------------- */

struct weighted {
    int64_t n;
    bool replacement;
    double *weight; /* with replacement: sums of the weights up to each */
};

static void weighted_release(void *state)
{
    struct weighted *self = state;
    free(self->weight);
    free(self);
}

/* The first place whose sum is above u times the whole: never one with the weight 0, whose sum is
 * that of the one before it. */
static int64_t place_of(const struct weighted *self, double u)
{
    double target = u * self->weight[self->n - 1];
    int64_t low = 0, high = self->n - 1;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (self->weight[middle] > target) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    while (low > 0 && self->weight[low] == self->weight[low - 1]) {
        low--; /* rounding brought the target to the whole */
    }
    return low;
}

struct keyed {
    double key;
    int64_t index;
};

static int by_key(const void *a, const void *b)
{
    const struct keyed *l = a, *r = b;
    if (l->key != r->key) {
        return l->key < r->key ? -1 : 1;
    }
    return l->index < r->index ? -1 : l->index > r->index;
}

/* Each sample waits an exponential time of its weight as the rate; who comes first is drawn first.
 * Times are compared by their logarithms, which do not overflow whatever the weights. */
static ag_error draw_without_replacement(const struct weighted *self, int64_t count, ag_rng *rng,
                                         int64_t *order)
{
    struct keyed *all = malloc((size_t)self->n * sizeof *all);
    if (all == NULL) {
        return ag_error_raise(ag_caller(), AG_ERROR_MEMORY,
                              "data_sampler_weighted: out of memory for %" PRId64 " samples",
                              self->n);
    }
    for (int64_t i = 0; i < self->n; i++) {
        double u = 1 - ag_rng_uniform(rng); /* in (0, 1] */
        bool never = self->weight[i] == 0;
        all[i] =
            (struct keyed){ never ? (double)INFINITY : log(-log(u)) - log(self->weight[i]), i };
    }
    qsort(all, (size_t)self->n, sizeof *all, by_key);
    for (int64_t i = 0; i < count; i++) {
        order[i] = all[i].index;
    }
    free(all);
    return AG_OK;
}

static ag_error weighted_draw(void *state, const data_draw *what, ag_rng *rng, int64_t *order)
{
    const struct weighted *self = state;
    if (self->n != data_set_size(what->set)) {
        return ag_error_raise(ag_caller(), AG_ERROR_VALUE,
                              "data_sampler_weighted: %" PRId64 " weights for a set of %" PRId64
                              " samples",
                              self->n, data_set_size(what->set));
    }
    if (!self->replacement) {
        return draw_without_replacement(self, what->count, rng, order);
    }
    for (int64_t i = 0; i < what->count; i++) {
        order[i] = place_of(self, ag_rng_uniform(rng));
    }
    return AG_OK;
}

static const data_sampler_type weighted_type = { .size = sizeof(data_sampler_type),
                                                 .name = "weighted",
                                                 .random = true,
                                                 .draw = weighted_draw,
                                                 .release = weighted_release };
static const data_sampler_type weighted_once_type = { .size = sizeof(data_sampler_type),
                                                      .name = "weighted without replacement",
                                                      .random = true,
                                                      .draw = weighted_draw,
                                                      .release = weighted_release };

/* Whether the weights can be drawn by; raises if not. */
static bool weights_fit(ag_place where, int64_t n, const double *weights, int64_t count,
                        bool replacement)
{
    const char *function = "data_sampler_weighted";
    int64_t above = 0;
    double largest = 0;
    for (int64_t i = 0; i < n; i++) {
        if (!(weights[i] >= 0) || !isfinite(weights[i])) {
            ag_error_raise(where, AG_ERROR_VALUE,
                           "%s: the weight of sample %" PRId64
                           " is %g: weights are 0 or more, and finite",
                           function, i, weights[i]);
            return false;
        }
        above += weights[i] > 0;
        largest = weights[i] > largest ? weights[i] : largest;
    }
    if (above == 0) {
        ag_error_raise(where, AG_ERROR_VALUE,
                       "%s: all %" PRId64 " weights are 0: nothing can be drawn", function, n);
    } else if (largest > 1e300 / (double)n) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: weights up to %g are too large to be summed",
                       function, largest);
    } else if (count < 1) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: an epoch cannot have %" PRId64 " samples",
                       function, count);
    } else if (!replacement && count > above) {
        ag_error_raise(where, AG_ERROR_VALUE,
                       "%s: %" PRId64 " draws without replacement, but only %" PRId64
                       " weights are above 0",
                       function, count, above);
    } else {
        return true;
    }
    return false;
}

data_sampler *data_sampler_weighted_at(ag_place where, int64_t n, const double *weights,
                                       int64_t count, bool replacement)
{
    const char *function = "data_sampler_weighted";
    if (!list_fits(where, function, "weights", n, weights) ||
        !weights_fit(where, n, weights, count, replacement)) {
        return &nil_sampler;
    }
    struct weighted *self = malloc(sizeof *self);
    double *copy = copy_list(where, function, n, weights);
    if (self == NULL || copy == NULL) {
        ag_error_raise(where, AG_ERROR_MEMORY, "%s: out of memory", function);
        free(self);
        free(copy);
        return &nil_sampler;
    }
    *self = (struct weighted){ n, replacement, copy };
    for (int64_t i = 1; i < n && replacement; i++) {
        copy[i] += copy[i - 1];
    }
    return sampler_make(where, function, replacement ? &weighted_type : &weighted_once_type, self,
                        count);
}

/* ---- by length ------------------------------------------------------------------------------- */

struct bucketed {
    int64_t n, pool;
    int64_t *lengths; /* NULL: those of the set */
};

static void bucketed_release(void *state)
{
    struct bucketed *self = state;
    free(self->lengths);
    free(self);
}

struct measured {
    int64_t x, y, place, index;
};

static int by_length(const void *a, const void *b)
{
    const struct measured *l = a, *r = b;
    if (l->x != r->x) {
        return l->x < r->x ? -1 : 1;
    }
    if (l->y != r->y) {
        return l->y < r->y ? -1 : 1;
    }
    return l->place < r->place ? -1 : 1; /* shuffled as they are: places are distinct */
}

/* The samples order[0..n-1] in batches of near lengths, batches in random order; n is a multiple of
 * the batch. */
static void bucket(const struct bucketed *self, const data_draw *what, ag_rng *rng, int64_t n,
                   int64_t *order, struct measured *all, int64_t *batches)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t s = order[i];
        all[i] = (struct measured){ .place = i, .index = s };
        all[i].x = self->lengths != NULL ? self->lengths[s] : data_set_x_length(what->set, s);
        all[i].y = self->lengths != NULL ? 0 : data_set_y_length(what->set, s);
    }
    int64_t in_pool =
        self->pool == 0 || self->pool > n / what->batch ? n : self->pool * what->batch;
    for (int64_t begin = 0; begin < n; begin += in_pool) {
        int64_t size = n - begin < in_pool ? n - begin : in_pool;
        qsort(all + begin, (size_t)size, sizeof *all, by_length);
    }
    ag_rng_permutation(rng, n / what->batch, batches);
    for (int64_t k = 0; k < n / what->batch; k++) {
        for (int64_t j = 0; j < what->batch; j++) {
            order[k * what->batch + j] = all[batches[k] * what->batch + j].index;
        }
    }
}

static ag_error bucketed_draw(void *state, const data_draw *what, ag_rng *rng, int64_t *order)
{
    const struct bucketed *self = state;
    const char *function = "data_sampler_bucketed";
    if (self->lengths != NULL && self->n != what->count) {
        return ag_error_raise(ag_caller(), AG_ERROR_VALUE,
                              "%s: %" PRId64 " lengths for a set of %" PRId64 " samples", function,
                              self->n, what->count);
    }
    if (self->lengths == NULL && !what->set->x_varies) {
        return ag_error_raise(ag_caller(), AG_ERROR_VALUE,
                              "%s: the inputs of the set have no lengths of their own, and none "
                              "were given",
                              function);
    }
    ag_rng_permutation(rng, what->count, order);
    int64_t n = what->count - what->count % what->batch;
    if (n == 0) {
        return AG_OK;
    }
    struct measured *all = malloc((size_t)n * sizeof *all);
    int64_t *batches = malloc((size_t)(n / what->batch) * sizeof *batches);
    if (all == NULL || batches == NULL) {
        ag_error_raise(ag_caller(), AG_ERROR_MEMORY, "%s: out of memory for %" PRId64 " samples",
                       function, n);
    } else {
        bucket(self, what, rng, n, order, all, batches);
    }
    free(all);
    free(batches);
    return ag_error_code();
}

static const data_sampler_type bucketed_type = { .size = sizeof(data_sampler_type),
                                                 .name = "bucketed",
                                                 .random = true,
                                                 .draw = bucketed_draw,
                                                 .release = bucketed_release };

data_sampler *data_sampler_bucketed_at(ag_place where, int64_t n, const int64_t *lengths,
                                       int64_t pool)
{
    const char *function = "data_sampler_bucketed";
    if (ag_error_code() != AG_OK ||
        (lengths != NULL && !list_fits(where, function, "lengths", n, lengths))) {
        return &nil_sampler;
    }
    for (int64_t i = 0; lengths != NULL && i < n; i++) {
        if (lengths[i] < 0) {
            ag_error_raise(where, AG_ERROR_VALUE,
                           "%s: the length of sample %" PRId64 " is %" PRId64, function, i,
                           lengths[i]);
            return &nil_sampler;
        }
    }
    if (pool < 0) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: a pool cannot have %" PRId64 " batches",
                       function, pool);
        return &nil_sampler;
    }
    struct bucketed *self = malloc(sizeof *self);
    int64_t *copy = lengths != NULL ? copy_list(where, function, n, lengths) : NULL;
    if (self == NULL || (lengths != NULL && copy == NULL)) {
        ag_error_raise(where, AG_ERROR_MEMORY, "%s: out of memory", function);
        free(self);
        free(copy);
        return &nil_sampler;
    }
    *self = (struct bucketed){ n, pool, copy };
    return sampler_make(where, function, &bucketed_type, self, 0);
}

/* ---- some samples ---------------------------------------------------------------------------- */

struct subset {
    int64_t n;
    int64_t *indices;
};

static void subset_release(void *state)
{
    struct subset *self = state;
    free(self->indices);
    free(self);
}

static ag_error subset_draw(void *state, const data_draw *what, ag_rng *rng, int64_t *order)
{
    const struct subset *self = state;
    int64_t n = data_set_size(what->set);
    for (int64_t i = 0; i < self->n; i++) {
        if (self->indices[i] < 0 || self->indices[i] >= n) {
            return ag_error_raise(ag_caller(), AG_ERROR_INDEX,
                                  "data_sampler_subset: index %" PRId64 " is %" PRId64
                                  ", but the set has %" PRId64 " samples",
                                  i, self->indices[i], n);
        }
    }
    if (rng == NULL) {
        memcpy(order, self->indices, (size_t)self->n * sizeof *order);
        return AG_OK;
    }
    ag_rng_permutation(rng, self->n, order);
    for (int64_t i = 0; i < self->n; i++) {
        order[i] = self->indices[order[i]];
    }
    return AG_OK;
}

static const data_sampler_type subset_type = { .size = sizeof(data_sampler_type),
                                               .name = "subset",
                                               .draw = subset_draw,
                                               .release = subset_release };
static const data_sampler_type subset_random_type = { .size = sizeof(data_sampler_type),
                                                      .name = "subset, random",
                                                      .random = true,
                                                      .draw = subset_draw,
                                                      .release = subset_release };

data_sampler *data_sampler_subset_at(ag_place where, int64_t n, const int64_t *indices,
                                     bool shuffle)
{
    const char *function = "data_sampler_subset";
    if (!list_fits(where, function, "indices", n, indices)) {
        return &nil_sampler;
    }
    struct subset *self = malloc(sizeof *self);
    int64_t *copy = copy_list(where, function, n, indices);
    if (self == NULL || copy == NULL) {
        ag_error_raise(where, AG_ERROR_MEMORY, "%s: out of memory", function);
        free(self);
        free(copy);
        return &nil_sampler;
    }
    *self = (struct subset){ n, copy };
    return sampler_make(where, function, shuffle ? &subset_random_type : &subset_type, self, n);
}
