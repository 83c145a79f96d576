/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Atomics and memory barriers on the compiler's builtins. */
#ifndef MHCA_SHIM_ATOMIC_H
#define MHCA_SHIM_ATOMIC_H

#include <linux/types.h>

#ifdef __SANITIZE_THREAD__
/*
 * TSan does not model fences. Make each access carry its order, so that what the
 * kernel code orders with smp_*() is not reported; true races still are.
 */
#define SHIM_LOAD		__ATOMIC_ACQUIRE
#define SHIM_STORE		__ATOMIC_RELEASE
#define shim_fence(order)	({ (void)(order); barrier(); })
#else
#define SHIM_LOAD		__ATOMIC_RELAXED
#define SHIM_STORE		__ATOMIC_RELAXED
#define shim_fence(order)	__atomic_thread_fence(order)
#endif

#define READ_ONCE(x)		__atomic_load_n(&(x), SHIM_LOAD)
#define WRITE_ONCE(x, v)	__atomic_store_n(&(x), (v), SHIM_STORE)
#define data_race(x)		(x)

#define smp_mb()		shim_fence(__ATOMIC_SEQ_CST)
#define smp_rmb()		shim_fence(__ATOMIC_ACQUIRE)
#define smp_wmb()		shim_fence(__ATOMIC_RELEASE)
#define mb()			smp_mb()
#define rmb()			smp_rmb()
#undef wmb
#define wmb()			smp_wmb()
#define virt_mb()		smp_mb()
#define virt_rmb()		smp_rmb()
#define virt_wmb()		smp_wmb()
#define dma_mb()		smp_mb()
#define dma_rmb()		smp_rmb()
#define dma_wmb()		smp_wmb()
#define smp_mb__before_atomic()	smp_mb()
#define smp_mb__after_atomic()	smp_mb()
#define smp_mb__after_spinlock() smp_mb()
#define smp_load_acquire(p)	__atomic_load_n(p, __ATOMIC_ACQUIRE)
#define smp_store_release(p, v)	__atomic_store_n(p, v, __ATOMIC_RELEASE)
#define smp_store_mb(x, v)	__atomic_store_n(&(x), v, __ATOMIC_SEQ_CST)
#define virt_load_acquire(p)	smp_load_acquire(p)
#define virt_store_release(p, v) smp_store_release(p, v)
#define virt_store_mb(x, v)	smp_store_mb(x, v)

#define rcu_dereference(p)	smp_load_acquire(&(p))
#define rcu_assign_pointer(p, v) smp_store_release(&(p), v)
#define rcu_dereference_protected(p, c) (p)
#define srcu_dereference(p, s)	smp_load_acquire(&(p))
#define srcu_dereference_check(p, s, c) smp_load_acquire(&(p))
#define rcu_access_pointer(p)	READ_ONCE(p)
#define RCU_INIT_POINTER(p, v)	WRITE_ONCE(p, v)

#define xchg(p, v)		__atomic_exchange_n(p, v, __ATOMIC_SEQ_CST)
#define xchg_relaxed(p, v)	__atomic_exchange_n(p, v, SHIM_LOAD == __ATOMIC_ACQUIRE ? \
						    __ATOMIC_ACQ_REL : __ATOMIC_RELAXED)
#define xchg_acquire(p, v)	__atomic_exchange_n(p, v, __ATOMIC_ACQUIRE)
#define xchg_release(p, v)	__atomic_exchange_n(p, v, __ATOMIC_RELEASE)
#define cmpxchg(p, old, new)							\
	({									\
		__typeof__(*(p)) _cx_old = (old);				\
		__atomic_compare_exchange_n(p, &_cx_old, new, false,		\
					    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
		_cx_old;							\
	})
#define cmpxchg64(p, old, new)	cmpxchg(p, old, new)
#define cmpxchg_relaxed(p, old, new) cmpxchg(p, old, new)
#define try_cmpxchg(p, oldp, new)						\
	__atomic_compare_exchange_n(p, oldp, new, false,			\
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)
#define try_cmpxchg64(p, oldp, new) try_cmpxchg(p, oldp, new)

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	s64 counter;
} atomic64_t;

typedef atomic64_t atomic_long_t;

