/* Errors, for the library's own threads. Internal. */
#ifndef WENGERT_AUTOGRAD_ERROR_INTERNAL_H
#define WENGERT_AUTOGRAD_ERROR_INTERNAL_H

#include <stdarg.h>

#include "error.h"

/* While on, errors of the calling thread are kept sticky and the handler is not called: a worker hands its error over to
 * the user's thread, which raises it again. Returns what it was, so that captures can nest. */
bool ag_error_capture(bool on);
ag_error ag_error_raise_v(ag_place where, ag_error code, const char *format, va_list arguments);
/* Raises a finished message as it is, place included: what a worker handed over. */
ag_error ag_error_hand_over(ag_error code, const char *message);

#endif
