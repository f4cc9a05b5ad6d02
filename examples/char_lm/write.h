/*
 * The network writes: at several temperatures, as the options say, or by beam search.
 */
#ifndef EXAMPLES_CHAR_LM_WRITE_H
#define EXAMPLES_CHAR_LM_WRITE_H

#include <jansson.h>

#include "data/data.h"
#include "net.h"

struct wishes {
    const char *prompt;
    double temperature;    /* NaN: several */
    int64_t top_k, length, beam;
    double top_p;
    uint64_t seed;
};

/* Prints what it writes, each character as soon as it is drawn, and puts the texts into the record. False after an error. */
bool write_texts(struct net *net, const data_vocabulary *letters, const struct wishes *wishes, json_t *record);
/* A few characters at the temperature 0.8, on one line, for a look while it learns. `line` has room for 4 n + 1 bytes. */
bool write_line(struct net *net, const data_vocabulary *letters, int64_t n, char *line);

#endif
