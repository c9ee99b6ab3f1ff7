// Every page: light and dark, wide and narrow, without a violation that axe finds and without anything sticking out.
import { after, test } from "node:test";
import { accessible, admin, close, deployer, fits, rest, screenshot, setting, signIn, visitor } from "../lib/portal.mjs";

after(close);

const first = async (list) => (await rest("GET", list)).body.items[0]?.id;

async function addresses() {
  const deployment = setting("SLIPWAY_DEPLOYMENT");
  const operations = await rest("GET", `/operations?object_id=${deployment}`);
  return {
    home: "/",
    deployments: "/deployments",
    "deployments-none": "/deployments?search=nothing-is-called-this",
    "deploy-form": "/deployments/new",
    deployment: `/deployments/${deployment}`,
    "deployment-change": `/deployments/${deployment}/change`,
    "deployment-logs": `/deployments/${deployment}/logs`,
    models: "/models",
    model: `/models/${await first("/models")}`,
    workspaces: "/workspaces",
    workspace: `/workspaces/${await first("/workspaces")}`,
    clusters: "/clusters",
    cluster: `/clusters/${await first("/clusters")}`,
    accounts: "/accounts",
    account: `/accounts/${await first("/accounts")}`,
    teams: "/teams",
    team: `/teams/${await first("/teams")}`,
    users: "/users",
    user: `/users/${await first("/users")}`,
    operations: "/operations",
    operation: `/operations/${operations.body.items[0].id}`,
    audit: "/audit",
    profile: "/profile",
    "not-found": "/there/is/no/such/page",
  };
}

for (const theme of ["light", "dark"]) {
  for (const width of [1280, 400]) {
    test(`every page in ${theme}, ${width} px wide`, async (t) => {
      const { context, page } = await visitor({ theme, width });
      await page.goto("/sign-in");
      await accessible(page, "sign-in");
      await screenshot(page, `sign-in-${theme}-${width}`);
      await signIn(page, ...admin());
      for (const [name, address] of Object.entries(await addresses())) {
        await t.test(name, async () => {
          await page.goto(address);
          await screenshot(page, `${name}-${theme}-${width}`);
          await accessible(page, name);
          await fits(page, name);
        });
      }
      await context.close();
    });
  }
}

test("a data scientist's pages hold what is theirs and nothing else", async (t) => {
  const { context, page } = await visitor({ width: 320 });
  await signIn(page, ...deployer());
  for (const address of ["/", "/deployments", "/deployments/new", "/models", "/workspaces", "/teams", "/operations", "/audit", "/profile"]) {
    await t.test(address, async () => {
      const response = await page.goto(address);
      if (response.status() !== 200) throw new Error(`${address} is answered with ${response.status()}`);
      await accessible(page, address);
      await fits(page, address);
    });
  }
  for (const address of ["/clusters", "/accounts", "/users"]) {
    await t.test(`${address} is not theirs`, async () => {
      const response = await page.goto(address);
      if (response.status() !== 404) throw new Error(`${address} is answered with ${response.status()}`);
    });
  }
  await context.close();
});
