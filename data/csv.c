/*
 * Comma-separated files into tables. Knows text and columns, nothing of samples.
 *
 * Note [Two passes over a file]. The first pass reads every column as numbers, straight from the
 * text where a field is a plain number, until a field of the column is something else: then the
 * column is text, and its fields are only skipped. If there is such a column, a second pass collects
 * the texts of all rows. So a file of numbers is walked over once, and whether a column is text need
 * not be known before.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/number.h"
#include "data/table_internal.h"

enum { MADE_BY_DEFAULTS = 0x63737631, CHUNK = 1 << 20, SNIPPET = 40 };

struct field {
    const char *text; /* without quotes; valid until the next field */
    size_t n;
    bool last; /* of its record */
};

struct reader {
    ag_place where;
    const char *function, *path;
    data_csv_config config;
    struct data_words missing, numbers, texts;
    char *bytes; /* the file, followed by a NUL */
    size_t size;
    const char *p, *end;
    int64_t line;     /* of the file, on which p stands */
    const char *body; /* where the first record below the header begins */
    int64_t body_line;
    const data_table *names; /* NULL while the header is read */
    int64_t column;          /* that is being read */
    char *unquoted;          /* a field that had doubled quotes */
    size_t unquoted_room;
    char ends_plain[256]; /* 1: an unquoted field ends before this byte, or this byte is an error */
};

/* ---- saying what is wrong -------------------------------------------------------------------- */

AG_PRINTF(2, 3)
static ag_error malformed(struct reader *r, const char *format, ...)
{
    char reason[600];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    return ag_error_raise(r->where, AG_ERROR_FORMAT, "%s: %s: line %" PRId64 "%s", r->function,
                          r->path, r->line, reason);
}

/* ", column "age": reason" or, in the header, ", column 3: reason". */
static ag_error malformed_field(struct reader *r, const char *reason)
{
    if (r->names != NULL && r->column < r->names->columns) {
        return malformed(r, ", column \"%.80s\": %s", r->names->column[r->column].name, reason);
    }
    return malformed(r, ", column %" PRId64 ": %s", r->column + 1, reason);
}

static ag_error out_of_memory(const struct reader *r)
{
    return ag_error_raise(r->where, AG_ERROR_MEMORY, "%s: %s: out of memory", r->function, r->path);
}

/* ---- the bytes of a file --------------------------------------------------------------------- */

static ag_error load(struct reader *r)
{
    errno = 0;
    FILE *file = fopen(r->path, "rb");
    if (file == NULL) {
        return ag_error_raise(r->where, AG_ERROR_FILE, "%s: %s: %s", r->function, r->path,
                              errno == ENOENT ? "no such file" : strerror(errno));
    }
    /* The size only says how much room to begin with. */
    long size = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
    rewind(file);
    size_t room = size > 0 && size < INT32_MAX ? (size_t)size + 2 : CHUNK;
    ag_error error = AG_OK;
    for (;;) {
        char *grown = room <= SIZE_MAX / 2 ? realloc(r->bytes, room) : NULL;
        if (grown == NULL) {
            error = out_of_memory(r);
            break;
        }
        r->bytes = grown;
        errno = 0;
        r->size += fread(r->bytes + r->size, 1, room - 1 - r->size, file);
        if (r->size < room - 1) {
            break;
        }
        room *= 2;
    }
    if (error == AG_OK && ferror(file)) {
        error = ag_error_raise(r->where, AG_ERROR_FILE, "%s: %s: %s", r->function, r->path,
                               errno == EISDIR ? "is a directory, not a file" : strerror(errno));
    }
    fclose(file);
    if (error == AG_OK) {
        r->bytes[r->size] = '\0';
        r->end = r->bytes + r->size;
    }
    return error;
}

/* To the first field. */
static void start(struct reader *r)
{
    r->p = r->bytes;
    r->line = 1;
    r->column = 0;
    if (r->size >= 3 && memcmp(r->bytes, "\xef\xbb\xbf", 3) == 0) {
        r->p += 3;
    }
}

