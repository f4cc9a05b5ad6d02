/*
 * Part 2: flat places. Where the slope is 0 plain descent stands still; whether it is a valley, a peak or a saddle only the
 * curvatures tell. In a million dimensions nearly all flat places are saddles, and the question is how long it takes to leave one.
 */
#include "descent.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { FLAT_MAX = 32, NEWTON_STEPS = 60, GRID = 12, NUDGES = 4, SADDLE_STEPS = 400 };

struct flat {
    double at[2], curvature[2]; /* the lesser curvature first */
};

static ag_tensor height_of(const ag_tensor *in, int n, void *user)
{
    const struct surface *s = user;
    (void)n;
    return ag_sum(s->height(s, in[0], in[1]));
}

/* Slope g and curvatures H of a place, from the tape. */
static void look_around(const struct surface *s, const double at[2], double g[2], double h[2][2])
{
    ag_scope scope = { 0 };
    ag_begin(&scope);
    ag_tensor in[2], slope[2], hessian[4];
    for (int i = 0; i < 2; i++) {
        in[i] = ag_set_requires_grad(ag_full(AG_SHAPE(1), at[i], AG_FLOAT64), true);
    }
    ag_vjp(height_of, (void *)s, 2, in, AG_NONE, slope, ag_functional_defaults());
    ag_hessian(height_of, (void *)s, 2, in, hessian, ag_functional_defaults());
    for (int i = 0; i < 2; i++) {
        g[i] = ag_item(slope[i]);
        for (int j = 0; j < 2; j++) {
            h[i][j] = ag_item(hessian[2 * i + j]);
        }
    }
    ag_end(&scope);
}

/* Newton's method does not go downhill: it goes where the slope would be 0 if the surface were a parabola, to any kind of flat
 * place. */
static bool find_flat(const struct surface *s, double x, double y, struct flat *f)
{
    f->at[0] = x;
    f->at[1] = y;
    for (int i = 0; i < NEWTON_STEPS; i++) {
        double g[2], h[2][2];
        look_around(s, f->at, g, h);
        double determinant = h[0][0] * h[1][1] - h[0][1] * h[1][0];
        double step[2] = { (h[1][1] * g[0] - h[0][1] * g[1]) / determinant,
                           (h[0][0] * g[1] - h[1][0] * g[0]) / determinant };
        if (!isfinite(step[0]) || !isfinite(step[1])) {
            return false;
        }
        f->at[0] -= step[0];
        f->at[1] -= step[1];
        if (hypot(step[0], step[1]) < 1e-12) {
            double middle = (h[0][0] + h[1][1]) / 2, away = hypot((h[0][0] - h[1][1]) / 2, h[0][1]);
            f->curvature[0] = middle - away;
            f->curvature[1] = middle + away;
            return fabs(f->at[0]) < 6 && fabs(f->at[1]) < 6;
        }
    }
    return false;
}

static const char *kind_of(const struct flat *f)
{
    return f->curvature[0] > 0 ? "valley" : f->curvature[1] < 0 ? "peak" : "saddle";
}

static int find_all(const struct surface *s, struct flat *found)
{
    int count = 0;
    for (int i = 0; i < GRID * GRID; i++) {
        struct flat f;
        double x = s->x_low + (s->x_high - s->x_low) * (i % GRID + 0.5) / GRID;
        double y = s->y_low + (s->y_high - s->y_low) * (i / GRID + 0.5) / GRID;
        bool known = !find_flat(s, x, y, &f);
        for (int k = 0; k < count; k++) {
            known = known || hypot(f.at[0] - found[k].at[0], f.at[1] - found[k].at[1]) < 1e-6;
        }
        if (!known && count < FLAT_MAX) {
            found[count++] = f;
        }
    }
    return count;
}

