/*
 * A series of checkpoints in a folder: which file comes next, which are kept, which one is put back. Knows objects through
 * autograd/state.h only, and files through checkpoint_file.h.
 */
#include "data/checkpoint.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/platform.h"
#include "data/checkpoint_file.h"

enum { MADE_BY_DEFAULTS = 0x63686b70 };

static const char stem[] = "checkpoint-", ending[] = ".safetensors", best[] = "best.safetensors";
static const char reserved[] = "wengert"; /* the names in a file that are not objects' */

struct object {
    char *name;
    ag_stateful stateful;
};

struct data_checkpoint {
    char *folder;
    int descriptor; /* which holds the folder */
    data_checkpoint_config config;
    int64_t objects;
    struct object *object;
    int64_t count, capacity; /* the files that are there, from the oldest */
    int64_t *number;
    int64_t next; /* the number of the next */
    int64_t steps;
    double saved; /* when, on the clock; the beginning counts as a save */
    char *path;   /* of the last file saved or put back; NULL: none */
    char *damage;
    bool failed; /* without memory while something was listed */
};

static data_checkpoint nil_checkpoint;

static bool is_nil(const data_checkpoint *c)
{
    return c == NULL || c == &nil_checkpoint;
}

/* Whether c can be used: no sticky error, and neither NULL nor nil, which are raised. */
static bool usable(ag_place where, const char *function, const data_checkpoint *c)
{
    if (ag_error_code() != AG_OK) {
        return false;
    }
    if (is_nil(c)) {
        ag_error_raise(where, AG_ERROR_STATE, "%s: the checkpoint is %s", function,
                       c == NULL ? "NULL" : "nil: making it failed");
        return false;
    }
    return true;
}

/* ---- texts ----------------------------------------------------------------------------------- */

/* A new text; NULL after raising. */
static char *text_of(ag_place where, const char *format, ...) AG_PRINTF(2, 3);
static char *text_of(ag_place where, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    char *text = length < 0 ? NULL : malloc((size_t)length + 1);
    if (text != NULL) {
        vsnprintf(text, (size_t)length + 1, format, again);
    } else {
        ag_error_raise(where, AG_ERROR_MEMORY, "data_checkpoint: out of memory");
    }
    va_end(again);
    va_end(arguments);
    return text;
}

static char *path_of(ag_place where, const data_checkpoint *c, int64_t number)
{
    return text_of(where, "%s/%s%08" PRId64 "%s", c->folder, stem, number, ending);
}

/* ---- the folder ------------------------------------------------------------------------------ */

/* The number in "checkpoint-00000012.safetensors"; -1 if the name is not of this kind. */
static int64_t number_of(const char *name)
{
    size_t length = strlen(stem), digits;
    if (strncmp(name, stem, length) != 0) {
        return -1;
    }
    name += length;
    digits = strspn(name, "0123456789");
    if (digits < 8 || digits > 18 || strcmp(name + digits, ending) != 0) {
        return -1;
    }
    int64_t number = 0;
    for (size_t i = 0; i < digits; i++) {
        number = 10 * number + (name[i] - '0');
    }
    return number;
}

/* Whether the name is that of a temporary file for "<stem>…<ending>". */
static bool is_leftover(const char *name, const char *stem, const char *ending)
{
    size_t length = strlen(name);
    const char *after = strncmp(name, stem, strlen(stem)) == 0 ? strstr(name, ending) : NULL;
    return after != NULL && length > strlen(PLATFORM_PART) &&
           after + strlen(ending) < name + length &&
           strcmp(name + length - strlen(PLATFORM_PART), PLATFORM_PART) == 0;
}

/* Puts a number into its place in the list. */
static bool add_number(data_checkpoint *c, int64_t number)
{
    if (c->count == c->capacity) {
        int64_t capacity = c->capacity == 0 ? 16 : 2 * c->capacity;
        int64_t *grown = realloc(c->number, (size_t)capacity * sizeof *grown);
        if (grown == NULL) {
            return false;
        }
        c->number = grown;
        c->capacity = capacity;
    }
    int64_t at = c->count++;
    for (; at > 0 && c->number[at - 1] > number; at--) {
        c->number[at] = c->number[at - 1];
    }
    c->number[at] = number;
    c->next = number >= c->next ? number + 1 : c->next;
    return true;
}

static void remove_at(data_checkpoint *c, int64_t at)
{
    memmove(c->number + at, c->number + at + 1, (size_t)(c->count - at - 1) * sizeof *c->number);
    c->count--;
}

