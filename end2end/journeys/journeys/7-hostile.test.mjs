// Hostile text in every field of every form that a page has: it comes back as it was typed or is kept and shown as text, and is never run.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { close, eventually, later, rest, screenshot, url, visitor } from "../lib/portal.mjs";
import { releaseOf, removeAfter } from "../lib/deployments.mjs";
import { TYPED, crawl, forms, named, pattern } from "../lib/forms.mjs";
import { address, join } from "../lib/people.mjs";

after(close);

/** Breaks out of attributes and textareas, and runs in two ways. */
const HOSTILE = `"'></textarea><script>window.pwned=1</script><img src=x onerror=window.pwned=1>`;
/** Also turns the reading direction around. */
const TURNED = `${HOSTILE}\u202Egnp`;
const LONG = TURNED + "x".repeat(20_000);

/** What the crawl has to find at least. */
const KNOWN = [
  "/accounts “Add account” name role_arn regions",
  "/accounts “Search” search",
  "/accounts/{id} “Give to team” prefix",
  "/accounts/{id} “Remove account” confirm",
  "/accounts/{id} “Save” role_arn regions",
  "/accounts/{id} “Take back” confirm",
  "/audit “Search” search",
  "/clusters “Search” search",
  "/clusters/new “Attach cluster” region eks_name name",
  "/clusters/{id} “Check and save” server certificate_authority tls_server_name",
  "/clusters/{id} “Detach cluster” confirm",
  "/clusters/{id} “Search” search",
  "/deployments “Search” search",
  "/deployments/new “Deploy model” name environment reason",
  "/deployments/{id} “Delete deployment” confirm",
  "/deployments/{id} “Predict” body",
  "/deployments/{id} “Roll back to revision 1” reason",
  "/deployments/{id}/change “Roll out” environment reason",
  "/models “Create model” name description",
  "/models “Search” search",
  "/models/{id} “Delete model” confirm",
  "/models/{id} “Save” description",
  "/models/{id}/releases/new “Register release” repository tag health_path notes search",
  "/operations “Search” search",
  "/profile “Make token” token_name",
  "/profile “Save” name",
  "/releases/{id} “Delete release” confirm",
  "/teams “Create team” name description owner",
  "/teams “Search” search",
  "/teams/{id} “Add member” email",
  "/teams/{id} “Delete team” confirm",
  "/teams/{id} “Remove” confirm",
  "/teams/{id} “Save” description",
  "/teams/{id}/tokens “Make token” name",
  "/users “Make an invitation” email",
  "/users “Search” search",
  "/users/{id} “Disable” confirm",
  "/users/{id} “Save” name",
  "/workspaces “Make workspace” name cpu memory",
  "/workspaces “Search” search",
  "/workspaces/{id} “Delete workspace” confirm",
  "/workspaces/{id} “Save quota” cpu memory",
];

/** Nothing of what was typed became part of the page. */
async function unharmed(page, complaints, where) {
  const [ran, elements] = await page.evaluate(() => [
    globalThis.pwned,
    [...document.querySelectorAll("script, img")].filter((element) => element.textContent.includes("pwned") || element.getAttribute("src") === "x").map((element) => element.outerHTML),
  ]);
  assert.equal(ran, undefined, `${where} ran what was typed`);
  assert.deepEqual(elements, [], `${where} made elements of what was typed`);
  const refused = complaints.filter((complaint) => /Content.Security.Policy/i.test(complaint));
  assert.deepEqual(refused, [], `${where}: only its policy kept the page from running what was typed`);
}

/** Types into every field of the form and sends it. Gives the answer's status. */
async function send(page, form, text) {
  const place = page.locator("form").nth(form.at);
  await place.evaluate((element) => {
    element.noValidate = true;
    // What is folded is still a form.
    for (let folded = element.closest("details"); folded; folded = folded.parentElement.closest("details")) folded.open = true;
  });
  for (const field of await place.locator(TYPED).all()) await field.fill(await typedInto(field, text));
  for (const password of await place.locator("input[type=password]").all()) await password.fill("short");
  const answered = page.waitForResponse((response) => response.request().isNavigationRequest() && response.request().method() === form.method.toUpperCase());
  const main = place.locator("button.primary");
  await ((await main.count()) > 0 ? main : place.locator("button:not([type=button])")).first().click();
  const status = (await answered).status();
  await page.waitForLoadState("load");
  return status;
}

/** As much of the text as the browser lets somebody type there. */
async function typedInto(field, text) {
  const most = await field.getAttribute("maxlength");
  return most ? text.slice(0, Number(most)) : text;
}

/** The text stands somewhere on the page: read, or in a field. */
const stands = (page, text) =>
  page.evaluate((wanted) => document.body.innerText.includes(wanted) || [...document.querySelectorAll("input, textarea")].some((field) => field.value === wanted), text);

