#!/usr/bin/python3
# SPDX-License-Identifier: 0BSD
"""Many buyers at the same instant, from several processes, against two hosts with one database. Speaks TAP.

A third host, `hasty`, holds seats for half a second only. What clients were told is compared with each
other and with what is stored; at the end boxofficectl audit replays the rows.
"""
import collections
import http.client
import os
import random
import signal
import sys
import threading
import time

sys.dont_write_bytecode = True  # the source folder may be read-only
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import tap

tap.need("yaml", "jsonschema")

import openapi
import stack
from client import Client, User, expect
from swarm import swarm
from tap import test

PRICE = 1000
HASTY_S = 0.5
hosts = {}
spec = openapi.Spec(os.path.join(stack.TOP_SRCDIR, "nginx", "openapi.yaml"))


def port(number=0):
    """Of one host or the other, by turns."""
    return hosts["one" if number % 2 == 0 else "other"].port


def ctl(*args):
    return hosts["one"].ctl(*args)


def sale(cap=1000, seats=50, price=PRICE):
    c = ctl("concert", "add", "--title", "Race", "--max-active", cap)["concertId"]
    p = ctl("performance", "add", c, "--starts-at", "2099-01-01T00:00:00.000Z", "--venue", "V", "--price", price, "--seats", seats)["performanceId"]
    return c, p


def seat_states(concert, performance):
    """Seat number to status, seen by a newcomer."""
    who = User(port(), spec.see)
    expect(who.join(concert), 201)
    return {s["seatNumber"]: s["status"] for s in expect(who.seats(concert, performance), 200)["seats"]}


def buyer(concert, number=0, balance=10 * PRICE, on=None):
    """Somebody let in, whom threads may copy with again()."""
    who = User(on or port(number), name=f"Buyer {number}", balance=balance)
    if concert:
        place = expect(who.join(concert), 201)
        assert place["status"] == "ACTIVE", place
    return who


def again(who, number=0):
    """The same user from another device."""
    device = User.__new__(User)
    Client.__init__(device, port(number))
    device.user_id, device.access, device.tokens = who.user_id, who.access, dict(who.tokens)
    return device


def outcome(answer):
    """Status, code, body, replayed. No failure of the server passes here."""
    assert answer.status < 500, answer
    return answer.status, answer.code, answer.raw, answer.replayed


def counts(outcomes):
    return collections.Counter((status, code) for status, code, _, _ in outcomes)


@test
def fifty_seats_for_two_hundred_and_fifty_users():
    c, p = sale()

    def buy(who):
        told = []
        while True:
            free = [s["seatNumber"] for s in expect(who.seats(c, p), 200)["seats"] if s["status"] == "AVAILABLE"]
            if told and not free:
                return None, told, expect(who.balance(), 200)["balance"]
            seat = random.choice(free or range(1, 51))
            answer = who.hold(c, p, seat)
            if answer.status == 201:
                payment = expect(who.pay(c, answer.json["reservationId"]), 201)
                assert expect(who.place(c), 200)["status"] == "COMPLETED"
                return payment, told, expect(who.balance(), 200)["balance"]
            assert expect(answer, 409, "SEAT_TAKEN")["seatNumbers"] == [seat]
            told.append(seat)

    results = swarm(range(250), buy, lambda n: buyer(c, n), processes=5)
    payments = [r[0] for r in results if r[0]]
    sold = sorted(s for payment in payments for s in payment["seatNumbers"])
    assert sold == list(range(1, 51)), f"sold: {sold}"
    assert all(payment["amount"] == PRICE for payment in payments) and len({payment["paymentId"] for payment in payments}) == 50
    assert all(told for payment, told, _ in results if not payment), "one got nothing and was not told why"
    assert collections.Counter(balance for _, _, balance in results) == {10 * PRICE: 200, 9 * PRICE: 50}
    stack.wait_for(lambda: set(seat_states(c, p).values()) == {"SOLD"}, 3, "what others bought is shown to a newcomer")
    stack.wait_for(lambda: Client(port(1), spec.see).call("GET", f"/queue/{c}.json").json["seatsLeft"] == 0, 6, "the static file says sold out")


