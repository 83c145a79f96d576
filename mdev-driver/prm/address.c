// SPDX-License-Identifier: GPL-2.0-only
/*
 * The attribute "addresses": IP addresses and prefixes as text,
 *
 *   192.0.2.7,198.51.100.0/24,2001:db8::7,fe80::/10
 *
 * It is strict where a typing error would allow more than was meant: bits behind a
 * prefix's length are refused, not cut off, and an IPv4 address is written as one.
 */
#include <mhca/policy.h>
#include "core.h"

#define MHCA_GROUPS	8	/* of an IPv6 address */

/* ---- From text ------------------------------------------------------------------ */

static int mhca_hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A decimal number up to @max at *@at, without leading zeros; -1: there is none. */
static int mhca_take_decimal(const char **at, u32 max)
{
	const char *from = *at;
	u32 value = 0;

	while (**at >= '0' && **at <= '9' && value <= max)
		value = value * 10 + (*(*at)++ - '0');
	if (*at == from || value > max || (*from == '0' && *at - from > 1))
		return -1;
	return value;
}

static bool mhca_take_ipv4(const char **at, u8 address[16])
{
	int i, value;

	memset(address, 0, 10);
	memset(address + 10, 0xff, 2);
	for (i = 12; i < 16; i++) {
		if (i > 12 && *(*at)++ != '.')
			return false;
		value = mhca_take_decimal(at, 255);
		if (value < 0)
			return false;
		address[i] = value;
	}
	return true;
}

/* One to four hexadecimal digits; -1: there are none, or more. */
static int mhca_take_group(const char **at)
{
	int n, digit, value = 0;

	for (n = 0; (digit = mhca_hex(**at)) >= 0; n++, (*at)++) {
		if (n == 4)
			return -1;
		value = value << 4 | digit;
	}
	return n ? value : -1;
}

/*
 * Groups with ':' between, into @group; @gap: how many stand before a "::", -1: there is
 * none. Return: how many, -1: it is no address.
 */
static int mhca_take_groups(const char **at, u16 group[MHCA_GROUPS], int *gap)
{
	int n = 0, value;

	*gap = -1;
	if ((*at)[0] == ':' && (*at)[1] == ':') {
		*gap = 0;
		*at += 2;
	}
	while (mhca_hex(**at) >= 0) {
		value = mhca_take_group(at);
		if (value < 0 || n == MHCA_GROUPS)
			return -1;
		group[n++] = value;
		if (**at != ':')
			return n;
		(*at)++;
		if (**at == ':') {
			if (*gap >= 0)
				return -1;
			*gap = n;
			(*at)++;
		} else if (mhca_hex(**at) < 0) {
			return -1;
		}
	}
	return n || *gap >= 0 ? n : -1;
}

static bool mhca_take_ipv6(const char **at, u8 address[16])
{
	u16 group[MHCA_GROUPS];
	int n, gap, i, to;

	n = mhca_take_groups(at, group, &gap);
	if (n < 0 || (gap < 0 ? n != MHCA_GROUPS : n == MHCA_GROUPS))
		return false;
	memset(address, 0, 16);
	for (i = 0; i < n; i++) {
		to = gap >= 0 && i >= gap ? MHCA_GROUPS - n + i : i;
		put_unaligned_be16(group[i], address + 2 * to);
	}
	return true;
}

/* Nobody's source: zero as an address, groups, IPv4 in IPv6's clothes; bits too many. */
static bool mhca_prefix_ok(const struct mhca_prefix *prefix)
{
	const u8 *a = prefix->address;
	int i;

	for (i = prefix->bits; i < 128; i++)
		if (a[i / 8] & 0x80 >> i % 8)
			return false;
	if (prefix->ipv4)
		return (prefix->bits < 128 || memchr_inv(a + 12, 0, 4)) &&
		       !(prefix->bits >= 100 && a[12] >> 4 == 0xe);
	if (!memcmp(a, mhca_ipv4_prefix, sizeof(mhca_ipv4_prefix)))
		return false;
	return (prefix->bits < 128 || memchr_inv(a, 0, 16)) &&
	       !(prefix->bits >= 8 && a[0] == 0xff);
}

