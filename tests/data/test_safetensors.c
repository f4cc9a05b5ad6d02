/*
 * The safetensors format by its published description: files made here by hand are read, files that lie are refused with the
 * tensor, the place and the reason, and no damage of a header is worse than a refusal.
 */
#include "files.h"

#include <inttypes.h>
#include <math.h>

#include "data/safetensors.h"

enum { ROOM = 1 << 14 };

/* A file in memory of exactly this length, so that a byte too far is found: length, header, `n` bytes that count up. */
static unsigned char *file_of(const char *header, uint64_t says, size_t n, size_t *length)
{
    size_t text = strlen(header);
    *length = 8 + text + n;
    unsigned char *bytes = malloc(*length);
    ck_assert_ptr_nonnull(bytes);
    for (int i = 0; i < 8; i++) {
        bytes[i] = (unsigned char)(says >> 8 * i);
    }
    memcpy(bytes + 8, header, text);
    for (size_t i = 0; i < n; i++) {
        bytes[8 + text + i] = (unsigned char)i;
    }
    return bytes;
}

#define W12 "{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12]}"

START_TEST(a_header_is_read_in_the_order_of_the_data)
{
    static const char header[] =
        "{\"b\":{\"dtype\":\"I16\",\"shape\":[2,1],\"data_offsets\":[12,16]},"
        "\"__metadata__\":{\"format\":\"pt\",\"who\":\"\\u00e9\"},"
        "\"none\":{\"data_offsets\":[12,12],\"shape\":[0,7],\"dtype\":\"F64\"},"
        "\"a\":{\"shape\":[],\"dtype\":\"F32\",\"data_offsets\":[8,12]},"
        "\"\":{\"shape\":[1],\"dtype\":\"U64\",\"data_offsets\":[0,8]}}   ";
    size_t length;
    unsigned char *bytes = file_of(header, strlen(header), 16, &length);
    struct safetensors s;
    char reason[ELEMENT_REASON];
    ck_assert_msg(safetensors_open(&s, bytes, length, reason), "%s", reason);
    static const struct {
        const char *name;
        element type;
        int ndim;
        size_t begin, bytes;
    } want[] = { { "", ELEMENT_U64, 1, 0, 8 },
                 { "a", ELEMENT_F32, 0, 8, 4 },
                 { "none", ELEMENT_F64, 2, 12, 0 },
                 { "b", ELEMENT_I16, 2, 12, 4 } };
    ck_assert_int_eq(s.tensors, 4);
    for (int i = 0; i < 4; i++) {
        ck_assert_str_eq(s.tensor[i].name, want[i].name);
        ck_assert_int_eq(s.tensor[i].type, want[i].type);
        ck_assert_int_eq(s.tensor[i].shape.ndim, want[i].ndim);
        ck_assert_uint_eq(s.tensor[i].begin, want[i].begin);
        ck_assert_uint_eq(s.tensor[i].bytes, want[i].bytes);
    }
    ck_assert_int_eq(s.texts, 2);
    ck_assert_str_eq(s.text[1].value, "\xc3\xa9");
    ck_assert_ptr_eq(s.data, bytes + 8 + strlen(header));
    safetensors_close(&s);
    free(bytes);
}
END_TEST

