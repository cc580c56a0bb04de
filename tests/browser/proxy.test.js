// SPDX-License-Identifier: MIT
//
// A page in Chromium behind reverse proxies: node proxy.test.js URL... Each URL is a page of the
// same gateway behind another proxy. The page's own host may open a WebSocket, that of another
// must not. Prints nothing and exits with 0 when that holds.
'use strict';

const assert = require('assert/strict');
const { chromium } = require('playwright-core');

const urls = process.argv.slice(2);
const wss = (url) => `${url.replace(/^http/, 'ws')}echo`;

// In the page: what comes back for "hello", or that nothing was opened.
const echo = (url) => new Promise((resolve) => {
	const ws = new WebSocket(url);
	ws.onopen = () => ws.send('hello');
	ws.onmessage = (event) => {
		resolve(event.data);
		ws.close(4001);
	};
	ws.onerror = () => resolve('refused');
});

async function main() {
	const browser = await chromium.launch({
		executablePath: process.env.CHROMIUM,
		args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking',
			'--disable-component-update', '--disable-sync', '--no-first-run'],
	});
	try {
		const page = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage();
		for (const [i, url] of urls.entries()) {
			const answer = await page.goto(url);
			assert.equal(await answer.text(), 'a page\n', url);
			assert.equal(await page.evaluate(echo, wss(url)), 'hello', url);
			const other = wss(urls[(i + 1) % urls.length]);
			assert.equal(await page.evaluate(echo, other), 'refused', `${url} to ${other}`);
		}
	} finally {
		await browser.close();
	}
}

main().catch((error) => {
	console.error(error);
	process.exit(1);
});
