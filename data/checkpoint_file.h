/*
 * One checkpoint as one safetensors file. Internal: not installed. Knows snapshots, nothing of folders and series.
 */
#ifndef WENGERT_DATA_CHECKPOINT_FILE_H
#define WENGERT_DATA_CHECKPOINT_FILE_H

#include "autograd/snapshot.h"
#include "autograd/platform.h"
#include "data/safetensors.h"

#define CHECKPOINT_REASON (ELEMENT_REASON + 32)

/* Writes the snapshot, whole or not at all, with a checksum over everything. Raises its errors, in the name of `function`. */
ag_error checkpoint_file_write(ag_place where, const char *function, const char *path,
                               ag_state *state);

/* A file that was read; its numbers are views of the file until checkpoint_file_close(). */
struct checkpoint_file {
    ag_state *state;
    struct platform_view view;
};
/* Reads and checks a file. False with the reason if it is damaged or cannot be read (nothing is raised), or after raising, for
 * lack of memory. Must be closed in any case. */
bool checkpoint_file_open(struct checkpoint_file *file, ag_place where, const char *path,
                          char reason[CHECKPOINT_REASON]);
void checkpoint_file_close(struct checkpoint_file *file);

#endif
