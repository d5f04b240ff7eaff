# SPDX-License-Identifier: 0BSD
"""Requests that nobody should send, and what must not come of them."""
import socket
import time

import fastcgi
from client import API, expect, new_key
from common import anybody, concert, held, joined, sale, service, spec, user
from tap import test


def users(body, **more):
    return anybody().call("POST", API + "/users", body, **more)


@test
def bodies_that_are_not_json_are_malformed():
    for body in (b"", b" ", b"{", b"}", b"{]", b"nope", b"{'name':'a'}", b"{name:1}", b'{"name":"a",}', b'{"name":"a"} x', b'{"name":"a"}{}', b'{"name":NaN}',
                 b'{"name":Infinity}', b'{"name":-Infinity}', b'{"name":"a"/**/}', b'{"name":"a" "b":1}', b'{"name":"a', b'{"name":+1}',
                 b'{"name":01}', b'{"name":.5}', b'{"name":tru}', b"\x00", b"\xef\xbb\xbf{}", b'{"name":"\\x"}', b'{"name":"\\u12"}'):
        expect(users(body), 400, "MALFORMED_JSON")
    # All of JSONTestSuite is in tests/unit; these are what some readers let pass.
    for body in (b'{"name":"a\x01b"}', b'{"name":"a\nb"}', b'{"name":"a\tb"}', b'{"name":1.}', b'{"name":-01}', b'{"name":1e}', b'{"name":-.5}', b'{"name":"a"}\f',
                 b'{"name":-}', b'{"name":1.e1}'):
        expect(users(body), 400, "MALFORMED_JSON")


@test
def json_that_is_no_object_is_refused():
    for body in (b"[]", b"1", b'"a"', b"null", b"true", b"[{}]"):
        answer = users(body)
        assert answer.status == 400 and answer.code in ("VALIDATION_FAILED", "MALFORMED_JSON"), answer


@test
def names_given_twice_are_malformed():
    for body in (b'{"name":"a","name":"b"}', b'{"name":"a","name":"a"}', b'{"name":"a","n\\u0061me":"b"}', b'{"x":1,"x":2}', b'{"name":{"a":1,"a":2}}', b'{"name":[{"a":1,"a":1}]}'):
        expect(users(body), 400, "MALFORMED_JSON")


