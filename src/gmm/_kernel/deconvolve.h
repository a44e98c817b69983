/* Rows that each have an error covariance of their own: T = V_k + S_i is factored for every row and component, with rows
 * along vectors. Matrices are lower triangles row by row, or diagonals alone. Rows come in blocks of ERRORS_ROWS, whose
 * columns follow each other, so that a block stays in the first cache for all components. This file includes itself
 * once for each instruction set.
 */
#ifndef GMM_DECONVOLVE_H
#define GMM_DECONVOLVE_H

#include <stddef.h>

#include "compiler.h"
#include "exp_log.h"
#include "leaves.h"
#define ERRORS_FEW 8     /* columns, up to which their number is a constant */
#define ERRORS_FAR 1e300 /* at which squares are cut off, as in tile.h */
#define ERRORS_GLUE_VALUES(a, b) a##_##b
#define ERRORS_GLUE(a, b) ERRORS_GLUE_VALUES(a, b)
#define ERRORS_NAME(name) ERRORS_GLUE(errors_##name, ERRORS_SET)
#define ERRORS_VEC ERRORS_NAME(vec)
#define ERRORS_WIDTH (ptrdiff_t)(sizeof(ERRORS_VEC) / sizeof(double))

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
static const errors_leaves *const errors_sets[] = {&errors_table_base, &errors_table_avx2, &errors_table_avx512};
#else
static const errors_leaves *const errors_sets[] = {&errors_table_base, &errors_table_base, &errors_table_base};
#endif

#else /* --------------------------------------------------- one instruction set, included by the first half */

#define ERRORS_BITS ERRORS_NAME(bits)
#if defined(TILE_VECTORS)
typedef double ERRORS_VEC __attribute__((vector_size(ERRORS_BYTES), aligned(8), may_alias));
typedef uint64_t ERRORS_BITS __attribute__((vector_size(ERRORS_BYTES), aligned(8), may_alias));
#else
typedef double ERRORS_VEC;
typedef uint64_t ERRORS_BITS;
#endif

#define ERRORS_AT(a, column) (*(const ERRORS_VEC *)((a) + (column)*ERRORS_ROWS))
#define ERRORS_PACKED(i, j) ((i) * ((i) + 1) / 2 + (j))
#define ERRORS_EACH(i, first, last) TILE_UNROLL for (i = first; i < last; i++)

