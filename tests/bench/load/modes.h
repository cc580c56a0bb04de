/* SPDX-License-Identifier: MIT */
/* The ways to load a server. Each runs to its end or its deadline and fills the tally. */
#ifndef LOAD_MODES_H
#define LOAD_MODES_H

#include "options.h"
#include "tally.h"

/* Closed loop of whole lives, or, in paced mode, lives that begin at a fixed rate. */
void upgrade_run(const struct options *, struct tally *);

/* Messages to and fro on connections that stay; in raw mode without WebSocket. */
void echo_run(const struct options *, struct tally *);

/* Opens connections and holds them; commands on stdin open and close some. */
void idle_run(const struct options *, struct tally *);

/* Upgrades with frames right behind the head, cut at random points. */
void early_run(const struct options *, struct tally *);

#endif