static const struct {
    const char *header;
    size_t data;
    const char *reason;
} lies[] = {
    { "", 0, "byte 8: the header does not begin with {" },
    { " {}", 0, "byte 8: the header does not begin with {" },
    { "[]", 0, "byte 8: the header does not begin with {" },
    { "{", 0, "byte 9: " },
    { "{}x", 0, "byte 11: end of file expected near 'x'" },
    { "{\"a\":1e999}", 0, "byte 18: real number overflow" },
    { "{\"a\":" W12 ",\"a\":" W12 "}", 12, "byte 66: duplicate object key near '\"a\"'" },
    { "{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", 0, "duplicate object key" },
    { "{\"__metadata__\":{\"k\":1}}", 0, "the metadata \"k\" is no text" },
    { "{\"__metadata__\":[]}", 0, "\"__metadata__\" is not an object" },
    { "{\"a\\u0000b\":" W12 "}", 12, "NUL byte in object key not supported" },
    { "{\"a\xff\":" W12 "}", 12, "unable to decode byte 0xff" },
    { "{\"a\\n\\u001b[2J\":3}", 0, "\"a??[2J\": a tensor is an object of three entries" },
    { "{\"a\":{\"dtype\":\"F33\",\"shape\":[3],\"data_offsets\":[0,12]}}", 12,
      "\"a\": dtype: \"F33\" is not known" },
    { "{\"a\":{\"dtype\":32,\"shape\":[3],\"data_offsets\":[0,12]}}", 12,
      "\"a\": dtype: a text is needed" },
    { "{\"a\":{\"shape\":[3],\"data_offsets\":[0,12]}}", 12, "\"a\": dtype: a text is needed" },
    { "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,12]}}", 12,
      "\"a\": shape: a list of at most 8 sizes from 0 is needed" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[-3],\"data_offsets\":[0,12]}}", 12, "\"a\": shape: a list" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[3.0],\"data_offsets\":[0,12]}}", 12,
      "\"a\": shape: a list" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":3,\"data_offsets\":[0,12]}}", 12, "\"a\": shape: a list" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,3],\"data_offsets\":[0,12]}}", 12,
      "\"a\": shape: a list of at most 8 sizes from 0 is needed, and it has more" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0,
      "\"a\": shape: (4294967296,4294967296) has more elements than can be counted" },
    { "{\"a\":{\"dtype\":\"F64\",\"shape\":[2305843009213693952],\"data_offsets\":[0,0]}}", 0,
      "\"a\": shape: (2305843009213693952) has more elements than can be counted" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[18446744073709551616],\"data_offsets\":[0,0]}}", 0,
      "too big integer" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[3]}}", 12,
      "\"a\": data_offsets: two whole numbers are needed" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0]}}", 12,
      "\"a\": data_offsets: two whole numbers are needed" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12,24]}}", 12,
      "\"a\": data_offsets: two whole numbers are needed" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,\"12\"]}}", 12,
      "\"a\": data_offsets: two whole numbers are needed" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[12,0]}}", 12,
      "\"a\": data_offsets: 12 to 0 is not within 12 bytes" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[-12,0]}}", 12,
      "\"a\": data_offsets: -12 to 0 is not within 12 bytes" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}", 12,
      "\"a\": data_offsets: 0 to 16 is not within 12 bytes" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", 12,
      "\"a\": data_offsets: 0 to 8 does not fit F32 (3), which has 12 bytes" },
    { "{\"a\":" W12 ",\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[8,12]}}", 12,
      "\"b\": data_offsets: 8 to 12 overlaps \"a\", which has 0 to 12" },
    { "{\"a\":" W12 ",\"b\":" W12 "}", 12, "\"b\": data_offsets: 0 to 12 overlaps \"a\"" },
    { "{\"a\":" W12 ",\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[13,17]}}", 17,
      "\"b\": data_offsets: 13 to 17 leaves a gap behind byte 12" },
    { "{\"a\":" W12 "}", 16, "byte 75: 4 bytes belong to no tensor" },
    { "{}", 1, "byte 10: 1 bytes belong to no tensor" },
};

START_TEST(a_file_that_lies_is_refused_with_place_and_reason)
{
    size_t length;
    unsigned char *bytes = file_of(lies[_i].header, strlen(lies[_i].header), lies[_i].data, &length);
    struct safetensors s;
    char reason[ELEMENT_REASON];
    ck_assert(!safetensors_open(&s, bytes, length, reason));
    ck_assert_msg(strstr(reason, lies[_i].reason) != NULL, "%s\ninstead of: %s", reason,
                  lies[_i].reason);
    safetensors_close(&s);
    free(bytes);
}
END_TEST

