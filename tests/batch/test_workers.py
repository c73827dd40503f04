"""Every job is answered, also where the process that did it dies."""

import os
import signal
import time

import pytest

from sharptip.batch.workers import Died, Late, in_processes, on_cluster
from sharptip.core.errors import SharptipError


def work(job):
    """Doubles a number; some numbers are the end of the process."""
    if job == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if job == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if job == "leave":
        os._exit(3)
    return job * 2


def test_all_are_answered_and_the_dead_are_told():
    jobs = [*range(20), "crash", *range(20, 30), "killed", "leave", 30]
    answers = list(in_processes(iter(jobs), work, 2))
    assert sorted(j for j, _ in answers if isinstance(j, int)) == list(range(31))
    assert all(answer == 2 * job for job, answer in answers if isinstance(job, int))
    died = {job: answer.why for job, answer in answers if isinstance(answer, Died)}
    assert died["crash"] == "killed by SIGSEGV"
    assert died["killed"] == "killed by SIGKILL, perhaps out of memory"
    assert died["leave"] == "ended with code 3"


def test_jobs_are_taken_as_they_are_needed():
    taken = []

    def endless():
        n = 0
        while True:
            taken.append(n)
            yield n
            n += 1

    answers = in_processes(endless(), work, 2)
    for _ in range(10):
        next(answers)
    answers.close()
    assert len(taken) <= 10 + 2 * 2
    begun = time.monotonic()
    assert list(in_processes(iter([]), work, 2)) == []
    assert time.monotonic() - begun < 1


class Unreadable:
    """Something that a worker cannot take out of its pipe."""

    def __reduce__(self):
        return _refuse, ()


def _refuse():
    os._exit(9)


def test_workers_that_cannot_start_are_an_error_and_no_endless_loop():
    with pytest.raises(SharptipError, match="cannot start"):
        list(in_processes(iter([1, 2, 3]), Unreadable(), 1))


def test_a_dask_cluster_does_the_same():
    distributed = pytest.importorskip("distributed", reason="dask is not installed (extra 'dask')")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, protocol="tcp://", dashboard_address=None
    ) as cluster:
        answers = dict(on_cluster(iter(range(30)), work, cluster.scheduler_address))
    assert answers == {n: 2 * n for n in range(30)}
    with pytest.raises(SharptipError, match="no dask scheduler answers"):
        list(on_cluster(iter([1]), work, "tcp://127.0.0.1:1"))


def never_done(job):
    if job == "slow":
        time.sleep(60)
    return job


def test_a_job_that_takes_too_long_is_given_up_and_the_others_are_done():
    begun = time.monotonic()
    done = dict(in_processes(iter(["a", "slow", "b", "c", "d"]), never_done, 1, limit=1.5))
    assert time.monotonic() - begun < 40
    assert done == {"a": "a", "slow": Late(1.5), "b": "b", "c": "c", "d": "d"}
