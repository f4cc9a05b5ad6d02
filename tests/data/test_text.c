/*
 * Texts, vocabularies of characters and windows: what they are, and what is said of every broken one.
 */
#include "files.h"

/* "aé\n€b😀a": 1, 2, 1, 3, 1, 4 and 1 bytes. */
#define MIXED "a\xc3\xa9\n\xe2\x82\xac" "b\xf0\x9f\x98\x80" "a"

/* ---- files --------------------------------------------------------------------------------------------------------------- */

static void expect_mixed(const char *path)
{
    data_text text;
    ck_assert_int_eq(data_text_read(path, &text), AG_OK);
    ck_assert_str_eq(text.bytes, MIXED);
    ck_assert_int_eq(text.size, 13);
    ck_assert_int_eq(text.characters, 7);
    data_text_free(&text);
    ck_assert_ptr_null(text.bytes);
    data_text_free(&text);
    data_text_free(NULL);
}

START_TEST(a_text_is_read_plain_or_compressed)
{
    unsigned char packed[256];
    expect_mixed(test_write("plain", MIXED, sizeof MIXED - 1));
    test_write("small.gz", packed, test_gzip(MIXED, sizeof MIXED - 1, packed, sizeof packed));
    expect_mixed(test_path("small"));
    expect_mixed(test_path("small.gz"));
    expect_mixed(test_write("mark", "\xef\xbb\xbf" MIXED, sizeof MIXED + 2));
}
END_TEST

START_TEST(a_long_text_is_read_to_its_last_byte)
{
    const size_t n = 300001;
    char *bytes = malloc(n);
    for (size_t i = 0; i < n; i++) {
        bytes[i] = (char)('a' + i % 23);
    }
    data_text text;
    ck_assert_int_eq(data_text_read(test_write("long", bytes, n), &text), AG_OK);
    ck_assert_int_eq(text.size, (int64_t)n);
    ck_assert_mem_eq(text.bytes, bytes, n);
    ck_assert_int_eq(text.bytes[n], 0);
    data_text_free(&text);
    free(bytes);
}
END_TEST

static void refuse(const void *bytes, size_t n, const char *rest)
{
    data_text text;
    ck_assert_int_eq(data_text_read(test_write("broken", bytes, n), &text), AG_ERROR_FORMAT);
    test_expect(AG_ERROR_FORMAT, test_says("data_text_read", "broken", rest));
    ck_assert_ptr_null(text.bytes);
    ck_assert_int_eq(text.size, 0);
}

#define REFUSE(bytes, rest) refuse(bytes, sizeof(bytes) - 1, rest)

START_TEST(what_is_not_utf8_is_named_with_its_place)
{
    REFUSE("ab\ncd\xff" "e", "byte 5 (0xff, line 2): not UTF-8: no character begins with it");
    REFUSE("\x80", "byte 0 (0x80, line 1): not UTF-8: no character begins with it");
    REFUSE("a\xc3(", "byte 1 (0xc3, line 1): not UTF-8: the character that it begins does not go on");
    REFUSE("a\xe2\x82" "b", "byte 1 (0xe2, line 1): not UTF-8: the character that it begins does not go on");
    REFUSE("a\xc0\xaf", "byte 1 (0xc0, line 1): not UTF-8: no character begins with it"); /* '/' in two bytes */
    REFUSE("\xe0\x9f\xbf", "byte 0 (0xe0, line 1): not UTF-8: there is no such character"); /* U+07FF in three */
    REFUSE("\xf0\x8f\xbf\xbf", "byte 0 (0xf0, line 1): not UTF-8: there is no such character"); /* U+FFFF in four */
    REFUSE("\xed\xa0\x80", "byte 0 (0xed, line 1): not UTF-8: there is no such character"); /* half of a pair */
    REFUSE("\xf4\x90\x80\x80", "byte 0 (0xf4, line 1): not UTF-8: there is no such character"); /* U+110000 */
    REFUSE("abc\xf0\x9f\x98", "byte 3 (0xf0, line 1): the text ends in the middle of a character");
    REFUSE("abc\xc3", "byte 3 (0xc3, line 1): the text ends in the middle of a character");
    REFUSE("ab\0c", "byte 2 (0x00, line 1): a text has no zeros");
    REFUSE("\xef\xbb\xbf" "ab\xff", "byte 5 (0xff, line 1): not UTF-8: no character begins with it");
    /* The last of each length, and the first beyond the gap, are characters. */
    ck_assert_int_eq(data_text_count("\x7f\xdf\xbf\xef\xbf\xbf\xf4\x8f\xbf\xbf\xed\x9f\xbf\xee\x80\x80", 16), 6);
    ck_assert_int_eq(data_text_count("", 0), 0);
    ck_assert_int_eq(data_text_count("a\xff", 2), -1);
    test_expect(AG_ERROR_FORMAT, "data_text_count: byte 1 (0xff, line 1): not UTF-8: no character begins with it (");
    ck_assert_int_eq(data_text_count(NULL, 2), -1);
    test_expect(AG_ERROR_VALUE, "data_text_count: the text is NULL (");
    ck_assert_int_eq(data_text_count("a", -1), -1);
    test_expect(AG_ERROR_VALUE, "data_text_count: the size is negative (");
}
END_TEST

