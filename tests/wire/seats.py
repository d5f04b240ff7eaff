# SPDX-License-Identifier: 0BSD
"""Performances, seats, holds and giving them back."""
from client import API, expect
from common import anybody, concert, held, joined, paid, performance, sale, seconds_until, soon, status_of, user
from stack import wait_for
from tap import test


def statuses(who, c, p):
    return {s["seatNumber"]: s["status"] for s in expect(who.seats(c, p), 200)["seats"]}


@test
def performances_are_told_by_date():
    c = concert(opens="2026-01-02T03:04:05.000Z")
    late = performance(c, starts=soon(50 * 86400), venue="늦은 홀", price=77, seats=3)
    early = performance(c, starts=soon(40 * 86400), closes="2099-01-01T00:00:00.000Z")
    who = joined(c)
    # From memory, at most a tick and 100 ms old.
    items = wait_for(lambda: (lambda i: i if len(i) == 2 else None)(expect(who.performances(c), 200)["items"]), 1, "both dates")
    assert [i["performanceId"] for i in items] == [early, late]
    assert items[1] == {"performanceId": late, "startsAt": items[1]["startsAt"], "venue": "늦은 홀", "price": 77, "totalSeats": 3, "availableSeats": 3,
                        "salesOpenAt": "2026-01-02T03:04:05.000Z", "salesCloseAt": None}, items[1]
    assert items[0]["totalSeats"] == items[0]["availableSeats"] == 50 and items[0]["salesCloseAt"] == "2099-01-01T00:00:00.000Z"
    assert expect(anybody().call("GET", API + f"/concerts/{c}"), 200)["performances"] == 2


@test
def performances_not_on_sale_are_not_told_and_not_sold():
    c = concert()
    now, early, late = performance(c), performance(c, opens=soon(3600)), performance(c, closes=soon(-3600))
    who = joined(c)
    assert [i["performanceId"] for i in expect(who.performances(c), 200)["items"]] == [now]
    for p in (early, late):
        expect(who.hold(c, p, 1), 409, "SALES_CLOSED")
    expect(who.hold(c, early, 51), 404, "SEAT_NOT_FOUND")


@test
def a_concert_without_performances_has_none():
    c = concert()
    assert expect(joined(c).performances(c), 200) == {"items": []}


@test
def seats_are_told_by_number():
    c, p = sale(seats=7, price=123)
    seats = expect(joined(c).seats(c, p), 200)
    assert seats == {"performanceId": p, "totalSeats": 7, "availableSeats": 7,
                     "seats": [{"seatNumber": n, "price": 123, "status": "AVAILABLE"} for n in range(1, 8)]}, seats


@test
def a_big_hall_is_told_wholly():
    c, p = sale(seats=3000)
    seats = expect(joined(c).seats(c, p), 200)
    assert [s["seatNumber"] for s in seats["seats"]] == list(range(1, 3001)) and seats["availableSeats"] == 3000


@test
def a_hold_sets_seats_aside():
    c, p = sale(price=1500)
    who = joined(c)
    r = expect(who.hold(c, p, 9, 3), 201)
    assert (r["concertId"], r["performanceId"], r["seatNumbers"], r["amount"], r["currency"], r["status"]) == (c, p, [3, 9], 3000, "KRW", "HELD"), r
    assert 290 < seconds_until(r["heldUntil"]) <= 301 and r["paidAt"] is None
    assert expect(who.reservation(r["reservationId"]), 200) == r
    other = joined(c)
    now = statuses(other, c, p)
    assert [n for n, s in now.items() if s == "HELD"] == [3, 9] and "SOLD" not in now.values()
    assert expect(other.performances(c), 200)["items"][0]["availableSeats"] == 48 == expect(other.seats(c, p), 200)["availableSeats"]


@test
def a_hold_is_all_the_seats_or_none():
    c, p = sale()
    held(c, p, 4, 5)
    other = joined(c)
    problem = expect(other.hold(c, p, 3, 4, 5, 6), 409, "SEAT_TAKEN")
    assert problem["seatNumbers"] == [4, 5], problem
    now = statuses(other, c, p)
    assert now[3] == now[6] == "AVAILABLE"
    expect(other.hold(c, p, 3, 6), 201)


@test
def ones_own_seat_is_taken_as_well():
    c, p = sale()
    who, _ = held(c, p, 1)
    assert expect(who.hold(c, p, 1, 2), 409, "SEAT_TAKEN")["seatNumbers"] == [1]


