/*
 * Weights by name, from a file or from anything else that has named tensors: PyTorch's load_state_dict().
 *
 *     data_tensors *file = data_tensors_open("weights.safetensors");        (data/tensors.h)
 *     nn_load_state_dict(net, data_tensors_entries(file), nn_load_defaults(), NULL);
 *     data_tensors_close(file);
 *
 * The other way: data_tensors_save("weights.safetensors", list) of a list that nn_state(net) gives.
 */
#ifndef WENGERT_NN_LOAD_H
#define WENGERT_NN_LOAD_H

#include "module.h"

AG_EXTERN_C_BEGIN

/* Names that begin with `from` begin with `to` instead: { "module.", "" } takes a prefix off, { "", "encoder." } puts one in
 * front, { "fc.", "head." } gives a layer another name. `to` NULL: what begins so is passed over, and is not unexpected. */
typedef struct nn_rename {
    const char *from, *to;
} nn_rename;

typedef struct nn_load_config {
    uint32_t made_by_defaults;
    bool strict; /* default true: if anything does not fit, that is an error and nothing is changed; false: what fits is loaded */
    bool round;  /* default false: float64 does not fit a float32 module; true: its numbers are rounded */
    int renames; /* default 0: how many there are in `rename`; the first one that a name begins with counts, and only that */
    const nn_rename *rename;
} nn_load_config;

AG_API nn_load_config nn_load_defaults(void);

/* What became of the names. */
typedef struct nn_load_result {
    int64_t loaded;     /* tensors of the module that have new numbers */
    int64_t missing;    /* the module has them, the source has not; one of the names of a tied parameter is enough */
    int64_t unexpected; /* the source has them, the module has not */
    int64_t mismatched; /* both have them, with another shape or a type that does not fit */
    char *text;         /* a line for each that is missing, unexpected or mismatched, "" if there is none; nn_load_result_free() */
} nn_load_result;

/* Copies tensors into the module's parameters and buffers, by name, once and straight from the source. Shapes must be equal;
 * types too, but for what widens without loss (float32 for a float64 module, uint8 for int64). Strict, as by default, every
 * tensor of the module must be there and no other: else one error lists what is missing, unexpected or does not fit. Not strict,
 * what fits is loaded and `result` tells the rest (unlike PyTorch, which refuses another shape there, too). Nothing is changed
 * when there is an error: entries are prepared (autograd/entries.h) before the first is read.
 * A module that nn_init() has not seen is completed, with the type of the source's parameters (float64 if there is one, else
 * float32); then everything must be there, strict or not. Its generators are those of nn_init() with seed 0.
 * Two names of the source that become one are an error. Gradients and frozen parameters stay as they are.
 * `result` may be NULL; it is filled also for the error, and has to be freed. */
AG_API ag_error nn_load_state_dict_at(ag_place where, nn_module *m, ag_entries from, nn_load_config config, nn_load_result *result);
#define nn_load_state_dict(...) nn_load_state_dict_at(AG_HERE, __VA_ARGS__)
AG_API void nn_load_result_free(nn_load_result *result); /* its text; NULL is fine */

AG_EXTERN_C_END

#endif
