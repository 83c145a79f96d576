// SPDX-License-Identifier: GPL-2.0-only
/*
 * Uplinks: a segment's netdev on the host.
 *
 *   ip link add mhca5 type mhca          # segment 5; IFLA_MHCA_SEGMENT says it otherwise
 *
 * What the host sends waits in a queue for a work item, which takes it through the
 * switch like a lane does; what instances send becomes an sk_buff at once, which waits
 * for NAPI: the host's stack runs on the host's time, not on a lane's. A large send stays
 * one packet from the host, and becomes few of at most 64 KiB to it. Only this file and
 * main.c know netdevs.
 */
#include <linux/etherdevice.h>
#include <linux/capability.h>
#include <linux/ethtool.h>
#include <linux/if_vlan.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <linux/workqueue.h>
#include <net/ip6_checksum.h>
#include <net/rtnetlink.h>

#include <mhca/kernel.h>
#include "compat.h"
#include "switch.h"
#include "uplink.h"

#define SOFT_UPLINK_QUEUE	512U	/* sk_buffs waiting; the netdev stops beyond */
#define SOFT_UPLINK_BATCH	64U	/* taken by a run of the work item */
#define SOFT_UPLINK_FRAMES	64U	/* delivered in one SRCU section */
#define SOFT_UPLINK_COPY	(16U << 10)	/* longer packets get pages */
#define SOFT_UPLINK_RX_PACKETS	1024U	/* from instances, waiting; more are dropped */
#define SOFT_UPLINK_RX_BYTES	(32U << 20)

enum {
	IFLA_MHCA_UNSPEC,
	IFLA_MHCA_SEGMENT,
	IFLA_MHCA_COUNT,
	IFLA_MHCA_MAX = IFLA_MHCA_COUNT - 1,
};

/**
 * struct soft_uplink - netdev_priv()
 * @dev: netdev
 * @port: its port in the switch
 * @segment: id, until the port is there
 * @wq: where @work and @rx_work run, while it is up
 * @queue: from the host, waiting
 * @work: takes them through the switch
 * @packet: its scratch memory
 * @rx_queue: from instances, waiting for @napi
 * @rx_held: memory of @rx_queue, bytes; its lock
 * @rx_work: schedules @napi, off the lane
 * @napi: gives @rx_queue to the host's stack
 */
struct soft_uplink {
	struct net_device *dev;
	struct soft_port port;
	u32 segment;
	struct workqueue_struct *wq;
	struct sk_buff_head queue;
	struct work_struct work;
	struct soft_packet packet;
	struct sk_buff_head rx_queue;
	u32 rx_held;
	struct work_struct rx_work;
	struct napi_struct napi;
};

static struct soft_hca *soft_uplink_hca;
/* For uplinks of the host, and for those of other namespaces, which may be tenants'. */
static struct workqueue_struct *soft_uplink_wq, *soft_uplink_tenant_wq;

/* ---- From the host --------------------------------------------------------- */

static bool soft_add_host(struct soft_sgl *body, const void *data, u32 len)
{
	struct soft_seg *seg;

	if (!len)
		return true;
	if (body->n == SOFT_MAX_SEG)
		return false;
	seg = &body->seg[body->n++];
	seg->inline_data = data;
	seg->addr = 0;
	seg->lkey = 0;
	seg->len = len;
	body->len += len;
	return true;
}

/* All of @skb as segments; frags are in low memory or it was made linear. */
static bool soft_skb_body(const struct sk_buff *skb, struct soft_sgl *body)
{
	u32 i;

	body->n = 0;
	body->len = 0;
	if (!soft_add_host(body, skb->data, skb_headlen(skb)))
		return false;
	for (i = 0; i < skb_shinfo(skb)->nr_frags; i++) {
		const skb_frag_t *frag = &skb_shinfo(skb)->frags[i];

		if (!soft_add_host(body, skb_frag_address(frag), skb_frag_size(frag)))
			return false;
	}
	return true;
}

