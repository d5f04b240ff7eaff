# SPDX-License-Identifier: 0BSD
"""What ends by itself: claims, passes, holds. And what only a great fortune shows."""
import threading
import time

from client import expect
from common import ACTIVE_S, CLAIM_S, HOLD_S, held, joined, paid, queue_file, sale, seconds_until, service, status_of, user
from stack import wait_for
from tap import test

TICK_S = 0.5  # for the ticker and the asking


@test
def one_let_in_who_does_not_show_up_makes_room_for_the_next():
    c, _ = sale("short", cap=1)
    first, absent, following = (joined(c, on="short") for _ in range(3))
    began = time.monotonic()
    expect(first.leave(c), 204)
    wait_for(lambda: status_of(following, c) == "ACTIVE", CLAIM_S + 1 + TICK_S, "the one after the absent let in")
    assert time.monotonic() - began > CLAIM_S - 0.1, "too early"
    assert status_of(absent, c) == "EXPIRED"
    expect(absent.performances(c), 401, "QUEUE_TOKEN_EXPIRED")
    assert expect(absent.join(c), 201)["number"] == 4


@test
def showing_up_starts_the_pass():
    c, p = sale("short", cap=1)
    first, second = joined(c, on="short"), joined(c, on="short")
    expect(first.leave(c), 204)
    shown = wait_for(lambda: (lambda a: a if expect(a, 200)["status"] == "ACTIVE" else None)(second.place(c)), 1 + TICK_S, "let in")
    place, asked_ago = shown.json, shown.took_s + 0.3
    assert ACTIVE_S - asked_ago < seconds_until(place["expiresAt"]) <= ACTIVE_S + 0.05, "a whole pass from showing up"
    time.sleep(CLAIM_S + 0.1)
    expect(second.seats(c, p), 200)
    assert expect(second.place(c), 200)["expiresAt"] == place["expiresAt"], "looking does not stretch it"


@test
def a_pass_ends_by_itself():
    c, p = sale("short")
    who = joined(c, on="short")
    expect(who.performances(c), 200)
    time.sleep(max(0, seconds_until(expect(who.place(c), 200)["expiresAt"])) + 0.02)
    expect(who.performances(c), 401, "QUEUE_TOKEN_EXPIRED")
    expect(who.hold(c, p, 1), 401, "QUEUE_TOKEN_EXPIRED")
    place = expect(who.place(c), 200)
    assert (place["status"], place["number"]) == ("EXPIRED", 1)
    again = expect(who.join(c), 201)
    assert (again["number"], again["status"]) == (2, "ACTIVE")


@test
def a_pass_that_ended_is_filled_within_a_second():
    c, _ = sale("short", cap=1)
    first, second = joined(c, on="short"), joined(c, on="short")
    left = seconds_until(expect(first.place(c), 200)["expiresAt"])
    time.sleep(max(0, left))
    wait_for(lambda: status_of(second, c) == "ACTIVE", 1 + TICK_S, "the next let in")


@test
def a_hold_that_ran_out_is_free_for_others():
    c, p = sale("short")
    other = joined(c, on="short")
    began = time.monotonic()
    who, r = held(c, p, 1, on="short")
    expect(other.hold(c, p, 1), 409, "SEAT_TAKEN")
    another = joined(c, on="short")
    left = seconds_until(r["heldUntil"])
    assert HOLD_S - (time.monotonic() - began) - 0.05 < left < HOLD_S
    time.sleep(max(0, left) + 0.01)
    expect(who.pay(c, r["reservationId"]), 410, "HOLD_EXPIRED")  # first: their passes end soon, too
    assert expect(another.seats(c, p), 200)["seats"][0]["status"] == "AVAILABLE"
    theirs = expect(another.hold(c, p, 1), 201)
    assert expect(who.reservation(r["reservationId"]), 200)["status"] == "EXPIRED"
    expect(who.release(r["reservationId"]), 410, "HOLD_EXPIRED")
    expect(who.cancel(r["reservationId"]), 410, "HOLD_EXPIRED")
    expect(another.pay(c, theirs["reservationId"]), 402, "INSUFFICIENT_BALANCE")


@test
def a_hold_stretches_the_pass_to_its_end():
    c, p = sale("short")
    who = joined(c, 10_000, on="short")
    ends = seconds_until(expect(who.place(c), 200)["expiresAt"])
    time.sleep(ends - 0.5)
    r = expect(who.hold(c, p, 1), 201)
    place = expect(who.place(c), 200)
    assert place["expiresAt"] == r["heldUntil"], f"{place} {r}"
    time.sleep(0.7)  # past the first end
    expect(who.pay(c, r["reservationId"]), 201)