/* A file of the series is listed; a temporary one of a save that was killed is removed. */
static void meet(const char *name, void *user)
{
    data_checkpoint *c = user;
    int64_t number = number_of(name);
    if (number >= 0) {
        c->failed = !add_number(c, number) || c->failed;
        return;
    }
    if (!is_leftover(name, stem, ending) && !is_leftover(name, "best", ending)) {
        return;
    }
    size_t room = strlen(c->folder) + strlen(name) + 2;
    char *path = malloc(room);
    if (path != NULL) { /* else it stays until the next time */
        snprintf(path, room, "%s/%s", c->folder, name);
        remove(path);
        free(path);
    }
}

static bool config_fits(ag_place where, const data_checkpoint_config *config, const char *folder)
{
    const char *function = "data_checkpoint_new";
    if (config->made_by_defaults != MADE_BY_DEFAULTS) {
        ag_error_raise(where, AG_ERROR_VALUE,
                       "%s: the config did not come from data_checkpoint_defaults()", function);
    } else if (folder == NULL || folder[0] == '\0') {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: the folder has no name", function);
    } else if (config->keep < 1) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: at least 1 checkpoint is kept, not %d", function,
                       config->keep);
    } else if (config->every_steps < 0) {
        ag_error_raise(where, AG_ERROR_VALUE,
                       "%s: every_steps is %" PRId64 ", it must be at least 0", function,
                       config->every_steps);
    } else if (!(config->every_minutes >= 0 && isfinite(config->every_minutes))) {
        ag_error_raise(where, AG_ERROR_VALUE,
                       "%s: every_minutes is %g, it must be finite and at least 0", function,
                       config->every_minutes);
    } else {
        return true;
    }
    return false;
}

data_checkpoint_config data_checkpoint_defaults(void)
{
    return (data_checkpoint_config){ .made_by_defaults = MADE_BY_DEFAULTS, .keep = 2 };
}

/* Takes the folder and lists what is in it; false after raising. */
static bool open_folder(ag_place where, data_checkpoint *c, const char *folder)
{
    const char *reason = NULL;
    c->folder = text_of(where, "%s", folder);
    if (c->folder == NULL) {
        return false;
    }
    c->descriptor = platform_folder_take(folder, &reason);
    if (c->descriptor < 0 || !platform_folder_each(folder, meet, c, &reason)) {
        ag_error_raise(where, AG_ERROR_FILE, "data_checkpoint_new: the folder %s: %s", folder,
                       reason);
        return false;
    }
    if (c->failed) {
        ag_error_raise(where, AG_ERROR_MEMORY, "data_checkpoint_new: out of memory");
    }
    return !c->failed;
}

data_checkpoint *data_checkpoint_new_at(ag_place where, const char *folder,
                                        data_checkpoint_config config)
{
    if (ag_error_code() != AG_OK || !config_fits(where, &config, folder)) {
        return &nil_checkpoint;
    }
    data_checkpoint *c = calloc(1, sizeof *c);
    if (c == NULL) {
        ag_error_raise(where, AG_ERROR_MEMORY, "data_checkpoint_new: out of memory");
        return &nil_checkpoint;
    }
    c->config = config;
    c->descriptor = -1;
    c->next = 1;
    c->saved = platform_seconds();
    if (!open_folder(where, c, folder)) {
        data_checkpoint_free(c);
        return &nil_checkpoint;
    }
    return c;
}

void data_checkpoint_free(data_checkpoint *c)
{
    if (is_nil(c)) {
        return;
    }
    if (c->descriptor >= 0) {
        platform_folder_leave(c->descriptor);
    }
    for (int64_t i = 0; i < c->objects; i++) {
        free(c->object[i].name);
    }
    free(c->object);
    free(c->number);
    free(c->folder);
    free(c->path);
    free(c->damage);
    free(c);
}

/* ---- objects --------------------------------------------------------------------------------- */

static const char *name_problem(const data_checkpoint *c, const char *name)
{
    if (name == NULL || name[0] == '\0') {
        return "has no name";
    }
    if (name[0] == '.' || name[strlen(name) - 1] == '.') {
        return "begins or ends with a dot";
    }
    if (strcmp(name, reserved) == 0 || strncmp(name, "wengert.", strlen("wengert.")) == 0) {
        return "has a name that is the library's own";
    }
    for (int64_t i = 0; i < c->objects; i++) {
        if (strcmp(c->object[i].name, name) == 0) {
            return "is there already";
        }
    }
    return NULL;
}

