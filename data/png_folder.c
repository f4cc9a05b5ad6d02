/*
 * Folders of PNG files as sets: a folder for each class, or one without labels. Knows names, sizes and pixels; what is in a PNG file
 * is png_read.c's affair.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/platform.h"
#include "data/internal.h"
#include "data/png_read.h"
#include "data/resize.h"

enum { MADE_BY_DEFAULTS = 0x706e6731, DEEPEST = 32, MOST_FOLDERS = 100000 };

static const char function[] = "data_png_folder";

/* ---- names ----------------------------------------------------------------------------------------------------------------- */

struct names {
    char **name;
    int64_t count, capacity;
    bool failed; /* without memory */
};

static void names_free(struct names *names)
{
    for (int64_t i = 0; i < names->count; i++) {
        free(names->name[i]);
    }
    free(names->name);
    *names = (struct names){ 0 };
}

/* Takes the name. */
static void names_add(struct names *names, char *name)
{
    if (name != NULL && names->count == names->capacity) {
        int64_t capacity = names->capacity > 0 ? 2 * names->capacity : 64;
        char **grown = realloc(names->name, (size_t)capacity * sizeof *grown);
        if (grown != NULL) {
            names->name = grown;
            names->capacity = capacity;
        }
    }
    if (name == NULL || names->count == names->capacity) {
        names->failed = true;
        free(name);
        return;
    }
    names->name[names->count++] = name;
}