@test
def a_hold_does_not_shorten_the_pass():
    c, p = sale("short")
    who = joined(c, on="short")
    before = expect(who.place(c), 200)["expiresAt"]
    expect(who.hold(c, p, 1), 201)
    assert expect(who.place(c), 200)["expiresAt"] == before


@test
def a_key_keeps_its_answer_after_the_hold_ran_out():
    c, p = sale("short")
    who = joined(c, on="short")
    first = who.hold(c, p, 1, key="h")
    r = expect(first, 201)
    time.sleep(max(0, seconds_until(r["heldUntil"])) + 0.02)
    again = who.hold(c, p, 1, key="h")
    assert (again.status, again.raw, again.replayed) == (201, first.raw, True)
    assert expect(who.reservation(r["reservationId"]), 200)["status"] == "EXPIRED"


@test
def a_balance_has_a_limit():
    who = user(on="short")
    expect(who.charge(10**12), 201)
    first = who.charge(1, key="full")
    expect(first, 409, "BALANCE_LIMIT_EXCEEDED")
    again = who.charge(1, key="full")
    assert again.replayed and again.raw == first.raw
    assert expect(who.balance(), 200)["balance"] == 10**12


@test
def a_cancellation_does_not_pass_the_limit():
    c, p = sale("short", price=1000)
    who, r, _ = paid(c, p, 1, balance=1000, on="short")
    expect(who.charge(10**12), 201)
    expect(who.cancel(r["reservationId"]), 409, "BALANCE_LIMIT_EXCEEDED")
    assert expect(who.reservation(r["reservationId"]), 200)["status"] == "PAID"


@test
def places_that_no_board_knows_are_told_from_the_database():
    c, _ = sale("short", cap=1)
    crowd = [joined(c, on="short") for _ in range(4)]
    assert [expect(u.place(c), 200)["ahead"] for u in crowd] == [0, 0, 1, 2]
    expect(crowd[1].leave(c), 204)
    assert [expect(u.place(c), 200)["ahead"] for u in crowd[2:]] == [0, 1]
    assert expect(crowd[3].performances(c), 403, "QUEUE_NOT_ADMITTED")["ahead"] == 1
    assert queue_file(c, "short", wait=True)["concertId"] == c


def user_row(who):
    return f"SELECT 1 FROM user WHERE user_id = UNHEX('{who.user_id.replace('-', '')}') FOR UPDATE"


@test
def what_can_not_be_locked_in_time_is_busy_and_others_go_on():
    who, device, other = user(on="short"), user(on="short"), user(on="short")
    device.user_id, device.access = who.user_id, who.access
    answers = []
    threads = [threading.Thread(target=lambda u: answers.append(u.charge(5, key="slow")), args=(u,)) for u in (who, device)]
    with service("short").locked(user_row(who)):
        for t in threads:
            t.start()
        time.sleep(0.3)
        took = other.charge(1)
        assert took.status == 201 and took.took_s < 0.5, "others are not kept waiting"
        assert other.get(f"/users/{who.user_id}/balance").status == 403
        for t in threads:
            t.join()
    assert {a.code for a in answers} <= {"BUSY", "IDEMPOTENCY_IN_PROGRESS"} and all(a.took_s < 9 for a in answers), [str(a) for a in answers]
    # Neither answer was kept: the key is still good.
    assert expect(who.charge(5, key="slow"), 201)["balance"] == 5
    assert who.charge(5, key="slow").replayed


@test
def a_key_whose_first_request_still_runs_is_told_so():
    who = user(on="short")
    first = (f"INSERT INTO idempotency_key (user_id, idem_key, request_hash, created_at_ms)"
             f" VALUES (UNHEX('{who.user_id.replace('-', '')}'), 'slow', REPEAT('x', 32), UNIX_TIMESTAMP() * 1000)")
    with service("short").locked(first):
        answer = who.charge(5, key="slow")
        expect(answer, 409, "IDEMPOTENCY_IN_PROGRESS")
        assert answer.took_s < 3
        expect(who.charge(5, key="another"), 201)
    assert expect(who.charge(5, key="slow"), 201)["balance"] == 10


@test
def reading_waits_for_no_lock():
    c, p = sale()
    who = joined(c, 10)
    expect(who.hold(c, p, 1), 201)
    with service().locked(f"SELECT 1 FROM seat WHERE performance_id = {p} FOR UPDATE"):
        for ask in (lambda: who.seats(c, p), lambda: who.performances(c), who.balance, lambda: who.get("/reservations")):
            answer = ask()
            assert answer.status == 200 and answer.took_s < 1.5, f"{answer.took_s:.1f} s: {answer}"
        taken = joined(c).hold(c, p, 1)
        expect(taken, 409, "SEAT_TAKEN")
        assert taken.took_s < 1.5, "who is refused waits for nobody"
