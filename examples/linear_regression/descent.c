/*
 * The answer by walking downhill, and how steep the walls of the valley are.
 */
#include "regression.h"

#include <math.h>
#include <stdio.h>

nn_module *line_new(int features)
{
    ag_rng rng = ag_rng_seed(0);
    nn_module *line = nn_linear(features, 1);
    nn_init_dtype(line, &rng, AG_FLOAT64);
    ag_list *parameters = nn_parameters(line);
    for (int64_t i = 0; i < ag_list_count(parameters); i++) {
        nn_init_zeros(ag_list_tensor(parameters, i));
    }
    ag_list_free(parameters);
    return line;
}

void line_read(nn_module *line, int features, double *weights)
{
    ag_list *parameters = nn_parameters(line);
    ag_read_doubles(ag_list_find(parameters, "weight"), weights, features);
    ag_read_doubles(ag_list_find(parameters, "bias"), weights + features, 1);
    ag_list_free(parameters);
}

/* mean of (x w + b - y)^2 */
ag_tensor line_loss(nn_module *line, ag_tensor x, ag_tensor y)
{
    return ag_mse_loss(nn_forward(line, x), y);
}

void descend(const struct problem *p, struct descent *d)
{
    nn_module *line = line_new(p->f);
    optim_sgd_config sgd = optim_sgd_defaults();
    sgd.lr = d->rate;
    optim *opt = optim_sgd(nn_parameters(line), sgd);
    ag_scope step = { 0 };
    d->reached = false;
    for (d->done = 0;; d->done++) {
        ag_begin(&step);
        ag_tensor loss = line_loss(line, p->x, p->y);
        d->loss = ag_item(loss);
        d->reached = d->loss <= d->loss_goal;
        if (d->look != NULL) {
            line_read(line, p->f, d->weights);
            if (d->look(d->user, d->done, d->loss, d->weights)) {
                break;
            }
        }
        if (d->reached || d->done >= d->steps || !isfinite(d->loss)) {
            break;
        }
        optim_zero_grad(opt);
        ag_backward(loss);
        optim_step(opt);
    }
    ag_end(&step);
    line_read(line, p->f, d->weights);
    optim_free(opt);
    nn_free(line);
}

/* The loss as a function of (w, b), for derivatives of derivatives. */
static ag_tensor loss_of_weights(const ag_tensor *weights, int n, void *user)
{
    const struct problem *p = user;
    (void)n;
    return ag_mse_loss(ag_linear(p->x, weights[0], weights[1]), p->y);
}

/* v <- H v / |H v|, again and again: what remains is the direction of the largest eigenvalue, and |H v| is that eigenvalue. H is
 * never written down: a product with it costs two sweeps of the tape. */
double largest_curvature(const struct problem *p, double *direction, int *products)
{
    double v[WEIGHTS_MAX], length = 0, before = 0;
    int m = p->f + 1, count = 0;
    for (int j = 0; j < m; j++) {
        v[j] = 1 / sqrt(m);
    }
    ag_scope scope = { 0 };
    while (count < 10000 && ag_exit_status() == 0) {
        ag_begin(&scope);
        ag_tensor at[2] = { ag_zeros(AG_SHAPE(1, p->f), AG_FLOAT64),
                            ag_zeros(AG_SHAPE(1), AG_FLOAT64) };
        ag_tensor along[2] = { ag_from(AG_SHAPE(1, p->f), AG_FLOAT64, v),
                               ag_from(AG_SHAPE(1), AG_FLOAT64, v + p->f) };
        ag_tensor product[2];
        ag_vhp(loss_of_weights, (void *)(uintptr_t)p, 2, at, along, product,
               ag_functional_defaults());
        ag_read_doubles(product[0], v, p->f);
        ag_read_doubles(product[1], v + p->f, 1);
        length = 0;
        for (int j = 0; j < m; j++) {
            length += v[j] * v[j];
        }
        length = sqrt(length);
        for (int j = 0; j < m; j++) {
            v[j] /= length;
        }
        count++;
        if (fabs(length - before) <= 1e-12 * length) {
            break;
        }
        before = length;
    }
    ag_end(&scope);
    for (int j = 0; direction != NULL && j < m; j++) {
        direction[j] = v[j];
    }
    if (products != NULL) {
        *products = count;
    }
    return length;
}