@test
def bytes_that_are_no_utf_8_are_malformed():
    assert expect(users('{"name":"\uffff\U0010ffff"}'.encode()), 201)["name"] == "\uffff\U0010ffff"
    for bad in (b"\xff", b"\xc3", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xe2\x82", b"\x80", b"\xf0\x82\x82\xac", b"\xf4\x90\x80\x80"):
        expect(users(b'{"name":"' + bad + b'"}'), 400, "MALFORMED_JSON")


@test
def nul_is_never_let_through():
    expect(users(b'{"name":"a\x00b"}'), 400, "MALFORMED_JSON")
    expect(users(b'{"name":"a"}\x00'), 400, "MALFORMED_JSON")
    expect(users(b'{"name":"a\\u0000b"}'), 400, "VALIDATION_FAILED")
    expect(users(b'{"name\\u0000x":"a"}'), 400, "VALIDATION_FAILED")  # not taken for `name`


@test
def half_a_surrogate_pair_is_never_told_back():
    for half in (b"\\ud800", b"\\udc00", b"\\ud800x", b"\\ud800\\ud800", b"\\udc00\\ud800"):
        expect(users(b'{"name":"' + half + b'"}'), 400, "MALFORMED_JSON")
    assert expect(users(b'{"name":"\\ud834\\udd1e"}'), 201)["name"] == "\U0001d11e"


@test
def deep_nesting_is_refused():
    for body in (b"[" * 16000, b'{"name":' * 2000, b"[" * 8000 + b"]" * 8000, b'{"name":' * 30 + b"1" + b"}" * 30, b'{"a":' * 1700 + b"1" + b"}" * 1700):
        assert users(body).status == 400


@test
def numbers_of_any_length_are_only_wrong():
    who = user()
    for number in (b"9" * 5000, b"-" + b"9" * 400, b"1e999999999", b"0." + b"0" * 4000 + b"1", b"1" + b"0" * 25, b"-0"):
        answer = who.post(f"/users/{who.user_id}/balance/charges", b'{"amount":' + number + b"}", key=new_key())
        assert answer.status == 400, answer


@test
def sixteen_kib_pass_and_a_byte_more_does_not():
    text = b'{"name":"a"' + b" " * 16384
    expect(users(text[:16383] + b"}"), 201)
    for length in (16385, 17 * 1024, 200_000):
        expect(users(text[:16384].ljust(length - 1) + b"}"), 413, "BODY_TOO_LARGE")


@test
def a_body_sent_in_chunks_is_a_body_all_the_same():
    who = anybody()

    def chunked(body):
        head = b"POST /api/v1/users HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + 1000]), body[i:i + 1000]) for i in range(0, len(body), 1000))
        return who.raw(head + chunks + b"0\r\n\r\n", "POST", "/api/v1/users")

    assert expect(chunked(b'{"name":"chunky"}'), 201)["name"] == "chunky"
    expect(chunked(b'{"name":"' + b"a" * 17 * 1024 + b'"}'), 413, "BODY_TOO_LARGE")


@test
def bodies_of_another_type_are_refused():
    for content_type in (None, "text/plain", "application/x-www-form-urlencoded", "application/jsonp", "multipart/form-data; boundary=x", "application/xml", "json", "*/*",
                         "text/json", "application/json-seq"):
        expect(users(b'{"name":"a"}', content_type=content_type), 415, "UNSUPPORTED_MEDIA_TYPE")
    for content_type in ("application/json", "application/json;charset=utf-8", "Application/JSON; charset=UTF-8", "application/json ; x=y"):
        expect(users(b'{"name":"a"}', content_type=content_type), 201)
    c = concert()
    expect(user().post(f"/concerts/{c}/queue", b"{}", content_type="text/plain"), 415, "UNSUPPORTED_MEDIA_TYPE")


@test
def percent_signs_are_decoded_once_or_refused():
    c = concert()
    who = anybody()
    expect(who.call("GET", f"/api/v1/concerts/%{ord(str(c)[0]):x}{str(c)[1:]}"), 200)
    for path in ("/api/v1/concerts/%zz", "/api/v1/concerts/%", "/api/v1/concerts/%2", "/api/v1/concerts/%00", f"/api/v1/concerts/{c}%00"):
        answer = who.call("GET", path)
        assert answer.status in (400, 404), answer
    for path in ("/api/v1/concerts/%2531", f"/api/v1/concerts/{c}%2f", "/api/v1/concerts/%ff%fe", "/api/v1/concerts/1%0d%0aX-Evil:%201", "/api/v1/concerts/%27%20OR%201=1--",
                 "/api/v1/concerts/..%2f..%2fetc%2fpasswd", "/queue/..%2f1.json", "/queue/%2e%2e/boxoffice.json", "/queue/.1.next", "/queue/../run/x.json"):
        answer = who.call("GET", path)
        assert answer.status in (400, 404) and answer.header("X-Evil") is None, answer


@test
def what_sql_is_made_of_is_only_text():
    evil = "'; DROP TABLE user; -- \" \\ %s ${x} {{x}}"
    assert expect(users({"name": evil}), 201)["name"] == evil
    who = user()
    expect(who.post(f"/users/{who.user_id}/balance/charges", {"amount": 1}, key="';DROP/**/TABLE--"), 201)
    expect(who.get("/users/'%20OR%20''='/balance"), 404, "USER_NOT_FOUND")


@test
def an_address_of_any_length_is_only_wrong():
    for length in (1000, 5000, 20000):
        answer = anybody().call("GET", "/api/v1/concerts/" + "1" * length)
        assert answer.status in (400, 404), answer


@test
def half_a_request_keeps_no_worker():
    service()
    open_ones = []
    try:
        for i in range(60):
            s = socket.create_connection(("127.0.0.1", service().port), timeout=10)
            s.sendall((b"POST /api/v1/users HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"name\":",
                       b"GET /api/v1/concerts HTTP/1.1\r\nHost:", b"POST /api/v1/users HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{")[i % 3])
            open_ones.append(s)
        began = time.monotonic()
        for _ in range(20):
            expect(anybody().call("GET", "/api/v1/concerts?limit=1"), 200)
            expect(users({"name": "in time"}), 201)
        took = time.monotonic() - began
        assert took < 2, f"40 requests took {took:.1f} s beside halves"
    finally:
        for s in open_ones:
            s.close()


@test
def a_client_that_leaves_does_no_harm():
    who = user()
    for i in range(20):
        with socket.create_connection(("127.0.0.1", service().port), timeout=10) as s:
            s.sendall(b"GET /api/v1/concerts HTTP/1.1\r\nHost: x\r\n\r\n")
    expect(who.balance(), 200)


@test
def who_repeats_a_request_and_leaves_does_not_change_its_answer():
    c, p = sale()
    who, r = held(c, p, 1)
    path = API + f"/reservations/{r['reservationId']}/payment"
    first = who.pay(c, r["reservationId"], key="lost")
    expect(first, 201)
    for _ in range(30):
        fastcgi.send_and_leave(service().setting("listen_socket"), {
            "REQUEST_METHOD": "POST", "REQUEST_URI": path, "DOCUMENT_URI": path, "QUERY_STRING": "", "CONTENT_TYPE": "", "CONTENT_LENGTH": "",
            "REQUEST_ID": "left", "HTTP_AUTHORIZATION": "Bearer " + who.access, "HTTP_QUEUE_TOKEN": who.tokens[c], "HTTP_IDEMPOTENCY_KEY": "lost"})
    for _ in range(5):
        again = who.pay(c, r["reservationId"], key="lost")
        assert again.replayed and (again.status, again.raw) == (201, first.raw), again


@test
def requests_that_are_no_http_are_refused():
    for text in (b"GET\r\n\r\n", b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
                 b"POST /api/v1/users HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\nConnection: close\r\n\r\n",
                 b"POST /api/v1/users HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\nConnection: close\r\n\r\n12345",
                 b"POST /api/v1/users HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", service().port), timeout=10) as s:
            s.sendall(text)
            got = s.recv(65536)
            assert not got or got.startswith(b"<") or b" 400 " in got[:20] or b" 505 " in got[:20], f"{text[:40]!r}: {got[:100]!r}"


@test
def one_header_of_many_kinds_does_not_reach_another():
    """Names with underscores could be taken for those with hyphens."""
    c, p = sale()
    who = joined(c)
    answer = anybody().call("GET", API + f"/performances/{p}/seats", headers=[("Queue_Token", who.tokens[c])])
    expect(answer, 401, "QUEUE_TOKEN_MISSING")


@test
def errors_tell_nothing_of_the_inside():
    for answer in (users(b"{"), anybody().call("GET", "/nope"), anybody().call("GET", API + "/concerts/0")):
        text = answer.raw.decode().lower()
        assert not any(w in text for w in ("mariadb", "mysql", "sql", "nginx", "/tmp", ".c:", "fastcgi")), answer
        assert "nginx/" not in (answer.header("Server") or ""), "the version is told"
