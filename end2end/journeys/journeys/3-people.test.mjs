// People: each role is invited, signs up by its link, and finds the buttons and pages that are its own; passwords and tokens.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { admin, close, later, look, rest, setting, signIn, url, visitor } from "../lib/portal.mjs";
import { releaseOf, removeAfter } from "../lib/deployments.mjs";
import { address, invite, join, shutOut, signUp } from "../lib/people.mjs";

const deployment = `/deployments/${setting("SLIPWAY_DEPLOYMENT")}`;
let team;
let workspace;
/** A deployment of another team. */
let theirs;
/** The page of the admin who invites. */
let host;

/** What the whole file makes is undone after all of its tests. */
const file = { after: (undo) => (file.over = undo) };

before(async () => {
  host = (await visitor()).page;
  await signIn(host, ...admin());
  team = (await rest("GET", "/teams?search=forecasting")).body.items[0].id;
  workspace = (await rest("GET", "/workspaces?cluster=lab")).body.items[0].id;
  const release = await releaseOf(file, "diabetes", "1", { team: "growth" });
  const place = (await rest("GET", "/workspaces?team=growth&cluster=fleet")).body.items[0].id;
  const started = await rest("POST", "/deployments", { release: release.id, workspace: place, name: "journey-theirs", size: "tiny" });
  assert.equal(started.status, 202, JSON.stringify(started.body));
  theirs = started.body.object;
  removeAfter(file, theirs);
});

after(async () => {
  await close();
  await file.over();
});

const button = (page, name) => page.getByRole("button", { name });
const status = async (page, to) => (await page.goto(to)).status();

/** Which of these somebody finds on a page: links and buttons by their words. */
async function finds(page, to, words) {
  assert.equal(await status(page, to), 200, to);
  const found = [];
  for (const word of words) {
    const named = { name: word, exact: true };
    if ((await page.getByRole("link", named).or(page.getByRole("button", named)).count()) > 0) found.push(word);
  }
  return found;
}

/** The main part of a page that is not there, without the address that was asked. */
async function nothing(page, to) {
  assert.equal(await status(page, to), 404, to);
  return page.locator("main").innerHTML();
}

/** Another team's deployment looks like one that never was. */
async function hidden(page) {
  const absent = await nothing(page, "/deployments/00000000-0000-7000-8000-000000000000");
  for (const rest of ["", "/change", "/logs"]) assert.equal(await nothing(page, `/deployments/${theirs}${rest}`), absent, `${rest} of another team's deployment`);
}

const ON_DEPLOYMENT = ["Change", "Predict", "Delete", "Delete deployment", "Logs of every replica"];
const ON_TEAM = ["Tokens", "Add member", "Save", "Delete team"];
const PLATFORM = ["Clusters", "Accounts", "Users"];

