/* What compilers spell differently, for tile.h. */
#ifndef GMM_COMPILER_H
#define GMM_COMPILER_H

#define TILE_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define TILE_BEGIN(set) TILE_PRAGMA(clang attribute push(__attribute__((target(set))), apply_to = function))
#define TILE_END TILE_PRAGMA(clang attribute pop)
#define TILE_UNROLL TILE_PRAGMA(clang loop unroll(full))
#define TILE_AVX512 "avx512f,avx512dq,avx512vl,avx2,fma"
#else
#define TILE_BEGIN(set) TILE_PRAGMA(GCC push_options) TILE_PRAGMA(GCC target(set))
#define TILE_END TILE_PRAGMA(GCC pop_options)
#define TILE_UNROLL TILE_PRAGMA(GCC unroll 16)
#define TILE_AVX512 "avx512f,avx512dq,avx512vl,avx2,fma,prefer-vector-width=512"
#endif
/* A product that is rounded before it is added to: compilers multiply and add in one step where they see fit, and gcc
 * does not in some chains of sums (avoid-fma-max-bits). */
#if defined(__x86_64__)
#define TILE_ROUND(product) __asm__("" : "+v"(product))
#elif defined(__aarch64__)
#define TILE_ROUND(product) __asm__("" : "+w"(product))
#else
#define TILE_ROUND(product) __asm__("" : "+m"(product))
#endif
#if defined(__GNUC__) || defined(__clang__) /* clang-cl does not define __GNUC__ */
#define TILE_VECTORS
#define TILE_LEAF static inline __attribute__((always_inline))
#define tile_prefetch(address) __builtin_prefetch(address, 0, 1) /* into the second cache */
#else
#define TILE_LEAF static inline
#define tile_prefetch(address)
#endif

#endif
