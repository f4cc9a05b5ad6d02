/*
 * One walk: the loop of every training, with two weights.
 */
#include "descent.h"

#include <math.h>

const char *const walker_names[WALKERS] = { "SGD", "momentum", "Nesterov", "AdaGrad", "RMSprop", "Adam" };

struct walk walk_of(const struct surface *s, int walker, double rate, int steps)
{
    return (struct walk){ .surface = s,
                          .walker = walker,
                          .rate = rate,
                          .momentum = walker == MOMENTUM || walker == NESTEROV ? 0.9 : 0,
                          .start = { s->start[0], s->start[1] },
                          .steps = steps,
                          .goal = -INFINITY };
}

static optim *new_optimizer(const struct walk *w, ag_list *place)
{
    optim_sgd_config sgd = optim_sgd_defaults();
    optim_adagrad_config adagrad = optim_adagrad_defaults();
    optim_rmsprop_config rmsprop = optim_rmsprop_defaults();
    optim_adam_config adam = optim_adam_defaults();
    sgd.lr = adagrad.lr = rmsprop.lr = adam.lr = w->rate;
    sgd.momentum = w->momentum;
    sgd.nesterov = w->walker == NESTEROV;
    switch (w->walker) {
    case ADAGRAD:
        return optim_adagrad(place, adagrad);
    case RMSPROP:
        return optim_rmsprop(place, rmsprop);
    case ADAM:
        return optim_adam(place, adam);
    default:
        return optim_sgd(place, sgd);
    }
}

void walk(struct walk *w)
{
    ag_tensor x = ag_leaf(AG_SHAPE(1), AG_FLOAT64, true), y = ag_leaf(AG_SHAPE(1), AG_FLOAT64, true);
    ag_write(x, &w->start[0], 1);
    ag_write(y, &w->start[1], 1);
    ag_list *place = ag_list_new();
    ag_list_add(place, "x", x);
    ag_list_add(place, "y", y);
    optim *opt = new_optimizer(w, place);
    ag_scope step = { 0 };
    double begun = NAN;
    w->reached = false;
    for (w->done = 0;; w->done++) {
        ag_begin(&step);
        ag_tensor height = w->surface->height(w->surface, x, y); /* (1) */
        double now = ag_item(height);
        w->end[0] = ag_item(x);
        w->end[1] = ag_item(y);
        if (w->x != NULL) {
            w->x[w->done] = w->end[0];
            w->y[w->done] = w->end[1];
            w->height[w->done] = now;
        }
        begun = w->done == 0 ? now : begun;
        w->reached = now <= w->goal;
        bool lost = !(now - w->surface->lowest < 1e3 * (begun - w->surface->lowest) + 1e3);
        if (w->reached || lost || w->done == w->steps || ag_exit_status() != 0) {
            break;
        }
        optim_zero_grad(opt);
        ag_backward(height);
        optim_step(opt);
    }
    ag_end(&step);
    optim_free(opt);
    ag_drop(&x);
    ag_drop(&y);
}
