/*
 * The tape as JSON.
 */
#include "../internal.h"
#include "document.h"
#include "inspect.h"
#include "survey.h"

static int write_to(const char *text, size_t bytes, void *stream)
{
    return fwrite(text, 1, bytes, stream) == bytes ? 0 : -1;
}

ag_error ag_tape_json_at(ag_place where, FILE *stream, ag_tensor output)
{
    if (ag_error_code() != AG_OK || !ag_stream_given(where, "ag_tape_json", stream)) {
        return ag_error_code();
    }
    json_t *document = ag_tape_document(where, "ag_tape_json", output);
    if (document == NULL) {
        return ag_error_code();
    }
    int failed = json_dump_callback(document, write_to, stream, JSON_COMPACT | JSON_REAL_PRECISION(ag_document_digits(document)));
    json_decref(document);
    if (failed == 0 && fputc('\n', stream) == EOF) {
        failed = -1;
    }
    if (failed != 0 && !ferror(stream)) {
        return ag_error_raise(where, AG_ERROR_MEMORY, "ag_tape_json: out of memory");
    }
    return ag_stream_result(where, "ag_tape_json", stream);
}
