/*
 * The state of objects: one list a kind of object, from which taking, comparing and putting back follow. Knows no object, and
 * nothing of files.
 *
 * A scalar is kept as text, so that it can be read by people and stands in a file's metadata as it is: whole numbers in decimal,
 * bits in hexadecimal, a real number in decimal for the reader and with its bits, which alone count.
 */
#include "snapshot.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the visitor --------------------------------------------------------------------------------------------------- */

enum mode { TAKE, COMPARE, PUT };

#define DEEPEST 64 /* only an object that contains itself is deeper */

struct ag_state_visitor {
    enum mode mode;
    ag_state *state;
    ag_place where;
    const char *function;
    ag_state_report *report; /* COMPARE */
    char *name;              /* the prefix, and behind it the name that was joined last */
    size_t prefix, room;     /* bytes of the prefix, of `name` */
    int depth;
    size_t outer[DEEPEST]; /* the prefixes around this one */
};

static bool stopped(const ag_state_visitor *v)
{
    return v->state->failed || ag_error_code() != AG_OK;
}

/* Appends the name to the prefix, with a dot between them; NULL after raising. The prefix stays. */
static const char *join(ag_state_visitor *v, const char *name)
{
    if (stopped(v)) {
        return NULL;
    }
    if (name == NULL) {
        v->state->failed = true;
        ag_error_raise(v->where, AG_ERROR_VALUE, "%s: a value of \"%.*s\" has no name", v->function,
                       (int)v->prefix, v->name);
        return NULL;
    }
    size_t wanted = v->prefix + strlen(name) + 2;
    if (wanted > v->room) {
        char *grown = realloc(v->name, 2 * wanted);
        if (grown == NULL) {
            v->state->failed = true;
            ag_error_raise(v->where, AG_ERROR_MEMORY, "%s: out of memory", v->function);
            return NULL;
        }
        v->name = grown;
        v->room = 2 * wanted;
    }
    const char *dot = v->prefix > 0 && name[0] != '\0' ? "." : "";
    snprintf(v->name + v->prefix, v->room - v->prefix, "%s%s", dot, name);
    return v->name;
}

static void report_add(ag_state_report *report, const char *format, ...) AG_PRINTF(2, 3);
static void report_add(ag_state_report *report, const char *format, ...)
{
    char line[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    report->differences++;
    size_t used = strlen(report->text), more = strlen(line) + 2;
    if (report->differences > 1 && used == 0) {
        return; /* the first one filled everything */
    }
    if (used + more < sizeof(report->text)) {
        snprintf(report->text + used, sizeof(report->text) - used, "%s%s", used > 0 ? "; " : "",
                 line);
    }
}

/* The entry of a name that was joined; reports one that is missing. */
static ag_state_entry *look_up(ag_state_visitor *v, const char *name)
{
    ag_state_entry *entry = ag_state_find(v->state, name);
    if (entry == NULL) {
        if (v->mode == COMPARE) {
            report_add(v->report, "%s: was not saved", name);
        }
        return NULL;
    }
    entry->seen = true;
    return entry;
}

/* The saved text of a scalar, when comparing or putting back; NULL if there is none. */
static const char *saved_text(ag_state_visitor *v, const char *name)
{
    ag_state_entry *entry = look_up(v, name);
    if (entry == NULL) {
        return NULL;
    }
    if (entry->text == NULL) {
        if (v->mode == COMPARE) {
            report_add(v->report, "%s: saved as a tensor, here it is a single value", name);
        }
        return NULL;
    }
    return entry->text;
}

/* ---- scalars ------------------------------------------------------------------------------------------------------- */

static bool read_int64(const char *text, int64_t *value)
{
    if (*text == '\0' || text[strspn(text, "-0123456789")] != '\0') {
        return false;
    }
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    *value = number;
    return errno == 0 && *end == '\0' && end != text;
}

static bool read_bits(const char *text, uint64_t *bits)
{
    if (strlen(text) != 16 || strspn(text, "0123456789abcdef") != 16) {
        return false;
    }
    *bits = strtoull(text, NULL, 16);
    return true;
}

/* "0.001 [3f50624dd2f1a9fc]" */
static bool read_double(const char *text, double *value)
{
    const char *open = strchr(text, '[');
    if (open == NULL || strlen(open) != 18 || open[17] != ']') {
        return false;
    }
    char hex[17] = "";
    memcpy(hex, open + 1, 16);
    uint64_t bits;
    if (!read_bits(hex, &bits)) {
        return false;
    }
    memcpy(value, &bits, sizeof(bits));
    return true;
}

#define DOUBLE_TEXT 64
static const char *write_double(double value, char text[DOUBLE_TEXT])
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    int used = snprintf(text, DOUBLE_TEXT, "%.17g", value);
    for (char *c = text; *c != '\0'; c++) {
        *c = *c == ',' ? '.' : *c; /* whatever the locale */
    }
    snprintf(text + used, DOUBLE_TEXT - (size_t)used, " [%016" PRIx64 "]", bits);
    return text;
}

