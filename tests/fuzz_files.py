"""Damaged files: whatever stands in one, it is a valid mixture or selection, or a ValueError.

``python -m tests.fuzz_files --bytes 100000 --values 10000 --mapped 10000`` changes bytes of saved files (half of them
inside of members, whose checksums are made right again) and values (of headers and arrays, checksums right), and loads
and uses each; and bytes of prepared files, which are mapped. That happens in a process of its own, whose memory and
time are bounded, so that a crash is one more outcome, told with its number; ``--first`` tries a number again.
"""

import argparse
import io
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import traceback
import warnings
import zipfile
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np

import gmm

HERE = Path(__file__)
KINDS = ("bytes", "values", "mapped")
FAILED = "FAILED"
SECONDS = 20  # for one file
MEMORY = 1 << 30  # bytes beyond what a worker has when it begins


# --- What is damaged ----------------------------------------------------------------------------


def groups(d):
    rng = np.random.default_rng(0)
    return np.concatenate([rng.normal(size=(30, d)), rng.normal(4, 0.5, size=(30, d))])


def corpus():
    """Saved files of every kind, as bytes."""
    from inside import PARSIMONIOUS

    X, how = groups(3), {"random_state": 0, "max_iter": 5}
    fits = [gmm.GaussianMixture(2, covariance_type=name, **how).fit(X) for name in PARSIMONIOUS]
    fits += [
        gmm.GaussianMixture(3, n_init=3, init_params="random_from_data", **how).fit(X),
        gmm.GaussianMixture(2, refine="split-merge", prior="conjugate", random_state=0).fit(X),
        gmm.GaussianMixture(2, prior=gmm.NormalInverseWishart(mean=[0, 0, 0], scale=1.0), **how).fit(X.astype("f4")),
        gmm.GaussianMixture.from_parameters([1.0], [[0.0]], [1.0], covariance_type="spherical", feature_names=["x"]),
        gmm.GaussianMixture(3, **how).fit(X, labels=["ash"] * 10 + [None] * 40 + ["birch"] * 10),
        gmm.MixtureClassifier(2, ["full", "diag"], **how).fit(X, [0] * 30 + [7] * 30),
        gmm.MixtureRegressor(2, **how).fit(X[:, :1], X[:, 1:]),
        gmm.select(X[:, :2], [1, 2], ["full", "tied", "diag"], **how),
        gmm.select(X[:5], [1, 9], "diag", **how),
    ]
    return [saved(fit) for fit in fits] + [(HERE.parent / "data" / "model-v1.gmm").read_bytes()]


def prepared():
    """Files of frozen mixtures that can be mapped, as bytes."""
    types = ("full", "tied", "diag", "spherical")
    fits = (gmm.GaussianMixture(2, covariance_type=name, random_state=0, max_iter=5).fit(groups(3)) for name in types)
    return [saved(fit.freeze(), prepared=True) for fit in fits]


def saved(what, **how):
    file = io.BytesIO()
    what.save(file, **how)
    return file.getvalue()


def arrays_of(what):
    """What is saved of it but the header, which leaves out parameters that are arrays."""
    return {name: content for name, content in members(saved(what)).items() if name != "header.npy"}


def members(content):
    """The members of a file, by name, as they lie in it."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(parts):
    """A file of these members, with right checksums."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in parts.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return file.getvalue()


def with_other_bytes(content, rng):
    if rng.random() < 0.5:
        return damaged(content, rng)
    parts = members(content)
    name = rng.choice(sorted(parts))
    return packed(parts | {name: damaged(parts[name], rng)})


def damaged(content, rng):
    """Some bytes changed, left out, put in, or doubled."""
    content = bytearray(content)
    for _ in range(rng.integers(1, 5)):
        at, n = int(rng.integers(len(content) + 1)), int(rng.integers(1, 9))
        match rng.integers(6):
            case 0:
                del content[at : at + n]
            case 1:
                content[at:at] = rng.bytes(n)
            case 2:
                content[at:at] = content[at : at + 20 * n]
            case 3 if rng.random() < 0.2:
                del content[at:]
            case _ if at < len(content):
                content[at] = rng.integers(256)
    return bytes(content)


NUMBERS = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 5.0, 1e308, -1e308, 1e200, 1e-310, 5e-324, 1e16, 2.0**63)
WORDS = ("", "x", "full", "float32", "bic", "ok", "degenerate: component 0", "failed: x", "not tried", "conjugate")
WORDS += ("kmeans",)
MODELS = ("full", "tied", "diag", "spherical", "EII", "VEI", "VVE", "EEV", "VVV", "factor", "factor1", "ppca2")
OTHERS = (None, True, False, 0, 1, -1, -5, 2, 10**9, 10**40, 1.5, [], {}, [[]], [1, 2, 3], {"x": 1}, {"mean": "x"})
TYPES = ("c16", "?", "i1", "u8", "f2", "f4", ">f8", "f16", "M8[s]", "m8[s]", "S0", "S3", "V0", "V8", "U0", "U2", "2f8")
SHAPES = ((), (0,), (1,), (3, 0), (0, 3), (3, 1000), (10**10,), (10**30,), (-1, -6), (2, -3), (1,) * 70, (True,))


