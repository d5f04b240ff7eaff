# SPDX-License-Identifier: 0BSD
"""Places in a queue: numbers, the cap, the order, leaving, pausing, sales windows, the static file."""
import threading
import time

from client import API, expect
from common import anybody, concert, held, joined, performance, queue_file, sale, seconds_until, service, soon, status_of, user
from stack import wait_for
from tap import test

FILLED_S = 1.0  # promised
SLACK_S = 0.4  # for the asking


def let_in(who, concert_id, within=FILLED_S + SLACK_S):
    wait_for(lambda: status_of(who, concert_id) == "ACTIVE", within, f"number {who.place(concert_id).json['number']} let in")


def stays(who, concert_id, status, seconds=0.5):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        place = expect(who.place(concert_id), 200)
        assert place["status"] == status, f"{place['status']}, not {status}"
        time.sleep(0.05)


@test
def one_who_joins_while_there_is_room_is_let_in_at_once():
    c = concert()
    who = user()
    answer = who.join(c)
    place = expect(answer, 201)
    assert (place["concertId"], place["userId"], place["status"], place["number"], place["ahead"]) == (c, who.user_id, "ACTIVE", 1, 0), place
    assert 590 < seconds_until(place["expiresAt"]) <= 601 and -5 < seconds_until(place["joinedAt"]) < 1
    del place["token"]
    assert expect(who.place(c), 200) == place


@test
def joining_again_gives_the_same_number():
    c = concert(cap=1)
    first, second = joined(c), joined(c)
    for who, number, status in ((first, 1, "ACTIVE"), (second, 2, "WAITING")):
        for _ in range(3):
            again = expect(who.join(c), 200)
            assert (again["number"], again["status"]) == (number, status)
        expect(who.place(c), 200)
    assert expect(joined(c).place(c), 200)["number"] == 3


@test
def an_older_token_of_a_place_stays_good():
    c = concert(cap=1)
    joined(c)
    who = joined(c)
    old = who.tokens[c]
    expect(who.join(c), 200)
    assert expect(who.call("GET", API + f"/concerts/{c}/queue", token=old), 200)["number"] == 2


@test
def numbers_are_drawn_in_the_order_of_joining_and_ahead_counts_those_in_front():
    c = concert(cap=2)
    crowd = [user() for _ in range(6)]
    places = [expect(u.join(c), 201) for u in crowd]
    assert [p["number"] for p in places] == [1, 2, 3, 4, 5, 6]
    assert [p["status"] for p in places] == ["ACTIVE"] * 2 + ["WAITING"] * 4
    assert [p["ahead"] for p in places] == [0, 0, 0, 1, 2, 3]
    assert all(p["expiresAt"] is None and p["pollAfterSeconds"] >= 1 for p in places[2:])
    time.sleep(0.3)
    assert [expect(u.place(c), 200)["ahead"] for u in crowd] == [0, 0, 0, 1, 2, 3]


@test
def a_wait_is_not_estimated_while_nothing_is_known():
    c = concert(cap=0)
    who = joined(c)
    assert expect(who.place(c), 200)["estimatedWaitSeconds"] is None
    assert expect(who.join(c), 200)["estimatedWaitSeconds"] is None


@test
def leaving_lets_the_next_in_within_a_second_by_number():
    c = concert(cap=1)
    crowd = [joined(c) for _ in range(4)]
    for leaver, following, rest in ((0, 1, [2, 3]), (1, 2, [3])):
        expect(crowd[leaver].leave(c), 204)
        let_in(crowd[following], c)
        assert [status_of(crowd[i], c) for i in rest] == ["WAITING"] * len(rest)
    assert expect(crowd[3].place(c), 200)["ahead"] == 0


@test
def those_who_left_are_not_counted_ahead():
    c = concert(cap=1)
    crowd = [joined(c) for _ in range(6)]  # 1 active, 2..6 waiting
    seen = []
    for leaver, ahead in ((3, 3), (1, 2), (2, 1)):
        expect(crowd[leaver].leave(c), 204)
        wait_for(lambda: seen.append(expect(crowd[5].place(c), 200)["ahead"]) or seen[-1] == ahead, 1 + SLACK_S, f"{ahead} ahead")
    stays(crowd[5], c, "WAITING")
    assert expect(crowd[5].place(c), 200)["ahead"] == 1 and seen == sorted(seen, reverse=True), seen
    expect(crowd[0].leave(c), 204)
    let_in(crowd[4], c)
    assert expect(crowd[5].place(c), 200)["ahead"] == 0


