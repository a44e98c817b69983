/* Rows that each have an error covariance of their own: T = V_k + S_i is factored for every row and component, with rows
 * along vectors. Matrices are lower triangles row by row, or diagonals alone; a column of all rows follows the other,
 * and the number of rows is a multiple of ERRORS_LANES. This file includes itself once for each instruction set.
 */
#ifndef GMM_DECONVOLVE_H
#define GMM_DECONVOLVE_H

#include <stddef.h>

#include "compiler.h"
#include "exp_log.h"
#define ERRORS_LANES 8 /* rows that are taken together, the widest vector */
#define ERRORS_FEW 6   /* columns, up to which their number is a constant */
#define ERRORS_GLUE_VALUES(a, b) a##_##b
#define ERRORS_GLUE(a, b) ERRORS_GLUE_VALUES(a, b)
#define ERRORS_NAME(name) ERRORS_GLUE(errors_##name, ERRORS_SET)
#define ERRORS_VEC ERRORS_NAME(vec)
#define ERRORS_WIDTH (ptrdiff_t)(sizeof(ERRORS_VEC) / sizeof(double))

typedef struct {
    void (*density)(const double *, const double *, ptrdiff_t, ptrdiff_t, int, const double *, const double *, double,
                    double *, double *);
    void (*scores)(const double *, const double *, ptrdiff_t, ptrdiff_t, int, const double *, const double *,
                   const double *, double *, double *);
    void (*normalise)(double *, ptrdiff_t, ptrdiff_t, double, double *);
} errors_functions;

#define ERRORS_SET base
#define ERRORS_BYTES 16
#include "deconvolve.h"
#if defined(TILE_VECTORS) && defined(__x86_64__)
TILE_BEGIN("avx2,fma")
#define ERRORS_SET avx2
#define ERRORS_BYTES 32
#include "deconvolve.h"
TILE_END
TILE_BEGIN(TILE_AVX512)
#define ERRORS_SET avx512
#define ERRORS_BYTES 64
#include "deconvolve.h"
TILE_END
static const errors_functions *const errors_sets[] = {&errors_table_base, &errors_table_avx2, &errors_table_avx512};
#else
static const errors_functions *const errors_sets[] = {&errors_table_base, &errors_table_base, &errors_table_base};
#endif

#else /* --------------------------------------------------- one instruction set, included by the first half */

#if defined(TILE_VECTORS)
typedef double ERRORS_VEC __attribute__((vector_size(ERRORS_BYTES), aligned(8), may_alias));
#else
typedef double ERRORS_VEC;
#endif

#define ERRORS_AT(a, column) (*(const ERRORS_VEC *)((a) + (column)*ld))

/* T = V + S of some rows as L D Lᵀ: L below the diagonal of l, 1 / D in `inverse`, D in `pivot`, and z = L⁻¹ (x − c) */
TILE_LEAF void ERRORS_NAME(factor)(const double *x, const double *s, ptrdiff_t ld, ptrdiff_t d, const double *centre,
                                   const double *v, ERRORS_VEC *restrict l, ERRORS_VEC *restrict inverse,
                                   ERRORS_VEC *restrict pivot, ERRORS_VEC *restrict z)
{
    ptrdiff_t i, j, m;
    TILE_UNROLL for (i = 0; i < d; i++) {
        ERRORS_VEC *row = l + i * (i + 1) / 2, t, rest = ERRORS_AT(x, i) - centre[i];
        TILE_UNROLL for (j = 0; j < i; j++) { /* row[j] = L_ij D_j for now */
            const ERRORS_VEC *other = l + j * (j + 1) / 2;
            t = ERRORS_AT(s, i * (i + 1) / 2 + j) + v[i * (i + 1) / 2 + j];
            TILE_UNROLL for (m = 0; m < j; m++) t -= row[m] * other[m];
            row[j] = t;
        }
        t = ERRORS_AT(s, i * (i + 1) / 2 + i) + v[i * (i + 1) / 2 + i];
        TILE_UNROLL for (j = 0; j < i; j++) {
            const ERRORS_VEC scaled = row[j];
            row[j] = scaled * inverse[j];
            t -= scaled * row[j];
            rest -= row[j] * z[j];
        }
        pivot[i] = t;
        inverse[i] = 1.0 / t;
        z[i] = rest;
    }
}

