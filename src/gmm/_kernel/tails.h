/* Components with heavy tails, see tails.pxd. Included by tile.h, once for each type and instruction set. */

/* From log densities log_offset - q/2 of normal components to those of Student-t ones; also the precisions
 * u = (nu + d)/(nu + q) of rows, and log u - u. */
static void TILE_NAME(heavy_tails)(TILE_REAL *restrict tile, ptrdiff_t K, ptrdiff_t n, ptrdiff_t ld,
                                   const double *log_offset, const double *tails, double d,
                                   TILE_REAL *restrict precision)
{
    ptrdiff_t start, k;
    int r;
    for (k = 0; k < K; k++, tile += ld, precision += ld) {
        const TILE_REAL nu = (TILE_REAL)tails[k], most = (TILE_REAL)(tails[k] + d), half = most / 2;
        const TILE_REAL log_nu = (TILE_REAL)tile_log_double(tails[k]), log_most = (TILE_REAL)tile_log_double(tails[k] + d);
        const TILE_REAL offset = (TILE_REAL)log_offset[k];
        TILE_REAL *restrict statistic = precision + K * ld;
        for (start = 0; start < n; start += TILE_STRIP)
            for (r = 0; r < TILE_STRIP; r++) {
                TILE_REAL square = 2 * (offset - tile[start + r]), inverse, larger;
                square = square > 0 ? square : 0;
                larger = TILE_GLUE(tile_log_and_inverse, TILE_REAL)(nu + (square < TILE_FAR ? square : TILE_FAR), &inverse);
                precision[start + r] = most * inverse;
                statistic[start + r] = log_most - larger;
                tile[start + r] = offset - half * (larger - log_nu);
            }
        for (start = 0; start < n; start++) statistic[start] -= precision[start];
    }
}

/* Multiply by u the shares of rows, after adding up these, and for each component what they are times its statistic. */
static void TILE_NAME(weigh_by_precision)(TILE_REAL *restrict tile, ptrdiff_t K, ptrdiff_t n, ptrdiff_t ld,
                                          const TILE_REAL *restrict precision, double *restrict sums)
{
    ptrdiff_t start, k;
    int r;
    for (k = 0; k < K; k++, tile += ld, precision += ld) {
        const TILE_REAL *restrict statistic = precision + K * ld;
        double count[8] = {0}, excess[8] = {0};
        for (start = 0; start < n; start += 8)
            for (r = 0; r < 8; r++) {
                const TILE_REAL share = tile[start + r], u = precision[start + r];
                count[r] += share;
                excess[r] += share * statistic[start + r];
                tile[start + r] = share * u;
            }
        for (r = 0; r < 8; r++) sums[k] += count[r], sums[K + k] += excess[r];
    }
}

/* A strip of rows to the power n, and added to `sum`. */
TILE_LEAF void TILE_NAME(raise)(TILE_REAL *restrict row, ptrdiff_t n, TILE_REAL *restrict sum)
{
    int r, v;
    for (r = 0; r < TILE_STRIP; r += TILE_WIDTH * TILE_LANES) {
        TILE_VEC base[TILE_WIDTH], power[TILE_WIDTH];
        ptrdiff_t bits = n;
        TILE_UNROLL for (v = 0; v < TILE_WIDTH; v++) base[v] = *(TILE_VEC *)(row + r + v * TILE_LANES);
        for (; bits % 2 == 0; bits /= 2) TILE_UNROLL for (v = 0; v < TILE_WIDTH; v++) base[v] *= base[v];
        TILE_UNROLL for (v = 0; v < TILE_WIDTH; v++) power[v] = base[v];
        while (bits /= 2) {
            TILE_UNROLL for (v = 0; v < TILE_WIDTH; v++) base[v] *= base[v];
            if (bits % 2) TILE_UNROLL for (v = 0; v < TILE_WIDTH; v++) power[v] *= base[v];
        }
        TILE_UNROLL for (v = 0; v < TILE_WIDTH; v++) {
            *(TILE_VEC *)(row + r + v * TILE_LANES) = power[v];
            *(TILE_VEC *)(sum + r + v * TILE_LANES) += power[v];
        }
    }
}