ag_error data_checkpoint_add_at(ag_place where, data_checkpoint *c, const char *name,
                                ag_stateful object)
{
    static const char function[] = "data_checkpoint_add";
    if (!usable(where, function, c)) {
        return ag_error_code();
    }
    const char *problem = name_problem(c, name);
    if (problem == NULL && (object.type == NULL || object.object == NULL)) {
        problem = "is NULL";
    }
    if (problem != NULL) {
        return ag_error_raise(where, AG_ERROR_VALUE, "%s: the object \"%s\" %s", function,
                              name != NULL ? name : "", problem);
    }
    struct object *grown = realloc(c->object, ((size_t)c->objects + 1) * sizeof *grown);
    if (grown != NULL) {
        c->object = grown;
    }
    char *copy = text_of(where, "%s", name);
    if (grown == NULL || copy == NULL) {
        free(copy);
        return ag_error_raise(where, AG_ERROR_MEMORY, "%s: out of memory", function);
    }
    c->object[c->objects++] = (struct object){ copy, object };
    return AG_OK;
}

/* ---- saving ---------------------------------------------------------------------------------- */

/* Writes all objects to `path`, which it takes (NULL: an error was raised). */
static ag_error save_as(ag_place where, const char *function, data_checkpoint *c, char *path)
{
    ag_state *state = path == NULL ? NULL : ag_state_new(where);
    bool good = state != NULL && !ag_state_is_nil(state);
    for (int64_t i = 0; i < c->objects && good; i++) {
        good = ag_state_borrow(state, where, function, c->object[i].name, c->object[i].stateful);
    }
    good = good && checkpoint_file_write(where, function, path, state) == AG_OK;
    ag_state_free(state);
    if (!good) {
        free(path);
        return ag_error_code();
    }
    free(c->path);
    c->path = path;
    return AG_OK;
}

/* Removes the oldest until no more are left than are kept. What cannot be removed is not tried again: it is no reason to stop a
 * run. */
static void prune(ag_place where, data_checkpoint *c)
{
    while (c->count > c->config.keep) {
        char *path = path_of(where, c, c->number[0]);
        if (path != NULL) {
            remove(path);
        }
        free(path);
        remove_at(c, 0);
    }
}

ag_error data_checkpoint_save_at(ag_place where, data_checkpoint *c)
{
    static const char function[] = "data_checkpoint_save";
    if (!usable(where, function, c)) {
        return ag_error_code();
    }
    int64_t number = c->next;
    if (save_as(where, function, c, path_of(where, c, number)) != AG_OK) {
        return ag_error_code();
    }
    c->steps = 0;
    c->saved = platform_seconds();
    if (add_number(c, number)) { /* else it is found the next time */
        prune(where, c);
    }
    return ag_error_code();
}

ag_error data_checkpoint_save_best_at(ag_place where, data_checkpoint *c)
{
    static const char function[] = "data_checkpoint_save_best";
    if (!usable(where, function, c)) {
        return ag_error_code();
    }
    return save_as(where, function, c, text_of(where, "%s/%s", c->folder, best));
}

bool data_checkpoint_step_at(ag_place where, data_checkpoint *c)
{
    if (!usable(where, "data_checkpoint_step", c)) {
        return false;
    }
    c->steps++;
    bool due = (c->config.every_steps > 0 && c->steps >= c->config.every_steps) ||
               (c->config.every_minutes > 0 &&
                platform_seconds() - c->saved >= 60 * c->config.every_minutes);
    return due && data_checkpoint_save_at(where, c) == AG_OK;
}

/* ---- going on -------------------------------------------------------------------------------- */

/* Puts a file's values into the objects. False after raising; then nothing was changed. */
static bool put_back(ag_place where, const char *function, data_checkpoint *c, const char *path,
                     ag_state *state)
{
    ag_state_report report = { 0 };
    for (int64_t i = 0; i < c->objects; i++) {
        const struct object *o = &c->object[i];
        if (!ag_state_compare(state, where, function, o->name, o->stateful, &report)) {
            return false;
        }
    }
    ag_state_unseen(state, &report);
    if (report.differences > 0) {
        ag_error_raise(where, AG_ERROR_VALUE,
                       "%s: %s does not fit, and nothing was changed: resume with what it was saved "
                       "with, or begin in another folder; %" PRId64 " %s: %s",
                       function, path, report.differences,
                       report.differences == 1 ? "difference" : "differences", report.text);
        return false;
    }
    for (int64_t i = 0; i < c->objects; i++) {
        const struct object *o = &c->object[i];
        if (!ag_state_put(state, where, function, o->name, o->stateful)) {
            return false;
        }
    }
    return true;
}

enum outcome { PUT_BACK, DAMAGED, FAILED };