START_TEST(a_corpus_that_is_missing_empty_or_cut_is_refused)
{
    data_text text;
    data_text_read(test_path("nowhere"), &text);
    test_expect(AG_ERROR_FILE, test_says("data_text_read", "nowhere", "no such file, with or without .gz ("));
    data_text_read(test_folder, &text);
    ck_assert_ptr_nonnull(strstr(ag_error_message(), "is a directory, not a file"));
    ag_error_clear();
    data_text_read(NULL, &text);
    test_expect(AG_ERROR_VALUE, "data_text_read: the path is NULL (");
    REFUSE("", "the file is empty (");
    REFUSE("\xef\xbb\xbf", "the text is empty (");
    unsigned char packed[256];
    size_t n = test_gzip("", 0, packed, sizeof packed);
    refuse(packed, n, "the text is empty (");
    n = test_gzip(MIXED, sizeof MIXED - 1, packed, sizeof packed);
    char cut[128];
    snprintf(cut, sizeof cut, "truncated: the compressed data ends in the middle, at byte %zu of the file; 13 bytes "
             "decompressed (", n - 3);
    refuse(packed, n - 3, cut);
    packed[n - 6] ^= 1;
    refuse(packed, n, "corrupt gzip data before byte");
    ck_assert_int_eq(test_errors, 8);
    /* While an error stands nothing is read, and nothing is left in the struct. */
    ag_error_raise(AG_HERE, AG_ERROR_VALUE, "an earlier one");
    text.size = 5;
    ck_assert_int_eq(data_text_read(test_write("good", "abc", 3), &text), AG_ERROR_VALUE);
    ck_assert_int_eq(text.size, 0);
    ag_error_clear();
}
END_TEST

/* ---- vocabularies -------------------------------------------------------------------------------------------------------- */

