#include "regression.h"
bool bowl_part(struct lesson *l) { (void)l; return true; }
