// SPDX-License-Identifier: MIT
//
// The pattern that baton replaces: a Node parent takes the upgrade request and passes the socket
// to one of N forked children by child.send(message, socket), in turn; the child finishes the
// handshake with ws and echoes. With socket._handle.readStop() before send(): without it the parent
// reads on until the child has acknowledged, and loses what it reads.
//
//	node fork.js [CHILDREN] [PORT]        prints port=N
'use strict';
const http = require('http');
const { fork } = require('child_process');

function serve() {
	const { WebSocketServer } = require('ws');
	const wss = new WebSocketServer({ noServer: true, perMessageDeflate: false });
	process.on('message', (message, socket) => {
		if (!socket) { // the client left on the way
			return;
		}
		socket.setNoDelay(true);
		wss.handleUpgrade(message.request, socket, Buffer.from(message.head, 'base64'), (ws) => {
			ws.on('error', () => {});
			ws.on('message', (data, isBinary) => ws.send(data, { binary: isBinary }));
		});
	});
	process.on('disconnect', () => process.exit(0));
	process.send({ ready: true });
}

function gate(count, port) {
	const children = [];
	let waiting = count;
	let next = 0;
	const server = http.createServer((request, response) => {
		response.writeHead(426).end();
	});
	server.on('upgrade', (request, socket, head) => {
		socket._handle.readStop();
		const child = children[next];
		next = (next + 1) % count;
		child.send({
			request: {
				method: request.method,
				url: request.url,
				httpVersion: request.httpVersion,
				headers: request.headers,
			},
			head: head.toString('base64'),
		}, socket);
	});
	for (let i = 0; i < count; i++) {
		children[i] = fork(__filename, ['child']);
		children[i].once('message', () => {
			if (--waiting === 0) {
				server.listen({ port, host: '127.0.0.1', backlog: 4096 }, () => {
					console.log(`port=${server.address().port}`);
				});
			}
		});
	}
}

if (process.argv[2] === 'child') {
	serve();
} else {
	gate(Number(process.argv[2] || 2), Number(process.argv[3] || 0));
}
