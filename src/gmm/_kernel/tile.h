/* Leaf arithmetic that Cython cannot express: products with register tiles, and log-sum-exp.
 * Everything is feature by feature or component by component, rows along vectors: `ld` items lie between two of either,
 * and the number of rows is a multiple of TILE_PAD / sizeof(real), so no loop has a remainder along them. This file
 * includes itself once for each instruction set and type; a kernel is a table of its functions (leaves.h).
 * The twin in Cython and BLAS is twin.pxd. Nothing here depends on a mixture.
 */
#ifndef GMM_TILE_H
#define GMM_TILE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "compiler.h"
#include "exp_log.h"
#include "leaves.h"
#define TILE_HEIGHT 6 /* components, or features, that one register tile holds */
/* f with the height as a constant, so that the compiler holds its sums in registers */
#define TILE_OF_HEIGHT(h, f, ...)                                                                                      \
    switch (h) {                                                                                                       \
    case 1: f(1, __VA_ARGS__); break;                                                                                   \
    case 2: f(2, __VA_ARGS__); break;                                                                                  \
    case 3: f(3, __VA_ARGS__); break;                                                                                  \
    case 4: f(4, __VA_ARGS__); break;                                                                                  \
    case 5: f(5, __VA_ARGS__); break;                                                                                  \
    default: f(6, __VA_ARGS__); }
#define TILE_OF_EVEN_HEIGHT(h, f, ...)                                                                                 \
    switch (h) {                                                                                                       \
    case 2: f(2, __VA_ARGS__); break;                                                                                  \
    case 4: f(4, __VA_ARGS__); break;                                                                                  \
    case 6: f(6, __VA_ARGS__); break;                                                                                  \
    default: f(TILE_TALL, __VA_ARGS__); }

#define TILE_GLUE_VALUES(a, b) a##_##b
#define TILE_GLUE(a, b) TILE_GLUE_VALUES(a, b)
#define TILE_NAME(name) TILE_GLUE(TILE_GLUE(tile_##name, TILE_REAL), TILE_SET)
#define TILE_LANES (TILE_BYTES / (int)sizeof(TILE_REAL))
#define TILE_STRIP (TILE_PAD / (int)sizeof(TILE_REAL))
#define TILE_VEC TILE_NAME(vec)
#define TILE_WIDTH (TILE_BYTES == 64 ? 4 : 2) /* vectors, for as many registers as there are */
#define TILE_TALL (TILE_BYTES == 64 ? 8 : 6)  /* features, and vectors of them, in a tile of outer products */
#define TILE_BROAD (TILE_BYTES == 64 ? 3 : 2)
#define TILE_MOST_STRIPS (sizeof(TILE_REAL) == sizeof(float) ? 8 : 64) /* that are summed in their own type */
#define TILE_FAR ((TILE_REAL)(sizeof(TILE_REAL) == sizeof(float) ? 1e37 : 1e300)) /* at which squares are cut off */

#if defined(TILE_VECTORS)
#define TILE_SET base
#define TILE_BYTES 16
#include "tile.h"
#if defined(__x86_64__)
#include <cpuid.h>
TILE_BEGIN("avx2,fma")
#define TILE_SET avx2
#define TILE_BYTES 32
#include "tile.h"
TILE_END
TILE_BEGIN(TILE_AVX512)
#define TILE_SET avx512
#define TILE_BYTES 64
#include "tile.h"
TILE_END
/* The best set that the processor has and whose registers the system saves. By the instruction itself:
 * __builtin_cpu_supports needs a library of the compiler's that clang-cl does not link. */
static int tile_best(void)
{
    const unsigned fma_xsave_avx = 1u << 12 | 1u << 27 | 1u << 28, avx2 = 1u << 5;
    const unsigned avx512_f_dq_vl = 1u << 16 | 1u << 17 | 1u << 31;
    unsigned a, b, c, d, saved, high;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & fma_xsave_avx) != fma_xsave_avx) return 0;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & avx2)) return 0;
    __asm__ volatile("xgetbv" : "=a"(saved), "=d"(high) : "c"(0));
    if ((saved & 0x06) != 0x06) return 0; /* xmm, ymm */
