/*
 * NumPy's formats: what NumPy wrote is read, in every type, version and order; what is not numbers in rows is refused with the place
 * and the reason; what is written is read back. The files in golden/formats were made by golden/make_formats.py.
 */
#include "files.h"

#include <inttypes.h>
#include <math.h>

#include "data/npy.h"
#include "data/npz.h"
#include "data/tensors.h"

static const char *golden(const char *name)
{
    static char path[4][PATH_ROOM];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], PATH_ROOM, "%s/formats/%s", TESTS_GOLDEN, name);
    return path[turn];
}

static bool no_archives; /* built without libzip */

static void begin(void)
{
    test_begin();
    data_tensors *file = data_tensors_open(golden("plain.npz"));
    no_archives = strstr(ag_error_message(), "without libzip") != NULL;
    ag_error_clear();
    data_tensors_close(file);
}

/* ---- what NumPy wrote ------------------------------------------------------------------------- */

/* Element i, row-major, of the arrays of make_formats.py. */
static double sevenths(int i)
{
    return (double)((float)(i / 7.0));
}

static double doubles(int i)
{
    return i / 7.0;
}

/* i/7 rounded to 11 bits, to even: exactly representable, so no rounding of the check's own. */
static double halves(int i)
{
    if (i == 0) {
        return 0;
    }
    int exponent;
    double fraction = frexp(i / 7.0, &exponent);
    return ldexp(nearbyint(ldexp(fraction, 11)), exponent - 11);
}

static double centred(int i)
{
    return i - 12;
}

static double plain(int i)
{
    return i;
}

static double high16(int i)
{
    return i + 65000;
}

static double high32(int i)
{
    return i + 4294967266.0;
}

static double thirds(int i)
{
    return i % 3 == 0;
}

static double column(int i) /* of a[:, :, 1] */
{
    return 4 * i + 1;
}

static const struct {
    const char *name, *type;
    ag_dtype dtype;
    int ndim;
    int64_t size[3];
    double (*value)(int i);
} arrays[] = {
    { "f4", "F32", AG_FLOAT32, 3, { 2, 3, 4 }, sevenths },
    { "f8", "F64", AG_FLOAT64, 3, { 2, 3, 4 }, doubles },
    { "f2", "F16", AG_FLOAT32, 3, { 2, 3, 4 }, halves },
    { "i8", "I64", AG_INT64, 3, { 2, 3, 4 }, centred },
    { "i4", "I32", AG_INT64, 3, { 2, 3, 4 }, centred },
    { "i2", "I16", AG_INT64, 3, { 2, 3, 4 }, centred },
    { "i1", "I8", AG_INT64, 3, { 2, 3, 4 }, centred },
    { "u1", "U8", AG_UINT8, 3, { 2, 3, 4 }, plain },
    { "u2", "U16", AG_INT64, 3, { 2, 3, 4 }, high16 },
    { "u4", "U32", AG_INT64, 3, { 2, 3, 4 }, high32 },
    { "b1", "BOOL", AG_UINT8, 3, { 2, 3, 4 }, thirds },
    { "scalar", "F32", AG_FLOAT32, 0, { 0 }, NULL },
    { "empty", "F64", AG_FLOAT64, 2, { 0, 3 }, plain },
    { "fortran", "F64", AG_FLOAT64, 3, { 2, 3, 4 }, doubles },
    { "fortran2", "I16", AG_INT64, 2, { 2, 3 }, column },
};
enum { ARRAYS = sizeof arrays / sizeof arrays[0] };

static void assert_array(data_tensors *file, const char *name, int a)
{
    ck_assert_msg(ag_error_code() == AG_OK, "%s", ag_error_message());
    data_tensor_info info = data_tensors_info(file, data_tensors_find(file, name));
    ck_assert_str_eq(info.type, arrays[a].type);
    ag_scope scope = { 0 };
    ag_begin_no_grad(&scope);
    ag_tensor t = data_tensors_get(file, name);
    ck_assert_msg(ag_error_code() == AG_OK, "%s", ag_error_message());
    ck_assert_int_eq(ag_dtype_of(t), arrays[a].dtype);
    ck_assert(ag_shape_equal(ag_shape_of(t), ag_shape_make(arrays[a].ndim, arrays[a].size)));
    int64_t n = ag_numel(t);
    double got[24];
    ag_read_doubles(t, got, n);
    for (int i = 0; i < n; i++) {
        double want = arrays[a].value == NULL ? 2.5 : arrays[a].value(i);
        ck_assert_msg(got[i] == want, "%s[%d] is %.17g instead of %.17g", arrays[a].name, i, got[i],
                      want);
    }
    ag_end(&scope);
}

