// The main journey: a data scientist deploys a model, watches it come up, asks it, changes it, rolls it back; an owner deletes it.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { accessible, admin, close, deployer, eventually, later, screenshot, setting, signIn, visitor } from "../lib/portal.mjs";
import { choose, deploy, isGone, predict, releaseOf, remove, removeAfter, standsAs } from "../lib/deployments.mjs";

after(close);

test("from the button to a prediction, a change, a rollback and the end", async (t) => {
  const token = setting("SLIPWAY_DEPLOYER_TOKEN");
  const first = await releaseOf(t, "iris", "1", { token });
  const second = await releaseOf(t, "iris", "2", { token });
  const { context, page, complaints } = await visitor();
  await signIn(page, ...deployer());
  await page.getByRole("link", { name: /Deploy model/ }).first().click();
  const id = await deploy(page, { release: `iris ${first.number} `, name: "journey-main" });
  removeAfter(t, id);

  await standsAs(page, "Live");
  const steps = page.locator("#rollout, section:has(h2:text('Rollout'))").first();
  assert.match(await steps.innerText(), /Apply as/);
  await accessible(page, "a live deployment");
  await screenshot(page, "journey-live");

  await page.reload();
  const before = await predict(page);
  assert.match(before, /setosa|versicolor|virginica/);
  await screenshot(page, "journey-prediction");

  await page.getByRole("link", { name: "Change" }).click();
  await choose(page.getByLabel("Release"), `iris ${second.number} `);
  await page.getByRole("button", { name: "Roll out" }).click();
  await page.waitForURL(new RegExp(`/deployments/${id}`));
  await standsAs(page, "Live");
  await page.reload();
  const after = await predict(page);
  assert.match(await page.locator("#try").innerText(), /revision 2 answered/);
  assert.notEqual(after, before, "two versions that answer alike would prove nothing");

  await page.goto(`/deployments/${id}`);
  await page.locator("details:has(#back-1) > summary").click();
  await page.getByRole("button", { name: "Roll back to revision 1" }).click();
  await standsAs(page, "Live");
  await eventually("the newest revision's status, without loading the page again", async () => /Live/.test(await page.locator("#revisions tbody tr").first().innerText()));
  await page.reload();
  assert.equal(await predict(page), before);
  assert.match(await page.locator("#try").innerText(), /revision 3 answered/);
  // The same pods serve revision 1 and its return as revision 3: nothing had to be restarted for a number.
  assert.match(await page.locator(".head").innerText(), /revision 3/);

  await page.goto(`/deployments/${id}/logs`);
  await eventually("a line of the log", async () => {
    const said = await page.getByRole("log").innerText();
    return said.trim().length > 20 && !said.includes("No line yet");
  });
  assert.equal(await page.getByRole("button", { name: "Delete deployment" }).count(), 0, "a deployer deletes nothing");
  assert.deepEqual(complaints, []);
  await context.close();

  const owner = await visitor();
  await signIn(owner.page, ...admin());
  await owner.page.goto(`/deployments/${id}`);
  await remove(owner.page, "journey-main");
  await isGone(id);
  await owner.context.close();
});

test("a suggested name follows the release until it is edited", async (t) => {
  const token = setting("SLIPWAY_DEPLOYER_TOKEN");
  const iris = await releaseOf(t, "iris", "1", { token });
  const other = await releaseOf(t, "journey-follows", "2", { repository: "forecasting/iris", token });
  const { context, page } = await visitor();
  later(t, () => context.close());
  await signIn(page, ...deployer());
  await page.goto(`/deployments/new?release=${iris.id}`);
  const name = page.getByLabel("Name");
  const preview = page.locator("#preview");
  assert.match(await name.inputValue(), /^iris(-\d+)?$/);
  await choose(page.getByLabel("Release"), `journey-follows ${other.number} `);
  await eventually("the other model's name", async () => (await name.inputValue()) === "journey-follows");
  await preview.getByText("Deployment journey-follows").waitFor();

  await name.fill("by-hand");
  await preview.getByText("Deployment by-hand").waitFor();
  await choose(page.getByLabel("Release"), `iris ${iris.number} `);
  await page.locator("#release-hint", { hasText: "forecasting/iris:1," }).waitFor();
  assert.equal(await name.inputValue(), "by-hand", "what somebody typed stays");
});
