/*
 * Vocabularies of characters: which number stands for which.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/text.h"
#include "data/utf8.h"

struct data_vocabulary {
    int64_t n;
    uint32_t *code;                  /* (n), ascending */
    char (*character)[UTF8_MOST + 1]; /* (n) */
    char *all;
};

static data_vocabulary nil_vocabulary;

void data_vocabulary_free(data_vocabulary *vocabulary)
{
    if (vocabulary == NULL || vocabulary == &nil_vocabulary) {
        return;
    }
    free(vocabulary->code);
    free(vocabulary->character);
    free(vocabulary->all);
    free(vocabulary);
}

/* Marks the characters of a checked text; how many kinds there are. */
static int64_t mark(const char *text, int64_t size, unsigned char *seen)
{
    int64_t kinds = 0;
    for (int64_t at = 0; at < size;) {
        uint32_t code = 0;
        const char *reason;
        at += data_utf8_next(text + at, size - at, &code, &reason);
        kinds += !seen[code];
        seen[code] = 1;
    }
    return kinds;
}

static data_vocabulary *fill(const unsigned char *seen, int64_t kinds)
{
    data_vocabulary *v = calloc(1, sizeof *v);
    if (v == NULL) {
        return NULL;
    }
    v->code = malloc((size_t)kinds * sizeof *v->code);
    v->character = malloc((size_t)kinds * sizeof *v->character);
    v->all = malloc((size_t)kinds * UTF8_MOST + 1);
    if (v->code == NULL || v->character == NULL || v->all == NULL) {
        data_vocabulary_free(v);
        return NULL;
    }
    char *end = v->all;
    for (uint32_t code = 0; code < UNICODE_END; code++) {
        if (seen[code]) {
            v->code[v->n] = code;
            data_utf8_write(code, v->character[v->n]);
            end += data_utf8_write(code, end);
            v->n++;
        }
    }
    return v;
}

data_vocabulary *data_vocabulary_characters_at(ag_place where, const char *text, int64_t size)
{
    const char *function = "data_vocabulary_characters", *reason;
    int64_t at;
    if (ag_error_code() != AG_OK) {
        return &nil_vocabulary;
    }
    if (text == NULL || size < 1) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: the text is %s", function, text == NULL ? "NULL" : "empty");
        return &nil_vocabulary;
    }
    if (data_utf8_count(text, size, &at, &reason) < 0) {
        data_utf8_raise(where, function, text, at, reason);
        return &nil_vocabulary;
    }
    unsigned char *seen = calloc(UNICODE_END, 1);
    data_vocabulary *v = seen != NULL ? fill(seen, mark(text, size, seen)) : NULL;
    free(seen);
    if (v == NULL) {
        ag_error_raise(where, AG_ERROR_MEMORY, "%s: out of memory", function);
        return &nil_vocabulary;
    }
    return v;
}

int64_t data_vocabulary_size(const data_vocabulary *vocabulary)
{
    return vocabulary != NULL ? vocabulary->n : 0;
}

const char *data_vocabulary_token(const data_vocabulary *vocabulary, int64_t token)
{
    bool there = vocabulary != NULL && token >= 0 && token < vocabulary->n;
    return there ? vocabulary->character[token] : "";
}

const char *data_vocabulary_all(const data_vocabulary *vocabulary)
{
    return vocabulary != NULL && vocabulary->all != NULL ? vocabulary->all : "";
}

/* The token of a character; -1 if it has none. */
static int64_t find(const data_vocabulary *v, uint32_t code)
{
    int64_t low = 0, high = v->n;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (v->code[middle] < code) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < v->n && v->code[low] == code ? low : -1;
}

/* Raises for NULL; silent for a nil vocabulary, whose error was raised. */
static bool usable(ag_place where, const char *function, const data_vocabulary *v)
{
    if (ag_error_code() == AG_OK && v == NULL) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: the vocabulary is NULL", function);
    }
    if (ag_error_code() == AG_OK && v->n == 0) {
        ag_error_raise(where, AG_ERROR_STATE, "%s: the vocabulary was made after an error", function);
    }
    return ag_error_code() == AG_OK;
}

