/* Student-t components, see tails.pxd. Included by tile.h, once for each type and instruction set. */

/* From log densities log_offset - q/2 of normal components to those of Student-t ones; the precisions u = (nu + d)/(nu + q)
 * of rows, and log u. */
static void TILE_NAME(heavy_tails)(TILE_REAL *restrict tile, ptrdiff_t K, ptrdiff_t n, ptrdiff_t ld,
                                   const double *log_offset, double degrees, double d, TILE_REAL *restrict precision)
{
    const TILE_REAL nu = (TILE_REAL)degrees, most = (TILE_REAL)(degrees + d), half = most / 2;
    const TILE_REAL log_nu = (TILE_REAL)tile_log_double(degrees), log_most = (TILE_REAL)tile_log_double(degrees + d);
    const TILE_REAL far = sizeof(TILE_REAL) == sizeof(float) ? (TILE_REAL)1e37 : (TILE_REAL)1e300;
    ptrdiff_t start, k;
    int r;
    for (k = 0; k < K; k++, tile += ld, precision += ld) {
        const TILE_REAL offset = (TILE_REAL)log_offset[k];
        TILE_REAL *restrict logarithm = precision + K * ld;
        for (start = 0; start < n; start += TILE_STRIP)
            for (r = 0; r < TILE_STRIP; r++) {
                TILE_REAL square = 2 * (offset - tile[start + r]), inverse, larger;
                square = square > 0 ? square : 0;
                larger = TILE_GLUE(tile_log_and_inverse, TILE_REAL)(nu + (square < far ? square : far), &inverse);
                precision[start + r] = most * inverse;
                logarithm[start + r] = log_most - larger;
                tile[start + r] = offset - half * (larger - log_nu);
            }
    }
}

/* Multiply by u the shares of rows, after adding up these, and what they are times log u - u. */
static void TILE_NAME(weigh_by_precision)(TILE_REAL *restrict tile, ptrdiff_t K, ptrdiff_t n, ptrdiff_t ld,
                                          const TILE_REAL *restrict precision, double *restrict sums)
{
    ptrdiff_t start, k;
    int r;
    for (k = 0; k < K; k++, tile += ld, precision += ld) {
        const TILE_REAL *restrict logarithm = precision + K * ld;
        double count[8] = {0}, excess[8] = {0};
        for (start = 0; start < n; start += 8)
            for (r = 0; r < 8; r++) {
                const TILE_REAL share = tile[start + r], u = precision[start + r];
                count[r] += share;
                excess[r] += share * (logarithm[start + r] - u);
                tile[start + r] = share * u;
            }
        for (r = 0; r < 8; r++) sums[k] += count[r], sums[K] += excess[r];
    }
}
