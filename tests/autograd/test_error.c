/* Errors: raised once, kept, delivered to the handler in force, and nothing happens after them. */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "autograd/error_internal.h"
#include "common.h"

START_TEST(message_ends_with_the_place)
{
    ck_assert_int_eq(ag_error_raise(ag_place_make("train.c", 41), AG_ERROR_SHAPE, "f: %d and %s", 3, "x"), AG_ERROR_SHAPE);
    ck_assert_str_eq(ag_error_message(), "f: 3 and x (train.c:41)");
    ag_error_clear();
    ag_error_raise(ag_place_make(NULL, 0), AG_ERROR_VALUE, "g");
    ck_assert_str_eq(ag_error_message(), "g");
}
END_TEST

START_TEST(first_error_is_kept)
{
    ck_assert_int_eq(ag_exit_status(), 0);
    ag_error_raise(AG_HERE, AG_ERROR_SHAPE, "first");
    ck_assert_int_eq(ag_error_raise(AG_HERE, AG_ERROR_MEMORY, "second"), AG_ERROR_SHAPE);
    ck_assert_int_eq(ag_exit_status(), 1);
    assert_error(AG_ERROR_SHAPE, "first");
    ck_assert_int_eq(ag_error_code(), AG_OK);
    ck_assert_str_eq(ag_error_message(), "");
    ck_assert_int_eq(ag_exit_status(), 0);
}
END_TEST

START_TEST(long_message_is_cut)
{
    char text[5000];
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    ag_error_raise(AG_HERE, AG_ERROR_FILE, "%s", text);
    size_t length = strlen(ag_error_message());
    ck_assert_uint_ge(length, 500);
    ck_assert_uint_lt(length, sizeof(text));
}
END_TEST

START_TEST(codes_have_names_and_texts)
{
    ck_assert_str_eq(ag_error_name(AG_OK), "AG_OK");
    ck_assert_str_eq(ag_error_name(AG_ERROR_LIFETIME), "AG_ERROR_LIFETIME");
    ck_assert_str_eq(ag_error_text(AG_ERROR_MEMORY), "out of memory");
    ck_assert_str_eq(ag_error_name((ag_error)99), "unknown error");
    ck_assert_str_eq(ag_error_text((ag_error)99), "unknown error");
}
END_TEST

struct seen {
    int calls;
    ag_error code;
    char message[128];
    bool clear;
};

static void remember(ag_error code, const char *message, void *user)
{
    struct seen *seen = user;
    seen->calls++;
    seen->code = code;
    snprintf(seen->message, sizeof(seen->message), "%s", message);
    if (seen->clear) {
        ag_error_clear();
    }
    ag_error_raise(AG_HERE, AG_ERROR_STATE, "an error in the handler");
}

START_TEST(handler_is_called_once_for_the_first_error)
{
    struct seen seen = { 0 };
    ag_error_set_handler(remember, &seen);
    ag_error_raise(ag_place_make(NULL, 0), AG_ERROR_INDEX, "one");
    ag_error_raise(ag_place_make(NULL, 0), AG_ERROR_GRAD, "two");
    ck_assert_int_eq(seen.calls, 1);
    ck_assert_int_eq(seen.code, AG_ERROR_INDEX);
    ck_assert_str_eq(seen.message, "one");
    assert_error(AG_ERROR_INDEX, "one");
    ag_error_raise(ag_place_make(NULL, 0), AG_ERROR_GRAD, "three");
    ck_assert_int_eq(seen.calls, 2);
}
END_TEST

/* A handler that clears would make the failed call believe that nothing happened. */
START_TEST(handler_cannot_clear)
{
    struct seen seen = { .clear = true };
    ag_error_set_handler(remember, &seen);
    ag_tensor leaves[2];
    ck_assert_int_eq(ag_leaves(2, (ag_shape[]){ AG_SHAPE(2), AG_SHAPE(-1) }, AG_FLOAT32, leaves), AG_ERROR_SHAPE);
    ck_assert(ag_is_nil(leaves[0]) && ag_is_nil(leaves[1]));
    assert_error(AG_ERROR_SHAPE, "negative length");
    assert_no_error();
}
END_TEST

