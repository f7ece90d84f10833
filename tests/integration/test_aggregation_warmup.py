"""Warming up: a child compiles, this process only loads; what can go wrong is told and leaves NumPy at work."""

from __future__ import annotations

import compileall
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from Heatmap.aggregation import KernelWarmup, engine_choice, kernel_cache, warmup

ROOT = Path(__file__).resolve().parents[2]
KERNELS = 8


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


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "heatmap-kernel-warmup"]


def run_to_its_end(warm):
    warm.start()
    for thread in threads():
        thread.join(280)
    assert not threads()


@pytest.fixture(autouse=True)
def numpy_by_default(monkeypatch):
    monkeypatch.setattr(engine_choice.KernelState, "are_loaded", False)


# At the child's low priority compiling takes for ever beside other tests: here it is as urgent as they are, and
# may take its time.
WARM = """
import sys
from Heatmap.aggregation import warmup
start = warmup.subprocess.Popen
as_urgent = "import os, runpy; os.nice = lambda by: 0; runpy.run_module(%r, run_name='__main__')"
def start_urgent(command, **options):
    python, *options_of_python, module = command
    assert (python, options_of_python) == (sys.executable, ["-P", "-m"])
    return start([python, "-c", as_urgent % module], **options)
warmup.subprocess.Popen = start_urgent
warmup._CHILD_TIMEOUT_S = 300

import json, threading
import PyQt6.QtGui  # a program with a window
from Heatmap.aggregation import ImageBuilder, KernelWarmup
assert "numba" not in sys.modules
ready, reports = threading.Event(), []
before = ImageBuilder().engine_name
warm = KernelWarmup(ready.set, reports.append)
warm.start()
assert ready.wait(270), reports
warm.stop()
from Heatmap.aggregation.kernel_jit import compiled_here
print(json.dumps([before, ImageBuilder().engine_name, compiled_here(), reports]))
"""


@pytest.fixture(scope="module")
def cold_start(tmp_path_factory):
    """What a first program says, and the cache it leaves."""
    folder = tmp_path_factory.mktemp("kernels")
    return json.loads(run_python(WARM, HEATMAP_KERNEL_CACHE=str(folder))), folder


@pytest.mark.timeout(600)
def test_a_cold_cache_is_filled_by_the_child_and_only_loaded_here(cold_start):
    (before, after, compiled, reports), folder = cold_start
    assert (before, after) == ("numpy", "numba")
    assert compiled == 0, "this process must not compile"
    assert reports[0].startswith(f"kernels ready: {KERNELS} compiled")
    assert len(reports) == 1
    assert len(list(folder.rglob("*.kernel"))) == KERNELS
    warm = json.loads(run_python(WARM, HEATMAP_KERNEL_CACHE=str(folder)))
    assert warm[3][0].startswith("kernels ready: 0 compiled")


@pytest.mark.timeout(600)
def test_two_programs_start_at_once_on_what_a_killed_child_left(cold_start, tmp_path):
    folder = shutil.copytree(cold_start[1], tmp_path / "kernels")
    for code in sorted(folder.rglob("*.kernel"), key=lambda path: path.stat().st_size)[:3]:
        code.unlink()
        code.with_suffix(".tmp").write_bytes(b"unfinished")
    programs = [start_python(WARM, HEATMAP_KERNEL_CACHE=str(folder)) for _ in range(2)]
    found = [json.loads(output_of(program)) for program in programs]
    assert [(before, after, compiled) for before, after, compiled, _ in found] == [("numpy", "numba", 0)] * 2
    told = [int(reports[0].removeprefix("kernels ready: ").split()[0]) for _, _, _, reports in found]
    assert sum(told) >= 3
    assert max(told) <= 3
    later = json.loads(run_python(WARM, HEATMAP_KERNEL_CACHE=str(folder)))
    assert later[3][0].startswith("kernels ready: 0 compiled"), "both wrote, and all of it can be read"


