// The same without JavaScript: every step is a page and a form.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { admin, close, deployer, eventually, later, rest, setting, signIn, visitor } from "../lib/portal.mjs";
import { choose, deploy, isGone, predict, releaseOf, remove, removeAfter, standsAs } from "../lib/deployments.mjs";

after(close);

test("a browser without JavaScript deploys, asks, changes, rolls back and deletes", async (t) => {
  const token = setting("SLIPWAY_DEPLOYER_TOKEN");
  const first = await releaseOf(t, "iris", "1", { token });
  const second = await releaseOf(t, "iris", "2", { token });
  const { context, page } = await visitor({ javaScript: false });
  later(t, () => context.close());
  await signIn(page, ...admin());

  // Before the button: the form is sent to be looked at, and comes back as it was, with what would be made.
  await page.goto("/deployments/new");
  await choose(page.getByLabel("Release"), `iris ${first.number} `);
  await choose(page.getByLabel("Where"), /on lab/);
  await page.getByRole("button", { name: "Check" }).click();
  assert.match(await page.getByLabel("Name").inputValue(), /^iris(-\d+)?$/, "a name is suggested");
  await page.getByLabel("Name").fill("journey-plain");
  await page.getByRole("button", { name: "Check" }).click();
  assert.equal(await page.getByLabel("Name").inputValue(), "journey-plain");
  assert.match(await page.locator("#preview").innerText(), /Deployment journey-plain/);

  const id = await deploy(page, { release: `iris ${first.number} `, name: "journey-plain" });
  removeAfter(t, id);
  // What moves by itself elsewhere says how to see it move.
  assert.match(await page.locator("main").innerText(), /Without JavaScript this page shows how things stood when it was loaded/);
  await eventually(
    "the deployment becoming live",
    async () => {
      await page.getByRole("link", { name: "Load it again" }).click();
      return (await page.getByRole("heading", { level: 1 }).innerText()).includes("Live");
    },
    { timeout: 90_000 },
  );
  assert.equal(new URL(page.url()).pathname, `/deployments/${id}`);

  const before = await predict(page);
  assert.match(before, /setosa|versicolor|virginica/);

  await page.goto(`/deployments/${id}/logs`);
  assert.ok((await page.getByRole("log").innerText()).trim().length > 20, "the last lines are on the page as it comes");
  const to = await page.getByRole("link", { name: "Download" }).getAttribute("href");
  const file = await page.request.get(to);
  assert.match(file.headers()["content-disposition"], /attachment; filename="journey-plain.log"/);
  const lines = (await file.text()).trim().split("\n");
  assert.ok(lines.length > 0 && lines.every((line) => /^\d{4}-\d\d-\d\dT\S+Z journey-plain-\S+ /.test(line)), lines.join("\n"));
  assert.deepEqual(lines, [...lines].sort(), "in the order of their time");
  await page.getByLabel("Only lines with this text").fill("no line says this");
  await page.getByRole("button", { name: "Show" }).click();
  assert.match(await page.getByRole("log").innerText(), /No line with this text yet/);

  await page.goto(`/deployments/${id}`);
  await page.getByRole("link", { name: "Change", exact: true }).click();
  await choose(page.getByLabel("Release"), `iris ${second.number} `);
  await page.getByRole("button", { name: "Check" }).click();
  assert.match(await page.locator("#difference").innerText(), new RegExp(`iris ${first.number}[^]*iris ${second.number}`), "what would change is shown first");
  await page.getByRole("button", { name: "Roll out" }).click();
  await standsAs(page, "Live", { reload: true });
  assert.notEqual(await predict(page), before);

  await page.goto(`/deployments/${id}`);
  // A link to a fragment inside closed details opens them.
  await page.getByRole("link", { name: "Roll back", exact: true }).click();
  const back = page.getByRole("button", { name: "Roll back to revision 1" });
  await back.waitFor();
  await page.locator("#reason-1").fill("the older one knew better");
  await back.click();
  await standsAs(page, "Live", { reload: true });
  assert.match(await page.locator(".head").innerText(), /revision 3/);
  assert.match(await page.locator("#revisions").innerText(), /the older one knew better/);
  assert.equal(await predict(page), before);

  await page.goto(`/deployments/${id}`);
  await remove(page, "journey-plain");
  await page.waitForURL(/\/operations\//);
  await isGone(id);
});

test("what was typed comes back beside what is wrong with it", async (t) => {
  const { context, page } = await visitor({ javaScript: false });
  later(t, () => context.close());
  await signIn(page, ...deployer());
  await page.goto("/deployments/new");
  await page.getByLabel("Name").fill("Iris Main");
  await page.getByLabel("Environment variables").fill("no variable");
  await page.getByRole("button", { name: "Deploy model" }).click();
  assert.equal(await page.getByLabel("Name").inputValue(), "Iris Main");
  assert.equal(await page.getByLabel("Environment variables").inputValue(), "no variable");
  assert.match(await page.locator("#name-why").innerText(), /iris-main/);
});

for (const javaScript of [false, true]) {
  test(`choosing an image keeps what was typed, ${javaScript ? "with" : "without"} JavaScript`, async (t) => {
    const model = (await rest("GET", "/models?search=iris")).body.items.find((one) => one.name === "iris").id;
    const { context, page } = await visitor({ javaScript });
    later(t, () => context.close());
    await signIn(page, ...deployer());
    await page.goto(`/models/${model}/releases/new`);
    await page.getByLabel("Port").fill("9090");
    await page.getByLabel("Health path").fill("/healthz");
    await page.getByLabel("Notes").fill("What is new");
    await page.getByLabel("Search repositories").fill("iris");
    await page.getByLabel("Search repositories").press("Enter");
    await page.getByRole("button", { name: "forecasting/iris", exact: true }).click();
    await page.locator("#images").getByRole("button", { name: "2", exact: true }).click();
    const typed = { Repository: "forecasting/iris", Tag: "2", Port: "9090", "Health path": "/healthz", Notes: "What is new", "Search repositories": "iris" };
    for (const [label, text] of Object.entries(typed)) assert.equal(await page.getByLabel(label, { exact: true }).inputValue(), text, label);
  });
}
