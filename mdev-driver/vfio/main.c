// SPDX-License-Identifier: GPL-2.0-only
/*
 * Module, HCA registration and the mdev side: types, creation, removal.
 *
 * A backend module registers an HCA; it appears as /sys/class/mdev_bus/mhcaN
 * with its types. Writing a UUID to a type's "create" makes an instance.
 */
#include <linux/idr.h>
#include <linux/module.h>
#include <linux/slab.h>

#include <mhca/policy.h>

#include "frontend.h"

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

/* What it is to have is claimed first, so that nobody else gets it meanwhile. */
static int mhca_instance_make(struct mhca_vdev *v, const struct mhca_identity *id,
			      const struct mhca_policy *policy, char *reason)
{
	int ret = mhca_instance_claim(v, policy, reason);

	if (ret)
		return ret;
	v->inst = mhca_instance_create(v->parent->hca, v->desc->personality, id,
				       &mhca_frontend_ops, v);
	if (IS_ERR(v->inst)) {
		mhca_instance_disclaim(v);
		scnprintf(reason, MHCA_REASON_MAX, "the backend has no room (%ld)",
			  PTR_ERR(v->inst));
		return PTR_ERR(v->inst);
	}
	mhca_policy_apply(v->inst, policy);
	return 0;
}

/* The core's half, with the type's policy. */
static int mhca_instance_begin(struct mhca_vdev *v, const struct mhca_identity *id)
{
	char reason[MHCA_REASON_MAX] = "the host is out of memory";
	struct mhca_policy *policy;
	int ret = -ENOMEM;

	policy = kmalloc(sizeof(*policy), GFP_KERNEL);
	if (policy) {
		mhca_policy_default(policy, id);
		mhca_type_policy(v->desc, policy);
		ret = mhca_instance_make(v, id, policy, reason);
	}
	kfree(policy);
	if (ret)
		dev_notice(&v->parent->dev, "cannot create %s: %s\n", id->name, reason);
	return ret;
}

static void mhca_instance_end(struct mhca_vdev *v)
{
	mhca_instance_destroy(v->inst);
	mhca_instance_disclaim(v);
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
	mhca_identity_from_uuid(&id, mdev->uuid.b);
	snprintf(id.name, sizeof(id.name), "%pUl", &mdev->uuid);

	ret = mhca_work_init(v);
	if (ret)
		goto err_put;
	ret = mhca_instance_begin(v, &id);
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
	mhca_instance_end(v);
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
	mhca_instance_hide(v);
	mhca_debugfs_remove(v);
	mhca_work_fini(v);
	mhca_instance_end(v);
	vfio_put_device(&v->vdev);
}

/* How many more of this type: the HCA's room, and the memory that each is promised. */
static unsigned int mhca_mdev_available(struct mdev_type *mtype)
{
	return mhca_instances_available(mhca_parent_of(mtype),
					mhca_type_value(mhca_type_desc(mtype),
							MHCA_POLICY_MAX_PINNED_MB));
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
	return mhca_instance_revoke(dev, buf) ?: count;
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

	parent->types = kcalloc(MHCA_TYPES, sizeof(*parent->types), GFP_KERNEL);
	parent->type_list = kcalloc(MHCA_TYPES, sizeof(*parent->type_list),
				    GFP_KERNEL);
	if (!parent->types || !parent->type_list)
		return -ENOMEM;
	for (i = 0; i < MHCA_TYPES; i++) {
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
