"""Warming up: a child compiles, this process only loads; what can go wrong is told and leaves NumPy at work."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from Heatmap.aggregation import KernelWarmup, engine, kernel_cache, kernel_call, kernel_jit, warmup

ROOT = Path(__file__).resolve().parents[2]


def start_python(script, **variables):
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", script],
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def output_of(process):
    try:
        output, problems = process.communicate(timeout=280)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert process.returncode == 0, problems
    return output


def run_python(script, **variables):
    return output_of(start_python(script, **variables))


def collected_warmup():
    ready, reports = threading.Event(), []
    return KernelWarmup(ready.set, reports.append), ready, reports


@pytest.fixture(autouse=True)
def numpy_by_default(monkeypatch):
    monkeypatch.setattr(engine, "_ready_engine", None)


# At the child's low priority compiling takes for ever beside other tests: here it is as urgent as they are, and
# may take its time.
WARM = """
import sys
from Heatmap.aggregation import warmup
start = warmup.subprocess.Popen
as_urgent = "import os, runpy; os.nice = lambda by: 0; runpy.run_module(%r, run_name='__main__')"
def start_urgent(command, **options):
    python, option, module = command
    assert (python, option) == (sys.executable, "-m")
    return start([python, "-c", as_urgent % module], **options)
warmup.subprocess.Popen = start_urgent
warmup._CHILD_TIMEOUT_S = 300

