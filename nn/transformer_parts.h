/*
 * What the files of the Transformer know of one another. Internal.
 */
#ifndef WENGERT_NN_TRANSFORMER_PARTS_H
#define WENGERT_NN_TRANSFORMER_PARTS_H

#include "transformer.h"

extern const nn_module_type nn_attention_type;

/* Whether m is an attention, or a layer or stack of the Transformer, whose inputs are (steps,batch,…). */
bool nn_attention_steps_first(const nn_module *m);
bool nn_transformer_steps_first(const nn_module *m);

/* Multi-head attention in the name of the function that was called. */
nn_module *nn_attention_new(const char *function, nn_attention_config config);
/* Its forward, inside of a frame; *options->weights is not yet kept. */
ag_tensor nn_attention_apply(ag_place where, const char *function, nn_module *m, ag_tensor query, ag_tensor value, ag_tensor key,
                             const nn_attention_options *options);

#endif
