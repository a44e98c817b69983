"""The recipe for Spark in docs/clusters.md, where Java and pyspark are."""

import re
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest

from gmm import GaussianMixture
from gmm.sources import partitioned_rows

PAGE = Path(__file__).parents[1] / "docs" / "clusters.md"


@pytest.fixture(scope="module")
def spark():
    sql = pytest.importorskip("pyspark.sql", reason="pyspark is not installed")
    if shutil.which("java") is None:
        pytest.skip("there is no Java")
    with warnings.catch_warnings(action="ignore"):
        session = sql.SparkSession.builder.master("local[2]").config("spark.ui.enabled", False).getOrCreate()
        yield session
        session.stop()


def recipe():
    (text,) = re.findall(r"^```py\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    names = {}
    exec(compile("from functools import reduce\nfrom operator import add\n" + text, PAGE.name, "exec"), names)
    return names["engine"]


def test_a_fit_on_spark_is_the_fit_in_memory(spark):
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(3000, 2)) + 6 * rng.integers(2, size=(3000, 1)), columns=["a", "b"])
    with warnings.catch_warnings(action="ignore"):
        rows = spark.createDataFrame(frame).repartition(4).cache()
        there = GaussianMixture(2, random_state=0).fit(partitioned_rows(recipe()(rows)))
    here = GaussianMixture(2, random_state=0).fit(frame)
    order = np.argsort(there.means_[:, 0])
    np.testing.assert_allclose(there.means_[order], here.means_[np.argsort(here.means_[:, 0])], atol=1e-4)
    assert there.score(frame) == pytest.approx(here.score(frame), abs=1e-6)
    assert list(there.feature_names_in_) == ["a", "b"]
