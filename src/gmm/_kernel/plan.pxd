"""The plan of a pass: its form, linear or centred, float32 or float64, and the sizes that follow from it.

| form | log density | moments | when |
| --- | --- | --- | --- |
| linear | Θ·[1, x, products of x] | R·[1, x, products]ᵀ | κ is small, not too many products |
| centred | z = x − c_k, ‖W_k z‖² | Σ r [1, z], Σ r z zᵀ | else: exact however far or thin it is |

Low-rank matrices are always centred.  There y = B_k z, B_k = A_k Ψ_k^-½, is made of the products of all B_k with rows
about the data's centre, less B_k c_k, and Σ r y zᵀ from theirs: one product each way, which loses √κ·eps.

In the linear form products of two features are made where they are used, unless so many components share them that a
place in the block is worth it.
"""
from libc.math cimport INFINITY, ceil
from libc.string cimport memcpy

from gmm._kernel.layout cimport (
    Layout,
    component_stride,
    is_axis_aligned,
    is_dense,
    is_low_rank,
    is_pooled,
    matrix_size,
    n_factors,
    total_size,
)
from gmm._kernel.leaves cimport Kernel, is_twin, pad
from gmm._kernel.linear cimport condition, has_products, linear_coefficients, n_terms

# Where the forms change over, measured: see ARCHITECTURE.md, "The kernel".
cdef enum:
    WIDEST_LINEAR = 40        # features of a full covariance in the linear form
    FIRST_CACHE = 32768       # bytes
    BLOCK_BYTES = 589824      # of a block and what is made of it: a part of the second cache
    FEWEST_GROUPS = 7         # of `pad` rows in a block
    MOST_GROUPS = 27
    LANE_ROWS = 2048
    LANE_WORK = 2000000000    # multiply-adds, some tenths of a second
    N_POWERS = 3              # of the coordinates along the axes: the second to the fourth
    BUFFERS = 6               # of d rows, for diagnostics: z, y, y², y³, y⁴, A x


cdef struct OwnErrors:
    # The errors of rows that each have their own: see `deconvolve.pxd`.
    const double* errors        # (E, size) covariances of all columns, (d, d) or (d,), of which each row has one
    const double* covariances   # (n_all, n_triangle) of the components, of the columns of the rows
    const int* order            # (n_features,) these columns
    Py_ssize_t d, size


cdef struct PassPlan:
    # The inputs that all workers of one pass read.
    Py_ssize_t n_all            # components of the mixture
    Py_ssize_t n_components     # those that are looked at
    Py_ssize_t n_features
    Py_ssize_t n_density        # terms of the linear density, a prefix of the linear moments
    Py_ssize_t n_moments        # terms of the linear moments
    bint packed                 # second moments are among the terms of a row, else whole matrices behind the rows
    Py_ssize_t n_row            # sums kept for each component in a row, [1, x …]
    Py_ssize_t block            # rows
    Py_ssize_t lane             # rows
    Py_ssize_t n_strips         # of features, each in the cache: of low rank, all components look at one, then the next
    Py_ssize_t n_sums           # doubles in one node of the merge tree
    Layout layout               # of the whiteners
    Layout moments              # of the second moments
    bint linear
    bint single                 # arithmetic in float32
    bint far                    # squared distances of some rows may overflow: see `overflow.pxd`
    bint hard
    bint given                  # responsibilities come from the caller
    bint totals                 # sums of criteria instead of moments
    bint noisy                  # rows may belong to no component, but to uniform noise: see `share_with_noise`
    double log_noise            # its log density, weight included
    const double* tails         # (K,) as an `Estimate` has them; NULL: components are normal
    Py_ssize_t power            # ν + d, where all share a given whole ν; else 0
    const double* allowed       # (n_all, n_codes) 0 or −∞: which components rows may belong to, by their codes; or NULL
    Py_ssize_t n_codes
    bint skips_evidence         # nobody reads the log evidence of the pass
    bint skips_empty            # components of log offset −∞ are skipped; only where nothing is written for each row
    Kernel kernel
    bint common_scatter         # tied linear: the caller has Σ (x − origin)(x − origin)ᵀ
    bint common_quadratic       # tied linear otherwise: ‖Wx‖² is added row by row
    double kappa
    const double* all_offsets   # (n_all,)
    const double* all_centres   # (n_all, d)
    const double* log_offset
    const double* origin        # (d,) subtracted on loading: the data's centre, or zero
    const void* centres         # (K, d) from the origin
    const void* coefficients    # linear (K, n_moments), low rank see `low_rank_coefficients`, else the whiteners
    const void* common          # (d, d) the tied whitener, for common_quadratic
    Py_ssize_t few_rows         # up to so many are scored by panels: see `few_rows.pxd`; 0: none
    const void* panels          # the coefficients in panels; centred and axis-aligned: with the centres
    const void* common_panels   # the tied whitener likewise, for common_quadratic
    const double* axes          # in the layout of the whiteners, or NULL: see `diagnostics.pxd`
    const OwnErrors* own        # or NULL; whiteners are not used