static u32 soft_skb_headers(const struct sk_buff *skb)
{
	if (!skb_is_gso(skb))
		return min(skb->len, SOFT_HEAD_PULL);
	if (skb_shinfo(skb)->gso_type & SKB_GSO_UDP_L4)
		return skb_transport_offset(skb) + sizeof(struct udphdr);
	return skb_transport_offset(skb) + tcp_hdrlen(skb);
}

static int soft_skb_prepare(struct sk_buff *skb)
{
	u32 i;

	if (skb_has_frag_list(skb) && skb_linearize(skb))
		return -ENOMEM;
	for (i = 0; i < skb_shinfo(skb)->nr_frags; i++)
		if (PageHighMem(skb_frag_page(&skb_shinfo(skb)->frags[i])))
			return skb_linearize(skb);
	return 0;
}

/* Checksums that the engine can fill in are left to it. */
static int soft_skb_checksum(struct sk_buff *skb, struct soft_packet *packet)
{
	packet->sum_l3 = false;
	packet->sum_l4 = false;
	if (skb->ip_summed != CHECKSUM_PARTIAL)
		return 0;
	if (skb->csum_offset == offsetof(struct tcphdr, check) ||
	    skb->csum_offset == offsetof(struct udphdr, check)) {
		packet->sum_l4 = true;
		return 0;
	}
	return skb_checksum_help(skb);
}

static bool soft_packet_from_skb(struct soft_uplink *uplink, struct sk_buff *skb)
{
	struct soft_packet *packet = &uplink->packet;
	u32 l4 = skb->ip_summed == CHECKSUM_PARTIAL ? skb_checksum_start_offset(skb) : 0;

	packet->inst = NULL;
	packet->pd = 0;
	packet->from = &uplink->port;
	packet->mss = skb_is_gso(skb) ? skb_shinfo(skb)->gso_size : 0;
	if (soft_skb_prepare(skb) || soft_skb_checksum(skb, packet))
		return false;
	packet->head_len = soft_skb_headers(skb);
	if (packet->head_len > SOFT_HEAD_MAX - SOFT_VLAN_BYTES || packet->head_len > skb->len ||
	    skb_copy_bits(skb, 0, packet->head, packet->head_len) ||
	    !soft_skb_body(skb, &packet->body))
		return false;
	packet->body_at = packet->head_len;
	packet->body_len = skb->len - packet->head_len;
	if (skb_vlan_tag_present(skb)) {
		if (!soft_packet_insert_vlan(packet, ntohs(skb->vlan_proto),
					     skb_vlan_tag_get(skb)))
			return false;
		l4 += SOFT_VLAN_BYTES;
	}
	/* As from instances: not a frame for each byte. */
	if (packet->mss && packet->mss < SOFT_MSS_MIN)
		return false;
	if (!soft_packet_parse(packet) || !soft_packet_fits(packet))
		return false;
	return !packet->sum_l4 || packet->frame.l4 == l4;
}

/* Through the switch. A receiver that is waited for holds the queue, a bounded time. */
static void soft_uplink_forward(struct soft_uplink *uplink)
{
	struct soft_hca *hca = soft_uplink_hca;
	struct soft_progress progress = {};
	enum soft_result result;
	u32 frames;
	int idx;

	for (;;) {
		frames = SOFT_UPLINK_FRAMES;
		idx = srcu_read_lock(&hca->srcu);
		result = soft_route_packet(hca, &uplink->packet, &progress, &frames);
		srcu_read_unlock(&hca->srcu, idx);
		if (result == SOFT_AGAIN)
			usleep_range(20, 50);
		else if (result == SOFT_MORE)
			cond_resched();
		else
			break;
	}
}

static void soft_uplink_send(struct soft_uplink *uplink, struct sk_buff *skb)
{
	if (soft_packet_from_skb(uplink, skb)) {
		local_bh_disable();
		dev_sw_netstats_tx_add(uplink->dev, 1, skb->len);
		local_bh_enable();
		soft_uplink_forward(uplink);
	} else {
		dev_core_stats_tx_dropped_inc(uplink->dev);
		soft_port_drop(&uplink->port, SOFT_DROP_FRAME);
	}
}

