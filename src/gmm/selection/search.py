"""`select`: a request becomes cells, the engine solves them, and the criteria compare them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from math import inf
from numbers import Real
from operator import index
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmm.em.e_step import Totals
from gmm.estimators import criteria
from gmm.estimators.fitted import set_fitted
from gmm.estimators.mixture import GaussianMixture, ill_defined
from gmm.estimators.scorer import Scorer
from gmm.fitting.degenerate import effective_rows
from gmm.fitting.fit import COMPARISON_DEFAULTS, FitSettings, GivenStart, shared_seed, start_seeds
from gmm.fitting.sampling import LARGEST_SHARE, sampled, sampled_share
from gmm.fitting.starts import STARTS
from gmm.rows.entrance import as_source_to_fit, in_memory
from gmm.rows.sources import ArraySource
from gmm.selection.candidates import Starts, as_model
from gmm.selection.cell import WORTH, SearchRows, Solution, Worker
from gmm.selection.engine import Cells, Clock, Engine, Failure, Key, TaskPool, workers_and_threads
from gmm.selection.status import FAILED, NOT_CONVERGED, NOT_TRIED, OK, SPIKE
from gmm.selection.table import Entry, Progress, Selection, check_criterion
from gmm.validation.parameters import check_callback, check_parameters
from gmm.validation.rows import check_enough_rows
from gmm.values.covariance import COVARIANCE_TYPES, PARSIMONIOUS, CovarianceModel, covariance_model, same_as
from gmm.values.layouts import SingularMatrixError

_ROUNDING = 1e-9  # nats per row: no fit is told to come closer
_REFINED = 3  # cells at most, …
_REACH = 0.02  # … which are the best if their log-likelihood grows by so much, in nats per row
# On which starts race.
_FEWEST_ROWS, _ROWS_PER_PARAMETER = 10_000, 20
# What says where or how one fit begins, goes on or talks has no meaning for many.
_NOT_OF_A_SEARCH = ("weights_init", "means_init", "precisions_init", "warm_start", "verbose", "verbose_interval")


def select(
    X: Any,
    n_components: int | Iterable[int] = range(1, 10),
    covariance_type: str | Sequence[str] = "all",
    *,
    criterion: str = "bic",
    n_init: int = 1,
    random_state: Any = None,
    n_threads: int | None = None,
    sample_weight: ArrayLike | None = None,
    callback: Callable[[Progress], object] | None = None,
    time_limit: float | None = None,
    **parameters: Any,
) -> Selection:
    """Find the best mixture for the rows: its number of components, its covariance type, and its fit.

    Every requested number of components is fitted by every requested covariance type, and each such cell is brought to
    the best optimum that is found for it. Cells help each other: starts are made once for each number of components
    and race for each type; a cell begins as well from the one with a component less, the worst-fitting components
    split, and from the solutions of the next types; one that is provably not at its best, because a mixture that it
    contains as a special case has a higher likelihood, goes on from that. The best cells are refined by split–merge
    moves. So a cell may end higher than `GaussianMixture` does alone, and never knowingly at an optimum that is beaten
    by a smaller mixture.

    Parameters
    ----------
    X : array-like or data frame of shape (n, d)
        The rows.
    n_components : int or iterable of int, default=range(1, 10)
        The numbers of components to try.
    covariance_type : str or sequence of str, default="all"
        The covariance types to try.
    criterion : str, default="bic"
        What chooses, "bic", "aic", "aicc", "icl" or "nec"; smaller is better.
    n_init : int, default=1
        Seeds of starts, the same for all types; each but the first adds two k-means partitions for every number of
        components. More of them find more, but begin another search: a cell may end lower as well.
    random_state : int, RandomState, Generator or None, default=None
        Seeds the starts. With an int, the result is the same every time.
    n_threads : int or None, default=None
        Threads, for cells or their passes; None for all usable cores. Results do not depend on it.
    sample_weight : array-like of shape (n,), default=None
        Weights of the rows; in the criteria n is then their sum.
    callback : callable, default=None
        Called with a `Progress` for each cell, once all of its number of components are fitted; a true answer ends the
        search with what is found.
    time_limit : float or None, default=None
        Seconds after which the search ends with what there is; one fit at least is made. See ``complete``.
    **parameters
        Further parameters of `GaussianMixture`, the same for every cell: ``reg_covar``, ``init_params`` by name,
        ``acceleration``, ``refine="split-merge"``, which then goes to every cell, ``tol`` and ``max_iter``. Unless
        given, ``tol=1e-5`` and ``max_iter=1000``; of many rows, `tol` is less, so that a fit is left within 0.05 of
        its criterion.

    Returns
    -------
    Selection
        All cells and the best of them. A cell that could not be fitted is marked so, and the search goes on.

    Raises
    ------
    ValueError
        The data, a name or a number is not usable, or no cell could be fitted.
    TypeError
        `GaussianMixture` has no such parameter, or it has no meaning for a search.

    Examples
    --------
    >>> import numpy as np
    >>> from gmm import select
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(-4, 1, (100, 2)), rng.normal(4, 1, (100, 2))])
    >>> found = select(X, range(1, 4), random_state=0)
    >>> found.best.n_components
    2
    """
    check_criterion(criterion)
    check_callback(callback)
    clock = Clock(_checked_limit(time_limit))
    types, counts = _requested_types(covariance_type), _requested_components(n_components)
    template = _template(parameters | {"n_init": n_init, "n_threads": n_threads})
    template.random_state = seed = shared_seed(random_state)
    check_parameters(template, STARTS)
    opened, features = as_source_to_fit(X, sample_weight, estimator=select.__name__)
    source = in_memory(opened, select.__name__)
    request = _Request(counts, types, criterion, template, source, features)
    rows = _search_rows(source, max(counts), seed)
    starts = Starts(rows.sample, template, request.models, start_seeds(seed, n_init))
    with TaskPool(rows, *workers_and_threads(rows, len(types), max(counts), n_threads), clock) as pool:
        settings = _settings(template, source.survey.weight)
        engine = Engine(Cells(settings, rows, template.prior, pool.watch, clock.is_up), starts, pool)
        return _Search(request, rows, engine, pool, clock).run(callback)


@dataclass(frozen=True, eq=False)
class _Request:
    """What is asked for, checked: `template` has the parameters that all cells share."""

    n_components: list[int]
    types: list[str]
    criterion: str
    template: GaussianMixture
    source: ArraySource
    features: NDArray[np.object_] | None

    @property
    def cells(self) -> list[tuple[int, str]]:
        """Every number of components with every covariance type."""
        return [(K, name) for K in self.n_components for name in self.types]

    @cached_property
    def parameters(self) -> dict[str, Any]:
        """The template's."""
        return self.template.get_params()

    @property
    def models(self) -> list[CovarianceModel]:
        """The models that are fitted, those of the most components first."""
        most = sorted(self.n_components, reverse=True)
        return list(dict.fromkeys(self.key(K, name).model for K in most for name in self.types))

    def key(self, n_components: int, name: str) -> Key:
        """The cell that is fitted for a requested one."""
        return Key(n_components, same_as(covariance_model(name), n_components, self.source.n_features))

    def keys(self, n_components: int) -> list[Key]:
        """Those of one number of components, each once."""
        return list(dict.fromkeys(self.key(n_components, name) for name in self.types))


