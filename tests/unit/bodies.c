/* SPDX-License-Identifier: 0BSD */
/* Tests of what clients send: bodies, their fields, and JSON by the vectors of json_vectors.txt. */
#include "unit.h"

#include "../tap.h"

#include "base/json.h"
#include "http/body.h"
#include "http/resp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum err parse(const char *text, const char *const *fields) {
    struct resp resp = {0};
    struct json_object *body = NULL;
    enum err e = body_parse(text, strlen(text), fields, &resp, &body);
    json_object_put(body);
    resp_free(&resp);
    return e;
}

void bodies_are_strict(void) {
    static const char *const amount[] = {"amount", NULL}, *const none[] = {NULL};
    CU_ASSERT_EQUAL(parse("{\"amount\":1}", amount), E_OK);
    CU_ASSERT_EQUAL(parse(" {\"amount\" : 1} \n", amount), E_OK);
    CU_ASSERT_EQUAL(parse("", none), E_OK);
    CU_ASSERT_EQUAL(parse("{}", none), E_OK);
    CU_ASSERT_EQUAL(parse("", amount), E_MALFORMED_JSON);
    static const char *const malformed[] = {"{",
                                            "{\"amount\":1",
                                            "{\"amount\":1}}",
                                            "{\"amount\":1} x",
                                            "{'amount':1}",
                                            "{\"amount\":NaN}",
                                            "{\"amount\":01}",
                                            "{\"amount\":1,}",
                                            "{\"amount\":1,\"amount\":2}",
                                            "nonsense",
                                            "{\"amount\":\"\xff\"}",
                                            "{\"amount\":\"\xc0\xaf\"}",
                                            "{\"amount\":\"\xed\xa0\x80\"}",
                                            "{\"amount\":\"\xf4\x90\x80\x80\"}",
                                            "{\"amount\":\"\xe2\x82\"}",
                                            "[[[[[[[[[[[[1]]]]]]]]]]]]"};
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
        enum err e = parse(malformed[i], amount);
        if (e != E_MALFORMED_JSON) printf("# %s: %s\n", malformed[i], err_name(e));
        CU_ASSERT_EQUAL(e, E_MALFORMED_JSON);
    }
    static const char *const invalid[] = {
        "[]", "1", "null", "\"x\"", "{\"other\":1}", "{\"amount\":1,\"other\":2}"};
    for (size_t i = 0; i < sizeof invalid / sizeof *invalid; i++)
        CU_ASSERT_EQUAL(parse(invalid[i], amount), E_VALIDATION_FAILED);
}

void body_fields_have_bounds(void) {
    struct resp resp = {0};
    struct json_object *b =
        json_tokener_parse("{\"n\":5,\"big\":99999999999999999999,\"f\":5.0,\"s\":\"가나다\",\"c\":"
                           "\"a\\u0007\",\"l\":[7,3,1],\"d\":[1,1],\"e\":[],\"z\":[0]}");
    uint64_t v, list[4];
    size_t n;
    const char *s;
    CU_ASSERT(body_u64(b, "n", 1, 5, &resp, &v) == E_OK && v == 5);
    CU_ASSERT_EQUAL(body_u64(b, "n", 6, 9, &resp, &v), E_VALIDATION_FAILED);
    CU_ASSERT_EQUAL(body_u64(b, "big", 1, 1000, &resp, &v), E_VALIDATION_FAILED);
    CU_ASSERT_EQUAL(body_u64(b, "f", 1, 9, &resp, &v), E_VALIDATION_FAILED);
    CU_ASSERT_EQUAL(body_u64(b, "none", 0, 9, &resp, &v), E_VALIDATION_FAILED);
    CU_ASSERT_EQUAL(body_text(b, "s", 1, 3, &resp, &s), E_OK);
    CU_ASSERT_EQUAL(body_text(b, "s", 1, 2, &resp, &s), E_VALIDATION_FAILED);
    CU_ASSERT_EQUAL(body_text(b, "c", 1, 9, &resp, &s), E_VALIDATION_FAILED);
    CU_ASSERT(body_numbers(b, "l", 4, &resp, list, &n) == E_OK && n == 3 && list[0] == 1 &&
              list[2] == 7);
    CU_ASSERT_EQUAL(body_numbers(b, "l", 2, &resp, list, &n), E_VALIDATION_FAILED);
    CU_ASSERT_EQUAL(body_numbers(b, "d", 4, &resp, list, &n), E_VALIDATION_FAILED);
    CU_ASSERT_EQUAL(body_numbers(b, "e", 4, &resp, list, &n), E_VALIDATION_FAILED);
    CU_ASSERT_EQUAL(body_numbers(b, "z", 4, &resp, list, &n), E_VALIDATION_FAILED);
    json_object_put(b);
    resp_free(&resp);
}

/* --- JSONTestSuite's inputs --- */

struct vector {
    char name[100];
    char *bytes;
    size_t len, size;
};

/* Appends TIMES times what is written as BYTES, with %NN for a byte in hex. */
static void vector_add(struct vector *v, unsigned long times, const char *text) {
    char bytes[300];
    size_t n = 0;
    for (const char *s = text; *s && n < sizeof bytes; s++) {
        unsigned c = (unsigned char)*s;
        if (*s == '%' && sscanf(s + 1, "%2x", &c) == 1) s += 2;
        bytes[n++] = (char)c;
    }
    if (v->len + times * n >= v->size) {
        v->size = v->len + times * n + 1;
        v->bytes = realloc(v->bytes, v->size);
    }
    for (; times > 0; times--, v->len += n) memcpy(v->bytes + v->len, bytes, n);
    v->bytes[v->len] = 0;
}

