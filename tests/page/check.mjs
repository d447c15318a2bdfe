// Opens a page in headless Chromium and holds it against its JSON. usage: check.mjs PAGE.html REPORT.json
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import axe from "axe-core";
import { chromium } from "playwright-core";
import * as expected from "./expected.mjs";

const [page_file, report_file] = process.argv.slice(2);
const address = pathToFileURL(resolve(page_file)).href;
const report = JSON.parse(readFileSync(report_file, "utf8"));
// Above this, names are not looked at one by one once more.
const MANY = 5000;
const OPENS_WITHIN = 1000;
// What glides is waited for at each click.
const LIGHT = { colorScheme: "light", reducedMotion: "reduce", viewport: { width: 1440, height: 900 } };
const DARK = { ...LIGHT, colorScheme: "dark" };
const PHONE = { ...LIGHT, viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  // No sandbox, as root has none; nothing that Chromium does by itself on a network.
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
let passed = 0;
let failed = 0;

/** Opens the page anew, and has an opinion on all that it says on its console, asks of a network or pops up. */
async function check(name, options, act) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const noise = [];
  page.on("console", (message) => noise.push(`console: ${message.text()}`));
  page.on("pageerror", (error) => noise.push(`error: ${error.message}`));
  page.on("dialog", (dialog) => noise.push(`dialog: ${dialog.message()}`) && dialog.dismiss());
  page.on("request", (request) => request.url() === address || request.url().startsWith("data:,") || noise.push(`request: ${request.url()}`));
  try {
    await page.goto(address);
    const told = await act(page);
    assert.deepEqual(noise, []);
    console.log(`ok      ${name}${told ? `: ${told}` : ""}`);
    passed += 1;
  } catch (error) {
    console.log(`FAILED  ${name}: ${error.message}`);
    failed += 1;
  }
  await context.close();
}

const table = (page, id) => page.locator(`[data-table="${id}"]`);
const texts = (locator) => locator.evaluateAll((all) => all.map((one) => one.textContent));

/** HTML has one kind of line end: its parser makes the others that one. */
const lines = (text) => text.replace(/\r\n?/g, "\n");

/** Rows of a table as they are shown: of each cell its text. */
const rows = (page, id) => table(page, id).locator("tbody tr").evaluateAll((all) => all.map((row) => [...row.cells].map((cell) => cell.textContent)));

/** The rows of all pages, by clicks on "Next". */
async function allRows(page, id) {
  const found = await rows(page, id);
  const next = table(page, id).getByRole("button", { name: "Next" });
  while ((await next.isVisible()) && (await next.isEnabled())) {
    await next.click();
    found.push(...(await rows(page, id)));
  }
  return found;
}

const tablesWithRows = Object.entries(expected.rowCounts(report)).filter(([, rows]) => rows > 0);
const column = async (page, id, title) => (await texts(table(page, id).locator("thead th"))).indexOf(title);
const heading = (page, id, title) => table(page, id).getByRole("button", { name: title, exact: true });

async function numbersEqualTheJson(page) {
  for (const element of await page.locator("[data-total]").all()) {
    const path = await element.getAttribute("data-total");
    assert.equal((await element.textContent()).replace("at least ", ""), expected.total(report, path), path);
  }
  for (const element of await page.locator("[data-coverage]").all()) {
    const state = await element.getAttribute("data-coverage");
    assert.equal(await element.textContent(), expected.count(report.coverage.totals[state]), state);
  }
  const failures = await texts(page.locator("#failures li strong"));
  assert.deepEqual(failures, report.failures.map(({ message }) => message));
  const why = { not_asked: "upstreams were not asked", no_upstream: "no upstream", not_answered: "no answer", not_in_ledger: "not in the ledger" };
  for (const [address, state] of await rows(page, "coverage")) {
    const found = report.coverage.images.filter(({ ImageUri }) => ImageUri === address);
    if (found.length) assert.equal(found.some(({ because }) => because && state === `not compared: ${why[because]}`), state.startsWith("not compared"), address);
  }
  return `${await page.locator("[data-total], [data-coverage]").count()} numbers, ${failures.length} failures`;
}

async function tablesEqualTheJson(page) {
  const told = [];
  for (const [id, wanted] of Object.entries(expected.rowCounts(report))) {
    if (wanted === 0) {
      assert.equal(await table(page, id).count(), 0, `${id} has no table`);
      continue;
    }
    if (id === "images") continue; // told one by one below
    assert.equal((await allRows(page, id)).length, wanted, id);
    told.push(`${id} ${wanted}`);
  }
  return told.join(", ");
}

