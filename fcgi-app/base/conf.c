/* SPDX-License-Identifier: 0BSD */
/* Reading the settings file, by the table in config.def. */
#include "base/conf.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#ifndef SQLDIR
#define SQLDIR "/usr/share/boxoffice/sql"
#endif

struct row {
    const char *name;
    bool text;
    size_t offset;
    uint64_t dflt, least, most;
    const char *dflt_text, *unit, *help;
};

static const struct row rows[] = {
#define U64(name, dflt, least, most, unit, help)                                                   \
    {#name, false, offsetof(struct conf, name), dflt, least, most, NULL, unit, help},
#define TEXT(name, dflt, help)                                                                     \
    {#name, true, offsetof(struct conf, name), 0, 0, 0, dflt, NULL, help},
#include "base/config.def"
#undef U64
#undef TEXT
};
#define ROWS (sizeof rows / sizeof rows[0])

void conf_defaults(struct conf *conf_r) {
    for (size_t i = 0; i < ROWS; i++) {
        char *field = (char *)conf_r + rows[i].offset;
        if (rows[i].text)
            snprintf(field, CONF_TEXT_MAX, "%s", rows[i].dflt_text);
        else
            memcpy(field, &rows[i].dflt, sizeof rows[i].dflt);
    }
}

static char *trim(char *s) {
    while (isspace((unsigned char)*s)) s++;
    char *end = s + strlen(s);
    while (end > s && isspace((unsigned char)end[-1])) *--end = 0;
    return s;
}

static bool set(struct conf *conf, const char *name, const char *value, char *why_r,
                size_t why_size) {
    for (size_t i = 0; i < ROWS; i++) {
        if (strcmp(rows[i].name, name) != 0) continue;
        char *field = (char *)conf + rows[i].offset;
        if (rows[i].text) {
            if (strlen(value) >= CONF_TEXT_MAX) {
                snprintf(why_r, why_size, "%s is longer than %d characters", name,
                         CONF_TEXT_MAX - 1);
                return false;
            }
            memset(field, 0, CONF_TEXT_MAX);
            memcpy(field, value, strlen(value));
            return true;
        }
        char *end;
        errno = 0;
        uint64_t v = strtoull(value, &end, 10);
        if (!isdigit((unsigned char)*value) || *end || errno || v < rows[i].least ||
            v > rows[i].most) {
            snprintf(why_r, why_size,
                     "%s must be a whole number from %" PRIu64 " to %" PRIu64 " (%s), not '%.40s'",
                     name, rows[i].least, rows[i].most, rows[i].unit, value);
            return false;
        }
        memcpy(field, &v, sizeof v);
        return true;
    }
    snprintf(why_r, why_size, "unknown setting '%.60s'", name);
    return false;
}

bool conf_load(const char *path, struct conf *conf_r, char *why_r, size_t why_size) {
    conf_defaults(conf_r);
    FILE *f = fopen(path, "re");
    if (!f) {
        snprintf(why_r, why_size, "%s: %s; name the settings file with --config FILE", path,
                 strerror(errno));
        return false;
    }
    char line[1024], why[300];
    bool ok = true;
    for (int n = 1; ok && fgets(line, sizeof line, f); n++) {
        /* The rest would be read as another line. */
        if (!strchr(line, '\n') && strlen(line) + 1 == sizeof line) {
            snprintf(why_r, why_size, "%s:%d: a line has at most %zu characters", path, n,
                     sizeof line - 2);
            ok = false;
            break;
        }
        char *s = trim(line);
        if (!*s || *s == '#') continue;
        char *eq = strchr(s, '=');
        if (!eq) {
            snprintf(why_r, why_size, "%s:%d: expected `name = value`", path, n);
            ok = false;
            break;
        }
        *eq = 0;
        ok = set(conf_r, trim(s), trim(eq + 1), why, sizeof why);
        if (!ok) snprintf(why_r, why_size, "%s:%d: %s", path, n, why);
    }
    if (ok && ferror(f)) { /* half a file, or a folder, is not to be taken for the defaults */
        snprintf(why_r, why_size, "%s: %s; name the settings file with --config FILE", path,
                 strerror(errno));
        ok = false;
    }
    fclose(f);
    return ok;
}

void conf_writers_socket(const struct conf *conf, char path_r[CONF_TEXT_MAX + 16]) {
    if (*conf->writers_socket)
        snprintf(path_r, CONF_TEXT_MAX + 16, "%s", conf->writers_socket);
    else
        snprintf(path_r, CONF_TEXT_MAX + 16, "%s.writers", conf->listen_socket);
}

uint64_t conf_readers(const struct conf *conf) {
    return conf->readers ? conf->readers : conf->workers;
}

void conf_print_example(FILE *out) {
    fputs("# Settings of boxoffice, see boxoffice.conf(5). Shown are the defaults.\n", out);
    for (size_t i = 0; i < ROWS; i++) {
        fprintf(out, "\n# %s\n", rows[i].help);
        if (rows[i].text)
            fprintf(out, "#%s = %s\n", rows[i].name, rows[i].dflt_text);
        else
            fprintf(out, "# %" PRIu64 " to %" PRIu64 " %s\n#%s = %" PRIu64 "\n", rows[i].least,
                    rows[i].most, rows[i].unit, rows[i].name, rows[i].dflt);
    }
}

/* A text as mdoc input: lines of fewer than 80 characters, one sentence a line, nothing that reads
 * as a request. */
static void print_mdoc_text(FILE *out, const char *text) {
    size_t column = 0;
    bool sentence_ended = false, quoted = false;
    for (const char *word = text; *word;) {
        size_t len = strcspn(word, " ");
        if (column && (sentence_ended || column + 1 + len > 76)) {
            fputc('\n', out);
            column = 0;
        }
        if (column) fputc(' ', out);
        if (!column && (*word == '.' || *word == '\'')) fputs("\\&", out);
        for (size_t i = 0; i < len; i++) {
            if (word[i] == '\\')
                fputs("\\e", out);
            else if (word[i] == '`')
                fputs((quoted = !quoted) ? "\\(oq" : "\\(cq", out);
            else
                fputc(word[i], out);
        }
        column += len + 1;
        sentence_ended = word[len - 1] == '.';
        word += len;
        while (*word == ' ') word++;
    }
    fputc('\n', out);
}

void conf_print_mdoc(FILE *out) {
    for (size_t i = 0; i < ROWS; i++) {
        fprintf(out, ".It Va %s\n", rows[i].name);
        print_mdoc_text(out, rows[i].help);
        fputs(".br\n", out);
        if (rows[i].text && *rows[i].dflt_text)
            fprintf(out, "Text; default: %s\n", rows[i].dflt_text);
        else if (rows[i].text)
            fputs("Text; default: empty.\n", out);
        else
            fprintf(out, "%" PRIu64 " to %" PRIu64 " (%s); default: %" PRIu64 "\n", rows[i].least,
                    rows[i].most, rows[i].unit, rows[i].dflt);
    }
}