START_TEST(a_header_of_any_length_but_its_own_is_refused)
{
    static const uint64_t lengths[] = { UINT64_MAX, UINT64_MAX - 7, UINT64_MAX - 8, UINT64_MAX - 9,
                                        (uint64_t)1 << 63, (uint64_t)1 << 32, 100000001, 1000, 3 };
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        size_t length;
        unsigned char *bytes = file_of("{}", lengths[i], 0, &length);
        struct safetensors s;
        char reason[ELEMENT_REASON], want[100];
        ck_assert(!safetensors_open(&s, bytes, length, reason));
        snprintf(want, sizeof want, "10 bytes are too few for a header of %" PRIu64, lengths[i]);
        ck_assert_str_eq(reason, want);
        safetensors_close(&s);
        free(bytes);
    }
}
END_TEST

/* ---- damage ---------------------------------------------------------------------------------- */

static const char whole[] =
    "{\"__metadata__\":{\"format\":\"pt\"},\"layer.weight\":{\"dtype\":\"F32\",\"shape\":[2,3],"
    "\"data_offsets\":[0,24]},\"layer.bias\":{\"dtype\":\"BF16\",\"shape\":[3],\"data_offsets\":"
    "[24,30]},\"n\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[30,38]}}";

/* If it is taken, everything that it says must be so: each byte of each tensor is there to be read. */
static void read_all(const unsigned char *bytes, size_t length)
{
    struct safetensors s;
    char reason[ELEMENT_REASON] = "";
    if (safetensors_open(&s, bytes, length, reason)) {
        size_t covered = 0;
        for (int64_t i = 0; i < s.tensors; i++) {
            const struct safetensors_tensor *t = &s.tensor[i];
            int64_t n = ag_shape_numel(t->shape);
            ag_dtype dtype = element_types[t->type].dtype;
            void *numbers = malloc((size_t)n * ag_dtype_size(dtype) + 1);
            if (element_types[t->type].readable) {
                element_read(t->type, s.data + t->begin, n, dtype, numbers);
            }
            covered += t->bytes;
            free(numbers);
        }
        ck_assert_uint_eq(covered, length - s.data_offset);
    } else {
        ck_assert(reason[0] != '\0');
    }
    safetensors_close(&s);
}

START_TEST(a_file_cut_anywhere_is_refused)
{
    size_t length;
    unsigned char *bytes = file_of(whole, strlen(whole), 38, &length);
    for (size_t n = 0; n < length; n++) {
        unsigned char *cut = malloc(n + 1);
        memcpy(cut, bytes, n);
        struct safetensors s;
        char reason[ELEMENT_REASON];
        ck_assert_msg(!safetensors_open(&s, cut, n, reason), "cut to %zu bytes", n);
        safetensors_close(&s);
        free(cut);
    }
    read_all(bytes, length);
    free(bytes);
}
END_TEST

START_TEST(no_damage_is_worse_than_a_refusal)
{
    size_t length;
    unsigned char *bytes = file_of(whole, strlen(whole), 38, &length);
    unsigned char *bad = malloc(length);
    uint64_t state = 7;
#define DRAW() (state = state * UINT64_C(6364136223846793005) + 1442695040888963407u, state >> 33)
    for (size_t at = 0; at < length; at++) { /* each bit of the header */
        for (int bit = 0; bit < 8; bit++) {
            memcpy(bad, bytes, length);
            bad[at] ^= (unsigned char)(1 << bit);
            read_all(bad, length);
        }
    }
    static const char alphabet[] = "0123456789{}[]\",:-.eE\\u \xc3\xff\x00";
    for (int round = 0; round < 20000; round++) { /* a few bytes in places of JSON's own characters */
        memcpy(bad, bytes, length);
        for (uint64_t n = 1 + DRAW() % 6; n > 0; n--) {
            size_t at = (size_t)(DRAW() % (strlen(whole) + 8));
            bad[at] = (unsigned char)alphabet[DRAW() % sizeof alphabet];
        }
        if (round % 2 == 0) {
            memcpy(bad, bytes, 8);
        }
        read_all(bad, length);
    }
    for (int round = 0; round < 2000; round++) { /* pieces copied elsewhere: doubled keys, moved numbers */
        memcpy(bad, bytes, length);
        size_t n = 1 + (size_t)(DRAW() % 40), from = 8 + (size_t)(DRAW() % (strlen(whole) - n)),
               to = 8 + (size_t)(DRAW() % (strlen(whole) - n));
        memmove(bad + to, bytes + from, n);
        read_all(bad, length);
    }
    free(bad);
    free(bytes);
}
END_TEST

