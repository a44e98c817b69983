"""`select`: turns a request into cells, has the engine fit them, and compares them by a criterion."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from math import inf, nan
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmm._blas import blas_alone_in_fit
from gmm._estimators import criteria
from gmm._estimators.estimated import set_fitted
from gmm._estimators.mixture import GaussianMixture
from gmm._estimators.outcome import warn_of_light_rows
from gmm._estimators.scorer import Scorer
from gmm._fitting.incomplete import completed, never_observed_together, warn_of_unobserved_pairs
from gmm._fitting.seeds import common_seed, start_seeds
from gmm._kernel.first_look import distinct_rows
from gmm._passes.results import Totals
from gmm._persistence.checkpoints import SearchCheckpoint
from gmm._rows.entrance import Names, as_source_to_fit
from gmm._rows.sources import ArraySource, Source, box_of, relative_ridge
from gmm._selection.bar import Bar
from gmm._selection.candidates import Starts, as_model
from gmm._selection.cell import SearchRows, Solution, Worker
from gmm._selection.cells import check_criterion
from gmm._selection.clock import Clock
from gmm._selection.contenders import Contenders
from gmm._selection.engine import Cells, Engine, TaskPool, workers_and_threads
from gmm._selection.failure import Failure
from gmm._selection.finishing import finished, rows_to_search
from gmm._selection.fixed import fixed_components
from gmm._selection.grid import near
from gmm._selection.held_out import deviances, repeated
from gmm._selection.keeping import search_file
from gmm._selection.keys import Key
from gmm._selection.request import (
    Request,
    check_cells,
    checked_limit,
    n_rows_of,
    requested_components,
    requested_folds,
    requested_tails,
    requested_types,
    template_of,
)
from gmm._selection.standard import in_units, note_on_shrinkage, restored, warn_of_constants
from gmm._selection.status import FAILED, MORE_THAN_ROWS, NOT_TRIED, status_of
from gmm._selection.table import Entry, Progress, Selection
from gmm._validation.column_notes import error_values, note_on_identifiers, notes_on, singular_columns
from gmm._validation.errors import check_same_columns_in
from gmm._validation.noise import check_noise
from gmm._validation.parameters import check_callback
from gmm._values.covariance import covariance_model
from gmm._values.parameters import MixtureParameters
from gmm._values.tails import Tails

_REFINED = 3  # cells at most, …
_REACH = 0.02  # … that become the best if their log-likelihood grows by this, in nats per row


def select(
    X: Any,
    n_components: int | Iterable[int] = range(1, 10),
    covariance_type: str | Sequence[str] = "all",
    *,
    n_factors: int | Iterable[int] | None = None,
    tails: str | Sequence[str] = "normal",
    degrees_of_freedom: float | None = None,
    criterion: str = "bic",
    n_splits: int | None = None,
    n_init: int = 1,
    random_state: Any = None,
    n_threads: int | None = None,
    sample_weight: ArrayLike | None = None,
    callback: Callable[[Progress], object] | None = None,
    time_limit: float | None = None,
    standardize: bool = False,
    checkpoint: str | os.PathLike[str] | None = None,
    resume: bool = False,
    error_covariance: ArrayLike | None = None,
    **parameters: Any,
) -> Selection:
    """Choose the number of components, the covariance type and the tails of a mixture, and fit it.

    Each requested number of components is fitted with each requested covariance type; such a pair is a *cell* of the
    search. With several `tails`, a cell has one of them. All cells are fitted together and reuse each other's
    solutions:

    - starts are made once per number of components, and the best of them are used for each type;
    - a cell also starts from the fit with one component less, with the worst-fitting components split, and from the
      fits of the most similar types;
    - if a special case of a cell's model has a higher likelihood, the cell continues from that fit;
    - the best cells are refined by split–merge moves;
    - the cells within 20 of the best criterion (NEC: 0.2) are solved again from fresh starts, until they stay.

    A cell may therefore reach a higher likelihood than a single fit of `GaussianMixture`. On many rows (from some ten
    thousands on), a cell is left before it converges once its projected gain cannot bring it within 40 of the best
    criterion so far; its status says so. Cells with a `prior`, searches by NEC and, of rows beyond memory, by ICL are
    finished in any case.

    Parameters
    ----------
    X : array-like or data frame of shape (n, d), data set, or what `open_rows` returns
        Rows. If they are beyond memory, the search runs on 200,000 of them, drawn at random; the three best cells are
        then finished on all rows, and are the result.
    n_components : int or iterable of int, default=range(1, 10)
        Numbers of components to try.
    covariance_type : str or sequence of str, default="all"
        Covariance types to try; "all", alone or among others, are the 14 models, of one column the two that there are,
        "E" and "V". "factor" and "ppca" are not among them.
    n_factors : int or iterable of int, default=None
        Numbers of factors to try for "factor" and "ppca". In the table these are covariance types with the number
        behind the name, such as "factor2", and may be asked for so.
    tails : str or sequence of str, default="normal"
        Tails to try, among "normal", "t" and "contaminated", as in `GaussianMixture`; "VVV t" stands for the covariance
        type VVV with heavy tails. Their cells also start beside noise, as single fits, and are not refined by moves.
    degrees_of_freedom : float, default=None
        Of heavy tails; None estimates it in each cell, which counts as a parameter.
    criterion : {"bic", "aic", "aicc", "icl", "nec", "held_out"}, default="bic"
        Criterion that chooses the best mixture; smaller is better. "held_out" is minus twice the log-likelihood of all
        rows, each under a mixture that has not seen it (Smyth 2000): choose by it where the density counts, not the
        clusters. The cells are then fitted `n_splits` times more. Of rows beyond memory, it is that of the sample,
        brought to all rows, and the best cell alone is finished.
    n_splits : int, default=None
        Number of folds of "held_out", dealt by `random_state`; None is 5. For no other criterion.
    n_init : int, default=1
        Number of seeds for the starts. With each one after the first, the search continues from two further k-means
        partitions per number of components and another start of each cell, and cells keep what is better: with an int
        as `random_state`, no cell ends lower than with fewer.
    random_state : int, RandomState, Generator or None, default=None
        Seed of the starts. With an int, results are reproducible.
    n_threads : int or None, default=None
        Number of threads; None uses all available cores. Results do not depend on it.
    sample_weight : array-like of shape (n,), default=None
        Weights of the rows; the criteria use their sum as the sample size. Not with what `open_rows` returns, which has
        its own.
    callback : callable, default=None
        Called with a `Progress` for each cell, once it is fitted for the first time, in each fold of "held_out" before.
        A true return value ends the search, once all cells with this number of components are fitted, with the fits
        made so far; in a fold, with the folds so far and the first number of components. Of rows beyond
        memory, it is also called before the best cells are finished on all rows, with about how many readings of them
        that takes, and after each pass over them, on other threads; a true value then ends all cells but the best.
    time_limit : float or None, default=None
        Time limit in seconds, after which the search ends with the fits made so far, at least one. See
        ``Selection.complete``. The folds of "held_out" take half of it; those made by then stand for all. Of rows
        beyond memory, the best cell is finished on all rows in any case, and the others if the time allows.
    standardize : bool, default=False
        Search in units of each column's standard deviation, so that units do not matter; mixtures, likelihoods and
        criteria are those of the original columns. A `NormalInverseWishart` is in these units about the mean, a box of
        `noise` is in the original ones. The mixtures found have the prior in the original units, as further fits need
        it, and the ridge in the smallest of them. Six models (EII, VII, EVE, VVE, EEV, VEV) are
        others in original units: their mixtures come as EEI, VEI, EVV, VVV, EVV and VVV there, which count more
        parameters than the table, whose names and numbers of parameters are those of the models searched; so does
        "ppca", which comes as "factor".
    checkpoint : path, default=None
        File in which to keep what the search has found and, of rows beyond memory, how far its best cells are finished:
        from time to time, at most 2 % of it, and at its end. It is replaced as a whole.
    resume : bool, default=False
        Continue the search of the file `checkpoint` to the result that it would have had; begin it if there is no such
        file. X, its weights, the version of gmm and all other parameters must be the same, but for `n_threads`,
        `callback` and `time_limit`, which counts anew. Starts are made again, what was solved is not.
    error_covariance : array-like, default=None
        Of the rows' measurement errors, as in `GaussianMixture.fit`: every cell is a mixture of the values without
        errors, and criteria are of rows with theirs.
    **parameters
        Further parameters of `GaussianMixture`, used for all cells: ``init_params`` (a name), ``acceleration``,
        ``prior``, ``noise``, ``missing``, ``refine="split-merge"`` to refine every cell at last, ``tol``, ``max_iter``
        and ``max_ratio``, with which "all" are "full", "diag" and "spherical". The defaults here are ``tol=None``,
        which is 1e-5, reduced on large tables so that criteria are accurate to about 0.05, and ``max_iter=1000``.
        ``reg_covar``, here 1e-6 too, is a share of the squared width of the narrowest column that varies: its number of
        different values times the median gap between them, over 2.6, which is the deviation of normal values. So units
        do not matter; the mixtures found have the product as their `reg_covar`. ``fixed={"means": True}`` fixes
        the m rows of ``means_init`` as means of the first m components of every cell, and the search is over how many
        others there are, from none on: classes that are known beside new ones. ``fixed={"means": True, "covariances":
        True}`` fixes as well the ``precisions_init`` of these m, in the shape of `covariance_type`, "full", "diag" or
        "spherical" where there are others; a mask of m fixes some of them. Criteria count free parameters, and each
        mixture has what it holds as `means_init` and masks for all its components, as further fits need them.

    Returns
    -------
    Selection
        Table of all cells, with the best one. The status of a cell says if it could not be fitted.

    Raises
    ------
    ValueError
        If the data, a name or a number is invalid, or no cell could be fitted.
    TypeError
        If `GaussianMixture` has no such parameter, or it does not apply to a search.

    References
    ----------
    P. Smyth (2000). Model selection for probabilistic clustering using cross-validated likelihood. *Statistics and
    Computing* 10, 63-72.

    Examples
    --------
    >>> import numpy as np
    >>> from gmm import select
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(-4, 1, (100, 2)), rng.normal(4, 1, (100, 2))])
    >>> selection = select(X, range(1, 4), random_state=0)
    >>> selection.best.n_components
    2
    >>> known = select(X, range(1, 4), "full", fixed={"means": True}, means_init=[[4, 4]], random_state=0)
    >>> known.best.means_.round(1)
    array([[ 4. ,  4. ],
           [-4.1, -3.9]])
    """
    check_criterion(criterion, criteria.OF_SEARCHES)
    callback = check_callback(callback)
    clock, counts = Clock(checked_limit(time_limit)), requested_components(n_components)
    template = template_of(parameters | {"n_init": n_init, "n_threads": n_threads, "random_state": random_state})
    given, features = _given(X, sample_weight, template, error_covariance, criterion)
    types = requested_types(covariance_type, given.n_features, n_factors, limited=template.max_ratio is not None)
    folds, seed = requested_folds(n_splits, criterion), common_seed(random_state)
    cells = counts, types, requested_tails(template, tails, degrees_of_freedom, given), criterion, folds
    opened = _rows_of_cells(given, features, types, template)
    check_cells(template, counts, types, opened, standardize=standardize, n_splits=folds)
    noise = check_noise(template.noise, opened.n_features, partial(box_of, opened))
    fixed = fixed_components(template, counts, types, opened.n_features, standardize=standardize)
    opened, noise, units = in_units(opened, noise, standardize=standardize)
    request = Request(*cells, template, opened, features, parameters.get("tol"), noise, fixed)
    with search_file(template, opened, request.facts, seed, checkpoint=checkpoint, resume=resume) as file:
        template.random_state = seed = seed if file is None else file.seed
        selection, rows = _searched(request, seed, clock, callback, file)
    warn_of_light_rows(opened, int(selection.n_parameters[selection.best_index]))
    names = [f"x{j}" for j in range(given.n_features)] if features is None else list(map(str, features))
    whole = None if given.one_array is None else given.one_array.rows
    in_own_units = rows[:0] if units is not None else rows
    notes = (
        *(() if whole is None else note_on_identifiers(whole, names)),
        *(() if whole is None else singular_columns(whole, names)),
        *notes_on(rows, names, errors=bool(opened.errors)),
        *error_values(in_own_units if whole is None else whole, names),
        *note_on_shrinkage(selection.estimators),
    )
    return replace(restored(selection, units, opened), notes=notes)


def _given(X: Any, sample_weight: Any, template: GaussianMixture, errors: Any, criterion: str) -> tuple[Source, Names]:
    """Return the rows to search, and the names of their features; of folds, rows as often as their weights say."""
    how: dict[str, Any] = {"estimator": select.__name__, "missing": template.missing}
    source, names = as_source_to_fit(X, sample_weight, error_covariance=errors, **how)
    check_same_columns_in(template, names)
    if criterion == criteria.HELD_OUT and source.sample_weight is not None and source.one_array and not source.errors:
        table = repeated(replace(source.one_array, sample_weight=source.sample_weight))
        source = source if table is None else as_source_to_fit(table.rows, None, **how)[0]
    return source, names


def _rows_of_cells(
    source: Source, names: NDArray[Any] | None, types: Sequence[str], template: GaussianMixture
) -> Source:
    """Return the rows that tell of cells, gaps filled for starts; warn of columns that do not."""
    models = [covariance_model(name) for name in types]
    warn_of_constants(source, names)
    warn_of_unobserved_pairs(never_observed_together(source, names, models))
    ridge = relative_ridge(source, template.reg_covar) if source.unfilled else 0.0
    return completed(source.informative, models, ridge, template.n_threads)


def _searched(
    request: Request,
    seed: int,
    clock: Clock,
    callback: Callable[[Progress], object] | None,
    file: SearchCheckpoint | None,
) -> tuple[Selection, NDArray[Any]]:
    """Return the search, and the rows in memory that it looked at."""
    opened, template = request.source, request.template
    here, reports = replace(request, source=rows_to_search(opened, seed)), _Reports(request, callback)
    template.reg_covar = relative_ridge(here.source, template.reg_covar)
    with _opened(here, seed, clock, file, _deviances(here, seed, clock, reports)) as search:
        selection = search.run(reports)
    if here.source.n_rows != opened.n_rows:
        share = opened.survey.weight / here.source.survey.weight
        selection = replace(selection, held_out=selection.held_out * share)
        selection = finished(selection, request, clock.is_up, file, callback)
        selection = replace(selection, n_searched=here.source.n_rows)
    return selection, next(iter(here.source.chunks())).rows


@contextmanager
def _opened(
    request: Request, seed: int, clock: Clock, file: SearchCheckpoint | None, held_out: Mapping[Key, float]
) -> Iterator[_Search]:
    template, most = request.template, max(request.n_components)
    rows = SearchRows.of(request.source, most, seed)
    whole = rows.sample.without_gaps.resident
    assert whole is not None  # a search is over rows in memory
    if whole is not rows.sample:  # rows with gaps or errors, which are no weighted set
        whole = ArraySource(*distinct_rows(np.ascontiguousarray(whole.rows, np.float64), whole.sample_weight))
    seeds, places = start_seeds(seed, template.n_init), None if request.fixed is None else request.fixed.means
    starts = Starts(whole, template, request.models, seeds, request.noise, places)
    work = workers_and_threads(rows, len(request.types) * len(request.tails), most, template.n_threads)
    with blas_alone_in_fit(request.source.n_features), TaskPool(rows, *work, clock) as pool:
        cells = Cells(request.settings, rows, pool.watch, clock.is_up, file, request.judge)
        engine = Engine(cells, starts, pool)
        yield _Search(request, rows, starts, engine, pool, clock, held_out)


def _deviances(request: Request, seed: int, clock: Clock, reports: _Reports) -> Mapping[Key, float]:
    """Return the held-out deviance of each cell, if that is the criterion; the folds' own cells are not refined."""
    nothing = defaultdict[Key, float](lambda: nan)
    if request.n_splits is None:
        return nothing
    half, rng = clock.half(), np.random.default_rng(seed)

    def solve(part: Source, fold: int) -> dict[Key, MixtureParameters]:
        reports.begin(fold)
        with _opened(replace(request, source=part), seed, half, None, nothing) as search:
            return search.mixtures(reports)

    def is_up() -> bool:
        return half.is_up() or reports.is_over

    of_folds = deviances(request.source, request.n_splits, rng, solve, is_up, request.template.n_threads)
    reports.begin(0)
    return of_folds


