/* SPDX-License-Identifier: 0BSD */
/* Log lines. */
#include "base/log.h"

#include "base/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define MESSAGE_MAX 2048
#define ESCAPED_MAX (4 * MESSAGE_MAX)

static const char *process_name = "boxoffice";
static int level_shown = LOG_L_NOTICE;
static const char *request;
static bool to_journal;
static int journal_fd = -1;

/* systemd.exec(5): the variable is inherited by those whose standard error has been sent elsewhere,
 * so what it names is compared. */
static bool stderr_is_journal(void) {
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat st;
    return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
           fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

void log_init(const char *process, int level_max) {
    process_name = process;
    level_shown = level_max;
    to_journal = stderr_is_journal();
    if (to_journal && journal_fd < 0) journal_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

void log_request(const char *request_id) { request = request_id; }

bool log_wants(enum log_level level) { return (int)level <= level_shown; }

/* Appends a text to a line: what is not plain ASCII as \xNN. Returns the line's new length. */
static size_t escape(char *line, size_t at, size_t size, const char *text) {
    for (; *text && at + 5 < size; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x20 || c > 0x7e || c == '\\')
            at += (size_t)sprintf(line + at, "\\x%02x", c);
        else
            line[at++] = (char)c;
    }
    line[at] = 0;
    return at;
}

/* https://systemd.io/JOURNAL_NATIVE_PROTOCOL: a datagram of NAME=value lines. False when it could
 * not be sent at once: a worker does not wait for the journal. */
static bool send_to_journal(enum log_level level, const struct log_field *fields, size_t count,
                            const char *message) {
    struct sockaddr_un to = {.sun_family = AF_UNIX, .sun_path = "/run/systemd/journal/socket"};
    static char text[3 * ESCAPED_MAX];
    size_t n = (size_t)snprintf(text, sizeof text,
                                "PRIORITY=%d\nSYSLOG_IDENTIFIER=boxoffice\nBOXOFFICE_PROCESS=%s\n",
                                (int)level, process_name);
    for (size_t i = 0; i < count && n + 128 < ESCAPED_MAX; i++) {
        n += (size_t)snprintf(text + n, 64, "BOXOFFICE_%.40s=", fields[i].name);
        n = escape(text, n, ESCAPED_MAX, fields[i].value);
        text[n++] = '\n';
    }
    if (request) {
        n += (size_t)snprintf(text + n, 32, "BOXOFFICE_REQUEST_ID=");
        n = escape(text, n, n + 200, request);
        text[n++] = '\n';
    }
    n += (size_t)snprintf(text + n, sizeof text - n, "MESSAGE=%s\n", message);
    return sendto(journal_fd, text, n, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&to,
                  sizeof to) == (ssize_t)n;
}

static void write_line(enum log_level level, const char *message) {
    static const char *const names[] = {"", "", "", "error", "warning", "notice", "info", "debug"};
    char line[ESCAPED_MAX + 128], at[RFC3339_SIZE];
    int n;
    if (to_journal) {
        n = snprintf(line, sizeof line, "<%d>%s[%d]%s\n", (int)level, process_name, (int)getpid(),
                     message);
    } else {
        clock_rfc3339(clock_wall_ms(), at);
        n = snprintf(line, sizeof line, "%s %s %s[%d]%s\n", at, names[level], process_name,
                     (int)getpid(), message);
    }
    if (write(STDERR_FILENO, line, (size_t)n) < 0) return;
}

static void say(enum log_level level, const struct log_field *fields, size_t count,
                const char *format, va_list args) {
    char raw[MESSAGE_MAX], message[ESCAPED_MAX];
    vsnprintf(raw, sizeof raw, format, args);
    size_t n = 0;
    if (request) {
        n = escape(message, n, sizeof message, " request=");
        n = escape(message, n, 200, request);
    }
    n = escape(message, n, sizeof message, ": ");
    escape(message, n, sizeof message, raw);
    if (!to_journal || !send_to_journal(level, fields, count, message + (request ? 1 : 2)))
        write_line(level, message);
}

void log_line(enum log_level level, const char *format, ...) {
    if (!log_wants(level)) return;
    va_list args;
    va_start(args, format);
    say(level, NULL, 0, format, args);
    va_end(args);
}

void log_event(enum log_level level, const struct log_field *fields, size_t count,
               const char *format, ...) {
    if (!log_wants(level)) return;
    va_list args;
    va_start(args, format);
    say(level, fields, count, format, args);
    va_end(args);
}