class _Search:
    """One search, from the request to the table."""

    def __init__(self, request: _Request, rows: SearchRows, engine: Engine, pool: TaskPool, clock: Clock) -> None:
        self._request = request
        self._rows = rows
        self._engine = engine
        self._pool = pool
        self._clock = clock
        self._measured: dict[Key, tuple[Solution, dict[str, float]]] = {}
        self._of_one: dict[CovarianceModel, float] = {}

    def run(self, callback: Callable[[Progress], object] | None) -> Selection:
        """Search, and say what was found."""
        told = self._solve_all(callback)
        if not told:
            self._improve()
        self._measure(self._engine.outcomes)
        entries = [self._entry(K, name) for K, name in self._request.cells]
        return Selection.of(entries, self._request.criterion, complete=not told and not self._clock.is_up())

    def _solve_all(self, callback: Callable[[Progress], object] | None) -> bool:
        """Fit every number of components, from few to many; whether the callback told to stop."""
        request, engine = self._request, self._engine
        for K in sorted(set(request.n_components)):
            keys = request.keys(K)
            try:
                check_enough_rows(request.source.n_used, K)
            except ValueError as error:
                engine.outcomes |= dict.fromkeys(keys, Failure(error))
            else:
                engine.solve(keys)
            if callback is not None and self._told_to_stop(K, callback):
                return True
            if self._clock.is_up():
                break
        return False

    def _told_to_stop(self, n_components: int, callback: Callable[[Progress], object]) -> bool:
        cells = self._request.cells
        for number, (K, name) in enumerate(cells):
            if n_components == K:
                status = _status(self._engine.outcomes.get(self._request.key(K, name)), name)
                if callback(Progress(number, len(cells), K, name, status)):
                    return True
        return False

    def _improve(self) -> None:
        """Refine the best cells, or all if that is asked for, and free those that this leaves behind."""
        engine, request = self._engine, self._request
        # A number of components that there are too few rows for has no cell to begin from, and is to have none.
        counts = sorted({key.n_components for key, found in engine.outcomes.items() if isinstance(found, Solution)})
        for K in reversed(counts):
            engine.go_back(request.keys(K))
        for K in counts:
            engine.go_on(request.keys(K))
        keys = [
            key for key, found in engine.outcomes.items() if isinstance(found, Solution) and not found.is_degenerate
        ]
        if request.template.refine is None:
            self._measure(keys)
            scores = {key: self._measured[key][1][request.criterion] for key in keys}
            reach = min(scores.values(), default=inf) + 2 * _REACH * self._rows.all_rows.survey.weight
            keys = sorted((key for key in keys if scores[key] <= reach), key=scores.__getitem__)[:_REFINED]
        engine.refine(keys)
        engine.free(sorted(engine.outcomes, key=self._size))

    def _size(self, key: Key) -> tuple[int, int]:
        K, model = key
        return K, model.n_parameters(K, self._request.source.n_features)

    def _measure(self, keys: Iterable[Key]) -> None:
        """The log-likelihood and the criteria of all solutions that have none yet."""
        found, tasks = self._engine.outcomes, {}
        for key in keys:
            solution = found[key]
            if isinstance(solution, Solution) and self._measured.get(key, (None, {}))[0] is not solution:
                tasks[key] = partial(_totals, solution)
        n = self._rows.all_rows.survey.weight
        for key, (solution, totals) in self._pool(tasks, in_any_case=True).items():
            fit = (totals.log_likelihood, totals.classification, solution.parameters.n_parameters, n)
            of_one = self._log_likelihood_of_one(solution, totals)
            scores = criteria.evaluate(*fit, entropy=totals.entropy, loglik_of_one=of_one)
            self._measured[key] = (solution, scores | {"loglik": totals.log_likelihood})

    def _log_likelihood_of_one(self, solution: Solution, totals: Totals) -> float:
        """What one component of the solution's model says of the rows."""
        if solution.parameters.n_components == 1:
            return totals.log_likelihood
        model = solution.parameters.model
        if model not in self._of_one:
            template = self._request.template
            scorer = Scorer(solution.parameters, template.n_threads)
            self._of_one[model] = scorer.log_likelihood_of_one(self._rows.all_rows, template.reg_covar)
        return self._of_one[model]

    def _entry(self, n_components: int, name: str) -> Entry:
        """A requested cell as the table has it."""
        request, key = self._request, self._request.key(n_components, name)
        found, model = self._engine.outcomes.get(key), covariance_model(name)
        told = (n_components, name, _status(found, name), self._pool.seconds.get(key, 0.0))
        if not isinstance(found, Solution):
            return Entry(*told)
        scores = self._measured[key][1]
        parameters = as_model(found.parameters, model)
        estimator = GaussianMixture(**request.parameters | {"n_components": n_components, "covariance_type": name})
        set_fitted(estimator, replace(found.result, parameters=parameters), request.source, request.features)
        return Entry(*told, estimator, scores["loglik"], parameters.n_parameters, scores)


