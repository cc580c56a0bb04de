// SPDX-License-Identifier: MIT
//
// A WebSocket that comes back by itself, and pings that measure it. Knows nothing of chat or
// page: demo.js tells it what to send and listens.

const FIRST_DELAY_MS = 400; // above a successor's start: a room's members find the same child
const MAX_DELAY_MS = 8000;
const PING_MS = 200;
const KEEP_MS = 32000;

// The wait before the next try: doubling, and spread, so that a crashed child's clients do not
// all come back in the same instant.
function delay(failures) {
	const base = Math.min(FIRST_DELAY_MS * 2 ** failures, MAX_DELAY_MS);
	return base * (0.75 + Math.random() * 0.75);
}

// Events: 'state' (connecting, open, waiting), 'message' (detail: a string), 'lost' (detail:
// {at, code, reason}; only after 'open').
export class Link extends EventTarget {
	constructor(makeUrl) {
		super();
		this.makeUrl = makeUrl;
		this.state = 'waiting';
		this.failures = 0;
		this.retryAt = 0;
		window.addEventListener('online', () => this.state === 'waiting' && this.connect());
	}

	connect() {
		clearTimeout(this.timer);
		this.abandon();
		const socket = new WebSocket(this.makeUrl());
		this.socket = socket;
		this.set('connecting');
		socket.onopen = () => this.set('open');
		socket.onmessage = (event) => this.tell('message', event.data);
		socket.onclose = (event) => this.ended(event);
	}

	ended(event) {
		const wasOpen = this.state === 'open';
		const wait = delay(this.failures++);
		this.retryAt = performance.now() + wait;
		this.timer = setTimeout(() => this.connect(), wait);
		this.set('waiting');
		if (wasOpen) {
			this.tell('lost', { at: performance.now(), code: event.code, reason: event.reason });
		}
	}

	// The other end has spoken: the next loss begins with the shortest wait again.
	isWell() {
		this.failures = 0;
	}

	abandon() {
		if (this.socket) {
			this.socket.onopen = this.socket.onmessage = this.socket.onclose = null;
			this.socket.close(1000);
		}
	}

	send(text) {
		if (this.state !== 'open') {
			return false;
		}
		this.socket.send(text);
		return true;
	}

	set(state) {
		this.state = state;
		this.tell('state', state);
	}

	tell(type, detail) {
		this.dispatchEvent(new CustomEvent(type, { detail }));
	}
}

// Pings a link and keeps what came of it: samples of {sent, ms}, where ms is undefined while no
// answer has come, and null when the connection was lost first.
export class Pinger {
	constructor(link, write) {
		this.link = link;
		this.write = write;
		this.samples = [];
		this.id = 0;
		setInterval(() => this.ping(), PING_MS);
		link.addEventListener('lost', () => this.lost());
	}

	ping() {
		const now = performance.now();
		while (this.samples.length > 0 && this.samples[0].sent < now - KEEP_MS) {
			this.samples.shift();
		}
		if (this.link.state !== 'open') {
			this.samples.push({ id: 0, sent: now, ms: null });
			return;
		}
		this.samples.push({ id: ++this.id, sent: now, ms: undefined });
		this.link.send(this.write(this.id));
	}

	pong(id) {
		const sample = this.samples.find((s) => s.id === id);
		if (sample && sample.ms === undefined) {
			sample.ms = performance.now() - sample.sent;
		}
	}

	lost() {
		for (const sample of this.samples) {
			if (sample.ms === undefined) {
				sample.ms = null;
			}
		}
	}

	// The round trips since a time, shortest first; one that is still out counts as long as it is.
	sorted(since) {
		const now = performance.now();
		return this.samples
			.filter((s) => s.sent >= since && s.ms !== null)
			.map((s) => s.ms ?? now - s.sent)
			.sort((a, b) => a - b);
	}
}

export function percentile(sorted, share) {
	const last = sorted.length - 1;
	return last >= 0 ? sorted[Math.min(last, Math.floor(sorted.length * share))] : NaN;
}
