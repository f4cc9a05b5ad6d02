/*
 * Where the tables lie that come with the source. It knows names of files, nothing of what is in them.
 */
#ifndef EXAMPLES_COMMON_TABLES_H
#define EXAMPLES_COMMON_TABLES_H

#include <stdbool.h>
#include <stddef.h>

#include "options.h"

enum { TABLES_PATH = 4096 };

/* The path of a table, such as "iris.csv": what --data says if the program takes a table there, else where the table was when
 * the program was built, else beside the program. False if it is nowhere; a message was printed. */
bool tables_find(const struct options *o, const char *name, char path[TABLES_PATH]);

#endif
