/* Densities of fewer rows than a group of vectors: rows lie one behind the other, `ld` items apart, and results, not
 * rows, run along vectors. tile.h includes this for each instruction set and type.
 * Each result adds the same products in the same order as the functions in tile.h, hence has the same bits.
 * Matrices come in panels: of TILE_PANEL bytes of results all the factors of the first term, of the second ...
 */

#define TILE_RESULTS (TILE_PANEL / (int)sizeof(TILE_REAL))
#define TILE_PARTS (TILE_PANEL / TILE_BYTES)
#define TILE_ROWS (TILE_BYTES == 16 ? 1 : TILE_BYTES / 16) /* that the registers hold the sums of */

/* y (h, TILE_RESULTS) = products of h rows of b with the k terms of a panel, or their squares */
TILE_LEAF void TILE_NAME(few_panel)(const int h, const int square, const TILE_REAL *restrict a,
                                    const TILE_REAL *restrict b, ptrdiff_t ldb, TILE_REAL *restrict y, ptrdiff_t k)
{
    TILE_VEC acc[TILE_ROWS][TILE_PARTS], x[TILE_PARTS];
    ptrdiff_t p;
    int i, v;
    TILE_UNROLL for (i = 0; i < h; i++)
        TILE_UNROLL for (v = 0; v < TILE_PARTS; v++) acc[i][v] = (TILE_VEC){0};
    for (p = 0; p < k; p++, a += TILE_RESULTS) {
        TILE_UNROLL for (v = 0; v < TILE_PARTS; v++) x[v] = *(const TILE_VEC *)(a + v * TILE_LANES);
        TILE_UNROLL for (i = 0; i < h; i++) {
            const TILE_REAL s = b[i * ldb + p];
            TILE_UNROLL for (v = 0; v < TILE_PARTS; v++) acc[i][v] += x[v] * s;
        }
    }
    TILE_UNROLL for (i = 0; i < h; i++)
        TILE_UNROLL for (v = 0; v < TILE_PARTS; v++) {
            TILE_VEC squared = acc[i][v] * acc[i][v];
            TILE_ROUND(squared);
            *(TILE_VEC *)(y + i * TILE_RESULTS + v * TILE_LANES) = square ? squared : acc[i][v];
        }
}

/* The same for 1 to TILE_ROWS rows; return how many were taken */
TILE_LEAF ptrdiff_t TILE_NAME(few_rows)(const int square, const TILE_REAL *a, const TILE_REAL *b, ptrdiff_t ldb,
                                        TILE_REAL *y, ptrdiff_t k, ptrdiff_t left)
{
    if (left >= TILE_ROWS) {
        TILE_NAME(few_panel)(TILE_ROWS, square, a, b, ldb, y, k);
        return TILE_ROWS;
    }
    TILE_NAME(few_panel)(1, square, a, b, ldb, y, k);
    return 1;
}

/* c (m, n) = a (m, k), in panels, times the transpose of b (n, k) */
static void TILE_NAME(few_multiply)(const TILE_REAL *a, const TILE_REAL *b, ptrdiff_t ldb, TILE_REAL *c, ptrdiff_t ldc,
                                    ptrdiff_t m, ptrdiff_t n, ptrdiff_t k)
{
    TILE_REAL y[TILE_ROWS * TILE_RESULTS] __attribute__((aligned(64)));
    ptrdiff_t i, r, row, taken, first;
    for (first = 0; first < m; first += TILE_RESULTS, a += k * TILE_RESULTS)
        for (r = 0; r < n; r += taken) {
            taken = TILE_NAME(few_rows)(0, a, b + r * ldb, ldb, y, k, n - r);
            for (row = 0; row < taken; row++)
                for (i = first; i < m && i < first + TILE_RESULTS; i++)
                    c[i * ldc + r + row] = y[row * TILE_RESULTS + i - first];
        }
}

/* y (h, TILE_RESULTS) = products of [1, x, products of x] of h rows x with the terms of a panel */
TILE_LEAF void TILE_NAME(few_forms)(const int h, const TILE_REAL *restrict a, const TILE_REAL *restrict x,
                                    ptrdiff_t ld, TILE_REAL *restrict y, ptrdiff_t d)
{
    TILE_VEC acc[TILE_ROWS][TILE_PARTS], t[TILE_ROWS][TILE_PARTS], q[TILE_PARTS];
    const TILE_REAL *linear = a + TILE_RESULTS, *next = linear + d * TILE_RESULTS;
    ptrdiff_t i, j;
    int r, v;
    TILE_UNROLL for (r = 0; r < h; r++)
        TILE_UNROLL for (v = 0; v < TILE_PARTS; v++) acc[r][v] = *(const TILE_VEC *)(a + v * TILE_LANES);
    for (i = 0; i < d; i++, linear += TILE_RESULTS) {
        TILE_UNROLL for (r = 0; r < h; r++)
            TILE_UNROLL for (v = 0; v < TILE_PARTS; v++) t[r][v] = *(const TILE_VEC *)(linear + v * TILE_LANES);
        for (j = 0; j <= i; j++, next += TILE_RESULTS) {
            TILE_UNROLL for (v = 0; v < TILE_PARTS; v++) q[v] = *(const TILE_VEC *)(next + v * TILE_LANES);
            TILE_UNROLL for (r = 0; r < h; r++)
                TILE_UNROLL for (v = 0; v < TILE_PARTS; v++) t[r][v] += q[v] * x[r * ld + j];
        }
        TILE_UNROLL for (r = 0; r < h; r++)
            TILE_UNROLL for (v = 0; v < TILE_PARTS; v++) acc[r][v] += t[r][v] * x[r * ld + i];
    }
    TILE_UNROLL for (r = 0; r < h; r++)
        TILE_UNROLL for (v = 0; v < TILE_PARTS; v++)
            *(TILE_VEC *)(y + r * TILE_RESULTS + v * TILE_LANES) = acc[r][v];
}

