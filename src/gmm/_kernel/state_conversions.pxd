"""Conversions of states of the accelerated solver, for any layout: from mixtures and passes, and back to mixtures."""
from libc.string cimport memcpy

from gmm._kernel.estimate cimport Estimate
from gmm._kernel.factor_frame cimport (
    after_pass_of_factors,
    follow_factors,
    mixture_of_factors,
    state_of_factors,
)
from gmm._kernel.family cimport Family, is_constrained
from gmm._kernel.frame cimport follow, from_moments, moments_of_mixture, state_of_mixture, to_moments
from gmm._kernel.layout cimport is_low_rank
from gmm._kernel.moments cimport Moments, moments_size
from gmm._kernel.objective cimport add_own_rows, adds_rows
from gmm._kernel.solver_state cimport State, n_free_tails
from gmm._kernel.update cimport most_likely


cdef inline void start_at(State* state, const Estimate* mixture) noexcept nogil:
    """Make a mixture the accepted state, and its own frame."""
    if is_low_rank(state.family.layout):
        state_of_factors(state, mixture, state.here)
    else:
        state_of_mixture(state, mixture, state.here)


cdef inline void go_to(State* state, const Estimate* mixture) noexcept nogil:
    """Bring the accepted state, a mixture's, and the secants into a frame near it; `tried` is scratch."""
    if is_low_rank(state.family.layout):
        follow_factors(state, mixture)
    else:
        follow(state, mixture, state.tried.second)


cdef inline bint after_pass(
    State* state, const Moments* moments, const Estimate* measured,    # IN a pass and its mixture
    double* vector,                                # IN the mixture's state, OUT that after the pass
    Estimate* update,                              # OUT
) noexcept nogil:
    """Return whether the pass has an update; `tried` is scratch."""
    cdef bint solved
    if is_low_rank(state.family.layout):
        return after_pass_of_factors(state, moments, measured, vector, update)
    solved = updated(state, moments, update)
    from_moments(state, model_moments(state, moments, update) if solved else moments, vector)
    return solved


cdef inline bint goes_to_mixtures(const Family* family) noexcept nogil:
    """Whether a state may be no mixture's of the family, so that a step goes to that of its update."""
    return is_constrained(family) or n_free_tails(family) > 0


cdef inline bint mixture_at(
    State* state,
    double* vector,                                # IN a state, OUT that of its mixture
    Estimate* out,                                 # OUT
) noexcept nogil:
    """Return whether a state has a mixture; its counts are those of `tried`."""
    if is_low_rank(state.family.layout):
        return mixture_of_factors(state, vector, out)
    to_moments(state, vector, state.held.weight, &state.tried)
    add_rows(state, -1, &state.tried)              # the update adds them again
    if not updated(state, &state.tried, out):
        return False
    if goes_to_mixtures(&state.family):
        moments_of_mixture(state, out, &state.tried)
        from_moments(state, &state.tried, vector)
    return True


cdef inline bint updated(State* state, const Moments* moments, Estimate* out) noexcept nogil:
    return most_likely(moments, &state.family, state.family.ridge, &state.best, state.scratch, out) < 0


cdef inline const Moments* model_moments(State* state, const Moments* moments, const Estimate* update) noexcept nogil:
    """Return the moments that the update after a pass stands for, with the objective's own rows.

    They are the pass's own where nothing changes them, else they are stored as those of the trial.
    """
    if not is_constrained(&state.family) and not adds_rows(&state.family.objective):
        return moments
    memcpy(state.tried.origins, moments.origins,
           moments_size(state.family.layout, state.family.K, state.family.d) * sizeof(double))
    state.tried.weight = moments.weight
    if is_constrained(&state.family):
        moments_of_mixture(state, update, &state.tried)
    else:
        add_rows(state, 1, &state.tried)
    return &state.tried


cdef inline void add_rows(State* state, double factor, Moments* moments) noexcept nogil:
    """Add the objective's own rows, or subtract them with factor −1."""
    add_own_rows(&state.family.objective, state.family.layout, state.family.K, state.family.d, factor,
                 state.shifts, state.matrices, moments)
