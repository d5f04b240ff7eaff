"""Paying, asking again after a lost answer, cancelling."""
from client import API, expect
from common import RICH, held, joined, paid, performance, sale, seconds_until, soon, status_of, user
from tap import test


def seat_status(who, c, p, number):
    return expect(who.seats(c, p), 200)["seats"][number - 1]["status"]


@test
def a_payment_turns_a_hold_into_owned_seats():
    c, p = sale(price=1200)
    who, r = held(c, p, 7, 8, balance=5000)
    payment = expect(who.pay(c, r["reservationId"]), 201)
    assert {k: payment[k] for k in ("reservationId", "concertId", "performanceId", "seatNumbers", "amount", "currency", "balance")} == {
        "reservationId": r["reservationId"], "concertId": c, "performanceId": p, "seatNumbers": [7, 8], "amount": 2400, "currency": "KRW", "balance": 2600}, payment
    assert -5 < seconds_until(payment["paidAt"]) < 1
    now = expect(who.reservation(r["reservationId"]), 200)
    assert (now["status"], now["paidAt"], now["amount"]) == ("PAID", payment["paidAt"], 2400), now
    assert expect(who.balance(), 200)["balance"] == 2600
    assert expect(who.get(f"/payments/{payment['paymentId']}"), 200) == payment
    assert status_of(who, c) == "COMPLETED"
    other = joined(c)
    assert seat_status(other, c, p, 7) == "SOLD"
    expect(other.hold(c, p, 8), 409, "SEAT_TAKEN")


@test
def a_balance_that_does_not_cover_pays_nothing():
    c, p = sale(price=1000)
    who, r = held(c, p, 1, 2, balance=1999)
    problem = expect(who.pay(c, r["reservationId"]), 402, "INSUFFICIENT_BALANCE")
    assert (problem["balance"], problem["amount"]) == (1999, 2000), problem
    assert expect(who.reservation(r["reservationId"]), 200)["status"] == "HELD" and status_of(who, c) == "ACTIVE"
    expect(who.charge(1), 201)
    assert expect(who.pay(c, r["reservationId"]), 201)["balance"] == 0


@test
def a_refused_payment_is_refused_again_under_its_key():
    c, p = sale(price=1000)
    who, r = held(c, p, 1, balance=1)
    first = who.pay(c, r["reservationId"], key="poor")
    expect(first, 402, "INSUFFICIENT_BALANCE")
    expect(who.charge(5000), 201)
    again = who.pay(c, r["reservationId"], key="poor")
    assert (again.status, again.raw, again.replayed) == (402, first.raw, True), again
    expect(who.pay(c, r["reservationId"], key="rich"), 201)


@test
def a_free_performance_can_be_paid_with_nothing():
    c, p = sale(price=0)
    who, r = held(c, p, 1, balance=0)
    assert expect(who.pay(c, r["reservationId"]), 201)["balance"] == 0


@test
def a_payment_whose_answer_was_lost_can_be_asked_for_again():
    c, p = sale()
    who, r = held(c, p, 1)
    first = who.pay(c, r["reservationId"], key="lost")
    expect(first, 201)
    assert status_of(who, c) == "COMPLETED"
    for key in ("lost", '"lost"'):
        again = who.pay(c, r["reservationId"], key=key)
        assert (again.status, again.raw, again.replayed) == (201, first.raw, True), again
    expect(who.pay(c, r["reservationId"]), 401, "QUEUE_TOKEN_EXPIRED")
    expect(who.pay(c, r["reservationId"], key="other"), 401, "QUEUE_TOKEN_EXPIRED")
    assert expect(who.balance(), 200)["balance"] == RICH - 1000


@test
def what_is_paid_is_not_paid_again():
    c, p = sale()
    who, r, _ = paid(c, p, 1)
    expect(who.join(c), 201)
    expect(who.pay(c, r["reservationId"]), 409, "ALREADY_PAID")
    expect(who.release(r["reservationId"]), 409, "ALREADY_PAID")
    assert expect(who.balance(), 200)["balance"] == RICH - 1000


