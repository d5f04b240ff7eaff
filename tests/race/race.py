#!/usr/bin/python3
"""Crowds: what is promised of one buyer must hold of hundreds at the same instant.

Each test sends a volley: every request is on its own connection, all but its last byte sent, before the
last bytes go out together. Every answer is held against the description (5xx is declared, so it is looked
for here), and at the end the audit replays all that happened.
"""
import http.client
import json
import os
import random
import signal
import socket
import sys
import threading
import time

sys.dont_write_bytecode = True  # the source folder may be read-only
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import client
import openapi
import stack
import tap
from client import API, Answer, User, expect, new_key
from stack import wait_for
from tap import test

spec = openapi.Spec(os.path.join(stack.TOP_SRCDIR, "nginx", "openapi.yaml"))
service = None  # the private stack
rng = random.Random(20261123)


# --- volleys ---


class Call:
    """A request to be sent with others. port: another host's."""

    def __init__(self, user, method, path, body=None, token=None, key=None, port=None):
        data = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {API}{path} HTTP/1.1", "Host: localhost", "Connection: close", f"Content-Length: {len(data)}",
                 f"Authorization: Bearer {user.access}"]
        lines += ["Content-Type: application/json"] if data else []
        lines += [f"Queue-Token: {token}"] if token else []
        lines += [f"Idempotency-Key: {key}"] if key else []
        self.bytes = "\r\n".join(lines).encode() + b"\r\n\r\n" + data
        self.method, self.path, self.port = method, API + path, port or service.port


def volley(calls, faults=False):
    """Sends all at once; their answers, in the same order. With faults, 5xx and no answer (None) may be."""
    sockets = []
    for c in calls:
        s = socket.create_connection(("127.0.0.1", c.port), timeout=30)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        s.sendall(c.bytes[:-1])
        sockets.append(s)
    for c, s in zip(calls, sockets):
        s.sendall(c.bytes[-1:])
    answers = []
    for c, s in zip(calls, sockets):
        try:
            got = http.client.HTTPResponse(s, method=c.method)
            got.begin()
            a = Answer(c.method, c.path, got.status, got.getheaders(), got.read())
        except (OSError, http.client.HTTPException):
            assert faults, f"no answer: {c.method} {c.path}"
            a = None
        finally:
            s.close()
        if a:
            spec.see(a)
            assert faults or a.status < 500, str(a)
        answers.append(a)
    return answers


def crowd(n, balance=0):
    """n users, made together."""
    class Nobody:
        access = "-"
    made = [expect(a, 201) for a in volley([Call(Nobody, "POST", "/users", {"name": f"Buyer {i}"}) for i in range(n)])]
    users = [known(m["userId"], m["accessKey"]) for m in made]
    if balance:
        for a in volley([Call(u, "POST", f"/users/{u.user_id}/balance/charges", {"amount": balance}, key=new_key()) for u in users]):
            expect(a, 201)
    return users


def known(user_id, access):
    """A User that exists already."""
    u = User.__new__(User)
    client.Client.__init__(u, service.port, spec.see)
    u.user_id, u.access, u.tokens = user_id, access, {}
    return u


def join(user, concert, **more):
    return Call(user, "POST", f"/concerts/{concert}/queue", **more)


def hold(user, concert, performance, *seats, **more):
    return Call(user, "POST", f"/performances/{performance}/reservations", {"seatNumbers": list(seats)}, user.tokens[concert], **more)


def pay(user, concert, reservation, **more):
    return Call(user, "POST", f"/reservations/{reservation}/payment", token=user.tokens[concert], **more)


def leave(user, concert):
    return Call(user, "DELETE", f"/concerts/{concert}/queue", token=user.tokens[concert])


def place(user, concert):
    return Call(user, "GET", f"/concerts/{concert}/queue", token=user.tokens[concert])


def sale(max_active, seats=50, price=1000, host=None):
    """A new concert with one performance: their ids."""
    ctl = (host or service).ctl
    concert = ctl("concert", "add", "--title", "Crowd", "--max-active", max_active)["concertId"]
    performance = ctl("performance", "add", concert, "--starts-at", "2099-01-01T10:00:00Z", "--venue", "Hall",
                      "--price", price, "--seats", seats)["performanceId"]
    return concert, performance