import json, threading
from Heatmap.aggregation import ImageBuilder, KernelWarmup
assert "numba" not in sys.modules
ready, reports = threading.Event(), []
before = ImageBuilder().engine_name
warm = KernelWarmup(ready.set, reports.append)
warm.start()
assert ready.wait(270), reports
warm.stop()
from Heatmap.aggregation.kernel_call import compiled_here
import numba
print(json.dumps([before, ImageBuilder().engine_name, compiled_here(), reports, numba.config.CACHE_DIR]))
"""


@pytest.fixture(scope="module")
def cold_start(tmp_path_factory):
    """What a first program says, and the cache it leaves."""
    folder = tmp_path_factory.mktemp("kernels")
    return json.loads(run_python(WARM, NUMBA_CACHE_DIR=str(folder))), folder


@pytest.mark.timeout(600)
def test_a_cold_cache_is_filled_by_the_child_and_only_loaded_here(cold_start):
    (before, after, compiled, reports, cache), folder = cold_start
    assert (before, after) == ("numpy", "numba")
    assert compiled == 0, "this process must not compile"
    assert reports[0].startswith(f"kernels ready: {len(kernel_call.ENTRIES)} compiled")
    assert len(reports) == 1
    assert cache == str(folder)
    assert list(folder.rglob("*.nbi"))
    warm = json.loads(run_python(WARM, NUMBA_CACHE_DIR=str(folder)))
    assert warm[3][0].startswith("kernels ready: 0 compiled")


@pytest.mark.timeout(600)
def test_two_programs_start_at_once_on_what_a_killed_child_left(cold_start, tmp_path):
    folder = shutil.copytree(cold_start[1], tmp_path / "kernels")
    # Numba writes the index of a kernel before its code: who is killed between leaves an index of nothing.
    for kernel in ("count_kept", "erase_cells", "spread_grid"):
        (code,) = folder.rglob(f"*.{kernel}_*.nbc")
        code.unlink()
    programs = [start_python(WARM, NUMBA_CACHE_DIR=str(folder)) for _ in range(2)]
    found = [json.loads(output_of(program)) for program in programs]
    assert [(before, after, compiled) for before, after, compiled, _, _ in found] == [("numpy", "numba", 0)] * 2
    told = [int(reports[0].removeprefix("kernels ready: ").split()[0]) for _, _, _, reports, _ in found]
    assert sum(told) >= 3
    assert max(told) <= 3
    later = json.loads(run_python(WARM, NUMBA_CACHE_DIR=str(folder)))
    assert later[3][0].startswith("kernels ready: 0 compiled"), "both wrote, and all of it can be read"


EMPTY = """
import json, logging, os, subprocess, sys
from Heatmap.aggregation import ImageBuilder, KernelWarmup, warmup
start = subprocess.Popen
empty_handed = "print('{\\"compiled\\": 0, \\"seconds\\": 0.0}')"
warmup.subprocess.Popen = lambda _command, **options: start([sys.executable, "-c", empty_handed], **options)
logging.disable()
ready, reports = [], []
warm = KernelWarmup(lambda: ready.append(1), reports.append)
warm.start()
warm._thread.join(60)
assert not warm._thread.is_alive()
import numba
own = numba.njit(lambda x: x + 1)  # the host's own compiling is nobody's business
print(json.dumps([ready, reports, ImageBuilder().engine_name, own(1), "Heatmap.aggregation.kernel" in sys.modules]))
"""


def test_what_the_cache_does_not_hold_is_not_compiled_here_either(tmp_path):
    """Whatever the child says: a program with a window loads kernels or does without them."""
    found = json.loads(run_python(EMPTY, NUMBA_CACHE_DIR=str(tmp_path)))
    ready, reports, engine_name, own, loaded = found
    assert ready == []
    assert len(reports) == 2
    assert "could not be loaded; the map is painted by NumPy" in reports[1]
    assert (engine_name, own, loaded) == ("numpy", 2, False)
    assert not list(tmp_path.rglob("*.nbc")), "nothing was compiled"


def test_without_a_place_for_the_cache_numpy_stays_at_work(monkeypatch):
    monkeypatch.delenv(kernel_cache.VARIABLE, raising=False)
    monkeypatch.setattr(kernel_cache, "_is_writable", lambda _folder: False)
    monkeypatch.setattr(warmup.subprocess, "Popen", None)
    warm, ready, reports = collected_warmup()
    warm.start()
    warm._thread.join(10)
    assert not ready.is_set()
    assert len(reports) == 1
    assert reports[0].startswith("no folder for compiled kernels")
    assert reports[0].endswith("the map is painted by NumPy")
    assert engine.new_engine().name == "numpy"


def test_using_the_package_loads_neither_numba_nor_qt():
    run_python(
        "import sys, numpy as np, Heatmap.aggregation as a\n"
        "spec = a.GridSpec(0, 10, 5, 0.0, 1.0, 5)\n"
        "a.colorize(a.build_grid(np.array([5]), np.array([2.5]), np.ones(1), spec))\n"
        "a.ImageBuilder(), a.palette_names(), a.KernelWarmup\n"
        "assert not {'numba', 'llvmlite', 'PyQt6', 'sqlite3', 'websockets'} & set(sys.modules)\n"
    )


def test_all_public_names_exist():
    run_python("import Heatmap.aggregation as a\nassert all(getattr(a, name) for name in a.__all__)\n")


PLAIN = """
import numpy as np
from Heatmap.aggregation import GridSpec, ImageBuilder, RenderOptions, build_grid, colorize
from Heatmap.aggregation.kernel_call import compiled_here
from Heatmap.aggregation.numba_engine import NumbaEngine
from Heatmap.aggregation.numpy_engine import NumpyEngine
from Heatmap.columns import EventColumns
rng = np.random.default_rng(1)
columns = EventColumns(
    np.sort(rng.integers(-2_000, 22_000, 60)), rng.uniform(-2, 12, 60), rng.uniform(1, 9, 60), rng.random(60) < 0.5
)
spec = GridSpec(t0_ms=0, time_bin_ms=1000, cols=20, price0=0.0, price_bin=1.0, rows=10)
options = RenderOptions(trail_half_life_ms=3000, half_life_ms=9000)
fast, slow = (
    ImageBuilder(engine).build(columns, spec, options, now_ms=22_000, window_start_ms=-2_000)
    for engine in (NumbaEngine(), NumpyEngine())
)
assert fast.rgba.any()
np.testing.assert_array_equal(fast.rgba, slow.rgba)
newer = EventColumns(np.array([19_500]), np.array([5.5]), np.array([3.0]), np.array([True]))
for sigma in (0, 1):
    options = RenderOptions(palette="fire", sigma_cols=sigma, sigma_rows=sigma, clip_percentile=50)
    window = dict(now_ms=22_000, window_start_ms=-2_000)
    inside = columns.between(0, 20_000)
    inside = EventColumns(inside.ts_ms, inside.price.clip(0, 9.9), inside.notional.clip(4, 4.01), inside.is_long)
    builder = ImageBuilder(NumbaEngine(2))
    builder.build(inside, spec, options, **window)
    live = builder.build(inside.merged(newer), spec, options, **window, newer=newer)
    assert live.dirty_cols is not None
    slow = ImageBuilder(NumpyEngine()).build(inside.merged(newer), spec, options, **window)
    assert np.abs(live.rgba.astype(int) - slow.rgba).max() <= 8
grids = [build_grid(columns.ts_ms, columns.price, columns.notional, spec, engine=engine())
         for engine in (NumbaEngine, NumpyEngine)]