def _totals(solution: Solution, worker: Worker) -> tuple[Solution, Totals]:
    return solution, Scorer(solution.parameters, worker.n_threads).totals(worker.search_rows.all_rows)


def _status(found: Solution | Failure | None, name: str) -> str:
    if found is None:
        return NOT_TRIED
    if isinstance(found, Failure):
        error = found.error
        text = ill_defined(error, covariance_model(name)) if isinstance(error, SingularMatrixError) else str(error)
        return FAILED + (" ".join(text.split()) or type(error).__name__)
    if found.is_degenerate:
        return f"{SPIKE}component {found.degenerate}"
    return OK if found.result.trace.converged else NOT_CONVERGED


def _search_rows(source: ArraySource, most_components: int, seed: int) -> SearchRows:
    """All rows and a sample; where there are few they are one, as a weighted set, so that their order is nothing."""
    rng, n_effective = np.random.default_rng(seed), effective_rows(source)
    sample = sampled(source, most_components, rng)
    rows = sample if sampled_share(source, most_components) == 1 else source
    size = max(_FEWEST_ROWS, _ROWS_PER_PARAMETER * most_components * source.n_features)
    if size > LARGEST_SHARE * rows.n_rows:
        return SearchRows(rows, rows if rows is sample else sample, n_effective)
    return SearchRows(rows, sampled(sample, most_components, rng, size=size), n_effective)


