/*
 * Files as runs of bytes, decompressed if need be.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "data/reader.h"

enum { CHUNK = 1 << 16 };

/* ---- bytes out of a file --------------------------------------------------------------------- */

/* Makes sure that at least one byte is waiting; false at the end of the file and after a fault. */
static bool fill(struct data_reader *r)
{
    if (r->left > 0) {
        return true;
    }
    errno = 0;
    r->left = fread(r->in, 1, CHUNK, r->file);
    r->next = r->in;
    r->file_offset += (int64_t)r->left;
    if (r->left == 0 && ferror(r->file)) {
        r->fault = DATA_FAULT_DEVICE;
        r->system_error = errno;
    }
    return r->left > 0;
}

/* Where in the file the next unused byte stands. */
static int64_t place_in_file(const struct data_reader *r)
{
    return r->file_offset - (int64_t)r->left;
}

static size_t read_plain(struct data_reader *r, unsigned char *out, size_t n)
{
    size_t got = 0;
    while (got < n && fill(r)) {
        size_t some = r->left < n - got ? r->left : n - got;
        memcpy(out + got, r->next, some);
        r->next += some;
        r->left -= some;
        got += some;
    }
    return got;
}

/* After a member of a gzip file: another one follows, or nothing. */
static void end_member(struct data_reader *r)
{
    if (!fill(r)) {
        r->ended = true;
    } else if (r->next[0] != 0x1f) {
        r->fault = DATA_FAULT_TRAILING;
    } else {
        inflateReset(&r->z);
    }
}

static size_t read_compressed(struct data_reader *r, unsigned char *out, size_t n)
{
    size_t got = 0;
    while (got < n && !r->ended && r->fault == DATA_FAULT_NONE) {
        if (!fill(r)) {
            r->fault = r->fault == DATA_FAULT_NONE ? DATA_FAULT_CUT : r->fault;
            break;
        }
        uInt room = n - got < INT32_MAX ? (uInt)(n - got) : INT32_MAX;
        r->z.next_in = r->next;
        r->z.avail_in = (uInt)r->left;
        r->z.next_out = out + got;
        r->z.avail_out = room;
        int status = inflate(&r->z, Z_NO_FLUSH);
        r->next = r->z.next_in;
        r->left = r->z.avail_in;
        got += room - r->z.avail_out;
        if (status == Z_STREAM_END) {
            end_member(r);
        } else if (status == Z_MEM_ERROR) {
            r->fault = DATA_FAULT_MEMORY;
        } else if (status != Z_OK && status != Z_BUF_ERROR) {
            r->fault = DATA_FAULT_CORRUPT;
            r->zlib_says = r->z.msg != NULL ? r->z.msg : "not decodable";
        }
    }
    return got;
}

size_t data_reader_take(struct data_reader *r, unsigned char *out, size_t n)
{
    if (r->fault != DATA_FAULT_NONE) {
        return 0;
    }
    size_t got = r->compressed ? read_compressed(r, out, n) : read_plain(r, out, n);
    r->offset += (int64_t)got;
    return got;
}

void data_reader_drain(struct data_reader *r)
{
    unsigned char scratch[4096];
    while (data_reader_take(r, scratch, sizeof scratch) > 0) {
    }
}

/* ---- opening, closing, complaining ----------------------------------------------------------- */

static char *join(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    char *text = malloc(n + m + 1);
    if (text != NULL) {
        memcpy(text, a, n);
        memcpy(text + n, b, m + 1);
    }
    return text;
}

ag_error data_reader_no_memory(struct data_reader *r, const char *path)
{
    return ag_error_raise(r->where, AG_ERROR_MEMORY, "%s: %s: out of memory", r->function, path);
}

