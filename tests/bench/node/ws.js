// SPDX-License-Identifier: MIT
//
// One Node process with ws that echoes: the peer in the echo figures.
//
//	node ws.js [PORT]        prints port=N
'use strict';
const { WebSocketServer } = require('ws');

const wss = new WebSocketServer({
	host: '127.0.0.1',
	port: Number(process.argv[2] || 0),
	backlog: 4096,
	perMessageDeflate: false,
});
wss.on('connection', (ws) => {
	ws.on('error', () => {});
	ws.on('message', (data, isBinary) => ws.send(data, { binary: isBinary }));
});
wss.on('listening', () => console.log(`port=${wss.address().port}`));
