/* A pointer exchanged for another one as one step, which threads without a common lock may take at once. */
#ifndef GMM_SWAP_H
#define GMM_SWAP_H

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#define swap_pointer(place, value) _InterlockedExchangePointer((void *volatile *)(place), (value))
#else
#define swap_pointer(place, value) __atomic_exchange_n((place), (value), __ATOMIC_ACQ_REL)
#endif

#endif
