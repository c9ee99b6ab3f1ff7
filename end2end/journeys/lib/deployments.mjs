// What journeys do with deployments, by their words on the page.
import assert from "node:assert/strict";
import { eventually, later, rest } from "./portal.mjs";

/** Waits until the page itself says `word` beside the deployment's name; a page without scripts is loaded again. */
export async function standsAs(page, word, { reload = false, timeout = 90_000 } = {}) {
  await eventually(
    `the page saying “${word}”`,
    async () => {
      if (reload) await page.reload();
      const heading = await page.getByRole("heading", { level: 1 }).innerText();
      return heading.includes(word);
    },
    { timeout },
  );
}

/** Fills the deploy form and presses the button. */
export async function deploy(page, { release, name, replicas = "1", size = "tiny", workspace = /on lab/ }) {
  await page.goto("/deployments/new");
  await choose(page.getByLabel("Release"), release);
  await choose(page.getByLabel("Where"), workspace);
  await page.getByLabel("Name").fill(name);
  await page.locator(`input[name=size][value=${size}]`).check({ force: true });
  await page.getByLabel("Replicas").fill(replicas);
  await page.getByRole("button", { name: "Deploy model" }).click();
  await page.waitForURL(/\/deployments\/[0-9a-f-]{36}/);
  return page.url().match(/deployments\/([0-9a-f-]{36})/)[1];
}

/** Chooses the first option whose words fit. */
export async function choose(select, words) {
  const options = await select.locator("option").allInnerTexts();
  const fitting = options.find((option) => (words instanceof RegExp ? words.test(option) : option.includes(words)));
  assert.ok(fitting, `none of ${JSON.stringify(options)} fits ${words}`);
  await select.selectOption({ label: fitting });
}

/** Sends the form as it stands and gives what the model said. */
export async function predict(page) {
  await page.getByRole("button", { name: "Predict" }).click();
  const answer = page.locator("#try [role=status]");
  await answer.waitFor();
  return answer.innerText();
}

/** Types the name and presses the button that deletes. */
export async function remove(page, name) {
  await page.getByLabel(`Type ${name} to confirm`).fill(name);
  await page.getByRole("button", { name: "Delete deployment" }).click();
}

/** Nothing of the deployment is left for the API. */
export async function isGone(id) {
  await eventually("the deployment going away", async () => (await rest("GET", `/deployments/${id}`)).status === 404);
}

/** Deletes the deployment when the test is over, and waits until it is gone. */
export function removeAfter(t, id) {
  later(t, async () => {
    await rest("DELETE", `/deployments/${id}`);
    await isGone(id);
  });
}

/** The release of a model with this tag; registered, and deleted after the test, if it is not there. */
export async function releaseOf(t, model, tag, { team = "forecasting", repository = `${team}/${model}`, size = "tiny", token } = {}) {
  const found = await rest("GET", `/models?team=${team}&search=${model}`, undefined, { token });
  let id = found.body.items.find((item) => item.name === model)?.id;
  if (!id) {
    id = (await rest("POST", "/models", { team, name: model }, { token })).body.id;
    later(t, () => removed(`/models/${id}`));
  }
  const releases = await rest("GET", `/releases?model=${id}`, undefined, { token });
  const known = releases.body.items.find((item) => item.tag === tag);
  if (known) return known;
  const made = await rest("POST", "/releases", { model: id, repository, tag, size }, { token });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  later(t, () => removed(`/releases/${made.body.id}`));
  return made.body;
}

async function removed(address) {
  const gone = await rest("DELETE", address);
  assert.equal(gone.status, 204, `${address}: ${JSON.stringify(gone.body)}`);
}