/* ---- fields ---------------------------------------------------------------------------------- */

/* Whether the field ended at r->p is the last of its record; steps over what ends it. */
static bool step_over_end(struct reader *r)
{
    if (r->p == r->end) {
        return true;
    }
    char c = *r->p++;
    if (c == r->config.delimiter) {
        return false;
    }
    if (c == '\r' && *r->p == '\n') {
        r->p++;
    }
    r->line++;
    return true;
}

static bool make_room(struct reader *r, size_t n)
{
    if (n > r->unquoted_room) {
        char *grown = realloc(r->unquoted, 2 * n);
        if (grown == NULL) {
            out_of_memory(r);
            return false;
        }
        r->unquoted = grown;
        r->unquoted_room = 2 * n;
    }
    return true;
}

/* A field that begins with a quote; false after an error. */
static bool quoted_field(struct reader *r, struct field *f)
{
    const char *begin = ++r->p;
    int64_t first_line = r->line;
    bool doubled = false;
    for (;; r->p++) {
        char c = *r->p;
        if (c == '"' && r->p[1] == '"') {
            doubled = true;
            r->p++;
        } else if (c == '"') {
            break;
        } else if (c == '\n' || (c == '\r' && r->p[1] != '\n')) {
            r->line++;
        } else if (c == '\0') {
            if (r->p == r->end) {
                r->line = first_line;
                malformed_field(r, "the quote that opens this field is never closed");
            } else {
                malformed_field(r, "a NUL byte: this is no text");
            }
            return false;
        }
    }
    f->text = begin;
    f->n = (size_t)(r->p - begin);
    if (doubled) {
        if (!make_room(r, f->n)) {
            return false;
        }
        size_t n = 0;
        for (const char *q = begin; q < r->p; q++) {
            r->unquoted[n++] = *q;
            q += *q == '"';
        }
        f->text = r->unquoted;
        f->n = n;
    }
    r->p++;
    if (r->p < r->end && (!r->ends_plain[(unsigned char)*r->p] || *r->p == '\0')) {
        malformed_field(r, "text behind the quote that closes this field");
        return false;
    }
    f->last = step_over_end(r);
    return true;
}

/* The next field of the record; false after an error. */
static bool next_field(struct reader *r, struct field *f)
{
    if (*r->p == '"') {
        return quoted_field(r, f);
    }
    f->text = r->p;
    while (!r->ends_plain[(unsigned char)*r->p]) {
        r->p++;
    }
    f->n = (size_t)(r->p - f->text);
    if (*r->p == '\0' && r->p < r->end) {
        malformed_field(r, "a NUL byte: this is no text");
        return false;
    }
    f->last = step_over_end(r);
    return true;
}

static void trim(struct field *f)
{
    while (f->n > 0 && (f->text[0] == ' ' || f->text[0] == '\t')) {
        f->text++;
        f->n--;
    }
    while (f->n > 0 && (f->text[f->n - 1] == ' ' || f->text[f->n - 1] == '\t')) {
        f->n--;
    }
}

/* Whether there is another record. Lines without a byte are none, unless they hold the missing value
 * of the only column. */
static bool more_records(struct reader *r, int64_t columns)
{
    while (columns != 1 && r->p < r->end && (*r->p == '\n' || *r->p == '\r')) {
        step_over_end(r);
    }
    r->column = 0;
    return r->p < r->end;
}

/* ---- the header ------------------------------------------------------------------------------ */

static char *copy_text(const char *text, size_t n)
{
    char *copy = malloc(n + 1);
    if (copy != NULL) {
        memcpy(copy, text, n);
        copy[n] = '\0';
    }
    return copy;
}

static bool add_column(struct reader *r, data_table *t, char *name)
{
    struct data_column *grown =
        name != NULL ? realloc(t->column, (size_t)(t->columns + 1) * sizeof *grown) : NULL;
    if (grown == NULL) {
        free(name);
        out_of_memory(r);
        return false;
    }
    t->column = grown;
    t->column[t->columns++] = (struct data_column){ .name = name };
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(struct data_column *const *)a)->name, (*(struct data_column *const *)b)->name);
}

