/* SPDX-License-Identifier: 0BSD */
/* Telling the service manager. */
#include "server/notify.h"

#ifdef HAVE_SYSTEMD
#include <stdarg.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>

void notify(const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    sd_notify(0, text);
}

uint64_t notify_watchdog_ms(void) {
    uint64_t us;
    return sd_watchdog_enabled(0, &us) > 0 ? us / 1000 : 0;
}
#else
void notify(const char *format, ...) { (void)format; }

uint64_t notify_watchdog_ms(void) { return 0; }
#endif
