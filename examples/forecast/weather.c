/*
 * The weather: from a table of days to windows of numbers that a network can read.
 *
 * No network may know the year that is held out. What is usual on a day of the year, and the scales of all numbers, come from the
 * years to learn from alone. A window lies in one city, and belongs to the part in which the days to be predicted lie, all three.
 * The days that are read may reach back into the year before: those have been when the forecast is made. No window to learn from
 * has a day of a later part, and nothing to be predicted is in two parts.
 */
#include "forecast.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/tables.h"

/* The columns, as data_table_to_set() gives them, in this order. */
static const char columns[] = "temp_max, temp_min, precipitation, wind";
enum { HIGHEST, LOWEST, RAIN, WIND, COLUMNS };

static const double pi = 3.14159265358979323846;

static enum part part_of(const struct weather *w, int64_t day)
{
    int before = w->last_year - w->year[day];
    return before == 0 ? TEST : before == 1 ? CHOOSE : LEARN;
}

/* ---- dates ------------------------------------------------------------------------------------------------------------------- */

static bool leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_in(int year, int month)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    return days[month - 1] + (month == 2 && leap(year) ? 1 : 0);
}

struct date {
    int year, month, day;
};

/* YYYY-MM-DD and nothing else. */
static bool read_date(const char *text, struct date *d)
{
    if (strlen(text) != 10 || strspn(text, "0123456789") != 4 || text[4] != '-' || strspn(text + 5, "0123456789") != 2 ||
        text[7] != '-' || strspn(text + 8, "0123456789") != 2) {
        return false;
    }
    *d = (struct date){ atoi(text), atoi(text + 5), atoi(text + 8) };
    return d->year > 0 && d->month >= 1 && d->month <= 12 && d->day >= 1 && d->day <= days_in(d->year, d->month);
}

static bool follows(struct date next, struct date d)
{
    if (++d.day > days_in(d.year, d.month)) {
        d.day = 1;
        d.month++;
    }
    if (d.month > 12) {
        d.month = 1;
        d.year++;
    }
    return next.year == d.year && next.month == d.month && next.day == d.day;
}

/* Where the day lies in its year, as an angle. */
static double angle(struct date d)
{
    int day = d.day - 1;
    for (int month = 1; month < d.month; month++) {
        day += days_in(d.year, month);
    }
    return 2 * pi * day / (leap(d.year) ? 366 : 365);
}

/* ---- the table --------------------------------------------------------------------------------------------------------------- */

struct raw {
    const char *program, *path;
    data_table *table;
    double *value; /* [days][COLUMNS] */
    double *angle; /* [days] */
};

static bool refuse(const struct raw *raw, int64_t row, const char *words)
{
    fprintf(stderr, "%s: %s: line %lld: %s\n", raw->program, raw->path, (long long)data_table_line(raw->table, row), words);
    return false;
}

static bool out_of_memory(const char *program)
{
    fprintf(stderr, "%s: out of memory\n", program);
    return false;
}

/* Which rows belong to which city, and when they were. */
static bool find_cities(struct weather *w, struct raw *raw)
{
    int64_t location = data_table_find(raw->table, "location"), when = data_table_find(raw->table, "date");
    struct date last = { 0, 0, 0 };
    for (int64_t i = 0; i < w->days; i++) {
        const char *name = data_table_text(raw->table, i, location), *text = data_table_text(raw->table, i, when);
        struct city *city = w->cities > 0 ? &w->city[w->cities - 1] : NULL;
        char words[256];
        struct date date;
        if (!read_date(text, &date)) {
            snprintf(words, sizeof words, "\"%.40s\" is not a date: YYYY-MM-DD", text);
            return refuse(raw, i, words);
        }
        if (city != NULL && strcmp(city->name, name) == 0) {
            if (!follows(date, last)) {
                snprintf(words, sizeof words, "%s comes after %04d-%02d-%02d: the days of a city must follow one another", text,
                         last.year, last.month, last.day);
                return refuse(raw, i, words);
            }
            city->days++;
        } else {
            for (int k = 0; k < w->cities; k++) {
                if (strcmp(w->city[k].name, name) == 0) {
                    snprintf(words, sizeof words, "%s again: the days of a city must follow one another", name);
                    return refuse(raw, i, words);
                }
            }
            if (w->cities == CITIES_MAX || strlen(name) >= CITY_NAME || name[0] == '\0') {
                snprintf(words, sizeof words, "location \"%.60s\": up to %d cities with names of 1 to %d bytes can be told apart",
                         name, CITIES_MAX, CITY_NAME - 1);
                return refuse(raw, i, words);
            }
            city = &w->city[w->cities++];
            *city = (struct city){ .first = i, .days = 1 };
            memcpy(city->name, name, strlen(name) + 1);
        }
        last = date;
        w->year[i] = date.year;
        raw->angle[i] = angle(date);
        w->first_year = i == 0 || date.year < w->first_year ? date.year : w->first_year;
        w->last_year = i == 0 || date.year > w->last_year ? date.year : w->last_year;
    }
    return true;
}