/* n_ is malformed; y_ is taken, or refused for what it says and not for how; of i_, numbers that no
 * field takes are JSON all the same, and what two readers may read differently is malformed. */
static bool vector_is_as_it_should(const struct vector *v) {
    static const char *const a[] = {"a", NULL};
    struct resp resp = {0};
    struct json_object *body = NULL;
    enum err e = body_parse(v->bytes, v->len, a, &resp, &body);
    json_object_put(body);
    resp_free(&resp);
    bool twice = strncmp(v->name, "y_object_duplicated_key", 23) == 0;
    bool json = *v->name == 'y' ? !twice : strncmp(v->name, "i_number", 8) == 0;
    bool ok = json ? e == E_OK || e == E_VALIDATION_FAILED : e == E_MALFORMED_JSON;
    if (!ok) printf("# %s: %s\n", v->name, err_name(e));
    return ok;
}

void json_vectors_are_judged(void) {
    const char *top = getenv("top_srcdir");
    char path[600], line[400];
    struct vector v = {0};
    unsigned seen = 0, wrong = 0;
    snprintf(path, sizeof path, "%s/tests/unit/json_vectors.txt", top ? top : ".");
    FILE *f = fopen(path, "r");
    CU_ASSERT_FATAL(f != NULL);
    for (bool more = true; more;) {
        char name[100] = "";
        unsigned long times = 0;
        int at = 0;
        more = fgets(line, sizeof line, f) != NULL;
        if (more && *line == '#') continue;
        line[more ? strcspn(line, "\n") : 0] = 0;
        CU_ASSERT_FATAL(!more || (sscanf(line, "%99s %lu%n", name, &times, &at) == 2 && at > 0));
        if (strcmp(name, v.name) != 0) {
            if (*v.name) seen++, wrong += !vector_is_as_it_should(&v);
            strcpy(v.name, name);
            v.len = 0;
        }
        if (more) vector_add(&v, times, line[at] ? line + at + 1 : "");
    }
    fclose(f);
    free(v.bytes);
    CU_ASSERT_EQUAL(seen, 318);
    CU_ASSERT_EQUAL(wrong, 0);
}

/* What a reader makes of a body is what its bytes say. */
void json_is_not_mangled(void) {
    static const char *const a[] = {"a", NULL};
    struct resp resp = {0};
    struct json_object *o;
    static const char *const malformed[] = {"{\"a\":{\"b\":1,\"b\":2}}",
                                            "{\"a\":[{\"b\":1,\"\\u0062\":2}]}",
                                            "{\"a\":\"\\ud800\"}",
                                            "{\"a\":\"\\udc00\\ud800\"}",
                                            "{\"a\":\"\\ud800x\"}",
                                            "{\"\\ud800\":1}",
                                            "{\"a\":[[[[[[[[1]]]]]]]]}",
                                            "{\"a\":tru\\u0065}",
                                            "{\"a\":1}\v",
                                            "{\"a\":1}\f"};
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
        enum err e = parse(malformed[i], a);
        if (e != E_MALFORMED_JSON) printf("# %s: %s\n", malformed[i], err_name(e));
        CU_ASSERT_EQUAL(e, E_MALFORMED_JSON);
    }
    /* json-c ends a name at its first NUL: that would be another name. */
    CU_ASSERT_EQUAL(parse("{\"a\\u0000b\":1}", a), E_VALIDATION_FAILED);
    CU_ASSERT_EQUAL(parse("{\"a\":{\"b\\u0000\":1}}", a), E_VALIDATION_FAILED);
    CU_ASSERT_EQUAL(parse("{\"a\":[[[[[[[1]]]]]]]}", a), E_OK);
    const char *text = "{\"\\u0061\":\"\\ud834\\udd1e\\\\u0000\\/\\u00e9\\n\"}";
    CU_ASSERT_FATAL(body_parse(text, strlen(text), a, &resp, &o) == E_OK);
    CU_ASSERT_STRING_EQUAL(json_object_get_string(json_object_object_get(o, "a")),
                           "\xf0\x9d\x84\x9e\\u0000/\xc3\xa9\n");
    json_object_put(o);
    resp_free(&resp);
}

void blank_texts_are_none(void) {
    static const char *const blank[] = {" ", "   ", "\\u00a0", "\\u2003\\u3000",
                                        "\\u1680\\u2028\\u2029\\u202f\\u205f \\u200a"};
    static const char *const control[] = {"a\\u0007", "\\u0085", "a\\u009f", "\\u007f",
                                          "a\\u0000b"};
    static const char *const good[] = {" a ", "\\u00a1", "\\u2003x", "가 나"};
    struct resp resp = {0};
    char text[200];
    const char *v;
    for (int kind = 0; kind < 3; kind++) {
        const char *const *rows = kind == 0 ? blank : kind == 1 ? control : good;
        for (size_t i = 0; i < (kind == 2 ? 4 : 5); i++) {
            snprintf(text, sizeof text, "{\"name\":\"%s\"}", rows[i]);
            struct json_object *o = json_tokener_parse(text);
            resp.body_len = 0;
            CU_ASSERT_EQUAL(body_text(o, "name", 1, 100, &resp, &v),
                            kind == 2 ? E_OK : E_VALIDATION_FAILED);
            if (kind == 0) CU_ASSERT_EQUAL(body_text(o, "name", 0, 100, &resp, &v), E_OK);
            json_object_put(o);
        }
    }
    resp_free(&resp);
}
