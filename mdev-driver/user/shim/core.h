/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Language helpers, arithmetic, bits, messages, time. */
#ifndef MHCA_SHIM_CORE_H
#define MHCA_SHIM_CORE_H

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <linux/types.h>

/* ---- Attributes ------------------------------------------------------ */

#define likely(x)		__builtin_expect(!!(x), 1)
#define unlikely(x)		__builtin_expect(!!(x), 0)
#define barrier()		__asm__ __volatile__("" : : : "memory")
#define fallthrough		__attribute__((__fallthrough__))
#define noinline		__attribute__((__noinline__))
#define __must_check		__attribute__((__warn_unused_result__))
#define __maybe_unused		__attribute__((__unused__))
#define __always_unused		__attribute__((__unused__))
#define __printf(a, b)		__attribute__((__format__(printf, a, b)))
#define __aligned(n)		__attribute__((__aligned__(n)))
#define ____cacheline_aligned_in_smp __aligned(64)
#define ____cacheline_aligned	__aligned(64)
#define SMP_CACHE_BYTES		64
#define L1_CACHE_BYTES		64
#define __read_mostly
#define __cold
#define __init
#define __exit
#define __acquires(x)
#define __releases(x)
#define __must_hold(x)
#ifndef __counted_by
#define __counted_by(x)
#endif
#ifndef __bitwise
#define __bitwise
#endif
#ifndef __always_inline
#define __always_inline		inline __attribute__((__always_inline__))
#endif

#define EXPORT_SYMBOL_GPL(name)	struct shim_export_##name
#define EXPORT_SYMBOL(name)	struct shim_export_##name
#define THIS_MODULE		((struct module *)NULL)
#define static_assert		_Static_assert
#define BUILD_BUG_ON_MSG(cond, msg) _Static_assert(!(cond), msg)
#define BUILD_BUG_ON_ZERO(e)	((int)(sizeof(struct { int : (-!!(e)); })))
#define BUILD_BUG_ON_NOT_POWER_OF_2(n) \
	BUILD_BUG_ON((n) == 0 || (((n) & ((n) - 1)) != 0))

struct module;

/* ---- Integers -------------------------------------------------------- */

#define U8_MAX			((u8)~0U)
#define U16_MAX			((u16)~0U)
#define U32_MAX			((u32)~0U)
#define U64_MAX			((u64)~0ULL)
#define S32_MAX			INT_MAX
#define S64_MAX			((s64)(U64_MAX >> 1))
#define SZ_4K			0x1000
#define SZ_2M			0x200000

#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#define sizeof_field(t, m)	sizeof(((t *)0)->m)
#define offsetofend(t, m)	(offsetof(t, m) + sizeof_field(t, m))
#define IS_ENABLED(option)	0
#define __stringify_1(x...)	#x
#define __stringify(x...)	__stringify_1(x)
#define typecheck(t, x)		1

#define shim_min(a, b)		((a) < (b) ? (a) : (b))
#define shim_max(a, b)		((a) > (b) ? (a) : (b))
#define min(a, b)		({ __auto_type _ma = (a); __auto_type _mb = (b); shim_min(_ma, _mb); })
#define max(a, b)		({ __auto_type _xa = (a); __auto_type _xb = (b); shim_max(_xa, _xb); })
#define min3(a, b, c)		min(min(a, b), c)
#define max3(a, b, c)		max(max(a, b), c)
#define min_t(t, a, b)		({ t _mta = (a); t _mtb = (b); shim_min(_mta, _mtb); })
#define max_t(t, a, b)		({ t _xta = (a); t _xtb = (b); shim_max(_xta, _xtb); })
#define min_not_zero(a, b)	({ __auto_type _na = (a); __auto_type _nb = (b); \
				   _na == 0 ? _nb : (_nb == 0 ? _na : min(_na, _nb)); })
