/* SPDX-License-Identifier: MIT */
/*
 * baton-static DIR: serves the files below DIR for routes with http = true. The path of a request
 * is the path of the file below DIR; a route's own path is not taken off. GET and HEAD, one request
 * a connection, ETag and 304, index.html for a directory; symbolic links are followed, so DIR must
 * not have any that lead out of it to what is secret. libwebsockets sends the files, but not by its
 * own mount, whose ETag has no quotes and is compared as a whole (RFC 9110, 8.8.3 and 13.1.2).
 *
 * It knows no ranges, no compression and no lists of directories. WebSocket upgrades and whatever
 * else it does not serve are refused before they are taken: the gateway answers then, and lets the
 * client read the answer also when it is still sending.
 */
#include "lws/baton_lws.h"

#include <errno.h>
#include <libwebsockets.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ANSWER_BYTES = 20 * 1024 }; /* a head of 16 KiB, come back as Location */

static const char *directory;
static struct lws_http_mount mount;
/* What libwebsockets writes for the mount's settings: a 304 repeats it. */
static const char cache_control[] = "must-revalidate, public, max-age=1";
static bool is_over;

/* ---- what is not served ---- */

/* Is there a field of this name, and not with this value? The head is canonical: "Name: value". */
static bool has_field(const char *head, const char *name, const char *except)
{
	size_t len = strlen(name);
	for (const char *line = strstr(head, "\r\n"); line != NULL; line = strstr(line, "\r\n")) {
		line += 2;
		if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
			const char *value = line + len + 1;
			value += strspn(value, " ");
			return except == NULL || strncmp(value, except, strlen(except)) != 0 ||
			       value[strlen(except)] != '\r';
		}
	}
	return false;
}

/* Status of the refusal, or 0. A body would stay unread, and the close turn into a reset. */
static int handle_offered(const struct baton_lws_offer *offer, void *data)
{
	const char *method = baton_lws_offer_get(offer, "REQUEST_METHOD");
	const char *head = baton_lws_offer_get(offer, "HEAD");
	(void)data;
	if (method == NULL || (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)) {
		return HTTP_STATUS_METHOD_NOT_ALLOWED;
	}
	if (has_field(head, "Upgrade", NULL)) {
		return HTTP_STATUS_NOT_FOUND;
	}
	bool has_body = has_field(head, "Content-Length", "0") ||
			has_field(head, "Transfer-Encoding", NULL);
	return has_body ? HTTP_STATUS_REQ_ENTITY_TOO_LARGE : 0;
}

/* ---- what is ---- */

static const struct lws_protocol_vhost_options *chain_types(void)
{
	/* libwebsockets knows the usual pictures and fonts itself. */
	static const struct {
		const char *suffix, *type;
	} types[] = {
		{".avif", "image/avif"},
		{".css", "text/css; charset=utf-8"},
		{".csv", "text/csv; charset=utf-8"},
		{".htm", "text/html; charset=utf-8"},
		{".html", "text/html; charset=utf-8"},
		{".js", "text/javascript; charset=utf-8"},
		{".json", "application/json"},
		{".map", "application/json"},
		{".md", "text/markdown; charset=utf-8"},
		{".mjs", "text/javascript; charset=utf-8"},
		{".mp3", "audio/mpeg"},
		{".mp4", "video/mp4"},
		{".ogg", "audio/ogg"},
		{".pdf", "application/pdf"},
		{".txt", "text/plain; charset=utf-8"},
		{".wasm", "application/wasm"},
		{".webm", "video/webm"},
		{".webmanifest", "application/manifest+json"},
		{".webp", "image/webp"},
		{"*", "application/octet-stream"}, /* else libwebsockets answers 415 */
	};
	enum { TYPES = sizeof types / sizeof types[0] };
	static struct lws_protocol_vhost_options options[TYPES];
	for (size_t i = 0; i < TYPES; i++) {
		options[i].name = types[i].suffix;
		options[i].value = types[i].type;
		options[i].next = i + 1 < TYPES ? &options[i + 1] : NULL;
	}
	return options;
}

static unsigned char bytes[LWS_PRE + ANSWER_BYTES];

/* Sends what snprintf wrote behind LWS_PRE, and ends the connection. */
static int send_bytes(struct lws *wsi, int length)
{
	if (length > 0 && length < ANSWER_BYTES) {
		lws_write(wsi, bytes + LWS_PRE, (size_t)length, LWS_WRITE_RAW);
	}
	return -1;
}

/* A whole answer, text and all, and the end of the connection. */
static int answer(struct lws *wsi, const char *status, const char *fields, const char *text)
{
	const char *method = baton_lws_get(wsi, "REQUEST_METHOD");
	bool is_head = method != NULL && strcmp(method, "HEAD") == 0;
	return send_bytes(wsi, snprintf((char *)bytes + LWS_PRE, ANSWER_BYTES,
					"HTTP/1.1 %s\r\nContent-Type: text/plain; charset=utf-8\r\n"
					"Content-Length: %zu\r\n%sConnection: close\r\n\r\n%s",
					status, strlen(text), fields, is_head ? "" : text));
}

/* "/chat?a" to "/chat/?a". Just one slash in front: two would make a host of what follows. */
static int redirect(struct lws *wsi)
{
	static char location[ANSWER_BYTES - 1024];
	const char *uri = baton_lws_get(wsi, "REQUEST_URI");
	uri = uri != NULL ? uri + strspn(uri, "/") : "";
	int path_len = (int)strcspn(uri, "?");
	snprintf(location, sizeof location, "Location: /%.*s/%s\r\n", path_len, uri,
		 uri + path_len);
	return answer(wsi, "301 Moved Permanently", location, "301 This is a directory.\n");
}