START_TEST(captured_errors_reach_no_handler)
{
    struct seen seen = { 0 };
    ag_error_set_handler(remember, &seen);
    ck_assert(!ag_error_capture(true));
    ck_assert(ag_error_capture(true));
    ag_error_raise(AG_HERE, AG_ERROR_FILE, "in a worker");
    ag_error_capture(false);
    ck_assert_int_eq(seen.calls, 0);
    char message[64];
    snprintf(message, sizeof(message), "%.40s", ag_error_message());
    ag_error_clear();
    ck_assert_int_eq(ag_error_hand_over(AG_ERROR_FILE, message), AG_ERROR_FILE);
    ck_assert_int_eq(seen.calls, 1);
    ck_assert_str_eq(seen.message, message);
}
END_TEST

static void *thread_errors(void *argument)
{
    (void)argument;
    bool clean = ag_error_code() == AG_OK;
    ag_error_raise(AG_HERE, AG_ERROR_VALUE, "of the thread");
    return clean && ag_error_code() == AG_ERROR_VALUE ? argument : NULL;
}

START_TEST(errors_belong_to_a_thread)
{
    int token;
    void *result;
    pthread_t thread;
    ag_error_raise(AG_HERE, AG_ERROR_SHAPE, "of the main thread");
    pthread_create(&thread, NULL, thread_errors, &token);
    pthread_join(thread, &result);
    ck_assert_ptr_eq(result, &token);
    assert_error(AG_ERROR_SHAPE, "of the main thread");
}
END_TEST

/* What a child process with the default handler says on stderr before it ends. */
static int status_of_default_handler(const char *wengert_abort, char *text, size_t bytes)
{
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        ag_error_set_handler(NULL, NULL);
        if (wengert_abort != NULL) {
            setenv("WENGERT_ABORT", wengert_abort, 1);
        } else {
            unsetenv("WENGERT_ABORT");
        }
        ag_scope scope = { 0 };
        ag_begin(&scope);
        ag_tensor a = ag_ones(AG_SHAPE(2, 3), AG_FLOAT32);
        ag_matmul(a, a);
        _exit(0);
    }
    close(ends[1]);
    size_t used = 0;
    for (ssize_t n; used + 1 < bytes && (n = read(ends[0], text + used, bytes - 1 - used)) > 0; used += (size_t)n) {
    }
    text[used] = '\0';
    close(ends[0]);
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return status;
}

START_TEST(default_handler_prints_and_exits_1)
{
    char text[4096];
    const char *settings[] = { NULL, "", "0" };
    for (int i = 0; i < 3; i++) {
        int status = status_of_default_handler(settings[i], text, sizeof(text));
        ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 1, "status %x: %s", (unsigned)status, text);
        ck_assert_msg(strncmp(text, "wengert: ag_matmul: ", 20) == 0, "%s", text);
        ck_assert_ptr_nonnull(strstr(text, "(2,3)"));
        ck_assert_ptr_nonnull(strstr(text, "test_error.c:"));
    }
}
END_TEST

START_TEST(default_handler_aborts_when_asked)
{
    char text[4096];
    int status = status_of_default_handler("1", text, sizeof(text));
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "status %x: %s", (unsigned)status, text);
}
END_TEST

