"""Frozen mixtures that score from a file, whose memory processes share: the same bits, and no crash."""

import copy
import hashlib
import io
import os
import pickle
import re
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import fuzz_files
import gmm
import inside
from gmm import FrozenMixture
from inside import _frozen, tiles
from tables import cases, pairwise, refused
from test_frozen import FLOATS, LAYOUTS, METHODS, mixture, rows_of

ALL = (*METHODS, "log_joint")
SIZES = (1, 1), (4, 4), (3, 50)  # 50 features are too many for the linear form of a full covariance


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "frozen.gmm"
    mixture().freeze().save(path, prepared=True)
    return path


def changed(path, **parts):
    """Write the file again, aligned, with other arrays or other values in its header."""
    header, arrays = inside.load_state(path)
    header = {name: value for name, value in header.items() if not name.startswith("format")}
    for name, value in parts.items():
        (arrays if isinstance(value, np.ndarray) else header)[name] = value
    inside.save_state(path, header, arrays)
    return path


def is_mapped(frozen):
    base = frozen.prepared
    while base is not None and not isinstance(base, np.memmap):
        base = base.obj if isinstance(base, memoryview) else getattr(base, "base", None)
    return base is not None


@pytest.mark.usefixtures("kernel")
@pairwise(covariance_type=LAYOUTS, size=SIZES, dtype=FLOATS)
def test_it_has_the_same_bits(covariance_type, size, dtype, tmp_path):
    estimator = mixture(covariance_type, *size)
    frozen = estimator.freeze()
    frozen.save(tmp_path / "frozen", prepared=True)
    mapped = FrozenMixture.load(tmp_path / "frozen", mmap=True)
    assert is_mapped(mapped)
    assert not is_mapped(frozen)
    for scale in (1.0, 1e6) if dtype is np.float32 else (1.0, 1e6, 1e152):
        rows = (rows_of(estimator, 2500) * scale).astype(dtype)
        for n in (0, 1, 5, 2500):
            for method in ALL:
                np.testing.assert_array_equal(*(getattr(each, method)(rows[:n]) for each in (mapped, frozen)))
    assert pickle.dumps(mapped) == pickle.dumps(frozen)


def test_copies_pickles_and_the_whole_file_are_the_same(path):
    mapped, before = gmm.load(path, mmap=True), path.read_bytes()
    for other in (pickle.loads(pickle.dumps(mapped)), copy.deepcopy(mapped), gmm.load(path)):
        assert not is_mapped(other)
        np.testing.assert_array_equal(other.prepared, mapped.prepared)
    again = path if os.name == "posix" else path.with_name("again")  # elsewhere no mapped file is replaced
    for other in (mapped, gmm.load(path)):
        other.save(again, prepared=True)
        assert again.read_bytes() == before
    with pytest.raises(ValueError, match="read-only"):
        mapped.prepared[0] = 1.0
    mixture().freeze().save(path.with_name("noted"), prepared=True, metadata={"rows": 3})
    assert gmm.load(path.with_name("noted"), mmap=True).metadata == {"rows": 3}


def test_it_is_an_archive_of_numpy_whose_arrays_are_aligned(path):
    with np.load(path) as archive:
        assert set(archive.files) == {"header", "log_offset", "centres", "whiteners", "origin", "log_noise", "prepared"}
        np.testing.assert_array_equal(archive["prepared"], mixture().freeze().prepared)
    content = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        for name in archive.namelist():
            values = np.lib.format.read_array(archive.open(name))
            assert values.nbytes <= 8 or content.index(values.tobytes()) % 64 == 0


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_processes_share_its_memory(tmp_path):
    mixture(K=16, d=64).freeze().save(path := tmp_path / "frozen", prepared=True)
    mapped = gmm.load(path, mmap=True)
    for dtype in FLOATS:
        mapped.predict(np.zeros((100, 64), dtype))
    maps = re.split(r"^(?=[0-9a-f]+-)", Path("/proc/self/smaps").read_text(encoding="utf-8"), flags=re.MULTILINE)
    (ours,) = (each for each in maps if each.partition("\n")[0].endswith(str(path)))
    sizes = {name: 1024 * int(n) for name, n in re.findall(r"^(\w+): +(\d+) kB", ours, re.MULTILINE)}
    assert sizes["Size"] >= mapped.prepared.nbytes
    assert sizes["Private_Dirty"] == 0