void ag_state_int64_in(ag_state_visitor *v, const char *name, int64_t *value, int64_t low,
                       int64_t high)
{
    const char *full = join(v, name);
    if (full == NULL) {
        return;
    }
    if (v->mode == TAKE) {
        char text[32];
        snprintf(text, sizeof(text), "%" PRId64, *value);
        ag_state_add_text(v->state, v->where, full, text);
        return;
    }
    const char *text = saved_text(v, full);
    int64_t number;
    if (text == NULL) {
        return;
    }
    bool good = read_int64(text, &number);
    if (v->mode == PUT && good) {
        *value = number;
    } else if (!good) {
        report_add(v->report, "%s: saved as \"%.40s\", which is not a whole number", full, text);
    } else if (number < low || number > high) {
        report_add(v->report, "%s: saved as %" PRId64 ", here it is %" PRId64 " to %" PRId64, full,
                   number, low, high);
    }
}

void ag_state_int64(ag_state_visitor *v, const char *name, int64_t *value)
{
    ag_state_int64_in(v, name, value, INT64_MIN, INT64_MAX);
}

void ag_state_int(ag_state_visitor *v, const char *name, int *value)
{
    int64_t wide = *value;
    ag_state_int64_in(v, name, &wide, INT_MIN, INT_MAX);
    *value = (int)wide;
}

void ag_state_bool(ag_state_visitor *v, const char *name, bool *value)
{
    int64_t wide = *value ? 1 : 0;
    ag_state_int64_in(v, name, &wide, 0, 1);
    *value = wide != 0;
}

void ag_state_uint64(ag_state_visitor *v, const char *name, uint64_t *value)
{
    const char *full = join(v, name);
    if (full == NULL) {
        return;
    }
    if (v->mode == TAKE) {
        char text[32];
        snprintf(text, sizeof(text), "%016" PRIx64, *value);
        ag_state_add_text(v->state, v->where, full, text);
        return;
    }
    const char *text = saved_text(v, full);
    uint64_t bits;
    if (text == NULL) {
        return;
    }
    bool good = read_bits(text, &bits);
    if (v->mode == PUT && good) {
        *value = bits;
    } else if (!good) {
        report_add(v->report, "%s: saved as \"%.40s\", which is not 16 hexadecimal digits", full,
                   text);
    }
}

/* `bounded`: only from low to high. */
static void visit_double(ag_state_visitor *v, const char *name, double *value, bool bounded,
                         double low, double high)
{
    const char *full = join(v, name);
    if (full == NULL) {
        return;
    }
    if (v->mode == TAKE) {
        char text[DOUBLE_TEXT];
        ag_state_add_text(v->state, v->where, full, write_double(*value, text));
        return;
    }
    const char *text = saved_text(v, full);
    double number;
    if (text == NULL) {
        return;
    }
    bool good = read_double(text, &number);
    if (v->mode == PUT && good) {
        *value = number;
    } else if (!good) {
        report_add(v->report, "%s: saved as \"%.60s\", which is not a real number with its bits",
                   full, text);
    } else if (bounded && !(number >= low && number <= high)) {
        report_add(v->report, "%s: saved as %g, here it is %g to %g", full, number, low, high);
    }
}

