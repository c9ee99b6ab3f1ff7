// With the keyboard alone: from signing in to deleting what was deployed.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { admin, close, later, setting, visitor } from "../lib/portal.mjs";
import { isGone, releaseOf, removeAfter, standsAs } from "../lib/deployments.mjs";

after(close);

const MOST_PRESSES = 150;

/** Fails unless what has the focus shows it: by a ring, or by the outline of the choice around it. */
async function seen(page) {
  const [shows, html] = await page.evaluate(() => {
    const element = document.activeElement;
    const ring = (of) => getComputedStyle(of).boxShadow !== "none" || (getComputedStyle(of).outlineStyle !== "none" && getComputedStyle(of).outlineColor !== "rgba(0, 0, 0, 0)");
    const box = element.closest(".choice") ?? element;
    const { width, height } = box.getBoundingClientRect();
    return [ring(box) && width > 1 && height > 1, element.outerHTML.slice(0, 200)];
  });
  assert.ok(shows, `the focus is not seen on ${html}`);
}

/** Presses Tab until `locator` has the focus, and looks at every stop on the way. */
async function tabTo(page, locator) {
  for (let presses = 0; presses < MOST_PRESSES; presses += 1) {
    if (await locator.evaluate((element) => element === document.activeElement)) return;
    await page.keyboard.press("Tab");
    if (await page.evaluate(() => document.activeElement !== document.body)) await seen(page);
  }
  assert.fail(`${MOST_PRESSES} presses of Tab did not reach ${locator}`);
}

const focused = (page) => page.evaluate(() => ({ id: document.activeElement.id, words: document.activeElement.textContent.trim() }));

test("the keyboard is enough to sign in, deploy, ask and delete", async (t) => {
  const release = await releaseOf(t, "iris", "1", { token: setting("SLIPWAY_DEPLOYER_TOKEN") });
  const { context, page, complaints } = await visitor();
  later(t, () => context.close());
  await page.goto("/sign-in");
  const [email, password] = admin();
  await tabTo(page, page.getByLabel("E-mail address"));
  await page.keyboard.type(email);
  await tabTo(page, page.getByLabel("Password"));
  await page.keyboard.type(password);
  await page.keyboard.press("Enter");
  await page.getByRole("navigation", { name: "Main" }).waitFor();

  await page.keyboard.press("Tab");
  assert.equal((await focused(page)).words, "Skip to content");
  await seen(page);
  await page.keyboard.press("Enter");
  assert.equal((await focused(page)).id, "main", "skipping puts the focus behind the navigation");
  await page.keyboard.press("Tab");
  assert.ok(await page.evaluate(() => document.querySelector("main").contains(document.activeElement)), "and Tab goes on from there");

  await page.goto(`/deployments/new?release=${release.id}`);
  const where = page.getByLabel("Where");
  await tabTo(page, where);
  const wanted = (await where.locator("option").allInnerTexts()).find((text) => text.includes("on lab"));
  await page.keyboard.type(wanted.slice(0, wanted.indexOf("lab") + 3));
  assert.match(await where.locator("option:checked").innerText(), /on lab/);
  await tabTo(page, page.getByLabel("Name"));
  await page.keyboard.press("Control+A");
  await page.keyboard.type("Journey Keys");
  await page.keyboard.press("Enter");
  await page.locator("#name-why").waitFor();
  assert.equal((await focused(page)).id, "name", "a page that is shown again has the focus on what is wrong");
  await seen(page);
  await page.keyboard.press("Control+A");
  await page.keyboard.type("journey-keys");
  await tabTo(page, page.locator("input[name=size]:checked"));
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowLeft");
  assert.equal(await page.evaluate(() => document.activeElement.value), "tiny", "arrows go from size to size and back");
  await page.waitForTimeout(700);
  assert.equal(await page.evaluate(() => document.activeElement.value), "tiny", "a new preview leaves the focus where it is");
  await tabTo(page, page.getByRole("button", { name: "Deploy model" }));
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/deployments\/[0-9a-f-]{36}/);
  const id = page.url().match(/deployments\/([0-9a-f-]{36})/)[1];
  removeAfter(t, id);

  // The page is drawn anew under the reader's hands; the focus has to stay.
  const logs = page.getByRole("link", { name: "Logs of every replica" });
  await tabTo(page, logs);
  await standsAs(page, "Live");
  assert.ok(await logs.evaluate((element) => element === document.activeElement), "live drawing leaves the focus where it is");

  await page.reload();
  await tabTo(page, page.getByRole("button", { name: "Predict" }));
  await page.keyboard.press("Enter");
  await page.locator("#try [role=status]").waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.id), "answer", "the answer is where the page is opened");
  assert.match(await page.locator("#try [role=status]").innerText(), /setosa|versicolor|virginica/);

  await page.goto(`/deployments/${id}`);
  await tabTo(page, page.getByRole("link", { name: "Delete", exact: true }));
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  assert.ok(await page.evaluate(() => document.querySelector("#delete").contains(document.activeElement)), "the link leads the focus to the form");
  await tabTo(page, page.getByLabel("Type journey-keys to confirm"));
  await page.keyboard.type("journey-key");
  await page.keyboard.press("Enter");
  await page.locator("#confirm-why").waitFor();
  assert.equal((await focused(page)).id, "confirm", "a wrong name has the focus");
  await page.keyboard.press("Control+A");
  await page.keyboard.type("journey-keys");
  await tabTo(page, page.getByRole("button", { name: "Delete deployment" }));
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/operations\//);
  await isGone(id);
  assert.deepEqual(complaints.filter((complaint) => !complaint.includes("422")), []);
});
