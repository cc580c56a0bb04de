// SPDX-License-Identifier: MIT
//
// The demo page in Chromium: node demo.test.js URL SCENARIO. Exits with 0 when all holds, and else
// says what does not. test_browser.py starts it with a gateway of its own; SHOTS=DIRECTORY keeps
// pictures. It waits for what the page shows, never for time.
'use strict';

const assert = require('assert/strict');
const { chromium } = require('playwright-core');

const [, , url, scenario] = process.argv;
const TIMEOUT_MS = 20000;
const ANSWER_MS = 2000; // for what a blocked neighbour must not delay; far below the block's 5 s
const DESKTOP = { width: 1280, height: 900 };
const PHONE = { width: 390, height: 844 };

const complaints = [];
let browser;

async function tab(room, name, options = {}) {
	const context = await browser.newContext({ viewport: DESKTOP, ...options });
	const page = await context.newPage();
	page.setDefaultTimeout(TIMEOUT_MS);
	page.on('console', (message) =>
		complaints.push(`${name}: ${message.type()}: ${message.text()}`));
	page.on('pageerror', (error) => complaints.push(`${name}: ${error}`));
	await page.goto(`${url}#room=${encodeURIComponent(room)}&name=${encodeURIComponent(name)}`);
	await isIn(page);
	return page;
}

const isIn = (page) => page.waitForSelector('#members .me');
const pid = async (page, which = 'chat') =>
	Number((await page.textContent(`#${which}-pid`)).replace('pid ', ''));
const say = async (page, text) => {
	await page.fill('#line', text);
	await page.press('#line', 'Enter');
};
const sees = (page, text, timeout = TIMEOUT_MS) =>
	page.locator('.line:not(.pending) .text', { hasText: text }).first().waitFor({ timeout });
const tells = (page, pattern) => page.locator('.entry', { hasText: pattern }).first().waitFor();
const stateOf = (page, which) => page.getAttribute(`#${which}-state`, 'data-state');
const waitState = (page, which, state) => page.waitForSelector(`#${which}-state[data-state="${state}"]`);

async function shot(page, name) {
	if (process.env.SHOTS) {
		await page.screenshot({ path: `${process.env.SHOTS}/${name}.png`, fullPage: true });
	}
}

// A tab in a room that another child owns.
async function elsewhere(page, name) {
	const taken = await pid(page);
	for (let i = 0; i < 40; i++) {
		const other = await tab(`elsewhere-${i}`, name);
		if (await pid(other) !== taken) {
			await other.waitForSelector(`.box[data-pid="${taken}"]`);
			return other;
		}
		await other.context().close();
	}
	throw new Error('40 rooms, and all of them on one child');
}