#define clamp(v, lo, hi)	min(max(v, lo), hi)
#define clamp_t(t, v, lo, hi)	min_t(t, max_t(t, v, lo), hi)
#define clamp_val(v, lo, hi)	clamp_t(__typeof__(v), v, lo, hi)
#define swap(a, b)		do { __typeof__(a) _st = (a); (a) = (b); (b) = _st; } while (0)
#define abs(x)			({ __auto_type _ax = (x); _ax < 0 ? -_ax : _ax; })
#define in_range(v, start, len)	((u64)(v) - (u64)(start) < (u64)(len))

#define DIV_ROUND_UP(n, d)	(((n) + (d) - 1) / (d))
#define DIV_ROUND_UP_ULL(n, d)	DIV_ROUND_UP((unsigned long long)(n), (d))
#define roundup(x, y)		((((x) + (y) - 1) / (y)) * (y))
#define rounddown(x, y)		((x) - (x) % (y))
#define round_up(x, y)		((((x) - 1) | ((__typeof__(x))(y) - 1)) + 1)
#define round_down(x, y)	((x) & ~((__typeof__(x))(y) - 1))
#define ALIGN(x, a)		(((x) + ((__typeof__(x))(a) - 1)) & ~((__typeof__(x))(a) - 1))
#define ALIGN_DOWN(x, a)	((x) & ~((__typeof__(x))(a) - 1))
#define IS_ALIGNED(x, a)	(((x) & ((__typeof__(x))(a) - 1)) == 0)
#define PTR_ALIGN(p, a)		((__typeof__(p))ALIGN((unsigned long)(p), (a)))
#define PAGE_MASK		(~(PAGE_SIZE - 1))
#define PAGE_ALIGN(x)		ALIGN(x, PAGE_SIZE)
#define PAGE_ALIGNED(x)		IS_ALIGNED((unsigned long)(x), PAGE_SIZE)
#define offset_in_page(p)	((unsigned long)(p) & ~PAGE_MASK)
#define upper_32_bits(n)	((u32)(((u64)(n)) >> 32))
#define lower_32_bits(n)	((u32)((n) & 0xffffffff))
#define wait_on_bit_timeout(...) 0

static inline u64 div_u64(u64 n, u32 d) { return n / d; }
static inline u64 div64_u64(u64 n, u64 d) { return n / d; }
static inline u64 div_u64_rem(u64 n, u32 d, u32 *rem) { *rem = n % d; return n / d; }
static inline u64 mul_u32_u32(u32 a, u32 b) { return (u64)a * b; }
static inline u64 mul_u64_u32_div(u64 a, u32 m, u32 d) { return (u64)((unsigned __int128)a * m / d); }
static inline u64 mul_u64_u64_div_u64(u64 a, u64 m, u64 d) { return (u64)((unsigned __int128)a * m / d); }
static inline u64 mul_u64_u32_shr(u64 a, u32 m, unsigned int s) { return (u64)((unsigned __int128)a * m >> s); }
#define do_div(n, base)		({ u32 _base = (base); u32 _rem = (n) % _base; (n) /= _base; _rem; })

#define check_add_overflow(a, b, d)	__builtin_add_overflow(a, b, d)
#define check_sub_overflow(a, b, d)	__builtin_sub_overflow(a, b, d)
#define check_mul_overflow(a, b, d)	__builtin_mul_overflow(a, b, d)
#define check_shl_overflow(a, s, d)	({ __auto_type _sa = (a); unsigned int _ss = (s); \
	*(d) = _ss < 64 ? (__typeof__(*(d)))((u64)_sa << _ss) : 0; \
	_ss >= 8 * sizeof(*(d)) || ((u64)*(d) >> _ss) != (u64)_sa; })

static inline size_t size_mul(size_t a, size_t b)
{
	size_t r;

	return __builtin_mul_overflow(a, b, &r) ? SIZE_MAX : r;
}

static inline size_t size_add(size_t a, size_t b)
{
	size_t r;

	return __builtin_add_overflow(a, b, &r) ? SIZE_MAX : r;
}

