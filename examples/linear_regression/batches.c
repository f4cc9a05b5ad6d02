#include "regression.h"
bool batches_part(struct lesson *l) { (void)l; return true; }
