/* What the tape tells the pool. Internal. */
#ifndef WENGERT_AUTOGRAD_POOL_H
#define WENGERT_AUTOGRAD_POOL_H

void ag_pool_scope_ended(void); /* an outermost scope of this thread ended */

#endif