def with_other_values(content, rng):
    """One or two values of the header or the arrays changed."""
    parts = members(content)
    for _ in range(rng.integers(1, 3)):
        if rng.random() < 0.5 or len(parts) < 2:
            parts["header.npy"] = npy(np.frombuffer(other_header(array_of(parts["header.npy"]), rng), dtype=np.uint8))
        else:
            name = str(rng.choice([name for name in sorted(parts) if name != "header.npy"]))
            other = other_array(array_of(parts[name]), rng)
            parts.pop(name)
            if other is not None:
                parts[name] = other
    return packed(parts)


def array_of(member):
    """The array of a member, or some number where an earlier change has left none."""
    try:
        array = np.load(io.BytesIO(member), allow_pickle=False)
    except Exception:
        return np.zeros(1)
    return array if array.dtype.kind in "biuf" else np.zeros(1)


def npy(array):
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asarray(array), allow_pickle=False)
    return file.getvalue()


def other_array(array, rng):
    """What stands in an array's place, as a member; None for nothing."""
    match rng.integers(8):
        case 0:
            return None
        case 1:
            return lying(array, rng)
        case 2:
            return npy(np.resize(array, [int(rng.choice([0, 1, 2, 3, 4, 9, 100])) for _ in range(rng.integers(4))]))
        case 3:
            return npy(array.T if rng.random() < 0.5 else array[:1] if array.ndim else array.reshape(1, 1))
        case 4:
            return npy(array * float(rng.choice(NUMBERS)))
        case 5:
            return npy(array * 10.0 ** rng.uniform(-320, 300))
        case 6:
            return npy(array + rng.normal(size=array.shape) * 10.0 ** rng.uniform(-17, 2))
    values = np.array(array, dtype=float)
    if values.size:
        values.flat[rng.integers(values.size)] = rng.choice(NUMBERS)
    return npy(values)


def lying(array, rng):
    """A member whose header tells another type or shape than it has."""
    dtype = str(rng.choice(TYPES)) if rng.random() < 0.6 else array.dtype.str
    shape = SHAPES[rng.integers(len(SHAPES))] if rng.random() < 0.6 else array.shape
    header = f"{{'descr': {dtype!r}, 'fortran_order': {bool(rng.integers(2))}, 'shape': {shape!r}, }}".encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + array.tobytes()


def other_header(values, rng):
    """A header with one thing changed, wherever in it."""
    try:
        header = json.loads(values.tobytes())
    except (ValueError, RecursionError):
        return values.tobytes()
    inside, key = header, None
    while key is None or (isinstance(inside[key], dict | list) and inside[key] and rng.random() < 0.8):
        inside = header if key is None else inside[key]
        keys = list(inside) if isinstance(inside, dict) else list(range(len(inside)))
        if not keys:
            return json.dumps(header).encode()
        key = keys[rng.integers(len(keys))]
    match rng.integers(6):
        case 0:
            del inside[key]
        case 1 if isinstance(inside, dict):
            inside[f"{key}__x"] = inside.pop(key)
        case 2:
            inside[key] = str(rng.choice(WORDS))
        case 3:
            inside[key] = float(rng.choice(NUMBERS))
        case 4:
            inside[key] = str(rng.choice(MODELS))
        case _:
            inside[key] = OTHERS[rng.integers(len(OTHERS))]
    return json.dumps(header).encode().replace(b'"x"', b"[" * 5000 if rng.random() < 0.05 else b'"x"')


# --- Judgement ----------------------------------------------------------------------------------