cdef inline double limit_linear_double() noexcept nogil:
    """κ up to which the linear form is exact to 1e-11."""
    return 5e4


cdef inline double limit_linear_single() noexcept nogil:
    return 1e3


cdef inline double limit_centred_single(const PassPlan* plan) noexcept nogil:
    """In low rank κ sums what each feature may have at most, and loses as many digits as a mean."""
    return 1e4 * max(1.0, plan.n_features / 64. if is_low_rank(plan.layout) else 0)


cdef inline double least_far() noexcept nogil:
    """κ from which a squared distance, at most 4dκ, may reach 1e300."""
    return 1e290


cdef inline bint in_single_range(const double* reach, Py_ssize_t d) noexcept nogil:
    """Return whether squares of the rows, whitened or weighted by up to a million, stay inside float32."""
    cdef Py_ssize_t j
    for j in range(d):
        if not 1e-12 < reach[j] < 1e12:
            return False
    return True


cdef inline bint is_narrow(Layout moments, Py_ssize_t d) noexcept nogil:
    """Return whether there are few enough products for the linear form."""
    return not is_low_rank(moments) and (not has_products(moments) or d <= WIDEST_LINEAR)


cdef inline void choose_form(
    PassPlan* plan, double single, const double* reach, int form,
) noexcept nogil:
    """Choose linear or centred, float32 or float64.

    float32 may do while κ is less than `single` times its limit: 0 is never, 1 is exact to what float32 rows hold.
    Unless `form` is −1, its bit 0 selects linear, bit 1 float32.
    """
    cdef Py_ssize_t d = plan.n_features
    # The terms of the density have to be among those of the moments.
    # With noise or tails, what components share does not cancel.
    cdef bint defined = (plan.layout == plan.moments or is_pooled(plan.layout)) and not (
        (plan.noisy or has_tails(plan)) and is_pooled(plan.layout) or is_low_rank(plan.moments))
    cdef bint narrow = is_narrow(plan.moments, d)
    if form >= 0:
        plan.linear = defined and form & 1
        plan.single = single > 0 and form & 2
        return
    plan.linear = defined and narrow and not plan.given and plan.kappa < limit_linear_double()
    plan.single = (single > 0 and in_single_range(reach, d)
                   and plan.kappa < single * (limit_linear_single() if plan.linear else limit_centred_single(plan)))


cdef inline double least_limit(const PassPlan* plan, double single) noexcept nogil:
    """κ below which every κ chooses the same form."""
    if single > 0:
        return min(single * limit_linear_single(), limit_linear_double())
    return limit_linear_double() if is_narrow(plan.moments, plan.n_features) else least_far()


cdef inline void set_noise(PassPlan* plan, double log_noise) noexcept nogil:
    """Set the log density of uniform noise, its weight included; −∞ for none. To be called before `lay_out_form`."""
    plan.log_noise, plan.noisy = log_noise, log_noise > -INFINITY


cdef inline void set_tails(PassPlan* plan, const double* tails, bint given) noexcept nogil:
    """Set the tails (K,); zeros for normal components. Where degrees of freedom are given, no pass needs log u."""
    cdef Py_ssize_t k
    plan.tails = tails if tails[0] > 0 else NULL
    plan.power = <Py_ssize_t>tails[0] + plan.n_features if given and has_tails(plan) else 0
    for k in range(plan.n_all if plan.power > 0 else 0):
        if tails[k] != <double>(plan.power - plan.n_features):
            plan.power = 0
            return


cdef inline bint has_tails(const PassPlan* plan) noexcept nogil:
    return plan.tails != NULL


cdef inline Py_ssize_t item_size(const PassPlan* plan) noexcept nogil:
    return sizeof(float) if plan.single else sizeof(double)


cdef inline bint has_powers(const PassPlan* plan) noexcept nogil:
    """Return whether sums over rows need no logarithm for each component: Student-t densities are powers."""
    return plan.power > 0 and not (
        plan.totals or plan.noisy or plan.allowed != NULL or is_twin(plan.kernel))


