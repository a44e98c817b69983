"""Compiled code checks the lengths that it walks along: wrong ones are a ValueError, never a read elsewhere."""

from types import SimpleNamespace

import numpy as np
import pytest

from inside import Candidate, CandidateView, _em, layout_with_code, mstep
from tables import cases, refused

K, D, N = 3, 2, 40
ROWS = np.random.default_rng(0).normal(size=(N, D))
FULL, TIED, DIAGONAL, SPHERICAL = range(4)
SIZES = {FULL: K * D * D, TIED: D * D, DIAGONAL: K * D, SPHERICAL: K}
N_FACTORED = {FULL: K, TIED: 1, DIAGONAL: K, SPHERICAL: K}


def whiteners(layout):
    eye = np.eye(D).ravel()
    return {FULL: np.tile(eye, K), TIED: eye, DIAGONAL: np.ones(K * D), SPHERICAL: np.ones(K)}[layout]


def mixture(layout=FULL, code=None, **changed):
    right = {
        "log_offset": np.zeros(K),
        "centres": np.arange(6.0).reshape(K, D),
        "whiteners": whiteners(layout),
        "layout": SimpleNamespace(code=layout if code is None else code),
        "log_noise": -np.inf,
        "tails": np.zeros(K),
        "fits_tails": False,
        "noise": SimpleNamespace(log_widths=None),
    }
    return SimpleNamespace(**right | changed)


OF_MIXTURES = ("log_offset", "centres", "whiteners", "tails", "code", "noise")


def a_plan(layout=FULL, moments=None, **changed):
    of_mixture = {name: changed.pop(name) for name in OF_MIXTURES if name in changed}
    moments = layout_with_code(layout) if moments is None else SimpleNamespace(code=moments)
    given = {"origin": np.zeros(D), "reach": np.full(D, 10.0), "single": False}
    return _em.Plan(mixture(layout, **of_mixture), moments, **given | changed)


def begun(plan, n_rows=N):
    scratch = _em.Scratch()
    plan.start(scratch, n_rows)
    return scratch


def walked(plan):
    scratch = begun(plan)
    plan.walk(scratch, _em.RowTable(ROWS), 0, 1)
    return scratch


def family(layout=FULL, constraint=0, **rest):
    return mstep.MixtureFamily(layout, constraint, K, D, 1e-6, **rest)


def term(**given):
    right = {"weights": np.ones(K), "means": np.ones((K, D)), "log_determinants": np.ones(K)}
    return family().parameter_term(**right | {"whiteners": whiteners(FULL)} | given)


def lengths(n):
    """An array too short and one too long, for where `n` numbers belong."""
    return [np.ones(n - 1), np.ones(n + 1), np.ones(0)]


def flat(n):
    return [*lengths(n), None]


def tables(n, d):
    return [np.ones(shape) for shape in ((n - 1, d), (n + 1, d), (n, d - 1), (n, d + 1))]


def wrong(name, call, values):
    return [pytest.param(call, value, id=f"{name}-{number}") for number, value in enumerate(values)]


def arguments(call, **given):
    """Cases of each argument of a call, all others being right."""
    return [
        case
        for name, values in given.items()
        for case in wrong(f"{call.__name__}, {name}", lambda v, name=name: call(**{name: v}), values)
    ]


def by_layout(name, call, sizes=None):
    """Cases of an array whose length depends on the layout."""
    return [
        case
        for layout, size in (sizes or SIZES).items()
        for case in wrong(f"{name} of {layout}", lambda v, layout=layout: call(layout, v), flat(size))
    ]


def an_estimate(**changed):
    right = {
        "weights": np.full(K, 1 / K),
        "means": np.arange(6.0).reshape(K, D),
        "covariances": whiteners(FULL),
        "whiteners": whiteners(FULL),
        "log_determinants": np.zeros(K),
        "tails": np.zeros(K),
    }
    return tuple((right | changed).values())


def climb(*, at_most=2, of=None, log_offset=None, **changed):
    log_offset = np.zeros(K) if log_offset is None else log_offset
    how = {"before": np.nan, "tolerance": 0.0, "repair_empty": False}
    loop, e_step = a_loop(), SimpleNamespace(common_scatter=None)
    return loop.run_em(mixture(log_offset=log_offset), an_estimate(**changed), of or family(), e_step, at_most, **how)


