/*
 * --save and --resume, and the signals that end a run which is saved. It must not know what is being trained.
 */
#define _POSIX_C_SOURCE 200809L

#include "saving.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MINUTES_BETWEEN_SAVES = 5 };

/* The only thing that a signal handler may touch. */
static volatile sig_atomic_t arrived;

static void note_signal(int signal)
{
    arrived = signal;
}

/* The step that is running is finished first. SA_RESETHAND: a second signal does what it always does. */
static void listen(void (*handler)(int))
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART | (int)SA_RESETHAND;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* What decides which numbers come out must be what it was. How many epochs or steps there are may change: a run can be made
 * longer. */
static void options_visit(void *object, ag_state_visitor *v)
{
    const struct options *o = object;
    ag_state_same_text(v, "program", o->program);
    if (o->accepts & OPTION_SEED) {
        ag_state_same_int64(v, "seed", o->seed);
    }
    if (o->accepts & OPTION_BATCH) {
        ag_state_same_int64(v, "batch", o->batch);
    }
    if (o->accepts & OPTION_LR) {
        ag_state_same_double(v, "lr", o->lr);
    }
    if (o->accepts & OPTION_VALIDATION) {
        ag_state_same_double(v, "validation", o->validation);
    }
    if (o->accepts & OPTION_SHUFFLE_LABELS) {
        ag_state_same_int64(v, "shuffle-labels", o->shuffle_labels);
    }
}

static ag_stateful options_stateful(const struct options *o)
{
    static const ag_stateful_type type = { sizeof(ag_stateful_type), "options", options_visit };
    return ag_stateful_make(&type, (struct options *)(uintptr_t)o); /* it is only read */
}

bool saving_begin(struct saving *s, const struct options *o)
{
    *s = (struct saving){ .options = o };
    if (o->save == NULL) {
        return true;
    }
    data_checkpoint_config config = data_checkpoint_defaults();
    config.every_steps = o->save_every;
    config.every_minutes = MINUTES_BETWEEN_SAVES;
    s->checkpoint = data_checkpoint_new(o->save, config);
    if (ag_exit_status() != 0) {
        return false;
    }
    if (!o->resume && data_checkpoint_count(s->checkpoint) > 0) {
        fprintf(
            stderr,
            "%s: --save %s: the folder holds the checkpoints of another run; --resume continues "
            "it\n",
            o->program, o->save);
        return false;
    }
    data_checkpoint_add(s->checkpoint, "options", options_stateful(o));
    arrived = 0;
    listen(note_signal);
    return true;
}

void saving_add(struct saving *s, const char *name, ag_stateful object)
{
    if (s->checkpoint != NULL) {
        data_checkpoint_add(s->checkpoint, name, object);
    }
}

bool saving_resume(struct saving *s)
{
    if (s->checkpoint == NULL || !s->options->resume) {
        return ag_exit_status() == 0;
    }
    bool resumed = data_checkpoint_resume(s->checkpoint);
    if (ag_exit_status() != 0) {
        return false;
    }
    const char *damage = data_checkpoint_damage(s->checkpoint);
    if (damage[0] != '\0') {
        fprintf(stderr, "%s: passed over: %s\n", s->options->program, damage);
    }
    if (resumed) {
        printf("resumed from %s\n", data_checkpoint_path(s->checkpoint));
    } else {
        printf("nothing to resume in %s: a new run begins\n", s->options->save);
    }
    fflush(stdout);
    return true;
}

/* Saves because a signal arrived, and says so. */
static bool stop(struct saving *s)
{
    s->signal = arrived;
    data_checkpoint_save(s->checkpoint);
    if (ag_exit_status() == 0) {
        printf("\n%s: stopped by %s, saved as %s; --resume goes on from here\n",
               s->options->program, s->signal == SIGINT ? "SIGINT" : "SIGTERM",
               data_checkpoint_path(s->checkpoint));
        fflush(stdout);
    }
    return true;
}

bool saving_step(struct saving *s)
{
    if (s->checkpoint == NULL) {
        return false;
    }
    if (arrived != 0) {
        return stop(s);
    }
    data_checkpoint_step(s->checkpoint);
    return ag_exit_status() != 0;
}

bool saving_epoch(struct saving *s)
{
    if (s->checkpoint == NULL) {
        return false;
    }
    if (arrived != 0) {
        return stop(s);
    }
    data_checkpoint_save(s->checkpoint);
    return ag_exit_status() != 0;
}

int saving_status(const struct saving *s)
{
    return s->signal == 0 || ag_exit_status() != 0 ? EXIT_FAILURE : 128 + s->signal;
}

void saving_end(struct saving *s)
{
    if (s->checkpoint != NULL) {
        listen(SIG_DFL);
        data_checkpoint_free(s->checkpoint);
        s->checkpoint = NULL;
    }
}