static bool too_few(const struct weather *w, const struct raw *raw, int city)
{
    fprintf(stderr, "%s: %s: %s has too few days: it needs a year and more before %d to learn from, and windows in %d and %d\n",
            raw->program, raw->path, w->city[city].name, w->last_year - 1, w->last_year - 1, w->last_year);
    return false;
}

static bool check_years(const struct weather *w, const struct raw *raw)
{
    for (int c = 0; c < w->cities; c++) {
        const struct city *city = &w->city[c];
        int64_t learn = 0;
        for (int64_t i = city->first; i < city->first + city->days; i++) {
            learn += part_of(w, i) == LEARN ? 1 : 0;
        }
        if (learn < 365 + w->window + AHEAD) {
            return too_few(w, raw, c);
        }
    }
    return true;
}

static bool check_values(const struct weather *w, const struct raw *raw)
{
    for (int64_t i = 0; i < w->days; i++) {
        for (int c = 0; c < COLUMNS; c++) {
            if (!isfinite(raw->value[i * COLUMNS + c])) {
                return refuse(raw, i, "a number is infinite");
            }
        }
        if (raw->value[i * COLUMNS + RAIN] < 0) {
            return refuse(raw, i, "precipitation is below 0");
        }
    }
    return true;
}

/* ---- what is usual ----------------------------------------------------------------------------------------------------------- */

/* A constant, a wave of a year and one of half a year. */
enum { WAVES = 5 };

static void waves(double phase, double wave[WAVES])
{
    wave[0] = 1;
    wave[1] = cos(phase);
    wave[2] = sin(phase);
    wave[3] = cos(2 * phase);
    wave[4] = sin(2 * phase);
}

/* Least squares over a city's days to learn from: normal[i], for every day of the city. */
static void fit_normal(const struct weather *w, const struct raw *raw, const struct city *city, int column, double *normal)
{
    double a[WAVES][WAVES + 1] = { { 0 } }, wave[WAVES];
    for (int64_t i = city->first; i < city->first + city->days; i++) {
        if (part_of(w, i) == LEARN) {
            waves(raw->angle[i], wave);
            for (int j = 0; j < WAVES; j++) {
                for (int k = 0; k < WAVES; k++) {
                    a[j][k] += wave[j] * wave[k];
                }
                a[j][WAVES] += wave[j] * raw->value[i * COLUMNS + column];
            }
        }
    }
    /* Elimination; over a year and more the waves are nearly orthogonal, so no pivot is small. */
    for (int j = 0; j < WAVES; j++) {
        for (int row = 0; row < WAVES; row++) {
            double factor = row == j ? 0 : a[row][j] / a[j][j];
            for (int k = j; k <= WAVES; k++) {
                a[row][k] -= factor * a[j][k];
            }
        }
    }
    for (int64_t i = city->first; i < city->first + city->days; i++) {
        waves(raw->angle[i], wave);
        normal[i] = 0;
        for (int j = 0; j < WAVES; j++) {
            normal[i] += a[j][WAVES] / a[j][j] * wave[j];
        }
    }
}

/* ---- the numbers of a day ------------------------------------------------------------------------------------------------------ */

/* Distance of both temperatures from the normal, rain, wind, the time of the year, and which city it is; then scaled, with shifts
 * and scales from the days to learn from. */
