/* The text of the page that shows a tape. Internal: not installed. */
#ifndef WENGERT_AUTOGRAD_INSPECT_PAGE_H
#define WENGERT_AUTOGRAD_INSPECT_PAGE_H

#include <stddef.h>

#define AG_PAGE_DATA "<!-- tape -->" /* the line in whose place the document goes */

/* Lines without their ends; NULL after the last. */
extern const char *const ag_page_lines[];

#endif
