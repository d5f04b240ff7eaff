/* SPDX-License-Identifier: 0BSD */
/* Running the checks, in an order in which each can lean on those before it, and telling what they
 * found. */
#include "admin/check.h"

#include "admin/check_rows.h"
#include "base/json.h"
#include "base/log.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

/* What must have been found before a check makes sense. */
enum needs { NOTHING, SETTINGS, DATABASE, WORKERS, NGINX };

static const struct {
    const char *name;
    enum needs needs;
    check_fn *run;
} checks[] = {
    {"settings", NOTHING, check_settings},
    {"database password", SETTINGS, check_password_file},
    {"token keys", SETTINGS, check_token_keys},
    {"database", SETTINGS, check_database},
    {"database version", DATABASE, check_database_version},
    {"database rights", DATABASE, check_database_rights},
    {"database schema", DATABASE, check_schema},
    {"database durability", DATABASE, check_durability},
    {"database connections", DATABASE, check_connections},
    {"database disk", DATABASE, check_database_disk},
    {"database clock", DATABASE, check_database_clock},
    {"clock", NOTHING, check_clock},
    {"socket", SETTINGS, check_socket},
    {"workers", WORKERS, check_workers},
    {"ticker", WORKERS, check_ticker},
    {"nginx", NOTHING, check_nginx},
    {"nginx limits", NGINX, check_limits},
    {"nginx certificate", NGINX, check_certificate},
    {"nginx open files", NGINX, check_open_files},
    {"nginx errors", SETTINGS, check_nginx_errors},
    {"socket access", SETTINGS, check_socket_access},
    {"socket backlog", SETTINGS, check_backlog},
    {"queue folder", SETTINGS, check_queue_dir},
    {"queue files", DATABASE, check_queue_files},
    {"queue disk", SETTINGS, check_queue_disk},
};

static const char *const result_names[] = {"ok", "not checked", "warning", "wrong"};

static void add(struct check *c, enum result result, const char *format, va_list args) {
    size_t len = strlen(c->text);
    if (result > c->result) c->result = result;
    if (len && len + 3 < sizeof c->text) {
        strcpy(c->text + len, "; ");
        len += 2;
    }
    vsnprintf(c->text + len, sizeof c->text - len, format, args);
}

#define TELLS(name, result)                                                                        \
    void name(struct check *c, const char *format, ...) {                                          \
        va_list args;                                                                              \
        va_start(args, format);                                                                    \
        add(c, result, format, args);                                                              \
        va_end(args);                                                                              \
    }
TELLS(check_ok, RESULT_OK)
TELLS(check_unchecked, RESULT_UNCHECKED)
TELLS(check_warning, RESULT_WARNING)
TELLS(check_wrong, RESULT_WRONG)

/* Why a check can't be made; NULL when it can. */
static const char *in_the_way(const struct check *c, enum needs needs) {
    switch (needs) {
    case NOTHING: return NULL;
    case SETTINGS: return c->settings_valid ? NULL : "the settings are not valid";
    case DATABASE: return c->database_answers ? NULL : "the database does not answer";
    case WORKERS: return c->workers_answer ? NULL : "no worker answers";
    case NGINX: return c->nginx_answers ? NULL : "nginx does not answer";
    }
    return NULL;
}

static void tell(const struct check *c, const char *name, FILE *out, struct json_object *json) {
    if (!json) {
        fprintf(out, "%-11s  %-20s  %s\n", result_names[c->result], name, c->text);
        fflush(out); /* some take a second */
        return;
    }
    struct json_object *o = json_object_new_object();
    json_add_text(o, "check", name);
    json_add_text(o, "result", result_names[c->result]);
    json_add_text(o, "text", c->text);
    json_object_array_add(json, o);
}

int check_run(const char *config_path, const char *url, FILE *out, struct json_object *json) {
    static struct check c; /* large */
    static const char *const usual[] = {"https://localhost", "http://localhost"};
    bool wrong = false;
    if (access(config_path, R_OK)) {
        fprintf(
            stderr,
            "boxofficectl: %s: %s; run it as root, or name the settings file with --config FILE\n",
            config_path, strerror(errno));
        return 2;
    }
    if (url && !url_parse(url, &c.url)) {
        fputs("boxofficectl: --url must be like https://localhost or http://localhost:8080\n",
              stderr);
        return 2;
    }
    for (size_t i = 0; !url && i < sizeof usual / sizeof usual[0]; i++)
        if (url_parse(usual[i], &c.url) && probe_connect(&c.url)) url = usual[i];
    if (!url) *c.url.host = 0;
    c.config_path = config_path;
    log_init("boxofficectl", LOG_L_ERROR - 1); /* the checks tell */
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        const char *why = in_the_way(&c, checks[i].needs);
        c.result = RESULT_OK;
        *c.text = 0;
        if (why)
            check_unchecked(&c, "%s", why);
        else
            checks[i].run(&c);
        wrong |= c.result == RESULT_WRONG;
        tell(&c, checks[i].name, out, json);
    }
    db_free(c.db);
    return wrong ? 1 : 0;
}
