# SPDX-License-Identifier: 0BSD
"""Many at once: real processes, each with threads, all let go at the same moment."""
import ctypes
import multiprocessing
import queue
import signal
import threading
import traceback

_libc = ctypes.CDLL(None)
_fork = multiprocessing.get_context("fork")


def _one_process(jobs, prepare, work, gate, results, timeout_s):
    _libc.prctl(1, signal.SIGKILL)  # end with the test, however that ends
    ready, go = threading.Barrier(len(jobs) + 1), threading.Barrier(len(jobs) + 1)

    def run(index, job):
        try:
            state = prepare(job) if prepare else job
        except BaseException:
            results.put((index, None, traceback.format_exc()))
            state = None
            failed = True
        else:
            failed = False
        ready.wait(timeout_s)
        go.wait(timeout_s)
        if not failed:
            try:
                results.put((index, work(state), None))
            except BaseException:
                results.put((index, None, traceback.format_exc()))

    threads = [threading.Thread(target=run, args=each, daemon=True) for each in jobs]
    for t in threads:
        t.start()
    ready.wait(timeout_s)
    gate.wait(timeout_s)
    go.wait(timeout_s)
    for t in threads:
        t.join(timeout_s)


def swarm(jobs, work, prepare=None, processes=4, timeout_s=40):
    """work(prepare(job)) for each job at the same time, a thread each; what they gave, in the order of jobs.
    Nobody begins to work before all are prepared. Raises the first error of any."""
    jobs = list(enumerate(jobs))
    shares = [share for share in (jobs[i::processes] for i in range(processes)) if share]
    gate, results = _fork.Barrier(len(shares)), _fork.Queue()
    children = [_fork.Process(target=_one_process, args=(share, prepare, work, gate, results, timeout_s), daemon=True) for share in shares]
    for c in children:
        c.start()
    got, errors = {}, []
    try:
        for _ in jobs:
            index, value, error = results.get(timeout=timeout_s)
            got[index] = value
            if error:
                errors.append(error)
    except queue.Empty:
        errors.append(f"only {len(got)} of {len(jobs)} ended within {timeout_s} s")
    finally:
        for c in children:
            c.join(0.5 if errors else 10)
            if c.is_alive():
                c.kill()
                c.join()
    if errors:
        raise AssertionError(f"{len(errors)} of {len(jobs)} failed; the first:\n{errors[0]}")
    return [got[i] for i, _ in jobs]