/* Is there a ':' before the next ','? */
static bool mhca_is_ipv6(const char *text)
{
	while (*text && *text != ',' && *text != ':')
		text++;
	return *text == ':';
}

static int mhca_take_prefix(const char **at, struct mhca_prefix *prefix)
{
	int bits;

	prefix->ipv4 = !mhca_is_ipv6(*at);
	if (!(prefix->ipv4 ? mhca_take_ipv4(at, prefix->address) :
			     mhca_take_ipv6(at, prefix->address)))
		return -EINVAL;
	prefix->bits = 128;
	if (**at == '/') {
		(*at)++;
		bits = mhca_take_decimal(at, prefix->ipv4 ? 32 : 128);
		if (bits < 0)
			return -EINVAL;
		prefix->bits = prefix->ipv4 ? 96 + bits : bits;
	}
	if (**at && **at != ',')
		return -EINVAL;
	return mhca_prefix_ok(prefix) ? 0 : -ERANGE;
}

/**
 * mhca_addresses_parse() - a list from text
 * @addresses: filled when it is a list; may be empty
 * @text: addresses and prefixes with ',' between
 *
 * Return: 0; -EINVAL: not of this form; -ERANGE: too many, or an address that cannot be a
 * source, or bits behind a prefix's length. Then @addresses is as it was.
 */
int mhca_addresses_parse(struct mhca_addresses *addresses, const char *text)
{
	struct mhca_addresses list = { 0 };
	int ret;

	while (*text) {
		if (list.n == MHCA_ADDRESSES_MAX)
			return -ERANGE;
		ret = mhca_take_prefix(&text, &list.prefix[list.n]);
		if (ret)
			return ret;
		list.n++;
		if (!*text)
			break;
		if (!*++text)
			return -EINVAL;
	}
	*addresses = list;
	return 0;
}

/* ---- As text --------------------------------------------------------------------- */

/* The longest run of zero groups, of two at least: where it begins, @len: how long. */
static int mhca_zero_run(const u8 address[16], int *len)
{
	int i, from = 0, best = -1;

	*len = 1;
	for (i = 0; i < MHCA_GROUPS; i++) {
		if (get_unaligned_be16(address + 2 * i))
			from = i + 1;
		else if (i + 1 - from > *len) {
			best = from;
			*len = i + 1 - from;
		}
	}
	return best;
}

static int mhca_show_ipv6(const u8 address[16], char *buf, size_t size)
{
	int i, at = 0, len, run = mhca_zero_run(address, &len);

	for (i = 0; i < MHCA_GROUPS; i++) {
		if (i == run) {
			at += scnprintf(buf + at, size - at, "::");
			i += len - 1;
			continue;
		}
		at += scnprintf(buf + at, size - at, "%s%x", i && i != run + len ? ":" : "",
				get_unaligned_be16(address + 2 * i));
	}
	return at;
}

static int mhca_show_prefix(const struct mhca_prefix *prefix, char *buf, size_t size)
{
	const u8 *a = prefix->address;
	int at;

	if (prefix->ipv4)
		at = scnprintf(buf, size, "%u.%u.%u.%u", a[12], a[13], a[14], a[15]);
	else
		at = mhca_show_ipv6(a, buf, size);
	if (prefix->bits < 128)
		at += scnprintf(buf + at, size - at, "/%u",
				prefix->ipv4 ? prefix->bits - 96 : prefix->bits);
	return at;
}

/**
 * mhca_addresses_show() - a list as text
 * @addresses: list
 * @buf: text, without a line's end
 * @size: of @buf; MHCA_VALUE_MAX is enough
 *
 * Return: length of the text, which mhca_addresses_parse() takes for the same list.
 */
int mhca_addresses_show(const struct mhca_addresses *addresses, char *buf, size_t size)
{
	int at = scnprintf(buf, size, "%s", "");
	u32 i;

	for (i = 0; i < addresses->n; i++) {
		if (i)
			at += scnprintf(buf + at, size - at, ",");
		at += mhca_show_prefix(&addresses->prefix[i], buf + at, size - at);
	}
	return at;
}