#if defined(__APPLE__)
    saved |= 0xe0; /* macOS saves zmm from their first use on, and reports so only then */
#endif
    return (b & avx512_f_dq_vl) == avx512_f_dq_vl && (saved & 0xe0) == 0xe0 ? 2 : 1;
}
#define TILE_TABLE(real) &tile_leaves_##real##_base, &tile_leaves_##real##_avx2, &tile_leaves_##real##_avx512
#else
static int tile_best(void) { return 0; }
#define TILE_TABLE(real) &tile_leaves_##real##_base
#endif
#else /* the twin does it all */
static int tile_best(void) { return -1; }
#define TILE_TABLE(real) NULL
#endif
static const char *const tile_names[] = {"base", "avx2", "avx512"};
static const tile_leaves_double *const tile_double[] = {TILE_TABLE(double)};
static const tile_leaves_float *const tile_float[] = {TILE_TABLE(float)};

#elif !defined(TILE_REAL) /* ------------------------------- one instruction set, included by the first half */

#define TILE_REAL double
#define TILE_INT int64_t
#include "tile.h"
#define TILE_REAL float
#define TILE_INT int32_t
#include "tile.h"
#undef TILE_SET
#undef TILE_BYTES

#else /* --------------------------------------------------- one type, included by the second half */

typedef TILE_REAL TILE_VEC __attribute__((vector_size(TILE_BYTES), may_alias));
typedef TILE_INT TILE_NAME(mask) __attribute__((vector_size(TILE_BYTES)));

/* Products of `h` rows of a with b, four or two vectors of rows at a time: stored in c, or their squares added to it,
 * where column k of a is the diagonal of its first row. */
TILE_LEAF void TILE_NAME(panel)(const int h, const int square, const TILE_REAL *restrict a, ptrdiff_t lda,
                                const TILE_REAL *restrict b, ptrdiff_t ldb, TILE_REAL *restrict c,
                                ptrdiff_t ldc, ptrdiff_t n, ptrdiff_t k)
{
    ptrdiff_t r, p;
    int i, v, first;
    for (r = 0; r < n; r += TILE_WIDTH * TILE_LANES) {
        TILE_VEC acc[TILE_HEIGHT][TILE_WIDTH], x[TILE_WIDTH];
        TILE_UNROLL for (i = 0; i < h; i++)
            TILE_UNROLL for (v = 0; v < TILE_WIDTH; v++) acc[i][v] = (TILE_VEC){0};
        for (p = 0; p < k; p++) {
            TILE_UNROLL for (v = 0; v < TILE_WIDTH; v++) x[v] = *(const TILE_VEC *)(b + p * ldb + r + v * TILE_LANES);
            TILE_UNROLL for (i = 0; i < h; i++) {
                const TILE_REAL s = a[i * lda + p];
                TILE_UNROLL for (v = 0; v < TILE_WIDTH; v++) acc[i][v] += x[v] * s;
            }
        }
        if (square) TILE_UNROLL for (first = 0; first < h; first++) {
            p = k + first;
            TILE_UNROLL for (v = 0; v < TILE_WIDTH; v++) x[v] = *(const TILE_VEC *)(b + p * ldb + r + v * TILE_LANES);
            TILE_UNROLL for (i = first; i < h; i++) {
                const TILE_REAL s = a[i * lda + p];
                TILE_UNROLL for (v = 0; v < TILE_WIDTH; v++) acc[i][v] += x[v] * s;
            }
        }
        TILE_UNROLL for (v = 0; v < TILE_WIDTH; v++) {
            if (square) {
                TILE_VEC *sum = (TILE_VEC *)(c + r + v * TILE_LANES);
                TILE_VEC total = *sum;
                TILE_UNROLL for (i = 0; i < h; i++) {
                    TILE_VEC squared = acc[i][v] * acc[i][v];
                    TILE_ROUND(squared);
                    total += squared;
                }
                *sum = total;
            } else
                TILE_UNROLL for (i = 0; i < h; i++) *(TILE_VEC *)(c + i * ldc + r + v * TILE_LANES) = acc[i][v];
        }
    }
}