EMPTY = """
import json, logging, os, subprocess, sys, threading
import PyQt6.QtGui  # a program with a window
from Heatmap.aggregation import ImageBuilder, KernelWarmup, warmup
start = subprocess.Popen
empty_handed = "print('{\\"compiled\\": 0, \\"damaged\\": 0, \\"seconds\\": 0.0}')"
warmup.subprocess.Popen = lambda _command, **options: start([sys.executable, "-c", empty_handed], **options)
logging.disable()
ready, reports = [], []
warm = KernelWarmup(lambda: ready.append(1), reports.append)
warm.start()
[thread.join(60) for thread in threading.enumerate() if thread.name == "heatmap-kernel-warmup"]
import numba
own = numba.njit(lambda x: x + 1)  # the host's own compiling is nobody's business
print(json.dumps([ready, reports, ImageBuilder().engine_name, own(1), "Heatmap.aggregation.kernel" in sys.modules]))
"""


def test_what_the_cache_does_not_hold_is_not_compiled_here_either(tmp_path):
    """Whatever the child says: a program with a window loads kernels or does without them."""
    found = json.loads(run_python(EMPTY, HEATMAP_KERNEL_CACHE=str(tmp_path)))
    ready, reports, engine_name, own, loaded = found
    assert ready == []
    assert len(reports) == 2
    assert "could not be loaded; the map is painted by NumPy" in reports[1]
    assert (engine_name, own, loaded) == ("numpy", 2, False)
    assert not list(tmp_path.rglob("*.kernel")), "nothing was compiled"


DAMAGE = {
    "empty": lambda path: path.write_bytes(b""),
    "cut in the checksum": lambda path: path.write_bytes(path.read_bytes()[:17]),
    "cut in the code": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "garbage": lambda path: path.write_bytes(os.urandom(path.stat().st_size)),
    "a folder": lambda path: (path.unlink(), path.mkdir(), (path / "x").touch()),
    "a link to itself": lambda path: (path.unlink(), path.symlink_to(path)),
}


@pytest.mark.timeout(600)
def test_damaged_files_are_replaced_and_reported_in_one_line(cold_start, tmp_path):
    folder = shutil.copytree(cold_start[1], tmp_path / "kernels")
    smallest = sorted(folder.rglob("*.kernel"), key=lambda path: path.stat().st_size)
    for path, damage in zip(smallest, DAMAGE.values(), strict=False):
        damage(path)
    before, after, compiled, reports = json.loads(run_python(WARM, HEATMAP_KERNEL_CACHE=str(folder)))
    assert (before, after, compiled) == ("numpy", "numba", 0)
    damaged = min(len(DAMAGE), len(smallest))
    (report,) = reports
    assert report.startswith(f"kernels ready: {damaged} compiled, {damaged} of them in place of damaged files")
    later = json.loads(run_python(WARM, HEATMAP_KERNEL_CACHE=str(folder)))
    assert later[3][0].startswith("kernels ready: 0 compiled, ")
    assert "damaged" not in later[3][0]


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_file_of_the_cache_is_sound_or_gone(tmp_path, damage):
    cache = kernel_cache.KernelCache(tmp_path, "one")
    cache.save("k", b"code" * 100)
    assert cache.load("k") == b"code" * 100
    (path,) = cache.folder.iterdir()
    damage(path)
    assert cache.load("k") is None
    assert cache.damaged == 1
    assert list(cache.folder.iterdir()) == []
    cache.save("k", b"new")
    assert cache.load("k") == b"new"


def test_a_file_cut_at_any_byte_does_not_count(tmp_path):
    cache = kernel_cache.KernelCache(tmp_path, "one")
    cache.save("k", b"some code")
    (path,) = cache.folder.iterdir()
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        assert cache.load("k") is None, size
    assert cache.damaged == len(whole)


def test_a_full_disk_leaves_nothing_behind(tmp_path):
    """The limit of a file's size is to a process what a full disk is: the write is cut short and fails."""
    run_python(
        "import resource, signal, pathlib\n"
        "from Heatmap.aggregation.kernel_cache import KernelCache\n"
        "from Heatmap.errors import KernelCacheError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        f"cache = KernelCache(pathlib.Path({str(tmp_path)!r}), 'one')\n"
        "try:\n    cache.save('k', bytes(100_000))\n"
        "except KernelCacheError as error:\n    assert 'cannot be saved in' in error.short\n"
        "else:\n    raise AssertionError\n"
        "assert cache.load('k') is None and not list(cache.folder.iterdir())\n"
    )


