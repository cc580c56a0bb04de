// SPDX-License-Identifier: MIT
//
// What happened, in words. Each entry may grow by sentences as more gets known.

import { element } from './words.js';

const MAX_ENTRIES = 50;

export class Story {
	constructor(list) {
		this.list = list;
	}

	// The newest entry is on top. Gives a function that adds a sentence to it.
	begin(kind, sentence) {
		const text = element('p', '', sentence);
		const digits = { hour: '2-digit', minute: '2-digit', second: '2-digit' };
		const when = new Date().toLocaleTimeString([], digits);
		const entry = element('div', `entry ${kind}`, element('time', '', when), text);
		this.list.prepend(entry);
		while (this.list.children.length > MAX_ENTRIES) {
			this.list.lastChild.remove();
		}
		return (more) => text.append(` ${more}`);
	}
}
