/* The page of a report: draws what the page's data holds. docs/report.md describes the views, and
 * report_lanes.h, report_states.h and report_meta.c how the data is packed.
 *
 * Nothing is ever loaded. Every view draws from sums over what stands before each entry, so that a
 * pixel costs the logarithm of a million entries, however far out one zooms. */
"use strict";
(function () {
const $ = (id) => document.getElementById(id);
const meta = JSON.parse($("meta").textContent);
const SUCCEEDED = 0, FAILED = 1, TIMED_OUT = 2, RETRIED = 3, STOPPED = 6;
const isSuccess = (state) => state === SUCCEEDED || state === STOPPED;
const RETRY = 8, MANY = 16, OTHER_MAP = 32;
const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;

/* ---- Data ------------------------------------------------------------------------------------ */

async function inflate(text) {
  const packed = atob(text);
  const bytes = new Uint8Array(packed.length);
  for (let i = 0; i < packed.length; i++) bytes[i] = packed.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function reader(bytes) {
  let at = 0;
  return () => {
    let byte = bytes[at++];
    if (byte < 128) return byte;
    let value = byte & 127, scale = 128;
    do {
      byte = bytes[at++];
      value += (byte & 127) * scale;
      scale *= 128;
    } while (byte > 127);
    return value;
  };
}

/* Entries of all lanes, one after the other; lane i has those from lanes[i].from to lanes[i].to. */
function readEntries(next) {
  const lanes = meta.lanes.map(([rank, slot, count]) => ({ rank, slot, count }));
  let count = 0;
  for (const lane of lanes) {
    lane.from = count;
    count += lane.count;
    lane.to = count;
  }
  const entries = {
    count, lanes,
    start: new Float64Array(count), end: new Float64Array(count), index: new Float64Array(count),
    many: new Float64Array(count), failed: new Float64Array(count),
    map: new Uint16Array(count), what: new Uint8Array(count),
  };
  const tick = meta.tick_us;
  for (let i = 0; i < count; i++) entries.start[i] = next();
  for (let i = 0; i < count; i++) entries.end[i] = next();
  for (const lane of lanes) {
    let at = 0;
    for (let i = lane.from; i < lane.to; i++) {
      const start = at + entries.start[i];
      at = start + entries.end[i];
      entries.start[i] = start * tick;
      entries.end[i] = at * tick;
    }
  }
  for (let i = 0; i < count; i++) {
    const zigzag = next();
    entries.index[i] = zigzag % 2 ? -(zigzag + 1) / 2 : zigzag / 2;
  }
  for (let i = 0; i < count; i++) entries.what[i] = next();
  let map = 0, index = 0;
  for (let i = 0; i < count; i++) {
    const what = entries.what[i];
    const isMany = (what & MANY) !== 0;
    entries.many[i] = isMany ? next() + 2 : 1;
    entries.failed[i] = isMany ? next() : isSuccess(what & 7) ? 0 : 1;
    if (what & OTHER_MAP) map = next();
    entries.map[i] = map;
    index += entries.index[i];
    entries.index[i] = index;
    index += entries.many[i];
  }
  return entries;
}

function readBins(next) {
  const bins = { succeeded: [], failed: [], cached: [], busy: [] };
  for (let i = 0; i < meta.bins; i++) {
    bins.succeeded.push(next());
    bins.failed.push(next());
    bins.cached.push(next());
    bins.busy.push(next());
  }
  return bins;
}

function readClasses(next) {
  const classes = [];
  for (let left = next(); left > 0; left--) classes.push([next(), next()]);
  return classes;
}

function readStates(next) {
  for (const map of meta.maps) {
    map.codes = new Uint8Array(map.cells);
    for (let at = 0; at < map.cells;) {
      const count = next();
      map.codes.fill(next(), at, at + count);
      at += count;
    }
  }
}

/* ---- Text ------------------------------------------------------------------------------------ */

const counted = (count) => Math.round(count).toLocaleString("en-US");

function timed(us, digits = 3) {
  const form = (value, unit) => Number(value.toPrecision(digits)) + " " + unit;
  if (us === 0) return "0";
  if (us < 0) return "\u2212" + timed(-us, digits);
  if (us < 1000) return form(us, "\u00b5s");
  if (us < 1e6) return form(us / 1e3, "ms");
  if (us < 6e7) return form(us / 1e6, "s");
  const seconds = Math.round(us / 1e6);
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return minutes + " min" + (seconds % 60 ? " " + (seconds % 60) + " s" : "");
  const hours = Math.floor(minutes / 60);
  return hours + " h" + (minutes % 60 ? " " + (minutes % 60) + " min" : "");
}

/* To be read along an axis on which a step is `step_us`. */
function timedAt(us, stepUs) {
  const digits = Math.max(3, Math.ceil(Math.log10(Math.max(1, Math.abs(us)) / stepUs)) + 1);
  return timed(us, Math.min(digits, 12));
}

function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name === "on") for (const [event, act] of Object.entries(value)) element.addEventListener(event, act);
    else if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function mapName(map) {
  return meta.is_workflow ? "map " + map.number + (map.task ? " (" + map.task + ")" : "") : map.task;
}

/* ---- Colours --------------------------------------------------------------------------------- */

let colours = {};
function readColours() {
  const style = getComputedStyle(document.documentElement);
  colours = {};
  for (const name of ["page", "panel", "line", "text", "dim", "link", "succeeded", "cached", "stopped-early",
    "failed", "timed-out", "aborted", "not-started", "retried", "superseded", "after", "cursor"]) {
    colours[name] = style.getPropertyValue("--" + name).trim();
  }
}

const attemptColour = (state) => colours[meta.attempt_states[state]];
const instanceColour = (state) => state === 7 ? colours.after : colours[meta.instance_states[state]];

function channels(colour) {
  const value = parseInt(colour.slice(1), 16);
  return [value >> 16 & 255, value >> 8 & 255, value & 255];
}

const views = [];
function drawAll() {
  readColours();
  for (const view of views) view.draw();
}

/* Draws views, one a frame, so that none waits for all. One that is asked for again before its turn
 * keeps its place. */
function inTurn(viewsOf) {
  const left = [];
  const next = () => {
    left.shift().draw();
    if (left.length > 0) requestAnimationFrame(next);
  };
  return () => {
    if (left.length === 0) requestAnimationFrame(next);
    for (const view of viewsOf()) if (!left.includes(view)) left.push(view);
  };
}

const drawInTurn = inTurn(() => views);
function drawSoon() {
  readColours();
  drawInTurn();
}

function setTheme(theme) {
  if (theme === "auto") document.documentElement.removeAttribute("data-theme");
  else document.documentElement.setAttribute("data-theme", theme);
  const names = { auto: "as the system has them", light: "light", dark: "dark" };
  $("theme").setAttribute("aria-label", "Colours: " + names[theme]);
  $("theme").textContent = { auto: "Colours: auto", light: "Colours: light", dark: "Colours: dark" }[theme];
  drawSoon();
}

function startTheme() {
  const order = ["auto", "light", "dark"];
  let theme = "auto";
  try { theme = localStorage.getItem("mapfleet-theme") || "auto"; } catch (error) { /* no storage */ }
  if (!order.includes(theme)) theme = "auto";
  setTheme(theme);
  $("theme").addEventListener("click", () => {
    theme = order[(order.indexOf(theme) + 1) % 3];
    try { localStorage.setItem("mapfleet-theme", theme); } catch (error) { /* no storage */ }
    setTheme(theme);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawSoon);
  addEventListener("beforeprint", () => {
    document.documentElement.setAttribute("data-theme", "light");
    document.body.classList.add("printing");
    drawAll();
  });
  addEventListener("afterprint", () => {
    document.body.classList.remove("printing");
    setTheme(theme);
  });
}

/* ---- What the views share -------------------------------------------------------------------- */

/* A canvas of `width` x `height` CSS pixels, sharp on every screen. */
function fit(canvas, width, height) {
  const ratio = devicePixelRatio || 1;
  const w = Math.max(1, Math.round(width * ratio)), h = Math.max(1, Math.round(height * ratio));
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}

function later(act) {
  let isAsked = false;
  return () => {
    if (isAsked) return;
    isAsked = true;
    requestAnimationFrame(() => {
      isAsked = false;
      act();
    });
  };
}

const tip = $("tip");
function showTip(event, text) {
  tip.textContent = text;
  tip.style.display = text ? "block" : "none";
  if (!text) return;
  const left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8);
  const top = event.clientY + tip.offsetHeight + 24 > innerHeight ? event.clientY - tip.offsetHeight - 10 : event.clientY + 16;
  tip.style.left = Math.max(4, left) + "px";
  tip.style.top = top + "px";
}

function tools(view, label) {
  const button = (text, name, act) => make("button", { type: "button", "aria-label": name, title: name, on: { click: act } }, text);
  return make("div", { class: "tools", role: "group", "aria-label": label },
    button("+", "Zoom in", () => view.zoom(0.5)), button("\u2212", "Zoom out", () => view.zoom(2)),
    button("\u2190", "Move left", () => view.move(-0.25)), button("\u2192", "Move right", () => view.move(0.25)),
    button("All", "Show all", () => view.reset()));
}

function legend(items) {
  return make("p", { class: "legend" }, ...items.map(([colour, text]) => {
    const box = make("i", {});
    box.dataset.colour = colour;
    return make("span", {}, box, text);
  }));
}

function paintLegend(element) {
  for (const box of element.querySelectorAll("i")) box.style.background = colours[box.dataset.colour];
}

/* The range [from, to) of `total` that a view shows. */
function range(total, least) {
  return {
    total, from: 0, to: total,
    set(from, to) {
      const asked = to - from > total * (1 - 1e-9) ? total : to - from; /* all, but for rounding */
      const length = Math.min(total, Math.max(least, asked));
      this.from = Math.min(Math.max(0, from), total - length);
      this.to = this.from + length;
    },
    zoom(factor, at = (this.from + this.to) / 2) {
      const length = Math.min(total, Math.max(least, (this.to - this.from) * factor));
      const part = (at - this.from) / (this.to - this.from || 1);
      this.set(at - part * length, at - part * length + length);
    },
    move(part) {
      const step = (this.to - this.from) * part;
      this.set(this.from + step, this.to + step);
    },
  };
}

/* ---- Filters --------------------------------------------------------------------------------- */

const filter = { map: -1, kind: "all" };
const kinds = {
  all: ["all attempts", () => true],
  succeeded: ["succeeded", isSuccess],
  failed: ["failed or timed out", (state) => state === FAILED || state === TIMED_OUT],
  unsuccessful: ["all that did not succeed", (state) => !isSuccess(state)],
  retry: ["retries", (state, what) => (what & RETRY) !== 0],
  retried: ["failed and tried again", (state) => state === RETRIED],
  stopped: ["stopped early", (state) => state === STOPPED],
  ended: ["ended by mapfleet", (state) => state > RETRIED],
};

function startFilters(act) {
  const kind = make("select", { id: "filter-kind" }, ...Object.entries(kinds).map(([name, [text]]) => make("option", { value: name }, text)));
  kind.addEventListener("change", () => { filter.kind = kind.value; act(); });
  $("filters").append(make("label", {}, "Attempts", kind));
  if (meta.is_workflow && meta.maps.length > 1) {
    const map = make("select", { id: "filter-map" }, make("option", { value: -1 }, "all maps"),
      ...meta.maps.map((each, i) => make("option", { value: i }, mapName(each) + ", " + counted(each.size))));
    map.addEventListener("change", () => { filter.map = Number(map.value); act(); });
    $("filters").append(make("label", {}, "Map", map));
  }
}

/* ---- The timeline ---------------------------------------------------------------------------- */

/* Sums over the entries before each, so that those of any stretch are a difference. */
function sumUp(entries) {
  const { count, what, map, start, end, failed } = entries;
  const isFirst = !entries.sums;
  if (isFirst) {
    entries.sums = {
      busy: new Float64Array(count + 1), shown: new Float64Array(count + 1),
      bad: new Uint32Array(count + 1), tried: new Uint32Array(count + 1), ended: new Uint32Array(count + 1),
      is: new Uint8Array(count),
    };
  }
  const { busy, shown, bad, tried, ended, is } = entries.sums;
  const matches = Uint8Array.from({ length: 256 }, (_, code) => kinds[filter.kind][1](code & 7, code) ? 1 : 0);
  const only = filter.map;
  let busySum = 0, shownSum = 0, badSum = 0, triedSum = 0, endedSum = 0;
  for (let i = 0; i < count; i++) {
    const code = what[i], state = code & 7, length = end[i] - start[i];
    const isShown = only < 0 || map[i] === only ? matches[code] : 0;
    is[i] = isShown;
    busySum += length;
    if (isShown) {
      shownSum += length;
      if (failed[i] > 0) {
        if (state === FAILED || state === TIMED_OUT) badSum++;
        else if (state === RETRIED) triedSum++;
        else endedSum++;
      }
    }
    if (isFirst) busy[i + 1] = busySum;
    shown[i + 1] = shownSum;
    bad[i + 1] = badSum;
    tried[i + 1] = triedSum;
    ended[i + 1] = endedSum;
  }
}

/* The first entry of the lane that ends after `us`. */
function firstAfter(entries, lane, us) {
  const end = entries.end;
  let low = lane.from, high = lane.to;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (end[middle] <= us) low = middle + 1;
    else high = middle;
  }
  return low;
}

/* What of the lane's entries before `us` was busy, by one of the sums. */
function before(entries, sum, i, lane, us, counts) {
  const inside = i < lane.to && entries.start[i] < us && counts(i) ? us - entries.start[i] : 0;
  return sum[i] + inside;
}

function tellEntry(entries, i) {
  const state = entries.what[i] & 7;
  const many = entries.many[i];
  const map = meta.maps[entries.map[i]];
  const length = entries.end[i] - entries.start[i];
  const parts = [];
  if (many > 1) {
    parts.push(counted(many) + " attempts, instances from " + entries.index[i]);
    if (entries.failed[i] > 0) parts.push(counted(entries.failed[i]) + " did not succeed");
    parts.push(timed(length) + " together");
  } else {
    parts.push("instance " + entries.index[i] + ", " + meta.attempt_states[state] + (entries.what[i] & RETRY ? ", a retry" : ""));
    parts.push(timed(length));
  }
  if (meta.is_workflow && map) parts.unshift(mapName(map));
  parts.push("from " + timedAt(entries.start[i], Math.max(1, length)));
  return parts.join("; ");
}

function laneName(lane) {
  const host = meta.hosts[lane.rank];
  return "rank " + lane.rank + (host ? " on " + host : "") + ", slot " + lane.slot;
}

function timeline(entries) {
  const box = $("timeline");
  const lanes = entries.lanes;
  if (lanes.length === 0) {
    box.append(make("p", {}, "No attempt has run."));
    return null;
  }
  const LEFT = 96, TOP = 26;
  const view = range(Math.max(1, meta.total_us), Math.max(4, meta.tick_us * 4));
  const row = lanes.length > 400 ? 3 : lanes.length > 100 ? 6 : lanes.length > 24 ? 12 : 20;
  const tall = TOP + lanes.length * row;
  const canvas = make("canvas", { tabindex: 0, role: "application", "aria-roledescription": "timeline",
    "aria-label": "Timeline of " + lanes.length + " slots over " + timed(meta.total_us), "aria-describedby": "slots-help" });
  const spacer = make("div", { class: "tall" }, canvas);
  const scroll = make("div", { class: "canvas scroll" }, spacer);
  const readout = make("p", { class: "readout", id: "timeline-readout", "aria-live": "polite" });
  const key = legend([...meta.attempt_states.map((name) => [name, name]), ["dim", "a retry has a lighter edge"]]);
  let selected = -1, laneAt = 0;
  box.append(tools({ zoom: (f) => act(() => view.zoom(f)), move: (p) => act(() => view.move(p)), reset: () => act(() => view.set(0, view.total)) }, "Timeline"),
    scroll, readout, key);

  let width = 0, height = 0;
  const x = (us) => LEFT + (us - view.from) / (view.to - view.from) * (width - LEFT);
  const us = (px) => view.from + (px - LEFT) / (width - LEFT) * (view.to - view.from);
  const y = (i) => TOP + i * row - scroll.scrollTop;

  function drawAxis(context) {
    const want = (view.to - view.from) / Math.max(2, (width - LEFT) / 110);
    let step = Math.pow(10, Math.floor(Math.log10(want)));
    for (const factor of want > 3e7 ? [1.2, 3, 6, 12, 36] : [1, 2, 5, 10]) {
      if (step * factor >= want) { step *= factor; break; }
    }
    context.fillStyle = colours.page;
    context.fillRect(0, 0, width, TOP);
    context.textBaseline = "middle";
    context.textAlign = "center";
    for (let at = Math.ceil(view.from / step) * step; at <= view.to; at += step) {
      const px = Math.round(x(at)) + 0.5;
      context.strokeStyle = colours.line;
      context.beginPath();
      context.moveTo(px, TOP - 5);
      context.lineTo(px, TOP);
      context.stroke();
      const text = timedAt(at, step);
      const half = context.measureText(text).width / 2;
      if (px - half > LEFT - 20 && px + half < width) {
        context.fillStyle = colours.dim;
        context.fillText(text, px, TOP / 2 - 1);
      }
    }
    context.strokeStyle = colours.line;
    context.beginPath();
    context.moveTo(0, TOP - 0.5);
    context.lineTo(width, TOP - 0.5);
    context.stroke();
  }

  function drawEntry(context, i, top, tallness) {
    const from = Math.max(LEFT, x(entries.start[i]));
    const to = Math.min(width, x(entries.end[i]));
    const length = Math.max(1, to - from - (to - from > 3 ? 1 : 0));
    const state = entries.what[i] & 7;
    context.globalAlpha = entries.sums.is[i] ? 1 : 0.18;
    context.fillStyle = attemptColour(state);
    context.fillRect(from, top, length, tallness);
    if (entries.what[i] & RETRY && length > 3) {
      context.globalAlpha = entries.sums.is[i] ? 0.65 : 0.18;
      context.fillStyle = colours.page;
      context.fillRect(from, top, 2, tallness);
    }
    if (entries.many[i] === 1 && length > 42 && tallness > 10) {
      context.globalAlpha = 1;
      context.fillStyle = colours.page;
      context.textAlign = "left";
      context.fillText(entries.index[i], from + 4, top + tallness / 2 + 0.5, length - 6);
    }
    context.globalAlpha = 1;
  }

  /* How busy each pixel was, and the worst that ended in it, into a line of pixels. */
  function fillPixels(line, lane, first, colour) {
    const sums = entries.sums, end = entries.end, start = entries.start;
    const always = () => true, shown = (i) => sums.is[i] === 1;
    const scale = (view.to - view.from) / line.length;
    let i = first;
    let busy = before(entries, sums.busy, i, lane, view.from, always);
    let part = before(entries, sums.shown, i, lane, view.from, shown);
    for (let px = 0; px < line.length && i < lane.to; px++) {
      const until = view.from + (px + 1) * scale;
      let low = i, high = i, reach = 1;
      while (high < lane.to && end[high] <= until) {
        low = high + 1;
        high += reach;
        reach *= 2;
      }
      high = Math.min(high, lane.to);
      while (low < high) {
        const middle = (low + high) >> 1;
        if (end[middle] <= until) low = middle + 1;
        else high = middle;
      }
      const nextBusy = before(entries, sums.busy, low, lane, until, always);
      const nextPart = before(entries, sums.shown, low, lane, until, shown);
      const last = Math.min(lane.to, low + (low < lane.to && start[low] < until ? 1 : 0));
      const share = (nextPart - part) / scale;
      if (sums.bad[last] > sums.bad[i]) line[px] = colour.failed;
      else if (sums.tried[last] > sums.tried[i]) line[px] = colour.retried;
      else if (sums.ended[last] > sums.ended[i]) line[px] = colour.aborted;
      else if (share > 0) line[px] = colour.busy[Math.min(15, Math.floor(share * 16))];
      else if (nextBusy > busy) line[px] = colour.hidden;
      i = low;
      busy = nextBusy;
      part = nextPart;
    }
  }

  function pixelColours() {
    const page = channels(colours.page);
    const mix = (name, part) => {
      const [r, g, b] = channels(colours[name]).map((channel, i) => Math.round(channel * part + page[i] * (1 - part)));
      return (255 << 24 | b << 16 | g << 8 | r) >>> 0;
    };
    return { failed: mix("failed", 1), retried: mix("retried", 1), aborted: mix("aborted", 1), hidden: mix("succeeded", 0.15),
      busy: Array.from({ length: 16 }, (_, i) => mix("succeeded", 0.3 + 0.7 * (i + 1) / 16)) };
  }

  /* Of lanes with more entries than pixels: a line of pixels each, stretched to the lane's height. */
  function drawDense(context, dense) {
    const columns = Math.max(1, Math.floor(width - LEFT));
    const image = new ImageData(columns, dense.length);
    const pixels = new Uint32Array(image.data.buffer);
    const colour = pixelColours();
    dense.forEach(([lane, first], k) => fillPixels(pixels.subarray(k * columns, (k + 1) * columns), lane, first, colour));
    const small = make("canvas", { width: columns, height: dense.length });
    small.getContext("2d").putImageData(image, 0, 0);
    context.imageSmoothingEnabled = false;
    dense.forEach(([, , top, tallness], k) => context.drawImage(small, 0, k, columns, 1, LEFT, top, width - LEFT, tallness));
  }

  function drawNotes(context) {
    for (const note of meta.notes) {
      const px = Math.round(x(note.us)) + 0.5;
      if (px < LEFT || px > width || note.kind === "ranks" || (note.kind === "session" && note.us === 0)) continue;
      const isLoss = note.kind !== "session";
      context.strokeStyle = isLoss ? colours.failed : colours.dim;
      context.setLineDash(isLoss ? [4, 3] : [2, 3]);
      const own = isLoss ? lanes.map((lane, i) => [lane, i]).filter(([lane]) => lane.rank === note.rank) : [];
      const from = own.length ? Math.max(TOP, y(own[0][1])) : TOP;
      const to = own.length ? y(own[own.length - 1][1]) + row : height;
      context.beginPath();
      context.moveTo(px, from);
      context.lineTo(px, Math.max(from, to));
      context.stroke();
      context.setLineDash([]);
    }
  }

  function drawLabel(context, i, top) {
    const lane = lanes[i];
    const isFirst = i === 0 || lanes[i - 1].rank !== lane.rank || y(i - 1) < TOP;
    if (isFirst && top >= TOP - row) {
      context.strokeStyle = colours.line;
      context.beginPath();
      context.moveTo(0, Math.round(top) - 0.5);
      context.lineTo(width, Math.round(top) - 0.5);
      context.stroke();
    }
    context.textAlign = "left";
    context.fillStyle = i === laneAt && document.activeElement === canvas ? colours.link : colours.dim;
    if (row >= 12) context.fillText("rank " + lane.rank + " \u00b7 " + lane.slot, 6, top + row / 2 + 0.5, LEFT - 12);
    else if (isFirst) context.fillText("rank " + lane.rank, 6, top + 7, LEFT - 12);
  }

  function draw() {
    if (scroll.clientWidth === 0) return; /* not to be seen */
    width = Math.max(LEFT + 40, scroll.clientWidth);
    height = Math.min(460, tall);
    spacer.style.height = tall + "px";
    const context = fit(canvas, width, height);
    context.clearRect(0, 0, width, height);
    context.font = "11px system-ui, sans-serif";
    context.textBaseline = "middle";
    const dense = [];
    for (let i = 0; i < lanes.length; i++) {
      const top = y(i);
      if (top + row < TOP || top > height) continue;
      drawLabel(context, i, top);
      const first = firstAfter(entries, lanes[i], view.from);
      const last = Math.min(lanes[i].to, firstAfter(entries, lanes[i], view.to) + 1);
      const gap = row > 6 ? 2 : row > 3 ? 1 : 0;
      if (last - first <= (width - LEFT) / 2) {
        for (let k = first; k < last; k++) {
          if (entries.start[k] < view.to) drawEntry(context, k, top + gap, row - 2 * gap);
        }
      } else {
        dense.push([lanes[i], first, top + gap, row - 2 * gap]);
      }
    }
    if (dense.length > 0) drawDense(context, dense);
    drawNotes(context);
    if (selected >= 0) {
      const lane = lanes[laneAt];
      if (selected >= lane.from && selected < lane.to) {
        context.strokeStyle = colours.cursor;
        context.lineWidth = 2;
        const from = Math.max(LEFT, x(entries.start[selected]));
        context.strokeRect(from, y(laneAt) + 1, Math.max(3, Math.min(width, x(entries.end[selected])) - from), row - 2);
        context.lineWidth = 1;
      }
    }
    drawAxis(context);
    paintLegend(key);
  }
  const redraw = later(draw);
  function act(change) {
    change();
    redraw();
    readout.textContent = "Shown: " + timedAt(view.from, view.to - view.from) + " to " + timedAt(view.to, view.to - view.from) +
      (selected >= 0 ? ". " + laneName(lanes[laneAt]) + ": " + tellEntry(entries, selected) : "");
  }

  function at(event) {
    const bounds = canvas.getBoundingClientRect();
    const px = event.clientX - bounds.left, py = event.clientY - bounds.top;
    const lane = Math.floor((py - TOP + scroll.scrollTop) / row);
    if (px < LEFT || py < TOP || lane < 0 || lane >= lanes.length) return null;
    const reach = (view.to - view.from) / (width - LEFT);
    const i = firstAfter(entries, lanes[lane], us(px) - reach);
    const isThere = i < lanes[lane].to && entries.start[i] <= us(px) + reach;
    return { lane, entry: isThere ? i : -1, us: us(px) };
  }

  let drag = null;
  canvas.addEventListener("pointerdown", (event) => {
    drag = { px: event.clientX, from: view.from, to: view.to, moved: false };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (drag) {
      const shift = (drag.px - event.clientX) / (width - LEFT) * (drag.to - drag.from);
      drag.moved = drag.moved || Math.abs(drag.px - event.clientX) > 3;
      if (drag.moved) act(() => view.set(drag.from + shift, drag.to + shift));
      return;
    }
    const found = at(event);
    showTip(event, found && found.entry >= 0 ? laneName(lanes[found.lane]) + "\n" + tellEntry(entries, found.entry) : "");
  });
  canvas.addEventListener("pointerup", (event) => {
    const found = drag && !drag.moved ? at(event) : null;
    drag = null;
    if (found) {
      act(() => {
        laneAt = found.lane;
        selected = found.entry;
      });
    }
  });
  canvas.addEventListener("pointerleave", () => showTip(null, ""));
  canvas.addEventListener("dblclick", (event) => {
    const found = at(event);
    act(() => found ? view.zoom(0.2, found.us) : view.set(0, view.total));
  });
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const bounds = canvas.getBoundingClientRect();
    act(() => view.zoom(Math.exp(Math.max(-60, Math.min(60, event.deltaY)) / 120), us(event.clientX - bounds.left)));
  }, { passive: false });

  function select(i) {
    selected = i;
    if (i < 0) return;
    const length = view.to - view.from;
    if (entries.end[i] > view.to || entries.start[i] < view.from) {
      view.set(entries.start[i] - length / 2, entries.start[i] + length / 2);
    }
  }
  function step(by) {
    const lane = lanes[laneAt];
    if (lane.from === lane.to) return;
    let i = selected >= lane.from && selected < lane.to ? selected + by : firstAfter(entries, lane, view.from);
    while (i >= lane.from && i < lane.to && !entries.sums.is[i]) i += by;
    if (i >= lane.from && i < lane.to) select(i);
  }
  function turn(by) {
    laneAt = Math.min(lanes.length - 1, Math.max(0, laneAt + by));
    selected = -1;
    const top = laneAt * row;
    if (top < scroll.scrollTop || top + row > scroll.scrollTop + height - TOP) scroll.scrollTop = Math.max(0, top - height / 2);
    const i = firstAfter(entries, lanes[laneAt], view.from);
    if (i < lanes[laneAt].to && entries.start[i] < view.to) selected = i;
  }
  canvas.addEventListener("keydown", (event) => {
    const keys = {
      ArrowLeft: () => event.shiftKey ? step(-1) : view.move(-0.2), ArrowRight: () => event.shiftKey ? step(1) : view.move(0.2),
      ArrowUp: () => turn(-1), ArrowDown: () => turn(1), "+": () => view.zoom(0.5), "=": () => view.zoom(0.5),
      "-": () => view.zoom(2), 0: () => view.set(0, view.total), Home: () => view.set(0, view.to - view.from),
      End: () => view.set(view.total - (view.to - view.from), view.total), Escape: () => { selected = -1; },
      Enter: () => {
        if (selected >= 0) {
          const length = Math.max(view.total / 1e7, entries.end[selected] - entries.start[selected], 8 * meta.tick_us);
          view.set(entries.start[selected] - length, entries.end[selected] + length);
        }
      },
    };
    if (keys[event.key] && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      act(keys[event.key]);
    }
  });
  canvas.addEventListener("focus", redraw);
  canvas.addEventListener("blur", redraw);
  scroll.addEventListener("scroll", redraw);
  return { draw, redraw, view, select: (lane, i) => act(() => { laneAt = lane; select(i); }) };
}

