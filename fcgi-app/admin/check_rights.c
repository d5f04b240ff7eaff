/* SPDX-License-Identifier: 0BSD */
/* Checks what the database's user may do, against what it has to: sql/grants.sql, table by table.
 */
#include "admin/check_rows.h"

#include <stdio.h>
#include <string.h>

#define WANTED_MAX 200

/* A right on a table of the database, or on all of it ("*"). */
struct wanted {
    char right[16], table[65];
    bool granted;
};

struct rights {
    const char *database;
    struct wanted wanted[WANTED_MAX];
    size_t count;
    bool all_on_server, may_grant, changes_schema;
};

struct grant {
    char rights[600], object[200];
};

/* GRANT right, right ON object TO user, as grants.sql and the server write it; false when the line
 * is none. */
static bool grant_parse(const char *line, struct grant *g_r) {
    const char *on = strstr(line, " ON "), *to = on ? strstr(on, " TO ") : NULL;
    if (strncmp(line, "GRANT ", 6) != 0 || !to) return false;
    on += strspn(on, " ");
    snprintf(g_r->rights, sizeof g_r->rights, "%.*s", (int)(on - line - 6), line + 6);
    on += 2 + strspn(on + 2, " ");
    snprintf(g_r->object, sizeof g_r->object, "%.*s",
             (int)strcspn(on, strncmp(on, "PROCEDURE ", 10) == 0 ? "" : " "), on);
    return true;
}

/* Whether a list of rights has one. */
static bool has(const char *rights, const char *right) {
    size_t len = strlen(right);
    for (const char *at = rights; (at = strstr(at, right)); at += len) {
        bool begins = at == rights || at[-1] == ' ' || at[-1] == ',';
        if (begins && (at[len] == 0 || at[len] == ',' || at[len] == ' ')) return true;
    }
    return false;
}

static bool wanted_load(const char *sql_dir, struct rights *r) {
    static const char *const kinds[] = {"SELECT", "INSERT", "UPDATE", "DELETE", "EXECUTE"};
    char path[CONF_TEXT_MAX + 16], line[512];
    struct grant g;
    snprintf(path, sizeof path, "%s/grants.sql", sql_dir);
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f)) {
        const char *dot = grant_parse(line, &g) ? strchr(g.object, '.') : NULL;
        for (size_t i = 0; dot && i < sizeof kinds / sizeof kinds[0] && r->count < WANTED_MAX;
             i++) {
            if (!has(g.rights, kinds[i])) continue;
            struct wanted *w = &r->wanted[r->count++];
            snprintf(w->right, sizeof w->right, "%s", kinds[i]);
            snprintf(w->table, sizeof w->table, "%s", dot + 1);
        }
    }
    if (f) fclose(f);
    return r->count > 0;
}

/* Reads a name, in backticks or not, where \\ takes the next character as it is and % stands for
 * any. Returns what is behind it, or NULL when it is another name. */
static const char *name_is(const char *object, const char *name) {
    bool quoted = *object == '`', any = false;
    if (quoted) object++;
    for (; *object && *object != (quoted ? '`' : '.'); object++) {
        any |= *object == '%';
        if (any) continue;
        if (*object == '\\') object++;
        if (*object != *name++) return NULL;
    }
    if (!any && *name) return NULL;
    return object + (quoted && *object == '`');
}

/* The table that a grant is about: "*" for all of the database; NULL when it is about another one.
 */
static const char *table_of(const char *object, const char *database) {
    if (strcmp(object, "*.*") == 0) return "*";
    if (strncmp(object, "PROCEDURE ", 10) == 0) return name_is(object + 10, database) ? "*" : NULL;
    const char *dot = name_is(object, database);
    return dot && *dot == '.' ? dot + 1 : NULL;
}

static void take_grant(void *ctx, const struct db_row *row) {
    struct rights *r = ctx;
    struct grant g;
    const char *text = db_row_only(row);
    if (!grant_parse(text, &g)) return;
    const char *table = table_of(g.object, r->database);
    bool all = strncmp(g.rights, "ALL PRIVILEGES", 14) == 0,
         procedure = strncmp(g.object, "PROCEDURE ", 10) == 0;
    r->all_on_server |= strcmp(g.object, "*.*") == 0 && (all || has(g.rights, "SUPER"));
    r->may_grant |= strstr(text, "WITH GRANT OPTION") != NULL;
    if (!table) return;
    r->changes_schema |= !procedure && (all || has(g.rights, "DROP") || has(g.rights, "ALTER") ||
                                        has(g.rights, "CREATE"));
    for (size_t i = 0; i < r->count; i++) {
        struct wanted *w = &r->wanted[i];
        if (!all && !has(g.rights, w->right)) continue;
        if (procedure ? strcmp(w->right, "EXECUTE") == 0
                      : *table == '*' || name_is(table, w->table) != NULL)
            w->granted = true;
    }
}

void check_database_rights(struct check *c) {
    static struct rights r; /* large */
    const char *user = c->conf.database_user;
    unsigned number;
    size_t lacking = 0;
    r = (struct rights){.database = c->conf.database_name};
    if (!wanted_load(c->conf.sql_dir, &r)) {
        check_unchecked(c, "there is no grants.sql in sql_dir %s", c->conf.sql_dir);
        return;
    }
    if (db_run(c->db, STMT_CHECK_GRANTS, 0, NULL, take_grant, &r, NULL)) {
        check_unchecked(c, "the database does not show them: %s", db_error(c->db, &number));
        return;
    }
    for (size_t i = 0; i < r.count; i++) {
        struct wanted *w = &r.wanted[i];
        if (!w->granted && lacking++ == 0)
            check_wrong(c, "%s lacks %s on %s", user, w->right, w->table);
    }
    if (lacking > 1) check_wrong(c, "and %zu more", lacking - 1);
    if (lacking) check_wrong(c, "run grants.sql as the database's administrator");
    if (r.all_on_server)
        check_warning(c, "%s may do anything on the whole server (ALL or SUPER ON *.*): REVOKE it",
                      user);
    if (r.may_grant)
        check_warning(c, "%s may pass its rights on: REVOKE GRANT OPTION from it", user);
    if (r.changes_schema && *c->conf.database_migrate_user && !r.all_on_server)
        check_warning(c, "%s may change the schema, which %s is there for: REVOKE that", user,
                      c->conf.database_migrate_user);
    if (c->result == RESULT_OK) check_ok(c, "%s has the %zu of grants.sql", user, r.count);
}
