/* SPDX-License-Identifier: 0BSD */
/* What a service manager is told, where there is one (systemd, by NOTIFY_SOCKET); nothing
 * otherwise, or when built without libsystemd. */
#ifndef BOXOFFICE_NOTIFY_H
#define BOXOFFICE_NOTIFY_H

#include <stdint.h>

/* Lines as of sd_notify(3): "READY=1\nSTATUS=...". */
void notify(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The manager acts when it has not heard WATCHDOG=1 for so long; 0: it does not watch this process.
 */
uint64_t notify_watchdog_ms(void);

#endif