@test
def ahead_never_grows():
    c = concert(cap=1)
    crowd = [joined(c) for _ in range(8)]
    seen, done = [], threading.Event()

    def watch():
        while not done.is_set():
            place = expect(crowd[7].place(c), 200)
            seen.append((place["ahead"], place["status"]))
            time.sleep(0.01)

    watcher = threading.Thread(target=watch)
    watcher.start()
    for who in (crowd[5], crowd[0], crowd[2], crowd[6]):
        expect(who.leave(c), 204)
        expect(joined(c).leave(c), 204)
        time.sleep(0.25)
    done.set()
    watcher.join()
    aheads = [a for a, _ in seen]
    assert len(seen) > 20 and aheads == sorted(aheads, reverse=True), aheads


@test
def a_place_that_was_left_has_ended():
    c, p = sale()
    who = joined(c)
    expect(who.leave(c), 204)
    place = expect(who.place(c), 200)
    assert (place["status"], place["number"]) == ("LEFT", 1)
    expect(who.leave(c), 204)
    expect(who.performances(c), 401, "QUEUE_TOKEN_EXPIRED")
    expect(who.seats(c, p), 401, "QUEUE_TOKEN_EXPIRED")
    expect(who.hold(c, p, 1), 401, "QUEUE_TOKEN_EXPIRED")
    expect(who.pay(c, 1), 401, "QUEUE_TOKEN_EXPIRED")


@test
def one_who_left_draws_a_new_number_at_the_tail():
    c = concert(cap=1)
    joined(c)
    who, other = joined(c), joined(c)
    old = who.tokens[c]
    expect(who.leave(c), 204)
    again = expect(who.join(c), 201)
    assert (again["number"], again["status"]) == (4, "WAITING")
    # Told from memory while it waited: that it left may take a moment to be seen.
    wait_for(lambda: expect(who.call("GET", API + f"/concerts/{c}/queue", token=old), 200)["status"] == "LEFT", 1, "the old place has ended")
    wait_for(lambda: expect(other.place(c), 200)["ahead"] == 0, 1, "who left is not counted")


@test
def one_who_waits_sees_and_holds_nothing():
    c, p = sale(cap=1)
    joined(c)
    who = joined(c)
    joined(c)
    for answer in (who.performances(c), who.seats(c, p), who.hold(c, p, 1), who.pay(c, 1)):
        assert expect(answer, 403, "QUEUE_NOT_ADMITTED")["ahead"] == 0
    answer = who.hold(c, p, 1, key="waiting")
    expect(answer, 403, "QUEUE_NOT_ADMITTED")


@test
def a_token_is_good_for_its_concert_only():
    (a, p), (b, q) = sale(), sale(cap=0)
    who = joined(a)
    for method, path in (("GET", f"/concerts/{b}/queue"), ("DELETE", f"/concerts/{b}/queue"), ("GET", f"/concerts/{b}/performances"), ("GET", f"/performances/{q}/seats")):
        expect(who.with_token(a, method, path), 403, "QUEUE_TOKEN_WRONG_CONCERT")
    expect(who.with_token(a, "POST", f"/performances/{q}/reservations", {"seatNumbers": [1]}), 403, "QUEUE_TOKEN_WRONG_CONCERT")
    # Before whether one is let in: a waiting token for another concert is a wrong one, too.
    waiting = joined(b)
    expect(waiting.with_token(b, "GET", f"/performances/{p}/seats"), 403, "QUEUE_TOKEN_WRONG_CONCERT")
    expect(waiting.with_token(b, "GET", f"/concerts/{a}/performances"), 403, "QUEUE_TOKEN_WRONG_CONCERT")
    reservation = expect(who.hold(a, p, 1), 201)["reservationId"]
    expect(who.join(b), 201)
    expect(who.pay(b, reservation), 403, "QUEUE_TOKEN_WRONG_CONCERT")
    assert status_of(who, a) == "ACTIVE"