/* The values, the graph and the memory are as they were before the error. */
START_TEST(nothing_happens_after_an_error)
{
    ag_tensor w = leaf32(AG_SHAPE(2, 2), 1, 2, 3, 4), other = ag_leaf(AG_SHAPE(3), AG_FLOAT32, true);
    ag_tensor kept = AG_NONE;
    float ten[4] = { 10, 10, 10, 10 };
    double item;
    ag_scope scope = { 0 };
    ag_begin(&scope);
    ag_tensor x = ag_ones(AG_SHAPE(3, 2), AG_FLOAT32), y = ag_matmul(x, w), loss = ag_sum(y);
    ag_keep(&kept, loss);
    int64_t nodes = ag_tape_length();
    ag_memory_stats before = ag_memory();
    ag_tensor nil = ag_matmul(w, x);
    ck_assert(ag_is_nil(nil) && !ag_is_alive(nil));

    ck_assert(ag_is_nil(ag_add(y, y)));
    ck_assert(ag_is_nil(ag_add(nil, nil)));
    ck_assert(ag_is_nil(ag_zeros(AG_SHAPE(3), AG_FLOAT32)));
    ck_assert(ag_is_nil(ag_arange(3, AG_INT64)));
    ck_assert(ag_is_nil(ag_from(AG_SHAPE(2), AG_FLOAT32, ten)));
    ck_assert(ag_is_nil(ag_leaf(AG_SHAPE(3), AG_FLOAT32, true)));
    ck_assert(ag_is_nil(ag_detach(y)));
    ck_assert(ag_is_nil(ag_reshape(y, AG_SHAPE(6))));
    ck_assert_int_eq(ag_write(w, ten, 4), AG_ERROR_SHAPE);
    ag_keep(&kept, y);
    ag_keep(&kept, nil);
    ag_tensor g;
    ck_assert_int_eq(ag_backward(loss), AG_ERROR_SHAPE);
    ck_assert_int_eq(ag_grad(loss, 1, &w, &g, ag_backward_defaults()), AG_ERROR_SHAPE);
    ck_assert(ag_is_nil(g));
    ck_assert_int_eq(ag_leaves(1, (ag_shape[]){ AG_SHAPE(1) }, AG_FLOAT32, &g), AG_ERROR_SHAPE);
    ck_assert(ag_is_nil(g));
    ck_assert_int_eq(ag_tape_dot(stdout, AG_NONE), AG_ERROR_SHAPE);
    ck_assert(isnan(ag_item(nil)));

    ck_assert_int_eq(ag_tape_length(), nodes);
    ag_memory_stats after = ag_memory();
    ck_assert_int_eq(after.live_buffers, before.live_buffers);
    ck_assert_int_eq(after.live_bytes, before.live_bytes);
    assert_error(AG_ERROR_SHAPE, "ag_matmul: ");

    assert_values(w, 1, 2, 3, 4);
    item = ag_item(kept);
    ck_assert_double_eq(item, 3 * 10);
    ck_assert(ag_is_none(ag_grad_of(w)));
    ck_assert_int_eq(ag_backward(loss), AG_OK); /* the graph can still be used */
    assert_values(ag_grad_of(w), 3, 3, 3, 3);
    ag_end(&scope);
    ag_drop(&w);
    ag_drop(&other);
    ag_drop(&kept);
    assert_no_error();
    ck_assert_int_eq(ag_memory().live_buffers, 0);
}
END_TEST

START_TEST(error_survives_the_scope)
{
    ag_scope scope = { 0 };
    ag_begin(&scope);
    ag_item(ag_ones(AG_SHAPE(2), AG_FLOAT32));
    ag_end(&scope);
    ag_begin(&scope);
    ck_assert(ag_is_nil(ag_ones(AG_SHAPE(2), AG_FLOAT32)));
    assert_error(AG_ERROR_SHAPE, "ag_item: one element is needed, got shape (2)");
    ck_assert(ag_is_alive(ag_ones(AG_SHAPE(2), AG_FLOAT32)));
    ag_end(&scope);
}
END_TEST

START_TEST(dropping_and_ending_work_after_an_error)
{
    ag_tensor w = ag_leaf(AG_SHAPE(100), AG_FLOAT32, true);
    ag_scope scope = { 0 };
    ag_begin(&scope);
    ag_mul(w, w);
    ag_error_raise(AG_HERE, AG_ERROR_VALUE, "on purpose");
    ag_drop(&w);
    ag_end(&scope);
    ck_assert_int_eq(ag_memory().live_buffers, 0);
}
END_TEST

static void add(TCase *tests)
{
    tcase_add_test(tests, message_ends_with_the_place);
    tcase_add_test(tests, first_error_is_kept);
    tcase_add_test(tests, long_message_is_cut);
    tcase_add_test(tests, codes_have_names_and_texts);
    tcase_add_test(tests, handler_is_called_once_for_the_first_error);
    tcase_add_test(tests, handler_cannot_clear);
    tcase_add_test(tests, captured_errors_reach_no_handler);
    tcase_add_test(tests, errors_belong_to_a_thread);
    tcase_add_test(tests, default_handler_prints_and_exits_1);
    tcase_add_test(tests, default_handler_aborts_when_asked);
    tcase_add_test(tests, nothing_happens_after_an_error);
    tcase_add_test(tests, error_survives_the_scope);
    tcase_add_test(tests, dropping_and_ending_work_after_an_error);
}

int main(void)
{
    return run_tests("error", add, 60);
}