@pytest.mark.timeout(600)
def test_where_the_cache_cannot_be_written_numpy_stays_at_work(monkeypatch, tmp_path, caplog):
    blocked = tmp_path / "file"
    blocked.touch()  # no folder can be made below a file, not even by root
    monkeypatch.setenv(kernel_cache.VARIABLE, str(blocked))
    warm, ready, reports = collected_warmup()
    run_to_its_end(warm)
    assert not ready.is_set()
    assert reports == [f"compiled kernels cannot be saved in {blocked} (Not a directory); the map is painted by NumPy"]
    assert engine_choice.new_engine().name == "numpy"
    assert "Traceback" not in caplog.text


@pytest.mark.timeout(600)
def test_no_child_runs_what_lies_in_the_working_directory(tmp_path):
    for name in ("numpy", "numba", "json", "Heatmap"):
        (tmp_path / f"{name}.py").write_text("import pathlib\npathlib.Path(__file__).with_suffix('.ran').touch()\n")
    # An empty entry of PYTHONPATH means the working directory, too.
    script = (
        "import os, subprocess, sys; from Heatmap.child_process import module_command, module_environment; "
        "os.environ['PYTHONPATH'] = os.pathsep + os.environ['PYTHONPATH']; "
        "subprocess.run(module_command(sys.argv[1]), env=module_environment(), input='', timeout=60, check=False)"
    )
    for module in ("Heatmap.aggregation.warmup", "Heatmap.commands.bench_run", "Heatmap.app.graphics_probe"):
        variables = {**os.environ, "PYTHONPATH": str(ROOT), "NUMBA_DISABLE_JIT": "1", "QT_QPA_PLATFORM": "no such"}
        subprocess.run([sys.executable, "-P", "-c", script, module], cwd=tmp_path, env=variables, check=True)
        assert not list(tmp_path.glob("*.ran")), module


def test_importing_the_package_loads_neither_numba_nor_qt():
    run_python(
        "import sys, Heatmap.aggregation as a\n"
        "a.GridSpec(0, 10, 5, 0.0, 1.0, 5), a.build_grid, a.colorize, a.ImageBuilder, a.KernelWarmup\n"
        "assert not {'numba', 'llvmlite', 'PyQt6', 'sqlite3', 'websockets'} & set(sys.modules)\n"
    )


SCRIPT = """
import sys, numpy as np, Heatmap.aggregation as a
spec = a.GridSpec(0, 10, 5, 0.0, 1.0, 5)
a.colorize(a.build_grid(np.array([5]), np.array([2.5]), np.ones(1), spec))
print(a.ImageBuilder().engine_name, "numba" in sys.modules)
"""


@pytest.mark.timeout(600)
def test_a_script_uses_the_kernels_and_compiles_them_once(cold_start, tmp_path):
    assert run_python(SCRIPT, HEATMAP_KERNEL_CACHE=str(cold_start[1])) == "numba True\n"
    script = start_python(SCRIPT, HEATMAP_KERNEL_CACHE=str(tmp_path))
    output, said = script.communicate(timeout=280)
    assert output == "numba True\n"
    assert said.count("\n") == 1
    assert said.startswith(f"compiling the kernels into {tmp_path}")
    again = start_python(SCRIPT, HEATMAP_KERNEL_CACHE=str(tmp_path))
    assert again.communicate(timeout=280) == ("numba True\n", "")


def test_a_script_that_can_keep_no_kernels_uses_numpy(tmp_path):
    blocked = tmp_path / "file"
    blocked.touch()
    script = start_python(SCRIPT, HEATMAP_KERNEL_CACHE=str(blocked))
    output, said = script.communicate(timeout=280)
    assert output.startswith("numpy")
    # Nothing was compiled before.
    assert said == f"compiled kernels cannot be saved in {blocked} (Not a directory); NumPy is used\n"


