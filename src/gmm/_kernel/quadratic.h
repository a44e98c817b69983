/* Quadratic forms of the rows of a block, and their moments: products of two features are made in registers and stored
 * nowhere. tile.h includes this for each instruction set and type.
 */

#define TILE_FORMS 3 /* components in a tile of forms: as many sums again wait for their last factor */
#define TILE_SIDE (TILE_BYTES == 64 ? 5 : 3) /* features along both sides of a tile of moments */
#define TILE_OF_FORMS(h, f, ...)                                                                                       \
    switch (h) {                                                                                                       \
    case 1: f(1, __VA_ARGS__); break;                                                                                  \
    case 2: f(2, __VA_ARGS__); break;                                                                                  \
    default: f(3, __VA_ARGS__); }
#define TILE_OF_SIDE(h, f, ...)                                                                                        \
    switch (h < TILE_SIDE ? h : 5) {                                                                                   \
    case 1: f(1, __VA_ARGS__); break;                                                                                  \
    case 2: f(2, __VA_ARGS__); break;                                                                                  \
    case 3: f(3, __VA_ARGS__); break;                                                                                  \
    case 4: f((TILE_SIDE < 4 ? TILE_SIDE : 4), __VA_ARGS__); break;                                                    \
    default: f(TILE_SIDE, __VA_ARGS__); }
#define TILE_SQUARE(h, ...) TILE_NAME(weighted_dots)(h, h, __VA_ARGS__)
#define TILE_OBLONG(h, ...) TILE_NAME(weighted_dots)(h, h < TILE_SIDE ? h + 1 : h, __VA_ARGS__)

/* c (h, n) = quadratic forms of x (d, n), about [1, x], of one strip */
TILE_LEAF void TILE_NAME(forms)(const int h, const TILE_REAL *restrict a, ptrdiff_t lda, const TILE_REAL *restrict x,
                                ptrdiff_t ld, TILE_REAL *restrict c, ptrdiff_t d)
{
    ptrdiff_t i, j, r;
    int k, v;
    for (r = 0; r < TILE_STRIP; r += TILE_WIDTH * TILE_LANES) {
        TILE_VEC acc[TILE_FORMS][TILE_WIDTH], t[TILE_FORMS][TILE_WIDTH], y[TILE_WIDTH];
        const TILE_REAL *q = a + 1 + d;
        TILE_UNROLL for (k = 0; k < h; k++)
            TILE_UNROLL for (v = 0; v < TILE_WIDTH; v++) acc[k][v] = (TILE_VEC){0} + a[k * lda];
        for (i = 0; i < d; i++) {
            TILE_UNROLL for (k = 0; k < h; k++)
                TILE_UNROLL for (v = 0; v < TILE_WIDTH; v++) t[k][v] = (TILE_VEC){0} + a[k * lda + 1 + i];
            for (j = 0; j <= i; j++, q++) {
                TILE_UNROLL for (v = 0; v < TILE_WIDTH; v++) y[v] = *(const TILE_VEC *)(x + j * ld + r + v * TILE_LANES);
                TILE_UNROLL for (k = 0; k < h; k++) {
                    const TILE_REAL s = q[k * lda];
                    TILE_UNROLL for (v = 0; v < TILE_WIDTH; v++) t[k][v] += y[v] * s;
                }
            }
            TILE_UNROLL for (k = 0; k < h; k++)
                TILE_UNROLL for (v = 0; v < TILE_WIDTH; v++) acc[k][v] += t[k][v] * y[v];
        }
        TILE_UNROLL for (k = 0; k < h; k++)
            TILE_UNROLL for (v = 0; v < TILE_WIDTH; v++) *(TILE_VEC *)(c + k * ld + r + v * TILE_LANES) = acc[k][v];
    }
}

