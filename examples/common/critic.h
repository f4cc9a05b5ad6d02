/*
 * The network that judges pictures: it tells digits (or clothes) apart, and what it sees on the way, 64 features a picture, is what
 * made-up pictures are compared by with real ones. train_judge trains it; its weights lie in examples/judge.
 */
#ifndef EXAMPLES_COMMON_CRITIC_H
#define EXAMPLES_COMMON_CRITIC_H

#include <stdint.h>

#include "nn/nn.h"

enum { CRITIC_FEATURES = 64 };

/* (n,1,28,28), from 0 (paper) to 1 (ink) -> (n,10), a score a class. In two parts: a trunk, from the picture to its features, and a
 * head, from the features to the scores. */
nn_module *critic_new(void);
nn_module *critic_trunk(nn_module *critic);
nn_module *critic_head(nn_module *critic);

/* The critic with the weights of a file that train_judge wrote, in eval mode; a nil module after an error (with the name of the
 * file). */
nn_module *critic_load(const char *path);

#endif
