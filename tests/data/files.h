/*
 * What the tests of this folder share: files that vanish after the test, and errors that do not end
 * the process.
 */
#ifndef WENGERT_TESTS_DATA_FILES_H
#define WENGERT_TESTS_DATA_FILES_H

#ifndef _XOPEN_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "data/data.h"

enum { PATH_ROOM = 512 };

static char test_folder[PATH_ROOM / 2];
static int test_errors; /* how often the handler was called */

static void test_handler(ag_error code, const char *message, void *user)
{
    (void)code;
    (void)message;
    (void)user;
    test_errors++;
}

static void test_begin(void)
{
    const char *temporary = getenv("TMPDIR");
    snprintf(test_folder, sizeof test_folder, "%s/wengert-test-XXXXXX",
             temporary != NULL ? temporary : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(test_folder));
    ag_error_set_handler(test_handler, NULL);
    test_errors = 0;
}

static void test_end(void)
{
    DIR *folder = opendir(test_folder);
    ck_assert_ptr_nonnull(folder);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char path[2 * PATH_ROOM];
        snprintf(path, sizeof path, "%s/%s", test_folder, entry->d_name);
        if (entry->d_name[0] != '.' && unlink(path) != 0) {
            rmdir(path);
        }
    }
    closedir(folder);
    rmdir(test_folder);
}

/* The path of a file in the test's folder, in one of a few buffers. */
static inline const char *test_path(const char *name)
{
    static char path[4][PATH_ROOM];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], PATH_ROOM, "%s/%s", test_folder, name);
    return path[turn];
}

static inline const char *test_write(const char *name, const void *bytes, size_t n)
{
    const char *path = test_path(name);
    remove(path); /* some file systems bring a file that is overwritten to the disk at once */
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, n, file), n);
    ck_assert_int_eq(fclose(file), 0);
    return path;
}

/* One member of a gzip file into out; returns its length. */
static inline size_t test_gzip(const void *bytes, size_t n, unsigned char *out, size_t room)
{
    z_stream z = { 0 };
    ck_assert_int_eq(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (unsigned char *)(uintptr_t)bytes;
    z.avail_in = (uInt)n;
    z.next_out = out;
    z.avail_out = (uInt)room;
    ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t length = room - z.avail_out;
    deflateEnd(&z);
    return length;
}

/* Whether the thread's error has this code and its message begins so; forgets it. */
static inline void test_expect(ag_error code, const char *begin)
{
    ck_assert_msg(ag_error_code() == code, "%s instead of %s: %s", ag_error_name(ag_error_code()),
                  ag_error_name(code), ag_error_message());
    ck_assert_msg(strncmp(ag_error_message(), begin, strlen(begin)) == 0,
                  "the message is: %s\ninstead of:     %s", ag_error_message(), begin);
    ag_error_clear();
}

/* "<function>: <path of the file>: <rest>" */
static inline const char *test_says(const char *function, const char *name, const char *rest)
{
    static char text[4 * PATH_ROOM];
    snprintf(text, sizeof text, "%s: %s/%s: %s", function, test_folder, name, rest);
    return text;
}

static inline int test_main(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
