"""Files that earlier versions saved load with the numbers that they had: of each version, one file of each class.

``PYTHONPATH=tests python tests/files/test_saved_files.py`` stores those of the present version, when it is released.
"""

import io
import itertools
import json
import re
import zipfile

import numpy as np
import pytest

import fuzz_files
import gmm
from gmm import BayesianGaussianMixture, FrozenMixture, GaussianMixture, MixtureClassifier, MixtureRegressor, Selection
from inside import FORMAT_VERSION, load_state
from tables import DATA, FAITHFUL, ROOT

pytestmark = pytest.mark.filterwarnings("ignore:X does not have valid feature names")
FOLDER = DATA / "saved"
FILES = sorted(FOLDER.glob("*/*.gmm"))
ROWS = np.array([[1.8, 54.0], [3.1, 66.0], [4.4, 81.0], [40.0, -600.0]])
FITTED = ("weights_", "means_", "covariances_", "precisions_", "converged_", "n_iter_", "lower_bound_", "lower_bounds_")
POSTERIOR = ("weight_concentration_", "mean_precision_", "degrees_of_freedom_", "counts_", "mean_prior_")
POSTERIOR += ("covariance_prior_", "weight_concentration_prior_", "mean_precision_prior_", "degrees_of_freedom_prior_")
COLUMNS = ("n_components", "covariance_type", "loglik", "bic", "aic", "icl", "status", "best_index", "complete")


def of_attributes(saved, *names):
    return {name: getattr(saved, name) for name in names if hasattr(saved, name)}


def told(saved):
    """What a user sees of a saved object, as JSON values."""
    if isinstance(saved, Selection):
        facts = of_attributes(saved, *COLUMNS, "n_found_again", "n_new_starts", "seconds")
        facts |= {f"mixture {n}": told(each) for n, each in enumerate(saved.estimators) if each is not None}
        return plain(facts | {"ranked": saved.ranked()})
    if isinstance(saved, MixtureClassifier):
        facts = of_attributes(saved, "classes_", "class_prior_", "log_likelihood_", "bic_", "n_iter_")
        facts |= {f"mixture {n}": told(each) for n, each in enumerate(saved.mixtures_)}
        facts |= {"feature_names": saved.feature_names_in_, "request": (saved.n_components, saved.covariance_type)}
        return plain(facts | {"predict": saved.predict(ROWS), "predict_proba": saved.predict_proba(ROWS)})
    if isinstance(saved, MixtureRegressor):
        facts = {"predict": saved.predict(ROWS[:, :1]), "mixture": told(saved.mixture_)}
        return plain(facts | {"n_targets": saved.n_targets_, "feature_names": saved.feature_names_in_})
    facts = {name: getattr(saved, name)(ROWS) for name in ("predict", "predict_proba", "score_samples")}
    if isinstance(saved, FrozenMixture):
        return plain(facts | {"log_joint": saved.log_joint(ROWS), "n_components": saved.n_components})
    facts |= of_attributes(saved, *FITTED, *POSTERIOR)
    facts["feature_names"] = getattr(saved, "feature_names_in_", [])
    facts["endings"] = [(trace.start, trace.reason, trace.converged) for trace in saved.histories_]
    facts["passes"] = [(list(trace.passes), trace.seconds) for trace in saved.histories_]
    facts["refinement"] = saved.history_.refinement and saved.history_.refinement._asdict()
    parameters = saved.get_params()
    prior = parameters.get("prior")
    facts["prior"] = vars(prior) if isinstance(prior, gmm.NormalInverseWishart) else prior
    facts["parameters"] = {name: value for name, value in parameters.items() if isinstance(value, str | int | float)}
    return plain(facts)


def plain(facts):
    return json.loads(json.dumps(facts, default=lambda value: np.asarray(value).tolist()))


def assert_alike(found, expected, where):
    """Compare nested values; a later version may tell more, and scores may differ in their last digits."""
    if isinstance(expected, dict):
        for name, value in expected.items():
            assert_alike(found[name], value, f"{where} {name}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), where
        for number, (one, other) in enumerate(zip(found, expected, strict=True)):
            assert_alike(one, other, f"{where} {number}")
    elif isinstance(expected, float):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-300, err_msg=where)
    else:
        assert found == expected, where


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name} {path.stem}")
def test_a_file_of_an_earlier_version_loads_as_it_was(path):
    saved = gmm.load(path)
    assert type(saved).__name__ == path.stem
    assert_alike(told(saved), json.loads(path.with_suffix(".json").read_text(encoding="utf-8")), path.stem)


