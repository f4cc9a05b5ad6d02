/*
 * Reading the names, and dividing them.
 */
#define _POSIX_C_SOURCE 200809L

#include "list.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef WENGERT_EXAMPLES_NAMES
#define WENGERT_EXAMPLES_NAMES "examples/first_names"
#endif

static const char *const files[SEXES] = { "female.txt", "male.txt" };

static bool find(struct names *n, const char *program, const char *place, const char *folder)
{
    const char *slash = strrchr(place, '/');
    char path[sizeof n->folder + 32];
    if (folder != NULL) {
        if (snprintf(n->folder, sizeof n->folder, "%s", folder) < (int)sizeof n->folder) {
            return true;
        }
        fprintf(stderr, "%s: --data: the path is too long\n", program);
        return false;
    }
    snprintf(n->folder, sizeof n->folder, "%s", WENGERT_EXAMPLES_NAMES);
    snprintf(path, sizeof path, "%s/%s", n->folder, files[0]);
    if (access(path, F_OK) != 0 && slash != NULL) {
        snprintf(n->folder, sizeof n->folder, "%.*s/first_names", (int)(slash - place), place);
        snprintf(path, sizeof path, "%s/%s", n->folder, files[0]);
    }
    if (access(path, F_OK) != 0) {
        fprintf(stderr, "%s: the names were not found in %s nor beside the program\n", program, WENGERT_EXAMPLES_NAMES);
        return false;
    }
    return true;
}

/* FNV-1a: which names are held out depends on the names alone. */
static bool is_held_out(const char *text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (; *text != '\0'; text++) {
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    }
    return (hash >> 32) % 10 == 0;
}

static int in_order(const void *a, const void *b)
{
    const struct name *x = a, *y = b;
    int order = strcmp(x->text, y->text);
    return order != 0 ? order : x->sex - y->sex;
}

static bool add(struct names *n, const char *text, int64_t bytes, int sex)
{
    if ((n->count & (n->count - 1)) == 0) { /* the room is a power of two */
        struct name *grown = realloc(n->name, (size_t)(n->count > 0 ? 2 * n->count : 1) * sizeof *grown);
        if (grown == NULL) {
            return false;
        }
        n->name = grown;
    }
    char *copy = strndup(text, (size_t)bytes);
    if (copy != NULL) {
        n->name[n->count++] = (struct name){ copy, sex, is_held_out(copy) };
    }
    return copy != NULL;
}

/* One file, a name in each line; empty lines are left out. */
static bool read_list(struct names *n, const char *program, int sex)
{
    char path[sizeof n->folder + 32];
    data_text text;
    bool good = true;
    int64_t line = 1, before = n->count;
    snprintf(path, sizeof path, "%s/%s", n->folder, files[sex]);
    if (data_text_read(path, &text) != AG_OK) {
        return false;
    }
    for (const char *at = text.bytes, *end = at + text.size; good && at < end; line++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        int64_t bytes = (stop != NULL ? stop : end) - at;
        int64_t kept = bytes > 0 && at[bytes - 1] == '\r' ? bytes - 1 : bytes;
        if (data_text_count(at, kept) > LONGEST) {
            fprintf(stderr, "%s: %s, line %lld: a name has at most %d letters\n", program, path, (long long)line, LONGEST);
            good = false;
        } else if (kept > 0 && !add(n, at, kept, sex)) {
            fprintf(stderr, "%s: out of memory\n", program);
            good = false;
        }
        at += bytes + 1;
    }
    if (good && n->count == before) {
        fprintf(stderr, "%s: %s has no names\n", program, path);
        good = false;
    }
    data_text_free(&text);
    return good;
}

static void sort_once(struct names *n)
{
    int64_t kept = 0;
    qsort(n->name, (size_t)n->count, sizeof *n->name, in_order);
    for (int64_t i = 0; i < n->count; i++) {
        if (kept > 0 && in_order(&n->name[kept - 1], &n->name[i]) == 0) {
            free(n->name[i].text);
        } else {
            n->name[kept++] = n->name[i];
        }
    }
    n->count = kept;
}

/* All letters that occur. */
static data_vocabulary *find_letters(const struct names *n)
{
    size_t bytes = 0, used = 0;
    for (int64_t i = 0; i < n->count; i++) {
        bytes += strlen(n->name[i].text) + 1;
    }
    char *all = malloc(bytes + 1);
    for (int64_t i = 0; all != NULL && i < n->count; i++) {
        used += (size_t)snprintf(all + used, bytes + 1 - used, "%s\n", n->name[i].text);
    }
    data_vocabulary *letters = all != NULL ? data_vocabulary_characters(all, (int64_t)used) : NULL;
    free(all);
    return letters;
}