def measured(layout=FULL, scatter=None, **changed):
    return a_loop(layout=layout).measure(mixture(layout, **{"tails": None} | changed), scatter)


def halved(component=0, into=1, offset=None, layout=FULL, **changed):
    right = {"origins": np.zeros((K, D)), "counts": np.ones(K), "first": np.zeros((K, D)), "second": whiteners(layout)}
    right |= {"precisions": np.zeros(K), "log_evidence": 0.0, "weight": float(K)}
    statistics = SimpleNamespace(**right | changed, layout=layout_with_code(layout))
    return mstep.halved(statistics, component, into, offset)


def a_check(layout=FULL, steps=np.ones(D)):  # noqa: B008
    return mstep.DegeneracyCheck((layout, D, 4.5, 1.0, 6.0, 6.0, False), float(N), steps, 1e-6, 1)


def check(layout=FULL, steps=np.ones(D), noise=None, of_pass=None, **changed):  # noqa: B008
    estimate = an_estimate(**changed)
    found = a_check(layout, steps).causes(estimate, noise, of_pass)
    mstep.total_variances(layout, estimate, noise)
    return found


OF_LOOP = {"single": False, "form": -1, "allowed": lambda n_components: None}
OF_LOOP |= dict.fromkeys(("pass_limit", "share_limit", "call_limit", "update_limit"), np.inf)


def a_loop(rows=ROWS, weight=None, layout=FULL, **changed):
    given = {"origin": np.zeros(D), "reach": np.full(D, 10.0)} | OF_LOOP | changed
    layout = layout_with_code(layout) if layout in SIZES else SimpleNamespace(code=layout)
    return _em.Loop(_em.RowTable(rows, weight), layout, **given)


def an_ascent(layout=FULL, **changed):
    whitening = {"covariances": whiteners(layout), "whiteners": whiteners(layout)}
    ascent = mstep.QuasiNewtonState(family(layout), 1e-3, True)
    ascent.start(*an_estimate(**whitening | {"log_determinants": np.zeros(N_FACTORED[layout])} | changed))
    return ascent


def ascend(*, ascent=None, layout=FULL, scatter=None, at_most=2, records=None, target=-np.inf, **of_loop):
    e_step = SimpleNamespace(resident=a_loop(layout=layout, **of_loop), common_scatter=scatter)
    ascent = _em.Ascent(ascent or an_ascent(layout), e_step, None)
    return _em.Run(ascent, 9, records=records).go(at_most, _em.StopTarget(target=target, first=2)).n_passes


def ties(layout=FULL, noise=None, **changed):
    given = {"causes": np.zeros(K, np.uint8), "rows": ROWS, "weight": None, "repeated": np.ones(D, np.uint8)} | changed
    return a_check(layout).ties(an_estimate(), noise, **given)


def update(layout=FULL, **changed):
    given = {"origins": np.zeros((K, D)), "counts": np.ones(K), "first": np.zeros((K, D)), "second": whiteners(layout)}
    return mstep.Update(family(layout), weight=float(K), **given | changed)


def update_after(**changed):
    return update(previous=an_estimate(**changed))


def kept(**changed):
    return family(fixed=np.ones((3, K), np.uint8)).with_fixed(an_estimate(), an_estimate(**changed))


def changed_by_others(**changed):
    return family(fixed=np.ones((3, K), np.uint8)).with_fixed(an_estimate(**changed), an_estimate())


def restored(secants=None, room=None):
    """An ascent from a pickle, with one number of its state, or its room, changed."""
    ascent = an_ascent()
    _, _, ((first, before, *rest), kept) = ascent.__reduce__()
    state = first, before if secants is None else secants, *rest
    ascent.__setstate__((state, kept if room is None else room))


def walk(rows=ROWS, first=0, last=1, plan=None, scratch=None, **how):
    plan = plan or a_plan()
    plan.walk(scratch or begun(plan), _em.RowTable(rows, **how), first, last)


def rows_pass(**outputs):
    walk(plan=a_plan(rows_only=True), **outputs)


def seeds(rows=ROWS, weight=None, n_uniforms=7, n_seeds=3):
    return _em.kmeans_seeds(rows, weight, np.full(n_uniforms, 0.5), n_seeds)