@test
def key_and_token_must_be_of_one_user():
    c, p = sale()
    who, r = held(c, p, 1)
    other = joined(c, RICH)
    for access, token in ((who.access, other.tokens[c]), (other.access, who.tokens[c])):
        expect(who.call("POST", API + f"/reservations/{r['reservationId']}/payment", access=access, token=token), 403, "FORBIDDEN")
    assert expect(who.reservation(r["reservationId"]), 200)["status"] == "HELD"


@test
def another_users_payment_is_not_there():
    c, p = sale()
    who, _, payment = paid(c, p, 1)
    other = user()
    expect(other.get(f"/payments/{payment['paymentId']}"), 404, "PAYMENT_NOT_FOUND")
    assert expect(other.get("/payments"), 200) == {"items": [], "next": None}


@test
def payments_are_told_newest_first_page_by_page():
    c, p = sale()
    who = user(RICH)
    made = []
    for seat in (1, 2, 3):
        expect(who.join(c), 201)
        r = expect(who.hold(c, p, seat), 201)
        made.append(expect(who.pay(c, r["reservationId"]), 201))
    for limit in (1, 2, 3):
        assert who.pages("/payments", limit) == made[::-1], f"limit {limit}"


@test
def a_cancellation_gives_back_what_was_paid():
    c, p = sale(price=900)
    who, r, _ = paid(c, p, 1, 2, balance=2000)
    cancelled = expect(who.cancel(r["reservationId"]), 200)
    assert (cancelled["status"], cancelled["amount"], cancelled["seatNumbers"]) == ("CANCELLED", 1800, [1, 2]), cancelled
    assert expect(who.reservation(r["reservationId"]), 200) == cancelled
    assert expect(who.balance(), 200)["balance"] == 2000
    expect(who.cancel(r["reservationId"]), 409, "RESERVATION_ENDED")
    expect(who.release(r["reservationId"]), 409, "RESERVATION_ENDED")
    assert expect(who.balance(), 200)["balance"] == 2000
    expect(held(c, p, 1)[0].hold(c, p, 2), 201)
    assert len(expect(who.get("/payments"), 200)["items"]) == 1


@test
def cancelling_a_hold_pays_nothing_back():
    c, p = sale()
    who, r = held(c, p, 1, balance=10)
    cancelled = expect(who.cancel(r["reservationId"]), 200)
    assert cancelled["status"] == "CANCELLED" and cancelled["paidAt"] is None
    assert expect(who.balance(), 200)["balance"] == 10
    expect(who.hold(c, p, 1), 201)
    assert len(expect(who.get(f"/users/{who.user_id}/balance/history"), 200)["items"]) == 1


@test
def short_before_the_performance_it_is_too_late_to_cancel():
    c, p = sale(starts=soon(86400 - 60))
    who, r, _ = paid(c, p, 1)
    expect(who.cancel(r["reservationId"]), 409, "CANCEL_TOO_LATE")
    assert expect(who.balance(), 200)["balance"] == RICH - 1000
    in_time = performance(c, starts=soon(86400 + 60))
    expect(who.join(c), 201)
    r = expect(who.hold(c, in_time, 1), 201)
    expect(who.pay(c, r["reservationId"]), 201)
    expect(who.cancel(r["reservationId"]), 200)


@test
def the_amount_is_the_databases_and_not_the_clients():
    c, p = sale(price=1000)
    who, r = held(c, p, 1)
    answer = who.with_token(c, "POST", f"/reservations/{r['reservationId']}/payment", {"amount": 1}, access=who.access)
    expect(answer, 400, "VALIDATION_FAILED")
    assert expect(who.pay(c, r["reservationId"]), 201)["amount"] == 1000