static bool names_differ(struct reader *r, const data_table *t)
{
    struct data_column **sorted = malloc((size_t)t->columns * sizeof *sorted);
    if (sorted == NULL) {
        out_of_memory(r);
        return false;
    }
    for (int64_t c = 0; c < t->columns; c++) {
        sorted[c] = &t->column[c];
    }
    qsort(sorted, (size_t)t->columns, sizeof *sorted, by_name);
    bool good = true;
    for (int64_t c = 1; c < t->columns && good; c++) {
        good = strcmp(sorted[c - 1]->name, sorted[c]->name) != 0;
        if (!good) {
            int64_t a = sorted[c - 1] - t->column, b = sorted[c] - t->column;
            r->line = 1;
            malformed(r, ": columns %" PRId64 " and %" PRId64 " are both called \"%.80s\"",
                      (a < b ? a : b) + 1, (a < b ? b : a) + 1, sorted[c]->name);
        }
    }
    free(sorted);
    return good;
}

/* The columns of the first record: named by it, or counted. */
static bool read_header(struct reader *r, data_table *t)
{
    if (!more_records(r, 0)) {
        ag_error_raise(r->where, AG_ERROR_FORMAT, "%s: %s: the file %s", r->function, r->path,
                       r->size == 0 ? "is empty" : "has empty lines only");
        return false;
    }
    if (r->size >= 2 &&
        (memcmp(r->bytes, "\xff\xfe", 2) == 0 || memcmp(r->bytes, "\xfe\xff", 2) == 0)) {
        ag_error_raise(r->where, AG_ERROR_FORMAT, "%s: %s: the file is UTF-16; UTF-8 is read",
                       r->function, r->path);
        return false;
    }
    const char *begin = r->p;
    int64_t line = r->line;
    struct field f;
    do {
        if (!next_field(r, &f)) {
            return false;
        }
        char number[24];
        int n = snprintf(number, sizeof number, "%" PRId64, t->columns);
        char *name =
            r->config.header ? copy_text(f.text, f.n) : copy_text(number, n > 0 ? (size_t)n : 0);
        if (!add_column(r, t, name)) {
            return false;
        }
        r->column++;
    } while (!f.last);
    if (!r->config.header) {
        r->p = begin;
        r->line = line;
    }
    r->body = r->p;
    r->body_line = r->line;
    r->names = t;
    return !r->config.header || names_differ(r, t);
}

/* ---- the first pass: numbers, and which columns are text ------------------------------------- */

/* Room for one more row; false after an error. */
static bool grow_rows(struct reader *r, data_table *t, int64_t *room)
{
    if (t->rows < *room) {
        return true;
    }
    int64_t more;
    if (*room == 0) { /* as many as there are if all are about as long as the first */
        const char *line = memchr(r->p, '\n', (size_t)(r->end - r->p));
        int64_t length = line != NULL ? line - r->p + 1 : r->end - r->p;
        more = (r->end - r->p) / (length > 0 ? length : 1) + 16;
    } else {
        more = *room + *room / 2;
    }
    if ((uint64_t)more > SIZE_MAX / 2 / sizeof(double)) {
        out_of_memory(r);
        return false;
    }
    int64_t *lines = realloc(t->line, (size_t)more * sizeof *lines);
    if (lines == NULL) {
        out_of_memory(r);
        return false;
    }
    t->line = lines;
    for (int64_t c = 0; c < t->columns; c++) {
        if (t->column[c].text) {
            continue;
        }
        double *number = realloc(t->column[c].number, (size_t)more * sizeof *number);
        if (number == NULL) {
            out_of_memory(r);
            return false;
        }
        t->column[c].number = number;
    }
    *room = more;
    return true;
}

