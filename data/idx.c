/*
 * IDX files, plain or compressed with gzip. Knows bytes and files, nothing of samples or batches.
 *
 * The format, all numbers big-endian: two zero bytes, a byte for the element type (0x08: unsigned
 * bytes), a byte for the number of dimensions, four bytes for each size, then the elements in
 * row-major order.
 *
 * Nothing in a file is believed before it is checked: memory grows with the bytes that were really
 * there, never with what a header claims.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "data/internal.h"

enum { CHUNK = 1 << 16, UNSIGNED_BYTES = 0x08 };

enum fault {
    FAULT_NONE,
    FAULT_DEVICE,   /* the file cannot be read on; the system says why */
    FAULT_CUT,      /* the compressed data ends in the middle */
    FAULT_CORRUPT,  /* the compressed data does not decode or fails its checksum */
    FAULT_TRAILING, /* something that is not gzip follows the compressed data */
    FAULT_MEMORY
};

/* A file as a run of bytes, decompressed if need be. */
struct reader {
    ag_place where;
    const char *function;
    char *path;
    FILE *file;
    bool compressed, ended; /* ended: the last gzip member is complete and no other follows */
    enum fault fault;
    int system_error;
    const char *zlib_says;
    int64_t offset;      /* bytes handed out */
    int64_t expected;    /* bytes that must come, as far as is known */
    int64_t file_offset; /* bytes taken from the file */
    z_stream z;
    unsigned char *in; /* CHUNK bytes, of which next.. next + left are not used yet */
    unsigned char *next;
    size_t left;
};

const char *data_sizes_format(int ndim, const int64_t *size, char text[DATA_SIZES_TEXT])
{
    size_t used = 0;
    text[0] = '\0';
    for (int d = 0; d < ndim; d++) {
        int n = snprintf(text + used, DATA_SIZES_TEXT - used, "%s%" PRId64, d == 0 ? "" : " x ",
                         size[d]);
        if (n < 0 || (size_t)n >= DATA_SIZES_TEXT - used) {
            break;
        }
        used += (size_t)n;
    }
    return text;
}

/* ---- bytes out of a file --------------------------------------------------------------------- */

/* Makes sure that at least one byte is waiting; false at the end of the file and after a fault. */
static bool fill(struct reader *r)
{
    if (r->left > 0) {
        return true;
    }
    errno = 0;
    r->left = fread(r->in, 1, CHUNK, r->file);
    r->next = r->in;
    r->file_offset += (int64_t)r->left;
    if (r->left == 0 && ferror(r->file)) {
        r->fault = FAULT_DEVICE;
        r->system_error = errno;
    }
    return r->left > 0;
}

/* Where in the file the next unused byte stands. */
static int64_t place_in_file(const struct reader *r)
{
    return r->file_offset - (int64_t)r->left;
}

static size_t read_plain(struct reader *r, unsigned char *out, size_t n)
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
static void end_member(struct reader *r)
{
    if (!fill(r)) {
        r->ended = true;
    } else if (r->next[0] != 0x1f) {
        r->fault = FAULT_TRAILING;
    } else {
        inflateReset(&r->z);
    }
}

static size_t read_compressed(struct reader *r, unsigned char *out, size_t n)
{
    size_t got = 0;
    while (got < n && !r->ended && r->fault == FAULT_NONE) {
        if (!fill(r)) {
            r->fault = r->fault == FAULT_NONE ? FAULT_CUT : r->fault;
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
            r->fault = FAULT_MEMORY;
        } else if (status != Z_OK && status != Z_BUF_ERROR) {
            r->fault = FAULT_CORRUPT;
            r->zlib_says = r->z.msg != NULL ? r->z.msg : "not decodable";
        }
    }
    return got;
}

/* Up to n bytes; fewer at the end of the data and after a fault. */
static size_t take(struct reader *r, unsigned char *out, size_t n)
{
    if (r->fault != FAULT_NONE) {
        return 0;
    }
    size_t got = r->compressed ? read_compressed(r, out, n) : read_plain(r, out, n);
    r->offset += (int64_t)got;
    return got;
}