@test
def a_performance_is_not_taken_for_the_concert_of_its_number():
    mine, others = concert(cap=0), concert()
    p = performance(others, seats=1)
    while p != mine:  # until a performance of another concert has the number of mine
        if p < mine:
            p = performance(others, seats=1)
        else:
            mine = concert(cap=0)
    who = joined(mine)
    time.sleep(0.3)  # known to the memory that answers those who wait
    expect(who.seats(mine, p), 403, "QUEUE_TOKEN_WRONG_CONCERT")
    expect(who.hold(mine, p, 1), 403, "QUEUE_TOKEN_WRONG_CONCERT")
    expect(who.performances(mine), 403, "QUEUE_NOT_ADMITTED")


@test
def queues_do_not_know_each_other():
    a, b = concert(cap=1), concert(cap=1)
    who = joined(a)
    assert expect(who.join(b), 201)["status"] == "ACTIVE"
    assert expect(joined(b).place(b), 200)["number"] == 2 and expect(who.place(a), 200)["number"] == 1


@test
def paying_ends_the_place_and_lets_the_next_in():
    c, p = sale(cap=1)
    who, r = held(c, p, 1)
    following = joined(c)
    expect(who.pay(c, r["reservationId"]), 201)
    let_in(following, c)
    assert status_of(who, c) == "COMPLETED"
    assert expect(who.join(c), 201)["number"] == 3


@test
def a_paused_queue_lets_nobody_in_and_nobody_out():
    c, p = sale(cap=2)
    inside = joined(c)
    service().ctl("queue", "pause", c)
    outside = joined(c)
    assert expect(outside.place(c), 200)["status"] == "WAITING"
    stays(outside, c, "WAITING", 0.6)
    expect(inside.hold(c, p, 1), 201)
    queue_file(c, wait=True)
    wait_for(lambda: queue_file(c)["paused"], 1.5, "the file says paused")
    service().ctl("queue", "resume", c)
    let_in(outside, c)
    wait_for(lambda: not queue_file(c)["paused"], 1.5, "the file says resumed")


@test
def a_cap_lowered_below_those_inside_throws_nobody_out():
    c = concert(cap=3)
    inside = [joined(c) for _ in range(3)]
    outside = joined(c)
    service().ctl("queue", "set", c, "--max-active", 1)
    expect(inside[0].leave(c), 204)
    expect(inside[1].leave(c), 204)
    stays(outside, c, "WAITING", 0.5)
    assert status_of(inside[2], c) == "ACTIVE"
    expect(inside[2].leave(c), 204)
    let_in(outside, c)


@test
def a_raised_cap_lets_in_as_many_as_fit_by_number():
    c = concert(cap=0)
    crowd = [joined(c) for _ in range(5)]
    service().ctl("queue", "set", c, "--max-active", 3)
    let_in(crowd[2], c)
    assert [status_of(u, c) for u in crowd] == ["ACTIVE"] * 3 + ["WAITING"] * 2


@test
def before_sales_open_one_can_join_and_waits():
    c = concert(opens=soon(2.5))
    who = joined(c)
    assert expect(who.place(c), 200)["status"] == "WAITING"
    performance_opens = seconds_until(expect(who.get(f"/concerts/{c}"), 200)["salesOpenAt"])
    assert performance_opens < 2.5
    stays(who, c, "WAITING", max(0, performance_opens - 0.3))
    let_in(who, c, 0.3 + FILLED_S + SLACK_S)


@test
def after_sales_closed_nobody_can_join():
    closes = soon(3)
    c = concert(closes=closes)
    p = performance(c)
    who = joined(c)
    assert len(expect(who.performances(c), 200)["items"]) == 1
    late = user()
    expect(late.join(c, key="early"), 201)
    time.sleep(max(0, seconds_until(closes)) + 0.1)
    expect(user().join(c), 409, "SALES_CLOSED")
    again = late.join(c, key="early")
    assert again.status == 201 and again.replayed, again
    assert status_of(who, c) == "ACTIVE" and expect(who.performances(c), 200)["items"] == []
    expect(who.hold(c, p, 1), 409, "SALES_CLOSED")
    assert expect(who.join(c), 200)["number"] == 1, "who is in stays in"