/* ---- Instances by index ---------------------------------------------------------------------- */

function statesView() {
  const box = $("states");
  const withCells = meta.maps.map((map, i) => [map, i]).filter(([map]) => map.cells > 0);
  if (withCells.length === 0) {
    box.append(make("p", {}, "There are no instances."));
    return null;
  }
  const largest = withCells.reduce((a, b) => b[0].size > a[0].size ? b : a);
  let map = largest[0];
  let view = range(map.cells, Math.min(map.cells, 16));
  let cursor = 0;
  const canvas = make("canvas", { tabindex: 0, role: "application", "aria-roledescription": "map of instances", "aria-describedby": "instances-help" });
  const readout = make("p", { class: "readout", id: "states-readout", "aria-live": "polite" });
  const key = legend([...meta.instance_states.slice(0, 7).map((name) => [name, name]), ["after", meta.instance_states[7]]]);
  const bar = tools({ zoom: (f) => act(() => view.zoom(f, cursor)), move: (p) => act(() => view.move(p)), reset: () => act(() => view.set(0, view.total)) }, "Instances");
  if (withCells.length > 1) {
    const choose = make("select", { id: "states-map" }, ...withCells.map(([each, i]) => make("option", { value: i }, mapName(each) + ", " + counted(each.size))));
    choose.value = largest[1];
    choose.addEventListener("change", () => show(meta.maps[Number(choose.value)]));
    bar.prepend(make("label", {}, "Map ", choose));
  }
  box.append(bar, make("div", { class: "canvas" }, canvas), readout, key);

  let size = 1, columns = 1, perCell = 1;
  function layOut(width) {
    const count = Math.ceil(view.to) - Math.floor(view.from);
    const heightMax = 340;
    size = Math.max(1, Math.min(18, Math.floor(Math.sqrt(width * heightMax / count))));
    perCell = size > 1 ? 1 : Math.max(1, Math.ceil(count / (width * heightMax)));
    columns = Math.max(1, Math.floor(width / size));
    return { count, rows: Math.ceil(Math.ceil(count / perCell) / columns) };
  }

  const order = [0, 1, 2, 6, 5, 3, 4, 7]; /* by state: what of several tells most */
  const weight = (code) => { const state = code & 7; return state === 3 ? 60 : state === 4 ? 50 : state === 5 ? 40 : state === 6 ? 30 : state === 7 ? 20 : state === 1 ? 10 : order[state]; };
  const weights = new Uint8Array(256).map((_, code) => weight(code));
  function palette() {
    const good = channels(colours.succeeded);
    const colour = new Uint32Array(256);
    for (let code = 0; code < 256; code++) {
      const state = code & 7, share = (code >> 3) / 31;
      const own = channels(instanceColour(state) || colours.dim);
      const part = share === 0 || map.cell_size === 1 ? 1 : 0.35 + 0.65 * share;
      const mixed = own.map((channel, i) => Math.round(channel * part + good[i] * (1 - part)));
      colour[code] = 255 << 24 | mixed[2] << 16 | mixed[1] << 8 | mixed[0];
    }
    return colour;
  }

  function draw() {
    const width = Math.max(40, canvas.parentElement.clientWidth);
    if (width === 40) return; /* not to be seen */
    const { count, rows } = layOut(width);
    const context = fit(canvas, width, rows * size);
    const image = new ImageData(columns, rows);
    const pixels = new Uint32Array(image.data.buffer);
    const colour = palette();
    const from = Math.floor(view.from), to = from + count, codes = map.codes;
    for (let i = from, at = 0; i < to; i += perCell, at++) {
      let code = codes[i];
      for (let k = i + 1; k < i + perCell && k < to; k++) if (weights[codes[k]] > weights[code]) code = codes[k];
      pixels[at] = colour[code];
    }
    const small = make("canvas", { width: columns, height: rows });
    small.getContext("2d").putImageData(image, 0, 0);
    context.clearRect(0, 0, width, rows * size);
    context.imageSmoothingEnabled = false;
    context.drawImage(small, 0, 0, columns * size, rows * size);
    if (size >= 5) {
      context.strokeStyle = colours.page;
      context.beginPath();
      for (let i = 0; i <= columns; i++) { context.moveTo(i * size, 0); context.lineTo(i * size, rows * size); }
      for (let i = 0; i <= rows; i++) { context.moveTo(0, i * size); context.lineTo(columns * size, i * size); }
      context.stroke();
    }
    if (document.activeElement === canvas) {
      const place = Math.floor((cursor - from) / perCell);
      context.strokeStyle = colours.cursor;
      context.lineWidth = 2;
      context.strokeRect(place % columns * size, Math.floor(place / columns) * size, Math.max(4, size), Math.max(4, size));
      context.lineWidth = 1;
    }
    canvas.setAttribute("aria-label", "States of " + counted(map.size) + " instances of " + mapName(map));
    paintLegend(key);
  }
  const redraw = later(draw);

  function tell(cell) {
    const code = map.codes[cell];
    const first = cell * map.cell_size, last = Math.min(map.size, first + map.cell_size) - 1;
    const name = meta.instance_states[code & 7];
    if (first === last) return "instance " + first + ": " + name;
    const share = (code >> 3) / 31;
    return "instances " + first + " to " + last + ": " +
      (share === 0 ? "all succeeded" : "about " + Math.round(share * 100) + " % not succeeded, some " + name);
  }
  function act(change) {
    change();
    cursor = Math.min(Math.ceil(view.to) - 1, Math.max(Math.floor(view.from), cursor));
    redraw();
    readout.textContent = "Shown: instances " + counted(Math.floor(view.from) * map.cell_size) + " to " +
      counted(Math.min(map.size, Math.ceil(view.to) * map.cell_size) - 1) + ". At the cursor: " + tell(cursor);
  }
  function show(next) {
    map = next;
    view = range(map.cells, Math.min(map.cells, 16));
    act(() => { cursor = 0; });
  }
  function at(event) {
    const bounds = canvas.getBoundingClientRect();
    const column = Math.floor((event.clientX - bounds.left) / size), line = Math.floor((event.clientY - bounds.top) / size);
    const cell = Math.floor(view.from) + (line * columns + column) * perCell;
    return column >= 0 && column < columns && cell >= view.from && cell < view.to ? cell : -1;
  }
  canvas.addEventListener("pointermove", (event) => {
    const cell = at(event);
    showTip(event, cell >= 0 ? tell(cell) : "");
  });
  canvas.addEventListener("pointerleave", () => showTip(null, ""));
  canvas.addEventListener("click", (event) => {
    const cell = at(event);
    if (cell >= 0) act(() => { cursor = cell; });
  });
  canvas.addEventListener("dblclick", (event) => {
    const cell = at(event);
    if (cell >= 0) act(() => { cursor = cell; view.zoom(0.2, cell); });
  });
  canvas.addEventListener("wheel", (event) => {
    const cell = at(event);
    if ((!event.ctrlKey && !event.metaKey) || cell < 0) return;
    event.preventDefault();
    act(() => view.zoom(event.deltaY > 0 ? 1.5 : 0.67, cell));
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    const go = (by) => () => {
      cursor = Math.min(map.cells - 1, Math.max(0, cursor + by));
      if (cursor < view.from || cursor >= view.to) view.set(cursor - (view.to - view.from) / 2, cursor + (view.to - view.from) / 2);
    };
    const seek = (by) => () => {
      let i = cursor + by;
      while (i >= 0 && i < map.cells && (map.codes[i] >> 3) === 0) i += by;
      if (i >= 0 && i < map.cells) go(i - cursor)();
    };
    const keys = {
      ArrowLeft: event.shiftKey ? seek(-1) : go(-perCell), ArrowRight: event.shiftKey ? seek(1) : go(perCell),
      ArrowUp: go(-columns * perCell), ArrowDown: go(columns * perCell), Home: go(-map.cells), End: go(map.cells),
      "+": () => view.zoom(0.5, cursor), "=": () => view.zoom(0.5, cursor), "-": () => view.zoom(2, cursor), 0: () => view.set(0, view.total),
    };
    if (keys[event.key] && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      act(keys[event.key]);
    }
  });
  canvas.addEventListener("focus", redraw);
  canvas.addEventListener("blur", redraw);
  return { draw, redraw, show };
}

