// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The runtime's functions that are not inline. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <time.h>

#include <mhca/kernel.h>
#include <shim/control.h>

__thread struct shim_thread shim_self;
__thread char current[1];

/* ---- Messages -------------------------------------------------------- */

static int warn_goes_on;

void shim_warn_aborts(bool on)
{
	__atomic_store_n(&warn_goes_on, !on, __ATOMIC_RELAXED);
}

void shim_warn(const char *file, int line, const char *fmt, ...)
{
	char what[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	if (__atomic_load_n(&warn_goes_on, __ATOMIC_RELAXED)) {
		pr_warn_ratelimited("WARN at %s:%d: %s\n", file, line, what);
		return;
	}
	fprintf(stderr, "WARN at %s:%d: %s\n", file, line, what);
	abort();
}

static void (*log_sink)(const char *line, void *arg);
static void *log_arg;

void shim_log_sink(void (*sink)(const char *line, void *arg), void *arg)
{
	log_sink = sink;
	log_arg = arg;
}

void shim_printk(const char *fmt, ...)
{
	static int verbose = -1;
	char line[512];
	va_list args;

	if (log_sink) {
		va_start(args, fmt);
		vsnprintf(line, sizeof(line), fmt, args);
		va_end(args);
		log_sink(line, log_arg);
		return;
	}
	if (__atomic_load_n(&verbose, __ATOMIC_RELAXED) < 0)
		__atomic_store_n(&verbose, getenv("MHCA_TEST_VERBOSE") != NULL,
				 __ATOMIC_RELAXED);
	if (!__atomic_load_n(&verbose, __ATOMIC_RELAXED))
		return;
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
}

bool __ratelimit(struct ratelimit_state *rs)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	u64 now = ktime_get_ns();
	bool ok;

	pthread_mutex_lock(&lock);
	if (!rs->begin || now - rs->begin > (u64)rs->interval * NSEC_PER_MSEC) {
		rs->begin = now;
		rs->printed = 0;
	}
	ok = rs->printed < rs->burst;
	rs->printed += ok;
	pthread_mutex_unlock(&lock);
	return ok;
}

int scnprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list args;
	int n;

	if (!size)
		return 0;
	va_start(args, fmt);
	n = vsnprintf(buf, size, fmt, args);
	va_end(args);
	return (size_t)n < size ? n : (int)size - 1;
}

ssize_t strscpy(char *to, const char *from, size_t size)
{
	size_t len = strnlen(from, size);

	if (!size)
		return -E2BIG;
	if (len == size) {
		memcpy(to, from, size - 1);
		to[size - 1] = '\0';
		return -E2BIG;
	}
	memcpy(to, from, len + 1);
	return (ssize_t)len;
}

void *memchr_inv(const void *p, int c, size_t n)
{
	const u8 *byte = p;

	for (; n; n--, byte++)
		if (*byte != (u8)c)
			return (void *)byte;
	return NULL;
}

/* ---- Bits ------------------------------------------------------------ */

unsigned long find_next_bit(const unsigned long *p, unsigned long size, unsigned long from)
{
	while (from < size) {
		unsigned long word = p[from / 64] >> from % 64;

		if (word)
			return min(from + __ffs(word), size);
		from = (from / 64 + 1) * 64;
	}
	return size;
}

unsigned long find_next_zero_bit(const unsigned long *p, unsigned long size,
				 unsigned long from)
{
	while (from < size && test_bit(from, p))
		from++;
	return min(from, size);
}

/* ---- Time ------------------------------------------------------------ */

static u64 clock_fake_ns;
static u64 clock_step_ns;
static int clock_is_fake;

static u64 clock_real(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (u64)now.tv_sec * NSEC_PER_SEC + (u64)now.tv_nsec;
}

u64 ktime_get_ns(void)
{
	if (__atomic_load_n(&clock_is_fake, __ATOMIC_ACQUIRE))
		return __atomic_add_fetch(&clock_fake_ns, clock_step_ns, __ATOMIC_RELAXED);
	return clock_real();
}

void shim_clock_fake(bool on)
{
	__atomic_store_n(&clock_fake_ns, clock_real(), __ATOMIC_RELAXED);
	__atomic_store_n(&clock_is_fake, on, __ATOMIC_RELEASE);
}

void shim_clock_step(u64 ns)
{
	clock_step_ns = ns;
}

void shim_clock_advance(u64 ns)
{
	__atomic_fetch_add(&clock_fake_ns, ns, __ATOMIC_RELAXED);
}

