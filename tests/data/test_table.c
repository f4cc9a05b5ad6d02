/*
 * Comma-separated files: what becomes of fields, numbers, text and missing values; what is wrong with a file is said with its line
 * and column; the sets that are made of tables.
 */
#include "files.h"

#include <float.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>

static data_table *read_bytes(const void *bytes, size_t n, data_csv_config config)
{
    return data_csv_read(test_write("t.csv", bytes, n), config);
}

static data_table *read_text(const char *text)
{
    return read_bytes(text, strlen(text), data_csv_defaults());
}

static void assert_number(const data_table *t, int64_t row, int64_t column, double value)
{
    ck_assert_msg(data_table_numbers(t, column) != NULL, "column %" PRId64 " is text", column);
    double got = data_table_numbers(t, column)[row];
    ck_assert_msg(got == value || (got != got && value != value),
                  "row %" PRId64 ", column %" PRId64 ": %.17g instead of %.17g", row, column, got,
                  value);
}

/* ---- fields ---------------------------------------------------------------------------------- */

START_TEST(columns_are_numbers_or_text)
{
    data_table *t =
        read_text("age,name,fare\n22,Ann,7.25\n,\"O'Hara, \"\"Pat\"\"\",-1e-3\n 35 ,NA,inf\n");
    ck_assert_int_eq(data_table_rows(t), 3);
    ck_assert_int_eq(data_table_columns(t), 3);
    ck_assert_str_eq(data_table_name(t, 1), "name");
    ck_assert_str_eq(data_table_name(t, 3), "");
    ck_assert_int_eq(data_table_find(t, "fare"), 2);
    ck_assert_int_eq(data_table_find(t, "Fare"), -1);
    ck_assert(!data_table_is_text(t, 0) && data_table_is_text(t, 1) && !data_table_is_text(t, 2));
    assert_number(t, 0, 0, 22);
    assert_number(t, 1, 0, (double)NAN);
    assert_number(t, 2, 0, 35);
    assert_number(t, 1, 2, -0.001);
    assert_number(t, 2, 2, (double)INFINITY);
    ck_assert_ptr_null(data_table_numbers(t, 1));
    ck_assert_str_eq(data_table_text(t, 0, 1), "Ann");
    ck_assert_str_eq(data_table_text(t, 1, 1), "O'Hara, \"Pat\"");
    ck_assert_str_eq(data_table_text(t, 2, 1), "");
    ck_assert_str_eq(data_table_text(t, 0, 0), "");
    ck_assert_int_eq(data_table_missing(t, 0), 1);
    ck_assert_int_eq(data_table_missing(t, 1), 1);
    ck_assert_int_eq(data_table_line(t, 2), 4);
    ck_assert_int_eq(data_table_line(t, 3), 0);
    data_table_free(t);
}
END_TEST

START_TEST(line_ends_marks_and_quotes_do_not_matter)
{
    static const char *const same[] = {
        "a,b\n1,x\n2,y\n",
        "a,b\r\n1,x\r\n2,y\r\n",
        "a,b\r1,x\r2,y",
        "\xef\xbb\xbf\x61,b\n1,x\n2,y", /* \x61: an a that does not belong to the byte before it */
        "\n\n\"a\",\"b\"\r\n\r\n\"1\",\"x\"\n\n2,\"y\"\n\n\n",
    };
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        data_table *t = read_text(same[i]);
        ck_assert_msg(ag_error_code() == AG_OK, "%zu: %s", i, ag_error_message());
        ck_assert_int_eq(data_table_rows(t), 2);
        ck_assert_str_eq(data_table_name(t, 0), "a");
        assert_number(t, 0, 0, 1);
        assert_number(t, 1, 0, 2);
        ck_assert_str_eq(data_table_text(t, 1, 1), "y");
        data_table_free(t);
    }
    /* Lines inside quotes are text, and count. */
    data_table *t = read_text("a,b\n\"x\ny\r\nz\",1\nw,2\n");
    ck_assert_str_eq(data_table_text(t, 0, 0), "x\ny\r\nz");
    ck_assert_int_eq(data_table_line(t, 1), 5);
    data_table_free(t);
    /* In a file of one column an empty line is a missing value. */
    t = read_text("a\n1\n\n3\n");
    ck_assert_int_eq(data_table_rows(t), 3);
    ck_assert_int_eq(data_table_missing(t, 0), 1);
    data_table_free(t);
}
END_TEST

