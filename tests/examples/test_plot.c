/*
 * Every kind of plot as PNG, as SVG and with characters: what was asked to be drawn is where it should be, in the colours of
 * Okabe & Ito (2008). The pictures are read back with libpng; what is expected of them follows from the numbers given.
 */
#define _POSIX_C_SOURCE 200809L

#include <check.h>
#include <math.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/plot.h"

static char folder[] = "/tmp/test_plot_XXXXXX", path[128];

/* ---- pictures read back ---------------------------------------------------------------------------------------------------------- */

struct picture {
    int width, height;
    unsigned char *rgb;
};

static void read_png(struct picture *p)
{
    png_image image = { .version = PNG_IMAGE_VERSION };
    ck_assert_msg(png_image_begin_read_from_file(&image, path), "%s: %s", path, image.message);
    image.format = PNG_FORMAT_RGB;
    p->width = (int)image.width;
    p->height = (int)image.height;
    p->rgb = malloc(PNG_IMAGE_SIZE(image));
    ck_assert_ptr_nonnull(p->rgb);
    ck_assert(png_image_finish_read(&image, NULL, p->rgb, 0, NULL));
}

struct colour {
    int r, g, b;
};
static const struct colour blue = { 0, 114, 178 }, vermilion = { 213, 94, 0 }, green = { 0, 158, 115 };

/* How many pixels of the columns [from, to) have a colour, nearly; *x and *y (if not NULL) get their middle. */
static int count(const struct picture *p, struct colour c, int from, int to, double *x, double *y)
{
    int n = 0;
    double sum_x = 0, sum_y = 0;
    for (int row = 0; row < p->height; row++) {
        for (int column = from; column < to; column++) {
            const unsigned char *at = p->rgb + 3 * (row * p->width + column);
            if (abs(at[0] - c.r) <= 8 && abs(at[1] - c.g) <= 8 && abs(at[2] - c.b) <= 8) {
                n++;
                sum_x += column;
                sum_y += row;
            }
        }
    }
    if (x != NULL) {
        *x = sum_x / n;
    }
    if (y != NULL) {
        *y = sum_y / n;
    }
    return n;
}

/* The first and last column that have the colour. */
static void columns_with(const struct picture *p, struct colour c, int *first, int *last)
{
    *first = p->width;
    *last = -1;
    for (int column = 0; column < p->width; column++) {
        if (count(p, c, column, column + 1, NULL, NULL) > 0) {
            *first = column < *first ? column : *first;
            *last = column;
        }
    }
}

/* ---- the three ways out ----------------------------------------------------------------------------------------------------------- */

static bool pictures_are_drawn(void)
{
#ifdef EXAMPLES_CAIRO
    return true;
#else
    return false;
#endif
}

static char *read_text(FILE *stream)
{
    static char text[1 << 22];
    rewind(stream);
    size_t n = fread(text, 1, sizeof text - 1, stream);
    ck_assert_uint_gt(n, 0);
    ck_assert_uint_lt(n, sizeof text - 1);
    text[n] = '\0';
    fclose(stream);
    return text;
}

/* The figure as SVG: each element that is opened is closed. */
static char *write_svg(struct plot *p)
{
    snprintf(path, sizeof path, "%s/figure.svg", folder);
    ck_assert(plot_write(p, "test_plot", path));
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    char *text = read_text(file);
    ck_assert_ptr_eq(strstr(text, "<?xml"), text);
    ck_assert_ptr_nonnull(strstr(text, "<svg"));
    int open = 0;
    for (const char *at = strchr(text, '<'); at != NULL; at = strchr(at + 1, '<')) {
        const char *end = strchr(at, '>');
        ck_assert_ptr_nonnull(end);
        open += at[1] == '?' ? 0 : at[1] == '/' ? -1 : end[-1] == '/' ? 0 : 1;
        ck_assert_int_ge(open, 0);
    }
    ck_assert_int_eq(open, 0);
    unlink(path);
    return text;
}

/* Writes PNG and SVG; reads the former back. */
static void write_both(struct plot *p, struct picture *picture)
{
    write_svg(p);
    snprintf(path, sizeof path, "%s/figure.png", folder);
    ck_assert(plot_write(p, "test_plot", path));
    read_png(picture);
    unlink(path);
}

static char *print(struct plot *p)
{
    FILE *stream = tmpfile();
    ck_assert_ptr_nonnull(stream);
    plot_print(p, stream);
    return read_text(stream);
}

/* ---- each kind -------------------------------------------------------------------------------------------------------------------- */

