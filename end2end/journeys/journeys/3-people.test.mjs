// People: an admin invites somebody, who signs up by the link, changes the password, and sees how to get a team.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { accessible, admin, close, rest, signIn, visitor } from "../lib/portal.mjs";

after(close);

test("an invitation works once, and a password change holds", async () => {
  const email = `bo-${Date.now()}@example.com`;
  const host = await visitor();
  await signIn(host.page, ...admin());
  await host.page.goto("/users");
  const invite = host.page.locator("#invite");
  await invite.getByLabel("E-mail address").fill(email);
  await invite.getByRole("button", { name: "Make an invitation" }).click();
  const link = (await host.page.locator("#invitation-link").innerText()).match(/http\S+/)[0];
  await accessible(host.page, "users with an invitation");

  const guest = await visitor();
  await guest.page.goto(link);
  await accessible(guest.page, "an invitation");
  await guest.page.getByLabel("Your name").fill("Bo Berg");
  await guest.page.getByLabel("New password", { exact: true }).fill("a few quiet words");
  await guest.page.getByLabel("New password, again").fill("a few quiet words");
  await guest.page.getByRole("button").last().click();
  await guest.page.getByRole("navigation", { name: "Main" }).waitFor();
  await guest.page.goto("/");
  assert.match(await guest.page.locator("main").innerText(), /team/i, "whoever has no team is told how to get one");

  const again = await visitor();
  const used = await again.page.goto(link);
  assert.equal(used.status(), 404);

  await guest.page.goto("/profile");
  await guest.page.getByLabel("Present password").fill("a few quiet words");
  await guest.page.getByLabel("New password", { exact: true }).fill("other quiet words");
  await guest.page.getByLabel("New password, again").fill("other quiet words");
  await guest.page.getByRole("button", { name: "Change password" }).click();
  await guest.page.getByRole("navigation", { name: "Main" }).waitFor();
  await guest.page.getByRole("button", { name: "Sign out" }).click();
  await signIn(guest.page, email, "other quiet words");
  for (const one of [host, guest, again]) await one.context.close();

  const user = (await rest("GET", `/users?search=${encodeURIComponent(email)}`)).body.items[0];
  const disabled = await rest("PATCH", `/users/${user.id}`, { disabled: true }, { headers: { "if-match": `"${user.version}"` } });
  assert.equal(disabled.status, 200, JSON.stringify(disabled.body));
});
