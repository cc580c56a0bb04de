// SPDX-License-Identifier: MIT
//
// The latency graph: time from left to right, round trips on a logarithmic scale, so that a
// fraction of a millisecond and five seconds fit into one picture. Where an answer is overdue the
// time is shaded.

import { duration } from './words.js';

const SPAN_MS = 30000;
const FRAME_MS = 60; // a pixel of the graph is more than that
const LEAST_MS = 0.1;
const MOST_MS = 10000;
const LATE_MS = 300; // an answer that takes longer is shown as a gap
const BREAK_MS = 1500; // no line over a pause of our own, as in a tab in the background
const LINES = [1, 10, 100, 1000];
const LEFT = 56;
const BOTTOM = 20;
const TOP = 10;

// series: [{name, pinger, colour}], colour a CSS custom property.
export class Graph {
	constructor(canvas, series) {
		this.canvas = canvas;
		this.context = canvas.getContext('2d');
		this.series = series;
		this.readStyle = this.readStyle.bind(this);
		this.readStyle();
		matchMedia('(prefers-color-scheme: dark)').addEventListener('change', this.readStyle);
		const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
		if (calm) {
			setInterval(() => this.draw(), 1000);
		} else {
			const frame = (now) => {
				if (now - (this.now ?? 0) >= FRAME_MS) {
					this.draw();
				}
				requestAnimationFrame(frame);
			};
			requestAnimationFrame(frame);
		}
	}

	readStyle() {
		const style = getComputedStyle(document.documentElement);
		const colour = (name) => style.getPropertyValue(name).trim();
		this.colours = {
			grid: colour('--line'),
			text: colour('--soft'),
			series: this.series.map((s) => colour(s.colour)),
		};
	}

	fit() {
		const { clientWidth: width, clientHeight: height } = this.canvas;
		const ratio = window.devicePixelRatio || 1;
		const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)];
		if (this.canvas.width !== wide || this.canvas.height !== high) {
			this.canvas.width = wide;
			this.canvas.height = high;
		}
		this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
		this.context.clearRect(0, 0, width, height);
		this.width = width;
		this.height = height;
		this.now = performance.now();
	}

	x(at) {
		return LEFT + (1 - (this.now - at) / SPAN_MS) * (this.width - LEFT - 4);
	}

	y(ms) {
		const share = Math.log(Math.max(ms, LEAST_MS) / LEAST_MS) / Math.log(MOST_MS / LEAST_MS);
		return TOP + (1 - Math.min(share, 1)) * (this.height - TOP - BOTTOM);
	}

	draw() {
		this.fit();
		this.drawGrid();
		this.context.save();
		this.context.beginPath();
		this.context.rect(LEFT, 0, this.width - LEFT, this.height - BOTTOM);
		this.context.clip();
		this.series.forEach((series, i) => this.drawGaps(series, this.colours.series[i]));
		this.series.forEach((series, i) => this.drawLine(series, this.colours.series[i]));
		this.context.restore();
	}

	drawGrid() {
		const c = this.context;
		c.strokeStyle = this.colours.grid;
		c.fillStyle = this.colours.text;
		c.lineWidth = 1;
		c.font = '12px system-ui, sans-serif';
		c.textAlign = 'right';
		c.textBaseline = 'middle';
		for (const ms of LINES) {
			const y = Math.round(this.y(ms)) + 0.5;
			c.beginPath();
			c.moveTo(LEFT, y);
			c.lineTo(this.width, y);
			c.stroke();
			c.fillText(duration(ms).replace('.0', ''), LEFT - 8, y);
		}
		c.textBaseline = 'alphabetic';
		c.textAlign = 'left';
		c.fillText('30 s ago', LEFT, this.height - 4);
		c.textAlign = 'right';
		c.fillText('now', this.width - 4, this.height - 4);
	}

	// Each stretch of time in which answers were overdue: [from, to, lost].
	gaps(series) {
		const found = [];
		for (const { sent, ms } of series.pinger.samples) {
			const until = ms === null ? sent + 200 : sent + (ms ?? this.now - sent);
			if (ms !== null && until - sent < LATE_MS) {
				continue;
			}
			const last = found[found.length - 1];
			if (last && sent <= last.to + 250) {
				last.to = Math.max(last.to, until);
				last.lost = last.lost || ms === null;
			} else {
				found.push({ from: sent, to: until, lost: ms === null });
			}
		}
		return found;
	}

	drawGaps(series, colour) {
		const c = this.context;
		for (const gap of this.gaps(series)) {
			const from = this.x(gap.from);
			const to = this.x(Math.min(gap.to, this.now));
			c.fillStyle = colour;
			c.globalAlpha = 0.13;
			c.fillRect(from, TOP, Math.max(to - from, 2), this.height - TOP - BOTTOM);
			c.globalAlpha = 1;
			const label = gap.lost ? `${series.name} is away` : `${series.name} waits`;
			c.font = '600 12px system-ui, sans-serif';
			if (to - from > c.measureText(label).width + 8) {
				c.textAlign = 'center';
				c.textBaseline = 'middle';
				// That height is free: between well and blocked.
				c.fillText(label, (Math.max(from, LEFT) + to) / 2, this.y(40));
			}
		}
	}

	drawLine(series, colour) {
		const c = this.context;
		let before = null;
		c.strokeStyle = colour;
		c.lineWidth = 2;
		c.lineJoin = 'round';
		c.beginPath();
		for (const { sent, ms } of series.pinger.samples) {
			if (typeof ms !== 'number') {
				before = null;
				continue;
			}
			const x = this.x(sent);
			const y = this.y(ms);
			if (before !== null && sent - before < BREAK_MS) {
				c.lineTo(x, y);
			} else {
				c.moveTo(x, y);
				c.lineTo(x + 1, y);
			}
			before = sent;
		}
		c.stroke();
	}
}
