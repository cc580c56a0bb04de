// SPDX-License-Identifier: MIT
//
// Numbers as people read them.

export function duration(ms) {
	if (Number.isNaN(ms)) {
		return '–';
	}
	if (ms < 10) {
		return `${ms.toFixed(1)} ms`;
	}
	if (ms < 1000) {
		return `${Math.round(ms)} ms`;
	}
	return `${(ms / 1000).toFixed(1)} s`;
}

export function uptime(ms) {
	const s = Math.floor(ms / 1000);
	if (s < 60) {
		return `${s} s`;
	}
	if (s < 3600) {
		return `${Math.floor(s / 60)} min`;
	}
	if (s < 86400) {
		return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
	}
	return `${Math.floor(s / 86400)} d`;
}

export function count(n, one, many = `${one}s`) {
	return `${n.toLocaleString('en')} ${n === 1 ? one : many}`;
}

export function clock(ms) {
	return new Date(ms).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
}

// An element with a class and a text; children come as more arguments.
export function element(tag, className, ...content) {
	const node = document.createElement(tag);
	if (className) {
		node.className = className;
	}
	node.append(...content);
	return node;
}
