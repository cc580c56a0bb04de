/* SPDX-License-Identifier: MIT */
/*
 * What a child's process is given: see launch.h. Gathers the parts, which are made in
 * environment.c, output.c, native.c and spawn.c; when to start and when to end is child.c's, which
 * calls it.
 */
#include "supervise/launch.h"

#include "config/config.h"
#include "config/words.h"
#include "fdutil.h"
#include "supervise/child.h"
#include "supervise/environment.h"
#include "supervise/output.h"
#include "supervise/supervisor.h"
#include "supervise/talk.h"

#include <errno.h>
#include <stdio.h>

static void print_line(void *data, const char *line, size_t len, uint64_t dropped)
{
	char text[LOG_TEXT_BYTES], lost[40] = "";
	if (dropped > 0) {
		snprintf(lost, sizeof lost, "dropped=%llu ", (unsigned long long)dropped);
	}
	child_log(data, LOG_INFO, "child-output", "%stext=%s", lost, log_quote(text, line, len));
}

static void handle_channel(struct loop_io *io, unsigned events)
{
	(void)events;
	talk_receive(loop_owner(io, struct child, channel_io));
}

int launch_start(struct child *child)
{
	struct supervisor *supervisor = child->supervisor;
	const struct config_pool *config = child->receiver.pool->config;
	int output = -1;
	char **environment = environment_create(config->environment);
	child->output = output_create(supervisor->loop, print_line, child, &output);
	if (environment != NULL && child->output != NULL &&
	    native_open(&child->receiver.link) == 0 &&
	    loop_io_add(supervisor->loop, &child->channel_io, child->receiver.link.channel,
			LOOP_READ, handle_channel) == 0) {
		const struct spawn_request request = {.command = config->command,
						      .environment = environment,
						      .directory = config->directory,
						      .user = config->user,
						      .group = config->group,
						      .channel = child->receiver.link.child_end,
						      .output = output};
		child->receiver.pid = spawner_start(supervisor->spawner, child->token, &request);
	} else {
		child->receiver.pid = -1;
	}
	int error = errno;
	fd_close(&output);
	words_free(environment);
	errno = error;
	return child->receiver.pid > 0 ? 0 : -1;
}

void launch_release(struct child *child)
{
	loop_io_remove(child->supervisor->loop, &child->channel_io);
	native_close(&child->receiver.link);
	output_destroy(child->output);
	child->output = NULL;
	child->receiver.pid = 0;
}
