/*
 * Pictures: what is written is what libpng reads back, and a failed write leaves nothing behind.
 */
#include "files.h"

#include <png.h>
#include <signal.h>
#include <sys/resource.h>

static void expect_picture(const char *path, png_uint_32 format, const uint8_t *pixels,
                           unsigned height, unsigned width)
{
    png_image image = { .version = PNG_IMAGE_VERSION };
    ck_assert_msg(png_image_begin_read_from_file(&image, path) != 0, "%s", image.message);
    ck_assert_uint_eq(image.height, height);
    ck_assert_uint_eq(image.width, width);
    ck_assert_uint_eq(image.format & PNG_FORMAT_FLAG_COLOR, format & PNG_FORMAT_FLAG_COLOR);
    ck_assert_uint_eq(image.format & PNG_FORMAT_FLAG_ALPHA, 0);
    image.format = format;
    uint8_t *read = malloc(PNG_IMAGE_SIZE(image));
    ck_assert_ptr_nonnull(read);
    ck_assert_int_ne(png_image_finish_read(&image, NULL, read, 0, NULL), 0);
    ck_assert_mem_eq(read, pixels, PNG_IMAGE_SIZE(image));
    free(read);
}

static int files_in_folder(void)
{
    DIR *folder = opendir(test_folder);
    ck_assert_ptr_nonnull(folder);
    int count = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        count += entry->d_name[0] != '.';
    }
    closedir(folder);
    return count;
}

/* Numbers without a pattern, so that compression cannot make the file small. */
static void noise(uint8_t *pixels, size_t n)
{
    uint32_t state = 1;
    for (size_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        pixels[i] = (uint8_t)(state >> 24);
    }
}

START_TEST(grey_and_colour_come_back)
{
    uint8_t pixels[5 * 7 * 3];
    noise(pixels, sizeof pixels);
    ck_assert_int_eq(data_png_write(test_path("grey.png"), pixels, 5, 7, 1), AG_OK);
    expect_picture(test_path("grey.png"), PNG_FORMAT_GRAY, pixels, 5, 7);
    ck_assert_int_eq(data_png_write(test_path("colour.png"), pixels, 5, 7, 3), AG_OK);
    expect_picture(test_path("colour.png"), PNG_FORMAT_RGB, pixels, 5, 7);
    ck_assert_int_eq(data_png_write(test_path("grey.png"), pixels, 35, 3, 1),
                     AG_OK); /* over the old one */
    expect_picture(test_path("grey.png"), PNG_FORMAT_GRAY, pixels, 35, 3);
    ck_assert_int_eq(files_in_folder(), 2);
}
END_TEST

START_TEST(wrong_arguments_are_explained)
{
    uint8_t pixels[12] = { 0 };
    data_png_write(NULL, pixels, 2, 2, 1);
    test_expect(AG_ERROR_VALUE, "data_png_write: the path is NULL");
    data_png_write("a.png", NULL, 2, 2, 1);
    test_expect(AG_ERROR_VALUE, "data_png_write: the array of pixels is NULL");
    data_png_write("a.png", pixels, 0, 2, 1);
    test_expect(AG_ERROR_VALUE, "data_png_write: a.png: a picture cannot have 0 x 2 pixels");
    data_png_write("a.png", pixels, 2, INT64_MAX, 1);
    test_expect(AG_ERROR_VALUE,
                "data_png_write: a.png: a picture cannot have 2 x 9223372036854775807 pixels");
    data_png_write("a.png", pixels, 2, 2, 4);
    test_expect(
        AG_ERROR_VALUE,
        "data_png_write: a.png: 4 channels; 1 (grey) or 3 (red, green, blue) are written (");
}
END_TEST

START_TEST(places_that_cannot_be_written_are_named)
{
    uint8_t pixels[4] = { 0 };
    data_png_write(test_path("none/a.png"), pixels, 2, 2, 1);
    test_expect(AG_ERROR_FILE, test_says("data_png_write", "none/a.png",
                                         "cannot be written: No such file or directory"));
    ck_assert_int_eq(mkdir(test_path("folder"), 0700), 0);
    data_png_write(test_path("folder"), pixels, 2, 2, 1);
    test_expect(AG_ERROR_FILE,
                test_says("data_png_write", "folder", "cannot be written: Is a directory"));
    ck_assert_int_eq(files_in_folder(), 1);
}
END_TEST

START_TEST(failed_write_keeps_the_old_picture_and_leaves_nothing)
{
    uint8_t old[4] = { 1, 2, 3, 4 };
    size_t n = 200 * 200;
    uint8_t *pixels = malloc(n);
    ck_assert_ptr_nonnull(pixels);
    noise(pixels, n);
    ck_assert_int_eq(data_png_write(test_path("a.png"), old, 2, 2, 1), AG_OK);

    struct rlimit before;
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_IGN);
    /* The file must not grow beyond so many bytes: the write fails early, in the middle and at the
     * very end. */
    for (rlim_t bytes = 0; bytes < n; bytes += n / 5) {
        struct rlimit small = { bytes, before.rlim_max };
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
        ag_error error = data_png_write(test_path("a.png"), pixels, 200, 200, 1);
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
        ck_assert_int_eq(error, AG_ERROR_FILE);
        test_expect(AG_ERROR_FILE,
                    test_says("data_png_write", "a.png", "cannot be written: File too large"));
        expect_picture(test_path("a.png"), PNG_FORMAT_GRAY, old, 2, 2);
        ck_assert_int_eq(files_in_folder(), 1);
    }
    ck_assert_int_eq(data_png_write(test_path("a.png"), pixels, 200, 200, 1), AG_OK);
    expect_picture(test_path("a.png"), PNG_FORMAT_GRAY, pixels, 200, 200);
    free(pixels);
}
END_TEST

START_TEST(the_first_error_stays)
{
    uint8_t pixels[4] = { 0 };
    data_png_write("a.png", pixels, 0, 0, 1);
    ck_assert_int_eq(data_png_write(test_path("a.png"), pixels, 2, 2, 1), AG_ERROR_VALUE);
    ck_assert_int_eq(files_in_folder(), 0);
    ag_error_clear();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("png");
    TCase *tests = tcase_create("png");
    tcase_add_checked_fixture(tests, test_begin, test_end);
    tcase_add_test(tests, grey_and_colour_come_back);
    tcase_add_test(tests, wrong_arguments_are_explained);
    tcase_add_test(tests, places_that_cannot_be_written_are_named);
    tcase_add_test(tests, failed_write_keeps_the_old_picture_and_leaves_nothing);
    tcase_add_test(tests, the_first_error_stays);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
