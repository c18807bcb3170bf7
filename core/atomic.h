// SPDX-License-Identifier: Apache-2.0
// The only file that touches ck_pr. Every word shared between processes is read and written through
// these, so that a search for mr_load_/mr_store_ finds every synchronisation of the project.
//
// Built for ThreadSanitizer or without Concurrency Kit (MR_ATOMIC_BUILTIN), the compiler's builtins
// take ck_pr's place: the sanitizer cannot see inline assembly.
#ifndef MR_CORE_ATOMIC_H
#define MR_CORE_ATOMIC_H

#include "core/base.h"

#if defined(__SANITIZE_THREAD__)
#define MR_ATOMIC_BUILTIN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define MR_ATOMIC_BUILTIN 1
#endif
#endif

// The compiler keeps the order, the processor need not.
static inline void mr_fence_compiler(void)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

#ifdef MR_ATOMIC_BUILTIN

static inline uint64_t mr_load_relaxed_u64(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}
static inline uint64_t mr_load_acquire_u64(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}
static inline void mr_store_relaxed_u64(uint64_t *word, uint64_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELAXED);
}
static inline void mr_store_release_u64(uint64_t *word, uint64_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}
static inline uint32_t mr_load_relaxed_u32(const uint32_t *word)
{
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}
static inline uint32_t mr_load_acquire_u32(const uint32_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}
static inline void mr_store_relaxed_u32(uint32_t *word, uint32_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELAXED);
}
static inline void mr_store_release_u32(uint32_t *word, uint32_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}
static inline void mr_add_u32(uint32_t *word, uint32_t value)
{
    __atomic_fetch_add(word, value, __ATOMIC_RELEASE);
}
#if defined(__SANITIZE_THREAD__) && defined(__GNUC__) && !defined(__clang__)
// gcc's sanitizer knows no fences; a read-modify-write of a private word orders as strongly.
static inline void mr_fence_full(void)
{
    static uint32_t word;
    __atomic_fetch_add(&word, 1, __ATOMIC_SEQ_CST);
}
#else
static inline void mr_fence_full(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}
#endif
static inline void mr_fence_acquire(void)
{
#if !defined(__SANITIZE_THREAD__)
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
#endif
}
static inline void mr_fence_release(void)
{
#if !defined(__SANITIZE_THREAD__)
    __atomic_thread_fence(__ATOMIC_RELEASE);
#endif
}
static inline void mr_cpu_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

#else

#include <ck_pr.h>

static inline uint64_t mr_load_relaxed_u64(const uint64_t *word)
{
    return ck_pr_load_64(word);
}
static inline uint64_t mr_load_acquire_u64(const uint64_t *word)
{
    uint64_t value = ck_pr_load_64(word);
    ck_pr_fence_acquire();
    return value;
}
static inline void mr_store_relaxed_u64(uint64_t *word, uint64_t value)
{
    ck_pr_store_64(word, value);
}
static inline void mr_store_release_u64(uint64_t *word, uint64_t value)
{
    ck_pr_fence_release();
    ck_pr_store_64(word, value);
}
static inline uint32_t mr_load_relaxed_u32(const uint32_t *word)
{
    return ck_pr_load_32(word);
}
static inline uint32_t mr_load_acquire_u32(const uint32_t *word)
{
    uint32_t value = ck_pr_load_32(word);
    ck_pr_fence_acquire();
    return value;
}
static inline void mr_store_relaxed_u32(uint32_t *word, uint32_t value)
{
    ck_pr_store_32(word, value);
}
static inline void mr_store_release_u32(uint32_t *word, uint32_t value)
{
    ck_pr_fence_release();
    ck_pr_store_32(word, value);
}
static inline void mr_add_u32(uint32_t *word, uint32_t value)
{
    ck_pr_fence_release();
    ck_pr_add_32(word, value);
}
static inline void mr_fence_full(void)
{
    ck_pr_fence_memory();
}
static inline void mr_fence_acquire(void)
{
    ck_pr_fence_acquire();
}
static inline void mr_fence_release(void)
{
    ck_pr_fence_release();
}
static inline void mr_cpu_relax(void)
{
    ck_pr_stall();
}

#endif
#endif