void usleep_range(unsigned long least, unsigned long most)
{
	struct timespec t = { (time_t)(least / 1000000), (long)(least % 1000000) * 1000 };

	(void)most;
	might_sleep();
	if (__atomic_load_n(&clock_is_fake, __ATOMIC_ACQUIRE)) {
		shim_clock_advance(least * NSEC_PER_USEC);
		t = (struct timespec){ 0, 1000 };
	}
	nanosleep(&t, NULL);
}

void msleep(unsigned int ms)
{
	usleep_range(ms * 1000UL, ms * 1000UL);
}

void cond_resched(void)
{
	might_sleep();
}

/* ---- Locks ----------------------------------------------------------- */

void shim_spin_wait(spinlock_t *lock)
{
	int spin;

	if (shim_is_held(&lock->held))
		shim_warn(__FILE__, __LINE__, "spinlock taken twice");
	for (spin = 0; spin < 200 && spin_is_locked(lock); spin++)
		cpu_relax();
	if (spin_is_locked(lock))
		sched_yield();
}

int init_srcu_struct(struct srcu_struct *s)
{
	memset(s, 0, sizeof(*s));
	mutex_init(&s->lock);
	return 0;
}

void cleanup_srcu_struct(struct srcu_struct *s)
{
	if (atomic_read(&s->readers[0]) || atomic_read(&s->readers[1]))
		shim_warn(__FILE__, __LINE__, "srcu with readers cleaned up");
	mutex_destroy(&s->lock);
}

void synchronize_srcu(struct srcu_struct *s)
{
	const struct timespec a_little = { 0, 20 * NSEC_PER_USEC };
	u32 looks;
	int i;

	might_sleep();
	if (shim_self.srcu)
		shim_warn(__FILE__, __LINE__, "synchronize_srcu() inside a reader");
	mutex_lock(&s->lock);
	for (i = 0; i < 2; i++) {
		int old = (atomic_inc_return(&s->index) - 1) & 1;

		for (looks = 0; atomic_add_return(0, &s->readers[old]); looks++) {
			if (looks < 100)
				sched_yield();
			else
				nanosleep(&a_little, NULL);
		}
	}
	mutex_unlock(&s->lock);
}

/* ---- Memory ---------------------------------------------------------- */

static u64 alloc_count;
static u64 alloc_fail_at;
static int alloc_did_fail;
static void (*alloc_watch)(void);

void shim_watch_allocations(void (*watch)(void))
{
	__atomic_store_n(&alloc_watch, watch, __ATOMIC_RELEASE);
}

void shim_fail_nth(u64 nth)
{
	__atomic_store_n(&alloc_did_fail, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&alloc_count, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&alloc_fail_at, nth, __ATOMIC_RELAXED);
}

static u64 send_fail_left;

void shim_fail_send(u64 nth)
{
	__atomic_store_n(&send_fail_left, nth, __ATOMIC_RELAXED);
}

bool mhca_fail_send(void)
{
	return __atomic_load_n(&send_fail_left, __ATOMIC_RELAXED) &&
	       !__atomic_sub_fetch(&send_fail_left, 1, __ATOMIC_RELAXED);
}

u64 shim_allocations(void)
{
	return __atomic_load_n(&alloc_count, __ATOMIC_RELAXED);
}

bool shim_failed(void)
{
	return __atomic_load_n(&alloc_did_fail, __ATOMIC_RELAXED);
}

void shim_alloc_context(gfp_t flags)
{
	void (*watch)(void) = __atomic_load_n(&alloc_watch, __ATOMIC_ACQUIRE);

	if (!(flags & GFP_KERNEL))
		return;
	might_sleep();
	if (shim_self.srcu)
		shim_warn(__FILE__, __LINE__, "allocation that may wait inside a reader");
	if (watch)
		watch();
}

void *shim_alloc(size_t size, size_t align, gfp_t flags)
{
	u64 n = __atomic_add_fetch(&alloc_count, 1, __ATOMIC_RELAXED);
	void *p;

	shim_alloc_context(flags);
	if (n == __atomic_load_n(&alloc_fail_at, __ATOMIC_RELAXED)) {
		__atomic_store_n(&alloc_did_fail, 1, __ATOMIC_RELAXED);
		return NULL;
	}
	if (size > (1UL << 36))
		return NULL;
	if (!size)
		return ZERO_SIZE_PTR;
	p = align ? aligned_alloc(align, size) :
	    flags & __GFP_ZERO ? calloc(1, size) : malloc(size);
	if (p && align && flags & __GFP_ZERO)
		memset(p, 0, size);
	return p;
}

void shim_free(const void *p)
{
	if (!ZERO_OR_NULL_PTR(p))
		free((void *)p);
}