/* From log densities of normal components to u times mass times the responsibilities of Student-t ones, where twice = nu + d
 * is whole: by powers of (nu/(nu + q))^(1/2) or of nu/(nu + q), without a logarithm or exponential for each component. Those
 * of a row are relative to the largest, weights included, so none overflows. `inverse` holds 2K rows of a tile. */
static void TILE_NAME(share_by_powers)(TILE_REAL *restrict tile, ptrdiff_t K, ptrdiff_t n, ptrdiff_t ld,
                                       const double *log_offset, double degrees, ptrdiff_t twice,
                                       const TILE_REAL *restrict mass, TILE_REAL *restrict log_evidence,
                                       TILE_REAL *restrict inverse, double *restrict sums)
{
    const TILE_REAL nu = (TILE_REAL)degrees, lift = (TILE_REAL)((double)twice / degrees);
    const ptrdiff_t whole = twice % 2 ? twice : twice / 2;
    /* Powers of less are beyond all digits, and subnormal ones slow. */
    const TILE_REAL least = (TILE_REAL)tile_exp_double((sizeof(TILE_REAL) == sizeof(float) ? -160.0 : -1400.0) / (double)twice);
    TILE_REAL *restrict scale = inverse + K * ld;
    double most = log_offset[0];
    ptrdiff_t start, k;
    int r;
    for (k = 1; k < K; k++) most = log_offset[k] > most ? log_offset[k] : most;
    for (k = 0; k < K; k++) scale[k] = (TILE_REAL)tile_exp_double(2 * (log_offset[k] - most) / (double)twice);
    for (start = 0; start < n; start += TILE_STRIP) {
        TILE_REAL peak[TILE_STRIP] = {0}, factor[TILE_STRIP], sum[TILE_STRIP] = {0};
        TILE_REAL *restrict row = tile + start, *restrict near = inverse + start;
        for (k = 0; k < K; k++, row += ld, near += ld) {
            const TILE_REAL offset = (TILE_REAL)log_offset[k], times = scale[k];
            for (r = 0; r < TILE_STRIP; r++) {
                TILE_REAL square = 2 * (offset - row[r]), base;
                square = square > 0 ? square : 0;
                near[r] = nu / (nu + (square < TILE_FAR ? square : TILE_FAR));
                base = times * near[r];
                peak[r] = base > peak[r] ? base : peak[r];
            }
        }
        for (r = 0; r < TILE_STRIP; r++) factor[r] = 1 / peak[r];
        for (k = 0, row = tile + start, near = inverse + start; k < K; k++, row += ld, near += ld) {
            const TILE_REAL times = scale[k];
            for (r = 0; r < TILE_STRIP; r++) {
                const TILE_REAL ratio = times * near[r] * factor[r];
                row[r] = ratio > least ? ratio : 0;
            }
            if (twice % 2)
                for (r = 0; r < TILE_STRIP; r++) row[r] = TILE_GLUE(tile_sqrt, TILE_REAL)(row[r]);
            TILE_NAME(raise)(row, whole, sum);
        }
        for (r = 0; r < TILE_STRIP; r++) {
            log_evidence[start + r] = (TILE_REAL)(most + (double)twice / 2 * tile_log_double(peak[r]) + tile_log_double(sum[r]));
            factor[r] = mass[start + r] / sum[r];
        }
        for (k = 0, row = tile + start, near = inverse + start; k < K; k++, row += ld, near += ld) {
            TILE_REAL count[8] = {0};
            for (r = 0; r < TILE_STRIP; r++) row[r] *= factor[r];
            for (r = 0; r < TILE_STRIP; r += 8)
                for (int i = 0; i < 8; i++) count[i] += row[r + i];
            for (r = 0; r < TILE_STRIP; r++) row[r] *= lift * near[r];
            sums[k] += ((double)count[0] + count[4] + (count[1] + count[5])) + ((double)count[2] + count[6] + (count[3] + count[7]));
        }
    }
}
