/*
 * Errors: raised in one place, sticky, never silent.
 *
 * A mistake raises an error: a code and a message that names the function, the offending shapes or values, and the
 * user's file and line. The handler in force then decides. The default handler prints the message to stderr and ends
 * the process with status 1 (abort() if the environment variable WENGERT_ABORT is set and not "0", for a debugger).
 * With a handler of the program's own, the calling thread's error is sticky: operations return AG_NIL, nil passes
 * through, backward, optimizer steps and file functions do nothing and return the first error, loops over a loader end,
 * until ag_error_clear(), which does nothing inside a handler. Handlers must return; a longjmp out of a handler is not
 * supported.
 */
#ifndef WENGERT_AUTOGRAD_ERROR_H
#define WENGERT_AUTOGRAD_ERROR_H

#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"

AG_EXTERN_C_BEGIN

/* code, text */
#define AG_ERRORS(X)                                                                     \
    X(AG_OK, "no error")                                                                 \
    X(AG_ERROR_SHAPE, "shapes do not fit")                                               \
    X(AG_ERROR_DTYPE, "element type does not fit")                                       \
    X(AG_ERROR_VALUE, "a value is not allowed")                                          \
    X(AG_ERROR_INDEX, "an index is out of range")                                        \
    X(AG_ERROR_LIFETIME, "a tensor or object is used outside its lifetime")              \
    X(AG_ERROR_GRAD, "a gradient cannot be computed")                                    \
    X(AG_ERROR_MEMORY, "out of memory")                                                  \
    X(AG_ERROR_FILE, "a file cannot be read or written")                                 \
    X(AG_ERROR_FORMAT, "a file is malformed")                                            \
    X(AG_ERROR_STATE, "a call comes at the wrong time")                                  \
    X(AG_ERROR_NUMBER, "a number is NaN or infinite")

typedef enum ag_error {
#define AG_ERROR_ENUM(code, text) code,
    AG_ERRORS(AG_ERROR_ENUM)
#undef AG_ERROR_ENUM
} ag_error;

/* Where a call stands in the user's program. */
typedef struct ag_place {
    const char *file; /* NULL: unknown */
    int line;
} ag_place;

static inline ag_place ag_place_make(const char *file, int line)
{
    ag_place w;
    w.file = file;
    w.line = line;
    return w;
}

/* The place where it is written. Inside the library: the place of the user's call that led here. */
#ifdef WENGERT_INTERNAL
#define AG_HERE ag_caller()
#else
#define AG_HERE ag_place_make(__FILE__, __LINE__)
#endif

/* The user's call that is being served on this thread; between calls the last one noted with AG_NOTING, {NULL, 0} at first. */
AG_API ag_place ag_caller(void);
/* Sets it and returns the previous one, for libraries built on this one: an inner call then reports the outer line. */
AG_API ag_place ag_caller_set(ag_place where);

/* Notes the line of the call for functions that take no place of their own: AG_NOTING(f(x)). */
#define AG_NOTING(call) ((void)ag_caller_set(AG_HERE), call)

/* A handler gets the code, the whole message (valid during the call) and its own pointer. It must return. */
typedef void (*ag_error_handler)(ag_error code, const char *message, void *user);

/* Installs `handler` for the whole process; NULL restores the default. Call it before other threads use the library. */
AG_API void ag_error_set_handler(ag_error_handler handler, void *user);

/* The calling thread's sticky error, AG_OK if there is none. */
AG_API ag_error ag_error_code(void);
/* Its message, "" if there is none; valid until the next error or ag_error_clear() on this thread. */
AG_API const char *ag_error_message(void);
/* Forgets the calling thread's error. */
AG_API void ag_error_clear(void);
/* The name of a code, such as "AG_ERROR_SHAPE", and its text. */
AG_API const char *ag_error_name(ag_error code);
AG_API const char *ag_error_text(ag_error code);

/* Raises an error on the calling thread. The message gets " (file:line)" appended when `where` is known. If the thread
 * already has a sticky error, the first one is kept and nothing else happens. Returns the thread's error. */
AG_API ag_error ag_error_raise(ag_place where, ag_error code, const char *format, ...) AG_PRINTF(3, 4);

/* 0 if the calling thread has no error, else 1: what main() returns. */
AG_API int ag_exit_status(void);

AG_EXTERN_C_END

#endif
