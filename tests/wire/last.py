# SPDX-License-Identifier: 0BSD
"""What can only be said at the end."""
import glob
import os
import re

import client
import common
from common import service, spec
from tap import skip, test

NOT_TO_BE_SEEN = {"INTERNAL"}


def audit(on):
    done = service(on).ctl_raw("audit")
    if "not built" in done.stdout + done.stderr:
        skip("audit is not built")
    assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout}{done.stderr}"


@test
def the_stored_rows_of_main_prove_the_promises():
    audit("main")


@test
def the_stored_rows_of_short_prove_the_promises():
    audit("short")


@test
def the_stored_rows_of_limited_prove_the_promises():
    audit("limited")


@test
def no_secret_is_in_any_log():
    assert client.secrets
    looked = 0
    for s in common._stacks.values():
        own = set()
        for name in ("database.password", "token.keys"):
            with open(os.path.join(s.folder, name), encoding="ascii") as f:
                own.update(f.read().split()[-1:])
        for path in glob.glob(os.path.join(s.folder, "log", "*")):
            with open(path, encoding="utf-8", errors="replace") as f:
                text = f.read()
            looked += len(text)
            # Tokens and keys are long words: one look at each word, not one at the text for each of them.
            seen = (client.secrets | own) & set(re.findall(r"[\w.-]{20,}", text))
            assert not seen, f"{path} has {seen}"
            halves = {word for secret in client.secrets for word in secret.split(".") if len(word) > 20}
            assert not halves & set(re.findall(r"[\w-]{20,}", text)), f"{path} has a part of a token"
    assert looked > 1000


@test
def every_code_of_the_contract_was_seen():
    unseen = set(spec.status_of_code) - spec.seen_codes - NOT_TO_BE_SEEN
    assert not unseen, f"never seen: {sorted(unseen)}"
    assert not spec.seen_codes & NOT_TO_BE_SEEN, "INTERNAL was seen"


@test
def every_operation_was_seen_to_succeed():
    good = {(m, p) for m, p, s in spec.seen_operations if s < 300}
    missing = {(o.method, o.path) for o in spec.operations} - good
    assert not missing, f"never succeeded: {sorted(missing)}"


@test
def every_service_ends_when_told():
    stacks = list(common._stacks.values())
    common.stop()
    for s in stacks:
        assert s.process.returncode == 0, f"exit {s.process.returncode}: {s.output[-5:]}"
