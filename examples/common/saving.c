/*
 * --save and --resume, and the signals that end a run which is saved. It must not know what is being trained.
 */
#define _POSIX_C_SOURCE 200809L

#include "saving.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files.h"

enum { MINUTES_BETWEEN_SAVES = 5, MESSAGE_ROOM = 512 };

/* All that a signal handler may touch. */
static volatile sig_atomic_t arrived;
static atomic_bool noted; /* that one arrived: two threads may be handed a signal each at the same time */
static atomic_int open_folders; /* somebody looks at `arrived` as long as it is above 0 */
static char parting[MESSAGE_ROOM];

static void act(void (*handler)(int))
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGINT); /* one after the other */
    sigaddset(&action.sa_mask, SIGTERM);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* The step that is running is finished first, if there is one; the second signal does what it always does, and so does the first
 * when it is raised again here. */
static void note_signal(int signal)
{
    act(SIG_DFL);
    if (atomic_load(&open_folders) > 0) {
        if (!atomic_exchange(&noted, true)) {
            arrived = signal;
            return;
        }
    } else {
        ssize_t written = write(STDOUT_FILENO, parting, strlen(parting));
        (void)written;
    }
    raise(signal);
}

static void listen(const struct options *o)
{
    snprintf(parting, sizeof parting,
             "\n%s: stopped; what was trained is saved in %.300s; --resume goes on from there\n",
             o->program, o->save);
    act(note_signal);
}

static void own_visit(ag_state_visitor *v, const struct own_option *own)
{
    switch (own->kind) {
    case OWN_SWITCH:
        ag_state_same_int64(v, own->name, *(const bool *)own->value);
        break;
    case OWN_WHOLE:
        ag_state_same_int64(v, own->name, *(const int64_t *)own->value);
        break;
    case OWN_REAL:
        ag_state_same_double(v, own->name, *(const double *)own->value);
        break;
    case OWN_CHOICE:
        ag_state_same_text(v, own->name, own->choices[*(const int *)own->value]);
        break;
    case OWN_TEXT: {
        const char *text = *(const char *const *)own->value;
        ag_state_same_text(v, own->name, text ? text : "");
        break;
    }
    }
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
    if (o->accepts & OPTION_NET) {
        ag_state_same_text(v, "net", o->nets[o->net]);
    }
    if (o->accepts & OPTION_LOSS) {
        ag_state_same_text(v, "loss", o->losses[o->loss]);
    }
    if (o->accepts & OPTION_ADVERSARY) {
        ag_state_same_int64(v, "conditional", o->conditional);
        ag_state_same_int64(v, "too-strong", o->too_strong);
        ag_state_same_double(v, "label-smoothing", o->label_smoothing);
        ag_state_same_double(v, "label-noise", o->label_noise);
    }
    if (o->accepts & OPTION_LATENT) {
        ag_state_same_int64(v, "latent", o->latent);
    }
    if (o->accepts & OPTION_BETA) {
        ag_state_same_double(v, "beta", o->beta);
    }
    for (const struct own_option *own = o->own; own != NULL && own->name != NULL; own++) {
        if (own->same) {
            own_visit(v, own);
        }
    }
}

static ag_stateful options_stateful(const struct options *o)
{
    static const ag_stateful_type type = { sizeof(ag_stateful_type), "options", options_visit };
    return ag_stateful_make(&type, (struct options *)(uintptr_t)o); /* it is only read */
}

/* Takes the folder's name; NULL: it could not be made. */
static bool begin(struct saving *s, const struct options *o, char *folder)
{
    s->folder = folder;
    if (folder == NULL || saving_stopping()) {
        return false;
    }
    data_checkpoint_config config = data_checkpoint_defaults();
    config.every_steps = o->save_every;
    config.every_minutes = MINUTES_BETWEEN_SAVES;
    s->checkpoint = data_checkpoint_new(folder, config);
    atomic_fetch_add(&open_folders, 1);
    if (ag_exit_status() != 0) {
        return false;
    }
    if (!o->resume && data_checkpoint_count(s->checkpoint) > 0) {
        fprintf(stderr,
                "%s: --save %s: the folder holds the checkpoints of another run; --resume "
                "continues it\n",
                o->program, folder);
        return false;
    }
    data_checkpoint_add(s->checkpoint, "options", options_stateful(o));
    static atomic_flag listening = ATOMIC_FLAG_INIT; /* once, also if two threads begin */
    if (!atomic_flag_test_and_set(&listening)) {
        listen(o);
    }
    return true;
}

/* Before anything is trained, not after the first epoch. */
static bool possible(const struct options *o)
{
    return output_folder_possible(o->program, "save", o->save) &&
           output_folder_make(o->program, o->save);
}

bool saving_begin(struct saving *s, const struct options *o)
{
    *s = (struct saving){ .options = o };
    return o->save == NULL || (possible(o) && begin(s, o, strdup(o->save)));
}

bool saving_begin_part(struct saving *s, const struct options *o, const char *part)
{
    *s = (struct saving){ .options = o };
    return o->save == NULL ||
           (possible(o) && begin(s, o, output_path_join(o->program, o->save, part)));
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
    s->resumed = resumed;
    if (s->quiet) {
        return true;
    }
    if (resumed) {
        printf("resumed from %s\n", data_checkpoint_path(s->checkpoint));
    } else {
        printf("nothing to resume in %s: a new run begins\n", s->folder);
    }
    fflush(stdout);
    return true;
}

/* Saves because a signal arrived, and says so. */
static bool stop(struct saving *s)
{
    s->stopped = data_checkpoint_save(s->checkpoint) == AG_OK;
    if (s->stopped) {
        printf("\n%s: stopped by %s, saved as %s; --resume goes on from here\n",
               s->options->program, arrived == SIGINT ? "SIGINT" : "SIGTERM",
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

int saving_exit_status(bool good)
{
    return good                                          ? EXIT_SUCCESS
           : !saving_stopping() || ag_exit_status() != 0 ? EXIT_FAILURE
                                                         : 128 + arrived;
}

bool saving_stopping(void)
{
    return arrived != 0;
}

void saving_end(struct saving *s)
{
    bool stopped = s->stopped;
    if (s->checkpoint != NULL) {
        data_checkpoint_free(s->checkpoint);
        /* A signal after the last step has been noted, and nobody will look at it. */
        if (atomic_fetch_sub(&open_folders, 1) == 1 && saving_stopping() && !stopped) {
            fflush(stdout);
            note_signal(arrived);
        }
    }
    free(s->folder);
    *s = (struct saving){ 0 };
}
