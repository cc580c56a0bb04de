/* SPDX-License-Identifier: MIT */
/*
 * The syntax of a request head (RFC 9112, sections 2.1 to 5.2), strict: what is not in the grammar
 * is refused, and nothing is skipped, joined or trimmed but the white space around a value. Gives
 * slices into the caller's bytes; what they mean is request.c's business. peek.c calls it with
 * everything that has arrived, again for each arrival, so no step keeps state. A step that runs
 * out of bytes says HEAD_NEED_MORE; a fault is the first byte that no valid head has there.
 */
#include "admit/head.h"

#include "admit/grammar.h"

struct reader {
	const char *at, *end;
	enum refusal refusal; /* set with HEAD_BAD */
};

static enum head_result refuse(struct reader *reader, enum refusal refusal)
{
	reader->refusal = refusal;
	return HEAD_BAD;
}

/* The byte at hand, if there is one, cannot stand here. */
static enum head_result refuse_byte(struct reader *reader, enum refusal otherwise)
{
	if (reader->at == reader->end) {
		return HEAD_NEED_MORE;
	}
	if (*reader->at == '\0') {
		return refuse(reader, REFUSAL_NUL);
	}
	/* Every LF that follows its CR is taken by read_line_end: this one has none. */
	return refuse(reader, *reader->at == '\n' ? REFUSAL_BARE_LF : otherwise);
}

static struct slice read_run(struct reader *reader, enum grammar_class wanted)
{
	const char *start = reader->at;
	while (reader->at < reader->end && grammar_is(*reader->at, wanted)) {
		reader->at++;
	}
	return (struct slice){start, (size_t)(reader->at - start)};
}

static enum head_result read_line_end(struct reader *reader, enum refusal otherwise)
{
	if (reader->at == reader->end || *reader->at != '\r') {
		return refuse_byte(reader, otherwise);
	}
	if (reader->end - reader->at < 2) {
		return HEAD_NEED_MORE;
	}
	if (reader->at[1] != '\n') {
		return refuse(reader, REFUSAL_BARE_LF);
	}
	reader->at += 2;
	return HEAD_OK;
}

/*
 * An empty line before it is refused. RFC 9112, 2.2 says that a server SHOULD ignore one, for the
 * sake of clients that write CRLF behind the body of an earlier request; an upgrade is the first
 * request of its connection, so there is none.
 */
static enum head_result read_method(struct reader *reader, struct slice *method_r)
{
	struct slice method = read_run(reader, GRAMMAR_TOKEN);
	if (reader->at == reader->end) {
		return HEAD_NEED_MORE;
	}
	if (*reader->at == ' ' && method.len > 0) {
		reader->at++;
		*method_r = method;
		return HEAD_OK;
	}
	bool is_line_fault = *reader->at == ' ' || *reader->at == '\r';
	return refuse_byte(reader, is_line_fault ? REFUSAL_BAD_LINE : REFUSAL_BAD_METHOD);
}

static enum head_result read_target(struct reader *reader, struct slice *target_r)
{
	struct slice target = read_run(reader, GRAMMAR_VISIBLE);
	if (target.len > HEAD_MAX_TARGET) {
		return refuse(reader, REFUSAL_TARGET_TOO_LONG);
	}
	if (reader->at == reader->end) {
		return HEAD_NEED_MORE;
	}
	if (*reader->at == ' ' && target.len > 0) {
		reader->at++;
		*target_r = target;
		return HEAD_OK;
	}
	bool is_line_fault = *reader->at == ' ' || *reader->at == '\r';
	return refuse_byte(reader, is_line_fault ? REFUSAL_BAD_LINE : REFUSAL_BAD_TARGET);
}