static char *joined(const char *folder, const char *name)
{
    size_t bytes = strlen(folder) + strlen(name) + 2;
    char *path = malloc(bytes);
    if (path != NULL) {
        snprintf(path, bytes, "%s%s%s", folder, folder[0] != '\0' && folder[strlen(folder) - 1] == '/' ? "" : "/", name);
    }
    return path;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_name(const char *name, void *user)
{
    if (name[0] != '.') {
        char *copy = malloc(strlen(name) + 1);
        names_add(user, copy != NULL ? strcpy(copy, name) : NULL);
    }
}

static bool out_of_memory(ag_place where, const char *folder)
{
    ag_error_raise(where, AG_ERROR_MEMORY, "%s: %s: out of memory", function, folder);
    return false;
}

/* The names in a folder that are not hidden, sorted by their bytes. Must be freed in any case. */
static bool names_in(ag_place where, const char *folder, struct names *names)
{
    const char *reason = NULL;
    *names = (struct names){ 0 };
    if (!platform_folder_each(folder, add_name, names, &reason)) {
        ag_error_raise(where, AG_ERROR_FILE, "%s: %s: the folder cannot be read: %s", function, folder, reason);
        return false;
    }
    if (names->failed) {
        return out_of_memory(where, folder);
    }
    if (names->count > 0) {
        qsort(names->name, (size_t)names->count, sizeof *names->name, compare);
    }
    return true;
}

/* Whether the name ends with ".png", in letters of either size. */
static bool is_png(const char *name)
{
    static const char ending[] = ".png";
    size_t n = strlen(name);
    for (size_t i = 0; n >= 4 && i < 4; i++) {
        char c = name[n - 4 + i];
        if (c != ending[i] && c != (ending[i] >= 'a' ? ending[i] - 'a' + 'A' : ending[i])) {
            return false;
        }
    }
    return n >= 4;
}

/* ---- the set --------------------------------------------------------------------------------------------------------------- */

struct pictures {
    data_png_folder_config config; /* sizes and channels filled in */
    int64_t folders; /* that were looked into */
    int64_t count, area;
    struct names files; /* paths, class after class */
    int64_t *label;
    uint8_t *pixels; /* (count, height, width, channels); NULL: read when they are asked for */
    float share[256]; /* b / 255 */
};

static void pictures_release(void *state)
{
    struct pictures *self = state;
    names_free(&self->files);
    free(self->label);
    free(self->pixels);
    free(self);
}

/* (H,W,C) bytes to (C,H,W) numbers. */
static void spread(const struct pictures *self, const uint8_t *pixel, float *out)
{
    int channels = self->config.channels;
    for (int c = 0; c < channels; c++) {
        for (int64_t p = 0; p < self->area; p++) {
            out[c * self->area + p] = self->share[pixel[p * channels + c]];
        }
    }
}

/* The pixels of one file in the size of the set, row-major into `to`. Raises the reason if there are none. */
static ag_error decode(ag_place where, const struct pictures *self, int64_t i, uint8_t *to)
{
    const data_png_folder_config *c = &self->config;
    const char *path = self->files.name[i];
    char reason[PNG_REASON];
    struct png_header header;
    uint8_t *pixels = png_pixels(path, c->channels, c->background, &header, reason);
    if (pixels == NULL) {
        return ag_error_raise(where, AG_ERROR_FILE, "%s: %s: %s", function, path, reason);
    }
    ag_error error = AG_OK;
    if (header.height == c->height && header.width == c->width) {
        memcpy(to, pixels, (size_t)(self->area * c->channels));
    } else if (!c->resize) { /* the file was another one when its header was read */
        error = ag_error_raise(where, AG_ERROR_SHAPE,
                               "%s: %s: is %" PRId64 " x %" PRId64 " pixels now, and was %" PRId64 " x %" PRId64, function, path,
                               header.height, header.width, c->height, c->width);
    } else if (!data_pixels_resize(pixels, header.height, header.width, c->channels, c->height, c->width, to)) {
        error = ag_error_raise(where, AG_ERROR_MEMORY, "%s: %s: out of memory", function, path);
    }
    free(pixels);
    return error;
}

static ag_error pictures_read(void *state, int64_t i, void *x, void *y)
{
    const struct pictures *self = state;
    size_t bytes = (size_t)(self->area * self->config.channels);
    *(int64_t *)y = self->label[i];
    if (self->pixels != NULL) {
        spread(self, self->pixels + (size_t)i * bytes, x);
        return AG_OK;
    }
    uint8_t *pixels = malloc(bytes);
    ag_error error = pixels != NULL ? decode(ag_caller(), self, i, pixels)
                                    : ag_error_raise(ag_caller(), AG_ERROR_MEMORY, "%s: out of memory", function);
    if (error == AG_OK) {
        spread(self, pixels, x);
    }
    free(pixels);
    return error;
}

static const data_set_type pictures_type = { .size = sizeof(data_set_type), .name = "PNG folder", .read = pictures_read,
                                             .release = pictures_release };

/* ---- finding the files ------------------------------------------------------------------------------------------------------ */

/* Adds all PNG files in and below a folder: its own first, then those of each folder in it. */
static bool gather(ag_place where, const char *folder, int depth, struct pictures *self)
{
    struct names names, *files = &self->files;
    bool good = names_in(where, folder, &names);
    if (good && (depth > DEEPEST || ++self->folders > MOST_FOLDERS)) { /* as with links that go in a circle */
        ag_error_raise(where, AG_ERROR_FILE, "%s: %s: more than %d folders%s", function, folder, depth > DEEPEST ? DEEPEST : MOST_FOLDERS,
                       depth > DEEPEST ? ", one in another" : "");
        good = false;
    }
    for (int pass = 0; pass < 2 && good; pass++) {
        for (int64_t i = 0; i < names.count && good; i++) {
            char *path = joined(folder, names.name[i]);
            if (path == NULL) {
                good = out_of_memory(where, folder);
                break;
            }
            bool below = platform_path_kind(path) == PLATFORM_FOLDER;
            if (pass == 0 && !below && is_png(path)) {
                names_add(files, path);
                path = NULL;
            } else if (pass == 1 && below) {
                good = gather(where, path, depth + 1, self);
            }
            free(path);
        }
    }
    names_free(&names);
    if (good && files->failed) {
        good = out_of_memory(where, folder);
    }
    return good;
}

/* The folders and the PNG files among the names in a folder. */
static bool sort_out(ag_place where, const char *folder, const struct names *names, struct names *folders, struct names *files)
{
    for (int64_t i = 0; i < names->count; i++) {
        char *path = joined(folder, names->name[i]);
        if (path == NULL) {
            return out_of_memory(where, folder);
        }
        if (platform_path_kind(path) == PLATFORM_FOLDER) {
            names_add(folders, path);
        } else if (is_png(path)) {
            names_add(files, path);
        } else {
            free(path);
        }
    }
    return !(folders->failed || files->failed) || out_of_memory(where, folder);
}

/* Gives the files added since `first` the label. */
static bool label_files(ag_place where, struct pictures *self, int64_t first, int64_t label)
{
    int64_t n = self->files.count;
    int64_t *grown = realloc(self->label, (size_t)(n + 1) * sizeof *grown);
    if (grown == NULL) {
        return out_of_memory(where, self->files.name[first]);
    }
    self->label = grown;
    for (int64_t i = first; i < n; i++) {
        grown[i] = label;
    }
    return true;
}

/* Fills files and labels; `classes` gets the paths of the class folders. */
static bool find_files(ag_place where, const char *folder, struct pictures *self, struct names *classes)
{
    struct names names;
    bool good = names_in(where, folder, &names) && sort_out(where, folder, &names, classes, &self->files);
    if (good && classes->count > 0 && self->files.count > 0) {
        ag_error_raise(where, AG_ERROR_FILE, "%s: %s: there are folders, each of which is a class, and beside them %s of no class",
                       function, folder, self->files.name[0]);
        good = false;
    }
    good = good && label_files(where, self, 0, 0);
    for (int64_t k = 0; k < classes->count && good; k++) {
        int64_t first = self->files.count;
        good = gather(where, classes->name[k], 1, self);
        if (good && self->files.count == first) {
            ag_error_raise(where, AG_ERROR_FILE, "%s: %s: the folder of this class holds no PNG file", function, classes->name[k]);
            good = false;
        }
        good = good && label_files(where, self, first, k);
    }
    if (good && self->files.count == 0) {
        ag_error_raise(where, AG_ERROR_FILE, "%s: %s: the folder holds no PNG file (%" PRId64 " other%s)", function, folder,
                       names.count, names.count == 1 ? "" : "s");
        good = false;
    }
    self->count = self->files.count;
    names_free(&names);
    return good;
}

/* ---- opening ---------------------------------------------------------------------------------------------------------------- */

/* Reads all headers: sizes must agree, unless they are going to be made equal. */
static bool look_at_all(ag_place where, struct pictures *self)
{
    data_png_folder_config *c = &self->config;
    bool colour = false;
    char reason[PNG_REASON];
    struct png_header first = { 0 }, header;
    for (int64_t i = 0; i < self->count; i++) {
        const char *path = self->files.name[i];
        if (!png_look(path, &header, reason)) {
            ag_error_raise(where, AG_ERROR_FILE, "%s: %s: %s", function, path, reason);
            return false;
        }
        first = i == 0 ? header : first;
        if (!c->resize && (header.height != first.height || header.width != first.width)) {
            ag_error_raise(where, AG_ERROR_SHAPE,
                           "%s: pictures of several sizes: %s is %" PRId64 " x %" PRId64 ", but %s is %" PRId64 " x %" PRId64
                           " (height x width); with resize all become of one size",
                           function, self->files.name[0], first.height, first.width, path, header.height, header.width);
            return false;
        }
        colour = colour || header.colour;
    }
    c->channels = c->channels != 0 ? c->channels : colour ? 3 : 1;
    if (!c->resize) {
        c->height = first.height;
        c->width = first.width;
    }
    self->area = c->height * c->width;
    return true;
}

static bool read_all(ag_place where, struct pictures *self)
{
    uint64_t bytes = (uint64_t)(self->area * self->config.channels);
    self->pixels = (uint64_t)self->count <= SIZE_MAX / 2 / bytes ? malloc((size_t)self->count * bytes) : NULL;
    if (self->pixels == NULL) {
        ag_error_raise(where, AG_ERROR_MEMORY, "%s: out of memory for %" PRId64 " pictures; with lazy they stay in their files",
                       function, self->count);
        return false;
    }
    for (int64_t i = 0; i < self->count; i++) {
        if (decode(where, self, i, self->pixels + (size_t)i * bytes) != AG_OK) {
            return false;
        }
    }
    return true;
}

/* The names of the classes are those of their folders. */
static void name_classes(data_set *set, const struct names *classes)
{
    set->info = data_info_new(0, classes->count, true); /* without it, only less is known */
    for (int64_t k = 0; set->info != NULL && k < classes->count; k++) {
        const char *name = strrchr(classes->name[k], '/') + 1;
        set->info->class_name[k] = malloc(strlen(name) + 1);
        if (set->info->class_name[k] == NULL) {
            data_info_free(set->info);
            set->info = NULL;
            return;
        }
        strcpy(set->info->class_name[k], name);
    }
}

static const char *config_problem(const data_png_folder_config *c)
{
    return c->made_by_defaults != MADE_BY_DEFAULTS ? "the config did not come from data_png_folder_defaults()"
           : c->channels != 0 && c->channels != 1 && c->channels != 3
               ? "channels are 1 (grey), 3 (red, green, blue) or 0 (as the files have)"
           : c->resize && (c->height < 1 || c->width < 1 || c->height > 16384 || c->width > 16384)
               ? "resize needs a height and a width from 1 to 16384"
           : !c->resize && (c->height != 0 || c->width != 0) ? "height and width are for resize, which is false"
                                                             : NULL;
}

data_png_folder_config data_png_folder_defaults(void)
{
    return (data_png_folder_config){ .made_by_defaults = MADE_BY_DEFAULTS, .background = 255 };
}

data_set *data_png_folder_at(ag_place where, const char *folder, data_png_folder_config config)
{
    if (ag_error_code() != AG_OK) {
        return data_set_nil();
    }
    const char *problem = folder == NULL ? "the folder is NULL" : config_problem(&config);
    if (problem != NULL) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: %s", function, problem);
        return data_set_nil();
    }
    struct names classes = { 0 };
    struct pictures *self = calloc(1, sizeof *self);
    if (self == NULL) {
        out_of_memory(where, folder);
        return data_set_nil();
    }
    self->config = config;
    for (int b = 0; b < 256; b++) {
        self->share[b] = (float)b / 255.0f;
    }
    data_set *set = data_set_nil();
    if (find_files(where, folder, self, &classes) && look_at_all(where, self) && (config.lazy || read_all(where, self))) {
        const data_png_folder_config *c = &self->config;
        set = data_set_make(where, function, &pictures_type, self, self->count, AG_SHAPE(c->channels, c->height, c->width),
                            AG_FLOAT32, AG_SHAPE_SCALAR, AG_INT64);
        if (!data_set_is_nil(set) && classes.count > 0) {
            name_classes(set, &classes);
        }
    } else {
        pictures_release(self);
    }
    names_free(&classes);
    return set;
}
