/*
 * UTF-8, one character at a time. Internal: not installed.
 */
#ifndef WENGERT_DATA_UTF8_H
#define WENGERT_DATA_UTF8_H

#include <stdint.h>

#include "../autograd/autograd.h"

enum { UTF8_MOST = 4, UNICODE_END = 0x110000 };

/* The character at text[0], of which `left` bytes are there (1 or more): its length in bytes, and *code. 0 if there is none: then
 * *reason says why. */
int data_utf8_next(const char *text, int64_t left, uint32_t *code, const char **reason);
/* Writes a character and a 0 behind it; returns its length. */
int data_utf8_write(uint32_t code, char out[UTF8_MOST + 1]);
/* Counts the characters of a text. -1 if it is no UTF-8: then *at is the first wrong byte, and *reason says why. */
int64_t data_utf8_count(const char *text, int64_t size, int64_t *at, const char **reason);
/* Raises "function: byte 17 (0xff, line 2): reason". */
ag_error data_utf8_raise(ag_place where, const char *function, const char *text, int64_t at, const char *reason);
/* The line, from 1, that the byte `at` stands in. */
int64_t data_text_line(const char *text, int64_t at);

#endif