@pytest.mark.skipif(os.name != "posix", reason="a mapped file cannot be replaced elsewhere")
def test_a_file_that_is_replaced_leaves_those_who_use_it_what_it_was(path):
    mapped, X = gmm.load(path, mmap=True), rows_of(mixture(), 40)
    expected = mixture().freeze().log_joint(X)
    mixture("tied", K=2, d=4).freeze().save(path, prepared=True)
    np.testing.assert_array_equal(mapped.log_joint(X), expected)
    assert gmm.load(path, mmap=True).n_components == 2
    path.unlink()
    np.testing.assert_array_equal(mapped.log_joint(X), expected)


def test_other_files_are_refused_with_a_remedy(path, tmp_path):
    plain, content = tmp_path / "plain", path.read_bytes()
    mixture().freeze().save(plain)
    for load in (gmm.load, FrozenMixture.load):
        refused(r"plain .*'prepared'.*save .*prepared=True", load, plain, mmap=True)
    mixture().save(plain)
    refused(r"GaussianMixture.*freeze.*prepared=True", gmm.load, plain, mmap=True)
    for wrong in (content, io.BytesIO(content), None):
        refused(r"path.*mmap=True", gmm.load, wrong, mmap=True, error=TypeError)
    refused("absent", gmm.load, tmp_path / "absent", mmap=True, error=OSError)
    for wrong in (b"", b"x", content[:-30], content[30:]):
        plain.write_bytes(wrong)
        refused(r"plain .*damaged", gmm.load, plain, mmap=True)


@cases(
    ({"prepared": 2}, "version 2: .*prepared=True"),
    ({"prepared": np.zeros(100)}, "K=4 and d=4.*100 numbers.*prepared=True"),
    ({"prepared": np.zeros(100, np.float32)}, "float64 numbers.*float32"),
    ({"centres": np.zeros((4, 5))}, "K=4 and d=5"),
    ({"layout": 1}, "numbers"),
)
def test_numbers_of_another_kernel_or_size_are_refused(parts, match, path):
    refused(match, gmm.load, changed(path, **parts), mmap=True)


@pytest.mark.parametrize("layout", range(4))
def test_no_sizes_reach_beyond_the_numbers(layout):
    for K, d in [(2**62, 1), (1, 2**62), (2**31, 2**31), (2**20, 2**22), (2**32, 2**31)]:
        refused("expected the prepared numbers", FrozenMixture, layout, K, d, np.zeros(1000), -np.inf, np.zeros(1))


def test_numbers_are_not_taken_from_any_address():
    numbers = mixture().freeze().prepared
    room = np.empty(numbers.size + 8)
    start = (-room.ctypes.data % 64 // 8) + 1
    room[start : start + numbers.size] = numbers
    refused("64 bytes", FrozenMixture, 0, 4, 4, room[start : start + numbers.size], -np.inf, np.zeros(4))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_small_is_checked(value, path):
    numbers = np.array(mixture().freeze().prepared)
    for index in (4, 4 + 16 + 64):  # a centre, the origin
        damaged = numbers.copy()
        damaged[index] = value
        refused("finite", gmm.load, changed(path, prepared=damaged), mmap=True)
    numbers[:4] = value
    refused("log offsets", gmm.load, changed(path, prepared=numbers), mmap=True)


def test_a_change_of_the_order_of_prepared_numbers_is_a_new_version():
    """If this fails, prepared numbers have another order or meaning: raise `_PREPARED_VERSION` (_frozen_mixture.py)."""
    tiles.use_kernel(tiles.kernels()[1])
    digest, centres, rest = hashlib.sha256(), np.arange(6.0).reshape(2, 3), (np.ones(3), -np.inf, np.zeros(2))
    for code, size in enumerate((18, 9, 6, 2)):
        digest.update(_frozen.prepare(code, np.arange(2.0), centres, np.arange(1.0, 1 + size), *rest).tobytes())
    assert digest.hexdigest()[:16] == "d7d230bb131b739b"


def test_damaged_files_score_or_are_refused():
    for number, told in fuzz_files.outcomes("mapped", 0, 300):
        assert not told.startswith(fuzz_files.FAILED), f"{number}: {told}"