def let_in(users, concert):
    """All join at once and are let in."""
    for u, a in zip(users, volley([join(u, concert) for u in users])):
        u.tokens[concert] = a.json["token"]
    wait_for(lambda: all(a.json["status"] == "ACTIVE" for a in volley([place(u, concert) for u in users])), 5, "all are let in")


def told(answers):
    """How many of each: {201: 3, "SEAT_TAKEN": 5}."""
    counts = {}
    for a in answers:
        what = a.code or a.status if a else None
        counts[what] = counts.get(what, 0) + 1
    return counts


def equal(got, wanted):
    assert got == wanted, f"got {got}, wanted {wanted}"


# --- the queue ---


@test
def numbers_are_dense_and_nobody_is_in_over_the_cap_when_250_join_at_once():
    concert, _ = sale(max_active=20)
    places = [expect(a, 201) for a in volley([join(u, concert) for u in crowd(250)])]
    equal(sorted(p["number"] for p in places), list(range(1, 251)))
    for p in places:
        equal((p["status"], p["ahead"]), ("ACTIVE", 0) if p["number"] <= 20 else ("WAITING", p["number"] - 21))


@test
def one_user_joining_from_forty_devices_gets_one_number():
    concert, _ = sale(max_active=1)
    user, = crowd(1)
    for number in (1, 2):
        answers = volley([join(user, concert) for _ in range(40)])
        equal(told(answers), {201: 1, 200: 39})
        equal({a.json["number"] for a in answers}, {number})
        user.tokens[concert] = answers[0].json["token"]
        expect(user.leave(concert), 204)


@test
def a_cap_holds_and_the_order_too_while_all_come_and_go():
    cap = 5
    concert, _ = sale(max_active=cap)
    users = crowd(60)
    number = {}
    for u, a in zip(users, volley([join(u, concert) for u in users])):
        u.tokens[concert], number[u] = a.json["token"], a.json["number"]
    waiting, ahead, highest = set(users), {}, 0
    end = time.monotonic() + 20
    while waiting:
        assert time.monotonic() < end, f"{len(waiting)} still wait"
        asked = sorted(waiting, key=number.get)
        rng.shuffle(asked)
        seen = {u: a.json for u, a in zip(asked, volley([place(u, concert) for u in asked]))}
        active = [u for u in asked if seen[u]["status"] == "ACTIVE"]
        assert len(active) <= cap, f"{len(active)} are in, {cap} may"
        equal({seen[u]["status"] for u in asked} - {"ACTIVE", "WAITING"}, set())
        for u in asked:
            assert seen[u]["ahead"] <= ahead.get(u, 60), f"ahead grew for number {number[u]}: {ahead[u]}, {seen[u]['ahead']}"
            ahead[u] = seen[u]["ahead"]
        # Asked one after the other, so one who was let in later may show first; none may be passed for good.
        highest = max([highest] + [number[u] for u in active])
        overtaken = [number[u] for u in asked if number[u] < highest and seen[u]["status"] == "WAITING"]
        again = volley([place(u, concert) for u in asked if number[u] in overtaken])
        equal([a.json["number"] for a in again if a.json["status"] == "WAITING"], [])
        # Some of those who wait leave as well.
        for u in active + [u for u in asked if u not in active and rng.random() < 0.03]:
            waiting.discard(u)
        gone = [u for u in asked if u not in waiting]
        equal(told(volley([leave(u, concert) for u in gone])), {204: len(gone)} if gone else {})


