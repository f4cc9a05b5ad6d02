/*
 * Tables: comma-separated files with a header, and sets of samples made from their columns.
 *
 * Lists of columns are written as the header of a file is: "age, fare". Spaces around a name do not
 * count; a name with a comma, a quote or spaces at its ends is quoted: "\"area, m2\", rooms".
 */
#ifndef WENGERT_DATA_TABLE_H
#define WENGERT_DATA_TABLE_H

#include "../autograd/autograd.h"

AG_EXTERN_C_BEGIN

typedef struct data_set data_set;

/* Columns of numbers (float64) and of text, read from a file. It does not change; free with data_table_free(). */
typedef struct data_table data_table;

/* ---- reading ------------------------------------------------------------------------------------------------------------- */

typedef struct data_csv_config {
    uint32_t made_by_defaults;
    char delimiter;      /* between fields; default ',' */
    bool header;         /* the first line names the columns; else they are called 0, 1, …; default true */
    const char *missing; /* what stands for a missing value, besides an empty field; a list, default
                          * "NA, N/A, n/a, #N/A, NaN, nan, NULL, null, None, ?" */
    const char *numbers; /* columns that must be numbers: anything else in them is an error; default NULL */
    const char *text;    /* columns that are text even if all their fields are numbers; default NULL */
} data_csv_config;

AG_API data_csv_config data_csv_defaults(void);
/* Reads a file as RFC 4180 (2005) says: fields in quotes may hold delimiters, line ends and doubled quotes; lines end with LF, CR
 * LF or CR; a byte order mark of UTF-8 is skipped. A column in which every field is a number or missing is a column of numbers,
 * any other is text. Numbers are decimal (12, -3.5, 1e-3, inf), read correctly rounded whatever the locale, with spaces around
 * them or without; one that is too large is infinite, as from strtod(). An empty line is skipped, except that in a file of one
 * column it is a missing value. Missing values are kept as such until a set is made. Errors name the file, the line and the
 * column: lines with too few or too many fields, a quote that does not end, text after one, NUL bytes, names that come twice, a
 * file without lines. */
AG_API data_table *data_csv_read_at(ag_place where, const char *path, data_csv_config config);
#define data_csv_read(...) data_csv_read_at(AG_HERE, __VA_ARGS__)
AG_API void data_table_free(data_table *table); /* NULL is fine */

/* ---- looking ------------------------------------------------------------------------------------------------------------- */

AG_API int64_t data_table_rows(const data_table *table);    /* without the header */
AG_API int64_t data_table_columns(const data_table *table); /* number of columns */
/* The name of a column; "" out of range. */
AG_API const char *data_table_name(const data_table *table, int64_t column);
/* The column of a name; -1 if there is none. */
AG_API int64_t data_table_find(const data_table *table, const char *name);
/* Whether a column is text. */
AG_API bool data_table_is_text(const data_table *table, int64_t column);
/* A column of numbers, one a row, NaN where missing; NULL for text and out of range. It belongs to the table. */
AG_API const double *data_table_numbers(const data_table *table, int64_t column);
/* A field of a column of text, as it was in the file without its quotes; "" where missing, for numbers and out of range. */
AG_API const char *data_table_text(const data_table *table, int64_t row, int64_t column);
/* Missing values of a column. */
AG_API int64_t data_table_missing(const data_table *table, int64_t column);
/* The line of the file on which a row begins, from 1; 0 out of range. */
AG_API int64_t data_table_line(const data_table *table, int64_t row);

/* ---- samples ------------------------------------------------------------------------------------------------------------- */

/* What becomes of a row with a missing value in one of the columns that are used. */
typedef enum data_missing {
    DATA_MISSING_ERROR,    /* an error that names the line and the column */
    DATA_MISSING_DROP,     /* the row is left out; data_table_config.dropped counts */
    DATA_MISSING_MEAN,     /* the mean of the column's other values; in a category the most frequent level (the first of several) */
    DATA_MISSING_MEDIAN,   /* the median; in a category likewise */
    DATA_MISSING_CONSTANT, /* data_table_config.fill, or fill_text, which becomes a level of categories with missing values */
    DATA_MISSING_KEEP      /* NaN, for data_imputer(), which is fitted on the training part alone; zeros in one-hot columns */
} data_missing;

typedef struct data_table_config {
    uint32_t made_by_defaults;
    const char *x;       /* columns of the input, in this order; default NULL: all but y and `without` */
    const char *without; /* columns that are not used; default NULL */
    const char *y;       /* columns of the target; default NULL: the target is the number of the row */
    bool classes;        /* y is one column of classes: the target is the index of its level, an int64 of shape (); default
                          * false: the target has one number for each column of y */
    const char *one_hot; /* columns of x or y that are categories: a 0 or 1 for each level; "*": all of x that are text */
    const char *index;   /* columns of x or y that are categories: the index of the level as a number; "*" likewise */
    ag_dtype dtype;      /* of inputs, and of targets that are no classes: AG_FLOAT32 (default) or AG_FLOAT64 */
    data_missing missing; /* default DATA_MISSING_ERROR; a missing y is an error unless its row is dropped */
    double fill;          /* for DATA_MISSING_CONSTANT; default 0 */
    const char *fill_text; /* for DATA_MISSING_CONSTANT; default "missing" */
    const data_table *fitted; /* takes levels, means and medians from this table (columns by name), as the rows of a test
                                   * file must; another level is an error. Default NULL: the table itself */
    int64_t *dropped; /* if not NULL: receives how many rows were left out */
} data_table_config;

AG_API data_table_config data_table_defaults(void);
/* A set with a sample for each row. The levels of a category are its different values in ascending order: numbers by value, text
 * by its bytes. Inputs have the shape (f), where f counts columns, and levels of one-hot columns; data_set_x_name() names them
 * "age", "colour_red". Text that is not called a category is an error that names the first line with text. Classes need at
 * least two levels. The numbers are copied: the table can be freed. */
AG_API data_set *data_table_to_set_at(ag_place where, const data_table *table, data_table_config config);
#define data_table_to_set(...) data_table_to_set_at(AG_HERE, __VA_ARGS__)
/* The same from a file, read with the defaults. */
AG_API data_set *data_csv_at(ag_place where, const char *path, data_table_config config);
#define data_csv(...) data_csv_at(AG_HERE, __VA_ARGS__)

AG_EXTERN_C_END

#endif
