// A cluster that EKS has and nobody attached: an admin finds it, lets Slipway in by one click, looks at it, and detaches it again.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { admin, close, eventually, later, look, rest, setting, signIn, visitor } from "../lib/portal.mjs";
import { breakGlass, cluster } from "../lib/sandbox.mjs";

after(close);

const NAME = "spare";

/** Slipway's own objects in the cluster, with what would show that somebody touched them. */
async function ours(get) {
  const lists = ["/apis/rbac.authorization.k8s.io/v1/clusterroles", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", "/api/v1/namespaces"];
  const items = (await Promise.all(lists.map(get))).flatMap((list) => list.items.map((item) => [list.kind, item.metadata.name, item.metadata.uid, item.metadata.resourceVersion].join(" ")));
  return items.filter((item) => item.includes("slipway")).sort();
}

/** What stands beside a term of the page. */
const fact = (page, term) => page.locator("dt", { hasText: new RegExp(`^${term}$`) }).locator("+ dd").innerText();

test("a cluster is attached, set up by one click, seen live, and detached untouched", async (t) => {
  await cluster(t, NAME, { version: "1.34", nodes: 3, type: "m5.xlarge" });
  const { context, page, complaints } = await visitor();
  later(t, () => context.close());
  later(t, async () => {
    const left = (await rest("GET", `/clusters?search=${NAME}`)).body.items.find((item) => item.name === NAME);
    if (left) await rest("DELETE", `/clusters/${left.id}`);
  });
  await signIn(page, ...admin());

  await page.goto("/clusters");
  await page.getByRole("link", { name: "Attach a cluster" }).click();
  assert.equal(await page.getByRole("row", { name: /^lab/ }).getByRole("link", { name: "Attached" }).count(), 1, "what is attached says so");
  await page.getByRole("button", { name: `Attach ${NAME}` }).click();
  await page.waitForURL(/\/clusters\/[0-9a-f-]{36}/);
  const address = new URL(page.url()).pathname;

  // The page moves on by itself, from looking to what it lacks.
  await page.getByRole("heading", { name: "Slipway needs access" }).waitFor();
  await look(page, "cluster-needs-access");
  const principal = await fact(page, "IAM principal");
  assert.match(principal, /^arn:aws:iam::\d{12}:role\/slipway$/);
  const commands = await page.locator("#access-commands").innerText();
  const region = setting("AWS_REGION");
  for (const line of [
    `aws eks create-access-entry --region ${region} --cluster-name ${NAME} \\`,
    `  --principal-arn ${principal} --kubernetes-groups slipway`,
    `aws eks update-kubeconfig --region ${region} --name ${NAME}`,
    "kubectl apply --server-side -f slipway-access.yaml",
  ]) {
    assert.ok(commands.split("\n").includes(line), `${JSON.stringify(line)} is not in\n${commands}`);
  }
  assert.match(await page.locator("#aws-auth-lines").innerText(), new RegExp(`rolearn: ${principal}`));
  assert.match(await page.locator("#manifest").textContent(), /kind: ClusterRole\b/);
  const get = await breakGlass(NAME);
  assert.deepEqual(await ours(get), [], "attaching touches nothing in the cluster");

  await page.getByRole("button", { name: "Set up access" }).click();
  await page.getByRole("heading", { level: 1, name: `${NAME} Connected` }).waitFor();
  await page.getByRole("heading", { name: "Setting up access" }).waitFor({ state: "hidden" });
  const { entries } = await (await fetch(`${setting("AWS_ENDPOINT_URL")}/_sandbox/eks/${NAME}/access`)).json();
  const entry = entries.find((one) => one.principalArn === principal);
  assert.deepEqual([entry.groups, entry.policies], [["slipway"], []], "the admin policy is taken back");

  // What the cluster is, without loading the page again.
  await eventually("three nodes on the page", async () => (await page.locator(".figures").innerText()).replaceAll("\n", " ").includes("3 Nodes") || (await fact(page, "Nodes")) === "3");
  assert.match(await fact(page, "Kubernetes"), /1\.34/);
  assert.equal(await fact(page, "Zones"), "3");
  assert.match(await fact(page, "Memory"), /\d GiB/);
  assert.ok(Number(await fact(page, "CPU")) > 10, "three nodes of four CPUs each, less what EKS keeps");
  await eventually("the sentence about network policies", async () => /Not enforced.*every pod can reach every other/s.test(await fact(page, "Network policies")));
  assert.equal(await page.locator(".zone").count(), 3);
  assert.equal(await page.locator(".node").count(), 3);
  assert.equal(await page.getByRole("region", { name: "Nodes" }).getByRole("row").count(), 4, "a head and three nodes");
  await look(page, "cluster-attached");

  const before = await ours(get);
  assert.ok(before.length > 0, "set-up left Slipway's roles");
  await page.getByLabel(`Type ${NAME} to confirm`).fill("something else");
  await page.getByRole("button", { name: "Detach cluster" }).click();
  assert.match(await page.locator("#confirm-why").innerText(), new RegExp(`Type ${NAME} exactly`));
  await page.getByLabel(`Type ${NAME} to confirm`).fill(NAME);
  await page.getByRole("button", { name: "Detach cluster" }).click();
  await page.waitForURL("**/clusters");
  assert.equal(await page.getByRole("link", { name: NAME, exact: true }).count(), 0);
  assert.equal((await page.goto(address)).status(), 404);
  await page.goto("/clusters/new");
  await page.getByRole("button", { name: `Attach ${NAME}` }).waitFor();
  // Long enough for a watcher or a reconciler that still holds on to it to act.
  await new Promise((resolve) => setTimeout(resolve, 3000));
  assert.deepEqual(await ours(get), before, "detaching touches nothing in the cluster");
  assert.deepEqual(complaints.filter((complaint) => !complaint.includes("404") && !complaint.includes("422")), []);
});
