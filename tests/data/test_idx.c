/*
 * IDX files: what is read, and what is said of every broken one.
 */
#include "files.h"

/* 2 x 3 elements. */
static const unsigned char small[] = {
    0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 10, 20, 30, 40, 50, 255
};

static void expect_small(const data_idx *idx)
{
    ck_assert_int_eq(idx->ndim, 2);
    ck_assert_int_eq(idx->size[0], 2);
    ck_assert_int_eq(idx->size[1], 3);
    ck_assert_mem_eq(idx->bytes, small + 12, 6);
}

static void expect_nothing(const data_idx *idx)
{
    ck_assert_ptr_null(idx->bytes);
    ck_assert_int_eq(idx->ndim, 0);
    ck_assert_int_eq(idx->size[0], 0);
}

/* Reads a file of these bytes, which must fail with this message after the path. */
static void refuse(const void *bytes, size_t n, ag_error code, const char *rest)
{
    data_idx idx;
    ck_assert_int_eq(data_idx_read(test_write("broken", bytes, n), &idx), code);
    test_expect(code, test_says("data_idx_read", "broken", rest));
    expect_nothing(&idx);
}

START_TEST(plain_file_is_read)
{
    data_idx idx;
    ck_assert_int_eq(data_idx_read(test_write("a", small, sizeof small), &idx), AG_OK);
    expect_small(&idx);
    data_idx_free(&idx);
    expect_nothing(&idx);
    data_idx_free(&idx);
    data_idx_free(NULL);
}
END_TEST

START_TEST(compressed_file_is_read_and_found_without_its_ending)
{
    unsigned char packed[256];
    size_t n = test_gzip(small, sizeof small, packed, sizeof packed);
    test_write("a.gz", packed, n);
    data_idx idx;
    ck_assert_int_eq(data_idx_read(test_path("a.gz"), &idx), AG_OK);
    expect_small(&idx);
    data_idx_free(&idx);
    ck_assert_int_eq(data_idx_read(test_path("a"), &idx), AG_OK);
    expect_small(&idx);
    data_idx_free(&idx);
    /* The name does not decide what is in a file. */
    ck_assert_int_eq(data_idx_read(test_write("compressed", packed, n), &idx), AG_OK);
    data_idx_free(&idx);
    ck_assert_int_eq(data_idx_read(test_write("plain.gz", small, sizeof small), &idx), AG_OK);
    data_idx_free(&idx);
}
END_TEST

START_TEST(members_of_a_compressed_file_are_joined)
{
    unsigned char packed[256];
    size_t n = test_gzip(small, 7, packed, sizeof packed);
    n += test_gzip(small + 7, sizeof small - 7, packed + n, sizeof packed - n);
    data_idx idx;
    ck_assert_int_eq(data_idx_read(test_write("a", packed, n), &idx), AG_OK);
    expect_small(&idx);
    data_idx_free(&idx);
}
END_TEST

START_TEST(file_without_elements_is_read)
{
    static const unsigned char empty[] = { 0, 0, 8, 1, 0, 0, 0, 0 };
    data_idx idx;
    ck_assert_int_eq(data_idx_read(test_write("a", empty, sizeof empty), &idx), AG_OK);
    ck_assert_int_eq(idx.size[0], 0);
    data_idx_free(&idx);
}
END_TEST

START_TEST(large_files_are_read_whole)
{
    /* More than the first piece of memory, plain and compressed. */
    size_t n = 40u << 20;
    unsigned char *bytes = malloc(n + 8), *packed = malloc(n);
    ck_assert(bytes != NULL && packed != NULL);
    memcpy(bytes, "\0\0\10\1\2\200\0\0", 8);
    for (size_t i = 0; i < n; i++) {
        bytes[8 + i] = (unsigned char)(i * 2654435761u >> 24);
    }
    data_idx idx;
    ck_assert_int_eq(data_idx_read(test_write("a", bytes, n + 8), &idx), AG_OK);
    ck_assert_int_eq(idx.size[0], (int64_t)n);
    ck_assert(memcmp(idx.bytes, bytes + 8, n) == 0);
    data_idx_free(&idx);
    memset(bytes + 8, 7, n); /* packs well: many bytes out of one piece of input */
    size_t m = test_gzip(bytes, n + 8, packed, n);
    ck_assert_int_eq(data_idx_read(test_write("a", packed, m), &idx), AG_OK);
    ck_assert(memcmp(idx.bytes, bytes + 8, n) == 0);
    data_idx_free(&idx);
    free(bytes);
    free(packed);
}
END_TEST

