/*
 * Places and answers for pictures of two inputs. It must not know how the network was trained.
 */
#include "landscape.h"

#include <math.h>
#include <stdlib.h>

double *landscape_answers(nn_module *net, data_transform *scale, struct plot_grid grid,
                          int64_t outputs)
{
    int64_t places = grid.rows * grid.columns;
    float *place = malloc((size_t)places * 2 * sizeof *place);
    double *answers = malloc((size_t)(places * outputs) * sizeof *answers);
    ag_scope scope = { 0 };
    ag_begin_no_grad(&scope);
    if (place != NULL && answers != NULL) {
        for (int64_t i = 0; i < places; i++) {
            double across = (double)(i % grid.columns) / (double)(grid.columns - 1);
            double up = (double)(i / grid.columns) / (double)(grid.rows - 1);
            place[2 * i] = (float)(grid.x_low + (grid.x_high - grid.x_low) * across);
            place[2 * i + 1] = (float)(grid.y_low + (grid.y_high - grid.y_low) * up);
        }
        ag_tensor x = ag_from(AG_SHAPE(places, 2), AG_FLOAT32, place);
        if (scale != NULL) {
            x = data_transform_apply(scale, x);
        }
        ag_read_doubles(nn_forward(net, x), answers, places * outputs);
    }
    ag_end(&scope);
    free(place);
    if (ag_exit_status() != 0) {
        free(answers);
        return NULL;
    }
    return answers;
}

bool landscape_points(struct landscape_points *p, data_set *set)
{
    int64_t n = data_set_size(set);
    size_t room = (size_t)n + 1;
    *p = (struct landscape_points){ .n = n,
                                    .x = malloc(room * sizeof(double)),
                                    .y = malloc(room * sizeof(double)),
                                    .class = malloc(room * sizeof(int64_t)),
                                    .x_low = INFINITY,
                                    .x_high = -INFINITY,
                                    .y_low = INFINITY,
                                    .y_high = -INFINITY };
    if (p->x == NULL || p->y == NULL || p->class == NULL) {
        return false;
    }
    for (int64_t i = 0; i < n; i++) {
        float place[2] = { 0 };
        if (data_set_read(set, i, place, &p->class[i]) != AG_OK) {
            return false;
        }
        p->x[i] = (double)place[0];
        p->y[i] = (double)place[1];
        p->x_low = fmin(p->x_low, p->x[i]);
        p->x_high = fmax(p->x_high, p->x[i]);
        p->y_low = fmin(p->y_low, p->y[i]);
        p->y_high = fmax(p->y_high, p->y[i]);
    }
    return true;
}

void landscape_points_free(struct landscape_points *p)
{
    free(p->x);
    free(p->y);
    free(p->class);
    *p = (struct landscape_points){ 0 };
}

struct plot_grid landscape_grid(const struct landscape_points *p, int64_t rows, int64_t columns)
{
    double dx = 0.06 * (p->x_high - p->x_low), dy = 0.06 * (p->y_high - p->y_low);
    return (struct plot_grid){ .rows = rows,
                               .columns = columns,
                               .x_low = p->x_low - dx,
                               .x_high = p->x_high + dx,
                               .y_low = p->y_low - dy,
                               .y_high = p->y_high + dy };
}

/* The points of a class, or (class -1) those that are marked, as one series; NULL if there are none. */
static struct plot_series *draw_some(struct plot_panel *panel, const struct landscape_points *p,
                                     const char *label, int64_t class, const bool *marked)
{
    double *x = malloc(((size_t)p->n + 1) * sizeof *x), *y = malloc(((size_t)p->n + 1) * sizeof *y);
    struct plot_series *s = NULL;
    if (x == NULL || y == NULL) {
        panel->figure->failed = true;
    } else {
        int64_t n = 0;
        for (int64_t i = 0; i < p->n; i++) {
            if (class >= 0 ? p->class[i] == class : marked[i]) {
                x[n] = p->x[i];
                y[n++] = p->y[i];
            }
        }
        s = n > 0 ? plot_points(panel, label, n, x, y) : NULL;
    }
    free(x);
    free(y);
    return s;
}

void landscape_draw_points(struct plot_panel *panel, const struct landscape_points *p,
                           data_set *named, const bool *wrong)
{
    struct plot_series *rings = wrong != NULL ? draw_some(panel, p, "wrong", -1, wrong) : NULL;
    if (rings != NULL) { /* below the points, which stay to be seen */
        rings->colour = PLOT_INK;
        rings->mark = 4;
        rings->size = 6;
    }
    for (int64_t class = 0; class < data_set_classes(named); class ++) {
        struct plot_series *s =
            draw_some(panel, p, data_set_class_name(named, class), class, NULL);
        if (s != NULL) {
            s->colour = PLOT_BLUE + (int)class;
            s->mark = (int)class;
        }
    }
}
