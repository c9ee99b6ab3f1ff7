// Models that do not come up: each ends in a plain sentence with a cause, and what served before goes on serving.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { accessible, close, deployer, eventually, rest, screenshot, setting, signIn, visitor } from "../lib/portal.mjs";
import { isGone, releaseOf } from "../lib/deployments.mjs";

after(close);

async function failing(tag, sentence) {
  const token = setting("SLIPWAY_DEPLOYER_TOKEN");
  const release = await releaseOf("faulty", tag, { token });
  const workspace = (await rest("GET", "/workspaces?cluster=lab", undefined, { token })).body.items[0].id;
  const name = `journey-${tag}`;
  const started = await rest("POST", "/deployments", { release: release.id, workspace, name, size: "tiny" }, { token });
  assert.equal(started.status, 202, JSON.stringify(started.body));
  const operation = await eventually(
    `${tag} failing`,
    async () => {
      const { body } = await rest("GET", `/operations/${started.body.operation}`, undefined, { token });
      assert.notEqual(body.state, "succeeded");
      return body.state === "failed" && body;
    },
    { timeout: 240_000 },
  );
  assert.match(operation.failure.cause, sentence);
  assert.ok(operation.failure.next, "a failure says what to do next");
  const { context, page } = await visitor();
  await signIn(page, ...deployer());
  await page.goto(`/deployments/${operation.object_id}`);
  assert.match(await page.locator("main").innerText(), sentence);
  await accessible(page, `a deployment that failed by ${tag}`);
  await screenshot(page, `failed-${tag}`);
  await context.close();
  await rest("DELETE", `/deployments/${operation.object_id}`);
  await isGone(operation.object_id);
  return operation;
}

test("a model that crashes at start leaves its last words", async () => {
  const operation = await failing("crash", /crash|exit|stopp/i);
  assert.ok(operation.failure.raw, "the container's last words are one click away");
});

test("a model that runs out of memory says so", () => failing("oom", /memory/i));