/* c (m, n) = a (m, k) b (k, n) */
static void TILE_NAME(multiply)(const TILE_REAL *a, ptrdiff_t lda, const TILE_REAL *b, ptrdiff_t ldb, TILE_REAL *c,
                                ptrdiff_t ldc, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k)
{
    ptrdiff_t i, h, left = (m + TILE_HEIGHT - 1) / TILE_HEIGHT;
    for (i = 0; i < m; i += h, left--) {
        h = (m - i + left - 1) / left;
        TILE_OF_HEIGHT(h, TILE_NAME(panel), 0, a + i * lda, lda, b, ldb, c + i * ldc, ldc, n, k)
    }
}

/* out (n) = offset - out / 2; rows too far for their square tie instead of turning into inf - inf */
TILE_LEAF void TILE_NAME(density)(double offset, TILE_REAL *out, ptrdiff_t n)
{
    for (ptrdiff_t r = 0; r < n; r++) out[r] = (TILE_REAL)offset - (out[r] < TILE_FAR ? out[r] : TILE_FAR) / 2;
}

/* out (n) = offset - |w (x - c)|^2 / 2, w (d, d) lower triangular, no c: zero; a strip z stays in the first cache */
static void TILE_NAME(triangular)(const TILE_REAL *w, const TILE_REAL *x, ptrdiff_t ld, const TILE_REAL *c,
                                  double offset, TILE_REAL *restrict z, TILE_REAL *restrict out, ptrdiff_t d,
                                  ptrdiff_t n)
{
    ptrdiff_t i, h, left, start;
    int r;
    memset(out, 0, n * sizeof *out);
    for (start = 0; start < n; start += TILE_STRIP) {
        for (i = 0; i < d; i++)
            for (r = 0; r < TILE_STRIP; r++) z[i * TILE_STRIP + r] = x[i * ld + start + r] - (c ? c[i] : 0);
        for (i = 0, left = (d + TILE_HEIGHT - 1) / TILE_HEIGHT; i < d; i += h, left--) {
            h = (d - i + left - 1) / left;
            TILE_OF_HEIGHT(h, TILE_NAME(panel), 1, w + i * d, d, z, TILE_STRIP, out + start, 0, TILE_STRIP, i)
        }
    }
    TILE_NAME(density)(offset, out, n);
}

/* c (h, w vectors) += outer products of n rows, ld items apart: h items from a on, w vectors from b on */
TILE_LEAF void TILE_NAME(outer)(const int h, const int w, const TILE_REAL *restrict a, const TILE_REAL *restrict b,
                                ptrdiff_t ld, TILE_REAL *restrict c, ptrdiff_t n)
{
    TILE_VEC acc[TILE_TALL][TILE_BROAD], x[TILE_BROAD];
    ptrdiff_t r;
    int i, v;
    TILE_UNROLL for (i = 0; i < h; i++)
        TILE_UNROLL for (v = 0; v < w; v++) acc[i][v] = *(const TILE_VEC *)(c + i * ld + v * TILE_LANES);
    for (r = 0; r < n; r++, a += ld, b += ld) {
        TILE_UNROLL for (v = 0; v < w; v++) x[v] = *(const TILE_VEC *)(b + v * TILE_LANES);
        TILE_UNROLL for (i = 0; i < h; i++) {
            const TILE_REAL s = a[i];
            TILE_UNROLL for (v = 0; v < w; v++) acc[i][v] += x[v] * s;
        }
    }
    TILE_UNROLL for (i = 0; i < h; i++)
        TILE_UNROLL for (v = 0; v < w; v++) *(TILE_VEC *)(c + i * ld + v * TILE_LANES) = acc[i][v];
}

