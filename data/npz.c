/*
 * NumPy's archives of arrays, through libzip: read from a file that lies in memory, written through a file that appears whole or
 * not at all.
 */
#include "data/npz.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/npy.h"

bool npz_begins(const unsigned char *bytes, size_t n)
{
    return n >= 4 && (memcmp(bytes, "PK\3\4", 4) == 0 || memcmp(bytes, "PK\5\6", 4) == 0);
}

#if defined(WENGERT_LIBZIP)

#include <zip.h>

static const char ending[] = ".npy";

/* ---- reading --------------------------------------------------------------------------------- */

/* One byte cannot become more by deflation. */
enum { MOST_FROM_A_BYTE = 1032 };

static bool refuse_error(char reason[ELEMENT_REASON], const char *name, zip_error_t *error)
{
    return element_refuse(reason, "%s%.100s%s%s", name != NULL ? "\"" : "", name != NULL ? name : "",
                          name != NULL ? "\": " : "", zip_error_strerror(error));
}

/* What the archive says of a member can be so, before anything is believed of it. */
static bool member_is_plausible(const zip_stat_t *s, const char *name, char reason[ELEMENT_REASON])
{
    if (s->encryption_method != ZIP_EM_NONE) {
        return element_refuse(reason, "\"%.100s\" is encrypted", name);
    }
    if (s->comp_method != ZIP_CM_STORE && s->comp_method != ZIP_CM_DEFLATE) {
        return element_refuse(reason, "\"%.100s\": compression method %d is not NumPy's", name,
                              s->comp_method);
    }
    bool fits = s->comp_method == ZIP_CM_STORE
                    ? s->size == s->comp_size
                    : s->size / MOST_FROM_A_BYTE <= s->comp_size;
    return fits || element_refuse(reason, "\"%.100s\": %" PRIu64 " bytes cannot be in %" PRIu64, name,
                                  (uint64_t)s->size, (uint64_t)s->comp_size);
}

/* Exactly n bytes; false with the reason. */
static bool read_exactly(zip_file_t *member, void *bytes, size_t n, const char *name,
                         char reason[ELEMENT_REASON])
{
    size_t got = 0;
    while (got < n) {
        zip_int64_t some = zip_fread(member, (char *)bytes + got, n - got);
        if (some < 0) {
            return refuse_error(reason, name, zip_file_get_error(member));
        }
        if (some == 0) {
            return element_refuse(reason, "\"%.100s\": ends after %zu of %zu bytes", name, got, n);
        }
        got += (size_t)some;
    }
    return true;
}

/* The header of a member of `length` bytes. */
static bool read_header(zip_file_t *member, struct npy *npy, size_t length, const char *name,
                        char reason[ELEMENT_REASON])
{
    unsigned char *header = malloc(NPY_LONGEST + NPY_START);
    if (header == NULL) {
        return element_refuse(reason, "out of memory");
    }
    char problem[ELEMENT_REASON] = "";
    size_t start = length < NPY_START ? length : NPY_START;
    bool good = read_exactly(member, header, start, name, reason);
    if (good) {
        size_t all = npy_header_length(header, start, problem);
        bool more = all > start && all <= length;
        good = !more || read_exactly(member, header + start, all - start, name, reason);
        if (good && (all == 0 || !npy_open(npy, header, length, problem))) {
            good = element_refuse(reason, "\"%.100s\": %.380s", name, problem);
        }
    }
    free(header);
    return good;
}