static void becomes_text(struct data_column *column, const struct field *f, int64_t line)
{
    column->text = true;
    column->odd_line = line;
    data_snippet(f->text, f->n, column->odd);
    free(column->number);
    column->number = NULL;
}

/* A field that is no plain number, of a column of numbers; false after an error. */
static bool odd_field(struct reader *r, data_table *t, int64_t line, bool *last)
{
    struct data_column *column = &t->column[r->column];
    struct field f;
    if (!next_field(r, &f)) {
        return false;
    }
    *last = f.last;
    trim(&f);
    if (f.n == 0 || data_words_have(&r->missing, f.text, f.n)) {
        column->number[t->rows] = data_nan();
        column->missing++;
        return true;
    }
    /* A number in spaces or quotes: what follows it is no part of it. */
    double value;
    const char *end = data_number_scan(f.text, &value);
    if (end == f.text + f.n) {
        column->number[t->rows] = value;
        return true;
    }
    if (data_words_have(&r->numbers, column->name, strlen(column->name))) {
        char snippet[DATA_SNIPPET];
        r->line = line;
        malformed(r, ", column \"%.80s\": %s is not a number", column->name,
                  data_snippet(f.text, f.n, snippet));
        return false;
    }
    becomes_text(column, &f, line);
    return true;
}

/* A record that ended too soon or goes on. */
static bool ragged(struct reader *r, const data_table *t, int64_t line, bool last)
{
    int64_t fields = r->column + 1;
    struct field f = { .last = last };
    while (!f.last) {
        if (!next_field(r, &f)) {
            return false;
        }
        fields++;
    }
    r->line = line;
    malformed(r, ": %" PRId64 " field%s, but %s %" PRId64, fields, fields == 1 ? "" : "s",
              r->config.header ? "the header has" : "the first line has", t->columns);
    return false;
}

static bool read_numbers(struct reader *r, data_table *t)
{
    int64_t room = 0;
    while (more_records(r, t->columns)) {
        if (!grow_rows(r, t, &room)) {
            return false;
        }
        int64_t line = t->line[t->rows] = r->line;
        for (r->column = 0; r->column < t->columns; r->column++) {
            struct data_column *column = &t->column[r->column];
            bool last;
            const char *end;
            if (!column->text && (end = data_number_scan(r->p, &column->number[t->rows])) != NULL &&
                r->ends_plain[(unsigned char)*end] && (*end != '\0' || end == r->end)) {
                r->p = end;
                last = step_over_end(r);
            } else if (!column->text) {
                if (!odd_field(r, t, line, &last)) {
                    return false;
                }
            } else {
                struct field f;
                if (!next_field(r, &f)) {
                    return false;
                }
                last = f.last;
            }
            if (last != (r->column == t->columns - 1)) {
                return ragged(r, t, line, last);
            }
        }
        t->rows++;
    }
    return true;
}

/* ---- the second pass: texts ------------------------------------------------------------------ */

/* The levels of a column of text while they are found: a hash table of their numbers. */
struct levels {
    int32_t *slot; /* number of a level plus one; 0: free */
    size_t slots;  /* a power of two */
    int64_t room;
};

static size_t hash_text(const char *text, size_t n)
{
    uint64_t h = UINT64_C(14695981039346656037); /* FNV-1a */
    for (size_t i = 0; i < n; i++) {
        h = (h ^ (unsigned char)text[i]) * UINT64_C(1099511628211);
    }
    return (size_t)(h ^ h >> 32);
}

static bool levels_grow(struct levels *l, struct data_column *c)
{
    int64_t room = l->room == 0 ? 16 : 2 * l->room;
    size_t slots = 4 * (size_t)room;
    char **level = realloc(c->level, (size_t)room * sizeof *level);
    c->level = level != NULL ? level : c->level;
    int32_t *slot = level != NULL ? calloc(slots, sizeof *slot) : NULL;
    if (slot == NULL || room > INT32_MAX) {
        free(slot);
        return false;
    }
    for (int64_t k = 0; k < c->levels; k++) {
        size_t s = hash_text(c->level[k], strlen(c->level[k])) & (slots - 1);
        while (slot[s] != 0) {
            s = (s + 1) & (slots - 1);
        }
        slot[s] = (int32_t)k + 1;
    }
    free(l->slot);
    *l = (struct levels){ slot, slots, room };
    return true;
}

