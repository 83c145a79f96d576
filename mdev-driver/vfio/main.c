// SPDX-License-Identifier: GPL-2.0-only
/*
 * Module, HCA registration and the mdev side: types, creation, removal.
 *
 * A backend module registers an HCA; it appears as /sys/class/mdev_bus/mhcaN
 * with its types. Writing a UUID to a type's "create" makes an instance.
 */
#include <linux/idr.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/slab.h>

#include <mhca/policy.h>

#include "frontend.h"

#define MHCA_CLASS_INFINIBAND	0x020700
#define MHCA_CLASS_ETHERNET	0x020000

static uint memory_mb;
module_param(memory_mb, uint, 0644);
MODULE_PARM_DESC(memory_mb,
		 "MiB that all instances together may be allowed to pin, 0: no bound (0)");

/*
 * Sizes: what an instance of a type starts with; 0: the table of prm/policy.c says
 * it. The attributes of an instance can change all of it.
 */
enum mhca_size { MHCA_SMALL, MHCA_MEDIUM, MHCA_LARGE };

static const u32 mhca_sizes[][MHCA_POLICIES] = {
	[MHCA_SMALL] = {
		[MHCA_POLICY_MAX_QP] = 256,
		[MHCA_POLICY_MAX_CQ] = 256,
		[MHCA_POLICY_MAX_SRQ] = 64,
		[MHCA_POLICY_MAX_MKEY] = 4096,
		[MHCA_POLICY_MAX_PD] = 64,
		[MHCA_POLICY_MAX_PINNED_MB] = 1024,
		[MHCA_POLICY_MAX_MR_MB] = 1024,
		[MHCA_POLICY_WEIGHT] = 100,
	},
	[MHCA_MEDIUM] = {
		[MHCA_POLICY_MAX_QP] = 4096,
		[MHCA_POLICY_MAX_CQ] = 4096,
		[MHCA_POLICY_MAX_SRQ] = 1024,
		[MHCA_POLICY_MAX_MKEY] = 65536,
		[MHCA_POLICY_MAX_PD] = 1024,
		[MHCA_POLICY_MAX_PINNED_MB] = 8192,
		[MHCA_POLICY_MAX_MR_MB] = 8192,
		[MHCA_POLICY_WEIGHT] = 200,
	},
	[MHCA_LARGE] = {
		[MHCA_POLICY_WEIGHT] = 400,
	},
};

/* One personality in all sizes. */
#define MHCA_TYPES(_name, _port, _personality, _class)				\
	MHCA_TYPE(_name "-small", _port " small", _port, _personality, _class, MHCA_SMALL), \
	MHCA_TYPE(_name "-medium", _port " medium", _port, _personality, _class, MHCA_MEDIUM), \
	MHCA_TYPE(_name "-large", _port " large", _port, _personality, _class, MHCA_LARGE)
#define MHCA_TYPE(_name, _pretty, _port, _personality, _class, _size) {		\
		.name = _name,							\
		.pretty = "mHCA " _pretty,					\
		.port = _port,							\
		.personality = _personality,					\
		.class = _class,						\
		.size = mhca_sizes[_size],					\
	}

static const struct mhca_type_desc mhca_types[] = {
	MHCA_TYPES("ib", "InfiniBand", MHCA_IB, MHCA_CLASS_INFINIBAND),
	MHCA_TYPES("roce", "RoCE", MHCA_ROCE, MHCA_CLASS_ETHERNET),
};

/* Protects mhca_instances and every parent's count of instances. */
static DEFINE_MUTEX(mhca_instances_mutex);
static LIST_HEAD(mhca_instances);
static DEFINE_IDA(mhca_parent_ida);

static struct class mhca_class = {
	.name = "mhca",
};

static struct mhca_parent *mhca_parent_of(struct mdev_type *mtype)
{
	return container_of(mtype->parent, struct mhca_parent, mdev);
}

static const struct mhca_type_desc *mhca_type_desc(struct mdev_type *mtype)
{
	return container_of(mtype, struct mhca_type, mtype)->desc;
}

/* ---- Instances -------------------------------------------------------- */

/**
 * mhca_instances_lock() - no instance comes, goes or changes its policy
 */
void mhca_instances_lock(void)
{
	mutex_lock(&mhca_instances_mutex);
}

/**
 * mhca_instances_unlock() - the opposite
 */
void mhca_instances_unlock(void)
{
	mutex_unlock(&mhca_instances_mutex);
}

