/** Examples that each command's help ends with. A test holds that there is one for every command. */
import type { Command } from 'commander';

const EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  demo: ['tagboat demo                          # the page: http://127.0.0.1:8080', 'tagboat demo --simulated --port 0'],
  controller: ['tagboat controller --config /etc/tagboat/tagboat.yaml', 'TAGBOAT_LISTENERS_HTTP_PORT=9000 tagboat controller'],
  'controller manifests': ['tagboat controller manifests --config tagboat.yaml --image registry.example.org/tagboat:0.1.0 | kubectl apply -f -'],
  'agent docker': ['tagboat agent docker --join tagboat-join:…   # once, with the word of the line that `tagboat node enroll` prints', 'tagboat agent docker                         # from then on'],
  'agent kubernetes': ['tagboat agent kubernetes --join tagboat-join:…   # the printed manifest runs this in the cluster'],
  'agent simulated': ['tagboat agent simulated --join tagboat-join:… --directory .agent'],
  init: ['tagboat init deployments --team acme --owner ann@example.org', 'tagboat init && tagboat validate'],
  validate: ['tagboat validate', 'tagboat validate deploy --rev origin/main', 'tagboat validate --format json | jq .problems'],
  render: ['tagboat render --deployment shop-production', 'tagboat render --rev shop/1.2.0 --format yaml'],
  plan: ['tagboat plan                                    # what the last commit does', 'tagboat plan --base main --head HEAD --format markdown', 'TAGBOAT_URL=https://tagboat.example.org tagboat plan --head HEAD'],
  seal: ['tagboat seal --node harbor --name PASSWORD < password.txt', 'pwgen -s 40 1 | tagboat seal --all-nodes --name SESSION_KEY'],
  status: ['tagboat status', 'tagboat status --team acme --format json', 'tagboat status --url https://tagboat.example.org --token "$(cat token)"'],
  logs: ['tagboat logs shop-production --container web --tail 20', 'tagboat logs shop-production --container web --follow --timestamps', 'tagboat logs shop-staging --format json | jq -r .text'],
  audit: ['tagboat audit --team acme --limit 20', 'tagboat audit --actor ann@example.org --since 7d', 'tagboat audit --action token. --format json'],
  'audit verify': ['tagboat audit verify', 'TAGBOAT_DATABASE_URL=postgres://… tagboat audit verify --team acme'],
  'node enroll': ['tagboat node enroll harbor --team acme', 'tagboat node enroll harbor --format json | jq -r .command'],
  'node revoke': ['tagboat node revoke harbor --team acme'],
  'token create': ['tagboat token create --team acme --profile ann@example.org', 'tagboat token create --team acme --profile ci@example.org --label ci --expires 30d > ci.token'],
  'token list': ['tagboat token list --team acme', 'tagboat token list --format json'],
  'token revoke': ['tagboat token revoke 3f9a1c02b7de --team acme'],
  'import compose': ['tagboat import compose docker-compose.yaml --product shop --node harbor', 'tagboat import compose compose.yaml --output deployments --profile "*"'],
  'notify test': ['tagboat notify test chat --team acme', 'tagboat notify test chat --format json | jq .state'],
  completion: ['source <(tagboat completion bash)', 'tagboat completion zsh > "${fpath[1]}/_tagboat"', 'tagboat completion fish > ~/.config/fish/completions/tagboat.fish'],
};

/** Adds to every command below `program` what is known for it. */
export function addExamples(program: Command, above: readonly string[] = []): void {
  for (const command of program.commands) {
    const path = [...above, command.name()];
    const lines = EXAMPLES[path.join(' ')];
    if (lines !== undefined) command.addHelpText('after', `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}`);
    addExamples(command, path);
  }
}
