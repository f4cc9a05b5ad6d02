/*
 * The eleven workloads of the training benchmarks. Networks, losses, optimizers, batches and their order are those of the PyTorch
 * side, parameter for parameter; golden/make_bench.py holds them against it.
 */
#ifndef WENGERT_BENCH_WORKLOADS_H
#define WENGERT_BENCH_WORKLOADS_H

#include <wengert/wengert.h>

#define BATCHES 4 /* taken in turn, so that nothing computed from an input may be kept from one step to the next */

struct run;

/* What sweeps change; 0: the workload has none of the kind. */
struct sizes {
    int64_t batch, width, steps, depth;
};

struct workload {
    const char *name;
    int64_t items;      /* of a step, for one example of the batch: 1, or the number of tokens */
    int64_t parameters; /* trained */
    /* What a step cannot do without, fixed here and counted by nobody: products and convolutions forward and backward, and the
     * optimizer's reads and writes. See README.md, "The bound". */
    double flop, bytes;
    void (*open)(struct run *r); /* networks with their optimizers, and batches */
    ag_tensor (*step)(struct run *r);
    ag_tensor (*loss)(struct run *r, ag_tensor x, ag_tensor y); /* of the workloads with one network */
    struct sizes size;
    bool blocks; /* that can be computed anew on the way back */
};

/* All of them, ended by a NULL name. */
const struct workload *workloads(void);
/* NULL if there is none of that name. */
const struct workload *workload_named(const char *name);

/* A workload at work. */
struct run {
    const struct workload *w;
    nn_module *net[2]; /* the second is a GAN's discriminator */
    optim *opt[2];
    ag_tensor x[BATCHES], y[BATCHES], ones, zeros;
    struct sizes size; /* the workload's, unless changed before run_open() */
    bool checkpoint;   /* blocks are computed anew; set before run_open() */
    int next;
    ag_scope scope;
    ag_rng rng;
    /* Batches and noise: ag_uniform(), ag_randint() (classes > 0) and ag_normal(); tests put numbers of their own here. */
    ag_tensor (*uniform)(struct run *r, ag_shape shape);
    ag_tensor (*labels)(struct run *r, ag_shape shape, int64_t classes);
    ag_tensor (*normal)(struct run *r, ag_shape shape);
};

void run_prepare(struct run *r, const struct workload *w); /* random numbers from seed 0; nothing is made */
void run_open(struct run *r);
/* One full step: zero_grad, forward, backward, optimizer step. The loss lives until the next step or run_close(). */
ag_tensor run_step(struct run *r);
void run_end_step(struct run *r); /* ends the last step's scope, as the next step would */
void run_close(struct run *r);

/* ---- for the files that define workloads ----------------------------------------------------------------------------- */

/* zero_grad, forward, loss, backward, step of the workloads with one network. */
ag_tensor train_step(struct run *r);
/* Network number i, initialised, with Adam at this rate and beta1 (weight_decay: AdamW, with its default). */
void keep_network(struct run *r, int i, nn_module *net, double lr, double beta1, bool weight_decay);
void keep_batch(struct run *r, int i, ag_tensor x, ag_tensor y);

extern const struct workload image_workloads[], sequence_workloads[], generative_workloads[];

#endif
