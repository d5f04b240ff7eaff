#!/usr/bin/python3
# SPDX-License-Identifier: 0BSD
"""The manual pages say what the programs do: each command, option and setting, and none that is not there. Speaks TAP."""
import os
import re
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True  # the source folder may be read-only
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import stack
import tap
from tap import test

PAGES = {
    "boxofficectl.1": os.path.join(stack.TOP_SRCDIR, "man", "boxofficectl.1"),
    "boxoffice-backup.8": os.path.join(stack.TOP_SRCDIR, "man", "boxoffice-backup.8"),
    "boxoffice-fcgi.8": os.path.join(stack.TOP_SRCDIR, "man", "boxoffice-fcgi.8"),
    "boxoffice.conf.5": os.path.join(stack.TOP_BUILDDIR, "man", "boxoffice.conf.5"),
}


def need_mandoc():
    if not shutil.which("mandoc"):
        tap.skip("there is no mandoc")


def source(name):
    with open(os.path.join(stack.TOP_SRCDIR, "fcgi-app", name), encoding="utf-8") as f:
        return f.read()


def page(name):
    """As it is read, each paragraph in one line."""
    need_mandoc()
    done = subprocess.run(["mandoc", "-Tascii", "-Owidth=1000", PAGES[name]], capture_output=True, text=True, check=True)
    return re.sub(".\b", "", done.stdout)


def section(name, title):
    found = re.search(rf"^{title}\n(.*?)(?=^\S)", page(name), re.M | re.S)
    assert found, f"{name} has no section {title}"
    return found.group(1)


def same(page_name, documented, known, what):
    """Two sets; what is in one only is told."""
    missing, unknown = sorted(known - documented), sorted(documented - known)
    assert not missing and not unknown, "\n".join([f"{page_name} lacks the {what} {m}" for m in missing] +
                                                  [f"{page_name} has a {what} that there is not: {u}" for u in unknown])


def usage(program):
    return subprocess.run([os.path.join(stack.TOP_BUILDDIR, program), "--help"], capture_output=True, text=True, check=True).stdout


def options(text):
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text))


@test
def mandoc_finds_nothing():
    need_mandoc()
    done = subprocess.run(["mandoc", "-Tlint", "-Wall", *PAGES.values()], capture_output=True, text=True)
    # What other pages this machine has says nothing about ours; each of our own is looked for below.
    told = [line for line in (done.stdout + done.stderr).splitlines() if "referenced manual not found" not in line and "outdated mandoc.db" not in line]
    assert not told, "\n".join(told)


@test
def pages_refer_to_pages_that_there_are():
    for path in PAGES.values():
        with open(path, encoding="utf-8") as f:
            for name, number in re.findall(r"^\.Xr (boxoffice\S*) (\d)", f.read(), re.M):
                assert f"{name}.{number}" in PAGES, f"{path}: {name}({number})"


@test
def boxofficectl_has_each_command_and_no_other():
    known = {line.strip() for line in usage("boxofficectl").splitlines()[1:]}
    assert len(known) > 5, known
    items = {line.strip() for line in re.findall(r"^ {5}\S.*", section("boxofficectl.1", "COMMANDS"), re.M)}
    same("boxofficectl(1)", items, known, "command")


@test
def boxofficectl_has_each_option_and_no_other():
    known = {"--" + name for name in re.findall(r'^ *\{"([a-z-]+)", (?:no|required)_argument', source("admin/boxofficectl.c"), re.M)}
    assert {"--config", "--json", "--title"} <= known, known
    same("boxofficectl(1)", options(page("boxofficectl.1")), known, "option")
    synopsis = " ".join(section("boxofficectl.1", "SYNOPSIS").split())
    assert synopsis == usage("boxofficectl").splitlines()[0].removeprefix("Usage: "), synopsis


@test
def boxoffice_fcgi_has_each_option_and_no_other():
    same("boxoffice-fcgi(8)", options(page("boxoffice-fcgi.8")), options(usage("boxoffice-fcgi")), "option")


