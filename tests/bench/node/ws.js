// SPDX-License-Identifier: MIT
//
// One Node process with ws that echoes: the peer in the echo figures.
//
//	node ws.js [--publish] [PORT]        prints port=N
//
// --publish: sends each message to all clients, as the documentation of ws does.
'use strict';
const { WebSocketServer } = require('ws');
const publishes = process.argv.includes('--publish');

const wss = new WebSocketServer({
	host: '127.0.0.1',
	port: Number(process.argv.slice(2).find((word) => /^\d+$/.test(word)) || 0),
	backlog: 4096,
	perMessageDeflate: false,
});
wss.on('connection', (ws) => {
	ws.on('error', () => {});
	if (publishes) {
		ws.on('message', (data, isBinary) => {
			for (const client of wss.clients) {
				client.send(data, { binary: isBinary });
			}
		});
	} else {
		ws.on('message', (data, isBinary) => ws.send(data, { binary: isBinary }));
	}
});
wss.on('listening', () => console.log(`port=${wss.address().port}`));