def test_there_is_a_file_of_each_class_of_each_version():
    versions = {path.parent.name for path in FILES}
    assert "0.1.0" in versions
    for version in versions:
        names = {path.stem for path in FILES if path.parent.name == version}
        mixtures = BayesianGaussianMixture, FrozenMixture, GaussianMixture
        assert names == {cls.__name__ for cls in (*mixtures, MixtureClassifier, MixtureRegressor, Selection)}


def examples():
    """Make one object of each class, with all that its file may hold."""
    table = pytest.importorskip("pandas").DataFrame(FAITHFUL, columns=["eruptions", "waiting"])
    prior = gmm.NormalInverseWishart(mean=[3.0, 70.0], shrinkage=0.5, scale=[[0.2, 0.0], [0.0, 30.0]])
    mixture = GaussianMixture(3, covariance_type="VVE", n_init=3, refine="split-merge", prior=prior, random_state=0)
    posterior = BayesianGaussianMixture(
        n_components=4, covariance_type="diag", mean_prior=[3.5, 70.0], mean_precision_prior=0.5, random_state=0
    )
    return (
        mixture.fit(table),
        posterior.fit(FAITHFUL.astype(np.float32)),
        GaussianMixture(2, covariance_type="tied", random_state=0).fit(FAITHFUL).freeze(),
        gmm.select(FAITHFUL, [1, 2, 272], ["VVV", "EII"], random_state=0, reg_covar=0.0),
        MixtureClassifier([1, 2], ["VVV", "EII"], prior="conjugate", random_state=0).fit(
            table, np.where(FAITHFUL[:, 1] > 68, "long", "short")
        ),
        MixtureRegressor(2, prior="conjugate", random_state=0).fit(table[["eruptions"]], table["waiting"]),
    )


@pytest.fixture(scope="module")
def saved_now():
    with np.errstate(all="ignore"):
        return [fuzz_files.saved(each) for each in examples()]


def keys(value):
    """Every key of nested values, but for what an estimator was asked for."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from [name, *(keys(inner) if name != "parameters" else ())]
    elif isinstance(value, list):
        yield from itertools.chain.from_iterable(map(keys, value))


def test_the_page_documents_every_entry_of_a_file(saved_now):
    page = (ROOT / "docs" / "file-format.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"`([^`\n]+)`", page))
    for content in (*saved_now, *(path.read_bytes() for path in FILES)):
        header, arrays = load_state(content)
        names = {*keys(header)} | {re.sub(r"\b\d+/", "N/", name).removeprefix("N/") for name in arrays}
        assert not names - documented - {"header"}
    assert f"Version {FORMAT_VERSION}" in " ".join(page.split())


def test_a_file_is_what_the_page_says(saved_now):
    """With the standard library and nothing of numpy's reader for archives."""
    for content in saved_now:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            assert archive.testzip() is None
            assert archive.namelist()[0] == "header.npy"
            for entry in archive.infolist():
                assert entry.compress_type == zipfile.ZIP_STORED
                assert entry.filename.endswith(".npy")
                assert archive.read(entry)[:8] in (b"\x93NUMPY\x01\x00", b"\x93NUMPY\x02\x00")
            text = archive.read("header.npy")
        header = json.loads(text[10 + int.from_bytes(text[8:10], "little") :])
        assert (header["format"], header["format_version"]) == ("gmm-em model", FORMAT_VERSION)


def test_entries_of_later_versions_are_ignored(saved_now):
    for content in saved_now:
        header, arrays = load_state(content)
        file = io.BytesIO()
        text = json.dumps(header | {"of a later version": [1]}).encode()
        np.savez(file, header=np.frombuffer(text, dtype=np.uint8), **arrays, **{"also later": np.zeros(3)})
        assert_alike(told(gmm.load(file.getvalue())), told(gmm.load(content)), "with more")


if __name__ == "__main__":
    there = FOLDER / gmm.__version__
    there.mkdir(parents=True, exist_ok=True)
    for each in examples():
        path = there / f"{type(each).__name__}.gmm"
        each.save(path)
        path.with_suffix(".json").write_text(json.dumps(told(gmm.load(path)), indent=1), encoding="utf-8")