/* T = V + S of some rows as L D Lᵀ: L below the diagonal of l, 1 / D in `inverse`, D in `pivot`, and z = L⁻¹ (x − c) */
TILE_LEAF void ERRORS_NAME(factor)(const double *x, const double *s, ptrdiff_t d, const double *centre, const double *v,
                                   ERRORS_VEC *restrict l, ERRORS_VEC *restrict inverse, ERRORS_VEC *restrict pivot,
                                   ERRORS_VEC *restrict z)
{
    ptrdiff_t i, j, m;
    ERRORS_EACH(i, 0, d) {
        ERRORS_VEC *row = l + ERRORS_PACKED(i, 0), t, rest = ERRORS_AT(x, i) - centre[i];
        ERRORS_EACH(j, 0, i) { /* row[j] = L_ij D_j for now */
            const ERRORS_VEC *other = l + ERRORS_PACKED(j, 0);
            t = ERRORS_AT(s, ERRORS_PACKED(i, j)) + v[ERRORS_PACKED(i, j)];
            ERRORS_EACH(m, 0, j) t -= row[m] * other[m];
            row[j] = t;
        }
        t = ERRORS_AT(s, ERRORS_PACKED(i, i)) + v[ERRORS_PACKED(i, i)];
        ERRORS_EACH(j, 0, i) {
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

/* The product of pivots, which neither over- nor underflows: a number from 1 to 2, and the sum of the exponents */
TILE_LEAF ERRORS_VEC ERRORS_NAME(product)(ptrdiff_t d, const ERRORS_VEC *pivot, ERRORS_VEC *exponent)
{
    ERRORS_VEC product = pivot[0];
    ERRORS_BITS bits, sum = {0};
    ptrdiff_t i;
    ERRORS_EACH(i, 1, d + 1) {
        memcpy(&bits, &product, sizeof bits);
        sum += bits >> 52;
        bits = (bits & 0x000fffffffffffff) | 0x3ff0000000000000;
        memcpy(&product, &bits, sizeof product);
        if (i < d) product *= pivot[i];
    }
    sum += 0x4330000000000000;
    memcpy(exponent, &sum, sizeof sum);
    *exponent -= 0x1p52 + 1023.0 * (double)d;
    return product;
}

/* out = offset − ½ log|T| − ½ (x − c)ᵀ T⁻¹ (x − c) of a block in one component */
TILE_LEAF void ERRORS_NAME(density_of)(const ptrdiff_t d, const double *x, const double *s, int diagonal,
                                       const double *centre, const double *v, double offset, double *restrict out,
                                       double *restrict work)
{
    ERRORS_VEC few[ERRORS_FEW * (ERRORS_FEW + 7) / 2]; /* that registers may hold */
    ERRORS_VEC *l = d > ERRORS_FEW ? (ERRORS_VEC *)work : few, *inverse = l + ERRORS_PACKED(d, 0), *z = inverse + d;
    ERRORS_VEC *pivot = z + d;
    double product[ERRORS_ROWS], exponent[ERRORS_ROWS];
    ptrdiff_t r, i;
    for (r = 0; r < ERRORS_ROWS; r += ERRORS_WIDTH) {
        ERRORS_VEC square = {0};
        if (diagonal)
            for (i = 0; i < d; i++) {
                pivot[i] = ERRORS_AT(s + r, i) + v[i];
                z[i] = ERRORS_AT(x + r, i) - centre[i];
                square += z[i] * z[i] / pivot[i];
            }
        else {
            ERRORS_NAME(factor)(x + r, s + r, d, centre, v, l, inverse, pivot, z);
            ERRORS_EACH(i, 0, d) square += z[i] * z[i] * inverse[i];
        }
        *(ERRORS_VEC *)(out + r) = square;
        *(ERRORS_VEC *)(product + r) = ERRORS_NAME(product)(d, pivot, (ERRORS_VEC *)(exponent + r));
    }
    for (r = 0; r < ERRORS_ROWS; r++) {
        const double square = out[r] < ERRORS_FAR ? out[r] : ERRORS_FAR;
        out[r] = offset - 0.5 * (square + exponent[r] * 0x1.62e42fefa39efp-1 + tile_log_double(product[r]));
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
    case 7: f(7, __VA_ARGS__); break;                                                                                  \
    case 8: f(8, __VA_ARGS__); break;                                                                                  \
    default: f(d, __VA_ARGS__); }

static void ERRORS_NAME(density)(const double *x, const double *s, ptrdiff_t d, int diagonal, const double *centre,
                                 const double *v, double offset, double *restrict out, double *restrict work)
{
    if (diagonal)
        ERRORS_NAME(density_of)(d, x, s, 1, centre, v, offset, out, work);
    else
        ERRORS_OF_WIDTH(ERRORS_NAME(density_of), x, s, 0, centre, v, offset, out, work)
}

/* total += Σ r, Σ r w and Σ r (w wᵀ − T⁻¹) of a block in one component, w = T⁻¹ (x − c), vectors of lanes that
 * `collect` adds up. Vectors of rows without r are left out. */
TILE_LEAF void ERRORS_NAME(scores_of)(const ptrdiff_t d, const double *x, const double *s, int diagonal,
                                      const double *centre, const double *v, const double *r,
                                      ERRORS_VEC *restrict total, double *restrict work)
{
    ERRORS_VEC few[ERRORS_FEW * (ERRORS_FEW + 9) / 2];
    ERRORS_VEC *l = d > ERRORS_FEW ? (ERRORS_VEC *)work : few, *inverse = l + ERRORS_PACKED(d, 0), *z = inverse + d;
    ERRORS_VEC *w = z + d, *u = w + d, *first = total + 1, *second = first + d;
    ptrdiff_t row, i, j, m, lane;
    for (row = 0; row < ERRORS_ROWS; row += ERRORS_WIDTH, x += ERRORS_WIDTH, s += ERRORS_WIDTH, r += ERRORS_WIDTH) {
        const ERRORS_VEC share = *(const ERRORS_VEC *)r;
        double most = 0;
        for (lane = 0; lane < ERRORS_WIDTH; lane++) most += r[lane];
        if (most == 0) continue;
        *total += share;
        if (diagonal) {
            for (i = 0; i < d; i++) {
                inverse[i] = 1.0 / (ERRORS_AT(s, i) + v[i]);
                w[i] = (ERRORS_AT(x, i) - centre[i]) * inverse[i];
                first[i] += share * w[i];
                second[i] += share * (w[i] * w[i] - inverse[i]);
            }
            continue;
        }
        ERRORS_NAME(factor)(x, s, d, centre, v, l, inverse, w, z);
        ERRORS_EACH(i, 1, d) { /* M = L⁻¹ in the place of L, row by row */
            ERRORS_VEC *of_row = l + ERRORS_PACKED(i, 0);
            ERRORS_EACH(j, 0, i) {
                ERRORS_VEC t = -of_row[j];
                ERRORS_EACH(m, j + 1, i) t -= of_row[m] * l[ERRORS_PACKED(m, j)];
                of_row[j] = t;
            }
        }
        ERRORS_EACH(i, 0, d) z[i] *= inverse[i];
        ERRORS_EACH(i, 0, d) {
            w[i] = z[i];
            ERRORS_EACH(m, i + 1, d) w[i] += l[ERRORS_PACKED(m, i)] * z[m];
        }
        ERRORS_EACH(i, 0, d) {
            inverse[i] *= share;
            z[i] = share * w[i];
            first[i] += z[i];
        }
        ERRORS_EACH(i, 0, d) { /* T⁻¹ = Mᵀ D⁻¹ M */
            ERRORS_EACH(m, i + 1, d) u[m] = l[ERRORS_PACKED(m, i)] * inverse[m];
            ERRORS_EACH(j, 0, i + 1) {
                ERRORS_VEC t = second[ERRORS_PACKED(i, j)] + z[i] * w[j];
                ERRORS_EACH(m, i + 1, d) t -= u[m] * l[ERRORS_PACKED(m, j)];
                if (j < i)
                    t -= l[ERRORS_PACKED(i, j)] * inverse[i];
                else
                    t -= inverse[i];
                second[ERRORS_PACKED(i, j)] = t;
            }
        }
    }
}

static void ERRORS_NAME(scores)(const double *x, const double *s, ptrdiff_t d, int diagonal, const double *centre,
                                const double *v, const double *r, double *restrict total, double *restrict work)
{
    if (diagonal)
        ERRORS_NAME(scores_of)(d, x, s, 1, centre, v, r, (ERRORS_VEC *)total, work);
    else
        ERRORS_OF_WIDTH(ERRORS_NAME(scores_of), x, s, 0, centre, v, r, (ERRORS_VEC *)total, work)
}

/* sums (n) of the lanes of n vectors */
static void ERRORS_NAME(collect)(const double *total, ptrdiff_t n, double *restrict sums)
{
    ptrdiff_t i, lane;
    for (i = 0; i < n; i++)
        for (sums[i] = 0, lane = 0; lane < ERRORS_WIDTH; lane++) sums[i] += total[i * ERRORS_WIDTH + lane];
}

static const errors_leaves ERRORS_NAME(table) = {ERRORS_NAME(density), ERRORS_NAME(scores), ERRORS_NAME(collect)};

#undef ERRORS_SET
#undef ERRORS_BYTES
#undef ERRORS_BITS
#undef ERRORS_AT
#undef ERRORS_PACKED
#undef ERRORS_EACH
#undef ERRORS_OF_WIDTH
#endif