class _Search:
    def __init__(
        self,
        request: Request,
        rows: SearchRows,
        starts: Starts,
        engine: Engine,
        pool: TaskPool,
        clock: Clock,
        held_out: Mapping[Key, float],
    ) -> None:
        self._request = request
        self._rows = rows
        self._engine = engine
        self._pool = pool
        self._clock = clock
        self._held_out = held_out
        self._evaluations: dict[Key, tuple[Solution, dict[str, float]]] = {}
        self._contenders = Contenders(engine, starts, self._scores, near(request.criterion))

    def mixtures(self, reports: _Reports) -> dict[Key, MixtureParameters]:
        """Return where the starts lead that cells share and make of each other."""
        for number in range(self._request.template.n_init):
            if self._solve_all(number, reports):
                break
        outcomes = self._engine.outcomes.items()
        return {key: one.parameters for key, one in outcomes if isinstance(one, Solution)}

    def run(self, reports: _Reports) -> Selection:
        stopped = False
        for number in range(self._request.template.n_init):
            stopped = self._solve_all(number, reports)
            if stopped:
                break
            self._polish()
        self._measure(self._engine.outcomes)
        entries = [self._entry(*cell) for cell in self._request.cells]
        complete = not stopped and not self._clock.is_up()
        selection = Selection.of(entries, self._request.criterion, complete=complete)
        winner = self._request.key(*self._request.cells[selection.best_index])
        fresh, again = self._contenders.fresh_attempts(winner)
        return replace(selection, n_fresh_starts=fresh, n_found_again=again)

    def _solve_all(self, number: int, reports: _Reports) -> bool:
        """Fit every number of components, in rising order, by one seed; return whether the callback ended the search.

        Cells that have solutions keep them unless there are better ones.
        """
        request, engine, n_rows = self._request, self._engine, n_rows_of(self._request.source)
        for K in sorted(set(request.n_components)):
            keys = request.keys(K)
            if n_rows < K:
                reason = ValueError(f"{MORE_THAN_ROWS.removeprefix(FAILED)} ({n_rows:,})")
                engine.outcomes |= dict.fromkeys(keys, Failure(reason))
            else:
                self._set_bar()
                engine.solve(keys, number, reports)
            for key in keys:
                reports(key, engine.outcomes.get(key))
            if reports.is_over:
                return True
            if self._clock.is_up():
                break
        return False

    def _polish(self) -> None:
        """Let cells begin from each other, refine the best ones, and then all if requested."""
        self._set_bar()
        self._grow_and_shrink()
        self._set_bar()
        scores = self._scores()
        reach = min(scores.values(), default=inf) + 2 * _REACH * self._rows.all_rows.survey.weight
        self._refine(sorted((key for key in scores if scores[key] <= reach), key=scores.__getitem__)[:_REFINED])
        if self._request.template.refine is not None:
            self._refine(list(self._scores()))

    def _refine(self, keys: Sequence[Key]) -> None:
        """Refine cells, improve those that their special cases now surpass, and settle the best."""
        self._engine.refine(keys)
        self._set_bar()
        self._engine.unstick(sorted(self._engine.outcomes, key=self._size))
        self._contenders.settle()

    def _grow_and_shrink(self) -> None:
        """Let cells begin from new solutions of one component more, and of one component fewer."""
        outcomes, engine = self._engine.outcomes, self._engine
        # With too few rows for a number of components, its cells stay failed: they get no start from others.
        counts = sorted({key.n_components for key in outcomes if isinstance(outcomes[key], Solution)})
        for K in reversed(counts):
            engine.shrink(self._request.keys(K))
        for K in counts:
            engine.grow(self._request.keys(K))

    def _scores(self) -> dict[Key, float]:
        """Return the criterion of cells with a solution without degenerate components."""
        outcomes = self._engine.outcomes.items()
        keys = [key for key, one in outcomes if isinstance(one, Solution) and not one.is_degenerate]
        self._measure(keys)
        return {key: self._evaluations[key][1][self._request.criterion] for key in keys}

    def _set_bar(self) -> None:
        """Let cells of many rows end once they cannot come near the best; few rows are worth the whole table."""
        if not self._rows.whole:
            best = min(self._scores().values(), default=inf)
            self._engine.bar = Bar(self._request.criterion, best, self._rows.all_rows.survey.weight)

    def _size(self, key: Key) -> tuple[int, int]:
        K, model, tails = key
        return K, model.n_parameters(K, self._request.source.n_features) + tails.n_parameters(K)

    def _measure(self, keys: Iterable[Key]) -> None:
        """Compute the log-likelihood and criteria of solutions that do not have them yet."""
        tasks = {}
        for key in keys:
            solution = self._engine.outcomes[key]
            if isinstance(solution, Solution) and self._evaluations.get(key, (None, {}))[0] is not solution:
                tasks[key] = partial(_totals, solution)
        n = self._rows.all_rows.survey.weight
        for key, (solution, totals) in self._pool(tasks, in_any_case=True).items():
            of_one = self._request.log_likelihood_of_one(solution.parameters, self._rows.all_rows)
            scores = criteria.evaluate(totals, solution.parameters.n_parameters, n, of_one)
            scores |= {"loglik": totals.log_likelihood, criteria.HELD_OUT: self._held_out[key]}
            self._evaluations[key] = (solution, scores)

    def _entry(self, n_components: int, name: str, tails: Tails) -> Entry:
        request, key = self._request, self._request.key(n_components, name, tails)
        result, model = self._engine.outcomes.get(key), request.model(name, tails)
        entry = Entry(n_components, name, tails.name, _status(result, name), self._pool.seconds.get(key, 0.0))
        if not isinstance(result, Solution):
            return entry if result is None else replace(entry, error=result.error)
        scores = self._evaluations[key][1]
        parameters = as_model(result.parameters, model)
        estimator = GaussianMixture(**request.parameters(n_components, name, tails))
        fit, objective = replace(result.result, parameters=parameters), self._engine.cell(key).settings.objective
        set_fitted(estimator, fit, request.source, request.features, objective.stored_for(model))
        if request.fixed is not None:
            estimator.set_params(**request.fixed.parameters(estimator))
        return replace(
            entry, estimator=estimator, loglik=scores["loglik"], n_parameters=parameters.n_parameters, scores=scores
        )


