/* SPDX-License-Identifier: 0BSD */
/* One line an event. To the journal with fields, when that is where standard error goes; else to
 * standard error. Whatever a client may have chosen in it is escaped, so that a line is one line.
 */
#ifndef BOXOFFICE_LOG_H
#define BOXOFFICE_LOG_H

#include <stdbool.h>
#include <stddef.h>

enum log_level {
    LOG_L_ERROR = 3,
    LOG_L_WARNING = 4,
    LOG_L_NOTICE = 5,
    LOG_L_INFO = 6,
    LOG_L_DEBUG = 7
};

/* Names this process ("worker", "ticker", …) and sets what is shown. journald adds its own times,
 * so lines bear one only when standard error is not the journal. */
void log_init(const char *process, int level_max);
/* The request at work, or NULL; every line bears it. The text is not copied. */
void log_request(const char *request_id);
bool log_wants(enum log_level level);
__attribute__((format(printf, 2, 3))) void log_line(enum log_level level, const char *format, ...);

/* For the journal only, beside the text: BOXOFFICE_ and this name. */
struct log_field {
    const char *name, *value;
};
__attribute__((format(printf, 4, 5))) void log_event(enum log_level level,
                                                     const struct log_field *fields, size_t count,
                                                     const char *format, ...);

#endif