def survey(rows=ROWS, weight=None, before=(), n_features=D, fill=None, given=None):
    return mstep.Survey([*before, (0, rows, weight)], n_features, fill, given)


def candidate_rows(rows=ROWS, weight=None, **changed):
    given = {"origin": np.zeros(D), "reach": np.full(D, 10.0)} | changed
    return _em.CandidateRows(rows, weight, **given)


def candidate_view(rows=None, layout=TIED, whitener=None, centre=None):
    whitener = np.eye(D).ravel() if whitener is None else whitener
    return CandidateView(rows or candidate_rows(), layout, whitener, np.zeros(D) if centre is None else centre)


def clusters(seeds=None, view=None, n_passes=1):
    return _em.Clusters(view or candidate_view(), ROWS[:K] if seeds is None else seeds, n_passes, _em.Scratch())


def candidate(seeds=None, view=None, rows=None, run=None, moments=FULL):
    one, scratch = Candidate(family(), layout_with_code(moments)), _em.Scratch()
    one.initialise(scratch, rows or candidate_rows(), clusters(seeds, view))
    one.run(scratch, run or candidate_rows(), 1)
    return one


WIDE = mstep.MixtureFamily(5, 13, K, D, 0.0, n_factors=1)  # of which no covariance is stored whole


LACKS = np.array([[0, 0], [0, 1]], np.uint8)  # the second column of the rows of the second pattern
N_VALUES = 2 * 5 + (N - 5)


def observed(layout=FULL, have_errors=False, **changed):
    given = {"values": np.ones(N_VALUES), "missing": LACKS, "n_rows": np.array([5, N - 5])}
    given |= {"origin": np.zeros(D), "reach": np.full(D, 10.0)}
    if have_errors:
        given |= {"errors": np.ones((2, D, D)), "kinds": np.array([1, 2]), "error": np.zeros(N, np.intc)}
    return _em.ObservedRows(layout=layout_with_code(layout), **given | changed)


def of_errors(**changed):
    return observed(have_errors=True, **changed)


def a_plan_of_patterns(layout=FULL, of_patterns=FULL, **changed):
    known = of_patterns in SIZES
    of_patterns = layout_with_code(of_patterns) if known else SimpleNamespace(code=of_patterns)
    return a_plan(layout, of_patterns=of_patterns, **changed)


def walked_patterns(table=None, first=0, last=1, plan=None, begun_by=None, **changed):
    plan = plan or a_plan_of_patterns(rows_only=True, **changed)
    scratch = begun(begun_by or plan)
    plan.walk(scratch, table or observed(), first, last)
    return plan, scratch


def written(**outputs):
    return walked_patterns(observed(**outputs))


def parted(of=None, weights=np.ones(K), means=np.ones((K, D)), precisions=whiteners(FULL)):  # noqa: B008
    state = mstep.QuasiNewtonState(of or family(), 1e-3, True)
    return state.start_at(weights, means, precisions)


def prior(mean=np.ones(D), scale=np.ones(4)):  # noqa: B008
    return mstep.MixtureFamily(FULL, 0, K, D, 0.0, (mean, scale, 1.0, 1.0, 0.0))


def log_offset(layout, whiteners, log_determinants):
    return mstep.log_offset(layout, np.ones(K), whiteners, log_determinants, D)


def of_joined(plan, *given):
    return plan.collect(plan.sums(walked(plan)), *given)