static void print_flat(struct lesson *l, const struct flat *flat, int count)
{
    static const char *const kinds[3] = { "valley", "saddle", "peak" };
    int64_t counts[3] = { 0 };
    printf("2. Flat places. Newton's method finds all of Himmelblau's, curvatures tell them apart\n\n"
           "  flat place                 height      curvatures        kind\n");
    for (int kind = 0; kind < 3; kind++) {
        for (int i = 0; i < count; i++) {
            const struct flat *f = &flat[i];
            if (kind_of(f)[0] != kinds[kind][0]) {
                continue;
            }
            counts[kind]++;
            printf("  (%9.6f, %9.6f) %11.4f %8.1f %8.1f    %s\n", f->at[0], f->at[1],
                   surface_height(&surfaces[HIMMELBLAU], f->at[0], f->at[1]) + 0.0, f->curvature[0],
                   f->curvature[1], kinds[kind]);
        }
    }
    printf("\n%lld valleys, %lld saddles, %lld peak\n", (long long)counts[0], (long long)counts[1],
           (long long)counts[2]);
    json_object_set_new(l->record, "flat", record_counts(3, counts));
}

/* ---- leaving a saddle --------------------------------------------------------------------------------------------------------- */

static const double nudges[NUDGES] = { 0, 1e-8, 1e-4, 1e-2 };
static const int leavers[3] = { SGD, MOMENTUM, ADAM };
static const double leaver_rates[3] = { 0.05, 0.05, 0.05 };

/* Steps until half the way down from the saddle is done; -1: not within SADDLE_STEPS. */
static int steps_to_leave(const struct walk *w)
{
    for (int i = 0; i <= w->done; i++) {
        if (w->height[i] < -0.5) {
            return i;
        }
    }
    return -1;
}

static bool leave(struct lesson *l)
{
    static double x[SADDLE_STEPS + 1], y[SADDLE_STEPS + 1], height[SADDLE_STEPS + 1];
    struct plot *p = plot_new("How long it takes to leave a saddle");
    struct plot_panel *hill = plot_panel(p, "a ten-thousandth beside the ridge", "x", "y");
    hill->width = 460;
    bool good = surface_draw(hill, &surfaces[SADDLE]);
    double steps[3][NUDGES];
    printf("\nA saddle, x² - y² + y⁴/4: how many steps (rate %g) until half the way down is done, by how far "
           "beside the ridge one starts\n\n  beside the ridge   ",
           leaver_rates[0]);
    for (int k = 0; k < NUDGES; k++) {
        printf("%10g", nudges[k]);
    }
    printf("\n");
    struct plot_panel *heights = plot_panel(p, "height", "step", "");
    heights->x.high = 150;
    for (int m = 0; m < 3; m++) {
        printf("  %-18s ", walker_names[leavers[m]]);
        for (int k = 0; k < NUDGES; k++) {
            struct walk w = walk_of(&surfaces[SADDLE], leavers[m], leaver_rates[m], SADDLE_STEPS);
            w.start[1] = nudges[k];
            w.x = x;
            w.y = y;
            w.height = height;
            walk(&w);
            int left = steps_to_leave(&w);
            steps[m][k] = left < 0 ? NAN : left;
            if (left < 0) {
                printf("%10s", "never");
            } else {
                printf("%10d", left);
            }
            if (nudges[k] == 1e-4) {
                struct plot_series *path = plot_line(hill, walker_names[leavers[m]], w.done + 1, x, y);
                path->colour = m;
                path->ends = true;
                plot_line(heights, walker_names[leavers[m]], w.done + 1, NULL, height)->colour = m;
            }
        }
        printf("\n");
    }
    printf("\nOn the ridge itself the slope across is 0, and stays 0: nothing without noise leaves it. Beside it SGD's "
           "distance grows\nby the factor 1 + 2 rate at each step, so that a hundred times closer costs always the "
           "same: ln 100 / ln %.2f = %.0f steps.\n",
           1 + 2 * leaver_rates[0], log(100) / log(1 + 2 * leaver_rates[0]));
    json_object_set_new(l->record, "steps_to_leave", record_table(3, NUDGES, &steps[0][0]));
    good = good && plot_save(&l->out, p, "saddle");
    plot_free(p);
    return good;
}

bool critical_part(struct lesson *l)
{
    struct flat flat[FLAT_MAX];
    int count = find_all(&surfaces[HIMMELBLAU], flat);
    if (ag_exit_status() != 0) {
        return false;
    }
    print_flat(l, flat, count);
    return leave(l);
}