/* "HTTP/" DIGIT "." DIGIT: '0' stands for any digit. Only the whole word can be another version. */
static enum head_result read_version(struct reader *reader)
{
	const char *word = reader->at;
	for (const char *wanted = "HTTP/0.0"; *wanted != '\0'; wanted++, reader->at++) {
		bool fits = reader->at < reader->end &&
			    (*wanted == '0' ? *reader->at >= '0' && *reader->at <= '9'
					    : *reader->at == *wanted);
		if (!fits) {
			return refuse_byte(reader, REFUSAL_BAD_LINE);
		}
	}
	if (word[5] != '1' || word[7] != '1') {
		return refuse(reader, REFUSAL_VERSION);
	}
	return read_line_end(reader, REFUSAL_BAD_LINE);
}

static enum head_result read_field(struct reader *reader, struct head_field *field_r)
{
	struct slice name = read_run(reader, GRAMMAR_TOKEN);
	if (reader->at == reader->end || *reader->at != ':' || name.len == 0) {
		return refuse_byte(reader, REFUSAL_BAD_FIELD);
	}
	reader->at++;
	struct slice value = read_run(reader, GRAMMAR_VALUE);
	enum head_result result = read_line_end(reader, REFUSAL_BAD_FIELD);
	if (result != HEAD_OK) {
		return result;
	}
	*field_r = (struct head_field){name, grammar_trim(value)};
	return HEAD_OK;
}

static enum head_result read_fields(struct reader *reader, struct head *head)
{
	head->field_count = 0;
	for (;;) {
		if (reader->at == reader->end) {
			return HEAD_NEED_MORE;
		}
		switch (*reader->at) {
		case '\r':
			return read_line_end(reader, REFUSAL_BARE_LF);
		case ' ':
		case '\t':
			return refuse(reader, REFUSAL_OBS_FOLD);
		default:
			break;
		}
		if (head->field_count == HEAD_MAX_FIELDS) {
			return refuse_byte(reader, REFUSAL_TOO_MANY_FIELDS);
		}
		enum head_result result = read_field(reader, &head->fields[head->field_count]);
		if (result != HEAD_OK) {
			return result;
		}
		head->field_count++;
	}
}

static enum head_result read_head(struct reader *reader, struct head *head)
{
	enum head_result result = read_method(reader, &head->method);
	if (result == HEAD_OK) {
		result = read_target(reader, &head->target);
	}
	if (result == HEAD_OK) {
		result = read_version(reader);
	}
	return result == HEAD_OK ? read_fields(reader, head) : result;
}

enum head_result head_parse(const char *data, size_t len, size_t limit_bytes, struct head *head_r,
			    enum refusal *refusal_r)
{
	/* What lies behind the limit must not change the verdict, or it would depend on timing. */
	size_t readable = len < limit_bytes ? len : limit_bytes;
	struct reader reader = {.at = data, .end = data + readable};
	struct head head;
	enum head_result result = read_head(&reader, &head);
	if (result == HEAD_NEED_MORE && readable == limit_bytes) {
		result = refuse(&reader, REFUSAL_HEAD_TOO_LARGE);
	}
	switch (result) {
	case HEAD_OK:
		head.bytes = (size_t)(reader.at - data);
		/* Mostly a tenth of the fields is used; the rest is not worth a copy. */
		memcpy(head_r, &head,
		       offsetof(struct head, fields) + head.field_count * sizeof head.fields[0]);
		break;
	case HEAD_BAD:
		*refusal_r = reader.refusal;
		break;
	case HEAD_NEED_MORE:
		break;
	}
	return result;
}

struct slice head_find(const struct head *head, const char *name, unsigned *count_r)
{
	struct slice first = {0};
	unsigned count = 0;
	struct slice wanted = slice_of(name);
	for (unsigned i = 0; i < head->field_count; i++) {
		const struct head_field *field = &head->fields[i];
		if (slice_same_nocase(field->name, wanted) && count++ == 0) {
			first = field->value;
		}
	}
	if (count_r != NULL) {
		*count_r = count;
	}
	return first;
}