#define ATOMIC_INIT(n)		{ (n) }
#define ATOMIC64_INIT(n)	{ (n) }
#define ATOMIC_LONG_INIT(n)	{ (n) }

#define SHIM_ATOMIC(prefix, type, word)						\
static inline word prefix##_read(const type *v)					\
{ return __atomic_load_n(&v->counter, SHIM_LOAD); }				\
static inline word prefix##_read_acquire(const type *v)				\
{ return __atomic_load_n(&v->counter, __ATOMIC_ACQUIRE); }			\
static inline void prefix##_set(type *v, word n)				\
{ __atomic_store_n(&v->counter, n, SHIM_STORE); }				\
static inline void prefix##_set_release(type *v, word n)			\
{ __atomic_store_n(&v->counter, n, __ATOMIC_RELEASE); }				\
static inline void prefix##_add(word n, type *v)				\
{ __atomic_fetch_add(&v->counter, n, __ATOMIC_RELAXED); }			\
static inline void prefix##_sub(word n, type *v)				\
{ __atomic_fetch_sub(&v->counter, n, __ATOMIC_RELAXED); }			\
static inline void prefix##_inc(type *v) { prefix##_add(1, v); }		\
static inline void prefix##_dec(type *v) { prefix##_sub(1, v); }		\
static inline void prefix##_or(word n, type *v)					\
{ __atomic_fetch_or(&v->counter, n, __ATOMIC_RELAXED); }			\
static inline void prefix##_and(word n, type *v)				\
{ __atomic_fetch_and(&v->counter, n, __ATOMIC_RELAXED); }			\
static inline void prefix##_andnot(word n, type *v) { prefix##_and(~n, v); }	\
static inline word prefix##_add_return(word n, type *v)				\
{ return __atomic_add_fetch(&v->counter, n, __ATOMIC_SEQ_CST); }		\
static inline word prefix##_sub_return(word n, type *v)				\
{ return __atomic_sub_fetch(&v->counter, n, __ATOMIC_SEQ_CST); }		\
static inline word prefix##_inc_return(type *v) { return prefix##_add_return(1, v); } \
static inline word prefix##_dec_return(type *v) { return prefix##_sub_return(1, v); } \
static inline word prefix##_fetch_add(word n, type *v)				\
{ return __atomic_fetch_add(&v->counter, n, __ATOMIC_SEQ_CST); }		\
static inline word prefix##_fetch_inc(type *v) { return prefix##_fetch_add(1, v); } \
static inline word prefix##_fetch_or(word n, type *v)				\
{ return __atomic_fetch_or(&v->counter, n, __ATOMIC_SEQ_CST); }			\
static inline word prefix##_fetch_and(word n, type *v)				\
{ return __atomic_fetch_and(&v->counter, n, __ATOMIC_SEQ_CST); }		\
static inline word prefix##_fetch_andnot(word n, type *v)			\
{ return prefix##_fetch_and(~n, v); }						\
static inline bool prefix##_dec_and_test(type *v) { return prefix##_dec_return(v) == 0; } \
static inline bool prefix##_inc_and_test(type *v) { return prefix##_inc_return(v) == 0; } \
static inline bool prefix##_sub_and_test(word n, type *v)			\
{ return prefix##_sub_return(n, v) == 0; }					\
static inline word prefix##_xchg(type *v, word n)				\
{ return __atomic_exchange_n(&v->counter, n, __ATOMIC_SEQ_CST); }		\
static inline word prefix##_cmpxchg(type *v, word old, word n)			\
{ return cmpxchg(&v->counter, old, n); }					\
static inline bool prefix##_try_cmpxchg(type *v, word *old, word n)		\
{ return try_cmpxchg(&v->counter, old, n); }					\
static inline bool prefix##_inc_not_zero(type *v)				\
{										\
	word old = prefix##_read(v);						\
										\
	while (old && !prefix##_try_cmpxchg(v, &old, old + 1))			\
		;								\
	return old != 0;							\
}

SHIM_ATOMIC(atomic, atomic_t, int)
SHIM_ATOMIC(atomic64, atomic64_t, s64)
SHIM_ATOMIC(atomic_long, atomic_long_t, s64)

#endif /* MHCA_SHIM_ATOMIC_H */
