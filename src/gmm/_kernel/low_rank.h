/* Densities of components of low rank: a row's factors and the squares of the rest are summed in registers together.
 * tile.h includes this for each instruction set and type.
 */

#define TILE_NEAR 262144 /* bytes of rows that all components look at before the next: a part of the second cache */

/* For four or two vectors in a strip x (d): y (h) = b x - shift of `h` factors, half their squares added to out; in the
 * first group of a component `noise` is among the h: before them out = offset - |w (x - c)|^2 / 2. */
TILE_LEAF void TILE_NAME(factors)(const int h, const int noise, const TILE_REAL *restrict w,
                                  const TILE_REAL *restrict c, const TILE_REAL *restrict b, const TILE_REAL *shift,
                                  double offset, const TILE_REAL *restrict x, TILE_REAL *restrict y, ptrdiff_t ld,
                                  TILE_REAL *restrict out, ptrdiff_t d)
{
    const TILE_REAL far = (TILE_REAL)(sizeof(TILE_REAL) == sizeof(float) ? 1e35 : 1e290); /* its noise is cut off */
    TILE_VEC acc[TILE_HEIGHT][TILE_WIDTH], z[TILE_WIDTH];
    ptrdiff_t p;
    int i, v, r;
    TILE_UNROLL for (i = 0; i < h; i++)
        TILE_UNROLL for (v = 0; v < TILE_WIDTH; v++) acc[i][v] = (TILE_VEC){0};
    for (p = 0; p < d; p++) {
        TILE_UNROLL for (v = 0; v < TILE_WIDTH; v++) z[v] = *(const TILE_VEC *)(x + p * TILE_STRIP + v * TILE_LANES);
        TILE_UNROLL for (i = 0; i < h - noise; i++) {
            const TILE_REAL s = b[i * d + p];
            TILE_UNROLL for (v = 0; v < TILE_WIDTH; v++) acc[i][v] += z[v] * s;
        }
        if (noise) TILE_UNROLL for (v = 0; v < TILE_WIDTH; v++) {
            z[v] = (z[v] - c[p]) * w[p];
            acc[h - 1][v] += z[v] * z[v];
        }
    }
    TILE_UNROLL for (v = 0; v < TILE_WIDTH; v++) {
        TILE_UNROLL for (i = 0; i < h - noise; i++) *(TILE_VEC *)(y + i * ld + v * TILE_LANES) = acc[i][v] - shift[i];
        if (noise) *(TILE_VEC *)(out + v * TILE_LANES) = acc[h - 1][v];
    }
    if (noise) TILE_NAME(density)(offset, out, TILE_WIDTH * TILE_LANES);
    for (i = 0; i < h - noise; i++, y += ld)
        for (r = 0; r < TILE_WIDTH * TILE_LANES; r++) {
            const TILE_REAL half = y[r] * y[r] / 2;
            out[r] += half < far ? half : 0;
        }
}

/* y (K, q, n) = b x - shift, out (K, n) = offset - |w (x - c)|^2 / 2 + |y|^2 / 2; a: w (K, d), b (K, q, d) and shifts
 * (K, q); packed: the rows that are looked at, strip by strip, without gaps between the features */
static void TILE_NAME(low_rank)(const TILE_REAL *a, const TILE_REAL *c, const double *offset, const TILE_REAL *x,
                                ptrdiff_t ld, TILE_REAL *packed, TILE_REAL *y, TILE_REAL *out, ptrdiff_t K, ptrdiff_t q,
                                ptrdiff_t d, ptrdiff_t n)
{
    const ptrdiff_t step = TILE_WIDTH * TILE_LANES, strips = 1 + (TILE_NEAR - 1) / TILE_PAD / d;
    ptrdiff_t start, end, r, k, i, h, left;
    for (start = 0; start < n; start = end) {
        end = start + strips * TILE_STRIP < n ? start + strips * TILE_STRIP : n;
        for (r = start; r < end; r += TILE_STRIP)
            for (i = 0; i < d; i++)
                memcpy(packed + (r - start) * d + i * TILE_STRIP, x + i * ld + r, TILE_STRIP * sizeof *x);
        for (k = 0; k < K; k++) {
            const TILE_REAL *w = a + k * d, *b = a + (K + k * q) * d, *shift = a + K * (1 + q) * d + k * q;
            for (r = start; r < end; r += step) {
                const TILE_REAL *rows = packed + (r - start) / TILE_STRIP * TILE_STRIP * d + (r - start) % TILE_STRIP;
                left = (q + TILE_HEIGHT) / TILE_HEIGHT, h = (q + left) / left;
                TILE_OF_HEIGHT(h, TILE_NAME(factors), 1, w, c + k * d, b, shift, offset[k], rows,
                               y + k * q * ld + r, ld, out + k * ld + r, d)
                for (i = h - 1; --left; i += h) {
                    h = (q - i + left - 1) / left;
                    TILE_OF_HEIGHT(h, TILE_NAME(factors), 0, w, c + k * d, b + i * d, shift + i, offset[k], rows,
                                   y + (k * q + i) * ld + r, ld, out + k * ld + r, d)
                }
            }
        }
    }
}
