"""One estimator in the hands of many threads: reading it is safe, and a fit replaces all that it found at once."""

import pickle
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from gmm import BayesianGaussianMixture, GaussianMixture
from tables import blobs, python, reloaded

pytestmark = pytest.mark.filterwarnings("ignore::gmm.ConvergenceWarning")
ROUNDS = 12
X, OTHER = blobs(300, K=2), blobs(150, K=1) * [1, 3, 9]


@pytest.fixture(autouse=True)
def _threads_take_turns_quickly():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def bits(mixture):
    return mixture.weights_.tobytes() + mixture.means_.tobytes() + mixture.covariances_.tobytes()


READERS = {
    "predict": lambda m: m.predict(X).tobytes(),
    "predict_proba": lambda m: m.predict_proba(X).tobytes(),
    "score_samples": lambda m: m.score_samples(X).tobytes(),
    "sample": lambda m: m.sample(20, random_state=0)[0].tobytes(),
    "save": lambda m: bits(reloaded(m)),
    "pickle": lambda m: bits(pickle.loads(pickle.dumps(m))),
    "freeze": lambda m: m.freeze().predict_proba(X).tobytes(),
    "attributes": bits,
    "print": lambda m: f"{m!r}{m}".encode(),
    "html": lambda m: m._repr_html_().encode(),
}
# Those that look at the mixture once: attributes read one by one may be of two fits.
AT_ONCE = {name: READERS[name] for name in READERS if name not in ("attributes", "print", "html")}
each_class = pytest.mark.parametrize("cls", [GaussianMixture, BayesianGaussianMixture])


def at_once(*tasks):
    """Run the tasks in a thread each, which begin together, and return their results."""
    barrier = Barrier(len(tasks))

    def begun(task):
        barrier.wait()
        return task()

    with ThreadPoolExecutor(len(tasks)) as pool:
        futures = [pool.submit(begun, task) for task in tasks]
        return [future.result() for future in futures]


def again(task, *given):
    return lambda: [task(*given) for _ in range(ROUNDS)]


@each_class
@pytest.mark.parametrize("n_threads", [1, 2])
def test_all_may_read_one_estimator(cls, n_threads):
    mixture = cls(n_components=2, random_state=0, n_threads=n_threads).fit(X)
    expected = {name: read(mixture) for name, read in READERS.items()}
    found = at_once(*(again(read, mixture) for read in READERS.values()))
    for (name, right), answers in zip(expected.items(), found, strict=True):
        assert set(answers) == {right}, name


@each_class
@pytest.mark.parametrize("warm_start", [False, True])
def test_who_reads_during_a_fit_sees_the_mixture_before_it_or_behind_it(cls, warm_start):
    mixture = cls(n_components=2, random_state=0, warm_start=warm_start, max_iter=30, tol=0.0)
    right = {name: set() for name in AT_ONCE}
    for rows in (X, OTHER) * 3:
        mixture.fit(rows)
        for name, read in AT_ONCE.items():
            right[name].add(read(mixture))
    last = bits(mixture)
    mixture = cls(**mixture.get_params()).fit(X)

    def refit():
        for rows in (OTHER, *(X, OTHER) * 2):
            mixture.fit(rows)
        return bits(mixture)

    found = at_once(refit, *(again(read, mixture) for read in AT_ONCE.values()))
    assert found[0] == last
    for (name, answers), given in zip(right.items(), found[1:], strict=True):
        assert set(given) <= answers, name


@each_class
@pytest.mark.parametrize("warm_start", [False, True])
def test_fits_of_one_estimator_at_once_are_each_a_right_one(cls, warm_start):
    """Who comes last is kept whole; a warm start continues whichever it found, and never falls behind it."""
    mixture = cls(n_components=2, random_state=0, warm_start=warm_start, max_iter=5, tol=0.0)
    mixture.fit(X)
    first, first_bits = mixture.lower_bound_, bits(mixture)
    at_once(*(again(mixture.fit, X) for _ in range(4)))
    if not warm_start:
        assert bits(mixture) == first_bits
    assert mixture.lower_bound_ >= first - 1e-9
    assert bits(reloaded(mixture)) == bits(mixture)
    if cls is GaussianMixture:
        assert abs(mixture.score(X) - mixture.lower_bound_) < 1e-5


@each_class
def test_a_warm_start_looks_once_at_what_it_continues(cls):
    """Another thread's fit may end at any moment: here one does while the warm start asks whether it may continue."""

    class Overtaken(cls):
        overtaken = False

        def _problem(self, source):
            problem = super()._problem(source)
            if self.overtaken:
                self.overtaken = False
                self.set_params(warm_start=False).fit(OTHER).set_params(warm_start=True)
            return problem

    mixture = Overtaken(n_components=2, random_state=0, warm_start=True, max_iter=5, tol=0.0)
    expected = bits(Overtaken(**mixture.get_params()).fit(X).fit(X))
    mixture.fit(X).overtaken = True
    assert bits(mixture.fit(X)) == expected


def test_threads_may_begin_with_their_first_fit():
    code = """
from concurrent.futures import ThreadPoolExecutor; from threading import Barrier; import sys, gmm
sys.setswitchinterval(1e-5); X, begin = [[0.0], [1.0], [5.0]], Barrier(8)
fit = lambda _: (begin.wait(), str(gmm.GaussianMixture().fit(X).means_))[1]
print(len({*ThreadPoolExecutor(8).map(fit, range(8))}))
"""
    assert python("-W", "error", "-c", code) == "1\n"


def test_the_extensions_do_without_the_lock_where_python_does():
    told = python("-W", "error", "-c", "import sys, gmm; print(getattr(sys, '_is_gil_enabled', lambda: True)())")
    assert told.strip() == str(not sysconfig.get_config_var("Py_GIL_DISABLED"))