async function everyImageStandsThere(page) {
  if (expected.images(report).length === 0) return "none";
  const found = [];
  const next = table(page, "images").getByRole("button", { name: "Next" });
  const size = await column(page, "images", "Size");
  for (;;) {
    const those = await table(page, "images").locator("tbody tr").evaluateAll((all, at) => all.map((row) => [row.cells[0].textContent, row.querySelector("code").title, row.cells[at].textContent].join("\0")), size);
    found.push(...those);
    if (!(await next.isVisible()) || !(await next.isEnabled())) break;
    await next.click();
  }
  const wanted = expected.images(report).map(({ repositoryName, digest, bytes }) => [lines(repositoryName), digest, expected.size(bytes)].join("\0"));
  assert.deepEqual(found.map(lines).sort(), wanted.sort());
  const bytes = expected.sum(expected.images(report).map((image) => image.bytes));
  assert.ok((await table(page, "images").locator(".status").textContent()).endsWith(` · ${expected.size(bytes)}`));
  return `${found.length} with name, digest and size, ${expected.size(bytes)}`;
}

async function chartsEqualTheJson(page) {
  const all = expected.images(report);
  if (all.length === 0) return "none";
  const months = expected.pushesByMonth(report);
  const columns = await texts(page.locator(".columns .hidden"));
  assert.equal(columns.length, 24);
  for (const text of columns) {
    const [, month, number] = /^(\d{4}-\d{2}): ([\d,]+) image/.exec(text);
    assert.equal(number, expected.count(months[month] ?? 0), month);
    delete months[month];
  }
  const earlier = /Earlier: ([\d,]+)/.exec(await page.locator(".columns + .note").textContent())[1];
  assert.equal(earlier, expected.count(expected.sum(Object.values(months))), "earlier months");
  const ages = (await texts(page.locator(".bars .count"))).map((text) => Number(/^[\d,]+/.exec(text)[0].replaceAll(",", "")));
  assert.deepEqual(ages, expected.ages(report, [30, 91, 182, 365, 730]));
  const drawn = await page.locator("svg.wide > svg").evaluateAll((groups) => groups.map((group) => [...group.querySelectorAll("title")].map((title) => title.textContent)));
  const repositories = expected.repositories(report).filter(({ bytes }) => bytes > 0);
  const more = drawn.flat().map((title) => Number(/^(\d+) more\n/.exec(title)?.[1] ?? 1));
  assert.equal(expected.sum(more), repositories.length, "repositories drawn");
  // Of what is drawn, an area is as large as the bytes.
  const areas = await page.locator("svg.wide .shows").evaluateAll((cells) => cells.map((cell) => [cell.dataset.show, (Number(cell.getAttribute("width")) + 1) * (Number(cell.getAttribute("height")) + 1)]));
  const [first] = areas;
  const bytesOf = (name) => Math.max(...repositories.filter((r) => r.repositoryName === name).map((r) => r.bytes));
  for (const [name, area] of areas.slice(0, 3)) {
    const [ratio, wanted] = [area / first[1], bytesOf(name) / bytesOf(first[0])];
    assert.ok(Math.abs(ratio - wanted) < 0.05 * wanted, `area of ${name}`);
  }
  return `${all.length} images by month and by age, ${repositories.length} repositories drawn`;
}

/** The template's rows are those that the script writes: they are two writers of one thing. */
async function scriptWritesWhatTheTemplateWrote(page) {
  const bodies = () => page.locator("[data-table] tbody").evaluateAll((all) => all.map((body) => body.innerHTML.replace(/>\s+</g, "><").replace(/\s+/g, " ").trim()));
  const written = await bodies();
  for (const [id] of tablesWithRows) {
    await table(page, id).locator("input").evaluate((input) => input.dispatchEvent(new Event("input")));
  }
  const again = await bodies();
  assert.equal(again.length, written.length);
  again.forEach((body, at) => assert.equal(body, written[at]));
  return `${written.length} tables`;
}

