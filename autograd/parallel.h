/*
 * A loop over independent turns, on one thread or on several. Internal.
 *
 * A turn must not depend on which thread runs it or on what another turn does, and may not raise errors or open tensors. A sum
 * over turns is therefore kept in one part per turn, and the parts are added afterwards: so the bits are the same for any number
 * of threads.
 */
#ifndef WENGERT_AUTOGRAD_PARALLEL_H
#define WENGERT_AUTOGRAD_PARALLEL_H

#include <stdbool.h>
#include <stdint.h>

/* Turn number i of a task: what the turns share, read only. C has no closures, so each loop has a struct of its own for that. */
typedef void ag_turn(const void *task, int64_t i);

/* Runs turns 0 … n - 1, each once, on at most `team` threads of which the caller is one, and returns when all have ended. With a
 * team of 1, within another task, or while another thread's task has the workers: one after the other. */
void ag_parallel(int team, int64_t n, ag_turn *turn, const void *task);
/* Which of the team runs this turn, from 0: for working memory that each thread has of its own. */
int ag_parallel_member(void);
/* Whether the caller is in a turn: a second level of threads would be of no use. */
bool ag_parallel_inside(void);

#endif
