// SPDX-License-Identifier: MIT
//
// What npm's ws learns of a refusal: node ws_refused.js URL [PROTOCOL...]. Prints one JSON object.
'use strict';

const WebSocket = require('ws');

const ws = new WebSocket(process.argv[2], process.argv.slice(3));
ws.on('error', (error) => console.error(error));
ws.on('close', (code, reason) => {
	console.log(JSON.stringify({ code, reason: reason.toString(), protocol: ws.protocol }));
});
