/*
 * PNG files in: every kind of them, against Pillow (golden/make_png.py); folders of them as sets: classes, order, sizes, and every way
 * in which a folder or a file can be broken.
 */
#define _XOPEN_SOURCE 700
#include "files.h"

#include <ftw.h>
#include <math.h>

#ifndef TESTS_GOLDEN
#define TESTS_GOLDEN "tests/golden"
#endif

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status, (void)kind;
    return place->level > 0 ? remove(path) : 0;
}

static void end(void)
{
    nftw(test_folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    test_end();
}

/* A folder in the test's folder, and those above it. */
static void make_folder(const char *name)
{
    char path[PATH_ROOM];
    snprintf(path, sizeof path, "%s", test_path(name));
    for (char *p = path + strlen(test_folder) + 1; *p != '\0'; p++) {
        if (*p == '/') {
            *p = '\0';
            mkdir(path, 0700);
            *p = '/';
        }
    }
    ck_assert_int_eq(mkdir(path, 0700), 0);
}

/* A picture all of one value. */
static void make_png(const char *name, uint8_t value, int64_t height, int64_t width, int channels)
{
    uint8_t pixels[1024];
    memset(pixels, value, sizeof pixels);
    ck_assert_int_eq(data_png_write(test_path(name), pixels, height, width, channels), AG_OK);
}

static data_set *open_set(const char *name)
{
    return data_png_folder(test_path(name), data_png_folder_defaults());
}

static void refused(const char *name, ag_error code, const char *file, const char *rest)
{
    data_set *set = open_set(name);
    ck_assert_int_eq(data_set_size(set), 0);
    data_set_free(set);
    test_expect(code, test_says("data_png_folder", file, rest));
}

/* ---- files ----------------------------------------------------------------------------------------------------------------- */

START_TEST(files_of_all_kinds_are_read_as_pillow_reads_them)
{
    FILE *file = fopen(TESTS_GOLDEN "/png.txt", "r");
    ck_assert_ptr_nonnull(file);
    char name[32], path[PATH_ROOM];
    int64_t kinds = 0;
    long long height, width, colour;
    while (fscanf(file, " file %31s %lld %lld %lld", name, &height, &width, &colour) == 4) {
        data_picture as_is, rgb;
        snprintf(path, sizeof path, "%s/png/%s.png", TESTS_GOLDEN, name);
        ck_assert_int_eq(data_png_read(path, 0, 255, &as_is), AG_OK);
        ck_assert_int_eq(data_png_read(path, 3, 255, &rgb), AG_OK);
        ck_assert_int_eq(as_is.channels, colour ? 3 : 1);
        ck_assert(rgb.height == height && rgb.width == width && rgb.channels == 3);
        for (int64_t i = 0; i < height * width * 3; i++) {
            int wanted;
            ck_assert_int_eq(fscanf(file, "%d", &wanted), 1);
            ck_assert_msg(rgb.pixels[i] == wanted, "%s: byte %lld is %d, not %d", name, (long long)i, rgb.pixels[i], wanted);
            ck_assert_int_eq(as_is.pixels[colour ? i : i / 3], wanted);
        }
        data_picture_free(&as_is);
        data_picture_free(&rgb);
        ck_assert_ptr_null(rgb.pixels);
        kinds++;
    }
    ck_assert_int_eq(kinds, 5);
    fclose(file);
}
END_TEST

START_TEST(transparent_pictures_lie_on_the_ground_that_is_asked_for)
{
    data_picture white, black;
    ck_assert_int_eq(data_png_read(TESTS_GOLDEN "/png/grey_alpha.png", 1, 255, &white), AG_OK);
    ck_assert_int_eq(data_png_read(TESTS_GOLDEN "/png/grey_alpha.png", 1, 7, &black), AG_OK);
    for (int i = 0; i < 15; i++) {
        ck_assert_int_eq(black.pixels[i], i % 2 == 0 ? white.pixels[i] : 7);
    }
    data_picture_free(&white);
    data_picture_free(&black);
}
END_TEST

START_TEST(pictures_of_other_sizes_are_pillows)
{
    FILE *file = fopen(TESTS_GOLDEN "/png.txt", "r");
    ck_assert_ptr_nonnull(file);
    char word[32];
    int64_t sizes = 0;
    long long h, w, channels, to_h, to_w;
    make_folder("one");
    while (fscanf(file, " %31s", word) == 1) {
        if (strcmp(word, "resize") != 0) {
            continue;
        }
        ck_assert_int_eq(fscanf(file, "%lld %lld %lld %lld %lld", &h, &w, &channels, &to_h, &to_w), 5);
        static uint8_t pixels[64 * 64 * 3];
        static float x[64 * 64 * 3];
        uint32_t state = 6;
        for (int64_t i = 0; i < h * w * channels; i++) {
            state = (uint32_t)(((uint64_t)state * 1103515245u + 12345u) % 2147483648u);
            pixels[i] = (uint8_t)(state >> 16 & 255);
        }
        ck_assert_int_eq(data_png_write(test_path("one/a.png"), pixels, h, w, (int)channels), AG_OK);
        data_png_folder_config config = data_png_folder_defaults();
        config.resize = true;
        config.height = to_h;
        config.width = to_w;
        data_set *set = data_png_folder(test_path("one"), config);
        ck_assert(ag_shape_equal(data_set_x_shape(set), AG_SHAPE(channels, to_h, to_w)));
        ck_assert_int_eq(data_set_read(set, 0, x, NULL), AG_OK);
        for (int64_t i = 0; i < to_h * to_w; i++) {
            for (int64_t c = 0; c < channels; c++) {
                int wanted;
                ck_assert_int_eq(fscanf(file, "%d", &wanted), 1);
                double found = x[c * to_h * to_w + i] * 255;
                ck_assert_msg(fabs(found - wanted) < 0.01, "%g, not %d", found, wanted);
            }
        }
        data_set_free(set);
        sizes++;
    }
    ck_assert_int_eq(sizes, 5);
    fclose(file);
}
END_TEST

/* ---- folders --------------------------------------------------------------------------------------------------------------- */

START_TEST(a_folder_for_each_class)
{
    make_folder("all/b");
    make_folder("all/a");
    make_folder("all/a/deeper");
    make_folder("all/.hidden");
    make_png("all/b/2.png", 40, 2, 3, 1);
    make_png("all/b/10.PNG", 30, 2, 3, 1);
    make_png("all/a/x.png", 10, 2, 3, 1);
    make_png("all/a/deeper/a.png", 20, 2, 3, 1);
    make_png("all/a/.thumbnail.png", 99, 9, 9, 1);
    make_png("all/.hidden/a.png", 99, 9, 9, 1);
    test_write("all/a/readme.txt", "no picture", 10);
    test_write("all/readme.txt", "no class", 8);
    for (int lazy = 0; lazy < 2; lazy++) {
        data_png_folder_config config = data_png_folder_defaults();
        config.lazy = lazy;
        data_set *set = data_png_folder(test_path("all"), config);
        ck_assert_msg(ag_error_code() == AG_OK, "%s", ag_error_message());
        ck_assert_int_eq(data_set_size(set), 4);
        ck_assert(ag_shape_equal(data_set_x_shape(set), AG_SHAPE(1, 2, 3)));
        ck_assert_int_eq(data_set_classes(set), 2);
        ck_assert_str_eq(data_set_class_name(set, 0), "a");
        ck_assert_str_eq(data_set_class_name(set, 1), "b");
        for (int i = 0; i < 4; i++) {
            float x[6];
            int64_t y;
            ck_assert_int_eq(data_set_read(set, i, x, &y), AG_OK);
            ck_assert_int_eq(y, i / 2);
            for (int p = 0; p < 6; p++) {
                ck_assert(x[p] == (float)(10 * (i + 1)) / 255.0f);
            }
        }
        data_set_free(set);
    }
}
END_TEST

START_TEST(colours_are_planes_and_grey_can_be_asked_for)
{
    const uint8_t pixels[2 * 3] = { 10, 20, 30, 40, 50, 60 };
    make_folder("all");
    ck_assert_int_eq(data_png_write(test_path("all/b.png"), pixels, 1, 2, 3), AG_OK);
    make_png("all/a.png", 128, 1, 2, 1);
    data_set *set = open_set("all");
    ck_assert(ag_shape_equal(data_set_x_shape(set), AG_SHAPE(3, 1, 2)));
    ck_assert_int_eq(data_set_classes(set), 0);
    const float planes[6] = { 10, 40, 20, 50, 30, 60 };
    float x[6];
    int64_t y = 5;
    data_set_read(set, 1, x, &y);
    ck_assert_int_eq(y, 0);
    for (int i = 0; i < 6; i++) {
        ck_assert(x[i] == planes[i] / 255.0f);
    }
    data_set_read(set, 0, x, NULL);
    ck_assert(x[0] == 128.0f / 255.0f && x[5] == x[0]);
    data_set_free(set);
    data_png_folder_config config = data_png_folder_defaults();
    config.channels = 1;
    set = data_png_folder(test_path("all"), config);
    ck_assert(ag_shape_equal(data_set_x_shape(set), AG_SHAPE(1, 1, 2)));
    data_set_read(set, 0, x, NULL);
    ck_assert(x[0] == 128.0f / 255.0f);
    data_set_read(set, 1, x, NULL);
    ck_assert(x[0] * 255 > 10 && x[0] * 255 < 30 && x[1] * 255 > 40 && x[1] * 255 < 60);
    data_set_free(set);
}
END_TEST

/* Batches do not depend on who reads the files, and when. */
START_TEST(threads_read_lazily)
{
    make_folder("all");
    for (int i = 0; i < 40; i++) {
        char name[32];
        snprintf(name, sizeof name, "all/%02d.png", i);
        make_png(name, (uint8_t)i, 4, 4, 1);
    }
    for (int workers = 0; workers < 3; workers += 2) {
        data_png_folder_config lazy = data_png_folder_defaults();
        lazy.lazy = true;
        data_loader_config config = data_loader_defaults();
        config.batch = 8;
        config.workers = workers;
        data_loader *loader = data_loader_new(data_png_folder(test_path("all"), lazy), config, NULL);
        data_batch batch;
        float x[8 * 16];
        int64_t seen = 0;
        while (data_loader_next(loader, &batch)) {
            ag_read(batch.x, x, 8 * 16);
            for (int i = 0; i < 8; i++) {
                ck_assert(x[16 * i] == (float)(seen + i) / 255.0f);
            }
            seen += batch.n;
        }
        ck_assert_int_eq(seen, 40);
        data_loader_free(loader);
    }
    /* A file that is damaged afterwards is an error when its batch is asked for. */
    data_png_folder_config lazy = data_png_folder_defaults();
    lazy.lazy = true;
    data_set *set = data_png_folder(test_path("all"), lazy);
    make_png("all/03.png", 3, 5, 4, 1);
    test_write("all/02.png", "gone", 4);
    float x[16];
    data_set_read(set, 2, x, NULL);
    test_expect(AG_ERROR_FILE, test_says("data_png_folder", "all/02.png", "is not a PNG file: it does not begin as one"));
    data_set_read(set, 3, x, NULL);
    test_expect(AG_ERROR_SHAPE, test_says("data_png_folder", "all/03.png", "is 5 x 4 pixels now, and was 4 x 4"));
    data_set_free(set);
}
END_TEST

/* ---- what is broken ---------------------------------------------------------------------------------------------------------- */

START_TEST(folders_without_pictures_are_named)
{
    refused("none", AG_ERROR_FILE, "none", "the folder cannot be read: No such file or directory (");
    test_write("file", "x", 1);
    refused("file", AG_ERROR_FILE, "file", "the folder cannot be read: Not a directory (");
    make_folder("empty");
    refused("empty", AG_ERROR_FILE, "empty", "the folder holds no PNG file (0 others) (");
    test_write("empty/a.jpg", "x", 1);
    refused("empty", AG_ERROR_FILE, "empty", "the folder holds no PNG file (1 other) (");
    make_folder("all/a");
    make_folder("all/b");
    make_png("all/a/1.png", 1, 2, 2, 1);
    refused("all", AG_ERROR_FILE, "all/b", "the folder of this class holds no PNG file (");
    make_png("all/b/1.png", 1, 2, 2, 1);
    make_png("all/1.png", 1, 2, 2, 1);
    char beside[2 * PATH_ROOM];
    snprintf(beside, sizeof beside, "there are folders, each of which is a class, and beside them %s of no class (", test_path("all/1.png"));
    refused("all", AG_ERROR_FILE, "all", beside);
}
END_TEST

START_TEST(sizes_that_differ_are_named_with_both_files)
{
    make_folder("all");
    make_png("all/a.png", 1, 2, 3, 1);
    make_png("all/b.png", 1, 2, 3, 1);
    make_png("all/c.png", 1, 3, 2, 1);
    char text[4 * PATH_ROOM];
    snprintf(text, sizeof text,
             "data_png_folder: pictures of several sizes: %s is 2 x 3, but %s is 3 x 2 (height x width); with resize all become of one",
             test_path("all/a.png"), test_path("all/c.png"));
    data_set_free(open_set("all"));
    test_expect(AG_ERROR_SHAPE, text);
    data_png_folder_config config = data_png_folder_defaults();
    config.resize = true;
    config.height = config.width = 2;
    data_set *set = data_png_folder(test_path("all"), config);
    ck_assert_int_eq(data_set_size(set), 3);
    data_set_free(set);
}
END_TEST

START_TEST(files_that_are_no_pictures_are_named)
{
    make_folder("all");
    make_png("all/a.png", 1, 2, 3, 1);
    test_write("all/b.png", "", 0);
    refused("all", AG_ERROR_FILE, "all/b.png", "is empty (");
    test_write("all/b.png", "GIF89a..............", 20);
    refused("all", AG_ERROR_FILE, "all/b.png", "is not a PNG file: it does not begin as one (");
    test_write("all/b.png", "\x89PNG\r\n\x1a\n", 8);
    refused("all", AG_ERROR_FILE, "all/b.png", "the header is damaged or ends too early: ");
    remove(test_path("all/b.png"));
    ck_assert_int_eq(mkfifo(test_path("all/b.png"), 0600), 0);
    refused("all", AG_ERROR_FILE, "all/b.png", "is no regular file (");
    remove(test_path("all/b.png"));
    ck_assert_int_eq(symlink("nowhere", test_path("all/b.png")), 0);
    refused("all", AG_ERROR_FILE, "all/b.png", "No such file or directory (");
    data_picture picture;
    data_png_read(test_path("all"), 1, 255, &picture);
    test_expect(AG_ERROR_FILE, test_says("data_png_read", "all", "is a folder, not a PNG file ("));
    ck_assert_ptr_null(picture.pixels);
}
END_TEST

START_TEST(links_in_a_circle_end)
{
    make_folder("all/a");
    make_png("all/a/1.png", 1, 2, 3, 1);
    ck_assert_int_eq(symlink(".", test_path("all/a/again")), 0);
    data_set_free(open_set("all"));
    ck_assert_int_eq(ag_error_code(), AG_ERROR_FILE);
    ck_assert_msg(strstr(ag_error_message(), ": more than 32 folders, one in another (") != NULL, "%s", ag_error_message());
    ag_error_clear();
}
END_TEST

/* The bytes of a file; returns how many. */
static size_t bytes_of(const char *path, unsigned char *bytes, size_t room)
{
    FILE *file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    size_t n = fread(bytes, 1, room, file);
    fclose(file);
    return n;
}

/* Cut off at any byte it is an error that names the file; with any byte changed it is one, or a picture. */
START_TEST(broken_files_are_errors_and_nothing_worse)
{
    unsigned char bytes[2048];
    uint8_t pixels[11 * 7 * 3];
    for (size_t i = 0; i < sizeof pixels; i++) {
        pixels[i] = (uint8_t)(i * i * 7);
    }
    make_folder("all");
    ck_assert_int_eq(data_png_write(test_path("all/a.png"), pixels, 11, 7, 3), AG_OK);
    size_t n = bytes_of(test_path("all/a.png"), bytes, sizeof bytes), last = n - 12; /* IEND, which nobody misses */
    ck_assert(n > 100 && n < sizeof bytes);
    for (size_t cut = 0; cut < last; cut++) {
        test_write("all/a.png", bytes, cut);
        data_set_free(open_set("all"));
        test_expect(AG_ERROR_FILE, test_says("data_png_folder", "all/a.png", ""));
    }
    int errors = 0;
    for (size_t i = 0; i < n; i++) {
        for (int bit = 1; bit < 256; bit *= 8) {
            bytes[i] ^= (unsigned char)bit;
            test_write("all/a.png", bytes, n);
            bytes[i] ^= (unsigned char)bit;
            data_set *set = open_set("all");
            if (ag_error_code() != AG_OK) {
                test_expect(AG_ERROR_FILE, test_says("data_png_folder", "all/a.png", ""));
                errors++;
            } else {
                ck_assert_int_eq(data_set_size(set), 1);
            }
            data_set_free(set);
        }
    }
    ck_assert_int_gt(errors, (int)n); /* most are found: every chunk has a checksum */
}
END_TEST

START_TEST(a_small_file_cannot_ask_for_all_memory)
{
    unsigned char bytes[2048];
    make_folder("all");
    make_png("all/a.png", 1, 2, 2, 1);
    size_t n = bytes_of(test_path("all/a.png"), bytes, sizeof bytes);
    memcpy(bytes + 16, "\0\0\xff\xff\0\0\xff\xff", 8); /* width and height */
    uLong sum = crc32(0, bytes + 12, 17);
    for (int i = 0; i < 4; i++) {
        bytes[29 + i] = (unsigned char)(sum >> (24 - 8 * i));
    }
    test_write("all/a.png", bytes, n);
    refused("all", AG_ERROR_FILE, "all/a.png", "65535 x 65535 pixels are more than 100 million (");
}
END_TEST

START_TEST(wrong_arguments_are_explained)
{
    data_png_folder_config config = data_png_folder_defaults();
    data_set_free(data_png_folder(NULL, config));
    test_expect(AG_ERROR_VALUE, "data_png_folder: the folder is NULL (");
    config.channels = 4;
    data_set_free(data_png_folder("x", config));
    test_expect(AG_ERROR_VALUE, "data_png_folder: channels are 1 (grey), 3 (red, green, blue) or 0 (as the files have) (");
    config = data_png_folder_defaults();
    config.resize = true;
    data_set_free(data_png_folder("x", config));
    test_expect(AG_ERROR_VALUE, "data_png_folder: resize needs a height and a width from 1 to 16384 (");
    config = data_png_folder_defaults();
    config.height = 28;
    data_set_free(data_png_folder("x", config));
    test_expect(AG_ERROR_VALUE, "data_png_folder: height and width are for resize, which is false (");
    config = (data_png_folder_config){ 0 };
    data_set_free(data_png_folder("x", config));
    test_expect(AG_ERROR_VALUE, "data_png_folder: the config did not come from data_png_folder_defaults() (");
    data_picture picture;
    data_png_read(NULL, 1, 255, &picture);
    test_expect(AG_ERROR_VALUE, "data_png_read: the path is NULL (");
    data_png_read("x", 1, 255, NULL);
    test_expect(AG_ERROR_VALUE, "data_png_read: the picture is NULL (");
    data_png_read("x", 2, 255, &picture);
    test_expect(AG_ERROR_VALUE, "data_png_read: x: 2 channels; 1 (grey), 3 (red, green, blue) or 0 (as the file has) can be read (");
    data_png_read("x", 4, 255, &picture);
    data_png_read("nowhere.png", 1, 255, &picture); /* the first error stays */
    test_expect(AG_ERROR_VALUE, "data_png_read: x: 4 channels;");
    data_png_read("nowhere.png", 1, 255, &picture);
    test_expect(AG_ERROR_FILE, "data_png_read: nowhere.png: No such file or directory (");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("png_folder");
    TCase *tests = tcase_create("png_folder");
    tcase_add_checked_fixture(tests, test_begin, end);
    tcase_add_test(tests, files_of_all_kinds_are_read_as_pillow_reads_them);
    tcase_add_test(tests, transparent_pictures_lie_on_the_ground_that_is_asked_for);
    tcase_add_test(tests, pictures_of_other_sizes_are_pillows);
    tcase_add_test(tests, a_folder_for_each_class);
    tcase_add_test(tests, colours_are_planes_and_grey_can_be_asked_for);
    tcase_add_test(tests, threads_read_lazily);
    tcase_add_test(tests, folders_without_pictures_are_named);
    tcase_add_test(tests, sizes_that_differ_are_named_with_both_files);
    tcase_add_test(tests, files_that_are_no_pictures_are_named);
    tcase_add_test(tests, links_in_a_circle_end);
    tcase_add_test(tests, broken_files_are_errors_and_nothing_worse);
    tcase_add_test(tests, a_small_file_cannot_ask_for_all_memory);
    tcase_add_test(tests, wrong_arguments_are_explained);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