/* MiB that other instances than @v may pin. */
static u64 mhca_memory_promised(const struct mhca_vdev *v)
{
	const struct mhca_vdev *other;
	u64 sum = 0;

	lockdep_assert_held(&mhca_instances_mutex);
	list_for_each_entry(other, &mhca_instances, node)
		if (other != v)
			sum += mhca_policy_view(&other->inst->policy,
						MHCA_POLICY_MAX_PINNED_MB).clamped;
	return sum;
}

/* The addresses of @policy that @other has; NULL: none. */
static const char *mhca_same_address(const struct mhca_vdev *other,
				     const struct mhca_policy *policy)
{
	static const enum mhca_policy_id ids[] = {
		MHCA_POLICY_MAC, MHCA_POLICY_NODE_GUID, MHCA_POLICY_PORT_GUID,
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(ids); i++)
		if (other->inst->policy.value[ids[i]] == policy->value[ids[i]])
			return mhca_policy_rows[ids[i]].name;
	return NULL;
}

/**
 * mhca_instance_fits() - does a policy fit beside the other instances?
 * @v: whose policy it is to be
 * @policy: checked for itself
 * @reason: of MHCA_REASON_MAX bytes, filled when it does not
 *
 * Under mhca_instances_lock(). Return: 0; -EEXIST: somebody has its addresses;
 * -ENOSPC: the host has not so much to give.
 */
int mhca_instance_fits(const struct mhca_vdev *v, const struct mhca_policy *policy,
		       char *reason)
{
	u64 wanted = mhca_policy_view(policy, MHCA_POLICY_MAX_PINNED_MB).clamped;
	u64 promised = mhca_memory_promised(v);
	const struct mhca_vdev *other;
	const char *name;

	list_for_each_entry(other, &mhca_instances, node) {
		name = other == v ? NULL : mhca_same_address(other, policy);
		if (!name)
			continue;
		scnprintf(reason, MHCA_REASON_MAX, "%s is that of %s", name,
			  other->inst->id.name);
		return -EEXIST;
	}
	if (memory_mb && promised + wanted > memory_mb) {
		scnprintf(reason, MHCA_REASON_MAX,
			  "max_pinned_mb of %llu MiB: %llu of the %u MiB of memory_mb are taken",
			  wanted, promised, memory_mb);
		return -ENOSPC;
	}
	return 0;
}

/* What the type says, over what the table says. */
static void mhca_type_policy(const struct mhca_type_desc *desc, struct mhca_policy *policy)
{
	int i;

	for (i = 0; i < MHCA_POLICIES; i++)
		if (desc->size[i])
			policy->value[i] = desc->size[i];
}

/* The core's half, with the type's policy. Under mhca_instances_lock(). */
static int mhca_instance_make(struct mhca_vdev *v, const struct mhca_identity *id, char *reason)
{
	struct mhca_policy *policy;
	int ret;

	v->inst = mhca_instance_create(v->parent->hca, v->desc->personality, id,
				       &mhca_frontend_ops, v);
	if (IS_ERR(v->inst)) {
		scnprintf(reason, MHCA_REASON_MAX, "the backend has no room (%ld)",
			  PTR_ERR(v->inst));
		return PTR_ERR(v->inst);
	}
	policy = kmemdup(&v->inst->policy, sizeof(*policy), GFP_KERNEL);
	ret = policy ? 0 : -ENOMEM;
	if (!ret) {
		mhca_type_policy(v->desc, policy);
		ret = mhca_instance_fits(v, policy, reason);
	}
	if (ret)
		mhca_instance_destroy(v->inst);
	else
		mhca_policy_apply(v->inst, policy);
	kfree(policy);
	return ret;
}

/* Room for one more, and nobody has its addresses? Then it is on the list. */
static int mhca_instance_claim(struct mhca_vdev *v, const struct mhca_identity *id)
{
	char reason[MHCA_REASON_MAX] = "the host is out of memory";
	struct mhca_parent *parent = v->parent;
	int ret;

	mhca_instances_lock();
	if (parent->instances >= parent->hca->max_instances) {
		scnprintf(reason, sizeof(reason), "all %u instances are in use",
			  parent->hca->max_instances);
		ret = -ENOSPC;
	} else {
		ret = mhca_instance_make(v, id, reason);
	}
	if (!ret) {
		parent->instances++;
		list_add_tail(&v->node, &mhca_instances);
	}
	mhca_instances_unlock();
	if (ret)
		dev_notice(&parent->dev, "cannot create %s: %s\n", id->name, reason);
	return ret;
}

static void mhca_instance_disclaim(struct mhca_vdev *v)
{
	mhca_instances_lock();
	list_del(&v->node);
	v->parent->instances--;
	mhca_instance_destroy(v->inst);
	mhca_instances_unlock();
}

