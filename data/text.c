/*
 * Texts: bytes that are known to be UTF-8. Knows nothing of vocabularies.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "data/reader.h"
#include "data/text.h"
#include "data/utf8.h"

/* ---- UTF-8 --------------------------------------------------------------------------------------------------------------- */

int data_utf8_next(const char *text, int64_t left, uint32_t *code, const char **reason)
{
    /* Of a character of 2, 3 and 4 bytes: the bits of its first byte, and the least code that needs so many. */
    static const uint32_t mask[] = { 0x1f, 0x0f, 0x07 }, least[] = { 0x80, 0x800, 0x10000 };
    const unsigned char *byte = (const unsigned char *)text;
    if (byte[0] == 0) {
        *reason = "a text has no zeros";
        return 0;
    }
    if (byte[0] < 0x80) {
        *code = byte[0];
        return 1;
    }
    if (byte[0] < 0xc2 || byte[0] > 0xf4) {
        *reason = "not UTF-8: no character begins with it";
        return 0;
    }
    int more = byte[0] < 0xe0 ? 1 : byte[0] < 0xf0 ? 2 : 3;
    uint32_t value = byte[0] & mask[more - 1];
    for (int i = 1; i <= more; i++) {
        if (i >= left) {
            *reason = "the text ends in the middle of a character";
            return 0;
        }
        if ((byte[i] & 0xc0) != 0x80) {
            *reason = "not UTF-8: the character that it begins does not go on";
            return 0;
        }
        value = value << 6 | (byte[i] & 0x3f);
    }
    if (value < least[more - 1] || value >= UNICODE_END || (value >= 0xd800 && value < 0xe000)) {
        *reason = "not UTF-8: there is no such character";
        return 0;
    }
    *code = value;
    return more + 1;
}

int data_utf8_write(uint32_t code, char out[UTF8_MOST + 1])
{
    int n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char first[] = { 0x00, 0xc0, 0xe0, 0xf0 };
    out[n] = '\0';
    for (int i = n - 1; i > 0; i--) {
        out[i] = (char)(unsigned char)(0x80 | (code & 0x3f));
        code >>= 6;
    }
    out[0] = (char)(unsigned char)(first[n - 1] | code);
    return n;
}

int64_t data_utf8_count(const char *text, int64_t size, int64_t *at, const char **reason)
{
    int64_t count = 0;
    for (*at = 0; *at < size; count++) {
        uint32_t code;
        int n = data_utf8_next(text + *at, size - *at, &code, reason);
        if (n == 0) {
            return -1;
        }
        *at += n;
    }
    return count;
}

int64_t data_text_line(const char *text, int64_t at)
{
    int64_t line = 1;
    for (int64_t i = 0; i < at; i++) {
        line += text[i] == '\n';
    }
    return line;
}

ag_error data_utf8_raise(ag_place where, const char *function, const char *text, int64_t at, const char *reason)
{
    return ag_error_raise(where, AG_ERROR_FORMAT, "%s: byte %" PRId64 " (0x%02x, line %" PRId64 "): %s", function, at,
                          (unsigned)(unsigned char)text[at], data_text_line(text, at), reason);
}

int64_t data_text_count_at(ag_place where, const char *text, int64_t size)
{
    if (ag_error_code() != AG_OK) {
        return -1;
    }
    if (size < 0 || (text == NULL && size > 0)) {
        ag_error_raise(where, AG_ERROR_VALUE, "data_text_count: %s", size < 0 ? "the size is negative" : "the text is NULL");
        return -1;
    }
    int64_t at;
    const char *reason;
    int64_t count = data_utf8_count(text, size, &at, &reason);
    if (count < 0) {
        data_utf8_raise(where, "data_text_count", text, at, reason);
    }
    return count;
}

/* ---- files --------------------------------------------------------------------------------------------------------------- */

/* All bytes of the file. */
static ag_error read_all(struct data_reader *r, data_text *text)
{
    size_t room = 1 << 16, have = 0;
    for (;;) {
        char *grown = realloc(text->bytes, room + 1);
        if (grown == NULL) {
            return data_reader_no_memory(r, r->path);
        }
        text->bytes = grown;
        have += data_reader_take(r, (unsigned char *)text->bytes + have, room - have);
        if (have < room) {
            break;
        }
        if (room > SIZE_MAX / 4) {
            return data_reader_no_memory(r, r->path);
        }
        room *= 2;
    }
    text->size = (int64_t)have;
    text->bytes[have] = '\0';
    return data_reader_fault(r);
}

static ag_error check(struct data_reader *r, data_text *text)
{
    if (text->size >= 3 && memcmp(text->bytes, "\xef\xbb\xbf", 3) == 0) {
        text->size -= 3;
        memmove(text->bytes, text->bytes + 3, (size_t)text->size + 1);
    }
    if (text->size == 0) {
        return data_reader_malformed(r, "the text is empty");
    }
    int64_t at;
    const char *reason;
    text->characters = data_utf8_count(text->bytes, text->size, &at, &reason);
    if (text->characters < 0) {
        int64_t mark = r->offset - text->size;
        return data_reader_malformed(r, "byte %" PRId64 " (0x%02x, line %" PRId64 "): %s", at + mark,
                                     (unsigned)(unsigned char)text->bytes[at], data_text_line(text->bytes, at), reason);
    }
    return AG_OK;
}

ag_error data_text_read_at(ag_place where, const char *path, data_text *text)
{
    const char *function = "data_text_read";
    *text = (data_text){ 0 };
    if (ag_error_code() != AG_OK) {
        return ag_error_code();
    }
    if (path == NULL) {
        return ag_error_raise(where, AG_ERROR_VALUE, "%s: the path is NULL", function);
    }
    struct data_reader r = { .where = where, .function = function };
    ag_error error = data_reader_open(&r, path);
    if (error == AG_OK) {
        error = read_all(&r, text);
    }
    if (error == AG_OK) {
        error = check(&r, text);
    }
    data_reader_close(&r);
    if (error != AG_OK) {
        data_text_free(text);
    }
    return error;
}

void data_text_free(data_text *text)
{
    if (text != NULL) {
        free(text->bytes);
        *text = (data_text){ 0 };
    }
}