class _Reports:
    """Tells the callback of every cell once, when its first outcome is there, and so in each fold.

    Attributes
    ----------
    is_over : bool
        Whether the callback has ended the search.
    """

    def __init__(self, request: Request, callback: Callable[[Progress], object] | None) -> None:
        self._request, self._callback = request, callback
        self.is_over = False
        self.begin(0)

    def begin(self, fold: int) -> None:
        """Begin with all cells of a fold, from 1, or of all rows, 0."""
        self._left = [] if self._callback is None else list(enumerate(self._request.cells))
        self._fold = fold

    def __call__(self, key: Key, outcome: Solution | Failure | None) -> None:
        """Tell of the cells that share an outcome."""
        request = self._request
        for cell in [cell for cell in self._left if request.key(*cell[1]) == key]:
            self._left.remove(cell)
            number, (K, name, tails) = cell
            progress = Progress(
                number, len(request.cells), K, name, tails.name, _status(outcome, name), fold=self._fold
            )
            self.is_over = self.is_over or bool(self._callback and self._callback(progress))


def _totals(solution: Solution, worker: Worker) -> tuple[Solution, Totals]:
    return solution, Scorer(solution.parameters, worker.n_threads).totals(worker.search_rows.all_rows)


def _status(result: Solution | Failure | None, name: str) -> str:
    if result is None:
        return NOT_TRIED
    if isinstance(result, Failure):
        return result.status(name)
    return status_of(result.result.trace, result.degenerate)
