// Pages that move by themselves: status and logs of every replica arrive, and stop when whoever watches may not any more.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { admin, close, eventually, later, look, rest, setting, signIn, visitor } from "../lib/portal.mjs";
import { releaseOf, removeAfter } from "../lib/deployments.mjs";
import { join } from "../lib/people.mjs";

after(close);

const token = setting("SLIPWAY_DEPLOYER_TOKEN");
const BODY = { inputs: [{ name: "features", datatype: "FP32", shape: [1, 4], data: [5.1, 3.5, 1.4, 0.2] }] };

async function live(id, replicas) {
  await eventually(`${replicas} replicas being live`, async () => {
    const { body } = await rest("GET", `/deployments/${id}`, undefined, { token });
    return body.state === "live" && body.ready_replicas === replicas;
  });
}

async function change(id, body) {
  const now = await rest("GET", `/deployments/${id}`, undefined, { token });
  const changed = await rest("PATCH", `/deployments/${id}`, body, { token, headers: { "if-match": now.headers.get("etag") } });
  assert.equal(changed.status, 202, JSON.stringify(changed.body));
}

test("status and logs of every replica stream in, until the role is taken away", async (t) => {
  const release = await releaseOf(t, "iris", "1", { token });
  const workspace = (await rest("GET", "/workspaces?cluster=lab", undefined, { token })).body.items[0].id;
  const team = (await rest("GET", "/teams?search=forecasting")).body.items[0].id;
  const started = await rest("POST", "/deployments", { release: release.id, workspace, name: "journey-watched", size: "tiny" }, { token });
  assert.equal(started.status, 202, JSON.stringify(started.body));
  const id = started.body.object;
  removeAfter(t, id);
  await live(id, 1);

  const watcher = await join(t, "wim", { team: "forecasting", role: "viewer" });
  const status = watcher.page;
  const logs = await watcher.context.newPage();
  await status.goto(`/deployments/${id}`);
  await logs.goto(`/deployments/${id}/logs`);
  const replicas = async (page) => new Set(await page.getByRole("log").locator("p > span:first-child").evaluateAll((names) => names.map((name) => name.title)));
  await eventually("the first replica's lines", async () => (await replicas(logs)).size === 1);

  // From here on nobody loads a page again: what the heading said is kept in this very document.
  await status.evaluate(() => {
    globalThis.said = [];
    const listen = new MutationObserver(() => globalThis.said.push(document.querySelector("h1").innerText));
    listen.observe(document.body, { attributes: true, characterData: true, childList: true, subtree: true });
  });
  await change(id, { replicas: 2 });
  const ready = status.getByRole("region", { name: "Replicas" }).getByRole("row", { name: /Ready/ });
  await eventually("both replicas on the page", async () => (await ready.count()) === 2 && (await status.locator("h1").innerText()).includes("Live"));
  await eventually("lines of both replicas", async () => (await replicas(logs)).size === 2);
  const said = await status.evaluate(() => globalThis.said);
  assert.ok(said.some((words) => /Rolling out, \d of 2/.test(words)), `the page said ${JSON.stringify([...new Set(said)])}`);
  await live(id, 2);

  const lines = () => logs.getByRole("log").locator("p:not(.said)").count();
  const ask = async () => assert.equal((await rest("POST", `/deployments/${id}/predict`, { body: BODY }, { token })).status, 200);
  const before = await lines();
  await ask();
  await eventually("the line of a request", async () => (await lines()) > before, { timeout: 10_000 });

  const times = await logs.getByRole("log").locator("time").evaluateAll((all) => all.map((time) => Date.parse(time.title)));
  assert.deepEqual(times, [...times].sort((one, other) => one - other), "lines of both replicas are merged by time");

  // While it is paused new lines wait, and then they come.
  await logs.getByRole("button", { name: "Pause" }).click();
  const paused = await lines();
  await ask();
  const goOn = logs.getByRole("button", { name: /Go on \(\d+ new\)/ });
  await goOn.waitFor({ timeout: 10_000 });
  assert.equal(await lines(), paused, "nothing is added to what is being read");
  await goOn.click();
  await eventually("the lines that waited", async () => (await lines()) > paused, { timeout: 10_000 });

  const taken = await rest("DELETE", `/teams/${team}/members/${watcher.id}`);
  assert.equal(taken.status, 200, JSON.stringify(taken.body));
  await status.getByRole("heading", { name: "It is gone" }).waitFor({ timeout: 20_000 });
  assert.equal(await status.locator("#rest > *").count(), 0, "and what was shown of it is gone, too");
  await logs.locator("[role=log] .said").waitFor({ timeout: 45_000 });
  const last = await lines();
  const shown = await status.locator("main").innerText();
  await ask();
  await change(id, { replicas: 1 });
  await live(id, 1);
  assert.equal(await lines(), last, "no line comes after the role was taken away");
  assert.equal(await status.locator("main").innerText(), shown, "and no status");
  assert.equal((await status.goto(`/deployments/${id}`)).status(), 404);
});

