"""Thousands of scans cleaned with one command that can be killed and given again.

A file that cannot be cleaned is listed with its reason and stops nothing. What is done is in the journal; a result
counts where it is whole, its source unchanged and the options the same. Nothing is written outside `out`.
"""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from .. import __version__
from ..core.errors import WriteError
from . import beside
from . import sources as src
from .clean_file import Job, Order, clean_file, names_of
from .journal import NAME, Full, Journal, Record, digest
from .summary import PAGE, TABLE, Outcome, printable, write_page, write_table
from .workers import Died, Late, cores, in_processes, on_cluster

DRAFTS = ".unfinished"  # folder in `out` for what is being written
PICTURES = 24  # before and after, in the page
COMPLAINTS = 20  # files left out that are told at once; all are in the table

Progress = Callable[[int, int], object]  # done, of how many
Say = Callable[[str], object]  # a line for the person who waits
Run = Callable[[Iterator[Job], Callable[[Job], Record]], Iterator[tuple[Job, Any]]]


@dataclass(frozen=True)
class By:
    """Who does the work: so many processes here, or the workers of a dask scheduler."""

    workers: int | None = None  # None: as many as cores
    cluster: str | None = None  # tcp://host:8786
    limit: float | None = None  # seconds for one file, after which its process is ended; not on a cluster

    def run(self, jobs: Iterator[Job], do: Callable[[Job], Record]) -> Iterator[tuple[Job, Any]]:
        if self.cluster is not None:
            return on_cluster(jobs, do, self.cluster)
        return in_processes(jobs, do, self.workers or cores(), self.limit)


HERE = By()


def clean_many(
    given: Sequence[Path],
    out: Path,
    order: Order,
    *,
    suffix: str = ".zarr",
    overwrite: bool = False,
    by: By = HERE,
    pictures: int = PICTURES,
    progress: Progress = lambda done, total: None,
    say: Say = lambda text: None,
) -> Outcome:
    """Clean files, or folders of them, into the folder `out`, and write its summary: a table and a page.

    The same call goes on where an earlier one was stopped. A place that holds something this did not write stays as it
    is without `overwrite`.

    Raises ReadError where there is nothing to clean, WriteError where nothing can be written, or nothing more: what was
    cleaned until then is whole and kept. KeyboardInterrupt leaves the table written and the work to go on with.
    """
    names_of(order.steps)  # a step that is not there is told before anything begins
    out = Path(out).absolute()
    found = src.find(given, out)
    journal = Journal(out)
    try:
        batch = _Batch(found, out, order, suffix, overwrite, journal, say)
        return batch.run(by, pictures, progress)
    finally:
        journal.close()