void ag_state_double(ag_state_visitor *v, const char *name, double *value)
{
    visit_double(v, name, value, false, 0, 0);
}

void ag_state_double_in(ag_state_visitor *v, const char *name, double *value, double low,
                        double high)
{
    visit_double(v, name, value, true, low, high);
}

void ag_state_rng(ag_state_visitor *v, const char *name, ag_rng *rng)
{
    ag_state_group_begin(v, name);
    ag_state_uint64(v, "key", &rng->key);
    ag_state_uint64(v, "counter", &rng->counter);
    ag_state_group_end(v);
}

void ag_state_same_text(ag_state_visitor *v, const char *name, const char *text)
{
    const char *full = join(v, name);
    if (full == NULL) {
        return;
    }
    if (v->mode == TAKE) {
        ag_state_add_text(v->state, v->where, full, text);
        return;
    }
    const char *saved = saved_text(v, full);
    if (saved != NULL && v->mode == COMPARE && strcmp(saved, text) != 0) {
        report_add(v->report, "%s: saved as %.100s, here it is %.100s", full, saved, text);
    }
}

void ag_state_same_int64(ag_state_visitor *v, const char *name, int64_t value)
{
    char text[32];
    snprintf(text, sizeof(text), "%" PRId64, value);
    ag_state_same_text(v, name, text);
}

void ag_state_same_double(ag_state_visitor *v, const char *name, double value)
{
    char text[DOUBLE_TEXT];
    ag_state_same_text(v, name, write_double(value, text));
}

/* ---- numbers ------------------------------------------------------------------------------------------------------- */

static const char *form(ag_dtype dtype, ag_shape shape, char *text, size_t bytes)
{
    char sizes[AG_SHAPE_TEXT];
    snprintf(text, bytes, "%s %s", ag_dtype_name(dtype),
             ag_shape_format(shape, sizes, sizeof(sizes)));
    return text;
}
#define FORM_TEXT (AG_SHAPE_TEXT + 16)

/* The saved numbers of that name, if they are of this type and shape; else NULL, reported. */
static const ag_state_entry *saved_numbers(ag_state_visitor *v, const char *name, ag_dtype dtype,
                                           ag_shape shape)
{
    const ag_state_entry *entry = look_up(v, name);
    if (entry == NULL) {
        return NULL;
    }
    if (entry->text == NULL && entry->dtype == dtype && ag_shape_equal(entry->shape, shape)) {
        return entry;
    }
    if (v->mode == COMPARE) {
        char saved[FORM_TEXT], here[FORM_TEXT];
        report_add(v->report, "%s: saved as %s, here it is %s", name,
                   entry->text != NULL ? "a single value"
                                       : form(entry->dtype, entry->shape, saved, sizeof(saved)),
                   form(dtype, shape, here, sizeof(here)));
    }
    return NULL;
}

static bool shape_is_good(ag_state_visitor *v, const char *name, ag_shape shape)
{
    if (ag_shape_numel(shape) >= 0 && shape.ndim <= AG_MAX_DIMS) {
        return true;
    }
    v->state->failed = true;
    ag_error_raise(v->where, AG_ERROR_SHAPE, "%s: \"%s\" has a shape that is negative or too large",
                   v->function, name);
    return false;
}