/* "'é' (U+00E9)", or the number alone of what cannot be seen. */
static void describe(uint32_t code, char text[32])
{
    char character[UTF8_MOST + 1];
    data_utf8_write(code, character);
    if (code < 0x20 || (code >= 0x7f && code < 0xa0)) {
        snprintf(text, 32, "U+%04" PRIX32, code);
    } else {
        snprintf(text, 32, "'%s' (U+%04" PRIX32 ")", character, code);
    }
}

/* Whether every character has its token; raises if not. */
static bool known(ag_place where, const char *function, const data_vocabulary *v, const char *text, int64_t size)
{
    int64_t at;
    const char *reason;
    if (data_utf8_count(text, size, &at, &reason) < 0) {
        data_utf8_raise(where, function, text, at, reason);
        return false;
    }
    for (at = 0; at < size;) {
        uint32_t code = 0;
        int bytes = data_utf8_next(text + at, size - at, &code, &reason);
        if (find(v, code) < 0) {
            char what[32];
            describe(code, what);
            ag_error_raise(where, AG_ERROR_VALUE,
                           "%s: byte %" PRId64 " (line %" PRId64 "): the character %s is none of the %" PRId64
                           " of the vocabulary", function, at, data_text_line(text, at), what, v->n);
            return false;
        }
        at += bytes;
    }
    return true;
}

int64_t data_vocabulary_encode_at(ag_place where, const data_vocabulary *vocabulary, const char *text, int64_t size,
                                  int64_t *tokens)
{
    const char *function = "data_vocabulary_encode", *reason;
    if (!usable(where, function, vocabulary)) {
        return -1;
    }
    if (size < 0 || (text == NULL && size > 0)) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: %s", function, size < 0 ? "the size is negative" : "the text is NULL");
        return -1;
    }
    if (!known(where, function, vocabulary, text, size)) {
        return -1;
    }
    int64_t n = 0;
    for (int64_t at = 0; at < size; n++) {
        uint32_t code = 0;
        at += data_utf8_next(text + at, size - at, &code, &reason);
        if (tokens != NULL) {
            tokens[n] = find(vocabulary, code);
        }
    }
    return n;
}

int64_t data_vocabulary_decode_at(ag_place where, const data_vocabulary *vocabulary, int64_t n, const int64_t *tokens,
                                  char *text, int64_t room)
{
    const char *function = "data_vocabulary_decode";
    if (!usable(where, function, vocabulary)) {
        return -1;
    }
    if (n < 0 || text == NULL || (tokens == NULL && n > 0)) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: %s", function,
                       n < 0 ? "the number of tokens is negative" : "an argument is NULL");
        return -1;
    }
    int64_t used = 0;
    for (int64_t i = 0; i < n; i++) {
        if (tokens[i] < 0 || tokens[i] >= vocabulary->n) {
            ag_error_raise(where, AG_ERROR_VALUE, "%s: token %" PRId64 " is %" PRId64 ", the vocabulary has 0 to %" PRId64,
                           function, i, tokens[i], vocabulary->n - 1);
            return -1;
        }
        used += (int64_t)strlen(vocabulary->character[tokens[i]]);
    }
    if (used >= room) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: the text has %" PRId64 " bytes and a 0, there is room for %" PRId64,
                       function, used, room);
        return -1;
    }
    char *end = text;
    for (int64_t i = 0; i < n; i++) {
        size_t bytes = strlen(vocabulary->character[tokens[i]]);
        memcpy(end, vocabulary->character[tokens[i]], bytes);
        end += bytes;
    }
    *end = '\0';
    return used;
}

/* ---- the state ----------------------------------------------------------------------------------------------------------- */

static void vocabulary_visit(void *object, ag_state_visitor *v)
{
    ag_state_same_text(v, "characters", data_vocabulary_all(object));
}

static const ag_stateful_type vocabulary_type = { sizeof(ag_stateful_type), "vocabulary", vocabulary_visit };

ag_stateful data_vocabulary_stateful(data_vocabulary *vocabulary)
{
    return ag_stateful_make(&vocabulary_type, vocabulary);
}