@test
def one_seat_for_a_hundred_clients():
    c, p = sale()
    results = swarm(range(100), lambda who: outcome(who.hold(c, p, 7)), lambda n: buyer(c, n, 0))
    assert counts(results) == {(201, None): 1, (409, "SEAT_TAKEN"): 99}, counts(results)
    stack.wait_for(lambda: collections.Counter(seat_states(c, p).values()) == {"AVAILABLE": 49, "HELD": 1}, 3, "one is held")


@test
def overlapping_holds_in_opposite_orders_are_all_or_none():
    c, p = sale(seats=12)

    def hold(state):
        who, number = state
        first = number % 9 + 1
        wanted = [first, first + 1, first + 2, first + 3]
        if number % 2:
            wanted.reverse()
        answer = who.hold(c, p, *wanted)
        if answer.status == 409:
            assert set(expect(answer, 409, "SEAT_TAKEN")["seatNumbers"]) <= set(wanted)
            return None
        return expect(answer, 201)["seatNumbers"]

    got = [seats for seats in swarm(range(90), hold, lambda n: (buyer(c, n, 0), n)) if seats]
    held = sorted(s for seats in got for s in seats)
    assert got and all(len(seats) == 4 for seats in got) and len(held) == len(set(held)), got
    stack.wait_for(lambda: sorted(n for n, s in seat_states(c, p).items() if s == "HELD") == held, 3, "the held ones are shown")


@test
def a_users_own_holds_do_not_pass_the_limit_together():
    c, p = sale()
    who = buyer(c, 0, 0)
    results = swarm(range(30), lambda state: outcome(state[0].hold(c, p, state[1] + 1)), lambda n: (again(who, n), n))
    assert counts(results) == {(201, None): 4, (409, "SEAT_LIMIT_EXCEEDED"): 26}, counts(results)


@test
def one_payment_under_one_key():
    c, p = sale()
    who = buyer(c)
    r = expect(who.hold(c, p, 1, 2), 201)["reservationId"]
    results = swarm(range(40), lambda device: outcome(device.pay(c, r, key="one")), lambda n: again(who, n))
    done = [o for o in results if o[1] != "IDEMPOTENCY_IN_PROGRESS"]
    assert {o[:2] for o in done} == {(201, None)} and len({o[2] for o in done}) == 1, counts(results)
    assert sum(not o[3] for o in done) == 1, "one first answer, the others told as replayed"
    assert expect(who.balance(), 200)["balance"] == 8 * PRICE and len(who.pages("/payments", 10)) == 1


@test
def one_payment_under_many_keys():
    c, p = sale()
    who = buyer(c)
    r = expect(who.hold(c, p, 1, 2), 201)["reservationId"]
    results = swarm(range(40), lambda state: outcome(state[0].pay(c, r, key=state[1])), lambda n: (again(who, n), f"key{n}" if n % 3 else None))
    seen = counts(results)
    assert seen[201, None] == 1 and set(seen) <= {(201, None), (401, "QUEUE_TOKEN_EXPIRED"), (409, "ALREADY_PAID")}, seen
    assert expect(who.balance(), 200)["balance"] == 8 * PRICE and len(who.pages("/payments", 10)) == 1


@test
def one_charge_under_one_key_of_fifty_clients():
    who = buyer(None, balance=0)
    results = swarm(range(50), lambda device: outcome(device.charge(7, key="same")), lambda n: again(who, n))
    done = [o for o in results if o[1] != "IDEMPOTENCY_IN_PROGRESS"]
    assert len({o[2] for o in done}) == 1 and sum(not o[3] for o in done) == 1, counts(results)
    assert expect(who.balance(), 200)["balance"] == 7


