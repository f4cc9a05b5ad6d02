/*
 * The text as windows of tokens: the first 95 % to learn from, the last 5 % to be judged by.
 */
#ifndef EXAMPLES_CHAR_LM_CORPUS_H
#define EXAMPLES_CHAR_LM_CORPUS_H

#include <stdbool.h>

#include "data/data.h"

struct corpus {
    char path[4096];
    int64_t characters, split; /* those before `split` are for training */
    data_vocabulary *letters;
    int64_t *tokens;
    data_set *train;      /* windows from every character on */
    data_set *validation; /* windows side by side */
};

/* path NULL: the text that comes with the source, which may lie beside `place`, the program's path. False after an error, which
 * has been printed or raised. */
bool corpus_open(struct corpus *c, const char *program, const char *place, const char *path, int64_t window);
void corpus_close(struct corpus *c);

/* Bits a character of the last 5 % if each is guessed from how often it stands in the others, and from how often it stands
 * behind the one before it (one is added to every count): what a network must do better. */
void corpus_counted(const struct corpus *c, double *letters, double *pairs);

#endif