class _Batch:
    """One run: what is done already, what is to do, and what came of it."""

    def __init__(
        self, found: src.Sources, out: Path, order: Order, suffix: str, overwrite: bool, journal: Journal, say: Say
    ) -> None:
        self.found, self.out, self.order, self.journal, self.say = found, out, order, journal, say
        self.begun, self.complaints = time.perf_counter(), 0
        self.drafts = out / DRAFTS
        steps = ",".join(names_of(order.steps))
        options = order.told() | {"steps": steps, "suffix": suffix, "version": __version__}
        self.key = digest(options)
        self._compare(options)
        here = {str(file) for file in found.files}
        kept = {file: target for target, file in journal.ours.items() if file in here and target.endswith(suffix)}
        self._tell_older(here, suffix, options)
        others = [target for target, file in journal.ours.items() if file not in here]
        places = src.targets(found, out, suffix, kept, [NAME, TABLE, PAGE, DRAFTS, *others])
        self.records: dict[str, Record] = {str(path): _left_out(path, why) for path, why in found.closed}
        for record in self.records.values():
            self._complain(record)
        self.to_do: dict[Path, Path] = {}
        for file, target in places.items():
            if self._is_done(file, target):
                self.records[str(file)] = journal.records[str(file)]
            elif os.path.exists(target) and not overwrite and self._place(target) not in journal.ours:
                why = f"{target} was not written by this command; --overwrite replaces it"
                self.records[str(file)] = _left_out(file, why) | {"status": "already there"}
                self._complain(self.records[str(file)])
            else:
                self.to_do[file] = target
        self.total = len(found.files) + len(found.closed)
        for folder in found.results:
            say(f"passed over {printable(found.name(folder))}: it holds the results of an earlier run, not raw scans")
        if found.beside:
            say(beside.said([printable(found.name(file)) for file in found.beside]))
        if cleaned := sum(r["status"] == "cleaned" for r in self.records.values()):
            rest = "going on with the others" if self.to_do else "nothing is left to do"
            say(f"{cleaned} of {self.total} files are cleaned already; {rest}")

    def _compare(self, options: Record) -> None:
        """Tell what of the options is another than in the last run; all scans are cleaned anew then."""
        last = self.journal.options
        self.journal.run(options)
        options = self.journal.options or options
        if last is None or digest(last) == self.key:
            return
        told = _differences(last, options)
        self.say(f"the options are others than in the last run, so every scan is cleaned anew: {told}")

    def _tell_older(self, here: set[str], suffix: str, options: Record) -> None:
        """Tell of results of these scans in another format, which stay beside the new ones, and how they differ."""
        older: Counter[tuple[str, str]] = Counter()
        for target, file in self.journal.ours.items():
            if file in here and not target.endswith(suffix) and (self.out / target).exists():
                differ = _differences(self.journal.made.get(target, options), options, "suffix", "version")
                older[Path(target).suffix, differ] += 1
        for (ending, differ), n in older.items():
            how = f", made with other options: {differ}" if differ else ""
            self.say(f"{n} {ending} of an earlier run stay{'s' * (n == 1)} beside the new {suffix}{how}")

    def _place(self, target: Path) -> str:
        return str(target.relative_to(self.out))

    def _is_done(self, file: Path, target: Path) -> bool:
        record = self.journal.records.get(str(file))
        if record is None or record["status"] != "cleaned" or record["options"] != self.key:
            return False
        if record["target"] != self._place(target) or record["source"] != _listed(src.fingerprint(file)):
            return False
        stored = src.fingerprint(target)
        return stored is not None and stored[0] == record["bytes"]

    def run(self, by: By, pictures: int, progress: Progress) -> Outcome:
        shutil.rmtree(self.drafts, ignore_errors=True)  # of a run that was killed
        left = len(self.to_do)
        progress(self.total - left, self.total)
        try:
            for _ in self._answers(by):
                left -= 1
                progress(self.total - left, self.total)
        except KeyboardInterrupt:
            write_table(self.outcome())
            raise
        except Full as full:
            raise self._stopped(str(full)) from full
        finally:
            shutil.rmtree(self.drafts, ignore_errors=True)
        outcome = self.outcome()
        write_table(outcome)
        write_page(outcome, pictures)
        return outcome

    def _answers(self, by: By) -> Iterator[Record]:
        """The record of every file that is to do. Those whose worker died, or that found no memory, are tried once
        more in the end, one at a time."""
        again: list[Path] = []
        for job, answer in self._work(by, list(self.to_do)):
            if isinstance(answer, Late):
                yield self._keep(job, _too_long(job, answer))
            elif isinstance(answer, Died) or "memory" in answer:
                again.append(job.file)
            else:
                yield self._keep(job, answer)
        for job, answer in self._work(replace(by, workers=1), again):
            if isinstance(answer, Died):
                answer = _left_out(job.file, f"the process that cleaned it died twice ({answer.why})")
            elif isinstance(answer, Late):
                answer = _too_long(job, answer)
            yield self._keep(job, answer)

    def _work(self, by: By, files: list[Path]) -> Iterator[tuple[Job, Any]]:
        answers = by.run(self._jobs(files), partial(clean_file, self.order))
        try:
            yield from answers
        finally:
            answers.close()  # type: ignore[attr-defined]

    def _jobs(self, files: list[Path]) -> Iterator[Job]:
        for number, file in enumerate(files):
            self.journal.begun(str(file), self._place(self.to_do[file]))
            yield Job(file, self.to_do[file], self.drafts / str(number))

    def _keep(self, job: Job, answer: Record) -> Record:
        if "full" in answer:
            raise Full(answer["full"])
        record = answer | {"options": self.key, "target": self._place(job.target)}
        self.journal.done(record)
        self.records[record["file"]] = record
        if record["status"] == "left out":
            self._complain(record)
        return record

    def _complain(self, record: Record) -> None:
        self.complaints += 1
        if self.complaints <= COMPLAINTS:
            self.say(f"left out {printable(self.found.name(record['file']))}: {printable(record['reason'])}")
        if self.complaints == COMPLAINTS:
            self.say(f"more that is left out is listed in {self.out / TABLE}")

    def _stopped(self, why: str) -> WriteError:
        done = sum(r["status"] == "cleaned" for r in self.records.values())
        said = f"{self.out}: nothing more can be written ({why}); {done} of {self.total} files are cleaned and whole. "
        try:
            write_table(self.outcome())
        except WriteError:
            said += f"{TABLE} could not be written either. "
        return WriteError(said + "Make room, and the same command goes on")

    def outcome(self) -> Outcome:
        """What is known by now: of the files of this run, and of those of earlier ones whose result is still there."""
        earlier = {
            file: {**record, "earlier": True} for file, record in self.journal.records.items()
            if file not in self.records and record["status"] == "cleaned" and (self.out / record["target"]).exists()
        }  # fmt: skip
        records = [{**r, "name": self.found.name(file)} for file, r in (earlier | self.records).items()]
        seconds = time.perf_counter() - self.begun
        return Outcome(self.out, sorted(records, key=lambda r: r["name"]), self.order, len(self.to_do), seconds)


def _too_long(job: Job, late: Late) -> Record:
    told = f"{late.seconds / 60:.3g} minute{'s' * (late.seconds != 60)}"
    return _left_out(job.file, f"took longer than {told}, after which it was given up (--limit)") | {
        "seconds": late.seconds
    }


def _left_out(file: Path, why: str) -> Record:
    return {"file": str(file), "status": "left out", "reason": why, "rows": [], "notes": [], "seconds": 0.0}


def _listed(found: tuple[int, int] | None) -> list[int] | None:
    """As JSON gives it back."""
    return None if found is None else list(found)


def _differences(before: Record, now: Record, *but: str) -> str:
    """What of the options is another, `but` for some of them; nothing where all is the same."""
    other = [k for k in {**before, **now} if k not in but and _plain(before.get(k)) != _plain(now.get(k))]
    return "; ".join(f"{k} was {_plain(before.get(k))}, is {_plain(now.get(k))}" for k in other)


def _plain(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
