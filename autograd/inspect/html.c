/*
 * The tape as a page for the browser: page/ with the document in it.
 */
#include <stdlib.h>
#include <string.h>

#include "../internal.h"
#include "../platform.h"
#include "document.h"
#include "inspect.h"
#include "page.h"

/* JSON inside a script element: no "<" that could end it or begin a comment. */
static bool write_script(struct platform_file *file, const char *text)
{
    for (;;) {
        size_t plain = strcspn(text, "<");
        if (!platform_file_write(file, text, plain)) {
            return false;
        }
        text += plain;
        if (*text == '\0') {
            return true;
        }
        if (!platform_file_write(file, "\\u003c", 6)) {
            return false;
        }
        text++;
    }
}

static bool write_page(struct platform_file *file, const char *data)
{
    bool good = true;
    for (const char *const *line = ag_page_lines; good && *line != NULL; line++) {
        good = strcmp(*line, AG_PAGE_DATA) == 0 ? write_script(file, data) : platform_file_write(file, *line, strlen(*line));
        good = good && platform_file_write(file, "\n", 1);
    }
    return good;
}

ag_error ag_tape_html_at(ag_place where, const char *path, ag_tensor output)
{
    struct platform_file file;
    const char *reason = NULL;
    if (ag_error_code() != AG_OK) {
        return ag_error_code();
    }
    if (path == NULL || path[0] == '\0') {
        return ag_error_raise(where, AG_ERROR_VALUE, "ag_tape_html: the path is %s", path == NULL ? "NULL" : "empty");
    }
    json_t *document = ag_tape_document(where, "ag_tape_html", output);
    if (document == NULL) {
        return ag_error_code();
    }
    char *data = json_dumps(document, JSON_COMPACT | JSON_REAL_PRECISION(ag_document_digits(document)));
    json_decref(document);
    if (data == NULL) {
        return ag_error_raise(where, AG_ERROR_MEMORY, "ag_tape_html: out of memory");
    }
    bool begun = platform_file_begin(&file, path, &reason);
    if (!begun || !platform_file_end(&file, write_page(&file, data), &reason)) {
        ag_error_raise(where, AG_ERROR_FILE, "ag_tape_html: %s: %s", path, reason);
    }
    free(data);
    return ag_error_code();
}
