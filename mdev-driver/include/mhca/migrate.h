/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Migration as the front end sees it: what of an instance runs, its image as a stream on
 * the source's side, and the same on the target's. prm/ implements it, the front end has
 * the states of VFIO, files and their locks.
 *
 * The calls for one instance are serialised by the front end, with each other and with
 * mhca_instance_reset() and mhca_instance_set_master(). All may sleep.
 */
#ifndef MHCA_MIGRATE_H
#define MHCA_MIGRATE_H

#include <mhca/prm.h>

/*
 * mhca_instance_run() - have an instance run, or stop it in two steps
 *
 * Any state to any other (enum mhca_run is in prm.h). Each step sleeps for a bounded time
 * and is undone by the opposite one: what waited goes on as if nothing had been. A reset
 * does not change it.
 *
 * Of an instance that was loaded: when it leaves MHCA_RUN_NONE for the first time it takes
 * its image's identity (LID, GUIDs, MAC) over from the source. If that is an instance of
 * this host, their policies exchange the addresses; nobody changes either meanwhile.
 *
 * 0; -EINTR: the caller was killed while a command was under way, the state is the new one
 * all the same; -EADDRINUSE: another instance has the identity, the state is the old one.
 */
int mhca_instance_run(struct mhca_instance *inst, enum mhca_run run);
/* Who a loaded instance becomes when it first runs; NULL: it stays who it is. */
const struct mhca_identity *mhca_instance_becomes(const struct mhca_instance *inst);

/* ---- The source ----------------------------------------------------------------- */

struct mhca_save;

/*
 * A stream: header and what can be checked early are readable at once. An ERR_PTR() or
 * the stream. PRE_COPY, or STOP_COPY.
 */
struct mhca_save *mhca_save_begin(struct mhca_instance *inst);
/*
 * MHCA_RUN_NONE was reached: the rest becomes readable. 0; -EBUSY: it is not at
 * MHCA_RUN_NONE; -EOPNOTSUPP: it has something that cannot be saved, the log says what;
 * -ENOMEM.
 */
int mhca_save_stop(struct mhca_save *save);
/* How many bytes were read; 0: the end; -ENOMSG: nothing now, more after mhca_save_stop(). */
ssize_t mhca_save_read(struct mhca_save *save, void *buf, size_t len);
/*
 * Bytes that were not read yet of the early part; that were changed since (none: they are
 * in the last part); estimate of what mhca_save_stop() is going to add, or what is left of it.
 */
void mhca_save_sizes(struct mhca_save *save, u64 *initial, u64 *dirty, u64 *stop);
/* Bytes of a whole image now; in any state of the instance. */
u64 mhca_save_estimate(struct mhca_instance *inst);
/* Frees the stream; the instance is not touched. */
void mhca_save_end(struct mhca_save *save);

/* ---- The target ----------------------------------------------------------------- */

struct mhca_load;

/* @inst was reset and is at MHCA_RUN_NONE. A stream, or an ERR_PTR(). */
struct mhca_load *mhca_load_begin(struct mhca_instance *inst);
/*
 * The next bytes, which may come from anybody: pieces of any size. They are checked, pinned
 * and built as far as they go. @len, or -EINVAL, -ENOMEM, -EOPNOTSUPP…: mhca_load_why()
 * tells what was wrong, nothing more is taken, and the instance has to be reset.
 */
ssize_t mhca_load_write(struct mhca_load *load, const void *buf, size_t len);
/* The stream is complete: 0, everything is there; otherwise as mhca_load_write(). */
int mhca_load_finish(struct mhca_load *load);
/* Why it failed, a line for the log; "": it did not. */
const char *mhca_load_why(const struct mhca_load *load);
void mhca_load_end(struct mhca_load *load);

#endif /* MHCA_MIGRATE_H */
