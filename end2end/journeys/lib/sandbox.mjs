// What happens outside the portal: EKS, the clusters themselves, and faults.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import https from "node:https";
import path from "node:path";
import { promisify } from "node:util";
import { eventually, later, setting } from "./portal.mjs";

const run = promisify(execFile);

/** Calls EKS as the sandbox's administrator. curl signs; the keys are not among its arguments, where anybody sees them. */
export async function eks(method, address, body) {
  const arguments_ = ["-sS", "--max-time", "60", "--request", method, "--aws-sigv4", `aws:amz:${setting("AWS_REGION")}:eks`, "--config", "-", "--write-out", "\n%{http_code}"];
  if (body) arguments_.push("--header", "content-type: application/json", "--data", JSON.stringify(body));
  const child = run("curl", [...arguments_, `${setting("AWS_ENDPOINT_URL")}${address}`]);
  child.child.stdin.end(`user = "${setting("AWS_ACCESS_KEY_ID")}:${setting("AWS_SECRET_ACCESS_KEY")}"\n`);
  const { stdout } = await child;
  const at = stdout.lastIndexOf("\n");
  const text = stdout.slice(0, at);
  return { status: Number(stdout.slice(at + 1)), body: text ? JSON.parse(text) : undefined };
}

/** A cluster of its own with simulated nodes in as many zones as `lab` has, made in EKS and in nothing else. Deleted after the test. */
export async function cluster(t, name, { version = "1.34", nodes = 3, type = "m5.xlarge" } = {}) {
  const lab = (await eks("GET", "/clusters/lab")).body.cluster;
  const group = (await eks("GET", "/clusters/lab/node-groups/general")).body.nodegroup;
  const subnetIds = lab.resourcesVpcConfig.subnetIds;
  const made = await eks("POST", "/clusters", {
    name,
    version,
    roleArn: lab.roleArn,
    resourcesVpcConfig: { subnetIds, endpointPublicAccess: true, endpointPrivateAccess: true },
    accessConfig: { authenticationMode: "API_AND_CONFIG_MAP" },
  });
  assert.equal(made.status, 200, JSON.stringify(made.body));
  later(t, () => remove(name));
  await eventually(`the cluster ${name} turning active`, async () => (await eks("GET", `/clusters/${name}`)).body.cluster.status === "ACTIVE");
  const joined = await eks("POST", `/clusters/${name}/node-groups`, {
    nodegroupName: "general",
    nodeRole: group.nodeRole,
    subnets: subnetIds,
    instanceTypes: [type],
    scalingConfig: { minSize: 1, desiredSize: nodes, maxSize: nodes },
    tags: { "sandbox:nodes": "simulated" },
  });
  assert.equal(joined.status, 200, JSON.stringify(joined.body));
  await eventually(`the nodes of ${name}`, async () => (await eks("GET", `/clusters/${name}/node-groups/general`)).body.nodegroup.status === "ACTIVE");
}

async function remove(name) {
  await eks("DELETE", `/clusters/${name}/node-groups/general`);
  await eventually(`the node group of ${name} going away`, async () => (await eks("GET", `/clusters/${name}/node-groups/general`)).status === 404);
  const gone = await eks("DELETE", `/clusters/${name}`);
  assert.equal(gone.status, 200, JSON.stringify(gone.body));
  await eventually(`${name} going away`, async () => (await eks("GET", `/clusters/${name}`)).status === 404);
}

/** Asks the API server of a cluster as its break-glass administrator, whom no mapping concerns; with a patch, changes what is there. */
export async function breakGlass(name) {
  const folder = path.join(path.dirname(setting("KUBECONFIG")), "kubernetes/planes", name, "pki");
  const [cert, key] = await Promise.all(["break-glass.crt", "break-glass.key"].map((file) => readFile(path.join(folder, file))));
  const { endpoint, certificateAuthority } = (await eks("GET", `/clusters/${name}`)).body.cluster;
  const ca = Buffer.from(certificateAuthority.data, "base64");
  return (address, { patch } = {}) =>
    new Promise((resolve, reject) => {
      const headers = patch ? { "content-type": "application/merge-patch+json" } : {};
      const request = https.request(`${endpoint}${address}`, { method: patch ? "PATCH" : "GET", headers, cert, key, ca, timeout: 10_000 }, (response) => {
        let text = "";
        response.on("data", (part) => (text += part));
        response.on("end", () => (response.statusCode === 200 ? resolve(JSON.parse(text)) : reject(new Error(`${address} of ${name}: ${response.statusCode} ${text}`))));
      });
      request.on("timeout", () => request.destroy(new Error(`${address} of ${name} did not answer`)));
      request.on("error", reject);
      request.end(patch && JSON.stringify(patch));
    });
}

/** Makes something go wrong until the test is over, or until what is returned is called. */
export async function fault(t, wanted) {
  const address = `${setting("AWS_ENDPOINT_URL")}/_sandbox/faults`;
  const made = await fetch(address, { method: "POST", body: JSON.stringify(wanted) });
  assert.ok(made.ok, `${made.status} ${await made.clone().text()}`);
  const { id } = await made.json();
  const mend = async () => {
    const gone = await fetch(`${address}/${id}`, { method: "DELETE" });
    assert.ok(gone.ok || gone.status === 404, `the fault ${id} is not taken back: ${gone.status}`);
  };
  later(t, mend);
  return mend;
}