def test_a_process_that_may_have_a_window_never_compiles_for_a_first_call(tmp_path):
    script = "import PyQt6.QtGui\n" + SCRIPT
    assert run_python(script, HEATMAP_KERNEL_CACHE=str(tmp_path)) == "numpy False\n"
    assert not list(tmp_path.iterdir())


FROZEN = """
import json, sys, threading
from Heatmap.aggregation import ImageBuilder, KernelWarmup, warmup
sys.frozen, warmup.subprocess.Popen = True, None
ready, reports = [], []
warm = KernelWarmup(lambda: ready.append(1), reports.append)
warm.start()
[thread.join(60) for thread in threading.enumerate() if thread.name == "heatmap-kernel-warmup"]
print(json.dumps([ready, reports, ImageBuilder().engine_name]))
"""


@pytest.mark.timeout(600)
def test_a_frozen_program_loads_the_cache_it_ships_and_never_starts_itself_again(cold_start, tmp_path):
    assert json.loads(run_python(FROZEN, HEATMAP_KERNEL_CACHE=str(cold_start[1]))) == [[1], [], "numba"]
    ready, reports, engine_name = json.loads(
        run_python("import PyQt6.QtGui\n" + FROZEN, HEATMAP_KERNEL_CACHE=str(tmp_path))
    )
    assert (ready, engine_name) == ([], "numpy")
    assert "no Python interpreter to compile with; the map is painted by NumPy" in reports[0]


@pytest.mark.timeout(600)
def test_a_package_without_sources_loads_the_shipped_kernels(cold_start, tmp_path):
    """As PyInstaller makes one: only compiled modules."""
    compiled = tmp_path / "Heatmap"
    shutil.copytree(ROOT / "Heatmap", compiled, ignore=shutil.ignore_patterns("__pycache__"))
    assert compileall.compile_dir(compiled, quiet=1, legacy=True)
    for source in compiled.rglob("*.py"):
        source.unlink()
    script = "import sys; sys.path.insert(0, sys.argv[1])\n" + FROZEN + "import Heatmap; print(Heatmap.__file__)\n"
    done = subprocess.run(
        [sys.executable, "-P", "-c", script, str(tmp_path)],
        env={**os.environ, "HEATMAP_KERNEL_CACHE": str(cold_start[1])},
        capture_output=True,
        text=True,
        check=True,
    )
    result, home = done.stdout.splitlines()
    assert Path(home).is_relative_to(tmp_path)
    assert json.loads(result) == [[1], [], "numba"]


def test_all_public_names_exist():
    code = "import Heatmap.aggregation as a; print('auto_spec' in dir(a), all(hasattr(a, name) for name in dir(a)))"
    assert run_python(code) == "True True\n"