/* c (K, n) = a (K, terms), in panels, times [1, x, products of x], x (n, d) */
static void TILE_NAME(few_quadratic)(const TILE_REAL *a, const TILE_REAL *x, ptrdiff_t ld, TILE_REAL *c, ptrdiff_t ldc,
                                     ptrdiff_t K, ptrdiff_t n, ptrdiff_t d)
{
    TILE_REAL y[TILE_ROWS * TILE_RESULTS] __attribute__((aligned(64)));
    ptrdiff_t first, i, r, row, taken;
    for (first = 0; first < K; first += TILE_RESULTS, a += (1 + d + d * (d + 1) / 2) * TILE_RESULTS)
        for (r = 0; r < n; r += taken) {
            taken = n - r >= TILE_ROWS ? TILE_ROWS : 1;
            if (taken == 1)
                TILE_NAME(few_forms)(1, a, x + r * ld, ld, y, d);
            else
                TILE_NAME(few_forms)(TILE_ROWS, a, x + r * ld, ld, y, d);
            for (row = 0; row < taken; row++)
                for (i = first; i < K && i < first + TILE_RESULTS; i++)
                    c[i * ldc + r + row] = y[row * TILE_RESULTS + i - first];
        }
}

/* out (n) = offset - |w z|^2 / 2, w (d, d) lower triangular in panels that end with their last row's diagonal */
static void TILE_NAME(few_triangular)(const TILE_REAL *w, const TILE_REAL *z, ptrdiff_t ld, double offset,
                                      TILE_REAL *out, ptrdiff_t d, ptrdiff_t n)
{
    TILE_REAL y[TILE_ROWS * TILE_RESULTS] __attribute__((aligned(64)));
    ptrdiff_t i, r, row, taken, first, terms, rows;
    memset(out, 0, n * sizeof *out);
    for (first = 0; first < d; first += TILE_RESULTS, w += terms * TILE_RESULTS) {
        rows = d - first < TILE_RESULTS ? d - first : TILE_RESULTS;
        terms = first + rows;
        for (r = 0; r < n; r += taken) {
            taken = TILE_NAME(few_rows)(1, w, z + r * ld, ld, y, terms, n - r);
            for (row = 0; row < taken; row++) {
                TILE_REAL total = out[r + row];
                for (i = 0; i < rows; i++) total += y[row * TILE_RESULTS + i];
                out[r + row] = total;
            }
        }
    }
    TILE_NAME(density)(offset, out, n);
}

/* c (K, n) = offsets - |w_k (x - c_k)|^2 / 2, w_k diagonals; panels of K centres and diagonals, feature by feature */
static void TILE_NAME(few_diagonal)(const TILE_REAL *panel, const TILE_REAL *x, ptrdiff_t ld, const double *offset,
                                    TILE_REAL *c, ptrdiff_t ldc, ptrdiff_t K, ptrdiff_t n, ptrdiff_t d)
{
    ptrdiff_t first, i, j, r;
    int v;
    for (first = 0; first < K; first += TILE_RESULTS, panel += 2 * d * TILE_RESULTS)
        for (r = 0; r < n; r++) {
            TILE_REAL square[TILE_RESULTS] __attribute__((aligned(64)));
            TILE_VEC acc[TILE_PARTS];
            TILE_UNROLL for (v = 0; v < TILE_PARTS; v++) acc[v] = (TILE_VEC){0};
            for (j = 0; j < d; j++) TILE_UNROLL for (v = 0; v < TILE_PARTS; v++) {
                const TILE_VEC *at = (const TILE_VEC *)(panel + 2 * j * TILE_RESULTS + v * TILE_LANES);
                const TILE_VEC y = (x[r * ld + j] - at[0]) * at[TILE_PARTS];
                acc[v] += y * y;
            }
            TILE_UNROLL for (v = 0; v < TILE_PARTS; v++) *(TILE_VEC *)(square + v * TILE_LANES) = acc[v];
            for (i = first; i < K && i < first + TILE_RESULTS; i++) {
                TILE_NAME(density)(offset[i], square + i - first, 1);
                c[i * ldc + r] = square[i - first];
            }
        }
}

#undef TILE_RESULTS
#undef TILE_PARTS
#undef TILE_ROWS