/* ---- Charts ---------------------------------------------------------------------------------- */

const tail = (list) => list[list.length - 1];

/* A chart of uPlot, made anew where colours or widths change, since it knows neither. */
function chart(parent, height, label, optionsOf, dataOf, tableOf) {
  const place = make("div", { role: "img", "aria-label": label });
  const details = make("details", {}, make("summary", {}, "As a table"));
  parent.append(place, details);
  let plot = null;
  return {
    draw() {
      if (parent.clientWidth === 0) return; /* not to be seen */
      const width = Math.max(200, parent.clientWidth);
      if (plot) plot.destroy();
      const axis = { stroke: colours.dim, grid: { stroke: colours.line, width: 0.5 }, ticks: { stroke: colours.line, width: 1 }, font: "11px system-ui, sans-serif" };
      plot = new uPlot({ width, height, cursor: { drag: { x: true, y: false } }, ...optionsOf(axis) }, dataOf(), place);
      const table = tableOf();
      details.replaceChildren(details.firstChild, make("table", {},
        make("thead", {}, make("tr", {}, ...table[0].map((text) => make("th", { scope: "col" }, text)))),
        make("tbody", {}, ...table.slice(1).map((line) => make("tr", {}, ...line.map((text) => make("td", { class: "number" }, text)))))));
    },
  };
}