/* out (n) = offset − ½ log|T| − ½ (x − c)ᵀ T⁻¹ (x − c) in one component; x (d, n), s and v matrices or diagonals */
TILE_LEAF void ERRORS_NAME(density_of)(const ptrdiff_t d, const double *x, const double *s, ptrdiff_t n, int diagonal,
                                       const double *centre, const double *v, double offset, double *restrict out,
                                       double *restrict work)
{
    const ptrdiff_t ld = n;
    ERRORS_VEC few[ERRORS_FEW * (ERRORS_FEW + 7) / 2]; /* that registers may hold */
    ERRORS_VEC *l = d > ERRORS_FEW ? (ERRORS_VEC *)work : few, *inverse = l + d * (d + 1) / 2, *z = inverse + d;
    ERRORS_VEC *pivot = z + d;
    ptrdiff_t r, i, lane;
    for (r = 0; r < n; r += ERRORS_WIDTH, x += ERRORS_WIDTH, s += ERRORS_WIDTH, out += ERRORS_WIDTH) {
        ERRORS_VEC square = {0};
        double product[ERRORS_BYTES / sizeof(double)], exponent[ERRORS_BYTES / sizeof(double)];
        if (diagonal)
            for (i = 0; i < d; i++) {
                pivot[i] = ERRORS_AT(s, i) + v[i];
                z[i] = ERRORS_AT(x, i) - centre[i];
                square += z[i] * z[i] / pivot[i];
            }
        else {
            ERRORS_NAME(factor)(x, s, ld, d, centre, v, l, inverse, pivot, z);
            for (i = 0; i < d; i++) square += z[i] * z[i] * inverse[i];
        }
        for (lane = 0; lane < ERRORS_WIDTH; lane++) product[lane] = 1, exponent[lane] = 0;
        for (i = 0; i < d; i++) { /* one logarithm of the product, which neither over- nor underflows */
            const double *t = (const double *)(pivot + i);
            for (lane = 0; lane < ERRORS_WIDTH; lane++) {
                const double p = product[lane] * t[lane];
                uint64_t bits, shifted;
                double e;
                memcpy(&bits, &p, sizeof bits);
                shifted = (bits >> 52) | 0x4330000000000000;
                memcpy(&e, &shifted, sizeof e);
                exponent[lane] += e - (0x1p52 + 1023);
                bits = (bits & 0x000fffffffffffff) | 0x3ff0000000000000;
                memcpy(&product[lane], &bits, sizeof bits);
            }
        }
        for (lane = 0; lane < ERRORS_WIDTH; lane++)
            out[lane] = offset - 0.5 * (((const double *)&square)[lane] + exponent[lane] * 0x1.62e42fefa39efp-1
                                        + tile_log_double(product[lane]));
    }
}

/* f with d as a constant where there are few columns */
#define ERRORS_OF_WIDTH(f, ...)                                                                                        \
    switch (d) {                                                                                                       \
    case 1: f(1, __VA_ARGS__); break;                                                                                  \
    case 2: f(2, __VA_ARGS__); break;                                                                                  \
    case 3: f(3, __VA_ARGS__); break;                                                                                  \
    case 4: f(4, __VA_ARGS__); break;                                                                                  \
    case 5: f(5, __VA_ARGS__); break;                                                                                  \
    case 6: f(6, __VA_ARGS__); break;                                                                                  \
    default: f(d, __VA_ARGS__); }

static void ERRORS_NAME(density)(const double *x, const double *s, ptrdiff_t n, ptrdiff_t d, int diagonal,
                                 const double *centre, const double *v, double offset, double *restrict out,
                                 double *restrict work)
{
    if (diagonal)
        ERRORS_NAME(density_of)(d, x, s, n, 1, centre, v, offset, out, work);
    else
        ERRORS_OF_WIDTH(ERRORS_NAME(density_of), x, s, n, 0, centre, v, offset, out, work)
}

