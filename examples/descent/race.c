/*
 * Part 4: the race. Each optimizer runs on each surface with each of the rates, and counts with its best: an optimizer that wins
 * only because somebody chose its rate with more care has won nothing.
 */
#include "descent.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { FRAMES = 60, COLUMNS = 4 };
static const double goal_share = 1e-4; /* of the height at the start */

/* The best run of an optimizer on a surface. */
struct entry {
    int steps;   /* to the goal; -1: never */
    double rate; /* the best one */
    int count;   /* places of the path */
    double *x, *y, *height;
};

static double goal_of(const struct surface *s)
{
    return s->lowest + goal_share * (surface_height(s, s->start[0], s->start[1]) - s->lowest);
}

/* The mean height over the second half of a walk: one that is low for a moment, by chance, has not arrived. */
static double settled_height(const struct walk *w)
{
    double sum = 0;
    int from = w->done / 2;
    for (int i = from; i <= w->done; i++) {
        sum += w->height[i];
    }
    return sum / (w->done - from + 1);
}

/* Tries the rates. The one that reaches the goal in the fewest steps counts; if none does, the one that settled lowest. */
static bool run(const struct options *o, const struct surface *s, int walker, struct entry *e)
{
    size_t room = (size_t)o->steps + 1;
    double goal = goal_of(s), lowest = INFINITY;
    *e = (struct entry){ .steps = -1,
                         .rate = o->rates.value[0],
                         .x = malloc(room * sizeof *e->x),
                         .y = malloc(room * sizeof *e->y),
                         .height = malloc(room * sizeof *e->height) };
    if (e->x == NULL || e->y == NULL || e->height == NULL) {
        fprintf(stderr, "%s: out of memory\n", o->program);
        return false;
    }
    struct walk w;
    for (int k = 0; k < o->rates.count && e->steps != 0; k++) {
        w = walk_of(s, walker, o->rates.value[k], e->steps < 0 ? o->steps : e->steps - 1);
        w.goal = goal;
        w.x = e->x;
        w.y = e->y;
        w.height = e->height;
        walk(&w);
        if (w.reached) {
            e->steps = w.done;
            e->rate = w.rate;
        } else if (e->steps < 0 && settled_height(&w) < lowest) {
            lowest = settled_height(&w);
            e->rate = w.rate;
        }
    }
    w.rate = e->rate; /* once more, for its path */
    w.steps = e->steps < 0 ? o->steps : e->steps;
    w.goal = -INFINITY;
    walk(&w);
    e->count = w.done + 1;
    return ag_exit_status() == 0;
}

static void print_race(struct lesson *l, struct entry entries[SURFACES][WALKERS])
{
    json_t *table = json_object();
    printf("\n               ");
    for (int m = 0; m < WALKERS; m++) {
        printf("%18s", walker_names[m]);
    }
    printf("\n");
    for (int k = 0; k < SURFACES; k++) {
        double steps[WALKERS], rates[WALKERS];
        printf("  %-13s", surfaces[k].name);
        for (int m = 0; m < WALKERS; m++) {
            const struct entry *e = &entries[k][m];
            steps[m] = e->steps < 0 ? NAN : e->steps;
            rates[m] = e->rate;
            if (e->steps < 0) {
                printf("%9s (%6g)", "-", e->rate);
            } else {
                printf("%9d (%6g)", e->steps, e->rate);
            }
        }
        printf("\n");
        json_t *row = json_object();
        json_object_set_new(row, "steps", record_numbers(WALKERS, steps));
        json_object_set_new(row, "rates", record_numbers(WALKERS, rates));
        json_object_set_new(table, surfaces[k].key, row);
    }
    printf("\nA rate is worth nothing elsewhere: compare one optimizer's along its column.\n");
    json_object_set_new(l->record, "race", table);
}

