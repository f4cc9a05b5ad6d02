/*
 * A grey picture from a PNG file, for lessons that need one.
 */
#ifndef EXAMPLES_COMMON_PHOTO_H
#define EXAMPLES_COMMON_PHOTO_H

#include "options.h"

enum { PHOTO_SIDE_MAX = 400 };

struct photo {
    int64_t height, width;
    float *grey; /* [height][width], 0 black to 1 white */
    const char *path;
    char found[4096];
};

/* Reads o->image, else the photograph that comes with the source. Colours become grey, transparent places white; a picture with
 * a side of more than PHOTO_SIDE_MAX pixels is made smaller by averaging squares of them. False after an error, which has been
 * printed. */
bool photo_read(struct photo *p, const struct options *o);
void photo_free(struct photo *p);

#endif
