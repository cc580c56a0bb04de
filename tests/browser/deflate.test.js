// SPDX-License-Identifier: MIT
//
// permessage-deflate in Chromium: node deflate.test.js ORIGIN PATH. Echoes messages from a page of
// the gateway's own health answer and prints, as JSON, the extensions that the browser knows of and
// what did not come back as it was sent. test_deflate.py judges it.
'use strict';

const { chromium } = require('playwright-core');

const [, , origin, path] = process.argv;

// Runs in the page.
async function talk(url) {
	const ws = new WebSocket(url);
	const failed = new Promise((_, reject) => { ws.onerror = () => reject(new Error('failed')); });
	const next = (event) =>
		Promise.race([failed, new Promise((resolve) => { ws['on' + event] = resolve; })]);
	const sentence = 'So schön wie gestern \u{1f980}, und so weiter. ';
	const wrong = [];
	await next('open');
	for (const text of ['', 'x', sentence, sentence.repeat(9), sentence.repeat(9000), sentence]) {
		ws.send(text);
		if ((await next('message')).data !== text) {
			wrong.push(text.length);
		}
	}
	ws.close(1000);
	return { extensions: ws.extensions, wrong, code: (await next('close')).code };
}

(async () => {
	const browser = await chromium.launch({
		executablePath: process.env.CHROMIUM, args: ['--no-sandbox'],
	});
	try {
		const page = await browser.newPage();
		await page.goto(`http://${origin}/healthz`);
		console.log(JSON.stringify(await page.evaluate(talk, `ws://${origin}${path}`)));
	} finally {
		await browser.close();
	}
})().catch((error) => {
	console.error(error);
	process.exit(1);
});