START_TEST(missing_files_and_folders_are_named)
{
    data_idx idx;
    ck_assert_int_eq(data_idx_read(test_path("none"), &idx), AG_ERROR_FILE);
    ck_assert_ptr_nonnull(strstr(ag_error_message(), "test_idx.c:"));
    test_expect(AG_ERROR_FILE,
                test_says("data_idx_read", "none", "no such file, with or without .gz"));
    expect_nothing(&idx);
    ck_assert_int_eq(mkdir(test_path("folder"), 0700), 0);
    data_idx_read(test_path("folder"), &idx);
    test_expect(AG_ERROR_FILE, test_says("data_idx_read", "folder", "is a directory, not a file"));
    ck_assert_int_eq(mkdir(test_path("other.gz"), 0700), 0);
    data_idx_read(test_path("other"), &idx);
    test_expect(AG_ERROR_FILE,
                test_says("data_idx_read", "other.gz", "is a directory, not a file"));
    test_write("file", "x", 1);
    data_idx_read(test_path("file/inside"), &idx);
    test_expect(AG_ERROR_FILE, test_says("data_idx_read", "file/inside", "Not a directory"));
    data_idx_read(NULL, &idx);
    test_expect(AG_ERROR_VALUE, "data_idx_read: the path is NULL");
    expect_nothing(&idx);
}
END_TEST

START_TEST(headers_that_make_no_sense_are_explained)
{
    refuse("", 0, AG_ERROR_FORMAT, "the file is empty");
    refuse("\x89PNG....", 8, AG_ERROR_FORMAT,
           "not an IDX file: it begins with 89 50 instead of 00 00");
    refuse("\0\1\10\1....", 8, AG_ERROR_FORMAT,
           "not an IDX file: it begins with 00 01 instead of 00 00");
    refuse("\0\0\x0d\1....", 8, AG_ERROR_FORMAT,
           "byte 2: element type 0x0d (32-bit floats); only 0x08 (unsigned bytes) is read");
    refuse("\0\0\x77\1....", 8, AG_ERROR_FORMAT,
           "byte 2: element type 0x77 (unknown); only 0x08 (unsigned bytes) is read");
    refuse("\0\0\10\0....", 8, AG_ERROR_FORMAT, "byte 3: 0 dimensions; 1 to 8 are read");
    refuse("\0\0\10\x09....", 8, AG_ERROR_FORMAT, "byte 3: 9 dimensions; 1 to 8 are read");
}
END_TEST

START_TEST(every_other_element_type_is_named)
{
    static const struct {
        unsigned char code;
        const char *name;
    } types[] = { { 0x09, "signed bytes" },
                  { 0x0b, "16-bit integers" },
                  { 0x0c, "32-bit integers" },
                  { 0x0d, "32-bit floats" },
                  { 0x0e, "64-bit floats" } };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        char rest[128];
        snprintf(rest, sizeof rest, "byte 2: element type 0x%02x (%s); only", types[i].code,
                 types[i].name);
        unsigned char bytes[] = { 0, 0, types[i].code, 1, 0, 0, 0, 0 };
        refuse(bytes, sizeof bytes, AG_ERROR_FORMAT, rest);
    }
}
END_TEST

START_TEST(sizes_are_not_believed)
{
    unsigned char bytes[36] = { 0, 0, 8, 8 };
    memset(bytes + 4, 0xff, 32);
    refuse(bytes, sizeof bytes, AG_ERROR_FORMAT,
           "bytes 4 to 35: the sizes 4294967295 x 4294967295 x 4294967295 x 4294967295 x "
           "4294967295 x 4294967295 x "
           "4294967295 x 4294967295 are too large");
    /* Just below the limit: nothing like that much memory may be asked for. */
    unsigned char two[13] = { 0, 0, 8, 2, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1 };
    refuse(two, sizeof two, AG_ERROR_FORMAT,
           "truncated: the header says 2147483647 x 4294967295, so 9223372030412324877 bytes are "
           "expected; found 13");
}
END_TEST

START_TEST(every_truncation_says_expected_and_found)
{
    for (size_t n = 1; n < sizeof small; n++) {
        char rest[128];
        if (n < 4) {
            snprintf(rest, sizeof rest,
                     "truncated: an IDX file begins with 4 bytes of header, found %zu", n);
        } else if (n < 12) {
            snprintf(rest, sizeof rest, "truncated: a header with 2 sizes has 12 bytes, found %zu",
                     n);
        } else {
            snprintf(rest, sizeof rest,
                     "truncated: the header says 2 x 3, so 18 bytes are expected; found %zu (", n);
        }
        refuse(small, n, AG_ERROR_FORMAT, rest);
    }
}
END_TEST

START_TEST(bytes_too_many_are_an_error)
{
    unsigned char bytes[sizeof small + 5] = { 0 }, packed[256];
    memcpy(bytes, small, sizeof small);
    refuse(
        bytes, sizeof bytes, AG_ERROR_FORMAT,
        "longer than its header says: the header says 2 x 3, so 18 bytes are expected; found 23");
    size_t n = test_gzip(bytes, sizeof bytes, packed, sizeof packed);
    refuse(packed, n, AG_ERROR_FORMAT,
           "longer than its header says: the header says 2 x 3, so 18 bytes are expected when "
           "decompressed; found 23");
}
END_TEST