const timeAxis = (axis) => ({ ...axis, values: (plot, splits) => splits.map((s) => s === null ? "" : timedAt(s * 1e6, splits.length > 1 ? (splits[1] - splits[0]) * 1e6 : 1)), space: 90 });
const countAxis = (axis) => ({ ...axis, values: (plot, splits) => splits.map((v) => v === null ? "" : Math.abs(v) >= 1e6 ? v / 1e6 + " M" : Math.abs(v) >= 1e4 ? v / 1e3 + " k" : String(v)), size: 54 });

function binTimes() {
  const width = meta.total_us / meta.bins / 1e6;
  return Array.from({ length: meta.bins + 1 }, (_, i) => i * width);
}

function sumsOf(list) {
  let sum = 0;
  return [0, ...list.map((value) => sum += value)];
}

function endedChart(bins) {
  const times = binTimes();
  const data = [times, sumsOf(bins.succeeded), sumsOf(bins.failed), sumsOf(bins.cached)];
  const hasCached = tail(data[3]) > 0;
  const value = (plot, v) => v === null ? "" : counted(v);
  return chart($("ended"), 240, "Attempts that succeeded and failed, added up over time: at the end " +
    counted(tail(data[1])) + " succeeded and " + counted(tail(data[2])) + " failed",
    (axis) => ({
      title: "Ended so far", scales: { x: { time: false } }, axes: [timeAxis(axis), countAxis(axis)],
      series: [{ label: "after", value: (plot, v) => v === null ? "" : timed(v * 1e6) },
        { label: "succeeded", stroke: colours.succeeded, width: 2, value }, { label: "failed", stroke: colours.failed, width: 2, dash: [6, 3], value },
        ...(hasCached ? [{ label: "cached", stroke: colours.cached, width: 2, dash: [2, 3], value }] : [])],
    }),
    () => hasCached ? data : data.slice(0, 3),
    () => [["after", "succeeded", "failed", "cached"], ...Array.from({ length: 11 }, (_, i) => Math.round(i * meta.bins / 10))
      .map((i) => [timed(times[i] * 1e6), counted(data[1][i]), counted(data[2][i]), counted(data[3][i])])]);
}

