/* SPDX-License-Identifier: 0BSD */
/* Idempotency keys. */
#include "batch/idem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

bool idem_key_parse(const char *header, struct idem *idem_r) {
    assert(header && idem_r);
    size_t len = strlen(header);
    if (len >= 2 && header[0] == '"' && header[len - 1] == '"') {
        header++;
        len -= 2;
    }
    if (len < 1 || len > IDEM_KEY_MAX) return false;
    for (size_t i = 0; i < len; i++)
        if (header[i] < 0x21 || header[i] > 0x7e) return false;
    memcpy(idem_r->key, header, len);
    idem_r->key[len] = 0;
    idem_r->given = true;
    return true;
}

void idem_hash_request(struct idem *idem, const char *method, const char *path, const void *body,
                       size_t len) {
    assert(idem && method && path && (body || !len));
    /* The hash of the parts' hashes, so that no part can run into the next. */
    uint8_t parts[3][HASH_BYTES];
    ids_sha256(method, strlen(method), parts[0]);
    ids_sha256(path, strlen(path), parts[1]);
    ids_sha256(body, len, parts[2]);
    ids_sha256(parts, sizeof parts, idem->request_hash);
}

void idem_clear(struct idem *idem) {
    assert(idem);
    free(idem->body);
    memset(idem, 0, sizeof *idem);
}

void idem_keep(struct idem *idem, int status, const struct db_row *row, size_t column) {
    assert(idem && row);
    size_t len;
    const char *body = db_row_text(row, column, &len);
    free(idem->body);
    idem->body = malloc(len + 1);
    if (!idem->body) abort();
    memcpy(idem->body, body, len);
    idem->body[len] = 0;
    idem->body_len = len;
    idem->status = status;
}

enum err idem_purge(struct db *db, uint64_t batch, uint64_t *purged_r) {
    assert(db);
    return db_run(db, STMT_IDEM_PURGE, DB_ARGS(DB_U64(batch)), NULL, NULL, purged_r);
}
