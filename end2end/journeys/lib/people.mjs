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

/** Invites somebody, who signs up in a browser of their own. `t` is the test that shuts them out when it is over. */
export async function join(t, word, { team, role, platform, options } = {}) {
  const email = address(word);
  const invited = await rest("POST", "/invitations", { email, team, team_role: role, platform_role: platform });
  assert.equal(invited.status, 201, JSON.stringify(invited.body));
  const password = `quiet words of ${word}`;
  const guest = await visitor(options);
  later(t, () => guest.context.close());
  const name = `${word[0].toUpperCase()}${word.slice(1)} Test`;
  await signUp(guest.page, invited.body.url, { name, password });
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
