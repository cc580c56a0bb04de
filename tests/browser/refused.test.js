// SPDX-License-Identifier: MIT
//
// What a page in Chromium learns of a refusal: node refused.test.js ORIGIN PATH [PROTOCOL...].
// Prints the code, reason and subprotocol as JSON; test_refuse_as.py judges it.
'use strict';

const { chromium } = require('playwright-core');

const [, , origin, path, ...protocols] = process.argv;

(async () => {
	const browser = await chromium.launch({
		executablePath: process.env.CHROMIUM, args: ['--no-sandbox'],
	});
	try {
		const page = await browser.newPage();
		await page.goto(`http://${origin}/healthz`);
		const closed = await page.evaluate(([url, names]) => new Promise((resolve) => {
			const ws = new WebSocket(url, names);
			ws.onclose = ({ code, reason }) => resolve({ code, reason, protocol: ws.protocol });
		}), [`ws://${origin}${path}`, protocols]);
		console.log(JSON.stringify(closed));
	} finally {
		await browser.close();
	}
})().catch((error) => {
	console.error(error);
	process.exit(1);
});
