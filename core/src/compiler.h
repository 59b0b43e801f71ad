/* What differs between compilers, and nothing else: hints, alignment, checks at compile time. */
#ifndef PSN_COMPILER_H
#define PSN_COMPILER_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PSN_LIKELY(x) __builtin_expect(!!(x), 1)
#define PSN_UNLIKELY(x) __builtin_expect(!!(x), 0)

/* Two lines: x86-64 prefetches lines in pairs, and some ARM64 cores have lines of 128 bytes. */
#define PSN_CACHE_GROUP 128
#define PSN_ALIGNED _Alignas(PSN_CACHE_GROUP)

#define PSN_ROUND_UP(value, to) ((((value) + (to)-1) / (to)) * (to))

#endif
