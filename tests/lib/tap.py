# SPDX-License-Identifier: 0BSD
"""Tests that speak TAP: register functions with @test, then run() them in that order.

A test passes by returning, fails by raising, and is left out by raising Skip. Its name is what it guards:
the function's name with spaces. Arguments of the program choose tests by a part of their names.
"""
import importlib.util
import os
import sys
import time
import traceback

_tests = []


class Skip(Exception):
    """This can't be tested here; the text says why."""


def test(function):
    _tests.append(function)
    return function


def skip(why):
    raise Skip(why)


def note(text):
    """A line for people."""
    for line in str(text).splitlines() or [""]:
        print("#", line, flush=True)


def title(function):
    return function.__name__.replace("_", " ").strip()


def _explain(error):
    """The error and the lines of the tests that led to it, without the library's own frames."""
    here = os.path.dirname(os.path.abspath(__file__))
    for frame in traceback.extract_tb(error.__traceback__):
        if not os.path.abspath(frame.filename).startswith(here):
            note(f"{os.path.basename(frame.filename)}:{frame.lineno}: {frame.line}")
    note(f"{type(error).__name__}: {error}"[:4000])


def need(*modules):
    """Modules that Debian's own python3 has, and another python3 on the way may not."""
    missing = [m for m in modules if importlib.util.find_spec(m) is None]
    debian = "/usr/bin/python3"
    if missing and os.path.exists(debian) and "BOXOFFICE_TEST_PYTHON" not in os.environ:
        os.environ["BOXOFFICE_TEST_PYTHON"] = debian
        os.execv(debian, [debian, *sys.argv])
    if missing:
        print("Bail out! install " + " ".join("python3-" + m for m in missing), flush=True)
        sys.exit(1)


def run(wanted=None, slow_s=5.0):
    """Runs all that match and returns how many failed."""
    wanted = sys.argv[1:] if wanted is None else wanted
    chosen = [t for t in _tests if not wanted or any(w.replace("_", " ") in title(t) for w in wanted)]
    print(f"1..{len(chosen)}", flush=True)
    failed = 0
    for number, function in enumerate(chosen, 1):
        began = time.monotonic()
        try:
            function()
            print(f"ok {number} - {title(function)}", flush=True)
        except Skip as why:
            print(f"ok {number} - {title(function)} # SKIP {why}", flush=True)
        except Exception as error:
            failed += 1
            print(f"not ok {number} - {title(function)}", flush=True)
            _explain(error)
        took = time.monotonic() - began
        if took > slow_s:
            note(f"took {took:.1f} s")
    return failed
