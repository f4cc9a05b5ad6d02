/* Runs the samples that stand beside the operations: one block at a time, with the type and memory layout the test asks for. */
#ifndef TESTS_SAMPLES_DRIVER_H
#define TESTS_SAMPLES_DRIVER_H

#include "autograd/autograd.h"
#include "autograd/samples.h"

#define SAMPLE_INPUTS 8
#define SAMPLE_RESULTS 8

/* What kinds of shapes the inputs of a block have. */
enum { MET_EMPTY = 1, MET_ONE = 2, MET_SCALAR = 4 };

enum sample_layout {
    LAYOUT_ROW_MAJOR,
    LAYOUT_TRANSPOSED, /* dimensions stored in reverse order */
    LAYOUT_STRIDED,    /* every second element of the last dimension */
    LAYOUT_COUNT,
    /* The first dimension is one row seen many times (stride 0), and the same numbers copied out: the numbers differ from the
     * other layouts', so the two are compared with each other. */
    LAYOUT_EXPANDED = LAYOUT_COUNT,
    LAYOUT_COPIED
};

struct sample_input {
    char name[16];
    ag_tensor leaf;  /* what is differentiated and perturbed */
    ag_shape shape;  /* of what the sample sees */
    bool floating, differentiable, laid_out;
};

struct ag_samples {
    const ag_sample_set *set;
    int wanted, seen;         /* which block is entered; how many were passed */
    char text[256];           /* of the wanted block */
    bool refuses, listing;
    ag_dtype dtype;
    enum sample_layout layout;
    int inputs;
    struct sample_input input[SAMPLE_INPUTS];
    int results;
    ag_tensor result[SAMPLE_RESULTS];
    bool first_order_only, no_differences;
    unsigned met;                           /* lengths among the inputs: MET_... */
    double looser64, looser32; /* what the sample asks for instead of 1e-12 and 1e-5; 0: nothing */
    const char *reason;
};

/* All registered sets, in order of their names; and all registered operations. */
int samples_sets(const ag_sample_set **sets, int capacity);
int samples_ops(const struct ag_op **ops, int capacity);

/* The number of blocks in a set. */
int samples_count(const ag_sample_set *set);
/* Prepares block i; the inputs are made at the first run and kept until samples_close(). */
void samples_open(ag_samples *s, const ag_sample_set *set, int i, ag_dtype dtype, enum sample_layout layout);
/* Runs the block in the scope that is open. */
void samples_run(ag_samples *s);
void samples_close(ag_samples *s);

/* What the sample sees of an input, of the sample's shape. */
ag_tensor samples_view(const ag_samples *s, int i);
/* The weight of element i in the sum of the results: cos(1 + 0.7 i). */
double samples_weight(int64_t i);
/* <results, weights>, the scalar that is differentiated; AG_NONE if no result is floating. */
ag_tensor samples_objective(ag_samples *s);

#endif