START_TEST(learning_curves)
{
    const double up[5] = { 0, 1, 2, 3, 4 }, down[5] = { 4, 3, 2, 1, 0 };
    struct plot *p = plot_new("curves");
    struct plot_panel *panel = plot_panel(p, "loss", "epoch", "");
    plot_line(panel, "training", 5, NULL, up);
    plot_line(panel, "validation", 5, NULL, down);
    plot_mark(panel, "best", 2, NAN);
    const char *text = print(p);
    ck_assert_ptr_nonnull(strstr(text, "o training,  x validation"));
    ck_assert_ptr_nonnull(strstr(text, "epoch"));
    if (pictures_are_drawn()) {
        struct picture picture;
        write_both(p, &picture);
        int first, last;
        columns_with(&picture, blue, &first, &last);
        double left, right;
        /* below the legend the line runs from the lower left to the upper right; the other way round for the other one */
        ck_assert_int_gt(last - first, picture.width / 2);
        int wide = (last - first) / 10;
        count(&picture, blue, last - wide, last, NULL, &right);
        count(&picture, vermilion, last - wide, last, NULL, &left);
        ck_assert_double_lt(right + picture.height / 3.0, left);
        free(picture.rgb);
        ck_assert_ptr_nonnull(strstr(write_svg(p), "44.7")); /* 114 of 255 in per cent: the blue line */
    }
    plot_free(p);
}
END_TEST

/* Class 0 left of x = 0.25, class 1 right of it. */
START_TEST(scatter_with_decision_boundary)
{
    enum { SIDE = 101 };
    static double class[SIDE * SIDE], lean[SIDE * SIDE];
    for (int i = 0; i < SIDE * SIDE; i++) {
        lean[i] = (i % SIDE) / (double)(SIDE - 1) - 0.251;
        class[i] = lean[i] > 0;
    }
    struct plot_grid grid = { .rows = SIDE, .columns = SIDE, .values = class, .x_low = 0, .x_high = 1, .y_low = 0, .y_high = 1 };
    struct plot *p = plot_new("boundary");
    struct plot_panel *panel = plot_panel(p, "", "", "");
    plot_regions(panel, grid, NULL);
    grid.values = lean;
    static const double level[1] = { 0 };
    struct plot_series *line = plot_contours(panel, grid, 1, level);
    line->fill = false;
    line->colour = PLOT_GREEN;
    line->width = 3;
    const double x = 0.7, y = 0.5;
    plot_points(panel, "", 1, &x, &y)->colour = PLOT_VERMILION;
    const char *text = print(p);
    const char *row = strstr(text, "      .");
    ck_assert_ptr_nonnull(row); /* both regions in one line of characters */
    if (pictures_are_drawn()) {
        struct picture picture;
        write_both(p, &picture);
        const struct colour left = { 173, 209, 231 }, right = { 242, 204, 173 }; /* 0.32 of the colour on white */
        int left_first, left_last, right_first, right_last;
        columns_with(&picture, left, &left_first, &left_last);
        columns_with(&picture, right, &right_first, &right_last);
        double boundary, wide = right_last - left_first;
        ck_assert_int_gt(count(&picture, green, 0, picture.width, &boundary, NULL), 0);
        ck_assert_double_eq_tol((boundary - left_first) / wide, 0.25, 0.02);
        ck_assert_double_eq_tol((left_last - left_first) / wide, 0.25, 0.02);
        double point;
        ck_assert_int_gt(count(&picture, vermilion, left_first, right_last, &point, NULL), 20);
        ck_assert_double_eq_tol((point - left_first) / wide, 0.7, 0.02);
        free(picture.rgb);
    }
    plot_free(p);
}
END_TEST