static void soft_uplink_work(struct work_struct *work)
{
	struct soft_uplink *uplink = container_of(work, struct soft_uplink, work);
	struct sk_buff *skb;
	u32 n;

	for (n = 0; n < SOFT_UPLINK_BATCH; n++) {
		skb = skb_dequeue(&uplink->queue);
		if (!skb)
			return;
		soft_uplink_send(uplink, skb);
		consume_skb(skb);
		if (netif_queue_stopped(uplink->dev) &&
		    skb_queue_len(&uplink->queue) < SOFT_UPLINK_QUEUE / 2)
			netif_wake_queue(uplink->dev);
	}
	queue_work(uplink->wq, &uplink->work);
}

static netdev_tx_t soft_uplink_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct soft_uplink *uplink = netdev_priv(dev);

	skb_tx_timestamp(skb);
	skb_queue_tail(&uplink->queue, skb);
	if (skb_queue_len(&uplink->queue) >= SOFT_UPLINK_QUEUE) {
		netif_stop_queue(dev);
		/* The work item may have emptied the queue before it could see that. */
		smp_mb__after_atomic();
		if (skb_queue_len(&uplink->queue) < SOFT_UPLINK_QUEUE / 2)
			netif_wake_queue(dev);
	}
	queue_work(uplink->wq, &uplink->work);
	return NETDEV_TX_OK;
}

/* ---- To the host ------------------------------------------------------------ */

static struct sk_buff *soft_uplink_alloc(struct net_device *dev, u32 head, u32 body)
{
	struct sk_buff *skb;
	int err;

	if (head + body <= SOFT_UPLINK_COPY)
		return netdev_alloc_skb_ip_align(dev, head + body);
	skb = alloc_skb_with_frags(NET_SKB_PAD + NET_IP_ALIGN + head, body,
				   PAGE_ALLOC_COSTLY_ORDER, &err, GFP_ATOMIC | __GFP_NOWARN);
	if (skb) {
		skb_reserve(skb, NET_SKB_PAD + NET_IP_ALIGN);
		skb->dev = dev;
	}
	return skb;
}

static enum soft_result soft_skb_fill(struct sk_buff *skb, const struct soft_packet *packet,
				      const struct soft_piece *piece)
{
	enum soft_result result = SOFT_OK;
	u32 i, at = 0, left = piece->len, n;

	skb_put_data(skb, piece->head, piece->head_len);
	if (!skb_shinfo(skb)->nr_frags)
		return soft_packet_read(packet, piece->at, skb_put(skb, left), left);
	for (i = 0; i < skb_shinfo(skb)->nr_frags && result == SOFT_OK; i++) {
		skb_frag_t *frag = &skb_shinfo(skb)->frags[i];

		n = min_t(u32, left, skb_frag_size(frag));
		result = soft_packet_read(packet, piece->at + at, skb_frag_address(frag), n);
		at += n;
		left -= n;
	}
	/* alloc_skb_with_frags() has made room; now there are bytes in it. */
	skb->len += at;
	skb->data_len += at;
	return result;
}

