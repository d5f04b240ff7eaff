/* SPDX-License-Identifier: 0BSD */
/* What nginx refused by itself (rate limits, bodies too large, no worker to ask), counted from a
 * file that it notes each one's code in, a line each. A file, because nginx never waits for who
 * reads it and nothing is lost when nobody does: what happened while the service was down is
 * counted when it is back. */
#ifndef BOXOFFICE_NGINX_ERRORS_H
#define BOXOFFICE_NGINX_ERRORS_H

#include "board/stats.h"

/* Counts what has been added to the file since the last call, at most 1 MiB of it. A file that was
 * replaced or emptied (logrotate) is read from its beginning. */
void nginx_errors_read(const char *path, struct stats *stats);

#endif