void ag_state_array(ag_state_visitor *v, const char *name, void *data, ag_dtype dtype,
                    ag_shape shape)
{
    const char *full = join(v, name);
    if (full == NULL || !shape_is_good(v, full, shape)) {
        return;
    }
    if (v->mode == TAKE) {
        ag_state_add_numbers(v->state, v->where, full, dtype, shape, data);
        return;
    }
    const ag_state_entry *entry = saved_numbers(v, full, dtype, shape);
    size_t bytes = (size_t)ag_shape_numel(shape) * ag_dtype_size(dtype);
    if (entry != NULL && v->mode == PUT && bytes > 0) {
        memcpy(data, entry->data, bytes);
    }
}

void ag_state_series(ag_state_visitor *v, const char *name, void *data, ag_dtype dtype,
                     int64_t *count, int64_t room)
{
    if (v->mode == TAKE) {
        ag_state_array(v, name, data, dtype, AG_SHAPE(*count));
        return;
    }
    const char *full = join(v, name);
    const ag_state_entry *entry = full == NULL ? NULL : look_up(v, full);
    if (entry == NULL) {
        return;
    }
    if (v->mode == COMPARE) {
        char saved[FORM_TEXT];
        if (entry->text != NULL || entry->dtype != dtype || entry->shape.ndim != 1 ||
            entry->shape.size[0] > room) {
            report_add(v->report, "%s: saved as %s, here there is room for %" PRId64 " %s", full,
                       entry->text != NULL ? "a single value"
                                           : form(entry->dtype, entry->shape, saved, sizeof(saved)),
                       room, ag_dtype_name(dtype));
        }
        return;
    }
    *count = entry->shape.size[0];
    if (*count > 0) {
        memcpy(data, entry->data, (size_t)*count * ag_dtype_size(dtype));
    }
}

void ag_state_tensor(ag_state_visitor *v, const char *name, ag_tensor t)
{
    const char *full = join(v, name);
    if (full == NULL) {
        return;
    }
    if (!ag_is_alive(t) || !ag_is_leaf_at(v->where, t)) {
        v->state->failed = true;
        ag_error_raise(
            v->where, AG_ERROR_LIFETIME, "%s: the tensor \"%s\" is %s", v->function, full,
            ag_is_none(t)    ? "none: it has no value yet"
            : ag_is_nil(t)   ? "nil"
            : ag_is_alive(t) ? "the result of an operation; only leaves are saved and loaded"
                             : "gone");
        return;
    }
    ag_shape shape = ag_shape_of_at(v->where, t);
    ag_dtype dtype = ag_dtype_of_at(v->where, t);
    if (v->mode == TAKE) {
        const void *data = ag_data_at(v->where, t);
        if (data != NULL || ag_shape_numel(shape) == 0) {
            ag_state_add_numbers(v->state, v->where, full, dtype, shape, data);
        }
        return;
    }
    const ag_state_entry *entry = saved_numbers(v, full, dtype, shape);
    if (entry != NULL && v->mode == PUT) {
        ag_write_at(v->where, t, entry->data, ag_shape_numel(shape));
    }
}

static const char no_tensor[] = "no tensor";

/* Fills the slot anew from what was saved. */
static void put_slot(ag_state_visitor *v, const ag_state_entry *entry, ag_tensor *slot)
{
    if (entry->text != NULL) {
        ag_drop(slot);
        return;
    }
    ag_tensor leaf = ag_leaf_at(v->where, entry->shape, entry->dtype, false);
    if (ag_is_nil(leaf)) {
        return;
    }
    ag_write_at(v->where, leaf, entry->data, ag_shape_numel(entry->shape));
    ag_drop(slot);
    *slot = leaf;
}

void ag_state_slot(ag_state_visitor *v, const char *name, ag_tensor *slot)
{
    const char *full = join(v, name);
    if (full == NULL) {
        return;
    }
    if (v->mode == TAKE) {
        if (ag_is_none(*slot) || ag_is_nil(*slot)) {
            ag_state_add_text(v->state, v->where, full, no_tensor);
        } else {
            ag_state_tensor(v, name, *slot);
        }
        return;
    }
    const ag_state_entry *entry = look_up(v, full);
    if (entry == NULL) {
        return;
    }
    if (v->mode == PUT) {
        put_slot(v, entry, slot);
    } else if (entry->text != NULL && strcmp(entry->text, no_tensor) != 0) {
        report_add(v->report, "%s: saved as a single value, here it is a tensor", full);
    }
}

