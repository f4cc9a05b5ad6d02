/*
 * The one place where errors are raised. Knows nothing of tensors.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error_internal.h"

struct thread_error {
    ag_error code;
    bool captured;
    bool handling; /* the handler runs */
    char message[1024];
};

static _Thread_local struct thread_error current;
static _Thread_local ag_place caller;

static ag_error_handler user_handler;
static void *user_pointer;

ag_place ag_caller(void)
{
    return caller;
}

ag_place ag_caller_set(ag_place where)
{
    ag_place before = caller;
    caller = where;
    return before;
}

/* The default: a program that checks nothing must not go on with wrong numbers. */
static void print_and_exit(const char *message)
{
    fflush(stdout);
    fprintf(stderr, "wengert: %s\n", message);
    const char *abort_wanted = getenv("WENGERT_ABORT");
    if (abort_wanted != NULL && abort_wanted[0] != '\0' && strcmp(abort_wanted, "0") != 0) {
        abort();
    }
    exit(1);
}

void ag_error_set_handler(ag_error_handler handler, void *user)
{
    user_handler = handler;
    user_pointer = user;
}

bool ag_error_capture(bool on)
{
    bool before = current.captured;
    current.captured = on;
    return before;
}

ag_error ag_error_code(void)
{
    return current.code;
}

const char *ag_error_message(void)
{
    return current.message;
}

void ag_error_clear(void)
{
    if (current.handling) {
        return; /* the call that failed must still find its error when the handler returns */
    }
    current.code = AG_OK;
    current.message[0] = '\0';
}

const char *ag_error_name(ag_error code)
{
    switch (code) {
#define AG_ERROR_NAME(code, text) \
    case code:                    \
        return #code;
        AG_ERRORS(AG_ERROR_NAME)
#undef AG_ERROR_NAME
    }
    return "unknown error";
}

const char *ag_error_text(ag_error code)
{
    switch (code) {
#define AG_ERROR_TEXT(code, text) \
    case code:                    \
        return text;
        AG_ERRORS(AG_ERROR_TEXT)
#undef AG_ERROR_TEXT
    }
    return "unknown error";
}

static ag_error deliver(ag_error code)
{
    current.code = code;
    if (current.captured) {
        return code;
    }
    if (user_handler == NULL) {
        print_and_exit(current.message);
    }
    current.handling = true;
    user_handler(code, current.message, user_pointer);
    current.handling = false;
    return code;
}

ag_error ag_error_raise_v(ag_place where, ag_error code, const char *format, va_list arguments)
{
    if (current.code != AG_OK) {
        return current.code;
    }
    int length = vsnprintf(current.message, sizeof(current.message), format, arguments);
    if (length < 0) {
        length = snprintf(current.message, sizeof(current.message), "%s", ag_error_text(code));
    }
    if (where.file != NULL && (size_t)length < sizeof(current.message)) {
        snprintf(current.message + length, sizeof(current.message) - (size_t)length, " (%s:%d)", where.file,
                 where.line);
    }
    return deliver(code);
}

ag_error ag_error_raise(ag_place where, ag_error code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    ag_error raised = ag_error_raise_v(where, code, format, arguments);
    va_end(arguments);
    return raised;
}

ag_error ag_error_hand_over(ag_error code, const char *message)
{
    if (current.code != AG_OK) {
        return current.code;
    }
    snprintf(current.message, sizeof(current.message), "%s", message);
    return deliver(code);
}

int ag_exit_status(void)
{
    return current.code == AG_OK ? 0 : 1;
}
