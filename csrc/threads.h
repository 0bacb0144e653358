/* What the core needs of threads that somebody else has made: atomic integers, a variable of each thread, and waiting. */
#ifndef FGM_THREADS_H
#define FGM_THREADS_H

#include <stdbool.h>
#include <stdint.h>

#if defined(_MSC_VER) && !defined(__clang__)
#include <windows.h>
#define FGM_OF_THREAD static __declspec(thread)
static inline int64_t fgm_atomic_load(volatile int64_t *from) { return _InterlockedOr64(from, 0); }
static inline void fgm_atomic_store(volatile int64_t *to, int64_t value) { _InterlockedExchange64(to, value); }
static inline int64_t fgm_atomic_add(volatile int64_t *to, int64_t value) { return _InterlockedExchangeAdd64(to, value); }
static inline bool fgm_atomic_replace(volatile int64_t *place, int64_t expected, int64_t value) {
    return _InterlockedCompareExchange64(place, value, expected) == expected;
}
#else
#define FGM_OF_THREAD static _Thread_local
static inline int64_t fgm_atomic_load(volatile int64_t *from) { return __atomic_load_n(from, __ATOMIC_ACQUIRE); }
static inline void fgm_atomic_store(volatile int64_t *to, int64_t value) { __atomic_store_n(to, value, __ATOMIC_RELEASE); }
/* Gives what was there before. */
static inline int64_t fgm_atomic_add(volatile int64_t *to, int64_t value) { return __atomic_fetch_add(to, value, __ATOMIC_ACQ_REL); }
/* False, and nothing is done, where something else than expected is there. */
static inline bool fgm_atomic_replace(volatile int64_t *place, int64_t expected, int64_t value) {
    return __atomic_compare_exchange_n(place, &expected, value, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}
#endif

/* Some tens of nanoseconds, in which the other thread of a core is left alone. */
static inline void fgm_pause(void) {
#if defined(_MSC_VER) && !defined(__clang__)
    YieldProcessor();
#elif defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb");
#endif
}

#endif