async function sortsByClickAndKey(page) {
  const all = expected.images(report);
  if (all.length < 2) return "too few";
  const at = await column(page, "images", "Size");
  const shown = async () => (await rows(page, "images")).map((row) => row[at]);
  const wanted = all.map(({ bytes }) => bytes).sort((a, b) => a - b).slice(0, 50).map(expected.size);
  const button = heading(page, "images", "Size");
  const direction = () => table(page, "images").locator("thead th").nth(at).getAttribute("aria-sort");
  assert.equal(await direction(), "descending");
  await button.click();
  assert.equal(await direction(), "ascending");
  assert.deepEqual(await shown(), wanted);
  await button.press("Enter");
  assert.equal(await direction(), "descending");
  await button.press("Space");
  assert.equal(await direction(), "ascending");
  const pulled = await column(page, "images", "Last pulled");
  for (const by of ["Last pulled", "Last pulled"]) {
    await heading(page, "images", by).click();
    const known = all.filter(({ last_pulled }) => last_pulled).length;
    const times = (await rows(page, "images")).map((row) => row[pulled]);
    assert.ok(times.slice(0, known).every((time) => /^\d/.test(time)), "what is not recorded comes last");
    const sorted = times.filter((time) => /^\d/.test(time));
    const ascending = (await table(page, "images").locator("thead th").nth(pulled).getAttribute("aria-sort")) === "ascending";
    assert.deepEqual(sorted, [...sorted].sort((a, b) => (ascending ? 1 : -1) * (a < b ? -1 : a > b ? 1 : 0)));
  }
  assert.equal(await table(page, "images").locator("thead [aria-sort]").count(), 1);
  return "size and last pull, both ways";
}

async function filtersByTypingAndChoosing(page) {
  const all = expected.images(report);
  if (all.length < 6) return "too few";
  const status = () => table(page, "images").locator(".status").textContent();
  const search = table(page, "images").getByLabel("Contains");
  const word = all[0].digest.slice(7, 10);
  await search.fill(word);
  const found = expected.imagesWith(report, word);
  const bytes = expected.sum(found.map((image) => image.bytes));
  const prefix = found.length === all.length ? "" : `${expected.count(found.length)} of `;
  assert.equal(await status(), `${prefix}${expected.count(all.length)} images · ${expected.size(bytes)}`);
  await search.fill("nothing has this name");
  assert.equal((await rows(page, "images")).length, 0);
  assert.ok((await status()).startsWith("0 of "));
  const nothing = table(page, "images").getByText("No image matches.");
  assert.ok(await nothing.isVisible(), "it says that nothing matches");
  await search.fill("");
  assert.ok(!(await nothing.isVisible()), "and no longer");
  const use = table(page, "images").getByLabel("In use", { exact: true });
  if (await use.count()) {
    const used = all.filter((image) => image.use === "used").length;
    await use.selectOption({ label: "used" });
    assert.ok((await status()).startsWith(`${expected.count(used)} of ${expected.count(all.length)} `), "in use");
    await use.selectOption({ label: "all" });
  }
  assert.ok((await status()).startsWith(`${expected.count(all.length)} `));
  return `${found.length} with ${word}`;
}

async function leadsFromRepositoryToImages(page) {
  const [first] = expected.repositories(report).filter(({ bytes }) => bytes > 0).sort((a, b) => b.bytes - a.bytes);
  if (!first) return "none";
  const names = async () => new Set((await rows(page, "images")).map((row) => row[0]));
  await page.locator("svg.wide .shows").filter({ has: page.locator("title") }).first().click();
  const drawn = await page.locator("svg.wide .shows").first().getAttribute("data-show");
  assert.ok((await names()).has(drawn), "by a click on the treemap");
  const link = page.locator("[data-table=runs] a[data-show], [data-table=unused] a[data-show]").first();
  const name = await link.textContent();
  await link.press("Enter");
  assert.ok((await names()).has(name), "by a key on a name");
  const focused = await page.evaluate(() => document.activeElement.closest("[data-table]")?.dataset.table);
  assert.equal(focused, "images", "the focus follows");
  return "by click and key";
}

async function isUsedWithKeys(page) {
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "main");
  const theme = page.getByRole("button", { name: /colours$/ });
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const before = await background();
  await theme.press("Enter");
  assert.notEqual(await background(), before);
  assert.equal(await theme.textContent(), "Light colours");
  await theme.press("Enter");
  assert.equal(await background(), before);
}