static int mhca_mdev_probe(struct mdev_device *mdev)
{
	struct mhca_identity id = { };
	struct mhca_vdev *v;
	int ret;

	v = vfio_alloc_device(mhca_vdev, vdev, &mdev->dev, &mhca_device_ops);
	if (IS_ERR(v))
		return PTR_ERR(v);
	v->parent = mhca_parent_of(mdev->type);
	v->desc = mhca_type_desc(mdev->type);
	mhca_identity_from_uuid(&id, &mdev->uuid);

	ret = mhca_work_init(v);
	if (ret)
		goto err_put;
	ret = mhca_instance_claim(v, &id);
	if (ret)
		goto err_work;
	mutex_lock(&v->lock);
	mhca_config_reset(v);
	mutex_unlock(&v->lock);
	dev_set_drvdata(&mdev->dev, v);
	ret = vfio_register_emulated_iommu_dev(&v->vdev);
	if (ret)
		goto err_instance;
	mhca_debugfs_add(v);
	return 0;

err_instance:
	mhca_instance_disclaim(v);
err_work:
	mhca_work_fini(v);
err_put:
	vfio_put_device(&v->vdev);
	return ret;
}

/* Waits until the device is closed, asking its user again and again. */
static void mhca_mdev_remove(struct mdev_device *mdev)
{
	struct mhca_vdev *v = dev_get_drvdata(&mdev->dev);

	vfio_unregister_group_dev(&v->vdev);
	mhca_debugfs_remove(v);
	mhca_work_fini(v);
	mhca_instance_disclaim(v);
	vfio_put_device(&v->vdev);
}

/* A number of the size, or the table's. */
static u32 mhca_type_value(const struct mhca_type_desc *desc, enum mhca_policy_id id)
{
	return desc->size[id] ?: mhca_policy_rows[id].fallback;
}

/* How many more of this type: the HCA's room, and the memory that each is promised. */
static unsigned int mhca_mdev_available(struct mdev_type *mtype)
{
	struct mhca_parent *parent = mhca_parent_of(mtype);
	unsigned int available;
	u64 promised;
	u32 each;

	mhca_instances_lock();
	available = parent->hca->max_instances - parent->instances;
	promised = mhca_memory_promised(NULL);
	mhca_instances_unlock();
	if (!memory_mb)
		return available;
	each = mhca_type_value(mhca_type_desc(mtype), MHCA_POLICY_MAX_PINNED_MB);
	if (promised >= memory_mb)
		return 0;
	return min_t(u64, available, div_u64(memory_mb - promised, each));
}

static ssize_t mhca_mdev_description(struct mdev_type *mtype, char *buf)
{
	const struct mhca_type_desc *desc = mhca_type_desc(mtype);

	return sysfs_emit(buf, "mlx5 virtual function, %s port; %u QPs, %u MiB pinned, weight %u\n",
			  desc->port, mhca_type_value(desc, MHCA_POLICY_MAX_QP),
			  mhca_type_value(desc, MHCA_POLICY_MAX_PINNED_MB),
			  mhca_type_value(desc, MHCA_POLICY_WEIGHT));
}

static struct mdev_driver mhca_mdev_driver = {
	.device_api = VFIO_DEVICE_API_PCI_STRING,
	.probe = mhca_mdev_probe,
	.remove = mhca_mdev_remove,
	.get_available = mhca_mdev_available,
	.show_description = mhca_mdev_description,
	.driver = {
		.name = "mhca",
		.owner = THIS_MODULE,
		.mod_name = KBUILD_MODNAME,
		.dev_groups = mhca_instance_groups,
	},
};

/* ---- HCAs ------------------------------------------------------------- */

/*
 * The device of the instance that is named dies. It is an attribute of the HCA: while
 * the kernel waits for a user to let go of an instance, that one's files are gone.
 */
static ssize_t revoke_store(struct device *dev, struct device_attribute *attr,
			    const char *buf, size_t count)
{
	struct mhca_vdev *v;
	int ret = -ENOENT;

	mhca_instances_lock();
	list_for_each_entry(v, &mhca_instances, node) {
		if (v->parent->mdev.dev != dev || !sysfs_streq(buf, v->inst->id.name))
			continue;
		ret = mhca_device_revoke(v) ? 0 : -ENODEV;
		break;
	}
	mhca_instances_unlock();
	return ret ?: count;
}
static DEVICE_ATTR_WO(revoke);

static void mhca_parent_release(struct device *dev)
{
	struct mhca_parent *parent = container_of(dev, struct mhca_parent, dev);

	if (parent->index >= 0)
		ida_free(&mhca_parent_ida, parent->index);
	kfree(parent->types);
	kfree(parent->type_list);
	kfree(parent);
}