/* Several frames stay one packet: lengths and sums are ours, not the sender's. */
static bool soft_skb_large(struct sk_buff *skb, const struct soft_packet *packet)
{
	const struct soft_frame *frame = &packet->frame;
	bool udp = frame->ip_protocol == IPPROTO_UDP;
	u32 l4_bytes = skb->len - frame->l4;
	u8 *l4 = skb->data + frame->l4;
	__sum16 check;

	BUILD_BUG_ON(SOFT_PART_BYTES > IP_MAX_MTU);
	if (frame->ip_version == 4) {
		struct iphdr *ip = (struct iphdr *)(skb->data + frame->l3);

		ip->tot_len = htons(skb->len - frame->l3);
		ip_send_check(ip);
		check = ~csum_tcpudp_magic(ip->saddr, ip->daddr, l4_bytes,
					   frame->ip_protocol, 0);
		skb_shinfo(skb)->gso_type = SKB_GSO_TCPV4;
	} else {
		struct ipv6hdr *ip = (struct ipv6hdr *)(skb->data + frame->l3);

		ip->payload_len = htons(skb->len - frame->l3 - sizeof(*ip));
		check = ~csum_ipv6_magic(&ip->saddr, &ip->daddr, l4_bytes,
					 frame->ip_protocol, 0);
		skb_shinfo(skb)->gso_type = SKB_GSO_TCPV6;
	}
	if (udp) {
		((struct udphdr *)l4)->len = htons(l4_bytes);
		((struct udphdr *)l4)->check = check;
		skb_shinfo(skb)->gso_type = SKB_GSO_UDP_L4;
	} else {
		((struct tcphdr *)l4)->check = check;
		if (((struct tcphdr *)l4)->cwr)
			skb_shinfo(skb)->gso_type |= SKB_GSO_TCP_ECN;
	}
	skb_shinfo(skb)->gso_type |= SKB_GSO_DODGY;
	skb_shinfo(skb)->gso_size = packet->mss;
	skb_shinfo(skb)->gso_segs = 0;
	return skb_partial_csum_set(skb, frame->l4, udp ? offsetof(struct udphdr, check) :
							  offsetof(struct tcphdr, check));
}

static bool soft_uplink_too_long(const struct soft_uplink *uplink,
				 const struct soft_packet *packet,
				 const struct soft_piece *piece)
{
	u32 body = piece->large ? packet->mss : piece->len;

	return packet->head_len + body > READ_ONCE(uplink->dev->mtu) + ETH_HLEN +
	       packet->frame.n_vlan * VLAN_HLEN;
}

static void soft_uplink_lost(struct soft_uplink *uplink, enum soft_drop cause)
{
	dev_core_stats_rx_dropped_inc(uplink->dev);
	soft_port_drop(&uplink->port, cause);
}

static void soft_uplink_receive(struct soft_uplink *uplink, struct sk_buff *skb)
{
	struct sk_buff_head *queue = &uplink->rx_queue;
	bool full;

	spin_lock_bh(&queue->lock);
	full = skb_queue_len(queue) >= SOFT_UPLINK_RX_PACKETS ||
	       uplink->rx_held >= SOFT_UPLINK_RX_BYTES;
	if (!full) {
		uplink->rx_held += skb->truesize;
		__skb_queue_tail(queue, skb);
	}
	spin_unlock_bh(&queue->lock);
	if (full) {
		soft_uplink_lost(uplink, SOFT_DROP_BUFFER);
		kfree_skb(skb);
		return;
	}
	queue_work(uplink->wq, &uplink->rx_work);
}

/* Enabling bottom halves runs what was scheduled, here. */
static void soft_uplink_rx_work(struct work_struct *work)
{
	struct soft_uplink *uplink = container_of(work, struct soft_uplink, rx_work);

	local_bh_disable();
	napi_schedule(&uplink->napi);
	local_bh_enable();
}

static struct sk_buff *soft_uplink_next(struct soft_uplink *uplink)
{
	struct sk_buff *skb;

	spin_lock(&uplink->rx_queue.lock);
	skb = __skb_dequeue(&uplink->rx_queue);
	if (skb)
		uplink->rx_held -= skb->truesize;
	spin_unlock(&uplink->rx_queue.lock);
	return skb;
}

static int soft_uplink_poll(struct napi_struct *napi, int budget)
{
	struct soft_uplink *uplink = container_of(napi, struct soft_uplink, napi);
	struct sk_buff *skb;
	int n = 0;

	while (n < budget && (skb = soft_uplink_next(uplink))) {
		dev_sw_netstats_rx_add(uplink->dev, skb->len);
		skb->protocol = eth_type_trans(skb, uplink->dev);
		napi_gro_receive(napi, skb);
		n++;
	}
	/* What is queued from now on schedules again. */
	if (n < budget)
		napi_complete_done(napi, n);
	return n;
}

