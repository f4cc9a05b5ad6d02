/*
 * Where the tables lie.
 */
#define _POSIX_C_SOURCE 200809L

#include "tables.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifndef WENGERT_EXAMPLES_TABLES
#define WENGERT_EXAMPLES_TABLES "examples/tables"
#endif

bool tables_find(const struct options *o, const char *name, char path[TABLES_PATH])
{
    const char *slash = strrchr(o->path, '/');
    int length = slash ? (int)(slash - o->path) : 1, written;
    if ((o->accepts & OPTION_TABLE) != 0 && o->data != NULL) {
        written = snprintf(path, TABLES_PATH, "%s", o->data);
        if (written >= TABLES_PATH) {
            fprintf(stderr, "%s: --data: the path is too long\n", o->program);
        }
        return written < TABLES_PATH; /* whether it can be read is for the reader to say */
    }
    snprintf(path, TABLES_PATH, "%s/%s", WENGERT_EXAMPLES_TABLES, name);
    if (access(path, F_OK) == 0) {
        return true;
    }
    written = snprintf(path, TABLES_PATH, "%.*s/tables/%s", length, slash ? o->path : ".", name);
    if (written < TABLES_PATH && access(path, F_OK) == 0) {
        return true;
    }
    fprintf(stderr, "%s: the table %s was not found in %s nor in %.*s/tables\n", o->program, name,
            WENGERT_EXAMPLES_TABLES, length, slash ? o->path : ".");
    return false;
}