int64_t names_begin(const struct names *n, int sex)
{
    return data_vocabulary_size(n->letters) + sex;
}

/* The letters of a name and its end; returns how many. */
static int64_t encode(const struct names *n, const char *text, int64_t *tokens)
{
    int64_t length = data_vocabulary_encode(n->letters, text, (int64_t)strlen(text), tokens);
    if (length >= 0) {
        tokens[length++] = n->end;
    }
    return length;
}

static data_set *sequences(const struct names *n, bool held_out, const char *program)
{
    int64_t *x = malloc((size_t)n->count * (LONGEST + 1) * sizeof *x), *y = malloc((size_t)n->count * (LONGEST + 1) * sizeof *y);
    int64_t *lengths = malloc((size_t)n->count * sizeof *lengths), count = 0, at = 0;
    data_set *set = NULL;
    for (int64_t i = 0; x != NULL && y != NULL && lengths != NULL && i < n->count; i++) {
        if (n->name[i].held_out == held_out) {
            int64_t length = encode(n, n->name[i].text, y + at);
            if (length < 0) {
                break;
            }
            x[at] = names_begin(n, n->name[i].sex);
            memcpy(x + at + 1, y + at, (size_t)(length - 1) * sizeof *x);
            lengths[count++] = length;
            at += length;
        }
    }
    if (x == NULL || y == NULL || lengths == NULL) {
        fprintf(stderr, "%s: out of memory\n", program);
    } else if (count == 0) {
        fprintf(stderr, "%s: there are too few names in %s: none is %s\n", program, n->folder,
                held_out ? "held out" : "left to learn");
    } else {
        set = data_sequences(count, ((data_values){ x, AG_SHAPE_SCALAR, AG_INT64, lengths }),
                             ((data_values){ y, AG_SHAPE_SCALAR, AG_INT64, lengths }));
    }
    free(x);
    free(y);
    free(lengths);
    return set;
}

bool names_open(struct names *n, const char *program, const char *place, const char *folder)
{
    *n = (struct names){ .count = 0 };
    if (!find(n, program, place, folder) || !read_list(n, program, FEMALE) || !read_list(n, program, MALE)) {
        return false;
    }
    sort_once(n);
    n->letters = find_letters(n);
    if (n->letters == NULL || data_vocabulary_encode(n->letters, "\n", 1, &n->end) != 1) {
        return false;
    }
    n->train = sequences(n, false, program);
    n->held_out = n->train != NULL ? sequences(n, true, program) : NULL;
    return n->train != NULL && n->held_out != NULL && ag_exit_status() == 0;
}

void names_close(struct names *n)
{
    data_set_free(n->train);
    data_set_free(n->held_out);
    data_vocabulary_free(n->letters);
    for (int64_t i = 0; i < n->count; i++) {
        free(n->name[i].text);
    }
    free(n->name);
    *n = (struct names){ .count = 0 };
}

enum known names_known(const struct names *n, const char *text)
{
    for (int sex = 0; sex < SEXES; sex++) {
        struct name key = { (char *)(uintptr_t)text, sex, false };
        const struct name *found = bsearch(&key, n->name, (size_t)n->count, sizeof key, in_order);
        if (found != NULL) {
            return found->held_out ? HELD_OUT : LEARNED;
        }
    }
    return NEW;
}

double names_counted(const struct names *n)
{
    int64_t kinds = data_vocabulary_size(n->letters), tokens[LONGEST + 1], letters = 0;
    double *pairs = malloc((size_t)(kinds * kinds) * sizeof *pairs), nats = 0;
    for (int64_t i = 0; pairs != NULL && i < kinds * kinds; i++) {
        pairs[i] = 1;
    }
    for (int held_out = 0; pairs != NULL && held_out < 2; held_out++) {
        for (int64_t i = 0; i < n->count; i++) {
            int64_t length = n->name[i].held_out == (held_out != 0) ? encode(n, n->name[i].text, tokens) : 0;
            for (int64_t t = 0, before = n->end; t < length; before = tokens[t++]) {
                double *row = pairs + before * kinds, all = 0;
                if (!held_out) {
                    row[tokens[t]]++;
                    continue;
                }
                for (int64_t k = 0; k < kinds; k++) {
                    all += row[k];
                }
                nats -= log(row[tokens[t]] / all);
                letters++;
            }
        }
    }
    free(pairs);
    return nats / log(2) / (double)letters;
}
