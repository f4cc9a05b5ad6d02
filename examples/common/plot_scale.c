/*
 * What lies between numbers and places on a plot: ranges, ticks, colours, contours. It draws nothing.
 */
#include <math.h>
#include <string.h>

#include "plot_internal.h"

/* ---- colours ------------------------------------------------------------------------------- */

struct rgb plot_mix(struct rgb a, struct rgb b, double share)
{
    return (struct rgb){ a.r + share * (b.r - a.r), a.g + share * (b.g - a.g),
                         a.b + share * (b.b - a.b) };
}

struct rgb plot_rgb(int colour)
{
    static const struct rgb palette[PLOT_COLOURS] = {
        { 0.00, 0.45, 0.70 }, { 0.84, 0.37, 0.00 }, { 0.00, 0.62, 0.45 }, { 0.80, 0.47, 0.65 },
        { 0.90, 0.62, 0.00 }, { 0.34, 0.71, 0.91 }, { 0.40, 0.42, 0.45 },
    };
    if (colour < 0 || colour == PLOT_INK) {
        return (struct rgb){ 0.13, 0.15, 0.18 };
    }
    return palette[colour % PLOT_COLOURS];
}

struct rgb plot_map_rgb(enum plot_map map, double t)
{
    enum { ANCHORS = 5 };
    static const struct rgb anchors[][ANCHORS] = {
        [PLOT_MAP_VIRIDIS] = { { 0.267, 0.005, 0.329 },
                               { 0.230, 0.322, 0.546 },
                               { 0.128, 0.567, 0.551 },
                               { 0.369, 0.789, 0.383 },
                               { 0.993, 0.906, 0.144 } },
        [PLOT_MAP_LIGHT] = { { 0.985, 0.990, 1.000 },
                             { 0.860, 0.915, 0.965 },
                             { 0.690, 0.825, 0.915 },
                             { 0.460, 0.690, 0.850 },
                             { 0.250, 0.520, 0.750 } },
        [PLOT_MAP_DIVERGING] = { { 0.050, 0.330, 0.600 },
                                 { 0.490, 0.690, 0.850 },
                                 { 0.975, 0.975, 0.975 },
                                 { 0.950, 0.660, 0.440 },
                                 { 0.760, 0.300, 0.000 } },
        [PLOT_MAP_GREY] = { { 0, 0, 0 },
                            { 0.25, 0.25, 0.25 },
                            { 0.5, 0.5, 0.5 },
                            { 0.75, 0.75, 0.75 },
                            { 1, 1, 1 } },
    };
    if (isnan(t)) {
        return (struct rgb){ 0.93, 0.93, 0.93 };
    }
    double place = fmin(fmax(t, 0), 1) * (ANCHORS - 1);
    int i = (int)fmin(floor(place), ANCHORS - 2);
    return plot_mix(anchors[map][i], anchors[map][i + 1], place - i);
}

/* ---- ranges -------------------------------------------------------------------------------- */

static void take(struct plot_range *r, double value, bool log)
{
    if (!isfinite(value) || (log && value <= 0)) {
        return;
    }
    r->low = r->filled ? fmin(r->low, value) : value;
    r->high = r->filled ? fmax(r->high, value) : value;
    r->filled = true;
}

struct plot_range plot_range_of(int64_t n, const double *values)
{
    struct plot_range r = { 0 };
    for (int64_t i = 0; i < n; i++) {
        take(&r, values[i], false);
    }
    return r;
}

static bool is_grid(const struct plot_series *s)
{
    return s->z != NULL && s->rows > 0 &&
           (s->kind == PLOT_KIND_HEAT || s->kind == PLOT_KIND_REGIONS ||
            s->kind == PLOT_KIND_CONTOURS);
}

/* Half a cell of a heat map, which is drawn around its sample. */
static double half_cell(const struct plot_series *s, double low, double high, int64_t cells)
{
    if (s->kind == PLOT_KIND_CONTOURS) {
        return 0;
    }
    return cells > 1 ? (high - low) / (double)(cells - 1) / 2 : 0.5;
}

static struct plot_range close_range(struct plot_range r)
{
    return r.filled ? r : (struct plot_range){ 0, 1, false, false };
}

struct plot_range plot_range_x(const struct plot_panel *panel)
{
    struct plot_range r = { 0 };
    bool log = panel->x.log;
    for (int i = 0; i < panel->count; i++) {
        const struct plot_series *s = panel->series[i];
        if (is_grid(s)) {
            double half = half_cell(s, s->x_low, s->x_high, s->columns);
            take(&r, s->x_low - half, log);
            take(&r, s->x_high + half, log);
            r.tight = true;
        } else if (s->kind == PLOT_KIND_BARS) {
            take(&r, -0.5, log);
            take(&r, (double)s->n - 0.5, log);
            r.tight = true;
        } else {
            for (int64_t k = 0; k < s->n && s->x != NULL; k++) {
                take(&r, s->x[k], log);
            }
        }
    }
    return close_range(r);
}

