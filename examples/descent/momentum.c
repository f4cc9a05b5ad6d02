/*
 * Part 3: ravines. Where one curvature is kappa times the other, the rate has to be small for the steep walls, and is then much
 * too small for the gentle way along. Momentum forgets what goes to and fro and adds up what goes on.
 */
#include "descent.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { RAVINES = 3, SHOWN = 200 };
static const double kappas[RAVINES] = { 10, 100, 1000 };

/* The best rate and momentum for curvatures from 1 to kappa (Polyak 1964): without momentum each step leaves
 * (kappa - 1) / (kappa + 1) of the distance, with it (root kappa - 1) / (root kappa + 1). */
static struct walk best_walk(const struct surface *s, double kappa, bool with_momentum, int steps)
{
    struct walk w = walk_of(s, with_momentum ? MOMENTUM : SGD, 2 / (1 + kappa), steps);
    if (with_momentum) {
        double root = sqrt(kappa);
        w.rate = 4 / ((1 + root) * (1 + root));
        w.momentum = (root - 1) / (root + 1) * ((root - 1) / (root + 1));
    }
    return w;
}

static void print_counts(struct lesson *l)
{
    struct surface s = surfaces[RAVINE];
    double steps[2][RAVINES];
    printf("3. Ravines: steps until the height is a millionth, with the best rate and momentum for each\n\n"
           "  kappa = steepest / gentlest    ");
    for (int k = 0; k < RAVINES; k++) {
        printf("%10g", kappas[k]);
    }
    for (int m = 0; m < 2; m++) {
        printf("\n  %-30s ", m == 0 ? "without momentum" : "with momentum");
        for (int k = 0; k < RAVINES; k++) {
            s.steep = kappas[k];
            struct walk w = best_walk(&s, kappas[k], m == 1, 1000000);
            w.start[0] = 1;
            w.start[1] = 1 / sqrt(kappas[k]); /* as high on the wall as along the valley */
            w.goal = 1e-6;
            walk(&w);
            steps[m][k] = w.reached ? w.done : NAN;
            printf("%10d", w.done);
        }
    }
    printf("\n  the former by the latter       ");
    for (int k = 0; k < RAVINES; k++) {
        printf("%10.1f", steps[0][k] / steps[1][k]);
    }
    printf("\n\nTen times as steep: ten times the steps without momentum, root 10 = 3.2 times with it.\n");
    json_object_set_new(l->record, "kappa", record_numbers(RAVINES, kappas));
    json_object_set_new(l->record, "ravine_steps", record_table(2, RAVINES, &steps[0][0]));
}

static bool draw_paths(struct lesson *l)
{
    static const struct {
        const char *label;
        int walker;
        double momentum;
    } walks[4] = { { "no momentum", SGD, 0 },
                   { "momentum 0.5", MOMENTUM, 0.5 },
                   { "momentum 0.9", MOMENTUM, 0.9 },
                   { "Nesterov 0.9", NESTEROV, 0.9 } };
    static double x[SHOWN + 1], y[SHOWN + 1], height[SHOWN + 1];
    struct plot *p = plot_new("The same rate in a ravine, with more and more momentum");
    struct plot_panel *panel[5];
    bool good = true;
    for (int k = 0; k < 4; k++) {
        panel[k] = plot_panel(p, walks[k].label, "", "");
        panel[k]->no_legend = true;
        panel[k]->height = 250;
        panel[k]->y.low = surfaces[RAVINE].y_low;
        panel[k]->y.high = surfaces[RAVINE].y_high;
        panel[k]->x.low = surfaces[RAVINE].x_low;
        panel[k]->x.high = surfaces[RAVINE].x_high;
        good = surface_draw(panel[k], &surfaces[RAVINE]) && good;
    }
    panel[4] = plot_panel(p, "height above the bottom", "step", "");
    panel[4]->y.log = true;
    panel[4]->height = 250;
    for (int k = 0; k < 4; k++) {
        struct walk w = walk_of(&surfaces[RAVINE], walks[k].walker, 0.025, SHOWN);
        w.momentum = walks[k].momentum;
        w.x = x;
        w.y = y;
        w.height = height;
        walk(&w);
        struct plot_series *path = plot_line(panel[k], "", w.done + 1, x, y);
        path->colour = k;
        path->ends = true;
        path->width = 1.5;
        plot_line(panel[4], walks[k].label, w.done + 1, NULL, height)->colour = k;
    }
    good = good && plot_save(&l->out, p, "momentum");
    plot_free(p);
    return good;
}

bool momentum_part(struct lesson *l)
{
    print_counts(l);
    return draw_paths(l);
}