/* All surfaces, with everybody's first `steps` steps on them. */
static struct plot *draw_field(struct entry entries[SURFACES][WALKERS], int steps)
{
    struct plot *p = plot_new("Six optimizers, each with its best rate");
    p->columns = COLUMNS;
    bool good = true;
    for (int k = 0; k < SURFACES; k++) {
        struct plot_panel *panel = plot_panel(p, surfaces[k].name, "", "");
        panel->width = 310;
        panel->height = 270;
        panel->x.low = surfaces[k].x_low;
        panel->x.high = surfaces[k].x_high;
        panel->y.low = surfaces[k].y_low;
        panel->y.high = surfaces[k].y_high;
        good = surface_draw(panel, &surfaces[k]) && good;
        panel->series[0]->map = PLOT_MAP_GREY;
        panel->series[0]->fill = false;
        panel->series[0]->colour = PLOT_GREY;
        panel->series[0]->width = 0.4;
        for (int m = 0; m < WALKERS; m++) {
            const struct entry *e = &entries[k][m];
            int count = steps + 1 < e->count ? steps + 1 : e->count;
            struct plot_series *path = plot_line(panel, walker_names[m], count, e->x, e->y);
            path->colour = m;
            path->ends = true;
            path->width = 1.5;
        }
    }
    p->failed = p->failed || !good;
    return p;
}

static bool draw_heights(struct lesson *l, struct entry entries[SURFACES][WALKERS])
{
    struct plot *p = plot_new("The race: height above the lowest place");
    p->columns = COLUMNS;
    for (int k = 0; k < SURFACES; k++) {
        struct plot_panel *panel = plot_panel(p, surfaces[k].name, k >= SURFACES - COLUMNS ? "step" : "", "");
        panel->y.log = true;
        panel->x.log = true;
        panel->width = 310;
        panel->height = 270;
        for (int m = 0; m < WALKERS; m++) {
            const struct entry *e = &entries[k][m];
            double *above = malloc((size_t)e->count * sizeof *above),
                   *step = malloc((size_t)e->count * sizeof *step);
            for (int i = 0; above != NULL && step != NULL && i < e->count; i++) {
                above[i] = e->height[i] - surfaces[k].lowest;
                step[i] = i + 1;
            }
            if (above != NULL && step != NULL) {
                struct plot_series *line = plot_line(panel, walker_names[m], e->count, step, above);
                line->colour = m;
                line->width = 1.5;
            } else {
                p->failed = true;
            }
            free(above);
            free(step);
        }
    }
    bool good = plot_save(&l->out, p, "race-heights");
    plot_free(p);
    return good;
}

/* The first steps are shown one by one, later ones faster and faster. */
static bool film_race(struct lesson *l, struct entry entries[SURFACES][WALKERS])
{
    struct plot_animation film;
    int longest = 0;
    for (int k = 0; k < SURFACES * WALKERS; k++) {
        int count = entries[k / WALKERS][k % WALKERS].count;
        longest = count > longest ? count : longest;
    }
    bool good = plot_animation_begin(&film, &l->out, "race-film", 120);
    for (int frame = 0, steps = 0; good && l->out.folder != NULL && frame < FRAMES; frame++) {
        int next = (int)lround(pow(longest, (double)frame / (FRAMES - 1))) - 1;
        steps = frame == 0 ? 0 : next > steps ? next : steps + 1;
        struct plot *p = draw_field(entries, steps);
        snprintf(p->note, sizeof p->note, "step %d", steps);
        good = plot_animation_add(&film, p, 1);
        plot_free(p);
    }
    return plot_animation_end(&film, 3000) && good;
}

bool race_part(struct lesson *l)
{
    static struct entry entries[SURFACES][WALKERS];
    printf("4. The race: steps until the height above the lowest place is a ten-thousandth of that at the start, at "
           "most %d,\n   and in brackets the best of %d rates\n",
           l->options->steps, l->options->rates.count);
    fflush(stdout);
    bool good = true;
    for (int k = 0; k < SURFACES * WALKERS; k++) {
        struct entry *e = &entries[k / WALKERS][k % WALKERS];
        good = good && run(l->options, &surfaces[k / WALKERS], k % WALKERS, e);
    }
    if (good) {
        print_race(l, entries);
        struct plot *p = draw_field(entries, l->options->steps);
        good = plot_save(&l->out, p, "race") && draw_heights(l, entries) && film_race(l, entries);
        plot_free(p);
    }
    for (int k = 0; k < SURFACES * WALKERS; k++) {
        struct entry *e = &entries[k / WALKERS][k % WALKERS];
        free(e->x);
        free(e->y);
        free(e->height);
    }
    return good;
}
