/*
 * --save DIR and --resume: a run that is interrupted goes on where it was. A program needs five lines:
 *
 *     struct saving saving;
 *     if (!saving_begin(&saving, options)) { … }          a folder that cannot be used; a message was printed
 *     saving_add(&saving, "model", nn_stateful(net));     all that the loop changes: model, optimizer, loader, generators,
 *     saving_add(&saving, "epoch", ag_stateful_int64(&epoch));   epoch, sums, history
 *     if (!saving_resume(&saving)) { … }                  with --resume; a message was printed
 *     …
 *         if (saving_step(&saving)) { … }                 after every step: save if due. True: stop now
 *     saving_epoch(&saving);                              at the end of an epoch: save
 *     saving_end(&saving);
 *
 * Without --save nothing happens in any of them. With it SIGINT (Ctrl-C) and SIGTERM finish the step that is running: the next
 * saving_step() saves, says so, and returns true; a second signal ends the program at once. The program then frees what it has
 * and returns saving_exit_status(false).
 *
 * A loop over epochs that begins with data_loader_rewind() needs no change: after a resume in the middle of an epoch the first
 * rewind does nothing. Count the epoch up before saving_epoch(), and start the loop from the variable that is saved. Add what the
 * loop has found so far, too: a training that was over is put back as it ended, and what follows it can be printed again.
 *
 * A program that trains several networks one after the other, or at once in several threads, gives each a folder of its own
 * within --save: saving_begin_part() in place of saving_begin(), and all else as above. On --resume those that were over are put
 * back as they ended, the one that was interrupted goes on, the others begin.
 */
#ifndef EXAMPLES_COMMON_SAVING_H
#define EXAMPLES_COMMON_SAVING_H

#include <stdbool.h>

#include "data/data.h"
#include "options.h"

struct saving {
    const struct options *options;
    data_checkpoint *checkpoint; /* NULL: without --save */
    char *folder;                /* of the checkpoints */
    bool quiet;                  /* resuming says nothing; a program may set it after saving_begin() */
    bool resumed;                /* everything was put back from a checkpoint */
    bool stopped;                /* and saved, because of a signal */
};

/* Opens the folder and listens to SIGINT and SIGTERM from now on. False after an error, which has been printed, and in a program
 * that is being stopped. A folder that holds another run's checkpoints is refused without --resume. */
bool saving_begin(struct saving *s, const struct options *o);
/* The same for one of several trainings; `part` names its folder. */
bool saving_begin_part(struct saving *s, const struct options *o, const char *part);
/* Adds an object that must survive. */
void saving_add(struct saving *s, const char *name, ag_stateful object);
/* With --resume puts everything back and says from which file, or that there is none yet. False after an error. */
bool saving_resume(struct saving *s);
/* A step was done. Saves if --save-every or five minutes are over, or a signal arrived; true if the program must stop now. */
bool saving_step(struct saving *s);
/* An epoch was done: saves. True if the program must stop now, because a signal arrived or saving failed. */
bool saving_epoch(struct saving *s);
/* What main() returns: 0 if all is `good`; else 128 and the signal's number after a stop, 1 after an error. */
int saving_exit_status(bool good);
/* Whether a signal has asked the program to stop. */
bool saving_stopping(void);
/* Closes the folder: training is over, and saved. A signal that comes now, or came since the last step, ends the program at once.
 * Nothing happens the second time. */
void saving_end(struct saving *s);

#endif
