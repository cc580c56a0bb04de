/* SPDX-License-Identifier: MIT */
/*
 * The negotiation of permessage-deflate: reads the client's list of extensions (RFC 6455, 9.1),
 * judges each offer by RFC 7692, 7.1, and writes the response to the first that is acceptable.
 * Other extensions are passed over. It knows nothing of zlib. conn.c calls it before the 101.
 */
#include "libbaton/deflate.h"

#include <stdio.h>
#include <string.h>

#define EXTENSION "permessage-deflate"

enum parameter {
	PARAMETER_OUT_NO_TAKEOVER,
	PARAMETER_IN_NO_TAKEOVER,
	PARAMETER_OUT_BITS,
	PARAMETER_IN_BITS,
	PARAMETER_UNKNOWN,
};

static const char *const parameter_names[] = {
	[PARAMETER_OUT_NO_TAKEOVER] = "server_no_context_takeover",
	[PARAMETER_IN_NO_TAKEOVER] = "client_no_context_takeover",
	[PARAMETER_OUT_BITS] = "server_max_window_bits",
	[PARAMETER_IN_BITS] = "client_max_window_bits",
};

/* A token, or what a quoted string holds. Longer ones are cut: nothing we know is as long. */
struct word {
	char at[32];
	size_t len; /* before it was cut */
};

/* One offer while its parameters are read. */
struct offer {
	bool is_ours;   /* it is permessage-deflate */
	bool is_faulty; /* and has a parameter that declines it */
	unsigned seen;  /* a bit for each enum parameter */
	unsigned out_bits, in_bits;
};

static bool is_token_byte(char byte)
{
	return byte != '\0' && strchr("!#$%&'*+-.^_`|~0123456789"
				      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
				      byte) != NULL;
}

static void skip_blanks(const char **at)
{
	*at += strspn(*at, " \t");
}

static bool skip_byte(const char **at, char byte)
{
	skip_blanks(at);
	if (**at != byte) {
		return false;
	}
	++*at;
	skip_blanks(at);
	return true;
}

static void word_add(struct word *word, char byte)
{
	if (word->len < sizeof word->at - 1) {
		word->at[word->len] = byte;
	}
	word->len++;
}

static bool word_is(const struct word *word, const char *text)
{
	return word->len == strlen(text) && memcmp(word->at, text, word->len) == 0;
}

static bool read_token(const char **at, struct word *word)
{
	*word = (struct word){.len = 0};
	while (is_token_byte(**at)) {
		word_add(word, *(*at)++);
	}
	return word->len > 0;
}

/* Behind the opening quote. Unescaped it must be a token too, RFC 6455, 9.1. */
static bool read_quoted(const char **at, struct word *word)
{
	*word = (struct word){.len = 0};
	while (**at != '"') {
		*at += **at == '\\';
		if (!is_token_byte(**at)) {
			return false;
		}
		word_add(word, *(*at)++);
	}
	++*at;
	return word->len > 0;
}

static enum parameter parameter_find(const struct word *name)
{
	for (enum parameter i = 0; i < PARAMETER_UNKNOWN; i++) {
		if (word_is(name, parameter_names[i])) {
			return i;
		}
	}
	return PARAMETER_UNKNOWN;
}

/* 8 to 15 in decimal digits without leading zeroes, or 0. */
static unsigned bits_of(const struct word *value)
{
	if (value->len == 1 && (value->at[0] == '8' || value->at[0] == '9')) {
		return (unsigned)(value->at[0] - '0');
	}
	if (value->len == 2 && value->at[0] == '1' && value->at[1] >= '0' && value->at[1] <= '5') {
		return (unsigned)(10 + value->at[1] - '0');
	}
	return 0;
}

/* value: NULL when the parameter has none. */
static void offer_take(struct offer *offer, const struct word *name, const struct word *value)
{
	enum parameter parameter = parameter_find(name);
	unsigned bits = value != NULL ? bits_of(value) : 0;
	bool is_right = false;
	switch (parameter) {
	case PARAMETER_OUT_NO_TAKEOVER:
	case PARAMETER_IN_NO_TAKEOVER:
		is_right = value == NULL;
		break;
	case PARAMETER_OUT_BITS:
		offer->out_bits = bits;
		is_right = bits != 0;
		break;
	case PARAMETER_IN_BITS: /* without a value: the client will do as the response says */
		offer->in_bits = value == NULL ? DEFLATE_MOST_BITS : bits;
		is_right = offer->in_bits != 0;
		break;
	case PARAMETER_UNKNOWN:
		break;
	}
	offer->is_faulty |= !is_right || (offer->seen & 1u << parameter);
	offer->seen |= 1u << parameter;
}