/* sums += Σ r w and, behind them, Σ r (w wᵀ − T⁻¹), w = T⁻¹ (x − c), in one component; rows without r are left out */
TILE_LEAF void ERRORS_NAME(scores_of)(const ptrdiff_t d, const double *x, const double *s, ptrdiff_t n, int diagonal,
                                      const double *centre, const double *v, const double *r, double *restrict sums,
                                      double *restrict work)
{
    const ptrdiff_t ld = n, p = diagonal ? d : d * (d + 1) / 2;
    ERRORS_VEC few[ERRORS_FEW * (ERRORS_FEW + 7) / 2];
    ERRORS_VEC *l = d > ERRORS_FEW ? (ERRORS_VEC *)work : few, *inverse = l + d * (d + 1) / 2, *w = inverse + d;
    ERRORS_VEC *pivot = w + d, *total = (ERRORS_VEC *)work + d * (d + 1) / 2 + 3 * d;
    ptrdiff_t row, i, j, m, lane;
    for (i = 0; i < (d + p) * ERRORS_WIDTH; i++) ((double *)total)[i] = 0;
    for (row = 0; row < n; row += ERRORS_WIDTH, x += ERRORS_WIDTH, s += ERRORS_WIDTH, r += ERRORS_WIDTH) {
        const ERRORS_VEC share = *(const ERRORS_VEC *)r;
        double most = 0;
        for (lane = 0; lane < ERRORS_WIDTH; lane++) most += r[lane];
        if (most == 0) continue;
        if (diagonal) {
            for (i = 0; i < d; i++) {
                inverse[i] = 1.0 / (ERRORS_AT(s, i) + v[i]);
                w[i] = (ERRORS_AT(x, i) - centre[i]) * inverse[i];
                total[i] += share * w[i];
                total[d + i] += share * (w[i] * w[i] - inverse[i]);
            }
            continue;
        }
        ERRORS_NAME(factor)(x, s, ld, d, centre, v, l, inverse, pivot, w);
        TILE_UNROLL for (i = d - 1; i >= 0; i--) { /* w = L⁻ᵀ D⁻¹ z */
            w[i] *= inverse[i];
            TILE_UNROLL for (m = i + 1; m < d; m++) w[i] -= l[m * (m + 1) / 2 + i] * w[m];
            total[i] += share * w[i];
        }
        TILE_UNROLL for (i = 1; i < d; i++) { /* L⁻¹ in the place of L, row by row */
            ERRORS_VEC *of_row = l + i * (i + 1) / 2;
            TILE_UNROLL for (j = 0; j < i; j++) {
                ERRORS_VEC t = -of_row[j];
                TILE_UNROLL for (m = j + 1; m < i; m++) t -= of_row[m] * l[m * (m + 1) / 2 + j];
                of_row[j] = t;
            }
        }
        TILE_UNROLL for (i = 0; i < d; i++)
            TILE_UNROLL for (j = 0; j <= i; j++) {
                ERRORS_VEC t = inverse[i];
                if (j < i) t *= l[i * (i + 1) / 2 + j];
                TILE_UNROLL for (m = i + 1; m < d; m++)
                    t += l[m * (m + 1) / 2 + i] * l[m * (m + 1) / 2 + j] * inverse[m];
                total[d + i * (i + 1) / 2 + j] += share * (w[i] * w[j] - t);
            }
    }
    for (i = 0; i < d + p; i++)
        for (lane = 0; lane < ERRORS_WIDTH; lane++) sums[i] += ((const double *)(total + i))[lane];
}

static void ERRORS_NAME(scores)(const double *x, const double *s, ptrdiff_t n, ptrdiff_t d, int diagonal,
                                const double *centre, const double *v, const double *r, double *restrict sums,
                                double *restrict work)
{
    if (diagonal)
        ERRORS_NAME(scores_of)(d, x, s, n, 1, centre, v, r, sums, work);
    else
        ERRORS_OF_WIDTH(ERRORS_NAME(scores_of), x, s, n, 0, centre, v, r, sums, work)
}

/* From joint log densities (K, n) to responsibilities, 0 where they are negligible, and log evidence (n), beside noise */
static void ERRORS_NAME(normalise)(double *restrict joint, ptrdiff_t n, ptrdiff_t K, double log_noise,
                                   double *restrict evidence)
{
    enum { WIDTH = ERRORS_LANES };
    ptrdiff_t r, k, lane;
    for (r = 0; r < n; r += WIDTH) {
        double most[WIDTH], sum[WIDTH], *row;
        for (lane = 0; lane < WIDTH; lane++) most[lane] = log_noise;
        for (k = 0, row = joint + r; k < K; k++, row += n)
            for (lane = 0; lane < WIDTH; lane++) most[lane] = row[lane] > most[lane] ? row[lane] : most[lane];
        for (lane = 0; lane < WIDTH; lane++) sum[lane] = tile_exp_double(log_noise - most[lane]);
        for (k = 0, row = joint + r; k < K; k++, row += n)
            for (lane = 0; lane < WIDTH; lane++) {
                row[lane] = tile_exp_double(row[lane] - most[lane]);
                sum[lane] += row[lane];
            }
        for (lane = 0; lane < WIDTH; lane++) {
            evidence[r + lane] = most[lane] + tile_log_double(sum[lane]);
            sum[lane] = 1.0 / sum[lane];
        }
        for (k = 0, row = joint + r; k < K; k++, row += n)
            for (lane = 0; lane < WIDTH; lane++) {
                const double share = row[lane] * sum[lane];
                row[lane] = share > 1e-18 ? share : 0.0;
            }
    }
}

static const errors_functions ERRORS_NAME(table) = {ERRORS_NAME(density), ERRORS_NAME(scores), ERRORS_NAME(normalise)};

#undef ERRORS_SET
#undef ERRORS_BYTES
#undef ERRORS_AT
#undef ERRORS_OF_WIDTH
#endif
