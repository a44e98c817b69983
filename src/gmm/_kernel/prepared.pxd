"""A mixture in every form of the pass that rows may need, with panels for few rows, as one array of numbers."""
from libc.string cimport memset

from gmm._kernel.few_rows cimport few_panels_size, fill_few, lay_out_few
from gmm._kernel.layout cimport Layout, is_pooled, total_size
from gmm._kernel.leaves cimport Kernel
from gmm._kernel.linear cimport measure_extents, extents_size
from gmm._kernel.plan cimport PassPlan, choose_form, fill_form, has_tails, is_narrow, lay_out_form, set_noise, set_tails

cdef enum:
    N_FORMS = 4                 # bit 0: linear, bit 1: float32

cdef struct Mixture:
    # Pointers into the prepared numbers: see `lay_out`.
    PassPlan[N_FORMS] plans     # in each form that rows may need
    const double* log_offset
    const double* centres
    const double* whiteners
    const double* origin
    const double* extents       # see `measure_extents`


cdef inline bint is_requested(const PassPlan* plan, int form) noexcept nogil:
    """Return whether rows may need a form."""
    return form & 1 == 0 or (is_narrow(plan.layout, plan.n_features)
                             and not ((plan.noisy or has_tails(plan)) and is_pooled(plan.layout)))


cdef inline Py_ssize_t whole(Py_ssize_t n) noexcept nogil:
    """Return how many doubles fill lines of 64 bytes."""
    return (n + 7) // 8 * 8


cdef inline Py_ssize_t lay_out(
    Mixture* mixture, Layout layout, Py_ssize_t K, Py_ssize_t d, Kernel kernel,  # OUT pointers, IN
    double log_noise,                              # weight included; −∞ for none
    const double* tails,                           # (K,) as an `Estimate` has them
    double* numbers,                               # at a multiple of 64 bytes
) noexcept nogil:
    """Point into the prepared numbers of a mixture; return their number, which sizes, noise and tails alone decide.

    They are log offsets, centres, whiteners, origin, extents, and the numbers and panels of each form.
    """
    cdef PassPlan* plan
    cdef Py_ssize_t end
    cdef int form
    memset(mixture, 0, sizeof(Mixture))
    mixture.log_offset = numbers
    mixture.centres = mixture.log_offset + K
    mixture.whiteners = mixture.centres + K * d
    mixture.origin = mixture.whiteners + total_size(layout, K, d)
    mixture.extents = mixture.origin + d
    end = whole(K + K * d + total_size(layout, K, d) + d + extents_size(K, d))
    for form in range(N_FORMS):
        plan = &mixture.plans[form]
        plan.n_all, plan.n_components, plan.n_features = K, K, d
        plan.layout, plan.moments, plan.kernel = layout, layout, kernel
        set_noise(plan, log_noise)
        set_tails(plan, tails, False)
        if not is_requested(plan, form):
            plan[0] = mixture.plans[form - 1]
            continue
        plan.all_offsets, plan.all_centres = mixture.log_offset, mixture.centres
        choose_form(plan, form & 2, NULL, form)
        end += whole(lay_out_form(plan, False, mixture.log_offset, mixture.whiteners, numbers + end))
        lay_out_few(plan, numbers + end)
        end += whole(few_panels_size(plan))
    return end


cdef inline void fill(Mixture* mixture) noexcept nogil:
    """Write what follows from the first four of the prepared numbers."""
    cdef PassPlan* plan = &mixture.plans[0]
    cdef Py_ssize_t K = plan.n_components, d = plan.n_features
    cdef int form
    measure_extents(mixture.whiteners, mixture.centres, plan.layout, K, d, mixture.origin, <double*>mixture.extents)
    for form in range(N_FORMS):
        plan = &mixture.plans[form]
        if is_requested(plan, form):
            fill_form(plan, mixture.centres, mixture.whiteners, mixture.origin)
            fill_few(plan)
