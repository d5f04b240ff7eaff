"""Without the database, without workers, and with too much to do."""
import contextlib
import signal
import threading
import time

from client import API, Client, User, expect
from common import anybody, concert, performance, queue_file, sale, service, spec
from stack import alive, wait_for
from tap import test

QUICK_S = 3.0  # nobody is kept waiting for what is not there


def status(path, **more):
    return anybody("limited").call("GET", path, **more)


@contextlib.contextmanager
def nobody_restarts(on="limited"):
    """Holds the supervisor still: what dies stays dead for a while."""
    service(on).kill("supervisor", signal.SIGSTOP)
    try:
        yield
    finally:
        service(on).kill("supervisor", signal.SIGCONT)


_kept = {}


@test
def too_many_requests_of_one_address_are_429():
    service("limited")
    seen, lock = [], threading.Lock()

    def charge():
        who = Client(service("limited").port, timeout_s=10)
        for _ in range(2):
            answer = who.call("POST", API + "/users/00000000-0000-4000-8000-000000000000/balance/charges", b"{}")
            with lock:
                seen.append(answer)

    threads = [threading.Thread(target=charge) for _ in range(60)]
    began = time.monotonic()
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for answer in seen:
        spec.see(answer)
    codes = {answer.code for answer in seen}
    assert codes == {"CREDENTIALS_MISSING", "RATE_LIMITED"}, codes
    assert all(a.took_s < 0.5 for a in seen if a.status == 429), "a refusal is told at once"
    assert time.monotonic() - began < 15


@test
def an_ordinary_buyer_is_not_limited():
    c, p = sale("limited")
    who = User(service("limited").port, spec.see)
    wait_for(lambda: who.charge(5000).status == 201, 10, "the limit forgets")
    expect(who.join(c), 201)
    for _ in range(10):
        expect(who.seats(c, p), 200)
    r = expect(who.hold(c, p, 1), 201)
    payment = expect(who.pay(c, r["reservationId"], key="kept"), 201)
    waiting = concert("limited", cap=0)
    place = expect(who.join(waiting), 201)
    _kept.update(who=who, concert=c, reservation=r["reservationId"], payment=payment, waiting=waiting, place=place, performance=p)


@test
def without_the_database_it_says_so_quickly():
    who = _kept["who"]
    wait_for(lambda: {q["concertId"] for q in expect(status("/status"), 200)["queues"]} >= {_kept["concert"], _kept["waiting"]}, 5, "the queues in the status")
    with nobody_restarts():
        pid = service("limited").kill("mariadbd")
        wait_for(lambda: not alive(pid), 5, "the database is gone")
        # What is in memory is told for a tick and 100 ms yet.
        wait_for(lambda: who.get("/concerts").status == 503, 1, "memory that is too old is not told")
        for ask in (who.balance, lambda: who.get("/concerts"), lambda: who.charge(1), lambda: who.join(_kept["concert"]), lambda: status("/readyz")):
            for _ in range(2):
                answer = ask()
                expect(answer, 503, "DATABASE_UNAVAILABLE")
                assert answer.took_s < QUICK_S, f"{answer.took_s:.1f} s: {answer}"
        expect(status("/healthz"), 200)
        expect(status("/nope"), 404, "ROUTE_NOT_FOUND")
        expect(anybody("limited").call("GET", API + "/reservations"), 401, "CREDENTIALS_MISSING")
        # How it is can be seen all the while.
        how = wait_for(lambda: (lambda s: None if s["database"]["reachable"] else s)(expect(status("/status"), 200)), 6, "the status tells", every=0.2)
        assert how["database"]["lastAnswerAgeMs"] > 1000 and how["database"]["errors"]["unreachable"] > 0, how["database"]
        assert how["requests"]["codes"]["DATABASE_UNAVAILABLE"] >= 10 and how["requests"]["5xx"] >= 10, how["requests"]
        assert {q["title"] for q in how["queues"]} >= {"Concert"}, how["queues"]
        assert b'boxoffice_database_errors_total{kind="unreachable"}' in status("/metrics").raw


@test
def it_comes_back_by_itself_with_all_that_was_answered():
    who = _kept["who"]
    wait_for(lambda: status("/readyz").status == 200, 20, "the database is back", every=0.1)
    wait_for(lambda: who.balance().status == 200, 5, "answers again")
    assert expect(who.balance(), 200)["balance"] == 4000
    assert expect(who.reservation(_kept["reservation"]), 200)["status"] == "PAID"
    again = who.pay(_kept["concert"], _kept["reservation"], key="kept")
    assert again.replayed and expect(again, 201) == _kept["payment"]
    place = expect(who.place(_kept["waiting"]), 200)
    assert (place["number"], place["status"]) == (_kept["place"]["number"], "WAITING")
    expect(who.charge(1), 201)


@test
def after_an_outage_people_are_let_in_again():
    c = _kept["waiting"]
    service("limited").ctl("queue", "set", c, "--max-active", 1)
    wait_for(lambda: expect(_kept["who"].place(c), 200)["status"] == "ACTIVE", 10, "let in", every=0.1)
    # The rows say so first: the ticker may have had no time for this file since it was let in.
    assert queue_file(c, "limited", wait=True)["concertId"] == c


@test
def without_workers_nginx_says_so():
    with nobody_restarts():
        pid = service("limited").kill("fcgi")
        wait_for(lambda: not alive(pid), 5, "the master is gone")
        answer = wait_for(lambda: (lambda a: a if a.status == 503 else None)(status(API + "/concerts")), 5, "the workers are gone with their master")
        expect(answer, 503, "BUSY")
        began = time.monotonic()
        expect(anybody("limited").call("POST", API + "/users", {"name": "a"}), 503, "BUSY")
        assert time.monotonic() - began < QUICK_S
        expect(status("/nope"), 404, "ROUTE_NOT_FOUND")
        assert status("/openapi.yaml").status == 200
        expect(status(f"/queue/{_kept['concert']}.json"), 200)
    wait_for(lambda: status("/readyz").status == 200, 15, "workers again", every=0.1)
    assert expect(_kept["who"].reservation(_kept["reservation"]), 200)["status"] == "PAID"
    # That workers answer says nothing of the ticker, which reads nginx's notes when it has its turn.
    how = wait_for(lambda: (lambda s: s if (s["nginxErrors"] or {}).get("BUSY") and s["database"]["reachable"] else None)(expect(status("/status"), 200)),
                   10, "the refusals counted", every=0.1)
    assert how["nginxErrors"]["BUSY"] >= 2, how


@test
def a_frozen_database_does_not_keep_everybody():
    """Its port answers, and nothing else does: what is asked ends by itself."""
    with nobody_restarts():
        service("limited").freeze("mariadbd")
        try:
            answer = _kept["who"].balance()
            assert answer.status == 503 and answer.took_s < 5, f"{answer.took_s:.1f} s: {answer}"
        finally:
            service("limited").kill("mariadbd", signal.SIGCONT)
    wait_for(lambda: _kept["who"].balance().status == 200, 10, "answers again", every=0.1)
