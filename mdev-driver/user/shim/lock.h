/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Locks that know their owner, so that lockdep_assert_held() is a real check,
 * double locking and unlocking by a stranger abort, and sleeping while a
 * spinlock is held is found.
 */
#ifndef MHCA_SHIM_LOCK_H
#define MHCA_SHIM_LOCK_H

#include <pthread.h>
#include <shim/atomic.h>
#include <shim/core.h>

struct shim_lock {
	const void *owner;	/* &shim_self of the holder */
};

typedef struct {
	struct shim_lock held;
	int locked;
} spinlock_t;

struct mutex {
	struct shim_lock held;
	pthread_mutex_t mutex;
};

/* One per thread: its address names it, its members say what it holds. */
struct shim_thread {
	int atomic;		/* spinlocks and RCU sections */
	int srcu;		/* SRCU sections */
};

extern __thread struct shim_thread shim_self;

/* Its address names the running task, and nothing more. */
extern __thread char current[1];

static inline bool shim_is_held(const struct shim_lock *lock)
{
	return __atomic_load_n(&lock->owner, __ATOMIC_RELAXED) == &shim_self;
}

#define lockdep_assert_held(l)							\
	do {									\
		if (unlikely(!shim_is_held(&(l)->held)))			\
			shim_warn(__FILE__, __LINE__, "%s is not held", #l);	\
	} while (0)
#define lockdep_assert_not_held(l)						\
	do {									\
		if (unlikely(shim_is_held(&(l)->held)))				\
			shim_warn(__FILE__, __LINE__, "%s is held", #l);	\
	} while (0)
#define lockdep_is_held(l)		shim_is_held(&(l)->held)
#define lockdep_assert(cond)		((void)WARN_ON(!(cond)))
#define lockdep_assert_once(cond)	lockdep_assert(cond)

static inline void might_sleep(void)
{
	if (unlikely(shim_self.atomic))
		shim_warn(__FILE__, __LINE__, "sleeping inside a spinlock or RCU section");
}

#define might_sleep_if(cond)	do { if (cond) might_sleep(); } while (0)

/* ---- Spinlocks ------------------------------------------------------- */

#define __SPIN_LOCK_UNLOCKED(name) { { NULL }, 0 }
#define DEFINE_SPINLOCK(name)	spinlock_t name = __SPIN_LOCK_UNLOCKED(name)
#define spin_lock_init(l)	(*(l) = (spinlock_t){ { NULL }, 0 })

void shim_spin_wait(spinlock_t *lock);

static inline bool spin_trylock(spinlock_t *lock)
{
	if (__atomic_exchange_n(&lock->locked, 1, __ATOMIC_ACQUIRE))
		return false;
	__atomic_store_n(&lock->held.owner, &shim_self, __ATOMIC_RELAXED);
	shim_self.atomic++;
	return true;
}

static inline void spin_lock(spinlock_t *lock)
{
	while (unlikely(!spin_trylock(lock)))
		shim_spin_wait(lock);
}

static inline void spin_unlock(spinlock_t *lock)
{
	lockdep_assert_held(lock);
	__atomic_store_n(&lock->held.owner, NULL, __ATOMIC_RELAXED);
	shim_self.atomic--;
	__atomic_store_n(&lock->locked, 0, __ATOMIC_RELEASE);
}

#define spin_is_locked(l)		(__atomic_load_n(&(l)->locked, __ATOMIC_RELAXED) != 0)
#define spin_lock_nested(l, class)	spin_lock(l)
#define spin_lock_irqsave(l, flags)	do { (flags) = 0; spin_lock(l); } while (0)
#define spin_unlock_irqrestore(l, flags) do { (void)(flags); spin_unlock(l); } while (0)
#define spin_lock_irq(l)		spin_lock(l)
#define spin_unlock_irq(l)		spin_unlock(l)
#define spin_lock_bh(l)			spin_lock(l)
#define spin_unlock_bh(l)		spin_unlock(l)
#define assert_spin_locked(l)		lockdep_assert_held(l)

/* ---- Mutexes --------------------------------------------------------- */

#define DEFINE_MUTEX(name) \
	struct mutex name = { { NULL }, PTHREAD_MUTEX_INITIALIZER }

static inline void mutex_init(struct mutex *m)
{
	m->held.owner = NULL;
	pthread_mutex_init(&m->mutex, NULL);
}

static inline void mutex_destroy(struct mutex *m)
{
	if (m->held.owner)
		shim_warn(__FILE__, __LINE__, "mutex destroyed while held");
	pthread_mutex_destroy(&m->mutex);
}

static inline void mutex_lock(struct mutex *m)
{
	might_sleep();
	lockdep_assert_not_held(m);
	pthread_mutex_lock(&m->mutex);
	__atomic_store_n(&m->held.owner, &shim_self, __ATOMIC_RELAXED);
}

static inline bool mutex_trylock(struct mutex *m)
{
	if (pthread_mutex_trylock(&m->mutex))
		return false;
	__atomic_store_n(&m->held.owner, &shim_self, __ATOMIC_RELAXED);
	return true;
}

static inline void mutex_unlock(struct mutex *m)
{
	lockdep_assert_held(m);
	__atomic_store_n(&m->held.owner, NULL, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&m->mutex);
}

#define mutex_lock_nested(m, class)	mutex_lock(m)
#define mutex_lock_interruptible(m)	(mutex_lock(m), 0)
#define mutex_lock_killable(m)		(mutex_lock(m), 0)
#define mutex_is_locked(m)		(__atomic_load_n(&(m)->held.owner, __ATOMIC_RELAXED) != NULL)
#define SINGLE_DEPTH_NESTING		1

/* ---- SRCU and RCU ---------------------------------------------------- */

/* Two counters, one for new readers; a grace period flips them twice. */
struct srcu_struct {
	atomic_t readers[2];
	atomic_t index;
	struct mutex lock;
};

int init_srcu_struct(struct srcu_struct *s);
void cleanup_srcu_struct(struct srcu_struct *s);
void synchronize_srcu(struct srcu_struct *s);
#define synchronize_srcu_expedited(s)	synchronize_srcu(s)

static inline int srcu_read_lock(struct srcu_struct *s)
{
	int index = atomic_read(&s->index) & 1;

	atomic_inc_return(&s->readers[index]);
	shim_self.srcu++;
	return index;
}

static inline void srcu_read_unlock(struct srcu_struct *s, int index)
{
	shim_self.srcu--;
	atomic_dec_return(&s->readers[index]);
}

static inline bool srcu_read_lock_held(const struct srcu_struct *s)
{
	(void)s;
	return shim_self.srcu > 0;
}

/* liburcu's, but for ThreadSanitizer, which does not know it (rcu.c). */
void shim_rcu_enter(void);
void shim_rcu_leave(void);

static inline void rcu_read_lock(void)
{
	shim_self.atomic++;
	shim_rcu_enter();
}

static inline void rcu_read_unlock(void)
{
	shim_rcu_leave();
	shim_self.atomic--;
}

/**
 * struct shim_rcu - part of what is freed when no reader has it any more
 * @space: the library's
 */
struct shim_rcu {
	void *space[2];
};

/* @free is called with @rcu later, in a thread of its own. Any context. */
void shim_rcu_later(struct shim_rcu *rcu, void (*free)(struct shim_rcu *rcu));
/* Waits for all readers that there are. */
void synchronize_rcu(void);

#define preempt_disable()	((void)shim_self.atomic++)
#define preempt_enable()	((void)shim_self.atomic--)

#endif /* MHCA_SHIM_LOCK_H */
