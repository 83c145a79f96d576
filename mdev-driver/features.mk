# SPDX-License-Identifier: GPL-2.0-only
#
# What differs between the kernels that the modules are built for, asked of the headers
# themselves: stable and vendor kernels have what their version number does not say.
#
# A line is NAME@FILE@SINCE@NEW@OLD. MHCA_HAVE_NAME is defined if include/FILE has NEW, an
# extended regular expression (. for a blank, there can be none here); mainline has it
# since version SINCE. OLD is how the same thing looked before. Where one of the two is
# nothing at all ("-"), SINCE decides whether that may be so. Headers with neither form
# are an error: something was renamed, and the modules would be built for the past.

mhca-features := \
	FREES_DEVICE@linux/vfio.h@6.2@-@void.vfio_free_device\( \
	MIG_DATA_SIZE@linux/vfio.h@6.2@\(\*migration_get_data_size\)\(@- \
	IOMMUFD_OPS@linux/vfio.h@6.2@\(\*bind_iommufd\)\(@- \
	VM_FLAGS_SET@linux/mm_types.h@6.3@const.vm_flags_t.vm_flags;@unsigned.long.vm_flags; \
	EVENTFD_SIGNAL_1@linux/eventfd.h@6.8@void.eventfd_signal\(struct.eventfd_ctx.\*ctx\)@eventfd_signal\(struct.eventfd_ctx.\*ctx,.__u64.n\) \
	DEVICE_INODE@linux/vfio.h@6.10@struct.inode.\*inode;@- \
	PAGE_REQUEST_DISABLE@linux/mlx5/mlx5_ifc.h@6.10@u8.+page_request_disable\[@- \
	CQ_PERIOD_MODE_MODIFY@linux/mlx5/mlx5_ifc.h@6.10@u8.+cq_period_mode_modify\[@- \
	LINUX_UNALIGNED@linux/unaligned.h@6.12@define.__LINUX_UNALIGNED_H@- \
	NEWLINK_PARAMS@net/rtnetlink.h@6.15@struct.rtnl_newlink_params.\*params@\(\*newlink\)\(struct.net.\*src_net, \
	REGION_INFO_CAPS@linux/vfio.h@6.19@\(\*get_region_info_caps\)\(@-

mhca-field = $(word $(1),$(subst @, ,$(2)))
mhca-name = $(call mhca-field,1,$(1))
mhca-has = $(if $(filter-out -,$(2)),$(shell grep -qE '$(2)' \
	'$(srctree)/include/$(call mhca-field,2,$(1))' 2>/dev/null && echo y))
mhca-due = $(shell set -- $(subst ., ,$(call mhca-field,3,$(1))); \
	[ $$(($(VERSION) * 1000 + $(PATCHLEVEL))) -ge $$(($$1 * 1000 + $$2)) ] && echo y)
mhca-neither = $(error mhca: $(srctree)/include/$(call mhca-field,2,$(1)) of \
	$(VERSION).$(PATCHLEVEL) has neither form of $(mhca-name) (mdev-driver/features.mk))
# The form that is nothing at all, 4 or 5, may it be that?
mhca-nothing = $(and $(filter -,$(call mhca-field,$(2),$(1))),$(filter $(3),x$(mhca-due)))
mhca-feature = $(if $(call mhca-has,$(1),$(call mhca-field,4,$(1))),-DMHCA_HAVE_$(mhca-name),$(if \
	$(call mhca-has,$(1),$(call mhca-field,5,$(1))),,$(if \
	$(call mhca-nothing,$(1),4,xy),-DMHCA_HAVE_$(mhca-name),$(if \
	$(call mhca-nothing,$(1),5,x),,$(mhca-neither)))))

mhca-feature-flags := $(strip $(foreach f,$(mhca-features),$(call mhca-feature,$(f))))
