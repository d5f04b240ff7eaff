/* SPDX-License-Identifier: 0BSD */
/* Reads procedures as text. It knows how sql/ is written, not SQL: a statement begins a line, and
 * so does the last END. */
#include "instrument.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char fault_procedure[] =
    "CREATE PROCEDURE IF NOT EXISTS fault(IN p_point INT)\n"
    "BEGIN\n"
    "  IF @fault_kind = 1 THEN\n"
    "    SET @fault_passed = CONCAT(COALESCE(@fault_passed, ''), p_point, ' ');\n"
    "  ELSEIF @fault_at = p_point AND @fault_kind IS NOT NULL AND (@fault_kind = 4 OR "
    "@@in_transaction) THEN\n"
    "    SET @fault_at = NULL;\n"
    "    CASE @fault_kind\n"
    "      WHEN 2 THEN SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213, MESSAGE_TEXT = 'planted';\n"
    "      WHEN 3 THEN SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1205, MESSAGE_TEXT = 'planted';\n"
    "      ELSE KILL CONNECTION_ID();\n"
    "    END CASE;\n"
    "  END IF;\n"
    "END";

static bool begins(const char *text, const char *with) {
    return strncmp(text, with, strlen(with)) == 0;
}

static bool ends(const char *text, size_t len, const char *with) {
    size_t n = strlen(with);
    return len >= n && memcmp(text + len - n, with, n) == 0;
}

static bool is_statement(const char *line) {
    static const char *const words[] = {"SELECT ", "INSERT ", "UPDATE ", "DELETE ", "CALL ",
                                        "COMMIT;", "START ",  "OPEN ",   "FETCH ",  "ROLLBACK;"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (begins(line, words[i])) return true;
    return false;
}

/* Whether what stood before a line leaves room for a statement. */
static bool at_boundary(const char *line, size_t len) {
    static const char *const words[] = {";", "THEN", "ELSE", "LOOP", "DO", "BEGIN"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (ends(line, len, words[i])) return true;
    return false;
}

/* Whether a line of a procedure is one before which a point can stand. The last END is one, too:
 * what comes after all that a procedure does, and before its answer. */
static bool takes_point(const char *line, const char *text, const char *before) {
    if (begins(text, "END;")) return begins(line, "END;");
    return is_statement(text) && at_boundary(before, strlen(before));
}

static void one_file(FILE *in, FILE *out, bool points, struct instrumented *i) {
    char line[1024], before[1024] = "";
    bool within = false;
    while (fgets(line, sizeof line, in)) {
        char *text = line + strspn(line, " ");
        size_t len = strcspn(text, "\n");
        if (begins(line, "CREATE PROCEDURE ")) {
            const char *name = line + 17;
            fprintf(out, "DROP PROCEDURE IF EXISTS %.*s;\n", (int)strcspn(name, "("), name);
            within = true;
            if (begins(name, "batch_store(")) i->before_store = i->points;
        }
        if (!within) continue;
        if (points && takes_point(line, text, before))
            fprintf(out, "CALL fault(%u);\n", ++i->points);
        fputs(line, out);
        if (begins(line, "END;")) within = false;
        if (len && !begins(text, "--")) snprintf(before, sizeof before, "%.*s", (int)len, text);
    }
}

bool instrument(const char *sql_dir, bool points, struct instrumented *i_r) {
    char path[1024];
    size_t size;
    *i_r = (struct instrumented){0};
    snprintf(path, sizeof path, "%s/current/batch.sql", sql_dir);
    FILE *in = fopen(path, "re"), *out = in ? open_memstream(&i_r->text, &size) : NULL;
    if (out) {
        one_file(in, out, points, i_r);
        fclose(out);
    }
    if (in) fclose(in);
    return out != NULL;
}
