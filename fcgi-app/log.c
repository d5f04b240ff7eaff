/* Log lines. */
#include "log.h"

#include "clock.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *process_name = "boxoffice";
static int level_shown = LOG_L_NOTICE;
static const char *request;
static bool to_journal;

void log_init(const char *process, int level_max) {
    process_name = process;
    level_shown = level_max;
    to_journal = getenv("JOURNAL_STREAM") != NULL;
}

void log_request(const char *request_id) { request = request_id; }

bool log_wants(enum log_level level) { return (int)level <= level_shown; }

void log_line(enum log_level level, const char *format, ...) {
    static const char *const names[] = {"", "", "", "error", "warning", "notice", "info", "debug"};
    if (!log_wants(level)) return;
    char line[2048], at[RFC3339_SIZE];
    int n;
    if (to_journal) {
        n = snprintf(line, sizeof line, "<%d>%s[%d]", (int)level, process_name, (int)getpid());
    } else {
        clock_rfc3339(clock_wall_ms(), at);
        n = snprintf(line, sizeof line, "%s %s %s[%d]", at, names[level], process_name, (int)getpid());
    }
    if (request) n += snprintf(line + n, sizeof line - (size_t)n, " request=%s", request);
    n += snprintf(line + n, sizeof line - (size_t)n, ": ");
    va_list args;
    va_start(args, format);
    int m = vsnprintf(line + n, sizeof line - 1 - (size_t)n, format, args);
    va_end(args);
    if (m > 0) n += m;
    if ((size_t)n > sizeof line - 2) n = (int)sizeof line - 2;
    /* What a client sent may be in it: nothing that could start a line of its own. */
    for (int i = 0; i < n; i++)
        if (iscntrl((unsigned char)line[i])) line[i] = ' ';
    line[n++] = '\n';
    if (write(STDERR_FILENO, line, (size_t)n) < 0) return;
}
