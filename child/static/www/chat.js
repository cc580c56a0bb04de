// SPDX-License-Identifier: MIT
//
// The chat card: what the room says, who is here, who types, what one writes. Everything that
// others have written is put in as text, never as HTML.

import { clock, element } from './words.js';

const TYPING_MS = 3000;
const MAX_LINES = 300;

export class Chat {
	constructor(link) {
		this.link = link;
		this.lines = document.getElementById('lines');
		this.input = document.getElementById('line');
		this.members = [];
		this.typists = new Map(); // name -> timer
		this.pending = []; // own lines that have not come back yet
		this.pid = 0;
		document.getElementById('say').addEventListener('submit', (event) => this.say(event));
		this.input.addEventListener('input', () => this.typing());
		link.addEventListener('lost', () => this.lost());
	}

	// A new room: nothing of the old one stays.
	clear() {
		this.lines.replaceChildren();
		this.pending = [];
		this.pid = 0;
		this.forgetTypists();
	}

	handle(message) {
		const handler = {
			hello: () => this.hello(message),
			line: () => this.line(message),
			join: () => this.join(message.name),
			leave: () => this.leave(message.name),
			typing: () => this.showTyping(message.name, message.on),
			error: () => this.error(message.text),
		}[message.what];
		if (handler) {
			handler();
		}
	}

	hello(message) {
		const isAnother = this.pid !== 0 && this.pid !== message.pid;
		if (isAnother) {
			// The history lived in the process that is gone; what this page has shown stays.
			this.note(`The room is back, in process ${message.pid}. What was said before, only this page remembers.`);
		} else {
			this.lines.replaceChildren();
		}
		this.pid = message.pid;
		this.name = message.name;
		this.members = message.members;
		message.history.forEach((line) => this.show(line));
		if (!isAnother) {
			const isAlone = message.members.length === 1;
			this.note(message.history.length > 0 ? 'You came in.'
				: isAlone ? 'You are the first here.'
					: 'You came in. Nothing has been said here yet.');
		}
		this.showMembers();
	}

	join(name) {
		this.members.push(name);
		this.showMembers();
		this.note(`${name} came in.`);
	}

	leave(name) {
		this.members = this.members.filter((member) => member !== name);
		this.showTyping(name, false);
		this.showMembers();
		this.note(`${name} left.`);
	}

	line(message) {
		this.showTyping(message.name, false);
		if (message.name === this.name && this.pending.length > 0) {
			this.pending.shift().remove();
		}
		this.show(message);
	}

	// The server answers in order: the oldest line that waits is the one that it did not like.
	error(text) {
		this.fail(this.pending.shift());
		this.note(text);
	}

	lost() {
		this.pending.forEach((item) => this.fail(item));
		this.pending = [];
		this.members = [];
		this.forgetTypists();
		this.showMembers();
	}

	fail(item) {
		if (item) {
			item.className = 'line mine failed';
			item.querySelector('.when').textContent = 'not delivered';
		}
	}

	// ---- showing ----

	put(item) {
		const { scrollHeight, scrollTop, clientHeight } = this.lines;
		const wasAtEnd = scrollHeight - scrollTop - clientHeight < 40;
		this.lines.append(item);
		while (this.lines.children.length > MAX_LINES) {
			this.lines.firstChild.remove();
		}
		if (wasAtEnd) {
			this.lines.scrollTop = this.lines.scrollHeight;
		}
		return item;
	}

	note(text) {
		const last = this.lines.lastChild;
		if (!last?.classList.contains('note') || last.textContent !== text) {
			this.put(element('div', 'note', text));
		}
	}

	show({ name, text, at }, when = clock(at)) {
		const isMine = name === this.name;
		const head = element('p', 'head', element('bdi', 'who', name), element('span', 'when', when));
		const body = element('p', 'text', text);
		body.dir = 'auto';
		return this.put(element('div', isMine ? 'line mine' : 'line', head, body));
	}

	showMembers() {
		const list = document.getElementById('members');
		list.replaceChildren(...this.members.slice(0, 30).map((name) => {
			const item = element('bdi', name === this.name ? 'member me' : 'member', name);
			return name === this.name ? element('span', '', item, element('span', 'hidden', ' (you) ')) : item;
		}));
		if (this.members.length > 30) {
			list.append(` and ${this.members.length - 30} more`);
		}
		if (this.members.length === 0) {
			list.append(element('span', 'absent', 'Not in the room just now.'));
		}
	}

	showTyping(name, on) {
		clearTimeout(this.typists.get(name));
		this.typists.delete(name);
		if (on) {
			this.typists.set(name, setTimeout(() => this.showTyping(name, false), 2 * TYPING_MS));
		}
		const names = [...this.typists.keys()];
		document.getElementById('typing').textContent =
			names.length === 0 ? ''
				: names.length === 1 ? `${names[0]} is typing…`
					: `${names.length} people are typing…`;
	}

	forgetTypists() {
		[...this.typists.keys()].forEach((name) => this.showTyping(name, false));
	}

	// ---- writing ----

	say(event) {
		event.preventDefault();
		const text = this.input.value.trim();
		if (text === '') {
			return;
		}
		if (!this.link.send(JSON.stringify({ do: 'say', text }))) {
			this.note('Not connected just now. Your line stays in the field.');
			return;
		}
		this.input.value = '';
		this.isTyping = false;
		const item = this.show({ name: this.name, text }, 'sending…');
		item.classList.add('pending');
		this.pending.push(item);
		this.lines.scrollTop = this.lines.scrollHeight;
	}

	typing() {
		clearTimeout(this.typingTimer);
		const on = this.input.value !== '';
		if (on) {
			this.typingTimer = setTimeout(() => this.tellTyping(false), TYPING_MS);
		}
		this.tellTyping(on);
	}

	tellTyping(on) {
		if (on !== this.isTyping) {
			this.isTyping = on;
			this.link.send(JSON.stringify({ do: 'typing', on }));
		}
	}
}