NARROW = [candidate_rows(ROWS[:, :1].copy(), origin=np.zeros(1), reach=np.ones(1))]
OTHER_PLANS = [a_plan(DIAGONAL), a_plan(FULL, SPHERICAL), a_plan(form=0), a_plan(axes=whiteners(FULL))]
FAMILIES = [(4, 0, 1, 1), (FULL, 11, 1, 1), (FULL, 1, 1, 1), (FULL, 0, 0, 1), (FULL, 0, 1, 0), (TIED, 5, 2, 3)]
FAMILIES += [(DIAGONAL, 10, 2, 3), (SPHERICAL, 3, 2, 3), (FULL, 0, 2**31, 2**31), (SPHERICAL, 0, 2**62, 1)]
WHITENED = [(FULL, np.ones(n), d) for n, d in ((5, 2), (0, 2), (4, 0), (4, -2), (4, 3))] + [(FULL, None, 2)]
WHITENED += [(layout, np.ones(n), 2) for layout, n in ((TIED, 8), (DIAGONAL, 5), (SPHERICAL, 0), (4, 4))]
OFFSETS = [(FULL, np.ones(0), np.ones(0), np.ones(0), 2), (FULL, np.ones(1), np.ones(0), np.ones(1), 0)]
OFFSETS += [(4, np.ones(1), np.ones(1), np.ones(1), 1), (FULL, None, np.ones(0), np.ones(0), 2)]
CONSTRAINED = [(constraint, np.ones(n), np.ones(2), None, 2) for constraint, n in ((0, 8), (11, 8), (5, 7), (5, 0))]
CONSTRAINED += [(constraint, np.ones(n), np.ones(2), None, 0) for constraint, n in ((5, 0), (1, 2))]
CONSTRAINED += [(5, np.ones(8), np.ones(2), np.ones(7), 2), (1, np.ones(2), np.ones(3), None, 1)]
CONSTRAINED += [(5, None, np.ones(2), None, 2)]
OF_PARAMETERS = {"weights": flat(K), "means": tables(K, D), "whiteners": flat(SIZES[FULL]), "log_determinants": flat(K)}
OF_ESTIMATES = OF_PARAMETERS | {"covariances": flat(SIZES[FULL])}
OF_MOMENTS = {"origins": tables(K, D), "first": tables(K, D)}
ALL = [
    # A pass, its walk over rows, and what is merged.
    *by_layout("whiteners", lambda layout, v: a_plan(layout, whiteners=v)),
    *arguments(a_plan, log_offset=flat(K), tails=lengths(K), code=[4, 99], moments=[4, 2**31 - 1]),
    *arguments(a_plan, centres=[*tables(K, D), np.ones((0, D)), np.ones((K, 0)), None]),
    *arguments(a_plan, origin=flat(D), reach=flat(D), axes=lengths(SIZES[FULL])),
    *wrong("given and hard", lambda v: a_plan(given=True, **v), [{"hard": True}, {"rows_only": True}]),
    *wrong("n_rows", lambda v: a_plan().start(_em.Scratch(), v), [0, -1]),
    *arguments(walk, rows=[*tables(N, D), np.ones((0, D))], weight=lengths(N), scratch=[_em.Scratch()]),
    *wrong("lanes", lambda v: walk(first=v[0], last=v[1]), [(-1, 1), (0, 2), (1, 0), (5, 6)]),
    *wrong("lanes again", lambda v: walk(plan=v[0], scratch=walked(v[0]), last=v[1]), [(a_plan(), 1), (a_plan(), 0)]),
    *wrong("given", lambda v: walk(plan=a_plan(given=True), given=v), [*tables(N, K), None]),
    *wrong("scratch of another pass", lambda v: walk(scratch=begun(v)), OTHER_PLANS),
    *arguments(rows_pass, labels=[np.zeros(n, np.intp) for n in (0, N - 1, N + 1)]),
    *arguments(rows_pass, log_evidence=lengths(N), responsibilities=tables(N, K)),
    *wrong("scratches to sums", lambda v: a_plan().sums(v), [_em.Scratch(), begun(a_plan()), walked(a_plan(DIAGONAL))]),
    *wrong("a scratch twice", a_plan().join, [[walked(a_plan())] * 2]),
    *wrong("a scratch never begun", a_plan().join, [[_em.Scratch()], [walked(a_plan()), _em.Scratch()]]),
    *wrong("sums", lambda v: a_plan().collect(v), lengths(a_plan().sums(walked(a_plan())).size)),
    *wrong("sums of totals", lambda v: of_joined(a_plan(totals=v)), [True]),
    *wrong("scatter", lambda v: of_joined(a_plan(TIED, common_scatter=True), v), [*tables(D, D), None]),
    *wrong("scatter unasked", lambda v: of_joined(a_plan(), v), tables(D, D)),
    # A climb.
    *arguments(measured, log_offset=lengths(K), centres=tables(K, D), tails=lengths(K)),
    *arguments(measured, whiteners=lengths(SIZES[FULL])),
    *wrong("measure, no components", lambda v: measured(log_offset=v[:, 0], centres=v, whiteners=v), [np.ones((0, D))]),
    *wrong("measure, scatter", lambda v: measured(TIED, lambda: v), tables(D, D)),
    *wrong("halves, components", lambda v: halved(*v), [(-1, 0), (K, 0), (0, -1), (0, K + 1)]),
    *arguments(halved, **OF_MOMENTS, counts=lengths(K), second=lengths(SIZES[FULL])),
    *arguments(halved, precisions=lengths(K), offset=lengths(D)),
    *wrong("a check of a state", lambda v: a_check().first(v, None), [an_ascent()]),
    *wrong("a check of another model", lambda v: a_check(v).first(an_ascent(), None), [DIAGONAL]),
    *arguments(climb, **OF_ESTIMATES, log_offset=lengths(K), tails=lengths(K), at_most=[0, -1]),
    *arguments(climb, of=[family(DIAGONAL), mstep.MixtureFamily(FULL, 0, K + 1, D, 0.0)]),
    *wrong("climb, no means", lambda v: climb(means=v), [None]),
    *arguments(a_loop, rows=[*tables(N, D)[2:], np.ones((0, D))], weight=lengths(N), layout=[4, 2**31 - 1]),
    *arguments(a_loop, origin=flat(D), reach=flat(D)),
    # Rows that have some columns, or errors.
    *arguments(observed, values=lengths(N_VALUES), weight=lengths(N), origin=lengths(D), reach=lengths(D), layout=[4]),
    *arguments(observed, missing=[LACKS[:1], np.ones((2, D), np.uint8), np.zeros((2, D + 1), np.uint8)]),
    *arguments(observed, n_rows=[np.array(n) for n in ([N], [0, N], [-1, N + 1], [2**62, 2**62])]),
    *arguments(observed, code=[np.zeros(n, np.intc) for n in (0, N - 1, N + 1)]),
    *arguments(observed, labels=[np.zeros(n, np.intp) for n in (0, N - 1, N + 1)], log_evidence=lengths(N)),
    *arguments(observed, responsibilities=tables(N, K)[:2], largest=lengths(N)),
    *arguments(of_errors, errors=[np.ones((2, D)), np.ones((2, D, D + 1)), np.ones((0, D, D))], kinds=[None]),
    *arguments(of_errors, kinds=[np.array(kinds) for kinds in ([1], [1, 2, 2], [1, 3], [-1, 2])]),
    *arguments(of_errors, error=[np.full(n, code, np.intc) for n, code in ((N - 1, 0), (N + 1, 0), (N, 2), (N, -1))]),
    *arguments(of_errors, error=[None], layout=[TIED, SPHERICAL]),
    *arguments(a_plan_of_patterns, of_patterns=[DIAGONAL, 4], tails=[np.ones(K)], given=[True], moments=[4]),
    *arguments(a_plan_of_patterns, axes=[whiteners(FULL)], noise=[SimpleNamespace(log_widths=np.ones(D + 1))]),
    *arguments(walked_patterns, table=[observed(layout=DIAGONAL), of_errors()]),
    *arguments(walked_patterns, first=[-1, 2], last=[-1, 2], begun_by=[a_plan()]),
    *wrong("written", lambda v: written(responsibilities=v), tables(N, K)[2:]),
    *arguments(ascend, records=tables(6, 5)[2:], ascent=[an_ascent(DIAGONAL), an_ascent(TIED)]),
    *wrong("ascend, allowed", lambda v: ascend(allowed=lambda K: v), tables(K, 2)[:2]),
    *wrong("ascend, scatter", lambda v: ascend(layout=TIED, scatter=lambda: v), tables(D, D)),
    *wrong("Ward's costs", lambda v: _em.ward_merges(v, np.ones(3), 1e-9), [*tables(3, 3), np.full((3, 3), np.nan)]),
    *wrong("falling order", lambda v: _em.falling_order(np.ones(K), 1.0, v, np.ones((K, D))), tables(K, D)),
    *wrong("falling order, others", lambda v: _em.falling_order(np.ones(K), 1.0, np.ones((K, D)), v), tables(K, D)),
    *arguments(ties, rows=[np.ones((N, D + 1)), np.ones((N, D - 1))], weight=[np.ones(N - 1)], noise=[np.ones(D - 1)]),
    *arguments(ties, causes=[np.zeros(K - 1, np.uint8)], repeated=[np.ones(D - 1, np.uint8)]),
    *wrong("total variances", lambda v: mstep.total_variances(FULL, v), [(np.ones(K),) * 6]),
    # A candidate for a start.
    *arguments(candidate_rows, rows=[np.ones((0, D)), np.ones((N, 0)), np.ones((N, D + 1))], weight=lengths(N)),
    *arguments(candidate_rows, origin=flat(D), reach=flat(D)),
    *wrong("some rows", lambda v: candidate_rows().some(np.array(v)), [[-1], [N], [0, N - 1, 2**62], []]),
    *wrong("points of a view", lambda v: candidate_view().in_own_units(v), [np.ones((1, D + 1)), np.ones((1, D - 1))]),
    *arguments(candidate_view, layout=[FULL, 4, DIAGONAL, SPHERICAL], whitener=lengths(D * D)),
    *arguments(candidate_view, centre=lengths(D)),
    *arguments(candidate, seeds=tables(K, D), moments=[TIED, DIAGONAL, SPHERICAL]),
    *arguments(candidate, rows=NARROW, run=NARROW),
    *arguments(clusters, seeds=[np.ones((K, D + 1))]),
    *arguments(candidate_rows, code=[np.zeros(N - 1, np.intc), np.full(N, 2, np.intc)]),
    *wrong("candidate, view", lambda v: candidate(view=candidate_view(v, SPHERICAL, np.ones(1), np.zeros(1))), NARROW),
    # Around a pass.
    *arguments(survey, rows=[np.ones((0, 2)), np.ones((2, 0)), np.ones((2, D + 1))], weight=lengths(N)),
    *arguments(survey, n_features=[-1, 0, D - 1, D + 1], fill=lengths(D)),
    *arguments(survey, given=[survey(np.ones((2, D + 1)), n_features=D + 1)]),
    *wrong("survey, a later chunk", lambda v: survey(v, before=[(0, ROWS, None)]), [ROWS[:0], ROWS[:, :1]]),
    *wrong("survey, no chunk", lambda v: mstep.Survey(v, D), [[]]),
    *wrong("distinct_rows", mstep.distinct_rows, [np.ones((0, 2)), np.ones((2, 0))]),
    *wrong("distinct_rows, weight", lambda v: mstep.distinct_rows(ROWS, v), lengths(N)),
    *arguments(
        seeds, rows=[np.ones((0, 2)), np.ones((3, 0))], weight=[np.ones(N - 1)], n_uniforms=[6, 0], n_seeds=[-1]
    ),
    *wrong("seeds, uniforms", lambda v: seeds(n_seeds=v[0], n_uniforms=v[1]), [(0, 0), (1, 2), (2, 1), (9, 8)]),
    *wrong("reach", survey().reach, flat(D)),
    *wrong("suits", lambda v: a_plan(rows_only=True).suits(v, False), [survey(ROWS[:, :1], n_features=1)]),
    # An update.
    *wrong("family", lambda v: mstep.MixtureFamily(*v, 0.0), FAMILIES),
    *arguments(parted, weights=flat(K), means=tables(K, D), precisions=flat(SIZES[FULL])),
    *arguments(parted, of=[WIDE]),
    *wrong("covariances, weights", lambda v: family().at_precisions(v, whiteners(FULL)), flat(K)),
    *wrong("covariances, precisions", lambda v: family().at_precisions(np.ones(K), v), flat(SIZES[FULL])),
    *arguments(prior, mean=flat(D), scale=flat(4)),
    *arguments(term, **OF_PARAMETERS),
    *arguments(update, **OF_MOMENTS, counts=flat(K)),
    *(case for call in (update_after, kept, changed_by_others) for case in arguments(call, **OF_ESTIMATES)),
    *wrong("family, fixed", lambda v: family(fixed=v), [np.ones((2, K), np.uint8), np.ones((3, K + 1), np.uint8)]),
    *wrong("update, no origins or means", lambda v: update(**v), [{"origins": None}, {"first": None}]),
    *by_layout("update, second", lambda layout, v: update(layout, second=v)),
    *wrong("update, range", lambda v: update().covariances(*v), [(-1, 1), (0, K + 1), (2, 1), (-2, -1)]),
    *wrong("whiten", lambda v: mstep.whiten(*v), WHITENED),
    *by_layout("log_offset, whiteners", lambda layout, v: log_offset(layout, v, np.ones(N_FACTORED[layout]))),
    *by_layout("log_offset, rest", lambda layout, v: log_offset(layout, whiteners(layout), v), N_FACTORED),
    *wrong("log_offset", lambda v: mstep.log_offset(*v), OFFSETS),
    *wrong("constrained", lambda v: mstep.constrained(*v), CONSTRAINED),
    # What is kept of a climb, and a check on components.
    *arguments(an_ascent, **OF_ESTIMATES),
    *wrong("no means", lambda v: an_ascent(means=v), [None]),
    *arguments(restored, secants=[-1, 6, 10**6], room=[np.ones(3), np.ones(0)]),
    *arguments(check, **OF_ESTIMATES, layout=[4, 99, DIAGONAL], steps=flat(D), noise=lengths(D)),
    *arguments(check, tails=lengths(K)),
]