static int answer_not_found(struct lws *wsi)
{
	return answer(wsi, "404 Not Found", "", "404 Nothing is here.\n");
}

/* Does the client have it? A tag with its quotes stands in a list as itself only, and a W/ before
 * it makes no difference (RFC 9110, 13.1.2). */
static bool has_tag(struct lws *wsi, const char *tag)
{
	static char list[ANSWER_BYTES];
	int len = lws_hdr_copy(wsi, list, sizeof list, WSI_TOKEN_HTTP_IF_NONE_MATCH);
	return len > 0 && (list[0] == '*' || strstr(list, tag) != NULL);
}

static int serve_file(struct lws *wsi, const char *file, const struct stat *status)
{
	char tag[64], field[80];
	snprintf(tag, sizeof tag, "\"%llx-%llx.%lx\"", (unsigned long long)status->st_size,
		 (unsigned long long)status->st_mtim.tv_sec, (unsigned long)status->st_mtim.tv_nsec);
	int field_len = snprintf(field, sizeof field, "etag: %s\r\n", tag);
	if (has_tag(wsi, tag)) {
		return send_bytes(wsi, snprintf((char *)bytes + LWS_PRE, ANSWER_BYTES,
						"HTTP/1.1 304 Not Modified\r\n%scache-control: "
						"%s\r\nconnection: close\r\n\r\n",
						field, cache_control));
	}
	const char *type = lws_get_mimetype(file, &mount);
	int result = lws_serve_http_file(wsi, file, type, field, field_len);
	return result < 0 || (result > 0 && lws_http_transaction_completed(wsi)) ? -1 : 0;
}

/* A directory's index.html comes only behind a slash, else relative links would be wrong. And a
 * FIFO waits for its writer, while nobody is served. */
static int serve_path(struct lws *wsi, const char *path, size_t len)
{
	static char file[PATH_MAX];
	struct stat status;
	bool is_index = len == 0 || path[len - 1] == '/';
	int length = snprintf(file, sizeof file, "%s/%.*s%s", directory, (int)len, path,
			      is_index ? "index.html" : "");
	if (length >= (int)sizeof file || access(file, R_OK) != 0 || stat(file, &status) != 0) {
		return answer_not_found(wsi);
	}
	if (S_ISDIR(status.st_mode) && !is_index) {
		return redirect(wsi);
	}
	return S_ISREG(status.st_mode) ? serve_file(wsi, file, &status) : answer_not_found(wsi);
}

static int handle_http(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
		       size_t len)
{
	switch (reason) {
	case LWS_CALLBACK_HTTP: /* in: the path behind its "/", decoded and without ".." */
		return serve_path(wsi, in, len);
	case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
		return -1; /* no WebSocket here, whoever let it pass */
	default:
		return lws_callback_http_dummy(wsi, reason, user, in, len);
	}
}

static void handle_end(void *data)
{
	(void)data;
	is_over = true;
}

/* ---- start ---- */

static void fill_mount(void)
{
	mount = (struct lws_http_mount){
		.mountpoint = "/",
		.mountpoint_len = 1,
		.origin_protocol = LWSMPRO_CALLBACK,
		.protocol = "http",
		.extra_mimetypes = chain_types(),
		.cache_max_age = 1, /* 0 would be "no-store", and no ETag were ever asked for */
		.cache_reusable = 1,
		.cache_revalidate = 1,
		.cache_intermediaries = 1,
	};
}

static int serve(const char *name)
{
	static const struct lws_protocols protocols[] = {
		{.name = "http", .callback = handle_http},
		{.name = NULL},
	};
	static const struct lws_protocol_vhost_options nosniff = {.name = "x-content-type-options:",
								  .value = "nosniff"};
	static const struct lws_protocol_vhost_options fields = {
		.next = &nosniff, .name = "connection:", .value = "close"};
	static const struct baton_lws_app app = {
		.size = sizeof app, .offered = handle_offered, .ended = handle_end};
	fill_mount();
	struct lws_context_creation_info info;
	memset(&info, 0, sizeof info);
	info.protocols = protocols;
	info.mounts = &mount;
	info.headers = &fields;
	info.uid = info.gid = -1;
	if (baton_lws_prepare(&info) != 0) {
		fprintf(stderr, "%s: %s\n", name, baton_lws_explain());
		return 2;
	}
	struct lws_context *context = lws_create_context(&info);
	struct lws_vhost *vhost =
		context != NULL ? lws_get_vhost_by_name(context, "default") : NULL;
	struct baton_lws *baton = baton_lws_create(vhost, &app, NULL);
	if (baton == NULL) {
		fprintf(stderr, "%s: %s\n", name, baton_lws_explain());
	}
	while (baton != NULL && !is_over && lws_service(context, 0) >= 0) {
	}
	lws_context_destroy(context);
	baton_lws_destroy(baton);
	return is_over ? 0 : 1;
}

int main(int argc, char **argv)
{
	struct stat status;
	if (argc != 2 || argv[1][0] == '-') {
		fprintf(stderr, "usage: baton-static DIRECTORY\n"
				"serves the files below it, as a child of baton, for routes with "
				"http = true\n");
		return 2;
	}
	int error = stat(argv[1], &status) != 0 ? errno : S_ISDIR(status.st_mode) ? 0 : ENOTDIR;
	if (error != 0) {
		fprintf(stderr, "%s: %s: %s\n", argv[0], argv[1], strerror(error));
		return 2;
	}
	lws_set_log_level(LLL_ERR | LLL_WARN, NULL);
	directory = argv[1];
	return serve(argv[0]);
}