cdef inline Py_ssize_t n_tails(const PassPlan* plan) noexcept nogil:
    """Sums of `weigh_by_precision` in a node, before the last two."""
    return 2 * plan.n_components if has_tails(plan) else 0


cdef inline double* tail_sums(const PassPlan* plan, double* sums) noexcept nogil:
    """Return the sums of tails among those of a node."""
    return sums + plan.n_sums - 2 - n_tails(plan)


cdef inline Py_ssize_t tail_rows(const PassPlan* plan) noexcept nogil:
    """Rows of `ld` items after a tile, for the numbers of tails."""
    return 2 * plan.n_components if has_tails(plan) else 0


cdef inline bint may_be_far(const PassPlan* plan) noexcept nogil:
    return plan.kappa >= least_far() and not (
        plan.linear or plan.single or plan.given or has_tails(plan) or is_low_rank(plan.layout))


cdef inline bint crosses(const PassPlan* plan) noexcept nogil:
    """Return whether products of y and z are added up; without y, these moments stay zero."""
    return is_low_rank(plan.moments) and plan.layout == plan.moments and not plan.given


cdef inline Py_ssize_t n_diagnostics(const PassPlan* plan) noexcept nogil:
    """Sums of `diagnostics.pxd` in a node, before the last two."""
    return plan.n_components * (1 + N_POWERS * plan.n_features) if plan.axes != NULL else 0


cdef inline Py_ssize_t diagnostic_rows(const PassPlan* plan) noexcept nogil:
    """Rows of scratch for diagnostics."""
    return max(plan.n_components + 4, BUFFERS * plan.n_features) if plan.axes != NULL else 0


cdef inline bint fuses(const PassPlan* plan) noexcept nogil:
    """Return whether products of two features are made where they are used, instead of a place in the block."""
    # Many components share a stored product.
    return (plan.linear and has_products(plan.moments) and plan.n_components < plan.n_features
            and not is_twin(plan.kernel))


cdef inline Py_ssize_t n_stored(const PassPlan* plan) noexcept nogil:
    """Rows of a block: features, or terms of the linear form."""
    return 1 + plan.n_features if fuses(plan) else plan.n_moments if plan.linear else plan.n_features


cdef inline bint keeps_rows(const PassPlan* plan) noexcept nogil:
    """Return whether moments need the rows of a block row by row as well."""
    return (not plan.linear and is_dense(plan.moments)
            and not (plan.totals or plan.own != NULL or is_twin(plan.kernel)))


cdef inline Py_ssize_t n_triangle(Layout layout, Py_ssize_t d) noexcept nogil:
    """Numbers of a symmetric matrix as a lower triangle row by row, or of its diagonal."""
    return d * (d + 1) // 2 if is_dense(layout) else d


cdef inline double work_of(const PassPlan* plan, Py_ssize_t rows) noexcept nogil:
    """Multiply-adds for so many rows, roughly."""
    cdef Py_ssize_t d = plan.n_features
    cdef double terms = plan.n_moments
    if not plan.linear:
        terms = max(matrix_size(plan.moments, d), matrix_size(plan.layout, d), d)
    if plan.own != NULL:
        terms *= 1 + d / 2.
    if plan.axes != NULL:
        terms += max(matrix_size(plan.layout, d), d) + 2 * N_POWERS * d
    return <double>rows * plan.n_components * (2 * terms + 20)


cdef inline Py_ssize_t n_behind(const PassPlan* plan) noexcept nogil:
    """Sums behind the rows: whole second moments; of low rank, those of y and z."""
    cdef Py_ssize_t K = plan.n_components, d = plan.n_features
    if plan.packed:
        return 0
    return K * n_factors(plan.moments) * d if is_low_rank(plan.moments) else total_size(plan.moments, K, d)