#define array_size(a, b)	size_mul(a, b)
#define array3_size(a, b, c)	size_mul(size_mul(a, b), c)
#define flex_array_size(p, m, n) size_mul(n, sizeof(*(p)->m))
#define struct_size(p, m, n)	size_add(sizeof(*(p)), flex_array_size(p, m, n))
#define struct_size_t(t, m, n)	struct_size((t *)NULL, m, n)

/* ---- Bits ------------------------------------------------------------ */

#define BITS_PER_BYTE		8
#define BITS_TO_LONGS(n)	DIV_ROUND_UP(n, BITS_PER_LONG)
#define DECLARE_BITMAP(name, n)	unsigned long name[BITS_TO_LONGS(n)]
#define BIT_MASK(n)		(1UL << ((n) % 64))
#define BIT_WORD(n)		((n) / 64)

static inline int fls(unsigned int x) { return x ? 32 - __builtin_clz(x) : 0; }
static inline int fls64(u64 x) { return x ? 64 - __builtin_clzll(x) : 0; }
static inline unsigned long __ffs(unsigned long x) { return (unsigned long)__builtin_ctzl(x); }
static inline unsigned long __fls(unsigned long x) { return (unsigned long)(63 - __builtin_clzl(x)); }
static inline unsigned long ffz(unsigned long x) { return __ffs(~x); }
static inline bool is_power_of_2(unsigned long n) { return n && !(n & (n - 1)); }
#define ilog2(n)		((n) ? 63 - __builtin_clzll(n) : -1)
#define order_base_2(n)		((n) > 1 ? ilog2((n) - 1) + 1 : 0)
static inline unsigned long roundup_pow_of_two(unsigned long n) { return 1UL << order_base_2(n); }
static inline unsigned long rounddown_pow_of_two(unsigned long n) { return 1UL << ilog2(n); }
static inline unsigned int hweight32(u32 x) { return (unsigned int)__builtin_popcount(x); }
static inline unsigned int hweight64(u64 x) { return (unsigned int)__builtin_popcountll(x); }
#define hweight8(x)		hweight32((u8)(x))
#define hweight_long(x)		hweight64(x)

static inline void __set_bit(unsigned long nr, unsigned long *p) { p[nr / 64] |= 1UL << nr % 64; }
static inline void __clear_bit(unsigned long nr, unsigned long *p) { p[nr / 64] &= ~(1UL << nr % 64); }

static inline bool test_bit(unsigned long nr, const unsigned long *p)
{
	return __atomic_load_n(&p[nr / 64], __ATOMIC_RELAXED) >> nr % 64 & 1;
}

static inline void set_bit(unsigned long nr, unsigned long *p)
{
	__atomic_fetch_or(&p[nr / 64], 1UL << nr % 64, __ATOMIC_SEQ_CST);
}

static inline void clear_bit(unsigned long nr, unsigned long *p)
{
	__atomic_fetch_and(&p[nr / 64], ~(1UL << nr % 64), __ATOMIC_SEQ_CST);
}

static inline bool test_and_set_bit(unsigned long nr, unsigned long *p)
{
	return __atomic_fetch_or(&p[nr / 64], 1UL << nr % 64, __ATOMIC_SEQ_CST) >> nr % 64 & 1;
}

static inline bool test_and_clear_bit(unsigned long nr, unsigned long *p)
{
	return __atomic_fetch_and(&p[nr / 64], ~(1UL << nr % 64), __ATOMIC_SEQ_CST) >> nr % 64 & 1;
}

unsigned long find_next_bit(const unsigned long *p, unsigned long size, unsigned long from);
unsigned long find_next_zero_bit(const unsigned long *p, unsigned long size, unsigned long from);
#define find_first_bit(p, size)		find_next_bit(p, size, 0)
#define find_first_zero_bit(p, size)	find_next_zero_bit(p, size, 0)
#define for_each_set_bit(bit, p, size)						\
	for ((bit) = find_first_bit(p, size); (bit) < (size);			\
	     (bit) = find_next_bit(p, size, (bit) + 1))