/* A piece of an instance's packet: its lane's, or of a move. Inside srcu. */
static enum soft_result soft_uplink_take(void *owner, const struct soft_packet *packet,
					 const struct soft_piece *piece)
{
	struct soft_uplink *uplink = owner;
	enum soft_result result;
	struct sk_buff *skb;

	if (soft_uplink_too_long(uplink, packet, piece)) {
		soft_uplink_lost(uplink, SOFT_DROP_FRAME);
		return SOFT_OK;
	}
	skb = soft_uplink_alloc(uplink->dev, piece->head_len, piece->len);
	if (!skb) {
		soft_uplink_lost(uplink, SOFT_DROP_BUFFER);
		return SOFT_OK;
	}
	result = soft_skb_fill(skb, packet, piece);
	if (result != SOFT_OK) {
		kfree_skb(skb);
		return result;
	}
	if (piece->large && !soft_skb_large(skb, packet)) {
		soft_uplink_lost(uplink, SOFT_DROP_FRAME);
		kfree_skb(skb);
		return SOFT_OK;
	}
	if (piece->l4_ok)
		skb->ip_summed = CHECKSUM_UNNECESSARY;
	soft_uplink_receive(uplink, skb);
	return SOFT_OK;
}

static void soft_uplink_carrier(void *owner, bool on)
{
	struct soft_uplink *uplink = owner;

	if (on)
		netif_carrier_on(uplink->dev);
	else
		netif_carrier_off(uplink->dev);
}

static const struct soft_uplink_ops soft_uplink_ops = {
	.xmit = soft_uplink_take,
	.carrier = soft_uplink_carrier,
};

/* ---- The netdev -------------------------------------------------------------- */

static int soft_uplink_open(struct net_device *dev)
{
	struct soft_uplink *uplink = netdev_priv(dev);
	bool host = net_eq(dev_net(dev), &init_net);

	/* It is down when it moves. What floods from elsewhere is bounded as an instance is. */
	uplink->wq = host ? soft_uplink_wq : soft_uplink_tenant_wq;
	WRITE_ONCE(uplink->port.rated, !host);
	napi_enable(&uplink->napi);
	WRITE_ONCE(uplink->port.up, true);
	netif_start_queue(dev);
	return 0;
}

/* When it returns no packet comes any more from either side. */
static int soft_uplink_stop(struct net_device *dev)
{
	struct soft_uplink *uplink = netdev_priv(dev);

	netif_tx_disable(dev);
	WRITE_ONCE(uplink->port.up, false);
	synchronize_srcu_expedited(&soft_uplink_hca->srcu);
	cancel_work_sync(&uplink->work);
	cancel_work_sync(&uplink->rx_work);
	napi_disable(&uplink->napi);
	skb_queue_purge(&uplink->queue);
	skb_queue_purge(&uplink->rx_queue);
	uplink->rx_held = 0;
	return 0;
}

/* Its own address is known, so that nobody else gets what is for the host. */
static int soft_uplink_address(struct soft_uplink *uplink)
{
	u8 mac[1][SOFT_MAC_BYTES];
	struct soft_switch *sw = soft_uplink_hca->sw;

	memcpy(mac[0], uplink->dev->dev_addr, sizeof(mac[0]));
	soft_port_keep_macs(sw, &uplink->port, mac, 1);
	return soft_port_add_mac(sw, &uplink->port, mac[0], SOFT_CLAIM_UPLINK);
}

static int soft_uplink_set_mac(struct net_device *dev, void *addr)
{
	struct soft_uplink *uplink = netdev_priv(dev);
	u8 old[ETH_ALEN];
	int err;

	ether_addr_copy(old, dev->dev_addr);
	err = eth_mac_addr(dev, addr);
	if (err)
		return err;
	err = soft_uplink_address(uplink);
	if (err) {
		eth_hw_addr_set(dev, old);
		soft_uplink_address(uplink);
	}
	return err;
}

static int soft_uplink_dev_init(struct net_device *dev)
{
	struct soft_uplink *uplink = netdev_priv(dev);
	struct soft_switch *sw = soft_uplink_hca->sw;
	int err;

	soft_port_init(&uplink->port, SOFT_PORT_UPLINK, uplink);
	err = soft_port_attach(sw, &uplink->port, uplink->segment);
	if (err)
		return err;
	err = soft_uplink_address(uplink);
	if (err) {
		soft_port_detach(sw, &uplink->port);
		return err;
	}
	netif_napi_add(dev, &uplink->napi, soft_uplink_poll);
	netif_carrier_off(dev);
	soft_switch_carrier(soft_uplink_hca, uplink->segment);
	return 0;
}