function busyChart(bins) {
  const width = meta.total_us / meta.bins || 1;
  const times = binTimes();
  const busy = bins.busy.map((us) => us / width);
  const data = [times, [...busy, busy.length ? tail(busy) : 0]];
  const mean = busy.reduce((a, b) => a + b, 0) / (busy.length || 1);
  return chart($("busy"), 240, "Slots that were busy over time: " + mean.toFixed(1) + " on average",
    (axis) => ({
      title: "Slots busy", scales: { x: { time: false }, y: { range: (plot, low, high) => [0, Math.max(1, high * 1.05)] } },
      axes: [timeAxis(axis), countAxis(axis)],
      series: [{ label: "after", value: (plot, v) => v === null ? "" : timed(v * 1e6) },
        { label: "busy", stroke: colours.link, fill: colours.link + "33", width: 1.5, paths: uPlot.paths.stepped({ align: 1 }),
          value: (plot, v) => v === null ? "" : v.toFixed(1) }],
    }),
    () => data,
    () => [["after", "slots busy"], ...Array.from({ length: 11 }, (_, i) => Math.round(i * (meta.bins - 1) / 10))
      .map((i) => [timed(times[i] * 1e6), busy[i].toFixed(1)])]);
}

function classStart(number) {
  return number < 16 ? number : (16 + number % 16) * Math.pow(2, Math.floor(number / 16) - 1);
}