START_TEST(tokens_are_the_characters_in_unicodes_order)
{
    data_vocabulary *v = data_vocabulary_characters(MIXED, sizeof MIXED - 1);
    const char *expected[] = { "\n", "a", "b", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80" };
    ck_assert_int_eq(data_vocabulary_size(v), 6);
    for (int64_t i = 0; i < 6; i++) {
        ck_assert_str_eq(data_vocabulary_token(v, i), expected[i]);
    }
    ck_assert_str_eq(data_vocabulary_token(v, 6), "");
    ck_assert_str_eq(data_vocabulary_token(v, -1), "");
    ck_assert_str_eq(data_vocabulary_all(v), "\nab\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    const int64_t tokens[] = { 1, 3, 0, 4, 2, 5, 1 };
    int64_t got[8] = { -7, -7, -7, -7, -7, -7, -7, -7 };
    ck_assert_int_eq(data_vocabulary_encode(v, MIXED, sizeof MIXED - 1, NULL), 7);
    ck_assert_int_eq(data_vocabulary_encode(v, MIXED, sizeof MIXED - 1, got), 7);
    ck_assert_mem_eq(got, tokens, sizeof tokens);
    ck_assert_int_eq(got[7], -7);
    ck_assert_int_eq(data_vocabulary_encode(v, "", 0, got), 0);
    char text[14];
    ck_assert_int_eq(data_vocabulary_decode(v, 7, tokens, text, sizeof text), 13);
    ck_assert_str_eq(text, MIXED);
    ck_assert_int_eq(data_vocabulary_decode(v, 0, NULL, text, 1), 0);
    ck_assert_str_eq(text, "");
    data_vocabulary_free(v);
    data_vocabulary_free(NULL);
}
END_TEST

START_TEST(a_character_or_token_that_is_unknown_is_named)
{
    data_vocabulary *v = data_vocabulary_characters("ab\n", 3);
    int64_t tokens[4] = { 0, 2, 3, 0 };
    char text[8] = "before";
    ck_assert_int_eq(data_vocabulary_encode(v, "ba\na\xc3\xa9", 6, tokens), -1);
    test_expect(AG_ERROR_VALUE, "data_vocabulary_encode: byte 4 (line 2): the character '\xc3\xa9' (U+00E9) is none of the 3 of "
                                "the vocabulary (");
    ck_assert_int_eq(tokens[0], 0);
    data_vocabulary_encode(v, "\t", 1, NULL);
    test_expect(AG_ERROR_VALUE, "data_vocabulary_encode: byte 0 (line 1): the character U+0009 is none of");
    data_vocabulary_encode(v, "a\xff", 2, NULL);
    test_expect(AG_ERROR_FORMAT, "data_vocabulary_encode: byte 1 (0xff, line 1): not UTF-8");
    data_vocabulary_encode(v, NULL, 2, NULL);
    test_expect(AG_ERROR_VALUE, "data_vocabulary_encode: the text is NULL (");
    data_vocabulary_encode(NULL, "a", 1, NULL);
    test_expect(AG_ERROR_VALUE, "data_vocabulary_encode: the vocabulary is NULL (");
    ck_assert_int_eq(data_vocabulary_decode(v, 4, tokens, text, sizeof text), -1);
    test_expect(AG_ERROR_VALUE, "data_vocabulary_decode: token 2 is 3, the vocabulary has 0 to 2 (");
    data_vocabulary_decode(v, 2, tokens, text, 2);
    test_expect(AG_ERROR_VALUE, "data_vocabulary_decode: the text has 2 bytes and a 0, there is room for 2 (");
    ck_assert_str_eq(text, "before");
    data_vocabulary_decode(v, -1, tokens, text, 8);
    test_expect(AG_ERROR_VALUE, "data_vocabulary_decode: the number of tokens is negative (");
    data_vocabulary_free(v);
    data_vocabulary *nil = data_vocabulary_characters("", 0);
    test_expect(AG_ERROR_VALUE, "data_vocabulary_characters: the text is empty (");
    ck_assert_int_eq(data_vocabulary_size(nil), 0);
    ck_assert_int_eq(data_vocabulary_encode(nil, "a", 1, NULL), -1);
    test_expect(AG_ERROR_STATE, "data_vocabulary_encode: the vocabulary was made after an error (");
    data_vocabulary_free(nil);
    data_vocabulary_characters("ab\xc3", 3);
    test_expect(AG_ERROR_FORMAT, "data_vocabulary_characters: byte 2 (0xc3, line 1): the text ends in the middle of a character (");
}
END_TEST

START_TEST(a_saved_vocabulary_fits_the_same_characters_alone)
{
    data_vocabulary *a = data_vocabulary_characters("baa\n\xc3\xa9", 6), *b = data_vocabulary_characters("\xc3\xa9" "ab\n", 5),
                    *c = data_vocabulary_characters("\xc3\xa9" "ac\n", 5);
    ag_state *saved = ag_state_take(data_vocabulary_stateful(a));
    ck_assert_int_eq(ag_state_restore(saved, data_vocabulary_stateful(b)), AG_OK);
    ck_assert_int_ne(ag_state_restore(saved, data_vocabulary_stateful(c)), AG_OK);
    ck_assert_ptr_nonnull(strstr(ag_error_message(), "characters"));
    ag_error_clear();
    ag_state_free(saved);
    data_vocabulary_free(a);
    data_vocabulary_free(b);
    data_vocabulary_free(c);
}
END_TEST

/* ---- windows ------------------------------------------------------------------------------------------------------------- */

START_TEST(windows_have_the_next_tokens_as_targets)
{
    const int64_t tokens[] = { 5, 0, 7, 3, 3, 9, 1, 2, 8 };
    for (int64_t stride = 1; stride <= 4; stride++) {
        data_set *set = data_windows(9, tokens, 3, stride);
        const int64_t sizes[] = { 0, 6, 3, 2, 2 };
        ck_assert_int_eq(data_set_size(set), sizes[stride]);
        ck_assert(ag_shape_equal(data_set_x_shape(set), AG_SHAPE(3)) && ag_shape_equal(data_set_y_shape(set), AG_SHAPE(3)));
        ck_assert(data_set_x_dtype(set) == AG_INT64 && data_set_y_dtype(set) == AG_INT64);
        for (int64_t i = 0; i < sizes[stride]; i++) {
            int64_t x[3], y[3];
            ck_assert_int_eq(data_set_read(set, i, x, y), AG_OK);
            ck_assert_mem_eq(x, tokens + i * stride, sizeof x);
            ck_assert_mem_eq(y, tokens + i * stride + 1, sizeof y);
        }
        data_set_free(set);
    }
    data_set *one = data_windows(4, tokens, 3, 3);
    ck_assert_int_eq(data_set_size(one), 1);
    data_set_free(one);
}
END_TEST

START_TEST(a_text_that_is_too_short_for_a_window_is_refused)
{
    const int64_t tokens[] = { 1, 2, 3 };
    data_set_free(data_windows(3, tokens, 3, 1));
    test_expect(AG_ERROR_VALUE, "data_windows: 3 tokens hold no window of 3 and the token after it: 4 are needed (");
    data_set_free(data_windows(0, NULL, 3, 1));
    test_expect(AG_ERROR_VALUE, "data_windows: 0 tokens hold no window of 3");
    data_set_free(data_windows(3, tokens, 0, 1));
    test_expect(AG_ERROR_VALUE, "data_windows: the length is 0 and the stride 1; both must be 1 or more (");
    data_set_free(data_windows(3, tokens, 1, 0));
    test_expect(AG_ERROR_VALUE, "data_windows: the length is 1 and the stride 0; both must be 1 or more (");
    data_set_free(data_windows(3, NULL, 1, 1));
    test_expect(AG_ERROR_VALUE, "data_windows: the tokens are NULL (");
    data_set_free(data_windows(INT64_MAX / 2, tokens, 1, 1));
    test_expect(AG_ERROR_MEMORY, "data_windows: out of memory for");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("text");
    TCase *tests = tcase_create("text");
    tcase_add_checked_fixture(tests, test_begin, test_end);
    tcase_add_test(tests, a_text_is_read_plain_or_compressed);
    tcase_add_test(tests, a_long_text_is_read_to_its_last_byte);
    tcase_add_test(tests, what_is_not_utf8_is_named_with_its_place);
    tcase_add_test(tests, a_corpus_that_is_missing_empty_or_cut_is_refused);
    tcase_add_test(tests, tokens_are_the_characters_in_unicodes_order);
    tcase_add_test(tests, a_character_or_token_that_is_unknown_is_named);
    tcase_add_test(tests, a_saved_vocabulary_fits_the_same_characters_alone);
    tcase_add_test(tests, windows_have_the_next_tokens_as_targets);
    tcase_add_test(tests, a_text_that_is_too_short_for_a_window_is_refused);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
