#!/usr/bin/python3
# SPDX-License-Identifier: 0BSD
"""boxofficectl rehearse: an on-sale on a copy sells, leaves the real concert alone, and ends in a page and a picture. Speaks TAP."""
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

sys.dont_write_bytecode = True  # the source folder may be read-only
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import stack
import tap
from client import User, expect
from stack import free_ports, wait_for
from tap import test

SEATS, ACTIVE, PEOPLE = 120, 25, 60
box = stack.Stack()
folder = tempfile.TemporaryDirectory(prefix="boxoffice-test-")
CTL = os.path.join(stack.TOP_BUILDDIR, "boxofficectl")


def add_concert():
    concert = box.ctl("concert", "add", "--title", "Winter Jazz & <Friends>", "--max-active", ACTIVE)["concertId"]
    for day in (24, 25):
        box.ctl("performance", "add", concert, "--starts-at", f"2036-12-{day}T20:00:00+09:00", "--venue", "부산 영화의전당", "--price", 66000, "--seats", SEATS)
    return concert


def command(*args, address=None, as_json=False):
    return [CTL, "--config", box.config, *(["--json"] if as_json else []), "rehearse", *map(str, args), "--url", address or f"http://127.0.0.1:{box.port}"]


def rehearse(*args, timeout=60, **more):
    return subprocess.run(command(*args, **more), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, cwd=folder.name)


def concerts():
    return {c["concertId"]: c for c in box.ctl("concert", "list")}


def picture(name):
    """Its texts; it must be well-formed."""
    root = xml.etree.ElementTree.parse(os.path.join(folder.name, name)).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg", root.tag
    for path in root.iter("{http://www.w3.org/2000/svg}path"):
        assert re.fullmatch(r"M[-0-9.MLhZ ]+", path.get("d")), path.get("d")
    return [t.text for t in root.iter("{http://www.w3.org/2000/svg}text")]


def untouched(concert):
    """Nobody has ever joined it, and no seat of it is taken."""
    queue = box.ctl("queue", "show", concert)
    assert (queue["tail"], queue["draining"], queue["maxActive"]) == (0, False, ACTIVE), queue
    kim = User(box.port)
    assert expect(kim.join(concert), 201)["number"] == 1
    for date in expect(kim.performances(concert), 200)["items"]:
        assert date["availableSeats"] == date["totalSeats"] == SEATS, date
    expect(kim.leave(concert), 204)
    kim.close()


@test
def it_sells_on_a_copy_and_the_audit_holds():
    real = add_concert()
    done = rehearse(real, "--people", PEOPLE, "--minutes", 0.1)
    assert done.returncode == 0, done.stdout + done.stderr
    page = done.stdout
    copy = int(re.search(r"Played on concert (\d+), a copy of concert (\d+)", page).group(1))
    made = concerts()
    assert made[copy]["title"] == "Rehearsal of Winter Jazz & <Friends>" and made[copy]["performances"] == 2, made[copy]
    assert made[copy]["salesCloseAt"] > made[copy]["salesOpenAt"], made[copy]
    sold = int(re.search(r"sales +(\d+) of (\d+) seats", page).group(1))
    assert sold > PEOPLE / 4, page
    for part in ("REACHED", "ANSWERS", "REFUSED AND FAILED", "WHAT GAVE WAY", "THE MACHINE", "WHAT TO SET", "THE AUDIT", "max_active", "checks hold",
                 "two payments for one: 0", f"rehearsal-{copy}.svg"):
        assert part in page, f"no {part} in:\n{page}"
    assert max(map(len, page.splitlines())) <= 120, page
    queue = box.ctl("queue", "show", copy)
    assert queue["draining"] and queue["waiting"] == queue["active"] == 0 and queue["maxActive"] == ACTIVE, queue
    texts = picture(f"rehearsal-{copy}.svg")
    for part in (made[copy]["title"], "People", "Joins, a second", "Sales, a minute", "Time of answers, ms", "Refused and failed, a second", "Busy, %",
                 "waiting", "let in", "sales open", "0:00"):
        assert part in texts, f"no {part} in {texts}"
    untouched(real)
    assert "joined" in done.stderr and "\r" not in done.stderr, done.stderr


