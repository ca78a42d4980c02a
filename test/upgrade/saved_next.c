/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The records of the next version, for zinit-server-next: one field more, at the end. It is set in each record that this
 * version writes; a record that holds something else there was garbled by the version before.
 */
#define saved_format saved_format_now
#define saved_encode saved_encode_now
#define saved_decode saved_decode_now
#include "supervisor/saved.c" /* NOLINT: the layout is this one's own, with a row more */
#undef saved_format
#undef saved_encode
#undef saved_decode

/* the header has declared them under the other names */
extern const struct state_format saved_format;
void saved_encode(const struct saved *saved, unsigned char *record);
int saved_decode(const unsigned char *record, struct saved *out, struct error *err);

#define NEW_FIELD 0x6e65787466696c64ULL

const struct state_format saved_format = {
	.version = SAVED_VERSION + 1,
	.oldest = SAVED_VERSION,
	.reader = SAVED_VERSION,
	.size = SAVED_SIZE + sizeof(uint64_t),
	.room = SAVED_ROOM,
};

void saved_encode(const struct saved *saved, unsigned char *record)
{
	const uint64_t value = NEW_FIELD;

	saved_encode_now(saved, record);
	memcpy(record + SAVED_SIZE, &value, sizeof(value));
}

int saved_decode(const unsigned char *record, struct saved *out, struct error *err)
{
	uint64_t value;

	memcpy(&value, record + SAVED_SIZE, sizeof(value));
	if (value && value != NEW_FIELD)
		return error_set(err, EPROTO, "the new field was not kept");
	return saved_decode_now(record, out, err);
}