START_TEST(contours_with_a_path)
{
    enum { SIDE = 61 };
    static double bowl[SIDE * SIDE];
    for (int i = 0; i < SIDE * SIDE; i++) {
        double x = (i % SIDE - 30) / 30.0, y = (i / SIDE - 30) / 30.0;
        bowl[i] = x * x + y * y;
    }
    struct plot_grid grid = { .rows = SIDE, .columns = SIDE, .values = bowl, .x_low = -1, .x_high = 1, .y_low = -1, .y_high = 1 };
    struct plot *p = plot_new("bowl");
    struct plot_panel *panel = plot_panel(p, "", "", "");
    plot_contours(panel, grid, 8, NULL);
    const double x[3] = { -0.8, -0.4, 0 }, y[3] = { 0, 0, 0 };
    struct plot_series *walk = plot_line(panel, "path", 3, x, y);
    walk->ends = true;
    walk->colour = PLOT_VERMILION;
    const char *text = print(p);
    ck_assert_ptr_nonnull(strstr(text, "@")); /* the corners are high, the middle is low */
    if (pictures_are_drawn()) {
        struct picture picture;
        write_both(p, &picture);
        double middle;
        ck_assert_int_gt(count(&picture, vermilion, 0, picture.width, &middle, NULL), 100);
        /* the path lies in the left half of the axes, which fill most of the picture */
        ck_assert_double_lt(middle, 0.55 * picture.width);
        /* the lowest band, in the middle, is lighter than that in the corner */
        const unsigned char *centre = picture.rgb + 3 * (picture.height / 2 * picture.width + picture.width * 6 / 10);
        const unsigned char *corner = picture.rgb + 3 * (picture.height / 2 * picture.width + picture.width * 95 / 100);
        ck_assert_int_gt(centre[0], corner[0] - 256 * (corner[0] > 250));
        free(picture.rgb);
    }
    plot_free(p);
}
END_TEST

/* Row 0 of a grid lies at the bottom: black at the lower left and at the upper right. */
START_TEST(heat_map)
{
    const double values[4] = { 0, 1, 1, 0 };
    struct plot_grid grid = { .rows = 2, .columns = 2, .values = values, .x_low = 0, .x_high = 1, .y_low = 0, .y_high = 1 };
    struct plot *p = plot_new("");
    struct plot_panel *panel = plot_panel(p, "", "", "");
    struct plot_series *heat = plot_heat(panel, grid);
    heat->map = PLOT_MAP_GREY;
    heat->bar = false; /* it has black, too */
    ck_assert_ptr_nonnull(strstr(print(p), "@"));
    if (pictures_are_drawn()) {
        struct picture picture;
        write_both(p, &picture);
        const struct colour black = { 0, 0, 0 };
        int first, last;
        columns_with(&picture, black, &first, &last);
        double left, right;
        int half = (first + last) / 2, n = count(&picture, black, first, half, NULL, &left),
            m = count(&picture, black, half, last, NULL, &right);
        ck_assert_double_gt(left, right + picture.height / 4.0);
        ck_assert_double_eq_tol((double)n / m, 1, 0.05);
        free(picture.rgb);
    }
    plot_free(p);
}
END_TEST

START_TEST(table_with_numbers)
{
    const double values[6] = { 1.5, 2, 3, 40, 50, 60.25 };
    static const char *const rows[] = { "first", "second" }, *const columns[] = { "a", "b", "c" };
    struct plot *p = plot_new("");
    struct plot_panel *panel = plot_panel(p, "", "", "");
    plot_table(panel, 2, 3, values)->format = "%.2f";
    plot_axis_names(panel, &panel->x, 3, columns);
    plot_axis_names(panel, &panel->y, 2, rows);
    const char *text = print(p);
    const char *first = strstr(text, "first"), *second = strstr(text, "second");
    ck_assert(first != NULL && second != NULL && first < second);
    ck_assert(strstr(first, "1.50") < second);
    ck_assert_ptr_nonnull(strstr(second, "60.25"));
    if (pictures_are_drawn()) {
        struct picture picture;
        write_both(p, &picture);
        free(picture.rgb);
    }
    plot_free(p);
}
END_TEST

START_TEST(bars)
{
    const double heights[3] = { 1, 2, 4 };
    static const char *const names[] = { "one", "two", "four" };
    struct plot *p = plot_new("");
    struct plot_panel *panel = plot_panel(p, "", "", "");
    plot_bars(panel, "", 3, heights);
    plot_axis_names(panel, &panel->x, 3, names);
    const char *text = print(p);
    double length[3];
    for (int k = 0; k < 3; k++) {
        const char *line = strstr(text, names[k]);
        ck_assert_ptr_nonnull(line);
        length[k] = (double)strspn(strchr(line, '#'), "#");
    }
    ck_assert_double_eq_tol(length[2] / length[0], 4, 0.1);
    ck_assert_double_eq_tol(length[2] / length[1], 2, 0.1);
    if (pictures_are_drawn()) {
        struct picture picture;
        write_both(p, &picture);
        int first, last;
        columns_with(&picture, blue, &first, &last);
        double area[3];
        for (int k = 0; k < 3; k++) {
            area[k] = count(&picture, blue, first + (last - first) * k / 3, first + (last - first) * (k + 1) / 3, NULL, NULL);
        }
        ck_assert_double_eq_tol(area[2] / area[0], 4, 0.15);
        ck_assert_double_eq_tol(area[2] / area[1], 2, 0.15);
        free(picture.rgb);
    }
    plot_free(p);
}
END_TEST

