#include "regression.h"
bool rates_part(struct lesson *l) { (void)l; return true; }
