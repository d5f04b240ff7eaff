/* SPDX-License-Identifier: 0BSD */
/* What people send travels as JSON text within a parameter, and must come out as it went in. */
#include "world.h"

#include "../tap.h"

#include <stdlib.h>
#include <string.h>

#define BODY_SIZE 16384

static void hex_of(const void *bytes, size_t len, char *hex_r) {
    for (size_t i = 0; i < len; i++)
        sprintf(hex_r + 2 * i, "%02x", ((const unsigned char *)bytes)[i]);
    hex_r[2 * len] = 0;
}

/* Whether a query's only value, which it makes in hexadecimal, is these bytes. */
static bool is_stored(const char *what, struct user_id user, const void *bytes, size_t len) {
    static char value[2 * BODY_SIZE + 2], want[2 * BODY_SIZE + 2];
    char sql[300], hex[33], why[300];
    hex_of(user.v, sizeof user.v, hex);
    snprintf(sql, sizeof sql,
             "SELECT LOWER(HEX(%s)) FROM user u LEFT JOIN idempotency_key k USING (user_id) WHERE "
             "user_id = UNHEX('%s')",
             what, hex);
    hex_of(bytes, len, want);
    bool same =
        db_script_value(db, sql, value, sizeof value, why, sizeof why) && strcmp(value, want) == 0;
    if (!same) printf("# %s is %.60s, not %.60s\n", what, value, want);
    return same;
}

static const char *const names[] = {
    "Kim",
    "\"",
    "\\",
    "\\\"",
    "'; DROP TABLE user; --",
    "[\"a\",1]",
    "],[",
    "\\u0000",
    "a\\",
    "{\"$\":1}",
    "$[*]",
    "%s%n",
    "0x41",
    "NULL",
    "''",
    " two  spaces ",
    "\xEA\xB9\x80\xEC\x84\xA0\xEB\x8B\xAC",
    "\xF0\x9F\x8E\xAB\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x91\xA7",
    "\xE2\x80\xA8",
    "\x7F",
};

/* All in one group, so that one could run into the next; and the longest name there is. */
static void names_stay(void) {
    enum { COUNT = sizeof names / sizeof *names + 1 };
    struct batch_request r[COUNT], *group[COUNT];
    struct cred cred[COUNT];
    char key[ACCESS_KEY_SIZE], longest[401] = "";
    for (int i = 0; i < 100; i++) strcat(longest, "\xF0\x9F\x8E\xAB");
    for (size_t i = 0; i < COUNT; i++) {
        account_new(&cred[i], key);
        r[i] = request_of(BATCH_SIGN_UP, &cred[i], NULL, NULL);
        r[i].name = i < COUNT - 1 ? names[i] : longest;
        group[i] = &r[i];
    }
    batch_run(db, &conf, group, COUNT, false);
    for (size_t i = 0; i < COUNT; i++) {
        CU_ASSERT_EQUAL(r[i].outcome, E_OK);
        CU_ASSERT(is_stored("name", cred[i].user, r[i].name, strlen(r[i].name)));
        CU_ASSERT(is_stored("access_hash", cred[i].user, cred[i].access_hash, HASH_BYTES));
    }
}

/* An answer whose bytes are the request's own. */
struct answer {
    char body[BODY_SIZE];
    size_t len, id_at; /* where the new id stands; 0: nowhere */
};

static void answer(struct batch_request *r, int *status_r, const char **body_r, size_t *len_r) {
    const struct answer *a = r->answer_ctx;
    *status_r = r->outcome ? err_status(r->outcome) : 201;
    *body_r = a->body;
    *len_r = a->len;
}

static const char *const keys[] = {
    "\"",
    "\\",
    "a\"b",
    "\\\\",
    "\"]",
    "\",\"",
    "'",
    "';--",
    "{}",
    "[[",
    "~!@#$%^&*()_+",
    "%00",
    "\\u0041",
    "0123456789012345678901234567890123456789012345678901234567890123",
    "\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"",
    "k",
    "K",
};

/* Every byte, over and over; to a length of its own. */
static void fill(struct answer *a, size_t i, bool with_id) {
    static const char head[] = "{\"id\":0,\"x\":\"";
    a->len = i == 0 ? BODY_SIZE : i == 1 ? sizeof head - 1 : BODY_SIZE - i * 257;
    for (size_t k = 0; k < a->len; k++) a->body[k] = (char)(k * 7 + i);
    if (with_id) memcpy(a->body, head, sizeof head - 1);
    a->id_at = with_id ? 6 : 0;
}

/* Charges in one group, then once more, with their keys; refused ones among them, whose answer
 * bears no id. */
static void keys_and_bodies_stay(void) {
    enum { COUNT = sizeof keys / sizeof *keys };
    static struct answer kept[COUNT];
    struct idem idem[COUNT];
    struct cred cred[COUNT];
    struct batch_request r[COUNT], *group[COUNT];
    memset(idem, 0, sizeof idem);
    for (size_t i = 0; i < COUNT; i++) {
        bool refused = i % 5 == 4;
        cred[i] = user("bytes");
        CU_ASSERT_FATAL(idem_key_parse(keys[i], &idem[i]));
        idem_hash_request(&idem[i], "POST", "/bytes", keys[i], strlen(keys[i]));
        fill(&kept[i], i, !refused);
        r[i] = request_of(BATCH_CHARGE, &cred[i], NULL, &idem[i]);
        r[i].amount_minor = refused ? BALANCE_MINOR_MAX + 1 : 5;
        r[i].answer = answer;
        r[i].answer_ctx = &kept[i];
        group[i] = &r[i];
    }
    batch_run(db, &conf, group, COUNT, false);
    for (size_t i = 0; i < COUNT; i++) {
        CU_ASSERT_EQUAL(r[i].outcome, i % 5 == 4 ? E_BALANCE_LIMIT_EXCEEDED : E_OK);
        CU_ASSERT(is_stored("idem_key", cred[i].user, idem[i].key, strlen(idem[i].key)));
        CU_ASSERT(is_stored("request_hash", cred[i].user, idem[i].request_hash, HASH_BYTES));
    }
    batch_run(db, &conf, group, COUNT, false);
    for (size_t i = 0; i < COUNT; i++) {
        char body[BODY_SIZE + 24];
        const struct answer *a = &kept[i];
        size_t len = a->len;
        memcpy(body, a->body, len);
        if (a->id_at) {
            int digits = sprintf(body + a->id_at, "%llu", (unsigned long long)r[i].charged_id);
            memcpy(body + a->id_at + digits, a->body + a->id_at + 1, len - a->id_at - 1);
            len += (size_t)digits - 1;
        }
        CU_ASSERT_EQUAL(r[i].outcome, E_REPLAYED);
        CU_ASSERT(idem[i].body_len == len && memcmp(idem[i].body, body, len) == 0);
        idem_clear(&idem[i]);
    }
}

void names_keys_and_bodies_stay_as_they_are(void) {
    names_stay();
    keys_and_bodies_stay();
}