/* Member i of the archive as the next entry. */
static bool read_member(data_tensors *file, zip_uint64_t i, char reason[ELEMENT_REASON])
{
    zip_stat_t s;
    if (zip_stat_index(file->archive, i, 0, &s) != 0) {
        return refuse_error(reason, NULL, zip_get_error(file->archive));
    }
    const zip_uint64_t wanted = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE |
                                ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
    size_t length = (s.valid & ZIP_STAT_NAME) != 0 ? strlen(s.name) : 0, cut = strlen(ending);
    if ((s.valid & wanted) != wanted || length < cut ||
        strcmp(s.name + length - cut, ending) != 0) {
        return element_refuse(reason, "\"%.100s\" is not a %s file", length > 0 ? s.name : "", ending);
    }
    if (!member_is_plausible(&s, s.name, reason)) {
        return false;
    }
    struct tensor_entry *e = &file->entry[file->count];
    *e = (struct tensor_entry){ .owned_name = malloc(length + 1), .member = i, .offset = -1 };
    if (e->owned_name == NULL) {
        return element_refuse(reason, "out of memory");
    }
    memcpy(e->owned_name, s.name, length - cut);
    e->owned_name[length - cut] = '\0';
    e->name = e->owned_name;
    file->count++; /* from here on it is freed with the file */
    zip_file_t *member = zip_fopen_index(file->archive, i, 0);
    if (member == NULL) {
        return refuse_error(reason, e->name, zip_get_error(file->archive));
    }
    struct npy npy;
    bool good = read_header(member, &npy, (size_t)s.size, e->name, reason);
    zip_fclose(member);
    if (good) {
        e->type = npy.type;
        e->shape = npy.shape;
        e->fortran = npy.fortran;
        e->bytes = npy.bytes;
        e->header = npy.header;
    }
    return good;
}

bool npz_open(data_tensors *file, char reason[ELEMENT_REASON])
{
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t *source =
        zip_source_buffer_create(file->view.bytes, file->view.length, 0, &error);
    file->archive = source == NULL ? NULL : zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &error);
    if (file->archive == NULL) {
        zip_source_free(source);
        refuse_error(reason, NULL, &error);
        zip_error_fini(&error);
        return false;
    }
    zip_error_fini(&error);
    zip_int64_t members = zip_get_num_entries(file->archive, 0);
    file->entry = calloc((size_t)members + 1, sizeof *file->entry);
    if (file->entry == NULL) {
        return element_refuse(reason, "out of memory");
    }
    for (zip_int64_t i = 0; i < members; i++) {
        if (!read_member(file, (zip_uint64_t)i, reason)) {
            return false;
        }
    }
    return true;
}

void npz_close(data_tensors *file)
{
    if (file->archive != NULL) {
        zip_discard(file->archive);
        file->archive = NULL;
    }
}

unsigned char *npz_unpack(data_tensors *file, const struct tensor_entry *e,
                          char reason[ELEMENT_REASON])
{
    unsigned char header[512], after;
    unsigned char *bytes = malloc(e->bytes > 0 ? e->bytes : 1);
    if (bytes == NULL) {
        element_refuse(reason, "\"%.100s\": no memory for %zu bytes", e->name, e->bytes);
        return NULL;
    }
    zip_file_t *member = zip_fopen_index(file->archive, e->member, 0);
    bool good = member != NULL || refuse_error(reason, e->name, zip_get_error(file->archive));
    for (size_t left = e->header; left > 0 && good;) {
        size_t some = left < sizeof header ? left : sizeof header;
        good = read_exactly(member, header, some, e->name, reason);
        left -= some;
    }
    good = good && read_exactly(member, bytes, e->bytes, e->name, reason);
    if (good) { /* the checksum is compared at the end */
        zip_int64_t more = zip_fread(member, &after, 1);
        good = more == 0 ||
               (more < 0 ? refuse_error(reason, e->name, zip_file_get_error(member))
                         : element_refuse(reason, "\"%.100s\": is longer than the archive says",
                                          e->name));
    }
    if (member != NULL) {
        zip_fclose(member);
    }
    if (!good) {
        free(bytes);
        return NULL;
    }
    return bytes;
}

/* ---- writing --------------------------------------------------------------------------------- */

/* Where libzip writes to. */
struct target {
    struct platform_file file;
    uint64_t at, end;
    zip_error_t error;
};

static zip_int64_t failed(zip_error_t *error, int code)
{
    zip_error_set(error, code, 0);
    return -1;
}