@test
def two_hosts_are_one_queue_with_one_cap():
    with stack.Stack(database=service, workers=4) as other:
        concert, performance = sale(max_active=7)
        users = crowd(80)
        joined = volley([join(u, concert, port=(service, other)[i % 2].port) for i, u in enumerate(users)])
        equal(sorted(a.json["number"] for a in joined), list(range(1, 81)))
        for u, a in zip(users, joined):
            u.tokens[concert] = a.json["token"]
        for _ in range(6):
            seen = [a.json for a in volley([Call(u, "GET", f"/concerts/{concert}/queue", token=u.tokens[concert], port=other.port) for u in users])]
            active = [u for u, p in zip(users, seen) if p["status"] == "ACTIVE"]
            assert len(active) <= 7, f"{len(active)} are in, 7 may"
            volley([leave(u, concert) for u in active])
        # And one hall.
        wait_for(lambda: service.ctl("queue", "show", concert)["active"] == 7, 3, "seven are in")
        active = [u for u, a in zip(users, volley([place(u, concert) for u in users])) if a.json["status"] == "ACTIVE"]
        answers = volley([hold(u, concert, performance, 1, port=(service, other)[i % 2].port) for i, u in enumerate(active)])
        equal(told(answers), {201: 1, "SEAT_TAKEN": len(active) - 1})


# --- seats ---


@test
def fifty_seats_are_sold_once_each_to_250_buyers():
    concert, performance = sale(max_active=250)
    users = crowd(250, balance=1000)
    let_in(users, concert)
    answers = volley([hold(u, concert, performance, i % 50 + 1, key=new_key()) for i, u in enumerate(users)])
    equal(told(answers), {201: 50, "SEAT_TAKEN": 200})
    winners = [(u, a.json) for u, a in zip(users, answers) if a.status == 201]
    equal(sorted(r["seatNumbers"][0] for _, r in winners), list(range(1, 51)))
    losers = [u for u, a in zip(users, answers) if a.status != 201]
    # They pay while the others try every seat again.
    calls = [pay(u, concert, r["reservationId"]) for u, r in winners] + [hold(u, concert, performance, rng.randint(1, 50)) for u in losers]
    order = list(range(250))
    rng.shuffle(order)
    equal(told(volley([calls[i] for i in order])), {201: 50, "SEAT_TAKEN": 200})
    hall = expect(losers[0].seats(concert, performance), 200)
    equal((hall["availableSeats"], {s["status"] for s in hall["seats"]}), (0, {"SOLD"}))
    equal(sorted(expect(u.balance(), 200)["balance"] for u in users), [0] * 50 + [1000] * 200)


@test
def one_seat_has_one_buyer_of_a_hundred():
    concert, performance = sale(max_active=100)
    users = crowd(100)
    let_in(users, concert)
    for _ in range(3):
        answers = volley([hold(u, concert, performance, 7) for u in users])
        equal(told(answers), {201: 1, "SEAT_TAKEN": 99})
        equal({tuple(a.json["seatNumbers"]) for a in answers}, {(7,)})
        winner = [u for u, a in zip(users, answers) if a.status == 201][0]
        expect(winner.release([a.json["reservationId"] for a in answers if a.status == 201][0]), 204)


@test
def overlapping_holds_in_opposite_orders_are_all_or_nothing():
    concert, performance = sale(max_active=80, seats=12)
    users = crowd(80)
    let_in(users, concert)
    for _ in range(3):
        calls, wanted = [], []
        for i, u in enumerate(users):
            first = rng.randint(1, 9)
            seats = [first, first + 1, first + 2, first + 3]
            seats = seats[::-1] if i % 2 else rng.sample(seats, 4)
            wanted.append(set(seats))
            calls.append(hold(u, concert, performance, *seats))
        answers = volley(calls)
        assert set(told(answers)) <= {201, "SEAT_TAKEN"}, told(answers)
        held = [n for a in answers if a.status == 201 for n in a.json["seatNumbers"]]
        assert held and len(held) == len(set(held)), f"held twice: {held}"
        for a, w in zip(answers, wanted):
            got = set(a.json["seatNumbers"])
            assert got == w if a.status == 201 else got and got <= w, f"{w}: {a}"
        hall = expect(users[0].seats(concert, performance), 200)
        equal([s["seatNumber"] for s in hall["seats"] if s["status"] == "HELD"], sorted(held))
        for u, a in zip(users, answers):
            if a.status == 201:
                expect(u.release(a.json["reservationId"]), 204)