@test
def one_hold_under_one_key_of_fifty_clients():
    c, p = sale()
    who = buyer(c, balance=0)
    results = swarm(range(50), lambda device: outcome(device.hold(c, p, 3, 4, key="same")), lambda n: again(who, n))
    done = [o for o in results if o[1] != "IDEMPOTENCY_IN_PROGRESS"]
    assert {o[0] for o in done} == {201} and len({o[2] for o in done}) == 1 and sum(not o[3] for o in done) == 1, counts(results)


@test
def one_key_with_two_requests_has_one_outcome():
    who = buyer(None, balance=0)
    results = swarm(range(40), lambda state: outcome(state[0].charge(state[1], key="two")), lambda n: (again(who, n), 10 + n % 2))
    first = {o[2] for o in results if o[0] == 201}
    seen = counts(results)
    assert len(first) == 1 and set(seen) <= {(201, None), (422, "IDEMPOTENCY_KEY_REUSED"), (409, "IDEMPOTENCY_IN_PROGRESS")}, seen
    assert expect(who.balance(), 200)["balance"] in (10, 11)


@test
def every_charge_counts_once():
    who = buyer(None, balance=0)
    results = swarm(range(100), lambda device: expect(device.charge(3), 201)["balance"], lambda n: again(who, n))
    assert sorted(results) == [3 * n for n in range(1, 101)], "each saw a balance of its own"
    entries = who.pages(f"/users/{who.user_id}/balance/history", 100)
    assert [e["balanceAfter"] for e in entries] == [3 * n for n in range(100, 0, -1)]


@test
def one_number_for_thirty_devices():
    for cap in (0, 10):
        c, _ = sale(cap)
        who = buyer(None, balance=0)
        results = swarm(range(30), lambda device: outcome(device.join(c)), lambda n: again(who, n))
        assert counts(results) == {(201, None): 1, (200, None): 29}, counts(results)
        places = [Client(port()).call("GET", f"/queue/{c}.json"), expect(again(who).join(c), 200)]
        assert places[1]["number"] == 1
        assert expect(buyer(None, balance=0).join(c), 201)["number"] == 2


@test
def numbers_are_dense_and_the_first_ones_are_let_in():
    c, _ = sale(7)
    places = swarm(range(300), lambda who: expect(who.join(c), 201), lambda n: buyer(None, n, 0))
    assert sorted(place["number"] for place in places) == list(range(1, 301))
    assert sorted(place["number"] for place in places if place["status"] == "ACTIVE") == list(range(1, 8))
    assert all(place["ahead"] == place["number"] - 8 for place in places if place["status"] == "WAITING"), "ahead is exact at joining"


@test
def the_cap_is_never_exceeded():
    cap = 5
    c, _ = sale(cap)

    def pass_through(state):
        who, number = state
        place = expect(who.join(c), 201)
        aheads = [place["ahead"]]
        end = time.monotonic() + 30
        while place["status"] == "WAITING":
            assert time.monotonic() < end, f"waited too long: {place}"
            time.sleep(0.03)
            place = expect(who.place(c), 200)
            aheads.append(place["ahead"])
        assert place["status"] == "ACTIVE", place
        assert aheads == sorted(aheads, reverse=True), f"ahead grew: {aheads}"
        since = time.monotonic()
        time.sleep(random.uniform(0, 0.05))
        until = time.monotonic()  # it is certainly in from since to until
        expect(who.leave(c), 204)
        return place["number"], since, until

    stays = swarm(range(80), pass_through, lambda n: (buyer(None, n, 0), n))
    assert sorted(number for number, _, _ in stays) == list(range(1, 81))
    inside = most = 0
    for _, change in sorted([(since, 1) for _, since, _ in stays] + [(until, -1) for _, _, until in stays]):
        inside += change
        most = max(most, inside)
    assert most <= cap, f"{most} at once"
    assert stack.wait_for(lambda: Client(port()).call("GET", f"/queue/{c}.json").json["active"] == 0, 2, "all have left")