START_TEST(confusion_matrix)
{
    const int64_t counts[4] = { 9, 1, 0, 10 };
    static const char *const names[] = { "cat", "dog" };
    struct plot *p = plot_new("");
    plot_confusion(plot_panel(p, "", "called", "truly"), 2, counts, names);
    const char *text = print(p);
    ck_assert_ptr_nonnull(strstr(text, "(rows: truly; columns: called)"));
    ck_assert_ptr_nonnull(strstr(text, "   cat     9     1   90.0 %\n"));
    ck_assert_ptr_nonnull(strstr(text, "   dog     .    10  100.0 %\n"));
    if (pictures_are_drawn()) {
        struct picture picture;
        write_both(p, &picture);
        double good, bad;
        ck_assert_int_gt(count(&picture, blue, 0, picture.width, &good, NULL), 1000); /* all dogs were called dogs */
        ck_assert_int_gt(count(&picture, (struct colour){ 213, 94, 0 }, 0, picture.width, &bad, NULL) +
                             count(&picture, (struct colour){ 222, 118, 38 }, 0, picture.width, NULL, NULL),
                         500); /* the one mistake */
        free(picture.rgb);
    }
    plot_free(p);
}
END_TEST

START_TEST(image_grid)
{
    /* planes of red, green and blue: the picture's pixels are red, green, blue, black */
    const float colours[12] = { 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0 }, ink[4] = { 1, 0, 0, 1 };
    struct plot_image images[2] = { { .height = 2, .width = 2, .channels = 3, .pixels = colours },
                                    { .height = 2, .width = 2, .channels = 1, .pixels = ink, .negative = true } };
    snprintf(images[0].left, PLOT_TEXT, "colours");
    snprintf(images[1].right, PLOT_TEXT, "ink");
    struct plot *p = plot_new("");
    plot_images(plot_panel(p, "", "", ""), 2, images, 2, 100);
    const char *text = print(p);
    ck_assert_ptr_nonnull(strstr(text, "colours"));
    if (pictures_are_drawn()) {
        struct picture picture;
        write_both(p, &picture);
        int red = count(&picture, (struct colour){ 255, 0, 0 }, 0, picture.width, NULL, NULL),
            lime = count(&picture, (struct colour){ 0, 255, 0 }, 0, picture.width, NULL, NULL),
            pure = count(&picture, (struct colour){ 0, 0, 255 }, 0, picture.width, NULL, NULL),
            black = count(&picture, (struct colour){ 0, 0, 0 }, 0, picture.width, NULL, NULL);
        ck_assert_int_gt(red, 5000);
        ck_assert_double_eq_tol((double)red / lime, 1, 0.05);
        ck_assert_double_eq_tol((double)red / pure, 1, 0.05);
        ck_assert_double_eq_tol((double)black / red, 3, 0.15); /* one of the first picture, two of the second */
        free(picture.rgb);
    }
    plot_free(p);
}
END_TEST

START_TEST(another_ending_is_refused)
{
    if (!pictures_are_drawn()) {
        return;
    }
    struct plot *p = plot_new("");
    plot_panel(p, "", "", "");
    snprintf(path, sizeof path, "%s/figure.gif", folder);
    ck_assert(!plot_write(p, "test_plot", path));
    ck_assert_int_ne(access(path, F_OK), 0);
    plot_free(p);
}
END_TEST

int main(void)
{
    if (mkdtemp(folder) == NULL) {
        perror(folder);
        return EXIT_FAILURE;
    }
    unsetenv("LC_ALL"); /* plain characters in the terminal */
    unsetenv("LC_CTYPE");
    setenv("LANG", "C", 1);
    Suite *suite = suite_create("plot");
    TCase *tests = tcase_create("plot");
    tcase_add_test(tests, learning_curves);
    tcase_add_test(tests, scatter_with_decision_boundary);
    tcase_add_test(tests, contours_with_a_path);
    tcase_add_test(tests, heat_map);
    tcase_add_test(tests, table_with_numbers);
    tcase_add_test(tests, bars);
    tcase_add_test(tests, confusion_matrix);
    tcase_add_test(tests, image_grid);
    tcase_add_test(tests, another_ending_is_refused);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    rmdir(folder);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