ag_error data_reader_open(struct data_reader *r, const char *path)
{
    r->path = join(path, "");
    r->in = malloc(CHUNK);
    if (r->path == NULL || r->in == NULL) {
        return data_reader_no_memory(r, path);
    }
    errno = 0;
    r->file = fopen(path, "rb");
    if (r->file == NULL && errno == ENOENT) {
        free(r->path);
        r->path = join(path, ".gz");
        if (r->path == NULL) {
            return data_reader_no_memory(r, path);
        }
        r->file = fopen(r->path, "rb");
        if (r->file == NULL && errno == ENOENT) {
            return ag_error_raise(r->where, AG_ERROR_FILE,
                                  "%s: %s: no such file, with or without .gz", r->function, path);
        }
    }
    if (r->file == NULL) {
        return ag_error_raise(r->where, AG_ERROR_FILE, "%s: %s: %s", r->function, r->path,
                              strerror(errno));
    }
    if (!fill(r)) {
        if (r->fault == DATA_FAULT_DEVICE && r->system_error == EISDIR) {
            return ag_error_raise(r->where, AG_ERROR_FILE, "%s: %s: is a directory, not a file",
                                  r->function, r->path);
        }
        if (r->fault == DATA_FAULT_DEVICE) {
            return ag_error_raise(r->where, AG_ERROR_FILE, "%s: %s: cannot be read: %s",
                                  r->function, r->path, strerror(r->system_error));
        }
        return ag_error_raise(r->where, AG_ERROR_FORMAT, "%s: %s: the file is empty", r->function,
                              r->path);
    }
    if (r->left >= 2 && r->next[0] == 0x1f && r->next[1] == 0x8b) {
        if (inflateInit2(&r->z, 15 + 16) !=
            Z_OK) { /* the largest window; a gzip wrapper is expected */
            return data_reader_no_memory(r, r->path);
        }
        r->compressed = true;
    }
    return AG_OK;
}

void data_reader_close(struct data_reader *r)
{
    if (r->compressed) {
        inflateEnd(&r->z);
    }
    if (r->file != NULL) {
        fclose(r->file);
    }
    free(r->in);
    free(r->path);
}

ag_error data_reader_fault(struct data_reader *r)
{
    char wanted[64] = "";
    if (r->expected > 0) {
        snprintf(wanted, sizeof wanted, ", at least %" PRId64 " expected", r->expected);
    }
    switch (r->fault) {
    case DATA_FAULT_NONE:
        return AG_OK;
    case DATA_FAULT_DEVICE:
        return ag_error_raise(r->where, AG_ERROR_FILE,
                              "%s: %s: cannot be read at byte %" PRId64 ": %s", r->function,
                              r->path, r->file_offset, strerror(r->system_error));
    case DATA_FAULT_CUT:
        return ag_error_raise(
            r->where, AG_ERROR_FORMAT,
            "%s: %s: truncated: the compressed data ends in the middle, at byte %" PRId64
            " of the file; %" PRId64 " bytes decompressed%s",
            r->function, r->path, r->file_offset, r->offset, wanted);
    case DATA_FAULT_CORRUPT:
        return ag_error_raise(r->where, AG_ERROR_FORMAT,
                              "%s: %s: corrupt gzip data before byte %" PRId64
                              " of the file (%" PRId64 " bytes decompressed): %s",
                              r->function, r->path, place_in_file(r), r->offset, r->zlib_says);
    case DATA_FAULT_TRAILING:
        return ag_error_raise(
            r->where, AG_ERROR_FORMAT,
            "%s: %s: something that is not gzip data follows the compressed data at byte %" PRId64
            " of the file",
            r->function, r->path, place_in_file(r));
    case DATA_FAULT_MEMORY:
        break;
    }
    return data_reader_no_memory(r, r->path);
}

ag_error data_reader_malformed(struct data_reader *r, const char *format, ...)
{
    if (r->compressed) {
        data_reader_drain(r);
    }
    ag_error fault = data_reader_fault(r);
    if (fault != AG_OK) {
        return fault;
    }
    char reason[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    return ag_error_raise(r->where, AG_ERROR_FORMAT, "%s: %s: %s", r->function, r->path, reason);
}