test("a viewer sees what the team has and changes nothing", async (t) => {
  const { page } = await join(t, "vera", { host, team: "forecasting", role: "viewer" });
  assert.deepEqual(await finds(page, "/", [...PLATFORM, "Deploy model"]), []);
  assert.deepEqual(await finds(page, "/deployments", ["iris", "Deploy model", "Deploy your first model"]), ["iris"]);
  assert.deepEqual(await finds(page, deployment, ON_DEPLOYMENT), ["Logs of every replica"]);
  assert.equal(await page.getByText("Compare and roll back").count(), 0);
  assert.deepEqual(await finds(page, `${deployment}/logs`, ["Show"]), ["Show"]);
  assert.deepEqual(await finds(page, "/models", ["iris", "New model", "Create model"]), ["iris"]);
  await page.getByRole("link", { name: "iris", exact: true }).click();
  await page.getByRole("heading", { name: "iris" }).waitFor();
  for (const word of ["Deploy model", "Register release", "Save", "Delete model"]) assert.equal(await page.getByRole("link", { name: word }).or(button(page, word)).count(), 0, word);
  assert.deepEqual(await finds(page, `/workspaces/${workspace}`, ["Deploy model", "Save quota", "Delete workspace"]), []);
  assert.deepEqual(await finds(page, `/teams/${team}`, ON_TEAM), []);
  assert.match(await page.goto("/deployments/new").then(() => page.locator("main").innerText()), /for a team's deployers/);
  assert.equal(await status(page, `/teams/${team}/tokens`), 403);
  assert.equal(await status(page, `${deployment}/change`), 403);
  for (const platform of ["/clusters", "/accounts", "/users", "/clusters/new"]) assert.equal(await status(page, platform), 404, platform);
  await hidden(page);
});

test("a deployer deploys and asks, and deletes nothing", async (t) => {
  const { page } = await join(t, "dora", { host, team: "forecasting", role: "deployer" });
  assert.deepEqual(await finds(page, "/deployments", ["Deploy model"]), ["Deploy model"]);
  assert.deepEqual(await finds(page, deployment, ON_DEPLOYMENT), ["Change", "Predict", "Logs of every replica"]);
  assert.deepEqual(await finds(page, "/deployments/new", ["Deploy model"]), ["Deploy model"]);
  const places = await page.getByLabel("Where").locator("option").allInnerTexts();
  assert.ok(places.length > 0 && places.every((place) => !place.includes("growth")), `${places}`);
  assert.deepEqual(await finds(page, "/models", ["New model"]), ["New model"]);
  assert.deepEqual(await finds(page, `/workspaces/${workspace}`, ["Deploy model", "Save quota"]), ["Deploy model"]);
  assert.deepEqual(await finds(page, `/teams/${team}`, ON_TEAM), []);
  await hidden(page);
});

test("an owner also deletes, and runs the team", async (t) => {
  const { page } = await join(t, "otto", { host, team: "forecasting", role: "owner" });
  assert.deepEqual(await finds(page, deployment, ON_DEPLOYMENT), ON_DEPLOYMENT);
  assert.deepEqual(await finds(page, `/teams/${team}`, ON_TEAM), ["Tokens", "Add member", "Save"]);
  assert.deepEqual(await finds(page, `/teams/${team}/tokens`, ["Make token"]), ["Make token"]);
  assert.deepEqual(await finds(page, `/workspaces/${workspace}`, ["Save quota", "Delete workspace"]), []);
  assert.equal(await status(page, "/clusters"), 404);
  await hidden(page);
});

test("an admin runs the platform, and nothing of a team without being in it", async (t) => {
  const { page } = await join(t, "anna", { host, platform: "admin" });
  assert.deepEqual(await finds(page, "/", PLATFORM), PLATFORM);
  assert.deepEqual(await finds(page, "/clusters", ["Attach a cluster"]), ["Attach a cluster"]);
  assert.deepEqual(await finds(page, "/users", ["Make an invitation"]), ["Make an invitation"]);
  assert.deepEqual(await finds(page, `/teams/${team}`, ON_TEAM), ["Add member", "Save", "Delete team"]);
  assert.deepEqual(await finds(page, `/workspaces/${workspace}`, ["Deploy model", "Save quota", "Delete workspace"]), ["Save quota", "Delete workspace"]);
  assert.deepEqual(await finds(page, deployment, ON_DEPLOYMENT), ["Logs of every replica"]);
  assert.deepEqual(await finds(page, "/deployments", ["Deploy model"]), []);
});

test("an auditor sees everything and changes nothing but themselves", async (t) => {
  const { page, context } = await join(t, "odo", { host, platform: "auditor" });
  const of = async (list) => (await rest("GET", list)).body.items[0].id;
  const pages = [
    "/", "/deployments", deployment, `${deployment}/logs`, `/deployments/${theirs}`, "/models", `/models/${await of("/models")}`, "/workspaces", `/workspaces/${workspace}`,
    "/teams", `/teams/${team}`, "/clusters", `/clusters/${await of("/clusters")}`, "/accounts", `/accounts/${await of("/accounts")}`, "/users", `/users/${await of("/users")}`,
    "/operations", `/operations/${await of("/operations")}`, "/audit",
  ];
  for (const to of pages) {
    assert.equal(await status(page, to), 200, to);
    const forms = await page.locator("main form[method=post]").count();
    assert.equal(forms, 0, `${to} lets an auditor change something`);
  }
  // A form that was made by hand is refused as well.
  const post = (to, form) => context.request.post(to, { form, headers: { origin: url }, maxRedirects: 0 });
  const key = "00000000-0000-7000-8000-000000000001";
  for (const [to, form] of [
    ["/teams", { _key: key, do: "create", name: "odos-team" }],
    [`/teams/${team}`, { _key: key, do: "update", _version: "1", description: "changed" }],
    ["/users", { _key: key, do: "invite", email: address("nobody") }],
    [deployment, { _key: key, do: "delete", confirm: "iris" }],
  ]) {
    assert.equal((await post(to, form)).status(), 403, to);
  }
  assert.equal(await status(page, `${deployment}/change`), 403);
  const token = await personalToken(page, "look");
  for (const [method, to, body] of [["POST", "/teams", { name: "odos-team" }], ["DELETE", `/deployments/${setting("SLIPWAY_DEPLOYMENT")}`]]) {
    assert.equal((await rest(method, to, body, { token })).status, 403, `${method} ${to}`);
  }
});

/** Makes a token on the profile page and gives its secret. */
async function personalToken(page, name) {
  await page.goto("/profile");
  await page.getByLabel("What it is for").fill(name);
  await button(page, "Make token").click();
  return (await page.locator("#token-secret").innerText()).trim();
}

test("an invitation works once, and the page says so plainly", async (t) => {
  const email = address("bo");
  later(t, () => shutOut(email));
  const guest = await visitor();
  const again = await visitor();
  for (const one of [guest, again]) later(t, () => one.context.close());
  const link = await invite(host, { email });
  await look(host, "users-invitation");
  await host.goto("/users");
  assert.equal(await host.locator("#invitation-link").count(), 0, "the link is shown once");

  await guest.page.goto(link);
  await look(guest.page, "invitation");
  await signUp(guest.page, link, { name: "Bo Berg", password: "a few quiet words" });
  await guest.page.goto("/");
  assert.match(await guest.page.locator("main").innerText(), /You are in no team yet/, "whoever has no team is told how to get one");

  const used = await again.page.goto(link);
  assert.equal(used.status(), 404);
  assert.match(await again.page.locator("main").innerText(), /This link does not work any more: it was used, a newer one took its place, it was withdrawn, or it has expired\./);
  await look(again.page, "invitation-used");
});

test("a password change ends other sessions and holds", async (t) => {
  const one = await join(t, "paul");
  const { page, email, password } = one;
  const other = await visitor();
  later(t, () => other.context.close());
  await signIn(other.page, email, password);
  await page.goto("/profile");
  const change = async (present, next, repeated) => {
    await page.getByLabel("Present password").fill(present);
    await page.getByLabel("New password", { exact: true }).fill(next);
    await page.getByLabel("New password, again").fill(repeated);
    await button(page, "Change password").click();
  };
  await change(password, "other quiet words", "other loud words");
  assert.match(await page.locator("#password_again-why").innerText(), /differ/);
  await change("not my password", "other quiet words", "other quiet words");
  assert.ok((await page.locator("#current_password-why").innerText()).length > 5);
  await change(password, "other quiet words", "other quiet words");
  await page.waitForURL("**/profile");
  await page.getByText("Your password is changed; 1 other session ended.").waitFor();
  await other.page.goto("/profile");
  assert.match(other.page.url(), /\/sign-in/, "the other session ended");
  await button(page, "Sign out").click();
  await signIn(page, email, "other quiet words");
});

test("a token is shown once, works, and stops when it is revoked", async (t) => {
  const { page } = await join(t, "tina", { host, team: "forecasting", role: "viewer" });
  const token = await personalToken(page, "from a script");
  assert.match(token, /^\S{20,}$/);
  await look(page, "profile-new-token");
  const seen = await rest("GET", "/deployments", undefined, { token });
  assert.equal(seen.status, 200);
  assert.ok(seen.body.items.every((item) => item.team_name === "forecasting"), "the token sees what its maker sees");
  await page.goto("/profile");
  assert.ok(!(await page.content()).includes(token), "it cannot be shown again");
  const revoke = page.locator('summary[aria-label="Revoke from a script"]');
  await revoke.click();
  await page.getByLabel("Type from a script to confirm").fill("from a script");
  await button(page, "Revoke from a script").click();
  await revoke.waitFor({ state: "detached" });
  assert.equal((await rest("GET", "/deployments", undefined, { token })).status, 401);
});