/* A file that is not there yet and is only written. */
static zip_int64_t target_callback(void *user, void *data, zip_uint64_t length, zip_source_cmd_t command)
{
    struct target *t = user;
    switch (command) {
    case ZIP_SOURCE_SUPPORTS:
        return ZIP_SOURCE_SUPPORTS_WRITABLE;
    case ZIP_SOURCE_STAT: /* not there yet, in libzip's words */
        zip_error_set(&t->error, ZIP_ER_READ, ENOENT);
        return -1;
    case ZIP_SOURCE_BEGIN_WRITE:
    case ZIP_SOURCE_COMMIT_WRITE: /* platform_file_end() does */
    case ZIP_SOURCE_ROLLBACK_WRITE:
    case ZIP_SOURCE_REMOVE:
    case ZIP_SOURCE_FREE:
        return 0;
    case ZIP_SOURCE_WRITE:
        if (!platform_file_write(&t->file, data, (size_t)length)) {
            return failed(&t->error, ZIP_ER_WRITE);
        }
        t->at += length;
        t->end = t->at > t->end ? t->at : t->end;
        return (zip_int64_t)length;
    case ZIP_SOURCE_SEEK_WRITE: {
        zip_int64_t to = zip_source_seek_compute_offset(t->at, t->end, data, length, &t->error);
        if (to < 0 || !platform_file_seek(&t->file, (uint64_t)to)) {
            return to < 0 ? -1 : failed(&t->error, ZIP_ER_SEEK);
        }
        t->at = (uint64_t)to;
        return 0;
    }
    case ZIP_SOURCE_TELL_WRITE:
        return (zip_int64_t)t->at;
    case ZIP_SOURCE_ERROR:
        return zip_error_to_data(&t->error, data, length);
    default:
        return failed(&t->error, ZIP_ER_OPNOTSUPP);
    }
}

/* A member that is being written: header and numbers, fetched when it is its turn. */
struct member {
    int64_t i;
    const void *(*numbers)(void *user, int64_t i);
    void *user;
    const unsigned char *bytes;
    size_t size, header_size, at;
    char header[NPY_HEADER];
    zip_error_t error;
};

/* As many bytes of the member as fit. */
static zip_int64_t member_read(struct member *m, char *out, size_t room)
{
    size_t done = 0;
    if (m->at < m->header_size) {
        done = m->header_size - m->at < room ? m->header_size - m->at : room;
        memcpy(out, m->header + m->at, done);
        m->at += done;
    }
    size_t begin = m->at - m->header_size * (m->at >= m->header_size);
    if (m->at >= m->header_size && done < room && begin < m->size) {
        size_t some = m->size - begin < room - done ? m->size - begin : room - done;
        memcpy(out + done, m->bytes + begin, some);
        m->at += some;
        done += some;
    }
    return (zip_int64_t)done;
}

static zip_int64_t member_callback(void *user, void *data, zip_uint64_t length, zip_source_cmd_t command)
{
    struct member *m = user;
    switch (command) {
    case ZIP_SOURCE_SUPPORTS:
        return ZIP_SOURCE_SUPPORTS_READABLE;
    case ZIP_SOURCE_OPEN:
        m->at = 0;
        m->bytes = m->size > 0 ? m->numbers(m->user, m->i) : NULL;
        return m->size == 0 || m->bytes != NULL ? 0 : failed(&m->error, ZIP_ER_READ);
    case ZIP_SOURCE_READ:
        return member_read(m, data, (size_t)length);
    case ZIP_SOURCE_CLOSE:
    case ZIP_SOURCE_FREE:
        return 0;
    case ZIP_SOURCE_STAT: {
        zip_stat_t *s = data;
        if (length < sizeof *s) {
            return failed(&m->error, ZIP_ER_INVAL);
        }
        zip_stat_init(s);
        s->valid = ZIP_STAT_SIZE;
        s->size = m->header_size + m->size;
        return (zip_int64_t)sizeof *s;
    }
    case ZIP_SOURCE_ERROR:
        return zip_error_to_data(&m->error, data, length);
    default:
        return failed(&m->error, ZIP_ER_OPNOTSUPP);
    }
}

/* Adds member m to the archive; false with the reason. */
static bool add_member(zip_t *archive, struct member *m, const char *item_name, bool compress,
                       char reason[ELEMENT_REASON])
{
    size_t room = strlen(item_name) + sizeof ending;
    char *name = malloc(room);
    zip_source_t *source = name == NULL ? NULL : zip_source_function(archive, member_callback, m);
    if (source == NULL) {
        free(name);
        return element_refuse(reason, "out of memory");
    }
    snprintf(name, room, "%s%s", item_name, ending);
    zip_int64_t at = zip_file_add(archive, name, source, ZIP_FL_ENC_UTF_8);
    free(name);
    if (at < 0) {
        zip_source_free(source);
        int code = zip_error_code_zip(zip_get_error(archive));
        return code == ZIP_ER_EXISTS ? element_refuse(reason, "the name \"%.100s\" is used twice", item_name)
               : code == ZIP_ER_INVAL
                   ? element_refuse(reason, "the name \"%.100s\" is not UTF-8", item_name)
                   : refuse_error(reason, item_name, zip_get_error(archive));
    }
    enum { FIRST_DAY_OF_1980 = 1 << 5 | 1 }; /* the same bits whenever it is written, as NumPy does */
    if (zip_set_file_compression(archive, (zip_uint64_t)at, compress ? ZIP_CM_DEFLATE : ZIP_CM_STORE, 0) != 0 ||
        zip_file_set_dostime(archive, (zip_uint64_t)at, 0, FIRST_DAY_OF_1980, 0) != 0) {
        return refuse_error(reason, item_name, zip_get_error(archive));
    }
    return true;
}

