/* Leaf arithmetic that Cython has no words for: log-sum-exp on one components x rows tile.
 *
 * The loops are plain C over rows, written so that the compiler turns them into vectors; on x86-64
 * they are compiled once for each instruction set, and `tile_level` picks one at run time. The twin in
 * Cython, for every other compiler, is `normalise_soft` in _block.pxd. Nothing here knows a mixture.
 */
#ifndef GMM_TILE_H
#define GMM_TILE_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__)
#define TILE_LEAF static inline __attribute__((always_inline))
#define TILE_RESTRICT __restrict__
#else
#define TILE_LEAF static inline
#define TILE_RESTRICT
#endif

/* Multiply and add, in one rounding where the instruction set has it: `fused` is a constant. */
#define TILE_MADD(a, b, c) (fused ? fma((a), (b), (c)) : (a) * (b) + (c))
#define TILE_MADDF(a, b, c) (fused ? fmaf((a), (b), (c)) : (a) * (b) + (c))

/* exp(x) for x <= 0, relative error below 4e-16; 0 below -708.
 * x = n log 2 + r, |r| <= log(2)/2; minimax polynomial of degree 11 (error 3e-18); times 2^n. */
TILE_LEAF double tile_exp_double(double x, const int fused)
{
    const double shift = 0x1.8p52; /* adding it leaves the nearest whole number in the low bits */
    const double clamped = x < -708.0 ? -708.0 : x;
    const double shifted = TILE_MADD(clamped, 0x1.71547652b82fep0, shift);
    const double n = shifted - shift;
    const double r = TILE_MADD(n, -0x1.ef35793c76730p-45, TILE_MADD(n, -0x1.62e42fefa3800p-1, clamped));
    double p = 0x1.ad661bba42f09p-26;
    uint64_t bits, exponent;
    p = TILE_MADD(p, r, 0x1.28b31c3ffe609p-22);
    p = TILE_MADD(p, r, 0x1.71df45343d1cap-19);
    p = TILE_MADD(p, r, 0x1.a01992c5c0808p-16);
    p = TILE_MADD(p, r, 0x1.a01a011044a25p-13);
    p = TILE_MADD(p, r, 0x1.6c16c187853c5p-10);
    p = TILE_MADD(p, r, 0x1.1111111130e33p-7);
    p = TILE_MADD(p, r, 0x1.555555554f35cp-5);
    p = TILE_MADD(p, r, 0x1.55555555554a2p-3);
    p = TILE_MADD(p, r, 0x1.0000000000010p-1);
    p = TILE_MADD(p, r, 1.0);
    p = TILE_MADD(p, r, 1.0);
    memcpy(&exponent, &shifted, sizeof exponent);
    memcpy(&bits, &p, sizeof bits);
    bits += exponent << 52;
    memcpy(&p, &bits, sizeof p);
    return x < -708.0 ? 0.0 : p;
}

/* The same in float32: degree 6 (error 2e-9), 0 below -87. */
TILE_LEAF float tile_exp_float(float x, const int fused)
{
    const float shift = 0x1.8p23f;
    const float clamped = x < -87.0f ? -87.0f : x;
    const float shifted = TILE_MADDF(clamped, 0x1.715476p0f, shift);
    const float n = shifted - shift;
    const float r = TILE_MADDF(n, 2.12194440e-4f, TILE_MADDF(n, -0.693359375f, clamped));
    float p = 0.0013836835744798386f;
    uint32_t bits, exponent;
    p = TILE_MADDF(p, r, 0.008374824030662809f);
    p = TILE_MADDF(p, r, 0.04166822618847284f);
    p = TILE_MADDF(p, r, 0.1666642007244514f);
    p = TILE_MADDF(p, r, 0.49999992075100985f);
    p = TILE_MADDF(p, r, 1.0000000363446397f);
    p = TILE_MADDF(p, r, 1.0000000005546064f);
    memcpy(&exponent, &shifted, sizeof exponent);
    memcpy(&bits, &p, sizeof bits);
    bits += exponent << 23;
    memcpy(&p, &bits, sizeof p);
    return x < -87.0f ? 0.0f : p;
}

/* log(x) for normal x > 0: x = 2^e m, m in [sqrt 1/2, sqrt 2); 2 atanh((m - 1)/(m + 1)) as a series
 * (the coefficients of FreeBSD's e_log.c, by Sun Microsystems, error below 1 ulp). */
TILE_LEAF double tile_log_double(double x, const int fused)
{
    uint64_t bits, exponent;
    double m, e, f, s, z, series;
    memcpy(&bits, &x, sizeof bits);
    bits -= 0x3fe6a09e667f3bcd; /* sqrt(1/2) */
    /* No conversion from 64-bit integers before AVX-512: the exponent goes in by its bits. */
    exponent = (((bits >> 52) + 2048) & 4095) | 0x4330000000000000;
    memcpy(&e, &exponent, sizeof e);
    e -= 0x1p52 + 2048;
    bits = (bits & 0x000fffffffffffff) + 0x3fe6a09e667f3bcd;
    memcpy(&m, &bits, sizeof m);
    f = m - 1.0;
    s = f / (2.0 + f);
    z = s * s;
    series = 1.479819860511658591e-01;
    series = TILE_MADD(series, z, 1.531383769920937332e-01);
    series = TILE_MADD(series, z, 1.818357216161805012e-01);
    series = TILE_MADD(series, z, 2.222219843214978396e-01);
    series = TILE_MADD(series, z, 2.857142874366239149e-01);
    series = TILE_MADD(series, z, 3.999999999940941908e-01);
    series = TILE_MADD(series, z, 6.666666666666735130e-01);
    /* log m = f - f^2/2 + s (f^2/2 + z series) */
    m = 0.5 * f * f;
    return TILE_MADD(e, 6.93147180369123816490e-01,
                     f - (m - (s * (m + z * series) + e * 1.90821492927058770002e-10)));
}

