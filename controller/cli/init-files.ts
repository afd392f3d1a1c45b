/** What `tagboat init` writes. Pure. */

export interface InitNames {
  readonly team: string;
  readonly owner: string;
  readonly node: string;
  readonly nodeType: 'docker' | 'kubernetes';
}

/** Texts by path. `schemas`: the folder with the copied schemas. */
export function initFiles({ team, owner, node, nodeType }: InitNames, schemas: string): Readonly<Record<string, string>> {
  const head = (kind: string, depth: number): string => `# yaml-language-server: $schema=${'../'.repeat(depth) || './'}${schemas}/${kind}.schema.json\n`;
  return {
    'team.yaml': `${head('team', 0)}# Who belongs to the team. user: reads; admin: also lets nodes in and makes access tokens; owner.
apiVersion: tagboat/v1
kind: Team
metadata: { name: ${team} }
spec:
  members:
    - { name: ${JSON.stringify(owner.split('@')[0] ?? owner)}, email: ${JSON.stringify(owner)}, role: owner }
`,
    [`nodes/${node}.yaml`]: `${head('node', 1)}# A place to deploy to. \`tagboat node enroll ${node}\` prints the line that connects it.
apiVersion: tagboat/v1
kind: Node
metadata: { name: ${node} }
spec: { type: ${nodeType} }
`,
    'products/hello/product.yaml': `${head('product', 2)}# simple: one rolling version. complex: also numbered ones, from tags like hello/1.2.0.
apiVersion: tagboat/v1
kind: Product
metadata: { name: hello }
spec:
  type: simple
  description: Something to begin with
`,
    'products/hello/version.yaml': `${head('version', 2)}# What the product is made of, read at the head of the branch or at a tag.
apiVersion: tagboat/v1
kind: Version
metadata: { name: hello }
spec:
  bundles: [ defaults ]
  images:
    - name: web
      image: nginx:1.27-alpine
      config:
        ports: [ { internal: 80, external: 8000 } ]
        healthCheck: { http: { path: /, port: 80 }, interval: 2s, retries: 10 }
`,
    'bundles/defaults.yaml': `${head('config-bundle', 1)}# Configuration that versions and deployments share.
apiVersion: tagboat/v1
kind: ConfigBundle
metadata: { name: defaults }
spec:
  config:
    environment: { TZ: UTC }
`,
    'deployments/hello.yaml': `${head('deployment', 1)}# A product on a node, under a prefix that names its containers.
apiVersion: tagboat/v1
kind: Deployment
metadata: { name: hello }
spec:
  product: hello
  node: ${node}
  prefix: hello
`,
  };
}
