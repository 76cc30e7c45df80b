// Opens pages in headless Chromium, does what a reader does, and prints what there is to see: facts, no judgement.
// node drive_page.cjs PLAYWRIGHT_CORE CHROMIUM FOLDER: FOLDER holds page.html, gone.html, embedded.html, stretch.html, long.html.
"use strict";
const path = require("path");
const { pathToFileURL } = require("url");

const [library, executablePath, folder] = process.argv.slice(2);
const { chromium } = require(library);
const QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync"];
const WAIT = { timeout: 60000 };

let browser;
const outside = [], errors = [];

async function open(name, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  page.on("request", (request) => { if (!/^(file|data|blob):/.test(request.url())) outside.push(request.url()); });
  page.on("pageerror", (error) => errors.push(`${name}: ${error.message}`));
  page.on("console", (message) => { if (message.type() === "error") errors.push(`${name}: ${message.text()}`); });
  await page.goto(pathToFileURL(path.join(folder, name)).href);
  return page;
}

const state = (page) => page.evaluate(() => ({
  time: document.getElementById("video").currentTime,
  clock: document.getElementById("clock").textContent,
  said: document.getElementById("said").textContent,
  head: new DOMMatrix(getComputedStyle(document.getElementById("playhead")).transform).m41,
  focus: document.activeElement.getAttribute("aria-label"),
  role: document.activeElement.getAttribute("role"),
}));

// Where a segment of a row is on the screen.
const spot = (page, row, segment) => page.evaluate(([row, segment]) => {
  const grid = document.getElementById("grid"), scroller = document.getElementById("scroller");
  const rows = [...grid.querySelectorAll(".row")].filter((own) => !own.hidden);
  rows[row].scrollIntoView({ block: "nearest" });
  const px = parseFloat(grid.style.getPropertyValue("--track")) / (Number(grid.getAttribute("aria-colcount")) - 1);
  const label = rows[row].querySelector(".label").getBoundingClientRect();
  return { x: label.right + (segment + 0.5) * px - scroller.scrollLeft, y: label.top + label.height / 2, px };
}, [row, segment]);

const settled = (page, seconds) => page.waitForFunction(
  (wanted) => {
    const video = document.getElementById("video");
    return !video.seeking && Math.abs(video.currentTime - wanted) < 0.01;
  },
  seconds, WAIT,
).then(() => true, () => false);

const stopped = (page) => page.waitForFunction(() => document.getElementById("play").textContent === "Play", null, WAIT);

async function click(page, row, segment) {
  const { x, y } = await spot(page, row, segment);
  await page.mouse.click(x, y);
}

async function reader() {
  const found = {}, page = await open("page.html");
  await page.waitForFunction(() => document.getElementById("video").readyState >= 2, null, WAIT);
  found.start = await state(page);
  found.names = await page.$$eval(".row:not([hidden]) .name", (all) => all.map((own) => own.textContent));
  found.bold = await page.locator("b").count();
  found.px = (await spot(page, 0, 0)).px;

  const { x, y } = await spot(page, 0, 4);
  await page.mouse.move(x, y);
  found.tip = await page.locator("#tip").textContent();
  await click(page, 0, 3);
  await settled(page, 3);
  found.clicked = await state(page);
  found.ring = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);

  found.keys = {};
  const arrows = { ArrowRight: 4, ArrowLeft: 3, ArrowDown: 3, ArrowUp: 3 };
  for (const [key, seconds] of Object.entries({ ...arrows, End: 5, Home: 0 })) {
    await page.keyboard.press(key);
    await settled(page, seconds);
    found.keys[key] = await state(page);
  }
  found.live = await page.locator("#live").textContent();

  await page.keyboard.press(" ");
  await page.waitForFunction(() => document.getElementById("clock").textContent !== "0:00", null, WAIT);
  found.playing = { ...(await state(page)), button: await page.locator("#play").textContent() };
  await page.keyboard.press(" ");
  await stopped(page);
  found.paused = { ...(await state(page)), button: await page.locator("#play").textContent() };
  await page.click("#play");
  await page.waitForFunction(() => document.getElementById("video").ended, null, WAIT);
  await stopped(page);
  found.ended = { ...(await state(page)), button: await page.locator("#play").textContent() };
  await page.locator(".seek").nth(1).click();
  await settled(page, 1);
  found.listed = await state(page);

  await page.check("#all");
  found.all = await page.$$eval(".row:not([hidden])", (all) => all.map((own) => own.innerText.replace(/\s+/g, " ").trim()));
  await page.uncheck("#all");

  // By keyboard alone, from the top of the page.
  await page.evaluate(() => { document.activeElement.blur(); scrollTo(0, 0); });
  await page.reload();
  const passed = [];
  for (let count = 0; count < 30; count += 1) {
    await page.keyboard.press("Tab");
    passed.push(await page.evaluate(() => document.activeElement.id || document.activeElement.getAttribute("role")));
    if (passed.at(-1) === "gridcell") break;
  }
  found.tabs = passed;

  await page.context().close();
  return found;
}