#define bitmap_zero(p, n)	memset(p, 0, BITS_TO_LONGS(n) * sizeof(long))
static inline bool bitmap_empty(const unsigned long *p, unsigned long n)
{
	return find_next_bit(p, n, 0) >= n;
}

/* ---- Byte order ------------------------------------------------------ */

static inline u16 be16_to_cpup(const __be16 *p) { return be16_to_cpu(*p); }
static inline u32 be32_to_cpup(const __be32 *p) { return be32_to_cpu(*p); }
static inline u64 be64_to_cpup(const __be64 *p) { return be64_to_cpu(*p); }
static inline __be32 cpu_to_be32p(const u32 *p) { return cpu_to_be32(*p); }
static inline void be32_add_cpu(__be32 *p, u32 n) { *p = cpu_to_be32(be32_to_cpu(*p) + n); }
static inline u16 get_unaligned_be16(const void *p) { __be16 v; memcpy(&v, p, 2); return be16_to_cpu(v); }
static inline u32 get_unaligned_be32(const void *p) { __be32 v; memcpy(&v, p, 4); return be32_to_cpu(v); }
static inline u64 get_unaligned_be64(const void *p) { __be64 v; memcpy(&v, p, 8); return be64_to_cpu(v); }
static inline u32 get_unaligned_le32(const void *p) { const u8 *b = p; return b[0] | b[1] << 8 | b[2] << 16 | (u32)b[3] << 24; }
static inline void put_unaligned_le32(u32 v, void *p) { u8 b[4] = { v, v >> 8, v >> 16, v >> 24 }; memcpy(p, b, 4); }
static inline void put_unaligned_be16(u16 v, void *p) { __be16 b = cpu_to_be16(v); memcpy(p, &b, 2); }
static inline void put_unaligned_be32(u32 v, void *p) { __be32 b = cpu_to_be32(v); memcpy(p, &b, 4); }
static inline void put_unaligned_be64(u64 v, void *p) { __be64 b = cpu_to_be64(v); memcpy(p, &b, 8); }
static inline u16 swab16(u16 v) { return __builtin_bswap16(v); }
static inline u32 swab32(u32 v) { return __builtin_bswap32(v); }
static inline u64 swab64(u64 v) { return __builtin_bswap64(v); }

/* ---- Errors ---------------------------------------------------------- */

#define MAX_ERRNO		4095
#define ENOTSUPP		524
#define EPROBE_DEFER		517
#define IS_ERR_VALUE(x)		unlikely((unsigned long)(x) >= (unsigned long)-MAX_ERRNO)

static inline void *ERR_PTR(long error) { return (void *)error; }
static inline long PTR_ERR(const void *p) { return (long)p; }
static inline bool IS_ERR(const void *p) { return IS_ERR_VALUE(p); }
static inline bool IS_ERR_OR_NULL(const void *p) { return !p || IS_ERR_VALUE(p); }
static inline int PTR_ERR_OR_ZERO(const void *p) { return IS_ERR(p) ? (int)PTR_ERR(p) : 0; }
static inline void *ERR_CAST(const void *p) { return (void *)p; }

/* To the log, and aborts (shim_warn_aborts()): in a test every WARN is a failure. */
void shim_warn(const char *file, int line, const char *fmt, ...)
	__attribute__((__format__(printf, 3, 4)));

#define WARN(cond, fmt...)	({ bool _wc = !!(cond);				\
				   if (unlikely(_wc))				\
					shim_warn(__FILE__, __LINE__, fmt);	\
				   _wc; })
#define WARN_ON(cond)		WARN(cond, "%s", #cond)
#define WARN_ONCE(cond, fmt...)	WARN(cond, fmt)
#define WARN_ON_ONCE(cond)	WARN_ON(cond)
#define BUG_ON(cond)		((void)WARN_ON(cond))
#define BUG()			shim_warn(__FILE__, __LINE__, "BUG")

/* ---- Messages -------------------------------------------------------- */

