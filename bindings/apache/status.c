#include "private.h"
int mod_status_handle(request_rec *r) { (void)r; return DECLINED; }
int mod_status_section(request_rec *r, int flags) { (void)r, (void)flags; return DECLINED; }