static bool make_features(struct weather *w, struct raw *raw)
{
    w->features = COLUMNS + 2 + (w->cities > 1 ? w->cities : 0);
    size_t all = (size_t)(w->days * w->features);
    double *lowest = malloc((size_t)w->days * sizeof *lowest);
    int64_t *learn = malloc((size_t)w->days * sizeof *learn), count = 0;
    w->x = calloc(all, sizeof *w->x);
    bool good = lowest != NULL && learn != NULL && w->x != NULL;
    for (int c = 0; good && c < w->cities; c++) {
        const struct city *city = &w->city[c];
        fit_normal(w, raw, city, HIGHEST, w->normal);
        fit_normal(w, raw, city, LOWEST, lowest);
        for (int64_t i = city->first; i < city->first + city->days; i++) {
            const double *value = &raw->value[i * COLUMNS];
            float *x = &w->x[i * w->features];
            w->highest[i] = value[HIGHEST];
            x[HIGHEST] = (float)(value[HIGHEST] - w->normal[i]);
            x[LOWEST] = (float)(value[LOWEST] - lowest[i]);
            x[RAIN] = (float)log1p(value[RAIN]); /* one downpour must not outweigh all drizzle */
            x[WIND] = (float)value[WIND];
            x[COLUMNS] = (float)cos(raw->angle[i]);
            x[COLUMNS + 1] = (float)sin(raw->angle[i]);
            if (w->cities > 1) {
                x[COLUMNS + 2 + c] = 1;
            }
            if (part_of(w, i) == LEARN) {
                learn[count++] = i;
            }
        }
    }
    if (good) {
        data_scaler_config config = data_scaler_defaults();
        config.allow_constant = true; /* a place where it never rains */
        ag_shape shape = AG_SHAPE(w->features);
        data_set *days = data_arrays(w->days, w->x, shape, AG_FLOAT32, raw->value, AG_SHAPE(COLUMNS), AG_FLOAT64);
        data_set *known = data_subset(days, count, learn);
        data_transform *scale = data_standard_scaler(known, config);
        data_set *scaled = data_transform_x(days, scale);
        ag_tensor x = AG_NONE, y = AG_NONE;
        if (data_set_tensors(scaled, &x, &y) == AG_OK) {
            ag_read(x, w->x, (int64_t)all);
        }
        ag_drop(&x);
        ag_drop(&y);
        data_set_free(scaled);
        data_transform_free(scale);
        data_set_free(known);
        data_set_free(days);
    } else {
        out_of_memory(raw->program);
    }
    free(lowest);
    free(learn);
    return good && ag_exit_status() == 0;
}

/* ---- windows: a set of the program's own --------------------------------------------------------------------------------------- */

struct window_source {
    const struct weather *w;
    const int64_t *today;
};

static ag_error window_read(void *state, int64_t i, void *x, void *y)
{
    const struct window_source *self = state;
    const struct weather *w = self->w;
    int64_t today = self->today[i];
    memcpy(x, &w->x[(today - w->window + 1) * w->features], (size_t)(w->window * w->features) * sizeof *w->x);
    for (int k = 1; k <= AHEAD; k++) {
        ((float *)y)[k - 1] = (float)((w->highest[today + k] - w->normal[today + k]) - (w->highest[today] - w->normal[today]));
    }
    return AG_OK;
}

static const data_set_type windows_type = { .size = sizeof(data_set_type),
                                            .name = "windows",
                                            .read = window_read,
                                            .release = free };

double weather_temperature(const struct weather *w, int64_t today, int ahead, double change)
{
    return w->normal[today + ahead] + (w->highest[today] - w->normal[today]) + change;
}

static bool find_windows(struct weather *w, const struct raw *raw, enum part part)
{
    struct windows *all = &w->part[part];
    all->today = malloc((size_t)w->days * sizeof *all->today);
    all->city = malloc((size_t)w->days * sizeof *all->city);
    if (all->today == NULL || all->city == NULL) {
        return out_of_memory(raw->program);
    }
    for (int c = 0; c < w->cities; c++) {
        const struct city *city = &w->city[c];
        int64_t before = all->count;
        for (int64_t first = city->first; first + w->window + AHEAD <= city->first + city->days; first++) {
            int64_t today = first + w->window - 1;
            if (part_of(w, today + 1) == part && part_of(w, today + AHEAD) == part) {
                all->today[all->count] = today;
                all->city[all->count++] = c;
            }
        }
        if (all->count == before) {
            return too_few(w, raw, c);
        }
    }
    return true;
}