def outcome(content, load, use):
    """What became of a file: refused in words, or what was loaded and does all that it should."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "damaged")
        path.write_bytes(content)
        try:
            found = load(path)
        except ValueError as error:
            return "ValueError" if path.name in str(error) else f"{FAILED} a ValueError without the file: {error}"
        use(found)
        kind = type(found).__name__
        del found  # Windows removes no file that is mapped
    return f"a valid {kind}"


def use_loaded(found):
    used = {gmm.Selection: use_selection, gmm.MixtureClassifier: use_classifier}
    used[gmm.MixtureRegressor] = lambda regressor: use_mixture(regressor.mixture_)
    used.get(type(found), use_mixture)(found)
    assert arrays_of(gmm.load(saved(found))) == arrays_of(found)


def use_frozen(frozen):
    for n, dtype in itertools.product((1, 3, 100), ("f4", "f8")):
        X = np.arange(float(n * frozen.n_features)).reshape(n, -1).astype(dtype)
        assert set(frozen.predict(X)) <= set(range(-1, frozen.n_components))
        assert frozen.predict_proba(X).shape == (n, frozen.n_components)


def are_shares(proba, mixture):
    """Responsibilities sum to one or, beside noise, to less."""
    assert proba.shape[1] == mixture.weights_.size
    assert np.isfinite(proba).all()
    assert (proba >= 0).all()
    totals = proba.sum(axis=1)
    assert (totals < 1 + 1e-3).all()
    assert mixture.noise_weight_ or (totals > 1 - 1e-3).all()


def scores(mixture, X):
    """The responsibilities of rows that are accepted, all of whose numbers are checked."""
    are_shares(proba := mixture.predict_proba(X), mixture)
    labels = mixture.predict(X)
    assert proba.shape[0] == len(labels) == len(X)
    assert ((labels >= (-1 if mixture.noise_weight_ else 0)) & (labels < mixture.weights_.size)).all()
    for values in (mixture.score_samples(X), mixture.score(X)):
        assert np.all(values < np.inf)  # −∞ for rows very far away, and never NaN
    return proba


def use_mixture(mixture):
    """A fitted mixture is one of finite numbers, which is printed, scores rows, and is sampled."""
    for name in ("weights_", "means_", "covariances_"):
        assert np.isfinite(getattr(mixture, name)).all(), name
    assert (mixture.weights_ >= 0).all()
    assert abs(mixture.weights_.sum() + mixture.noise_weight_ - 1) < 1e-5
    assert all(map(str, (mixture, repr(mixture), mixture._repr_html_())))
    scores(mixture, np.arange(3.0 * mixture.n_features_in_).reshape(3, -1))
    assert np.isfinite(mixture.sample(3, random_state=0)[0]).all()


def use_classifier(classifier):
    for mixture in classifier.mixtures_:
        use_mixture(mixture)
    X = np.arange(3.0 * classifier.n_features_in_).reshape(3, -1)
    assert np.abs(classifier.predict_proba(X).sum(axis=1) - 1).max() < 1e-9
    assert set(classifier.predict(X)) <= set(classifier.classes_)


def use_selection(found):
    ranked = found.ranked()
    assert found.best_index == ranked[0]
    assert found.best is found.estimators[found.best_index]
    assert {len(column) for column in found.columns().values()} == {len(found.status)}
    assert repr(found)
    assert found._repr_html_()
    for number in ranked:
        use_mixture(found.estimators[number])


# --- Workers ------------------------------------------------------------------------------------


def work(kind, first, last):
    """Try the files of these numbers; of each write its number before and its outcome after."""
    warnings.simplefilter("ignore")
    if kind == "mapped":
        files = [(content, partial(gmm.load, mmap=True), use_frozen) for content in prepared()]
    else:
        files = [(content, gmm.load, use_loaded) for content in corpus()]
    change = {"bytes": with_other_bytes, "values": with_other_values, "mapped": damaged}[kind]
    bound_memory()
    for number in range(first, last):
        print(number, end=" ", flush=True)
        rng = np.random.default_rng([KINDS.index(kind), number])
        content, *how = files[rng.integers(len(files))]
        content = change(content, rng)
        if hasattr(signal, "alarm"):
            signal.alarm(SECONDS)  # which ends the process, wherever it is
        try:
            told = outcome(content, *how)
        except BaseException as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            told = f"{FAILED} {type(error).__name__}: {' '.join(str(error).split())[:200]} ({place.line})"
        print(told, flush=True)


def bound_memory():
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0])
    except (ImportError, OSError):  # elsewhere only time is bounded
        return
    resource.setrlimit(resource.RLIMIT_AS, (pages * os.sysconf("SC_PAGE_SIZE") + MEMORY,) * 2)


def outcomes(kind, first, last):
    """Yield (number, outcome) of all files; a worker that dies is followed by another."""
    while first < last:
        command = [sys.executable, str(HERE), "--work", kind, str(first), str(last)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as worker:
            started = None
            for line in worker.stdout:
                started, _, told = line.rstrip("\n").partition(" ")
                if told:
                    yield int(started), told
                    first = int(started) + 1
            said = worker.stderr.read().strip().splitlines()
        if first < last:
            if started is None:
                raise RuntimeError(f"no worker begins: {said[-1:]}")
            yield first, f"{FAILED} the process ended with {worker.returncode} {said[-1:]}"
            first += 1


def main():
    """Try the files, tell how many had which outcome; 1 where one failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz_files", description=__doc__)
    for kind in KINDS:
        parser.add_argument(f"--{kind}", type=int, default=0, metavar="N", help=f"files with changed {kind}")
    parser.add_argument("--first", type=int, default=0, metavar="NUMBER", help="the number of the first")
    parser.add_argument("--work", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.work:
        kind, first, last = asked.work
        work(kind, int(first), int(last))
        return 0
    n_failed = 0
    for kind in KINDS:
        counts = Counter()
        for number, told in outcomes(kind, asked.first, asked.first + getattr(asked, kind)):
            if told.startswith(FAILED):
                print(f"{kind} {number}: {told}", flush=True)
            counts[told.split()[0] if told.startswith(FAILED) else told] += 1
        print(f"{kind}: {counts.total()} files; " + ", ".join(f"{n} {told}" for told, n in counts.most_common()))
        n_failed += counts[FAILED]
    return int(n_failed > 0)


if __name__ == "__main__":
    sys.exit(main())
