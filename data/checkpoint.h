/*
 * Checkpoints: a run that was interrupted goes on as if it had not been, bit for bit.
 *
 *     data_checkpoint *c = data_checkpoint_new("run", data_checkpoint_defaults());
 *     data_checkpoint_add(c, "model", nn_stateful(net));
 *     data_checkpoint_add(c, "optimizer", optim_stateful(opt));
 *     data_checkpoint_add(c, "loader", data_loader_stateful(train));
 *     data_checkpoint_add(c, "epoch", ag_stateful_int64(&epoch));
 *     data_checkpoint_resume(c);                 (goes on where the last save was, if there is one)
 *     for (; epoch < epochs; epoch++) {
 *         data_loader_rewind(train);             (does nothing in the epoch that was interrupted)
 *         while (data_loader_next(train, &batch)) {
 *             …
 *             data_checkpoint_step(c);           (saves now and then, as the config says)
 *         }
 *     }
 *     data_checkpoint_free(c);
 *
 * What is saved is what the objects list (autograd/state.h), at the moment of the call: call it between two steps. A model that
 * was built with other first weights, a loader that was never rewound get back all that matters.
 *
 * A checkpoint is one safetensors file in the folder, checkpoint-00000012.safetensors: tensors under dotted names
 * ("model.0.weight", "optimizer.state.0.weight.exp_avg"), everything else as text in its metadata, and a checksum over all of
 * it. It is written beside its place, brought to the disk, and renamed: at every moment, whether the program or the machine is
 * killed, the folder holds the last complete one.
 */
#ifndef WENGERT_DATA_CHECKPOINT_H
#define WENGERT_DATA_CHECKPOINT_H

#include <stdio.h>

#include "../autograd/autograd.h"

AG_EXTERN_C_BEGIN

typedef struct data_checkpoint data_checkpoint;

typedef struct data_checkpoint_config {
    uint32_t made_by_defaults;
    int keep;             /* how many of the latest are kept, default 2: older ones are removed after a save; at least 1 */
    int64_t every_steps;  /* data_checkpoint_step() saves after that many calls; default 0: does not */
    double every_minutes; /* and when so many minutes have passed since the last save; default 0: does not */
} data_checkpoint_config;

AG_API data_checkpoint_config data_checkpoint_defaults(void);

/* The checkpoints of one run in a folder, which is made if it is not there (the one above it must be). The folder belongs to
 * this process until data_checkpoint_free(): another one that opens it is refused. What a killed save left behind is removed.
 * Errors name the folder and the reason. Never NULL: nil after an error. */
AG_API data_checkpoint *data_checkpoint_new_at(ag_place where, const char *folder, data_checkpoint_config config);
#define data_checkpoint_new(...) data_checkpoint_new_at(AG_HERE, __VA_ARGS__)
/* Adds an object under a name: distinct, without dots at its ends, not "wengert". The object is borrowed until
 * data_checkpoint_free(). */
AG_API ag_error data_checkpoint_add_at(ag_place where, data_checkpoint *c, const char *name, ag_stateful object);
#define data_checkpoint_add(...) data_checkpoint_add_at(AG_HERE, __VA_ARGS__)

/* Saves all objects as the next checkpoint, then removes those that are not kept. After an error (a full disk, a folder that
 * cannot be written) the earlier ones are all still there. */
AG_API ag_error data_checkpoint_save_at(ag_place where, data_checkpoint *c);
/* Saves all objects as best.safetensors, in place of the best so far; it is not among those that are numbered and removed. */
AG_API ag_error data_checkpoint_save_best_at(ag_place where, data_checkpoint *c);
/* Says that a step was done: saves if the config's steps or minutes have passed. True if it saved; false after an error, too. */
AG_API bool data_checkpoint_step_at(ag_place where, data_checkpoint *c);
#define data_checkpoint_save(...) data_checkpoint_save_at(AG_HERE, __VA_ARGS__)
#define data_checkpoint_save_best(...) data_checkpoint_save_best_at(AG_HERE, __VA_ARGS__)
#define data_checkpoint_step(...) data_checkpoint_step_at(AG_HERE, __VA_ARGS__)

/* Puts the newest checkpoint back into the objects. True if it did; false if there is none, and after an error (the sticky error
 * tells which). A file that is damaged is passed over for the one before it (data_checkpoint_damage() says why); if all are, that
 * is an error. A file that is whole but does not fit, because it is of another architecture or optimizer, is an error that lists
 * what differs. Nothing is changed then. */
AG_API bool data_checkpoint_resume_at(ag_place where, data_checkpoint *c);
/* The same with best.safetensors. */
AG_API bool data_checkpoint_resume_best_at(ag_place where, data_checkpoint *c);
#define data_checkpoint_resume(...) data_checkpoint_resume_at(AG_HERE, __VA_ARGS__)
#define data_checkpoint_resume_best(...) data_checkpoint_resume_best_at(AG_HERE, __VA_ARGS__)

/* How many numbered checkpoints the folder holds. */
AG_API int64_t data_checkpoint_count(const data_checkpoint *c);
/* The file that was saved or put back last; "" if none was. Valid until the next call. */
AG_API const char *data_checkpoint_path(const data_checkpoint *c);
/* The damaged files that the last resume passed over, each with the reason and in a line of its own; "" if there were none. Valid
 * until the next call. */
AG_API const char *data_checkpoint_damage(const data_checkpoint *c);
/* Lists what a checkpoint file holds: single values, then tensors with type and shape. Errors as for a resume. */
AG_API ag_error data_checkpoint_describe_at(ag_place where, const char *path, FILE *stream);
#define data_checkpoint_describe(...) data_checkpoint_describe_at(AG_HERE, __VA_ARGS__)

AG_API void data_checkpoint_free(data_checkpoint *c); /* NULL is fine */

AG_EXTERN_C_END

#endif
