"""How a pass is computed: the one place that chooses the form, and the sizes that follow from it.

| form | log density | moments | when |
| --- | --- | --- | --- |
| linear | Θ·[1, x, products of x], all components at once | R·[1, x, products]ᵀ | κ is small, not too many products |
| centred | z = x − c_k, ‖W_k z‖² | Σ r [1, z], Σ r z zᵀ | else: exact however far or thin it is |
"""
from gmm._leaves cimport pad
from gmm._linear cimport (
    DIAGONAL,
    FULL,
    SPHERICAL,
    TIED,
    Layout,
    condition,
    linear_coefficients,
    n_second,
    n_terms,
)

# Where the forms change over, measured: see ARCHITECTURE.md, "The kernel".
cdef enum:
    WIDEST_LINEAR = 48        # features of a full covariance in the linear form
    SHARED_BY = 6             # … and at most so many times K: all components share the products
    FIRST_CACHE = 32768       # bytes
    BLOCK_BYTES = 589824      # of a block and what is made of it: a part of the second cache
    FEWEST_GROUPS = 7         # of `pad` rows in a block
    MOST_GROUPS = 27
    LANE_ROWS = 2048
    LANE_WORK = 2000000000    # multiply-adds, some tenths of a second
    N_POWERS = 3              # of the coordinates along the axes: the second to the fourth

cdef struct Recipe:
    # What all workers of one pass read.
    Py_ssize_t n_components
    Py_ssize_t n_features
    Py_ssize_t n_density        # terms of the linear density, a prefix of the linear moments
    Py_ssize_t n_moments        # terms of the linear moments
    bint packed                 # second moments are sums of their own rows' terms, else whole matrices behind
    Py_ssize_t n_row            # sums kept for each component in a row, [1, x …]
    Py_ssize_t block            # rows
    Py_ssize_t lane             # rows
    Py_ssize_t n_sums           # doubles in one node of the merge tree
    Layout layout               # of the whiteners
    Layout moments
    bint linear
    bint single                 # arithmetic in float32
    bint far                    # some rows may be too far for the squares of their distances: see `_far.pxd`
    bint hard
    bint given                  # responsibilities come from the caller
    bint tiles                  # arithmetic from _tile.h, else its twin
    bint common_scatter         # tied linear: the caller knows Σ (x − origin)(x − origin)ᵀ
    bint common_quadratic       # tied linear otherwise: ‖Wx‖² is added row by row
    double kappa
    const double* log_offset
    const double* origin        # (d,) subtracted on loading: the data's centre, or zero
    const void* centres         # (K, d) from the origin
    const void* coefficients    # linear (K, n_moments), else the whiteners
    const void* common          # (d, d) the tied whitener, for common_quadratic
    const double* axes          # in the layout of the whiteners: see `_shape.pxd`; NULL where that is not asked for


cdef inline double limit_linear_double() noexcept nogil:
    """κ up to which the linear form is exact to 1e-11."""
    return 5e4


cdef inline double limit_linear_single() noexcept nogil:
    return 1e3


cdef inline double limit_centred_single() noexcept nogil:
    return 1e4


cdef inline double least_far() noexcept nogil:
    """κ from which on some square of a distance may reach 1e300: it is at most 4dκ."""
    return 1e290


cdef inline bint in_single_range(const double* reach, Py_ssize_t d) noexcept nogil:
    """Whether squares of the rows, whitened or weighed by up to a million, stay inside float32."""
    cdef Py_ssize_t j
    for j in range(d):
        if not 1e-12 < reach[j] < 1e12:
            return False
    return True


cdef inline void choose_form(
    Recipe* recipe, bint single, const double* reach, int form,
) noexcept nogil:
    """Linear or centred, float32 or float64; `form` −1 chooses, else bit 0 asks for linear and bit 1 for float32."""
    cdef Py_ssize_t d = recipe.n_features
    # The terms of the density have to be among those of the moments.
    cdef bint defined = recipe.layout == recipe.moments or recipe.layout == TIED
    cdef bint narrow = recipe.moments != FULL or d <= min(WIDEST_LINEAR, SHARED_BY * recipe.n_components)
    if form >= 0:
        recipe.linear = defined and form & 1
        recipe.single = single and form & 2
        return
    recipe.linear = defined and narrow and not recipe.given and recipe.kappa < limit_linear_double()
    recipe.single = (single and in_single_range(reach, d)
                     and recipe.kappa < (limit_linear_single() if recipe.linear else limit_centred_single()))


cdef inline Py_ssize_t n_shape(const Recipe* recipe) noexcept nogil:
    """Sums of `_shape.pxd` in a node, before the last two."""
    return recipe.n_components * (1 + N_POWERS * recipe.n_features) if recipe.axes != NULL else 0


