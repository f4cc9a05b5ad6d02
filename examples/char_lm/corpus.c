/*
 * Reading and cutting the text.
 */
#define _POSIX_C_SOURCE 200809L

#include "corpus.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef WENGERT_EXAMPLES_TEXT
#define WENGERT_EXAMPLES_TEXT "examples/king_james"
#endif

static bool find(struct corpus *c, const char *program, const char *place, const char *path)
{
    static const char name[] = "gospels_and_acts.txt.gz";
    const char *slash = strrchr(place, '/');
    int written;
    if (path != NULL) {
        written = snprintf(c->path, sizeof c->path, "%s", path);
        if (written >= (int)sizeof c->path) {
            fprintf(stderr, "%s: --data: the path is too long\n", program);
        }
        return written < (int)sizeof c->path;
    }
    snprintf(c->path, sizeof c->path, "%s/%s", WENGERT_EXAMPLES_TEXT, name);
    if (access(c->path, F_OK) != 0 && slash != NULL) {
        snprintf(c->path, sizeof c->path, "%.*s/king_james/%s", (int)(slash - place), place, name);
    }
    if (access(c->path, F_OK) != 0) {
        fprintf(stderr, "%s: the text %s was not found in %s nor beside the program\n", program, name, WENGERT_EXAMPLES_TEXT);
        return false;
    }
    return true;
}

bool corpus_open(struct corpus *c, const char *program, const char *place, const char *path, int64_t window)
{
    data_text text;
    *c = (struct corpus){ .path = "" };
    if (!find(c, program, place, path) || data_text_read(c->path, &text) != AG_OK) {
        return false;
    }
    bool good = true;
    c->characters = text.characters;
    c->split = text.characters - text.characters / 20;
    if (text.characters / 20 <= window) {
        fprintf(stderr, "%s: %s has %lld characters; %lld are needed, so that 5 %% of them hold a window of %lld and one more\n",
                program, c->path, (long long)text.characters, (long long)(20 * (window + 1)), (long long)window);
        good = false;
    }
    c->tokens = good ? malloc((size_t)text.characters * sizeof *c->tokens) : NULL;
    if (good && c->tokens == NULL) {
        fprintf(stderr, "%s: out of memory\n", program);
        good = false;
    }
    if (good) {
        c->letters = data_vocabulary_characters(text.bytes, text.size);
        data_vocabulary_encode(c->letters, text.bytes, text.size, c->tokens);
        c->train = data_windows(c->split, c->tokens, window, 1);
        c->validation = data_windows(c->characters - c->split, c->tokens + c->split, window, window);
    }
    data_text_free(&text);
    return good && ag_exit_status() == 0;
}

void corpus_close(struct corpus *c)
{
    data_set_free(c->train);
    data_set_free(c->validation);
    data_vocabulary_free(c->letters);
    free(c->tokens);
    c->tokens = NULL;
}

void corpus_counted(const struct corpus *c, double *letters, double *pairs)
{
    int64_t v = data_vocabulary_size(c->letters), rest = c->characters - c->split - 1;
    double *count = calloc((size_t)(v * v + 2 * v), sizeof *count), *single = count + v * v, *before = single + v;
    *letters = *pairs = NAN;
    if (count == NULL) {
        return;
    }
    for (int64_t i = 1; i < c->split; i++) {
        count[c->tokens[i - 1] * v + c->tokens[i]]++;
        before[c->tokens[i - 1]]++;
        single[c->tokens[i]]++;
    }
    double one = 0, two = 0;
    for (int64_t i = c->split + 1; i < c->characters; i++) {
        int64_t a = c->tokens[i - 1], b = c->tokens[i];
        one -= log2((single[b] + 1) / (double)(c->split - 1 + v));
        two -= log2((count[a * v + b] + 1) / (before[a] + (double)v));
    }
    *letters = one / (double)rest;
    *pairs = two / (double)rest;
    free(count);
}
