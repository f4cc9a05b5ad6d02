/*
 * Writes training digits of a folder with MNIST's files as PNG files, dark on white, into a folder for each class:
 *
 *     png_digits FROM TO COUNT
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "data/data.h"

enum { SIDE = 28, PIXELS = SIDE * SIDE };

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: png_digits FROM TO COUNT\n");
        return 2;
    }
    data_set *set = data_mnist(argv[1], "train");
    mkdir(argv[2], 0777);
    for (int64_t i = 0; i < strtol(argv[3], NULL, 10); i++) {
        float x[PIXELS];
        uint8_t bytes[PIXELS];
        int64_t label;
        char path[1024];
        data_set_read(set, i, x, &label);
        for (int p = 0; p < PIXELS; p++) {
            bytes[p] = (uint8_t)(255 - (int)(x[p] * 255 + 0.5f));
        }
        snprintf(path, sizeof path, "%s/%lld", argv[2], (long long)label);
        mkdir(path, 0777);
        snprintf(path, sizeof path, "%s/%lld/%05lld.png", argv[2], (long long)label, (long long)i);
        data_png_write(path, bytes, SIDE, SIDE, 1);
    }
    data_set_free(set);
    return ag_exit_status();
}
