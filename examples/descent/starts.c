/*
 * Part 1: where one arrives depends on where one starts. Himmelblau's function has four valleys; from every place of a grid the
 * same descent is made, all at once, and each place gets the colour of the valley it leads to.
 */
#include "descent.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { SIDE = 120, STEPS = 1000, STARTS = 8, PATH = 400, VALLEYS = 4 };
static const double rate = 0.005;

/* Which valley a place is in the middle of, to a millionth; -1: none. */
static int valley_of(double x, double y)
{
    for (int k = 0; k < VALLEYS; k++) {
        if (hypot(x - himmelblau_minima[k][0], y - himmelblau_minima[k][1]) < 1e-6) {
            return k;
        }
    }
    return -1;
}

/* Descends from all n places together: their heights do not depend on one another, so the slope of the sum has each one's own. */
static bool descend_all(int64_t n, double *x, double *y)
{
    ag_tensor xs = ag_leaf(AG_SHAPE(n), AG_FLOAT64, true), ys = ag_leaf(AG_SHAPE(n), AG_FLOAT64, true);
    ag_write(xs, x, n);
    ag_write(ys, y, n);
    ag_list *places = ag_list_new();
    ag_list_add(places, "x", xs);
    ag_list_add(places, "y", ys);
    optim_sgd_config sgd = optim_sgd_defaults();
    sgd.lr = rate;
    optim *opt = optim_sgd(places, sgd);
    ag_scope step = { 0 };
    for (int i = 0; i < STEPS; i++) {
        ag_begin(&step);
        ag_tensor sum = ag_sum(surfaces[HIMMELBLAU].height(&surfaces[HIMMELBLAU], xs, ys));
        optim_zero_grad(opt);
        ag_backward(sum);
        optim_step(opt);
    }
    ag_end(&step);
    ag_read_doubles(xs, x, n);
    ag_read_doubles(ys, y, n);
    optim_free(opt);
    ag_drop(&xs);
    ag_drop(&ys);
    return ag_exit_status() == 0;
}

/* A few walks on top, from random starts. */
static void draw_walks(struct lesson *l, struct plot_panel *panel)
{
    static double x[PATH + 1], y[PATH + 1], height[PATH + 1];
    ag_rng rng = ag_rng_seed((uint64_t)l->options->seed);
    for (int i = 0; i < STARTS; i++) {
        struct walk w = walk_of(&surfaces[HIMMELBLAU], SGD, rate, PATH);
        w.start[0] = 10 * ag_rng_uniform(&rng) - 5;
        w.start[1] = 10 * ag_rng_uniform(&rng) - 5;
        w.x = x;
        w.y = y;
        w.height = height;
        walk(&w);
        struct plot_series *path = plot_line(panel, "", w.done + 1, x, y);
        path->colour = PLOT_INK;
        path->width = 1.2;
        path->ends = true;
    }
}

static bool draw_starts(struct lesson *l, const double *valley)
{
    const struct surface *s = &surfaces[HIMMELBLAU];
    struct plot *p = plot_new("Four valleys: the start decides which");
    struct plot_panel *panel = plot_panel(p, "", "x", "y");
    panel->width = 520;
    panel->height = 500;
    panel->equal = true;
    struct plot_grid grid = { .rows = SIDE,
                              .columns = SIDE,
                              .values = valley,
                              .x_low = s->x_low,
                              .x_high = s->x_high,
                              .y_low = s->y_low,
                              .y_high = s->y_high };
    plot_regions(panel, grid, NULL);
    bool good = surface_draw(panel, s);
    panel->series[panel->count - 1]->fill = false;
    panel->series[panel->count - 1]->colour = PLOT_GREY;
    panel->series[panel->count - 1]->width = 0.6;
    draw_walks(l, panel);
    snprintf(p->note, sizeof p->note, "colours: the valley that a start there leads to;  rings: starts;  discs: ends");
    good = good && plot_save(&l->out, p, "starts");
    plot_free(p);
    return good;
}

bool starts_part(struct lesson *l)
{
    const struct surface *s = &surfaces[HIMMELBLAU];
    enum { N = SIDE * SIDE };
    double *x = malloc(N * sizeof *x), *y = malloc(N * sizeof *y), *valley = malloc(N * sizeof *valley);
    if (x == NULL || y == NULL || valley == NULL) {
        fprintf(stderr, "%s: out of memory\n", l->options->program);
        free(x);
        free(y);
        free(valley);
        return false;
    }
    for (int i = 0; i < N; i++) {
        x[i] = s->x_low + (s->x_high - s->x_low) * (i % SIDE) / (SIDE - 1);
        y[i] = s->y_low + (s->y_high - s->y_low) * (i / SIDE) / (SIDE - 1);
    }
    printf("1. Where one arrives depends on where one starts: Himmelblau's function, %d x %d starts, "
           "%d steps of rate %g\n\n",
           SIDE, SIDE, STEPS, rate);
    bool good = descend_all(N, x, y);
    int64_t starts[VALLEYS + 1] = { 0 };
    for (int i = 0; i < N; i++) {
        int k = valley_of(x[i], y[i]);
        starts[k < 0 ? VALLEYS : k]++;
        valley[i] = k < 0 ? NAN : k;
    }
    printf("  valley at                 height    starts that lead there\n");
    for (int k = 0; k < VALLEYS; k++) {
        const double *at = himmelblau_minima[k];
        printf("  (%9.6f, %9.6f) %10.1e %10.1f %%\n", at[0], at[1], surface_height(s, at[0], at[1]),
               100.0 * (double)starts[k] / N);
    }
    printf("  nowhere in %d steps %27.1f %%\n", STEPS, 100.0 * (double)starts[VALLEYS] / N);
    json_object_set_new(l->record, "starts", record_counts(VALLEYS + 1, starts));
    good = good && draw_starts(l, valley);
    free(valley);
    free(y);
    free(x);
    return good && ag_exit_status() == 0;
}