@test
def a_hold_at_its_end_is_paid_or_taken_over_but_never_both():
    c, p = sale(seats=40)

    def meet(state):
        holder, taker, seat = state
        r = expect(holder.hold(c, p, seat), 201)
        ends = time.monotonic() + HASTY_S
        tried = []

        def take():
            while time.monotonic() < ends + 0.3:
                tried.append(outcome(taker.hold(c, p, seat)))
                if tried[-1][0] == 201:
                    break
                time.sleep(0.004)

        time.sleep(HASTY_S - 0.05)
        thread = threading.Thread(target=take)
        thread.start()
        time.sleep(max(0, ends + random.uniform(-0.03, 0.01) - time.monotonic()))
        pay = outcome(holder.pay(c, r["reservationId"]))[:2]
        thread.join()
        assert counts(tried[:-1]).keys() <= {(409, "SEAT_TAKEN")}, counts(tried)
        return pay, tried[-1][:2]

    results = swarm(range(40), meet, lambda n: (buyer(c, n, on=hosts["hasty"].port), buyer(c, n, 0), n + 1))
    for pay, take in results:
        assert (pay, take) in (((201, None), (409, "SEAT_TAKEN")), ((410, "HOLD_EXPIRED"), (201, None))), f"{pay} and {take}"
    tap.note(f"{sum(pay[0] == 201 for pay, _ in results)} paid, {sum(pay[0] == 410 for pay, _ in results)} taken over")


@test
def a_reservation_is_cancelled_once():
    c, p = sale()
    who = buyer(c)
    r = expect(who.hold(c, p, 1), 201)["reservationId"]
    expect(who.pay(c, r), 201)
    results = swarm(range(30), lambda device: outcome(device.cancel(r)), lambda n: again(who, n))
    assert counts(results) == {(200, None): 1, (409, "RESERVATION_ENDED"): 29}, counts(results)
    assert expect(who.balance(), 200)["balance"] == 10 * PRICE


