# SPDX-License-Identifier: 0BSD
"""Paying, asking again after a lost answer, cancelling."""
import json
import shutil
import subprocess
import xml.etree.ElementTree

from client import API, expect
from common import RICH, concert, held, joined, paid, performance, sale, seconds_until, service, soon, status_of, user
from tap import skip, test


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


def verdict(code):
    done = service().ctl_raw("--json", "ticket", "verify", code)
    assert done.returncode in (0, 1), done.stderr
    found = json.loads(done.stdout)
    assert (done.returncode == 0) == (found["verdict"] == "GENUINE"), done
    return found


def ticket(who, payment):
    """The ticket's document, and the code that it shows as text."""
    answer = who.get(f"/payments/{payment['paymentId']}/ticket.svg")
    assert answer.status == 200 and answer.header("Content-Type") == "image/svg+xml", answer
    texts = [e.text for e in xml.etree.ElementTree.fromstring(answer.raw).iter("{http://www.w3.org/2000/svg}text")]
    return answer.raw, texts


@test
def a_ticket_is_genuine_until_it_is_cancelled():
    c, p = sale(price=1000)
    who, r, payment = paid(c, p, 3, 4)
    raw, texts = ticket(who, payment)
    code = texts[-1]
    assert "Seats 3,4" in texts, texts
    told = verdict(code)
    assert (told["verdict"], told["paymentId"], told["seats"], told["performanceId"]) == ("GENUINE", payment["paymentId"], "3,4", p), told
    for bad in (code[:-2] + ("AA" if code[-2:] != "AA" else "BB"), code.replace(".", ".A", 1), "x" + code, "", "k1..", who.tokens[c], "k1." + "A" * 300):
        assert verdict(bad) == {"verdict": "FORGED"}, bad
    assert who.call("GET", API + f"/concerts/{c}/queue", token=code).code == "QUEUE_TOKEN_INVALID", "a ticket is no pass"
    expect(joined(c).get(f"/payments/{payment['paymentId']}/ticket.svg"), 404, "PAYMENT_NOT_FOUND")
    expect(who.cancel(r["reservationId"]), 200)
    expect(who.get(f"/payments/{payment['paymentId']}/ticket.svg"), 409, "RESERVATION_ENDED")
    assert verdict(code)["verdict"] == "CANCELLED"


@test
def a_readers_eye_finds_the_tickets_code():
    if not shutil.which("zbarimg") or not shutil.which("rsvg-convert"):
        skip("no zbarimg or rsvg-convert")
    c, p = sale()
    who, _, payment = paid(c, p, 1)
    raw, texts = ticket(who, payment)
    png = subprocess.run(["rsvg-convert"], input=raw, capture_output=True, check=True).stdout
    read = subprocess.run(["zbarimg", "-q", "--raw", "-"], input=png, capture_output=True)
    assert read.stdout.decode().strip() == texts[-1], read


@test
def a_title_is_never_markup():
    title = """<script>alert("1")</script> & ]]> 한강 """ + "가" * 60
    c = concert(title=title)
    p = performance(c, venue="<b>&amp;")
    who, _, payment = paid(c, p, 1)
    raw, texts = ticket(who, payment)
    assert b"<script" not in raw and texts[0].startswith("<script>alert") and texts[1] == "<b>&amp;", texts
