// SPDX-License-Identifier: MIT
//
// One Node process with ws that echoes: the peer in the echo figures.
//
//	node ws.js [--publish] [--deflate LEVEL]        prints port=N
//
// --publish: sends each message to all clients, as the documentation of ws does.
// --deflate: permessage-deflate for every message, without context takeover.
'use strict';
const { WebSocketServer } = require('ws');
const publishes = process.argv.includes('--publish');
const deflates = process.argv.indexOf('--deflate');

const wss = new WebSocketServer({
	host: '127.0.0.1',
	port: 0,
	backlog: 4096,
	perMessageDeflate: deflates > 0 && {
		serverNoContextTakeover: true,
		clientNoContextTakeover: true,
		threshold: 0,
		zlibDeflateOptions: { level: Number(process.argv[deflates + 1]) },
	},
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
