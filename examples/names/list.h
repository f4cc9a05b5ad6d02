/*
 * Names as sequences of letters: nine in ten to learn from, the tenth held out.
 */
#ifndef EXAMPLES_NAMES_LIST_H
#define EXAMPLES_NAMES_LIST_H

#include <stdbool.h>

#include "data/data.h"

enum { FEMALE, MALE, SEXES, LONGEST = 40 };

struct name {
    char *text;
    int sex;
    bool held_out; /* a name that both sexes have is held out of both lists, or of none */
};

struct names {
    char folder[4096];
    int64_t count;
    struct name *name; /* in order, each once for each sex */
    data_vocabulary *letters;
    int64_t end;               /* the token behind the last letter: the end of the line */
    data_set *train, *held_out; /* input: the token of the sex, then the letters; target: the letters, then the end */
};

/* folder NULL: that which comes with the source, or lies beside `place`, the program's path. It has female.txt and male.txt, with a
 * name in each line. False after an error, which has been printed or raised. */
bool names_open(struct names *n, const char *program, const char *place, const char *folder);
void names_close(struct names *n);

/* The token that begins a name, in place of a letter. */
int64_t names_begin(const struct names *n, int sex);
enum known { NEW, HELD_OUT, LEARNED };
/* Whether a name is in the lists, of whichever sex. */
enum known names_known(const struct names *n, const char *text);
/* Bits a letter of the held-out names if each is guessed from how often it stands behind the one before it (one is added to every
 * count): what a network must do better. */
double names_counted(const struct names *n);

#endif