START_TEST(configs_change_delimiter_header_and_types)
{
    data_csv_config config = data_csv_defaults();
    config.delimiter = ';';
    config.header = false;
    config.missing = "-, \"a, b\"";
    config.text = "2";
    data_table *t = read_bytes("1;-;007\n2,5;a, b;8\n", 19, config);
    ck_assert_int_eq(data_table_rows(t), 2);
    ck_assert_str_eq(data_table_name(t, 1), "1");
    ck_assert(data_table_is_text(t, 0)); /* 2,5 is no number */
    ck_assert_int_eq(data_table_missing(t, 1), 2);
    ck_assert_str_eq(data_table_text(t, 0, 2), "007");
    data_table_free(t);
}
END_TEST

/* ---- numbers --------------------------------------------------------------------------------- */

START_TEST(numbers_are_rounded_as_strtod_rounds)
{
    static const char *const fixed[] = {
        "0",
        "-0",
        "1e400",
        "-1e400",
        "1e-400",
        "4.9e-324",
        "2.4703282292062327e-324",
        "2.4703282292062328e-324",
        "1.7976931348623157e308",
        "1.7976931348623159e308",
        "9007199254740993",
        "9007199254740992.999",
        "0.1",
        "123456789012345678901234567890",
        ".5",
        "5.",
        "1e22",
        "1e23",
        "8.5e-7",
        "1E5",
        "+3",
        "2.2250738585072011e-308",
        "0.000000000000000000000000000000000000000000000000000000001",
        "1e99999999999999999999",
        "1e-99999999999999999999"
    };
    enum { FIXED = sizeof fixed / sizeof fixed[0], RANDOM = 20000 };
    char *text = malloc(64 * (FIXED + RANDOM)), *p = text;
    double *expected = malloc((FIXED + RANDOM) * sizeof *expected);
    ag_rng rng = ag_rng_seed(5);
    p += sprintf(p, "x\n");
    for (int i = 0; i < FIXED + RANDOM; i++) {
        char number[64];
        if (i < FIXED) {
            snprintf(number, sizeof number, "%s", fixed[i]);
        } else { /* any bits, or a decimal with few digits */
            uint64_t bits = ag_rng_next(&rng);
            double v;
            memcpy(&v, &bits, sizeof v);
            v = v != v || isinf(v) ? 1 : v;
            int digits = 1 + (int)ag_rng_below(&rng, 20);
            snprintf(number, sizeof number, i % 2 ? "%.*e" : "%.*g", digits,
                     i % 3 ? v : ag_rng_normal(&rng) * 100);
        }
        expected[i] = strtod(number, NULL);
        p += sprintf(p, "%s\n", number);
    }
    data_table *t = read_bytes(text, (size_t)(p - text), data_csv_defaults());
    ck_assert_int_eq(data_table_rows(t), FIXED + RANDOM);
    ck_assert_mem_eq(data_table_numbers(t, 0), expected, (FIXED + RANDOM) * sizeof *expected);
    data_table_free(t);
    free(text);
    free(expected);
}
END_TEST

START_TEST(what_is_no_number_is_text)
{
    static const char *const odd[] = { "1.2.3", "1e", "1e+", "--1", "0x10", "1 2",     "1,5",
                                       "e5",    ".",  "-",   "1f",  "in",   "infinit", "1_000" };
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        char text[64];
        snprintf(text, sizeof text, "x,y\n1,1\n\"%s\",2\n", odd[i]);
        data_table *t = read_text(text);
        ck_assert_msg(data_table_is_text(t, 0), "%s", odd[i]);
        ck_assert_str_eq(data_table_text(t, 1, 0), odd[i]);
        data_table_free(t);
    }
}
END_TEST