/* ---- writing --------------------------------------------------------------------------------- */

static const void *numbers_of(void *user, int64_t i)
{
    return ((const void *const *)user)[i];
}

START_TEST(what_is_written_is_the_format_to_the_byte)
{
    static const float w[2] = { 1.0f, -2.0f };
    static const uint8_t u[3] = { 7, 8, 9 };
    static const int64_t n = -2;
    const void *numbers[] = { u, w, &n, NULL };
    struct safetensors_tensor t[] = {
        { .name = "u", .type = ELEMENT_U8, .shape = AG_SHAPE(3) },
        { .name = "w", .type = ELEMENT_F32, .shape = AG_SHAPE(2, 1) },
        { .name = "n", .type = ELEMENT_I64, .shape = AG_SHAPE_SCALAR },
        { .name = "\xc3\xa9", .type = ELEMENT_F16, .shape = AG_SHAPE(0) },
    };
    const struct safetensors_text text = { "format", "pt" };
    struct safetensors_content content = { 4, 1, t, &text, numbers_of, numbers };
    const char *path = test_path("t.safetensors");
    char reason[ELEMENT_REASON];
    ck_assert_msg(safetensors_write(path, &content, reason) == AG_OK, "%s", reason);

    static const char header[] =
        "{\"__metadata__\":{\"format\":\"pt\"},"
        "\"n\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]},"
        "\"w\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[8,16]},"
        "\"\xc3\xa9\":{\"dtype\":\"F16\",\"shape\":[0],\"data_offsets\":[16,16]},"
        "\"u\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[16,19]}}";
    size_t padded = (strlen(header) + 7) / 8 * 8;
    static unsigned char want[ROOM], got[ROOM];
    want[0] = (unsigned char)padded;
    want[1] = (unsigned char)(padded >> 8);
    memset(want + 8, ' ', padded);
    memcpy(want + 8, header, strlen(header));
    static const unsigned char data[] = { 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0,
                                          0x80, 0x3f, 0,    0,    0,    0xc0, 7,    8,    9 };
    memcpy(want + 8 + padded, data, sizeof data);
    FILE *file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    size_t length = fread(got, 1, ROOM, file);
    fclose(file);
    ck_assert_uint_eq(length, 8 + padded + sizeof data);
    ck_assert_mem_eq(got, want, length);
}
END_TEST

START_TEST(what_the_format_cannot_hold_is_refused_before_there_is_a_file)
{
    static const float w[2] = { 0 };
    const void *numbers[] = { w, w };
    const struct {
        const char *first, *second, *reason;
    } bad[] = {
        { "a", "a", "the name \"a\" is used twice" },
        { "__metadata__", "a", "the format keeps the name \"__metadata__\" for itself" },
        { "a", "b\xff", "is not UTF-8" },
    };
    for (int i = 0; i < 3; i++) {
        struct safetensors_tensor t[] = {
            { .name = bad[i].first, .type = ELEMENT_F32, .shape = AG_SHAPE(2) },
            { .name = bad[i].second, .type = ELEMENT_F32, .shape = AG_SHAPE(2) },
        };
        struct safetensors_content content = { 2, 0, t, NULL, numbers_of, numbers };
        char reason[ELEMENT_REASON];
        ck_assert_int_eq(safetensors_write(test_path("t"), &content, reason), AG_ERROR_VALUE);
        ck_assert_msg(strstr(reason, bad[i].reason) != NULL, "%s", reason);
        ck_assert(access(test_path("t"), F_OK) != 0);
    }
}
END_TEST

/* ---- numbers --------------------------------------------------------------------------------- */