START_TEST(an_array_of_numpy_is_read)
{
    char name[32];
    snprintf(name, sizeof name, "%s.npy", arrays[_i].name);
    data_tensors *file = data_tensors_open(golden(name));
    ck_assert_int_eq(data_tensors_count(file), 1);
    assert_array(file, "", _i);
    data_tensors_close(file);
}
END_TEST

START_TEST(all_versions_of_the_header_are_read)
{
    for (int version = 2; version <= 3; version++) {
        char name[32];
        snprintf(name, sizeof name, "version%d.npy", version);
        data_tensors *file = data_tensors_open(golden(name));
        assert_array(file, "", 0);
        data_tensors_close(file);
    }
}
END_TEST

START_TEST(an_archive_of_numpy_is_read_stored_and_compressed)
{
    if (no_archives) {
        return;
    }
    data_tensors *file = data_tensors_open(golden(_i == 0 ? "plain.npz" : "compressed.npz"));
    ck_assert_msg(ag_error_code() == AG_OK, "%s", ag_error_message());
    ck_assert_int_eq(data_tensors_count(file), ARRAYS + _i);
    for (int a = 0; a < ARRAYS; a++) {
        ck_assert_str_eq(data_tensors_info(file, a).name, arrays[a].name);
        assert_array(file, arrays[a].name, a);
    }
    data_tensors_close(file);
}
END_TEST

/* ---- what is refused -------------------------------------------------------------------------- */

