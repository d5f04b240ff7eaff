/* SPDX-License-Identifier: 0BSD */
/* The master: forks the workers and the ticker, replaces what dies, reloads, drains. It never opens
 * the database, and never serves. */
#ifndef BOXOFFICE_POOL_H
#define BOXOFFICE_POOL_H

#include "base/conf.h"
#include "base/token.h"

/* Runs until TERM or INT. `config_path` is read again on HUP. Returns the process's exit status. */
int pool_run(struct conf *conf, struct token_keys *keys, const char *config_path);

#endif