TILE_LEAF float tile_log_float(float x, const int fused)
{
    return (float)tile_log_double((double)x, fused);
}

/* log rho in, responsibilities out, for rows 0 ... n - 1 of each of K components `ld` apart, in strips
 * of rows that stay in the first cache; log_evidence (n) out; total (n) is scratch. */
#define TILE_DEFINE(real)                                                                              \
    TILE_LEAF void tile_normalise_##real(real *TILE_RESTRICT tile, ptrdiff_t K, ptrdiff_t n,           \
                                         ptrdiff_t ld, real *TILE_RESTRICT log_evidence,               \
                                         real *TILE_RESTRICT total, const int fused)                   \
    {                                                                                                  \
        ptrdiff_t start, k, r;                                                                         \
        for (start = 0; start < n; start += 64) {                                                      \
            const ptrdiff_t rows = n - start < 64 ? n - start : 64;                                    \
            real *TILE_RESTRICT peak = log_evidence + start, *TILE_RESTRICT sum = total + start;       \
            real *TILE_RESTRICT row = tile + start;                                                    \
            for (r = 0; r < rows; r++) {                                                               \
                peak[r] = row[r];                                                                      \
                sum[r] = 0;                                                                            \
            }                                                                                          \
            for (k = 1; k < K; k++)                                                                    \
                for (row = tile + k * ld + start, r = 0; r < rows; r++)                                \
                    peak[r] = row[r] > peak[r] ? row[r] : peak[r];                                     \
            for (k = 0; k < K; k++)                                                                    \
                for (row = tile + k * ld + start, r = 0; r < rows; r++) {                              \
                    row[r] = tile_exp_##real(row[r] - peak[r], fused);                                 \
                    sum[r] += row[r];                                                                  \
                }                                                                                      \
            for (r = 0; r < rows; r++) {                                                               \
                peak[r] += tile_log_##real(sum[r], fused);                                             \
                sum[r] = 1 / sum[r];                                                                   \
            }                                                                                          \
            for (k = 0; k < K; k++)                                                                    \
                for (row = tile + k * ld + start, r = 0; r < rows; r++)                                \
                    row[r] *= sum[r];                                                                  \
        }                                                                                              \
    }

TILE_DEFINE(double)
TILE_DEFINE(float)

#define TILE_VARIANT(real, set, attribute, fused)                                                      \
    attribute static void tile_normalise_##real##_##set(real *tile, ptrdiff_t K, ptrdiff_t n,          \
                                                        ptrdiff_t ld, real *log_evidence, real *total) \
    {                                                                                                  \
        tile_normalise_##real(tile, K, n, ld, log_evidence, total, fused);                             \
    }

#if defined(__aarch64__)
#define TILE_BASE_FUSED 1
#else
#define TILE_BASE_FUSED 0
#endif

TILE_VARIANT(double, base, , TILE_BASE_FUSED)
TILE_VARIANT(float, base, , TILE_BASE_FUSED)

#if defined(__GNUC__) && defined(__x86_64__)
#define TILE_AVX2 __attribute__((target("avx2,fma")))
#if defined(__clang__)
#define TILE_AVX512 __attribute__((target("avx512f,avx512dq,avx512vl,fma")))
#else
#define TILE_AVX512 __attribute__((target("avx512f,avx512dq,avx512vl,fma,prefer-vector-width=512")))
#endif
TILE_VARIANT(double, avx2, TILE_AVX2, 1)
TILE_VARIANT(float, avx2, TILE_AVX2, 1)
TILE_VARIANT(double, avx512, TILE_AVX512, 1)
TILE_VARIANT(float, avx512, TILE_AVX512, 1)

static int tile_best(void)
{
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        return 2;
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? 1 : 0;
}

static const char *const tile_names[] = {"base", "avx2", "avx512"};
#else
static int tile_best(void) { return 0; }
static const char *const tile_names[] = {"base"};
#endif

static int tile_level = 0;

#if defined(__GNUC__) && defined(__x86_64__)
#define TILE_CHOOSE(real)                                                                              \
    if (tile_level == 2) {                                                                             \
        tile_normalise_##real##_avx512(tile, K, n, ld, log_evidence, total);                           \
        return;                                                                                        \
    }                                                                                                  \
    if (tile_level == 1) {                                                                             \
        tile_normalise_##real##_avx2(tile, K, n, ld, log_evidence, total);                             \
        return;                                                                                        \
    }
#else
#define TILE_CHOOSE(real)
#endif

static void tile_log_sum_exp_double(double *tile, ptrdiff_t K, ptrdiff_t n, ptrdiff_t ld,
                                    double *log_evidence, double *total)
{
    TILE_CHOOSE(double)
    tile_normalise_double_base(tile, K, n, ld, log_evidence, total);
}

static void tile_log_sum_exp_float(float *tile, ptrdiff_t K, ptrdiff_t n, ptrdiff_t ld,
                                   float *log_evidence, float *total)
{
    TILE_CHOOSE(float)
    tile_normalise_float_base(tile, K, n, ld, log_evidence, total);
}

#endif
