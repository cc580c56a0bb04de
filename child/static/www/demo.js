// SPDX-License-Identifier: MIT
//
// The demo page: three connections (chat, echo, status), what is seen of them, and the two buttons
// that do harm. ?ws=ws://host:port talks to a gateway that is not the one the page came from.

import { Chat } from './chat.js';
import { Graph } from './graph.js';
import { Link, Pinger, percentile } from './link.js';
import { Processes } from './processes.js';
import { Story } from './story.js';
import { count, duration, element, uptime } from './words.js';

const WINDOW_MS = 30000;
const LATE_MS = 300;
const BLOCK_MS = 5000;
const NEWCOMER_MS = 700; // after a block began: a fresh connection shows that the gateway is free

const byId = (id) => document.getElementById(id);
const capital = (text) => text[0].toUpperCase() + text.slice(1);
const WHO = JSON.stringify({ do: 'who' });

// ---- where ----

function base() {
	const wanted = new URLSearchParams(location.search).get('ws');
	if (wanted !== null && /^wss?:\/\/[^/?#]+$/.test(wanted)) {
		return wanted;
	}
	return `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}`;
}

// ---- room and name, in the address behind the # ----

const FIRST = ['Quiet', 'Swift', 'Amber', 'Merry', 'Clever', 'Gentle', 'Brave', 'Sunny', 'Misty'];
const SECOND = ['Heron', 'Otter', 'Finch', 'Lynx', 'Maple', 'Comet', 'Badger', 'Willow', 'Falcon'];
const pick = (list) => list[Math.floor(Math.random() * list.length)];

const place = { room: 'lobby', name: '' };

function readPlace() {
	const wanted = new URLSearchParams(location.hash.slice(1));
	place.room = (wanted.get('room') ?? '').trim() || 'lobby';
	place.name = (wanted.get('name') ?? '').trim() || sessionStorage.getItem('name') ||
		`${pick(FIRST)} ${pick(SECOND)}`;
	sessionStorage.setItem('name', place.name);
	byId('room').value = place.room;
	byId('name').value = place.name;
	const here = location.pathname + location.search;
	byId('same-room').href = `${here}#room=${encodeURIComponent(place.room)}`;
	const other = `${pick(SECOND).toLowerCase()}-${Math.floor(Math.random() * 90) + 10}`;
	byId('other-room').href = `${here}#room=${other}`;
}

readPlace();

// ---- the connections ----

const chatLink = new Link(() =>
	`${base()}/chat?room=${encodeURIComponent(place.room)}&name=${encodeURIComponent(place.name)}`);
const echoLink = new Link(() => `${base()}/echo`);
const statusLink = new Link(() => `${base()}/status`);

const chatPinger = new Pinger(chatLink, (id) => JSON.stringify({ do: 'ping', id }));
const echoPinger = new Pinger(echoLink, String);

const chat = new Chat(chatLink);
const processes = new Processes(byId('pools'));
const story = new Story(byId('story'));
const owner = { chat: 0, echo: 0, status: 0 };

function own(name, pid) {
	owner[name] = pid;
	processes.own(name, pid);
	byId(`${name}-pid`).textContent = pid > 0 ? `pid ${pid}` : '';
	if (name === 'chat') {
		showTarget();
	}
}

// ---- chat ----

let lastChat = null;  // {pid, at, tell} of the connection that was lost, until the next hello
let blocked = null;   // {pid, at, ms, tell} while the chat's child computes
let crashing = null;  // {pid, name}: it has said so itself
let isDemo = false;

// Beside the buttons, where it is seen on a phone, too: what they act on, or what the first one did.
function targetSentence(pid) {
	const watch = 'Watch the echo: it lives in another process.';
	if (blocked !== null) {
		const time = duration(blocked.ms).replace('.0', '');
		return `${capital(processes.title(blocked.pid))} computes for ${time}: your chat waits. ${watch}`;
	}
	if (pid === 0) {
		return 'The buttons act on the child that owns your chat: none at the moment.';
	}
	return isDemo ? `The buttons act on ${processes.title(pid)}, which owns your chat. ${watch}`
		: 'This chat was started without --demo: nobody can block or crash it.';
}

function showTarget() {
	const pid = owner.chat;
	const isReady = pid > 0 && isDemo && chatLink.state === 'open' && blocked === null;
	byId('block').disabled = byId('crash').disabled = !isReady;
	byId('chat-owner').textContent = pid > 0 ? `in ${processes.name(pid)}` : '';
	byId('target').textContent = targetSentence(pid);
}

function chatHello(message) {
	isDemo = message.demo;
	chatLink.isWell();
	own('chat', message.pid);
	if (lastChat !== null) {
		const ms = performance.now() - lastChat.at;
		const where = message.pid === lastChat.pid ? 'to the same process' : `to pid ${message.pid}`;
		lastChat.tell(`You were reconnected after ${duration(ms)}, ${where}.`);
		lastChat = null;
	}
}

function chatLost({ at, code, reason }) {
	const pid = owner.chat;
	const found = processes.find(pid);
	own('chat', 0);
	endBlock(null);
	if (pid === 0) {
		return;
	}
	lastChat = { pid, at, tell: story.begin('bad', lossSentence(pid, found, code, reason)) };
	if (crashing?.pid === pid) {
		deaths.set(pid, lastChat);
		if (echoLink.state === 'open') {
			lastChat.tell(`Your echo, in pid ${owner.echo}, never noticed.`);
		}
	}
	crashing = null;
}

function lossSentence(pid, found, code, reason) {
	const who = capital(processes.title(pid));
	if (crashing?.pid === pid) {
		const n = Math.max(found?.child.connections ?? 1, 1);
		const ended = n === 1 ? 'its one connection, yours, ended' : `its ${count(n, 'connection')} ended`;
		const culprit = crashing.name === chat.name ? 'you' : crashing.name;
		return `${who} crashed, as ${culprit} asked: ${ended}, everybody else’s went on.`;
	}
	const why = code === 1001 ? 'because it is told to end'
		: reason ? `saying “${reason}”`
			: code === 1006 ? 'without a word' : `with code ${code}`;
	return `${who} closed your chat connection ${why}.`;
}

function chatBlock(message) {
	const who = message.name === chat.name ? 'You' : message.name;
	const child = processes.title(message.pid);
	const time = duration(message.ms).replace('.0', '');
	const tell = story.begin('slow',
		`${who} made ${child} compute for ${time} without a pause. Its rooms wait, nothing else does.`);
	blocked = { pid: message.pid, ms: message.ms, at: performance.now(), tell };
	processes.block(message.pid);
	showTarget();
	setTimeout(() => tryNewcomer(blocked), NEWCOMER_MS);
}

// A fresh connection while the child is blocked.
function tryNewcomer(block) {
	if (block === null) {
		return;
	}
	const began = performance.now();
	const socket = new WebSocket(`${base()}/echo`);
	socket.onopen = () => socket.send('newcomer');
	socket.onmessage = () => {
		const time = duration(performance.now() - began);
		block.tell(`Meanwhile a newcomer to /echo was let in and answered within ${time}.`);
		socket.close(1000);
	};
}

function endBlock(pongAt) {
	if (blocked === null || (pongAt !== null && pongAt - blocked.at < blocked.ms * 0.9)) {
		return;
	}
	if (pongAt !== null) {
		const worst = percentile(echoPinger.sorted(blocked.at), 1);
		blocked.tell(`It answered again after ${duration(pongAt - blocked.at)} and had lost nothing; ` +
			`your echo’s slowest round trip in that time was ${duration(worst)}.`);
	}
	blocked = null;
	processes.block(0);
	showTarget();
}

chatLink.addEventListener('message', ({ detail }) => {
	const message = JSON.parse(detail);
	if (message.what === 'pong') {
		chatPinger.pong(message.id);
		endBlock(performance.now());
		return;
	}
	chat.handle(message);
	if (message.what === 'hello') {
		chatHello(message);
	} else if (message.what === 'block') {
		chatBlock(message);
	} else if (message.what === 'crash') {
		crashing = message;
	}
});
chatLink.addEventListener('lost', ({ detail }) => chatLost(detail));
chatLink.addEventListener('state', showTarget);

byId('block').addEventListener('click', () => chatLink.send(JSON.stringify({ do: 'block', ms: BLOCK_MS })));
byId('crash').addEventListener('click', () => chatLink.send(JSON.stringify({ do: 'crash' })));

function join() {
	readPlace();
	chat.clear();
	own('chat', 0);
	lastChat = null;
	endBlock(null);
	chatLink.connect();
}

byId('join').addEventListener('submit', (event) => {
	event.preventDefault();
	const room = byId('room').value.trim() || 'lobby';
	const name = byId('name').value.trim();
	const hash = `#room=${encodeURIComponent(room)}${name ? `&name=${encodeURIComponent(name)}` : ''}`;
	if (hash === location.hash) {
		join();
	} else {
		location.hash = hash; // hashchange joins
	}
	byId('line').focus();
});
window.addEventListener('hashchange', join);

// ---- echo ----

echoLink.addEventListener('state', ({ detail }) => {
	own('echo', 0);
	if (detail === 'open') {
		echoLink.send(WHO);
	}
});
echoLink.addEventListener('message', ({ detail }) => {
	echoLink.isWell();
	if (/^\d+$/.test(detail)) {
		echoPinger.pong(Number(detail));
	} else if (detail !== WHO) {
		own('echo', JSON.parse(detail).pid);
	}
});

// ---- status ----

const deaths = new Map(); // pid -> {at, tell} of a crash whose successor is not known yet

statusLink.addEventListener('message', ({ detail }) => {
	statusLink.isWell();
	const message = JSON.parse(detail);
	if (message.what === 'hello') {
		own('status', message.pid);
	} else if (message.what === 'error') {
		showGone(message.text);
	} else {
		showStatus(message);
	}
});
statusLink.addEventListener('lost', () => own('status', 0));

// The children outlive their gateway as long as somebody is connected to them.
function showGone(text) {
	byId('totals').textContent = text;
	if (gatewayUp !== null) {
		gatewayUp = null;
		const well = [['chat', chatLink], ['echo', echoLink]].filter(([, link]) => link.state === 'open');
		const goOn = well.map(([name]) => `your ${name}`).join(' and ');
		story.begin('bad', `The gateway does not answer any more.${goOn ? ` ${capital(goOn)} ` +
			`${well.length > 1 ? 'go' : 'goes'} on: not a byte of that passes through it.` : ''}`);
	}
}

function noteRestart(status) {
	if (lastUptime > status.uptime_ms) {
		processes.forget();
		story.begin('other', 'There is a new gateway, with new children. ' +
			'What this page had open stays with the old ones until it closes.');
	}
	lastUptime = status.uptime_ms;
}

function showStatus(status) {
	noteRestart(status);
	processes.update(status);
	const { open, handed_over: handed } = status.connections;
	byId('totals').textContent = `${count(handed, 'socket')} handed over, ${open.toLocaleString('en')} open`;
	byId('version').textContent = status.version;
	gatewayUp = { at: performance.now(), ms: status.uptime_ms };
	showTarget();
}

processes.addEventListener('successor', ({ detail: { pool, child, before } }) => {
	const death = deaths.get(before.pid);
	deaths.delete(before.pid);
	if (death) {
		const ms = Math.max(1, Math.ceil(performance.now() - child.uptime_ms - death.at));
		death.tell(`Its successor, pid ${child.pid}, was started within ${ms} ms of the crash.`);
		return;
	}
	const ended = before.connections === 0 ? 'Nobody was connected to it.'
		: `Its ${count(before.connections, 'connection')} ended, yours went on.`;
	const place = `${pool} ${child.index}`;
	story.begin('other',
		`Child ${place} (pid ${before.pid}) ended. ${ended} Its successor is pid ${child.pid}.`);
});

// ---- what is shown four times a second ----

let gatewayUp = null; // {at, ms}: its uptime, and when that was; null: it does not answer
let lastUptime = 0;

function linkState(link, pinger) {
	if (link.state === 'waiting') {
		const s = Math.max(0, link.retryAt - performance.now()) / 1000;
		return ['lost', `tries again in ${s.toFixed(1)} s`];
	}
	if (link.state === 'connecting') {
		return ['lost', 'connecting'];
	}
	const oldest = pinger?.samples.find((s) => s.ms === undefined);
	const age = oldest ? performance.now() - oldest.sent : 0;
	return age > LATE_MS ? ['late', `no answer for ${(age / 1000).toFixed(1)} s`] : ['well', 'connected'];
}

function setText(node, text) {
	if (node.textContent !== text) {
		node.textContent = text;
	}
}

function showFigures() {
	const since = performance.now() - WINDOW_MS;
	const rows = [
		['chat', chatLink, chatPinger],
		['echo', echoLink, echoPinger],
		['status', statusLink, null],
	];
	for (const [name, link, pinger] of rows) {
		const [state, text] = linkState(link, pinger);
		const node = byId(`${name}-state`);
		node.dataset.state = state;
		setText(node, text);
		if (pinger) {
			const sorted = pinger.sorted(since);
			setText(byId(`${name}-p50`), duration(percentile(sorted, 0.5)));
			setText(byId(`${name}-p99`), duration(percentile(sorted, 0.99)));
		}
	}
	const gateway = byId('gateway');
	const isKnown = statusLink.state === 'open' && gatewayUp !== null;
	const isGone = statusLink.state === 'open' && lastUptime > 0 && !isKnown;
	gateway.dataset.state = isKnown ? 'well' : isGone ? 'lost' : 'connecting';
	byId('pools').classList.toggle('stale', isGone);
	const ms = isKnown ? gatewayUp.ms + performance.now() - gatewayUp.at : 0;
	setText(gateway, isKnown ? `gateway up ${uptime(ms)}`
		: isGone ? 'the gateway does not answer' : 'connecting to the gateway…');
}

// ---- begin ----

new Graph(byId('graph'), [
	{ name: 'Chat', pinger: chatPinger, colour: '--chat' },
	{ name: 'Echo', pinger: echoPinger, colour: '--echo' },
]);
byId('story').append(element('div', 'entry empty',
	'Nothing yet. Press one of the buttons, or kill a child by hand: what then happens is written here.'));
setInterval(showFigures, 250);
chatLink.connect();
echoLink.connect();
statusLink.connect();