@pytest.mark.parametrize(("call", "value"), ALL)
def test_a_wrong_length_is_a_value_error(call, value):
    refused(r"expected|spent|needs|given|layout", call, value)


@cases(
    lambda: a_plan().start(None, N),
    lambda: a_plan().walk(None, _em.RowTable(ROWS), 0, 1),
    lambda: a_plan().walk(begun(a_plan()), None, 0, 1),
    lambda: a_loop().run_em(None, (), None, None, 1, before=0.0, tolerance=0.0, repair_empty=False),
    lambda: _em.Clusters(None, ROWS[:K], 1, _em.Scratch()),
    lambda: _em.Clusters(candidate_view(), ROWS[:K], 1, None),
    lambda: _em.Ascent(None, SimpleNamespace(resident=a_loop()), None),
    lambda: _em.Run(None, 2).go(2, None),
    lambda: _em.Loop(None, layout_with_code(FULL), np.zeros(D), np.ones(D), **OF_LOOP),
    lambda: mstep.QuasiNewtonState(None, 1e-3, True),
    lambda: mstep.Update(None, np.zeros((K, D)), np.ones(K), np.zeros((K, D)), whiteners(FULL), 1.0),
    lambda: a_plan().collect(None),
    lambda: a_plan().join([None]),
    lambda: a_plan().join([object()]),
    lambda: _em.LoopWorkers(None),
    lambda: _em.LoopWorkers([_em.Scratch(), None]),
)
def test_none_is_no_object_of_the_kernel(call):
    refused(None, call, error=TypeError)


