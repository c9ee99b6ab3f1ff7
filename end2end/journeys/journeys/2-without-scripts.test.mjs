// The same without JavaScript, and with the keyboard alone.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { admin, close, deployer, rest, setting, signIn, url, visitor } from "../lib/portal.mjs";
import { deploy, isGone, predict, releaseOf, remove, standsAs } from "../lib/deployments.mjs";

after(close);

test("a browser without JavaScript deploys, asks and deletes", async () => {
  const release = await releaseOf("iris", "1", { token: setting("SLIPWAY_DEPLOYER_TOKEN") });
  const { context, page } = await visitor({ javaScript: false });
  await signIn(page, ...admin());
  const id = await deploy(page, { release: `iris ${release.number} `, name: "journey-plain" });
  await standsAs(page, "Live", { reload: true });
  assert.match(await predict(page), /setosa|versicolor|virginica/);
  await page.goto(`/deployments/${id}`);
  await remove(page, "journey-plain");
  await isGone(id);
  await context.close();
});

test("what was typed comes back beside what is wrong with it", async () => {
  const { context, page } = await visitor({ javaScript: false });
  await signIn(page, ...deployer());
  await page.goto("/deployments/new");
  await page.getByLabel("Name").fill("Iris Main");
  await page.getByLabel("Environment variables").fill("</textarea><script>alert(1)</script>");
  await page.getByRole("button", { name: "Deploy model" }).click();
  assert.equal(await page.getByLabel("Name").inputValue(), "Iris Main");
  assert.equal(await page.getByLabel("Environment variables").inputValue(), "</textarea><script>alert(1)</script>");
  assert.equal(await page.locator("script:text('alert(1)')").count(), 0);
  assert.match(await page.locator("#name-why").innerText(), /iris-main/);
  await context.close();
});

test("the keyboard is enough", async () => {
  const release = await releaseOf("iris", "1", { token: setting("SLIPWAY_DEPLOYER_TOKEN") });
  const { context, page } = await visitor();
  const tabTo = async (locator) => {
    for (let presses = 0; presses < 80; presses += 1) {
      if (await locator.evaluate((element) => element === document.activeElement)) return;
      await page.keyboard.press("Tab");
    }
    assert.fail(`80 presses of Tab did not reach ${locator}`);
  };
  await page.goto("/sign-in");
  const [email, password] = deployer();
  await tabTo(page.getByLabel("E-mail address"));
  await page.keyboard.type(email);
  await tabTo(page.getByLabel("Password"));
  await page.keyboard.type(password);
  await page.keyboard.press("Enter");
  await page.getByRole("navigation", { name: "Main" }).waitFor();
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to content");

  await page.goto(`/deployments/new?release=${release.id}`);
  await tabTo(page.getByLabel("Name"));
  await page.keyboard.press("Control+A");
  await page.keyboard.type("journey-keys");
  await tabTo(page.getByRole("button", { name: "Deploy model" }));
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/deployments\/[0-9a-f-]{36}/);
  const id = page.url().match(/deployments\/([0-9a-f-]{36})/)[1];
  await standsAs(page, "Live");
  await context.close();
  const deleted = await rest("DELETE", `/deployments/${id}`);
  assert.equal(deleted.status, 202, `${url}: ${JSON.stringify(deleted.body)}`);
  await isGone(id);
});
