// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* DMA memory, doorbell records and number tables. */
#include <errno.h>
#include <stdlib.h>
#include "client.h"

/* Records are 64 bytes apart: no two objects share a cache line. */
#define RECORD_STRIDE	64
#define RECORDS		(CLIENT_PAGE / RECORD_STRIDE)

struct client_record_page {
	struct client_record_page *next;
	struct client_mem mem;
	u64 used;
};

int client_mem_alloc(struct client *c, size_t len, struct client_mem *mem)
{
	size_t whole = (len + CLIENT_PAGE - 1) & ~(size_t)(CLIENT_PAGE - 1);

	mem->va = c->ops->alloc(c->backend, whole);
	mem->len = mem->va ? whole : 0;
	return mem->va ? 0 : -ENOMEM;
}

void client_mem_free(struct client *c, struct client_mem *mem)
{
	if (mem->va)
		c->ops->free(c->backend, mem->va, mem->len);
	mem->va = NULL;
	mem->len = 0;
}

u64 client_iova(struct client *c, const void *va)
{
	return c->ops->iova(c->backend, va);
}

u32 client_page_list(struct client *c, const void *va, size_t len, __be64 *pas)
{
	u32 n = (len + CLIENT_PAGE - 1) >> CLIENT_PAGE_SHIFT;
	u32 i;

	for (i = 0; i < n; i++)
		pas[i] = cpu_to_be64(client_iova(c, (const u8 *)va + (size_t)i * CLIENT_PAGE));
	return n;
}

int client_record_alloc(struct client *c, struct client_record *record)
{
	struct client_record_page *page;

	for (page = c->records; page; page = page->next)
		if (~page->used)
			break;
	if (!page) {
		page = calloc(1, sizeof(*page));
		if (!page)
			return -ENOMEM;
		if (client_mem_alloc(c, CLIENT_PAGE, &page->mem)) {
			free(page);
			return -ENOMEM;
		}
		page->next = c->records;
		c->records = page;
	}
	_Static_assert(RECORDS == 64, "one bit of @used for each");
	record->page = page;
	record->slot = (u32)__builtin_ctzll(~page->used);
	page->used |= 1ULL << record->slot;
	record->word = (__be32 *)(page->mem.va + record->slot * RECORD_STRIDE);
	record->word[0] = 0;
	record->word[1] = 0;
	return 0;
}

void client_record_free(struct client *c, struct client_record *record)
{
	struct client_record_page **at;

	if (!record->page)
		return;
	record->page->used &= ~(1ULL << record->slot);
	if (!record->page->used) {
		for (at = &c->records; *at != record->page; at = &(*at)->next)
			;
		*at = record->page->next;
		client_mem_free(c, &record->page->mem);
		free(record->page);
	}
	record->page = NULL;
	record->word = NULL;
}

void *client_table_get(const struct client_table *table, u32 number)
{
	void **leaf = __atomic_load_n(&table->leaf[number >> 12 & 4095], __ATOMIC_ACQUIRE);

	return leaf ? __atomic_load_n(&leaf[number & 4095], __ATOMIC_ACQUIRE) : NULL;
}

int client_table_set(struct client_table *table, u32 number, void *p)
{
	void ***leaf = &table->leaf[number >> 12 & 4095];

	if (!*leaf) {
		void **fresh = calloc(4096, sizeof(*fresh));

		if (!fresh)
			return -ENOMEM;
		__atomic_store_n(leaf, fresh, __ATOMIC_RELEASE);
	}
	__atomic_store_n(&(*leaf)[number & 4095], p, __ATOMIC_RELEASE);
	return 0;
}

void client_table_fini(struct client_table *table)
{
	u32 i;

	for (i = 0; i < 4096; i++) {
		if (!table->leaf[i])
			continue;
		free(table->leaf[i]);
		table->leaf[i] = NULL;
	}
}
