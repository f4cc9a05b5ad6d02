/*
 * Text as data: files of UTF-8, vocabularies of characters, and windows of tokens whose next tokens are to be guessed.
 *
 *     data_text text;
 *     data_text_read("king_james.txt", &text);
 *     data_vocabulary *letters = data_vocabulary_characters(text.bytes, text.size);
 *     int64_t *tokens = malloc((size_t)text.characters * sizeof *tokens);
 *     data_vocabulary_encode(letters, text.bytes, text.size, tokens);
 *     data_set *set = data_windows(text.characters, tokens, 64, 1);
 */
#ifndef WENGERT_DATA_TEXT_H
#define WENGERT_DATA_TEXT_H

#include "../autograd/autograd.h"

AG_EXTERN_C_BEGIN

typedef struct data_set data_set;

/* ---- files --------------------------------------------------------------------------------------------------------------- */

typedef struct data_text {
    char *bytes;        /* UTF-8, with a 0 behind the last; free with data_text_free() */
    int64_t size;       /* bytes */
    int64_t characters; /* code points */
} data_text;

/* Reads a text, plain or compressed with gzip. If `path` does not exist, `path` with ".gz" is tried. A byte order mark at the
 * beginning is left out, line ends stay as they are. Errors name the file, the place in it and the reason: missing, empty,
 * truncated or corrupt compression, a byte 0, bytes that are not UTF-8 (Unicode 15, table 3-7), a last character that is cut. On
 * an error *text is zeroed. */
AG_API ag_error data_text_read_at(ag_place where, const char *path, data_text *text);
AG_API void data_text_free(data_text *text); /* NULL and {0} are fine */
#define data_text_read(...) data_text_read_at(AG_HERE, __VA_ARGS__)

/* How many code points the text has; -1 after an error that names the first byte that is not UTF-8, or is 0. */
AG_API int64_t data_text_count_at(ag_place where, const char *text, int64_t size);
#define data_text_count(...) data_text_count_at(AG_HERE, __VA_ARGS__)

/* ---- vocabularies -------------------------------------------------------------------------------------------------------- */

/* Characters, each of which is a token: its place among them, from 0, in the order of Unicode. Never changes; any thread may
 * read it. */
typedef struct data_vocabulary data_vocabulary;

/* The characters that occur in the text, as Python's sorted(set(text)). Errors: an empty text, one that is not UTF-8. */
AG_API data_vocabulary *data_vocabulary_characters_at(ag_place where, const char *text, int64_t size);
#define data_vocabulary_characters(...) data_vocabulary_characters_at(AG_HERE, __VA_ARGS__)
AG_API void data_vocabulary_free(data_vocabulary *vocabulary); /* NULL is fine */

AG_API int64_t data_vocabulary_size(const data_vocabulary *vocabulary); /* how many tokens there are */
/* The character of a token as a text of its own, which lives as long as the vocabulary; "" if there is no such token. */
AG_API const char *data_vocabulary_token(const data_vocabulary *vocabulary, int64_t token);
/* All characters, one behind the other: the text whose vocabulary this one is. */
AG_API const char *data_vocabulary_all(const data_vocabulary *vocabulary);

/* The tokens of a text: tokens (NULL: they are only counted) has room for as many as the text has code points, at most `size`.
 * Returns how many; -1 after an error: a text that is not UTF-8, a character that the vocabulary has not, with its place (byte
 * and line). Then nothing was written. */
AG_API int64_t data_vocabulary_encode_at(ag_place where, const data_vocabulary *vocabulary, const char *text, int64_t size,
                                         int64_t *tokens);
/* The text of n tokens, with a 0 behind it, into `text`, which has room for `room` bytes: 4 n + 1 are enough. Returns how many
 * bytes were written, without the 0; -1 after an error: a token outside of the vocabulary, no room. */
AG_API int64_t data_vocabulary_decode_at(ag_place where, const data_vocabulary *vocabulary, int64_t n, const int64_t *tokens,
                                         char *text, int64_t room);
#define data_vocabulary_encode(...) data_vocabulary_encode_at(AG_HERE, __VA_ARGS__)
#define data_vocabulary_decode(...) data_vocabulary_decode_at(AG_HERE, __VA_ARGS__)
/* For checkpoints: what is put back must be of the same characters (autograd/state.h), else weights would mean others. */
AG_API ag_stateful data_vocabulary_stateful(data_vocabulary *vocabulary);

/* ---- windows ------------------------------------------------------------------------------------------------------------- */

/* Sample i is `length` tokens from the place i stride on, as input, and as target the tokens that follow each of them: int64
 * (length) both. Stride 1: a window begins at every token; `length`: windows lie side by side. There are floor((n - 1 - length)
 * / stride) + 1. The tokens are copied. Errors: less than length + 1 tokens, a length or stride below 1. */
AG_API data_set *data_windows_at(ag_place where, int64_t n, const int64_t *tokens, int64_t length, int64_t stride);
#define data_windows(...) data_windows_at(AG_HERE, __VA_ARGS__)

AG_EXTERN_C_END

#endif
