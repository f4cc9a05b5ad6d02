/*
 * What the parts of the lesson on forecasts share.
 */
#ifndef EXAMPLES_FORECAST_H
#define EXAMPLES_FORECAST_H

#include <stdbool.h>
#include <stdint.h>

#include "autograd/autograd.h"
#include "data/data.h"
#include "nn/nn.h"
#include "optim/optim.h"
#include "train/train.h"

#include "common/options.h"
#include "common/plot.h"
#include "common/record.h"
#include "common/saving.h"

/* How many days ahead, the last of which is judged, and how many cities a table may have. */
enum { AHEAD = 3, CITIES_MAX = 8, CITY_NAME = 48 };

/* ---- The weather (weather.c) ------------------------------------------------------------------------------------------------- */

/* The last year is held out; the one before says which epoch is best; all earlier ones are learned from. */
enum part { LEARN, CHOOSE, TEST, PARTS };

struct city {
    char name[CITY_NAME];
    int64_t first, days; /* rows of the table, day after day */
};

/* The windows whose targets lie in one part. Each lies in one city. */
struct windows {
    int64_t count;
    int64_t *today; /* [count] the row of the last day that is known; the targets are the AHEAD rows that follow */
    int *city;      /* [count] */
    data_set *set;  /* x (window, features) scaled, y (AHEAD) scaled */
    ag_tensor x, y; /* all of them, (count, …) */
};

struct weather {
    struct city city[CITIES_MAX];
    int cities;
    int64_t days, window, features;
    int first_year, last_year;
    int *year;        /* [days] */
    double *highest;  /* [days] the day's highest temperature in °C: what is predicted */
    double *normal;   /* [days] what is usual on that day of the year in that city, by the years to learn from */
    float *x;         /* [days][features] scaled on the days to learn from */
    struct windows part[PARTS];
    data_transform *scale_y; /* from °C */
};

/* Reads the table and makes the windows. False after an error, which has been printed; weather_close() it in any case. */
bool weather_open(struct weather *w, const struct options *o, int64_t window);
void weather_close(struct weather *w);
/* What is predicted is by how much the temperature's distance from the normal changes; this is the temperature itself, in °C. */
double weather_temperature(const struct weather *w, int64_t today, int ahead, double change);

/* ---- The networks (networks.c) ----------------------------------------------------------------------------------------------- */

enum net { LINEAR, DENSE, CONV, LSTM, GRU, BIDIRECTIONAL, NETS };

extern const char *const net_keys[NETS + 2]; /* for --net: "all", the networks, NULL */
extern const char *const net_names[NETS];

/* x (N, window, features) -> (N, AHEAD) */
nn_module *new_network(enum net net, int64_t window, int64_t features);

/* ---- One training (train.c) --------------------------------------------------------------------------------------------------- */

struct outcome {
    enum net net;
    int64_t seed, parameters, epochs, best; /* epochs that were run; the best of them, from 1 */
    double seconds;                         /* of training */
    uint64_t hash;                          /* of the weights */
    double *learn_error, *choose_error;     /* [epochs] mean absolute error in °C, over all days ahead */
    double *forecast;                       /* [test windows][AHEAD] in °C */
};

/* Trains, and forecasts the year that was held out. False after an error, which has been printed, and if a signal stopped it.
 * outcome_free() it in any case. */
bool train(const struct options *o, const struct weather *w, enum net net, int64_t seed, struct outcome *out);
void outcome_free(struct outcome *out);

/* ---- Tables and pictures (show.c) ---------------------------------------------------------------------------------------------- */

/* Mean absolute error in °C on the year that was held out: of one city, or of all (city -1), `ahead` days ahead (from 1). */
double forecast_error(const struct weather *w, const double *forecast, int city, int ahead);

struct contest {
    const struct options *options;
    const struct weather *weather;
    int count, seeds; /* outcomes, seed after seed of a network, then the next */
    struct outcome *outcome;
};

/* The tables and pictures, and all of it into the record. False after an error, which has been printed. */
bool show(const struct contest *r, struct plot_output *out, json_t *record);

#endif
