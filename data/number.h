/*
 * Decimal numbers out of text. Internal: not installed.
 */
#ifndef WENGERT_DATA_NUMBER_H
#define WENGERT_DATA_NUMBER_H

/* Reads the decimal number at the beginning of `text` (a sign, digits with or without a point, an
 * exponent; inf, infinity, of any case) into *value, correctly rounded whatever the locale; gives
 * where it ends, or NULL if there is none. The text must be followed by a byte that belongs to no
 * number, such as NUL. Too large is infinite, too small is 0. */
const char *data_number_scan(const char *text, double *value);

#endif