/* One element of the list. False: not the grammar. */
static bool offer_read(const char **at, struct offer *offer)
{
	struct word name, value;
	*offer = (struct offer){.out_bits = DEFLATE_MOST_BITS, .in_bits = DEFLATE_MOST_BITS};
	if (!read_token(at, &name)) {
		return false;
	}
	offer->is_ours = word_is(&name, EXTENSION);
	while (skip_byte(at, ';')) {
		if (!read_token(at, &name)) {
			return false;
		}
		bool has_value = skip_byte(at, '=');
		if (has_value &&
		    !(skip_byte(at, '"') ? read_quoted(at, &value) : read_token(at, &value))) {
			return false;
		}
		offer_take(offer, &name, has_value ? &value : NULL);
	}
	return **at == '\0' || **at == ',';
}

/* The first offer that we accept. Reads on behind it: the rest must keep to the grammar too. */
static bool offer_choose(const char *at, struct offer *chosen)
{
	bool is_chosen = false;
	while (skip_byte(&at, ',') || *at != '\0') { /* empty elements are allowed */
		struct offer offer;
		if (*at == ',' || *at == '\0') {
			continue;
		}
		if (!offer_read(&at, &offer)) {
			return false;
		}
		if (!is_chosen && offer.is_ours && !offer.is_faulty) {
			*chosen = offer;
			is_chosen = true;
		}
	}
	return is_chosen;
}

static bool offer_has(const struct offer *offer, enum parameter parameter)
{
	return offer->seen & 1u << parameter;
}

static unsigned least(unsigned one, unsigned other)
{
	return one < other ? one : other;
}

/* What the client asks for is granted; what we want beyond it may be said unasked, except
 * client_max_window_bits (7.1.2.2): a client that does not offer it may use its whole window. */
static struct deflate_terms offer_settle(const struct offer *offer,
					 const struct deflate_settings *settings)
{
	bool has_in_bits = offer_has(offer, PARAMETER_IN_BITS);
	unsigned in_bits = has_in_bits ? least(settings->in_bits, offer->in_bits)
				       : (unsigned)DEFLATE_MOST_BITS;
	return (struct deflate_terms){
		.out_bits = least(settings->out_bits, offer->out_bits) & 15,
		.in_bits = in_bits & 15,
		.has_out_takeover =
			settings->has_out_takeover && !offer_has(offer, PARAMETER_OUT_NO_TAKEOVER),
		.has_in_takeover =
			settings->has_in_takeover && !offer_has(offer, PARAMETER_IN_NO_TAKEOVER),
	};
}

static void write_response(char to[DEFLATE_RESPONSE_BYTES], const struct offer *offer,
			   struct deflate_terms terms)
{
	char out_bits[32] = "", in_bits[32] = "";
	if (offer_has(offer, PARAMETER_OUT_BITS) || terms.out_bits < DEFLATE_MOST_BITS) {
		snprintf(out_bits, sizeof out_bits, "; %s=%u", parameter_names[PARAMETER_OUT_BITS],
			 (unsigned)terms.out_bits);
	}
	if (terms.in_bits < DEFLATE_MOST_BITS) {
		snprintf(in_bits, sizeof in_bits, "; %s=%u", parameter_names[PARAMETER_IN_BITS],
			 (unsigned)terms.in_bits);
	}
	snprintf(to, DEFLATE_RESPONSE_BYTES, EXTENSION "%s%s%s%s%s%s",
		 terms.has_out_takeover ? "" : "; ",
		 terms.has_out_takeover ? "" : parameter_names[PARAMETER_OUT_NO_TAKEOVER],
		 terms.has_in_takeover ? "" : "; ",
		 terms.has_in_takeover ? "" : parameter_names[PARAMETER_IN_NO_TAKEOVER], out_bits,
		 in_bits);
}

bool deflate_negotiate(const struct deflate_settings *settings, const char *offered,
		       char response_r[DEFLATE_RESPONSE_BYTES], struct deflate_terms *terms_r)
{
	struct offer offer;
	if (!settings->is_enabled || offered == NULL || !offer_choose(offered, &offer)) {
		return false;
	}
	*terms_r = offer_settle(&offer, settings);
	write_response(response_r, &offer, *terms_r);
	return true;
}
