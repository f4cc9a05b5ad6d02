/*
 * The network, and how it makes up names.
 */
#ifndef EXAMPLES_NAMES_WRITE_H
#define EXAMPLES_NAMES_WRITE_H

#include <jansson.h>

#include "common/plot.h"
#include "list.h"
#include "nn/nn.h"

/* Letters become vectors, a GRU reads them, and its state becomes scores of the letter that follows. */
struct net {
    nn_module base;
    nn_module *embed, *gru, *out;
};
struct net *net_new(const struct names *names);

struct wishes {
    const char *starts; /* the first letters of each name; "": none */
    int sex;            /* FEMALE, MALE or both: SEXES */
    double temperature;
    int64_t count; /* names to print, of each sex */
    int64_t tries; /* names to try each temperature with; 0: none is tried */
    uint64_t seed;
};

/* Makes up names and prints them; then tries several temperatures and draws what becomes of the names. False after an error. */
bool write_names(struct net *net, const struct names *names, const struct wishes *w, struct plot_output *out, json_t *record);
/* One name of each sex on a line, for a look while it learns; `line` has room for LINE bytes. */
enum { WRITTEN = 4 * (2 * LONGEST) + 1, LINE = 2 * WRITTEN + 8 };
bool write_line(struct net *net, const struct names *names, uint64_t seed, char *line);

#endif
