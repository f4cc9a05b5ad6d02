/*
 * A tensor's numbers as JSON. Internal: not installed.
 */
#ifndef WENGERT_AUTOGRAD_INSPECT_CONTENT_H
#define WENGERT_AUTOGRAD_INSPECT_CONTENT_H

#include <jansson.h>

#include "../internal.h"

/* How much of a tensor is told. */
struct ag_content_limits {
    int64_t numbers; /* up to so many elements are all written down */
    int side;        /* of more, a map of at most so many rows and columns */
};

/* The numbers of v, or `nothing` in a string if v is NULL, or "released". NULL if there is no memory. */
json_t *ag_content_of(const ag_value *v, struct ag_content_limits limits, const char *nothing);
/* A number; what JSON cannot write is "NaN", "Infinity" or "-Infinity". */
json_t *ag_content_number(double x);
/* Sets a member of an object, and takes the value over; false if one of them is NULL, or there is no memory. */
bool ag_content_put(json_t *object, const char *key, json_t *value);
/* A text of any bytes: what is not UTF-8 becomes U+FFFD. */
json_t *ag_content_text(const char *text);

#endif