@pytest.mark.parametrize("uniform", [-5.0, np.nan, 1e300, -1e300])
def test_uniforms_out_of_range_seed_some_row(uniform):
    found = _em.kmeans_seeds(ROWS, np.zeros(N), np.full(7, uniform), 3)
    assert ((found >= 0) & (found < N)).all()


def test_right_lengths_are_taken():
    assert measured()[0].weight == measured(TIED, lambda: ROWS.T @ ROWS, tails=np.zeros(K))[0].weight == N
    assert halved(offset=np.ones(D))[2].tolist() == [0.5, 0.5, 1.0]
    assert halved(into=K)[2].tolist() == [0.5, 1.0, 1.0, 0.5]
    assert climb()[0]
    assert ascend() == 2
    assert ascend(layout=TIED, scatter=lambda: ROWS.T @ ROWS) == 2
    assert clusters().tightness > 0
    plan = a_plan(TIED, common_scatter=True)
    assert plan.collect(plan.sums(walked(plan)), ROWS.T @ ROWS).counts.sum() == pytest.approx(N)
    assert seeds().shape == (3,)
    restored()
    refused("workers", _em.LoopWorkers([_em.Scratch()]).serve, 1)
    ties()
    assert (observed().n_lanes, of_errors().n_features) == (1, D)
    plan, scratch = walked_patterns(plan=a_plan_of_patterns())
    assert plan.collect(plan.sums(scratch)).counts.sum() == pytest.approx(N)
    written(labels=(labels := np.full(N, -1)))
    assert set(labels) <= {0, 1, 2}