struct plot_range plot_range_y(const struct plot_panel *panel)
{
    struct plot_range r = { 0 };
    bool log = panel->y.log;
    for (int i = 0; i < panel->count; i++) {
        const struct plot_series *s = panel->series[i];
        if (is_grid(s)) {
            double half = half_cell(s, s->y_low, s->y_high, s->rows);
            take(&r, s->y_low - half, log);
            take(&r, s->y_high + half, log);
            r.tight = true;
            continue;
        }
        for (int64_t k = 0; k < s->n && s->y != NULL; k++) {
            take(&r, s->y[k], log);
            if (s->kind == PLOT_KIND_BAND) {
                take(&r, s->z[k], log);
            }
        }
        if (s->kind == PLOT_KIND_BARS && !log) {
            take(&r, 0, false);
        }
    }
    return close_range(r);
}

int plot_bar_groups(const struct plot_panel *panel)
{
    int groups = 0;
    for (int i = 0; i < panel->count; i++) {
        groups += panel->series[i]->kind == PLOT_KIND_BARS;
    }
    return groups;
}

/* ---- ticks --------------------------------------------------------------------------------- */

/* The smallest of 1, 2, 5 times a power of ten that is not below x. */
static double round_up(double x)
{
    double power = pow(10, floor(log10(x)));
    static const double steps[] = { 1, 2, 5, 10 };
    for (int i = 0; i < 4; i++) {
        if (steps[i] * power >= x * (1 - 1e-9)) {
            return steps[i] * power;
        }
    }
    return 10 * power;
}

/* "10⁻³" */
static void power_of_ten(char text[PLOT_TEXT], int exponent)
{
    static const char *const digits[] = { "⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹" };
    char number[16];
    snprintf(number, sizeof number, "%d", exponent < 0 ? -exponent : exponent);
    snprintf(text, PLOT_TEXT, "10%s", exponent < 0 ? "⁻" : "");
    for (int i = 0; number[i] != '\0'; i++) {
        size_t used = strlen(text);
        snprintf(text + used, PLOT_TEXT - used, "%s", digits[number[i] - '0']);
    }
}

void plot_number(char text[PLOT_TEXT], double value)
{
    double size = fabs(value);
    snprintf(text, PLOT_TEXT, size != 0 && (size < 1e-3 || size >= 1e6) ? "%.3g" : "%.4g", value);
}

static void add_tick(struct plot_ticks *t, double at, const char *text)
{
    if (t->count < PLOT_TICKS) {
        t->at[t->count] = at;
        snprintf(t->text[t->count++], PLOT_TEXT, "%s", text);
    }
}

static void linear_ticks(struct plot_ticks *t, const struct plot_axis *axis, int wanted, bool widen)
{
    double step = round_up((t->high - t->low) / wanted);
    step = axis->whole ? fmax(step, 1) : step;
    if (widen) {
        t->low = isnan(axis->low) ? step * floor(t->low / step + 1e-9) : t->low;
        t->high = isnan(axis->high) ? step * ceil(t->high / step - 1e-9) : t->high;
    }
    int decimals = (int)fmax(0, -floor(log10(step) + 1e-9));
    bool short_form = fabs(t->high) >= 1e6 || fabs(t->low) >= 1e6 || decimals > 5;
    for (double k = ceil(t->low / step - 1e-9); k * step <= t->high + 1e-9 * step; k++) {
        char text[PLOT_TEXT];
        double value = k == 0 ? 0 : k * step;
        if (short_form) {
            snprintf(text, sizeof text, "%.3g", value);
        } else {
            snprintf(text, sizeof text, "%.*f", decimals, value);
        }
        add_tick(t, value, text);
    }
}

static void log_ticks(struct plot_ticks *t, const struct plot_axis *axis, int wanted, bool widen)
{
    double low = log10(t->low), high = log10(t->high);
    if (widen && high - low > 0.8) {
        low = isnan(axis->low) ? floor(low + 0.05) : low;
        high = isnan(axis->high) ? ceil(high - 0.05) : high;
    }
    /* Data may reach a little past a round end. */
    t->low = fmin(t->low, pow(10, low));
    t->high = fmax(t->high, pow(10, high));
    int stride = (int)fmax(1, ceil((high - low) / wanted));
    bool plain = t->low >= 0.99e-3 && t->high <= 1.01e4;
    static const double within[] = { 1, 2, 5 };
    int each = high - low < 1.6 ? 3 : 1;
    for (int e = (int)floor(low - 1e-9); e <= (int)ceil(high); e++) {
        if (e % stride != 0) {
            continue;
        }
        for (int k = 0; k < each; k++) {
            double value = within[k] * pow(10, e);
            char text[PLOT_TEXT];
            if (plain || each > 1) {
                snprintf(text, sizeof text, "%g", value);
            } else {
                power_of_ten(text, e);
            }
            if (value >= t->low * (1 - 1e-9) && value <= t->high * (1 + 1e-9)) {
                add_tick(t, value, text);
            }
        }
    }
}