/* Classes of a quarter of an octave. Below 1 us there is one. */
const bar = (us) => us < 1 ? -1 : Math.floor(Math.log2(us) * 4 + 1e-9);

function histogram(succeeded, failed) {
  function collect() {
    const bars = new Map();
    const put = (classes, at) => {
      for (const [number, count] of classes) {
        const place = bar(classStart(number));
        if (!bars.has(place)) bars.set(place, [0, 0]);
        bars.get(place)[at] += count;
      }
    };
    if (filter.map >= 0) put(meta.maps[filter.map].classes, 0);
    else { put(succeeded, 0); put(failed, 1); }
    return bars;
  }
  function quantile(bars, part) {
    const sorted = [...bars.entries()].sort((a, b) => a[0] - b[0]);
    const all = sorted.reduce((sum, [, [a, b]]) => sum + a + b, 0);
    let seen = 0;
    for (const [place, [a, b]] of sorted) {
      if (seen + a + b >= part * all) return place + (part * all - seen) / (a + b || 1);
      seen += a + b;
    }
    return 0;
  }
  const us = (place) => Math.pow(2, place / 4);
  function data() {
    const bars = collect();
    const places = [...bars.keys()];
    if (places.length === 0) return [[0], [0], [0]];
    const low = Math.min(...places) - 1, high = Math.max(...places) + 1;
    const list = Array.from({ length: high - low + 1 }, (_, i) => low + i);
    const of = (place) => bars.get(place) || [0, 0];
    return [list, list.map((place) => of(place)[0] + of(place)[1]), list.map((place) => of(place)[1])];
  }
  const name = (place) => place === null || place === undefined ? "" : place < 0 ? "under 1 \u00b5s" : timed(us(place)) + " to " + timed(us(place + 1));
  return chart($("histogram"), 240, "Histogram of the durations of attempts; the table of quantiles says more",
    (axis) => ({
      scales: { x: { time: false, range: (plot, low, high) => [low, high + 1] }, y: { range: (plot, low, high) => [0, Math.max(1, high * 1.08)] } },
      axes: [{ ...axis, values: (plot, splits) => splits.map((s) => s === null || s < 0 ? "" : timed(us(s), 2)), incrs: [4, 8, 16, 32], space: 60 }, countAxis(axis)],
      series: [{ label: "took", value: (plot, v) => name(v) },
        { label: filter.map >= 0 ? "attempts" : "all", stroke: colours.succeeded, fill: colours.succeeded, width: 0, paths: uPlot.paths.bars({ size: [0.94], align: 1 }), points: { show: false }, value: (plot, v) => v === null ? "" : counted(v) },
        { label: "did not succeed", stroke: colours.failed, fill: colours.failed, width: 0, paths: uPlot.paths.bars({ size: [0.94], align: 1 }), points: { show: false }, value: (plot, v) => v === null ? "" : counted(v) }],
      hooks: {
        draw: [(plot) => {
          const bars = collect();
          if (bars.size === 0) return;
          const context = plot.ctx, ratio = devicePixelRatio || 1;
          context.save();
          context.strokeStyle = colours.text;
          context.fillStyle = colours.text;
          context.font = 11 * ratio + "px system-ui, sans-serif";
          context.textAlign = "left";
          context.setLineDash([3 * ratio, 3 * ratio]);
          [[0.5, "median"], [0.9, "90 %"], [0.99, "99 %"]].forEach(([part, text], i) => {
            const px = Math.round(plot.valToPos(quantile(bars, part), "x", true));
            context.beginPath();
            context.moveTo(px, plot.bbox.top);
            context.lineTo(px, plot.bbox.top + plot.bbox.height);
            context.stroke();
            context.fillText(text, px + 4 * ratio, plot.bbox.top + (10 + 13 * i) * ratio);
          });
          context.restore();
        }],
      },
    }), data,
    () => { const [list, all, bad] = data(); return [["took", "attempts", "did not succeed"], ...list.map((place, i) => [name(place), counted(all[i]), counted(bad[i])]).filter((line) => line[1] !== "0")]; });
}

/* ---- Trials of a sweep ----------------------------------------------------------------------- */

/* How a list of values lies along an axis: numbers (by their logarithm where they span much), or the
 * distinct texts of whatever else they are. place() gives 0 to 1; null has no place. */
function scaleOf(values) {
  const known = values.filter((value) => value !== null && value !== undefined);
  if (known.length && known.every((value) => typeof value === "number")) {
    const low = Math.min(...known), high = Math.max(...known);
    const isLog = low > 0 && high / low > 50;
    const put = isLog ? Math.log : (value) => value;
    const from = put(low), length = put(high) - from;
    const back = (part) => isLog ? Math.exp(from + part * length) : from + part * length;
    return { isLog, isNumber: true, place: (value) => typeof value !== "number" ? null : length > 0 ? (put(value) - from) / length : 0.5,
      ticks: length > 0 ? [0, 0.5, 1].map((part) => [part, brief(back(part))]) : [[0.5, brief(low)]] };
  }
  const names = [...new Set(known.map(brief))].sort();
  const at = new Map(names.map((name, i) => [name, names.length > 1 ? i / (names.length - 1) : 0.5]));
  const each = Math.max(1, Math.ceil(names.length / 12));
  return { isLog: false, isNumber: false, place: (value) => value === null || value === undefined ? null : at.get(brief(value)),
    ticks: names.filter((_, i) => i % each === 0).map((name) => [at.get(name), name]) };
}

function brief(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") {
    const size = Math.abs(value);
    return Number.isInteger(value) && size < 1e7 ? String(value) : size < 1e-3 || size >= 1e7 ? value.toExponential(3) : String(Number(value.toPrecision(4)));
  }
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > 40 ? text.slice(0, 39) + "\u2026" : text;
}

function readTrials() {
  if (!$("sweep")) return null;
  const sweep = JSON.parse($("sweep").textContent);
  sweep.trials = sweep.trials.map(([index, state, value, ...values]) => ({ index, state, value, values }));
  const known = sweep.trials.filter((trial) => trial.value !== null).map((trial) => trial.value).sort((a, b) => a - b);
  const rank = new Map();
  known.forEach((value, i) => rank.set(value, known.length > 1 ? i / (known.length - 1) : 0));
  for (const trial of sweep.trials) {
    const part = trial.value === null ? null : rank.get(trial.value);
    trial.rank = part === null ? null : sweep.maximise ? part : 1 - part; /* 1: the best */
  }
  return sweep;
}

/* From what is worst to what is best: a line of colours that can be told apart in grey, too. */
function rankColour(rank) {
  if (rank === null) return colours.aborted;
  const stops = [channels(colours["not-started"]), channels(colours.cached), channels(colours.failed)];
  const at = rank * 2, i = at < 1 ? 0 : 1, part = at - i;
  const mixed = stops[i].map((channel, k) => Math.round(channel * (1 - part) + stops[i + 1][k] * part));
  return "rgb(" + mixed.join(",") + ")";
}

function tellTrial(sweep, trial) {
  const parts = ["trial " + trial.index + (trial.state ? ", " + trial.state : "")];
  if (sweep.metric && trial.value !== null) parts.push(sweep.metric + ": " + brief(trial.value));
  sweep.parameters.forEach((name, i) => { if (trial.values[i] !== null) parts.push(name + ": " + brief(trial.values[i])); });
  return parts.join("\n");
}

function section(id, title, ...children) {
  const made = make("section", { "aria-labelledby": id }, make("h2", { id }, title), ...children);
  $("trials").append(made);
  return made;
}

