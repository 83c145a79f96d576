// SPDX-License-Identifier: GPL-2.0-only
/*
 * An instance with its socket: one client at a time, which finds it as new.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "server.h"

#define MHCAD_ACCEPT_US	10000	/* after one that failed: the process has no file left */

static const struct mhca_vmm_ops mhcad_ops = {
	.pin = mhcad_memory_pin,
	.unpin = mhcad_memory_unpin,
	.read = mhcad_memory_read,
	.write = mhcad_memory_write,
	.raise = mhcad_irq_raise,
	.kick = mhcad_work_kick,
	.unpin_work = mhcad_work_unpin,
	.at_return = mhcad_work_at_return,
	.doorbell = mhcad_region_doorbell,
	.zap = mhcad_region_zap,
	.zap_async = mhcad_region_zap_async,
};

/* ---- A client's time ------------------------------------------------------------- */

/* dev->lock held, work stopped: back to power-on state. */
static void mhcad_device_clear(struct mhcad_device *dev)
{
	lockdep_assert_held(&dev->lock);
	mhca_instance_reset(dev->inst);
	mhcad_config_reset(dev);
	mhcad_irq_forget(dev);
}

/**
 * mhcad_device_reset() - function-level reset
 * @dev: open device, dev->lock held
 */
void mhcad_device_reset(struct mhcad_device *dev)
{
	mhcad_work_stop(dev);
	mhcad_device_clear(dev);
	mhcad_work_start(dev);
}

/**
 * mhcad_device_open() - a client has come
 * @dev: device
 */
void mhcad_device_open(struct mhcad_device *dev)
{
	dev->versed = false;
	WRITE_ONCE(dev->dead, false);
	/* It does not change while somebody is there. */
	dev->trap = dev->inst->policy.value[MHCA_POLICY_DOORBELL] == MHCA_DOORBELL_TRAP;
	mutex_lock(&dev->lock);
	mhcad_device_clear(dev);
	mhcad_work_start(dev);
	mutex_unlock(&dev->lock);
}

/**
 * mhcad_device_close() - it is gone: the instance holds nothing any more
 * @dev: device
 */
void mhcad_device_close(struct mhcad_device *dev)
{
	mutex_lock(&dev->lock);
	mhcad_work_stop(dev);
	mhcad_device_clear(dev);
	mhcad_irq_disable(dev);
	WARN_ON(atomic64_read(&dev->inst->gmem.pinned));
	mutex_unlock(&dev->lock);
	mhcad_memory_clear(dev);
}

/* Why it was woken is looked at next. */
static void mhcad_device_awake(struct mhcad_device *dev)
{
	u64 count;

	while (read(dev->wake_fd, &count, sizeof(count)) == sizeof(count))
		;
}

enum { MHCAD_POLL_CLIENT, MHCAD_POLL_LISTEN, MHCAD_POLL_WAKE, MHCAD_POLLS };

/* -1: nobody. Where that is not because nobody is there, it does not ask again at once. */
static int mhcad_device_accept(struct mhcad_device *dev)
{
	int fd = accept4(dev->listen_fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0 && errno != EAGAIN)
		usleep(MHCAD_ACCEPT_US);
	return fd;
}

/* Until there is a message. false: the client is to go. */
static bool mhcad_device_wait(struct mhcad_device *dev, int fd)
{
	struct pollfd fds[MHCAD_POLLS] = {
		[MHCAD_POLL_CLIENT] = { .fd = fd, .events = POLLIN },
		[MHCAD_POLL_LISTEN] = { .fd = dev->listen_fd, .events = POLLIN },
		[MHCAD_POLL_WAKE] = { .fd = dev->wake_fd, .events = POLLIN },
	};
	int other;

	for (;;) {
		if (READ_ONCE(dev->stop) || READ_ONCE(dev->dead))
			return false;
		if (poll(fds, MHCAD_POLLS, -1) < 0 && errno != EINTR)
			return false;
		if (fds[MHCAD_POLL_LISTEN].revents) {
			other = mhcad_device_accept(dev);
			if (other >= 0) {
				close(other);
				mhcad_log(dev, "a second client was turned away\n");
			}
		}
		if (fds[MHCAD_POLL_WAKE].revents) {
			mhcad_device_awake(dev);
			continue;
		}
		if (fds[MHCAD_POLL_CLIENT].revents)
			return true;
	}
}