const scenarios = {
	async chat() {
		const ada = await tab('meeting', 'Ada');
		const bob = await tab('meeting', 'Bob', { colorScheme: 'dark' });
		assert.equal(await pid(ada), await pid(bob), 'one room, one child');
		assert.deepEqual(await bob.locator('.member').allTextContents(), ['Ada', 'Bob']);
		await bob.locator('#line').pressSequentially('So');
		await ada.locator('#typing', { hasText: 'Bob is typing…' }).waitFor();
		await say(bob, 'Hello <b>Ada</b>');
		await sees(ada, 'Hello <b>Ada</b>');
		await say(ada, 'Hello Bob');
		await sees(bob, 'Hello Bob');

		const twin = await tab('meeting', 'ada', { viewport: PHONE });
		assert.equal(await twin.textContent('.member.me'), 'ada (2)');
		await sees(twin, 'Hello Bob');
		const width = await twin.evaluate(() => document.documentElement.scrollWidth);
		assert.equal(width, PHONE.width, 'nothing is wider than the phone');
		await twin.context().close();
		await ada.locator('.note', { hasText: 'ada (2) left.' }).waitFor();

		for (let i = 0; i < 4; i++) {
			const [one, two] = await Promise.all([tab(`room ${i}`, 'One'), tab(`room ${i}`, 'Two')]);
			assert.equal(await pid(one), await pid(two), `room ${i}`);
			await Promise.all([one.context().close(), two.context().close()]);
		}

		await ada.fill('#room', 'next door');
		await ada.press('#room', 'Enter');
		await ada.locator('.note', { hasText: 'You are the first here.' }).waitFor();
		await bob.locator('.note', { hasText: 'Ada left.' }).waitFor();
		await shot(ada, 'chat-light');
		await shot(bob, 'chat-dark');
	},

	async owners() {
		const ada = await tab('owners', 'Ada');
		await ada.waitForSelector('.box[data-mine="echo"]');
		assert.equal(await ada.textContent('.box b'), 'chat 0', 'numbered as in baton status and the log');
		for (const which of ['chat', 'echo', 'status']) {
			const box = ada.locator(`.box[data-mine~="${which}"]`);
			await box.waitFor();
			assert.equal(await box.getAttribute('data-pid'), String(await pid(ada, which)));
		}
		await ada.waitForFunction(() => /^\d/.test(document.getElementById('echo-p99').textContent));
		await ada.waitForFunction(() =>
			/gateway up \d+ s/.test(document.getElementById('gateway').textContent));
	},

	async block() {
		const ada = await tab('blocked', 'Ada');
		const eve = await elsewhere(ada, 'Eve');
		await waitState(ada, 'echo', 'well');
		await ada.click('#block');
		await waitState(ada, 'chat', 'late');
		await ada.waitForSelector('.box[data-mine~="chat"][data-state="blocked"]');
		assert.match(await ada.textContent('#target'), /computes for 5 s: your chat waits/);
		assert.ok(await ada.isDisabled('#crash'), 'what computes would crash only afterwards');
		await say(eve, 'Here all is well');
		await sees(eve, 'Here all is well', ANSWER_MS);
		const began = Date.now();
		const newcomer = await tab(await eve.inputValue('#room'), 'Newcomer');
		const took = Date.now() - began;
		await sees(newcomer, 'Here all is well', ANSWER_MS);
		await shot(ada, 'block');
		await waitState(ada, 'echo', 'well'); // it goes on: a new page may have held up this one
		assert.equal(await stateOf(ada, 'chat'), 'late', `still blocked, ${took} ms later`);
		await tells(ada, /newcomer to \/echo was let in/);
		await say(ada, 'Sent to a child that does not listen');
		await sees(ada, 'Sent to a child that does not listen');
		await tells(ada, /You made child chat \d \(pid \d+\) compute for 5 s without a pause/);
		// The page counts from when it was told, and that may be a moment after the beginning.
		await tells(ada, /It answered again after (4\.[5-9]|[5-9]|\d\d)[\d.]* s and had lost nothing/);
		assert.match(await ada.textContent('#target'), /^The buttons act on/);
		assert.ok(await ada.isEnabled('#crash'));
		assert.equal(await eve.locator('.entry:not(.empty)').count(), 0, 'Eve never noticed');
	},

	async crash() {
		const ada = await tab('crashed', 'Ada');
		const bob = await tab('crashed', 'Bob');
		const eve = await elsewhere(ada, 'Eve');
		const [before, untouched] = [await pid(ada), await pid(eve)];
		await say(ada, 'Before');
		await sees(bob, 'Before');
		for (const page of [ada, bob]) {
			await page.waitForSelector(`.box[data-mine~="chat"][data-pid="${before}"]`);
		}
		await ada.click('#crash');
		await tells(ada, new RegExp(`Child chat \\d \\(pid ${before}\\) crashed, as you asked`));
		await tells(ada, /its \d connections ended, everybody else’s went on/);
		await tells(ada, /You were reconnected after [\d.]+ m?s, to pid \d+/);
		await tells(ada, /Its successor, pid \d+, was started within \d+ ms of the crash/);
		await tells(bob, /crashed, as Ada asked/);
		await tells(bob, /You were reconnected after/);
		await Promise.all([isIn(ada), isIn(bob)]);
		assert.notEqual(await pid(ada), before);
		assert.equal(await pid(ada), await pid(bob), 'the room is whole again');
		await say(bob, 'After');
		await sees(ada, 'After');
		await sees(ada, 'Before'); // the page still shows it
		await tells(eve, new RegExp(`\\(pid ${before}\\) ended. .*yours went on`));
		assert.equal(await pid(eve), untouched, 'Eve keeps her connection');
		await shot(ada, 'crash');
	},
};

async function main() {
	browser = await chromium.launch({
		executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
		args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking',
			'--disable-component-update', '--disable-sync', '--no-first-run'],
	});
	try {
		await scenarios[scenario]();
		assert.deepEqual(complaints, [], 'the console is empty');
	} finally {
		await browser.close();
	}
}

main().catch((error) => {
	console.error(error);
	console.error(complaints.join('\n'));
	process.exit(1);
});
