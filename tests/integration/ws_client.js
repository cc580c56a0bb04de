// SPDX-License-Identifier: MIT
//
// npm's ws against an echo route: node ws_client.js URL [deflate]. Text, binary, empty, a megabyte, a
// message in fragments, a ping, a close with a code. Prints one JSON object; test_clients.py
// judges it.
'use strict';

const { createHash } = require('crypto');
const WebSocket = require('ws');

const ws = new WebSocket(process.argv[2], {
	perMessageDeflate: process.argv[3] === 'deflate' && { threshold: 0 },
});
const large = Buffer.alloc(1 << 20, Buffer.from('0123456789abcdef\u{1f980}', 'utf8'));
const result = { echoes: [], pong: null };

// Each step sends; its echo (or pong) starts the next.
const steps = [
	() => ws.send('hello'),
	() => ws.send(Buffer.from([0, 1, 2, 254, 255])),
	() => ws.send(''),
	() => ws.send(large),
	() => {
		ws.send('frag', { fin: false });
		ws.send('men', { fin: false });
		ws.send('ted \u00e4', { fin: true });
	},
	() => ws.ping('are you there'),
	() => ws.close(4001, 'that is all'),
];
const next = () => steps.shift()();

ws.on('open', next);
ws.on('message', (data, isBinary) => {
	result.echoes.push({
		binary: isBinary,
		length: data.length,
		sha1: createHash('sha1').update(data).digest('hex'),
	});
	next();
});
ws.on('pong', (data) => {
	result.pong = data.toString();
	next();
});
ws.on('close', (code, reason) => {
	console.log(JSON.stringify({
		...result, code, reason: reason.toString(), extensions: ws.extensions,
	}));
});
ws.on('error', (error) => {
	console.error(error);
	process.exit(1);
});