START_TEST(every_half_and_every_bfloat_is_widened_to_its_value)
{
    for (uint32_t bits = 0; bits < 65536; bits++) {
        uint16_t h = (uint16_t)bits;
        int sign = h >> 15 != 0 ? -1 : 1, exponent = h >> 10 & 31, fraction = h & 1023;
        float got;
        element_read(ELEMENT_F16, &h, 1, AG_FLOAT32, &got);
        if (exponent == 31 && fraction != 0) {
            ck_assert(isnan(got));
        } else {
            double want = exponent == 31  ? (double)INFINITY
                          : exponent == 0 ? ldexp(fraction, -24)
                                          : ldexp(1024 + fraction, exponent - 25);
            ck_assert_double_eq((double)got, sign * want);
            ck_assert_int_eq(signbit(got) != 0, sign < 0);
        }
        double wide;
        element_read(ELEMENT_BF16, &h, 1, AG_FLOAT64, &wide);
        exponent = h >> 7 & 255;
        fraction = h & 127;
        if (exponent == 255 && fraction != 0) {
            ck_assert(isnan(wide));
        } else {
            double want = exponent == 255 ? (double)INFINITY
                          : exponent == 0 ? ldexp(fraction, -133)
                                          : ldexp(128 + fraction, exponent - 134);
            ck_assert_double_eq(wide, sign * want);
            ck_assert_int_eq(signbit(wide) != 0, sign < 0);
        }
    }
}
END_TEST

START_TEST(whole_numbers_are_widened_at_their_ends)
{
    static const unsigned char bytes[] = { 0xff, 0xff, 0xff, 0x7f, 0x00, 0x00, 0x00, 0x80 };
    int64_t n[8];
    element_read(ELEMENT_I32, bytes, 2, AG_INT64, n);
    ck_assert(n[0] == 2147483647 && n[1] == -2147483647 - 1);
    element_read(ELEMENT_U32, bytes, 2, AG_INT64, n);
    ck_assert(n[0] == 2147483647 && n[1] == INT64_C(2147483648));
    element_read(ELEMENT_I16, bytes, 4, AG_INT64, n);
    ck_assert(n[0] == -1 && n[1] == 32767 && n[2] == 0 && n[3] == -32768);
    element_read(ELEMENT_U16, bytes, 4, AG_INT64, n);
    ck_assert(n[0] == 65535 && n[1] == 32767 && n[2] == 0 && n[3] == 32768);
    element_read(ELEMENT_I8, bytes, 8, AG_INT64, n);
    ck_assert(n[0] == -1 && n[3] == 127 && n[4] == 0 && n[7] == -128);
    uint8_t u[8];
    element_read(ELEMENT_BOOL, bytes, 8, AG_UINT8, u);
    ck_assert(u[0] == 1 && u[3] == 1 && u[4] == 0 && u[7] == 1);
    element_read(ELEMENT_BOOL, bytes + 1, 7, AG_INT64, n); /* not aligned */
    ck_assert(n[0] == 1 && n[3] == 0 && n[6] == 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("safetensors");
    TCase *tcase = tcase_create("safetensors");
    tcase_add_checked_fixture(tcase, test_begin, test_end);
    tcase_add_test(tcase, a_header_is_read_in_the_order_of_the_data);
    tcase_add_loop_test(tcase, a_file_that_lies_is_refused_with_place_and_reason, 0,
                        (int)(sizeof lies / sizeof lies[0]));
    tcase_add_test(tcase, a_header_of_any_length_but_its_own_is_refused);
    tcase_add_test(tcase, a_file_cut_anywhere_is_refused);
    tcase_add_test(tcase, no_damage_is_worse_than_a_refusal);
    tcase_add_test(tcase, what_is_written_is_the_format_to_the_byte);
    tcase_add_test(tcase, what_the_format_cannot_hold_is_refused_before_there_is_a_file);
    tcase_add_test(tcase, every_half_and_every_bfloat_is_widened_to_its_value);
    tcase_add_test(tcase, whole_numbers_are_widened_at_their_ends);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
