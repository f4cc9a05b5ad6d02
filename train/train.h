/*
 * Helpers for training loops. The explicit loop is the first way; each of these can be used alone in one.
 */
#ifndef WENGERT_TRAIN_TRAIN_H
#define WENGERT_TRAIN_TRAIN_H

#include "early_stopping.h"
#include "fit.h"
#include "history.h"
#include "progress.h"

#endif