/* The archive of no members, of which libzip makes no file. */
static bool write_empty(struct platform_file *file)
{
    unsigned char end[22] = { 'P', 'K', 5, 6 };
    return platform_file_write(file, end, sizeof end);
}

static bool write_members(struct target *target, struct member *member, int64_t items,
                          const struct tensor_item *item, bool compress, char reason[ELEMENT_REASON])
{
    if (items == 0) {
        return write_empty(&target->file);
    }
    zip_source_t *source = zip_source_function_create(target_callback, target, &target->error);
    zip_t *archive = source == NULL ? NULL : zip_open_from_source(source, ZIP_CREATE | ZIP_TRUNCATE, &target->error);
    if (archive == NULL) {
        zip_source_free(source);
        return refuse_error(reason, NULL, &target->error);
    }
    bool good = true;
    for (int64_t i = 0; i < items && good; i++) {
        good = add_member(archive, &member[i], item[i].name, compress, reason);
    }
    if (good && zip_close(archive) != 0) {
        good = refuse_error(reason, NULL, zip_get_error(archive));
    } else if (good) {
        return true;
    }
    zip_discard(archive);
    return false;
}

ag_error npz_write(const char *path, int64_t items, const struct tensor_item *item, bool compress,
                   const void *(*numbers)(void *user, int64_t i), void *user,
                   char reason[ELEMENT_REASON])
{
    struct member *member = calloc((size_t)items + 1, sizeof *member);
    if (member == NULL) {
        element_refuse(reason, "out of memory");
        return AG_ERROR_MEMORY;
    }
    for (int64_t i = 0; i < items; i++) {
        struct member *m = &member[i];
        m->i = i;
        m->numbers = numbers;
        m->user = user;
        m->header_size = npy_header(item[i].type, item[i].shape, m->header);
        element_bytes(item[i].type, item[i].shape, &m->size);
        zip_error_init(&m->error);
    }
    struct target target = { .at = 0 };
    zip_error_init(&target.error);
    const char *problem = NULL;
    ag_error code = AG_OK;
    if (!platform_file_begin(&target.file, path, &problem)) {
        code = AG_ERROR_FILE;
    } else {
        bool written = write_members(&target, member, items, item, compress, reason);
        bool device = target.file.problem != 0;
        if (!platform_file_end(&target.file, written, &problem)) {
            code = written || device ? AG_ERROR_FILE : AG_ERROR_VALUE;
        }
    }
    if (code == AG_ERROR_FILE) {
        element_refuse(reason, "cannot be written: %.300s", problem);
    }
    for (int64_t i = 0; i < items; i++) {
        zip_error_fini(&member[i].error);
    }
    zip_error_fini(&target.error);
    free(member);
    return code;
}

#else

static const char without[] = "the library was built without libzip, which .npz files need";

bool npz_open(data_tensors *file, char reason[ELEMENT_REASON])
{
    (void)file;
    return element_refuse(reason, "%s", without);
}

void npz_close(data_tensors *file)
{
    (void)file;
}

unsigned char *npz_unpack(data_tensors *file, const struct tensor_entry *e, char reason[ELEMENT_REASON])
{
    (void)file, (void)e;
    element_refuse(reason, "%s", without);
    return NULL;
}

ag_error npz_write(const char *path, int64_t items, const struct tensor_item *item, bool compress,
                   const void *(*numbers)(void *user, int64_t i), void *user, char reason[ELEMENT_REASON])
{
    (void)path, (void)items, (void)item, (void)compress, (void)numbers, (void)user;
    element_refuse(reason, "%s", without);
    return AG_ERROR_VALUE;
}

#endif
