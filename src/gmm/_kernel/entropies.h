/* The part of tile.h for the sums of criteria, included once for each set and type. */

/* For the shares of each row, from log rho: log_evidence, log sum of rho; excess, by how much that is more than the
 * largest log rho; and entropy, log sum - sum of shares x log rho, from sums about the largest, which do not cancel. */
static void TILE_NAME(entropies)(const TILE_REAL *restrict tile, ptrdiff_t K, ptrdiff_t n, ptrdiff_t ld,
                                 TILE_REAL *restrict log_evidence, TILE_REAL *restrict excess,
                                 TILE_REAL *restrict entropy)
{
    ptrdiff_t start, k;
    int r;
    for (start = 0; start < n; start += TILE_STRIP) {
        TILE_REAL peak[TILE_STRIP], sum[TILE_STRIP] = {0}, below[TILE_STRIP] = {0};
        const TILE_REAL *restrict row = tile + start;
        memcpy(peak, row, sizeof peak);
        for (k = 1; k < K; k++)
            for (row += ld, r = 0; r < TILE_STRIP; r++) peak[r] = row[r] > peak[r] ? row[r] : peak[r];
        for (k = 0, row = tile + start; k < K; k++, row += ld)
            for (r = 0; r < TILE_STRIP; r++) {
                const TILE_REAL step = row[r] - peak[r] > -TILE_FAR ? row[r] - peak[r] : -TILE_FAR; /* not 0 x inf */
                const TILE_REAL share = TILE_GLUE(tile_exp, TILE_REAL)(step);
                sum[r] += share;
                below[r] -= share * step;
            }
        for (r = 0; r < TILE_STRIP; r++) {
            excess[start + r] = TILE_GLUE(tile_log, TILE_REAL)(sum[r]);
            log_evidence[start + r] = peak[r] + excess[start + r];
            entropy[start + r] = excess[start + r] + below[r] / sum[r];
        }
    }
}