@test
def those_who_misbehave_break_nothing_over_tls():
    real = add_concert()
    done = rehearse(real, "--people", PEOPLE, "--minutes", 0.08, "--misbehaving", 100, "--max-active", 40, "--picture", "mine.svg", as_json=True,
                    address=f"https://localhost:{box.https_port}")
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    played, reached = told["played"], told["reached"]
    assert played["roles"]["buyers"] == 0 and all(n > 0 for role, n in played["roles"].items() if role != "buyers"), played
    assert played["copyOf"] == real and played["maxActive"] == 40 and played["placesLeft"] == 0, played
    assert reached["sold"] > 0 and reached["paidTwice"] == 0 and reached["joined"] == PEOPLE, reached
    assert told["auditHolds"] is True and told["audit"], told["audit"]
    assert not told["errorsBehaving"] and "no connection" not in told["errorsMisbehaving"], told
    assert told["answers"]["release"]["count"] > 0 and told["machine"]["serviceSeen"], told
    assert picture("mine.svg")
    untouched(real)


@test
def it_ends_on_ctrl_c_and_tells_what_it_saw():
    real = add_concert()
    process = subprocess.Popen(command(real, "--people", PEOPLE, "--minutes", 5, "--misbehaving", 50, "--no-audit"), stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder.name, start_new_session=True)
    copy = wait_for(lambda: max(concerts()) > real and max(concerts()), 20, "the copy")
    wait_for(lambda: box.ctl("queue", "show", copy)["tail"] >= 5, 20, "somebody joins")
    os.killpg(process.pid, signal.SIGINT)  # to all of them, as a terminal does
    page, errors = process.communicate(timeout=20)
    assert process.returncode == 0, page + errors
    assert "It was stopped before its end." in page and "Left out (--no-audit)" in page, page
    assert int(re.search(r"joins +(\d+)", page).group(1)) >= 5, page
    queue = box.ctl("queue", "show", copy)
    assert queue["draining"] and queue["waiting"] == queue["active"] == 0, queue
    assert picture(f"rehearsal-{copy}.svg")


@test
def it_refuses_what_it_cannot_play():
    real, nobody = add_concert(), free_ports(1)[0]
    over = box.ctl("concert", "add", "--title", "Over")["concertId"]
    box.ctl("performance", "add", over, "--starts-at", "2020-01-01T20:00:00Z", "--venue", "V", "--price", 1)
    before = concerts()
    usual = ("--people", 10, "--minutes", 0.1)
    for status, words, args, address in (
            (1, "192.0.2.1 is not this host", (real, *usual), "http://192.0.2.1"),
            (1, "they must be the same", (real, *usual, "--confirm-mine", "192.0.2.2"), "http://192.0.2.1"),
            (2, "start the service", (real, *usual), f"http://127.0.0.1:{nobody}"),
            (2, "--url must be", (real, *usual), "127.0.0.1"),
            (1, "There is no such concert", (over + 1000, *usual), None),
            (1, "no date that is still to come", (over, *usual), None),
            (2, "--people must be", (real, "--people", 200001, "--minutes", 1), None),
            (2, "--people must be", (real, "--minutes", 1), None),
            (2, "--minutes must be", (real, "--people", 5, "--minutes", 121), None),
            (2, "--minutes must be", (real, "--people", 5, "--minutes", "nan"), None),
            (2, "--misbehaving must be", (real, *usual, "--misbehaving", 101), None)):
        done = rehearse(*args, address=address)
        assert done.returncode == status and words in done.stderr, f"{args} {address}: {done}"
        assert done.stderr.count("\n") == 1 and not done.stdout, done
    assert concerts() == before, "a concert was added"


box.ready()
sys.exit(1 if tap.run() else 0)
