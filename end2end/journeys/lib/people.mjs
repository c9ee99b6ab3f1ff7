// People who come for one test and are shut out after it.
import assert from "node:assert/strict";
import { later, rest, url, visitor } from "./portal.mjs";

let made = 0;

/** An address nobody has used yet. */
export function address(word) {
  made += 1;
  return `${word}-${Date.now()}-${made}@example.com`;
}

/** Fills in and sends the form behind a one-time link. */
export async function signUp(page, link, { name, password }) {
  await page.goto(new URL(link, url).pathname);
  await page.getByLabel("Your name").fill(name);
  await page.getByLabel("New password", { exact: true }).fill(password);
  await page.getByLabel("New password, again").fill(password);
  await page.getByRole("button", { name: "Create account" }).click();
  await page.getByRole("navigation", { name: "Main" }).waitFor();
}

/** Fills in and sends the form that invites, on an admin's page. Gives the link, which is shown this once. */
export async function invite(page, { email, team = "", role = "viewer", platform = "" }) {
  await page.goto("/users");
  const form = page.locator("#invite");
  await form.getByLabel("E-mail address").fill(email);
  await form.getByLabel("Team", { exact: true }).selectOption(team);
  await form.getByLabel("Role in the team").selectOption(role);
  await form.getByLabel("On the platform").selectOption(platform);
  await form.getByRole("button", { name: "Make an invitation" }).click();
  return (await page.locator("#invitation-link").innerText()).trim();
}

async function invitation({ email, team, role, platform }) {
  const made = await rest("POST", "/invitations", { email, team, team_role: role, platform_role: platform });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  return made.body.url;
}

/** Invites somebody, on the page of `host` or over REST, who signs up in a browser of their own. They are shut out after the test. */
export async function join(t, word, { host, team, role, platform } = {}) {
  const email = address(word);
  const wanted = { email, team, role, platform };
  const link = host ? await invite(host, wanted) : await invitation(wanted);
  const password = `quiet words of ${word}`;
  const guest = await visitor();
  later(t, () => guest.context.close());
  const name = `${word[0].toUpperCase()}${word.slice(1)} Test`;
  await signUp(guest.page, link, { name, password });
  const user = await find(email);
  later(t, () => shutOut(email));
  return { ...guest, email, name, password, id: user.id };
}

/** The user with this address. */
export async function find(email) {
  const user = (await rest("GET", `/users?search=${encodeURIComponent(email)}`)).body.items[0];
  assert.ok(user, `nobody has the address ${email}`);
  return user;
}

/** Disables somebody: users are never deleted, since the record names them. */
export async function shutOut(email) {
  const user = await find(email);
  if (user.disabled) return;
  const disabled = await rest("PATCH", `/users/${user.id}`, { disabled: true }, { headers: { "if-match": `"${user.version}"` } });
  assert.equal(disabled.status, 200, JSON.stringify(disabled.body));
}
