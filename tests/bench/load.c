/* SPDX-License-Identifier: MIT */
/*
 * The load generator: one process, one thread, the clients' side of every figure. It checks every
 * 101 and every byte that comes back, and counts out every connection it has begun. The modes are
 * in load/; what they print and mean says bench.py, which runs them.
 *
 * Exit status: 0 when every connection and message ended well, 1 when not, 2 for wrong usage.
 */
#include <signal.h>

#include "load/frames.h"
#include "load/modes.h"
#include "load/options.h"
#include "load/peer.h"
#include "load/tally.h"

int main(int argc, char **argv)
{
	static struct options options;
	static struct tally tally;
	options_parse(&options, argc, argv);
	signal(SIGPIPE, SIG_IGN);
	frames_init(options.seed);
	peer_init(&options);
	switch (options.mode) {
	case OPTIONS_UPGRADE:
	case OPTIONS_PACED:
		upgrade_run(&options, &tally);
		break;
	case OPTIONS_ECHO:
	case OPTIONS_RAW:
		echo_run(&options, &tally);
		break;
	case OPTIONS_IDLE:
		idle_run(&options, &tally);
		break;
	case OPTIONS_EARLY:
		early_run(&options, &tally);
		break;
	}
	tally_print(&tally, options.mode_name);
	return tally_is_clean(&tally) ? 0 : 1;
}