START_TEST(every_truncation_of_a_compressed_file_is_found)
{
    unsigned char packed[256];
    size_t n = test_gzip(small, sizeof small, packed, sizeof packed);
    for (size_t m = 2; m < n; m++) {
        char rest[160];
        snprintf(rest, sizeof rest,
                 "truncated: the compressed data ends in the middle, at byte %zu of the file; ", m);
        refuse(packed, m, AG_ERROR_FORMAT, rest);
    }
    char rest[160];
    snprintf(rest, sizeof rest,
             "truncated: the compressed data ends in the middle, at byte %zu of the file; 18 bytes "
             "decompressed, at least "
             "18 expected",
             n - 8);
    refuse(packed, n - 8, AG_ERROR_FORMAT, rest);
    n = test_gzip(small, sizeof small - 2, packed, sizeof packed);
    refuse(
        packed, n, AG_ERROR_FORMAT,
        "truncated: the header says 2 x 3, so 18 bytes are expected when decompressed; found 16");
}
END_TEST

START_TEST(no_flipped_bit_of_a_compressed_file_gives_other_numbers)
{
    unsigned char packed[256], broken[256];
    size_t n = test_gzip(small, sizeof small, packed, sizeof packed);
    int refused = 0;
    for (size_t bit = 0; bit < 8 * n; bit++) {
        memcpy(broken, packed, n);
        broken[bit / 8] ^= (unsigned char)(1u << bit % 8);
        data_idx idx;
        ag_error error = data_idx_read(test_write("broken", broken, n), &idx);
        if (error == AG_OK) {
            expect_small(
                &idx); /* time stamp, origin and the like, and the last unused bits, may change */
        } else {
            ck_assert_int_eq(error, AG_ERROR_FORMAT);
            test_expect(AG_ERROR_FORMAT, test_says("data_idx_read", "broken", ""));
            expect_nothing(&idx);
            refused++;
        }
        data_idx_free(&idx);
    }
    ck_assert_int_ge(refused, (int)(8 * (n - 11)));
}
END_TEST

START_TEST(corrupt_compression_is_called_so)
{
    unsigned char packed[256];
    size_t n = test_gzip(small, sizeof small, packed, sizeof packed);
    char rest[160];
    packed[n - 5] ^= 1; /* the checksum */
    snprintf(rest, sizeof rest,
             "corrupt gzip data before byte %zu of the file (18 bytes decompressed): incorrect "
             "data check",
             n - 4);
    refuse(packed, n, AG_ERROR_FORMAT, rest);
    packed[n - 5] ^= 1;
    packed[n - 1] ^= 1; /* the length */
    snprintf(rest, sizeof rest,
             "corrupt gzip data before byte %zu of the file (18 bytes decompressed): incorrect "
             "length check",
             n);
    refuse(packed, n, AG_ERROR_FORMAT, rest);
    packed[n - 1] ^= 1;
    packed[2] = 3; /* the method */
    refuse(packed, n, AG_ERROR_FORMAT,
           "corrupt gzip data before byte 4 of the file (0 bytes decompressed): unknown "
           "compression method");
    packed[2] = 8;
    memcpy(packed + n, "junk", 4);
    snprintf(rest, sizeof rest,
             "something that is not gzip data follows the compressed data at byte %zu of the file",
             n);
    refuse(packed, n + 4, AG_ERROR_FORMAT, rest);
}
END_TEST

START_TEST(the_first_error_stays)
{
    data_idx idx;
    data_idx_read(test_path("first"), &idx);
    ck_assert_int_eq(data_idx_read(test_write("a", small, sizeof small), &idx), AG_ERROR_FILE);
    expect_nothing(&idx);
    ck_assert_int_eq(test_errors, 1);
    test_expect(AG_ERROR_FILE, test_says("data_idx_read", "first", ""));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("idx");
    TCase *tests = tcase_create("idx");
    tcase_add_checked_fixture(tests, test_begin, test_end);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, plain_file_is_read);
    tcase_add_test(tests, compressed_file_is_read_and_found_without_its_ending);
    tcase_add_test(tests, members_of_a_compressed_file_are_joined);
    tcase_add_test(tests, file_without_elements_is_read);
    tcase_add_test(tests, large_files_are_read_whole);
    tcase_add_test(tests, missing_files_and_folders_are_named);
    tcase_add_test(tests, headers_that_make_no_sense_are_explained);
    tcase_add_test(tests, every_other_element_type_is_named);
    tcase_add_test(tests, sizes_are_not_believed);
    tcase_add_test(tests, every_truncation_says_expected_and_found);
    tcase_add_test(tests, bytes_too_many_are_an_error);
    tcase_add_test(tests, every_truncation_of_a_compressed_file_is_found);
    tcase_add_test(tests, no_flipped_bit_of_a_compressed_file_gives_other_numbers);
    tcase_add_test(tests, corrupt_compression_is_called_so);
    tcase_add_test(tests, the_first_error_stays);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
