/*
 * The tape as a document: what the drawings, the JSON and the page are made of. Internal: not installed.
 */
#ifndef WENGERT_AUTOGRAD_INSPECT_DOCUMENT_H
#define WENGERT_AUTOGRAD_INSPECT_DOCUMENT_H

#include <jansson.h>

#include "../tensor.h"

/* What `output` depends on (AG_NONE: the whole tape), with values and gradients; inspect.h says how it is laid out. Gradients that
 * no backward has left are found by a sweep of its own, if the tape still allows one. NULL after raising. */
json_t *ag_tape_document(ag_place where, const char *function, ag_tensor output);
/* How many digits its numbers are to be written with. */
int ag_document_digits(const json_t *document);

#endif