// What the policy forbids, tried: not among the requests and errors of the page itself.
async function policy() {
  const page = await (await browser.newContext()).newPage();
  await page.goto(pathToFileURL(path.join(folder, "page.html")).href);
  const blocked = await page.evaluate(() => new Promise((resolve) => {
    const seen = [];
    document.addEventListener("securitypolicyviolation", (event) => {
      seen.push(event.effectiveDirective);
      if (seen.length === 3) resolve(seen.sort());
    });
    fetch("http://127.0.0.1:9/").catch(() => {});
    const picture = new Image();
    picture.src = "http://127.0.0.1:9/x.png";
    const script = document.createElement("script");
    script.textContent = "document.title = 'run'";
    document.body.append(script);
    setTimeout(() => resolve(seen.sort()), 20000);
  }));
  const title = await page.title();
  await page.context().close();
  return { blocked, title };
}

async function colours() {
  const found = {};
  const look = (page) => page.evaluate(() => {
    const canvas = document.getElementById("canvas"), pen = canvas.getContext("2d");
    const pixel = (x, y) => [...pen.getImageData(x * devicePixelRatio, y * devicePixelRatio, 1, 1).data].slice(0, 3);
    const body = getComputedStyle(document.body);
    const button = document.getElementById("theme").textContent;
    return { paper: body.backgroundColor, ink: body.color, corner: pixel(3, 20), bar: pixel(30, 26 + 8), button };
  });
  const drawn = (page) => page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  for (const colorScheme of ["light", "dark"]) {
    const page = await open("page.html", { colorScheme });
    await drawn(page);
    found[colorScheme] = await look(page);
    await page.click("#theme");
    await drawn(page);
    found[`${colorScheme} turned`] = await look(page);
    await page.context().close();
  }
  return found;
}

async function without() {
  const found = {}, page = await open("gone.html");
  await page.waitForSelector("#missing:not([hidden])", WAIT);
  found.why = await page.locator("#why").textContent();
  found.video = await page.locator("#video").isVisible();
  await click(page, 0, 2);
  await page.keyboard.press("ArrowRight");
  found.state = await state(page);
  await page.keyboard.press(" ");
  found.live = await page.locator("#live").textContent();
  found.disabled = await page.locator("#play").isDisabled();
  errors.length = 0; // the missing file's own message
  await page.setInputFiles("#file", path.join(folder, "clip.webm"));
  await settled(page, 3);
  found.chosen = { ...(await state(page)), video: await page.locator("#video").isVisible() };
  await page.context().close();

  const embedded = await open("embedded.html");
  await click(embedded, 0, 2);
  await settled(embedded, 2);
  found.embedded = await state(embedded);
  await embedded.context().close();

  const stretch = await open("stretch.html");
  await settled(stretch, 1);
  found.stretch = { start: await state(stretch) };
  await click(stretch, 0, 1);
  await settled(stretch, 2);
  found.stretch.clicked = await state(stretch);
  await stretch.keyboard.press(" ");
  await stretch.waitForFunction(() => document.getElementById("video").currentTime >= 3, null, WAIT);
  await stopped(stretch);
  found.stretch.end = await state(stretch);
  await stretch.context().close();
  return found;
}

async function phone() {
  const found = {};
  const device = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 };
  const page = await open("long.html", { ...device, reducedMotion: "reduce" });
  const measure = () => page.evaluate(() => ({
    page: document.documentElement.scrollWidth,
    label: document.querySelector(".row .label").getBoundingClientRect().left,
    track: document.getElementById("scroller").scrollWidth,
    left: document.getElementById("scroller").scrollLeft,
    canvas: document.getElementById("canvas").width,
    elements: document.querySelectorAll("*").length,
    tall: document.querySelector(".row").offsetHeight,
  }));
  found.first = await measure();
  const { x, y } = await spot(page, 1, 5);
  await page.touchscreen.tap(x, y);
  found.tapped = await state(page);
  found.tip = await page.locator("#tip").isVisible();
  await page.keyboard.press("End");
  found.end = { ...(await state(page)), ...(await measure()) };
  await page.locator("#fit").tap();
  found.fitted = await measure();
  await page.locator("#wider").tap();
  found.wider = await measure();
  await page.context().close();
  return found;
}

(async () => {
  browser = await chromium.launch({ executablePath, args: QUIET });
  try {
    const facts = { reader: await reader(), colours: await colours(), without: await without(), phone: await phone() };
    process.stdout.write(JSON.stringify({ ...facts, policy: await policy(), outside, errors }));
  } finally {
    await browser.close();
  }
})().catch((error) => { console.error(error); process.exitCode = 1; });