@test
def paying_releasing_and_leaving_at_once_have_one_winner():
    c, p = sale(seats=30)

    def prepare(number):
        who = buyer(c, number)
        return who, expect(who.hold(c, p, number + 1), 201)["reservationId"]

    pairs = [prepare(n) for n in range(20)]

    def act(job):
        (who, r), verb = pairs[job // 3], job % 3
        device = again(who, job)
        return outcome(device.pay(c, r) if verb == 0 else device.release(r) if verb == 1 else device.leave(c))[:2]

    results = swarm(range(60), act)
    for i, (who, r) in enumerate(pairs):
        pay, release, leave = results[3 * i:3 * i + 3]
        state = expect(who.reservation(r), 200)["status"]
        balance = expect(who.balance(), 200)["balance"]
        assert (pay[0] == 201) == (state == "PAID") == (balance == 9 * PRICE), f"{pay} {release} {leave}: {state}, {balance}"
        assert leave[0] == 204 and (release[0] == 204) + (pay[0] == 201) <= 1, f"{pay} {release} {leave}: {state}"
        assert state in ("PAID", "RELEASED")


@test
def two_holds_of_one_place_are_not_both_paid():
    c, p = sale()
    crowd = []
    for n in range(10):
        who = buyer(c, n)
        crowd.append((who, [expect(who.hold(c, p, 2 * n + 1 + i), 201)["reservationId"] for i in range(2)]))
    results = swarm(range(20), lambda state: outcome(state[0].pay(c, state[1]))[:2], lambda n: (again(crowd[n // 2][0], n), crowd[n // 2][1][n % 2]))
    for i, (who, _) in enumerate(crowd):
        assert sorted(results[2 * i:2 * i + 2]) == [(201, None), (401, "QUEUE_TOKEN_EXPIRED")], results[2 * i:2 * i + 2]
        assert expect(who.balance(), 200)["balance"] == 9 * PRICE


@test
def a_balance_pays_for_one_of_two_concerts():
    sales = [sale(), sale()]
    crowd = []
    for n in range(10):
        who = User(port(n), balance=PRICE + PRICE // 2)
        holds = []
        for c, p in sales:
            expect(who.join(c), 201)
            holds.append((c, expect(who.hold(c, p, n + 1), 201)["reservationId"]))
        crowd.append((who, holds))
    results = swarm(range(20), lambda state: outcome(state[0].pay(*state[1]))[:2], lambda n: (again(crowd[n // 2][0], n), crowd[n // 2][1][n % 2]))
    for i, (who, _) in enumerate(crowd):
        assert sorted(results[2 * i:2 * i + 2]) == [(201, None), (402, "INSUFFICIENT_BALANCE")], results[2 * i:2 * i + 2]
        assert expect(who.balance(), 200)["balance"] == PRICE // 2


@test
def what_was_answered_survives_the_death_of_workers_ticker_and_database():
    c, p = sale(seats=400)
    running_s = 4.0

    def until_answered(ask):
        """As a client with a key should: again, until there is an answer."""
        end = time.monotonic() + 25
        while True:
            try:
                answer = ask()
                if answer.status < 500:
                    return answer
                assert answer.status == 503 and answer.header("Retry-After"), answer
            except (OSError, http.client.HTTPException):
                pass
            assert time.monotonic() < end, "no answer for 25 s"
            time.sleep(0.05)

    def live(state):
        who, number = state
        end = time.monotonic() + running_s
        charged = bought = 0
        while time.monotonic() < end:
            key = f"{number}-{charged}-{bought}"
            expect(until_answered(lambda: who.charge(PRICE, key="c" + key)), 201)
            charged += 1
            if charged % 3 == 0 and bought < 4:
                place = until_answered(lambda: who.join(c, key="j" + key))
                assert place.status in (200, 201) and place.json["status"] == "ACTIVE", place
                held = until_answered(lambda: who.hold(c, p, 4 * number + bought + 1, key="h" + key))
                r = expect(held, 201)["reservationId"]
                expect(until_answered(lambda: who.pay(c, r, key="p" + key)), 201)
                bought += 1
        return charged, bought

    def kill():
        time.sleep(1.0)
        for host, what in (("one", "worker"), ("other", "worker"), ("one", "tickerPid"), ("one", None), ("other", "worker")):
            if what is None:
                hosts[host].kill("mariadbd")
            else:
                status = Client(hosts[host].port).call("GET", "/status").json
                busy = [w["pid"] for w in status["workers"] if w["state"] == "busy"]
                os.kill(status["pool"]["tickerPid"] if what == "tickerPid" else random.choice(busy), signal.SIGKILL)
            time.sleep(0.5)

    crowd = [buyer(None, n, 0) for n in range(24)]
    killer = threading.Thread(target=kill)
    killer.start()
    results = swarm(range(24), live, lambda n: (again(crowd[n], n), n), processes=2)
    killer.join()
    for who, (charged, bought) in zip(crowd, results):
        assert expect(who.balance(), 200)["balance"] == (charged - bought) * PRICE, f"{charged} charges and {bought} payments were answered"
        assert [r["status"] for r in who.pages("/reservations", 100)] == ["PAID"] * bought
        assert len(who.pages("/payments", 100)) == bought
        assert len(who.pages(f"/users/{who.user_id}/balance/history", 100)) == charged + bought
    tap.note(f"{sum(r[0] for r in results)} charges and {sum(r[1] for r in results)} purchases")


@test
def the_stored_rows_prove_the_promises():
    done = hosts["one"].ctl_raw("audit")
    if "not built" in done.stdout + done.stderr:
        tap.skip("audit is not built")
    assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout}{done.stderr}"


if __name__ == "__main__":
    try:
        hosts["one"] = stack.Stack(workers=10).ready()
        hosts["other"] = stack.Stack(database=hosts["one"], workers=6)
        hosts["hasty"] = stack.Stack(database=hosts["one"], workers=4, hold_ttl_ms=int(HASTY_S * 1000))
        for host in hosts.values():
            host.ready()
        failed = tap.run()
    finally:
        for name in ("hasty", "other", "one"):
            if name in hosts:
                hosts[name].stop()
    sys.exit(1 if failed else 0)
