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

#include "frontend.h"

#define MHCA_CLASS_INFINIBAND	0x020700

static const struct mhca_type_desc mhca_types[] = {
	{
		.name = "ib",
		.pretty = "mHCA InfiniBand",
		.description = "mlx5 virtual function with an InfiniBand port",
		.personality = MHCA_IB,
		.class = MHCA_CLASS_INFINIBAND,
	},
};

/* Protects mhca_instances and every parent's count of instances. */
static DEFINE_MUTEX(mhca_instances_lock);
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

/* Room for one more, and nobody has its addresses? Then it is on the list. */
static int mhca_instance_claim(struct mhca_vdev *v, const struct mhca_identity *id)
{
	struct mhca_parent *parent = v->parent;
	struct mhca_vdev *other;
	int ret = 0;

	mutex_lock(&mhca_instances_lock);
	if (parent->instances >= parent->hca->max_instances) {
		dev_notice(&parent->dev, "cannot create %s: all %u instances are in use\n",
			   id->name, parent->hca->max_instances);
		ret = -ENOSPC;
		goto out;
	}
	list_for_each_entry(other, &mhca_instances, node) {
		const struct mhca_identity *has = &other->inst->id;

		if (has->node_guid != id->node_guid && has->port_guid != id->port_guid &&
		    memcmp(has->mac, id->mac, sizeof(id->mac)))
			continue;
		dev_notice(&parent->dev, "cannot create %s: its addresses are those of %s\n",
			   id->name, has->name);
		ret = -EEXIST;
		goto out;
	}
	v->inst = mhca_instance_create(parent->hca, v->desc->personality, id,
				       &mhca_frontend_ops, v);
	if (IS_ERR(v->inst)) {
		ret = PTR_ERR(v->inst);
		goto out;
	}
	parent->instances++;
	list_add_tail(&v->node, &mhca_instances);
out:
	mutex_unlock(&mhca_instances_lock);
	return ret;
}

static void mhca_instance_disclaim(struct mhca_vdev *v)
{
	mutex_lock(&mhca_instances_lock);
	list_del(&v->node);
	v->parent->instances--;
	mhca_instance_destroy(v->inst);
	mutex_unlock(&mhca_instances_lock);
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
	mhca_instance_disclaim(v);
	mhca_work_fini(v);
	vfio_put_device(&v->vdev);
}

static unsigned int mhca_mdev_available(struct mdev_type *mtype)
{
	struct mhca_parent *parent = mhca_parent_of(mtype);
	unsigned int available;

	mutex_lock(&mhca_instances_lock);
	available = parent->hca->max_instances - parent->instances;
	mutex_unlock(&mhca_instances_lock);
	return available;
}

static ssize_t mhca_mdev_description(struct mdev_type *mtype, char *buf)
{
	return sysfs_emit(buf, "%s\n", mhca_type_desc(mtype)->description);
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

static void mhca_parent_release(struct device *dev)
{
	struct mhca_parent *parent = container_of(dev, struct mhca_parent, dev);

	if (parent->index >= 0)
		ida_free(&mhca_parent_ida, parent->index);
	kfree(parent->types);
	kfree(parent->type_list);
	kfree(parent);
}

/* All types that the table has; the device is initialized but not added. */
static int mhca_parent_fill(struct mhca_parent *parent)
{
	u32 i;

	parent->types = kcalloc(ARRAY_SIZE(mhca_types), sizeof(*parent->types), GFP_KERNEL);
	parent->type_list = kcalloc(ARRAY_SIZE(mhca_types), sizeof(*parent->type_list),
				    GFP_KERNEL);
	if (!parent->types || !parent->type_list)
		return -ENOMEM;
	for (i = 0; i < ARRAY_SIZE(mhca_types); i++) {
		parent->types[i].desc = &mhca_types[i];
		parent->types[i].mtype.sysfs_name = mhca_types[i].name;
		parent->types[i].mtype.pretty_name = mhca_types[i].pretty;
		parent->type_list[i] = &parent->types[i].mtype;
	}
	parent->index = ida_alloc(&mhca_parent_ida, GFP_KERNEL);
	if (parent->index < 0)
		return parent->index;
	return dev_set_name(&parent->dev, "mhca%d", parent->index);
}

/**
 * mhca_hca_register() - make an HCA available as a parent of instances
 * @hca: HCA
 * @owner: its module; kept while an instance is open
 *
 * Return: 0 or a negative errno.
 */
int mhca_hca_register(struct mhca_hca *hca, struct module *owner)
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
	parent->dev.release = mhca_parent_release;
	ret = mhca_parent_fill(parent);
	if (ret)
		goto err_put;
	ret = device_add(&parent->dev);
	if (ret)
		goto err_put;
	hca->frontend = parent;
	ret = mdev_register_parent(&parent->mdev, &parent->dev, &mhca_mdev_driver,
				   parent->type_list, ARRAY_SIZE(mhca_types));
	if (ret)
		goto err_del;
	dev_info(&parent->dev, "%s HCA, %u instances\n", hca->ops->name, hca->max_instances);
	return 0;

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

	mdev_unregister_parent(&parent->mdev);
	hca->frontend = NULL;
	device_unregister(&parent->dev);
}
EXPORT_SYMBOL_GPL(mhca_hca_unregister);

/* ---- Module ----------------------------------------------------------- */

static int __init mhca_init(void)
{
	int ret;

	ret = class_register(&mhca_class);
	if (ret)
		return ret;
	ret = mdev_register_driver(&mhca_mdev_driver);
	if (ret)
		class_unregister(&mhca_class);
	return ret;
}

static void __exit mhca_exit(void)
{
	mdev_unregister_driver(&mhca_mdev_driver);
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
