# SPDX-License-Identifier: 0BSD
"""What holds on every route: addresses, methods, credentials, headers, order of checks, pages."""
import os

from client import API, Client, expect
from common import anybody, concert, fill, joined, sale, service, spec, user
from stack import TOP_SRCDIR, wait_for
from tap import test

GARBAGE = "A" * 64


def operations(scheme):
    return [o for o in spec.operations if scheme in o.schemes]


def ask(operation, who=None, **more):
    """The operation without what it needs."""
    body = b"{}" if operation.method == "POST" else None
    return (who or anybody()).call(operation.method, fill(operation.path), body, key=more.pop("key", "k"), **more)


@test
def the_description_holds_together():
    assert spec.problems_with_itself() == []


@test
def the_description_is_served_as_it_is():
    answer = anybody().call("GET", "/openapi.yaml")
    with open(os.path.join(TOP_SRCDIR, "nginx", "openapi.yaml"), "rb") as f:
        assert answer.raw == f.read(), "another one is served"


@test
def the_root_tells_where_to_look():
    who = anybody()
    told = expect(who.call("GET", "/"), 200)
    expect(who.call("GET", told["api"] + "/concerts"), 200)
    assert who.call("GET", told["openapi"]).status == 200


@test
def addresses_that_are_not_there_are_404():
    for path in ("/nope", "/api", "/api/", "/api/v1", "/api/v1/", "/api/v2/concerts", "/api/v1/concert", "/api/v1/concerts/1/seats",
                 "/api/v1/concerts/", "/api/v1/concerts/1/", "/api/v1/concerts/1/queue/", "/api/v1/users/", "/api/v1/users/x",
                 "/api/v1/Concerts", "/healthz/", "/queue/", "/queue/1", "/problem/BUSY", "/.git/config", "/api/v1/concerts/1/queue/1"):
        expect(anybody().call("GET", path), 404, "ROUTE_NOT_FOUND")


@test
def other_methods_are_405_with_those_allowed():
    for pattern, path, by_method in spec.paths:
        allowed = set(by_method) | ({"HEAD"} if "GET" in by_method else set())
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"):
            if method not in allowed:
                answer = anybody().call(method, fill(path))
                expect(answer, 405, "METHOD_NOT_ALLOWED")
                told = {m.strip() for m in answer.header("Allow").split(",")}
                assert told == allowed, f"{path} allows {allowed}, and says {told}"


@test
def head_is_get_without_the_body():
    c = concert()
    for path in ("/api/v1/concerts", f"/api/v1/concerts/{c}", "/healthz", "/openapi.yaml", "/api/v1/concerts/999999", "/nope"):
        get, head = anybody().call("GET", path), anybody().call("HEAD", path)
        assert head.status == get.status and head.raw == b"", f"{head} for {get}"
        assert head.type == get.type, f"{head.type} for {get.type}"
        if get.status == 200:
            assert head.header("Content-Length") in (None, get.header("Content-Length")), "lengths differ"


@test
def every_request_has_its_own_id():
    who = anybody()
    ids = [who.call("GET", "/api/v1/concerts").header("X-Request-Id") for _ in range(5)]
    problem = who.call("GET", "/api/v1/concerts/0")
    assert len(set(ids)) == 5 and problem.json["requestId"] not in ids


@test
def missing_credentials_are_told_by_every_route_that_needs_them():
    for o in operations("accessKey"):
        expect(ask(o), 401, "CREDENTIALS_MISSING")
    for o in operations("queueToken"):
        if "accessKey" not in o.schemes:
            expect(ask(o), 401, "QUEUE_TOKEN_MISSING")
    who = user()
    expect(who.post("/reservations/1/payment"), 401, "QUEUE_TOKEN_MISSING")


@test
def wrong_access_keys_are_refused_by_every_route():
    one, other = user(), user()
    # The keys name the user first: the first part of one with the secret of another is nobody's.
    crossed = one.access[:21] + other.access[21:]
    for o in operations("accessKey"):
        # A token of the same user, so that the key is all there is to refuse.
        for key in (GARBAGE, crossed, one.access[:-1], one.access + "A", "é", "x" * 3000):
            expect(ask(o, access=key, token=None if "queueToken" not in o.schemes else joined_token()), 401, "CREDENTIALS_INVALID")
        for scheme in ("Basic " + one.access, one.access, "Bearer"):
            expect(ask(o, headers=[("Authorization", scheme)], token=joined_token()), 401, "CREDENTIALS_INVALID")


_token = []


def joined_token():
    if not _token:
        c = concert()
        _token.append(joined(c).tokens[c])
    return _token[0]