/* The number of a level, new or not; -1 if there is no memory. */
static int32_t level_of(struct levels *l, struct data_column *c, const char *text, size_t n)
{
    if (c->levels == l->room && !levels_grow(l, c)) {
        return -1;
    }
    size_t s = hash_text(text, n) & (l->slots - 1);
    for (; l->slot[s] != 0; s = (s + 1) & (l->slots - 1)) {
        const char *level = c->level[l->slot[s] - 1];
        if (strncmp(level, text, n) == 0 && level[n] == '\0') {
            return l->slot[s] - 1;
        }
    }
    char *copy = copy_text(text, n);
    if (copy == NULL) {
        return -1;
    }
    c->level[c->levels] = copy;
    l->slot[s] = (int32_t)++c->levels;
    return (int32_t)c->levels - 1;
}

struct ordered {
    const char *text;
    int32_t number;
};

static int by_text(const void *a, const void *b)
{
    return strcmp(((const struct ordered *)a)->text, ((const struct ordered *)b)->text);
}

/* Levels in ascending order of their bytes. */
static bool levels_sort(struct data_column *c, int64_t rows)
{
    struct ordered *order = malloc(((size_t)c->levels + 1) * sizeof *order);
    int32_t *place = malloc(((size_t)c->levels + 1) * sizeof *place);
    if (order != NULL && place != NULL) {
        for (int64_t k = 0; k < c->levels; k++) {
            order[k] = (struct ordered){ c->level[k], (int32_t)k };
        }
        qsort(order, (size_t)c->levels, sizeof *order, by_text);
        for (int64_t k = 0; k < c->levels; k++) {
            place[order[k].number] = (int32_t)k;
        }
        for (int64_t i = 0; i < rows; i++) {
            c->code[i] = c->code[i] >= 0 ? place[c->code[i]] : -1;
        }
        for (int64_t k = 0; k < c->levels; k++) {
            c->level[k] = (char *)(uintptr_t)order[k].text;
        }
    }
    bool good = order != NULL && place != NULL;
    free(order);
    free(place);
    return good;
}

static bool collect_row(struct reader *r, data_table *t, struct levels *levels, int64_t row)
{
    for (r->column = 0; r->column < t->columns; r->column++) {
        struct data_column *c = &t->column[r->column];
        struct field f;
        if (!next_field(r, &f)) {
            return false;
        }
        if (!c->text) {
            continue;
        }
        struct field plain = f;
        trim(&plain);
        if (plain.n == 0 || data_words_have(&r->missing, plain.text, plain.n)) {
            c->code[row] = -1;
            c->missing++;
        } else {
            c->code[row] = level_of(&levels[r->column], c, f.text, f.n);
            if (c->code[row] < 0) {
                out_of_memory(r);
                return false;
            }
        }
    }
    return true;
}

static bool read_texts(struct reader *r, data_table *t)
{
    bool any = false, good = true;
    for (int64_t c = 0; c < t->columns && good; c++) {
        if (t->column[c].text) {
            any = true;
            t->column[c].missing = 0;
            t->column[c].code = malloc(((size_t)t->rows + 1) * sizeof *t->column[c].code);
            good = t->column[c].code != NULL;
        }
    }
    if (!any) {
        return true;
    }
    struct levels *levels = calloc((size_t)t->columns, sizeof *levels);
    if (!good || levels == NULL) {
        free(levels);
        out_of_memory(r);
        return false;
    }
    r->p = r->body;
    r->line = r->body_line;
    for (int64_t row = 0; good && more_records(r, t->columns); row++) {
        good = collect_row(r, t, levels, row);
    }
    for (int64_t c = 0; c < t->columns; c++) {
        if (good && t->column[c].text && !levels_sort(&t->column[c], t->rows)) {
            out_of_memory(r);
            good = false;
        }
        free(levels[c].slot);
    }
    free(levels);
    return good;
}