/* The same for `TILE_STRIP` rows, h even */
static void TILE_NAME(outer_of_height)(ptrdiff_t h, ptrdiff_t w, const TILE_REAL *a, const TILE_REAL *b, ptrdiff_t ld,
                                       TILE_REAL *c)
{
    if (w == 1)
        TILE_OF_EVEN_HEIGHT(h, TILE_NAME(outer), 1, a, b, ld, c, TILE_STRIP)
    else if (TILE_BROAD == 2 || w == 2)
        TILE_OF_EVEN_HEIGHT(h, TILE_NAME(outer), 2, a, b, ld, c, TILE_STRIP)
    else
        TILE_OF_EVEN_HEIGHT(h, TILE_NAME(outer), TILE_BROAD, a, b, ld, c, TILE_STRIP)
}

/* row (1 + d) += sums of mass [1, z], second (d, d) += those of mass z z', its lower triangle, z = x - c. Rows x
 * (n, ld) and what is made of them lie row by row, zero from column d on; workspace (TILE_STRIP + d + 3, ld): the
 * centre; of a strip y = sqrt(mass) [z, 1]; sums of y y'. */
static void TILE_NAME(add_scatter)(const TILE_REAL *restrict x, ptrdiff_t ld, const TILE_REAL *c,
                                   const TILE_REAL *mass, TILE_REAL *restrict workspace, double *row, double *second,
                                   ptrdiff_t d, ptrdiff_t n)
{
    TILE_REAL *centre = workspace, *restrict y = workspace + ld, *sums = y + TILE_STRIP * ld, root[TILE_STRIP];
    TILE_VEC count = {0};
    ptrdiff_t start, i, j, h, w, r;
    memset(centre, 0, ld * sizeof *centre);
    memset(sums, 0, (d + 2) * ld * sizeof *sums);
    memcpy(centre, c, d * sizeof *c);
    centre[d] = -1;
    for (start = 0; start < n; start += TILE_STRIP, x += TILE_STRIP * ld) {
        for (r = 0; r < TILE_STRIP; r++) root[r] = TILE_GLUE(tile_sqrt, TILE_REAL)(mass[start + r]);
        for (r = 0; r < TILE_STRIP; r += TILE_LANES) count += *(const TILE_VEC *)(mass + start + r);
        for (r = 0; r < TILE_STRIP; r++)
            for (j = 0; j <= d; j += TILE_LANES)
                *(TILE_VEC *)(y + r * ld + j) =
                    (*(const TILE_VEC *)(x + r * ld + j) - *(const TILE_VEC *)(centre + j)) * root[r];
        for (j = 0; j <= d; j += TILE_BROAD * TILE_LANES)
            for (i = j; i <= d; i += h) {
                h = d - i < TILE_TALL ? (d - i) / 2 * 2 + 2 : TILE_TALL; /* one row too many where d is even */
                w = (i + h - j + TILE_LANES - 1) / TILE_LANES;
                w = w < TILE_BROAD ? w : TILE_BROAD;
                TILE_NAME(outer_of_height)(h, w, y + i, y + j, ld, sums + i * ld + j);
            }
        if ((start / TILE_STRIP + 1) % TILE_MOST_STRIPS && start + TILE_STRIP < n) continue;
        for (i = 0; i <= d; i++) {
            double *out = i < d ? second + i * d : row + 1;
            for (j = 0; j <= i && j < d; j++) out[j] += sums[i * ld + j];
        }
        memset(sums, 0, (d + 1) * ld * sizeof *sums);
    }
    for (r = 0; r < TILE_LANES; r++) row[0] += count[r];
}