/* One message. A negative errno: the client is to go. */
static int mhcad_device_message(struct mhcad_device *dev, int fd)
{
	int ret = mhcad_message_receive(fd, &dev->msg);
	bool silent = dev->msg.header.flags & VFIO_USER_NO_REPLY;

	if (ret) {
		mhcad_message_close(&dev->msg);
		return ret;
	}
	ret = mhcad_client_message(dev);
	if (silent)
		return 0;
	return mhcad_message_reply(fd, &dev->msg, ret, &dev->reply);
}

static void mhcad_device_set_client(struct mhcad_device *dev, int fd)
{
	pthread_mutex_lock(&dev->client_lock);
	dev->client_fd = fd;
	pthread_mutex_unlock(&dev->client_lock);
}

/**
 * mhcad_device_has_client() - is there one?
 * @dev: device
 *
 * Return: there was, when it was looked.
 */
bool mhcad_device_has_client(struct mhcad_device *dev)
{
	bool has;

	pthread_mutex_lock(&dev->client_lock);
	has = dev->client_fd >= 0;
	pthread_mutex_unlock(&dev->client_lock);
	return has;
}

/**
 * mhcad_device_serve() - serve a client until it goes
 * @dev: device; its thread
 * @fd: its socket, closed on return
 */
void mhcad_device_serve(struct mhcad_device *dev, int fd)
{
	int ret = 0;

	mhcad_device_set_client(dev, fd);
	mhcad_device_open(dev);
	while (!ret && mhcad_device_wait(dev, fd))
		ret = mhcad_device_message(dev, fd);
	if (READ_ONCE(dev->dead))
		mhcad_log(dev, "guest memory has gone under it: its client is cut off\n");
	else if (ret && ret != -ECONNRESET && ret != -EPIPE)
		mhcad_log(dev, "its client is cut off: %s\n", strerror(-ret));
	/* First: what it waits for it gets no more. */
	shutdown(fd, SHUT_RDWR);
	mhcad_device_close(dev);
	mhcad_device_set_client(dev, -1);
	close(fd);
}

/* ---- The socket ----------------------------------------------------------------------- */

static void *mhcad_device_loop(void *arg)
{
	struct mhcad_device *dev = arg;
	struct pollfd fds[] = {
		{ .fd = dev->listen_fd, .events = POLLIN },
		{ .fd = dev->wake_fd, .events = POLLIN },
	};
	int fd;

	while (!READ_ONCE(dev->stop)) {
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0)
			continue;
		/* Of a client that has died; @stop is looked at anyway. */
		mhcad_device_awake(dev);
		fd = mhcad_device_accept(dev);
		if (fd < 0)
			continue;
		mhcad_log(dev, "a client has come\n");
		mhcad_device_serve(dev, fd);
		mhcad_log(dev, "its client is gone\n");
	}
	return NULL;
}

/**
 * mhcad_listen() - a socket in the file system
 * @path: where; one that nobody listens on any more is in the way and goes
 * @type: SOCK_STREAM or SOCK_SEQPACKET
 *
 * Return: the socket, or a negative errno.
 */
int mhcad_listen(const char *path, int type)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int ret;

	if (fd < 0)
		return -errno;
	strscpy(addr.sun_path, path, sizeof(addr.sun_path));
	if (!connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		close(fd);
		return -EADDRINUSE;
	}
	if (errno == ECONNREFUSED)
		unlink(path);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 4)) {
		ret = -errno;
		close(fd);
		return ret;
	}
	return fd;
}

/**
 * mhcad_device_start() - listen, and serve who comes
 * @dev: device
 *
 * Return: 0 or a negative errno.
 */
int mhcad_device_start(struct mhcad_device *dev)
{
	int ret;

	dev->listen_fd = mhcad_listen(dev->conf->socket, SOCK_STREAM);
	if (dev->listen_fd < 0)
		return dev->listen_fd;
	ret = pthread_create(&dev->thread, NULL, mhcad_device_loop, dev);
	if (ret) {
		close(dev->listen_fd);
		dev->listen_fd = -1;
		return -ret;
	}
	pthread_setname_np(dev->thread, "mhca-client");
	return 0;
}

