// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The host's port of a segment: see host_port.h. */
#include <shim/control.h>
#include "host_port.h"

static enum soft_result take(void *owner, const struct soft_packet *packet,
			     const struct soft_piece *piece)
{
	struct host_port *host = owner;
	enum soft_result result;

	if (host->again && host->again--)
		return SOFT_AGAIN;
	memcpy(host->frame, piece->head, piece->head_len);
	result = soft_packet_read(packet, piece->at, host->frame + piece->head_len, piece->len);
	if (result != SOFT_OK)
		return result;
	host->len = piece->head_len + piece->len;
	host->mss = piece->large ? packet->mss : 0;
	host->packets++;
	if (host->seen)
		host->seen(host);
	return SOFT_OK;
}

static void carrier(void *owner, bool on)
{
	struct host_port *host = owner;

	host->carrier = on;
}

int host_port_up(struct host_port *host, struct soft_hca *hca, u32 segment)
{
	static const struct soft_uplink_ops ops = { .xmit = take, .carrier = carrier };
	int ret;

	memset(host, 0, sizeof(*host));
	host->hca = hca;
	host->carrier = -1;
	hca->uplink_ops = &ops;
	soft_port_init(&host->port, SOFT_PORT_UPLINK, host);
	host->port.up = true;
	ret = soft_port_attach(hca->sw, &host->port, segment);
	if (!ret)
		soft_switch_carrier(hca, segment);
	return ret;
}

void host_port_down(struct host_port *host)
{
	soft_port_detach(host->hca->sw, &host->port);
	soft_port_fini(&host->port);
}

enum soft_result host_port_send(struct host_port *host, const u8 *frame, u32 len)
{
	struct soft_packet packet = { .from = &host->port, .sum_l4 = true };
	struct soft_progress progress = { 0 };
	enum soft_result result;
	u32 frames, idx;

	packet.head_len = min(len, SOFT_HEAD_PULL);
	memcpy(packet.head, frame, packet.head_len);
	packet.body.n = 1;
	packet.body.seg[0].inline_data = frame;
	packet.body.seg[0].len = len;
	packet.body.len = len;
	packet.body_at = packet.head_len;
	packet.body_len = len - packet.head_len;
	if (!soft_packet_parse(&packet))
		return SOFT_NO_PEER;
	do {
		frames = 4;
		idx = srcu_read_lock(&host->hca->srcu);
		result = soft_route_packet(host->hca, &packet, &progress, &frames);
		srcu_read_unlock(&host->hca->srcu, idx);
		if (result == SOFT_MORE || result == SOFT_AGAIN)
			shim_clock_advance(30000);
	} while (result == SOFT_MORE || result == SOFT_AGAIN);
	return result;
}