@test
def boxoffice_backup_has_each_usage_and_no_other():
    done = subprocess.run([os.path.join(stack.TOP_SRCDIR, "sql", "boxoffice-backup")], capture_output=True, text=True)
    # The page calls the last word something else than FILE, of which there are two.
    verbs = lambda lines: {" ".join(line.partition("  ")[0].split()[:-1]).lower() for line in lines if line.strip()}
    known = verbs(done.stderr.splitlines())
    assert known, done
    same("boxoffice-backup(8)", verbs(line.strip() for line in section("boxoffice-backup.8", "SYNOPSIS").splitlines()), known, "usage")


@test
def boxoffice_conf_has_each_setting_with_default_range_and_unit():
    """Held against the table itself, not against what prints the page."""
    rows = source("base/config.def")
    settings = section("boxoffice.conf.5", "SETTINGS")
    known = set(re.findall(r"^(?:U64|TEXT)\((\w+),", rows, re.M))
    assert len(known) == len(re.findall(r"^[A-Z_0-9]+\(", rows, re.M)), "a row of config.def is of a kind that this test does not know"
    same("boxoffice.conf(5)", set(re.findall(r"^ {5}(\w+)$", settings, re.M)), known, "setting")
    told = dict(re.findall(r"^ {5}(\w+)\n((?: {11}.*\n?)*)", settings, re.M))
    for name, default, least, most, unit in re.findall(r'^U64\((\w+),\s*(\d+),\s*(\d+),\s*(\d+),\s*"([^"]*)"', rows, re.M):
        line = f"{least} to {most} ({unit}); default: {default}"
        assert line in told[name].splitlines()[-1], f"boxoffice.conf(5), {name}: expected `{line}`, found: {told[name]}"
    for name, default in re.findall(r'^TEXT\((\w+),\s*("[^"]*"|\w+)', rows, re.M):
        line = "default: empty" if default == '""' else f"default: {default[1:-1]}" if default[0] == '"' else "default: /"
        assert line in told[name].splitlines()[-1], f"boxoffice.conf(5), {name}: expected `{line}`, found: {told[name]}"
    for name, text in re.findall(r'^(?:U64|TEXT)\((\w+),.*"([^"]*)"\)', rows, re.M):
        plain = lambda s: re.sub(r"[\s'`]+", " ", s).strip()
        assert plain(text) in plain(told[name]), f"boxoffice.conf(5), {name}: its text is not there: {text}"


def journal_fields():
    """Those that the sources write, in log.c and beside their log lines."""
    rooms = os.path.join(stack.TOP_SRCDIR, "fcgi-app")
    text = "".join(source(os.path.join(room, name)) for room in os.listdir(rooms) for name in os.listdir(os.path.join(rooms, room)) if name.endswith(".c"))
    fields = set(re.findall(r"(?:\\n|\b)(BOXOFFICE_[A-Z_]+|PRIORITY|SYSLOG_IDENTIFIER)=", text))
    for row in re.findall(r"struct log_field \w+\[\] = \{(.*?)\};", text, re.S):
        fields |= {"BOXOFFICE_" + name for name in re.findall(r'\{"([A-Z_]+)"', row)}
    return fields


@test
def boxoffice_fcgi_has_each_journal_field_and_no_other():
    with open(PAGES["boxoffice-fcgi.8"], encoding="utf-8") as f:
        documented = set(re.findall(r"^\.It Va ([A-Z_]+)$", f.read(), re.M))
    same("boxoffice-fcgi(8)", documented, journal_fields(), "journal field")


@test
def pages_name_no_setting_that_is_not_there():
    known = set(re.findall(r"^(?:U64|TEXT)\((\w+),", source("base/config.def"), re.M)) | {"net.core.somaxconn"} | journal_fields()
    for name, path in PAGES.items():
        with open(path, encoding="utf-8") as f:
            for setting in re.findall(r"\bVa (\S+)", f.read()):
                assert setting in known, f"{name}: {setting}"


sys.exit(tap.run() > 0)
