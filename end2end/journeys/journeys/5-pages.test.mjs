// Every page in every state: full, empty, wrong, on its way. Light and dark, wide and narrow, without a violation that axe finds and without anything sticking out.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { admin, close, deployer, eventually, fits, later, look, rest, setting, signIn, visitor } from "../lib/portal.mjs";
import { releaseOf, removeAfter } from "../lib/deployments.mjs";
import { join } from "../lib/people.mjs";
import { fault } from "../lib/sandbox.mjs";

after(close);

const first = async (list) => (await rest("GET", list)).body.items[0].id;
const NOTHING = "search=nothing-is-called-this";

/** Opens a page, which has to answer so, and looks at it. */
async function open(t, page, name, address, status = 200) {
  await t.test(`${name} ${address}`, async () => {
    assert.equal((await page.goto(address)).status(), status, address);
    await look(page, name);
  });
}

/** A browser with somebody signed in, closed after the test. */
async function signedIn(t, who) {
  const { context, page } = await visitor();
  later(t, () => context.close());
  await signIn(page, ...who);
  return page;
}

test("every page, full", async (t) => {
  const outside = await visitor();
  later(t, () => outside.context.close());
  await open(t, outside.page, "sign-in", "/sign-in");
  const page = await signedIn(t, admin());
  const deployment = setting("SLIPWAY_DEPLOYMENT");
  const model = (await rest("GET", "/models?search=iris")).body.items.find((one) => one.name === "iris").id;
  const operation = (await rest("GET", `/operations?object_id=${deployment}`)).body.items[0].id;
  const fleet = (await rest("GET", "/clusters?search=fleet")).body.items[0].id;
  for (const [name, address] of Object.entries({
    home: "/",
    deployments: "/deployments",
    "deploy-form": "/deployments/new",
    deployment: `/deployments/${deployment}`,
    "deployment-change": `/deployments/${deployment}/change`,
    "deployment-logs": `/deployments/${deployment}/logs`,
    models: "/models",
    model: `/models/${model}`,
    "release-form": `/models/${model}/releases/new?repository=forecasting/iris`,
    release: `/releases/${await first(`/releases?model=${model}`)}`,
    workspaces: "/workspaces",
    workspace: `/workspaces/${await first("/workspaces?cluster=lab")}`,
    clusters: "/clusters",
    "cluster-attach": "/clusters/new",
    cluster: `/clusters/${fleet}`,
    accounts: "/accounts",
    account: `/accounts/${await first("/accounts")}`,
    teams: "/teams",
    team: `/teams/${await first("/teams?search=forecasting")}`,
    "team-tokens": `/teams/${await first("/teams?search=forecasting")}/tokens`,
    users: "/users",
    user: `/users/${await first("/users?search=dev@")}`,
    operations: "/operations",
    operation: `/operations/${operation}`,
    audit: "/audit",
    profile: "/profile",
  })) {
    await open(t, page, name, address);
  }
});

test("the API reference tells of every operation, and what it takes", async (t) => {
  const page = await signedIn(t, deployer());
  await page.goto("/profile");
  await page.getByRole("link", { name: "API", exact: true }).click();
  const document = (await rest("GET", "/openapi.json")).body;
  for (const [path, operations] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      const line = await page.locator(`details:has(> #${operation.operationId}) > summary`).innerText();
      assert.ok(line.includes(method.toUpperCase()) && line.includes(path), `${operation.operationId} is shown as ${line}`);
    }
  }
  await page.locator("details:has(> #change_deployment) > summary").click();
  await page.locator("#change_deployment").getByRole("link", { name: "DeploymentChange" }).click();
  await page.locator("#shape-DeploymentChange").getByText("replicas").waitFor();
  await look(page, "api-reference");
});

test("pages with nothing on them say what comes next", async (t) => {
  const { page } = await join(t, "nell");
  for (const name of ["home", "deployments", "models", "workspaces", "teams", "operations", "audit"]) {
    await open(t, page, `${name}-empty`, name === "home" ? "/" : `/${name}`);
  }
  await open(t, page, "deploy-form-empty", "/deployments/new");
});