/* out (n) = offset - |w (x - c)|^2 / 2, w (d) a diagonal, or one number where the stride is 0 */
static void TILE_NAME(diagonal)(const TILE_REAL *w, ptrdiff_t stride, const TILE_REAL *restrict x, ptrdiff_t ld,
                                const TILE_REAL *c, double offset, TILE_REAL *restrict out, ptrdiff_t d, ptrdiff_t n)
{
    ptrdiff_t j, r;
    int v;
    for (r = 0; r < n; r += TILE_WIDTH * TILE_LANES) {
        TILE_VEC acc[TILE_WIDTH];
        TILE_UNROLL for (v = 0; v < TILE_WIDTH; v++) acc[v] = (TILE_VEC){0};
        for (j = 0; j < d; j++) TILE_UNROLL for (v = 0; v < TILE_WIDTH; v++) {
            const TILE_VEC y = (*(const TILE_VEC *)(x + j * ld + r + v * TILE_LANES) - c[j]) * w[j * stride];
            acc[v] += y * y;
        }
        TILE_UNROLL for (v = 0; v < TILE_WIDTH; v++) *(TILE_VEC *)(out + r + v * TILE_LANES) = acc[v];
    }
    TILE_NAME(density)(offset, out, n);
}

/* Sums of `h` features: of mass z, and of mass z z into as many numbers, or into one where the stride is 0 */
TILE_LEAF void TILE_NAME(axis_sums)(const int h, const TILE_REAL *restrict x, ptrdiff_t ld, const TILE_REAL *c,
                                    const TILE_REAL *restrict mass, double *first, double *second, ptrdiff_t stride,
                                    ptrdiff_t n)
{
    TILE_VEC one[TILE_HEIGHT], two[TILE_HEIGHT];
    ptrdiff_t r;
    int i, lane;
    TILE_UNROLL for (i = 0; i < h; i++) one[i] = two[i] = (TILE_VEC){0};
    for (r = 0; r < n; r += TILE_LANES) {
        const TILE_VEC m = *(const TILE_VEC *)(mass + r);
        TILE_UNROLL for (i = 0; i < h; i++) {
            const TILE_VEC z = *(const TILE_VEC *)(x + i * ld + r) - c[i], y = m * z;
            one[i] += y;
            two[i] += y * z;
        }
    }
    TILE_UNROLL for (i = 0; i < h; i++)
        for (lane = 0; lane < TILE_LANES; lane++) first[i] += one[i][lane], second[i * stride] += two[i][lane];
}

/* first (d) += sums of mass z, second += those of mass z z, z = x - c (d, n) */
static void TILE_NAME(add_axis_moments)(const TILE_REAL *x, ptrdiff_t ld, const TILE_REAL *c, const TILE_REAL *mass,
                                        double *first, double *second, ptrdiff_t stride, ptrdiff_t d, ptrdiff_t n)
{
    ptrdiff_t i, h, left = (d + TILE_HEIGHT - 1) / TILE_HEIGHT;
    for (i = 0; i < d; i += h, left--) {
        h = (d - i + left - 1) / left;
        TILE_OF_HEIGHT(h, TILE_NAME(axis_sums), x + i * ld, ld, c + i, mass, first + i, second + i * stride, stride, n)
    }
}

/* out = x - c */
static void TILE_NAME(subtract)(const TILE_REAL *restrict x, TILE_REAL c, TILE_REAL *restrict out, ptrdiff_t n)
{
    for (ptrdiff_t r = 0; r < n; r++) out[r] = x[r] - c;
}

/* out = x y */
static void TILE_NAME(times)(const TILE_REAL *x, const TILE_REAL *y, TILE_REAL *restrict out, ptrdiff_t n)
{
    for (ptrdiff_t r = 0; r < n; r++) out[r] = x[r] * y[r];
}

/* Neighbouring groups of `step` lanes added, those of a and b taking turns: LANES vectors so folded, two by two and
 * by steps of 1, 2, 4 ..., leave one vector with the total of each. */
