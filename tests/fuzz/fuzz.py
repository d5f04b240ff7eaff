#!/usr/bin/python3
# SPDX-License-Identifier: 0BSD
"""Runs the fuzz targets for FUZZ_SECONDS each (2), two at a time, and tells in TAP. Arguments choose targets by name.

Each begins with what the corpus has and what earlier runs here have found. An input that breaks something is kept in
var/fuzz/broken/; to look at it again, give it to the program: var/fuzz/body var/fuzz/broken/body-crash-…

--keep takes what was found here into the corpus: only what leads somewhere new, in its smallest form, and small.
"""
import concurrent.futures
import glob
import os
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.join(os.environ.get("top_builddir") or os.path.join(HERE, "..", ".."), "var", "fuzz")
SECONDS = int(os.environ.get("FUZZ_SECONDS") or 2)
AT_A_TIME = 2
KEEP_BYTES_MAX = 2048  # of an input of the corpus
INPUT_BYTES_MAX = {"route": 20000, "fcgi": 40000, "nginx": 4096, "conf": 4096, "keys": 4096}  # else 1024


def targets():
    return sorted(os.path.basename(p)[:-2] for p in glob.glob(os.path.join(HERE, "*.c")) if not p.endswith("/fuzz.c"))


def surroundings(name):
    """libfcgi loses 48 bytes for each unknown record outside a request, which its peer, nginx, never sends."""
    leaks = {"ASAN_OPTIONS": "detect_leaks=0"} if name == "fcgi" else {}
    return {**os.environ, **leaks}


def command(name, *options):
    words = [os.path.join(BUILD, name), "-timeout=10", "-rss_limit_mb=1500", f"-max_len={INPUT_BYTES_MAX.get(name, 1024)}",
             f"-artifact_prefix={BUILD}/broken/{name}-", "-verbosity=1", *options]
    if name == "fcgi":
        words.append("-detect_leaks=0")
    words_file = os.path.join(HERE, name + ".dict")
    return words + ([f"-dict={words_file}"] if os.path.exists(words_file) else [])


def folder(*parts):
    path = os.path.join(*parts)
    os.makedirs(path, exist_ok=True)
    return path


def corpora(name):
    """Where finds go, and what the source tree has."""
    return folder(BUILD, "corpus", name), os.path.join(HERE, "corpus", name)


def fuzz(name):
    """What libFuzzer said, and whether all went well."""
    found, kept = corpora(name)
    folder(BUILD, "broken")
    began = time.monotonic()
    done = subprocess.run(command(name, f"-max_total_time={SECONDS}", found, *([kept] if os.path.isdir(kept) else [])),
                          env=surroundings(name), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", timeout=SECONDS + 120)
    return done.returncode == 0, done.stdout, time.monotonic() - began


def told(number, name, ok, output, took):
    lines = output.splitlines()
    runs = [line for line in lines if line.startswith("Done ")]
    print(f"{'ok' if ok and runs else 'not ok'} {number} - fuzz {name}")
    for line in runs if ok else lines[-60:]:
        print("#", line)
    print(f"# took {took:.1f} s", flush=True)
    return ok and bool(runs)


def check(names):
    print(f"1..{len(names)}", flush=True)
    missing = [n for n in names if not os.access(os.path.join(BUILD, n), os.X_OK)]
    good = True
    with concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as pool:
        running = {n: pool.submit(fuzz, n) for n in names if n not in missing}
        for number, name in enumerate(names, 1):
            if name in missing:
                print(f"ok {number} - fuzz {name} # SKIP not built: clang and libclang-rt-14-dev are needed, see configure")
            else:
                good = told(number, name, *running[name].result()) and good
    return 0 if good else 1


def read(path):
    with open(path, "rb") as f:
        return f.read()


def keep(names):
    """Merges into a new folder, smallest inputs first, and puts it in place of the old one."""
    for name in names:
        found, kept = corpora(name)
        with tempfile.TemporaryDirectory() as merged:
            subprocess.run(command(name, "-merge=1", f"-max_len={KEEP_BYTES_MAX}", merged, *filter(os.path.isdir, (kept, found))),
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
            folder(kept)
            # Seeds written by hand have names that say what they are; finds are named by their hash.
            for old in glob.glob(os.path.join(kept, "*")):
                if len(os.path.basename(old)) == 40:
                    os.remove(old)
            seeds = {read(p) for p in glob.glob(os.path.join(kept, "*"))}
            for new in glob.glob(os.path.join(merged, "*")):
                if read(new) not in seeds:
                    shutil.copyfile(new, os.path.join(kept, os.path.basename(new)))
        sizes = [os.path.getsize(p) for p in glob.glob(os.path.join(kept, "*"))]
        print(f"{name}: {len(sizes)} inputs, {sum(sizes)} bytes", flush=True)
    return 0


if __name__ == "__main__":
    arguments = sys.argv[1:]
    chosen = [n for n in targets() if not set(arguments) - {"--keep"} or n in arguments]
    sys.exit(keep(chosen) if "--keep" in arguments else check(chosen))
