/*
 * Killed while it saves: a child process saves without a pause and is killed at random moments; each time the folder must hold a
 * checkpoint that is whole, not older than the last one that was announced, and nothing else but that.
 *
 *     data_test_kill [TIMES]
 */
#define _POSIX_C_SOURCE 200809L

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "data/data.h"

enum { NUMBERS = 300000, TIMES = 200 };

static char folder[200]; /* for the run */

/* Check's assertions are for its own runner. */
#define must(condition, ...)                         \
    do {                                             \
        if (!(condition)) {                          \
            fprintf(stderr, "FAILED: " __VA_ARGS__); \
            fputc('\n', stderr);                     \
            exit(EXIT_FAILURE);                      \
        }                                            \
    } while (0)

struct thing {
    int64_t step;
    ag_tensor weight; /* all of it is the step */
};

static data_checkpoint *open_thing(struct thing *t)
{
    *t = (struct thing){ .weight = ag_leaf(AG_SHAPE(NUMBERS), AG_FLOAT32, true) };
    data_checkpoint *c = data_checkpoint_new(folder, data_checkpoint_defaults());
    data_checkpoint_add(c, "step", ag_stateful_int64(&t->step));
    data_checkpoint_add(c, "weight", ag_stateful_tensor(&t->weight));
    return c;
}

static void close_thing(struct thing *t, data_checkpoint *c)
{
    data_checkpoint_free(c);
    ag_drop(&t->weight);
}

/* Goes on where the last one was killed, and tells through the pipe what has been saved. */
static void save_for_ever(int pipe)
{
    struct thing t;
    data_checkpoint *c = open_thing(&t);
    data_checkpoint_resume(c);
    while (ag_error_code() == AG_OK) {
        t.step++;
        float *w = ag_data_mut(t.weight);
        for (int64_t i = 0; i < NUMBERS; i++) {
            w[i] = (float)t.step;
        }
        if (data_checkpoint_save(c) == AG_OK && write(pipe, &t.step, sizeof t.step) < 0) {
            break;
        }
    }
    fprintf(stderr, "%s\n", ag_error_message());
    _exit(1);
}

/* Starts a child, kills it after so many microseconds; returns the last step that it said was saved, -1 if none. */
static int64_t start_and_kill(long after)
{
    int ends[2];
    must(pipe(ends) == 0, "%s", strerror(errno));
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        save_for_ever(ends[1]);
    }
    close(ends[1]);
    nanosleep(&(struct timespec){ .tv_nsec = 1000 * after }, NULL);
    must(kill(child, SIGKILL) == 0, "%s", strerror(errno));
    int status;
    must(waitpid(child, &status, 0) == child, "%s", strerror(errno));
    must(WIFSIGNALED(status), "the child ended by itself");
    int64_t step, last = -1;
    while (read(ends[0], &step, sizeof step) == sizeof step) {
        last = step;
    }
    close(ends[0]);
    return last;
}

static bool leftover_there(void)
{
    DIR *run = opendir(folder);
    bool found = false;
    for (struct dirent *entry; run != NULL && (entry = readdir(run)) != NULL;) {
        found = found || strstr(entry->d_name, ".part") != NULL;
    }
    if (run != NULL) {
        closedir(run);
    }
    return found;
}

static void remove_run(void)
{
    DIR *run = opendir(folder);
    for (struct dirent *entry; run != NULL && (entry = readdir(run)) != NULL;) {
        char path[sizeof folder + 300];
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        unlink(path);
    }
    closedir(run);
}

int main(int argc, char **argv)
{
    int times = argc > 1 ? atoi(argv[1]) : TIMES, in_a_save = 0;
    ag_set_threads(1); /* threads of a pool do not survive fork() */
    const char *temporary = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/wengert-test-XXXXXX",
             temporary != NULL ? temporary : "/tmp");
    must(mkdtemp(folder) != NULL, "%s: %s", folder, strerror(errno));
    ag_rng moments = ag_rng_seed(20261125);
    int64_t saved = 0;
    for (int i = 0; i < times; i++) {
        int64_t said = start_and_kill((long)ag_rng_below(&moments, 60000));
        saved = said > saved ? said : saved;
        in_a_save += leftover_there();
        struct thing t;
        data_checkpoint *c = open_thing(&t);
        bool resumed = data_checkpoint_resume(c);
        must(ag_error_code() == AG_OK, "%s", ag_error_message());
        must(resumed || saved == 0, "nothing is left of %" PRId64 " saves", saved);
        must(data_checkpoint_damage(c)[0] == '\0', "%s", data_checkpoint_damage(c));
        must(t.step >= saved, "step %" PRId64 " of %" PRId64, t.step, saved);
        const float *w = ag_data(t.weight);
        for (int64_t k = 0; k < NUMBERS && resumed; k++) {
            must(w[k] == (float)t.step, "a number of another step");
        }
        must(!leftover_there(), "a temporary file was left");
        saved = t.step;
        close_thing(&t, c);
    }
    remove_run();
    rmdir(folder);
    printf("killed %d times, %d of them within a write, after %" PRId64
           " saves: a whole checkpoint each time\n",
           times, in_a_save, saved);
    return times > 20 && (in_a_save == 0 || saved == 0) ? EXIT_FAILURE : EXIT_SUCCESS;
}