def _settings(template: GaussianMixture, weight: float) -> FitSettings:
    """Of all cells: their components and model are put in for each."""
    tol = template.tol and min(template.tol, max(WORTH / weight, _ROUNDING))
    return FitSettings(
        n_components=template.n_components,
        model=covariance_model(template.covariance_type),
        tol=tol,
        reg_covar=template.reg_covar,
        max_iter=template.max_iter,
        init_params=str(template.init_params),
        given=GivenStart(),
        n_threads=template.n_threads,
        acceleration=template.acceleration,
        refine="split-merge",
    )


def _template(parameters: dict[str, Any]) -> GaussianMixture:
    meaningless = [name for name in _NOT_OF_A_SEARCH if name in parameters]
    if meaningless:
        raise TypeError(f"{meaningless[0]} is for one mixture, and means nothing in a search over many: leave it out")
    unknown = sorted(parameters.keys() - GaussianMixture().get_params().keys())
    if unknown:
        raise TypeError(f"select has no parameter {unknown[0]!r}; models are asked for by covariance_type")
    template = GaussianMixture(**COMPARISON_DEFAULTS | parameters)
    check_parameters(template, STARTS)
    if not isinstance(template.init_params, str):
        raise TypeError(
            f"expected the name of a start in init_params, among {tuple(STARTS)}: other starts are for one number of "
            f"components; got {type(template.init_params).__name__}"
        )
    return template


def _checked_limit(time_limit: Any) -> float | None:
    if time_limit is None:
        return None
    if not isinstance(time_limit, Real) or isinstance(time_limit, bool):
        raise TypeError(f"expected seconds or None for time_limit, got {time_limit!r}")
    if not 0 <= float(time_limit) <= inf:
        raise ValueError(f"expected time_limit from 0 upwards, got {time_limit!r}")
    return float(time_limit)


def _requested_components(n_components: int | Iterable[int]) -> list[int]:
    many = n_components if isinstance(n_components, Iterable) else [n_components]
    try:
        requested = [index(k) for k in many]
    except TypeError as error:
        raise TypeError(f"expected whole numbers in n_components, got {n_components!r}") from error
    if not requested or min(requested) < 1:
        raise ValueError(f"expected n_components from 1 upwards, got {n_components!r}")
    return requested


def _requested_types(covariance_type: str | Iterable[str]) -> list[str]:
    if not isinstance(covariance_type, Iterable):
        raise TypeError(f'expected names of covariance types, or "all", got {covariance_type!r}')
    if isinstance(covariance_type, str):
        names = list(PARSIMONIOUS) if covariance_type == "all" else [covariance_type]
    else:
        names = list(covariance_type)
    if not names:
        raise ValueError(f"expected a covariance type among {COVARIANCE_TYPES}, got none")
    for name in names:
        covariance_model(name)
    return names