function parallelView(sweep, chosen) {
  const axes = sweep.parameters.map((name, i) => ({ name, of: (trial) => trial.values[i] }))
    .filter((axis) => new Set(sweep.trials.map((trial) => JSON.stringify(axis.of(trial)))).size > 1);
  if (sweep.metric) axes.push({ name: sweep.metric, of: (trial) => trial.value, isMetric: true });
  if (axes.length < 2) return null;
  for (const axis of axes) axis.scale = scaleOf(sweep.trials.map(axis.of));
  const canvas = make("canvas", { tabindex: 0, role: "application", "aria-roledescription": "parallel coordinates", "aria-describedby": "parallel-help",
    "aria-label": "Parallel coordinates of " + counted(sweep.trials.length) + " trials: " + axes.map((axis) => axis.name).join(", ") + ". The table of trials has the same numbers." });
  const readout = make("p", { class: "readout", "aria-live": "polite" });
  const clear = make("button", { type: "button", on: { click: () => { for (const axis of axes) axis.brush = null; changed(); } } }, "All");
  section("parallel", "Trials", make("p", { class: "note", id: "parallel-help" }, "A line is a trial, blue to red as its value is better, grey where it has none. Drag along an axis to choose trials by it; a click on an axis lets them all be chosen again. " +
    "Arrow keys go from axis to axis, and choose by the highest or lowest and move on from there; + and \u2212 choose more or fewer, Escape all of the axis, 0 all."),
    make("div", { class: "tools" }, clear), make("div", { class: "canvas" }, canvas), readout);
  const TOP = 40, BOTTOM = 24, HEIGHT = 360;
  let width = 0, hovered = null, drag = null, current = 0;
  const x = (i) => 60 + i * (width - 120) / (axes.length - 1);
  const y = (part) => HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM);
  const part = (py) => Math.min(1, Math.max(0, (HEIGHT - BOTTOM - py) / (HEIGHT - TOP - BOTTOM)));
  const isChosen = (trial) => axes.every((axis) => {
    if (!axis.brush) return true;
    const place = axis.scale.place(axis.of(trial));
    return place !== null && place >= axis.brush[0] && place <= axis.brush[1];
  });
  function changed() {
    for (const trial of sweep.trials) trial.isChosen = isChosen(trial);
    const count = sweep.trials.filter((trial) => trial.isChosen).length;
    readout.textContent = axes.some((axis) => axis.brush) ? counted(count) + " of " + counted(sweep.trials.length) + " trials are chosen" : "";
    redraw();
    chosen();
  }
  function line(context, trial) {
    let isOpen = false;
    context.beginPath();
    axes.forEach((axis, i) => {
      const place = axis.scale.place(axis.of(trial));
      if (place === null) { isOpen = false; return; }
      if (isOpen) context.lineTo(x(i), y(place));
      else context.moveTo(x(i), y(place));
      isOpen = true;
    });
    context.stroke();
  }
  const ordered = [...sweep.trials].sort((a, b) => (a.rank === null ? -1 : a.rank) - (b.rank === null ? -1 : b.rank));
  function draw() {
    width = Math.max(240, canvas.parentElement.clientWidth);
    const context = fit(canvas, width, HEIGHT);
    context.clearRect(0, 0, width, HEIGHT);
    context.font = "11px system-ui, sans-serif";
    context.lineWidth = 1;
    for (const trial of ordered) {
      context.globalAlpha = trial.isChosen ? (sweep.trials.length > 500 ? 0.45 : 0.8) : 0.06;
      context.strokeStyle = rankColour(trial.rank);
      line(context, trial);
    }
    context.globalAlpha = 1;
    if (hovered) {
      context.lineWidth = 3;
      context.strokeStyle = colours.cursor;
      line(context, hovered);
      context.lineWidth = 1;
    }
    axes.forEach((axis, i) => {
      const isCurrent = i === current && document.activeElement === canvas;
      context.strokeStyle = isCurrent ? colours.link : colours.text;
      context.lineWidth = isCurrent ? 3 : 1;
      context.beginPath();
      context.moveTo(x(i), y(0));
      context.lineTo(x(i), y(1));
      context.stroke();
      if (axis.brush) {
        context.fillStyle = colours.link;
        context.globalAlpha = 0.3;
        context.fillRect(x(i) - 6, y(axis.brush[1]), 12, Math.max(2, y(axis.brush[0]) - y(axis.brush[1])));
        context.globalAlpha = 1;
      }
      context.fillStyle = isCurrent ? colours.link : colours.text;
      context.textAlign = i === 0 ? "left" : i === axes.length - 1 ? "right" : "center";
      const step = (width - 120) / (axes.length - 1);
      context.fillText(axis.name + (axis.scale.isLog ? " (log)" : ""), i === 0 ? 6 : i === axes.length - 1 ? width - 6 : x(i), i % 2 && step < 120 ? 26 : 14, Math.max(60, step * (step < 120 ? 1.9 : 0.95)));
      context.textAlign = i === axes.length - 1 ? "left" : "right";
      for (const [place, text] of axis.scale.ticks) {
        const px = i === axes.length - 1 ? x(i) + 5 : x(i) - 5;
        const size = Math.min(56, context.measureText(text).width);
        context.fillStyle = colours.page;
        context.globalAlpha = 0.75;
        context.fillRect(i === axes.length - 1 ? px - 1 : px - size - 1, y(place) - 7, size + 2, 14);
        context.globalAlpha = 1;
        context.fillStyle = colours.dim;
        context.textBaseline = "middle";
        context.fillText(text, px, y(place), 56);
        context.textBaseline = "alphabetic";
      }
    });
  }
  const redraw = later(draw);
  const axisAt = (px) => axes.findIndex((_, i) => Math.abs(px - x(i)) < 14);
  function nearest(px, py) {
    const i = Math.min(axes.length - 2, Math.max(0, Math.floor((px - x(0)) / (x(1) - x(0)))));
    const share = (px - x(i)) / (x(i + 1) - x(i));
    let best = null, distance = 9;
    for (const trial of sweep.trials) {
      if (!trial.isChosen) continue;
      const a = axes[i].scale.place(axes[i].of(trial)), b = axes[i + 1].scale.place(axes[i + 1].of(trial));
      if (a === null || b === null) continue;
      const apart = Math.abs(y(a + (b - a) * share) - py);
      if (apart < distance) { distance = apart; best = trial; }
    }
    return best;
  }
  canvas.addEventListener("pointerdown", (event) => {
    const bounds = canvas.getBoundingClientRect();
    const axis = axisAt(event.clientX - bounds.left);
    if (axis < 0) return;
    drag = { axis: axes[axis], from: part(event.clientY - bounds.top) };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    const bounds = canvas.getBoundingClientRect();
    const px = event.clientX - bounds.left, py = event.clientY - bounds.top;
    if (drag) {
      const to = part(py);
      drag.axis.brush = Math.abs(to - drag.from) > 0.01 ? [Math.min(drag.from, to) - 1e-9, Math.max(drag.from, to) + 1e-9] : null;
      changed();
      return;
    }
    const found = nearest(px, py);
    if (found !== hovered) { hovered = found; redraw(); }
    showTip(event, found ? tellTrial(sweep, found) : "");
  });
  canvas.addEventListener("pointerup", () => {
    if (drag && !drag.axis.brush) changed();
    drag = null;
  });
  canvas.addEventListener("pointerleave", () => { hovered = null; redraw(); showTip(null, ""); });
  function choose(axis, low, high) {
    const length = Math.min(1, Math.max(0.05, high - low));
    const from = Math.min(1 - length, Math.max(0, low));
    axis.brush = [from - 1e-9, from + length + 1e-9];
  }
  canvas.addEventListener("keydown", (event) => {
    const axis = axes[current], [low, high] = axis.brush || [0, 1];
    const grow = (below, above) => () => choose(axis, low - below, high + above);
    const go = (to) => () => { current = Math.min(axes.length - 1, Math.max(0, to)); };
    const keys = {
      ArrowLeft: go(current - 1), ArrowRight: go(current + 1), Home: go(0), End: go(axes.length - 1),
      ArrowUp: axis.brush ? grow(-0.05, 0.05) : () => choose(axis, 0.8, 1), ArrowDown: axis.brush ? grow(0.05, -0.05) : () => choose(axis, 0, 0.2),
      "+": grow(0.05, 0.05), "=": grow(0.05, 0.05), "-": grow(-0.05, -0.05),
      Escape: () => { axis.brush = null; }, 0: () => { for (const each of axes) each.brush = null; },
    };
    if (keys[event.key] && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      keys[event.key]();
      changed();
      readout.textContent = "Axis " + axes[current].name + ". " + readout.textContent;
    }
  });
  canvas.addEventListener("focus", redraw);
  canvas.addEventListener("blur", redraw);
  return { draw, hover(trial) { hovered = trial; redraw(); } };
}