cdef inline void measure(PassPlan* plan) noexcept nogil:
    """Set the sizes that follow from the form."""
    cdef Py_ssize_t K = plan.n_components, d = plan.n_features
    cdef Py_ssize_t item = item_size(plan)
    cdef bint in_registers = not (is_dense(plan.layout) or is_dense(plan.moments))     # x − c_k and its squares
    cdef Py_ssize_t group, groups, enough
    plan.n_density = n_terms(plan.layout, d)
    plan.n_moments = n_terms(plan.moments, d)
    plan.packed = plan.linear or is_axis_aligned(plan.moments)
    plan.n_row = plan.n_moments if plan.packed else 1 + 2 * d if is_low_rank(plan.moments) else 1 + d
    plan.n_sums = K * plan.n_row + n_behind(plan) + n_diagnostics(plan) + n_tails(plan) + 2
    if plan.totals:
        plan.n_sums = 4
    group = K + (n_stored(plan) if plan.linear else (d if in_registers else 2 * d) + K * n_factors(plan.layout))
    group = (group + tail_rows(plan)) * item * pad(item)
    # Longer blocks of fused products fold fewer sums.
    groups = FEWEST_GROUPS if FEWEST_GROUPS * group <= FIRST_CACHE and not fuses(plan) else BLOCK_BYTES // group
    # An odd number, or features would alias in the first cache.
    plan.block = (min(max(groups, FEWEST_GROUPS), MOST_GROUPS) - 1 | 1) * pad(item)
    if plan.own != NULL:                           # whose order matters within a block
        plan.block = LANE_ROWS
    plan.n_strips = 1 + (d - 1) * item * plan.block // BLOCK_BYTES
    # Ctrl-C is looked for between lanes: a lane of very large blocks has fewer of them.
    enough = <Py_ssize_t>ceil(LANE_WORK / work_of(plan, plan.block))
    plan.lane = plan.block * max(1, min(LANE_ROWS // plan.block, enough))


cdef inline bint same_workspace(const PassPlan* one, const PassPlan* other) noexcept nogil:
    """Return whether both passes need the same scratch."""
    return (one.n_components == other.n_components and one.n_features == other.n_features
            and one.layout == other.layout and one.moments == other.moments and one.linear == other.linear
            and one.single == other.single and one.totals == other.totals
            and (one.axes == NULL) == (other.axes == NULL) and one.own == other.own
            and has_tails(one) == has_tails(other))


cdef inline Py_ssize_t n_lanes(const PassPlan* plan, Py_ssize_t n_rows) noexcept nogil:
    return (n_rows + plan.lane - 1) // plan.lane


cdef inline Py_ssize_t prepared_size(Layout layout, Layout moments, Py_ssize_t K, Py_ssize_t d) noexcept nogil:
    """Doubles that `prepare` writes."""
    cdef Py_ssize_t size = total_size(layout, K, d)
    return d + 2 * (K * d + size + max(K * n_terms(moments, d), size)) + K * (1 + d) + size


cdef inline bint is_left_out(const PassPlan* plan, Py_ssize_t k) noexcept nogil:
    """Return whether component k of the mixture is not looked at."""
    return plan.n_components < plan.n_all and plan.all_offsets[k] == -INFINITY


cdef inline Py_ssize_t n_looked_at(const PassPlan* plan) noexcept nogil:
    cdef Py_ssize_t k, n = 0
    if plan.skips_empty:
        for k in range(plan.n_all):
            n += plan.all_offsets[k] != -INFINITY
    return n if n > 0 else plan.n_all


cdef inline const double* looked_at(
    const PassPlan* plan, const double* values, Py_ssize_t size, double* storage,  # IN (n_all, size), scratch
) noexcept nogil:
    """Return the numbers of the components that are looked at; of size 0, those that all share."""
    cdef Py_ssize_t k, n = 0
    if plan.n_components == plan.n_all or size == 0:
        return values
    for k in range(plan.n_all):
        if not is_left_out(plan, k):
            memcpy(storage + n * size, values + k * size, size * sizeof(double))
            n += 1
    return storage


cdef inline Py_ssize_t n_coefficients(const PassPlan* plan) noexcept nogil:
    if plan.linear:
        return plan.n_components * plan.n_moments
    return total_size(plan.layout, plan.n_components, plan.n_features) + plan.n_components * n_factors(plan.layout)


cdef inline void low_rank_coefficients(
    const double* whiteners, const double* steps, Py_ssize_t q, Py_ssize_t K, Py_ssize_t d,    # IN, steps c − origin
    double* out,                                   # OUT all ψ^-½ (K, d), all B = A Ψ^-½ (K, q, d), all B steps (K, q)
) noexcept nogil:
    cdef Py_ssize_t i, j, k
    cdef double* maps = out + K * d
    cdef double* shifts = maps + K * q * d
    for k in range(K):
        memcpy(out + k * d, whiteners, d * sizeof(double))
        for i in range(q):
            shifts[0] = 0
            for j in range(d):
                maps[j] = whiteners[(1 + i) * d + j] * whiteners[j]
                shifts[0] += maps[j] * steps[k * d + j]
            maps += d
            shifts += 1
        whiteners += (1 + q) * d


cdef inline Py_ssize_t lay_out_form(
    PassPlan* plan,                                # IN its form, OUT sizes and pointers
    bint common_scatter, const double* log_offset, const double* whiteners,
    double* storage,                               # of what `fill_form` writes
) noexcept nogil:
    """Point into the numbers of a form; return how many doubles of `storage` they take."""
    cdef Py_ssize_t d = plan.n_features, steps = plan.n_components * d, end = d + steps
    cdef bint pooled = plan.linear and is_pooled(plan.layout)
    cdef float* narrow
    plan.common_scatter, plan.common_quadratic = pooled and common_scatter, pooled and not common_scatter
    measure(plan)
    plan.log_offset, plan.origin, plan.centres = log_offset, storage, storage + d
    plan.coefficients, plan.common, plan.few_rows = whiteners, whiteners, 0
    if plan.linear or is_low_rank(plan.layout):
        plan.coefficients = storage + end
        end += n_coefficients(plan)
    if plan.single:
        narrow = <float*>(storage + end)
        plan.centres, plan.coefficients = narrow, narrow + steps
        end += (steps + n_coefficients(plan) + 1) // 2
        if plan.common_quadratic:
            plan.common = storage + end
            end += (d * d + 1) // 2
    return end


cdef inline void fill_form(
    const PassPlan* plan,                          # IN pointing to what is OUT
    const double* centres, const double* whiteners, const double* origin,
) noexcept nogil:
    """Bring the mixture into the form of a plan that `lay_out_form` has laid out."""
    cdef Py_ssize_t K = plan.n_components, d = plan.n_features, j, k
    cdef double* subtracted = <double*>plan.origin
    cdef double* steps = subtracted + d
    cdef const double* coefficients = whiteners
    # Rows far from the origin lose digits on loading, which the centred form would need.
    for j in range(d):
        subtracted[j] = origin[j] if plan.linear or plan.single or is_low_rank(plan.layout) else 0
    for k in range(K):
        for j in range(d):
            steps[k * d + j] = centres[k * d + j] - subtracted[j]
    if plan.linear:
        coefficients = steps + K * d
        linear_coefficients(plan.log_offset, centres, whiteners, plan.layout, origin, K, d, plan.n_moments,
                            <double*>coefficients)
    elif is_low_rank(plan.layout):
        coefficients = steps + K * d
        low_rank_coefficients(whiteners, steps, n_factors(plan.layout), K, d, <double*>coefficients)
    if plan.single:
        narrow(steps, K * d, <float*>plan.centres)
        narrow(coefficients, n_coefficients(plan), <float*>plan.coefficients)
        if plan.common_quadratic:
            narrow(whiteners, d * d, <float*>plan.common)


cdef inline void prepare(
    PassPlan* plan,                                # IN n_all, n_features, layouts and what to do, OUT the rest
    const double* log_offset, const double* centres, const double* whiteners,
    const double* origin, const double* reach,     # IN (d,), (d,) max |x − origin|
    double single, bint common_scatter, int form,  # IN see `choose_form`
    double* storage,                               # OUT what the plan points into: see `prepared_size`
) noexcept nogil:
    """Choose the form of a pass with this mixture, and bring the mixture into it."""
    cdef Py_ssize_t d = plan.n_features
    cdef double* looked = storage
    storage += plan.n_all * (1 + d) + total_size(plan.layout, plan.n_all, d)
    plan.all_offsets, plan.all_centres = log_offset, centres
    plan.n_components = n_looked_at(plan)
    log_offset = looked_at(plan, log_offset, 1, looked)
    centres = looked_at(plan, centres, d, looked + plan.n_all)
    whiteners = looked_at(plan, whiteners, component_stride(plan.layout, d), looked + plan.n_all * (1 + d))
    plan.kappa = condition(whiteners, centres, plan.layout, plan.n_components, d, origin, reach, storage)
    choose_form(plan, single, reach, form)
    plan.far = may_be_far(plan)
    lay_out_form(plan, common_scatter, log_offset, whiteners, storage)
    fill_form(plan, centres, whiteners, origin)


cdef inline void prepare_own(
    PassPlan* plan, const OwnErrors* own, const double* log_offset, const double* centres,
    double* storage,                               # OUT what the plan points into, which is less than of `prepare`
) noexcept nogil:
    """Prepare a pass over rows with errors of their own."""
    plan.own, plan.all_offsets, plan.all_centres, plan.n_components = own, log_offset, centres, plan.n_all
    plan.linear = plan.single = False
    plan.far, plan.kappa = True, 0
    lay_out_form(plan, False, log_offset, NULL, storage)
    fill_form(plan, centres, NULL, centres)


cdef inline void narrow(const double* values, Py_ssize_t n, float* out) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = <float>values[i]
