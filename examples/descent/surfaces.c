/*
 * The surfaces, written in the library's operations: their slopes are the tape's business.
 */
#include "descent.h"

#include <math.h>
#include <stdlib.h>

/* (x² + steep y²) / 2: a valley that is steep across and gentle along */
ag_tensor ravine(const struct surface *s, ag_tensor x, ag_tensor y)
{

    return ag_mul_scalar(ag_add(ag_square(x), ag_mul_scalar(ag_square(y), s->steep)), 0.5);
}

/* The same, turned by 30 degrees: neither axis leads along it. Its start is that of the ravine, turned as well. */
static ag_tensor turned(const struct surface *s, ag_tensor x, ag_tensor y)
{
    static const double c = 0.86602540378443865, sine = 0.5;
    ag_tensor along = ag_add(ag_mul_scalar(x, c), ag_mul_scalar(y, sine));
    ag_tensor across = ag_sub(ag_mul_scalar(y, c), ag_mul_scalar(x, sine));
    return ravine(s, along, across);
}

/* x² - y² + y⁴/4: a saddle at (0, 0), and a valley on each side of it, at y = ±√2 */
static ag_tensor saddle(const struct surface *s, ag_tensor x, ag_tensor y)
{
    (void)s;

    ag_tensor y2 = ag_square(y);
    return ag_add(ag_sub(ag_square(x), y2), ag_mul_scalar(ag_square(y2), 0.25));
}

/* 1 - exp(-(x² + y²)/2): a hole in a plain that is nearly level */
static ag_tensor plateau(const struct surface *s, ag_tensor x, ag_tensor y)
{
    (void)s;

    ag_tensor r2 = ag_add(ag_square(x), ag_square(y));
    return ag_add_scalar(ag_neg(ag_exp(ag_mul_scalar(r2, -0.5))), 1);
}

/* (x² + y - 11)² + (x + y² - 7)²: four valleys, equally deep. Himmelblau 1972 */
static ag_tensor himmelblau(const struct surface *s, ag_tensor x, ag_tensor y)
{
    (void)s;

    ag_tensor a = ag_add_scalar(ag_add(ag_square(x), y), -11);
    ag_tensor b = ag_add_scalar(ag_add(x, ag_square(y)), -7);
    return ag_add(ag_square(a), ag_square(b));
}

/* (1.5 - x + x y)² + (2.25 - x + x y²)² + (2.625 - x + x y³)²: a bent valley between steep walls. Beale 1955 */
static ag_tensor beale(const struct surface *s, ag_tensor x, ag_tensor y)
{
    (void)s;

    static const double c[3] = { 1.5, 2.25, 2.625 };
    ag_tensor sum = AG_NONE, power = y;
    for (int i = 0; i < 3; i++) {
        ag_tensor term = ag_square(ag_add_scalar(ag_mul(x, ag_add_scalar(power, -1)), c[i]));
        sum = i == 0 ? term : ag_add(sum, term);
        power = ag_mul(power, y);
    }
    return sum;
}

/* (1 - x)² + 100 (y - x²)²: a valley that is easily found and hardly slopes. Rosenbrock 1960 */
static ag_tensor rosenbrock(const struct surface *s, ag_tensor x, ag_tensor y)
{
    (void)s;

    ag_tensor a = ag_square(ag_add_scalar(ag_neg(x), 1));
    return ag_add(a, ag_mul_scalar(ag_square(ag_sub(y, ag_square(x))), 100));
}

/* x² + y² + 2 - cos 2πx - cos 2πy: a bowl full of hollows. After Rastrigin 1974, with shallower hollows */
static ag_tensor hollows(const struct surface *s, ag_tensor x, ag_tensor y)
{
    static const double two_pi = 6.283185307179586;
    (void)s;
    ag_tensor waves = ag_add(ag_cos(ag_mul_scalar(x, two_pi)), ag_cos(ag_mul_scalar(y, two_pi)));
    return ag_add_scalar(ag_sub(ag_add(ag_square(x), ag_square(y)), waves), 2);
}

const struct surface surfaces[SURFACES] = {
    [RAVINE] = { "ravine", "ravine", ravine, 0, { -9, 1.5 }, -10, 4, -2.2, 2.2, 50 },
    [TURNED] = { "turned ravine", "turned", turned, 0, { -8.544228634059948, -3.200961894323342 }, -10, 4, -6, 3, 50 },
    [SADDLE] = { "saddle", "saddle", saddle, -1, { -1.8, 0.001 }, -2.2, 2.2, -2, 2, 0 },
    [PLATEAU] = { "plateau", "plateau", plateau, 0, { -2.9, 2.2 }, -3.5, 2, -2, 3, 0 },
    [HOLLOWS] = { "hollows", "hollows", hollows, 0, { -2.6, 1.8 }, -3.2, 1.6, -1.4, 2.4, 0 },
    [HIMMELBLAU] = { "Himmelblau", "himmelblau", himmelblau, 0, { -0.5, -1.2 }, -5.5, 5.5, -5.5, 5.5, 0 },
    [BEALE] = { "Beale", "beale", beale, 0, { 1, 1.3 }, -1, 4, -1, 1.8, 0 },
    [ROSENBROCK] = { "Rosenbrock", "rosenbrock", rosenbrock, 0, { -1.2, 1 }, -1.8, 1.8, -0.8, 2.4, 0 },
};

const double himmelblau_minima[4][2] = { { 3, 2 },
                                         { -2.805118086952745, 3.131312518250573 },
                                         { -3.779310253377747, -3.283185991286170 },
                                         { 3.584428340330492, -1.848126526964404 } };

double surface_height(const struct surface *s, double x, double y)
{
    ag_scope scope = { 0 };
    ag_begin_no_grad(&scope);
    double height = ag_item(s->height(s, ag_full(AG_SHAPE(1), x, AG_FLOAT64), ag_full(AG_SHAPE(1), y, AG_FLOAT64)));
    ag_end(&scope);
    return height;
}

bool surface_draw(struct plot_panel *panel, const struct surface *s)
{
    enum { SIDE = 141, LINES = 16 };
    double *x = malloc(SIDE * SIDE * sizeof *x), *y = malloc(SIDE * SIDE * sizeof *y),
           *z = malloc(SIDE * SIDE * sizeof *z);
    bool good = x != NULL && y != NULL && z != NULL;
    if (good) {
        for (int i = 0; i < SIDE * SIDE; i++) {
            x[i] = s->x_low + (s->x_high - s->x_low) * (i % SIDE) / (SIDE - 1);
            y[i] = s->y_low + (s->y_high - s->y_low) * (i / SIDE) / (SIDE - 1);
        }
        ag_scope scope = { 0 };
        ag_begin_no_grad(&scope);
        ag_tensor places[2] = { ag_from(AG_SHAPE(SIDE * SIDE), AG_FLOAT64, x),
                                ag_from(AG_SHAPE(SIDE * SIDE), AG_FLOAT64, y) };
        ag_read_doubles(s->height(s, places[0], places[1]), z, SIDE * SIDE);
        ag_end(&scope);
        for (int i = 0; i < SIDE * SIDE; i++) {
            z[i] = sqrt(fmax(z[i] - s->lowest, 0)); /* walls of a few thousand would leave the valleys without a line */
        }
        struct plot_grid grid = { .rows = SIDE,
                                  .columns = SIDE,
                                  .values = z,
                                  .x_low = s->x_low,
                                  .x_high = s->x_high,
                                  .y_low = s->y_low,
                                  .y_high = s->y_high };
        plot_contours(panel, grid, LINES, NULL);
    }
    free(z);
    free(y);
    free(x);
    return good;
}