/* Printed when MHCA_TEST_VERBOSE is set in the environment. */
void shim_printk(const char *fmt, ...) __attribute__((__format__(printf, 1, 2)));

#ifndef pr_fmt
#define pr_fmt(fmt) fmt
#endif
#define KERN_ERR		""
#define KERN_INFO		""
#define printk(fmt...)		shim_printk(fmt)
#define pr_emerg(fmt, ...)	shim_printk(pr_fmt(fmt), ##__VA_ARGS__)
#define pr_err(fmt, ...)	shim_printk(pr_fmt(fmt), ##__VA_ARGS__)
#define pr_warn(fmt, ...)	shim_printk(pr_fmt(fmt), ##__VA_ARGS__)
#define pr_notice(fmt, ...)	shim_printk(pr_fmt(fmt), ##__VA_ARGS__)
#define pr_info(fmt, ...)	shim_printk(pr_fmt(fmt), ##__VA_ARGS__)
#define pr_debug(fmt, ...)	do { if (0) shim_printk(pr_fmt(fmt), ##__VA_ARGS__); } while (0)

struct ratelimit_state {
	int interval;		/* jiffies: milliseconds here */
	int burst;
	int printed;
	u64 begin;
};

#define HZ			1000
#define DEFAULT_RATELIMIT_INTERVAL	(5 * HZ)
#define DEFAULT_RATELIMIT_BURST	10
static inline void ratelimit_state_init(struct ratelimit_state *rs, int interval, int burst)
{
	*rs = (struct ratelimit_state){ .interval = interval, .burst = burst };
}

bool __ratelimit(struct ratelimit_state *rs);

/* As in the kernel: one state for all who come by that line. */
#define pr_warn_ratelimited(fmt, ...)						\
	do {									\
		static struct ratelimit_state _rs = {				\
			.interval = DEFAULT_RATELIMIT_INTERVAL,			\
			.burst = DEFAULT_RATELIMIT_BURST,			\
		};								\
										\
		if (__ratelimit(&_rs))						\
			pr_warn(fmt, ##__VA_ARGS__);				\
	} while (0)
#define pr_err_once		pr_err
#define pr_warn_once		pr_warn
#define pr_info_once		pr_info

int scnprintf(char *buf, size_t size, const char *fmt, ...)
	__attribute__((__format__(printf, 3, 4)));
ssize_t strscpy(char *to, const char *from, size_t size);
void *memchr_inv(const void *p, int c, size_t n);
#define memzero_explicit(p, n)	memset(p, 0, n)

/* ---- Time ------------------------------------------------------------ */

#define NSEC_PER_USEC		1000L
#define NSEC_PER_MSEC		1000000L
#define NSEC_PER_SEC		1000000000L
#define USEC_PER_MSEC		1000L
#define USEC_PER_SEC		1000000L
#define MSEC_PER_SEC		1000L

typedef s64 ktime_t;

u64 ktime_get_ns(void);
#define ktime_get_mono_fast_ns	ktime_get_ns
#define ktime_get_raw_ns	ktime_get_ns
#define ktime_get_real_ns	ktime_get_ns
#define ktime_get()		((ktime_t)ktime_get_ns())
#define ktime_to_ns(k)		(k)
void msleep(unsigned int ms);
void usleep_range(unsigned long least, unsigned long most);
#define fsleep(us)		usleep_range(us, us)
#define udelay(us)		usleep_range(us, us)
#define ndelay(ns)		do { } while (0)
void cond_resched(void);
#define schedule()		cond_resched()
#define need_resched()		false
#if defined(__x86_64__) || defined(__i386__)
#define cpu_relax()		__builtin_ia32_pause()
#elif defined(__aarch64__)
#define cpu_relax()		__asm__ __volatile__("yield" : : : "memory")
#else
#define cpu_relax()		barrier()
#endif
#define touch_softlockup_watchdog() do { } while (0)

#endif /* MHCA_SHIM_CORE_H */