static void soft_uplink_dev_uninit(struct net_device *dev)
{
	struct soft_uplink *uplink = netdev_priv(dev);

	soft_port_detach(soft_uplink_hca->sw, &uplink->port);
	soft_port_fini(&uplink->port);
	cancel_work_sync(&uplink->work);
	cancel_work_sync(&uplink->rx_work);
	skb_queue_purge(&uplink->queue);
	netif_napi_del(&uplink->napi);
}

static const struct net_device_ops soft_uplink_netdev_ops = {
	.ndo_init = soft_uplink_dev_init,
	.ndo_uninit = soft_uplink_dev_uninit,
	.ndo_open = soft_uplink_open,
	.ndo_stop = soft_uplink_stop,
	.ndo_start_xmit = soft_uplink_xmit,
	.ndo_get_stats64 = dev_get_tstats64,
	.ndo_set_mac_address = soft_uplink_set_mac,
	.ndo_validate_addr = eth_validate_addr,
};

/* ---- ethtool: frames that went nowhere, by cause ------------------------------- */

static void soft_uplink_drvinfo(struct net_device *dev, struct ethtool_drvinfo *info)
{
	strscpy(info->driver, "mhca_soft", sizeof(info->driver));
}

static int soft_uplink_sset_count(struct net_device *dev, int set)
{
	return set == ETH_SS_STATS ? SOFT_DROP_CAUSES : -EOPNOTSUPP;
}

static void soft_uplink_strings(struct net_device *dev, u32 set, u8 *data)
{
	u32 i;

	for (i = 0; set == ETH_SS_STATS && i < SOFT_DROP_CAUSES; i++)
		snprintf(data + i * ETH_GSTRING_LEN, ETH_GSTRING_LEN, "drop_%s",
			 soft_drop_name(i));
}

static void soft_uplink_ethtool_stats(struct net_device *dev, struct ethtool_stats *stats,
				      u64 *data)
{
	struct soft_uplink *uplink = netdev_priv(dev);
	u32 i;

	for (i = 0; i < SOFT_DROP_CAUSES; i++)
		data[i] = soft_port_dropped(&uplink->port, i);
}

static const struct ethtool_ops soft_uplink_ethtool_ops = {
	.get_drvinfo = soft_uplink_drvinfo,
	.get_link = ethtool_op_get_link,
	.get_sset_count = soft_uplink_sset_count,
	.get_strings = soft_uplink_strings,
	.get_ethtool_stats = soft_uplink_ethtool_stats,
};

/* ---- ip link add … type mhca ---------------------------------------------------- */

static const struct nla_policy soft_uplink_policy[IFLA_MHCA_MAX + 1] = {
	[IFLA_MHCA_SEGMENT] = { .type = NLA_U32 },
};

static void soft_uplink_setup(struct net_device *dev)
{
	struct soft_uplink *uplink = netdev_priv(dev);

	ether_setup(dev);
	/* What is sent waits in a queue, by its own links: it cannot be somebody else's, too. */
	dev->priv_flags &= ~IFF_TX_SKB_SHARING;
	dev->pcpu_stat_type = NETDEV_PCPU_STAT_TSTATS;
	dev->netdev_ops = &soft_uplink_netdev_ops;
	dev->ethtool_ops = &soft_uplink_ethtool_ops;
	dev->needs_free_netdev = true;
	dev->hw_features = NETIF_F_SG | NETIF_F_HW_CSUM | NETIF_F_TSO | NETIF_F_TSO6 |
			   NETIF_F_TSO_ECN | NETIF_F_GSO_UDP_L4;
	dev->features = dev->hw_features | NETIF_F_RXCSUM | NETIF_F_HW_VLAN_CTAG_TX;
	dev->vlan_features = dev->hw_features;
	dev->min_mtu = MHCA_MTU_MIN;
	dev->max_mtu = MHCA_MTU_MAX;
	eth_hw_addr_random(dev);
	uplink->dev = dev;
	skb_queue_head_init(&uplink->queue);
	INIT_WORK(&uplink->work, soft_uplink_work);
	skb_queue_head_init(&uplink->rx_queue);
	INIT_WORK(&uplink->rx_work, soft_uplink_rx_work);
}