PLAIN = """
import numpy as np
from Heatmap.aggregation import GridSpec, ImageBuilder, RenderOptions, build_grid, colorize
from Heatmap.aggregation.kernel_jit import compiled_here
from Heatmap.aggregation.numba_engine import NumbaEngine
from Heatmap.aggregation.numpy_engine import NumpyEngine
from Heatmap.event_columns import EventColumns
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
    run_to_its_end(warm)
    assert not ready.is_set()
    assert reports == ["NUMBA_DISABLE_JIT is set; the map is painted by NumPy"]
    assert engine_choice.new_engine().name == "numpy"


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
    run_to_its_end(warm)
    assert not ready.is_set()
    assert len(reports) == 1
    assert "painted by NumPy" in reports[0]
    assert told in caplog.text
    assert engine_choice.new_engine().name == "numpy"


def test_a_child_that_cannot_start_is_told(monkeypatch, caplog):
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    warm, ready, reports = collected_warmup()
    run_to_its_end(warm)
    assert not ready.is_set()
    assert "painted by NumPy" in reports[0]
    assert "Traceback" in caplog.text


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
    assert not threads()
    assert children[0].poll() is not None
    assert not ready.is_set()
    assert reports == []


def test_stop_is_safe_before_start_and_twice():
    warm, _, _ = collected_warmup()
    warm.stop()
    warm.stop()


@pytest.fixture
def no_folder_named(monkeypatch):
    for variable in ("HEATMAP_KERNEL_CACHE", "NUMBA_CACHE_DIR"):
        monkeypatch.delenv(variable, raising=False)


@pytest.mark.usefixtures("no_folder_named")
def test_the_cache_lies_beside_the_source_if_it_can(tmp_path):
    assert kernel_cache.cache_folder(tmp_path / "package", tmp_path / "user") == tmp_path / "package" / "__pycache__"
    assert not (tmp_path / "user").exists()


@pytest.mark.usefixtures("no_folder_named")
def test_a_read_only_installation_uses_the_user_s_cache(tmp_path):
    blocked = tmp_path / "file"
    blocked.touch()  # no folder can be made below a file, not even by root
    assert kernel_cache.cache_folder(blocked, tmp_path / "user") == tmp_path / "user"
    assert (tmp_path / "user").is_dir()
    assert kernel_cache.cache_folder(blocked, blocked) == blocked / "__pycache__", "it may hold kernels"


def test_a_chosen_cache_is_respected(monkeypatch, tmp_path):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "numba"))
    monkeypatch.delenv("HEATMAP_KERNEL_CACHE", raising=False)
    assert kernel_cache.cache_folder(tmp_path / "x", tmp_path / "y") == tmp_path / "numba"
    monkeypatch.setenv("HEATMAP_KERNEL_CACHE", str(tmp_path / "own"))
    assert kernel_cache.cache_folder(tmp_path / "x", tmp_path / "y") == tmp_path / "own"


def test_old_kernels_are_deleted_and_only_those(tmp_path):
    cache = kernel_cache.KernelCache(tmp_path, "now")
    for name in ("heatmap-kernels-old", "heatmap-kernels-new", "heatmap-kernels-now"):
        (tmp_path / name).mkdir()
    for name in ("kernel_frame.render_0123456789ab-1.py311.nbi", "somebody.else-1.py311.nbi"):
        (tmp_path / name).touch()
    for path in tmp_path.iterdir():
        os.utime(path, (1000, 5000 if path.name == "heatmap-kernels-new" else 1000))
    cache.delete_old_versions(2000)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"heatmap-kernels-new", "heatmap-kernels-now", "somebody.else-1.py311.nbi"}


FORKED = """
import multiprocessing, sys, warnings
import numpy as np
from Heatmap.aggregation import GridSpec, build_grid
from Heatmap.aggregation.numba_engine import NumbaEngine
warnings.simplefilter("ignore")
count = 200_000
rng = np.random.default_rng(1)
events = np.sort(rng.integers(0, 1_000_000, count)), rng.uniform(0, 100, count), np.ones(count)
spec = GridSpec(0, 1000, 1000, 0.0, 1.0, 100)
def job(_):
    return float(build_grid(*events, spec, engine=NumbaEngine(2)).sum())
wanted = job(0)
with multiprocessing.get_context("fork").Pool(1) as pool:
    assert pool.map_async(job, [1]).get(60) == [wanted]
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
def test_a_forked_child_has_threads_of_its_own():
    run_python(FORKED)


def test_a_process_with_a_window_is_refused_a_kernel_that_would_be_compiled(tmp_path):
    code = """
import PyQt6.QtGui
from Heatmap.aggregation import ImageBuilder
from Heatmap.errors import KernelCacheError
builder = ImageBuilder()
try:
    builder.use_numba()
except KernelCacheError:
    print(builder.engine_name)
"""
    assert run_python(code, HEATMAP_KERNEL_CACHE=str(tmp_path / "empty")) == "numpy\n"


def test_without_numba_a_script_goes_on_with_numpy():
    code = """
import sys
sys.modules["numba"] = None
from Heatmap.aggregation import ImageBuilder
print(ImageBuilder().engine_name)
"""
    assert run_python(code) == "numpy\n"
