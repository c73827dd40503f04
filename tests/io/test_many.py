"""Many files: one that is broken, odd or deadly never costs another."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.io import make_files as made
from tests.io.tasks import clumsy, deadly, mean

import sharptip
from sharptip.core.errors import ReadError, SharptipError, WorkError
from sharptip.core.scan import scan_of
from sharptip.io.many import each, open_many

N = 6


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    paths = [str(tmp_path / f"{i}.gwy") for i in range(N)]
    for i, path in enumerate(paths):
        sharptip.write(scan_of(np.full((4, 5), i * 1e-9), 1e-9), path)
    return paths


def broken(folder: Path) -> str:
    path = folder / "broken.gwy"
    path.write_bytes(b"GWYP" + b"\0" * 20)
    return str(path)


def of_width(folder: Path, nx: int, pixel: float) -> str:
    path = folder / f"odd_{nx}_{pixel:g}.gwy"
    sharptip.write(scan_of(np.zeros((4, nx)), pixel), path)
    return str(path)


@pytest.fixture(scope="module")
def client() -> Iterator[object]:
    distributed = pytest.importorskip("distributed")
    import dask

    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # a cluster that is shut down says so at length
    with (
        dask.config.set(
            {
                "distributed.scheduler.allowed-failures": 0,  # one death is enough to be given up
                "distributed.deploy.lost-worker-timeout": "1h",  # else it closes workers that came back, 15 s later
            }
        ),
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def test_each_on_processes_names_the_broken_the_clumsy_and_the_deadly(files: list[str], tmp_path: Path) -> None:
    killer = str(tmp_path / "deadly.gwy")
    sharptip.write(scan_of(np.ones((4, 5)), 1e-9), killer)
    paths = [*files[:3], killer, broken(tmp_path), *files[3:]]
    found = dict(each(deadly, iter(paths)))
    assert set(found) == set(paths)
    assert [found[p] for p in files] == pytest.approx([i * 1e-9 for i in range(N)])
    assert isinstance(found[paths[4]], ReadError)
    assert isinstance(found[killer], WorkError)
    assert "died" in str(found[killer])
    with pytest.raises(WorkError, match="cannot travel"):
        next(each(lambda path: path, files))


def test_each_on_any_executor_in_bounded_memory(files: list[str]) -> None:
    asked: list[str] = []

    def noted() -> Iterator[str]:
        for path in files:
            asked.append(path)
            yield path

    with ThreadPoolExecutor(2) as pool:
        answers = each(mean, noted(), executor=pool, at_once=2)
        next(answers)
        assert len(asked) <= 2
        assert len(list(answers)) == N - 1
        (told,) = {type(a) for _, a in each(clumsy, files, executor=pool)}
        assert told is WorkError


def test_an_executor_that_breaks_leaves_no_file_unsaid(files: list[str], tmp_path: Path) -> None:
    killer = str(tmp_path / "deadly.gwy")
    sharptip.write(scan_of(np.ones((4, 5)), 1e-9), killer)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        found = dict(each(deadly, [files[0], killer, *files[1:]], executor=pool, at_once=1))
    assert set(found) == {killer, *files}
    assert found[files[0]] == 0
    assert all(isinstance(found[p], SharptipError) for p in (killer, *files[1:]))


def test_each_on_a_cluster(client: object, files: list[str], tmp_path: Path) -> None:
    killer = str(tmp_path / "deadly.gwy")
    sharptip.write(scan_of(np.ones((4, 5)), 1e-9), killer)
    paths = [*files, broken(tmp_path), killer]
    found = dict(each(deadly, paths, executor=client.get_executor()))  # type: ignore[attr-defined]
    assert [found[p] for p in files] == pytest.approx([i * 1e-9 for i in range(N)])
    assert isinstance(found[paths[-2]], ReadError)
    assert "died" in str(found[killer])


class KilledWorker(Exception):
    """As dask.distributed names it."""


class Remembering(ThreadPoolExecutor):
    """As dask.distributed: the same call is the same task, and its answer the one that is held; the first one dies."""

    def __init__(self) -> None:
        super().__init__(1)
        self.held: dict[object, Future[Any]] = {}

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if not self.held:
            self.held[(function, args)] = Future()
            self.held[(function, args)].set_exception(KilledWorker())
        return self.held.setdefault((function, args), super().submit(function, *args, **kwargs))


def test_a_neighbour_of_a_death_is_tried_anew_and_not_answered_from_memory(files: list[str]) -> None:
    with Remembering() as pool:
        assert dict(each(mean, files[1:2], executor=pool)) == {files[1]: pytest.approx(1e-9)}


def test_many_files_are_one_scan_that_a_cluster_reads(client: object, files: list[str]) -> None:
    scans = open_many(files, channel="height", executor=client.get_executor())  # type: ignore[attr-defined]
    assert dict(scans.sizes) == {"file": N, "y": 4, "x": 5}
    assert scans["height"].chunks is not None
    np.testing.assert_allclose(scans["height"].mean(("y", "x")).compute(), np.arange(N) * 1e-9)
    assert list(scans["file"].values) == files
    assert json.loads(scans.attrs["history"])[0]["step"] == "open_many"


def test_others_are_refused_or_left_out_by_name(files: list[str], tmp_path: Path) -> None:
    odd = [of_width(tmp_path, 6, 1e-9), of_width(tmp_path, 5, 2e-9), broken(tmp_path)]
    with pytest.raises(ReadError, match=r"3 of 9 files.*odd_6.*shape.*odd_5.*pixel size.*broken"):
        open_many([files[0], *odd, *files[1:]], channel="height")
    with pytest.warns(UserWarning, match="left out"):
        scans = open_many([files[0], *odd, *files[1:]], channel="height", others="leave out")
    assert list(scans["file"].values) == files
    assert set(json.loads(scans.attrs["left_out"])) == set(odd)
    np.testing.assert_allclose(scans["height"][3].values, 3e-9)
    with pytest.raises(ReadError, match="no channel 'phase'; it has height"):
        open_many(files, channel="phase", others="leave out")
    with pytest.raises(ReadError, match="empty"):
        open_many([], channel="height")


def test_files_without_a_size_need_one_here_too(tmp_path: Path) -> None:
    made.npy(tmp_path / "a.npy")
    with pytest.raises(ReadError, match="size"):
        open_many([tmp_path / "a.npy"], channel="height")
    scans = open_many([tmp_path / "a.npy"], channel="height", unit="nm", size=8e-9)
    np.testing.assert_allclose(scans["height"][0], made.surface(0) * 1e-9)


def test_directions_and_a_changed_file(tmp_path: Path) -> None:
    path = made.example(tmp_path, "jpk")
    scans = open_many([path], channel="height")
    assert scans["height"].dims == ("file", "direction", "y", "x")
    np.testing.assert_array_equal(scans["height"][0], sharptip.read(path)["height"])
    sharptip.write(scan_of(np.zeros((4, 5)), 1e-9), tmp_path / "other.gwy")
    (tmp_path / "other.gwy").rename(path)
    with pytest.raises(ReadError, match="has shape"):
        scans["height"].compute()
    with pytest.raises(ReadError, match="named 2 times"):
        open_many([path, path], channel="height")


def test_one_path_in_place_of_a_list_is_told_and_not_taken_letter_by_letter(tmp_path: Path) -> None:
    for one in (str(tmp_path / "a.sxm"), tmp_path / "a.sxm"):
        with pytest.raises(ReadError, match=r"a\.sxm: is one path; give a list, such as sorted"):
            open_many(one, channel="height")  # type: ignore[arg-type]
        with pytest.raises(ReadError, match="is one path"):
            list(each(mean, one))  # type: ignore[arg-type]
