# SPDX-License-Identifier: 0BSD
"""Users, balances, charges, history, and idempotency keys on them."""
import re

from client import API, expect, new_key
from common import RICH, anybody, paid, sale, user
from tap import test


def charge(who, amount, key, **more):
    return who.post(f"/users/{who.user_id}/balance/charges", {"amount": amount}, key=key, **more)


@test
def a_user_has_an_id_a_name_and_a_key_that_works():
    answer = anybody().call("POST", API + "/users", {"name": "Lee"})
    made = expect(answer, 201)
    assert made["name"] == "Lee" and list(made) == ["userId", "name", "accessKey"]
    assert re.fullmatch(r"[0-9a-f-]{36}", made["userId"]) and made["accessKey"] not in made["userId"]
    balance = expect(anybody().call("GET", API + f"/users/{made['userId']}/balance", access=made["accessKey"]), 200)
    assert balance == {"userId": made["userId"], "balance": 0, "currency": "KRW"}, balance


@test
def two_users_of_one_name_are_two():
    one, other = user(), user()
    assert one.user_id != other.user_id and one.access != other.access


@test
def names_may_be_of_any_writing():
    for name in ("김하늘", "🎵" * 100, "a", "é" * 100, "Ñandú  O'Brien-<b>", "عبد الله", "\"\\/", "e\u0301", "null"):
        assert expect(anybody().call("POST", API + "/users", {"name": name}), 201)["name"] == name


@test
def names_that_are_none_are_refused():
    for name in ("", "a" * 101, "🎵" * 101, "a\nb", "\u0000", "\u007f", "a\u0085", "a\u009b", 5, None, True, ["a"], {"a": 1}):
        errors = expect(anybody().call("POST", API + "/users", {"name": name}), 400, "VALIDATION_FAILED")["errors"]
        assert [e["field"] for e in errors] == ["name"], errors
    for name in (" ", " " * 100, "\u00a0", "\u2003\u3000", " \u200a\u2028\u202f\u205f\u1680"):
        errors = expect(anybody().call("POST", API + "/users", {"name": name}), 400, "VALIDATION_FAILED")["errors"]
        assert errors == [{"field": "name", "reason": "must not be white space alone"}], errors
    errors = expect(anybody().call("POST", API + "/users", {}), 400, "VALIDATION_FAILED")["errors"]
    assert [e["field"] for e in errors] == ["name"], errors


@test
def another_users_account_is_forbidden_and_nobodys_is_not_there():
    one, other = user(), user()
    nobody = "00000000-0000-4000-8000-000000000000"
    for path, code in ((other.user_id, 403), (nobody, 404), ("not-a-uuid", 404), (other.user_id + "0", 404)):
        name = "FORBIDDEN" if code == 403 else "USER_NOT_FOUND"
        expect(one.get(f"/users/{path}/balance"), code, name)
        expect(one.get(f"/users/{path}/balance/history"), code, name)
        expect(one.post(f"/users/{path}/balance/charges", {"amount": 1}, key=new_key()), code, name)
    assert expect(other.balance(), 200)["balance"] == 0


@test
def a_uuid_may_be_written_in_capitals():
    who = user()
    assert expect(who.get(f"/users/{who.user_id.upper()}/balance"), 200)["userId"] == who.user_id


@test
def a_charge_is_added_to_the_balance():
    who = user()
    one = expect(charge(who, 1, "a"), 201)
    most = expect(charge(who, 10_000_000, "b"), 201)
    assert (one["amount"], one["balance"], most["balance"]) == (1, 1, 10_000_001) and one["userId"] == who.user_id
    assert expect(who.balance(), 200)["balance"] == 10_000_001


@test
def amounts_that_are_none_are_refused():
    who = user()
    for amount in (b"0", b"-1", b"1.5", b"1.0", b"1e3", b'"100"', b"true", b"null", b"10000001", b"99999999999999999999", b"-99999999999999999999",
                   b"1e999", b"[1]", b"{}", b"9223372036854775808", b"18446744073709551617"):
        answer = who.post(f"/users/{who.user_id}/balance/charges", b'{"amount":' + amount + b"}", key=new_key())
        errors = expect(answer, 400, "VALIDATION_FAILED")["errors"]
        assert [e["field"] for e in errors] == ["amount"], errors
    assert expect(who.balance(), 200)["balance"] == 0


@test
def a_charge_needs_a_key():
    who = user()
    expect(who.post(f"/users/{who.user_id}/balance/charges", {"amount": 1}), 400, "IDEMPOTENCY_KEY_REQUIRED")
    assert expect(who.balance(), 200)["balance"] == 0