/* Reads on to the end, so that checksums are verified and what is too much is counted. */
static void drain(struct reader *r)
{
    unsigned char scratch[4096];
    while (take(r, scratch, sizeof scratch) > 0) {
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

static ag_error out_of_memory(struct reader *r, const char *path)
{
    return ag_error_raise(r->where, AG_ERROR_MEMORY, "%s: %s: out of memory", r->function, path);
}

static ag_error reader_open(struct reader *r, const char *path)
{
    r->path = join(path, "");
    r->in = malloc(CHUNK);
    if (r->path == NULL || r->in == NULL) {
        return out_of_memory(r, path);
    }
    errno = 0;
    r->file = fopen(path, "rb");
    if (r->file == NULL && errno == ENOENT) {
        free(r->path);
        r->path = join(path, ".gz");
        if (r->path == NULL) {
            return out_of_memory(r, path);
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
        if (r->fault == FAULT_DEVICE && r->system_error == EISDIR) {
            return ag_error_raise(r->where, AG_ERROR_FILE, "%s: %s: is a directory, not a file",
                                  r->function, r->path);
        }
        if (r->fault == FAULT_DEVICE) {
            return ag_error_raise(r->where, AG_ERROR_FILE, "%s: %s: cannot be read: %s",
                                  r->function, r->path, strerror(r->system_error));
        }
        return ag_error_raise(r->where, AG_ERROR_FORMAT, "%s: %s: the file is empty", r->function,
                              r->path);
    }
    if (r->left >= 2 && r->next[0] == 0x1f && r->next[1] == 0x8b) {
        if (inflateInit2(&r->z, 15 + 16) !=
            Z_OK) { /* the largest window; a gzip wrapper is expected */
            return out_of_memory(r, r->path);
        }
        r->compressed = true;
    }
    return AG_OK;
}

static void reader_close(struct reader *r)
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

/* Raises what went wrong while reading; AG_OK if nothing did. */
static ag_error raise_fault(struct reader *r)
{
    switch (r->fault) {
    case FAULT_NONE:
        return AG_OK;
    case FAULT_DEVICE:
        return ag_error_raise(r->where, AG_ERROR_FILE,
                              "%s: %s: cannot be read at byte %" PRId64 ": %s", r->function,
                              r->path, r->file_offset, strerror(r->system_error));
    case FAULT_CUT:
        return ag_error_raise(
            r->where, AG_ERROR_FORMAT,
            "%s: %s: truncated: the compressed data ends in the middle, at byte %" PRId64
            " of the file; %" PRId64 " bytes decompressed, at least %" PRId64 " expected",
            r->function, r->path, r->file_offset, r->offset, r->expected);
    case FAULT_CORRUPT:
        return ag_error_raise(r->where, AG_ERROR_FORMAT,
                              "%s: %s: corrupt gzip data before byte %" PRId64
                              " of the file (%" PRId64 " bytes decompressed): %s",
                              r->function, r->path, place_in_file(r), r->offset, r->zlib_says);
    case FAULT_TRAILING:
        return ag_error_raise(
            r->where, AG_ERROR_FORMAT,
            "%s: %s: something that is not gzip data follows the compressed data at byte %" PRId64
            " of the file",
            r->function, r->path, place_in_file(r));
    case FAULT_MEMORY:
        break;
    }
    return out_of_memory(r, r->path);
}

/* Raises a mistake in the format. In a compressed file corrupt compression may be behind it: then
 * that is said. */
AG_PRINTF(2, 3)
static ag_error malformed(struct reader *r, const char *format, ...)
{
    if (r->compressed) {
        drain(r);
    }
    ag_error fault = raise_fault(r);
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

/* ---- the format ------------------------------------------------------------------------------ */

static const char *element_type(int code)
{
    switch (code) {
    case 0x09:
        return "signed bytes";
    case 0x0b:
        return "16-bit integers";
    case 0x0c:
        return "32-bit integers";
    case 0x0d:
        return "32-bit floats";
    case 0x0e:
        return "64-bit floats";
    default:
        return "unknown";
    }
}

static ag_error read_magic(struct reader *r, int *ndim)
{
    unsigned char magic[4];
    size_t got = take(r, magic, sizeof magic);
    if (got < sizeof magic) {
        return malformed(r, "truncated: an IDX file begins with 4 bytes of header, found %zu", got);
    }
    if (magic[0] != 0 || magic[1] != 0) {
        return malformed(r, "not an IDX file: it begins with %02x %02x instead of 00 00", magic[0],
                         magic[1]);
    }
    if (magic[2] != UNSIGNED_BYTES) {
        return malformed(r, "byte 2: element type 0x%02x (%s); only 0x08 (unsigned bytes) is read",
                         magic[2], element_type(magic[2]));
    }
    if (magic[3] < 1 || magic[3] > AG_MAX_DIMS) {
        return malformed(r, "byte 3: %d dimensions; 1 to %d are read", magic[3], AG_MAX_DIMS);
    }
    *ndim = magic[3];
    return AG_OK;
}

static ag_error read_sizes(struct reader *r, data_idx *idx, int64_t *count)
{
    unsigned char bytes[4 * AG_MAX_DIMS];
    size_t need = 4 * (size_t)idx->ndim, got = take(r, bytes, need);
    if (got < need) {
        return malformed(r, "truncated: a header with %d sizes has %zu bytes, found %zu", idx->ndim,
                         4 + need, 4 + got);
    }
    int64_t limit = (int64_t)(SIZE_MAX / 2) - 4 - (int64_t)need;
    bool fits = true;
    *count = 1;
    for (int d = 0; d < idx->ndim; d++) {
        const unsigned char *b = bytes + 4 * d;
        idx->size[d] =
            (int64_t)((uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3]);
        fits = fits && (idx->size[d] == 0 || *count <= limit / idx->size[d]);
        *count = fits ? *count * idx->size[d] : 0;
    }
    if (!fits) {
        char text[DATA_SIZES_TEXT];
        return malformed(r, "bytes 4 to %zu: the sizes %s are too large", 3 + need,
                         data_sizes_format(idx->ndim, idx->size, text));
    }
    r->expected = 4 + (int64_t)need + *count;
    return AG_OK;
}

/* The elements: as many as there are, at most `count`. */
static ag_error read_elements(struct reader *r, data_idx *idx, int64_t count)
{
    size_t room = count < (1 << 24) ? (size_t)count : 1 << 24, have = 0;
    for (;;) {
        uint8_t *grown = realloc(idx->bytes, room > 0 ? room : 1);
        if (grown == NULL) {
            return out_of_memory(r, r->path);
        }
        idx->bytes = grown;
        have += take(r, idx->bytes + have, room - have);
        if (have < room || (int64_t)room == count) {
            break;
        }
        room = (int64_t)room > count - (int64_t)room ? (size_t)count : 2 * room;
    }
    drain(r);
    if (r->fault != FAULT_NONE || r->offset != r->expected) {
        char text[DATA_SIZES_TEXT];
        return malformed(
            r, "%s: the header says %s, so %" PRId64 " bytes are expected%s; found %" PRId64,
            r->offset < r->expected ? "truncated" : "longer than its header says",
            data_sizes_format(idx->ndim, idx->size, text), r->expected,
            r->compressed ? " when decompressed" : "", r->offset);
    }
    return AG_OK;
}

ag_error data_idx_load(ag_place where, const char *function, const char *path, data_idx *idx)
{
    memset(idx, 0, sizeof *idx);
    if (ag_error_code() != AG_OK) {
        return ag_error_code();
    }
    if (path == NULL) {
        return ag_error_raise(where, AG_ERROR_VALUE, "%s: the path is NULL", function);
    }
    struct reader r = { .where = where, .function = function, .expected = 4 };
    int64_t count = 0;
    ag_error error = reader_open(&r, path);
    if (error == AG_OK) {
        error = read_magic(&r, &idx->ndim);
    }
    if (error == AG_OK) {
        error = read_sizes(&r, idx, &count);
    }
    if (error == AG_OK) {
        error = read_elements(&r, idx, count);
    }
    reader_close(&r);
    if (error != AG_OK) {
        data_idx_free(idx);
    }
    return error;
}

ag_error data_idx_read_at(ag_place where, const char *path, data_idx *idx)
{
    return data_idx_load(where, "data_idx_read", path, idx);
}

void data_idx_free(data_idx *idx)
{
    if (idx != NULL) {
        free(idx->bytes);
        memset(idx, 0, sizeof *idx);
    }
}
