/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the descriptors that the keeper holds for servers to come. */
#include <string.h>

#include "base/diag.h"
#include "base/mem.h"
#include "keeper/internal.h"

static size_t count_fds(const int *fds)
{
	size_t n = 0;

	while (n < FD_MESSAGE_MAX && fds[n] >= 0)
		n++;
	return n;
}

void slots_close(int *fds)
{
	for (size_t i = 0; i < FD_MESSAGE_MAX; i++) {
		auto_close(&fds[i]);
		fds[i] = -1;
	}
}

void slots_forget(struct keeper *k, uint32_t at)
{
	if (at < k->slots_end && k->slots[at].used) {
		slots_close(k->slots[at].fds);
		k->slots[at].used = false;
	}
}

void slots_keep(struct keeper *k, const struct wire_message *m, int *fds)
{
	struct slot *slot;

	if (m->slot >= SLOTS_MAX) {
		diag(DIAG_ERROR, "keeper: slot %u of '%.*s' is out of range", m->slot, LIMIT_KEEPER_KEY, m->key);
		slots_close(fds);
		return;
	}
	slots_forget(k, m->slot);
	slot = &k->slots[m->slot];
	slot->used = true;
	memcpy(slot->key, m->key, sizeof(slot->key));
	memcpy(slot->fds, fds, sizeof(slot->fds));
	if (m->slot >= k->slots_end)
		k->slots_end = m->slot + 1;
}

bool slots_hand_over(const struct keeper *k)
{
	struct wire_message m = { .type = WIRE_KEPT };

	for (uint32_t i = 0; i < k->slots_end; i++) {
		if (!k->slots[i].used)
			continue;
		m.slot = i;
		memcpy(m.key, k->slots[i].key, sizeof(m.key));
		if (keeper_send(k, &m, 0, k->slots[i].fds, count_fds(k->slots[i].fds)) < 0)
			return false;
	}
	return true;
}