async function attack(page, complaints, where, form, text) {
  const name = `${named(pattern(where), form)}, ${text.length} characters`;
  const status = await send(page, form, text);
  await unharmed(page, complaints, name);
  // A secret is shown in the answer itself, once; everything else redirects.
  if (form.method === "post" && [200, 303].includes(status)) {
    assert.ok(await stands(page, text), `${name} was kept, and is not shown on ${page.url()}`);
    return "kept";
  }
  assert.ok(form.method === "get" ? status === 200 : [401, 422].includes(status), `${name} is answered with ${status}`);
  const again = (await forms(page)).find((other) => other.button === form.button && other.fields.join() === form.fields.join());
  assert.ok(again, `${name} is not on the page that says what is wrong`);
  for (const field of await page.locator("form").nth(again.at).locator(TYPED).all()) {
    assert.equal(await field.inputValue(), await typedInto(field, text), `${name} loses what was typed into ${await field.getAttribute("name")}`);
  }
  return "given back";
}

/** A deployment with two revisions on simulated nodes, of a model of its own, in the team growth. */
async function own(t) {
  const release = await releaseOf(t, "hostile", "1", { team: "growth", repository: "growth/diabetes" });
  const workspace = (await rest("GET", "/workspaces?team=growth&cluster=fleet")).body.items[0].id;
  const started = await rest("POST", "/deployments", { release: release.id, workspace, name: "journey-hostile", size: "tiny" });
  assert.equal(started.status, 202, JSON.stringify(started.body));
  const deployment = started.body.object;
  removeAfter(t, deployment);
  const live = () => eventually("journey-hostile being live", async () => (await rest("GET", `/deployments/${deployment}`)).body.state === "live");
  await live();
  const scale = async () => {
    const now = await rest("GET", `/deployments/${deployment}`);
    const changed = await rest("PATCH", `/deployments/${deployment}`, { replicas: 2 }, { headers: { "if-match": now.headers.get("etag") } });
    assert.equal(changed.status, 202, JSON.stringify(changed.body));
  };
  await scale();
  await live();
  return { scale, deployment, workspace, release: release.id, model: release.model };
}

test("what is typed into any form stays text", async (t) => {
  const growth = (await rest("GET", "/teams?search=growth")).body.items[0];
  const things = await own(t);
  const { page, complaints, email, id: user } = await join(t, "hanna", { platform: "admin", team: "growth", role: "owner" });
  const other = await join(t, "ulla");
  later(t, async () => {
    const now = (await rest("GET", `/teams/${growth.id}`)).body;
    await rest("PATCH", `/teams/${growth.id}`, { description: growth.description }, { headers: { "if-match": `"${now.version}"` } });
    for (const token of (await rest("GET", `/teams/${growth.id}/tokens`)).body.items) await rest("DELETE", `/tokens/${token.id}`);
  });

  const begin = [
    `/deployments/${things.deployment}`, `/models/${things.model}`, `/releases/${things.release}`, `/workspaces/${things.workspace}`,
    `/teams/${growth.id}`, `/users/${other.id}`, "/",
  ];
  const pages = await crawl(page, begin);
  const found = [];
  for (const [kind, where] of pages) {
    await page.goto(where);
    for (const form of await forms(page)) found.push({ kind, where, form });
  }
  const names = found.map(({ kind, form }) => named(kind, form));
  assert.deepEqual(KNOWN.filter((known) => !names.includes(known)), [], `the crawl has not found these; it found\n${names.sort().join("\n")}`);

  const kept = [];
  for (const { kind, where, form } of found) {
    const name = named(kind, form);
    for (const text of [HOSTILE, TURNED, LONG]) {
      // What is refused for its quotes need not be refused for its direction, too.
      if (text === TURNED && !kept.includes(name)) continue;
      await page.goto(where);
      const same = async () => (await forms(page)).find((other) => named(kind, other) === name);
      let now = await same();
      if (!now && name.includes("Roll back")) {
        // What is wanted already is nothing to go back to.
        await things.scale();
        await page.goto(where);
        now = await same();
      }
      assert.ok(now, `${name} is gone after another form was sent`);
      if ((await attack(page, complaints, where, now, text)) === "kept") kept.push(name);
    }
  }
  for (const free of ["/teams/{id} “Save” description", "/profile “Save” name", "/profile “Make token” token_name", "/deployments/{id} “Roll back to revision 1” reason"]) {
    assert.ok(kept.includes(free), `${free} is free text, and was not kept`);
  }

  // What was kept is shown on other pages, too: as a person's name, in lists, in the record.
  for (const where of [...pages.values(), `/users?search=${email}`, `/users/${user}`, `/audit?object_id=${things.deployment}`]) {
    await page.goto(where);
    await unharmed(page, complaints, where);
  }
  await page.goto("/audit");
  await screenshot(page, "hostile-audit");
  assert.ok(await stands(page, HOSTILE), "the record shows the name that somebody gave themselves");
});

test("what is typed before signing in stays text", async (t) => {
  const invited = await rest("POST", "/invitations", { email: address("nobody") });
  assert.equal(invited.status, 201, JSON.stringify(invited.body));
  later(t, async () => {
    const open = (await rest("GET", "/invitations")).body.items.find((one) => one.email === invited.body.email);
    await rest("DELETE", `/invitations/${open.id}`);
  });
  const { context, page, complaints } = await visitor();
  later(t, () => context.close());
  for (const where of ["/sign-in", new URL(invited.body.url, url).pathname]) {
    for (const text of [HOSTILE, LONG]) {
      await page.goto(where);
      const [form] = await forms(page);
      assert.equal(await attack(page, complaints, where, form, text), "given back");
    }
  }
});