@test
def forged_queue_tokens_are_refused_by_every_route():
    token = joined_token()
    head, payload, mac = token.split(".")

    def turned(text, at):
        return text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1:]

    forged = [GARBAGE, ".", "..", "...", f"{head}.{payload}", f"{head}.{payload}.", f"{head}..{mac}", f"k9.{payload}.{mac}", f".{payload}.{mac}",
              token + "A", token[:-1], f"{head}.{turned(payload, 3)}.{mac}", f"{head}.{turned(payload, 30)}.{mac}",
              f"{head}.{turned(payload, 60)}.{mac}", f"{head}.{payload}.{turned(mac, 0)}", f"{head}.{mac}.{payload}", "A" * 4000, "é"]
    who = user()
    for o in operations("queueToken"):
        for bad in forged:
            answer = ask(o, token=bad, access=who.access if "accessKey" in o.schemes else None)
            expect(answer, 401, "QUEUE_TOKEN_INVALID")


@test
def route_comes_before_method_size_type_and_credentials():
    who = anybody()
    expect(who.call("PUT", "/api/v1/nope"), 404, "ROUTE_NOT_FOUND")
    expect(who.call("PUT", "/api/v1/users", b"x" * 100, content_type="text/plain"), 405, "METHOD_NOT_ALLOWED")
    expect(who.call("POST", "/api/v1/performances/1/reservations", b"{}", content_type="text/plain"), 415, "UNSUPPORTED_MEDIA_TYPE")


@test
def size_comes_before_credentials():
    expect(anybody().call("POST", "/api/v1/performances/1/reservations", b" " * 17 * 1024), 413, "BODY_TOO_LARGE")


@test
def credentials_come_before_the_body():
    stranger = user().access[:-4] + "AAAA"
    expect(anybody().call("GET", API + "/reservations?limit=0", access=stranger), 401, "CREDENTIALS_INVALID")
    for path in ("/users/00000000-0000-4000-8000-000000000000/balance/charges", "/concerts/1/queue"):
        for access, code in ((None, "CREDENTIALS_MISSING"), (GARBAGE, "CREDENTIALS_INVALID"), (stranger, "CREDENTIALS_INVALID")):
            expect(anybody().call("POST", API + path, b"{", access=access), 401, code)
    expect(anybody().call("POST", API + "/performances/1/reservations", b"{", token="x"), 401, "QUEUE_TOKEN_INVALID")


@test
def the_body_comes_before_whose_it_is():
    one, other = user(), user()
    expect(one.post(f"/users/{other.user_id}/balance/charges", {"amount": 0}, key="k"), 400, "VALIDATION_FAILED")
    expect(one.post(f"/users/{other.user_id}/balance/charges", {"amount": 1}, key="k"), 403, "FORBIDDEN")


@test
def the_body_comes_before_the_pass():
    c, p = sale(cap=0)
    who = joined(c)
    expect(who.with_token(c, "POST", f"/performances/{p}/reservations", {"seatNumbers": []}), 400, "VALIDATION_FAILED")
    expect(who.hold(c, p, 1), 403, "QUEUE_NOT_ADMITTED")


@test
def the_pass_comes_before_the_object():
    c, _ = sale(cap=0)
    who = joined(c)
    for asked in (who.seats(c, 99999999), who.hold(c, 99999999, 1), who.pay(c, 99999999)):
        answer = expect(asked, 403, "QUEUE_NOT_ADMITTED")
        assert answer["ahead"] == 0 and answer["pollAfterSeconds"] >= 1


@test
def unknown_fields_are_refused_by_name():
    c, p = sale()
    who = joined(c)
    for answer, name in ((who.post("/users", {"name": "a", "nickname": "b"}), "nickname"),
                         (who.post(f"/users/{who.user_id}/balance/charges", {"amount": 1, "currency": "KRW"}, key="u"), "currency"),
                         (who.with_token(c, "POST", f"/performances/{p}/reservations", {"seatNumbers": [1], "amount": 1}), "amount"),
                         (who.post(f"/concerts/{c}/queue", {"seat": 1}), "seat"), (who.post("/reservations/1/cancellation", {"x": 1}), "x")):
        assert name in [e["field"] for e in expect(answer, 400, "VALIDATION_FAILED")["errors"]], answer


