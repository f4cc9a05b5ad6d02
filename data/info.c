/*
 * What sets know of themselves besides numbers: names of inputs and classes; and lists of names as
 * a user writes them.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/internal.h"

/* ---- what is known of a set ------------------------------------------------------------------ */

struct data_info *data_info_new(int64_t x_names, int64_t classes, bool class_names)
{
    struct data_info *info = calloc(1, sizeof *info);
    if (info == NULL) {
        return NULL;
    }
    atomic_init(&info->holders, 1);
    info->x_names = x_names;
    info->classes = classes;
    info->x_name = x_names > 0 ? calloc((size_t)x_names, sizeof *info->x_name) : NULL;
    info->class_name = class_names ? calloc((size_t)classes, sizeof *info->class_name) : NULL;
    if ((x_names > 0 && info->x_name == NULL) || (class_names && info->class_name == NULL)) {
        info->x_names = info->classes = 0;
        data_info_free(info);
        return NULL;
    }
    return info;
}

struct data_info *data_info_share(struct data_info *info)
{
    if (info != NULL) {
        atomic_fetch_add_explicit(&info->holders, 1, memory_order_relaxed);
    }
    return info;
}

void data_info_free(struct data_info *info)
{
    if (info == NULL || atomic_fetch_sub_explicit(&info->holders, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (int64_t j = 0; j < info->x_names; j++) {
        free(info->x_name[j]);
    }
    for (int64_t c = 0; info->class_name != NULL && c < info->classes; c++) {
        free(info->class_name[c]);
    }
    free(info->x_name);
    free(info->class_name);
    free(info);
}

/* ---- lists of names -------------------------------------------------------------------------- */

/* The name at *p, without spaces around it or quotes, into `word`, which has room for all of it; *p
 * goes behind its comma, or to NULL. False if a quote is not closed or followed by something. */
static bool next_word(const char **p, char *word)
{
    const char *q = *p + strspn(*p, " \t\n");
    size_t n = 0;
    bool good = true;
    if (*q == '"') {
        for (q++; *q != '\0' && (*q != '"' || q[1] == '"'); q++) {
            word[n++] = *q;
            q += *q == '"';
        }
        good = *q == '"';
        q += good;
        q += strspn(q, " \t\n");
        good = good && (*q == ',' || *q == '\0');
    } else {
        size_t all = strcspn(q, ",");
        n = all;
        while (n > 0 && strchr(" \t\n", q[n - 1]) != NULL) {
            n--;
        }
        memcpy(word, q, n);
        q += all;
    }
    word[n] = '\0';
    *p = *q == ',' ? q + 1 : NULL;
    return good;
}

bool data_words_parse(ag_place where, const char *function, const char *what, const char *text,
                      struct data_words *words)
{
    *words = (struct data_words){ 0 };
    if (text == NULL || text[strspn(text, " \t\n")] == '\0') {
        return true;
    }
    size_t length = strlen(text);
    char *word = malloc(length + 1);
    bool memory = word != NULL, good = true;
    for (const char *p = text; memory && good && p != NULL;) {
        good = next_word(&p, word);
        char **grown = realloc(words->word, (size_t)(words->n + 1) * sizeof *grown);
        words->word = grown != NULL ? grown : words->word;
        char *copy = grown != NULL ? malloc(strlen(word) + 1) : NULL;
        memory = copy != NULL;
        if (memory) {
            strcpy(copy, word);
            words->word[words->n++] = copy;
        }
    }
    free(word);
    if (!memory) {
        ag_error_raise(where, AG_ERROR_MEMORY, "%s: out of memory", function);
    } else if (!good) {
        ag_error_raise(where, AG_ERROR_VALUE,
                       "%s: %s: a quote that is not closed, or is followed by more, in %.300s",
                       function, what, text);
    }
    if (!memory || !good) {
        data_words_free(words);
    }
    return memory && good;
}

bool data_words_have(const struct data_words *words, const char *text, size_t n)
{
    for (int64_t w = 0; w < words->n; w++) {
        if (strncmp(words->word[w], text, n) == 0 && words->word[w][n] == '\0') {
            return true;
        }
    }
    return false;
}

void data_words_free(struct data_words *words)
{
    for (int64_t w = 0; w < words->n; w++) {
        free(words->word[w]);
    }
    free(words->word);
    *words = (struct data_words){ 0 };
}

double data_nan(void)
{
    return (double)NAN;
}
