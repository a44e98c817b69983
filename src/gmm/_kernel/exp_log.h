/* exp and log without branches, so that compilers turn loops over them into vectors; in every set the same bits. */
#ifndef GMM_EXP_LOG_H
#define GMM_EXP_LOG_H

#include <stdint.h>
#include <string.h>

#include "compiler.h"

/* exp(x) for x <= 0, relative error below 4e-16; 0 below -708.
 * x = n log 2 + r, |r| <= log(2)/2; minimax polynomial of degree 11 (error 3e-18); times 2^n. */
TILE_LEAF double tile_exp_double(double x)
{
    const double shift = 0x1.8p52; /* adding it leaves the nearest whole number in the low bits */
    const double clamped = x < -708.0 ? -708.0 : x;
    const double shifted = clamped * 0x1.71547652b82fep0 + shift, n = shifted - shift;
    const double r = n * -0x1.ef35793c76730p-45 + (n * -0x1.62e42fefa3800p-1 + clamped);
    double p = 0x1.ad661bba42f09p-26;
    uint64_t bits, exponent;
    p = (p * r + 0x1.28b31c3ffe609p-22) * r + 0x1.71df45343d1cap-19;
    p = (p * r + 0x1.a01992c5c0808p-16) * r + 0x1.a01a011044a25p-13;
    p = (p * r + 0x1.6c16c187853c5p-10) * r + 0x1.1111111130e33p-7;
    p = (p * r + 0x1.555555554f35cp-5) * r + 0x1.55555555554a2p-3;
    p = (p * r + 0x1.0000000000010p-1) * r + 1.0;
    p = p * r + 1.0;
    memcpy(&exponent, &shifted, sizeof exponent);
    memcpy(&bits, &p, sizeof bits), bits += exponent << 52;
    memcpy(&p, &bits, sizeof p);
    return x < -708.0 ? 0.0 : p;
}

/* The same in float32: degree 6 (error 2e-9), 0 below -87. */
TILE_LEAF float tile_exp_float(float x)
{
    const float shift = 0x1.8p23f, clamped = x < -87.0f ? -87.0f : x;
    const float shifted = clamped * 0x1.715476p0f + shift, n = shifted - shift;
    const float r = n * 2.12194440e-4f + (n * -0.693359375f + clamped);
    float p = 0.0013836835744798386f;
    uint32_t bits, exponent;
    p = (p * r + 0.008374824030662809f) * r + 0.04166822618847284f;
    p = (p * r + 0.1666642007244514f) * r + 0.49999992075100985f;
    p = (p * r + 1.0000000363446397f) * r + 1.0000000005546064f;
    memcpy(&exponent, &shifted, sizeof exponent);
    memcpy(&bits, &p, sizeof bits), bits += exponent << 23;
    memcpy(&p, &bits, sizeof p);
    return x < -87.0f ? 0.0f : p;
}

/* log(x) for normal x > 0: x = 2^e (1 + f), 1 + f in [sqrt 1/2, sqrt 2), and log(1 + f) = 2 atanh s, s = f/(2 + f),
 * as a series (the coefficients of FreeBSD's e_log.c, by Sun Microsystems, error below 1 ulp). */
TILE_LEAF double tile_exponent(double x, double *f)
{
    uint64_t bits, exponent;
    double m, e;
    memcpy(&bits, &x, sizeof bits);
    bits -= 0x3fe6a09e667f3bcd; /* sqrt(1/2) */
    /* No conversion from 64-bit integers before AVX-512: the exponent goes in by its bits. */
    exponent = (((bits >> 52) + 2048) & 4095) | 0x4330000000000000;
    memcpy(&e, &exponent, sizeof e);
    e -= 0x1p52 + 2048;
    bits = (bits & 0x000fffffffffffff) + 0x3fe6a09e667f3bcd;
    memcpy(&m, &bits, sizeof m);
    *f = m - 1.0;
    return e;
}

TILE_LEAF double tile_log_series(double e, double f, double s)
{
    const double z = s * s, half = 0.5 * f * f;
    double series = 1.479819860511658591e-01;
    series = (series * z + 1.531383769920937332e-01) * z + 1.818357216161805012e-01;
    series = (series * z + 2.222219843214978396e-01) * z + 2.857142874366239149e-01;
    series = (series * z + 3.999999999940941908e-01) * z + 6.666666666666735130e-01;
    /* log(1 + f) = f - f^2/2 + s (f^2/2 + z series) */
    return e * 6.93147180369123816490e-01
           + (f - (half - (s * (half + z * series) + e * 1.90821492927058770002e-10)));
}

TILE_LEAF double tile_log_double(double x)
{
    double f;
    const double e = tile_exponent(x, &f);
    return tile_log_series(e, f, f / (2.0 + f));
}

#define tile_log_float(x) ((float)tile_log_double(x))

/* log(x) and 1/x by one division, which costs as much as the rest; relative errors of some ulp, 1 <= x <= 1e300. */
TILE_LEAF double tile_log_and_inverse_double(double x, double *inverse)
{
    double f;
    const double e = tile_exponent(x, &f), both = 1.0 / (x * (2.0 + f));
    *inverse = (2.0 + f) * both;
    return tile_log_series(e, f, f * (x * both));
}

TILE_LEAF float tile_log_and_inverse_float(float x, float *inverse)
{
    double of_x, logarithm = tile_log_and_inverse_double(x, &of_x);
    *inverse = (float)of_x;
    return (float)logarithm;
}

#define tile_sqrt_double(x) __builtin_sqrt(x)
#define tile_sqrt_float(x) __builtin_sqrtf(x)

#endif
