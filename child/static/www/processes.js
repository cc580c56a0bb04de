// SPDX-License-Identifier: MIT
//
// The children as boxes, from the gateway's status; which of them own this page's connections; and
// what changed since the last status, for the story.

import { count, element, uptime } from './words.js';

const FLASH_MS = 2500;

const PURPOSE = {
	chat: 'rooms; each lives in one child',
	echo: 'sends back what it gets',
	status: 'feeds this page',
	files: 'sent you this page',
};

// Events: 'successor' (detail: {pool, child, before}): a place has a new process.
export class Processes extends EventTarget {
	constructor(root) {
		super();
		this.root = root;
		this.boxes = new Map(); // "pool/index" -> {node, child, living, pool}
		this.owned = new Map(); // "chat", "echo", ... -> pid
		this.blocked = 0;
		this.status = null;
	}

	// A connection of this page belongs to that process, or (0) to none.
	own(name, pid) {
		if (pid > 0) {
			this.owned.set(name, pid);
		} else {
			this.owned.delete(name);
		}
		this.paintAll();
	}

	// That process does not answer just now; 0: all do.
	block(pid) {
		this.blocked = pid;
		this.paintAll();
	}

	find(pid) {
		for (const pool of this.status?.pools ?? []) {
			const child = pool.children.find((c) => c.pid === pid);
			if (child) {
				return { pool: pool.name, child };
			}
		}
		return null;
	}

	// "chat 1", or "process 123" where the status does not know it (yet, or any more).
	name(pid) {
		const found = this.find(pid);
		return found ? `${found.pool} ${found.child.index}` : `process ${pid}`;
	}

	title(pid) {
		return this.find(pid) ? `child ${this.name(pid)} (pid ${pid})` : `process ${pid}`;
	}

	// Another gateway, other children: nothing is a successor of anything.
	forget() {
		this.shape = '';
	}

	update(status) {
		this.status = status;
		this.skew = performance.now() - status.uptime_ms;
		const wanted = status.pools.map((p) => `${p.name}:${p.children.length}`).join();
		if (wanted !== this.shape) {
			this.shape = wanted;
			this.build(status);
		}
		for (const pool of status.pools) {
			for (const child of pool.children) {
				this.refresh(pool.name, child);
			}
		}
	}

	build(status) {
		this.boxes.clear();
		this.root.replaceChildren(...status.pools.map((pool) => {
			const list = element('ul', 'boxes');
			for (const child of pool.children) {
				const node = element('li', 'box');
				list.append(node);
				this.boxes.set(`${pool.name}/${child.index}`, { node, child: null, living: null });
			}
			const purpose = element('span', 'purpose', PURPOSE[pool.name] ?? '');
			const head = element('h3', '', `${pool.name} `, purpose);
			const node = element('div', 'pool', head, list);
			node.dataset.columns = Math.min(pool.children.length, 3);
			return node;
		}));
	}

	refresh(pool, child) {
		const box = this.boxes.get(`${pool}/${child.index}`);
		const before = box.living;
		box.child = child;
		box.pool = pool;
		this.paint(box);
		if (child.state === 'down') {
			return; // the place is empty for a moment; its last process is remembered
		}
		box.living = child;
		if (before && before.pid !== child.pid) {
			this.flash(box.node);
			this.dispatchEvent(new CustomEvent('successor', { detail: { pool, child, before } }));
		}
	}

	flash(node) {
		node.classList.add('flash');
		setTimeout(() => node.classList.remove('flash'), FLASH_MS);
	}

	paintAll() {
		this.boxes.forEach((box) => box.child && this.paint(box));
	}

	paint({ node, child, pool }) {
		const isUp = child.state !== 'down';
		const state = child.pid === this.blocked && isUp ? 'blocked' : child.state;
		const mine = [...this.owned.keys()].filter((name) => this.owned.get(name) === child.pid);
		const restarts = child.restarts > 0 ? `, ${count(child.restarts, 'restart')}` : '';
		const facts = isUp
			? [count(child.connections, 'connection'), `up ${uptime(child.uptime_ms)}${restarts}`]
			: ['a successor comes'];
		node.dataset.state = state;
		node.dataset.pid = child.pid;
		node.dataset.mine = mine.join(' ');
		node.replaceChildren(
			element('p', 'box-head',
				element('b', '', `${pool} ${child.index}`), element('span', 'box-state', state)),
			element('p', 'box-pid', isUp ? `pid ${child.pid}` : 'no process'),
			element('p', 'box-facts', ...facts.map((fact) => element('span', '', fact))),
			element('p', 'box-mine', ...mine.map((name) =>
				element('span', `tag ${name}-colour`, `your ${name}`))),
		);
	}
}