@test
def keys_have_1_to_64_visible_characters():
    who = user()
    for key in ("k" * 64, "!", "~" * 64, '"' + "q" * 64 + '"', "a,b;c=d", "{}"):
        expect(charge(who, 1, key), 201)
    for key in ("k" * 65, "a b", '""', '"' + "q" * 65 + '"', "é", "a\tb", "k" * 3000):
        errors = expect(charge(who, 1, key), 400, "VALIDATION_FAILED")["errors"]
        assert [e["field"] for e in errors] == ["Idempotency-Key"], errors
    assert expect(who.balance(), 200)["balance"] == 6


@test
def the_same_key_gives_the_first_answer_byte_for_byte():
    who = user()
    first = charge(who, 700, "once")
    expect(first, 201)
    assert not first.replayed
    expect(charge(who, 1, "between"), 201)
    for key in ("once", '"once"', "once"):
        again = charge(who, 700, key)
        assert again.replayed and (again.status, again.raw, again.type) == (first.status, first.raw, first.type), f"{again} after {first}"
    assert expect(who.balance(), 200)["balance"] == 701


@test
def a_key_of_another_request_is_refused():
    who = user()
    expect(charge(who, 5, "mine"), 201)
    expect(charge(who, 6, "mine"), 422, "IDEMPOTENCY_KEY_REUSED")
    expect(who.post(f"/users/{who.user_id}/balance/charges", b'{ "amount": 5 }', key="mine"), 422, "IDEMPOTENCY_KEY_REUSED")
    expect(who.join(sale()[0], key="mine"), 422, "IDEMPOTENCY_KEY_REUSED")
    assert expect(who.balance(), 200)["balance"] == 5


@test
def keys_belong_to_a_user():
    one, other = user(), user()
    a, b = charge(one, 5, "shared"), charge(other, 5, "shared")
    assert expect(a, 201)["chargeId"] != expect(b, 201)["chargeId"] and not b.replayed


@test
def a_refused_request_does_not_use_up_its_key():
    who = user()
    expect(charge(who, 0, "later"), 400, "VALIDATION_FAILED")
    expect(anybody().call("POST", API + f"/users/{who.user_id}/balance/charges", {"amount": 3}, key="later"), 401, "CREDENTIALS_MISSING")
    answer = charge(who, 3, "later")
    expect(answer, 201)
    assert not answer.replayed


@test
def keys_on_other_posts_are_honoured():
    c, p = sale()
    who = user(RICH)
    joins = [who.join(c, key="j") for _ in range(2)]
    holds = [who.hold(c, p, 1, 2, key="h") for _ in range(2)]
    r = holds[0].json["reservationId"]
    pays = [who.pay(c, r, key="p") for _ in range(2)]
    cancels = [who.cancel(r, key="c") for _ in range(2)]
    for (first, again), status in ((joins, 201), (holds, 201), (pays, 201), (cancels, 200)):
        expect(first, status)
        assert (again.status, again.raw, again.replayed, first.replayed) == (status, first.raw, True, False), f"{again} after {first}"
    assert expect(who.balance(), 200)["balance"] == RICH


@test
def a_key_on_creating_users_means_nothing():
    answers = [anybody().call("POST", API + "/users", {"name": "x"}, key="k") for _ in range(2)]
    assert expect(answers[0], 201)["userId"] != expect(answers[1], 201)["userId"] and not answers[1].replayed


@test
def the_history_makes_up_the_balance():
    c, p = sale(price=30)
    who, r, payment = paid(c, p, 1, 2, balance=1000)
    expect(who.cancel(r["reservationId"]), 200)
    expect(who.charge(7), 201)
    entries = expect(who.get(f"/users/{who.user_id}/balance/history"), 200)["items"]
    assert [(e["type"], e["amount"]) for e in entries] == [("CHARGE", 7), ("REFUND", 60), ("PAYMENT", -60), ("CHARGE", 1000)], entries
    assert [e["balanceAfter"] for e in entries] == [1007, 1000, 940, 1000]
    assert sum(e["amount"] for e in entries) == expect(who.balance(), 200)["balance"] == 1007
    assert entries[1]["reservationId"] == entries[2]["reservationId"] == r["reservationId"]
    assert payment["balance"] == 940


@test
def the_history_is_told_page_by_page():
    who = user()
    charges = [expect(who.charge(i), 201)["chargeId"] for i in range(1, 8)]
    path = f"/users/{who.user_id}/balance/history"
    for limit in (1, 3, 7, 8):
        entries = who.pages(path, limit)
        assert [e["chargeId"] for e in entries] == charges[::-1], f"limit {limit}"
    assert len(expect(who.get(path), 200)["items"]) == 7


@test
def a_page_has_20_items_unless_told_otherwise():
    who = user()
    for i in range(21):
        expect(who.charge(1), 201)
    page = expect(who.get(f"/users/{who.user_id}/balance/history"), 200)
    assert len(page["items"]) == 20 and page["next"] is not None