@test
def the_limit_of_seats_holds_when_one_buyer_asks_from_many_devices():
    concert, performance = sale(max_active=1)
    user, = crowd(1)
    let_in([user], concert)
    answers = volley([hold(user, concert, performance, n) for n in range(1, 31)])
    equal(told(answers), {201: 4, "SEAT_LIMIT_EXCEEDED": 26})


# --- money ---


def holder(price=1000, balance=5000):
    """Somebody with a seat held: user, concert, reservationId."""
    concert, performance = sale(max_active=10, price=price)
    user, = crowd(1, balance)
    let_in([user], concert)
    return user, concert, expect(user.hold(concert, performance, 1), 201)["reservationId"]


def paid_once(user, reservation, balance):
    equal(expect(user.balance(), 200)["balance"], balance)
    history = user.pages(f"/users/{user.user_id}/balance/history", 100)
    equal(len([e for e in history if e["type"] == "PAYMENT"]), 1)
    equal(sum(e["amount"] for e in history), balance)
    equal([p["reservationId"] for p in user.pages("/payments", 100)], [reservation])


@test
def one_payment_under_one_key_sent_fifty_times():
    user, concert, reservation = holder()
    key = new_key()
    answers = volley([pay(user, concert, reservation, key=key) for _ in range(50)])
    assert set(told(answers)) <= {201, "IDEMPOTENCY_IN_PROGRESS"}, told(answers)
    done = [a for a in answers if a.status == 201]
    equal((len({a.raw for a in done}), len([a for a in done if not a.replayed])), (1, 1))
    paid_once(user, reservation, 4000)


@test
def one_payment_under_fifty_keys():
    for keys in (new_key, lambda: None):
        user, concert, reservation = holder()
        answers = volley([pay(user, concert, reservation, key=keys()) for _ in range(50)])
        assert set(told(answers)) <= {201, "ALREADY_PAID", "QUEUE_TOKEN_EXPIRED"}, told(answers)
        equal(told(answers)[201], 1)
        paid_once(user, reservation, 4000)


@test
def one_charge_under_one_key_sent_by_fifty_clients():
    user, = crowd(1)
    key = new_key()
    path = f"/users/{user.user_id}/balance/charges"
    answers = volley([Call(user, "POST", path, {"amount": 700}, key=key if i % 2 else f'"{key}"') for i in range(50)])
    assert set(told(answers)) <= {201, "IDEMPOTENCY_IN_PROGRESS"}, told(answers)
    done = [a for a in answers if a.status == 201]
    equal((len({a.raw for a in done}), len([a for a in done if not a.replayed])), (1, 1))
    equal(expect(user.balance(), 200)["balance"], 700)
    # Two requests under one key: the first decides which, the other is refused.
    key = new_key()
    answers = volley([Call(user, "POST", path, {"amount": 1 + i % 2}, key=key) for i in range(50)])
    assert set(told(answers)) <= {201, "IDEMPOTENCY_KEY_REUSED", "IDEMPOTENCY_IN_PROGRESS"}, told(answers)
    equal(len({a.raw for a in answers if a.status == 201}), 1)
    assert expect(user.balance(), 200)["balance"] in (701, 702)


@test
def a_balance_is_the_sum_of_charges_that_came_together():
    user, = crowd(1)
    path = f"/users/{user.user_id}/balance/charges"
    answers = volley([Call(user, "POST", path, {"amount": i}, key=new_key()) for i in range(1, 61)])
    equal(told(answers), {201: 60})
    equal(len({a.json["balance"] for a in answers}), 60)
    history = user.pages(f"/users/{user.user_id}/balance/history", 7)
    equal((sum(e["amount"] for e in history), history[0]["balanceAfter"]), (1830, 1830))