/* ---- Life ---------------------------------------------------------------------------- */

/* The core's part, with type and policy. */
static int mhcad_instance_make(struct mhcad_device *dev, struct mhca_hca *hca)
{
	const struct mhcad_instance_config *conf = dev->conf;
	char reason[MHCA_REASON_MAX] = "";
	struct mhca_identity id = { };
	struct mhca_policy policy;
	u8 uuid[MHCA_UUID_BYTES];
	int ret;

	ret = mhcad_uuid_parse(conf->uuid, uuid);
	if (ret)
		return ret;
	mhca_identity_from_uuid(&id, uuid);
	strscpy(id.name, conf->uuid, sizeof(id.name));
	mhca_policy_default(&policy, &id);
	mhca_type_policy(conf->type, &policy);
	if (conf->policy[0]) {
		ret = mhca_policy_from_json(&policy, conf->policy, reason);
		if (ret) {
			mhcad_log(dev, "policy: %s\n", reason);
			return ret;
		}
	}
	dev->inst = mhca_instance_create(hca, conf->type->personality, &id, &mhcad_ops, dev);
	if (IS_ERR(dev->inst)) {
		ret = (int)PTR_ERR(dev->inst);
		dev->inst = NULL;
		return ret;
	}
	mhca_policy_apply(dev->inst, &policy);
	return 0;
}

/**
 * mhcad_device_create() - an instance without a socket yet
 * @hca: HCA
 * @conf: what it is to be; stays the caller's
 *
 * Return: the device, or an ERR_PTR().
 */
struct mhcad_device *mhcad_device_create(struct mhca_hca *hca,
					 const struct mhcad_instance_config *conf)
{
	struct mhcad_device *dev = calloc(1, sizeof(*dev));
	int ret;

	if (!dev)
		return ERR_PTR(-ENOMEM);
	dev->conf = conf;
	ratelimit_state_init(&dev->messages, DEFAULT_RATELIMIT_INTERVAL,
			     DEFAULT_RATELIMIT_BURST);
	dev->bar_fd = -1;
	dev->listen_fd = -1;
	mutex_init(&dev->lock);
	mutex_init(&dev->map_lock);
	dev->client_fd = -1;
	pthread_mutex_init(&dev->client_lock, NULL);
	mhcad_irq_init(dev);
	dev->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ret = dev->wake_fd < 0 ? -errno : mhcad_memory_init(dev);
	if (!ret)
		ret = mhcad_region_init(dev);
	if (!ret)
		ret = mhcad_instance_make(dev, hca);
	if (!ret)
		ret = mhcad_work_init(dev);
	if (!ret) {
		mutex_lock(&dev->lock);
		mhcad_config_reset(dev);
		mutex_unlock(&dev->lock);
		return dev;
	}
	if (dev->inst)
		mhca_instance_destroy(dev->inst);
	mhcad_region_fini(dev);
	mhcad_memory_fini(dev);
	if (dev->wake_fd >= 0)
		close(dev->wake_fd);
	free(dev);
	return ERR_PTR(ret);
}

/**
 * mhcad_device_destroy() - cut off its client, and be gone
 * @dev: device
 */
void mhcad_device_destroy(struct mhcad_device *dev)
{
	u64 one = 1;

	WRITE_ONCE(dev->stop, true);
	pthread_mutex_lock(&dev->client_lock);
	if (dev->client_fd >= 0)
		shutdown(dev->client_fd, SHUT_RDWR);
	pthread_mutex_unlock(&dev->client_lock);
	if (dev->listen_fd >= 0) {
		if (write(dev->wake_fd, &one, sizeof(one)) < 0)
			one = 0;	/* It is awake. */
		pthread_join(dev->thread, NULL);
		close(dev->listen_fd);
		unlink(dev->conf->socket);
	}
	mhcad_work_fini(dev);
	mhca_instance_destroy(dev->inst);
	mhcad_region_fini(dev);
	mhcad_memory_fini(dev);
	close(dev->wake_fd);
	mutex_destroy(&dev->lock);
	mutex_destroy(&dev->map_lock);
	free(dev);
}
