/* SPDX-License-Identifier: MIT */
/*
 * The control socket of a running gateway: see control.h. Called by gateway.c; knows no command.
 */
#include "control/control.h"

#include "fdutil.h"
#include "log.h"
#include "loop/timers.h"
#include "unixsock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

enum { PAUSE_MS = 100 }; /* after EMFILE and its like */

struct client {
	struct control *control; /* NULL: the place is free */
	struct loop_io io;
	struct loop_timer timer;
	size_t command_len;
	char command[CONTROL_COMMAND_BYTES];
	struct control_reply reply;
	bool is_answered;
	size_t len, sent; /* of reply.text */
	uint32_t cursor;  /* of reply.more */
};

struct control {
	struct loop *loop;
	control_fn *fn;
	void *data;
	struct loop_io io;
	struct loop_lane lane, pause_lane;
	struct loop_timer pause;
	bool is_full; /* not accepting: all places are taken, or no descriptor is left */
	struct client clients[CONTROL_CLIENTS];
	struct sockaddr_un address;
	struct unixsock_file file;
};

static void accept_again(struct control *control)
{
	if (control->is_full && loop_io_change(control->loop, &control->io, LOOP_READ) == 0) {
		control->is_full = false;
	}
}

/* No descriptor for a client who stands there: he stays readable, and would be asked in every
 * turn. */
static void pause_accepting(struct control *control)
{
	control->is_full = loop_io_change(control->loop, &control->io, 0) == 0;
	loop_timer_start(&control->pause_lane, &control->pause, PAUSE_MS);
}

static void handle_pause_end(struct loop_timer *timer)
{
	accept_again(loop_owner(timer, struct control, pause));
}

static void client_close(struct client *client)
{
	struct control *control = client->control;
	int fd = client->io.fd;
	loop_io_remove(control->loop, &client->io);
	loop_timer_stop(&client->timer);
	fd_close(&fd);
	free(client->reply.text);
	client->control = NULL;
	accept_again(control);
}

static void handle_timer(struct loop_timer *timer)
{
	client_close(loop_owner(timer, struct client, timer));
}

/* The next chunk of a long answer. False: there is no more. */
static bool refill(struct client *client)
{
	struct control_reply *reply = &client->reply;
	if (reply->more == NULL) {
		return false;
	}
	if (reply->text == NULL) {
		reply->text = malloc(CONTROL_CHUNK_BYTES);
	}
	if (reply->text == NULL) {
		return false;
	}
	client->sent = 0;
	client->len = reply->more(client->control->data, &client->cursor, reply->text,
				  CONTROL_CHUNK_BYTES);
	return client->len > 0;
}

/* One write a turn: a client that reads slowly or not at all delays nobody. */
static void write_reply(struct client *client)
{
	struct control_reply *reply = &client->reply;
	if (client->sent == client->len && !refill(client)) {
		client_close(client);
		return;
	}
	ssize_t sent = send(client->io.fd, reply->text + client->sent, client->len - client->sent,
			    MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent > 0) {
		client->sent += (size_t)sent;
		loop_timer_start(&client->control->lane, &client->timer, CONTROL_TIMEOUT_MS);
	} else if (errno != EAGAIN && errno != EINTR) {
		client_close(client);
	}
}

static void answer(struct client *client)
{
	struct control *control = client->control;
	if (!control->fn(control->data, client->command, &client->reply)) {
		client->reply.text = strdup("{\"error\": \"unknown command\"}\n");
	}
	client->is_answered = true;
	client->len = client->reply.text != NULL ? strlen(client->reply.text) : 0;
	if ((client->reply.text == NULL && client->reply.more == NULL) ||
	    loop_io_change(control->loop, &client->io, LOOP_WRITE) != 0) {
		client_close(client);
	}
}

static void read_command(struct client *client)
{
	size_t room = sizeof client->command - client->command_len;
	ssize_t got =
		recv(client->io.fd, client->command + client->command_len, room, MSG_DONTWAIT);
	if (got <= 0) {
		if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
			client_close(client);
		}
		return;
	}
	client->command_len += (size_t)got;
	char *end = memchr(client->command, '\n', client->command_len);
	if (end != NULL) {
		*end = '\0';
		answer(client);
	} else if (client->command_len == sizeof client->command) {
		client_close(client);
	}
}

static void handle_client(struct loop_io *io, unsigned events)
{
	struct client *client = loop_owner(io, struct client, io);
	(void)events;
	if (client->is_answered) {
		write_reply(client);
	} else {
		read_command(client);
	}
}

static struct client *find_place(struct control *control)
{
	for (size_t i = 0; i < CONTROL_CLIENTS; i++) {
		if (control->clients[i].control == NULL) {
			return &control->clients[i];
		}
	}
	return NULL;
}

static void handle_accept(struct loop_io *io, unsigned events)
{
	(void)events;
	struct control *control = loop_owner(io, struct control, io);
	struct client *client = find_place(control);
	if (client == NULL) {
		control->is_full = loop_io_change(control->loop, io, 0) == 0;
		return;
	}
	int fd = accept4(io->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0) {
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
			pause_accepting(control);
		}
		return;
	}
	*client = (struct client){.io = {.fd = -1}};
	if (!unixsock_trusts_peer(fd) ||
	    loop_io_add(control->loop, &client->io, fd, LOOP_READ, handle_client)) {
		fd_close(&fd);
		return;
	}
	client->control = control;
	loop_timer_start(&control->lane, &client->timer, CONTROL_TIMEOUT_MS);
}

/* ---- set-up ---- */

static void make_directory(const char *path)
{
	char directory[sizeof((struct sockaddr_un *)0)->sun_path];
	snprintf(directory, sizeof directory, "%s", path);
	char *slash = strrchr(directory, '/');
	if (slash != NULL && slash != directory) {
		*slash = '\0';
		mkdir(directory, 0755); /* when it cannot be made, bind says why */
	}
}

static int listen_at(struct control *control, const char *path)
{
	if (unixsock_address(&control->address, path) != 0) {
		return -1;
	}
	make_directory(path);
	return unixsock_listen(&control->address, 0600, CONTROL_CLIENTS, &control->file);
}

struct control *control_create(struct loop *loop, const char *path, control_fn *fn, void *data)
{
	struct control *control = calloc(1, sizeof *control);
	int fd = control != NULL ? listen_at(control, path) : -1;
	if (fd < 0 || loop_io_add(loop, &control->io, fd, LOOP_READ, handle_accept) != 0) {
		log_event(LOG_ERROR, "control-failed", "path=%s error=\"%s\"%s", path,
			  strerror(errno),
			  errno == EADDRINUSE
				  ? " hint=\"a gateway runs there; give this one a control socket "
				    "of its own: control in its file, or --control\""
				  : "");
		fd_close(&fd);
		free(control);
		return NULL;
	}
	control->loop = loop;
	control->fn = fn;
	control->data = data;
	loop_lane_init(&control->lane, loop, handle_timer);
	loop_lane_init(&control->pause_lane, loop, handle_pause_end);
	log_event(LOG_INFO, "control", "path=%s", path);
	return control;
}

void control_destroy(struct control *control)
{
	if (control == NULL) {
		return;
	}
	for (size_t i = 0; i < CONTROL_CLIENTS; i++) {
		if (control->clients[i].control != NULL) {
			client_close(&control->clients[i]);
		}
	}
	int fd = control->io.fd;
	loop_io_remove(control->loop, &control->io);
	unixsock_remove(&control->address, &control->file);
	fd_close(&fd);
	loop_lane_finish(&control->lane);
	loop_lane_finish(&control->pause_lane);
	free(control);
}