START_TEST(arrays_that_are_no_numbers_in_rows_are_refused)
{
    static const struct {
        const char *name, *says;
    } bad[] = {
        { "bad-swapped.npy", "byte 20: descr: >f4 is byte-swapped: save it with astype('<f4') (" },
        { "bad-object.npy",
          "byte 20: descr: |O: the elements are Python objects, which only Python can read (" },
        { "bad-record.npy", "byte 20: descr: the elements are records (" },
        { "bad-text.npy", "byte 20: descr: <U3: the elements are texts (" },
        { "bad-complex.npy", "byte 20: descr: <c8: the elements are complex numbers (" },
        { "bad-member.npz", "\"readme.txt\" is not a .npy file (" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (no_archives && strstr(bad[i].name, ".npz") != NULL) {
            continue;
        }
        char want[2 * PATH_ROOM];
        data_tensors_close(data_tensors_open(golden(bad[i].name)));
        snprintf(want, sizeof want, "data_tensors_open: %s: %s", golden(bad[i].name), bad[i].says);
        test_expect(AG_ERROR_FORMAT, want);
    }
}
END_TEST

/* A version 1 file of this dictionary and so many bytes of numbers, of exactly its length. */
static unsigned char *npy_of(const char *dictionary, size_t numbers, size_t *length)
{
    size_t text = strlen(dictionary);
    *length = 10 + text + numbers;
    unsigned char *bytes = calloc(1, *length);
    memcpy(bytes, "\x93NUMPY\1\0", 8);
    bytes[8] = (unsigned char)text;
    bytes[9] = (unsigned char)(text >> 8);
    memcpy(bytes + 10, dictionary, text);
    return bytes;
}

static const struct {
    const char *dictionary;
    size_t numbers;
    const char *reason; /* NULL: it is fine */
} headers[] = {
    { "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }\n", 12, NULL },
    { "{\"shape\":(3L,),'fortran_order':True,'descr':\"<f4\"}", 12, NULL },
    { "{'descr': '|f4', 'fortran_order': False, 'shape': (), }     \n", 4, NULL },
    { "", 0, "byte 10: { is expected" },
    { "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), ", 12, "byte 66: a text is expected" },
    { "{'descr': '<f4', 'fortran_order': False, 'shape': (3,)} x", 12, "the end is expected" },
    { "{'descr': '<f4' 'fortran_order': False}", 0, "byte 26: a comma is expected" },
    { "{'descr' '<f4'}", 0, "a colon is expected" },
    { "{'descr': '<f4", 0, "the end of a text is expected" },
    { "{'descr': '<\\x664'}", 0, "a text without escapes is expected" },
    { "{'descr': '<f4', 'descr': '<f4'}", 0, "byte 27: the key \"descr\" is there twice" },
    { "{'descr': '<f4', 'order': 3}", 0, "byte 27: the key \"order\" is not known" },
    { "{'descr': '<f4', 'fortran_order': False}", 0, "the header has no key \"shape\"" },
    { "{'fortran_order': 0}", 0, "fortran_order: True or False is expected" },
    { "{'descr': '<f3'}", 0, "descr: <f3: the elements are of a type that is not known" },
    { "{'descr': '>i8'}", 0, "descr: >i8 is byte-swapped" },
    { "{'descr': 4}", 0, "a text is expected" },
    { "{'shape': 3}", 0, "shape: a tuple is expected" },
    { "{'shape': (3)}", 0, "shape: a comma behind its only size is expected" },
    { "{'shape': (-3,)}", 0, "shape: a size from 0 is expected" },
    { "{'shape': (3 4)}", 0, "shape: a comma is expected" },
    { "{'shape': (,)}", 0, "shape: a size from 0 is expected" },
    { "{'shape': (1,1,1,1,1,1,1,1,1)}", 0, "shape: has more than 8 dimensions" },
    { "{'shape': (9223372036854775808,)}", 0, "byte 21: shape: a size is larger than can be counted" },
    { "{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296,4294967296), }", 0,
      "shape: (4294967296,4294967296) has more elements than can be counted" },
    { "{'descr': '<f8', 'fortran_order': False, 'shape': (2305843009213693952,), }", 0,
      "has more elements than can be counted" },
    { "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }\n", 11,
      "byte 68: (3) of type f4 has 12 bytes, but there are 11" },
    { "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }\n", 13,
      "byte 68: (3) of type f4 has 12 bytes, but there are 13" },
};

START_TEST(a_header_is_python_as_numpy_writes_it_or_refused)
{
    size_t length;
    unsigned char *bytes = npy_of(headers[_i].dictionary, headers[_i].numbers, &length);
    struct npy npy;
    char reason[ELEMENT_REASON];
    bool good = npy_open(&npy, bytes, length, reason);
    if (headers[_i].reason == NULL) {
        ck_assert_msg(good, "%s", reason);
        ck_assert_uint_eq(npy.bytes, headers[_i].numbers);
    } else {
        ck_assert(!good);
        ck_assert_msg(strstr(reason, headers[_i].reason) != NULL, "%s\ninstead of: %s", reason,
                      headers[_i].reason);
    }
    free(bytes);
}
END_TEST

START_TEST(magic_version_and_length_are_checked)
{
    struct npy npy;
    char reason[ELEMENT_REASON];
    static const struct {
        const char *bytes;
        size_t n;
        const char *reason;
    } bad[] = {
        { "\x93NUMPX\1\0\0\0", 10, "byte 0: is not a .npy file" },
        { "\x93NUMPY\1", 7, "byte 0: is not a .npy file" },
        { "\x93NUMPY\4\0\0\0\0\0", 12, "byte 6: version 4.0 of the format is not known" },
        { "\x93NUMPY\1\1\0\0", 10, "byte 6: version 1.1 of the format is not known" },
        { "\x93NUMPY\2\0\0\0", 10, "10 bytes are too few for a header" },
        { "\x93NUMPY\2\0\xff\xff\xff\xff", 12, "byte 8: a header of 4294967295 bytes is longer" },
        { "\x93NUMPY\1\0\x10\0{}", 12, "12 bytes are too few for a header of 26" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        unsigned char *bytes = malloc(bad[i].n);
        memcpy(bytes, bad[i].bytes, bad[i].n);
        ck_assert(!npy_open(&npy, bytes, bad[i].n, reason));
        ck_assert_msg(strstr(reason, bad[i].reason) != NULL, "%s\ninstead of: %s", reason,
                      bad[i].reason);
        free(bytes);
    }
}
END_TEST

/* ---- damage ----------------------------------------------------------------------------------- */

static size_t slurp(const char *path, unsigned char *bytes, size_t room)
{
    FILE *file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    size_t n = fread(bytes, 1, room, file);
    fclose(file);
    ck_assert_uint_lt(n, room);
    return n;
}

/* Opens what may be damaged, and reads what it lists. */
static bool read_everything(const char *path)
{
    data_tensors *file = data_tensors_open(path);
    for (int64_t i = 0; i < data_tensors_count(file) && ag_error_code() == AG_OK; i++) {
        data_tensor_info info = data_tensors_info(file, i);
        int64_t n = ag_shape_numel(info.shape);
        void *numbers = malloc((size_t)n * ag_dtype_size(info.dtype) + 1);
        if (info.readable) {
            data_tensors_read(file, info.name, info.dtype, numbers, n);
        }
        free(numbers);
    }
    bool good = ag_error_code() == AG_OK;
    ck_assert_int_ne(ag_error_code(), AG_ERROR_VALUE);
    ag_error_clear();
    data_tensors_close(file);
    return good;
}

START_TEST(an_array_cut_anywhere_is_refused_and_no_damage_is_worse)
{
    static unsigned char bytes[4096];
    size_t n = slurp(golden("f4.npy"), bytes, sizeof bytes);
    for (size_t length = 0; length < n; length++) {
        ck_assert_msg(!read_everything(test_write("cut.npy", bytes, length)), "cut to %zu", length);
    }
    for (size_t at = 0; at < 128; at++) {
        for (int bit = 0; bit < 8; bit++) {
            bytes[at] ^= (unsigned char)(1 << bit);
            read_everything(test_write("bad.npy", bytes, n));
            bytes[at] ^= (unsigned char)(1 << bit);
        }
    }
}
END_TEST

START_TEST(an_archive_with_damaged_numbers_is_never_read_as_whole)
{
    if (no_archives) {
        return;
    }
    static unsigned char bytes[1 << 14];
    size_t n = slurp(golden("compressed.npz"), bytes, sizeof bytes);
    for (size_t length = 0; length < n; length += 7) {
        ck_assert_msg(!read_everything(test_write("cut.npz", bytes, length)), "cut to %zu", length);
    }
    data_tensors *file = data_tensors_open(golden("compressed.npz"));
    static unsigned char all[32][1024];
    for (int a = 0; a < ARRAYS; a++) {
        data_tensor_info info = data_tensors_info(file, a);
        data_tensors_read(file, info.name, info.dtype, all[a], ag_shape_numel(info.shape));
    }
    data_tensors_close(file);
    int read = 0;
    for (size_t at = 0; at < n; at++) { /* what is read in spite of it is what was written */
        bytes[at] ^= (unsigned char)(1 << at % 8);
        file = data_tensors_open(test_write("bad.npz", bytes, n));
        for (int a = 0; a < ARRAYS && ag_error_code() == AG_OK; a++) {
            static unsigned char numbers[1024];
            data_tensor_info info = data_tensors_info(file, a);
            int64_t count = ag_shape_numel(info.shape);
            if (strcmp(info.name, arrays[a].name) == 0 && info.dtype == arrays[a].dtype && count <= 24 &&
                data_tensors_read(file, info.name, info.dtype, numbers, count) == AG_OK) {
                ck_assert_mem_eq(numbers, all[a], (size_t)count * ag_dtype_size(info.dtype));
                read++;
            }
        }
        ag_error_clear();
        data_tensors_close(file);
        bytes[at] ^= (unsigned char)(1 << at % 8);
    }
    ck_assert_int_gt(read, 0);
}
END_TEST

START_TEST(an_archive_that_promises_more_than_it_can_hold_is_refused_before_memory_is_asked_for)
{
    if (no_archives) {
        return;
    }
    ag_scope scope = { 0 };
    ag_begin_no_grad(&scope);
    data_tensors_writer *w = data_tensors_writer_new();
    data_tensors_writer_add(w, "zeros", ag_zeros(AG_SHAPE(1000), AG_FLOAT32));
    data_tensors_writer_compress(w, true);
    data_tensors_writer_save(w, test_path("z.npz"));
    data_tensors_writer_free(w);
    ag_end(&scope);
    static unsigned char bytes[4096];
    size_t n = slurp(test_path("z.npz"), bytes, sizeof bytes);
    for (size_t i = 0; i + 30 < n; i++) { /* the length in the local and in the central header */
        size_t at = memcmp(bytes + i, "PK\3\4", 4) == 0 ? i + 22 : memcmp(bytes + i, "PK\1\2", 4) == 0 ? i + 24 : 0;
        if (at > 0) {
            memcpy(bytes + at, "\0\0\0\x70", 4);
        }
    }
    data_tensors_close(data_tensors_open(test_write("z.npz", bytes, n)));
    test_expect(AG_ERROR_FORMAT, test_says("data_tensors_open", "z.npz", "\"zeros.npy\": 1879048192 bytes cannot be in "));
}
END_TEST

/* ---- writing ---------------------------------------------------------------------------------- */

START_TEST(arrays_are_written_as_numpy_writes_them)
{
    /* NumPy's own files of row-major arrays are the same to the byte. */
    for (int a = 0; a < 13; a++) {
        char name[32];
        snprintf(name, sizeof name, "%s.npy", arrays[a].name);
        data_tensors *file = data_tensors_open(golden(name));
        data_tensors_writer *w = data_tensors_writer_new();
        data_tensors_writer_copy(w, file, 0, "x");
        ck_assert_msg(data_tensors_writer_save(w, test_path("x.npy")) == AG_OK, "%s", ag_error_message());
        static unsigned char want[1024], got[1024];
        size_t n = slurp(golden(name), want, sizeof want);
        ck_assert_uint_eq(slurp(test_path("x.npy"), got, sizeof got), n);
        ck_assert_mem_eq(got, want, n);
        data_tensors_writer_free(w);
        data_tensors_close(file);
    }
}
END_TEST

START_TEST(an_archive_comes_back_and_goes_on_to_another_format)
{
    if (no_archives) {
        return;
    }
    data_tensors *file = data_tensors_open(golden("plain.npz"));
    data_tensors_writer *w = data_tensors_writer_new();
    for (int a = 0; a < ARRAYS; a++) {
        data_tensors_writer_copy(w, file, a, NULL);
    }
    data_tensors_writer_compress(w, _i == 1);
    const char *path = test_path(_i == 2 ? "a.safetensors" : "a.npz");
    ck_assert_msg(data_tensors_writer_save(w, path) == AG_OK, "%s", ag_error_message());
    data_tensors_writer_free(w);
    data_tensors_close(file);
    file = data_tensors_open(path);
    ck_assert_int_eq(data_tensors_count(file), ARRAYS);
    for (int a = 0; a < ARRAYS; a++) {
        assert_array(file, arrays[a].name, a);
    }
    static unsigned char first[1 << 14], second[1 << 14];
    size_t n = slurp(path, first, sizeof first);
    w = data_tensors_writer_new(); /* the same bits, whenever it is written */
    for (int a = 0; a < ARRAYS; a++) {
        data_tensors_writer_copy(w, file, a, NULL);
    }
    data_tensors_writer_compress(w, _i == 1);
    data_tensors_writer_save(w, test_path(_i == 2 ? "b.safetensors" : "b.npz"));
    ck_assert_uint_eq(slurp(test_path(_i == 2 ? "b.safetensors" : "b.npz"), second, sizeof second), n);
    ck_assert_mem_eq(first, second, n);
    data_tensors_writer_free(w);
    data_tensors_close(file);
}
END_TEST

START_TEST(large_arrays_go_through_an_archive)
{
    if (no_archives) {
        return;
    }
    enum { N = 300000 };
    ag_tensor t = ag_leaf(AG_SHAPE(N), AG_FLOAT64, false), empty = ag_leaf(AG_SHAPE(0, 2), AG_UINT8, false);
    double *want = malloc(N * sizeof *want), *got = malloc(N * sizeof *got);
    uint64_t state = 1;
    for (int i = 0; i < N; i++) {
        state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
        want[i] = (double)(state >> 11);
    }
    ag_write(t, want, N);
    data_tensors_writer *w = data_tensors_writer_new();
    data_tensors_writer_add(w, "empty", empty);
    data_tensors_writer_add(w, "gr\xc3\xb6\xc3\x9f" "e/0", t);
    data_tensors_writer_compress(w, _i == 1);
    ck_assert_int_eq(data_tensors_writer_save(w, test_path("l.npz")), AG_OK);
    data_tensors *file = data_tensors_open(test_path("l.npz"));
    data_tensors_read(file, "gr\xc3\xb6\xc3\x9f" "e/0", AG_FLOAT64, got, N);
    ck_assert_msg(ag_error_code() == AG_OK, "%s", ag_error_message());
    ck_assert_mem_eq(got, want, N * sizeof *want);
    ck_assert_int_eq(data_tensors_info(file, 0).bytes, 0);
    data_tensors_close(file);
    data_tensors_writer_free(w);
    ag_drop(&t);
    ag_drop(&empty);
    free(want);
    free(got);
}
END_TEST

START_TEST(an_archive_of_nothing_is_one)
{
    if (no_archives) {
        return;
    }
    ag_list *list = ag_list_new();
    ck_assert_int_eq(data_tensors_save(test_path("e.npz"), list), AG_OK);
    data_tensors *file = data_tensors_open(test_path("e.npz"));
    ck_assert_msg(ag_error_code() == AG_OK, "%s", ag_error_message());
    ck_assert_int_eq(data_tensors_count(file), 0);
    data_tensors_close(file);
    ag_list_free(list);
}
END_TEST

START_TEST(what_numpy_cannot_hold_is_refused)
{
    data_tensors *types = data_tensors_open(golden("types.safetensors"));
    data_tensors_writer *w = data_tensors_writer_new();
    data_tensors_writer_copy(w, types, data_tensors_find(types, "bf16"), NULL);
    data_tensors_writer_save(w, test_path("x.npy"));
    test_expect(AG_ERROR_VALUE, test_says("data_tensors_save", "x.npy", "NumPy has no type for \"bf16\", which is BF16 ("));
    data_tensors_writer_free(w);
    w = data_tensors_writer_new();
    data_tensors_writer_copy(w, types, data_tensors_find(types, "f32"), "a");
    data_tensors_writer_compress(w, true);
    data_tensors_writer_save(w, test_path("x.npy"));
    test_expect(AG_ERROR_VALUE, test_says("data_tensors_save", "x.npy", "only .npz files are compressed ("));
    data_tensors_writer_compress(w, false);
    data_tensors_writer_copy(w, types, data_tensors_find(types, "f64"), "a");
    data_tensors_writer_save(w, test_path("x.npy"));
    test_expect(AG_ERROR_VALUE, test_says("data_tensors_save", "x.npy", "a .npy file has one tensor, not 2 ("));
    if (!no_archives) {
        data_tensors_writer_save(w, test_path("x.npz"));
        test_expect(AG_ERROR_VALUE, test_says("data_tensors_save", "x.npz", "the name \"a\" is used twice ("));
        data_tensors_writer *other = data_tensors_writer_new();
        data_tensors_writer_copy(other, types, 0, "\xff\xfe");
        data_tensors_writer_save(other, test_path("x.npz"));
        ck_assert_ptr_nonnull(strstr(ag_error_message(), "is not UTF-8 ("));
        test_expect(AG_ERROR_VALUE, test_says("data_tensors_save", "x.npz", "the name "));
        data_tensors_writer_free(other);
    }
    data_tensors_writer_text(w, "who", "me");
    data_tensors_writer_save(w, test_path("x.npz"));
    test_expect(AG_ERROR_VALUE, test_says("data_tensors_save", "x.npz", "NumPy's formats have no place for the text \"who\" ("));
    data_tensors_writer_free(w);
    data_tensors_close(types);
    ck_assert(access(test_path("x.npz"), F_OK) != 0 && access(test_path("x.npy"), F_OK) != 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("numpy");
    TCase *tcase = tcase_create("numpy");
    tcase_set_timeout(tcase, 30);
    tcase_add_checked_fixture(tcase, begin, test_end);
    tcase_add_loop_test(tcase, an_array_of_numpy_is_read, 0, ARRAYS);
    tcase_add_test(tcase, all_versions_of_the_header_are_read);
    tcase_add_loop_test(tcase, an_archive_of_numpy_is_read_stored_and_compressed, 0, 2);
    tcase_add_test(tcase, arrays_that_are_no_numbers_in_rows_are_refused);
    tcase_add_loop_test(tcase, a_header_is_python_as_numpy_writes_it_or_refused, 0,
                        (int)(sizeof headers / sizeof headers[0]));
    tcase_add_test(tcase, magic_version_and_length_are_checked);
    tcase_add_test(tcase, an_array_cut_anywhere_is_refused_and_no_damage_is_worse);
    tcase_add_test(tcase, an_archive_with_damaged_numbers_is_never_read_as_whole);
    tcase_add_test(tcase, an_archive_that_promises_more_than_it_can_hold_is_refused_before_memory_is_asked_for);
    tcase_add_test(tcase, arrays_are_written_as_numpy_writes_them);
    tcase_add_loop_test(tcase, an_archive_comes_back_and_goes_on_to_another_format, 0, 3);
    tcase_add_loop_test(tcase, large_arrays_go_through_an_archive, 0, 2);
    tcase_add_test(tcase, an_archive_of_nothing_is_one);
    tcase_add_test(tcase, what_numpy_cannot_hold_is_refused);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
