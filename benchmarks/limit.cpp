// Peak rates of one core: multiply-adds in registers, sequential reads, and exponentials.
// Vectors are as wide as the machine supports; the callers time the loops.
#include <cstddef>
#include <cstdint>

#if defined(__AVX512F__)
#define WIDTH 64
#elif defined(__AVX__)
#define WIDTH 32
#else
#define WIDTH 16
#endif

namespace {

typedef double doubles __attribute__((vector_size(WIDTH)));
typedef float floats __attribute__((vector_size(WIDTH)));
typedef int64_t longs __attribute__((vector_size(WIDTH)));
typedef int32_t ints __attribute__((vector_size(WIDTH)));

constexpr int kChains = 12;  // independent sums: latency x multiply-adds a cycle, in 16 registers

template <typename Vector, typename Real>
Real multiply_add(ptrdiff_t rounds) {
  volatile Real near_one = Real(0.999), small = Real(0.001);
  Vector sums[kChains], factor, term;
  for (size_t i = 0; i < WIDTH / sizeof(Real); i++) factor[i] = near_one, term[i] = small;
  for (int i = 0; i < kChains; i++) sums[i] = term;
  for (ptrdiff_t round = 0; round < rounds; round++) {
#pragma GCC unroll 12
    for (int i = 0; i < kChains; i++) sums[i] = sums[i] * factor + term;
  }
  for (int i = 1; i < kChains; i++) sums[0] += sums[i];
  return sums[0][0];
}

template <typename Real>
Real horner(Real r, const double* coefficients, int degree) {
  Real p = r * 0 + coefficients[0];
#pragma GCC unroll 12
  for (int i = 1; i <= degree; i++) p = p * r + coefficients[i];
  return p;
}

// exp(x) for x <= 0: 2^n by bits and 2^(i/16) by table where two registers hold it; relative error 6e-16.
doubles exponential(doubles x) {
  const doubles lowest = x * 0 - 708.0;
  x = x < lowest ? lowest : x;
#if WIDTH == 64 && !defined(__clang__)
  static const double taylor[] = {1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 0.5, 1.0, 1.0};
  const doubles low = {1.0, 1.0442737824274138, 1.0905077326652577, 1.1387886347566916,
                       1.189207115002721, 1.241857812073484, 1.2968395546510096, 1.3542555469368927};
  const doubles high = {1.4142135623730951, 1.4768261459394993, 1.5422108254079407, 1.6104903319492543,
                        1.681792830507429, 1.7562521603732995, 1.8340080864093424, 1.9152065613971474};
  const double shift = 0x1.8p52;
  const doubles shifted = x * 23.083120654223414 + shift;
  const doubles n = shifted - shift;
  const doubles r = (x - n * 0x1.62e42fefa3800p-5) - n * 0x1.ef35793c76730p-49;
  const longs bits = (longs)shifted;
  const doubles scaled = horner(r, taylor, 6) * __builtin_shuffle(low, high, bits & 15);
  return (doubles)((longs)scaled + ((bits >> 4) << 52));
#else
  static const double minimax[] = {0x1.ad661bba42f09p-26, 0x1.28b31c3ffe609p-22, 0x1.71df45343d1cap-19,
                                   0x1.a01992c5c0808p-16, 0x1.a01a011044a25p-13, 0x1.6c16c187853c5p-10,
                                   0x1.1111111130e33p-7,  0x1.555555554f35cp-5,  0x1.55555555554a2p-3,
                                   0x1.0000000000010p-1,  1.0,                   1.0};
  const double shift = 0x1.8p52;
  const doubles shifted = x * 0x1.71547652b82fep0 + shift;
  const doubles n = shifted - shift;
  const doubles r = (x - n * 0x1.62e42fefa3800p-1) - n * 0x1.ef35793c76730p-45;
  return (doubles)((longs)horner(r, minimax, 11) + ((longs)shifted << 52));
#endif
}

floats exponential(floats x) {
  static const double minimax[] = {0.0013836835744798386, 0.008374824030662809, 0.04166822618847284,
                                   0.1666642007244514,    0.49999992075100985,  1.0000000363446397,
                                   1.0000000005546064};
  const floats lowest = x * 0 - 87.0f;
  x = x < lowest ? lowest : x;
  const float shift = 0x1.8p23f;
  const floats shifted = x * 0x1.715476p0f + shift;
  const floats n = shifted - shift;
  const floats r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  floats p = r * 0 + float(minimax[0]);
#pragma GCC unroll 6
  for (int i = 1; i <= 6; i++) p = p * r + float(minimax[i]);
  return (floats)((ints)p + ((ints)shifted << 23));
}

template <typename Vector, typename Real>
void exponentials(const Real* x, Real* y, ptrdiff_t n, ptrdiff_t rounds) {
  const Vector* from = reinterpret_cast<const Vector*>(x);
  Vector* to = reinterpret_cast<Vector*>(y);
  const ptrdiff_t vectors = n * ptrdiff_t(sizeof(Real)) / WIDTH;
  for (ptrdiff_t round = 0; round < rounds; round++) {
    for (ptrdiff_t i = 0; i < vectors; i++) to[i] = exponential(from[i]);
    __asm__ volatile("" ::: "memory");  // prevents the compiler from skipping rounds
  }
}

}  // namespace

extern "C" {

// Each round does kChains vectors; the caller must know how many numbers those are.
ptrdiff_t multiply_adds_a_round(ptrdiff_t itemsize) { return kChains * WIDTH / itemsize; }

double multiply_add_float64(ptrdiff_t rounds) { return multiply_add<doubles, double>(rounds); }
double multiply_add_float32(ptrdiff_t rounds) { return multiply_add<floats, float>(rounds); }

// x and y: aligned to 64 bytes, n a multiple of 16.
void exp_float64(const double* x, double* y, ptrdiff_t n, ptrdiff_t rounds) {
  exponentials<doubles>(x, y, n, rounds);
}
void exp_float32(const float* x, float* y, ptrdiff_t n, ptrdiff_t rounds) {
  exponentials<floats>(x, y, n, rounds);
}

double read_all(const double* x, ptrdiff_t n) {
  const doubles* from = reinterpret_cast<const doubles*>(x);
  const ptrdiff_t vectors = n * ptrdiff_t(sizeof(double)) / WIDTH;
  doubles a = {}, b = {}, c = {}, d = {};
  for (ptrdiff_t i = 0; i + 4 <= vectors; i += 4)
    a += from[i], b += from[i + 1], c += from[i + 2], d += from[i + 3];
  a += b + c + d;
  return a[0];
}
}