/* ---- a whole file ---------------------------------------------------------------------------- */

data_csv_config data_csv_defaults(void)
{
    return (data_csv_config){ .made_by_defaults = MADE_BY_DEFAULTS,
                              .delimiter = ',',
                              .header = true,
                              .missing = "NA, N/A, n/a, #N/A, NaN, nan, NULL, null, None, ?" };
}

static bool config_fits(ag_place where, const char *function, const char *path,
                        const data_csv_config *config)
{
    if (config->made_by_defaults != MADE_BY_DEFAULTS) {
        ag_error_raise(where, AG_ERROR_VALUE,
                       "%s: the config did not come from data_csv_defaults()", function);
    } else if (path == NULL) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: the path is NULL", function);
    } else if (strchr("\"\r\n.+-0123456789eE", config->delimiter) != NULL) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: the byte %d cannot delimit fields", function,
                       config->delimiter);
    } else {
        return true;
    }
    return false;
}

/* Columns that the config names must be there. */
static bool types_fit(struct reader *r, data_table *t)
{
    const struct data_words *lists[] = { &r->numbers, &r->texts };
    for (int list = 0; list < 2; list++) {
        for (int64_t w = 0; w < lists[list]->n; w++) {
            int64_t c = data_table_find(t, lists[list]->word[w]);
            if (c < 0) {
                ag_error_raise(r->where, AG_ERROR_VALUE, "%s: %s: there is no column \"%.200s\"",
                               r->function, r->path, lists[list]->word[w]);
                return false;
            }
            t->column[c].text = t->column[c].text || list == 1;
            if (list == 1 &&
                data_words_have(&r->numbers, t->column[c].name, strlen(t->column[c].name))) {
                ag_error_raise(r->where, AG_ERROR_VALUE,
                               "%s: %s: column \"%.200s\" cannot be both numbers and text",
                               r->function, r->path, t->column[c].name);
                return false;
            }
        }
    }
    return true;
}

static bool read_all(struct reader *r, data_table *t)
{
    if (!data_words_parse(r->where, r->function, "missing", r->config.missing, &r->missing) ||
        !data_words_parse(r->where, r->function, "numbers", r->config.numbers, &r->numbers) ||
        !data_words_parse(r->where, r->function, "text", r->config.text, &r->texts) ||
        load(r) != AG_OK) {
        return false;
    }
    r->ends_plain[0] = r->ends_plain['\n'] = r->ends_plain['\r'] = 1;
    r->ends_plain[(unsigned char)r->config.delimiter] = 1;
    start(r);
    if (!read_header(r, t) || !types_fit(r, t) || !read_numbers(r, t)) {
        return false;
    }
    if (t->rows == 0) {
        ag_error_raise(r->where, AG_ERROR_FORMAT, "%s: %s: there is no row below the header",
                       r->function, r->path);
        return false;
    }
    return read_texts(r, t);
}

data_table *data_csv_load(ag_place where, const char *function, const char *path,
                          const data_csv_config *config)
{
    if (ag_error_code() != AG_OK || !config_fits(where, function, path, config)) {
        return data_table_nil();
    }
    struct reader r = { .where = where, .function = function, .path = path, .config = *config };
    data_table *t = calloc(1, sizeof *t);
    bool good = t != NULL && (t->path = copy_text(path, strlen(path))) != NULL;
    if (!good) {
        out_of_memory(&r);
    }
    good = good && read_all(&r, t);
    free(r.bytes);
    free(r.unquoted);
    data_words_free(&r.missing);
    data_words_free(&r.numbers);
    data_words_free(&r.texts);
    if (!good) {
        data_table_free(t);
        return data_table_nil();
    }
    return t;
}

data_table *data_csv_read_at(ag_place where, const char *path, data_csv_config config)
{
    return data_csv_load(where, "data_csv_read", path, &config);
}
