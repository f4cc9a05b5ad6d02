#include "houses.h"
bool leaks_part(struct lesson *l) { (void)l; return true; }