np.testing.assert_array_equal(*grids)
np.testing.assert_array_equal(*(colorize(grids[0], engine=engine()) for engine in (NumbaEngine, NumpyEngine)))
print(compiled_here())
"""


def test_the_kernels_run_as_plain_python():
    assert run_python(PLAIN, NUMBA_DISABLE_JIT="1") == "0\n"


def test_without_jit_the_warmup_leaves_numpy_at_work(monkeypatch):
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    warm, ready, reports = collected_warmup()
    warm.start()
    warm._thread.join(10)
    assert not ready.is_set()
    assert reports == ["NUMBA_DISABLE_JIT is set; the map is painted by NumPy"]
    assert engine.new_engine().name == "numpy"


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("raise SystemExit('no compiler today')", "no compiler today"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", "failed with -15"),
        ("print('all is well, says nobody')", "kernel warm-up failed"),
    ],
    ids=["error", "killed", "babble"],
)
def test_a_failing_child_is_told_and_leaves_numpy_at_work(monkeypatch, caplog, script, told):
    start = subprocess.Popen

    def broken(_command, **options):
        return start([sys.executable, "-c", script], **options)

    monkeypatch.setattr(warmup.subprocess, "Popen", broken)
    warm, ready, reports = collected_warmup()
    warm.start()
    warm._thread.join(30)
    assert not ready.is_set()
    assert len(reports) == 1
    assert "painted by NumPy" in reports[0]
    assert told in caplog.text
    assert engine.new_engine().name == "numpy"


def test_a_child_that_cannot_start_is_told(monkeypatch, caplog):
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    warm, ready, reports = collected_warmup()
    warm.start()
    warm._thread.join(30)
    assert not ready.is_set()
    assert "painted by NumPy" in reports[0]
    assert "Traceback" in caplog.text


def test_a_frozen_program_never_starts_itself_again(monkeypatch):
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(warmup.subprocess, "Popen", None)
    warm, ready, reports = collected_warmup()
    warm.start()
    warm._thread.join(10)
    assert not ready.is_set()
    assert "no Python interpreter" in reports[0]


def test_stop_ends_the_child(monkeypatch):
    started = threading.Event()
    children = []
    start = subprocess.Popen

    def endless(_command, **options):
        children.append(start([sys.executable, "-c", "import threading; threading.Event().wait()"], **options))
        started.set()
        return children[0]

    monkeypatch.setattr(warmup.subprocess, "Popen", endless)
    warm, ready, reports = collected_warmup()
    warm.start()
    assert started.wait(10)
    warm.stop()
    assert not warm._thread.is_alive()
    assert children[0].poll() is not None
    assert not ready.is_set()
    assert reports == []


def test_stop_is_safe_before_start_and_twice():
    warm, _, _ = collected_warmup()
    warm.stop()
    warm.stop()


def test_the_cache_lies_beside_the_source_if_it_can(monkeypatch, tmp_path):
    monkeypatch.delenv(kernel_cache.VARIABLE, raising=False)
    assert kernel_cache.cache_environment(tmp_path / "package", tmp_path / "user") == {}
    assert not (tmp_path / "user").exists()


def test_a_read_only_installation_uses_the_user_s_cache(monkeypatch, tmp_path):
    monkeypatch.delenv(kernel_cache.VARIABLE, raising=False)
    blocked = tmp_path / "file"
    blocked.touch()  # no folder can be made below a file, not even by root
    found = kernel_cache.cache_environment(blocked, tmp_path / "user")
    assert found == {"NUMBA_CACHE_DIR": str(tmp_path / "user")}
    assert (tmp_path / "user").is_dir()
    with pytest.raises(OSError, match="no folder for compiled kernels"):
        kernel_cache.cache_environment(blocked, blocked)


def test_a_chosen_cache_is_respected(monkeypatch, tmp_path):
    monkeypatch.setenv(kernel_cache.VARIABLE, str(tmp_path))
    assert kernel_cache.cache_environment(tmp_path / "x", tmp_path / "y") == {}


def test_the_host_s_numba_settings_are_left_alone():
    output = run_python(
        "import numba, sys\n"
        "from Heatmap.aggregation.kernel_cache import numba_cache_in\n"
        "before = numba.config.CACHE_DIR\n"
        "with numba_cache_in({'NUMBA_CACHE_DIR': '/somewhere'}):\n"
        "    assert numba.config.CACHE_DIR == '/somewhere'\n"
        "assert numba.config.CACHE_DIR == before\n"
        "print('same')\n"
    )
    assert output == "same\n"


def test_old_kernels_are_forgotten_and_only_those(tmp_path, monkeypatch):
    old, fresh = "kernel_frame.render_0123456789ab-1.py311.nbi", "kernel_frame.render_fedcba987654-1.py311.1.nbc"
    own, foreign = f"kernel_frame.render_{kernel_jit.DIGEST}-1.py311.nbi", "somebody.else-1.py311.nbi"
    for name in (old, fresh, own, foreign):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (1000, 5000 if name == fresh else 1000))
    entry = SimpleNamespace(stats=SimpleNamespace(cache_path=str(tmp_path)))
    monkeypatch.setattr(kernel_call, "ENTRIES", (entry, entry))
    kernel_call.forget_old_kernels(2000)
    assert {path.name for path in tmp_path.iterdir()} == {fresh, own, foreign}
