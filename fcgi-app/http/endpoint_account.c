/* SPDX-License-Identifier: 0BSD */
/* Users, balance, charges, history. */
#include "base/json.h"
#include "batch/account.h"
#include "http/body.h"
#include "http/endpoints.h"

enum err begin_user_create(struct call *call) {
    enum err e = body_text(call->body, "name", 1, 100, call->resp, &call->write.name);
    if (e) return e;
    call->write.kind = BATCH_SIGN_UP;
    account_new(&call->write.cred, call->access_key);
    call->write.user = call->write.cred.user;
    return E_OK;
}

enum err end_user_create(struct call *call) {
    if (call->write.outcome) return call->write.outcome;
    struct json_object *o = json_object_new_object();
    json_add_user(o, "userId", call->write.user);
    json_add_text(o, "name", call->write.name);
    json_add_text(o, "accessKey", call->access_key);
    resp_json(call->resp, 201, o);
    return E_OK;
}

/* The path's user must be the caller. A stranger learns no more than whether there is such a user.
 */
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

enum err begin_charge(struct call *call) {
    enum err e = body_u64(call->body, "amount", 1, call->conf->charge_max, call->resp,
                          &call->write.amount_minor);
    if (e || (e = own_account(call))) return e;
    call->write.kind = BATCH_CHARGE;
    return E_OK;
}

enum err end_charge(struct call *call) {
    const struct batch_request *r = &call->write;
    if (r->outcome) return r->outcome;
    struct json_object *o = json_object_new_object();
    json_add_u64(o, "chargeId", r->charged_id);
    json_add_user(o, "userId", r->user);
    json_add_u64(o, "amount", r->amount_minor);
    json_add_u64(o, "balance", r->balance_minor);
    json_add_text(o, "currency", call->conf->currency);
    resp_json(call->resp, 201, o);
    return E_OK;
}
