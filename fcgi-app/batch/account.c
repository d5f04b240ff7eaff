/* SPDX-License-Identifier: 0BSD */
/* Users and balances. */
#include "batch/account.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <string.h>

void account_new(struct cred *cred_r, char access_key_r[ACCESS_KEY_SIZE]) {
    assert(cred_r && access_key_r);
    uint8_t key[ACCESS_KEY_BYTES];
    cred_r->user = user_id_new();
    memcpy(key, cred_r->user.v, 16);
    ids_random(key + 16, 32);
    ids_sha256(key + 16, 32, cred_r->access_hash);
    base64url_encode(key, sizeof key, access_key_r);
    OPENSSL_cleanse(key, sizeof key);
}

enum err account_key_parse(const char *access_key, struct cred *cred_r) {
    uint8_t key[ACCESS_KEY_BYTES];
    assert(access_key && cred_r);
    if (base64url_decode(access_key, strlen(access_key), key, sizeof key) != ACCESS_KEY_BYTES)
        return E_CREDENTIALS_INVALID;
    memcpy(cred_r->user.v, key, 16);
    ids_sha256(key + 16, 32, cred_r->access_hash);
    OPENSSL_cleanse(key, sizeof key);
    return E_OK;
}

static void take_any(void *ctx, const struct db_row *row) {
    (void)row;
    *(bool *)ctx = true;
}

enum err account_prove(struct db *db, const struct cred *cred) {
    assert(db && cred);
    bool any = false;
    enum err e =
        db_run(db, STMT_USER_PROVE,
               DB_ARGS(DB_BYTES(cred->user.v, 16), DB_BYTES(cred->access_hash, HASH_BYTES)),
               take_any, &any, NULL);
    return e ? e : any ? E_OK : E_CREDENTIALS_INVALID;
}

enum err account_exists(struct db *db, struct user_id id) {
    bool any = false;
    enum err e = db_run(db, STMT_USER_EXISTS, DB_ARGS(DB_BYTES(id.v, 16)), take_any, &any, NULL);
    return e ? e : any ? E_OK : E_USER_NOT_FOUND;
}

struct balance {
    bool any;
    uint64_t minor;
};

static void take_balance(void *ctx, const struct db_row *row) {
    *(struct balance *)ctx = (struct balance){true, DB_ROW_U64(row, "balance_minor")};
}

enum err account_balance(struct db *db, const struct cred *cred, uint64_t *balance_minor_r) {
    assert(db && cred && balance_minor_r);
    struct balance b = {0};
    enum err e =
        db_run(db, STMT_ACCOUNT_BALANCE,
               DB_ARGS(DB_BYTES(cred->user.v, 16), DB_BYTES(cred->access_hash, HASH_BYTES)),
               take_balance, &b, NULL);
    *balance_minor_r = b.minor;
    return e ? e : b.any ? E_OK : E_CREDENTIALS_INVALID;
}

struct history {
    balance_entry_fn *each;
    void *ctx;
    bool user;
};

static void take_entry(void *ctx, const struct db_row *row) {
    struct history *h = ctx;
    h->user = true;
    if (DB_ROW_NULL(row, "entry_id")) return;
    struct balance_entry e = {
        .id = DB_ROW_U64(row, "entry_id"),
        .type = DB_ROW_TEXT(row, "type"),
        .amount_minor = DB_ROW_I64(row, "amount_minor"),
        .balance_after_minor = DB_ROW_U64(row, "balance_after_minor"),
        .created_at_ms = DB_ROW_U64(row, "created_at_ms"),
        .reservation = DB_ROW_U64(row, "reservation_id"),
    };
    h->each(h->ctx, &e);
}

enum err account_history(struct db *db, const struct cred *cred, uint64_t before, uint64_t limit,
                         balance_entry_fn *each, void *ctx) {
    assert(db && cred && each && limit > 0);
    struct history h = {each, ctx, false};
    enum err e = db_run(db, STMT_ACCOUNT_HISTORY,
                        DB_ARGS(DB_BYTES(cred->user.v, 16), DB_BYTES(cred->user.v, 16),
                                DB_BYTES(cred->access_hash, HASH_BYTES),
                                DB_U64(before ? before : INT64_MAX), DB_U64(limit)),
                        take_entry, &h, NULL);
    return e || h.user ? e : account_prove(db, cred);
}