@test
def a_balance_pays_no_more_than_it_has_in_two_sales_at_once():
    user, = crowd(1, balance=1500)
    sales = [sale(max_active=5) for _ in range(6)]
    calls = []
    for concert, performance in sales:
        let_in([user], concert)
        calls.append(pay(user, concert, expect(user.hold(concert, performance, 1), 201)["reservationId"], key=new_key()))
    equal(told(volley(calls)), {201: 1, "INSUFFICIENT_BALANCE": 5})
    equal(expect(user.balance(), 200)["balance"], 500)


@test
def paying_leaving_and_releasing_at_once_ends_one_way():
    for _ in range(8):
        user, concert, reservation = holder(balance=1000)
        release = Call(user, "DELETE", f"/reservations/{reservation}")
        calls = [pay(user, concert, reservation), leave(user, concert), release]
        rng.shuffle(calls)
        volley(calls)
        r = expect(user.reservation(reservation), 200)
        p = expect(user.place(concert), 200)
        balance = expect(user.balance(), 200)["balance"]
        assert (r["status"], p["status"], balance) in (("PAID", "COMPLETED", 0), ("RELEASED", "LEFT", 1000)), (r, p, balance)


@test
def one_refund_for_a_cancellation_sent_thirty_times():
    user, concert, reservation = holder()
    expect(user.pay(concert, reservation, key=new_key()), 201)
    answers = volley([Call(user, "POST", f"/reservations/{reservation}/cancellation", key=new_key() if i % 2 else None) for i in range(30)])
    equal(told(answers), {200: 1, "RESERVATION_ENDED": 29})
    equal(expect(user.balance(), 200)["balance"], 5000)


# --- while things die ---


def charged_through(disturb):
    """Charges that go on, each repeated with its key until it is answered, while disturb() does its worst."""
    users = crowd(8)
    over = threading.Event()
    answered = {u: [] for u in users}
    failures = []

    def charge(user):
        n = 0
        while not over.is_set():
            n += 1
            key = new_key()
            for _ in range(400):
                call = Call(user, "POST", f"/users/{user.user_id}/balance/charges", {"amount": n}, key=key)
                try:
                    a, = volley([call], faults=True)
                except OSError:
                    a = None
                if a is not None and a.status == 201:
                    answered[user].append(n)
                    break
                if a is not None and a.status != 503 and a.code != "IDEMPOTENCY_IN_PROGRESS":
                    failures.append(str(a))
                time.sleep(0.05)
            else:
                failures.append(f"never answered: {key}")

    threads = [threading.Thread(target=charge, args=(u,)) for u in users]
    for t in threads:
        t.start()
    try:
        time.sleep(0.5)
        before = sum(map(len, answered.values()))
        disturb()
        time.sleep(0.5)
    finally:
        over.set()
        for t in threads:
            t.join(40)
    equal(failures, [])
    assert 0 < before < sum(map(len, answered.values())), "nothing went on"
    for u in users:
        history = u.pages(f"/users/{u.user_id}/balance/history", 100)
        equal([e["amount"] for e in reversed(history)], answered[u])
        equal(expect(u.balance(), 200)["balance"], sum(answered[u]))


@test
def charges_are_done_once_each_while_workers_are_killed():
    def disturb():
        for _ in range(10):
            workers = [w["pid"] for w in service_status()["workers"] if w["pid"]]
            os.kill(rng.choice(workers), signal.SIGKILL)
            time.sleep(0.1)
    charged_through(disturb)


@test
def charges_are_done_once_each_while_the_database_is_killed():
    def disturb():
        service.kill("mariadbd")
        wait_for(lambda: ready() == 503, 5, "not ready without a database")
        wait_for(lambda: ready() == 200, 30, "ready again by itself")
    charged_through(disturb)


def ready():
    return client.Client(service.port).call("GET", "/readyz").status


def service_status():
    return client.Client(service.port).call("GET", "/status").json


@test
def the_audit_finds_nothing():
    done = service.ctl_raw("audit", "--sale", "--fifo", timeout=60)
    assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout}{done.stderr}"
    tap.note(done.stdout)


def main():
    global service
    service = stack.Stack(workers=16)
    try:
        service.ready()
        return 1 if tap.run() else 0
    finally:
        service.stop()


if __name__ == "__main__":
    sys.exit(main())