test("a log whose connection broke off begins anew, with no line twice", async (t) => {
  const { page, context } = await visitor();
  later(t, () => context.close());
  await signIn(page, ...admin());
  // Each connection gives the last lines and breaks off; the browser then comes back by itself.
  let connections = 0;
  await page.route(/\/logs\?follow=true/, (route) => {
    connections += 1;
    const line = (second) => `event: line\ndata: ${JSON.stringify({ pod: "iris-1", at: `2026-11-24T09:00:0${second}Z`, text: `2026-11-24T09:00:0${second}.5Z line ${second}` })}\n\n`;
    return route.fulfill({ contentType: "text/event-stream", body: `retry: 200\n\n${line(1)}${line(connections + 1)}` });
  });
  await page.goto(`/deployments/${setting("SLIPWAY_DEPLOYMENT")}/logs`);
  await eventually("the browser coming back", async () => connections > 3);
  const lines = await page.getByRole("log").locator("p:not(.said)").evaluateAll((all) => all.map((line) => line.lastElementChild.textContent));
  assert.equal(lines.filter((line) => line === "line 1").length, 1, `each line once, with one time: ${JSON.stringify(lines)}`);
  await page.unrouteAll({ behavior: "ignoreErrors" });
});

test("a page whose stream is refused says that it is not live, and goes on by itself", async (t) => {
  const { page, context } = await visitor();
  later(t, () => context.close());
  await signIn(page, ...admin());
  // As a proxy answers while the server behind it starts again: the browser itself gives such a stream up for good.
  let tries = 0;
  const refuse = (route) => {
    tries += 1;
    return route.fulfill({ status: 503, contentType: "text/plain", body: "no server is there" });
  };
  await page.route(/\/live\/deployments\//, refuse);
  await page.goto(`/deployments/${setting("SLIPWAY_DEPLOYMENT")}`);
  const notice = page.getByRole("status").filter({ hasText: "not live just now" });
  await notice.waitFor();
  const heading = await page.locator("h1").boundingBox();
  await look(page, "deployment-not-live");
  await eventually("more tries", async () => tries >= 3);
  assert.equal(await notice.count(), 1, "it is said once");

  const opened = page.waitForResponse((response) => response.url().includes("/live/deployments/") && response.status() === 200, { timeout: 45_000 });
  await page.unroute(/\/live\/deployments\//, refuse);
  await opened;
  await notice.waitFor({ state: "detached" });
  assert.deepEqual(await page.locator("h1").boundingBox(), heading, "the page stays where it was");
});

test("a page in a hidden tab lets its stream go and takes it up again", async (t) => {
  const { page, context } = await visitor();
  later(t, () => context.close());
  const streams = [];
  page.on("request", (request) => request.url().includes("/live/") && streams.push(request));
  const ended = new Set();
  page.on("requestfailed", (request) => ended.add(request));
  page.on("requestfinished", (request) => ended.add(request));
  await signIn(page, ...admin());
  await page.goto(`/deployments/${setting("SLIPWAY_DEPLOYMENT")}`);
  await eventually("the stream", async () => streams.length === 1);
  const turn = (state) =>
    page.evaluate((to) => {
      Object.defineProperty(document, "visibilityState", { configurable: true, get: () => to });
      document.dispatchEvent(new Event("visibilitychange"));
    }, state);
  await turn("hidden");
  await eventually("the stream ending", async () => ended.has(streams[0]));
  await turn("visible");
  await eventually("another stream", async () => streams.length === 2);
});