cdef inline double work_of(const Recipe* recipe, Py_ssize_t rows) noexcept nogil:
    """Multiply-adds for so many rows, roughly."""
    cdef Py_ssize_t d = recipe.n_features
    cdef double terms = recipe.n_moments
    if not recipe.linear:
        terms = max(n_second(recipe.moments, 1, d), n_second(recipe.layout, 1, d), d)
    if recipe.axes != NULL:
        terms += max(n_second(recipe.layout, 1, d), d) + 2 * N_POWERS * d
    return <double>rows * recipe.n_components * (2 * terms + 20)


cdef inline void measure(Recipe* recipe) noexcept nogil:
    """The sizes that follow from the form."""
    cdef Py_ssize_t K = recipe.n_components, d = recipe.n_features
    cdef Py_ssize_t item = sizeof(float) if recipe.single else sizeof(double)
    cdef Py_ssize_t group, groups
    recipe.n_density = n_terms(recipe.layout, d)
    recipe.n_moments = n_terms(recipe.moments, d)
    recipe.packed = recipe.linear or recipe.moments == DIAGONAL or recipe.moments == SPHERICAL
    recipe.n_row = recipe.n_moments if recipe.packed else 1 + d
    recipe.n_sums = K * recipe.n_row + (0 if recipe.packed else n_second(recipe.moments, K, d)) + n_shape(recipe) + 2
    group = item * pad(item) * (K + (recipe.n_moments if recipe.linear else 3 * d))
    groups = FEWEST_GROUPS if FEWEST_GROUPS * group <= FIRST_CACHE else BLOCK_BYTES // group
    # An odd number, or features would alias in the first cache.
    recipe.block = (min(max(groups, FEWEST_GROUPS), MOST_GROUPS) - 1 | 1) * pad(item)
    # Ctrl-C is looked for between lanes: a lane of very large blocks has fewer of them.
    recipe.lane = recipe.block
    while recipe.lane + recipe.block <= LANE_ROWS and work_of(recipe, recipe.lane) < LANE_WORK:
        recipe.lane += recipe.block


cdef inline bint same_room(const Recipe* one, const Recipe* other) noexcept nogil:
    """Whether a worker's scratch that is laid out for one pass is for the other as well."""
    return (one.n_components == other.n_components and one.n_features == other.n_features
            and one.layout == other.layout and one.moments == other.moments and one.linear == other.linear
            and one.single == other.single and (one.axes == NULL) == (other.axes == NULL))


cdef inline Py_ssize_t room_for(Layout layout, Layout moments, Py_ssize_t K, Py_ssize_t d) noexcept nogil:
    """Doubles that `prepare` writes."""
    cdef Py_ssize_t size = n_second(layout, K, d)
    return d + 2 * (K * d + size + max(K * n_terms(moments, d), size))


cdef inline void prepare(
    Recipe* recipe,                                # IN the sizes and layouts, OUT the rest
    const double* log_offset, const double* centres, const double* whiteners,
    const double* origin, const double* reach,     # IN (d,), (d,) max |x − origin|
    bint single, bint common_scatter, int form,
    double* room,                                  # OUT what the recipe points into: see `room_for`
) noexcept nogil:
    """Choose the form of a pass with this mixture, and bring the mixture into it."""
    cdef Py_ssize_t K = recipe.n_components, d = recipe.n_features, j, k
    cdef Py_ssize_t size = n_second(recipe.layout, K, d), n_coefficients
    cdef double* stand = room
    cdef double* steps = stand + d
    cdef double* coefficients = steps + K * d
    cdef double* wide
    recipe.kappa = condition(whiteners, centres, recipe.layout, K, d, origin, reach, stand)
    choose_form(recipe, single, reach, form)
    recipe.far = recipe.kappa >= least_far() and not (recipe.linear or recipe.single or recipe.given)
    recipe.common_scatter = recipe.linear and recipe.layout == TIED and common_scatter
    recipe.common_quadratic = recipe.linear and recipe.layout == TIED and not common_scatter
    measure(recipe)
    # Rows far from the origin lose digits on loading, which the centred form would need.
    for j in range(d):
        stand[j] = origin[j] if recipe.linear or recipe.single else 0
    for k in range(K):
        for j in range(d):
            steps[k * d + j] = centres[k * d + j] - stand[j]
    recipe.log_offset, recipe.origin, recipe.centres = log_offset, stand, steps
    recipe.coefficients, recipe.common = whiteners, whiteners
    n_coefficients = size
    if recipe.linear:
        n_coefficients = K * recipe.n_moments
        linear_coefficients(log_offset, centres, whiteners, recipe.layout, origin, K, d, recipe.n_moments,
                            coefficients)
        recipe.coefficients = coefficients
    if recipe.single:
        wide = coefficients + max(K * recipe.n_moments, size)
        recipe.centres = narrowed(steps, K * d, <float*>wide)
        wide += K * d
        recipe.coefficients = narrowed(<double*>recipe.coefficients, n_coefficients, <float*>wide)
        wide += n_coefficients
        if recipe.common_quadratic:
            recipe.common = narrowed(whiteners, size, <float*>wide)


cdef inline float* narrowed(const double* values, Py_ssize_t n, float* out) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = <float>values[i]
    return out