@test
def a_queue_that_is_drained_takes_nobody_more():
    c = concert(cap=1)
    inside, outside, late = joined(c), joined(c), user()
    done = []
    drain = threading.Thread(target=lambda: done.append(service().ctl_raw("queue", "drain", c)))  # until it is empty
    drain.start()
    wait_for(lambda: service().ctl("queue", "show", c)["draining"], 2, "draining")
    expect(late.join(c), 409, "SALES_CLOSED")
    assert expect(outside.join(c), 200)["number"] == 2, "who waits may wait on"
    expect(inside.leave(c), 204)
    let_in(outside, c)
    assert not done
    expect(outside.leave(c), 204)
    drain.join()
    assert done[0].returncode == 0, done[0]
    service().ctl("queue", "drain", c, "--off")
    assert expect(late.join(c), 201)["number"] == 3


@test
def the_static_file_tells_the_queue():
    c, p = sale(cap=2, seats=10)
    crowd = [joined(c) for _ in range(5)]
    expect(crowd[0].hold(c, p, 1, 2), 201)

    def told():
        f = queue_file(c, wait=True)
        return f if f["tail"] == 5 and f["seatsLeft"] == 8 else None

    f = wait_for(told, 2.0, "the file tells five joins and eight seats")
    assert (f["concertId"], f["admittedThrough"], f["waiting"], f["active"], f["maxActive"], f["paused"]) == (c, 2, 3, 2, 2, False), f
    expect(crowd[2].leave(c), 204)
    expect(crowd[0].leave(c), 204)
    f = wait_for(lambda: (lambda f: f if f["admittedThrough"] == 4 else None)(queue_file(c)), 2.0, "number 4 in the file")
    assert (f["waiting"], f["active"], f["tail"]) == (1, 2, 5), f
    assert [status_of(u, c) for u in crowd] == ["LEFT", "ACTIVE", "LEFT", "ACTIVE", "WAITING"]


@test
def the_static_file_is_fresh_and_may_be_kept_a_second():
    c = concert(cap=0)
    queue_file(c, wait=True)
    answer = anybody().call("GET", f"/queue/{c}.json")
    assert answer.header("Cache-Control") == "public, max-age=1"
    for _ in range(4):
        joined(c)
        time.sleep(0.2)
        assert seconds_until(queue_file(c)["updatedAt"]) > -1.2
    assert seconds_until(queue_file(c)["updatedAt"]) > -6


@test
def the_static_file_of_no_concert_is_not_there():
    for name in ("99999999", "0", "x", "99999999999999999999", "-1"):
        answer = anybody().call("GET", f"/queue/{name}.json")
        assert answer.status == 404 and answer.code in ("ROUTE_NOT_FOUND", "CONCERT_NOT_FOUND"), answer


@test
def a_queue_of_sixteen_million_is_full():
    """The row's count of those who wait decides: it is set as if they were there, and put back."""
    c = concert(cap=0)
    who = joined(c)
    service().sql(f"UPDATE queue SET waiting = 16777216 WHERE concert_id = {c}")
    answer = user().join(c)
    service().sql(f"UPDATE queue SET waiting = 16777215 WHERE concert_id = {c}")
    last = user()
    place = expect(last.join(c), 201)
    service().sql(f"UPDATE queue SET waiting = 2 WHERE concert_id = {c}")
    expect(answer, 503, "QUEUE_FULL")
    assert answer.header("Retry-After") and place["number"] == 2, place
    assert expect(who.join(c), 200)["number"] == 1


@test
def joining_is_refused_where_there_is_no_concert():
    expect(user().join(99999999), 404, "CONCERT_NOT_FOUND")
    who = user()
    for expected_replay in (False, True):
        answer = who.join(99999999, key="none")
        expect(answer, 404, "CONCERT_NOT_FOUND")
        assert answer.replayed == expected_replay