/* Takes the path. */
static enum outcome resume_from(ag_place where, const char *function, data_checkpoint *c,
                                char *path)
{
    if (path == NULL) {
        return FAILED;
    }
    char reason[CHECKPOINT_REASON];
    struct checkpoint_file file;
    enum outcome outcome = FAILED;
    if (checkpoint_file_open(&file, where, path, reason)) {
        outcome = put_back(where, function, c, path, file.state) ? PUT_BACK : FAILED;
    } else if (ag_error_code() == AG_OK) {
        char *before = c->damage;
        c->damage = text_of(where, "%s%s%s: %s", before != NULL ? before : "",
                            before != NULL ? "\n" : "", path, reason);
        free(before);
        outcome = c->damage != NULL ? DAMAGED : FAILED;
    }
    checkpoint_file_close(&file);
    if (outcome == PUT_BACK) {
        free(c->path);
        c->path = path;
        c->steps = 0;
        c->saved = platform_seconds();
    } else {
        free(path);
    }
    return outcome;
}

static void forget_damage(data_checkpoint *c)
{
    free(c->damage);
    c->damage = NULL;
}

bool data_checkpoint_resume_at(ag_place where, data_checkpoint *c)
{
    static const char function[] = "data_checkpoint_resume";
    if (!usable(where, function, c)) {
        return false;
    }
    forget_damage(c);
    for (int64_t i = c->count - 1; i >= 0; i--) {
        enum outcome outcome = resume_from(where, function, c, path_of(where, c, c->number[i]));
        if (outcome == PUT_BACK) {
            /* Damaged files do not count among those that are kept; the next ones have higher numbers all the same. */
            c->count = i + 1;
        }
        if (outcome != DAMAGED) {
            return outcome == PUT_BACK;
        }
    }
    if (c->damage != NULL) {
        ag_error_raise(where, AG_ERROR_FORMAT, "%s: no checkpoint in %s is whole: %s", function,
                       c->folder, c->damage);
    }
    return false;
}

bool data_checkpoint_resume_best_at(ag_place where, data_checkpoint *c)
{
    static const char function[] = "data_checkpoint_resume_best";
    if (!usable(where, function, c)) {
        return false;
    }
    forget_damage(c);
    char *path = text_of(where, "%s/%s", c->folder, best);
    FILE *file = path == NULL ? NULL : fopen(path, "rb");
    if (file == NULL) { /* none was saved yet */
        free(path);
        return false;
    }
    fclose(file);
    enum outcome outcome = resume_from(where, function, c, path);
    if (outcome == DAMAGED) {
        ag_error_raise(where, AG_ERROR_FORMAT, "%s: %s", function, c->damage);
    }
    return outcome == PUT_BACK;
}

/* ---- what is there --------------------------------------------------------------------------- */

int64_t data_checkpoint_count(const data_checkpoint *c)
{
    return c == NULL ? 0 : c->count;
}

const char *data_checkpoint_path(const data_checkpoint *c)
{
    return c == NULL || c->path == NULL ? "" : c->path;
}

const char *data_checkpoint_damage(const data_checkpoint *c)
{
    return c == NULL || c->damage == NULL ? "" : c->damage;
}

ag_error data_checkpoint_describe_at(ag_place where, const char *path, FILE *stream)
{
    static const char function[] = "data_checkpoint_describe";
    if (ag_error_code() != AG_OK) {
        return ag_error_code();
    }
    if (path == NULL || stream == NULL) {
        return ag_error_raise(where, AG_ERROR_VALUE, "%s: the %s is NULL", function,
                              path == NULL ? "path" : "stream");
    }
    char reason[CHECKPOINT_REASON];
    struct checkpoint_file file;
    if (!checkpoint_file_open(&file, where, path, reason)) {
        ag_error_raise(where, AG_ERROR_FORMAT, "%s: %s: %s", function, path, reason);
        checkpoint_file_close(&file);
        return ag_error_code();
    }
    for (int64_t i = 0; i < file.state->count; i++) {
        const ag_state_entry *e = &file.state->entry[i];
        char shape[AG_SHAPE_TEXT];
        if (e->text != NULL) {
            fprintf(stream, "%s = %s\n", e->name, e->text);
        } else {
            fprintf(stream, "%s: %s %s\n", e->name, ag_dtype_name(e->dtype),
                    ag_shape_format(e->shape, shape, sizeof shape));
        }
    }
    bool written = !ferror(stream);
    checkpoint_file_close(&file);
    return written ? AG_OK
                   : ag_error_raise(where, AG_ERROR_FILE, "%s: the listing cannot be written",
                                    function);
}