TILE_LEAF TILE_VEC TILE_NAME(fold)(TILE_VEC a, TILE_VEC b, const int step)
{
    TILE_NAME(mask) low, high;
    int i;
    TILE_UNROLL for (i = 0; i < TILE_LANES; i++) {
        low[i] = i / (2 * step) * 2 * step + i % step + (i % (2 * step) < step ? 0 : TILE_LANES);
        high[i] = low[i] + step;
    }
#if defined(__clang__)
    TILE_VEC sum;
    TILE_UNROLL for (i = 0; i < TILE_LANES; i++)
        sum[i] = low[i] < TILE_LANES ? a[low[i]] + a[high[i]] : b[low[i] - TILE_LANES] + b[high[i] - TILE_LANES];
    return sum;
#else
    return __builtin_shuffle(a, b, low) + __builtin_shuffle(a, b, high);
#endif
}

/* The totals of `count` vectors, in whole vectors */
TILE_LEAF void TILE_NAME(fold_all)(const int count, const TILE_VEC *acc, TILE_REAL *out)
{
    int i, first, step;
    TILE_UNROLL for (first = 0; first < count; first += TILE_LANES) {
        TILE_VEC part[TILE_LANES];
        TILE_UNROLL for (i = 0; i < TILE_LANES; i++) part[i] = first + i < count ? acc[first + i] : (TILE_VEC){0};
        TILE_UNROLL for (step = 1; step < TILE_LANES; step *= 2)
            TILE_UNROLL for (i = 0; i < TILE_LANES; i += 2 * step)
                part[i] = TILE_NAME(fold)(part[i], part[i + step], step);
        *(TILE_VEC *)(out + first) = part[0];
    }
}

/* c (h, w) += inner products of h rows of a, as many as vectors in `panel`, with w of b */
TILE_LEAF void TILE_NAME(dots)(const int w, const int h, const TILE_REAL *restrict a, ptrdiff_t lda,
                               const TILE_REAL *restrict b, ptrdiff_t ldb, double *restrict c, ptrdiff_t ldc,
                               ptrdiff_t n)
{
    TILE_VEC acc[TILE_WIDTH * TILE_HEIGHT], x[TILE_WIDTH];
    TILE_REAL total[TILE_WIDTH * TILE_HEIGHT + TILE_LANES] __attribute__((aligned(64)));
    ptrdiff_t r;
    int i, j;
    TILE_UNROLL for (i = 0; i < h * w; i++) acc[i] = (TILE_VEC){0};
    for (r = 0; r < n; r += TILE_LANES) {
        TILE_UNROLL for (i = 0; i < h; i++) x[i] = *(const TILE_VEC *)(a + i * lda + r);
        TILE_UNROLL for (j = 0; j < w; j++) {
            const TILE_VEC y = *(const TILE_VEC *)(b + j * ldb + r);
            TILE_UNROLL for (i = 0; i < h; i++) acc[i * w + j] += x[i] * y;
        }
    }
    TILE_NAME(fold_all)(h * w, acc, total);
    TILE_UNROLL for (i = 0; i < h * w; i++) c[i / w * ldc + i % w] += total[i];
}

/* c (m, k) += a (m, n) b (k, n)^T */
static void TILE_NAME(add_products)(const TILE_REAL *a, ptrdiff_t lda, const TILE_REAL *b, ptrdiff_t ldb, double *c,
                                    ptrdiff_t ldc, ptrdiff_t m, ptrdiff_t k, ptrdiff_t n)
{
    ptrdiff_t i, j, h, w, up = (m + TILE_WIDTH - 1) / TILE_WIDTH, left;
    const TILE_REAL *x, *y;
    double *z;
    for (i = 0; i < m; i += h, up--) {
        h = (m - i + up - 1) / up;
        left = (k + TILE_HEIGHT - 1) / TILE_HEIGHT;
        for (j = 0; j < k; j += w, left--) {
            w = (k - j + left - 1) / left;
            x = a + i * lda, y = b + j * ldb, z = c + i * ldc + j;
            if (h == 1)
                TILE_OF_HEIGHT(w, TILE_NAME(dots), 1, x, lda, y, ldb, z, ldc, n)
            else if (h == 2)
                TILE_OF_HEIGHT(w, TILE_NAME(dots), 2, x, lda, y, ldb, z, ldc, n)
#if TILE_BYTES == 64
            else if (h == 3)
                TILE_OF_HEIGHT(w, TILE_NAME(dots), 3, x, lda, y, ldb, z, ldc, n)
            else
                TILE_OF_HEIGHT(w, TILE_NAME(dots), 4, x, lda, y, ldb, z, ldc, n)
#endif
        }
    }
}

