/*
 * PNG files in: a header, and pixels of 8 bits. Internal: not installed. Raises nothing: says the reason, whoever called names the file.
 */
#ifndef WENGERT_DATA_PNG_READ_H
#define WENGERT_DATA_PNG_READ_H

#include <stdbool.h>
#include <stdint.h>

enum { PNG_REASON = 256 };

struct png_header {
    int64_t height, width;
    bool colour; /* else grey */
};

/* Reads the header. False with the reason: no regular file, no PNG, a header that is damaged, more than 100 million pixels. */
bool png_look(const char *path, struct png_header *header, char reason[PNG_REASON]);
/* Reads all pixels into a new array, row-major (height, width, channels) of 1 or 3 channels, what is transparent on a ground of that
 * grey. NULL with the reason: as above, and truncated or damaged data. */
uint8_t *png_pixels(const char *path, int channels, uint8_t background, struct png_header *header, char reason[PNG_REASON]);

#endif
