# SPDX-License-Identifier: 0BSD
"""What the tests share: three services, the description, and short ways to make concerts and users.

`main` has long times and demo concerts; `short` has passes, claims and holds of a second or two, lets
one charge a fortune, and has no room on its board for most queues; `limited` has nginx's rate limits on, and is the one that gets killed.
"""
import datetime
import os
import socket
import time

import openapi
import stack
from client import API, Client, User, expect

spec = openapi.Spec(os.path.join(stack.TOP_SRCDIR, "nginx", "openapi.yaml"))
RICH = 1_000_000

CLAIM_S, ACTIVE_S, HOLD_S = 1.0, 2.6, 1.2
SETTINGS = {
    "main": {"demo_data": True, "workers": 8, "board_concerts": 1024, "log_level": 7},
    "short": {"claim_ttl_ms": int(CLAIM_S * 1000), "active_ttl_ms": int(ACTIVE_S * 1000), "hold_ttl_ms": int(HOLD_S * 1000),
              "charge_max": 10**12, "workers": 6, "board_concerts": 1, "lock_wait_s": 1, "slow_request_ms": 400},
    "limited": {"limits": True, "workers": 4, "database_timeout_ms": 1000},
}
_stacks = {}


def start():
    for name, settings in SETTINGS.items():
        _stacks[name] = stack.Stack(**settings)


def stop():
    stack.stop_all()


def service(name="main"):
    return _stacks[name].ready()


def anybody(on="main"):
    """Somebody without credentials."""
    return Client(service(on).port, spec.see)


def user(balance=0, on="main", name="Kim"):
    return User(service(on).port, spec.see, name, balance)


def soon(seconds):
    """A time from now, as operators and answers write it."""
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def seconds_until(text):
    at = datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=datetime.timezone.utc)
    return at.timestamp() - time.time()


def concert(on="main", cap=None, title="Concert", opens=None, closes=None):
    """A new concert's id."""
    args = ["concert", "add", "--title", title]
    for flag, value in (("--max-active", cap), ("--sales-open", opens), ("--sales-close", closes)):
        if value is not None:
            args += [flag, value]
    return service(on).ctl(*args)["concertId"]


def performance(of, on="main", price=1000, seats=None, starts=None, venue="Hall", opens=None, closes=None):
    """A new performance's id."""
    args = ["performance", "add", of, "--starts-at", starts or soon(30 * 86400), "--venue", venue, "--price", price]
    for flag, value in (("--seats", seats), ("--sales-open", opens), ("--sales-close", closes)):
        if value is not None:
            args += [flag, value]
    return service(on).ctl(*args)["performanceId"]


def sale(on="main", cap=None, **more):
    """A new concert with a performance; both ids."""
    c = concert(on, cap)
    return c, performance(c, on, **more)


def joined(concert_id, balance=0, on="main"):
    """A new user in that queue."""
    u = user(balance, on)
    expect(u.join(concert_id), 201)
    return u


def held(concert_id, performance_id, *seats, balance=RICH, on="main"):
    """A new user with a hold; both."""
    u = joined(concert_id, balance, on)
    return u, expect(u.hold(concert_id, performance_id, *seats), 201)


def paid(concert_id, performance_id, *seats, balance=RICH, on="main"):
    """A new user with a paid reservation; user, reservation, payment."""
    u, r = held(concert_id, performance_id, *seats, balance=balance, on=on)
    return u, expect(u.reservation(r["reservationId"]), 200), expect(u.pay(concert_id, r["reservationId"]), 201)


def status_of(who, concert_id):
    return expect(who.place(concert_id), 200)["status"]


def queue_file(concert_id, on="main", wait=False):
    """The static file; that of a new concert may have to be waited for."""
    who = anybody(on)
    if wait:
        stack.wait_for(lambda: who.call("GET", f"/queue/{concert_id}.json").status == 200, 2, "a static file of the concert")
    return expect(who.call("GET", f"/queue/{concert_id}.json"), 200)


def listening(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def fill(path, **ids):
    """An address of the description with ids in it; 1 and a nobody where none are given."""
    for name in ("concertId", "performanceId", "reservationId", "paymentId"):
        path = path.replace("{" + name + "}", str(ids.get(name, 1)))
    return path.replace("{userId}", ids.get("userId", "00000000-0000-4000-8000-000000000000"))