async function namesAreText(page) {
  const names = new Set(expected.images(report).length ? (await allRows(page, "images")).map((row) => lines(row[0])) : []);
  for (const { repositoryName } of expected.images(report)) assert.ok(names.has(lines(repositoryName)), JSON.stringify(repositoryName));
  const elements = await page.locator("script, style, img, iframe, link, object").evaluateAll((all) => all.map((one) => one.localName).sort());
  assert.deepEqual(elements, ["link", "script", "script", "style"]);
  const handlers = await page.evaluate(() => [...document.querySelectorAll("*")].flatMap((one) => one.getAttributeNames()).filter((name) => name.startsWith("on")));
  assert.deepEqual(handlers, []);
  return `${names.size} names`;
}

async function isAccessible(page) {
  await page.evaluate(() => document.querySelectorAll("details").forEach((one) => (one.open = true)));
  // Not by a script element: the page's own rules forbid one.
  await page.evaluate(axe.source);
  const { violations, passes } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  const told = violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(" | ")}`);
  assert.deepEqual(told, []);
  return `${passes.length} rules of axe ${axe.version}`;
}

async function fits(page) {
  const [wide, there] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(wide <= there, `${wide} pixels wide in ${there}`);
  return `${there} pixels`;
}

async function saysItAllWithoutScripts(page) {
  await numbersEqualTheJson(page);
  const drawn = await page.locator("svg.wide .cell").count();
  assert.equal(drawn > 0, expected.repositories(report).some(({ bytes }) => bytes > 0));
  for (const [id, wanted] of tablesWithRows) {
    assert.equal((await rows(page, id)).length, Math.min(wanted, 50), id);
  }
  assert.equal(await page.getByRole("button").count(), 0, "no button that does nothing");
}

async function prints(page) {
  await page.emulateMedia({ media: "print" });
  assert.equal(await page.locator("input:visible, select:visible, button:visible, nav:visible").count(), 0);
  return `${(await page.pdf({ preferCSSPageSize: true })).length} bytes of PDF`;
}

/** From the navigation's start until the page is drawn and its tables answer; the median of five. */
async function opensQuickly(page) {
  const times = [];
  for (let turn = 0; turn < 5; turn += 1) {
    await page.goto("about:blank");
    await page.goto(address);
    times.push(await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => setTimeout(() => done(performance.now()))))));
  }
  const median = times.sort((a, b) => a - b)[2];
  assert.ok(median < OPENS_WITHIN, `opened in ${Math.round(median)} ms`);
  const took = await page.evaluate(() => {
    const input = document.querySelector("[data-table=images] input");
    if (!input) return 0;
    const before = performance.now();
    input.value = "v1";
    input.dispatchEvent(new Event("input"));
    document.querySelector("[data-table=images] thead button").click();
    return performance.now() - before;
  });
  assert.ok(took < 500, `filtered and sorted in ${Math.round(took)} ms`);
  return `opened in ${Math.round(median)} ms (${times.map(Math.round).join(", ")}), filtered and sorted in ${Math.round(took)} ms`;
}

console.log(`${address.split("/").pop()}: ${expected.count(expected.images(report).length)} images`);
await check("opens quickly", LIGHT, opensQuickly);
await check("its numbers are the JSON's", LIGHT, numbersEqualTheJson);
await check("its tables have the JSON's rows", LIGHT, tablesEqualTheJson);
await check("every image stands there", LIGHT, everyImageStandsThere);
await check("its charts are the JSON's", LIGHT, chartsEqualTheJson);
await check("the script writes what the template wrote", LIGHT, scriptWritesWhatTheTemplateWrote);
await check("it sorts by click and key", LIGHT, sortsByClickAndKey);
await check("it filters by typing and choosing", LIGHT, filtersByTypingAndChoosing);
await check("it leads from a repository to its images", LIGHT, leadsFromRepositoryToImages);
await check("it is used with keys", LIGHT, isUsedWithKeys);
await check("it says it all without scripts", { ...LIGHT, javaScriptEnabled: false }, saysItAllWithoutScripts);
if (expected.images(report).length < MANY) await check("names are text", LIGHT, namesAreText);
await check("axe finds nothing in light", LIGHT, isAccessible);
await check("axe finds nothing in dark", DARK, isAccessible);
await check("axe finds nothing on a phone", PHONE, isAccessible);
await check("it fits a phone", PHONE, fits);
await check("it fits a screen", { ...LIGHT, viewport: { width: 1024, height: 768 } }, fits);
await check("it prints", LIGHT, prints);
await browser.close();
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed ? 1 : 0;
