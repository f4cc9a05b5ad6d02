/*
 * Tables: what is in their columns. Knows nothing of how they were read or what is made of them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/table_internal.h"

static data_table nil_table;

data_table *data_table_nil(void)
{
    return &nil_table;
}

const char *data_snippet(const char *text, size_t n, char snippet[DATA_SNIPPET])
{
    enum { SHOWN = 40 };
    size_t shown = n < SHOWN ? n : SHOWN;
    while (n > SHOWN && shown > 0 && ((unsigned char)text[shown] & 0xc0) == 0x80) {
        shown--; /* not in the middle of a character of UTF-8 */
    }
    snprintf(snippet, DATA_SNIPPET, "\"%.*s%s\"", (int)shown, text, n > SHOWN ? "…" : "");
    return snippet;
}

void data_table_free(data_table *table)
{
    if (table == NULL || table == &nil_table) {
        return;
    }
    for (int64_t c = 0; c < table->columns; c++) {
        struct data_column *column = &table->column[c];
        for (int64_t k = 0; k < column->levels; k++) {
            free(column->level[k]);
        }
        free(column->level);
        free(column->code);
        free(column->number);
        free(column->name);
    }
    free(table->column);
    free(table->line);
    free(table->path);
    free(table);
}

int64_t data_table_rows(const data_table *table)
{
    return table == NULL ? 0 : table->rows;
}

int64_t data_table_columns(const data_table *table)
{
    return table == NULL ? 0 : table->columns;
}

/* NULL out of range. */
static const struct data_column *column_at(const data_table *table, int64_t column)
{
    bool there = table != NULL && column >= 0 && column < table->columns;
    return there ? &table->column[column] : NULL;
}

const char *data_table_name(const data_table *table, int64_t column)
{
    const struct data_column *c = column_at(table, column);
    return c != NULL ? c->name : "";
}

int64_t data_table_find(const data_table *table, const char *name)
{
    for (int64_t c = 0; name != NULL && c < data_table_columns(table); c++) {
        if (strcmp(table->column[c].name, name) == 0) {
            return c;
        }
    }
    return -1;
}

bool data_table_is_text(const data_table *table, int64_t column)
{
    const struct data_column *c = column_at(table, column);
    return c != NULL && c->text;
}

const double *data_table_numbers(const data_table *table, int64_t column)
{
    const struct data_column *c = column_at(table, column);
    return c != NULL ? c->number : NULL;
}

const char *data_table_text(const data_table *table, int64_t row, int64_t column)
{
    const struct data_column *c = column_at(table, column);
    bool there = c != NULL && c->text && row >= 0 && row < table->rows && c->code[row] >= 0;
    return there ? c->level[c->code[row]] : "";
}

int64_t data_table_missing(const data_table *table, int64_t column)
{
    const struct data_column *c = column_at(table, column);
    return c != NULL ? c->missing : 0;
}

int64_t data_table_line(const data_table *table, int64_t row)
{
    return table != NULL && row >= 0 && row < table->rows ? table->line[row] : 0;
}