/* The table's types that the HCA offers; the device is initialized but not added. */
static int mhca_parent_fill(struct mhca_parent *parent)
{
	u32 i, n = 0;

	parent->types = kcalloc(ARRAY_SIZE(mhca_types), sizeof(*parent->types), GFP_KERNEL);
	parent->type_list = kcalloc(ARRAY_SIZE(mhca_types), sizeof(*parent->type_list),
				    GFP_KERNEL);
	if (!parent->types || !parent->type_list)
		return -ENOMEM;
	for (i = 0; i < ARRAY_SIZE(mhca_types); i++) {
		if (!(parent->hca->personalities & BIT(mhca_types[i].personality)))
			continue;
		parent->types[n].desc = &mhca_types[i];
		parent->types[n].mtype.sysfs_name = mhca_types[i].name;
		parent->types[n].mtype.pretty_name = mhca_types[i].pretty;
		parent->type_list[n] = &parent->types[n].mtype;
		n++;
	}
	parent->n_types = n;
	parent->index = ida_alloc(&mhca_parent_ida, GFP_KERNEL);
	if (parent->index < 0)
		return parent->index;
	return dev_set_name(&parent->dev, "mhca%d", parent->index);
}

/**
 * mhca_hca_register() - make an HCA available as a parent of instances
 * @hca: HCA
 * @owner: its module; kept while an instance is open
 * @device: what the instances' parent is, with a driver of ours; NULL: a device of
 *          class mhca
 *
 * Return: 0 or a negative errno.
 */
int mhca_hca_register(struct mhca_hca *hca, struct module *owner, struct device *device)
{
	struct mhca_parent *parent;
	int ret;

	parent = kzalloc(sizeof(*parent), GFP_KERNEL);
	if (!parent)
		return -ENOMEM;
	parent->hca = hca;
	parent->owner = owner;
	parent->index = -1;
	device_initialize(&parent->dev);
	parent->dev.class = &mhca_class;
	parent->dev.parent = device;
	parent->dev.release = mhca_parent_release;
	ret = mhca_parent_fill(parent);
	if (ret)
		goto err_put;
	ret = device_add(&parent->dev);
	if (ret)
		goto err_put;
	hca->frontend = parent;
	device = device ?: &parent->dev;
	ret = device_create_file(device, &dev_attr_revoke);
	if (ret)
		goto err_del;
	ret = mdev_register_parent(&parent->mdev, device, &mhca_mdev_driver,
				   parent->type_list, parent->n_types);
	if (ret)
		goto err_file;
	dev_info(&parent->dev, "%s HCA, %u instances\n", hca->ops->name, hca->max_instances);
	return 0;

err_file:
	device_remove_file(device, &dev_attr_revoke);
err_del:
	hca->frontend = NULL;
	device_del(&parent->dev);
err_put:
	put_device(&parent->dev);
	return ret;
}
EXPORT_SYMBOL_GPL(mhca_hca_register);

/**
 * mhca_hca_unregister() - remove an HCA and all its instances
 * @hca: HCA
 *
 * Waits until every instance is closed.
 */
void mhca_hca_unregister(struct mhca_hca *hca)
{
	struct mhca_parent *parent = hca->frontend;
	struct device *device = parent->mdev.dev;

	mdev_unregister_parent(&parent->mdev);
	device_remove_file(device, &dev_attr_revoke);
	hca->frontend = NULL;
	device_unregister(&parent->dev);
}
EXPORT_SYMBOL_GPL(mhca_hca_unregister);

/* ---- Module ----------------------------------------------------------- */

static int __init mhca_init(void)
{
	int ret;

	mhca_policy_files_init();
	ret = class_register(&mhca_class);
	if (ret)
		return ret;
	mhca_debugfs_init();
	ret = mdev_register_driver(&mhca_mdev_driver);
	if (ret) {
		mhca_debugfs_exit();
		class_unregister(&mhca_class);
	}
	return ret;
}

static void __exit mhca_exit(void)
{
	mdev_unregister_driver(&mhca_mdev_driver);
	mhca_debugfs_exit();
	class_unregister(&mhca_class);
	ida_destroy(&mhca_parent_ida);
	/* Eventfds are put by call_rcu(). */
	rcu_barrier();
}

module_init(mhca_init);
module_exit(mhca_exit);

MODULE_DESCRIPTION("mHCA: mediated RDMA adapters for virtual machines");
MODULE_AUTHOR("mHCA developers");
MODULE_LICENSE("GPL");