@test
def where_no_body_is_needed_none_or_an_empty_object_will_do():
    c = concert()
    who = user()
    for body, content_type in ((None, "application/json"), (b"", None), (b"{}", "application/json"), (b" { } ", "application/json; charset=utf-8")):
        answer = who.post(f"/concerts/{c}/queue", body, content_type=content_type)
        assert answer.status in (200, 201), answer
    expect(who.post(f"/concerts/{c}/queue", b"[]"), 400, "VALIDATION_FAILED")
    expect(who.post(f"/concerts/{c}/queue", b"{"), 400, "MALFORMED_JSON")


@test
def the_same_over_tls():
    answer = Client(service().https_port, spec.see, tls=True).call("GET", "/api/v1/concerts")
    expect(answer, 200)


@test
def a_list_is_told_page_by_page():
    made = [concert(title=f"Page {i}") for i in range(5)]
    who = user()
    # From memory, at most a tick and 100 ms old.
    wait_for(lambda: set(made) <= {c["concertId"] for c in who.pages("/concerts", 100)}, 1, "new concerts in the list")
    for limit in (1, 2, 3, 100):
        ids = [c["concertId"] for c in who.pages("/concerts", limit)]
        assert len(ids) == len(set(ids)) and set(made) <= set(ids), f"limit {limit}: {ids}"
    assert len(expect(who.get("/concerts?limit=4"), 200)["items"]) == 4


@test
def limits_and_marks_of_lists_are_looked_at():
    who = user()
    for path in ("/concerts", "/reservations", "/payments", f"/users/{who.user_id}/balance/history"):
        for limit in ("0", "101", "-1", "abc", "", "1.5", "1e1", "99999999999999999999", "%31%30%31", "+5"):
            errors = expect(who.get(f"{path}?limit={limit}"), 400, "VALIDATION_FAILED")["errors"]
            assert [e["field"] for e in errors] == ["limit"], errors
        for after in ("x", "-1", "", "99999999999999999999999"):
            errors = expect(who.get(f"{path}?after={after}"), 400, "VALIDATION_FAILED")["errors"]
            assert [e["field"] for e in errors] == ["after"], errors
        expect(who.get(path + "?limit=1"), 200)
        expect(who.get(path + "?limit=100"), 200)


@test
def a_concert_tells_what_it_is():
    c = concert(title="서울의 밤 🎵 \"quoted\" \\ <b>", opens="2026-01-02T03:04:05.678Z", closes="2099-01-01T00:00:00.000Z")
    expect(anybody().call("GET", f"/api/v1/concerts/{c}"), 200)
    got = anybody().call("GET", f"/api/v1/concerts/{c}").json
    assert got == {"concertId": c, "title": "서울의 밤 🎵 \"quoted\" \\ <b>", "salesOpenAt": "2026-01-02T03:04:05.678Z",
                   "salesCloseAt": "2099-01-01T00:00:00.000Z", "performances": 0}, got
    plain = anybody().call("GET", f"/api/v1/concerts/{concert()}").json
    assert plain["salesOpenAt"] is None and plain["salesCloseAt"] is None
    # The list is told from memory, which may be a tick old.
    wait_for(lambda: got in expect(anybody().call("GET", f"/api/v1/concerts?limit=1&after={c - 1}"), 200)["items"], 1, "the new one in the list")


@test
def ids_that_can_not_be_are_objects_that_are_not():
    c, p = sale()
    who = joined(c)
    for bad in ("0", "-1", "1e3", "99999999999999999999", "9223372036854775808", "999999999", "1.0", "0x1", "abc", "01", "+1", "%20", "é".encode().hex()):
        expect(who.get(f"/concerts/{bad}"), 404, "CONCERT_NOT_FOUND")
        expect(who.post(f"/concerts/{bad}/queue"), 404, "CONCERT_NOT_FOUND")
        expect(who.with_token(c, "GET", f"/performances/{bad}/seats"), 404, "PERFORMANCE_NOT_FOUND")
        expect(who.with_token(c, "POST", f"/performances/{bad}/reservations", {"seatNumbers": [1]}), 404, "PERFORMANCE_NOT_FOUND")
        expect(who.get(f"/reservations/{bad}"), 404, "RESERVATION_NOT_FOUND")
        expect(who.release(bad), 404, "RESERVATION_NOT_FOUND")
        expect(who.cancel(bad), 404, "RESERVATION_NOT_FOUND")
        expect(who.pay(c, bad), 404, "RESERVATION_NOT_FOUND")
        expect(who.get(f"/payments/{bad}"), 404, "PAYMENT_NOT_FOUND")
        expect(who.get(f"/users/{bad}/balance"), 404, "USER_NOT_FOUND")
        expect(who.with_token(c, "GET", f"/concerts/{bad}/queue"), 403, "QUEUE_TOKEN_WRONG_CONCERT")
