/*
 * Writing files whole or not at all.
 * It must not know what is in them.
 */
#define _POSIX_C_SOURCE 200809L

#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool fails(const char *program, const char *path, const char *what)
{
    fprintf(stderr, "%s: %s: %s: %s\n", program, path, what, strerror(errno));
    return false;
}

bool output_file_open(struct output_file *f, const char *program, const char *path)
{
    *f = (struct output_file){ .path = strdup(path) };
    size_t bytes = strlen(path) + 32;
    f->temporary = malloc(bytes);
    if (f->path == NULL || f->temporary == NULL) {
        fails(program, path, "cannot be written");
        goto failed;
    }
    snprintf(f->temporary, bytes, "%s.part-%ld", path, (long)getpid());
    struct stat old;
    f->replaces = stat(path, &old) == 0;
    if (f->replaces && S_ISDIR(old.st_mode)) {
        errno = EISDIR;
        fails(program, path, "cannot be written");
        goto failed;
    }
    int descriptor = open(f->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor < 0) {
        fails(program, f->temporary, "cannot be made");
        goto failed;
    }
    f->stream = fdopen(descriptor, "wb");
    if (f->stream == NULL) {
        fails(program, f->temporary, "cannot be opened");
        close(descriptor);
        unlink(f->temporary);
        goto failed;
    }
    return true;

failed:
    free(f->path);
    free(f->temporary);
    *f = (struct output_file){ 0 };
    return false;
}

bool output_file_close(struct output_file *f, const char *program, bool complete)
{
    bool good = complete;
    /* fsync before rename: after a power cut the name must not point at an empty file. */
    if (good && (fflush(f->stream) != 0 || ferror(f->stream) || fsync(fileno(f->stream)) != 0)) {
        good = fails(program, f->path, "cannot be written");
    }
    if (fclose(f->stream) != 0 && good) {
        good = fails(program, f->path, "cannot be written");
    }
    if (good && rename(f->temporary, f->path) != 0) {
        good = fails(program, f->path, "cannot be written");
    }
    if (!good) {
        unlink(f->temporary);
    }
    free(f->path);
    free(f->temporary);
    *f = (struct output_file){ 0 };
    return good;
}

/* Cuts the last name off: "a/b" -> "a", "b" -> ".", "/b" -> "/". */
static void to_parent(char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') {
        path[--n] = '\0';
    }
    char *slash = strrchr(path, '/');
    if (slash == NULL) {
        strcpy(path, ".");
    } else if (slash == path) {
        path[1] = '\0';
    } else {
        *slash = '\0';
    }
}

static bool possible_in(const char *program, const char *option, const char *path,
                        const char *folder)
{
    struct stat s;
    if (stat(folder, &s) != 0) {
        fprintf(stderr, "%s: --%s %s: the folder %s: %s\n", program, option, path, folder,
                strerror(errno));
        return false;
    }
    if (!S_ISDIR(s.st_mode)) {
        fprintf(stderr, "%s: --%s %s: %s is not a folder\n", program, option, path, folder);
        return false;
    }
    if (access(folder, W_OK | X_OK) != 0) {
        fprintf(stderr, "%s: --%s %s: the folder %s cannot be written: %s\n", program, option, path,
                folder, strerror(errno));
        return false;
    }
    return true;
}

bool output_file_possible(const char *program, const char *option, const char *path)
{
    struct stat s;
    if (stat(path, &s) == 0 && !S_ISREG(s.st_mode)) {
        fprintf(stderr, "%s: --%s %s: exists and is not a regular file\n", program, option, path);
        return false;
    }
    char *folder = malloc(strlen(path) + 2);
    if (folder == NULL) {
        return fails(program, path, "cannot be written");
    }
    strcpy(folder, path);
    to_parent(folder);
    bool possible = possible_in(program, option, path, folder);
    free(folder);
    return possible;
}

bool output_folder_possible(const char *program, const char *option, const char *path)
{
    char *folder = malloc(strlen(path) + 2);
    if (folder == NULL) {
        return fails(program, path, "cannot be written");
    }
    strcpy(folder, path);
    /* The nearest folder that exists is the one to which something will be added. */
    struct stat s;
    while (stat(folder, &s) != 0 && errno == ENOENT && strcmp(folder, ".") != 0 &&
           strcmp(folder, "/") != 0) {
        to_parent(folder);
    }
    bool possible = possible_in(program, option, path, folder);
    free(folder);
    return possible;
}

bool output_folder_make(const char *program, const char *path)
{
    char *partial = strdup(path);
    if (partial == NULL) {
        return fails(program, path, "cannot be made");
    }
    bool good = true;
    for (char *p = partial + 1; good; p++) {
        if (*p != '/' && *p != '\0') {
            continue;
        }
        char rest = *p;
        *p = '\0';
        struct stat s;
        if (mkdir(partial, 0777) != 0 && !(stat(partial, &s) == 0 && S_ISDIR(s.st_mode))) {
            good = fails(program, partial, "the folder cannot be made");
        }
        *p = rest;
        if (rest == '\0') {
            break;
        }
    }
    free(partial);
    return good;
}

char *output_path_join(const char *program, const char *folder, const char *name)
{
    size_t bytes = strlen(folder) + strlen(name) + 2;
    char *path = malloc(bytes);
    if (path == NULL) {
        fails(program, folder, "cannot be named");
        return NULL;
    }
    size_t n = strlen(folder);
    snprintf(path, bytes, "%s%s%s", folder, n > 0 && folder[n - 1] == '/' ? "" : "/", name);
    return path;
}

bool output_standard_flush(const char *program)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        return fails(program, "standard output", "cannot be written");
    }
    return true;
}
