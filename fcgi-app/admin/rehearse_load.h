/* SPDX-License-Identifier: 0BSD */
/* The load process of a rehearsal. */
#ifndef BOXOFFICE_REHEARSE_LOAD_H
#define BOXOFFICE_REHEARSE_LOAD_H

#include "admin/rehearse_http.h"
#include "admin/rehearse_plan.h"
#include "admin/rehearse_seen.h"
#include "base/conf.h"

#include <sys/types.h>

/* Starts it; its pid, or -1. It ends by itself, and with this process. What it is at, and why it
 * failed, stands in `seen`; it waits in PHASE_READY for PHASE_GO. */
pid_t load_start(const struct target *target, const struct plan *plan, const struct conf *conf,
                 struct seen *seen) MUST_USE;

#endif