/* c (K, n) = a (K, terms) times [1, x, products of x] (terms, n): x_i (a_i + sum of a_ij x_j, j <= i) */
static void TILE_NAME(quadratic)(const TILE_REAL *a, ptrdiff_t terms, const TILE_REAL *x, ptrdiff_t ld, TILE_REAL *c,
                                 ptrdiff_t K, ptrdiff_t d, ptrdiff_t n)
{
    ptrdiff_t k, h, r, left;
    for (r = 0; r < n; r += TILE_STRIP)
        for (k = 0, left = (K + TILE_FORMS - 1) / TILE_FORMS; k < K; k += h, left--) {
            h = (K - k + left - 1) / left;
            TILE_OF_FORMS(h, TILE_NAME(forms), a + k * terms, terms, x + r, ld, c + k * ld + r, d)
        }
}

/* Sums of m times the products of h rows of a with w of b, or, where `lower`, with as many of a, pairs once */
TILE_LEAF void TILE_NAME(weighted_dots)(const int h, const int w, const int lower, const TILE_REAL *restrict m,
                                        const TILE_REAL *restrict a, const TILE_REAL *restrict b, ptrdiff_t ld,
                                        ptrdiff_t n, TILE_REAL *restrict out)
{
    TILE_VEC acc[TILE_SIDE * TILE_SIDE], y[TILE_SIDE];
    ptrdiff_t r;
    int i, j;
    TILE_UNROLL for (i = 0; i < TILE_SIDE * TILE_SIDE; i++) acc[i] = (TILE_VEC){0};
    for (r = 0; r < n; r += TILE_LANES) {
        TILE_UNROLL for (i = 0; i < h; i++) y[i] = *(const TILE_VEC *)(m + r) * *(const TILE_VEC *)(a + i * ld + r);
        TILE_UNROLL for (j = 0; j < w; j++) {
            const TILE_VEC x = *(const TILE_VEC *)(b + j * ld + r);
            TILE_UNROLL for (i = lower ? j : 0; i < h; i++) acc[lower ? i * (i + 1) / 2 + j : i * w + j] += y[i] * x;
        }
    }
    TILE_NAME(fold_all)(lower ? h * (h + 1) / 2 : h * w, acc, out);
}

/* The same where tiles differ by one: b has as many rows as a, or one more */
static void TILE_NAME(weighted_products)(int h, int w, const TILE_REAL *m, const TILE_REAL *a, const TILE_REAL *b,
                                         ptrdiff_t ld, ptrdiff_t n, TILE_REAL *out)
{
    if (a == b)
        TILE_OF_SIDE(h, TILE_SQUARE, 1, m, a, b, ld, n, out)
    else if (w == h)
        TILE_OF_SIDE(h, TILE_SQUARE, 0, m, a, b, ld, n, out)
    else
        TILE_OF_SIDE(h, TILE_OBLONG, 0, m, a, b, ld, n, out)
}

/* sums (K, terms) += mass (K, n) [1, x, products of x] (terms, n)^T, from x (1 + d, n) = [1, x] */
static void TILE_NAME(add_quadratic)(const TILE_REAL *mass, const TILE_REAL *x, ptrdiff_t ld, double *sums,
                                     ptrdiff_t terms, ptrdiff_t K, ptrdiff_t d, ptrdiff_t n)
{
    TILE_REAL total[TILE_SIDE * TILE_SIDE + TILE_LANES] __attribute__((aligned(64))), *next;
    const ptrdiff_t tiles = (d + TILE_SIDE) / TILE_SIDE, size = (d + 1) / tiles, larger = (d + 1) % tiles;
    ptrdiff_t up, left, i, j, k, p, q;
    int h, w;
    for (up = i = 0; up < tiles; up++, i += h) {
        h = (int)size + (up < larger);
        for (left = j = 0; left <= up; left++, j += w) {
            w = (int)size + (left < larger);
            for (k = 0; k < K; k++) {
                TILE_NAME(weighted_products)(h, w, mass + k * ld, x + i * ld, x + j * ld, ld, n, next = total);
                for (p = i; p < i + h; p++)
                    for (q = j; q < j + w && q <= p; q++)
                        sums[k * terms + (q == 0 ? p : d + p * (p - 1) / 2 + q)] += *next++;
            }
        }
    }
}

#undef TILE_FORMS
#undef TILE_SIDE
#undef TILE_OF_FORMS
#undef TILE_OF_SIDE
#undef TILE_SQUARE
#undef TILE_OBLONG