static bool make_windows(struct weather *w, const struct raw *raw)
{
    data_set *windows[PARTS] = { NULL };
    bool good = true;
    for (int part = 0; good && part < PARTS; part++) {
        struct window_source *source = malloc(sizeof *source);
        good = find_windows(w, raw, (enum part)part) && (source != NULL || out_of_memory(raw->program));
        if (!good) {
            free(source);
            break;
        }
        *source = (struct window_source){ w, w->part[part].today };
        windows[part] = data_set_new(&windows_type, source, w->part[part].count, AG_SHAPE(w->window, w->features), AG_FLOAT32,
                                     AG_SHAPE(AHEAD), AG_FLOAT32);
    }
    if (good) {
        data_scaler_config config = data_scaler_defaults();
        config.targets = true;
        w->scale_y = data_standard_scaler(windows[LEARN], config);
        for (int part = 0; part < PARTS; part++) {
            struct windows *all = &w->part[part];
            all->set = data_transform_y(windows[part], w->scale_y);
            data_set_tensors(all->set, &all->x, &all->y);
        }
    }
    for (int part = 0; part < PARTS; part++) {
        data_set_free(windows[part]);
    }
    return good && ag_exit_status() == 0;
}

/* ---- all of it ------------------------------------------------------------------------------------------------------------------ */

static bool read_table(struct weather *w, struct raw *raw)
{
    data_csv_config csv = data_csv_defaults();
    csv.numbers = columns;
    csv.text = "location, date";
    raw->table = data_csv_read(raw->path, csv);
    data_table_config config = data_table_defaults();
    config.x = columns;
    config.dtype = AG_FLOAT64;
    data_set *set = data_table_to_set(raw->table, config);
    ag_tensor x = AG_NONE, y = AG_NONE;
    data_set_tensors(set, &x, &y);
    data_set_free(set);
    if (ag_exit_status() != 0) {
        return false;
    }
    w->days = data_table_rows(raw->table);
    size_t days = (size_t)w->days;
    raw->value = malloc(days * COLUMNS * sizeof *raw->value);
    raw->angle = malloc(days * sizeof *raw->angle);
    w->year = malloc(days * sizeof *w->year);
    w->highest = malloc(days * sizeof *w->highest);
    w->normal = malloc(days * sizeof *w->normal);
    bool good = raw->value && raw->angle && w->year && w->highest && w->normal;
    if (good) {
        ag_read_doubles(x, raw->value, w->days * COLUMNS);
    }
    ag_drop(&x);
    ag_drop(&y);
    return good || out_of_memory(raw->program);
}

bool weather_open(struct weather *w, const struct options *o, int64_t window)
{
    char path[TABLES_PATH];
    *w = (struct weather){ .window = window };
    for (int part = 0; part < PARTS; part++) {
        w->part[part].x = w->part[part].y = AG_NONE;
    }
    if (!tables_find(o, "weather.csv", path)) {
        return false;
    }
    struct raw raw = { .program = o->program, .path = path };
    bool good = read_table(w, &raw) && find_cities(w, &raw) && check_years(w, &raw) && check_values(w, &raw) &&
                make_features(w, &raw) && make_windows(w, &raw);
    if (good) {
        printf("The weather of");
        for (int c = 0; c < w->cities; c++) {
            printf("%s %s", c == 0 ? "" : c + 1 == w->cities ? " and" : ",", w->city[c].name);
        }
        printf(", %lld days, from %s\n"
               "Windows of %lld days, and the three days after: %lld of %d to %d to learn from, %lld of %d to choose the epoch,\n"
               "%lld of %d held out\n\n",
               (long long)w->days, path, (long long)window, (long long)w->part[LEARN].count, w->first_year, w->last_year - 2,
               (long long)w->part[CHOOSE].count, w->last_year - 1, (long long)w->part[TEST].count, w->last_year);
    }
    data_table_free(raw.table);
    free(raw.value);
    free(raw.angle);
    return good;
}

void weather_close(struct weather *w)
{
    for (int part = 0; part < PARTS; part++) {
        struct windows *all = &w->part[part];
        ag_drop(&all->x);
        ag_drop(&all->y);
        data_set_free(all->set);
        free(all->today);
        free(all->city);
    }
    data_transform_free(w->scale_y);
    free(w->year);
    free(w->highest);
    free(w->normal);
    free(w->x);
    *w = (struct weather){ 0 };
}