/* The number in the name, when nothing else is said. */
static int soft_uplink_segment(const struct net_device *dev, struct nlattr *data[],
			       u32 *segment)
{
	if (data && data[IFLA_MHCA_SEGMENT]) {
		*segment = nla_get_u32(data[IFLA_MHCA_SEGMENT]);
		return 0;
	}
	if (strncmp(dev->name, "mhca", 4))
		return -EINVAL;
	return kstrtou32(dev->name + 4, 10, segment);
}

static int soft_uplink_newlink(SOFT_NEWLINK_PARAMS)
{
	struct soft_uplink *uplink = netdev_priv(dev);
	int err;

	/*
	 * It joins a network of tenants. Who has a user namespace may make netdevs in it, but
	 * not this one; what the host makes may be moved there.
	 */
	if (!capable(CAP_NET_ADMIN)) {
		NL_SET_ERR_MSG(extack, "an uplink is made by the host's administrator");
		return -EPERM;
	}
	err = soft_uplink_segment(dev, SOFT_NEWLINK_DATA, &uplink->segment);
	if (err) {
		NL_SET_ERR_MSG(extack, "an uplink is called mhcaN, N being its segment");
		return err;
	}
	err = register_netdevice(dev);
	if (err == -EBUSY)
		NL_SET_ERR_MSG(extack, "the segment has an uplink already");
	return err;
}

static size_t soft_uplink_info_size(const struct net_device *dev)
{
	return nla_total_size(sizeof(u32));
}

static int soft_uplink_fill_info(struct sk_buff *skb, const struct net_device *dev)
{
	const struct soft_uplink *uplink = netdev_priv(dev);

	return nla_put_u32(skb, IFLA_MHCA_SEGMENT, uplink->segment);
}

static struct rtnl_link_ops soft_uplink_link_ops = {
	.kind = "mhca",
	.priv_size = sizeof(struct soft_uplink),
	.setup = soft_uplink_setup,
	.maxtype = IFLA_MHCA_MAX,
	.policy = soft_uplink_policy,
	.newlink = soft_uplink_newlink,
	.get_size = soft_uplink_info_size,
	.fill_info = soft_uplink_fill_info,
};

/**
 * soft_uplink_init() - let uplinks be made
 * @hca: HCA
 *
 * Return: 0 or -errno.
 */
int soft_uplink_init(struct soft_hca *hca)
{
	int err;

	soft_uplink_wq = alloc_workqueue("mhca_uplink", WQ_UNBOUND | WQ_HIGHPRI, 0);
	if (!soft_uplink_wq)
		return -ENOMEM;
	err = -ENOMEM;
	soft_uplink_tenant_wq = alloc_workqueue("mhca_uplink_ns", WQ_UNBOUND, 0);
	if (!soft_uplink_tenant_wq)
		goto err_wq;
	soft_uplink_hca = hca;
	hca->uplink_ops = &soft_uplink_ops;
	err = rtnl_link_register(&soft_uplink_link_ops);
	if (err)
		goto err_tenant_wq;
	return 0;

err_tenant_wq:
	destroy_workqueue(soft_uplink_tenant_wq);
err_wq:
	destroy_workqueue(soft_uplink_wq);
	return err;
}

/**
 * soft_uplink_exit() - all uplinks go
 */
void soft_uplink_exit(void)
{
	rtnl_link_unregister(&soft_uplink_link_ops);
	destroy_workqueue(soft_uplink_tenant_wq);
	destroy_workqueue(soft_uplink_wq);
}

/*
 * No MODULE_ALIAS_RTNL_LINK(): it would let anybody with a user namespace load an HCA
 * with its threads.
 */
