/* SPDX-License-Identifier: 0BSD */
/* Answers: JSON bodies and problems. */
#include "http/resp.h"

#include <assert.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RESP_FILES "/made/seats/" /* a location inside of the nginx site */
#define JSON_FLAGS (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)

void resp_reset(struct resp *resp) {
    if (resp->extra) json_object_put(resp->extra);
    bool head = resp->head;
    *resp = (struct resp){.body = resp->body, .body_size = resp->body_size, .head = head};
}

void resp_free(struct resp *resp) {
    resp_reset(resp);
    free(resp->body);
    resp->body = NULL;
    resp->body_size = 0;
}

void resp_bytes(struct resp *resp, int status, const char *content_type, const void *bytes,
                size_t len) {
    assert(resp && (bytes || !len) && (content_type || !len));
    if (len > resp->body_size) {
        char *body = realloc(resp->body, len);
        if (!body) abort();
        resp->body = body;
        resp->body_size = len;
    }
    if (len) memcpy(resp->body, bytes, len);
    resp->body_len = len;
    resp->status = status;
    resp->content_type = content_type;
}

void resp_json(struct resp *resp, int status, struct json_object *json) {
    assert(resp && json);
    size_t len;
    const char *text = json_object_to_json_string_length(json, JSON_FLAGS, &len);
    resp_bytes(resp, status, "application/json", text, len);
    json_object_put(json);
}

#define ETAG_FORM "\"%016" PRIx64 "\""

/* A list of tags, or a star; nginx marks as weak (W/) what it compresses. */
static bool names_tag(const char *list, uint64_t etag) {
    char tag[24];
    if (!*list) return false;
    snprintf(tag, sizeof tag, ETAG_FORM, etag);
    return strcmp(list, "*") == 0 || strstr(list, tag);
}

void resp_etag(struct resp *resp, uint64_t etag, bool private, const char *if_none_match) {
    assert(resp->status == 200 && if_none_match);
    resp->etag = etag;
    resp->cache_control = private ? "private, no-cache" : "no-cache";
    if (!names_tag(if_none_match, etag)) return;
    resp->status = 304;
    resp->body_len = 0;
    *resp->file = 0;
}

void resp_extra(struct resp *resp, const char *name, struct json_object *value) {
    assert(resp && name);
    if (!resp->extra) resp->extra = json_object_new_object();
    json_object_object_add(resp->extra, name, value);
}

enum err resp_invalid(struct resp *resp, const char *field, const char *reason) {
    assert(resp && field && reason);
    struct json_object *errors = NULL, *row = json_object_new_object();
    if (!resp->extra || !json_object_object_get_ex(resp->extra, "errors", &errors)) {
        errors = json_object_new_array();
        resp_extra(resp, "errors", errors);
    }
    json_object_object_add(row, "field", json_object_new_string(field));
    json_object_object_add(row, "reason", json_object_new_string(reason));
    json_object_array_add(errors, row);
    return E_VALIDATION_FAILED;
}

void resp_problem(struct resp *resp, enum err e, const char *detail, const char *request_id) {
    assert(resp && e != E_OK && request_id);
    char type[80];
    struct json_object *o = json_object_new_object();
    snprintf(type, sizeof type, "urn:boxoffice:problem:%s", err_name(e));
    json_object_object_add(o, "type", json_object_new_string(type));
    json_object_object_add(o, "title", json_object_new_string(err_text(e)));
    json_object_object_add(o, "status", json_object_new_int(err_status(e)));
    json_object_object_add(o, "detail", json_object_new_string(detail ? detail : err_text(e)));
    json_object_object_add(o, "code", json_object_new_string(err_name(e)));
    json_object_object_add(o, "requestId", json_object_new_string(request_id));
    if (resp->extra) {
        json_object_object_foreach(resp->extra, name, value)
            json_object_object_add(o, name, json_object_get(value));
    }
    resp_json(resp, err_status(e), o);
    resp->content_type = "application/problem+json";
}

void resp_put_id(struct resp *resp, uint64_t id) {
    char digits[24];
    assert(id && resp->body && resp->body_len);
    char *at = memchr(resp->body, ':', resp->body_len);
    assert(at && at[1] == '0' && at[2] == ',');
    size_t n = (size_t)snprintf(digits, sizeof digits, "%" PRIu64, id),
           before = (size_t)(at + 1 - resp->body);
    if (resp->body_len + n > resp->body_size) {
        char *body = realloc(resp->body, resp->body_len + n);
        if (!body) abort();
        resp->body = body;
        resp->body_size = resp->body_len + n;
    }
    memmove(resp->body + before + n, resp->body + before + 1, resp->body_len - before - 1);
    memcpy(resp->body + before, digits, n);
    resp->body_len += n - 1;
}

/* Reason phrases say little, but some clients want one. */
static const char *phrase(int status) {
    switch (status) {
    case 200: return "OK";
    case 201: return "Created";
    case 204: return "No Content";
    case 304: return "Not Modified";
    default: return status < 400 ? "OK" : status < 500 ? "Refused" : "Error";
    }
}

size_t resp_head(const struct resp *resp, char *text_r, size_t size) {
    int n = snprintf(text_r, size, "Status: %d %s\r\n", resp->status, phrase(resp->status));
#define ADD(...) n += snprintf(text_r + n, size - (size_t)n, __VA_ARGS__)
    if (*resp->file)
        ADD("Content-Type: %s\r\nX-Accel-Redirect: " RESP_FILES "%s\r\n", resp->content_type,
            resp->file);
    else if (resp->body_len || (resp->status != 204 && resp->status != 304))
        ADD("Content-Type: %s\r\nContent-Length: %zu\r\n", resp->content_type, resp->body_len);
    if (resp->etag) ADD("ETag: " ETAG_FORM "\r\n", resp->etag);
    if (resp->allow) ADD("Allow: %s\r\n", resp->allow);
    if (resp->replayed) ADD("Idempotency-Replayed: true\r\n");
    if (resp->status == 503 || resp->status == 429) ADD("Retry-After: 1\r\n");
    if (resp->status == 401) ADD("WWW-Authenticate: Bearer\r\n");
    ADD("Cache-Control: %s\r\n\r\n", resp->cache_control ? resp->cache_control : "no-store");
#undef ADD
    assert(n > 0 && (size_t)n < size);
    return (size_t)n;
}