/* ---- objects within objects ---------------------------------------------------------------------------------------- */

void ag_state_group_begin(ag_state_visitor *v, const char *name)
{
    if (v->depth >= DEEPEST) {
        if (!stopped(v)) {
            v->state->failed = true;
            ag_error_raise(v->where, AG_ERROR_VALUE, "%s: \"%.100s\" contains itself", v->function,
                           v->name);
        }
        v->depth++;
        return;
    }
    v->outer[v->depth++] = v->prefix;
    const char *full = join(v, name);
    if (full != NULL) {
        v->prefix = strlen(full);
    }
}

void ag_state_group_end(ag_state_visitor *v)
{
    v->depth--;
    if (v->depth < DEEPEST) {
        v->prefix = v->outer[v->depth];
    }
}

static bool type_is_good(ag_state_visitor *v, ag_stateful s)
{
    if (s.type != NULL && s.type->size >= sizeof(ag_stateful_type) && s.type->visit != NULL &&
        s.object != NULL) {
        return true;
    }
    if (!stopped(v)) {
        v->state->failed = true;
        ag_error_raise(v->where, AG_ERROR_VALUE, "%s: \"%.*s\" has no %s", v->function,
                       (int)v->prefix, v->name,
                       s.type == NULL     ? "type"
                       : s.object == NULL ? "object: the pointer is NULL"
                       : s.type->visit == NULL
                           ? "visit function"
                           : "type of the right size: it must be sizeof(ag_stateful_type)");
    }
    return false;
}

void ag_state_child(ag_state_visitor *v, const char *name, ag_stateful child)
{
    ag_state_group_begin(v, name);
    if (!stopped(v) && type_is_good(v, child)) {
        child.type->visit(child.object, v);
    }
    ag_state_group_end(v);
}

bool ag_state_loading(const ag_state_visitor *v)
{
    return v->mode == PUT && !stopped(v);
}

/* ---- taking, comparing, putting back ------------------------------------------------------------------------------- */

/* Runs the object's visit function once; false after raising. */
static bool visit(ag_state_visitor *v, const char *prefix, ag_stateful s)
{
    ag_place before = ag_caller_set(v->where);
    ag_state_child(v, prefix, s);
    ag_caller_set(before);
    free(v->name);
    return !stopped(v);
}

bool ag_state_borrow(ag_state *state, ag_place where, const char *function, const char *prefix,
                     ag_stateful s)
{
    ag_state_visitor v = { .mode = TAKE, .state = state, .where = where, .function = function };
    if (!visit(&v, prefix, s)) {
        state->failed = true;
        return false;
    }
    const char *twice = ag_state_name_twice(state);
    if (twice != NULL) {
        state->failed = true;
        ag_error_raise(where, AG_ERROR_VALUE, "%s: the name \"%s\" is used twice", function, twice);
    }
    return !state->failed;
}

bool ag_state_compare(ag_state *state, ag_place where, const char *function, const char *prefix,
                      ag_stateful s, ag_state_report *report)
{
    ag_state_visitor v = {
        .mode = COMPARE, .state = state, .where = where, .function = function, .report = report
    };
    return visit(&v, prefix, s);
}

void ag_state_unseen(const ag_state *state, ag_state_report *report)
{
    for (int64_t i = 0; i < state->count; i++) {
        if (!state->entry[i].seen) {
            report_add(report, "%s: was saved, but is not expected here", state->entry[i].name);
        }
    }
}

bool ag_state_put(ag_state *state, ag_place where, const char *function, const char *prefix,
                  ag_stateful s)
{
    ag_state_visitor v = { .mode = PUT, .state = state, .where = where, .function = function };
    return visit(&v, prefix, s);
}

