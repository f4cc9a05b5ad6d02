/*
 * What the files about tables share. Internal: not installed.
 */
#ifndef WENGERT_DATA_TABLE_INTERNAL_H
#define WENGERT_DATA_TABLE_INTERNAL_H

#include "data/internal.h"

#define DATA_SNIPPET 64

struct data_column {
    char *name;
    bool text;
    double *number; /* of a column of numbers: NaN where missing */
    int32_t *code;  /* of a column of text: which level, -1 where missing */
    char **level;   /* in ascending order */
    int64_t levels;
    int64_t missing;
    int64_t odd_line; /* where the first field that is no number stands; 0: text was asked for */
    char odd[DATA_SNIPPET]; /* and what it is */
};

struct data_table {
    char *path;
    int64_t rows, columns;
    struct data_column *column;
    int64_t *line; /* of the file, on which a row begins */
};

data_table *data_table_nil(void);
/* data_csv_read() in the name of the function that the user called. */
data_table *data_csv_load(ag_place where, const char *function, const char *path,
                          const data_csv_config *config);

/* The beginning of a text, in quotes, for a message. */
const char *data_snippet(const char *text, size_t n, char snippet[DATA_SNIPPET]);

#endif
