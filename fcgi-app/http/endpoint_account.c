/* Users, balance, charges, history. */
#include "batch/account.h"
#include "http/body.h"
#include "http/endpoints.h"
#include "base/json.h"

enum err endpoint_user_create(struct call *call) {
    const char *name;
    struct user_id id;
    char key[ACCESS_KEY_SIZE];
    enum err e = body_text(call->body, "name", 1, 100, call->resp, &name);
    if (e || (e = account_create(call->db, name, &id, key))) return e;
    struct json_object *o = json_object_new_object();
    json_add_user(o, "userId", id);
    json_add_text(o, "name", name);
    json_add_text(o, "accessKey", key);
    resp_json(call->resp, 201, o);
    return E_OK;
}

/* The path's user must be the caller. A stranger learns no more than whether there is such a user. */
static enum err own_account(struct call *call) {
    if (user_id_equal(call->path_user, call->cred.user)) return E_OK;
    enum err e = account_prove(call->db, &call->cred);
    if (!e) e = account_exists(call->db, call->path_user);
    return e ? e : E_FORBIDDEN;
}

enum err endpoint_balance(struct call *call) {
    uint64_t balance_minor;
    enum err e = own_account(call);
    if (e || (e = account_balance(call->db, &call->cred, &balance_minor))) return e;
    struct json_object *o = json_object_new_object();
    json_add_user(o, "userId", call->cred.user);
    json_add_u64(o, "balance", balance_minor);
    json_add_text(o, "currency", call->conf->currency);
    resp_json(call->resp, 200, o);
    return E_OK;
}

static void entry_json(void *ctx, const struct balance_entry *entry) {
    struct json_object *o = json_page_item(ctx, entry->id);
    if (!o) return;
    json_add_u64(o, "entryId", entry->id);
    json_add_text(o, "type", entry->type);
    json_add_i64(o, "amount", entry->amount_minor);
    json_add_u64(o, "balanceAfter", entry->balance_after_minor);
    json_add_time(o, "createdAt", entry->created_at_ms);
    if (entry->reservation)
        json_add_u64(o, "reservationId", entry->reservation);
    else
        json_add_u64(o, "chargeId", entry->id);
}

enum err endpoint_balance_history(struct call *call) {
    uint64_t limit, after;
    enum err e = route_page(call, &limit, &after);
    if (e || (e = own_account(call))) return e;
    struct json_page page = json_page_new(limit);
    e = account_history(call->db, &call->cred, after, limit + 1, entry_json, &page);
    struct json_object *o = json_page_end(&page);
    if (e)
        json_object_put(o);
    else
        resp_json(call->resp, 200, o);
    return e;
}

enum err endpoint_charge(struct call *call) {
    uint64_t amount, charge, balance_minor;
    enum err e = body_u64(call->body, "amount", 1, call->conf->charge_max, call->resp, &amount);
    if (e || (e = own_account(call)) || (e = account_charge(call->db, &call->cred, amount, &call->idem, &charge, &balance_minor))) return e;
    struct json_object *o = json_object_new_object();
    json_add_u64(o, "chargeId", charge);
    json_add_user(o, "userId", call->cred.user);
    json_add_u64(o, "amount", amount);
    json_add_u64(o, "balance", balance_minor);
    json_add_text(o, "currency", call->conf->currency);
    resp_json(call->resp, 201, o);
    return E_OK;
}
