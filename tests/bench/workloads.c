/* What all workloads share: the list of them, batches in turn, one step of a network with its loss. */
#include "workloads.h"

#include <string.h>

#define MOST 16

const struct workload *workloads(void)
{
    static struct workload all[MOST];
    static const struct workload *const parts[] = { image_workloads, sequence_workloads, generative_workloads };
    int n = 0;
    for (int p = 0; p < 3; p++) {
        for (const struct workload *w = parts[p]; w->name != NULL && n < MOST - 1; w++) {
            all[n++] = *w;
        }
    }
    return all;
}

const struct workload *workload_named(const char *name)
{
    for (const struct workload *w = workloads(); w->name != NULL; w++) {
        if (strcmp(w->name, name) == 0) {
            return w;
        }
    }
    return NULL;
}

static ag_tensor uniform(struct run *r, ag_shape shape)
{
    return ag_uniform(shape, 0, 1, AG_FLOAT32, &r->rng);
}

static ag_tensor labels(struct run *r, ag_shape shape, int64_t classes)
{
    return ag_randint(shape, 0, classes, &r->rng);
}

static ag_tensor normal(struct run *r, ag_shape shape)
{
    return ag_normal(shape, 0, 1, AG_FLOAT32, &r->rng);
}

void run_prepare(struct run *r, const struct workload *w)
{
    memset(r, 0, sizeof(*r));
    r->w = w;
    r->size = w->size;
    r->next = BATCHES - 1;
    r->rng = ag_rng_seed(0);
    r->uniform = uniform;
    r->labels = labels;
    r->normal = normal;
}

void run_open(struct run *r)
{
    ag_scope scope = { 0 };
    ag_begin_no_grad(&scope);
    r->w->open(r);
    ag_end(&scope);
}

ag_tensor run_step(struct run *r)
{
    r->next = (r->next + 1) % BATCHES;
    ag_begin(&r->scope);
    return r->w->step(r);
}

void run_end_step(struct run *r)
{
    ag_end(&r->scope);
}

void run_close(struct run *r)
{
    ag_end(&r->scope);
    for (int i = 0; i < BATCHES; i++) {
        ag_drop(&r->x[i]);
        ag_drop(&r->y[i]);
    }
    ag_drop(&r->ones);
    ag_drop(&r->zeros);
    for (int i = 0; i < 2; i++) {
        optim_free(r->opt[i]);
        nn_free(r->net[i]);
    }
}

ag_tensor train_step(struct run *r)
{
    optim_zero_grad(r->opt[0]);
    ag_tensor loss = r->w->loss(r, r->x[r->next], r->y[r->next]);
    ag_backward(loss);
    optim_step(r->opt[0]);
    return loss;
}

void keep_network(struct run *r, int i, nn_module *net, double lr, double beta1, bool weight_decay)
{
    optim_adam_config c = weight_decay ? optim_adamw_defaults() : optim_adam_defaults();
    c.lr = lr;
    c.beta1 = beta1;
    r->net[i] = net;
    nn_init(net, &r->rng);
    r->opt[i] = weight_decay ? optim_adamw(nn_parameters(net), c) : optim_adam(nn_parameters(net), c);
}

void keep_batch(struct run *r, int i, ag_tensor x, ag_tensor y)
{
    ag_keep(&r->x[i], x);
    ag_keep(&r->y[i], y);
}
