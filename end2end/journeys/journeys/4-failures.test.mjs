// Models that do not come up: each ends in a plain sentence with a cause, and what served before goes on serving. What others change in a cluster is told.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { admin, close, deployer, eventually, later, look, rest, setting, signIn, visitor } from "../lib/portal.mjs";
import { predict, releaseOf, removeAfter, standsAs } from "../lib/deployments.mjs";
import { breakGlass } from "../lib/sandbox.mjs";

after(close);

const token = setting("SLIPWAY_DEPLOYER_TOKEN");

/** Waits until the operation failed, with a cause that fits, and looks at the deployment's page. */
async function fails(t, operation, sentence, name) {
  const failed = await eventually(
    `${name} failing`,
    async () => {
      const { body } = await rest("GET", `/operations/${operation}`, undefined, { token });
      assert.notEqual(body.state, "succeeded");
      return body.state === "failed" && body;
    },
    { timeout: 120_000 },
  );
  assert.match(failed.failure.cause, sentence);
  assert.ok(failed.failure.next, "a failure says what to do next");
  const { context, page } = await visitor();
  later(t, () => context.close());
  await signIn(page, ...deployer());
  await page.goto(`/deployments/${failed.object_id}`);
  assert.match(await page.locator("#standing .notice h2").innerText(), sentence);
  await look(page, name);
  return { failure: failed.failure, page };
}

async function start(t, release, name) {
  const workspace = (await rest("GET", "/workspaces?cluster=lab", undefined, { token })).body.items[0].id;
  const started = await rest("POST", "/deployments", { release: release.id, workspace, name, size: "tiny" }, { token });
  assert.equal(started.status, 202, JSON.stringify(started.body));
  removeAfter(t, started.body.object);
  return started.body;
}

test("a model that crashes at start leaves its last words", async (t) => {
  const started = await start(t, await releaseOf(t, "faulty", "crash", { token }), "journey-crash");
  const { failure, page } = await fails(t, started.operation, /crash|exit|stopp/i, "failed-crash");
  assert.ok(failure.raw, "the container's last words are one click away");
  assert.match(await page.locator("#last-words").innerText(), /cannot read the model/);
});

test("a model that runs out of memory says so", async (t) => {
  const started = await start(t, await releaseOf(t, "faulty", "oom", { token }), "journey-oom");
  await fails(t, started.operation, /memory/i, "failed-oom");
});

test("what served before a change that fails goes on serving", async (t) => {
  const good = await releaseOf(t, "mixed", "1", { repository: "forecasting/iris", token });
  const bad = await releaseOf(t, "mixed", "crash", { repository: "forecasting/faulty", token });
  const { object } = await start(t, good, "journey-mixed");
  await eventually("revision 1 being live", async () => (await rest("GET", `/deployments/${object}`, undefined, { token })).body.state === "live");
  const now = await rest("GET", `/deployments/${object}`, undefined, { token });
  const changed = await rest("PATCH", `/deployments/${object}`, { release: bad.id }, { token, headers: { "if-match": now.headers.get("etag") } });
  assert.equal(changed.status, 202, JSON.stringify(changed.body));
  const { page } = await fails(t, changed.body.operation, /crash|exit|stopp/i, "failed-change");
  assert.match(await page.locator("#standing").innerText(), /revision 1 still serves: 1 replica is live\./);
  assert.match(await page.locator(".notice h2").innerText(), /\S\. Revision 1 still serves\.$/);
  assert.match(await predict(page), /setosa|versicolor|virginica/);
  assert.match(await page.locator("#try").innerText(), /revision 1 answered/);

  await page.goto(`/deployments/${object}`);
  await page.locator(".notice").getByRole("button", { name: "Roll back to revision 1" }).click();
  await standsAs(page, "Live");
  assert.match(await predict(page), /setosa|versicolor|virginica/);
});

test("what others change in a workspace is told to its page, and set back by one click", async (t) => {
  const { id, name, quota } = (await rest("GET", "/workspaces?team=growth&cluster=fleet")).body.items[0];
  const kubernetes = await breakGlass("fleet");
  const address = `/api/v1/namespaces/${name}/resourcequotas/slipway`;
  const { context, page } = await visitor();
  later(t, () => context.close());
  await signIn(page, ...admin());
  await page.goto(`/workspaces/${id}`);
  await standsAs(page, "Ready");

  await kubernetes(`${address}?fieldManager=kubectl-edit`, { patch: { spec: { hard: { pods: "9999" } } } });
  const told = page.locator(".notice", { hasText: "Others changed what Slipway made here" });
  await told.waitFor();
  assert.match(await told.innerText(), /\.spec\.hard\.pods of ResourceQuota slipway is \d+ instead of \d+, set by "kubectl-edit" using v1/);
  await standsAs(page, "Degraded");
  await look(page, "workspace-changed");

  await told.getByRole("button", { name: "Repair" }).click();
  await standsAs(page, "Ready");
  await told.waitFor({ state: "detached" });
  assert.equal((await kubernetes(address)).spec.hard.pods, String(quota.pods));
});