test("lists that are narrowed to nothing say so and lead back", async (t) => {
  const page = await signedIn(t, admin());
  for (const name of ["deployments", "models", "workspaces", "clusters", "accounts", "teams", "users", "operations", "audit"]) {
    await open(t, page, `${name}-none`, `/${name}?${NOTHING}`);
    assert.match(await page.locator("main").innerText(), /Nothing matches/, name);
    await page.getByRole("link", { name: "Show all" }).first().click();
    assert.equal(new URL(page.url()).pathname + new URL(page.url()).search, `/${name}`);
  }
});

test("what goes wrong is said on a page like any other", async (t) => {
  const page = await signedIn(t, deployer());
  await open(t, page, "not-found", "/there/is/no/such/page", 404);
  await open(t, page, "forbidden", `/teams/${await first("/teams?search=forecasting")}/tokens`, 403);
  await page.goto("/deployments/new");
  await page.getByLabel("Name").fill("Iris Main");
  await page.getByLabel("Environment variables").fill("not a variable");
  await page.getByLabel("Replicas").fill("99");
  await page.getByRole("button", { name: "Deploy model" }).click();
  await page.locator("#name-why").waitFor();
  await look(page, "deploy-form-wrong");
});

test("a cluster that is down says so, and comes back by itself", async (t) => {
  const id = await first("/clusters?search=fleet");
  const is = (state) => eventually(`fleet being ${state}`, async () => (await rest("GET", `/clusters/${id}`)).body.state === state, { timeout: 90_000 });
  const page = await signedIn(t, admin());
  const mend = await fault(t, { kind: "api-server-down", cluster: "fleet" });
  await rest("POST", `/clusters/${id}/check`);
  await is("unreachable");
  await open(t, page, "cluster-down", `/clusters/${id}`);
  assert.match(await page.locator("main").innerText(), /cannot be reached/);
  await open(t, page, "clusters-down", "/clusters");
  const growth = (await rest("GET", "/workspaces?team=growth")).body.items[0].id;
  await open(t, page, "workspace-down", `/workspaces/${growth}`);
  await mend();
  await rest("POST", `/clusters/${id}/check`);
  await is("connected");
});

test("what is on its way shows how far it is", async (t) => {
  const token = setting("SLIPWAY_DEPLOYER_TOKEN");
  const release = await releaseOf(t, "iris", "slow", { token });
  const workspace = await first("/workspaces?cluster=lab");
  const started = await rest("POST", "/deployments", { release: release.id, workspace, name: "journey-slow", size: "tiny" }, { token });
  assert.equal(started.status, 202, JSON.stringify(started.body));
  removeAfter(t, started.body.object);
  const page = await signedIn(t, deployer());
  await page.goto(`/deployments/${started.body.object}`);
  await page.getByRole("heading", { level: 1, name: /Rolling out/ }).waitFor();
  await look(page, "deployment-rolling-out");
  assert.match(await page.locator("h1").innerText(), /Rolling out/, "it loads for 20 seconds");
  await open(t, page, "operation-running", `/operations/${started.body.operation}`);
  await open(t, page, "home-busy", "/");
});

test("a data scientist's pages hold what is theirs, also in 320 px", async (t) => {
  const { context, page } = await visitor({ width: 320 });
  later(t, () => context.close());
  await signIn(page, ...deployer());
  for (const address of ["/", "/deployments", "/deployments/new", `/deployments/${setting("SLIPWAY_DEPLOYMENT")}`, "/models", "/workspaces", "/teams", "/operations", "/audit", "/profile"]) {
    assert.equal((await page.goto(address)).status(), 200, address);
    await fits(page, address);
  }
  for (const address of ["/clusters", "/accounts", "/users"]) assert.equal((await page.goto(address)).status(), 404, `${address} is not theirs`);
});
