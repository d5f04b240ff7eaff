#!/usr/bin/python3
# SPDX-License-Identifier: 0BSD
"""The pages in a real Chromium against the whole service. Speaks TAP; arguments choose tests by name.

Starts private services (one with short times, one to be disturbed), fetches what drives the browser into var/browser (once), and
runs run.mjs, which holds the tests. Pictures of each page are left in var/pictures.
"""
import json
import os
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True  # the source folder may be read-only
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))

import stack

VAR = os.path.join(stack.TOP_BUILDDIR, "var")
NODE_LEAST = 18
HOLD_S = 6
SERVICES = {
    "main": {"limits": True, "workers": 6, "board_concerts": 256},
    "short": {"workers": 4, "hold_ttl_ms": HOLD_S * 1000, "active_ttl_ms": HOLD_S * 1000, "board_concerts": 256},
    "fragile": {"workers": 3},  # its database is stopped for a while
}


def skip(why):
    print(f"1..0 # SKIP {why}", flush=True)
    sys.exit(0)


def node_modules():
    """Where playwright-core and axe-core are; fetched when they are not, or are others than the lock says."""
    folder = os.path.join(VAR, "browser")
    os.makedirs(folder, exist_ok=True)
    stamp = os.path.join(folder, "node_modules", "installed-lock.json")
    lock = os.path.join(HERE, "package-lock.json")
    with open(lock, encoding="utf-8") as f:
        wanted = f.read()
    if os.path.exists(stamp):
        with open(stamp, encoding="utf-8") as f:
            if f.read() == wanted:
                return folder
    npm = shutil.which("npm") or skip("npm is lacking: apt-get install npm")
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(os.path.join(HERE, name), os.path.join(folder, name))
    try:
        done = subprocess.run([npm, "ci", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund"], cwd=folder, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=300)
    except subprocess.TimeoutExpired:
        skip("npm does not get playwright-core and axe-core in 300 s")
    if done.returncode:
        print("#", "\n# ".join((done.stdout + done.stderr).strip().splitlines()[-5:]), flush=True)
        skip("npm can't get playwright-core and axe-core; is there a network?")
    shutil.copyfile(lock, stamp)
    return folder


def main():
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or skip("chromium is lacking: apt-get install chromium")
    node = shutil.which("node") or skip("node is lacking: apt-get install nodejs")
    version = subprocess.run([node, "--version"], capture_output=True, text=True).stdout.strip()
    if not version[1:].split(".")[0].isdigit() or int(version[1:].split(".")[0]) < NODE_LEAST:
        skip(f"node is {version or 'broken'}; {NODE_LEAST} or later is needed")
    services = {name: stack.Stack(**settings) for name, settings in SERVICES.items()}
    modules = node_modules()
    told = {name: {"url": f"http://localhost:{s.ready().port}", "secure": f"https://localhost:{s.https_port}", "config": s.config, "folder": s.folder} for name, s in services.items()}
    env = dict(os.environ, TEST_SERVICES=json.dumps(told), TEST_MODULES=modules, TEST_CHROMIUM=chromium, TEST_HOLD_S=str(HOLD_S),
               TEST_PICTURES=os.path.join(VAR, "pictures"), top_srcdir=stack.TOP_SRCDIR, top_builddir=stack.TOP_BUILDDIR)
    return subprocess.run([node, os.path.join(HERE, "run.mjs"), *sys.argv[1:]], env=env, stdin=subprocess.DEVNULL).returncode


if __name__ == "__main__":
    try:
        status = main()
    finally:
        stack.stop_all()
    sys.exit(status)