/* A locale with a decimal comma, made for the moment if the machine has none; false if that is not possible. */
static bool decimal_comma(void)
{
    static const char *const locales[] = { "de_DE.UTF-8", "de_DE", "fr_FR.UTF-8" };
    for (size_t i = 0; i < sizeof locales / sizeof locales[0]; i++) {
        if (setlocale(LC_ALL, locales[i]) != NULL) {
            return true;
        }
    }
    char command[2 * PATH_ROOM];
    snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 '%s/de_DE.UTF-8' >'%s/log' 2>&1",
             test_folder, test_folder);
    return system(command) == 0 && setenv("LOCPATH", test_folder, 1) == 0 &&
           setlocale(LC_ALL, "de_DE.UTF-8") != NULL;
}

START_TEST(the_locale_does_not_matter)
{
    char probe[16] = "1.5";
    if (decimal_comma()) {
        snprintf(probe, sizeof probe, "%.1f", 1.5);
        ck_assert_str_eq(probe, "1,5");
    }
    data_csv_config config = data_csv_defaults();
    data_table *t = read_text("x,c\n1.5,2.25\n-0.125,1e-3\n");
    assert_number(t, 0, 0, 1.5);
    assert_number(t, 1, 0, -0.125);
    data_table_config of = data_table_defaults();
    of.one_hot = "c";
    data_set *samples = data_table_to_set(t, of);
    ck_assert_str_eq(data_set_x_name(samples, 1), "c_0.001");
    ck_assert_str_eq(data_set_x_name(samples, 2), "c_2.25");
    data_set_free(samples);
    data_table_free(t);
    config.delimiter = ';';
    t = read_bytes("x;y\n1,5;2\n", 10, config);
    ck_assert(data_table_is_text(t, 0)); /* a decimal comma is not guessed at */
    data_table_free(t);
    setlocale(LC_ALL, "C");
    char command[2 * PATH_ROOM];
    snprintf(command, sizeof command, "rm -rf '%s/de_DE.UTF-8'", test_folder);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

/* ---- bad files ------------------------------------------------------------------------------- */

static void refuse_bytes(const void *bytes, size_t n, data_csv_config config, ag_error code,
                         const char *rest)
{
    data_table *t = read_bytes(bytes, n, config);
    ck_assert_ptr_nonnull(t);
    test_expect(code, test_says("data_csv_read", "t.csv", rest));
    ck_assert_int_eq(data_table_rows(t), 0);
    ck_assert_int_eq(data_table_columns(t), 0);
    data_table_free(t);
}

static void refuse(const char *text, const char *rest)
{
    refuse_bytes(text, strlen(text), data_csv_defaults(), AG_ERROR_FORMAT, rest);
}

START_TEST(what_is_wrong_with_a_file_is_said_with_line_and_column)
{
    refuse("", "the file is empty (");
    refuse("\n\r\n\n", "the file has empty lines only (");
    refuse("\xef\xbb\xbf", "the file has empty lines only (");
    refuse("a,b\n", "there is no row below the header (");
    refuse("a,b\n1,2\n3\n", "line 3: 1 field, but the header has 2 (");
    refuse("a,b\n1,2\n\"3\n\",4,5,6\n", "line 3: 4 fields, but the header has 2 (");
    refuse("a,b\n1,2\n3,\"4\n5,6\n",
           "line 3, column \"b\": the quote that opens this field is never closed (");
    refuse("a,\"b\n1,2\n", "line 1, column 2: the quote that opens this field is never closed (");
    refuse("a,b\n1,\"2\"x\n",
           "line 2, column \"b\": text behind the quote that closes this field (");
    refuse("a,b\n1,\"2\" \n",
           "line 2, column \"b\": text behind the quote that closes this field (");
    refuse("a,b,a\n1,2,3\n", "line 1: columns 1 and 3 are both called \"a\" (");
    refuse_bytes("a,b\n1,\0002\n", 9, data_csv_defaults(), AG_ERROR_FORMAT,
                 "line 2, column \"b\": a NUL byte: this is no text (");
    refuse_bytes("a,b\n1,2\0\n", 9, data_csv_defaults(), AG_ERROR_FORMAT,
                 "line 2, column \"b\": a NUL byte: this is no text (");
    refuse_bytes("a,b\n1,\"2\0\"\n", 11, data_csv_defaults(), AG_ERROR_FORMAT,
                 "line 2, column \"b\": a NUL byte: this is no text (");
    refuse_bytes("\xff\xfe"
                 "a\0,\0b\0\n\0",
                 10, data_csv_defaults(), AG_ERROR_FORMAT, "the file is UTF-16; UTF-8 is read (");
    data_csv_config config = data_csv_defaults();
    config.numbers = "b";
    refuse_bytes("a,b\n1,2\n3,many\n", 15, config, AG_ERROR_FORMAT,
                 "line 3, column \"b\": \"many\" is not a number (");
    config.numbers = "c";
    refuse_bytes("a,b\n1,2\n", 8, config, AG_ERROR_VALUE, "there is no column \"c\" (");
    config.numbers = config.text = "a";
    refuse_bytes("a,b\n1,2\n", 8, config, AG_ERROR_VALUE,
                 "column \"a\" cannot be both numbers and text (");
    config = data_csv_defaults();
    config.header = false;
    refuse_bytes("1,2\n3\n", 6, config, AG_ERROR_FORMAT,
                 "line 2: 1 field, but the first line has 2 (");
}
END_TEST

START_TEST(damaged_bytes_are_a_table_or_an_error)
{
    static const char good[] =
        "\xef\xbb\xbf\x61ge,\"na \"\"me\",c\r\n1e400,\"x\ny\",NA\r\n,2,\"1.5\"\r\n-3,,.25\r";
    static const char odd[] = "\",\r\n.eE+-0 9\0\xff";
    ag_rng rng = ag_rng_seed(13);
    int tables = 0, errors = 0;
    for (int round = 0; round < 3000; round++) {
        char text[sizeof good];
        size_t n = sizeof good - 1;
        memcpy(text, good, sizeof good);
        for (int64_t k = ag_rng_below(&rng, 4); k >= 0; k--) {
            text[ag_rng_below(&rng, (int64_t)n)] = odd[ag_rng_below(&rng, sizeof odd - 1)];
        }
        n -= (size_t)(round % 3 == 0 ? ag_rng_below(&rng, (int64_t)n) : 0);
        data_table *t = read_bytes(text, n, data_csv_defaults());
        bool failed = ag_error_code() != AG_OK;
        ck_assert(failed == (data_table_columns(t) == 0) && failed == (data_table_rows(t) == 0));
        ck_assert(!failed || strstr(ag_error_message(), "t.csv: ") != NULL);
        ag_error_clear();
        data_table_free(t);
        tables += !failed;
        errors += failed;
    }
    ck_assert(tables > 300 && errors > 300);
}
END_TEST

START_TEST(calls_that_make_no_sense_are_refused)
{
    data_csv_config config = data_csv_defaults();
    data_table_free(data_csv_read("/nowhere/t.csv", config));
    test_expect(AG_ERROR_FILE, "data_csv_read: /nowhere/t.csv: no such file (");
    data_table_free(data_csv_read(test_folder, config));
    test_expect(AG_ERROR_FILE, "data_csv_read: ");
    data_table_free(data_csv_read(NULL, config));
    test_expect(AG_ERROR_VALUE, "data_csv_read: the path is NULL (");
    config.delimiter = '"';
    data_table_free(data_csv_read("t.csv", config));
    test_expect(AG_ERROR_VALUE, "data_csv_read: the byte 34 cannot delimit fields (");
    config = data_csv_defaults();
    config.missing = "\"NA";
    data_table_free(data_csv_read("t.csv", config));
    test_expect(AG_ERROR_VALUE, "data_csv_read: missing: a quote that is not closed");
    data_table_free(data_csv_read("t.csv", (data_csv_config){ .delimiter = ',' }));
    test_expect(AG_ERROR_VALUE,
                "data_csv_read: the config did not come from data_csv_defaults() (");
}
END_TEST

/* ---- sets of tables -------------------------------------------------------------------------- */

static const char passengers[] = "age,sex,deck,fare,lived\n"
                                 "22,m,3,7.25,no\n"
                                 "38,f,1,71.5,yes\n"
                                 ",f,3,8,yes\n"
                                 "35,m,1,53,no\n"
                                 "35,,3,9,no\n";

static void assert_x(data_set *set, int64_t i, const float *expected, int64_t n)
{
    float x[16];
    ck_assert_int_eq(data_set_x_shape(set).size[0], n);
    ck_assert_int_eq(data_set_read(set, i, x, NULL), AG_OK);
    for (int64_t j = 0; j < n; j++) {
        ck_assert_msg(x[j] == expected[j] || (x[j] != x[j] && expected[j] != expected[j]),
                      "sample %" PRId64 ", %" PRId64 ": %g", i, j, (double)x[j]);
    }
}

START_TEST(columns_become_inputs_and_classes)
{
    data_table *t = read_text(passengers);
    data_table_config config = data_table_defaults();
    config.y = "lived";
    config.classes = true;
    config.one_hot = "*, deck";
    config.missing = DATA_MISSING_MEAN;
    data_set *set = data_table_to_set(t, config);
    static const char *const names[] = { "age", "sex_f", "sex_m", "deck_1", "deck_3", "fare" };
    for (int j = 0; j < 6; j++) {
        ck_assert_str_eq(data_set_x_name(set, j), names[j]);
    }
    assert_x(set, 0, (float[]){ 22, 0, 1, 0, 1, 7.25F }, 6);
    assert_x(set, 2, (float[]){ 32.5F, 1, 0, 0, 1, 8 }, 6); /* (22 + 38 + 35 + 35) / 4 */
    assert_x(set, 4, (float[]){ 35, 1, 0, 0, 1, 9 }, 6);    /* f and m are as frequent: the first */
    ck_assert_int_eq(data_set_classes(set), 2);
    ck_assert_str_eq(data_set_class_name(set, 1), "yes");
    int64_t y;
    ck_assert_int_eq(data_set_read(set, 1, NULL, &y), AG_OK);
    ck_assert_int_eq(y, 1);
    data_set_free(set);

    int64_t dropped = -1;
    config.missing = DATA_MISSING_DROP;
    config.dropped = &dropped;
    config.one_hot = NULL;
    config.index = "sex";
    config.without = "deck";
    set = data_table_to_set(t, config);
    ck_assert_int_eq(dropped, 2);
    ck_assert_int_eq(data_set_size(set), 3);
    assert_x(set, 2, (float[]){ 35, 1, 53 }, 3);
    data_set_free(set);

    config.missing = DATA_MISSING_KEEP;
    config.x = "fare, age";
    config.index = NULL;
    set = data_table_to_set(t, config);
    assert_x(set, 2, (float[]){ 8, NAN }, 2);
    data_set_free(set);

    config.missing = DATA_MISSING_MEDIAN;
    config.classes = false;
    config.y = "fare";
    config.x = "age";
    set = data_table_to_set(t, config);
    assert_x(set, 2, (float[]){ 35 }, 1);
    float fare;
    ck_assert_int_eq(data_set_read(set, 3, NULL, &fare), AG_OK);
    ck_assert(fare == 53);
    data_set_free(set);

    config.missing = DATA_MISSING_CONSTANT;
    config.fill = -1;
    config.x = "age, sex";
    config.one_hot = "sex";
    set = data_table_to_set(t, config);
    ck_assert_str_eq(data_set_x_name(set, 3), "sex_missing");
    assert_x(set, 2, (float[]){ -1, 1, 0, 0 }, 4);
    assert_x(set, 4, (float[]){ 35, 0, 0, 1 }, 4);
    data_set_free(set);
    data_table_free(t);
}
END_TEST

START_TEST(what_is_fitted_on_another_table_is_taken_from_it)
{
    data_table *train = read_text(passengers);
    data_table *test = read_text("sex,age,lived\nm,,no\nf,1,no\n");
    data_table_config config = data_table_defaults();
    config.x = "age, sex";
    config.y = "lived";
    config.classes = true;
    config.one_hot = "sex";
    config.missing = DATA_MISSING_MEAN;
    config.fitted = train;
    data_set *set = data_table_to_set(test, config);
    assert_x(set, 0, (float[]){ 32.5F, 0, 1 }, 3);
    ck_assert_int_eq(data_set_classes(set), 2); /* though there is only one here */
    data_set_free(set);
    data_table_free(test);
    test = read_text("sex,age,lived\nm,2,no\nx,1,no\n");
    data_set_free(data_table_to_set(test, config));
    test_expect(
        AG_ERROR_VALUE,
        test_says("data_table_to_set", "t.csv",
                  "line 3, column \"sex\": \"x\" is not among the 2 levels it is fitted on ("));
    data_table_free(test);
    data_table_free(train);
}
END_TEST

static void refuse_set(const data_table *t, data_table_config config, ag_error code,
                       const char *rest)
{
    data_set *set = data_table_to_set(t, config);
    test_expect(code, test_says("data_table_to_set", "t.csv", rest));
    ck_assert_int_eq(data_set_size(set), 0);
    data_set_free(set);
}

START_TEST(what_cannot_become_a_set_is_said_with_line_and_column)
{
    data_table *t = read_text(passengers);
    data_table_config plain = data_table_defaults(), config = plain;
    config.y = "fare";
    config.without = "sex, lived";
    refuse_set(t, config, AG_ERROR_FORMAT,
               "line 4, column \"age\": the value is missing (data_table_config.missing says what "
               "to do then) (");
    config.without = "age, lived";
    refuse_set(t, config, AG_ERROR_FORMAT,
               "line 2, column \"sex\": \"m\" is not a number (a category must be listed in "
               "one_hot or index) (");
    config = plain;
    config.x = "fare";
    config.y = "age";
    refuse_set(t, config, AG_ERROR_FORMAT, "line 4, column \"age\": the target is missing (");
    config.y = "sex";
    config.classes = true;
    refuse_set(t, config, AG_ERROR_FORMAT, "line 6, column \"sex\": the target is missing (");
    config.y = "sx";
    refuse_set(t, config, AG_ERROR_VALUE, "y: there is no column \"sx\" (");
    config.y = "sex, lived";
    refuse_set(t, config, AG_ERROR_VALUE, "classes are one column, but y has 2 (");
    config.y = "fare";
    refuse_set(t, config, AG_ERROR_VALUE, "column \"fare\" cannot be both input and target (");
    config = plain;
    config.x = "fare, fare";
    refuse_set(t, config, AG_ERROR_VALUE, "x: column \"fare\" is there twice (");
    config.x = "fare";
    config.without = "fare";
    refuse_set(t, config, AG_ERROR_VALUE, "no column is left for the inputs (");
    data_table_free(t);

    t = read_text("x,c\n1,one\n2,one\n");
    config = plain;
    config.y = "c";
    config.classes = true;
    refuse_set(t, config, AG_ERROR_VALUE,
               "column \"c\": there is only one value, \"one\"; classes need at least two (");
    data_table_free(t);
    t = read_text("x,z\n,1\n,2\n");
    config = plain;
    config.missing = DATA_MISSING_MEAN;
    refuse_set(t, config, AG_ERROR_VALUE,
               "column \"x\": there is no value to fill missing ones with (");
    config.missing = DATA_MISSING_DROP;
    refuse_set(t, config, AG_ERROR_VALUE, "each of the 2 rows has a missing value: none is left (");
    data_table_free(t);
    data_set_free(data_csv(test_write("ragged.csv", "a,b\n1\n", 6), plain));
    test_expect(AG_ERROR_FORMAT,
                test_says("data_csv", "ragged.csv", "line 2: 1 field, but the header has 2 ("));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("table");
    TCase *tests = tcase_create("table");
    tcase_add_checked_fixture(tests, test_begin, test_end);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, columns_are_numbers_or_text);
    tcase_add_test(tests, line_ends_marks_and_quotes_do_not_matter);
    tcase_add_test(tests, configs_change_delimiter_header_and_types);
    tcase_add_test(tests, numbers_are_rounded_as_strtod_rounds);
    tcase_add_test(tests, what_is_no_number_is_text);
    tcase_add_test(tests, the_locale_does_not_matter);
    tcase_add_test(tests, what_is_wrong_with_a_file_is_said_with_line_and_column);
    tcase_add_test(tests, damaged_bytes_are_a_table_or_an_error);
    tcase_add_test(tests, calls_that_make_no_sense_are_refused);
    tcase_add_test(tests, columns_become_inputs_and_classes);
    tcase_add_test(tests, what_is_fitted_on_another_table_is_taken_from_it);
    tcase_add_test(tests, what_cannot_become_a_set_is_said_with_line_and_column);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