@test
def lists_of_seats_that_are_none_are_refused():
    c, p = sale()
    who = joined(c)
    for seats in (b"[]", b"[1,1]", b"[1,2,3,4,5]", b'["1"]', b"[0]", b"[-1]", b"[1.5]", b"[1.0]", b"[1e0]", b"[null]", b"[[1]]", b"[true]", b"1", b"null", b'"1"', b"{}", b"[1,2,1]",
                  b"[-99999999999999999999]"):
        answer = who.with_token(c, "POST", f"/performances/{p}/reservations", b'{"seatNumbers":' + seats + b"}")
        errors = expect(answer, 400, "VALIDATION_FAILED")["errors"]
        assert [e["field"] for e in errors] == ["seatNumbers"], errors
    expect(who.with_token(c, "POST", f"/performances/{p}/reservations", {}), 400, "VALIDATION_FAILED")
    assert set(statuses(who, c, p).values()) == {"AVAILABLE"}


@test
def seats_beyond_the_hall_are_not_there():
    c, p = sale(seats=10)
    who = joined(c)
    for seats in ([11], [1, 11], [4294967295], [4294967297], [2**63 - 1], [2**64], [10**30]):
        answer = who.hold(c, p, *seats)
        assert (answer.status, answer.code) in ((404, "SEAT_NOT_FOUND"), (400, "VALIDATION_FAILED")), answer
        assert seats[-1] > 2**63 or answer.status == 404, answer
    assert set(statuses(who, c, p).values()) == {"AVAILABLE"}
    expect(who.hold(c, p, 10), 201)


@test
def a_user_has_four_seats_of_a_performance_at_most():
    c, p = sale()
    q = performance(c)
    who = joined(c, 1_000_000)
    r = expect(who.hold(c, p, 1, 2, 3), 201)
    expect(who.hold(c, p, 4, 5), 409, "SEAT_LIMIT_EXCEEDED")
    expect(who.hold(c, p, 4), 201)
    expect(who.hold(c, p, 5), 409, "SEAT_LIMIT_EXCEEDED")
    expect(who.hold(c, q, 1, 2, 3, 4), 201)
    expect(who.release(r["reservationId"]), 204)
    expect(who.hold(c, p, 5, 6, 7), 201)
    expect(who.hold(c, p, 8), 409, "SEAT_LIMIT_EXCEEDED")


@test
def paid_seats_count_for_the_limit_and_cancelled_ones_do_not():
    c, p = sale()
    who, r, _ = paid(c, p, 1, 2, 3)
    expect(who.join(c), 201)
    expect(who.hold(c, p, 4, 5), 409, "SEAT_LIMIT_EXCEEDED")
    expect(who.cancel(r["reservationId"]), 200)
    expect(who.hold(c, p, 1, 2, 3, 4), 201)


@test
def a_released_hold_is_free_at_once():
    c, p = sale()
    who, r = held(c, p, 1, 2)
    expect(who.release(r["reservationId"]), 204)
    gone = expect(who.reservation(r["reservationId"]), 200)
    assert gone["status"] == "RELEASED" and gone["seatNumbers"] == [1, 2]
    expect(joined(c).hold(c, p, 1, 2), 201)
    expect(who.release(r["reservationId"]), 409, "RESERVATION_ENDED")
    expect(who.pay(c, r["reservationId"]), 409, "RESERVATION_ENDED")
    expect(who.cancel(r["reservationId"]), 409, "RESERVATION_ENDED")


@test
def leaving_the_queue_releases_the_hold():
    c, p = sale()
    who, r = held(c, p, 1)
    expect(who.leave(c), 204)
    assert expect(who.reservation(r["reservationId"]), 200)["status"] == "RELEASED"
    expect(joined(c).hold(c, p, 1), 201)


@test
def another_users_reservation_is_not_there():
    c, p = sale()
    who, r = held(c, p, 1)
    other = joined(c, 1_000_000)
    number = r["reservationId"]
    for answer in (other.reservation(number), other.release(number), other.cancel(number), other.pay(c, number)):
        expect(answer, 404, "RESERVATION_NOT_FOUND")
    assert expect(other.get("/reservations"), 200) == {"items": [], "next": None}
    assert expect(who.reservation(number), 200)["status"] == "HELD"


@test
def reservations_are_told_newest_first_page_by_page():
    c, p = sale()
    who = joined(c)
    made = [expect(who.hold(c, p, n), 201)["reservationId"] for n in (1, 2, 3, 4)]
    expect(who.release(made[1]), 204)
    for limit in (1, 2, 3, 4, 5):
        items = who.pages("/reservations", limit)
        assert [i["reservationId"] for i in items] == made[::-1], f"limit {limit}"
    assert [i["status"] for i in items] == ["HELD", "HELD", "RELEASED", "HELD"]
    assert status_of(who, c) == "ACTIVE"


@test
def a_taken_seat_stays_taken_for_the_same_key():
    """Refusals by the state are first answers, too."""
    c, p = sale()
    who, r = held(c, p, 1)
    other = joined(c)
    first = other.hold(c, p, 1, key="try")
    expect(first, 409, "SEAT_TAKEN")
    expect(who.release(r["reservationId"]), 204)
    again = other.hold(c, p, 1, key="try")
    assert (again.status, again.raw, again.replayed) == (409, first.raw, True), again
    expect(other.hold(c, p, 1, key="try-again"), 201)