/* Gives the snapshot numbers of its own. False after raising. */
static bool own(ag_state *state, ag_place where)
{
    for (int64_t i = 0; i < state->count; i++) {
        ag_state_entry *entry = &state->entry[i];
        if (entry->text != NULL) {
            continue;
        }
        size_t bytes = (size_t)ag_shape_numel(entry->shape) * ag_dtype_size(entry->dtype);
        entry->owned = malloc(bytes > 0 ? bytes : 1);
        if (entry->owned == NULL) {
            ag_error_raise(where, AG_ERROR_MEMORY, "ag_state_take: out of memory for \"%s\"",
                           entry->name);
            return false;
        }
        if (bytes > 0) {
            memcpy(entry->owned, entry->data, bytes);
        }
        entry->data = entry->owned;
    }
    return true;
}

ag_state *ag_state_take_at(ag_place where, ag_stateful s)
{
    if (ag_error_code() != AG_OK) {
        return ag_state_nil();
    }
    ag_state *state = ag_state_new(where);
    if (!ag_state_is_nil(state) &&
        !(ag_state_borrow(state, where, "ag_state_take", "", s) && own(state, where))) {
        ag_state_free(state);
        return ag_state_nil();
    }
    return state;
}

ag_error ag_state_restore_at(ag_place where, const ag_state *state, ag_stateful s)
{
    static const char function[] = "ag_state_restore";
    if (ag_error_code() != AG_OK) {
        return ag_error_code();
    }
    if (ag_state_is_nil(state)) {
        return ag_error_raise(where, AG_ERROR_STATE, "%s: the snapshot is %s", function,
                              state == NULL ? "NULL" : "nil: taking it failed");
    }
    ag_state *mutable = (ag_state *)state; /* looking up sorts, and marks what was seen */
    for (int64_t i = 0; i < state->count; i++) {
        mutable->entry[i].seen = false;
    }
    ag_state_report report = { 0 };
    if (!ag_state_compare(mutable, where, function, "", s, &report)) {
        return ag_error_code();
    }
    ag_state_unseen(state, &report);
    if (report.differences > 0) {
        return ag_error_raise(where, AG_ERROR_VALUE, "%s: %" PRId64 " %s: %s", function,
                              report.differences,
                              report.differences == 1 ? "difference" : "differences", report.text);
    }
    ag_state_put(mutable, where, function, "", s);
    return ag_error_code();
}

/* ---- single values ------------------------------------------------------------------------------------------------- */

static void int64_visit(void *object, ag_state_visitor *v)
{
    ag_state_int64(v, "", object);
}

static void double_visit(void *object, ag_state_visitor *v)
{
    ag_state_double(v, "", object);
}

static void rng_visit(void *object, ag_state_visitor *v)
{
    ag_state_rng(v, "", object);
}

static void tensor_visit(void *object, ag_state_visitor *v)
{
    ag_state_slot(v, "", object);
}

static const ag_stateful_type int64_type = { sizeof(ag_stateful_type), "int64", int64_visit };
static const ag_stateful_type double_type = { sizeof(ag_stateful_type), "double", double_visit };
static const ag_stateful_type rng_type = { sizeof(ag_stateful_type), "generator", rng_visit };
static const ag_stateful_type tensor_type = { sizeof(ag_stateful_type), "tensor", tensor_visit };

ag_stateful ag_stateful_int64(int64_t *value)
{
    return ag_stateful_make(&int64_type, value);
}

ag_stateful ag_stateful_double(double *value)
{
    return ag_stateful_make(&double_type, value);
}

ag_stateful ag_stateful_rng(ag_rng *rng)
{
    return ag_stateful_make(&rng_type, rng);
}

ag_stateful ag_stateful_tensor(ag_tensor *slot)
{
    return ag_stateful_make(&tensor_type, slot);
}