void plot_ticks(struct plot_ticks *t, const struct plot_axis *axis, double low, double high,
                int wanted, bool widen)
{
    *t = (struct plot_ticks){ .low = isnan(axis->low) ? low : axis->low,
                              .high = isnan(axis->high) ? high : axis->high };
    if (axis->log && t->low <= 0) {
        t->low = t->high > 0 ? t->high * 1e-3 : 0.1;
        t->high = t->high > 0 ? t->high : 1;
    }
    bool flipped = t->high < t->low;
    if (t->high == t->low) { /* one value only */
        double around = t->low == 0 ? 1 : 0.1 * fabs(t->low);
        t->high += axis->log ? t->high : around;
        t->low -= axis->log ? t->low / 2 : around;
    }
    if (axis->names > 0) {
        int stride = axis->names > PLOT_TICKS ? (axis->names + PLOT_TICKS - 1) / PLOT_TICKS : 1;
        for (int i = 0; i < axis->names; i += stride) {
            add_tick(t, i, axis->name[i]);
        }
        return;
    }
    if (flipped) {
        double keep = t->low;
        t->low = t->high;
        t->high = keep;
    }
    if (axis->log) {
        log_ticks(t, axis, wanted, widen && !flipped);
    } else {
        linear_ticks(t, axis, wanted, widen && !flipped);
    }
    if (flipped) {
        double keep = t->low;
        t->low = t->high;
        t->high = keep;
    }
}

double plot_share(const struct plot_axis *axis, double low, double high, double value)
{
    if (axis->log) {
        return value > 0 ? (log(value) - log(low)) / (log(high) - log(low)) : NAN;
    }
    return isfinite(value) ? (value - low) / (high - low) : NAN;
}

/* ---- contours ------------------------------------------------------------------------------ */

int plot_band_of(const struct plot_series *s, double value)
{
    int band = 0;
    while (band < s->levels && value > s->level[band]) {
        band++;
    }
    return band;
}

double plot_height_at(const struct plot_series *s, double x, double y)
{
    double column = (x - s->x_low) / (s->x_high - s->x_low) * (double)(s->columns - 1);
    double row = (y - s->y_low) / (s->y_high - s->y_low) * (double)(s->rows - 1);
    if (!(column > -0.5 && row > -0.5 && column < (double)s->columns - 0.5 &&
          row < (double)s->rows - 0.5)) {
        return NAN;
    }
    column = fmin(fmax(column, 0), (double)(s->columns - 1));
    row = fmin(fmax(row, 0), (double)(s->rows - 1));
    int64_t c = (int64_t)fmin(floor(column), (double)(s->columns > 1 ? s->columns - 2 : 0));
    int64_t r = (int64_t)fmin(floor(row), (double)(s->rows > 1 ? s->rows - 2 : 0));
    int64_t right = s->columns > 1 ? 1 : 0, below = s->rows > 1 ? s->columns : 0;
    const double *z = &s->z[r * s->columns + c];
    double u = column - (double)c, v = row - (double)r;
    return (1 - v) * ((1 - u) * z[0] + u * z[right]) +
           v * ((1 - u) * z[below] + u * z[below + right]);
}

/* Each square of the grid is cut into two triangles; a line of equal height crosses a triangle at most once, so there are no
 * cases to be undecided about. */
static void cross_triangle(const double p[3][3], double level,
                           void (*segment)(void *user, double x1, double y1, double x2, double y2),
                           void *user)
{
    double end[2][2];
    int ends = 0;
    for (int i = 0; i < 3 && ends < 2; i++) {
        const double *a = p[i], *b = p[(i + 1) % 3];
        if ((a[2] > level) != (b[2] > level)) {
            double t = (level - a[2]) / (b[2] - a[2]);
            end[ends][0] = a[0] + t * (b[0] - a[0]);
            end[ends++][1] = a[1] + t * (b[1] - a[1]);
        }
    }
    if (ends == 2) {
        segment(user, end[0][0], end[0][1], end[1][0], end[1][1]);
    }
}

void plot_contour_lines(const struct plot_series *s, double level,
                        void (*segment)(void *user, double x1, double y1, double x2, double y2),
                        void *user)
{
    for (int64_t r = 0; r + 1 < s->rows; r++) {
        for (int64_t c = 0; c + 1 < s->columns; c++) {
            double corner[4][3];
            bool known = true;
            for (int k = 0; k < 4; k++) {
                int64_t row = r + k / 2, column = c + k % 2;
                corner[k][0] =
                    s->x_low + (s->x_high - s->x_low) * (double)column / (double)(s->columns - 1);
                corner[k][1] =
                    s->y_low + (s->y_high - s->y_low) * (double)row / (double)(s->rows - 1);
                corner[k][2] = s->z[row * s->columns + column];
                known = known && isfinite(corner[k][2]);
            }
            if (known) {
                double lower[3][3], upper[3][3];
                memcpy(lower, corner, sizeof lower);
                memcpy(upper, corner + 1, sizeof upper);
                cross_triangle((const double(*)[3])lower, level, segment, user);
                cross_triangle((const double(*)[3])upper, level, segment, user);
            }
        }
    }
}
