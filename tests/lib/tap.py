"""Tests that speak TAP: register functions with @test, then run() them in that order.

A test passes by returning, fails by raising, and is left out by raising Skip. Its name is what it guards:
the function's name with spaces. Arguments of the program choose tests by a part of their names.
"""
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
