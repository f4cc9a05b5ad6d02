#include "regression.h"
bool outliers_part(struct lesson *l) { (void)l; return true; }
