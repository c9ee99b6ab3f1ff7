// A browser at the portal: who is signed in, what the page says, and what it must never have.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const screenshots = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../../target/screenshots");

/** A setting that the demo's environment has to give. */
export function setting(name) {
  const value = process.env[name];
  assert.ok(value, `${name} is not set: run the journeys through scripts/test.sh, or source .demo/env`);
  return value;
}

export const url = setting("SLIPWAY_URL");

let browser;

/** The one browser of a test file; it is closed with the process. */
async function chrome() {
  browser ??= await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  return browser;
}

export async function close() {
  await browser?.close();
  browser = undefined;
}

/** A visitor with cookies of their own. `javaScript: false` is a browser that runs none. */
export async function visitor({ javaScript = true, width = 1280, height = 900, theme = "light" } = {}) {
  const context = await (await chrome()).newContext({
    baseURL: url,
    javaScriptEnabled: javaScript,
    viewport: { width, height },
    colorScheme: theme,
    reducedMotion: "reduce",
  });
  context.setDefaultTimeout(20_000);
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  return { context, page, complaints };
}

export async function signIn(page, email, password) {
  await page.goto("/sign-in");
  await page.getByLabel("E-mail address").fill(email);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("navigation", { name: "Main" }).waitFor();
}

export const admin = () => [setting("SLIPWAY_EMAIL"), setting("SLIPWAY_PASSWORD")];
export const deployer = () => [setting("SLIPWAY_DEPLOYER_EMAIL"), setting("SLIPWAY_DEPLOYER_PASSWORD")];

/** Fails on any violation that axe finds. Needs JavaScript. */
export async function accessible(page, what) {
  // The page's own policy lets no script in; the debugger's evaluation is not bound by it.
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  const found = violations.map((v) => `${v.id}: ${v.help}\n  ${v.nodes.map((n) => n.html).join("\n  ")}`);
  assert.deepEqual(found, [], `axe on ${what}`);
}

/** Nothing may stick out of the page sideways. */
export async function fits(page, what) {
  const [content, view] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  assert.ok(content <= view, `${what} is ${content} px wide in a window of ${view} px`);
}

export async function screenshot(page, name) {
  await mkdir(screenshots, { recursive: true });
  await page.screenshot({ path: path.join(screenshots, `${name}.png`), fullPage: true });
}

const WIDE = { width: 1280, height: 900 };
const NARROW = { width: 400, height: 800 };

/** Looks at the page as it is in light and dark, wide and narrow: pictures of each, nothing that axe finds, nothing that sticks out. */
export async function look(page, name) {
  for (const [colorScheme, viewport] of [["light", WIDE], ["dark", WIDE], ["dark", NARROW], ["light", NARROW]]) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await page.setViewportSize(viewport);
    const which = `${name}-${colorScheme}-${viewport.width}`;
    await screenshot(page, which);
    // Colours depend on the theme alone, what is there on the width.
    if (viewport === WIDE || colorScheme === "light") await accessible(page, which);
    if (viewport === NARROW) await fits(page, which);
  }
  await page.setViewportSize(WIDE);
}

const undone = new WeakMap();

/** Does this when the test is over, whatever became of it: what was made last is undone first. */
export function later(t, undo) {
  const stack = undone.get(t) ?? [];
  if (stack.push(undo) > 1) return;
  undone.set(t, stack);
  t.after(async () => {
    const failed = [];
    while (stack.length > 0) {
      try {
        await stack.pop()();
      } catch (error) {
        failed.push(error);
      }
    }
    if (failed.length > 0) throw new AggregateError(failed, `what the test made is not gone: ${failed.join("; ")}`);
  });
}

/** Waits for something that the page shows by itself, or after loading it again when it runs no script. */
export async function eventually(what, look, { timeout = 60_000, every = 500 } = {}) {
  const end = Date.now() + timeout;
  let last;
  while (Date.now() < end) {
    try {
      const value = await look();
      if (value) return value;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, every));
  }
  assert.fail(`${what} did not happen within ${timeout / 1000} s${last ? `: ${last}` : ""}`);
}

/** REST, as the demo's admin or with another token. */
export async function rest(method, address, body, { token = setting("SLIPWAY_TOKEN"), headers = {} } = {}) {
  const response = await fetch(`${url}/api/v1${address}`, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body ? { "content-type": "application/json" } : {}), ...headers },
    body: body ? JSON.stringify(body) : undefined,
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text ? JSON.parse(text) : undefined };
}