/* The largest log rho of each row and its component, the first of equals. */
static void TILE_NAME(choose)(const TILE_REAL *restrict tile, ptrdiff_t K, ptrdiff_t n, ptrdiff_t ld,
                              TILE_REAL *restrict peak, TILE_REAL *restrict best)
{
    for (ptrdiff_t start = 0; start < n; start += TILE_STRIP, peak += TILE_STRIP, best += TILE_STRIP) {
        const TILE_REAL *restrict row = tile + start;
        memcpy(peak, row, TILE_STRIP * sizeof *peak);
        memset(best, 0, TILE_STRIP * sizeof *best);
        for (ptrdiff_t k = 1; k < K; k++)
            for (int r = (row += ld, 0); r < TILE_STRIP; r++) {
                best[r] = row[r] > peak[r] ? (TILE_REAL)k : best[r];
                peak[r] = row[r] > peak[r] ? row[r] : peak[r];
            }
    }
}

/* log rho in, mass times responsibilities out; log_evidence (n) out, log sum of rho, unless it is NULL */
static void TILE_NAME(normalise)(TILE_REAL *restrict tile, ptrdiff_t K, ptrdiff_t n, ptrdiff_t ld,
                                 const TILE_REAL *restrict mass, TILE_REAL *restrict log_evidence)
{
    ptrdiff_t start, k;
    int r;
    for (start = 0; start < n; start += TILE_STRIP) {
        TILE_REAL peak[TILE_STRIP], sum[TILE_STRIP] = {0}, *restrict row = tile + start;
        memcpy(peak, row, sizeof peak);
        for (k = 1; k < K; k++)
            for (row += ld, r = 0; r < TILE_STRIP; r++) peak[r] = row[r] > peak[r] ? row[r] : peak[r];
        for (k = 0, row = tile + start; k < K; k++, row += ld)
            for (r = 0; r < TILE_STRIP; r++) {
                row[r] = TILE_GLUE(tile_exp, TILE_REAL)(row[r] - peak[r]);
                sum[r] += row[r];
            }
        if (log_evidence)
            for (r = 0; r < TILE_STRIP; r++)
                log_evidence[start + r] = peak[r] + TILE_GLUE(tile_log, TILE_REAL)(sum[r]);
        for (r = 0; r < TILE_STRIP; r++) sum[r] = mass[start + r] / sum[r];
        for (k = 0, row = tile + start; k < K; k++, row += ld)
            for (r = 0; r < TILE_STRIP; r++) row[r] *= sum[r];
    }
}

#include "entropies.h"
#include "tails.h"
#include "low_rank.h"
#include "quadratic.h"
#include "few_rows.h"

static const TILE_GLUE(tile_leaves, TILE_REAL) TILE_NAME(leaves) = {
    TILE_NAME(multiply),     TILE_NAME(add_products),     TILE_NAME(quadratic),     TILE_NAME(add_quadratic),
    TILE_NAME(triangular),   TILE_NAME(add_scatter),      TILE_NAME(diagonal),      TILE_NAME(add_axis_moments),
    TILE_NAME(subtract),     TILE_NAME(times),            TILE_NAME(choose),        TILE_NAME(normalise),
    TILE_NAME(entropies),
    TILE_NAME(heavy_tails),  TILE_NAME(weigh_by_precision), TILE_NAME(share_by_powers),
    TILE_NAME(low_rank),
    TILE_NAME(few_multiply), TILE_NAME(few_quadratic),    TILE_NAME(few_triangular), TILE_NAME(few_diagonal)};

#undef TILE_REAL
#undef TILE_INT
#endif
