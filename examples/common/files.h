/*
 * Writing files so that a reader never sees half of one: everything goes to a temporary file beside
 * the final one, which takes its name when it is complete.
 */
#ifndef EXAMPLES_COMMON_FILES_H
#define EXAMPLES_COMMON_FILES_H

#include <stdbool.h>
#include <stdio.h>

struct output_file {
    FILE *stream;  /* write here */
    bool replaces; /* a file of that name exists already */
    char *path;
    char *temporary;
};

/* Opens `path` for writing. After a failure an error has been printed in the name of `program`;
 * nothing is left behind. */
bool output_file_open(struct output_file *f, const char *program, const char *path);
/* Completes the file, if `complete`, else removes it; false (and a message) if the last bytes
 * cannot be written. */
bool output_file_close(struct output_file *f, const char *program, bool complete);

/* Whether it will be possible to write `path` (or files into the folder `path`, which need not
 * exist yet): said before a long training run rather than after it. Prints an error that names
 * `option`. */
bool output_file_possible(const char *program, const char *option, const char *path);
bool output_folder_possible(const char *program, const char *option, const char *path);
/* Makes a folder and those above it. */
bool output_folder_make(const char *program, const char *path);

/* "folder/name", to be freed; NULL (and a message) without memory. */
char *output_path_join(const char *program, const char *folder, const char *name);

/* Flushes standard output; false (and a message) if something printed there was lost. */
bool output_standard_flush(const char *program);

#endif
