"""What can only be said at the end."""
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