/* The metric against one parameter: a dot a trial. */
function scatterView(parent, sweep, at) {
  const name = sweep.parameters[at];
  const across = scaleOf(sweep.trials.map((trial) => trial.values[at]));
  const up = scaleOf(sweep.trials.map((trial) => trial.value));
  const canvas = make("canvas", { role: "img", "aria-label": sweep.metric + " against " + name + "; the table of trials has the same numbers" });
  parent.append(make("figure", {}, make("figcaption", {}, name + (across.isLog ? " (log)" : "")), make("div", { class: "canvas" }, canvas)));
  const HEIGHT = 180;
  let width = 0;
  const x = (place) => 52 + place * (width - 72), y = (place) => HEIGHT - 24 - place * (HEIGHT - 40);
  const dots = () => sweep.trials.filter((trial) => trial.isChosen && trial.value !== null && across.place(trial.values[at]) !== null);
  function draw() {
    width = Math.max(120, canvas.parentElement.clientWidth);
    const context = fit(canvas, width, HEIGHT);
    context.clearRect(0, 0, width, HEIGHT);
    context.font = "10px system-ui, sans-serif";
    context.strokeStyle = colours.line;
    context.fillStyle = colours.dim;
    context.strokeRect(44.5, 8.5, width - 56, HEIGHT - 28);
    context.textAlign = "right";
    for (const [place, text] of up.ticks) context.fillText(text, 41, y(place) + 3, 40);
    for (const [place, text] of across.ticks) {
      context.textAlign = place < 0.1 ? "left" : place > 0.9 ? "right" : "center";
      context.fillText(text, place < 0.1 ? 44 : place > 0.9 ? width - 10 : x(place), HEIGHT - 6, (width - 60) / across.ticks.length);
    }
    for (const trial of dots()) {
      context.fillStyle = rankColour(trial.rank);
      context.strokeStyle = colours.dim;
      context.beginPath();
      context.arc(x(across.place(trial.values[at])), y(up.place(trial.value)), 3.2, 0, 7);
      context.fill();
      if (sweep.trials.length <= 500) context.stroke();
    }
  }
  canvas.addEventListener("pointermove", (event) => {
    const bounds = canvas.getBoundingClientRect();
    const px = event.clientX - bounds.left, py = event.clientY - bounds.top;
    const found = dots().find((trial) => Math.hypot(x(across.place(trial.values[at])) - px, y(up.place(trial.value)) - py) < 5);
    showTip(event, found ? tellTrial(sweep, found) : "");
  });
  canvas.addEventListener("pointerleave", () => showTip(null, ""));
  return { draw };
}

function bestView(sweep) {
  const better = (a, b) => sweep.maximise ? a > b : a < b;
  const indices = [], values = [], best = [];
  let so = null;
  for (const trial of sweep.trials) {
    const counts = trial.value !== null && trial.state !== "failed";
    if (counts && (so === null || better(trial.value, so))) so = trial.value;
    indices.push(trial.index);
    values.push(trial.value);
    best.push(so);
  }
  const value = (plot, v) => v === null ? "" : brief(v);
  const place = make("div", {});
  section("best", "Best so far", place);
  const steps = [...new Set(best)].filter((v) => v !== null);
  return chart(place, 260, "Best " + sweep.metric + " so far, over trials: at the end " + brief(so),
    (axis) => ({
      scales: { x: { time: false } }, axes: [axis, { ...axis, size: 60, values: (plot, splits) => splits.map((v) => v === null ? "" : brief(v)) }],
      series: [{ label: "trial" }, { label: sweep.metric, stroke: colours.dim, width: 0, paths: () => null, points: { show: true, size: 5, fill: colours.cached, stroke: colours.cached }, value },
        { label: "best so far", stroke: colours.failed, width: 2, paths: uPlot.paths.stepped({ align: 1 }), points: { show: false }, value }],
    }),
    () => [indices, values, best],
    () => [["from trial", sweep.metric], ...steps.map((v) => [String(indices[best.indexOf(v)]), brief(v)])]);
}

function trialsTable(sweep, hover) {
  const COUNT_MAX = 200;
  const columns = [["trial", (trial) => trial.index], ["state", (trial) => trial.state || ""],
    ...(sweep.metric ? [[sweep.metric, (trial) => trial.value]] : []), ...sweep.parameters.map((name, i) => [name, (trial) => trial.values[i]])];
  let by = sweep.metric ? 2 : 0, isDown = sweep.metric ? sweep.maximise : false;
  const head = make("tr", {}), body = make("tbody", {}), note = make("p", { class: "note" });
  columns.forEach(([name], i) => head.append(make("th", { scope: "col", "aria-sort": "none" },
    make("button", { type: "button", on: { click: () => { isDown = by === i ? !isDown : false; by = i; draw(); } } }, name))));
  section("trials-table", "All trials", make("div", { class: "wide long", tabindex: 0, role: "region", "aria-labelledby": "trials-table" }, make("table", {}, make("caption", {}, "Click a heading to sort by it"), make("thead", {}, head), body)), note);
  function draw() {
    const of = columns[by][1];
    const compare = (a, b) => typeof a === "number" && typeof b === "number" ? a - b : brief(a) < brief(b) ? -1 : brief(a) > brief(b) ? 1 : 0;
    const shown = sweep.trials.filter((trial) => trial.isChosen).sort((a, b) => {
      const x = of(a), y = of(b);
      if (x === null || y === null) return (x === null) - (y === null) || a.index - b.index;
      return (isDown ? -1 : 1) * compare(x, y) || a.index - b.index;
    });
    [...head.children].forEach((cell, i) => cell.setAttribute("aria-sort", i !== by ? "none" : isDown ? "descending" : "ascending"));
    body.replaceChildren(...shown.slice(0, COUNT_MAX).map((trial) => {
      const row = make("tr", {}, ...columns.map(([, get]) => make("td", { class: typeof get(trial) === "number" ? "number" : null }, brief(get(trial)))));
      if (hover) {
        row.addEventListener("pointerenter", () => hover(trial));
        row.addEventListener("pointerleave", () => hover(null));
      }
      return row;
    }));
    note.textContent = (shown.length > COUNT_MAX ? "The first " + COUNT_MAX + " of " + counted(shown.length) + " are listed. " : "") +
      (sweep.count > sweep.trials.length ? "Of " + counted(sweep.count) + " trials, the page has the first " + counted(sweep.trials.length) + ": mapfleet results RUN --table has all." : "");
  }
  return { draw };
}

function sweepViews(sweep) {
  const made = [];
  for (const trial of sweep.trials) trial.isChosen = true;
  const chosen = []; /* the views of trials that are chosen */
  const parallel = parallelView(sweep, inTurn(() => chosen));
  if (sweep.metric && sweep.trials.some((trial) => trial.value !== null)) {
    made.push(bestView(sweep));
    const grid = make("div", { class: "grid" });
    section("against", sweep.metric + " against each parameter", grid);
    sweep.parameters.forEach((_, i) => {
      if (new Set(sweep.trials.map((trial) => JSON.stringify(trial.values[i]))).size > 1) chosen.push(scatterView(grid, sweep, i));
    });
  }
  chosen.push(trialsTable(sweep, parallel ? parallel.hover : null));
  made.push(...chosen);
  return parallel ? [parallel, ...made] : made;
}

/* ---- All together ---------------------------------------------------------------------------- */

async function start() {
  const began = performance.now();
  const next = reader(await inflate($("data").textContent));
  const entries = readEntries(next);
  const bins = readBins(next);
  const succeeded = readClasses(next);
  const failed = readClasses(next);
  for (const map of meta.maps) map.classes = readClasses(next);
  readStates(next);
  readColours();
  sumUp(entries);
  const line = timeline(entries);
  const states = statesView();
  const durations = histogram(succeeded, failed);
  startFilters(() => {
    sumUp(entries);
    if (line) line.draw();
    durations.draw();
    if (states && filter.map >= 0 && meta.maps[filter.map].cells > 0) states.show(meta.maps[filter.map]);
  });
  const sweep = readTrials();
  if (sweep && sweep.trials.length > 0) views.push(...sweepViews(sweep));
  for (const view of [line, states, endedChart(bins), busyChart(bins), durations]) if (view) views.push(view);
  startTheme();
  addEventListener("resize", later(drawSoon));
  document.documentElement.dataset.drawn = Math.round(performance.now() - began);
}

start().catch((error) => {
  $("charts").prepend(make("p", { class: "warning" }, "The charts could not be drawn by this browser (" + error.message + "); the tables are whole."));
  console.error(error);
});
})();
